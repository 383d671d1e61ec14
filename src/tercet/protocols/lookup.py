"""Entries of a public table at shared places: a place is two digits, and a table of bits is a bilinear form of their
one-hot vectors, of which nothing but its value is sent.

Source: own, of replicated ANDs; one-hot vectors as products of two halves (docs/design/ordering.md).
"""

from __future__ import annotations

from dataclasses import dataclass

from tercet.protocols.adder import digit_sums, digit_sums_cost
from tercet.protocols.bit_sums import BitSum, bit_sums, bit_sums_cost
from tercet.protocols.bits import bit_and, bit_and_cost, bit_not, bit_xor, rows
from tercet.protocols.cost import Cost, Depths
from tercet.protocols.message import Planes
from tercet.protocols.pieces import cost_in_pieces, in_pieces
from tercet.protocols.product import split_form
from tercet.protocols.scope import Body, Scope
from tercet.ring import (
    Array,
    Bits,
    Ring,
    concatenate,
    contiguous,
    stack,
    table_product,
    to_planes,
    word_count,
    xor_reduce,
)
from tercet.sharing import BitShare, Share

PIECE = 1 << 15
_LEAST_DIGIT = 2


@dataclass(frozen=True)
class TableShape:
    """A public table of `entries` lines of `columns` ring words, which are from `low` on and less than 2^width more."""

    ring: Ring
    entries: int
    columns: int
    low: int
    width: int

    @property
    def digit(self) -> int:
        """Of how many bits either digit of a place is."""
        return max(_LEAST_DIGIT, ((self.entries - 1).bit_length() + 1) // 2)

    @property
    def groups(self) -> int:
        """How many values of the upper digit the table has entries for."""
        return -(-self.entries >> self.digit)


def table_bits(s: TableShape, words: Array) -> Bits:
    """(columns * width, words): the bits of a table, (entries, columns); what it has no entries for is 0."""
    padded = s.ring.zeros(s.columns * (s.groups << s.digit)).reshape((s.columns, -1))
    padded[:, : s.entries] = s.ring.sub(words, s.ring.from_ints([[s.low]])).T
    return concatenate([to_planes(column, s.width) for column in padded])


def lookup(scope: Scope, x: Share, s: TableShape, table: Bits) -> Body[Share]:
    """(columns, n): the table's lines at the places x, of which the bits of two digits count. Run by all three parties.

    `table` is that of `table_bits`; what stands behind its last entry is `low`. x is flat, its places are not negative.
    For digits of k bits 3.3 * 2 k bits for the places, 2 * 2^k for one-hot vectors, and for each column its width w and
    about (64 w - w^2 / 2 + 128) / 3 (of the ring 2^64): a table of 2^16 entries of 16 bits takes 900, of 256 entries of
    8 bits 253, in 11 and 8 rounds. Exact. Semi-honest, one corruption: digits, ANDs and sums of bits, whose views are
    simulated one after the other; the product with the table is a replicated AND, summed before it is sent.
    """
    out = Share.empty(s.ring, (s.columns, x.size))

    def piece(part: Scope, cut: slice) -> Body[None]:
        found = yield from _piece(part, x[cut], s, table)
        out.own[:, cut], out.next[:, cut] = found.own, found.next

    yield from in_pieces(scope, x.size, PIECE, piece)
    return out


def _piece(scope: Scope, x: Share, s: TableShape, table: Bits) -> Body[Share]:
    count, words = x.size, word_count(x.size)
    places = yield from digit_sums(scope, split_form(scope, x), 2 * s.digit)
    digits = BitShare(
        count, *(part.reshape(2, s.digit, words).transpose(1, 0, 2) for part in (places.own, places.next))
    )
    hot = yield from one_hot(scope, digits)
    chosen = yield from table_rows(scope, hot[: s.groups, 1], hot[:, 0], table)
    # columns stand one behind the other in the lines of bits whose sums they are
    parts = [part.reshape(s.columns, s.width, words) for part in (chosen.own, chosen.next)]
    joined = [part.transpose(1, 0, 2).reshape(s.width, -1) for part in parts]
    (found,) = yield from bit_sums(scope, s.ring, BitShare(_joined(s, count), *joined), [_sum(s)])
    return Share(s.ring, *(part.reshape(s.columns, -1)[:, :count] for part in (found.own, found.next)))


def _joined(s: TableShape, count: int) -> int:
    """How many bits a line of all columns has: of several, each takes whole words."""
    return count if s.columns == 1 else s.columns * 64 * word_count(count)


def _sum(s: TableShape) -> BitSum:
    return s.low, [1 << bit for bit in range(s.width)]


def lookup_cost(count: int, s: TableShape) -> Cost:
    """Of `lookup`, exact."""

    def piece(size: int) -> Cost:
        chosen = Cost(1, 3 * Planes((s.columns * s.width,), size).nbytes)
        summed = bit_sums_cost(s.ring, _joined(s, size), [_sum(s)])
        before = digit_sums_cost(size, 2 * s.digit) + one_hot_cost(s.digit, 2, size) + chosen
        depths = Depths()
        depths.cross()  # the digits' tables
        depths.ring(before.rounds - depths.rounds)
        depths.cross()
        return Cost(depths.rounds, before.total_bytes + summed.total_bytes)

    return cost_in_pieces(count, PIECE, piece)


def table_rows(scope: Scope, high: BitShare, low: BitShare, table: Bits) -> Body[BitShare]:
    """(rows, words): row r is the XOR of high_i AND low_j over all i, j where bit i * (rows of low) + j of the public
    table's row r is set. Run by all three parties.

    One round, one bit a party and bit of the result, however many products it sums. Exact. Security as `bit_and`.
    """
    step = scope.step("table")
    upper, lower = ((contiguous(bits.own), contiguous(bits.next)) for bits in (high, low))
    mine = table_product(upper, lower, table, scope.threads)
    mine ^= step.zero_bits(mine.shape)
    theirs = yield step.product_around(Planes((table.shape[0],), high.count), mine)
    return BitShare(high.count, mine, theirs)


def one_hot(scope: Scope, bits: BitShare) -> Body[BitShare]:
    """(2^k, ..., words): the one-hot vectors over all values of integers, by their bits (k, ..., words), lowest first.

    Run by all three parties. A vector is the product of those of two halves, less its first row and column, which
    follow from the others: 2^k - k - 1 ANDs in about log2 k rounds. Exact. Security as `bit_and`.
    """
    count, k = bits.count, bits.own.shape[0]
    if k == 1:
        return rows(bit_not(scope, bits), bits)
    half = k // 2
    if k % 2:
        low = yield from one_hot(scope, bits[:half])
        high = yield from one_hot(scope, bits[half:])
    else:
        pair = BitShare(count, *(stack([part[:half], part[half:]], axis=1) for part in (bits.own, bits.next)))
        both = yield from one_hot(scope, pair)
        low, high = both[:, 0], both[:, 1]
    inner = yield from bit_and(scope, high[1:, None], low[None, 1:])
    left = bit_xor(high[1:], BitShare(count, *(xor_reduce(part, axis=1) for part in (inner.own, inner.next))))
    first = bit_xor(low[1:], BitShare(count, *(xor_reduce(part, axis=0) for part in (inner.own, inner.next))))
    corner = bit_xor(high[0], BitShare(count, *(xor_reduce(part, axis=0) for part in (first.own, first.next))))

    def whole(corner: Bits, first: Bits, left: Bits, inner: Bits) -> Bits:
        below = concatenate([left[:, None], inner], axis=1)
        return concatenate([concatenate([corner[None], first])[None], below]).reshape(1 << k, *corner.shape)

    parts = (corner, first, left, inner)
    return BitShare(count, whole(*(part.own for part in parts)), whole(*(part.next for part in parts)))


def one_hot_cost(k: int, lines: int, count: int) -> Cost:
    """Of `one_hot` of `lines` lines of integers of k bits."""
    if k == 1:
        return Cost()
    half = k // 2
    product = bit_and_cost((((1 << half) - 1) * ((1 << k - half) - 1) * lines,), count)
    if k % 2:
        return one_hot_cost(half, lines, count) + one_hot_cost(k - half, lines, count) + product
    return one_hot_cost(half, 2 * lines, count) + product
