"""What functions of secret values are approximated by: values scaled to the top of their range, and polynomials."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from tercet.plan.record.build import linear, multiply, number
from tercet.plan.record.graph import Recorded
from tercet.plan.record.public import number_constant
from tercet.plan.record.scale import at_scale, bounded, fitting_ring, in_ring, renamed
from tercet.plan.table.attributes import NewShape, Normalisation, Ranges
from tercet.plan.table.reasons import NORMALISED, SELECTED


@dataclass(frozen=True)
class Normalised:
    """value = x * factor, as stored integers in [2^(bits - 1), 2^bits); factor is a secret power of two."""

    value: Recorded
    factor: Recorded
    bits: int


def normalise(x: Recorded, what: str) -> Normalised:
    """x > 0 scaled into the upper half of its range; x = 0 counts as 1, so that what converges does so for every x.

    Raises PlanError, which names `what`, if no ring is wide enough. x must not be negative: bounds below zero are
    narrowed to zero, as a claim.
    """
    low = max(x.type.lo, 0)
    x = x if x.type.lo >= 0 else bounded(x, 0, x.type.hi, SELECTED)
    x = in_ring(x, fitting_ring(0, 1 << max(2, x.type.hi.bit_length()), what, (x,)))
    factor, value, bits = _rows(x, Normalisation())
    factor = bounded(factor, 1, 1 << (bits - max(1, low.bit_length())), NORMALISED)
    if low == 0:
        # the operation's factor of 0 is that of 1, but its product is 0
        zero = number(x.graph.node("is_zero", (x,)))
        value = linear("add", value, multiply(zero, np.asarray(1 << (bits - 1), dtype=object)))
    return Normalised(bounded(value, 1 << (bits - 1), (1 << bits) - 1, NORMALISED), factor, bits)


def normalise_by_square(x: Recorded) -> tuple[Recorded, Recorded, int]:
    """Powers of two v and u with v^2 x in [2^(P-2), 2^P) and u v = 2^(P/2), and P / 2; P is even, x < 2^P and x > 0."""
    v, u, half = _rows(x, Normalisation(even=True))
    top = 1 << half
    return bounded(v, 1, top // 2, NORMALISED), bounded(u, 2, top, NORMALISED), half


def _rows(x: Recorded, attrs: Normalisation) -> tuple[Recorded, Recorded, int]:
    """The two results of the operation, each of x's shape, and the exponent of their bound."""
    pair = x.graph.node("normalise", (x,), attrs)
    shape = pair.type.shape
    rows = []
    for place in range(2):
        ranges = Ranges(((place, 1, 1), *((0, length, 1) for length in shape[1:])))
        rows.append(pair.graph.node("reshape", (pair.graph.node("slice", (pair,), ranges),), NewShape(shape[1:])))
    return rows[0], rows[1], pair.type.hi.bit_length() - 1


def times(x: Recorded, y: Recorded, g: int) -> Recorded:
    """x * y at g fractional bits, of which all count (nominal g). One product with its rescaling."""
    x, y = renamed(x, x.type.frac_bits, g), renamed(y, y.type.frac_bits, g)
    return at_scale(multiply(x, y), g)


def one_minus(x: Recorded) -> Recorded:
    """1 - x at x's own scale. Local."""
    one = np.asarray(1 << x.type.frac_bits, dtype=object)
    constant = number_constant(x.graph, one, x.type.frac_bits, x.type.nominal, x.type.ring)
    return x.graph.node("subtract", (constant, x))


def combination(terms: Sequence[tuple[Recorded, float]], last: float, g: int) -> Recorded:
    """The sum of public coefficients times values, and of a public number, at g fractional bits: one rescaling for all.

    The values have g fractional bits and lie in one ring; coefficients are rounded to g fractional bits.
    """
    total: Recorded | None = None
    for x, coefficient in terms:
        stored = round(coefficient * (1 << g))
        constant = number_constant(x.graph, np.asarray(stored, dtype=object), g, g, x.type.ring)
        scaled = x.graph.node("scale", (x, constant))
        total = scaled if total is None else x.graph.node("add", (total, scaled))
    if total is None:
        raise ValueError("a combination of no values")
    stored = round(last * (1 << g)) << g
    offset = number_constant(total.graph, np.asarray(stored, dtype=object), 2 * g, g, total.type.ring)
    return at_scale(total.graph.node("add", (total, offset)), g)
