"""Linear models of residuals that are cut: HuberRegressor and QuantileRegressor, by public numbers of cheap passes.

Columns and target are scaled by secret powers of two (`scaled_rows`), and one inverse is taken before the passes: each
is two products of the rows with a vector, and two comparisons a row. Which rows lie outside stays secret.
"""

from __future__ import annotations

from fractions import Fraction
from math import ceil, isqrt
from typing import Any, ClassVar, Self

import numpy as np

from tercet.array import numeric
from tercet.array.core import SecretArray
from tercet.learn.linear_model import LinearRegression, Stored
from tercet.learn.newton import REACH, WEIGHT_BITS, ScaledRows, scaled_rows
from tercet.learn.parameters import ParameterRule, Real
from tercet.learn.passes import drawn_in, repeat, spread
from tercet.learn.plain import shared
from tercet.learn.reasons import PENALISED
from tercet.learn.solve import RING_BITS, WORKING_BITS, Normalised, diagonal, only, scaled, solve
from tercet.learn.weighed_rows import ROOT_BITS

PASS_BITS = 32
"""Fractional bits of residuals."""
COARSE_ROW_BITS = 24
PENALTY_BITS = 40
MOST_PENALTY = 64
"""Penalties of scaled columns, whose curvature is at most 1, are drawn in to that."""
RATIO_BITS = 40
INVERSE_BITS = 40
MOST_SHIFT = 1 << 12
LEAST_PART_BITS = 16
"""The mean of weights counts as 2^-16 of the largest that there may be, at least."""
MOST_SCALE = 1 << LEAST_PART_BITS // 2
"""Of weighed residuals the scale lies below that, as they are at most of size 1."""
MOST_PULL = 1 << 7
"""Means of products of scaled columns and cut residuals are drawn in to that."""
STEP = 2.0
"""ADMM: what a squared difference of residuals weighs."""
BESIDE = 0.02
"""The same of coefficients, beside."""
OVER_RELAXED = 1.8


class _ByResiduals(LinearRegression):
    """A linear model whose passes see residuals, in `_fitted_scaled`."""

    max_iter: int
    _shift: Any

    @property
    def n_iter_(self) -> int:
        """The public number of passes."""
        return int(self.max_iter)

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        super().fit(X, y, sample_weight)
        if self.fit_intercept:
            self.intercept_ = self.intercept_ + self._shift
        del self._shift
        return self

    def _solved(self, xp: Any, asked: Stored) -> tuple[Any, Any, Any]:
        n = asked.x.shape[0]
        rows = scaled_rows(xp, asked.x, Fraction(0), centred=asked.centred)
        goal = scaled_rows(xp, xp.expand_dims(asked.y, axis=1), Fraction(0), centred=asked.centred)
        outcome = only(goal.columns)
        w, shift, aliased = self._fitted_scaled(xp, rows, goal.scaled[:, 0], outcome, asked)
        unit = numeric.over(numeric.times_power(outcome.complement, -asked.y_frac, asked.y_frac), n * asked.y_over)
        self._shift = shift * unit
        coef, capped = self._unscaled(xp, numeric.at_precision(w, WORKING_BITS), rows.columns, outcome, asked)
        self._keep_unit(unit)
        return coef, aliased, capped

    def _fitted_scaled(
        self, xp: Any, rows: ScaledRows, y: Any, outcome: Normalised, asked: Stored
    ) -> tuple[Any, Any, Any]:
        """Coefficients (d,) of scaled columns at 44 fractional bits, what is added to all, and aliased columns."""
        raise TypeError("a model of residuals says how it is fitted")

    def _keep_unit(self, unit: Any) -> None:
        """The unit of the scaled target."""


class _Counted:
    """Means of what rows have, whose residuals are those times the roots of their weights."""

    def __init__(self, xp: Any, asked: Stored) -> None:
        self.xp, self.rows, self.over, self.inverse = xp, asked.x.shape[0], asked.weighed, None
        if asked.weighed is not None:
            part = xp.maximum(asked.part, 2.0**-LEAST_PART_BITS)
            self.inverse = numeric.reciprocal(part, 1 << ROOT_BITS - LEAST_PART_BITS, ROOT_BITS)
            self.inverse = numeric.held(self.inverse, 0, 1 << LEAST_PART_BITS, ROOT_BITS)

    def each(self, value: Any) -> Any:
        """A number for all rows, times the roots of weights."""
        value = numeric.at_precision(value, PASS_BITS)
        return value if self.over is None else numeric.at_precision(value * self.over.root, PASS_BITS)

    def mean(self, each: Any) -> Any:
        """The mean of what is times the roots of weights already, of shape (1,)."""
        each = each if self.over is None else numeric.at_precision(each * self.over.root, PASS_BITS)
        return self._over(self.xp.sum(each, keepdims=True))

    def mean_square(self, each: Any) -> Any:
        """The mean of its squares."""
        return self._over(self.xp.sum(each * each, keepdims=True))

    def largest(self, like: Any) -> Any:
        """A scale of residuals of size 1, (1,)."""
        if self.inverse is None:
            return spread(np.ones(1), like, PASS_BITS)
        root = numeric.held(self.xp.sqrt(self.inverse), 0, MOST_SCALE, PASS_BITS)
        return self.xp.expand_dims(root, axis=0)

    def _over(self, total: Any) -> Any:
        found = numeric.at_precision(total * (1 / self.rows), PASS_BITS)
        return found if self.inverse is None else numeric.at_precision(found * self.inverse, PASS_BITS)


