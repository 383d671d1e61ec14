"""The cohort rule of SQL, `groupby` and `describe`: which numbers may be shown, decided under sharing.

Nothing that is shown may rest on fewer rows than the cohort. It is not enough to look at each number by itself: the
difference of two large sums may rest on one row. So all numbers of a question are looked at together.

The conditions of a question cut the rows of a group into *parts*: two rows are in one part if they meet the same
conditions. Every sum over rows that meet some conditions is a sum over whole parts. If each part is empty or has at
least as many rows as the cohort, then no sum, difference or other combination of such sums rests on fewer rows.

Conditions are therefore tried one after the other. A condition is allowed if it leaves no part small; what rests on a
condition that is not allowed is not shown. For groups that together are all rows of a table, the rows that a hidden
group would leave as a difference are counted, too. No number of rows is revealed by any of this.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, TypeAlias

import numpy as np

from tercet.array import elementwise, linalg, manipulation, statistics
from tercet.array.core import SecretArray
from tercet.errors import InputError
from tercet.plan.types import ValueKind

MAX_CONDITIONS = 64
MAX_PARTS = 4096
Key: TypeAlias = Hashable
_MAX_SLICES = 64
Keys: TypeAlias = frozenset[tuple[int, bool, str]]


@dataclass
class Cuts:
    """What a question asks about one group: conditions that cut its rows, and values that some of its rows lack."""

    size: SecretArray | int
    """Number of rows of the group."""
    families: dict[Hashable, dict[Key, SecretArray]] = field(default_factory=dict)
    """Families of conditions; each row meets at most one condition of a family. For each, the rows that meet it."""
    values: dict[Key, tuple[SecretArray, SecretArray]] = field(default_factory=dict)
    """For each value that may be missing: the rows that have it, and their number."""
    whole: bool = True
    """Whether the question also asks something about all rows of the group. If not, nothing that it asks rests on the
    rows that meet no condition, so there may be few of these."""

    def add(self, family: Hashable, key: Key, rows: SecretArray) -> None:
        """Add a condition, unless it is there already."""
        if not any(key in known for known in self.families.values()):
            self.families.setdefault(family, {})[key] = rows

    @property
    def form(self) -> tuple[Any, ...]:
        """Equal for groups that can be checked in one go: their numbers of conditions and values are the same."""
        return tuple(len(family) for family in self.families.values()), len(self.values), self.whole

    def check(self) -> None:
        """Raises InputError for more conditions or parts than are checked in one question."""
        count = sum(len(family) for family in self.families.values())
        if count > MAX_CONDITIONS:
            raise InputError(f"{count} conditions in the aggregates of one question", hint="ask several questions")
        parts = math.prod(1 + len(family) for family in self.families.values())
        if parts > MAX_PARTS:
            raise InputError(
                f"the conditions of these aggregates cut rows into up to {parts:,} parts, of which each must be empty "
                f"or large enough; {MAX_PARTS:,} are looked at in one question",
                hint="ask several questions, or compare with categories: a row has one of them only",
            )


def allowed_conditions(groups: Sequence[Cuts], cohort: int) -> dict[Key, SecretArray]:
    """For every condition and every value: a secret bool, whether what rests on it may be shown beside everything else.

    Rounds grow with the number of conditions (of the group that has most), work with the number of parts.
    """
    by_form: dict[Any, list[Cuts]] = {}
    for one in groups:
        if one.families:
            one.check()
            by_form.setdefault(one.form, []).append(one)
    found: dict[Key, SecretArray] = {}
    for alike in by_form.values():
        found |= _allowed_in_alike(alike, cohort)
    return found


def _allowed_in_alike(groups: Sequence[Cuts], cohort: int) -> dict[Key, SecretArray]:
    sizes = [1 + len(family) for family in groups[0].families.values()]
    first = 0 if groups[0].whole else 1
    # shape (groups, 1 + values, parts): how many rows each part has, and how many of these have each value
    numbers = manipulation.stack([_part_sizes(group) for group in groups])
    found: dict[Key, SecretArray] = {}
    before = 1
    for at, size in enumerate(sizes):
        shape = (*numbers.shape[:2], before, size, math.prod(sizes[at + 1 :]))
        split = manipulation.reshape(numbers, shape)
        # parts that only conditions of later families tell apart still count as one
        cells = statistics.sum(split[:, 0], axis=3)
        rest = statistics.sum(cells, axis=2)
        pieces = [split[:, :, :, place] for place in range(size)]
        keys = [list(list(group.families.values())[at]) for group in groups]
        for place in range(1, size):
            cell = cells[:, :, place]
            # the first part holds the rows that meet no condition so far
            looked_at = manipulation.concat([(rest - cell)[:, first:], cell], axis=1)
            fine = statistics.all(_none_or_enough(looked_at, cohort), axis=1)
            for row, of_group in enumerate(keys):
                found[of_group[place - 1]] = fine[row]
            rest = rest - elementwise.multiply(cell, manipulation.expand_dims(fine, 1))
            back = elementwise.multiply(pieces[place], manipulation.expand_dims(~fine, (1, 2, 3)))
            pieces[0], pieces[place] = pieces[0] + back, pieces[place] - back
        numbers = manipulation.reshape(manipulation.stack(pieces, axis=3), numbers.shape)
        before *= size
    for at in range(1, 1 + len(groups[0].values)):
        fine = statistics.all(_none_or_enough(numbers[:, at, first:], cohort), axis=1)
        for row, group in enumerate(groups):
            found[list(group.values)[at - 1]] = fine[row]
    return found


def _none_or_enough(numbers: SecretArray, cohort: int) -> SecretArray:
    """Where the number is 0, or not below the cohort."""
    large: SecretArray = (numbers == 0) | (numbers >= cohort)
    return large


def _part_sizes(group: Cuts) -> SecretArray:
    """How many rows each part has, of shape (1 + values, parts): all its rows, then those that have each value.

    The index of a part has one digit for each family: 0 for rows that meet no condition of the family, else the
    number of the condition.
    """
    families = [list(family.values()) for family in group.families.values()]
    sizes = [1 + len(family) for family in families]
    middle = next(at for at in range(1, len(sizes) + 1) if math.prod(sizes[:at]) ** 2 >= math.prod(sizes))
    left, right = _choices(families[:middle]), _choices(families[middle:])
    lines = [_counts_of_pairs(group.size, left, right)]
    lines += [
        _counts_of_pairs(count, left, [_and(one, rows) for one in right], rows) for rows, count in group.values.values()
    ]
    return manipulation.stack([_exclusive(line, sizes) for line in lines])


def _and(one: SecretArray | None, other: SecretArray | None) -> SecretArray | None:
    if one is None or other is None:
        return one if other is None else other
    return one & other


def _choices(families: Sequence[Sequence[SecretArray]]) -> list[SecretArray | None]:
    """The rows of every choice of one condition, or none, from each family; None stands for all rows."""
    found: list[SecretArray | None] = [None]
    for family in families:
        found = [_and(one, other) for one in found for other in (None, *family)]
    return found


def _counts_of_pairs(
    size: SecretArray | int,
    left: Sequence[SecretArray | None],
    right: Sequence[SecretArray | None],
    among: SecretArray | None = None,
) -> SecretArray:
    """How many rows are in both, for each pair of one from `left` and one from `right`; flat.

    Both begin with None, all rows, of which there are `size`. `among`: count these rows only.
    """
    above = _row_of_counts(size, [one for one in right[1:] if one is not None])
    met = _as_numbers(left[1:])
    columns = [] if among is not None else [manipulation.expand_dims(statistics.sum(met, axis=1), 1)]
    if beside := right if among is not None else right[1:]:
        columns.append(linalg.matmul(met, manipulation.matrix_transpose(_as_numbers(beside))))
    return manipulation.reshape(manipulation.concat([above, manipulation.concat(columns, axis=1)]), (-1,))


def _row_of_counts(size: SecretArray | int, rows: Sequence[SecretArray]) -> Any:
    """The numbers of rows as an array of shape (1, ...); the first, `size`, may be public."""
    first: Any = manipulation.expand_dims(size, 0) if isinstance(size, SecretArray) else np.asarray([size])
    if rows:
        first = manipulation.concat([first, manipulation.stack([statistics.sum(one) for one in rows])])
    return first.reshape((1, -1))


def _as_numbers(rows: Sequence[SecretArray | None]) -> SecretArray:
    return elementwise.multiply(manipulation.stack([one for one in rows if one is not None]), 1)


def _exclusive(table: SecretArray, sizes: Sequence[int]) -> SecretArray:
    """Change the meaning of digit 0 of each family: from all rows to the rows that meet no condition of the family."""
    before, total = 1, math.prod(sizes)
    for size in sizes:
        split = manipulation.reshape(table, (before, size, total // before // size))
        met = split[:, 1:]
        table = manipulation.concat([split[:, :1] - statistics.sum(met, axis=1, keepdims=True), met], axis=1)
        before *= size
    return manipulation.reshape(table, (total,))


def hide_close_counts(
    counted: Mapping[Any, tuple[SecretArray, SecretArray]], holds: dict[Any, SecretArray], cohort: int
) -> None:
    """Hide counts of stored bools that differ in too few rows. `counted`: of each bool, its rows and their number.

    If two counts would be shown, and few rows (fewer than the cohort, but some) meet one bool and not the other, then
    both are hidden: `holds` is changed. Combinations of three or more bools are not checked.
    """
    if len(counted) > MAX_CONDITIONS:
        raise InputError(f"{len(counted)} bools are counted in one question", hint="ask several questions")
    if len(counted) < 2:
        return
    keys = list(counted)
    picked = elementwise.multiply(manipulation.stack([rows for rows, _ in counted.values()]), 1)
    # one matrix product gives the rows that meet both of each pair, and so those that meet only one
    both = linalg.matmul(picked, manipulation.matrix_transpose(picked))
    only = manipulation.expand_dims(manipulation.stack([count for _, count in counted.values()]), 1) - both
    fine = (only == 0) | (only >= cohort)
    shown = manipulation.stack([holds[key] for key in keys])
    either = manipulation.expand_dims(shown, 1) & manipulation.expand_dims(shown, 0)
    fine = statistics.all(fine & manipulation.matrix_transpose(fine) | ~either, axis=1)
    for place, key in enumerate(keys):
        holds[key] = holds[key] & fine[place]


class What(Enum):
    """What kind of rows a guard counts."""

    ROWS = "rows"
    """The rows of a group."""
    CUT = "cut"
    """The rows of a group that meet a condition."""
    COUNTED = "counted"
    """The rows where a stored bool is true, if the bool is counted and used for nothing else."""
    VALUE = "value"
    """The rows that have a value which others lack."""


@dataclass(frozen=True)
class Guard:
    """One demand on a number that is to be shown: `count` rows must reach the cohort or, with `or_none`, be 0.

    `rows`: the rows that are counted; `of`: their group; `family`: see `Condition`.
    """

    count: SecretArray
    or_none: bool = False
    what: What = What.ROWS
    rows: SecretArray | None = None
    of: Base | None = None
    family: Hashable = None

    @property
    def key(self) -> tuple[int, bool, str]:
        """Equal for guards that demand the same."""
        return self.count.undivided.serial, self.or_none, self.what.value


Guards: TypeAlias = tuple[Guard, ...]


@dataclass(frozen=True)
class Base:
    """A group before the conditions within an aggregate apply: its number of rows, secret or public."""

    size: SecretArray | int

    @property
    def key(self) -> int:
        """Equal for the same group."""
        return self.size.undivided.serial if isinstance(self.size, SecretArray) else -1


@dataclass(frozen=True)
class Condition:
    """A condition within an aggregate, such as that of CASE WHEN: the rows that meet it; `or_none`: there may be none.

    `family`: the same for conditions of which a row meets at most one. `rest`: it is met exactly where the other
    conditions of the aggregate are not. `counted`: it is a stored bool that is only counted.
    """

    rows: SecretArray
    or_none: bool = False
    family: Hashable = None
    rest: bool = False
    counted: bool = False


class Hiding:
    """The rows that count towards the cohort: those uploaded by others than the person who asks.

    A person's own rows hide nobody from them. If all rows are their own, all count.
    """

    def __init__(self, rows: int, cohort: int, own: Sequence[Sequence[int]] = ()) -> None:
        """`rows`: how many the table has. `cohort`: how many an aggregate must rest on. `own`: [start, stop) of the
        rows of the person who asks, in order and without overlap."""
        self.rows = rows
        self.cohort = cohort
        edges = [0, *(min(place, rows) for stretch in own for place in stretch), rows]
        others = [(start, stop) for start, stop in zip(edges[::2], edges[1::2], strict=True) if start < stop]
        self._others = others if own and others else [(0, rows)]
        self.count = sum(stop - start for start, stop in self._others)

    def of(self, mask: SecretArray) -> SecretArray:
        """The elements of a column that belong to such rows."""
        if self.count == self.rows:
            return mask
        if len(self._others) > _MAX_SLICES:
            places = np.concatenate([np.arange(start, stop) for start, stop in self._others])
            return manipulation.take(mask, places, axis=0)
        found = [mask[start:stop] for start, stop in self._others]
        return found[0] if len(found) == 1 else manipulation.concat(found)


def is_of_two_values(values: SecretArray) -> bool:
    """Whether these are integers of two possible values: their sum tells how many have the greater one."""
    lo, hi = values.bounds
    return values.dtype.kind is ValueKind.INT and hi - lo == 1


def cuts_of(together: Sequence[Guards]) -> list[Cuts]:
    """What a question asks about each group; `together`: the guards of each number that it reveals."""
    found: dict[int, Cuts] = {}
    for guards in together:
        for guard in guards:
            if guard.of is None or guard.rows is None or guard.what in (What.ROWS, What.COUNTED):
                continue
            group = found.setdefault(guard.of.key, Cuts(guard.of.size))
            if guard.what is What.CUT:
                group.add(guard.family, guard.key, guard.rows)
            else:
                group.values[guard.key] = guard.rows, guard.count
    for key, group in found.items():
        group.whole = any(_is_of_all(guards, key) for guards in together)
    return list(found.values())


def _is_of_all(guards: Guards, group: int) -> bool:
    """Whether a number with these guards rests on all rows of a group, or on those that meet no condition."""
    if not guards:
        return group == -1
    here = [guard for guard in guards if group == (guard.count.undivided.serial if guard.of is None else guard.of.key)]
    left = any(guard.what is What.ROWS and guard.of is not None for guard in here)
    return left or (bool(here) and all(guard.what is not What.CUT for guard in here))
