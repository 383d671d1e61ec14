"""Activations and losses that are lines beyond a bend, classes as rows, and norms."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import mpmath
import numpy as np
import pytest

import tercet as tc
from function_sweeps import kept, stored, swept, unclaimed, worst
from plan_trio import TrioSession
from tercet.errors import PlanError


def true_huber(delta: float) -> Callable[[Any], Any]:
    d = mpmath.mpf(delta)
    return lambda v: v * v / 2 if abs(v) <= d else d * (abs(v) - d / 2)


def true_elu(alpha: float) -> Callable[[Any], Any]:
    return lambda v: max(v, mpmath.mpf(0)) + mpmath.mpf(alpha) * mpmath.expm1(min(v, mpmath.mpf(0)))


BENT: dict[str, tuple[Callable[[Any], Any], Callable[[Any], Any]]] = {
    "leaky_relu": (tc.nn.leaky_relu, lambda v: max(v, 0) + mpmath.mpf(0.01) * min(v, 0)),
    "steep": (lambda x: tc.nn.leaky_relu(x, -3.7), lambda v: max(v, 0) + mpmath.mpf(-3.7) * min(v, 0)),
    "elu": (tc.nn.elu, true_elu(1)),
    "large elu": (lambda x: tc.nn.elu(x, 1000.7), true_elu(1000.7)),
    "huber": (lambda x: tc.special.huber(1.345, x), true_huber(1.345)),
    "small huber": (lambda x: tc.special.huber(0.001, x), true_huber(0.001)),
    "large huber": (lambda x: tc.special.huber(1000.3, x), true_huber(1000.3)),
    "hardtanh": (tc.nn.hardtanh, lambda v: max(min(v, mpmath.mpf(1)), mpmath.mpf(-1))),
}


@pytest.mark.parametrize("frac_bits", [16, 20, 24, 40])
@pytest.mark.parametrize("name", BENT)
def test_at_most_two_last_bits_and_tight_bounds(name: str, frac_bits: int) -> None:
    function, true = BENT[name]
    one = 1 << frac_bits
    wide = 31 if frac_bits < 40 or "huber" not in name else 20
    for low, high in ((-(1 << wide), 1 << wide), (-9, 5), (-5, 0), (1, 7)):
        lo, hi = low * one, high * one
        values = swept(lo, hi, 3, 120)
        session = TrioSession(parties=True)
        result = function(stored(session, values, (lo, hi), frac_bits))
        found = kept(session, result)
        assert unclaimed(session)
        assert worst(found, values, true, frac_bits) <= 2
        with mpmath.workdps(50):
            ends = [float(true(mpmath.mpf(end))) for end in (low, 0, high) if low <= end <= high]
        room = max(map(abs, ends)) * 2.0 ** (2 - frac_bits) + 2.0 ** (3 - frac_bits)
        if name != "steep":
            assert result.bounds[0] >= min(ends) - room and result.bounds[1] <= max(ends) + room


def test_they_are_those_of_numpy_for_public_numbers() -> None:
    values = np.array([-3.0, -0.5, 0.0, 0.25, 9.0])
    for name, (function, true) in BENT.items():
        wanted = [float(true(mpmath.mpf(value))) for value in values]
        assert np.allclose(function(values), wanted, atol=1e-12), name


def test_refusals() -> None:
    x = TrioSession().share(np.array([0.5]), bounds=(-1, 1))
    with pytest.raises(ValueError, match="delta that is not negative"):
        tc.special.huber(-1.0, x)
    with pytest.raises(TypeError, match="delta is a finite public number"):
        tc.special.huber(x, x)
    with pytest.raises(ValueError, match="min_val below max_val"):
        tc.nn.hardtanh(x, 1.0, 1.0)
    with pytest.raises(TypeError, match="inplace"):
        tc.nn.leaky_relu(x, inplace=True)
    with pytest.raises(PlanError, match="exp of values"):
        tc.nn.elu(x, 1e30)
    assert tc.nn.leaky_relu(TrioSession(parties=True).share(np.zeros((0, 2)))).reveal().shape == (0, 2)


@pytest.mark.parametrize("bounds", [(0, 4), (-3, 9), (0, 9), (-5, 4), (2, 3), (6, 8), (-4, -2)])
def test_one_hot(bounds: tuple[int, int]) -> None:
    """A row of nothing where the integer is no class."""
    session = TrioSession(parties=True)
    values = np.arange(bounds[0], bounds[1] + 1)
    x = session.share(values, bounds=bounds)
    found = tc.nn.one_hot(x, 5)
    assert found.bounds == (0, 1)
    assert np.array_equal(found.reveal(), values[:, None] == np.arange(5))
    inside = values[(values >= 0) & (values < 5)]
    assert np.array_equal(tc.nn.one_hot(inside, 5), inside[:, None] == np.arange(5))


def test_one_hot_of_odd_shapes_and_what_it_refuses() -> None:
    session = TrioSession(parties=True)
    assert np.array_equal(tc.nn.one_hot(session.share([0, 0], bounds=(0, 0)), 1).reveal(), [[1], [1]])
    assert np.array_equal(tc.nn.one_hot(session.share(2, bounds=(0, 3)), 3).reveal(), [0, 0, 1])
    cube = np.arange(6).reshape(1, 2, 3)
    assert np.array_equal(tc.nn.one_hot(session.share(cube, bounds=(0, 5)), 7).reveal(), np.eye(7)[cube])
    assert tc.nn.one_hot(session.share(np.zeros((0, 2), dtype=np.int64), bounds=(0, 3)), 4).shape == (0, 2, 4)
    x = session.share([1, 2], bounds=(0, 3))
    with pytest.raises(ValueError, match="num_classes is a public number"):
        tc.nn.one_hot(x)
    with pytest.raises(TypeError, match="secret integers"):
        tc.nn.one_hot(session.share([0.5]), 3)


NORMS: list[tuple[Any, dict[str, Any]]] = [
    *((ord, {"axis": axis}) for ord in (2, 1, np.inf, -np.inf, 0) for axis in (None, 0, 1, (0, 1), (0, 2), -1)),
    (2, {"axis": 1, "keepdims": True}),
    (1, {"axis": (1, 2), "keepdims": True}),
]


@pytest.mark.parametrize(("ord", "options"), NORMS, ids=str)
def test_vector_norms(ord: Any, options: dict[str, Any]) -> None:
    session = TrioSession(parties=True)
    values = np.round(np.random.default_rng(2).normal(size=(3, 4, 2)) * 5, 1)
    x = session.share(values)
    wanted = np.linalg.vector_norm(np.round(values * 65536) / 65536, ord=ord, **options)
    found = tc.linalg.vector_norm(x, ord=ord, **options)
    assert found.shape == wanted.shape
    assert np.max(np.abs(found.reveal() - wanted)) <= 2**-15
    assert np.array_equal(np.linalg.vector_norm(x, ord=ord, **options).reveal(), found.reveal())


def test_norms_have_numpys_signature() -> None:
    session = TrioSession(parties=True)
    values = np.array([[1.5, -2.0, 0.25], [-4.0, 0.5, 3.0]])
    x = session.share(values, bounds=(-8, 8))
    calls: list[dict[str, Any]] = [{}, {"axis": 1}, {"axis": 0, "keepdims": True}, {"ord": "fro"}, {"ord": 1}]
    calls += [{"ord": np.inf}, {"ord": 1, "axis": (1, 0)}, {"ord": np.inf, "axis": (1, 0), "keepdims": True}]
    calls += [{"ord": 1, "axis": 1}]
    for options in calls:
        wanted = np.linalg.norm(values, **options)
        for norm in (tc.linalg.norm, np.linalg.norm):
            found = norm(x, **options)
            assert found.shape == wanted.shape and np.max(np.abs(found.reveal() - wanted)) < 2**-15, options
    for bad in ({"ord": 3}, {"ord": 2, "axis": (0, 1)}, {"ord": "nuc"}):
        with pytest.raises(ValueError, match="orders"):
            tc.linalg.norm(x, **bad)
    assert tc.linalg.norm(session.share(np.zeros(0))).reveal() == 0
    with pytest.raises(ValueError, match="no elements"):
        tc.linalg.vector_norm(session.share(np.zeros(0)), ord=np.inf)
    lo, hi = tc.linalg.vector_norm(x).bounds
    assert lo == 0 and abs(hi - 8 * 6**0.5) < 2**-13


@pytest.mark.parametrize("frac_bits", [16, 20, 24, 40])
def test_a_norm_is_of_the_sum_before_it_is_rescaled(frac_bits: int) -> None:
    """Of numbers as small as last bits."""
    session = TrioSession(parties=True)
    small = np.array([[3, 4], [0, 0], [1, 0], [5, 12]]) / 2.0**frac_bits
    x = session.share(small, bounds=(-100, 100), frac_bits=frac_bits)
    assert np.array_equal(tc.linalg.vector_norm(x, axis=1).reveal() * 2.0**frac_bits, [5, 0, 1, 13])
