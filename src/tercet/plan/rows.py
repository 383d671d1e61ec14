"""Follows the rows of datasets through a plan: over how many of them is every number an aggregate?

The rules are those of `plan.facts`, chosen by each operation's `flow` in the table; what has no rule is lost, which
counts as single rows. Soundness over precision: an aggregate is claimed only where all rows of a class are treated
alike (`plan.states`), whatever the analyst wrote in the plan.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from tercet.errors import PlanError
from tercet.plan.execute import constant
from tercet.plan.facts import (
    Facts,
    Linked,
    Operand,
    Public,
    along,
    each,
    from_right,
    joined,
    leaf,
    lost,
    moved,
    prefixed,
    repeated,
    reshaped,
    summed,
)
from tercet.plan.operation import Flow
from tercet.plan.places import Order, Partition, TooManyPieces
from tercet.plan.plan import Plan, PlanOperation, operand_handle
from tercet.plan.states import Aggregate, Rows, Spread, State, state_from_json, state_to_json
from tercet.plan.table import CONSTANT, INPUT
from tercet.ring import ring, unpack_bits

Value = Facts | list[Facts]
"""Of an operation; of a loop, all that it carries."""

MAX_TURNS = 16
"""After so many turns over a loop's body, what still changes is given up."""
MAX_WORK = 1 << 27
"""Operations looked at (each counts as 64), public numbers and stretches of rows compared: some tens of seconds."""
_OPERATION_WORK = 64


def track(
    plan: Plan, inputs: Mapping[bytes, Mapping[str, State]], *, weights_allowed: bool = False
) -> list[dict[str, State]]:
    """The states of every output, by dataset; a dataset that is not named has no influence on it.

    Called by each node's policy, before a job, and by the analyst's client to explain. `inputs` says of every handle
    that the plan reads which datasets are in it and how: a column of n rows is Rows(0, n). `weights_allowed`: public
    factors along the rows count as alike unless they are zero. A value that is all a loop carries is Spread.
    Time grows with the plan's operations and with the public arrays in it, not with rows. Raises PlanError if an input
    is not described, or not as its type is, and for a plan that would take too long.
    """
    found, space_of = follow(plan, inputs, weights_allowed=weights_allowed)
    values = [found[output.value] for output in plan.outputs]
    return [_by_dataset(lost((), value) if isinstance(value, list) else value, space_of) for value in values]


def follow(
    plan: Plan, inputs: Mapping[bytes, Mapping[str, State]], *, weights_allowed: bool = False
) -> tuple[list[Value], dict[str, str]]:
    """All that is known of every operation's value, and the space that each dataset belongs to; as `track`."""
    space_of = {dataset: dataset for states in inputs.values() for dataset in states}
    while True:
        leaves: dict[bytes, Facts] = {}
        try:
            for handle, wanted in plan.inputs():
                if handle in leaves and leaves[handle].shape != wanted.shape:
                    raise PlanError(f"array {handle.hex()} is read in two shapes")
                leaves[handle] = _leaf(handle, wanted.shape, inputs, space_of)
            return _Tracker(weights_allowed).plan(plan, leaves), space_of
        except Linked as linked:
            one, other = linked.pair
            space_of = {dataset: one if space == other else space for dataset, space in space_of.items()}


def _leaf(
    handle: bytes, shape: tuple[int, ...], inputs: Mapping[bytes, Mapping[str, State]], space_of: Mapping[str, str]
) -> Facts:
    if handle not in inputs:
        raise PlanError(f"nothing is known of the rows of array {handle.hex()}")
    try:
        return leaf(shape, inputs[handle], space_of)
    except ValueError as error:
        raise PlanError(f"array {handle.hex()} does not hold what is said of it: {error}") from None


