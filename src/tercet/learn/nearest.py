"""Squared distances to a few points by one matrix product, and which of several numbers is the least, as bools."""

from __future__ import annotations

from typing import Any

from tercet.array import numeric
from tercet.learn.inputs import array_namespace

WORD_BITS = 61
LEAST_BITS = 8


def finest(rows: Any, reach: int, columns: int, most: int) -> int:
    """Fractional bits for points within `reach`, such that their products with rows, summed over columns, stay within
    64 bits; up to `most`, and no fewer than 8."""
    room = WORD_BITS - 1 - numeric.magnitude_bits(rows) - reach.bit_length() - columns.bit_length()
    return max(LEAST_BITS, min(most, room))


def distances(rows: Any, points: Any) -> tuple[Any, int]:
    """(k, n): |p|^2 - 2 x.p of points p (k, d) and rows x (n, d), the squared distance less |x|^2; as integers, and how
    many fractional bits these have. Exact but for |p|^2, which is rounded to that scale."""
    xp = array_namespace(rows, points)
    across = xp.matmul(points * -2, xp.matrix_transpose(rows))
    squares = numeric.no_finer(xp.sum(points * points, axis=1), across)
    return numeric.as_integers(xp.expand_dims(squares, axis=1) + across)


def least(values: Any) -> tuple[Any, list[Any]]:
    """Along the first axis: the least, (n,), and for each place whether the first least stands there, as bools (n,).

    A tournament of ceil(log2 k) levels; bools alone follow the winner, by one AND each and level.
    """
    xp = array_namespace(values)
    groups = [[None] for _ in range(values.shape[0])]
    while values.shape[0] > 1:
        count = values.shape[0]
        even = count - count % 2
        front, back = values[0:even:2], values[1:even:2]
        later = back < front
        found = xp.where(later, back, front)
        values = found if even == count else xp.concat([found, values[even:]], axis=0)
        sooner = xp.logical_not(later)
        joined = []
        for at in range(even // 2):
            kept = [_both(xp, one, sooner[at]) for one in groups[2 * at]]
            joined.append(kept + [_both(xp, one, later[at]) for one in groups[2 * at + 1]])
        groups = joined + groups[even:]
    only = groups[0]
    if only == [None]:
        only = [values[0] == values[0]]
    return values[0], only


def _both(xp: Any, one: Any, other: Any) -> Any:
    return other if one is None else xp.logical_and(one, other)


def as_numbers(xp: Any, chosen: list[Any]) -> Any:
    """(k, n): the bools as 0 and 1; the last is what the others leave of 1."""
    if len(chosen) == 1:
        return xp.stack(chosen) * 1
    first = xp.stack(chosen[:-1]) * 1
    return xp.concat([first, xp.expand_dims(1 - xp.sum(first, axis=0), axis=0)], axis=0)


def places(xp: Any, chosen: list[Any]) -> Any:
    """(n,): the place of the one that is True."""
    found: Any = 0
    for at, one in enumerate(chosen[1:], start=1):
        found = found + one * at
    return found if len(chosen) > 1 else chosen[0] * 0
