"""Numbers times logarithms, under SciPy's names: entropies and what they are made of.

Two last bits at most, relative above 1, over the whole range of the bounds; the nearest where revealed. Costs: those of
`tercet.log` with more bits, and a product. Where bounds reach above 2^37, 2^33, 2^29 and 2^13 at 16, 20, 24 and 40
fractional bits, logarithms near 0 are computed by themselves, for about twice that. PlanError above 2^55, 2^51, 2^47
and 2^31; of `entr`, which costs no more, above 2^82, 2^74, 2^66 and 2^35; of `kl_div` at 40 bits above 2^18.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tercet.array import given
from tercet.array.core import SecretArray, apply
from tercet.array.dispatch import array_function_beside
from tercet.array.functions import of_one
from tercet.plan.record import entropies


def _plain_xlogy(x: Any, y: Any) -> Any:
    x, y = given.floats(x), given.floats(y)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where((x == 0) & ~np.isnan(y), 0.0, x * np.log(y))[()]


def _plain_xlog1py(x: Any, y: Any) -> Any:
    x, y = given.floats(x), given.floats(y)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where((x == 0) & ~np.isnan(y), 0.0, x * np.log1p(y))[()]


def _plain_entr(x: Any) -> Any:
    x = given.floats(x)
    return np.where(x < 0, -np.inf, -_plain_xlogy(np.maximum(x, 0), np.maximum(x, 0)))[()]


def _plain_rel_entr(x: Any, y: Any) -> Any:
    x, y = given.floats(x), given.floats(y)
    with np.errstate(divide="ignore", invalid="ignore"):
        found = np.where((x == 0) & ~np.isnan(y), 0.0, x * np.log(x / y))
    return np.where((x > 0) & (y > 0) | (x == 0) & (y >= 0) | np.isnan(x) | np.isnan(y), found, np.inf)[()]


def _plain_kl_div(x: Any, y: Any) -> Any:
    return (_plain_rel_entr(x, y) - given.floats(x) + given.floats(y))[()]


@array_function_beside(_plain_xlogy)
def xlogy(x1: Any, x2: Any, /) -> SecretArray:
    """x1 log(x2), and 0 where x1 is 0. Of x2 <= 0 the logarithm is that of the least positive number at its scale.

    Either may be public; ValueError for a public x2 that is not above 0.
    """
    return apply(entropies.xlogy, x1, x2)


@array_function_beside(_plain_xlog1py)
def xlog1py(x1: Any, x2: Any, /) -> SecretArray:
    """x1 log(1 + x2), of the exact sum; as `xlogy`."""
    return apply(entropies.xlog1py, x1, x2)


@array_function_beside(_plain_entr)
def entr(x: Any, /) -> SecretArray:
    """-x log(x), and 0 of x <= 0 (SciPy has -infinity below 0)."""
    return of_one(x, "entr", entropies.entr)


@array_function_beside(_plain_rel_entr)
def rel_entr(x1: Any, x2: Any, /) -> SecretArray:
    """x1 log(x1 / x2), and 0 where x1 <= 0. Of x2 <= 0 the logarithm is that of the least positive number at its scale,
    where SciPy has infinity. Two logarithms; ValueError for a public x1 below 0, or a public x2 that is not above 0.
    """
    return apply(entropies.rel_entr, x1, x2)


@array_function_beside(_plain_kl_div)
def kl_div(x1: Any, x2: Any, /) -> SecretArray:
    """x1 log(x1 / x2) - x1 + x2, rescaled once; domain as `rel_entr`."""
    return apply(entropies.kl_div, x1, x2)
