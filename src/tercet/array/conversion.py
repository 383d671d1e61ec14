"""Changing and asking for data types."""

from __future__ import annotations

import builtins
from typing import Any

import numpy as np

from tercet.array import numbers
from tercet.array.dtypes import DType, as_dtype, bool, float64, int64, isdtype
from tercet.array.secret import SecretArray
from tercet.plan import build, logic
from tercet.plan.types import Kind


def astype(x: SecretArray, dtype: Any, /, *, copy: builtins.bool = True, device: Any = None) -> SecretArray:
    """x as another type: bool to integer to fixed is exact; fixed to integer rounds towards zero, as NumPy does."""
    return as_type(x, dtype)


def as_type(x: SecretArray, dtype: Any) -> SecretArray:
    wanted = as_dtype(dtype)
    if wanted == x.dtype and x._divisor == 1:
        return x
    a = x.node
    if wanted.kind is Kind.BOOL:
        result = a if a.type.is_bool else logic.logical_not(logic.equal(a, np.asarray(0)))
    elif wanted.kind is Kind.INT:
        result = numbers.trunc(a)
    else:
        result = numbers.as_fixed(build.number(a), wanted.frac_bits)
    return SecretArray._new(x._session, result)


def result_type(*arrays_and_dtypes: Any) -> DType:
    """The type that these have together: the highest of bool, integer, fixed, with the most fractional bits."""
    if not arrays_and_dtypes:
        raise ValueError("result_type takes one argument at least")
    dtypes = [x.dtype if isinstance(x, SecretArray) else _public_dtype(x) for x in arrays_and_dtypes]
    kind = max(dtype.kind for dtype in dtypes)
    return DType(kind, max(dtype.frac_bits for dtype in dtypes))


def _public_dtype(value: Any) -> DType:
    if isinstance(value, DType):
        return value
    return as_dtype(np.asarray(value).dtype if not isinstance(value, type | np.dtype) else value)


def can_cast(from_: Any, to: Any, /) -> builtins.bool:
    """Whether a value of one type keeps its value in the other."""
    source = from_.dtype if isinstance(from_, SecretArray) else as_dtype(from_)
    target = as_dtype(to)
    return source.kind <= target.kind and source.frac_bits <= target.frac_bits


__all__ = ["as_type", "astype", "bool", "can_cast", "float64", "int64", "isdtype", "result_type"]
