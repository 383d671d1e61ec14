"""The logistic function of any x, times a public number, in three rounds: a sum of sines, and two rough comparisons.

Less 1/2, and repeated every 32 with its sign changed, the function is a sum of sines of odd multiples of 2 pi x / 64.
x = c + r with c known to A and B, r to D. Shifted to the left, modulo the ring, both are phases, and sin(c + r) is
sin c cos r + cos c sin r, so that the sum is one cross term, of which weights are part of what A and B compute. No
truncation, and the ring's wrap is a whole period.

Up to 12.5 from its step a wave of half-period 32 is the function, and from there to 19.5 it is 0 or 1 as well. So it
need not be known exactly whether x lies beyond: where (c - 14) / 4 and r / 4, both rounded down, add up to 0 or more, x
is beyond 14, and where they do not it is below 18. The same of -x. That compares numbers of fewer bits (`compare_pc3`).
A and B on one side and D on the other then have a half each of the sum and of both bits, and one cross term chooses.

Security: semi-honest, one corruption of three; see docs/security/share-wise.md. **Not provable,** as `sharewise`.
Source: own.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from tercet.protocols.coefficients import PHASE_SERIES
from tercet.protocols.compare_pc3 import sign_halves, sign_halves_cost
from tercet.protocols.convert import bit_words, signs
from tercet.protocols.cost import Cost
from tercet.protocols.cross import cross_cost, cross_terms
from tercet.protocols.message import Words
from tercet.protocols.pieces import cost_in_pieces, words_in_pieces
from tercet.protocols.product import Split, fresh_split_form, split_form
from tercet.protocols.scope import Body, ProtocolRole, Scope, Together
from tercet.protocols.sharewise import crossed
from tercet.ring import RING64, Array, Bits, Ring, concatenate, sharewise
from tercet.sharing import Share

PIECE = 1 << 12
LEAST_BITS, MOST_BITS = 34, 42
"""Fractional bits that a result may have."""
PERIOD_BITS = 6
UNIT_BITS = 2
"""Comparisons are of numbers in units of four."""
BEYOND = 14
SURE = 18
"""What is not found beyond BEYOND is below this."""
WEIGHT_BITS = 24
# (pi / 16) / sinh(pi^2 k / 32) for k = 1, 3 .. 39
WEIGHTS = (
    10513232,
    3098759,
    1477024,
    770860,
    412043,
    221743,
    119566,
    64508,
    34809,
    18784,
    10136,
    5470,
    2952,
    1593,
    860,
    464,
    250,
    135,
    73,
    39,
)
_SINE_BITS = 24
_LARGEST = 62


@dataclass(frozen=True, slots=True)
class Wave:
    """The public numbers: fractional bits of x, of how many bits rough comparisons are, fractional bits of the result,
    and what it is where the function is 1, as stored."""

    frac_bits: int
    bits: int
    out_bits: int
    height: int

    @property
    def right_bits(self) -> int:
        """Fractional bits of D's factors; A's and B's have the others, as their 40 roundings add up."""
        return (self.out_bits - 3) // 2

    @property
    def most_off(self) -> int:
        """By how much a result may be another: roundings of 40 factors of A and B, those of D, and what the sum of
        sines leaves out."""
        left = self.out_bits - self.right_bits
        return (len(WEIGHTS) << self.right_bits) + (3 << left - 2) + (1 << self.out_bits - 18)


def wave(lo: int, hi: int, frac_bits: int, ring_bits: int, out_bits: int, height: int) -> Wave | None:
    """The public numbers for stored integers in [lo, hi]; None if x does not fit. `height`: up to 2^out_bits."""
    largest = (max(-lo, hi) + (SURE << frac_bits)).bit_length()
    if ring_bits != RING64.bits or largest > _LARGEST or frac_bits + PERIOD_BITS > ring_bits:
        return None
    if not (LEAST_BITS <= out_bits <= MOST_BITS and 0 < height <= 1 << out_bits):
        return None
    return Wave(frac_bits, largest + 1 - frac_bits - UNIT_BITS, out_bits, height)


def logistic(scope: Scope, x: Share, s: Wave) -> Body[Share]:
    """height / (1 + e^-x) by the public numbers of `wave`. Run by all three parties.

    Three rounds; 52 words in all and two comparisons of `bits` bits (without their last message) for an element. Error:
    below `most_off`; at 35 bits of the result seldom more than 2^-16. Semi-honest, one corruption; not provable.
    """

    def piece(part: Scope, cut: slice) -> Body[Share]:
        z = fresh_split_form(part, x[cut])
        waving, comparing = part.fork(2)
        inner, (below, above) = yield Together([_sum_of_sines(waving, z, s), _beyond(comparing, z, s)])
        part.join([waving, comparing])
        return (yield from _chosen(part, split_form(part, inner).value, below, above, s))

    shape, x = x.shape, x.flat()
    return (yield from words_in_pieces(scope, x.ring, x.size, PIECE, piece)).reshape(shape)


