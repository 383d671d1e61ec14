"""Numbers and arrays (NumPy, lists, pandas, pyarrow) as typed ring words, and back.

Every value is checked before anything is split or sent; errors name the position, never the value.
"""

from __future__ import annotations

import math
import operator
import sys
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tercet.errors import InputError
from tercet.plan.types import MAX_FRAC_BITS, Type, ValueKind, bool_type, smallest_ring
from tercet.ring import encode, pack_bits, ring, unpack_bits

DEFAULT_INT_BOUND = (1 << 31) - 1
"""Integers without declared bounds lie in [-(2^31 - 1), 2^31 - 1]."""
DEFAULT_FLOAT_BOUND = 1 << 20
"""Real numbers without declared bounds lie in [-2^20, 2^20]."""
DEFAULT_FRAC_BITS = 16
_FILL = (
    "leave it out, or share a number in its place and which are there as bools; tables at nodes take nullable columns"
)

_CONVERT = "convert it, as by float(); texts, dates and exact decimals are columns of tables at nodes"

Bound = int | float
_INT64 = np.iinfo(np.int64)


@dataclass(frozen=True, slots=True)
class Encoded:
    """An array that is ready to be split: its words (packed bits for bools), type, and declared bounds."""

    words: NDArray[Any] = field(repr=False)
    type: Type
    bounds: tuple[Bound, Bound]


def encode_array(values: Any, bounds: tuple[Any, Any] | None = None, frac_bits: int | None = None) -> Encoded:
    """Check and encode an array that is to be shared. Called by the owner.

    Booleans become secret bools; integers, with `frac_bits` None or 0, exact secret integers; anything else fixed point
    with `frac_bits` fractional bits (16 by default), each value rounded to the nearest. `frac_bits=0` asks for exact
    integers: floats are then accepted where they are whole numbers. `bounds` are public, inclusive and become part of
    the type; the defaults are +-(2^31 - 1) for integers and +-2^20 for floats.

    Raises InputError for a value outside the bounds, a missing value, NaN, infinity, or what is not a number.
    """
    array = as_numbers(values)
    if frac_bits is not None:
        if isinstance(frac_bits, bool) or not hasattr(frac_bits, "__index__"):
            raise InputError(f"frac_bits is {frac_bits!r}; it counts bits", hint="pass a whole number, such as 16")
        frac_bits = operator.index(frac_bits)
        if not 0 <= frac_bits <= MAX_FRAC_BITS:
            raise InputError(f"frac_bits is {frac_bits}; it lies in 0 to {MAX_FRAC_BITS}")
    if array.dtype.kind == "b":
        return _bools(array, bounds, frac_bits)
    exact = array.dtype.kind != "f"
    if frac_bits is None:
        frac_bits = 0 if exact else DEFAULT_FRAC_BITS
    declared = bounds is not None
    default = DEFAULT_INT_BOUND if exact else DEFAULT_FLOAT_BOUND
    lo, hi = (-default, default) if bounds is None else _bounds(bounds)
    _check(array, lo, hi, declared)
    if not exact and not frac_bits:
        array = _whole(array)
    kind = ValueKind.FIXED if frac_bits else ValueKind.INT
    stored_lo, stored_hi = (_scaled(lo, frac_bits), _scaled(hi, frac_bits)) if frac_bits else _inside(lo, hi)
    ring_bits = smallest_ring(stored_lo, stored_hi)
    if ring_bits is None:
        raise InputError(
            f"bounds [{lo}, {hi}] with {frac_bits} fractional bits do not fit 128 bits",
            hint="declare narrower bounds or fewer frac_bits",
        )
    t = Type(kind, array.shape, ring_bits, frac_bits, frac_bits, stored_lo, stored_hi)
    return Encoded(encode(array, frac_bits, ring(ring_bits)), t, (lo, hi))


