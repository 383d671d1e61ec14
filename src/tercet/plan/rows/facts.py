"""What row tracking knows of one value, and what the steps of operations (`plan.rows.axes`) do to it.

Beside the state of every dataset (`plan.rows.states`), it is known for some axes which places are *even*: for two
places of one class, exchanging the records of the rows that stand there, in every dataset with rows along this axis,
exchanges the elements at the two places and changes nothing else. Where no rows stand along the axis, the elements are
equal. A sum over an even axis is an aggregate; a public factor that differs from place to place makes places uneven.
Axes are counted from the right; axes of length 1 are not listed.

Datasets whose rows meet at the same places under the same numbers are one *space*: their rows are exchanged together.
`SpacesLinked` is raised where two meet for the first time, and the analysis begins anew with them as one. Rows have the
numbers of their positions, or those that public keys give them (`plan.rows.states`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from tercet.plan.rows.axes import Shape, length
from tercet.plan.rows.places import NOWHERE, Partition, RowOrder, TooManyPieces
from tercet.plan.rows.states import Aggregate, RowNumbers, Rows, RowState, Spread, renumbered

Public = NDArray[np.void]
"""A public array as bytes: all that matters is which elements are equal, and which are zero."""


_MOST_APART = 4096
"""So many places of their own, such as the rows of whoever asks, may stand behind rows of others that stay alike."""


class SpacesLinked(Exception):
    """Rows of two spaces meet at the same places, so that the spaces are one."""

    def __init__(self, a: str, b: str) -> None:
        super().__init__(a, b)
        self.pair = a, b


@dataclass(frozen=True)
class Facts:
    """A secret value's shape, the datasets it depends on, their states by space, and its even axes."""

    shape: Shape
    of: frozenset[str] = frozenset()
    states: Mapping[str, RowState] = field(default_factory=dict)
    even: Mapping[int, Partition] = field(default_factory=dict)

    @property
    def pieces(self) -> int:
        """How many stretches describe rows and places: what one more operation costs."""
        count = sum(len(part.labels) for part in self.even.values())
        for state in self.states.values():
            if isinstance(state, Rows):
                count += len(state.standing.first)
            elif isinstance(state, Aggregate) and state.classes is not None:
                count += len(state.classes.labels)
        return count


TrackedOperand = Facts | Public


def lost(shape: Shape, operands: Iterable[Facts]) -> Facts:
    """It is known on which datasets a value depends, and nothing else."""
    given = list(operands)
    counts: dict[str, int] = {}
    for one in given:
        for space, state in one.states.items():
            counts[space] = max(counts.get(space, 0), state.count)
    of = frozenset().union(*(one.of for one in given))
    return Facts(shape, of, {space: Spread(count) for space, count in counts.items()})


def unchanging(shape: Shape) -> Facts:
    """A value that is the same whatever the data are, and the same at all places."""
    axes = [axis for axis in range(len(shape)) if length(shape, axis) > 1]
    return Facts(shape, even={axis: Partition.whole(length(shape, axis)) for axis in axes} if 0 not in shape else {})


def each(
    shape: Shape, operands: Sequence[TrackedOperand], *, weighed: bool = False, weights_allowed: bool = False
) -> Facts:
    """Elements are computed from those at the same place of all operands, broadcast together. `weighed`: the second
    operand is public and where it is zero nothing is left of the first; with `weights_allowed` its other numbers count
    as alike."""
    if weighed and isinstance(operands[1], np.ndarray) and not np.ascontiguousarray(operands[1]).view(np.uint8).any():
        return unchanging(shape)  # nothing is left of what is multiplied by zeros
    secret = [one for one in operands if isinstance(one, Facts)]
    of = frozenset().union(*(one.of for one in secret))
    even: dict[int, Partition] = {}
    for axis in {axis for one in secret for axis in one.even}:
        part = _common(shape, axis, operands, weights_allowed and weighed)
        if part is not None:
            even[axis] = part
    found: dict[str, list[RowState]] = {}
    for one in secret:
        for space, state in one.states.items():
            found.setdefault(space, []).append(_stretched(state, one.shape, shape))
    states: dict[str, RowState] = {}
    for space, several in found.items():
        state = _met(several)
        if isinstance(state, Rows) and weighed:
            factor = operands[1]
            assert isinstance(factor, np.ndarray)
            if length(factor.shape, state.axis) > 1:
                places, zero = alike(factor, state.axis)
                if zero is not None:
                    state = _rows(state.axis, state.standing.without(places, zero), state.background)
        states[space] = state
        if isinstance(state, Spread):
            _forget(even, several)
    return _finish(shape, of, states, even)


