"""Numbers times logarithms where those near 0 need more bits than they are sure of: sure relative to themselves.

Where u = y - 1 is an eighth at most, x log y is x u, exact and then cut, times log(1 + u) / u. Where x and y are about
the same, d = x - y and u = d / (x + y) an eighth at most, x log(x / y) is d (1 + u) atanh(u) / u = d + d u S(u). The
last factors are polynomials. Elsewhere a logarithm is at least 0.117 in size, and an error of it no more than that of
the result.
Both are computed, and a bit chooses.
"""

from __future__ import annotations

from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from tercet.errors import PlanError
from tercet.plan.record import logic
from tercet.plan.record.build import Operand, broadcast_to, linear, multiply
from tercet.plan.record.divide import quotient
from tercet.plan.record.functions import logarithms, meant, zero_times
from tercet.plan.record.graph import Recorded
from tercet.plan.record.pieces import piecewise
from tercet.plan.record.scale import at_scale, cut_to, renamed, settle
from tercet.plan.table.operation import broadcast_shapes

_GUARD = 8
"""Bits that a logarithm of 0.117 at least has more than the result, and products of it."""
_RATIO_BITS = 52
_FACTOR_BITS = 49
"""Of the polynomials: relative to the result, as what they are multiplied with is cut to absolute bits."""
_EIGHTH = 3
_TERMS = 18
"""An eighth to this power is below 2^-52."""
_LOGARITHM = tuple(Fraction((-1) ** k, k + 1) for k in range(_TERMS))
_RELATIVE = tuple(Fraction(1, 2 * ((k + 1) // 2) + 1) for k in range(_TERMS))
"""S: 1, 1/3, 1/3, 1/5, 1/5 .."""


def times_logarithm(x: Operand, y: Recorded, nominal: int) -> Recorded:
    """x log y to `nominal` fractional bits, not rescaled yet. y <= 0 counts as the least y > 0."""
    y = _real(y, nominal)
    near, u = _near(linear("subtract", y, np.asarray(1)))
    close = _of_product(x, u, _LOGARITHM, nominal)
    far = _cut(multiply(x, _logarithm(y, nominal)), nominal)
    return _chosen(near, close, zero_times(far) if isinstance(x, Recorded) else far, nominal)


def relative_entropy(
    x: Recorded, y: Recorded, nominal: int, *, less: bool, of_y: NDArray[np.float64] | None = None
) -> Recorded:
    """x log(x / y) of x >= 0; or that less x - y. As `times_logarithm`. `of_y`: the logarithms of a public y, which may
    be small beside its last bit."""
    x, given = _real(x, nominal), _real(y, nominal)
    y = given if given.type.lo > 0 else logic.at_least(given, 1)
    distance = linear("subtract", x, y)
    # a part of its whole, which is known to be at most 1
    part = meant(quotient(x, linear("add", x, y), _RATIO_BITS))
    near, u = _near(linear("subtract", multiply(part, np.asarray(2)), np.asarray(1)))
    close = _of_product(distance, u, _RELATIVE, nominal)
    close = close if less else linear("add", close, distance)
    if y is not given:  # beside a least x, too, the logarithm is what is outside its domain
        near = logic.logical_and(near, logic.logical_not(logic.stored_below(given, np.asarray(1))))
    both = linear("subtract", _logarithm(x, nominal), _logarithm(given, nominal) if of_y is None else of_y)
    far = zero_times(_cut(multiply(x, both), nominal))
    if not less:
        return _chosen(near, close, far, nominal)
    found = _chosen(near, close, linear("subtract", far, distance), nominal)
    return found if y is given else linear("add", found, linear("subtract", given, y))


def most_bits(nominal: int) -> int:
    """Of numbers whose relative entropy less their distance is right: it is 1 for d = sqrt(2 y), and u is off by up to
    2^-51."""
    return 2 * (_RATIO_BITS - 3 - nominal)


def _real(x: Recorded, nominal: int) -> Recorded:
    """With as many fractional bits as the result has, at least."""
    x = settle(x)
    return renamed(at_scale(x, nominal), nominal, nominal) if x.type.frac_bits < nominal else x


def _near(u: Recorded) -> tuple[Recorded, Recorded]:
    """Whether u is within an eighth of 0, and u drawn in to that."""
    most = 1 << u.type.frac_bits - _EIGHTH
    above = logic.logical_not(logic.stored_below(u, np.asarray(-most)))
    near = logic.logical_and(above, logic.stored_below(u, np.asarray(most)))
    held = logic.minimum(logic.maximum(renamed(u, 0, 0), np.asarray(-most)), np.asarray(most))
    return near, renamed(held, u.type.frac_bits, u.type.nominal)


def _of_product(x: Operand, u: Recorded, polynomial: tuple[Fraction, ...], nominal: int) -> Recorded:
    """x u times a polynomial of u in [-1/8, 1/8]."""
    bits = max(_FACTOR_BITS, u.type.frac_bits)
    factor = piecewise(renamed(at_scale(u, bits), bits, _FACTOR_BITS), (), (polynomial,))
    whole = renamed(u, u.type.frac_bits, u.type.frac_bits)
    return _cut(multiply(_cut(multiply(x, whole), nominal), factor), nominal)


def _logarithm(y: Recorded, nominal: int) -> Recorded:
    for found in logarithms(y, "log", nominal + _GUARD):
        return found
    raise PlanError(f"a logarithm of {y.type} with {nominal + _GUARD} fractional bits does not fit the largest ring")


def _cut(x: Recorded, nominal: int) -> Recorded:
    return cut_to(x, nominal + _GUARD)


def _chosen(bit: Recorded, a: Recorded, b: Recorded, nominal: int) -> Recorded:
    shape = broadcast_shapes(a.type.shape, b.type.shape)
    found = logic.select(broadcast_to(bit, shape), a, b)
    return renamed(found, found.type.frac_bits, min(found.type.frac_bits, nominal))
