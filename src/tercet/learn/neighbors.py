"""Nearest neighbours and nearest centroids: distances by one matrix product, the nearest found under sharing."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from tercet.array import numeric
from tercet.array.core import SecretArray
from tercet.array.quantiles import quantile, top_k
from tercet.errors import InputError
from tercet.learn.beside import classes_beside, target_beside
from tercet.learn.by_class import ByClass
from tercet.learn.cluster import Around
from tercet.learn.inputs import array_namespace, features, labels
from tercet.learn.kinds import ClassifierModel, RegressorModel
from tercet.learn.model import SecretModel
from tercet.learn.nearest import distances, least, places
from tercet.learn.reasons import SOME_ROWS

_ONE_WAY = "all distances are taken, Euclidean ones; leave it out"


class _Neighbours(SecretModel):
    """Rows that are kept, and which of them are the k nearest of others."""

    n_neighbors: int
    fitted: ClassVar[tuple[str, ...]] = ("rows_", "targets_", "n_features_in_", "n_samples_fit_")
    not_offered: ClassVar = {
        "weights": "all neighbours count alike; leave it out",
        **dict.fromkeys(("algorithm", "leaf_size", "p", "metric", "metric_params"), _ONE_WAY),
        "n_jobs": "parties run what is there; leave it out",
    }

    def _keep(self, X: Any, targets: Any) -> None:
        if self.n_neighbors > X.shape[0]:
            raise InputError(f"{self.n_neighbors} neighbours of {X.shape[0]} rows", hint="pass 1 to n")
        self.rows_, self.targets_, self.n_samples_fit_ = X, targets, X.shape[0]

    def _away(self, X: Any) -> tuple[Any, int, Around]:
        """(n, m): squared distances of kept rows and others, less |x|^2 of the others, as integers; their scale."""
        self.check_fitted()
        around = Around(features(X, self), None, self.rows_)
        kept = around.points - around.middle
        found, bits = distances(around.x, kept)
        return found, bits, around

    def _among(self, X: Any) -> Any:
        """(n, m): whether a kept row is among the k nearest of another; of equally near ones the first are."""
        found, _, _ = self._away(X)
        xp = array_namespace(found)
        count = found.shape[0]
        if isinstance(found, SecretArray):
            # places as further digits, so that no two are equal
            keys = found * (1 << (count - 1).bit_length()) + np.arange(count)[:, None]
            last = quantile(keys, (self.n_neighbors - 0.5) / count, axis=0, method="inverted_cdf")
            return keys <= xp.expand_dims(last, axis=0)
        order = np.argsort(found, axis=0, kind="stable")
        return np.argsort(order, axis=0) < self.n_neighbors

    def kneighbors(self, X: Any) -> tuple[Any, Any]:
        """(m, k) each: the distances to the k nearest rows, in their order, and their places; of equally near ones the
        first. The places say which rows they are to whom they are revealed."""
        found, bits, around = self._away(X)
        xp = array_namespace(found)
        if isinstance(found, SecretArray):
            nearest, indices = top_k(found, self.n_neighbors, axis=0, largest=False)
        else:
            indices = np.argsort(found, axis=0, kind="stable")[: self.n_neighbors]
            nearest = np.take_along_axis(found, indices, axis=0)
        own = xp.sum(around.x * around.x, axis=1)
        squares = xp.maximum((numeric.times_power(nearest, -bits, bits) if bits else nearest) + own, 0)
        return numeric.over(xp.matrix_transpose(xp.sqrt(squares)), around.divisor), xp.matrix_transpose(indices)


class KNeighborsClassifier(_Neighbours, ClassifierModel):
    """The most frequent class among the k nearest rows, in scikit-learn's manner, of secret or NumPy arrays.

    `fit(X, y, classes=None)` keeps the rows and their classes; which classes there are is public (see `classes_of`).
    `predict(X)`: all distances by one matrix product, the k-th of each row bit by bit as `quantile` finds it, one
    comparison a distance, and votes by another product. Of equally near rows the first count, of equally frequent
    classes the first. Exact but for X's own last bits. Nothing is revealed. n rows and m to predict take n m numbers
    of memory, about 60 bits of messages each and bit of a distance: predict few at a time. Raises InputError for
    shapes, k and classes that do not fit.
    """

    fitted = (*_Neighbours.fitted, "classes_")
    n_features_in_: int

    def __init__(self, n_neighbors: int = 5) -> None:
        self.n_neighbors = n_neighbors

    def fit(self, X: Any, y: Any, *, classes: Any = None) -> KNeighborsClassifier:
        X = features(X, self, fitting=True)
        found = classes_beside(X, y, classes)
        self.classes_ = found.classes
        self._keep(X, found.codes)
        return self

    def _votes(self, X: Any) -> Any:
        """(k, m)"""
        self.check_fitted()
        hot = (np.arange(len(self.classes_))[:, None] == self.targets_) * 1
        return array_namespace(X, hot).matmul(hot, self._among(X) * 1)

    def predict(self, X: Any) -> Any:
        """(m,): the class of most neighbours."""
        votes = self._votes(X)
        return labels(places(array_namespace(votes), least(-votes)[1]), self.classes_)

    def predict_proba(self, X: Any) -> Any:
        """(m, k): which part of the neighbours is of each class."""
        votes = self._votes(X)
        return array_namespace(votes).matrix_transpose(votes) / self.n_neighbors


class KNeighborsRegressor(_Neighbours, RegressorModel):
    """The mean target of the k nearest rows, in scikit-learn's manner; as `KNeighborsClassifier`. y (n,) is kept."""

    n_features_in_: int

    def __init__(self, n_neighbors: int = 5) -> None:
        self.n_neighbors = n_neighbors

    def fit(self, X: Any, y: Any) -> KNeighborsRegressor:
        X = features(X, self, fitting=True)
        self._keep(X, target_beside(X, y))
        return self

    def predict(self, X: Any) -> Any:
        """(m,): the mean of the neighbours' targets; exact."""
        among = self._among(X)
        xp = array_namespace(among)
        targets, divisor = numeric.numerator(self.targets_)
        found = xp.matmul(xp.expand_dims(targets, axis=0), among * 1)[0]
        if isinstance(targets, SecretArray):
            lo, hi = numeric.value_range(targets)
            frac_bits = targets.frac_bits
            most = self.n_neighbors * max(-lo, hi) << frac_bits
            found = numeric.bounded(found, -most, most, SOME_ROWS)
        return numeric.over(found, divisor * self.n_neighbors)


