"""Sums of shared bits with public coefficients, several over the same bits: one dealing, one exchange.

Semi-honest, one corruption: as `cross_terms`, of which this is one call with several results.
"""

from __future__ import annotations

from collections.abc import Sequence

from tercet.protocols.convert import split_bits_form
from tercet.protocols.cost import Cost
from tercet.protocols.message import Fields, RawBytes, Words
from tercet.protocols.scope import Body, Pair, ProtocolRole, Scope
from tercet.ring import Ring
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
    widths = [layout.bits for layout in layouts]
    fields = RawBytes(sum(layout.nbytes for layout in layouts))
    shape = (number, count)
    one = Words(ring, shape)
    if scope.role is ProtocolRole.D:
        drawn = step.draw(Pair.AD, fields, Purpose.TERM)
        step.deal(ProtocolRole.B, (fields, ring.deal_bits(half, count, widths, drawn)))
        u_ad = step.words(Pair.AD, ring, shape, Purpose.OUTPUT)
        u_bd = step.words(Pair.BD, ring, shape, Purpose.OUTPUT)
        return [Share(ring, u_bd[k], u_ad[k]) for k in range(number)]
    is_a = scope.role is ProtocolRole.A
    mask = step.words(Pair.AD if is_a else Pair.BD, ring, shape, Purpose.OUTPUT)
    if is_a:
        parts = step.draw(Pair.AD, fields, Purpose.TERM)
    else:
        parts = yield step.receive(ProtocolRole.D, fields)
    constants, factors = [constant for constant, _ in sums], [row for _, row in sums]
    sent, kept = ring.sum_bits(half, widths, parts, constants, factors, mask)
    other = ProtocolRole.B if is_a else ProtocolRole.A
    step.cross_term(other, one, sent)
    theirs = yield step.receive(other, one)
    ab = ring.add(kept, theirs, out=kept)
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
