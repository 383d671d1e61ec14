"""Many trees grown side by side, each on its own rows and candidates, which are public; in groups if they are large."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from tercet.array import numeric, planes
from tercet.array.core import SecretArray
from tercet.errors import InputError
from tercet.learn.inputs import array_namespace
from tercet.learn.public_random import PublicRandom
from tercet.learn.trees import base
from tercet.learn.trees.bins import Binned
from tercet.learn.trees.forest import Forest, thresholds_of
from tercet.learn.trees.grow import Grown, GrowthRule, SummedColumns, grow
from tercet.learn.trees.loops import pushed, repeat

MOST_WORDS: Final = 1 << 23
"""So many words at most are masked at once for the nodes of one level; more trees are grown in turns."""


def resamples(seed: int, trees: int, rows: int, size: int) -> NDArray[np.int64]:
    """(trees, rows): how often each row is drawn, with replacement; public."""
    drawn = [PublicRandom(seed, "rows", tree).integers(0, rows, (size,)) for tree in range(trees)]
    return np.stack([np.bincount(one, minlength=rows) for one in drawn])


def subsets(seed: int, trees: int, nodes: int, columns: int, size: int) -> NDArray[np.bool_]:
    """(nodes, columns, trees): which columns are tried at which node; public."""
    found = np.zeros((nodes, columns, trees), bool)
    for tree in range(trees):
        words = PublicRandom(seed, "columns", tree).words(nodes * columns).reshape(nodes, columns)
        np.put_along_axis(found[:, :, tree], np.argsort(words, axis=1, kind="stable")[:, :size], True, axis=1)
    return found


def edges(seed: int, trees: int, nodes: int, columns: int, bins: int) -> NDArray[np.bool_]:
    """(nodes, columns, trees, bins): one edge for each column and node, of all but the last; public."""
    drawn = [PublicRandom(seed, "edges", tree).integers(0, bins - 1, (nodes, columns)) for tree in range(trees)]
    found: NDArray[np.bool_] = np.stack(drawn, axis=2)[..., None] == np.arange(bins)
    return found


def how_many_columns(value: Any, columns: int) -> int:
    """What `max_features` says, as scikit-learn reads it."""
    if value is None:
        return columns
    if value in ("sqrt", "log2"):
        return max(1, int(np.sqrt(columns) if value == "sqrt" else np.log2(columns)))
    if isinstance(value, bool) or not isinstance(value, int | float) or value <= 0:
        raise InputError(f"max_features={value!r}", hint="pass 'sqrt', 'log2', None, a number or a fraction of columns")
    return min(columns, max(1, value if isinstance(value, int) else int(value * columns)))


def grow_many(
    rows: Binned,
    columns: SummedColumns,
    rule: GrowthRule,
    counts: NDArray[np.int64] | None,
    allowed: NDArray[np.bool_],
    values: Callable[[Any, SummedColumns, Grown], Any],
    ends: tuple[int, int],
) -> tuple[Forest, Any]:
    """A forest, and what each column is worth in each tree (d, trees).

    `columns` (1, c, n) of one tree; `counts` (trees, n): how often rows are there, None for once; `allowed` (nodes, d,
    trees, bins or 1): the candidates. `values` gives those of leaves (k, trees, leaves), which lie within `ends`.
    """
    xp = array_namespace(columns.stored)
    trees = allowed.shape[2]
    _, c, n = columns.stored.shape
    group = max(1, MOST_WORDS // max(1, c * n << rule.depth - 1))
    turns = -(-trees // group) if isinstance(columns.stored, SecretArray) else 1
    group = -(-trees // turns)
    chosen = np.arange(turns * group) % trees  # the last turn repeats the first trees
    counts = None if counts is None else counts[chosen]
    allowed = allowed[:, :, chosen]

    def one(weights: Any, candidates: Any) -> tuple[Any, ...]:
        held = _weighed(xp, columns, weights, group)
        levels = [candidates[(1 << at) - 1 : (2 << at) - 1] for at in range(rule.depth)]
        grown = grow(rows, held, rule, lambda level: xp.permute_dims(levels[level], (2, 0, 1, 3)))
        found = numeric.held(values(xp, held, grown), *ends, base.VALUE_BITS)
        worth = numeric.held(base.importances(xp, grown), 0, 1, base.VALUE_BITS)
        return grown.features, grown.bins, found, worth

    if turns == 1:
        hot, bins, leaves, worth = one(counts, allowed)
        return Forest(hot, thresholds_of(rows, hot, bins), leaves), worth
    like = rows.numbers
    nodes, d, k = (1 << rule.depth) - 1, rows.columns, columns.targets
    nothing = xp.sum(columns.stored[:1, 0, :1]) * 0
    kept = [
        planes.bools(np.zeros((turns, nodes, d, group), bool), like),
        planes.bools(np.zeros((turns, rows.width, nodes, group), bool), like),
        xp.broadcast_to(_at(nothing), (turns, k, group, 1 << rule.depth)),
        xp.broadcast_to(_at(nothing), (turns, d, group)),
    ]
    public = [planes.bools(allowed, like)]
    if counts is not None:
        public.append(planes.integers(counts, columns.stored))

    def turn(*state: Any) -> tuple[Any, ...]:
        given, before = state[: len(public)], state[len(public) :]
        candidates = given[0][:, :, :group]
        found = one(given[1][:group] if len(given) > 1 else None, candidates)
        moved = [xp.roll(given[0], -group, axis=2), *(xp.roll(more, -group, axis=0) for more in given[1:])]
        return (*moved, *(pushed(xp, old, new) for old, new in zip(before, found, strict=True)))

    bounds = [None] * (len(public) + 2) + [ends, (0, 1)]
    hot, bins, leaves, worth = repeat(turns, turn, *public, *kept, bounds=bounds)[len(public) :]
    hot = xp.permute_dims(hot, (1, 2, 0, 3)).reshape((nodes, d, turns * group))[:, :, :trees]
    bins = xp.permute_dims(bins, (1, 2, 0, 3)).reshape((rows.width, nodes, turns * group))[:, :, :trees]
    leaves = xp.permute_dims(leaves, (1, 0, 2, 3)).reshape((k, turns * group, 1 << rule.depth))[:, :trees]
    worth = xp.permute_dims(worth, (1, 0, 2)).reshape((d, turns * group))[:, :trees]
    return Forest(hot, thresholds_of(rows, hot, bins), leaves), worth


def _weighed(xp: Any, columns: SummedColumns, weights: Any, group: int) -> SummedColumns:
    """The columns of so many trees (group, c, n), weighed by how often rows are there."""
    if weights is None:
        return replace(columns, stored=xp.broadcast_to(columns.stored, (group, *columns.stored.shape[1:])))
    return replace(columns, stored=columns.stored * xp.expand_dims(weights, axis=1))


def _at(zero: Any) -> Any:
    """A zero with as many fractional bits as values have."""
    return numeric.held(numeric.times_power(zero, -base.VALUE_BITS, base.VALUE_BITS), 0, 0, base.VALUE_BITS)
