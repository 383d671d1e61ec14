"""Arithmetic modulo small primes on bytes, for the three-round comparison (protocols page §5.6).

Arrays are (rows, n) bytes, one row per digit or table entry, most significant digit first.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from tercet.ring._native import Kernels
from tercet.ring.arrays import NATIVE, Bits, Bytes

Residues = Bytes

PER_WORD: Final = {5: 18, 11: 12, 19: 10, 37: 8, 67: 7}
"""Draws taken from 128 uniform bits modulo p or less: p ** draws < 2^43, so together they are 2^-86 from uniform."""

FIELD_BITS: Final = {5: 10, 11: 14, 19: 17, 37: 21, 67: 25}
"""Bits that hold four residues."""


@dataclass(frozen=True, slots=True)
class Digits:
    """How a number of `low` bits is cut, and which field its digits are compared in.

    The lowest bit is a digit of its own, in which equality counts as less; then come pairs of bits, and where one is
    left, the highest alone. A digit of two bits has a table of three entries (the fourth is implied), others of one.
    """

    low: int

    @property
    def single(self) -> int:
        return (self.low - 1) % 2

    @property
    def pairs(self) -> int:
        return (self.low - 1) // 2

    @property
    def count(self) -> int:
        return 1 + self.pairs + self.single

    @property
    def entries(self) -> int:
        return 1 + 3 * self.pairs + self.single

    @property
    def p(self) -> int:
        """The smallest prime on offer above the number of digits, which is the largest value a blinded digit has."""
        return next(p for p in PER_WORD if p > self.count)


def draw_bytes(count: int, p: int) -> int:
    """Uniform bytes that `draw` takes for `count` residues."""
    return -(-count // PER_WORD[p]) * 16


def draw(uniform: Bytes, count: int, p: int, modulus: int, *, native: Kernels = NATIVE) -> Residues:
    """`count` values modulo `modulus` <= p from uniform bytes: digits of 128-bit fractions, PER_WORD[p] of each."""
    out = np.empty(count, np.uint8)
    native.residues_draw(uniform, modulus, PER_WORD[p], out)
    return out


def packed_bytes(count: int, p: int) -> int:
    return (-(-count // 4) * FIELD_BITS[p] + 7) // 8


def pack(values: Residues, p: int, *, native: Kernels = NATIVE) -> Bytes:
    """Residues read flat, four to a field."""
    out = np.empty(packed_bytes(values.size, p), np.uint8)
    native.residues_pack(values, p, out)
    return out


def unpack(data: Bytes, count: int, p: int, *, native: Kernels = NATIVE) -> Residues:
    """What `pack` packed; bytes that are no residues give some residues all the same."""
    out = np.empty(count, np.uint8)
    native.residues_unpack(data, p, out)
    return out


def tables_deal(form: Digits, planes: Bits, own: Residues, *, native: Kernels = NATIVE) -> Residues:
    """The other holder's tables: for each digit the one-hot entries of NOT r, less `own`; planes (low, words) of r."""
    out = np.empty(own.shape, np.uint8)
    native.tables_deal(form.p, planes, own, out)
    return out


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
    *,
    native: Kernels = NATIVE,
) -> Residues:
    """One holder's message about [c > NOT r], or where `coin` is set [c < NOT r], from the planes (low, words) of c.

    Row d is scale * z_d + zero (or - zero if `negative`) modulo p, where z_d is its share of: the number of higher
    digits that differ, plus one, less [this digit goes the way asked for]; rows are turned by `turn` places. `total` is
    its share of one: 1 for one holder and 0 for the other.
    """
    out = np.empty((form.count, share.shape[1]), np.uint8)
    native.tables_blind(form.p, planes, share, total, coin, scale, zero, turn, negative, out)
    return out


def zero_among(form: Digits, a: Residues, b: Residues, *, native: Kernels = NATIVE) -> Bits:
    """For each column whether a + b is zero modulo p in some row, packed."""
    out = np.empty((a.shape[1] + 63) // 64, np.uint64)
    native.zero_among(form.p, a, b, out)
    return out
