"""Where values mean something: beside arrays that hold what a function gave outside its domain."""

from __future__ import annotations

from typing import Any

import numpy as np

from tercet.array.core import SecretArray
from tercet.array.dispatch import array_function_beside
from tercet.array.nullable import NullableArray


def _plain_valid(x: Any) -> Any:
    x = np.asarray(x)
    return np.isfinite(x) if x.dtype.kind in "fc" else np.full(x.shape, True)[()]


def _plain_masked(x: Any) -> Any:
    return np.ma.masked_invalid(x, copy=False)


@array_function_beside(_plain_valid)
def valid(x: Any, /) -> Any:
    """For which elements x means something, as secret bools: those that do not depend on what a function gave outside
    its domain (the logarithm of 0, a quotient by 0, the arc sine of 2).

    NumPy has nan or an infinity there, and this is what isfinite is then; secret numbers are always finite, within
    `x.bounds`. A choice asks for what it chooses only, so `tc.where(x > 0, tc.log(x), 0)` is valid everywhere; a sum
    for all its terms, a matrix product for a row and a column, what orders or mixes elements for all of them. A missing
    value is not an invalid one. A NumPy array of True where the bounds of x prove that much, at no cost.

    Costs a comparison an element for each function whose domain bounds do not prove, or nothing where x > 0, say, was
    compared anyway; a loop that has such functions runs once more. Nothing is opened. PlanError if x was kept
    (`persist`) without it.
    """
    if not isinstance(x, SecretArray):
        raise TypeError(f"valid takes an array, not {type(x).__name__}")
    found = x._meaning()
    return np.full(x.shape, True)[()] if found is None else found


@array_function_beside(_plain_masked)
def masked_invalid(x: Any, /) -> Any:
    """x with what is not `valid` missing: sums, means, variances, extremes and counts skip it, it is revealed masked.

    x itself where bounds prove that all of it is valid. NumPy's function is numpy.ma.masked_invalid.
    """
    if not isinstance(x, SecretArray):
        raise TypeError(f"masked_invalid takes an array, not {type(x).__name__}")
    found = x._meaning()
    return x if found is None else NullableArray.of_values(x, found)
