"""Rules of torch's convolutions, pools and batch normalisation, with their derivatives."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from tercet import array as xp
from tercet.array import convolution, pooling
from tercet.errors import PlanError
from tercet.torch.cells import Held, OfCells, Rule, TensorCell, WithFacts, fact_of, value_of
from tercet.torch.refusals import no_rule, where
from tercet.torch.table_moves import padded, summed_at

_MATRIX = 1 << 22
"""Elements of the largest public matrix by which a pool's derivative is taken."""

# ---- convolutions ----


_CONVOLUTIONS = {1: convolution.conv1d, 2: convolution.conv2d, 3: convolution.conv3d}
_BY_INPUT = {1: convolution.conv1d_input, 2: convolution.conv2d_input, 3: convolution.conv3d_input}
_BY_WEIGHT = {1: convolution.conv1d_weight, 2: convolution.conv2d_weight, 3: convolution.conv3d_weight}


def _convolved(x: Held, weight: Held, bias: Any, *geometry: Any) -> Held:
    return _CONVOLUTIONS[x.ndim - 2](x, weight, bias, *geometry)


def _of_input(grad: Held, weight: Held, shape: Sequence[int], *geometry: Any) -> Held:
    """The derivative by the input, of this shape."""
    return _BY_INPUT[grad.ndim - 2](tuple(shape), weight, grad, *geometry)


def _of_weight(grad: Held, x: Held, shape: Sequence[int], *geometry: Any) -> Held:
    """The derivative by the weights, of this shape."""
    return _BY_WEIGHT[grad.ndim - 2](x, tuple(shape), grad, *geometry)


def _transposed_lengths(
    x: Held, weight: Held, stride: Any, padding: Any, dilation: Any, output_padding: Any
) -> list[int]:
    return [
        (n - 1) * stride[at] - 2 * padding[at] + dilation[at] * (weight.shape[2 + at] - 1) + output_padding[at] + 1
        for at, n in enumerate(x.shape[2:])
    ]


def _convolution(
    x: Held,
    weight: Held,
    bias: Any,
    stride: Sequence[int],
    padding: Sequence[int],
    dilation: Sequence[int],
    transposed: bool,
    output_padding: Sequence[int],
    groups: int,
) -> Held:
    if not transposed:
        return _convolved(x, weight, bias, tuple(stride), tuple(padding), tuple(dilation), groups)
    lengths = _transposed_lengths(x, weight, stride, padding, dilation, output_padding)
    shape = (x.shape[0], weight.shape[1] * groups, *lengths)
    found = _of_input(x, weight, shape, tuple(stride), tuple(padding), tuple(dilation), groups)
    return found if bias is None else xp.add(found, bias.reshape((bias.size, *[1] * (x.ndim - 2))))


def _convolution_backward(
    grad: Held,
    x: Held,
    weight: Held,
    bias_sizes: Any,
    stride: Sequence[int],
    padding: Sequence[int],
    dilation: Sequence[int],
    transposed: bool,
    output_padding: Sequence[int],
    groups: int,
    wanted: Sequence[bool],
) -> tuple[Any, Any, Any]:
    by_x = by_weight = by_bias = None
    geometry = (tuple(stride), tuple(padding), tuple(dilation), groups)
    if wanted[0]:
        by_x = _convolved(grad, weight, None, *geometry) if transposed else _of_input(grad, weight, x.shape, *geometry)
    if wanted[1]:
        back, there = (x, grad) if transposed else (grad, x)
        by_weight = _of_weight(back, there, weight.shape, *geometry)
    if wanted[2]:
        by_bias = xp.sum(grad, axis=(0, *range(2, grad.ndim)))
    return by_x, by_weight, by_bias


# ---- pools ----


