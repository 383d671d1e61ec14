"""Grown or given trees as arrays that may be secret, and what they say of rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tercet.array import numeric, planes
from tercet.array.core import SecretArray
from tercet.array.loops import loop
from tercet.learn.inputs import array_namespace
from tercet.learn.trees.bins import Binned
from tercet.learn.trees.grow import Grown, split, step

MOST_BITS = 1 << 28
"""So many bits at most are selected at once for the nodes of one level; more trees are passed in turns."""


@dataclass(frozen=True)
class Forest:
    """Complete binary trees of a public depth, nodes in the order of a heap.

    `features` (nodes, d, trees): hot bools, none set where a node passes all rows to the left; `thresholds` (nodes,
    trees): a row goes left where its column is not above; `values` (k, trees, leaves). All three may be secret.
    """

    features: Any
    thresholds: Any
    values: Any

    @property
    def depth(self) -> int:
        return int(self.features.shape[0] + 1).bit_length() - 1

    @property
    def trees(self) -> int:
        return int(self.features.shape[2])


def thresholds_of(rows: Binned, features: Any, bins: Any) -> Any:
    """(nodes, trees): the edges of chosen columns (nodes, d, trees) at chosen bins (planes, nodes, trees), as numbers.

    The least bound, less a step, where no column is chosen.
    """
    xp = array_namespace(features)
    by_bin = planes.select(
        xp.expand_dims(planes.one_hot(bins, 1 << rows.width), axis=(1, 2)),
        xp.expand_dims(xp.permute_dims(rows.edges, (1, 0, 2)), axis=(3, 4)),
    )  # (bits, d, nodes, trees)
    found = planes.select(
        xp.expand_dims(xp.permute_dims(features, (1, 0, 2)), axis=1), xp.permute_dims(by_bin, (1, 0, 2, 3))
    )
    return planes.total(xp.expand_dims(found, axis=1), 0, rows.scale)


def of_grown(rows: Binned, grown: Grown, values: Any) -> Forest:
    return Forest(grown.features, thresholds_of(rows, grown.features, grown.bins), values)


def leaves(forest: Forest, X: Any) -> Any:
    """(leaves, trees, n): hot bools of the leaf that each row of X reaches in each tree. Nothing is opened.

    At each level a row's column and threshold are selected, as bits, by the node that it is at, and then compared:
    about five bits for each bit of X, one for every column and one for every node, a row and tree.
    """
    xp = array_namespace(X, forest.features)
    scale = planes.scale_of(X)
    numbers = planes.planes(xp.matrix_transpose(X), scale)
    limits = xp.permute_dims(planes.planes(forest.thresholds, scale), (1, 0, 2))  # (nodes, bits, trees)
    inside: Any = None
    for level in range(forest.depth):
        nodes = slice((1 << level) - 1, (2 << level) - 1)
        inside = split(xp, inside, step(xp, inside, forest.features[nodes], limits[nodes], numbers))
    return inside


def _summed(forest: Forest, X: Any) -> Any:
    """(k, n): the sum of the trees' values."""
    xp = array_namespace(X, forest.features)
    scale = planes.scale_of(forest.values)
    values = xp.permute_dims(planes.planes(forest.values, scale), (3, 0, 1, 2))  # (leaves, planes, k, trees)
    at = xp.expand_dims(leaves(forest, X), axis=(1, 2))
    return planes.total(planes.select(at, xp.expand_dims(values, axis=4)), 1, scale)


def summed(forest: Forest, X: Any) -> Any:
    """(k, n): the sum of the trees' values over all trees, for rows X (n, d). Nothing is opened.

    Exact, but for the rounding of the values themselves. Where rows times columns times nodes are many, groups of trees
    are passed in turns, in a loop of the plan.
    """
    xp = array_namespace(X, forest.features)
    n, d = X.shape
    group = max(1, MOST_BITS // max(1, n * max(d, 16) << max(0, forest.depth - 1)))
    if not isinstance(xp.sum(forest.values[:1, :1, :1]), SecretArray) or group >= forest.trees:
        return _summed(forest, X)
    turns = -(-forest.trees // group)
    group = -(-forest.trees // turns)
    short = turns * group - forest.trees
    parts = [forest.features, forest.thresholds, forest.values]
    if short:
        nothing = xp.logical_xor(parts[0][..., :short], parts[0][..., :short])
        parts = [
            xp.concat([parts[0], nothing], axis=2),
            xp.concat([parts[1], parts[1][:, :short]], axis=1),
            xp.concat([parts[2], parts[2][:, :short] * 0], axis=1),
        ]
    lo, hi = forest.values.bounds
    least, most = min(0, lo) * turns * group, max(0, hi) * turns * group
    step_ = 2.0**-forest.values.frac_bits

    def turn(features: Any, thresholds: Any, values: Any, total: Any) -> tuple[Any, ...]:
        now = Forest(features[..., :group], thresholds[:, :group], values[:, :group])
        found = total + _summed(now, X)
        return _rolled(xp, features, group, 2), _rolled(xp, thresholds, group, 1), _rolled(xp, values, group, 1), found

    start = _summed(Forest(parts[0][..., :1], parts[1][:, :1], parts[2][:, :1] * 0), X[:1]) * 0
    start = xp.broadcast_to(start, (forest.values.shape[0], n))
    ends = (least - turns * group * step_, most + turns * group * step_)
    return loop(turns, turn, *parts, start, bounds=[None, None, None, ends])[3]


def _rolled(xp: Any, x: Any, by: int, axis: int) -> Any:
    return xp.roll(x, -by, axis=axis)


def mean_of(sums: Any, weights: Any, most: int, frac_bits: int) -> Any:
    """Sums over weights, at most `most` in magnitude; 0 where the weight is 0."""
    xp = array_namespace(sums)
    below = sums < 0
    found = numeric.ratio(xp.abs(sums), xp.broadcast_to(weights, sums.shape), most, frac_bits)
    return xp.where(below, -found, found)
