"""Quotients of two secrets: one operation, whose bounds follow from those of what it divides.

A quotient has more fractional bits than are meant (`nominal`), as a product has: the plan rescales it once, where it is
used or revealed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from tercet.plan.table.attributes import Attributes, Dividing, DividingWithin
from tercet.plan.table.operation import (
    Algebra,
    Bounding,
    Call,
    Domain,
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
from tercet.protocols import euclidean, quotient
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


def whole_ends(a: Type, b: Type) -> tuple[tuple[int, int], tuple[int, int]]:
    """Bounds of floor(a / b), and of what it leaves; 0 where b is 0."""
    least, most = max(1, b.lo), max(1, b.hi)
    lo, hi = a.lo // (least if a.lo < 0 else most), a.hi // (least if a.hi > 0 else most)
    left = min(most - 1, a.hi) if a.lo >= 0 else most - 1
    return (min(lo, 0), max(hi, 0)) if b.lo == 0 else (lo, hi), (0, left)


def euclidean_shape(a: Type, b: Type) -> euclidean.Euclidean | None:
    """The public numbers of a whole quotient of these; None if their ring does not take them."""
    return euclidean.euclidean(a.magnitude, b.lo, b.hi, a.ring)


def _whole_shape(a: Type, b: Type) -> euclidean.Euclidean:
    found = euclidean_shape(a, b)
    need(found is not None, f"{a} by {b} in whole numbers does not fit the ring 2^{a.ring}")
    assert found is not None
    return found


def _infer_whole(inputs: Sequence[Type], attrs: Attributes) -> Type:
    arity(inputs, 2)
    numeric(*inputs)
    a, b = inputs
    need(a.shape == b.shape, "dividend and divisor differ in shape")
    need(b.lo >= 0, "takes divisors that are not negative")
    need(a.frac_bits == b.frac_bits == 0, "takes integers")
    _whole_shape(a, b)
    (lo, hi), (least, left) = whole_ends(a, b)
    return Type(ValueKind.INT, (2, *a.shape), a.ring, 0, 0, min(lo, least), max(hi, left))


def _run_whole(scope: Scope, call: Call[Attributes], x: Share, y: Share) -> Body[Share]:
    s = _whole_shape(*call.inputs)
    both = yield from euclidean.divide_whole(scope, x.flat(), y.flat(), s)
    own, following = (np.stack([getattr(one, half) for one in both]) for half in ("own", "next"))
    return Share(s.ring, own, following).reshape(call.out.shape)


def _cost_whole(call: Call[Attributes]) -> Cost:
    a, b = call.inputs
    return euclidean.divide_whole_cost(a.size, _whole_shape(a, b))


def _plain_whole(inputs: Sequence[Plain], attrs: Attributes, out: Type) -> Plain:
    x, y = inputs
    pairs = [divmod(int(a), int(b)) if b else (0, 0) for a, b in zip(x.reshape(-1), y.reshape(-1), strict=True)]
    rows = [np.array([*(pair[k] for pair in pairs), None], dtype=object)[:-1].reshape(x.shape) for k in range(2)]
    return np.stack(rows)


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
        domain=(None, Domain.NOT_ZERO),
        takes="a quotient takes divisors other than 0",
        bounds=bounds,
        coins_inside=True,
    )


QUOTIENTS: tuple[Operation[Any], ...] = (
    _quotient("quotient", 150, "x / y for y >= 0; y = 0 counts as one last bit", Dividing, Bounding.DERIVED),
    _quotient("quotient_within", 151, "the same, with a limit on the result", DividingWithin, Bounding.STATED),
    Operation(
        "divide_whole",
        152,
        "floor(x / y), then x - floor(x / y) y, for y >= 0; both 0 where y is 0",
        Attributes,
        _infer_whole,
        only(_run_whole, _cost_whole),
        _plain_whole,
        protocol="a quotient, rounded; the signs of what it leaves",
        rows=Flow.STACKED,
        algebra=Algebra.DIVIDED,
        domain=(None, Domain.NOT_ZERO),
        takes="whole quotients and remainders take divisors other than 0",
    ),
)
