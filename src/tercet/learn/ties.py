"""Sums over the deaths at one time that Efron's treatment of ties takes, without a step for each death.

At a time with d deaths, of risk D among R, the k-th death has R - (k / d) D at risk, k = 0 .. d - 1. With p = D / R the
sums of h = 1 / (1 - p k / d), of h^2 and of log(1 - p k / d) are wanted. Of the last eight deaths they are added up; of
those before, Euler and Maclaurin's formula gives them, with terms up to the fifth derivative, each 2^-6 of the one
before.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from tercet.array import numeric
from tercet.array.core import SecretArray

LAST = 8
"""So many deaths are added up one by one."""
BITS = 40
SQUARE_BITS = 30
SMALL = 2.0**-6
"""Below it a series stands for the logarithm."""


@dataclass(frozen=True)
class Ties:
    """For each time, the sums over its deaths; 0 where there is none."""

    first: Any
    """Of h."""
    second: Any
    """Of h^2, at 30 fractional bits."""
    logarithms: Any


def tied(xp: Any, deaths: Any, part: Any, rows: int) -> Ties:
    """The sums for `deaths` (times,), integers, and `part` p (times,) in [0, 1], at 40 fractional bits."""
    some = xp.maximum(deaths, 1)
    left = numeric.at_precision(1 - part, BITS)
    first: Any = 0
    second: Any = 0
    logarithms: Any = 0
    for place in range(LAST):
        counts = deaths > place
        below = numeric.at_precision(left * some + part * (place + 1), BITS)
        h = _over(some, below, rows)
        first = first + xp.where(counts, h, 0.0)
        second = second + xp.where(counts, _square(h), 0.0)
        logarithms = logarithms + xp.where(counts, _log(xp, below) - _log(xp, some * 1.0), 0.0)
    so_far, many = (first, second, logarithms), deaths > LAST
    rest = xp.maximum(deaths - LAST, 1)
    z = numeric.at_precision(part - numeric.ratio(part * LAST, some + 0 * part, 1, BITS), BITS)
    z = xp.maximum(z, 0.0)
    # of the first of the last eight: 1 - z is p 8 / d at least
    below = numeric.at_precision(left * some + part * LAST, BITS)
    h = _over(some, below, rows)
    c = numeric.ratio(part, some + 0 * part, 1, BITS)
    g = numeric.held(numeric.at_precision(h * c, BITS), 0, 1, BITS)
    log = _log(xp, below) - _log(xp, some * 1.0)
    slope = _slope(xp, z, log)
    at_h, at_1 = _series(g, (-1 / 2, 1 / 12, -1 / 120, 1 / 252)), _series(c, (-1 / 2, 1 / 12, -1 / 120, 1 / 252))
    sums = rest * slope + numeric.at_precision(h * at_h, BITS) - at_1
    at_h, at_1 = _series(g, (-1 / 2, 1 / 6, -1 / 30, 1 / 42)), _series(c, (-1 / 2, 1 / 6, -1 / 30, 1 / 42))
    squares = numeric.at_precision(rest * h, SQUARE_BITS) - numeric.at_precision(at_1, SQUARE_BITS)
    squares = squares + numeric.at_precision(_square(h) * numeric.at_precision(at_h, SQUARE_BITS), SQUARE_BITS)
    whole = rest * numeric.at_precision(numeric.at_precision((1 - z) * slope, BITS) - 1, BITS)
    bends = _series(g, (0, -1 / 12, 1 / 360, -1 / 1260)) - _series(c, (0, -1 / 12, 1 / 360, -1 / 1260))
    whole = whole - log * 0.5 + bends
    return Ties(*(one + xp.where(many, more, 0.0) for one, more in zip(so_far, (sums, squares, whole), strict=True)))


def _over(some: Any, below: Any, rows: int) -> Any:
    if isinstance(below, SecretArray):
        return numeric.ratio(numeric.at_precision(some * 1.0 + 0 * below, BITS), below, rows, BITS)
    return np.divide(some, below, out=np.zeros_like(below), where=below > 0)


def _square(h: Any) -> Any:
    coarse = numeric.at_precision(h, SQUARE_BITS)
    return numeric.at_precision(coarse * coarse, SQUARE_BITS)


def _log(xp: Any, x: Any) -> Any:
    x = numeric.at_precision(x, BITS)
    return xp.log(xp.maximum(x, 2.0**-30))


def _slope(xp: Any, z: Any, log: Any) -> Any:
    """-log(1 - z) / z."""
    small = z < SMALL
    near = _series(z, (1.0, 1 / 2, 1 / 3, 1 / 4), every=True)
    far = numeric.ratio(numeric.at_precision(xp.maximum(-log, 0.0), BITS), xp.maximum(z, SMALL), 64, BITS)
    return numeric.at_precision(xp.where(small, near, far), BITS)


def _series(x: Any, weights: tuple[float, float, float, float], *, every: bool = False) -> Any:
    """The sum of weights times 1, x, x^3, x^5; with `every` of 1, x, x^2, x^3, x^4 / 5 and x^5 / 6."""
    square = numeric.at_precision(x * x, BITS)
    if every:
        inner = numeric.at_precision(x * (1 / 6), BITS) + 1 / 5
        for weight in weights[::-1]:
            inner = numeric.at_precision(x * inner, BITS) + weight
        return inner
    inner = numeric.at_precision(square * weights[3], BITS) + weights[2]
    inner = numeric.at_precision(square * inner, BITS) + weights[1]
    return numeric.at_precision(x * inner, BITS) + weights[0]
