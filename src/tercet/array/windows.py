"""Convolutions and pools under torch's names, and NumPy's convolve. The batch stays an axis of its own: each result
rests on its own row.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tercet.array import elementwise, given, statistics
from tercet.array.core import SecretArray, apply, shape_of
from tercet.array.dispatch import array_function, array_function_beside
from tercet.plan.record.windows import Border, windows
from tercet.plan.record.windows import convolve as record_convolution
from tercet.ring import ConvolutionArray, Convolutions, Geometry


def _each(value: Any, count: int, what: str, least: int) -> tuple[int, ...]:
    found = given.integers(value, what)
    found = found * count if len(found) == 1 else found
    if len(found) != count or min(found) < least:
        raise ValueError(f"{what}: {value!r}; it is one public integer, or {count}, of {least} at least")
    return found


def _geometry(
    lengths: Sequence[int],
    kernel: Sequence[int],
    stride: Sequence[int],
    ends: Sequence[tuple[int, int]],
    dilation: Sequence[int],
    *,
    ceil_mode: bool = False,
) -> Geometry:
    after = []
    for length, size, step, (front, back), wide in zip(lengths, kernel, stride, ends, dilation, strict=True):
        room = length + front + back - wide * (size - 1) - 1
        more = ceil_mode and room % step and (room // step + 1) * step < length + front
        after.append(back + step - room % step if more else back)
    before = tuple(front for front, _ in ends)
    return Geometry(tuple(lengths), tuple(kernel), tuple(stride), before, tuple(after), tuple(dilation))


def _windowed(x: Any, geometry: Geometry, *, least: bool = False) -> Any:
    """(batch, channels, windows, kernel); outside zeros, or the least that x may be."""
    if not isinstance(x, SecretArray):
        return geometry.view(geometry.pad(x, x.min() if least and x.size else 0))
    outside = (Border.LEAST if x.divisor > 0 else Border.GREATEST) if least else Border.ZERO
    # of a bool the least is not set, and what is missing is not there outside
    return x._moved(lambda node: windows(node, geometry, Border.ZERO if node.type.is_bool else outside))


def _batched(x: Any, dimensions: int, what: str) -> tuple[Any, bool]:
    """(batch, channels, ...), and whether the batch was there."""
    array = x if isinstance(x, SecretArray) else given.wide(x, "the input")
    if array.ndim not in (dimensions + 1, dimensions + 2):
        axes = ", ".join(("channels", "height", "width") if dimensions == 2 else ("channels", "length"))
        raise ValueError(f"{what} takes (batch, {axes}), or without a batch, not {array.ndim} dimensions")
    there = array.ndim == dimensions + 2
    return (array if there else array[None]), there


# ---- convolutions ----


def _ends(padding: Any, kernel: Sequence[int], stride: Sequence[int], dilation: Sequence[int]) -> list[tuple[int, int]]:
    if isinstance(padding, str):
        if padding == "valid":
            return [(0, 0)] * len(kernel)
        if padding != "same" or max(stride) > 1:
            raise ValueError("padding is 'valid', 'same' (with a stride of 1), or public integers")
        totals = [wide * (size - 1) for size, wide in zip(kernel, dilation, strict=True)]
        return [(total // 2, total - total // 2) for total in totals]
    return [(one, one) for one in _each(padding, len(kernel), "padding", 0)]


def _convolved(
    x: Any, weight: Any, bias: Any, stride: Any, padding: Any, dilation: Any, groups: Any, dimensions: int, what: str
) -> Any:
    x, batched = _batched(x, dimensions, what)
    weights = weight if isinstance(weight, SecretArray) else given.wide(weight, "weights")
    number = given.integer(groups, "groups")
    if weights.ndim != dimensions + 2 or number < 1 or weights.shape[0] % number:
        raise ValueError(f"weights of shape {weights.shape} for {number} groups: (outputs, channels / groups, kernel)")
    if x.shape[1] != weights.shape[1] * number:
        raise ValueError(f"{x.shape[1]} channels, and weights for {number} groups of {weights.shape[1]}")
    outputs, kernel = weights.shape[0], weights.shape[2:]
    if bias is not None and shape_of(bias) != (outputs,):
        raise ValueError(f"a bias of shape {shape_of(bias)} for {outputs} outputs")
    steps, wide = _each(stride, dimensions, "stride", 1), _each(dilation, dimensions, "dilation", 1)
    geometry = _geometry(x.shape[2:], kernel, steps, _ends(padding, kernel, steps, wide), wide)
    result = convolution(x, weights, Convolutions(geometry, x.shape[0], x.shape[1], outputs, number))
    if bias is not None:
        each = bias if isinstance(bias, SecretArray) else given.wide(bias, "a bias")
        result = elementwise.add(result, each.reshape((outputs, *([1] * dimensions))))
    return result if batched else result[0]


def _plain_convolution(x: NDArray[Any], weights: NDArray[Any], arrays: Convolutions) -> NDArray[Any]:
    here, groups = arrays.geometry, arrays.groups
    seen = here.view(here.pad(x, 0))
    sides = len(here.kernel)
    over = tuple(range(-sides, 0))
    parts = [
        np.tensordot(one, w, axes=((1, *over), (1, *over)))  # (batch, windows, outputs)
        for one, w in zip(np.split(seen, groups, axis=1), np.split(weights, groups), strict=True)
    ]
    return np.moveaxis(np.concatenate(parts, axis=-1), -1, 1)


@array_function_beside(_plain_convolution)
def convolution(x1: Any, x2: Any, arrays: Convolutions, /) -> SecretArray:
    """The output of a convolution of an input and a kernel, of which one may be public."""
    here = arrays.geometry
    geometry = here.stride, here.before, here.after, here.dilation
    return apply(lambda x, k: record_convolution(x, k, ConvolutionArray.OUTPUT, geometry, arrays.groups), x1, x2)


def conv1d(
    input: Any, weight: Any, bias: Any = None, stride: Any = 1, padding: Any = 0, dilation: Any = 1, groups: int = 1
) -> Any:
    """The cross-correlation of (batch, channels, length) with (outputs, channels / groups, kernel), either of which may
    be secret; one word is sent for each result, whatever the kernel, in a round, and nothing where one is public.

    Error as of `matmul`; of integers and decimals exact. `padding` is how many zeros stand at both ends, 'valid' or
    'same'. ValueError where shapes do not go together. After `torch.nn.functional.conv1d`.
    """
    return _convolved(input, weight, bias, stride, padding, dilation, groups, 1, "conv1d")


def conv2d(
    input: Any, weight: Any, bias: Any = None, stride: Any = 1, padding: Any = 0, dilation: Any = 1, groups: int = 1
) -> Any:
    """As `conv1d`, of (batch, channels, height, width) with kernels of (outputs, channels / groups, height, width).

    After `torch.nn.functional.conv2d`.
    """
    return _convolved(input, weight, bias, stride, padding, dilation, groups, 2, "conv2d")


@array_function
def convolve(a: Any, v: Any, mode: str = "full") -> SecretArray:
    """The convolution of two lines, either of which may be secret: "full", "same" or "valid", as in NumPy. Costs and
    error as of `tercet.nn.conv1d`. ValueError for lines of no elements and for another mode.
    """
    long, short = (one if isinstance(one, SecretArray) else given.array(one, "a line") for one in (a, v))
    if long.ndim != 1 or short.ndim != 1 or not long.shape[0] or not short.shape[0]:
        raise ValueError("convolve takes two lines of one element or more")
    if mode not in ("full", "same", "valid"):
        raise ValueError(f"mode is 'full', 'same' or 'valid', not {str(mode)[:20]!r}")
    if long.shape[0] < short.shape[0]:
        long, short = short, long
    width = short.shape[0]
    turned = short[::-1]
    found = conv1d(long[None, None], turned[None, None], padding=0 if mode == "valid" else width - 1)[0, 0]
    return found[(width - 1) // 2 :][: long.shape[0]] if mode == "same" else found  # type: ignore[no-any-return]


# ---- pools ----


def _last(dimensions: int) -> tuple[int, ...]:
    """The axes of a window's elements."""
    return tuple(range(-dimensions, 0))


