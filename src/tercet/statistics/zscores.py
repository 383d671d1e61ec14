"""z scores of columns, with or without missing values: each bounded by the root of the number of rows."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

import tercet.array as namespace
from tercet.array import numeric
from tercet.array.core import SecretArray
from tercet.statistics.reasons import Z_SCORE
from tercet.statistics.samples import Moments, Sample, fitting, moments

SCORE_FRAC_BITS = 30
_WORKING_BITS = 40


def z_scores(x: Sample) -> tuple[Any, Moments]:
    """(x - mean) / std of what is there (ddof 0), 0 where nothing is or where all values are equal; and the moments.

    Distances n x - sum(x) and the variance are exact; both are scaled by a secret power of two, and the root is taken
    of what is left. Error: below 2^-28, relative above 1. Costs two products of 128 bits an element, and one root.
    """

    limit = math.isqrt(x.rows) + 1

    def build(one: Sample) -> tuple[Any, Any, Moments]:
        m = moments(one)
        counted = one.numbers if isinstance(m.count, int) else one.there
        away = one.numbers * m.count - (m.total if isinstance(m.count, int) else _where(counted, m.total))
        spread = m.spread
        bits = numeric.top_bits(spread)
        v, _ = numeric.half_normaliser(spread, bits)
        half = bits // 2
        within = numeric.product_within(away, v, -(limit << half), limit << half, Z_SCORE)
        scaled = numeric.at_precision(numeric.times_power(within, -half, _WORKING_BITS), _WORKING_BITS)
        once = numeric.product_within(spread, v, 0, 1 << bits, Z_SCORE)
        square = numeric.product_within(once, v, 0, 1 << bits, Z_SCORE)
        left = numeric.at_precision(numeric.times_power(square, -bits, _WORKING_BITS), _WORKING_BITS)
        return scaled, left, m

    scaled, left, m = fitting(build, x)
    found = scaled * _inverse_root(left)
    scores = numeric.at_precision(found, SCORE_FRAC_BITS)
    edge = limit << SCORE_FRAC_BITS
    return numeric.bounded(scores, -edge, edge, Z_SCORE), m


def _inverse_root(x: Any) -> Any:
    if isinstance(x, SecretArray):
        return namespace.rsqrt(x)
    with np.errstate(divide="ignore"):
        return np.where(x > 0, 1 / np.sqrt(x), 0.0)


def _where(there: Any, value: Any) -> Any:
    return namespace.where(there, value, 0) if isinstance(value, SecretArray) else np.where(there, value, 0.0)
