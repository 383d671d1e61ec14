"""Eigenvalues and eigenvectors of symmetric matrices under sharing: Jacobi's rotations, many side by side.

A step takes d/2 pairs of rows that have none in common and turns each so that the element that joins them becomes
almost 0; d - 1 steps, a sweep, meet every pair once (the circle method of round-robin tournaments). The angle of a
rotation is right to a relative 2^-8, which costs no sweep more than the exact one would; that its cosine and sine are
those of some angle is right to 2^-53, and that is what eigenvalues rest on. Nothing is compared but the two diagonal
elements of each pair, and nothing is opened. All steps are one loop of the plan, whose body is recorded once.

Source: Jacobi (1846), Brent and Luk (1985) for the order of pairs, Götze (1993) for angles that are not exact.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from tercet.array import numeric
from tercet.array.core import SecretArray
from tercet.array.loops import loop
from tercet.array.ordering import sort_by
from tercet.errors import InputError
from tercet.learn.inputs import array_namespace
from tercet.learn.reasons import ROTATED, VECTOR

BITS = 56
"""Fractional bits of matrices and rotations."""
LARGEST = 64
SMALL = 10
_ONE = 1 << BITS
_LIMIT = _ONE + (_ONE >> 6)
"""Elements stay below this in magnitude: the Frobenius norm is at most 1, and roundings add far less than 2^-6."""
_CARRIED = 64.0
"""Declared for what the loop carries, so that it stays in the wide ring."""
_ROUGH_BITS = 20
_ROUGH_LIMIT = (1 << _ROUGH_BITS) + (1 << _ROUGH_BITS - 6)
_LENGTH = (3581 / 1024, -9196 / 1024, 14999 / 1024, -12249 / 1024, 3891 / 1024)
_HALF = (2896 / 4096, -1436 / 4096, 980 / 4096, -536 / 4096, 145 / 4096)
"""Polynomials that are as good as they need be: angles are right to 2^-8, and lengths are made right afterwards."""


def sweeps_for(d: int) -> int:
    """After so many sweeps what is left beside the diagonal is below 2^-24 of the norm for covariances of data, and
    the eigenvalues are right to its square over the gaps between them."""
    return 2 + (d <= SMALL) + math.ceil(math.log2(max(d, 2)))


def eigh(matrix: Any, sweeps: int | None = None) -> tuple[Any, Any]:
    """Eigenvalues (d,), the largest first, and eigenvectors as rows (d, d), of a symmetric matrix (d, d) with 56
    fractional bits and a Frobenius norm of at most 1; d is 64 at most.

    Each eigenvector has its largest element in magnitude positive, as scikit-learn's `svd_flip` does. Nothing is
    revealed: also which eigenvalue was found where stays secret, as rows are put in order by a shuffled sort.

    Error: eigenvalues and the elements of `V A V'` are right to about d sqrt(steps) 2^-56, in the worst case to
    d steps 2^-55, with (d - 1) `sweeps` steps; that is beside what is left off the diagonal. An eigenvector's error is
    that over its gap. About 52 rounds a step, and 9 d^2 words of 128 bits. Spectra with clusters of many equal
    eigenvalues converge more slowly; pass more sweeps. Raises InputError for other shapes.
    """
    if len(matrix.shape) != 2 or matrix.shape[0] != matrix.shape[1] or not 1 <= matrix.shape[0] <= LARGEST:
        raise InputError(f"an eigen-decomposition of shape {matrix.shape}", hint=f"pass (d, d) with d up to {LARGEST}")
    xp = array_namespace(matrix)
    d = matrix.shape[0]
    size = max(2, d + d % 2)
    count = (size - 1) * (sweeps_for(d) if sweeps is None else sweeps)
    if size > d:
        # its eigenvalue is -1, so that it comes last
        side = xp.concat([matrix, matrix[:, :1] * 0], axis=1)
        corner = np.zeros((1, size))
        corner[0, -1] = -1.0
        matrix = xp.concat([side, side[:1] * 0 + corner], axis=0)
    turned = matrix * 0 + np.eye(size)
    if isinstance(matrix, SecretArray):
        matrix, turned = loop(count, _step, matrix, turned, bounds=[(-_CARRIED, _CARRIED)] * 2)
    else:
        for _ in range(count):
            matrix, turned = _step(matrix, turned)
    matrix, turned = (numeric.bounded(x, -_LIMIT, _LIMIT, ROTATED) for x in (matrix, turned))
    values, vectors = _sorted(xp, _diagonal(matrix), turned)
    return values[:d], _signed(xp, vectors[:d, :d])


def _step(matrix: Any, turned: Any) -> tuple[Any, Any]:
    """Rotates each row of the upper half with the one that stands as far down in the lower half, and pairs anew."""
    xp = array_namespace(matrix)
    matrix, turned = (numeric.bounded(x, -_LIMIT, _LIMIT, ROTATED) for x in (matrix, turned))
    size = matrix.shape[0]
    half = size // 2
    along = _diagonal(matrix)
    cosine, sine = _rotation(xp, along[:half] - along[half:], 2 * _diagonal(matrix[:half, half:]))
    eye = np.eye(half, dtype=np.int64)
    c, s = (xp.expand_dims(x, axis=1) * eye for x in (cosine, sine))
    rotation = xp.concat([xp.concat([c, -s], axis=1), xp.concat([s, c], axis=1)], axis=0)
    both = numeric.at_precision(xp.matmul(xp.concat([matrix, turned], axis=0), rotation), BITS)
    right = numeric.bounded(both[:size], -_LIMIT, _LIMIT, ROTATED)
    matrix = numeric.at_precision(xp.matmul(xp.matrix_transpose(rotation), right), BITS)
    order = np.asarray(_next_pairs(size))
    return xp.take(xp.take(matrix, order, axis=0), order, axis=1), xp.take(both[size:], order, axis=1)


def _next_pairs(size: int) -> list[int]:
    """The circle method: the first stays, the others go round."""
    half = size // 2
    if half == 1:
        return [0, 1]
    return [0, half, *range(1, half - 1), *range(half + 1, size), half - 1]


def _rotation(xp: Any, difference: Any, joint: Any) -> tuple[Any, Any]:
    """Cosine and sine of about half the angle of (difference, joint), at most 45 degrees, at 56 fractional bits."""
    below = difference < 0
    pair = xp.stack([difference, joint])
    # one last bit more than nothing: the angle of (0, 0) is 0
    pair, _ = numeric.as_integers(xp.where(below, -pair, pair) + np.array([[2.0**-BITS], [0.0]]))
    square = xp.sum(pair * pair, axis=0)
    bits = numeric.top_bits(square)
    factor, _ = numeric.half_normaliser(square, bits)
    top = 1 << bits // 2
    longer = numeric.product_within(pair, xp.expand_dims(factor, axis=0), -top, top, VECTOR)
    vector = numeric.times_power(longer, -(bits // 2), BITS)
    long = vector * _inverse_length(numeric.at_precision(xp.sum(vector * vector, axis=0), _ROUGH_BITS))
    unit = numeric.bounded(numeric.at_precision(long, BITS), -_LIMIT, _LIMIT, VECTOR)
    cosine = numeric.bounded(numeric.at_precision(long[0], _ROUGH_BITS), 0, _ROUGH_LIMIT, VECTOR)
    # (1 + cos 2a, sin 2a) has the direction of a, and a length of about the root of 2 + 2 cos 2a
    found = numeric.at_precision(xp.stack([1.0 + unit[0], unit[1]]) * _inverse_half(cosine), BITS)
    for _ in range(2):
        found = _lengthened(xp, numeric.bounded(found, -_LIMIT, _LIMIT, VECTOR))
    return found[0], found[1]


def _lengthened(xp: Any, vector: Any) -> Any:
    """A vector of a length near 1, brought to 1: what it is off by becomes its third power, a third as large."""
    missing = 1.0 - numeric.at_precision(xp.sum(vector * vector, axis=0), BITS)
    missing = numeric.bounded(missing, -(_ONE >> 6), _ONE >> 6, VECTOR)
    more = numeric.at_precision(missing * (0.5 + 0.375 * missing), BITS)
    return numeric.at_precision(vector * (1.0 + more), BITS)


def _inverse_length(square: Any) -> Any:
    """1 / sqrt(y) for y in [1/4, 1], to a relative 2^-8; not rescaled."""
    y = numeric.bounded(square, 1 << _ROUGH_BITS - 2, _ROUGH_LIMIT, VECTOR)
    return _polynomial(y, _LENGTH)


def _inverse_half(cosine: Any) -> Any:
    """1 / sqrt(2 + 2 c) for c in [0, 1], to a relative 2^-10; not rescaled."""
    return _polynomial(cosine, _HALF)


def _polynomial(x: Any, c: tuple[float, ...]) -> Any:
    second = numeric.at_precision(x * x, _ROUGH_BITS)
    return (x * c[1] + second * c[2] + c[0]) + second * (x * c[3] + second * c[4])


def _diagonal(matrix: Any) -> Any:
    return matrix.reshape(-1)[:: matrix.shape[0] + 1]


def _sorted(xp: Any, values: Any, columns: Any) -> tuple[Any, Any]:
    """Values in descending order, and the columns that belong to them as rows."""
    rows = xp.matrix_transpose(columns)
    if isinstance(values, SecretArray):
        values, rows = sort_by(values, values, rows, descending=True)
        return values, rows
    order = np.argsort(-values, kind="stable")
    return values[order], rows[order]


def _signed(xp: Any, rows: Any) -> Any:
    """Rows whose largest element in magnitude is positive."""
    ends = xp.max(xp.stack([rows, -rows]), axis=2)
    return xp.where(xp.expand_dims(ends[0] < ends[1], axis=1), -rows, rows)
