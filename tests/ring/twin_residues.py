"""The twin of the residue kernels (`residues`): their meaning in NumPy, the oracle of their tests."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tercet.ring.arrays import Bits, Bytes
from tercet.ring.bits import pack_bits, unpack_bits
from tercet.ring.residues import FIELD_BITS, PER_WORD, Digits, Residues


def draw(uniform: Bytes, count: int, p: int, modulus: int) -> Residues:
    """`count` values modulo `modulus` <= p from uniform bytes: digits of 128-bit fractions, PER_WORD[p] of each."""
    limbs = uniform.view(np.uint32).reshape(-1, 4).T.astype(np.uint64)
    out = np.empty((PER_WORD[p], limbs.shape[1]), np.uint8)
    for place in range(PER_WORD[p]):
        carry = np.zeros(limbs.shape[1], np.uint64)
        for limb in limbs:
            carry += limb * np.uint64(modulus)
            limb[...] = carry & np.uint64(0xFFFFFFFF)
            carry >>= np.uint64(32)
        out[place] = carry
    return out.reshape(-1)[:count]


def pack(values: Residues, p: int) -> Bytes:
    """Residues read flat, four to a field."""
    flat = values.reshape(-1)
    fours = np.concatenate([flat, np.zeros(-flat.size % 4, np.uint8)]).reshape(-1, 4).astype(np.uint64)
    fields = fours @ np.array([1, p, p**2, p**3], np.uint64)
    bits = (fields[:, None] >> np.arange(FIELD_BITS[p], dtype=np.uint64)) & np.uint64(1)
    return np.packbits(bits.astype(np.uint8).reshape(-1), bitorder="little")


def unpack(data: Bytes, count: int, p: int) -> Residues:
    """What `pack` packed; bytes that are no residues give some residues all the same."""
    fours, size = -(-count // 4), FIELD_BITS[p]
    bits = np.unpackbits(data, count=fours * size, bitorder="little").reshape(fours, size)
    fields = bits.astype(np.uint64) @ (np.uint64(1) << np.arange(size, dtype=np.uint64))
    digits = [fields // np.uint64(p**place) % np.uint64(p) for place in range(4)]
    return np.stack(digits, axis=1).astype(np.uint8).reshape(-1)[:count]


def _rows(planes: Bits, n: int) -> Residues:
    return np.array([unpack_bits(plane, n) for plane in planes]).view(np.uint8)


def tables_deal(form: Digits, planes: Bits, own: Residues) -> Residues:
    """The other holder's tables: for each digit the one-hot entries of NOT r, less `own`; planes (low, words) of r."""
    p = np.uint8(form.p)
    rho = _rows(~planes, own.shape[1])
    hot = [(1 - rho[-1])[None]] if form.single else []
    for low in range(2 * form.pairs - 1, 0, -2):
        a, b = rho[low], rho[low + 1]
        hot.append(np.stack([(1 - a) * (1 - b), a * (1 - b), (1 - a) * b]))
    hot.append((1 - rho[0])[None])
    return (np.concatenate(hot) + p - own) % p


def tables_blind(
    form: Digits,
    planes: Bits,
    share: Residues,
    total: int,
    coin: Bits,
    scale: Residues,
    zero: Residues,
    turn: Residues,
    negative: bool,
) -> Residues:
    """One holder's message about [c > NOT r], or where `coin` is set [c < NOT r], from the planes (low, words) of c.

    Row d is scale * z_d + zero (or - zero if `negative`) modulo p, where z_d is its share of: the number of higher
    digits that differ, plus one, less [this digit goes the way asked for]; rows are turned by `turn` places. `total` is
    its share of one: 1 for one holder and 0 for the other.
    """
    n, p = share.shape[1], form.p
    c = _rows(planes, n).astype(np.int64)
    s = share.astype(np.int64)
    flipped = unpack_bits(coin, n)
    differ = np.zeros(n, np.int64)
    z = []
    row = 0
    for digit in range(form.count):
        last, single = digit == form.count - 1, digit == 0 and form.single
        if last or single:
            value = c[0] if last else c[-1]
            table = np.stack([s[row], total - s[row]])
            row += 1
        else:
            low = 2 * (form.count - 1 - digit) - 1
            value = c[low] + 2 * c[low + 1]
            table = np.concatenate([s[row : row + 3], (total - s[row : row + 3].sum(axis=0))[None]])
            row += 3
        before = np.arange(table.shape[0])[:, None] < value
        less = (table * before).sum(axis=0)
        equal = np.choose(value, list(table)) if not last else np.zeros(n, np.int64)
        more = total - equal - less
        z.append(differ + total - np.where(flipped, more, less))
        differ = differ + total - equal
    blinded = (np.array(z) * scale + (-1 if negative else 1) * zero.astype(np.int64)) % p
    places = (np.arange(form.count)[:, None] - turn) % form.count
    return np.take_along_axis(blinded, places, axis=0).astype(np.uint8)


def zero_among(form: Digits, a: Residues, b: Residues) -> Bits:
    """For each column whether a + b is zero modulo p in some row, packed."""
    found: NDArray[Any] = ((a.astype(np.uint16) + b) % form.p == 0).any(axis=0)
    return pack_bits(found)
