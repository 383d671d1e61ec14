"""How many of the shared bits of a line are set: a bit is dealt modulo 2^w, not as a word, and a line sends one sum.

w is one more than the bits that the length of a line has, so that a count is below 2^(w-1): the wrap of its two halves
modulo 2^w is then the OR of their top bits, one cross term a line, which makes it a number modulo 2^64.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from tercet.protocols.convert import split_bits_form
from tercet.protocols.cost import NOTHING, Cost
from tercet.protocols.cross import cross_cost, cross_terms
from tercet.protocols.message import Fields, RawBytes, Words
from tercet.protocols.pieces import in_pieces, piece_size, word_slice
from tercet.protocols.scope import Body, Pair, ProtocolRole, Scope
from tercet.ring import RING64, Array, signed_counts
from tercet.sharing import BitShare, Purpose, Share

PIECE = 1 << 17


def count_bits(terms: int) -> int:
    """How many bits the dealt fields have where lines are of `terms` bits: w."""
    return terms.bit_length() + 1


class _Lines:
    """The lines that a piece of the flat array meets, and where they begin in it."""

    __slots__ = ("first", "starts")

    def __init__(self, cut: slice, terms: int) -> None:
        self.first = cut.start // terms
        self.starts = [0, *range((self.first + 1) * terms - cut.start, cut.stop - cut.start, terms)]

    @property
    def number(self) -> int:
        return len(self.starts)

    @property
    def span(self) -> slice:
        return slice(self.first, self.first + self.number)


def count_lines(scope: Scope, b: BitShare, terms: int) -> Body[Share]:
    """The number of set bits in each line of `terms` flat bits, modulo 2^64. Run by all three parties; terms > 0.

    3 rounds; w bits in all for each bit (w = 21 for a line of a million, so 7 bits a party where a bit as a word takes
    64), and 2 w bits and 4 words for each line and piece. Exact. Semi-honest, one corruption: two uses of the
    cross-term argument (docs/security/cross-terms.md), the first in integers modulo 2^w.
    Source: own; a bit as a number after ABY3 (CCS 2018), the wrap of a number that is known to be small as in TR-2.
    """
    out = Share(RING64, RING64.zeros(b.count // terms), RING64.zeros(b.count // terms))

    def piece(part: Scope, cut: slice) -> Body[None]:
        words = word_slice(cut)
        lines = _Lines(cut, terms)
        bits = BitShare(cut.stop - cut.start, b.own[words], b.next[words])
        found = yield from _piece(part, bits, lines.starts, count_bits(terms), lines.number)
        for whole, mine in ((out.own, found.own), (out.next, found.next)):
            whole[lines.span] = RING64.add(whole[lines.span], mine)

    yield from in_pieces(scope, b.count, PIECE, piece)
    return out


def weigh_lines(scope: Scope, b: BitShare, weights: Sequence[int], most: int, *, widened: bool = True) -> Body[Share]:
    """The sum of 2^weight over the set bits of each line, which is at most `most`, modulo 2^64; `weights` are those of
    a line's words. Run by all three parties.

    3 rounds; w bits in all for each bit, `most` having w - 1, and 2 w bits and 4 words for each line. Without `widened`
    modulo 2^w, as the low bits of words: 2 rounds, no words. Exact. Security as `count_lines`: what a party has of a
    weight is multiplied before it is masked.
    """
    parts = [at for at, weight in enumerate(weights) if not at or weight != weights[at - 1]]
    scales = RING64.from_ints([1 << weights[at] for at in parts])
    lines = b.own.size // len(weights)
    starts = [64 * (line * len(weights) + at) for line in range(lines) for at in parts]

    def weighed(sums: Array) -> Array:
        return RING64.sum(RING64.mul(sums.reshape(lines, -1), scales), 1)

    return (yield from _piece(scope, b, starts, count_bits(most), lines, weighed, widened))


def weigh_lines_cost(lines: int, words: int, most: int, *, widened: bool = True) -> Cost:
    """Of `weigh_lines` of so many words a line, exact."""
    return _piece_cost(count_bits(most), 64 * lines * words, lines, widened)


def _piece(
    scope: Scope,
    b: BitShare,
    starts: list[int],
    w: int,
    lines: int,
    weighed: Callable[[Array], Array] | None = None,
    widened: bool = True,
) -> Body[Share]:
    step = scope.step("count")
    fields, sums = RawBytes(Fields(w, b.count).nbytes), Fields(w, lines, RING64)
    half = split_bits_form(scope, b)
    words = Words(RING64, (lines,))
    if scope.role is ProtocolRole.D:
        drawn = step.draw(Pair.AD, fields, Purpose.TERM)
        step.deal(ProtocolRole.B, (fields, RING64.deal_bits(half.reshape(1, -1), b.count, [w], drawn)))
        masks = [step.draw(pair, sums, Purpose.OUTPUT) for pair in (Pair.AD, Pair.BD)]
        if not widened:
            return Share(RING64, masks[1], masks[0])
        r = RING64.low(RING64.add(*masks), w)
        return (yield from cross_terms(scope, words, [r, RING64.shr(r, w - 1)]))
    is_a = scope.role is ProtocolRole.A
    mask = step.draw(Pair.AD if is_a else Pair.BD, sums, Purpose.OUTPUT)
    if is_a:
        part = step.draw(Pair.AD, fields, Purpose.TERM)
    else:
        part = yield step.receive(ProtocolRole.D, fields)
    other = ProtocolRole.B if is_a else ProtocolRole.A
    terms, ours = signed_counts(half, w, part, b.count, starts)
    if weighed is not None:
        terms, ours = weighed(terms), weighed(ours)
    sent = RING64.sub(terms, mask)
    step.cross_term(other, sums, sent)
    theirs = yield step.receive(other, sums)
    c = RING64.low(RING64.add(RING64.add(theirs, sent), ours), w)
    if not widened:
        return Share(RING64, mask, c) if is_a else Share(RING64, c, mask)
    return (yield from _widened(scope, words, c, w, is_a))


def _widened(scope: Scope, words: Words, c: Array, w: int, is_a: bool) -> Body[Share]:
    """c + r modulo 2^w as a number, at A and B; D has dealt r and its top bit. The sum is below 2^(w-1)."""
    top = RING64.shr(c, w - 1)
    full = RING64.from_ints([1 << w])
    open_top = RING64.mul(RING64.sub(top, RING64.from_ints([1])), full)  # 2^w less often where c has its top bit
    y = yield from cross_terms(scope, words, [RING64.constant(1, c.shape).copy(), open_top])
    mine = RING64.sub(c, RING64.mul(top, full))
    return Share(RING64, y.own, RING64.add(y.next, mine)) if is_a else Share(RING64, RING64.add(y.own, mine), y.next)


def _piece_cost(w: int, bits: int, lines: int, widened: bool = True) -> Cost:
    summed = Fields(w, bits).nbytes + 2 * Fields(w, lines).nbytes
    if not widened:
        return Cost(2, summed)
    return Cost(3, summed + cross_cost(Words(RING64, (lines,)), 2, one_round=False).total_bytes)


def count_lines_cost(count: int, terms: int) -> Cost:
    """Of `count_lines`, exact. In constant time, as `cost_in_pieces`."""
    w, size = count_bits(terms), piece_size(count, PIECE)
    number, rest = divmod(count, size)

    total = NOTHING
    if number:
        # each meets `fewest` lines or one more: a line counts once more for every cut within it
        fewest, last = -(-size // terms), number * size
        within = number - 1 - (number - 1) // (terms // math.gcd(size, terms))
        more = -(-last // terms) + within - number * fewest
        total = _piece_cost(w, size, fewest).times(number - more)
        if more:
            total = total.beside(_piece_cost(w, size, fewest + 1).times(more))
    if rest:
        total = total.beside(_piece_cost(w, rest, -(-count // terms) - (count - rest) // terms))
    return total
