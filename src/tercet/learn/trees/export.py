"""Trees of scikit-learn, made of revealed ones."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tercet.learn.trees.forest import Forest

_LEAF = -1
_NO_COLUMN = -2


def sklearn_trees(forest: Forest, plain: Any, values: NDArray[np.float64]) -> list[Any]:
    """Fitted trees of scikit-learn, copies of `plain` without its trees, of a forest of NumPy arrays.

    `values` (k, trees, leaves): parts of classes, or numbers. How many rows were in a node, and its impurity, nobody
    knows: they count as 1 and 0, so that `feature_importances_` of these trees are 0. Nodes that pass all rows on are
    left out.
    """
    from sklearn.base import clone

    found = []
    for at in range(forest.trees):
        one = clone(plain)
        one.tree_ = _tree(forest, at, values[:, at], classes=values.shape[0])
        one.n_features_in_, one.n_outputs_, one.max_features_ = forest.features.shape[1], 1, forest.features.shape[1]
        found.append(one)
    return found


def _tree(forest: Forest, at: int, values: NDArray[np.float64], classes: int) -> Any:
    from sklearn.tree._tree import NODE_DTYPE, Tree

    inner = forest.features.shape[0]
    nodes: list[tuple[int, int, int, float]] = []
    kept: list[NDArray[np.float64]] = []

    def grown(place: int) -> int:
        while place < inner and not forest.features[place, :, at].any():
            place = 2 * place + 1
        here = len(nodes)
        if place >= inner:
            nodes.append((_LEAF, _LEAF, _NO_COLUMN, float(_NO_COLUMN)))
            kept.append(values[:, place - inner])
            return here
        limit = float(forest.thresholds[place, at])
        # scikit-learn compares columns as they are in float32
        limit = max(limit, float(np.float32(limit)))
        nodes.append((_LEAF, _LEAF, int(forest.features[place, :, at].argmax()), limit))
        kept.append(values[:, 0] * 0)
        left, right = grown(2 * place + 1), grown(2 * place + 2)
        nodes[here] = (left, right, *nodes[here][2:])
        kept[here] = (kept[left] + kept[right]) / 2
        return here

    grown(0)
    rows = np.zeros(len(nodes), dtype=NODE_DTYPE)
    for name, column in zip(
        ("left_child", "right_child", "feature", "threshold"), zip(*nodes, strict=True), strict=True
    ):
        rows[name] = column
    rows["n_node_samples"], rows["weighted_n_node_samples"] = 1, 1.0
    tree = Tree(forest.features.shape[1], np.array([classes], dtype=np.intp), 1)
    state = {"max_depth": forest.depth, "node_count": len(nodes), "nodes": rows}
    tree.__setstate__({**state, "values": np.ascontiguousarray(np.stack(kept)[:, None, :])})
    return tree
