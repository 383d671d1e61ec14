"""Exact rounding of recorded values: to integers, and to multiples of a public step, by public multiplications."""

from __future__ import annotations

from fractions import Fraction

import numpy as np

from tercet.errors import PlanError
from tercet.plan.record import build, logic
from tercet.plan.record.graph import Recorded
from tercet.plan.record.scale import bounded, in_ring, least_ring, renamed
from tercet.plan.table.attributes import Rounding
from tercet.plan.table.reasons import REMAINDER
from tercet.plan.types import MAX_FRAC_BITS, limit

_MOST = limit(128) - 1
_MOST_SHIFT = MAX_FRAC_BITS - 1


def integers_of(x: Recorded) -> Recorded:
    """The stored integers."""
    return renamed(build.number(x), 0, 0)


def times(x: Recorded, factor: int) -> Recorded:
    """Integers times a public one, exactly."""
    return x if factor == 1 else build.multiply(x, np.asarray(factor, dtype=object))


def plus(x: Recorded, summand: int) -> Recorded:
    """Integers plus a public one."""
    return x if not summand else build.linear("add", x, np.asarray(summand, dtype=object))


def floor_ratio(x: Recorded, ratio: Fraction) -> Recorded:
    """floor(x / ratio) for integers x and a public ratio p / q above 0, exactly.

    floor(x q / p) = floor(x m / 2^k) with m = ceil(q 2^k / p), for the least k at which |x| (m p - q 2^k) < 2^k
    (after Granlund, Montgomery, PLDI 1994); x is made positive first, by a multiple of p, unless p is so large that no
    x but 0 is one. Where x m does not fit 128 bits, m has fewer bits and is rounded down: the quotient found is at most
    one too small, and a comparison with x q says whether it is. PlanError if that does not fit either.
    """
    p, q = ratio.numerator, ratio.denominator
    if p == 1:
        return times(x, q)
    if x.type.lo < 0 and p <= x.type.magnitude:
        lift = -(x.type.lo // p)
        return plus(floor_ratio(_not_negative(plus(x, lift * p)), ratio), -lift * q)
    first, last = x.type.lo * q // p, x.type.hi * q // p
    if first == last:
        return build.shared_integers(x, first)
    largest = x.type.magnitude
    k = max(0, (largest * q // p).bit_length() - 1)
    while k <= _MOST_SHIFT:
        m = -(-(q << k) // p)
        if largest * (m * p - (q << k)) < 1 << k:
            break
        k += 1
    if k <= _MOST_SHIFT and largest * m <= _MOST:
        return bounded(_shifted(times(x, m), k), first, last, REMAINDER)
    if x.type.lo < 0:
        lift = -(x.type.lo // p)
        return plus(floor_ratio(_not_negative(plus(x, lift * p)), ratio), -lift * q)
    k = min(_MOST_SHIFT, (_MOST * p // (largest * q)).bit_length() - 1)
    m = (q << max(k, 0)) // p
    if k < 0 or largest * (q * (1 << k) - m * p) > p << k:
        raise PlanError(
            f"a quotient rounded down is not found exactly in 128 bits: its dividend may have {largest.bit_length()}",
            hint="declare narrower bounds or fewer frac_bits for the inputs, or narrow a result with tc.assume",
        )
    found = _shifted(times(x, m), k)
    # found is floor(x q / p) or one less
    rest = build.linear("subtract", times(x, q), plus(times(found, p), p))
    more = build.number(logic.logical_not(logic.negative(rest)))
    return bounded(build.linear("add", found, more), first, last, REMAINDER)


def _not_negative(x: Recorded) -> Recorded:
    return x if x.type.lo >= 0 else bounded(x, 0, x.type.hi, REMAINDER)


def _shifted(x: Recorded, k: int, nearest: int = 0) -> Recorded:
    """floor(x / 2^k), or the nearest integer, halves upwards."""
    if not k:
        return x
    half = nearest << (k - 1)
    if k > x.type.ring - 3 or x.type.hi + half >= limit(x.type.ring):
        x = in_ring(x, 128)  # a truncation in this ring could not drop as much, or not take the half that is added
    return least_ring(x.graph.node("round", (renamed(x, k, 0),), Rounding(k, bool(nearest))))


def floor(x: Recorded, ratio: Fraction) -> Recorded:
    """The greatest integer not above x / ratio, for integers x."""
    if ratio.denominator == 1 and ratio.numerator & (ratio.numerator - 1) == 0:
        return _shifted(x, ratio.numerator.bit_length() - 1)
    return floor_ratio(x, ratio)


def ceil(x: Recorded, ratio: Fraction) -> Recorded:
    """The least integer not below x / ratio."""
    return build.negate(floor(build.negate(x), ratio))


def trunc(x: Recorded, ratio: Fraction) -> Recorded:
    """x / ratio rounded towards zero."""
    if x.type.lo >= 0:
        return floor(x, ratio)
    if x.type.hi <= 0:
        return ceil(x, ratio)
    below = logic.negative(x)
    whole = floor(logic.select(below, build.negate(x), x), ratio)
    return logic.select(below, build.negate(whole), whole)


def nearest(x: Recorded, ratio: Fraction) -> Recorded:
    """The integer nearest to x / ratio, of two the even one."""
    p, q = ratio.numerator, ratio.denominator
    if p == 1:
        return times(x, q)
    if q == 1 and p & (p - 1) == 0:
        up = _shifted(x, p.bit_length() - 1, 1)
    else:
        up = floor_ratio(plus(times(x, 2 * q), p), Fraction(2 * p))
    if p % 2:
        return up  # no number lies in the middle of two
    distance = build.linear("subtract", plus(times(x, q), p // 2), times(up, p))
    tie = distance.graph.node("is_zero", (distance,))
    odd = build.linear("subtract", up, times(_shifted(up, 1), 2))
    return least_ring(build.linear("subtract", up, logic.inject(tie, odd)))


_FEW_DIGITS = 10


def _few_digits(step: Fraction) -> bool:
    """Whether a step is a binary fraction of ten binary digits at most, such as 0.125; 0.1 has 53."""
    return step.numerator < 1 << _FEW_DIGITS and not step.denominator & (step.denominator - 1)


def steps(x: Recorded, step: Fraction, *, rounded: bool) -> Recorded:
    """How many whole steps lie in the integers x, downwards; the step is above 0.

    `rounded`: each multiple of the step counts as the integer nearest to it, as which x would store it, unless the step
    is a binary number of few digits: nobody means a decimal by it.
    """
    if rounded and step.denominator != 1 and not _few_digits(step):
        return floor_ratio(plus(times(x, 2), 1), 2 * step)
    return floor(x, step)


def _left(x: Recorded, count: Recorded, step: Fraction) -> Recorded:
    return build.linear("subtract", times(x, step.denominator), times(count, step.numerator))


def rest(x: Recorded, count: Recorded, step: Fraction) -> Recorded:
    """step.denominator * (x - count * step), the integers x less all whole steps in them."""
    return bounded(_left(x, count, step), 0, step.numerator - 1, REMAINDER)


def remaining(x: Recorded, count: Recorded, step: Fraction) -> Recorded:
    """x less so many steps, where multiples of the step count as the integers nearest to them."""
    left = _left(x, count, step)
    most = -(-step.numerator // step.denominator) - 1
    if step.denominator > 1:
        assert step.denominator & (step.denominator - 1) == 0
        left = _shifted(left, step.denominator.bit_length() - 1, 1)
        if _few_digits(step):
            most = (2 * (step.numerator - 1) + step.denominator) // (2 * step.denominator)
    return bounded(left, 0, most, REMAINDER)
