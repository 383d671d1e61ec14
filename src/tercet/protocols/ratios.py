"""Functions of a quotient that is at most 1, of which dividend and divisor are exact: atan2, sinc; and tan.

The divisor is brought to c in [1/2, 1) by its leading one, 1 / c is a polynomial, and the dividend is multiplied with
the same power of two before it is rounded: no Newton step, and no place where small divisors would cost precision.

Security: semi-honest, one corruption; `functions.mantissa`, products, truncations, digits and injections of
`working.Parties`; nothing is dealt but by these. Source: own.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tercet.protocols.arcs import Unit, arc_tangent
from tercet.protocols.coefficients import constant
from tercet.protocols.functions import (
    PRECISIONS,
    Placed,
    Precision,
    by_digit,
    coefficients,
    mantissa,
    place_bits,
)
from tercet.protocols.polynomial import chebyshev, chebyshev_several
from tercet.protocols.scope import Body
from tercet.protocols.tails import OUT_BITS
from tercet.protocols.working import Arithmetic


def ratio(hi: int, nominal: int, ring_bits: int) -> Placed | None:
    """The public numbers of a / b for stored integers with |a| <= b <= hi. None if the ring does not take them."""
    p = PRECISIONS[ring_bits]
    return None if nominal > p.most_bits else Placed(p, "inverse", place_bits(hi, p), 0, OUT_BITS[ring_bits])


def quotient(
    a: Arithmetic, x: Any, y: Any, s: Placed, *beside: Callable[[Arithmetic], Body[Any]], of_zeros: int = 0
) -> Body[list[Any]]:
    """x / y for |x| <= y, at the working scale, and what was asked for `beside` it; 0 / 0 is 0, or 1.

    Error: about 2^-(scale - 2).
    """
    p = s.precision
    found = yield from mantissa(a, y, s, [], [])
    drop = s.bits - p.scale

    def dividend(inner: Arithmetic) -> Body[Any]:
        plus = found.missing if of_zeros else None
        if drop > 0:
            return (yield from inner.dot([(x, found.factor)], drop, plus=plus))
        product = yield from inner.dot([(x, found.factor)], 0, plus=plus)
        return inner.sum([(product, 1 << -drop)])

    scaled, inverted, *others = yield from a.together([dividend, lambda inner: inverse(inner, found.t, p), *beside])
    return [(yield from a.dot([(scaled, inverted)], p.scale)), *others]


def inverse(a: Arithmetic, t: Any, p: Precision) -> Body[Any]:
    """1 / c of t = 4 c - 3, at the working scale."""
    return (yield from chebyshev(a, t, coefficients("inverse", p), p.scale, p.coefficient_bits))


# ---- atan2 in the first octant ----


def octant_angle(a: Arithmetic, x: Any, y: Any, s: Placed) -> Body[Any]:
    """atan(x / y) for 0 <= x <= y, 0 of zeros, by the public numbers of `ratio`. Error: about 2^-(scale - 3)."""
    p = s.precision
    (found,) = yield from quotient(a, x, y, s)
    return (yield from arc_tangent(a, found, Unit(p, p.scale, s.out_bits)))


# ---- sin(pi x) / (pi x) ----


@dataclass(frozen=True)
class Sinc:
    """The public numbers: those of the quotient, and the fractional bits of the argument."""

    ratio: Placed
    frac_bits: int
    out_bits: int

    @property
    def precision(self) -> Precision:
        return self.ratio.precision


def sinc_shape(hi: int, frac_bits: int, nominal: int, ring_bits: int) -> Sinc | None:
    """Of stored integers in [0, hi] with `frac_bits`; None if the ring does not take them."""
    p = PRECISIONS[ring_bits]
    found = ratio(hi, nominal, ring_bits)
    if found is None or not 1 <= frac_bits <= p.room - 3 or hi + (1 << frac_bits) >= 1 << p.room:
        return None
    return Sinc(found, frac_bits, OUT_BITS[ring_bits])


def sinc(a: Arithmetic, x: Any, s: Sinc) -> Body[Any]:
    """sin(pi x) / (pi x) of x >= 0. Error: about 2^-(scale - 3).

    With n the nearest whole number and r = x - n, which are exact, it is (-1)^n (r / x) sin(pi r) / (pi r).
    """
    p, f = s.precision, s.frac_bits
    nearest = yield from a.floored(a.sum([(x, 1)], 1 << f - 1), f)
    rest = a.sum([(x, 1), (nearest, -(1 << f))])

    def near(inner: Arithmetic) -> Body[Any]:
        up = p.scale + 1 - f
        t = inner.sum([(rest, 1 << up)]) if up >= 0 else (yield from inner.shifted(rest, -up))
        return (yield from chebyshev(inner, t, coefficients("sinc_half", p), p.scale, p.coefficient_bits))

    def odd(inner: Arithmetic) -> Body[Any]:
        return (yield from inner.low_bits(nearest, 1))

    found, of_rest, parity = yield from quotient(a, rest, x, s.ratio, near, odd, of_zeros=1)
    value = yield from a.dot([(found, of_rest)], 2 * p.scale - s.out_bits)
    return (yield from a.weighted(value, parity, [-2]))


# ---- tan ----


@dataclass(frozen=True)
class Tangent:
    """The public numbers: x times `factor` / 2^drop is x in half turns at the working scale; those of the place of the
    cosine; and `limit`, the power of two that no result passes."""

    precision: Precision
    factor: int
    drop: int
    limit: int

    @property
    def place(self) -> Placed:
        bits = -(-(self.precision.scale + 1) // 4) * 4
        return Placed(self.precision, "inverse", bits, self.precision.scale, self.out_bits)

    @property
    def out_bits(self) -> int:
        return self.precision.scale + 4


GUARD = 4
"""Added to the last bits of a cosine (or sine) that is divided by, so that its error never makes it negative."""


def tangent_shape(lo: int, hi: int, frac_bits: int, nominal: int, ring_bits: int) -> Tangent | None:
    """Of stored integers in [lo, hi]; None if the ring does not take them that precisely."""
    p = PRECISIONS[ring_bits]
    size = max(-lo, hi, 1).bit_length()
    bits = min(p.room - size + 1, 158)
    drop = frac_bits + bits - p.scale
    # as for sin: the error of an angle is that of the factor times x times pi
    if nominal > p.most_bits or not 1 <= drop <= ring_bits - 3 or size - frac_bits - bits + 2 > -(nominal + 4):
        return None
    return Tangent(p, constant("inverse_turn", bits + 1), drop, tangent_limit(p, nominal))


def tangent_limit(p: Precision, nominal: int) -> int:
    """The power of two that no tangent passes: twice 2^(nominal / 2) or more, as the cosine there has its leading one
    at the end of a digit."""
    least = -(-nominal // 2) + 1
    return least + (p.scale - least) % 4


def tangent(a: Arithmetic, x: Any, s: Tangent) -> Body[Any]:
    """tan(x), with an error of about (1 + tan^2) 2^-(scale - 5) up to 2^(limit - 1). Beyond it has some size between
    2^(limit - 5) and 2^limit."""
    p, f = s.precision, s.precision.scale
    y = yield from a.shifted(a.sum([(x, s.factor)]), s.drop)
    eighths = yield from a.floored(y, p.scale - 2)
    within = a.sum([(y, 8), (eighths, -(8 << p.scale - 2))], -(1 << p.scale))
    bits = yield from a.low_bits(eighths, 2)
    low, high = a.rows(bits, [0]), a.rows(bits, [1])
    # in odd eighths the angle that is left is counted from their end
    t = yield from a.weighted(within, low, [-2])
    tables = [coefficients("sin_eighth", p), coefficients("cos_eighth", p)]
    sine, cosine = yield from chebyshev_several(a, t, tables, p.scale, p.scale + p.coefficient_bits - f)
    # next to a quarter turn, in the second and the third eighth, it is cosine over sine
    rest = yield from a.weighted(a.sum([(cosine, 1), (sine, -1)]), a.differ(low, high), [-1])
    above, below = a.sum([(cosine, 1), (rest, -1)]), a.sum([(sine, 1), (rest, 1)], GUARD)

    digits = s.place.digits
    first = (f - s.limit) // 4
    powers = [1 << f - 4 * max(g, first) for g in range(digits)]
    found = yield from mantissa(a, below, s.place, [by_digit(powers)], [])
    power = yield from a.weighted(found.sums[0], a.inverse(found.place.shifted), [4, 2, 1])
    inverted = yield from inverse(a, found.t, p)
    scaled = yield from a.dot([(above, inverted)], p.scale)
    value = yield from a.product(scaled, power)
    return (yield from a.weighted(value, high, [-2]))
