"""The twin of every native kernel: its meaning in a few lines of NumPy and Python integers, the oracle of the tests.

Words are object arrays of Python integers in [0, 2^bits); planes and tables are uint64 arrays as the kernels take them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tercet.ring.arrays import Bits, Flags

Ints = NDArray[Any]


@dataclass(frozen=True)
class Twin:
    """Integers modulo 2^bits, slowly."""

    bits: int

    def wrap(self, values: Ints) -> Ints:
        return np.asarray(values % (1 << self.bits), object)

    def signed(self, a: Ints) -> Ints:
        return np.asarray(a - (a >> (self.bits - 1)) * (1 << self.bits), object)

    def to_float(self, a: Ints, frac_bits: int) -> NDArray[np.float64]:
        return np.array([int(v) / (1 << frac_bits) for v in self.signed(a).flat], np.float64).reshape(a.shape)

    def product_a(self, x_ad: Ints, x_ab: Ints, y_ad: Ints, y_ab: Ints, mask: Ints) -> Ints:
        return self.wrap(x_ab * y_ab + x_ab * y_ad + x_ad * y_ab + mask)

    def product_b(self, x_ab: Ints, x_bd: Ints, y_ab: Ints, y_bd: Ints, mask: Ints) -> Ints:
        return self.wrap(x_ab * y_bd + x_bd * y_ab + mask)

    def product_d(self, x_bd: Ints, x_ad: Ints, y_bd: Ints, y_ad: Ints, m1: Ints, m2: Ints, m3: Ints) -> Ints:
        return self.wrap(x_bd * y_bd + x_bd * y_ad + x_ad * y_bd + x_ad * y_ad - m1 - m2 - m3)

    def trunc_d(self, r: Ints, m: int, y_ad0: Ints, a: Ints) -> tuple[Ints, Ints]:
        msb = r >> (self.bits - 1)
        return self.wrap((r >> m) - msb * 2 ** (self.bits - m) - y_ad0), (msb - a) % 2**m

    def _lifted(self, c: Ints, m: int, nonnegative: bool) -> tuple[Ints, Ints]:
        c1 = self.wrap(c + 2 ** (m if nonnegative else self.bits - 2) - 1)
        return c1, c1 >> (self.bits - 1)

    def trunc_cross(self, c: Ints, m: int, a: Ints, u: Ints, nonnegative: bool) -> Ints:
        _, msb = self._lifted(c, m, nonnegative)
        return np.asarray((msb * a - u) % 2**m, object)

    def trunc_pair(self, c: Ints, m: int, own: Ints, other: Ints, nonnegative: bool) -> Ints:
        c1, msb = self._lifted(c, m, nonnegative)
        constant = 0 if nonnegative else 1 - 2 ** (self.bits - 2 - m)
        return self.wrap((c1 >> m) + constant + (own + other - msb) * 2 ** (self.bits - m))

    def matmul(self, a: Ints, b: Ints) -> Ints:
        return self.wrap(np.matmul(a, b))


def pack_bits(bits: NDArray[Any]) -> Bits:
    padded = np.zeros((bits.size + 63) // 64 * 64, np.uint8)
    padded[: bits.size] = bits.reshape(-1)
    return np.packbits(padded, bitorder="little").view(np.uint64)


def unpack_bits(words: Bits, n: int) -> Flags:
    return np.unpackbits(words.view(np.uint8), bitorder="little")[:n].astype(np.bool_)


def to_planes(a: Ints, bits: int) -> Bits:
    planes = [pack_bits((a.reshape(-1) >> j & 1).astype(np.uint8)) for j in range(bits)]
    return np.array(planes, np.uint64).reshape(bits, (a.size + 63) // 64)


def from_planes(planes: Bits, n: int) -> Ints:
    total = np.zeros(n, object)
    for j, plane in enumerate(planes):
        total = total + unpack_bits(plane, n).astype(np.uint8).astype(object) * 2**j
    return total


def pack_fields(a: Ints, m: int) -> bytes:
    whole: int = sum(int(v) % 2**m << i * m for i, v in enumerate(a.flat))
    return whole.to_bytes((a.size * m + 7) // 8, "little")


def unpack_fields(buffer: bytes, m: int, n: int) -> Ints:
    whole = int.from_bytes(buffer, "little")
    return np.array([whole >> i * m & (2**m - 1) for i in range(n)], object)


def leaf_deal(r_planes: Bits, own: Bits) -> Bits:
    k, width = r_planes.shape[1:]
    out = own.copy()
    for group, planes in enumerate(r_planes):
        for column, r in enumerate(from_planes(planes, 64 * width)):
            j = 2**k - 1 - r
            if j < 2**k - 1:
                out[group, j, column // 64] ^= np.uint64(1 << column % 64)
    return out


def leaf_eval(c_planes: Bits, share: Bits, last_ones: bool) -> tuple[Bits, Bits]:
    width = c_planes.shape[2]
    p, g = [], []
    for planes, table in zip(c_planes, share, strict=True):
        last = np.bitwise_xor.reduce(table, axis=0) ^ np.uint64(2**64 - 1 if last_ones else 0)
        full = np.array([unpack_bits(row, 64 * width) for row in (*table, last)])
        columns = list(enumerate(from_planes(planes, 64 * width)))
        p.append(pack_bits(np.array([full[c, i] for i, c in columns], np.bool_)))
        g.append(pack_bits(np.array([np.bitwise_xor.reduce(full[:c, i]) for i, c in columns], np.bool_)))
    shape = len(c_planes), width
    return np.array(p, np.uint64).reshape(shape), np.array(g, np.uint64).reshape(shape)


def table_product(high: tuple[Bits, Bits], low: tuple[Bits, Bits], table: Bits) -> Bits:
    out = np.zeros((table.shape[0], high[0].shape[1]), np.uint64)
    for row, bits in zip(out, table, strict=True):
        for at in np.flatnonzero(unpack_bits(bits, high[0].shape[0] * low[0].shape[0])):
            i, j = divmod(int(at), low[0].shape[0])
            row ^= (high[0][i] & (low[0][j] ^ low[1][j])) ^ (high[1][i] & low[0][j])
    return out


def split_rows(words: Bits, rows: int, length: int) -> Bits:
    bits = unpack_bits(words, rows * length).reshape(rows, length)
    return np.array([pack_bits(row) for row in bits], np.uint64).reshape(rows, (length + 63) // 64)


def join_rows(planes: Bits, length: int) -> Bits:
    rows = planes.reshape(-1, planes.shape[-1])
    return pack_bits(np.array([unpack_bits(row, length) for row in rows], np.bool_))


def signed_counts(plane: Bits, m: int, parts: bytes, count: int, starts: list[int]) -> tuple[list[int], list[int]]:
    bits, fields = unpack_bits(plane, count).astype(int).astype(object), unpack_fields(parts, m, count)
    ends = [*starts[1:], count]
    terms = [
        sum((1 - 2 * b) * f for b, f in zip(bits[a:e], fields[a:e], strict=True)) % 2**64
        for a, e in zip(starts, ends, strict=True)
    ]
    return [int(term) for term in terms], [int(bits[a:e].sum()) for a, e in zip(starts, ends, strict=True)]
