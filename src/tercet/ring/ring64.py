"""Integers modulo 2^64 as uint64: what NumPy does as fast as we could stays with NumPy."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tercet.ring.integers import as_integers, low_word
from tercet.ring.native import NATIVE, Kernels
from tercet.ring.ring import Ring, Words

_MODULUS = 1 << 64
_UINT64 = np.dtype(np.uint64)


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
        return _words(np.add(a, b, out))

    def sub(self, a: Words, b: Words, out: Words | None = None) -> Words:
        return _words(np.subtract(a, b, out))

    def mul(self, a: Words, b: Words, out: Words | None = None) -> Words:
        return _words(np.multiply(a, b, out))

    def neg(self, a: Words, out: Words | None = None) -> Words:
        return _words(np.negative(a, out))

    def scale(self, a: Words, k: int, out: Words | None = None) -> Words:
        return _words(np.multiply(a, np.uint64(k % _MODULUS), out))

    def shl(self, a: Words, s: int, out: Words | None = None) -> Words:
        return _words(np.left_shift(a, _shift(s), out))

    def shr(self, a: Words, s: int, out: Words | None = None) -> Words:
        return _words(np.right_shift(a, _shift(s), out))

    def sar(self, a: Words, s: int, out: Words | None = None) -> Words:
        target = None if out is None else out.view(np.int64)
        shifted = np.right_shift(a.view(np.int64), np.int64(_shift(s)), target)
        return _words(np.asarray(shifted, order="C").view(np.uint64))

    def low(self, a: Words, m: int, out: Words | None = None) -> Words:
        if not 0 <= m <= 64:
            raise ValueError("number of bits outside the ring")
        return _words(np.bitwise_and(a, np.uint64((1 << m) - 1), out))


def _words(result: Words) -> Words:
    """The result of a NumPy operation as ring words; checked after the fact, which costs least on small arrays."""
    if result.dtype is not _UINT64 and result.dtype != _UINT64:
        raise TypeError(f"words of the ring of 64 bits are uint64; the result here would be {result.dtype}")
    return result if type(result) is np.ndarray and result.flags.c_contiguous else np.asarray(result, order="C")


def _shift(s: int) -> np.uint64:
    if not 0 <= s < 64:
        raise ValueError("number of bits outside the ring")
    return np.uint64(s)


RING64: Final[Ring] = Ring64()
