"""Naive Bayes classifiers of counts and of bools: sums in secret classes, logarithms of their parts, one product."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Self

import numpy as np

from tercet.array import numeric
from tercet.array.core import SecretArray
from tercet.array.softmax import log_softmax, softmax
from tercet.errors import InputError
from tercet.learn.beside import classes_beside
from tercet.learn.by_class import log_priors
from tercet.learn.inputs import Classes, array_namespace, features, labels, not_negative, weights
from tercet.learn.kinds import ClassifierModel
from tercet.learn.nearest import least, places
from tercet.learn.parameters import FLAG, NOTHING, ArrayOfNumbers, Real
from tercet.learn.plain import revealed, shared

COUNT_BITS = 40
"""Fractional bits of smoothed counts and of their logarithms."""
SCORE_BITS = 20
PART_BITS = 32
SHARED_BITS = 40
LEAST_ALPHA = 1e-10


class _DiscreteNB(ClassifierModel):
    """What naive Bayes of counts shares."""

    fitted: ClassVar[tuple[str, ...]] = (
        "feature_count_",
        "class_count_",
        "feature_log_prob_",
        "class_log_prior_",
        "classes_",
        "n_features_in_",
    )
    not_offered: ClassVar[Mapping[str, str]] = {
        "force_alpha": "alpha is taken as it is, 1e-10 or more: leave it out",
    }
    allowed: ClassVar = {
        "alpha": (Real(LEAST_ALPHA), ArrayOfNumbers()),
        "class_prior": (ArrayOfNumbers(), NOTHING),
        "fit_prior": (FLAG,),
        "norm": (FLAG,),
        "binarize": (Real(), NOTHING),
    }
    alpha: Any
    fit_prior: bool
    class_prior: Any
    feature_count_: Any
    class_count_: Any
    feature_log_prob_: Any
    class_log_prior_: Any
    n_features_in_: int

    def fit(self, X: Any, y: Any, sample_weight: Any = None, *, classes: Any = None) -> Self:
        """Sums in the classes, and logarithms of their parts; see the class."""
        X = features(X, self, fitting=True)
        found = classes_beside(X, y, classes)
        X = self._counts(X)
        self.classes_ = found.classes
        xp = array_namespace(X, found.codes)
        hot = found.one_hot() * 1
        if sample_weight is not None:
            hot = hot * xp.expand_dims(weights(X, sample_weight), axis=1)
        across = xp.matrix_transpose(hot)
        self.class_count_ = xp.sum(across, axis=1)
        self.feature_count_ = xp.matmul(across, X)
        alpha = self._alpha(X.shape[1])
        fine = numeric.at_precision(self.feature_count_, COUNT_BITS)
        self.feature_log_prob_ = self._log_parts(xp, fine, numeric.at_precision(self.class_count_, COUNT_BITS), alpha)
        self.class_log_prior_ = self._log_priors(xp, found)
        return self

    def _counts(self, X: Any) -> Any:
        """Rows as what is counted."""
        X = _numbers(X)
        if not isinstance(X, SecretArray) and X.min() < 0:
            raise InputError(
                f"Negative values in data passed to {type(self).__name__} (input X)", hint="pass counts, from 0 on"
            )
        return not_negative(X, "X")

    def _alpha(self, columns: int) -> Any:
        alpha = np.asarray(self.alpha, dtype=np.float64)
        if alpha.shape not in ((), (columns,)) or (alpha < LEAST_ALPHA).any():
            raise InputError(
                f"alpha of shape {alpha.shape} for {columns} columns",
                hint=f"pass one number from {LEAST_ALPHA} on, or one for each column",
            )
        return alpha

    def _log_parts(self, xp: Any, counts: Any, rows: Any, alpha: Any) -> Any:
        raise TypeError("a naive Bayes classifier says what it takes logarithms of")

    def _log_priors(self, xp: Any, found: Classes) -> Any:
        count = len(found.classes)
        if self.class_prior is not None:
            given = np.asarray(self.class_prior, dtype=np.float64)
            if given.shape != (count,) or not (given > 0).all():
                raise InputError(
                    f"class_prior has shape {given.shape} for {count} classes", hint="pass one above 0 each"
                )
            return np.log(given)
        if not self.fit_prior:
            return np.full(count, -np.log(count))
        rows = numeric.at_precision(self.class_count_, SCORE_BITS)
        whole = xp.sum(rows)
        return log_priors(numeric.ratio(rows, xp.broadcast_to(whole, rows.shape), 1, COUNT_BITS))

    def _scores(self, X: Any) -> Any:
        """(n, k): logarithms of the joint probabilities, as scikit-learn counts them, with 20 fractional bits."""
        self.check_fitted()
        X = self._counts(features(X, self))
        xp = array_namespace(X, self.feature_log_prob_)
        found = numeric.at_precision(xp.matmul(X, xp.matrix_transpose(self._weights(xp))), SCORE_BITS)
        return found + self._added(xp)

    def _weights(self, xp: Any) -> Any:
        return self.feature_log_prob_

    def _added(self, xp: Any) -> Any:
        return self.class_log_prior_

    def predict(self, X: Any) -> Any:
        """(n,): the class of the largest joint probability, of equal ones the first."""
        scores = self._scores(X)
        xp = array_namespace(scores)
        return labels(places(xp, least(-xp.matrix_transpose(scores))[1]), self.classes_)

    def predict_joint_log_proba(self, X: Any) -> Any:
        """(n, k): logarithms of the joint probabilities."""
        return self._scores(X)

    def predict_proba(self, X: Any) -> Any:
        """(n, k): posterior probabilities of the classes, with 20 fractional bits."""
        return softmax(self._scores(X), axis=1)

    def predict_log_proba(self, X: Any) -> Any:
        """(n, k): logarithms of the posterior probabilities."""
        return log_softmax(self._scores(X), axis=1)

    @classmethod
    def from_sklearn(cls, fitted: Any, session: Any) -> Self:
        """A fitted model of scikit-learn of the same name, shared by its owner to predict others' classes.

        Public are `classes_`, shapes, parameters, and powers of two above counts and logarithms.
        """
        if type(fitted).__name__ != cls.__name__ or not hasattr(fitted, "feature_log_prob_"):
            raise InputError(f"{type(fitted).__name__} is no fitted {cls.__name__} of scikit-learn", hint="fit it")
        model = cls(**{name: value for name, value in fitted.get_params().items() if name in cls.parameters})
        model.feature_count_, model.class_count_ = (
            shared(session, one) for one in (fitted.feature_count_, fitted.class_count_)
        )
        model.feature_log_prob_ = shared(session, fitted.feature_log_prob_, most_bits=SHARED_BITS)
        model.class_log_prior_ = shared(session, fitted.class_log_prior_, frac_bits=SCORE_BITS)
        model.classes_, model.n_features_in_ = fitted.classes_, int(fitted.n_features_in_)
        return model

    def to_sklearn(self) -> Any:
        """A fitted model of scikit-learn: reveals counts and logarithms, in one plan."""
        from sklearn import naive_bayes

        plain = getattr(naive_bayes, type(self).__name__)(**self.get_params())
        revealed(self, plain, ("feature_count_", "class_count_", "feature_log_prob_", "class_log_prior_"))
        plain.classes_, plain.n_features_in_ = self.classes_, self.n_features_in_
        return plain


class _CountNB(_DiscreteNB):
    """What naive Bayes of counts from 0 on shares."""

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.positive_only = True
        return tags


class MultinomialNB(_CountNB):
    """Naive Bayes of counts, in scikit-learn's manner, on secret or NumPy arrays. Nothing is revealed.

    `fit(X, y, sample_weight=None, classes=None)`: X (n, d), counts or parts from 0 on by their bounds; y (n,) with
    public classes. Sums in all classes are exact; their parts are smoothed by a public `alpha`, 1e-10 or more, one
    number or one for each column. `class_prior`: public probabilities; else those of the rows, or equal ones without
    `fit_prior`. After fit, secret: `feature_count_` (k, d), `class_count_` (k,), `feature_log_prob_` (k, d),
    `class_log_prior_` (k,); public: `classes_`, `n_features_in_`. A class without rows is never predicted.

    Logarithms are right to 2^-38, scores to 2^-19 and 2^-38 of the sum of a row. Rounds: about 90 to fit. Raises
    InputError for values that may be negative, and for parameters that do not fit.
    """

    def __init__(self, *, alpha: Any = 1.0, fit_prior: bool = True, class_prior: Any = None) -> None:
        self.alpha = alpha
        self.fit_prior = fit_prior
        self.class_prior = class_prior

    def _log_parts(self, xp: Any, counts: Any, rows: Any, alpha: Any) -> Any:
        smoothed = counts + _fine(alpha)
        return xp.log(smoothed) - xp.log(xp.sum(smoothed, axis=1, keepdims=True))


class ComplementNB(_CountNB):
    """Naive Bayes of counts by what the other classes hold, as scikit-learn's; as `MultinomialNB` else.

    `norm`: whether weights are divided by their sum over the columns.
    """

    fitted = (*_DiscreteNB.fitted, "feature_all_")
    feature_all_: Any

    def __init__(
        self, *, alpha: Any = 1.0, fit_prior: bool = True, class_prior: Any = None, norm: bool = False
    ) -> None:
        self.alpha = alpha
        self.fit_prior = fit_prior
        self.class_prior = class_prior
        self.norm = norm

    def _log_parts(self, xp: Any, counts: Any, rows: Any, alpha: Any) -> Any:
        self.feature_all_ = xp.sum(self.feature_count_, axis=0)
        others = xp.sum(counts, axis=0, keepdims=True) + _fine(alpha) - counts
        # logarithms of parts are not above 0, but for roundings
        logged = xp.log(others) - xp.log(xp.sum(others, axis=1, keepdims=True))
        if not self.norm:
            return -logged
        away = numeric.at_precision(xp.maximum(-logged, 0.0), PART_BITS)
        whole = xp.sum(away, axis=1, keepdims=True)
        return numeric.ratio(away, xp.broadcast_to(whole, away.shape), 1, PART_BITS)

    def _added(self, xp: Any) -> Any:
        return self.class_log_prior_ if len(self.classes_) == 1 else 0

    @classmethod
    def from_sklearn(cls, fitted: Any, session: Any) -> Self:
        """As that of `MultinomialNB`."""
        model = super().from_sklearn(fitted, session)
        model.feature_all_ = shared(session, fitted.feature_all_)
        return model

    def to_sklearn(self) -> Any:
        """As that of `MultinomialNB`."""
        plain = super().to_sklearn()
        plain.feature_all_ = plain.feature_count_.sum(axis=0)
        return plain


class BernoulliNB(_DiscreteNB):
    """Naive Bayes of columns that are 0 or 1, in scikit-learn's manner; as `MultinomialNB` else.

    `binarize`: columns count as 1 above that public number, one comparison an element; None: they are bools, or
    integers from 0 to 1, already.
    """

    def __init__(
        self, *, alpha: Any = 1.0, binarize: float | None = 0.0, fit_prior: bool = True, class_prior: Any = None
    ) -> None:
        self.alpha = alpha
        self.binarize = binarize
        self.fit_prior = fit_prior
        self.class_prior = class_prior

    def _counts(self, X: Any) -> Any:
        if self.binarize is not None:
            return (self.binarize < X) * 1
        X = _numbers(X * 1)
        low, high = X.bounds if isinstance(X, SecretArray) else (X.min(), X.max())
        if low < 0 or high > 1:
            raise InputError(f"binarize=None, and X lies in {low} to {high}", hint="pass binarize=0.0")
        return X

    def _log_parts(self, xp: Any, counts: Any, rows: Any, alpha: Any) -> Any:
        whole = xp.expand_dims(rows, axis=1) + _fine(2 * alpha)
        return xp.log(counts + _fine(alpha)) - xp.log(whole)

    def _absent(self, xp: Any) -> Any:
        """(k, d): logarithms of the probability of a 0."""
        found = numeric.at_precision(self.feature_log_prob_, COUNT_BITS)
        return xp.log(1 - xp.exp(found))

    def _weights(self, xp: Any) -> Any:
        return self.feature_log_prob_ - self._absent(xp)

    def _added(self, xp: Any) -> Any:
        return self.class_log_prior_ + numeric.at_precision(xp.sum(self._absent(xp), axis=1), SCORE_BITS)


def _numbers(X: Any) -> Any:
    """Integers or fixed point: decimals and quotients at 24 fractional bits."""
    X, divisor = numeric.numerator(X)
    return X if divisor == 1 else numeric.at_precision(X * float(1 / divisor), SCORE_BITS + 4)


def _fine(alpha: Any) -> Any:
    """What is added to secret counts, to the digits that these have."""
    return np.ldexp(np.rint(np.ldexp(alpha, COUNT_BITS)), -COUNT_BITS)
