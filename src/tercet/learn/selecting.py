"""The columns that tell most about a target, chosen without showing which they are."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Any, Final

import numpy as np

from tercet.array import numeric
from tercet.array.core import SecretArray
from tercet.errors import InputError
from tercet.learn.description import Described
from tercet.learn.inputs import array_namespace, classes_of, features, target
from tercet.learn.kinds import TransformerModel
from tercet.learn.scaling import StandardScaler
from tercet.plan.table.reasons import SELECTED

MOST_F: Final = 1 << 30
"""F statistics are held below; a column that tells the target exactly has as much."""
_SHARE_BITS: Final = 30


def f_classif(X: Any, y: Any, *, classes: Any = None) -> Any:
    """The F statistics (d,) of an analysis of variance of each column between classes, secret until revealed.

    X (n, d), y (n,) with public classes (see `tercet.models.classes_of`). scikit-learn's gives p-values, too: they are
    `scipy.stats.f.sf(F, k - 1, n - k)` of the revealed F. The part of the variance that it stands for is right to
    2^-22, so F to n 2^-22 (1 + F / n)^2; F is held below 2^30. Classes without rows count among k. Rounds: about 100;
    bytes: those of standardising X, and a matrix product.
    """
    X = features(X)
    found = classes_of(target(X, y) if not hasattr(type(y), "categories") else y, classes)
    n, k = X.shape[0], len(found.classes)
    if n <= k:
        raise InputError(f"{n} rows in {k} classes", hint="pass more rows than classes")
    return _statistic(_between(X, found.one_hot()), k - 1, n - k)


def f_regression(X: Any, y: Any, *, center: bool = True) -> Any:
    """The F statistics (d,) of a regression of y on each column alone, secret until revealed.

    scikit-learn's gives p-values, too: they are `scipy.stats.f.sf(F, 1, n - 2)` of the revealed F. Errors as
    those of `f_classif`; held below 2^30.
    """
    if not center:
        raise ValueError("center=False is not offered: f_regression takes correlations of centred columns")
    X = features(X)
    y = target(X, y)
    if X.shape[0] < 3:
        raise InputError(f"{X.shape[0]} rows", hint="pass at least three")
    return _statistic(_explained(X, y), 1, X.shape[0] - 2)


def _between(X: Any, hot: Any) -> Any:
    """The part of each column's variance that is between classes: of z scores, the sum of s^2 / n_c over n."""
    xp = array_namespace(X, hot)
    z, n = StandardScaler().fit_transform(X), X.shape[0]
    sums = xp.matmul(xp.matrix_transpose(xp.astype(hot, xp.int64)), z)
    counts = xp.sum(hot, axis=0)
    means = sums / xp.where(counts == 0, 1, counts)[:, None]
    return _share(xp, numeric.over(xp.sum(means * sums, axis=0), Fraction(n)))


def _explained(X: Any, y: Any) -> Any:
    """The square of each column's correlation with y."""
    xp = array_namespace(X, y)
    z, t = StandardScaler().fit_transform(X), StandardScaler().fit_transform(y[:, None])
    r = numeric.over(xp.matmul(xp.matrix_transpose(z), t)[:, 0], Fraction(X.shape[0]))
    r = xp.clip(numeric.at_precision(numeric.settled(r), _SHARE_BITS), -1, 1)
    return _share(xp, r * r)


def _share(xp: Any, x: Any) -> Any:
    return xp.clip(numeric.at_precision(numeric.settled(x), _SHARE_BITS), 0, 1)


def _statistic(share: Any, above: int, below: int) -> Any:
    """F = share / (1 - share) below / above."""
    left = array_namespace(share).maximum(1 - share, 2.0**-_SHARE_BITS)  # a quotient by 0 would be 0
    return numeric.ratio(share * below, left * above, MOST_F, _SHARE_BITS)


_SCORES: Final[dict[str, Callable[..., Any]]] = {"f_classif": f_classif, "f_regression": f_regression}


class SelectKBest(TransformerModel):
    """The `k` columns with the greatest scores, in their order; which they are stays secret.

    `score_func`: `f_classif` or `f_regression` of this module, their names, or any function of X and y that gives
    secret scores (d,). `transform(X)`: (n, k), each element a sum of products with secret bits, one of which is set:
    exact, a word for each element, nothing is opened. Of equal scores the first columns are taken (scikit-learn: the
    last); of F statistics that differ by less than their error, any.

    After fit: `scores_` (d,), `chosen_` (d, k) the bits, both secret. `get_support()` gives secret bools.
    """

    fitted = ("scores_", "chosen_")

    def __init__(self, score_func: Any = "f_classif", *, k: Any = 10) -> None:
        self.score_func = score_func
        self.k = k

    def fit(self, X: Any, y: Any) -> SelectKBest:
        """Scores the columns and ranks the scores. Raises InputError for shapes that do not fit."""
        X = features(X, self, fitting=True)
        score = _SCORES.get(self.score_func, self.score_func) if isinstance(self.score_func, str) else self.score_func
        if not callable(score):
            raise ValueError(f"score_func is {' or '.join(_SCORES)}, or a function, not {self.score_func!r}")
        d = X.shape[1]
        k = d if self.k == "all" else self.k
        if not isinstance(k, int) or not 1 <= k <= d:
            raise ValueError(f"k is an integer from 1 to {d}, or 'all', not {self.k!r}")
        self.scores_ = score(X, y)
        self.chosen_ = self._chosen(self.scores_, k)
        return self

    def _chosen(self, scores: Any, k: int) -> Any:
        xp, d = array_namespace(scores), scores.shape[0]
        # a column is chosen if fewer than k are before it: greater ones, and equal ones further to the left
        greater = scores[None, :] > scores[:, None]
        level = (scores[None, :] == scores[:, None]) & np.tri(d, k=-1, dtype=bool)
        support = xp.sum(greater | level, axis=1) < k
        place = xp.cumulative_sum(xp.astype(support, xp.int64))
        return xp.astype((place[:, None] == np.arange(1, k + 1)) & support[:, None], xp.int64)

    def get_support(self) -> Any:
        """(d,) bools, secret: which columns are chosen. Raises InputError before `fit`."""
        self.check_fitted()
        return array_namespace(self.chosen_).sum(self.chosen_, axis=1) > 0

    def transform(self, X: Any) -> Any:
        """(n, k). Raises InputError before `fit`."""
        self.check_fitted()
        X = features(X, self)
        xp = array_namespace(X, self.chosen_)
        number, divisor = numeric.numerator(X)
        found = xp.matmul(number, self.chosen_)
        if isinstance(number, SecretArray):
            kind = number.undivided.type
            found = numeric.bounded(found, min(kind.lo, 0), max(kind.hi, 0), SELECTED)
        return numeric.over(found, divisor)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.required = True
        return tags

    def _described(self) -> Described:
        own = super()._described()
        name = next((key for key, one in _SCORES.items() if one is self.score_func), self.score_func)
        return Described(own.name, {**own.parameters, "score_func": name}, own.attributes)
