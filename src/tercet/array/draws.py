"""Secret random arrays that nobody knows, under the names of NumPy's generators: no party, no analyst.

Like every secret array one is an expression: in a call that reveals or persists several results it is one value,
however often it is used, and every such call draws it anew. `persist` keeps it.
"""

from __future__ import annotations

from fractions import Fraction
from typing import Any

from tercet.array import elementwise, given, manipulation
from tercet.array.core import SecretArray, secret_array
from tercet.array.runner import Runner
from tercet.plan.record import draws
from tercet.plan.record.public import DEFAULT_FRAC_BITS
from tercet.plan.types import MAX_DIMENSIONS, MAX_FRAC_BITS, ValueKind


def uniform(session: Runner, shape: Any, low: float, high: float, frac_bits: int) -> SecretArray:
    """What `session.uniform` says."""
    lengths, bits = _shape(shape), _frac_bits(frac_bits, 0, MAX_FRAC_BITS)
    first, end = (_stored(given.real(value, name), bits) for value, name in ((low, "low"), (high, "high")))
    if end - first < 2:
        raise ValueError(
            f"from low={low!r} to high={high!r} there are fewer than two multiples of 2^-{bits}: take a wider range or "
            "more frac_bits"
        )
    return secret_array(session, draws.uniform(session.graph, lengths, first, end, bits))


def normal(session: Runner, shape: Any, mean: float, std: float, frac_bits: int) -> SecretArray:
    """What `session.normal` says."""
    lengths, bits = _shape(shape), _frac_bits(frac_bits, 1, draws.MOST_NOMINAL)
    if given.real(std, "std") <= 0:
        raise ValueError(f"std is {std!r}; it is above 0")
    centre = float(given.real(mean, "mean"))
    return secret_array(session, draws.normal(session.graph, lengths, centre, float(std), bits))


def bernoulli(session: Runner, shape: Any, p: Any) -> SecretArray:
    """What `session.bernoulli` says."""
    lengths = _shape(shape)
    if isinstance(p, SecretArray):
        if p.device is not session:
            raise ValueError("p is of another session")
        if p.dtype.kind is not ValueKind.FIXED:
            raise TypeError(f"p is a probability, a public number or a secret array in fixed point, not {p.dtype!r}")
        size = max(p.dtype.frac_bits, DEFAULT_FRAC_BITS)
        return elementwise.less(uniform(session, lengths, 0, 1, size), manipulation.broadcast_to(p, lengths))
    if not 0 <= (chosen := given.real(p, "p")) <= 1:
        raise ValueError(f"p is {p!r}; a probability lies from 0 to 1")
    chance = _stored(chosen, draws.CHANCE_BITS)
    if 0 < chance < 1 << draws.CHANCE_BITS:
        return secret_array(session, draws.below(session.graph, lengths, chance))
    one = draws.random_bools(session.graph, lengths)
    none = secret_array(session, session.graph.node("xor", (one, one)))
    return ~none if chance else none


def _shape(shape: Any) -> tuple[int, ...]:
    lengths = given.integers(shape, "a length")
    if len(lengths) > MAX_DIMENSIONS or min(lengths, default=0) < 0:
        raise ValueError(f"a shape has up to {MAX_DIMENSIONS} lengths that are not negative, not {lengths[:8]}")
    return lengths


def _frac_bits(frac_bits: Any, least: int, most: int) -> int:
    bits = given.integer(frac_bits, "frac_bits")
    if not least <= bits <= most:
        raise ValueError(f"frac_bits is {bits}; here it lies in {least} to {most}")
    return bits


def _stored(value: Any, frac_bits: int) -> int:
    return round(Fraction(value) * (1 << frac_bits))
