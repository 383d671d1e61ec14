"""The k-th of n numbers given by their bits, a few bits at a time; many searches side by side; nothing is opened.

From the highest digit on it is counted how many of the numbers that agree with what is found so far have a digit below
1, 2, ..., 2^k - 1 next: the first count beyond the rank says what the digit is, and what is below it lies below. Counts
and ranks stay modulo 2^w, w one more than the bits that n has, as counts come out of their exchange: they differ by
less than half of that. Source: folklore; the counts own.
"""

from __future__ import annotations

from dataclasses import dataclass

from tercet.protocols.adders import WORD, adder_rounds, count_words, count_words_cost
from tercet.protocols.bits import bit_and, bit_and_cost, bit_not, select_rows
from tercet.protocols.compare_pc3 import is_negative_pc3_split, is_negative_pc3_split_cost
from tercet.protocols.convert import bit_words, inject_piece, inject_piece_cost
from tercet.protocols.cost import Cost, Depths
from tercet.protocols.count import count_bits
from tercet.protocols.product import add_public, split_form
from tercet.protocols.scope import Body, Scope, Together
from tercet.ring import (
    RING64,
    Array,
    Bits,
    as_bits,
    broadcast,
    clear_beyond,
    complement,
    concatenate,
    move_axis,
    split_rows,
    stack,
    to_planes,
    word_count,
    xor_reduce,
    zero_bits,
)
from tercet.sharing import BitShare, Share


