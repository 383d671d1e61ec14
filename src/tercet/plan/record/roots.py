"""Roots of what is still to be divided by a public number, and quotients by roots: before the argument is rounded.

c / sqrt(y) is c times about 1 / sqrt(y), with as many fractional bits as the result's last bit needs. Sums of what is
less its mean are taken as moments n sum(x y) - sum(x) sum(y), and x - mean(x) as n x - sum(x): exactly, whatever means
were rounded to. What c and y have in common bounds the product (`plan.bounds.roots`). Where y is 0, so is the quotient.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from tercet.errors import PlanError
from tercet.plan.bounds.moments import Dot, are_one, centred, dot_of
from tercet.plan.bounds.relations import related
from tercet.plan.bounds.roots import product_limit
from tercet.plan.record.build import Operand, bounds_at, contract, linear, multiply, negate, number, total
from tercet.plan.record.functions import meant, nominal_of, unrounded
from tercet.plan.record.graph import Recorded
from tercet.plan.record.public import DEFAULT_FRAC_BITS
from tercet.plan.record.scale import bounded, cut_to, product_within, renamed, rescaled, settle
from tercet.plan.table.attributes import NewShape, shift_of
from tercet.plan.table.operation import Algebra, Flow
from tercet.plan.table.reasons import DERIVED
from tercet.plan.types import MAX_FRAC_BITS, smallest_ring
from tercet.protocols.functions import GUARD, WIDE

_STEPS = 12
_DROPPED = (1, 2, 3, 4, 6, 8, 12)
"""Bits that an exact sum of products may lose where its product with an inverse root does not fit: fewer than of the
same sum about a mean that was rounded."""
_SPARE = 2
"""Bits behind the result's last one that c / sqrt(y) is computed to."""


@dataclass(frozen=True)
class Roots:
    """A value that is the root of a public number above 0 times one or two others."""

    of: tuple[Recorded, ...]
    square: Fraction


def sqrt_over(x: Recorded, divisor: Fraction) -> Recorded:
    """sqrt(x / divisor) for a public divisor above 0: of x as it is, times a public factor before it is rescaled."""
    x = number(x)
    scaled, factor = _by_four(x, divisor)
    found = unrounded(scaled, "sqrt")
    return found if factor == 1 and found.type.frac_bits == found.type.nominal else _times(found, factor, nominal_of(x))


def over_roots(c: Operand, roots: Roots, more_bits: int = 0) -> Recorded:
    """c divided by roots, with so many more bits; 0 where one of them is 0. PlanError if a product does not fit.

    Error: a quarter of the last bit, relative above 1, and what is rounded at the end.
    """
    nominal = max(nominal_of(x) for x in (*roots.of, *((c,) if isinstance(c, Recorded) else ()))) + more_bits
    exact, under = _exactly(c, roots)
    for dropped in (0, *_DROPPED) if isinstance(exact, Recorded) and exact is not c else (0,):
        try:
            return _over_roots(_shortened(exact, dropped), Roots(under.of, under.square / 4**dropped), nominal)
        except PlanError:
            pass
    return _over_roots(c, roots, nominal)


def _shortened(c: Operand, dropped: int) -> Operand:
    """Stored integers without their last bits."""
    return rescaled(renamed(c, dropped, 0), dropped) if dropped and isinstance(c, Recorded) else c


