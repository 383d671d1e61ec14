"""What operations do with the axes of their operands: one rule for each `Flow` of the operations table, and the walk
over a plan that applies the rules.

Two analyses use them. `plan.rows.track` finds over how many rows each number is an aggregate (policy); `plan.rows.cut`
finds where a plan can be run in partitions of rows (streaming, and the estimate of its memory). Each says what the few
steps below do to what it knows of a value; neither knows operations. What has no rule is lost to the first, which
counts as single rows, and refused by the second.

Axes are counted from the right: axis 0 is the last. So broadcasting does not renumber them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol, TypeAlias, TypeVar

from tercet.plan.plan import Plan, PlanOperation, result_of
from tercet.plan.table.attributes import (
    Attributes,
    Axes,
    Axis,
    AxisOrder,
    Contraction,
    Convolution,
    Convolving,
    MatrixProduct,
    NewShape,
    PublicConvolution,
    PublicMatrix,
    Ranges,
    Shifting,
    Windows,
)
from tercet.plan.table.operation import Flow
from tercet.plan.types import Type
from tercet.ring import ConvolutionArray

Shape: TypeAlias = tuple[int, ...]


def length(shape: Shape, axis: int) -> int:
    """How many places an axis has; 1 if there is no such axis, as in broadcasting."""
    return shape[-1 - axis] if axis < len(shape) else 1


@dataclass(frozen=True, slots=True)
class Summed:
    """Elements are added up over `axes`, which the result does not have. `shift`: the sum is then divided by 2^shift.
    `wide`: it is added up in blocks, each modulo 2^64."""

    axes: frozenset[int]
    shift: int = 0
    wide: bool = False


@dataclass(frozen=True, slots=True)
class Moved:
    """Axes go where `axes` says; those that it does not name are mixed with others."""

    axes: Mapping[int, int]


@dataclass(frozen=True, slots=True)
class Sliced:
    """Of each axis named in `axes`, (start, count, step) of the places that are left; others stay whole."""

    axes: Mapping[int, tuple[int, int, int]]


@dataclass(frozen=True, slots=True)
class Taken:
    """Along `axis`, the places that the public second operand lists."""

    axis: int


@dataclass(frozen=True, slots=True)
class Chained:
    """Elements depend on all those before them along `axis`."""

    axis: int


@dataclass(frozen=True, slots=True)
class Concatenated:
    """The operands stand one behind the other along `axis`."""

    axis: int


@dataclass(frozen=True, slots=True)
class Repeated:
    """Broadcast to the result's shape: all is alike along the new axes."""


@dataclass(frozen=True, slots=True)
class Stacked:
    """Several results of each element of the first operand, along a new first axis; a second one is public."""


@dataclass(frozen=True, slots=True)
class Ranked:
    """Elements along the last axis depend on their own place and, in the same way whatever the order, on all others
    there; the first axis is gone, and its places are mixed."""


@dataclass(frozen=True, slots=True)
class Among:
    """What stands along the last axis of all operands meets place by place, and depends there on its own place and, in
    the same way whatever the order, on all others; all other axes are mixed."""


AxisStep: TypeAlias = Summed | Moved | Sliced | Taken | Chained | Concatenated | Repeated | Stacked | Ranked | Among


@dataclass(frozen=True, slots=True)
class AxisMeaning:
    """What one operation does: elements of its operands meet place by place, broadcast together; then comes `step`.

    `inserted`: the axis of length 1 that each operand gets before they meet. `placed`: the axes of each operand that
    they meet along, and which ones those are there; all others are mixed before, and those of the result that none is
    placed at are new. `weighed`: the second operand is public,
    and where it is zero nothing is left of the first. `cancels`: the operands are one value, which takes itself away.
    """

    step: AxisStep | None = None
    inserted: tuple[int, ...] = ()
    placed: tuple[Mapping[int, int], ...] = ()
    weighed: bool = False
    cancels: bool = False

    def to_meeting(self, place: int, axis: int) -> int | None:
        """The axis of operand `place`, where they meet; None if it is mixed before."""
        if self.placed:
            return self.placed[place].get(axis)
        return axis + (axis >= self.inserted[place]) if self.inserted else axis

    def from_meeting(self, place: int, axis: int) -> int | None:
        """The axis of operand `place` that goes to `axis` where they meet; None if it has none of its own."""
        if place and isinstance(self.step, Taken | Stacked):
            return None
        if self.placed:
            return next((own for own, there in self.placed[place].items() if there == axis), None)
        if not self.inserted:
            return axis
        inserted = self.inserted[place]
        return None if axis == inserted else axis - (axis > inserted)