def _pool(
    x: Any, kernel_size: Any, stride: Any, padding: Any, dilation: Any, ceil_mode: Any, dimensions: int, what: str
) -> tuple[Any, bool, Geometry, tuple[int, ...]]:
    x, batched = _batched(x, dimensions, what)
    kernel = _each(kernel_size, dimensions, "kernel_size", 1)
    steps = kernel if stride is None else _each(stride, dimensions, "stride", 1)
    ends, wide = _each(padding, dimensions, "padding", 0), _each(dilation, dimensions, "dilation", 1)
    if any(2 * end > size for end, size in zip(ends, kernel, strict=True)):
        raise ValueError(f"padding {ends} is more than half of the kernel {kernel}")
    geometry = _geometry(x.shape[2:], kernel, steps, [(end, end) for end in ends], wide, ceil_mode=bool(ceil_mode))
    return x, batched, geometry, ends


def _averaged(
    x: Any,
    kernel_size: Any,
    stride: Any,
    padding: Any,
    ceil_mode: Any,
    padded: Any,
    divisor: Any,
    dimensions: int,
) -> Any:
    what = f"avg_pool{dimensions}d"
    x, batched, geometry, ends = _pool(x, kernel_size, stride, padding, 1, ceil_mode, dimensions, what)
    total = statistics.sum(_windowed(x, geometry), axis=_last(dimensions))
    counts = np.ones(geometry.counts, np.int64)
    for axis, (length, end) in enumerate(zip(geometry.lengths, ends, strict=True)):
        starts = np.arange(geometry.counts[axis]) * geometry.stride[axis] - end
        places, reach = starts[:, None] + np.arange(geometry.kernel[axis]), end if padded else 0
        here = ((places >= -reach) & (places < length + reach)).sum(axis=1)
        counts = counts * here.reshape([-1 if at == axis else 1 for at in range(dimensions)])
    if divisor is not None:
        counts = np.full(geometry.counts, given.integer(divisor, "divisor_override"))
        if not counts.all():
            raise ValueError("divisor_override is not 0")
    same = counts.size and (counts == counts.flat[0]).all()
    found = elementwise.divide(total, int(counts.flat[0]) if same else counts)
    return found if batched else found[0]


