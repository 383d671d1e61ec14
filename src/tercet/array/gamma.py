"""The logarithm of the gamma function and its derivative, under SciPy's names."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from tercet.array.core import SecretArray
from tercet.array.dispatch import array_function_beside
from tercet.array.functions import of_one
from tercet.plan.record import binades

_SHIFT = 10
_BERNOULLI = (1 / 12, -1 / 120, 1 / 252, -1 / 240, 1 / 132)
"""B_2k / 2k."""


def _lgamma(x: float) -> float:
    return math.inf if math.isinf(x) or (x <= 0 and x == math.floor(x)) else math.lgamma(x)


def _plain_gammaln(x: Any) -> Any:
    return np.vectorize(_lgamma, otypes=[float])(x)


def _plain_digamma(x: Any) -> Any:
    """By Stirling's series above 10, to which steps lead; below 0 by reflection, NaN at the poles."""
    x = np.asarray(x, dtype=float)
    mirrored = x <= 0
    w = np.where(mirrored, 1 - x, x)
    steps = np.zeros(x.shape)
    for _ in range(_SHIFT):
        small = w < _SHIFT
        steps = steps - np.where(small, 1 / np.where(small, w, 1), 0)
        w = np.where(small, w + 1, w)
    found = steps + np.log(w) - 1 / (2 * w)
    for k, number in enumerate(_BERNOULLI):
        found = found - number / w ** (2 * k + 2)
    poles = mirrored & (x == np.floor(x))
    turn = np.pi * np.where(mirrored & ~poles, x, 0.5)
    return np.where(poles, np.nan, np.where(mirrored, found - np.pi / np.tan(turn), found))[()]


@array_function_beside(_plain_gammaln)
def gammaln(x: Any, /) -> SecretArray:
    """log(gamma(x)) of x > 0; of x <= 0 it is that of the least positive number at x's scale (where SciPy has the
    logarithm of abs(gamma(x))).

    That of 1 + x by a polynomial for every power of two, less `tercet.log`. Costs 4,000 bits in 40 rounds, or 10,000 at
    40 fractional bits or where bounds reach 2^25; half of it where they begin at 1. Error: two last bits, relative
    above 1. PlanError above 2^41 and for more than 44 fractional bits. Source: `tercet.protocols.by_binade`.
    """
    return of_one(x, "gammaln", binades.gammaln)


@array_function_beside(_plain_digamma)
def digamma(x: Any, /) -> SecretArray:
    """The derivative of `gammaln`; of x <= 0 that of the least positive number at x's scale.

    That of 1 + x likewise, less 1 / x as the square of `tercet.rsqrt`. Costs, error and refusals as `gammaln`.
    """
    return of_one(x, "digamma", binades.digamma)
