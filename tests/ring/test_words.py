"""Rings against their twin, on every level of kernels."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from ring.draws import edges, int_arrays, quick
from ring.twin import Twin
from tercet.ring import RING64, RING128, U128, Kernels, Ring, ring


def unsigned(r: Ring, words: NDArray[Any]) -> NDArray[Any]:
    assert words.dtype == r.dtype
    assert words.flags.c_contiguous
    return Twin(r.bits).wrap(r.to_ints(words).astype(object))


def same(r: Ring, words: NDArray[Any], expected: NDArray[Any]) -> None:
    assert np.asarray(unsigned(r, words)).tolist() == np.asarray(expected).tolist()


@quick
@given(data=st.data())
def test_elementwise(any_ring: Ring, data: st.DataObject) -> None:
    r, twin = any_ring, Twin(any_ring.bits)
    x, y, z = data.draw(int_arrays(r.bits, 3))
    a, b, c = map(r.from_ints, (x, y, z))
    same(r, a, x)
    same(r, r.add(a, b), twin.wrap(x + y))
    same(r, r.sub(a, b), twin.wrap(x - y))
    same(r, r.mul(a, b), twin.wrap(x * y))
    same(r, r.neg(a), twin.wrap(-x))
    same(r, r.mul_add(a, b, c), twin.wrap(x * y + z))
    k = data.draw(st.integers(-(2**130), 2**130))
    same(r, r.scale(a, k), twin.wrap(x * k))
    s = data.draw(st.integers(0, r.bits - 1))
    same(r, r.shl(a, s), twin.wrap(x << s))
    same(r, r.shr(a, s), x >> s)
    same(r, r.add_shl(a, b, s), twin.wrap(x + (y << s)))
    same(r, r.low(a, s), x % 2**s)
    same(r, r.low(a, r.bits), x)
    assert r.to_float(a, s).tolist() == twin.to_float(x, s).tolist()


@quick
@given(data=st.data())
def test_fused_products(any_ring: Ring, data: st.DataObject) -> None:
    r, twin = any_ring, Twin(any_ring.bits)
    v = data.draw(int_arrays(r.bits, 7))
    w = [r.from_ints(x) for x in v]
    same(r, r.product_a(*w[:5]), twin.product_a(*v[:5]))
    same(r, r.product_b(*w[:5]), twin.product_b(*v[:5]))
    same(r, r.product_d(*w), twin.product_d(*v))
    out = w[4].copy()
    r.product_a(w[0], w[1], w[2], w[3], out, out=out)  # in place
    same(r, out, twin.product_a(*v[:5]))


def test_the_three_parts_make_a_product(any_ring: Ring) -> None:
    r, rng = any_ring, np.random.default_rng(1)

    def draw() -> NDArray[Any]:
        return r.from_bytes(rng.bytes(70_000 * r.word_bytes), (70_000,))

    x_ab, x_ad, x_bd, y_ab, y_ad, y_bd, m_a, m_b, zero = *(draw() for _ in range(8)), r.zeros(70_000)
    c = r.add(r.product_a(x_ad, x_ab, y_ad, y_ab, m_a), r.product_b(x_ab, x_bd, y_ab, y_bd, m_b))
    z = r.add(c, r.product_d(x_bd, x_ad, y_bd, y_ad, m_a, m_b, zero))
    x, y = r.add(r.add(x_ab, x_ad), x_bd), r.add(r.add(y_ab, y_ad), y_bd)
    assert (z == r.mul(x, y)).all()


@quick
@given(data=st.data(), nonnegative=st.booleans())
def test_truncation_pieces(any_ring: Ring, data: st.DataObject, nonnegative: bool) -> None:
    r, twin = any_ring, Twin(any_ring.bits)
    m = data.draw(st.integers(1, r.bits - 3))
    x, y, z = data.draw(int_arrays(r.bits, 3))
    a, b, c = map(r.from_ints, (x, y, z))
    for words, expected in zip(r.trunc_d(a, m, b, c), twin.trunc_d(x, m, y, z), strict=True):
        same(r, words, expected)
    same(r, r.trunc_cross(a, m, b, c, nonnegative=nonnegative), twin.trunc_cross(x, m, y, z, nonnegative))
    same(r, r.trunc_pair(a, m, b, c, nonnegative=nonnegative), twin.trunc_pair(x, m, y, z, nonnegative))


@quick
@given(data=st.data(), nonnegative=st.booleans())
def test_the_pieces_make_a_truncation(any_ring: Ring, data: st.DataObject, nonnegative: bool) -> None:
    """FMT-2 of the protocols page: off by less than one last bit, over the whole range."""
    r, w = any_ring, any_ring.bits
    m = data.draw(st.integers(1, w - 3))
    (z, c, y_ad0, a, u_a, u_b) = data.draw(int_arrays(w, 6))
    z = z % (2 ** (w - 1) - 2**m) if nonnegative else z % (2 ** (w - 1) - 1) - 2 ** (w - 2) + 1
    ring_c, ring_r = r.from_ints(c), r.from_ints(z - c)
    y_ad0, a, u_a, u_b = map(r.from_ints, (y_ad0, a, u_a, u_b))
    y_bd0, e = r.trunc_d(ring_r, m, y_ad0, a)
    v1 = r.trunc_cross(ring_c, m, a, u_a, nonnegative=nonnegative)
    v0 = r.trunc_cross(ring_c, m, e, u_b, nonnegative=nonnegative)
    y = r.trunc_pair(ring_c, m, v1, v0, nonnegative=nonnegative)
    y = r.add(r.add(y, r.add_shl(y_ad0, u_a, w - m)), r.add_shl(y_bd0, u_b, w - m))
    error = r.to_ints(y).astype(object) * 2**m - z
    assert all(abs(int(off)) < 2**m for off in error)


@quick
@given(data=st.data(), outer=st.integers(0, 3), n=st.integers(0, 40), inner=st.integers(0, 5))
def test_sums(any_ring: Ring, data: st.DataObject, outer: int, n: int, inner: int) -> None:
    r, twin = any_ring, Twin(any_ring.bits)
    (x,) = data.draw(int_arrays(r.bits, 1, size=outer * n * inner))
    x = x.reshape(outer, n, inner)
    a = r.from_ints(x)
    for axis in (0, 1, 2, -1, (0, 1), (0, 2), (2, 1), (0, 1, 2), None, ()):
        expected = twin.wrap(np.sum(x, axis=axis, initial=0)) if axis != () else x
        same(r, r.sum(a, axis).reshape(np.shape(expected)), np.asarray(expected, object))
        assert r.sum(a, axis).shape == np.shape(expected)
    for at in (0, 1, 2, -2):
        same(r, r.cumsum(a, at), twin.wrap(np.cumsum(x, axis=at)) if x.size else x)
    same(r, r.sum(a.transpose(2, 0, 1), 1), twin.wrap(np.sum(x.transpose(2, 0, 1), axis=1, initial=0)))


def test_broadcasting_and_order(any_ring: Ring) -> None:
    r, twin = any_ring, Twin(any_ring.bits)
    x = np.random.default_rng(6).choice(np.array(edges(r.bits), object), (5, 300))
    a = r.from_ints(x)
    seven = r.from_ints(7)
    others = [(a, x), (a[:1], x[:1]), (a[:, :1], x[:, :1]), (seven, 7), (a[2], x[2]), (a[:1, :1], x[:1, :1])]
    for b, y in others:
        same(r, r.add(a, b), twin.wrap(x + y))
        same(r, r.add(b, a), twin.wrap(x + y))
        same(r, r.sub(a, b), twin.wrap(x - y))
        same(r, r.sub(b, a), twin.wrap(y - x))
        same(r, r.mul(a, b), twin.wrap(x * y))
        same(r, r.mul(b, a), twin.wrap(x * y))
    same(r, r.add(a.T, a.T), twin.wrap(x.T + x.T))
    same(r, r.neg(a.T), twin.wrap(-x.T))
    same(r, r.shr(a[:, ::-3], 3), x[:, ::-3] >> 3)
    same(r, r.mul_add(a.T, a.T, a.T), twin.wrap(x.T * x.T + x.T))
    grown = r.add(a[:1, :1], r.from_ints([[[5]]]))
    assert grown.shape == (1, 1, 1)


def test_out(any_ring: Ring) -> None:
    r = any_ring
    a, b = r.from_ints(np.arange(100)), r.from_ints(np.arange(100) - 50)
    for call in (r.add, r.sub, r.mul):
        room = r.zeros(100)
        assert call(a, b, out=room) is room
        assert (room == call(a, b)).all()
        in_place = a.copy()
        assert (call(in_place, b, out=in_place) == room).all()
    with pytest.raises(ValueError):
        r.mul_add(a, b, a, out=r.zeros(200)[::2])
    with pytest.raises(ValueError):
        r.mul_add(a, b, a, out=r.zeros(99))
    with pytest.raises(ValueError):
        r.mul_add(a, b[:50], a)


def test_unaligned_operands_are_copied(any_ring: Ring) -> None:
    r = any_ring
    a = r.from_bytes(memoryview(bytes(range(1, 1 + 10 * r.word_bytes + 3)))[3:], (10,))
    same(r, r.mul_add(a, a, a), Twin(r.bits).wrap(unsigned(r, a) ** 2 + unsigned(r, a)))
    same(
        r,
        r.matmul(a.reshape(2, 5), a.reshape(5, 2)),
        Twin(r.bits).matmul(*(unsigned(r, a).reshape(s) for s in ((2, 5), (5, 2)))),
    )


def test_other_types_are_refused(any_ring: Ring) -> None:
    r, other = any_ring, ring(192 - any_ring.bits, any_ring.native)
    a, out = r.zeros((4, 4)), r.zeros((4, 4))
    for wrong in (other.zeros((4, 4)), np.zeros((4, 4)), np.zeros((4, 4), complex), [[0] * 4] * 4):
        with pytest.raises((TypeError, ValueError)):
            r.mul_add(a, wrong, a, out=out)  # type: ignore[arg-type]
        with pytest.raises((TypeError, ValueError, AttributeError)):
            r.matmul(a, wrong)  # type: ignore[arg-type]
    for call in (r.shl, r.shr):
        for s in (-1, r.bits):
            with pytest.raises(ValueError):
                call(a, s)
    with pytest.raises(ValueError):
        r.trunc_d(a, r.bits - 2, a, a)
    with pytest.raises(ValueError):
        r.sum(a, (0, 0))


def test_from_ints() -> None:
    for r in (RING64, RING128):
        twin = Twin(r.bits)
        values = [*edges(r.bits), -1, -(2 ** (r.bits - 1)), 2**200 + 5]
        same(r, r.from_ints(values), twin.wrap(np.array(values, object)))
        same(r, r.from_ints([2**63, -1]), twin.wrap(np.array([2**63, -1], object)))
        for dtype in (np.bool_, np.int8, np.uint8, np.int32, np.uint32, np.int64, np.uint64):
            array = np.array([[0, 1], [1, -1]]).astype(dtype)
            same(r, r.from_ints(array), twin.wrap(array.astype(object) * 1))
        assert r.from_ints([]).shape == (0,)
        assert r.from_ints(-3).shape == ()
        assert r.to_ints(r.from_ints(-3)).item() == -3
        for wrong in (1.5, [1.0], np.array([1.0]), ["1"], [None]):
            with pytest.raises(TypeError):
                r.from_ints(wrong)  # type: ignore[arg-type]


def test_bytes_and_resize(native: Kernels) -> None:
    narrow, broad = ring(64, native), ring(128, native)
    for r in (narrow, broad):
        words = r.from_ints(np.arange(-6, 6).reshape(3, 4))
        raw = r.as_bytes(words)
        assert raw.nbytes == 12 * r.word_bytes
        assert np.shares_memory(np.frombuffer(raw, np.uint8), words)
        assert (r.from_bytes(raw, (3, 4)) == words).all()
        assert bytes(r.as_bytes(r.from_ints(-2))) == b"\xfe" + b"\xff" * (r.word_bytes - 1)
        assert r.as_bytes(r.zeros((0, 2))).nbytes == 0
    words = broad.from_ints([[-1], [2**64 + 7]])
    same(narrow, broad.resize(words, narrow), np.array([[2**64 - 1], [7]], object))
    same(broad, narrow.resize(narrow.from_ints([[-1], [7]]), broad), np.array([[2**64 - 1], [7]], object))
    assert broad.resize(words, RING128) is words


def test_the_rings_themselves() -> None:
    assert ring(64) is RING64
    assert ring(128) is RING128
    assert RING64 == ring(64, RING64.native) != RING128
    assert len({RING64, ring(64, RING64.native)}) == 1
    assert (RING64.word_bytes, RING128.word_bytes) == (8, 16)
    assert RING64.dtype == np.uint64
    assert RING128.dtype == U128
    assert repr(RING128) == "Ring128(bits=128)"
    with pytest.raises(ValueError):
        ring(32)
    with pytest.raises(AttributeError):
        RING64.bits = 3  # type: ignore[misc]


def test_large_arrays(any_ring: Ring) -> None:
    r, rng = any_ring, np.random.default_rng(2)
    n = (1 << 17) + 5
    a, b, c = (r.from_bytes(rng.bytes(n * r.word_bytes), (n,)) for _ in range(3))
    assert (r.mul_add(a, b, c) == r.add(r.mul(a, b), c)).all()
    total = r.sum(a)
    assert math.prod(total.shape) == 1
    assert (r.cumsum(a)[-1] == total).all()


def test_a_few_public_integers_are_made_once_for_a_ring_and_never_change(any_ring: Ring) -> None:
    r, values = any_ring, [3, -1, 2**127, 0, -(2**70)]
    same(r, r.public(values), Twin(r.bits).wrap(np.array(values, object)))
    assert r.public(values) is r.public(tuple(values))
    with pytest.raises(ValueError, match="read-only"):
        r.public(values)[:1] = r.zeros(1)
    assert ring(64).public([1]).dtype != ring(128).public([1]).dtype
    many = [*range(-50, 50)]
    same(r, r.public(many), Twin(r.bits).wrap(np.array(many, object)))
    assert r.public(many) is not r.public(many)
    assert r.public([]).shape == (0,)
