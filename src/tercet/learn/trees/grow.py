"""Growing trees level by level: all nodes of a level, of all trees, at once. Shapes are public, nothing else.

The sums of all columns over all bins of all nodes are one matrix product. A right child's sums are its parent's less
its sibling's. Every edge of every column is a candidate; its gain is two quotients; the first greatest one wins, where
gains that rounding alone parts count as equal. A node without one passes its rows on to the left.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from tercet.array import numeric, planes
from tercet.array.core import SecretArray
from tercet.array.entropies import xlogy
from tercet.learn.inputs import array_namespace
from tercet.learn.trees.bins import Binned

WORD_BITS = 60
"""Squares of sums have so many bits at most, so that quotients by them fit the ring 2^64."""
GAIN_BITS = 36
"""Gains have about so many bits."""
ENTROPY_BITS = 40
"""Gains in entropy: logarithms are worked out to as many bits as are asked for."""


@dataclass(frozen=True)
class GrowthRule:
    """What is public of how trees grow."""

    depth: int
    least_leaf: int
    least_split: int
    least_gain: float
    """A split gains more, in the sum of squares over weights."""
    l2: float
    most: int
    """Sums of squares over weights are not above it."""
    entropy: bool = False
    """Gains are in rows times bits of entropy, in place of sums of squares over weights."""

    @property
    def gain_frac(self) -> int:
        return max(4, (ENTROPY_BITS if self.entropy else GAIN_BITS) - self.most.bit_length())

    @property
    def rounding(self) -> float:
        """What rounding may part scores by that are equal."""
        return 2.0 ** ((6 if self.entropy else 3) - self.gain_frac)

    @property
    def threshold(self) -> float:
        """What a split must gain: rounding counts as nothing."""
        return max(self.least_gain, self.rounding)


@dataclass(frozen=True)
class SummedColumns:
    """What is summed over rows: `stored` (trees, columns, n) integers. The first `targets` columns are squared."""

    stored: Any
    targets: int
    target_frac: int
    weight: int | None = None
    """The column by which squares are divided; without one the sum of the targets."""
    weight_frac: int = 0
    count: int | None = None
    """The column that counts rows; without one the weight."""

    def target(self, sums: Any) -> Any:
        """Of sums (trees, nodes, columns, ...)."""
        return numeric.times_power(sums[:, :, : self.targets], -self.target_frac, self.target_frac)

    def weighed(self, sums: Any) -> Any:
        if self.weight is None:
            return array_namespace(sums).sum(sums[:, :, : self.targets], axis=2)
        return numeric.times_power(sums[:, :, self.weight], -self.weight_frac, self.weight_frac)

    def counted(self, sums: Any) -> Any:
        return self.weighed(sums) if self.count is None else sums[:, :, self.count]


@dataclass(frozen=True)
class Grown:
    """Trees: `features` (nodes, d, trees) hot bools in the order of a heap, `bins` planes (width, nodes, trees).

    `sums` (trees, leaves, columns) of the rows in each leaf, `gains` (nodes, trees), 0 where a node does not split.
    `last`: the columns of the nodes above the leaves (trees, nodes, columns, n), and whether rows go left (trees, n).
    """

    features: Any
    bins: Any
    sums: Any
    gains: Any
    last: tuple[Any, Any]


def grow(rows: Binned, columns: SummedColumns, rule: GrowthRule, allowed: Callable[[int], Any] | None = None) -> Grown:
    """Trees of `rule.depth` levels. `allowed(level)`: bools (trees, nodes, d, bins, or 1 for all), the candidates."""
    xp = array_namespace(columns.stored)
    trees, c, n = columns.stored.shape
    d, width = rows.columns, rows.width
    held = xp.expand_dims(columns.stored, axis=1)  # (trees, nodes, c, n)
    inside: Any = None
    before: Any = None
    left: Any = None
    found: list[tuple[Any, Any, Any]] = []
    for level in range(rule.depth):
        nodes = 1 << level
        fresh = held if left is None else left
        sums = xp.matmul(fresh.reshape((-1, n)), rows.hot).reshape((trees, fresh.shape[1], c, d, 1 << width))
        sums = xp.cumulative_sum(sums, axis=4)
        before = sums if left is None else _interleaved(xp, sums, before - sums)
        best, place, whole = _best(xp, before, columns, rule, None if allowed is None else allowed(level))
        gain = best - whole
        live = gain > rule.threshold
        if rule.least_split > 1:
            totals = columns.counted(before[:, :, :, 0, -1])
            live = xp.logical_and(live, totals >= rule.least_split)
        bin_, feature = planes.split_place(place, width)
        hot = xp.logical_and(planes.one_hot(feature, d), xp.expand_dims(live, axis=0))  # (d, trees, nodes)
        hot = xp.permute_dims(hot, (2, 0, 1))
        bin_ = xp.permute_dims(bin_, (2, 0, 1))  # (nodes, planes, trees)
        found.append((hot, xp.permute_dims(bin_, (1, 0, 2)), xp.matrix_transpose(planes.where(live, gain))))
        goes = step(xp, inside, hot, bin_, rows.numbers)
        if level + 1 == rule.depth:
            break
        inside = split(xp, inside, goes)
        left = held * xp.expand_dims(planes.numbers_of(goes), axis=(1, 2))
        held = _interleaved(xp, left, held - left)
    went = planes.numbers_of(goes)
    each = xp.matmul(held.reshape((trees, -1, n)), xp.expand_dims(went, axis=2)).reshape((trees, nodes, c))
    parents = before[:, :, :, 0, -1]
    leaves = planes.unsplit(_interleaved(xp, each, parents - each))
    features, bins, gains = zip(*found, strict=True)
    return Grown(
        xp.concat(list(features), axis=0),
        xp.concat(list(bins), axis=1),
        leaves,
        xp.concat(list(gains), axis=0),
        (held, went),
    )


def _best(xp: Any, sums: Any, columns: SummedColumns, rule: GrowthRule, allowed: Any) -> tuple[Any, Any, Any]:
    """Of each node (trees, nodes): the greatest sum of both sides' scores, where it is, and the score of the node.

    `sums` (trees, nodes, columns, d, bins), from the first bin on.
    """
    whole = sums[:, :, :, :1, -1:]
    right = whole - sums
    bits = (WORD_BITS - (columns.targets - 1).bit_length()) // 2
    found = 0
    for side in (sums, right):
        found = found + _score(xp, columns.target(side), columns.weighed(side), bits, rule)
    counts = columns.counted(sums)
    here = xp.concat([counts[..., :1], counts[..., 1:] - counts[..., :-1]], axis=3)
    # an edge above an empty bin parts the node as the one before does: without it such ties end in the first edge
    enough = xp.logical_not(here == 0)
    if rule.least_leaf > 1:
        sides = xp.logical_and(counts >= rule.least_leaf, columns.counted(right) >= rule.least_leaf)
        enough = xp.logical_and(enough, sides)
    found = planes.where(enough, found)
    trees, nodes, d, bins = found.shape
    if allowed is not None:
        found = planes.where(xp.broadcast_to(allowed, found.shape), found)
    lines = xp.permute_dims(found, (2, 3, 0, 1)).reshape((d * bins, trees, nodes))
    # sums of numbers are rounded by a coin where their squares would not fit, and count by twice a mean in a score
    mean = math.sqrt(rule.most / columns.stored.shape[-1])
    apart = max(rule.rounding, 4 * mean * planes.lost(columns.target(right), bits))
    best, place = planes.greatest(lines, max(1, (d * bins - 1).bit_length()), apart)
    score = _score(xp, columns.target(whole), columns.weighed(whole), bits, rule)
    return best, place, score[:, :, 0, 0]


def _score(xp: Any, targets: Any, weights: Any, bits: int, rule: GrowthRule) -> Any:
    """Sum of squares over weights: targets (trees, nodes, k, ...), weights (trees, nodes, ...)."""
    if rule.entropy:
        return _knowledge(xp, targets, weights, rule.gain_frac)
    small = planes.coarse(targets, bits)
    return numeric.ratio(xp.sum(small * small, axis=2), weights + rule.l2, rule.most, rule.gain_frac)


def _knowledge(xp: Any, counts: Any, weights: Any, frac_bits: int) -> Any:
    """w (log2 k - entropy) of k classes, in bits: not below 0; splits gain as much in it as in entropy."""
    classes = counts.shape[2]
    each = xp.concat([counts, xp.expand_dims(weights, axis=2)], axis=2)
    if isinstance(each, SecretArray):
        stored = numeric.at_precision(each, frac_bits)
        each = xlogy(stored, stored)
    else:
        each = each * np.log(np.maximum(each, 1))
    known = numeric.at_precision(xp.sum(each[:, :, :classes], axis=2) - each[:, :, classes], frac_bits)
    known = numeric.at_precision(known * float(1 / np.log(2)), frac_bits)
    return known + numeric.at_precision(weights * float(np.log2(classes)), frac_bits)


def step(xp: Any, inside: Any, features: Any, thresholds: Any, numbers: Any) -> Any:
    """Whether rows go left at their nodes of a level: (trees, n).

    `inside` (nodes, trees, n) hot bools, None at the root; `features` (nodes, d, trees), `thresholds` (nodes, planes,
    trees), `numbers` planes (planes, d, n).
    """
    if inside is None:
        hot, limit = xp.expand_dims(features[0], axis=2), xp.expand_dims(thresholds[0], axis=2)
    else:
        at = xp.expand_dims(inside, axis=1)
        hot = planes.select(at, xp.expand_dims(features, axis=3))
        limit = planes.select(at, xp.expand_dims(thresholds, axis=3))
    return planes.passes(hot, xp.expand_dims(numbers, axis=2), limit)


def split(xp: Any, inside: Any, left: Any) -> Any:
    """(2 nodes, trees, n): in which child rows are."""
    if inside is None:
        return xp.stack([left, xp.logical_not(left)], axis=0)
    down = xp.logical_and(inside, xp.expand_dims(left, axis=0))
    both = xp.stack([down, xp.logical_xor(inside, down)], axis=1)
    return both.reshape((2 * inside.shape[0], *left.shape))


def _interleaved(xp: Any, left: Any, right: Any) -> Any:
    """Left and right children (trees, nodes, ...) in the order of their parents."""
    trees, nodes, *rest = left.shape
    return xp.stack([left, right], axis=2).reshape((trees, 2 * nodes, *rest))
