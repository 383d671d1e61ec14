"""Isolation forests under sharing: trees of public random places within secret ranges."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, ClassVar, Final

import numpy as np
from numpy.typing import NDArray

from tercet.array import planes
from tercet.array.core import SecretArray
from tercet.array.lookup import lookup
from tercet.errors import InputError
from tercet.learn.beside import rows_beside
from tercet.learn.inputs import array_namespace, features
from tercet.learn.parameters import OneOf
from tercet.learn.public_random import PublicRandom
from tercet.learn.trees import base, plain
from tercet.learn.trees.forest import Forest, summed

AUTO_SAMPLES: Final = 256
"""Rows of a tree, unless they are given; scikit-learn's number."""
MOST_SAMPLES: Final = 4096


def average_depths(rows: int) -> NDArray[np.float64]:
    """How deep, on average, an unsuccessful search goes in a tree of 0, 1, ... `rows` rows (Liu, Ting, Zhou 2008)."""
    n = np.arange(rows + 1, dtype=np.float64)
    with np.errstate(divide="ignore", invalid="ignore"):
        found = 2 * (np.log(n - 1) + np.euler_gamma) - 2 * (n - 1) / n
    found[: min(3, rows + 1)] = [0.0, 0.0, 1.0][: min(3, rows + 1)]
    return found


