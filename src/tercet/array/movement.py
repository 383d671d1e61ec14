"""Moving elements of recorded values: shapes, axes, public indices. No value changes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tercet.array import given
from tercet.plan.record import build
from tercet.plan.record.graph import Recorded
from tercet.plan.record.public import number_constant
from tercet.plan.table.attributes import Axis, AxisOrder, NewShape, Ranges

Shape = tuple[int, ...]


def normal_axis(axis: Any, ndim: int) -> int:
    """A public axis as 0 <= axis < ndim. TypeError or IndexError if it is none."""
    at = given.integer(axis, "an axis")
    if not -ndim <= at < ndim:
        raise IndexError(f"axis {at} of an array of {ndim} dimensions")
    return int(at % ndim)


def normal_axes(axis: Any, ndim: int) -> tuple[int, ...]:
    """Axes that a reduction takes: None for all, one, or several. ValueError if one is given twice."""
    if axis is None:
        return tuple(range(ndim))
    given = axis if isinstance(axis, tuple | list) else (axis,)
    axes = tuple(normal_axis(one, ndim) for one in given)
    if len(set(axes)) != len(axes):
        raise ValueError(f"an axis is given twice: {axis}")
    return tuple(sorted(axes))


def reshape(x: Recorded, shape: Shape) -> Recorded:
    return x if x.type.shape == shape else x.graph.node("reshape", (x,), NewShape(shape))


def full_shape(size: int, shape: Sequence[int]) -> Shape:
    """A requested shape with its -1 filled in."""
    wanted = tuple(given.integer(length, "a length") for length in shape)
    unknown = [axis for axis, length in enumerate(wanted) if length == -1]
    if unknown:
        known = math.prod(length for length in wanted if length != -1)
        if len(unknown) > 1 or not known or size % known:
            raise ValueError(f"an array of {size} elements has no shape {wanted}")
        wanted = tuple(size // known if length == -1 else length for length in wanted)
    if math.prod(wanted) != size or any(length < 0 for length in wanted):
        raise ValueError(f"an array of {size} elements has no shape {wanted}")
    return wanted


def permute(x: Recorded, axes: Sequence[int]) -> Recorded:
    return x if tuple(axes) == tuple(range(len(axes))) else x.graph.node("permute", (x,), AxisOrder(tuple(axes)))


def with_axis_kept(x: Recorded, axes: Sequence[int], ndim: int) -> Recorded:
    """A reduction's result with the axes it took back as length 1."""
    rest = iter(x.type.shape)
    return reshape(x, tuple(1 if axis in axes else next(rest) for axis in range(ndim)))


def cut(x: Recorded, slices: Sequence[slice]) -> Recorded:
    """x[slices], one slice for each of the first axes."""
    ranges: list[tuple[int, int, int]] = []
    whole = True
    for axis, length in enumerate(x.type.shape):
        piece = slices[axis] if axis < len(slices) else slice(None)
        start, stop, step = piece.indices(length)
        count = len(range(start, stop, step))
        if not count:
            start, step = 0, 1
        whole = whole and (start, count, step) == (0, length, 1)
        ranges.append((start, count, step))
    return x if whole else x.graph.node("slice", (x,), Ranges(tuple(ranges)))


def take(x: Recorded, indices: NDArray[Any], axis: int) -> Recorded:
    """Elements at public indices of one axis; negative ones count from its end. IndexError outside of it."""
    length = x.type.shape[axis]
    where = given.places(indices, "indices")
    if where.size and (where.min() < -length or where.max() >= length):
        raise IndexError(f"indices reach from {where.min()} to {where.max()} on an axis of {length} elements")
    where = np.where(where < 0, where + length, where)
    constant = number_constant(x.graph, where.reshape(-1), 0, 0, 64)
    result = x.graph.node("take", (x, constant), Axis(axis))
    return reshape(result, (*x.type.shape[:axis], *where.shape, *x.type.shape[axis + 1 :]))


