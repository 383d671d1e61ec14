"""Public random numbers from a public seed, for folds, starts, resamples and forests: everybody draws the same.

They hide nothing: whoever knows the seed, and it stands in the plan's making, knows them all. Secret random arrays are
drawn by `session.uniform` and its kin.
"""

from __future__ import annotations

import hashlib
import math
from typing import Any

import numpy as np
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from numpy.typing import NDArray

from tercet.array import given
from tercet.errors import InputError
from tercet.learn.parameters import Whole, refused

_KEY_BYTES = 16
_WORD_BITS = 64


class PublicRandom:
    """A stream of public numbers: AES-128 in counter mode under a key hashed from a seed and labels.

    `PublicRandom(seed, *labels)`: the same seed and labels give the same numbers everywhere and in every version; other
    labels (texts or integers: of a fold, of a tree) give a stream of its own. No numbers of NumPy's generators, so
    that a fold here is none of scikit-learn's for the same seed.
    """

    def __init__(self, seed: int, *labels: int | str) -> None:
        if isinstance(seed, bool | np.bool_):
            raise refused("random_state", seed, (Whole(),))
        whole = given.integer(seed, "random_state")
        named = "/".join(("tercet public random", str(whole), *map(repr, labels)))
        key = hashlib.sha256(named.encode()).digest()[:_KEY_BYTES]
        self._stream = Cipher(algorithms.AES(key), modes.CTR(bytes(16))).encryptor()

    def words(self, count: int) -> NDArray[np.uint64]:
        """So many uniform words of 64 bits."""
        drawn = self._stream.update(bytes(8 * count))
        return np.frombuffer(drawn, dtype="<u8").astype(np.uint64)

    def integers(self, low: int, high: int, shape: Any = ()) -> NDArray[np.int64]:
        """Uniform integers from `low` up to, but without, `high`; exactly uniform, by rejection."""
        span = high - low
        if not 0 < span < 1 << (_WORD_BITS - 1):
            raise InputError(f"no integers from {low} up to {high}", hint="pass low < high")
        size = math.prod(shape) if isinstance(shape, tuple) else int(shape)
        limit = (1 << _WORD_BITS) // span * span
        found = np.empty(0, np.uint64)
        while len(found) < size:
            more = self.words(size - len(found))
            found = np.concatenate([found, more if limit == 1 << _WORD_BITS else more[more < np.uint64(limit)]])
        return ((found % np.uint64(span)).astype(np.int64) + low).reshape(shape)

    def uniform(self, shape: Any = ()) -> NDArray[np.float64]:
        """Uniform numbers in [0, 1) with 53 bits."""
        size = math.prod(shape) if isinstance(shape, tuple) else int(shape)
        found = np.ldexp((self.words(size) >> np.uint64(11)).astype(np.float64), -53)
        return found.reshape(shape)

    def normal(self, shape: Any = ()) -> NDArray[np.float64]:
        """Standard normal numbers, by Box and Muller."""
        size = math.prod(shape) if isinstance(shape, tuple) else int(shape)
        radius, angle = self.uniform((2, size))
        found: NDArray[np.float64] = np.sqrt(-2 * np.log1p(-radius)) * np.cos(2 * np.pi * angle)
        return found.reshape(shape)

    def permutation(self, count: int) -> NDArray[np.int64]:
        """The integers below `count` in a random order: the order of so many words (ties, of 2^-64, by place)."""
        return np.argsort(self.words(count), kind="stable").astype(np.int64)

    def choice(self, count: int, size: int, *, replace: bool = False) -> NDArray[np.int64]:
        """So many of the integers below `count`, in random order; each at most once unless `replace`."""
        if replace:
            return self.integers(0, count, (size,))
        if size > count:
            raise InputError(f"{size} of {count} without replacement", hint="pass replace=True, or fewer")
        return self.permutation(count)[:size]
