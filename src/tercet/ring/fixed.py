"""Fixed point: a real number is the ring word nearest to it times 2^frac_bits."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from tercet.errors import InputError
from tercet.ring.integers import as_integers
from tercet.ring.ring import Ring, Words


def encode(values: ArrayLike, frac_bits: int, ring: Ring) -> Words:
    """The words of `values`: real numbers rounded half to even, exactly; integers and booleans exactly.

    Called by owners. InputError, naming the position and never the value, for what is not finite or lies outside the
    ring's signed range.
    """
    array = np.asarray(values)
    if array.dtype.kind == "f" and array.dtype.itemsize <= 8:
        return _encode_floats(array.astype(np.float64, order="C"), frac_bits, ring)
    array = as_integers(values)
    limit = 1 << max(ring.bits - 1 - frac_bits, 0)
    if array.dtype.kind == "O":
        outside = np.array([not -limit <= int(value) < limit for value in array.flat], np.bool_).reshape(array.shape)
        _refuse(outside, "is outside the range of the ring")
    elif array.dtype.kind != "b" and limit <= np.iinfo(array.dtype).max:
        outside = array >= limit
        if array.dtype.kind == "i":
            outside |= array < -limit
        _refuse(outside, "is outside the range of the ring")
    return ring.shl(ring.from_ints(array), frac_bits)


def decode(words: Words, frac_bits: int, ring: Ring) -> NDArray[np.float64]:
    """The real numbers of `words`, each rounded to the nearest float64."""
    return ring.to_float(words, frac_bits)


def _encode_floats(values: NDArray[np.float64], frac_bits: int, ring: Ring) -> Words:
    _refuse(~np.isfinite(values), "is not a finite number")
    with np.errstate(over="ignore"):
        scaled = np.asarray(np.rint(values * 2.0**frac_bits))  # times a power of two is exact, so this rounds once
    limit = 2.0 ** (ring.bits - 1)
    _refuse((scaled >= limit) | (scaled < -limit), "is outside the range of the ring")
    words = np.empty(values.shape, ring.dtype)
    ring.native.from_float(scaled, words)
    return words


def _refuse(bad: NDArray[np.bool_], why: str) -> None:
    if bad.any():
        at = np.unravel_index(int(np.argmax(bad)), bad.shape)
        position = ", ".join(str(int(i)) for i in at)
        raise InputError(f"the value at position ({position}) {why}", hint="correct it, or declare wider bounds")
