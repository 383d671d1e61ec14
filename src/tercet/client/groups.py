"""Aggregates of a table's rows by the values of public lists: `table.groupby("sex").mean(["age", "bmi"])`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from tercet.array.secret import SecretArray
from tercet.client.aggregates import Cell, Group, Sheet, belongs, combinations, root
from tercet.errors import InputError
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
    def columns(self) -> list[str]:
        """Names of the secret columns."""

    def __getitem__(self, which: Any) -> SecretArray:
        """A column."""


class Groups:
    """The groups of a table: one for every category (or both truth values), also where no row is in it.

    Each method is one job, which reveals a sum or count per group: which row is in which group stays secret, and so is
    how many are before they are revealed. No node can therefore compare the size of a group with its policy's
    `min_rows`; what it sees is an aggregate over all rows of the table. Means of small groups tell about few people.
    """

    def __init__(self, table: Grouped, by: Sequence[Column]) -> None:
        if not by:
            raise InputError("groupby takes the name of a column", hint="name one of categories or bools")
        self._table = table
        self._by = by
        self._chosen = list(combinations(by, "groupby"))
        masks = []
        for values in self._chosen:
            first, *more = (belongs(table[name], value) for name, value in values.items())
            for mask in more:
                first = first & mask
            masks.append(first)
        self._groups = [Group(table.info.rows, mask) for mask in masks]

    def __repr__(self) -> str:
        return (
            f"Groups({self._table.info.name} by {', '.join(column.name for column in self._by)}: {len(self._groups)})"
        )

    def count(self) -> pd.Series[int]:
        """How many rows each group has."""
        found = Sheet([[group.count()] for group in self._groups]).ask()
        return self._frame(["count"], found)["count"]

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
        return self._frame(labels, Sheet(cells).ask())

    def _asked(
        self, columns: str | Sequence[str] | None, aggregate: Callable[[Group, SecretArray], Cell]
    ) -> pd.DataFrame:
        names = self._names(columns)
        arrays = [self._table[name] for name in names]
        cells = [[aggregate(group, values) for values in arrays] for group in self._groups]
        return self._frame(names, Sheet(cells).ask())

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

    def _frame(self, labels: list[str], rows: Sequence[Sequence[Any]]) -> pd.DataFrame:
        import pandas as pd

        names = [column.name for column in self._by]
        keys = [tuple(values.values()) for values in self._chosen]
        index: Any = (
            pd.Index([key[0] for key in keys], name=names[0])
            if len(names) == 1
            else pd.MultiIndex.from_tuples(keys, names=names)
        )
        return pd.DataFrame(rows, index=index, columns=labels)
