"""Windows over the last axes of an array, and sums of products over them on the native kernel."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tercet.ring.arrays import Array
from tercet.ring.ring import Ring

MOST_SIDES = 3
"""Convolutions go over so many axes at most."""


class ConvolutionArray(IntEnum):
    """Which array of a convolution is worked out from the two others."""

    OUTPUT = 0
    INPUT = 1
    """The derivative by the input."""
    KERNEL = 2
    """The derivative by the kernel."""


@dataclass(frozen=True, slots=True)
class Geometry:
    """Along each of some axes: its length, the elements of a window, from one window to the next, elements added before
    and after, and from one element of a window to the next.

    ValueError if the lists differ in length, if a number is out of its range, and if a window is longer than its axis
    with what is added."""

    lengths: tuple[int, ...]
    kernel: tuple[int, ...]
    stride: tuple[int, ...]
    before: tuple[int, ...]
    after: tuple[int, ...]
    dilation: tuple[int, ...]

    def __post_init__(self) -> None:
        lists = (self.kernel, self.stride, self.before, self.after, self.dilation)
        if any(len(one) != len(self.lengths) for one in lists):
            found = [len(one) for one in lists]
            raise ValueError(f"windows over {len(self.lengths)} axes take as many numbers of each kind, not {found}")
        if min((*self.kernel, *self.stride, *self.dilation, 1)) < 1:
            raise ValueError("kernel, stride and dilation of windows are 1 at least")
        for length, reach, padded in zip(self.lengths, self.reach, self.padded, strict=True):
            if reach > padded:
                raise ValueError(f"a window over {reach} elements is longer than {length} and its padding")

    @property
    def reach(self) -> tuple[int, ...]:
        """From the first element of a window to its last, both counted."""
        return tuple(wide * (size - 1) + 1 for size, wide in zip(self.kernel, self.dilation, strict=True))

    @property
    def padded(self) -> tuple[int, ...]:
        """The lengths of the axes with what is added."""
        return tuple(sum(three) for three in zip(self.lengths, self.before, self.after, strict=True))

    @property
    def counts(self) -> tuple[int, ...]:
        """How many windows there are."""
        return tuple(
            (padded - reach) // step + 1
            for padded, reach, step in zip(self.padded, self.reach, self.stride, strict=True)
        )

    @property
    def is_padded(self) -> bool:
        return any(self.before) or any(self.after)

    def pad(self, array: NDArray[Any], fill: Any) -> NDArray[Any]:
        """The array with `fill` around its last axes; the same array where nothing is added."""
        if not self.is_padded:
            return array
        free = array.ndim - len(self.lengths)
        found = np.full((*array.shape[:free], *self.padded), fill, array.dtype)
        self.inside(found)[...] = array
        return found

    def inside(self, padded: NDArray[Any]) -> NDArray[Any]:
        """What `pad` laid something around, as a view."""
        within: tuple[Any, ...] = tuple(
            slice(start, start + n) for start, n in zip(self.before, self.lengths, strict=True)
        )
        return padded[(..., *within)]

    def view(self, padded: NDArray[Any]) -> NDArray[Any]:
        """(..., windows, kernel) of what `pad` gives, in its memory. Steps never taken may be of any length."""
        free = padded.ndim - len(self.lengths)
        own = padded.strides[free:]
        return np.lib.stride_tricks.as_strided(
            padded,
            (*padded.shape[:free], *self.counts, *self.kernel),
            (
                *padded.strides[:free],
                *(stride * step * (n > 1) for stride, step, n in zip(own, self.stride, self.counts, strict=True)),
                *(stride * wide * (n > 1) for stride, wide, n in zip(own, self.dilation, self.kernel, strict=True)),
            ),
            writeable=False,
        )


@dataclass(frozen=True, slots=True)
class Convolutions:
    """The three arrays of a convolution, of which two give the third: input (batch, channels, lengths), kernel
    (outputs, channels / groups, kernel), output (batch, outputs, counts)."""

    geometry: Geometry
    batch: int
    channels: int
    outputs: int
    groups: int

    @property
    def shapes(self) -> tuple[tuple[int, ...], tuple[int, ...], tuple[int, ...]]:
        """Those of input, kernel and output."""
        here = self.geometry
        return (
            (self.batch, self.channels, *here.lengths),
            (self.outputs, self.channels // self.groups, *here.kernel),
            (self.batch, self.outputs, *here.counts),
        )

    def shape(self, result: ConvolutionArray) -> tuple[int, ...]:
        """That of a result."""
        return self.shapes[(2, 0, 1)[result]]

    def terms(self, result: ConvolutionArray) -> int:
        """Of how many products an element of the result is a sum, at most."""
        if result is ConvolutionArray.KERNEL:
            return self.batch * math.prod(self.geometry.counts)
        each = self.channels if result is ConvolutionArray.OUTPUT else self.outputs
        return each // self.groups * math.prod(self.geometry.kernel)

    def are_all_terms(self, result: ConvolutionArray) -> bool:
        """Whether every element of the result is a sum of so many: what lies outside adds none, nor does a window to
        elements of the input that it leaves out."""
        return result is not ConvolutionArray.INPUT and not self.geometry.is_padded

    def convolve(self, ring: Ring, result: ConvolutionArray, first: Array, second: Array, threads: int = 1) -> Array:
        """The result from the two other arrays, in the order input, kernel, output; modulo the ring."""
        out = ring.zeros(self.shape(result))
        if out.size and self.terms(result) and first.size and second.size:
            ring.native.convolve(int(result), _wide(first), _wide(second), _wide(out), self._numbers(), threads)
        return out

    def _numbers(self) -> list[int]:
        """Groups; then of each of three axes kernel, stride, padding in front, dilation."""
        here = self.geometry
        lists = zip(here.kernel, here.stride, here.before, here.dilation, strict=True)
        found = [(1, 1, 0, 1)] * (MOST_SIDES - len(here.kernel)) + list(lists)
        return [self.groups, *(number for axis in found for number in axis)]


def _wide(array: Array) -> Array:
    """With three sides, those in front of length 1."""
    missing = MOST_SIDES + 2 - array.ndim
    return array[(slice(None), slice(None), *[None] * missing)]


def convolutions(
    result: ConvolutionArray,
    first: Sequence[int],
    second: Sequence[int],
    geometry: Sequence[Sequence[int]],
    groups: int,
    sides: Sequence[int] = (),
) -> Convolutions:
    """What two shapes, in the order input, kernel, output, are to each other; `geometry` has stride, before, after and
    dilation, `sides` the lengths of the result where it is not the output. ValueError if they do not go together."""
    axes = len(first) - 2
    if not 1 <= axes <= MOST_SIDES or len(second) != len(first):
        raise ValueError(f"convolutions are of three to five dimensions, not of shapes {first} and {second}")
    if groups < 1:
        raise ValueError("there is one group at least")
    if result is ConvolutionArray.OUTPUT:
        (batch, channels), outputs = first[:2], second[0]
        lengths, kernel, each = first[2:], second[2:], second[1]
    elif result is ConvolutionArray.KERNEL:
        (batch, channels), outputs = first[:2], second[1]
        lengths, kernel, each = first[2:], sides, channels // groups
    else:
        batch, outputs, each = second[0], second[1], first[1]
        lengths, kernel, channels = sides, first[2:], first[1] * groups
    if each * groups != channels or outputs % groups:
        raise ValueError(f"{channels} channels and {outputs} outputs in {groups} groups of {each} channels")
    found = Convolutions(
        Geometry(tuple(lengths), tuple(kernel), *(tuple(one) for one in geometry)), batch, channels, outputs, groups
    )
    whole = found.shapes
    wanted = {
        ConvolutionArray.OUTPUT: whole[:2],
        ConvolutionArray.INPUT: whole[1:],
        ConvolutionArray.KERNEL: (whole[0], whole[2]),
    }[result]
    if (tuple(first), tuple(second)) != wanted:
        raise ValueError(f"shapes {tuple(first)} and {tuple(second)}, where {wanted[0]} and {wanted[1]} go together")
    return found
