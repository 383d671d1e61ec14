"""How arrays are made, joined and put on the wire: known answers, by Python integers and bytes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tercet.ring import (
    RING64,
    RING128,
    Ring,
    bit_column,
    bytes_view,
    clear_beyond,
    cleared,
    concatenate,
    equal,
    move_axis,
    pack_bits,
    pack_planes,
    stack,
    unpack_bits,
    unpack_planes,
    word_count,
    xor_reduce,
)
from tercet.ring.distance import bit_rows, one_hot_table, pack_narrow, table_entry, unpack_narrow

RINGS = [RING64, RING128]


@pytest.mark.parametrize("ring", RINGS)
def test_words_on_the_wire(ring: Ring) -> None:
    """Little-endian, one behind the other, also those of an array that is not contiguous."""
    values = [1, -2, 1 << 63, 300]
    payload = ring.pack(ring.from_ints(values).reshape(2, 2).T)
    order = [values[0], values[2], values[1], values[3]]
    assert payload.tobytes() == b"".join((v % (1 << ring.bits)).to_bytes(ring.word_bytes, "little") for v in order)
    back = ring.unpack(payload, (2, 2))
    assert ring.to_ints(back).tolist() == ring.to_ints(ring.from_ints(order).reshape(2, 2)).tolist()
    assert np.shares_memory(back, payload)


@pytest.mark.parametrize("ring", RINGS)
def test_constants_and_repetitions(ring: Ring) -> None:
    for value in (0, -1, 5, 1 << 100):
        words = ring.constant(value, (2, 3))
        assert words.shape == (2, 3) and not words.flags.writeable
        assert equal(words, ring.from_ints(np.array([[value] * 3] * 2, object)))
    repeated = ring.repeated([3, -4, 1 << 90], [2, 0, 1])
    assert equal(repeated, ring.from_ints(np.array([3, 3, 1 << 90], object)))
    assert ring.repeated([], []).shape == (0,)
    assert ring.empty((2, 0)).shape == (2, 0) and ring.empty(3).dtype == ring.dtype


@pytest.mark.parametrize("ring", RINGS)
@given(pairs=st.lists(st.tuples(*[st.integers(0, (1 << 128) - 1)] * 2), max_size=20))
def test_xor_of_words(ring: Ring, pairs: list[tuple[int, int]]) -> None:
    a, b = (ring.from_ints(np.array([pair[at] for pair in pairs], object)) for at in (0, 1))
    assert equal(ring.xor(a, b), ring.from_ints(np.array([x ^ y for x, y in pairs], object)))


@given(st.lists(st.lists(st.booleans(), min_size=3, max_size=3), max_size=200))
def test_planes_on_the_wire(columns: list[list[bool]]) -> None:
    """Each plane in whole bytes, its first bit the lowest of the first byte."""
    count = len(columns)
    rows = [[column[row] for column in columns] for row in range(3)]
    planes = np.array([pack_bits(np.array(row, bool)) for row in rows]).reshape(3, word_count(count))
    payload = pack_planes(planes, count)
    wanted = [sum(bit << at for at, bit in enumerate(row)).to_bytes((count + 7) // 8, "little") for row in rows]
    assert payload.tobytes() == b"".join(wanted)
    assert equal(unpack_planes(payload.copy(), (3,), count), planes)


@given(st.lists(st.booleans(), min_size=1, max_size=200), st.integers(0, 2))
def test_bits_beyond_the_last_are_cleared(bits: list[bool], more: int) -> None:
    count = len(bits)
    packed = np.concatenate([pack_bits(np.array(bits, bool)), np.full(more, 2**64 - 1, np.uint64)])
    if count % 64:
        packed[word_count(count) - 1] |= np.uint64((2**64 - 1) << count % 64 & (2**64 - 1))
    clean = cleared(packed, count)
    assert clean.shape == (word_count(count),) and not np.shares_memory(clean, packed)
    assert unpack_bits(clean, 64 * clean.size).tolist() == bits + [False] * (64 * clean.size - count)
    own = packed[: word_count(count)]
    assert clear_beyond(own, count) is own and equal(own, clean)


def test_joining() -> None:
    a, b = RING128.from_ints([1, 2]), RING128.from_ints([3, 4])
    assert RING128.to_ints(concatenate([a, b])).tolist() == [1, 2, 3, 4]
    assert RING128.to_ints(stack([a, b], axis=1)).tolist() == [[1, 3], [2, 4]]
    assert move_axis(np.zeros((2, 3, 4)), -2, 0).shape == (3, 2, 4)
    rows = np.array([[1, 2], [3, 8], [7, 0]], np.uint64)
    assert xor_reduce(rows, 0).tolist() == [5, 10]
    assert bit_column(b"\x80\x01").reshape(-1).tolist() == [1] + [0] * 14 + [1]


def test_memory_as_bytes() -> None:
    """A view that can be filled; what lies in memory with gaps is refused, since a copy would be filled in vain."""
    words = RING64.zeros((2, 3))
    bytes_view(words)[:] = 1
    assert words.tolist() == [[0x0101010101010101] * 3] * 2
    for view in (words.T, words[:, :2], words.reshape(-1)[::2]):
        with pytest.raises(ValueError):
            bytes_view(view)


@given(st.lists(st.integers(0, 255), min_size=1, max_size=70), st.integers(1, 8))
def test_narrow_numbers(values: list[int], width: int) -> None:
    payload = pack_narrow(np.array(values, np.uint8), width)
    whole = sum(value % (1 << width) << at * width for at, value in enumerate(values))
    assert payload.tobytes() == whole.to_bytes((len(values) * width + 7) // 8, "little")
    assert unpack_narrow(payload, width, len(values)).tolist() == [value % (1 << width) for value in values]


def test_bits_as_bytes() -> None:
    assert bit_rows(RING128.from_ints([5, 1 << 66]), 67).tolist()[:3] == [[1, 0], [0, 0], [1, 0]]
    assert bit_rows(RING128.from_ints([5, 1 << 66]), 67)[66].tolist() == [0, 1]


@given(st.lists(st.integers(0, 255), min_size=1, max_size=130), st.integers(1, 4), st.integers(0, 2**32))
def test_one_hot_tables_and_their_entries(values: list[int], width: int, seed: int) -> None:
    """Two XOR shares of a one-hot table, read at any index, tell whether it is the value."""
    modulus = 1 << width
    table = one_hot_table(np.array(values, np.uint8), modulus)
    for entry in range(modulus - 1):
        bits = unpack_bits(table[entry], len(values))
        assert bits.tolist() == [value % modulus == entry for value in values]
    share = np.random.default_rng(seed).integers(0, 2**64, table.shape, np.uint64)
    for index in range(modulus):
        indices = np.full(len(values), index, np.uint8)
        read = table_entry(indices, share, False) ^ table_entry(indices, share ^ table, True)
        assert unpack_bits(read, len(values)).tolist() == [value % modulus == index for value in values]


@pytest.mark.parametrize("ring", RINGS)
def test_bytes_of_memory_that_has_gaps_are_refused_and_others_are_the_memory_itself(ring: Ring) -> None:
    words = ring.zeros((2, 3))
    view = bytes_view(words)
    assert (view.shape, view.dtype) == ((6 * ring.word_bytes,), np.uint8)
    view[0] = 7
    assert ring.to_ints(words)[0, 0] == 7
    words.setflags(write=False)
    assert not bytes_view(words).flags.writeable
    for gaps in (ring.zeros((4, 3))[:, ::2], ring.zeros(6)[::2]):
        with pytest.raises(ValueError, match=r"contiguous|copy|view"):
            bytes_view(gaps)


@pytest.mark.parametrize("ring", RINGS)
@pytest.mark.parametrize("axis", [0, 1, -1])
def test_words_are_joined_along_any_axis(ring: Ring, axis: int) -> None:
    parts = [ring.from_ints(np.arange(6).reshape(2, 3) + shift) for shift in (0, -100)]
    numbers = [ring.to_ints(part) for part in parts]
    for joined, wanted in (
        (concatenate(parts, axis), np.concatenate(numbers, axis)),
        (stack(parts, axis), np.stack(numbers, axis)),
    ):
        assert joined.dtype == ring.dtype
        assert joined.flags.c_contiguous
        assert ring.to_ints(joined).tolist() == wanted.tolist()
