"""Eigenvalues and eigenvectors of symmetric matrices under sharing: Jacobi's rotations, many at once.

A step takes d/2 pairs of rows that have none in common and turns each so that the element that joins them becomes
smaller, almost 0 if it is small; d - 1 steps, a sweep, meet every pair once (the circle method of round-robin
tournaments). The angles of several steps are worked out from one matrix, as that takes most of the rounds: what the
first steps change the later ones do not see, which costs half as many sweeps more, and as soon as angles are small
nothing. Angles are right to 2 %. The rotations of a group have lengths right to 2^-9, and better as angles become
small; with the next group's angles the eigenvectors so far are made orthogonal (Newton's step for the polar
factor), and the matrix is corrected alike. The eigenvalues come of the given matrix and the vectors at the end. Nothing
is compared but the two diagonal elements of each pair, and nothing is opened. All groups are one loop of the plan,
whose body is recorded once.

Source: Jacobi (1846), Brent and Luk (1985) for the order of pairs, Götze (1993) for angles that are not exact, Björck
and Bowie (1971) for the polar factor; own: groups of steps.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from tercet.array import numeric
from tercet.array.core import SecretArray
from tercet.array.loops import loop
from tercet.errors import InputError
from tercet.learn.inputs import array_namespace
from tercet.learn.reasons import ONE_ROW, ROTATED, VECTOR

BITS = 56
"""Fractional bits of matrices and rotations."""
LARGEST = 64
MOST_STEPS = 8
_ONE = 1 << BITS
_LIMIT = _ONE + (_ONE >> 4)
"""Elements stay below this in magnitude: the Frobenius norm of the matrix given is at most 1, the largest singular
value of the vectors is at most 1 after each correction, and 8 steps make no length more than 1.011 times as long."""
_CARRIED = 64.0
"""Declared for what the loop carries, so that it stays in the wide ring."""
_ROUGH_BITS = 8
_LENGTH = (799 / 256, -1522 / 256, 1603 / 256, -625 / 256)
"""1 / sqrt(y) for y in [0.245, 1.012], to a relative 0.008."""
_SINE_BITS = 13
"""Fractional bits of sines of which cosines are made."""
_CORRECTIONS = 3
"""At the end: lengths are off by 0.021 at most, then by 3.3e-4, 8.2e-8 and 5e-15."""


def sweeps_for(d: int) -> int:
    """After so many sweeps what is left beside the diagonal is below 2^-24 of the norm for covariances of data, and
    the eigenvalues are right to its square over the gaps between them."""
    return 6 + math.ceil(1.5 * math.log2(max(d, 2)))


def steps_for(size: int) -> int:
    """Steps whose angles are worked out at once. More than these meet spectra on which they do not converge."""
    return min(MOST_STEPS, -(-size // 4))


def eigh(matrix: Any, sweeps: int | None = None) -> tuple[Any, Any]:
    """Eigenvalues (d,), the largest first, and eigenvectors as rows (d, d), of a symmetric matrix (d, d) with 56
    fractional bits and a Frobenius norm of at most 1; d is 64 at most.

    Each eigenvector has its largest element in magnitude positive, as scikit-learn's `svd_flip` does. Nothing is
    revealed: also which eigenvalue was found where stays secret, as rows are put in order by secret places.

    Error: eigenvalues and the elements of `V A V'` are right to about sqrt(d) 2^-55, in the worst case to d 2^-54; that
    is beside what is left off the diagonal. An eigenvector's error is that over its gap. About 35 rounds for each
    group of d/4 steps, 8 at most, with (d - 1) `sweeps` steps, and (6 + steps) d^2 words of 128 bits a group. Spectra
    with clusters of many equal eigenvalues converge more slowly; pass more sweeps. Raises InputError for other shapes.
    """
    if len(matrix.shape) != 2 or matrix.shape[0] != matrix.shape[1] or not 1 <= matrix.shape[0] <= LARGEST:
        raise InputError(f"an eigen-decomposition of shape {matrix.shape}", hint=f"pass (d, d) with d up to {LARGEST}")
    xp = array_namespace(matrix)
    d = matrix.shape[0]
    size = max(2, d + d % 2)
    count = math.ceil((size - 1) * (sweeps_for(d) if sweeps is None else sweeps) / steps_for(size))
    if size > d:
        # its eigenvalue is -1, so that it comes last
        side = xp.concat([matrix, matrix[:, :1] * 0], axis=1)
        corner = np.zeros((1, size))
        corner[0, -1] = -1.0
        matrix = xp.concat([side, side[:1] * 0 + corner], axis=0)
    working, turned = matrix, matrix * 0 + np.eye(size)
    if isinstance(matrix, SecretArray):
        working, turned = loop(count, _group, working, turned, bounds=[(-_CARRIED, _CARRIED)] * 2)
    else:
        for _ in range(count):
            working, turned = _group(working, turned)
    turned = _within(turned)
    for _ in range(_CORRECTIONS):
        turned = _product(xp, turned, _correction(xp, turned))
    values = _diagonal(_product(xp, xp.matrix_transpose(turned), _product(xp, matrix, turned)))
    values, vectors = _sorted(xp, values, turned)
    return values[:d], _signed(xp, vectors[:d, :d])


def _group(matrix: Any, turned: Any) -> tuple[Any, Any]:
    """The rotations of several steps, with angles from one matrix, and the corrections that those before left over."""
    xp = array_namespace(matrix)
    matrix, turned = _within(matrix), _within(turned)
    size = matrix.shape[0]
    factors = _rotations(xp, matrix)
    correction = _correction(xp, turned)
    both = _product(xp, xp.concat([matrix, turned], axis=0), correction)
    both = xp.concat([_product(xp, correction, both[:size]), both[size:]], axis=0)
    while factors.shape[0] > 3:
        factors = _halved(xp, factors)
    rotation, both = factors[0], _product(xp, both, factors[0])
    if factors.shape[0] > 1:
        second = factors[1] if factors.shape[0] == 2 else _product(xp, factors[1], factors[2])
        both, rotation = _product(xp, both, second), _product(xp, rotation, second)
    return _product(xp, xp.matrix_transpose(rotation), both[:size]), both[size:]


def _halved(xp: Any, factors: Any) -> Any:
    """Neighbours multiplied; of an odd number the last stays over."""
    pairs = factors.shape[0] // 2 * 2
    found = _product(xp, factors[:pairs:2], factors[1:pairs:2])
    return found if pairs == factors.shape[0] else xp.concat([found, factors[-1:]], axis=0)


def _correction(xp: Any, turned: Any) -> Any:
    """(3 I - V'V) / 2: V times it is orthogonal to three quarters of the square of what V is off by."""
    square = xp.matmul(xp.matrix_transpose(turned), turned)
    half = numeric.at_precision(numeric.times_power(square, -1, BITS), BITS)
    return 1.5 * np.eye(turned.shape[0]) - _within(half)


def _product(xp: Any, left: Any, right: Any) -> Any:
    return _within(numeric.at_precision(xp.matmul(left, right), BITS))


def _within(matrix: Any) -> Any:
    return numeric.bounded(matrix, -_LIMIT, _LIMIT, ROTATED)


def _next_pairs(size: int) -> list[int]:
    """The circle method: the first stays, the others go round."""
    half = size // 2
    if half == 1:
        return [0, 1]
    return [0, half, *range(1, half - 1), *range(half + 1, size), half - 1]


def _rotations(xp: Any, matrix: Any) -> Any:
    """(steps, d, d): a step's rotations of row i of the upper half with row i of the lower, and then the next order."""
    size = matrix.shape[0]
    half, steps = size // 2, steps_for(size)
    order = np.asarray(_next_pairs(size))
    places = np.empty((steps, size), dtype=np.int64)
    places[0] = np.arange(size)
    for step in range(1, steps):
        places[step] = places[step - 1, order]
    upper, lower = places[:, :half], places[:, half:]
    wanted = np.stack([upper * (size + 1), lower * (size + 1), upper * size + lower])
    found = xp.take(matrix.reshape(-1), wanted.reshape(-1), axis=0).reshape(wanted.shape)
    cosine, sine = _rotation(xp, found[0] - found[1], 2 * found[2])
    eye = np.eye(half, dtype=np.int64)
    c, s = (xp.expand_dims(x, axis=2) * eye for x in (cosine, sine))
    rotation = xp.concat([xp.concat([c, -s], axis=2), xp.concat([s, c], axis=2)], axis=1)
    return xp.take(rotation, order, axis=2)


def _rotation(xp: Any, difference: Any, joint: Any) -> tuple[Any, Any]:
    """Cosines and sines (steps, pairs) for pairs with these differences of diagonal elements, and twice their joints.

    The sine is joint / (2 hypot(difference, k joint)), with the sign of the difference: half the angle's tangent where
    it is small, and at most 1 / (2 k). k is 1 for the first step and 2 for those that do not see what it changed.
    The cosine is 1 - s^2 / 2 - s^4 / 8: the squares add up to 1 + s^6 / 8, at most 1.0026 with all roundings.
    """
    steps = joint.shape[0]
    weights = np.full((steps, 1), 2, dtype=np.int64)
    weights[0] = 1
    turned = xp.where(difference < 0, -joint, joint)
    # an odd number of half last bits: the angle of (0, 0) is 0, and a length of 0 does not occur
    pair, turned = (
        numeric.as_integers(xp.stack([2 * difference + 2.0**-BITS, y * (2 * weights)]))[0] for y in (joint, turned)
    )
    square = xp.sum(pair * pair, axis=0)
    bits = numeric.top_bits(square)
    factor, _ = numeric.half_normaliser(square, bits)
    top = 1 << bits // 2
    longer = numeric.bounded(turned * factor, -top, top, VECTOR)
    rough = numeric.at_precision(numeric.times_power(longer, -(bits // 2), BITS), _ROUGH_BITS)
    y = xp.sum(rough * rough, axis=0)
    y = numeric.bounded(y, math.floor(0.245 * 4**_ROUGH_BITS), math.ceil(1.012 * 4**_ROUGH_BITS), VECTOR)
    inverse = y * _LENGTH[1] + _LENGTH[0] + (y * y) * (y * _LENGTH[3] + _LENGTH[2])
    exact = longer[1] * inverse * (2 // weights)
    exact = numeric.times_power(exact, -(bits // 2) - 2, BITS)
    sine, about = (_sine(exact, frac) for frac in (BITS, _SINE_BITS))
    square = about * about
    cosine = 1.0 - (numeric.times_power(square, -1, BITS) + numeric.times_power(square * square, -3, BITS))
    return numeric.widened(numeric.at_precision(cosine, BITS)), sine


def _sine(exact: Any, frac_bits: int) -> Any:
    most = math.ceil(0.515 * 2**frac_bits)
    return numeric.bounded(numeric.at_precision(exact, frac_bits), -most, most, VECTOR)


def _diagonal(matrix: Any) -> Any:
    return matrix.reshape(-1)[:: matrix.shape[0] + 1]


def _sorted(xp: Any, values: Any, columns: Any) -> tuple[Any, Any]:
    """Values in descending order, and the columns that belong to them as rows: each pair is compared, so that each
    value knows its place, equal ones in the order in which they stand."""
    size = values.shape[0]
    first, second = np.triu_indices(size, 1)
    behind = xp.astype(xp.take(values, first, axis=0) < xp.take(values, second, axis=0), xp.int64)
    signs = np.eye(size, dtype=np.int64)[first] - np.eye(size, dtype=np.int64)[second]
    place = xp.matmul(behind, signs) + np.arange(size)
    chosen = xp.astype(np.arange(size)[:, None] == place, xp.int64)
    both = xp.concat([xp.expand_dims(values, axis=1), xp.matrix_transpose(columns)], axis=1)
    both = _chosen(xp.matmul(chosen, both))
    return both[:, 0], both[:, 1:]


def _chosen(rows: Any) -> Any:
    return numeric.bounded(rows, -_LIMIT, _LIMIT, ONE_ROW)


def _signed(xp: Any, rows: Any) -> Any:
    """Rows whose largest element in magnitude is positive."""
    ends = xp.max(xp.stack([rows, -rows]), axis=2)
    return xp.where(xp.expand_dims(ends[0] < ends[1], axis=1), -rows, rows)
