"""Arithmetic on recorded values beyond what the plan floor has: exact quotients by public numbers, powers, rounding."""

from __future__ import annotations

from fractions import Fraction

import numpy as np

from tercet.errors import PlanError
from tercet.plan import build, logic
from tercet.plan.graph import Node
from tercet.plan.public import DEFAULT_FRAC_BITS, number_constant
from tercet.plan.scale import at_scale, bounded, fitting_ring, in_ring, least_ring, renamed, settle
from tercet.plan.types import Kind, limit, smallest_ring

FEWEST_FACTOR_BITS = 33


def over(x: Node, divisor: Fraction) -> Node:
    """x / divisor as a product with the public reciprocal.

    The reciprocal's rounding costs below a quarter of a last bit; or a relative 2^-32 where declared bounds are so wide
    that 128 bits do not take more of it.
    """
    x = build.number(x)
    inverse = 1 / divisor
    if inverse.denominator == 1:
        return build.multiply(x, np.asarray(inverse.numerator, dtype=object))
    nominal = max(x.type.nominal, DEFAULT_FRAC_BITS)
    value_bits = max(0, x.type.magnitude.bit_length() - x.type.frac_bits)
    frac = nominal + value_bits + 2
    if inverse.denominator & (inverse.denominator - 1) == 0:
        frac = min(frac, inverse.denominator.bit_length() - 1)
    factor = np.asarray(round(inverse * (1 << frac)), dtype=object)
    tried: tuple[int, Node] | None = None
    for operand in (x, settle(x)):
        widest = operand.type.magnitude * abs(int(factor))
        ring_bits = smallest_ring(-widest, widest)
        if ring_bits is not None and (tried is None or ring_bits < tried[0]):
            tried = (ring_bits, operand)
    spare = int(abs(divisor)).bit_length() - nominal - 4
    if tried is None and spare > 0:
        # of a dividend this much larger than the quotient, the lowest bits do not count
        x = settle(x)
        frac = x.type.frac_bits
        return over(at_scale(renamed(x, frac + spare, frac), frac), divisor / (1 << spare))
    settled = settle(x)
    room = limit(128).bit_length() - 2 - settled.type.magnitude.bit_length()
    if tried is None and room >= FEWEST_FACTOR_BITS:
        frac -= abs(int(factor)).bit_length() - room
        factor = np.asarray(round(inverse * (1 << frac)), dtype=object)
        tried = (128, settled)
    if tried is None:
        widest = x.type.magnitude * abs(int(factor))
        fitting_ring(-widest, widest, "a quotient by a public number", (x,))
        raise AssertionError
    ring_bits, operand = max(tried[0], smallest_ring(-abs(int(factor)), abs(int(factor))) or 128), tried[1]
    constant = number_constant(x.graph, factor, frac, min(frac, nominal), ring_bits)
    return x.graph.node("scale", (in_ring(operand, ring_bits), constant))


def power(x: Node, exponent: int) -> Node:
    """x to a small public power, by squaring."""
    x = build.number(x)
    if exponent == 0:
        return build.shared_integers(x, 1 << x.type.nominal, x.type.nominal)
    result: Node | None = None
    while True:
        if exponent & 1:
            result = x if result is None else build.multiply(result, x)
        exponent >>= 1
        if not exponent:
            assert result is not None
            return result
        x = build.multiply(x, x)


