"""Symmetric systems of a few columns, solved under sharing: scaled by secret powers of two, then LDL' at 48 bits.

What least squares, Newton's steps and covariances of estimates stand on. Nothing is revealed; the same code runs on
NumPy.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tercet.array import numeric
from tercet.array.core import SecretArray
from tercet.learn.reasons import INVERSE, SCHUR
from tercet.plan.table.reasons import CAUCHY_SCHWARZ

WORKING_BITS = 48
"""Fractional bits of scaled moments, factors and solutions."""
TOLERANCE_BITS = 24
"""A column of whose scaled variance less than 2^-24 is left after the columns before it is aliased."""
ROOT_BITS = TOLERANCE_BITS // 2
"""Solutions of scaled systems, and factors, lie below 2^12."""
ROOT_FRAC_BITS = 44
"""Fractional bits of an inverse: roots have no more."""
RING_BITS = 124
COEF_FRAC_BITS = 80
LEAST_FRAC_BITS = 40
REST_FRAC_BITS = 40
COARSE_BITS = 28
"""The first fractional bits of coefficients, which are multiplied by sums over rows."""


class Normalised:
    """Secret powers of two that bring variances (or sums of squares) into [1/4, 1).

    `variances`: integers, not negative; `bits`, even: they lie below 2^bits. `factor` v has v^2 variance in
    [2^(bits - 2), 2^bits), and `complement` u has u v = 2^(bits / 2).
    """

    def __init__(self, variances: Any) -> None:
        self.bits = numeric.top_bits(variances)
        self.factor, self.complement = numeric.half_normaliser(variances, self.bits)

    def cut(self, first: int, end: int) -> Normalised:
        """Those of some of the columns."""
        part = object.__new__(Normalised)
        part.bits, part.factor, part.complement = self.bits, self.factor[first:end], self.complement[first:end]
        return part


def only(norms: Normalised) -> Normalised:
    """That of a single column, without an axis."""
    part = object.__new__(Normalised)
    part.bits, part.factor, part.complement = norms.bits, norms.factor[0], norms.complement[0]
    return part


def diagonal(xp: Any, matrix: Any) -> Any:
    """The diagonal of a square matrix, or of each of several."""
    return xp.stack([matrix[..., place, place] for place in range(matrix.shape[-1])], axis=-1)


def scaled(moments: Any, left: Any, right: Any, bits: int) -> Any:
    """left * moments * right / 2^bits at 48 fractional bits, of integers: at most 1 in magnitude, by Cauchy-Schwarz."""
    return numeric.scaled(moments, left, right, bits, WORKING_BITS)


@dataclass(frozen=True, slots=True)
class Solved:
    """What `solve` finds of S = `matrix[:d, :d]` and B = `matrix[:d, d:]`."""

    solution: Any
    """(d, k): S^-1 B, 0 in aliased rows; None if nothing stands right of S, and of several matrices."""
    aliased: Any
    """(d,) bool: columns of which too little is left after those before them."""
    rest: Any
    """(m - d, k): the Schur complement of S in further rows of the matrix; None if it has none."""
    inverse: Any
    """(d, d): S^-1 at 44 fractional bits, 0 in aliased rows and columns; None unless asked for."""
    root: Any
    """(d, d): G with G'G = S^-1, with it."""


def solve(xp: Any, matrix: Any, d: int, *, inverse: bool = False) -> Solved:
    """Solve S z = B by LDL' (elimination from the left, no pivoting), where S is `matrix[:d, :d]`, B what is right.

    `matrix`: (m, d + k), m >= d, at 48 fractional bits, symmetric in its first d columns; S is positive semidefinite,
    with a diagonal in [1/4, 1), and columns of B are such that the Schur complements of S lie in [-1, 1], as scaled
    covariances with other variables do. Rows beyond d are eliminated, too, and give `rest`: with the variables of B as
    rows, it is their covariance that the columns of S leave.

    About 40 rounds a column, of which a reciprocal takes 30; 12 more for an inverse. Error: a few 2^-48 times the
    condition number of S. A column of whose diagonal less than 2^-24 is left is aliased: it counts as not there.
    Several square matrices (..., d, d) are inverted side by side, in the same rounds.
    """
    one = 1 << WORKING_BITS
    root = one << ROOT_BITS
    rest, unit = matrix, None
    if inverse:
        unit = _identity(xp, matrix, d)
    columns, aliased, inverses, units = [], [], [], []
    for place in range(d):
        pivot, row = rest[..., 0, 0], rest[..., 0, 1:]
        small = pivot < 2.0**-TOLERANCE_BITS
        reciprocal = numeric.reciprocal(pivot, one >> TOLERANCE_BITS, WORKING_BITS)
        reciprocal = xp.where(small, 0.0, reciprocal)
        column = numeric.at_precision(row * xp.expand_dims(reciprocal, axis=-1), WORKING_BITS)
        column = numeric.bounded(column, -root, root, SCHUR)
        below = rest.shape[-2] - 1
        if below:
            factors = xp.expand_dims(rest[..., 1:, 0], axis=-1)  # as the row, where the matrix is symmetric
            taken = numeric.at_precision(factors * xp.expand_dims(column, axis=-2), WORKING_BITS)
            rest = numeric.bounded(rest[..., 1:, 1:] - taken, -one, one, SCHUR)
        else:
            rest = None
        if unit is not None:
            units.append(unit[..., 0, :])
            left = d - 1 - place
            if left:
                taken = xp.expand_dims(column[..., :left], axis=-1) * xp.expand_dims(unit[..., 0, :], axis=-2)
                unit = unit[..., 1:, :] - numeric.at_precision(taken, WORKING_BITS)
                unit = numeric.bounded(unit, -root, root, INVERSE)
        columns.append(column)
        aliased.append(small)
        inverses.append(reciprocal)
    found = _substituted(xp, columns, d)
    inverted, factor = _inverted(xp, units, inverses) if inverse else (None, None)
    return Solved(found, xp.stack(aliased, axis=-1), rest, inverted, factor)


