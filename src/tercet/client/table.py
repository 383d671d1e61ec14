"""A dataset at the nodes as an analyst uses it: named columns that are secret arrays, and aggregates of its groups."""

from __future__ import annotations

import functools
import html
import math
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any, NoReturn, Protocol

import numpy as np

from tercet.array import manipulation, statistics
from tercet.array.core import SecretArray
from tercet.array.decimals import DecimalArray
from tercet.array.grouped import Grouped
from tercet.array.instead import said_of_method
from tercet.array.nullable import NullableArray
from tercet.client.aggregates import NOT_SHOWN, Cell, Group, Sheet, belongs, combinations, joined, ratio, root
from tercet.client.cohort import Hiding
from tercet.client.column_arrays import CategoryArray, DateArray
from tercet.client.grouped_column import GroupedColumn
from tercet.client.joined import joined as joined_tables
from tercet.errors import InputError, SmallGroupsWarning
from tercet.federation.api import DatasetInfo
from tercet.federation.text import counted
from tercet.store.schema import EPOCH, Column, ColumnKind, Schema

if TYPE_CHECKING:
    import pandas as pd

MAX_DESCRIBED = 64
"""Columns with more categories than this are left out of `describe`."""


_ASKED = (
    "groups have count(), and sum, mean, var, std, median, quantile and describe of columns, as "
    "table.groupby('sex').mean(['age', 'bmi'])"
)


def of_a_column(name: str) -> str:
    """What to use where somebody asks a table for a method of pandas."""
    said = said_of_method(name, ())
    return f"{said}, where x is a column, table['age']" if said else ""


class Groups:
    """The groups of a table, by columns of categories or bools: one for every value, also if no row has it.

    A row whose value is missing is in no group, as in pandas; with `dropna=False` such rows have a group, named NaN.
    Sums, means and the like skip missing values.

    Each method is one job, which reveals a sum or count for each group; which row is in which group stays secret. A
    group is shown only if it has at least as many rows as the nodes' policies demand (`table.info.cohort`), which is
    decided under sharing. Others are NaN, and a SmallGroupsWarning says how many. The same rule holds for the rows that
    the sum of a bool counts.
    """

    def __init__(
        self, table: Table, by: Sequence[Column], *, dropna: bool = True, order: str | None = None, ties: str = "alike"
    ) -> None:
        if not by:
            raise InputError("groupby takes the name of a column", hint="name one of categories, bools or integers")
        self._table = table
        self._by = by
        self._drops = dropna
        self._order, self._ties = order, ties
        self._hiding = table.hiding
        if not any(column.kind is ColumnKind.INTEGER for column in by):
            self._chosen  # noqa: B018  (kinds that make no groups are refused at once)

    @functools.cached_property
    def _chosen(self) -> list[dict[str, Any]]:
        return list(combinations(self._by, "groupby", missing=not self._drops))

    @functools.cached_property
    def _groups(self) -> list[Group]:
        masks = []
        for values in self._chosen:
            first, *more = (belongs(self._table[name], value) for name, value in values.items())
            for mask in more:
                first = first & mask
            masks.append(first)
        return [Group(self._hiding, mask) for mask in masks]

    @functools.cached_property
    def _rows(self) -> Grouped:
        keys = [self._table[column.name] for column in self._by]
        return Grouped(keys, order=None if self._order is None else self._table[self._order], ties=self._ties)

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> NoReturn:
            said = "" if name.startswith("_") else f": {_ASKED}"
            raise AttributeError(f"'Groups' object has no attribute {name!r}{said}")

    def __getitem__(self, key: str) -> GroupedColumn:
        """One column by groups, row by row: what pandas' `df.groupby("card")["amount"]` gives. Columns of integers make
        groups here, too; nothing is revealed."""
        if not isinstance(key, str):
            raise TypeError(f"the groups of a table are indexed by the name of one column, not {key!r}")
        return GroupedColumn(self._table[key], self._rows)

    def cumcount(self) -> SecretArray:
        """How many rows of its group stand before each row, as a secret column."""
        return self._rows.cumcount()

    def rolling_count(self, window: float) -> SecretArray:
        """How many rows of its group lie within `window` up to each row, by the column `order`; a secret column."""
        return self._rows.rolling_count(window)

    def __repr__(self) -> str:
        many = any(column.kind is ColumnKind.INTEGER for column in self._by)
        names = ", ".join(column.name for column in self._by)
        return f"Groups({self._table.info.name} by {names}{'' if many else f': {len(self._groups)}'})"

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

    def median(self, columns: str | Sequence[str] | None = None) -> pd.DataFrame:
        """The median of each column in each group, as `quantile`."""
        return self.quantile(0.5, columns)

    def quantile(self, q: float = 0.5, columns: str | Sequence[str] | None = None) -> pd.DataFrame:
        """The public quantile q of each column in each group, between the two values next to it; NaN where no row is in
        it. Nothing but the quantiles is revealed, each of which rests on all rows, but may be the value of one."""
        if isinstance(q, bool) or not isinstance(q, int | float) or not 0 < q < 1:
            raise InputError(f"a quantile of groups is one number between 0 and 1, not {q!r}", hint="0.5 is the median")
        return self._asked(columns, lambda group, values: group.quantile(values, q))

    def min(self, columns: str | Sequence[str] | None = None) -> NoReturn:
        """Refused: the least value is that of one row."""
        raise TypeError(
            "the least and the greatest value of a group are those of single rows: ask for quantile(0.05) and "
            "quantile(0.95), or, if the policy lets single rows through, tercet.array.segment_min(x, column, size)"
        )

    max = min

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
            of_numbers = (name for name in self._table.columns if self._table.schema[name].kind.is_summed)
            return [name for name in of_numbers if name not in by]
        names = [columns] if isinstance(columns, str) else list(columns)
        for name in names:
            kind = self._table.schema[name].kind
            if not kind.is_summed:
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
        index: Any = pd.MultiIndex.from_tuples(keys, names=names)
        if len(names) == 1:
            index = pd.Index([key[0] for key in keys], name=names[0])
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


