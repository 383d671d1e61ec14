"""The standard's manipulation and indexing functions; axes, shapes and indices are public, nothing is sent."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tercet.array import given, movement
from tercet.array.core import ONE, SecretArray, operand, secret_array, session_of
from tercet.array.dispatch import array_function
from tercet.array.elementwise import shared, shared_bools
from tercet.array.lookup import along_axis, lookup
from tercet.plan.record import build
from tercet.plan.record.graph import Recorded
from tercet.plan.table import operation


@array_function
def reshape(x: SecretArray, /, shape: int | Sequence[int], *, copy: bool | None = None) -> SecretArray:
    """The same elements in the same order in another shape; one length may be -1."""
    wanted = given.integers(shape, "a length")
    return x._moved(lambda a: movement.reshape(a, movement.full_shape(x.size, wanted)))


@array_function
def permute_dims(x: SecretArray, /, axes: Sequence[int]) -> SecretArray:
    """Axes in another order."""
    order = tuple(movement.normal_axis(axis, x.ndim) for axis in given.several(axes, "permute_dims", "axes"))
    if sorted(order) != list(range(x.ndim)):
        raise ValueError(f"axes {tuple(axes)} do not permute {x.ndim} dimensions")
    return x._moved(lambda a: movement.permute(a, order))


@array_function
def matrix_transpose(x: SecretArray, /) -> SecretArray:
    """The last two axes exchanged."""
    return x.mT


@array_function
def moveaxis(x: SecretArray, source: int | Sequence[int], destination: int | Sequence[int], /) -> SecretArray:
    """Axes moved to other places, the others in their order."""
    sources = _several(source, x.ndim)
    targets = _several(destination, x.ndim)
    if len(sources) != len(targets) or len(set(sources)) != len(sources) or len(set(targets)) != len(targets):
        raise ValueError("moveaxis takes as many different sources as destinations")
    order = [axis for axis in range(x.ndim) if axis not in sources]
    for target, axis in sorted(zip(targets, sources, strict=True)):
        order.insert(target, axis)
    return permute_dims(x, order)


def _several(axis: int | Sequence[int], ndim: int) -> list[int]:
    return [movement.normal_axis(one, ndim) for one in (axis if isinstance(axis, tuple | list) else (axis,))]


@array_function
def expand_dims(x: SecretArray, /, axis: int | tuple[int, ...] = 0) -> SecretArray:
    """New axes of length 1."""
    given = tuple(axis) if isinstance(axis, tuple | list) else (axis,)
    ndim = x.ndim + len(given)
    axes = [movement.normal_axis(one, ndim) for one in given]
    if len(set(axes)) != len(axes):
        raise ValueError("an axis is given twice")
    rest = iter(x.shape)
    shape = tuple(1 if at in axes else next(rest) for at in range(ndim))
    return x._moved(lambda a: movement.reshape(a, shape))


@array_function
def squeeze(x: SecretArray, /, axis: int | tuple[int, ...]) -> SecretArray:
    """The axes given, which have length 1, removed."""
    axes = movement.normal_axes(axis, x.ndim)
    if any(x.shape[at] != 1 for at in axes):
        raise ValueError(f"only axes of length 1 are squeezed; the shape is {x.shape}")
    shape = tuple(length for at, length in enumerate(x.shape) if at not in axes)
    return x._moved(lambda a: movement.reshape(a, shape))


@array_function
def flip(x: SecretArray, /, *, axis: int | tuple[int, ...] | None = None) -> SecretArray:
    """The elements in reverse along axes."""
    axes = movement.normal_axes(axis, x.ndim)
    slices = [slice(None, None, -1) if at in axes else slice(None) for at in range(x.ndim)]
    return x._moved(lambda a: movement.cut(a, slices))


@array_function
def roll(x: SecretArray, /, shift: int | tuple[int, ...], *, axis: int | tuple[int, ...] | None = None) -> SecretArray:
    """The elements moved on along axes; those that fall off the end come in at the front."""
    if axis is None:
        if isinstance(shift, tuple | list):
            raise ValueError("several shifts need as many axes")
        flat = reshape(x, (x.size,))
        return reshape(roll(flat, shift, axis=0), x.shape)
    axes = tuple(axis) if isinstance(axis, tuple | list) else (axis,)
    shifts = tuple(shift) if isinstance(shift, tuple | list) else (shift,) * len(axes)
    if len(shifts) != len(axes):
        raise ValueError("several shifts need as many axes")
    shifts = tuple(given.integer(by, "a shift") for by in shifts)
    for by, at in zip(shifts, axes, strict=True):
        place = movement.normal_axis(at, x.ndim)
        length = x.shape[place]
        if length and by % length:
            x = x._moved(_rolled(place, length - by % length))
    return x


def _rolled(axis: int, start: int) -> Callable[[Recorded], Recorded]:
    before = (slice(None),) * axis

    def move(x: Recorded) -> Recorded:
        ends = (slice(start, None), slice(0, start))
        return movement.concat([movement.cut(x, (*before, end)) for end in ends], axis)

    return move


@array_function
def broadcast_to(x: SecretArray, /, shape: Sequence[int]) -> SecretArray:
    """The array repeated to a shape."""
    wanted = given.integers(shape, "a length")
    if operation.broadcast_shapes(x.shape, wanted) != wanted:
        raise ValueError(f"{x.shape} does not broadcast to {wanted}")
    return x._moved(lambda a: build.broadcast_to(a, wanted))


def broadcast_arrays(*arrays: Any) -> list[Any]:
    """All repeated to their common shape; public ones stay public."""
    shape = operation.broadcast_shapes(*(np.shape(x) if not isinstance(x, SecretArray) else x.shape for x in arrays))
    return [broadcast_to(x, shape) if isinstance(x, SecretArray) else np.broadcast_to(x, shape) for x in arrays]


def broadcast_shapes(*shapes: Sequence[int]) -> tuple[int, ...]:
    """The common shape."""
    return operation.broadcast_shapes(*(given.integers(shape, "a length") for shape in shapes))


@array_function
def tile(x: SecretArray, repetitions: Sequence[int], /) -> SecretArray:
    """The array laid out `repetitions` times along each axis."""
    counts = given.integers(repetitions, "a count of repetitions")
    times = (1,) * (x.ndim - len(counts)) + counts
    if any(count < 0 for count in times):
        raise ValueError(f"an array is repeated {counts} times")
    x = reshape(x, (1,) * (len(times) - x.ndim) + x.shape)
    shape = tuple(length for pair in zip(times, x.shape, strict=True) for length in pair)
    thin = tuple(length for one in x.shape for length in (1, one))
    result = tuple(count * length for count, length in zip(times, x.shape, strict=True))
    return reshape(broadcast_to(reshape(x, thin), shape), result)


@array_function
def repeat(x: SecretArray, repeats: Any, /, *, axis: int | None = None) -> SecretArray:
    """Every element a public number of times."""
    if isinstance(repeats, SecretArray):
        raise TypeError("repeats are public")
    if axis is None:
        x, axis = reshape(x, (x.size,)), 0
    place = movement.normal_axis(axis, x.ndim)
    times = given.array(repeats, "repeats")
    if times.dtype.kind not in "iu" and times.size:
        raise TypeError(f"repeats are public integers, not {times.dtype}")
    if (times < 0).any():
        raise ValueError("repeats are not negative")
    positions = np.repeat(np.arange(x.shape[place]), given.places(times, "repeats"))
    return x._moved(lambda a: movement.take(a, positions, place))


@array_function
def concat(arrays: Sequence[Any], /, *, axis: int | None = 0) -> SecretArray:
    """Arrays one after the other along an axis, or flat for axis None; public ones are taken in."""
    arrays = given.several(arrays, "concat", "arrays")
    session = session_of(*arrays)
    divisors = {x.divisor for x in arrays if isinstance(x, SecretArray)}
    pending = divisors.pop() if len(divisors) == 1 and all(isinstance(x, SecretArray) for x in arrays) else ONE
    parts = [x.undivided if pending != ONE else operand(x) for x in arrays]
    likes = [part for part in parts if isinstance(part, Recorded)]
    like = max(likes, key=lambda part: part.type.size)
    bools = all(part.type.is_bool if isinstance(part, Recorded) else part.dtype.kind == "b" for part in parts)
    make = shared_bools if bools else shared
    nodes = [part if isinstance(part, Recorded) else make(like, part, part.shape) for part in parts]
    if axis is None:
        nodes, axis = [movement.reshape(x, (x.type.size,)) for x in nodes], 0
    ndim = len(nodes[0].type.shape)
    if any(len(x.type.shape) != ndim for x in nodes):
        raise ValueError("concat takes arrays of one number of dimensions")
    place = movement.normal_axis(axis, ndim)
    rests = {(*x.type.shape[:place], *x.type.shape[place + 1 :]) for x in nodes}
    if len(rests) > 1:
        raise ValueError(f"arrays differ in other axes than {axis}: {[x.type.shape for x in nodes]}")
    return secret_array(session, movement.concat(nodes, place), pending)


@array_function
def stack(arrays: Sequence[Any], /, *, axis: int = 0) -> SecretArray:
    """Arrays of one shape along a new axis."""
    arrays = given.several(arrays, "stack", "arrays")
    shapes = {x.shape if isinstance(x, SecretArray) else np.shape(x) for x in arrays}
    if len(shapes) != 1:
        raise ValueError(f"stack takes arrays of one shape, not {sorted(shapes)}")
    place = movement.normal_axis(axis, len(shapes.pop()) + 1)
    lifted = [expand_dims(x, axis=place) if isinstance(x, SecretArray) else np.expand_dims(x, place) for x in arrays]
    return concat(lifted, axis=place)


@array_function
def unstack(x: SecretArray, /, *, axis: int = 0) -> tuple[SecretArray, ...]:
    """The parts along an axis."""
    place = movement.normal_axis(axis, x.ndim)
    before = (slice(None),) * place
    return tuple(x[(*before, at)] for at in range(x.shape[place]))


@array_function
def take(x: SecretArray, indices: Any, /, *, axis: int | None = None) -> SecretArray:
    """Elements at public indices of one axis; at secret ones as `lookup`, for a line or with an axis."""
    if isinstance(indices, SecretArray) and (axis is not None or x.ndim == 1):
        return lookup(x, indices, axis=axis or 0)
    chosen = _public_indices(indices)
    if axis is None:
        if x.ndim != 1:
            raise ValueError("take needs an axis for arrays of other than one dimension")
        axis = 0
    place = movement.normal_axis(axis, x.ndim)
    return x._moved(lambda a: movement.take(a, chosen, place))


@array_function
def take_along_axis(x: SecretArray, indices: Any, /, *, axis: int = -1) -> SecretArray:
    """Elements at public indices, one list of them for each line along the axis; at secret integers as `lookup`, drawn
    in to the ends of a line."""
    if isinstance(indices, SecretArray):
        return along_axis(x, indices, axis)
    where = _public_indices(indices)
    place = movement.normal_axis(axis, x.ndim)
    positions = np.arange(x.size).reshape(x.shape)
    chosen = np.take_along_axis(positions, where, axis=place)
    return x._moved(lambda a: movement.take_flat(a, chosen))


def _public_indices(indices: Any) -> NDArray[np.int64]:
    if isinstance(indices, SecretArray):
        raise TypeError("indices are public; weigh the elements with secret bools and sum, or use tc.where")
    return given.places(indices, "indices")
