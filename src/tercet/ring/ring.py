"""Integers modulo 2^64 or 2^128: the one definition of a ring.

Arrays of ring words are plain ndarrays of the ring's dtype (uint64, or the pair {lo, hi} of uint64), so that they
are reshaped, indexed and transposed as such; `arrays` joins them. Every method is pure, wraps around, returns a
C-contiguous array and may be given `out=`, a contiguous array of the result's shape, which may be one of the operands
themselves but must not otherwise overlap them. The fused kernels take arrays of one shape; `add`, `sub` and `mul`
broadcast.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tercet.ring.arrays import Bytes, Shape
from tercet.ring.native import Kernels

Words = NDArray[Any]
Readable = bytes | bytearray | memoryview | NDArray[Any]

_LOW = (1 << 64) - 1

U128: Final[np.dtype[Any]] = np.dtype([("lo", "<u8"), ("hi", "<u8")])


@dataclass(frozen=True)
class Ring(ABC):
    """Integers modulo 2^bits, with the kernels that work on them; two rings of equal bits are equal."""

    bits: int
    dtype: np.dtype[Any] = field(repr=False, compare=False)
    native: Kernels = field(repr=False, compare=False)

    @property
    def word_bytes(self) -> int:
        return self.bits // 8

    # ---- making and reading ----

    def empty(self, shape: Shape) -> Words:
        """Words of any value, to be filled."""
        return np.empty(shape, self.dtype)

    def zeros(self, shape: Shape) -> Words:
        return np.zeros(shape, self.dtype)

    def constant(self, value: int, shape: Shape) -> Words:
        """A public integer of any size and sign, so many times; not to be written to: it is one word in memory."""
        return np.broadcast_to(self.from_ints(np.asarray(value, dtype=object)), shape)

    def repeated(self, values: Sequence[int], counts: Sequence[int]) -> Words:
        """Each of some public integers as often as the number at its place in `counts` says, in their order."""
        return np.repeat(self.from_ints(np.asarray(values, dtype=object)), counts)

    @abstractmethod
    def from_ints(self, values: ArrayLike) -> Words:
        """Integers or booleans, negative ones in two's complement, modulo 2^bits. TypeError for anything else."""

    @abstractmethod
    def to_ints(self, words: Words) -> NDArray[Any]:
        """Signed values: int64, or Python ints where the ring has 128 bits."""

    def to_float(self, words: Words, frac_bits: int) -> NDArray[np.float64]:
        """Signed value / 2^frac_bits, rounded to the nearest float64."""
        out = np.empty(words.shape)
        self.native.to_float(words, 2.0**-frac_bits, out)
        return out

    def from_bytes(self, buffer: Readable, shape: Shape) -> Words:
        """Words in `buffer`, without a copy."""
        return np.frombuffer(buffer, self.dtype).reshape(shape)

    def as_bytes(self, words: Words) -> memoryview:
        """The bytes of `words`, little-endian, without a copy where they are contiguous."""
        return np.ascontiguousarray(words, self.dtype).reshape(-1).view(np.uint8).data

    def pack(self, words: Words) -> Bytes:
        """The words as bytes on the wire: little-endian, read flat; a view where they are contiguous."""
        return np.ascontiguousarray(words).reshape(-1).view(np.uint8)

    def unpack(self, payload: Bytes, shape: tuple[int, ...]) -> Words:
        """The words in bytes from the wire; a view."""
        return payload.view(self.dtype).reshape(shape)

    @abstractmethod
    def resize(self, words: Words, to_ring: Ring) -> Words:
        """The same words in another ring: high bits dropped, or zeros in front."""

    # ---- elementwise ----

    @abstractmethod
    def add(self, a: Words, b: Words, out: Words | None = None) -> Words: ...

    @abstractmethod
    def sub(self, a: Words, b: Words, out: Words | None = None) -> Words: ...

    @abstractmethod
    def mul(self, a: Words, b: Words, out: Words | None = None) -> Words: ...

    def xor(self, a: Words, b: Words) -> Words:
        """Bit by bit, of contiguous arrays of one shape."""
        return (a.view(np.uint64) ^ b.view(np.uint64)).view(self.dtype)

    def neg(self, a: Words, out: Words | None = None) -> Words:
        if out is None:
            out = self.empty(a.shape)
        self.native.neg(a, out)
        return out

    def scale(self, a: Words, k: int, out: Words | None = None) -> Words:
        """k * a for a public integer k of any size and sign."""
        if out is None:
            out = self.empty(a.shape)
        self.native.scale(a, k & _LOW, (k >> 64) & _LOW, out)
        return out

    def shl(self, a: Words, s: int, out: Words | None = None) -> Words:
        """a * 2^s, 0 <= s < bits."""
        if out is None:
            out = self.empty(a.shape)
        self.native.shl(a, s, out)
        return out

    def shr(self, a: Words, s: int, out: Words | None = None) -> Words:
        """Logical shift to the right, 0 <= s < bits."""
        if out is None:
            out = self.empty(a.shape)
        self.native.shr(a, s, out)
        return out

    def sar(self, a: Words, s: int, out: Words | None = None) -> Words:
        """Arithmetic shift to the right, 0 <= s < bits: the signed value / 2^s, rounded down."""
        if out is None:
            out = self.empty(a.shape)
        self.native.sar(a, s, out)
        return out

    def low(self, a: Words, m: int, out: Words | None = None) -> Words:
        """a mod 2^m, 0 <= m <= bits."""
        if out is None:
            out = self.empty(a.shape)
        self.native.low(a, m, out)
        return out

    def bit(self, a: Words, i: int) -> NDArray[np.uint8]:
        """Bit i of every word."""
        out = np.empty(a.shape, np.uint8)
        self.native.bit(a, i, out)
        return out

    def add_shl(self, a: Words, b: Words, s: int, out: Words | None = None) -> Words:
        """a + b * 2^s, 0 <= s < bits."""
        if out is None:
            out = self.empty(a.shape)
        self.native.add_shl(a, b, s, out)
        return out

    # ---- fused products, the three roles of protocols page 3.1 ----

    def mul_add(self, a: Words, b: Words, c: Words, *, out: Words | None = None, threads: int = 1) -> Words:
        """a * b + c"""
        if out is None:
            out = self.empty(a.shape)
        self.native.mul_add(a, b, c, out, threads)
        return out

    def product_a(
        self,
        x_ad: Words,
        x_ab: Words,
        y_ad: Words,
        y_ab: Words,
        mask: Words,
        *,
        out: Words | None = None,
        threads: int = 1,
    ) -> Words:
        """x_ab * (y_ab + y_ad) + x_ad * y_ab + mask"""
        if out is None:
            out = self.empty(x_ad.shape)
        self.native.product_a(x_ad, x_ab, y_ad, y_ab, mask, out, threads)
        return out

    def product_b(
        self,
        x_ab: Words,
        x_bd: Words,
        y_ab: Words,
        y_bd: Words,
        mask: Words,
        *,
        out: Words | None = None,
        threads: int = 1,
    ) -> Words:
        """x_ab * y_bd + x_bd * y_ab + mask"""
        if out is None:
            out = self.empty(x_ab.shape)
        self.native.product_b(x_ab, x_bd, y_ab, y_bd, mask, out, threads)
        return out

    def product_d(
        self,
        x_bd: Words,
        x_ad: Words,
        y_bd: Words,
        y_ad: Words,
        m1: Words,
        m2: Words,
        m3: Words,
        *,
        out: Words | None = None,
        threads: int = 1,
    ) -> Words:
        """(x_bd + x_ad) * (y_bd + y_ad) - m1 - m2 - m3"""
        if out is None:
            out = self.empty(x_bd.shape)
        self.native.product_d(x_bd, x_ad, y_bd, y_ad, m1, m2, m3, out, threads)
        return out

    # ---- the local pieces of truncation by m bits, 1 <= m <= bits - 3 (protocols page 4.3, 4.4) ----

    def trunc_d(self, r: Words, m: int, y_ad0: Words, a: Words) -> tuple[Words, Words]:
        """D's messages (y_bd0, e), from its half r of the value: with rm = msb(r),
        y_bd0 = (r >> m) - rm * 2^(bits-m) - y_ad0 and e = (rm - a) mod 2^m.
        """
        y_bd0, e = np.empty(r.shape, self.dtype), np.empty(r.shape, self.dtype)
        self.native.trunc_d(r, m, y_ad0, a, y_bd0, e)
        return y_bd0, e

    def trunc_cross(
        self, c: Words, m: int, a: Words, u: Words, *, nonnegative: bool = False, out: Words | None = None
    ) -> Words:
        """The message of A or B about the wrap: cm * a - u mod 2^m, where cm = msb(c1) and
        c1 = c + 2^(bits-2) - 1, or c + 2^m - 1 for values known to be nonnegative.
        """
        if out is None:
            out = self.empty(c.shape)
        self.native.trunc_cross(c, m, nonnegative, a, u, out)
        return out

    def trunc_pair(
        self, c: Words, m: int, own: Words, other: Words, *, nonnegative: bool = False, out: Words | None = None
    ) -> Words:
        """y_ab, at A and B, from the wrap X = own + other (mod 2^m; higher bits are ignored), with c1 and cm as in
        `trunc_cross`: (c1 >> m) + 1 - 2^(bits-2-m) + (X - cm) * 2^(bits-m); the constants 1 - 2^(bits-2-m) fall away
        for nonnegative values.
        """
        if out is None:
            out = self.empty(c.shape)
        self.native.trunc_pair(c, m, nonnegative, own, other, out)
        return out

    # ---- sums and products along axes ----

    def sum(self, a: Words, axis: int | tuple[int, ...] | None = None) -> Words:
        """Sum over the axes given, or all."""
        if axis is None:
            total = np.empty((), self.dtype)
            self.native.sum(a.reshape(1, -1, 1), total)
            return total
        axes = _normal_axes(a, axis)
        kept = tuple(i for i in range(a.ndim) if i not in axes)
        shape = tuple(a.shape[i] for i in kept)
        out = np.empty(shape, self.dtype)
        if not axes:
            out[...] = a
            return out
        first, last = min(axes), max(axes)
        if last - first + 1 != len(axes):  # bring the summed axes together in front
            a, first, last = a.transpose(*axes, *kept), 0, len(axes) - 1
        outer, n = _size(a.shape[:first]), _size(a.shape[first : last + 1])
        self.native.sum(a.reshape(outer, n, _size(a.shape[last + 1 :])), out)
        return out

    def cumsum(self, a: Words, axis: int = 0) -> Words:
        """Prefix sums, the element itself included."""
        (at,) = _normal_axes(a, axis)
        shape = _size(a.shape[:at]), a.shape[at], _size(a.shape[at + 1 :])
        out = self.empty(a.shape)
        self.native.cumsum(a.reshape(shape), out.reshape(shape))
        return out

    def segment_sum(self, a: Words, starts: ArrayLike) -> Words:
        """Sums of the rows (axis 0) starts[i] to starts[i+1] - 1, the last segment to the end; `starts` never falls,
        and an empty segment sums to 0.
        """
        at = np.ascontiguousarray(starts, dtype=np.int64)
        out = np.empty((at.size, *a.shape[1:]), self.dtype)
        inner = _size(a.shape[1:])
        self.native.segment_sum(a.reshape(a.shape[0], inner), at, out.reshape(at.size, inner))
        return out

    def matmul(self, a: Words, b: Words, threads: int = 1, out: Words | None = None) -> Words:
        """Matrix product of arrays of two axes or more, stacked as by numpy.matmul; transposed and strided operands
        cost no copy. `out` must not overlap an operand.
        """
        if a.ndim != 2 or b.ndim != 2:
            if a.ndim < 2 or b.ndim < 2:
                raise ValueError("matmul takes arrays of two axes or more")
            stack = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
            a, b = np.broadcast_to(a, stack + a.shape[-2:]), np.broadcast_to(b, stack + b.shape[-2:])
        if out is None:
            out = np.empty((*a.shape[:-1], b.shape[-1]), self.dtype)
        self.native.matmul(a, b, out, threads)
        return out


def _size(shape: tuple[int, ...]) -> int:
    product = 1
    for extent in shape:
        product *= extent
    return product


def _normal_axes(a: Words, axis: int | tuple[int, ...] | None) -> tuple[int, ...]:
    if axis is None:
        return tuple(range(a.ndim))
    given = (axis,) if isinstance(axis, int) else tuple(axis)
    for at in given:
        if not -a.ndim <= at < a.ndim:
            raise ValueError(f"axis {at} of an array of {a.ndim} axes")
    axes = tuple(sorted(at % a.ndim for at in given))
    if len(set(axes)) != len(axes):
        raise ValueError("an axis is given twice")
    return axes
