"""Comparisons, choices and bools on recorded values."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tercet.errors import PlanError
from tercet.plan.record.build import (
    Operand,
    bounds_at,
    broadcast_to,
    linear,
    multiply,
    negate,
    number,
    same_place,
    shared_integers,
    total,
)
from tercet.plan.record.graph import Recorded
from tercet.plan.record.public import DEFAULT_FRAC_BITS, bool_constant, bounds_of, integers, number_constant, thresholds
from tercet.plan.record.scale import at_scale, bounded, fitting_ring, in_ring, marked, renamed
from tercet.plan.table.attributes import Axis, AxisOrder, NewShape, Ranges
from tercet.plan.table.operation import Algebra, broadcast_shapes
from tercet.plan.table.reasons import SELECTED, Reason
from tercet.plan.types import Type, magnitude, smallest_ring


def negative(x: Recorded) -> Recorded:
    """x < 0."""
    return x.graph.node("negative", (number(x),))


def less(a: Operand, b: Operand) -> Recorded:
    """a < b; exact, public numbers read as `plan.record.public` says."""
    if isinstance(a, Recorded) and isinstance(b, Recorded):
        a, b = _together(number(a), number(b))
        if max((a.type.lo - b.type.hi).bit_length(), (a.type.hi - b.type.lo).bit_length()) >= a.type.ring:
            a, b = in_ring(a, 128), in_ring(b, 128)
        return a.graph.node("less", (a, b))
    if isinstance(a, Recorded):
        assert not isinstance(b, Recorded)
        return stored_below(number(a), thresholds(b, a.type)[1])
    assert isinstance(b, Recorded)
    return stored_above(number(b), thresholds(a, b.type)[0])


def _together(a: Recorded, b: Recorded) -> tuple[Recorded, Recorded]:
    """Both in one ring and at the finer scale of the two, exactly; rescaled only where 128 bits do not take that."""
    frac = max(a.type.frac_bits, b.type.frac_bits)
    widest = max(x.type.magnitude << frac - x.type.frac_bits for x in (a, b))
    needed = smallest_ring(-widest, widest)
    if needed is None:
        x, y = same_place([a, b])
        return x, y
    a, b = at_scale(a, frac), at_scale(b, frac)
    ring_bits = max(needed, a.type.ring, b.type.ring)
    return in_ring(a, ring_bits), in_ring(b, ring_bits)


def _clipped(values: NDArray[Any], t: Type) -> NDArray[Any]:
    """The integers drawn in to the type's bounds."""
    dtype = object if t.magnitude >= 1 << 62 or values.dtype == object else np.int64
    lo, hi = np.asarray(t.lo, dtype=dtype), np.asarray(t.hi, dtype=dtype)
    least = np.asarray(np.maximum(np.asarray(values, dtype=dtype), lo), dtype=dtype)
    return np.asarray(np.minimum(least, hi), dtype=dtype)


def stored_above(x: Recorded, values: NDArray[Any]) -> Recorded:
    """Whether the stored integers are greater than public ones."""
    return logical_not(stored_below(x, values + 1))


def stored_below(x: Recorded, values: NDArray[Any]) -> Recorded:
    """Whether the stored integers are less than public ones.

    Those beyond x's bounds are drawn in to them, which needs no wider ring: no x is below the lower bound, and where
    the public integer was above the upper one the answer is public.
    """
    values = np.asarray(values)
    inside = _clipped(values, x.type)
    shape = broadcast_shapes(x.type.shape, values.shape)
    try:
        result = negative(_minus(x, inside))
    except PlanError:
        result = less(x, shared_integers(x, np.broadcast_to(inside, shape), x.type.frac_bits))
    always = np.asarray(values > x.type.hi, dtype=bool)
    if not always.any():
        return broadcast_to(result, shape)
    mask = bool_constant(x.graph, np.broadcast_to(~always, shape))
    return logical_not(x.graph.node("mask", (logical_not(broadcast_to(result, shape)), mask)))


