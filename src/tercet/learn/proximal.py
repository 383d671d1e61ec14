"""Newton's method with a penalty of absolute values, for one score a row or several: passes of quadratic functions.

Minimise the mean of f(x_i w), sum of P_j w_j^2 / 2 and sum of t_j |w_j|. A pass takes gradient and curvature at the
coefficients, scales the curvature by secret powers of two to a diagonal in [1/4, 1), and finds the minimum of the
quadratic function they make with the penalty (`learn/sparse.py`), by alternating directions that begin where the pass
before ended. The last passes solve for what is not 0, too, and take gradients of 40 bits: a pass that gives what it was
given is at the minimum, whatever its curvature. No step is shortened, nothing is revealed.

Source: Lee, Sun and Saunders (2014).
"""

from __future__ import annotations

from typing import Any, Protocol

import numpy as np

from tercet.array import numeric
from tercet.array.core import SecretArray
from tercet.learn.newton import (
    COARSE_BITS,
    CURVED_BITS,
    FINE_BITS,
    FLOOR_BITS,
    LARGEST_GRADIENT,
    MOST_POWER,
    REACH,
    SPARE_BITS,
    WEIGHT_BITS,
)
from tercet.learn.passes import drawn_in, repeat, spread
from tercet.learn.reasons import PENALISED
from tercet.learn.solve import WORKING_BITS, Normalised, scaled
from tercet.learn.sparse import NEAR_RHO, PASS_BITS, minimum_near

FINE = 5
"""The last passes take probabilities of 40 fractional bits, and solve for what is not 0."""
SIGN_PASSES = 100
"""Within each pass, to find zeros and signs."""
NEAR_BITS = 20
"""A pass costs 2^-20 of the squared step more, in scaled coefficients: columns may be each other's multiples."""
SHRINK_BITS = 4
"""Scaled slopes are told apart to 2^4; in a Newton step they stay below 2, wherever it starts."""
SUM_BITS = 56
MOST_EDGE = 8.0
"""From a penalty of 4 on no coefficient is chosen."""


class Curved(Protocol):
    """A loss of scores (n, k), each second derivative of which is at most 1.

    Of several scores second derivatives are given as those by two different scores with their sign changed, (n, k (k -
    1) / 2), none of which is negative; those by one score twice are sums of these, so that rounding leaves no
    eigenvalue below 0.
    """

    def curvatures(self, z: Any) -> tuple[Any, Any]:
        """First and second derivatives of the loss at scores, times the weights of rows."""

    def means(self, z: Any) -> Any:
        """Probabilities."""

    def slopes_of(self, p: Any, bits: int) -> Any:
        """First derivatives by probabilities."""

    def curved_of(self, p: Any) -> Any:
        """Second derivatives by probabilities, at 24 fractional bits."""


