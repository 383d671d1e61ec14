"""Bits of recorded numbers, how many are set, and one-hot vectors: what ordering and counting are made of."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tercet.errors import PlanError
from tercet.plan.record.build import as_node, broadcast_to, linear, number, total
from tercet.plan.record.graph import Recorded
from tercet.plan.record.logic import logical_and, logical_not, logical_xor, stored_equal
from tercet.plan.record.public import DEFAULT_FRAC_BITS
from tercet.plan.record.scale import at_scale, renamed
from tercet.plan.table.attributes import Axes, Axis, BitCount, BitRange, Contraction, NewShape, Ranges
from tercet.plan.table.ops_order import table_shape
from tercet.plan.types import limit
from tercet.protocols.lookup import lookup_cost


def count(x: Recorded, axes: tuple[int, ...]) -> Recorded:
    """How many bools are set along the axes, as integers; 3 rounds, and few bits for each bool."""
    if not axes or not math.prod(x.type.shape[axis] for axis in axes):
        return total(number(x), axes)
    return x.graph.node("count", (x,), Axes(axes))


def all_set(x: Recorded, axes: tuple[int, ...]) -> Recorded:
    """Whether all along the axes are set, by how many are not: to the analysis of rows an aggregate over all of them,
    and cut along them as a sum is."""
    return stored_equal(count(logical_not(x), axes), np.asarray(0), np.asarray(0)) if axes else x


def row(x: Recorded, at: int) -> Recorded:
    """x[at]."""
    shape = x.type.shape
    ranges = Ranges(((at, 1, 1), *((0, length, 1) for length in shape[1:])))
    return x.graph.node("reshape", (x.graph.node("slice", (x,), ranges),), NewShape(shape[1:]))


def bits(x: Recorded, width: int, start: int = 0) -> list[Recorded]:
    """The `width` low bits of stored integers, the lowest first, without those below `start`."""
    if width <= start:
        return []
    planes = (
        x.graph.node("upper_bits", (x,), BitRange(start, width))
        if start
        else x.graph.node("bits", (x,), BitCount(width))
    )
    return [row(planes, at) for at in range(width - start)]


def ordered_bits(x: Recorded) -> Recorded | None:
    """Bits, along a new first axis and the lowest first, of integers in the order of x that are not negative; None
    where all are the same.

    As few as the bounds permit: those of x less its lower bound, where the ring has room for that, else of the two's
    complement with its sign turned round.
    """
    x = renamed(number(x), 0, 0)
    span = x.type.hi - x.type.lo
    if not span:
        return None
    if span < limit(x.type.ring):
        shifted = linear("subtract", x, np.asarray(x.type.lo, dtype=object)) if x.type.lo else x
        return x.graph.node("bits", (shifted,), BitCount(span.bit_length()))
    planes = x.graph.node("bits", (x,), BitCount(x.type.bits))
    top = np.zeros((x.type.bits, *([1] * len(x.type.shape))), dtype=np.bool_)
    top[-1] = True
    return logical_xor(planes, top)


def lowest(x: Recorded) -> int:
    """What `ordered_bits` counts from: the stored integer whose bits are all zero."""
    fits = x.type.hi - x.type.lo < limit(x.type.ring)
    return x.type.lo if fits else -(1 << x.type.bits - 1)


def one_hot(planes: list[Recorded]) -> Recorded:
    """Of integers, by their bits from the lowest on, the vector over all values: a new first axis of 2^k bools.

    2^k - 2 ANDs in k - 1 rounds. PlanError without a bit.
    """
    if not planes:
        raise PlanError("a one-hot vector of no bits")
    hot = _both(logical_not(planes[0]), planes[0])
    for plane in planes[1:]:
        wide = broadcast_to(plane, hot.type.shape)
        above = logical_and(hot, wide)
        hot = hot.graph.node("concat", (logical_xor(hot, above), above), Axis(0))
    return hot


def select(chosen: Recorded, rows: Recorded) -> Recorded:
    """The XOR of rows where bools along the first axis choose them, broadcast together; sent as one row."""
    return rows.graph.node("select", (broadcast_to(chosen, rows.type.shape), rows), Contraction((0,)))


def order_statistics(planes: Recorded, ranks: NDArray[np.int64]) -> Recorded:
    """(bits, ranks, lines): the bits of elements of these ranks in each line, of bits (bits, lines, length) of numbers
    that are not negative, the lowest first."""
    bits, lines, length = planes.type.shape
    planes = planes.graph.node("reshape", (planes,), NewShape((bits, 1, lines, length)))
    wanted = as_node(planes.graph, ranks.reshape(-1, 1, 1), 0)
    return planes.graph.node("order_statistics", (planes, wanted), Contraction((3,)))


def looked_up(places: Recorded, table: NDArray[Any]) -> Recorded | None:
    """(columns, ...): the lines of a public table (entries, columns), at places that are within it; None where
    `one_hot` vectors as words send less, as they do of many columns."""
    x = number(places)
    real = table.dtype.kind == "f"
    entries = as_node(x.graph, table, DEFAULT_FRAC_BITS)
    s = table_shape(entries.type)
    count = max(1, min(x.type.size, 1 << 15))
    words = ((2 << s.digit) + s.columns) * s.ring.word_bytes * count
    if lookup_cost(count, s).bytes_per_party > words:
        return None
    found = x.graph.node("lookup", (x, entries))
    return renamed(at_scale(found, DEFAULT_FRAC_BITS), DEFAULT_FRAC_BITS, DEFAULT_FRAC_BITS) if real else found


def _both(a: Recorded, b: Recorded) -> Recorded:
    """Two arrays of one shape along a new first axis."""
    shape = (1, *a.type.shape)
    a, b = (x.graph.node("reshape", (x,), NewShape(shape)) for x in (a, b))
    return a.graph.node("concat", (a, b), Axis(0))