def _minus(x: Recorded, values: NDArray[Any]) -> Recorded:
    """x minus public integers at its own scale. PlanError if the difference fits no ring."""
    frac, nominal = x.type.frac_bits, x.type.nominal if x.type.frac_bits else 0
    lo, hi = bounds_of(values)
    widest = magnitude(x.type.lo - hi, x.type.hi - lo)
    ring_bits = max(x.type.ring, fitting_ring(-widest, widest, "a difference", (x,)))
    return x.graph.node("subtract", (in_ring(x, ring_bits), number_constant(x.graph, values, frac, nominal, ring_bits)))


def equal(a: Operand, b: Operand) -> Recorded:
    """a == b; exact, public numbers read as `plan.record.public` says."""
    if not isinstance(a, Recorded):
        a, b = b, a
    assert isinstance(a, Recorded)
    if isinstance(b, Recorded):
        if a.type.is_bool and b.type.is_bool:
            return logical_not(logical_xor(a, b))
        a, b = _together(number(a), number(b))
        widest = magnitude(a.type.lo - b.type.hi, a.type.hi - b.type.lo)
        needed = smallest_ring(-widest, widest)
        if needed is None:
            return logical_not(logical_or(less(a, b), less(b, a)))
        a, b = (in_ring(x, max(needed, x.type.ring)) for x in (a, b))
        return a.graph.node("is_zero", (a.graph.node("subtract", (a, b)),))
    if a.type.is_bool and b.dtype.kind == "b":
        return logical_not(logical_xor(a, b))
    return stored_equal(number(a), *thresholds(b, a.type))


def stored_equal(x: Recorded, below: NDArray[Any], above: NDArray[Any]) -> Recorded:
    """Whether the stored integers are public ones: those at which both arrays agree."""
    possible = np.asarray((below >= x.type.lo) & (below <= x.type.hi) & (below == above), dtype=bool)
    shape = broadcast_shapes(x.type.shape, below.shape)
    inside = _clipped(below, x.type)
    try:
        result = x.graph.node("is_zero", (_minus(x, inside),))
    except PlanError:
        shared = shared_integers(x, np.broadcast_to(inside, shape), x.type.frac_bits)
        result = logical_not(logical_or(less(x, shared), less(shared, x)))
    result = broadcast_to(result, shape)
    if possible.all():
        return result
    return x.graph.node("mask", (result, bool_constant(x.graph, np.broadcast_to(possible, shape))))


def _pair(a: Operand, b: Operand) -> tuple[Recorded, Operand]:
    if not isinstance(a, Recorded):
        a, b = b, a
    assert isinstance(a, Recorded)
    shape = broadcast_shapes(_shape(a), _shape(b))
    other = broadcast_to(b, shape) if isinstance(b, Recorded) else np.broadcast_to(b, shape)
    return broadcast_to(a, shape), other


def _shape(x: Operand) -> tuple[int, ...]:
    return x.type.shape if isinstance(x, Recorded) else x.shape


def logical_and(a: Operand, b: Operand) -> Recorded:
    """a AND b."""
    x, y = _pair(a, b)
    if isinstance(y, Recorded):
        return x if x is y else x.graph.node("and", (x, y))
    return x.graph.node("mask", (x, bool_constant(x.graph, y)))


def logical_xor(a: Operand, b: Operand) -> Recorded:
    """a XOR b; local."""
    x, y = _pair(a, b)
    return x.graph.node("xor", (x, y if isinstance(y, Recorded) else bool_constant(x.graph, y)))


def logical_not(x: Recorded) -> Recorded:
    """NOT x; local."""
    return x.inputs[0] if x.operation.algebra is Algebra.NOT else x.graph.node("not", (x,))


def logical_or(a: Operand, b: Operand) -> Recorded:
    """a OR b, by De Morgan: one AND."""
    x, y = _pair(a, b)
    return logical_not(logical_and(logical_not(x), logical_not(y) if isinstance(y, Recorded) else ~y))