def _matrix(operation: Callable[[Any], Any], lengths: Sequence[int]) -> tuple[NDArray[Any], tuple[int, ...]]:
    """(elements of the result, elements): the public matrix of what torch does with the last axes; and the result's."""
    count = math.prod(lengths)
    if count * count > _MATRIX * 4:
        raise PlanError(
            f"a pool or interpolation of {' x '.join(map(str, lengths))} places{where()} would be a matrix of "
            f"more than {_MATRIX:,} public elements",
            hint="use windows that do not overlap, without padding",
        )
    found = operation(torch.eye(count, dtype=torch.float64).reshape(count, 1, *lengths))
    return found.reshape(count, -1).T.numpy(), tuple(found.shape[2:])


def _by_matrix(name: str, sides: int) -> Callable[..., Any]:
    """A rule for what torch does alike with every channel, with public weights."""
    operation = getattr(torch.ops.aten, name)

    def rule(x: Held, *args: Any, **kwargs: Any) -> Held:
        before, lengths = x.shape[: x.ndim - sides], x.shape[x.ndim - sides :]
        matrix, after = _matrix(lambda image: operation(image, *args, **kwargs), lengths)
        return xp.matmul(x.reshape((math.prod(before), -1)), matrix.T).reshape((*before, *after))

    return rule


def _by_its_matrix(grad: Held, x_shape: Sequence[int], sides: int, operation: Callable[[Any], Any]) -> Held:
    before, lengths = tuple(x_shape[: len(x_shape) - sides]), tuple(x_shape[len(x_shape) - sides :])
    matrix, _ = _matrix(operation, lengths)
    return xp.matmul(grad.reshape((math.prod(before), -1)), matrix).reshape((*before, *lengths))


def _repeated(grad: Held, kernel: Sequence[int]) -> Held:
    """Each element of the last two axes as a block of that size, divided by the elements of a block."""
    (height, width), before = kernel, grad.shape[:-2]
    rows, columns = grad.shape[-2:]
    small = grad.reshape((*before, rows, 1, columns, 1))
    wide = xp.broadcast_to(small, (*before, rows, height, columns, width))
    return xp.divide(wide.reshape((*before, rows * height, columns * width)), height * width)


def _avg_pool2d(
    x: Held,
    kernel: Sequence[int],
    stride: Sequence[int] = (),
    padding: Sequence[int] = (0, 0),
    ceil_mode: bool = False,
    padded_count: bool = True,
    divisor: int | None = None,
) -> Held:
    found: Held = pooling.avg_pool2d(
        x, _two(kernel), _two(stride) or None, _two(padding), ceil_mode, padded_count, divisor
    )
    return found


def _two(value: Sequence[int]) -> tuple[int, ...]:
    return tuple(value) * 2 if len(value) == 1 else tuple(value)


def _avg_pool2d_backward(
    grad: Held,
    x: Held,
    kernel: Sequence[int],
    stride: Sequence[int],
    padding: Sequence[int],
    ceil_mode: bool,
    padded_count: bool,
    divisor: int | None,
) -> Held:
    size, steps = _two(kernel), _two(stride) or _two(kernel)
    whole = all(n % k == 0 for n, k in zip(x.shape[-2:], size, strict=True))
    if size == steps and not any(padding) and whole and divisor is None:
        return _repeated(grad, size)

    def pool(image: Any) -> Any:
        return torch.ops.aten.avg_pool2d(image, size, steps, _two(padding), ceil_mode, padded_count, divisor)

    return _by_its_matrix(grad, x.shape, 2, pool)