def avg_pool1d(
    input: Any,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
) -> Any:
    """Means of windows of (batch, channels, length), steps of `stride` apart (by default of their length): exact sums,
    to be divided by the public number of elements when revealed, as `mean`. Nothing is sent. After
    `torch.nn.functional.avg_pool1d`.
    """
    return _averaged(input, kernel_size, stride, padding, ceil_mode, count_include_pad, None, 1)


def avg_pool2d(
    input: Any,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Any:
    """As `avg_pool1d`, of (batch, channels, height, width); after `torch.nn.functional.avg_pool2d`."""
    return _averaged(input, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override, 2)


def _greatest(
    x: Any, kernel_size: Any, stride: Any, padding: Any, dilation: Any, ceil_mode: Any, indices: Any, dimensions: int
) -> Any:
    what = f"max_pool{dimensions}d"
    if indices:
        raise TypeError(f"{what} gives no indices: return_indices is not offered")
    x, batched, geometry, _ = _pool(x, kernel_size, stride, padding, dilation, ceil_mode, dimensions, what)
    seen, axes = _windowed(x, geometry, least=True), _last(dimensions)
    found = statistics.greatest_apart(seen, axes) if isinstance(seen, SecretArray) else seen.max(axis=axes)
    return found if batched else found[0]


def max_pool1d(
    input: Any,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """The greatest element of windows of (batch, channels, length), steps of `stride` apart (by default of their
    length): k - 1 comparisons and choices a window of k, as `max`. Exact. TypeError for `return_indices`. After
    `torch.nn.functional.max_pool1d`.
    """
    return _greatest(input, kernel_size, stride, padding, dilation, ceil_mode, return_indices, 1)


def max_pool2d(
    input: Any,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """As `max_pool1d`, of (batch, channels, height, width); after `torch.nn.functional.max_pool2d`."""
    return _greatest(input, kernel_size, stride, padding, dilation, ceil_mode, return_indices, 2)