def _spreads(rows: ScaledRows, asked: Stored) -> Any:
    """(d,): powers of two that, times n and x_over, are one over the unit of each scaled column."""
    half = rows.columns.bits // 2
    powers = np.ldexp(1.0, [frac - max(asked.fracs) for frac in asked.fracs])
    return numeric.times_power(rows.columns.factor * 1, max(asked.fracs) - half, RATIO_BITS) * powers


def _inverse(xp: Any, matrix: Any) -> tuple[Any, Any]:
    """The inverse of a matrix whose diagonal lies in [1/4, 65], and aliased columns."""
    d, one = matrix.shape[0], 1 << WORKING_BITS
    secret = isinstance(matrix, SecretArray)
    stored = numeric.as_integers(matrix)[0] if secret else matrix * float(one)
    columns = Normalised(diagonal(xp, stored))
    down, across = xp.expand_dims(columns.factor, axis=1), xp.expand_dims(columns.factor, axis=0)
    within = scaled(stored, down, across, columns.bits)
    solved = solve(xp, within, d, inverse=True)
    found = numeric.at_precision(solved.inverse, INVERSE_BITS)
    most = 1 << 4
    factor = numeric.bounded(columns.factor, 0, most, PENALISED)
    both = found * xp.expand_dims(factor, axis=1) * xp.expand_dims(factor, axis=0)
    return numeric.at_precision(numeric.times_power(both, WORKING_BITS - columns.bits, INVERSE_BITS), INVERSE_BITS), (
        solved.aliased
    )


def _gram(xp: Any, x: Any) -> Any:
    one = 1 << WORKING_BITS
    found = numeric.at_precision(xp.matmul(xp.matrix_transpose(x), x) * (1 / x.shape[0]), WORKING_BITS)
    return numeric.bounded(found, -one, one, PENALISED)


