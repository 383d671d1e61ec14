"""Comparisons, choices and bools on recorded values."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tercet.errors import PlanError
from tercet.plan.build import (
    Operand,
    broadcast_to,
    linear,
    multiply,
    negate,
    number,
    same_place,
    shared_integers,
    total,
)
from tercet.plan.graph import Node
from tercet.plan.public import bool_constant, bounds_of, integers, number_constant
from tercet.plan.scale import at_scale, bounded, fitting_ring, in_ring
from tercet.plan.types import Type, magnitude


def negative(x: Node) -> Node:
    """x < 0."""
    return x.graph.node("negative", (number(x),), (0,))


def less(a: Operand, b: Operand) -> Node:
    """a < b; exact, also for public numbers that lie between two representable ones."""
    if isinstance(a, Node) and isinstance(b, Node):
        a, b = same_place([number(a), number(b)])
        if max((a.type.lo - b.type.hi).bit_length(), (a.type.hi - b.type.lo).bit_length()) >= a.type.ring:
            a, b = in_ring(a, 128), in_ring(b, 128)
        return a.graph.node("less", (a, b), (0,))
    if isinstance(a, Node):
        assert not isinstance(b, Node)
        return _below(number(a), _thresholds(b, number(a).type.frac_bits, np.ceil))
    assert isinstance(b, Node)
    return logical_not(_below(number(b), _thresholds(a, number(b).type.frac_bits, np.floor) + 1))


def less_equal(a: Operand, b: Operand) -> Node:
    """a <= b."""
    return logical_not(less(b, a))


def _thresholds(k: NDArray[Any], frac_bits: int, rounding: Any) -> NDArray[Any]:
    """The integers next to k * 2^frac_bits on one side, exactly (far beyond every ring, only their size is kept)."""
    if k.dtype.kind == "f":
        with np.errstate(over="ignore"):
            scaled = np.clip(np.ldexp(k, frac_bits), -(2.0**160), 2.0**160)
        values = integers(np.asarray(rounding(scaled)), 0)
    else:
        values = integers(k.astype(np.int64) if k.dtype.kind == "b" else k, frac_bits)
    narrow = values.dtype == np.int64 and (not values.size or np.abs(values).max() < 1 << 61)
    return values if narrow else np.asarray(values, dtype=object)


def _clipped(values: NDArray[Any], t: Type) -> NDArray[Any]:
    """The integers drawn in to the type's bounds."""
    dtype = object if t.magnitude >= 1 << 62 or values.dtype == object else np.int64
    lo, hi = np.asarray(t.lo, dtype=dtype), np.asarray(t.hi, dtype=dtype)
    least = np.asarray(np.maximum(np.asarray(values, dtype=dtype), lo), dtype=dtype)
    return np.asarray(np.minimum(least, hi), dtype=dtype)


def _below(x: Node, values: NDArray[Any]) -> Node:
    """Whether the stored integers are less than public ones.

    Those beyond x's bounds are drawn in to them, which needs no wider ring: no x is below the lower bound, and where
    the public integer was above the upper one the answer is public.
    """
    values = np.asarray(values)
    inside = _clipped(values, x.type)
    shape = tuple(int(n) for n in np.broadcast_shapes(x.type.shape, values.shape))
    try:
        result = negative(_minus(x, inside))
    except PlanError:
        result = less(x, shared_integers(x, np.broadcast_to(inside, shape), x.type.frac_bits))
    always = np.asarray(values > x.type.hi, dtype=bool)
    if not always.any():
        return broadcast_to(result, shape)
    mask = bool_constant(x.graph, np.broadcast_to(~always, shape))
    return logical_not(x.graph.node("mask", (logical_not(broadcast_to(result, shape)), mask)))


def _minus(x: Node, values: NDArray[Any]) -> Node:
    """x minus public integers at its own scale. PlanError if the difference fits no ring."""
    frac, nominal = x.type.frac_bits, x.type.nominal if x.type.frac_bits else 0
    lo, hi = bounds_of(values)
    widest = magnitude(x.type.lo - hi, x.type.hi - lo)
    ring_bits = max(x.type.ring, fitting_ring(-widest, widest, "a difference", (x,)))
    return x.graph.node("subtract", (in_ring(x, ring_bits), number_constant(x.graph, values, frac, nominal, ring_bits)))


