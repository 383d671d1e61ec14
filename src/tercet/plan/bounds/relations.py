"""Bounds from values that occur more than once: what intervals alone do not show.

Squares are not negative, equal terms cancel, n sum(x y) - sum(x) sum(y) is at most n^2 times a quarter of the product
of both widths, and a part divided by its whole is at most 1. All of it follows from a plan's operations, so that a
node finds what a client found (`plan.bounds.prove`). Each search goes a few operations back and reads a bounded number
of them: its cost does not grow with the plan.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

from tercet.plan.bounds.extremes import beside_extreme
from tercet.plan.bounds.terms import Bounds, Term, is_constant, is_same, same_integer
from tercet.plan.table.attributes import Axes, Contraction, Rounding, shift_of
from tercet.plan.table.operation import Algebra, Flow, rescaled

RELATED = frozenset({Algebra.ADD, Algebra.SUBTRACT, Algebra.MULTIPLY, Algebra.CONTRACT, Algebra.RESCALE})
"""Operations of which `related` may find more than their types say."""
_DEPTH = 6
_TERMS = 12


def related(term: Term) -> Bounds | None:
    """Bounds of a value's stored integers from what its operands have in common; None if nothing is found."""
    term = same_integer(term)
    algebra = term.operation.algebra
    if algebra not in RELATED:
        return None
    if algebra is Algebra.RESCALE:
        inner = same_integer(term.inputs[0])
        found = related(inner) if inner.operation.algebra is not Algebra.RESCALE else None
        return None if found is None else rescaled(*found, shift_of(term.attrs))
    if algebra is Algebra.MULTIPLY or algebra is Algebra.CONTRACT:
        return _product(term)
    searched = [_moment(term), _cancelled(term), _left_over(term), _evened(term)]
    if algebra is Algebra.SUBTRACT:
        searched.append(beside_extreme(term))
    several = [found for found in searched if found is not None]
    if several:
        return max(lo for lo, _ in several), min(hi for _, hi in several)
    return None


# ---- squares ----


def _product(term: Term) -> Bounds | None:
    """A square, or a sum of squares."""
    a, b = term.inputs
    if not is_same(a, b):
        return _moment(term) if term.operation.algebra is Algebra.CONTRACT else None
    lo, hi = square(a.type.lo, a.type.hi)
    terms, shift = 1, shift_of(term.attrs)
    if term.operation.algebra is Algebra.CONTRACT:
        terms = math.prod(a.type.shape[axis] for axis in term.attrs.of(Contraction).axes)
    if not shift and term.operation.algebra is Algebra.CONTRACT and (found := _moment(term)) is not None:
        return max(lo * terms, found[0]), min(hi * terms, found[1])
    return rescaled(terms * lo, terms * hi, shift) if shift else (terms * lo, terms * hi)


def square(lo: int, hi: int) -> Bounds:
    """Bounds of x^2 for x in [lo, hi]."""
    return (0 if lo <= 0 <= hi else min(lo * lo, hi * hi)), max(lo * lo, hi * hi)


# ---- sums whose terms meet again ----


def _cancelled(term: Term) -> Bounds | None:
    """Of a sum of a few multiples of values, each counted once."""
    form = linear_form(term)
    if form is None:
        return None
    terms, offset = form
    lo = hi = offset
    for leaf, factor in terms:
        ends = leaf.type.lo * factor, leaf.type.hi * factor
        lo, hi = lo + min(ends), hi + max(ends)
    return lo, hi


def linear_form(term: Term) -> tuple[list[tuple[Term, int]], int] | None:
    """A value as a sum of whole multiples of other values and one number; None if it takes too many of them."""
    found: dict[int, tuple[Term, int]] = {}
    budget = [_TERMS]
    offset = _collect(term, 1, found, _DEPTH, budget)
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
        value = _number(plain)
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
        if algebra is Algebra.SCALE and (value := _number(inputs[1])) is not None:
            return _collect(inputs[0], factor * value, found, depth - 1, budget)
        if algebra is Algebra.READ:
            return _collect(inputs[0], factor, found, depth - 1, budget)
    # of a value and the one it narrows, that with the narrower bounds
    leaf = term if term.type.hi - term.type.lo <= plain.type.hi - plain.type.lo else plain
    known = found.get(id(plain))
    found[id(plain)] = (leaf if known is None else known[0], factor + (0 if known is None else known[1]))
    return 0


