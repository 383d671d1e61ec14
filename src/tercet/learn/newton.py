"""Newton's method on rows whose columns are scaled under sharing: coarse passes, then fine ones by the last inverse.

Minimise the mean of s_i f(x_i w) and sum of penalties P_j w_j^2 / 2. Each coarse pass takes gradient and curvature from
rows at 16 and 24 fractional bits and inverts the curvature by LDL'; the steps that follow use the last inverse with
gradients at 40 bits, so that the fixed point is that of the exact gradient, and what the coarse passes rounded only
costs some speed. Nothing is revealed; nothing depends on whether it converged.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from math import isqrt
from typing import Any, Protocol

import numpy as np

from tercet.array import numeric
from tercet.array.core import SecretArray
from tercet.learn.passes import drawn_in, repeat, spread
from tercet.learn.penalised import scaled_weights
from tercet.learn.reasons import CHAINED, DAMPED, PENALISED
from tercet.learn.solve import WORKING_BITS, Normalised, scaled, solve

ROW_BITS = 36
CURVED_BITS = 24
COARSE_BITS = 16
FINE_BITS = 40
WEIGHT_BITS = 44
FINE_PASSES = 8
REACH = 1 << 12
"""Scaled coefficients are drawn in to that."""
FLOOR_BITS = 26
"""Curvatures are scaled as if they were 2^-26 more."""
SPARE_BITS = 10
DAMPING_BITS = 17
INVERSE_BITS = 34
LARGEST_GRADIENT = 1 << 12
BLOCK_DAMPING, BLOCK_BITS, MATRIX_BITS = 14, 14, 22
EVEN_STEPS, BLOCK_STEPS = 22, 16
INNER, LEAST_PART = 10, 0.05
CHAIN_BITS = 40
PART_BITS = 30
FINE_BLOCK_PASSES = 2
_MOST_REST = 1 << 23 + CHAIN_BITS
COEF_BITS = 36
COEF_FRAC_BITS = 40
MEAN_BITS = 34
RING_BITS = 124


@dataclass(frozen=True, slots=True)
class ScaledRows:
    """ScaledRows scaled by secret powers of two, and what scaled them.

    `scaled` (n, d): (n x - s) v / 2^(bits / 2), its mean squares and penalties together in [1/4, 1); s is 0 unless
    centred. `shrunk` (d,): the penalties of scaled coefficients.
    """

    scaled: Any
    shrunk: Any
    columns: Normalised
    sums: Any
    frac: int
    over: Fraction

    def original(self, xp: Any, weights: Any, shift: Any) -> tuple[Any, Any]:
        """Coefficients (k, d) and intercepts (k,) of the rows as they were, of those of scaled rows (k, d) and (k,).

        Coefficients are drawn in to 2^36 or less, as sums of products with rows must fit.
        """
        n, d = self.scaled.shape
        half = self.columns.bits // 2
        stored, bits = numeric.as_integers(weights)
        product = stored * self.columns.factor * n
        coef = numeric.times_power(product, self.frac - half - bits, COEF_FRAC_BITS)
        if isinstance(coef, SecretArray):
            room = RING_BITS - COEF_FRAC_BITS - numeric.magnitude_bits(self.sums) - d.bit_length()
            coef = numeric.capped(coef, min(COEF_BITS, room))[0]
        coef = numeric.at_precision(coef, COEF_FRAC_BITS)
        moved = xp.sum(coef * numeric.times_power(self.sums, -self.frac, self.frac), axis=1)
        intercept = shift - _mean(moved, n)
        return coef * int(self.over), numeric.at_precision(intercept, COEF_FRAC_BITS)


def scaled_rows(xp: Any, X: Any, penalty: Fraction, *, centred: bool) -> ScaledRows:
    """ScaledRows of X scaled, for a penalty of `penalty` w_j^2 / 2 beside the mean loss."""
    X, over = numeric.numerator(X)
    x, frac = numeric.as_integers(X)
    n, d = x.shape
    sums = xp.sum(x, axis=0) if centred else xp.sum(x, axis=0) * 0
    moments = xp.sum(x * x, axis=0) * n - sums * sums if centred else xp.sum(x * x, axis=0) * n
    weight = penalty * n * n * over**2 * Fraction(4) ** frac
    whole = -(-weight.numerator // weight.denominator) if isinstance(x, SecretArray) else float(weight)
    columns = Normalised(moments + whole)
    rows = x * n - sums if centred else x * n
    top = (isqrt(n) + 1) << columns.bits // 2
    product = numeric.product_within(rows, xp.expand_dims(columns.factor, axis=0), -top, top, PENALISED)
    found = numeric.at_precision(numeric.times_power(product, -(columns.bits // 2), ROW_BITS), ROW_BITS)
    shrunk: Any = np.zeros(d)
    if weight:
        shrunk = scaled_weights([weight] * d, columns.factor, columns.factor, columns.bits)
        shrunk = numeric.at_precision(shrunk, WORKING_BITS)
    return ScaledRows(found, shrunk, columns, sums, frac, over)


def _mean(total: Any, n: int) -> Any:
    """total / n, to a relative 2^-32, of a total so wide that few more bits fit."""
    if not isinstance(total, SecretArray):
        return total / n
    stored, frac = numeric.as_integers(total)
    total = numeric.at_precision(total, min(frac, frac + RING_BITS - MEAN_BITS - numeric.magnitude_bits(stored)))
    up = MEAN_BITS - 2 + n.bit_length()
    return numeric.times_power(total * round(Fraction(1 << up, n)), -up, COEF_FRAC_BITS)


class Loss(Protocol):
    """A loss of scores (n, k), each second derivative of which is at most 1."""

    def slopes(self, z: Any) -> Any:
        """First derivatives by the scores (n, k), times the weights of rows."""

    def curvatures(self, z: Any) -> tuple[Any, Any]:
        """The slopes, and second derivatives (n, k (k + 1) / 2), by pairs of scores in the order of `pairs`."""


class Blocks(Protocol):
    """The same loss, for products with its second derivatives."""

    def means(self, z: Any) -> Any:
        """Probabilities (n, k)."""

    def slopes_of(self, p: Any, bits: int) -> Any:
        """First derivatives (n, k), times the weights of rows."""

    def bends_of(self, p: Any) -> Any:
        """Second derivatives by one score each (n, k), times the weights of rows."""

    def turned(self, p: Any, u: Any) -> Any:
        """The product of all second derivatives with directions (n, k), times the weights of rows."""


def pairs(k: int) -> list[tuple[int, int]]:
    return [(a, b) for a in range(k) for b in range(a, k)]


def minimised(xp: Any, x: Any, shrunk: Any, loss: Loss, k: int, passes: int) -> Any:
    """Coefficients (k, D) at 44 fractional bits, of rows x (n, D) and penalties `shrunk` (D,) of each.

    Of several scores, those that are as large when one number is added to all count as the same: coefficients of all
    scores add up to 0.
    """
    n, columns = x.shape
    size = k * columns
    coarse, curved = numeric.at_precision(x, COARSE_BITS), numeric.at_precision(x, CURVED_BITS)
    weight = xp.concat([shrunk] * k)

    def scored(rows: Any, w: Any, bits: int) -> Any:
        both = xp.matmul(rows, xp.matrix_transpose(xp.reshape(w, (k, columns))))
        return numeric.at_precision(both, bits)

    def gradient(rows: Any, slopes: Any, w: Any) -> Any:
        pull = xp.reshape(xp.matrix_transpose(xp.matmul(xp.matrix_transpose(rows), slopes)), (size,))
        pull = numeric.at_precision(pull * (1 / n), WORKING_BITS)
        return pull + numeric.at_precision(weight * w, WORKING_BITS)

    def step(w: Any, power: Any, inverse: Any, slope: Any) -> Any:
        leaning = numeric.at_precision(power * slope, WEIGHT_BITS)
        leaning = drawn_in(leaning, LARGEST_GRADIENT)[0]
        moved = xp.matmul(inverse, xp.expand_dims(leaning, axis=1))[:, 0]
        moved = numeric.at_precision(moved, WEIGHT_BITS) * power
        if isinstance(moved, SecretArray):
            moved = numeric.times_power(moved, -2, WEIGHT_BITS)
        w = w - numeric.at_precision(moved, WEIGHT_BITS)
        if k > 1:
            # what is the same for all scores changes none; at the minimum it is 0
            each = xp.reshape(w, (k, columns))
            w = xp.reshape(each - numeric.at_precision(xp.sum(each, axis=0) * _part(k), WEIGHT_BITS), (size,))
        return drawn_in(w, REACH)[0]

    def coarse_pass(w: Any, power: Any, inverse: Any) -> Any:
        slopes, bends = loss.curvatures(scored(coarse, numeric.at_precision(w, COARSE_BITS), COARSE_BITS))
        matrix = _curvature(xp, curved, numeric.at_precision(bends, CURVED_BITS), k)
        matrix = matrix + weight * np.eye(size)
        power, inverse = _inverted(xp, matrix, size)
        return step(w, power, inverse, gradient(curved, slopes, w)), power, inverse

    start = spread(np.zeros(size), x, WEIGHT_BITS)
    ones = spread(np.ones(size), x, 0)
    eye = spread(np.eye(size), x, INVERSE_BITS)
    most = 2.0 ** (DAMPING_BITS + 1)
    bounds = ((-REACH, REACH), (1, MOST_POWER), (-most, most))
    w, power, inverse = repeat(passes, coarse_pass, start, ones, eye, bounds=bounds)

    def fine_pass(w: Any) -> Any:
        return step(w, power, inverse, gradient(x, loss.slopes(scored(x, w, FINE_BITS)), w))

    return xp.reshape(repeat(FINE_PASSES, fine_pass, w, bounds=bounds[:1])[0], (k, columns))


def _part(k: int) -> float:
    """1 / k in as many bits as leave room for scores' sums: what is taken off all scores alike need not be exact."""
    whole = 1 << PART_BITS
    return round(whole / k) / whole


