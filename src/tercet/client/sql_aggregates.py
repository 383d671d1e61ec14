"""Expressions of SQL about the rows of a group: aggregates, and arithmetic with them."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

from sqlglot import exp

from tercet.array.core import SecretArray
from tercet.array.nullable import maybe, split
from tercet.client.aggregates import Cell, Group, joined, ratio, root
from tercet.client.column_arrays import DateArray
from tercet.client.sql_rows import RowExpressions
from tercet.errors import InputError
from tercet.store.schema import EPOCH

_NULL = Cell((), lambda _: None)


class Aggregates:
    """Expressions about a group, of which `chosen` are the values that it is grouped by."""

    def __init__(self, rows: RowExpressions, group: Group, chosen: dict[str, Any]) -> None:
        self._rows = rows
        self._group = group
        self._chosen = chosen

    def cell(self, tree: exp.Expression) -> Cell:
        """What is revealed for an expression, and what is made of it; None where it is NULL."""
        if isinstance(tree, exp.Paren):
            return self.cell(tree.this)
        if isinstance(tree, exp.Column):
            name = self._rows.name_of(tree)
            if name not in self._chosen:
                raise InputError(f"{tree.name} is of single rows, and secret", hint="aggregate it, or group by it")
            value = self._chosen[name]
            return Cell((), lambda _: value)
        if isinstance(tree, exp.Literal) and not tree.is_string:
            number = float(tree.this) if not tree.is_int else int(tree.this)
            return Cell((), lambda _: number)
        if (compute := _PLAIN.get(type(tree))) is not None:
            return self._computed(tree, compute)
        if isinstance(tree, exp.Count):
            return self._count(tree)
        if isinstance(tree, exp.Sum):
            return self._of(tree, _total)
        if isinstance(tree, exp.Avg):
            return self._of(tree, Group.mean)
        if (spread := _SPREADS.get(type(tree))) is not None:
            return self._of(tree, lambda group, values: group.variance(values, *spread))
        if isinstance(tree, exp.Min | exp.Max):
            return self._extreme(tree)
        raise InputError(f"{tree.sql()[:80]} is no aggregate that is offered", hint="see `tercet query --help`")

    def _computed(self, tree: exp.Expression, compute: Callable[[Any, Any], Any]) -> Cell:
        """Arithmetic of two aggregates. Of dates there are differences only, in days."""
        sides = tree.this, tree.expression
        dates = [self._is_date(side) for side in sides]
        if all(dates) and isinstance(tree, exp.Sub):
            return joined(self.cell(tree.this), self.cell(tree.expression), _days)
        for side, of_dates in zip(sides, dates, strict=True):
            if of_dates or isinstance(self._value_of_group(side), str):
                hint = "of two dates take the difference" if of_dates else "aggregate a column of numbers"
                raise InputError(f"{side.sql()[:80]} is no number", hint=hint)
        return joined(self.cell(tree.this), self.cell(tree.expression), compute)

    def _is_date(self, tree: exp.Expression) -> bool:
        """Whether an aggregate is a date: the first or last one."""
        inner = tree.unnest()
        return isinstance(inner, exp.Min | exp.Max) and isinstance(split(self._rows.value(inner.this))[0], DateArray)

    def _value_of_group(self, tree: exp.Expression) -> Any:
        """What the group has in a column that it is grouped by; None for other expressions."""
        inner = tree.unnest()
        return self._chosen.get(self._rows.name_of(inner)) if isinstance(inner, exp.Column) else None

    def _count(self, tree: exp.Count) -> Cell:
        if tree.args.get("expressions") or isinstance(tree.this, exp.Distinct):
            raise InputError(
                "COUNT(DISTINCT ...) is not offered: which values there are is secret",
                hint="GROUP BY it, if it is of categories",
            )
        if isinstance(tree.this, exp.Star):
            return self._group.count()
        with self._rows.noting() as conditions:
            value = self._rows.value(tree.this)
        if value is None:
            return Cell((), lambda _: 0)
        group = self._group.given(conditions)
        return group.of(value)[1].count() if isinstance(value, SecretArray) else group.count()

    def _extreme(self, tree: exp.Min | exp.Max) -> Cell:
        with self._rows.noting() as conditions:
            found = self._rows.value(tree.this)
        inner, valid = split(found)
        least = isinstance(tree, exp.Min)
        if isinstance(inner, DateArray):
            days = self._group.given(conditions).extreme(maybe(inner._plain(), valid), least=least)
            return days.then(_day)
        return self._of(tree, lambda group, values: group.extreme(values, least=least))

    def _of(self, tree: exp.Expression, aggregate: Callable[[Group, SecretArray], Cell]) -> Cell:
        """An aggregate of numbers; of NULL alone, and where it is NaN, it is NULL."""
        with self._rows.noting() as conditions:
            found = self._rows.number(tree.this)
        if found is None:
            return _NULL
        if not isinstance(found, SecretArray):
            if tree.this.find(exp.Column) is None:
                raise InputError(f"{tree.this.sql()[:80]} is public", hint="aggregate a column")
            return _of_one_value(tree, self._group.given(conditions), found)
        return aggregate(self._group.given(conditions), found).then(_or_null)


def _total(group: Group, values: SecretArray) -> Cell:
    """The sum; NULL of no rows."""
    some = group.of(values)[1].some()
    return joined(group.total(values), some, lambda total, there: total if there else None)


def _of_one_value(tree: exp.Expression, group: Group, value: int | float) -> Cell:
    """Of what is the same in all rows, as `n IS NULL` is where nothing is missing: how many rows there are says it."""
    if isinstance(tree, exp.Sum):
        return group.count().then(lambda rows: value * rows if rows else None)
    if (spread := _SPREADS.get(type(tree))) is not None:
        return group.count().then(lambda rows: 0.0 if rows > spread[0] else None)
    return group.some().then(lambda there: (float(value) if isinstance(tree, exp.Avg) else value) if there else None)


def _or_null(value: Any) -> Any:
    return None if isinstance(value, float) and math.isnan(value) else value


def _day(number: int | None) -> Any:
    return None if number is None else EPOCH + timedelta(int(number))


def _days(a: date | None, b: date | None) -> int | None:
    return None if a is None or b is None else (a - b).days


def _of_two(compute: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    """Arithmetic with plain values of which one may be NULL; decimals with floats are floats."""

    def computed(a: Any, b: Any) -> Any:
        if a is None or b is None:
            return None
        if isinstance(a, Decimal) != isinstance(b, Decimal) and isinstance(a if isinstance(b, Decimal) else b, float):
            a, b = float(a), float(b)
        return _or_null(compute(a, b))

    return computed


_PLAIN: dict[type[exp.Expression], Callable[[Any, Any], Any]] = {
    exp.Add: _of_two(operator.add),
    exp.Sub: _of_two(operator.sub),
    exp.Mul: _of_two(operator.mul),
    exp.Div: _of_two(ratio),
}
_SPREADS: dict[type[exp.Expression], tuple[int, Callable[[float], float]]] = {
    exp.Variance: (1, float),
    exp.VariancePop: (0, float),
    exp.Stddev: (1, root),
    exp.StddevSamp: (1, root),
    exp.StddevPop: (0, root),
}
