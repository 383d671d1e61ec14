"""Runs of bits from anywhere to anywhere."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tercet.ring import pack_bits, unpack_bits
from tercet.store.bits import cut_bits, put_bits


@given(st.lists(st.booleans(), max_size=300), st.integers(0, 300), st.integers(0, 300), st.integers(0, 200))
def test_runs(bits: list[bool], start: int, stop: int, at: int) -> None:
    start, stop = sorted((min(start, len(bits)), min(stop, len(bits))))
    count = stop - start
    words = pack_bits(np.array(bits, np.bool_))
    if len(bits) % 64:
        words[-1] |= np.uint64(1 << 63)  # what carries no meaning
    cut = cut_bits(words, start, count)
    assert cut.size == -(-count // 64)
    np.testing.assert_array_equal(unpack_bits(cut, count), bits[start:stop])
    assert not count % 64 or int(cut[-1]) >> count % 64 == 0
    out = np.zeros(-(-(at + count) // 64), np.uint64)
    put_bits(out, at, cut, count)
    np.testing.assert_array_equal(unpack_bits(out, at + count), [False] * at + bits[start:stop])
