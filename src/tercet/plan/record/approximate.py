"""What is computed at a working scale: powers of two that bring a value to the top of its range, products."""

from __future__ import annotations

from tercet.plan.record.build import multiply
from tercet.plan.record.graph import Recorded
from tercet.plan.record.scale import at_scale, bounded, renamed
from tercet.plan.table.attributes import NewShape, Normalisation, Ranges
from tercet.plan.table.reasons import NORMALISED


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
