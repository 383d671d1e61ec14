"""Proposes round bounds for values, and how exactly to store them."""

from __future__ import annotations

import math
from datetime import date
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal, localcontext
from fractions import Fraction

from tercet.plan.types import MAX_FRAC_BITS, smallest_ring
from tercet.store.schema import MAX_DIGITS, scaled_bound

MAX_PROPOSED_FRAC_BITS = 40
FEW_DIGITS = 4
"""Values with at most so many digits behind the point are stored exactly, as decimals with digits."""
_DEFAULT_FRAC_BITS = 16
_SIGNIFICANT, _KEPT = 9, 3
_FIGURES = 310


def friendly_bounds(lo: float, hi: float) -> tuple[float, float]:
    """A range of round numbers around [lo, hi], which reveals little more than the order of magnitude.

    From 0 to 1, 2 or 5 times a power of ten, if lo is not near hi; else between two multiples of a power of ten.
    """
    if lo < 0 < hi:
        return -_up(-lo), _up(hi)
    if hi <= 0:
        return tuple(-bound for bound in reversed(friendly_bounds(-hi, -lo))) if lo < 0 else (0, 1)  # type: ignore[return-value]
    if lo < hi / 2 or lo == hi:
        return 0, _up(hi)
    # as fractions, since different integers beyond 2^53 may be equal as floats
    power = max(math.ceil(math.log10(Fraction(hi) - Fraction(lo))), math.floor(math.log10(hi)) - 2)
    if power >= 0 or isinstance(hi, int):
        step = 10 ** max(power, 0)
        return math.floor(Fraction(lo) / step) * step, (math.floor(Fraction(hi) / step) + 1) * step
    unit = Decimal(1).scaleb(power)
    below, above = (Decimal(repr(bound)).quantize(unit, ROUND_FLOOR) for bound in (lo, hi))
    return float(below), float(above + unit)


def _up(value: float) -> float:
    """The least of ..., 0.2, 0.5, 1, 2, 5, 10, 20, ... that is not below a positive number."""
    exponent = math.floor(math.log10(value)) - 1
    while True:
        for digit in (1, 2, 5):
            bound: float = digit * 10**exponent if exponent >= 0 else float(f"{digit}e{exponent}")
            if bound >= value:
                return bound
        exponent += 1


def friendly_dates(first: date, last: date) -> dict[str, date]:
    """From the first day of a decade to the last day of one."""
    return {"lo": date(max(1, first.year // 10 * 10), 1, 1), "hi": date(min(9999, last.year // 10 * 10 + 9), 12, 31)}


def frac_bits_for(decimals: int) -> int:
    """Fractional bits that distinguish values with so many decimals, with some bits to spare."""
    return max(_DEFAULT_FRAC_BITS, min(MAX_PROPOSED_FRAC_BITS, _bits(decimals)))


def _bits(decimals: int) -> int:
    return math.ceil(decimals * math.log2(10)) + 4


def exactness(decimals: int, significant: int, least: float, lo: float, hi: float) -> dict[str, int]:
    """`digits` or `frac_bits` for values with `decimals` digits behind the point and `significant` digits in all.

    `least`: the smallest magnitude. Empty if no ring holds values in [lo, hi] so exactly.
    """
    if 0 < decimals <= FEW_DIGITS or (decimals <= MAX_DIGITS and 0 < significant <= _SIGNIFICANT):
        times = 10**decimals
        if smallest_ring(math.floor(lo * times), math.ceil(hi * times)) is not None:
            return {"digits": decimals}
    bits = frac_bits_for(min(decimals, _SIGNIFICANT))
    largest = max(abs(lo), abs(hi))
    if decimals > _SIGNIFICANT:
        # measured values: keep nine digits of the largest and three of the smallest
        bits = max(bits, _bits(_SIGNIFICANT - _size(largest)), _bits(_KEPT - _size(least)))
    fits = bits <= MAX_FRAC_BITS and smallest_ring(scaled_bound(lo, bits), scaled_bound(hi, bits)) is not None
    return {"frac_bits": bits} if fits else {}


def _size(value: float) -> int:
    return math.floor(math.log10(value)) if 0 < value < math.inf else 0


def exact_bounds(lo: float, hi: float, digits: int) -> tuple[float, float]:
    """Bounds with at most so many digits behind the point."""
    # as many figures as the greatest float has, and the digits
    with localcontext(prec=_FIGURES + digits):
        step = Decimal(1).scaleb(-digits)
        low = Decimal(repr(lo)).quantize(step, ROUND_FLOOR)
        return float(low), float(Decimal(repr(hi)).quantize(step, ROUND_CEILING))
