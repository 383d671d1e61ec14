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
from tercet.protocols.compare import carry_out_cost, is_negative_split, tree_levels
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
    def digits(self) -> int:
        return -(-self.bits // self.width)

    @property
    def steps(self) -> int:
        """How many counts say what a digit is."""
        return (1 << self.width) - 1

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
    AND more for each number and rank, 2^k - 1 - k ANDs before; 9 rounds a digit, the adders of the counts (5 for long
    lines), and the levels of a comparison's tree. Exact. Semi-honest, one corruption: ANDs, counts, signs and
    injections, whose views are simulated one after the other.
    """
    masks = yield from _thresholds(scope, planes, s)
    left: BitShare | None = None
    below: Share | None = None
    found: list[tuple[Array, Array]] = []
    for at in reversed(range(s.digits)):
        kept = masks[at]
        if left is not None:
            kept = yield from bit_and(scope, left, kept)
        counts = yield from _counts(scope, kept, s)
        beyond = yield from is_negative_split(
            scope, split_form(scope, _rest(scope, wanted, below, counts, s)), s.modulus
        )
        reached, missed = _words(beyond, s), _words(bit_not(scope, beyond), s)
        found.append(missed)
        if not at:
            break
        parts = scope.fork(2)
        left, passed = yield Together(
            [
                _narrowed(parts[0], kept, left, reached, missed, s),
                inject_piece(parts[1], [(_one(missed), 1)], counts, one_round=True),
            ]
        )
        scope.join(parts)
        passed = Share(RING64, *(RING64.sum(part.reshape(s.steps, -1), 0) for part in (passed.own, passed.next)))
        below = passed if below is None else _added(below, passed)
    return _bits(found[::-1], s)


def _thresholds(scope: Scope, planes: BitShare, s: Searches) -> Body[BitShare]:
    """(digits, 2^k - 1, 1, lines, words): whether a digit is below 1, 2, ...; the lowest digit first."""
    count = WORD * s.words
    rows = s.bits * s.lines

    def digits(part: Bits) -> Bits:
        known = split_rows(part, rows, s.length).reshape(s.bits, s.lines, s.words)
        missing = s.digits * s.width - s.bits
        return concatenate([known, zero_bits((missing, s.lines, s.words))]) if missing else known

    inside = _inside(s)
    clear = bit_not(scope, BitShare(count, digits(planes.own), digits(planes.next)))
    clear = BitShare(count, clear.own & inside, clear.next & inside)
    low: BitShare | None = None
    for at in range(s.width):
        upper = BitShare(count, *(part[at :: s.width, None, None] for part in (clear.own, clear.next)))
        if low is None:
            low = upper
            continue
        both = yield from bit_and(scope, upper, low)
        low = BitShare(
            count,
            *(
                concatenate([b, u, u ^ one ^ b], axis=1)
                for b, u, one in ((both.own, upper.own, low.own), (both.next, upper.next, low.next))
            ),
        )
    assert low is not None
    return low


def _inside(s: Searches) -> Bits:
    """The places of a line in its words; what is beyond counts nowhere."""
    places = zero_bits((s.words,))
    complement(places)
    return clear_beyond(places, s.length)


def _counts(scope: Scope, kept: BitShare, s: Searches) -> Body[Share]:
    """(2^k - 1) x ranks x lines counts, flat, modulo 2^w; of the first digit each rank has the same."""
    lines = stack([part.reshape(-1, s.words) for part in (kept.own, kept.next)])
    found = yield from count_words(scope, lines, s.length)
    if kept.own.shape[1] == s.ranks:
        return found
    shape = (s.steps, s.ranks, s.lines)
    return Share(
        RING64, *(broadcast(part.reshape(s.steps, 1, s.lines), shape).reshape(-1) for part in (found.own, found.next))
    )


def _rest(scope: Scope, wanted: Array, below: Share | None, counts: Share, s: Searches) -> Share:
    """The rank, less what lies below all that is left, less each count: negative where the count reaches beyond it."""

    def less(part: Array, passed: Array | None) -> Array:
        return RING64.neg(part if passed is None else RING64.add(part.reshape(s.steps, -1), passed).reshape(-1))

    own, following = (None, None) if below is None else (below.own, below.next)
    rest = Share(RING64, less(counts.own, own), less(counts.next, following))
    return add_public(scope, rest, broadcast(wanted, (s.steps, s.number)).reshape(-1))


def _words(flags: BitShare, s: Searches) -> tuple[Array, Array]:
    """Both components of one bit for each count, as words 0 and 1: (2^k - 1, searches)."""
    own, following = (bit_words(RING64, part, flags.count).reshape(s.steps, -1) for part in (flags.own, flags.next))
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
        rows = [xor_reduce(digit[(1 << bit) - 1 :: 1 << bit], axis=0) for digit in digits for bit in range(s.width)]
        return stack(rows[: s.bits])

    return _packed(*(planes([digit[at] for digit in found]) for at in (0, 1)))


def order_statistics_cost(s: Searches) -> Cost:
    depths, count = Depths(), WORD * s.words
    total = Cost()
    for at in range(1, s.width):
        total = total + bit_and_cost((s.digits * ((1 << at) - 1) * s.lines,), count)
    depths.ring(s.width - 1)
    size = s.steps * s.number
    compared = carry_out_cost(s.modulus - 1, size, top=True)
    for at in range(s.digits):
        if at:
            total = total + bit_and_cost((size,), count)
            depths.ring()
        total = total + count_words_cost(size if at else s.steps * s.lines, s.words, s.length)
        depths.ring(adder_rounds(s.words))
        depths.cross()
        total = total + compared
        depths.cross()
        depths.ring(tree_levels(s.modulus - 1))
        if at < s.digits - 1:
            total = total + bit_and_cost((s.number,), count) + inject_piece_cost(RING64, size, 1, one_round=True)
            beside = depths.copy()
            beside.cross(one_round=True)
            depths.ring()
            depths.join(beside)
    return Cost(depths.rounds, total.total_bytes)
