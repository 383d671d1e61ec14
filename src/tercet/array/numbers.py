"""Arithmetic on recorded values beyond what the plan floor has: products with reciprocals, powers, other scales."""

from __future__ import annotations

from fractions import Fraction

import numpy as np

from tercet.errors import PlanError
from tercet.plan.record import build
from tercet.plan.record.graph import Recorded
from tercet.plan.record.public import DEFAULT_FRAC_BITS, number_constant, public_array
from tercet.plan.record.scale import at_scale, fitting_ring, in_ring, overflow, renamed, settle
from tercet.plan.types import MAX_FRAC_BITS, ValueKind, limit, smallest_ring

FEWEST_FACTOR_BITS = 33


def over(x: Recorded, divisor: Fraction, least_bits: int = DEFAULT_FRAC_BITS) -> Recorded:
    """x / divisor as a product with the public reciprocal, at `least_bits` fractional bits or those of x.

    The reciprocal's rounding costs below a quarter of a last bit; or a relative 2^-32 where declared bounds are so wide
    that 128 bits do not take more of it.
    """
    x = build.number(x)
    nominal = max(x.type.nominal, least_bits)
    inverse = 1 / divisor
    if inverse.denominator == 1:
        return as_fixed(build.multiply(x, np.asarray(inverse.numerator, dtype=object)), nominal)
    value_bits = max(0, x.type.magnitude.bit_length() - x.type.frac_bits)
    wanted = nominal + value_bits + 2
    if inverse.denominator & (inverse.denominator - 1) == 0:
        wanted = min(wanted, inverse.denominator.bit_length() - 1)
    best: tuple[int, Recorded, int] | None = None
    for operand in (x, settle(x)):
        # at least as many bits as the result is said to have
        frac = max(wanted, nominal - operand.type.frac_bits)
        ring_bits = _ring_of_product(operand, inverse, frac)
        if ring_bits is not None and (best is None or ring_bits < best[0]):
            best = ring_bits, operand, frac
    if best is None:
        x = settle(x)
        spare = int(abs(divisor)).bit_length() - (nominal - x.type.frac_bits) - 4
        if spare > 0:
            # of a dividend this much larger than the quotient, the lowest bits do not count
            frac = x.type.frac_bits
            x = renamed(at_scale(renamed(x, frac + spare, frac), frac), frac, frac)
            return over(x, divisor / (1 << spare), least_bits)
        room = limit(128).bit_length() - 2 - x.type.magnitude.bit_length()
        if room < FEWEST_FACTOR_BITS:
            widest = x.type.magnitude * abs(round(inverse * (1 << wanted)))
            fitting_ring(-widest, widest, "a quotient by a public number", (x,))
            raise overflow(-widest, widest, "a quotient by a public number", (x,))
        frac = wanted - abs(round(inverse * (1 << wanted))).bit_length() + room
        if frac < nominal - x.type.frac_bits:
            raise overflow(-x.type.magnitude << nominal, x.type.magnitude << nominal, "a quotient", (x,))
        best = 128, x, frac
    ring_bits, operand, frac = best
    factor = np.asarray(round(inverse * (1 << frac)), dtype=object)
    constant = number_constant(x.graph, factor, frac, min(frac, nominal), ring_bits)
    product = x.graph.node("scale", (in_ring(operand, ring_bits), constant))
    return renamed(product, product.type.frac_bits, nominal) if product.type.nominal != nominal else product


def _ring_of_product(x: Recorded, factor: Fraction, frac: int) -> int | None:
    """The ring in which x times the factor at this scale fits; None if none takes it."""
    if frac < 0 or x.type.frac_bits + frac > MAX_FRAC_BITS:
        return None
    stored = abs(round(factor * (1 << frac)))
    widest = max(x.type.magnitude * stored, stored, x.type.magnitude)
    return smallest_ring(-widest, widest)


def power(x: Recorded, exponent: int) -> Recorded:
    """x to a small public power, by squaring."""
    x = build.number(x)
    if exponent == 0:
        return build.shared_integers(x, 1 << x.type.nominal, x.type.nominal)
    result: Recorded | None = None
    while True:
        if exponent & 1:
            result = x if result is None else build.multiply(result, x)
        exponent >>= 1
        if not exponent:
            assert result is not None
            return result
        x = build.multiply(x, x)


def power_of(x: Recorded, exponent: object) -> Recorded:
    """x to a public power as it is given: of integers, a float gives fixed point, as in NumPy."""
    result = power(x, whole(exponent))
    floating = np.asarray(exponent).dtype.kind == "f" and result.type.kind is ValueKind.INT
    return as_fixed(result, DEFAULT_FRAC_BITS) if floating else result


def as_fixed(x: Recorded, frac_bits: int) -> Recorded:
    """The value with this many nominal fractional bits: exact upwards, rescaled downwards."""
    x = build.number(x)
    if x.type.frac_bits < frac_bits:
        x = at_scale(x, frac_bits)
    if x.type.frac_bits == frac_bits and x.type.kind is ValueKind.FIXED and x.type.nominal == frac_bits:
        return x
    return settle(renamed(x, x.type.frac_bits, frac_bits))


def whole(value: object) -> int:
    """A public exponent as a small non-negative int; TypeError or PlanError otherwise."""
    array = public_array(value)
    whole_number = not array.ndim and (
        array.dtype.kind in "iub" or (array.dtype.kind == "f" and array == np.rint(array))
    )
    if not whole_number or not 0 <= array < 1 << 16:
        raise PlanError(
            "a secret is raised to one public number below 2^16",
            hint="multiply, or use tc.exp and tc.log",
        )
    return int(array)
