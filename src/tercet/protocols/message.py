"""Layouts of message payloads: how an array of ring words, m-bit fields or packed bits becomes bytes, and back."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Protocol

from tercet.ring import RING64, RING128, Array, Bytes, Ring, pack_fields, pack_planes, unpack_fields, unpack_planes


class Layout(Protocol):
    """A fixed number of bytes with a meaning; sender and receiver name the same layout."""

    @property
    def nbytes(self) -> int: ...

    def pack(self, array: Array) -> Bytes: ...

    def unpack(self, payload: Bytes) -> Array: ...


@dataclass(slots=True)
class Words:
    """Ring words in memory order, little-endian."""

    ring: Ring
    shape: tuple[int, ...]

    @property
    def nbytes(self) -> int:
        shape = self.shape
        return (shape[0] if len(shape) == 1 else math.prod(shape)) * self.ring.word_bytes

    def pack(self, array: Array) -> Bytes:
        return self.ring.pack(array)

    def unpack(self, payload: Bytes) -> Array:
        return self.ring.unpack(payload, self.shape)


@dataclass(slots=True)
class Fields:
    """`count` values modulo 2^bits, tightly packed; received as words of `held`, else of the least ring that fits."""

    bits: int
    count: int
    held: Ring | None = None

    @property
    def ring(self) -> Ring:
        return self.held or (RING64 if self.bits <= RING64.bits else RING128)

    @property
    def nbytes(self) -> int:
        return (self.bits * self.count + 7) // 8

    def pack(self, array: Array) -> Bytes:
        return pack_fields(array, self.bits)

    def unpack(self, payload: Bytes) -> Array:
        return unpack_fields(payload, self.bits, self.count, self.ring)


@dataclass(slots=True)
class RawBytes:
    """Bytes as they are, for kernels that read and write fields by themselves."""

    nbytes: int

    def pack(self, array: Array) -> Bytes:
        return array

    def unpack(self, payload: Bytes) -> Array:
        return payload


@dataclass(slots=True)
class Planes:
    """Bit planes: an array (..., words) of packed bits; `count` bits in the last axis, whole bytes a plane."""

    lead: tuple[int, ...]
    count: int

    @property
    def nbytes(self) -> int:
        return math.prod(self.lead) * ((self.count + 7) // 8)

    def pack(self, array: Array) -> Bytes:
        return pack_planes(array, self.count)

    def unpack(self, payload: Bytes) -> Array:
        return unpack_planes(payload, self.lead, self.count)
