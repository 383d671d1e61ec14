"""Aggregates over groups of rows: the arrays that are revealed, and how answers are computed from them.

A group may be chosen by a secret condition. An aggregate that rests on fewer rows than the cohort is not shown. The
plan of the question itself decides that, under sharing: a number that is not to be shown is multiplied by 0 before it
is revealed, so neither the number nor its count of rows becomes known (`tercet.client.cohort` has the rule).
"""

from __future__ import annotations

import functools
import itertools
import math
import operator
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from fractions import Fraction
from typing import Any, Final

from tercet.array import elementwise, manipulation, quantiles, statistics
from tercet.array.core import SecretArray
from tercet.array.decimals import DecimalArray, decimal_of
from tercet.array.nullable import NullableArray, kept, split
from tercet.array.results import reveal
from tercet.client.cohort import (
    Base,
    Condition,
    Guard,
    Guards,
    Hiding,
    Keys,
    What,
    allowed_conditions,
    cuts_of,
    hide_close_counts,
    is_of_two_values,
)
from tercet.errors import InputError
from tercet.statistics.cohorts import shown_groups
from tercet.store.schema import Column, ColumnKind

MAX_GROUPS = 256
Finish = Callable[[list[float]], Any]
Answers = tuple[tuple[Any, ...], ...]


class NotShown:
    """Stands in an answer in place of an aggregate that rests on fewer rows than the cohort."""

    def __repr__(self) -> str:
        return "not shown"


NOT_SHOWN: Final = NotShown()


@dataclass(frozen=True)
class Cell:
    """One aggregate: the arrays that are revealed for it (none if it is public), and how they become the answer."""

    arrays: tuple[SecretArray, ...]
    finish: Finish
    guards: tuple[Guards, ...] = ()
    """For each array, what must hold for it to be shown."""

    def __post_init__(self) -> None:
        if not self.guards:
            object.__setattr__(self, "guards", ((),) * len(self.arrays))

    def then(self, change: Callable[[Any], Any]) -> Cell:
        """The same aggregate; if it is shown, its answer is changed."""
        finish = self.finish

        def changed(found: list[float]) -> Any:
            value = finish(found)
            return value if value is NOT_SHOWN else change(value)

        return replace(self, finish=changed)


