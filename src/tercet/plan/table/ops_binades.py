"""Functions that have one polynomial for every power of two: of what they are taken of, see `plan.record.binades`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from tercet.plan.table import real
from tercet.plan.table.attributes import Approximation
from tercet.plan.table.operation import Domain, Operation, Plain, arity, need, numeric
from tercet.plan.table.ops_functions import approximated
from tercet.plan.table.reasons import ERFINV_DOMAIN
from tercet.plan.types import Type, ValueKind
from tercet.protocols.by_binade import Binades, by_binade, by_binade_shape

_T_BITS = 124
_LEAST_GAMMALN = -(12149 * 2**44 // 100000) - 1
"""Of gammaln, at about 1.46163; times 2^44."""
_TURN_GAMMALN = 146163


def binades_of(name: str, x: Type, nominal: int) -> Binades | None:
    """The public numbers of such a function of this argument; None if its ring does not take them."""
    return by_binade_shape(name, x.lo, x.hi, x.frac_bits, nominal, x.ring)


def _value(s: Binades, x: int) -> tuple[int, int]:
    """The function of a stored integer, at the result's scale, and the exponent of its row."""
    x = max(1, x)
    place = x.bit_length() - 1
    exponent, values = s.rows[min(max(0, place - s.first), len(s.rows) - 1)]
    # c = x / 2^(place + 1), t = 4 c - 3
    t = (x << _T_BITS + 1 - place) - (3 << _T_BITS) if place <= _T_BITS else 0
    return real.series(values, s.out_bits, t, _T_BITS, s.out_bits) << exponent, exponent


def _by_binade(name: str, code: int, summary: str) -> Operation[Approximation]:
    operation = f"binades_{name}"

    def shape(x: Type, attrs: Approximation) -> Binades:
        found = binades_of(name, x, attrs.frac_bits)
        need(found is not None, f"{operation} of {x} to {attrs.frac_bits} fractional bits does not fit here")
        assert found is not None
        return found

    def infer(inputs: Sequence[Type], attrs: Approximation) -> Type:
        arity(inputs, 1)
        numeric(*inputs)
        x = inputs[0]
        need(attrs.argument_bits == x.frac_bits, "the attributes say another scale of the argument")
        need(x.lo >= 0, "takes numbers that are not negative")
        s = shape(x, attrs)
        ends = sorted(_value(s, end) for end in (x.lo, x.hi))
        # as many units of T_k as coefficients make of them at either end, or in the row beside it
        units = s.out_bits - s.placed.precision.scale + 6
        lo, hi = ends[0][0] - (1 << ends[0][1] + units), ends[1][0] + (1 << ends[1][1] + units)
        if name == "gammaln" and x.lo * 100000 < _TURN_GAMMALN << x.frac_bits:
            lo = min(lo, real.shifted(_LEAST_GAMMALN, s.out_bits - 44) - (1 << units))
        return Type(ValueKind.FIXED, x.shape, x.ring, s.out_bits, attrs.frac_bits, lo, hi)

    def plain(inputs: Sequence[Plain], attrs: Approximation, out: Type) -> Plain:
        x = inputs[0]
        if not x.size:
            return x
        ring_bits = 64 if out.frac_bits < 40 else 128
        values = [int(value) for value in x.reshape(-1)]
        s = by_binade_shape(name, min(values), max(values), attrs.argument_bits, attrs.frac_bits, ring_bits)
        assert s is not None
        found = [_value(s, value)[0] for value in values]
        return np.array([*found, None], dtype=object)[:-1].reshape(x.shape)

    domain = (Domain.POSITIVE,) if name == "erfinv" else ()
    takes = ERFINV_DOMAIN.text if domain else ""
    protocol = "normalised by its leading one, coefficients of its place as sums of bits (by_binade)"
    return approximated(
        *(operation, code, summary, infer, by_binade, shape, plain, protocol), domain=domain, takes=takes
    )


BINADES: tuple[Operation[Any], ...] = (
    _by_binade("gammaln", 161, "log(gamma(x)) of x >= 1"),
    _by_binade("digamma", 162, "the derivative of gammaln, of x >= 1"),
    _by_binade("log_ndtr", 163, "log(ndtr(8 - x)) of x >= 0"),
    _by_binade("erfinv", 164, "erfinv(1 - x) of x in (0, 1]; 0 counts as one last bit"),
)
