"""k-means by Lloyd's passes under sharing: centres, memberships and sums stay secret."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from tercet.array import numeric
from tercet.array.core import SecretArray
from tercet.array.draws import uniform
from tercet.array.loops import loop
from tercet.errors import InputError
from tercet.learn.inputs import array_namespace, features
from tercet.learn.inputs import weights as weights_of
from tercet.learn.kinds import TransformerModel
from tercet.learn.nearest import as_numbers, distances, finest, least, places
from tercet.learn.parameters import OneOf, Whole
from tercet.learn.plain import revealed, shared
from tercet.learn.public_random import PublicRandom
from tercet.learn.reasons import ONE_ROW
from tercet.learn.units import SecretUnit, within_one

CENTRE_BITS = 24
WIDE_BITS = 28
"""Rows of more bits are brought to 24 in a secret unit: at 8 comparisons an element."""
DISTANCE_BITS = 36
DRAW_BITS = 30
SUM_BITS = 58
INERTIA_BITS = 24

_MARGIN = 4096
"""A start counts as better where its inertia is less by one part of so many: equal ones differ by their roundings."""


class KMeans(TransformerModel):
    """k-means in scikit-learn's manner, of secret or NumPy arrays. Nothing is revealed.

    `fit(X, sample_weight=None)`: X (n, d). Each pass takes distances to all centres by one matrix product, the nearest
    of them (of equally near ones the first) by a tournament, and sums by another matrix product; a centre without rows
    stays where it is. All passes are one loop of the plan.

    `init`: "random", rows chosen by the public `random_state`; "k-means++", rows drawn under sharing with probabilities
    by their squared distance, which nobody sees (`random_state` says which row is the first; `fit` runs one small job
    a start, which draws numbers and keeps them); or an array (k, d), secret or public. `n_init`: starts, of which the
    one with the least inertia is kept, under sharing; "auto" is 1, and 10 for "random"; of starts that differ by less
    than a 4096th the first, so that every job finds the same.
    `max_iter` passes are made whatever happens: stopping where nothing changes would say when that is.

    After fit, secret: `cluster_centers_` (k, d), `labels_` (n,), `inertia_` (), which cost something only if they are
    used; public: `n_iter_`, `n_features_in_`. Centres have up to 24 fractional bits, as many as let distances fit 64
    bits; distances are exact for centres so rounded. Where bounds leave X more than 28 bits (none are given), rows and
    centres have 24 fractional bits in a secret unit near the largest of all. Rounds: about 60 a pass; bytes: about 40
    (k - 1) + 8 k a row and pass. Raises InputError for shapes and parameters that do not fit.
    """

    fitted = ("cluster_centers_", "n_iter_", "n_features_in_")
    allowed: ClassVar = {"n_init": (Whole(1), OneOf(("auto",)))}
    not_offered: ClassVar = {
        "tol": "a stopping rule on secrets would reveal when it holds; max_iter passes are made",
        "algorithm": 'there is one, "lloyd"; leave it out',
        "verbose": "nothing is printed; leave it out",
        "copy_x": "data is never changed in place; leave it out",
    }

    n_features_in_: int

    def __init__(
        self,
        n_clusters: int = 8,
        *,
        init: Any = "k-means++",
        n_init: int | str = "auto",
        max_iter: int = 30,
        random_state: int = 0,
    ) -> None:
        self.n_clusters = n_clusters
        self.init = init
        self.n_init = n_init
        self.max_iter = max_iter
        self.random_state = random_state

    def fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> KMeans:
        X = features(X, self, fitting=True)
        xp = array_namespace(X)
        if self.n_clusters > X.shape[0]:
            raise InputError(f"{self.n_clusters} clusters of {X.shape[0]} rows", hint="pass 1 to n clusters")
        rows = Around(X, sample_weight, self.init, narrowed=True)
        best: tuple[Any, Any] | None = None
        starts = self._starts()
        for start in range(starts):
            centres = rows.passes(self._start(rows, start), self.max_iter)
            inertia: Any = rows.inertia(centres) if starts > 1 else None
            if best is not None:
                better = inertia * (_MARGIN + 1) < best[1] * _MARGIN
                centres, inertia = xp.where(better, centres, best[0]), xp.where(better, inertia, best[1])
            best = (centres, inertia)
        assert best is not None
        self.cluster_centers_ = rows.placed(best[0])
        self.n_iter_ = self.max_iter
        self._rows, self._weights = X, sample_weight
        return self

    def _starts(self) -> int:
        if self.n_init == "auto":
            return 10 if isinstance(self.init, str) and self.init == "random" else 1
        return int(self.n_init)

    def _start(self, rows: Around, start: int) -> Any:
        drawn = PublicRandom(self.random_state, "KMeans", start)
        if not isinstance(self.init, str):
            return rows.given(self.init, self.n_clusters)
        if self.init == "random":
            return rows.at(drawn.choice(rows.count, self.n_clusters))
        if self.init == "k-means++":
            return rows.spread(self.n_clusters, drawn)
        raise InputError(f"init={self.init!r}", hint='pass "k-means++", "random", or an array (k, d)')

    def _fitted_rows(self, what: str) -> Any:
        self.check_fitted()
        if not hasattr(self, "_rows"):
            raise InputError(f"{what} belongs to the rows that were fitted, which are not kept", hint="use predict(X)")
        return self._rows

    @property
    def labels_(self) -> Any:
        """(n,): for each row fitted the place of its cluster."""
        return self.predict(self._fitted_rows("labels_"))

    @property
    def inertia_(self) -> Any:
        """(): the sum of squared distances of the rows fitted to their centres."""
        return -self.score(self._fitted_rows("inertia_"), sample_weight=self._weights)

    def predict(self, X: Any) -> Any:
        """(n,): the place of the nearest centre, of equally near ones the first. About 20 rounds."""
        rows, centres = self._placed(X)
        xp = array_namespace(X, centres)
        return places(xp, least(distances(rows.x, centres)[0])[1])

    def transform(self, X: Any) -> Any:
        """(n, k): distances to all centres, at 16 fractional bits or those of X."""
        rows, centres = self._placed(X)
        xp = array_namespace(X, centres)
        found = rows.unit.times(xp.sqrt(numeric.at_most(rows.squared(centres), DISTANCE_BITS)), 1)
        return numeric.over(xp.matrix_transpose(found), rows.divisor)

    def score(self, X: Any, y: Any = None, sample_weight: Any = None) -> Any:
        """Less the sum of squared distances to the nearest centres."""
        rows, centres = self._placed(X, sample_weight)
        return -rows.inertia(centres)

    def fit_predict(self, X: Any, y: Any = None, sample_weight: Any = None) -> Any:
        """`fit(X)`, then `labels_`."""
        return self.fit(X, sample_weight=sample_weight).labels_

    def _placed(self, X: Any, sample_weight: Any = None) -> tuple[Around, Any]:
        self.check_fitted()
        rows = Around(features(X, self), sample_weight, self.cluster_centers_, narrowed=True)
        return rows, rows.given(self.cluster_centers_, self.cluster_centers_.shape[0])

    @classmethod
    def from_sklearn(cls, fitted: Any, session: Any) -> KMeans:
        """A fitted `sklearn.cluster.KMeans` of its owner, shared in a session, to predict others' clusters.

        Public are its shape, and a power of two above the centres.
        """
        model = cls(int(fitted.n_clusters))
        model.cluster_centers_ = shared(session, fitted.cluster_centers_, most_bits=CENTRE_BITS)
        model.n_iter_, model.n_features_in_ = int(fitted.n_iter_), int(fitted.n_features_in_)
        return model

    def to_sklearn(self) -> Any:
        """A fitted `sklearn.cluster.KMeans`, to predict: reveals the centres."""
        from sklearn.cluster import KMeans as Plain

        plain = Plain(self.cluster_centers_.shape[0])
        revealed(self, plain, ("cluster_centers_",))
        plain.n_iter_, plain.n_features_in_, plain._n_threads = self.n_iter_, self.n_features_in_, 1
        return plain


class Around:
    """Rows less a public number, so that they lie around 0, beside their weights; if `narrowed`, in a secret unit near
    the largest of them where bounds are so wide that centres would have few digits."""

    def __init__(self, X: Any, sample_weight: Any, points: Any, *, narrowed: bool = False) -> None:
        X, self.divisor = numeric.numerator(X)
        lo, hi = numeric.value_range(X)
        self.points = points
        if not isinstance(points, str):
            self.points = numeric.over(points, 1 / self.divisor) if self.divisor != 1 else points
            first, last = numeric.value_range(
                self.points if isinstance(points, SecretArray) else np.asarray(self.points)
            )
            lo, hi = min(lo, first), max(hi, last)
        self.middle = (lo + hi) // 2
        self.half = max(1, hi - self.middle)
        self.x = X - self.middle
        self.count, self.columns = X.shape
        self.frac_bits = finest(self.x, self.half, self.columns, CENTRE_BITS)
        self.weights = None if sample_weight is None else weights_of(X, sample_weight)
        self.xp = array_namespace(X)
        self.unit, self.start = SecretUnit(), None
        if narrowed and isinstance(X, SecretArray) and numeric.magnitude_bits(self.x) > WIDE_BITS:
            self._narrow()

    def _narrow(self) -> None:
        parts = [self.x]
        if not isinstance(self.points, str):
            parts.append(self._apart(CENTRE_BITS))
        both, self.unit = within_one(self.xp.concat(parts, axis=0), CENTRE_BITS, 4)
        self.x, self.half = both[: self.count], 1
        self.start = both[self.count :]
        self.frac_bits = finest(self.x, self.half, self.columns, CENTRE_BITS)

    def placed(self, centres: Any) -> Any:
        """Centres where the rows were before."""
        return numeric.over(self.unit.times(centres, 1) + self.middle, self.divisor)

    def given(self, points: Any, count: int) -> Any:
        """Centres that are given, at the centres' scale."""
        if tuple(points.shape) != (count, self.columns):
            raise InputError(f"init has shape {tuple(points.shape)}", hint=f"pass ({count}, {self.columns})")
        found = self._apart(self.frac_bits) if self.start is None else self.start
        return numeric.at_precision(found, self.frac_bits)

    def _apart(self, frac_bits: int) -> Any:
        """Centres that are given, less what rows are less; public ones beside secret rows at `frac_bits`."""
        found = self.points - self.middle
        if isinstance(self.x, SecretArray) and not isinstance(found, SecretArray):
            # at that scale before, so that public numbers are not rounded to that of rows
            found = numeric.at_precision(self.x[:1] * 0, frac_bits) + np.asarray(found, dtype=np.float64)
        return found

    def at(self, chosen: Any) -> Any:
        """Centres at rows of public places."""
        return numeric.at_precision(self.xp.take(self.x, np.asarray(chosen), axis=0), self.frac_bits)

    def passes(self, centres: Any, count: int) -> Any:
        """The centres after so many passes."""
        xp = self.xp
        weighed = self.x * xp.expand_dims(self.weights, axis=1) if self.weights is not None else self.x
        ones = (
            np.ones((self.count, 1), dtype=np.int64) if self.weights is None else xp.expand_dims(self.weights, axis=1)
        )
        values = xp.concat([weighed, weighed[:, :1] * 0 + ones], axis=1)

        def once(centres: Any) -> Any:
            chosen = as_numbers(xp, least(distances(self.x, centres)[0])[1])
            sums = xp.matmul(chosen, values)
            total = sums[:, self.columns :]
            ahead = sums[:, : self.columns] + total * self.half
            shape = (centres.shape[0], self.columns)
            found = numeric.ratio(ahead, xp.broadcast_to(total, shape), 2 * self.half, self.frac_bits) - self.half
            return numeric.at_precision(xp.where(total == 0, centres, found), self.frac_bits)

        if isinstance(centres, SecretArray):
            return loop(count, once, centres, bounds=(-self.half, self.half))
        for _ in range(count):
            centres = once(centres)
        return centres

    def squared(self, centres: Any) -> Any:
        """(k, n): squared distances, not negative."""
        found, bits = distances(self.x, centres)
        own = self.xp.sum(self.x * self.x, axis=1)
        there = numeric.times_power(found, -bits, bits) if bits else found
        return self.xp.maximum(numeric.at_most(there + own, bits), 0)

    def inertia(self, centres: Any) -> Any:
        """The weighed sum of squared distances to the nearest centres."""
        xp = self.xp
        found, bits = distances(self.x, centres)
        nearest = least(found)[0]
        nearest = numeric.times_power(nearest, -bits, bits) if bits else nearest
        own = xp.sum(self.x * self.x, axis=1)
        if self.weights is None:
            total = xp.sum(nearest) + xp.sum(own)
        else:
            total = xp.sum(nearest * self.weights) + xp.sum(own * self.weights)
        return numeric.over(self.unit.times(numeric.at_most(total, INERTIA_BITS), 2), self.divisor**2)

    def spread(self, count: int, drawn: PublicRandom) -> Any:
        """Centres at rows drawn with probabilities by their squared distance to those drawn before (k-means++)."""
        xp = self.xp
        found = [self.at([drawn.integers(0, self.count)])]
        closest: Any = None
        # kept, as every job would draw anew: what is revealed in several belongs to one start
        secret = isinstance(self.x, SecretArray) and count > 1
        parts: Any = uniform(self.x.device, (count - 1,), 0, 1, DRAW_BITS).persist() if secret else None
        parts = drawn.uniform((count - 1,)) if parts is None else parts
        for at in range(count - 1):
            away = self.squared(found[-1])[0]
            bits = SUM_BITS - self.count.bit_length() - 2 * self.half.bit_length() - self.columns.bit_length()
            away = numeric.at_precision(away, max(0, min(DRAW_BITS, bits)))
            away = away if self.weights is None else away * self.weights
            closest = away if closest is None else xp.minimum(closest, away)
            upto = xp.cumulative_sum(closest)
            reached = upto >= parts[at] * upto[-1]
            first = xp.concat([reached[:1], xp.logical_and(reached[1:], xp.logical_not(reached[:-1]))], axis=0)
            row = numeric.at_precision(xp.matmul(xp.expand_dims(first, axis=0) * 1, self.x), self.frac_bits)
            edge = self.half << self.frac_bits
            found.append(numeric.bounded(row, -edge, edge, ONE_ROW))
        return xp.concat(found, axis=0)
