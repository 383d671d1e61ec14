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
from tercet.plan.record import bends, functions, tails
from tercet.plan.record.graph import Recorded


def _plain_exp10(x: Any) -> Any:
    return np.power(10.0, x)


def _plain_expit(x: Any) -> Any:
    return np.exp(-np.logaddexp(0, -np.asarray(x)))


def _plain_log_expit(x: Any) -> Any:
    return -np.logaddexp(0, -np.asarray(x))


def _plain_logit(x: Any) -> Any:
    return np.log(x) - np.log1p(-np.asarray(x))


def _plain_softplus(x: Any) -> Any:
    return np.logaddexp(0, x)


def _plain_erf(x: Any) -> Any:
    return np.vectorize(math.erf, otypes=[float])(x)


def _plain_erfc(x: Any) -> Any:
    return np.vectorize(math.erfc, otypes=[float])(x)


def plain_ndtr(x: Any) -> Any:
    """The standard normal distribution function of public numbers."""
    return _plain_erfc(-np.asarray(x) / math.sqrt(2)) / 2


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
    """log(1 + e^x), right for any x. Costs 1,700 to 2,000 bits in 25 rounds, or 5,000 in 30."""
    return of_one(x, "softplus", tails.softplus)


@array_function_beside(_plain_erf)
def erf(x: Any, /) -> SecretArray:
    """The error function. Costs 1,500 to 1,800 bits in 25 rounds, or 4,000 in 26."""
    return of_one(x, "erf", tails.erf)


@array_function_beside(_plain_erfc)
def erfc(x: Any, /) -> SecretArray:
    """1 - erf(x), with the same absolute error: of no use for tails below the last bit. Costs as `erf`."""
    return of_one(x, "erfc", tails.erfc)


@array_function_beside(plain_ndtr)
def ndtr(x: Any, /) -> SecretArray:
    """The standard normal distribution function, with an absolute error.

    Costs 1,600 to 2,300 bits in 27 rounds, or 4,400 in 27.
    """
    return of_one(x, "ndtr", tails.ndtr)


def _plain_huber(delta: Any, r: Any) -> Any:
    size = np.abs(r)
    return np.where(size <= delta, np.square(r) / 2.0, delta * (size - delta / 2))


@array_function_beside(_plain_huber)
def huber(delta: float, r: Any, /) -> SecretArray:
    """Huber's loss of secret residuals: r^2 / 2 for |r| <= delta, and delta (|r| - delta / 2) beyond, rescaled once.

    Costs 800 bits in 25 rounds. TypeError for a delta that is no public number, ValueError for one below 0 (of which
    SciPy says infinity).
    """
    bend = given.real(delta, "delta")
    if bend < 0:
        raise ValueError(f"huber takes a delta that is not negative, not {bend}")

    def record(node: Recorded) -> Recorded:
        return bends.huber(node, bend)

    return of_one(r, "huber", record)
