"""Convolutions and pools under torch's names, and NumPy's convolve: windows are gathered at public places, then
multiplied as matrices, averaged or compared. The batch stays an axis of its own: each result rests on its own row.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tercet.array import elementwise, given, linalg, movement, statistics
from tercet.array.core import SecretArray, shape_of
from tercet.array.dispatch import array_function
from tercet.plan.record import build
from tercet.plan.record.graph import Recorded
from tercet.plan.record.scale import renamed


@dataclass(frozen=True)
class _Windows:
    """Along some axes, the place of each element of each window; -1 outside of the array."""

    places: tuple[NDArray[np.int64], ...] = field(repr=False)
    """Of each axis, (windows, elements)."""
    lengths: tuple[int, ...]

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(place.shape[0] for place in self.places)

    def flat(self) -> NDArray[np.int64]:
        """(windows, elements): places in the flattened axes; behind their end, outside."""
        size = math.prod(self.lengths)
        found, inside = np.zeros((1, 1), np.int64), np.ones((1, 1), np.bool_)
        for place, length in zip(self.places, self.lengths, strict=True):
            rows, columns = found.shape[0] * place.shape[0], found.shape[1] * place.shape[1]
            joined = found[:, None, :, None] * length + place[None, :, None, :]
            there = inside[:, None, :, None] & ((place >= 0) & (place < length))[None, :, None, :]
            found, inside = joined.reshape(rows, columns), there.reshape(rows, columns)
        return np.where(inside, found, size)

    def gathered(self, x: Any, *, least: bool = False) -> Any:
        """(batch, channels, windows, elements) of (batch, channels, ...); outside zeros, or the least that x may be."""
        size, places = math.prod(self.lengths), self.flat()
        shape = (*x.shape[:2], size)
        if not isinstance(x, SecretArray):
            ends = np.full((*x.shape[:2], 1), x.min() if least and x.size else 0, x.dtype)
            return np.concatenate([x.reshape(shape), ends], axis=2)[:, :, places]
        forward = x.divisor > 0

        def move(node: Recorded) -> Recorded:
            flat = movement.reshape(build.number(node), shape)
            if (places == size).any():
                t = flat.type
                value = (t.lo if forward else t.hi) if least else 0
                end = build.shared_integers(elementwise.zeros_of(flat), value, t.frac_bits)
                end = renamed(end, t.frac_bits, t.nominal)
                flat = movement.concat([flat, build.broadcast_to(end, (*shape[:2], 1))], 2)
            return movement.take(flat, places, 2)

        return x._moved(move)


def _each(value: Any, count: int, what: str, least: int) -> tuple[int, ...]:
    found = given.integers(value, what)
    found = found * count if len(found) == 1 else found
    if len(found) != count or min(found) < least:
        raise ValueError(f"{what}: {value!r}; it is one public integer, or {count}, of {least} at least")
    return found


def _windows(
    lengths: Sequence[int],
    kernel: Sequence[int],
    stride: Sequence[int],
    ends: Sequence[tuple[int, int]],
    dilation: Sequence[int],
    *,
    ceil_mode: bool = False,
) -> _Windows:
    places = []
    for length, size, step, (before, after), wide in zip(lengths, kernel, stride, ends, dilation, strict=True):
        room = length + before + after - wide * (size - 1) - 1
        if room < 0:
            raise ValueError(f"a window over {wide * (size - 1) + 1} elements is longer than {length} and its padding")
        count = room // step + 1
        if ceil_mode and room % step and count * step < length + before:
            count += 1
        starts = np.arange(count) * step - before
        places.append(starts[:, None] + np.arange(size) * wide)
    return _Windows(tuple(places), tuple(lengths))


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
    windows = _windows(x.shape[2:], kernel, steps, _ends(padding, kernel, steps, wide), wide)
    count, elements = math.prod(windows.shape), math.prod(kernel)
    found = windows.gathered(x)  # (batch, channels, windows, elements)
    turned = found.mT if isinstance(found, SecretArray) else np.swapaxes(found, 2, 3)
    terms = weights.shape[1] * elements
    if number == 1:
        result = linalg.matmul(weights.reshape((outputs, terms)), turned.reshape((x.shape[0], terms, count)))
    else:
        result = linalg.matmul(
            weights.reshape((number, outputs // number, terms)), turned.reshape((x.shape[0], number, terms, count))
        )
    result = result.reshape((x.shape[0], outputs, *windows.shape))
    if bias is not None:
        each = bias if isinstance(bias, SecretArray) else given.wide(bias, "a bias")
        result = elementwise.add(result, each.reshape((outputs, *([1] * dimensions))))
    return result if batched else result[0]


def conv1d(
    input: Any, weight: Any, bias: Any = None, stride: Any = 1, padding: Any = 0, dilation: Any = 1, groups: int = 1
) -> Any:
    """The cross-correlation of (batch, channels, length) with (outputs, channels / groups, kernel), either of which may
    be secret; one word is sent for each result, in a round, or nothing where one of the two is public.

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


def _pool(
    x: Any, kernel_size: Any, stride: Any, padding: Any, dilation: Any, ceil_mode: Any, dimensions: int, what: str
) -> tuple[Any, bool, _Windows, tuple[int, ...]]:
    x, batched = _batched(x, dimensions, what)
    kernel = _each(kernel_size, dimensions, "kernel_size", 1)
    steps = kernel if stride is None else _each(stride, dimensions, "stride", 1)
    ends, wide = _each(padding, dimensions, "padding", 0), _each(dilation, dimensions, "dilation", 1)
    if any(2 * end > size for end, size in zip(ends, kernel, strict=True)):
        raise ValueError(f"padding {ends} is more than half of the kernel {kernel}")
    windows = _windows(x.shape[2:], kernel, steps, [(end, end) for end in ends], wide, ceil_mode=bool(ceil_mode))
    return x, batched, windows, ends


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
    x, batched, windows, ends = _pool(x, kernel_size, stride, padding, 1, ceil_mode, dimensions, what)
    total = statistics.sum(windows.gathered(x), axis=-1).reshape((*x.shape[:2], *windows.shape))
    counts = np.ones(windows.shape, np.int64)
    for axis, (places, length, end) in enumerate(zip(windows.places, windows.lengths, ends, strict=True)):
        reach = end if padded else 0
        here = ((places >= -reach) & (places < length + reach)).sum(axis=1)
        counts = counts * here.reshape([-1 if at == axis else 1 for at in range(dimensions)])
    if divisor is not None:
        counts = np.full(windows.shape, given.integer(divisor, "divisor_override"))
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
    x, batched, windows, _ = _pool(x, kernel_size, stride, padding, dilation, ceil_mode, dimensions, what)
    found = statistics.max(windows.gathered(x, least=True), axis=-1).reshape((*x.shape[:2], *windows.shape))
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
