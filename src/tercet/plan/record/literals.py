"""How a public number is read beside a secret array: as the array would store it."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tercet.plan.record.public import integers
from tercet.plan.types import Type, ValueKind

ONE = Fraction(1)
_EXACT = 1 << 52
_FAR = 2.0**160
"""Beyond every ring: of what is larger, only its sign counts."""


def thresholds(k: NDArray[Any], x: Type, divisor: Fraction = ONE) -> tuple[NDArray[Any], NDArray[Any]]:
    """The integers at, or next to, k * divisor * 2^frac_bits of x: below and above. Where they are equal k is one.

    The values compared are x's stored integers over divisor * 2^frac_bits, with a divisor above 0. Beside fixed point a
    number is first rounded to x's scale, as the encoder rounds values. Beside integers it is taken as it is. Beside a
    quotient it is read as the one quotient that is revealed as that number, if there is one; else as above.
    """
    if k.dtype.kind == "b":
        k = k.astype(np.int64)
    if divisor != ONE:
        return _beside_quotients(k, x, divisor)
    if k.dtype.kind != "f":
        values = _small(integers(k, x.frac_bits))
        return values, values
    with np.errstate(over="ignore"):
        scaled = np.asarray(np.clip(np.ldexp(k, x.frac_bits), -_FAR, _FAR))
    if x.kind is ValueKind.FIXED:
        values = _small(integers(scaled, 0))
        return values, values
    return _small(integers(np.floor(scaled), 0)), _small(integers(np.ceil(scaled), 0))


def _small(values: NDArray[Any]) -> NDArray[Any]:
    """int64 only where arithmetic on it cannot overflow."""
    values = np.asarray(values)
    if values.dtype == np.int64 and (not values.size or (values.max() < 1 << 61 and values.min() > -(1 << 61))):
        return values
    return values.astype(object)


def _beside_quotients(k: NDArray[Any], x: Type, divisor: Fraction) -> tuple[NDArray[Any], NDArray[Any]]:
    quick = _in_words(k, x, divisor)
    if quick is not None:
        return quick
    distinct, places = np.unique(k, return_inverse=True)
    exact = [read(value, x, divisor) for value in distinct.tolist()]
    below = np.array([value.numerator // value.denominator for value in exact], dtype=object)
    above = np.array([-(-value.numerator // value.denominator) for value in exact], dtype=object)
    places = places.reshape(k.shape)
    return np.asarray(below[places], dtype=object), np.asarray(above[places], dtype=object)


def _in_words(k: NDArray[Any], x: Type, divisor: Fraction) -> tuple[NDArray[Any], NDArray[Any]] | None:
    """What `read` gives for all at once, where int64 and float64 compute exactly; None where they may not."""
    scale = divisor * (1 << x.frac_bits)
    num, den = scale.numerator, scale.denominator
    largest = max(abs(int(k.max())), abs(int(k.min()))) + 1 if k.size and k.dtype != object else _EXACT
    if max(largest * num, num, den) * 2 * den >= _EXACT:
        return None
    if k.dtype.kind != "f":
        return k * num // den, -(-k * num // den)
    near = np.rint(k * num / den)
    shown = near * den / num  # correctly rounded, as both are exact
    below, above = np.where(k < shown, near - 1, near), np.where(k > shown, near + 1, near)
    if x.kind is ValueKind.FIXED:
        other = k != shown
        stored = np.rint(np.ldexp(k, x.frac_bits)) * divisor.numerator
        below = np.where(other, np.floor(stored / divisor.denominator), below)
        above = np.where(other, np.ceil(stored / divisor.denominator), above)
    return below.astype(np.int64), above.astype(np.int64)


def read(k: int | float, x: Type, divisor: Fraction = ONE, frac_bits: int | None = None) -> Fraction:
    """One public number in units of x's stored integers; see `thresholds`. `frac_bits`: in place of x's own scale."""
    scale = divisor * (1 << x.frac_bits)
    exact = Fraction(k) * scale
    if exact.denominator == 1 or isinstance(k, int):
        return exact
    if divisor != ONE:
        nearest = round(exact)
        if _revealed(nearest, scale) == k and k not in (_revealed(nearest - 1, scale), _revealed(nearest + 1, scale)):
            return Fraction(nearest)
    if x.kind is not ValueKind.FIXED:
        return exact
    own = x.frac_bits if frac_bits is None else frac_bits
    return Fraction(round(Fraction(k) * (1 << own)), 1 << own) * scale


def _revealed(stored: int, scale: Fraction) -> float:
    return stored * scale.denominator / scale.numerator