def _stretched(state: RowState, shape: Shape, wider: Shape) -> RowState:
    """Rows along an axis of length 1 that is repeated are not along it any more."""
    if isinstance(state, Rows) and length(shape, state.axis) != length(wider, state.axis):
        return _without_axis(state)
    return state


def _without_axis(state: Rows) -> RowState:
    """Rows along an axis of length 1: that one row is an aggregate over itself."""
    return _aggregate(_refined([state.standing.image(Partition.whole(state.standing.length)), state.background]))


def _rows(axis: int, order: RowOrder, background: Partition | None) -> Rows:
    return Rows(axis, order.count, order, background=background)


def _aggregate(classes: Partition) -> Aggregate:
    return Aggregate(classes.least, classes)


def _refined_of(parts: Iterable[Partition | None]) -> Partition | None:
    """Those that there are, refined; None if there are none."""
    found = [part for part in parts if part is not None]
    return _refined(found) if found else None


def _refined(parts: Iterable[Partition | None]) -> Partition:
    result: Partition | None = None
    for part in parts:
        if part is not None:
            result = part if result is None else result.refine(part)
    return result or Partition.whole(0)


def _forget(even: dict[int, Partition], states: Iterable[RowState]) -> None:
    """Of axes along which rows were lost, nothing is even any more."""
    for state in states:
        if isinstance(state, Rows):
            even.pop(state.axis, None)


def _met(states: Sequence[RowState]) -> RowState:
    """The state of a value whose elements depend, place by place, on values of all these states."""
    most = max(state.count for state in states)
    if any(isinstance(state, Spread) for state in states):
        return Spread(most)
    rows = [state for state in states if isinstance(state, Rows)]
    aggregates = [state for state in states if isinstance(state, Aggregate)]
    if any(state.classes is None for state in aggregates):
        # of unknown rows, it goes together with nothing but itself
        return aggregates[0] if all(state is aggregates[0] for state in states) else Spread(most)
    background = [*(state.classes for state in aggregates), *(state.background for state in rows)]
    if not rows:
        return _aggregate(_refined(background))
    order: RowOrder | None = rows[0].standing
    for state in rows[1:]:
        if order is None or state.axis != rows[0].axis:
            return Spread(most)
        order = order.union(state.standing)
    if order is None:
        return Spread(most)
    return _rows(rows[0].axis, order, _refined_of(background))


def _common(shape: Shape, axis: int, operands: Iterable[TrackedOperand], weights: bool) -> Partition | None:
    """Which places of a result are even: those that are even in all operands. None if nothing is known of one."""
    total = length(shape, axis)
    result: Partition | None = None
    for one in operands:
        if length(one.shape, axis) == 1:
            continue
        part = one.even.get(axis) if isinstance(one, Facts) else alike(one, axis, zero_only=weights)[0]
        if part is None:
            return None
        result = part if result is None else result.refine(part)
    return result or Partition.whole(total)


def alike(values: Public, axis: int, *, zero_only: bool = False) -> tuple[Partition, int | None]:
    """Places of an axis at which public numbers are equal, and the class at which all of them are zero.

    `zero_only`: only zero and other numbers are told apart. Raises TooManyPieces."""
    count = length(values.shape, axis)
    flat = np.moveaxis(values, -1 - axis, 0).reshape(count, -1)
    data = np.ascontiguousarray(flat).view(np.uint8).reshape(count, -1)
    zero = ~data.any(axis=1)
    if zero_only:
        places = Partition.of_labels(np.asarray(zero, dtype=np.int64))
    else:
        first = np.append(True, (data[1:] != data[:-1]).any(axis=1))
        starts = np.flatnonzero(first)
        rows = np.ascontiguousarray(data[starts])
        names = np.unique(rows.view(np.dtype((np.void, max(1, rows.shape[1])))).reshape(-1), return_inverse=True)[1]
        places = Partition(np.append(starts, count), names.reshape(-1).astype(np.int64))
    zeros = np.flatnonzero(zero)
    return places, int(places.at(zeros[:1])[0]) if zeros.size else None


def _finish(shape: Shape, of: frozenset[str], states: Mapping[str, RowState], even: Mapping[int, Partition]) -> Facts:
    """Facts in their one form, as to backgrounds, places without a row, and axes of length 1. Raises SpacesLinked."""
    if 0 in shape:
        return Facts(shape)
    even = {axis: part for axis, part in even.items() if length(shape, axis) > 1}
    result: dict[str, RowState] = {}
    for space, state in states.items():
        if isinstance(state, Rows):
            if not state.count:
                if state.background is not None:
                    result[space] = _aggregate(state.background)
                continue
            if length(shape, state.axis) == 1:
                result[space] = _without_axis(state)
                continue
            partial = state.background is not None or state.count < state.standing.length
            if partial and state.axis in even:
                places = state.standing.pull(state.background or Partition.whole(0))
                even[state.axis] = even[state.axis].refine(places)
        result[space] = state
    for (a, x), (b, y) in combinations(result.items(), 2):
        if isinstance(x, Rows) and isinstance(y, Rows) and x.axis == y.axis:
            meet, agree = x.standing.agrees(y.standing)
            if meet and agree:
                raise SpacesLinked(a, b)
            if meet:
                result |= {a: Spread(x.count), b: Spread(y.count)}
                even.pop(x.axis, None)
    return Facts(shape, of, result, even)


