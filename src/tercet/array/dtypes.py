"""Data types of secret arrays: bool, integer, fixed point."""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from tercet.plan.public import DEFAULT_FRAC_BITS
from tercet.plan.types import Kind, Type

_NAMES = {Kind.BOOL: "bool", Kind.INT: "integer", Kind.FIXED: "fixed"}


@dataclass(frozen=True)
class DType:
    """What the elements of a secret array are. Equal if kind and frac_bits are; `bounds` only inform."""

    kind: Kind
    frac_bits: int = 0
    bounds: tuple[Fraction, Fraction] | None = field(default=None, compare=False)

    @property
    def name(self) -> str:
        return _NAMES[self.kind]

    def __repr__(self) -> str:
        frac = f" f{self.frac_bits}" if self.kind is Kind.FIXED else ""
        if self.bounds is None or self.kind is Kind.BOOL:
            return f"secret {self.name}{frac}"
        lo, hi = (float(bound) for bound in self.bounds)
        return f"secret {self.name}{frac} in [{lo:g}, {hi:g}]"


bool = DType(Kind.BOOL)
int64 = DType(Kind.INT)
float64 = DType(Kind.FIXED, DEFAULT_FRAC_BITS)


def fixed(frac_bits: int) -> DType:
    """Fixed point with this many fractional bits."""
    return DType(Kind.FIXED, frac_bits)


def dtype_of(type: Type, divisor: Fraction) -> DType:
    if type.is_bool:
        return bool
    lo, hi = sorted((type.lo / divisor / (1 << type.frac_bits), type.hi / divisor / (1 << type.frac_bits)))
    if divisor == 1:
        return DType(type.kind, type.nominal, (lo, hi))
    return DType(Kind.FIXED, max(type.nominal, DEFAULT_FRAC_BITS), (lo, hi))


def as_dtype(value: Any) -> DType:
    """A DType, or the one that bool, int, float or a NumPy dtype stands for. TypeError for others."""
    import numpy as np

    if isinstance(value, DType):
        return value
    try:
        kind = np.dtype(value).kind
    except TypeError:
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
        "bool": (Kind.BOOL,),
        "signed integer": (Kind.INT,),
        "unsigned integer": (),
        "integral": (Kind.INT,),
        "real floating": (Kind.FIXED,),
        "complex floating": (),
        "numeric": (Kind.INT, Kind.FIXED),
    }
    if kind not in kinds:
        raise ValueError(f"{kind!r} is no kind of dtype; known are {', '.join(kinds)}")
    return dtype.kind in kinds[kind]
