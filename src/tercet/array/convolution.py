"""Convolutions and their derivatives under torch's names, and NumPy's convolve. The batch stays an axis of its own:
each result rests on its own row.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tercet.array import elementwise, given
from tercet.array.core import SecretArray, apply, shape_of
from tercet.array.dispatch import array_function, array_function_beside
from tercet.array.windows import each_axis, geometry_over, with_batch
from tercet.plan.record.windows import convolve as record_convolution
from tercet.ring import ConvolutionArray, Convolutions, convolutions


def _ends(padding: Any, kernel: Sequence[int], stride: Sequence[int], dilation: Sequence[int]) -> list[tuple[int, int]]:
    if isinstance(padding, str):
        if padding == "valid":
            return [(0, 0)] * len(kernel)
        if padding != "same" or max(stride) > 1:
            raise ValueError("padding is 'valid', 'same' (with a stride of 1), or public integers")
        totals = [wide * (size - 1) for size, wide in zip(kernel, dilation, strict=True)]
        return [(total // 2, total - total // 2) for total in totals]
    return [(one, one) for one in each_axis(padding, len(kernel), "padding", 0)]


def _bias(bias: Any, outputs: int, dimensions: int) -> Any:
    """A bias beside results (batch, outputs, ...); None if there is none."""
    if bias is None:
        return None
    if shape_of(bias) != (outputs,):
        raise ValueError(f"a bias of shape {shape_of(bias)} for {outputs} outputs")
    each = bias if isinstance(bias, SecretArray) else given.array(bias, "a bias")
    return each.reshape((outputs, *([1] * dimensions)))


def _convolved(
    x: Any, weight: Any, bias: Any, stride: Any, padding: Any, dilation: Any, groups: Any, dimensions: int, what: str
) -> Any:
    x, batched = with_batch(x, dimensions, what)
    weights = weight if isinstance(weight, SecretArray) else given.array(weight, "weights")
    number = given.integer(groups, "groups")
    if weights.ndim != dimensions + 2 or number < 1 or weights.shape[0] % number:
        raise ValueError(f"weights of shape {weights.shape} for {number} groups: (outputs, channels / groups, kernel)")
    if x.shape[1] != weights.shape[1] * number:
        raise ValueError(f"{x.shape[1]} channels, and weights for {number} groups of {weights.shape[1]}")
    outputs, kernel = weights.shape[0], weights.shape[2:]
    each = _bias(bias, outputs, dimensions)
    steps, wide = each_axis(stride, dimensions, "stride", 1), each_axis(dilation, dimensions, "dilation", 1)
    geometry = geometry_over(x.shape[2:], kernel, steps, _ends(padding, kernel, steps, wide), wide)
    result = convolution(
        x, weights, Convolutions(geometry, x.shape[0], x.shape[1], outputs, number), ConvolutionArray.OUTPUT
    )
    if each is not None:
        result = elementwise.add(result, each)
    return result if batched else result[0]


def _plain_convolution(
    first: NDArray[Any], second: NDArray[Any], arrays: Convolutions, asked: ConvolutionArray
) -> NDArray[Any]:
    here, groups = arrays.geometry, arrays.groups
    first, second = given.wide(first, "an array"), given.wide(second, "an array")
    sides = len(here.kernel)
    last, places = tuple(range(-sides, 0)), tuple(range(2, 2 + sides))
    parts = []
    for group in range(groups):
        channels, outputs = (
            slice(group * number // groups, (group + 1) * number // groups)
            for number in (arrays.channels, arrays.outputs)
        )
        if asked is ConvolutionArray.INPUT:
            kernel, y = first[outputs], second[:, outputs]
            padded = np.zeros((arrays.batch, kernel.shape[1], *here.padded), np.result_type(first, second))
            for at in np.ndindex(*here.kernel):
                seen: tuple[Any, ...] = tuple(
                    slice(k * wide, k * wide + (n - 1) * step + 1, step)
                    for k, wide, n, step in zip(at, here.dilation, here.counts, here.stride, strict=True)
                )
                padded[(..., *seen)] += np.moveaxis(np.tensordot(y, kernel[(..., *at)], (1, 0)), -1, 1)
            parts.append(here.inside(padded))
            continue
        windows = here.view(here.pad(first[:, channels], 0))
        if asked is ConvolutionArray.OUTPUT:
            found = np.tensordot(windows, second[outputs], axes=((1, *last), (1, *last)))  # (batch, windows, outputs)
            parts.append(np.moveaxis(found, -1, 1))
        else:
            parts.append(np.tensordot(second[:, outputs], windows, axes=((0, *places), (0, *places))))
    return np.concatenate(parts, axis=0 if asked is ConvolutionArray.KERNEL else 1)


@array_function_beside(_plain_convolution)
def convolution(x1: Any, x2: Any, arrays: Convolutions, asked: ConvolutionArray, /) -> SecretArray:
    """Of input, kernel and output the one that is asked for, from the two others in that order, of which one may be
    public."""
    here = arrays.geometry
    geometry = here.stride, here.before, here.after, here.dilation
    sides = {ConvolutionArray.INPUT: here.lengths, ConvolutionArray.KERNEL: here.kernel}.get(asked, ())
    return apply(lambda x, y: record_convolution(x, y, asked, geometry, arrays.groups, sides), x1, x2)


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


def conv3d(
    input: Any, weight: Any, bias: Any = None, stride: Any = 1, padding: Any = 0, dilation: Any = 1, groups: int = 1
) -> Any:
    """As `conv1d`, of (batch, channels, depth, height, width).

    After `torch.nn.functional.conv3d`.
    """
    return _convolved(input, weight, bias, stride, padding, dilation, groups, 3, "conv3d")


def _turned(
    x: Any,
    weight: Any,
    bias: Any,
    stride: Any,
    padding: Any,
    output_padding: Any,
    groups: Any,
    dilation: Any,
    dimensions: int,
    what: str,
) -> Any:
    x, batched = with_batch(x, dimensions, what)
    weights = weight if isinstance(weight, SecretArray) else given.array(weight, "weights")
    number = given.integer(groups, "groups")
    if weights.ndim != dimensions + 2 or weights.shape[0] != x.shape[1] or number < 1 or x.shape[1] % number:
        raise ValueError(f"{x.shape[1]} channels in {number} groups, and weights of shape {weights.shape}")
    steps, wide = each_axis(stride, dimensions, "stride", 1), each_axis(dilation, dimensions, "dilation", 1)
    around = each_axis(padding, dimensions, "padding", 0)
    more = each_axis(output_padding, dimensions, "output_padding", 0)
    if any(end >= step for end, step in zip(more, steps, strict=True)):
        raise ValueError(f"output_padding {more} is less than the stride {steps}")
    kernel = weights.shape[2:]
    sides = tuple(
        (places - 1) * step - 2 * end + apart * (size - 1) + 1 + behind
        for places, step, end, apart, size, behind in zip(x.shape[2:], steps, around, wide, kernel, more, strict=True)
    )
    if min(sides) < 1:
        raise ValueError(f"padding {around} leaves nothing: sides of {sides}")
    outputs = weights.shape[1] * number
    each = _bias(bias, outputs, dimensions)
    asked = ConvolutionArray.INPUT
    known = convolutions(asked, weights.shape, x.shape, (steps, around, around, wide), number, sides)
    result = convolution(weights, x, known, asked)
    if each is not None:
        result = elementwise.add(result, each)
    return result if batched else result[0]


def conv_transpose1d(
    input: Any,
    weight: Any,
    bias: Any = None,
    stride: Any = 1,
    padding: Any = 0,
    output_padding: Any = 0,
    groups: int = 1,
    dilation: Any = 1,
) -> Any:
    """(batch, channels, length) by (channels, outputs / groups, kernel): each element adds so many times the kernel to
    the result, `stride` apart, of which `padding` at both ends is dropped.

    Costs and error as of `conv1d`: one word for each number of the result, and no products with zeros whatever the
    stride. ValueError where shapes do not go together. After `torch.nn.functional.conv_transpose1d`.
    """
    return _turned(input, weight, bias, stride, padding, output_padding, groups, dilation, 1, "conv_transpose1d")


def conv_transpose2d(
    input: Any,
    weight: Any,
    bias: Any = None,
    stride: Any = 1,
    padding: Any = 0,
    output_padding: Any = 0,
    groups: int = 1,
    dilation: Any = 1,
) -> Any:
    """As `conv_transpose1d`, of (batch, channels, height, width); after `torch.nn.functional.conv_transpose2d`."""
    return _turned(input, weight, bias, stride, padding, output_padding, groups, dilation, 2, "conv_transpose2d")


def conv_transpose3d(
    input: Any,
    weight: Any,
    bias: Any = None,
    stride: Any = 1,
    padding: Any = 0,
    output_padding: Any = 0,
    groups: int = 1,
    dilation: Any = 1,
) -> Any:
    """As `conv_transpose1d`, of depth, height and width; after `torch.nn.functional.conv_transpose3d`."""
    return _turned(input, weight, bias, stride, padding, output_padding, groups, dilation, 3, "conv_transpose3d")


# ---- derivatives ----


def _derived(
    first: Any,
    second: Any,
    size: Any,
    asked: ConvolutionArray,
    stride: Any,
    padding: Any,
    dilation: Any,
    groups: Any,
    dimensions: int,
) -> Any:
    """The derivative of this shape: by the input from kernel and output, or by the kernel from input and output."""
    what = "input" if asked is ConvolutionArray.INPUT else "weight"
    shape, number = given.integers(size, f"the shape of the {what}"), given.integer(groups, "groups")
    arrays = [one if isinstance(one, SecretArray) else given.array(one, "an array") for one in (first, second)]
    if any(len(one) != dimensions + 2 for one in (shape, arrays[0].shape, arrays[1].shape)):
        raise ValueError(f"arrays and shapes here have {dimensions + 2} dimensions, batch and channels among them")
    steps, wide = each_axis(stride, dimensions, "stride", 1), each_axis(dilation, dimensions, "dilation", 1)
    around = each_axis(padding, dimensions, "padding", 0)
    known = convolutions(asked, arrays[0].shape, arrays[1].shape, (steps, around, around, wide), number, shape[2:])
    if known.shape(asked) != shape:
        raise ValueError(f"a {what} of shape {shape}, where these arrays go with {known.shape(asked)}")
    return convolution(arrays[0], arrays[1], known, asked)


def conv1d_input(
    input_size: Any,
    weight: Any,
    grad_output: Any,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> Any:
    """The derivative of `conv1d` by its input, of this shape, given that by its output.

    Costs and error as of `conv1d`: one word for each number of the result. ValueError where shapes do not go together.
    After `torch.nn.grad.conv1d_input`.
    """
    asked = ConvolutionArray.INPUT
    return _derived(weight, grad_output, input_size, asked, stride, padding, dilation, groups, 1)


def conv2d_input(
    input_size: Any,
    weight: Any,
    grad_output: Any,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> Any:
    """As `conv1d_input`, of `conv2d`; after `torch.nn.grad.conv2d_input`."""
    asked = ConvolutionArray.INPUT
    return _derived(weight, grad_output, input_size, asked, stride, padding, dilation, groups, 2)


def conv3d_input(
    input_size: Any,
    weight: Any,
    grad_output: Any,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> Any:
    """As `conv1d_input`, of `conv3d`; after `torch.nn.grad.conv3d_input`."""
    asked = ConvolutionArray.INPUT
    return _derived(weight, grad_output, input_size, asked, stride, padding, dilation, groups, 3)


def conv1d_weight(
    input: Any,
    weight_size: Any,
    grad_output: Any,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> Any:
    """The derivative of `conv1d` by its weights, of this shape, given that by its output: added up over the batch, one
    word for each number of the result. ValueError where shapes do not go together. After `torch.nn.grad.conv1d_weight`.
    """
    asked = ConvolutionArray.KERNEL
    return _derived(input, grad_output, weight_size, asked, stride, padding, dilation, groups, 1)


def conv2d_weight(
    input: Any,
    weight_size: Any,
    grad_output: Any,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> Any:
    """As `conv1d_weight`, of `conv2d`; after `torch.nn.grad.conv2d_weight`."""
    asked = ConvolutionArray.KERNEL
    return _derived(input, grad_output, weight_size, asked, stride, padding, dilation, groups, 2)


def conv3d_weight(
    input: Any,
    weight_size: Any,
    grad_output: Any,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> Any:
    """As `conv1d_weight`, of `conv3d`; after `torch.nn.grad.conv3d_weight`."""
    asked = ConvolutionArray.KERNEL
    return _derived(input, grad_output, weight_size, asked, stride, padding, dilation, groups, 3)


# ---- NumPy's ----


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
