"""Sums over all rows whose key is not above a limit of each row: what groups, windows and ranks are made of.

The sum depends on the row's own limits and, of all rows, on how many there are with which keys and elements, wherever
they stand. So it has a rule of rows of its own (decision 012), which what a permutation has moved cannot have.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tercet.array import manipulation, movement
from tercet.array.core import SecretArray
from tercet.array.ordering import sort_keys
from tercet.plan.record import build
from tercet.plan.record.scale import bounded, fitting_ring, in_ring, least_ring, renamed, settle
from tercet.plan.table.reasons import SELECTED


def sums_up_to(
    keys: SecretArray, limits: Sequence[SecretArray], columns: Sequence[SecretArray]
) -> list[list[SecretArray]]:
    """For each line of limits (n,) and each column of integers (n,), the secret line of sums over the rows whose key is
    at most the row's own limit. Keys and limits are lines of integers (n,).

    One sort of all keys and limits by the bits that their bounds leave, and two moves of the columns, each as long.
    Exact; nothing is opened but shuffled places. To a policy an element is about its own row, and in sum about all.
    """
    lines = manipulation.stack([keys, *limits])
    planes = sort_keys(build.number(settle(lines.undivided)))
    assert planes is not None, "limits differ from keys"
    rows = keys.shape[0]
    nodes = [renamed(build.number(settle(column.undivided)), 0, 0) for column in columns]
    ends = [(min(0, rows * node.type.lo), max(0, rows * node.type.hi)) for node in nodes]
    lo, hi = min(end[0] for end in ends), max(end[1] for end in ends)
    ring = max(fitting_ring(lo, hi, f"a sum of {rows} rows", nodes), *(node.type.ring for node in nodes))
    together = movement.concat([movement.reshape(in_ring(node, ring), (1, rows)) for node in nodes], 0)
    found = planes.graph.node("sums_up_to", (planes, together))

    def part(limit: int, column: int) -> SecretArray:
        line = movement.cut(found, [slice(column, column + 1), slice(limit, limit + 1)])
        line = least_ring(bounded(line, *ends[column], SELECTED))
        return keys.like(movement.reshape(line, (rows,)))

    return [[part(limit, column) for column in range(len(columns))] for limit in range(len(limits))]


def ones_like(x: SecretArray) -> SecretArray:
    """A secret line of ones, which depends on nothing."""
    return x.like(build.shared_integers(build.number(settle(x.undivided)), np.asarray(1)))
