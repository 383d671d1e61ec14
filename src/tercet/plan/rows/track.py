"""Follows the rows of datasets through a plan: over how many rows is each number an aggregate?

What operations do with axes is said in `plan.rows.axes`, what that does to what is known of a value in
`plan.rows.facts`. What has no rule is lost, which counts as single rows. An aggregate is claimed only where all rows of
a class are treated alike (`plan.rows.states`), whatever the analyst wrote in the plan: too few rows may be reported,
never too many.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType

import numpy as np

from tercet.errors import PlanError
from tercet.plan.plan import Plan, PlanOperation, constant, operand_handle
from tercet.plan.rows.axes import (
    Among,
    AxisMeaning,
    Chained,
    Concatenated,
    Moved,
    Ranked,
    Repeated,
    Sliced,
    Stacked,
    Summed,
    Taken,
    length,
    walk,
)
from tercet.plan.rows.facts import (
    Facts,
    Public,
    SpacesLinked,
    TrackedOperand,
    along,
    among,
    each,
    joined,
    leaf,
    lost,
    moved,
    prefixed,
    ranked,
    repeated,
    summed,
    unchanging,
)
from tercet.plan.rows.places import Partition, RowOrder, TooManyPieces
from tercet.plan.rows.states import RowNumbers, Rows, RowState, Spread, restored
from tercet.plan.table.operation import Constant, broadcast_shapes
from tercet.plan.table.ops_products import wide_block
from tercet.protocols.matrix import blocks
from tercet.ring import ring, unpack_bits

MAX_TURNS = 16
"""A loop's body is followed at most so often until nothing changes; then all that it carries is lost."""
MAX_WORK = 1 << 24
"""How much one analysis may look at: operations (each counts as 64), public numbers, and stretches of rows; some ten
seconds. Where datasets turn out to be linked and the analysis begins anew, it goes on from the same allowance."""
_OPERATION_WORK = 64
_AS_STORED: Mapping[str, RowNumbers] = MappingProxyType({})


class Allowance:
    """How much of MAX_WORK is left."""

    def __init__(self) -> None:
        self._left = MAX_WORK

    def count(self, work: int) -> None:
        """Use `work` of it. Raises PlanError when nothing is left."""
        self._left -= work
        if self._left < 0:
            raise PlanError("the plan is too large for its rows to be followed", hint="ask for less at a time")


def track(
    plan: Plan,
    inputs: Mapping[bytes, Mapping[str, RowState]],
    *,
    weights_allowed: bool = False,
    allowance: Allowance | None = None,
    numbering: Mapping[str, RowNumbers] = _AS_STORED,
) -> list[dict[str, RowState]]:
    """The states of every output, by dataset; a dataset that is not named has no influence on it.

    Called by each node's policy, before a job, and by the analyst's client to explain. `inputs` says of every handle
    that the plan reads which datasets are in it and how: a column of n rows is Rows(0, n). `weights_allowed`: public
    factors along the rows count as alike unless they are zero. `numbering`: of datasets whose rows have other numbers
    than their positions, what number each has, none twice; rows of one number are one person's, whatever datasets they
    are of. `allowance`: of several calls together; each has its own
    otherwise. Time grows with the plan's operations and with the public arrays in it, not with rows. Raises PlanError
    if an input is not described, or not as its type is, and for a plan that would take too long.
    """
    found, space_of = follow(plan, inputs, weights_allowed=weights_allowed, allowance=allowance, numbering=numbering)
    values = [found[output.value] for output in plan.outputs]
    return [_by_dataset(one, space_of, numbering) for one in values]


def follow(
    plan: Plan,
    inputs: Mapping[bytes, Mapping[str, RowState]],
    *,
    weights_allowed: bool = False,
    allowance: Allowance | None = None,
    numbering: Mapping[str, RowNumbers] = _AS_STORED,
) -> tuple[dict[int, Facts], dict[str, str]]:
    """All that is known of every value, and the space that each dataset belongs to; as `track`."""
    space_of = {dataset: dataset for states in inputs.values() for dataset in states}
    allowance = Allowance() if allowance is None else allowance
    leaves: dict[bytes, Facts] = {}
    while True:
        try:
            for handle, wanted in plan.inputs():
                if handle not in leaves:
                    leaves[handle] = _leaf(handle, wanted.shape, inputs, space_of, numbering)
                    allowance.count(_OPERATION_WORK)
                elif leaves[handle].shape != wanted.shape:
                    raise PlanError(f"array {handle.hex()} is read in two shapes")
            return walk(plan, _Tracker(plan, leaves, weights_allowed, allowance)), space_of
        except SpacesLinked as linked:
            one, other = linked.pair
            moved_ = {dataset for dataset, space in space_of.items() if space == other}
            space_of = space_of | dict.fromkeys(moved_, one)
            # only what lies in the space that is no more is described anew
            leaves = {handle: facts for handle, facts in leaves.items() if not moved_ & facts.of}


