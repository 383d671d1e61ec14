"""Quotients of two secrets, right to the last bits over the whole range.

The divisor b is brought to c in [1/2, 1) by its leading one, as b v = c 2^bits with a power of two v, and 1/c is a
polynomial. The dividend meets v first: a v is bounded by the quotient, so that it can be cut to a few bits more than
the result has before the mantissa w = 1/c comes in. Where their product would not fit the ring, w is cut into parts
w = w_1 2^h + w_0: then a v w / 2^h is (a v) w_1 + (a v / 2^h) w_0, one sum of products with one exchange.

Security: semi-honest, one corruption of three. Nothing is opened; only the protocols that `working.Parties` names send.
Source: own; after Catrina, Saxena (FC 2010) for the normalisation.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tercet.protocols.cost import Cost, Depths
from tercet.protocols.functions import (
    PIECE,
    PRECISIONS,
    Mantissa,
    Placed,
    Precision,
    coefficients,
    mantissa,
    place_bits,
)
from tercet.protocols.pieces import ROTATE_FROM, cost_in_pieces, in_pieces, words_in_pieces
from tercet.protocols.polynomial import chebyshev
from tercet.protocols.scope import Body, Scope
from tercet.protocols.working import Arithmetic, Counting, Parties
from tercet.ring import broadcast
from tercet.sharing import Share

MOST_PARTS = 4
GUARDS = range(8, 4, -1)
"""Bits beyond the result's that the dividend times the power of two keeps, as many as fit."""
_LOST = 4
"""A mantissa is off by less than 2^_LOST last bits of the working scale."""


@dataclass(frozen=True)
class Division:
    """Public numbers of a quotient; all bounds are of stored integers.

    a v has `shift` bits too many and loses them, or too few; if `halved`, its upper part loses so many of them before.
    The mantissa has `parts` parts, of `part_bits` bits but the highest. `raised`: bits by which the result is coarse.
    """

    precision: Precision
    bits: int
    shift: int
    halved: int
    parts: int
    raised: int
    out_bits: int
    error: int
    """Of the result: last bits beside a relative 2^-(scale - _LOST)."""

    @property
    def part_bits(self) -> int:
        return self.precision.scale // self.parts

    def off(self, quotient: int) -> int:
        """By how many last bits a quotient may be off."""
        return (abs(quotient) >> self.precision.scale - _LOST) + self.error


def largest_factor(bits: int, least: int) -> int:
    """The largest power of two that brings a divisor of at least `least` to the top of 2^bits."""
    return 1 << bits - max(1, least.bit_length())


def division(
    largest: int, least: int, most: int, apart: int, nominal: int, ring_bits: int, limit: int = 0
) -> Division | None:
    """The public numbers of a / b for |a| <= largest and 0 <= least <= b <= most, to `nominal` fractional bits.

    `apart`: fractional bits of a less those of b. `limit`: what |a| / b does not pass, if that is known for another
    reason. None if the ring does not take them.
    """
    p = PRECISIONS[ring_bits]
    bits = place_bits(most, p)
    if largest >> p.room or most >> p.room or nominal > p.most_bits:
        return None
    factor = largest_factor(bits, least)
    reach = largest * factor
    if limit:
        reach = min(reach, limit << bits)
    for parts in range(1, MOST_PARTS + 1):
        for guard in GUARDS:
            found = _fitting(p, bits, reach, factor, apart, nominal, parts, guard)
            if found is not None:
                return found
    return None