class Group:
    """Rows that are counted and summed; how many there are is secret if a condition chooses them.

    Missing values are skipped, as in SQL and pandas.
    """

    def __init__(
        self, about: Hiding, mask: SecretArray | None = None, also: Guards = (), of: Base | None = None
    ) -> None:
        """`about`: which rows of the table count, and the cohort. `mask`: which rows belong to the group; without it,
        all. `also`: what else must hold for its aggregates to be shown. `of`: the wider group, if this one is those of
        its rows that have a value."""
        self._about = about
        self._rows = about.rows
        self._cohort = about.cohort
        self._mask = mask
        self._also = also
        self._present: dict[int, tuple[SecretArray, Group]] = {}
        self._counted: tuple[SecretArray, ...] = () if mask is None else (statistics.sum(mask),)
        """The number of rows: one array for all aggregates, so that it is revealed once."""
        self._hiding = () if mask is None else (about.of(mask),)
        """Those of the group's rows that count towards the cohort."""
        self._sizes = tuple(statistics.sum(rows) for rows in self._hiding)
        self._part_of = of
        self._base = Base(next(iter(self._sizes), about.count)) if of is None else of
        self._guards: Guards = ()
        if about.cohort > 0:
            what = What.ROWS if of is None else What.VALUE
            there = list(zip(self._sizes, self._hiding, strict=True))
            self._guards = (*(Guard(count, False, what, rows, of) for count, rows in there), *also)

    def given(self, conditions: Sequence[Condition]) -> Group:
        """The same rows; aggregates of them also rest on the rows that meet each of these conditions."""
        if not conditions or self._cohort <= 0:
            return self
        guards = list(self._also)
        for condition in conditions:
            met = self._about.of(condition.rows if self._mask is None else self._mask & condition.rows)
            what = What.ROWS if condition.rest else What.COUNTED if condition.counted else What.CUT
            family = condition.family if condition.family is not None else (what.value, met.undivided.serial)
            guards.append(Guard(statistics.sum(met), condition.or_none, what, met, self._base, family))
        return Group(self._about, self._mask, tuple(guards), self._part_of)

    def _cell(self, arrays: tuple[SecretArray, ...], finish: Finish) -> Cell:
        if self._mask is None and self._about.count < self._cohort:
            return Cell((), lambda _: NOT_SHOWN)
        return Cell(arrays, finish, (self._guards,) * len(arrays))

    def of(self, values: SecretArray) -> tuple[SecretArray, Group]:
        """The values without their validity, and the group of those rows of this one that have a value."""
        inner, valid = split(values)
        if valid is None:
            return values, self
        if id(values) not in self._present:
            mask = valid if self._mask is None else self._mask & valid
            # the values are kept, so that no other has their id
            group = Group(self._about, mask, self._guards, self._base)
            self._present[id(values)] = values, group
        return inner, self._present[id(values)][1]

    @property
    def size(self) -> SecretArray | None:
        """How many of its rows count towards the cohort, if that is secret."""
        return next(iter(self._sizes), None)

    def _measured(self, values: SecretArray) -> tuple[SecretArray, Group]:
        """As `of`, for values that are added up: a sum of bools counts the rows that meet a condition."""
        values, group = self.of(values)
        if values.dtype.name != "bool" and not is_of_two_values(values):
            return values, group
        truth = values if values.dtype.name == "bool" else values == values.bounds[1]
        met, other = Condition(truth, counted=True), Condition(~truth, or_none=True, rest=True)
        return values, group.given([met, other])

    def exactly(self, arrays: tuple[SecretArray, ...]) -> Cell:
        """An aggregate of all rows of the group that is the revealed number itself."""
        return self._cell(arrays, lambda found: found[0])

    def count(self) -> Cell:
        """How many rows."""
        return self._cell(self._counted, lambda found: int(found[0]) if found else self._rows)

    def some(self) -> Cell:
        """Whether there is a row."""
        if self._mask is None:
            return self._cell((), lambda _: self._rows > 0)
        return self._cell((self._counted[0] > 0,), lambda found: bool(found[0]))

    def total(self, values: SecretArray) -> Cell:
        """The sum; of no rows 0."""
        values, group = self._measured(values)
        return group._total(values)

    def _total(self, values: SecretArray) -> Cell:
        plain, meant = _exactly(values)
        taken = plain if self._mask is None else elementwise.multiply(plain, self._mask)
        return self._cell((statistics.sum(taken),), lambda found: meant(found[0]))

    def mean(self, values: SecretArray) -> Cell:
        """Sum over count; NaN of no rows."""
        values, group = self._measured(values)
        return joined(group._total(values), group.count(), ratio)

    def variance(self, values: SecretArray, correction: float, finish: Callable[[float], float] = float) -> Cell:
        """The variance: n sum(x^2) - sum(x)^2, exact, over what it is divided by; `finish` may take its root."""
        values, group = self._measured(values)
        return group._variance(values, correction, finish)

    def _variance(self, values: SecretArray, correction: float, finish: Callable[[float], float]) -> Cell:
        if self._mask is None:
            if self._rows <= correction:
                return self._cell((), lambda _: math.nan)
            return self._cell((statistics.var(values, correction=correction),), lambda found: finish(found[0]))
        # decimals are stored as integers; the variance of these is greater by a power of ten
        plain, factor = (values.integers, 100**values.digits) if isinstance(values, DecimalArray) else (values, 1)
        taken = elementwise.multiply(plain, self._mask)
        total, count = statistics.sum(taken), self._counted[0]
        scaled = count * statistics.sum(elementwise.multiply(taken, taken)) - total * total

        def end(found: list[float]) -> float:
            rows = int(found[1])
            below = rows * (rows - correction) * factor
            return finish(found[0] / below) if rows > correction else math.nan

        return self._cell((scaled, count), end)

    def extreme(self, values: SecretArray, *, least: bool) -> Cell:
        """The least or the greatest value; None of no rows."""
        values, group = self.of(values)
        if not group._rows:
            return self._cell((), lambda _: None)
        plain, meant = _exactly(values)
        if group._mask is not None:
            lo, hi = plain.bounds
            plain = elementwise.where(group._mask, plain, hi if least else lo)
        found = self._cell(((statistics.min if least else statistics.max)(plain),), lambda found: meant(found[0]))
        return joined(found, group.some(), lambda value, there: value if there else None)

    def quantile(self, values: SecretArray, q: float) -> Cell:
        """The quantile between the two values next to it; NaN of no rows."""
        values, group = self.of(values)
        if not group._rows:
            return self._cell((), lambda _: math.nan)
        # decimals are stored as integers, between two of which lie fractions
        plain, power = (values.integers, 10**values.digits) if isinstance(values, DecimalArray) else (values, 1)
        if group._mask is not None:
            found = quantiles.quantile(NullableArray.of_values(plain, group._mask), q)
            plain, _ = split(found)
        else:
            plain = quantiles.quantile(plain, q)
        cell = group._cell((plain,), lambda found: float(Fraction(found[0]) / power))
        return joined(cell, group.some(), lambda value, there: value if there else math.nan)


