"""Clipping to public bounds of any ring word, so that declared bounds hold whatever the word is."""

from __future__ import annotations

from tercet.protocols.bits import bit_and, bit_and_cost, bit_not, bit_xor
from tercet.protocols.compare import is_negative, is_negative_cost
from tercet.protocols.convert import bit_to_words, bit_to_words_cost, inject, inject_cost
from tercet.protocols.cost import Cost
from tercet.protocols.product import add_public
from tercet.protocols.scope import Body, Scope, Together
from tercet.ring import Array, Ring
from tercet.sharing import Share


def clip(scope: Scope, x: Share, lo: int, hi: int) -> Body[Share]:
    """lo where x < lo, hi where x > hi, else x, for a flat sharing. Run by all three parties.

    Words are compared at the full width of their ring, so that the result lies in [lo, hi] for *every* word, whatever
    anybody claims of it. With v = x - lo and W = hi - lo: x is inside if neither v nor W - v is negative (v in
    [0, 2^(w-1)) leaves no overflow), above if only the second is. Two comparisons side by side, one AND, one injection
    beside one bit made a number. Exact. Semi-honest, one corruption: nothing but the protocols named runs, and local
    sums. Source: own.
    """
    ring = x.ring
    v = _plus(scope, x, -lo)
    rest = _plus(scope, Share(ring, ring.neg(v.own), ring.neg(v.next)), hi - lo)
    parts = scope.fork(2)
    below, above = yield Together([is_negative(parts[0], v, ring.bits), is_negative(parts[1], rest, ring.bits)])
    scope.join(parts)
    not_below = bit_not(scope, below)
    inside = yield from bit_and(scope, not_below, bit_not(scope, above))
    # other solo parties than before, so that rounds are alike whether arrays are cut or not
    parts = scope.fork(4, rotate=True)[::2]
    kept, beyond = yield Together(
        [inject(parts[0], inside, v), bit_to_words(parts[1], bit_xor(not_below, inside), ring)]
    )
    scope.join(parts)

    def summed(one: Array, other: Array) -> Array:
        return ring.add(one, ring.scale(other, hi - lo))

    return _plus(scope, Share(ring, summed(kept.own, beyond.own), summed(kept.next, beyond.next)), lo)


def clip_cost(ring: Ring, count: int) -> Cost:
    """Of `clip`."""
    once = is_negative_cost(count, ring.bits)
    last = inject_cost(ring, count).beside(bit_to_words_cost(ring, count))
    return once.beside(once) + bit_and_cost((), count) + last


def _plus(scope: Scope, x: Share, public: int) -> Share:
    return add_public(scope, x, x.ring.constant(public, x.shape))
