"""Counts, means and variances of columns in secret classes: exact sums by one matrix product, then quotients."""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tercet.array import numeric
from tercet.errors import InputError
from tercet.learn.inputs import Classes, array_namespace
from tercet.learn.inputs import weights as weights_of

MEAN_BITS = 40
VARIANCE_BITS = 52
ROOM = 122
LOG_BITS = 30


class ByClass:
    """Rows less the middle of their bounds, in the classes of a target, with weights if there are some."""

    def __init__(self, X: Any, target: Classes, sample_weight: Any = None) -> None:
        X, self.divisor = numeric.numerator(X)
        lo, hi = numeric.value_range(X)
        self.middle = (lo + hi) // 2
        self.half = max(1, hi - self.middle)
        self.xp = xp = array_namespace(X, target.codes)
        self.rows = X - self.middle
        hot = target.one_hot() * 1
        self.weighted = sample_weight is not None
        if self.weighted:
            hot = hot * xp.expand_dims(weights_of(X, sample_weight), axis=1)
        self.across = xp.matrix_transpose(hot)
        self.counts = xp.sum(hot, axis=0)
        self.sums = xp.matmul(self.across, self.rows)
        """(k, d)"""

    def means(self, most_bits: int = MEAN_BITS) -> Any:
        """(k, d): the mean of each class less the middle, within the bounds; that of a class without rows is 0."""
        xp, most = self.xp, 2 * self.half
        counts = xp.expand_dims(self.counts, axis=1)
        ahead = self.sums + counts * self.half
        size = self.half.bit_length() + getattr(self.rows, "frac_bits", 0) + self.rows.shape[0].bit_length() + 2
        bits = min(most_bits, ROOM - size - self.half.bit_length())
        found = numeric.ratio(ahead, xp.broadcast_to(counts, self.sums.shape), most, bits) - self.half
        return xp.where(counts == 0, 0.0, found)

    def variances(self) -> Any:
        """(k, d): the variance in each class, from n sum(x^2) - sum(x)^2, exact before it is divided."""
        xp = self.xp
        # integers, so that nothing is rounded before the difference
        (rows, row_bits), across = numeric.as_integers(self.rows), numeric.as_integers(self.across)[0]
        sums, counts = xp.matmul(across, rows), xp.expand_dims(xp.sum(across, axis=1), axis=1)
        above = xp.matmul(across, rows * rows) * counts - sums * sums
        below = xp.broadcast_to(counts * counts, sums.shape)
        finer = 2 * row_bits
        # in units of the stored integers
        most = (self.half * self.half << max(0, finer)) + 1
        bits = max(0, min(VARIANCE_BITS - finer, ROOM - 2 * most.bit_length()))
        found = numeric.ratio(above, below, most, bits)
        return numeric.times_power(found, -finer, VARIANCE_BITS)

    def placed(self, means: Any) -> Any:
        """Means where the rows were before."""
        return numeric.over(means + self.middle, self.divisor)

    def spread(self, variances: Any) -> Any:
        """Variances of the rows as they were before."""
        return numeric.over(variances, self.divisor**2)

    def variance(self) -> Any:
        """(d,): the variance over all rows, without weights."""
        xp = self.xp
        rows, frac_bits = numeric.as_integers(self.rows)
        count, sums = rows.shape[0], xp.sum(rows, axis=0)
        found = xp.sum(rows * rows, axis=0) * count - sums * sums
        return numeric.over(numeric.times_power(found, -2 * frac_bits, VARIANCE_BITS), Fraction(count) ** 2)

    def priors(self) -> Any:
        """(k,): the part of each class."""
        xp = self.xp
        if not self.weighted:
            return self.counts / self.rows.shape[0]
        total = xp.sum(self.counts)
        return numeric.ratio(self.counts, xp.broadcast_to(total, self.counts.shape), 1, 40)


def given_priors(priors: Any, count: int) -> NDArray[np.float64]:
    """Public probabilities of classes as they are. InputError unless there is one a class and their sum is 1."""
    found: NDArray[np.float64] = np.asarray(priors, dtype=np.float64)
    if found.shape != (count,) or (found < 0).any() or abs(found.sum() - 1) > 1e-8:
        raise InputError(f"priors={found.tolist()} for {count} classes", hint="pass one a class, with a sum of 1")
    return found


def log_priors(prior: Any) -> Any:
    """(k,): logarithms of the parts of classes, which may be quotients; far below all others where there is no row."""
    prior, divisor = numeric.numerator(prior)
    xp = array_namespace(prior)
    absent = prior == 0
    prior = numeric.at_precision(prior, max(LOG_BITS, getattr(prior, "frac_bits", 0)))
    return xp.where(absent, -float(1 << 30), xp.log(xp.where(absent, 1, prior)) - math.log(divisor))
