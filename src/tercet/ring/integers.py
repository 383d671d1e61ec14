"""Integers as callers bring them, before they become ring words."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray


def as_integers(values: ArrayLike) -> NDArray[Any]:
    """An array of booleans, of NumPy integers, or of Python ints in an object array; TypeError for other kinds."""
    array = np.asarray(values)
    if array.dtype.kind in "biu":
        return array
    if array.size == 0 and not isinstance(values, np.ndarray):
        return array.astype(np.int64)
    if array.dtype.kind == "f" and not isinstance(values, np.ndarray | np.generic):
        array = np.asarray(values, dtype=object)  # NumPy makes floats of Python ints that share no integer type
    if array.dtype.kind == "O":
        for value in array.flat:
            if not isinstance(value, int | np.integer | np.bool_):
                raise TypeError("ring words are made from integers; encode real numbers first")
        return array
    raise TypeError("ring words are made from integers; encode real numbers first")


def low_word(array: NDArray[Any]) -> NDArray[np.uint64]:
    """The 64 low bits of each integer, in two's complement."""
    if array.dtype.kind == "O":
        mask = (1 << 64) - 1
        flat = [int(value) & mask for value in array.flat]
        return np.array(flat, dtype=np.uint64).reshape(array.shape)
    return array.astype(np.uint64, order="C")
