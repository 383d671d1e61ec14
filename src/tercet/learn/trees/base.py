"""What models of trees share: features, targets as columns to sum, fitted arrays, and what a reveal gives."""

from __future__ import annotations

import math
from copy import copy
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final, Self

import numpy as np

from tercet.array import numeric, planes
from tercet.array.core import SecretArray
from tercet.array.results import reveal
from tercet.errors import InputError
from tercet.learn.inputs import array_namespace
from tercet.learn.model import SecretModel
from tercet.learn.parameters import OneOf, refused
from tercet.learn.trees.export import sklearn_trees
from tercet.learn.trees.forest import Forest, mean_of
from tercet.learn.trees.grow import Grown, GrowthRule, SummedColumns
from tercet.learn.trees.plain import MOST_DEPTH, PlainTrees, shared

VALUE_BITS: Final = 20
"""Fractional bits of probabilities and of normalised targets' means."""
TARGET_BITS: Final = 30
"""Of a normalised target as it is summed."""
SPREAD_SHIFTS: Final = (1, 2, 4, 7, 10, 13, 16, 19, 22)
"""By how many bits the distances of a target from its mean are tried to be below what its bounds leave."""


CRITERIA: Final = ("gini", "entropy", "log_loss")
"""Of classes; the last two are one."""


def check_depth(depth: Any) -> int:
    if isinstance(depth, bool) or not isinstance(depth, int | np.integer) or not 1 <= depth <= MOST_DEPTH:
        raise InputError(
            f"max_depth={depth!r}",
            hint=f"pass a public depth from 1 to {MOST_DEPTH}: all nodes of each level are computed",
        )
    return int(depth)


def check_share(value: Any, rows: int, least: int, what: str) -> int:
    """A number of rows, or a part of them as in scikit-learn, as a number."""
    if isinstance(value, bool) or not isinstance(value, int | float | np.integer | np.floating):
        raise InputError(f"{what}={value!r}", hint="pass a number of rows, or a fraction of them")
    if isinstance(value, int | np.integer):
        if value < least:
            raise InputError(f"{what}={value}", hint=f"pass {least} or more rows")
        return int(value)
    if not 0 < value <= 1:
        raise InputError(f"{what}={value}", hint="a fraction of the rows is above 0 and at most 1")
    return max(least, int(np.ceil(value * rows)))


def only(name: str, value: Any, *offered: Any) -> None:
    """InputError for a value of a parameter that is not offered."""
    if not any(value is one or value == one for one in offered):
        raise refused(name, value, (OneOf(offered),))


@dataclass(frozen=True)
class NormalisedTarget:
    """A target in [-1, 1]: less a middle, over a power of two; a mean of such values is `unit` 2^`power` of it, plus
    the middle.

    Of NumPy arrays, and of secret ones where not `closely`, middle and power come from the bounds and the unit is 1.
    Else the middle is near the mean and the unit a secret power of two, so that bounds may be much wider than values:
    by how many bits is known of counts of all rows, from their distances of the mean. About 9 comparisons a row.
    """

    values: Any
    middle: Any
    power: int
    unit: Any

    @classmethod
    def of(cls, y: Any, *, closely: bool = True) -> NormalisedTarget:
        y = numeric.settled(numeric.numerator(y)[0] if numeric.numerator(y)[1] == 1 else y)
        if closely and isinstance(y, SecretArray):
            return cls._of_spread(y)
        lo, hi = numeric.value_range(y)
        middle = (lo + hi) // 2
        power = max(hi - middle, middle - lo, 1).bit_length()
        if power > 0 and 1 << (power - 1) == max(hi - middle, middle - lo, 1):
            power -= 1
        return cls(numeric.times_power(y - middle, -power, TARGET_BITS), middle, power, 1)

    @classmethod
    def _of_spread(cls, y: SecretArray) -> NormalisedTarget:
        xp = array_namespace(y)
        whole, frac = numeric.as_integers(y)
        lo, hi = numeric.value_range(whole)
        centre = numeric.held(numeric.at_precision(xp.mean(whole), 0), lo, hi, 0)
        apart = whole - centre
        top = max(1, (hi - lo).bit_length())
        shifts = [0, *(one for one in SPREAD_SHIFTS if one < top)]
        far, last = xp.abs(apart), shifts[-1]
        factor: Any = 1
        unit: Any = 1 << last
        for before, shift in pairwise(shifts):
            inside = (xp.sum(far >= 1 << (top - shift)) == 0) * 1
            factor = factor + inside * ((1 << shift) - (1 << before))
            unit = unit - inside * ((1 << (last - before)) - (1 << (last - shift)))
        values = numeric.held(numeric.times_power(apart * factor, -top, TARGET_BITS), -1, 1, TARGET_BITS)
        return cls(values, numeric.times_power(centre, -frac, frac), top - frac - last, unit)

    def back(self, means: Any) -> Any:
        """Means of normalised values as those of the target."""
        return restored(means, self.unit, self.power) + self.middle


def restored(means: Any, unit: Any, power: int) -> Any:
    """Normalised numbers in units of the target."""
    return numeric.times_power(means * unit, power, VALUE_BITS + SPREAD_SHIFTS[-1])


def class_columns(one_hot: Any, classes: int) -> SummedColumns:
    """Of classes: `one_hot` (trees, classes, n) integers, weighed if rows are."""
    return SummedColumns(one_hot, classes, 0)


def number_columns(xp: Any, values: Any, weights: Any) -> SummedColumns:
    """Of one normalised target: its sums, and how many rows. (trees, n) each."""
    stored, frac = numeric.as_integers(planes.coarse(values, TARGET_BITS + 1))
    return SummedColumns(xp.stack([stored * weights, stored * 0 + weights], axis=1), 1, frac, 1, 0)


