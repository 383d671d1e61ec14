"""Division of secrets: normalise, Chebyshev start, Goldschmidt (protocols page §6.4), in plan operations."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tercet.errors import PlanError
from tercet.plan.bounds.relations import quotient_limit
from tercet.plan.record import logic
from tercet.plan.record.approximate import combination, normalise, one_minus, times
from tercet.plan.record.build import Operand, as_node, linear, multiply, negate, number
from tercet.plan.record.graph import Recorded
from tercet.plan.record.logic import inject, logical_not, negative
from tercet.plan.record.public import DEFAULT_FRAC_BITS, constant_in_ring
from tercet.plan.record.scale import (
    at_scale,
    bounded,
    dropped,
    fitting_ring,
    in_ring,
    least_ring,
    overflow,
    product_within,
    read_at,
    renamed,
    settle,
)
from tercet.plan.table.operation import corners
from tercet.plan.table.reasons import CONVERGED, NOT_NEGATIVE, SELECTED, TRUNCATED
from tercet.plan.types import MAX_FRAC_BITS, magnitude

NARROW_BITS = 29
WIDE_BITS = 58
_ROOM = 125
RELATIVE_BITS = 26
"""Quotients are off by a relative 2^-RELATIVE_BITS at most, where that is more than two last bits."""


@dataclass(frozen=True)
class Inverse:
    """1/|b| = mantissa * factor * 2^(frac_bits of b - bits): mantissa in [1, 2], factor a secret power of two."""

    mantissa: Recorded
    factor: Recorded
    bits: int
    frac_bits: int


def inverse_parts(b: Recorded, working_bits: int) -> Inverse:
    """The two factors of 1/b for b > 0 (of 1 for b = 0, as stored), to a relative error of a few 2^-working_bits.

    c = b * factor is b normalised into [1/2, 1). Start p = (256 c^2 - 576 c + 420) / 99 with |1 - c p| <= 1/99
    (Chebyshev), then Goldschmidt: with e = 1 - c p, 1/c = p (1 + e)(1 + e^2)(1 + e^4)...
    """
    wide = working_bits > NARROW_BITS
    g = working_bits
    found = normalise(b, "a division")
    c = renamed(found.value, found.bits, min(found.bits, g))
    c = at_scale(c, g)
    c = in_ring(c, 128) if wide else least_ring(c)
    one = 1 << g
    c2 = times(c, c, g)
    start = combination([(c2, 256 / 99), (c, -576 / 99)], 420 / 99, g)
    p = bounded(start, one, 2 * one + (one >> 6), CONVERGED)
    e = bounded(one_minus(times(c, p, g)), -(one >> 6), one >> 6, CONVERGED)
    w = bounded(linear("add", p, times(p, e, g)), one - (one >> 6), 2 * one + (one >> 6), CONVERGED)
    error_bits = 13
    power = e
    while error_bits < g - 2:
        power = times(power, power, g)
        w = bounded(linear("add", w, times(w, power, g)), one - (one >> 6), 2 * one + (one >> 6), CONVERGED)
        error_bits *= 2
    return Inverse(w, found.factor, found.bits, b.type.frac_bits)


def divide(a: Operand, b: Recorded) -> Recorded:
    """a / b for a secret b; b = 0 counts as one last bit, so that the result lies within its bounds.

    Error: at most two last bits of the result, or a relative 2^-26 where that is more. Result bounds follow from the
    least |b| that b's bounds permit (one last bit if they include zero), and include that error.
    """
    b = settle(number(b))
    if b.type.lo == b.type.hi == 0:
        raise PlanError("the divisor is 0 everywhere, by its bounds", hint="declare the bounds that it has")
    flip: Recorded | None = None
    if b.type.hi <= 0:
        # as integers of Python also the least int64 has an opposite; that of a 0-d array is none itself
        opposite = (
            negate(a) if isinstance(a, Recorded) else np.asarray(-a if a.dtype.kind == "f" else -a.astype(object))
        )
        return divide(opposite, negate(b))
    if b.type.lo < 0:
        flip = negative(b)
        b = _flipped(flip, b)
        b = bounded(b, 0, b.type.hi, SELECTED)
    numerator = settle(number(a)) if isinstance(a, Recorded) else as_node(b.graph, a, _numerator_bits(a, b))
    nominal = max(numerator.type.nominal, b.type.nominal, DEFAULT_FRAC_BITS)
    lo, hi = -_upper(-numerator.type.lo, numerator, b, nominal), _upper(numerator.type.hi, numerator, b, nominal)
    together = quotient_limit(numerator, b)
    if together is not None:
        most = -(-(together << (b.type.frac_bits + nominal)) >> numerator.type.frac_bits)
        lo, hi = max(lo, -most - _error(most)), min(hi, most + _error(most))
        if b.type.lo <= 0:
            numerator = inject(logical_not(b.graph.node("is_zero", (b,))), numerator)
    largest = max(-lo, hi, 1)
    g = NARROW_BITS
    if nominal > 24 or (b.type.lo > 0 and largest.bit_length() > NARROW_BITS - 3):
        g = WIDE_BITS
    parts = inverse_parts(b, g)
    try:
        quotient = _quotient(numerator, parts, nominal, (lo, hi))
    except PlanError:
        if numerator.is_constant:
            raise
        apart = -(-numerator.type.magnitude // max(1, b.type.lo))
        quotient = _factor_first(numerator, parts, nominal, (lo, hi), min(apart, together or apart))
    if flip is not None:
        quotient = _flipped(flip, quotient)
    return quotient


def divide_up_to(a: Recorded, b: Recorded, most: int, nominal: int) -> Recorded:
    """min(a / b, most) at `nominal` fractional bits, for a and b that are not negative; 0 where b is 0.

    The dividend is drawn in to `most` times the divisor, so that the result lies within its bounds whatever goes in.
    Error: two last bits, or a relative 2^-54.
    """
    b = settle(number(b))
    a = logic.minimum(settle(number(a)), multiply(b, np.asarray(most, dtype=object)))
    parts = inverse_parts(b, WIDE_BITS)
    limit = -(-(most << a.type.frac_bits) >> b.type.frac_bits)
    ends = 0, (most << nominal) + _error(most << nominal)
    a = bounded(a, 0, a.type.hi, NOT_NEGATIVE)
    return _factor_first(a, parts, nominal, ends, max(1, limit))


def _upper(bound: int, a: Recorded, b: Recorded, nominal: int) -> int:
    """The largest quotient in last bits for dividends up to a bound: with the error, but never of the other sign."""
    if bound < 0:
        exact = (-bound << (b.type.frac_bits + nominal)) // (max(1, b.type.hi) << a.type.frac_bits)
        return min(0, -exact + _error(exact))
    exact = -(-(bound << (b.type.frac_bits + nominal)) // (max(1, b.type.lo) << a.type.frac_bits))
    return exact + _error(exact) if bound else 0


def _error(quotient: int) -> int:
    return (quotient >> RELATIVE_BITS - 1) + 3


def _numerator_bits(a: NDArray[Any], b: Recorded) -> int:
    """Fractional bits of a public dividend, as many as the quotient's error needs: absolute, or relative."""
    if a.dtype.kind != "f":
        return 0
    least = max(1, b.type.lo)
    absolute = max(b.type.nominal, DEFAULT_FRAC_BITS) + 3 + b.type.frac_bits - (least.bit_length() - 1)
    smallest = np.abs(a[a != 0])
    relative = WIDE_BITS - int(np.frexp(np.min(smallest))[1]) if smallest.size else 0
    return min(max(0, absolute), max(0, relative), MAX_FRAC_BITS)


