"""Functions that are at their limit for large arguments: sign, what is drawn in, and the limit itself beyond it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tercet.errors import PlanError
from tercet.plan.record import logic
from tercet.plan.record.build import Operand, linear, multiply, number
from tercet.plan.record.functions import meant, nominal_of, signed, size_of
from tercet.plan.record.graph import Recorded
from tercet.plan.record.logic import inject, logical_not, negative
from tercet.plan.record.scale import at_scale, bounded, in_ring, least_ring, renamed
from tercet.plan.table.attributes import Approximation
from tercet.plan.table.reasons import SELECTED
from tercet.plan.types import MAX_FRAC_BITS
from tercet.protocols.tails import accuracy, tail_end, tail_ring

_FINER = 6
_HALF_ROOT = np.asarray(0.5**0.5)


@dataclass(frozen=True)
class _Tail:
    """The function of |x| where |x| < L, at its own scale; and where that is, unless bounds say everywhere."""

    value: Recorded
    inside: Recorded | None


def relu(x: Recorded) -> Recorded:
    """max(x, 0); exact. One comparison and one injection."""
    x = number(x)
    if x.type.lo >= 0:
        return x
    return bounded(inject(logical_not(negative(x)), x), 0, max(0, x.type.hi), SELECTED)


def tanh(x: Recorded) -> Recorded:
    """tanh(x)."""
    x = number(x)
    return meant(_odd(x, "tanh", nominal_of(x)))


def expit(x: Recorded) -> Recorded:
    """1 / (1 + e^-x) = (1 + tanh(x / 2)) / 2."""
    x = number(x)
    half = renamed(x, x.type.frac_bits + 1, x.type.nominal)
    return _half_and_half(_odd(half, "tanh", nominal_of(x)))


def erf(x: Recorded) -> Recorded:
    """The error function."""
    x = number(x)
    return meant(_odd(x, "erf", nominal_of(x)))


def erfc(x: Recorded) -> Recorded:
    """1 - erf(x), within the same absolute error."""
    x = number(x)
    return meant(linear("subtract", np.asarray(1), _odd(x, "erf", nominal_of(x))))


def ndtr(x: Recorded) -> Recorded:
    """The standard normal distribution function: (1 + erf(x / sqrt 2)) / 2."""
    x = number(x)
    return _half_and_half(_odd(multiply(x, _HALF_ROOT), "erf", nominal_of(x)))


def softplus(x: Recorded) -> Recorded:
    """log(1 + e^x) = max(x, 0) + log(1 + e^-|x|)."""
    x = number(x)
    return meant(linear("add", relu(x), _ending(x, "softplus")))


def log_expit(x: Recorded) -> Recorded:
    """log(expit(x)) = min(x, 0) - log(1 + e^-|x|)."""
    x = number(x)
    below = bounded(inject(negative(x), x), min(0, x.type.lo), 0, SELECTED) if x.type.hi > 0 else x
    return meant(linear("subtract", below, _ending(x, "softplus")))


def logaddexp(a: Operand, b: Operand) -> Recorded:
    """log(e^a + e^b) = max(a, b) + log(1 + e^-|a - b|)."""
    return meant(linear("add", logic.maximum(a, b), _ending(linear("subtract", a, b), "softplus")))


def logaddexp2(a: Operand, b: Operand) -> Recorded:
    """log2(2^a + 2^b) = max(a, b) + log2(1 + 2^-|a - b|)."""
    return meant(linear("add", logic.maximum(a, b), _ending(linear("subtract", a, b), "softplus2")))


def silu(x: Recorded) -> Recorded:
    """x expit(x) = max(x, 0) - |x| expit(-|x|)."""
    x = number(x)
    return meant(linear("subtract", relu(x), _ending(x, "silu")))


def gelu(x: Recorded, *, by_tanh: bool = False) -> Recorded:
    """x ndtr(x) = max(x, 0) - |x| ndtr(-|x|); `by_tanh` with the usual approximation of ndtr."""
    x = number(x)
    return meant(linear("subtract", relu(x), _ending(x, "gelu_tanh" if by_tanh else "gelu")))


def _half_and_half(odd: Recorded) -> Recorded:
    """(1 + y) / 2 of a function y."""
    half = renamed(odd, odd.type.frac_bits + 1, odd.type.nominal)
    return meant(linear("add", half, np.asarray(0.5)))


def _odd(x: Recorded, name: str, nominal: int) -> Recorded:
    """A function with f(-x) = -f(x) and the limit 1, not rescaled yet."""
    x = _not_too_fine(x, nominal)
    found = _tail(x, name, nominal)
    result = found.value
    if found.inside is not None:
        below = inject(found.inside, linear("subtract", result, np.asarray(1)))
        result = linear("add", below, np.asarray(1))
    return signed(x, result)


def _ending(x: Recorded, name: str) -> Recorded:
    """A function of |x| with the limit 0, not rescaled yet."""
    found = _tail(_not_too_fine(x, nominal_of(x)), name, nominal_of(x))
    return found.value if found.inside is None else inject(found.inside, found.value)


def _not_too_fine(x: Recorded, nominal: int) -> Recorded:
    """An argument of no more than 6 fractional bits more than the result has: 2^-7 of its last bit."""
    return at_scale(x, nominal + _FINER) if x.type.frac_bits > nominal + _FINER else x


def _tail(x: Recorded, name: str, nominal: int) -> _Tail:
    if accuracy(nominal) is None or x.type.frac_bits > MAX_FRAC_BITS - 8:
        raise PlanError(
            f"a function of this kind to {nominal} fractional bits is not offered; 44 are the most",
            hint="use fewer frac_bits for its argument",
        )
    frac = x.type.frac_bits
    end = tail_end(name, frac, nominal)
    u = size_of(x)
    inside: Recorded | None = None
    if u.type.hi > end:
        stored, public = renamed(u, 0, 0), np.asarray(end, dtype=object)
        difference = linear("subtract", stored, public)
        inside = negative(difference)
        drawn = linear("add", inject(inside, difference), public)
        u = bounded(drawn, min(u.type.lo, end), end, SELECTED)
    u = in_ring(least_ring(renamed(u, frac, min(frac, nominal))), tail_ring(nominal))
    attrs = Approximation(frac, nominal, exact=x.graph.exact_rounding)
    return _Tail(x.graph.node(f"tail_{name}", (u,), attrs), inside)
