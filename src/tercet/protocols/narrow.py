"""Matrix products modulo 2^16 of factors modulo 2^64, and what they give as a sharing modulo 2^64 again.

Parts of a sharing modulo 2^64 are, modulo 2^16, parts of a sharing of the same integer: where the result of a long
product is known to be small, everybody computes with a quarter of each word, which processors do ten times as fast.
"""

from __future__ import annotations

import math

from tercet.protocols.cost import Cost
from tercet.protocols.cross import cross_cost, cross_terms
from tercet.protocols.matrix import cuts_of
from tercet.protocols.message import Fields, Words
from tercet.protocols.product import Matrix, Split
from tercet.protocols.scope import Body, Pair, ProtocolRole, Scope, Together
from tercet.ring import RING64, Array, Ring, concatenate
from tercet.sharing import Purpose, Share

NARROW_BITS = 16
MOST = 1 << (NARROW_BITS - 2)
"""Results are below this in magnitude."""


def matrix_product_narrow(scope: Scope, x: Share, y: Share) -> Body[Share]:
    """x @ y for x (..., m, k) and y (..., k, n) modulo 2^64, of results below 2^14 in magnitude. Run by all parties.

    Exact. Two rounds and 240 bits in all for each element of the result, whatever k. Semi-honest, one corruption: the
    exchange of `bilinear_split` modulo 2^16, then `widen_split`. The reduction of parts is local. Source: own assembly;
    products of iris codes modulo 2^16 that are lifted: Bloemen et al., arXiv 2405.04463 (2024).
    """
    axis, cuts = cuts_of(x.shape, y.shape, scope.balance)

    def piece(part: Scope, cut: slice) -> Body[Share]:
        xs = x[..., cut, :] if axis == -2 else x
        ys = y[..., cut] if axis == -1 else y
        product = yield from narrow_split(part, xs, ys)
        flat = Split(RING64, product.value.reshape(-1))
        return (yield from widen_split(part, flat, NARROW_BITS)).reshape(product.value.shape)

    if len(cuts) == 1:
        return (yield from piece(scope, cuts[0]))
    parts = scope.fork(len(cuts), rotate=True)
    results = yield Together(piece(part, cut) for part, cut in zip(parts, cuts, strict=True))
    scope.join(parts)
    own = concatenate([result.own for result in results], axis=axis)
    return Share(RING64, own, concatenate([result.next for result in results], axis=axis))


def matrix_product_narrow_cost(x_shape: tuple[int, ...], y_shape: tuple[int, ...]) -> Cost:
    """Of `matrix_product_narrow`."""
    shape = Matrix(RING64, x_shape, y_shape).shape
    axis, cuts = cuts_of(x_shape, y_shape)
    rest = math.prod(shape) // shape[axis] if shape[axis] else 0
    total = Cost()
    for cut in cuts:
        size = rest * (cut.stop - cut.start)
        exchanged = 2 * Fields(NARROW_BITS, size).nbytes
        total = total.beside(Cost(2, exchanged + widen_cost(RING64, size, NARROW_BITS).total_bytes))
    return total


def narrow_split(scope: Scope, x: Share, y: Share) -> Body[Split]:
    """The product in pair-and-solo form modulo 2^16, in words of which the bits above mean nothing."""
    ring, step = RING64, scope.step("product")
    shape = Matrix(ring, x.shape, y.shape).shape
    fields = Fields(NARROW_BITS, math.prod(shape), ring)

    def plus(first: tuple[Array, Array], second: tuple[Array, Array]) -> Array:
        a, b = (ring.matmul_low16(*factors, scope.threads).reshape(-1) for factors in (first, second))
        return ring.add(a, b, out=a)

    def drawn(pair: Pair) -> Array:
        return step.draw(pair, fields, Purpose.MASK)

    if scope.role is ProtocolRole.D:
        if x.size > y.size:  # the sum of a factor's parts is made of the smaller one
            both = ring.add(y.own, y.next)
            z = plus((x.own, both), (x.next, both))
        else:
            both = ring.add(x.own, x.next)
            z = plus((both, y.own), (both, y.next))
        return Split(ring, ring.sub(ring.sub(z, drawn(Pair.AD)), drawn(Pair.BD)).reshape(shape))
    if scope.role is ProtocolRole.A:
        other = ProtocolRole.B
        mine = plus((x.next, ring.add(y.next, y.own)), (x.own, y.next))
        mine = ring.add(mine, drawn(Pair.AD), out=mine)
    else:
        other = ProtocolRole.A
        mine = plus((x.own, y.next), (x.next, y.own))
        mine = ring.add(mine, drawn(Pair.BD), out=mine)
    step.product(other, fields, mine)
    theirs = yield step.receive(other, fields)
    return Split(ring, ring.add(mine, theirs, out=mine).reshape(shape))


def widen_split(scope: Scope, z: Split, bits: int) -> Body[Share]:
    """The same values modulo the whole ring, of a fresh flat form z = c + r modulo 2^bits with |z| < 2^(bits - 2), in
    words whose bits above mean nothing. Run by all three parties.

    Exact. Two rounds, of which the first needs nothing of A and B: after a product one more. For 16 of 64 bits 208 bits
    in all. Semi-honest, one corruption: what D deals is masked by F_AD, the rest is one cross term. Source: the wrap
    argument of `truncate`.
    """
    ring, count = z.ring, z.value.size
    step = scope.step("widen")
    layout, fields = Words(ring, (count,)), Fields(ring.bits - bits, count, ring)
    offset = 0 if scope.role is ProtocolRole.D else 1 << (bits - 2)
    value = ring.add(z.value, ring.from_ints([offset])) if offset else z.value
    value = ring.low(value, bits)
    sign = ring.shr(value, bits - 1)
    part = ring.sub(ring.sub(value, ring.shl(sign, bits)), ring.from_ints([offset]))
    if scope.role is ProtocolRole.D:
        low = step.words(Pair.AD, ring, (count,), Purpose.OUTPUT)
        rest = ring.sub(part, low)
        step.deal(ProtocolRole.B, (layout, rest))
        wrap = yield from cross_terms(scope, fields, [sign])
        return Share(ring, ring.add_shl(rest, wrap.own, bits), ring.add_shl(low, wrap.next, bits))
    wrap = yield from cross_terms(scope, fields, [sign])
    if scope.role is ProtocolRole.A:
        low = step.words(Pair.AD, ring, (count,), Purpose.OUTPUT)
        return Share(ring, ring.add_shl(low, wrap.own, bits), ring.add_shl(part, wrap.next, bits))
    rest = yield step.receive(ProtocolRole.D, layout)
    return Share(ring, ring.add_shl(part, wrap.own, bits), ring.add_shl(rest, wrap.next, bits))


def widen_cost(ring: Ring, count: int, bits: int) -> Cost:
    """Of `widen_split` where D's messages are not under way while others wait for something else."""
    return Cost(1, count * ring.word_bytes).beside(cross_cost(Fields(ring.bits - bits, count), 1, one_round=False))