def equal(a: Operand, b: Operand) -> Node:
    """a == b; exact, also for public numbers that no stored integer represents."""
    if not isinstance(a, Node):
        a, b = b, a
    assert isinstance(a, Node)
    if isinstance(b, Node):
        if a.type.is_bool and b.type.is_bool:
            return logical_not(logical_xor(a, b))
        try:
            return _zero(linear("subtract", a, b))
        except PlanError:
            return logical_not(logical_or(less(a, b), less(b, a)))
    if a.type.is_bool and b.dtype.kind == "b":
        return logical_not(logical_xor(a, b))
    a = number(a)
    values = np.asarray(_thresholds(b, a.type.frac_bits, np.floor))
    possible = (values >= a.type.lo) & (values <= a.type.hi) & (values == _thresholds(b, a.type.frac_bits, np.ceil))
    possible = np.asarray(possible, dtype=bool)
    shape = tuple(int(n) for n in np.broadcast_shapes(a.type.shape, b.shape))
    inside = _clipped(values, a.type)
    try:
        result = _zero(_minus(a, inside))
    except PlanError:
        shared = shared_integers(a, np.broadcast_to(inside, shape), a.type.frac_bits)
        result = logical_not(logical_or(less(a, shared), less(shared, a)))
    result = broadcast_to(result, shape)
    if possible.all():
        return result
    return a.graph.node("mask", (result, bool_constant(a.graph, np.broadcast_to(possible, shape))))


def _zero(x: Node) -> Node:
    return x.graph.node("is_zero", (x,), (0,))


def _pair(a: Operand, b: Operand) -> tuple[Node, Operand]:
    if not isinstance(a, Node):
        a, b = b, a
    assert isinstance(a, Node)
    shape = tuple(int(n) for n in np.broadcast_shapes(_shape(a), _shape(b)))
    other = broadcast_to(b, shape) if isinstance(b, Node) else np.broadcast_to(b, shape)
    return broadcast_to(a, shape), other


def _shape(x: Operand) -> tuple[int, ...]:
    return x.type.shape if isinstance(x, Node) else x.shape


def logical_and(a: Operand, b: Operand) -> Node:
    """a AND b."""
    x, y = _pair(a, b)
    if isinstance(y, Node):
        return x if x is y else x.graph.node("and", (x, y))
    return x.graph.node("mask", (x, bool_constant(x.graph, y)))


def logical_xor(a: Operand, b: Operand) -> Node:
    """a XOR b; local."""
    x, y = _pair(a, b)
    return x.graph.node("xor", (x, y if isinstance(y, Node) else bool_constant(x.graph, y)))


def logical_not(x: Node) -> Node:
    """NOT x; local."""
    return x.inputs[0] if x.operation.name == "not" else x.graph.node("not", (x,))


def logical_or(a: Operand, b: Operand) -> Node:
    """a OR b, by De Morgan: one AND."""
    x, y = _pair(a, b)
    return logical_not(logical_and(logical_not(x), logical_not(y) if isinstance(y, Node) else ~y))


def reduce_and(x: Node, axes: tuple[int, ...]) -> Node:
    """Whether all along the axes; ceil(log2) rounds of ANDs."""
    rest = tuple(axis for axis in range(len(x.type.shape)) if axis not in axes)
    terms = math.prod(x.type.shape[axis] for axis in axes)
    shape = tuple(x.type.shape[axis] for axis in rest)
    columns = math.prod(shape)
    if not terms:
        return bool_node(x, np.ones(shape, bool))
    x = x.graph.node("permute", (x,), (*axes, *rest))
    x = x.graph.node("reshape", (x,), (terms, columns))
    while terms > 1:
        half = terms // 2
        front, back = (x.graph.node("slice", (x,), (start, half, 1, 0, columns, 1)) for start in (0, half))
        both = x.graph.node("and", (front, back))
        if terms % 2:
            last = x.graph.node("slice", (x,), (terms - 1, 1, 1, 0, columns, 1))
            both = x.graph.node("concat", (both, last), (0,))
        x, terms = both, half + terms % 2
    return x.graph.node("reshape", (x,), shape)


