"""Powers: roots and reciprocals where a public exponent is one, squares chosen by the bits of a secret whole one, else
by a logarithm to the base 2.

The logarithm is kept at the working precision: what it is off by is multiplied by the exponent, and is a relative error
of the result.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tercet.errors import PlanError
from tercet.plan.record import counting, logic
from tercet.plan.record.build import Operand, broadcast_to, linear, multiply, negate, number, shared_integers
from tercet.plan.record.divide import divide
from tercet.plan.record.functions import (
    candidates,
    logarithms,
    meant,
    nominal_of,
    rsqrt,
    size_of,
    sqrt,
    unrounded_power,
    zero_times,
)
from tercet.plan.record.graph import Recorded
from tercet.plan.record.public import bounds_of, number_constant, public_array
from tercet.plan.record.scale import cut_to, fitting_ring, in_ring, least_ring, renamed
from tercet.plan.table import real
from tercet.plan.table.attributes import Powering, PublicBase
from tercet.plan.table.operation import broadcast_shapes
from tercet.plan.table.ops_powers import exponent_bits
from tercet.plan.table.reasons import POWER_DOMAIN
from tercet.plan.types import ValueKind, magnitude

_GUARD = 5
_FACTOR_BITS = 44
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
    whole, nominal = exponent.denominator == 1, nominal_of(x)

    def times(logarithm: Recorded) -> Recorded:
        return _times(logarithm, np.asarray(round(exponent * (1 << _FACTOR_BITS)), dtype=object), _FACTOR_BITS)

    x = x if whole else _not_negative(x)
    found = _by_logarithm(size_of(x) if whole else x, times, abs(int(exponent)), nominal, f"{float(exponent):g}")
    if not whole and exponent > 0 and x.type.lo <= 0:
        found = logic.inject(logic.negative(negate(x)), found)
    if whole and exponent.numerator % 2 and x.type.lo < 0:
        found = negate(found) if x.type.hi <= 0 else _flipped(logic.negative(x), found)
    return meant(found)


def secret_power(x: Operand, y: Recorded) -> Recorded:
    """x^y for a secret y.

    Integers to powers that are not negative are exact, and so are other numbers where 128 bits take all of the power;
    else it is within the last bits, relative above 1. 0^0 is 1, 0^y is 0 for y > 0 and that of the least positive
    number for y < 0. x < 0 has its sign where y is an integer, and is as 0 where y has fractional bits. PlanError if
    bounds do not fit.
    """
    y = number(y)
    if not isinstance(x, Recorded):
        return _of_public(public_array(x), y)
    x = number(x)
    shape = broadcast_shapes(x.type.shape, y.type.shape)
    x, y = broadcast_to(x, shape), broadcast_to(y, shape)
    whole = y.type.kind is ValueKind.INT
    if whole and y.type.lo >= 0:
        exact = _chosen(x, y)
        if exact is not None:
            return exact
        if x.type.kind is ValueKind.INT:
            raise _does_not_fit(f"{x.type}", y)
    x = x if whole else _not_negative(x)
    found = _by_logarithm(
        size_of(x) if whole else x,
        lambda logarithm: zero_times(multiply(y, logarithm)),
        _whole_part(y),
        max(nominal_of(x), nominal_of(y)),
        f"{y.type}",
    )
    none = _none(x, y, whole)
    if none is not None:
        found = logic.inject(logic.logical_not(none), found)
    if whole and x.type.lo < 0:
        odd = _odd(y)
        found = _flipped(odd if x.type.hi <= 0 else logic.logical_and(odd, logic.negative(x)), found)
    return meant(found)


def _not_negative(x: Recorded) -> Recorded:
    return x if x.type.lo >= 0 else logic.at_least(x, 0, POWER_DOMAIN)


def _flipped(bit: Recorded, x: Recorded) -> Recorded:
    """-x where the bit is set: a product, as twice x need not fit."""
    return _as_it_is(x, linear("subtract", np.asarray(1), multiply(number(bit), np.asarray(2))))


def _as_it_is(x: Recorded, factor: Operand) -> Recorded:
    """x times whole numbers, not rescaled before."""
    bits = x.type.frac_bits
    return renamed(multiply(renamed(x, bits, bits), factor), bits, x.type.nominal)


def _none(x: Recorded, y: Recorded, whole: bool) -> Recorded | None:
    """Where the power is 0: of x = 0, or of x <= 0 where y has fractional bits, if y > 0; None if it is nowhere."""
    if x.type.lo > 0 or (whole and x.type.hi < 0) or y.type.hi <= 0:
        return None
    zero = x.graph.node("is_zero", (x,)) if whole else logic.logical_not(logic.negative(negate(x)))
    return zero if y.type.lo > 0 else logic.logical_and(zero, logic.negative(negate(y)))


def _odd(y: Recorded) -> Recorded:
    return counting.bits(y, 1)[0]


def _whole_part(y: Recorded) -> int:
    return y.type.magnitude >> y.type.frac_bits


def _chosen(x: Recorded, y: Recorded) -> Recorded | None:
    """The exact power, in the first ring that takes it; None if there is none."""
    exponent = least_ring(y)
    for candidate in candidates(x):
        attrs = Powering(candidate.type.frac_bits, exponent_bits(y.type))
        try:
            found = x.graph.node("whole_power", (candidate, exponent), attrs)
        except PlanError:
            continue
        return meant(found) if x.type.frac_bits else found
    return None


def _does_not_fit(base: str, y: Recorded) -> PlanError:
    return PlanError(
        f"{base} to powers of up to {y.type.hi} does not fit the largest ring",
        hint="declare narrower bounds for the base or the exponent, or hold the exponent with numpy.minimum(y, most)",
    )


# ---- by logarithms ----


def _by_logarithm(
    x: Recorded, times: Callable[[Recorded], Recorded], most: int, nominal: int, exponent: str
) -> Recorded:
    """2^(p log2 x), not rescaled yet; `times` multiplies by p, whose whole part is at most `most` in size."""
    for logarithm in logarithms(x, "log2", nominal + _GUARD + most.bit_length()):
        try:
            return unrounded_power(cut_to(times(logarithm), nominal + _GUARD), "exp2", nominal)
        except PlanError:
            continue
    raise PlanError(
        f"{x.type} to the power of {exponent} does not fit the largest ring with {nominal} fractional bits",
        hint="declare narrower bounds (for a negative exponent, such that leave out 0), or use fewer frac_bits",
    )


def _times(x: Recorded, factor: NDArray[Any], bits: int) -> Recorded:
    """x times public numbers with so many fractional bits."""
    while bits and not np.any(factor % 2):
        factor, bits = np.asarray(factor // 2, dtype=object), bits - 1
    largest = magnitude(*bounds_of(factor))
    widest = max(x.type.magnitude * largest, x.type.magnitude, largest)
    ring_bits = fitting_ring(-widest, widest, "a power", (x,))
    constant = number_constant(x.graph, factor, bits, bits, ring_bits)
    return x.graph.node("scale", (in_ring(x, ring_bits), constant))


# ---- of public numbers ----

_BASES = {2.0: "exp2", 10.0: "exp10", math.e: "exp"}


def _of_public(x: NDArray[Any], y: Recorded) -> Recorded:
    """x^y for public x."""
    whole = y.type.kind is ValueKind.INT
    if (whole and y.type.lo >= 0 and x.dtype.kind in "iub") or x.dtype.kind == "O":
        return _of_integers(x, y)
    values = x.astype(np.float64)
    if not whole and (values < 0).any():
        raise ValueError("a public number to the power of a secret one with fractional bits is not negative")
    if y.type.lo < 0 and not values.all():
        raise ValueError("a public 0 is raised to a secret power that may be negative; its bounds say so")
    found = _of_positive(np.where(values == 0, 1.0, np.abs(values)), y)
    below = values < 0
    if below.any():
        found = _flipped(logic.logical_and(_odd(y), below), found)
    if not values.all():
        of_zero = multiply(number(logic.logical_not(logic.negative(negate(y)))), _ones(values == 0))
        found = linear("add", _as_it_is(found, _ones(values != 0)), of_zero)
    return meant(found)


def _ones(where: NDArray[np.bool_]) -> NDArray[Any]:
    return np.asarray(where, dtype=np.int64)


def _of_integers(x: NDArray[Any], y: Recorded) -> Recorded:
    """Exactly, by exponents that are not negative."""
    shape = broadcast_shapes(x.shape, y.type.shape)
    bases = {int(one) for one in x.reshape(-1)}
    if len(bases) == 1 and abs(base := bases.pop()) >= 2:
        try:
            found = y.graph.node("public_power", (least_ring(y),), PublicBase(base, exponent_bits(y.type)))
        except PlanError:
            raise _does_not_fit(str(base), y) from None
        return broadcast_to(found, shape)
    y = broadcast_to(y, shape)
    shared = shared_integers(y, np.broadcast_to(x, shape))
    exact = _chosen(shared, y)
    if exact is None:
        raise _does_not_fit("a public integer", y)
    return exact


def _of_positive(x: NDArray[np.float64], y: Recorded) -> Recorded:
    """By powers of 2, 10 and e where all are one of these; not rescaled yet."""
    nominal = nominal_of(y)
    base = _BASES.get(float(x.flat[0])) if x.size and (x == x.flat[0]).all() else None
    if base is not None:
        return broadcast_to(unrounded_power(y, base, nominal), broadcast_shapes(x.shape, y.type.shape))
    bits = nominal + _GUARD + 1 + _whole_part(y).bit_length()
    factors = np.array([*(_logarithm(Fraction(float(one)), bits) for one in x.reshape(-1)), None], dtype=object)
    y = broadcast_to(y, broadcast_shapes(x.shape, y.type.shape))
    product = cut_to(_times(y, factors[:-1].reshape(x.shape), bits), nominal + _GUARD)
    return unrounded_power(product, "exp2", nominal)


def _logarithm(x: Fraction, bits: int) -> int:
    """log2 x with so many fractional bits, of a dyadic fraction."""
    return real.logarithm("log2", x.numerator, x.denominator.bit_length() - 1, bits)


_NAMED: dict[Fraction, Callable[[Recorded], Recorded]] = {
    Fraction(1, 2): sqrt,
    Fraction(-1, 2): rsqrt,
    Fraction(-1): lambda x: divide(np.asarray(1), x),
}
