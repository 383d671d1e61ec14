"""Byte arithmetic of the equality by Hamming distance (docs/security/equality.md).

Numbers modulo 2^width lie in bytes, of which the bits above `width` are ignored; they add, multiply and wrap as bytes
do. No index and no branch depends on a value. Arrays are (rows, n): a row is a bit, a digit, or an entry of a table.
"""

from __future__ import annotations

import numpy as np

from tercet.ring.arrays import Array, Bits, Bytes
from tercet.ring.bits import pack_bits, pack_fields, to_planes, unpack_bits, unpack_fields
from tercet.ring.ring import RING64


def pack_narrow(values: Bytes, width: int) -> Bytes:
    """The `width` low bits of each byte, without gaps."""
    return pack_fields(values.astype(np.uint64), width)


def unpack_narrow(payload: Bytes, width: int, count: int) -> Bytes:
    """What `pack_narrow` packed."""
    return unpack_fields(payload, width, count, RING64).astype(np.uint8)


def bit_rows(words: Array, bits: int) -> Bytes:
    """The `bits` low bits of each word as bytes of 0 and 1: (bits, n)."""
    planes = to_planes(words, bits)
    return unpack_bits(planes.reshape(-1), 64 * planes.size).view(np.uint8).reshape(bits, -1)[:, : words.size]


def digit_tables(bits: Bytes, pairs: int) -> Bytes:
    """What is dealt of a number: of its first `pairs` digits of two bits the entries 0 to 2, then its other bits."""
    return np.concatenate([_one_hot(bits[: 2 * pairs]), bits[2 * pairs :]])


def _one_hot(bits: Bytes) -> Bytes:
    """Of digits of two bits, lower bit first: entries 0 to 2 of each."""
    if not bits.size:
        return bits
    low, high = bits[0::2], bits[1::2]
    entries = np.stack([(1 - low) * (1 - high), low * (1 - high), (1 - low) * high], axis=1)
    return entries.reshape(-1, bits.shape[1])


def differing(c: Bytes, share: Bytes, pairs: int, adds_constants: bool) -> Bytes:
    """This holder's share of the number of digits in which c and the dealt number differ, modulo 256."""
    one = np.uint8(1 if adds_constants else 0)
    bits, singles = c[2 * pairs :], share[3 * pairs :]
    # |c - rho| = c + (1 - 2 c) rho, and minus a share is its complement plus one
    total: Bytes = (singles ^ (np.uint8(0) - bits)).sum(axis=0, dtype=np.uint8)
    total += (one + np.uint8(1)) * bits.sum(axis=0, dtype=np.uint8)
    for digit in range(pairs):
        hot = share[3 * digit : 3 * digit + 3]
        last = one - hot.sum(axis=0, dtype=np.uint8)
        chosen = _one_hot(c[2 * digit : 2 * digit + 2])
        others = np.uint8(1) - chosen.sum(axis=0, dtype=np.uint8)
        total += one - ((hot * chosen).sum(axis=0, dtype=np.uint8) + last * others)
    return total


def one_hot_table(values: Bytes, modulus: int) -> Bits:
    """For each value modulo `modulus` its one-hot vector without the last entry, packed: (modulus - 1, words)."""
    words = (values.size + 63) // 64
    entries = np.arange(modulus - 1, dtype=np.uint8)[:, None]
    padded = np.concatenate([values & np.uint8(modulus - 1), np.zeros(64 * words - values.size, np.uint8)])
    return pack_bits(padded == entries).reshape(modulus - 1, words)


def table_entry(index: Bytes, table: Bits, last_ones: bool) -> Bits:
    """Entry `index` of each element's table; the last entry is the XOR of the others, complemented if `last_ones`."""
    last = np.bitwise_xor.reduce(table, axis=0)
    level = np.concatenate([table, (~last if last_ones else last)[None]])
    bit = 0
    while level.shape[0] > 1:
        chosen = pack_bits((index >> np.uint8(bit)) & np.uint8(1))
        level = level[0::2] ^ (chosen & (level[0::2] ^ level[1::2]))
        bit += 1
    selected: Bits = level[0]
    return selected