def _flipped(bit: Recorded, x: Recorded) -> Recorded:
    """-x where the bit is set."""
    result = linear("subtract", x, inject(bit, linear("add", x, x)))
    return bounded(result, -x.type.magnitude, x.type.magnitude, SELECTED)


def _quotient(a: Recorded, parts: Inverse, nominal: int, ends: tuple[int, int]) -> Recorded:
    """a * mantissa * factor, rescaled to `nominal` bits in at most two steps."""
    g, w, v = parts.mantissa.type.frac_bits, parts.mantissa, parts.factor
    ring_bits = fitting_ring(*_corner(a, w), "a division", (a, w))
    if a.is_constant:
        scaled = w.graph.node("scale", (in_ring(w, ring_bits), constant_in_ring(a, ring_bits)))
    else:
        scaled = a.graph.node("multiply", (in_ring(a, ring_bits), in_ring(w, ring_bits)))
    excess = a.type.frac_bits + g + parts.bits - parts.frac_bits - nominal
    # dropping `first` bits of a * mantissa costs 2^(first + nominal - 1 - g) last bits (for equal frac_bits), and a
    # relative 2^(first - g): either may be small enough
    slack = min(max(g + 1 + a.type.frac_bits - parts.frac_bits - nominal, g - 27), excess, g - 2)
    for ring_bits in (64, 128) if g <= NARROW_BITS else (128,):
        first = scaled.type.magnitude.bit_length() + v.type.magnitude.bit_length() - (ring_bits - 3)
        if 0 < first <= slack:
            scaled = least_ring(at_scale(renamed(scaled, first, 0), 0))
            excess -= first
        if first <= slack:
            break
    product = multiply(renamed(scaled, 0, 0), v)
    if (beyond := nominal + excess - MAX_FRAC_BITS) > 0:  # more than a type can carry: dropped first
        product = at_scale(renamed(product, beyond, 0), 0)
        excess -= beyond
    stored = nominal + excess
    product = read_at(product, stored, nominal)
    lo, hi = (end << max(excess, 0) for end in ends)
    product = bounded(product, lo, hi, CONVERGED)
    return least_ring(at_scale(product, nominal)) if excess > 0 else product


