"""Cuts elementwise work into pieces of the size of a cache, which run side by side with rotated roles (§1.5).

Where the parties have machines and links of their own, arrays that fit the cache are cut, too, so that all parties
have the same load. Parties on one machine share its load anyway; there, more pieces are only more work.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from tercet.protocols.cost import Cost
from tercet.protocols.scope import Body, Scope, Together
from tercet.ring import Ring
from tercet.sharing import BitShare, Share

ROTATE_FROM = 3 * 1024
"""Below this many elements one piece does: the overhead of a message outweighs the balance of load."""
WINDOW = 24
"""How many pieces are under way at a time, so that their waits overlap."""
SHARED_WINDOW = 3
"""The same for bulk work of parties that share a machine: they wait for its cores and caches, not for links."""


def cut_from(limit: int, balance: bool) -> int:
    """How many elements are cut at least."""
    return ROTATE_FROM if balance else limit + 1


def piece_size(count: int, limit: int, balance: bool = True) -> int:
    """How many elements each piece but the last has; 1 if there are none."""
    if count < cut_from(limit, balance):
        return max(1, count)
    number = 3 * -(-count // (3 * limit))
    size = -(-count // number)
    return -(-size // 64) * 64


def pieces(count: int, limit: int, balance: bool = True) -> list[slice]:
    """Slices of [0, count): none if empty, one if small, else 3, 6 ... of about `limit`.

    Cut at multiples of 64: what is sent in packed bits is as much in all as if it were not cut.
    """
    size = piece_size(count, limit, balance)
    return [slice(start, min(start + size, count)) for start in range(0, count, size)]


def word_slice(piece: slice) -> slice:
    """The packed words that hold the bits of a piece."""
    return slice(piece.start // 64, (piece.stop + 63) // 64)


def in_pieces(
    scope: Scope, count: int, limit: int, body: Callable[[Scope, slice], Body[Any]], *, bulk: bool = False
) -> Body[list[Any]]:
    """Run `body` on every piece, side by side with rotated roles; `bulk` work sends much in a round or two."""
    if 0 < count < cut_from(limit, scope.balance):
        return [(yield from body(scope, slice(0, count)))]
    window = WINDOW if scope.balance or not bulk else SHARED_WINDOW
    cuts = pieces(count, limit, scope.balance)
    if not cuts:
        return []
    if len(cuts) == 1:
        return [(yield from body(scope, cuts[0]))]
    parts = scope.fork(len(cuts), rotate=True)
    results = yield Together((body(part, cut) for part, cut in zip(parts, cuts, strict=True)), window)
    scope.join(parts)
    return list(results)


def words_in_pieces(
    scope: Scope,
    ring: Ring,
    count: int,
    limit: int,
    body: Callable[[Scope, slice], Body[Share]],
    *,
    bulk: bool = False,
) -> Body[Share]:
    """The flat sharing of words whose pieces `body` gives; as `in_pieces`."""
    if 0 < count < cut_from(limit, scope.balance):
        return (yield from body(scope, slice(0, count)))
    out = Share.empty(ring, (count,))

    def piece(part: Scope, cut: slice) -> Body[None]:
        result = yield from body(part, cut)
        out.own[cut], out.next[cut] = result.own, result.next

    yield from in_pieces(scope, count, limit, piece, bulk=bulk)
    return out


def bits_in_pieces(
    scope: Scope, count: int, limit: int, body: Callable[[Scope, slice], Body[BitShare]], lead: tuple[int, ...] = ()
) -> Body[BitShare]:
    """The sharing (*lead, count) of packed bits whose pieces `body` gives; as `in_pieces`."""
    if 0 < count < cut_from(limit, scope.balance):
        return (yield from body(scope, slice(0, count)))
    out = BitShare.empty(count, lead)

    def piece(part: Scope, cut: slice) -> Body[None]:
        result, words = (yield from body(part, cut)), word_slice(cut)
        out.own[..., words], out.next[..., words] = result.own, result.next

    yield from in_pieces(scope, count, limit, piece)
    return out


def cost_in_pieces(count: int, limit: int, piece: Callable[[int], Cost]) -> Cost:
    """What `in_pieces` costs, given what a piece of so many elements does.

    In constant time, as nodes ask it of plans that they have not accepted yet, whatever size these write.
    """
    size = piece_size(count, limit)
    number, rest = divmod(count, size)
    total = piece(size).times(number) if number else Cost()
    return total.beside(piece(rest)) if rest else total
