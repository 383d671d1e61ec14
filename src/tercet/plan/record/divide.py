"""Quotients of recorded values: signs, scales, the ring of the operation, and refusals."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tercet.errors import PlanError
from tercet.plan.bounds.prove import is_proven
from tercet.plan.bounds.relations import quotient_limit
from tercet.plan.record import logic
from tercet.plan.record.build import Operand, broadcast_to, linear, multiply, negate, number, shared_integers
from tercet.plan.record.functions import meant
from tercet.plan.record.graph import Recorded
from tercet.plan.record.logic import inject, logical_not, negative
from tercet.plan.record.public import DEFAULT_FRAC_BITS, exact_frac_bits, integers
from tercet.plan.record.scale import bounded, in_ring, renamed, settle
from tercet.plan.table.attributes import Bounds, Dividing, DividingWithin
from tercet.plan.table.operation import broadcast_shapes
from tercet.plan.table.operations import BY_NAME
from tercet.plan.table.ops_quotients import quotient_shape
from tercet.plan.table.reasons import NOT_NEGATIVE, QUOTIENT_LIMIT, SELECTED
from tercet.plan.types import MAX_FRAC_BITS, RINGS, smallest_ring

_RELATIVE_BITS = 58
"""Fractional bits of public dividends beside their leading one."""


def divide(a: Operand, b: Recorded) -> Recorded:
    """a / b for a secret b; b = 0 counts as one last bit, so that the result lies within its bounds.

    Error: a quarter of the result's last bit before it is rescaled, relative above 1. Result bounds follow from the
    least |b| that b's bounds permit (one last bit if they include zero), or from what a and b have in common.
    PlanError if no ring takes it.
    """
    return meant(quotient(a, settle(number(b))))


def quotient(a: Operand, b: Recorded, nominal: int | None = None, rings: tuple[int, ...] = RINGS) -> Recorded:
    """The same, not rescaled yet; with so many fractional bits meant, of the first ring that takes it."""
    if b.type.lo == b.type.hi == 0:
        raise PlanError("the divisor is 0 everywhere, by its bounds", hint="declare the bounds that it has")
    x = settle(number(a)) if isinstance(a, Recorded) else _shared(a, b)
    if nominal is None:
        nominal = max(x.type.nominal, b.type.nominal, DEFAULT_FRAC_BITS)
    if b.type.hi <= 0:
        x, b = negate(x), negate(b)
    elif b.type.lo < 0:
        below = negative(b)
        b = bounded(flipped(below, b), 0, b.type.magnitude, SELECTED)
        x = flipped(below, x)
    limit = quotient_limit(x, b)
    if limit is not None and b.type.lo <= 0:
        x = inject(logical_not(b.graph.node("is_zero", (b,))), x)
    x = broadcast_to(x, broadcast_shapes(x.type.shape, b.type.shape))
    for ring_bits in rings:
        found = _recorded(x, b, nominal, ring_bits, limit)
        if found is not None:
            return found
    raise PlanError(
        f"the quotient of {x.type} by {b.type} to {nominal} fractional bits does not fit the largest ring",
        hint="declare narrower bounds: the least divisor above 0 that there is makes most of them, as in "
        "numpy.maximum(x, least); or fewer frac_bits",
    )


def divide_up_to(a: Recorded, b: Recorded, most: int, nominal: int) -> Recorded:
    """min(a / b, most) at `nominal` fractional bits, for a and b that are not negative; 0 where b is 0.

    The dividend is drawn in to `most` times the divisor, so that the result lies within its bounds whatever goes in.
    Error: as `divide`.
    """
    b = settle(number(b))
    a = logic.minimum(settle(number(a)), multiply(b, np.asarray(most, dtype=object)))
    a = bounded(a, 0, a.type.hi, NOT_NEGATIVE)
    b = b if b.type.lo >= 0 else bounded(b, 0, b.type.hi, NOT_NEGATIVE)
    limit = -(-(most << a.type.frac_bits) >> b.type.frac_bits)
    a = broadcast_to(a, broadcast_shapes(a.type.shape, b.type.shape))
    for ring_bits in RINGS:
        found = _recorded(a, b, nominal, ring_bits, max(1, limit))
        if found is not None:
            return meant(found)
    raise PlanError(f"a quotient of {a.type} by {b.type} does not fit the largest ring")


def _recorded(x: Recorded, b: Recorded, nominal: int, ring_bits: int, limit: int | None) -> Recorded | None:
    """The operation in this ring, if it takes it: by the bounds alone, or also by the limit where that is narrower."""
    if any((smallest_ring(value.type.lo, value.type.hi) or ring_bits + 1) > ring_bits for value in (x, b)):
        return None
    x, b = in_ring(x, ring_bits), in_ring(b, ring_bits)
    attrs = Dividing(x.type.frac_bits, b.type.frac_bits, nominal, x.graph.exact_rounding)
    if limit is not None and limit < -(-x.type.magnitude // max(1, b.type.lo)):
        within = DividingWithin(
            *(attrs.dividend_bits, attrs.divisor_bits, attrs.frac_bits, attrs.exact), limit, QUOTIENT_LIMIT.number
        )
        if quotient_shape(x.type, b.type, nominal, limit) is None:
            return None
        try:
            found = x.graph.node("quotient_within", (x, b), within)
        except PlanError:
            return None
        if x.graph.enforced_bounds and not is_proven(BY_NAME["quotient_within"], (x, b), within):
            return x.graph.node("clip", (found,), Bounds(found.type.lo, found.type.hi))
        return found
    if quotient_shape(x.type, b.type, nominal) is None:
        return None
    try:
        return x.graph.node("quotient", (x, b), attrs)
    except PlanError:
        return None


def _shared(a: NDArray[Any], b: Recorded) -> Recorded:
    """A public dividend as a sharing: its bits are those that the quotient's error needs, absolute or relative."""
    frac = 0
    if a.dtype.kind == "f":
        least = max(1, min(abs(b.type.lo), abs(b.type.hi)) if b.type.lo * b.type.hi > 0 else 1)
        absolute = max(b.type.nominal, DEFAULT_FRAC_BITS) + 5 + b.type.frac_bits - (least.bit_length() - 1)
        smallest = np.abs(a[a != 0])
        relative = _RELATIVE_BITS - int(np.frexp(np.min(smallest))[1]) if smallest.size else 0
        frac = min(max(0, absolute), max(0, relative), MAX_FRAC_BITS, exact_frac_bits(a))
    return renamed(shared_integers(b, integers(a, frac), frac), frac, min(frac, DEFAULT_FRAC_BITS))


def flipped(bit: Recorded, x: Recorded) -> Recorded:
    """-x where the bit is set."""
    result = linear("subtract", x, inject(bit, linear("add", x, x)))
    return bounded(result, -x.type.magnitude, x.type.magnitude, SELECTED)
