"""Covariances of secret classes, each shrunk as much as Ledoit and Wolf's estimate says of its rows.

Source: Ledoit and Wolf (2004), of rows standardised in their class, as scikit-learn's discriminant analysis has it.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np

from tercet.array import numeric
from tercet.array.core import SecretArray
from tercet.learn.by_class import ByClass
from tercet.learn.solve import WORKING_BITS, Normalised, diagonal, scaled
from tercet.plan.table.reasons import CAUCHY_SCHWARZ

FRAC_BITS = 40
SHARE_BITS = 36
"""Fractional bits of a row's part of the squares of its class."""


def shrunk_scatter(xp: Any, sums: ByClass, means: Any, frac_bits: int, lost: Any, bits: int) -> tuple[Any, int]:
    """(d, d): the sum of the classes' scatters, each shrunk towards its own diagonal, as integers, and their fractional
    bits: `frac_bits` and `bits`, those of the shrinkage, at most.

    A variance below `lost` is that of a column that is constant in its class; its place is taken by 1, in units of the
    rows as they were, as by scikit-learn's scaler. Sends k n d words for the products of each class's own rows.
    """
    scatter, finer = numeric.as_integers(numeric.at_most(_scatter(xp, sums, means), frac_bits))
    variances = diagonal(xp, scatter)
    # a column that varies has half the square of a last bit of its rows, which is 8 units of a scatter that was cut
    lost = max(lost, 4 * 2.0**-finer) if isinstance(scatter, SecretArray) else lost
    constant = numeric.times_power(variances, -finer, finer) < lost
    ones = (xp.expand_dims(sums.counts, axis=1) + variances * 0) * round(sums.divisor**2 * 2**finer)
    varied = xp.where(constant, ones, variances)
    kept, spread = _weights(xp, sums, means, scatter, finer, constant, bits)
    whole = xp.sum(scatter * xp.expand_dims(xp.expand_dims(kept[0], axis=1), axis=2), axis=0)
    own = xp.sum(varied * xp.expand_dims(spread[0], axis=1), axis=0)
    return whole + xp.expand_dims(own, axis=0) * np.eye(variances.shape[1], dtype=np.int64), finer + kept[1]


def _scatter(xp: Any, sums: ByClass, means: Any) -> Any:
    """(k, d, d): sums of (x - m)(x - m)' of each class."""
    rows, columns = sums.rows.shape
    hot = xp.expand_dims(sums.across, axis=2)
    if not isinstance(means, SecretArray):
        # sums of floats cancel, those of integers do not
        away = sums.rows - xp.matmul(xp.matrix_transpose(sums.across), means)
        return xp.matmul(xp.matrix_transpose(hot * away), away)
    stored, bits = numeric.as_integers(sums.rows)
    masked = xp.matrix_transpose(hot * xp.expand_dims(stored, axis=0)).reshape(-1, rows)
    products = numeric.times_power(xp.matmul(masked, stored).reshape(-1, columns, columns), -2 * bits, 2 * bits)
    down, across = xp.expand_dims(means, axis=2), xp.expand_dims(means, axis=1)
    between = down * xp.expand_dims(sums.sums, axis=1)
    beside = down * (across * xp.expand_dims(xp.expand_dims(sums.counts, axis=1), axis=2))
    return products - (between + xp.matrix_transpose(between)) + beside


def _weights(xp: Any, sums: ByClass, means: Any, scatter: Any, finer: int, constant: Any, bits: int) -> tuple[Any, Any]:
    """(k,) twice, as integers with their fractional bits: 1 - s, and s times the part of columns that vary.

    With t the rows of a class over roots of its sums of squares, g their squared lengths, n their number and R the
    correlations, s = (n sum g^2 - |R|^2) / (n (|R|^2 - m^2 / d)), where m of d columns are not constant.
    """
    columns = scatter.shape[1]
    norms = Normalised(diagonal(xp, scatter))
    unit = xp.where(constant, 0, norms.factor)
    matrix = scaled(scatter, xp.expand_dims(unit, axis=1), xp.expand_dims(unit, axis=2), norms.bits)
    squares = xp.where(constant, 1.0, diagonal(xp, matrix))
    inverse = xp.where(constant, 0.0, numeric.reciprocal(squares, 1 << WORKING_BITS - 3, FRAC_BITS))
    about = numeric.at_most(matrix, FRAC_BITS)
    about = numeric.at_precision(about * about, FRAC_BITS)
    joint = xp.expand_dims(inverse, axis=1) * xp.expand_dims(inverse, axis=2)
    correlated = xp.sum(numeric.at_precision(about * numeric.at_precision(joint, FRAC_BITS), FRAC_BITS), axis=(1, 2))
    # a row's squares are no more than those of all rows of its class
    hot = xp.matrix_transpose(sums.across)
    away, own = numeric.as_integers(sums.rows - xp.matmul(hot, means))
    power = norms.bits // 2 - finer // 2 + own
    top = 1 << max(0, power + 1)
    turned = numeric.product_within(away, xp.matmul(hot, unit), -top, top, CAUCHY_SCHWARZ)
    turned = numeric.at_precision(numeric.times_power(turned, -power, FRAC_BITS), FRAC_BITS)
    part = numeric.at_precision(turned * turned, SHARE_BITS) * xp.matmul(hot, inverse)
    part = numeric.at_precision(xp.sum(part, axis=1), SHARE_BITS)
    fourth = xp.matmul(sums.across, numeric.at_precision(part * part, FRAC_BITS))
    varied = columns - xp.sum(xp.astype(constant, xp.int64), axis=1)
    above = xp.maximum(sums.counts * fourth - correlated, 0.0)
    least = numeric.settled(numeric.over(numeric.at_precision(varied * varied, FRAC_BITS), Fraction(columns)))
    below = xp.maximum(sums.counts * (correlated - least), 0.0)
    shrinkage = numeric.ratio(above, below, 1, FRAC_BITS)
    spread = numeric.at_precision(numeric.settled(numeric.over(shrinkage * varied, Fraction(columns))), bits)
    return numeric.as_integers(1 - numeric.at_precision(shrinkage, bits)), numeric.as_integers(spread)
