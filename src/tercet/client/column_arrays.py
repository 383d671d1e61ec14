"""Columns of categories and of dates as secret arrays: compared with texts and dates, but no numbers."""

from __future__ import annotations

import functools
import operator
from abc import abstractmethod
from collections.abc import Callable, Sequence
from datetime import date, datetime, time, timedelta
from functools import partial
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from tercet.array import elementwise, manipulation, statistics
from tercet.array.core import SecretArray
from tercet.array.nullable import with_where
from tercet.array.opaque import OpaqueArray
from tercet.errors import InputError
from tercet.store.schema import Column, days

_SHOWN = 20


class ColumnArray(OpaqueArray):
    """Elements of a stored column whose integers stand for categories or dates."""

    __slots__ = ("_column",)
    __hash__ = None  # type: ignore[assignment]

    _column: Column
    _comparisons: ClassVar[tuple[Any, ...]] = (elementwise.equal, elementwise.not_equal)
    """The comparisons that mean something for this kind."""

    @classmethod
    def of_column(cls, stored: SecretArray, column: Column) -> Self:
        """A stored column of this kind."""
        self = cls.of(stored)
        self._column = column
        return self

    def _again(self, numbers: SecretArray) -> Self:
        return type(self).of_column(numbers, self._column)

    def _code(self, value: Any) -> Any:
        """The integers that stand for a value, or for each of a list or array. TypeError or InputError for others."""
        if isinstance(value, list | tuple | np.ndarray) and np.ndim(value):
            array = np.asarray(value)
            codes = [self._code_of(one) for one in array.reshape(-1)]
            return np.array(codes, dtype=np.int64).reshape(array.shape)
        if isinstance(value, np.ndarray):
            value = value[()]
        return self._code_of(value)

    @abstractmethod
    def _code_of(self, value: Any) -> Any:
        """The same of one value, or of an array of this kind."""

    def _coded(self, value: Any) -> Any:
        return self._code(value)

    def _takes(self, value: Any) -> bool:
        return True

    @classmethod
    def _own_way(cls, function: Any) -> Callable[..., SecretArray | None] | None:
        return partial(cls._compared, function) if function in cls._comparisons else _OWN_WAYS.get(function)

    @classmethod
    def _compared(cls, function: Any, a: Any, b: Any) -> SecretArray:
        kind = a if isinstance(a, cls) else b
        found: SecretArray = function(kind._code(a), kind._code(b))
        return found

    def isin(self, values: Sequence[Any]) -> SecretArray:
        """Where it is one of these."""
        if isinstance(values, str) or not len(values):
            raise TypeError(f"isin takes a list of values for column {self._column.name}, such as ['a', 'b']")
        found: SecretArray = functools.reduce(operator.or_, [self == value for value in values])
        return found


class CategoryArray(ColumnArray):
    """A column of categories: compared with their texts by == and !=, or by `isin`."""

    __slots__ = ()

    @property
    def categories(self) -> tuple[str, ...]:
        """All that its owners declared."""
        return self._column.categories

    def _refusal(self) -> str:
        name, first = self._column.name, self.categories[0]
        return (
            f"column {name} holds categories, which are no numbers and have no order: compare them, "
            f"as in table[{name!r}] == {first!r}, and compute with the result; or table.groupby({name!r}); "
            "codes gives their places as declared"
        )

    @property
    def codes(self) -> SecretArray:
        """The place of each category among `categories`, as secret integers."""
        return self._numbers

    def _ranked(self, *, ordered: bool = True) -> tuple[SecretArray, SecretArray | None]:
        return super()._ranked() if ordered else (self._numbers, None)

    def _code_of(self, value: Any) -> Any:
        if isinstance(value, CategoryArray) and value.categories == self.categories:
            return value._numbers
        if not isinstance(value, str):
            raise TypeError(
                f"column {self._column.name} holds categories: compare it with one of their texts, "
                f"as {self.categories[0]!r}, not with {_a(value)}"
            )
        if value not in self.categories:
            raise InputError(
                f"{value!r} is no category of column {self._column.name}",
                hint=f"they are {', '.join(self.categories[:_SHOWN])}",
            )
        return self.categories.index(value)

    def _decoded(self, stored: NDArray[Any]) -> NDArray[Any]:
        texts: NDArray[Any] = np.array(self.categories, dtype=object)[np.asarray(stored, dtype=np.int64)]
        return texts

    def __repr__(self) -> str:
        shown = ", ".join(self.categories[:8]) + (", ..." if len(self.categories) > 8 else "")
        return f"CategoryArray({self._column.name}: {shown}; shape {self.shape})"


