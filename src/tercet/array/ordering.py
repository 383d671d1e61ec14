"""Sorting, with NumPy's names. What is opened are shuffled places alone (docs/security/shuffles.md)."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from tercet.array import given, movement
from tercet.array.core import SecretArray, secret_array, session_of
from tercet.array.creation import as_type
from tercet.array.dispatch import array_function, array_function_beside
from tercet.array.dtypes import bool as bools
from tercet.array.present import filled, numbers_of
from tercet.plan.record import build, counting, logic
from tercet.plan.record.graph import Recorded
from tercet.plan.record.scale import bounded, in_ring, least_ring, renamed, settle
from tercet.plan.table.attributes import Axis
from tercet.plan.table.reasons import ARRANGED


def in_lines(x: Recorded, axis: int) -> Recorded:
    """(lines, places) of an axis."""
    order = [*(at for at in range(len(x.type.shape)) if at != axis), axis]
    lines = movement.permute(x, order)
    return movement.reshape(lines, (math.prod(lines.type.shape[:-1]), lines.type.shape[-1]))


def from_lines(x: Recorded, shape: tuple[int, ...], axis: int) -> Recorded:
    """Back in the shape that `in_lines` had taken apart."""
    order = [*(at for at in range(len(shape)) if at != axis), axis]
    found = movement.reshape(x, tuple(shape[at] for at in order))
    return movement.permute(found, np.argsort(order).tolist())


def sort_keys(lines: Recorded, descending: bool = False) -> Recorded | None:
    """The bits by which lines are sorted; equal elements keep their order in either direction."""
    if lines.type.is_bool:
        planes: Recorded | None = movement.reshape(lines, (1, *lines.type.shape))
    else:
        planes = counting.ordered_bits(lines)
    return logic.logical_not(planes) if descending and planes is not None else planes


def joined_keys(keys: Sequence[Recorded | None]) -> Recorded | None:
    """The bits of several keys, of which the last counts first."""
    planes = [bits for bits in keys if bits is not None]
    if len(planes) < 2:
        return planes[0] if planes else None
    return planes[0].graph.node("concat", tuple(planes), Axis(0))


def keys_of(x: SecretArray, place: int, descending: bool = False) -> Recorded | None:
    """The bits by which the lines of an array along an axis are sorted: missing values last, in either direction."""
    numbers, there = x._ranked()
    lines = in_lines(settle(numbers.undivided), place)
    falling = descending != (numbers.divisor < 0)
    if there is None:
        return sort_keys(lines, falling)
    return present_keys(lines, in_lines(there.node, place), falling)


def present_keys(lines: Recorded, there: Recorded | None, descending: bool = False) -> Recorded | None:
    """The bits by which lines are sorted, last those elements that are not there, which keep their order."""
    if there is None:
        return sort_keys(lines, descending)
    number = build.number(lines)
    keys = sort_keys(filled(number, there, number.type.lo), descending)
    return joined_keys([keys, movement.reshape(logic.logical_not(there), (1, *there.type.shape))])


def in_front(flags: Recorded) -> Recorded:
    """As many first places of each line as it has bools that are set: where these are when sorted to the front."""
    lines, length = flags.type.shape
    set_ = movement.reshape(counting.count(flags, (1,)), (lines, 1))
    return logic.less(np.arange(length)[None, :], build.broadcast_to(set_, flags.type.shape))


def _arranged(keys: Recorded | None, rows: Recorded) -> Recorded:
    """Lines in the order of their keys."""
    if keys is None or not rows.type.size:
        return rows
    found = rows.graph.node("sort", (keys, movement.reshape(rows, (1, *rows.type.shape))))
    return movement.reshape(found, rows.type.shape)


def numbered(lines: Recorded) -> Recorded:
    """The place of every element in its line."""
    return build.shared_integers(lines, np.broadcast_to(np.arange(lines.type.shape[1]), lines.type.shape))


@array_function
def sort(x: SecretArray, /, *, axis: int = -1, descending: bool = False, stable: bool = True) -> SecretArray:
    """The elements of each line along an axis in their order, ascending unless `descending`.

    A stable radix sort on the bits that the bounds leave, by digits of two or three bits: for n elements a line and
    w = log2(n + 1) about 8 w bits an element, party and digit, in 8 rounds; of bools, comparisons with their
    count. Exact. Opened are the places of shuffled elements, uniform whatever the values are; lengths are public.
    Every element of the result may be that of any row, and counts as a single row. Missing values stand last, in either
    direction. After NumPy's function and the array API's; `kind` and `order` are refused.
    """
    place = movement.normal_axis(axis, x.ndim)
    numbers, there = x._ranked()
    node = settle(numbers.undivided)
    lines = in_lines(node, place)
    if node.type.is_bool and there is None:
        # as many at one end as are set
        falling = descending != (numbers.divisor < 0)
        found = in_front(lines if falling else logic.logical_not(lines))
        found = found if falling else logic.logical_not(found)
    else:
        found = _arranged(keys_of(x, place, descending), build.number(lines))
    values = x.like(from_lines(found, x.shape, place), numbers.divisor)
    if there is None:
        return x._elements(values)
    kept = in_front(in_lines(there.node, place))
    if node.type.is_bool:
        values = as_type(values, bools)
    return x._elements(values, x.like(from_lines(kept, x.shape, place)))


@array_function
def argsort(x: SecretArray, /, *, axis: int = -1, descending: bool = False, stable: bool = True) -> SecretArray:
    """Which element of a line comes first, second, ... in their order, as secret integers; equal ones in theirs.

    As `sort`, which says what it costs, what is opened and what it is to a policy.
    """
    place = movement.normal_axis(axis, x.ndim)
    lines = in_lines(settle(x._ranked()[0].undivided), place)
    found = _arranged(keys_of(x, place, descending), numbered(build.number(lines)))
    return x.like(from_lines(found, x.shape, place))


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
    together = joined_keys([keys_of(part, place) for part in parts])
    number = build.number(in_lines(settle(parts[0]._ranked()[0].undivided), place))
    return secret_array(session, from_lines(_arranged(together, numbered(number)), parts[0].shape, place))


def sort_by(keys: Any, *arrays: SecretArray, descending: bool = False) -> tuple[SecretArray, ...]:
    """The rows (first axis) of some secret arrays in the stable order of a secret line of keys, or of several of which
    the last counts first, as in `lexsort`. All arrays ride along in one sort.

    By a secret bool it moves the rows where it is False to the front, and with `descending` those where it is True: for
    one bit an element. Costs as `sort`, and 4 words more in all for each element of the arrays; what is opened and what
    it is to a policy, too. TypeError for keys or arrays that are not secret, ValueError where lengths differ.
    """
    several = list(keys) if isinstance(keys, list | tuple) else [keys]
    if not several or not arrays or not all(isinstance(each, SecretArray) for each in (*several, *arrays)):
        raise TypeError("sort_by takes a secret line of keys, or a list of such lines, and secret arrays")
    length = several[0].shape[:1]
    if any(key.shape != length or key.ndim != 1 for key in several) or any(x.shape[:1] != length for x in arrays):
        shapes = [each.shape for each in (*several, *arrays)]
        raise ValueError(f"keys are lines as long as the arrays have rows; the shapes are {shapes}")
    session_of(*several, *arrays)
    planes = key_planes(several, descending)
    if planes is None or not length[0]:
        return arrays
    return riding(arrays, lambda rows: rows.graph.node("sort", (planes, rows)))


def key_planes(keys: Sequence[SecretArray], descending: bool, place: int = 0) -> Recorded | None:
    """The bits of the lines of keys along an axis, of which keys the last counts first; None if all are alike."""
    return joined_keys([keys_of(key, place, descending) for key in keys])


def riding(
    arrays: Sequence[SecretArray], move: Callable[[Recorded], Recorded], place: int | None = None
) -> tuple[SecretArray, ...]:
    """Arrays of one length, their rows (first axis) moved together: `move` takes and gives (rows, 1, places). Or arrays
    of one shape and each of their lines along an axis: then (arrays, lines, places)."""
    several = [x._parts() for x in arrays]
    parts = [part for one in several for part in one]
    nodes = [numbers_of(part) for part in parts]
    lined = [_in_rows(node) if place is None else _one_row(in_lines(node, place)) for node in nodes]
    moved = []
    for x, part in zip(parts, carried(lined, move), strict=True):
        if place is None:
            back = movement.reshape(movement.permute(movement.reshape(part, part.type.shape[::2]), (1, 0)), x.shape)
        else:
            back = from_lines(movement.reshape(part, part.type.shape[1:]), x.shape, place)
        here = x.like(back, x.divisor)
        moved.append(as_type(here, bools) if x._type.is_bool else x._again(here))
    following = iter(moved)
    return tuple(x._rebuilt([next(following) for _ in one]) for x, one in zip(arrays, several, strict=True))


def _in_rows(x: Recorded) -> Recorded:
    """(rows, 1, places): what belongs to each place of the first axis."""
    length = x.type.shape[0]
    columns = movement.permute(movement.reshape(x, (length, x.type.size // length)), (1, 0))
    return movement.reshape(columns, (columns.type.shape[0], 1, length))


def _one_row(lines: Recorded) -> Recorded:
    return movement.reshape(lines, (1, *lines.type.shape))


def arranged(planes: Recorded, rows: Sequence[Recorded]) -> list[Recorded]:
    """Numbers as (rows, lines, places), each line in the order of its keys, which are bits as (bits, lines, places), in
    one sort. They keep their bounds and scales."""
    return carried(rows, lambda joined: joined.graph.node("sort", (planes, joined)))


def carried(rows: Sequence[Recorded], move: Callable[[Recorded], Recorded]) -> list[Recorded]:
    """Numbers as (rows, lines, places), moved together by one operation. They keep their bounds and scales."""
    filled = [row for row in rows if row.type.shape[0]]
    if not filled:
        return list(rows)
    ring_bits = max(row.type.ring for row in filled)
    found = move(movement.concat([in_ring(renamed(row, 0, 0), ring_bits) for row in filled], 0))
    result, start = [], 0
    for row in rows:
        if not row.type.shape[0]:
            result.append(row)
            continue
        part = movement.cut(found, [slice(start, start + row.type.shape[0])])
        start += row.type.shape[0]
        part = least_ring(bounded(part, row.type.lo, row.type.hi, ARRANGED))
        result.append(renamed(part, row.type.frac_bits, row.type.nominal))
    return result


def _plain_compact(condition: Any, *arrays: Any) -> tuple[Any, ...]:
    order = np.argsort(~np.asarray(condition, np.bool_), kind="stable")
    return tuple(np.asarray(x)[order] for x in arrays)


@array_function_beside(_plain_compact)
def compact(condition: SecretArray, *arrays: SecretArray) -> tuple[SecretArray, ...]:
    """The rows (first axis) of some secret arrays, those where a secret line of bools is True in front; both parts keep
    their order. How many are in front stays secret; `condition.sum()` is their number.

    In place of `np.compress` and `x[condition]`, whose shape would say that number. One digit of a sort by `sort_by`,
    which says what it costs, what is opened and what it is to a policy: about 8 (w + 1) bits a row for
    w = log2(n + 1), and 4 words for each element of the arrays. TypeError for another condition, ValueError where
    lengths differ.
    """
    if not isinstance(condition, SecretArray) or not condition._type.is_bool:
        raise TypeError(
            "compact takes a secret line of bools first: compare, as in x > 0; public ones go into brackets"
        )
    return sort_by(condition._truth(), *arrays, descending=True)


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
