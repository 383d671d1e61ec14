"""Bounds from values that occur more than once: what intervals alone do not show.

Squares are not negative, equal terms cancel, n sum(x y) - sum(x) sum(y) is at most n^2 times a quarter of the product
of both widths, and a part divided by its whole is at most 1. All of it follows from a plan's operations, so that a
node finds what a client found (`plan.bounds.prove`). Each search goes a few operations back and reads a bounded number
of them: its cost does not grow with the plan.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction

from tercet.plan.bounds.extremes import chosen_difference, difference, reaches_zero
from tercet.plan.bounds.matrices import matrix_product, picked
from tercet.plan.bounds.moments import (
    DEPTH,
    are_one,
    cauchy,
    dot_of,
    is_aligned,
    linear_form,
    number_of,
    square_ratio,
    unrounded,
)
from tercet.plan.bounds.roots import is_unit, limit_of, over_root
from tercet.plan.bounds.terms import Bounds, Term, before_reshapes, is_same, places_of, same_integer
from tercet.plan.table import real
from tercet.plan.table.attributes import Approximation, Axes, Contraction, Rounding, shift_of
from tercet.plan.table.operation import Algebra, Flow, rescaled
from tercet.plan.table.ops_functions import least_of_zero, logarithm_off
from tercet.plan.table.reasons import CHOSEN, DERIVED, DIAGONAL, ENTROPY, NORMED, POWERS, Reason

RELATED = frozenset(
    {
        Algebra.ADD,
        Algebra.SUBTRACT,
        Algebra.MULTIPLY,
        Algebra.CONTRACT,
        Algebra.RESCALE,
        Algebra.SUM,
        Algebra.MATRIX,
        Algebra.PICK,
    }
)
"""Operations of which `related` may find more than their types say."""


_MIXED = 1 << 12
"""So many public numbers are read at most."""


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
    if algebra in _ALONE:
        return _ALONE[algebra](term)
    if algebra is Algebra.MULTIPLY or algebra is Algebra.CONTRACT:
        return _product(term)
    searched = [_moment(term), _cancelled(term), _mixed(term), _left_over(term), _evened(term)]
    searched.append(chosen_difference(term))
    several = [found for found in searched if found is not None]
    if several:
        return max(lo for lo, _ in several), min(hi for _, hi in several)
    return None


def reason_for(term: Term) -> Reason:
    """Why a value has the bounds that `related` finds."""
    algebra = term.operation.algebra
    if algebra is Algebra.ADD or algebra is Algebra.SUBTRACT:
        lo, hi = chosen_difference(term)
        return CHOSEN if lo > term.type.lo or hi < term.type.hi else DERIVED
    if algebra is Algebra.MULTIPLY and (_entropy(term) or _relative_entropy(term)) is not None:
        return ENTROPY
    return _REASONS.get(algebra, DERIVED)


# ---- squares ----


def _product(term: Term) -> Bounds | None:
    """A square, a sum of squares, or what is multiplied with 1 / sqrt(y)."""
    a, b = term.inputs
    if not is_same(a, b):
        if term.operation.algebra is Algebra.CONTRACT:
            return _moment(term)
        return over_root(term) or _entropy(term) or _relative_entropy(term)
    lo, hi = square(a.type.lo, a.type.hi)
    terms, shift = 1, shift_of(term.attrs)
    if term.operation.algebra is Algebra.CONTRACT:
        terms = math.prod(a.type.shape[axis] for axis in term.attrs.of(Contraction).axes)
    if not shift and term.operation.algebra is Algebra.CONTRACT and (found := _moment(term)) is not None:
        return max(lo * terms, found[0]), min(hi * terms, found[1])
    return rescaled(terms * lo, terms * hi, shift) if shift else (terms * lo, terms * hi)


def _entropy(term: Term) -> Bounds | None:
    """Of x log x: not below -1/e, but for what the logarithm is off by where it is below 0."""
    for x, factor in (term.inputs, term.inputs[::-1]):
        plain, dropped, steps = unrounded(factor)
        if plain.operation.algebra is not Algebra.LOGARITHM or not are_one(x, plain.inputs[0]) or x.type.lo < 0:
            continue
        argument = plain.inputs[0].type
        bits = argument.frac_bits + plain.type.frac_bits - dropped
        if bits < 0:
            continue
        off = (logarithm_off(argument, plain.attrs.of(Approximation)) >> dropped) + 1 + steps
        lo = -real.power("exp", -1, 0, bits) - 2 - min(x.type.hi, 2 << argument.frac_bits) * off
        shift = shift_of(term.attrs)
        return max(term.type.lo, lo >> shift), term.type.hi
    return None


def _relative_entropy(term: Term) -> Bounds | None:
    """Of x (log x - log y): not below -y/e, but for what the logarithms are off by."""
    for x, factor in (term.inputs, term.inputs[::-1]):
        difference, dropped, steps = unrounded(factor)
        if difference.operation.algebra is not Algebra.SUBTRACT or x.type.lo < 0:
            continue
        logarithms = [unrounded(one) for one in difference.inputs]
        if any(one.operation.algebra is not Algebra.LOGARITHM for one, _, _ in logarithms):
            continue
        own, y = (one.inputs[0] for one, _, _ in logarithms)
        scales = [one.type.frac_bits - cut for one, cut, _ in logarithms]
        bits = own.type.frac_bits + scales[0] - dropped
        if not are_one(x, own) or scales[0] != scales[1] or bits < 0:
            continue
        off = 1 + steps
        for one, cut, more in logarithms:
            off += (logarithm_off(one.inputs[0].type, one.attrs.of(Approximation)) >> cut + dropped) + 1 + more
        lo = -(max(y.type.hi, 1) * (real.power("exp", -1, 0, bits) + 1) >> y.type.frac_bits) - 2 - x.type.hi * off
        return max(term.type.lo, lo >> shift_of(term.attrs)), term.type.hi
    return None


def square(lo: int, hi: int) -> Bounds:
    """Bounds of x^2 for x in [lo, hi]."""
    return (0 if lo <= 0 <= hi else min(lo * lo, hi * hi)), max(lo * lo, hi * hi)


# ---- sums of powers ----


def _sum_of_powers(term: Term) -> Bounds | None:
    """Of b^y for y that is 0 at least once in every line, as x - max(x) is."""
    each, axes = term.inputs[0], term.attrs.of(Axes).axes
    power, dropped, _ = unrounded(each)
    if power.operation.algebra is not Algebra.POWER or power.type.shape != each.type.shape:
        return None
    if not reaches_zero(power.inputs[0], axes):
        return None
    one = least_of_zero(power.operation, power.inputs[0].type, power.attrs.of(Approximation)) >> dropped
    terms = math.prod(each.type.shape[axis] for axis in axes)
    return max(term.type.lo, one + (terms - 1) * max(0, each.type.lo)), term.type.hi


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


def _mixed(term: Term) -> Bounds | None:
    """Of x a + y (c - a) for public a from 0 to c, the same c everywhere, as of what lies between two neighbours."""
    parts = [same_integer(one) for one in term.inputs]
    if term.operation.algebra is not Algebra.ADD or any(one.operation.algebra is not Algebra.SCALE for one in parts):
        return None
    (x, a), (y, b) = (one.inputs for one in parts)
    if a.type.shape != b.type.shape or a.type.size > _MIXED or min(a.type.lo, b.type.lo) < 0:
        return None
    wholes = {one + other for one, other in zip(places_of(a), places_of(b), strict=True)}
    if len(wholes) != 1 or max(a.type.hi, b.type.hi).bit_length() > 63:
        return None
    whole = wholes.pop()
    return whole * min(x.type.lo, y.type.lo), whole * max(x.type.hi, y.type.hi)


# ---- roundings ----


def _left_over(term: Term) -> Bounds | None:
    """x - floor(x / 2^k) 2^k."""
    if term.operation.algebra is not Algebra.SUBTRACT:
        return None
    x, multiple = term.inputs[0], same_integer(term.inputs[1])
    if multiple.operation.algebra is not Algebra.SCALE:
        return None
    step, whole = number_of(multiple.inputs[1]), same_integer(multiple.inputs[0])
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


def _moment(term: Term) -> Bounds | None:
    """Of a moment, or of a sum of products with what is centred: from the intervals of what goes in."""
    found = dot_of(term)
    if found is None or not any(side.kind != "plain" or is_unit(side, found.axes, found.shape) for side in found.sides):
        return None
    limit = limit_of(found)
    if found.is_square:
        return (0, limit) if found.factor > 0 else (-limit, 0)
    return -limit, limit


# ---- quotients ----


def quotient_limit(a: Term, b: Term) -> int | None:
    """A number that |a| / b does not pass, in stored integers and for b >= 1, from what both have in common.

    Of b = 0 nothing is said: whoever divides makes a zero there, too.

    None if nothing is found. Both may be rescaled: each rounding is counted as a unit of what is divided.
    """
    if (whole := _ratio(same_integer(a), same_integer(b))) is not None and _least(b) >= 0:
        return whole
    if _is_part(a, b):
        return 1
    (p, p_shift), (q, q_shift) = _unscaled(a), _unscaled(b)
    if _least(q) < 0 and not is_same(p, q):
        return None
    ratio = _ratio(p, q) or _rounded_square(p, q)
    if ratio is not None:
        # p / 2^s <= scaled q / 2^t, where q / 2^t < b + 1 <= 2 b if it is rounded: and a is a neighbour of p / 2^s
        scaled = -(-(ratio << q_shift) >> p_shift)
        return 2 * max(1, scaled) if q_shift else max(1, scaled)
    norm = dot_of(q)
    limit = cauchy(dot_of(p), norm)
    if limit is not None and norm is not None:
        # p^2 <= q w: |a| / b is largest where b is least
        least = Fraction(1, 1 << (q_shift + 1)) if q_shift else Fraction(norm.least)
        return (math.isqrt(-(-math.ceil(limit) // least)) >> p_shift) + 2
    return None


def _least(term: Term) -> int:
    found = related(term)
    return term.type.lo if found is None else max(found[0], term.type.lo)


def _unscaled(term: Term) -> tuple[Term, int]:
    """The value that a rescaling rounds, and by how many bits."""
    shift = 0
    for _ in range(DEPTH):
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
    weighed = _weighted_part(p, q)
    if weighed is not None:
        return weighed
    form = linear_form(q)
    if form is None or _least(p) < 0:
        return None
    if _is_above(form, linear_form(p)):
        return 1
    terms, offset = form
    here = [factor for leaf, factor in terms if same_integer(leaf) is same_integer(p)]
    rest = offset
    for leaf, factor in terms:
        if same_integer(leaf) is not same_integer(p):
            rest += min(leaf.type.lo * factor, leaf.type.hi * factor)
    return 1 if here and here[0] >= 1 and rest >= 0 else None


def _is_above(q: tuple[list[tuple[Term, int]], int], p: tuple[list[tuple[Term, int]], int] | None) -> bool:
    """Whether one sum of multiples is never below another because all that they differ by are two values of which one
    is never below the other, as max(x) and x in (x - min(x)) / (max(x) - min(x))."""
    if p is None or q[1] < p[1]:
        return False
    found = {id(same_integer(leaf)): (leaf, factor) for leaf, factor in q[0]}
    for leaf, factor in p[0]:
        known = found.get(id(same_integer(leaf)), (leaf, 0))
        found[id(same_integer(leaf))] = known[0], known[1] - factor
    left = sorted((factor, number, leaf) for number, (leaf, factor) in enumerate(found.values()) if factor)
    if len(left) != 2 or left[0][0] != -left[1][0]:
        return False
    return difference(left[1][2], left[0][2])[0] >= 0


def _weighted_part(p: Term, q: Term) -> int | None:
    """The largest |x|, if q adds up weights that are not negative, and p what they are multiplied with."""
    total = before_reshapes(q)
    if total.operation.algebra is not Algebra.SUM:
        return None
    weights, whole = total.inputs[0], before_reshapes(p)
    if whole.operation.algebra is not Algebra.CONTRACT or shift_of(whole.attrs) or weights.type.lo < 0:
        return None
    # both are brought into one shape, and neither is repeated
    if p.type.shape != q.type.shape or not p.type.size == whole.type.size == total.type.size:
        return None
    if (
        whole.attrs.of(Contraction).axes != total.attrs.of(Axes).axes
        or whole.inputs[0].type.shape != weights.type.shape
    ):
        return None
    for x, weight in (whole.inputs, whole.inputs[::-1]):
        if is_same(weight, weights):
            return max(1, x.type.magnitude)
    return None


def _is_part(a: Term, b: Term) -> bool:
    """Whether b is the sum of a and another, neither of them negative."""
    whole = same_integer(b)
    if whole.operation.algebra is not Algebra.ADD or _least(a) < 0:
        return False
    pairs = (whole.inputs, whole.inputs[::-1])
    return any(same_integer(one) is same_integer(a) and _least(other) >= 0 for one, other in pairs)


def _part_of_sum(p: Term, q: Term) -> int | None:
    """1 if q is a sum over axes that aligned with p has p among its terms, none of them negative."""
    kept = q
    for _ in range(DEPTH):
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
    return 1 if is_aligned(q.type.shape, shape, axes) else None


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


_ALONE = {Algebra.SUM: _sum_of_powers, Algebra.MATRIX: matrix_product, Algebra.PICK: picked}
"""What is looked for where nothing else is."""
_REASONS = {Algebra.SUM: POWERS, Algebra.MATRIX: NORMED, Algebra.PICK: DIAGONAL}
