"""Numbers over a secret power of two near the largest of them, as their bounds may be far wider than they are."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any, Final

import numpy as np

from tercet.array import numeric
from tercet.array.core import SecretArray
from tercet.learn.inputs import array_namespace
from tercet.learn.solve import RING_BITS

MOST_SHIFT: Final = 32
LOG_BITS: Final = 40


class SecretUnit:
    """A power of two that numbers are divided by: 1 unless something is given; of secret numbers it is secret.

    `power`: of the largest unit there may be, even; `inside`: for each of `shifts` but the first, whether numbers are
    below it by so many bits, 0 or 1.
    """

    def __init__(self, power: int = 0, shifts: tuple[int, ...] = (0,), inside: tuple[Any, ...] = ()) -> None:
        self.power, self._shifts, self._inside = power, shifts, inside

    def times(self, x: Any, exponent: float) -> Any:
        """x times this to an exponent, a multiple of a half; local but for one product where the unit is secret, for
        which x gives up fractional bits that would not fit the ring."""
        power = round(self.power * exponent)
        if not exponent or not self._inside:
            return _shifted(x, power) if power else x
        # a whole number times a power of two: 2^(rising - b exponent) for the b bits by which numbers are narrower
        rising = round(self._shifts[-1] * max(exponent, 0))
        heights = [1 << rising - round(shift * exponent) for shift in self._shifts]
        factor: Any = heights[0]
        for inside, (before, height) in zip(self._inside, pairwise(heights), strict=True):
            factor = factor + inside * (height - before)
        if isinstance(x, SecretArray):
            excess = numeric.magnitude_bits(x) + max(heights).bit_length() - RING_BITS
            x = numeric.at_most(x, max(0, numeric.as_integers(x)[1] - max(0, excess)))
        return _shifted(x * factor, power - rising)

    @property
    def logarithm(self) -> Any:
        """Its natural logarithm, at 40 fractional bits where it is secret."""
        bits: Any = 0
        for inside, (before, shift) in zip(self._inside, pairwise(self._shifts), strict=True):
            bits = bits + inside * (shift - before)
        if not self._inside:
            return self.power * math.log(2)
        lost = bits * round(math.log(2) * 2**LOG_BITS)
        return self.power * math.log(2) - numeric.times_power(lost, -LOG_BITS, LOG_BITS)


def _shifted(x: Any, power: int) -> Any:
    """x 2^power; bits of what is far below 1 that no scale has are rounded away before."""
    return numeric.times_power(numeric.at_most(x, max(0, RING_BITS + power)), power, RING_BITS)


def within_one(x: Any, frac_bits: int, apart: int = 2) -> tuple[Any, SecretUnit]:
    """x over its unit, in [-1, 1] at `frac_bits` fractional bits, and the unit, so that the largest of a secret x is
    2^-(1 + `apart`) or more, unless all are below 2^-32 of what bounds leave.

    By how much they are narrower is known of counts of all elements, which are compared with each 2^-`apart` (even) of
    the bounds: 16 comparisons an element at most, and two more.
    """
    if not isinstance(x, SecretArray):
        largest = float(np.max(np.abs(x), initial=0.0))
        power = int(np.frexp(largest)[1]) if largest != 1 else 0
        power += power % 2
        return np.ldexp(x, -power), SecretUnit(power)
    xp = array_namespace(x)
    whole, frac = numeric.as_integers(x)
    top = numeric.magnitude_bits(whole)
    top += (top - frac) % 2
    shifts = tuple(range(0, min(top, MOST_SHIFT + 1), apart))
    size = whole if numeric.value_range(whole)[0] >= 0 else xp.abs(whole)
    inside = tuple((xp.sum(size >= 1 << top - shift) == 0) * 1 for shift in shifts[1:])
    unit = SecretUnit(top - frac, shifts, inside)
    return numeric.held(unit.times(x, -1), -1, 1, frac_bits), unit
