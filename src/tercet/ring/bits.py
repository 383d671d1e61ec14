"""Packed bits, bit planes, tight fields, and the first level of the table comparison.

Bit i of an array lies in bit i mod 64 of word i // 64; what the last word holds beyond the end is 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tercet.ring._native import Kernels
from tercet.ring.arrays import NATIVE, Bits, Bytes, Flags
from tercet.ring.ring import Readable, Ring, Words


def pack_bits(bits: NDArray[Any], *, native: Kernels = NATIVE) -> Bits:
    """Packs booleans, or bytes of 0 and 1, read flat."""
    out = np.empty((bits.size + 63) // 64, np.uint64)
    native.pack_bits(bits, out)
    return out


def unpack_bits(words: Bits, n: int, *, native: Kernels = NATIVE) -> Flags:
    """The first n bits, in ceil(n / 64) words, as booleans."""
    out = np.empty(n, np.bool_)
    native.unpack_bits(words, out)
    return out


def cut_bits(words: Bits, start: int, count: int) -> Bits:
    """`count` bits from bit `start` on, beginning a word; what its last word holds beyond them is 0."""
    first, shift = divmod(start, 64)
    size = (count + 63) // 64
    out = words[first : first + size] >> np.uint64(shift)
    if out.size < size:  # a run that ends in its first word's own bits
        out = np.concatenate([out, np.zeros(size - out.size, np.uint64)])
    if shift:
        following = words[first + 1 : first + 1 + size]
        out[: following.size] |= following << np.uint64(64 - shift)
    if count % 64:
        out[-1] &= np.uint64((1 << count % 64) - 1)
    return out


def put_bits(out: Bits, at: int, words: Bits, count: int) -> None:
    """Write `count` bits, as `cut_bits` gives them, into bits of `out` from `at` on, which are 0 so far."""
    first, shift = divmod(at, 64)
    size = (count + 63) // 64
    out[first : first + size] |= words[:size] << np.uint64(shift)
    if shift:
        following = out[first + 1 : first + 1 + size]
        following |= words[: following.size] >> np.uint64(64 - shift)


def split_rows(words: Bits, rows: int, length: int, *, native: Kernels = NATIVE) -> Bits:
    """Rows of `length` bits that stand one behind the other, each in words of its own: (rows, ceil(length / 64))."""
    if length % 64 == 0 or rows == 1:
        return words.reshape(rows, -1) if length else np.empty((rows, 0), np.uint64)
    out = np.empty((rows, word_count(length)), np.uint64)
    native.split_rows(words, length, out)
    return out


def join_rows(planes: Bits, length: int, *, native: Kernels = NATIVE) -> Bits:
    """Rows (..., words) of `length` bits one behind the other, as a flat packed array; what is beyond is left out."""
    if length % 64 == 0:
        return planes.reshape(-1)
    rows = np.ascontiguousarray(planes).reshape(-1, word_count(length))
    out = np.empty(word_count(rows.shape[0] * length), np.uint64)
    native.join_rows(rows, length, out)
    return out


def to_planes(words: Words, bits: int, *, native: Kernels = NATIVE) -> Bits:
    """Plane j packs bit j of each of the n words, read flat: (bits, ceil(n / 64))."""
    out = np.empty((bits, (words.size + 63) // 64), np.uint64)
    native.to_planes(words, out)
    return out


def word_count(bits: int) -> int:
    """How many 64-bit words hold `bits` packed bits."""
    return (bits + 63) // 64


def clear_beyond(packed: Bits, count: int) -> Bits:
    """Set the bits of a flat packed array beyond the first `count` to zero, in place; it is given back."""
    if count % 64:
        packed[-1] &= np.uint64((1 << count % 64) - 1)
    return packed


def cleared(packed: Bits, count: int) -> Bits:
    """A flat copy of the words that hold the first `count` bits, without the bits beyond them."""
    return clear_beyond(packed.reshape(-1)[: word_count(count)].copy(), count)


def bit_column(data: bytes) -> Bits:
    """The bits of some bytes, the highest of each byte first, as packed rows of one bit each: (bits, 1)."""
    return np.unpackbits(np.frombuffer(data, np.uint8)).astype(np.uint64)[:, None]


def pack_planes(planes: Bits, count: int) -> Bytes:
    """Planes (..., words) of `count` bits as bytes on the wire, each plane in whole bytes."""
    flat = np.ascontiguousarray(planes).view(np.uint8)
    plane_bytes = (count + 7) // 8
    if flat.shape[-1] == plane_bytes:
        return flat.reshape(-1)
    return np.ascontiguousarray(flat[..., :plane_bytes]).reshape(-1)


def unpack_planes(payload: Bytes, lead: tuple[int, ...], count: int) -> Bits:
    """The planes (*lead, words) of `count` bits that `pack_planes` packed; a view where bytes fill words."""
    words, plane_bytes = word_count(count), (count + 7) // 8
    if plane_bytes == words * 8:
        return payload.view(np.uint64).reshape(*lead, words)
    out = np.zeros((*lead, words * 8), dtype=np.uint8)
    out[..., :plane_bytes] = payload.reshape(*lead, plane_bytes)
    return out.view(np.uint64)


def from_planes(planes: Bits, n: int, ring: Ring) -> Words:
    """The n words whose bit j is in plane j; bits without a plane are 0."""
    out = np.empty(n, ring.dtype)
    ring.native.from_planes(planes, out)
    return out


def pack_fields(words: Words, m: int, *, native: Kernels = NATIVE) -> Bytes:
    """The m low bits of each of the n words, read flat, little-endian and without gaps, in ceil(n * m / 8) bytes."""
    out = np.empty((words.size * m + 7) // 8, np.uint8)
    native.pack_fields(words, m, out)
    return out


def unpack_fields(buffer: Readable, m: int, n: int, ring: Ring) -> Words:
    """The n words of m bits that `pack_fields` packed. ValueError if the buffer has another size."""
    out = np.empty(n, ring.dtype)
    ring.native.unpack_fields(np.frombuffer(buffer, np.uint8), m, out)
    return out


def leaf_deal(r_planes: Bits, own: Bits, *, native: Kernels = NATIVE) -> Bits:
    """D's message: entry j is [r == 2^k - 1 - j] xor own[j]; protocols page 5.5.

    Each group of k bits of the two halves c + r of a value is compared through a table of 2^k entries that is one-hot
    at 2^k - 1 - r. The exclusive or of all entries is 1, so only the first 2^k - 1 are shared. Arrays are bit planes:
    (groups, k, words) for values, (groups, 2^k - 1, words) for tables, 1 <= k <= 5.
    """
    out = np.empty(own.shape, np.uint64)
    native.leaf_deal(r_planes, own, out)
    return out


def leaf_eval(c_planes: Bits, share: Bits, last_ones: bool, *, native: Kernels = NATIVE) -> tuple[Bits, Bits]:
    """(P, G), each (groups, words), from one holder's share of the tables: P = share[c], G = xor of share[t] for t < c.

    The last entry of the share is the xor of the others, complemented if `last_ones`: one of the two holders sets it.
    """
    shape = c_planes.shape[0], c_planes.shape[-1]
    p, g = np.empty(shape, np.uint64), np.empty(shape, np.uint64)
    native.leaf_eval(c_planes, share, last_ones, p, g)
    return p, g


def table_product(
    high: tuple[Bits, Bits], low: tuple[Bits, Bits], table: Bits, threads: int = 1, *, native: Kernels = NATIVE
) -> Bits:
    """A party's part of sums of products of shared bits: row r is that of the XOR of high_i AND low_j over all i, j
    where bit i * (rows of low) + j of row r of the public table is set.

    `high` and `low` are the party's two components, (rows, words) each; the lower rows are a power of two, 4 at least.
    """
    out = np.empty((table.shape[0], high[0].shape[1]), np.uint64)
    native.table_product(*high, *low, table, out, threads)
    return out


def signed_counts(
    plane: Bits, m: int, parts: Bytes, count: int, starts: Sequence[int], *, native: Kernels = NATIVE
) -> tuple[Words, Words]:
    """Of each line of `count` bits, from one of `starts` to the next: the sum of (1 - 2 bit) times its part, a field of
    m bits, modulo 2^64; and the number of set bits."""
    begins = np.array(starts, np.uint64)
    terms, bits = np.empty(begins.size, np.uint64), np.empty(begins.size, np.uint64)
    native.signed_counts(plane.reshape(-1), m, parts, count, begins, terms, bits)
    return terms, bits


CACHED_WORDS = 1 << 14
"""So many words of a result are summed before the next ones, so that they stay in the cache."""


def xor_of_ands(shape: tuple[int, ...], products: Sequence[tuple[Bits, Bits]]) -> Bits:
    """The XOR of a[g] AND b[g] over rows g of all pairs, packed, for bits of this shape.

    Operands (rows, ..., words) broadcast to it; each line along its last axis has words of its own, or one for all.
    """
    lines = np.zeros((*shape[:-1], word_count(shape[-1])), np.uint64)
    outer = len(shape) - 1
    while outer and lines[(0,) * (outer - 1)].size <= CACHED_WORDS:
        outer -= 1
    for at in np.ndindex(*lines.shape[:outer]):
        found = lines[at]
        for row in range(products[0][0].shape[0]):
            for a, b in products:
                found ^= _at(a[row], at) & _at(b[row], at)
    return join_rows(lines, shape[-1])


def _at(operand: Bits, at: tuple[int, ...]) -> Bits:
    """What broadcasts to a place of the leading axes."""
    found: Bits = operand[tuple(0 if length == 1 else place for place, length in zip(at, operand.shape, strict=False))]
    return found
