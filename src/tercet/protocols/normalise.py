"""The power of two that brings a positive number to the top of its range (protocols page §6.1).

The number is never turned into bits. Base-16 digits of c + r give, beside their carries, the answers to "is the digit
at least 1, 2, 4, 8" (`adder`); a prefix AND over the digits finds the highest one that is not zero; its answers are
selected by one inner product. Writing e = 4 g + t for the place of the leading one, 2^(4 g) and its complement are sums
of shared bits with public coefficients, and 2^t and its complement are three bits times that.

Semi-honest, one corruption: every exchange is a table leaf, `bit_and` or `cross_terms`.
Source: own; after Catrina and Saxena (FC 2010), who do it on bits.
"""

from __future__ import annotations

from functools import cached_property, lru_cache
from typing import Any

from tercet.protocols.adder import (
    CARRY,
    DIGIT_BITS,
    PASS,
    Function,
    carries,
    carries_cost,
    digit_count,
    digit_functions,
    digit_functions_cost,
    function,
)
from tercet.protocols.bit_sums import bit_sums, bit_sums_cost
from tercet.protocols.bits import (
    bit_and,
    bit_and_cost,
    bit_not,
    bit_xor,
    prefix_and,
    prefix_and_cost,
    prefix_levels,
    rows,
    select_rows,
)
from tercet.protocols.convert import inject_piece, inject_piece_cost
from tercet.protocols.cost import Cost, Depths
from tercet.protocols.message import Planes
from tercet.protocols.pieces import cost_in_pieces, cut_from, in_pieces
from tercet.protocols.product import split_form
from tercet.protocols.scope import Body, Scope, Together
from tercet.ring import Ring, stack, to_planes, zero_bits
from tercet.sharing import BitShare, Party, Share

PIECE = 1 << 15


def normalise(scope: Scope, x: Share, bits: int, *, even: bool = False) -> Body[tuple[Share, Share]]:
    """(v, u) for 0 <= x < 2^bits. Run by all three parties; x is flat, 1 <= bits <= the ring's.

    With e the place of the leading one of x (0 if x = 0): v = 2^(bits - 1 - e) and u = 2^e, so that x v lies in
    [2^(bits-1), 2^bits) and v u = 2^(bits-1). With `even`, which takes an even number of bits:
    v = 2^floor((bits - 1 - e) / 2), x v^2 lies in [2^(bits-2), 2^bits), and v u = 2^(bits/2). x = 0 gives what x = 1
    gives. Exact. Security and source: the module.
    """
    v, u = yield from _normalise(scope, x, bits, even, True)
    assert u is not None
    return v, u


def leading_factor(scope: Scope, x: Share, bits: int, *, even: bool = False) -> Body[Share]:
    """Only v of `normalise`, for about two thirds of the bytes."""
    v, _ = yield from _normalise(scope, x, bits, even, False)
    return v


def _normalise(scope: Scope, x: Share, bits: int, even: bool, both: bool) -> Body[tuple[Share, Share | None]]:
    if even and bits % 2:
        raise ValueError(f"an even number of bits is needed, not {bits}")
    digits = leading_digits(bits, even)
    if 0 < x.size < cut_from(PIECE, scope.balance):
        one = yield from _piece(scope, x, digits, both)
        return one[0], one[1] if both else None
    v = Share.empty(x.ring, (x.size,))
    u = Share.empty(x.ring, (x.size,)) if both else None

    def piece(part: Scope, cut: slice) -> Body[None]:
        results = yield from _piece(part, x[cut], digits, both)
        for out, result in zip((v, u), results, strict=False):
            assert out is not None
            out.own[cut], out.next[cut] = result.own, result.next

    yield from in_pieces(scope, x.size, PIECE, piece)
    return v, u


