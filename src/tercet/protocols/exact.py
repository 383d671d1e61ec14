"""Division by a power of two with deterministic rounding (protocols page §4.6)."""

from __future__ import annotations

from tercet.protocols.compare import carry_out, carry_out_cost, tree_levels
from tercet.protocols.convert import bit_words, signs, split_bits_form
from tercet.protocols.cost import Cost, side_by_side
from tercet.protocols.cross import Components, CrossTerms, FieldDomain, WordDomain, cross_cost, cross_terms
from tercet.protocols.depth import Depths
from tercet.protocols.message import Fields, Words
from tercet.protocols.pieces import in_pieces, pieces
from tercet.protocols.product import Split, fresh_split_form
from tercet.protocols.scope import Body, Pair, ProtocolRole, Scope, Together
from tercet.ring import Array, Ring, to_planes
from tercet.sharing import Purpose, Share

PIECE = 1 << 15


def truncate_exact(
    scope: Scope, x: Share, shift: int, *, nearest: bool = False, one_round: bool = False
) -> Body[Share]:
    """floor(x / 2^shift), or with `nearest` floor(x / 2^shift + 1/2). Run by all three parties; x is flat.

    Needs -2^(w-2) <= x < 2^(w-2) - 2^shift. The result depends on nothing but x. The wrap of the two halves is a
    cross term as in `truncate`, beside the true carry out of the bits dropped (`compare`), which becomes a number by
    one more cross term. Two rounds for the table leaf, ceil(log2(ceil(shift / 4))) for the carry tree, and 1 or 2 for
    the number (64 bits a party), or with `one_round` 1 (85.3 bits): 130 or 151 bits a party at shift 16.
    Semi-honest, one corruption; see `cross` and `compare`. Source: protocols page §4.6 (own).
    """
    out = Share.empty(x.ring, (x.size,))

    def piece(part: Scope, cut: slice) -> Body[None]:
        half = fresh_split_form(part, x[cut])
        y = yield from truncate_exact_split(part, half, shift, nearest=nearest, one_round=one_round)
        out.own[cut], out.next[cut] = y.own, y.next

    yield from in_pieces(scope, x.size, PIECE, piece)
    return out


def truncate_exact_split(
    scope: Scope, z: Split, shift: int, *, nearest: bool = False, one_round: bool = False
) -> Body[Share]:
    """From the pair-and-solo form of a flat array; contract as `truncate_exact`."""
    ring = z.ring
    value = z.value
    if scope.in_pair:
        offset = (1 << (ring.bits - 2)) + ((1 << (shift - 1)) if nearest else 0)
        value = ring.add(value, ring.from_ints([offset]))
    wrapping, carrying = scope.fork(2)
    wrapped, low = yield Together(
        [
            _shifted(wrapping, ring, value, shift),
            _low_carry(carrying, ring, value, shift, one_round),
        ]
    )
    scope.join([wrapping, carrying])
    return Share(ring, ring.add(wrapped.own, low.own), ring.add(wrapped.next, low.next))


def _shifted(scope: Scope, ring: Ring, value: Array, shift: int) -> Body[Share]:
    """(c >> shift) + (r >> shift) less the wrap of c + r and the offset, as a sharing."""
    count, top = value.size, ring.bits - shift
    step = scope.step("shift")
    layout = Words(ring, (count,))
    domain = FieldDomain(shift, count)
    sign = ring.shr(value, ring.bits - 1)
    narrow = ring.resize(sign, domain.ring)

    def high(words: Array) -> Array:
        return ring.shl(domain.ring.resize(words, ring), top)

    part = ring.sub(ring.shr(value, shift), ring.shl(sign, top))
    if scope.role is ProtocolRole.D:
        low = step.words(Pair.AD, ring, (count,), Purpose.OUTPUT)
        rest = ring.sub(part, low)
        step.deal(ProtocolRole.B, (layout, rest))
        wrap: Components = yield from cross_terms(scope, domain, [False], CrossTerms(1, right=[narrow]))
        return Share(ring, ring.add(rest, high(wrap.own)), ring.add(low, high(wrap.next)))
    wrap = yield from cross_terms(scope, domain, [False], CrossTerms(1, left=[narrow]))
    part = ring.sub(part, ring.from_ints([1 << (ring.bits - 2 - shift)]))
    if scope.role is ProtocolRole.A:
        low = step.words(Pair.AD, ring, (count,), Purpose.OUTPUT)
        return Share(ring, ring.add(low, high(wrap.own)), ring.add(part, high(wrap.next)))
    rest = yield step.receive(ProtocolRole.D, layout)
    return Share(ring, ring.add(part, high(wrap.own)), ring.add(rest, high(wrap.next)))


def _low_carry(scope: Scope, ring: Ring, value: Array, shift: int, one_round: bool) -> Body[Share]:
    """The carry out of the low `shift` bits of c + r as a number."""
    count = value.size
    carry = yield from carry_out(scope, to_planes(value, shift), shift, count)
    half = bit_words(ring, split_bits_form(scope, carry), count)
    domain = WordDomain(ring, count)
    if scope.role is ProtocolRole.D:
        y: Components = yield from cross_terms(scope, domain, [False], CrossTerms(1, right=[half]), one_round=one_round)
        return Share(ring, y.own, y.next)
    terms = CrossTerms(1, left=[signs(ring, half)])
    y = yield from cross_terms(scope, domain, [False], terms, one_round=one_round)
    if scope.role is ProtocolRole.A:
        return Share(ring, y.own, ring.add(y.next, half))
    return Share(ring, ring.add(y.own, half), y.next)


def truncate_exact_cost(ring: Ring, count: int, shift: int, *, one_round: bool = False) -> Cost:
    depths = Depths()
    depths.cross()
    depths.ring(tree_levels(shift))
    depths.cross(one_round=one_round)

    def piece(size: int) -> Cost:
        shifted = size * ring.word_bytes + cross_cost(Fields(shift, size), 1, one_round=False).total_bytes
        number = cross_cost(Words(ring, (size,)), 1, one_round=one_round).total_bytes
        return Cost(depths.rounds, shifted + carry_out_cost(shift, size).total_bytes + number)

    return side_by_side(piece(cut.stop - cut.start) for cut in pieces(count, PIECE))