def _leaf(
    handle: bytes,
    shape: tuple[int, ...],
    inputs: Mapping[bytes, Mapping[str, RowState]],
    space_of: Mapping[str, str],
    numbering: Mapping[str, RowNumbers],
) -> Facts:
    if handle not in inputs:
        raise PlanError(f"nothing is known of the rows of array {handle.hex()}")
    try:
        return leaf(shape, inputs[handle], space_of, numbering)
    except ValueError as error:
        raise PlanError(f"array {handle.hex()} does not hold what is said of it: {error}") from None


def _by_dataset(facts: Facts, space_of: Mapping[str, str], numbering: Mapping[str, RowNumbers]) -> dict[str, RowState]:
    result: dict[str, RowState] = {}
    for dataset in sorted(facts.of):
        state = facts.states.get(space_of[dataset])
        if state is not None and dataset in numbering:
            try:
                state = restored(state, numbering[dataset])
            except TooManyPieces:
                state = Spread(state.count)
        if isinstance(state, Rows):
            even = facts.even.get(state.axis)
            whole = even == Partition.whole(state.standing.length)
            natural = state.standing == RowOrder.natural(state.count)
            result[dataset] = replace(
                state,
                order=None if natural else state.order,
                alike=even is not None,
                classes=None if whole else even,
            )
        elif state is not None:
            result[dataset] = state
    return result


def public(op: PlanOperation) -> Public:
    """A constant of the plan, as the rules compare it."""
    words = constant(op).words
    array = unpack_bits(words, op.type.size).reshape(op.type.shape) if op.type.is_bool else words
    return np.ascontiguousarray(array).view(np.dtype((np.void, array.dtype.itemsize))).reshape(op.type.shape)


