"""Arrays of ring words, packed bits and bytes: their types, kernels, and how they are made and joined.

Protocols use these functions, the methods of `Ring`, and the operators, slices and reshapes of arrays, and no array
library: a ring whose words lie on another device brings its own arrays, and these functions follow their operands.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from tercet.ring._native import Kernels, kernels
from tercet.ring._native import retain_freed_memory as _retain_freed_memory

if sys.byteorder != "little":
    # shares, seeds and messages are read as little-endian words everywhere
    raise ImportError("tercet runs on little-endian processors only, such as x86-64 and 64-bit Arm")

NATIVE: Final[Kernels] = kernels()
"""The kernels for this machine, chosen once by what its processor can do."""

Array = NDArray[Any]
"""Ring words, or an array of any of the kinds below."""
Bits = NDArray[np.uint64]
"""Packed bits, 64 to a word, in the last axis."""
Bytes = NDArray[np.uint8]
"""Flat bytes, as they are drawn and sent."""
Flags = NDArray[np.bool_]
"""Plain booleans."""

Shape = int | tuple[int, ...]
_UINT8 = np.dtype(np.uint8)


def empty_bits(shape: Shape) -> Bits:
    """Packed bits of any value, to be filled; `shape` counts words in the last axis."""
    return np.empty(shape, np.uint64)


def zero_bits(shape: Shape) -> Bits:
    """Packed bits that are all 0; `shape` counts words in the last axis."""
    return np.zeros(shape, np.uint64)


def empty_bytes(shape: Shape) -> Bytes:
    """Bytes of any value, to be filled."""
    return np.empty(shape, np.uint8)


def bytes_view(array: Array) -> Bytes:
    """The memory of a contiguous array as flat bytes, to be read or filled. ValueError for other arrays."""
    if array.dtype.names is not None:  # a view of a structured type is checked in Python, field by field
        return np.ndarray((array.nbytes,), _UINT8, array)
    flat = array if array.ndim == 1 else array.reshape(-1, copy=False)
    return flat.view(_UINT8)


def bytes_of(buffer: bytes | bytearray | memoryview) -> Bytes:
    """The bytes of a buffer, a view that cannot be written to if the buffer cannot."""
    return np.frombuffer(buffer, np.uint8)


def as_bits(array: Array) -> Bits:
    """Ring words, or a multiple of 8 bytes, as words of packed bits; a view."""
    return array.view(np.uint64)


def index_array(indices: Sequence[int]) -> NDArray[np.int64]:
    """Places along an axis, to index with as often as wanted: a list of them is converted every time."""
    found = np.array(indices, np.int64)
    found.setflags(write=False)
    return found


def concatenate(parts: Sequence[Array], axis: int = 0) -> Array:
    """Arrays of one kind behind each other along an axis."""
    dtype = parts[0].dtype
    if dtype.names is not None:  # NumPy would look for a common type in Python, field by field
        return np.concatenate(parts, axis=axis, dtype=dtype)
    return np.concatenate(parts, axis=axis)


def stack(parts: Sequence[Array], axis: int = 0) -> Array:
    """Arrays of one kind and shape along a new axis."""
    return concatenate([part[None] for part in parts]) if axis == 0 else np.stack(parts, axis=axis)


def move_axis(array: Array, source: int, target: int) -> Array:
    """A view in which one axis stands at another place, and the others keep their order."""
    return np.moveaxis(array, source, target)


def contiguous(array: Array) -> Array:
    """The array itself if it lies in memory without gaps in the order of its indices, else a copy that does."""
    return np.ascontiguousarray(array)


def broadcast(array: Array, shape: tuple[int, ...]) -> Array:
    """The array repeated to a shape that it broadcasts to, without gaps in memory. ValueError for other shapes."""
    return np.ascontiguousarray(np.broadcast_to(array, shape))


def broadcast_shape(*shapes: tuple[int, ...]) -> tuple[int, ...]:
    """The shape that arrays of these shapes broadcast to. ValueError if they do not."""
    return np.broadcast_shapes(*shapes)


def equal(a: Array, b: Array) -> bool:
    """Whether two arrays have one shape and the same elements."""
    return np.array_equal(a, b)


def xor_reduce(bits: Bits, axis: int, out: Bits | None = None) -> Bits:
    """The XOR along an axis of packed bits, which is not the last."""
    result: Bits = np.bitwise_xor.reduce(bits, axis=axis, out=out)
    return result


def xor_accumulate(bits: Bits, axis: int) -> Bits:
    """The XOR of each word and all before it along an axis of packed bits."""
    result: Bits = np.bitwise_xor.accumulate(bits, axis=axis)
    return result


def complement(bits: Bits) -> None:
    """Turn over every bit, in place."""
    np.invert(bits, out=bits)


def retain_freed_memory(keep_bytes: int = 512 << 20) -> bool:
    """Let this process keep up to `keep_bytes` of freed memory for its next arrays; True if the C library agreed.

    For whoever owns the process (a node, a benchmark) to call once at its start: it holds for the whole process. Fresh
    pages cost up to ten times what the kernel that fills them does, and glibc gives freed memory back at once.
    """
    return _retain_freed_memory(keep_bytes)