def stored_values(words: NDArray[Any], t: Type) -> NDArray[Any]:
    """The stored integers of a revealed value (int64, or Python ints beyond it), or its bools, in its shape."""
    if t.is_bool:
        return unpack_bits(words, t.size).astype(np.bool_).reshape(t.shape)
    words = words.reshape(t.shape)
    if t.ring == 64:
        return words.view(np.int64)
    if t.lo < _INT64.min or t.hi > _INT64.max:
        return ring(t.ring).to_ints(words).astype(object)
    return np.ascontiguousarray(words["lo"]).view(np.int64).reshape(t.shape)


def decode_words(words: NDArray[Any], t: Type) -> Any:
    """The plain array of a revealed value: bools, integers (int64, or Python ints where its bounds go beyond), float64.

    As in NumPy, what has no dimension comes as a scalar.
    """
    if t.kind is ValueKind.FIXED:
        return ring(t.ring).to_float(words.reshape(t.shape), t.frac_bits)[()]
    return stored_values(words, t)[()]


def as_numbers(values: Any) -> NDArray[Any]:
    """An array of bools, integers (Python ints in an object array where they are large) or floats."""
    array = _as_array(values)
    kind = array.dtype.kind
    if kind == "O":
        return _objects(array)
    if kind == "f":
        if not isinstance(values, np.ndarray | np.generic) and isinstance(values, list | tuple):
            # NumPy turns Python ints that fit no common integer type into floats; here they stay exact
            objects = np.asarray(values, dtype=object)
            if all(isinstance(value, int | np.integer) for value in objects.flat) and objects.size:
                return objects
        return np.asarray(array, dtype=np.float64)
    if kind in "biu":
        return array
    if kind in "US" and isinstance(values, list | tuple):
        return _objects(np.asarray(values, dtype=object))  # its error names the first that is no number
    raise InputError(
        f"values of type {array.dtype} are not numbers", hint="pass bools, integers or floats, or encode them first"
    )


def _as_array(values: Any) -> NDArray[Any]:
    if isinstance(values, np.ma.MaskedArray):
        mask = np.ma.getmaskarray(values)
        _refuse(mask, "is missing", _FILL)
        return np.asarray(values.data)
    library = type(values).__module__.partition(".")[0]
    try:
        if library == "pandas" and hasattr(values, "to_numpy"):
            return np.asarray(values.to_numpy())
        if library == "pyarrow" and hasattr(values, "as_py"):
            return np.asarray(values.as_py())
        if hasattr(values, "__array__") or isinstance(values, bool | int | float | list | tuple | range):
            # pyarrow and polars offer __array__ too; nulls become NaN or None, and are refused as such
            return np.asarray(values)
        if hasattr(values, "__arrow_array__") or hasattr(values, "__arrow_c_array__"):
            import pyarrow

            return np.asarray(pyarrow.array(values))
        if hasattr(values, "to_numpy"):
            return np.asarray(values.to_numpy())
        return np.asarray(values)
    except ValueError:
        raise InputError("the values do not form an array: nested lists must have equal lengths") from None


def _objects(array: NDArray[Any]) -> NDArray[Any]:
    """Python objects: all bools, all integers, or integers and floats; anything else is refused by position."""
    pandas_na = getattr(sys.modules.get("pandas"), "NA", None)
    flat: list[Any] = [None if value is pandas_na else value for value in array.flat]
    number = np.array([isinstance(value, bool | int | float | np.number | np.bool_) for value in flat], np.bool_)
    missing = np.array([value is None for value in flat], np.bool_)
    _refuse(missing.reshape(array.shape), "is missing", _FILL)
    _refuse(~number.reshape(array.shape), "is not a bool, integer or float", _CONVERT)
    if flat and all(isinstance(value, bool | np.bool_) for value in flat):
        return np.array(flat, np.bool_).reshape(array.shape)
    if all(isinstance(value, int | np.integer | np.bool_) for value in flat):
        objects = np.empty(len(flat), object)
        objects[:] = [int(value) for value in flat]
        return objects.reshape(array.shape)
    if any(isinstance(value, np.complexfloating) for value in flat):
        raise InputError("values of complex type are not shared", hint="share the real and imaginary parts")
    try:
        return np.array([float(value) for value in flat], np.float64).reshape(array.shape)
    except OverflowError:
        raise InputError("an integer among floats is too large", hint="share integers and floats apart") from None


