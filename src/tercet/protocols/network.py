"""Short lines sorted by a network of comparators, which opens nothing (protocols page §7.3; Batcher, AFIPS 1968).

The keys stay bits throughout: of each pair the larger goes behind, by ANDs; rows follow by products with the same bit.
Places are the lowest bits of the keys, so that no two are equal and the sort is stable.
"""

from __future__ import annotations

from functools import cache

from tercet.protocols.bits import bit_and, bit_and_cost, bit_not, bit_xor, rows
from tercet.protocols.convert import inject_piece, inject_piece_cost
from tercet.protocols.cost import NOTHING, Cost, Depths
from tercet.protocols.scope import Body, Scope, Together
from tercet.ring import Places, Ring, concatenate, gather, gather_bits, line_places, place_planes, spread, spread_bits
from tercet.sharing import BitShare, Party, Share

LONGEST = 64
"""The longest line for which a plan may choose the network."""


@cache
def comparators(length: int) -> tuple[tuple[tuple[int, ...], tuple[int, ...]], ...]:
    """Batcher's odd-even merge sort: for each stage the places that are compared, fronts and backs."""
    stages = []
    merged = 1
    while merged < length:
        step = merged
        while step:
            pairs = [
                (at, at + step)
                for start in range(step % merged, length - step, 2 * step)
                for at in range(start, min(start + step, length - step))
                if at // (2 * merged) == (at + step) // (2 * merged)
            ]
            if pairs:
                fronts, backs = zip(*pairs, strict=True)
                stages.append((fronts, backs))
            step //= 2
        merged *= 2
    return tuple(stages)


def network_rows(scope: Scope, keys: BitShare, arrays: list[Share], lines: int) -> Body[list[Share]]:
    """Flat arrays in lines, each line in the order of its keys, equal keys in their order. Run by all three parties.

    `keys`: planes (bits, ...) of flat unsigned keys, the lowest bit first; arrays are of one ring. With B bits of keys
    and places, each of about log2(n)^2 / 2 stages compares pairs of places: about 3 B ANDs a pair in log2(B) + 1
    rounds, B more for the exchange and one product of a bit and a number for each array, in one. Exact. Semi-honest,
    one corruption: nothing but the protocols named runs; nothing is opened.
    Source: Batcher, AFIPS 1968; Jónsson, Kreitz, Uddin, eprint 2011/122.
    """
    count = keys.count
    length = count // lines
    if length < 2:
        return arrays
    planes = rows(_places(scope, length, lines), keys)
    for fronts, backs in comparators(length):
        (part,) = scope.fork(1, rotate=True)
        front, back = line_places(fronts, length, lines), line_places(backs, length, lines)
        first, second = _taken(planes, front), _taken(planes, back)
        swap = yield from _less(part, second, first)
        moving, carrying = part.fork(2)
        exchange, carried = yield Together(
            [bit_and(moving, swap, bit_xor(first, second)), _carried(carrying, swap, arrays, front, back)]
        )
        part.join([moving, carrying])
        planes = _put(planes, exchange, front, back)
        arrays = carried
        scope.join([part])
    return arrays


def _places(scope: Scope, length: int, lines: int) -> BitShare:
    """The public places as shared bits: of one component."""
    known = place_planes(length, lines)
    nothing = known ^ known
    return BitShare(
        length * lines,
        known if scope.party is Party.P1 else nothing,
        known if scope.party.next is Party.P1 else nothing,
    )


def _taken(planes: BitShare, places: Places) -> BitShare:
    own, following = (gather_bits(part, planes.count, places) for part in (planes.own, planes.next))
    return BitShare(places.size, own, following)


def _put(planes: BitShare, exchange: BitShare, front: Places, back: Places) -> BitShare:
    """The bits with those of both places of each pair turned over where `exchange` is set."""

    parts = []
    for whole, turned in ((planes.own, exchange.own), (planes.next, exchange.next)):
        both = spread_bits(turned, exchange.count, front, planes.count)
        parts.append(whole ^ both ^ spread_bits(turned, exchange.count, back, planes.count))
    return BitShare(planes.count, *parts)


def _carried(scope: Scope, swap: BitShare, arrays: list[Share], front: Places, back: Places) -> Body[list[Share]]:
    """The arrays with the elements of each pair exchanged where `swap` is set."""
    if not arrays:
        return []
    ring, count = arrays[0].ring, arrays[0].size
    own, following = (
        concatenate([ring.sub(gather(part, back), gather(part, front)) for part in parts])
        for parts in ([array.own for array in arrays], [array.next for array in arrays])
    )
    pairs = front.size
    bits = swap if len(arrays) == 1 else _repeated(swap, len(arrays))
    moved = yield from inject_piece(scope, [(bits, 1)], Share(ring, own, following), one_round=True)
    found = []
    for at, array in enumerate(arrays):
        part = moved[at * pairs : (at + 1) * pairs]
        sides = []
        for whole, change in ((array.own, part.own), (array.next, part.next)):
            grown = ring.add(whole, spread(change, front, count))
            sides.append(ring.sub(grown, spread(change, back, count)))
        found.append(Share(ring, *sides))
    return found


def _repeated(bits: BitShare, times: int) -> BitShare:
    """Flat bits, so many times one behind the other."""
    order = line_places(tuple(range(bits.count)) * times, bits.count, 1)
    own, following = (gather_bits(part.reshape(1, -1), bits.count, order)[0] for part in (bits.own, bits.next))
    return BitShare(order.size, own, following)


def _less(scope: Scope, a: BitShare, b: BitShare) -> Body[BitShare]:
    """Whether a < b, of planes with the lowest bit first: from each group of bits whether it is less, and equal."""
    less = yield from bit_and(scope, bit_not(scope, a), b)
    same = bit_not(scope, bit_xor(a, b))
    while (groups := less.own.shape[0]) > 1:
        half = groups // 2
        low_less, high_less = less[0 : 2 * half : 2], less[1 : 2 * half : 2]
        low_same, high_same = same[0 : 2 * half : 2], same[1 : 2 * half : 2]
        both = yield from bit_and(scope, rows(high_same, high_same), rows(low_less, low_same))
        joined, equal = bit_xor(high_less, both[:half]), both[half:]
        less = rows(joined, less[2 * half :]) if groups % 2 else joined
        same = rows(equal, same[2 * half :]) if groups % 2 else equal
    return less[0]


def network_rows_cost(bits: int, count: int, lines: int, ring: Ring, rows: int) -> Cost:
    length = count // lines if lines else 0
    if length < 2:
        return NOTHING
    bits += (length - 1).bit_length()
    depths, total = Depths(), 0
    for fronts, _ in comparators(length):
        pairs = len(fronts) * lines
        total += bit_and_cost((bits,), pairs).total_bytes
        depths.ring()
        groups = bits
        while groups > 1:
            total += bit_and_cost((2 * (groups // 2),), pairs).total_bytes
            depths.ring()
            groups -= groups // 2
        total += bit_and_cost((bits,), pairs).total_bytes
        moving = depths.copy()
        moving.ring()
        if rows:
            total += inject_piece_cost(ring, pairs * rows, 1, one_round=True).total_bytes
            depths.cross(one_round=True)
        depths.join(moving)
        depths.rotate()
    return Cost(depths.rounds, total)