def take_flat(x: Recorded, positions: NDArray[Any]) -> Recorded:
    """Elements at public positions of the array read flat, in the positions' shape."""
    return take(reshape(x, (x.type.size,)), positions, 0)


def concat(nodes: Sequence[Recorded], axis: int) -> Recorded:
    """Arrays one after the other along an axis; bools stay bools if all are."""
    if len(nodes) == 1:
        return nodes[0]
    if not all(x.type.is_bool for x in nodes):
        nodes = build.same_place([build.number(x) for x in nodes])
    return nodes[0].graph.node("concat", tuple(nodes), Axis(axis))


def index(x: Recorded, key: Any) -> Recorded:
    """x[key] for public integers, slices, None, Ellipsis, and public integer or boolean arrays, as NumPy has it."""
    parts = [_public(part) for part in key] if isinstance(key, tuple) else [_public(key)]
    arrays = [at for at, part in enumerate(parts) if _is_array(part)]
    if not arrays:
        return _basic(x, parts)
    if len(arrays) == 1 and all(_is_array(part) or isinstance(part, slice) or part is Ellipsis for part in parts):
        chosen = np.asarray(parts[arrays[0]])
        if chosen.ndim == 1 or chosen.dtype.kind != "b":
            return _one_axis(x, parts, chosen)
    positions = np.arange(x.type.size).reshape(x.type.shape)[tuple(parts)]
    return take_flat(x, np.asarray(positions))


def _public(part: Any) -> Any:
    """An array, a range, a column of a table and the like as an array; everything else as it is."""
    listed = isinstance(part, np.ndarray | range) or (hasattr(part, "__array__") and not hasattr(part, "__index__"))
    return given.array(part, "indices") if listed else part


def _is_array(part: Any) -> bool:
    return isinstance(part, np.ndarray | list | bool | np.bool_)


def _basic(x: Recorded, parts: list[Any]) -> Recorded:
    axes = _spread(parts, len(x.type.shape))
    slices: list[slice] = []
    shape: list[int] = []
    axis = 0
    for part in axes:
        if part is None:
            shape.append(1)
            continue
        length = x.type.shape[axis]
        if isinstance(part, slice):
            slices.append(part)
            shape.append(len(range(*part.indices(length))))
        else:
            if not hasattr(part, "__index__"):
                raise TypeError(
                    f"an index is a public integer, slice, None, Ellipsis or public array, not {type(part).__name__}"
                )
            at = part.__index__()
            if not -length <= at < length:
                raise IndexError(f"index {at} is outside axis {axis} of {length} elements")
            slices.append(slice(at % length, at % length + 1))
        axis += 1
    return reshape(cut(x, slices), tuple(shape))


def _spread(parts: list[Any], ndim: int) -> list[Any]:
    """The parts with the Ellipsis, given or implied, written out as full slices."""
    used = sum(1 for part in parts if part is not None and part is not Ellipsis)
    dots = [at for at, part in enumerate(parts) if part is Ellipsis]
    if len(dots) > 1:
        raise IndexError("an index has at most one Ellipsis")
    if used > ndim:
        raise IndexError(f"{used} indices for an array of {ndim} dimensions")
    at = dots[0] if dots else len(parts)
    return [*parts[:at], *[slice(None)] * (ndim - used), *parts[at + 1 :]]


def _one_axis(x: Recorded, parts: list[Any], chosen: NDArray[Any]) -> Recorded:
    axes = _spread(parts, len(x.type.shape))
    axis = next(at for at, part in enumerate(axes) if _is_array(part))
    length = x.type.shape[axis]
    if chosen.dtype.kind == "b":
        if chosen.shape != (length,):
            raise IndexError(f"a mask of {chosen.size} elements on an axis of {length}")
        chosen = np.flatnonzero(chosen)
    elif chosen.dtype.kind not in "iu" and chosen.size:
        raise IndexError(f"indices are integers or bools, not {chosen.dtype}")
    x = cut(x, [slice(None) if at == axis else part for at, part in enumerate(axes)])
    return take(x, chosen, axis)