def leaf(
    shape: Shape, states: Mapping[str, RowState], space_of: Mapping[str, str], numbering: Mapping[str, RowNumbers]
) -> Facts:
    """A stored array of which this is known, by dataset, whose rows `numbering` may give other numbers than their own.

    Raises ValueError if it does not fit the shape.
    """
    facts = [_leaf(shape, dataset, state, space_of[dataset], numbering) for dataset, state in states.items()]
    if not facts:
        return Facts(shape)
    if len(facts) == 1:
        return facts[0]
    return each(shape, facts)


def _leaf(shape: Shape, dataset: str, state: RowState, space: str, numbering: Mapping[str, RowNumbers]) -> Facts:
    of = frozenset([dataset])
    if dataset in numbering:
        try:
            state = renumbered(state, numbering[dataset])
        except TooManyPieces:
            state = Spread(state.count)
    if not isinstance(state, Rows):
        # a new object: of unknown rows, two arrays are not the same ones
        known = Spread(state.count) if isinstance(state, Spread) else Aggregate(state.count, state.classes)
        return _finish(shape, of, {space: known}, {})
    order = state.standing
    if state.axis >= len(shape) or order.length != length(shape, state.axis) or order.count != state.count:
        raise ValueError(f"{state.count} rows along axis {state.axis} (from the right) of an array of shape {shape}")
    classes = state.classes or Partition.whole(order.length)
    if int(classes.edges[-1]) > order.length:
        raise ValueError(f"classes of {int(classes.edges[-1])} places along an axis of {order.length}")
    even = {state.axis: classes} if state.alike and (classes.at(classes.edges[:-1]) != NOWHERE).all() else {}
    return _finish(shape, of, {space: _rows(state.axis, order, state.background)}, even)


def summed(facts: Facts, axes: frozenset[int]) -> Facts:
    """The sum over axes."""
    keep = [axis for axis in range(len(facts.shape)) if axis not in axes]
    states: dict[str, RowState] = dict(facts.states)
    for space, state in facts.states.items():
        if isinstance(state, Rows) and state.axis in axes:
            even = facts.even.get(state.axis)
            if even is None:
                states[space] = Spread(state.count)
            else:
                states[space] = _aggregate(_refined([state.standing.image(even), state.background]))
    shape = tuple(length(facts.shape, axis) for axis in reversed(keep))
    return moved(Facts(facts.shape, facts.of, states, facts.even), shape, {old: new for new, old in enumerate(keep)})


def moved(facts: Facts, shape: Shape, axes: Mapping[int, int]) -> Facts:
    """Axes go where `axes` says; of those that it does not name, nothing is known any more."""
    states: dict[str, RowState] = {}
    for space, state in facts.states.items():
        if isinstance(state, Rows) and state.axis in axes:
            states[space] = _rows(axes[state.axis], state.standing, state.background)
        else:
            states[space] = Spread(state.count) if isinstance(state, Rows) else state
    even = {axes[axis]: part for axis, part in facts.even.items() if axis in axes}
    return _finish(shape, facts.of, states, even)


def along(
    facts: Facts, shape: Shape, axis: int, order: Callable[[RowOrder], RowOrder], part: Callable[[Partition], Partition]
) -> Facts:
    """Some of the places of one axis: `order` and `part` give the row order and the partition of those."""
    states: dict[str, RowState] = {}
    even = dict(facts.even)
    for space, state in facts.states.items():
        if isinstance(state, Rows) and state.axis == axis:
            chosen = order(state.standing)
            if not chosen.is_injective():
                states[space] = Spread(state.count)
                even.pop(axis, None)
            else:
                states[space] = _rows(axis, chosen, state.background)
        else:
            states[space] = state
    if axis in even:
        even[axis] = part(even[axis])
    return _finish(shape, facts.of, states, even)


def prefixed(facts: Facts, axis: int) -> Facts:
    """Elements depend on those before them along the axis."""
    states = {
        space: Spread(state.count) if isinstance(state, Rows) and state.axis == axis else state
        for space, state in facts.states.items()
    }
    return Facts(facts.shape, facts.of, states, {at: part for at, part in facts.even.items() if at != axis})


