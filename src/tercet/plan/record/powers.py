"""Powers with public exponents: roots and reciprocals where the exponent is one, else by a logarithm to the base 2.

The logarithm is kept at the working precision: what it is off by is multiplied by the exponent, and is a relative error
of the result.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction

import numpy as np

from tercet.errors import PlanError
from tercet.plan.record import logic
from tercet.plan.record.build import negate, number
from tercet.plan.record.divide import divide, flipped
from tercet.plan.record.functions import (
    LOGARITHM_BITS,
    meant,
    nominal_of,
    rsqrt,
    sqrt,
    unrounded,
    unrounded_power,
)
from tercet.plan.record.graph import Recorded
from tercet.plan.record.public import number_constant
from tercet.plan.record.scale import at_scale, fitting_ring, in_ring, renamed
from tercet.plan.types import RINGS, smallest_ring

_GUARD = 5
_EXPONENT_BITS = 44
_LARGEST = 1 << 16


def real_power(x: Recorded, exponent: Fraction) -> Recorded:
    """x^p for a public p that is no whole number above -1, within the last bits, relative above 1.

    Of x < 0: x^p where p is whole; else as of 0. 0^p is 0 for p > 0, and that of the least positive number for p < 0.
    """
    x = number(x)
    if exponent in _NAMED:
        return _NAMED[exponent](x)
    if abs(exponent) >= _LARGEST:
        raise PlanError(f"an exponent of {float(exponent):g}", hint=f"they are below {_LARGEST} in magnitude")
    whole = exponent.denominator == 1
    base = (negate(x) if x.type.hi <= 0 else logic.absolute(x)) if whole else x
    found = _of_positive(base, exponent)
    if not whole:
        if exponent > 0 and x.type.lo <= 0:
            found = logic.inject(logic.negative(negate(x)), found)
        return meant(found)
    if exponent.numerator % 2 == 0 or x.type.lo >= 0:
        return meant(found)
    found = meant(found)
    return negate(found) if x.type.hi <= 0 else flipped(logic.negative(x), found)


def _of_positive(x: Recorded, exponent: Fraction) -> Recorded:
    """2^(p log2 x), not rescaled yet."""
    nominal = nominal_of(x)
    size = max(0, (abs(exponent.numerator) // exponent.denominator).bit_length())
    fine = nominal + _GUARD + size
    for ring_bits in RINGS:
        needed = smallest_ring(x.type.lo, x.type.hi)
        if fine > LOGARITHM_BITS[ring_bits] or needed is None or needed > ring_bits:
            continue
        try:
            logarithm = unrounded(x, "log2", (ring_bits,))
            y = _times(logarithm, exponent, fine, nominal + _GUARD)
            return unrounded_power(y, "exp2", nominal)
        except PlanError:
            continue
    raise PlanError(
        f"{x.type} to the power of {float(exponent):g} does not fit the largest ring with {nominal} fractional bits",
        hint="declare narrower bounds (for a negative exponent, such that leave out 0), or use fewer frac_bits",
    )


def _times(x: Recorded, factor: Fraction, fine: int, frac_bits: int) -> Recorded:
    """x, cut to `fine` fractional bits, times a public number, at `frac_bits`."""
    cut = at_scale(renamed(x, x.type.frac_bits, fine), fine) if x.type.frac_bits > fine else x
    stored = round(factor * (1 << _EXPONENT_BITS))
    bits = _EXPONENT_BITS
    while stored and not stored % 2 and bits:
        stored, bits = stored // 2, bits - 1
    lo, hi = sorted((cut.type.lo * stored, cut.type.hi * stored))
    ring_bits = max(fitting_ring(lo, hi, "a power", (x,)), fitting_ring(-abs(stored), abs(stored), "a power", ()))
    constant = number_constant(x.graph, np.asarray(stored, dtype=object), bits, bits, ring_bits)
    product = x.graph.node("scale", (in_ring(cut, ring_bits), constant))
    product = renamed(product, product.type.frac_bits, min(product.type.frac_bits, frac_bits))
    product = at_scale(product, frac_bits)
    return renamed(product, frac_bits, frac_bits)


_NAMED: dict[Fraction, Callable[[Recorded], Recorded]] = {
    Fraction(1, 2): sqrt,
    Fraction(-1, 2): rsqrt,
    Fraction(-1): lambda x: divide(np.asarray(1), x),
}
