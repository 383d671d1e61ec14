"""Sorting, with NumPy's names. What is opened are shuffled places alone (docs/security/shuffles.md)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from tercet.array import given, movement
from tercet.array.core import SecretArray, session_of
from tercet.array.dispatch import array_function
from tercet.plan.record import build, counting, logic
from tercet.plan.record.graph import Recorded
from tercet.plan.record.scale import settle
from tercet.plan.table.attributes import Axis


def _in_lines(x: Recorded, axis: int) -> Recorded:
    """(lines, places) of an axis."""
    order = [*(at for at in range(len(x.type.shape)) if at != axis), axis]
    lines = movement.permute(x, order)
    return movement.reshape(lines, (math.prod(lines.type.shape[:-1]), lines.type.shape[-1]))


def _from_lines(x: Recorded, shape: tuple[int, ...], axis: int) -> Recorded:
    """Back in the shape that `_in_lines` had taken apart."""
    order = [*(at for at in range(len(shape)) if at != axis), axis]
    found = movement.reshape(x, tuple(shape[at] for at in order))
    return movement.permute(found, np.argsort(order).tolist())


def _keys(lines: Recorded, descending: bool) -> Recorded | None:
    """The bits by which lines are sorted; equal elements keep their order in either direction."""
    if lines.type.is_bool:
        planes: Recorded | None = movement.reshape(lines, (1, *lines.type.shape))
    else:
        planes = counting.ordered_bits(lines)
    return logic.logical_not(planes) if descending and planes is not None else planes


def _arranged(keys: Recorded | None, rows: Recorded) -> Recorded:
    """Lines in the order of their keys."""
    if keys is None or not rows.type.size:
        return rows
    found = rows.graph.node("sort", (keys, movement.reshape(rows, (1, *rows.type.shape))))
    return movement.reshape(found, rows.type.shape)


def _numbered(lines: Recorded) -> Recorded:
    """The place of every element in its line."""
    return build.shared_integers(lines, np.broadcast_to(np.arange(lines.type.shape[1]), lines.type.shape))


@array_function
def sort(x: SecretArray, /, *, axis: int = -1, descending: bool = False, stable: bool = True) -> SecretArray:
    """The elements of each line along an axis in their order, ascending unless `descending`.

    A stable radix sort on the bits that the bounds leave, by digits of two or three bits: for n elements a line and
    w = log2(n + 1) about 8 w bits an element, party and digit, in 8 rounds; of bools, comparisons with their
    count. Exact. Opened are the places of shuffled elements, uniform whatever the values are; lengths are public.
    Every element of the result may be that of any row, and counts as a single row. After NumPy's function and the
    array API's; `kind` and `order` are refused.
    """
    place = movement.normal_axis(axis, x.ndim)
    falling = descending != (x._divisor < 0)
    node = settle(x._node)
    lines = _in_lines(node, place)
    if node.type.is_bool:
        set_ = counting.count(lines, (1,))
        each = np.arange(lines.type.shape[1])[None, :]
        column = movement.reshape(set_, (lines.type.shape[0], 1))
        # as many at one end as are set
        back = each if falling else lines.type.shape[1] - 1 - each
        found = logic.less(back, build.broadcast_to(column, lines.type.shape))
    else:
        found = _arranged(_keys(lines, falling), lines)
    return x._again(SecretArray._new(x._session, _from_lines(found, x.shape, place), x._divisor))


@array_function
def argsort(x: SecretArray, /, *, axis: int = -1, descending: bool = False, stable: bool = True) -> SecretArray:
    """Which element of a line comes first, second, ... in their order, as secret integers; equal ones in theirs.

    As `sort`, which says what it costs, what is opened and what it is to a policy.
    """
    place = movement.normal_axis(axis, x.ndim)
    lines = _in_lines(settle(x._node), place)
    found = _arranged(_keys(lines, descending != (x._divisor < 0)), _numbered(lines))
    return SecretArray._new(x._session, _from_lines(found, x.shape, place))


@array_function
def lexsort(keys: Sequence[Any], axis: int = -1) -> SecretArray:
    """As `argsort` by several secret keys of one shape, of which the last counts first; NumPy's function.

    One sort on the bits of all keys. TypeError for keys that are not secret.
    """
    parts = [keys[at] for at in range(len(keys))]
    if not parts or not all(isinstance(part, SecretArray) for part in parts):
        raise TypeError("lexsort takes a list of secret arrays, or one whose first axis goes over keys")
    session = session_of(*parts)
    if any(part.shape != parts[0].shape for part in parts):
        raise ValueError(f"keys differ in shape: {[part.shape for part in parts]}")
    place = movement.normal_axis(axis, parts[0].ndim)
    lines = [_in_lines(settle(part._node), place) for part in parts]
    found = [_keys(line, part._divisor < 0) for line, part in zip(lines, parts, strict=True)]
    planes = [bits for bits in found if bits is not None]
    together = planes[0] if len(planes) == 1 else None
    if len(planes) > 1:
        together = planes[0].graph.node("concat", tuple(planes), Axis(0))
    number = next((line for line in lines if not line.type.is_bool), build.number(lines[0]))
    return SecretArray._new(session, _from_lines(_arranged(together, _numbered(number)), parts[0].shape, place))


def _places_of(kth: Any, length: int) -> None:
    for at in given.integers(kth, "kth"):
        if not -length <= at < length:
            raise ValueError(f"kth {at} of a line of {length} elements")


@array_function
def partition(x: SecretArray, kth: Any, axis: int = -1) -> SecretArray:
    """The sorted line, which is a partition for every kth: NumPy leaves the order on both sides of it open."""
    _places_of(kth, x.shape[movement.normal_axis(axis, x.ndim)])
    return sort(x, axis=axis)


@array_function
def argpartition(x: SecretArray, kth: Any, axis: int = -1) -> SecretArray:
    """As `argsort`, which is a partition for every kth."""
    _places_of(kth, x.shape[movement.normal_axis(axis, x.ndim)])
    return argsort(x, axis=axis)