def exact_gradient(xp: Any, x: Any, shrunk: Any, loss: Loss, w: Any) -> Any:
    """The gradient (d,) at coefficients (1, d), by probabilities of 40 fractional bits."""
    z = numeric.at_precision(xp.matmul(x, xp.matrix_transpose(w)), FINE_BITS)
    pull = xp.matmul(xp.matrix_transpose(x), loss.slopes(z))[:, 0]
    return numeric.at_precision(pull * (1 / x.shape[0]), WORKING_BITS) + numeric.at_precision(
        shrunk * w[0], WORKING_BITS
    )


def by_blocks(xp: Any, x: Any, shrunk: Any, loss: Blocks, k: int, passes: int) -> Any:
    """As `minimised`, for many coefficients: Newton's steps, each found by 10 products with the whole curvature.

    Of each score the curvature by itself is inverted (`_block_inverses`), which no curvature of all exceeds twice: with
    these inverses Chebyshev's iteration leaves about a twelfth of a step's error a pass, whatever the number of
    coefficients. About 300 rounds a pass; the last two take probabilities of 40 bits.
    """
    n, columns = x.shape
    coarse, curved = numeric.at_precision(x, COARSE_BITS), numeric.at_precision(x, CURVED_BITS)
    across, eye = xp.matrix_transpose(curved), np.eye(columns)
    one = 1 << WORKING_BITS
    even = numeric.at_precision(xp.matmul(across, curved) * (1 / n), WORKING_BITS) + shrunk * eye
    even = numeric.bounded(even, -one, one, PENALISED)
    damped = 2.0**-BLOCK_DAMPING
    start = _block_inverses(xp, even + damped * eye, spread(eye / columns, x, BLOCK_BITS), EVEN_STEPS)

    def scored(rows: Any, w: Any, bits: int) -> Any:
        return numeric.at_precision(xp.matmul(rows, xp.matrix_transpose(w)), bits)

    def summed(rows: Any, values: Any, w: Any) -> Any:
        pull = xp.matrix_transpose(xp.matmul(xp.matrix_transpose(rows), values))
        return numeric.at_precision(pull * (1 / n), CHAIN_BITS) + numeric.at_precision(shrunk * w, CHAIN_BITS)

    def step(w: Any, rows: Any, bits: int) -> Any:
        p = loss.means(scored(rows, numeric.at_most(w, bits), bits))
        rest = drawn_in(summed(rows, loss.slopes_of(p, bits), w), LARGEST_GRADIENT)[0]
        p = numeric.at_precision(p, COARSE_BITS)
        bends = xp.matrix_transpose(loss.bends_of(p))
        weighed = numeric.at_precision(xp.expand_dims(bends, axis=2) * coarse, COARSE_BITS)
        blocks = numeric.at_precision(xp.matmul(xp.matrix_transpose(coarse), weighed) * (1 / n), WORKING_BITS)
        blocks = numeric.bounded(blocks + shrunk * eye, -one, one, PENALISED) + damped * eye
        inverses = _block_inverses(xp, blocks, start, BLOCK_STEPS)
        whole: Any = None
        moved: Any = None
        for place, (kept, more) in enumerate(_chebyshev(INNER, LEAST_PART, 2.0)):
            leaning = xp.matmul(inverses, xp.expand_dims(rest, axis=2))[:, :, 0]
            further = numeric.at_precision(leaning, CHAIN_BITS) * more
            if place:
                further = further + moved * kept
            moved = drawn_in(numeric.at_precision(further, CHAIN_BITS), REACH)[0]
            whole = moved if whole is None else whole + moved
            if place < INNER - 1:
                along = loss.turned(p, scored(coarse, moved, CURVED_BITS))
                rest = rest - summed(coarse, along, moved)
                rest = numeric.bounded(rest, -_MOST_REST, _MOST_REST, CHAINED)
        w = w - whole
        if k > 1:
            # what is the same for all scores changes none; at the minimum it is 0
            w = w - numeric.at_precision(xp.sum(w, axis=0) * _part(k), CHAIN_BITS)
        return drawn_in(numeric.at_precision(w, CHAIN_BITS), REACH)[0]

    begin = spread(np.zeros((k, columns)), x, CHAIN_BITS)
    bounds = ((-REACH, REACH),)
    last = min(FINE_BLOCK_PASSES, passes)
    (w,) = (
        repeat(passes - last, lambda w: step(w, curved, CURVED_BITS), begin, bounds=bounds)
        if passes > last
        else (begin,)
    )
    return repeat(last, lambda w: step(w, x, FINE_BITS), w, bounds=bounds)[0]


