"""Where a plan can be cut along the rows of its inputs: what is done row by row, what is added up, what comes after.

Every value is *free* (it does not grow with the rows) or *along* the rows: one axis has a place for every row, in
order, and what stands at a place depends on that row and on free values alone. A sum over that axis is free again, and
partial sums over some of the rows add up to it. Values have a level: how many times one must have gone through all
rows before they can be computed. A mean has level 1, deviations from it are along the rows with level 1, and their sum
of squares has level 2. So a plan becomes: what is free from the start, a pass over all rows, what is free then, ...
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from tercet.plan.operation import Flow
from tercet.plan.plan import Plan, PlanOperation
from tercet.plan.table import CONSTANT, INPUT


@dataclass(frozen=True)
class Refusal:
    """Why a plan cannot be cut along its rows; it is then run whole."""

    reason: str


class NotRowwise(Exception):
    """The reason of a refusal."""

    def __init__(self, index: int, op: PlanOperation, reason: str) -> None:
        super().__init__(f"operation {index} ({op.operation.name}) {reason}")


@dataclass(frozen=True)
class Along:
    """A value along the rows: its row axis, counted from the right, and what it uses of free values."""

    axis: int
    level: int
    copied: bool = False
    """A free value that is computed again in each partition, as it is as long as the rows."""


@dataclass(frozen=True)
class Free:
    """A value that does not grow with the rows; `total` if it is the sum of partial sums."""

    level: int
    total: bool = False


class Cut:
    """The analysis of a plan: `along` and `free` hold what each operation's value is, `sliced` which operands it takes
    along the rows when it runs in a partition. Raises NotRowwise.

    A free value that is as long as the rows, and meets them, is in both: it is computed (or, of a constant, sliced)
    anew for each partition, and as a whole if something else needs it so. `stored_sums` are the sums over all rows of a
    stored array, by its handle: free from the start, as whoever stores the array adds it up, and may know the sum.
    """

    def __init__(self, plan: Plan, row_inputs: set[bytes], rows: int) -> None:
        self.plan = plan
        self.rows = rows
        self.along: dict[int, Along] = {}
        self.free: dict[int, Free] = {}
        self.sliced: dict[int, tuple[bool, ...]] = {}
        self.stored_sums: dict[int, bytes] = {}
        for index, op in enumerate(plan.operations):
            self._place(index, op, row_inputs)
        self.levels = max((free.level for free in self.free.values()), default=0)
        last = max(
            (self.along[output.value].level + 1 for output in plan.outputs if output.value in self.along), default=0
        )
        self.passes = max(self.levels, last)

    def _place(self, index: int, op: PlanOperation, row_inputs: set[bytes]) -> None:
        if op.operation is INPUT and op.data in row_inputs:
            if not op.type.shape or op.type.shape[0] != self.rows:
                raise NotRowwise(index, op, f"has shape {op.type.shape}, not {self.rows:,} rows")
            self.along[index] = Along(len(op.type.shape) - 1, 0)
            return
        given = [self.along[value] for value in op.inputs if self._is_along(value)]
        if not given:
            level = max((self.free[value].level for value in op.inputs), default=0)
            self.free[index] = Free(level)
            return
        rule = _RULES.get(op.operation.flow)
        if rule is None:
            raise NotRowwise(index, op, "goes over rows one after the other or mixes them")
        rule(self, index, op)

    def _is_along(self, value: int) -> bool:
        return value in self.along and not self.along[value].copied

    def axis_of(self, value: int) -> int | None:
        """The row axis of an operand; None if it is free."""
        return self.along[value].axis if self._is_along(value) else None

    def length(self, value: int, axis: int) -> int:
        shape = self.plan.operations[value].type.shape
        return shape[-1 - axis] if axis < len(shape) else 1

    def one_axis(self, index: int, op: PlanOperation) -> int:
        """The row axis that all operands along the rows share."""
        axes = {axis for value in op.inputs if (axis := self.axis_of(value)) is not None}
        if len(axes) > 1:
            raise NotRowwise(index, op, "brings rows together with other rows, along two axes")
        return axes.pop()

    def meet(self, index: int, op: PlanOperation, axes: Mapping[int, int | None]) -> int:
        """Bring operands (by place) to rows along these axes, None where an operand has none; the level they have."""
        level = 0
        sliced = []
        for place, value in enumerate(op.inputs):
            axis = axes.get(place)
            sliced.append(self._is_along(value) or (axis is not None and self.length(value, axis) != 1))
            if self._is_along(value):
                if self.along[value].axis != axis:
                    raise NotRowwise(index, op, "brings rows together with other rows, along two axes")
                level = max(level, self.along[value].level)
            elif axis is not None and sliced[-1]:
                level = max(level, self._copy(value, axis, index, op))
            else:
                level = max(level, self.free[value].level)
        self.sliced[index] = tuple(sliced)
        return level

    def _copy(self, value: int, axis: int, index: int, user: PlanOperation) -> int:
        """Have a free value that is as long as the rows computed in each partition; its level."""
        op, free = self.plan.operations[value], self.free[value]
        known = self.along.get(value)
        if known is not None:
            if known.axis != axis:
                raise NotRowwise(index, user, "takes one array along rows in two ways")
            return known.level
        if op.operation is not CONSTANT:
            if op.operation.flow not in (Flow.EACH, Flow.WEIGHED, Flow.BROADCAST):
                raise NotRowwise(index, user, "takes an array as long as the rows that is made from other data")
            self.meet(value, op, _every(op, axis))
        self.along[value] = Along(axis, free.level, copied=True)
        return free.level

    def set_along(self, index: int, axis: int, level: int) -> None:
        self.along[index] = Along(axis, level)

    def set_total(self, index: int, level: int) -> None:
        self.free[index] = Free(level + 1, total=True)


_Rule = Callable[[Cut, int, PlanOperation], None]


def _every(op: PlanOperation, axis: int) -> dict[int, int | None]:
    return dict.fromkeys(range(len(op.inputs)), axis)


def _each(cut: Cut, index: int, op: PlanOperation) -> None:
    axis = cut.one_axis(index, op)
    cut.set_along(index, axis, cut.meet(index, op, _every(op, axis)))


def _reduced(cut: Cut, index: int, op: PlanOperation, axis: int, level: int, summed: set[int]) -> None:
    if axis in summed:
        cut.set_total(index, level)
    else:
        cut.set_along(index, axis - sum(other < axis for other in summed), level)


def _right(cut: Cut, op: PlanOperation, axes: tuple[int, ...]) -> set[int]:
    last = len(cut.plan.operations[op.inputs[0]].type.shape) - 1
    return {last - axis for axis in axes}


def _sum(cut: Cut, index: int, op: PlanOperation) -> None:
    axis = cut.one_axis(index, op)
    summed = cut.plan.operations[op.inputs[0]]
    if summed.operation is INPUT and not op.type.shape and len(summed.type.shape) == 1:
        cut.stored_sums[index] = summed.data
        cut.free[index] = Free(0)
        return
    _reduced(cut, index, op, axis, cut.meet(index, op, {0: axis}), _right(cut, op, op.attrs))


def _contract(cut: Cut, index: int, op: PlanOperation) -> None:
    axis = cut.one_axis(index, op)
    _reduced(cut, index, op, axis, cut.meet(index, op, _every(op, axis)), _right(cut, op, op.attrs[1:]))


def _matrix(cut: Cut, index: int, op: PlanOperation) -> None:
    """Axes of (..., a, t) @ (..., t, b) as those of products over (..., a, t, b)."""
    first, second = _factors(op)
    found = set()
    for value, is_first in ((op.inputs[first], True), (op.inputs[second], False)):
        axis = cut.axis_of(value)
        if axis is not None:
            found.add(axis + 1 if is_first or axis >= 2 else axis)
    if len(found) > 1:
        raise NotRowwise(index, op, "brings rows together with other rows, along two axes")
    wide = found.pop()
    axes = {first: wide - 1 if wide else None, second: wide if wide < 2 else wide - 1 if wide > 2 else None}
    _reduced(cut, index, op, wide, cut.meet(index, op, axes), {1})


def _factors(op: PlanOperation) -> tuple[int, int]:
    """Which operand stands in front, and which behind."""
    return (1, 0) if op.operation.flow is Flow.MATRIX_PUBLIC and op.attrs[0] else (0, 1)


def _prefix(cut: Cut, index: int, op: PlanOperation) -> None:
    axis = cut.one_axis(index, op)
    if axis in _right(cut, op, op.attrs):
        raise NotRowwise(index, op, "goes over rows one after the other")
    cut.set_along(index, axis, cut.meet(index, op, {0: axis}))


def _reshape(cut: Cut, index: int, op: PlanOperation) -> None:
    axis = cut.one_axis(index, op)
    before = cut.plan.operations[op.inputs[0]].type.shape
    front = math.prod(before[: len(before) - 1 - axis])
    for place, n in enumerate(op.attrs):
        if n == cut.rows and math.prod(op.attrs[:place]) == front:
            cut.set_along(index, len(op.attrs) - 1 - place, cut.meet(index, op, {0: axis}))
            return
    raise NotRowwise(index, op, "mixes rows with other axes")


def _permute(cut: Cut, index: int, op: PlanOperation) -> None:
    axis, last = cut.one_axis(index, op), len(op.attrs) - 1
    cut.set_along(index, last - op.attrs.index(last - axis), cut.meet(index, op, {0: axis}))


def _slice(cut: Cut, index: int, op: PlanOperation) -> None:
    axis = cut.one_axis(index, op)
    place = len(op.type.shape) - 1 - axis
    if op.attrs[3 * place : 3 * place + 3] != (0, cut.rows, 1):
        raise NotRowwise(index, op, "takes some of the rows by their place")
    cut.set_along(index, axis, cut.meet(index, op, {0: axis}))


def _take(cut: Cut, index: int, op: PlanOperation) -> None:
    axis = cut.one_axis(index, op)
    if axis in _right(cut, op, op.attrs):
        raise NotRowwise(index, op, "takes some of the rows by their place")
    cut.set_along(index, axis, cut.meet(index, op, {0: axis}))


def _concat(cut: Cut, index: int, op: PlanOperation) -> None:
    axis = cut.one_axis(index, op)
    if axis in _right(cut, op, op.attrs):
        raise NotRowwise(index, op, "puts rows one behind the other")
    cut.set_along(index, axis, cut.meet(index, op, _every(op, axis)))


_RULES: Mapping[Flow, _Rule] = {
    Flow.EACH: _each,
    Flow.WEIGHED: _each,
    Flow.STACKED: _each,
    Flow.BROADCAST: _each,
    Flow.SUM: _sum,
    Flow.CONTRACT: _contract,
    Flow.MATRIX: _matrix,
    Flow.MATRIX_PUBLIC: _matrix,
    Flow.PREFIX: _prefix,
    Flow.RESHAPE: _reshape,
    Flow.PERMUTE: _permute,
    Flow.SLICE: _slice,
    Flow.TAKE: _take,
    Flow.CONCAT: _concat,
}
