"""From stored integers to the numbers they stand for, each rounded once at most."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tercet.plan.types import Kind, Type

_EXACT = 1 << 53
"""Integers up to here are float64 numbers."""


def decoded(stored: NDArray[Any], type: Type, divisor: Fraction) -> NDArray[Any]:
    """stored / 2^frac_bits / divisor: bools, integers as they are, or the nearest float64 of the exact quotient."""
    if type.is_bool:
        return np.asarray(stored, dtype=bool)
    if divisor == 1 and type.kind is Kind.INT:
        narrow = type.magnitude < 1 << 63
        return np.asarray(stored, dtype=np.int64) if narrow else np.asarray(stored, dtype=object)
    factor, whole = divisor.denominator, divisor.numerator
    shift = type.frac_bits
    if type.magnitude * factor < _EXACT and abs(whole) < _EXACT and shift < 900:
        quotient = np.asarray(stored, dtype=np.float64) * float(factor) / float(whole)
        return np.ldexp(quotient, -shift)
    sign = -1 if whole < 0 else 1
    below = abs(whole) << shift
    flat = np.asarray(stored, dtype=object).reshape(-1)
    result = np.array([sign * int(value) * factor / below for value in flat], dtype=np.float64)
    return result.reshape(np.shape(stored))
