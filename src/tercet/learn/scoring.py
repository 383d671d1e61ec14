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
from tercet.learn.approach import COEF_BITS, Approach, Reached
from tercet.learn.design import Design
from tercet.learn.families import Gaussian, GaussianLog, Likelihood, Outcome, Scored
from tercet.learn.guard import cohort_of, estimates_rest_on_enough
from tercet.learn.guard import sizes as guarded_sizes
from tercet.learn.inverse import Inverse, Inverted
from tercet.learn.passes import repeat
from tercet.learn.rows import INVERSE_BITS, SUM_BITS, VALUE_BITS, by_group, moments
from tercet.learn.solve import RING_BITS, ROOT_FRAC_BITS, WORKING_BITS, Normalised, powered, runs
from tercet.learn.standardised import Scaled, root_bits
from tercet.learn.units import SecretUnit, within_one
from tercet.plan.table.reasons import CAUCHY_SCHWARZ

FINE_BITS = 36
FAST_BITS = 24
FAST_ROWS = 20_000
"""From so many rows on, the linear predictor has 24 fractional bits, before 36: errors of rows even out."""
COARSE_BITS = 16
"""What all passes but the last then have: it brings the error to its square."""
COARSE_WEIGHT_BITS = 8
WORD_BITS = 61
MOST_OFFSET = 1 << 10
"""Offsets, in the units of what is predicted, are held within this."""
STEP = 2
"""A step of a standardised coefficient is drawn in to this."""
MOST = 64
"""Standardised coefficients, and the constant at the mean, are held within this."""
LAST_BITS = 40
GRADIENT_BITS = 56
ESTIMATE_BITS = 80
MAGNITUDE_BITS = 43
MOVED_BITS = 30
REACH_BITS = 24
"""What a row moves a standardised estimate by, times 4^k, is held below 2^24."""


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
    root_unit: float
    """What errors, and that of the constant, are to be multiplied by, beside the family's scale."""
    groups: int
    """How many clusters there are."""
    step: Any
    """The largest part of the last step, of standardised coefficients, and no less than what an inverse by
    multiplication lacks."""
    sums: dict[str, Any]
    """Of the rows; see `Likelihood.figures`."""
    sizes: tuple[Any, ...]
    """Numbers of rows that a cohort is compared with."""


@dataclass(frozen=True, slots=True)
class _Level:
    """Columns of sums of squares in [1/4, 1), and the fractional bits of linear predictors and of weights."""

    values: Any
    bits: int
    weight_bits: int


