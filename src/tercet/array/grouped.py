"""Rows by secret groups and in an order: running values, neighbours, ranks and windows within each group.

Sums, counts, ranks and windows are sums over all rows whose key is not above a limit (`up_to`): what they give is about
its row, and about all others in sum. Values that depend on how equal rows stand (running values as rows stand,
neighbours, first and last) come of one sort that brings the rows of each group together, and one move back: single
rows to a policy. Nobody learns which rows are in one group, nor how many. After pandas' `groupby`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from fractions import Fraction
from typing import Any, Literal

import numpy as np

from tercet.array import elementwise, manipulation, numeric, statistics
from tercet.array.core import SecretArray, session_of
from tercet.array.counting import running_extreme
from tercet.array.decimals import DecimalArray
from tercet.array.nullable import NullableArray
from tercet.array.opaque import OpaqueArray
from tercet.array.permutation import Permutation
from tercet.array.runs import check_method
from tercet.array.segments import segment_rank
from tercet.array.up_to import ones_like, sums_up_to
from tercet.errors import InputError
from tercet.plan.table.reasons import SELECTED
from tercet.plan.types import ValueKind

TIES = ("alike", "first")
TRANSFORMS = ("sum", "mean", "count", "min", "max", "first", "last")


class Grouped:
    """The rows of secret arrays by secret groups, and within each group in an order.

    `keys`: a secret column of integers, categories or bools, or several, which make a group together; any number of
    groups. `order`: a secret column (n,) by which the rows of a group follow each other; without it they do so as they
    stand. `ties`: with an order, whether rows at one place of it count "alike", each of them up to the last, as in
    SQL's RANGE; or those come "first" that stand first, as in pandas.

    Methods take a column (n,) and give a secret column (n,) whose elements stand at their rows; nothing is revealed.
    To a policy an element of `transform` of sums, counts, means and extremes, of `rank`, and with ties alike of
    `cumsum`, `cumcount` and windows is about its own row, and in sum about all others: an aggregate over them rests on
    all rows (docs/design/grouped-rows.md). What depends on how rows stand counts as single rows, also summed up:
    `shift`, `diff`, `cummax`, `cummin`, "first" and "last", ranks "dense" and "ordinal", and running values and windows
    without an order or with ties "first".

    Raises TypeError for public keys, InputError for other lengths or missing values.
    """

    def __init__(self, keys: Any, *, order: SecretArray | None = None, ties: str = "alike") -> None:
        if ties not in TIES:
            raise InputError(f"ties {str(ties)[:20]!r}", hint=f"they are one of {', '.join(TIES)}")
        several = list(keys) if isinstance(keys, list | tuple) else [keys]
        self._codes = _joined([_codes(key) for key in several])
        self._rows = self._codes.shape[0]
        self._order = None if order is None else _line(order, self._rows, "the order")
        self._alike = order is not None and ties == "alike"
        sorting = [self._codes] if self._order is None else [self._order, self._codes]
        self._forward = Permutation.argsort(sorting)
        self._sorted: SecretArray = self._forward.apply(self._codes)

    def __len__(self) -> int:
        return self._rows

    def __repr__(self) -> str:
        return f"Grouped({self._rows} rows by secret groups)"

    @property
    def codes(self) -> SecretArray:
        """The code of each row's group: from 0 on, one for each combination of keys within their bounds."""
        return self._codes

    # -- running values

    def cumcount(self) -> SecretArray:
        """How many rows of its group stand before each row; with ties alike, at an earlier place of the order. One sort
        of 3 n keys, or two comparisons a row."""
        if not self._alike:
            return self._back(self._places())
        keys, group = self._times(1)
        ((earlier,), (before,)) = sums_up_to(keys, [keys - 1, group - 1], [ones_like(keys)])
        return numeric.bounded(earlier - before, 0, self._rows - 1, SELECTED)

    def cumsum(self, x: SecretArray) -> SecretArray:
        """The sum of a column over the rows of its group up to each row. One sort of 3 n keys, or four comparisons a
        row; exact."""
        numbers, again = _integers(self._column(x), "sum")
        if not self._alike:
            return again(self._back(self._running_sum(self._forward.apply(numbers), self._sorted)))
        keys, group = self._times(1)
        ((found,), (before,)) = sums_up_to(keys, [keys, group - 1], [numbers])
        return again(self._sums(found - before, numbers))

    def cummax(self, x: SecretArray) -> SecretArray:
        """The greatest element of its group up to each row, as rows stand at one place of the order. Two comparisons a
        row; exact."""
        numbers, again = _integers(self._column(x))
        return again(self._back(self._running_extreme(self._forward.apply(numbers), self._sorted, greatest=True)))

    def cummin(self, x: SecretArray) -> SecretArray:
        """The least element of its group up to each row, as `cummax`."""
        numbers, again = _integers(self._column(x))
        return again(self._back(self._running_extreme(self._forward.apply(numbers), self._sorted, greatest=False)))

    # -- neighbours

    def shift(self, x: SecretArray, periods: int = 1) -> NullableArray:
        """The element that stands so many rows before in its group (behind, if negative); missing where none does. One
        comparison a row; exact."""
        if isinstance(periods, bool) or not isinstance(periods, int | np.integer):
            raise TypeError(f"periods is an integer, not {type(periods).__name__}")
        column = self._column(x)
        steps = int(max(-self._rows, min(self._rows, periods)))
        moved: SecretArray = self._forward.apply(column)
        if not steps:
            return NullableArray.of_values(x, self._sorted == self._sorted)
        if abs(steps) == self._rows:
            none = self._sorted != self._sorted
            return NullableArray.of_values(self._back(moved), none)
        here, there = (
            (slice(steps, None), slice(None, -steps)) if steps > 0 else (slice(None, steps), slice(-steps, None))
        )
        same = self._sorted[here] == self._sorted[there]
        rest = moved[: abs(steps)]
        nothing = self._sorted[: abs(steps)] != self._sorted[: abs(steps)]
        parts = ([rest, moved[there]], [nothing, same])
        values, known = (manipulation.concat(part if steps > 0 else part[::-1]) for part in parts)
        return NullableArray.of_values(self._back(values), self._back(known))

    def diff(self, x: SecretArray, periods: int = 1) -> SecretArray:
        """The element less that of `shift`; missing where that is."""
        return elementwise.subtract(x, self.shift(x, periods))

    def rank(self, x: SecretArray, method: str = "average") -> SecretArray:
        """The rank of each element within its group, from 1 on; `method` as in `tercet.stats.rankdata`. "average",
        "min" and "max" take one sort of 4 n keys; the others are `segment_rank`, single rows to a policy. Exact."""
        check_method(method)
        column = self._column(x)
        if method in ("dense", "ordinal"):
            return segment_rank(column, self._codes, method)
        numbers, _ = _integers(column)
        keys, group = self._behind(numbers, 1)
        ((least,), (most,), (before,)) = sums_up_to(keys, [keys - 1, keys, group - 1], [ones_like(keys)])
        if method == "average":
            twice = numeric.bounded(least + most - 2 * before + 1, 2, 2 * self._rows, SELECTED)
            return numeric.over(twice, Fraction(2))
        found = least - before + 1 if method == "min" else most - before
        return numeric.bounded(found, 1, self._rows, SELECTED)

    # -- what all rows of a group get

    def transform(self, x: SecretArray, how: str) -> SecretArray:
        """For each row what its whole group has: "sum", "mean", "count", "min", "max", "first" or "last".

        One sort of 3 n keys, of "min" and "max" two and a division; exact. A mean takes a division of secrets more, and
        is within two last bits. "first" and "last" take four comparisons a row."""
        if how not in TRANSFORMS:
            raise InputError(f"transform {how!r}", hint=f"it is one of {', '.join(TRANSFORMS)}")
        column = self._column(x)
        if how == "count":
            return self._counts()
        place = how in ("first", "last")
        numbers, again = _integers(column, "move" if place else "order" if how in ("min", "max") else "sum")
        if place:
            return again(self._back(self._at_end(self._forward.apply(numbers), first=how == "first")))
        if how in ("min", "max"):
            return again(self._extreme(numbers, greatest=how == "max"))
        (total, count) = self._of_groups([numbers, ones_like(self._codes)])
        total = again(self._sums(total, numbers))
        if how == "sum":
            return total
        return _mean(total, numeric.bounded(count, 1, self._rows, SELECTED), column)

    # -- windows

    def rolling_count(self, window: float) -> SecretArray:
        """How many rows of its group lie, by `order`, within `window` up to each row, itself included: those at a time
        later than that of the row less the window, and not later than the row. One sort of 2 n keys with ties as they
        stand, which is pandas' `rolling("1h", on=...)`, of 3 n keys with ties alike; exact."""
        return self._windows([], window)[-1]

    def rolling_sum(self, x: SecretArray, window: float) -> SecretArray:
        """The sum of a column over these rows, as `rolling_count`."""
        numbers, again = _integers(self._column(x), "sum")
        return again(self._windows([numbers], window)[0])

    def rolling_mean(self, x: SecretArray, window: float) -> SecretArray:
        """The mean of a column over these rows: a division of secrets, within two last bits."""
        numbers, again = _integers(self._column(x), "sum")
        total, count = self._windows([numbers], window)
        return _mean(again(total), count, x)

    def _windows(self, columns: list[SecretArray], window: float) -> list[SecretArray]:
        """The sums of columns of integers over each row's window, and behind them its number of rows."""
        if self._order is None:
            raise InputError("a window needs an order of rows", hint="pass order=, such as a column of times")
        reach = math.ceil(Fraction(str(window)) * _unit(self._order))
        if reach <= 0:
            raise InputError(f"a window of {window}", hint="pass a positive width in the unit of the order")
        keys, _ = self._times(reach)
        columns = [*columns, ones_like(keys)]
        if self._alike:
            whole, before = sums_up_to(keys, [keys, keys - reach], columns)
            found = [one - other for one, other in zip(whole, before, strict=True)]
        else:
            found = self._as_they_stand(keys, reach, columns)
        sums = [self._sums(one, column) for one, column in zip(found[:-1], columns[:-1], strict=True)]
        return [*sums, numeric.bounded(found[-1], 1, self._rows, SELECTED)]

    def _as_they_stand(self, keys: SecretArray, reach: int, columns: list[SecretArray]) -> list[SecretArray]:
        # where a window begins: behind all rows at or before t - window, which the sort puts in front of it
        places = Permutation.argsort(manipulation.concat([keys, keys - reach]))
        found = []
        for column in columns:
            line = places.apply(manipulation.concat([column, column * 0]))
            sums = places.invert().apply(statistics.cumulative_sum(line))
            found.append(sums[: self._rows] - sums[self._rows :])
        return found

    # -- sums over all rows up to a limit

    def _behind(self, line: SecretArray, room: int) -> tuple[SecretArray, SecretArray]:
        """Keys that order rows by group and then by a line of integers, with `room` between groups; and for each row
        the least that a key of its group may be."""
        lo, hi = (int(bound) for bound in line.bounds)
        group = self._codes * (hi - lo + 1 + room)
        return group + (line - lo), group

    def _times(self, room: int) -> tuple[SecretArray, SecretArray]:
        """`_behind` of the order."""
        assert self._order is not None
        return self._behind(_integers(self._order)[0], room)

    def _of_groups(self, columns: list[SecretArray]) -> list[SecretArray]:
        """The sums of columns over all rows of each row's group."""
        up_to, before = sums_up_to(self._codes, [self._codes, self._codes - 1], columns)
        return [one - other for one, other in zip(up_to, before, strict=True)]

    def _sums(self, found: SecretArray, numbers: SecretArray) -> SecretArray:
        """Of one row at least, and of all at most."""
        lo, hi = (int(bound) for bound in numbers.bounds)
        return numeric.bounded(found, min(lo, lo * self._rows), max(hi, hi * self._rows), SELECTED)

    def _counts(self) -> SecretArray:
        (count,) = self._of_groups([ones_like(self._codes)])
        return numeric.bounded(count, 1, self._rows, SELECTED)

    def _extreme(self, numbers: SecretArray, *, greatest: bool) -> SecretArray:
        """The sum of all that are beyond none of their group, by how many they are."""
        lo, hi = (int(bound) for bound in numbers.bounds)
        if lo == hi:
            return numbers
        above = numbers - lo if greatest else hi - numbers
        keys, group = self._behind(above, 1)
        ((here,), (all_,)) = sums_up_to(keys, [keys, group + (hi - lo + 1)], [ones_like(keys)])
        top = (all_ == here) * 1
        total, count = self._of_groups([above * top, top])
        total = numeric.bounded(total, 0, (hi - lo) * self._rows, SELECTED)
        found = elementwise.floor_divide(total, numeric.bounded(count, 1, self._rows, SELECTED))
        found = numeric.bounded(found, 0, hi - lo, SELECTED)
        return found + lo if greatest else hi - found

    # -- lines in their order

    def _column(self, x: SecretArray) -> SecretArray:
        return _line(x, self._rows, "the column")

    def _back(self, line: SecretArray) -> SecretArray:
        found: SecretArray = self._forward.invert().apply(line)
        return found

    def _begins(self, codes: SecretArray) -> SecretArray:
        differ = codes[1:] != codes[:-1]
        return manipulation.concat([codes[:1] == codes[:1], differ])

    def _places(self, codes: SecretArray | None = None) -> SecretArray:
        """The place of each row within its group."""
        begins = self._begins(self._sorted if codes is None else codes)
        places = np.arange(self._rows)
        start = running_extreme(begins * places, 0, greatest=True)
        return numeric.bounded(elementwise.subtract(places, start), 0, self._rows - 1, SELECTED)

    def _running_sum(self, line: SecretArray, codes: SecretArray) -> SecretArray:
        """Sums grow along the line once the least possible element is taken off, so that the sum before a group is the
        greatest one before any group up to here."""
        lo, hi = (int(bound) for bound in line.bounds)
        above = line - lo if lo else line
        sums = statistics.cumulative_sum(above)
        before = running_extreme(self._begins(codes) * (sums - above), 0, greatest=True)
        found = sums - before
        if lo:
            found = found + (self._places(codes) + 1) * lo
        ends = (min(lo, lo * self._rows), max(hi, hi * self._rows))
        return numeric.bounded(found, *ends, SELECTED)

    def _running_extreme(self, line: SecretArray, codes: SecretArray, *, greatest: bool) -> SecretArray:
        """Codes rise along the line, or fall: with them before the elements, nothing of another group is as far."""
        lo, hi = (int(bound) for bound in line.bounds)
        width = hi - lo + 1
        rises = codes is self._sorted
        offset = codes * (width if rises == greatest else -width)
        found = running_extreme(offset + line, 0, greatest=greatest) - offset
        return numeric.bounded(found, lo, hi, SELECTED)

    def _at_end(self, line: SecretArray, *, first: bool) -> SecretArray:
        """The element of the first, or last, row of each group at all its rows: the sum of what stands there."""
        codes = self._sorted if first else self._sorted[::-1]
        marked = self._begins(codes) * (line if first else line[::-1])
        found = self._running_sum(marked, codes)
        found = numeric.bounded(found, int(line.bounds[0]), int(line.bounds[1]), SELECTED)
        return found if first else found[::-1]


