"""Mixtures of normal distributions with a variance for each column, by EM's passes under sharing."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from tercet.array import numeric
from tercet.array.core import SecretArray
from tercet.array.loops import loop
from tercet.array.softmax import softmax
from tercet.errors import InputError
from tercet.learn.by_class import log_priors
from tercet.learn.cluster import Around, KMeans
from tercet.learn.inputs import array_namespace, features
from tercet.learn.model import SecretModel
from tercet.learn.naive_bayes import gaussian_scores
from tercet.learn.nearest import as_numbers, distances, least, places
from tercet.learn.parameters import Whole
from tercet.learn.reasons import ONE_ROW

ROW_BITS = 20
"""Fractional bits of a row in units of its columns' standard deviations."""
REACH = 32
LEAST_BITS = 12
"""A variance counts as 2^-12 of its column's at least."""
PART_BITS = 24
BITS = 30
VARIANCE_BITS = 30
FINE_BITS = 52
HALF_WAY_BITS = 24
MEAN_BITS = 40
START_PASSES = 10
_MOST = 4 * REACH * REACH


class GaussianMixture(SecretModel):
    """A mixture of normal distributions in scikit-learn's manner, of secret or NumPy arrays. Nothing is revealed.

    `fit(X)`: X (n, d). Columns are taken less their means, scaled by secret powers of two to standard deviations in
    [1/4, 1), and held within 32; then EM in one loop of the plan, `max_iter` passes: a stopping rule would tell when it
    holds. `covariance_type`: "diag". `means_init` (k, d), `weights_init` (k,) and `precisions_init` (k, d): public
    starts; what is not given comes from 10 passes of `KMeans` with the public `random_state`.
    `reg_covar` is added to variances, which count as 2^-12 of their column's at least.

    After fit, secret: `weights_` (k,), `means_` (k, d), `covariances_` (k, d); public: `n_iter_`, `n_features_in_`.
    Error: means about 1e-6 of a column's standard deviation, variances 1e-6 of its variance. Rounds:
    about 100 a pass. Raises InputError for shapes and parameters that do not fit.
    """

    fitted = ("weights_", "means_", "covariances_", "n_iter_", "n_features_in_")
    n_features_in_: int
    allowed: ClassVar = {"n_components": (Whole(1),)}
    not_offered: ClassVar = {
        "tol": "a stopping rule on secrets would reveal when it holds; max_iter passes are made",
        "n_init": "one start is made; leave it out",
        "init_params": "starts come from k-means, or are given by means_init",
        "warm_start": "pass means_init, weights_init and precisions_init",
        "verbose": "nothing is printed; leave it out",
        "verbose_interval": "nothing is printed; leave it out",
    }

    def __init__(
        self,
        n_components: int = 1,
        *,
        covariance_type: str = "diag",
        reg_covar: float = 1e-6,
        max_iter: int = 20,
        weights_init: Any = None,
        means_init: Any = None,
        precisions_init: Any = None,
        random_state: int = 0,
    ) -> None:
        self.n_components = n_components
        self.covariance_type = covariance_type
        self.reg_covar = reg_covar
        self.max_iter = max_iter
        self.weights_init = weights_init
        self.means_init = means_init
        self.precisions_init = precisions_init
        self.random_state = random_state

    def fit(self, X: Any, y: Any = None) -> GaussianMixture:
        X = features(X, self, fitting=True)
        if self.covariance_type != "diag":
            raise InputError(f"covariance_type={self.covariance_type!r}", hint='pass "diag"')
        if self.n_components > X.shape[0]:
            raise InputError(f"{self!r} for {X.shape[0]} rows", hint="pass as many rows as components, or more")
        rows = _Scaled(X, self.reg_covar)
        start = self._start(rows, X)
        if isinstance(X, SecretArray):
            bounds = [(0, 1.01), (-REACH - 1, REACH + 1), (0, 2 * _MOST)]
            found = loop(self.max_iter, rows.once, *start, bounds=bounds)
        else:
            found = start
            for _ in range(self.max_iter):
                found = rows.once(*found)
        self.weights_ = found[0]
        self.means_, self.covariances_ = rows.means_back(found[1]), rows.variances_back(found[2])
        self.n_iter_ = self.max_iter
        return self

    def _start(self, rows: _Scaled, X: Any) -> tuple[Any, Any, Any]:
        xp, k = rows.xp, self.n_components
        given = (self.weights_init, self.means_init, self.precisions_init)
        shapes = ((k,), (k, X.shape[1]), (k, X.shape[1]))
        for value, shape in zip(given, shapes, strict=True):
            if value is not None and tuple(value.shape) != shape:
                raise InputError(f"a start of shape {tuple(value.shape)}", hint=f"pass {shape}")
        if any(value is None for value in given):
            found = KMeans(k, max_iter=START_PASSES, random_state=self.random_state).fit(X)
            around = Around(X, None, found.cluster_centers_)
            near = least(distances(around.x, around.given(found.cluster_centers_, k))[0])[1]
            weights, means, variances = rows.parameters(numeric.bounded(as_numbers(xp, near), 0, 1, ONE_ROW), None)
        if self.weights_init is not None:
            weights = rows.secret(self.weights_init, BITS)
        if self.means_init is not None:
            means = rows.means_there(self.means_init)
        if self.precisions_init is not None:
            variances = rows.variances_there(1 / np.asarray(self.precisions_init, dtype=np.float64))
            variances = xp.maximum(variances, 2.0**-LEAST_BITS)
        return weights, means, variances

    def _scores(self, X: Any) -> Any:
        self.check_fitted()
        return gaussian_scores(features(X, self), self.means_, self.covariances_, log_priors(self.weights_))

    def predict(self, X: Any) -> Any:
        """(n,): the likeliest component of each row."""
        scores = self._scores(X)
        xp = array_namespace(scores)
        return places(xp, least(-xp.matrix_transpose(scores))[1])

    def predict_proba(self, X: Any) -> Any:
        """(n, k): the probability of each component."""
        return softmax(self._scores(X), axis=1)

    def fit_predict(self, X: Any, y: Any = None) -> Any:
        """`fit(X)`, then `predict(X)`."""
        return self.fit(X).predict(X)


