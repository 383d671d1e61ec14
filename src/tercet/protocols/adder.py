"""The addition c + r in base 16 on bit planes: c known to A and B, r to D, the digits' sums read from dealt tables.

For each digit D shares the one-hot vector over j of [j + r = 15]. Turned by c, entry s of it says "the digits add up to
s modulo 16", so that every function of the sum is an XOR of entries: A and B hold XOR-shares of it without a message,
and one bit each way makes a replicated sharing of it. What a carry from below changes is applied afterwards: for every
function F of the digit, F(s + carry) = F(s) XOR carry AND (F(s) XOR F(s + 1)).

The tables themselves are replicated sharings (A and D know one part, B and D the other, the third is 0), so linear
functions of r alone, such as its lowest bit, cost nothing.

Semi-honest, one corruption: as the leaf of `compare`, of which this is an extension (protocols page §5.4).
"""

from __future__ import annotations

from functools import lru_cache

from tercet.protocols.bits import before, bit_and, bit_and_cost, prefix_levels
from tercet.protocols.compare import held
from tercet.protocols.cost import Cost
from tercet.protocols.message import Planes
from tercet.protocols.product import Split
from tercet.protocols.scope import Body, Pair, ProtocolRole, Scope
from tercet.ring import (
    Array,
    Bits,
    complement,
    concatenate,
    empty_bits,
    index_array,
    leaf_deal,
    leaf_eval,
    stack,
    to_planes,
    xor_reduce,
)
from tercet.sharing import BitShare, Purpose

DIGIT_BITS = 4
BASE = 16

Function = tuple[int, int]
"""A function of the sum s modulo 16 as the XOR of entries: the set of s, a bit mask, and 1 if it is complemented."""

CARRY = (-1, 0)
PASS = (1 << 15, 0)


def function(values: list[int]) -> Function:
    """The function that is 1 on these s; complemented where that takes fewer entries (all entries add up to 1)."""
    mask = sum(1 << value for value in values)
    return ((1 << BASE) - 1 - mask, 1) if len(values) > BASE // 2 else (mask, 0)


