"""Windows over the last axes of an array, and convolutions: sums of products over windows, in three modes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tercet.errors import PlanError
from tercet.plan.table.attributes import Convolution, Convolving, PublicConvolution, Windows
from tercet.plan.table.operation import (
    Call,
    Constant,
    Flow,
    Memory,
    Operation,
    Plain,
    arity,
    need,
    only,
    product_type,
    two_numbers,
)
from tercet.plan.table.ops_products import floored, shifted
from tercet.plan.types import Type
from tercet.protocols.convolution import convolution, convolution_cost
from tercet.protocols.cost import Cost
from tercet.protocols.scope import Body, Scope
from tercet.ring import ConvolutionArray, Convolutions, Geometry, convolutions, pack_bits, unpack_bits
from tercet.sharing import BitShare, Party, Share


def geometry_of(shape: tuple[int, ...], attrs: Windows) -> Geometry:
    """The windows over an array of this shape. PlanError if it has none."""
    axes = len(attrs.kernel)
    need(0 < axes <= len(shape), f"windows over {axes} axes of {len(shape)} dimensions")
    try:
        return Geometry(
            shape[len(shape) - axes :], attrs.kernel, attrs.stride, attrs.before, attrs.after, attrs.dilation
        )
    except ValueError as wrong:
        raise PlanError(str(wrong)) from None


def _padded(shape: tuple[int, ...], attrs: Windows) -> tuple[int, ...]:
    return (*shape[: len(shape) - len(attrs.kernel)], *geometry_of(shape, attrs).padded)


def _infer_windows(inputs: Sequence[Type], attrs: Windows) -> Type:
    arity(inputs, 1)
    (x,) = inputs
    here = geometry_of(x.shape, attrs)
    x.with_shape(_padded(x.shape, attrs))  # what is laid around it is held, too
    shape = (*x.shape[: len(x.shape) - len(here.lengths)], *here.counts, *here.kernel)
    if x.is_bool:
        need(attrs.fill in (0, 1), f"bools are filled with 0 or 1, not {attrs.fill}")
        return x.with_shape(shape)
    lo, hi = (min(x.lo, attrs.fill), max(x.hi, attrs.fill)) if here.is_padded else (x.lo, x.hi)
    return x.with_bounds(lo, hi).with_shape(shape)


def _run_windows(scope: Scope, call: Call[Windows], x: Share | BitShare) -> Share | BitShare:
    """What is filled in is public: it goes to component 1 alone."""
    shape, attrs = call.inputs[0].shape, call.attrs
    here = geometry_of(shape, attrs)
    first = scope.party is Party.P1, scope.party is Party.P3

    def seen(part: NDArray[Any], fill: Any) -> NDArray[Any]:
        return here.view(here.pad(part, fill))

    if isinstance(x, Share):
        fill, none = x.ring.from_ints(attrs.fill)[()], x.ring.from_ints(0)[()]
        own, following = (seen(part, fill if mine else none) for part, mine in zip((x.own, x.next), first, strict=True))
        return Share(x.ring, own, following)
    bits = [
        seen(unpack_bits(words, x.count).reshape(shape), attrs.fill if mine else 0)
        for words, mine in zip((x.own, x.next), first, strict=True)
    ]
    return BitShare(call.out.size, *(pack_bits(np.ascontiguousarray(one).reshape(-1)) for one in bits))


def _plain_windows(inputs: Sequence[Plain], attrs: Windows, out: Type) -> Plain:
    here = geometry_of(inputs[0].shape, attrs)
    return here.view(here.pad(inputs[0], attrs.fill))


def _held_windows(call: Call[Windows]) -> int:
    """The padded copy, of which the result is a view."""
    x = call.inputs[0]
    if not geometry_of(x.shape, call.attrs).is_padded:
        return 0
    return 2 * x.with_shape(_padded(x.shape, call.attrs)).component_bytes


def arrays_of(attrs: Convolving, first: tuple[int, ...], second: tuple[int, ...]) -> Convolutions:
    """What two shapes are to each other, in the order input, kernel, output. PlanError if they do not go together."""
    need(attrs.mode in tuple(ConvolutionArray), f"mode {attrs.mode} of a convolution is not known")
    geometry = (attrs.stride, attrs.before, attrs.after, attrs.dilation)
    try:
        return convolutions(ConvolutionArray(attrs.mode), first, second, geometry, attrs.groups, attrs.sides)
    except ValueError as wrong:
        raise PlanError(str(wrong)) from None


def _product(first: Type, second: Type, attrs: Convolving) -> Type:
    arrays, result = arrays_of(attrs, first.shape, second.shape), ConvolutionArray(attrs.mode)
    found = product_type(first, second, arrays.shape(result), arrays.terms(result))
    if arrays.are_all_terms(result):
        return found
    return found.with_bounds(min(found.lo, 0), max(found.hi, 0))


@two_numbers
def _infer_convolve(first: Type, second: Type, attrs: Convolution) -> Type:
    return shifted(_product(first, second, attrs), attrs.shift)


def _run_convolve(scope: Scope, call: Call[Convolution], first: Share, second: Share) -> Body[Share]:
    attrs = call.attrs
    arrays = arrays_of(attrs, first.shape, second.shape)
    return convolution(scope, arrays, ConvolutionArray(attrs.mode), first, second, attrs.shift)


def _cost_convolve(call: Call[Convolution]) -> Cost:
    return convolution_cost(call.ring, call.out.size, call.attrs.shift)


def _held_convolve(call: Call[Convolution]) -> int:
    """The sum of the components of an operand, and two products, a mask and what arrives."""
    return sum(x.component_bytes for x in call.inputs) + 4 * call.out.component_bytes


def _plain_convolve(inputs: Sequence[Plain], attrs: Convolution, out: Type) -> Plain:
    return floored(_plain_convolved(inputs, attrs, out), attrs.shift)


def _ordered(attrs: PublicConvolution, x: Any, k: Any) -> tuple[Any, Any]:
    return (k, x) if attrs.in_front else (x, k)


@two_numbers
def _infer_public(x: Type, k: Type, attrs: PublicConvolution) -> Type:
    return _product(*_ordered(attrs, x, k), attrs)


def _run_public(scope: Scope, call: Call[PublicConvolution], x: Share, k: Constant) -> Share:
    attrs = call.attrs
    arrays = arrays_of(attrs, *_ordered(attrs, x.shape, k.words.shape))

    def times(words: NDArray[Any]) -> NDArray[Any]:
        return arrays.convolve(x.ring, ConvolutionArray(attrs.mode), *_ordered(attrs, words, k.words))

    return Share(x.ring, times(x.own), times(x.next))


def _plain_public(inputs: Sequence[Plain], attrs: PublicConvolution, out: Type) -> Plain:
    return _plain_convolved(_ordered(attrs, *inputs), attrs, out)


def _plain_convolved(inputs: Sequence[Plain], attrs: Convolving, out: Type) -> Plain:
    """x[n, c, r s + d k - p] w[o, c, k] y[n, o, r], without the one that is the result, summed."""
    result = ConvolutionArray(attrs.mode)
    arrays = arrays_of(attrs, inputs[0].shape, inputs[1].shape)
    here, groups = arrays.geometry, arrays.groups
    axes = len(here.kernel)
    total = np.full(arrays.shape(result), 0, dtype=object)
    padded = np.full((arrays.batch, arrays.channels, *here.padded), 0, dtype=object)
    if result is not ConvolutionArray.INPUT:
        here.inside(padded)[...] = inputs[0]
    if not total.size or not arrays.terms(result):
        return total
    for at in np.ndindex(*here.kernel):
        places: tuple[Any, ...] = tuple(
            slice(k * wide, k * wide + (n - 1) * step + 1, step)
            for k, wide, n, step in zip(at, here.dilation, here.counts, here.stride, strict=True)
        )
        for group in range(groups):
            channels = slice(group * arrays.channels // groups, (group + 1) * arrays.channels // groups)
            outputs = slice(group * arrays.outputs // groups, (group + 1) * arrays.outputs // groups)
            x = padded[(slice(None), channels, *places)]
            if result is ConvolutionArray.OUTPUT:
                weights = inputs[1][(outputs, slice(None), *at)]
                total[:, outputs] += np.moveaxis(np.tensordot(weights, x, (1, 1)), 0, 1)
            elif result is ConvolutionArray.INPUT:
                weights = inputs[0][(outputs, slice(None), *at)]
                x += np.moveaxis(np.tensordot(weights, inputs[1][:, outputs], (0, 1)), 0, 1)
            else:
                over = (0, *range(2, 2 + axes))
                total[(outputs, slice(None), *at)] += np.tensordot(inputs[1][:, outputs], x, (over, over))
    return here.inside(padded) if result is ConvolutionArray.INPUT else total


WINDOWS: tuple[Operation[Any], ...] = (
    Operation(
        "windows",
        194,
        "windows over the last axes, public numbers outside",
        Windows,
        _infer_windows,
        only(_run_windows),
        _plain_windows,
        rows=Flow.WINDOWS,
        memory=Memory.VIEW,
        held=_held_windows,
    ),
    Operation(
        "convolve",
        195,
        "sums of products over windows, or their derivative by one factor",
        Convolution,
        _infer_convolve,
        only(_run_convolve, _cost_convolve),
        _plain_convolve,
        error="exact; with a shift below 1 last bit, unbiased",
        protocol="exchange-form product, one word sent a result; FMT-2",
        rows=Flow.CONVOLVE,
        by_coin=True,
        held=_held_convolve,
    ),
    Operation(
        "convolve_public",
        196,
        "the same with a public factor",
        PublicConvolution,
        _infer_public,
        only(_run_public),
        _plain_public,
        rows=Flow.CONVOLVE,
        public=(1,),
        needs_public=True,
    ),
)
