"""Sums, counts, means, extremes and ranks of rows by secret group codes: names of jax, a public number of groups.

Sums, counts and means are products with one-hot vectors of the codes: nothing is opened, and to a policy each rests on
all rows, as one over a secret condition does. Extremes and ranks count as single rows.
"""

from __future__ import annotations

import math
from fractions import Fraction
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tercet.array import elementwise, given, manipulation, movement
from tercet.array.core import SecretArray, pending, session_of
from tercet.array.counting import MAX_BINS, counts_of_bins, running, sums_of_bins
from tercet.array.dispatch import array_function_beside
from tercet.array.exact import Ratio
from tercet.array.ordering import arranged, joined_keys, numbered, present_keys, sort_keys
from tercet.array.present import filled, numbers_of, zeroed
from tercet.array.runs import begins, check_method, plain_rankdata, put_back, ranks_of_runs, starts
from tercet.array.statistics import tournament
from tercet.errors import PlanError
from tercet.plan.record import build, counting, logic
from tercet.plan.record.graph import Recorded
from tercet.plan.record.scale import bounded, renamed
from tercet.plan.table.reasons import SELECTED
from tercet.plan.types import ValueKind

_FEW_GROUPS = 4
"""Of so many groups, a tournament in each is cheaper than a sort."""


# ---- arguments ----


def _codes(groups: Any, length: int) -> tuple[Recorded, Recorded | None]:
    """Secret codes from 0 on, one for each row, and which rows have one; None for all."""
    if not isinstance(groups, SecretArray):
        raise TypeError("groups are secret codes; rows of public groups are x[groups == code]")
    numbers, there = groups._ranked(ordered=False)
    node = build.number(numbers.undivided)
    if numbers.divisor != 1 or node.type.kind is not ValueKind.INT:
        raise TypeError("groups are secret integers: floor or round them first")
    if groups.shape != (length,):
        raise ValueError(f"groups of shape {groups.shape} for {length} rows: a line with one code for each is taken")
    if node.type.lo < 0:
        raise ValueError("groups cannot be negative; share them with bounds from 0 on, or clip")
    return node, None if there is None else there.node


def _number_of_groups(size: Any) -> int:
    number = given.integer(size, "size")
    if not 1 <= number <= MAX_BINS:
        raise PlanError(f"{number} groups; there are 1 to {MAX_BINS}")
    return number


def _rows(x: SecretArray) -> int:
    if not x.ndim:
        raise ValueError("rows are grouped along the first axis; this array has no dimensions")
    return x.shape[0]


def _bits(node: Recorded) -> list[Recorded]:
    return counting.bits(node, max(1, node.type.hi.bit_length()))


def _of_size(found: Recorded, size: int) -> Recorded:
    """As many groups as asked for, of more or fewer along the first axis."""
    have, rest = found.type.shape[0], found.type.shape[1:]
    if have >= size:
        return movement.cut(found, [slice(0, size)])
    empty = renamed(build.shared_integers(elementwise.zeros_of(found), 0), found.type.frac_bits, found.type.nominal)
    return movement.concat([found, build.broadcast_to(empty, (size - have, *rest))], 0)


def _counted(groups: SecretArray, length: int, size: int) -> SecretArray:
    node, there = _codes(groups, length)
    if not length:
        return groups.like(build.broadcast_to(build.total(node, (0,)), (size,)))
    return groups.like(_of_size(counts_of_bins(_bits(node), there), size))


# ---- sums ----


def _plain_codes(groups: Any, size: int) -> tuple[NDArray[np.int64], NDArray[np.bool_], int]:
    codes, number = np.asarray(groups), _number_of_groups(size)
    if codes.dtype.kind not in "iu":
        raise TypeError(f"groups are integers, not {codes.dtype}")
    return codes, (codes >= 0) & (codes < number), number


def _plain_sum(x: Any, groups: Any, size: int) -> NDArray[Any]:
    x, (codes, inside, number) = np.asarray(x), _plain_codes(groups, size)
    found = np.zeros((number, *x.shape[1:]), np.add.reduce(np.empty(0, x.dtype)).dtype)
    np.add.at(found, codes[inside], x[inside])
    return found


