"""What a Bayesian regression knows of its own uncertainty: covariances of weights, deviations of predictions.

All in the unit that makes the trace of the rows' scatter at most 1, by a secret power of two, and in the directions of
its eigenvectors, where inverses are numbers.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from tercet.array import numeric
from tercet.array.core import SecretArray
from tercet.errors import InputError
from tercet.learn.inputs import array_namespace
from tercet.learn.linear_classifier import numbers
from tercet.learn.solve import Normalised
from tercet.plan.table.reasons import CAUCHY_SCHWARZ

ROW_BITS = 44
REACH = 4
"""Rows lie within so many roots of the scatter's trace of the mean."""
INVERSE_BITS = 24
VECTOR_BITS = 40
PART_BITS = 24
MOST_PART_BITS = 20
NOISE_BITS = 40
MOST_NOISE, MOST_WEIGHED_NOISE = 16, 1 << 8
"""The root of the noise's precision lies between one over this and this, over the number of rows; by weights, over what
their number is at most."""
WIDE_BITS = 34
"""Covariances and deviations are drawn in to 2^34."""
RESULT_BITS = 36
AWAY_BITS = 60
"""Of rows less the mean, so that their products with a secret power of two fit."""


@dataclass(frozen=True)
class Posterior:
    """Rows of eigenvectors (d, d), one over eigenvalues with the penalty (d,), and the noise's precision over n."""

    vectors: Any
    inverse: Any
    noise: Any
    unit: Normalised
    outcome: Normalised
    most_noise: int
    """Its root lies between one over this and this."""

    def deviation(self, xp: Any) -> Any:
        """One over the root of the noise's precision, in scaled units."""
        most = self.most_noise
        root = xp.sqrt(numeric.at_precision(xp.maximum(self.noise, 1.0 / most**2), NOISE_BITS))
        root = numeric.at_precision(root, NOISE_BITS)
        found = numeric.reciprocal(root, (1 << NOISE_BITS) // most - 1, NOISE_BITS)
        return numeric.held(found, 0, most + 1, NOISE_BITS)

    def covariance(self, xp: Any, by_x: Fraction, by_y: Fraction) -> Any:
        """(d, d): that of the weights; `by_x`, `by_y`: the squares of what scaled columns and the scaled target are of
        real ones, beside secret powers of two."""
        vectors = numeric.at_precision(self.vectors, VECTOR_BITS)
        inverse = numeric.at_precision(self.inverse, INVERSE_BITS)
        size = numeric.at_precision(self.deviation(xp), PART_BITS)
        weighed = numeric.at_precision(vectors * xp.expand_dims(inverse, axis=1), PART_BITS)
        found = numeric.at_precision(xp.matmul(xp.matrix_transpose(vectors), weighed), PART_BITS)
        for _ in range(2):
            found = numeric.at_precision(found * size, PART_BITS)
        powers = [_half_power(by_x), -_half_power(by_y)]
        rest = float(by_x / by_y / Fraction(4) ** sum(powers))
        steps = [(self.outcome.complement, powers[1]), (self.unit.factor[0], powers[0] - self.unit.bits // 2)] * 2
        for factor, power in steps:
            found = _held(numeric.times_power(found * factor, power, RESULT_BITS))
        return _held(found * rest)

    def kept(self, xp: Any, centre: Any, by_x: Fraction, by_y: Fraction) -> dict[str, Any]:
        """What `deviations` takes."""
        power = _half_power(by_x)
        size = self.deviation(xp) * self.outcome.complement
        size = numeric.times_power(size, -_half_power(by_y), NOISE_BITS)
        rest = math.sqrt(float(by_y / Fraction(4) ** _half_power(by_y)))
        return {
            "centre": centre,
            "factor": self.unit.factor[0],
            "power": power - self.unit.bits // 2,
            "rest": math.sqrt(float(by_x / Fraction(4) ** power)),
            "vectors": self.vectors,
            "inverse": numeric.at_precision(self.inverse, INVERSE_BITS),
            "deviation": numeric.held(size, 0, 1 << WIDE_BITS, NOISE_BITS) * (1 / rest),
        }


def deviations(X: Any, kept: dict[str, Any]) -> Any:
    """(n,): standard deviations of what is predicted for rows."""
    if not kept:
        raise InputError(
            "this model was shared from scikit-learn's, without the eigenvectors that deviations take",
            hint="fit it here, or predict with scikit-learn's",
        )
    xp = array_namespace(X, kept["centre"])
    away = numbers(X) - kept["centre"]
    if isinstance(away, SecretArray):
        away = numeric.at_most(away, max(0, away.frac_bits - max(0, numeric.magnitude_bits(away) - AWAY_BITS)))
    rows = numeric.times_power(away * kept["factor"], kept["power"], ROW_BITS)
    rows = numeric.held(rows, -REACH, REACH, ROW_BITS)
    turned = numeric.at_precision(xp.matmul(rows, xp.matrix_transpose(kept["vectors"])), ROW_BITS)
    # eigenvectors keep lengths
    most = math.ceil(REACH * 1.01 * math.sqrt(rows.shape[1])) << ROW_BITS
    turned = numeric.bounded(turned, -most, most, CAUCHY_SCHWARZ)
    weighed = numeric.at_precision(turned * kept["inverse"], PART_BITS)
    parts = xp.sum(weighed * turned, axis=1)
    if isinstance(parts, SecretArray):
        parts = numeric.held(parts, 0, 1 << MOST_PART_BITS, PART_BITS)
    return xp.sqrt(numeric.at_precision(parts * kept["rest"] ** 2 + 1, NOISE_BITS)) * kept["deviation"]


def _half_power(square: Fraction) -> int:
    """The power of two next to the root."""
    return (square.numerator.bit_length() - square.denominator.bit_length()) // 2


def _held(x: Any) -> Any:
    return numeric.held(x, -(1 << WIDE_BITS), 1 << WIDE_BITS, RESULT_BITS)
