"""acos and atan of u in [0, 1]: polynomials, of which that of acos is the factor of a root.

acos(u) = sqrt(1 - u) P(u), where 1 - u is exact, so that the result is right to the last bits also where its slope is
infinite. Callers take |x|, draw it in to 1 and put the quadrant back.

Security: semi-honest, one corruption; `functions.root_parts` and products and truncations of `working.Parties`.
Source: Hastings, Approximations for Digital Computers (1955), sheet 35, with coefficients of our own.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tercet.protocols.functions import PRECISIONS, Placed, Precision, coefficients, placed, root_parts
from tercet.protocols.polynomial import chebyshev
from tercet.protocols.scope import Body
from tercet.protocols.tails import OUT_BITS
from tercet.protocols.working import Arithmetic


@dataclass(frozen=True)
class Unit:
    """The public numbers of atan of u in [0, 1]."""

    precision: Precision
    frac_bits: int
    out_bits: int


@dataclass(frozen=True)
class Arc:
    """The public numbers of acos: those of the root of 1 - u."""

    root: Placed

    @property
    def precision(self) -> Precision:
        return self.root.precision

    @property
    def out_bits(self) -> int:
        return self.root.out_bits


def unit(frac_bits: int, nominal: int, ring_bits: int) -> Unit | None:
    """Of atan; None if the ring does not take that."""
    p = PRECISIONS[ring_bits]
    if nominal > p.most_bits or frac_bits > p.room - 2:
        return None
    return Unit(p, frac_bits, OUT_BITS[ring_bits])


def arc(frac_bits: int, nominal: int, ring_bits: int) -> Arc | None:
    """Of acos; None if the ring does not take that."""
    if frac_bits > PRECISIONS[ring_bits].room - 2:
        return None
    root = placed("sqrt", 1 << frac_bits, frac_bits, nominal, ring_bits)
    return None if root is None else Arc(root)


def centred(a: Arithmetic, u: Any, frac_bits: int, scale: int) -> Body[Any]:
    """2 u - 1 at the working scale, for u in [0, 1] with `frac_bits`."""
    up = scale + 1 - frac_bits
    if up >= 0:
        return a.sum([(u, 1 << up)], -(1 << scale))
    return a.sum([((yield from a.shifted(u, -up)), 1)], -(1 << scale))


def arc_cosine(a: Arithmetic, u: Any, s: Arc) -> Body[Any]:
    """acos(u) by the public numbers of `arc`; of 1 exactly 0. Error: a relative 2^-(scale - 4)."""
    p, one = s.precision, 1 << s.root.frac_bits

    def factor(inner: Arithmetic) -> Body[Any]:
        t = yield from centred(inner, u, s.root.frac_bits, p.scale)
        return (yield from chebyshev(inner, t, coefficients("acos", p), p.scale, p.coefficient_bits))

    (scaled, large), found = yield from a.together(
        [lambda inner: root_parts(inner, inner.sum([(u, -1)], one), s.root), factor]
    )
    product = yield from a.dot([(scaled, found)], p.scale)
    return (yield from a.product(product, large))


def arc_tangent(a: Arithmetic, u: Any, s: Unit) -> Body[Any]:
    """atan(u) by the public numbers of `unit`. Error: about 2^-(scale - 3)."""
    p = s.precision
    t = yield from centred(a, u, s.frac_bits, p.scale)
    return (yield from chebyshev(a, t, coefficients("atan", p), p.scale, p.scale + p.coefficient_bits - s.out_bits))
