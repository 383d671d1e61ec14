"""Which of several public numbers a recorded one reaches: digit by digit, on its bits, for all of them together."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from tercet.plan.record.build import number
from tercet.plan.record.counting import lowest, one_hot, ordered_bits, row
from tercet.plan.record.graph import Recorded
from tercet.plan.record.logic import bool_node, logical_and, logical_not, logical_xor
from tercet.plan.record.public import number_constant
from tercet.plan.table.attributes import Axis, NewShape

FEWEST = 5
"""From so many edges on, this takes fewer bits than a comparison with each."""
_DIGIT_BITS = 4


def reached(x: Recorded, edges: Sequence[int]) -> Recorded:
    """(edges, n): whether the stored integers of a line are not below public ones.

    The bits of x once, 11 ANDs for each four of them, and 13 for each edge and 32 bits, in about 12 rounds, where
    comparisons take 60 bits an edge. Exact. An edge's digits are compared with x's by XORs of x's one-hot digits, and
    joined by a tree.
    """
    x = number(x)
    inside = [at for at, edge in enumerate(edges) if x.type.lo < edge <= x.type.hi]
    rows: list[Recorded] = []
    if inside:
        kept = np.array([edges[at] - lowest(x) for at in inside], dtype=object)
        rows.append(logical_not(_below(_bits(x), kept)))
    if len(inside) == len(edges):
        return rows[0]
    like = rows[0] if rows else x.graph.node("negative", (x,))
    size = x.type.size
    ends = bool_node(like, np.repeat([[False], [True]], size, axis=1))
    rows = [*rows, ends]
    every = rows[0].graph.node("concat", tuple(rows), Axis(0)) if len(rows) > 1 else ends
    places = {at: place for place, at in enumerate(inside)}
    outside = [len(inside) + int(edge <= x.type.lo) for edge in edges]
    return _taken(every, np.array([places.get(at, outside[at]) for at in range(len(edges))], dtype=np.int64))


def _bits(x: Recorded) -> list[Recorded]:
    planes = ordered_bits(x)
    assert planes is not None  # an edge lies inside the bounds
    return [row(planes, at) for at in range(planes.type.shape[0])]


def _taken(rows: Recorded, places: NDArray[np.int64]) -> Recorded:
    return rows.graph.node("take", (rows, number_constant(rows.graph, places, 0, 0, 64)), Axis(0))


def _below(planes: list[Recorded], edges: NDArray[np.object_]) -> Recorded:
    """(edges, n): whether integers, by their bits from the lowest on, are below public ones of as many bits."""
    terms: list[tuple[Recorded, Recorded]] = []
    for start in range(0, len(planes), _DIGIT_BITS):
        digit = planes[start : start + _DIGIT_BITS]
        hot = one_hot(digit)
        values = np.array([edge >> start & (1 << len(digit)) - 1 for edge in edges], dtype=np.int64)
        terms.append((_taken(_smaller(hot), values), _taken(hot, values)))
    while len(terms) > 1:
        joined = []
        for at in range(0, len(terms) - 1, 2):
            (below, equal), (below_high, equal_high) = terms[at], terms[at + 1]
            # what is equal in the lowest digits as well is not asked for
            both = logical_and(equal_high, equal) if at else equal
            joined.append((logical_xor(below_high, logical_and(equal_high, below)), both))
        terms = [*joined, *terms[len(terms) - len(terms) % 2 :]]
    return terms[0][0]


def _smaller(hot: Recorded) -> Recorded:
    """Of one-hot digits, for each value whether the digit is below it."""
    count, size = hot.type.shape
    so_far = logical_xor(row(hot, 0), row(hot, 0))
    lines = [so_far]
    for value in range(count - 1):
        so_far = logical_xor(so_far, row(hot, value)) if value else row(hot, 0)
        lines.append(so_far)
    flat = [line.graph.node("reshape", (line,), NewShape((1, size))) for line in lines]
    return hot.graph.node("concat", tuple(flat), Axis(0))