def _chebyshev(count: int, least: float, most: float) -> list[tuple[float, float]]:
    """What is kept of the last move, and what is taken of what is left, in each step of Chebyshev's iteration for a
    spectrum within [least, most]."""
    middle, half = (most + least) / 2, (most - least) / 2
    ratio = middle / half
    found, rho = [(0.0, 1 / middle)], 1 / ratio
    while len(found) < count:
        following = 1 / (2 * ratio - rho)
        found.append((following * rho, 2 * following / half))
        rho = following
    return found


def _block_inverses(xp: Any, matrices: Any, start: Any, steps: int) -> Any:
    """Inverses of matrices (..., d, d) within [-1, 1] to which 2^-14 is added, at 14 fractional bits, by steps of
    Newton and Schulz from a `start` from which all eigenvalues of the product are below 2; 4 rounds a step, 64 bits."""
    matrices = numeric.at_precision(matrices, MATRIX_BITS)
    most = 2 << BLOCK_DAMPING + BLOCK_BITS
    root = 1 << BLOCK_DAMPING // 2 + 1 + BLOCK_BITS
    found = numeric.bounded(start, -most, most, DAMPED)
    for _ in range(steps):
        # of positive matrices with M <= H^-1, elements of H M are at most the root of the largest of M
        ratio = numeric.bounded(numeric.at_precision(xp.matmul(matrices, found), BLOCK_BITS), -root, root, DAMPED)
        taken = numeric.at_precision(xp.matmul(found, ratio), BLOCK_BITS)
        found = numeric.bounded(found * 2 - taken, -most, most, DAMPED)
    return found


