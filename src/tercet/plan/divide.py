"""Division of secrets: normalise, Chebyshev start, Goldschmidt (protocols page §6.4), in plan operations."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from tercet.plan.build import Operand, as_node, linear, multiply, negate, number
from tercet.plan.graph import Node
from tercet.plan.logic import inject, negative
from tercet.plan.operation import corners
from tercet.plan.public import DEFAULT_FRAC_BITS, number_constant
from tercet.plan.scale import at_scale, bounded, fitting_ring, in_ring, least_ring, renamed, settle
from tercet.plan.types import MAX_FRAC_BITS, magnitude
from tercet.ring import ring

_NORMALISED = "a normalised value lies in [1/2, 1)"
_CONVERGED = "Goldschmidt iteration converges from a start within 1/99"
NARROW_BITS = 29
WIDE_BITS = 58


@dataclass(frozen=True)
class Inverse:
    """1/|b| = mantissa * factor * 2^(frac_bits of b - bits): mantissa in [1, 2], factor a secret power of two."""

    mantissa: Node
    factor: Node
    bits: int
    frac_bits: int


def inverse_parts(b: Node, working_bits: int) -> Inverse:
    """The two factors of 1/b for b > 0, to a relative error of a few 2^-working_bits.

    c = b * factor is b normalised into [1/2, 1). Start p = (256 c^2 - 576 c + 420) / 99 with |1 - c p| <= 1/99
    (Chebyshev), then Goldschmidt: with e = 1 - c p, 1/c = p (1 + e)(1 + e^2)(1 + e^4)...
    """
    wide = working_bits > NARROW_BITS
    g = working_bits
    low = max(b.type.lo, 0)
    b = _positive(b)
    b = in_ring(b, fitting_ring(0, 1 << max(2, b.type.hi.bit_length()), "a division", (b,)))
    pair = b.graph.node("normalise", (b,), (0,))
    v, c = row(pair, 0), row(pair, 1)
    bits = pair.type.hi.bit_length() - 1
    v = bounded(v, 1, 1 << (bits - max(1, low.bit_length())), _NORMALISED)
    c = bounded(c, 0 if low == 0 else 1 << (bits - 1), (1 << bits) - 1, _NORMALISED)
    c = renamed(c, bits, min(bits, g))
    c = at_scale(c, g)
    c = in_ring(c, 128) if wide else least_ring(c)
    one = 1 << g
    c2 = _times(c, c, g)
    start = _combination([(c2, 256 / 99), (c, -576 / 99)], 420 / 99, g)
    p = bounded(start, one, 2 * one + (one >> 6), _CONVERGED)
    e = bounded(_one_minus(_times(c, p, g)), -(one >> 6), one >> 6, _CONVERGED)
    w = bounded(linear("add", p, _times(p, e, g)), one - (one >> 6), 2 * one + (one >> 6), _CONVERGED)
    error_bits = 13
    power = e
    while error_bits < g - 2:
        power = _times(power, power, g)
        w = bounded(linear("add", w, _times(w, power, g)), one - (one >> 6), 2 * one + (one >> 6), _CONVERGED)
        error_bits *= 2
    return Inverse(w, v, bits, b.type.frac_bits)


def _positive(b: Node) -> Node:
    return b if b.type.lo >= 0 else bounded(b, 0, b.type.hi, "selected between two values in these bounds")


def row(pair: Node, index: int) -> Node:
    shape = pair.type.shape
    attrs = (index, 1, 1, *(number for length in shape[1:] for number in (0, length, 1)))
    return pair.graph.node("reshape", (pair.graph.node("slice", (pair,), attrs),), shape[1:])


def _times(x: Node, y: Node, g: int) -> Node:
    """x * y at g fractional bits, nominal g."""
    x, y = renamed(x, x.type.frac_bits, g), renamed(y, y.type.frac_bits, g)
    return at_scale(multiply(x, y), g)


def _one_minus(x: Node) -> Node:
    """1 - x at x's own scale."""
    one = np.asarray(1 << x.type.frac_bits, dtype=object)
    constant = number_constant(x.graph, one, x.type.frac_bits, x.type.nominal, x.type.ring)
    return x.graph.node("subtract", (constant, x))


def _combination(terms: list[tuple[Node, float]], last: float, g: int) -> Node:
    """sum of public coefficients times values plus a public number: one rescaling for all."""
    total: Node | None = None
    for x, coefficient in terms:
        stored = round(coefficient * (1 << g))
        constant = number_constant(x.graph, np.asarray(stored, dtype=object), g, g, x.type.ring)
        scaled = x.graph.node("scale", (x, constant))
        total = scaled if total is None else x.graph.node("add", (total, scaled))
    assert total is not None
    offset = number_constant(
        total.graph, np.asarray(round(last * (1 << g)) << g, dtype=object), 2 * g, g, total.type.ring
    )
    return at_scale(total.graph.node("add", (total, offset)), g)


