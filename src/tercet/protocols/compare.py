"""Signs and carries by a table over base-16 digits and a compacting carry tree, on bit planes (protocols page §5.5).

A sharing x = c + r (c known to A and B, r to D) has the sign bit msb(c) XOR msb(r) XOR carry, where the carry of the
bits below comes from digits: D shares for each digit the one-hot vector of the value at which c's digit would complete
15, and A and B read off it "the digit generates a carry" and "the digit passes one on". A tree of ANDs joins digits.

Semi-honest, one corruption. Not for the malicious mode: D could share tables that are not one-hot.
"""

from __future__ import annotations

from collections.abc import Sequence

from tercet.protocols.bits import bit_and, bit_and_cost
from tercet.protocols.cost import Cost
from tercet.protocols.message import Planes
from tercet.protocols.pieces import bits_in_pieces, cost_in_pieces
from tercet.protocols.product import Split, split_form
from tercet.protocols.scope import Body, Pair, ProtocolRole, Scope
from tercet.ring import Bits, concatenate, empty_bits, leaf_deal, leaf_eval, to_planes, word_count
from tercet.sharing import BitShare, Purpose, Share

PIECE = 1 << 16
DIGIT_BITS = 4


def held(scope: Scope, ab: Bits | None, ad: Bits | None, bd: Bits | None, count: int) -> BitShare:
    """This party's part of the sharing whose components are named by the pairs that know them."""
    own, following = {ProtocolRole.D: (bd, ad), ProtocolRole.A: (ad, ab), ProtocolRole.B: (ab, bd)}[scope.role]
    assert own is not None and following is not None
    return BitShare(count, own, following)


class _Leaf:
    """The digits of `low` bits: how many whole ones, how wide the last, where their tables lie in what is sent."""

    __slots__ = ("digits", "entries", "low", "rest", "whole")

    def __init__(self, low: int) -> None:
        self.low = low
        self.whole, self.rest = divmod(low, DIGIT_BITS)
        self.digits = self.whole + bool(self.rest)
        self.entries = self.whole * ((1 << DIGIT_BITS) - 1) + (1 << self.rest) - 1

    @property
    def outputs(self) -> int:
        """A carry bit of every digit, a pass bit of every one but the lowest."""
        return 2 * self.digits - 1

    def parts(self, planes: Bits, tables: Bits) -> list[tuple[Bits, Bits]]:
        """(digits, bits, words) of the values beside (digits, entries, words) of the tables, for each width."""
        words = planes.shape[-1]
        split = self.whole * DIGIT_BITS
        cut = self.entries - (1 << self.rest) + 1
        both = []
        if self.whole:
            both.append((planes[:split].reshape(-1, DIGIT_BITS, words), tables[:cut].reshape(self.whole, -1, words)))
        if self.rest:
            both.append((planes[split : self.low][None], tables[cut : self.entries][None]))
        return both

    def deal(self, planes: Bits, own: Bits) -> Bits:
        """The other holder's tables, given one holder's."""
        made = [leaf_deal(values, tables).reshape(-1, planes.shape[-1]) for values, tables in self.parts(planes, own)]
        return made[0] if len(made) == 1 else concatenate(made)

    def read(self, planes: Bits, tables: Bits, last_ones: bool) -> Bits:
        """This holder's shares of the outputs: pass bits of digits 1 .., then carry bits of digits 0 .."""
        made = [leaf_eval(values, entries, last_ones) for values, entries in self.parts(planes, tables)]
        passes = [p for p, _ in made]
        passes[0] = passes[0][1:]
        return concatenate([*passes, *(g for _, g in made)])


def _read_bits(count: int, readings: int) -> int:
    """How many bits an output of the leaf has: those of several readings begin in words of their own."""
    return count if readings == 1 else readings * 64 * word_count(count)