def reduce_and(x: Recorded, axes: tuple[int, ...]) -> Recorded:
    """Whether all along the axes; ceil(log2) rounds of ANDs."""
    rest = tuple(axis for axis in range(len(x.type.shape)) if axis not in axes)
    terms = math.prod(x.type.shape[axis] for axis in axes)
    shape = tuple(x.type.shape[axis] for axis in rest)
    columns = math.prod(shape)
    if not terms:
        return bool_node(x, np.ones(shape, bool))
    x = x.graph.node("permute", (x,), AxisOrder((*axes, *rest)))
    x = x.graph.node("reshape", (x,), NewShape((terms, columns)))
    while terms > 1:
        half = terms // 2
        front, back = (x.graph.node("slice", (x,), Ranges(((start, half, 1), (0, columns, 1)))) for start in (0, half))
        both = x.graph.node("and", (front, back))
        if terms % 2:
            last = x.graph.node("slice", (x,), Ranges(((terms - 1, 1, 1), (0, columns, 1))))
            both = x.graph.node("concat", (both, last), Axis(0))
        x, terms = both, half + terms % 2
    return x.graph.node("reshape", (x,), NewShape(shape))


def bool_node(like: Recorded, values: NDArray[Any]) -> Recorded:
    """Public bools as a secret bool array: XORed into a secret array of zeros made from `like`.

    Axes that both have, counted from the last, go on as they are, so that the zeros stay with the rows of `like`.
    """
    if not like.type.size:
        # the sum of nothing is a shared zero, and that is not negative
        nothing = negative(total(like, tuple(range(len(like.type.shape)))))
        return logical_xor(broadcast_to(nothing, values.shape), values)
    empty, shape = like.graph.node("xor", (like, like)), like.type.shape
    aligned = (1,) * (len(shape) - values.ndim) + values.shape[max(0, values.ndim - len(shape)) :]
    kept = tuple(n if n == wanted else 1 for n, wanted in zip(shape, aligned, strict=True))
    if kept != shape:
        empty = like.graph.node("slice", (empty,), Ranges(tuple((0, n, 1) for n in kept)))
    ones = (1,) * (values.ndim - len(shape))
    own = ones + kept[max(0, len(shape) - values.ndim) :]
    return logical_xor(broadcast_to(_shaped(empty, own), values.shape), values)


def _shaped(x: Recorded, shape: tuple[int, ...]) -> Recorded:
    return x if x.type.shape == shape else x.graph.node("reshape", (x,), NewShape(shape))


def truth(like: Recorded, shape: tuple[int, ...]) -> Recorded:
    """Secret bools of this shape that all hold, in the session of `like`; beside numbers one comparison."""
    if like.type.is_bool or not like.type.size:
        return bool_node(like, np.ones(shape, bool))
    flat = like.graph.node("reshape", (like,), NewShape((like.type.size,)))
    first = like.graph.node("slice", (flat,), Ranges(((0, 1, 1),)))
    # minus one is negative
    true = negative(shared_integers(like.graph.node("reshape", (first,), NewShape(())), -1))
    return broadcast_to(true, shape)


def inject(bit: Recorded, x: Recorded) -> Recorded:
    """x where the bit is set, else 0."""
    shape = broadcast_shapes(bit.type.shape, x.type.shape)
    return x.graph.node("inject", (broadcast_to(bit, shape), broadcast_to(x, shape)))


