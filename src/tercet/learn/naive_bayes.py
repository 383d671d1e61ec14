"""Naive Bayes classifiers: sums in secret classes, and log-likelihoods of all rows by one matrix product."""

from __future__ import annotations

from typing import Any

from tercet.array import numeric
from tercet.array.softmax import log_softmax, softmax
from tercet.learn.beside import classes_beside
from tercet.learn.by_class import ByClass, given_priors, log_priors
from tercet.learn.inputs import array_namespace, features, labels
from tercet.learn.kinds import ClassifierModel
from tercet.learn.nearest import least, places
from tercet.learn.plain import revealed, shared
from tercet.learn.reasons import WITHIN_SPREAD

ROW_BITS = 22
"""Fractional bits of a row in units of its columns' spreads, which lies in [-128, 128]."""
REACH = 128
LEAST_BITS = 36
"""A variance counts as 2^-36 of its column's spread squared at least."""
FACTOR_BITS = 44
SCORE_BITS = 20
SCALED_BITS = 52
MEAN_BITS = 40
PLACE_BITS = 30
LOG_BITS = 24
LEAST_ROW_BITS = 8


class GaussianNB(ClassifierModel):
    """Gaussian naive Bayes in scikit-learn's manner, on secret or NumPy arrays. Nothing is revealed.

    `fit(X, y, sample_weight=None, classes=None)`: X (n, d), y (n,) with public classes (bools, categories, integers
    with tight bounds, or `classes`). Sums, and sums of squares, in all classes are exact. `priors`: public
    probabilities of the classes; `var_smoothing`: this part of the largest variance is added to all.

    After fit, secret: `theta_` (k, d), `var_` (k, d), `class_count_` (k,), `class_prior_` (k,), `epsilon_` (); public:
    `classes_`, `n_features_in_`. A class without rows is never predicted. Error: means and variances within a few last
    bits, 2^-40 and 2^-52 unless bounds are wide.

    `predict`: each column is scaled by a secret power of two to its spread over and in the classes, and held within
    128 of these, so that declared bounds need not be tight; log-likelihoods then come from one matrix product, within
    2^-9 where rows are that far out and 2^-16 where they are near. About 120 rounds. Raises InputError for shapes,
    priors and classes that do not fit.
    """

    fitted = ("theta_", "var_", "class_count_", "class_prior_", "epsilon_", "classes_", "n_features_in_")
    n_features_in_: int

    def __init__(self, *, priors: Any = None, var_smoothing: float = 1e-9) -> None:
        self.priors = priors
        self.var_smoothing = var_smoothing

    def fit(self, X: Any, y: Any, sample_weight: Any = None, *, classes: Any = None) -> GaussianNB:
        X = features(X, self, fitting=True)
        found = classes_beside(X, y, classes)
        sums = ByClass(X, found, sample_weight)
        xp = sums.xp
        self.classes_ = found.classes
        largest, rows = numeric.numerator(xp.max(sums.variance()))
        stored, frac_bits = numeric.as_integers(largest)
        top = numeric.magnitude_bits(stored) - frac_bits
        part = numeric.times_power(largest, -top, SCALED_BITS) * float(self.var_smoothing * 2.0**top / rows)
        epsilon = numeric.at_precision(part, SCALED_BITS)
        self.theta_ = sums.placed(sums.means())
        self.var_ = sums.spread(numeric.at_precision(sums.variances() + epsilon, SCALED_BITS))
        self.epsilon_ = sums.spread(epsilon)
        self.class_count_ = sums.counts
        self.class_prior_ = sums.priors() if self.priors is None else given_priors(self.priors, len(found.classes))
        return self

    def predict(self, X: Any) -> Any:
        """(n,): the class of the largest posterior probability, of equal ones the first."""
        scores = self._scores(X)
        xp = array_namespace(scores)
        return labels(places(xp, least(-xp.matrix_transpose(scores))[1]), self.classes_)

    def predict_proba(self, X: Any) -> Any:
        """(n, k): posterior probabilities of the classes, with 20 fractional bits."""
        return softmax(self._scores(X), axis=1)

    def predict_log_proba(self, X: Any) -> Any:
        """(n, k): logarithms of the posterior probabilities."""
        return log_softmax(self._scores(X), axis=1)

    def _scores(self, X: Any) -> Any:
        """(n, k): log-likelihoods and logarithms of priors, up to what all classes of a row have in common."""
        self.check_fitted()
        return gaussian_scores(features(X, self), self.theta_, self.var_, log_priors(self.class_prior_))

    @classmethod
    def from_sklearn(cls, fitted: Any, session: Any) -> GaussianNB:
        """A fitted `sklearn.naive_bayes.GaussianNB` of its owner, shared in a session, to predict others' classes.

        Public are `classes_`, shapes, and powers of two above means, variances and counts.
        """
        model = cls(var_smoothing=float(fitted.var_smoothing))
        model.theta_, model.var_ = shared(session, fitted.theta_), shared(session, fitted.var_, most_bits=SCALED_BITS)
        model.class_count_ = shared(session, fitted.class_count_)
        model.class_prior_ = shared(session, fitted.class_prior_, least=1, frac_bits=MEAN_BITS)
        model.epsilon_ = shared(session, fitted.epsilon_, most_bits=SCALED_BITS)
        model.classes_, model.n_features_in_ = fitted.classes_, int(fitted.n_features_in_)
        return model

    def to_sklearn(self) -> Any:
        """A fitted `sklearn.naive_bayes.GaussianNB`: reveals means, variances and counts, in one plan."""
        from sklearn.naive_bayes import GaussianNB as Plain

        plain = Plain(priors=self.priors, var_smoothing=self.var_smoothing)
        revealed(self, plain, ("theta_", "var_", "class_count_", "class_prior_", "epsilon_"))
        plain.classes_, plain.n_features_in_ = self.classes_, self.n_features_in_
        return plain


