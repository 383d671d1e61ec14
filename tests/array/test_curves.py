"""Polynomials, polynomials in pieces and lines between points, all of public numbers and secret x."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import mpmath
import numpy as np
import pytest
from scipy.interpolate import PPoly

import tercet.array as tc
from function_sweeps import errors, kept, stored, swept, unclaimed
from plan_trio import TrioSession
from tercet.errors import PlanError

SCALES = [16, 20, 24, 40]


def worst(function: Callable[[Any], Any], true: Callable[[Any], Any], ends: tuple[int, int], frac_bits: int) -> Any:
    """The largest and the mean error in last bits, relative above 1; values are within bounds, and nothing is claimed.
    Also the bounds."""
    one = 1 << frac_bits
    values = swept(ends[0] * one, ends[1] * one, 3, 250)
    session = TrioSession(parties=True)
    result = function(stored(session, values, (ends[0] * one, ends[1] * one), frac_bits))
    assert result.frac_bits == frac_bits
    found = kept(session, result)
    assert unclaimed(session)
    lo, hi = result.bounds
    assert lo * one <= min(found) and max(found) <= hi * one
    error = errors(found, values, true, frac_bits)
    return max(map(abs, error)), abs(np.mean(error)), (float(lo), float(hi))


def horner(p: Any) -> Callable[[Any], Any]:
    def of(v: Any) -> Any:
        found = mpmath.mpf(0)
        for coefficient in p:
            found = found * v + mpmath.mpf(float(coefficient))
        return found

    return of


@pytest.mark.parametrize("frac_bits", SCALES)
@pytest.mark.parametrize(
    ("p", "size"),
    [
        ([1, -2, 0.5], 1),
        ([1, -2, 0.5], 30),
        ([0.3, 0, 0, -1.5], 20),
        ([1, 0, 0, 0, 0, -7.25], 5),
        ([0.001] * 12, 1),
        ([1.0, -5, 10, -10, 5, -1], 3),
        ([1e-3, *[0.0] * 19, 1], 1),
        ([2.5, 1.0], 1 << 20),
        ([3.5], 1 << 20),
        ([0.0, 0.0, 0.25, 3], 9),
    ],
)
def test_polynomials(p: list[float], size: int, frac_bits: int) -> None:
    error, mean, bounds = worst(lambda x: tc.polyval(p, x), horner(p), (-size, size), frac_bits)
    assert error <= 2 and mean < 0.1
    grid = np.polyval(p, np.linspace(-size, size, 1001))
    room = 0.02 * (np.max(grid) - np.min(grid)) + 2.0 ** (3 - frac_bits) * (1 + np.max(np.abs(grid)))
    if len(p) < 5:
        assert bounds[0] >= np.min(grid) - room and bounds[1] <= np.max(grid) + room


def test_polynomials_of_integers_are_exact() -> None:
    session = TrioSession(parties=True)
    values = np.array([-3, 0, 1, 7])
    x = session.share(values, bounds=(-10, 10))
    for p in ([2, 0, -1, 5], [1, 1], [4], [0, 0, 3]):
        found = tc.polyval(p, x)
        assert found.dtype.name == x.dtype.name
        assert np.array_equal(found.reveal(), np.polyval(p, values))
        assert np.array_equal(np.polyval(p, x).reveal(), np.polyval(p, values))
    half = tc.polyval([0.5, 0], x)
    assert np.array_equal(half.reveal(), values / 2)
    assert np.array_equal(tc.polyval([1.0, 2], np.array([3.0])), [5])
    third = session.share(np.array([1.0, 2.0])) / 3
    assert np.allclose(tc.polyval([1.0, 0, 1], third).reveal(), np.array([1, 4]) / 9 + 1, atol=2**-15)


def test_what_is_rescaled_once() -> None:
    """A polynomial of degree 8 is one operation and one rescaling."""
    session = TrioSession()
    tc.polyval([0.1] * 9, session.share(np.array([0.5]), bounds=(-1, 1))).reveal()
    names = [op.operation.name for op in session.plans[-1].operations]
    assert names.count("piecewise") == 1 and names.count("rescale") + names.count("round") == 1


XP, FP = [-2.3, -1, 0.7, 3, 9.1], [1.5, -200, 3.25, 1000, 5]


def true_lines(left: float | None = None, right: float | None = None) -> Callable[[Any], Any]:
    def of(v: Any) -> Any:
        if v < XP[0]:
            return mpmath.mpf(FP[0] if left is None else left)
        if v >= XP[-1]:
            return mpmath.mpf(FP[-1] if v == XP[-1] or right is None else right)
        k = int(np.searchsorted(XP, float(v), side="right")) - 1
        a, b = mpmath.mpf(XP[k]), mpmath.mpf(XP[k + 1])
        return FP[k] + (v - a) * (mpmath.mpf(FP[k + 1]) - FP[k]) / (b - a)

    return of


@pytest.mark.parametrize("frac_bits", SCALES)
def test_lines_between_points(frac_bits: int) -> None:
    for ends in ((-12, 12), (0, 2), (-(1 << 31), 1 << 31), (4, 5)):
        error, mean, bounds = worst(lambda x: tc.interp(x, XP, FP), true_lines(), ends, frac_bits)
        assert error <= 2 and mean < 0.1
        inside = np.clip([ends[0], ends[1], *[v for v in XP if ends[0] <= v <= ends[1]]], XP[0], XP[-1])
        reached = np.interp(inside, XP, FP)
        assert bounds[0] >= min(reached) - 0.005 and bounds[1] <= max(reached) + 0.005
    error, _, bounds = worst(lambda x: tc.interp(x, XP, FP, -7, 9000), true_lines(-7, 9000), (-12, 12), frac_bits)
    assert error <= 2 and bounds[1] - 9000 < 0.005


def test_interp_at_its_points_and_beside_them() -> None:
    """Points that x can hold, from both sides; one point; values beyond both ends."""
    session = TrioSession(parties=True)
    points, values = np.array([-1.5, 0.0, 2.25]), np.array([4.0, -8.0, 0.5])
    at = np.array([-3.0, -1.5 - 2**-16, -1.5, -1.5 + 2**-16, 0, 2.25 - 2**-16, 2.25, 2.25 + 2**-16, 8])
    x = session.share(at, bounds=(-10, 10))
    for options in ({}, {"left": 1.0}, {"right": -3.0}, {"left": 0.0, "right": 0.5}):
        found = np.interp(x, points, values, **options).reveal()
        assert np.max(np.abs(found - np.interp(at, points, values, **options))) <= 2**-16
    whole = [-2, 0, 3], np.array([1, 2**30, -7])  # NumPy's integers are none of a plan
    assert np.allclose(np.interp(x, *whole).reveal(), np.interp(at, *whole), rtol=2**-16)
    assert np.array_equal(tc.interp(x, [1.0], [7.5]).reveal(), np.full(9, 7.5))
    assert np.array_equal(tc.interp(x, [0.0], [7.5], left=-1).reveal(), np.interp(at, [0.0], [7.5], left=-1))
    assert tc.interp(session.share(np.zeros((0, 2))), points, values).reveal().shape == (0, 2)
    assert np.array_equal(tc.interp(at, points, values), np.interp(at, points, values))


BREAKS = np.array([-3, -1, 0.25, 2, 2.5, 7])
TABLE = np.random.default_rng(0).normal(size=(4, 5))


def true_pieces(table: Any) -> Callable[[Any], Any]:
    def of(v: Any) -> Any:
        k = max(0, min(4, int(np.searchsorted(BREAKS, float(v), side="right")) - 1))
        return horner(table[:, k])(v - mpmath.mpf(BREAKS[k]))

    return of


@pytest.mark.parametrize("frac_bits", SCALES)
@pytest.mark.parametrize("degree", [0, 1, 2, 3])
def test_polynomials_in_pieces(degree: int, frac_bits: int) -> None:
    table = TABLE[3 - degree :]
    for ends in ((-8, 8), (-1, 1), (3, 6)):
        call = lambda x: tc.piecewise_polynomial(x, table, BREAKS)
        error, mean, _ = worst(call, true_pieces(table), ends, frac_bits)
        assert error <= 2 and (mean < 0.15 or not degree)  # steps have few values
    points = np.linspace(-5, 9, 101)
    assert np.allclose(tc.piecewise_polynomial(points, table, BREAKS), PPoly(table, BREAKS)(points))


def test_refusals() -> None:
    session = TrioSession()
    x = session.share(np.array([0.5]), bounds=(-(2**31), 2**31))
    with pytest.raises(PlanError, match="does not fit the largest ring") as refused:
        tc.polyval([1.0, 0, 0, 0], x)
    assert "narrower bounds" in str(refused.value.hint)
    for call, kind, words in (
        (lambda: tc.polyval([1, x], x), TypeError, "coefficients are public"),
        (lambda: tc.polyval([], x), ValueError, "at least one number"),
        (lambda: tc.polyval([np.inf, 1], x), TypeError, "finite public numbers"),
        (lambda: tc.interp(x, [1, 1], [0, 2]), ValueError, "ascending"),
        (lambda: tc.interp(x, [1, 2], [0]), ValueError, "xp has 2 numbers and fp 1"),
        (lambda: tc.interp(x, [1, 2], [0, 1], period=3), TypeError, "period="),
        (lambda: tc.interp(np.array([0.5]), [1, 2], x), TypeError, "public arguments only"),
        (lambda: tc.piecewise_polynomial(x, [[1.0]], [0, 1, 2]), ValueError, "3 breaks are 2 pieces"),
        (lambda: tc.piecewise_polynomial(x, [[1.0]], [2, 1]), ValueError, "ascending"),
        (lambda: tc.piecewise_polynomial(x, np.ones((1, 1025)), np.arange(1026)), PlanError, "1024 pieces"),
    ):
        with pytest.raises(kind, match=words):
            call()
