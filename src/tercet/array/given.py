"""Checks of public arguments: integers, lengths, lists of arrays. Errors name the argument that is wrong."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tercet.plan.record.public import check_unmasked, public_array

_FLOAT_BITS = 1023
"""Of integers that any float takes."""


def integer(value: Any, what: str) -> int:
    """A public integer; TypeError for anything else, also for floats that are whole. `what`: as a sentence begins."""
    index = getattr(type(value), "__index__", None)
    if index is None or (isinstance(value, np.ndarray) and value.ndim):
        raise TypeError(f"{what} is a public integer, not {_said(value)}")
    try:
        return int(index(value))
    except TypeError:
        raise TypeError(f"{what} is a public integer, not {_said(value)}") from None


def integers(value: Any, what: str) -> tuple[int, ...]:
    """One public integer, or several."""
    if hasattr(type(value), "__index__") and not (isinstance(value, np.ndarray) and value.ndim):
        return (integer(value, what),)
    return tuple(integer(one, what) for one in several(value, what, "public integers"))


def several(value: Any, what: str, of: str) -> list[Any]:
    """The elements of a list, tuple or array; TypeError for anything else."""
    single = isinstance(value, str | bytes) or (isinstance(value, np.ndarray) and not value.ndim)
    if single or not isinstance(value, Sequence | np.ndarray):
        raise TypeError(f"{what} takes a list or tuple of {of}, not {_said(value)}")
    return list(value)


def array(value: Any, what: str) -> NDArray[Any]:
    """A public array; ValueError for lists that are none, PlanError for masked values."""
    check_unmasked(value)
    try:
        return np.asarray(value)
    except ValueError:
        raise ValueError(f"{what} are no array: the lists differ in length") from None


def edges(value: Any, what: str) -> NDArray[Any]:
    """Public numbers to be put in order, as they are; decimals too."""
    found = array(value, what)
    decimals = found.dtype == object and all(isinstance(one, Decimal) and one.is_finite() for one in found.flat)
    return found if decimals else public_array(value)


def places(value: Any, what: str) -> NDArray[np.int64]:
    """Public indices, or numbers of times, as int64; IndexError for what are no integers or beyond 63 bits."""
    found = array(value, what)
    if found.dtype.kind not in "iu" and found.size:
        raise IndexError(f"{what} are public integers, not {found.dtype}")
    if found.dtype.kind == "u" and found.size and found.max() > np.iinfo(np.int64).max:
        raise IndexError(f"{what} reach to {found.max()}, beyond every array")
    return found.astype(np.int64)


def entries(value: Any, count: int, what: str) -> NDArray[np.int64]:
    """Public indices from 0 to `count` - 1; IndexError for others, also for those that NumPy counts from the end."""
    found = places(value, what)
    if found.size and not 0 <= found.min() <= found.max() < count:
        raise IndexError(f"{what} are from {found.min()} to {found.max()}, of {count} from 0 on")
    return found


def wide(value: Any, what: str) -> NDArray[Any]:
    """A public array to compute sums of products of: integers of few bits would wrap, and of bools all sums be 1."""
    found = array(value, what)
    return found.astype(np.int64) if found.dtype.kind in "biu" and found.dtype.itemsize < 8 else found


def floats(value: Any) -> NDArray[Any]:
    """A public array to compute real functions of: integers of few bits would wrap, bools be refused."""
    found = np.asarray(value)
    return found.astype(np.float64) if found.dtype.kind in "biu" else found


def real(value: Any, what: str) -> int | float:
    """A public number that a float takes, as Python's own: NumPy's integers would wrap."""
    if isinstance(value, int) and value.bit_length() > _FLOAT_BITS:
        raise ValueError(f"{what} has {value.bit_length():,} bits; numbers here are below 2^{_FLOAT_BITS}")
    if not isinstance(value, int | float | Decimal | np.integer | np.floating) or not math.isfinite(value):
        raise TypeError(f"{what} is a finite public number, not {_said(value)}")
    return int(value) if isinstance(value, int | np.integer) else float(value)


def function(value: Any, what: str) -> Callable[..., Any]:
    if not callable(value):
        raise TypeError(f"{what} is a function, not {_said(value)}")
    found: Callable[..., Any] = value
    return found


def _said(value: Any) -> str:
    """A short value as it is; of what is long or may be secret, the type."""
    plain = isinstance(value, int | float | complex | str | np.generic) and len(repr(value)) < 40
    return repr(value) if plain else f"{type(value).__name__}"
