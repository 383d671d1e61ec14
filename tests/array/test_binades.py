"""gammaln, digamma, log_ndtr, erfinv and ndtri against mpmath, over the whole range that may be declared."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import mpmath
import numpy as np
import pytest
import scipy.special

import tercet as tc
from function_sweeps import errors, kept, stored, swept, unclaimed
from plan_trio import TrioSession
from tercet.errors import PlanError
from tercet.plan.record.graph import Graph

SCALES = [16, 20, 24, 40]
LEAST_OF_GAMMALN = 1.4616321449683623


def log_normal(x: Any) -> Any:
    return mpmath.log(mpmath.erfc(-x / mpmath.sqrt(2)) / 2)


def inverse_erf(x: Any) -> Any:
    """By two steps of Halley, on what is left to 1, from what a float knows: 15 digits, 45, and all."""
    left = 1 - abs(x)
    at = mpmath.mpf(scipy.special.erfcinv(float(left)))
    for _ in range(2):
        step = (left - mpmath.erfc(at)) * mpmath.sqrt(mpmath.pi) / 2 * mpmath.exp(at * at)
        at -= step / (1 + at * step)
    return mpmath.sign(x) * at


Case = tuple[Callable[[Any], Any], Callable[[Any], Any], list[tuple[float, float]]]
CASES: dict[str, Case] = {
    "gammaln": (tc.special.gammaln, mpmath.loggamma, [(0, 1 << 31), (0, 3), (1, 100), (1 << 10, 1 << 20), (1, 2)]),
    "digamma": (tc.special.digamma, mpmath.digamma, [(0, 1 << 31), (0, 3), (1, 100), (5, 6)]),
    "log_ndtr": (tc.special.log_ndtr, log_normal, [(-(1 << 31), 1 << 31), (-40, 3), (-8, 8), (5, 9), (0, 3.75)]),
    "erfinv": (tc.special.erfinv, inverse_erf, [(-1, 1), (0, 1), (-1, -0.5), (-0.25, 0.25)]),
    "ndtri": (tc.special.ndtri, lambda p: mpmath.sqrt(2) * inverse_erf(2 * p - 1), [(0, 1), (0.5, 1), (0.25, 0.375)]),
}


def ends(name: str, low: float, high: float, frac_bits: int) -> tuple[int, int]:
    """As stored integers, within the domain."""
    lo, hi = int(low * 2**frac_bits), int(high * 2**frac_bits)
    if name == "log_ndtr":
        return lo, hi
    if name in ("erfinv", "ndtri"):
        hi = min(hi, (1 << frac_bits) - 1)
        return (max(lo, 1) if name == "ndtri" else max(lo, 1 - (1 << frac_bits))), hi
    return max(lo, 1), hi


@pytest.mark.parametrize("frac_bits", SCALES)
@pytest.mark.parametrize("name", CASES)
def test_at_most_two_last_bits(name: str, frac_bits: int) -> None:
    function, true, ranges = CASES[name]
    one = 1 << frac_bits
    for seed, (low, high) in enumerate(ranges):
        lo, hi = ends(name, low, high, frac_bits)
        values = swept(lo, hi, seed, 150)
        session = TrioSession(parties=True, seed=seed)
        result = function(stored(session, values, (lo, hi), frac_bits))
        assert result.frac_bits == frac_bits
        found = kept(session, result)
        assert unclaimed(session)
        least, most = result.bounds
        error = errors(found, values, true, frac_bits)
        assert least * one <= min(found) and max(found) <= most * one
        assert max(map(abs, error)) <= 2 and abs(np.mean(error)) < 0.15
        with mpmath.workdps(50):
            reached = [float(true(mpmath.ldexp(end, -frac_bits))) for end in (lo, hi)]
        # as tight as the function permits: 2^-20 of what it reaches, or a few last bits
        room = 2.0**-18 * max(map(abs, reached)) + 8 / one
        if name == "gammaln" and lo < LEAST_OF_GAMMALN * one < hi:
            reached.append(-0.1215)
        if name == "gammaln" and lo < one:
            # of two terms, each by itself
            reached += [-0.1215 - np.log(max(hi, one) / one), reached[0] + float(true(mpmath.mpf(1 + hi / one)))]
        if name == "digamma" and lo < one:
            room += 0.6 + 1
        assert min(reached) - room <= least and most <= max(reached) + room


@pytest.mark.parametrize("name", CASES)
def test_revealed_it_is_the_nearest(name: str) -> None:
    function, true, _ = CASES[name]
    values = np.round(np.linspace(0.01, 0.99, 300) * 65536) / 65536
    session = TrioSession(parties=True)
    found = function(session.share(values, bounds=(0, 1))).reveal()
    exact = np.array([float(true(mpmath.mpf(value))) for value in values])
    assert np.max(np.abs(found - exact) / np.maximum(1, np.abs(exact))) * 65536 < 0.55
    assert np.array_equal(found * 65536, np.round(found * 65536))


def test_mean_errors_of_what_is_revealed() -> None:
    session = TrioSession(parties=True)
    values = np.round(np.linspace(0.02, 0.98, 2000) * 65536) / 65536
    x = session.share(values, bounds=(0, 1))
    for name, (function, _, _) in CASES.items():
        exact = getattr(scipy.special, name)(values)
        assert abs(np.mean((function(x).reveal() - exact) / np.maximum(1, np.abs(exact)))) * 65536 < 0.02


def test_outside_the_domain() -> None:
    """The nearest number inside, at x's scale; within the bounds of the result."""
    session = TrioSession(parties=True)
    last = 2.0**-16
    x = session.share(np.array([-5.0, 0.0, last, 2.0]), bounds=(-9, 9))
    for function in (tc.special.gammaln, tc.special.digamma):
        found = function(x)
        kept = found.reveal()
        # coins inside are worth 2^-24 of a result
        assert np.allclose(kept[:2], kept[2], rtol=2**-20)
        assert np.all(kept <= found.bounds[1]) and np.all(kept >= found.bounds[0])
    y = session.share(np.array([-3.0, -1.0, last - 1, 1 - last, 1.0, 8.0]), bounds=(-9, 9))
    found = tc.special.erfinv(y).reveal()
    assert np.array_equal(found, np.repeat([-1, 1], 3) * found[3])
    p = tc.special.ndtri(session.share(np.array([-3.0, 0.0, last, 1 - last, 1.0, 8.0]), bounds=(-9, 9))).reveal()
    assert p[0] == p[1] and p[4] == p[5] and abs(p[1] + p[4]) < 2**-15
    assert tc.special.erfinv(session.share(np.zeros(3), bounds=(-1, 1))).reveal().tolist() == [0, 0, 0]