def _exactly(values: SecretArray) -> tuple[SecretArray, Callable[[Any], Any]]:
    """The array to compute with, and what turns a sum or element of it into the answer: decimals are integers here."""
    if isinstance(values, DecimalArray):
        digits = values.digits
        return values.integers, lambda number: decimal_of(number, digits)
    return values, lambda number: number


def joined(a: Cell, b: Cell, compute: Callable[[Any, Any], Any]) -> Cell:
    """The aggregate that is computed from two others; it is shown if both are."""
    split = len(a.arrays)

    def finish(found: list[float]) -> Any:
        left, right = a.finish(found[:split]), b.finish(found[split:])
        return NOT_SHOWN if left is NOT_SHOWN or right is NOT_SHOWN else compute(left, right)

    return Cell((*a.arrays, *b.arrays), finish, (*a.guards, *b.guards))


def ratio(a: Any, b: Any) -> float:
    """a / b, rounded once; NaN of no rows."""
    if not b:
        return math.nan
    exact = isinstance(a, Decimal) or isinstance(b, Decimal)
    return float(Fraction(a) / Fraction(b)) if exact else float(a / b)


def root(variance: float) -> float:
    """The standard deviation; a variance below zero, which rounding may give, counts as 0."""
    return math.sqrt(max(0.0, variance))


