"""Bounds of matrix products: of what is centred or divided by its norm, and of the diagonal of x^T x."""

from __future__ import annotations

import math
from fractions import Fraction

from tercet.plan.bounds.moments import DEPTH, matrix_sides
from tercet.plan.bounds.roots import most_of
from tercet.plan.bounds.terms import Bounds, Term, bare, before_reshapes, is_same, places_of, same_integer
from tercet.plan.table.attributes import AxisOrder, Ranges, shift_of
from tercet.plan.table.operation import Algebra, Flow


def matrix_product(term: Term) -> Bounds | None:
    """Of rows times columns that are centred or divided by their norms; of a row with itself."""
    a, b = term.inputs
    if shift_of(term.attrs):
        return None
    most = Fraction(1)
    for side, axis in matrix_sides(term):
        most *= most_of(side, (axis,), side.whole.type.shape)
    limit = math.isqrt(math.floor(most))
    return (0 if term.type.size == 1 and is_same(_vector(a), _vector(b)) else -limit), limit


def _vector(x: Term) -> Term:
    """Of a matrix with one row or column, the vector."""
    for _ in range(DEPTH):
        plain = before_reshapes(x, bare)
        if plain.type.size != x.type.size or plain.operation.rows is not Flow.PERMUTE:
            return plain
        x = plain.inputs[0]
        if max(x.type.shape, default=1) != x.type.size:
            return plain
    return x


def picked(term: Term) -> Bounds | None:
    """Of the diagonal of x^T x, or parts of it."""
    source = same_integer(term.inputs[0])
    matrix = before_reshapes(source)
    if matrix.operation.algebra is not Algebra.MATRIX or len(matrix.type.shape) != 2:
        return None
    if term.operation.rows is Flow.TAKE:
        if source.type.shape != (matrix.type.size,):
            return None
        step = matrix.type.shape[1] + 1
        on_diagonal = all(place % step == 0 for place in places_of(term.inputs[1]))
    else:
        ranges = term.attrs.of(Ranges).ranges
        on_diagonal = source is matrix and ranges[0][1] == ranges[1][1] == 1 and ranges[0][0] == ranges[1][0]
    if not on_diagonal:
        return None
    a, b = (bare(one) for one in matrix.inputs)
    for x, turned in ((a, b), (b, a)):
        is_turned = turned.operation.rows is Flow.PERMUTE and turned.attrs.of(AxisOrder).axes == (1, 0)
        if is_turned and is_same(bare(turned.inputs[0]), x):
            return 0, term.type.hi
    return None
