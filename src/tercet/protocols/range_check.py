"""Public ranges of shared words: whether they lie in them, of which one bit in all becomes plain, and clipping to them.

A word x is in [lo, hi], with hi - lo < 2^k, exactly if the bits of x - lo above the k lowest are all zero, and adding
2^k - 1 - (hi - lo) to it sets no bit there either. Whoever shared x may have shared any word: all bits are looked at,
but what narrow ranges cost is little, since the upper bits need no comparison: both halves of the sharing know what the
other half's have to be, but for one carry. What has to be zero stays shared; each party folds its part of it into 128
bits, whose sum is zero if all is, and, but for an error of 2^-106, only then. One bit says whether it is. The argument:
docs/security/range-checks.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from tercet.protocols.bits import and_rows, and_rows_cost, bit_and, bit_and_cost, bit_not, bit_xor
from tercet.protocols.compare import carries_out, carry_out_cost, is_negative, is_negative_cost, tree_levels
from tercet.protocols.convert import (
    bit_to_words,
    bit_to_words_cost,
    bit_words,
    inject,
    inject_cost,
    split_bits_form,
)
from tercet.protocols.cost import Cost, Depths
from tercet.protocols.equality import is_zero, is_zero_cost
from tercet.protocols.message import Fields, Planes
from tercet.protocols.opening import open_bits
from tercet.protocols.pieces import cost_in_pieces, in_pieces, word_slice
from tercet.protocols.product import add_public, split_form
from tercet.protocols.scope import Body, Pair, ProtocolRole, Scope, Together
from tercet.ring import (
    RING64,
    Array,
    Bits,
    Flags,
    Ring,
    as_bits,
    bit_column,
    bytes_of,
    bytes_view,
    cleared,
    concatenate,
    to_planes,
    word_count,
    zero_bits,
)
from tercet.sharing import BitShare, Party, Purpose, Share

BATCH = 1 << 20
"""How many values are looked at together at most: what the error of folding is reckoned by."""
PIECE = 1 << 15
TAG_BYTES = 16
_MOST = 2 * TAG_BYTES * BATCH
_NONCE = bytes(12)

Part = Bits
"""A party's part of what has to be zero: the XOR of the three parties' parts is."""
Tag = tuple[bytes, bytes]
"""Both of a party's components of 128 shared bits."""


@dataclass(frozen=True, slots=True)
class RangeRun:
    """`count` values in a row that share one range of stored integers, both ends within."""

    count: int
    lo: int
    hi: int

    @property
    def width(self) -> int:
        """The range's, as what may be added to `lo`."""
        return self.hi - self.lo


