"""Powers with secret whole exponents: exact, with bounds as narrow as those of both operands permit."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from tercet.plan.table.attributes import Powering, PublicBase
from tercet.plan.table.operation import Call, Flow, Operation, Plain, arity, need, only
from tercet.plan.types import MAX_FRAC_BITS, Type, ValueKind, limit, smallest_ring
from tercet.protocols.cost import Cost
from tercet.protocols.functions import elementwise, elementwise_cost
from tercet.protocols.scope import Body, Scope
from tercet.protocols.whole_power import PublicPower, WholePower, public_powers, public_powers_cost, whole_power
from tercet.ring import ring
from tercet.sharing import Share

_MOST_BITS = 60
"""Of an exponent: more are too many for any base but -1, 0 and 1."""


def _exponent(inputs: Sequence[Type]) -> Type:
    exponent = inputs[-1]
    need(exponent.kind is ValueKind.INT, "an exponent is a whole number")
    need(exponent.lo >= 0 and exponent.hi.bit_length() <= _MOST_BITS, "an exponent is from 0 to 2^60")
    return exponent


def exponent_bits(exponent: Type) -> int:
    """How many bits of it a power looks at."""
    return max(1, exponent.hi.bit_length())


def _ends(bases: Iterable[int], exponent: Type, frac_bits: int, out_bits: int) -> tuple[int, int]:
    """Bounds of powers as stored integers: a power grows or shrinks along either operand, for even exponents and for
    odd ones. PlanError if they are beyond every ring."""
    lo, hi = exponent.lo, exponent.hi
    found = []
    for base in bases:
        size = abs(base).bit_length() - 1 - frac_bits
        need(size * hi < limit(128).bit_length(), "the powers outgrow every ring")
        for e in {lo, min(lo + 1, hi), max(hi - 1, lo), hi}:
            found.append(_raised(base, e) << out_bits - frac_bits * e)
    return min(found), max(found)


_MODULUS = 1 << 160
"""Beyond every ring, and a multiple of its size: powers are right where they fit, and modulo the ring wherever."""


def _raised(base: int, exponent: int) -> int:
    if abs(base) > 1 and exponent <= limit(128).bit_length():
        return int(base**exponent)
    found = pow(base, exponent, _MODULUS)
    return found - _MODULUS if found >= _MODULUS // 2 else found


def _infer_whole(inputs: Sequence[Type], attrs: Powering) -> Type:
    arity(inputs, 2)
    x, exponent = inputs[0], _exponent(inputs)
    need(not x.is_bool and x.shape == exponent.shape, "takes numbers and exponents of one shape")
    need(attrs.base_bits == x.frac_bits, "the attributes say another scale of the base")
    need(attrs.exponent_bits == exponent_bits(exponent), "the attributes say another exponent")
    out = _shape(attrs).out_bits
    need(out <= MAX_FRAC_BITS, "the powers have more fractional bits than a type")
    bases = {x.lo, x.hi} | ({0} if x.lo < 0 < x.hi else set())
    return Type(x.kind, x.shape, x.ring, out, x.nominal, *_ends(bases, exponent, x.frac_bits, out))


def _shape(attrs: Powering) -> WholePower:
    return WholePower(attrs.exponent_bits, attrs.base_bits)


def _run_whole(scope: Scope, call: Call[Powering], x: Share, exponent: Share) -> Body[Share]:
    return elementwise(scope, x, whole_power, _shape(call.attrs), exponent, exact=True)


def _cost_whole(call: Call[Powering]) -> Cost:
    return elementwise_cost(call.ring, call.out.size, whole_power, _shape(call.attrs), exact=True, operands=2)


def _plain_whole(inputs: Sequence[Plain], attrs: Powering, out: Type) -> Plain:
    def value(base: Any, exponent: Any) -> int:
        e = int(exponent) % (1 << attrs.exponent_bits)
        return _raised(int(base), e) << out.frac_bits - attrs.base_bits * e

    return _each(value, *inputs)


def _infer_public(inputs: Sequence[Type], attrs: PublicBase) -> Type:
    arity(inputs, 1)
    exponent = _exponent(inputs)
    need(abs(attrs.base) >= 2, "takes a base of 2 at least in magnitude")
    need(attrs.exponent_bits == exponent_bits(exponent), "the attributes say another exponent")
    lo, hi = _ends([attrs.base], exponent, 0, 0)
    ring_bits = smallest_ring(lo, hi)
    need(ring_bits is not None, "the powers outgrow every ring")
    assert ring_bits is not None
    return Type(ValueKind.INT, exponent.shape, ring_bits, 0, 0, lo, hi)


def _powers_of(call: Call[PublicBase]) -> PublicPower:
    return PublicPower(call.ring, call.attrs.base, call.attrs.exponent_bits)


def _each(value: Callable[..., int], *inputs: Plain) -> Plain:
    found = [value(*of) for of in zip(*(x.reshape(-1) for x in inputs), strict=True)]
    return np.array([*found, None], dtype=object)[:-1].reshape(inputs[0].shape)


WHOLE_POWERS: tuple[Operation[Any], ...] = (
    Operation(
        "whole_power",
        153,
        "x^e for a whole e >= 0; 0^0 is 1",
        Powering,
        _infer_whole,
        only(_run_whole, _cost_whole),
        _plain_whole,
        protocol="squares, chosen by the exponent's bits (whole_power)",
        rows=Flow.EACH,
    ),
    Operation(
        "public_power",
        154,
        "a public integer to the power of a whole e >= 0",
        PublicBase,
        _infer_public,
        only(
            lambda s, c, x: public_powers(s, x, _powers_of(c)),
            lambda c: public_powers_cost(ring(c.inputs[0].ring), c.out.size, _powers_of(c)),
        ),
        lambda inputs, attrs, out: _each(lambda e: _raised(attrs.base, int(e) % (1 << attrs.exponent_bits)), *inputs),
        protocol="sums of one-hot vectors of the exponent's digits (whole_power)",
        rows=Flow.EACH,
    ),
)
