"""Rules of torch's operations that move elements, or make new tensors beside secret ones: nothing is sent."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from tercet import array as xp
from tercet.array import SecretArray, nn
from tercet.torch.cells import Held, Rule, put
from tercet.torch.kinds import is_bool
from tercet.torch.refusals import no_rule, turns_plain, where

# ---- helpers of other tables, too ----


def gathered(x: Held, places: NDArray[Any]) -> Held:
    """The elements at public places of the flattened array, in the shape of `places`; 0 where a place is negative."""
    flat, outside = x.reshape((x.size,)), places < 0
    if outside.any():
        flat = xp.concat([flat, np.zeros(1, np.int64)], axis=0)
        places = np.where(outside, x.size, places)
    return xp.take(flat, places.reshape(-1), axis=0).reshape(places.shape)


def summed_at(values: Held, places: NDArray[Any], length: int) -> Held:
    """(length, ...): at each public place along the first axis the sum of the values that belong there."""
    order = np.argsort(places, kind="stable")
    counts = np.bincount(places, minlength=length)
    most = max(1, int(counts.max(initial=0)))
    table = np.full((length, most), len(places))
    starts = np.cumsum(counts) - counts
    table[places[order], np.arange(len(places)) - starts[places[order]]] = order
    joined = xp.concat([values, np.zeros((1, *values.shape[1:]), np.int64)], axis=0)
    each = xp.take(joined, table.reshape(-1), axis=0).reshape((length, most, *values.shape[1:]))
    return xp.sum(each, axis=1)


def padded(x: Held, ends: Sequence[tuple[int, int]], value: float = 0) -> Held:
    """x with so many of a public value before and behind each of its last axes; negative ends are cut off."""
    filled = int(value) if float(value).is_integer() else float(value)  # whole numbers stay whole
    for axis, (before, after) in enumerate(ends, x.ndim - len(ends)):
        length = x.shape[axis]
        cut = slice(max(0, -before), length - max(0, -after))
        if cut != slice(0, length):
            x = x[(*[slice(None)] * axis, cut)]
        parts = [
            np.full((*x.shape[:axis], end, *x.shape[axis + 1 :]), filled) if end > 0 else None
            for end in (before, after)
        ]
        if any(part is not None for part in parts):
            x = xp.concat([one for one in (parts[0], x, parts[1]) if one is not None], axis=axis)
    return x


def without_kind(x: Any) -> Any:
    """Bools as the numbers 0 and 1."""
    return x * 1 if is_bool(x) else x


# ---- views ----


def _view(x: Held, size: Any) -> Held:
    if isinstance(size, torch.dtype):
        raise no_rule("aten::view as another dtype", "convert it with .to()")
    return x.reshape(tuple(size))


def _expand(x: Held, size: Sequence[int], implicit: bool = False) -> Held:
    before = len(size) - x.ndim
    shape = [x.shape[at - before] if one == -1 else one for at, one in enumerate(size)]
    return xp.broadcast_to(x, tuple(shape))


def _transpose(x: Held, a: int = 0, b: int = 1) -> Held:
    if x.ndim < 2:
        return x
    axes = list(range(x.ndim))
    axes[a], axes[b] = axes[b], axes[a]
    return xp.permute_dims(x, tuple(axes))


def _squeeze(x: Held, dims: int | Sequence[int] | None = None) -> Held:
    wanted = range(x.ndim) if dims is None else [dims] if isinstance(dims, int) else dims
    gone = {at % max(1, x.ndim) for at in wanted}
    return x.reshape(tuple(n for at, n in enumerate(x.shape) if at not in gone or n != 1))


def _select(x: Held, dim: int, index: int) -> Held:
    return x[(*[slice(None)] * (dim % x.ndim), index)]


def _slice(x: Held, dim: int = 0, start: int | None = None, end: int | None = None, step: int = 1) -> Held:
    return x[(*[slice(None)] * (dim % x.ndim), slice(start, end, step))]


def _split_with_sizes(x: Held, sizes: Sequence[int], dim: int = 0) -> list[Held]:
    ends = np.cumsum(sizes)
    return [_slice(x, dim, int(end - size), int(end)) for end, size in zip(ends, sizes, strict=True)]


def _split(x: Held, size: int, dim: int = 0) -> list[Held]:
    length = x.shape[dim]
    return _split_with_sizes(x, [min(size, length - at) for at in range(0, max(length, 1), max(size, 1))], dim)


def _by_places(name: str) -> Rule:
    """A rule for what moves elements, as torch itself moves their places; where it puts none, there is a 0."""
    operation = getattr(torch.ops.aten, name)

    def rule(x: Held, *args: Any, **kwargs: Any) -> Held:
        numbers = torch.arange(1, x.size + 1, dtype=torch.float64).reshape(x.shape)
        return gathered(x, operation(numbers, *args, **kwargs).numpy().astype(np.int64) - 1)

    return rule


def by_strides(
    strides: Sequence[int], x: Held, size: Sequence[int], stride: Sequence[int], offset: int | None = None
) -> Held:
    """`as_strided` of a tensor of such strides. PlanError for one that is not dense in memory."""
    numbers = torch.empty_strided(x.shape, strides, dtype=torch.float64)
    if numbers.untyped_storage().nbytes() != x.size * numbers.element_size():
        raise no_rule("aten::as_strided of a tensor that is not dense", "clone it before, or write it with slices")
    numbers.copy_(torch.arange(x.size).reshape(x.shape))
    return gathered(x, numbers.as_strided(size, stride, offset or 0).numpy().astype(np.int64))


# ---- others ----


def _cat(parts: Sequence[Held], dim: int = 0) -> Held:
    there = [part for part in parts if part.shape != (0,)]
    return xp.concat(there, axis=dim) if len(there) > 1 else there[0]


def _roll(x: Held, shifts: Any, dims: Any = ()) -> Held:
    return xp.roll(x, tuple(shifts), axis=tuple(dims)) if dims else xp.roll(x, shifts[0])


def _pad(x: Held, pad: Sequence[int], value: float = 0) -> Held:
    return padded(x, [(pad[at], pad[at + 1]) for at in range(0, len(pad), 2)][::-1], value)


def _select_backward(grad: Held, sizes: Sequence[int], dim: int, index: int) -> Held:
    at = dim % len(sizes)
    here = index % sizes[at]
    return padded(xp.expand_dims(grad, axis=at), _ends(sizes, at, here, sizes[at] - here - 1))


def _ends(sizes: Sequence[int], axis: int, before: int, after: int) -> list[tuple[int, int]]:
    return [(before, after) if at == axis else (0, 0) for at in range(len(sizes))]


def _slice_backward(grad: Held, sizes: Sequence[int], dim: int, start: int, end: int, step: int) -> Held:
    places = _slice(np.arange(math.prod(sizes)).reshape(tuple(sizes)), dim, start, end, step)
    return put(np.zeros(tuple(sizes)), np.asarray(places).reshape(-1), grad)


def _public_places(indices: Sequence[Any], shape: Sequence[int]) -> NDArray[Any]:
    if any(isinstance(one, SecretArray) for one in indices):
        turns_plain(
            "is no index: its result would be another memory access for every value",
            "weigh the elements with tercet.nn.one_hot of it and sum, or torch.where",
        )
    key = tuple(slice(None) if one is None else one for one in indices)
    return np.asarray(np.arange(math.prod(shape)).reshape(tuple(shape))[key])


def _index(x: Held, indices: Sequence[Any]) -> Held:
    return gathered(x, _public_places(indices, x.shape))


def _index_put(x: Held, indices: Sequence[Any], values: Held, accumulate: bool = False, *unsafe: bool) -> Held:
    places = _public_places(indices, x.shape)
    flat = xp.broadcast_to(values, places.shape).reshape((places.size,))
    there = places.reshape(-1)
    if accumulate:
        return xp.add(x, summed_at(flat, there, x.size).reshape(x.shape))
    last = {int(place): at for at, place in enumerate(there)}
    return put(x, np.array(list(last), np.int64), gathered(flat, np.array(list(last.values()), np.int64)))


def _public(index: Any) -> NDArray[Any]:
    found = np.asarray(_public_places([index], [0]) if isinstance(index, SecretArray) else index)
    if (found < 0).any():
        raise IndexError(f"indices are counted from the front here, and {found.min()} is below 0{where()}")
    return found


def _index_select(x: Held, dim: int, index: Any) -> Held:
    return xp.take(x, _public(index), axis=dim)


def _gather(x: Held, dim: int, index: Any, sparse_grad: bool = False) -> Held:
    if isinstance(index, SecretArray):
        lines = x[tuple(slice(None) if at == dim % x.ndim else slice(0, n) for at, n in enumerate(index.shape))]
        return xp.sum(xp.multiply(_hot_along(index, dim, x.shape[dim]), lines), axis=dim, keepdims=True)
    return gathered(x, _gathered_places(x.shape, dim, _public(index)))


def _hot_along(index: SecretArray, dim: int, length: int) -> Held:
    """1 at the place along an axis that a secret index names, 0 elsewhere; it names one place for each line."""
    if index.shape[dim] != 1:
        turns_plain("is an index of more than one place a line", "use torch.max, or tercet.array.take_along_axis")
    hot = nn.one_hot(xp.squeeze(index, axis=dim), length)
    return xp.moveaxis(hot, -1, dim % index.ndim)


def _diagonal_backward(grad: Held, sizes: Sequence[int], offset: int, first: int, second: int) -> Held:
    places = torch.arange(math.prod(sizes)).reshape(*sizes).diagonal(offset, first, second).numpy()
    return put(np.zeros(tuple(sizes)), places.reshape(-1), grad)


def _gathered_places(shape: Sequence[int], dim: int, index: NDArray[Any]) -> NDArray[Any]:
    """Of each element of `index`, the place that it names in a flattened array of the shape."""
    grid = list(np.ogrid[tuple(slice(0, n) for n in index.shape)])
    grid[dim] = index
    return np.arange(math.prod(shape)).reshape(tuple(shape))[tuple(grid)]


def _scatter(x: Held, dim: int, index: Any, source: Any, *, reduce: str | None = None) -> Held:
    if reduce is not None:
        raise no_rule(f"aten::scatter with reduce={reduce!r}", "use scatter_add, or scatter without reduce")
    if isinstance(index, SecretArray):
        hot = _hot_along(index, dim, x.shape[dim])
        if hot.shape != x.shape:
            raise no_rule("aten::scatter at secret places of some of the lines", "name a place in each line")
        return xp.add(x, xp.multiply(hot, xp.subtract(source, x)))
    there = _public(index)
    places = _gathered_places(x.shape, dim, there)
    value = np.full(there.shape, source) if np.ndim(source) == 0 and not isinstance(source, SecretArray) else source
    cut = value[tuple(slice(0, n) for n in there.shape)]
    return put(x, places.reshape(-1), cut)


def _scatter_add(x: Held, dim: int, index: Any, source: Held) -> Held:
    there = _public(index)
    places = _gathered_places(x.shape, dim, there)
    flat = source[tuple(slice(0, n) for n in there.shape)].reshape((there.size,))
    return xp.add(x, summed_at(flat, places.reshape(-1), x.size).reshape(x.shape))


def _embedding(weight: Held, index: Any, *options: Any) -> Held:
    if isinstance(index, SecretArray):
        if weight.shape[0] > 1 << 12:
            raise no_rule(f"an embedding of secret ids among {weight.shape[0]}")
        hot = nn.one_hot(index.reshape((index.size,)), weight.shape[0])
        return xp.matmul(hot, weight).reshape((*index.shape, weight.shape[1]))
    ids = _public(index)
    return xp.take(weight, ids.reshape(-1), axis=0).reshape((*ids.shape, weight.shape[1]))


def _embedding_backward(grad: Held, index: Any, rows: int, padding: int = -1, by_frequency: bool = False) -> Held:
    if by_frequency:
        raise no_rule("an embedding with scale_grad_by_freq")
    width = grad.shape[-1]
    flat = grad.reshape((grad.size // width, width))
    if isinstance(index, SecretArray):
        found = xp.matmul(nn.one_hot(index.reshape((index.size,)), rows).T, flat)
        return found if not 0 <= padding < rows else xp.multiply(found, (np.arange(rows) != padding)[:, None] * 1)
    ids = np.asarray(index).reshape(-1)
    kept = np.flatnonzero(ids != padding)
    return summed_at(xp.take(flat, kept, axis=0), ids[kept], rows)


def _to_copy(x: Held, *, dtype: Any = None, device: Any = None, **layout: Any) -> Held:
    if device is not None and torch.device(device).type != "cpu":
        raise TypeError(f"a secret tensor is on the CPU of its parties and not moved to {device}; leave .to() out")
    if dtype is None or dtype.is_complex:
        if dtype is not None:
            raise no_rule("a complex dtype")
        return x
    boolean = is_bool(x)
    if dtype == torch.bool:
        return x if boolean else xp.not_equal(x, 0)
    if boolean:
        return x * 1
    whole = x.dtype.kind in "iu" if isinstance(x, np.ndarray) else x.dtype.name.startswith("int")
    return x if dtype.is_floating_point or whole else xp.trunc(x)


def _filled(value: float) -> Rule:
    return lambda x, *args, **kwargs: np.full(x.shape, value)


def _new(value: float) -> Rule:
    return lambda x, size, *args, **kwargs: np.full(tuple(size), value)


def _drawn(name: str) -> Rule:
    """Public numbers drawn by torch, of x's shape: they do not depend on it."""
    return lambda x, *args, **kwargs: getattr(torch, name)(x.shape, dtype=torch.float64).numpy()