def _plain_count(groups: Any, size: int) -> NDArray[Any]:
    codes, inside, number = _plain_codes(groups, size)
    return np.bincount(codes[inside], minlength=number)


def _plain_mean(x: Any, groups: Any, size: int) -> NDArray[Any]:
    total, count = _plain_sum(x, groups, size), _plain_count(groups, size)
    with np.errstate(invalid="ignore"):
        return np.asarray(total / count.reshape(-1, *([1] * (total.ndim - 1))))


@array_function_beside(_plain_sum)
def segment_sum(x: SecretArray, groups: Any, size: int) -> SecretArray:
    """The sum of the rows (first axis) of each group, of `size` groups; 0 of one without rows.

    `groups` has a secret code for each row, from 0 on; rows with a code of `size` or more count nowhere. One product of
    two matrices, of one-hot vectors of the upper and of the lower bits of a code: for s groups and c elements a row
    about sqrt(s) (85 * 2 + 64 c) bits a row and party in about 12 rounds, and s c words. Exact, as `sum`; nothing is
    opened; to a policy each sum rests on all rows, how many of them are in the group being secret. TypeError for codes
    that are no secret integers, ValueError for codes that may be negative, PlanError for more than 65,536 groups.
    Rows without a code count nowhere, as do missing values. After `jax.ops.segment_sum`.
    """
    length, number = _rows(x), _number_of_groups(size)
    (codes, placed), x = _codes(groups, length), zeroed(x)
    node = numbers_of(x)
    session_of(x, groups)
    rest = x.shape[1:]
    if not length or not math.prod(rest):
        empty = build.broadcast_to(build.total(node, (0,)), (number, *rest))
        return x._again(x.like(empty, x.divisor))
    columns = movement.permute(movement.reshape(node, (length, math.prod(rest))), (1, 0))
    found = _of_size(sums_of_bins(_bits(codes), columns, placed), number)
    return x._again(x.like(movement.reshape(found, (number, *rest)), x.divisor))


@array_function_beside(_plain_count)
def segment_count(groups: SecretArray, size: int) -> SecretArray:
    """How many rows each of `size` groups has: as `bincount`, which says what it costs, but always of that length."""
    if not isinstance(groups, SecretArray):
        raise TypeError("segment_count takes groups, which are secret codes, first")
    return _counted(groups, _rows(groups), _number_of_groups(size))


@array_function_beside(_plain_mean)
def segment_mean(x: SecretArray, groups: Any, size: int) -> SecretArray:
    """The mean of the rows of each group: `segment_sum` over `segment_count`, both of which are revealed, so that the
    quotient is exact; NaN of a group without rows, or without values. What is computed with it takes a division of
    secrets.
    """
    total, there = segment_sum(x, groups, size), x._ranked(ordered=False)[1]
    if there is not None:
        return Ratio.of_terms(total, segment_sum(there, groups, size))
    count = _counted(groups, _rows(x), _number_of_groups(size))
    if total.ndim > 1:
        count = manipulation.broadcast_to(count.reshape((-1, *([1] * (total.ndim - 1)))), total.shape)
    return Ratio.of_terms(total, count)


# ---- extremes ----


def _plain_extreme(x: Any, groups: Any, size: int, *, greatest: bool) -> NDArray[Any]:
    x, (codes, inside, number) = np.asarray(x), _plain_codes(groups, size)
    if not x.size:
        raise ValueError("the extreme of no elements")
    found = np.full((number, *x.shape[1:]), x.min() if greatest else x.max(), x.dtype)
    (np.maximum if greatest else np.minimum).at(found, codes[inside], x[inside])
    return found


def _plain_min(x: Any, groups: Any, size: int) -> NDArray[Any]:
    return _plain_extreme(x, groups, size, greatest=False)


def _plain_max(x: Any, groups: Any, size: int) -> NDArray[Any]:
    return _plain_extreme(x, groups, size, greatest=True)


@array_function_beside(_plain_min)
def segment_min(x: SecretArray, groups: Any, size: int) -> SecretArray:
    """The least of the rows of each group by columns, and x's upper bound of a group without rows; as `segment_max`."""
    return _extreme(x, groups, size, greatest=False)


