"""Types of secret values: kind, shape, ring, scale and proven bounds."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from enum import IntEnum

from tercet.errors import PlanError


class ValueKind(IntEnum):
    """What a secret value stands for."""

    BOOL = 1
    INT = 2
    FIXED = 3


HEADROOM_BITS = 2
"""Stored integers stay below 2^(ring - HEADROOM_BITS) in magnitude: what truncation and lifting need."""

RINGS = (64, 128)
MAX_FRAC_BITS = 124
MAX_ELEMENTS = 1 << 40


def limit(ring: int) -> int:
    """Magnitudes of stored integers in this ring are below this."""
    return 1 << (ring - HEADROOM_BITS)


def magnitude(lo: int, hi: int) -> int:
    return max(-lo, hi)


def smallest_ring(lo: int, hi: int) -> int | None:
    """The smallest ring that holds every integer in [lo, hi] with headroom, or None."""
    size = magnitude(lo, hi)
    return next((ring for ring in RINGS if size < limit(ring)), None)


@dataclass(frozen=True, slots=True)
class Type:
    """A secret array's public facts.

    A value v is stored as the ring integer v * 2^frac_bits, which lies in [lo, hi]. If these bounds are stated and not
    proven, the type is `claimed`. `nominal` is the number of fractional bits the value is meant to have; a product
    carries more until it is rescaled. Bools have ring 0, are packed bits, and have bounds (0, 1).
    """

    kind: ValueKind
    shape: tuple[int, ...]
    ring: int
    frac_bits: int
    nominal: int
    lo: int
    hi: int
    claimed: bool = field(default=False, compare=False)
    """Whether the bounds rest on a claim (`plan.bounds.marks`). Plans do not write it, and it does not count when types
    are compared."""

    def __post_init__(self) -> None:
        if self.kind is ValueKind.BOOL:
            if (self.ring, self.frac_bits, self.nominal, self.lo, self.hi) != (0, 0, 0, 0, 1):
                raise PlanError(f"a secret bool has no ring, scale or other bounds than (0, 1): {self}")
        elif self.ring not in RINGS:
            raise PlanError(f"ring 2^{self.ring} is not known; known are 2^64 and 2^128")
        elif not 0 <= self.nominal <= self.frac_bits <= MAX_FRAC_BITS or (
            self.kind is ValueKind.INT and self.frac_bits
        ):
            raise PlanError(f"{self.kind.name} with {self.frac_bits} fractional bits (nominal {self.nominal})")
        elif self.lo > self.hi or magnitude(self.lo, self.hi) >= limit(self.ring):
            raise PlanError(f"bounds [{self.lo}, {self.hi}] do not fit the ring 2^{self.ring} with headroom")
        if self.shape and (min(self.shape) < 0 or self.size > MAX_ELEMENTS):
            raise PlanError(f"shape {self.shape} is not one of a secret array")

    @property
    def size(self) -> int:
        return math.prod(self.shape)

    @property
    def word_bytes(self) -> int:
        return self.ring // 8

    @property
    def is_bool(self) -> bool:
        return self.kind is ValueKind.BOOL

    @property
    def bits(self) -> int:
        """Bits of the two's complement that holds every stored integer in [lo, hi]."""
        return max(self.hi.bit_length(), (-self.lo - 1).bit_length() if self.lo < 0 else 0) + 1

    @property
    def magnitude(self) -> int:
        return magnitude(self.lo, self.hi)

    def with_shape(self, shape: tuple[int, ...]) -> Type:
        return Type(self.kind, shape, self.ring, self.frac_bits, self.nominal, self.lo, self.hi, self.claimed)

    def with_bounds(self, lo: int, hi: int) -> Type:
        return Type(self.kind, self.shape, self.ring, self.frac_bits, self.nominal, lo, hi, self.claimed)

    def with_claim(self, claimed: bool) -> Type:
        return Type(self.kind, self.shape, self.ring, self.frac_bits, self.nominal, self.lo, self.hi, claimed)

    def __str__(self) -> str:
        """As a person reads it: fixed[442, 10] f16 in [-3.5, 12]."""
        shape = ", ".join(map(str, self.shape))
        if self.is_bool:
            return f"bool[{shape}]"
        scale = 2.0**self.frac_bits
        bounds = f"[{self.lo / scale:g}, {self.hi / scale:g}]"
        frac = f" f{self.frac_bits}" if self.kind is ValueKind.FIXED else ""
        return f"{self.kind.name.lower()}[{shape}]{frac} in {bounds}"


def bool_type(shape: tuple[int, ...]) -> Type:
    return Type(ValueKind.BOOL, shape, 0, 0, 0, 0, 1)
