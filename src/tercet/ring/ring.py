"""Integers modulo 2^64, 2^128 or 2^32: the one definition of a ring, and how numbers become words of it.

Arrays of ring words are plain ndarrays of the ring's dtype (uint64, uint32, or the pair {lo, hi} of uint64), so that
they are reshaped, indexed and transposed as such; `arrays` joins them. Every method is pure, wraps around, returns a
C-contiguous array and may be given `out=`, a contiguous array of the result's shape, which may be one of the operands
themselves but must not otherwise overlap them. The fused kernels take arrays of one shape; `add`, `sub` and `mul`
broadcast.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Final

import numpy as np
from numpy.lib.array_utils import normalize_axis_index, normalize_axis_tuple
from numpy.typing import ArrayLike, NDArray

from tercet.errors import InputError
from tercet.ring._native import Kernels
from tercet.ring.arrays import NATIVE, Bytes, Shape

Words = NDArray[Any]
Readable = bytes | bytearray | memoryview | NDArray[Any]

_LOW = (1 << 64) - 1

_UINT64, _UINT8 = np.dtype(np.uint64), np.dtype(np.uint8)
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

    def public(self, values: Sequence[int]) -> Words:
        """Public integers of any size and sign, a flat array not to be written to; of a few it is made only once."""
        if len(values) <= _FEW:
            return _few(self, tuple(values))
        return self.from_ints(np.array([*values, None], dtype=object)[:-1])

    def constant(self, value: int, shape: Shape) -> Words:
        """A public integer of any size and sign, so many times; not to be written to: it is one word in memory."""
        return np.broadcast_to(self.public((value,)), shape)

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
        flat = np.ascontiguousarray(words)
        return (flat if flat.ndim == 1 else flat.reshape(-1)).view(_UINT8)

    def unpack(self, payload: Bytes, shape: tuple[int, ...]) -> Words:
        """The words in bytes from the wire; a view."""
        words = payload.view(self.dtype)
        return words if words.shape == shape else words.reshape(shape)

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
        part = np.uint32 if self.bits == 32 else np.uint64
        both: Words = a.view(part) ^ b.view(part)
        return both.view(self.dtype)

    def neg(self, a: Words, out: Words | None = None) -> Words:
        out = self.empty(a.shape) if out is None else out
        self.native.neg(a, out)
        return out

    def scale(self, a: Words, k: int, out: Words | None = None) -> Words:
        """k * a for a public integer k of any size and sign."""
        out = self.empty(a.shape) if out is None else out
        self.native.scale(a, k & _LOW, (k >> 64) & _LOW, out)
        return out

    def shl(self, a: Words, s: int, out: Words | None = None) -> Words:
        """a * 2^s, 0 <= s < bits."""
        out = self.empty(a.shape) if out is None else out
        self.native.shl(a, s, out)
        return out

    def shr(self, a: Words, s: int, out: Words | None = None) -> Words:
        """Logical shift to the right, 0 <= s < bits."""
        out = self.empty(a.shape) if out is None else out
        self.native.shr(a, s, out)
        return out

    def low(self, a: Words, m: int, out: Words | None = None) -> Words:
        """a mod 2^m, 0 <= m <= bits."""
        out = self.empty(a.shape) if out is None else out
        self.native.low(a, m, out)
        return out

    def add_shl(self, a: Words, b: Words, s: int, out: Words | None = None) -> Words:
        """a + b * 2^s, 0 <= s < bits."""
        out = self.empty(a.shape) if out is None else out
        self.native.add_shl(a, b, s, out)
        return out

    def combine(self, arrays: Sequence[Words], factors: Sequence[int], constant: int = 0) -> Words:
        """constant + the sum of factors times arrays of one shape; the public integers have any size and sign."""
        out = self.empty(arrays[0].shape)
        ks = self.public(factors)
        self.native.combine(list(arrays), ks, constant & _LOW, (constant >> 64) & _LOW, out)
        return out

    # ---- sums of shared bits with public coefficients (protocols page 2.4) ----

    def deal_bits(self, planes: NDArray[np.uint64], count: int, widths: Sequence[int], drawn: Bytes) -> Bytes:
        """D's message: each of the planes' bits less what is drawn, modulo 2^width, as fields, plane by plane."""
        out = np.empty(drawn.shape, np.uint8)
        self.native.deal_bits(self.bits, count, planes, list(widths), drawn, out)
        return out

    def sum_bits(
        self,
        planes: NDArray[np.uint64],
        widths: Sequence[int],
        parts: Bytes,
        constants: Sequence[int],
        factors: Sequence[Sequence[int]],
        mask: Words,
    ) -> tuple[Words, Words]:
        """The message of A or B, and what it keeps of it. `parts` are fields, plane by plane.

        For each sum s, of bits beta + (1 - 2 beta) part: the sum of factors[s] (1 - 2 beta) part less mask[s]; and that
        plus constants[s] plus the sum of factors[s] beta.
        """
        sent, kept = self.empty(mask.shape), self.empty(mask.shape)
        flat = [factor for row in factors for factor in row]
        self.native.sum_bits(planes, list(widths), parts, self.public(constants), self.public(flat), mask, sent, kept)
        return sent, kept

    # ---- fused products, the three roles of protocols page 3.1 ----

    def mul_add(self, a: Words, b: Words, c: Words, out: Words | None = None) -> Words:
        """a * b + c"""
        out = self.empty(a.shape) if out is None else out
        self.native.mul_add(a, b, c, out, 1)
        return out

    def product_a(
        self, x_ad: Words, x_ab: Words, y_ad: Words, y_ab: Words, mask: Words, out: Words | None = None
    ) -> Words:
        """x_ab * (y_ab + y_ad) + x_ad * y_ab + mask"""
        out = self.empty(x_ad.shape) if out is None else out
        self.native.product_a(x_ad, x_ab, y_ad, y_ab, mask, out, 1)
        return out

    def product_b(
        self, x_ab: Words, x_bd: Words, y_ab: Words, y_bd: Words, mask: Words, out: Words | None = None
    ) -> Words:
        """x_ab * y_bd + x_bd * y_ab + mask"""
        out = self.empty(x_ab.shape) if out is None else out
        self.native.product_b(x_ab, x_bd, y_ab, y_bd, mask, out, 1)
        return out

    def product_d(
        self, x_bd: Words, x_ad: Words, y_bd: Words, y_ad: Words, *masks: Words, out: Words | None = None
    ) -> Words:
        """(x_bd + x_ad) * (y_bd + y_ad) - m1 - m2 - m3, of three masks."""
        out = self.empty(x_bd.shape) if out is None else out
        m1, m2, m3 = masks
        self.native.product_d(x_bd, x_ad, y_bd, y_ad, m1, m2, m3, out, 1)
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
        out = self.empty(c.shape) if out is None else out
        self.native.trunc_cross(c, m, nonnegative, a, u, out)
        return out

    def trunc_pair(
        self, c: Words, m: int, own: Words, other: Words, *, nonnegative: bool = False, out: Words | None = None
    ) -> Words:
        """y_ab, at A and B, from the wrap X = own + other (mod 2^m; higher bits are ignored), with c1 and cm as in
        `trunc_cross`: (c1 >> m) + 1 - 2^(bits-2-m) + (X - cm) * 2^(bits-m); the constants 1 - 2^(bits-2-m) fall away
        for nonnegative values.
        """
        out = self.empty(c.shape) if out is None else out
        self.native.trunc_pair(c, m, nonnegative, own, other, out)
        return out

    # ---- sums and products along axes ----

    def sum(self, a: Words, axis: int | tuple[int, ...] | None = None) -> Words:
        """Sum over the axes given, or all."""
        if axis is None:
            total = np.empty((), self.dtype)
            self.native.sum(a.reshape(1, -1, 1), total)
            return total
        axes = sorted(normalize_axis_tuple(axis, a.ndim))
        kept = tuple(i for i in range(a.ndim) if i not in axes)
        out = np.empty(tuple(a.shape[i] for i in kept), self.dtype)
        if not axes:
            out[...] = a
            return out
        first, last = min(axes), max(axes)
        if last - first + 1 != len(axes):  # bring the summed axes together in front
            a, first, last = a.transpose(*axes, *kept), 0, len(axes) - 1
        outer, n = math.prod(a.shape[:first]), math.prod(a.shape[first : last + 1])
        self.native.sum(a.reshape(outer, n, math.prod(a.shape[last + 1 :])), out)
        return out

    def cumsum(self, a: Words, axis: int = 0) -> Words:
        """Prefix sums, the element itself included."""
        at = normalize_axis_index(axis, a.ndim)
        shape = math.prod(a.shape[:at]), a.shape[at], math.prod(a.shape[at + 1 :])
        out = self.empty(a.shape)
        self.native.cumsum(a.reshape(shape), out.reshape(shape))
        return out

    def matmul(self, a: Words, b: Words, threads: int = 1, out: Words | None = None) -> Words:
        """Matrix product of arrays of two axes or more, stacked as by numpy.matmul; transposed and strided operands
        cost no copy. `out` must not overlap an operand.
        """
        a, b = _stacked(a, b)
        out = np.empty((*a.shape[:-1], b.shape[-1]), self.dtype) if out is None else out
        self.native.matmul(a, b, out, threads)
        return out


def _stacked(a: Words, b: Words) -> tuple[Words, Words]:
    """Operands of a matrix product for the kernel: stacks of one shape."""
    if a.ndim == b.ndim == 2:
        return a, b
    if a.ndim < 2 or b.ndim < 2:
        raise ValueError("matmul takes arrays of two axes or more")
    stack = np.broadcast_shapes(a.shape[:-2], b.shape[:-2])
    return np.broadcast_to(a, stack + a.shape[-2:]), np.broadcast_to(b, stack + b.shape[-2:])


class _PlainRing(Ring):
    """Integers that NumPy has a type for: sums and products that broadcast stay with it."""

    def add(self, a: Words, b: Words, out: Words | None = None) -> Words:
        return self._words(np.add(a, b, out))

    def sub(self, a: Words, b: Words, out: Words | None = None) -> Words:
        return self._words(np.subtract(a, b, out))

    def mul(self, a: Words, b: Words, out: Words | None = None) -> Words:
        return self._words(np.multiply(a, b, out))

    def _words(self, result: Words) -> Words:
        """The result of a NumPy operation as ring words; checked after the fact, which costs least on small arrays."""
        if result.dtype is not self.dtype and result.dtype != self.dtype:
            raise TypeError(
                f"words of the ring of {self.bits} bits are {self.dtype}; the result here would be {result.dtype}"
            )
        return result if type(result) is np.ndarray and result.flags.c_contiguous else np.asarray(result, order="C")


class Ring64(_PlainRing):
    """Integers modulo 2^64 as uint64."""

    def __init__(self, native: Kernels = NATIVE) -> None:
        super().__init__(64, _UINT64, native)

    def from_ints(self, values: ArrayLike) -> Words:
        return _low_word(_as_integers(values))

    def to_ints(self, words: Words) -> NDArray[Any]:
        return words.astype(np.int64, order="C")

    def matmul_low16(self, a: Words, b: Words, threads: int = 1) -> Words:
        """As `matmul`, modulo 2^16: what words of the result hold above their 16 low bits means nothing."""
        a, b = _stacked(a, b)
        out = np.empty((*a.shape[:-1], b.shape[-1]), self.dtype)
        self.native.matmul16(a, b, out, threads)
        return out

    def resize(self, words: Words, to_ring: Ring) -> Words:
        if to_ring.bits == self.bits:
            return words
        if to_ring.bits < self.bits:
            return words.astype(to_ring.dtype, order="C")
        out = np.zeros(words.shape, to_ring.dtype)
        out["lo"] = words
        return out


class Ring32(_PlainRing):
    """Integers modulo 2^32 as uint32: residues of few bits, in half the memory. No secret array is of this ring, and
    it has no matrix products."""

    def __init__(self, native: Kernels = NATIVE) -> None:
        super().__init__(32, np.dtype(np.uint32), native)

    def from_ints(self, values: ArrayLike) -> Words:
        return _low_word(_as_integers(values)).astype(np.uint32)

    def to_ints(self, words: Words) -> NDArray[Any]:
        return words.astype(np.int32, order="C").astype(np.int64)

    def resize(self, words: Words, to_ring: Ring) -> Words:
        if to_ring.bits <= 64:
            return words.astype(to_ring.dtype, order="C", copy=False)
        return RING64.resize(words.astype(np.uint64), to_ring)


class Ring128(Ring):
    """Integers modulo 2^128 as pairs {lo, hi} of uint64, little-endian."""

    def __init__(self, native: Kernels = NATIVE) -> None:
        super().__init__(128, U128, native)

    def from_ints(self, values: ArrayLike) -> Words:
        array = _as_integers(values)
        out = np.empty(array.shape, U128)
        out["lo"] = _low_word(array)
        if array.dtype.kind == "O":
            out["hi"] = _low_word(np.asarray(array >> 64, dtype=object))
        elif array.dtype.kind == "i":
            out["hi"] = (array >> (8 * array.dtype.itemsize - 1)).astype(np.uint64)  # the sign, in every bit
        else:
            out["hi"] = 0
        return out

    def to_ints(self, words: Words) -> NDArray[Any]:
        signed = np.empty(words.shape, object)
        narrow = words["lo"].astype(np.int64)
        if np.array_equal(words["hi"].astype(np.int64), narrow >> 63):
            signed[...] = narrow  # all fit 64 bits: twenty times faster
            return signed
        low, high = words["lo"].astype(object), words["hi"].astype(np.int64).astype(object)
        signed[...] = low + high * (1 << 64)
        return signed

    def resize(self, words: Words, to_ring: Ring) -> Words:
        if to_ring.bits == self.bits:
            return words
        low = np.ascontiguousarray(words["lo"]).reshape(words.shape)
        return low if to_ring.bits == 64 else RING64.resize(low, to_ring)

    def add(self, a: Words, b: Words, out: Words | None = None) -> Words:
        a, b, out = _broadcast(a, b, out)
        self.native.add(a, b, out)
        return out

    def sub(self, a: Words, b: Words, out: Words | None = None) -> Words:
        if a.size == 1 and a.ndim <= b.ndim and a.shape != b.shape:
            return self.add(self.neg(b, out), a, out)
        a, b, out = _broadcast(a, b, out)
        self.native.sub(a, b, out)
        return out

    def mul(self, a: Words, b: Words, out: Words | None = None) -> Words:
        a, b, out = _broadcast(a, b, out)
        self.native.mul(a, b, out)
        return out


def _broadcast(a: Words, b: Words, out: Words | None) -> tuple[Words, Words, Words]:
    """Operands of add and mul for the kernel: one shape, or a single word second, which the kernel repeats itself."""
    if a.shape != b.shape:
        if a.size == 1 and a.ndim <= b.ndim:
            a, b = b, a
        if not (b.size == 1 and b.ndim <= a.ndim):
            a, b = np.broadcast_arrays(a, b)
    return a, b, np.empty(a.shape, U128) if out is None else out


RING32: Final[Ring] = Ring32()
RING64: Final[Ring64] = Ring64()
RING128: Final[Ring] = Ring128()


def ring(bits: int, native: Kernels | None = None) -> Ring:
    """The ring of integers modulo 2^bits, on kernels of another level where tests ask for it."""
    if bits not in (RING64.bits, RING128.bits):
        raise ValueError(f"there is no ring of {bits} bits, only of {RING64.bits} and {RING128.bits}")
    if native is None:
        return RING64 if bits == RING64.bits else RING128
    return Ring64(native) if bits == RING64.bits else Ring128(native)


_FEW = 64


@lru_cache(maxsize=1024)
def _few(ring: Ring, values: tuple[int, ...]) -> Words:
    words = ring.from_ints(np.array([*values, None], dtype=object)[:-1])
    words.setflags(write=False)
    return words


# ---- what callers bring, as ring words ----


def _as_integers(values: ArrayLike) -> NDArray[Any]:
    """An array of booleans, of NumPy integers, or of Python ints in an object array; TypeError for other kinds."""
    array = np.asarray(values)
    if array.dtype.kind in "biu":
        return array
    if array.size == 0 and not isinstance(values, np.ndarray):
        return array.astype(np.int64)
    if array.dtype.kind == "f" and not isinstance(values, np.ndarray | np.generic):
        array = np.asarray(values, dtype=object)  # NumPy makes floats of Python ints that share no integer type
    if array.dtype.kind == "O":
        for value in array.flat:
            if not isinstance(value, int | np.integer | np.bool_):
                raise TypeError("ring words are made from integers; encode real numbers first")
        return array
    raise TypeError("ring words are made from integers; encode real numbers first")


def _low_word(array: NDArray[Any]) -> NDArray[np.uint64]:
    """The 64 low bits of each integer, in two's complement."""
    if array.dtype.kind == "O":
        mask = (1 << 64) - 1
        flat = [int(value) & mask for value in array.flat]
        return np.array(flat, dtype=np.uint64).reshape(array.shape)
    return array.astype(np.uint64, order="C")