def _number(term: Term) -> int | None:
    """The integer of a public constant that holds one only."""
    if not is_constant(term) or term.type.is_bool or term.type.lo != term.type.hi:
        return None
    return term.type.lo


# ---- roundings ----


def _left_over(term: Term) -> Bounds | None:
    """x - floor(x / 2^k) 2^k."""
    if term.operation.algebra is not Algebra.SUBTRACT:
        return None
    x, multiple = term.inputs[0], same_integer(term.inputs[1])
    if multiple.operation.algebra is not Algebra.SCALE:
        return None
    step, whole = _number(multiple.inputs[1]), same_integer(multiple.inputs[0])
    if (
        step is None
        or whole.operation.algebra is not Algebra.ROUND
        or whole.attrs.of(Rounding).nearest
        or step != 1 << shift_of(whole.attrs)
    ):
        return None
    source = same_integer(whole.inputs[0])
    source = source.inputs[0] if source.operation.algebra is Algebra.READ else source
    return (0, step - 1) if is_same(x, source) else None


def _evened(term: Term) -> Bounds | None:
    """u, less 1 where a bit is set and u is odd."""
    if term.operation.algebra is not Algebra.SUBTRACT:
        return None
    u, chosen = term.inputs[0], same_integer(term.inputs[1])
    odd = same_integer(chosen.inputs[1]) if chosen.operation.algebra is Algebra.WHERE else None
    if odd is None or _left_over(odd) != (0, 1) or not is_same(odd.inputs[0], u):
        return None
    return u.type.lo - (u.type.lo & 1), u.type.hi


# ---- moments ----


@dataclass(frozen=True)
class Side:
    """One of the factors of a sum of products: x as it is, x less its mean (about, times a number), or of a moment."""

    x: Term
    kind: str
    """"plain", "centred" or "moment"."""
    whole: Term
    """The factor itself."""
    times: int = 1
    off: Fraction = Fraction(0)
    """By how much the mean that is taken away may be another, in stored integers of x."""

    def most(self, terms: int) -> Fraction:
        """What the sum of its squares does not pass; n^2 times the variance, of a moment (Popoviciu)."""
        width = Fraction((self.x.type.hi - self.x.type.lo) ** 2, 4)
        if self.kind == "moment":
            return terms * terms * width
        plain = Fraction(terms * self.whole.type.magnitude**2)
        return plain if self.kind == "plain" else min(plain, self.times**2 * terms * (width + self.off**2))

    def within(self, norm: Side, terms: int) -> Fraction | None:
        """k so that the sum of its squares is at most k times that of the other, where that is not 0."""
        if self.kind == norm.kind and _are_one(self.whole, norm.whole):
            return Fraction(1)
        if not _are_one(self.x, norm.x) or terms < 2:
            return None
        # of n values with mean m, sum (x - a)^2 = moment / n + n (m - a)^2, and a moment that is not 0 is n - 1 or more
        if (self.kind, norm.kind) == ("centred", "moment"):
            return self.times**2 * (Fraction(1, terms) + terms * self.off**2 / (terms - 1))
        return Fraction(terms, norm.times**2) if (self.kind, norm.kind) == ("moment", "centred") else None


@dataclass(frozen=True)
class Dot:
    """`factor` times a sum of products over some axes, or times n sum(x y) - sum(x) sum(y), the moment of x and y."""

    sides: tuple[Side, Side]
    terms: int
    factor: int
    over: tuple[object, ...]
    """The axes and the shape."""

    @property
    def is_square(self) -> bool:
        return self.sides[0].kind == self.sides[1].kind and _are_one(self.sides[0].whole, self.sides[1].whole)

    @property
    def limit(self) -> int:
        """What its magnitude does not pass, by Cauchy and Schwarz."""
        squares = self.sides[0].most(self.terms) * self.sides[1].most(self.terms)
        return abs(self.factor) * math.isqrt(math.floor(squares))

    @property
    def least(self) -> int:
        """The least that it is, being a square, if it is not 0: n - 1 where two of n integers differ."""
        return abs(self.factor) * (max(1, self.terms - 1) if self.sides[0].kind == "moment" else 1)


def bare(term: Term) -> Term:
    """The value whose integers these are, at whatever scale they are read."""
    term = same_integer(term)
    for _ in range(_DEPTH):
        if term.operation.algebra is not Algebra.READ:
            break
        term = same_integer(term.inputs[0])
    return term


