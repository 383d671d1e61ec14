"""Powers and sines of halves of phases, in integers: what A, B and D compute for share-wise functions.

A phase is a uint64 with as many whole bits as the caller says, 0 to 63; the series are coefficients times 2^62
(`vectors/sharewise_*.json`). Results are the same to the bit on every machine.
"""

from __future__ import annotations

import numpy as np

from tercet.ring._native import Kernels
from tercet.ring.arrays import Array, Bits
from tercet.ring.ring import RING64, Ring

MANTISSA_BITS = 62


def series(coefficients: tuple[int, ...]) -> Bits:
    """Coefficients as the kernels take them."""
    return np.array(coefficients, np.uint64)


def phases(ring: Ring, words: Array, factor: int, ahead: int = 0) -> Bits:
    """words * factor + ahead modulo the ring, its 64 highest bits."""
    turned = ring.scale(words, factor)
    if ahead:
        ring.add(turned, ring.from_ints([ahead]), out=turned)
    return turned if ring == RING64 else np.ascontiguousarray(turned["hi"])


def power_table(
    ring: Ring,
    phase: Bits,
    whole: int,
    low: int,
    first: int,
    scale: int,
    cut: int,
    coefficients: Bits,
    drawn: Array,
    native: Kernels | None = None,
) -> Array:
    """Rows j = 0, 1 .. of T_j - drawn_j, modulo the ring.

    With the phase as `whole - low` bits h, `low` bits l and a fraction t, T_j is 2^(first + n 2^low + l + t) times
    2^scale, rounded, for n = j + h modulo the number of rows, of which the last stands for -1. It is 0 where its
    product with any number below 2^(2^low) is at most 2^cut.
    """
    out = ring.empty(drawn.shape)
    (native or ring.native).power_table(phase, whole, low, first, scale, cut, coefficients, drawn, out)
    return out


def power_cross(
    ring: Ring,
    phase: Bits,
    whole: int,
    low: int,
    scale: int,
    coefficients: Bits,
    table: Array,
    mask: Array,
    native: Kernels | None = None,
) -> Array:
    """The row h of the table times 2^(l + t) times 2^scale, rounded, less the mask; h, l and t as in `power_table`."""
    out = ring.empty(mask.shape)
    (native or ring.native).power_cross(phase, whole, low, scale, coefficients, table, mask, out)
    return out


def sine_terms(
    ring: Ring, phase: Bits, scale: int, sine: Bits, cosine: Bits, drawn: Array, native: Kernels | None = None
) -> Array:
    """cos and sin of the phase in turns, times 2^scale, less what is drawn: two rows."""
    out = ring.empty(drawn.shape)
    (native or ring.native).sine_terms(phase, scale, sine, cosine, drawn, out)
    return out


def sine_cross(
    ring: Ring,
    phase: Bits,
    scale: int,
    sine: Bits,
    cosine: Bits,
    terms: Array,
    mask: Array,
    native: Kernels | None = None,
) -> Array:
    """sin of the phase times the first row of terms, plus its cos times the second, less the mask."""
    out = ring.empty(mask.shape)
    (native or ring.native).sine_cross(phase, scale, sine, cosine, terms, mask, out)
    return out


def odd_multiples(ring: Ring, words: Array, shift: int, count: int) -> Bits:
    """1, 3 .. (`count` of them) times words * 2^shift, modulo 2^64, row behind row."""
    return np.multiply.outer(np.arange(1, 2 * count, 2, dtype=np.uint64), ring.shl(words, shift)).reshape(-1)


def weighed(terms: Array, weights: Bits) -> Array:
    """Two blocks of rows, each row times its weight."""
    return terms * weights[:, None]


def rounded(words: Array, bits: int) -> Array:
    """Words of 64 bits, read as signed numbers, divided by 2^bits and rounded to the nearest."""
    return (words.view(np.int64) + (1 << bits - 1) >> bits).view(np.uint64)