class LeadingDigits:
    """The public numbers of one call.

    `digits` = m; the top one holds only 4 - `gap` bits. Per digit step the factor changes by 2^4, by 2^2 if `even`.
    Within the digit, with T_j = [digit >= 2^j] of the leading digit, the low part of u is 1 + sum weights_j T_j and
    that of v 1 + sum weights'_j (1 - T'_j), where in the top digit T'_j is T_(j - gap), or 1 where j <= gap.
    """

    def __init__(self, bits: int, even: bool, *, zero: bool = False) -> None:
        self.bits = bits
        self.even = even
        self.digits = digit_count(bits)
        self.gap = self.digits * DIGIT_BITS - bits
        self.thresholds = [2] if even else [0, 1, 2, 3] if zero else [1, 2, 3]
        """Of these j the answers T_j are wanted; that of 0, whether x is not 0, has no part in the weights."""

    def weights(self, upward: bool) -> list[int]:
        """2^t = 1 + T_1 + 2 T_2 + 4 T_3, and 2^(3-t) = 1 + (1 - T_3) + 2 (1 - T_2) + 4 (1 - T_1)."""
        if self.even:
            return [1]
        return [1, 2, 4] if upward else [4, 2, 1]

    def coefficients(self, upward: bool) -> tuple[int, list[int]]:
        """Of the high part as constant + sum over digits g = 1 .. m-1 of coefficient * z_g; z_g: g and all above are 0.

        The high part is a power of two that depends on the leading digit: it starts with its value for the top digit
        and adds what each step down changes.
        """
        exponents = [self._exponent(digit, upward) for digit in range(self.digits)]
        powers = [1 << exponent for exponent in exponents]
        return powers[-1], [powers[digit - 1] - powers[digit] for digit in range(1, self.digits)]

    def _exponent(self, digit: int, upward: bool) -> int:
        below = self.digits - 1 - digit
        if self.even:
            return 2 * digit + 1 if upward else max(0, 2 * below - self.gap // 2)
        return 4 * digit if upward else max(0, 4 * below - self.gap)

    @property
    def split_selection(self) -> bool:
        return self.gap > 0

    @cached_property
    def functions(self) -> list[tuple[Function, range]]:
        """What is read from the tables: of every digit but the lowest [s >= 1] and whether it passes a carry on, of
        every one [s >= 4], [s >= 8] ..., and [s = 2^j - 1], which tells where a carry changes an answer.
        """
        every, upper = range(self.digits), range(1, self.digits)
        wanted = [(function(list(range(1 << j, 16))), every) for j in self.thresholds]
        if self.digits > 1:
            wanted += [(function([(1 << j) - 1]), upper) for j in self.thresholds]
            wanted += [(function(list(range(1, 16))), upper), (PASS, upper), (CARRY, range(self.digits - 1))]
        return wanted


@lru_cache(maxsize=64)
def leading_digits(bits: int, even: bool, zero: bool = False) -> LeadingDigits:
    """The public numbers of a call, made once."""
    return LeadingDigits(bits, even, zero=zero)


def _piece(scope: Scope, x: Share, shape: LeadingDigits, both: bool) -> Body[list[Share]]:
    ring, count = x.ring, x.size
    directions = [False, True] if both else [False]
    answers, zeros = yield from digit_answers(scope, x, shape)
    selecting, *summing = scope.fork(1 + len(directions))
    bodies: list[Body[Any]] = [select_answers(selecting, answers, zeros, shape, both)]
    if zeros is not None:
        bodies += [
            bit_sums(part, ring, zeros, [shape.coefficients(upward)])
            for part, upward in zip(summing, directions, strict=True)
        ]
    chosen, *high = yield Together(bodies)
    scope.join([selecting, *summing])
    injecting = scope.fork(len(directions))
    bodies = []
    for part, upward in zip(injecting, directions, strict=True):
        if zeros is None:
            start = _constant(part, ring, count, shape.coefficients(upward)[0])
        else:
            (start,) = high[directions.index(upward)]
        selected = chosen[upward]
        weights = shape.weights(upward)
        bits = [(selected[j] if upward else bit_not(part, selected[j]), w) for j, w in enumerate(weights)]
        bodies.append(_scaled(part, start, bits))
    results = yield Together(bodies)
    scope.join(injecting)
    return list(results)


def _constant(scope: Scope, ring: Ring, count: int, value: int) -> Share:
    words, none = ring.constant(value, (count,)).copy(), ring.zeros(count)
    own = words if scope.party is Party.P1 else none
    return Share(ring, own, words if scope.party.next is Party.P1 else none)


def _scaled(scope: Scope, x: Share, weighted: list[tuple[BitShare, int]]) -> Body[Share]:
    """x (1 + sum of weight * bit)."""
    more = yield from inject_piece(scope, weighted, x)
    return Share(x.ring, x.ring.add(x.own, more.own), x.ring.add(x.next, more.next))


def digit_answers(scope: Scope, x: Share, shape: LeadingDigits) -> Body[tuple[BitShare, BitShare | None]]:
    """Planes (thresholds, digits) of [digit >= 2^j], and for m > 1 (m - 1,) of "digit g and all above are zero"."""
    half = split_form(scope, x)
    planes = to_planes(half.value, shape.digits * DIGIT_BITS)
    count, number = x.size, len(shape.thresholds)
    outputs, _ = yield from digit_functions(scope, planes, count, shape.functions)
    own = stack([part.own for part in outputs[:number]])
    following = stack([part.next for part in outputs[:number]])
    if shape.digits == 1:
        return BitShare(count, own, following), None
    edges, nonzero, passes, made = outputs[number : 2 * number], *outputs[2 * number :]
    carry = yield from carries(scope, made, passes[:-1])
    # [s + 1 >= 2^j] differs from [s >= 2^j] at s = 2^j - 1 and at s = 15; at j = 0 the first of these is "s is zero".
    first = bit_xor(bit_not(scope, nonzero), passes)
    changes = BitShare(
        count,
        stack([first.own, *(edge.own ^ passes.own for edge in edges)]),
        stack([first.next, *(edge.next ^ passes.next for edge in edges)]),
    )
    changed = yield from bit_and(scope, changes, carry)
    own[:, 1:] ^= changed.own[1:]
    following[:, 1:] ^= changed.next[1:]
    zero = bit_not(scope, bit_xor(nonzero, changed[0]))
    from_top = yield from prefix_and(scope, zero[::-1])
    return BitShare(count, own, following), from_top[::-1]


def select_answers(
    scope: Scope, answers: BitShare, zeros: BitShare | None, shape: LeadingDigits, both: bool
) -> Body[dict[bool, BitShare]]:
    """The answers of the leading digit: {False: T' for v, True: T for u}."""
    count = answers.count
    downward = _shifted_top(scope, answers, shape) if shape.split_selection else answers
    tables = [downward, answers] if both and shape.split_selection else [downward]
    if zeros is None:
        picked = [table[:, 0] for table in tables]
    else:
        # Digit g leads if all above are zero and it is not; digit 0 also if everything is zero.
        above = bit_not(scope, BitShare(count, *(zero_bits(zeros.own[:1].shape) for _ in range(2))))
        reaches = rows(zeros, above)
        leads = rows(zeros[:1], bit_xor(reaches[:-1], reaches[1:]))
        result = yield from select_rows(scope, leads, rows(*tables))
        size = len(shape.thresholds)
        picked = [result[k * size : (k + 1) * size] for k in range(len(tables))]
    return {False: picked[0], True: picked[-1]}


def _shifted_top(scope: Scope, answers: BitShare, shape: LeadingDigits) -> BitShare:
    """The answers with those of the top digit as if it were shifted up by `gap` bits."""
    own, following = answers.own.copy(), answers.next.copy()
    top = zero_bits(own[0, -1].shape)
    ones = ~top
    mine = ones if scope.party is Party.P1 else top
    theirs = ones if scope.party.next is Party.P1 else top
    for row, j in enumerate(shape.thresholds):
        if j > shape.gap and j - shape.gap in shape.thresholds:
            source = shape.thresholds.index(j - shape.gap)
            own[row, -1], following[row, -1] = answers.own[source, -1], answers.next[source, -1]
        else:
            own[row, -1], following[row, -1] = mine, theirs
    return BitShare(answers.count, own, following)


def _cost(ring: Ring, count: int, bits: int, even: bool, both: bool) -> Cost:
    shape = leading_digits(bits, even)
    directions = [False, True] if both else [False]
    number, digits = len(shape.thresholds), shape.digits
    depths = Depths()
    depths.cross()
    if digits > 1:
        depths.ring(len(prefix_levels(digits - 1)) + 1 + len(prefix_levels(digits - 1)))
        summed = depths.copy()
        summed.cross()
        depths.ring()
        depths.join(summed)
    depths.cross()

    def piece(size: int) -> int:
        total = digit_functions_cost(digits, size, shape.functions)
        if digits > 1:
            total = total + carries_cost(digits - 1, size) + bit_and_cost((number + 1, digits - 1), size)
            total = total + prefix_and_cost(digits - 1, size)
            tables = 2 if both and shape.split_selection else 1
            total = total + Cost(1, 3 * Planes((tables * number,), size).nbytes)
            for upward in directions:
                total = total + bit_sums_cost(ring, size, [shape.coefficients(upward)])
        for _ in directions:
            total = total + inject_piece_cost(ring, size, number)
        return total.total_bytes

    return cost_in_pieces(count, PIECE, lambda size: Cost(depths.rounds, piece(size)))


def normalise_cost(ring: Ring, count: int, bits: int, *, even: bool = False) -> Cost:
    return _cost(ring, count, bits, even, True)


def leading_factor_cost(ring: Ring, count: int, bits: int, *, even: bool = False) -> Cost:
    return _cost(ring, count, bits, even, False)