def _bernoulli(x: Held, p: Any = None, generator: Any = None) -> Held:
    chance = x if p is None else np.full(x.shape, p)
    if isinstance(chance, SecretArray):
        raise no_rule("aten::bernoulli of secret chances")
    return torch.bernoulli(torch.as_tensor(chance, dtype=torch.float64), generator=generator).numpy()


def _triangle(function: Callable[..., Any]) -> Rule:
    def rule(x: Held, diagonal: int = 0) -> Held:
        mask = function(np.ones(x.shape[-2:], np.bool_), diagonal)
        return xp.logical_and(x, mask) if is_bool(x) else xp.multiply(x, mask * 1)

    return rule


RULES: Mapping[str, Rule] = {
    "view": _view,
    "_unsafe_view": lambda x, size: x.reshape(tuple(size)),
    "_reshape_alias": lambda x, size, stride: x.reshape(tuple(size)),
    "t": _transpose,
    "transpose": _transpose,
    "permute": lambda x, dims: xp.permute_dims(x, tuple(at % x.ndim for at in dims)),
    "expand": _expand,
    "unsqueeze": lambda x, dim: xp.expand_dims(x, axis=dim % (x.ndim + 1)),
    "squeeze": _squeeze,
    "select": _select,
    "slice": _slice,
    "split": _split,
    "split_with_sizes": _split_with_sizes,
    "unbind": lambda x, dim=0: [_select(x, dim, at) for at in range(x.shape[dim])],
    "detach": lambda x: x,
    "alias": lambda x: x,
    "diagonal": _by_places("diagonal"),
    "unfold": _by_places("unfold"),
    "clone": lambda x, **layout: x,
    "lift_fresh": lambda x: x,
    "cat": _cat,
    "stack": lambda parts, dim=0: xp.stack(list(parts), axis=dim),
    "flip": lambda x, dims: xp.flip(x, axis=tuple(dims)) if dims else x,
    "roll": _roll,
    "repeat": _by_places("repeat"),
    "rot90": _by_places("rot90"),
    "im2col": _by_places("im2col"),
    "pixel_shuffle": _by_places("pixel_shuffle"),
    "pixel_unshuffle": _by_places("pixel_unshuffle"),
    "reflection_pad1d": _by_places("reflection_pad1d"),
    "reflection_pad2d": _by_places("reflection_pad2d"),
    "replication_pad1d": _by_places("replication_pad1d"),
    "replication_pad2d": _by_places("replication_pad2d"),
    "constant_pad_nd": _pad,
    "tril": _triangle(np.tril),
    "triu": _triangle(np.triu),
    "select_backward": _select_backward,
    "slice_backward": _slice_backward,
    "diagonal_backward": _diagonal_backward,
    "index": _index,
    "index_put": _index_put,
    "_index_put_impl_": _index_put,
    "index_select": _index_select,
    "gather": _gather,
    "scatter": _scatter,
    "scatter_add": _scatter_add,
    "embedding": _embedding,
    "embedding_dense_backward": _embedding_backward,
    "_to_copy": _to_copy,
    "copy": lambda x, source, non_blocking=False: xp.broadcast_to(source, x.shape),
    "zero": _filled(0.0),
    "fill": lambda x, value: xp.broadcast_to(value, x.shape) if np.ndim(value) else np.full(x.shape, value),
    "zeros_like": _filled(0.0),
    "ones_like": _filled(1.0),
    "empty_like": _filled(0.0),
    "full_like": lambda x, value, **options: np.full(x.shape, value),
    "new_zeros": _new(0.0),
    "new_ones": _new(1.0),
    "new_empty": _new(0.0),
    "new_full": lambda x, size, value, **options: np.full(tuple(size), value),
    "new_empty_strided": _new(0.0),
    "rand_like": _drawn("rand"),
    "randn_like": _drawn("randn"),
    "bernoulli": _bernoulli,
    "bernoulli_": lambda x, p=0.5, generator=None: _bernoulli(x, p, generator),
}