def _mean(total: SecretArray, count: SecretArray, of: SecretArray) -> SecretArray:
    """A quotient that lies within the bounds of what was added up, but for two last bits."""
    found = numeric.settled(elementwise.divide(total, count))
    lo, hi = (bound * 2**found.frac_bits for bound in of.bounds)
    return numeric.bounded(found, math.floor(lo) - 2, math.ceil(hi) + 2, SELECTED)


def _line(x: SecretArray, rows: int, what: str) -> SecretArray:
    if not isinstance(x, SecretArray):
        raise TypeError(f"{what} is a secret column, not {type(x).__name__}")
    if isinstance(x, NullableArray):
        raise InputError(f"{what} has missing values", hint="fill them first, as in x.fillna(value)")
    if x.shape != (rows,):
        raise InputError(f"{what} has shape {x.shape} for {rows} rows", hint="pass one column of shape (n,)")
    if x.dtype.name == "bool":
        return x * 1
    return x


def _codes(key: Any) -> SecretArray:
    if not isinstance(key, SecretArray):
        raise TypeError("keys are secret columns; rows of public groups are x[groups == code]")
    if isinstance(key, NullableArray):
        raise InputError("keys have missing values", hint="fill them first, as in key.fillna(value)")
    codes = key._ranked(ordered=False)[0]
    if codes.dtype.name == "bool":
        codes = codes * 1
    if codes.ndim != 1 or not codes.shape[0]:
        raise InputError(f"keys have shape {codes.shape}", hint="pass a column of one row at least")
    if codes.dtype.kind is not ValueKind.INT or codes.divisor != 1:
        raise TypeError("keys are categories, bools or integers; floor or round numbers first")
    return codes


