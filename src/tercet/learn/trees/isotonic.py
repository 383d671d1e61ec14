"""Isotonic regression under sharing, over a public number of steps at secret places."""

from __future__ import annotations

from typing import Any, ClassVar

import numpy as np

from tercet.array import numeric, planes
from tercet.errors import InputError
from tercet.learn.inputs import array_namespace, plain_or_secret, target
from tercet.learn.kinds import RegressorModel
from tercet.learn.parameters import check_parameters
from tercet.learn.trees import base
from tercet.learn.trees.bins import binned, edges_of
from tercet.learn.trees.forest import mean_of


class IsotonicRegression(RegressorModel):
    """The least-squares step function that never falls (or never rises), in scikit-learn's manner, on secret or on
    NumPy arrays.

    `fit(x, y)`: x (n,) or (n, 1), y (n,). Which neighbours are pooled depends on all values, so pools are not merged
    one by one: x is cut into `max_bins` bins at secret quantiles (2 to 255; 32 unless given), and in each the function
    has one value, max over a <= j of min over b >= j of the mean of bins a to b, which is what pooling gives for bins.
    With a bin for every distinct x it is scikit-learn's at these. Between two bins it is a step; scikit-learn
    interpolates. Beyond the ends it is that of the last bin, as `out_of_bounds="clip"`, the only choice.

    After fit: `edges_` (bins - 1, 1) and `levels_` (bins,), both secret; levels of a bin without rows are those of a
    neighbour. Bytes: those of bins, and a quotient and two comparisons for each pair of bins.
    """

    fitted: ClassVar[tuple[str, ...]] = ("edges_", "levels_")

    def __init__(
        self, *, increasing: bool = True, out_of_bounds: str = "clip", max_bins: int = 32, bins: str = "quantile"
    ) -> None:
        self.increasing = increasing
        self.out_of_bounds = out_of_bounds
        self.max_bins = max_bins
        self.bins = bins

    def fit(self, X: Any, y: Any) -> IsotonicRegression:
        """Find the levels; see the class."""
        base.only("out_of_bounds", self.out_of_bounds, "clip")
        check_parameters(self)
        X = _column(X)
        goal = base.NormalisedTarget.of(target(X, y))
        xp = array_namespace(X, goal.values)
        self.edges_ = edges_of(X, self.max_bins, self.bins)
        rows = binned(X, self.edges_)
        values = goal.values if self.increasing else -goal.values
        stored, frac = numeric.as_integers(planes.coarse(values, base.TARGET_BITS + 1))
        count = self.max_bins
        whole = xp.matmul(xp.stack([stored, stored * 0 + 1], axis=0), rows.hot)
        # of a number of bins that is no power of two, the last is behind some without rows
        last = xp.sum(whole[:, count - 1 :], axis=1, keepdims=True)
        sums = xp.concat([whole[:, : count - 1], last], axis=1)
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
        levels = numeric.held(found, -1, 1, base.VALUE_BITS)
        self.levels_ = goal.back(levels if self.increasing else -levels)
        return self

    def predict(self, T: Any) -> Any:
        """(n,): the level of each number's bin; a comparison for each step of log2(max_bins)."""
        self.check_fitted()
        X = _column(T)
        xp = array_namespace(X, self.levels_)
        scale = planes.scale_of(X)
        places = xp.expand_dims(planes.planes(X[:, 0], scale), axis=1)
        above = xp.logical_not(planes.at_most(places, planes.planes(self.edges_, scale)))
        steps = self.levels_[1:] - self.levels_[:-1]
        return xp.matmul(steps, planes.numbers_of(above)) + self.levels_[0]

    def transform(self, T: Any) -> Any:
        """As `predict`."""
        return self.predict(T)


def _column(X: Any) -> Any:
    X = plain_or_secret(X, "X")
    if len(X.shape) == 1:
        return X.reshape((X.shape[0], 1))
    if len(X.shape) != 2 or X.shape[1] != 1:
        raise InputError(f"X has shape {X.shape}", hint="pass one column, (n,) or (n, 1)")
    return X
