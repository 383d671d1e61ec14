"""Division by a power of two without large errors, and the lift from 2^64 to 2^128 (protocols page §4.3, §4.4).

Both rest on one fact. For z = c + r' modulo 2^w with c known to A and B, r' to D and a public offset that brings z into
[0, 2^(w-1)), the addition c + r' wraps exactly if msb(c) OR msb(r') = cm + rm - cm rm; the cross term cm rm is the only
thing to compute together, and only modulo as few bits as the shift leaves over.

Semi-honest, one corruption: every message is masked by a fresh draw that its receiver lacks (cross terms: `cross`).
"""

from __future__ import annotations

from tercet.protocols.cost import Cost
from tercet.protocols.cross import CrossTerms, FieldDomain, cross_cost, cross_terms
from tercet.protocols.message import Fields, Words
from tercet.protocols.pieces import in_pieces, pieces
from tercet.protocols.product import PIECE, Bilinear, Elementwise, Split, bilinear_split, fresh_split_form
from tercet.protocols.scope import Body, Pair, ProtocolRole, Scope
from tercet.ring import RING64, RING128, Array, Ring
from tercet.sharing import Purpose, Share


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
        return step.fields(pair, shift, count, ring, purpose)

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
    return ring.add(words, ring.from_ints(constant)) if constant else words


def truncate(scope: Scope, x: Share, shift: int, *, one_round: bool = False, nonnegative: bool = False) -> Body[Share]:
    """Stand-alone TR-1 or TR-2 on an array; contract as `truncate_split`."""
    shape = x.shape
    x = x.flat()
    out = Share.empty(x.ring, (x.size,))

    def piece(part: Scope, cut: slice) -> Body[None]:
        z = fresh_split_form(part, x[cut])
        yield from truncate_split(part, z, shift, one_round=one_round, nonnegative=nonnegative, out=out[cut])

    yield from in_pieces(scope, x.size, PIECE, piece, bulk=True)
    return out.reshape(shape)


def truncate_cost(ring: Ring, count: int, shift: int, *, one_round: bool = False) -> Cost:
    """Of `truncate`."""
    total = Cost()
    for cut in pieces(count, PIECE):
        size = cut.stop - cut.start
        wrap = cross_cost(Fields(shift, size), 1, one_round=one_round)
        total = total.beside(Cost(1, size * ring.word_bytes).beside(wrap))
    return total


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
    total = Cost()
    for cut in pieces(count, PIECE):
        size = cut.stop - cut.start
        total = total.beside(Cost(2, 3 * size * ring.word_bytes + 3 * Fields(shift, size).nbytes))
    return total


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
    out = Share.empty(RING128, (x.size,))

    def piece(part: Scope, cut: slice) -> Body[None]:
        y = yield from _lift_split(part, fresh_split_form(part, x[cut]), one_round)
        out.own[cut], out.next[cut] = y.own, y.next

    yield from in_pieces(scope, x.size, PIECE, piece, bulk=True)
    return out.reshape(shape)


def _lift_split(scope: Scope, z: Split, one_round: bool) -> Body[Share]:
    wide, narrow, count = RING128, RING64, z.value.size
    step = scope.step("lift")
    layout = Words(wide, (count,))
    domain = FieldDomain(narrow.bits, count)

    def high(words: Array) -> Array:
        return wide.shl(narrow.resize(words, wide), narrow.bits)

    if scope.role is ProtocolRole.D:
        low = step.words(Pair.AD, wide, (count,), Purpose.OUTPUT)
        sign = narrow.shr(z.value, narrow.bits - 1)
        rest = wide.sub(wide.sub(narrow.resize(z.value, wide), high(sign)), low)
        step.deal(ProtocolRole.B, (layout, rest))
        wrap = yield from cross_terms(scope, domain, [False], CrossTerms(1, right=[sign]), one_round=one_round)
        return Share(wide, wide.add(rest, high(wrap.own)), wide.add(low, high(wrap.next)))
    offset = 1 << (narrow.bits - 2)
    c = _plus(narrow, z.value, offset)
    sign = narrow.shr(c, narrow.bits - 1)
    wrap = yield from cross_terms(scope, domain, [False], CrossTerms(1, left=[sign]), one_round=one_round)
    if scope.role is ProtocolRole.A:
        low = step.words(Pair.AD, wide, (count,), Purpose.OUTPUT)
        mine, theirs = wide.add(low, high(wrap.own)), wrap.next
    else:
        rest = yield step.receive(ProtocolRole.D, layout)
        mine, theirs = wide.add(rest, high(wrap.next)), wrap.own
    both = _plus(wide, wide.add(narrow.resize(c, wide), high(narrow.sub(theirs, sign))), -offset)
    return Share(wide, mine, both) if scope.role is ProtocolRole.A else Share(wide, both, mine)


def lift_cost(count: int, *, one_round: bool = False) -> Cost:
    total = Cost()
    for cut in pieces(count, PIECE):
        size = cut.stop - cut.start
        total = total.beside(Cost(1, 16 * size).beside(cross_cost(Fields(64, size), 1, one_round=one_round)))
    return total