class Sheet:
    """A table of aggregates that is asked for in one plan; an array that several of them need is revealed once."""

    def __init__(
        self,
        rows: Sequence[Sequence[Cell]],
        cohort: int,
        families: Sequence[Sequence[Group]] = (),
        whole: int | None = None,
    ) -> None:
        """`cohort`: the least number of rows on which a shown aggregate may rest. `families`: groups that together are
        all rows, so that a hidden one is the difference of the total and the others. `whole`: the number of all rows,
        if some may be in no group of a family."""
        self._rows = rows
        self._families = [[group.size for group in family if group.size is not None] for family in families]
        self._whole = whole
        self.cohort = cohort
        self.hidden = 0
        """How many lines of the table have something that was not shown; known once there are answers."""
        self._sets: dict[Keys, int] = {}
        """The different sets of guards, and the place of each in the array of verdicts."""
        shown = self._verdicts()
        arrays: dict[Any, SecretArray] = {}
        for cell in (cell for row in rows for cell in row):
            for array, guards in zip(cell.arrays, cell.guards, strict=True):
                key = _place_of(array, guards)
                if key not in arrays:
                    arrays[key] = kept(array, shown[self._sets[key[1]]]) if guards else array
        self._places = {key: place for place, key in enumerate(arrays)}
        self.wanted = [*arrays.values(), *([] if shown is None else [shown])]
        """What is revealed: the numbers, with 0 for each that is not shown; and last, which ones are shown."""

    def _verdicts(self) -> Any:
        """For each set of guards, whether it holds: secret bools; None if there are no guards."""
        guards: dict[tuple[int, bool, str], Guard] = {}
        for one in (guards for row in self._rows for cell in row for guards in cell.guards if guards):
            self._sets.setdefault(frozenset(guard.key for guard in one), len(self._sets))
            guards.update((guard.key, guard) for guard in one)
        if not guards:
            return None
        counts = {guard.count.undivided.serial: guard.count for guard in guards.values()}
        places = {serial: place for place, serial in enumerate(counts)}
        stacked = manipulation.stack(list(counts.values()))
        enough, none = stacked >= self.cohort, stacked == 0
        holds = {
            key: enough[places[key[0]]] | none[places[key[0]]] if guard.or_none else enough[places[key[0]]]
            for key, guard in guards.items()
        }
        for family in self._families:
            if len(family) < 2 and self._whole is None:
                continue
            shown = shown_groups(manipulation.stack(list(family)), self.cohort, self._whole)
            for place, count in enumerate(family):
                key = count.undivided.serial, False, What.ROWS.value
                if key in holds:
                    holds[key] = holds[key] & shown[place]
        fine = allowed_conditions(
            cuts_of([of for row in self._rows for cell in row for of in cell.guards]), self.cohort
        )
        holds = {key: held & fine[key] if key in fine else held for key, held in holds.items()}
        of_group: dict[int, dict[tuple[int, bool, str], tuple[SecretArray, SecretArray]]] = {}
        for key, guard in guards.items():
            if guard.what is What.COUNTED and guard.of is not None and guard.rows is not None:
                of_group.setdefault(guard.of.key, {})[key] = guard.rows, guard.count
        for counted in of_group.values():
            hide_close_counts(counted, holds, self.cohort)
        verdicts = [functools.reduce(operator.and_, (holds[key] for key in sorted(one))) for one in self._sets]
        return manipulation.stack(verdicts)

    def ask(self) -> Answers:
        """Reveal what is wanted, as one job (none, if all is public)."""
        plain = reveal(*self.wanted) if self.wanted else ()
        return self.answers([plain] if len(self.wanted) == 1 else plain)

    def answers(self, plain: Sequence[Any]) -> Answers:
        """The answers, from the values of `wanted`."""
        *numbers, verdicts = plain if self._sets else (*plain, None)
        values = [value.item() if hasattr(value, "item") else value for value in numbers]

        def answer(cell: Cell) -> Any:
            keys = [_place_of(array, guards) for array, guards in zip(cell.arrays, cell.guards, strict=True)]
            if not all(verdicts[self._sets[key[1]]] for key in keys if key[1]):
                return NOT_SHOWN
            return cell.finish([values[self._places[key]] for key in keys])

        found = tuple(tuple(answer(cell) for cell in row) for row in self._rows)
        self.hidden = sum(any(value is NOT_SHOWN for value in row) for row in found)
        return found

    def note(self, what: str) -> str:
        """One sentence that tells how many answers are not shown; empty if all are. `what`: the name of the lines."""
        if not self.hidden:
            return ""
        if len(self._rows) == 1:
            return f"not everything is shown: fewer than {self.cohort} rows meet a condition, or are left out by one"
        verb = "is" if self.hidden == 1 else "are"
        return (
            f"{self.hidden} of {len(self._rows)} {what} {verb} not shown, or not wholly: "
            f"fewer than {self.cohort} rows are in them, meet a condition or are left out by one"
        )


def _place_of(array: SecretArray, guards: Guards) -> tuple[tuple[int, Fraction], Keys]:
    """Equal for arrays of the same value under the same guards, so that it is revealed once."""
    return (array.undivided.serial, array.divisor), frozenset(guard.key for guard in guards)


def combinations(columns: Sequence[Column], what: str, *, missing: bool) -> Iterator[dict[str, Any]]:
    """All combinations of values of these columns, of categories and bools. InputError for columns of other kinds.

    `missing`: nullable columns also have the value None.
    """
    choices: list[Sequence[Any]] = []
    for column in columns:
        nothing = (None,) if missing and column.nullable else ()
        if column.kind is ColumnKind.CATEGORY:
            choices.append((*column.categories, *nothing))
        elif column.kind is ColumnKind.BOOL:
            choices.append((False, True, *nothing))
        else:
            raise InputError(
                f"{what} {column.name}: which values there are is secret", hint="group by categories and bools"
            )
    if math.prod(len(choice) for choice in choices) > MAX_GROUPS:
        raise InputError(f"{what} makes more than {MAX_GROUPS} groups", hint="group by fewer columns")
    for values in itertools.product(*choices):
        yield {column.name: value for column, value in zip(columns, values, strict=True)}


def belongs(array: SecretArray, value: Any) -> SecretArray:
    """Which rows have this value in a column of categories or bools; None: which have no value."""
    if value is None:
        assert isinstance(array, NullableArray)
        return array.isna()
    if isinstance(value, bool):
        return (array if value else ~array)._truth()
    found: SecretArray = array == value
    return found
