"""Random forests and extremely randomised trees under sharing, with scikit-learn's names."""

from __future__ import annotations

from typing import Any, ClassVar, Final, Self

import numpy as np

from tercet.array import numeric, planes
from tercet.errors import InputError
from tercet.learn.beside import classes_beside, rows_beside, target_beside
from tercet.learn.inputs import array_namespace, features, labels
from tercet.learn.kinds import ClassifierModel, RegressorModel
from tercet.learn.trees import base, plain
from tercet.learn.trees.bins import Binned, binned, edges_of
from tercet.learn.trees.forest import summed
from tercet.learn.trees.grow import Grown, SummedColumns
from tercet.learn.trees.many import edges, grow_many, how_many_columns, resamples, subsets

NOT_OFFERED: Final = {
    "min_weight_fraction_leaf": "pass min_samples_leaf, a fraction of the rows",
    "max_leaf_nodes": "pass max_depth: all nodes of each level are computed",
    "oob_score": "score rows that were held out",
    "n_jobs": "trees are grown side by side in any case",
    "verbose": "net.measure() shows rounds, bytes and seconds",
    "warm_start": "pass n_estimators",
    "class_weight": "weigh rows by repeating them",
    "ccp_alpha": "pass min_impurity_decrease or min_samples_leaf: pruning would need the trees opened",
    "monotonic_cst": "reveal a model and look at it",
}


class _Forest(base.TreeModel):
    """What forests share."""

    fitted: ClassVar[tuple[str, ...]] = ("features_", "thresholds_", "values_", "feature_importances_")
    not_offered = NOT_OFFERED
    random_edges: ClassVar[bool] = False

    def __init__(
        self,
        n_estimators: int,
        criterion: str,
        max_depth: int,
        min_samples_split: int | float,
        min_samples_leaf: int | float,
        max_features: Any,
        min_impurity_decrease: float,
        bootstrap: bool,
        random_state: int | None,
        max_samples: int | float | None,
        max_bins: int,
        bins: str,
    ) -> None:
        self.n_estimators = n_estimators
        self.criterion = criterion
        self.max_depth = max_depth
        self.min_samples_split = min_samples_split
        self.min_samples_leaf = min_samples_leaf
        self.max_features = max_features
        self.min_impurity_decrease = min_impurity_decrease
        self.bootstrap = bootstrap
        self.random_state = random_state
        self.max_samples = max_samples
        self.max_bins = max_bins
        self.bins = bins

    @classmethod
    def _empty(cls, trees: plain.PlainTrees) -> Self:
        """A model that is to hold given trees."""
        make: Any = cls
        found: Self = make(n_estimators=len(trees.trees), max_depth=plain.depth_of(trees), random_state=0)
        return found

    def _grow(
        self, X: Any, columns: SummedColumns, scale: float, ends: tuple[int, int], values: Any, entropy: int = 0
    ) -> None:
        """Grow and keep the trees; X (n, d), `columns` of all rows."""
        n, d = X.shape
        trees = self.n_estimators
        if self.random_state is None:
            raise InputError("a forest without random_state", hint="pass a public seed, as random_state=0")
        if self.max_samples is not None and not self.bootstrap:
            raise InputError("max_samples without bootstrap", hint="pass bootstrap=True")
        drawn = n if self.max_samples is None else base.check_share(self.max_samples, n, 1, "max_samples")
        rule = base.rule_of(self, drawn, drawn, float(self.min_impurity_decrease) * drawn * scale, classes=entropy)
        nodes = (1 << rule.depth) - 1
        rows: Binned = binned(X, edges_of(X, self.max_bins, self.bins))
        seed, size = self.random_state, how_many_columns(self.max_features, d)
        allowed = subsets(seed, trees, nodes, d, size)[..., None]
        if self.random_edges:
            allowed = allowed & edges(seed, trees, nodes, d, 1 << rows.width)
        counts = resamples(seed, trees, n, drawn) if self.bootstrap else None
        forest, worth = grow_many(rows, columns, rule, counts, allowed, values, ends)
        self._keep(forest)
        xp = array_namespace(worth)
        each = xp.sum(worth, axis=1)
        whole = xp.broadcast_to(xp.sum(each), each.shape)
        self.feature_importances_ = numeric.ratio(each, whole, 1, base.VALUE_BITS)