@dataclass(frozen=True, slots=True)
class Searches:
    """Public numbers: the elements of so many ranks in each of so many lines of so many numbers of so many bits, which
    are found `width` bits at a time, two at least."""

    bits: int
    ranks: int
    lines: int
    length: int
    width: int

    @property
    def widths(self) -> list[int]:
        """How many bits each digit has, the lowest first. The highest has up to two more: all numbers are left then,
        so that nothing is asked for each rank."""
        more = min(2, self.ranks)
        lower = max(0, -(-(self.bits - more) // self.width) - 1)
        return [self.width] * lower + [self.bits - lower * self.width]

    @property
    def number(self) -> int:
        return self.ranks * self.lines

    @property
    def words(self) -> int:
        """Of a line, which begins in a word of its own."""
        return word_count(self.length)

    @property
    def modulus(self) -> int:
        """How many bits counts and ranks have: w."""
        return count_bits(self.length)


def order_statistics(scope: Scope, planes: BitShare, wanted: Array, s: Searches) -> Body[BitShare]:
    """The bits of elements of given ranks, (bits, ranks, lines) flat, the lowest first. Run by all three parties.

    `planes`: flat bits of the numbers, (bits, lines, length), the lowest first. `wanted`: public words, (ranks, lines)
    flat: the ranks, in ascending order from 0 on and below the length. In each digit 2^k - 1 ANDs and counts and one
    AND more for each number and rank, 2^k - 1 - k ANDs before; 6 rounds a digit, and the adders of the counts, 4 for
    long lines. Exact. Semi-honest, one corruption: ANDs, counts, signs and injections, whose views are simulated one
    after the other (docs/security/order-statistics.md).
    """
    masks = yield from _thresholds(scope, planes, s)
    left: BitShare | None = None
    below: Share | None = None
    found: list[tuple[Array, Array]] = []
    for kept in reversed(masks):
        if left is not None:
            kept = yield from bit_and(scope, left, kept)
        counts = yield from _counts(scope, kept, s)
        rest = _rest(scope, wanted, below, counts)
        beyond = yield from is_negative_pc3_split(scope, split_form(scope, rest), s.modulus)
        reached, missed = _words(beyond, s), _words(bit_not(scope, beyond), s)
        found.append(missed)
        if len(found) == len(masks):
            break
        parts = scope.fork(2)
        passing = inject_piece(parts[1], [(_one(missed), 1)], counts, one_round=True)
        left, passed = yield Together([_narrowed(parts[0], kept, left, reached, missed, s), passing])
        scope.join(parts)
        passed = Share(RING64, *(RING64.sum(part.reshape(-1, s.number), 0) for part in (passed.own, passed.next)))
        below = passed if below is None else _added(below, passed)
    return _bits(found[::-1], s)


def _thresholds(scope: Scope, planes: BitShare, s: Searches) -> Body[list[BitShare]]:
    """For each digit, the lowest first, (2^k - 1, 1, lines, words): whether it is below 1, 2, ..."""
    count, widths = WORD * s.words, s.widths
    clear = bit_not(scope, BitShare(planes.count, planes.own, planes.next))
    rows = [split_rows(part, s.bits * s.lines, s.length) & _inside(s) for part in (clear.own, clear.next)]
    bits = stack([part.reshape(s.bits, s.lines, s.words) for part in rows])
    # of one width side by side: components, digits, bits of each
    shape = (s.lines, s.words)
    whole = [bits[:, : -widths[-1]].reshape(2, -1, s.width, *shape), bits[:, -widths[-1] :].reshape(2, 1, -1, *shape)]
    whole = [group for group in whole if group.shape[1]]
    below = [group[:, :, :1] for group in whole]
    for at in range(1, max(widths)):
        which = [k for k, group in enumerate(whole) if at < group.shape[2]]
        upper = [broadcast(whole[k][:, :, at : at + 1], below[k].shape) for k in which]
        above, low = (
            concatenate([group.reshape(2, -1, s.words) for group in groups], axis=1)
            for groups in (upper, [below[k] for k in which])
        )
        both = yield from bit_and(scope, BitShare(count, *above), BitShare(count, *low))
        joined, start = stack([both.own, both.next]), 0
        for k, high in zip(which, upper, strict=True):
            size = high[0].size // s.words
            part = joined[:, start : start + size].reshape(high.shape)
            start += size
            below[k] = concatenate([part, high[:, :, :1], high ^ below[k] ^ part], axis=2)
    return [BitShare(count, *group[:, at, :, None]) for group in below for at in range(group.shape[1])]


def _inside(s: Searches) -> Bits:
    """The places of a line in its words; what is beyond counts nowhere."""
    places = zero_bits((s.words,))
    complement(places)
    return clear_beyond(places, s.length)


def _counts(scope: Scope, kept: BitShare, s: Searches) -> Body[Share]:
    """(2^k - 1) x ranks x lines counts, flat, modulo 2^w; of the first digit each rank has the same."""
    lines = stack([part.reshape(-1, s.words) for part in (kept.own, kept.next)])
    found = yield from count_words(scope, lines, s.length)
    steps, ranks = kept.own.shape[:2]
    if ranks == s.ranks:
        return found
    each = [broadcast(part.reshape(steps, 1, -1), (steps, s.ranks, s.lines)) for part in (found.own, found.next)]
    return Share(RING64, *(part.reshape(-1) for part in each))


def _rest(scope: Scope, wanted: Array, below: Share | None, counts: Share) -> Share:
    """The rank, less what lies below all that is left, less each count: negative where the count reaches beyond it."""
    shape = (counts.size // wanted.size, wanted.size)

    def less(part: Array, passed: Array | None) -> Array:
        return RING64.neg(part if passed is None else RING64.add(part.reshape(shape), passed).reshape(-1))

    own, following = (None, None) if below is None else (below.own, below.next)
    rest = Share(RING64, less(counts.own, own), less(counts.next, following))
    return add_public(scope, rest, broadcast(wanted, shape).reshape(-1))


def _words(flags: BitShare, s: Searches) -> tuple[Array, Array]:
    """Both components of one bit for each count, as words 0 and 1: (2^k - 1, searches)."""
    own, following = (bit_words(RING64, part, flags.count).reshape(-1, s.number) for part in (flags.own, flags.next))
    return own, following


def _packed(own: Array, following: Array) -> BitShare:
    return BitShare(own.size, *(to_planes(part.reshape(-1), 1)[0] for part in (own, following)))


def _one(missed: tuple[Array, Array]) -> BitShare:
    """Whether a digit is 1, 2, ...: its count is below the rank, the next one is not."""
    return _packed(*(concatenate([part[:-1] ^ part[1:], part[-1:]]) for part in missed))


def _narrowed(
    scope: Scope,
    kept: BitShare,
    left: BitShare | None,
    reached: tuple[Array, Array],
    missed: tuple[Array, Array],
    s: Searches,
) -> Body[BitShare]:
    """(ranks, lines, words): those left that have the digit that was found: which are below it and one more, but not
    below it. Of the first digit all were left, a public row."""

    def chosen(e: Array, n: Array) -> Bits:
        # for each threshold, whether it is the digit or one more; of what is left, whether the digit is the last one
        rows = [e[1:2], n[:-2] ^ n[2:], n[-2:-1], n[-1:]]
        words = as_bits(RING64.neg(concatenate(rows if left is not None else rows[:-1])))
        return move_axis(words.reshape(-1, s.ranks, s.lines, 1), 0, -2)

    parts = [kept.own, kept.next]
    if left is not None:
        parts = [concatenate([part, one[None]]) for part, one in zip(parts, (left.own, left.next), strict=True)]
    count = WORD * s.words
    rows = BitShare(count, *(move_axis(part, 0, -2) for part in parts))
    picks = BitShare(count, *(chosen(e, n) for e, n in zip(reached, missed, strict=True)))
    found = yield from select_rows(scope, picks, rows)
    if left is not None:
        return found
    inside = _inside(s)
    last = [as_bits(RING64.neg(part[-1])).reshape(s.ranks, s.lines, 1) & inside for part in missed]
    return BitShare(count, found.own ^ last[0], found.next ^ last[1])


def _added(x: Share, y: Share) -> Share:
    return Share(RING64, RING64.add(x.own, y.own), RING64.add(x.next, y.next))


def _bits(found: list[tuple[Array, Array]], s: Searches) -> BitShare:
    """As many multiples of 2^bit as are not above a digit say whether it is odd there."""

    def planes(digits: list[Array]) -> Array:
        each = zip(digits, s.widths, strict=True)
        return stack([xor_reduce(digit[(1 << bit) - 1 :: 1 << bit], axis=0) for digit, k in each for bit in range(k)])

    return _packed(*(planes([digit[at] for digit in found]) for at in (0, 1)))


def order_statistics_cost(s: Searches) -> Cost:
    depths, total, count, widths = Depths(), Cost(), WORD * s.words, s.widths
    for at in range(1, max(widths)):
        total = total + bit_and_cost((sum((1 << at) - 1 for width in widths if at < width) * s.lines,), count)
    depths.ring(max(widths) - 1)
    for at, width in enumerate(reversed(widths)):
        steps = (1 << width) - 1
        size = steps * s.number
        if at:
            total = total + bit_and_cost((size,), count)
            depths.ring()
        total = total + count_words_cost(size if at else steps * s.lines, s.words, s.length)
        depths.ring(adder_rounds(s.words))
        depths.cross()
        total = total + is_negative_pc3_split_cost(size, s.modulus)
        depths.deal()
        depths.say("ad", "bd")
        depths.deal()
        if at < len(widths) - 1:
            total = total + bit_and_cost((s.number,), count) + inject_piece_cost(RING64, size, 1, one_round=True)
            beside = depths.copy()
            beside.cross(one_round=True)
            depths.ring()
            depths.join(beside)
    return Cost(depths.rounds, total.total_bytes)
