"""Whole quotients and remainders by secret divisors: scales and signs are brought to what the operation takes."""

from __future__ import annotations

from tercet.errors import PlanError
from tercet.plan.record.build import Operand, broadcast_to, negate, number, shared_integers
from tercet.plan.record.divide import flipped
from tercet.plan.record.graph import Recorded
from tercet.plan.record.logic import negative
from tercet.plan.record.public import DEFAULT_FRAC_BITS, exact_frac_bits, integers
from tercet.plan.record.scale import at_scale, bounded, in_ring, least_ring, renamed, settle
from tercet.plan.table.attributes import NewShape, Ranges
from tercet.plan.table.operation import broadcast_shapes
from tercet.plan.table.ops_quotients import euclidean_shape, whole_ends
from tercet.plan.table.reasons import REMAINDER, SELECTED
from tercet.plan.types import RINGS, smallest_ring


def divide_whole(a: Operand, b: Operand) -> tuple[Recorded, Recorded]:
    """floor(a / b) as an integer, and a - floor(a / b) b at the finer scale of both; exact, both 0 where b is 0.

    One of them is secret. PlanError if no ring takes them.
    """
    x, y, frac, nominal = _together(a, b)
    below: Recorded | None = None
    sign = -1 if y.type.hi <= 0 else 1
    if sign < 0:
        x, y = negate(x), negate(y)
    elif y.type.lo < 0:
        below = negative(y)
        y = bounded(flipped(below, y), 0, y.type.magnitude, SELECTED)
        x = flipped(below, x)
    shape = broadcast_shapes(x.type.shape, y.type.shape)
    whole, left = _recorded(broadcast_to(x, shape), broadcast_to(y, shape))
    if below is not None:
        left = flipped(broadcast_to(below, shape), left)
    left = negate(left) if sign < 0 else left
    return least_ring(whole), renamed(least_ring(left), frac, nominal) if frac else least_ring(left)


def _together(a: Operand, b: Operand) -> tuple[Recorded, Recorded, int, int]:
    """Both as stored integers at one scale, that scale, and the fractional bits that are meant."""
    secret = [settle(number(one)) for one in (a, b) if isinstance(one, Recorded)]
    frac = max(one.type.frac_bits for one in secret)
    nominal = max(one.type.nominal for one in secret)
    for one in (a, b):
        if not isinstance(one, Recorded) and one.dtype.kind == "f":
            frac = max(frac, min(DEFAULT_FRAC_BITS, exact_frac_bits(one)))
    nominal = max(nominal, min(frac, DEFAULT_FRAC_BITS))
    found = [
        at_scale(settle(number(one)), frac)
        if isinstance(one, Recorded)
        else shared_integers(secret[0], integers(one, frac), frac)
        for one in (a, b)
    ]
    x, y = (renamed(one, 0, 0) for one in found)
    return x, y, frac, nominal


def _recorded(x: Recorded, y: Recorded) -> tuple[Recorded, Recorded]:
    """The operation in the first ring that takes it."""
    for ring_bits in RINGS:
        if any((smallest_ring(one.type.lo, one.type.hi) or ring_bits + 1) > ring_bits for one in (x, y)):
            continue
        a, b = in_ring(x, ring_bits), in_ring(y, ring_bits)
        if euclidean_shape(a.type, b.type) is None:
            continue
        pair = x.graph.node("divide_whole", (a, b))
        (lo, hi), (least, most) = whole_ends(a.type, b.type)
        return bounded(_row(pair, 0), lo, hi, REMAINDER), bounded(_row(pair, 1), least, most, REMAINDER)
    raise PlanError(
        f"the whole quotient of {x.type} by {y.type} does not fit the largest ring",
        hint="declare narrower bounds, or fewer frac_bits",
    )


def _row(pair: Recorded, place: int) -> Recorded:
    shape = pair.type.shape[1:]
    ranges = Ranges(((place, 1, 1), *((0, length, 1) for length in shape)))
    return pair.graph.node("reshape", (pair.graph.node("slice", (pair,), ranges),), NewShape(shape))
