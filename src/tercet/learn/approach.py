"""Passes of a logistic regression: inverses by multiplication alone, and first passes on some rows.

Weights of rows are at most 1/4, so that the information H of a pass is at most that of equal weights, whose inverse is
worked out once. From it, M <- 2 M - M H M approaches H^-1 from below in 4 rounds a step: what M H lacks of 1 is
squared.
A pass by such an inverse is a step of Newton's or a shorter one. The last pass goes further, to the inverse that errors
rest on, and tells by how much that is none (`Reached`).

Of many rows, the first passes take a sixteenth, then one a fourth: what those estimates are off by is about a standard
error of so many rows, and passes on all rows bring it to its square each. Which rows is public: they lie in a few
blocks from the first row to the last, as nodes follow single rows (every sixteenth) only through short plans. To a
policy a result rests on the rows of a block alike. Some rows may leave no finite estimate (a rare outcome): H and score
then have a part of all rows with it, as of some rows more that are as the first coefficients say.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from tercet.array import numeric
from tercet.learn.families import Likelihood, Scored
from tercet.learn.inputs import array_namespace
from tercet.learn.inverse import FORM_BITS, Inverse
from tercet.learn.passes import repeat, spread
from tercet.learn.reasons import APPROACHED
from tercet.learn.solve import RING_BITS, ROOT_FRAC_BITS, WORKING_BITS, diagonal
from tercet.plan.table.reasons import CAUCHY_SCHWARZ

STRIDE = 16
LEAST_LAST = 3
"""Of all passes half take all rows, at least three; before them one takes a fourth, and the first a sixteenth."""
BLOCKS = 16
MANY_ROWS = 20_000
FEWEST, ROWS_EACH = 4000, 100
"""Rows in a pass on some, at least, of all and for each coefficient."""
PRIOR_BITS = 2
"""Of some rows, what all have with equal weights counts as 2^2 rows more."""
COARSE_BITS = 16
COARSE_WEIGHT_BITS = 8
"""Linear predictors and weights of many rows, in all passes but the last: it brings the error to its square."""
WORD_BITS = 61
STEPS = 12
LAST_STEPS = 16
"""Of the inverse that errors rest on, before its last two: right where rows weigh 2^-10 of 1/4 and more on average."""
INVERSE_FRAC_BITS = 24
REACH = 1 << 30
"""That inverse is held within this, and errors of standardised coefficients within its root."""
LACKING_BITS = (44, 48)
REACHED_BITS = 40
DIRECTION_BITS = 30
ALONG_BITS = 38
RATIO_FRAC_BITS = 32
SCORE_BITS = 50
COEF_BITS = 30


class Regressed(Protocol):
    """What the passes are about."""

    @property
    def weights(self) -> Any:
        """Of rows, at most 1; None for 1."""

    @property
    def shrunk(self) -> Any:
        """(d,): what a penalty adds to second derivatives of the log loss over 4^k; with it those of columns are at
        most 1/4. None without one."""

    xp: Any
    likelihood: Likelihood
    y: Any
    trials: Any
    offset: Any
    rows: int
    width: int
    centred: bool
    bits: int
    k: int


@dataclass(frozen=True, slots=True)
class Level:
    """Rows at a precision: `bits` of linear predictors, `weight_bits` of weights in the information. Columns are the
    sum of their parts, products of which with what belongs to rows fit words of 64 bits where the sum's do not."""

    parts: list[Any]
    y: Any
    trials: Any
    offset: Any
    weights: Any
    bits: int
    weight_bits: int
    stride: int = 1

    def thinned(self, stride: int) -> Level:
        """One of so many rows, in blocks, by the first part of their columns."""
        rows = self.y.shape[0]
        size = rows // (stride * BLOCKS)
        starts = [place * (rows - size) // (BLOCKS - 1) for place in range(BLOCKS)]

        def some(x: Any) -> Any:
            return None if x is None else array_namespace(x).concat([x[start : start + size] for start in starts])

        y, trials, offset, weights = map(some, (self.y, self.trials, self.offset, self.weights))
        return Level([some(self.parts[0])], y, trials, offset, weights, self.bits, self.weight_bits, stride)


def refined(xp: Any, matrix: Any, start: Any, steps: int = STEPS) -> Any:
    """The inverse of `matrix` (d, d), at 48 fractional bits and within [-1, 1], at 24, from a `start` from which all
    eigenvalues of the product lie in (0, 1]: below the inverse, and near it where they are above 2^-steps. Directions
    that the start does not have are left out. 4 rounds a step."""
    magnitude = numeric.magnitude_bits(start)
    found = start
    for step in range(steps):
        # of positive matrices with M <= H^-1, elements of H M are at most the root of the largest of M
        top = 1 << RATIO_FRAC_BITS + (magnitude - INVERSE_FRAC_BITS + step) // 2 + 1
        ratio = numeric.at_precision(xp.matmul(matrix, found), RATIO_FRAC_BITS)
        ratio = numeric.bounded(ratio, -top, top, APPROACHED)
        taken = numeric.at_precision(xp.matmul(found, ratio), INVERSE_FRAC_BITS)
        most = 1 << magnitude + step + 1
        found = numeric.bounded(found * 2 - taken, -most, most, APPROACHED)
    return found


class Approach:
    """Passes on the rows of a problem, at two precisions; `even` is the information of weights of 1.

    `values` (n, width): columns with sums of squares below 1, of which linear predictors take 2^k times; 2^k is about
    the root of n.
    """

    def __init__(self, problem: Regressed, values: Any) -> None:
        self.problem, self.xp = problem, problem.xp
        self.size = problem.width + problem.centred
        self.whole, self.bits = values, problem.bits + problem.k
        self.high_bits, parts, coarse = self.bits, [self.whole], (problem.bits, problem.bits)
        if problem.rows >= MANY_ROWS:
            # sums over rows of products of three then fit a word of 64 bits
            coarse = COARSE_BITS, COARSE_WEIGHT_BITS
            self.high_bits = (WORD_BITS - COARSE_WEIGHT_BITS - problem.rows.bit_length()) // 2
            parts = list(numeric.split(self.whole, self.high_bits))
        rest = (problem.y, problem.trials, problem.offset, problem.weights)
        self.fine = Level(parts, *rest, problem.bits, problem.bits)
        self.last = Level(parts, *rest, problem.bits, coarse[1])
        self.coarse = Level(parts, *rest, *coarse)
        self.even, self.shrunk = self._moments(parts, parts, problem.rows), problem.shrunk
        if problem.shrunk is not None:
            self.even = self.even + problem.shrunk * 4 * np.eye(self.size)
        first = Inverse(self.xp, self.even, self.size, scale=False)
        self.aliased = first.aliased
        self.start = numeric.at_precision(numeric.times_power(first.inverse, 2, INVERSE_FRAC_BITS), INVERSE_FRAC_BITS)

    def _moments(self, parts: list[Any], weighed: list[Any], total: Any) -> Any:
        """The moments of columns and constant, by the parts of the columns and of what they are weighed to."""
        xp, k, width = self.xp, self.problem.k, self.problem.width
        most = 1 << WORKING_BITS
        found = _added(xp.matmul(xp.matrix_transpose(one), other) for one in parts for other in weighed)
        found = numeric.bounded(found, -most, most, CAUCHY_SCHWARZ)
        if not self.problem.centred:
            return found
        sums = _added(numeric.times_power(xp.sum(one, axis=0), -k, WORKING_BITS) for one in weighed)
        sums = xp.expand_dims(numeric.bounded(sums, -most, most, CAUCHY_SCHWARZ), axis=0)
        whole = numeric.times_power(found[:1, :1] * 0 + total, -2 * k, WORKING_BITS)
        beside = xp.concat([found, xp.matrix_transpose(sums)], axis=1)
        below = xp.concat([sums, numeric.at_precision(whole, WORKING_BITS)], axis=1)
        return xp.concat([beside[:, : width + 1], below], axis=0)

    def predictor(self, coef: Any, level: Level) -> Any:
        """The linear predictor of standardised coefficients, the constant's last."""
        problem, bits = self.problem, level.bits
        parts = (numeric.times_power(part, problem.k, bits) for part in level.parts)
        eta = _added((self.xp.matmul(part, coef[: problem.width]) for part in parts), bits)
        if problem.centred:
            eta = eta + numeric.at_precision(coef[problem.width], bits)
        return eta if level.offset is None else eta + numeric.at_precision(level.offset, bits)

    def scored(self, coef: Any, level: Level) -> tuple[Any, Any, Scored]:
        """The score (d,) within [-2, 2], and the information, over 2^score_bits and 2^weight_bits; and what rows add
        to both."""
        problem, xp, k, likelihood, bits = self.problem, self.xp, self.problem.k, self.problem.likelihood, level.bits
        found = likelihood.scored(xp, self.predictor(coef, level), numeric.at_most(level.y, bits), level.trials, bits)
        more = likelihood.score_bits
        score = numeric.times_power(found.score, -more, bits + more)
        if level.weights is not None:
            score = numeric.at_precision(score * level.weights, bits)
        sums = (xp.matmul(xp.matrix_transpose(part), score) for part in level.parts)
        slope = _added((numeric.times_power(part, -k, SCORE_BITS) for part in sums), SCORE_BITS)
        if problem.centred:
            constant = numeric.at_precision(numeric.times_power(xp.sum(score), -2 * k, SCORE_BITS), SCORE_BITS)
            slope = xp.concat([slope, xp.expand_dims(constant, axis=0)])
        one = 2 << SCORE_BITS
        slope = numeric.bounded(slope, -one, one, CAUCHY_SCHWARZ)
        more = likelihood.weight_bits
        weight = numeric.times_power(found.weight, -more, bits + more)
        if level.weights is not None:
            weight = weight * level.weights
        weight = numeric.at_most(weight, level.weight_bits)
        across = xp.expand_dims(weight, axis=1)
        if level is not self.fine or len(level.parts) == 1:
            return slope, self._moments(level.parts[:1], [level.parts[0] * across], xp.sum(weight)), found
        weighed = list(numeric.split(numeric.at_precision(self.whole * across, self.bits), self.high_bits))
        return slope, self._moments(level.parts, weighed, xp.sum(weight)), found

    def penalised(self, coef: Any, level: Level) -> tuple[Any, Any]:
        """Score and information with the penalty; of some rows with the part that all have."""
        xp, likelihood = self.xp, self.problem.likelihood
        slope, matrix, _ = self.scored(coef, level)
        if self.shrunk is not None:
            shrunk = numeric.at_precision(self.shrunk * (1 / level.stride), WORKING_BITS)
            matrix = matrix + shrunk * np.eye(self.size)
            slope = slope - numeric.at_precision(shrunk * coef, SCORE_BITS)
        if level.stride > 1:
            part = PRIOR_BITS - self.problem.rows.bit_length()
            prior = numeric.at_precision(numeric.times_power(self.even, part, WORKING_BITS), WORKING_BITS)
            matrix = matrix + prior
            back = numeric.times_power(
                xp.matmul(prior, coef - self.begin), likelihood.weight_bits - likelihood.score_bits, 64
            )
            slope = slope - numeric.at_precision(back, SCORE_BITS)
        return slope, matrix

    def inverse(self, matrix: Any) -> Any:
        """The inverse of an information, from below."""
        one = 1 << WORKING_BITS
        return refined(self.xp, numeric.bounded(matrix, -one, one, APPROACHED), self.start)

    def moved(self, inverse: Any, slope: Any) -> Any:
        """The step by an inverse, for a score."""
        likelihood = self.problem.likelihood
        excess = numeric.magnitude_bits(inverse) + SCORE_BITS + 4 + self.size.bit_length() - RING_BITS
        moved = self.xp.matmul(inverse, numeric.at_most(slope, SCORE_BITS - max(0, excess)))
        return numeric.times_power(moved, likelihood.score_bits - likelihood.weight_bits, SCORE_BITS)

    def step(self, coef: Any, level: Level) -> Any:
        """The step from these coefficients."""
        slope, matrix = self.penalised(coef, level)
        return self.moved(self.inverse(matrix), slope)

    def through(self, passes: int, longest: int, most: int, bits: int) -> Any:
        """The coefficients after so many passes, steps held within `longest` and coefficients within `most`.

        They begin with 0, and the constant with the odds of all rows. Of some rows it moves by how the odds of these
        differ from those of all, which is all that rows sorted by their outcome change.
        """
        at_constant = np.eye(self.size)[-1] * self.problem.centred
        odds = self._log_odds(self.coarse, self.problem.rows)
        zeros = spread(np.zeros(self.size), self.whole, bits)
        coef, left, within = zeros, passes, None
        self.begin = numeric.held(zeros + at_constant * odds, -most, most, bits)
        coef = self.begin
        for stride, count in self._some(passes):
            level = self.coarse.thinned(stride)
            own = self._log_odds(level, level.y.shape[0])
            coef = numeric.held(coef + at_constant * (own - (odds if within is None else within)), -most, most, bits)
            coef = self._repeated(coef, count, level, longest, most, bits)
            left, within = left - count, own
        if within is not None:
            coef = numeric.held(coef + at_constant * (odds - within), -most, most, bits)
        return self._repeated(coef, left, self.coarse, longest, most, bits)

    def _log_odds(self, level: Level, rows: int) -> Any:
        """The logarithm of the odds of y in some rows, and one more of both outcomes; 0 without a constant."""
        if not self.problem.centred:
            return 0.0
        xp, trials = self.xp, level.trials
        ones = xp.sum(level.y)
        others = (rows if trials is None else xp.sum(trials)) - ones
        ones, others = (numeric.at_precision(one + 1.0, COARSE_BITS) for one in (ones, others))
        return xp.log(ones) - xp.log(others)

    def _repeated(self, coef: Any, count: int, level: Level, longest: int, most: int, bits: int) -> Any:
        def body(coef: Any) -> Any:
            coef = numeric.at_most(coef, COEF_BITS)
            moved = numeric.held(self.step(coef, level), -longest, longest, bits)
            return numeric.held(coef + moved, -most, most, bits)

        return repeat(count, body, coef, bounds=[(-most, most)])[0] if count else coef

    def _some(self, passes: int) -> list[tuple[int, int]]:
        """Strides of passes on some rows, and how many there are of each."""
        rows = self.problem.rows
        few = passes + 1 - max(LEAST_LAST, (passes + 1) // 2)
        stride = min(STRIDE, rows // max(FEWEST, ROWS_EACH * self.size))
        if rows < MANY_ROWS or stride < 4 or few < 2:
            return []
        return [(stride, few - 1), (2 if stride < STRIDE else 4, 1)]


class Reached:
    """The inverse of the information of a last pass, with the methods of `Inverse`, in some 100 rounds and no LDL'.

    `lacking`: by how much an element of the information's product with the inverse before the last correction is
    another than that of 1; what is left behind it is about the square. Aliased columns are those of equal weights.
    """

    def __init__(self, quick: Approach, matrix: Any) -> None:
        xp = quick.xp
        self.d, self.aliased, one = quick.size, quick.aliased, 1 << WORKING_BITS
        matrix = numeric.bounded(matrix, -one, one, APPROACHED)
        steps = LAST_STEPS - max(0, self.d.bit_length() - 4)
        coarse = numeric.held(refined(xp, matrix, quick.start, steps), -REACH, REACH, INVERSE_FRAC_BITS)
        self.inverse = coarse
        for bits in LACKING_BITS:
            lacking = np.eye(self.d) - numeric.at_precision(xp.matmul(matrix, self.inverse), bits)
            most = 1 << bits + REACH.bit_length() // 2 + 1
            lacking = numeric.bounded(lacking, -most, most, APPROACHED)
            taken = numeric.at_precision(xp.matmul(coarse, lacking), REACHED_BITS)
            most = REACH << REACHED_BITS + 1
            self.inverse = numeric.bounded(self.inverse + taken, -most, most, APPROACHED)
        self.lacking = xp.max(xp.abs(xp.where(xp.expand_dims(self.aliased, axis=1), 0.0, lacking)))

    def root_diagonal(self, xp: Any) -> Any:
        """The roots of the diagonal."""
        squares = diagonal(xp, self.inverse)
        return xp.sqrt(numeric.bounded(squares, 0, REACH << REACHED_BITS + 1, APPROACHED))

    def along(self, xp: Any, direction: Any) -> Any:
        """The root of t' M^-1 t for t (d,) below 2^16, which is held below 2^22."""
        direction = numeric.at_precision(direction, DIRECTION_BITS)
        most = REACH << 4
        moved = numeric.held(xp.matmul(self.inverse, direction), -most, most, ALONG_BITS)
        form = numeric.held(xp.sum(moved * direction), 0, 1 << 2 * FORM_BITS, ROOT_FRAC_BITS)
        return xp.sqrt(form)

    def whole(self, xp: Any, bits: int, frac_bits: int) -> Any:
        """M^-1, held below 2^bits."""
        return numeric.held(self.inverse, -(1 << bits), 1 << bits, frac_bits)


def _added(parts: Any, bits: int = WORKING_BITS) -> Any:
    """The sum of arrays, each brought to so many fractional bits."""
    first, *rest = (numeric.at_precision(part, bits) for part in parts)
    for part in rest:
        first = first + part
    return first
