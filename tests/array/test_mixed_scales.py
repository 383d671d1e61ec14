"""Functions of two numbers of different scales or ranges: right to the last bits of the finer scale, near 0 too."""

from __future__ import annotations

from typing import Any

import mpmath
import numpy as np
import pytest

import tercet as tc
from function_sweeps import kept, off, stored, swept
from plan_trio import TrioSession
from tercet.errors import PlanError

NEAR = [0, 1, -1, 3, 31]
Side = tuple[int, float]
"""Fractional bits, and bounds from the negative of this to it."""
RANGES: list[tuple[Side, Side]] = [
    ((24, 1000), (24, 1)),
    ((16, 2**20), (16, 1)),
    ((40, 1), (16, 1)),
    ((2, 1), (40, 1)),
    ((40, 1), (0, 3)),
    ((16, 1), (0, 2**31)),
    ((40, 1 / 1024), (40, 100)),
    ((16, 1), (20, 1)),
]


def drawn(side: Side, seed: int) -> list[int]:
    top = int(side[1] * 2 ** side[0])
    return swept(-top, top, seed, 30)[:30] + [max(-top, min(top, word)) for word in NEAR]


def share(session: TrioSession, words: list[int], side: Side) -> Any:
    frac_bits, top = side
    if not frac_bits:
        return session.share(np.array(words), bounds=(-top, top))
    return stored(session, words, (int(-top * 2**frac_bits), int(top * 2**frac_bits)), frac_bits)


def numbers(words: list[int], side: Side) -> list[Any]:
    return [mpmath.ldexp(word, -side[0]) for word in words]


@pytest.mark.parametrize("public", [False, True], ids=["secret", "public"])
@pytest.mark.parametrize("sides", RANGES, ids=str)
def test_hypot_is_of_the_exact_sum(sides: tuple[Side, Side], public: bool) -> None:
    words = [drawn(side, seed) for seed, side in enumerate(sides)]
    session = TrioSession(parties=True)
    x, y = (share(session, one, side) for one, side in zip(words, sides, strict=True))
    a, b = (numbers(one, side) for one, side in zip(words, sides, strict=True))
    if public:
        y = np.array([float(value) for value in b])
    found = tc.hypot(y, x)
    with mpmath.workdps(60):
        for got, left, right in zip(kept(session, found), a, b, strict=True):
            assert abs(off(got, mpmath.hypot(left, right), found.frac_bits)) <= 2, (left, right)


def test_hypot_whose_exact_sum_does_not_fit_is_refused() -> None:
    session = TrioSession()
    x, y = share(session, [1], (40, 2**15)), share(session, [1], (16, 2**31))
    with pytest.raises(PlanError, match="overflow"):
        tc.hypot(x, y)


@pytest.mark.parametrize("coarse", [16, 24])
def test_a_quotient_by_a_root_is_as_fine_as_what_is_divided(coarse: int) -> None:
    above, below = swept(-(1 << 40), 1 << 40, 1, 40), swept(1 << coarse - 2, 4 << coarse, 2, 40)
    session = TrioSession(parties=True)
    x = stored(session, above, (-(1 << 40), 1 << 40), 40)
    y = stored(session, below, (1 << coarse - 2, 4 << coarse), coarse)
    found = x / tc.sqrt(y)
    assert found.frac_bits == 40
    with mpmath.workdps(60):
        for got, left, right in zip(kept(session, found), above, below, strict=True):
            wanted = mpmath.ldexp(left, -40) / mpmath.sqrt(mpmath.ldexp(right, -coarse))
            assert abs(off(got, wanted, 40)) <= 2


@pytest.mark.parametrize("side", [(0, 8), (16, 2), (24, 2), (40, 2)], ids=str)
def test_a_public_coordinate_is_as_precise_as_the_angle(side: Side) -> None:
    words = drawn(side, 5)
    points = np.resize([0.1, 1e-6, -1e-5, 1 / 3, 12.3, -0.7, 1e-300], len(words))
    session = TrioSession(parties=True)
    x = share(session, words, side)
    for swap in (False, True):
        found = tc.atan2(points, x) if swap else tc.atan2(x, points)
        assert found.frac_bits == max(side[0], 16)
        with mpmath.workdps(60):
            for got, a, p in zip(kept(session, found), numbers(words, side), points, strict=True):
                wanted = mpmath.atan2(float(p), a) if swap else mpmath.atan2(a, float(p))
                assert abs(off(got, wanted, found.frac_bits)) <= 2, (a, p)
