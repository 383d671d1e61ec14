"""Ridge regression whose penalty follows from the data, by the evidence: eigenvalues once, then passes over them."""

from __future__ import annotations

from fractions import Fraction
from typing import Any, ClassVar, Self

import numpy as np

from tercet.array import numeric
from tercet.array.core import SecretArray
from tercet.errors import InputError
from tercet.learn import eigen
from tercet.learn.inputs import array_namespace, features
from tercet.learn.linear_model import LinearRegression, Stored
from tercet.learn.parameters import ParameterRule, Real
from tercet.learn.passes import repeat, spread
from tercet.learn.penalised import scaled_weights
from tercet.learn.plain import shared
from tercet.learn.posterior import MOST_NOISE, MOST_WEIGHED_NOISE, Posterior, deviations
from tercet.learn.solve import WORKING_BITS, Normalised, diagonal, scaled
from tercet.plan.table.reasons import CAUCHY_SCHWARZ

LEAST_BITS = 38
MOST_BITS = 6
"""The penalty is held between 2^-38 and 2^6 of the trace of X'X, up to a factor of four."""
START_BITS = 30
INVERSE_BITS = 32
PENALTY_BITS = 60
PART_BITS = 44
SMALLEST_BITS = 42
QUOTIENT_BITS = 22
SUM_BITS = 48
PRIOR_BITS = 40
MOST_PRIOR = 16
WIDE_BITS = 34
WIDTH_BITS = 24
RESULT_BITS = 36
CENTRE_BITS = 32
MOST_RESULT = 1 << 24
"""`alpha_` and `lambda_` are drawn in to that."""


_START = "the passes begin with 2^-30 of the trace as penalty: leave it out"


