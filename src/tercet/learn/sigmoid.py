"""The logistic function in few rounds, by a sum of sines."""

from __future__ import annotations

from typing import Any

import numpy as np

from tercet.array.core import SecretArray, apply
from tercet.plan.record import build, tails
from tercet.plan.record.functions import nominal_of
from tercet.plan.record.graph import Recorded
from tercet.plan.record.scale import all_at, least_ring, renamed, settle
from tercet.plan.table.attributes import Height
from tercet.protocols.logistic import LEAST_BITS, MOST_BITS, wave

FINE = 16


def expit(z: Any) -> Any:
    """1 / (1 + e^-z), within two last bits of 2^-16 or, where z has more fractional bits, of z's; of NumPy arrays, to
    float64.

    Up to 16 fractional bits: a sum of 20 sines, 4 rounds and about 1,300 bits a party and element. Otherwise, and where
    roundings are to be exact, by the polynomial of `tercet.special.expit`, in 19 to 33 rounds. Nothing is revealed.
    """
    if not isinstance(z, SecretArray):
        return np.exp(-np.logaddexp(0.0, -np.asarray(z, dtype=float)))
    return apply(_recorded_expit, z)


def missed(z: Any, y: Any, factor: float, room: int) -> Any:
    """`factor` (expit(z) - y) for a public factor from 1/2 to 1 and y of integers 0 and 1, of the size of z.

    Of a secret z in 3 rounds and about 1,100 bits a party and element, not rescaled, and within 2^`room` as stored if
    that leaves 34 bits: to 2^-16 about, to 2^-18 from 40 bits on. Where roundings are to be exact as `expit`.
    """
    if not isinstance(z, SecretArray):
        return (expit(z) - y) * factor
    return apply(lambda x, t: _missed(x, t, factor, room), z, y)


def _recorded_expit(x: Recorded) -> Recorded:
    x = build.number(x)
    found = _by_sines(x, MOST_BITS, 1 << MOST_BITS)
    return tails.expit(x) if found is None else settle(found)


def _missed(x: Recorded, y: Recorded, factor: float, room: int) -> Recorded:
    bits = min(MOST_BITS, max(LEAST_BITS, room))
    height = round(factor * 2**bits)
    found = _by_sines(renamed(build.number(x), x.type.frac_bits, FINE), bits, height)
    if found is None:
        return build.multiply(build.linear("subtract", tails.expit(x), y), np.asarray(factor))
    known = renamed(build.multiply(build.number(y), np.asarray(height)), bits, FINE)
    return build.linear("subtract", found, known)


def _by_sines(x: Recorded, bits: int, height: int) -> Recorded | None:
    """`height`, as stored with so many fractional bits, times the function; None of more than 16 nominal bits, and
    where roundings are to be exact."""
    if nominal_of(x) > FINE or x.graph.exact_rounding:
        return None
    for one in (x, all_at(x, FINE)):
        one = least_ring(one)
        t = one.type
        if wave(t.lo, t.hi, t.frac_bits, t.ring, bits, height) is not None:
            return one.graph.node("logistic", (one,), Height(t.frac_bits, FINE, out_bits=bits, height=height))
    return None
