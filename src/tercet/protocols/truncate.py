"""Division by a power of two, rounded by a coin or exactly, and the lift from 2^64 to 2^128 (protocols page §4.3-4.6).

All rest on one fact. For z = c + r' modulo 2^w with c known to A and B, r' to D and a public offset that brings z into
[0, 2^(w-1)), the addition c + r' wraps exactly if msb(c) OR msb(r') = cm + rm - cm rm; the cross term cm rm is the only
thing to compute together, and only modulo as few bits as the shift leaves over.

Semi-honest, one corruption: every message is masked by a fresh draw that its receiver lacks (cross terms: `cross`).
"""

from __future__ import annotations

from tercet.protocols.compare import carry_out, carry_out_cost, tree_levels
from tercet.protocols.convert import bit_to_words_piece
from tercet.protocols.cost import Cost, Depths
from tercet.protocols.cross import cross_cost, cross_terms
from tercet.protocols.message import Fields, Words
from tercet.protocols.pieces import cost_in_pieces, cut_from, in_pieces, words_in_pieces
from tercet.protocols.product import PIECE, Bilinear, Elementwise, Split, bilinear_split, fresh_split_form
from tercet.protocols.scope import Body, Pair, ProtocolRole, Scope, Together
from tercet.ring import RING64, RING128, Array, Ring, to_planes
from tercet.sharing import Purpose, Share

EXACT_PIECE = 1 << 15


def truncate_split(
    scope: Scope,
    z: Split,
    shift: int,
    *,
    one_round: bool = False,
    nonnegative: bool = False,
    out: Share | None = None,
) -> Body[Share]:
    """z / 2^shift, rounded to one of the two neighbours without bias. Run by all three parties.

    Needs -2^(w-2) < z < 2^(w-2), or with `nonnegative` 0 <= z < 2^(w-1) - 2^shift; the plan proves it. Error below one
    last bit, never larger; exact multiples come out exact; the chance of rounding up is the discarded fraction.
    TR-2: two rounds, w + 3 shift bits in all; TR-1: one round, w + 4 shift bits. D's messages need no wait, so after a
    product they travel in the product's round (FMT-2). z has to be a fresh sharing (`fresh_split_form`, or a product):
    then the rounding is a coin that depends on z alone, but one that the parties know; see docs/security/truncation.md.
    Source: protocols page §4.3-4.4 (own; the wrap as one product: SiRnn, S&P 2021; Dalskov, Escudero, Keller, PoPETs
    2020).
    """
    ring, count = z.ring, z.value.size
    top = ring.bits - shift
    if out is None:
        out = Share.empty(ring, (count,))
    step = scope.step("truncate")
    words, fields = Words(ring, (count,)), Fields(shift, count, ring)

    def drawn(pair: Pair, purpose: Purpose) -> Array:
        return step.draw(pair, fields, purpose)

    if scope.role is ProtocolRole.D:
        low = out.next
        step.fill(Pair.AD, low, Purpose.OUTPUT)
        rest, term = ring.trunc_d(z.value, shift, low, drawn(Pair.AD, Purpose.TERM))
        step.deal(ProtocolRole.B, (words, rest), (fields, term))
        if one_round:
            sign = ring.shr(z.value, ring.bits - 1)
            step.deal(ProtocolRole.A, (fields, ring.sub(sign, drawn(Pair.BD, Purpose.TERM_B))))
        ring.add_shl(rest, drawn(Pair.BD, Purpose.WRAP_B), top, out=out.own)
        ring.add_shl(low, drawn(Pair.AD, Purpose.WRAP_A), top, out=low)
        return out

    def wrap(term: Array, mask: Array) -> Array:
        return ring.trunc_cross(z.value, shift, term, mask, nonnegative=nonnegative)

    if scope.role is ProtocolRole.A:
        mask = drawn(Pair.AD, Purpose.WRAP_A)
        kept = wrap(drawn(Pair.AD, Purpose.TERM), mask)
        step.cross_term(ProtocolRole.B, fields, kept)
        step.fill(Pair.AD, out.own, Purpose.OUTPUT)
        ring.add_shl(out.own, mask, top, out=out.own)
        if one_round:
            term, theirs = yield step.receive(ProtocolRole.D, fields), step.receive(ProtocolRole.B, fields)
            kept = wrap(term, mask)
        else:
            theirs = yield step.receive(ProtocolRole.B, fields)
        both = out.next
    else:
        mask = drawn(Pair.BD, Purpose.WRAP_B)
        if one_round:
            step.cross_term(ProtocolRole.A, fields, wrap(drawn(Pair.BD, Purpose.TERM_B), mask))
        rest, term = yield step.receive(ProtocolRole.D, words, fields)
        kept = wrap(term, mask)
        if not one_round:
            step.cross_term(ProtocolRole.A, fields, kept)
        ring.add_shl(rest, mask, top, out=out.next)
        theirs = yield step.receive(ProtocolRole.A, fields)
        both = out.own
    ring.trunc_pair(z.value, shift, kept, theirs, nonnegative=nonnegative, out=both)
    return out


