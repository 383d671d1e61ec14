"""Functions that SciPy has in `scipy.special`, under its names; those of public arrays give plain values.

Within two last bits of x's scale, 16 at least and 44 at most, within a plan; the nearest where revealed. Costs are bits
a party and element and rounds, at 16 to 24 fractional bits, and at 40; less where bounds of x are narrow.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from tercet.array import given
from tercet.array.core import SecretArray
from tercet.array.dispatch import array_function_beside
from tercet.array.functions import of_one
from tercet.plan.record import bends, binades, functions, tails
from tercet.plan.record.graph import Recorded


def _plain_exp10(x: Any) -> Any:
    return np.power(10.0, given.floats(x))


def _plain_expit(x: Any) -> Any:
    return np.exp(-np.logaddexp(0, -given.floats(x)))


def _plain_log_expit(x: Any) -> Any:
    return -np.logaddexp(0, -given.floats(x))


def _plain_logit(x: Any) -> Any:
    x = given.floats(x)
    return np.log(x) - np.log1p(-x)


def _plain_softplus(x: Any) -> Any:
    return np.logaddexp(0, given.floats(x))


def _plain_erf(x: Any) -> Any:
    return np.vectorize(math.erf, otypes=[float])(x)


def _plain_erfc(x: Any) -> Any:
    return np.vectorize(math.erfc, otypes=[float])(x)


def plain_ndtr(x: Any) -> Any:
    """The standard normal distribution function of public numbers."""
    return _plain_erfc(-given.floats(x) / math.sqrt(2)) / 2


@array_function_beside(_plain_exp10)
def exp10(x: Any, /) -> SecretArray:
    """10^x; error, costs and refusals as `tercet.exp`."""

    def record(node: Recorded) -> Recorded:
        return functions.exp(node, "exp10")

    return of_one(x, "exp10", record)


@array_function_beside(_plain_expit)
def expit(x: Any, /) -> SecretArray:
    """1 / (1 + e^-x); 0 and 1 where it is that near. Costs as `tercet.tanh`."""
    return of_one(x, "expit", tails.expit)


@array_function_beside(_plain_log_expit)
def log_expit(x: Any, /) -> SecretArray:
    """log(expit(x)), right for any x. Costs as `softplus`."""
    return of_one(x, "log_expit", tails.log_expit)


@array_function_beside(_plain_logit)
def logit(x: Any, /) -> SecretArray:
    """log(x / (1 - x)): two logarithms side by side, rescaled once. Costs twice those of `tercet.log`.

    Beyond 0 and 1 the logarithm of what is not positive is that of the least positive number at x's scale.
    """
    return of_one(x, "logit", functions.logit)


@array_function_beside(_plain_softplus)
def softplus(x: Any, /) -> SecretArray:
    """log(1 + e^x), right for any x. Costs 1,200 to 2,000 bits in 19 to 33 rounds, or 4,000 to 5,000 in 24 to 38."""
    return of_one(x, "softplus", tails.softplus)


@array_function_beside(_plain_erf)
def erf(x: Any, /) -> SecretArray:
    """The error function. Costs 1,200 to 1,800 bits in 23 to 33 rounds, or 3,300 to 4,000 in 26 to 36."""
    return of_one(x, "erf", tails.erf)


@array_function_beside(_plain_erfc)
def erfc(x: Any, /) -> SecretArray:
    """1 - erf(x), with the same absolute error: of no use for tails below the last bit. Costs as `erf`."""
    return of_one(x, "erfc", tails.erfc)


@array_function_beside(plain_ndtr)
def ndtr(x: Any, /) -> SecretArray:
    """The standard normal distribution function, with an absolute error.

    Costs 1,300 to 2,300 bits in 24 to 37 rounds, or 3,200 to 4,400 in 22 to 39.
    """
    return of_one(x, "ndtr", tails.ndtr)


def _plain_huber(delta: Any, r: Any) -> Any:
    size, delta = np.abs(given.floats(r)), given.floats(delta)
    return np.where(size <= delta, np.square(size) / 2.0, delta * (size - delta / 2))


@array_function_beside(_plain_huber)
def huber(delta: float, r: Any, /) -> SecretArray:
    """Huber's loss of secret residuals: r^2 / 2 for |r| <= delta, and delta (|r| - delta / 2) beyond, rescaled once.

    Costs 450 to 800 bits in 10 to 18 rounds, or 800 to 1,350 in 11 to 19. TypeError for a delta that is no public
    number, ValueError for one below 0 (of which SciPy says infinity).
    """
    bend = given.real(delta, "delta")
    if bend < 0:
        raise ValueError(f"huber takes a delta that is not negative, not {bend}")

    def record(node: Recorded) -> Recorded:
        return bends.huber(node, bend)

    return of_one(r, "huber", record)


def _plain_ndtri(p: Any) -> Any:
    """By Halley's method from a start that is right to 3 digits; infinite at 0 and 1, NaN beyond."""
    p = np.asarray(p, dtype=float)
    inside = (p > 0) & (p < 1)
    tail = np.where(inside, np.minimum(p, 1 - p), 0.5)
    t = np.sqrt(-2 * np.log(tail))
    # Abramowitz and Stegun 26.2.23
    u = t - (2.515517 + t * (0.802853 + t * 0.010328)) / (1 + t * (1.432788 + t * (0.189269 + t * 0.001308)))
    for _ in range(4):
        off = (_plain_erfc(u / math.sqrt(2)) / 2 - tail) * math.sqrt(2 * math.pi) * np.exp(u * u / 2)
        u = u + off / (1 - off * u / 2)
    found = np.where(p < 0.5, -u, u)
    return np.where(inside, found, np.where(p == 0, -np.inf, np.where(p == 1, np.inf, np.nan)))[()]


