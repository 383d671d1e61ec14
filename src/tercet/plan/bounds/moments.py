"""How a value is a sum: of multiples of others, of products over axes, or a moment n sum(x y) - sum(x) sum(y).

Read off the plan's operations, exactly, for whoever proves bounds of it (`plan.bounds.relations`, `plan.bounds.roots`).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from fractions import Fraction

from tercet.plan.bounds.terms import Term, bare, before_reshapes, is_constant, is_same, same_integer
from tercet.plan.table.attributes import Axes, AxisOrder, Contraction, shift_of
from tercet.plan.table.operation import Algebra, Flow

DEPTH = 6
"""So many operations back is looked, and so are chains of roundings and changes of scale."""
_TERMS = 12
_FINE = 48


def linear_form(term: Term) -> tuple[list[tuple[Term, int]], int] | None:
    """A value as a sum of whole multiples of other values and one number; None if it takes too many of them."""
    found: dict[int, tuple[Term, int]] = {}
    budget = [_TERMS]
    offset = _collect(term, 1, found, DEPTH, budget)
    if offset is None:
        return None
    return [(leaf, factor) for leaf, factor in found.values() if factor], offset


def _collect(term: Term, factor: int, found: dict[int, tuple[Term, int]], depth: int, budget: list[int]) -> int | None:
    budget[0] -= 1
    if budget[0] < 0:
        return None
    plain = same_integer(term)
    algebra, inputs = plain.operation.algebra, plain.inputs
    if is_constant(plain):
        value = number_of(plain)
        if value is not None:
            return factor * value
    elif depth:
        if algebra is Algebra.ADD or algebra is Algebra.SUBTRACT:
            first = _collect(inputs[0], factor, found, depth - 1, budget)
            second = _collect(inputs[1], factor if algebra is Algebra.ADD else -factor, found, depth - 1, budget)
            return None if first is None or second is None else first + second
        if algebra is Algebra.NEGATE:
            return _collect(inputs[0], -factor, found, depth - 1, budget)
        if algebra is Algebra.SHIFT_LEFT:
            return _collect(inputs[0], factor << shift_of(plain.attrs), found, depth - 1, budget)
        if algebra is Algebra.SCALE and (value := number_of(inputs[1])) is not None:
            return _collect(inputs[0], factor * value, found, depth - 1, budget)
        if algebra is Algebra.READ:
            return _collect(inputs[0], factor, found, depth - 1, budget)
    # of a value and the one it narrows, that with the narrower bounds
    leaf = term if term.type.hi - term.type.lo <= plain.type.hi - plain.type.lo else plain
    known = found.get(id(plain))
    found[id(plain)] = (leaf if known is None else known[0], factor + (0 if known is None else known[1]))
    return 0


def number_of(term: Term) -> int | None:
    """The integer of a public constant that holds one only."""
    if not is_constant(term) or term.type.is_bool or term.type.lo != term.type.hi:
        return None
    return term.type.lo


# ---- sums of products, and moments ----


def root_above(value: Fraction) -> Fraction:
    """A number that is not below the root, and not above it by more than 2^-47 or a relative 2^-47."""
    return Fraction(math.isqrt(math.ceil(value * (1 << 2 * _FINE))) + 1, 1 << _FINE)


@dataclass(frozen=True)
class Side:
    """One of the factors of a sum of products: x as it is, x less its mean (about, times a number), or of a moment."""

    x: Term
    kind: str
    """"plain", "centred" or "moment"."""
    whole: Term
    """The factor itself."""
    times: Fraction = Fraction(1)
    off: Fraction = Fraction(0)
    """By how much the mean that is taken away may be another, in stored integers of x."""
    own: Fraction = Fraction(0)
    """By how much each element may be off by itself, as it is rounded, in stored integers of x."""

    def most(self, terms: int) -> Fraction:
        """What the sum of its squares does not pass; n^2 times the variance, of a moment (Popoviciu)."""
        width = Fraction((self.x.type.hi - self.x.type.lo) ** 2, 4)
        if self.kind == "moment":
            return terms * terms * width
        plain = Fraction(terms * self.whole.type.magnitude**2)
        if self.kind == "plain":
            return plain
        spread = root_above(width + self.off**2) + self.own if self.own else Fraction(0)
        return min(plain, self.times**2 * terms * (spread**2 or width + self.off**2))

    def within(self, norm: Side, terms: int) -> Fraction | None:
        """k so that the sum of its squares is at most k times that of the other, where that is not 0."""
        if self.kind == norm.kind and are_one(self.whole, norm.whole):
            return Fraction(1)
        if not are_one(self.x, norm.x) or terms < 2:
            return None
        # of n values with mean m, sum (x - a)^2 = moment / n + n (m - a)^2, and a moment that is not 0 is n - 1 or more
        if (self.kind, norm.kind) == ("centred", "moment"):
            mean = Fraction(1, terms) + terms * self.off**2 / (terms - 1)
            own = self.own * root_above(Fraction(terms, terms - 1))
            return self.times**2 * ((root_above(mean) + own) ** 2 if own else mean)
        # elements that are rounded by themselves may all be 0 where x varies
        exact = (self.kind, norm.kind) == ("moment", "centred") and not norm.own
        return terms / norm.times**2 if exact else None


@dataclass(frozen=True)
class Dot:
    """`factor` times a sum of products over some axes, or times n sum(x y) - sum(x) sum(y), the moment of x and y."""

    sides: tuple[Side, Side]
    terms: int
    factor: int
    axes: tuple[int, ...]
    shape: tuple[int, ...]

    @property
    def over(self) -> tuple[object, ...]:
        return self.axes, self.shape

    @property
    def is_square(self) -> bool:
        return self.sides[0].kind == self.sides[1].kind and are_one(self.sides[0].whole, self.sides[1].whole)

    @property
    def least(self) -> int:
        """The least that it is, being a square, if it is not 0: n - 1 where two of n integers differ."""
        return abs(self.factor) * (max(1, self.terms - 1) if self.sides[0].kind == "moment" else 1)


def unrounded(term: Term) -> tuple[Term, int, int]:
    """The value that roundings divide, by how many bits together, and how many they are: each is off by less than 1."""
    plain, bits, steps = bare(term), 0, 0
    while plain.operation.algebra in (Algebra.RESCALE, Algebra.ROUND) and steps < DEPTH:
        plain, bits, steps = bare(plain.inputs[0]), bits + shift_of(plain.attrs), steps + 1
    return plain, bits, steps


def are_one(a: Term, b: Term) -> bool:
    return is_same(bare(a), bare(b))


def multiple(term: Term) -> tuple[Term, int]:
    """The value that this one is a whole multiple of, and how many times."""
    factor, plain = 1, bare(term)
    for _ in range(DEPTH):
        algebra = plain.operation.algebra
        if algebra is Algebra.NEGATE:
            factor, plain = -factor, bare(plain.inputs[0])
        elif algebra is Algebra.SHIFT_LEFT:
            factor, plain = factor << shift_of(plain.attrs), bare(plain.inputs[0])
        elif algebra is Algebra.SCALE and (value := number_of(plain.inputs[1])):
            factor, plain = factor * value, bare(plain.inputs[0])
        else:
            break
    return plain, factor


def dot_of(term: Term) -> Dot | None:
    """How a value is a sum of products, or a moment; exact."""
    plain, factor = multiple(term)
    if plain.operation.algebra is not Algebra.CONTRACT:
        found = _moment_of(plain)
    elif not shift_of(plain.attrs):
        axes, shape = plain.attrs.of(Contraction).axes, plain.inputs[0].type.shape
        terms = math.prod(shape[axis] for axis in axes)
        first, second = (centred(one, axes, shape) or Side(one, "plain", one) for one in plain.inputs)
        found = Dot((first, second), terms, 1, axes, shape)
    else:
        found = None
    return None if found is None else replace(found, factor=found.factor * factor)


def matrix_sides(product: Term) -> list[tuple[Side, int]]:
    """Both factors of a matrix product, before their axes were turned, and the axis that each is summed over."""
    a, b = product.inputs
    found = []
    for one, axis in ((a, len(a.type.shape) - 1), (b, len(b.type.shape) - 2)):
        whole, over = before_turn(one, axis)
        found.append((centred(whole, (over,), whole.type.shape) or Side(whole, "plain", whole), over))
    return found


def before_turn(x: Term, axis: int) -> tuple[Term, int]:
    """A value before its axes were put in another order, and where this one was."""
    plain = bare(x)
    if plain.operation.rows is not Flow.PERMUTE or plain.type.shape != x.type.shape:
        return x, axis
    return plain.inputs[0], plain.attrs.of(AxisOrder).axes[axis]


def centred(term: Term, axes: tuple[int, ...], shape: tuple[int, ...]) -> Side | None:
    """k x less k times about the mean of x, which is its sum times a public number; each perhaps rounded."""
    plain, dropped, roundings = unrounded(term)
    if plain.operation.algebra is not Algebra.SUBTRACT:
        return None
    for first, second in (plain.inputs, plain.inputs[::-1]):
        x, times = multiple(first)
        taken, bits, steps = unrounded(second)
        total, factor = multiple(taken)
        total = before_reshapes(total, bare)
        terms = math.prod(shape[axis] for axis in axes)
        if (
            total.operation.algebra is not Algebra.SUM
            or total.attrs.of(Axes).axes != axes
            or not are_one(total.inputs[0], x)
            or not terms
        ):
            continue
        if x.type.shape != shape or total.inputs[0].type.shape != shape:
            continue
        if not is_aligned(bare(second).type.shape, shape, axes):
            continue
        off = total.type.magnitude * abs(Fraction(factor, abs(times) << bits) - Fraction(1, terms))
        off += Fraction(steps, abs(times))
        own = Fraction(roundings << dropped, abs(times))
        return Side(x, "centred", term, Fraction(abs(times), 1 << dropped), off, own)
    return None


def is_aligned(actual: tuple[int, ...], shape: tuple[int, ...], axes: tuple[int, ...]) -> bool:
    """Whether what is left of a shape without these axes is broadcast to where it came from."""
    wanted = tuple(1 if axis in axes else length for axis, length in enumerate(shape))
    return (1,) * (len(shape) - len(actual)) + actual == wanted or all(length == 1 for length in wanted)


def _moment_of(term: Term) -> Dot | None:
    """n sum(x y) - sum(x) sum(y), n the number of terms."""
    if term.operation.algebra is not Algebra.SUBTRACT:
        return None
    (dot, count), second = multiple(term.inputs[0]), bare(term.inputs[1])
    if second.operation.algebra is not Algebra.MULTIPLY or shift_of(second.attrs):
        return None
    sums = [bare(value) for value in second.inputs]
    if dot.operation.algebra is not Algebra.CONTRACT or any(one.operation.algebra is not Algebra.SUM for one in sums):
        return None
    axes, shape = dot.attrs.of(Contraction).axes, dot.inputs[0].type.shape
    terms = math.prod(shape[axis] for axis in axes)
    if count != terms or shift_of(dot.attrs) or any(one.attrs.of(Axes).axes != axes for one in sums):
        return None
    for x, y in (dot.inputs, dot.inputs[::-1]):
        totals = [one.inputs[0] for one in sums]
        if are_one(x, totals[0]) and are_one(y, totals[1]) and all(one.type.shape == shape for one in totals):
            first, second_side = (Side(one, "moment", one) for one in totals)
            return Dot((first, second_side), terms, 1, axes, shape)
    return None


def square_ratio(s: Dot | None, u: Dot | None, v: Dot | None) -> Fraction | None:
    """k with s^2 <= k u v where neither is 0, s the product of what u and v are the squares of."""
    if s is None or u is None or v is None or s.over != u.over or s.over != v.over or min(u.factor, v.factor) <= 0:
        return None
    if not (u.is_square and v.is_square):
        return None
    for x, y in (s.sides, s.sides[::-1]):
        first, second = x.within(u.sides[0], s.terms), y.within(v.sides[0], s.terms)
        if first is not None and second is not None:
            return s.factor**2 * first * second / (u.factor * v.factor)
    return None


def cauchy(whole: Dot | None, norm: Dot | None) -> Fraction | None:
    """w with p^2 <= q w for a sum p of products x y and the sum q of squares of x, both as stored integers."""
    if whole is None or norm is None or whole.over != norm.over or norm.factor <= 0 or not norm.is_square:
        return None
    for x, y in (whole.sides, whole.sides[::-1]):
        within = x.within(norm.sides[0], whole.terms)
        if within is not None:
            return whole.factor**2 * within * y.most(whole.terms) / norm.factor
    return None