def _plus(ring: Ring, words: Array, constant: int) -> Array:
    return ring.add(words, ring.public((constant,))) if constant else words


def truncate(scope: Scope, x: Share, shift: int, *, one_round: bool = False, nonnegative: bool = False) -> Body[Share]:
    """Stand-alone TR-1 or TR-2 on an array; contract as `truncate_split`."""
    shape = x.shape
    x = x.flat()
    if 0 < x.size < cut_from(PIECE, scope.balance):
        z = fresh_split_form(scope, x)
        result = yield from truncate_split(scope, z, shift, one_round=one_round, nonnegative=nonnegative)
        return result.reshape(shape)
    out = Share.empty(x.ring, (x.size,))

    def piece(part: Scope, cut: slice) -> Body[None]:
        z = fresh_split_form(part, x[cut])
        yield from truncate_split(part, z, shift, one_round=one_round, nonnegative=nonnegative, out=out[cut])

    yield from in_pieces(scope, x.size, PIECE, piece, bulk=True)
    return out.reshape(shape)


def truncate_cost(ring: Ring, count: int, shift: int, *, one_round: bool = False) -> Cost:
    """Of `truncate`."""

    def piece(size: int) -> Cost:
        return Cost(1, size * ring.word_bytes).beside(cross_cost(Fields(shift, size), 1, one_round=one_round))

    return cost_in_pieces(count, PIECE, piece)


def multiply_truncate(scope: Scope, x: Share, y: Share, shift: int, *, nonnegative: bool = False) -> Body[Share]:
    """FMT-2: the elementwise product divided by 2^shift. Run by all three parties.

    Two rounds, w + shift bits a party and element. Error and security as `truncate_split`; |x y| < 2^(w-2).
    """
    shape = x.shape
    x, y = x.flat(), y.flat()
    out = Share.empty(x.ring, (x.size,))

    def piece(part: Scope, cut: slice) -> Body[None]:
        form = Elementwise(x.ring, (cut.stop - cut.start,))
        z = yield from bilinear_split(part, form, x[cut], y[cut])
        yield from truncate_split(part, z, shift, nonnegative=nonnegative, out=out[cut])

    yield from in_pieces(scope, x.size, PIECE, piece, bulk=True)
    return out.reshape(shape)


def multiply_truncate_cost(ring: Ring, count: int, shift: int) -> Cost:

    def piece(size: int) -> Cost:
        return Cost(2, 3 * size * ring.word_bytes + 3 * Fields(shift, size).nbytes)

    return cost_in_pieces(count, PIECE, piece)


def bilinear_truncate(
    scope: Scope, form: Bilinear, x: Share, y: Share, shift: int, *, nonnegative: bool = False
) -> Body[Share]:
    """FMT-2 on any bilinear map, such as one block of a matrix product; as `multiply_truncate`."""
    z = yield from bilinear_split(scope, form, x, y)
    shape = z.value.shape
    flat = Split(z.ring, z.value.reshape(-1))
    return (yield from truncate_split(scope, flat, shift, nonnegative=nonnegative)).reshape(shape)


def lift(scope: Scope, x: Share, *, one_round: bool = False) -> Body[Share]:
    """The same values modulo 2^128, of a sharing modulo 2^64 with |x| < 2^62. Run by all three parties.

    Exact. Two rounds and 320 bits in all an element, or one round and 384. Source: own, the wrap argument above.
    """
    shape = x.shape
    x = x.flat()

    def piece(part: Scope, cut: slice) -> Body[Share]:
        return _lift_split(part, fresh_split_form(part, x[cut]), one_round)

    return (yield from words_in_pieces(scope, RING128, x.size, PIECE, piece, bulk=True)).reshape(shape)


def _lift_split(scope: Scope, z: Split, one_round: bool) -> Body[Share]:
    wide, narrow, count = RING128, RING64, z.value.size
    step = scope.step("lift")
    layout = Words(wide, (count,))
    sign_bits = Fields(narrow.bits, count)

    def high(words: Array) -> Array:
        return wide.shl(narrow.resize(words, wide), narrow.bits)

    if scope.role is ProtocolRole.D:
        low = step.words(Pair.AD, wide, (count,), Purpose.OUTPUT)
        sign = narrow.shr(z.value, narrow.bits - 1)
        rest = wide.sub(wide.sub(narrow.resize(z.value, wide), high(sign)), low)
        step.deal(ProtocolRole.B, (layout, rest))
        wrap = yield from cross_terms(scope, sign_bits, [sign], one_round=one_round)
        return Share(wide, wide.add(rest, high(wrap.own)), wide.add(low, high(wrap.next)))
    offset = 1 << (narrow.bits - 2)
    c = _plus(narrow, z.value, offset)
    sign = narrow.shr(c, narrow.bits - 1)
    wrap = yield from cross_terms(scope, sign_bits, [sign], one_round=one_round)
    if scope.role is ProtocolRole.A:
        low = step.words(Pair.AD, wide, (count,), Purpose.OUTPUT)
        mine, theirs = wide.add(low, high(wrap.own)), wrap.next
    else:
        rest = yield step.receive(ProtocolRole.D, layout)
        mine, theirs = wide.add(rest, high(wrap.next)), wrap.own
    both = _plus(wide, wide.add(narrow.resize(c, wide), high(narrow.sub(theirs, sign))), -offset)
    return Share(wide, mine, both) if scope.role is ProtocolRole.A else Share(wide, both, mine)


