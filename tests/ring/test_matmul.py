"""Matrix products against their twin, on every level of kernels."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from ring.draws import int_arrays, quick
from ring.twin import Twin
from tercet.ring import RING64, Kernels, Ring
from tercet.ring.ring import Ring64

SIDES = st.sampled_from([1, 2, 3, 5, 6, 7, 13])


def check(r: Ring, a: NDArray[Any], b: NDArray[Any], x: NDArray[Any], y: NDArray[Any], threads: int = 1) -> None:
    z = r.matmul(a, b, threads)
    assert z.dtype == r.dtype
    assert z.flags.c_contiguous
    assert (z == r.from_ints(Twin(r.bits).matmul(x, y))).all()


@quick
@given(data=st.data(), rows=SIDES, depth=SIDES, cols=SIDES)
def test_small(any_ring: Ring, data: st.DataObject, rows: int, depth: int, cols: int) -> None:
    (x,) = data.draw(int_arrays(any_ring.bits, 1, size=rows * depth))
    (y,) = data.draw(int_arrays(any_ring.bits, 1, size=depth * cols))
    x, y = x.reshape(rows, depth), y.reshape(depth, cols)
    check(any_ring, any_ring.from_ints(x), any_ring.from_ints(y), x, y)


@pytest.mark.parametrize(
    "shape",
    [
        (6, 300, 32),
        (7, 5, 33),
        (1, 40, 70),
        (70, 40, 1),
        (25, 260, 17),
        (9, 700, 9),
        (130, 9, 21),
        (5, 0, 4),
        (0, 3, 3),
    ],
)
@pytest.mark.parametrize("threads", [1, 2])
def test_blocks_and_edges(any_ring: Ring, shape: tuple[int, int, int], threads: int) -> None:
    r, rng = any_ring, np.random.default_rng(sum(shape))
    rows, depth, cols = shape
    a = r.from_bytes(rng.bytes(rows * depth * r.word_bytes), (rows, depth))
    b = r.from_bytes(rng.bytes(cols * depth * r.word_bytes), (depth, cols))
    x, y = (Twin(r.bits).wrap(r.to_ints(w).astype(object)) for w in (a, b))
    check(r, a, b, x, y, threads)
    check(r, b.T, a.T, y.T, x.T, threads)
    check(r, np.asfortranarray(a), np.asfortranarray(b), x, y, threads)
    check(r, a[::-1, ::2], b[::2, ::-1], x[::-1, ::2], y[::2, ::-1], threads)


def test_largest_words_do_not_overflow_sums(any_ring: Ring) -> None:
    """All ones, -1 * -1 summed 3000 times: limb sums at their largest."""
    a = any_ring.from_ints(np.full((5, 3000), -1))
    assert (any_ring.matmul(a, a.T) == any_ring.from_ints(3000)).all()


@pytest.mark.parametrize("depth", [191, 192, 193, 257, 513, 1025])
def test_extreme_words_at_the_edges_of_blocks(any_ring: Ring, depth: int) -> None:
    """Limbs of all ones and of nothing, tiles that are not full: carries at their most and their least."""
    r, rng = any_ring, np.random.default_rng(depth)
    ones = 2**32 - 1
    limbs = [0, 1, 2**31, ones - 1, ones]
    for choice in ([ones], [0, ones], limbs):
        x, y = (
            sum(rng.choice(np.array(choice, object), shape) << (32 * i) for i in range(r.bits // 32))
            for shape in ((7, depth), (depth, 5))
        )
        a, b = r.from_ints(x), r.from_ints(y)
        check(r, a, b, x, y)
        check(r, b.T, a.T, y.T, x.T)
    for low in (2**64 - 1, 2**64 - 2**32, 2**32 - 1, 2**33 - 1, 2**63):
        x, y = np.full((3, depth), low, object), np.full((depth, 9), low, object)
        check(r, r.from_ints(x), r.from_ints(y), x, y)


def test_threads_agree(any_ring: Ring) -> None:
    r, rng = any_ring, np.random.default_rng(3)
    for rows, depth, cols in ((90, 70, 80), (4, 30_000, 5), (3, 50, 3000)):
        a = r.from_bytes(rng.bytes(rows * depth * r.word_bytes), (rows, depth))
        b = r.from_bytes(rng.bytes(cols * depth * r.word_bytes), (depth, cols))
        one = r.matmul(a, b)
        assert (r.matmul(a, b, threads=3) == one).all()
        probe = r.sum(r.mul(a, np.broadcast_to(b[:, 1], a.shape)), 1)
        assert (one[:, 1] == probe).all()


def test_stacks(any_ring: Ring) -> None:
    r, rng = any_ring, np.random.default_rng(4)
    x = rng.integers(-(2**62), 2**62, (3, 1, 5, 7)).astype(object)
    y = rng.integers(-(2**62), 2**62, (2, 7, 4)).astype(object)
    a, b = r.from_ints(x), r.from_ints(y)
    for threads in (1, 2, 8):
        check(r, a, b, x, y, threads)
        check(r, a, b[0], x, y[0], threads)
        check(r, a[0, 0], b, x[0, 0], y, threads)
        check(r, a[:0], b, x[:0], y, threads)


def test_misuse() -> None:
    a = RING64.zeros((2, 3))
    for wrong in (RING64.zeros((2, 3)), RING64.zeros(3), RING64.zeros((4, 2, 3))):
        with pytest.raises(ValueError):
            RING64.matmul(a, wrong)


@pytest.mark.parametrize("turned", [False, True])
@pytest.mark.parametrize("shape", [(450, 449, 451), (448, 700, 1201), (899, 901, 97)])
def test_large_products_are_those_of_their_slices(any_ring: Ring, shape: tuple[int, int, int], turned: bool) -> None:
    """Several blocks in every direction, and tiles that are not full, against products of one block of the depth."""
    rows, depth, columns = shape if any_ring.bits == 64 else tuple(side // 2 for side in shape)
    rng = np.random.default_rng(3)

    def drawn(*sides: int) -> np.ndarray:
        return any_ring.from_bytes(rng.bytes(sides[0] * sides[1] * any_ring.word_bytes), sides)

    a = drawn(depth, rows).T if turned else drawn(rows, depth)
    b = drawn(columns, depth).T if turned else drawn(depth, columns)
    expected = any_ring.zeros((rows, columns))
    for start in range(0, depth, 100):
        any_ring.add(expected, any_ring.matmul(a[:, start : start + 100], b[start : start + 100]), out=expected)
    assert (any_ring.matmul(a, b) == expected).all()
    assert (any_ring.matmul(a, b, threads=2) == expected).all()


@pytest.mark.parametrize(
    "shape", [(1, 1, 1), (3, 2, 2), (12, 33, 32), (13, 2049, 33), (31, 4100, 300), (300, 77, 31), (2, 0, 2)]
)
@pytest.mark.parametrize("threads", [1, 2])
def test_modulo_two_to_the_sixteen(native: Kernels, shape: tuple[int, int, int], threads: int) -> None:
    """Of words anywhere and at the ends of 16 bits, in any order in memory."""
    r, rng = Ring64(native), np.random.default_rng(sum(shape))
    rows, depth, cols = shape
    for words in ([0, 1, 0x7FFF, 0x8000, 0xFFFF], None):
        a, b = (
            rng.integers(0, 1 << 64, size, np.uint64) if words is None else rng.choice(np.array(words, np.uint64), size)
            for size in ((rows, depth), (depth, cols))
        )
        want = (a @ b) & np.uint64(0xFFFF)
        cases = [(a, b), (np.asfortranarray(a), np.asfortranarray(b)), (a[::-1], b[:, ::-1])]
        for left, right in cases:
            found = r.matmul_low16(left, right, threads) & np.uint64(0xFFFF)
            expected = want if left is not cases[2][0] else want[::-1, ::-1]
            assert found.flags.c_contiguous and (found == expected).all()
    stack = rng.integers(0, 1 << 64, (2, 1, 5, 9), np.uint64), rng.integers(0, 1 << 64, (3, 9, 4), np.uint64)
    assert (r.matmul_low16(*stack) & np.uint64(0xFFFF) == np.matmul(*stack) & np.uint64(0xFFFF)).all()
