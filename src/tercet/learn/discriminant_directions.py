"""Directions that set secret classes apart: an eigen-decomposition of products of their means, one row a class."""

from __future__ import annotations

from typing import Any

import numpy as np

from tercet.array import numeric
from tercet.learn.eigen import BITS, eigh
from tercet.learn.inputs import array_namespace
from tercet.learn.solve import ROOT_BITS, TOLERANCE_BITS, Normalised, diagonal
from tercet.plan.table.reasons import CAUCHY_SCHWARZ

PRODUCT_BITS = 44
LEAST = 2.0**-32
"""Added to squares of distances of means: no claim about their scale fails where classes have the same means."""
ROOT_FRAC_BITS = 44
FRAC_BITS = 40
DIRECTION_BITS = 32
RATIO_BITS = 40


def directions(apart: Any, turned: Any, priors: Any, most: int) -> tuple[Any, Any]:
    """(c, d) and (c,): directions D with D S D' = 1, for the covariance S in classes, and the parts of the variance
    between classes that they explain, the largest first; c is `most`, below the number of classes.

    `apart` (k, d): means less that of all rows, in the units of S; `turned`: these times S^-1; `priors` (k,). With
    P = apart S^-1 apart', scaled by a secret power of two, and roots r of priors, u of r P r gives u r turned / root of
    the eigenvalue. The last class lies on the side of each that is positive; one that explains less than 2^-24 of the
    squared distances of means is 0. Rounds: those of `eigh` for k columns, none of it for two classes, and about 80.
    """
    xp = array_namespace(apart, turned)
    products = xp.matmul(numeric.at_most(apart, DIRECTION_BITS), xp.matrix_transpose(turned))
    products = numeric.at_precision(products, PRODUCT_BITS) + LEAST * np.eye(products.shape[0])
    stored, frac_bits = numeric.as_integers(products)
    # by the trace, which is at least every element
    norms = Normalised(xp.sum(diagonal(xp, stored)))
    matrix = numeric.scaled(stored, norms.factor, norms.factor, norms.bits, BITS)
    roots = _roots(priors)
    across, down = (xp.expand_dims(roots, axis=axis) for axis in (0, 1))
    matrix = numeric.at_precision(numeric.at_precision(matrix * across, BITS) * down, BITS)
    if len(priors) == 2:
        values = xp.expand_dims(xp.sum(diagonal(xp, matrix)), axis=0)
        vectors = xp.expand_dims(xp.concat([-roots[1:], roots[:1]]), axis=0)
    else:
        values, vectors = eigh(matrix)
    values = numeric.bounded(xp.maximum(values, 0.0), 0, (1 << BITS) + (1 << BITS - 6), CAUCHY_SCHWARZ)
    ratio = numeric.ratio(values[:most], xp.broadcast_to(xp.sum(values), (most,)), 1, RATIO_BITS)
    values, vectors = values[:most], vectors[:most]
    vectors = xp.where(xp.expand_dims(vectors[:, -1] < 0, axis=1), -vectors, vectors)
    weights = numeric.at_precision(vectors * across, FRAC_BITS) * xp.expand_dims(_inverse_roots(xp, values), axis=1)
    found = xp.matmul(numeric.at_precision(weights, FRAC_BITS), _normalised(turned, norms, frac_bits))
    return numeric.at_precision(found, DIRECTION_BITS), ratio


def _roots(priors: Any) -> Any:
    """Roots of the parts of classes."""
    xp = array_namespace(priors)
    priors, divisor = numeric.numerator(priors)
    return xp.sqrt(numeric.settled(numeric.over(numeric.at_precision(priors, ROOT_FRAC_BITS), divisor)))


def _inverse_roots(xp: Any, values: Any) -> Any:
    """1 / sqrt(x), and 0 where x is below 2^-24."""
    small = values < 2.0**-TOLERANCE_BITS
    roots = xp.sqrt(numeric.at_precision(xp.where(small, 1.0, values), ROOT_FRAC_BITS))
    return xp.where(small, 0.0, numeric.reciprocal(roots, 1 << ROOT_FRAC_BITS - ROOT_BITS, FRAC_BITS))


def _normalised(turned: Any, norms: Normalised, frac_bits: int) -> Any:
    """Means times S^-1 over the root of the trace: no longer than the root of the largest element of S^-1, by d."""
    stored, own = numeric.as_integers(turned)
    power = (norms.bits - frac_bits) // 2
    top = 1 << max(0, ROOT_BITS + turned.shape[1].bit_length() + own + power)
    found = numeric.product_within(stored, norms.factor, -top, top, CAUCHY_SCHWARZ)
    return numeric.at_precision(numeric.times_power(found, -power - own, FRAC_BITS), FRAC_BITS)