class HuberRegressor(_ByResiduals):
    """Linear regression that counts residuals beyond `epsilon` scales by their size alone, as scikit-learn's.

    The minimum over coefficients, intercept and scale together of scikit-learn's objective:
    n s + sum of s H((y - Xw - b) / s) + alpha |w|^2. `max_iter` public passes: residuals are cut at `epsilon` scales, a
    step by the inverse that all rows give, and a new scale; nothing tells when they were enough. What is left shrinks
    by about the part of the rows that lie outside with each pass: at `epsilon` 1.35 100 passes leave less than 1e-8,
    at 1.1 and a quarter of the rows far off 1e-4. scikit-learn's own search stops before that: its coefficients of raw
    columns differ by up to 1e-2. Scales, bounds and what is refused are those of `LinearRegression`; penalties of
    scaled columns are right to 2^-40, and above 64 count as that. The mean of weights counts as 2^-16 of the largest
    that bounds allow, at least.

    After fit, secret: `coef_`, `intercept_`, `scale_`; `outliers_` (n,), which rows lie outside, is not kept by `save`.
    Nothing is revealed. Rounds: about 57 a pass, and 55 a column; bytes grow with n d a pass.
    """

    fitted = (*LinearRegression.fitted, "scale_")
    not_offered: ClassVar[dict[str, str]] = {
        "tol": "passes are public and as many as max_iter: a test of secrets would reveal when it stops",
        "warm_start": "each fit begins anew: leave it out",
    }
    allowed: ClassVar[dict[str, tuple[ParameterRule, ...]]] = {"epsilon": (Real(1),)}
    scale_: Any
    outliers_: Any

    def __init__(
        self, *, epsilon: float = 1.35, max_iter: int = 100, alpha: float = 0.0001, fit_intercept: bool = True
    ) -> None:
        self.epsilon = epsilon
        self.max_iter = max_iter
        self.alpha = alpha
        self.fit_intercept = fit_intercept

    def _fitted_scaled(
        self, xp: Any, rows: ScaledRows, y: Any, outcome: Normalised, asked: Stored
    ) -> tuple[Any, Any, Any]:
        x, (n, d) = rows.scaled, rows.scaled.shape
        penalty = self._penalty(xp, rows, outcome, asked)
        turned, counted = xp.matrix_transpose(x), _Counted(xp, asked)
        begin = counted.largest(x)
        # a penalty is taken times the scale, which is no larger than that
        most_of_it = penalty if asked.weighed is None else numeric.held(penalty * begin, 0, MOST_PENALTY, PENALTY_BITS)
        inverse, aliased = _inverse(xp, _gram(xp, x) + numeric.at_precision(most_of_it, WORKING_BITS) * np.eye(d))

        def residuals(w: Any, shift: Any) -> Any:
            return numeric.at_precision(y - xp.matmul(x, w), PASS_BITS) - counted.each(shift)

        def limit(scale: Any) -> Any:
            return counted.each(numeric.at_precision(scale[0] * float(self.epsilon), PASS_BITS))

        def once(w: Any, shift: Any, scale: Any) -> tuple[Any, Any, Any]:
            cut = drawn_in(residuals(w, shift), limit(scale))[0]
            pull = numeric.at_precision(xp.matmul(turned, cut) * (1 / n), PENALTY_BITS)
            pull = pull - numeric.at_precision(numeric.at_precision(penalty * w, PENALTY_BITS) * scale[0], PENALTY_BITS)
            pull = drawn_in(pull, MOST_PULL)[0]
            step = numeric.at_precision(xp.matmul(inverse, pull), WEIGHT_BITS)
            moved = drawn_in(w + step, REACH)[0]
            if self.fit_intercept:
                shift = numeric.held(shift + counted.mean(cut), -MOST_SHIFT, MOST_SHIFT, PASS_BITS)
            square = counted.mean_square(cut)
            return moved, shift, numeric.held(xp.sqrt(xp.maximum(square, 2.0**-PASS_BITS)), 0, most, PASS_BITS)

        start = spread(np.zeros(d), x, WEIGHT_BITS), spread(np.zeros(1), x, PASS_BITS), begin
        most = 2 if asked.weighed is None else MOST_SCALE
        bounds = ((-REACH, REACH), (-MOST_SHIFT, MOST_SHIFT), (0, most))
        w, shift, scale = repeat(self.max_iter, once, *start, bounds=bounds)
        _, above, below = drawn_in(residuals(w, shift), limit(scale))
        self.outliers_ = xp.logical_or(above, below)
        self.scale_ = scale[0]
        return w, shift[0], aliased

    def _penalty(self, xp: Any, rows: ScaledRows, outcome: Normalised, asked: Stored) -> Any:
        """alpha s_y / (n s_x^2) (d,), of the units s of scaled columns."""
        spreads = _spreads(rows, asked)
        goal = numeric.times_power(outcome.complement, -asked.y_frac, asked.y_frac)
        both = numeric.at_most(spreads * goal, RATIO_BITS)
        excess = numeric.magnitude_bits(both) + numeric.magnitude_bits(spreads) - RING_BITS
        found = numeric.at_most(both, numeric.as_integers(both)[1] - max(0, excess)) * spreads
        weight = float(Fraction(float(self.alpha)) * asked.x_over**2 / asked.y_over * asked.x.shape[0] / asked.rows)
        if not weight:
            return found * 0
        most = ceil(MOST_PENALTY / weight)
        return numeric.held(
            numeric.at_precision(xp.minimum(found, most), RATIO_BITS) * weight, 0, MOST_PENALTY, PENALTY_BITS
        )

    def _keep_unit(self, unit: Any) -> None:
        self.scale_ = self.scale_ * unit

    @classmethod
    def from_sklearn(cls, fitted: Any, session: Any) -> Self:
        """As that of `LinearRegression`; the scale is shared, too."""
        model = super().from_sklearn(fitted, session)
        model.scale_ = shared(session, fitted.scale_)
        return model


