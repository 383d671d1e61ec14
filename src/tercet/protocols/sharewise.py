"""Powers and sines of the two halves of a phase, which one cross term joins: share-wise exp, sin and cos.

x = c + r with c known to A and B, r to D. Times a public factor, modulo the ring, both are phases, and their sum is
x log2 b, or x in turns: no truncation, and the ring's wrap is a whole period. A real function makes products of the
sum: 2^(c + r) = 2^c 2^r, and sin(c + r) = sin c cos r + cos c sin r. A and B compute the same left factors, D the right
ones, in integers (`ring.sharewise`), so that all have them to the bit.

Security: semi-honest, one corruption of three; D receives nothing, A and B only what is masked by fresh draws that they
lack (`cross`). **Not provable:** what D deals is no polynomial of low degree in what it holds, so a D that cheats
chooses the result. The provable variant of each stands beside it in the operations table. Source: protocols page §6.2,
6.3 (own; multiplying powers of shares: Kelkar et al., USENIX Security 2022).
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cache
from typing import Any

from tercet.protocols.coefficients import CONSTANT_BITS, CONSTANTS, PHASE_SERIES, constant
from tercet.protocols.cost import Cost
from tercet.protocols.message import Words
from tercet.protocols.pieces import cost_in_pieces, words_in_pieces
from tercet.protocols.product import fresh_split_form
from tercet.protocols.scope import Body, Pair, ProtocolRole, Scope
from tercet.ring import RING64, RING128, Array, Bits, Ring, ring, sharewise
from tercet.sharing import Purpose, Share

PIECE = 1 << 15
ROOM_BITS = 3
"""Results stay below 2^(ring - 3), so that they can be rounded to the nearest where they are."""
MOST_ROWS = 64
_MARGIN_BITS = 16
_NO_CUT = -4000
_FINE_BITS = 22


@cache
def _series(name: str) -> Bits:
    return sharewise.series(PHASE_SERIES[name])


@dataclass(frozen=True)
class SharedPower:
    """b^x as 2^`left` times A's and B's factor, times 2^`right` times D's table.

    x `factor` + `ahead` is x log2 b - first, with `whole` whole bits above the fraction. The highest `whole - low` of
    them choose a row of the table, what is below is the factor, less than 2^(2^low). Powers that are sure to be at most
    2^cut are 0.
    """

    ring: Ring
    factor: int
    ahead: int
    whole: int
    low: int
    first: int
    left: int
    right: int
    cut: int

    @property
    def rows(self) -> int:
        return 1 << self.whole - self.low

    @property
    def out_bits(self) -> int:
        return self.left + self.right


def shared_power(
    name: str | None, lo: int, hi: int, frac_bits: int, nominal: int, ring_bits: int, out_bits: int, cut: int | None
) -> SharedPower | None:
    """The public numbers for 2^(x c), c the constant of this name or 1, for stored integers in [lo, hi].

    The result has `out_bits` fractional bits or, if that is too few, more. Both factors have so many that the power is
    right to a fortieth of the last bit (at more than 22 bits in the ring 2^64 to a twentieth), so that what is revealed
    is the nearest number: 2 nominal + 11 (9) + 2^low + log2(result) <= ring - 3. None if the ring does not take that.
    With `cut`, what is below 2^cut may be 0, and what is below 2^(cut - 4) is exactly 0; `low` is at most 2 then.
    """
    spare = 2 if nominal > _FINE_BITS and ring_bits == RING64.bits else 3
    unit = 1 << CONSTANT_BITS if name is None else CONSTANTS[name]
    margin = CONSTANT_BITS + frac_bits - _MARGIN_BITS
    # ends in 2^-16, rounded away from the range
    least, most = (lo * unit >> margin) - 1, (hi * unit >> margin) + 2
    first = least >> _MARGIN_BITS
    spread = most - (first << _MARGIN_BITS)
    above = max(0, -(-(most - 3) >> _MARGIN_BITS))
    room = ring_bits - ROOM_BITS - above
    found: list[SharedPower] = []
    for low in range(1, 3 if cut is not None else 5):
        width = 1 << low
        whole = max(low + 1, ((spread >> _MARGIN_BITS) + width).bit_length())
        needed = 2 * (nominal + spare) + 5 + width
        out = max(out_bits, min(needed + 3, room))
        least_left = nominal + spare + 2
        left = min(least_left + (out - needed) // 2, sharewise.MANTISSA_BITS - width)
        if whole - low > MOST_ROWS.bit_length() - 1 or not needed <= out <= room or left < least_left:
            continue
        bits = ring_bits - whole - frac_bits
        # the error of x log2 b is that of the factor times x; below 0 the power is small where x is large
        size = max(hi, 1 << frac_bits).bit_length()
        if not 0 <= bits <= CONSTANT_BITS - 4 or size - frac_bits - bits - 1 > -(nominal + 7):
            continue
        factor = 1 << bits if name is None else constant(name, bits)
        ahead = -first << frac_bits + bits
        cuts = _NO_CUT if cut is None else cut
        found.append(SharedPower(ring(ring_bits), factor, ahead, whole, low, first, left, out - left, cuts))
    return min(found, key=lambda s: (s.rows, s.out_bits), default=None)


@dataclass(frozen=True)
class SharedTurns:
    """sin and cos as two products of numbers with `scale` fractional bits; x `factor` + `ahead` is the phase in
    turns."""

    ring: Ring
    factor: int
    ahead: int
    scale: int


def shared_turns(
    quarters: int, lo: int, hi: int, frac_bits: int, nominal: int, ring_bits: int, out_bits: int
) -> SharedTurns | None:
    """The public numbers of sin(x + so many quarter turns), with an even number of fractional bits in all. None if x is
    too large for the last bit that is wanted: 2 frac_bits + log2 |x| > ring - 8 or so.
    """
    size = max(-lo, hi, 1).bit_length()
    bits = ring_bits - frac_bits
    if out_bits < 2 * (nominal + 5) or out_bits % 2 or out_bits // 2 > sharewise.MANTISSA_BITS:
        return None
    if not 0 <= bits <= CONSTANT_BITS - 4 or size - frac_bits - bits + 2 > -(nominal + 5):
        return None
    return SharedTurns(ring(ring_bits), constant("inverse_turn", bits), quarters << ring_bits - 2, out_bits // 2)


def _phase(scope: Scope, x: Share, factor: int, ahead: int) -> Bits:
    """This party's half of the phase; `ahead` is added to that of A and B."""
    z = fresh_split_form(scope, x)
    return sharewise.phases(x.ring, z.value, factor, ahead if scope.in_pair else 0)


