"""Logic on packed bits: AND, XOR, NOT, selection by a one-hot row, prefix AND."""

from __future__ import annotations

import math
from functools import lru_cache

from tercet.protocols.cost import Cost
from tercet.protocols.message import Planes
from tercet.protocols.scope import Body, Scope
from tercet.ring import Array, Bits, concatenate, index_array, xor_of_ands, xor_reduce
from tercet.sharing import BitShare, Party


def bit_and(scope: Scope, x: BitShare, y: BitShare) -> Body[BitShare]:
    """x AND y, bit by bit; the leading axes broadcast. Run by all three parties.

    One round, one bit a party and bit of the result. Exact. Semi-honest, one corruption: what is passed to prev is
    masked by a fresh XOR sharing of zero. Source: Araki et al., CCS 2016, in its symmetric form.
    """
    step = scope.step("and")
    mine = (x.own & (y.own ^ y.next)) ^ (x.next & y.own)
    mine ^= step.zero_bits(mine.shape)
    layout = Planes(mine.shape[:-1], x.count)
    theirs = yield step.product_around(layout, mine)
    return BitShare(x.count, mine, theirs)


def bit_and_cost(lead: tuple[int, ...], count: int) -> Cost:
    return Cost(1, 3 * math.prod(lead) * ((count + 7) // 8))


def bit_xor(x: BitShare, y: BitShare) -> BitShare:
    """x XOR y; local."""
    return BitShare(x.count, x.own ^ y.own, x.next ^ y.next)


def bit_not(scope: Scope, x: BitShare) -> BitShare:
    """NOT x; local: the component of party 1 and its prev is complemented."""
    own = ~x.own if scope.party is Party.P1 else x.own
    return BitShare(x.count, own, ~x.next if scope.party.next is Party.P1 else x.next)


def rows(*parts: BitShare) -> BitShare:
    """Planes of several sharings, one below the other; local."""
    return BitShare(
        parts[0].count, concatenate([part.own for part in parts]), concatenate([part.next for part in parts])
    )


def and_rows(scope: Scope, x: BitShare) -> Body[BitShare]:
    """The AND of all rows, of which there is one at least, by a tree: ceil(log2 rows) rounds. Security as `bit_and`."""
    while (left := x.own.shape[0]) > 1:
        half = left // 2
        joined = yield from bit_and(scope, x[:half], x[half : 2 * half])
        x = rows(joined, x[2 * half :]) if left % 2 else joined
    return x[0]


def and_rows_cost(lead: int, count: int) -> Cost:
    total = Cost()
    while lead > 1:
        total = total + bit_and_cost((lead // 2,), count)
        lead -= lead // 2
    return total


def select_rows(scope: Scope, chosen: BitShare, table: BitShare) -> Body[BitShare]:
    """The XOR over rows g of chosen[g] AND table[..., g]. Run by all three parties; `chosen` (m,), `table` (k, m).

    One round, one bit a party and bit of the result, whatever m. Exact. Security and source as `bit_and`.
    """
    step = scope.step("select")
    mine = xor_reduce((chosen.own & (table.own ^ table.next)) ^ (chosen.next & table.own), axis=-2)
    mine ^= step.zero_bits(mine.shape)
    layout = Planes(mine.shape[:-1], chosen.count)
    theirs = yield step.product_around(layout, mine)
    return BitShare(chosen.count, mine, theirs)


def select_lines(scope: Scope, shape: tuple[int, ...], a: Bits, a_next: Bits, b: Bits, b_next: Bits) -> Body[BitShare]:
    """The XOR over rows g of a[g] AND b[g], which broadcast to `shape`. Run by all three parties.

    Operands (rows, ..., words) have each line along the last axis of `shape` in words of its own, or one word for all
    of it. Rounds, bits, security and source as `select_rows`; nothing is repeated in memory.
    """
    step = scope.step("select")
    mine = xor_of_ands(shape, [(a, b ^ b_next), (a_next, b)])
    mine ^= step.zero_bits(mine.shape)
    count = math.prod(shape)
    theirs = yield step.product_around(Planes((), count), mine)
    return BitShare(count, mine, theirs)


@lru_cache(maxsize=64)
def prefix_levels(count: int, least: int = 0) -> list[list[int]]:
    """Sklansky's network for `count` items: for each level the items that take in the item `before` gives for them.
    Those below `least` are there as far as others need them."""
    levels: list[list[int]] = []
    needed = set(range(least, count))
    for level in reversed(range(max(0, count - 1).bit_length())):
        levels.insert(0, [item for item in range(count) if item >> level & 1 and item in needed])
        needed |= {before(item, level) for item in levels[0]}
    return levels


def before(item: int, level: int) -> int:
    """The last item of the block that `item` takes in at this level."""
    return (item >> level << level) - 1


@lru_cache(maxsize=64)
def _prefix_steps(count: int) -> list[tuple[Array, Array]]:
    """Of each level of `prefix_levels`, the items and what is before each."""
    return [
        (index_array(items), index_array([before(item, level) for item in items]))
        for level, items in enumerate(prefix_levels(count))
    ]


def prefix_and(scope: Scope, x: BitShare) -> Body[BitShare]:
    """Row i of the result is the AND of rows 0 .. i. Run by all three parties.

    ceil(log2 of the rows) rounds, a bit a party for each of about rows / 2 * log2(rows) ANDs. Exact.
    """
    own, following = x.own.copy(), x.next.copy()
    for items, others in _prefix_steps(x.own.shape[0]):
        both = BitShare(x.count, own, following)
        result = yield from bit_and(scope, both[items], both[others])
        own[items], following[items] = result.own, result.next
    return BitShare(x.count, own, following)


def prefix_and_cost(lead: int, count: int) -> Cost:
    total = Cost()
    for items in prefix_levels(lead):
        total = total + bit_and_cost((len(items),), count)
    return total
