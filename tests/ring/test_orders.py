"""Orders and what is moved by them against their twins, on every level of kernels; the ring of 32 bits."""

from __future__ import annotations

from collections import Counter
from itertools import permutations
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from ring import twin_orders
from ring.twin import Twin
from tercet import ring as floor
from tercet.ring import RING32, RING64, RING128, U128, Kernels, available_levels, kernels
from tercet.ring.ring import Ring32, Ring64

RINGS = {np.uint32: RING32, np.uint64: RING64, U128: RING128}
SHAPES = [(1, 0), (1, 1), (1, 2), (3, 1), (1, 65), (7, 9), (2, 1000), (1, 70_000)]


def uniform(rng: np.random.Generator, lines: int, length: int) -> NDArray[np.uint8]:
    return np.frombuffer(rng.bytes(floor.order_bytes(lines, length)), np.uint8)


@pytest.mark.parametrize(("lines", "length"), SHAPES)
def test_orders_are_drawn_as_the_twin_draws_them(native: Kernels, lines: int, length: int) -> None:
    rng = np.random.default_rng(length)
    drawn = uniform(rng, lines, length)
    order = floor.draw_orders(drawn, lines, length, native=native)
    assert order is not None and order.dtype == np.uint32
    assert np.array_equal(order, twin_orders.draw_orders(drawn.view(np.uint32), lines, length))
    assert np.array_equal(np.sort(order.reshape(lines, -1)), np.arange(lines * length).reshape(lines, -1))
    back = floor.inverted(order, native=native)
    assert np.array_equal(back, twin_orders.inverted(order))


def test_words_that_would_favour_a_place_are_left_out(native: Kernels) -> None:
    """Of 2^32 words and three places one word is over: 0 among them. Without words nothing is drawn."""
    words = np.array([5, 0, 0, 1 << 31], np.uint32)
    order = floor.draw_orders(words.view(np.uint8), 1, 3, native=native)
    assert np.array_equal(order, twin_orders.draw_orders(words, 1, 3)) and order is not None
    assert floor.draw_orders(words[:3].view(np.uint8), 1, 3, native=native) is None
    assert twin_orders.draw_orders(words[:3], 1, 3) is None


def test_every_order_is_as_likely() -> None:
    rng = np.random.default_rng(3)
    lines = 24_000
    order = floor.draw_orders(uniform(rng, lines, 4), lines, 4)
    assert order is not None
    seen = Counter(map(tuple, (order.reshape(lines, 4) % 4).tolist()))
    expected = lines / 24
    assert set(seen) == set(permutations(range(4)))
    assert sum((count - expected) ** 2 / expected for count in seen.values()) < 60