def _by_dataset(facts: Facts, space_of: Mapping[str, str]) -> dict[str, State]:
    result: dict[str, State] = {}
    for dataset in sorted(facts.of):
        state = facts.states.get(space_of[dataset])
        if isinstance(state, Rows):
            assert state.order is not None
            even = facts.even.get(state.axis)
            whole = even == Partition.whole(state.order.length)
            natural = state.order == Order.natural(state.count)
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
    """One way through a plan, with the loops in it."""

    def __init__(self, weights_allowed: bool) -> None:
        self._weights_allowed = weights_allowed
        self._left = MAX_WORK

    def _count(self, work: int) -> None:
        self._left -= work
        if self._left < 0:
            raise PlanError("the plan is too large for its rows to be followed", hint="ask for less at a time")

    def plan(self, plan: Plan, leaves: Mapping[bytes, Facts]) -> list[Value]:
        values: list[Value] = []
        for op in plan.operations:
            values.append(self._value(op, plan, values, leaves))
        return values

    def _value(self, op: PlanOperation, plan: Plan, values: Sequence[Value], leaves: Mapping[bytes, Facts]) -> Value:
        self._count(_OPERATION_WORK)
        if op.operation is INPUT:
            return leaves[op.data]
        if op.operation is CONSTANT:
            return Facts(op.type.shape)
        given = [values[place] for place in op.inputs]
        if op.operation.flow is Flow.PART:
            assert isinstance(given[0], list)
            return given[0][op.attrs[0]]
        secret = [value for value in given if isinstance(value, Facts)]
        if op.operation.flow is Flow.LOOP:
            return self._loop(op, secret)
        try:
            operands: list[Operand] = [
                public(plan.operations[place]) if plan.operations[place].operation is CONSTANT else value
                for place, value in zip(op.inputs, secret, strict=True)
            ]
            self._count(sum(one.size for one in operands if not isinstance(one, Facts)))
            rule = _RULES.get(op.operation.flow)
            if rule is None:
                return lost(op.type.shape, secret)
            found = rule(op, operands, self._weights_allowed)
            self._count(found.pieces)
            return found
        except TooManyPieces:
            return lost(op.type.shape, secret)

    def _loop(self, op: PlanOperation, operands: list[Facts]) -> list[Facts]:
        """A state of what is carried that holds before and after every pass."""
        assert op.body is not None
        count = op.attrs[1]
        carried, captured = operands[:count], operands[count:]
        for _ in range(MAX_TURNS):
            given = {operand_handle(place): facts for place, facts in enumerate([*carried, *captured])}
            values = self.plan(op.body, given)
            following = []
            for before, output in zip(carried, op.body.outputs, strict=True):
                after = values[output.value]
                assert isinstance(after, Facts)
                try:
                    following.append(each(before.shape, [before, after]))
                except TooManyPieces:
                    following.append(lost(before.shape, [before, after]))
            if following == carried:
                return carried
            carried = following
        # what one carried value depends on, another may in the next pass
        return [lost(facts.shape, operands + carried) for facts in carried]


_Rule = Callable[[PlanOperation, Sequence[Any], bool], Facts]


def _each(op: PlanOperation, operands: Sequence[Operand], weights: bool) -> Facts:
    return each(op.type.shape, operands)


def _weighed(op: PlanOperation, operands: Sequence[Operand], weights: bool) -> Facts:
    return each(op.type.shape, operands, weighed=True, weights_allowed=weights)


def _sum(op: PlanOperation, operands: Sequence[Facts], weights: bool) -> Facts:
    return summed(operands[0], from_right(operands[0].shape, op.attrs))


def _prefix(op: PlanOperation, operands: Sequence[Facts], weights: bool) -> Facts:
    return prefixed(operands[0], *from_right(operands[0].shape, op.attrs))


def _contract(op: PlanOperation, operands: Sequence[Facts], weights: bool) -> Facts:
    shape = operands[0].shape
    return summed(each(shape, operands), from_right(shape, op.attrs[1:]))


def _matrix(op: PlanOperation, operands: Sequence[Operand], weights: bool) -> Facts:
    """(..., a, t) @ (..., t, b) as products over (..., a, t, b), summed over t."""
    return _matrix_product(op, operands[0], operands[1], weights)