@lru_cache(maxsize=64)
def _weights(s: Wave) -> Bits:
    """Weights times the height."""
    return sharewise.series(tuple(weight * s.height >> s.out_bits for weight in WEIGHTS))


def _sum_of_sines(scope: Scope, z: Split, s: Wave) -> Body[Share]:
    """height times the wave less 1/2."""
    count, rows = z.value.size, len(WEIGHTS)
    phases = sharewise.odd_multiples(z.ring, z.value, z.ring.bits - PERIOD_BITS - s.frac_bits, rows)
    sine, cosine = (sharewise.series(PHASE_SERIES[name]) for name in ("sine", "cosine"))
    # cosines, then sines
    terms = sharewise.sine_terms(z.ring, phases, _SINE_BITS, sine, cosine, z.ring.zeros((2, rows * count)))

    def dealt(drawn: Array) -> Array:
        return z.ring.sub(sharewise.rounded(terms, _SINE_BITS - s.right_bits).reshape(drawn.shape), drawn)

    def joined(table: Array, mask: Array) -> Array:
        weighed = sharewise.weighed(terms[::-1].reshape(2, rows, count), _weights(s))
        left = sharewise.rounded(weighed, WEIGHT_BITS + _SINE_BITS + s.right_bits - s.out_bits)
        return z.ring.sub(_summed(z.ring, left.reshape(table.shape), table), mask)

    return (yield from crossed(scope, z.ring, count, 2 * rows, dealt, joined))


def _summed(ring: Ring, left: Array, right: Array) -> Array:
    return ring.sum(ring.mul(left, right), axis=(0,))


def _beyond(scope: Scope, z: Split, s: Wave) -> Body[tuple[Array, Array]]:
    """Halves of two bits, as words 0 and 1, whose XOR says whether x is not found above, and not below."""
    ring, count = z.ring, z.value.size
    both = concatenate([z.value, ring.neg(z.value)])
    if scope.in_pair:
        both = ring.sub(both, ring.public((BEYOND << s.frac_bits,)))
    rough = Split(ring, ring.shr(both, s.frac_bits + UNIT_BITS))
    halves = bit_words(ring, (yield from sign_halves(scope, rough, s.bits)), 2 * count)
    return halves[:count], halves[count:]


def _chosen(scope: Scope, inner: Array, below: Array, above: Array, s: Wave) -> Body[Share]:
    """What is left of the wave where x is not beyond, and the height where it is above.

    By this party's halves: of the wave less 1/2, and of the bits that x is `below` what is beyond above, and `above`
    what is beyond below. Of a bit t = t_c XOR t_r and a number y = y_c + y_r, t y is t_c y_c, which A and B know, and
    t_c times y_r, (1 - 2 t_c) y_c times t_r, (1 - 2 t_c) times t_r y_r.
    """
    ring = RING64
    inside = ring.xor(below, above)  # never are both 0
    layout = Words(ring, (inner.size,))
    if scope.role is ProtocolRole.D:
        right = [inner, inside, ring.mul(inside, inner), below]
        return (yield from cross_terms(scope, layout, right, one_round=True))
    one = ring.public((1,))
    inside, beyond = ring.xor(inside, one), ring.xor(below, one)
    inner = ring.add(inner, ring.public((s.height >> 1,)))
    sign = signs(ring, inside)
    left = [inside, ring.mul(sign, inner), sign, ring.scale(signs(ring, beyond), s.height)]
    # both know it: one of them adds it
    known = ring.mul_add(inside, inner, ring.scale(beyond, s.height)) if scope.role is ProtocolRole.A else None
    return (yield from cross_terms(scope, layout, left, known, one_round=True))


def logistic_cost(count: int, s: Wave) -> Cost:
    """Of `logistic`, exact."""

    def piece(size: int) -> Cost:
        layout = Words(RING64, (size,))
        waving = (2 * len(WEIGHTS) + 2) * layout.nbytes
        choosing = cross_cost(layout, 4, one_round=True).total_bytes
        return Cost(3, waving + choosing + sign_halves_cost(2 * size, s.bits).total_bytes)

    return cost_in_pieces(count, PIECE, piece)