class BayesianRidge(LinearRegression):
    """Ridge regression whose penalty lambda_ / alpha_ makes the data likeliest, as scikit-learn's.

    Gamma priors of both precisions: `alpha_1`, `alpha_2`, `lambda_1`, `lambda_2`, public. X'X is brought to the unit of
    its trace by secret powers of two and decomposed into eigenvalues (`tercet.learn.eigen`, 64 columns at most);
    `max_iter` public passes of MacKay's update then take numbers of columns alone. scikit-learn stops when coefficients
    move less than `tol`; here they near those of a `tol` of 0: 50 passes leave 4e-5 on raw breast cancer, whose columns
    are collinear, and nothing that shows on diabetes and wine. Penalties
    are held between 2^-38 and 2^6 of the trace. Scales, bounds and what is refused are those of `LinearRegression`.

    `fit(X, y, sample_weight=None)`: a row of weight 2 is as good as two.

    After fit, secret: `coef_`, `intercept_`, `alpha_` (of the noise) and `lambda_` (of the weights), right to 2^-36 and
    drawn in to 2^24; `sigma_` (d, d), the covariance of the weights, right to 2^-34 and a relative 2^-20, drawn in to
    2^34; `kept_`, what deviations of predictions take. Nothing is revealed.
    Rounds: those of the eigenvalues, and about 110 a pass.
    """

    fitted = (*LinearRegression.fitted, "alpha_", "lambda_", "sigma_", "kept_")
    not_offered: ClassVar[dict[str, str]] = {
        "tol": "passes are public and as many as max_iter: a test of secrets would reveal when it stops",
        "alpha_init": _START,
        "lambda_init": _START,
        "compute_score": "the likelihood is not worked out: leave it out",
        "copy_X": "X is never changed: leave it out",
        "verbose": "nothing is printed: leave it out",
    }
    allowed: ClassVar[dict[str, tuple[ParameterRule, ...]]] = dict.fromkeys(
        ("alpha_1", "alpha_2", "lambda_1", "lambda_2"), (Real(0),)
    )
    alpha_: Any
    lambda_: Any
    sigma_: Any
    kept_: dict[str, Any]
    _posterior: tuple[Posterior, Fraction, Fraction, Any]

    def __init__(
        self,
        *,
        max_iter: int = 50,
        alpha_1: float = 1e-6,
        alpha_2: float = 1e-6,
        lambda_1: float = 1e-6,
        lambda_2: float = 1e-6,
        fit_intercept: bool = True,
    ) -> None:
        self.max_iter = max_iter
        self.alpha_1 = alpha_1
        self.alpha_2 = alpha_2
        self.lambda_1 = lambda_1
        self.lambda_2 = lambda_2
        self.fit_intercept = fit_intercept

    @property
    def n_iter_(self) -> int:
        """The public number of passes."""
        return int(self.max_iter)

    def fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        super().fit(X, y, sample_weight)
        spread, by_x, by_y, centre = self._posterior
        del self._posterior
        X = features(X, self)
        xp = array_namespace(X)
        if centre is None:
            centre = numeric.settled(xp.mean(X, axis=0)) if self.fit_intercept else X[0] * 0
        if self.fit_intercept:
            centre = numeric.at_precision(centre, max(CENTRE_BITS, getattr(X, "frac_bits", 0)))
        self.sigma_, self.kept_ = spread.covariance(xp, by_x, by_y), spread.kept(xp, centre, by_x, by_y)
        return self

    def predict(self, X: Any, return_std: bool = False) -> Any:
        """As that of `LinearRegression`; with `return_std` a pair, with standard deviations (n,), right to a relative
        1e-5. They hold rows within four roots of the scatter's trace of the mean."""
        found = super().predict(X)
        return (found, deviations(features(X, self), self.kept_)) if return_std else found

    @classmethod
    def from_sklearn(cls, fitted: Any, session: Any) -> Self:
        """As that of `LinearRegression`; the precisions are shared, too."""
        model = super().from_sklearn(fitted, session)
        model.alpha_, model.lambda_ = shared(session, fitted.alpha_), shared(session, fitted.lambda_)
        model.sigma_, model.kept_ = shared(session, fitted.sigma_), {}
        return model

    def _solved(self, xp: Any, asked: Stored) -> tuple[Any, Any, Any]:
        if asked.x.shape[1] > eigen.LARGEST:
            raise InputError(f"{asked.x.shape[1]} columns", hint=f"pass {eigen.LARGEST} at most, or take Ridge")
        moments, mixed, variance = self._moments(xp, asked)
        columns, outcome = Normalised(diagonal(xp, moments)), Normalised(variance)
        across, down = xp.expand_dims(columns.factor, axis=0), xp.expand_dims(columns.factor, axis=1)
        within = scaled(moments, down, across, columns.bits)
        beside = scaled(mixed, columns.factor, outcome.factor, (columns.bits + outcome.bits) // 2)
        whole = scaled(variance, outcome.factor, outcome.factor, outcome.bits)
        # the columns' own sizes, in a unit that makes their squares add up to one at most
        finest = max(asked.fracs)
        shifts = np.array([1 << finest - frac for frac in asked.fracs], dtype=object)
        sizes = columns.complement * shifts if len(set(asked.fracs)) > 1 else columns.complement
        unit = Normalised(xp.sum(sizes * sizes, keepdims=True))
        top = 1 << unit.bits // 2
        each = numeric.product_within(sizes, xp.broadcast_to(unit.factor, sizes.shape), 0, top, CAUCHY_SCHWARZ)
        each = numeric.at_precision(numeric.times_power(each, -(unit.bits // 2), eigen.BITS), eigen.BITS)
        both = numeric.at_precision(within * xp.expand_dims(each, axis=0), eigen.BITS)
        both = numeric.at_precision(both * xp.expand_dims(each, axis=1), eigen.BITS)
        one = 1 << eigen.BITS
        values, vectors = eigen.eigh(numeric.bounded(both, -one, one, CAUCHY_SCHWARZ))
        values = numeric.held(values, 0, 1, eigen.BITS) if isinstance(values, SecretArray) else np.maximum(values, 0)
        turned = numeric.at_precision(xp.matmul(vectors, numeric.at_precision(beside * each, eigen.BITS)), SUM_BITS)
        turned = numeric.held(turned, -1, 1, SUM_BITS)
        priors = self._priors(unit, outcome, asked)
        parts, penalty, noise, inverse = self._evidence(xp, values, turned, whole, priors, asked)
        by_x = asked.multiple * asked.x_over**2 * Fraction(4) ** finest
        by_y = self._ratio(asked) * asked.rows
        centre = None if asked.weighed is None else numeric.settled(numeric.over(asked.weighed.means, asked.x_over))
        most = MOST_NOISE if asked.weighed is None else MOST_WEIGHED_NOISE
        self._posterior = Posterior(vectors, inverse, noise, unit, outcome, most), by_x, by_y, centre
        w = numeric.at_precision(xp.matmul(xp.expand_dims(parts, axis=0), vectors)[0], PART_BITS)
        w = numeric.at_precision(w * each, WORKING_BITS)
        coef, capped = self._unscaled(xp, w, columns, outcome, asked)
        self._keep_precisions(penalty, noise, unit, outcome, asked)
        return coef, beside > 4, capped

    def _ratio(self, asked: Stored) -> Fraction:
        """By what squares of stored targets are larger than those of y, beside columns at the finest scale."""
        return asked.y_over**2 * Fraction(4) ** asked.y_frac * asked.multiple

    def _priors(self, unit: Normalised, outcome: Normalised, asked: Stored) -> tuple[Any, Any]:
        """2 alpha_2 and 2 lambda_2 in the units of the scaled target and weights."""
        noise = Fraction(float(self.alpha_2)) * 2 * self._ratio(asked)
        first = _weighed(noise, outcome.factor, outcome.factor, outcome.bits)
        # the unit of weights: 2^(P/2) / (u v) of those of stored numbers
        finest, half = max(asked.fracs), outcome.bits // 2
        weight = 2 * Fraction(float(self.lambda_2)) * asked.y_over**2 / asked.x_over**2
        if not weight:
            return first, 0
        up = (weight.numerator.bit_length() - weight.denominator.bit_length()) // 2
        power = asked.y_frac - finest - half + up
        size = numeric.times_power(unit.complement[0] * outcome.factor, power, PRIOR_BITS)
        size = numeric.held(size, 0, 1 << WIDE_BITS // 2, PRIOR_BITS) if isinstance(size, SecretArray) else size
        square = numeric.at_precision(size * size, WIDTH_BITS) * float(weight / Fraction(4) ** up)
        return first, numeric.held(square, 0, 1 << WIDE_BITS, WIDTH_BITS)

    def _evidence(
        self, xp: Any, values: Any, turned: Any, whole: Any, priors: tuple[Any, Any], asked: Stored
    ) -> tuple[Any, Any, Any, Any]:
        """Weights of eigenvectors, the penalty, the noise's precision over the number of rows, and one over eigenvalues
        with the penalty, in scaled units."""
        (noise, width), n = priors, asked.rows
        fine = numeric.at_precision(values, PENALTY_BITS)

        def weighed(penalty: Any) -> tuple[Any, ...]:
            below = fine + penalty
            least = 1 << PENALTY_BITS - LEAST_BITS - 1
            inverse = numeric.at_precision(numeric.reciprocal(below, least, INVERSE_BITS), INVERSE_BITS)
            # |q| is the root of s at most
            most = 1 << LEAST_BITS // 2
            parts = numeric.held(turned * inverse, -most, most, PART_BITS)
            kept = numeric.at_precision(numeric.ratio(fine, below, 1, SUM_BITS), SUM_BITS)
            # q (1 + r / (s + r)) c, summed: what is explained
            told = numeric.at_precision(turned * parts, SUM_BITS)
            missed = xp.sum(numeric.at_precision(told * (2 - kept), SUM_BITS), keepdims=True)
            rest = numeric.at_precision(whole, SUM_BITS) - missed
            # told r / (s + r) is r times the square of a weight
            square = xp.sum(numeric.at_precision(told * (1 - kept), SUM_BITS), keepdims=True)
            used = xp.sum(kept, keepdims=True)
            over = numeric.held(rest + noise, 0, MOST_PRIOR, SUM_BITS)
            free = asked.part + numeric.at_precision((2 * float(self.alpha_1) - used) * (1 / n), SUM_BITS)
            free = numeric.held(free, 0, 2, SUM_BITS)
            return parts, used, square, over, free, inverse

        def once(penalty: Any) -> Any:
            _, used, square, over, free, _ = weighed(penalty)
            above = numeric.at_precision((used + 2 * float(self.lambda_1)) * (1 / n), SUM_BITS)
            above = numeric.at_precision(numeric.at_precision(above * over, PART_BITS) * penalty, PENALTY_BITS)
            # at the fixed point it is below 64
            below = square + numeric.held(penalty * width, 0, 64, SUM_BITS)
            below = numeric.at_precision(below * free, PENALTY_BITS)
            above = numeric.held(above, 0, 4, PENALTY_BITS - 4)
            below = numeric.at_precision(xp.maximum(below, 2.0**-SMALLEST_BITS), PENALTY_BITS)
            inverse = numeric.reciprocal(below, 1 << PENALTY_BITS - SMALLEST_BITS, QUOTIENT_BITS)
            found = above * numeric.at_precision(inverse, QUOTIENT_BITS)
            return xp.maximum(numeric.held(found, 0, 1 << MOST_BITS, PENALTY_BITS), 2.0**-LEAST_BITS)

        start = spread(np.full(1, 2.0**-START_BITS), values, PENALTY_BITS)
        (penalty,) = repeat(self.max_iter, once, start, bounds=((2.0**-LEAST_BITS, 1 << MOST_BITS),))
        parts, _, _, over, free, inverse = weighed(penalty)
        precision = numeric.ratio(free, over, 1 << 20, SUM_BITS)
        return parts, penalty[0], precision[0], inverse

    def _keep_precisions(self, penalty: Any, noise: Any, unit: Normalised, outcome: Normalised, asked: Stored) -> None:
        """`alpha_` and `lambda_` in the units of X and y."""
        noise = _by_square(noise, outcome.factor, -outcome.bits, self._ratio(asked) * asked.rows)
        size = asked.multiple * asked.x_over**2 * Fraction(4) ** max(asked.fracs)
        penalty = _by_square(penalty, unit.complement[0], 0, 1 / size)
        self.alpha_, self.lambda_ = noise, numeric.at_precision(noise * penalty, RESULT_BITS)


def _by_square(x: Any, factor: Any, power: int, by: Fraction) -> Any:
    """x factor^2 2^power by, of a secret power of two and public numbers, drawn in to 2^24."""
    size = by.numerator.bit_length() - by.denominator.bit_length()
    first = (power + size) // 2
    once = numeric.at_most(numeric.times_power(x * factor, first, PART_BITS), PART_BITS)
    once = numeric.held(once, 0, MOST_RESULT, PART_BITS) if isinstance(once, SecretArray) else once
    twice = numeric.times_power(once * factor, power + size - first, PART_BITS)
    twice = numeric.held(numeric.at_most(twice, PART_BITS), 0, 4 * MOST_RESULT, PART_BITS)
    found = twice * float(by / Fraction(2) ** size)
    return numeric.held(found, 0, MOST_RESULT, RESULT_BITS)


def _weighed(weight: Fraction, left: Any, right: Any, bits: int) -> Any:
    if not weight:
        return 0
    found = scaled_weights([weight], left, right, bits, within=False)
    found = found[0] if found.ndim else found
    return numeric.held(numeric.at_precision(found, SUM_BITS), 0, MOST_PRIOR - 1, SUM_BITS)
