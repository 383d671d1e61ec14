"""Equality to zero: x = c + r is zero modulo 2^bits where c and rho = -r agree in every bit (protocols page §5.8)."""

from __future__ import annotations

import math
from dataclasses import dataclass

from tercet.protocols.bits import and_rows, and_rows_cost
from tercet.protocols.compare import held
from tercet.protocols.cost import Cost
from tercet.protocols.message import Planes
from tercet.protocols.opening import send_masked
from tercet.protocols.pieces import bits_in_pieces, cost_in_pieces
from tercet.protocols.product import Split, split_form
from tercet.protocols.scope import Body, Pair, ProtocolRole, Scope
from tercet.ring import Array, Bytes, empty_bytes, to_planes, word_count
from tercet.ring.distance import (
    bit_rows,
    differing,
    digit_tables,
    one_hot_table,
    pack_narrow,
    table_entry,
    unpack_narrow,
)
from tercet.sharing import BitShare, Purpose, Share

PIECE = 1 << 15
HAMMING_PIECE = 1 << 14


def is_zero(scope: Scope, x: Share, bits: int) -> Body[BitShare]:
    """[x = 0 modulo 2^bits] for each x. Run by all three parties; x is flat, 1 <= bits <= the ring's.

    D shares the bits of -r, then a tree of ANDs: 1 + ceil(log2 bits) rounds; 64 bits: 84.3 bits a party in 7 rounds.
    Exact. Semi-honest, one corruption: D's message is masked by F_AD, the tree is `bit_and`. Source: §5.8, folklore.
    """

    def piece(part: Scope, cut: slice) -> Body[BitShare]:
        return is_zero_split(part, split_form(part, x[cut]), bits)

    return (yield from bits_in_pieces(scope, x.size, PIECE, piece))


def _negated(x: Split) -> Array:
    return x.ring.neg(x.value)


def is_zero_split(scope: Scope, x: Split, bits: int) -> Body[BitShare]:
    """From the pair-and-solo form of a flat array; contract as `is_zero`."""
    count = x.value.size
    step = scope.step("equal")
    layout = Planes((bits,), count)
    ad = bd = ab = None
    if scope.role is ProtocolRole.D:
        rho = to_planes(_negated(x), bits)
        ad = step.planes(Pair.AD, rho.shape, Purpose.TABLE)
        bd = rho ^ ad
        step.deal(ProtocolRole.B, (layout, bd))
    else:
        ab = ~to_planes(x.value, bits)
        if scope.role is ProtocolRole.A:
            ad = step.planes(Pair.AD, ab.shape, Purpose.TABLE)
        else:
            bd = yield step.receive(ProtocolRole.D, layout)
    same = held(scope, ab, ad, bd, count)
    return (yield from and_rows(scope, same))


def is_zero_cost(count: int, bits: int) -> Cost:
    def piece(size: int) -> Cost:
        return Cost(1, Planes((bits,), size).nbytes) + and_rows_cost(bits, size)

    return cost_in_pieces(count, PIECE, piece)


@dataclass(frozen=True, slots=True)
class _Distance:
    """How the distance is counted: modulo 2^width, over `pairs` digits of two bits and `singles` of one, fewer in all.

    A two-bit digit costs D three residues where two single bits cost two, but adds at most one to the distance; so
    64 bits fit modulo 64 with one pair.
    """

    width: int
    pairs: int
    singles: int

    @property
    def residues(self) -> int:
        return 3 * self.pairs + self.singles

    def nbytes(self, count: int) -> int:
        fields = _residue_bytes(self.residues * count, self.width) + 2 * _residue_bytes(count, self.width)
        return fields + 2 * Planes(((1 << self.width) - 1,), count).nbytes + 2 * Planes((), count).nbytes


def _distance(bits: int) -> _Distance:
    """The cheapest: for every modulus the fewest pairs."""
    options = []
    for width in range(1, 9):
        pairs = max(0, bits - (1 << width) + 1)
        if 2 * pairs <= bits:
            options.append(_Distance(width, pairs, bits - 2 * pairs))
    return min(options, key=lambda option: option.nbytes(64))


def _residue_bytes(count: int, width: int) -> int:
    return (count * width + 7) // 8


@dataclass(frozen=True, slots=True)
class _ResidueLayout:
    """Bytes modulo 2^width, tightly packed."""

    width: int
    shape: tuple[int, ...]

    @property
    def _count(self) -> int:
        return math.prod(self.shape)

    @property
    def nbytes(self) -> int:
        return _residue_bytes(self._count, self.width)

    def pack(self, array: Array) -> Bytes:
        return pack_narrow(array, self.width)

    def unpack(self, payload: Bytes) -> Array:
        return unpack_narrow(payload, self.width, self._count).reshape(self.shape)