class _ForestClassifier(ClassifierModel, _Forest):
    fitted = (*_Forest.fitted, "classes_")
    classes: Any

    @classmethod
    def from_sklearn(cls, fitted: Any, session: Any) -> Self:
        """A fitted forest of scikit-learn of its owner, shared in a session to predict on others' data.

        Columns, thresholds and leaves stay secret; public are depth, number of trees, columns and classes, and powers
        of two above the largest threshold and value. All trees are completed to one depth, at most 12. A row takes the
        branch that it takes there, in every tree: columns are rounded to float32 before they are compared, which
        thresholds take in. That holds for columns of up to 48 fractional bits, fewer where thresholds are above 4,096.
        """
        trees = plain.of_classes(fitted.estimators_, fitted.n_features_in_, len(fitted.classes_))
        model = cls._empty(trees)
        model._take(trees, fitted, session)
        model.classes_ = np.asarray(fitted.classes_)
        return model

    def fit(self, X: Any, y: Any) -> Any:
        """Grow the trees; see the class."""
        base.only("criterion", self.criterion, *base.CRITERIA)
        X = features(X, self, fitting=True)
        known = classes_beside(X, y, self.classes)
        xp = array_namespace(X, known.codes)
        one_hot = planes.numbers_of(xp.matrix_transpose(known.one_hot()))
        columns = base.class_columns(one_hot[None], len(known.classes))

        def values(xp: Any, columns: SummedColumns, grown: Grown) -> Any:
            return base.class_values(xp, grown)

        self._grow(X, columns, 1.0, (0, 1), values, 0 if self.criterion == "gini" else len(known.classes))
        self.classes_ = known.classes
        return self

    def _votes(self, X: Any) -> Any:
        X = rows_beside(X, self, "features_")
        return summed(self.forest_, X)

    def predict_proba(self, X: Any) -> Any:
        """(n, classes): the mean of the trees' probabilities; secret, to be divided when revealed or used."""
        votes = self._votes(X)
        return array_namespace(votes).matrix_transpose(votes) / self.n_estimators

    def predict(self, X: Any) -> Any:
        """(n,): the class of the greatest mean probability; of equal ones the first."""
        votes = self._votes(X)
        xp = array_namespace(votes)
        codes = xp.astype(votes[1] > votes[0], xp.int64) if votes.shape[0] == 2 else xp.argmax(votes, axis=0)
        return labels(codes, np.asarray(self.classes_))


class _ForestRegressor(RegressorModel, _Forest):
    fitted = (*_Forest.fitted, "power_", "middle_", "unit_")

    @classmethod
    def from_sklearn(cls, fitted: Any, session: Any) -> Self:
        """A fitted forest of scikit-learn of its owner, shared in a session to predict on others' data.

        Columns, thresholds and leaves stay secret; public are depth, number of trees, columns and classes, and powers
        of two above the largest threshold and value. All trees are completed to one depth, at most 12. A row takes the
        branch that it takes there, in every tree: columns are rounded to float32 before they are compared, which
        thresholds take in. That holds for columns of up to 48 fractional bits, fewer where thresholds are above 4,096.
        """
        trees = plain.of_numbers(fitted.estimators_, fitted.n_features_in_)
        model = cls._empty(trees)
        model._take(trees, fitted, session)
        model.power_, model.middle_, model.unit_ = 0, 0, 1
        return model

    def fit(self, X: Any, y: Any) -> Any:
        """Grow the trees; see the class."""
        base.only("criterion", self.criterion, "squared_error")
        X = features(X, self, fitting=True)
        goal = base.NormalisedTarget.of(target_beside(X, y), closely=not self.min_impurity_decrease)
        xp = array_namespace(X, goal.values)
        columns = base.number_columns(xp, goal.values[None], np.ones((1, X.shape[0]), np.int64))

        def values(xp: Any, columns: SummedColumns, grown: Grown) -> Any:
            return base.number_values(xp, columns, grown)

        self._grow(X, columns, 0.25**goal.power, (-1, 1), values)
        self.power_, self.middle_, self.unit_ = goal.power, goal.middle, goal.unit
        return self

    def predict(self, X: Any) -> Any:
        """(n,): the mean of the trees' leaves; secret, to be divided when revealed or used."""
        X = rows_beside(X, self, "features_")
        total = summed(self.forest_, X)[0]
        return base.restored(total, self.unit_, self.power_) / self.n_estimators + self.middle_


