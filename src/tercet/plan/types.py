"""Types of secret values: kind, shape, ring, scale and bounds; their bytes, and how many bits an output opens."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from enum import IntEnum

from tercet.codec import Reader, Writer
from tercet.errors import PlanError
from tercet.protocols.reveal import Window
from tercet.ring import ring, word_count


class ValueKind(IntEnum):
    """What a secret value stands for."""

    BOOL = 1
    INT = 2
    FIXED = 3
    PERMUTATION = 4


HEADROOM_BITS = 2
"""Stored integers stay below 2^(ring - HEADROOM_BITS) in magnitude: what truncation and lifting need."""

RINGS = (64, 128)
MAX_FRAC_BITS = 124
MAX_ELEMENTS = 1 << 40
MAX_DIMENSIONS = 32
"""As many as NumPy broadcasts."""
_MAX_NUMBER = 1 << 16
"""The largest kind, ring or scale that is read; which of them exist is checked by `Type`."""


def limit(ring: int) -> int:
    """Magnitudes of stored integers in this ring are below this."""
    return 1 << (ring - HEADROOM_BITS)


def magnitude(lo: int, hi: int) -> int:
    return max(-lo, hi)


def smallest_ring(lo: int, hi: int) -> int | None:
    """The smallest ring that holds every integer in [lo, hi] with headroom, or None."""
    size = magnitude(lo, hi)
    for bits in RINGS:
        if size < limit(bits):
            return bits
    return None


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
    """Whether the bounds rest on a claim (`plan.bounds.prove`). Plans do not write it, and it does not count when types
    are compared."""

    def __post_init__(self) -> None:
        if self.kind is ValueKind.BOOL:
            if (self.ring, self.frac_bits, self.nominal, self.lo, self.hi) != (0, 0, 0, 0, 1):
                raise PlanError(f"a secret bool has no ring, scale or other bounds than (0, 1): {self}")
        elif self.is_permutation and (self.ring, self.frac_bits, self.nominal, self.lo, len(self.shape)) != (
            64,
            0,
            0,
            0,
            2,
        ):
            raise PlanError(f"a permutation has lines and places, in the ring 2^64, from 0 on: {self}")
        elif self.ring not in RINGS:
            raise PlanError(f"ring 2^{self.ring} is not known; known are 2^64 and 2^128")
        elif not 0 <= self.nominal <= self.frac_bits <= MAX_FRAC_BITS or (
            self.kind is not ValueKind.FIXED and self.frac_bits
        ):
            raise PlanError(f"{self.kind.name} with {self.frac_bits} fractional bits (nominal {self.nominal})")
        elif self.lo > self.hi or magnitude(self.lo, self.hi) >= limit(self.ring):
            raise PlanError(f"bounds [{self.lo}, {self.hi}] do not fit the ring 2^{self.ring} with headroom")
        if len(self.shape) > MAX_DIMENSIONS:
            raise PlanError(f"{len(self.shape)} dimensions, where a secret array has {MAX_DIMENSIONS} at most")
        if self.shape and (min(self.shape) < 0 or self.size > MAX_ELEMENTS):
            raise PlanError(f"shape {self.shape} is not one of a secret array")

    @property
    def size(self) -> int:
        return math.prod(self.shape)

    @property
    def word_bytes(self) -> int:
        return self.ring // 8

    @property
    def component_bytes(self) -> int:
        """Bytes of all elements: of a public constant, or of one of a share's two components."""
        return 8 * word_count(self.size) if self.is_bool else self.size * self.word_bytes

    @property
    def is_bool(self) -> bool:
        return self.kind is ValueKind.BOOL

    @property
    def is_permutation(self) -> bool:
        """Whether it is a permutation of each of some lines: no number, and of use to few operations alone.

        Stored are the places within its line where elements go; what the words add up to counts modulo 2^w, with w the
        bits of a line's length. Only operations that make permutations give one (`Operation.orders`), and nobody can
        upload one, so it is one whatever a plan claims.
        """
        return self.kind is ValueKind.PERMUTATION

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
        if self.is_permutation:
            return f"permutation[{shape}]"
        scale = 2.0**self.frac_bits
        bounds = f"[{self.lo / scale:g}, {self.hi / scale:g}]"
        frac = f" f{self.frac_bits}" if self.kind is ValueKind.FIXED else ""
        return f"{self.kind.name.lower()}[{shape}]{frac} in {bounds}"


def bool_type(shape: tuple[int, ...]) -> Type:
    return Type(ValueKind.BOOL, shape, 0, 0, 0, 0, 1)


def permutation_type(lines: int, length: int) -> Type:
    return Type(ValueKind.PERMUTATION, (lines, length), 64, 0, 0, 0, max(length - 1, 0))


def put_type(out: Writer, t: Type) -> None:
    """Append a type."""
    out.count(t.kind).count(t.ring).count(t.frac_bits).count(t.nominal).count(len(t.shape))
    for length in t.shape:
        out.count(length)
    out.integer(t.lo).integer(t.hi)


def take_type(reader: Reader) -> Type:
    """Read a type. Raises PlanError if it is none."""
    kind = reader.count(_MAX_NUMBER)
    if kind not in tuple(ValueKind):
        raise reader.fail(f"kind {kind} is not known")
    ring_bits, frac_bits, nominal = (reader.count(_MAX_NUMBER) for _ in range(3))
    shape = tuple(reader.count(MAX_ELEMENTS) for _ in range(reader.count(MAX_DIMENSIONS)))
    return Type(ValueKind(kind), shape, ring_bits, frac_bits, nominal, reader.integer(), reader.integer())


def write_type(t: Type) -> bytes:
    """A type as plans write it, and whether its bounds are claimed: the label under which an array is stored."""
    out = Writer()
    put_type(out, t)
    return out.count(t.claimed).take()


def read_type(data: bytes | memoryview) -> Type:
    """Read what `write_type` wrote. Raises PlanError."""
    reader = Reader(data, "type")
    found = take_type(reader)
    claimed = reader.count(1) == 1
    reader.end()
    return replace(found, claimed=claimed)


def element_bits(t: Type) -> int:
    """The bits that are opened of one element: enough for every integer in [lo, hi], and none more; 1 of a bool."""
    return 1 if t.is_bool else (t.hi - t.lo).bit_length()


def capacity_bits(t: Type) -> int:
    """The bits that are opened of all elements of an output of this type, whatever is true of its bounds.

    Policies charge budgets with it. It is exact: `protocols.reveal` opens x - lo modulo 2^bits. If claimed bounds are
    too narrow, the answer is wrong, but it has no more bits than are charged.
    """
    return t.size * element_bits(t)


def window(t: Type) -> Window | None:
    """What is opened of every word of an output of this type; None for bools, of which all bits are."""
    return None if t.is_bool else Window(ring(t.ring), t.lo, element_bits(t))
