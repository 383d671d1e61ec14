"""Quotients of two secrets: one operation, whose bounds follow from those of what it divides.

A quotient has more fractional bits than are meant (`nominal`), as a product has: the plan rescales it once, where it is
used or revealed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from tercet.plan.table.attributes import Dividing, DividingWithin
from tercet.plan.table.operation import (
    Algebra,
    Bounding,
    Call,
    Flow,
    Operation,
    Plain,
    arity,
    broadcast,
    need,
    numeric,
    only,
)
from tercet.plan.table.reasons import may_stand
from tercet.plan.types import Type, ValueKind
from tercet.protocols import quotient
from tercet.protocols.cost import Cost
from tercet.protocols.scope import Body, Scope
from tercet.sharing import Share


def quotient_shape(a: Type, b: Type, frac_bits: int, limit: int = 0) -> quotient.Division | None:
    """The public numbers of a quotient of these; None if their ring does not take them."""
    apart = a.frac_bits - b.frac_bits
    return quotient.division(a.magnitude, b.lo, b.hi, apart, frac_bits, a.ring, limit)


def quotient_ends(a: Type, b: Type, up: int) -> tuple[int, int]:
    """Bounds of a / b times 2^up, of stored integers, where b = 0 counts as one last bit."""
    least, most = max(1, b.lo), max(1, b.hi)

    def over(end: int, divisor: int) -> tuple[int, int]:
        above, below = (end << up, divisor) if up >= 0 else (end, divisor << -up)
        return above // below, -(-above // below)

    return over(a.lo, least if a.lo < 0 else most)[0], over(a.hi, least if a.hi > 0 else most)[1]


def _limit(attrs: Dividing) -> int:
    return attrs.limit if isinstance(attrs, DividingWithin) else 0


def _shape(a: Type, b: Type, attrs: Dividing) -> quotient.Division:
    found = quotient_shape(a, b, attrs.frac_bits, _limit(attrs))
    need(found is not None, f"{a} by {b} to {attrs.frac_bits} fractional bits does not fit the ring 2^{a.ring}")
    assert found is not None
    return found


def _infer(inputs: Sequence[Type], attrs: Dividing) -> Type:
    arity(inputs, 2)
    numeric(*inputs)
    a, b = inputs
    need(a.frac_bits == attrs.dividend_bits, "the attributes say another scale of the dividend")
    need(b.frac_bits == attrs.divisor_bits, "the attributes say another scale of the divisor")
    need(b.lo >= 0, "takes divisors that are not negative")
    if isinstance(attrs, DividingWithin):
        need(attrs.limit > 0, "a limit is positive")
        need(may_stand(attrs.reason), f"reason {attrs.reason} is not known")
    need(broadcast(a, b) == a.shape, "the divisor is not broadcast to the dividend")
    s, limit = _shape(a, b, attrs), _limit(attrs)
    up = s.out_bits - a.frac_bits + b.frac_bits
    lo, hi = quotient_ends(a, b, up)
    if limit:
        most = limit << up if up >= 0 else -(-limit >> -up)
        lo, hi = max(lo, -most), min(hi, most)
    # never of the other sign
    lo, hi = lo - s.off(lo) if lo < 0 else max(0, lo - s.off(lo)), hi + s.off(hi) if hi > 0 else min(0, hi + s.off(hi))
    return Type(ValueKind.FIXED, a.shape, a.ring, s.out_bits, attrs.frac_bits, lo, hi)


def _run(scope: Scope, call: Call[Dividing], x: Share, y: Share) -> Body[Share]:
    a, b = call.inputs
    return quotient.quotient(scope, x, y, _shape(a, b, call.attrs), exact=call.attrs.exact)


def _cost(call: Call[Dividing]) -> Cost:
    a, b = call.inputs
    return quotient.quotient_cost(a.size, b.size, a.shape == b.shape, _shape(a, b, call.attrs), exact=call.attrs.exact)


def _plain(inputs: Sequence[Plain], attrs: Dividing, out: Type) -> Plain:
    x, y = np.broadcast_arrays(*inputs)
    up = out.frac_bits - attrs.dividend_bits + attrs.divisor_bits

    def nearest(a: int, b: int) -> int:
        above, below = (a << up, b) if up >= 0 else (a, b << -up)
        return (2 * above + below) // (2 * below)

    values = [nearest(int(a), max(1, int(b))) for a, b in zip(x.reshape(-1), y.reshape(-1), strict=True)]
    return np.array([*values, None], dtype=object)[:-1].reshape(x.shape)


def _quotient(name: str, code: int, summary: str, attributes: type[Any], bounds: Bounding) -> Operation[Any]:
    return Operation(
        name,
        code,
        summary,
        attributes,
        _infer,
        only(_run, _cost),
        _plain,
        error="a quarter of the last bit, relative above 1, before it is rescaled",
        protocol="the divisor normalised by its leading one, a polynomial; the dividend meets the power of two first",
        rows=Flow.EACH,
        algebra=Algebra.QUOTIENT,
        bounds=bounds,
        coins_inside=True,
    )


QUOTIENTS: tuple[Operation[Any], ...] = (
    _quotient("quotient", 150, "x / y for y >= 0; y = 0 counts as one last bit", Dividing, Bounding.DERIVED),
    _quotient("quotient_within", 151, "the same, with a limit on the result", DividingWithin, Bounding.STATED),
)
