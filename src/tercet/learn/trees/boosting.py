"""Gradient boosting on histograms under sharing, with scikit-learn's names."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, ClassVar, Final

import numpy as np

from tercet.array import numeric, planes, softmax, special
from tercet.array.core import SecretArray
from tercet.errors import InputError
from tercet.learn.beside import classes_beside, rows_beside, target_beside
from tercet.learn.inputs import array_namespace, features, labels
from tercet.learn.kinds import ClassifierModel, RegressorModel
from tercet.learn.parameters import PART
from tercet.learn.trees import base, plain
from tercet.learn.trees.bins import Binned, binned, edges_of
from tercet.learn.trees.forest import Forest, mean_of, summed, thresholds_of
from tercet.learn.trees.grow import Grown, GrowthRule, SummedColumns, grow
from tercet.learn.trees.loops import pushed, repeat

RAW_BITS: Final = 20
"""Fractional bits of raw predictions, and of gradients."""
BASE_BITS: Final = 28
"""Of the classes' parts, whose logarithms are where boosting begins."""
LOG_REACH: Final = 32
"""Raw predictions of log loss are held in [-32, 32], beyond which probabilities are 0 or 1 to 2^-46."""
SQUARED_REACH: Final = 3
"""Those of a target normalised to [-1, 1]; leaves are held in the same range, before they are multiplied."""
GAIN_REACH: Final = 4
"""Of a row, a squared gradient over its Hessian counts up to so much where gains are compared."""

NOT_OFFERED = {
    "max_leaf_nodes": "pass max_depth: all nodes of each level are computed",
    "max_features": "all columns are tried at every node",
    "monotonic_cst": "reveal a model and look at it",
    "interaction_cst": "reveal a model and look at it",
    "categorical_features": "encode categories as columns first (OneHotEncoder)",
    "warm_start": "pass max_iter",
    "scoring": "early stopping would tell when it stopped: score models of several max_iter",
    "validation_fraction": "early stopping would tell when it stopped",
    "n_iter_no_change": "early stopping would tell when it stopped",
    "tol": "early stopping would tell when it stopped",
    "verbose": "net.measure() shows rounds, bytes and seconds",
    "class_weight": "weigh rows by repeating them",
}