class _Scaled:
    """Rows less their means, in units near the columns' standard deviations, and one pass of EM on them."""

    def __init__(self, X: Any, reg_covar: float) -> None:
        X, self.divisor = numeric.numerator(X)
        self.xp = xp = array_namespace(X)
        self.count = X.shape[0]
        bits = getattr(X, "frac_bits", 0)
        self.centre = numeric.at_precision(numeric.settled(xp.mean(X, axis=0)), max(1, bits))
        stored, frac_bits = numeric.as_integers(X)
        sums = xp.sum(stored, axis=0)
        moment = xp.sum(stored * stored, axis=0) * self.count - sums * sums
        self.bits = numeric.top_bits(moment)
        self.factor, self.complement = numeric.half_normaliser(moment, self.bits)
        # the deviation of X times 2^-shift lies in [1/4, 1)
        self.shift = self.bits // 2 - frac_bits - self.count.bit_length()
        self.zero = X[0, 0] * 0
        self.rows = self._there(X - self.centre)
        self.squares = self.rows * self.rows
        self.least = self.variances_there(np.full(X.shape[1], reg_covar))

    def secret(self, values: Any, bits: int) -> Any:
        """Numbers as secret ones, where rows are."""
        if isinstance(self.zero, SecretArray) and not isinstance(values, SecretArray):
            values = numeric.at_precision(self.zero, bits) + np.asarray(values, dtype=np.float64)
        return numeric.at_precision(values, bits)

    def _there(self, values: Any, bits: int = ROW_BITS) -> Any:
        return numeric.held(numeric.times_power(values * self.factor, -self.shift, bits), -REACH, REACH, bits)

    def means_there(self, means: Any) -> Any:
        """Means in these units."""
        own = self.secret(means * float(self.divisor), MEAN_BITS)
        return self._there(own - self.centre, BITS)

    def variances_there(self, variances: Any) -> Any:
        """Variances in these units."""
        found = self.secret(variances * float(self.divisor) ** 2, FINE_BITS)
        found = numeric.times_power(found * self.factor, -self.shift, FINE_BITS)
        found = numeric.held(found, 0, 1 << HALF_WAY_BITS, FINE_BITS - 8)
        return numeric.held(numeric.times_power(found * self.factor, -self.shift, BITS), 0, _MOST, BITS)

    def means_back(self, means: Any) -> Any:
        found = numeric.times_power(means * self.complement, self.shift - self.bits // 2, MEAN_BITS)
        return numeric.over(numeric.at_precision(found, MEAN_BITS) + self.centre, self.divisor)

    def variances_back(self, variances: Any) -> Any:
        found = numeric.at_precision(variances, VARIANCE_BITS)
        for _ in range(2):
            found = numeric.times_power(found * self.complement, self.shift - self.bits // 2, MEAN_BITS)
            found = numeric.at_most(found, MEAN_BITS)
        return numeric.over(found, self.divisor**2)

    def parameters(self, parts: Any, before: Any) -> tuple[Any, Any, Any]:
        """Weights, means and variances from the parts (k, n) that components have in rows; where a component has less
        than a tenth of a row, means and variances are those before."""
        xp = self.xp
        total = xp.sum(parts, axis=1)
        sums, squares = xp.matmul(parts, self.rows), xp.matmul(parts, self.squares)
        counts = xp.broadcast_to(xp.expand_dims(total, axis=1), sums.shape)
        means = numeric.ratio(sums + counts * REACH, counts, 2 * REACH, BITS) - REACH
        variances = numeric.ratio(squares, counts, REACH * REACH, BITS) - numeric.at_precision(means * means, BITS)
        variances = xp.maximum(numeric.at_precision(variances + self.least, BITS), 2.0**-LEAST_BITS)
        if before is not None:
            few = counts < 0.125
            means, variances = xp.where(few, before[0], means), xp.where(few, before[1], variances)
        return numeric.at_precision(total / self.count, BITS), numeric.at_precision(means, BITS), variances

    def once(self, weights: Any, means: Any, variances: Any) -> tuple[Any, Any, Any]:
        """A pass of EM."""
        xp = self.xp
        inverse = numeric.at_precision(numeric.reciprocal(variances, 1 << BITS - LEAST_BITS, BITS), BITS)
        weighed = numeric.at_precision(means * inverse, BITS)
        ends = numeric.at_precision(xp.sum(means * weighed, axis=1), PART_BITS)
        logs = numeric.at_precision(xp.sum(xp.log(numeric.times_power(variances, 0, PART_BITS)), axis=1), PART_BITS)
        away = xp.matmul(self.squares, xp.matrix_transpose(inverse))
        away = numeric.at_precision(away - 2 * xp.matmul(self.rows, xp.matrix_transpose(weighed)), PART_BITS)
        own = xp.log(numeric.times_power(weights, 0, PART_BITS)) - 0.5 * (ends + logs)
        parts = softmax(numeric.at_precision(own - 0.5 * away, PART_BITS), axis=1)
        return self.parameters(xp.matrix_transpose(parts), (means, variances))
