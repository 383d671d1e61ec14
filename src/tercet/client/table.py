"""A dataset at the nodes as an analyst uses it: named columns that are secret arrays."""

from __future__ import annotations

import html
import math
from collections.abc import Iterable, Iterator, Sequence
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any, NoReturn, Protocol

import numpy as np

from tercet.array import manipulation, statistics
from tercet.array.core import SecretArray
from tercet.array.decimals import DecimalArray
from tercet.array.nullable import NullableArray
from tercet.client.aggregates import Cell, Group, Sheet, joined, ratio, root
from tercet.client.column_arrays import CategoryArray, DateArray
from tercet.client.groups import Groups, as_missing, with_note
from tercet.client.guards import Hiding
from tercet.client.joined import joined as joined_tables
from tercet.errors import InputError
from tercet.federation.api import DatasetInfo
from tercet.federation.text import counted
from tercet.store.schema import EPOCH, Column, ColumnKind, Schema

if TYPE_CHECKING:
    import pandas as pd

MAX_DESCRIBED = 64
"""Columns with more categories than this are left out of `describe`."""


class Columns(Protocol):
    """The session, as a table sees it."""

    def column(self, info: DatasetInfo, schema: Schema, column: str) -> SecretArray:
        """A stored column."""

    def validity(self, info: DatasetInfo, column: str) -> SecretArray:
        """Where a nullable column has a value."""

    def keys(self, info: DatasetInfo) -> list[int | str]:
        """The public keys of the rows."""


