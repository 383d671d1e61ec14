"""A dataset at the nodes as an analyst uses it: named columns that are secret arrays."""

from __future__ import annotations

import html
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any, NoReturn, Protocol

import numpy as np
from numpy.typing import NDArray

from tercet.array import manipulation, statistics
from tercet.array.results import reveal
from tercet.array.secret import SecretArray
from tercet.errors import InputError
from tercet.federation.api import DatasetInfo
from tercet.store.schema import Column, ColumnKind, Schema, days

if TYPE_CHECKING:
    import pandas as pd

MAX_DESCRIBED = 64
"""Columns with more categories than this are left out of `describe`."""


class Columns(Protocol):
    """The session, as a table sees it."""

    def column(self, info: DatasetInfo, schema: Schema, column: str) -> SecretArray:
        """A stored column."""


@dataclass(frozen=True)
class _Line:
    """A line of `describe`: what is revealed for it, and how that becomes count, mean and standard deviation."""

    label: str
    arrays: list[SecretArray]
    finish: Callable[[list[float]], tuple[float, float, float]]


def _of_bools(total: float, rows: int) -> tuple[float, float]:
    mean = total / rows
    return mean, math.sqrt(rows * mean * (1 - mean) / (rows - 1)) if rows > 1 else math.nan


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
            return CategoryArray.of(stored, column)
        if column.kind is ColumnKind.DATE:
            return DateArray.of(stored, column)
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

        One job, whose numbers all aggregate over all rows. Bools are counted as 0 and 1.
        """
        import pandas as pd

        if not self.info.rows:
            raise InputError(f"dataset {self.name} has no rows")
        lines = [line for name in columns or self.columns for line in self._lines(self._known(name))]
        if not lines:
            raise InputError("none of these columns can be described", hint="name others")
        wanted = [array for line in lines for array in line.arrays]
        plain = reveal(*wanted)
        values = iter(plain if len(wanted) > 1 else [plain])
        rows = [line.finish([float(next(values)) for _ in line.arrays]) for line in lines]
        index = pd.Index([line.label for line in lines], name=self.name)
        return pd.DataFrame(rows, index=index, columns=["count", "mean", "std"])

    def _lines(self, column: Column) -> Iterator[_Line]:
        """What `describe` asks about a column."""
        rows, array = self.info.rows, self._column(column)
        if isinstance(array, CategoryArray):
            if len(array.categories) <= MAX_DESCRIBED:
                for category in array.categories:
                    total = statistics.sum(array == category)
                    yield _Line(f"{column.name} = {category}", [total], lambda found: (found[0], np.nan, np.nan))
        elif column.kind is ColumnKind.BOOL:
            yield _Line(column.name, [statistics.sum(array)], lambda found: (rows, *_of_bools(found[0], rows)))
        elif column.kind is not ColumnKind.DATE:
            arrays = [statistics.mean(array), *([statistics.var(array, correction=1)] if rows > 1 else [])]
            yield _Line(
                column.name,
                arrays,
                lambda found: (rows, found[0], math.sqrt(max(0.0, found[1])) if len(found) > 1 else np.nan),
            )

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


def described(column: Column) -> str:
    """A column's kind and range in a few words."""
    if column.kind is ColumnKind.CATEGORY:
        shown = ", ".join(column.categories[:8])
        return f"category: {shown}{', ...' if len(column.categories) > 8 else ''}"
    if column.kind is ColumnKind.KEY:
        return f"public key ({column.key})"
    return str(column.kind) if column.lo is None else f"{column.kind} from {column.lo} to {column.hi}"


class _Typed(SecretArray):
    """A stored column whose integers stand for something else."""

    __slots__ = ("_column",)

    _column: Column

    @classmethod
    def of(cls, stored: SecretArray, column: Column) -> _Typed:
        self = cls._new(stored._session, stored._node)
        assert isinstance(self, _Typed)
        self._column = column
        return self

    def _plain(self) -> SecretArray:
        return SecretArray._new(self._session, self._node)

    def _code(self, value: Any) -> Any:
        """What stands for a value that the column is compared with."""
        return value

    __hash__ = None

    def __eq__(self, other: Any) -> SecretArray:  # type: ignore[override]
        found: SecretArray = self._plain() == self._code(other)
        return found

    def __ne__(self, other: Any) -> SecretArray:  # type: ignore[override]
        found: SecretArray = self._plain() != self._code(other)
        return found


class CategoryArray(_Typed):
    """A column of categories: compared with their texts by == and !=, or by `isin`."""

    __slots__ = ()

    @property
    def categories(self) -> tuple[str, ...]:
        """All that its owners declared."""
        return self._column.categories

    def isin(self, values: Sequence[str]) -> SecretArray:
        """Where the category is one of these."""
        if isinstance(values, str) or not values:
            raise TypeError("isin takes a list of categories")
        found = self == values[0]
        for value in values[1:]:
            found = found | (self == value)
        return found

    def _code(self, value: Any) -> Any:
        if not isinstance(value, str):
            return value
        if value not in self._column.categories:
            raise InputError(
                f"{value!r} is no category of column {self._column.name}",
                hint=f"they are {', '.join(self._column.categories[:20])}",
            )
        return self._column.categories.index(value)

    def _decoded(self, stored: NDArray[Any]) -> NDArray[Any]:
        texts: NDArray[Any] = np.array(self._column.categories, dtype=object)[np.asarray(stored, dtype=np.int64)]
        return texts


class DateArray(_Typed):
    """A column of dates: compared with datetime.date; as a number, days since 1970-01-01."""

    __slots__ = ()

    def _code(self, value: Any) -> Any:
        if isinstance(value, np.datetime64):
            value = value.astype("datetime64[D]").item()
        if isinstance(value, str):
            try:
                value = date.fromisoformat(value)
            except ValueError:
                raise InputError(f"{value!r} is no date YYYY-MM-DD") from None
        return days(date(value.year, value.month, value.day)) if isinstance(value, date) else value

    def __lt__(self, other: Any) -> SecretArray:
        found: SecretArray = self._plain() < self._code(other)
        return found

    def __le__(self, other: Any) -> SecretArray:
        found: SecretArray = self._plain() <= self._code(other)
        return found

    def __gt__(self, other: Any) -> SecretArray:
        found: SecretArray = self._plain() > self._code(other)
        return found

    def __ge__(self, other: Any) -> SecretArray:
        found: SecretArray = self._plain() >= self._code(other)
        return found

    def _decoded(self, stored: NDArray[Any]) -> NDArray[Any]:
        return np.asarray(stored, dtype=np.int64).astype("datetime64[D]")
