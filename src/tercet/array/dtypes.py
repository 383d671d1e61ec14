"""Data types of secret arrays (bool, integer, fixed point), and the numbers that stored integers of them stand for."""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tercet.plan.record.public import DEFAULT_FRAC_BITS
from tercet.plan.types import Type, ValueKind

_NAMES = {ValueKind.BOOL: "bool", ValueKind.INT: "integer", ValueKind.FIXED: "fixed"}


@dataclass(frozen=True)
class DType:
    """What the elements of a secret array are. Equal if kind and frac_bits are; `bounds` only inform."""

    kind: ValueKind
    frac_bits: int = 0
    bounds: tuple[Fraction, Fraction] | None = field(default=None, compare=False)

    @property
    def name(self) -> str:
        return _NAMES[self.kind]

    def __repr__(self) -> str:
        frac = f" f{self.frac_bits}" if self.kind is ValueKind.FIXED else ""
        if self.bounds is None or self.kind is ValueKind.BOOL:
            return f"secret {self.name}{frac}"
        lo, hi = (float(bound) for bound in self.bounds)
        return f"secret {self.name}{frac} in [{lo:g}, {hi:g}]"


bool = DType(ValueKind.BOOL)
int64 = DType(ValueKind.INT)
float64 = DType(ValueKind.FIXED, DEFAULT_FRAC_BITS)


def fixed(frac_bits: int) -> DType:
    """Fixed point with this many fractional bits."""
    return DType(ValueKind.FIXED, frac_bits)


def dtype_of(type: Type, divisor: Fraction) -> DType:
    if type.is_bool:
        return bool
    lo, hi = sorted((type.lo / divisor / (1 << type.frac_bits), type.hi / divisor / (1 << type.frac_bits)))
    if divisor == 1:
        return DType(type.kind, type.nominal, (lo, hi))
    return DType(ValueKind.FIXED, max(type.nominal, DEFAULT_FRAC_BITS), (lo, hi))


def as_dtype(value: Any) -> DType:
    """A DType, or the one that bool, int, float or a NumPy dtype stands for. TypeError for others."""
    if isinstance(value, DType):
        return value
    try:
        kind = np.dtype(value).kind
    except (TypeError, ValueError):
        kind = "?"
    if kind not in "biuf":
        raise TypeError(f"{value!r} is no dtype of secret arrays; they are bool, int64, float64 and fixed(frac_bits)")
    return bool if kind == "b" else float64 if kind == "f" else int64


def isdtype(dtype: DType, kind: DType | str | tuple[DType | str, ...]) -> Any:
    """Whether a dtype is of a kind: "bool", "signed integer", "integral", "real floating", "numeric", or a dtype."""
    if isinstance(kind, tuple):
        return any(isdtype(dtype, one) for one in kind)
    if isinstance(kind, DType):
        return dtype == kind
    kinds = {
        "bool": (ValueKind.BOOL,),
        "signed integer": (ValueKind.INT,),
        "unsigned integer": (),
        "integral": (ValueKind.INT,),
        "real floating": (ValueKind.FIXED,),
        "complex floating": (),
        "numeric": (ValueKind.INT, ValueKind.FIXED),
    }
    if not isinstance(kind, str) or kind not in kinds:
        raise ValueError(f"{kind!r} is no kind of dtype; known are {', '.join(kinds)}")
    return dtype.kind in kinds[kind]


_EXACT = 1 << 53
"""Integers up to here are float64 numbers."""


def decoded(stored: NDArray[Any], type: Type, divisor: Fraction) -> NDArray[Any]:
    """stored / 2^frac_bits / divisor: bools, integers as they are, or the nearest float64 of the exact quotient."""
    if type.is_bool:
        return np.asarray(stored, dtype=np.bool_)
    if divisor == 1 and type.kind is ValueKind.INT:
        narrow = type.magnitude < 1 << 63
        return np.asarray(stored, dtype=np.int64) if narrow else np.asarray(stored, dtype=object)
    factor, whole = divisor.denominator, divisor.numerator
    shift = type.frac_bits
    stored = np.asarray(stored)
    if divisor == 1:
        return np.ldexp(stored.astype(np.float64), -shift)  # an integer becomes the nearest float, and this is exact
    if max(1, _largest(stored)) * factor < _EXACT and abs(whole) < _EXACT:
        quotient = stored.astype(np.float64) * float(factor) / float(whole)
        return np.ldexp(quotient, -shift)
    sign = -1 if whole < 0 else 1
    below = abs(whole) << shift
    flat = np.asarray(stored, dtype=object).reshape(-1)
    result = np.array([sign * int(value) * factor / below for value in flat], dtype=np.float64)
    return result.reshape(np.shape(stored))


def _largest(stored: NDArray[Any]) -> int:
    """The greatest magnitude that is there, whatever bounds permit."""
    return max(-int(stored.min()), int(stored.max())) if stored.size else 0