@array_function_beside(_plain_max)
def segment_max(x: SecretArray, groups: Any, size: int) -> SecretArray:
    """The greatest of the rows of each group, column by column; of a group without rows x's lower bound, which
    `segment_count` tells from a greatest element.

    Groups as in `segment_sum`. Up to four groups take a tournament each: about 450 bits a row, group and party in
    10 log2(n) rounds; more take a sort by value and group, and one more bit, which `sort_by` describes: what they cost
    and what is opened. Exact; single rows to a policy, as `max`. Missing values are passed over: of a group without
    any other the result is missing, too. Of NumPy arrays a group without rows has the least
    element of all. After `jax.ops.segment_max`.
    """
    return _extreme(x, groups, size, greatest=True)


def _extreme(x: SecretArray, groups: Any, size: Any, *, greatest: bool) -> SecretArray:
    length, number = _rows(x), _number_of_groups(size)
    (codes, placed), (numbers, there) = _codes(groups, length), x._ranked()
    node = numbers_of(numbers)
    session_of(x, groups)
    if not x.size:
        raise ValueError("the extreme of no elements")
    upwards = greatest == (numbers.divisor > 0)
    if there is not None:
        node = filled(node, there.node, node.type.lo if upwards else node.type.hi)
    # rows without a code are in a group of their own, behind all others
    codes = filled(codes, placed, number)
    lines = movement.permute(movement.reshape(node, (length, x.size // length)), (1, 0))
    few = number <= _FEW_GROUPS
    found = _of_few(lines, codes, number, upwards) if few else _last_of_groups(lines, codes, number, upwards)
    values = movement.reshape(movement.permute(found, (1, 0)), (number, *x.shape[1:]))
    some = None if there is None else segment_sum(there, groups, size) > 0
    return x._elements(x.like(values, numbers.divisor), some)


def _of_few(lines: Recorded, codes: Recorded, number: int, upwards: bool) -> Recorded:
    """(lines, groups): the extremes of the elements in each group, by a tournament in each."""
    count, length = lines.type.shape
    hot = _of_groups(codes, number)
    shape = (number, count, length)
    none = renamed(lines, 0, 0)
    worst = np.asarray(none.type.lo if upwards else none.type.hi, dtype=object)
    each = build.broadcast_to(movement.reshape(hot, (number, 1, length)), shape)
    above = build.broadcast_to(build.linear("subtract", none, worst) if worst else none, shape)
    kept = logic.inject(each, above)
    found = tournament(kept, (2,), logic.maximum if upwards else logic.minimum)
    found = build.linear("add", found, worst) if worst else found
    found = bounded(found, none.type.lo, none.type.hi, SELECTED)
    return movement.permute(renamed(found, lines.type.frac_bits, lines.type.nominal), (1, 0))


def _of_groups(codes: Recorded, number: int) -> Recorded:
    """(groups, places): which elements are in each group."""
    hot = counting.one_hot(_bits(codes))
    have, length = hot.type.shape
    if have >= number:
        return movement.cut(hot, [slice(0, number)])
    return movement.concat([hot, logic.bool_node(hot, np.zeros((number - have, length), np.bool_))], 0)


def _last_of_groups(lines: Recorded, codes: Recorded, number: int, upwards: bool) -> Recorded:
    """(lines, groups): the extremes of the elements in each group, by a sort with one element for each group beside
    them, so that every group has one."""
    count, length = lines.type.shape
    edge = lines.type.lo if upwards else lines.type.hi
    like = elementwise.zeros_of(lines)
    ends = build.broadcast_to(build.shared_integers(like, edge, lines.type.frac_bits), (count, number))
    ends = renamed(ends, lines.type.frac_bits, lines.type.nominal)
    every = build.shared_integers(build.broadcast_to(elementwise.zeros_of(codes), (number,)), np.arange(number))
    values = movement.concat([lines, ends], 1)
    whole = (count, length + number)
    placed = movement.reshape(movement.concat([codes, every], 0), (1, length + number))
    groups = build.broadcast_to(placed, whole)
    keys = joined_keys([sort_keys(values, not upwards), sort_keys(groups)])
    if keys is None:
        return movement.cut(values, [slice(None), slice(0, number)])
    values, groups = (movement.reshape(row, whole) for row in arranged(keys, _as_rows(values, groups)))
    backwards = [slice(None), slice(None, None, -1)]
    last = movement.cut(begins(movement.cut(groups, backwards)), backwards)
    found = arranged(logic.logical_not(movement.reshape(last, (1, *whole))), _as_rows(values))[0]
    return movement.cut(movement.reshape(found, whole), [slice(None), slice(0, number)])


def _as_rows(*lines: Recorded) -> list[Recorded]:
    return [movement.reshape(line, (1, *line.type.shape)) for line in lines]


# ---- ranks ----


def _plain_rank(x: Any, groups: Any, method: str = "average") -> NDArray[Any]:
    check_method(method)
    x, codes = np.asarray(x), np.asarray(groups)
    found = np.zeros(x.shape, np.float64 if method == "average" else np.int64)
    for code in np.unique(codes):
        found[codes == code] = plain_rankdata(x[codes == code], method)
    return found


@array_function_beside(_plain_rank)
def segment_rank(x: SecretArray, groups: Any, method: str = "average") -> SecretArray:
    """The rank of each element of a line within its group, from 1 on; `method` as in `tercet.stats.rankdata`.

    Groups as in `segment_sum`, of any number. A sort by value and group, running extremes, and a sort of the places,
    which `rankdata` describes: what they cost, what is opened and what it is to a policy. Exact. Missing values have a
    missing rank, and so have rows without a code.
    """
    check_method(method)
    if x.ndim != 1:
        raise ValueError(f"segment_rank takes a line of values, not {x.ndim} dimensions")
    length = _rows(x)
    (codes, placed), (numbers, there) = _codes(groups, length), x._ranked()
    node = numbers_of(numbers)
    session_of(x, groups)
    present = placed if there is None else there.node if placed is None else logic.logical_and(there.node, placed)
    known = None if present is None else x.like(present)
    if not length:
        none = renamed(node, 0, 0)
        halves = pending(x.device, none, Fraction(2)) if method == "average" else x.like(none)
        return _ranks(x, groups, halves, known)
    codes = filled(codes, placed, codes.type.hi + 1)
    lines, coded = (movement.reshape(part, (1, length)) for part in (node, codes))
    here = None if there is None else movement.reshape(there.node, (1, length))
    own = present_keys(lines, here, numbers.divisor < 0)
    places, keys = numbered(lines), joined_keys([own, sort_keys(coded)])
    rows = _as_rows(lines, coded, places, *([] if here is None else [build.number(here)]))
    if keys is not None:
        rows = arranged(keys, rows)
    lines, coded, places = (movement.reshape(row, (1, length)) for row in rows[:3])
    of_group = begins(coded)
    runs = logic.logical_or(of_group, begins(lines))
    if here is not None:
        # what is missing stands behind the others of its group, and is no part of their last run
        runs = logic.logical_or(runs, begins(movement.reshape(rows[3], (1, length))))
    ranks = ranks_of_runs(runs, method)
    if method == "dense":
        first = logic.inject(of_group, build.linear("subtract", ranks, np.asarray(1)))
        before = bounded(running(first, 1, logic.maximum), 0, length - 1, SELECTED)
    else:
        before = starts(of_group)
    if method == "average":
        before = build.multiply(before, np.asarray(2))
    times = 2 if method == "average" else 1
    found = bounded(build.linear("subtract", ranks, before), times, times * length, SELECTED)
    found = movement.reshape(put_back(places, found), (length,))
    result = pending(x.device, found, Fraction(2)) if method == "average" else x.like(found)
    return _ranks(x, groups, result, known)


def _ranks(x: SecretArray, groups: SecretArray, found: SecretArray, known: SecretArray | None) -> SecretArray:
    """Ranks, missing where a value or its group is."""
    return (groups if x._ranked()[1] is None else x)._with_gaps(found, known)