def _are_one(a: Term, b: Term) -> bool:
    return is_same(bare(a), bare(b))


def multiple(term: Term) -> tuple[Term, int]:
    """The value that this one is a whole multiple of, and how many times."""
    factor, plain = 1, bare(term)
    for _ in range(_DEPTH):
        algebra = plain.operation.algebra
        if algebra is Algebra.NEGATE:
            factor, plain = -factor, bare(plain.inputs[0])
        elif algebra is Algebra.SHIFT_LEFT:
            factor, plain = factor << shift_of(plain.attrs), bare(plain.inputs[0])
        elif algebra is Algebra.SCALE and (value := _number(plain.inputs[1])):
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
        first, second = (_centred(one, axes, shape) or Side(one, "plain", one) for one in plain.inputs)
        found = Dot((first, second), terms, 1, (axes, shape))
    else:
        found = None
    return None if found is None else replace(found, factor=found.factor * factor)


def _centred(term: Term, axes: tuple[int, ...], shape: tuple[int, ...]) -> Side | None:
    """k x less k times about the mean of x, which is its sum times a public number, perhaps rounded."""
    plain = bare(term)
    if plain.operation.algebra is not Algebra.SUBTRACT:
        return None
    for first, second in (plain.inputs, plain.inputs[::-1]):
        x, times = multiple(first)
        taken, bits, steps = bare(second), 0, 0
        while taken.operation.algebra in (Algebra.RESCALE, Algebra.ROUND) and steps < _DEPTH:
            taken, bits, steps = bare(taken.inputs[0]), bits + shift_of(taken.attrs), steps + 1
        total, factor = multiple(taken)
        while total.operation.rows is Flow.RESHAPE:
            total = bare(total.inputs[0])
        terms = math.prod(shape[axis] for axis in axes)
        if (
            total.operation.algebra is not Algebra.SUM
            or total.attrs.of(Axes).axes != axes
            or not _are_one(total.inputs[0], x)
            or not terms
        ):
            continue
        if x.type.shape != shape or total.inputs[0].type.shape != shape:
            continue
        if not _is_aligned(bare(second).type.shape, shape, axes):
            continue
        off = total.type.magnitude * abs(Fraction(factor, abs(times) << bits) - Fraction(1, terms))
        return Side(x, "centred", term, abs(times), off + Fraction(steps, abs(times)))
    return None


def _is_aligned(actual: tuple[int, ...], shape: tuple[int, ...], axes: tuple[int, ...]) -> bool:
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
        if _are_one(x, totals[0]) and _are_one(y, totals[1]) and all(one.type.shape == shape for one in totals):
            first, second_side = (Side(one, "moment", one) for one in totals)
            return Dot((first, second_side), terms, 1, (axes, shape))
    return None


def _moment(term: Term) -> Bounds | None:
    """Of a moment, or of a sum of products with what is centred: from the intervals of what goes in."""
    found = dot_of(term)
    if found is None or all(side.kind == "plain" for side in found.sides):
        return None
    if found.is_square:
        return (0, found.limit) if found.factor > 0 else (-found.limit, 0)
    return -found.limit, found.limit


# ---- quotients ----