class _Tracker:
    """What is known of the values of one plan, or of a loop's body; an analysis for `axes.walk`."""

    def __init__(self, plan: Plan, leaves: Mapping[bytes, Facts], weights_allowed: bool, allowance: Allowance) -> None:
        self._plan = plan
        self._leaves = leaves
        self._weights_allowed = weights_allowed
        self._allowance = allowance

    def stored(self, index: int, op: PlanOperation) -> Facts:
        self._allowance.count(_OPERATION_WORK)
        return self._leaves[op.data]

    def public(self, index: int, op: PlanOperation) -> Facts:
        self._allowance.count(_OPERATION_WORK)
        return Facts(op.type.shape)

    def result(self, index: int, op: PlanOperation, axes: AxisMeaning | None, operands: list[Facts]) -> Facts:
        allowance = self._allowance
        allowance.count(_OPERATION_WORK)
        if axes is None:
            return lost(op.type.shape, operands)
        given: list[TrackedOperand] = []
        for value, facts in zip(op.inputs, operands, strict=True):
            maker = self._plan.maker(value)
            if maker.is_constant:
                array = public(maker)
                allowance.count(array.size)
                given.append(array)
            else:
                given.append(facts)
        try:
            found = self._found(op, axes, given)
            allowance.count(found.pieces)
        except TooManyPieces:
            return lost(op.type.shape, operands)
        return found

    def _found(self, op: PlanOperation, axes: AxisMeaning, operands: Sequence[TrackedOperand]) -> Facts:
        """What operations do, in terms of `plan.rows.facts`."""
        shape = op.type.shape
        if axes.cancels:
            return unchanging(shape)
        if axes.placed:
            met = self._placed(op, axes, operands)
            return summed(met, axes.step.axes) if isinstance(axes.step, Summed) else met
        if axes.step is None:
            return each(shape, operands, weighed=axes.weighed, weights_allowed=self._weights_allowed)
        if 0 in shape:
            return Facts(shape)
        facts = operands[0]
        assert isinstance(facts, Facts)
        match axes.step:
            case Summed() as step:
                if len(operands) > 1:
                    facts = self._in_blocks(self._met(axes, operands), step, op)
                return summed(facts, step.axes)
            case Moved(to):
                return moved(facts, shape, to)
            case Sliced(chosen):
                return _sliced(facts, chosen)
            case Taken(axis):
                indices = operands[1]
                assert not isinstance(indices, Facts)
                places = Constant(indices.view(ring(8 * indices.dtype.itemsize).dtype)).places
                return along(facts, shape, axis, lambda order: order.take(places), lambda part: part.take(places))
            case Chained(axis):
                return prefixed(facts, axis)
            case Concatenated(axis):
                return joined(shape, [one for one in operands if isinstance(one, Facts)], axis)
            case Repeated():
                return repeated(facts, shape)
            case Ranked():
                return ranked(facts, shape)
            case Among():
                return among(shape, [one for one in operands if isinstance(one, Facts)])
            case Stacked():
                return each(shape, operands[:1])

    def _placed(self, op: PlanOperation, axes: AxisMeaning, operands: Sequence[TrackedOperand]) -> Facts:
        """Operands that meet along some of their axes, the others mixed. Of public ones nothing is said to be alike."""
        shape = op.type.shape
        if isinstance(axes.step, Summed):
            summed_axis = axes.from_meeting(0, len(shape))
            assert axes.step.axes == {len(shape)} and summed_axis is not None
            shape = (length(operands[0].shape, summed_axis), *shape)
        met = []
        for one, placed in zip(operands, axes.placed, strict=True):
            facts = one if isinstance(one, Facts) else Facts(one.shape)
            there = {goes: length(facts.shape, own) for own, goes in placed.items()}
            met.append(moved(facts, tuple(there.get(axis, 1) for axis in reversed(range(len(shape)))), placed))
        return each(shape, met)

    def _met(self, axes: AxisMeaning, operands: Sequence[TrackedOperand]) -> Facts:
        """Operands broadcast together, each with the axis that is inserted."""
        if axes.inserted:
            operands = [_with_axis(one, axis) for one, axis in zip(operands, axes.inserted, strict=True)]
        shape = broadcast_shapes(*(one.shape for one in operands))
        return each(shape, operands, weighed=axes.weighed, weights_allowed=self._weights_allowed)

    def _in_blocks(self, facts: Facts, step: Summed, op: PlanOperation) -> Facts:
        """What is known of products that are added up in blocks: places of one block are alike, of several are not.

        Where bounds hold, blocks make no difference, as each is exact; but the proof of bounds may have a fault. Blocks
        go over all summed axes as one, so that of several long ones nothing is known.
        """
        if not step.wide:
            return facts
        terms = math.prod(facts.shape[-1 - axis] for axis in step.axes)
        block = wide_block([self._plan.type_of(value) for value in op.inputs], terms)
        count = blocks(terms, block)
        if count <= 1:
            return facts
        even = dict(facts.even)
        long = [axis for axis in step.axes if facts.shape[-1 - axis] > 1]
        for axis in long:
            known = even.pop(axis, None)
            if known is not None and len(long) == 1:
                edges = np.append(np.arange(count, dtype=np.int64) * block, terms)
                even[axis] = known.refine(Partition(edges, np.arange(count, dtype=np.int64)))
        return Facts(facts.shape, facts.of, facts.states, even)

    def loop(self, index: int, op: PlanOperation, operands: list[Facts]) -> list[Facts]:
        """A state of what is carried that holds before and after every pass."""
        self._allowance.count(_OPERATION_WORK)
        assert op.body is not None
        count = op.carried
        carried, captured = operands[:count], operands[count:]
        for _ in range(MAX_TURNS):
            given = {operand_handle(place): facts for place, facts in enumerate([*carried, *captured])}
            values = walk(op.body, _Tracker(op.body, given, self._weights_allowed, self._allowance))
            following = []
            for before, output in zip(carried, op.body.outputs, strict=True):
                after = values[output.value]
                try:
                    following.append(each(before.shape, [before, after]))
                except TooManyPieces:
                    following.append(lost(before.shape, [before, after]))
            if following == carried:
                return carried
            carried = following
        # what one carried value depends on, another may in the next pass
        everything = lost((), operands + carried)
        return [replace(everything, shape=facts.shape) for facts in carried]


def _with_axis(one: TrackedOperand, axis: int) -> TrackedOperand:
    """With an axis of length 1 more, there."""
    place = len(one.shape) - axis
    shape = (*one.shape[:place], 1, *one.shape[place:])
    if isinstance(one, Facts):
        return moved(one, shape, {at: at + (at >= axis) for at in range(len(one.shape))})
    return one.reshape(shape)


def _sliced(facts: Facts, chosen: Mapping[int, tuple[int, int, int]]) -> Facts:
    for axis, (start, count, step) in chosen.items():
        place = len(facts.shape) - 1 - axis
        shape = (*facts.shape[:place], count, *facts.shape[place + 1 :])
        facts = along(
            facts,
            shape,
            axis,
            lambda order, at=(start, count, step): order.slice(*at),  # type: ignore[misc]
            lambda part, at=(start, count, step): part.slice(*at),  # type: ignore[misc]
        )
    return facts
