"""Generalised linear models by Fisher's scoring (Newton's steps where the link is canonical), under sharing.

A loop of the plan with a public number of passes; one more step behind it, whose size says how far it has come: the
error left is about its square.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from tercet.array import numeric
from tercet.array.core import SecretArray
from tercet.learn.design import Design
from tercet.learn.families import Likelihood
from tercet.learn.inverse import Inverse
from tercet.learn.passes import repeat
from tercet.learn.rows import moments
from tercet.learn.solve import RING_BITS, WORKING_BITS, Normalised, runs
from tercet.learn.standardised import Scaled, root_bits
from tercet.plan.table.reasons import CAUCHY_SCHWARZ

FINE_BITS = 36
FAST_BITS = 24
FAST_ROWS = 20_000
"""From so many rows on, the linear predictor has 24 fractional bits, before 36: errors of rows even out."""
COARSE_BITS = 16
"""What all passes but the last then have: it brings the error to its square."""
COARSE_WEIGHT_BITS = 8
WORD_BITS = 61
STEP = 2
"""A step of a standardised coefficient is drawn in to this."""
MOST = 64
"""Standardised coefficients, and the constant at the mean, are held within this."""
LAST_BITS = 40
GRADIENT_BITS = 56
ESTIMATE_BITS = 80
MAGNITUDE_BITS = 43


@dataclass(frozen=True, slots=True)
class Estimated:
    """What a fit finds, secret; those of the constant are None without one. Errors lack the family's scale."""

    coef: Any
    constant: Any
    spread: Any
    constant_spread: Any
    aliased: Any
    """(p,), the constant's last."""
    capped: Any
    """(d,): estimates or errors beyond 2^43, replaced by that."""
    step: Any
    """The largest part of the last step, of standardised coefficients."""
    sums: dict[str, Any]
    """Of the rows; see `Likelihood.figures`."""


@dataclass(frozen=True, slots=True)
class _Level:
    """Columns of sums of squares in [1/4, 1), and the fractional bits of linear predictors and of weights."""

    values: Any
    bits: int
    weight_bits: int


class _Problem:
    """Standardised columns beside y, and what a step needs of them."""

    def __init__(self, xp: Any, design: Design, y: Any, trials: Any, offset: Any, likelihood: Likelihood) -> None:
        X, self.x_over = numeric.numerator(design.columns)
        x, self.fracs = numeric.columns_apart(X, centred=False)
        self.xp, self.likelihood, self.trials = xp, likelihood, trials
        self.rows, self.width = x.shape
        self.centred = design.constant is not None
        self.bits = FAST_BITS if self.rows >= FAST_ROWS else FINE_BITS
        self.k = root_bits(self.rows)
        self.columns = Scaled(xp, x, self.bits + self.k, centred=self.centred)
        self.fine = self.coarse = _Level(self.columns.values, self.bits, self.bits)
        if self.bits == FAST_BITS:
            # sums over rows of products of three then fit a word of 64 bits
            value_bits = (WORD_BITS - COARSE_WEIGHT_BITS - self.rows.bit_length()) // 2
            coarse = numeric.at_precision(self.columns.values, value_bits)
            self.coarse = _Level(coarse, COARSE_BITS, COARSE_WEIGHT_BITS)
            self.fine = _Level(numeric.widened(self.columns.values), self.bits, self.bits)
        self.y = numeric.times_power(y, -likelihood.y_bits, 64) if likelihood.y_bits else y
        self.offset = None if offset is None else numeric.at_precision(offset, self.bits)

    def predictor(self, coef: Any, level: _Level) -> Any:
        """The linear predictor of standardised coefficients, the constant's last, drawn in to its ends."""
        bits, likelihood = level.bits, self.likelihood
        product = self.xp.matmul(numeric.times_power(level.values, self.k, bits), coef[: self.width])
        eta = numeric.at_precision(product, bits)
        if self.centred:
            eta = eta + numeric.at_precision(coef[self.width], bits)
        if self.offset is not None:
            eta = eta + numeric.at_precision(self.offset, bits)
        if likelihood.ends is None:
            return eta
        lo, hi = likelihood.ends
        if isinstance(eta, SecretArray):
            return self.xp.clip(eta, lo, hi)
        return np.clip(eta, lo, hi)

    def step(self, coef: Any, frac_bits: int, level: _Level) -> tuple[Any, Inverse]:
        """The step from these coefficients, drawn in, and the inverse of the information that it stands on."""
        xp, k, likelihood = self.xp, self.k, self.likelihood
        eta = self.predictor(coef, level)
        y = self.y if numeric.as_integers(self.y)[1] <= level.bits else numeric.at_precision(self.y, level.bits)
        found = likelihood.scored(xp, eta, y, self.trials, level.bits)
        score = numeric.times_power(found.score, -likelihood.score_bits, level.bits + likelihood.score_bits)
        parts = xp.matmul(xp.matrix_transpose(level.values), score)
        gradient = numeric.times_power(parts, -k, GRADIENT_BITS)
        if self.centred:
            constant = numeric.times_power(xp.sum(score), -2 * k, GRADIENT_BITS)
            gradient = xp.concat(
                [
                    numeric.at_precision(gradient, GRADIENT_BITS),
                    xp.expand_dims(numeric.at_precision(constant, GRADIENT_BITS), axis=0),
                ]
            )
        one = 1 << GRADIENT_BITS + 1
        gradient = numeric.bounded(numeric.at_precision(gradient, GRADIENT_BITS), -one, one, CAUCHY_SCHWARZ)
        inverse = Inverse(xp, self.information(found.weight, level), self.width + self.centred)
        moved = inverse.times(xp, gradient)
        moved = numeric.times_power(moved, likelihood.score_bits - likelihood.weight_bits, ESTIMATE_BITS)
        return numeric.held(moved, -STEP, STEP, frac_bits), inverse

    def information(self, weight: Any, level: _Level) -> Any:
        """The information over 2^weight_bits, of columns with sums of squares below 1."""
        xp, n, k, bits = self.xp, self.rows, self.k, self.likelihood.weight_bits
        at = self.width if self.centred else None
        if weight is None:
            return moments(xp, self.columns.values, self.columns.values, n / 4.0**k, at)
        weight = numeric.at_most(numeric.times_power(weight, -bits, level.bits + bits), level.weight_bits)
        weighed = level.values * xp.expand_dims(weight, axis=1)
        total = numeric.times_power(xp.sum(weight), -2 * k, WORKING_BITS)
        return moments(xp, level.values, weighed, total, at)

    def own_units(self, coef: Any, inverse: Inverse) -> tuple[Any, Any, Any, Any, Any]:
        """Coefficients and errors of the columns, and the constant's, in units of the columns."""
        xp, k, likelihood = self.xp, self.k, self.likelihood
        norms, unit = self.columns.norms, likelihood.estimate_bits
        roots = inverse.root_diagonal(xp)[: self.width]
        found, over = _own(xp, coef[: self.width], norms, self.fracs, k + unit)
        spread, beyond = _own(xp, roots, norms, self.fracs, unit)
        capped = over | beyond
        found, spread = numeric.over(found, 1 / self.x_over), numeric.over(spread, 1 / self.x_over)
        if not self.centred:
            return found, None, spread, None, capped
        ratios = self.columns.ratios()
        whole = coef[self.width] - xp.sum(numeric.times_power(coef[: self.width] * ratios, k, 60))
        constant = numeric.at_most(numeric.times_power(whole, unit, ESTIMATE_BITS), ESTIMATE_BITS) + likelihood.shift
        direction = xp.concat([-ratios, np.asarray([2.0**-k])])
        error = numeric.times_power(inverse.along(xp, direction), unit, ESTIMATE_BITS)
        return found, constant, spread, error, capped