class Problem:
    """Standardised columns beside y, and what a step needs of them."""

    def __init__(
        self,
        xp: Any,
        design: Design,
        y: Any,
        trials: Any,
        offset: Any,
        likelihood: Likelihood,
        weights: tuple[Any, Any],
    ) -> None:
        X, self.x_over = numeric.numerator(design.columns)
        x, self.fracs = numeric.columns_apart(X, centred=False)
        self.xp, self.likelihood, self.trials = xp, likelihood, trials
        self.rows, self.width = x.shape
        self.centred = design.constant is not None
        self.bits = FAST_BITS if self.rows >= FAST_ROWS else FINE_BITS
        self.k = root_bits(self.rows)
        self.shrunk: Any = None
        self.columns = Scaled(xp, x, self.bits + self.k, centred=self.centred)
        self.fine = self.coarse = _Level(self.columns.values, self.bits, self.bits)
        self.many, self.steady = (None if one is None else within_one(one, FINE_BITS) for one in weights)
        given = [one for one in (self.many, self.steady) if one is not None]
        self.weight_units = [unit for _, unit in given]
        self.weights: Any = None
        for one, _ in given:
            both = one if self.weights is None else self.weights * one
            self.weights = numeric.at_precision(both, FINE_BITS)
        if self.bits == FAST_BITS and self.weights is not None:
            self.fine = self.coarse = _Level(numeric.widened(self.columns.values), self.bits, self.bits)
        elif self.bits == FAST_BITS:
            # sums over rows of products of three then fit a word of 64 bits
            value_bits = (WORD_BITS - COARSE_WEIGHT_BITS - self.rows.bit_length()) // 2
            coarse = numeric.at_precision(self.columns.values, value_bits)
            self.coarse = _Level(coarse, COARSE_BITS, COARSE_WEIGHT_BITS)
            self.fine = _Level(numeric.widened(self.columns.values), self.bits, self.bits)
        self.given, self.y, self.unit = y, y, SecretUnit()
        if likelihood.scaled:
            self._scale(y, trials)
        likelihood.unit = self.unit
        self.offset: Any = None
        if offset is not None:
            offset = self.unit.times(offset, -likelihood.estimate_power)
            self.offset = numeric.held(offset, -MOST_OFFSET, MOST_OFFSET, self.bits)

    def _scale(self, y: Any, trials: Any) -> None:
        """Divide y by its unit; successes and trials by that of trials."""
        scaled, self.unit = within_one(y if trials is None else trials, self.bits)
        if trials is None:
            self.y = scaled
        else:
            self.trials = scaled
            self.y = numeric.held(self.unit.times(y, -1), 0, 1, self.bits)

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

    def step(self, coef: Any, frac_bits: int, level: _Level) -> tuple[Any, Inverse, Scored]:
        """The step from these coefficients, drawn in, the inverse of the information that it stands on, and what rows
        add to both."""
        xp, k, likelihood = self.xp, self.k, self.likelihood
        eta = self.predictor(coef, level)
        y = self.y if numeric.as_integers(self.y)[1] <= level.bits else numeric.at_precision(self.y, level.bits)
        found = likelihood.scored(xp, eta, y, self.trials, level.bits)
        score = self.weighed(found.score, likelihood.score_bits, level)
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
        return (*self.moved(gradient, self.information(found.weight, level), frac_bits), found)

    def moved(self, gradient: Any, information: Any, frac_bits: int) -> tuple[Any, Inverse]:
        """The step for a score and an information, drawn in, and the inverse of the latter."""
        likelihood = self.likelihood
        inverse = Inverse(self.xp, information, self.width + self.centred)
        moved = inverse.times(self.xp, gradient)
        moved = numeric.times_power(moved, likelihood.score_bits - likelihood.weight_bits, ESTIMATE_BITS)
        return numeric.held(moved, -STEP, STEP, frac_bits), inverse

    def weighed(self, each: Any, bits: int, level: _Level) -> Any:
        """What rows add, over 2^bits and times their weights, which are at most 1."""
        each = numeric.times_power(each, -bits, level.bits + bits)
        return each if self.weights is None else numeric.at_precision(each * self.weights, level.bits + bits)

    def information(self, weight: Any, level: _Level, more: int = 0) -> Any:
        """The information over 2^(weight_bits + more), of columns with sums of squares below 1."""
        xp, n, k, bits = self.xp, self.rows, self.k, self.likelihood.weight_bits + more
        at = self.width if self.centred else None
        if weight is None and self.weights is None:
            return moments(xp, self.columns.values, self.columns.values, n / 4.0**k, at)
        if weight is None:
            weight = numeric.at_most(self.weights, FINE_BITS)
        else:
            weight = numeric.at_most(self.weighed(weight, bits, level), level.weight_bits)
        weighed = level.values * xp.expand_dims(weight, axis=1)
        total = numeric.times_power(xp.sum(weight), -2 * k, WORKING_BITS)
        return moments(xp, level.values, weighed, total, at)

    def guards(self, design: Design, found: Scored, inverse: Inverted, groups: Any) -> tuple[Any, ...]:
        """Numbers of rows that the estimates rest on; none without a cohort."""
        xp, weights = self.xp, self.weights
        cohort = cohort_of(design.columns, self.given, weights, self.offset, groups)
        if not cohort:
            return ()
        each = weights if found.weight is None else self.weighed(found.weight, self.likelihood.weight_bits, self.fine)
        enough = estimates_rest_on_enough(xp, self.columns, inverse, self.k, each, cohort)
        return guarded_sizes(xp, design, self.given, weights, weights, groups, enough)

    def direction(self) -> Any:
        """Of standardised estimates, what the constant is 2^k times."""
        return self.xp.concat([-self.columns.ratios(), np.asarray([2.0**-self.k])])

    def roots(self, inverse: Inverted) -> tuple[Any, Any]:
        """Errors of standardised estimates and of the constant, over the root of what information is divided by."""
        along = inverse.along(self.xp, self.direction()) if self.centred else None
        return inverse.root_diagonal(self.xp)[: self.width], along

    def robust(self, found: Scored, inverse: Inverted, groups: Any) -> tuple[Any, Any, int]:
        """Robust errors of standardised estimates and of the constant, and how many clusters there are."""
        xp, likelihood, more = self.xp, self.likelihood, 0
        if found.observed is not None:
            more = likelihood.observed_more
            matrix = self.information(found.observed, self.fine, more)
            inverse = Inverse(xp, matrix, self.width + self.centred)
        weights = self.weights
        if weights is not None and groups is None:
            # of rows that stand for several, each counts by itself
            weights = self.weights_of_one(xp)
        score = numeric.at_precision(found.score, MOVED_BITS)
        if weights is not None:
            score = numeric.at_precision(score * weights, MOVED_BITS)
        moved = self.influence(inverse.whole(xp, INVERSE_BITS, VALUE_BITS), score, likelihood.weight_bits + more)
        directions = [self.direction()] if self.centred else []
        roots, along, count = self.sandwich(moved, groups, directions)
        return roots[: self.width], along[0] if along else None, count

    def influence(self, whole: Any, score: Any, bits: int) -> Any:
        """What each row moves standardised estimates by, times 4^k (n, ...): its columns times these rows of the
        inverse information, times its score over 2^bits."""
        xp, k = self.xp, self.k
        moved = xp.matmul(self.fine.values, whole[: self.width])
        if self.centred:
            moved = moved + numeric.times_power(whole[self.width], -k, VALUE_BITS)
        moved = numeric.at_precision(numeric.times_power(moved, k, MOVED_BITS), MOVED_BITS)
        return numeric.times_power(moved * xp.expand_dims(score, axis=1), -bits, MOVED_BITS)

    def sandwich(self, moved: Any, groups: Any, directions: list[Any]) -> tuple[Any, list[Any], int]:
        """Of what rows move estimates by: the roots of sums of squares over rows or clusters, along each estimate and
        each direction; and how many clusters there are."""
        xp, most = self.xp, 1 << REACH_BITS
        frac = min(MOVED_BITS, (SUM_BITS - self.rows.bit_length()) // 2 - REACH_BITS)
        scores, count = numeric.held(moved, -most, most, frac), 0
        if groups is not None:
            scores, count = by_group(xp, scores, groups)
            scores = numeric.held(scores, -most, most, frac)
        found = []
        for direction in directions:
            along = numeric.held(xp.matmul(scores, direction), -most, most, frac)
            found.append(self._root(xp.sum(along * along)))
        return self._root(xp.sum(scores * scores, axis=0)), found, count

    def weights_of_one(self, xp: Any) -> Any:
        """The root of how many rows each stands for, times weights of its variance, in the units of both's product."""
        found: Any = 1.0
        if self.many is not None:
            many, unit = self.many
            found = unit.times(xp.sqrt(many), -0.5)
        if self.steady is not None:
            found = found * self.steady[0]
        return numeric.at_precision(found, FINE_BITS)

    def _root(self, squares: Any) -> Any:
        """The root of squares over 4^k."""
        squares = numeric.times_power(squares, -2 * self.k, ROOT_FRAC_BITS)
        return numeric.at_precision(self.xp.sqrt(numeric.at_precision(squares, ROOT_FRAC_BITS)), ROOT_FRAC_BITS)

    def sizes(self) -> dict[str, Any]:
        """How many rows there are by their weights, if there are any."""
        if self.weights is None:
            return {}
        whole = self.total(np.ones(self.rows))
        found = {"sum of weights": whole}
        if self.steady is not None:
            found["rows"] = float(self.rows)
            if self.many is not None:
                found["rows"] = self.many[1].times(self.xp.sum(self.many[0]), 1)
            if type(self.likelihood) in (Gaussian, GaussianLog):
                logs = self.xp.log(self.steady[0]) + self.steady[1].logarithm
                if self.many is not None:
                    logs = self.many[1].times(logs * self.many[0], 1)
                found["logarithms of weights"] = self.xp.sum(logs)
        else:
            found["rows"] = whole
        return found

    def total(self, each: Any) -> Any:
        """The sum over rows, each as often as it counts."""
        if self.weights is None:
            return self.xp.sum(each)
        if not isinstance(each, SecretArray) and not isinstance(self.weights, SecretArray):
            return self._weighted(self.xp.sum(each * self.weights))
        if isinstance(each, SecretArray):
            excess = numeric.magnitude_bits(each) + FINE_BITS + self.rows.bit_length() - RING_BITS
            each = numeric.at_most(each, max(0, numeric.as_integers(each)[1] - max(0, excess)))
        return self._weighted(self.xp.sum(each * self.weights))

    def _weighted(self, found: Any, exponent: float = 1) -> Any:
        """What is over the units of weights, times these to an exponent."""
        for unit in self.weight_units:
            found = unit.times(found, exponent)
        return found

    def own_units(self, coef: Any, roots: Any, along: Any, error_power: float) -> tuple[Any, Any, Any, Any, Any]:
        """Coefficients and errors of the columns, and the constant's, in units of the columns and of y; `error_power`:
        errors are for scaled y times so many units of y."""
        xp, k, likelihood, unit = self.xp, self.k, self.likelihood, self.unit
        norms = self.columns.norms

        found, over = _own(xp, unit.times(coef[: self.width], likelihood.estimate_power), norms, self.fracs, k)
        spread, beyond = _own(xp, unit.times(roots, error_power), norms, self.fracs, 0)
        capped = over | beyond
        found, spread = numeric.over(found, 1 / self.x_over), numeric.over(spread, 1 / self.x_over)
        if not self.centred:
            return found, None, spread, None, capped
        ratios = self.columns.ratios()
        whole = coef[self.width] - xp.sum(numeric.times_power(coef[: self.width] * ratios, k, 60))
        constant = numeric.at_most(unit.times(whole, likelihood.estimate_power), ESTIMATE_BITS)
        if likelihood.logarithmic:
            constant = constant + unit.logarithm
        return found, constant, spread, unit.times(along, error_power), capped


def _own(xp: Any, values: Any, norms: Normalised, fracs: list[int], power: int) -> tuple[Any, Any]:
    """Values times the powers of two that columns were scaled by, and which of them are capped at 2^43."""
    half, found, capped = norms.bits // 2, [], []
    if not isinstance(values, SecretArray):
        for first, end, frac in runs(fracs):
            found.append(np.ldexp(values[first:end] * norms.factor[first:end], power + frac - half))
        own = np.concatenate(found)
        return own, abs(own) > 2.0**MAGNITUDE_BITS
    whole, finer = numeric.as_integers(values)
    dropped = max(0, numeric.magnitude_bits(whole) + half + 1 - RING_BITS)
    high, low = numeric.cut(whole, dropped)
    for first, end, frac in runs(fracs):
        factor, exponent = norms.factor[first:end], power + frac - half - finer
        product, over = numeric.capped(
            powered(high[first:end] * factor, exponent + dropped, ESTIMATE_BITS), MAGNITUDE_BITS
        )
        product = numeric.at_precision(product, ESTIMATE_BITS)
        if low is not None:
            rest = powered(low[first:end] * factor, exponent, ESTIMATE_BITS)
            product = product + numeric.at_precision(rest, ESTIMATE_BITS)
        found.append(product)
        capped.append(over)
    return (found[0], capped[0]) if len(found) == 1 else (xp.concat(found), xp.concat(capped))


def estimated(
    xp: Any,
    design: Design,
    y: Any,
    trials: Any,
    offset: Any,
    likelihood: Likelihood,
    passes: int,
    *,
    whole: bool,
    weights: tuple[Any, Any] = (None, None),
    robust: bool = False,
    groups: Any = None,
) -> Estimated:
    """Fit by so many passes, the last of which also gives errors and likelihood; with `whole`, what deviance and
    Pearson's chi-square take, too. `weights`: how many rows each stands for, and by how much its variance is smaller.
    """
    problem = Problem(xp, design, y, trials, offset, likelihood, weights)
    width = problem.width + problem.centred
    bits = min(problem.bits, 30)
    begin = _begin(problem, width, bits)

    def body(coef: Any) -> Any:
        moved = problem.step(coef, bits, problem.coarse)[0]
        return numeric.held(coef + moved, -MOST, MOST, bits)

    quick = Approach(problem, problem.columns.values) if likelihood.quarter and problem.weights is None else None
    inverse: Inverted
    lacking: Any = None
    if quick is None:
        (coef,) = repeat(passes - 1, body, begin, bounds=[(-MOST, MOST)])
        moved, inverse, scored = problem.step(coef, LAST_BITS, problem.fine)
    else:
        coef = quick.through(passes - 1, STEP, MOST, bits)
        slope, information, scored = quick.scored(coef, quick.fine)
        inverse = reached = Reached(quick, information)
        lacking = reached.lacking
        moved = numeric.held(quick.moved(reached.inverse, slope), -STEP, STEP, LAST_BITS)
    last = numeric.held(coef + moved, -MOST, MOST, LAST_BITS)
    count, unit, error_power = 0, 2.0 ** (-likelihood.weight_bits / 2), likelihood.error_power
    if robust:
        roots, along, count = problem.robust(scored, inverse, groups)
        unit, error_power = 1.0, likelihood.estimate_power
    else:
        roots, along = (None if one is None else problem._weighted(one, -0.5) for one in problem.roots(inverse))
    found, constant, spread, error, capped = problem.own_units(last, roots, along, error_power)
    if quick is None:
        eta = problem.predictor(last, problem.fine)
    else:
        eta = quick.predictor(numeric.at_most(last, COEF_BITS), quick.fine)
    outcome = Outcome(y, trials, problem.y)
    sums = likelihood.figures(xp, problem.total, eta, outcome, problem.bits, whole)
    sums |= problem.sizes()
    step = xp.max(xp.abs(moved))
    if lacking is not None:
        step = xp.maximum(step, lacking)
    guards = problem.guards(design, scored, inverse, groups)
    return Estimated(found, constant, spread, error, inverse.aliased, capped, unit, count, step, sums, guards)


def _begin(problem: Problem, width: int, bits: int) -> Any:
    """Coefficients of 0, and the constant of the mean of y."""
    xp, n = problem.xp, problem.rows
    if not problem.centred:
        return numeric.at_precision(problem.columns.values[0] * 0, bits)
    mean = numeric.at_precision(xp.sum(problem.y) * (1 / n), 30)
    trials = 1.0 if problem.trials is None else numeric.at_precision(xp.sum(problem.trials) * (1 / n), 30)
    start = numeric.held(problem.likelihood.start(xp, mean, trials), -MOST, MOST, bits)
    zeros = numeric.at_precision(problem.columns.norms.factor * 0, bits)
    return xp.concat([zeros, xp.expand_dims(start, axis=0)])