class RandomForestClassifier(_ForestClassifier):
    """A forest of classification trees, each on rows drawn with replacement and with columns drawn for every node.

    In scikit-learn's manner, on secret or on NumPy arrays; trees as `tercet.tree.DecisionTreeClassifier`. The draws are
    public and follow from `random_state`, a required integer; they are not NumPy's, so that trees differ from
    scikit-learn's of the same seed. What is drawn counts as rows for `min_samples_leaf` and `min_samples_split`.
    Nothing is revealed. Bytes and rounds of each tree as of one; trees are grown side by side, or in groups in turns.
    A prediction takes for every row, tree and level about five bits for each bit of X, one for each column, one for
    each node, and for every row and tree one for each bit of a leaf.
    """

    def __init__(
        self,
        *,
        n_estimators: int = 100,
        criterion: str = "gini",
        max_depth: int = 6,
        min_samples_split: int | float = 2,
        min_samples_leaf: int | float = 1,
        max_features: Any = "sqrt",
        min_impurity_decrease: float = 0.0,
        bootstrap: bool = True,
        random_state: int | None = None,
        max_samples: int | float | None = None,
        max_bins: int = 32,
        bins: str = "quantile",
        classes: Any = None,
    ) -> None:
        super().__init__(
            n_estimators,
            criterion,
            max_depth,
            min_samples_split,
            min_samples_leaf,
            max_features,
            min_impurity_decrease,
            bootstrap,
            random_state,
            max_samples,
            max_bins,
            bins,
        )
        self.classes = classes


class RandomForestRegressor(_ForestRegressor):
    """A forest of regression trees; as `RandomForestClassifier`, and trees as `tercet.tree.DecisionTreeRegressor`."""

    def __init__(
        self,
        *,
        n_estimators: int = 100,
        criterion: str = "squared_error",
        max_depth: int = 6,
        min_samples_split: int | float = 2,
        min_samples_leaf: int | float = 1,
        max_features: Any = 1.0,
        min_impurity_decrease: float = 0.0,
        bootstrap: bool = True,
        random_state: int | None = None,
        max_samples: int | float | None = None,
        max_bins: int = 32,
        bins: str = "quantile",
    ) -> None:
        super().__init__(
            n_estimators,
            criterion,
            max_depth,
            min_samples_split,
            min_samples_leaf,
            max_features,
            min_impurity_decrease,
            bootstrap,
            random_state,
            max_samples,
            max_bins,
            bins,
        )


class ExtraTreesClassifier(_ForestClassifier):
    """A forest of classification trees that try one random edge of each column drawn for a node, on all rows.

    As `RandomForestClassifier`; the edges are those of `max_bins` bins of equal width between the least and the
    greatest value of each column, which stay secret: which of them is tried is public, and the same for all values.
    scikit-learn draws from the range within the node instead.
    """

    random_edges = True

    def __init__(
        self,
        *,
        n_estimators: int = 100,
        criterion: str = "gini",
        max_depth: int = 6,
        min_samples_split: int | float = 2,
        min_samples_leaf: int | float = 1,
        max_features: Any = "sqrt",
        min_impurity_decrease: float = 0.0,
        bootstrap: bool = False,
        random_state: int | None = None,
        max_samples: int | float | None = None,
        max_bins: int = 32,
        bins: str = "uniform",
        classes: Any = None,
    ) -> None:
        super().__init__(
            n_estimators,
            criterion,
            max_depth,
            min_samples_split,
            min_samples_leaf,
            max_features,
            min_impurity_decrease,
            bootstrap,
            random_state,
            max_samples,
            max_bins,
            bins,
        )
        self.classes = classes


class ExtraTreesRegressor(_ForestRegressor):
    """A forest of regression trees that try one random edge of each column drawn; as `ExtraTreesClassifier`."""

    random_edges = True

    def __init__(
        self,
        *,
        n_estimators: int = 100,
        criterion: str = "squared_error",
        max_depth: int = 6,
        min_samples_split: int | float = 2,
        min_samples_leaf: int | float = 1,
        max_features: Any = 1.0,
        min_impurity_decrease: float = 0.0,
        bootstrap: bool = False,
        random_state: int | None = None,
        max_samples: int | float | None = None,
        max_bins: int = 32,
        bins: str = "uniform",
    ) -> None:
        super().__init__(
            n_estimators,
            criterion,
            max_depth,
            min_samples_split,
            min_samples_leaf,
            max_features,
            min_impurity_decrease,
            bootstrap,
            random_state,
            max_samples,
            max_bins,
            bins,
        )