def encode(values: ArrayLike, frac_bits: int, ring: Ring) -> Words:
    """The words of `values`: real numbers rounded half to even, exactly; integers and booleans exactly.

    Called by owners. InputError, naming the position and never the value, for what is not finite or lies outside the
    ring's signed range.
    """
    array = np.asarray(values)
    if array.dtype.kind == "f" and array.dtype.itemsize <= 8:
        return _encode_floats(array.astype(np.float64, order="C"), frac_bits, ring)
    array = _as_integers(values)
    limit = 1 << max(ring.bits - 1 - frac_bits, 0)
    if array.dtype.kind == "O":
        outside = np.array([not -limit <= int(value) < limit for value in array.flat], np.bool_).reshape(array.shape)
        _refuse(outside, "is outside the range of the ring")
    elif array.dtype.kind != "b" and limit <= np.iinfo(array.dtype).max:
        outside = array >= limit
        if array.dtype.kind == "i":
            outside |= array < -limit
        _refuse(outside, "is outside the range of the ring")
    return ring.shl(ring.from_ints(array), frac_bits)


def _encode_floats(values: NDArray[np.float64], frac_bits: int, ring: Ring) -> Words:
    _refuse(~np.isfinite(values), "is not a finite number")
    with np.errstate(over="ignore"):
        scaled = np.asarray(np.rint(values * 2.0**frac_bits))  # times a power of two is exact, so this rounds once
    limit = 2.0 ** (ring.bits - 1)
    _refuse((scaled >= limit) | (scaled < -limit), "is outside the range of the ring")
    words = np.empty(values.shape, ring.dtype)
    ring.native.from_float(scaled, words)
    return words


def _refuse(bad: NDArray[np.bool_], why: str) -> None:
    if bad.any():
        at = np.unravel_index(int(np.argmax(bad)), bad.shape)
        position = ", ".join(str(int(i)) for i in at)
        raise InputError(f"the value at position ({position}) {why}", hint="correct it, or declare wider bounds")