def gaussian_scores(X: Any, means: Any, variances: Any, priors: Any) -> Any:
    """(n, k): log-likelihoods of rows under normal distributions with a variance for each column, (k, d), plus
    logarithms of priors (k,), up to what all of a row have in common; at 20 fractional bits."""
    X, divisor = numeric.numerator(X)
    xp = array_namespace(X, means)
    means = numeric.settled(numeric.over(means, 1 / divisor))
    variances = numeric.settled(numeric.over(variances, 1 / divisor**2))
    most, fewest = xp.max(means, axis=0), xp.min(means, axis=0)
    centre = numeric.at_precision((most + fewest) / 2, max(LEAST_ROW_BITS, getattr(X, "frac_bits", 0)))
    # finer digits are below a 256th of the least spread
    apart = numeric.at_most(numeric.settled((most - fewest) / 2), SCALED_BITS // 2 + 8)
    spread = numeric.at_precision(xp.max(variances, axis=0) + apart * apart, SCALED_BITS) + 2.0**-SCALED_BITS
    stored, frac_bits = numeric.as_integers(spread)
    bits = numeric.top_bits(stored)
    factor, _ = numeric.half_normaliser(stored, bits)
    shift = (bits - frac_bits) // 2
    rows = numeric.held(numeric.times_power((X - centre) * factor, -shift, ROW_BITS), -REACH, REACH, ROW_BITS)
    means = _scaled_means(numeric.at_precision(means - centre, MEAN_BITS), factor, shift)
    own, finer = numeric.as_integers(numeric.at_precision(variances, SCALED_BITS))
    for _ in range(2):
        own = numeric.product_within(own, factor, 0, 1 << bits, WITHIN_SPREAD)
    own = numeric.at_precision(numeric.times_power(own, -finer - 2 * shift, SCALED_BITS), SCALED_BITS)
    own = xp.maximum(own, 2.0**-LEAST_BITS)
    inverse = numeric.at_precision(numeric.reciprocal(own, 1 << SCALED_BITS - LEAST_BITS, ROW_BITS + 8), ROW_BITS)
    weighed = numeric.at_precision(means * inverse, FACTOR_BITS)
    ends = xp.sum(means * weighed, axis=1)
    logs = numeric.at_precision(xp.sum(xp.log(numeric.times_power(own, 0, LOG_BITS)), axis=1), SCORE_BITS)
    away = xp.matmul(rows * rows, xp.matrix_transpose(inverse))
    away = away - 2 * xp.matmul(rows, xp.matrix_transpose(weighed)) + numeric.no_finer(ends, away)
    return numeric.at_precision(-0.5 * away, SCORE_BITS) + (priors - 0.5 * logs)


def _scaled_means(means: Any, factor: Any, shift: int) -> Any:
    stored, frac_bits = numeric.as_integers(means)
    top = (1 << max(0, frac_bits + shift)) + (1 << max(0, frac_bits + shift - 4))
    found = numeric.product_within(stored, factor, -top, top, WITHIN_SPREAD)
    return numeric.at_precision(numeric.times_power(found, -frac_bits - shift, PLACE_BITS), PLACE_BITS)