class IsolationForest(base.TreeModel):
    """How few random cuts part a row from others, in scikit-learn's manner, on secret or on NumPy arrays.

    `fit(X)`: X (n, d). Each tree takes `max_samples` rows (256 or all, whichever is less), and cuts the box of each
    node at a random place of a random column. Which rows, columns and places, in parts of the box, is public and
    follows from `random_state`, a required integer; where that is in the column's range stays secret, as do the rows'
    depths. Boxes begin with the range of all rows; scikit-learn cuts the range of the rows within a node. A node of one
    row or none is cut no further: nobody sees which.

    After fit: `features_` (nodes, d, trees) bools, `thresholds_` (nodes, trees), `values_` (1, trees, leaves), the
    depths. `offset_` is -0.5. `contamination="auto"` only. Bytes to fit: a comparison for each row drawn, tree and
    node. Predictions cost those of a forest of depth log2(max_samples), and one `exp` a row.
    """

    allowed: ClassVar = {
        "bootstrap": (OneOf((False,)),),
        "contamination": (OneOf(("auto",)),),
        "max_features": (OneOf((1, 1.0)),),
    }
    fitted: ClassVar[tuple[str, ...]] = ("features_", "thresholds_", "values_", "max_samples_", "offset_")
    not_offered: ClassVar[Mapping[str, str]] = {
        "n_jobs": "trees are grown side by side in any case",
        "verbose": "net.measure() shows rounds, bytes and seconds",
        "warm_start": "pass n_estimators",
    }

    max_samples_: int
    offset_: float

    def __init__(
        self,
        *,
        n_estimators: int = 100,
        max_samples: int | float | str = "auto",
        contamination: str = "auto",
        max_features: float = 1.0,
        bootstrap: bool = False,
        random_state: int | None = None,
    ) -> None:
        self.n_estimators = n_estimators
        self.max_samples = max_samples
        self.contamination = contamination
        self.max_features = max_features
        self.bootstrap = bootstrap
        self.random_state = random_state

    def fit(self, X: Any, y: Any = None) -> IsolationForest:
        """Cut the trees; see the class. y is ignored, as in scikit-learn."""
        X = features(X, self, fitting=True)
        if self.random_state is None:
            raise InputError("a forest without random_state", hint="pass a public seed, as random_state=0")
        xp = array_namespace(X)
        n, d = X.shape
        trees, size = self.n_estimators, self._size(n)
        depth = max(1, math.ceil(math.log2(max(size, 2))))
        nodes = (1 << depth) - 1
        rows, columns, parts = _drawn(self.random_state, trees, nodes, n, d, size)
        least, most = xp.min(X, axis=0), xp.max(X, axis=0)
        apart = xp.take(most - least, columns.reshape(-1), axis=0).reshape((nodes, trees)) * parts
        thresholds = xp.take(least, columns.reshape(-1), axis=0).reshape((nodes, trees)) + apart
        places = rows[None] * d + columns[:, :, None]  # (nodes, trees, size)
        flat = xp.take(X.reshape((n * d,)), places.reshape(-1), axis=0).reshape((nodes, trees, size))
        left = flat <= xp.expand_dims(thresholds, axis=2)
        depths: Any = 0
        inside = planes.bools(np.ones((1, trees, size), bool), left)
        for level in range(depth):
            several = planes.numbers_of(planes.counted(inside, 2) > 1)  # (2^level, trees)
            depths = depths + xp.repeat(several, (1 << depth) >> level, axis=0)
            down = xp.logical_and(inside, left[(1 << level) - 1 : (2 << level) - 1])
            both = xp.stack([down, xp.logical_xor(inside, down)], axis=1)
            inside = both.reshape((2 << level, trees, size))
        counts = planes.counted(inside, 2)
        table = average_depths(size)
        rest = lookup(table, counts) if isinstance(counts, SecretArray) else table[counts.astype(np.int64)]
        hot = columns[:, None, :] == np.arange(d)[None, :, None]
        values = xp.expand_dims(xp.matrix_transpose(depths + rest), axis=0)
        self._keep(Forest(planes.bools(hot, left), thresholds, values))
        self.max_samples_, self.offset_ = size, -0.5
        return self

    def _size(self, rows: int) -> int:
        if self.max_samples == "auto":
            return min(AUTO_SAMPLES, rows)
        size = min(rows, base.check_share(self.max_samples, rows, 2, "max_samples"))
        if size > MOST_SAMPLES:
            raise InputError(f"{size} rows a tree", hint=f"pass max_samples up to {MOST_SAMPLES}")
        return size

    @classmethod
    def from_sklearn(cls, fitted: Any, session: Any) -> IsolationForest:
        """A fitted `sklearn.ensemble.IsolationForest` of its owner, shared in a session to predict on others' data.

        See `RandomForestClassifier.from_sklearn`. `offset_` is public. Raises InputError unless all columns are used in
        all trees.
        """
        if any(len(one) != fitted.n_features_in_ for one in fitted.estimators_features_):
            raise InputError("trees of some columns only", hint="fit it with max_features=1.0")
        table = average_depths(int(fitted.max_samples_))
        trees = [plain.of_sklearn_depths(one.tree_, table) for one in fitted.estimators_]
        model = cls(n_estimators=len(trees), random_state=0)
        forest, _ = plain.shared(plain.PlainTrees(trees, int(fitted.n_features_in_), 1, np.zeros(1), True), session)
        model._keep(forest)
        model.n_features_in_ = int(fitted.n_features_in_)
        model.max_samples_, model.offset_ = int(fitted.max_samples_), float(fitted.offset_)
        return model

    def score_samples(self, X: Any) -> Any:
        """(n,): -2^(-mean depth / average depth), from -1 for rows that few cuts part from others up to 0."""
        X = rows_beside(X, self, "features_")
        xp = array_namespace(X, self.values_)
        scale = -math.log(2) / (self.n_estimators * max(average_depths(self.max_samples_)[-1], 1e-3))
        return -xp.exp(summed(self.forest_, X)[0] * scale)

    def decision_function(self, X: Any) -> Any:
        """`score_samples` less `offset_`: negative for outliers."""
        return self.score_samples(X) - self.offset_

    def predict(self, X: Any) -> Any:
        """(n,): -1 for outliers, 1 for others."""
        found = self.decision_function(X)
        return array_namespace(found).where(found < 0, -1, 1)

    def fit_predict(self, X: Any, y: Any = None) -> Any:
        """`fit(X)`, then `predict(X)`."""
        return self.fit(X).predict(X)


def _drawn(seed: int, trees: int, nodes: int, rows: int, columns: int, size: int) -> tuple[Any, Any, Any]:
    """Public draws: rows (trees, size), and of each node (nodes, trees) the column and where its box is cut, as a part
    of the column's range."""
    chosen = np.stack([PublicRandom(seed, "rows", tree).choice(rows, size) for tree in range(trees)])
    cut = np.stack(
        [PublicRandom(seed, "columns", tree).integers(0, columns, (nodes,)) for tree in range(trees)], axis=1
    )
    within = np.stack([PublicRandom(seed, "places", tree).uniform((nodes,)) for tree in range(trees)], axis=1)
    parts = np.zeros((nodes, trees))
    ends = np.zeros((nodes, trees, columns, 2))
    ends[..., 1] = 1.0
    every = np.arange(trees)
    for node in range(nodes):
        low, high = ends[node, every, cut[node], 0], ends[node, every, cut[node], 1]
        parts[node] = low + within[node] * (high - low)
        for child, end in ((2 * node + 1, 1), (2 * node + 2, 0)):
            if child < nodes:
                ends[child] = ends[node]
                ends[child, every, cut[node], end] = parts[node]
    return chosen, cut, parts
