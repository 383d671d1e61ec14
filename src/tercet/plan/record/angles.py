"""Functions of angles and hyperbolas of recorded values: what is drawn in, quadrants, signs, and refusals."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tercet.errors import PlanError
from tercet.plan.record import logic
from tercet.plan.record.build import Operand, broadcast_to, linear, number, same_place, shared_integers
from tercet.plan.record.functions import candidates, meant, nominal_of, recorded, signed, size_of, too_large
from tercet.plan.record.graph import Recorded
from tercet.plan.record.public import exact_frac_bits, integers, number_constant
from tercet.plan.record.scale import at_scale, in_ring, renamed, settle
from tercet.plan.table.operation import broadcast_shapes
from tercet.plan.table.ops_angles import (
    arc_shape,
    hyperbolic_shape,
    octant_shape,
    sinc_shape,
    tangent_shape,
)
from tercet.plan.table.reasons import ARC_DOMAIN
from tercet.plan.types import RINGS, Type, smallest_ring
from tercet.protocols.coefficients import constant

_PUBLIC_GUARD = 2
"""Bits by which what a public number is rounded by is below the last bit of an angle."""


def hyperbolic(x: Recorded, name: str) -> Recorded:
    """sinh(x), or cosh(x) by the name "cosh". PlanError, which says what to declare, if it does not fit."""
    x = number(x)
    found = _of(x, name, hyperbolic_shape)
    if found is None:
        raise too_large(name, x, nominal_of(x))
    return meant(found)


def tangent(x: Recorded) -> Recorded:
    """tan(x)."""
    return meant(_fitting(number(x), "tan", tangent_shape))


def sinc(x: Recorded) -> Recorded:
    """sin(pi x) / (pi x), 1 of 0."""
    return meant(_fitting(_with_fraction(size_of(number(x))), "sinc", sinc_shape))


def arc_cosine(x: Recorded) -> Recorded:
    """acos(x); x is drawn in to [-1, 1]."""
    x = number(x)
    found = _arc_cosine(x)
    if x.type.lo >= 0:
        return meant(found)
    opposite = _from_turns(found, 1)
    return meant(opposite if x.type.hi <= 0 else logic.select(logic.negative(x), opposite, found))


def arc_sine(x: Recorded) -> Recorded:
    """asin(x); x is drawn in to [-1, 1]."""
    x = number(x)
    return meant(signed(x, _from_turns(_arc_cosine(x), 2)))


def _arc_cosine(x: Recorded) -> Recorded:
    """acos(min(|x|, 1)), not rescaled yet."""
    u, one = size_of(x), 1 << x.type.frac_bits
    return _fitting(logic.at_most(u, one, ARC_DOMAIN) if u.type.hi > one else u, "acos_unit", arc_shape)


def arc_tangent(x: Recorded) -> Recorded:
    """atan(x)."""
    x = number(x)
    u, one = size_of(x), 1 << x.type.frac_bits
    if u.type.hi <= one:
        return meant(signed(x, _fitting(u, "atan_unit", arc_shape)))
    if u.type.lo >= one:
        angle = _octant(shared_integers(u, one, u.type.frac_bits), u, nominal_of(x))
        return meant(signed(x, _from_turns(angle, 2)))
    stored, public = renamed(u, 0, 0), np.asarray(one, dtype=object)
    least, most = (
        renamed(find(stored, public), u.type.frac_bits, u.type.nominal) for find in (logic.minimum, logic.maximum)
    )
    angle = _octant(least, most, nominal_of(x))
    inside = logic.negative(linear("subtract", stored, public))
    return meant(signed(x, logic.select(inside, angle, _from_turns(angle, 2))))


def arc_tangent2(y: Operand, x: Operand) -> Recorded:
    """The angle of the point (x, y) from -pi to pi; of (0, 0) it is 0."""
    nominal = max(nominal_of(one) for one in (y, x) if isinstance(one, Recorded))
    y, x = _both(y, x)
    opposite, adjacent = size_of(y), size_of(x)
    difference = linear("subtract", adjacent, opposite)
    if difference.type.lo >= 0:
        angle = _octant(opposite, adjacent, nominal)
    elif difference.type.hi < 0:
        angle = _from_turns(_octant(adjacent, opposite, nominal), 2)
    else:
        least, most = (find(adjacent, opposite) for find in (logic.minimum, logic.maximum))
        angle = _octant(least, most, nominal)
        angle = logic.select(logic.negative(difference), _from_turns(angle, 2), angle)
    if x.type.hi < 0:
        angle = _from_turns(angle, 1)
    elif x.type.lo < 0:
        angle = logic.select(logic.negative(x), _from_turns(angle, 1), angle)
    return meant(signed(y, angle))


def _octant(x: Recorded, y: Recorded, nominal: int) -> Recorded:
    """atan(x / y) for 0 <= x <= y of one scale, not rescaled yet."""
    for ring_bits in RINGS:
        if all((smallest_ring(one.type.lo, one.type.hi) or 256) <= ring_bits for one in (x, y)):
            found = recorded("atan_ratio", in_ring(y, ring_bits), nominal, octant_shape, in_ring(x, ring_bits))
            if found is not None:
                return found
    raise _too_precise("atan", y, nominal)


def _both(y: Operand, x: Operand) -> tuple[Recorded, Recorded]:
    """Both in one ring, scale and shape; what is public as a sharing, as precise as angles beside the other need it."""
    if not isinstance(y, Recorded):
        assert isinstance(x, Recorded)
        x = number(x)
        y = _shared(x, y)
    elif not isinstance(x, Recorded):
        y = number(y)
        x = _shared(y, x)
    y, x = same_place([number(y), number(x)])
    shape = broadcast_shapes(y.type.shape, x.type.shape)
    return broadcast_to(y, shape), broadcast_to(x, shape)


def _shared(like: Recorded, values: NDArray[Any]) -> Recorded:
    shape, frac = broadcast_shapes(like.type.shape, values.shape), like.type.frac_bits
    if values.dtype.kind == "f":
        # an angle is off by at most half of what the number is, over the larger of it and the least of the other
        _, exponents = np.frexp(values[values != 0])
        needed = nominal_of(like) + _PUBLIC_GUARD - max(-frac, int(np.min(exponents, initial=0)))
        frac = max(frac, min(exact_frac_bits(values), needed))
    words = np.asarray(integers(values, frac), dtype=object)
    # what is rounded to 0 keeps its sign
    words = np.where((words == 0) & (values != 0), np.where(values > 0, 1, -1), words)
    return shared_integers(broadcast_to(like, shape), words, frac)


def _from_turns(angle: Recorded, parts: int) -> Recorded:
    """pi / parts less an angle."""
    frac, ring_bits = angle.type.frac_bits, angle.type.ring
    whole = np.asarray(constant("pi", frac + 1 - parts), dtype=object)
    return angle.graph.node(
        "subtract", (number_constant(angle.graph, whole, frac, angle.type.nominal, ring_bits), angle)
    )


def _with_fraction(x: Recorded) -> Recorded:
    """With one fractional bit at least."""
    return x if x.type.frac_bits else at_scale(x, 1)


def _fitting(x: Recorded, name: str, shape: Callable[[str, Type, int], Any]) -> Recorded:
    found = _of(x, name, shape)
    if found is None:
        raise _too_precise(name.removesuffix("_unit"), x, nominal_of(x))
    return found


def _of(x: Recorded, name: str, shape: Callable[[str, Type, int], Any]) -> Recorded | None:
    """A function of one argument in the first ring that takes it, not rescaled yet."""
    nominal = nominal_of(x)
    options = (recorded(name, candidate, nominal, shape) for candidate in candidates(x))
    return next((found for found in options if found is not None), None)


def _too_precise(name: str, x: Recorded, nominal: int) -> PlanError:
    return PlanError(
        f"{name} of {settle(x).type} to {nominal} fractional bits does not fit the largest ring",
        hint="declare narrower bounds or fewer frac_bits for its argument",
    )
