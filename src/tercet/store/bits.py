"""Moving runs of packed bits that begin anywhere in a word."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tercet.sharing import word_count

_WORD = 64


def cut_bits(words: NDArray[np.uint64], start: int, count: int) -> NDArray[np.uint64]:
    """`count` bits from bit `start` on, beginning a word; what its last word holds beyond them is 0."""
    first, shift = divmod(start, _WORD)
    size = word_count(count)
    out = words[first : first + size] >> np.uint64(shift)
    if out.size < size:  # a run that ends in its first word's own bits
        out = np.concatenate([out, np.zeros(size - out.size, np.uint64)])
    if shift:
        following = words[first + 1 : first + 1 + size]
        out[: following.size] |= following << np.uint64(_WORD - shift)
    if count % _WORD:
        out[-1] &= np.uint64((1 << count % _WORD) - 1)
    return out


def put_bits(out: NDArray[np.uint64], at: int, words: NDArray[np.uint64], count: int) -> None:
    """Write `count` bits, as `cut_bits` gives them, into bits of `out` from `at` on, which are 0 so far."""
    first, shift = divmod(at, _WORD)
    size = word_count(count)
    out[first : first + size] |= words[:size] << np.uint64(shift)
    if shift:
        following = out[first + 1 : first + 1 + size]
        following |= words[: following.size] >> np.uint64(_WORD - shift)
