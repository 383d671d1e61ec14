"""Columns brought to sums of squares in [1/4, 1) under sharing, and estimates brought back to the columns' own units.

Row by row; where sums of products alone are needed, `learn.solve` scales those in place of rows.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tercet.array import numeric
from tercet.array.core import SecretArray
from tercet.learn.solve import RING_BITS, Normalised
from tercet.plan.table.reasons import CAUCHY_SCHWARZ

CENTRE_BITS = 40
CONSTANT_BITS = 40
"""A NumPy column that varies by less than 2^-40 of its largest value counts as constant."""
RATIO_BITS = 16
"""A column's mean is held below 2^16 of its scaled spreads, in what the constant's error is computed of."""
RATIO_FRAC_BITS = 36


class Scaled:
    """A column, or columns (n, d), less a whole number near their means, times secret powers of two: |value| < 1.

    `values` have sums of squares in [1/4, 1), or 0, and `frac_bits` fractional bits. Any centre is right, since what it
    is is taken into account; that of the mean keeps most bits. Bounds hold by Cauchy-Schwarz: the power of two is that
    of the sum of squares that each value is part of. One word for each value is multiplied.
    """

    def __init__(self, xp: Any, x: Any, frac_bits: int, *, centred: bool) -> None:
        n = x.shape[0]
        self.centre: Any = None
        if centred and not isinstance(x, SecretArray):
            self.centre = np.mean(x, axis=0)
            x = varying(x) - np.where(constant(x), 0.0, self.centre)
        elif centred:
            lo, hi = numeric.value_range(x)
            sums = xp.sum(x, axis=0)
            bits = max(8, min(CENTRE_BITS, RING_BITS - numeric.magnitude_bits(sums) - 1))
            near = numeric.at_precision(numeric.times_power(sums * round((1 << bits) / n), -bits, 0), 0)
            self.centre = numeric.held(near, lo, hi, 0)
            x = x - self.centre
        self.norms = Normalised(xp.sum(x * x, axis=0))
        half = self.norms.bits // 2
        top = 1 << half
        product = numeric.product_within(x, self.norms.factor, -top, top, CAUCHY_SCHWARZ)
        self.values = numeric.at_precision(numeric.times_power(product, -half, frac_bits), frac_bits)

    def ratios(self) -> Any:
        """The centres in units of the scaled columns, held below 2^16; at 36 fractional bits."""
        half = self.norms.bits // 2
        found = numeric.times_power(self.centre * self.norms.factor, -half, RATIO_FRAC_BITS)
        return numeric.held(found, -(1 << RATIO_BITS), 1 << RATIO_BITS, RATIO_FRAC_BITS)


def constant(x: Any) -> Any:
    """(d,) or one: which columns of a NumPy array do not vary beyond rounding. Sums of secret integers are exact."""
    return np.ptp(x, axis=0) <= 2.0**-CONSTANT_BITS * np.max(np.abs(x), axis=0)


def varying(x: Any, weights: Any = None) -> Any:
    """Columns beside a constant: NumPy columns that are constant, where rows weigh anything, are 0, so that they are
    aliased as secret ones are."""
    if isinstance(x, SecretArray) or isinstance(weights, SecretArray):
        return x
    return x * ~constant(x if weights is None else x[weights > 0])


def root_bits(rows: int) -> int:
    """k with 2^k about the root of the number of rows: a column of 2^-k has its sum of squares in [1/4, 1]."""
    return -(-max(1, rows - 1).bit_length() // 2)


def unit(like: Normalised) -> Normalised:
    """That of one column which is not scaled at all."""
    found = object.__new__(Normalised)
    found.bits, found.factor, found.complement = 0, np.asarray(1), like.complement
    return found
