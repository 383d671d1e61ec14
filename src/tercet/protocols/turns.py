"""sin and cos of any argument: the nearest quarter turn as two bits, two polynomials of what is left.

The argument is brought to turns by a public factor, x / (2 pi); its quarter turns are a rounding by a coin, so that
what is left lies in [-1, 1] quarter turns. Both polynomials have their Chebyshev values in common. Which of them it is,
and its sign, are the two low bits of the quarter turns.

Security: semi-honest, one corruption; products, truncations, digits and injections of `working.Parties`; nothing is
dealt but by these. Source: own, provable variant of protocols page §6.3.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tercet.protocols.coefficients import constant
from tercet.protocols.functions import PRECISIONS, Precision, coefficients
from tercet.protocols.polynomial import chebyshev_several
from tercet.protocols.scope import Body
from tercet.protocols.sharewise import SharedTurns, shared_turns
from tercet.protocols.tails import OUT_BITS
from tercet.protocols.working import Arithmetic


@dataclass(frozen=True)
class QuarterTurns:
    """The public numbers: x times `factor` / 2^drop is x in turns at the working scale; cos is a quarter ahead.
    `shared` are those of the share-wise variant."""

    precision: Precision
    factor: int
    drop: int
    ahead: int
    out_bits: int
    shared: SharedTurns | None


def turn(name: str, lo: int, hi: int, frac_bits: int, nominal: int, ring_bits: int) -> QuarterTurns | None:
    """Of "sin" or "cos" of stored integers in [lo, hi]; None if the ring does not take them that precisely."""
    p = PRECISIONS[ring_bits]
    size = max(-lo, hi, 1).bit_length()
    bits = min(p.room - size + 2, 158)
    drop = frac_bits + bits - p.scale
    # the error of an angle is that of the factor, 2^-(bits + 1), times x times 2 pi
    if nominal > p.scale - 5 or not 1 <= drop <= ring_bits - 3 or size - frac_bits - bits + 2 > -(nominal + 4):
        return None
    ahead = 1 if name == "cos" else 0
    # as many as two factors of the share-wise variant need, and one truncation here leaves
    out = max(OUT_BITS[ring_bits], min(2 * (nominal + 8), p.scale + p.coefficient_bits - 2))
    shared = shared_turns(ahead, lo, hi, frac_bits, nominal, ring_bits, out)
    return QuarterTurns(p, constant("inverse_turn", bits), drop, ahead, out, shared)


def sine(a: Arithmetic, x: Any, s: QuarterTurns) -> Body[Any]:
    """sin or cos by the public numbers of `turn`. Error: about 2^-(scale - 4), and the factor's."""
    p = s.precision
    y = yield from a.shifted(a.sum([(x, s.factor)]), s.drop)
    quarters = yield from a.shifted(y, p.scale - 2)
    t = a.sum([(y, 4), (quarters, -(1 << p.scale))])

    def values(inner: Arithmetic) -> Body[list[Any]]:
        tables = [coefficients("sin_quarter", p), coefficients("cos_quarter", p)]
        shift = p.scale + p.coefficient_bits - s.out_bits
        return (yield from chebyshev_several(inner, t, tables, p.scale, shift))

    def places(inner: Arithmetic) -> Body[Any]:
        return (yield from inner.low_bits(inner.sum([(quarters, 1)], s.ahead), 2))

    (first, second), bits = yield from a.together([values, places])
    # second - (second - first) where the low bit is not set
    rest = yield from a.weighted(a.sum([(second, 1), (first, -1)]), a.rows(bits, [0]), [-1])
    chosen = a.sum([(second, 1), (rest, -1)])
    return (yield from a.weighted(chosen, a.rows(bits, [1]), [-2]))
