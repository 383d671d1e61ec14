"""Integers modulo 2^128 as pairs {lo, hi} of uint64, little-endian."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tercet.ring.integers import as_integers, low_word
from tercet.ring.native import NATIVE, Kernels
from tercet.ring.ring import U128, Ring, Words


class Ring128(Ring):
    """See `Ring`."""

    def __init__(self, native: Kernels = NATIVE) -> None:
        super().__init__(128, U128, native)

    def from_ints(self, values: ArrayLike) -> Words:
        array = as_integers(values)
        out = np.empty(array.shape, U128)
        out["lo"] = low_word(array)
        if array.dtype.kind == "O":
            out["hi"] = low_word(np.asarray(array >> 64, dtype=object))
        elif array.dtype.kind == "i":
            out["hi"] = (array >> (8 * array.dtype.itemsize - 1)).astype(np.uint64)  # the sign, in every bit
        else:
            out["hi"] = 0
        return out

    def to_ints(self, words: Words) -> NDArray[Any]:
        signed = np.empty(words.shape, object)
        narrow = words["lo"].astype(np.int64)
        if np.array_equal(words["hi"].astype(np.int64), narrow >> 63):
            signed[...] = narrow  # all fit 64 bits: twenty times faster
            return signed
        low, high = words["lo"].astype(object), words["hi"].astype(np.int64).astype(object)
        signed[...] = low + high * (1 << 64)
        return signed

    def resize(self, words: Words, to_ring: Ring) -> Words:
        return words if to_ring.bits == self.bits else np.ascontiguousarray(words["lo"]).reshape(words.shape)

    def add(self, a: Words, b: Words, out: Words | None = None) -> Words:
        if a.shape == b.shape:
            if out is None:
                out = np.empty(a.shape, U128)
        else:
            a, b, out = _broadcast(a, b, out)
        self.native.add(a, b, out)
        return out

    def sub(self, a: Words, b: Words, out: Words | None = None) -> Words:
        if a.shape == b.shape:
            if out is None:
                out = np.empty(a.shape, U128)
        elif a.size == 1 and a.ndim <= b.ndim:
            return self.add(self.neg(b, out), a, out)
        else:
            a, b, out = _broadcast(a, b, out)
        self.native.sub(a, b, out)
        return out

    def mul(self, a: Words, b: Words, out: Words | None = None) -> Words:
        if a.shape == b.shape:
            if out is None:
                out = np.empty(a.shape, U128)
        else:
            a, b, out = _broadcast(a, b, out)
        self.native.mul(a, b, out)
        return out


def _broadcast(a: Words, b: Words, out: Words | None) -> tuple[Words, Words, Words]:
    """Operands of add and mul for the kernel: one shape, or a single word second, which the kernel repeats itself."""
    if a.size == 1 and a.ndim <= b.ndim:
        a, b = b, a
    if not (b.size == 1 and b.ndim <= a.ndim):
        a, b = np.broadcast_arrays(a, b)
    return a, b, np.empty(a.shape, U128) if out is None else out


RING128: Final[Ring] = Ring128()
