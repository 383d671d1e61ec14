"""Scores of classifiers turned into probabilities on rows that they were not fitted on: `CalibratedClassifierCV`."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import Any, ClassVar

import numpy as np

from tercet.array import numeric, special
from tercet.array.core import SecretArray
from tercet.errors import InputError
from tercet.learn.beside import classes_beside
from tercet.learn.copying import clone
from tercet.learn.folds import rows_at
from tercet.learn.inputs import array_namespace, features, labels
from tercet.learn.kinds import ClassifierModel
from tercet.learn.linear_classifier import PROBABLE_REACH, SCORE_BITS, numbers
from tercet.learn.model import SecretModel
from tercet.learn.newton import COARSE_BITS, CURVED_BITS, FINE_BITS, ROW_BITS, minimised, scaled_rows
from tercet.learn.parameters import FLAG, OneOf, ParameterRule
from tercet.learn.passes import spread
from tercet.learn.searching import check_cv, cross_val_predict
from tercet.learn.sigmoid import expit
from tercet.learn.svm import LinearSVC
from tercet.learn.trees.isotonic import IsotonicRegression

PASSES = 12
SCORED_BITS = 20
TARGET_BITS = 30
PART_BITS = 24


class SigmoidCalibration(SecretModel):
    """Platt's logistic function of scores, 1 / (1 + exp(a_ t + b_)), as scikit-learn fits it.

    `fit(T, y)`: scores (n,), held within 2^16, and whether rows are of the class (n,). Newton's method in
    public passes; targets are (n1 + 1) / (n1 + 2) and 1 / (n0 + 2) of the secret numbers of rows of both kinds. After
    fit, secret: `a_`, `b_` ().
    """

    fitted: ClassVar[tuple[str, ...]] = ("a_", "b_")
    a_: Any
    b_: Any

    def fit(self, T: Any, y: Any) -> SigmoidCalibration:
        T = _held(T)
        xp = array_namespace(T, y)
        n = T.shape[0]
        inside = y * 1
        ones = xp.sum(inside)
        # 1 - 1 / (n1 + 2), and 1 / (n0 + 2)
        least = xp.stack([ones + 2, n - ones + 2])
        parts = numeric.at_precision(numeric.reciprocal(least, 2, TARGET_BITS), TARGET_BITS)
        goal = parts[1] + inside * (1 - parts[0] - parts[1])
        rows = scaled_rows(xp, xp.expand_dims(T, axis=1), Fraction(0), centred=True)
        x = xp.concat([rows.scaled, spread(np.ones((n, 1)), rows.scaled, ROW_BITS)], axis=1)
        w = minimised(xp, x, np.zeros(2), _SoftTargets(xp.expand_dims(goal, axis=1)), 1, PASSES)
        coef, intercept = rows.original(xp, w[:, :1], w[:, 1])
        self.a_, self.b_ = -coef[0, 0], -intercept[0]
        return self

    def predict(self, T: Any) -> Any:
        """(n,): probabilities, within 2^-22."""
        self.check_fitted()
        T = _held(T)
        found = numeric.at_most(T * -self.a_, SCORE_BITS) - numeric.at_most(self.b_, SCORE_BITS)
        return special.expit(numeric.held(found, -PROBABLE_REACH, PROBABLE_REACH, SCORE_BITS))


class _SoftTargets:
    """Four times the log loss of targets between 0 and 1."""

    def __init__(self, goal: Any) -> None:
        self.goal = goal
        self.coarse = numeric.at_precision(goal, COARSE_BITS)

    def slopes(self, z: Any) -> Any:
        return numeric.at_precision((special.expit(z) - self.goal) * 4, FINE_BITS)

    def coarse_slopes(self, z: Any) -> Any:
        return (expit(z) - self.coarse) * 4

    def curvatures(self, z: Any) -> tuple[Any, Any]:
        p = expit(z)
        return (p - self.coarse) * 4, numeric.at_precision((p - p * p) * 4, CURVED_BITS)


class CalibratedPart(SecretModel):
    """One classifier and what its scores mean: `estimator_`, `calibrators_` (one for each class, one for two)."""

    fitted: ClassVar[tuple[str, ...]] = ("estimator_", "calibrators_", "classes_")
    estimator_: Any
    calibrators_: list[Any]
    classes_: Any

    def predict_proba(self, X: Any) -> Any:
        """(n, k): calibrated probabilities."""
        scores = _scores(self.estimator_, X)
        xp = array_namespace(scores)
        if len(self.calibrators_) == 1:
            upper = _probability(self.calibrators_[0], scores[:, 0])
            return xp.stack([1 - upper, upper], axis=1)
        each = [_probability(one, scores[:, at]) for at, one in enumerate(self.calibrators_)]
        parts = xp.stack(each, axis=1)
        whole = xp.sum(parts, axis=1, keepdims=True)
        found = numeric.ratio(parts, xp.broadcast_to(whole, parts.shape), 1, PART_BITS)
        return xp.where(whole == 0, 1 / len(each), found)


class CalibratedClassifierCV(ClassifierModel):
    """A classifier with probabilities that hold, in scikit-learn's manner, on secret or NumPy arrays.

    `fit(X, y)`: copies of `estimator` are fitted on public folds (`cv`: None for five, a number, folds, or a list of
    places; see `cross_val_predict`), and what they say of the rows left out is turned into probabilities by `method`:
    "sigmoid" (Platt) or "isotonic" (`IsotonicRegression` of 64 bins). Probabilities are the mean of all copies; with
    `ensemble=False` one calibration of all rows left out stands behind one classifier fitted on all rows.
    `cv="prefit"`: `estimator` is fitted already, and all rows calibrate it. Of several classes each is calibrated
    against the others, and the parts are divided by their sum.

    Nothing is revealed. After fit: `calibrated_classifiers_`, a list; `classes_` is public. Probabilities agree with
    scikit-learn's of the same scores to 1e-5 ("sigmoid"), or as well as isotonic bins do. Rounds: those of
    the fits, and 2,000 beside each other for all calibrations by sigmoid. Raises InputError for an estimator without
    scores, and for folds that lack a class of plain y.
    """

    fitted: ClassVar[tuple[str, ...]] = ("calibrated_classifiers_", "classes_")
    not_offered: ClassVar[Mapping[str, str]] = {
        "n_jobs": "copies are fitted side by side in any case: leave it out",
        "base_estimator": "it is named estimator",
    }
    allowed: ClassVar[dict[str, tuple[ParameterRule, ...]]] = {
        "method": (OneOf(("sigmoid", "isotonic")),),
        "ensemble": (FLAG, OneOf(("auto",))),
    }
    calibrated_classifiers_: list[CalibratedPart]

    def __init__(
        self, estimator: Any = None, *, method: str = "sigmoid", cv: Any = None, ensemble: bool | str = "auto"
    ) -> None:
        self.estimator = estimator
        self.method = method
        self.cv = cv
        self.ensemble = ensemble

    def fit(self, X: Any, y: Any) -> CalibratedClassifierCV:
        """Fit copies, and calibrate them; see the class."""
        X = features(X, self, fitting=True)
        estimator = self._estimator()
        hint = getattr(estimator, "classes", None)
        prefit = isinstance(self.cv, str)
        if prefit:
            if self.cv != "prefit":
                raise InputError(f"cv={self.cv!r}", hint='pass a number, folds, places, or "prefit"')
            hint = estimator.classes_
        known = classes_beside(X, y, hint)
        self.classes_, hot = known.classes, known.one_hot()
        if len(known.classes) < 2:
            raise InputError("y has one class", hint="pass two or more")
        if prefit:
            parts = [self._part(estimator, _scores(estimator, X), hot)]
        elif self.ensemble is False:
            name = _method(estimator)
            scores = cross_val_predict(estimator, X, y, cv=self.cv, method=name)
            parts = [self._part(clone(estimator).fit(X, y), _columns(scores, name, len(known.classes)), hot)]
        else:
            folds = check_cv(self.cv, y, True)
            parts = []
            for train, held in folds if isinstance(folds, list) else folds.split(X, y):
                one = clone(estimator).fit(rows_at(X, train), rows_at(y, train))
                parts.append(self._part(one, _scores(one, rows_at(X, held)), rows_at(hot, held)))
        self.calibrated_classifiers_ = parts
        return self

    def _estimator(self) -> Any:
        if self.estimator is not None:
            return self.estimator
        return LinearSVC()

    def _part(self, estimator: Any, scores: Any, hot: Any) -> CalibratedPart:
        found = np.asarray(estimator.classes_)
        if not np.array_equal(found, self.classes_):
            raise InputError(
                f"a classifier knows the classes {found.tolist()}, and y has {self.classes_.tolist()}",
                hint="pass folds that hold all classes, or classes= to the estimator",
            )
        part = CalibratedPart()
        part.estimator_, part.classes_ = estimator, self.classes_
        columns = range(scores.shape[1])
        first = 1 if len(columns) == 1 else 0
        part.calibrators_ = [self._calibrated(scores[:, at], hot[:, at + first]) for at in columns]
        return part

    def _calibrated(self, scores: Any, inside: Any) -> Any:
        if self.method == "sigmoid":
            return SigmoidCalibration().fit(scores, inside)
        return IsotonicRegression(y_min=0.0, y_max=1.0).fit(_held(scores), inside * 1)

    def predict_proba(self, X: Any) -> Any:
        """(n, k): the mean of the copies' calibrated probabilities."""
        self.check_fitted()
        X = features(X, self)
        total: Any = 0
        for part in self.calibrated_classifiers_:
            total = part.predict_proba(X) + total
        return total / len(self.calibrated_classifiers_)

    def predict(self, X: Any) -> Any:
        """(n,): the class of the greatest probability, of equal ones the first."""
        found = self.predict_proba(X)
        xp = array_namespace(found)
        if found.shape[1] == 2:
            return labels((found[:, 1] > found[:, 0]) * 1, self.classes_)
        return labels(xp.argmax(found, axis=1), self.classes_)


def _method(estimator: Any) -> str:
    for name in ("decision_function", "predict_proba"):
        if getattr(estimator, name, None) is not None:
            return name
    raise InputError(
        f"{type(estimator).__name__} has neither decision_function nor predict_proba", hint="take a classifier that has"
    )


def _scores(estimator: Any, X: Any) -> Any:
    """(n, k), or (n, 1) of two classes: what a fitted classifier says of rows."""
    name = _method(estimator)
    return _columns(getattr(estimator, name)(X), name, len(estimator.classes_))


def _columns(scores: Any, name: str, classes: int) -> Any:
    if scores.ndim == 1:
        return scores[:, None]
    return scores[:, 1:] if classes == 2 and name == "predict_proba" else scores


def _probability(calibrator: Any, scores: Any) -> Any:
    return numeric.at_precision(numeric.settled(calibrator.predict(_held(scores))), PART_BITS)


def _held(scores: Any) -> Any:
    """Scores with 20 fractional bits, drawn in to 2^16."""
    if not isinstance(scores, SecretArray):
        return np.asarray(scores, dtype=np.float64)
    return numeric.held(numeric.settled(numbers(scores)), -PROBABLE_REACH, PROBABLE_REACH, SCORED_BITS)
