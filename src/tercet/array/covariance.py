"""Covariances and correlations of several variables, as NumPy has them: one matrix product for all pairs."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np

from tercet.array import division, given, manipulation, statistics
from tercet.array.core import SecretArray, pending
from tercet.array.dispatch import array_function
from tercet.array.movement import permute, reshape
from tercet.errors import PlanError
from tercet.plan.record import build
from tercet.plan.record.graph import Recorded
from tercet.plan.record.scale import renamed, settle
from tercet.plan.types import MAX_FRAC_BITS

_MORE_BITS = 3
"""Of what a correlation is a product of."""


def _variables(m: Any, y: Any, rowvar: Any) -> SecretArray:
    """Variables as rows, observations as columns."""
    arrays = []
    for one, what in ((m, "the variables"), (y, "the second variables")):
        if one is None:
            continue
        if not isinstance(one, SecretArray):
            one = given.array(one, what)
        if one.ndim > 2:
            raise ValueError(f"{what} have {one.ndim} dimensions; 1 or 2 are taken")
        rows = one.reshape(1, -1) if one.ndim < 2 else one
        # as NumPy has it since 2.3: one row of m holds as many variables, one row of y is a variable
        single = one.ndim < 2 or (what == "the second variables" and rows.shape[0] == 1)
        arrays.append(rows if rowvar or single else rows.T)
    found = arrays[0] if len(arrays) == 1 else manipulation.concat(arrays, axis=0)
    if not isinstance(found, SecretArray):
        raise TypeError(f"covariances of secret arrays, not of {type(m).__name__}")
    if not found.shape[1]:
        raise ValueError("covariances of no observations")
    return found


@array_function
def cov(
    m: Any,
    y: Any = None,
    rowvar: bool = True,
    bias: bool = False,
    ddof: int | None = None,
    fweights: Any = None,
    aweights: Any = None,
    *,
    dtype: Any = None,
) -> SecretArray:
    """The covariance matrix of variables in rows, exact when revealed: (n sum(x y) - sum(x) sum(y)) / (n (n - ddof)).

    Variables are rows of m and y, or columns without `rowvar`; `ddof` is 1, or 0 with `bias`. One matrix product: a
    party sends one word for each pair of variables. Of one variable it has no dimensions. TypeError for weights and
    dtype, ValueError for no more observations than ddof, PlanError where 128 bits do not take n^2 x y.
    """
    for value, name in ((fweights, "fweights"), (aweights, "aweights"), (dtype, "dtype")):
        if value is not None:
            raise TypeError(f"cov of secret arrays takes no {name}")
    if ddof is None:
        ddof = 0 if bias else 1
    less = given.integer(ddof, "ddof")
    x = _variables(m, y, rowvar)
    variables, count = x.shape
    if count <= less:
        raise ValueError(f"the covariance of {count} observations less {less}")
    try:
        found = _moments(build.number(x.undivided))
    except PlanError:
        if settle(x.undivided) is x.undivided:
            raise
        found = _moments(settle(build.number(x.undivided)))
    result = pending(x.device, found, x.divisor**2 * Fraction(count * (count - less)))
    return result.reshape(()) if variables == 1 else result


def _moments(x: Recorded) -> Recorded:
    """n x x^T less the products of the sums of rows, of stored integers; exact."""
    frac, nominal, count = x.type.frac_bits, x.type.nominal, x.type.shape[1]
    if 2 * frac > MAX_FRAC_BITS:
        raise PlanError(
            f"a covariance of values with {frac} fractional bits has {2 * frac}, and {MAX_FRAC_BITS} are carried",
            hint="convert them to fewer first: x.astype(tercet.array.fixed(16))",
        )
    stored = renamed(x, 0, 0)
    products = build.multiply(build.matmul(stored, permute(stored, (1, 0))), np.asarray(count))
    sums = build.total(stored, (1,))
    column, row = (reshape(sums, shape) for shape in ((x.type.shape[0], 1), (1, x.type.shape[0])))
    result = build.linear("subtract", products, build.multiply(column, row))
    return renamed(result, 2 * frac, nominal) if frac else result


@array_function
def corrcoef(x: Any, y: Any = None, rowvar: bool = True, *, dtype: Any = None) -> SecretArray:
    """The matrix of correlations of variables in rows, within [-1, 1]; 0 beside a variable that does not vary.

    Variables as in `cov`. Each is divided by its deviation (`x.std`), to 3 bits more than the result has, and one
    matrix product is taken of them, which is divided by the largest that roundings can make it: no comparison. Error:
    two last bits, also on the diagonal. Costs for each variable that of `tercet.rsqrt`, for each element a product, for
    each pair a word.
    TypeError for a dtype, PlanError for more observations than 128 bits take the squares of.
    """
    if dtype is not None:
        raise TypeError("corrcoef of secret arrays takes no dtype")
    rows = _variables(x, y, rowvar)
    count = rows.shape[1]
    distances = rows - statistics.mean(rows, axis=1, keepdims=True)
    scores = division.over_root(distances, statistics.std(rows, axis=1, keepdims=True), _MORE_BITS)
    if scores is None:
        raise PlanError(
            f"correlations of {count} observations in {rows.dtype} do not fit 128 bits",
            hint="declare narrower bounds or fewer frac_bits for the variables",
        )
    nominal = scores.undivided.type.nominal - _MORE_BITS
    found = build.matmul(scores.undivided, permute(scores.undivided, (1, 0)))
    most = Fraction(found.type.magnitude, 1 << found.type.frac_bits)
    result = pending(rows.device, renamed(found, found.type.frac_bits, nominal), max(most, Fraction(count)))
    return result.reshape(()) if rows.shape[0] == 1 else result
