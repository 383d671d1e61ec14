"""gammaln, digamma, log_ndtr, erfinv and ndtri of recorded values: what is brought to a table by binades, and what not.

Error: about a quarter of a last bit, relative above 1, before each is rescaled once.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from tercet.errors import PlanError
from tercet.plan.record import logic
from tercet.plan.record.approximate import times
from tercet.plan.record.bends import as_real
from tercet.plan.record.build import linear, multiply, negate
from tercet.plan.record.functions import meant, nominal_of, unrounded
from tercet.plan.record.graph import Recorded
from tercet.plan.record.logic import inject, negative
from tercet.plan.record.pieces import argument
from tercet.plan.record.scale import all_at, at_scale, bounded, in_ring, renamed
from tercet.plan.table.attributes import Approximation
from tercet.plan.table.ops_binades import binades_of
from tercet.plan.table.reasons import ERFINV_DOMAIN, GAMMA_DOMAIN, SELECTED
from tercet.plan.types import RINGS, smallest_ring

_GUARD = 7
_ROOM = 124
_NARROW_MOST = 24
_ONE = np.asarray(1)
_NDTR_END = np.asarray(8)
_ROOT_TWO = np.asarray(2.0**0.5)


def gammaln(x: Recorded) -> Recorded:
    """log(gamma(x)) for x > 0: that of 1 + x less log(x), where x may be below 1."""
    x, nominal = _positive(x)
    if x.type.lo >= 1 << x.type.frac_bits:
        return meant(_found("gammaln", x, nominal))
    above = _found("gammaln", linear("add", x, _ONE), nominal)
    parts = [all_at(one, nominal + _GUARD) for one in (above, unrounded(x, "log"))]
    return meant(linear("subtract", *(renamed(one, nominal + _GUARD, nominal) for one in parts)))


def digamma(x: Recorded) -> Recorded:
    """The derivative of gammaln for x > 0: that of 1 + x less 1 / x, where x may be below 1."""
    x, nominal = _positive(x)
    if nominal > _NARROW_MOST and x.type.frac_bits > nominal:
        x = at_scale(x, nominal)
    if x.type.lo >= 1 << x.type.frac_bits:
        return meant(_found("digamma", x, nominal))
    above = _found("digamma", linear("add", x, _ONE), nominal)
    # of the least x the square of the root has to fit
    bits = min(nominal + _GUARD, (_ROOM - x.type.frac_bits) // 2)
    root = all_at(unrounded(x, "rsqrt"), bits)
    inverse = times(root, root, bits)
    return meant(linear("subtract", renamed(all_at(above, bits), bits, nominal), renamed(inverse, bits, nominal)))


def log_ndtr(x: Recorded) -> Recorded:
    """log(ndtr(x)), of any x: a function of v = 8 - x >= 0, which grows as v^2 / 2."""
    x = argument(as_real(x))
    v = linear("subtract", _NDTR_END, x)
    return meant(_found("log_ndtr", v if v.type.lo >= 0 else logic.at_least(v, 0), nominal_of(x)))


def erfinv(y: Recorded) -> Recorded:
    """The inverse of erf; of 1 and beyond as of the nearest number below 1, at y's scale."""
    y = argument(as_real(y))
    return meant(_inverse(y, nominal_of(y)))


def ndtri(p: Recorded) -> Recorded:
    """The inverse of ndtr: sqrt(2) erfinv(2 p - 1), rescaled once."""
    p = argument(as_real(p))
    nominal = nominal_of(p)
    twice = renamed(p, p.type.frac_bits - 1, min(nominal, p.type.frac_bits - 1))
    found = _inverse(linear("subtract", twice, _ONE), nominal)
    product = multiply(all_at(found, found.type.frac_bits), _ROOT_TWO)
    return meant(renamed(product, product.type.frac_bits, nominal))


def _inverse(y: Recorded, nominal: int) -> Recorded:
    """erfinv, not rescaled yet: the sign, and a function of 1 - |y|."""
    size = y if y.type.lo >= 0 else negate(y) if y.type.hi <= 0 else logic.absolute(y)
    below = linear("subtract", _ONE, size)
    found = _found("erfinv", below if below.type.lo >= 1 else logic.at_least(below, 1, ERFINV_DOMAIN), nominal)
    if y.type.lo >= 0:
        return found
    if y.type.hi <= 0:
        return negate(found)
    return _flipped(found, negative(y))


def half_normal(v: Recorded, below: Recorded, nominal: int) -> Recorded:
    """erfinv(1 - v) for v in (0, 1], negative where the bool is set; not rescaled yet."""
    return _flipped(_found("erfinv", v, nominal), below)


def _flipped(x: Recorded, flips: Recorded) -> Recorded:
    """x that is not negative, with the other sign where the bool is set."""
    largest = x.type.magnitude
    flipped = linear("subtract", x, inject(flips, linear("add", x, x)))
    return bounded(flipped, -largest, largest, SELECTED)


def _positive(x: Recorded) -> tuple[Recorded, int]:
    """x, or the least positive number at its scale where it is not above 0; and the fractional bits of the result."""
    x = argument(x)
    return as_real(x if x.type.lo >= 1 else logic.at_least(x, 1, GAMMA_DOMAIN)), nominal_of(x)


def _found(name: str, x: Recorded, nominal: int) -> Recorded:
    """A function of the table, not rescaled yet."""
    for ring_bits in RINGS:
        needed = smallest_ring(x.type.lo, x.type.hi)
        if needed is None or needed > ring_bits:
            continue
        candidate = in_ring(x, ring_bits)
        if binades_of(name, candidate.type, nominal) is not None:
            attrs = Approximation(x.type.frac_bits, nominal, exact=x.graph.exact_rounding)
            return x.graph.node(f"binades_{name}", (candidate,), attrs)
    raise _not_offered(name, x, nominal)


def _not_offered(name: str, x: Recorded, nominal: int) -> PlanError:
    hi: Any = x.type.hi / 2.0**x.type.frac_bits
    return PlanError(
        f"{name} of {x.type} to {nominal} fractional bits is not offered: up to {hi:g} here, 44 fractional bits, and "
        "2^41 (log_ndtr 2^34) are the most",
        hint="declare narrower bounds for its argument, hold it with numpy.clip, or use fewer frac_bits",
    )