def power(scope: Scope, x: Share, s: SharedPower) -> Body[Share]:
    """b^x by the public numbers of `shared_power`. Run by all three parties.

    Two rounds; rows + 2 words in all for an element. Error: see `shared_power`; relative above 1. Semi-honest, one
    corruption; not provable. See the head of this module.
    """

    def piece(part: Scope, cut: slice) -> Body[Share]:
        own = x[cut]
        phase = _phase(part, own, s.factor, s.ahead)

        def dealt(drawn: Array) -> Array:
            return sharewise.power_table(s.ring, phase, s.whole, s.low, s.first, s.right, s.cut, _series("exp2"), drawn)

        def joined(table: Array, mask: Array) -> Array:
            return sharewise.power_cross(s.ring, phase, s.whole, s.low, s.left, _series("exp2"), table, mask)

        return crossed(part, s.ring, own.size, s.rows, dealt, joined)

    shape, x = x.shape, x.flat()
    return (yield from words_in_pieces(scope, s.ring, x.size, PIECE, piece)).reshape(shape)


def turned(scope: Scope, x: Share, s: SharedTurns) -> Body[Share]:
    """sin by the public numbers of `shared_turns`. Run by all three parties.

    Two rounds; four words in all for an element. Error: an eleventh of the last bit at 24 fractional bits, less at all
    others; never beyond 1, as both vectors of sin and cos are rounded towards 0. Security as `power`.
    """

    def piece(part: Scope, cut: slice) -> Body[Share]:
        own = x[cut]
        phase = _phase(part, own, s.factor, s.ahead)
        series = _series("sine"), _series("cosine")

        def dealt(drawn: Array) -> Array:
            return sharewise.sine_terms(s.ring, phase, s.scale, *series, drawn)

        def joined(terms: Array, mask: Array) -> Array:
            return sharewise.sine_cross(s.ring, phase, s.scale, *series, terms, mask)

        return crossed(part, s.ring, own.size, 2, dealt, joined)

    shape, x = x.shape, x.flat()
    return (yield from words_in_pieces(scope, s.ring, x.size, PIECE, piece)).reshape(shape)


def crossed(scope: Scope, ring: Ring, count: int, rows: int, dealt: Any, joined: Any) -> Body[Share]:
    """A sharing of the sum over rows of what A and B hold times what D holds: `cross_terms` with its own kernels.

    `dealt` gives D's rows less what D and A draw, `joined` at A and B the sum over its rows less its mask.
    """
    step = scope.step("phase")
    one, table = Words(ring, (count,)), Words(ring, (rows, count))
    if scope.role is ProtocolRole.D:
        step.deal(ProtocolRole.B, (table, dealt(step.words(Pair.AD, ring, (rows, count), Purpose.TERM))))
        low = step.words(Pair.AD, ring, (count,), Purpose.OUTPUT)
        return Share(ring, step.words(Pair.BD, ring, (count,), Purpose.OUTPUT), low)
    is_a = scope.role is ProtocolRole.A
    mask = step.words(Pair.AD if is_a else Pair.BD, ring, (count,), Purpose.OUTPUT)
    if is_a:
        part = step.words(Pair.AD, ring, (rows, count), Purpose.TERM)
    else:
        part = yield step.receive(ProtocolRole.D, table)
    mine = joined(part, mask)
    other = ProtocolRole.B if is_a else ProtocolRole.A
    step.cross_term(other, one, mine)
    theirs = yield step.receive(other, one)
    both = ring.add(mine, theirs)
    return Share(ring, mask, both) if is_a else Share(ring, both, mask)


def power_cost(count: int, s: SharedPower) -> Cost:
    """Of `power`, exact."""
    return _cost(count, s.ring, s.rows)


def turned_cost(count: int, s: SharedTurns) -> Cost:
    """Of `turned`, exact."""
    return _cost(count, s.ring, 2)


def _cost(count: int, ring: Ring, rows: int) -> Cost:
    return cost_in_pieces(count, PIECE, lambda size: Cost(2, (rows + 2) * size * ring.word_bytes))


@cache
def fingerprint() -> bytes:
    """32 bytes that follow from what the kernels of this machine give for fixed phases: the same at all parties."""
    phase = sharewise.phases(RING64, RING64.from_ints(range(1, 256)), 0x9E3779B97F4A7C15)
    digest = hashlib.sha256()
    for each in (RING64, RING128):
        table, zeros = each.zeros((8, len(phase))), each.zeros((2, len(phase)))
        digest.update(each.as_bytes(sharewise.power_table(each, phase, 5, 2, -12, 40, _NO_CUT, _series("exp2"), table)))
        digest.update(each.as_bytes(sharewise.sine_terms(each, phase, 62, _series("sine"), _series("cosine"), zeros)))
    return digest.digest()