def _fitting(
    p: Precision, bits: int, reach: int, factor: int, apart: int, nominal: int, parts: int, guard: int
) -> Division | None:
    scale = bits + apart
    shift = scale - nominal - guard
    if parts == 1:
        shift = max(0, shift)  # nothing is rounded
    scale -= shift
    if shift > p.ring.bits - 3:
        return None
    halved = max(0, reach.bit_length() - p.room)
    if halved and (halved > shift or (factor << halved) >> p.room):
        return None
    below = p.scale // parts * (parts - 1)
    reached = (reach >> shift) + 3 if shift > 0 else reach << -shift
    widest = reached * ((1 << p.scale + 1 - below) + 4) + parts * (reached + (4 << p.scale // parts))
    out = scale + p.scale - below
    raised = max(0, nominal - out)
    if (widest << raised) >> p.room:
        return None
    # of each truncation one unit of a v, times a mantissa of at most 2; of each lower part as much
    units = (2 if halved else 1) + parts if shift > 0 or parts > 1 else 0
    error = (units << p.scale + 1 - below + raised) + 1
    return Division(p, bits, shift, halved, parts, raised, out + raised, error)


def inverse(a: Arithmetic, b: Any, s: Division) -> Body[list[Any]]:
    """The power of two, then the parts of the mantissa, the highest first."""
    found, whole = yield from inverted(a, b, s)
    return [found.factor, *(yield from cut(a, whole, s))]


def inverted(a: Arithmetic, b: Any, s: Division) -> Body[tuple[Mantissa, Any]]:
    """What brings b to the top of its range, and the mantissa of 1 / b."""
    p = s.precision
    found = yield from mantissa(a, b, Placed(p, "inverse", s.bits, 0, 0), [], [])
    whole = yield from chebyshev(a, found.t, coefficients("inverse", p), p.scale, p.coefficient_bits)
    return found, whole


def cut(a: Arithmetic, whole: Any, s: Division) -> Body[list[Any]]:
    """The parts of a mantissa, the highest first."""
    parts = [whole]
    for _ in range(s.parts - 1):
        upper = yield from a.shifted(parts[-1], s.part_bits)
        parts[-1:] = [a.sum([(parts[-1], 1), (upper, -(1 << s.part_bits))]), upper]
    return parts[::-1]


def product(a: Arithmetic, x: Any, inverse_of: Sequence[Any], s: Division) -> Body[Any]:
    """x times what `inverse` gives."""
    factor, *parts = inverse_of
    brought = yield from _brought(a, x, factor, s)
    terms = [brought]
    for _ in parts[1:]:
        terms.append((yield from a.shifted(terms[-1], s.part_bits)))
    found = yield from a.dot(list(zip(terms, parts, strict=True)), 0)
    return a.sum([(found, 1 << s.raised)]) if s.raised else found


def _brought(a: Arithmetic, x: Any, factor: Any, s: Division) -> Body[Any]:
    """x times the power of two, cut."""
    if not s.halved:
        found = yield from a.dot([(x, factor)], max(0, s.shift))
        return a.sum([(found, 1 << -s.shift)]) if s.shift < 0 else found
    upper = yield from a.shifted(x, s.halved)
    lower = a.sum([(x, 1), (upper, -(1 << s.halved))])
    left = s.shift - s.halved
    both = yield from a.together(
        [
            lambda inner: inner.dot([(upper, factor)], left),
            lambda inner: inner.dot([(lower, factor)], s.shift),
        ]
    )
    return a.sum([(one, 1) for one in both])


def quotient(scope: Scope, x: Share, y: Share, s: Division, *, exact: bool) -> Body[Share]:
    """x / y element by element, of arrays that broadcast to x's shape; y >= 0, and y = 0 counts as one last bit.

    Run by all three parties. Rounds and bytes: `quotient_cost`. Error: `Division.off` last bits.
    """
    ring = s.precision.ring
    if x.shape == y.shape:
        flat, divisors = x.flat(), y.flat()

        def whole(part: Scope, here: slice) -> Body[Share]:
            a = Parties(part, exact=exact)
            found: Share = yield from product(a, flat[here], (yield from inverse(a, divisors[here], s)), s)
            return found

        return (yield from words_in_pieces(scope, ring, flat.size, PIECE, whole)).reshape(x.shape)
    divisors = y.flat()
    kept = [Share.empty(ring, (divisors.size,)) for _ in range(s.parts + 1)]

    def first(part: Scope, here: slice) -> Body[None]:
        found = yield from inverse(Parties(part, exact=exact), divisors[here], s)
        for out, one in zip(kept, found, strict=True):
            out.own[here], out.next[here] = one.own, one.next

    yield from in_pieces(scope, divisors.size, PIECE, first)
    flat = x.flat()
    spread = [_spread(one.reshape(y.shape), x.shape) for one in kept]

    def second(part: Scope, here: slice) -> Body[Share]:
        found: Share = yield from product(Parties(part, exact=exact), flat[here], [one[here] for one in spread], s)
        return found

    return (yield from words_in_pieces(scope, ring, flat.size, PIECE, second)).reshape(x.shape)


def _spread(x: Share, shape: tuple[int, ...]) -> Share:
    """Repeated to a shape, and flat."""
    own, following = (broadcast(half, shape).reshape(-1) for half in (x.own, x.next))
    return Share(x.ring, own, following)


def quotient_cost(size: int, divisors: int, same: bool, s: Division, *, exact: bool) -> Cost:
    """Of `quotient` with results and divisors of these sizes; `same` if they have one shape."""
    if same:
        return cost_in_pieces(size, PIECE, lambda count: _counted(count, s, exact, Depths(), whole=True).cost)
    if not divisors or not size:
        return cost_in_pieces(divisors, PIECE, lambda count: _counted(count, s, exact, Depths(), first=True).cost)
    before = cost_in_pieces(divisors, PIECE, lambda count: _counted(count, s, exact, Depths(), first=True).cost)
    depths = _counted(1, s, exact, Depths(), first=True).depths
    if divisors >= ROTATE_FROM:  # the pieces' roles differ: each party is as deep as any
        depths.d = depths.a = depths.b = max(depths.d, depths.a, depths.b)
    rounds = 0
    for _ in range(3 if size >= ROTATE_FROM else 1):
        rounds = max(rounds, _counted(1, s, exact, depths.copy()).depths.rounds)
        depths.rotate()
    after = cost_in_pieces(size, PIECE, lambda count: _counted(count, s, exact, Depths()).cost)
    return Cost(rounds, before.total_bytes + after.total_bytes)


def _counted(
    count: int, s: Division, exact: bool, depths: Depths, *, whole: bool = False, first: bool = False
) -> Counting:
    counting, ring = Counting(count, exact=exact, depths=depths), s.precision.ring

    def body() -> Body[None]:
        found = [ring] * (s.parts + 1)
        if whole or first:
            found = yield from inverse(counting, ring, s)
        if whole or not first:
            yield from product(counting, ring, found, s)

    for _ in body():
        raise AssertionError("nothing waits while costs are counted")
    return counting