def _over_roots(c: Operand, roots: Roots, nominal: int) -> Recorded:
    *first, last = roots.of
    # so many bits that what is lost of the first quotient is little beside the root of the least stored integer
    least = roots.square / (1 << last.type.frac_bits)
    more = max(0, (-(-least.denominator // least.numerator)).bit_length() + 1) // 2
    for y in first:
        c = _over_root(c, y, Fraction(1), nominal, nominal + _SPARE + more)
        c = renamed(c, c.type.frac_bits, c.type.frac_bits)  # all of them count
    return _over_root(c, last, 1 / roots.square, nominal, nominal)


def _over_root(c: Operand, y: Recorded, divisor: Fraction, nominal: int, bits: int) -> Recorded:
    """c / sqrt(y / divisor) with so many fractional bits, of which what is above 2^-nominal of it counts."""
    scaled, factor = _by_four(number(y), divisor)
    # so many that of the least root that there is a relative 2^-(nominal + 4) is left
    least = nominal + 2 * _SPARE + max(0, -(-(scaled.type.hi.bit_length() - scaled.type.frac_bits) // 2))
    inverse = cut_to(unrounded(scaled, "rsqrt", nominal=min(nominal, WIDE.most_bits)), least)
    if isinstance(c, Recorded):
        product = _product(number(c), inverse, bits)
    else:
        lo, hi = bounds_at(c, bits)
        product = multiply(cut_to(inverse, bits + _SPARE + max(0, max(-lo, hi).bit_length() - bits)), c)
    return _times(product, 1 / factor, bits)


def _product(c: Recorded, inverse: Recorded, nominal: int) -> Recorded:
    """c times the inverse root, which keeps the bits that c's bounds ask for; of c as it is, or rescaled."""
    refusal: PlanError | None = None
    for one in (c, settle(c)) if c.type.frac_bits > c.type.nominal else (c,):
        bits = nominal + _SPARE + max(0, one.type.magnitude.bit_length() - one.type.frac_bits)
        root = cut_to(inverse, bits)
        one = renamed(one, one.type.frac_bits, one.type.frac_bits)
        try:
            return multiply(one, root)
        except PlanError as error:
            refusal = error
        limit = product_limit(one, root)
        if limit is not None and smallest_ring(*limit) is not None:
            return product_within(one, root, *limit, DERIVED)
    assert refusal is not None
    raise refusal


def _times(x: Recorded, factor: float, nominal: int) -> Recorded:
    """x times a public factor near 1, with so many fractional bits."""
    if factor != 1:
        # where 128 bits do not take all of x, some bits beyond those that are meant
        x = renamed(x, x.type.frac_bits, min(x.type.frac_bits, nominal + GUARD))
        x = multiply(x, np.asarray(factor))
    return meant(renamed(x, x.type.frac_bits, min(x.type.frac_bits, nominal)))


def _by_four(x: Recorded, divisor: Fraction) -> tuple[Recorded, float]:
    """x read as divided by a power of four, and the factor by which the root of that is too large; near 1."""
    half = 0
    while Fraction(4) ** (half + 1) <= divisor and x.type.frac_bits + 2 * (half + 1) <= MAX_FRAC_BITS:
        half += 1
    while Fraction(4) ** half > divisor and x.type.frac_bits + 2 * (half - 1) >= 0:
        half -= 1
    frac = x.type.frac_bits + 2 * half
    scaled = renamed(x, frac, min(nominal_of(x), frac)) if half else x
    return scaled, math.sqrt(Fraction(4) ** half / divisor)


# ---- what means were rounded to ----


def moment(x: Recorded, y: Recorded, axes: Sequence[int]) -> Recorded:
    """n sum(x y) - sum(x) sum(y) of stored integers, over axes of n elements; exact. PlanError if it does not fit."""
    one, other, taken = renamed(number(x), 0, 0), renamed(number(y), 0, 0), tuple(axes)
    count = math.prod(one.type.shape[axis] for axis in taken)
    products = multiply(contract(one, other, taken), np.asarray(count))
    return linear("subtract", products, multiply(total(one, taken), total(other, taken)))


def _exactly(c: Operand, roots: Roots) -> tuple[Operand, Roots]:
    """The same quotient of sums of products before they are rounded, and of n x - sum(x) for x less its mean."""
    of: list[Recorded] = []
    square = roots.square
    for y in roots.of:
        found = _as_sum(y)
        of.append(y if found is None else _shaped(found[0], y))
        square *= 1 if found is None else found[1]
    if isinstance(c, Recorded):
        exact = _as_sum(c)
        if exact is None and len(of) == 1:
            exact = _as_distance(c, of[0])
        if exact is not None:
            scaled, factor = exact
            c = _shaped(scaled if factor > 0 else negate(scaled), c)
            square /= factor**2
    return c, Roots(tuple(of), square)


def _as_sum(x: Recorded) -> tuple[Recorded, Fraction] | None:
    """A sum of products before it is rounded, or a moment for one of what is less its mean; and what the integers are
    to be multiplied by."""
    whole, dot, ratio = _summed(x)
    if dot is None or (dot.is_square and dot.factor < 0) or whole.type.size != x.type.size:
        return None
    first, second = dot.sides
    if first.kind == second.kind == "centred":
        assert isinstance(first.x, Recorded) and isinstance(second.x, Recorded)
        factor = ratio * dot.factor * first.times * second.times / dot.terms
        return moment(first.x, second.x, dot.axes), factor
    found = related(whole)
    whole = whole if found is None else bounded(whole, *found, DERIVED)
    return renamed(whole, 0, 0), ratio


def _summed(x: Recorded) -> tuple[Recorded, Dot | None, Fraction]:
    """The sum of products that a value is about a multiple of, and how many times its stored integers the value is."""
    ratio = Fraction(1, 1 << x.type.frac_bits)
    for _ in range(_STEPS):
        dot = dot_of(x)
        if dot is not None or not x.inputs:
            return x, dot, ratio
        algebra = x.operation.algebra
        if algebra is Algebra.RESCALE or algebra is Algebra.ROUND:
            if x.type.frac_bits < DEFAULT_FRAC_BITS:
                break
            ratio /= 1 << shift_of(x.attrs)
        elif algebra is Algebra.SCALE and x.inputs[1].type.lo == x.inputs[1].type.hi > 0:
            ratio *= x.inputs[1].type.lo
        elif algebra is Algebra.SHIFT_LEFT:
            ratio *= 1 << shift_of(x.attrs)
        elif x.operation.rows is not Flow.RESHAPE and not x.operation.keeps_integer and algebra is not Algebra.READ:
            break
        x = x.inputs[0]
    return x, None, ratio


def _as_distance(c: Recorded, y: Recorded) -> tuple[Recorded, Fraction] | None:
    """x - mean(x) as n x - sum(x), beside the moment of x, and what that is to be multiplied by."""
    _, norm, _ = _summed(y)
    own = None if norm is None else centred(c, norm.axes, norm.shape)
    if norm is None or own is None or not norm.is_square or not are_one(own.x, norm.sides[0].x):
        return None
    x = own.x
    assert isinstance(x, Recorded)
    x = renamed(x, 0, 0)
    sums = total(x, norm.axes)
    kept = tuple(1 if axis in norm.axes else length for axis, length in enumerate(norm.shape))
    repeated = sums.graph.node("reshape", (sums,), NewShape(kept)) if sums.type.shape != kept else sums
    distance = linear("subtract", multiply(x, np.asarray(norm.terms)), repeated)
    return distance, own.times / norm.terms / (1 << c.type.frac_bits)


def _shaped(x: Recorded, like: Recorded) -> Recorded:
    return x if x.type.shape == like.type.shape else x.graph.node("reshape", (x,), NewShape(like.type.shape))


# ---- how a value is a root ----


def as_roots(x: Recorded) -> Roots | None:
    """How a value is a root, or a product of two, times public numbers and rescaled; None if it is not."""
    return _as_roots(x, _STEPS)


def _as_roots(x: Recorded, steps: int) -> Roots | None:
    if x.operation.algebra is Algebra.ROOT:
        return _of_product(x.inputs[0]) or Roots((x.inputs[0],), Fraction(1))
    if not steps or not x.inputs:
        return None
    below = _as_roots(x.inputs[0], steps - 1)
    if below is None:
        return None
    algebra, source = x.operation.algebra, x.inputs[0]
    up = source.type.frac_bits - x.type.frac_bits
    if x.operation.keeps_integer:
        return below
    if algebra is Algebra.READ:
        return Roots(below.of, below.square * Fraction(4) ** up)
    if algebra is Algebra.SHIFT_LEFT:
        return Roots(below.of, below.square * Fraction(4) ** (up + shift_of(x.attrs)))
    if algebra in (Algebra.RESCALE, Algebra.ROUND):
        # what is cut to fewer bits than a result has is meant to be
        kept = x.type.frac_bits >= DEFAULT_FRAC_BITS
        return Roots(below.of, below.square * Fraction(4) ** (up - shift_of(x.attrs))) if kept else None
    if algebra is Algebra.SCALE:
        times = x.inputs[1].type
        alone = times.lo == times.hi > 0
        return Roots(below.of, below.square * times.lo**2 * Fraction(4) ** up) if alone else None
    if x.operation.rows is Flow.RESHAPE and len(below.of) == 1 and below.of[0].type.size == x.type.size:
        return Roots((_shaped(below.of[0], x),), below.square)
    if algebra is Algebra.MULTIPLY and not shift_of(x.attrs):
        other = _as_roots(x.inputs[1], steps - 1)
        if other is None or len(below.of) + len(other.of) > 2:
            return None
        bits = up + x.inputs[1].type.frac_bits
        return Roots(below.of + other.of, below.square * other.square * Fraction(4) ** bits)
    return None


def _of_product(x: Recorded) -> Roots | None:
    """sqrt(x) as two roots, where x is a product of sums of squares."""
    two: tuple[Recorded, ...] = ()
    up = 0
    for _ in range(_STEPS):
        source = x.inputs[0] if x.inputs else x
        if x.operation.algebra is Algebra.MULTIPLY and not shift_of(x.attrs):
            two, up = x.inputs, up + sum(one.type.frac_bits for one in x.inputs) - x.type.frac_bits
            break
        if x.operation.algebra is Algebra.RESCALE:
            up -= shift_of(x.attrs)
        elif x.operation.algebra is not Algebra.READ and not x.operation.keeps_integer:
            break
        up += source.type.frac_bits - x.type.frac_bits
        x = source
    squares = [one for one in two if (dot := _summed(one)[1]) is not None and dot.is_square and dot.factor > 0]
    return Roots(two, Fraction(2) ** up) if len(squares) == 2 else None