def sparse_minimum(xp: Any, x: Any, shrunk: Any, edges: Any, loss: Curved, k: int, passes: int) -> Any:
    """Coefficients (k, D) at 40 fractional bits, exactly 0 where they are not chosen.

    `x` (n, D): scaled rows; `shrunk`, `edges` (D,): weights of squares and of absolute values, 0 for what is not
    penalised (`edges`: at 40 fractional bits, 8 and less). Of several scores what is added to the coefficients of one
    column alike, if nothing penalises it, is anything. About 1,000 rounds a pass, however many columns there are;
    plans grow neither with them nor with passes.
    """
    n, columns = x.shape
    coarse, curved = numeric.at_precision(x, COARSE_BITS), numeric.at_precision(x, CURVED_BITS)
    size, one = k * columns, 1 << WORKING_BITS
    eye, shrunk, edges = np.eye(size), xp.concat([shrunk] * k), xp.concat([edges] * k)

    def scored(rows: Any, w: Any, bits: int) -> Any:
        return numeric.at_precision(xp.matmul(rows, xp.matrix_transpose(xp.reshape(w, (k, columns)))), bits)

    def moved(w: Any, rows: Any, slopes: Any, bends: Any, *, checks: bool) -> Any:
        pull = xp.reshape(xp.matrix_transpose(xp.matmul(xp.matrix_transpose(rows), slopes)), (size,))
        pull = numeric.at_precision(pull * (1 / n), WORKING_BITS) + numeric.at_precision(shrunk * w, WORKING_BITS)
        pull = drawn_in(pull, LARGEST_GRADIENT)[0]
        matrix = _curvature(xp, curved, bends, k) + shrunk * eye
        matrix = numeric.bounded(matrix, -one, one, PENALISED)
        within, power, inverse, up, down = _scaled(xp, matrix)
        ahead = numeric.at_precision(xp.matmul(matrix, xp.expand_dims(w, axis=1))[:, 0], WORKING_BITS) - pull
        begin = w * inverse
        near = numeric.at_precision(numeric.times_power(begin, down - NEAR_BITS, WEIGHT_BITS), WORKING_BITS)
        b = numeric.at_precision(numeric.times_power(ahead * power, up, WORKING_BITS), WORKING_BITS) + near
        b = _within_one(numeric.times_power(b, -SHRINK_BITS, WORKING_BITS))
        t = numeric.times_power(edges * power, up - SHRINK_BITS, PASS_BITS)
        t = numeric.at_precision(xp.minimum(t, 2.0), PASS_BITS)
        z = numeric.at_precision(numeric.times_power(begin, down - SHRINK_BITS, PASS_BITS), PASS_BITS)
        u = numeric.times_power(pull * power, up - SHRINK_BITS, PASS_BITS) * (-1 / NEAR_RHO)
        within = within + eye * 2.0**-NEAR_BITS
        u = numeric.at_precision(u, PASS_BITS)
        found = minimum_near(xp, within, b, t, SIGN_PASSES, z, u, checks=checks)
        found = numeric.times_power(found * power, up + SHRINK_BITS, WEIGHT_BITS)
        return drawn_in(numeric.at_precision(found, WEIGHT_BITS), REACH)[0]

    def coarse_pass(w: Any) -> Any:
        slopes, bends = loss.curvatures(scored(coarse, numeric.at_precision(w, COARSE_BITS), COARSE_BITS))
        return moved(w, curved, slopes, bends, checks=False)

    def fine_pass(w: Any) -> Any:
        p = loss.means(scored(x, w, FINE_BITS))
        return moved(w, x, loss.slopes_of(p, FINE_BITS), loss.curved_of(p), checks=True)

    w = spread(np.zeros(size), x, WEIGHT_BITS)
    last = min(FINE, passes)
    bounds = ((-REACH, REACH),)
    if passes > last:
        (w,) = repeat(passes - last, coarse_pass, w, bounds=bounds)
    (w,) = repeat(last, fine_pass, w, bounds=bounds)
    return xp.reshape(numeric.at_precision(w, FINE_BITS), (k, columns))


def _curvature(xp: Any, x: Any, bends: Any, k: int) -> Any:
    """The mean of second derivatives times x x' (k D, k D)."""
    n, columns = x.shape
    count = bends.shape[1]
    # not rounded between the products: no eigenvalue of the sum is below 0
    weighed = xp.reshape(xp.expand_dims(bends, axis=2) * xp.expand_dims(x, axis=1), (n, count * columns))
    found = numeric.at_precision(xp.matmul(xp.matrix_transpose(x), weighed), SUM_BITS)
    found = numeric.bounded(found, -2 * n << SUM_BITS, 2 * n << SUM_BITS, PENALISED)
    found = numeric.at_precision(found * (1 / n), WORKING_BITS)
    if k == 1:
        return found
    blocks = {}
    for at, (a, b) in enumerate(between(k)):
        blocks[a, b] = blocks[b, a] = -found[:, at * columns : (at + 1) * columns]
    for a in range(k):
        blocks[a, a] = -sum(blocks[a, b] for b in range(k) if b != a)
    return xp.concat([xp.concat([blocks[a, b] for b in range(k)], axis=1) for a in range(k)], axis=0)


def between(k: int) -> list[tuple[int, int]]:
    """Pairs of different scores, in the order of second derivatives."""
    return [(a, b) for a in range(k) for b in range(a + 1, k)]


def _scaled(xp: Any, matrix: Any) -> tuple[Any, Any, Any, int, int]:
    """Q M Q with a diagonal in [1/4, 1); integers of which Q is 2^up times as much, and those of its inverse."""
    size = matrix.shape[0]
    stored = numeric.as_integers(matrix)[0] if isinstance(matrix, SecretArray) else matrix * 2.0**WORKING_BITS
    on_it = xp.stack([stored[place, place] for place in range(size)])
    # a thousandth more, for what is added to the diagonal
    columns = Normalised((on_it + (1 << WORKING_BITS - FLOOR_BITS)) * ((1 << SPARE_BITS) + 1))
    power = numeric.bounded(columns.factor, 1, MOST_POWER, PENALISED)
    bits = columns.bits - SPARE_BITS
    within = scaled(stored, xp.expand_dims(power, axis=1), xp.expand_dims(power, axis=0), bits)
    up = (WORKING_BITS - bits) // 2
    return within, power, columns.complement, up, -up - columns.bits // 2


def _within_one(x: Any) -> Any:
    return numeric.held(x, -1, 1, WORKING_BITS) if isinstance(x, SecretArray) else np.clip(x, -1, 1)