def digit_count(bits: int) -> int:
    return -(-bits // DIGIT_BITS)


def turned(c: Bits, share: Bits, last_ones: bool) -> Bits:
    """(digits, 16, words) from the tables (digits, 15, words): entry s is the share of [sum = s modulo 16]."""
    digits, _, words = share.shape
    table = empty_bits((digits, BASE, words))  # entry 15 - j
    table[:, :0:-1] = share
    xor_reduce(share, axis=1, out=table[:, 0])
    if last_ones:
        complement(table[:, 0])
    for bit in range(DIGIT_BITS):
        step = 1 << bit
        chosen = c[:, bit, None]
        moved = concatenate([table[:, -step:], table[:, :-step]], axis=1)
        moved ^= table
        moved &= chosen
        table ^= moved
    return table


def digit_functions(
    scope: Scope, planes: Bits, count: int, wanted: list[tuple[Function, range]]
) -> Body[tuple[list[BitShare], BitShare]]:
    """For each (function, digits) wanted a sharing (digits, words), and one of the lowest bit of c + r of each digit.

    `planes` (4 digits, words) are c's at A and B and r's at D. Two rounds. Run by all three parties.
    """
    words = planes.shape[-1]
    digits = planes.shape[0] // DIGIT_BITS
    values = planes.reshape(digits, DIGIT_BITS, words)
    step = scope.step("digits")
    tables = Planes((digits, BASE - 1), count)
    number = sum(len(which) for _, which in wanted)
    exchanged = Planes((number,), count)
    if scope.role is ProtocolRole.D:
        own = step.planes(Pair.AD, (digits, BASE - 1, words), Purpose.TABLE)
        sent = leaf_deal(values, own)
        step.deal(ProtocolRole.B, (tables, sent))
        u_ad = step.planes(Pair.AD, (number, words), Purpose.OUTPUT)
        u_bd = step.planes(Pair.BD, (number, words), Purpose.OUTPUT)
        low = BitShare(count, _low(sent), _low(own))
        return _cut(BitShare(count, u_bd, u_ad), wanted), low
    is_a = scope.role is ProtocolRole.A
    mask = step.planes(Pair.AD if is_a else Pair.BD, (number, words), Purpose.OUTPUT)
    if is_a:
        share = step.planes(Pair.AD, (digits, BASE - 1, words), Purpose.TABLE)
    else:
        share = yield step.receive(ProtocolRole.D, tables)
    mine = _read(values, share, wanted, number, not is_a)
    mine ^= mask
    other = ProtocolRole.B if is_a else ProtocolRole.A
    step.cross_term(other, exchanged, mine)
    theirs = yield step.receive(other, exchanged)
    both = theirs ^ mine
    result = BitShare(count, mask, both) if is_a else BitShare(count, both, mask)
    low_part = _low(share)
    low = held(scope, values[:, 0], low_part if is_a else None, None if is_a else low_part, count)
    return _cut(result, wanted), low


def digit_functions_cost(digits: int, count: int, wanted: list[tuple[Function, range]]) -> Cost:
    exchanged = Planes((sum(len(which) for _, which in wanted),), count)
    return Cost(2, Planes((digits, BASE - 1), count).nbytes + 2 * exchanged.nbytes)


def _low(share: Bits) -> Bits:
    """The share of r's lowest bit: r is even where the one-hot entry 15 - r is odd."""
    return xor_reduce(share[:, 0::2], axis=1)


def _read(values: Bits, share: Bits, wanted: list[tuple[Function, range]], number: int, last_ones: bool) -> Bits:
    passes, carries = leaf_eval(values, share, last_ones)
    # only carries are read of the digits below
    first = min((which.start for of, which in wanted if of not in (CARRY, PASS)), default=values.shape[0])
    table = turned(values[first:], share[first:], last_ones)
    out = empty_bits((number, values.shape[-1]))
    row = 0
    for (mask, flip), which in wanted:
        target = out[row : row + len(which)]
        span = slice(which.start, which.stop)
        if (mask, flip) in (CARRY, PASS):
            target[...] = (carries if mask == CARRY[0] else passes)[span]
        else:
            span = slice(which.start - first, which.stop - first)
            chosen = [s for s in range(BASE) if mask >> s & 1]
            target[...] = table[span, chosen[0]]
            for s in chosen[1:]:
                target ^= table[span, s]
            if flip and last_ones:
                complement(target)
        row += len(which)
    return out


def _cut(outputs: BitShare, wanted: list[tuple[Function, range]]) -> list[BitShare]:
    parts, row = [], 0
    for _, which in wanted:
        parts.append(outputs[row : row + len(which)])
        row += len(which)
    return parts


@lru_cache(maxsize=64)
def _carry_steps(digits: int, least: int) -> list[tuple[int, Array, Array, Array, Array]]:
    """Of each level of the network: how many items it has, these, those before them, and of the bits that say whether a
    carry passes the upper and the lower ones that are joined."""
    steps = []
    for level, items in enumerate(prefix_levels(digits, least)):
        others = [before(item, level) for item in items]
        # Blocks that reach down to digit 0 need no pass bit any more.
        inner = [(item, other) for item, other in zip(items, others, strict=True) if other >= 1 << level]
        upper = [item - 1 for item in items] + [item - 1 for item, _ in inner]
        lower = [other - 1 for _, other in inner]
        steps.append((len(items), index_array(items), index_array(others), index_array(upper), index_array(lower)))
    return steps


def carries(scope: Scope, generated: BitShare, passed: BitShare, least: int = 0) -> Body[BitShare]:
    """The carry out of each of digits `least` .., given those generated by digits 0 .. and those passed on by digits
    1 .. of which the rows before stand for nothing.

    ceil(log2 digits) rounds (Sklansky's network). Run by all three parties.
    """
    own, following = generated.own.copy(), generated.next.copy()
    count, digits = generated.count, own.shape[0]
    p_own, p_next = passed.own.copy(), passed.next.copy()
    for size, items, others, upper, lower in _carry_steps(digits, least):
        joined = yield from bit_and(
            scope,
            BitShare(count, p_own[upper], p_next[upper]),
            BitShare(
                count,
                concatenate([own[others], p_own[lower]]),
                concatenate([following[others], p_next[lower]]),
            ),
        )
        own[items] ^= joined.own[:size]
        following[items] ^= joined.next[:size]
        replaced = upper[size:]
        p_own[replaced], p_next[replaced] = joined.own[size:], joined.next[size:]
    return BitShare(count, own, following)


def carries_cost(digits: int, count: int, least: int = 0) -> Cost:
    total = Cost()
    for level, items in enumerate(prefix_levels(digits, least)):
        inner = sum(before(item, level) >= 1 << level for item in items)
        total = total + bit_and_cost((len(items) + inner,), count)
    return total


def _sum_functions(digits: int, first: int) -> list[tuple[Function, range]]:
    """What is read of the tables for the bits of digits `first` .."""
    every, upper = range(first, digits), range(max(first, 1), digits)
    wanted = [
        *((function([s for s in range(BASE) if s >> bit & 1]), every) for bit in (1, 2, 3)),
        (function([3, 7, 11, 15]), upper),
        (function([7, 15]), upper),
    ]
    if digits == 1:
        return wanted[:3]
    return [*wanted, (CARRY, range(digits - 1)), (PASS, range(1, digits - 1))]


def digit_sums(scope: Scope, x: Split, bits: int, start: int = 0) -> Body[BitShare]:
    """The `bits` low bits of c + r as planes (bits, words), without those below `start`. Run by all three parties.

    2 + ceil(log2(digits - 1)) + 1 rounds for digits = ceil(bits / 4) > 1.
    """
    count = x.value.size
    digits, first = digit_count(bits), start // DIGIT_BITS
    planes = to_planes(x.value, digits * DIGIT_BITS)
    outputs, low = yield from digit_functions(scope, planes, count, _sum_functions(digits, first))
    low = low[first:]
    own = stack([low.own, *(part.own for part in outputs[:3])], axis=1)
    following = stack([low.next, *(part.next for part in outputs[:3])], axis=1)
    if digits > 1:
        lowest = max(first, 1)  # into which a carry may come
        carry = yield from carries(scope, outputs[5], outputs[6], lowest - 1)
        carry, low = carry[lowest - 1 :], low[lowest - first :]
        # Bit t changes with a carry if all bits below it are 1.
        ones = BitShare(
            count,
            stack([low.own, outputs[3].own, outputs[4].own]),
            stack([low.next, outputs[3].next, outputs[4].next]),
        )
        changed = yield from bit_and(scope, ones, carry)
        own[lowest - first :, 0] ^= carry.own
        following[lowest - first :, 0] ^= carry.next
        own[lowest - first :, 1:] ^= changed.own.transpose(1, 0, 2)
        following[lowest - first :, 1:] ^= changed.next.transpose(1, 0, 2)
    words, span = own.shape[-1], slice(start - first * DIGIT_BITS, bits - first * DIGIT_BITS)
    return BitShare(count, own.reshape(-1, words)[span], following.reshape(-1, words)[span])


def digit_sums_cost(count: int, bits: int, start: int = 0) -> Cost:
    digits, first = digit_count(bits), start // DIGIT_BITS
    total = digit_functions_cost(digits, count, _sum_functions(digits, first))
    if digits > 1:
        lowest = max(first, 1)
        total = total + carries_cost(digits - 1, count, lowest - 1) + bit_and_cost((3, digits - lowest), count)
    return total