def bool_node(like: Node, values: NDArray[Any]) -> Node:
    """Public bools as a secret bool array: XORed into a secret array of zeros made from `like`."""
    if not like.type.size:
        # the sum of nothing is a shared zero, and that is not negative
        nothing = negative(total(like, tuple(range(len(like.type.shape)))))
        return logical_xor(broadcast_to(nothing, values.shape), values)
    empty = like.graph.node("xor", (like, like))
    flat = like.graph.node("reshape", (empty,), (like.type.size,))
    first = like.graph.node("slice", (flat,), (0, 1, 1))
    zeros = broadcast_to(like.graph.node("reshape", (first,), (1,) * max(1, values.ndim)), values.shape or (1,))
    zeros = like.graph.node("reshape", (zeros,), values.shape)
    return logical_xor(zeros, values)


def inject(bit: Node, x: Node) -> Node:
    """x where the bit is set, else 0."""
    shape = tuple(int(n) for n in np.broadcast_shapes(bit.type.shape, x.type.shape))
    return x.graph.node("inject", (broadcast_to(bit, shape), broadcast_to(x, shape)), (0,))


def select(bit: Node, a: Operand, b: Operand) -> Node:
    """a where the bit is set, else b."""
    if not isinstance(a, Node) and not isinstance(b, Node):
        return _select_public(bit, a, b)
    if isinstance(a, Node) and isinstance(b, Node):
        if a.type.is_bool and b.type.is_bool:
            return logical_xor(b, logical_and(bit, logical_xor(a, b)))
        a, b = same_place([number(a), number(b)])
    difference = linear("subtract", a, b)
    frac = difference.type.frac_bits
    if any(isinstance(x, Node) and x.type.frac_bits > frac for x in (a, b)):
        # their difference fits at fewer fractional bits only: choose between the rescaled values themselves
        a, b = (at_scale(x, frac) if isinstance(x, Node) and x.type.frac_bits > frac else x for x in (a, b))
        difference = linear("subtract", a, b)
    chosen = linear("add", inject(bit, difference), b)
    shift = chosen.type.frac_bits
    ends = [_ends(x, shift) for x in (a, b)]
    lo, hi = min(lo for lo, _ in ends), max(hi for _, hi in ends)
    return bounded(chosen, lo, hi, "selected between two values in these bounds")


def _ends(x: Operand, frac: int) -> tuple[int, int]:
    """Bounds of an operand's stored integers at this scale (which is never below its own)."""
    if isinstance(x, Node):
        up = frac - x.type.frac_bits
        return x.type.lo << up, x.type.hi << up
    values = integers(x, frac)
    return (int(values.min()), int(values.max())) if values.size else (0, 0)


def _select_public(bit: Node, a: NDArray[Any], b: NDArray[Any]) -> Node:
    difference = np.asarray(a.astype(object) - b.astype(object) if a.dtype.kind != "f" else a - b)
    if difference.dtype == object:
        difference = np.asarray(difference, dtype=np.float64 if b.dtype.kind == "f" else object)
    return linear("add", multiply(number(bit), difference), b)


def absolute(x: Node) -> Node:
    """|x|."""
    x = number(x)
    if x.type.lo >= 0:
        return x
    result = select(negative(x), negate(x), x)
    return bounded(result, 0, result.type.hi, "selected between two values in these bounds")


def sign(x: Node) -> Node:
    """-1, 0 or 1."""
    x = number(x)
    below, above = negative(x), negative(negate(x))
    return linear("subtract", number(above), number(below))


def minimum(a: Operand, b: Operand) -> Node:
    """The smaller of two."""
    return _extreme(a, b, min)


def maximum(a: Operand, b: Operand) -> Node:
    """The larger of two."""
    return _extreme(a, b, max)


def _extreme(a: Operand, b: Operand, which: Any) -> Node:
    x, y = (a, b) if isinstance(a, Node) else (b, a)
    assert isinstance(x, Node)
    if isinstance(y, Node):
        x, y = same_place([number(x), number(y)])
    difference = linear("subtract", x, y)
    below = negative(difference)
    bit = below if which is min else logical_not(below)
    chosen = linear("add", inject(bit, difference), y)
    frac = chosen.type.frac_bits
    (xl, xh), (yl, yh) = _ends(x, frac), _ends(y, frac)
    return bounded(chosen, which(xl, yl), which(xh, yh), "selected between two values in these bounds")