class Table:
    """A dataset as it was when it was looked at; `net.table(name)` makes one.

    `patients["age"]` is a secret array of shape (rows,), `patients[["age", "bmi"]]` one of shape (rows, 2). A column
    of categories is compared with their texts, a column of dates with datetime.date. A column of decimals with digits
    is exact (`tercet.array.decimals`), and a nullable one knows where its values are missing
    (`tercet.array.nullable`). Nothing is read by any of that.
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
    def hiding(self) -> Hiding:
        """The rows that count towards the cohort: those of others than who asks, where there are any."""
        return Hiding(self.info.rows, self.info.cohort, self.info.own)

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

    def stored(self, column: str) -> SecretArray:
        """A column as it is stored: numbers, whatever they stand for, also where values are missing."""
        return self._session.column(self.info, self.schema, self._known(column).name)

    def validity(self, column: str) -> SecretArray:
        """Where a nullable column has a value."""
        return self._session.validity(self.info, self._known(column).name)

    def keys(self) -> list[int | str]:
        """The public keys of the rows, as all three nodes have them. Raises InputError if there are none."""
        return self._session.keys(self.info)

    def join(self, other: Table, *, how: str = "inner", suffix: str = "") -> Table:
        """Rows of this table, each with the row of the other that has the same public key, as one table.

        Analysts call it. `how`: "inner" leaves out rows without a partner, "left" keeps them, with the other's values
        missing. Keys of the other table stand once each. `suffix` is put behind names of the other's columns that
        stand here, too. The keys of both are fetched from all three nodes; nothing secret is compared. Nodes allow
        results of it under rules with `combine_datasets`. Raises InputError.
        """
        columns, info, schema = joined_tables(self, other, how, suffix)
        return Table(columns, info.model_copy(update={"schema_": schema.to_dict()}))

    def _known(self, name: str) -> Column:
        column = self.schema[name]
        if column.is_key:
            raise InputError(f"column {name} is the public key of the rows, not a secret", hint="use another column")
        return column

    def _column(self, column: Column) -> SecretArray:
        stored = self._session.column(self.info, self.schema, column.name)
        if column.digits is not None:
            stored = DecimalArray.of(stored, column.digits)
        elif column.kind is ColumnKind.CATEGORY:
            stored = CategoryArray.of_column(stored, column)
        elif column.kind is ColumnKind.DATE:
            stored = DateArray.of_column(stored, column)
        return (
            NullableArray.of_values(stored, self._session.validity(self.info, column.name))
            if column.nullable
            else stored
        )

    def _number(self, name: str) -> SecretArray:
        column = self._known(name)
        if column.kind is ColumnKind.CATEGORY:
            first = column.categories[0]
            raise TypeError(
                f"column {name} holds categories, which are no numbers: compare it, "
                f"as in table[{name!r}] == {first!r}, and tc.stack the results"
            )
        if column.nullable:
            raise TypeError(
                f"some values of column {name} may be missing: fill them, as in table[{name!r}].fillna(0), and tc.stack"
                " such columns; or upload the rows that have all values (tercet upload --missing drop)"
            )
        return (
            self._session.column(self.info, self.schema, name)
            if column.kind is ColumnKind.DATE
            else self._column(column)
        )

    # -- whole tables

    def describe(self, columns: Sequence[str] | None = None) -> pd.DataFrame:
        """Count, mean and standard deviation (of a sample) of every column; of categories how many there are of each.

        Values that are missing are not counted. One job, whose numbers all aggregate over all rows. Bools are counted
        as 0 and 1; the mean of dates is a date, their deviation counts days. Least and greatest values would be those
        of single rows, so they are not there.
        """
        import pandas as pd

        if not self.info.rows:
            raise InputError(f"dataset {self.name} has no rows", hint="ask its owners to upload some")
        families: list[list[Group]] = []
        lines = [line for name in columns or self.columns for line in self._lines(self._known(name), families)]
        if not lines:
            raise InputError(
                "none of these columns can be described: they have too many categories", hint="name others"
            )
        lacking = any(column.nullable for column in self.schema.columns)
        sheet = Sheet([cells for _, cells in lines], self.info.cohort, families, self.hiding.count if lacking else None)
        found = as_missing(sheet.ask())
        index = pd.Index([label for label, _ in lines], name=self.name)
        return with_note(pd.DataFrame(found, index=index, columns=["count", "mean", "std"]), sheet.note("lines"))

    def groupby(self, columns: str | Sequence[str], *, dropna: bool = True) -> Groups:
        """Rows by the values of a column of categories or bools, or of several; see `Groups`. Nothing is asked yet."""
        names = [columns] if isinstance(columns, str) else list(columns)
        return Groups(self, [self._known(name) for name in names], dropna=dropna)

    def _lines(self, column: Column, families: list[list[Group]]) -> Iterator[tuple[str, list[Cell]]]:
        """What `describe` asks about a column: of each line its name, and count, mean and deviation. Groups that
        together are all rows are added to `families`."""
        hiding, nothing = self.hiding, Cell((), lambda _: math.nan)
        array, whole = Group(hiding).of(self._column(column))
        if isinstance(array, CategoryArray):
            if len(array.categories) <= MAX_DESCRIBED:
                one = [Group(hiding, self._column(column) == name) for name in array.categories]
                families.append(one)
                for category, group in zip(array.categories, one, strict=True):
                    yield f"{column.name} = {category}", [group.count(), nothing, nothing]
        elif column.kind is ColumnKind.BOOL:
            total, count = whole.total(array), whole.count()
            yield column.name, [count, joined(total, count, ratio), joined(total, count, _spread_of_bools)]
        else:
            day = _day if isinstance(array, DateArray) else float
            numbers = array._plain()
            if column.nullable:
                found = whole.mean(numbers)
                mean = found.then(day)
            else:
                mean = whole.exactly((statistics.mean(numbers),)).then(day)
            yield column.name, [whole.count(), mean, whole.variance(numbers, 1, root)]

    def to_numpy(self, *_: Any, **__: Any) -> NoReturn:
        """Refused: there is no plain copy anywhere."""
        raise TypeError(
            "a table's rows are secret, and no node will show them; use describe(), means, sums, or a model"
        )

    __array__ = to_pandas = to_dict = head = tail = sample = dropna = to_numpy

    # -- shown

    def __repr__(self) -> str:
        rows, columns = counted(self.info.rows, "row"), counted(len(self.columns), "column")
        lines = [f"{self.name}: {rows}, {columns}, version {self.info.version}"]
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
    return math.sqrt(total * (1 - total / rows) / (rows - 1)) if rows > 1 else math.nan


def _day(number: float) -> date | None:
    return None if math.isnan(number) else EPOCH + timedelta(round(number))


def described(column: Column) -> str:
    """A column's kind and range in a few words."""
    missing = ", nullable" if column.nullable else ""
    if column.kind is ColumnKind.CATEGORY:
        shown = ", ".join(column.categories[:8])
        return f"category: {shown}{', ...' if len(column.categories) > 8 else ''}{missing}"
    if column.kind is ColumnKind.KEY:
        return f"public key ({column.key})"
    kind = str(column.kind) if column.digits is None else f"{column.kind} with {counted(column.digits, 'digit')}"
    words = kind if column.lo is None else f"{kind} from {column.lo} to {column.hi}"
    return words + missing