class _Boosting(base.TreeModel):
    """What both kinds of boosting share."""

    not_offered = NOT_OFFERED
    allowed: ClassVar = {"learning_rate": (PART,)}

    learning_rate: float
    max_iter: int
    max_depth: int
    l2_regularization: float
    max_bins: int
    bins: str
    early_stopping: Any
    baseline_: Any

    def _rule(self, rows: int) -> GrowthRule:
        base.only("early_stopping", self.early_stopping, False)
        return base.rule_of(self, rows, GAIN_REACH * rows, 0.0, float(self.l2_regularization))

    def _boost(
        self, rows: Binned, start: Any, rule: GrowthRule, reach: int, columns: Callable[[Any, Any], SummedColumns]
    ) -> Any:
        """Grow and keep `max_iter` trees for each row of `start` (k, n), of raw predictions; gives the last ones.

        `columns` gives gradients, Hessians and rows that are there of raw predictions.
        """
        xp = array_namespace(start)
        k = start.shape[0]
        nodes, d = (1 << rule.depth) - 1, rows.columns
        like = rows.numbers
        trees, bits = self.max_iter, rows.width
        most = math.ceil(reach * self.learning_rate)
        kept = (
            planes.bools(np.zeros((trees, nodes, d, k), bool), like),
            _planes(np.zeros((trees, bits if isinstance(like, SecretArray) else 1, nodes, k)), like),
            xp.broadcast_to(start[:1, :1] * 0, (trees, k, 1 << rule.depth)),
        )

        def turn(raw: Any, hot: Any, bins: Any, values: Any) -> tuple[Any, ...]:
            summed_up = columns(xp, raw)
            grown = grow(rows, summed_up, rule)
            gradients = summed_up.target(grown.sums)[:, :, 0]
            found = mean_of(gradients, summed_up.weighed(grown.sums) + rule.l2, reach, RAW_BITS + 4)
            leaf = numeric.held(found * -self.learning_rate, -most, most, RAW_BITS)
            raw = numeric.held(raw + _of_rows(xp, grown, leaf), -reach, reach, RAW_BITS)
            return raw, pushed(xp, hot, grown.features), pushed(xp, bins, grown.bins), pushed(xp, values, leaf)

        ends = [(-reach, reach), None, None, (-most, most)]
        raw, hot, bins, values = repeat(trees, turn, start, *kept, bounds=ends)
        hot = xp.permute_dims(hot, (1, 2, 0, 3)).reshape((nodes, d, trees * k))
        bins = xp.permute_dims(bins, (1, 2, 0, 3)).reshape((bins.shape[1], nodes, trees * k))
        flat = values.reshape((trees * k, 1 << rule.depth))
        own = np.arange(trees * k) % k == np.arange(k)[:, None]  # each tree speaks for one class
        self._keep(Forest(hot, thresholds_of(rows, hot, bins), xp.expand_dims(flat, axis=0) * own[:, :, None]))
        return raw

    def _shared(self, trees: plain.PlainTrees, session: Any) -> None:
        forest, self.baseline_ = plain.shared(trees, session)
        self._keep(forest)
        self.n_features_in_ = trees.columns
        self.n_iter_ = self.max_iter = max(1, len(trees.trees) // trees.outputs)
        self.max_depth = forest.depth

    def _raw(self, X: Any) -> Any:
        """(n, k): raw predictions."""
        X = rows_beside(X, self, "features_")
        xp = array_namespace(X, self.values_)
        return xp.matrix_transpose(summed(self.forest_, X)) + self.baseline_


def _planes(values: Any, like: Any) -> Any:
    """Planes that are all 0."""
    return planes.bools(values, like) if isinstance(like, SecretArray) else values.astype(np.int64)


def _of_rows(xp: Any, grown: Grown, leaf: Any) -> Any:
    """(trees, n): the value (trees, leaves) of each row's leaf, by the node above it and whether it goes left."""
    inside, went = grown.last
    trees, nodes = inside.shape[:2]
    pairs = leaf.reshape((trees, nodes, 2))
    right, apart = pairs[:, :, 1], pairs[:, :, 0] - pairs[:, :, 1]
    both = xp.stack([right, apart], axis=1)  # (trees, 2, nodes)
    at = xp.matmul(both, inside[:, :, -1])  # the last column says whether a row is there
    return at[:, 0] + went * at[:, 1]


def _row_columns(xp: Any, gradients: Any, hessians: Any = None) -> SummedColumns:
    """Of gradients (k, n), Hessians unless they are 1, and rows, which are all there."""
    stored = [
        numeric.as_integers(numeric.at_precision(one, RAW_BITS)) for one in (gradients, hessians) if one is not None
    ]
    parts, frac = [one for one, _ in stored], stored[0][1]
    there = parts[0] * 0 + 1
    whole = xp.stack([*parts, there], axis=1)
    if hessians is None:
        return SummedColumns(whole, 1, frac, 1, 0)
    return SummedColumns(whole, 1, frac, 1, frac, 2)


class HistGradientBoostingRegressor(RegressorModel, _Boosting):
    """Boosted regression trees on histograms, in scikit-learn's manner, on secret or on NumPy arrays.

    `fit(X, y)`: X (n, d), y (n,); nothing is revealed, neither columns, thresholds nor leaves. `loss="squared_error"`.
    Trees have a public depth and no public number of leaves: `max_depth` is 4 unless given, `max_bins` 32 (2 to 255;
    powers of two are cheapest). Bins are by quantiles that are elements of the column, "uniform" between its least and
    greatest, or public: `bins` is then an ascending list of edges for each column, and to a policy what the trees say
    rests on all rows, while both others count as single rows. With the same bins
    splits are scikit-learn's; of gains that are equal up to rounding the first wins. There is no early stopping. y is
    normalised to [-1, 1] with 20 fractional bits, by its mean and a secret power of two above its largest distance from
    that; raw predictions are held in [-3, 3] of that.

    After fit: `features_` (nodes, d, trees) bools, `thresholds_` (nodes, trees), `values_` (1, trees, leaves),
    `baseline_`. Trees are grown in a loop of the plan. Bytes as of `DecisionTreeRegressor` for bins; then for each tree
    three words for each row and node, and two quotients for each node, column and bin.
    Raises InputError for parameters that are not offered and for shapes that do not fit.
    """

    fitted = ("features_", "thresholds_", "values_", "baseline_", "power_", "middle_", "unit_", "n_iter_")

    def __init__(
        self,
        *,
        loss: str = "squared_error",
        learning_rate: float = 0.1,
        max_iter: int = 100,
        max_depth: int = 4,
        min_samples_leaf: int = 20,
        l2_regularization: float = 0.0,
        max_bins: int = 32,
        bins: str = "quantile",
        early_stopping: bool = False,
        random_state: int | None = None,
    ) -> None:
        self.loss = loss
        self.learning_rate = learning_rate
        self.max_iter = max_iter
        self.max_depth = max_depth
        self.min_samples_leaf = min_samples_leaf
        self.l2_regularization = l2_regularization
        self.max_bins = max_bins
        self.bins = bins
        self.early_stopping = early_stopping
        self.random_state = random_state

    @classmethod
    def from_sklearn(cls, fitted: Any, session: Any) -> HistGradientBoostingRegressor:
        """A fitted `HistGradientBoostingRegressor` or `GradientBoostingRegressor` of scikit-learn, of its owner, shared
        in a session to predict on others' data.

        Columns, thresholds and leaves stay secret; public are depth, number of trees, columns and classes, and powers
        of two above the largest threshold and value. Trees are completed to one depth, at most 12. A row takes the
        branch that it takes there, in every tree, if its columns have up to 48 fractional bits (fewer where thresholds
        are above 4,096). Columns with missing values are refused when one predicts, so where these go does not matter.
        Leaves have 24 fractional bits.
        """
        histograms = hasattr(fitted, "_predictors")
        base.only("loss", fitted.loss, "squared_error", "absolute_error", "quantile", *[] if histograms else ["huber"])
        trees = plain.of_sklearn_histograms(fitted) if histograms else plain.of_sklearn_boosting(fitted)
        return cls._of(trees, session)

    @classmethod
    def from_xgboost(cls, booster: Any, session: Any) -> HistGradientBoostingRegressor:
        """A booster of XGBoost, or its `save_raw("json")`, of its owner, shared in a session. As `from_sklearn`; of
        objectives whose predictions are the sum of the leaves.
        """
        trees, objective = plain.of_xgboost(booster)
        named = ("squarederror", "absoluteerror", "pseudohubererror", "quantileerror")
        base.only("objective", objective, *(f"reg:{one}" for one in named))
        return cls._of(trees, session)

    @classmethod
    def from_lightgbm(cls, booster: Any, session: Any) -> HistGradientBoostingRegressor:
        """A booster of LightGBM, its `dump_model()` or its text, of its owner, shared in a session. As `from_sklearn`;
        of objectives whose predictions are the sum of the leaves.
        """
        trees, objective = plain.of_lightgbm(booster)
        base.only("objective", objective, "regression", "regression_l1", "huber", "fair", "quantile", "mape")
        return cls._of(trees, session)

    @classmethod
    def _of(cls, trees: plain.PlainTrees, session: Any) -> HistGradientBoostingRegressor:
        model = cls()
        model._shared(trees, session)
        model.power_, model.middle_, model.unit_ = 0, 0, 1
        return model

    def fit(self, X: Any, y: Any) -> HistGradientBoostingRegressor:
        """Grow the trees; see the class."""
        base.only("loss", self.loss, "squared_error")
        X = features(X, self, fitting=True)
        goal = base.NormalisedTarget.of(target_beside(X, y))
        rule = self._rule(X.shape[0])
        values = numeric.at_precision(goal.values, RAW_BITS)
        xp = array_namespace(X, values)
        self.baseline_ = numeric.held(numeric.settled(xp.mean(values)), -1, 1, RAW_BITS)
        start = xp.broadcast_to(self.baseline_, (1, X.shape[0]))
        rows = binned(X, edges_of(X, self.max_bins, self.bins))
        self._boost(rows, start, rule, SQUARED_REACH, lambda xp, raw: _row_columns(xp, raw - values))
        self.power_, self.middle_, self.unit_ = goal.power, goal.middle, goal.unit
        self.n_iter_ = self.max_iter
        return self

    def predict(self, X: Any) -> Any:
        """(n,): the baseline and what the trees add, 20 fractional bits of the normalised target."""
        raw = self._raw(X)[:, 0]
        return base.restored(raw, self.unit_, self.power_) + self.middle_


class HistGradientBoostingClassifier(ClassifierModel, _Boosting):
    """Boosted classification trees on histograms, in scikit-learn's manner, on secret or on NumPy arrays.

    As `HistGradientBoostingRegressor`, for classes y (n,), which are public: log loss, by `tercet.special.expit` of two
    classes and by softmax of more, which have a tree each in every pass. Raw predictions have 20 fractional bits and
    are held in [-32, 32].
    """

    fitted = ("features_", "thresholds_", "values_", "baseline_", "classes_", "n_iter_")

    def __init__(
        self,
        *,
        loss: str = "log_loss",
        learning_rate: float = 0.1,
        max_iter: int = 100,
        max_depth: int = 4,
        min_samples_leaf: int = 20,
        l2_regularization: float = 0.0,
        max_bins: int = 32,
        bins: str = "quantile",
        early_stopping: bool = False,
        random_state: int | None = None,
        classes: Any = None,
    ) -> None:
        self.loss = loss
        self.learning_rate = learning_rate
        self.max_iter = max_iter
        self.max_depth = max_depth
        self.min_samples_leaf = min_samples_leaf
        self.l2_regularization = l2_regularization
        self.max_bins = max_bins
        self.bins = bins
        self.early_stopping = early_stopping
        self.random_state = random_state
        self.classes = classes

    @classmethod
    def from_sklearn(cls, fitted: Any, session: Any) -> HistGradientBoostingClassifier:
        """A fitted `HistGradientBoostingClassifier` or `GradientBoostingClassifier` of scikit-learn, of its owner,
        shared in a session to predict on others' data.

        Columns, thresholds and leaves stay secret; public are depth, number of trees, columns and classes, and powers
        of two above the largest threshold and value. Trees are completed to one depth, at most 12. A row takes the
        branch that it takes there, in every tree, if its columns have up to 48 fractional bits (fewer where thresholds
        are above 4,096). Columns with missing values are refused when one predicts, so where these go does not matter.
        Leaves have 24 fractional bits.
        """
        base.only("loss", fitted.loss, "log_loss")
        histograms = hasattr(fitted, "_predictors")
        trees = plain.of_sklearn_histograms(fitted) if histograms else plain.of_sklearn_boosting(fitted)
        return cls._of(trees, session, fitted.classes_)

    @classmethod
    def from_xgboost(cls, booster: Any, session: Any, classes: Any = None) -> HistGradientBoostingClassifier:
        """A booster of XGBoost, or its `save_raw("json")`, of its owner, shared in a session. As `from_sklearn`; of the
        objectives binary:logistic, multi:softprob and multi:softmax. `classes`: 0, 1, ... unless given.
        """
        trees, objective = plain.of_xgboost(booster)
        base.only("objective", objective, "binary:logistic", "multi:softprob", "multi:softmax")
        return cls._of(trees, session, classes)

    @classmethod
    def from_lightgbm(cls, booster: Any, session: Any, classes: Any = None) -> HistGradientBoostingClassifier:
        """A booster of LightGBM, its `dump_model()` or its text, of its owner, shared in a session. As `from_sklearn`;
        of the objectives binary and multiclass. `classes`: 0, 1, ... unless given.
        """
        trees, objective = plain.of_lightgbm(booster)
        base.only("objective", objective, "binary", "multiclass")
        return cls._of(trees, session, classes)

    @classmethod
    def _of(cls, trees: plain.PlainTrees, session: Any, classes: Any) -> HistGradientBoostingClassifier:
        wanted = 2 if trees.outputs == 1 else trees.outputs
        known = np.arange(wanted) if classes is None else np.asarray(classes)
        if len(known) != wanted:
            raise InputError(f"{len(known)} classes for a model of {wanted}", hint="pass one for each")
        model = cls()
        model._shared(trees, session)
        model.classes_ = known
        return model

    def fit(self, X: Any, y: Any) -> HistGradientBoostingClassifier:
        """Grow the trees; see the class."""
        base.only("loss", self.loss, "log_loss")
        X = features(X, self, fitting=True)
        known = classes_beside(X, y, self.classes)
        if len(known.classes) < 2:
            raise InputError("y has one class", hint="pass classes=[...], two or more")
        xp = array_namespace(X, known.codes)
        rule = self._rule(X.shape[0])
        one_hot = planes.numbers_of(xp.matrix_transpose(known.one_hot()))
        two = len(known.classes) == 2
        goal = one_hot[1:] if two else one_hot
        parts = numeric.at_precision(xp.sum(goal, axis=1), BASE_BITS) / X.shape[0]
        parts = xp.clip(numeric.settled(parts), 2.0**-RAW_BITS, 1 - 2.0**-RAW_BITS)
        if two:
            level = special.logit(parts)
        else:
            level = xp.log(parts)
            level = level - xp.mean(level)
        self.baseline_ = numeric.held(numeric.settled(level), -LOG_REACH, LOG_REACH, RAW_BITS)
        start = xp.broadcast_to(xp.expand_dims(self.baseline_, axis=1), (goal.shape[0], X.shape[0]))

        def columns(xp: Any, raw: Any) -> SummedColumns:
            likely = special.expit(raw) if two else softmax.softmax(raw, axis=0)
            likely = numeric.at_precision(likely, RAW_BITS)
            return _row_columns(xp, likely - goal, numeric.settled(likely * (1 - likely)))

        rows = binned(X, edges_of(X, self.max_bins, self.bins))
        self._boost(rows, start, rule, LOG_REACH, columns)
        self.classes_, self.n_iter_ = known.classes, self.max_iter
        return self

    def decision_function(self, X: Any) -> Any:
        """Raw predictions: (n,) of two classes, else (n, classes)."""
        raw = self._raw(X)
        return raw[:, 0] if len(self.classes_) == 2 else raw

    def predict_proba(self, X: Any) -> Any:
        """(n, classes): the probability of each class."""
        raw = self._raw(X)
        xp = array_namespace(raw)
        if len(self.classes_) > 2:
            return softmax.softmax(raw, axis=1)
        second = special.expit(raw)
        return xp.concat([1 - second, second], axis=1)

    def predict(self, X: Any) -> Any:
        """(n,): the most probable class."""
        raw = self._raw(X)
        xp = array_namespace(raw)
        codes = xp.argmax(raw, axis=1) if len(self.classes_) > 2 else xp.astype(raw[:, 0] > 0, xp.int64)
        return labels(codes, np.asarray(self.classes_))