def divide(a: Operand, b: Node) -> Node:
    """a / b for a secret b; b = 0 gives a documented, meaningless finite number.

    Error: at most two last bits of the result, or a relative 2^-26 where that is more. Result bounds follow from the
    least |b| that b's bounds permit (one last bit if they include zero).
    """
    b = settle(number(b))
    flip: Node | None = None
    if b.type.hi <= 0:
        return divide(negate(a) if isinstance(a, Node) else -a, negate(b))
    if b.type.lo < 0:
        flip = negative(b)
        b = _flipped(flip, b)
        b = bounded(b, 0, b.type.hi, "selected between two values in these bounds")
    numerator = settle(number(a)) if isinstance(a, Node) else as_node(b.graph, a)
    nominal = max(numerator.type.nominal, b.type.nominal, DEFAULT_FRAC_BITS)
    least = max(1, b.type.lo)
    largest = -(-(numerator.type.magnitude << (b.type.frac_bits + nominal)) // (least << numerator.type.frac_bits)) + 2
    g = NARROW_BITS
    if nominal > 24 or (b.type.lo > 0 and largest.bit_length() > NARROW_BITS - 3):
        g = WIDE_BITS
    parts = inverse_parts(b, g)
    quotient = _quotient(numerator, parts, nominal, largest)
    if flip is not None:
        quotient = _flipped(flip, quotient)
    return quotient


def _flipped(bit: Node, x: Node) -> Node:
    """-x where the bit is set."""
    result = linear("subtract", x, inject(bit, linear("add", x, x)))
    return bounded(result, -x.type.magnitude, x.type.magnitude, "selected between two values in these bounds")


def _quotient(a: Node, parts: Inverse, nominal: int, largest: int) -> Node:
    """a * mantissa * factor, rescaled to `nominal` bits in at most two steps."""
    g, w, v = parts.mantissa.type.frac_bits, parts.mantissa, parts.factor
    if a.is_constant:
        scaled = linear_scale(w, a)
    else:
        ring_bits = fitting_ring(*_corner(a, w), "a division", (a, w))
        scaled = a.graph.node("multiply", (in_ring(a, ring_bits), in_ring(w, ring_bits)), (0,))
    excess = a.type.frac_bits + g + parts.bits - parts.frac_bits - nominal
    # dropping `first` bits of a * mantissa costs 2^(first + nominal - 1 - g) last bits (for equal frac_bits), and a
    # relative 2^(first - g): either may be small enough
    slack = min(max(g + 1 + a.type.frac_bits - parts.frac_bits - nominal, g - 27), excess, g - 2)
    for ring_bits in (64, 128) if g <= NARROW_BITS else (128,):
        first = scaled.type.magnitude.bit_length() + v.type.magnitude.bit_length() - (ring_bits - 3)
        if 0 < first <= slack:
            scaled = least_ring(at_scale(renamed(scaled, first, 0), 0))
            excess -= first
        if first <= slack:
            break
    product = multiply(renamed(scaled, 0, 0), v)
    if (beyond := nominal + excess - MAX_FRAC_BITS) > 0:  # more than a type can carry: dropped first
        product = at_scale(renamed(product, beyond, 0), 0)
        excess -= beyond
    stored = nominal + excess
    product = _read_at(product, stored, nominal)
    widest = largest << max(excess, 0)
    product = bounded(product, -widest, widest, _CONVERGED)
    return least_ring(at_scale(product, nominal)) if excess > 0 else product


def _read_at(x: Node, stored: int, nominal: int) -> Node:
    if stored >= nominal:
        return renamed(x, stored, nominal)
    return renamed(at_scale(renamed(x, 0, 0), nominal - stored), nominal, nominal)


def linear_scale(w: Node, a: Node) -> Node:
    """w times the constant node a."""
    ring_bits = fitting_ring(*_corner(a, w), "a division", (a, w))
    return w.graph.node("scale", (in_ring(w, ring_bits), as_ring(a, ring_bits)))


def as_ring(a: Node, ring_bits: int) -> Node:
    """A constant node in another ring."""
    if a.type.ring == ring_bits:
        return a
    words = np.frombuffer(a.data, ring(a.type.ring).dtype).reshape(a.type.shape)
    values = ring(a.type.ring).to_ints(words)
    return number_constant(a.graph, np.asarray(values), a.type.frac_bits, a.type.nominal, ring_bits)


def _corner(a: Node, b: Node) -> tuple[int, int]:
    lo, hi = corners(a.type, b.type)
    widest = max(magnitude(lo, hi), a.type.magnitude, b.type.magnitude)
    return -widest, widest