def axes_of(op: PlanOperation, shapes: Sequence[Shape]) -> AxisMeaning | None:
    """What an operation does with axes, given the shapes of its operands; None if every element of its result may
    depend on every element of them. Leaves and loops have no rule; `walk` knows them."""
    rule = _RULES.get(op.operation.rows)
    return rule(op, shapes) if callable(rule) else rule


def narrowed(op: PlanOperation, axis: int, count: int) -> Attributes:
    """The attributes that do the same to `count` of the rows that lie along the result's `axis`."""
    place = len(op.type.shape) - 1 - axis
    match op.attrs:
        case NewShape(shape):
            return NewShape((*shape[:place], count, *shape[place + 1 :]))
        case Ranges(ranges):
            start, _, step = ranges[place]
            return Ranges((*ranges[:place], (start, count, step), *ranges[place + 1 :]))
        case Windows(kernel) if place >= len(op.type.shape) - len(kernel):
            place -= len(op.type.shape) - len(kernel)
            return replace(op.attrs, kernel=(*kernel[:place], count, *kernel[place + 1 :]))
    return op.attrs


def unscaled(op: PlanOperation, types: Sequence[Type]) -> tuple[Attributes, Type]:
    """The attributes and type of a sum that is left as it is before its division by a power of two."""
    assert isinstance(op.attrs, Shifting)
    attrs = replace(op.attrs, shift=0)
    return attrs, replace(op.operation.infer(types, attrs), claimed=op.type.claimed)


def _from_right(shape: Shape, axes: Sequence[int]) -> frozenset[int]:
    return frozenset([len(shape) - 1 - axis for axis in axes])


def _difference(op: PlanOperation, shapes: Sequence[Shape]) -> AxisMeaning:
    return _CANCELLED if op.inputs[0] == op.inputs[1] else _EACH


def _sum(op: PlanOperation, shapes: Sequence[Shape]) -> AxisMeaning:
    return AxisMeaning(Summed(_from_right(shapes[0], op.attrs.of(Axes).axes)))


def _contract(op: PlanOperation, shapes: Sequence[Shape]) -> AxisMeaning:
    attrs = op.attrs.of(Contraction)
    return AxisMeaning(Summed(_from_right(shapes[0], attrs.axes), attrs.shift, attrs.wide))


def _matrix(op: PlanOperation, shapes: Sequence[Shape]) -> AxisMeaning:
    """(..., a, t) @ (..., t, b) as products over (..., a, t, b), summed over t."""
    attrs = op.attrs if isinstance(op.attrs, MatrixProduct) else MatrixProduct()
    return AxisMeaning(Summed(frozenset([1]), attrs.shift, attrs.wide), inserted=(0, 2))


def _matrix_public(op: PlanOperation, shapes: Sequence[Shape]) -> AxisMeaning:
    inserted = (2, 0) if op.attrs.of(PublicMatrix).in_front else (0, 2)
    return AxisMeaning(Summed(frozenset([1])), inserted=inserted, weighed=True)


def _windows(op: PlanOperation, shapes: Sequence[Shape]) -> AxisMeaning:
    """Of the sides, one goes on that has one window as long as it is, or windows of one element each, all of them."""
    attrs = op.attrs.of(Windows)
    sides = len(attrs.kernel)
    axes = {axis: axis + sides for axis in range(sides, len(shapes[0]))}
    for axis, n in enumerate(reversed(shapes[0][len(shapes[0]) - sides :])):
        place = sides - 1 - axis
        if not (attrs.before[place] or attrs.after[place]):
            if attrs.kernel[place] == n and (attrs.dilation[place] == 1 or n == 1):
                axes[axis] = axis
            elif attrs.kernel[place] == attrs.stride[place] == 1:
                axes[axis] = axis + sides
    return AxisMeaning(Moved(axes))


def _convolve(op: PlanOperation, shapes: Sequence[Shape]) -> AxisMeaning:
    """Input (n, c, ...), kernel (o, c, ...) and output (n, o, ...): images n stay apart, or are added up; where
    there is one group, outputs o and channels c stay apart."""
    attrs = op.attrs.of(Convolving)
    batch = len(op.type.shape) - 1
    channel = batch - 1
    alone = attrs.groups == 1
    images = {batch: batch}
    step = None
    if attrs.mode == ConvolutionArray.OUTPUT:
        placed = images, {batch: channel} if alone else {}
    elif attrs.mode == ConvolutionArray.INPUT:
        placed = {channel: channel} if alone else {}, images
    else:
        # (n, o, c, ...), summed over n
        both = ({channel: channel}, {channel: batch}) if alone else ({}, {})
        placed = {batch: batch + 1, **both[0]}, {batch: batch + 1, **both[1]}
        step = Summed(frozenset([batch + 1]), attrs.shift if isinstance(attrs, Convolution) else 0)
    if isinstance(attrs, PublicConvolution) and attrs.in_front:
        placed = placed[1], placed[0]
    return AxisMeaning(step, placed=placed)


