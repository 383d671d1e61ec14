"""One chosen person's value through sums over 101 rows alone, with no false claim: where a row stands, and how its
shares lie on the nodes' disks, must not show in how it is rounded. An engine without the coin fails here: it rounds a
stored share the same way in every job, and another way in a piece of another solo party (claims page, H1)."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from node.jobs_at_nodes import Asked
from node.trio_nodes import Nodes
from tercet.array import manipulation
from tercet.array.core import SecretArray
from tercet.plan.table.attributes import Scale, Shift
from tercet.protocols.pieces import ROTATE_FROM, pieces
from tercet.protocols.product import PIECE

ROWS, JOBS = 101, 8
BITS = 16
COUNT = 3 * ROTATE_FROM
HALF = 1 << (BITS - 1)
"""Every value ends in one half of what is rounded away: a fair coin decides for each."""


def rounded(x: SecretArray) -> SecretArray:
    """The column, divided by 2^BITS with the rounding of stored values."""
    node = x.node
    fixed = node.graph.node("rename", (node,), Scale(BITS, 0))
    return x.like(node.graph.node("rescale", (fixed,), Shift(BITS)))


def placed(x: SecretArray, place: int) -> SecretArray:
    """The target, row 0, at a place of an array that is cut in three pieces; the other rows at its end."""
    total = x.sum()
    zeros = manipulation.broadcast_to(manipulation.reshape(total - total, (1,)), (COUNT - ROWS,))
    places = np.concatenate([np.arange(ROWS, COUNT), np.arange(1, ROWS)])
    return manipulation.take(manipulation.concat([x, zeros]), np.insert(places, place, 0))


def role4(x: SecretArray) -> SecretArray:
    """The target in one piece, and in another: what differs is about its mask alone."""
    cuts = pieces(COUNT, PIECE)
    assert len(cuts) == 3
    sums = [rounded(placed(x, cut.start + 5)).sum() for cut in cuts]
    return manipulation.stack([sums[0] - sums[1], sums[0] - sums[2]])


def onejob(x: SecretArray) -> SecretArray:
    """The same for a share that the job has computed, and uses again and again."""
    one = x - x + 1
    computed = x * one
    return manipulation.stack([rounded(computed).sum() - rounded(computed + (k << BITS)).sum() for k in range(1, 7)])


def e2e(x: SecretArray) -> SecretArray:
    """A sum of roundings as it is, in one job after the other."""
    return manipulation.stack([rounded(x).sum()])


@pytest.mark.parametrize("attack", [role4, onejob, e2e])
def test_roundings_are_no_thresholds_of_a_stored_share(
    nodes: Nodes, attack: Callable[[SecretArray], SecretArray]
) -> None:
    dataset = f"rounding-{attack.__name__}"
    rng = np.random.default_rng(5)
    nodes.upload(dataset, [[int(value) * (1 << BITS) + HALF for value in rng.integers(0, 1 << 20, ROWS)]])
    seen = np.array([Asked(nodes, dataset, attack).sent().result() for _ in range(JOBS)], dtype=np.int64)
    for column in seen.T:
        assert len(set(column)) > 2, f"the same in every job: {column}"
    if attack is onejob:
        # the same share, used again within a job, rounds anew: sums differ by more than whole steps
        offsets = seen + ROWS * np.arange(1, 7)
        assert len(set(offsets.ravel())) > 4
