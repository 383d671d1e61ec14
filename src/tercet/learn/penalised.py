"""Ridge, Lasso and ElasticNet: least squares with penalties, on the same exact moments as LinearRegression."""

from __future__ import annotations

from fractions import Fraction
from typing import Any, ClassVar

import numpy as np

from tercet.array import numeric
from tercet.array.core import SecretArray
from tercet.errors import InputError
from tercet.learn.linear_model import LinearRegression, Stored
from tercet.learn.parameters import count_of, number_of
from tercet.learn.reasons import PENALISED
from tercet.learn.solve import WORKING_BITS, Normalised, solve
from tercet.learn.sparse import minimum

FACTOR_BITS = 40
MOST_BITS = 118
MOST_EDGE = 2.0**20
"""Of weights of absolute values, before they are taken for as many rows as there are by their own weights."""


class _Penalised(LinearRegression):
    """Least squares with a penalty: a weight of squares of coefficients, and one of absolute values."""

    of_mean: ClassVar[bool] = True
    """Whether the penalty stands beside the mean of squares, or else beside their sum."""

    def _weights(self, asked: Stored) -> tuple[Fraction, Fraction]:
        """Weights of w_j^2 and of |w_j| beside half the sum of squared residuals, of real coefficients; of the mean for
        `rows` rows."""
        raise TypeError("a penalised model says what it weighs")

    def _squares(self, asked: Stored) -> list[Fraction]:
        """What each column's moment grows by, in stored integers."""
        weight = 2 * self._weights(asked)[0] * asked.multiple * asked.x_over**2
        return [weight * Fraction(4) ** frac for frac in asked.fracs]

    def _variances(self, moments: Any, asked: Stored) -> Any:
        weights = self._squares(asked)
        if not isinstance(moments, SecretArray):
            return moments + np.array([float(weight) for weight in weights])
        return moments + np.array([-(-weight.numerator // weight.denominator) for weight in weights], dtype=object)

    def _solution(
        self, xp: Any, within: Any, beside: Any, columns: Normalised, outcome: Normalised, asked: Stored
    ) -> tuple[Any, Any]:
        d = beside.shape[0]
        squares, one = self._squares(asked), 1 << WORKING_BITS
        if any(squares):
            added = self._counted(scaled_weights(squares, columns.factor, columns.factor, columns.bits), asked)
            within = within + numeric.at_precision(added, WORKING_BITS) * np.eye(d, dtype=np.int64)
            within = numeric.bounded(within, -one, one, PENALISED)
        sizes = self._weights(asked)[1]
        if not sizes:
            solved = solve(xp, xp.concat([within, xp.expand_dims(beside, axis=1)], axis=1), d)
            return solved.solution[:, 0], solved.aliased
        stored = sizes * asked.multiple * asked.x_over * asked.y_over
        each = [stored * Fraction(2) ** (frac + asked.y_frac) for frac in asked.fracs]
        edges = scaled_weights(each, columns.factor, outcome.factor, (columns.bits + outcome.bits) // 2, within=False)
        edges = edges if asked.weighed is None else self._counted(xp.minimum(edges, MOST_EDGE), asked)
        edges = numeric.at_precision(xp.minimum(edges, 2.0), PASS_BITS)
        found = minimum(xp, within, beside, edges, self._passes())
        return numeric.at_precision(found, WORKING_BITS), beside > 4

    def _counted(self, weights: Any, asked: Stored) -> Any:
        """Of penalties beside the mean, for as many rows as weights make."""
        if asked.weighed is None or not self.of_mean:
            return weights
        return numeric.at_precision(weights * asked.part, WORKING_BITS)

    def _passes(self) -> int:
        return 0


PASS_BITS = 40


def scaled_weights(weights: list[Fraction], left: Any, right: Any, bits: int, *, within: bool = True) -> Any:
    """weights * left * right / 2^bits of secret powers of two, to 40 bits of the weight; `within`: at most 1 each."""
    largest = max(weights)
    if not isinstance(left, SecretArray):
        return np.array([float(weight) for weight in weights]) * left * right / 2.0**bits
    size = largest.numerator.bit_length() - largest.denominator.bit_length()
    up = min(FACTOR_BITS - size, MOST_BITS - bits)
    whole = np.array([round(weight * Fraction(2) ** up) for weight in weights], dtype=object)
    if within:
        product = numeric.product_within(left * whole, right, 0, 1 << max(bits + up, 0) + 1, PENALISED)
    else:
        product = (left * right) * whole
    return numeric.times_power(product, -bits - up, WORKING_BITS)


class Ridge(_Penalised):
    """Least squares with a penalty of squared coefficients, as scikit-learn's `Ridge`: |y - Xw|^2 + alpha |w|^2.

    `alpha`: one public number from 0 on, a relative 2^-40 exact. The closed form, by moments that are exact and LDL'
    at 48 bits, as `LinearRegression`: rounds, bytes and bounds are its own. The intercept is not penalised.
    Coefficients agree with float64 to about 1e-9 relative. Nothing is revealed. Raises InputError for another alpha.
    """

    not_offered: ClassVar[dict[str, str]] = {
        **dict.fromkeys(("solver", "tol", "max_iter", "random_state"), "the closed form is exact: leave it out"),
        "positive": "coefficients of one sign are not offered",
        "copy_X": "X is never changed: leave it out",
    }

    of_mean = False

    def __init__(self, alpha: float = 1.0, *, fit_intercept: bool = True) -> None:
        self.alpha = alpha
        self.fit_intercept = fit_intercept

    def _weights(self, asked: Stored) -> tuple[Fraction, Fraction]:
        return number_of(self.alpha, "alpha") / 2, Fraction(0)


_SPARSE_NOT_OFFERED = {
    "tol": "passes are public and as many as max_iter: a test of secrets would reveal when it stops",
    "warm_start": "each fit begins anew: leave it out",
    "precompute": "moments are always worked out once: leave it out",
    "positive": "coefficients of one sign are not offered",
    "selection": "all coefficients move at once: leave it out",
    "random_state": "nothing is drawn: leave it out",
    "copy_X": "X is never changed: leave it out",
}


class ElasticNet(_Penalised):
    """Least squares with penalties of absolute values and squares, with scikit-learn's objective:
    |y - Xw|^2 / (2 n) + alpha l1_ratio |w|_1 + alpha (1 - l1_ratio) |w|^2 / 2.

    `max_iter` public passes find which coefficients are 0 (alternating directions: 8 rounds each, however many
    columns; they are no sweeps of coordinate descent); then the equations of the others are solved, and zeros and
    signs checked, three times, in about 550 rounds. The result is the minimum to about 1e-9, with exact zeros,
    where the passes were enough: 100 are for the raw columns of breast cancer, whose correlations reach 0.998. Which
    coefficients are 0 stays secret, as all else. Moments, scales and bounds are those of `LinearRegression`; bytes grow
    with d^2 a pass. Raises InputError for parameters that are no public numbers.
    """

    not_offered: ClassVar[dict[str, str]] = _SPARSE_NOT_OFFERED

    def __init__(
        self, alpha: float = 1.0, *, l1_ratio: float = 0.5, fit_intercept: bool = True, max_iter: int = 100
    ) -> None:
        self.alpha = alpha
        self.l1_ratio = l1_ratio
        self.fit_intercept = fit_intercept
        self.max_iter = max_iter

    def _weights(self, asked: Stored) -> tuple[Fraction, Fraction]:
        ratio = number_of(self.l1_ratio, "l1_ratio")
        if ratio > 1:
            raise InputError(f"l1_ratio is {self.l1_ratio}", hint="pass a number from 0 to 1")
        return _elastic(self.alpha, ratio, asked.rows)

    def _passes(self) -> int:
        return count_of(self.max_iter, "max_iter")


class Lasso(_Penalised):
    """Least squares with a penalty of absolute values, with scikit-learn's objective:
    |y - Xw|^2 / (2 n) + alpha |w|_1. Passes, error, cost and refusals as `ElasticNet`.
    """

    not_offered: ClassVar[dict[str, str]] = _SPARSE_NOT_OFFERED

    def __init__(self, alpha: float = 1.0, *, fit_intercept: bool = True, max_iter: int = 100) -> None:
        self.alpha = alpha
        self.fit_intercept = fit_intercept
        self.max_iter = max_iter

    def _weights(self, asked: Stored) -> tuple[Fraction, Fraction]:
        return _elastic(self.alpha, Fraction(1), asked.rows)

    def _passes(self) -> int:
        return count_of(self.max_iter, "max_iter")


def _elastic(alpha: float, ratio: Fraction, rows: int) -> tuple[Fraction, Fraction]:
    """Weights beside half the sum of squared residuals, which scikit-learn divides by the rows."""
    weight = number_of(alpha, "alpha") * rows
    return weight * (1 - ratio) / 2, weight * ratio