def floor_divide(x: Node, divisor: Fraction) -> Node:
    """floor(x / divisor) exactly, as an integer, for a public divisor.

    With X = x 2^f and divisor 2^f = p / q: floor(X q / p). For a dividend Y >= 0 below 2^N and k = N + bits(p),
    floor(Y / p) = floor(Y m / 2^k) with m = ceil(2^k / p) (Granlund, Montgomery, PLDI 1994); a multiple of p added
    first makes Y >= 0.
    """
    x = build.number(x)
    if divisor < 0:
        return floor_divide(build.negate(x), -divisor)
    ratio = divisor * (1 << x.type.frac_bits)
    p, q = ratio.numerator, ratio.denominator
    dividend = build.multiply(renamed(x, 0, 0), np.asarray(q, dtype=object))
    lift = -(dividend.type.lo // p)
    dividend = build.linear("add", dividend, np.asarray(lift * p, dtype=object)) if lift else dividend
    if p == 1:
        quotient = dividend
    else:
        k = dividend.type.hi.bit_length() + p.bit_length()
        m = -(-(1 << k) // p)
        shift = (m & -m).bit_length() - 1
        m, k = m >> shift, k - shift
        scaled = build.multiply(dividend, np.asarray(m, dtype=object))
        quotient = least_ring(scaled.graph.node("round", (renamed(scaled, k, 0),), (k, 0))) if k else scaled
    return build.linear("subtract", quotient, np.asarray(lift, dtype=object)) if lift else quotient


def remainder(x: Node, divisor: Fraction) -> Node:
    """x - floor(x / divisor) * divisor for a public divisor."""
    x = settle(build.number(x))
    step = np.asarray(divisor.numerator if divisor.denominator == 1 else float(divisor))
    result = build.linear("subtract", x, build.multiply(floor_divide(x, divisor), step))
    stored = divisor * (1 << result.type.frac_bits)
    if divisor.denominator != 1:
        return result
    lo, hi = (0, int(stored) - 1) if divisor > 0 else (int(stored) + 1, 0)
    return bounded(result, lo, hi, "a remainder is smaller than the divisor")


def floor(x: Node) -> Node:
    """The greatest integer not above x."""
    return _rounded(x, 0)


def _rounded(x: Node, nearest: int) -> Node:
    x = build.number(x)
    if not x.type.frac_bits:
        return x
    half = nearest << (x.type.frac_bits - 1)
    if x.type.frac_bits > x.type.ring - 3 or x.type.hi + half >= limit(x.type.ring):
        x = in_ring(x, 128)  # a truncation in this ring could not drop as much, or not take the half that is added
    return least_ring(x.graph.node("round", (x,), (x.type.frac_bits, nearest)))


def ceil(x: Node) -> Node:
    """The least integer not below x."""
    return build.negate(floor(build.negate(x)))


def trunc(x: Node) -> Node:
    """x rounded towards zero."""
    x = settle(build.number(x))
    if not x.type.frac_bits or x.type.lo >= 0:
        return floor(x)
    if x.type.hi <= 0:
        return ceil(x)
    below = logic.negative(x)
    whole = floor(logic.select(below, build.negate(x), x))
    return logic.select(below, build.negate(whole), whole)


def rounded(x: Node) -> Node:
    """x rounded to the nearest integer, halves to the even one."""
    x = settle(build.number(x))
    frac = x.type.frac_bits
    if not frac:
        return x
    up = _rounded(x, 1)
    half = np.asarray(1 << (frac - 1), dtype=object)
    stored = renamed(x, 0, 0)
    distance = build.linear("subtract", build.linear("add", stored, half), build.multiply(up, np.asarray(1 << frac)))
    tie = distance.graph.node("is_zero", (distance,), (0,))
    odd = build.linear("subtract", up, build.multiply(_rounded(renamed(up, 1, 0), 0), np.asarray(2)))
    return least_ring(build.linear("subtract", up, logic.inject(tie, odd)))


def as_fixed(x: Node, frac_bits: int) -> Node:
    """The value with this many nominal fractional bits: exact upwards, rescaled downwards."""
    x = build.number(x)
    if x.type.frac_bits < frac_bits:
        x = at_scale(x, frac_bits)
    if x.type.frac_bits == frac_bits and x.type.kind is Kind.FIXED and x.type.nominal == frac_bits:
        return x
    return settle(renamed(x, x.type.frac_bits, frac_bits))


def whole(value: object) -> int:
    """A public exponent as a small non-negative int; TypeError or PlanError otherwise."""
    array = np.asarray(value)
    if array.ndim or array.dtype.kind not in "iub" or int(array) < 0:
        raise PlanError(
            "a secret is raised to small non-negative public integer powers only", hint="multiply, or use tc.divide"
        )
    return int(array)
