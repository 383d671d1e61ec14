"""Between shared bits and shared words: a bit as a number, a bit times a number, a number as bits (§5.2 to §5.4)."""

from __future__ import annotations

from tercet.protocols.adder import digit_sums, digit_sums_cost
from tercet.protocols.cost import Cost, side_by_side
from tercet.protocols.cross import CrossTerms, WordDomain, cross_cost, cross_terms
from tercet.protocols.message import Words
from tercet.protocols.pieces import in_pieces, pieces, word_slice
from tercet.protocols.product import split_form
from tercet.protocols.scope import Body, ProtocolRole, Scope
from tercet.ring import Array, Bits, Ring, from_planes
from tercet.sharing import BitShare, Share

PIECE = 1 << 15
BITS_PIECE = 1 << 14


def split_bits_form(scope: Scope, bits: BitShare) -> Bits:
    """b = beta XOR b': beta at A and B, b' at D; local."""
    if scope.role is ProtocolRole.D:
        return bits.own ^ bits.next
    return bits.next if scope.role is ProtocolRole.A else bits.own


def bit_words(ring: Ring, plane: Bits, count: int) -> Array:
    """A plane of packed bits as words 0 and 1."""
    return from_planes(plane.reshape(1, -1), count, ring)


def signs(ring: Ring, words: Array) -> Array:
    """1 - 2 w for words of 0 and 1."""
    return ring.sub(ring.from_ints([1]), ring.shl(words, 1))


def bit_to_words(scope: Scope, b: BitShare, ring: Ring, *, one_round: bool = False) -> Body[Share]:
    """The shared bits as numbers 0 and 1 of the ring. Run by all three parties; b is flat.

    b = beta + (1 - 2 beta) b' with beta at A and B and b' at D: one cross term. Two rounds and one ring word a party
    and bit, or one round and 4/3 words. Exact. Semi-honest, one corruption; see `cross_terms`.
    Source: protocols page §5.2; the one-term form is ABY3's (CCS 2018).
    """
    out = Share.empty(ring, (b.count,))

    def piece(part: Scope, cut: slice) -> Body[None]:
        count = cut.stop - cut.start
        words = word_slice(cut)
        half = bit_words(ring, split_bits_form(part, BitShare(count, b.own[words], b.next[words])), count)
        domain = WordDomain(ring, count)
        if part.role is ProtocolRole.D:
            y = yield from cross_terms(part, domain, [False], CrossTerms(1, right=[half]), one_round=one_round)
            out.own[cut], out.next[cut] = y.own, y.next
            return
        terms = CrossTerms(1, left=[signs(ring, half)])
        y = yield from cross_terms(part, domain, [False], terms, one_round=one_round)
        if part.role is ProtocolRole.A:
            out.own[cut], out.next[cut] = y.own, ring.add(y.next, half)
        else:
            out.own[cut], out.next[cut] = ring.add(y.own, half), y.next

    yield from in_pieces(scope, b.count, PIECE, piece)
    return out


def bit_to_words_cost(ring: Ring, count: int, *, one_round: bool = False) -> Cost:
    return side_by_side(
        cross_cost(Words(ring, (cut.stop - cut.start,)), 1, one_round=one_round) for cut in pieces(count, PIECE)
    )


def inject(scope: Scope, b: BitShare, x: Share, *, one_round: bool = False) -> Body[Share]:
    """b * x, element by element, of a shared bit and a shared number. Run by all three parties; both are flat.

    With b = beta XOR b', x = c + r: b x = beta c + beta r + (1 - 2 beta) c b' + (1 - 2 beta) (b' r), where r is already
    shared between A and B. Two rounds and 4/3 ring words a party and element, or one round and two words. Exact.
    Semi-honest, one corruption; see `cross_terms`. Source: protocols page §5.3 (own form of ABY3's injection).
    """
    ring = x.ring
    out = Share.empty(ring, (x.size,))

    def piece(part: Scope, cut: slice) -> Body[None]:
        words = word_slice(cut)
        count = cut.stop - cut.start
        piece_bits = BitShare(count, b.own[words], b.next[words])
        y = yield from inject_piece(part, [(piece_bits, 1)], x[cut], one_round=one_round)
        out.own[cut], out.next[cut] = y.own, y.next

    yield from in_pieces(scope, x.size, PIECE, piece)
    return out


def inject_piece(
    scope: Scope, weighted: list[tuple[BitShare, int]], x: Share, *, one_round: bool = False
) -> Body[Share]:
    """x times the sum of weight * bit over the (bit, weight) given: `inject` with several bits, not cut in pieces.

    2 J + 2 ring words in all for J bits in two rounds, 4 J + 2 in one.
    """
    ring, count = x.ring, x.size
    half = split_form(scope, x).value
    domain = WordDomain(ring, count)
    free = [True] + [False] * (2 * len(weighted))
    halves = [bit_words(ring, split_bits_form(scope, bits), count) for bits, _ in weighted]
    if scope.role is ProtocolRole.D:
        right: list[Array | None] = [None]
        for bit in halves:
            right += [bit, ring.mul(bit, half)]
        y = yield from cross_terms(scope, domain, free, CrossTerms(len(free), right=right), one_round=one_round)
        return Share(ring, y.own, y.next)
    total = None
    left: list[Array] = [half]
    for bit, (_, weight) in zip(halves, weighted, strict=True):
        sign = signs(ring, bit)
        if weight != 1:
            bit, sign = ring.scale(bit, weight), ring.scale(sign, weight)
        total = bit if total is None else ring.add(total, bit)
        left += [ring.mul(sign, half), sign]
    assert total is not None
    left[0] = total
    given = x.own if scope.role is ProtocolRole.A else x.next
    parts: list[Array | None] = [given] + [None] * (len(free) - 1)
    y = yield from cross_terms(scope, domain, free, CrossTerms(len(free), left=left, parts=parts), one_round=one_round)
    if scope.role is ProtocolRole.A:
        return Share(ring, y.own, ring.mul_add(total, half, y.next))
    return Share(ring, ring.mul_add(total, half, y.own), y.next)


def inject_piece_cost(ring: Ring, count: int, bits: int, *, one_round: bool = False) -> Cost:
    return cross_cost(Words(ring, (count,)), 2 * bits, one_round=one_round)


def inject_cost(ring: Ring, count: int, *, one_round: bool = False) -> Cost:
    return side_by_side(
        inject_piece_cost(ring, cut.stop - cut.start, 1, one_round=one_round) for cut in pieces(count, PIECE)
    )


def words_to_bits(scope: Scope, x: Share, bits: int) -> Body[BitShare]:
    """The `bits` low bits of each x as planes: the result has the leading axis (bits,). Run by all three parties.

    x is flat. 64 bits: 241 bits a party, 7 rounds. Exact. Semi-honest, one corruption; see `adder`.
    Source: protocols page §5.4 (own), with the lowest bit of every digit taken from the tables without a message.
    """
    out = BitShare.empty(x.size, (bits,))

    def piece(part: Scope, cut: slice) -> Body[None]:
        words = word_slice(cut)
        planes = yield from digit_sums(part, split_form(part, x[cut]), bits)
        out.own[:, words], out.next[:, words] = planes.own, planes.next

    yield from in_pieces(scope, x.size, BITS_PIECE, piece)
    return out


def words_to_bits_cost(count: int, bits: int) -> Cost:
    return side_by_side(digit_sums_cost(cut.stop - cut.start, bits) for cut in pieces(count, BITS_PIECE))
