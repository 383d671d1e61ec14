"""Creation and data types. A secret array starts in a session; those made of public numbers alone are NumPy's."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tercet.array import dtypes, elementwise, given, numbers, quotients, rounding
from tercet.array.core import SecretArray
from tercet.array.dispatch import DEVICE, array_function, check_device, numpy_dtype
from tercet.array.dtypes import DType, as_dtype, float64, int64, isdtype
from tercet.plan.record import build, logic
from tercet.plan.record.graph import Recorded
from tercet.plan.record.public import exact_frac_bits, integers, public_array
from tercet.plan.types import MAX_DIMENSIONS, ValueKind


def asarray(obj: Any, /, *, dtype: Any = None, device: Any = None, copy: bool | None = None) -> SecretArray:
    """A secret array as it is. TypeError for anything else: values become secret in a session only."""
    if not isinstance(obj, SecretArray):
        raise TypeError(
            "a plain value does not become secret by itself: use session.share(values, bounds=...); "
            "NumPy arrays and numbers may stand beside secret arrays as they are, and stay public"
        )
    check_device(device, obj)
    return obj if dtype is None else obj.astype(dtype)


@array_function
def zeros_like(x: SecretArray, /, *, dtype: Any = None, device: Any = None) -> SecretArray:
    """Zeros of x's shape and type; a sharing, though everybody knows the values."""
    return full_like(x, 0, dtype=dtype, device=device)


@array_function
def ones_like(x: SecretArray, /, *, dtype: Any = None, device: Any = None) -> SecretArray:
    """Ones of x's shape and type."""
    return full_like(x, 1, dtype=dtype, device=device)


@array_function
def empty_like(x: SecretArray, /, *, dtype: Any = None, device: Any = None) -> SecretArray:
    """As `zeros_like`: there is no memory that could be left as it is."""
    return full_like(x, 0, dtype=dtype, device=device)


@array_function
def full_like(x: SecretArray, /, fill_value: Any, *, dtype: Any = None, device: Any = None) -> SecretArray:
    """A public value in x's shape, as x's type or another."""
    check_device(device, x)
    if isinstance(fill_value, SecretArray):
        raise TypeError("full_like takes one public number; a secret one is repeated by broadcast_to")
    value = public_array(fill_value)
    if value.ndim:
        raise TypeError("full_like takes one public number")
    return x.like(_filled(x.undivided, value, x.dtype if dtype is None else as_dtype(dtype)))


def _filled(x: Recorded, value: NDArray[Any], dtype: DType) -> Recorded:
    if dtype.kind is ValueKind.BOOL:
        like = x if x.type.is_bool else logic.negative(elementwise.zeros_of(x))
        return logic.bool_node(like, np.broadcast_to(value.astype(bool), x.type.shape))
    frac = dtype.frac_bits
    if dtype.kind is ValueKind.INT:
        if exact_frac_bits(value):
            raise TypeError("a secret integer array is not filled with a fraction")
        value = integers(value, 0)
    return build.shared_integers(x, integers(value, frac), frac)


@array_function
def tril(x: SecretArray, /, *, k: int = 0) -> SecretArray:
    """The lower triangle, zeros (or False) elsewhere."""
    return _triangle(x, _lower(x, given.integer(k, "k")))


@array_function
def triu(x: SecretArray, /, *, k: int = 0) -> SecretArray:
    """The upper triangle, zeros (or False) elsewhere."""
    return _triangle(x, ~_lower(x, given.integer(k, "k") - 1))


def _lower(x: SecretArray, k: int) -> NDArray[Any]:
    if x.ndim < 2:
        raise ValueError(f"a triangle is one of matrices; this array has {x.ndim} dimensions")
    rows, columns = x.shape[-2:]
    return np.tri(rows, columns, max(-rows, min(k, columns)), dtype=bool)


def _triangle(x: SecretArray, kept: NDArray[Any]) -> SecretArray:
    return elementwise.logical_and(x, kept) if x.dtype.kind is ValueKind.BOOL else elementwise.multiply(x, kept)


def zeros(shape: Any, *, dtype: Any = None, device: Any = None) -> NDArray[Any]:
    """Public zeros."""
    check_device(device)
    return np.zeros(given.integers(shape, "a length"), numpy_dtype(dtype, np.float64))


def ones(shape: Any, *, dtype: Any = None, device: Any = None) -> NDArray[Any]:
    """Public ones."""
    check_device(device)
    return np.ones(given.integers(shape, "a length"), numpy_dtype(dtype, np.float64))


def empty(shape: Any, *, dtype: Any = None, device: Any = None) -> NDArray[Any]:
    """As `zeros`."""
    return zeros(shape, dtype=dtype, device=device)


def full(shape: Any, fill_value: Any, *, dtype: Any = None, device: Any = None) -> NDArray[Any]:
    """A public array of one value."""
    check_device(device)
    return np.full(given.integers(shape, "a length"), fill_value, numpy_dtype(dtype))


def arange(start: Any, /, stop: Any = None, step: Any = 1, *, dtype: Any = None, device: Any = None) -> NDArray[Any]:
    """A public range of numbers."""
    check_device(device)
    first, last = (0, start) if stop is None else (start, stop)
    return np.arange(first, last, step, dtype=numpy_dtype(dtype))


def linspace(
    start: Any, stop: Any, /, num: int, *, dtype: Any = None, device: Any = None, endpoint: bool = True
) -> NDArray[Any]:
    """Public numbers at equal distances."""
    check_device(device)
    return np.linspace(start, stop, num, endpoint=endpoint, dtype=numpy_dtype(dtype, np.float64))


def eye(
    n_rows: int, n_cols: int | None = None, /, *, k: int = 0, dtype: Any = None, device: Any = None
) -> NDArray[Any]:
    """A public identity matrix."""
    check_device(device)
    rows = given.integer(n_rows, "a number of rows")
    columns = rows if n_cols is None else given.integer(n_cols, "a number of columns")
    return np.eye(rows, columns, k=given.integer(k, "k"), dtype=numpy_dtype(dtype, np.float64))


# ---- data types: changed, compared, and which there are ----


@array_function
def astype(x: SecretArray, dtype: Any, /, *, copy: bool = True, device: Any = None) -> SecretArray:
    """x as another type: bool to integer to fixed is exact; fixed to integer rounds towards zero, as NumPy does."""
    check_device(device, x)
    return as_type(x, dtype)


def as_type(x: SecretArray, dtype: Any) -> SecretArray:
    wanted = as_dtype(dtype)
    if wanted == x.dtype and x.divisor == 1:
        return x
    if wanted.kind is ValueKind.BOOL:
        a = x.undivided
        result = a if a.type.is_bool else logic.logical_not(logic.equal(a, np.asarray(0)))
    elif wanted.kind is ValueKind.INT:
        result = quotients.to_integer(rounding.trunc, quotients.Quotient(x.undivided, x.divisor))
    else:
        result = numbers.as_fixed(build.number(x.node), wanted.frac_bits)
    return x.like(result)


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


def can_cast(from_: Any, to: Any, /) -> bool:
    """Whether a value of one type keeps its value in the other."""
    source = from_.dtype if isinstance(from_, SecretArray) else as_dtype(from_)
    target = as_dtype(to)
    return source.kind <= target.kind and source.frac_bits <= target.frac_bits


_DTYPES = {"bool": dtypes.bool, "int64": int64, "float64": float64}


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
