"""What runs of equal elements in sorted lines tell: ranks, the most frequent element, distinct elements, their counts.

Nothing is opened but what the sorts open (docs/security/shuffles.md). To a policy all of it counts as single rows, but
for `mode` of few values, which counts, and for average ranks, whose sums rest on all rows.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tercet.array import elementwise, given, movement
from tercet.array.core import SecretArray, pending
from tercet.array.counting import running
from tercet.array.creation import as_type
from tercet.array.dispatch import array_function_beside
from tercet.array.dtypes import bool as bools
from tercet.array.ordering import (
    arranged,
    from_lines,
    in_front,
    in_lines,
    joined_keys,
    key_planes,
    numbered,
    present_keys,
    sort_keys,
)
from tercet.array.statistics import carried
from tercet.plan.record import build, counting, logic
from tercet.plan.record.graph import Recorded
from tercet.plan.record.scale import bounded, renamed, settle
from tercet.plan.table.reasons import SELECTED

METHODS = ("average", "min", "max", "dense", "ordinal")
_COUNTED_BITS = 8
"""Up to so many bits of the span of its bounds, the values of a line are counted rather than sorted for their mode."""


@dataclass(frozen=True)
class Sorted:
    """Lines in their order, where each element of them came from, and which begin a run of equal ones."""

    values: Recorded
    places: Recorded
    begins: Recorded
    there: Recorded | None
    """Which of them are elements that are there: the first ones. None for all."""

    @classmethod
    def of(cls, lines: Recorded, there: Recorded | None = None, *, descending: bool = False) -> Sorted:
        """Of lines of numbers, (lines, places), of one element at least."""
        keys, places = present_keys(lines, there, descending), numbered(lines)
        if keys is not None:
            shape = lines.type.shape
            found = arranged(keys, [movement.reshape(row, (1, *shape)) for row in (lines, places)])
            lines, places = (movement.reshape(row, shape) for row in found)
        if there is None:
            return cls(lines, places, begins(lines), None)
        front = in_front(there)
        # what is missing is no part of the last run
        return cls(lines, places, logic.logical_or(begins(lines), begins(front)), front)


def read(x: SecretArray, axis: int | None, *, ordered: bool = True) -> tuple[SecretArray, Recorded, Recorded | None]:
    """The numbers of an array by which its elements are ordered, or told apart; and these as lines along an axis, or as
    one with None, beside which of them are there."""
    numbers, there = x._ranked(ordered=ordered)
    if axis is None:
        numbers, axis = numbers.reshape(-1), 0
        there = None if there is None else there.reshape(-1)
    place = movement.normal_axis(axis, numbers.ndim)
    lines = in_lines(build.number(settle(numbers.undivided)), place)
    return numbers, lines, None if there is None else in_lines(there.node, place)


def begins(lines: Recorded) -> Recorded:
    """Which elements of sorted lines differ from the one before them; the first ones do."""
    count, length = lines.type.shape
    first = np.ones((count, 1), np.bool_)
    if length == 1:
        return logic.bool_node(logic.negative(lines), first)
    front, back = (movement.cut(lines, [slice(None), part]) for part in (slice(None, -1), slice(1, None)))
    differ = logic.logical_not(logic.equal(front, back))
    return movement.concat([logic.bool_node(differ, first), differ], 1)


def starts(begins: Recorded) -> Recorded:
    """Of each element of lines, the place at which its run begins."""
    count, length = begins.type.shape
    places = np.broadcast_to(np.arange(length), (count, length))
    marked = build.multiply(build.number(begins), places)
    return bounded(running(marked, 1, logic.maximum), 0, length - 1, SELECTED)


def ends(begins: Recorded) -> Recorded:
    """Of each element of lines, the place at which its run ends."""
    count, length = begins.type.shape
    every = slice(None)
    last = logic.bool_node(begins, np.ones((count, 1), np.bool_))
    closes = movement.concat([movement.cut(begins, [every, slice(1, None)]), last], 1) if length > 1 else last
    back = starts(movement.cut(closes, [every, slice(None, None, -1)]))
    return build.linear("subtract", np.asarray(length - 1), movement.cut(back, [every, slice(None, None, -1)]))


def put_back(places: Recorded, row: Recorded) -> Recorded:
    """The elements of sorted lines where they came from."""
    keys = sort_keys(places)
    if keys is None:
        return row
    found = arranged(keys, [movement.reshape(row, (1, *row.type.shape))])[0]
    return movement.reshape(found, row.type.shape)


# ---- ranks ----


def plain_rankdata(a: Any, method: str = "average", *, axis: int | None = None) -> NDArray[Any]:
    check_method(method)
    a = np.asarray(a)
    if axis is None:
        a, axis = a.reshape(-1), 0
    if not a.size:
        return np.empty(a.shape, np.float64 if method == "average" else np.int64)
    return np.apply_along_axis(_plain_ranks, axis, a, method)


def _plain_ranks(line: NDArray[Any], method: str) -> NDArray[Any]:
    if method == "ordinal":
        return np.argsort(np.argsort(line, kind="stable")) + 1
    _, inverse, counts = np.unique(line, return_inverse=True, return_counts=True)
    if method == "dense":
        return np.asarray(inverse + 1)
    most = np.cumsum(counts)
    least = most - counts + 1
    found = {"min": least, "max": most, "average": (least + most) / 2}[method]
    return np.asarray(found[inverse])


def check_method(method: str) -> None:
    if method not in METHODS:
        raise ValueError(f"rankdata has the methods {', '.join(METHODS)}, not {str(method)[:20]!r}")


@array_function_beside(plain_rankdata)
def rankdata(x: SecretArray, method: str = "average", *, axis: int | None = None) -> SecretArray:
    """The rank of each element among all, or in its line along an axis, from 1 on; equal ones share a rank as `method`
    says: their "average" (a quotient by 2, exact when revealed), "min" or "max", the next whole number ("dense"), or
    one each in their order ("ordinal").

    "average" takes a sort of twice as many lines, and a rank so found is to a policy about its own element and, in
    sum, about all others: a sum over ranks rests on all elements. Else two sorts, of the elements and of their places,
    and for "min" and "max" running extremes, which count as single rows. `sort` and `np.maximum.accumulate` describe
    what they cost and what is opened. Exact. ValueError
    for another method. After `scipy.stats.rankdata`, whose `nan_policy` is not offered as there is no NaN; missing
    values have a missing rank and count for no other (pandas' na_option="keep"; fill them with a bound for "top" or
    "bottom").
    """
    check_method(method)
    if axis is None:
        x, axis = x.reshape(-1), 0
    place = movement.normal_axis(axis, x.ndim)
    numbers, lines, there = read(x, axis)
    if lines.type.size and method == "average":
        ranks = average_ranks(lines, there, descending=numbers.divisor < 0)
    elif lines.type.size:
        found = Sorted.of(lines, there, descending=numbers.divisor < 0)
        ranks = put_back(found.places, ranks_of_runs(found.begins, method))
    else:
        ranks = numbered(lines)
    node = from_lines(ranks, x.shape, place)
    halves = method == "average"
    result = pending(x.device, node, Fraction(2)) if halves else x.like(node)
    return x._with_gaps(result, x._ranked()[1])


def average_ranks(lines: Recorded, there: Recorded | None = None, *, descending: bool = False) -> Recorded:
    """Twice the average rank of each element of lines, of one element at least; what is missing is above all others."""
    keys = present_keys(lines, there, descending)
    if keys is None:
        return build.shared_integers(lines, lines.type.shape[1] + 1)
    return keys.graph.node("ranks", (keys,))


def twice_ranks(*keys: SecretArray, there: SecretArray | None = None) -> SecretArray:
    """Twice the average rank of each element of a line by keys of which the last counts first, as integers from 2 on;
    what is not there is above all others.

    Costs and security as `rankdata` with "average", to which it is exact where halves would be left.
    """
    planes = key_planes(keys, descending=False)
    if there is not None:
        planes = joined_keys([planes, movement.reshape(logic.logical_not(there.node), (1, 1, there.shape[0]))])
    line = build.number(keys[0].undivided)
    if planes is None or not line.type.size:
        return keys[0].like(build.shared_integers(line, line.type.size + 1))
    ranks = planes.graph.node("ranks", (planes,))
    return keys[0].like(movement.reshape(ranks, line.type.shape))


def ranks_of_runs(begins: Recorded, method: str) -> Recorded:
    """Of sorted lines, whose runs begin there, the ranks, or twice them for "average"."""
    count, length = begins.type.shape
    one = np.asarray(1)
    if method == "ordinal":
        return build.shared_integers(build.number(begins), np.broadcast_to(np.arange(1, length + 1), (count, length)))
    if method == "dense":
        return bounded(build.running_total(begins, 1), 1, length, SELECTED)
    if method == "min":
        return build.linear("add", starts(begins), one)
    if method == "max":
        return build.linear("add", ends(begins), one)
    return build.linear("add", build.linear("add", starts(begins), ends(begins)), np.asarray(2))


# ---- the most frequent ----


class ModeResult(NamedTuple):
    """The most frequent elements, and how often they occur."""

    mode: Any
    count: Any


def _plain_mode(a: Any, axis: int | None = 0, *, keepdims: bool = False) -> ModeResult:
    a = np.asarray(a)
    if axis is None:
        a, shape = a.reshape(-1, 1), (1,) * a.ndim
        place = 0
    else:
        place = movement.normal_axis(axis, a.ndim)
        shape = (*a.shape[:place], 1, *a.shape[place + 1 :])
    if not a.shape[place]:
        raise ValueError("the mode of no elements")
    lines = np.moveaxis(a, place, -1).reshape(-1, a.shape[place])
    pairs = [np.unique(line, return_counts=True) for line in lines]
    values = np.array([value[np.argmax(count)] for value, count in pairs], a.dtype)
    counts = np.array([count.max() for _, count in pairs], np.int64)
    kept = shape if keepdims else tuple(n for at, n in enumerate(shape) if at != place) if axis is not None else ()
    return ModeResult(values.reshape(kept)[()], counts.reshape(kept)[()])


@array_function_beside(_plain_mode)
def mode(x: SecretArray, axis: int | None = 0, *, keepdims: bool = False) -> ModeResult:
    """The most frequent element of each line along an axis, or of all with None, the least of several; and how often it
    occurs.

    Where bounds span 256 values or fewer, these are counted, as `bincount` does, and the greatest count is taken:
    nothing is opened, and the result rests on all elements. Else one sort, running extremes and a tournament, which
    count as single rows. Exact; of fixed point, equal means equal as stored. ValueError for no elements. After
    `scipy.stats.mode`, whose `nan_policy` is not offered as there is no NaN; missing values are passed over, and where
    there is no value, the mode is missing and occurs 0 times. Of categories, the first as they are declared.
    """
    ndim, before = x.ndim, x.shape
    if axis is None:
        x, place = x.reshape(-1), 0
    else:
        place = movement.normal_axis(axis, x.ndim)
    if not x.shape[place]:
        raise ValueError("the mode of no elements")
    numbers, lines, there = read(x, place, ordered=False)
    falling = numbers.divisor < 0
    if (lines.type.hi - lines.type.lo).bit_length() <= _COUNTED_BITS:
        values, counts = _counted_mode(lines, there, falling)
    else:
        found = Sorted.of(lines, there, descending=falling)
        earlier = build.linear("subtract", numbered(found.values), starts(found.begins))
        so_far = build.linear("add", earlier, np.asarray(1))
        if found.there is not None:
            so_far = logic.inject(found.there, so_far)
        counts, values = carried(
            movement.permute(so_far, (1, 0)), movement.permute(found.values, (1, 0)), smallest=False
        )
    rest = tuple(n for at, n in enumerate(x.shape) if at != place)
    kept = (1,) * ndim if axis is None else (*before[:place], 1, *before[place + 1 :])
    shape = kept if keepdims else rest
    values, counts = (movement.reshape(part, shape) for part in (values, counts))
    often = x.like(counts)
    some = None if there is None else x.like(logic.less(np.asarray(0), counts))
    return ModeResult(x._elements(x.like(values, numbers.divisor), some), often)


def _counted_mode(lines: Recorded, there: Recorded | None, falling: bool) -> tuple[Recorded, Recorded]:
    """(1, lines) each: of the values that bounds allow, the first of those that occur most, and how often it does."""
    lo, hi = lines.type.lo, lines.type.hi
    planes = counting.ordered_bits(lines)
    count, length = lines.type.shape
    if planes is None:
        same = movement.reshape(movement.cut(lines, [slice(None), slice(0, 1)]), (1, count))
        if there is not None:
            return same, movement.reshape(counting.count(there, (1,)), (1, count))
        return same, build.shared_integers(same, length)
    hot = counting.one_hot([counting.row(planes, at) for at in range(planes.type.shape[0])])
    if there is not None:
        hot = logic.logical_and(hot, build.broadcast_to(there, hot.type.shape))
    counts = movement.cut(counting.count(hot, (2,)), [slice(0, hi - lo + 1)])
    stored = np.arange(hi - lo + 1)
    if falling:
        counts, stored = movement.cut(counts, [slice(None, None, -1)]), stored[::-1]
    each = np.broadcast_to(stored[:, None], counts.type.shape)
    most, place = carried(counts, each, smallest=False)
    place = bounded(place, 0, hi - lo, SELECTED)
    found = build.linear("add", place, np.asarray(lo, dtype=object)) if lo else place
    return renamed(found, lines.type.frac_bits, lines.type.nominal), most


# ---- distinct elements ----


class UniqueValues(NamedTuple):
    """Distinct elements in ascending order, zeros behind them, and how many distinct ones there are, also beyond."""

    values: SecretArray
    number: SecretArray


class UniqueCounts(NamedTuple):
    """Distinct elements in ascending order and how often each occurs, zeros behind them, and how many distinct ones
    there are, also beyond."""

    values: SecretArray
    counts: SecretArray
    number: SecretArray


def _places(size: Any) -> int:
    if (places := given.integer(size, "size")) < 0:
        raise ValueError(f"size is not negative, and not {places}")
    return places


def _plain_distinct(x: Any, size: Any) -> tuple[Any, Any, Any]:
    """Of a public array: distinct elements, how often each occurs, both at so many places, and how many there are."""
    places, columns = _places(size), np.unique(np.asarray(x), return_counts=True)
    values, counts = (np.append(one[:places], np.zeros(max(places - len(one), 0), one.dtype)) for one in columns)
    return values, counts, np.int64(len(columns[0]))


def _plain_values(x: Any, /, *, size: Any = None) -> Any:
    if size is None:
        return np.unique_values(x)
    values, _, number = _plain_distinct(x, size)
    return UniqueValues(values, number)


def _plain_counts(x: Any, /, *, size: Any = None) -> Any:
    return np.unique_counts(x) if size is None else UniqueCounts(*_plain_distinct(x, size))


@array_function_beside(_plain_values)
def unique_values(x: SecretArray, /, *, size: int | None = None) -> UniqueValues:
    """The distinct elements in ascending order, of which the `size` least are given, or zeros behind them where there
    are fewer (of an array with missing values, missing ones); and as a secret integer how many distinct ones there are.
    As `unique_counts`.
    """
    values, _, number = _distinct(x, size, "unique_values", counted=False)
    return UniqueValues(values, number)


@array_function_beside(_plain_counts)
def unique_counts(x: SecretArray, /, *, size: int | None = None) -> UniqueCounts:
    """The distinct elements in ascending order and how often each occurs: the `size` least of them, or all and zeros
    behind them; and as a secret integer how many distinct ones there are, also where these are more than `size`.

    `size` is public, as the shape of NumPy's result would say that number. One sort of the elements, an equality of
    each with the next, a sort by one bit, and `size` comparisons; what is opened and what it is to a policy as of
    `sort`: single rows, where `bincount` and `histogram` count over all. Exact; of fixed point, equal means equal as
    stored; categories come in the order in which they are declared, missing values count as no element, and behind the
    distinct ones stand missing ones in place of zeros. TypeError without `size`. After the array API's function.
    """
    values, counts, number = _distinct(x, size, "unique_counts", counted=True)
    return UniqueCounts(values, counts, number)


def _distinct(x: SecretArray, size: Any, name: str, *, counted: bool) -> tuple[SecretArray, SecretArray, SecretArray]:
    if size is None:
        raise TypeError(
            f"{name} of secret arrays is tercet.array.{name}(x, size=n), with a public number of places for distinct "
            "elements: the shape of NumPy's result would say how many there are; that number is given as a secret one"
        )
    places = _places(size)
    numbers, lines, present = read(x, None, ordered=False)
    boolean = numbers._type.is_bool
    frac, nominal = lines.type.frac_bits, lines.type.nominal
    if not x.size:
        nothing = build.shared_integers(build.total(lines, (0, 1)), 0)
        none = x.like(build.broadcast_to(nothing, (places,)))
        zeros = x.like(renamed(none.undivided, frac, nominal), numbers.divisor)
        kept = x._elements(as_type(none, bools) if boolean else zeros, none == 1)
        return kept, none, x.like(nothing)
    found = Sorted.of(lines, present, descending=numbers.divisor < 0)
    first = found.begins if found.there is None else logic.logical_and(found.begins, found.there)
    total = movement.reshape(counting.count(first, (1,)), ())
    planes = logic.logical_not(movement.reshape(first, (1, 1, x.size)))
    rows = [found.values, *([numbered(lines)] if counted else [])]
    front = [movement.reshape(row, (x.size,)) for row in arranged(planes, [_one_row(row) for row in rows])]
    taken = min(places, x.size)
    every = [slice(0, taken)]
    there = logic.less(np.arange(x.size), build.broadcast_to(total, (x.size,)))
    values = logic.inject(movement.cut(there, every), renamed(movement.cut(front[0], every), 0, 0))
    values = renamed(_padded(values, places), frac, nominal)
    distinct = x.like(values, numbers.divisor)
    shown = None
    if present is not None:
        shown = x.like(logic.less(np.arange(places), build.broadcast_to(total, (places,))))
    kept = x._elements(as_type(distinct, bools) if boolean else distinct, shown)
    number = x.like(total)
    if not counted:
        return kept, number, number
    # where there are no more, the next run begins behind the last element
    if present is None:
        beyond = logic.inject(there, build.linear("subtract", front[1], np.asarray(x.size)))
        begin = _padded(build.linear("add", beyond, np.asarray(x.size)), x.size + 1, x.size)
    else:
        end = build.broadcast_to(movement.reshape(counting.count(present, (1,)), (1,)), (x.size + 1,))
        beyond = logic.inject(there, build.linear("subtract", front[1], movement.cut(end, [slice(0, x.size)])))
        begin = build.linear("add", _padded(beyond, x.size + 1), end)
    here, following = (movement.cut(begin, [slice(at, at + taken)]) for at in (0, 1))
    counts = bounded(build.linear("subtract", following, here), 0, x.size, SELECTED)
    return kept, x.like(_padded(counts, places)), number


def _one_row(lines: Recorded) -> Recorded:
    return movement.reshape(lines, (1, *lines.type.shape))


def _padded(line: Recorded, length: int, value: int = 0) -> Recorded:
    """A line with so many public integers behind it that it has a length."""
    missing = length - line.type.shape[0]
    if not missing:
        return line
    end = build.shared_integers(elementwise.zeros_of(line), value)
    return movement.concat([line, build.broadcast_to(end, (missing,))], 0)
