"""Convolutions and their derivatives: bilinear maps of whole arrays, cut by batch or channels of the result."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import pairwise

from tercet.protocols.cost import Cost
from tercet.protocols.message import Fields
from tercet.protocols.product import OfArrays, bilinear
from tercet.protocols.scope import Body, Scope, Together
from tercet.protocols.truncate import bilinear_truncate
from tercet.ring import Array, ConvolutionArray, Convolutions, Ring, concatenate
from tercet.sharing import Share

CUT_FROM = 1 << 14
"""Fewer results are not cut: each piece reads all of one factor."""


class ConvolutionForm(OfArrays):
    """One of the three arrays of a convolution from the two others."""

    __slots__ = ("_arrays", "_result", "ring", "shape", "threads")

    def __init__(self, ring: Ring, arrays: Convolutions, result: ConvolutionArray, threads: int = 1) -> None:
        self.ring = ring
        self.shape = arrays.shape(result)
        self.threads = threads
        self._arrays = arrays
        self._result = result

    def times(self, x: Array, y: Array) -> Array:
        return self._arrays.convolve(self.ring, self._result, x, y, self.threads)


def _cuts(arrays: Convolutions, result: ConvolutionArray, balance: bool) -> tuple[int, list[slice]]:
    """The axis of the result that is cut, and where: elements are left over at multiples of 8, so that packed fields
    are as much in all as if it were not cut."""
    shape = arrays.shape(result)
    size = math.prod(shape)
    whole = 0, [slice(0, shape[0])]
    if size < (CUT_FROM if balance else 2 * CUT_FROM):
        return whole
    by_batch = result is not ConvolutionArray.KERNEL and shape[0] >= 3
    if not by_batch and arrays.groups > 1:
        return whole
    axis = 0 if by_batch or result is ConvolutionArray.KERNEL else 1
    each = math.prod(shape[axis + 1 :])
    step = 8 // math.gcd(8, each)
    ends = [0, shape[axis] // 3 // step * step, shape[axis] * 2 // 3 // step * step, shape[axis]]
    if not 0 < ends[1] < ends[2]:
        return whole
    return axis, [slice(lo, hi) for lo, hi in pairwise(ends)]


def _part(
    arrays: Convolutions, result: ConvolutionArray, axis: int, cut: slice, first: Share, second: Share
) -> tuple[Convolutions, Share, Share]:
    """What gives one piece of the result."""
    count = cut.stop - cut.start
    if result is ConvolutionArray.KERNEL:
        return replace(arrays, outputs=count), first, second[:, cut]
    if axis == 0:
        smaller = replace(arrays, batch=count)
        return (smaller, first[cut], second) if result is ConvolutionArray.OUTPUT else (smaller, first, second[cut])
    if result is ConvolutionArray.OUTPUT:
        return replace(arrays, outputs=count), first, second[cut]
    return replace(arrays, channels=count), first[:, cut], second


def convolution(
    scope: Scope, arrays: Convolutions, result: ConvolutionArray, first: Share, second: Share, shift: int = 0
) -> Body[Share]:
    """One array of a convolution from the two others, in the order input, kernel, output; divided by 2^shift. Run by
    all three parties.

    One round and one ring word a party and element of the result, whatever the kernel; with a shift two rounds and
    w + shift bits (FMT-2). Exact without a shift, else error as `truncate_split`. Semi-honest, one corruption.
    """
    axis, cuts = _cuts(arrays, result, scope.balance)

    def piece(part: Scope, cut: slice) -> Body[Share]:
        smaller, x, y = (arrays, first, second) if len(cuts) == 1 else _part(arrays, result, axis, cut, first, second)
        form = ConvolutionForm(first.ring, smaller, result, part.threads)
        if shift:
            return (yield from bilinear_truncate(part, form, x, y, shift))
        return (yield from bilinear(part, form, x, y))

    if len(cuts) == 1:
        return (yield from piece(scope, cuts[0]))
    parts = scope.fork(len(cuts), rotate=True)
    results = yield Together(piece(part, cut) for part, cut in zip(parts, cuts, strict=True))
    scope.join(parts)
    own = concatenate([each.own for each in results], axis=axis)
    return Share(first.ring, own, concatenate([each.next for each in results], axis=axis))


def convolution_cost(ring: Ring, size: int, shift: int = 0) -> Cost:
    """Of `convolution`, of so many results."""
    words = 3 * size * ring.word_bytes
    return Cost(2, words + 3 * Fields(shift, size).nbytes) if shift else Cost(1, words)