def _leaf(
    scope: Scope, planes: Sequence[Bits], low: int, count: int, top: bool, one_round: bool, readings: int = 1
) -> Body[tuple[BitShare, BitShare | None]]:
    """The outputs of the digits below bit `low`, and with `top` a sharing of plane `low` of c XOR r.

    `planes`: of r, or of c; with `readings` of so many c, whose outputs stand one behind the other in whole words.
    """
    leaf = _Leaf(low)
    words = planes[0].shape[-1]
    step = scope.step("leaf")
    to_b = Planes((leaf.entries + top,), count)
    to_a = Planes((leaf.entries,), count)
    outputs = (leaf.outputs, readings * words)
    bits = _read_bits(count, readings)
    exchanged = Planes((leaf.outputs,), bits)
    if scope.role is ProtocolRole.D:
        own = step.planes(Pair.AD, (leaf.entries + top, words), Purpose.TABLE)
        sent = empty_bits(own.shape)
        sent[: leaf.entries] = leaf.deal(planes[0], own[: leaf.entries])
        if top:
            sent[-1] = own[-1] ^ planes[0][low]
        step.deal(ProtocolRole.B, (to_b, sent))
        if one_round:
            other = step.planes(Pair.BD, (leaf.entries, words), Purpose.TABLE)
            step.deal(ProtocolRole.A, (to_a, leaf.deal(planes[0], other)))
        u_ad = step.planes(Pair.AD, outputs, Purpose.OUTPUT)
        u_bd = step.planes(Pair.BD, outputs, Purpose.OUTPUT)
        result = BitShare(bits, u_bd, u_ad)
        return result, BitShare(count, sent[-1], own[-1]) if top else None
    is_a = scope.role is ProtocolRole.A
    other_role = ProtocolRole.B if is_a else ProtocolRole.A
    mask = step.planes(Pair.AD if is_a else Pair.BD, outputs, Purpose.OUTPUT)
    if is_a:
        own = step.planes(Pair.AD, (leaf.entries + top, words), Purpose.TABLE)
        tables = own[: leaf.entries]
        top_ad, top_bd = own[-1], None
    elif one_round:
        tables = step.planes(Pair.BD, (leaf.entries, words), Purpose.TABLE)
    else:
        own = yield step.receive(ProtocolRole.D, to_b)
        tables, top_ad, top_bd = own[: leaf.entries], None, own[-1]

    def read(held_tables: Bits) -> Bits:
        found = [leaf.read(each, held_tables, not is_a) for each in planes]
        return found[0] if len(found) == 1 else concatenate(found, axis=-1)

    # In one round the two directions use independent sharings of the tables, so neither waits for D.
    sent = read(tables) ^ mask
    step.cross_term(other_role, exchanged, sent)
    kept = sent
    if one_round:
        given = yield step.receive(ProtocolRole.D, to_a if is_a else to_b)
        if not is_a:
            top_ad, top_bd = None, given[-1]
        kept = read(given[: leaf.entries]) ^ mask
    theirs = yield step.receive(other_role, exchanged)
    both = theirs ^ kept
    result = BitShare(bits, mask, both) if is_a else BitShare(bits, both, mask)
    return result, held(scope, planes[0][low], top_ad, top_bd, count) if top else None


def _tree(scope: Scope, outputs: BitShare, digits: int) -> Body[BitShare]:
    """The carry out of all digits: neighbours are joined until one is left; the lowest one needs no pass bit."""
    count, own, following = outputs.count, outputs.own, outputs.next
    while digits > 1:
        pairs, odd = divmod(digits, 2)

        def of(both: Bits, high: bool, digits: int = digits, pairs: int = pairs) -> Bits:
            passes, carries = both[: digits - 1], both[digits - 1 :]
            if high:
                upper = passes[0 : 2 * pairs : 2]
                return concatenate([upper[1:], upper])
            return concatenate([passes[1 : 2 * pairs - 1 : 2], carries[0 : 2 * pairs : 2]])

        joined = yield from bit_and(
            scope,
            BitShare(count, of(own, True), of(following, True)),
            BitShare(count, of(own, False), of(following, False)),
        )

        def next_level(both: Bits, new: Bits, digits: int = digits, pairs: int = pairs, odd: int = odd) -> Bits:
            passes, carries = both[: digits - 1], both[digits - 1 :]
            joined_carries = new[pairs - 1 :] ^ carries[1 : 2 * pairs : 2]
            return concatenate(
                [new[: pairs - 1], passes[-odd:] if odd else passes[:0], joined_carries, carries[2 * pairs :]]
            )

        own, following = next_level(own, joined.own), next_level(following, joined.next)
        digits = pairs + odd
    return BitShare(count, own[0], following[0])