class NearestCentroid(ClassifierModel):
    """The class of the nearest mean, in scikit-learn's manner, of secret or NumPy arrays. Nothing is revealed.

    `fit(X, y, classes=None)`: sums in the classes, which are public, are exact. After fit, secret: `centroids_` (k, d),
    and `absent_` (k,): which classes have no rows.
    `predict`: distances by one matrix product; of equally near means the first. A class without rows has the middle of
    X's bounds as its mean, and is never predicted. Raises InputError for shapes and classes that do not fit.
    """

    fitted = ("centroids_", "absent_", "classes_", "n_features_in_")
    n_features_in_: int
    not_offered: ClassVar = {
        "metric": "distances are Euclidean; leave it out",
        "shrink_threshold": "centroids are not shrunken; leave it out",
        "priors": "classes count alike; leave it out",
    }

    def fit(self, X: Any, y: Any, *, classes: Any = None) -> NearestCentroid:
        X = features(X, self, fitting=True)
        found = classes_beside(X, y, classes)
        sums = ByClass(X, found)
        self.classes_, self.centroids_ = found.classes, sums.placed(sums.means())
        self.absent_ = sums.counts == 0
        return self

    def predict(self, X: Any) -> Any:
        """(n,): the class of the nearest centroid."""
        self.check_fitted()
        rows = Around(features(X, self), None, self.centroids_)
        away = distances(rows.x, rows.given(self.centroids_, len(self.classes_)))[0]
        away = array_namespace(away, self.absent_).where(self.absent_[:, None], numeric.value_range(away)[1] + 1, away)
        chosen = least(away)[1]
        return labels(places(rows.xp, chosen), self.classes_)
