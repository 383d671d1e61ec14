"""Packed bits, planes, fields and the table leaf against their twins, on every level of kernels."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ring import twin
from ring.draws import SIZES, int_arrays, quick
from tercet import ring as floor
from tercet.ring import Kernels, Ring


@pytest.mark.parametrize("n", [*SIZES, 4096, 5000])
def test_pack_bits(native: Kernels, n: int) -> None:
    bits = np.random.default_rng(n).random(n) < 0.5
    packed = floor.pack_bits(bits, native=native)
    assert packed.tolist() == twin.pack_bits(bits).tolist()
    assert packed.tolist() == floor.pack_bits(bits.astype(np.uint8), native=native).tolist()
    assert floor.unpack_bits(packed, n, native=native).tolist() == bits.tolist() == twin.unpack_bits(packed, n).tolist()
    with pytest.raises(ValueError):
        floor.unpack_bits(packed, 64 * packed.size + 1, native=native)


@quick
@given(data=st.data())
def test_planes(any_ring: Ring, data: st.DataObject) -> None:
    r = any_ring
    (x,) = data.draw(int_arrays(r.bits, 1))
    bits = data.draw(st.sampled_from([0, 1, 5, 31, 63, 64, r.bits - 1, r.bits]))
    planes = floor.to_planes(r.from_ints(x), bits, native=r.native)
    assert planes.tolist() == twin.to_planes(x, bits).tolist()
    back = floor.from_planes(planes, x.size, r)
    assert (back == r.from_ints(twin.from_planes(planes, x.size))).all()
    assert (back == r.low(r.from_ints(x), bits)).all()


@quick
@given(data=st.data())
def test_fields(any_ring: Ring, data: st.DataObject) -> None:
    r = any_ring
    (x,) = data.draw(int_arrays(r.bits, 1))
    m = data.draw(st.integers(1, r.bits) | st.sampled_from([8, 16, 20, 24, 57, 63, 64, r.bits]))
    packed = floor.pack_fields(r.from_ints(x), m, native=r.native)
    assert packed.tobytes() == twin.pack_fields(x, m)
    for buffer in (packed, packed.tobytes(), packed.data):
        words = floor.unpack_fields(buffer, m, x.size, r)
        assert (words == r.from_ints(twin.unpack_fields(packed.tobytes(), m, x.size))).all()
    assert (words == r.low(r.from_ints(x), m)).all()
    with pytest.raises(ValueError):
        floor.unpack_fields(np.zeros(packed.size + 1, np.uint8), m, x.size, r)


def test_fields_of_every_width(any_ring: Ring) -> None:
    r, rng = any_ring, np.random.default_rng(5)
    words = r.from_bytes(rng.bytes(150 * r.word_bytes), (150,))
    for m in range(1, r.bits + 1):
        back = floor.unpack_fields(floor.pack_fields(words, m, native=r.native), m, 150, r)
        assert (back == r.low(words, m)).all()


@pytest.mark.parametrize("k", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("groups,width", [(1, 1), (3, 3), (2, 9), (0, 2), (2, 0)])
def test_leaf(native: Kernels, k: int, groups: int, width: int) -> None:
    rng = np.random.default_rng(k * 100 + groups * 10 + width)

    def draw(*shape: int) -> twin.Bits:
        return rng.integers(0, 2**64, shape, dtype=np.uint64)

    r, c, own = draw(groups, k, width), draw(groups, k, width), draw(groups, 2**k - 1, width)
    other = floor.leaf_deal(r, own, native=native)
    assert (other == twin.leaf_deal(r, own)).all()
    shared = np.zeros((2, groups, width), np.uint64)
    for share, last_ones in ((own, True), (other, False)):
        halves = floor.leaf_eval(c, share, last_ones, native=native)
        for half, expected in zip(halves, twin.leaf_eval(c, share, last_ones), strict=True):
            assert (half == expected).all()
        shared ^= np.array(halves)
    for group in range(groups):
        total = twin.from_planes(r[group], 64 * width) + twin.from_planes(c[group], 64 * width)
        propagate, generate = (twin.unpack_bits(half[group], 64 * width).tolist() for half in shared)
        assert propagate == (total == 2**k - 1).tolist()
        assert generate == (total >= 2**k).tolist()


def test_misuse(native: Kernels) -> None:
    planes, table = np.zeros((2, 6, 3), np.uint64), np.zeros((2, 63, 3), np.uint64)
    with pytest.raises(ValueError):
        floor.leaf_deal(planes, table, native=native)
    with pytest.raises(ValueError):
        floor.leaf_eval(planes[:, :4], table[:, :14], True, native=native)
    with pytest.raises(TypeError):
        floor.pack_bits(np.zeros(4, np.int64), native=native)


@given(st.lists(st.booleans(), max_size=300), st.integers(0, 300), st.integers(0, 300), st.integers(0, 200))
def test_runs_of_bits_from_anywhere_to_anywhere(bits: list[bool], start: int, stop: int, at: int) -> None:
    start, stop = sorted((min(start, len(bits)), min(stop, len(bits))))
    count = stop - start
    words = floor.pack_bits(np.array(bits, np.bool_))
    if len(bits) % 64:
        words[-1] |= np.uint64(1 << 63)  # what carries no meaning
    cut = floor.cut_bits(words, start, count)
    assert cut.size == -(-count // 64)
    np.testing.assert_array_equal(floor.unpack_bits(cut, count), bits[start:stop])
    assert not count % 64 or int(cut[-1]) >> count % 64 == 0
    out = np.zeros(-(-(at + count) // 64), np.uint64)
    floor.put_bits(out, at, cut, count)
    np.testing.assert_array_equal(floor.unpack_bits(out, at + count), [False] * at + bits[start:stop])


@pytest.mark.parametrize("high,low", [(1, 4), (3, 4), (5, 8), (4, 16), (7, 32), (3, 64), (2, 128), (2, 256)])
@pytest.mark.parametrize("rows,width", [(1, 1), (3, 7), (2, 8), (1, 17), (0, 2), (2, 0)])
def test_products_with_a_table(native: Kernels, high: int, low: int, rows: int, width: int) -> None:
    rng = np.random.default_rng(high * 1000 + low * 10 + width)

    def draw(*shape: int) -> twin.Bits:
        return rng.integers(0, 2**64, shape, dtype=np.uint64)

    upper, lower = (draw(high, width), draw(high, width)), (draw(low, width), draw(low, width))
    table = draw(rows, (high * low + 63) // 64)
    expected = twin.table_product(upper, lower, table)
    for threads in (1, 3):
        assert (floor.table_product(upper, lower, table, threads, native=native) == expected).all()


def test_products_with_a_table_of_another_size_are_refused(native: Kernels) -> None:
    row, four = np.zeros((1, 2), np.uint64), np.zeros((4, 2), np.uint64)
    with pytest.raises(ValueError, match="power of two"):
        floor.table_product((row, row), (row, row), row[:, :1].copy(), native=native)
    with pytest.raises(ValueError, match="for each pair"):
        floor.table_product((row, row), (four, four), row, native=native)
    with pytest.raises(ValueError, match="one length"):
        floor.table_product((row, row), (four[:, :1].copy(),) * 2, row[:, :1].copy(), native=native)


@pytest.mark.parametrize(
    "rows,length", [(1, 1), (1, 65), (2, 64), (3, 7), (5, 63), (4, 100), (7, 129), (0, 70), (3, 0)]
)
def test_rows_in_words_of_their_own(native: Kernels, rows: int, length: int) -> None:
    rng = np.random.default_rng(rows * 1000 + length)
    words = twin.pack_bits(rng.integers(0, 2, rows * length, dtype=np.uint8))
    split = floor.split_rows(words, rows, length, native=native)
    assert split.shape == (rows, floor.word_count(length)) and (split == twin.split_rows(words, rows, length)).all()
    assert (floor.join_rows(split, length, native=native) == words).all()
    # bits beyond a row are left out
    full = np.full(split.shape, 2**64 - 1, np.uint64)
    if length % 64:
        assert (floor.join_rows(full, length, native=native) == twin.join_rows(full, length)).all()


@pytest.mark.parametrize("m", [1, 9, 33, 64])
@pytest.mark.parametrize("starts,count", [([0], 1), ([0], 1100), ([0, 1, 3], 70), ([0, 500, 512, 513, 1200], 1300)])
def test_signed_counts(native: Kernels, m: int, starts: list[int], count: int) -> None:
    rng = np.random.default_rng(m + count)
    plane, parts = twin.pack_bits(rng.integers(0, 2, count, dtype=np.uint8)), rng.bytes((m * count + 7) // 8)
    terms, bits = floor.signed_counts(plane, m, np.frombuffer(parts, np.uint8), count, starts, native=native)
    assert (terms.tolist(), bits.tolist()) == twin.signed_counts(plane, m, parts, count, starts)