MOST_POWER = 1 << (WORKING_BITS + 2 - (WORKING_BITS - FLOOR_BITS)) // 2


def _curvature(xp: Any, x: Any, bends: Any, k: int) -> Any:
    """The mean of bends times x x' for each pair of scores, as one matrix (k D, k D)."""
    n, columns = x.shape
    both = pairs(k)
    weighed = numeric.at_precision(xp.expand_dims(bends, axis=2) * xp.expand_dims(x, axis=1), CURVED_BITS)
    sums = xp.matmul(xp.matrix_transpose(x), xp.reshape(weighed, (n, len(both) * columns)))
    found = numeric.at_precision(sums * (1 / n), WORKING_BITS)
    one = 1 << WORKING_BITS
    found = numeric.bounded(found, -one, one, PENALISED)
    blocks = {pair: found[:, at * columns : (at + 1) * columns] for at, pair in enumerate(both)}
    lines = [xp.concat([blocks[min(a, b), max(a, b)] for b in range(k)], axis=1) for a in range(k)]
    return lines[0] if k == 1 else xp.concat(lines, axis=0)


def _inverted(xp: Any, matrix: Any, size: int) -> tuple[Any, Any]:
    """Powers of two r, and the inverse of the matrix scaled by them: A^-1 is r S^-1 r, over a public power of two."""
    one = 1 << WORKING_BITS
    secret = isinstance(matrix, SecretArray)
    matrix = numeric.bounded(matrix, -one, one, PENALISED)
    stored = numeric.as_integers(matrix)[0] if secret else matrix * float(one)
    on_it = xp.stack([stored[place, place] for place in range(size)])
    floor = one >> FLOOR_BITS
    # a thousandth more, for the damping
    columns = Normalised((on_it + floor) * ((1 << SPARE_BITS) + 1))
    power = numeric.bounded(columns.factor, 1, MOST_POWER, PENALISED)
    across, down = xp.expand_dims(power, axis=0), xp.expand_dims(power, axis=1)
    within = scaled(stored, down, across, columns.bits - SPARE_BITS)
    within = within + np.eye(size) * 2.0**-DAMPING_BITS
    inverse = solve(xp, numeric.bounded(within, -one, one, PENALISED), size, inverse=True).inverse
    most = 2 << DAMPING_BITS + INVERSE_BITS
    if not secret:
        return power * 2.0 ** ((WORKING_BITS - columns.bits + SPARE_BITS) // 2), inverse
    # stored curvatures are below 2^48: powers of two are those of 2^50, which `step` divides by
    return power, numeric.bounded(numeric.at_precision(inverse, INVERSE_BITS), -most, most, PENALISED)
