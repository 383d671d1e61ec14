"""A dataset at the nodes as an analyst uses it: named columns that are secret arrays."""

from __future__ import annotations

import html
import math
from collections.abc import Iterable, Iterator, Sequence
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any, NoReturn, Protocol

import numpy as np

from tercet.array import manipulation, statistics
from tercet.array.secret import SecretArray
from tercet.client.aggregates import Cell, Group, Sheet, root
from tercet.client.groups import Groups
from tercet.client.meanings import CategoryArray, DateArray
from tercet.errors import InputError
from tercet.federation.api import DatasetInfo
from tercet.store.schema import EPOCH, Column, ColumnKind, Schema

if TYPE_CHECKING:
    import pandas as pd

MAX_DESCRIBED = 64
"""Columns with more categories than this are left out of `describe`."""


class Columns(Protocol):
    """The session, as a table sees it."""

    def column(self, info: DatasetInfo, schema: Schema, column: str) -> SecretArray:
        """A stored column."""


class Table:
    """A dataset as it was when it was looked at; `net.table(name)` makes one.

    `patients["age"]` is a secret array of shape (rows,), `patients[["age", "bmi"]]` one of shape (rows, 2). A column
    of categories is compared with their texts, a column of dates with datetime.date. Nothing is read by any of that.
    """

    def __init__(self, session: Columns, info: DatasetInfo) -> None:
        self._session = session
        self.info = info
        """Version, manifest and segments, as all three nodes have them."""
        self.schema = Schema.parse(info.schema_)
        """What the columns mean, as their owners declared it."""

    @property
    def name(self) -> str:
        return self.info.name

    @property
    def columns(self) -> list[str]:
        """Names of the secret columns."""
        return [column.name for column in self.schema.columns if not column.is_key]

    @property
    def shape(self) -> tuple[int, int]:
        return self.info.rows, len(self.columns)

    def __len__(self) -> int:
        return self.info.rows

    def __contains__(self, name: object) -> bool:
        return name in self.columns

    def __iter__(self) -> Any:
        return iter(self.columns)

    def __getitem__(self, which: Any) -> SecretArray:
        if isinstance(which, str):
            return self._column(self._known(which))
        if isinstance(which, Iterable) and not isinstance(which, np.ndarray | SecretArray):
            names = list(which)
            if names and all(isinstance(name, str) for name in names):
                return manipulation.stack([self._number(name) for name in names], axis=1)
        raise TypeError(
            f"a table is indexed by a column's name, or by a list of them; columns are {', '.join(self.columns[:20])}. "
            "To take rows, index the columns: table['age'][table['sex'] == 'f'] is not offered, since how many there "
            "are would show; use tc.where, or products with the condition"
        )

    def _known(self, name: str) -> Column:
        column = self.schema[name]
        if column.is_key:
            raise InputError(f"column {name} is the public key of the rows, not a secret", hint="use another column")
        return column

    def _column(self, column: Column) -> SecretArray:
        stored = self._session.column(self.info, self.schema, column.name)
        if column.kind is ColumnKind.CATEGORY:
            return CategoryArray.of_column(stored, column)
        if column.kind is ColumnKind.DATE:
            return DateArray.of_column(stored, column)
        return stored

    def _number(self, name: str) -> SecretArray:
        column = self._known(name)
        if column.kind is ColumnKind.CATEGORY:
            first = column.categories[0]
            raise TypeError(
                f"column {name} holds categories, which are no numbers: compare it, "
                f"as in table[{name!r}] == {first!r}, and tc.stack the results"
            )
        return self._session.column(self.info, self.schema, name)

    # -- whole tables

    def describe(self, columns: Sequence[str] | None = None) -> pd.DataFrame:
        """Count, mean and standard deviation (of a sample) of every column; of categories how many there are of each.

        One job, whose numbers all aggregate over all rows. Bools are counted as 0 and 1; the mean of dates is a date,
        their deviation counts days. Least and greatest values would be those of single rows, so they are not there.
        """
        import pandas as pd

        if not self.info.rows:
            raise InputError(f"dataset {self.name} has no rows", hint="ask its owners to upload some")
        lines = [line for name in columns or self.columns for line in self._lines(self._known(name))]
        if not lines:
            raise InputError(
                "none of these columns can be described: they have too many categories", hint="name others"
            )
        found = Sheet([cells for _, cells in lines]).ask()
        index = pd.Index([label for label, _ in lines], name=self.name)
        return pd.DataFrame(found, index=index, columns=["count", "mean", "std"])

    def groupby(self, columns: str | Sequence[str]) -> Groups:
        """Rows by the values of a column of categories or bools, or of several; see `Groups`. Nothing is asked yet."""
        names = [columns] if isinstance(columns, str) else list(columns)
        return Groups(self, [self._known(name) for name in names])

    def _lines(self, column: Column) -> Iterator[tuple[str, list[Cell]]]:
        """What `describe` asks about a column: of each line its name, and count, mean and deviation."""
        rows, array = self.info.rows, self._column(column)
        whole, nothing = Group(rows), Cell((), lambda _: math.nan)
        if isinstance(array, CategoryArray):
            if len(array.categories) <= MAX_DESCRIBED:
                for category in array.categories:
                    yield f"{column.name} = {category}", [Group(rows, array == category).count(), nothing, nothing]
        elif column.kind is ColumnKind.BOOL:
            total = whole.total(array)
            mean = Cell(total.arrays, lambda found: found[0] / rows)
            yield column.name, [whole.count(), mean, Cell(total.arrays, lambda found: _spread_of_bools(found[0], rows))]
        else:
            day = _day if isinstance(array, DateArray) else float
            mean = Cell((statistics.mean(array._plain()),), lambda found: day(found[0]))
            yield column.name, [whole.count(), mean, whole.variance(array._plain(), 1, root)]

    def to_numpy(self, *_: Any, **__: Any) -> NoReturn:
        """Refused: there is no plain copy anywhere."""
        raise TypeError(
            "a table's rows are secret, and no node will show them; use describe(), means, sums, or a model"
        )

    __array__ = to_pandas = to_dict = head = to_numpy

    # -- shown

    def __repr__(self) -> str:
        lines = [f"{self.name}: {self.info.rows:,} rows, {len(self.columns)} columns, version {self.info.version}"]
        width = max((len(column.name) for column in self.schema.columns), default=0)
        lines += [f"  {column.name.ljust(width)}  {described(column)}" for column in self.schema.columns]
        return "\n".join(lines)

    def _repr_html_(self) -> str:
        style = "text-align:left;padding:0.15em 1em 0.15em 0"
        rows = "".join(
            f'<tr><td style="{style}">{html.escape(column.name)}</td>'
            f'<td style="{style}">{html.escape(described(column))}</td>'
            f'<td style="{style};opacity:.7">{html.escape(column.description)}</td></tr>'
            for column in self.schema.columns
        )
        head = f"{html.escape(self.name)}: {self.info.rows:,} rows, version {self.info.version}"
        return f'<table style="border-collapse:collapse"><caption style="{style}">{head}</caption>{rows}</table>'


def _spread_of_bools(total: float, rows: int) -> float:
    mean = total / rows
    return math.sqrt(rows * mean * (1 - mean) / (rows - 1)) if rows > 1 else math.nan


def _day(number: float) -> date:
    return EPOCH + timedelta(round(number))


def described(column: Column) -> str:
    """A column's kind and range in a few words."""
    if column.kind is ColumnKind.CATEGORY:
        shown = ", ".join(column.categories[:8])
        return f"category: {shown}{', ...' if len(column.categories) > 8 else ''}"
    if column.kind is ColumnKind.KEY:
        return f"public key ({column.key})"
    return str(column.kind) if column.lo is None else f"{column.kind} from {column.lo} to {column.hi}"
