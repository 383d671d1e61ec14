"""Aggregates over the rows of a group, which a secret condition picks: what is revealed, and what is made of it."""

from __future__ import annotations

import itertools
import math
import operator
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from tercet.array import elementwise, statistics
from tercet.array.results import reveal
from tercet.array.secret import SecretArray
from tercet.errors import InputError
from tercet.store.schema import Column, ColumnKind

MAX_GROUPS = 256
Finish = Callable[[list[float]], Any]
Answers = tuple[tuple[Any, ...], ...]


@dataclass(frozen=True)
class Cell:
    """One aggregate: what is revealed for it, and how the answer comes of that; or a value that is public already."""

    arrays: tuple[SecretArray, ...]
    finish: Finish


class Group:
    """Rows that are counted and summed; how many there are is secret where a condition picks them."""

    def __init__(self, rows: int, mask: SecretArray | None = None) -> None:
        """`rows`: of the table. `mask`: which of them belong to the group (all, if there is none)."""
        self._rows = rows
        self._mask = mask
        self._counted: tuple[SecretArray, ...] = () if mask is None else (statistics.sum(mask),)
        """One array for all that ask for it, so that it is revealed once."""

    def count(self) -> Cell:
        """How many rows."""
        return Cell(self._counted, lambda found: int(found[0]) if found else self._rows)

    def total(self, values: SecretArray) -> Cell:
        """The sum."""
        taken = values if self._mask is None else elementwise.multiply(values, self._mask)
        return Cell((statistics.sum(taken),), operator.itemgetter(0))

    def mean(self, values: SecretArray) -> Cell:
        """Sum over count; NaN of no rows."""
        return joined(self.total(values), self.count(), ratio)

    def variance(self, values: SecretArray, correction: float, finish: Callable[[float], float] = float) -> Cell:
        """The variance: n sum(x^2) - sum(x)^2, exact, over what it is divided by; `finish` may take its root."""
        if self._mask is None:
            if self._rows <= correction:
                return Cell((), lambda _: math.nan)
            return Cell((statistics.var(values, correction=correction),), lambda found: finish(found[0]))
        taken = elementwise.multiply(values, self._mask)
        total, count = statistics.sum(taken), self._counted[0]
        scaled = count * statistics.sum(elementwise.multiply(taken, taken)) - total * total

        def end(found: list[float]) -> float:
            rows = int(found[1])
            return finish(found[0] / (rows * (rows - correction))) if rows > correction else math.nan

        return Cell((scaled, count), end)

    def extreme(self, values: SecretArray, *, least: bool) -> Cell:
        """The least or the greatest value; of no rows, the bound at the other end."""
        if self._mask is not None:
            lo, hi = values.bounds
            values = elementwise.where(self._mask, values, hi if least else lo)
        return Cell(((statistics.min if least else statistics.max)(values),), operator.itemgetter(0))


def joined(a: Cell, b: Cell, compute: Callable[[Any, Any], Any]) -> Cell:
    """A cell that is computed of two others."""
    split = len(a.arrays)
    return Cell((*a.arrays, *b.arrays), lambda found: compute(a.finish(found[:split]), b.finish(found[split:])))


def ratio(a: float, b: float) -> float:
    """a / b; NaN of no rows."""
    return a / b if b else math.nan


def root(variance: float) -> float:
    """The standard deviation of a variance, which rounding may have taken below zero."""
    return math.sqrt(max(0.0, variance))


class Sheet:
    """Rows of cells that are asked as one plan; what several cells need is revealed once."""

    def __init__(self, rows: Sequence[Sequence[Cell]]) -> None:
        self._rows = rows
        arrays = {id(array): array for row in rows for cell in row for array in cell.arrays}
        self._places = {key: place for place, key in enumerate(arrays)}
        self.wanted = list(arrays.values())
        """What is to be revealed."""

    def ask(self) -> Answers:
        """Reveal what is wanted, as one job (none, if all is public)."""
        plain = reveal(*self.wanted) if self.wanted else ()
        return self.answers([plain] if len(self.wanted) == 1 else plain)

    def answers(self, plain: Sequence[Any]) -> Answers:
        """The answers, from the values of `wanted`."""
        values = [value.item() if hasattr(value, "item") else value for value in plain]

        def answer(cell: Cell) -> Any:
            return cell.finish([values[self._places[id(array)]] for array in cell.arrays])

        return tuple(tuple(answer(cell) for cell in row) for row in self._rows)


def combinations(columns: Sequence[Column], what: str) -> Iterator[dict[str, Any]]:
    """Each group by its values of these columns, which are public lists. InputError for columns of other kinds."""
    choices: list[Sequence[Any]] = []
    for column in columns:
        if column.kind is ColumnKind.CATEGORY:
            choices.append(column.categories)
        elif column.kind is ColumnKind.BOOL:
            choices.append((False, True))
        else:
            raise InputError(
                f"{what} {column.name}: which values there are is secret", hint="group by categories and bools"
            )
    if math.prod(len(choice) for choice in choices) > MAX_GROUPS:
        raise InputError(f"{what} makes more than {MAX_GROUPS} groups", hint="group by fewer columns")
    for values in itertools.product(*choices):
        yield {column.name: value for column, value in zip(columns, values, strict=True)}


def belongs(array: SecretArray, value: Any) -> SecretArray:
    """Where a column of categories or bools has this value."""
    if isinstance(value, bool):
        return array if value else ~array
    found: SecretArray = array == value
    return found
