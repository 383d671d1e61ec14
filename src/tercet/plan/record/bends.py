"""Functions that are one line on one side of a bend: leaky_relu, elu, huber."""

from __future__ import annotations

from fractions import Fraction
from math import ceil, log2

import numpy as np

from tercet.plan.record import logic
from tercet.plan.record.build import linear, multiply, negate, number
from tercet.plan.record.functions import meant, nominal_of, unrounded_power
from tercet.plan.record.graph import Recorded
from tercet.plan.record.logic import inject, negative
from tercet.plan.record.public import exact_frac_bits, integers
from tercet.plan.record.scale import at_scale, bounded, cut_to, renamed, settle
from tercet.plan.record.tails import relu
from tercet.plan.table.reasons import SELECTED

_GUARD = 8
"""Fractional bits beyond those of the result that a power has before it is multiplied."""


def as_real(x: Recorded) -> Recorded:
    """A number with the fractional bits that results of functions have, at least."""
    x = number(x)
    nominal = nominal_of(x)
    return renamed(at_scale(x, nominal), nominal, nominal) if x.type.frac_bits < nominal else x


def below(x: Recorded) -> Recorded:
    """min(x, 0); exact. One comparison, which `relu` shares, and one injection."""
    return x if x.type.hi <= 0 else bounded(inject(negative(x), x), min(0, x.type.lo), 0, SELECTED)


def leaky_relu(x: Recorded, slope: float) -> Recorded:
    """max(x, 0) + slope min(x, 0), rescaled once."""
    x = as_real(x)
    if x.type.lo >= 0:
        return x
    return meant(linear("add", multiply(below(x), np.asarray(float(slope))), relu(x)))


def elu(x: Recorded, alpha: float) -> Recorded:
    """max(x, 0) + alpha (e^min(x, 0) - 1), rescaled once."""
    x = as_real(x)
    if x.type.lo >= 0:
        return x
    nominal = nominal_of(x)
    more = max(0, ceil(log2(abs(alpha)))) if alpha else 0
    bits = nominal + _GUARD + more
    power = linear("subtract", unrounded_power(below(settle(x)), "exp", nominal + more), np.asarray(1))
    power = cut_to(power, bits)
    scaled = power if alpha == 1 else multiply(power, np.asarray(float(alpha)))
    return meant(linear("add", renamed(scaled, scaled.type.frac_bits, nominal), relu(x)))


def huber(x: Recorded, delta: float) -> Recorded:
    """x^2 / 2 for |x| <= delta, and delta (|x| - delta / 2) beyond it.

    With a = min(|x|, delta) and b = |x| - a, none of them negative, it is a (a + 2 b) / 2: one product, rescaled once.
    """
    x = as_real(x)
    u = negate(x) if x.type.hi <= 0 else logic.absolute(x)
    public = np.asarray(float(delta))
    exponent = Fraction(delta).numerator.bit_length() - Fraction(delta).denominator.bit_length()
    # delta is meant to be right to a relative 2^-(nominal + 3), or to that of the largest |x|
    size = max(0, u.type.hi.bit_length() - u.type.frac_bits)
    needed = max(u.type.frac_bits, nominal_of(x) + 3 + min(size, max(0, -exponent) + 1))
    frac, nominal = min(needed, max(u.type.frac_bits, exact_frac_bits(public))), nominal_of(x)
    u = renamed(at_scale(u, frac), frac, frac)
    above = linear("subtract", u, public)
    if above.type.hi <= 0:
        product = multiply(u, u)
    else:
        beyond = relu(above)
        inside = negative(above)
        bend = int(integers(public, frac))
        held = bounded(linear("add", inject(inside, above), public), min(u.type.lo, bend), bend, SELECTED)
        product = multiply(held, linear("add", held, linear("add", beyond, beyond)))
    return meant(renamed(product, product.type.frac_bits + 1, nominal))
