"""Between shared bits and shared words: a bit as a number, a bit times a number, a number as bits (§5.2 to §5.4)."""

from __future__ import annotations

from tercet.protocols.adder import digit_sums, digit_sums_cost
from tercet.protocols.cost import Cost
from tercet.protocols.cross import cross_cost, cross_terms
from tercet.protocols.message import Words
from tercet.protocols.pieces import bits_in_pieces, cost_in_pieces, word_slice, words_in_pieces
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
    return ring.sub(ring.public((1,)), ring.shl(words, 1))


def bit_to_words(scope: Scope, b: BitShare, ring: Ring, *, one_round: bool = False) -> Body[Share]:
    """The shared bits as numbers 0 and 1 of the ring. Run by all three parties; b is flat.

    b = beta + (1 - 2 beta) b' with beta at A and B and b' at D: one cross term. Two rounds and one ring word a party
    and bit, or one round and 4/3 words. Exact. Semi-honest, one corruption; see `cross_terms`.
    Source: protocols page §5.2; the one-term form is ABY3's (CCS 2018).
    """

    def piece(part: Scope, cut: slice) -> Body[Share]:
        words = word_slice(cut)
        bits = BitShare(cut.stop - cut.start, b.own[words], b.next[words])
        return bit_to_words_piece(part, bits, ring, one_round=one_round)

    return (yield from words_in_pieces(scope, ring, b.count, PIECE, piece))


def bit_to_words_piece(scope: Scope, b: BitShare, ring: Ring, *, one_round: bool = False) -> Body[Share]:
    """`bit_to_words`, not cut in pieces."""
    half = bit_words(ring, split_bits_form(scope, b), b.count)
    terms = [half if scope.role is ProtocolRole.D else signs(ring, half)]
    y = yield from cross_terms(scope, Words(ring, (b.count,)), terms, one_round=one_round)
    if scope.role is ProtocolRole.D:
        return y
    if scope.role is ProtocolRole.A:
        return Share(ring, y.own, ring.add(y.next, half))
    return Share(ring, ring.add(y.own, half), y.next)


def bit_to_words_cost(ring: Ring, count: int, *, one_round: bool = False) -> Cost:
    return cost_in_pieces(count, PIECE, lambda size: cross_cost(Words(ring, (size,)), 1, one_round=one_round))


def inject(scope: Scope, b: BitShare, x: Share, *, one_round: bool = False) -> Body[Share]:
    """b * x, element by element, of a shared bit and a shared number. Run by all three parties; both are flat.

    With b = beta XOR b', x = c + r: b x = beta c + beta r + (1 - 2 beta) c b' + (1 - 2 beta) (b' r), where r is already
    shared between A and B. Two rounds and 4/3 ring words a party and element, or one round and two words. Exact.
    Semi-honest, one corruption; see `cross_terms`. Source: protocols page §5.3 (own form of ABY3's injection).
    """

    def piece(part: Scope, cut: slice) -> Body[Share]:
        words = word_slice(cut)
        bits = BitShare(cut.stop - cut.start, b.own[words], b.next[words])
        return inject_piece(part, [(bits, 1)], x[cut], one_round=one_round)

    return (yield from words_in_pieces(scope, x.ring, x.size, PIECE, piece))


def inject_piece(
    scope: Scope, weighted: list[tuple[BitShare, int]], x: Share, *, one_round: bool = False
) -> Body[Share]:
    """x times the sum of weight * bit over the (bit, weight) given: `inject` with several bits, not cut in pieces.

    2 J + 2 ring words in all for J bits in two rounds, 4 J + 2 in one.
    """
    ring, count = x.ring, x.size
    half = split_form(scope, x).value
    layout = Words(ring, (count,))
    halves = [bit_words(ring, split_bits_form(scope, bits), count) for bits, _ in weighted]
    if scope.role is ProtocolRole.D:
        right = [term for bit in halves for term in (bit, ring.mul(bit, half))]
        return (yield from cross_terms(scope, layout, right, one_round=one_round))
    total = None
    left: list[Array] = []
    for bit, (_, weight) in zip(halves, weighted, strict=True):
        sign = signs(ring, bit)
        if weight != 1:
            bit, sign = ring.scale(bit, weight), ring.scale(sign, weight)
        total = bit if total is None else ring.add(total, bit)
        left += [ring.mul(sign, half), sign]
    assert total is not None
    # r is shared between A and B as it is
    local = ring.mul(total, x.own if scope.role is ProtocolRole.A else x.next)
    y = yield from cross_terms(scope, layout, left, local, one_round=one_round)
    if scope.role is ProtocolRole.A:
        return Share(ring, y.own, ring.mul_add(total, half, y.next))
    return Share(ring, ring.mul_add(total, half, y.own), y.next)


def inject_piece_cost(ring: Ring, count: int, bits: int, *, one_round: bool = False) -> Cost:
    return cross_cost(Words(ring, (count,)), 2 * bits, one_round=one_round)


def inject_cost(ring: Ring, count: int, *, one_round: bool = False) -> Cost:
    return cost_in_pieces(count, PIECE, lambda size: inject_piece_cost(ring, size, 1, one_round=one_round))


def words_to_bits(scope: Scope, x: Share, bits: int, start: int = 0) -> Body[BitShare]:
    """The `bits` low bits of each x, without those below `start`, as planes: the result has the leading axis
    (bits - start,). Run by all three parties.

    x is flat. 64 bits: 241 bits a party, 7 rounds; the upper 6 of 32: 71 of 107. Exact. Semi-honest, one corruption;
    see `adder`.
    Source: protocols page §5.4 (own), with the lowest bit of every digit taken from the tables without a message.
    """

    def piece(part: Scope, cut: slice) -> Body[BitShare]:
        return digit_sums(part, split_form(part, x[cut]), bits, start)

    return (yield from bits_in_pieces(scope, x.size, BITS_PIECE, piece, (bits - start,)))


def words_to_bits_cost(count: int, bits: int, start: int = 0) -> Cost:
    return cost_in_pieces(count, BITS_PIECE, lambda size: digit_sums_cost(size, bits, start))
