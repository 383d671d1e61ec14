"""Data types of arrays: changed, compared, and which there are; what the namespace is capable of."""

from __future__ import annotations

import builtins
from typing import Any

import numpy as np

from tercet.array import numbers, quotients
from tercet.array.core import SecretArray
from tercet.array.dispatch import DEVICE, array_function, check_device
from tercet.array.dtypes import DType, as_dtype, bool, float64, int64, isdtype
from tercet.plan.record import build, logic
from tercet.plan.types import MAX_DIMENSIONS, ValueKind


@array_function
def astype(x: SecretArray, dtype: Any, /, *, copy: builtins.bool = True, device: Any = None) -> SecretArray:
    """x as another type: bool to integer to fixed is exact; fixed to integer rounds towards zero, as NumPy does."""
    check_device(device, x)
    return as_type(x, dtype)


def as_type(x: SecretArray, dtype: Any) -> SecretArray:
    wanted = as_dtype(dtype)
    if wanted == x.dtype and x._divisor == 1:
        return x
    if wanted.kind is ValueKind.BOOL:
        a = x._node
        result = a if a.type.is_bool else logic.logical_not(logic.equal(a, np.asarray(0)))
    elif wanted.kind is ValueKind.INT:
        result = quotients.trunc(quotients.Quotient(x._node, x._divisor))
    else:
        result = numbers.as_fixed(build.number(x.node), wanted.frac_bits)
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


_DTYPES = {"bool": bool, "int64": int64, "float64": float64}


class NamespaceInfo:
    """What code that is written for any array namespace may ask about this one."""

    def capabilities(self) -> dict[str, Any]:
        """Masks are public; no shape depends on secret values; and how many dimensions there are at most."""
        return {"boolean indexing": True, "data-dependent shapes": False, "max dimensions": MAX_DIMENSIONS}

    def default_device(self) -> str:
        """Where public arrays are; a secret array is in its session."""
        return DEVICE

    def devices(self) -> list[str]:
        """The one device for public arrays. Sessions, which hold secret ones, are not listed."""
        return [DEVICE]

    def default_dtypes(self, *, device: Any = None) -> dict[str, DType]:
        """The types that floats, integers and positions get."""
        check_device(device)
        return {"real floating": float64, "integral": int64, "indexing": int64}

    def dtypes(self, *, device: Any = None, kind: Any = None) -> dict[str, DType]:
        """The types by their names, of a kind as `isdtype` has it, or all."""
        check_device(device)
        return {name: dtype for name, dtype in _DTYPES.items() if kind is None or isdtype(dtype, kind)}


def __array_namespace_info__() -> NamespaceInfo:
    """What the namespace is capable of."""
    return NamespaceInfo()