def _plain_erfinv(y: Any) -> Any:
    y = np.asarray(y, dtype=float)
    u = -np.sign(y) * np.asarray(_plain_ndtri((1 - np.abs(y)) / 2)) / math.sqrt(2)
    small = np.abs(y) < 0.5
    v = np.where(small, u, 0)
    for _ in range(2):
        v = v - (_plain_erf(v) - np.where(small, y, 0)) * math.sqrt(math.pi) / 2 * np.exp(v * v)
    return np.where(small, v, u)[()]


def _plain_log_ndtr(x: Any) -> Any:
    """By erfc down to -30, and by its asymptotic series below."""
    x = np.asarray(x, dtype=float)
    far = x < -30
    near = np.where(far, 0, x)
    tail = np.asarray(_plain_erfc(np.abs(near) / math.sqrt(2))) / 2
    found = np.where(near > 0, np.log1p(-tail), np.log(tail))
    z = np.where(far, x, -30)
    series = np.log1p(-1 / z**2 + 3 / z**4 - 15 / z**6 + 105 / z**8)
    return np.where(far, series - z * z / 2 - np.log(-z) - math.log(2 * math.pi) / 2, found)[()]


@array_function_beside(_plain_erfinv)
def erfinv(y: Any, /) -> SecretArray:
    """The inverse of `erf`; of 1 and beyond, and of -1, as of the nearest number between (with 16 fractional bits at
    least).

    Costs 4,000 bits in 45 rounds, or 9,000 at 40 fractional bits. PlanError for more than 44. Source:
    `tercet.protocols.by_binade`.
    """
    return of_one(y, "erfinv", binades.erfinv)


@array_function_beside(_plain_ndtri)
def ndtri(y: Any, /) -> SecretArray:
    """The inverse of `ndtr`: sqrt(2) erfinv(2 y - 1), rescaled once; of 0 and below, and of 1, as `erfinv`."""
    return of_one(y, "ndtri", binades.ndtri)


@array_function_beside(_plain_log_ndtr)
def log_ndtr(x: Any, /) -> SecretArray:
    """log(ndtr(x)), right to two last bits, relative above 1, also where `ndtr` is 0.

    Costs 4,000 bits in 40 rounds, or 11,000 at 24 and 40 fractional bits or where bounds reach -2^15. PlanError below
    -2^34 and for more than 44 fractional bits. Source: `tercet.protocols.by_binade`.
    """
    return of_one(x, "log_ndtr", binades.log_ndtr)
