"""The pieces of a plan that is cut along its rows, each a plan of its own: what runs once, and what runs for some rows.

A piece reads stored arrays under their own handles, and reads and gives values of pieces under `value_handle`.
`Piece.origin` says from which operation of the whole plan each of its operations comes.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tercet.plan.plan import (
    HANDLE_BYTES,
    OutputKind,
    Plan,
    PlanOperation,
    PlanOutput,
    constant,
    maker_of,
    place_among,
    result_of,
    stored_input,
)
from tercet.plan.rows.axes import narrowed, unscaled
from tercet.plan.rows.cut import Cut
from tercet.plan.table.attributes import NONE, Shift
from tercet.plan.table.operation import Constant
from tercet.plan.table.operations import BY_NAME
from tercet.plan.types import Type
from tercet.ring import pack_bits, unpack_bits

_RESCALE = BY_NAME["rescale"]
_MARK = b"value"


def value_handle(index: int) -> bytes:
    """The handle of the value of an operation of the whole plan, between its pieces."""
    return _MARK + index.to_bytes(HANDLE_BYTES - len(_MARK), "little")


@dataclass(frozen=True)
class Piece:
    """A plan made of a part of another. `rows`, `values`, `slices`: which of its leaves are rows of stored arrays (by
    handle), values of other pieces, and public arrays along the rows; `results`: which operations are its outputs."""

    plan: Plan
    origin: tuple[int, ...]
    rows: dict[int, bytes] = field(repr=False)
    values: dict[int, int] = field(repr=False)
    slices: dict[int, int] = field(repr=False)
    results: tuple[int, ...]

    @property
    def is_local(self) -> bool:
        """Whether nothing in it is sent."""
        return all(op.operation.local for op in self.plan.operations)


class Pieces:
    """Cuts one plan. `needed` are the values that the outputs depend on: (operation, is it along the rows)."""

    def __init__(self, cut: Cut) -> None:
        self.cut = cut
        self.plan = cut.plan
        self.needed = self._needed()
        self._public: dict[int, NDArray[Any]] = {}

    def _needed(self) -> set[tuple[int, bool]]:
        cut = self.cut
        found = {(output.value, cut.axis_of(output.value) is not None) for output in self.plan.outputs}
        stack = list(found)
        while stack:
            for need in self._uses(*stack.pop()):
                if need not in found:
                    found.add(need)
                    stack.append(need)
        return found

    def _uses(self, index: int, along: bool) -> Iterable[tuple[int, bool]]:
        """What a value is computed from; a total from what is along the rows."""
        inputs = () if self._is_given(index) else self.plan.maker(index).inputs
        if along or (index in self.cut.free and self.cut.free[index].total):
            return zip(inputs, self.cut.sliced.get(index, ()), strict=True) if inputs else ()
        return [(value, False) for value in inputs]

    # -- what runs once

    @cached_property
    def kept(self) -> set[int]:
        """Free values that another piece or an output needs."""
        found = {output.value for output in self.plan.outputs if self.cut.axis_of(output.value) is None}
        for index, along in self.needed:
            if index in self.cut.free and not along and not self._is_total(index):
                level = self.cut.free[index].level
                found |= {value for value, _ in self._uses(index, along) if self.cut.free[value].level < level}
            else:
                found |= {value for value, rowwise in self._uses(index, along) if not rowwise}
        return {index for index in found if not self.plan.maker(index).is_constant}

    def _is_given(self, index: int) -> bool:
        """Whether nothing computes a value: it is a leaf, or the sum of a stored array."""
        return self.plan.maker(index).is_leaf or index in self.cut.stored_sums

    def _is_total(self, index: int) -> bool:
        return self.cut.free[index].total

    def once(self, level: int) -> Piece | None:
        """All free values of a level that are needed; None if there is nothing to compute."""
        mine = [
            index
            for index, along in in_order(self.needed)
            if not along and self.cut.free[index].level == level and not self._is_given(index)
        ]
        if not any(not self._is_total(index) or self.shift(index) for index in mine):
            return None
        builder = _Builder(self)
        for index in mine:
            if self._is_total(index):
                builder.total(index)
            else:
                builder.free(index)
        return builder.piece([index for index in mine if index in self.kept])

    def shift(self, index: int) -> int:
        """By how much a total is rescaled when it is complete."""
        return self.cut.totals[index].shift

    def total_type(self, index: int) -> Type:
        """The type of a total before it is rescaled."""
        op = self.plan.maker(index)
        if not self.shift(index):
            return op.type
        return unscaled(op, [self.plan.type_of(value) for value in op.inputs])[1]

    # -- what runs for some of the rows

    def results_of(self, number: int) -> list[int]:
        """What pass `number` (from 1) over the rows gives: totals, and outputs along the rows."""
        totals = [i for i, along in self.needed if not along and self._is_total(i) and self.cut.free[i].level == number]
        rowwise = [
            output.value
            for output in self.plan.outputs
            if self.cut.axis_of(output.value) is not None and self.cut.along[output.value].level == number - 1
        ]
        return sorted({*totals, *rowwise}, key=maker_of)

    def partition(self, number: int, start: int, stop: int) -> Piece:
        """Pass `number` over the rows from start to stop."""
        results = self.results_of(number)
        wanted = {(index, self.cut.axis_of(index) is not None) for index in results}
        stack = list(wanted)
        while stack:
            index, along = stack.pop()
            if not along and index not in results:
                continue
            for need in self._uses(index, along):
                if need not in wanted:
                    wanted.add(need)
                    stack.append(need)
        builder = _Builder(self)
        for index, along in in_order(wanted):
            if along or index in results:
                builder.along(index, start, stop)
            else:
                builder.leaf(index)
        return builder.piece(results, rowwise=True)

    def slice_constant(self, index: int, start: int, stop: int) -> Constant:
        """The rows from start to stop of a public array."""
        op = self.plan.maker(index)
        place = len(op.type.shape) - 1 - self.cut.along[index].axis
        key = (*[slice(None)] * place, slice(start, stop))
        if not op.type.is_bool:
            return Constant(np.ascontiguousarray(constant(op).words[key]))
        if index not in self._public:
            self._public[index] = unpack_bits(constant(op).words, op.type.size).reshape(op.type.shape)
        return Constant(pack_bits(np.ascontiguousarray(self._public[index][key]).reshape(-1)))


def in_order(values: Iterable[tuple[int, bool]]) -> list[tuple[int, bool]]:
    """Values (and whether they are along the rows) in the order of the plan's operations."""
    return sorted(values, key=lambda one: (maker_of(one[0]), one))