def _bools(array: NDArray[Any], bounds: tuple[Any, Any] | None, frac_bits: int | None) -> Encoded:
    if frac_bits:
        raise InputError("bools have no fractional bits", hint="convert them to numbers before sharing")
    if bounds is not None and _bounds(bounds) != (0, 1):
        raise InputError("bools have the bounds (0, 1)", hint="convert them to integers before sharing")
    return Encoded(pack_bits(np.ascontiguousarray(array).reshape(-1)), bool_type(array.shape), (0, 1))


def _bounds(bounds: tuple[Any, Any]) -> tuple[Bound, Bound]:
    try:
        lo, hi = bounds
    except (TypeError, ValueError):
        raise InputError("bounds are a pair (lo, hi)") from None
    pair: list[Bound] = []
    for bound in (lo, hi):
        if isinstance(bound, int | np.integer | np.bool_):
            pair.append(int(bound))
        elif isinstance(bound, float | np.floating) and math.isfinite(bound):
            pair.append(int(bound) if float(bound).is_integer() else float(bound))
        else:
            raise InputError("bounds are two finite numbers (lo, hi)")
    if pair[0] > pair[1]:
        raise InputError(f"bounds are (lo, hi) with lo <= hi, not ({pair[0]}, {pair[1]})")
    return pair[0], pair[1]


def _check(array: NDArray[Any], lo: Bound, hi: Bound, declared: bool) -> None:
    if array.dtype.kind == "O":
        bad = np.array([not lo <= value <= hi for value in array.flat], np.bool_).reshape(array.shape)
    elif array.dtype.kind == "f":
        _refuse(np.isnan(array), "is missing or NaN", _FILL)
        _refuse(np.isinf(array), "is infinite")
        bad = (array < _float_at_least(lo)) | (array > -_float_at_least(-hi))
    else:
        bad = (array < math.ceil(lo)) | (array > math.floor(hi))
    which = "the declared" if declared else "the default"
    hint = "correct it, or declare wider bounds" if declared else "pass bounds=(lo, hi) that all values lie in"
    _refuse(np.asarray(bad), f"is outside {which} bounds [{lo}, {hi}]", hint)


def _float_at_least(bound: Bound) -> float:
    """The smallest float that is not below the bound."""
    try:
        nearest = float(bound)
    except OverflowError:
        return math.inf if bound > 0 else -sys.float_info.max
    return nearest if nearest >= bound else math.nextafter(nearest, math.inf)


def _scaled(bound: Bound, frac_bits: int) -> int:
    """The bound as a stored integer: rounded as values are, to the nearest, half to even."""
    if isinstance(bound, int):
        return bound << frac_bits
    numerator, denominator = bound.as_integer_ratio()
    quotient, rest = divmod(numerator << frac_bits, denominator)
    return quotient + (2 * rest > denominator or (2 * rest == denominator and quotient & 1))


def _inside(lo: Bound, hi: Bound) -> tuple[int, int]:
    first, last = math.ceil(lo), math.floor(hi)
    if first > last:
        raise InputError(f"no integer lies within the bounds [{lo}, {hi}]")
    return first, last


def _whole(array: NDArray[np.float64]) -> NDArray[Any]:
    _refuse(array != np.rint(array), "is no whole number, as frac_bits=0 asks", "leave frac_bits out, or round first")
    if array.size and float(np.abs(array).max()) >= 2.0**63:
        objects = np.empty(array.size, object)
        objects[:] = [int(value) for value in array.flat]
        return objects.reshape(array.shape)
    return array.astype(np.int64)


def _refuse(bad: NDArray[np.bool_], why: str, hint: str = "") -> None:
    if bad.any():
        at = np.unravel_index(int(np.argmax(bad)), bad.shape)
        position = ", ".join(str(int(i)) for i in at)
        where = f" at position {position if len(at) == 1 else f'({position})'}" if at else ""
        raise InputError(f"the value{where} {why}", hint=hint)