class DateArray(ColumnArray):
    """A column of dates: compared with datetime.date, shifted by days, subtracted to give days."""

    __slots__ = ()
    _ordered = True
    _comparisons = (
        *ColumnArray._comparisons,
        *(elementwise.less, elementwise.less_equal, elementwise.greater, elementwise.greater_equal),
    )

    @classmethod
    def _own_way(cls, function: Any) -> Callable[..., SecretArray | None] | None:
        return _DATE_WAYS.get(function) or super()._own_way(function)

    def _refusal(self) -> str:
        name = self._column.name
        return (
            f"column {name} holds dates, which are no numbers: subtract a date to have days, as in "
            f"table[{name!r}] - date(2000, 1, 1), and compute with those; min, max, mean and quantiles are dates again"
        )

    def _code_of(self, value: Any) -> Any:
        if isinstance(value, DateArray):
            return value._numbers
        if isinstance(value, str):
            try:
                return days(date.fromisoformat(value))
            except ValueError:
                raise InputError(
                    f"{value!r} is no date", hint="write it as YYYY-MM-DD, or pass datetime.date"
                ) from None
        if isinstance(value, np.datetime64):
            value = value.item()
        if isinstance(value, datetime):
            if value.time() != time():
                raise InputError(
                    f"column {self._column.name} holds dates without a time of day", hint="pass a datetime.date"
                )
            value = value.date()
        if not isinstance(value, date):
            raise TypeError(
                f"column {self._column.name} holds dates: compare it with a datetime.date, not with {_a(value)}"
            )
        return days(value)

    @with_where
    def mean(self, axis: Any = None, *, keepdims: bool = False) -> SecretArray:
        """The mean date, revealed as the nearest day."""
        return self._again(statistics.mean(self._numbers, axis=axis, keepdims=keepdims))

    @with_where
    def std(self, axis: Any = None, *, ddof: float = 0, keepdims: bool = False) -> SecretArray:
        """The standard deviation in days."""
        return statistics.std(self._numbers, axis=axis, correction=ddof, keepdims=keepdims)

    def _coded(self, value: Any) -> Any:
        # a number of bins, or none given, stays what it is
        return value if value is None or isinstance(value, int | np.integer) else self._code(value)

    def _named(self, numbers: NDArray[Any]) -> NDArray[Any]:
        whole = bool((np.rint(numbers) == numbers).all())
        unit, steps = ("D", 1) if whole else ("s", 86_400)
        named: NDArray[Any] = np.rint(numbers * steps).astype(np.int64).astype(f"datetime64[{unit}]")
        return named

    def _composed(self, found: Sequence[NDArray[Any]]) -> Any:
        days = np.rint(np.asarray(self._numbers._composed(found), dtype=np.float64))
        there = np.isfinite(days)  # NaN is the mean of no dates
        dates = np.where(there, days, 0).astype(np.int64).astype("datetime64[D]")
        return np.where(there, dates, np.datetime64("NaT"))[()]

    def __repr__(self) -> str:
        return f"DateArray({self._column.name}: {self._column.lo} to {self._column.hi}; shape {self.shape})"


# ---- replacements of functions of the namespace ----


def _where(condition: Any, x1: Any, x2: Any) -> SecretArray | None:
    """`where` with values of one kind."""
    for kind in (x1, x2):
        if isinstance(kind, ColumnArray):
            return kind._again(elementwise.where(condition, kind._code(x1), kind._code(x2)))
    return None


def _later(a: Any, b: Any) -> SecretArray:
    """The date so many days later."""
    dates, shift = (a, b) if isinstance(a, DateArray) else (b, a)
    return dates._again(dates._numbers + _shift(shift, dates._column.name))


def _between(a: Any, b: Any) -> SecretArray:
    """Days between two dates; or the date so many days before."""
    if isinstance(a, DateArray) and not isinstance(b, DateArray | date | np.datetime64 | str):
        return a._again(a._numbers - _shift(b, a._column.name))
    dates = a if isinstance(a, DateArray) else b
    return elementwise.subtract(dates._code(a), dates._code(b))


def _chosen(function: Callable[..., SecretArray], a: Any, b: Any) -> SecretArray:
    """The earlier or the later of two dates."""
    dates = a if isinstance(a, DateArray) else b
    return dates._again(function(dates._code(a), dates._code(b)))


def _concat(arrays: Sequence[Any], *, axis: int | None = 0) -> SecretArray:
    """Columns of one kind, or public values of it, one behind the other."""
    kind = next(array for array in arrays if isinstance(array, ColumnArray))
    return kind._again(manipulation.concat([kind._code(array) for array in arrays], axis=axis))


_OWN_WAYS: dict[Any, Callable[..., SecretArray | None]] = {elementwise.where: _where, manipulation.concat: _concat}
_DATE_WAYS: dict[Any, Callable[..., SecretArray | None]] = {
    elementwise.add: _later,
    elementwise.subtract: _between,
    elementwise.minimum: partial(_chosen, elementwise.minimum),
    elementwise.maximum: partial(_chosen, elementwise.maximum),
    statistics.mean: lambda x, **options: x.mean(**options),
    statistics.std: lambda x, *, correction=0, **options: x.std(ddof=correction, **options),
}


def _shift(value: Any, name: str) -> Any:
    """Days that are added to a date: a number, an array of integers, or a timedelta."""
    if isinstance(value, timedelta | np.timedelta64):
        length = np.timedelta64(value)
        whole = length.astype("timedelta64[D]")
        if whole != length:
            raise InputError(f"column {name} holds dates without a time of day", hint="add whole days")
        return int(whole.astype(np.int64))
    secret = isinstance(value, SecretArray) and not isinstance(value, OpaqueArray) and value.dtype.name == "integer"
    public = isinstance(value, int | np.integer) and not isinstance(value, bool)
    if secret or public or (isinstance(value, np.ndarray) and value.dtype.kind in "iu"):
        return value
    raise TypeError(f"column {name} holds dates: add a whole number of days to them, not {_a(value)}")


def _a(value: Any) -> str:
    return f"a value of type {type(value).__name__}"
