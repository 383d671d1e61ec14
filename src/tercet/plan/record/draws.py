"""Random values that nobody knows, recorded from random bits and integers: uniform, normal and Bernoulli ones.

What is recorded once is one value in a plan, however often it is used; every plan that runs draws it anew.
"""

from __future__ import annotations

import math
from typing import TypeAlias

import numpy as np

from tercet.errors import PlanError
from tercet.plan.record.binades import half_normal
from tercet.plan.record.build import linear, multiply
from tercet.plan.record.functions import meant
from tercet.plan.record.graph import Graph, Recorded
from tercet.plan.record.logic import logical_and, logical_not, logical_xor
from tercet.plan.record.public import DEFAULT_FRAC_BITS
from tercet.plan.record.scale import least_ring, renamed
from tercet.plan.table.attributes import DrawnBits, DrawnIntegers, Rounding
from tercet.plan.types import smallest_ring

CHANCE_BITS = 32
"""Bits of a public probability."""
EVEN_BITS = 16
"""By so many bits a draw is finer than the number of values that it is brought to, where that is no power of two."""
TAIL_BITS = 30
"""Of a normal value's size: tails of probability 2^-30 together are cut off. More take the wide ring."""
MOST_NOMINAL = 44
"""The most fractional bits of the function that normal values are made by."""

_Step: TypeAlias = "tuple[Recorded | None, Recorded | None]"
"""What a bit does to a bool c, g + p c: where c is set by it (None: nowhere), and where it is kept (None: nowhere)."""


def random_bools(graph: Graph, shape: tuple[int, ...]) -> Recorded:
    """Uniform bools. No message."""
    return graph.node("draw_bits", (), DrawnBits(shape, graph.draw_number()))


def random_integers(graph: Graph, shape: tuple[int, ...], bits: int, ring_bits: int = 64) -> Recorded:
    """Uniform integers from 0 to 2^bits - 1."""
    return graph.node("draw_integers", (), DrawnIntegers(shape, graph.draw_number(), bits, ring_bits))


def uniform(graph: Graph, shape: tuple[int, ...], low: int, high: int, frac_bits: int) -> Recorded:
    """Stored integers from low to high - 1, which are at least two. Of W = 2^k of them each is as likely.

    Else they are low + floor(u W / 2^k) for a uniform u of k = EVEN_BITS bits more than W has: each has a probability
    of floor(2^k / W) or one more in 2^k, within a relative 2^-16 of 1 / W.
    """
    width = high - low
    exact = not width & (width - 1)
    bits = width.bit_length() - 1 if exact else width.bit_length() + EVEN_BITS
    ring_bits = smallest_ring(0, (1 << bits) if exact else width << bits)
    if ring_bits is None:
        raise PlanError(
            f"{width:,} values to draw from are too many: a draw of {bits} bits times their number outgrows 2^126",
            hint="take a smaller range or fewer frac_bits",
        )
    found = random_integers(graph, shape, bits, ring_bits)
    if not exact:
        product = multiply(found, np.asarray(width, dtype=object))
        found = graph.node("round", (renamed(product, bits, 0),), Rounding(bits))
    found = linear("add", found, np.asarray(low, dtype=object))
    return least_ring(renamed(found, frac_bits, frac_bits) if frac_bits else found)


def below(graph: Graph, shape: tuple[int, ...], chance: int) -> Recorded:
    """Bools that are set with a probability of chance / 2^CHANCE_BITS, each by itself; 0 < chance < 2^CHANCE_BITS.

    Whether a uniform number is below the public one: from the last bit of it that is set, c = d with a random bit d;
    for each bit above it c or d where it is set, else c and d. Two such steps are one again, by two ANDs, so the rounds
    are the logarithm of the bits that count, and there are fewer than twice as many ANDs.
    """
    steps: list[_Step] = []
    for place in range(CHANCE_BITS):
        is_set = bool(chance >> place & 1)
        if steps or is_set:  # behind the last bit that is set nothing is decided
            drawn = random_bools(graph, shape)
            last = None if not steps else logical_not(drawn) if is_set else drawn
            steps.append((drawn if is_set else None, last))
    while len(steps) > 1:
        odd = steps[len(steps) // 2 * 2 :]
        steps = [_after(first, then) for first, then in zip(steps[::2], steps[1::2], strict=False)] + odd
    found = steps[0][0]
    assert found is not None
    return found


def _after(first: _Step, then: _Step) -> _Step:
    """Two steps as one: g' + p' (g + p c). Where p is set g is not, so that their sum is an OR."""
    (set_first, kept_first), (set_then, kept_then) = first, then
    assert kept_then is not None
    found = set_then
    if set_first is not None:
        carried = logical_and(kept_then, set_first)
        found = carried if found is None else logical_xor(found, carried)
    return found, None if kept_first is None else logical_and(kept_then, kept_first)


def normal(graph: Graph, shape: tuple[int, ...], mean: float, std: float, frac_bits: int) -> Recorded:
    """mean + std z for z = +-sqrt(2) erfinv(1 - v), a random sign, and v uniform among the odd multiples of 2^-30.

    So z has the normal distribution function within 2^-31, and is at most 6.121 in size, where v is 2^-30.
    """
    factor = std * math.sqrt(2)
    nominal = max(frac_bits + max(0, math.frexp(factor)[1]), DEFAULT_FRAC_BITS)
    if nominal > MOST_NOMINAL:
        raise PlanError(
            f"normal values of standard deviation {std:g} to {frac_bits} fractional bits are not offered: "
            f"{nominal} bits of the standard normal one are wanted, {MOST_NOMINAL} are the most",
            hint="use fewer frac_bits",
        )
    u = random_integers(graph, shape, TAIL_BITS - 1)
    v = renamed(linear("add", linear("add", u, u), np.asarray(1)), TAIL_BITS, DEFAULT_FRAC_BITS)
    product = multiply(half_normal(v, random_bools(graph, shape), nominal), np.asarray(factor))
    return meant(linear("add", renamed(product, product.type.frac_bits, frac_bits), np.asarray(mean)))
