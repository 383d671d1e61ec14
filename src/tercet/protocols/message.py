"""Layouts of message payloads: how an array of ring words, m-bit fields or packed bits becomes bytes, and back."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from tercet.ring import RING64, RING128, Ring, pack_fields, unpack_fields

Bytes = NDArray[np.uint8]


class Layout(Protocol):
    """A fixed number of bytes with a meaning; sender and receiver name the same layout."""

    @property
    def nbytes(self) -> int: ...

    def pack(self, array: NDArray[Any]) -> Bytes: ...

    def unpack(self, payload: Bytes) -> NDArray[Any]: ...


@dataclass(frozen=True, slots=True)
class Words:
    """Ring words in memory order, little-endian."""

    ring: Ring
    shape: tuple[int, ...]

    @property
    def nbytes(self) -> int:
        return math.prod(self.shape) * self.ring.word_bytes

    def pack(self, array: NDArray[Any]) -> Bytes:
        return np.ascontiguousarray(array).reshape(-1).view(np.uint8)

    def unpack(self, payload: Bytes) -> NDArray[Any]:
        return payload.view(self.ring.dtype).reshape(self.shape)


@dataclass(frozen=True, slots=True)
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

    def pack(self, array: NDArray[Any]) -> Bytes:
        return pack_fields(array, self.bits)

    def unpack(self, payload: Bytes) -> NDArray[Any]:
        return unpack_fields(payload, self.bits, self.count, self.ring)


@dataclass(frozen=True, slots=True)
class Planes:
    """Bit planes: an array (..., words) of packed bits; `count` bits in the last axis, whole bytes a plane."""

    lead: tuple[int, ...]
    count: int

    @property
    def _plane_bytes(self) -> int:
        return (self.count + 7) // 8

    @property
    def nbytes(self) -> int:
        return math.prod(self.lead) * self._plane_bytes

    def pack(self, array: NDArray[Any]) -> Bytes:
        flat = np.ascontiguousarray(array).view(np.uint8)
        if flat.shape[-1] == self._plane_bytes:
            return flat.reshape(-1)
        return np.ascontiguousarray(flat[..., : self._plane_bytes]).reshape(-1)

    def unpack(self, payload: Bytes) -> NDArray[Any]:
        words = (self.count + 63) // 64
        if self._plane_bytes == words * 8:
            return payload.view(np.uint64).reshape(*self.lead, words)
        out = np.zeros((*self.lead, words * 8), dtype=np.uint8)
        out[..., : self._plane_bytes] = payload.reshape(*self.lead, self._plane_bytes)
        return out.view(np.uint64)