class Columns(Protocol):
    """What a table needs of a session."""

    def column(self, info: DatasetInfo, schema: Schema, column: str) -> SecretArray:
        """A stored column."""

    def validity(self, info: DatasetInfo, column: str) -> SecretArray:
        """Where a nullable column has a value."""

    def keys(self, info: DatasetInfo) -> list[int | str]:
        """The public keys of the rows."""


class Table:
    """A dataset, in the version that it had when `net.table(name)` was called.

    `patients["age"]` is a secret array of shape (rows,), `patients[["age", "bmi"]]` one of shape (rows, 2). A column
    of categories is compared with their texts, a column of dates with datetime.date. A column of decimals with digits
    is exact (`tercet.array.decimals`), and a nullable one knows where its values are missing
    (`tercet.array.nullable`). None of that runs a job.
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
        """Which rows count towards the cohort."""
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
        """A column as it is stored: numbers, also for categories and dates, and where values are missing."""
        return self._session.column(self.info, self.schema, self._known(column).name)

    def validity(self, column: str) -> SecretArray:
        """Where a nullable column has a value."""
        return self._session.validity(self.info, self._known(column).name)

    def keys(self) -> list[int | str]:
        """The public keys of the rows, as all three nodes have them. Raises InputError if there are none."""
        return self._session.keys(self.info)

    def join(self, other: Table, *, how: str = "inner", suffix: str = "") -> Table:
        """Rows of this table, each with the row of the other that has the same public key, as one table.

        Analysts call it. `how`: "inner" leaves out rows without a partner, "left" keeps them; their values of the other
        table are missing. Each key of the other table must be unique. `suffix` is added to names of the other's columns
        that this table has, too. The keys of both are fetched from all three nodes; nothing secret is compared. Nodes
        allow results of a join under rules with `combine_datasets`. Raises InputError.
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
        if column.nullable:
            return NullableArray.of_values(stored, self._session.validity(self.info, column.name))
        return stored

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
        return self.stored(name) if column.kind is ColumnKind.DATE else self._column(column)

    # -- whole tables

    def describe(self, columns: Sequence[str] | None = None) -> pd.DataFrame:
        """Count, mean and sample standard deviation of every column; for categories, the number of rows of each.

        Missing values are not counted. It is one job, and each number aggregates all rows. Bools count as 0 and 1; the
        mean of dates is a date, their deviation is in days. There is no minimum or maximum: these are values of single
        rows.
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

    def groupby(
        self, columns: str | Sequence[str], *, dropna: bool = True, order: str | None = None, ties: str = "alike"
    ) -> Groups:
        """Group the rows by one or several columns of categories or bools; see `Groups`. This runs no job.

        By columns of integers (card numbers), of which there may be any number, it gives what each row needs of its
        group: `groupby("card", order="time")["amount"].cumsum()`, in the order of a column or as rows stand. Rows at
        one place of the order count "alike", or those that stand "first" come first, as `tercet.array.Grouped` says.
        """
        names = [columns] if isinstance(columns, str) else list(columns)
        return Groups(self, [self._known(name) for name in names], dropna=dropna, order=order, ties=ties)

    def _lines(self, column: Column, families: list[list[Group]]) -> Iterator[tuple[str, list[Cell]]]:
        """The lines of `describe` for a column: name, and count, mean and deviation. Adds to `families` the groups that
        together are all rows."""
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
            mean = whole.mean(numbers) if column.nullable else whole.exactly((statistics.mean(numbers),))
            yield column.name, [whole.count(), mean.then(day), whole.variance(numbers, 1, root)]

    def to_numpy(self, *_: Any, **__: Any) -> NoReturn:
        """Raises TypeError: rows are never revealed."""
        raise TypeError(
            "a table's rows are secret, and no node will show them; use describe(), means, sums, or a model"
        )

    __array__ = to_pandas = to_dict = head = tail = sample = dropna = to_numpy

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> NoReturn:
            columns = () if name.startswith("_") else self.columns
            said = f": use table[{name!r}]" if name in columns else of_a_column(name)
            raise AttributeError(f"'Table' object has no attribute {name!r}{said}")

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
