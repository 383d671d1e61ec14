"""Packed bits, bit planes and tight fields.

Bit i of an array lies in bit i mod 64 of word i // 64; what the last word holds beyond the end is 0.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tercet.ring.native import NATIVE, Kernels
from tercet.ring.ring import Readable, Ring, Words


def pack_bits(bits: NDArray[Any], *, native: Kernels = NATIVE) -> NDArray[np.uint64]:
    """Packs booleans, or bytes of 0 and 1, read flat."""
    out = np.empty((bits.size + 63) // 64, np.uint64)
    native.pack_bits(bits, out)
    return out


def unpack_bits(words: NDArray[np.uint64], n: int, *, native: Kernels = NATIVE) -> NDArray[np.bool_]:
    """The first n bits, in ceil(n / 64) words, as booleans."""
    out = np.empty(n, np.bool_)
    native.unpack_bits(words, out)
    return out


def to_planes(words: Words, bits: int, *, native: Kernels = NATIVE) -> NDArray[np.uint64]:
    """Plane j packs bit j of each of the n words, read flat: (bits, ceil(n / 64))."""
    out = np.empty((bits, (words.size + 63) // 64), np.uint64)
    native.to_planes(words, out)
    return out


def from_planes(planes: NDArray[np.uint64], n: int, ring: Ring) -> Words:
    """The n words whose bit j is in plane j; bits without a plane are 0."""
    out = np.empty(n, ring.dtype)
    ring.native.from_planes(planes, out)
    return out


def pack_fields(
    words: Words, m: int, *, out: NDArray[np.uint8] | None = None, native: Kernels = NATIVE
) -> NDArray[np.uint8]:
    """The m low bits of each of the n words, read flat, little-endian and without gaps, in ceil(n * m / 8) bytes."""
    if out is None:
        out = np.empty((words.size * m + 7) // 8, np.uint8)
    native.pack_fields(words, m, out)
    return out


def unpack_fields(buffer: Readable, m: int, n: int, ring: Ring) -> Words:
    """The n words of m bits that `pack_fields` packed. ValueError if the buffer has another size."""
    out = np.empty(n, ring.dtype)
    ring.native.unpack_fields(np.frombuffer(buffer, np.uint8), m, out)
    return out
