"""Aggregates of a table's rows by the values of public lists: `table.groupby("sex").mean(["age", "bmi"])`."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from tercet.array.core import SecretArray
from tercet.client.aggregates import NOT_SHOWN, Cell, Group, Sheet, belongs, combinations, root
from tercet.client.guards import Hiding
from tercet.errors import InputError, SmallGroupsWarning
from tercet.store.schema import Column, ColumnKind

if TYPE_CHECKING:
    import pandas as pd

    from tercet.federation.api import DatasetInfo
    from tercet.store.schema import Schema

_NUMBERS = (ColumnKind.INTEGER, ColumnKind.DECIMAL, ColumnKind.BOOL)


class Grouped(Protocol):
    """The table, as its groups see it."""

    info: DatasetInfo
    schema: Schema

    @property
    def hiding(self) -> Hiding:
        """Its rows, among which somebody may be hidden."""

    @property
    def columns(self) -> list[str]:
        """Names of the secret columns."""

    def __getitem__(self, which: Any) -> SecretArray:
        """A column."""


class Groups:
    """The groups of a table: one for every category (or both truth values), also where no row is in it.

    A row whose value is missing is in no group, as in pandas; with `dropna=False` such rows have a group, named NaN.
    Sums, means and the like skip values that are missing.

    Each method is one job, which reveals a sum or count per group: which row is in which group stays secret. A group is
    shown only where at least as many rows are in it as the nodes' policies demand (`table.info.cohort`), which is found
    out under sharing; others are NaN, and a SmallGroupsWarning says how many. The same holds of the rows that a bool
    counts.
    """

    def __init__(self, table: Grouped, by: Sequence[Column], *, dropna: bool = True) -> None:
        if not by:
            raise InputError("groupby takes the name of a column", hint="name one of categories or bools")
        self._table = table
        self._by = by
        self._drops = dropna
        self._chosen = list(combinations(by, "groupby", missing=not dropna))
        masks = []
        for values in self._chosen:
            first, *more = (belongs(table[name], value) for name, value in values.items())
            for mask in more:
                first = first & mask
            masks.append(first)
        self._hiding = table.hiding
        self._groups = [Group(self._hiding, mask) for mask in masks]

    def __repr__(self) -> str:
        return (
            f"Groups({self._table.info.name} by {', '.join(column.name for column in self._by)}: {len(self._groups)})"
        )

    def count(self) -> pd.Series[int]:
        """How many rows each group has."""
        counts: pd.Series[Any] = self._frame(["count"], [[group.count()] for group in self._groups])["count"]
        return counts if counts.isna().any() else counts.astype("int64")

    def sum(self, columns: str | Sequence[str] | None = None) -> pd.DataFrame:
        """The sum of each column (default: all of numbers and bools) in each group."""
        return self._asked(columns, Group.total)

    def mean(self, columns: str | Sequence[str] | None = None) -> pd.DataFrame:
        """The mean of each column in each group; NaN where no row is in it. Sums and counts are revealed."""
        return self._asked(columns, Group.mean)

    def var(self, columns: str | Sequence[str] | None = None, *, ddof: int = 1) -> pd.DataFrame:
        """The variance of each column in each group; of a sample, as in pandas, unless `ddof` is 0."""
        return self._asked(columns, lambda group, values: group.variance(values, ddof))

    def std(self, columns: str | Sequence[str] | None = None, *, ddof: int = 1) -> pd.DataFrame:
        """The standard deviation of each column in each group, as `var`."""
        return self._asked(columns, lambda group, values: group.variance(values, ddof, root))

    def describe(self, columns: str | Sequence[str] | None = None) -> pd.DataFrame:
        """Of each group the count, and of each column the sum and the mean, as one job."""
        names = self._names(columns)
        arrays = [self._table[name] for name in names]
        cells = [
            [group.count(), *(cell for values in arrays for cell in (group.total(values), group.mean(values)))]
            for group in self._groups
        ]
        labels = ["count", *(f"{name} {what}" for name in names for what in ("sum", "mean"))]
        return self._frame(labels, cells)

    def _asked(
        self, columns: str | Sequence[str] | None, aggregate: Callable[[Group, SecretArray], Cell]
    ) -> pd.DataFrame:
        names = self._names(columns)
        arrays = [self._table[name] for name in names]
        cells = [[aggregate(group, values) for values in arrays] for group in self._groups]
        return self._frame(names, cells)

    def _names(self, columns: str | Sequence[str] | None) -> list[str]:
        by = [column.name for column in self._by]
        if columns is None:
            of_numbers = (name for name in self._table.columns if self._table.schema[name].kind in _NUMBERS)
            return [name for name in of_numbers if name not in by]
        names = [columns] if isinstance(columns, str) else list(columns)
        for name in names:
            kind = self._table.schema[name].kind
            if kind not in _NUMBERS:
                raise InputError(
                    f"column {name} is of kind {kind}, and only numbers and bools are summed", hint="name others"
                )
        return names

    def _frame(self, labels: list[str], cells: Sequence[Sequence[Cell]]) -> pd.DataFrame:
        import pandas as pd

        lacking = self._drops and any(column.nullable for column in self._by)
        sheet = Sheet(cells, self._hiding.cohort, [self._groups], self._hiding.count if lacking else None)
        rows = as_missing(sheet.ask())
        names = [column.name for column in self._by]
        keys = [tuple(values.values()) for values in self._chosen]
        index: Any = (
            pd.Index([key[0] for key in keys], name=names[0])
            if len(names) == 1
            else pd.MultiIndex.from_tuples(keys, names=names)
        )
        return with_note(pd.DataFrame(rows, index=index, columns=labels), sheet.note("groups"))


def as_missing(rows: Sequence[Sequence[Any]]) -> list[list[Any]]:
    """Rows of a frame, NaN for what is not shown."""
    return [[math.nan if value is NOT_SHOWN else value for value in row] for row in rows]


def with_note(frame: pd.DataFrame, note: str) -> pd.DataFrame:
    """The frame, with the note in its `attrs["note"]` and as a SmallGroupsWarning, if there is one."""
    if note:
        frame.attrs["note"] = note
        warnings.warn(note, SmallGroupsWarning, stacklevel=4)
    return frame