def quotient_limit(a: Term, b: Term) -> int | None:
    """A number that |a| / b does not pass, in stored integers and for b >= 1, from what both have in common.

    Of b = 0 nothing is said: whoever divides makes a zero there, too.

    None if nothing is found. Both may be rescaled: each rounding is counted as a unit of what is divided.
    """
    (p, p_shift), (q, q_shift) = _unscaled(a), _unscaled(b)
    if _least(q) < 0 and not is_same(p, q):
        return None
    ratio = _ratio(p, q) or _rounded_square(p, q)
    if ratio is not None:
        # |p| <= ratio q, a <= p / 2^s + 1 and q / 2^t <= b + 1
        scaled = -(-(ratio << q_shift) >> p_shift)
        return 2 * max(1, scaled) + 1 if p_shift or q_shift else max(1, scaled)
    other = _cauchy(p, q)
    if other is not None:
        # p^2 <= q w: |a| / b is largest where b is least
        limit, least = other
        if q_shift:
            least = Fraction(1, 1 << (q_shift + 1))
        return (math.isqrt(-(-limit // least)) >> p_shift) + 2
    return None


def _least(term: Term) -> int:
    found = related(term)
    return term.type.lo if found is None else max(found[0], term.type.lo)


def _unscaled(term: Term) -> tuple[Term, int]:
    """The value that a rescaling rounds, and by how many bits."""
    shift = 0
    for _ in range(_DEPTH):
        plain = same_integer(term)
        if plain.operation.algebra is Algebra.READ:
            term = plain.inputs[0]
        elif plain.operation.algebra is Algebra.RESCALE:
            shift += shift_of(plain.attrs)
            term = plain.inputs[0]
        else:
            break
    return same_integer(term), shift


def _ratio(p: Term, q: Term) -> int | None:
    """k with |p| <= k q, both as stored integers."""
    if is_same(p, q):
        return 1
    largest = _part_of_sum(p, q)
    if largest is not None:
        return largest
    form = linear_form(q)
    if form is None or _least(p) < 0:
        return None
    terms, offset = form
    here = [factor for leaf, factor in terms if same_integer(leaf) is same_integer(p)]
    rest = offset
    for leaf, factor in terms:
        if same_integer(leaf) is not same_integer(p):
            rest += min(leaf.type.lo * factor, leaf.type.hi * factor)
    return 1 if here and here[0] >= 1 and rest >= 0 else None


def _part_of_sum(p: Term, q: Term) -> int | None:
    """1 if q is a sum over axes that aligned with p has p among its terms, none of them negative."""
    kept = q
    for _ in range(_DEPTH):
        if kept.operation.rows is not Flow.RESHAPE and not kept.operation.keeps_integer:
            break
        kept = kept.inputs[0]
    if kept.operation.algebra is Algebra.CONTRACT:
        base: Sequence[Term] = [same_integer(one) for one in kept.inputs]
        product = p if p.operation.algebra is Algebra.MULTIPLY else None
        if product is None or not all(any(same_integer(one) is other for other in base) for one in product.inputs):
            return None
        if not is_same(*kept.inputs) or not is_same(*product.inputs):
            return None
        shape, axes = kept.inputs[0].type.shape, kept.attrs.of(Contraction).axes
        if shift_of(kept.attrs) or shift_of(product.attrs) or product.type.shape != shape:
            return None
    elif kept.operation.algebra is Algebra.SUM:
        if _least(p) < 0 or not is_same(kept.inputs[0], p):
            return None
        shape, axes = kept.inputs[0].type.shape, kept.attrs.of(Axes).axes
    else:
        return None
    return 1 if _is_aligned(q.type.shape, shape, axes) else None


def _rounded_square(p: Term, q: Term) -> int | None:
    """k with p <= k q for q >= 1, where p = s^2 and q = u v, and s^2 <= u v by Cauchy and Schwarz before rounding."""
    if (
        p.operation.algebra is not Algebra.MULTIPLY
        or q.operation.algebra is not Algebra.MULTIPLY
        or shift_of(p.attrs)
        or shift_of(q.attrs)
    ):
        return None
    if not is_same(*p.inputs):
        return None
    whole, s_shift = _unscaled(p.inputs[0])
    sides = [_unscaled(one) for one in q.inputs]
    dots = [dot_of(whole), *(dot_of(one) for one, _ in sides)]
    ratio = square_ratio(*dots)
    if ratio is None:
        return None
    shifts, above = [shift for _, shift in sides], -(-ratio.numerator // ratio.denominator)
    if not s_shift and not any(shifts):
        return above
    # s <= S / 2^a + 1 and U <= (u + 1) 2^b: so s / sqrt(u v) is at most 2 sqrt(2^(b + c - 2 a)) + 1
    wider = max(0, sum(shifts) - 2 * s_shift)
    return (2 * (math.isqrt(above << wider) + 1) + 1) ** 2


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


def _cauchy(p: Term, q: Term) -> tuple[int, Fraction] | None:
    """w with p^2 <= q w, and the least q above 0: p a sum of products x y, q the sum of squares of x."""
    whole, norm = dot_of(p), dot_of(q)
    if whole is None or norm is None or whole.over != norm.over or norm.factor <= 0 or not norm.is_square:
        return None
    for x, y in (whole.sides, whole.sides[::-1]):
        within = x.within(norm.sides[0], whole.terms)
        if within is not None:
            return math.ceil(whole.factor**2 * within * y.most(whole.terms) / norm.factor), Fraction(norm.least)
    return None
