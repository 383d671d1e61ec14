"""Functions of u in [0, L] that are at their limit beyond L: one polynomial each, no exponential and no reciprocal.

erf and tanh reach 1; log(1 + e^-u) and what silu and gelu lack of max(x, 0) reach 0. L and the degree follow from the
fractional bits that the result is meant to have (`coefficients.TAILS`). Callers draw u in to [0, L] and put the limit
itself beyond it.

Security: semi-honest, one corruption; products and truncations of `working.Parties`, as in `polynomial`. Source: own.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tercet.protocols.coefficients import TAILS
from tercet.protocols.functions import PRECISIONS, Precision
from tercet.protocols.polynomial import chebyshev
from tercet.protocols.scope import Body
from tercet.protocols.working import Arithmetic

ACCURACIES = (16, 20, 24, 44)
OUT_BITS = {64: 40, 128: 88}


@dataclass(frozen=True)
class Tail:
    """The public numbers of one function: u times `factor` / 2^drop is 2 u / L at the working scale."""

    precision: Precision
    coefficients: tuple[int, ...]
    factor: int
    drop: int
    out_bits: int


def accuracy(nominal: int) -> int | None:
    """The least accuracy of the table that is enough; None if there is none."""
    return next((bits for bits in ACCURACIES if bits >= nominal), None)


def tail_ring(nominal: int) -> int:
    """The ring in which a function with so many fractional bits is computed."""
    return 64 if nominal <= 24 else 128


def tail_end(name: str, frac_bits: int, nominal: int) -> int:
    """L as a stored integer, rounded down."""
    found = accuracy(nominal)
    if found is None:
        raise ValueError(f"no table for {nominal} fractional bits")
    return (TAILS[name, found][0] << frac_bits) >> 2


def tail(name: str, hi: int, frac_bits: int, nominal: int, ring_bits: int) -> Tail | None:
    """For stored integers u in [0, hi] with `frac_bits`; None if a ring or the table does not take them."""
    found = accuracy(nominal)
    if found is None or ring_bits != tail_ring(nominal) or hi > tail_end(name, frac_bits, nominal):
        return None
    p = PRECISIONS[ring_bits]
    quarters, coefficients = TAILS[name, found]
    # u times the factor is below 2^(frac_bits + bits + 1)
    bits = p.room - frac_bits - 2
    drop = frac_bits + bits - p.scale
    if bits < nominal + 4:
        return None
    # 2 / L = 8 / quarters, rounded down, so that t is never above 1
    return Tail(p, coefficients, (8 << bits) // quarters, drop, OUT_BITS[ring_bits])


def tail_of(a: Arithmetic, u: Any, s: Tail) -> Body[Any]:
    """The function by the public numbers of `tail`. Error: about 2^-(scale - 4)."""
    p = s.precision
    y = yield from a.shifted(a.sum([(u, s.factor)]), s.drop)
    t = a.sum([(y, 1)], -(1 << p.scale))
    shift = p.scale + p.coefficient_bits - s.out_bits
    return (yield from chebyshev(a, t, s.coefficients, p.scale, shift))
