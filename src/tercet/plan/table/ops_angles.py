"""Operations of angles: functions of triangles, of hyperbolas, and what inverts them.

As `ops_functions`: a result has more fractional bits than are meant, and its bounds follow from those of its arguments.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from tercet.plan.table import real
from tercet.plan.table.attributes import Approximation
from tercet.plan.table.operation import Domain, Operation, Plain, need
from tercet.plan.table.ops_functions import SURE_BITS, approximated, argument_of, arguments_of, each, fitting
from tercet.plan.types import Type, ValueKind
from tercet.protocols import arcs, hyperbolic, ratios
from tercet.protocols.coefficients import CONSTANT_BITS, CONSTANTS
from tercet.protocols.functions import PRECISIONS, Placed, Precision
from tercet.protocols.tails import OUT_BITS

HYPERBOLIC = ("sinh", "cosh")
_LEAST_SINC = -2173
"""Times 10^-4: sin(pi x) / (pi x) is never below; it is least at 1.4303, and falls up to there."""
_FALLS = 1430


def hyperbolic_shape(name: str, x: Type, frac_bits: int) -> hyperbolic.Hyperbolic | None:
    """The public numbers of sinh or cosh of this argument; None if its ring does not take them."""
    return hyperbolic.hyperbolic(name, x.lo, x.hi, x.frac_bits, frac_bits, x.ring)


def arc_shape(name: str, x: Type, frac_bits: int) -> arcs.Arc | arcs.Unit | None:
    """The same of acos or atan of a number from 0 to 1."""
    return (arcs.arc if name == "acos_unit" else arcs.unit)(x.frac_bits, frac_bits, x.ring)


def octant_shape(name: str, x: Type, frac_bits: int) -> Placed | None:
    """The same of atan of a quotient of at most 1, by the type of its divisor."""
    return ratios.ratio(x.hi, frac_bits, x.ring)


def sinc_shape(name: str, x: Type, frac_bits: int) -> ratios.Sinc | None:
    """The same of sinc."""
    return ratios.sinc_shape(x.hi, x.frac_bits, frac_bits, x.ring)


def tangent_shape(name: str, x: Type, frac_bits: int) -> ratios.Tangent | None:
    """The same of tan."""
    return ratios.tangent_shape(x.lo, x.hi, x.frac_bits, frac_bits, x.ring)


def _error(p: Precision, out_bits: int, attrs: Approximation) -> int:
    """By how much a result of at most 1 may be off, at its own scale."""
    return 1 << out_bits - min(p.scale - SURE_BITS, attrs.frac_bits + 2)


def _made(x: Type, attrs: Approximation, out_bits: int, lo: int, hi: int) -> Type:
    return Type(ValueKind.FIXED, x.shape, x.ring, out_bits, attrs.frac_bits, lo, hi)


def _hyperbolic(name: str, code: int) -> Operation[Approximation]:
    sign = 1 if name == "cosh" else -1

    def shape(x: Type, attrs: Approximation) -> hyperbolic.Hyperbolic:
        return fitting(name, x, attrs, hyperbolic_shape(name, x, attrs.frac_bits))

    def infer(inputs: Sequence[Type], attrs: Approximation) -> Type:
        x = argument_of(inputs, attrs)
        s = shape(x, attrs)
        out, p = s.out_bits, s.exponential.precision
        # for cosh, where it is least and greatest
        ends = sorted((x.lo, x.hi), key=abs) if sign > 0 else [x.lo, x.hi]
        if sign > 0 and x.lo < 0 < x.hi:
            ends[0] = 0
        sure = min(p.scale - SURE_BITS, attrs.frac_bits + 2)
        # each power is off by a part of itself, and what is cut
        off = [(real.half_sum(1, end, x.frac_bits, out) >> sure) + _error(p, out, attrs) for end in ends]
        lo, hi = (real.half_sum(sign, end, x.frac_bits, out) for end in ends)
        return _made(x, attrs, out, lo - off[0], hi + off[1])

    plain = each(lambda value, x, out: real.half_sum(sign, value, x, out))
    protocol = "two powers side by side (hyperbolic)"
    return approximated(name, code, f"{name}(x)", infer, hyperbolic.half_sum, shape, plain, protocol)


def _arc(
    name: str, code: int, summary: str, meaning: Callable[[int, int, int], int], function: Any, protocol: str
) -> Operation[Approximation]:
    def shape(x: Type, attrs: Approximation) -> Any:
        return fitting(name, x, attrs, arc_shape(name, x, attrs.frac_bits))

    def infer(inputs: Sequence[Type], attrs: Approximation) -> Type:
        x = argument_of(inputs, attrs)
        need(x.lo >= 0 and x.hi <= 1 << x.frac_bits, "takes numbers from 0 to 1")
        s = shape(x, attrs)
        lo, hi = sorted(meaning(end, x.frac_bits, s.out_bits) for end in (x.lo, x.hi))
        off = _error(s.precision, s.out_bits, attrs)
        # a root is not negative, and neither is what it is multiplied with
        return _made(x, attrs, s.out_bits, max(0, lo - off) if name == "acos_unit" else lo - off, hi + off)

    return approximated(name, code, summary, infer, function, shape, each(meaning), protocol)


def _octant() -> Operation[Approximation]:
    name = "atan_ratio"

    def shape(x: Type, attrs: Approximation) -> Placed:
        return fitting(name, x, attrs, octant_shape(name, x, attrs.frac_bits))

    def infer(inputs: Sequence[Type], attrs: Approximation) -> Type:
        x, y = arguments_of(inputs, attrs, 2)
        need(x.lo >= 0 and y.lo >= 0, "takes numbers that are not negative")
        s, out = shape(y, attrs), OUT_BITS[y.ring]
        quarter = real.arc_tangent(1, 1, out)
        least = real.arc_tangent(min(x.lo, y.hi), y.hi, out)
        most = real.arc_tangent(x.hi, y.lo, out) if x.hi < y.lo else quarter
        off = _error(s.precision, out, attrs)
        return _made(y, attrs, out, least - off, most + off)

    def plain(inputs: Sequence[Plain], attrs: Approximation, out: Type) -> Plain:
        x, y = inputs
        pairs = zip(x.reshape(-1), y.reshape(-1), strict=True)
        values = [real.arc_tangent(min(int(a), int(b)), int(b), out.frac_bits) for a, b in pairs]
        return np.array([*values, None], dtype=object)[:-1].reshape(x.shape)

    protocol = "1 / y by its leading one, two polynomials (ratios)"
    summary = "atan(x / y) for 0 <= x <= y, and 0 of zeros"
    return approximated(name, 145, summary, infer, ratios.octant_angle, shape, plain, protocol)


def _tangent() -> Operation[Approximation]:
    def shape(x: Type, attrs: Approximation) -> ratios.Tangent:
        return fitting("tan", x, attrs, tangent_shape("tan", x, attrs.frac_bits))

    def infer(inputs: Sequence[Type], attrs: Approximation) -> Type:
        x = argument_of(inputs, attrs)
        s = shape(x, attrs)
        out = s.out_bits
        most = _ceiling(s)
        ends = [real.tangent(end, x.frac_bits, s.limit, out) for end in (x.lo, x.hi)]
        lo, hi = (_beyond(end, s.limit, out) for end in ends)
        nearest = min(abs(real.sine(end, x.frac_bits, 1, out)) for end in (x.lo, x.hi))
        if real.has_pole(x.lo, x.hi, x.frac_bits) or nearest < 1 << out - attrs.frac_bits:
            return _made(x, attrs, out, -most, most)
        off = [(1 + (abs(end) >> out) + 1) ** 2 * _error(s.precision, out, attrs) for end in ends]
        return _made(x, attrs, out, max(-most, lo[0] - off[0]), min(most, hi[1] + off[1]))

    def plain(inputs: Sequence[Plain], attrs: Approximation, out: Type) -> Plain:
        limit = ratios.tangent_limit(PRECISIONS[out.ring], attrs.frac_bits)
        return each(lambda value, x, bits: real.tangent(value, x, limit, bits))(inputs, attrs, out)

    protocol = "eighths of a turn exactly, two polynomials, 1 / cos by its leading one (ratios)"
    domain = (Domain.OFF_POLES,)
    takes = "tan means something up to 2^(frac_bits / 2) in size"
    error = "a quarter of the last bit times 1 + tan(x)^2, up to 2^(frac_bits / 2), before it is rescaled"
    return approximated(
        "tan", 146, "tan(x)", infer, ratios.tangent, shape, plain, protocol, error=error, domain=domain, takes=takes
    )


def _sinc() -> Operation[Approximation]:
    def shape(x: Type, attrs: Approximation) -> ratios.Sinc:
        return fitting("sinc", x, attrs, sinc_shape("sinc", x, attrs.frac_bits))

    def infer(inputs: Sequence[Type], attrs: Approximation) -> Type:
        x = argument_of(inputs, attrs)
        need(x.lo >= 0, "takes numbers that are not negative")
        s = shape(x, attrs)
        out = s.out_bits
        first, last = (real.sinc(end, x.frac_bits, out) for end in (x.lo, x.hi))
        off = _error(s.precision, out, attrs)
        if x.hi * 1000 <= _FALLS << x.frac_bits:
            return _made(x, attrs, out, last - off, first + off)
        # beyond, 1 / (pi x) bounds it
        beyond = (2 * CONSTANTS["inverse_turn"] << x.frac_bits + out) // (max(1, x.lo) << CONSTANT_BITS) + 1
        least, most = max(((1 << out) * _LEAST_SINC) // 10_000, -beyond), min(1 << out, beyond)
        if x.lo * 1000 <= _FALLS << x.frac_bits:
            most = max(first, -least)
        return _made(x, attrs, out, least - off, most + off)

    protocol = "the nearest whole number exactly, a quotient of at most 1, a polynomial (ratios)"
    return approximated("sinc", 147, "sin(pi x) / (pi x)", infer, ratios.sinc, shape, each(real.sinc), protocol)


def _ceiling(s: ratios.Tangent) -> int:
    """What no computed tan passes: its limit, and what roundings of its two factors make of that."""
    most = 1 << s.limit + s.out_bits
    return most + (most >> s.precision.scale - SURE_BITS)


def _beyond(end: int, limit: int, out: int) -> tuple[int, int]:
    """The least and the greatest that tan may come out as: beyond 2^(limit - 1) some size above 2^(limit - 5)."""
    size, most = abs(end), 1 << limit + out
    if size < most >> 2:
        return end, end
    return (most >> 6, 2 * most) if end > 0 else (-2 * most, -(most >> 6))


ARCS = ("acos_unit", "atan_unit")

ANGLES: tuple[Operation[Any], ...] = (
    _hyperbolic("sinh", 141),
    _hyperbolic("cosh", 142),
    _arc(
        "acos_unit",
        143,
        "acos(u) of u from 0 to 1",
        real.arc_cosine,
        arcs.arc_cosine,
        "the root of 1 - u times a polynomial (arcs)",
    ),
    _octant(),
    _tangent(),
    _sinc(),
    _arc(
        "atan_unit",
        148,
        "atan(u) of u from 0 to 1",
        lambda value, x, out: real.arc_tangent(value, 1 << x, out),
        arcs.arc_tangent,
        "a polynomial (arcs)",
    ),
)
