"""Finds where a plan can be cut along the rows of its inputs: what is row by row, what is added up, what comes after.

Every value is *free* (it does not grow with the rows) or *along* the rows: one axis has a place for every row, in
order, and what stands at a place depends on that row and on free values alone. A sum over that axis is free again, and
partial sums over some of the rows add up to it. Values have a level: how many times one must have gone through all
rows before they can be computed. A mean has level 1, deviations from it are along the rows with level 1, and their sum
of squares has level 2. So a plan becomes: what is free from the start, a pass over all rows, what is free then, ...

What operations do with axes is said in `plan.rows.axes`. An operation that has no rule there, or does anything else
with the row axis, is refused: a plan is then run whole, never cut where it is not row by row.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

from tercet.plan.plan import Plan, PlanOperation, result_of
from tercet.plan.rows.axes import (
    Among,
    AxisMeaning,
    AxisStep,
    Chained,
    Concatenated,
    Moved,
    Ranked,
    Repeated,
    Sliced,
    Summed,
    Taken,
    axes_of,
    length,
    walk,
)
from tercet.plan.table.operation import Flow


@dataclass(frozen=True)
class Refusal:
    """Why a plan cannot be cut along its rows; it is then run whole."""

    reason: str


class NotRowwise(Exception):
    """An operation does not go along the rows; its text is the reason of a Refusal."""

    def __init__(self, index: int, op: PlanOperation, reason: str) -> None:
        super().__init__(f"operation {index} ({op.operation.name}) {reason}")


_TWO_AXES = "brings rows together with other rows, along two axes"


@dataclass(frozen=True)
class Along:
    """A value along the rows: its row axis, counted from the right, and its level."""

    axis: int
    level: int
    copied: bool = False
    """A free value that is computed again in each partition, as it is as long as the rows."""


@dataclass(frozen=True)
class Free:
    """A value that does not grow with the rows; `total` if it is the sum of partial sums."""

    level: int
    total: bool = False


ByRows: TypeAlias = Along | Free


class Cut:
    """The cut of a plan along `rows` rows of the inputs with handles `row_inputs`; an analysis for `axes.walk`.

    `along` and `free` hold what each operation's value is, `sliced` which operands it takes along the rows when it runs
    in a partition. A free value that is as long as the rows, and meets them, is in both: it is computed (or, of a
    constant, sliced) anew for each partition, and as a whole if something else needs it so. `stored_sums` are the sums
    over all rows of a stored array, by its handle: free from the start, as whoever stores the array adds it up, and may
    know the sum. `totals` says how each total is added up. Time is linear in the operations. Raises NotRowwise.
    """

    def __init__(self, plan: Plan, row_inputs: set[bytes], rows: int) -> None:
        self.plan = plan
        self.rows = rows
        self.along: dict[int, Along] = {}
        self.free: dict[int, Free] = {}
        self.sliced: dict[int, tuple[bool, ...]] = {}
        self.stored_sums: dict[int, bytes] = {}
        self.totals: dict[int, Summed] = {}
        self._row_inputs = row_inputs
        walk(plan, self)
        self.levels = max((free.level for free in self.free.values()), default=0)
        last = max(
            (self.along[output.value].level + 1 for output in plan.outputs if output.value in self.along), default=0
        )
        self.passes = max(self.levels, last)

    def axis_of(self, value: int) -> int | None:
        """The row axis of an operation's value; None if it is free."""
        return self.along[value].axis if self._is_along(value) else None

    def _is_along(self, value: int) -> bool:
        return value in self.along and not self.along[value].copied

    # -- the analysis

    def stored(self, index: int, op: PlanOperation) -> ByRows:
        if op.data not in self._row_inputs:
            return self._is_free(index, Free(0))
        if not op.type.shape or op.type.shape[0] != self.rows:
            raise NotRowwise(index, op, f"has shape {op.type.shape}, not {self.rows:,} rows")
        return self._goes_along(index, Along(len(op.type.shape) - 1, 0))

    def public(self, index: int, op: PlanOperation) -> ByRows:
        return self._is_free(index, Free(0))

    def loop(self, index: int, op: PlanOperation, operands: list[ByRows]) -> list[ByRows]:
        first = self.result(index, op, None, operands)
        assert isinstance(first, Free)
        return [first, *(self._is_free(result_of(index, place), first) for place in range(1, len(op.types)))]

    def result(self, index: int, op: PlanOperation, axes: AxisMeaning | None, operands: list[ByRows]) -> ByRows:
        if all(isinstance(operand, Free) for operand in operands):
            return self._is_free(index, Free(max((operand.level for operand in operands), default=0)))
        if axes is None:
            raise NotRowwise(index, op, "goes over rows one after the other or mixes them")
        found = {
            axes.to_meeting(place, operand.axis) for place, operand in enumerate(operands) if isinstance(operand, Along)
        }
        if len(found) > 1:
            raise NotRowwise(index, op, _TWO_AXES)
        (axis,) = found
        if axis is None:
            raise NotRowwise(index, op, "mixes rows with other axes")
        if isinstance(axes.step, Summed) and self._is_stored_sum(op):
            self.stored_sums[index] = self.plan.maker(op.inputs[0]).data
            return self._is_free(index, Free(0))
        level = self._meet(index, op, axes, axis)
        if isinstance(axes.step, Summed) and axis in axes.step.axes:
            if op.type.is_bool:
                raise NotRowwise(index, op, "gives bools over all rows, which are no sums")
            self.totals[index] = axes.step
            return self._is_free(index, Free(level + 1, total=True))
        return self._goes_along(index, Along(self._after(index, op, axes.step, axis), level))

    def _goes_along(self, index: int, kind: Along) -> ByRows:
        self.along[index] = kind
        return kind

    def _is_free(self, index: int, kind: Free) -> ByRows:
        self.free[index] = kind
        return kind

    def _is_stored_sum(self, op: PlanOperation) -> bool:
        """Whether it is the sum over all of a stored array of numbers of one axis."""
        summed = self.plan.maker(op.inputs[0])
        plain = summed.is_input and not summed.type.is_bool
        return len(op.inputs) == 1 and plain and len(summed.type.shape) == 1 and not op.type.shape

    @staticmethod
    def _after(index: int, op: PlanOperation, step: AxisStep | None, axis: int) -> int:
        """Where the row axis goes in a step that keeps rows apart and in order. Raises NotRowwise for any other."""
        match step:
            case Summed(axes):
                return axis - sum(other < axis for other in axes)
            case Among():
                raise NotRowwise(index, op, "compares every row with all others")
            case Ranked() if axis != 1:
                raise NotRowwise(index, op, "compares every row with all others")
            case Moved(to):
                if axis not in to:
                    raise NotRowwise(index, op, "mixes rows with other axes")
                return to[axis]
            case Sliced(chosen) if axis in chosen:
                raise NotRowwise(index, op, "takes some of the rows by their place")
            case Taken(along) if axis == along:
                raise NotRowwise(index, op, "takes some of the rows by their place")
            case Chained(along) if axis == along:
                raise NotRowwise(index, op, "goes over rows one after the other")
            case Concatenated(along) if axis == along:
                raise NotRowwise(index, op, "puts rows one behind the other")
        return axis

    # -- what meets the rows

    def _meet(self, index: int, op: PlanOperation, axes: AxisMeaning, axis: int) -> int:
        """Bring operands to rows that lie along `axis` where they meet; the level they have."""
        level = 0
        sliced = []
        for place, value in enumerate(op.inputs):
            own = axes.from_meeting(place, axis)
            if self._is_along(value):
                if self.along[value].axis != own:
                    raise NotRowwise(index, op, _TWO_AXES)
                level = max(level, self.along[value].level)
                sliced.append(True)
            elif own is not None and length(self.plan.type_of(value).shape, own) != 1:
                level = max(level, self._copy(value, own, index, op))
                sliced.append(True)
            else:
                level = max(level, self.free[value].level)
                sliced.append(False)
        self.sliced[index] = tuple(sliced)
        return level

    def _copy(self, value: int, axis: int, index: int, user: PlanOperation) -> int:
        """Have a free value that is as long as the rows computed in each partition; its level."""
        op, free = self.plan.maker(value), self.free[value]
        known = self.along.get(value)
        if known is not None:
            if known.axis != axis:
                raise NotRowwise(index, user, "takes one array along rows in two ways")
            return known.level
        if op.operation.rows is Flow.DRAWN:
            raise NotRowwise(value, op, "is drawn once, whole, and meets rows place by place")
        if not op.is_constant:
            axes = None if op.is_leaf else axes_of(op, [self.plan.type_of(one).shape for one in op.inputs])
            if axes is None or not (axes.step is None or isinstance(axes.step, Repeated)):
                raise NotRowwise(index, user, "takes an array as long as the rows that is made from other data")
            self._meet(value, op, axes, axis)
        self.along[value] = Along(axis, free.level, copied=True)
        return free.level
