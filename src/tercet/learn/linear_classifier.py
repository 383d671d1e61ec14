"""What linear classifiers share: scores, classes and probabilities of rows, from secret or plain coefficients."""

from __future__ import annotations

from typing import Any

import numpy as np

from tercet.array import numeric, softmax, special
from tercet.array.core import SecretArray
from tercet.learn.inputs import array_namespace, features, labels
from tercet.learn.interchange import InterchangedModel
from tercet.learn.kinds import ClassifierModel

SCORE_BITS = 24
SCORE_REACH = 1 << 36
"""Scores are told apart up to here: with their fractional bits they fit 64 bits."""
PROBABLE_REACH = 1 << 16
"""Differences of scores count up to here in probabilities, which are 0 and 1 long before."""


def numbers(X: Any) -> Any:
    """Features as integers or fixed point: decimals at 24 fractional bits."""
    X, divisor = numeric.numerator(X)
    return X if divisor == 1 else numeric.at_precision(X * float(1 / divisor), SCORE_BITS)


def weighed(X: Any, coef: Any, intercept: Any) -> Any:
    """X @ coef' + intercept (n, k), with 28 fractional bits at most."""
    xp = array_namespace(X, coef)
    return numeric.at_most(xp.matmul(numbers(X), xp.matrix_transpose(coef)), SCORE_BITS + 4) + intercept


def scores(X: Any, coef: Any, intercept: Any) -> Any:
    """X @ coef' + intercept (n, k) with 24 fractional bits, drawn in to 2^36 where bounds reach beyond."""
    return numeric.held(weighed(X, coef, intercept), -SCORE_REACH, SCORE_REACH, SCORE_BITS)


class LinearClassifier(InterchangedModel, ClassifierModel):
    """A classifier by X @ coef_' + intercept_, one row of `coef_` for two classes, and one for each of more."""

    fitted = ("coef_", "intercept_", "classes_")

    def decision_function(self, X: Any) -> Any:
        """X @ coef_' + intercept_: (n,) for two classes, else (n, k), with 24 fractional bits.

        Drawn in to 2^36 under sharing. One round, and two comparisons where bounds ask for them. Nothing is revealed.
        Raises InputError before `fit`.
        """
        self.check_fitted()
        found = scores(features(X, self), self.coef_, self.intercept_)
        return found[:, 0] if found.shape[1] == 1 else found

    def predict(self, X: Any) -> Any:
        """The class of each row, secret: that of the largest score. Raises InputError before `fit`."""
        found = self.decision_function(X)
        xp = array_namespace(found)
        if len(found.shape) == 1:
            return labels((found > 0) * 1, self.classes_)
        return labels(xp.argmax(found, axis=1), self.classes_)

    def _probabilities(self, X: Any, *, together: bool) -> Any:
        """(n, k): of one score by the logistic function, of more by softmax or, one against the rest, as parts."""
        found = self.decision_function(X)
        xp = array_namespace(found)
        if len(found.shape) == 1:
            upper = special.expit(_probable(found))
            return xp.stack([1 - upper, upper], axis=1)
        if together:
            return softmax_of(_probable(found - xp.max(found, axis=1, keepdims=True)))
        found = _probable(found)
        parts = special.expit(found)
        return parts / xp.sum(parts, axis=1, keepdims=True)


def _probable(scores: Any) -> Any:
    return numeric.held(scores, -PROBABLE_REACH, PROBABLE_REACH, SCORE_BITS)


def softmax_of(z: Any) -> Any:
    """Softmax along the rows of secret or plain scores."""
    if isinstance(z, SecretArray):
        return softmax.softmax(z, axis=1)
    powers = np.exp(z - np.max(z, axis=1, keepdims=True))
    return powers / np.sum(powers, axis=1, keepdims=True)