def test_integers_empty_arrays_quotients_and_public_numbers() -> None:
    session = TrioSession(parties=True)
    whole = session.share(np.array([1, 2, 9]), bounds=(1, 10))
    assert np.allclose(tc.special.gammaln(whole).reveal(), scipy.special.gammaln([1, 2, 9]), atol=2**-15)
    assert tc.special.digamma(session.share(np.zeros((0, 2)))).reveal().shape == (0, 2)
    half = session.share(np.array([1, -1]), bounds=(-1, 1)) / 2
    assert np.allclose(tc.special.erfinv(half).reveal(), scipy.special.erfinv([0.5, -0.5]), atol=2**-15)
    assert np.allclose(tc.special.log_ndtr(session.share(3)).reveal(), scipy.special.log_ndtr(3), atol=2**-15)
    points = {
        "gammaln": [1e-6, 0.3, 1, 1.46, 2, 7.7, 1e5, -0.5, -3.2, 0, -2],
        "digamma": [1e-6, 0.3, 1, 1.46, 2, 7.7, 1e5, -0.5, -3.2, -2],
        "log_ndtr": [-1e4, -100, -31, -29.9, -5, 0, 3, 9],
        "ndtri": [0, 1e-300, 1e-9, 0.2, 0.5, 0.7, 1 - 1e-12, 1, 2],
        "erfinv": [-1, -0.9, -0.3, 1e-12, 0.4, 0.6, 0.999999, 1, 2],
    }
    with np.errstate(all="ignore"):
        for name, given in points.items():
            plain = getattr(tc.special, name)(np.array(given))
            assert np.allclose(plain, getattr(scipy.special, name)(given), rtol=1e-11, atol=1e-14, equal_nan=True), name


@pytest.mark.parametrize("name", CASES)
def test_exact_rounding_reaches_inside(name: str) -> None:
    found = []
    for seed in range(2):
        session = TrioSession(parties=True, seed=seed)
        session._graph = Graph(exact_rounding=True)
        x = session.share(np.linspace(0.1, 0.9, 40), bounds=(0, 1))
        found.append(list(session.stored[tc.persist(CASES[name][0](x))[0].node.data]))
        assert not any(op.rounds_by_coin for op in session.plans[-1].operations)
    assert found[0] == found[1]


def test_refusals() -> None:
    session = TrioSession()
    for name, (function, _, _) in CASES.items():
        with pytest.raises(PlanError, match="44 fractional bits") as refused:
            function(session.share(np.array([0.25]), bounds=(0, 0.5), frac_bits=48))
        assert "fewer frac_bits" in str(refused.value.hint), name
    for function in (tc.special.gammaln, tc.special.digamma):
        with pytest.raises(PlanError, match="are the most"):
            function(session.share(np.array([2.0]), bounds=(1, 1 << 42)))
    with pytest.raises(PlanError, match="are the most"):
        tc.special.log_ndtr(session.share(np.array([-2.0]), bounds=(-(1 << 35), 0)))


@pytest.mark.parametrize("frac_bits", [0, 2, 8])
def test_below_0_gammaln_is_that_of_the_least_number_at_a_coarse_scale_too(frac_bits: int) -> None:
    session = TrioSession(parties=True)
    values = np.array([-1, 0]) * 1.0 if frac_bits else np.array([-1, 0])
    x = session.share(values, bounds=(-1, 3), frac_bits=frac_bits or None)
    least = 2.0**-frac_bits
    for ours, theirs in ((tc.special.gammaln, scipy.special.gammaln), (tc.special.digamma, scipy.special.digamma)):
        wanted = theirs(least)
        assert np.allclose(ours(x).reveal(), [wanted] * 2, rtol=0, atol=2.0**-16 * max(1, abs(wanted)))
