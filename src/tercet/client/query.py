"""SQL: one SELECT of aggregates over one dataset, or two joined by their public keys, as one plan.

    SELECT sex, COUNT(*), AVG(bmi), STDDEV(bmi) AS spread FROM patients WHERE age BETWEEN 40 AND 60 GROUP BY sex

Aggregates: COUNT(*), COUNT(column), SUM, AVG, VAR_SAMP, VAR_POP, STDDEV, STDDEV_POP, MIN, MAX of expressions with
+ - * / numbers, CASE WHEN, COALESCE, NULLIF. WHERE: comparisons, BETWEEN, IN, IS NULL, AND, OR, NOT. GROUP BY: columns
of categories and bools, whose values are public; the answer has a group for each value (and for NULL, if the column is
nullable), also for values that no row has. Sums and counts are revealed; quotients and roots of them are computed on
this machine. ORDER BY, HAVING and LIMIT are not offered: apply them to the answer. MIN and MAX are values of single
rows: nodes answer them if a rule of their policy names the column under `per_row`.

Missing values are NULL as in other databases: aggregates skip them, and conditions follow three-valued logic. SUM, MIN
and MAX also reveal whether there was a row, since they are NULL if there was none.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Any, Protocol

from sqlglot import exp

from tercet.array.core import SecretArray
from tercet.array.nullable import maybe, split
from tercet.array.results import explain as explain_arrays
from tercet.client.aggregates import Answers, Cell, Group, Sheet, belongs, combinations, joined, ratio, root
from tercet.client.asking import Ticket
from tercet.client.column_arrays import DateArray
from tercet.client.sql_rows import RowExpressions
from tercet.client.sql_select import HELP, Tables, parsed, source_of
from tercet.errors import InputError
from tercet.plan.record.explain import Explanation
from tercet.store.schema import EPOCH

_NULL = Cell((), lambda _: None)
_SPREADS: dict[type[exp.Expression], tuple[int, Callable[[float], float]]] = {
    exp.Variance: (1, float),
    exp.VariancePop: (0, float),
    exp.Stddev: (1, root),
    exp.StddevSamp: (1, root),
    exp.StddevPop: (0, root),
}
_WHOLE = 1e15
"""Whole numbers from here on are not exact as floats, and told to ten digits."""
SQL = "sql"
"""The name under which a query's text is stored with its job."""


class Aggregates:
    """Expressions about a group: aggregates, and arithmetic with them. `chosen`: the group's values of GROUP BY."""

    def __init__(self, rows: RowExpressions, group: Group, chosen: dict[str, Any]) -> None:
        self._rows = rows
        self._group = group
        self._chosen = chosen

    def cell(self, tree: exp.Expression) -> Cell:
        """An expression as an aggregate; its answer is None for NULL."""
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
        raise InputError(f"{tree.sql()[:80]} is no aggregate that is offered", hint=HELP)

    def _computed(self, tree: exp.Expression, compute: Callable[[Any, Any], Any]) -> Cell:
        """Arithmetic with two aggregates. Two dates can only be subtracted, which gives days."""
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
        """The group's value of a GROUP BY column; None for other expressions."""
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
        """An aggregate of numbers; it is NULL if all values are NULL, or if it is NaN."""
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
    """An aggregate of one value for all rows, such as `n IS NULL` if n is not nullable: the number of rows tells it."""
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
    """Arithmetic with plain values that may be NULL; a decimal with a float gives a float."""

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


class Asking(Tables, Protocol):
    """What queries need of a session."""

    def asking_about(self, **facts: str) -> AbstractContextManager[None]:
        """Facts that are stored with the jobs run inside."""

    def ticket(self, job: str) -> Ticket:
        """What is stored of a job."""

    def fetch(self, job: str) -> tuple[Any, ...]:
        """The values that a held job reveals."""


