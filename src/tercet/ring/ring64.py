"""Integers modulo 2^64 as uint64: sums and products that broadcast stay with NumPy."""

from __future__ import annotations

from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tercet.ring.integers import as_integers, low_word
from tercet.ring.native import NATIVE, Kernels
from tercet.ring.ring import Ring, Words

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


def _words(result: Words) -> Words:
    """The result of a NumPy operation as ring words; checked after the fact, which costs least on small arrays."""
    if result.dtype is not _UINT64 and result.dtype != _UINT64:
        raise TypeError(f"words of the ring of 64 bits are uint64; the result here would be {result.dtype}")
    return result if type(result) is np.ndarray and result.flags.c_contiguous else np.asarray(result, order="C")


RING64: Final[Ring] = Ring64()