def carry_out(scope: Scope, planes: Bits, low: int, count: int, *, one_round: bool = False) -> Body[BitShare]:
    """[c mod 2^low + r mod 2^low >= 2^low], given the planes of c (A, B) or of r (D). Run by all three parties.

    Rounds: 2 (1 with `one_round`) and ceil(log2(ceil(low / 4))). Exact. See the module for security.
    """
    outputs, _ = yield from _leaf(scope, [planes], low, count, False, one_round)
    return (yield from _tree(scope, outputs, _Leaf(low).digits))


def carries_out(scope: Scope, planes: Sequence[Bits], low: int, count: int, readings: int) -> Body[BitShare]:
    """`carry_out` of one r and of `readings` c, whose planes A and B give; D gives those of r alone.

    The carries stand one behind the other, each in whole words. D's tables depend on r only: they are dealt once, and
    read for every c, each output under masks of its own (docs/security/cross-terms.md, several results from one
    dealing). Rounds as `carry_out`. Exact.
    """
    outputs, _ = yield from _leaf(scope, planes, low, count, False, False, readings)
    return (yield from _tree(scope, outputs, _Leaf(low).digits))


def tree_levels(low: int) -> int:
    """Rounds of the carry tree over the digits of `low` bits."""
    return (_Leaf(low).digits - 1).bit_length()


def carry_out_cost(low: int, count: int, *, one_round: bool = False, top: bool = False, readings: int = 1) -> Cost:
    leaf = _Leaf(low)
    read = _read_bits(count, readings)
    outputs = 2 * Planes((leaf.outputs,), read).nbytes
    tables = Planes((leaf.entries * (2 if one_round else 1) + top,), count).nbytes
    total = Cost(1 if one_round else 2, tables + outputs)
    digits = leaf.digits
    while digits > 1:
        total = total + bit_and_cost((2 * (digits // 2) - 1,), read)
        digits -= digits // 2
    return total


def is_negative_split(scope: Scope, x: Split, bits: int, *, one_round: bool = False) -> Body[BitShare]:
    """The sign bit of x modulo 2^bits, from the pair-and-solo form of a flat array; contract as `is_negative`.

    Directly after a product D's tables need no wait, so one round less remains.
    """
    count = x.value.size
    planes = to_planes(x.value, bits)
    if bits == 1:
        raise ValueError("one bit needs no comparison; use is_negative")
    outputs, top = yield from _leaf(scope, [planes], bits - 1, count, True, one_round)
    carry = yield from _tree(scope, outputs, _Leaf(bits - 1).digits)
    assert top is not None
    carry.own[...] ^= top.own
    carry.next[...] ^= top.next
    return carry


def is_negative(scope: Scope, x: Share, bits: int, *, one_round: bool = False) -> Body[BitShare]:
    """The sign bit of each x, read as a signed value modulo 2^bits. Run by all three parties; x is flat.

    The plan proves |x| < 2^(bits - 1) or means the value modulo 2^bits; 1 <= bits <= the ring's. 64 bits: 124.3 bits a
    party in 6 rounds, or with a one-round leaf 202 in 5; the cost grows with `bits`. Exact on the whole range.
    Semi-honest, one corruption: the leaf is a cross-term protocol (`cross`) under XOR, the tree is `bit_and`.
    Source: leaf own, protocols page §5.5; digits in leaf and tree after Garay, Schoenmakers, Villegas (PKC 2007) and
    CrypTFlow2 (CCS 2020); compacting tree ABY3 (CCS 2018) and Damgard et al. (TCC 2006).
    """
    if bits == 1:
        return lowest_bit(x)

    def piece(part: Scope, cut: slice) -> Body[BitShare]:
        return is_negative_split(part, split_form(part, x[cut]), bits, one_round=one_round)

    return (yield from bits_in_pieces(scope, x.size, PIECE, piece))


def lowest_bit(x: Share) -> BitShare:
    """The lowest bit of each x, which is that of its components' sum; local."""
    return BitShare(x.size, to_planes(x.own, 1)[0], to_planes(x.next, 1)[0])


def is_negative_cost(count: int, bits: int, *, one_round: bool = False) -> Cost:
    if bits == 1:
        return Cost()
    return cost_in_pieces(count, PIECE, lambda size: carry_out_cost(bits - 1, size, one_round=one_round, top=True))