@dataclass(frozen=True)
class Answer:
    """A query's answer: names of the columns, and rows of plain values; None is NULL, decimals are exact."""

    names: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]
    note: str = ""
    """A sentence about groups that are not shown, since too few rows are in them; empty if all are shown."""

    def __repr__(self) -> str:
        lines = [self.names, *(tuple(map(cell_text, row)) for row in self.rows)]
        widths = [max(len(line[place]) for line in lines) for place in range(len(self.names))]
        shown = [
            "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines
        ]
        return "\n".join([*shown, self.note] if self.note else shown)


def cell_text(value: Any, *, grouped: bool = False) -> str:
    """A value of an answer as people read it: whole numbers whole, decimals with all their digits, others to ten.

    `grouped`: digits in threes. Answers themselves, commands and pages call it.
    """
    comma = "," if grouped else ""
    if value is None:
        return "NULL"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return f"{value:{comma}.0f}" if value.is_integer() and abs(value) < _WHOLE else f"{value:{comma}.10g}"
    return f"{value:{comma}}" if isinstance(value, int | Decimal) else str(value)


def ask(session: Asking, sql: str) -> Answer:
    """Run a query as one job. Raises InputError for what is not offered; and all that jobs raise."""
    prepared = _Query(session, sql)
    with session.asking_about(sql=sql):
        return prepared.answer(prepared.sheet.ask())


def explain(session: Asking, sql: str) -> Explanation:
    """What a query would cost and reveal, and what each node's policy says to it."""
    prepared = _Query(session, sql)
    if not prepared.sheet.wanted:
        raise InputError(
            "this query asks for nothing that is secret: it is answered from what is public, and no job runs",
            hint="ask it, it costs nothing; to be explained, ask for a sum, a mean or a count under a condition",
        )
    return explain_arrays(*prepared.sheet.wanted)


def answer_of(session: Asking, job: str) -> Answer:
    """The answer of an earlier query that was held. Raises as `RemoteSession.fetch`."""
    sql = session.ticket(job).about.get(SQL)
    if sql is None:
        raise InputError(f"job {job} was no query", hint="fetch its values instead")
    prepared = _Query(session, sql)
    return prepared.answer(prepared.sheet.answers(session.fetch(job)))


class _Query:
    """A query as a table of aggregates: a line for each group, a cell for each expression of SELECT."""

    def __init__(self, session: Asking, sql: str) -> None:
        tree = parsed(sql)
        self.table, names = source_of(session, tree)
        about = RowExpressions(self.table, names)
        where = tree.args.get("where")
        condition = None if where is None else self._mask(about.condition(where.this))
        group = tree.args.get("group")
        columns = [self.table.schema[about.name_of(item)] for item in (group.expressions if group else [])]
        self.names = tuple(_name(item, place) for place, item in enumerate(tree.expressions))
        rows: list[list[Cell]] = []
        groups: list[Group] = []
        hiding = self.table.hiding
        for chosen in combinations(columns, "GROUP BY", missing=True):
            mask = condition
            for column, value in chosen.items():
                mine = belongs(self.table[column], value)
                mask = mine if mask is None else mask & mine
            groups.append(Group(hiding, mask))
            aggregate = Aggregates(about, groups[-1], chosen)
            rows.append([aggregate.cell(item.unalias()) for item in tree.expressions])
        self.sheet = Sheet(rows, self.table.info.cohort, [groups] if columns else [])

    def answer(self, rows: Answers) -> Answer:
        """The answer, with its note."""
        return Answer(self.names, rows, self.sheet.note("groups"))

    def _mask(self, condition: SecretArray | bool) -> SecretArray | None:
        """The rows that WHERE chooses; None for all."""
        if isinstance(condition, SecretArray):
            return condition
        if condition:
            return None
        # false in every row
        column = split(self.table[self.table.columns[0]])[0]._plain()
        never: SecretArray = column != column
        return never


def _name(item: exp.Expression, place: int) -> str:
    return item.alias or (item.name if isinstance(item, exp.Column) else item.sql("postgres")) or f"column {place + 1}"
