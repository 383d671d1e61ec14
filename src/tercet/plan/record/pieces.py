"""Polynomials of public coefficients, in one piece or several: from exact fractions to the integers of a plan."""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction
from itertools import pairwise

import numpy as np

from tercet.errors import PlanError
from tercet.plan.record.build import broadcast_to, linear, multiply, number, shared_integers
from tercet.plan.record.functions import meant, nominal_of
from tercet.plan.record.graph import Recorded
from tercet.plan.record.scale import at_scale, in_ring, renamed
from tercet.plan.table.attributes import PieceTable
from tercet.plan.table.ops_pieces import MAX_DEGREE, MAX_PIECES
from tercet.plan.types import smallest_ring
from tercet.protocols import windows
from tercet.protocols.functions import PRECISIONS, Precision

Polynomial = Sequence[Fraction]
"""Coefficients of a polynomial of x itself, the constant first."""
_FINER = 6
_GUARD = 4


def piecewise(x: Recorded, breaks: Sequence[int], polynomials: Sequence[Polynomial]) -> Recorded:
    """The polynomial of the piece that x is in, rescaled once; `breaks` are stored integers of x at which the next
    piece begins, one fewer than pieces. Of pieces that x's bounds do not reach nothing is left.

    PlanError, which says what to declare, where 58 fractional bits are too few for the coefficients over x's bounds.
    """
    kept = _reached(x, breaks, polynomials)
    if len(kept) > MAX_PIECES or max(len(one) for _, _, one in kept) > MAX_DEGREE + 1:
        raise PlanError(f"{MAX_PIECES} pieces and a degree of {MAX_DEGREE} are the most")
    nominal = nominal_of(x)
    if len(kept) == 1 and len(kept[0][2]) <= 2:
        return _line(x, kept[0][2], nominal)
    ends = (kept[0][0], *(after for _, after, _ in kept))
    unit = Fraction(1, 1 << x.type.frac_bits)
    rows = [_chebyshev(_moved(one, before * unit, after * unit)) for before, after, one in kept]
    width = max(map(len, rows))
    if width == 1 and len({row[0] for row in rows}) == 1:
        return _line(x, [rows[0][0]], nominal)
    needed = nominal + _GUARD + width.bit_length()
    for ring_bits, p in PRECISIONS.items():
        fits = smallest_ring(x.type.lo, x.type.hi)
        if fits is None or fits > ring_bits:
            continue
        for bits in range(p.scale, needed - 1, -1):
            table = tuple([_stored(row, width, bits) for row in rows])
            if _sure_enough(table, bits, nominal, p) and windows.pieces(ends, table, bits, ring_bits):
                return meant(_recorded(x, ends, table, bits, nominal, ring_bits))
    largest = max(sum(map(abs, row)) for row in rows)
    longest = max(after - before for before, after in pairwise(ends)) * float(unit)
    raise PlanError(
        f"a polynomial that reaches about {float(largest):.3g} over the bounds of its argument, in pieces of up to "
        f"{longest:.3g}, does not fit the largest ring to {nominal} fractional bits",
        hint="declare narrower bounds for its argument, hold it with numpy.clip, or use fewer frac_bits",
    )


def argument(x: Recorded) -> Recorded:
    """What a polynomial takes: no more than 6 fractional bits more than its result has."""
    x = number(x)
    nominal = nominal_of(x)
    return at_scale(x, nominal + _FINER) if x.type.frac_bits > nominal + _FINER else x


def _reached(
    x: Recorded, breaks: Sequence[int], polynomials: Sequence[Polynomial]
) -> list[tuple[int, int, Polynomial]]:
    """Start, end and polynomial of the pieces that x may be in."""
    lo, hi = x.type.lo, x.type.hi
    ends = [lo, *(min(max(at, lo), hi + 1) for at in breaks), hi + 1]
    kept = [(before, after, _trimmed(one)) for (before, after), one in zip(pairwise(ends), polynomials, strict=True)]
    kept = [piece for piece in kept if piece[0] < piece[1]]
    before, _, last = kept[-1]
    return [*kept[:-1], (before, max(hi, before + 1), last)]


def _trimmed(one: Polynomial) -> Polynomial:
    count = len(one)
    while count > 1 and not one[count - 1]:
        count -= 1
    return one[:count]


def constant(x: Recorded, value: Fraction, frac_bits: int) -> Recorded:
    """A public number for every element of x."""
    return broadcast_to(shared_integers(x, round(value * (1 << frac_bits)), frac_bits), x.type.shape)


def _line(x: Recorded, line: Polynomial, nominal: int) -> Recorded:
    """c + s x of one piece."""
    slope = line[1] if len(line) > 1 else Fraction(0)
    if not slope:
        return constant(x, line[0], nominal)
    product = multiply(x, np.asarray(float(slope)))
    product = renamed(product, product.type.frac_bits, min(nominal, product.type.frac_bits))
    return meant(linear("add", product, np.asarray(float(line[0]))))


def _moved(one: Polynomial, before: Fraction, after: Fraction) -> list[Fraction]:
    """As a polynomial of t in [-1, 1] over the piece: x = (before + after) / 2 + t (after - before) / 2."""
    middle, half = (before + after) / 2, (after - before) / 2
    found = [Fraction(0)] * len(one)
    for coefficient in reversed(one):
        # found = found * (middle + half t) + coefficient
        found = [middle * value + half * low for value, low in zip(found, [Fraction(0), *found[:-1]], strict=True)]
        found[0] += coefficient
    return found


def _chebyshev(one: Sequence[Fraction]) -> list[Fraction]:
    """Coefficients of T_0, T_1 .. of a polynomial of t: t^k = 2^(1-k) times the sum of C(k, j) T_(k - 2 j)."""
    found = [Fraction(0)] * len(one)
    for k, coefficient in enumerate(one):
        for j in range(k // 2 + 1):
            weight = Fraction(math.comb(k, j), 1 << k) * (1 if k == 2 * j else 2)
            found[k - 2 * j] += coefficient * weight
    return found


def _stored(row: Sequence[Fraction], width: int, bits: int) -> tuple[int, ...]:
    """The coefficients times 2^bits, rounded, and zeros."""
    return (*(round(value * (1 << bits)) for value in row), *[0] * (width - len(row)))


def _sure_enough(table: windows.Table, bits: int, nominal: int, p: Precision) -> bool:
    """Whether what T_k and coefficients lose is below a quarter of the last bit."""
    lost = max(sum(map(abs, row[1:])) for row in table)
    return (lost >> p.scale) + len(table[0]) < 1 << max(0, bits - nominal - 2)


def _recorded(
    x: Recorded, ends: tuple[int, ...], table: windows.Table, bits: int, nominal: int, ring_bits: int
) -> Recorded:
    attrs = PieceTable(
        x.type.frac_bits,
        nominal,
        exact=x.graph.exact_rounding,
        out_bits=bits,
        ends=ends,
        coefficients=tuple(value for row in table for value in row),
    )
    return x.graph.node("piecewise", (in_ring(x, ring_bits),), attrs)