def _adaptive_backward(grad: Held, x: Held) -> Held:
    size, lengths = grad.shape[-2:], x.shape[-2:]
    if all(length % wanted == 0 for length, wanted in zip(lengths, size, strict=True)):
        return _repeated(grad, [length // wanted for length, wanted in zip(lengths, size, strict=True)])
    return _by_its_matrix(grad, x.shape, 2, lambda image: torch.ops.aten._adaptive_avg_pool2d(image, size))


def _upsampled_backward(name: str) -> Rule:
    operation = getattr(torch.ops.aten, name)

    def rule(grad: Held, output_size: Any, input_size: Sequence[int], *rest: Any) -> Held:
        return _by_its_matrix(grad, input_size, 2, lambda image: operation(image, output_size, *rest))

    return rule


def _places(
    lengths: Sequence[int], kernel: Any, stride: Any, padding: Any, dilation: Any, ceil_mode: bool
) -> tuple[NDArray[Any], tuple[int, ...]]:
    """(elements of a window, windows): places in the flattened axes, -1 outside; and how many windows along each."""
    each = []
    for at, length in enumerate(lengths):
        room = length + 2 * padding[at] - dilation[at] * (kernel[at] - 1) - 1
        count = room // stride[at] + 1
        if ceil_mode and room % stride[at] and count * stride[at] < length + padding[at]:
            count += 1
        starts = np.arange(count) * stride[at] - padding[at]
        each.append(np.arange(kernel[at])[:, None] * dilation[at] + starts[None])
    rows, columns = each
    inside = (rows >= 0) & (rows < lengths[0]), (columns >= 0) & (columns < lengths[1])
    found = rows[:, None, :, None] * lengths[1] + columns[None, :, None, :]
    there = inside[0][:, None, :, None] & inside[1][None, :, None, :]
    counts = (rows.shape[1], columns.shape[1])
    return np.where(there, found, -1).reshape(rows.shape[0] * columns.shape[0], -1), counts


def _max_pool2d(
    x: Held,
    kernel: Sequence[int],
    stride: Sequence[int] = (),
    padding: Sequence[int] = (0, 0),
    dilation: Sequence[int] = (1, 1),
    ceil_mode: bool = False,
) -> tuple[WithFacts, WithFacts]:
    size, steps = _two(kernel), _two(stride) or _two(kernel)
    before, lengths = x.shape[:-2], x.shape[-2:]
    places, counts = _places(lengths, size, steps, _two(padding), _two(dilation), ceil_mode)
    lines = x.reshape((math.prod(before), math.prod(lengths)))
    if (places < 0).any():
        low = x.bounds[0] if not isinstance(x, np.ndarray) else x.min(initial=0)
        lines = padded(lines, [(0, 1)], float(low))
        places = np.where(places < 0, lines.shape[1] - 1, places)
    seen = [xp.take(lines, one, axis=1) for one in places]
    greatest, chosen = _knockout(seen)
    shape = (*before, *counts)
    hot = chosen or [np.ones(greatest.shape, np.bool_)]
    each = [xp.multiply(np.broadcast_to(places[at], bit.shape), bit) for at, bit in enumerate(hot)]
    where_it_is = each[0]
    for one in each[1:]:
        where_it_is = xp.add(where_it_is, one)
    return WithFacts(greatest.reshape(shape)), WithFacts(where_it_is.reshape(shape), {"places": places, "hot": hot})


def _knockout(seen: list[Held]) -> tuple[Held, list[Held]]:
    """The greatest of several arrays, element by element, and of each whether it is the first that is."""
    if len(seen) == 1:
        return seen[0], []
    middle = (len(seen) + 1) // 2
    (front, first), (back, second) = _knockout(seen[:middle]), _knockout(seen[middle:])
    won = xp.greater_equal(front, back)
    lost = xp.logical_not(won)
    bits = [xp.logical_and(bit, won) for bit in first] or [won]
    bits += [xp.logical_and(bit, lost) for bit in second] or [lost]
    return xp.where(won, front, back), bits


def _max_pool2d_backward(
    grad: Any, x: Any, kernel: Any, stride: Any, padding: Any, dilation: Any, ceil_mode: bool, indices: Any
) -> Held:
    places, hot = fact_of(indices, "places"), fact_of(indices, "hot")
    back, shape = value_of(grad), value_of(x).shape
    if places is None:
        raise no_rule("aten::max_pool2d_with_indices_backward with indices of another pool")
    before, lengths = shape[:-2], shape[-2:]
    rows = back.reshape((math.prod(before), places.shape[1]))
    # one row for each place of each window, with channels behind
    parts = xp.concat([xp.where(bit, rows, 0).T for bit in hot], axis=0)
    size = math.prod(lengths)
    every = summed_at(parts, places.reshape(-1), size + 1)[:size]
    return every.T.reshape(shape)


# ---- normalisation ----


def _batch_norm(
    x: Any, weight: Any, bias: Any, mean: Any, variance: Any, training: bool, momentum: float, eps: float
) -> tuple[Any, Any, Any]:
    """In training the running statistics are written to, as torch's own kernel does."""
    held, axes = value_of(x), (0, *range(2, value_of(x).ndim))
    if training:
        centre = xp.mean(held, axis=axes)
        wide = xp.mean(xp.square(xp.subtract(held, _along(centre, held.ndim))), axis=axes)
        count = held.size // held.shape[1]
        for running, now in ((mean, centre), (variance, xp.multiply(wide, count / max(1, count - 1)))):
            if isinstance(running, np.ndarray):
                raise TypeError(
                    f"batch normalisation would write secrets into plain running statistics{where()}; share the "
                    "module, or call its eval()"
                )
            if isinstance(running, TensorCell):
                running.write(xp.add(xp.multiply(running.value, 1 - momentum), xp.multiply(now, momentum)))
    else:
        centre, wide = value_of(mean), value_of(variance)
    scale = xp.rsqrt(xp.add(xp.maximum(wide, 0), eps))
    found = xp.multiply(xp.subtract(held, _along(centre, held.ndim)), _along(scale, held.ndim))
    if weight is not None:
        found = xp.multiply(found, _along(value_of(weight), held.ndim))
    if bias is not None:
        found = xp.add(found, _along(value_of(bias), held.ndim))
    return found, centre, scale


def _along(x: Held, dimensions: int) -> Held:
    return x.reshape((x.size, *[1] * (dimensions - 2)))


def _batch_norm_backward(
    grad: Held,
    x: Held,
    weight: Any,
    mean: Any,
    variance: Any,
    centre: Any,
    scale: Any,
    training: bool,
    eps: float,
    wanted: Sequence[bool],
) -> tuple[Any, Any, Any]:
    axes, ndim = (0, *range(2, x.ndim)), x.ndim
    if not training:
        centre, scale = mean, xp.rsqrt(xp.add(xp.maximum(variance, 0), eps))
    unit = xp.multiply(xp.subtract(x, _along(centre, ndim)), _along(scale, ndim))
    by_bias = xp.sum(grad, axis=axes)
    by_weight = xp.sum(xp.multiply(grad, unit), axis=axes)
    by_x = None
    if wanted[0]:
        inner = grad
        if training:
            count = x.size // x.shape[1]
            shift = _along(xp.divide(by_bias, count), ndim)
            tilt = xp.multiply(unit, _along(xp.divide(by_weight, count), ndim))
            inner = xp.subtract(xp.subtract(grad, shift), tilt)
        factor = scale if weight is None else xp.multiply(scale, weight)
        by_x = xp.multiply(inner, _along(factor, ndim))
    return by_x, by_weight if wanted[1] else None, by_bias if wanted[2] else None


RULES: Mapping[str, Rule] = {
    "convolution": _convolution,
    "convolution_backward": _convolution_backward,
    "avg_pool2d": _avg_pool2d,
    "avg_pool2d_backward": _avg_pool2d_backward,
    "_adaptive_avg_pool2d": pooling.adaptive_avg_pool2d,
    "_adaptive_avg_pool2d_backward": _adaptive_backward,
    "upsample_nearest2d": _by_matrix("upsample_nearest2d", 2),
    "upsample_nearest2d_backward": _upsampled_backward("upsample_nearest2d"),
    "upsample_bilinear2d": _by_matrix("upsample_bilinear2d", 2),
    "upsample_bilinear2d_backward": _upsampled_backward("upsample_bilinear2d"),
    "max_pool2d_with_indices": _max_pool2d,
    "max_pool2d_with_indices_backward": OfCells(_max_pool2d_backward),
    "native_batch_norm": OfCells(_batch_norm),
    "native_batch_norm_backward": _batch_norm_backward,
}
