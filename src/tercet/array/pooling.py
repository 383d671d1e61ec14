"""Pools under torch's names. The batch stays an axis of its own: each result rests on its own row."""

from __future__ import annotations

from typing import Any

import numpy as np

from tercet.array import elementwise, given, linalg, manipulation, statistics
from tercet.array.core import SecretArray
from tercet.array.windows import each_axis, geometry_over, windowed, with_batch
from tercet.ring import Geometry


def _last(dimensions: int) -> tuple[int, ...]:
    """The axes of a window's elements."""
    return tuple(range(-dimensions, 0))


def _pool(
    x: Any, kernel_size: Any, stride: Any, padding: Any, dilation: Any, ceil_mode: Any, dimensions: int, what: str
) -> tuple[Any, bool, Geometry, tuple[int, ...]]:
    x, batched = with_batch(x, dimensions, what)
    kernel = each_axis(kernel_size, dimensions, "kernel_size", 1)
    steps = kernel if stride is None else each_axis(stride, dimensions, "stride", 1)
    ends, wide = each_axis(padding, dimensions, "padding", 0), each_axis(dilation, dimensions, "dilation", 1)
    if any(2 * end > size for end, size in zip(ends, kernel, strict=True)):
        raise ValueError(f"padding {ends} is more than half of the kernel {kernel}")
    geometry = geometry_over(x.shape[2:], kernel, steps, [(end, end) for end in ends], wide, ceil_mode=bool(ceil_mode))
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
    total = statistics.sum(windowed(x, geometry), axis=_last(dimensions))
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


def avg_pool3d(
    input: Any,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> Any:
    """As `avg_pool1d`, of (batch, channels, depth, height, width); after `torch.nn.functional.avg_pool3d`."""
    return _averaged(input, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override, 3)


def _adapted(x: Any, output_size: Any, dimensions: int) -> Any:
    """Means over so many stretches of each axis, which cover it and overlap where they do not divide it."""
    x, batched = with_batch(x, dimensions, f"adaptive_avg_pool{dimensions}d")
    sizes = each_axis(output_size, dimensions, "output_size", 1)
    counts = np.ones(sizes, np.int64)
    for place, (size, length) in enumerate(zip(sizes, x.shape[2:], strict=True)):
        ends = np.arange(size + 1) * length
        starts, stops = ends[:-1] // size, -(-ends[1:] // size)
        at = np.arange(length)
        within = (at >= starts[:, None]) & (at < stops[:, None])
        axes = [axis for axis in range(x.ndim) if axis != place + 2] + [place + 2]
        back = [axes.index(axis) for axis in range(x.ndim)]
        lines = manipulation.permute_dims(x, axes)
        x = manipulation.permute_dims(linalg.matmul(lines, within.T.astype(np.int64)), back)
        counts = counts * (stops - starts).reshape([-1 if axis == place else 1 for axis in range(dimensions)])
    same = (counts == counts.flat[0]).all()
    found = elementwise.divide(x, int(counts.flat[0]) if same else counts)
    return found if batched else found[0]


def adaptive_avg_pool1d(input: Any, output_size: Any) -> Any:
    """Means of (batch, channels, length) over `output_size` stretches that cover it: exact sums, to be divided by
    public numbers of elements when revealed, as `mean`. Nothing is sent. After
    `torch.nn.functional.adaptive_avg_pool1d`.
    """
    return _adapted(input, output_size, 1)


def adaptive_avg_pool2d(input: Any, output_size: Any) -> Any:
    """As `adaptive_avg_pool1d`, of height and width; after `torch.nn.functional.adaptive_avg_pool2d`."""
    return _adapted(input, output_size, 2)


def adaptive_avg_pool3d(input: Any, output_size: Any) -> Any:
    """As `adaptive_avg_pool1d`, of depth, height and width; after `torch.nn.functional.adaptive_avg_pool3d`."""
    return _adapted(input, output_size, 3)


def _greatest(
    x: Any, kernel_size: Any, stride: Any, padding: Any, dilation: Any, ceil_mode: Any, indices: Any, dimensions: int
) -> Any:
    what = f"max_pool{dimensions}d"
    if indices:
        raise TypeError(f"{what} gives no indices: return_indices is not offered")
    x, batched, geometry, _ = _pool(x, kernel_size, stride, padding, dilation, ceil_mode, dimensions, what)
    seen, axes = windowed(x, geometry, least=True), _last(dimensions)
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


def max_pool3d(
    input: Any,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    ceil_mode: bool = False,
    return_indices: bool = False,
) -> Any:
    """As `max_pool1d`, of (batch, channels, depth, height, width); after `torch.nn.functional.max_pool3d`."""
    return _greatest(input, kernel_size, stride, padding, dilation, ceil_mode, return_indices, 3)
