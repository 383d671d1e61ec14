"""Public numbers beside secret ones: how they are scaled into the plan, as exactly as the ring permits."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tercet.errors import PlanError
from tercet.plan.record.graph import Graph, Recorded
from tercet.plan.types import Type, ValueKind, bool_type
from tercet.ring import pack_bits, ring

DEFAULT_FRAC_BITS = 16
_INT64_MAX = (1 << 63) - 1


def check_unmasked(values: Any) -> None:
    """PlanError for public values some of which are masked."""
    if np.ma.is_masked(values):
        raise PlanError(
            "a public operand has masked values, and secret numbers beside them would not be masked",
            hint="fill them, as in values.filled(0), or leave them out",
        )


def public_array(values: Any) -> NDArray[Any]:
    """A public operand as bool, int64, object (large ints) or float64; ValueError or TypeError if it is none."""
    try:
        array = np.asarray(values)
    except ValueError:
        raise ValueError("a public operand is no array: its lists differ in length") from None
    check_unmasked(values)
    if array.dtype.kind == "f":
        array = array.astype(np.float64)
        if not np.isfinite(array).all():
            raise PlanError(
                "a public operand holds NaN or infinity, and secret numbers are always finite",
                hint="leave out what is below infinity anyway, and replace NaN before the computation",
            )
    elif array.dtype.kind in "iu":
        wide = array.dtype == np.uint64 and array.size > 0 and int(array.max()) > _INT64_MAX
        array = array.astype(object if wide else np.int64)
    elif array.dtype.kind == "O":
        if not all(isinstance(value, int) for value in array.reshape(-1)):
            raise TypeError("a public operand holds objects that are not numbers")
        if array.size and array.min() >= -_INT64_MAX and array.max() <= _INT64_MAX:
            array = array.astype(np.int64)
    elif array.dtype.kind != "b":
        raise TypeError(f"a public operand of dtype {array.dtype} is not numeric")
    return array


def exact_frac_bits(values: NDArray[Any]) -> int:
    """The fewest fractional bits at which every number is an integer."""
    if values.dtype.kind != "f" or not values.size:
        return 0
    mantissa, exponent = np.frexp(values)
    integers = np.ldexp(mantissa, 53).astype(np.int64)
    lowest = integers & -integers
    frac = 53 - exponent.astype(np.int64) - np.log2(np.where(lowest == 0, 1, lowest)).astype(np.int64)
    return max(0, int(np.max(np.where(integers == 0, 0, frac))))


def integers(values: NDArray[Any], frac_bits: int) -> NDArray[Any]:
    """The nearest integers to values * 2^frac_bits (int64, or Python ints where that is too narrow)."""
    if values.dtype.kind == "f":
        with np.errstate(over="ignore"):
            scaled = np.asarray(np.rint(np.ldexp(values, frac_bits)))
        if not scaled.size or np.max(np.abs(scaled)) < 2.0**62:
            return scaled.astype(np.int64)
        mantissa, exponent = np.frexp(values.reshape(-1))
        whole, shift = np.ldexp(mantissa, 53).astype(np.int64), exponent.astype(np.int64) + frac_bits - 53
        large = np.left_shift(whole.astype(object), np.maximum(shift, 0).astype(object))
        small = np.where(shift > 0, 0.0, scaled.reshape(-1)).astype(np.int64)
        return np.asarray(np.where(shift > 0, large, small.astype(object)), dtype=object).reshape(values.shape)
    if not frac_bits:
        return values
    return np.asarray(values.astype(object) * (1 << frac_bits), dtype=object)


def bounds_of(values: NDArray[Any]) -> tuple[int, int]:
    """The least and greatest of integers; (0, 0) if there are none."""
    return (int(values.min()), int(values.max())) if values.size else (0, 0)


def number_constant(graph: Graph, values: NDArray[Any], frac_bits: int, nominal: int, ring_bits: int) -> Recorded:
    """A constant of integers that are already scaled."""
    values = np.asarray(values)
    kind = ValueKind.FIXED if frac_bits else ValueKind.INT
    words = ring(ring_bits).from_ints(values)
    type = Type(kind, values.shape, ring_bits, frac_bits, nominal, *bounds_of(values))
    return graph.constant(type, np.ascontiguousarray(words).tobytes())


def bool_constant(graph: Graph, values: NDArray[Any]) -> Recorded:
    """A constant of bools."""
    packed = pack_bits(np.ascontiguousarray(values, dtype=bool).reshape(-1))
    return graph.constant(bool_type(values.shape), packed.tobytes())


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