def _matrix_public(op: PlanOperation, operands: Sequence[Operand], weights: bool) -> Facts:
    first, second = operands if op.attrs[0] == 0 else (operands[1], operands[0])
    return _matrix_product(op, first, second, weights)


def _matrix_product(op: PlanOperation, x: Operand, y: Operand, weights: bool) -> Facts:
    wide_x = (*x.shape, 1)
    wide_y = (*y.shape[:-2], 1, *y.shape[-2:])
    a = moved(x, wide_x, {at: at + 1 for at in range(len(x.shape))}) if isinstance(x, Facts) else x.reshape(wide_x)
    y_axes = {at: at if at < 2 else at + 1 for at in range(len(y.shape))}
    b = moved(y, wide_y, y_axes) if isinstance(y, Facts) else y.reshape(wide_y)
    shape = tuple(int(n) for n in np.broadcast_shapes(wide_x, wide_y))
    if isinstance(a, Facts) and isinstance(b, Facts):
        return summed(each(shape, [a, b]), {1})
    ordered = (a, b) if isinstance(a, Facts) else (b, a)
    return summed(each(shape, ordered, weighed=True, weights_allowed=weights), {1})


def _reshape(op: PlanOperation, operands: Sequence[Facts], weights: bool) -> Facts:
    return reshaped(operands[0], op.type.shape)


def _permute(op: PlanOperation, operands: Sequence[Facts], weights: bool) -> Facts:
    last = len(op.attrs) - 1
    return moved(operands[0], op.type.shape, {last - old: last - new for new, old in enumerate(op.attrs)})


def _slice(op: PlanOperation, operands: Sequence[Facts], weights: bool) -> Facts:
    facts = operands[0]
    if 0 in op.type.shape:
        return Facts(op.type.shape)
    for place, n in enumerate(facts.shape):
        start, count, step = op.attrs[3 * place : 3 * place + 3]
        if (start, count, step) == (0, n, 1):
            continue
        shape = (*facts.shape[:place], count, *facts.shape[place + 1 :])
        axis = len(shape) - 1 - place
        facts = along(
            facts,
            shape,
            axis,
            lambda order, at=(start, count, step): order.slice(*at),  # type: ignore[misc]
            lambda part, at=(start, count, step): part.slice(*at),  # type: ignore[misc]
        )
    return facts


def _take(op: PlanOperation, operands: Sequence[Any], weights: bool) -> Facts:
    facts, indices = operands
    axis = len(facts.shape) - 1 - op.attrs[0]
    if 0 in op.type.shape:
        return Facts(op.type.shape)
    words = indices.view(ring(8 * indices.dtype.itemsize).dtype)
    places = (words if words.dtype == np.uint64 else words["lo"]).astype(np.int64)
    return along(facts, op.type.shape, axis, lambda order: order.take(places), lambda part: part.take(places))


def _broadcast(op: PlanOperation, operands: Sequence[Facts], weights: bool) -> Facts:
    return repeated(operands[0], op.type.shape)


def _concat(op: PlanOperation, operands: Sequence[Facts], weights: bool) -> Facts:
    if 0 in op.type.shape:
        return Facts(op.type.shape)
    return joined(op.type.shape, operands, len(op.type.shape) - 1 - op.attrs[0])


_RULES: Mapping[Flow, _Rule] = {
    Flow.EACH: _each,
    Flow.WEIGHED: _weighed,
    Flow.SUM: _sum,
    Flow.PREFIX: _prefix,
    Flow.CONTRACT: _contract,
    Flow.MATRIX: _matrix,
    Flow.MATRIX_PUBLIC: _matrix_public,
    Flow.RESHAPE: _reshape,
    Flow.PERMUTE: _permute,
    Flow.SLICE: _slice,
    Flow.BROADCAST: _broadcast,
    Flow.TAKE: _take,
    Flow.CONCAT: _concat,
    Flow.STACKED: _each,
}


__all__ = ["Aggregate", "Rows", "Spread", "State", "follow", "state_from_json", "state_to_json", "track"]
