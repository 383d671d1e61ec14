"""Mixtures of normal distributions, with or without covariances, by EM's passes under sharing."""

from __future__ import annotations

from typing import Any, ClassVar, Final

import numpy as np

from tercet.array import numeric
from tercet.array.core import SecretArray
from tercet.array.loops import loop
from tercet.array.softmax import softmax
from tercet.errors import InputError
from tercet.learn.by_class import log_priors
from tercet.learn.cluster import Around, KMeans
from tercet.learn.inputs import array_namespace, features
from tercet.learn.mixture_rows import BITS, LEAST_BITS, CovaryingRows, MixtureRows
from tercet.learn.model import SecretModel
from tercet.learn.naive_bayes import gaussian_scores
from tercet.learn.nearest import as_numbers, distances, least, places
from tercet.learn.parameters import OneOf, Whole
from tercet.learn.reasons import ONE_ROW

START_PASSES = 10


class GaussianMixture(SecretModel):
    """A mixture of normal distributions in scikit-learn's manner, of secret or NumPy arrays. Nothing is revealed.

    `fit(X)`: X (n, d). Columns are taken less their means, scaled by secret powers of two to standard deviations in
    [1/4, 1), and held within 32; then EM in one loop of the plan, `max_iter` passes: a stopping rule would tell when it
    holds. `covariance_type`: "diag", a variance for each column; "spherical", one for all; "full", covariances; or
    "tied", those that all components have in common. `means_init` (k, d), `weights_init` (k,) and `precisions_init` (as
    `covariances_`): public starts; what is not given comes from 10 passes of `KMeans` with the public `random_state`.
    `reg_covar` is added to variances, which count as 2^-12 of their column's at least, or of the widest one's.

    After fit, secret: `weights_` (k,), `means_` (k, d), `covariances_` ((k, d), (k,), (k, d, d) or (d, d)), `kept_`
    (what predictions take of covariances); public: `n_iter_`, `n_features_in_`. Error: means about 1e-6 of a column's
    standard deviation, variances 1e-6 of its variance. With covariances, LDL' of the scaled ones adds 2^-44 times their
    condition number; of a column that others determine, 2^-24 is left; predictions hold rows within 32, too. Rounds:
    about 100 a pass; 50 d more with covariances. Raises InputError for shapes and parameters that do not fit.
    """

    fitted = ("weights_", "means_", "covariances_", "kept_", "n_iter_", "n_features_in_")
    n_features_in_: int
    kept_: dict[str, Any]
    allowed: ClassVar = {
        "n_components": (Whole(1),),
        "covariance_type": (OneOf(("full", "tied", "diag", "spherical")),),
    }
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
        if self.n_components > X.shape[0]:
            raise InputError(f"{self!r} for {X.shape[0]} rows", hint="pass as many rows as components, or more")
        rows = _ROWS[self.covariance_type](X, self.reg_covar)
        start = self._start(rows, X)
        if isinstance(X, SecretArray):
            found = loop(self.max_iter, rows.once, *start, bounds=rows.bounds)
        else:
            found = start
            for _ in range(self.max_iter):
                found = rows.once(*found)
        self.weights_ = found[0]
        self.means_, self.covariances_ = rows.means_back(found[1]), rows.variances_back(found[2])
        self.kept_ = rows.kept(*found[1:])
        self.n_iter_ = self.max_iter
        return self

    def _start(self, rows: MixtureRows, X: Any) -> tuple[Any, Any, Any]:
        xp, k = rows.xp, self.n_components
        given = (self.weights_init, self.means_init, self.precisions_init)
        d = X.shape[1]
        precisions = {"full": (k, d, d), "tied": (d, d), "diag": (k, d), "spherical": (k,)}[self.covariance_type]
        shapes = ((k,), (k, d), precisions)
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
            variances = rows.variances_there(self._inverse(np.asarray(self.precisions_init, dtype=np.float64)))
            if not isinstance(rows, CovaryingRows):
                variances = xp.maximum(variances, 2.0**-LEAST_BITS)
        return weights, means, variances

    def _inverse(self, precisions: Any) -> Any:
        """The public covariances of public precisions."""
        if self.covariance_type == "diag":
            return 1 / precisions
        if self.covariance_type == "spherical":
            return np.broadcast_to(1 / precisions[:, None], (len(precisions), self.n_features_in_))
        try:
            np.linalg.cholesky(precisions)
        except np.linalg.LinAlgError:
            raise InputError(
                "precisions_init has an eigenvalue of 0 or below", hint="pass inverses of covariances"
            ) from None
        return np.linalg.inv(precisions)

    def _scores(self, X: Any) -> Any:
        self.check_fitted()
        X = features(X, self)
        if self.kept_:
            return CovaryingRows.predicted(X, self.weights_, self.kept_)
        variances = self.covariances_
        if self.covariance_type == "spherical":
            xp = array_namespace(variances)
            variances = xp.broadcast_to(xp.expand_dims(variances, axis=1), self.means_.shape)
        return gaussian_scores(X, self.means_, variances, log_priors(self.weights_))

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


def _spherical(X: Any, reg_covar: float) -> MixtureRows:
    return MixtureRows(X, reg_covar, common=True)


def _full(X: Any, reg_covar: float) -> MixtureRows:
    return CovaryingRows(X, reg_covar, tied=False)


def _tied(X: Any, reg_covar: float) -> MixtureRows:
    return CovaryingRows(X, reg_covar, tied=True)


_ROWS: Final = {"full": _full, "tied": _tied, "diag": MixtureRows, "spherical": _spherical}
