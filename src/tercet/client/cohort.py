"""Which groups and conditions may be shown: no combination of what is shown rests on few rows. Found out under sharing.

Sums over the rows that meet conditions are sums over parts: sets of rows that all conditions treat alike. If every part
is empty or has as many rows as the cohort, no sum, difference or other combination of such sums rests on fewer. So
conditions are taken one after the other, each if it cuts no part into a small one, and what rests on one that is not
taken is not shown. Of groups that together are all rows, what all others leave of the whole is looked at, too. No
number of rows becomes plain.
"""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np

from tercet.array import elementwise, linalg, manipulation, statistics
from tercet.array.core import SecretArray
from tercet.errors import InputError

MAX_CONDITIONS = 64
MAX_PARTS = 4096
Key: TypeAlias = Hashable


@dataclass
class Cuts:
    """What is asked of one group: conditions that cut its rows, and values that are missing in some of them."""

    size: SecretArray | int
    """Number of rows of the group."""
    families: dict[Hashable, dict[Key, SecretArray]] = field(default_factory=dict)
    """Conditions of which each row meets one at most, in families: which rows meet each."""
    values: dict[Key, tuple[SecretArray, SecretArray]] = field(default_factory=dict)
    """Which rows have a value and how many they are."""
    whole: bool = True
    """Whether something is asked of all its rows, too. If not, no combination of what is asked rests on the rows that
    meet no condition, and these may be few."""

    def add(self, family: Hashable, key: Key, rows: SecretArray) -> None:
        """A condition, once."""
        if not any(key in known for known in self.families.values()):
            self.families.setdefault(family, {})[key] = rows

    @property
    def form(self) -> tuple[Any, ...]:
        """The same for groups that can be looked at together."""
        return tuple(len(family) for family in self.families.values()), len(self.values), self.whole

    def check(self) -> None:
        """Raises InputError where there are too many."""
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


def taken(groups: Sequence[Cuts], cohort: int) -> dict[Key, SecretArray]:
    """Of every condition, and of every value, whether what rests on it may be shown beside all else that is asked.

    Rounds grow with the conditions of the group that has most, work with the parts into which they cut its rows.
    """
    by_form: dict[Any, list[Cuts]] = {}
    for one in groups:
        if one.families:
            one.check()
            by_form.setdefault(one.form, []).append(one)
    found: dict[Key, SecretArray] = {}
    for alike in by_form.values():
        found |= _taken(alike, cohort)
    return found


def _taken(groups: Sequence[Cuts], cohort: int) -> dict[Key, SecretArray]:
    sizes = [1 + len(family) for family in groups[0].families.values()]
    first = 0 if groups[0].whole else 1
    # numbers of rows of shape (groups, the whole and its rows with a value each, parts)
    numbers = manipulation.stack([_numbers(group) for group in groups])
    found: dict[Key, SecretArray] = {}
    before = 1
    for at, size in enumerate(sizes):
        shape = (*numbers.shape[:2], before, size, math.prod(sizes[at + 1 :]))
        split = manipulation.reshape(numbers, shape)
        # conditions of later families do not cut yet
        cells = statistics.sum(split[:, 0], axis=3)
        rest = statistics.sum(cells, axis=2)
        pieces = [split[:, :, :, place] for place in range(size)]
        keys = [list(list(group.families.values())[at]) for group in groups]
        for place in range(1, size):
            cell = cells[:, :, place]
            # the first part is that of the rows that meet no condition yet
            looked_at = manipulation.concat([(rest - cell)[:, first:], cell], axis=1)
            fine = statistics.all(_large(looked_at, cohort), axis=1)
            for row, of_group in enumerate(keys):
                found[of_group[place - 1]] = fine[row]
            rest = rest - elementwise.multiply(cell, manipulation.expand_dims(fine, 1))
            back = elementwise.multiply(pieces[place], manipulation.expand_dims(~fine, (1, 2, 3)))
            pieces[0], pieces[place] = pieces[0] + back, pieces[place] - back
        numbers = manipulation.reshape(manipulation.stack(pieces, axis=3), numbers.shape)
        before *= size
    for at in range(1, 1 + len(groups[0].values)):
        fine = statistics.all(_large(numbers[:, at, first:], cohort), axis=1)
        for row, group in enumerate(groups):
            found[list(group.values)[at - 1]] = fine[row]
    return found


def _large(numbers: SecretArray, cohort: int) -> SecretArray:
    """Where there is no row, or enough."""
    large: SecretArray = (numbers == 0) | (numbers >= cohort)
    return large


def _numbers(group: Cuts) -> SecretArray:
    """How many rows each part has, of shape (1 + values, parts): all, and those with each value.

    A part is named by its digit in each family: 0 for the rows that meet no condition of it.
    """
    families = [list(family.values()) for family in group.families.values()]
    sizes = [1 + len(family) for family in families]
    middle = next(at for at in range(1, len(sizes) + 1) if math.prod(sizes[:at]) ** 2 >= math.prod(sizes))
    left, right = _met(families[:middle]), _met(families[middle:])
    lines = [_table(group.size, left, right)]
    lines += [_table(count, left, [_and(one, rows) for one in right], rows) for rows, count in group.values.values()]
    return manipulation.stack([_apart(line, sizes) for line in lines])