def _factor_first(a: Recorded, parts: Inverse, nominal: int, ends: tuple[int, int], limit: int) -> Recorded:
    """a * factor * mantissa, for |a| / b <= limit as stored integers: what a and b have in common bounds a * factor.

    Cut to two bits more than the result has before the mantissa comes in: half a last bit.
    """
    g, w, v = parts.mantissa.type.frac_bits, parts.mantissa, parts.factor
    frac = a.type.frac_bits + parts.bits - parts.frac_bits
    lost = max(0, frac - nominal - 3)
    widest = limit << parts.bits
    beyond = (widest >> parts.bits).bit_length() + parts.bits - _ROOM
    if beyond <= 0:
        product = dropped(product_within(a, v, 0 if a.type.lo >= 0 else -widest, widest, CONVERGED), lost)
    elif beyond <= lost and beyond + parts.bits <= _ROOM:
        # a in two parts, of which the upper one loses its lowest bits with the factor
        upper = dropped(a, beyond)
        lower = linear("subtract", renamed(a, 0, 0), multiply(upper, np.asarray(1 << beyond, dtype=object)))
        lower = bounded(lower, -(1 << beyond), 1 << beyond, TRUNCATED)
        product = linear("add", dropped(multiply(upper, v), lost - beyond), dropped(multiply(lower, v), lost))
    else:
        raise overflow(-widest, widest, "a division", (a,))
    frac -= lost
    product = multiply(renamed(product, 0, 0), renamed(w, 0, 0))
    excess = frac + g - nominal
    lo, hi = (end << max(excess, 0) for end in ends)
    product = bounded(read_at(product, frac + g, nominal), lo, hi, CONVERGED)
    return least_ring(at_scale(product, nominal)) if excess > 0 else product


def _corner(a: Recorded, b: Recorded) -> tuple[int, int]:
    lo, hi = corners(a.type, b.type)
    widest = max(magnitude(lo, hi), a.type.magnitude, b.type.magnitude)
    return -widest, widest
