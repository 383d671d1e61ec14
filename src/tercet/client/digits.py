"""Decimals with digits from what a source gives: times a power of ten they are whole numbers, exactly."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

_PRECISION = 38
"""Digits of Arrow's decimals of 128 bits: more than any bound that fits a ring of 128 bits."""
_SAFE = 1 << 51
"""Below this a float times a power of ten is near enough to its whole number to find it by rounding."""
_SAFE_DIGITS = 22
"""10^22 is the greatest power of ten that is a float."""
_LONG = r"[eE][+-]?[0-9]{4}|^.{100}"
"""Texts of numbers that Arrow's decimals are not asked to read: it ends the process for some exponents."""


def too_many_digits(array: pa.Array, digits: int) -> NDArray[np.bool_]:
    """Which numbers (as texts, floats, decimals or integers) have more than `digits` digits behind the point.

    A float is read as the shortest decimal number that is nearest to it: 0.1 has one digit.
    """
    if pa.types.is_floating(array.type):
        floats = array.to_numpy(zero_copy_only=False)
        whole = _rounded(floats, digits)
        if whole is not None:
            return np.asarray((whole / 10.0**digits).astype(floats.dtype) != floats)
    elif pa.types.is_integer(array.type) or pa.types.is_boolean(array.type) or _cast(array, digits) is not None:
        return np.zeros(len(array), np.bool_)
    return np.array([_exact(value, digits) is None for value in _decimals(array)], np.bool_)


def scaled(array: pa.Array, digits: int, lo: int, hi: int) -> tuple[NDArray[Any], NDArray[np.bool_]]:
    """Numbers times 10^digits, int64 or Python ints, and which of them lie outside lo to hi.

    None of them has more digits.
    """
    if pa.types.is_floating(array.type):
        whole = _rounded(array.to_numpy(zero_copy_only=False), digits)
        numbers: Any = None if whole is None else whole.astype(np.int64)
    else:
        decimals = _cast(array, digits)
        numbers = None if decimals is None else _unscaled(decimals)
    if numbers is None:
        numbers = np.empty(len(array), object)
        pairs = (_exact(value, digits) or (0, 0) for value in _decimals(array))
        # a power of ten beyond every bound is cut to one that is
        numbers[:] = [number * 10 ** min(power, _PRECISION + 1) for number, power in pairs]
    return numbers, np.asarray((numbers < lo) | (numbers > hi), np.bool_)


def _rounded(floats: NDArray[Any], digits: int) -> NDArray[np.float64] | None:
    """The whole numbers that are nearest to floats times 10^digits; None where floats cannot tell."""
    if digits > _SAFE_DIGITS:
        return None
    with np.errstate(over="ignore"):
        whole = np.rint(floats.astype(np.float64) * 10.0**digits)
    return whole if not whole.size or np.abs(whole).max() < _SAFE else None


def _cast(array: pa.Array, digits: int) -> pa.Array | None:
    """As Arrow's decimals; None if one has more digits, or is too large."""
    if pa.types.is_string(array.type) and pc.any(pc.match_substring_regex(array, _LONG)).as_py():
        return None
    try:
        if pa.types.is_boolean(array.type):
            array = array.cast(pa.int8())
        if pa.types.is_integer(array.type):
            array = array.cast(pa.decimal128(20, 0))
        return array.cast(pa.decimal128(_PRECISION, digits))
    except pa.ArrowInvalid:
        return None


def _unscaled(decimals: pa.Array) -> NDArray[Any]:
    """The whole numbers that Arrow stores for its decimals: 128 bits each, little-endian, in two's complement."""
    words = np.frombuffer(decimals.buffers()[1], np.dtype([("lo", "<u8"), ("hi", "<i8")]))
    words = words[decimals.offset : decimals.offset + len(decimals)]
    low = words["lo"].astype(np.int64)
    if (words["hi"] == low >> 63).all():
        return low
    wide: NDArray[Any] = words["lo"].astype(object) + words["hi"].astype(object) * (1 << 64)
    return wide


def _decimals(array: pa.Array) -> list[Decimal]:
    if pa.types.is_floating(array.type):
        return [Decimal(str(value)) for value in array.to_numpy(zero_copy_only=False)]
    if pa.types.is_string(array.type):
        # a longer exponent is none to Python
        array = pc.replace_substring_regex(array, r"([eE][+-]?)0*[1-9][0-9]{9,}$", r"\1999999999")
    return [Decimal(value) for value in array.to_pylist()]


def _exact(value: Decimal, digits: int) -> tuple[int, int] | None:
    """(number, power of ten) of a value times 10^digits; None if it is no whole number."""
    sign, figures, exponent = value.as_tuple()
    if not any(figures):
        return 0, 0
    text = "".join(map(str, figures))
    shown = text.rstrip("0")
    power = int(exponent) + len(text) - len(shown) + digits
    if power < 0:
        return None
    number = int(shown) if len(shown) <= _PRECISION else 10**_PRECISION  # which is beyond every bound as well
    return (-number if sign else number), power
