"""Functions of recorded values: the ring and scale of their argument, what is clipped, and refusals."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from tercet.errors import PlanError
from tercet.plan.record import logic
from tercet.plan.record.build import Operand, linear, multiply, negate, number
from tercet.plan.record.graph import Recorded
from tercet.plan.record.public import DEFAULT_FRAC_BITS, public_array
from tercet.plan.record.scale import all_at, bounded, cut_to, in_ring, least_ring, marked, renamed, settle
from tercet.plan.table import real
from tercet.plan.table.attributes import Approximation
from tercet.plan.table.ops_functions import LOGARITHMS, placed_shape, power_shape, turn_shape
from tercet.plan.table.reasons import (
    ACOSH_DOMAIN,
    INVERSE_ROOT_DOMAIN,
    LOG_DOMAIN,
    ROOT_DOMAIN,
    SELECTED,
    ZERO_TIMES,
    Reason,
)
from tercet.plan.types import RINGS, Type, smallest_ring
from tercet.protocols.functions import BELOW, GUARD

_ONE = np.asarray(1)
LOGARITHM_BITS = {64: 27, 128: 57}
"""Fractional bits to which a logarithm is sure in each ring."""
_LOWEST: dict[str, tuple[int, Reason]] = {
    **dict.fromkeys(LOGARITHMS, (1, LOG_DOMAIN)),
    "sqrt": (0, ROOT_DOMAIN),
    "rsqrt": (0, INVERSE_ROOT_DOMAIN),
}
"""The least stored integer that each function takes, to which others are drawn in."""


def exp(x: Recorded, base: str = "exp", plus: int = 0) -> Recorded:
    """e^x, or 2^x and 10^x for the bases "exp2" and "exp10". Far below its last bit the result is 0 exactly.
    `plus` is a whole number that is added before the result is rescaled.

    PlanError, which says what to declare, if the result's bounds do not fit the largest ring.
    """
    found = unrounded_power(x, base, nominal_of(x))
    return meant(linear("add", found, np.asarray(plus)) if plus else found)


def unrounded_power(x: Recorded, base: str, nominal: int) -> Recorded:
    """A power to so many fractional bits at least, not rescaled yet; errors as `exp`."""
    x = number(x)
    for candidate in candidates(x):
        least = _least_argument(base, candidate.type.frac_bits, nominal)
        if candidate.type.lo < least:
            candidate = logic.at_least(candidate, least)
        found = recorded(base, candidate, nominal, power_shape)
        if found is not None:
            return found
    raise too_large(base, x, nominal)


def expm1(x: Recorded) -> Recorded:
    """e^x - 1."""
    return exp(x, plus=-1)


def log(x: Recorded, base: str = "log") -> Recorded:
    """The natural logarithm, or that to the base 2 or 10 ("log2", "log10"). Of x <= 0 it is that of the least x > 0."""
    return meant(unrounded(x, base))


def log1p(x: Recorded) -> Recorded:
    """log(1 + x); the sum is exact."""
    return log(linear("add", number(x), _ONE))


def sqrt(x: Recorded) -> Recorded:
    """The square root; of x < 0 it is 0."""
    return meant(unrounded(x, "sqrt"))


def cbrt(x: Recorded) -> Recorded:
    """The cube root; of x < 0 it is that of -x with the opposite sign."""
    x = number(x)
    return meant(signed(x, unrounded(size_of(x), "cbrt")))


def rsqrt(x: Recorded) -> Recorded:
    """1 / sqrt(x); of x <= 0 it is 0."""
    return meant(unrounded(x, "rsqrt"))


def sine(x: Recorded, name: str) -> Recorded:
    """sin(x), or cos(x) by the name "cos"."""
    x = number(x)
    nominal = nominal_of(x)
    for candidate in candidates(x):
        found = recorded(name, candidate, nominal, turn_shape)
        if found is not None:
            return meant(found)
    raise PlanError(
        f"{name} of {x.type} to {nominal} fractional bits does not fit the largest ring",
        hint="declare narrower bounds or fewer frac_bits for its argument",
    )


def hypot(a: Operand, b: Operand) -> Recorded:
    """sqrt(a^2 + b^2), of the exact sum: of a small one a root makes more of what a square would be rounded by."""
    nominal = max(nominal_of(x) for x in (a, b) if isinstance(x, Recorded))
    fine = 2 * nominal if any(not isinstance(x, Recorded) and public_array(x).dtype.kind == "f" for x in (a, b)) else 0
    total = linear("add", _squared(a, fine), _squared(b, fine))
    frac = total.type.frac_bits
    return sqrt(renamed(total, frac, min(frac, nominal)) if frac > nominal else total)


def _squared(x: Operand, fine: int) -> Operand:
    """The square, with so many fractional bits at least, all of which count."""
    if isinstance(x, Recorded):
        square = multiply(x, x)
        bits = square.type.frac_bits
        return all_at(square, max(bits, fine)) if bits or fine else square
    public = public_array(x)
    if public.dtype.kind != "f":
        return np.asarray(public.astype(object) ** 2, dtype=object)
    with np.errstate(over="ignore"):  # what outgrows a float is refused as infinite
        return public_array(public**2)


def atanh(x: Recorded) -> Recorded:
    """(log(1 + x) - log(1 - x)) / 2, rescaled once; beyond -1 and 1 with the least logarithm."""
    x = number(x)
    return _halved(linear("subtract", *(unrounded(linear(name, _ONE, x), "log") for name in ("add", "subtract"))))


def logit(x: Recorded) -> Recorded:
    """log(x) - log(1 - x), rescaled once; beyond 0 and 1 with the least logarithm."""
    x = number(x)
    return meant(linear("subtract", unrounded(x, "log"), unrounded(linear("subtract", _ONE, x), "log")))


def asinh(x: Recorded) -> Recorded:
    """The sign of x times log(|x| + sqrt(x^2 + 1)), with the square and the root before they are rescaled."""
    x = number(x)
    u = size_of(x)
    return meant(signed(x, unrounded(linear("add", u, unrounded(linear("add", multiply(u, u), _ONE), "sqrt")), "log")))


def size_of(x: Recorded) -> Recorded:
    """|x|, without a comparison where bounds say the sign."""
    return negate(x) if x.type.hi <= 0 else logic.absolute(x)


def signed(x: Recorded, result: Recorded) -> Recorded:
    """A result for |x| of a function with f(-x) = -f(x), with the sign of x."""
    if x.type.lo >= 0:
        return result
    if x.type.hi <= 0:
        return negate(result)
    largest = result.type.magnitude
    flipped = linear("subtract", result, logic.inject(logic.negative(x), linear("add", result, result)))
    return bounded(flipped, -largest, largest, SELECTED)


def acosh(x: Recorded) -> Recorded:
    """log(x + sqrt(x^2 - 1)) likewise; of x < 1 it is that of 1, 0."""
    x = number(x)
    one = 1 << x.type.frac_bits
    u = x if x.type.lo >= one else logic.at_least(x, one, ACOSH_DOMAIN)
    return meant(unrounded(linear("add", u, unrounded(linear("subtract", multiply(u, u), _ONE), "sqrt")), "log"))


def _halved(x: Recorded) -> Recorded:
    """x / 2, at the scale that x is meant to have."""
    return meant(renamed(x, x.type.frac_bits + 1, x.type.nominal))


def unrounded(x: Recorded, name: str, rings: tuple[int, ...] = RINGS, nominal: int = 0) -> Recorded:
    """A logarithm or root, not rescaled yet, of the first of these rings that takes it; with more bits where a result
    that it is a factor of has a larger `nominal`."""
    x = number(x)
    nominal = max(nominal_of(x), nominal)
    # near 0 a root makes more of what a rescaling rounds off
    options = list(candidates(x, rings))
    if name not in LOGARITHMS:
        options.sort(key=lambda one: -one.type.frac_bits)
    for candidate in options:
        if candidate.type.lo < 0:
            candidate = logic.at_least(candidate, *_LOWEST[name])
        found = recorded(name, candidate, nominal, placed_shape)
        if found is not None:
            return found
    raise PlanError(
        f"{name} of {x.type} to {nominal} fractional bits does not fit the largest ring",
        hint="declare narrower bounds or fewer frac_bits for what it is of",
    )


def logarithms(x: Recorded, name: str, fine: int) -> Iterator[Recorded]:
    """A logarithm with `fine` fractional bits, all of which count, from each ring that is sure of them."""
    for ring_bits in RINGS:
        if fine <= LOGARITHM_BITS[ring_bits]:
            try:
                found = unrounded(x, name, (ring_bits,))
            except PlanError:
                continue
            yield cut_to(found, fine)


def zero_times(product: Recorded) -> Recorded:
    """The product, marked as one that means something where its first factor is 0, whatever the logarithm is of."""
    return marked(product, ZERO_TIMES)


def meant(found: Recorded) -> Recorded:
    """A result at the scale that is meant, in the least ring: what is revealed is then rounded to the nearest."""
    return least_ring(settle(found))


def nominal_of(x: Recorded) -> int:
    """The fractional bits that a function of x has."""
    return max(x.type.nominal, DEFAULT_FRAC_BITS)


def candidates(x: Recorded, rings: tuple[int, ...] = RINGS) -> Iterator[Recorded]:
    """The argument as it is and as it is meant, in both rings if they take it: the cheapest first."""
    options = [x, settle(x)] if x.type.frac_bits > x.type.nominal else [x]
    for ring_bits in rings:
        for option in options:
            needed = smallest_ring(option.type.lo, option.type.hi)
            if needed is not None and needed <= ring_bits:
                yield in_ring(option, ring_bits)


def recorded(
    name: str, x: Recorded, nominal: int, shape: Callable[[str, Type, int], Any], *more: Recorded
) -> Recorded | None:
    """The operation of this name, if the ring of its argument takes it; `more` arguments stand before x."""
    if shape(name, x.type, nominal) is None:
        return None
    attrs = Approximation(x.type.frac_bits, nominal, exact=x.graph.exact_rounding)
    try:
        return x.graph.node(name, (*more, x), attrs)
    except PlanError:
        return None


def _least_argument(base: str, frac_bits: int, nominal: int) -> int:
    """The stored integer below which powers are cut to 0."""
    whole = -(nominal + GUARD + BELOW)
    if base == "exp2":
        return whole << frac_bits
    # whole / log2 b, rounded up
    inverse = real.logarithm("log" if base == "exp" else "log10", 2, 0, frac_bits + 8)
    return -((-whole * inverse) >> 8)


def too_large(base: str, x: Recorded, nominal: int) -> PlanError:
    """The refusal of a power, or a sum of powers, whose bounds do not fit."""
    hi = x.type.hi / 2.0**x.type.frac_bits
    return PlanError(
        f"{base} of values up to {hi:g} does not fit the largest ring with {nominal} fractional bits",
        hint="declare narrower bounds for its argument, hold it with numpy.minimum(x, ...), or use fewer frac_bits",
    )
