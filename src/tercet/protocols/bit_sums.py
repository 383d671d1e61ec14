"""Sums of shared bits with public coefficients, several over the same bits: one dealing, one exchange.

Semi-honest, one corruption: as `cross_terms`, of which this is one call with several results.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate

from tercet.protocols.convert import bit_words, signs, split_bits_form
from tercet.protocols.cost import Cost
from tercet.protocols.message import Fields, Words
from tercet.protocols.scope import Body, Pair, ProtocolRole, Scope, Step
from tercet.ring import Array, Ring, empty_bytes
from tercet.sharing import BitShare, Purpose, Share

BitSum = tuple[int, Sequence[int]]
"""A constant, and a coefficient for every bit."""


def bit_sums(scope: Scope, ring: Ring, bits: BitShare, sums: Sequence[BitSum]) -> Body[list[Share]]:
    """constant + sum of coefficient_k * bit_k for each of `sums`; bits (k, words). Run by all three parties.

    D deals each bit b' once, modulo 2^(w - z) where all its coefficients are multiples of 2^z; every sum takes one word
    in each direction between A and B. Two rounds. Exact. Semi-honest, one corruption; see `cross_terms`. Source:
    protocols page §2.4, with several results from one dealing (docs/security/cross-terms.md).
    """
    count, number = bits.count, len(sums)
    step = scope.step("sum")
    half = split_bits_form(scope, bits)
    layouts = _layouts(ring, count, sums)
    shape = (number, count)
    one = Words(ring, shape)
    if scope.role is ProtocolRole.D:
        terms = _drawn(step, layouts)
        step.deal(
            ProtocolRole.B,
            *(
                (layout, layout.ring.sub(bit_words(layout.ring, plane, count), term))
                for plane, layout, term in zip(half, layouts, terms, strict=True)
            ),
        )
        u_ad = step.words(Pair.AD, ring, shape, Purpose.OUTPUT)
        u_bd = step.words(Pair.BD, ring, shape, Purpose.OUTPUT)
        return [Share(ring, u_bd[k], u_ad[k]) for k in range(number)]
    is_a = scope.role is ProtocolRole.A
    mask = step.words(Pair.AD if is_a else Pair.BD, ring, shape, Purpose.OUTPUT)
    if is_a:
        parts = _drawn(step, layouts)
    else:
        received = yield step.receive(ProtocolRole.D, *layouts)
        parts = [received] if len(layouts) == 1 else received
    total = ring.neg(mask)
    public = ring.empty(shape)
    for k, (constant, _) in enumerate(sums):
        public[k] = ring.constant(constant, (count,))
    for place, (plane, layout, part) in enumerate(zip(half, layouts, parts, strict=True)):
        beta = bit_words(ring, plane, count)
        term = ring.mul(signs(ring, beta), layout.ring.resize(part, ring))
        for k, (_, coefficients) in enumerate(sums):
            if coefficients[place]:
                total[k] = ring.add(total[k], ring.scale(term, coefficients[place]))
                public[k] = ring.add(public[k], ring.scale(beta, coefficients[place]))
    other = ProtocolRole.B if is_a else ProtocolRole.A
    step.cross_term(other, one, total)
    theirs = yield step.receive(other, one)
    ab = ring.add(ring.add(total, theirs), public)
    return [Share(ring, mask[k], ab[k]) if is_a else Share(ring, ab[k], mask[k]) for k in range(number)]


def bit_sums_cost(ring: Ring, count: int, sums: Sequence[BitSum]) -> Cost:
    """Of `bit_sums`, exact."""
    fields = sum(layout.nbytes for layout in _layouts(ring, count, sums))
    return Cost(2, fields + 2 * Words(ring, (len(sums), count)).nbytes)


def _layouts(ring: Ring, count: int, sums: Sequence[BitSum]) -> list[Fields]:
    """Of each bit's term: as many low bits as its coefficients do not shift out of the ring."""
    layouts = []
    for coefficients in zip(*(coefficients for _, coefficients in sums), strict=True):
        together = 0
        for coefficient in coefficients:
            together |= abs(coefficient)
        if not together:
            raise ValueError("a bit that no sum takes")
        layouts.append(Fields(ring.bits - (together & -together).bit_length() + 1, count))
    return layouts


def _drawn(step: Step, layouts: list[Fields]) -> list[Array]:
    """Uniform values of A and D for each layout, from one draw."""
    ends = list(accumulate(layout.nbytes for layout in layouts))
    drawn = empty_bytes(ends[-1])
    step.fill(Pair.AD, drawn, Purpose.TERM)
    return [layout.unpack(drawn[end - layout.nbytes : end].copy()) for layout, end in zip(layouts, ends, strict=True)]