def is_zero_hamming(scope: Scope, x: Share, bits: int) -> Body[BitShare]:
    """[x = 0 modulo 2^bits] in three rounds, for slow links. Run by all three parties; x is flat.

    D shares the bits of -r modulo 2^k; A and B turn them into shares of the number of places where c differs, shift it
    by a secret delta of theirs and open it to D, who shares the one-hot vector of what it sees; A and B select entry
    delta. 64 bits: 176.7 bits a party. Exact. Semi-honest, one corruption: D sees a uniform residue (delta is fresh,
    and the two messages are blinded by a fresh sharing of zero, since D knows the shares it dealt); then XT-1.
    Source: protocols page §5.8 (own; masked Hamming distance: Lipmaa, Toft, ICALP 2013), with a power of two as
    modulus, see docs/security/equality.md.
    """

    def piece(part: Scope, cut: slice) -> Body[BitShare]:
        return is_zero_hamming_split(part, split_form(part, x[cut]), bits)

    return (yield from bits_in_pieces(scope, x.size, HAMMING_PIECE, piece))


def is_zero_hamming_split(scope: Scope, x: Split, bits: int) -> Body[BitShare]:
    """From the pair-and-solo form of a flat array; contract as `is_zero_hamming`."""
    count = x.value.size
    form = _distance(bits)
    modulus = 1 << form.width
    dealing, opening, choosing = scope.step("distance"), scope.step("open"), scope.step("choose")
    shares = _ResidueLayout(form.width, (form.residues, count))
    opened = _ResidueLayout(form.width, (count,))
    table = Planes((modulus - 1,), count)
    one = Planes((), count)
    words = word_count(count)

    def draw(pair: Pair, shape: tuple[int, ...], purpose: Purpose) -> Bytes:
        out = empty_bytes(shape)
        (dealing if pair is Pair.AD else opening).fill(pair, out, purpose)
        return out

    if scope.role is ProtocolRole.D:
        given = draw(Pair.AD, (form.residues, count), Purpose.TABLE)
        dealt = digit_tables(bit_rows(_negated(x), bits), form.pairs)
        dealing.deal(ProtocolRole.B, (shares, dealt - given))
        from_a = yield opening.receive(ProtocolRole.A, opened)
        from_b = yield opening.receive(ProtocolRole.B, opened)
        hot = one_hot_table(from_a + from_b, modulus)
        for target, pair in ((ProtocolRole.B, Pair.AD), (ProtocolRole.A, Pair.BD)):
            choosing.deal(target, (table, hot ^ choosing.planes(pair, hot.shape, Purpose.TERM)))
        u_ad = choosing.planes(Pair.AD, (words,), Purpose.OUTPUT)
        u_bd = choosing.planes(Pair.BD, (words,), Purpose.OUTPUT)
        return BitShare(count, u_bd, u_ad)
    is_a = scope.role is ProtocolRole.A
    c = bit_rows(x.value, bits)
    if is_a:
        share = draw(Pair.AD, (form.residues, count), Purpose.TABLE)
    else:
        share = yield dealing.receive(ProtocolRole.D, shares)
    distance = differing(c, share, form.pairs, not is_a)
    delta = draw(Pair.AB, (count,), Purpose.COIN)
    zero = draw(Pair.AB, (count,), Purpose.ZERO)
    send_masked(opening, ProtocolRole.D, opened, distance + zero + delta if is_a else distance - zero)
    mask = choosing.planes(Pair.AD if is_a else Pair.BD, (words,), Purpose.OUTPUT)
    mine = choosing.planes(Pair.AD if is_a else Pair.BD, (modulus - 1, words), Purpose.TERM)
    other = ProtocolRole.B if is_a else ProtocolRole.A
    # A holds F_AD's part of one sharing of the table, B that of F_BD of the other; D sends each the opposite part.
    sent = table_entry(delta, mine, not is_a) ^ mask
    choosing.cross_term(other, one, sent)
    theirs = yield choosing.receive(other, one)
    got = yield choosing.receive(ProtocolRole.D, table)
    both = theirs ^ table_entry(delta, got, not is_a) ^ mask
    return BitShare(count, mask, both) if is_a else BitShare(count, both, mask)


def is_zero_hamming_cost(count: int, bits: int) -> Cost:
    form = _distance(bits)
    return cost_in_pieces(count, HAMMING_PIECE, lambda size: Cost(3, form.nbytes(size)))
