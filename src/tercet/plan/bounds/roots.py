"""Bounds of products with 1 / sqrt(y), where what is multiplied is at most so many times the root of y.

z scores, cosines, correlations, rows divided by their norm: c / sqrt(y) is recorded as c r with r about 1 / sqrt(y),
before y is rounded. If c^2 <= K y for stored integers, the product does not pass the root of K but for what r is off.
K follows from how c and y are made: c is one of the terms whose squares y adds up; a term less its mean, y the moment
(Samuelson); a sum of products, y the norm of one side (Cauchy, Schwarz); or such a product already, y the other norm.
Where y is 0, r is 0 exactly and so is the product.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction

from tercet.plan.bounds.moments import (
    DEPTH,
    Dot,
    Side,
    are_one,
    before_turn,
    cauchy,
    centred,
    dot_of,
    is_aligned,
    matrix_sides,
    multiple,
    root_above,
    square_ratio,
    unrounded,
)
from tercet.plan.bounds.terms import Bounds, Term, bare, before_reshapes
from tercet.plan.table.attributes import Approximation, shift_of
from tercet.plan.table.operation import Algebra, Flow, rescaled
from tercet.plan.table.ops_functions import root_slack


@dataclass(frozen=True)
class InverseRoot:
    """A value r of stored integers with 0 <= r <= sqrt(square / y) + off, exactly 0 where y is 0."""

    y: Term
    square: Fraction
    off: Fraction
    shape: tuple[int, ...]
    """Its own, before it is repeated."""


def over_root(term: Term) -> Bounds | None:
    """Of a product with 1 / sqrt(y)."""
    found, shift = product_limit(*term.inputs), shift_of(term.attrs)
    return rescaled(*found, shift) if found is not None and shift else found


def product_limit(a: Term, b: Term) -> Bounds | None:
    """Of a b as stored integers, where one is about 1 / sqrt(y) and the other at most a multiple of sqrt(y)."""
    for c, other in ((a, b), (b, a)):
        r = inverse_root(other)
        if r is None:
            continue
        ratio = _square_limit(c, r)
        if ratio is not None:
            # |c| <= sqrt(K y), so c r <= sqrt(K square) + |c| off
            most = math.floor(root_above(ratio * r.square) + c.type.magnitude * r.off)
            return 0 if c.type.lo >= 0 else -most, 0 if c.type.hi <= 0 else most
    return None


def inverse_root(term: Term) -> InverseRoot | None:
    """How a value is about 1 / sqrt(y), perhaps rounded."""
    shape = bare(term).type.shape
    plain, shift, steps = unrounded(term)
    for _ in range(DEPTH):
        if plain.operation.rows is not Flow.RESHAPE:
            break
        plain, more, further = unrounded(plain.inputs[0])
        shift, steps = shift + more, steps + further
    if plain.operation.algebra is not Algebra.INVERSE_ROOT:
        return None
    argument = plain.inputs[0].type
    if math.prod(shape) != argument.size:
        return None
    sure, off = root_slack(argument, plain.attrs.of(Approximation))
    scale = Fraction(1) + Fraction(1, 1 << sure)
    square = scale**2 * (1 << 2 * plain.type.frac_bits + argument.frac_bits) / (1 << 2 * shift)
    return InverseRoot(_arranged(plain.inputs[0]), square, Fraction(off, 1 << shift) + steps, shape)


def _arranged(term: Term) -> Term:
    """The value in the shape that it was made in."""
    return before_reshapes(term, bare)


def _square_limit(c: Term, r: InverseRoot) -> Fraction | None:
    """K with c^2 <= K y for stored integers, wherever y is not 0."""
    norm = dot_of(r.y)
    if norm is None or norm.factor <= 0 or not norm.is_square:
        return None
    shape = bare(c).type.shape
    if shape == norm.shape and is_aligned(r.shape, shape, norm.axes):
        found = _of_term(c, norm)
        if found is not None:
            return found
    whole, ratio, off = _scaled(c)
    if whole.type.size != math.prod(shape):
        return None
    each, kept = shape == r.shape, whole.type.shape == shape
    found = cauchy(dot_of(whole), norm) if each else None
    if found is None and kept:
        found = _of_matrix(whole, r)
    if found is None and (each or kept):
        found = _of_correlation(whole, r, norm)
    if found is None:
        return None
    # |c| <= ratio sqrt(K y) + off, and y is `least` or more
    return (root_above(found) * ratio + off * root_above(1 / Fraction(norm.least))) ** 2


def most_of(side: Side, axes: tuple[int, ...], shape: tuple[int, ...]) -> Fraction:
    """What the sum of squares of a side does not pass, over axes of this shape."""
    terms = math.prod(shape[axis] for axis in axes)
    most = side.most(terms)
    found = _unit_root(side.whole, axes, shape) if side.kind == "plain" else None
    return most if found is None else min(most, found**2)


def limit_of(dot: Dot) -> int:
    """What the magnitude of a sum of products does not pass, by Cauchy and Schwarz."""
    first, second = (most_of(side, dot.axes, dot.shape) for side in dot.sides)
    return abs(dot.factor) * math.isqrt(math.floor(first * second))


def is_unit(side: Side, axes: tuple[int, ...], shape: tuple[int, ...]) -> bool:
    """Whether a side is divided by its own norm."""
    return side.kind == "plain" and _unit_root(side.whole, axes, shape) is not None


def _unit_root(z: Term, axes: tuple[int, ...], shape: tuple[int, ...]) -> Fraction | None:
    """What the root of the sum of squares over axes does not pass, of what is divided by the root of such a sum."""
    whole, ratio, off = _scaled(z)
    if bare(z).type.shape != shape or whole.type.shape != shape:
        return None
    if whole.operation.algebra not in (Algebra.MULTIPLY, Algebra.WITHIN):
        return None
    dropped = shift_of(whole.attrs)
    ratio, off = ratio / (1 << dropped), off + (ratio if dropped else 0)
    terms = math.prod(shape[axis] for axis in axes)
    for c, other in (whole.inputs, whole.inputs[::-1]):
        r = inverse_root(other)
        norm = None if r is None else dot_of(r.y)
        if r is None or norm is None or norm.over != (axes, shape) or norm.factor <= 0 or not norm.is_square:
            continue
        if bare(c).type.shape != shape or not is_aligned(r.shape, shape, axes):
            continue
        own = centred(c, axes, shape) or Side(c, "plain", c)
        within = own.within(norm.sides[0], terms)
        if within is not None:
            # the root of sum c^2 is at most that of k y, and r at most that of square / y, and so much more
            largest = root_above(within * r.y.type.hi / norm.factor) if r.y.type.hi > 0 else Fraction(0)
            return (root_above(within * r.square / norm.factor) + r.off * largest) * ratio + off * root_above(
                Fraction(terms)
            )
    return None


def _scaled(c: Term) -> tuple[Term, Fraction, Fraction]:
    """A value, q and e so that c is q times it within e: c is a multiple of it, or such rounded, in another shape."""
    whole, ratio, off = _arranged(c), Fraction(1), Fraction(0)
    for _ in range(DEPTH):
        inner, shift, steps = unrounded(whole)
        ratio, off = ratio / (1 << shift), off + ratio * steps
        inner, factor = multiple(_arranged(inner))
        ratio *= abs(factor)
        if inner is whole:
            break
        whole = _arranged(inner)
    return whole, ratio, off


def _of_term(c: Term, norm: Dot) -> Fraction | None:
    """Of what is squared and summed in the norm, or of x less its mean beside the moment of x."""
    side, terms = norm.sides[0], norm.terms
    if side.kind != "moment":
        if are_one(c, side.whole):
            return Fraction(1, norm.factor)
        rounded, shift, steps = unrounded(side.whole)
        # |c| <= 2^s (|what is squared| + steps), and y is `least` or more
        root = root_above(Fraction(1, norm.factor)) + steps * root_above(1 / Fraction(norm.least))
        return (root * (1 << shift)) ** 2 if steps and are_one(c, rounded) else None
    own = centred(c, norm.axes, norm.shape)
    if own is None or not are_one(own.x, side.x) or terms < 2:
        return None
    # (x - mean)^2 <= (n - 1) m / n^2 for the moment m (Samuelson), which is n - 1 or more if it is not 0
    root = root_above(Fraction(terms - 1)) / terms + (own.off + own.own) * root_above(Fraction(1, terms - 1))
    return (own.times * root) ** 2 / norm.factor


def _of_matrix(c: Term, r: InverseRoot) -> Fraction | None:
    """Of a matrix product beside the norms of rows of its first factor, or of columns of its second one."""
    known = _lines_within(c, r)
    if known is None:
        return None
    side, axis = matrix_sides(c)[1 - known[0]]
    return known[1] * most_of(side, (axis,), side.whole.type.shape)


def _lines_within(c: Term, r: InverseRoot) -> tuple[int, Fraction] | None:
    """0 for rows of the first factor of a matrix product, 1 for columns of the second, and k so that their sums of
    squares are at most k times what r divides them by."""
    norm, shape = dot_of(r.y), c.type.shape
    if c.operation.algebra is not Algebra.MATRIX or shift_of(c.attrs) or len(shape) != 2 or norm is None:
        return None
    if norm.factor <= 0 or not norm.is_square:
        return None
    divided = norm.sides[0]
    over, of = norm.over
    if divided.kind == "plain" and len(norm.axes) == 1:
        whole, axis = before_turn(divided.whole, norm.axes[0])
        divided, over, of = Side(whole, "plain", whole), (axis,), whole.type.shape
    for number, (side, axis) in enumerate(matrix_sides(c)):
        if is_aligned(r.shape, shape, (1 - number,)) and ((axis,), side.whole.type.shape) == (over, of):
            within = side.within(divided, norm.terms)
            if within is not None:
                return number, within / norm.factor
    return None


def _pair_ratio(s: Term, first: InverseRoot, r: InverseRoot, shape: tuple[int, ...]) -> Fraction | None:
    """k with s^2 <= k u v for a product s of what u and v are the squares of: sums, or each row with each column."""
    if s.type.shape == shape and s.operation.algebra is Algebra.MATRIX:
        one, other = _lines_within(s, first), _lines_within(s, r)
        return one[1] * other[1] if one is not None and other is not None and one[0] != other[0] else None
    if first.shape != r.shape or s.type.size != first.y.type.size:
        return None
    return square_ratio(dot_of(s), dot_of(first.y), dot_of(r.y))


def _of_correlation(c: Term, r: InverseRoot, norm: Dot) -> Fraction | None:
    """Of s / sqrt(u) beside v, where s is the product of what u and v are the squares of, or such rounded."""
    algebra = c.operation.algebra
    if algebra is not Algebra.WITHIN and (algebra is not Algebra.MULTIPLY or shift_of(c.attrs)):
        return None
    for s, other in (c.inputs, c.inputs[::-1]):
        first = inverse_root(other)
        if first is None or bare(s).type.shape != c.type.shape:
            continue
        (product, part, off), norms = _scaled(s), dot_of(first.y)
        ratio = (
            None if norms is None or product.type.size != c.type.size else _pair_ratio(product, first, r, c.type.shape)
        )
        if ratio is not None and norms is not None:
            # |s| <= part sqrt(k u v) + off, so |s r| <= sqrt(v) part (sqrt(k square) + slack sqrt(k u)) and what off
            # is multiplied with, where u and v are `least` or more
            whole = root_above(ratio * first.square) + first.off * root_above(ratio * first.y.type.hi)
            if not off:
                return (part * whole) ** 2
            lost = off * (root_above(first.square / norms.least) + first.off)
            return (part * whole + lost * root_above(1 / Fraction(norm.least))) ** 2
    return None
