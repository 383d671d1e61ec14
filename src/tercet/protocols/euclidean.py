"""Whole quotients of two secrets with their remainders, exact.

A quotient to a few bits, less one half and rounded by a coin, is off by one at most; the remainder of that says by its
sign, and by that of what it exceeds the divisor, which it is. Where the working scale does not tell whole numbers of
this size apart, what is left is divided again. Products with the divisor are exact modulo the ring, so that only what
is left has to fit it.

Security: semi-honest, one corruption of three. Nothing is opened; only the protocols that `working.Parties` names send.
Source: own; after the division of Knuth (The Art of Computer Programming 2, 4.3.1).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tercet.protocols.cost import Cost
from tercet.protocols.functions import PIECE, PRECISIONS
from tercet.protocols.pieces import cost_in_pieces, in_pieces
from tercet.protocols.quotient import Division, cut, division, inverted, product
from tercet.protocols.scope import Body, Scope
from tercet.protocols.working import Arithmetic, Counting, Parties
from tercet.ring import Ring
from tercet.sharing import Share

_MOST_STEPS = 6


@dataclass(frozen=True)
class Euclidean:
    """Public numbers of floor(a / b): divisions in turn, each of what the one before leaves."""

    steps: tuple[Division, ...]
    by_zero: bool
    """Whether the divisor may be 0."""
    sign_bits: int

    @property
    def ring(self) -> Ring:
        return self.steps[0].precision.ring


def euclidean(largest: int, least: int, most: int, ring_bits: int) -> Euclidean | None:
    """The public numbers of floor(a / b) for |a| <= largest, 0 <= least <= b <= most. None if the ring does not take
    them."""
    p = PRECISIONS[ring_bits]
    if (4 * most) >> p.room:
        return None
    limit, steps = -(-largest // max(1, least)), []
    for _ in range(_MOST_STEPS):
        found = division(largest, least, most, 0, 0, ring_bits, max(1, limit))
        if found is None:
            return None
        steps.append(found)
        off = found.off(limit << found.out_bits)
        if 4 * off <= 1 << found.out_bits:  # with the half and the coin: one too few or too many at most
            return Euclidean(tuple(steps), least < 1, (4 * most).bit_length() + 1)
        limit = (off >> found.out_bits) + 3
        largest = min(largest, limit * most)
    return None


def divided(a: Arithmetic, x: Any, y: Any, s: Euclidean) -> Body[list[Any]]:
    """floor(x / y) and x - floor(x / y) y for y >= 0; both 0 where y is 0."""
    found, whole = yield from inverted(a, y, s.steps[0])
    left, total = x, None
    for step in s.steps:
        parts = yield from cut(a, whole, step)
        value = yield from product(a, left, [found.factor, *parts], step)
        if step is s.steps[-1]:
            value = a.sum([(value, 1)], -(1 << step.out_bits - 1))
        part = yield from a.shifted(value, step.out_bits)
        taken = yield from a.product(part, y)
        left = a.sum([(left, 1), (taken, -1)])
        total = part if total is None else a.sum([(total, 1), (part, 1)])
    over = a.sum([(left, 1), (y, -1)])
    signs = yield from a.together([_negative(left, s.sign_bits), _negative(over, s.sign_bits)])
    both = a.stacked(signs)

    def counted(inner: Arithmetic) -> Body[Any]:
        (more,) = yield from inner.sums(s.ring, both, [(1, [-1, -1])])
        return more

    def removed(inner: Arithmetic) -> Body[Any]:
        return (yield from inner.weighted(y, both, [-1, -1]))

    more, taken = yield from a.together([counted, removed])
    results = [a.sum([(total, 1), (more, 1)]), a.sum([(left, 1), (taken, -1)])]
    if not s.by_zero:
        return results
    there = a.rows(found.place.steps, [0])
    return (yield from a.together([_where(there, one) for one in results]))


def _negative(x: Any, bits: int) -> Any:
    return lambda inner: inner.negative(x, bits)


def _where(bit: Any, x: Any) -> Any:
    """x where the bit is set, else 0."""

    def body(inner: Arithmetic) -> Body[Any]:
        more = yield from inner.weighted(x, bit, [1])
        return inner.sum([(more, 1), (x, -1)])

    return body


def divide_whole(scope: Scope, x: Share, y: Share, s: Euclidean) -> Body[tuple[Share, Share]]:
    """Whole quotients and remainders of flat arrays of one length; y >= 0. Run by all three parties.

    Exact: what coins decide inside is set right. Rounds and bytes: `divide_whole_cost`.
    """
    kept = [Share.empty(s.ring, (x.size,)) for _ in range(2)]

    def piece(part: Scope, here: slice) -> Body[None]:
        found = yield from divided(Parties(part, exact=False), x[here], y[here], s)
        for out, one in zip(kept, found, strict=True):
            out.own[here], out.next[here] = one.own, one.next

    yield from in_pieces(scope, x.size, PIECE, piece)
    return kept[0], kept[1]


def divide_whole_cost(size: int, s: Euclidean) -> Cost:
    """Of `divide_whole`: the same generator, counted."""

    def piece(count: int) -> Cost:
        counting = Counting(count, exact=False)
        for _ in divided(counting, s.ring, s.ring, s):
            raise AssertionError("nothing waits while costs are counted")
        return counting.cost

    return cost_in_pieces(size, PIECE, piece)