def _own(xp: Any, values: Any, norms: Normalised, fracs: list[int], power: int) -> tuple[Any, Any]:
    """Values times the powers of two that columns were scaled by, and which of them are capped at 2^43."""
    half, found, capped = norms.bits // 2, [], []
    if isinstance(values, SecretArray):
        excess = numeric.magnitude_bits(values) + half + 1 - RING_BITS
        values = numeric.at_most(values, numeric.as_integers(values)[1] - max(0, excess))
    for first, end, frac in runs(fracs):
        product = numeric.times_power(values[first:end] * norms.factor[first:end], power + frac - half, ESTIMATE_BITS)
        if isinstance(product, SecretArray):
            product, over = numeric.capped(product, MAGNITUDE_BITS)
        else:
            over = abs(product) > 2.0**MAGNITUDE_BITS
        found.append(numeric.at_precision(product, ESTIMATE_BITS))
        capped.append(over)
    return (found[0], capped[0]) if len(found) == 1 else (xp.concat(found), xp.concat(capped))


def estimated(
    xp: Any, design: Design, y: Any, trials: Any, offset: Any, likelihood: Likelihood, passes: int, *, whole: bool
) -> Estimated:
    """Fit by so many passes, the last of which also gives errors and likelihood; with `whole`, what deviance and
    Pearson's chi-square take, too."""
    problem = _Problem(xp, design, y, trials, offset, likelihood)
    width = problem.width + problem.centred
    bits = min(problem.bits, 30)
    begin = _begin(problem, width, bits)

    def body(coef: Any) -> Any:
        moved, _ = problem.step(coef, bits, problem.coarse)
        return numeric.held(coef + moved, -MOST, MOST, bits)

    (coef,) = repeat(passes - 1, body, begin, bounds=[(-MOST, MOST)])
    moved, inverse = problem.step(coef, LAST_BITS, problem.fine)
    last = numeric.held(coef + moved, -MOST, MOST, LAST_BITS)
    found, constant, spread, error, capped = problem.own_units(last, inverse)
    sums = likelihood.figures(xp, problem.predictor(last, problem.fine), problem.y, trials, problem.bits, whole)
    return Estimated(found, constant, spread, error, inverse.aliased, capped, xp.max(xp.abs(moved)), sums)


def _begin(problem: _Problem, width: int, bits: int) -> Any:
    """Coefficients of 0, and the constant of the mean of y."""
    xp, n = problem.xp, problem.rows
    if not problem.centred:
        return numeric.at_precision(problem.columns.values[0] * 0, bits)
    mean = numeric.at_precision(xp.sum(problem.y) * (1 / n), 30)
    start = numeric.held(problem.likelihood.start(xp, mean), -MOST, MOST, bits)
    zeros = numeric.at_precision(problem.columns.norms.factor * 0, bits)
    return xp.concat([zeros, xp.expand_dims(start, axis=0)])