@pytest.mark.parametrize("dtype", [np.uint32, np.uint64, U128])
@pytest.mark.parametrize("threads", [1, 3])
def test_elements_are_moved(native: Kernels, dtype: Any, threads: int) -> None:
    rng = np.random.default_rng(5)
    for count in (0, 1, 9, 1000, 200_000):
        size = np.dtype(dtype).itemsize
        words = np.frombuffer(rng.bytes(2 * count * size), dtype).reshape(2, count)
        order = rng.permutation(count).astype(np.uint32)
        some = order[: count // 2]
        for row in (words, words[1]):
            assert np.array_equal(
                floor.gather(row, some, threads=threads, native=native), twin_orders.gather(row, some)
            )
            for negative in (False, True):
                masks = np.frombuffer(bytearray(rng.bytes(row[..., some].nbytes)), dtype).reshape(row[..., some].shape)
                expected = twin_orders.gather_masked(RINGS[dtype], row, some, masks, negative=negative)
                found = floor.gather_masked(row, some, masks, negative=negative, threads=threads, native=native)
                assert np.array_equal(found, expected) and np.shares_memory(found, masks) == (masks.size > 0)
            found = floor.scatter(row, order, threads=threads, native=native)
            assert np.array_equal(found, twin_orders.scatter(row, order))
        lying = np.ascontiguousarray(words.T)
        found = floor.gather_rows(lying, some, threads=threads, native=native)
        assert np.array_equal(found, twin_orders.gather_rows(lying, some))


@pytest.mark.parametrize("dtype", [np.uint32, np.uint64])
def test_places_within_lines_are_checked(native: Kernels, dtype: Any) -> None:
    rng = np.random.default_rng(6)
    for lines, length in SHAPES[1:-1]:
        within = np.stack([rng.permutation(length) for _ in range(lines)]).astype(dtype).reshape(-1)
        found = floor.flat_orders(within, lines, native=native)
        assert found is not None and np.array_equal(found, twin_orders.flat_orders(within, lines))
        for wrong in (length, 2**32 - 1, within[0] if within.size > 1 and length > 1 else length):
            broken = within.copy()
            broken[-1] = wrong
            if length > 1 and wrong == within[0] and lines > 1:
                broken[1] = wrong
            assert floor.flat_orders(broken, lines, native=native) is None
            assert twin_orders.flat_orders(broken, lines) is None


def test_places_outside_are_refused() -> None:
    words = np.arange(5, dtype=np.uint64)
    outside = np.array([0, 1, 2, 3, 5], np.uint32)
    with pytest.raises(ValueError, match="outside"):
        floor.gather(words, outside)
    with pytest.raises(ValueError, match="outside"):
        floor.gather_masked(words, outside, words.copy(), negative=False)
    with pytest.raises(ValueError, match="outside"):
        floor.scatter(words, outside)
    with pytest.raises(ValueError, match="outside"):
        floor.inverted(outside)
    with pytest.raises(ValueError, match="outside"):
        floor.gather_rows(words.reshape(5, 1), outside)
    with pytest.raises(TypeError):
        floor.gather(words, np.arange(5))
    with pytest.raises(ValueError, match="2\\^32"):
        floor.draw_orders(np.zeros(0, np.uint8), 3, 1 << 31)


@pytest.mark.parametrize("width", [1, 2, 3])
@pytest.mark.parametrize("bits", [32, 64])
def test_places_of_a_digit(native: Kernels, width: int, bits: int) -> None:
    rng = np.random.default_rng(width)
    r = Ring32(native) if bits == 32 else Ring64(native)
    for lines, length in [(1, 1), (1, 64), (3, 7), (1, 65), (2, 200)]:
        shape = ((1 << width) - 1, lines, length)
        own, following = (r.from_bytes(rng.bytes(int(np.prod(shape)) * r.word_bytes), shape) for _ in "ab")
        zero = r.from_bytes(rng.bytes(lines * length * r.word_bytes), shape[1:])
        for one_own, one_next in ((0, 0), (1, 0), (0, 1)):
            found = floor.destinations(r, own, following, zero, one_own=bool(one_own), one_next=bool(one_next))
            terms, first, second = twin_orders.destinations(
                bits, own.astype(object), following.astype(object), one_own, one_next
            )
            expected = (terms + zero.astype(object)) % 2**bits, first, second
            for one, other in zip(found, expected, strict=True):
                assert (one.astype(object) == other).all()


@pytest.mark.parametrize("level", available_levels())
def test_the_ring_of_32_bits(level: str) -> None:
    r, rng, slow = Ring32(kernels(level)), np.random.default_rng(8), Twin(32)
    for size in (0, 1, 9, 64, 1000):
        a, b, c = (r.from_bytes(rng.bytes(4 * size), (size,)) for _ in "abc")
        x, y, z = (part.astype(object) for part in (a, b, c))
        for found, expected in (
            (r.add(a, b), x + y),
            (r.sub(a, b), x - y),
            (r.mul(a, b), x * y),
            (r.neg(a), -x),
            (r.scale(a, -5), x * -5),
            (r.shl(a, 7), x << 7),
            (r.shr(a, 7), x >> 7),
            (r.low(a, 17), x % 2**17),
            (r.low(a, 32), x),
            (r.mul_add(a, b, c), x * y + z),
            (r.xor(a, b), x ^ y),
            (r.cumsum(a), np.cumsum(x)),
        ):
            assert found.dtype == np.uint32 and (found.astype(object) == slow.wrap(np.asarray(expected))).all()
        for m in (1, 3, 8, 17, 24, 25, 26, 28, 29, 32):
            packed = floor.pack_fields(a, m, native=r.native)
            assert packed.tobytes() == floor.pack_fields(a.astype(np.uint64), m).tobytes()
            assert np.array_equal(floor.unpack_fields(packed, m, size, r), r.low(a, m))
            planes = floor.to_planes(a, m, native=r.native)
            assert np.array_equal(floor.from_planes(planes, size, r), r.low(a, m))
        assert np.array_equal(r.to_ints(a), a.astype(np.int32).astype(np.int64))
        assert np.array_equal(RING64.resize(r.resize(a, RING64), RING32), a)
        assert np.array_equal(RING128.resize(r.resize(a, RING128), RING32), a)
    assert r.from_ints([-1, 1 << 40]).tolist() == [2**32 - 1, 0]
    with pytest.raises(ValueError, match="matrix"):
        r.matmul(r.zeros((2, 2)), r.zeros((2, 2)))
    with pytest.raises(TypeError):
        r.add(r.zeros(2), np.zeros(2, np.uint64))


def test_numbers_that_do_not_fit_empty_arrays_are_refused_at_once(native: Kernels) -> None:
    """As many bits as a word wraps at fit none; and 2^61 lines of nothing were gone through one by one."""
    none, places, words = np.zeros(0, np.uint8), np.zeros(0, np.uint32), np.zeros(0, np.uint64)
    for lines in (1 << 61, (1 << 64) - 8):
        assert native.flat_orders(places, lines, places)
        assert native.draw_orders(places, lines, places)
    for count in ((1 << 64) - 1, (1 << 64) - 63, 1 << 61, 1 << 56):
        for call in (
            lambda have=count: native.move_fields(none, have, np.array([9], np.uint32), none, 3, 8, False, *_OUT),
            lambda length=count: native.split_rows(words, length, np.zeros((1, 0), np.uint64)),
            lambda length=count: native.join_rows(np.zeros((1, 0), np.uint64), length, words),
            lambda each=count: native.signed_counts(words, 1, none, each, *[np.zeros(1, np.uint64)] * 3),
            lambda each=count: native.deal_bits(64, each, np.zeros((1, 0), np.uint64), [1], none, none),
        ):
            with pytest.raises(ValueError, match="more elements"):
                call()
    with pytest.raises(ValueError, match="digits of a fraction"):
        native.residues_draw(np.zeros(16, np.uint8), 11, 1 << 31, np.zeros(1, np.uint8))
    with pytest.raises(ValueError, match="a sum for each line"):
        native.signed_counts(np.zeros(1, np.uint64), 8, np.zeros(1, np.uint8), 1, words, words, words)


_OUT = (np.zeros(1, np.uint32), True, False)
