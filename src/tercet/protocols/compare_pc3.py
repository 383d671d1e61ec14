"""Signs in three rounds, for slow links and small arrays (protocols page §5.6).

The carry of c + r (c at A and B, r at D) is a comparison of c with NOT r. D shares tables of its digits modulo p; A and
B turn them into shares of one value a digit, of which exactly one is zero if c is larger and none if it is not, or the
other way round by a secret coin; blinded and turned, D may see them.
"""

from __future__ import annotations

from dataclasses import dataclass

from tercet.protocols.compare import held, lowest_bit
from tercet.protocols.cost import Cost
from tercet.protocols.message import Planes
from tercet.protocols.opening import send_masked
from tercet.protocols.pieces import bits_in_pieces, cost_in_pieces
from tercet.protocols.product import Split, split_form
from tercet.protocols.scope import Body, Pair, ProtocolRole, Scope, Step
from tercet.ring import Array, Bits, Bytes, empty_bytes, to_planes
from tercet.ring.residues import (
    Digits,
    Residues,
    draw,
    draw_bytes,
    pack,
    packed_bytes,
    tables_blind,
    tables_deal,
    unpack,
    zero_among,
)
from tercet.sharing import BitShare, Purpose, Share

PIECE = 1 << 13


@dataclass(frozen=True, slots=True)
class ResidueLayout:
    """Residues modulo p, four to a field; (rows, count)."""

    p: int
    rows: int
    count: int

    @property
    def nbytes(self) -> int:
        return packed_bytes(self.rows * self.count, self.p)

    def pack(self, array: Array) -> Bytes:
        return pack(array, self.p)

    def unpack(self, payload: Bytes) -> Array:
        return unpack(payload, self.rows * self.count, self.p).reshape(self.rows, self.count)


def _draw(step: Step, pair: Pair, rows: int, count: int, p: int, modulus: int, purpose: Purpose) -> Residues:
    uniform = empty_bytes(draw_bytes(rows * count, p))
    step.fill(pair, uniform, purpose)
    return draw(uniform, rows * count, p, modulus).reshape(rows, count)


def is_negative_pc3(scope: Scope, x: Share, bits: int) -> Body[BitShare]:
    """The sign bit of each x, read as a signed value modulo 2^bits. Run by all three parties; x is flat.

    Three rounds; 64 bits: 276.8 bits a party. 1 <= bits <= the ring's. Exact on the whole range.
    Semi-honest, one corruption: D's tables are masked modulo p by F_AD (sampling: 2^40 comparisons are within 2^-40 of
    ideal); D sees nonzero digits uniform and independent and, by a coin that it lacks, one zero at a uniform place or
    none. Not for the malicious mode: D could share tables that are not one-hot. Argument: docs/security/pc3.md.
    Source: own assembly of SecureNN's private compare (PoPETs 2019) with digit tables; digits turned, not permuted.
    """
    if bits == 1:
        return lowest_bit(x)

    def piece(part: Scope, cut: slice) -> Body[BitShare]:
        return is_negative_pc3_split(part, split_form(part, x[cut]), bits)

    return (yield from bits_in_pieces(scope, x.size, PIECE, piece))


def is_negative_pc3_split(scope: Scope, x: Split, bits: int) -> Body[BitShare]:
    """From the pair-and-solo form of a flat array; contract as `is_negative_pc3`; 2 <= bits.

    Directly after a product D's tables need no wait, so two rounds remain.
    """
    count = x.value.size
    half = yield from sign_halves(scope, x, bits)
    ending, one = scope.step("sign"), Planes((), count)
    if scope.role is ProtocolRole.D:
        ad = ending.planes(Pair.AD, half.shape, Purpose.OUTPUT)
        bd = half ^ ad
        ending.deal(ProtocolRole.B, (one, bd))
        return held(scope, None, ad, bd, count)
    if scope.role is ProtocolRole.A:
        return held(scope, half, ending.planes(Pair.AD, half.shape, Purpose.OUTPUT), None, count)
    return held(scope, half, None, (yield ending.receive(ProtocolRole.D, one)), count)


def sign_halves(scope: Scope, x: Split, bits: int) -> Body[Bits]:
    """The sign bits that `is_negative_pc3_split` gives, packed, as halves: one that A and B know and one that D knows,
    whose XOR they are; a uniform coin of A and B hides them from D. Two rounds, or one where D's tables need no wait;
    docs/security/pc3.md without its last message."""
    count = x.value.size
    form = Digits(bits - 1)
    p = form.p
    planes = to_planes(x.value, bits)
    dealing, opening = scope.step("tables"), scope.step("digits")
    tables = ResidueLayout(p, form.entries, count)
    digits = ResidueLayout(p, form.count, count)
    low, top = planes[:-1], planes[-1]
    if scope.role is ProtocolRole.D:
        own = _draw(dealing, Pair.AD, form.entries, count, p, p, Purpose.TABLE)
        dealing.deal(ProtocolRole.B, (tables, tables_deal(form, low, own)))
        from_a = yield opening.receive(ProtocolRole.A, digits)
        from_b = yield opening.receive(ProtocolRole.B, digits)
        half: Bits = zero_among(form, from_a, from_b) ^ top
        return half
    coin = opening.planes(Pair.AB, planes.shape[-1:], Purpose.COIN)
    scale = _draw(opening, Pair.AB, form.count, count, p, p - 1, Purpose.SCALE) + 1
    zero = _draw(opening, Pair.AB, form.count, count, p, p, Purpose.ZERO)
    turn = _draw(opening, Pair.AB, 1, count, p, form.count, Purpose.BLIND)[0]
    is_a = scope.role is ProtocolRole.A
    if is_a:
        share = _draw(dealing, Pair.AD, form.entries, count, p, p, Purpose.TABLE)
    else:
        share = yield dealing.receive(ProtocolRole.D, tables)
    blinded = tables_blind(form, low, share, 0 if is_a else 1, coin, scale, zero, turn, not is_a)
    send_masked(opening, ProtocolRole.D, digits, blinded)
    half = coin ^ top
    return half


def is_negative_pc3_cost(count: int, bits: int) -> Cost:
    if bits == 1:
        return Cost()
    return cost_in_pieces(count, PIECE, lambda size: is_negative_pc3_split_cost(size, bits))


def is_negative_pc3_split_cost(count: int, bits: int) -> Cost:
    """Of `is_negative_pc3_split` where D's tables are not dealt while others wait for something else."""
    return Cost(3, sign_halves_cost(count, bits).total_bytes + Planes((), count).nbytes)


def sign_halves_cost(count: int, bits: int) -> Cost:
    """Of `sign_halves`, likewise."""
    form = Digits(bits - 1)
    tables = ResidueLayout(form.p, form.entries, count).nbytes
    return Cost(2, tables + 2 * ResidueLayout(form.p, form.count, count).nbytes)
