"""LinearSVC with the squared hinge loss, by Newton's method on the rows within the margin."""

from __future__ import annotations

from collections.abc import Mapping
from fractions import Fraction
from typing import Any, ClassVar

import numpy as np

from tercet.array import numeric
from tercet.array.core import SecretArray
from tercet.errors import InputError
from tercet.learn.inputs import array_namespace, classes_of, features, target
from tercet.learn.linear_classifier import LinearClassifier
from tercet.learn.logistic import MOST_COEFFICIENTS, row_weights
from tercet.learn.newton import CURVED_BITS, FINE_BITS, ROW_BITS, minimised, scaled_rows
from tercet.learn.parameters import count_of, number_of
from tercet.learn.passes import spread
from tercet.learn.solve import WORKING_BITS


class LinearSVC(LinearClassifier):
    """Linear support vector classification with scikit-learn's defaults and objective: C times the sum of (weighed)
    squared hinges max(0, 1 - y z)^2 and |w|^2 / 2, in which the intercept counts as a coefficient.

    `max_iter` public passes of Newton's method on the rows within the margin, then eight by the last inverse: the
    minimum to about 1e-8 where the passes find those rows, as 15 do on ordinary data. Several classes: each against the
    rest, one fit after the other. About 55 rounds a coefficient, pass and class; bytes grow with n. Classes and weights
    as `LogisticRegression`. Nothing is revealed. Raises InputError for parameters that are not offered.
    """

    plain_module: ClassVar[str] = "sklearn.svm"
    not_offered: ClassVar[dict[str, str]] = {
        "tol": "passes are public and as many as max_iter: a test of secrets would reveal when it stops",
        **dict.fromkeys(("dual", "multi_class", "verbose"), "leave it out"),
        "random_state": "nothing is drawn: leave it out",
        "penalty": "the penalty is 'l2': leave it out",
        "loss": "the loss is 'squared_hinge'; SGDClassifier has the hinge",
    }

    def __init__(
        self,
        *,
        C: float = 1.0,
        fit_intercept: bool = True,
        intercept_scaling: float = 1.0,
        class_weight: Mapping[Any, float] | str | None = None,
        max_iter: int = 15,
        classes: Any = None,
    ) -> None:
        self.C = C
        self.fit_intercept = fit_intercept
        self.intercept_scaling = intercept_scaling
        self.class_weight = class_weight
        self.max_iter = max_iter
        self.classes = classes

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> LinearSVC:
        passes = count_of(self.max_iter, "max_iter")
        scale = number_of(self.intercept_scaling, "intercept_scaling", above=True)
        X = features(X, self, fitting=True)
        xp = array_namespace(X, y)
        found = classes_of(target(X, y), self.classes)
        self.classes_ = found.classes
        n, d = X.shape
        columns = d + 1 if self.fit_intercept else d
        if len(found.classes) < 2 or columns > MOST_COEFFICIENTS:
            raise InputError(
                f"{len(found.classes)} classes with {columns} coefficients each",
                hint=f"two classes at least, {MOST_COEFFICIENTS} coefficients at most; SGDClassifier takes more",
            )
        each, most = row_weights(xp, X, found, self.class_weight, sample_weight)
        # the mean of s (1 - y z)^2 / 2 within the margin, whose second derivative is at most 1, over 2 C n
        penalty = 1 / (2 * number_of(self.C, "C", above=True) * most * n)
        rows = scaled_rows(xp, X, penalty, centred=False)
        x, shrunk = rows.scaled, rows.shrunk
        if self.fit_intercept:
            # one column of a half or less, so that its penalty and its square are at most 1 together
            weight, one = penalty / scale**2, Fraction(1, 2)
            while weight * one**2 > Fraction(3, 4):
                one /= 2
            x = xp.concat([x, spread(np.full((n, 1), float(one)), x, ROW_BITS)], axis=1)
            shrunk = xp.concat([shrunk, spread(np.array([float(weight * one**2)]), shrunk, WORKING_BITS)])
        else:
            one = Fraction(0)
        codes = found.codes[:, None] if len(found.classes) == 2 else found.one_hot() * 1
        fitted = []
        for place in range(codes.shape[1]):
            loss = _SquaredHinge(2 * codes[:, place : place + 1] - 1, each)
            fitted.append(minimised(xp, x, shrunk, loss, 1, passes))
        w = fitted[0] if len(fitted) == 1 else xp.concat(fitted, axis=0)
        shift = w[:, d] * float(one) if self.fit_intercept else np.zeros(len(fitted))
        self.coef_ = rows.original(xp, w[:, :d], shift)[0]
        self.intercept_ = shift
        return self


class _SquaredHinge:
    """max(0, 1 - y z)^2 / 2 of targets -1 and 1."""

    def __init__(self, y: Any, weight: Any) -> None:
        self.y = y
        self.weight = None if weight is None else weight[:, None]

    def slopes(self, z: Any) -> Any:
        return self._weighed(self._missed(z), FINE_BITS)

    def curvatures(self, z: Any) -> tuple[Any, Any]:
        active = self._active(z)
        return self.slopes(z), self._weighed(active * 1, CURVED_BITS)

    def _active(self, z: Any) -> Any:
        return self.y * z < 1

    def _missed(self, z: Any) -> Any:
        gap = z - self.y
        if isinstance(z, SecretArray):
            return z.__array_namespace__().where(self._active(z), gap, 0)
        return np.where(self._active(z), gap, 0)

    def _weighed(self, values: Any, bits: int) -> Any:
        return values if self.weight is None else numeric.at_precision(values * self.weight, bits)