def _and(one: SecretArray | None, other: SecretArray | None) -> SecretArray | None:
    if one is None or other is None:
        return one if other is None else other
    return one & other


def _met(families: Sequence[Sequence[SecretArray]]) -> list[SecretArray | None]:
    """Rows that meet a condition of each family, or whatever of it; None for all rows."""
    found: list[SecretArray | None] = [None]
    for family in families:
        found = [_and(one, other) for one in found for other in (None, *family)]
    return found


def _table(
    size: SecretArray | int,
    left: Sequence[SecretArray | None],
    right: Sequence[SecretArray | None],
    among: SecretArray | None = None,
) -> SecretArray:
    """How many rows are in one of `left` and in one of `right`, flat; both begin with all rows, of which `size` are."""
    above = _line(size, [one for one in right[1:] if one is not None])
    met = _as_numbers(left[1:])
    columns = [] if among is not None else [manipulation.expand_dims(statistics.sum(met, axis=1), 1)]
    if beside := right if among is not None else right[1:]:
        columns.append(linalg.matmul(met, manipulation.matrix_transpose(_as_numbers(beside))))
    return manipulation.reshape(manipulation.concat([above, manipulation.concat(columns, axis=1)]), (-1,))


def _line(size: SecretArray | int, rows: Sequence[SecretArray]) -> Any:
    """A line of numbers of rows, of which the first may be public."""
    first: Any = manipulation.expand_dims(size, 0) if isinstance(size, SecretArray) else np.asarray([size])
    if rows:
        first = manipulation.concat([first, manipulation.stack([statistics.sum(one) for one in rows])])
    return first.reshape((1, -1))


def _as_numbers(rows: Sequence[SecretArray | None]) -> SecretArray:
    return elementwise.multiply(manipulation.stack([one for one in rows if one is not None]), 1)


def _apart(table: SecretArray, sizes: Sequence[int]) -> SecretArray:
    """From numbers of rows for whatever of a family, as digit 0, to those that meet no condition of it."""
    before, total = 1, math.prod(sizes)
    for size in sizes:
        split = manipulation.reshape(table, (before, size, total // before // size))
        met = split[:, 1:]
        table = manipulation.concat([split[:, :1] - statistics.sum(met, axis=1, keepdims=True), met], axis=1)
        before *= size
    return manipulation.reshape(table, (total,))


def together(
    counts: Sequence[SecretArray], cohort: int, whole: int | None = None
) -> Iterator[tuple[SecretArray, SecretArray]]:
    """Of groups that together are all rows, by their numbers of rows: whether each may be shown.

    Those of fewer rows than the cohort are not; and if those together are few, the smallest of the others is not
    either, as what all others leave of a known whole would be about few. `whole`: a number of rows of which some may
    be in no group; these count as one that is not shown.
    """
    if len(counts) < 2 and whole is None:
        return
    stacked = manipulation.stack(list(counts))
    enough = stacked >= cohort
    hidden = statistics.sum(elementwise.where(enough, 0, stacked))
    if whole is not None:
        hidden = hidden + (whole - statistics.sum(stacked))
    few = (hidden > 0) & (hidden < cohort)
    # of groups of one size the first goes with them
    ranked = stacked * len(counts) + np.arange(len(counts))
    least = statistics.min(elementwise.where(enough, ranked, ranked.bounds[1]))
    shown = enough & ~(few & (ranked == least))
    for place, count in enumerate(counts):
        yield count, shown[place]


def apart(counted: Mapping[Any, tuple[SecretArray, SecretArray]], holds: dict[Any, SecretArray], cohort: int) -> None:
    """Of stored bools that are counted, each as its rows and their number: of two that would both be shown, and of
    which few rows have one only, neither is. Changes what `holds` says of them.

    Of three and more nothing is asked: how stored bools lie to one another is not known from the question.
    """
    if len(counted) > MAX_CONDITIONS:
        raise InputError(f"{len(counted)} bools are counted in one question", hint="ask several questions")
    if len(counted) < 2:
        return
    keys = list(counted)
    picked = elementwise.multiply(manipulation.stack([rows for rows, _ in counted.values()]), 1)
    # how many rows meet both of two conditions, in one product; and of which one only
    both = linalg.matmul(picked, manipulation.matrix_transpose(picked))
    only = manipulation.expand_dims(manipulation.stack([count for _, count in counted.values()]), 1) - both
    fine = (only == 0) | (only >= cohort)
    shown = manipulation.stack([holds[key] for key in keys])
    either = manipulation.expand_dims(shown, 1) & manipulation.expand_dims(shown, 0)
    fine = statistics.all(fine & manipulation.matrix_transpose(fine) | ~either, axis=1)
    for place, key in enumerate(keys):
        holds[key] = holds[key] & fine[place]