class _Builder:
    """Collects the operations of one piece."""

    def __init__(self, pieces: Pieces) -> None:
        self._pieces = pieces
        self._cut = pieces.cut
        self._operations: list[PlanOperation] = []
        self._origin: list[int] = []
        self._places: dict[tuple[int, bool], int] = {}
        self._made: dict[int, int] = {}
        """Where free operations stand that are computed here; of several results, all are."""
        self._rows: dict[int, bytes] = {}
        self._values: dict[int, int] = {}
        self._slices: dict[int, int] = {}

    def piece(self, results: list[int], *, rowwise: bool = False) -> Piece:
        outputs, names = [], []
        for index in results:
            along = rowwise and self._cut.axis_of(index) is not None
            outputs.append(PlanOutput(OutputKind.PERSIST, self._places[index, along], value_handle(index)))
            names.append(index)
        plan = Plan(tuple(self._operations), tuple(outputs))
        return Piece(plan, tuple(self._origin), self._rows, self._values, self._slices, tuple(names))

    def _add(self, index: int, along: bool, op: PlanOperation) -> int:
        self._operations.append(op)
        self._origin.append(maker_of(index))
        self._places[index, along] = len(self._operations) - 1
        return len(self._operations) - 1

    def leaf(self, index: int) -> int:
        """A free value as it is: a constant, or one computed or stored elsewhere."""
        op = self._cut.plan.maker(index)
        if not op.is_constant:
            handle = op.data if op.is_input else value_handle(index)
            op = stored_input(handle, self._cut.plan.type_of(index))
        place = self._add(index, False, op)
        if op.is_input:
            self._values[place] = index
        return place

    def _operand(self, index: int) -> int:
        return self._places[index, False] if (index, False) in self._places else self.leaf(index)

    def free(self, index: int) -> None:
        op, first = self._cut.plan.maker(index), maker_of(index)
        if first not in self._made:
            places = tuple([self._operand(value) for value in op.inputs])
            self._made[first] = self._add(index, False, replace(op, inputs=places))
        self._places[index, False] = result_of(self._made[first], place_among(index))

    def total(self, index: int) -> None:
        """A sum over all rows, from the sum of partial sums."""
        op, shift = self._cut.plan.maker(index), self._pieces.shift(index)
        if not shift:
            self.leaf(index)
            return
        given = stored_input(value_handle(index), self._pieces.total_type(index))
        place = self._add(index, False, given)
        self._values[place] = index
        self._add(index, False, PlanOperation(_RESCALE, (place,), Shift(shift), op.type))

    def along(self, index: int, start: int, stop: int) -> None:
        """An operation for some of the rows; of a total, a partial sum that is not rescaled."""
        op, count = self._cut.plan.maker(index), stop - start
        axis = self._cut.along[index].axis if index in self._cut.along else None
        if axis is not None and op.is_leaf:
            place = len(op.type.shape) - 1 - axis
            narrow = op.type.with_shape((*op.type.shape[:place], count, *op.type.shape[place + 1 :]))
            data = op.data
            if op.is_constant:
                data = self._pieces.slice_constant(index, start, stop).words.tobytes()
            here = self._add(index, True, PlanOperation(op.operation, (), NONE, narrow, data))
            if op.is_input:
                self._rows[here] = op.data
            else:
                self._slices[here] = index
            return
        sliced = self._cut.sliced[index]
        places = tuple([self._places[need] for need in zip(op.inputs, sliced, strict=True)])
        types = [self._operations[place].type for place in places]
        if axis is None and self._pieces.shift(index):
            attrs, out = unscaled(op, types)
        else:
            attrs = op.attrs if axis is None else narrowed(op, axis, count)
            out = replace(op.operation.infer(types, attrs), claimed=op.type.claimed)
        self._add(index, axis is not None, PlanOperation(op.operation, places, attrs, out, variant=op.variant))
