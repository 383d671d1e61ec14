"""Polynomials, in pieces or one, of public coefficients: one operation, whose bounds follow from the coefficients."""

from __future__ import annotations

import itertools
from bisect import bisect_right
from collections.abc import Sequence
from functools import lru_cache
from math import isqrt
from typing import Any

import numpy as np

from tercet.plan.table import real
from tercet.plan.table.attributes import Approximation, PieceTable
from tercet.plan.table.operation import Operation, Plain, arity, need, numeric
from tercet.plan.table.ops_functions import approximated
from tercet.plan.types import Type, ValueKind
from tercet.protocols import windows

MAX_PIECES = 1 << 10
MAX_DEGREE = 64
_T_BITS = 124


def table_of(attrs: PieceTable) -> windows.Table:
    """The coefficients, a row for each piece. Raises PlanError for a list of another length."""
    count = len(attrs.ends) - 1
    need(0 < count <= MAX_PIECES, f"a polynomial in {count} pieces")
    width, rest = divmod(len(attrs.coefficients), count)
    need(not rest and 0 < width <= MAX_DEGREE + 1, f"{len(attrs.coefficients)} coefficients for {count} pieces")
    return tuple([attrs.coefficients[k * width : (k + 1) * width] for k in range(count)])


def _pieces(x: Type, attrs: PieceTable) -> windows.PieceShape:
    table, ends = table_of(attrs), attrs.ends
    need(all(before < after for before, after in itertools.pairwise(ends)), "pieces are in ascending order")
    need(ends[0] <= x.lo and x.hi <= ends[-1], f"the pieces do not reach from {x.lo} to {x.hi}")
    need(len(table) > 1 or len(table[0]) > 2, "one polynomial of a degree below 2 is a product with a public number")
    need(len(table[0]) > 1 or len(set(table)) > 1, "a constant")
    need(attrs.frac_bits + 3 <= attrs.out_bits, "too few fractional bits for the result")
    found = windows.pieces(ends, table, attrs.out_bits, x.ring)
    need(found is not None, f"a polynomial of {x} with these coefficients does not fit the ring 2^{x.ring}")
    assert found is not None
    return found


def _off(row: Sequence[int], scale: int) -> int:
    """By how much a piece may be off: t by 3 units, T_k by 4 k^2 of them, a coefficient and the sum by a few."""
    return (sum(4 * k * k * abs(value) for k, value in enumerate(row)) >> scale) + len(row) + 3


@lru_cache(maxsize=8)
def _cosines(count: int) -> tuple[int, ...]:
    """cos(j pi / count) for j from 0 to count, a power of two, with _T_BITS fractional bits."""
    one, step, halves = 1 << _T_BITS, -(1 << _T_BITS), 1
    while halves < count:
        step, halves = isqrt((one + step << _T_BITS) >> 1), 2 * halves
    found = [one, step]
    while len(found) <= count:
        found.append((2 * step * found[-1] >> _T_BITS) - found[-2])
    return tuple([min(max(value, -one), one) for value in found])


@lru_cache(maxsize=4096)
def _reach(row: tuple[int, ...], count: int) -> tuple[int, int]:
    """Bounds of a sum of c_k T_k over [-1, 1].

    Of c_k cos(k a) the second derivative is k^2 |c_k| at most: between points that are pi / count apart the sum passes
    them by no more than (pi / count)^2 / 8 of these.
    """
    rest = sum(map(abs, row[1:]))
    if len(row) > 2:
        found = [real.series(row, 0, t, _T_BITS, 0) for t in _cosines(count)]
        beyond = 5 * sum(k * k * abs(value) for k, value in enumerate(row)) // (4 * count * count) + 2
        return max(min(found) - beyond, row[0] - rest), min(max(found) + beyond, row[0] + rest)
    return row[0] - rest, row[0] + rest


def _infer(inputs: Sequence[Type], attrs: Approximation) -> Type:
    arity(inputs, 1)
    numeric(*inputs)
    x, made = inputs[0], attrs.of(PieceTable)
    need(made.argument_bits == x.frac_bits, "the attributes say another scale of the argument")
    s = _pieces(x, made)
    count = 1 << (max(8, 512 // len(s.table)) - 1).bit_length()
    lows, highs = [], []
    for row, before, after in zip(s.table, s.ends, s.ends[1:], strict=False):
        if (before <= x.hi and x.lo < after) or after == s.ends[-1] <= x.lo:
            lo, hi = _reach(row, count)
            off = _off(row, s.precision.scale)
            lows.append(lo - off)
            highs.append(hi + off)
    nominal = min(made.frac_bits, s.out_bits)
    return Type(ValueKind.FIXED, x.shape, x.ring, s.out_bits, nominal, min(lows), max(highs))


def _plain(inputs: Sequence[Plain], attrs: Approximation, out: Type) -> Plain:
    made = attrs.of(PieceTable)
    table, ends = table_of(made), made.ends
    values = []
    for value in inputs[0].reshape(-1):
        k = min(max(0, bisect_right(ends, int(value)) - 1), len(table) - 1)
        distance, length = int(value) - ends[k], ends[k + 1] - ends[k]
        t = (2 * distance << _T_BITS) // length - (1 << _T_BITS)
        values.append(real.series(table[k], out.frac_bits, t, _T_BITS, out.frac_bits))
    return np.array([*values, None], dtype=object)[:-1].reshape(inputs[0].shape)


PIECES: tuple[Operation[Any], ...] = (
    approximated(
        "piecewise",
        160,
        "a polynomial in pieces, of public coefficients and breaks",
        _infer,
        windows.piecewise,
        lambda x, attrs: _pieces(x, attrs.of(PieceTable)),
        _plain,
        "comparisons with breaks, coefficients as sums of bits, one sum of products (windows)",
        attributes=PieceTable,
    ),
)