def whole(codes: Any) -> Any:
    """Sums of whole numbers as such: of NumPy arrays, integers."""
    return codes.astype(np.int64) if isinstance(codes, np.ndarray) else codes


def class_values(xp: Any, grown: Grown) -> Any:
    """(classes, trees, leaves): which part of the rows in a leaf is of each class."""
    sums = xp.permute_dims(grown.sums, (2, 0, 1))
    whole = xp.expand_dims(xp.sum(sums, axis=0), axis=0)
    return numeric.ratio(sums, xp.broadcast_to(whole, sums.shape), 1, VALUE_BITS)


def number_values(xp: Any, columns: SummedColumns, grown: Grown) -> Any:
    """(1, trees, leaves): the mean of the normalised target in each leaf."""
    sums = xp.permute_dims(grown.sums, (2, 0, 1))
    total = numeric.times_power(sums[:1], -columns.target_frac, columns.target_frac)
    return mean_of(total, sums[1:], 1, VALUE_BITS)


def importances(xp: Any, grown: Grown) -> Any:
    """(d, trees): what the splits by each column gain, over what all do; 0 where no node splits."""
    gains = xp.expand_dims(grown.gains, axis=1)
    each = xp.sum(planes.where(grown.features, xp.broadcast_to(gains, grown.features.shape)), axis=0)
    whole = xp.sum(each, axis=0)
    return numeric.ratio(each, xp.broadcast_to(whole, each.shape), 1, VALUE_BITS)


class TreeModel(SecretModel):
    """What a fitted model of trees holds: three arrays, secret if it was fitted on secret data."""

    features_: Any
    thresholds_: Any
    values_: Any
    n_features_in_: int
    feature_importances_: Any

    @property
    def forest_(self) -> Forest:
        """The trees; see `tercet.learn.trees.forest.Forest`."""
        self.check_fitted()
        return Forest(self.features_, self.thresholds_, self.values_)

    def _take(self, trees: PlainTrees, fitted: Any, session: Any) -> None:
        """Keep plain trees of their owner, shared, and what their columns are worth."""
        forest, _ = shared(trees, session)
        self._keep(forest)
        self.n_features_in_ = trees.columns
        worth = np.ldexp(np.rint(np.ldexp(fitted.feature_importances_, VALUE_BITS)), -VALUE_BITS)
        self.feature_importances_ = session.share(worth, bounds=(0, 1), frac_bits=VALUE_BITS)

    def to_plain(self) -> Self:
        """The same model on NumPy arrays: all that fitting left is revealed, in one plan, to whoever asks."""
        self.check_fitted()
        plain = copy(self)
        secret = [name for name in self.fitted if isinstance(getattr(self, name), SecretArray)]
        if secret:
            found = reveal(*(getattr(self, name) for name in secret))
            for name, values in zip(secret, found if len(secret) > 1 else [found], strict=True):
                setattr(plain, name, np.asarray(values))
        return plain

    def to_sklearn(self) -> Any:
        """A fitted model of scikit-learn of the same name, to predict: reveals all that fitting left, in one plan.

        Its leaves and branches are these; how many rows were in a node, and its impurity, is not known, so that its own
        `feature_importances_` are 0 (this model's are right), and inner nodes have the mean of their children as value.
        scikit-learn rounds columns to float32 before it compares them. A model that was not kept by `save` is grown
        anew for each reveal, and which of nearly equal gains wins may then differ.
        """
        import sklearn.ensemble
        import sklearn.tree

        name = type(self).__name__
        kind = getattr(sklearn.tree, name, None) or getattr(sklearn.ensemble, name)
        if not name.startswith(("DecisionTree", "RandomForest", "ExtraTrees")):
            raise InputError(f"{name} of scikit-learn is not made of revealed trees", hint="to_plain() gives this one")
        plain = self.to_plain()
        known = kind().get_params()
        made = kind(**{key: value for key, value in self.get_params().items() if key in known})
        values = np.asarray(plain.values_, dtype=np.float64)
        units = np.ldexp(np.asarray(getattr(plain, "unit_", 1), dtype=np.float64), getattr(plain, "power_", 0))
        values = values * units + getattr(plain, "middle_", 0)
        tree = made if name.startswith("DecisionTree") else made.estimator
        found = sklearn_trees(plain.forest_, tree, values)
        for one in [made, *found]:
            one.n_features_in_, one.n_outputs_ = self.n_features_in_, 1
            if hasattr(plain, "classes_"):
                one.classes_ = np.asarray(plain.classes_) if one is made else np.arange(len(plain.classes_))
                one.n_classes_ = len(plain.classes_)
        if tree is made:
            made.tree_, made.max_features_ = found[0].tree_, self.n_features_in_
        else:
            made.estimators_ = found
        return made

    def _keep(self, forest: Forest) -> None:
        self.features_, self.thresholds_, self.values_ = forest.features, forest.thresholds, forest.values


def mean_importances(each: Any) -> Any:
    """(d,): those of all trees (d, trees)."""
    xp = array_namespace(each)
    return xp.mean(each, axis=1)


def rule_of(model: Any, rows: int, most: int, least_gain: float, l2: float = 0.0, *, classes: int = 0) -> GrowthRule:
    """What is public of how a model's trees grow on so many rows; `classes`: how many, if gains are in entropy."""
    return GrowthRule(
        check_depth(model.max_depth),
        check_share(model.min_samples_leaf, rows, 1, "min_samples_leaf"),
        check_share(getattr(model, "min_samples_split", 2), rows, 2, "min_samples_split"),
        least_gain,
        l2,
        most if classes < 2 else math.ceil(most * math.log2(classes)),
        classes > 0,
    )
