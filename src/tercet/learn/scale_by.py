"""Division of columns by secret scales (deviations, ranges) that keeps its relative precision, whatever the scales are.

A scale s is given by its square as stored integers V, so that deviations need no root. A secret power of two v brings
V into [1/4, 1) of a public power of two; 1 / s is v times the inverse root of what is left.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Final

import numpy as np

from tercet.array import functions, numeric
from tercet.array.core import SecretArray
from tercet.learn.inputs import array_namespace
from tercet.learn.reasons import SQUARED
from tercet.plan.table.reasons import Reason

FRAC_BITS: Final = 30
"""Of what is left of a square, and of scales."""
ROOT_FRAC_BITS: Final = 28
OUT_FRAC_BITS: Final = 24
_WORD_BITS: Final = 62
"""Of products that stay in 64 bits."""


@dataclass(frozen=True)
class Scales:
    """Secret scales of columns, 1 where the given square is 0: 1 / s = `multiple` `power` `root` / 2^`exponents`.

    `power` (d,) is a power of two; `root` (d,) lies in [1, 2]; `multiple` and `exponents` (d,) are public.
    """

    power: Any
    root: Any
    multiple: int
    exponents: list[int]
    scale: Any
    """s itself, at 30 fractional bits."""

    @classmethod
    def of_squares(cls, squares: Any, fracs: list[int], divisor: Fraction) -> Scales:
        """Of integers V, not negative: s^2 = V / (4^fracs[j] divisor^2) for column j. About 40 rounds for all columns.

        `divisor` is a whole number.
        """
        xp = array_namespace(squares)
        bits = numeric.top_bits(squares)
        half, top, whole = bits // 2, 1 << bits, int(divisor)
        constant = squares == 0
        power, complement = numeric.half_normaliser(squares, bits)
        once = numeric.product_within(squares, power, 0, top, SQUARED)
        left = numeric.product_within(once, power, 0, top, SQUARED)
        left = xp.clip(numeric.at_precision(numeric.times_power(left, -bits, FRAC_BITS), FRAC_BITS), 0.25, 1)
        inverse = functions.rsqrt(left)
        # of a constant column, whose scale is 1, the power is that of the least number that `multiple` does not exceed
        more = max(0, max(fracs) - half, whole.bit_length() + max(fracs) - half)
        exponents = [half - frac + more for frac in fracs]
        own = at_scales(xp, numeric.at_precision(complement * (left * inverse), FRAC_BITS), fracs)
        ones = [Fraction(1 << one, whole) for one in exponents]
        units = [1 << (one.numerator // one.denominator).bit_length() - 1 for one in ones]
        rest = np.asarray([float(one / unit) for one, unit in zip(ones, units, strict=True)])
        return cls(
            xp.where(constant, np.asarray(units), power * (1 << more)),
            numeric.at_precision(xp.where(constant, rest, inverse), ROOT_FRAC_BITS),
            whole,
            exponents,
            xp.where(constant, 1.0, numeric.over(own, Fraction(whole))),
        )

    def cut(self, first: int, end: int) -> Scales:
        """Those of some of the columns."""
        part = slice(first, end)
        return Scales(self.power[part], self.root[part], self.multiple, self.exponents[part], self.scale[part])

    def divide(self, x: Any, reach: int, reason: Reason) -> Any:
        """x / s (n, d) at 24 fractional bits, where it is known, for a reason, that |x| <= `reach` s.

        Two products an element, of 64 bits where digits and the spread of scales leave room. Error: 2^-23, and 2^-28
        relative.
        """
        exponent, power = max(self.exponents), self.power
        if len(set(self.exponents)) > 1:
            power = power * np.asarray([1 << (exponent - one) for one in self.exponents])
        if not isinstance(x, SecretArray):
            return x * power * self.root * self.multiple / 2.0**exponent
        number, divisor = numeric.numerator(x)
        ratio = self.multiple / divisor
        whole, frac = numeric.as_integers(number)
        if ratio.numerator > 1:
            power = power * ratio.numerator
        most = reach * ratio.denominator << exponent + frac
        product = numeric.product_within(whole, power, -most, most, reason)
        coarse_bits = max(OUT_FRAC_BITS - 2, min(FRAC_BITS, _WORD_BITS - ROOT_FRAC_BITS - 1 - reach.bit_length()))
        coarse = numeric.at_precision(numeric.times_power(product, -exponent - frac, coarse_bits), coarse_bits)
        return numeric.over(numeric.at_precision(coarse * self.root, OUT_FRAC_BITS), Fraction(ratio.denominator))


def at_scales(xp: Any, x: Any, fracs: list[int]) -> Any:
    """Numbers of columns (d,) over 2^fracs[j]."""
    if len(set(fracs)) == 1:
        return numeric.times_power(x, -fracs[0], FRAC_BITS)
    return xp.concat([numeric.times_power(x[at : at + 1], -frac, FRAC_BITS) for at, frac in enumerate(fracs)])