def _joined(codes: Sequence[SecretArray]) -> SecretArray:
    """Several codes as one integer for each combination of them."""
    if any(one.shape != codes[0].shape for one in codes):
        raise InputError(f"keys of shapes {[one.shape for one in codes]}", hint="pass columns of one length")
    session_of(*codes)
    found = codes[0] - int(codes[0].bounds[0])
    for one in codes[1:]:
        lo, hi = (int(bound) for bound in one.bounds)
        found = found * (hi - lo + 1) + (one - lo)
    return found


def _unit(x: SecretArray) -> Any:
    """How many of its integers are one."""
    if isinstance(x, OpaqueArray | DecimalArray):
        return 10**x.digits if isinstance(x, DecimalArray) else 1
    numbers, over = numeric.numerator(x)
    return abs(over) * (1 << numeric.as_integers(numbers)[1])


def _integers(
    x: SecretArray, use: Literal["order", "sum", "move"] = "order"
) -> tuple[SecretArray, Callable[[SecretArray], SecretArray]]:
    """A column as exact integers, in its order, and what makes of such integers what the column holds. `use`: what is
    done with them: of dates no sums are taken, of categories no order."""
    if isinstance(x, OpaqueArray):
        if use == "sum" or (use == "order" and not x._ordered):
            raise TypeError(x._refusal())
        return x._plain(), x._again
    if isinstance(x, DecimalArray):
        digits = x.digits
        return x.integers, lambda found: DecimalArray.of(found, digits)
    numbers, over = numeric.numerator(x)
    stored, frac = numeric.as_integers(numbers)
    if over < 0:
        stored, over = -stored, -over

    def again(found: SecretArray) -> SecretArray:
        return numeric.over(numeric.times_power(found, -frac, frac), over)

    return stored, again
