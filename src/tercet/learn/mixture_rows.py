"""Rows in the units of their columns, and passes of EM over them: for mixtures of normal distributions."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np

from tercet.array import numeric
from tercet.array.core import SecretArray
from tercet.array.softmax import softmax
from tercet.learn.inputs import array_namespace
from tercet.learn.solve import ROOT_BITS, Normalised, diagonal, scaled, solve

ROW_BITS = 20
"""Fractional bits of a row in units of its columns' standard deviations."""
COMMON_ROW_BITS = 26
"""Those where all columns have one unit."""
REACH = 32
LEAST_BITS = 12
"""A variance counts as 2^-12 of its column's at least."""
PART_BITS = 24
BITS = 30
VARIANCE_BITS = 30
FINE_BITS = 52
HALF_WAY_BITS = 24
MEAN_BITS = 40
MOST = 4 * REACH * REACH
COVARYING_BITS = 24
"""Fractional bits of rows and means where columns vary together: their products are exact."""
COVARIANCE_BITS = 40
ROOT_FRAC_BITS = 30
AWAY_BITS = 30
"""Squared distances count up to 2^30."""


class MixtureRows:
    """Rows less their means, in units near the columns' standard deviations, and passes of EM with a variance for each
    column; `common`: one for all, in the unit of the widest column."""

    bounds = ((0, 1.01), (-REACH - 1, REACH + 1), (0, 2 * MOST))
    """What weights, means and variances are within between passes."""
    mean_bits = BITS

    def __init__(self, X: Any, reg_covar: float, *, common: bool = False) -> None:
        self.common = common
        self.row_bits = COMMON_ROW_BITS if common else ROW_BITS
        X, self.divisor = numeric.numerator(X)
        self.xp = xp = array_namespace(X)
        self.count = X.shape[0]
        bits = getattr(X, "frac_bits", 0)
        self.centre = numeric.at_precision(numeric.settled(xp.mean(X, axis=0)), max(1, bits))
        stored, frac_bits = numeric.as_integers(X)
        sums = xp.sum(stored, axis=0)
        moment = xp.sum(stored * stored, axis=0) * self.count - sums * sums
        if common:
            moment = xp.broadcast_to(xp.max(moment, keepdims=True), moment.shape)
        self.bits = numeric.top_bits(moment)
        self.factor, self.complement = numeric.half_normaliser(moment, self.bits)
        # the deviation of X times 2^-shift lies in [1/4, 1)
        self.shift = self.bits // 2 - frac_bits - self.count.bit_length()
        self.zero = X[0, 0] * 0
        self._given(X)
        self.least = self.variances_there(np.full(X.shape[1], reg_covar))

    def _given(self, X: Any) -> None:
        """Take the rows."""
        self.rows = self._there(X - self.centre, self.row_bits)
        self.squares = self.rows * self.rows

    def secret(self, values: Any, bits: int) -> Any:
        """Numbers as secret ones, where rows are."""
        if isinstance(self.zero, SecretArray) and not isinstance(values, SecretArray):
            values = numeric.at_precision(self.zero, bits) + np.asarray(values, dtype=np.float64)
        return numeric.at_precision(values, bits)

    def _there(self, values: Any, bits: int) -> Any:
        return numeric.held(numeric.times_power(values * self.factor, -self.shift, bits), -REACH, REACH, bits)

    def means_there(self, means: Any) -> Any:
        """Means in these units."""
        own = self.secret(means * float(self.divisor), MEAN_BITS)
        return self._there(own - self.centre, self.mean_bits)

    def variances_there(self, variances: Any) -> Any:
        """Variances in these units."""
        found = self.secret(variances * float(self.divisor) ** 2, FINE_BITS)
        found = numeric.times_power(found * self.factor, -self.shift, FINE_BITS)
        found = numeric.held(found, 0, 1 << HALF_WAY_BITS, FINE_BITS - 8)
        return numeric.held(numeric.times_power(found * self.factor, -self.shift, BITS), 0, MOST, BITS)

    def means_back(self, means: Any) -> Any:
        found = numeric.times_power(means * self.complement, self.shift - self.bits // 2, MEAN_BITS)
        return numeric.over(numeric.at_precision(found, MEAN_BITS) + self.centre, self.divisor)

    def variances_back(self, variances: Any) -> Any:
        found = numeric.at_precision(variances, VARIANCE_BITS)
        for _ in range(2):
            found = numeric.times_power(found * self.complement, self.shift - self.bits // 2, MEAN_BITS)
            found = numeric.at_most(found, MEAN_BITS)
        found = numeric.over(found, self.divisor**2)
        return found[:, 0] if self.common else found

    def kept(self, means: Any, variances: Any) -> dict[str, Any]:
        """What predictions need beside means and variances."""
        return {}

    def parameters(self, parts: Any, before: Any) -> tuple[Any, Any, Any]:
        """Weights, means and variances from the parts (k, n) that components have in rows; where a component has less
        than a tenth of a row, means and variances are those before."""
        xp = self.xp
        total = xp.sum(parts, axis=1)
        sums, squares = xp.matmul(parts, self.rows), xp.matmul(parts, self.squares)
        counts = xp.broadcast_to(xp.expand_dims(total, axis=1), sums.shape)
        means = numeric.ratio(sums + counts * REACH, counts, 2 * REACH, BITS) - REACH
        variances = numeric.ratio(squares, counts, REACH * REACH, BITS) - numeric.at_precision(means * means, BITS)
        variances = numeric.at_precision(variances + self.least, BITS)
        if self.common:
            mean = numeric.at_precision(xp.mean(variances, axis=1, keepdims=True), BITS)
            variances = xp.broadcast_to(mean, sums.shape)
        variances = xp.maximum(variances, 2.0**-LEAST_BITS)
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


class CovaryingRows(MixtureRows):
    """The same with covariances of columns, (k, d, d), or (d, d) where all components have them in common.

    Sums are those of rows less the means before, exact; each covariance is scaled by secret powers of two to variances
    in [1/4, 1) and factored by LDL' (`tercet.learn.solve`), all side by side.
    """

    bounds = ((0, 1.01), (-REACH - 1, REACH + 1), (-4 * MOST, 4 * MOST))
    mean_bits = COVARYING_BITS

    def __init__(self, X: Any, reg_covar: float, *, tied: bool) -> None:
        self.tied = tied
        super().__init__(X, reg_covar)

    def _given(self, X: Any) -> None:
        self.rows = self.apart(X, self.divisor)

    def kept(self, means: Any, covariances: Any) -> dict[str, Any]:
        """What predictions need: public numbers, and arrays in these units."""
        roots, logs = self.factored(covariances)
        public = {"shift": self.shift, "divisor": [self.divisor.numerator, self.divisor.denominator]}
        return {**public, "centre": self.centre, "factor": self.factor, "means": means, "roots": roots, "logs": logs}

    @classmethod
    def predicted(cls, X: Any, weights: Any, kept: dict[str, Any]) -> Any:
        """(n, k): the scores of other rows, by what is kept."""
        X, divisor = numeric.numerator(X)
        part = object.__new__(cls)
        part.xp, part.zero = array_namespace(X, kept["centre"]), X[0, 0] * 0
        part.shift, part.divisor = kept["shift"], Fraction(*kept["divisor"])
        part.centre, part.factor = (part.secret(kept[name], MEAN_BITS) for name in ("centre", "factor"))
        if isinstance(part.factor, SecretArray):
            part.factor = numeric.at_precision(part.factor, 0)
        means, roots = part.secret(kept["means"], COVARYING_BITS), part.secret(kept["roots"], ROOT_FRAC_BITS)
        logs = part.secret(kept["logs"], PART_BITS)
        return part.scores(part.apart(X, divisor), part.secret(weights, BITS), means, roots, logs)

    def apart(self, X: Any, divisor: Fraction) -> Any:
        """(1, n, d): rows in these units."""
        if divisor != self.divisor:
            X = numeric.at_precision(X * float(self.divisor / divisor), MEAN_BITS)
        return self.xp.expand_dims(self._there(X - self.centre, COVARYING_BITS), axis=0)

    def variances_there(self, variances: Any) -> Any:
        """Variances, or covariances (..., d, d), in these units."""
        if variances.ndim < 2:
            return super().variances_there(variances)
        found = self.secret(variances * float(self.divisor) ** 2, FINE_BITS)
        most = 1 << HALF_WAY_BITS
        for factor, limit, bits in (
            (self.factor, most, FINE_BITS - 8),
            (self.xp.expand_dims(self.factor, axis=1), MOST, COVARIANCE_BITS),
        ):
            found = numeric.held(numeric.times_power(found * factor, -self.shift, bits), -limit, limit, bits)
        return self._least_held(found)

    def variances_back(self, variances: Any) -> Any:
        found = numeric.at_precision(variances, VARIANCE_BITS)
        for complement in (self.complement, self.xp.expand_dims(self.complement, axis=1)):
            found = numeric.times_power(found * complement, self.shift - self.bits // 2, MEAN_BITS)
            found = numeric.at_most(found, MEAN_BITS)
        return numeric.over(found, self.divisor**2)

    def _least_held(self, covariances: Any) -> Any:
        """Covariances whose variances are 2^-12 at least."""
        xp = self.xp
        own = diagonal(xp, covariances)
        raised = xp.expand_dims(xp.maximum(own, 2.0**-LEAST_BITS) - own, axis=-1) * np.eye(own.shape[-1], dtype=int)
        return numeric.held(covariances + raised, -4 * MOST, 4 * MOST, COVARIANCE_BITS)

    def parameters(self, parts: Any, before: Any) -> tuple[Any, Any, Any]:
        xp, d = self.xp, self.rows.shape[-1]
        away = self.rows if before is None else self.rows - xp.expand_dims(before[0], axis=1)
        most = 2 * REACH + 2
        weighed = xp.expand_dims(parts, axis=-1) * away
        total, sums = xp.sum(parts, axis=1), xp.sum(weighed, axis=1)
        counts = xp.broadcast_to(xp.expand_dims(total, axis=1), sums.shape)
        moved = numeric.ratio(sums + counts * most, counts, 2 * most, COVARIANCE_BITS) - most
        few = counts < 0.125
        moved = numeric.at_precision(xp.where(few, 0.0, moved), COVARIANCE_BITS)
        products = numeric.at_precision(xp.matmul(xp.matrix_transpose(weighed), away), COVARIANCE_BITS)
        outer = xp.expand_dims(moved, axis=-1) * xp.expand_dims(moved, axis=-2)
        outer = numeric.at_precision(outer, COVARIANCE_BITS)
        weights = numeric.at_precision(total / self.count, BITS)
        if self.tied:
            parted = xp.reshape(weights, (-1, 1, 1)) * outer
            found = numeric.at_precision(xp.sum(products, axis=0) / self.count, COVARIANCE_BITS)
            found = found - numeric.at_precision(xp.sum(parted, axis=0), COVARIANCE_BITS)
        else:
            wide = xp.broadcast_to(xp.reshape(total, (-1, 1, 1)), products.shape)
            ahead = numeric.at_precision(wide, COVARIANCE_BITS)
            found = numeric.ratio(products + ahead * most**2, ahead, 2 * most**2, COVARIANCE_BITS) - most**2
            found = found - outer
        found = numeric.at_precision(found + self.least * np.eye(d, dtype=int), COVARIANCE_BITS)
        found = self._least_held(found)
        means = numeric.held(moved, -REACH - 1, REACH + 1, COVARYING_BITS)
        if before is not None:
            means = numeric.held(before[0] + means, -REACH - 1, REACH + 1, COVARYING_BITS)
            if not self.tied:
                found = xp.where(xp.expand_dims(few[:, :1], axis=-1), before[1], found)
        return weights, means, found

    def factored(self, covariances: Any) -> tuple[Any, Any]:
        """W (..., d, d) with W'W the inverse, and minus half the logarithm of the determinant (...,)."""
        xp, d = self.xp, covariances.shape[-1]
        stored, finer = numeric.as_integers(covariances)
        norms = Normalised(diagonal(xp, stored))
        across, down = xp.expand_dims(norms.factor, axis=-2), xp.expand_dims(norms.factor, axis=-1)
        solved = solve(xp, scaled(stored, down, across, norms.bits), d, inverse=True)
        # variances are 2^-12 at least
        most = 1 << LEAST_BITS // 2
        unit = numeric.times_power(norms.factor, (finer - norms.bits) // 2, LEAST_BITS)
        unit = numeric.held(unit, 0, most, LEAST_BITS) if isinstance(unit, SecretArray) else unit
        roots = numeric.at_precision(solved.root * xp.expand_dims(unit, axis=-2), ROOT_FRAC_BITS)
        # a column that others determine counts as if 2^-24 of its variance were left
        own = xp.where(solved.aliased, unit * (1 << ROOT_BITS), diagonal(xp, roots))
        logs = xp.sum(xp.log(numeric.times_power(own, 0, PART_BITS)), axis=-1)
        return roots, numeric.at_precision(logs, PART_BITS)

    def scores(self, rows: Any, weights: Any, means: Any, roots: Any, logs: Any) -> Any:
        """(n, k): log-likelihoods of rows (1, n, d), up to what all components have in common."""
        xp = self.xp
        away = rows - xp.expand_dims(means, axis=1)
        turned = numeric.at_precision(xp.matmul(away, xp.matrix_transpose(roots)), PART_BITS)
        squared = numeric.at_precision(xp.sum(turned * turned, axis=2), PART_BITS)
        squared = numeric.held(squared, 0, 1 << AWAY_BITS, PART_BITS)
        own = xp.log(numeric.times_power(weights, 0, PART_BITS)) + logs
        return numeric.at_precision(own - 0.5 * xp.matrix_transpose(squared), PART_BITS)

    def once(self, weights: Any, means: Any, variances: Any) -> tuple[Any, Any, Any]:
        parts = softmax(self.scores(self.rows, weights, means, *self.factored(variances)), axis=1)
        return self.parameters(self.xp.matrix_transpose(parts), (means, variances))
