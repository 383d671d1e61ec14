"""Polynomials of secret fixed-point values: what division and other functions are approximated by.

All work at one scale: values have g fractional bits, and each result is rescaled to g once.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from tercet.plan.record.build import multiply
from tercet.plan.record.graph import Recorded
from tercet.plan.record.public import number_constant
from tercet.plan.record.scale import at_scale, renamed


def times(x: Recorded, y: Recorded, g: int) -> Recorded:
    """x * y at g fractional bits, of which all count (nominal g). One product with its rescaling."""
    x, y = renamed(x, x.type.frac_bits, g), renamed(y, y.type.frac_bits, g)
    return at_scale(multiply(x, y), g)


def one_minus(x: Recorded) -> Recorded:
    """1 - x at x's own scale. Local."""
    one = np.asarray(1 << x.type.frac_bits, dtype=object)
    constant = number_constant(x.graph, one, x.type.frac_bits, x.type.nominal, x.type.ring)
    return x.graph.node("subtract", (constant, x))


def combination(terms: Sequence[tuple[Recorded, float]], last: float, g: int) -> Recorded:
    """The sum of public coefficients times values, and of a public number, at g fractional bits: one rescaling for all.

    The values have g fractional bits and lie in one ring; coefficients are rounded to g fractional bits.
    """
    total: Recorded | None = None
    for x, coefficient in terms:
        stored = round(coefficient * (1 << g))
        constant = number_constant(x.graph, np.asarray(stored, dtype=object), g, g, x.type.ring)
        scaled = x.graph.node("scale", (x, constant))
        total = scaled if total is None else x.graph.node("add", (total, scaled))
    if total is None:
        raise ValueError("a combination of no values")
    stored = round(last * (1 << g)) << g
    offset = number_constant(total.graph, np.asarray(stored, dtype=object), 2 * g, g, total.type.ring)
    return at_scale(total.graph.node("add", (total, offset)), g)