def _substituted(xp: Any, columns: list[Any], d: int) -> Any:
    """z from below: z_j is column j's own, less the later ones weighed by the rest of the column."""
    root = 1 << WORKING_BITS + ROOT_BITS
    if columns[0].shape[-1] == d - 1:
        return None
    later: Any = None
    for j in reversed(range(d)):
        count = d - 1 - j
        value = columns[j][count:]
        if later is not None:
            weighed = xp.matmul(xp.expand_dims(columns[j][:count], axis=0), later)[0]
            value = value - numeric.at_precision(weighed, WORKING_BITS)
        value = xp.expand_dims(numeric.bounded(value, -root, root, CAUCHY_SCHWARZ), axis=0)
        later = value if later is None else xp.concat([value, later], axis=0)
    return later


def _identity(xp: Any, like: Any, d: int) -> Any:
    """The identity at the scale of working."""
    square = like[..., :d, :d]
    eye = square * 0 + xp.eye(d)
    return numeric.at_precision(eye, WORKING_BITS) if isinstance(like, SecretArray) else eye


def _inverted(xp: Any, units: list[Any], inverses: list[Any]) -> tuple[Any, Any]:
    """G'G, and G, where the rows of G are those of L^-1 divided by the roots of the pivots."""
    root = 1 << ROOT_FRAC_BITS + ROOT_BITS
    weights = numeric.at_precision(xp.stack(inverses, axis=-1), ROOT_FRAC_BITS)
    weights = numeric.bounded(xp.sqrt(weights), 0, root, INVERSE)
    rows = numeric.at_precision(xp.stack(units, axis=-2) * xp.expand_dims(weights, axis=-1), ROOT_FRAC_BITS)
    rows = numeric.bounded(rows, -root, root, INVERSE)
    found = numeric.at_precision(xp.matmul(xp.matrix_transpose(rows), rows), ROOT_FRAC_BITS)
    most = 1 << ROOT_FRAC_BITS + TOLERANCE_BITS
    return numeric.bounded(found, -most, most, INVERSE), rows


def unscaled(
    solution: Any, columns: Normalised, outcome: Normalised, finer: int, frac_bits: int, coef_bits: int
) -> tuple[Any, Any]:
    """z_j v_j / v_y: the coefficients of the unscaled columns, and which of them are capped at 2^coef_bits.

    They differ from the solution by secret powers of two. z v_j fits 128 bits, but its product with 2^(P/2) / v_y may
    not; so its bits above and below a public place are multiplied separately.
    """
    half, widest = columns.bits // 2, outcome.bits // 2
    if not isinstance(solution, SecretArray):
        coef = solution * columns.factor * outcome.complement / 2.0**half
        return coef, abs(coef) > 2.0**coef_bits
    product = numeric.as_integers(solution)[0] * columns.factor
    dropped = max(0, numeric.magnitude_bits(product) + 1 + widest - RING_BITS)
    high, low = numeric.cut(product, dropped)
    power = finer - WORKING_BITS - half
    coarse = powered(high * outcome.complement, power + dropped, frac_bits)
    coarse, capped = numeric.capped(coarse, coef_bits)
    coef = numeric.at_precision(coarse, frac_bits)
    if low is not None:
        coef = coef + numeric.at_precision(powered(low * outcome.complement, power, frac_bits), frac_bits)
    return coef, capped


def added(rest: Any, weighed: Any) -> Any:
    """What the finer parts of coefficients add to sums by their first bits, with 40 fractional bits where these fit."""
    if not isinstance(rest, SecretArray) or not isinstance(weighed, SecretArray):
        return rest
    frac = numeric.as_integers(weighed)[1]
    room = frac + RING_BITS - 2 - numeric.magnitude_bits(weighed)
    return numeric.at_most(rest, max(frac, min(REST_FRAC_BITS, room)))


def powered(x: Any, power: int, frac_bits: int) -> Any:
    """x 2^power of integers; bits beyond those that a scale may have are rounded away before."""
    excess = max(0, -power - RING_BITS)
    if excess:
        x = numeric.at_precision(numeric.times_power(x, -excess, 0), 0)
    return numeric.times_power(x, power + excess, frac_bits)


def runs(fracs: list[int]) -> list[tuple[int, int, int]]:
    """Stretches of columns with one number of fractional bits: from, to, and that number."""
    starts = [at for at in range(len(fracs)) if not at or fracs[at] != fracs[at - 1]]
    return [(at, end, fracs[at]) for at, end in zip(starts, [*starts[1:], len(fracs)], strict=True)]


def coefficient_bits(value_bits: int, finer: int, n: int, d: int) -> tuple[int, int]:
    """Bits of the coefficients' magnitude, and their fractional bits, so that everything computed with them fits.

    `value_bits`: those of the stored integers of X, which have `finer` more fractional bits than y. The first 28
    fractional bits of a coefficient are multiplied by sums over rows and columns of X, the others separately.
    """
    frac_bits = max(LEAST_FRAC_BITS, COEF_FRAC_BITS - max(0, finer))
    room = RING_BITS - 2 - COARSE_BITS - value_bits - n.bit_length() - d.bit_length()
    return min(RING_BITS - 1 - frac_bits, room), frac_bits
