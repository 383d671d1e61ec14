"""Random values that nobody knows, as operations without inputs: bools and integers, drawn anew by every job.

Bounds are those of the attributes and hold by the protocol. Operations of a plan have numbers of their own, as have the
passes of a loop, by which streams are addressed; so two of them are independent whatever their attributes are.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from tercet.plan.table.attributes import DrawnBits, DrawnIntegers
from tercet.plan.table.operation import Call, Flow, Operation, Plain, arity, need, only, shaped
from tercet.plan.types import MAX_DIMENSIONS, RINGS, Type, ValueKind, bool_type, limit
from tercet.protocols.cost import Cost
from tercet.protocols.draws import random_bits, random_integers, random_integers_cost
from tercet.protocols.scope import Body, Scope
from tercet.sharing import BitShare, Share

MOST_BITS = 1 << 32
"""The most random bits of one operation: half a GB of each stream, an eighth of what one address gives."""


def _check_shape(shape: tuple[int, ...], bits: int) -> None:
    need(len(shape) <= MAX_DIMENSIONS, f"{len(shape)} dimensions, more than {MAX_DIMENSIONS}")
    need(
        math.prod(shape) * bits <= MOST_BITS,
        f"{math.prod(shape):,} times {bits} random bits are more than one draw gives, {MOST_BITS:,}",
    )


def _infer_bits(inputs: Sequence[Type], attrs: DrawnBits) -> Type:
    arity(inputs, 0)
    _check_shape(attrs.shape, 1)
    return bool_type(attrs.shape)


def _infer_integers(inputs: Sequence[Type], attrs: DrawnIntegers) -> Type:
    arity(inputs, 0)
    need(attrs.ring in RINGS, f"ring 2^{attrs.ring} is not known")
    need(attrs.bits >= 1 and 1 << min(attrs.bits, attrs.ring) <= limit(attrs.ring), f"{attrs.bits} bits in this ring")
    _check_shape(attrs.shape, attrs.bits)
    return Type(ValueKind.INT, attrs.shape, attrs.ring, 0, 0, 0, (1 << attrs.bits) - 1)


def _run_bits(scope: Scope, call: Call[DrawnBits]) -> BitShare:
    return random_bits(scope, call.out.size)


def _run_integers(scope: Scope, call: Call[DrawnIntegers]) -> Body[Share]:
    return shaped(call, random_integers(scope, call.ring, call.out.size, call.attrs.bits))


def _integers_cost(call: Call[DrawnIntegers]) -> Cost:
    return random_integers_cost(call.ring, call.out.size, call.attrs.bits)


def _held_integers(call: Call[DrawnIntegers]) -> int:
    """The bits of both components, and what is sent: dealt terms are nearly all of it."""
    return call.out.size * call.attrs.bits // 4 + _integers_cost(call).total_bytes


def _plain_bits(inputs: Sequence[Plain], attrs: DrawnBits, out: Type) -> Plain:
    """One of the values that they may have."""
    return np.asarray((np.arange(out.size) + attrs.number) % 2 == 0, dtype=bool).reshape(out.shape)


def _plain_integers(inputs: Sequence[Plain], attrs: DrawnIntegers, out: Type) -> Plain:
    """One of the values that they may have: spread over all of them, by Weyl's sequence."""
    golden = 0x9E3779B97F4A7C15F39CC0605CEDC834
    values = [((at + attrs.number) * golden % (1 << 128)) >> (128 - attrs.bits) for at in range(out.size)]
    return np.array([*values, None], dtype=object)[:-1].reshape(out.shape)


DRAWS: tuple[Operation[Any], ...] = (
    Operation(
        "draw_bits",
        170,
        "uniform random bools, which nobody knows",
        DrawnBits,
        _infer_bits,
        only(_run_bits),
        _plain_bits,
        error="any of the values, each as likely",
        protocol="three streams, of which each party lacks one (Cramer, Damgard, Ishai 2005)",
        rows=Flow.DRAWN,
        draws=True,
    ),
    Operation(
        "draw_integers",
        171,
        "uniform random integers below a power of two, which nobody knows",
        DrawnIntegers,
        _infer_integers,
        only(_run_integers, _integers_cost),
        _plain_integers,
        error="any of the values, each as likely",
        protocol="random bits, times their powers of two as one sum of cross terms",
        rows=Flow.DRAWN,
        held=_held_integers,
    ),
)