def _prefix(op: PlanOperation, shapes: Sequence[Shape]) -> AxisMeaning:
    (axis,) = _from_right(shapes[0], (op.attrs.of(Axis).axis,))
    return AxisMeaning(Chained(axis))


def _reshape(op: PlanOperation, shapes: Sequence[Shape]) -> AxisMeaning:
    """An axis goes on if it keeps its length, and what is in front of it its number of elements."""
    before, after = shapes[0], op.type.shape
    if 0 in after:
        return AxisMeaning(Moved({}))
    fronts = {(math.prod(after[:place]), n): len(after) - 1 - place for place, n in enumerate(after)}
    axes: dict[int, int] = {}
    for axis, n in enumerate(reversed(before)):
        front = math.prod(before[: len(before) - 1 - axis])
        if n > 1 and (front, n) in fronts:
            axes[axis] = fronts[front, n]
    return AxisMeaning(Moved(axes))


def _permute(op: PlanOperation, shapes: Sequence[Shape]) -> AxisMeaning:
    axes = op.attrs.of(AxisOrder).axes
    last = len(axes) - 1
    return AxisMeaning(Moved({last - old: last - new for new, old in enumerate(axes)}))


def _slice(op: PlanOperation, shapes: Sequence[Shape]) -> AxisMeaning:
    last = len(op.type.shape) - 1
    axes: dict[int, tuple[int, int, int]] = {}
    for place, (n, taken) in enumerate(zip(shapes[0], op.attrs.of(Ranges).ranges, strict=True)):
        if taken != (0, n, 1):
            axes[last - place] = taken
    return AxisMeaning(Sliced(axes))


def _take(op: PlanOperation, shapes: Sequence[Shape]) -> AxisMeaning:
    return AxisMeaning(Taken(len(op.type.shape) - 1 - op.attrs.of(Axis).axis))


def _concat(op: PlanOperation, shapes: Sequence[Shape]) -> AxisMeaning:
    return AxisMeaning(Concatenated(len(op.type.shape) - 1 - op.attrs.of(Axis).axis))


_EACH = AxisMeaning()
_CANCELLED = AxisMeaning(cancels=True)

_RULES: Mapping[Flow, AxisMeaning | Callable[[PlanOperation, Sequence[Shape]], AxisMeaning]] = {
    Flow.EACH: _EACH,
    Flow.DIFFERENCE: _difference,
    Flow.WEIGHED: AxisMeaning(weighed=True),
    Flow.STACKED: AxisMeaning(Stacked()),
    Flow.RANKED: AxisMeaning(Ranked()),
    Flow.AMONG: AxisMeaning(Among()),
    Flow.BROADCAST: AxisMeaning(Repeated()),
    Flow.SUM: _sum,
    Flow.CONTRACT: _contract,
    Flow.MATRIX: _matrix,
    Flow.MATRIX_PUBLIC: _matrix_public,
    Flow.PREFIX: _prefix,
    Flow.RESHAPE: _reshape,
    Flow.PERMUTE: _permute,
    Flow.SLICE: _slice,
    Flow.TAKE: _take,
    Flow.CONCAT: _concat,
    Flow.WINDOWS: _windows,
    Flow.CONVOLVE: _convolve,
}


V = TypeVar("V")


class Analysis(Protocol[V]):
    """What an analysis of rows knows of values, each a V. `index` is the place of the operation in the plan."""

    def stored(self, index: int, op: PlanOperation) -> V:
        """Of a stored array."""
        ...

    def public(self, index: int, op: PlanOperation) -> V:
        """Of a constant of the plan."""
        ...

    def result(self, index: int, op: PlanOperation, axes: AxisMeaning | None, operands: list[V]) -> V:
        """Of an operation's result; `axes` as `axes_of` gives it."""
        ...

    def loop(self, index: int, op: PlanOperation, operands: list[V]) -> list[V]:
        """Of each of the values that a loop carries."""
        ...


def walk(plan: Plan, analysis: Analysis[V]) -> dict[int, V]:
    """What an analysis knows of every value, by its number, from what it knows of the inputs. Time is linear."""
    values: dict[int, V] = {}
    for index, op in enumerate(plan.operations):
        if op.is_input:
            values[index] = analysis.stored(index, op)
            continue
        if op.is_constant:
            values[index] = analysis.public(index, op)
            continue
        given = [values[value] for value in op.inputs]
        if op.operation.rows is Flow.LOOP:
            values |= {result_of(index, place): one for place, one in enumerate(analysis.loop(index, op, given))}
        else:
            axes = axes_of(op, [plan.type_of(value).shape for value in op.inputs])
            values[index] = analysis.result(index, op, axes, given)
    return values