def lift_cost(count: int, *, one_round: bool = False) -> Cost:

    def piece(size: int) -> Cost:
        return Cost(1, 16 * size).beside(cross_cost(Fields(64, size), 1, one_round=one_round))

    return cost_in_pieces(count, PIECE, piece)


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

    def piece(part: Scope, cut: slice) -> Body[Share]:
        half = fresh_split_form(part, x[cut])
        return truncate_exact_split(part, half, shift, nearest=nearest, one_round=one_round)

    return (yield from words_in_pieces(scope, x.ring, x.size, EXACT_PIECE, piece))


def truncate_exact_split(
    scope: Scope, z: Split, shift: int, *, nearest: bool = False, one_round: bool = False, forks: bool = True
) -> Body[Share]:
    """From the pair-and-solo form of a flat array; contract as `truncate_exact`.

    Without `forks`, for scopes that are nested too deeply, wrap and carry come one after the other: a round more.
    """
    ring = z.ring
    value = z.value
    if scope.in_pair:
        offset = (1 << (ring.bits - 2)) + ((1 << (shift - 1)) if nearest else 0)
        value = ring.add(value, ring.public((offset,)))
    if forks:
        wrapping, carrying = scope.fork(2)
        wrapped, low = yield Together(
            [
                _shifted(wrapping, ring, value, shift),
                _low_carry(carrying, ring, value, shift, one_round),
            ]
        )
        scope.join([wrapping, carrying])
    else:
        wrapped = yield from _shifted(scope, ring, value, shift)
        low = yield from _low_carry(scope, ring, value, shift, one_round)
    return Share(ring, ring.add(wrapped.own, low.own), ring.add(wrapped.next, low.next))


def _shifted(scope: Scope, ring: Ring, value: Array, shift: int) -> Body[Share]:
    """(c >> shift) + (r >> shift) less the wrap of c + r and the offset, as a sharing."""
    count, top = value.size, ring.bits - shift
    step = scope.step("shift")
    layout = Words(ring, (count,))
    fields = Fields(shift, count)
    sign = ring.shr(value, ring.bits - 1)
    narrow = ring.resize(sign, fields.ring)

    def high(words: Array) -> Array:
        return ring.shl(fields.ring.resize(words, ring), top)

    part = ring.sub(ring.shr(value, shift), ring.shl(sign, top))
    if scope.role is ProtocolRole.D:
        low = step.words(Pair.AD, ring, (count,), Purpose.OUTPUT)
        rest = ring.sub(part, low)
        step.deal(ProtocolRole.B, (layout, rest))
        wrap = yield from cross_terms(scope, fields, [narrow])
        return Share(ring, ring.add(rest, high(wrap.own)), ring.add(low, high(wrap.next)))
    wrap = yield from cross_terms(scope, fields, [narrow])
    part = ring.sub(part, ring.public((1 << (ring.bits - 2 - shift),)))
    if scope.role is ProtocolRole.A:
        low = step.words(Pair.AD, ring, (count,), Purpose.OUTPUT)
        return Share(ring, ring.add(low, high(wrap.own)), ring.add(part, high(wrap.next)))
    rest = yield step.receive(ProtocolRole.D, layout)
    return Share(ring, ring.add(part, high(wrap.own)), ring.add(rest, high(wrap.next)))


def _low_carry(scope: Scope, ring: Ring, value: Array, shift: int, one_round: bool) -> Body[Share]:
    """The carry out of the low `shift` bits of c + r as a number."""
    count = value.size
    carry = yield from carry_out(scope, to_planes(value, shift), shift, count)
    return (yield from bit_to_words_piece(scope, carry, ring, one_round=one_round))


def truncate_exact_cost(ring: Ring, count: int, shift: int, *, one_round: bool = False) -> Cost:
    depths = Depths()
    depths.cross()
    depths.ring(tree_levels(shift))
    depths.cross(one_round=one_round)

    def piece(size: int) -> Cost:
        shifted = size * ring.word_bytes + cross_cost(Fields(shift, size), 1, one_round=False).total_bytes
        number = cross_cost(Words(ring, (size,)), 1, one_round=one_round).total_bytes
        return Cost(depths.rounds, shifted + carry_out_cost(shift, size).total_bytes + number)

    return cost_in_pieces(count, EXACT_PIECE, piece)
