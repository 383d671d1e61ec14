"""Decision trees under sharing, with scikit-learn's names."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from tercet.array import planes
from tercet.learn.beside import classes_beside, rows_beside, target_beside
from tercet.learn.inputs import array_namespace, features, labels
from tercet.learn.kinds import ClassifierModel, RegressorModel
from tercet.learn.trees import base, plain
from tercet.learn.trees.bins import Binned, binned, edges_of
from tercet.learn.trees.forest import Forest, leaves, of_grown, summed
from tercet.learn.trees.grow import GrowthRule, grow

NOT_OFFERED = {
    "splitter": "every edge of every column is tried; tercet.ensemble.ExtraTreesClassifier tries random ones",
    "min_weight_fraction_leaf": "pass min_samples_leaf, a fraction of the rows",
    "max_leaf_nodes": "pass max_depth: all nodes of each level are computed",
    "ccp_alpha": "pass min_impurity_decrease or min_samples_leaf: pruning would need the tree opened",
    "class_weight": "weigh rows by repeating them",
    "monotonic_cst": "reveal a model and look at it",
}


def cut(X: Any, max_bins: int, bins: str) -> Binned:
    return binned(X, edges_of(X, max_bins, bins))


class _DecisionTree(base.TreeModel):
    """What both kinds of decision trees share."""

    fitted: ClassVar[tuple[str, ...]] = ("features_", "thresholds_", "values_", "feature_importances_")
    not_offered = NOT_OFFERED

    max_depth: int
    max_bins: int
    bins: str
    min_impurity_decrease: float

    def _rule(self, rows: int, scale: float, classes: int = 0) -> GrowthRule:
        base.only("max_features", self.max_features, None)  # type: ignore[attr-defined]
        return base.rule_of(self, rows, rows, float(self.min_impurity_decrease) * rows * scale, classes=classes)

    def get_depth(self) -> int:
        """The public depth."""
        return self.forest_.depth


class DecisionTreeClassifier(ClassifierModel, _DecisionTree):
    """A classification tree of a public depth, in scikit-learn's manner, on secret or on NumPy arrays.

    `fit(X, y)`: X (n, d) and classes y (n,). Nothing is revealed: columns, thresholds and leaves stay secret.
    Thresholds are the edges of `max_bins` (2 to 255) bins of each column; `bins`: "quantile", elements of the column
    such that each bin has as many rows, "uniform", or public edges, an ascending list for each column, with which what
    the tree says rests on all rows to a policy. With those bins the splits are scikit-learn's.
    `criterion`: "gini", or "entropy", also called "log_loss": logarithms right to the last of the bits that gains have,
    about 2^-30 of a row for some hundred rows. Of gains that are equal up to rounding the first wins. A split must
    gain something (for some hundred rows 2^-22 of a row, or of a row's bit): a node without one passes its rows on.
    `max_depth` is public, 1 to 12, and 4 unless given: all nodes of each level are computed. `random_state` is taken
    and not needed.

    After fit: `features_` (nodes, d, 1) bools, `thresholds_` (nodes, 1), `values_` (classes, 1, leaves) probabilities
    with 20 fractional bits, `feature_importances_` (d,); `classes_` is public. Bytes: about five bits for each bit of
    X and step of log2(max_bins), a word for each row, column and bin; then for each level two words for each row,
    node and class, and two quotients for each node, column and bin, or two logarithms for
    each class and two more. Rounds: about 130 a level.
    Raises InputError for parameters that are not offered and for shapes that do not fit.
    """

    fitted = (*_DecisionTree.fitted, "leaf_classes_", "classes_")

    def __init__(
        self,
        *,
        criterion: str = "gini",
        max_depth: int = 4,
        min_samples_split: int | float = 2,
        min_samples_leaf: int | float = 1,
        max_features: None = None,
        random_state: int | None = None,
        min_impurity_decrease: float = 0.0,
        max_bins: int = 32,
        bins: str = "quantile",
        classes: Any = None,
    ) -> None:
        self.criterion = criterion
        self.max_depth = max_depth
        self.min_samples_split = min_samples_split
        self.min_samples_leaf = min_samples_leaf
        self.max_features = max_features
        self.random_state = random_state
        self.min_impurity_decrease = min_impurity_decrease
        self.max_bins = max_bins
        self.bins = bins
        self.classes = classes

    @classmethod
    def from_sklearn(cls, fitted: Any, session: Any) -> DecisionTreeClassifier:
        """A fitted `sklearn.tree.DecisionTreeClassifier` of its owner, shared in a session to predict on others' data.

        See `RandomForestClassifier.from_sklearn`.
        """
        model = cls(max_depth=max(1, int(fitted.get_depth())))
        model._take(plain.of_classes([fitted], fitted.n_features_in_, len(fitted.classes_)), fitted, session)
        codes = plain.of_sklearn_tree(fitted.tree_, lambda value: [float(np.argmax(value[0]))])
        labelled = plain.PlainTrees([codes], int(fitted.n_features_in_), 1, np.zeros(1), rounded=True)
        places = plain.complete(labelled)[2].astype(np.int64)
        model.leaf_classes_ = session.share(places, bounds=(0, len(fitted.classes_) - 1))
        model.classes_ = np.asarray(fitted.classes_)
        return model

    def fit(self, X: Any, y: Any) -> DecisionTreeClassifier:
        """Grow the tree; see the class."""
        base.only("criterion", self.criterion, *base.CRITERIA)
        X = features(X, self, fitting=True)
        known = classes_beside(X, y, self.classes)
        xp = array_namespace(X, known.codes)
        rule = self._rule(X.shape[0], 1.0, 0 if self.criterion == "gini" else len(known.classes))
        rows = cut(X, self.max_bins, self.bins)
        one_hot = planes.numbers_of(xp.matrix_transpose(known.one_hot()))
        grown = grow(rows, base.class_columns(one_hot[None], len(known.classes)), rule)
        self._keep(of_grown(rows, grown, base.class_values(xp, grown)))
        self.leaf_classes_ = xp.argmax(grown.sums, axis=2)[None]
        self.feature_importances_ = base.importances(xp, grown)[:, 0]
        self.classes_ = known.classes
        return self

    def predict_proba(self, X: Any) -> Any:
        """(n, classes): which part of the leaf's rows was of each class; secret, 20 fractional bits."""
        X = rows_beside(X, self, "features_")
        return array_namespace(X, self.values_).matrix_transpose(summed(self.forest_, X))

    def predict(self, X: Any) -> Any:
        """(n,): the most frequent class of each row's leaf; the first of equally frequent ones."""
        X = rows_beside(X, self, "features_")
        forest = Forest(self.features_, self.thresholds_, self.leaf_classes_)
        codes = summed(forest, X)[0]
        return labels(base.whole(codes), np.asarray(self.classes_))

    def apply(self, X: Any) -> Any:
        """(leaves, n) bools: which leaf each row reaches, in the order of the leaves of a complete tree."""
        X = rows_beside(X, self, "features_")
        return leaves(self.forest_, X)[:, 0]


class DecisionTreeRegressor(RegressorModel, _DecisionTree):
    """A regression tree of a public depth, in scikit-learn's manner, on secret or on NumPy arrays.

    As `DecisionTreeClassifier`, for numbers y (n,): `criterion="squared_error"`, the only one. y is normalised to
    [-1, 1] with 30 fractional bits, by its mean and a secret power of two above its largest distance from that (by its
    bounds, if `min_impurity_decrease` is given); leaves are means with 20 fractional bits of that.
    """

    def __init__(
        self,
        *,
        criterion: str = "squared_error",
        max_depth: int = 4,
        min_samples_split: int | float = 2,
        min_samples_leaf: int | float = 1,
        max_features: None = None,
        random_state: int | None = None,
        min_impurity_decrease: float = 0.0,
        max_bins: int = 32,
        bins: str = "quantile",
    ) -> None:
        self.criterion = criterion
        self.max_depth = max_depth
        self.min_samples_split = min_samples_split
        self.min_samples_leaf = min_samples_leaf
        self.max_features = max_features
        self.random_state = random_state
        self.min_impurity_decrease = min_impurity_decrease
        self.max_bins = max_bins
        self.bins = bins

    @classmethod
    def from_sklearn(cls, fitted: Any, session: Any) -> DecisionTreeRegressor:
        """A fitted `sklearn.tree.DecisionTreeRegressor` of its owner, shared in a session to predict on others' data.

        See `RandomForestClassifier.from_sklearn`.
        """
        model = cls(max_depth=max(1, int(fitted.get_depth())))
        model._take(plain.of_numbers([fitted], fitted.n_features_in_), fitted, session)
        return model

    def fit(self, X: Any, y: Any) -> DecisionTreeRegressor:
        """Grow the tree; see the class."""
        base.only("criterion", self.criterion, "squared_error")
        X = features(X, self, fitting=True)
        goal = base.NormalisedTarget.of(target_beside(X, y), closely=not self.min_impurity_decrease)
        xp = array_namespace(X, goal.values)
        rule = self._rule(X.shape[0], 0.25**goal.power)
        rows = cut(X, self.max_bins, self.bins)
        columns = base.number_columns(xp, goal.values[None], np.ones((1, X.shape[0]), np.int64))
        grown = grow(rows, columns, rule)
        self._keep(of_grown(rows, grown, goal.back(base.number_values(xp, columns, grown))))
        self.feature_importances_ = base.importances(xp, grown)[:, 0]
        return self

    def predict(self, X: Any) -> Any:
        """(n,): the mean of each row's leaf."""
        X = rows_beside(X, self, "features_")
        return summed(self.forest_, X)[0]

    def apply(self, X: Any) -> Any:
        """(leaves, n) bools: which leaf each row reaches, in the order of the leaves of a complete tree."""
        X = rows_beside(X, self, "features_")
        return leaves(self.forest_, X)[:, 0]
