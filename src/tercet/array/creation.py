"""Creation. A secret array starts in a session; arrays made from public numbers alone stay public NumPy arrays."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tercet.array import elementwise
from tercet.array.dtypes import DType
from tercet.array.secret import SecretArray
from tercet.plan import build, logic
from tercet.plan.graph import Node
from tercet.plan.public import exact_frac_bits, integers, public_array
from tercet.plan.types import Kind

_NUMPY = {Kind.BOOL: np.bool_, Kind.INT: np.int64, Kind.FIXED: np.float64}


def asarray(obj: Any, /, *, dtype: Any = None, device: Any = None, copy: bool | None = None) -> SecretArray:
    """A secret array as it is. TypeError for anything else: values become secret in a session only."""
    if not isinstance(obj, SecretArray):
        raise TypeError(
            "a plain value does not become secret by itself: use session.share(values, bounds=...); "
            "NumPy arrays and numbers may stand beside secret arrays as they are, and stay public"
        )
    return obj if dtype is None else obj.astype(dtype)


def zeros_like(x: SecretArray, /, *, dtype: Any = None, device: Any = None) -> SecretArray:
    """Zeros of x's shape and type; a sharing, though everybody knows the values."""
    return full_like(x, 0, dtype=dtype)


def ones_like(x: SecretArray, /, *, dtype: Any = None, device: Any = None) -> SecretArray:
    """Ones of x's shape and type."""
    return full_like(x, 1, dtype=dtype)


empty_like = zeros_like


def full_like(x: SecretArray, /, fill_value: Any, *, dtype: Any = None, device: Any = None) -> SecretArray:
    """A public value in x's shape and type."""
    value = public_array(fill_value)
    if value.ndim:
        raise TypeError("full_like takes one public number")
    result = SecretArray._new(x._session, _filled(x._node, value, x.dtype))
    return result if dtype is None else result.astype(dtype)


def _filled(x: Node, value: NDArray[Any], dtype: DType) -> Node:
    if dtype.kind is Kind.BOOL:
        if not x.type.size:
            return x
        return logic.bool_node(x, np.broadcast_to(value.astype(bool), x.type.shape))
    frac = dtype.frac_bits
    if dtype.kind is Kind.INT:
        if exact_frac_bits(value):
            raise TypeError("a secret integer array is not filled with a fraction")
        value = integers(value, 0)
    return build.shared_integers(x, integers(value, frac), frac)


def tril(x: SecretArray, /, *, k: int = 0) -> SecretArray:
    """The lower triangle, zeros elsewhere."""
    return elementwise.multiply(x, np.tri(x.shape[-2], x.shape[-1], k, dtype=np.int64))


def triu(x: SecretArray, /, *, k: int = 0) -> SecretArray:
    """The upper triangle, zeros elsewhere."""
    return elementwise.multiply(x, 1 - np.tri(x.shape[-2], x.shape[-1], k - 1, dtype=np.int64))


def _numpy_dtype(dtype: Any, otherwise: Any = np.float64) -> Any:
    return otherwise if dtype is None else _NUMPY[dtype.kind] if isinstance(dtype, DType) else dtype


def zeros(shape: Any, *, dtype: Any = None, device: Any = None) -> NDArray[Any]:
    """Public zeros."""
    return np.zeros(shape, _numpy_dtype(dtype))


def ones(shape: Any, *, dtype: Any = None, device: Any = None) -> NDArray[Any]:
    """Public ones."""
    return np.ones(shape, _numpy_dtype(dtype))


empty = zeros


def full(shape: Any, fill_value: Any, *, dtype: Any = None, device: Any = None) -> NDArray[Any]:
    """A public array of one value."""
    return np.full(shape, fill_value, _numpy_dtype(dtype, None))


def arange(start: Any, /, stop: Any = None, step: Any = 1, *, dtype: Any = None, device: Any = None) -> NDArray[Any]:
    """A public range of numbers."""
    first, last = (0, start) if stop is None else (start, stop)
    return np.arange(first, last, step, dtype=_numpy_dtype(dtype, None))


def linspace(
    start: Any, stop: Any, /, num: int, *, dtype: Any = None, device: Any = None, endpoint: bool = True
) -> NDArray[Any]:
    """Public numbers at equal distances."""
    return np.linspace(start, stop, num, endpoint=endpoint, dtype=_numpy_dtype(dtype))


def eye(
    n_rows: int, n_cols: int | None = None, /, *, k: int = 0, dtype: Any = None, device: Any = None
) -> NDArray[Any]:
    """A public identity matrix."""
    return np.eye(n_rows, n_cols, k=k, dtype=_numpy_dtype(dtype))


__all__ = [
    "arange",
    "asarray",
    "empty",
    "empty_like",
    "eye",
    "full",
    "full_like",
    "linspace",
    "ones",
    "ones_like",
    "tril",
    "triu",
    "zeros",
    "zeros_like",
]
