"""Rows by secret groups and in an order: running values, neighbours, ranks and windows within each group.

One sort brings the rows of each group together; everything after it is local or made of comparisons, and one move
brings the results back to their rows. Nobody learns which rows are in one group, nor how many. After pandas' `groupby`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from tercet.array import elementwise, manipulation, numeric, statistics
from tercet.array.core import SecretArray, session_of
from tercet.array.counting import running_extreme
from tercet.array.decimals import DecimalArray
from tercet.array.nullable import NullableArray
from tercet.array.permutation import Permutation
from tercet.array.segments import segment_rank
from tercet.errors import InputError
from tercet.plan.table.reasons import SELECTED
from tercet.plan.types import ValueKind

TRANSFORMS = ("sum", "mean", "count", "min", "max", "first", "last")


class Grouped:
    """The rows of secret arrays by secret groups, and within each group in an order.

    `keys`: a secret column of integers, categories or bools, or several, which make a group together; any number of
    groups. `order`: a secret column (n,) by which the rows of a group follow each other; without it they do so as they
    stand. Methods take a column (n,) and give a secret column (n,) whose elements stand at their rows; nothing is
    revealed. Each costs a sort (`Permutation.argsort`, recorded once), two moves and what it says. To a policy the
    elements count as single rows, also summed up.

    Raises TypeError for public keys, InputError for other lengths or missing values.
    """

    def __init__(self, keys: Any, *, order: SecretArray | None = None) -> None:
        several = list(keys) if isinstance(keys, list | tuple) else [keys]
        self._codes = _joined([_codes(key) for key in several])
        self._rows = self._codes.shape[0]
        self._order = None if order is None else _line(order, self._rows, "the order")
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
        """How many rows of its group stand before each row. Two comparisons a row."""
        return self._back(self._places())

    def cumsum(self, x: SecretArray) -> SecretArray:
        """The sum of a column over the rows of its group up to each row. Four comparisons a row; exact."""
        numbers, again = _integers(self._column(x))
        return again(self._back(self._running_sum(self._forward.apply(numbers), self._sorted)))

    def cummax(self, x: SecretArray) -> SecretArray:
        """The greatest element of its group up to each row. Two comparisons a row; exact."""
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
        """The rank of each element within its group, from 1 on: `tercet.array.segment_rank`."""
        return segment_rank(self._column(x), self._codes, method)

    # -- what all rows of a group get

    def transform(self, x: SecretArray, how: str) -> SecretArray:
        """For each row what its whole group has: "sum", "mean", "count", "min", "max", "first" or "last".

        Twice what the running value costs; a mean takes a division of secrets more, and is within two last bits."""
        if how not in TRANSFORMS:
            raise InputError(f"transform {how!r}", hint=f"it is one of {', '.join(TRANSFORMS)}")
        if how == "count":
            return self._back(self._counts())
        numbers, again = _integers(self._column(x))
        line: SecretArray = self._forward.apply(numbers)
        if how in ("first", "last"):
            return again(self._back(self._at_end(line, first=how == "first")))
        if how in ("min", "max"):
            greatest = how == "max"
            both = [self._running_extreme(*one, greatest=greatest) for one in self._both_ways(line)]
            choose = elementwise.maximum if greatest else elementwise.minimum
            return again(self._back(choose(both[0], both[1][::-1])))
        forward, backward = (self._running_sum(*one) for one in self._both_ways(line))
        total = forward + backward[::-1] - line
        if how == "sum":
            return again(self._back(total))
        return elementwise.divide(again(self._back(total)), self._back(self._counts()))

    # -- windows

    def rolling_count(self, window: float) -> SecretArray:
        """How many rows of its group lie, by `order`, within `window` up to each row, itself included: as pandas'
        `rolling("1h", on=...)` counts. One sort of 2 n keys; exact."""
        return self._window(np.ones(self._rows, np.int64), window)

    def rolling_sum(self, x: SecretArray, window: float) -> SecretArray:
        """The sum of a column over these rows, as `rolling_count`."""
        numbers, again = _integers(self._column(x))
        return again(self._window(numbers, window))

    def rolling_mean(self, x: SecretArray, window: float) -> SecretArray:
        """The mean of a column over these rows: a division of secrets, within two last bits."""
        return elementwise.divide(self.rolling_sum(x, window), self.rolling_count(window))

    def _window(self, numbers: Any, window: float) -> SecretArray:
        if self._order is None:
            raise InputError("a window needs an order of rows", hint="pass order=, such as a column of times")
        times, _ = _integers(self._order)
        unit = _unit(self._order)
        reach = round(window * unit)
        if reach <= 0:
            raise InputError(f"a window of {window}", hint="pass a positive width in the unit of the order")
        lo, hi = (round(bound * unit) for bound in self._order.bounds)
        width = hi - lo + reach + 1
        keys = self._codes * width + (times - lo)
        # where a window begins: behind all rows at or before t - window, which the sort puts in front of it
        places = Permutation.argsort(manipulation.concat([keys, keys - reach]))
        if isinstance(numbers, SecretArray):
            padded = manipulation.concat([numbers, numbers * 0])
        else:
            padded = manipulation.concat([keys * 0 + numbers, keys * 0])
        sums = places.invert().apply(statistics.cumulative_sum(places.apply(padded)))
        found: SecretArray = sums[: self._rows] - sums[self._rows :]
        return found if isinstance(numbers, SecretArray) else numeric.bounded(found, 1, self._rows, SELECTED)

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

    def _counts(self) -> SecretArray:
        backward = self._places(self._sorted[::-1])[::-1]
        return numeric.bounded(self._places() + backward + 1, 1, self._rows, SELECTED)

    def _both_ways(self, line: SecretArray) -> Sequence[tuple[SecretArray, SecretArray]]:
        return (line, self._sorted), (line[::-1], self._sorted[::-1])

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
    numbers, over = numeric.numerator(x)
    return over * (1 << numeric.as_integers(numbers)[1])


def _integers(x: SecretArray) -> tuple[SecretArray, Callable[[SecretArray], SecretArray]]:
    """A column as exact integers, and what makes of such integers what the column holds."""
    if isinstance(x, DecimalArray):
        digits = x.digits
        return x.integers, lambda found: DecimalArray.of(found, digits)
    plain = x._plain() if hasattr(type(x), "_refusal") and x.dtype.name != "bool" else x
    numbers, over = numeric.numerator(plain)
    stored, frac = numeric.as_integers(numbers)

    def again(found: SecretArray) -> SecretArray:
        return numeric.over(numeric.times_power(found, -frac, frac), over)

    return stored, again
