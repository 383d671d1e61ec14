"""Integers modulo 2^64 as uint64: what NumPy does as fast as we could stays with NumPy."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tercet.ring.integers import as_integers, low_word
from tercet.ring.native import NATIVE, Kernels
from tercet.ring.ring import Ring, Words

_MODULUS = 1 << 64


class Ring64(Ring):
    """See `Ring`."""

    def __init__(self, native: Kernels = NATIVE) -> None:
        super().__init__(64, np.dtype(np.uint64), native)

    def from_ints(self, values: ArrayLike) -> Words:
        return low_word(as_integers(values))

    def to_ints(self, words: Words) -> NDArray[Any]:
        return words.astype(np.int64, order="C")

    def resize(self, words: Words, to_ring: Ring) -> Words:
        if to_ring.bits == self.bits:
            return words
        out = np.zeros(words.shape, to_ring.dtype)
        out["lo"] = words
        return out

    def add(self, a: Words, b: Words, out: Words | None = None) -> Words:
        return np.add(a, b, out, order="C", dtype=np.uint64)

    def sub(self, a: Words, b: Words, out: Words | None = None) -> Words:
        return np.subtract(a, b, out, order="C", dtype=np.uint64)

    def mul(self, a: Words, b: Words, out: Words | None = None) -> Words:
        return np.multiply(a, b, out, order="C", dtype=np.uint64)

    def neg(self, a: Words, out: Words | None = None) -> Words:
        return np.negative(a, out, order="C", dtype=np.uint64)

    def scale(self, a: Words, k: int, out: Words | None = None) -> Words:
        return np.multiply(a, np.uint64(k % _MODULUS), out, order="C", dtype=np.uint64)

    def shl(self, a: Words, s: int, out: Words | None = None) -> Words:
        return np.left_shift(a, _shift(s), out, order="C", dtype=np.uint64)

    def shr(self, a: Words, s: int, out: Words | None = None) -> Words:
        return np.right_shift(a, _shift(s), out, order="C", dtype=np.uint64)

    def sar(self, a: Words, s: int, out: Words | None = None) -> Words:
        target = None if out is None else out.view(np.int64)
        return np.right_shift(a.view(np.int64), np.int64(_shift(s)), target, order="C").view(np.uint64)

    def low(self, a: Words, m: int, out: Words | None = None) -> Words:
        if not 0 <= m <= 64:
            raise ValueError("number of bits outside the ring")
        return np.bitwise_and(a, np.uint64((1 << m) - 1), out, order="C", dtype=np.uint64)


def _shift(s: int) -> np.uint64:
    if not 0 <= s < 64:
        raise ValueError("number of bits outside the ring")
    return np.uint64(s)


RING64: Final[Ring] = Ring64()
