"""Functions of angles and their kin as analysts call them, against mpmath and NumPy."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import mpmath
import numpy as np
import pytest

import tercet as tc
from function_sweeps import ACCURACY, kept, off, stored, swept, unclaimed, worst
from plan_trio import TrioSession
from tercet.errors import PlanError

REAL = lambda v: mpmath.acos(max(-1, min(1, v)))
OFFERED: dict[str, tuple[Callable[[Any], Any], Callable[[Any], Any], list[tuple[float, float]]]] = {
    "cbrt": (tc.cbrt, lambda v: mpmath.sign(v) * mpmath.cbrt(abs(v)), [(-1000, 1000), (0, 2.0**30), (-1, 0)]),
    "sinh": (tc.sinh, mpmath.sinh, [(-12, 12), (-1, 3), (0, 0.5), (-7, -2)]),
    "cosh": (tc.cosh, mpmath.cosh, [(-12, 12), (-1, 3), (0, 0.5), (-7, -2)]),
    "asin": (tc.asin, lambda v: mpmath.pi / 2 - REAL(v), [(-1, 1), (-50, 50), (0, 1), (-0.5, -0.25)]),
    "acos": (tc.acos, REAL, [(-1, 1), (-50, 50), (0, 1), (-0.5, -0.25)]),
    "atan": (tc.atan, mpmath.atan, [(-1000, 1000), (-1, 1), (0, 2.0**19), (-3, 0), (2, 3)]),
    "atan2_up": (lambda x: tc.atan2(x, 0.5), lambda v: mpmath.atan2(v, 0.5), [(-1000, 1000), (0, 0.25), (-2, -1)]),
    "atan2_on": (lambda x: tc.atan2(-0.5, x), lambda v: mpmath.atan2(-0.5, v), [(-1000, 1000), (0, 0.25), (-2, -1)]),
    "sinc": (tc.sinc, mpmath.sincpi, [(-1000, 1000), (0, 1), (0, 2.0**19), (-3, -1), (5, 7)]),
    "logaddexp2": (
        lambda x: tc.logaddexp2(x, 0.5),
        lambda v: mpmath.log(mpmath.mpf(2) ** v + mpmath.sqrt(2), 2),
        [(-300, 300), (-1, 1)],
    ),
}
MONOTONE = ("cbrt", "sinh", "asin", "acos", "atan")


@pytest.mark.parametrize("frac_bits", ACCURACY)
@pytest.mark.parametrize("name", OFFERED)
def test_at_most_two_last_bits(name: str, frac_bits: int) -> None:
    """Within a plan, where a coin rounds; relative above 1. Within bounds that the nodes prove, and that are tight."""
    function, true, ranges = OFFERED[name]
    one = 1 << frac_bits
    for seed, (low, high) in enumerate(ranges):
        lo, hi = int(low * one), int(high * one)
        values = swept(lo, hi, seed, 120)
        session = TrioSession(parties=True, seed=seed)
        result = function(stored(session, values, (lo, hi), frac_bits))
        found = kept(session, result)
        assert result.frac_bits == frac_bits
        assert worst(found, values, true, frac_bits) <= 2, name
        with mpmath.workdps(50):
            ends = sorted(float(true(mpmath.ldexp(end, -frac_bits))) for end in (lo, hi))
        assert min(found) >= result.node.type.lo and max(found) <= result.node.type.hi
        if name == "atan" and (low, high) not in [(-1, 1), (2, 3)]:
            # the two selects do not know the size: half a turn, of either sign
            assert -np.pi / 2 - 2**-14 < result.bounds[0] <= ends[0] < ends[1] <= result.bounds[1] < np.pi / 2 + 2**-14
        elif name in MONOTONE:
            assert np.allclose(result.bounds, ends, rtol=2**-14, atol=2**-14)
        assert unclaimed(session), (name, low, high)


@pytest.mark.parametrize("frac_bits", ACCURACY)
def test_tangent(frac_bits: int) -> None:
    """Two last bits times 1 + tan^2 up to 2^(frac_bits / 2), and within the bounds beyond."""
    one = 1 << frac_bits
    poles = [int(np.floor((k + 0.5) * np.pi * one)) + d for k in range(-300, 300, 7) for d in (-3, -1, 0, 1, 2, 99)]
    for seed, (low, high) in enumerate([(-1000, 1000), (-1.5, 1.25), (0, 0.5), (2, 4)]):
        lo, hi = int(low * one), int(high * one)
        values = [*swept(lo, hi, seed, 150), *(v for v in poles if lo <= v <= hi)]
        session = TrioSession(parties=True, seed=seed)
        result = tc.tan(stored(session, values, (lo, hi), frac_bits))
        found = kept(session, result)
        with mpmath.workdps(50):
            for value, word in zip(values, found, strict=True):
                wanted = mpmath.tan(mpmath.ldexp(value, -frac_bits))
                if abs(wanted) <= 2 ** (frac_bits / 2):
                    assert abs(mpmath.ldexp(int(word), -frac_bits) - wanted) * one <= 2 * (1 + wanted**2), value
            ends = [float(mpmath.tan(mpmath.ldexp(end, -frac_bits))) for end in (lo, hi)]
        assert min(found) >= result.node.type.lo and max(found) <= result.node.type.hi
        if high - low < 3:
            assert np.allclose(result.bounds, ends, rtol=2**-10, atol=2**-14)
        else:
            assert result.bounds[1] == -result.bounds[0] < 1.0001 * 2 ** (frac_bits // 2 + 4)
        assert unclaimed(session)


@pytest.mark.parametrize("frac_bits", ACCURACY)
def test_all_quadrants(frac_bits: int) -> None:
    """Of two secrets, of any signs and sizes; of (0, 0) it is 0."""
    one = 1 << frac_bits
    rng = np.random.default_rng(frac_bits)
    session = TrioSession(parties=True, seed=frac_bits)
    bound = 1 << 45
    ys, xs = (swept(-bound, bound, seed, 200) for seed in (1, 2))
    ys, xs = [0, 0, one, 0, -1, *ys], [0, one, 0, -one, -1, *rng.permutation(np.array(xs, dtype=object))]
    y, x = (stored(session, values, (-bound, bound), frac_bits) for values in (ys, xs))
    result = tc.atan2(y, x)
    found = kept(session, result)
    for a, b, word in zip(ys, xs, found, strict=True):
        assert abs(off(word, mpmath.atan2(a, b) if a or b else 0, frac_bits)) <= 2, (a, b)
    assert found[0] == 0
    assert np.allclose(result.bounds, (-np.pi, np.pi), atol=2**-14)
    assert unclaimed(session)


def test_bounds_of_angles() -> None:
    session = TrioSession()
    last = 2.0**-14

    def of(lo: float, hi: float) -> Any:
        return session.share(np.array([lo]), bounds=(lo, hi))

    up, high, down, low, wide = of(2, 5), of(2.5, 5), of(-5, -2), of(-1, 1), of(-5, 5)
    for result, wanted in (
        (tc.atan2(up, up), (np.arctan2(2, 5), np.pi / 4)),
        (tc.atan2(up, high), (np.arctan2(2, 5), np.pi / 2 - np.arctan2(2, 5))),
        (tc.atan2(low, up), (-np.arctan2(1, 2), np.arctan2(1, 2))),
        (tc.atan2(up, low), (np.arctan2(2, 1), np.pi - np.arctan2(2, 1))),
        (tc.atan2(low, down), (-np.pi, np.pi)),
        (tc.atan2(of(0, 1), down), (np.pi - np.arctan2(1, 2), np.pi)),
        (tc.atan2(down, wide), (-np.pi, 0)),
        (tc.cosh(wide), (1, np.cosh(5))),
        (tc.cosh(down), (np.cosh(2), np.cosh(5))),
        (tc.sinc(wide), (-0.2173, 1)),
        (tc.sinc(low), (0, 1)),
        (tc.sinc(down), (-1 / (2 * np.pi), 1 / (2 * np.pi))),
        (tc.asin(wide), (-np.pi / 2, np.pi / 2)),
        (tc.acos(wide), (0, np.pi)),
        (tc.atan(wide), (-np.pi / 2, np.pi / 2)),
        (tc.atan(up), (np.arctan(2), np.arctan(5))),
    ):
        for found, end in zip(result.bounds, wanted, strict=True):
            assert abs(found - end) < last * max(1, abs(end)) or (end in (0,) and abs(found) < 0.02), (result, wanted)


def test_outside_the_domain() -> None:
    session = TrioSession(parties=True)
    x = session.share(np.array([-5.0, -1.0, 1.0, 7.0]), bounds=(-9, 9))
    ends = np.round(np.pi / 2 * 65536) / 65536
    assert np.array_equal(tc.asin(x).reveal(), [-ends, -ends, ends, ends])
    turn = np.round(np.pi * 65536) / 65536
    assert np.array_equal(tc.acos(x).reveal(), [turn, turn, 0, 0])
    assert tc.atan2(x - x, x - x).reveal().tolist() == [0, 0, 0, 0]
    assert tc.sinc(session.share(np.array([0, 1, -3]), bounds=(-5, 5))).reveal().tolist() == [1, 0, 0]
    assert tc.cbrt(session.share(np.array([0, 27, -8]), bounds=(-50, 50))).reveal().tolist() == [0, 3, -2]


@pytest.mark.parametrize("name", [name for name in OFFERED if not name.startswith("atan2")])
def test_revealed_it_is_the_nearest(name: str) -> None:
    function, true, _ = OFFERED[name]
    values = np.linspace(-3, 3, 300)
    shared = np.round(values * 65536) / 65536
    session = TrioSession(parties=True)
    found = function(session.share(values, bounds=(-3, 3))).reveal()
    exact = np.array([float(true(mpmath.mpf(value))) for value in shared])
    assert np.max(np.abs(found - exact) / np.maximum(1, np.abs(exact))) * 65536 < 0.51
    assert np.array_equal(found * 65536, np.round(found * 65536))


def test_numpy_calls_them_and_plain_arrays_are_plain() -> None:
    session = TrioSession(parties=True)
    values = np.array([0.5, -0.25])
    x = session.share(values, bounds=(-1, 1))
    for name, numpys in (
        ("cbrt", np.cbrt),
        ("tan", np.tan),
        ("sinh", np.sinh),
        ("cosh", np.cosh),
        ("asin", np.arcsin),
        ("acos", np.arccos),
        ("atan", np.arctan),
        ("sinc", np.sinc),
    ):
        ours = getattr(tc, name)
        assert np.array_equal(numpys(x).reveal(), ours(x).reveal())
        assert np.max(np.abs(ours(x).reveal() - numpys(values))) < 2**-16
        assert np.array_equal(ours(values), numpys(values))
        assert getattr(x.__array_namespace__(), name) is ours
    assert np.array_equal(np.arctan2(x, 2).reveal(), tc.atan2(x, 2).reveal())
    assert np.max(np.abs(np.arctan2([1, 2], x).reveal() - np.arctan2([1, 2], values))) < 2**-16
    assert np.array_equal(np.logaddexp2(x, x).reveal(), values + 1)
    for name in ("atan2", "logaddexp2"):
        assert np.array_equal(getattr(tc, name)(values, values), getattr(np, name)(values, values))
    with pytest.raises(TypeError, match="cannot write a secret result"):
        np.arctan2(x, x, out=np.empty(2))


def test_shapes_and_kinds() -> None:
    """No elements, no dimensions, broadcasting, integers, bools, quotients."""
    session = TrioSession(parties=True)
    empty = session.share(np.zeros((0, 3)), bounds=(-1, 1))
    one = session.share(np.array(0.5), bounds=(-1, 1))
    for function in (tc.cbrt, tc.tan, tc.sinh, tc.cosh, tc.asin, tc.acos, tc.atan, tc.sinc):
        assert function(empty).reveal().shape == (0, 3)
        assert function(one).reveal().shape == ()
    row, column = (session.share(np.array(v), bounds=(-4, 4)) for v in ([1, -2, 3], [[1.5], [-2.5]]))
    for function, numpys in ((tc.atan2, np.arctan2), (tc.logaddexp2, np.logaddexp2)):
        wanted = numpys([1, -2, 3], [[1.5], [-2.5]])
        assert np.max(np.abs(function(row, column).reveal() - wanted)) < 2**-15
        assert function(empty, one).reveal().shape == (0, 3)
    flag = session.share(np.array([True, False]))
    assert np.max(np.abs(tc.atan(flag).reveal() - [np.pi / 4, 0])) < 2**-16
    assert np.max(np.abs(tc.tan(row / 3).reveal() - np.tan(np.array([1, -2, 3]) / 3))) < 2**-12
    squares = column * column
    assert np.max(np.abs(tc.cbrt(squares).reveal() - np.cbrt([[2.25], [6.25]]))) < 2**-15


def test_what_cannot_fit_is_refused_with_what_to_declare() -> None:
    session = TrioSession()
    for function in (tc.sinh, tc.cosh):
        with pytest.raises(PlanError, match="h of values up to 200 does not fit") as refused:
            function(session.share(np.array([2.0]), bounds=(-3, 200)))
        assert "narrower bounds" in str(refused.value.hint)
    fine = session.share(np.array([0]), bounds=(-1, 1), frac_bits=60)
    for function in (tc.asin, tc.atan, tc.tan, tc.sinc):
        with pytest.raises(PlanError, match="to 60 fractional bits does not fit the largest ring"):
            function(fine)