class QuantileRegressor(_ByResiduals):
    """Linear regression to a quantile, with scikit-learn's objective: the mean of q r for residuals r from 0 on and
    (q - 1) r for others, and alpha |w|_1.

    scikit-learn solves a linear program; here are `max_iter` public passes of alternating directions (ADMM), over-
    relaxed, which near its value: 300 leave at most 3e-4 of it on raw diabetes and 8 columns of breast cancer, 2,000
    3e-5, and predictions of 300 lie within a twentieth of y's standard deviation of the program's. Many columns that
    nearly determine each other ask for more passes; nothing tells when they were enough. Scales, bounds and what is
    refused are those of `LinearRegression`; the mean of weights counts as in `HuberRegressor`.

    After fit, secret: `coef_` (with exact zeros), `intercept_`. Nothing is revealed. Rounds: about 28 a pass, and 55 a
    column; bytes grow with n d a pass.
    """

    not_offered: ClassVar[dict[str, str]] = {
        "solver": "alternating directions are made, max_iter of them: leave it out",
        "solver_options": "pass max_iter",
    }
    allowed: ClassVar[dict[str, tuple[ParameterRule, ...]]] = {"quantile": (Real(0, 1, above=True, below=True),)}

    def __init__(
        self, *, quantile: float = 0.5, alpha: float = 1.0, fit_intercept: bool = True, max_iter: int = 300
    ) -> None:
        self.quantile = quantile
        self.alpha = alpha
        self.fit_intercept = fit_intercept
        self.max_iter = max_iter

    def _fitted_scaled(
        self, xp: Any, rows: ScaledRows, y: Any, outcome: Normalised, asked: Stored
    ) -> tuple[Any, Any, Any]:
        x, (n, d) = numeric.at_precision(rows.scaled, COARSE_ROW_BITS), rows.scaled.shape
        y = numeric.at_precision(y, PASS_BITS)
        sparse = bool(self.alpha)
        beside = BESIDE if sparse else 0.0
        inverse, aliased = _inverse(xp, _gram(xp, rows.scaled) + np.eye(d) * beside)
        turned = xp.matrix_transpose(x)
        low, high = (round((self.quantile - one) / STEP * 2**24) / 2**24 for one in (1, 0))
        counted = _Counted(xp, asked)
        edges: Any = None
        # residuals times the roots of weights, over that of their mean
        root: Any = None
        if counted.inverse is not None:
            root = counted.largest(x)[0]
            tilt = numeric.held(counted.each(root), 0, MOST_SCALE, PASS_BITS)
        if sparse:
            # beyond 1 a coefficient is 0
            size = _spreads(rows, asked) * float(Fraction(float(self.alpha)) * asked.x_over * n)
            if root is not None:
                size = numeric.at_precision(numeric.at_precision(size, PASS_BITS) * asked.part, PASS_BITS) * root
            edges = numeric.held(size, 0, 2, PASS_BITS) * (1 / (STEP * BESIDE))
            edges = numeric.at_precision(edges, PASS_BITS)

        if root is not None:
            middle, half = (
                numeric.at_precision(tilt * part, PASS_BITS) for part in ((high + low) / 2, (high - low) / 2)
            )
            low, high = low * MOST_SCALE, high * MOST_SCALE

        def once(shift: Any, z: Any, cut: Any, v: Any, t: Any) -> tuple[Any, ...]:
            wanted = y - z + cut
            pull = numeric.at_precision(xp.matmul(turned, wanted) * (1 / n), PASS_BITS)
            if sparse:
                pull = pull + numeric.at_precision((v - t) * beside, PASS_BITS)
            pull = drawn_in(pull, REACH)[0]
            w = drawn_in(numeric.at_precision(xp.matmul(inverse, pull), PASS_BITS), REACH)[0]
            if self.fit_intercept:
                shift = numeric.held(counted.mean(wanted), -MOST_SHIFT, MOST_SHIFT, PASS_BITS)
            away = y - numeric.at_precision(xp.matmul(x, w), PASS_BITS) - counted.each(shift)
            away = numeric.at_precision(away * OVER_RELAXED + z * (1 - OVER_RELAXED), PASS_BITS)
            away = away + cut
            cut = xp.clip(away, low, high) if root is None else middle + drawn_in(away - middle, half)[0]
            if sparse:
                both = numeric.at_precision(w * OVER_RELAXED + v * (1 - OVER_RELAXED), PASS_BITS) + t
                t = drawn_in(both, edges)[0]
                v = both - t
            else:
                v = w
            return shift, away - cut, cut, v, t

        most = MOST_SHIFT + (isqrt(n) + 2) * (1 + d * REACH)
        begin = [spread(np.zeros(size), x, PASS_BITS) for size in (1, n, n, d, d)]
        wide, far = 12 * most, 4 / (STEP * BESIDE)
        bounds = ((-MOST_SHIFT, MOST_SHIFT), (-wide, wide), (low, high), (-12 * REACH, 12 * REACH), (-far, far))
        shift, _, _, v, _ = repeat(self.max_iter, once, *begin, bounds=bounds)
        return v, shift[0], aliased
