"""The logistic function in few rounds, for small arrays: a sum of sines inside, its limits outside."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from tercet.array.core import SecretArray, apply
from tercet.learn.reasons import DRAWN_IN, PROBABILITY
from tercet.plan.record import build, logic, tails
from tercet.plan.record.functions import nominal_of, recorded
from tercet.plan.record.graph import Recorded
from tercet.plan.record.scale import all_at, at_scale, bounded, renamed, settle
from tercet.plan.table.attributes import NewShape, Ranges
from tercet.plan.table.ops_functions import turn_shape

END = 12.5
"""Beyond it the function is 0 or 1 to a quarter of 2^-16."""
HARMONICS = np.arange(1, 32, 2)
PERIOD_BITS = 3
FINE = 16
WEIGHT_BITS = 17
LARGE = 2
SINE_BITS = 12
"""Sines have four times as many fractional bits before they are rescaled: to 2^-19 they are right then."""


def _weights() -> Any:
    """Of sin(k x / 8), k odd: the logistic function less 1/2, repeated with its sign changed every 8 pi."""
    step = 2.0**-PERIOD_BITS
    return np.rint(2.0**WEIGHT_BITS * step * 2 / np.sinh(math.pi * step * HARMONICS)).astype(np.int64)


def expit(z: Any) -> Any:
    """1 / (1 + e^-z), within two last bits of 2^-16 or, where z has more fractional bits, of z's; of NumPy arrays, to
    float64.

    Up to 16 fractional bits: 16 sines of odd multiples of z / 8, z drawn in to 12.5 before; 7 rounds and about 1,900
    bits a party and element. Otherwise, and where roundings are to be exact, by the polynomial of
    `tercet.special.expit`, in 19 to 33 rounds. Nothing is revealed.
    """
    if not isinstance(z, SecretArray):
        return np.exp(-np.logaddexp(0.0, -np.asarray(z, dtype=float)))
    return apply(_recorded_expit, z)


def _recorded_expit(x: Recorded) -> Recorded:
    x = build.number(x)
    found = _by_sines(x) if nominal_of(x) <= FINE and not x.graph.exact_rounding else None
    return tails.expit(x) if found is None else found


def _by_sines(x: Recorded) -> Recorded | None:
    x = at_scale(settle(x), FINE) if x.type.frac_bits < FINE else all_at(x, FINE)
    x = _within(x, int(END * (1 << FINE)))
    column = x.graph.node("reshape", (x,), NewShape((*x.type.shape, 1)))
    angles = renamed(build.multiply(column, HARMONICS), FINE + PERIOD_BITS, SINE_BITS)
    sines = recorded("sin", angles, SINE_BITS, turn_shape)
    if sines is None:
        return None
    whole, weights, shape = renamed(sines, 0, 0), _weights()[:, None], x.type.shape
    # bounds of a sum are those of its largest term: the first terms, which are large, by themselves
    parts = [
        Ranges((*((0, end, 1) for end in shape), cut)) for cut in ((0, LARGE, 1), (LARGE, len(HARMONICS) - LARGE, 1))
    ]
    terms = [x.graph.node("slice", (whole,), part) for part in parts]
    first, rest = (build.matmul(*pair) for pair in zip(terms, (weights[:LARGE], weights[LARGE:]), strict=True))
    total = build.linear("add", first, rest)
    inner = renamed(total, sines.type.frac_bits + WEIGHT_BITS, FINE)
    inner = build.linear("add", x.graph.node("reshape", (inner,), NewShape(x.type.shape)), np.asarray(0.5))
    return bounded(settle(inner), 0, 1 << FINE, PROBABILITY)


def _within(x: Recorded, end: int) -> Recorded:
    """x drawn in to [-end, end] as stored, by two comparisons side by side."""
    if -end <= x.type.lo and x.type.hi <= end:
        return x
    whole, frac = renamed(x, 0, 0), x.type.frac_bits
    beyond = [build.linear("subtract", np.asarray(limit), whole) for limit in (end, -end)]
    above, below = logic.negative(beyond[0]), logic.logical_not(logic.negative(beyond[1]))
    moved = [logic.inject(bit, distance) for bit, distance in zip((above, below), beyond, strict=True)]
    drawn = build.linear("add", build.linear("add", whole, moved[0]), moved[1])
    return renamed(bounded(drawn, -end, end, DRAWN_IN), frac, x.type.nominal)