def ranked(facts: Facts, shape: Shape) -> Facts:
    """Each element of the last axis among all others there, whatever their order; the first of three axes is gone.

    Exchanging the records of two even places exchanges the elements there, and changes no other: as of a value from
    which a sum over the axis was taken.
    """
    states: dict[str, RowState] = {}
    for space, state in facts.states.items():
        if isinstance(state, Rows) and state.axis == 0:
            even = facts.even.get(0)
            if even is None:
                states[space] = Spread(state.count)
            else:
                behind = _refined([state.standing.image(even), state.background])
                states[space] = _rows(0, state.standing, behind)
        elif isinstance(state, Rows) and state.axis > 1:
            states[space] = Spread(state.count)
        else:
            states[space] = state
    even_of = {axis: part for axis, part in facts.even.items() if axis < 2}
    if any(isinstance(state, Spread) for state in states.values()):
        _forget(even_of, facts.states.values())
    return _finish(shape, facts.of, states, even_of)


def among(shape: Shape, operands: Sequence[Facts]) -> Facts:
    """What stands at each place of the last axis, in all operands, among what stands at all others, whatever their
    order; other axes are mixed.

    As `ranked`: exchanging the records of two even places exchanges what stands there, and changes nothing else.
    """
    lines = [moved(one, one.shape[-1:], {0: 0}) for one in operands]
    met = each(lines[0].shape, lines)
    even = met.even.get(0)
    states: dict[str, RowState] = dict(met.states)
    for space, state in met.states.items():
        if isinstance(state, Rows):
            states[space] = Spread(state.count)
        if isinstance(state, Rows) and even is not None:
            states[space] = _rows(0, state.standing, _refined([state.standing.image(even), state.background]))
    return each(shape, [_finish(met.shape, met.of, states, met.even)])


def repeated(facts: Facts, shape: Shape) -> Facts:
    """Broadcast to a shape: along the new axes all is alike."""
    result = each(shape, [facts])
    if 0 in shape:
        return result
    even = dict(result.even)
    for axis, n in enumerate(reversed(shape)):
        if n > 1 and length(facts.shape, axis) == 1:
            even[axis] = Partition.whole(n)
    return Facts(shape, result.of, result.states, even)


def joined(shape: Shape, operands: Sequence[Facts], axis: int) -> Facts:
    """One behind the other along an axis."""
    operands = [one for one in operands if 0 not in one.shape]
    of = frozenset().union(*(one.of for one in operands))
    lengths = [length(one.shape, axis) for one in operands]
    even: dict[int, Partition] = {}
    for other in {at for one in operands for at in one.even} - {axis}:
        parts = [one.even.get(other) for one in operands]
        if all(part is not None for part in parts):
            even[other] = _refined(parts)
    here = [one.even.get(axis) or _apart(one, axis, n) for one, n in zip(operands, lengths, strict=True)]
    known = [part for part in here if part is not None]
    if len(known) == len(operands):
        even[axis] = Partition.joined(known, lengths)
    states: dict[str, RowState] = {}
    for space in {space for one in operands for space in one.states}:
        several = [one.states.get(space) for one in operands]
        state = _concatenated(several, lengths, axis)
        states[space] = state
        if isinstance(state, Spread):
            _forget(even, [state for state in several if state is not None])
    return _finish(shape, of, states, even)


def _apart(one: Facts, axis: int, places: int) -> Partition | None:
    """Of places that nothing is known of, and at which no rows stand: each is alike to itself alone."""
    rows = any(isinstance(state, Rows) and state.axis == axis for state in one.states.values())
    if places == 1 or (places <= _MOST_APART and not rows):
        return Partition(np.arange(places + 1, dtype=np.int64), np.arange(places, dtype=np.int64))
    return None


def _concatenated(states: Sequence[RowState | None], lengths: Sequence[int], axis: int) -> RowState:
    there = [state for state in states if state is not None]
    rows = [state for state in there if isinstance(state, Rows)]
    if not any(state.axis == axis for state in rows):
        return _met(there)
    most = max(state.count for state in there)
    orders = [
        state.standing if isinstance(state, Rows) else RowOrder.nowhere(n)
        for state, n in zip(states, lengths, strict=True)
    ]
    order = RowOrder.joined(orders)
    if any(state.axis != axis for state in rows) or not order.is_injective():
        return Spread(most)
    behind = [*(state.background for state in rows)]
    for state in there:
        if isinstance(state, Spread) or (isinstance(state, Aggregate) and state.classes is None):
            return Spread(most)
        if isinstance(state, Aggregate):
            behind.append(state.classes)
    return _rows(axis, order, _refined_of(behind))