def select(bit: Recorded, a: Operand, b: Operand) -> Recorded:
    """a where the bit is set, else b."""
    if not isinstance(a, Recorded) and not isinstance(b, Recorded):
        return _select_public(bit, a, b)
    if isinstance(a, Recorded) and isinstance(b, Recorded):
        if a.type.is_bool and b.type.is_bool:
            return logical_xor(b, logical_and(bit, logical_xor(a, b)))
        a, b = same_place([number(a), number(b)])
    chosen = _added(bit, a, b)
    while any(isinstance(x, Recorded) and x.type.frac_bits > chosen.type.frac_bits for x in (a, b)):
        # they go together at fewer fractional bits only: choose between the rescaled values themselves
        frac = chosen.type.frac_bits
        a, b = (at_scale(x, frac) if isinstance(x, Recorded) and x.type.frac_bits > frac else x for x in (a, b))
        chosen = _added(bit, a, b)
    shift = chosen.type.frac_bits
    ends = [bounds_at(x, shift) for x in (a, b)]
    lo, hi = min(lo for lo, _ in ends), max(hi for _, hi in ends)
    return bounded(chosen, lo, hi, SELECTED)


def _added(bit: Recorded, a: Operand, b: Operand) -> Recorded:
    """b + (a - b where the bit is set)."""
    return linear("add", inject(bit, linear("subtract", a, b)), b)


def _select_public(bit: Recorded, a: NDArray[Any], b: NDArray[Any]) -> Recorded:
    """One of two public numbers, each rounded to the scale of floats at most: never their difference."""
    frac = DEFAULT_FRAC_BITS if "f" in (a.dtype.kind, b.dtype.kind) else 0
    x, y = (integers(value, frac) for value in (a, b))
    wide = any(value.dtype == object or magnitude(*bounds_of(value)) >= 1 << 62 for value in (x, y))
    x, y = (np.asarray(value, dtype=object if wide else np.int64) for value in (x, y))
    difference = np.asarray(x - y)
    if difference.size and (difference == difference.flat[0]).all():
        difference = np.asarray(difference.flat[0])  # one number, as between neighbouring places
    shape = broadcast_shapes(bit.type.shape, x.shape, y.shape)
    chosen = linear("add", multiply(number(broadcast_to(bit, shape)), difference), y)
    return renamed(chosen, frac, frac) if frac else chosen


def absolute(x: Recorded) -> Recorded:
    """|x|."""
    x = number(x)
    if x.type.lo >= 0:
        return x
    result = select(negative(x), negate(x), x)
    return bounded(result, 0, result.type.hi, SELECTED)


def sign(x: Recorded) -> Recorded:
    """-1, 0 or 1."""
    x = number(x)
    below, above = negative(x), negative(negate(x))
    return linear("subtract", number(above), number(below))


def at_least(x: Recorded, least: int, reason: Reason = SELECTED) -> Recorded:
    """The larger of x and a stored integer. By the comparison that `x >= least` is, so that both are one.

    With a reason that is a domain, what x below it gives means nothing (`plan.record.validity`)."""
    difference = _minus(x, np.asarray(least))
    bit = logical_not(negative(difference))
    chosen = x.graph.node("add", (inject(bit, difference), difference.inputs[1]))
    found = bounded(chosen, least, max(x.type.hi, least), reason)
    return marked(found, reason) if found is chosen and reason.domain else found


def at_most(x: Recorded, most: int, reason: Reason = SELECTED) -> Recorded:
    """The smaller of x and a stored integer; as `at_least`."""
    return negate(at_least(negate(x), -most, reason))


def minimum(a: Operand, b: Operand) -> Recorded:
    """The smaller of two."""
    return _extreme(a, b, min)


def maximum(a: Operand, b: Operand) -> Recorded:
    """The larger of two."""
    return _extreme(a, b, max)


def _extreme(a: Operand, b: Operand, which: Any) -> Recorded:
    x, y = (a, b) if isinstance(a, Recorded) else (b, a)
    assert isinstance(x, Recorded)
    if isinstance(y, Recorded):
        x, y = same_place([number(x), number(y)])
    difference = linear("subtract", x, y)
    below = negative(difference)
    bit = below if which is min else logical_not(below)
    chosen = linear("add", inject(bit, difference), y)
    frac = chosen.type.frac_bits
    (xl, xh), (yl, yh) = bounds_at(x, frac), bounds_at(y, frac)
    return bounded(chosen, which(xl, yl), which(xh, yh), SELECTED)