def range_bits(ring: Ring, width: int) -> int:
    """By how many bits the values of a range with hi - lo = `width` are looked at, so that few kinds of ranges differ.

    The least up to 3, then multiples of 4, which is what a digit of the comparison has; at most all but the top bit.
    """
    least = max(1, width.bit_length())
    return least if least < 4 else min(-(-least // 4) * 4, ring.bits - 1)


def readings(ranges: Sequence[RangeRun], bits: int) -> int:
    """How many carries `out_of_range` compares a value by: one if all ranges have exactly 2^bits values, else two."""
    return 1 if all(run.width + 1 == 1 << bits for run in ranges) else 2


def out_of_range(scope: Scope, x: Share, ranges: Sequence[RangeRun], bits: int) -> Body[list[Part]]:
    """This party's parts of words and of packed bits that are all zero exactly if each x is in its range.

    Run by all three parties; x is flat, of any words whatsoever. `ranges` cover it in order, each hi - lo below 2^bits,
    with 1 <= bits < the ring's. Let x - lo = c + r, c known to A and B, r to D. The bits above `bits` are zero exactly
    if c >> bits is ~(r >> bits) plus 1 unless the low bits carry: D knows both candidates u and u + 1, and which it is
    is a shared bit, so c >> bits XOR (the chosen one) is one inner product of a bit of A and B with a word of D, whose
    terms are never added up but hashed by `fold`. Unless the range is full, bit `bits` of x - lo + 2^bits - 1 -
    (hi - lo), too, must be zero; its carry is read from the tables of the first.
    Rounds: 2 where `bits` is one digit of 4, else 4 to 7. With two readings for 64 bits: 26 bits a value and party at
    4, 35 at 8, 82 at 28, 163 at 60. Exact. Semi-honest, one corruption: D passes to B masked tables
    and masked words, the rest is `carries_out`; the owner of x may do as they like. Raises ValueError for other ranges.
    Source: own, from the truncation's carry (protocols page 4.6) and the leaf of the comparison (5.5).
    """
    ring, count = x.ring, x.size
    if not 0 < bits < ring.bits:
        raise ValueError(f"{bits} bits of {ring.bits} are not what ranges are looked at by")
    if sum(run.count for run in ranges) != count:
        raise ValueError(f"ranges of {sum(run.count for run in ranges)} values for {count}")
    if not all(0 <= run.width < 1 << bits for run in ranges):
        raise ValueError(f"a range is not empty and has at most 2^{bits} values")
    low = _spread(ring, ranges, [run.lo for run in ranges])
    read = readings(ranges, bits)
    room = _spread(ring, ranges, [(1 << bits) - 1 - run.width for run in ranges]) if read == 2 else None
    upper = ring.zeros((count,))
    over = zero_bits(word_count(count))

    def piece(part: Scope, cut: slice) -> Body[None]:
        value = split_form(part, x[cut]).value
        size = value.size
        if part.in_pair:
            value = ring.sub(value, low[cut])
        planes = [to_planes(value, bits + 1)]
        if room is not None and part.in_pair:
            planes.append(to_planes(ring.add(value, room[cut]), bits + 1))
        carry = yield from carries_out(part, planes, bits, size, read)
        words = word_count(size)
        upper[cut] = yield from _upper(part, ring, value, BitShare(size, carry.own[:words], carry.next[:words]), bits)
        if room is not None:
            # that D's plane is of r and theirs of c + room: their sum's bit, but for the carry; B's part is the carry
            mine = carry.own[words:]
            if part.role is not ProtocolRole.B:
                mine = mine ^ planes[-1][bits]
            over[word_slice(cut)] = cleared(mine, size)

    yield from in_pieces(scope, count, PIECE, piece)
    return [as_bits(upper), over]


def _upper(scope: Scope, ring: Ring, value: Array, carry: BitShare, bits: int) -> Body[Array]:
    """This party's part of (c >> bits) XOR (~(r >> bits) + 1 - carry), modulo what is left of the ring."""
    size, width = value.size, ring.bits - bits
    step, layout = scope.step("upper"), Fields(width, size, ring)
    half = split_bits_form(scope, carry)
    one = ring.public((1,))
    if scope.role is ProtocolRole.D:
        first = ring.shr(ring.sub(ring.neg(value), one), bits)
        other = ring.low(ring.add(first, one), width)
        differing = ring.xor(first, other)
        mask = step.draw(Pair.AD, layout, Purpose.TERM)
        step.deal(ProtocolRole.B, (layout, ring.xor(differing, mask)))
        return ring.xor(first, ring.mul(differing, bit_words(ring, half, size)))
    # the second candidate where there is no carry
    chosen = bit_words(ring, ~half, size)
    if scope.role is ProtocolRole.B:
        given = yield step.receive(ProtocolRole.D, layout)
        return ring.mul(given, chosen)
    mask = step.draw(Pair.AD, layout, Purpose.TERM)
    return ring.xor(ring.shr(value, bits), ring.mul(mask, chosen))


def _spread(ring: Ring, ranges: Sequence[RangeRun], values: Sequence[int]) -> Array:
    """For every value the number that belongs to its range."""
    return ring.repeated(values, [run.count for run in ranges])


def out_of_range_cost(ring: Ring, count: int, ranges: Sequence[RangeRun], bits: int) -> Cost:
    """Of `out_of_range`."""
    read = readings(ranges, bits)
    depths = Depths()
    depths.cross()
    depths.ring(tree_levels(bits))
    depths.deal()

    def piece(size: int) -> Cost:
        upper = Fields(ring.bits - bits, size, ring).nbytes
        return Cost(depths.rounds, carry_out_cost(bits, size, readings=read).total_bytes + upper)

    return cost_in_pieces(count, PIECE, piece)


def not_canonical(scope: Scope, x: Share, valid: BitShare, ranges: Sequence[RangeRun], bits: int) -> Body[list[Part]]:
    """This party's part of bits, for each x whether it is missing (`valid` is 0) and not the lo of its range.

    Run by all three parties; x is flat, in `ranges` as for `out_of_range`, which is asked beside it: so x - lo is zero
    if its low `bits` are. Rounds and bytes: `is_zero` of so many bits, and one AND. Exact.
    Semi-honest, one corruption, as `is_zero` and `bit_and`; the owner of x and `valid` may do as they like.
    """
    ring, count = x.ring, x.size
    above = add_public(scope, x, _spread(ring, ranges, [-run.lo for run in ranges]))
    same = yield from is_zero(scope, above, bits)
    missing = bit_not(scope, BitShare(count, valid.own, valid.next))
    return _own(count, (yield from bit_and(scope, missing, bit_not(scope, same))))


def not_false(scope: Scope, x: BitShare, valid: BitShare) -> Body[list[Part]]:
    """As `not_canonical`, for bits, of which missing ones are stored as 0. One round, one bit a party. Exact."""
    return _own(x.count, (yield from bit_and(scope, x, bit_not(scope, valid))))


def _own(count: int, bits: BitShare) -> list[Part]:
    return [cleared(bits.own, count)]


def not_canonical_cost(count: int, bits: int) -> Cost:
    """Of `not_canonical`."""
    return is_zero_cost(count, bits) + bit_and_cost((), count)


def fold(scope: Scope, parts: Sequence[Part]) -> Body[Tag]:
    """128 shared bits that are zero if the three parties' parts add up to zero; otherwise with less than 2^-106.

    `parts` have the same sizes at all three, below 2^25 bytes together. Each party hashes its own by GHASH (NIST SP
    800-38D) under a key that is a coin of all three parties: a polynomial over GF(2^128) in a point that the key gives,
    linear in what is hashed, so that the hashes add up to the hash of the sum, and a nonzero polynomial of that degree
    has few zeros. They become a replicated sharing by one message of 16 bytes a party, masked by a fresh sharing of
    zero: one round. The owner must not know the key when they choose the words: they never do.
    Raises ValueError for more bytes. Semi-honest, one corruption. Source: Carter and Wegman (universal hashing), McGrew
    and Viega (GHASH); own use, see docs/security/range-checks.md.
    """
    size = sum(part.nbytes for part in parts)
    if size > _MOST:
        raise ValueError(f"{size} bytes are folded at once, at most {_MOST} may be")
    step = scope.step("fold")
    key = AESGCM(step.coin(RING64, (2,)).tobytes())
    mine = _hash(key, concatenate([part.reshape(-1) for part in parts])) ^ step.zero_bits((2,))
    if scope.party is Party.P1:
        # what the cipher and the length add is the same for all three, and once for zeros: four times, so not at all
        mine ^= _hash(key, zero_bits(size // 8))
    theirs = yield step.reshare(Planes((), 8 * TAG_BYTES), mine)
    return mine.tobytes(), theirs.tobytes()


def fold_cost() -> Cost:
    """Of `fold`."""
    return Cost(1, 3 * TAG_BYTES)


def _hash(key: AESGCM, words: Part) -> Part:
    return as_bits(bytes_of(key.encrypt(_NONCE, b"", bytes_view(words).data))).copy()


def tag_rows(own: bytes, following: bytes) -> BitShare:
    """Both components of a tag as rows of one bit each."""
    return BitShare(1, bit_column(own), bit_column(following))


def all_zero(scope: Scope, bits: BitShare) -> Body[Flags]:
    """Whether all rows are zero, for each column, in the plain, to all three parties: an array of bools.

    A tree of ANDs over the complements, then the one bit that is left is opened: ceil(log2 rows) + 1 rounds, and for
    128 rows of one bit 127 bytes a party in the tree and 2 in the opening. Exact. Semi-honest, one corruption: the
    tree is `bit_and`; what is opened is a fresh sharing, so that the message says the bit and nothing else. Both
    holders of the component that a party lacks send it: raises ProtocolViolation if they differ.
    """
    return (yield from open_bits(scope, (yield from and_rows(scope, bit_not(scope, bits)))))


def all_zero_cost(lead: int, count: int = 1) -> Cost:
    return and_rows_cost(lead, count) + Cost(1, 6 * Planes((), count).nbytes)


def clip(scope: Scope, x: Share, lo: int, hi: int) -> Body[Share]:
    """lo where x < lo, hi where x > hi, else x, for a flat sharing. Run by all three parties.

    Words are compared at the full width of their ring, so that the result lies in [lo, hi] for *every* word, whatever
    anybody claims of it. With v = x - lo and W = hi - lo: x is inside if neither v nor W - v is negative (v in
    [0, 2^(w-1)) leaves no overflow), above if only the second is. Two comparisons side by side, one AND, one injection
    beside one bit made a number. Exact. Semi-honest, one corruption: nothing but the protocols named runs, and local
    sums. Source: own.
    """
    ring = x.ring
    v = _plus(scope, x, -lo)
    rest = _plus(scope, Share(ring, ring.neg(v.own), ring.neg(v.next)), hi - lo)
    parts = scope.fork(2)
    below, above = yield Together([is_negative(parts[0], v, ring.bits), is_negative(parts[1], rest, ring.bits)])
    scope.join(parts)
    not_below = bit_not(scope, below)
    inside = yield from bit_and(scope, not_below, bit_not(scope, above))
    # other solo parties than before, so that rounds are alike whether arrays are cut or not
    parts = scope.fork(4, rotate=True)[::2]
    kept, beyond = yield Together(
        [inject(parts[0], inside, v), bit_to_words(parts[1], bit_xor(not_below, inside), ring)]
    )
    scope.join(parts)

    summed = (
        ring.add(one, ring.scale(other, hi - lo)) for one, other in ((kept.own, beyond.own), (kept.next, beyond.next))
    )
    return _plus(scope, Share(ring, *summed), lo)


def clip_cost(ring: Ring, count: int) -> Cost:
    """Of `clip`."""
    once = is_negative_cost(count, ring.bits)
    last = inject_cost(ring, count).beside(bit_to_words_cost(ring, count))
    return once.beside(once) + bit_and_cost((), count) + last


def _plus(scope: Scope, x: Share, public: int) -> Share:
    return add_public(scope, x, x.ring.constant(public, x.shape))
