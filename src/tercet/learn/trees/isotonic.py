"""Isotonic regression under sharing, over a public number of steps at secret places."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from tercet.array import numeric, planes
from tercet.errors import InputError
from tercet.learn.beside import target_beside
from tercet.learn.inputs import array_namespace, is_secret, plain_or_secret, weights
from tercet.learn.kinds import RegressorModel
from tercet.learn.parameters import NOTHING, OneOf, ParameterRule, Real, check_parameters
from tercet.learn.trees import base
from tercet.learn.trees.bins import binned
from tercet.learn.trees.forest import mean_of
from tercet.learn.units import within_one

WEIGHT_BITS = 24
"""Of weights, over a power of two near the largest, secret where they are: bounds may be far wider."""


class IsotonicRegression(RegressorModel):
    """The least-squares function that never falls (or never rises), in scikit-learn's manner, on secret or on NumPy
    arrays.

    `fit(X, y, sample_weight=None)`: X (n,) or (n, 1), y (n,). Which neighbours are pooled depends on all values, so
    pools are not merged one by one: X is cut into `max_bins` bins of as many rows each at secret quantiles (2 to 255;
    64 unless given, and no more than rows), and in each the function has one value, max over a <= j of min over b >= j
    of the mean of bins a to b, which is what pooling gives for bins. Within the rows of a bin it is that, and between
    two bins it is interpolated, so that with a bin for every distinct value, or every row, it is scikit-learn's; with
    fewer it is scikit-learn's of the bins' numbers. Beyond the ends it is that of the last bin, as
    `out_of_bounds="clip"`, the only choice. `y_min`, `y_max`: public ends of its values. Weights count to 2^-22 of the
    largest, whatever their bounds; a bin whose rows have none is where the one before is.

    After fit, all secret: `edges_` (bins - 1, 1), `levels_` (bins,), and of the way to each bin from the one before
    `starts_`, `widths_` and `slopes_` (bins,), these in units of 2^`power_` `unit_`. Error: 2^-16 of the largest
    distance of y from its mean, or of 2^-22 of its bounds if that is more. Bytes: those of bins, and a quotient and two
    comparisons for each pair of bins; a prediction takes a comparison for each step of log2(max_bins), and one more.
    """

    fitted: ClassVar[tuple[str, ...]] = (
        "edges_",
        "levels_",
        "starts_",
        "widths_",
        "slopes_",
        "power_",
        "unit_",
    )
    allowed: ClassVar[dict[str, tuple[ParameterRule, ...]]] = {
        "out_of_bounds": (OneOf(("clip",)),),
        "y_min": (Real(), NOTHING),
        "y_max": (Real(), NOTHING),
    }

    def __init__(
        self,
        *,
        y_min: float | None = None,
        y_max: float | None = None,
        increasing: bool = True,
        out_of_bounds: str = "clip",
        max_bins: int = 64,
    ) -> None:
        self.y_min = y_min
        self.y_max = y_max
        self.increasing = increasing
        self.out_of_bounds = out_of_bounds
        self.max_bins = max_bins

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> IsotonicRegression:
        """Find the levels; see the class."""
        check_parameters(self)
        X = _column(X)
        goal = base.NormalisedTarget.of(target_beside(X, y))
        xp = array_namespace(X, goal.values)
        n = X.shape[0]
        count = max(2, min(self.max_bins, n))
        ordered = xp.sort(X, axis=0)
        places = np.array([max(0, -(-n * step // count) - 1) for step in range(1, count)])
        self.edges_ = xp.take(ordered, places, axis=0)
        rows = binned(X, self.edges_)
        values = goal.values if self.increasing else -goal.values
        stored, frac = numeric.as_integers(planes.coarse(values, base.TARGET_BITS + 1))
        each = stored * 0 + 1 if sample_weight is None else _whole(X, sample_weight)
        whole = xp.matmul(xp.stack([stored * each, stored * 0 + each], axis=0), rows.hot)
        # of a number of bins that is no power of two, the last is behind some without rows
        last = xp.sum(whole[:, count - 1 :], axis=1, keepdims=True)
        sums = xp.concat([whole[:, : count - 1], last], axis=1)
        levels = _levels(xp, sums, count, frac)
        self._ways(xp, ordered[:, 0], places, levels, goal)
        return self

    def _ways(self, xp: Any, ordered: Any, places: Any, levels: Any, goal: base.NormalisedTarget) -> None:
        """Keeps what is known of the bins, of rising levels and their rows in order."""
        n, edges = ordered.shape[0], self.edges_[:, 0]
        greatest = xp.concat([edges, ordered[n - 1 :]])
        after = xp.take(ordered, np.minimum(places + 1, n - 1), axis=0)
        # the rest of equal elements is in the bin before
        first = xp.where(after == edges, greatest[1:], after)
        widths = first - edges
        steps = levels[1:] - levels[:-1]
        rise = numeric.held(steps, 0, 2, base.VALUE_BITS)
        scale = getattr(widths, "frac_bits", 60)
        reach = numeric.value_range(widths)[1].bit_length()
        slopes = numeric.ratio(rise, widths, 2 << scale, base.VALUE_BITS + reach)
        if not self.increasing:
            levels, slopes = -levels, -slopes
        nothing = slopes[:1] * 0
        self.levels_ = goal.back(levels)
        self.starts_ = xp.concat([edges[:1], edges])
        self.widths_ = xp.concat([widths[:1] * 0, widths])
        self.slopes_ = xp.concat([nothing, slopes])
        self.power_, self.unit_ = goal.power, goal.unit

    def predict(self, T: Any) -> Any:
        """(n,): the function of each number."""
        self.check_fitted()
        X = _column(T)
        xp = array_namespace(X, self.levels_)
        rows = binned(X, self.edges_)
        count = self.levels_.shape[0]
        padded = np.minimum(np.arange(rows.hot.shape[1]), count - 1)
        at = np.maximum(padded - 1, 0)

        def chosen(table: Any, places: Any) -> Any:
            return xp.matmul(rows.hot, xp.take(table, places, axis=0))

        way = xp.minimum(X[:, 0] - chosen(self.starts_, padded), chosen(self.widths_, padded))
        risen = numeric.at_precision(way * chosen(self.slopes_, padded), base.VALUE_BITS)
        found = chosen(self.levels_, at) + base.restored(risen, self.unit_, self.power_)
        if self.y_min is not None or self.y_max is not None:
            found = xp.clip(found, self.y_min, self.y_max)
        return found

    def transform(self, T: Any) -> Any:
        """As `predict`."""
        return self.predict(T)

    def fit_transform(self, X: Any, y: Any, sample_weight: Any = None) -> Any:
        """`fit(X, y, sample_weight)`, then `transform(X)`."""
        return self.fit(X, y, sample_weight).transform(X)

    def __sklearn_tags__(self) -> Any:
        from sklearn.utils import TransformerTags

        tags = super().__sklearn_tags__()
        tags.transformer_tags = TransformerTags()
        tags.input_tags.one_d_array, tags.input_tags.two_d_array = True, False
        return tags


def _levels(xp: Any, sums: Any, count: int, frac: int) -> Any:
    """(bins,): the rising levels of bins whose sums and counts of rows are given (2, bins)."""
    ends = np.arange(count)
    before = xp.cumulative_sum(sums, axis=1, include_initial=True)
    # of bins a to b, (2, a, b); those with b < a take no part below
    runs = xp.expand_dims(before[:, 1:], axis=1) - xp.expand_dims(before[:, :-1], axis=2)
    inside = np.broadcast_to(ends[:, None] <= ends[None], (count, count))
    runs = planes.unsplit(xp.stack([planes.where(inside, runs[0]), planes.where(inside, runs[1])], axis=0))
    total = numeric.times_power(runs[0], -frac, frac)
    means = mean_of(total, runs[1], 1, base.VALUE_BITS)
    there = runs[1] > 0
    # runs without rows neither lower a least nor raise a greatest mean
    most = xp.where(there, means, 2)
    least = np.minimum.accumulate(most[:, ::-1], axis=1)[:, ::-1]
    found = xp.max(xp.where(inside, xp.where(least > 1, -2, least), -2), axis=0)
    # a bin without rows is where the one before is
    found = np.maximum.accumulate(xp.where(sums[1] > 0, found, -2))
    return numeric.held(found, -1, 1, base.VALUE_BITS)


def _whole(X: Any, sample_weight: Any) -> Any:
    """Weights of rows as integers; of what they are multiples does not matter."""
    given = numeric.settled(weights(X, sample_weight))
    if is_secret(given) and not is_secret(X):
        raise InputError("weights are secret, and X is not", hint="share X, too: session.share(X, bounds=...)")
    within, _ = within_one(given, WEIGHT_BITS)
    if is_secret(given):
        return numeric.as_integers(within)[0]
    return np.rint(np.ldexp(within, WEIGHT_BITS)).astype(np.int64) if is_secret(X) else within


def _column(X: Any) -> Any:
    X = plain_or_secret(X, "X")
    if len(X.shape) == 1:
        return X.reshape((X.shape[0], 1))
    if len(X.shape) != 2 or X.shape[1] != 1:
        raise InputError(f"X has shape {X.shape}", hint="pass one column, (n,) or (n, 1)")
    return X
