"""SQL for the shell: one SELECT of aggregates over one dataset, as one plan.

    SELECT sex, COUNT(*), AVG(bmi), STDDEV(bmi) AS spread FROM patients WHERE age BETWEEN 40 AND 60 GROUP BY sex

Aggregates: COUNT(*), COUNT(column), SUM, AVG, VAR_SAMP, VAR_POP, STDDEV, STDDEV_POP, MIN, MAX of expressions with
+ - * / numbers, CASE WHEN; WHERE of comparisons, BETWEEN, IN, AND, OR, NOT. GROUP BY: columns of categories and bools,
whose values are public; a group is there for every one of them, also if it is empty. Sums and counts are revealed;
quotients and roots are taken here, and ORDER BY, HAVING and LIMIT are left to whoever has the answer.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from typing import Any

import sqlglot
from sqlglot import exp

from tercet.array import elementwise
from tercet.array.results import explain as explain_arrays
from tercet.array.secret import SecretArray
from tercet.client.aggregates import Cell, Group, Sheet, belongs, combinations, joined, ratio, root
from tercet.client.meanings import CategoryArray, DateArray
from tercet.client.remote import RemoteSession
from tercet.client.table import Table
from tercet.errors import InputError
from tercet.plan.explain import Explanation
from tercet.store.schema import Column

MAX_TEXT = 1 << 16
SQL = "sql"
"""The name under which a query's text is remembered with its job."""

_LIKE = "such as SELECT AVG(age), COUNT(*) FROM patients WHERE bmi > 30"

Value = SecretArray | bool | int | float | str


@dataclass(frozen=True)
class Answer:
    """A query's answer: names of the columns, and rows of plain values."""

    names: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]

    def __repr__(self) -> str:
        lines = [self.names, *(tuple(map(_cell, row)) for row in self.rows)]
        widths = [max(len(line[place]) for line in lines) for place in range(len(self.names))]
        return "\n".join(
            "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines
        )


def _cell(value: Any) -> str:
    return f"{value:.10g}" if isinstance(value, float) else str(value)


def ask(session: RemoteSession, sql: str) -> Answer:
    """Run a query as one job. Raises InputError for what is not offered, and what a job raises."""
    prepared = _Query(session, sql)
    with session.asking_about(sql=sql):
        return Answer(prepared.names, prepared.sheet.ask())


def explain(session: RemoteSession, sql: str) -> Explanation:
    """What a query would cost and reveal, and what each node's policy says to it."""
    prepared = _Query(session, sql)
    if not prepared.sheet.wanted:
        raise InputError("this query asks for nothing that is secret", hint="ask for a sum, a mean or a count")
    return explain_arrays(*prepared.sheet.wanted)


def answer_of(session: RemoteSession, job: str) -> Answer:
    """The answer of a query that was asked before, and held. Raises as `RemoteSession.fetch`."""
    sql = session.ticket(job).about.get(SQL)
    if sql is None:
        raise InputError(f"job {job} was no query", hint="fetch its values instead")
    prepared = _Query(session, sql)
    return Answer(prepared.names, prepared.sheet.answers(session.fetch(job)))


class _Query:
    """A query as arrays to be revealed, and what becomes of them."""

    def __init__(self, session: RemoteSession, sql: str) -> None:
        tree = _parsed(sql)
        source = tree.args.get("from_") or tree.args.get("from")
        if source is None or not isinstance(source.this, exp.Table) or tree.args.get("joins"):
            raise InputError("a query is about one dataset", hint="write FROM and its name")
        self.table = session.table(source.this.name)
        self._scalar = _Scalar(self.table)
        where = tree.args.get("where")
        condition = None if where is None else self._scalar.condition(where.this)
        columns = self._columns(tree.args.get("group"))
        self.names = tuple(_name(item, place) for place, item in enumerate(tree.expressions))
        rows: list[list[Cell]] = []
        for chosen in combinations(columns, "GROUP BY"):
            mask = condition
            for column, value in chosen.items():
                mine = belongs(self.table[column], value)
                mask = mine if mask is None else mask & mine
            aggregate = _Aggregate(self._scalar, Group(self.table.info.rows, mask), chosen)
            rows.append([aggregate.cell(item.unalias()) for item in tree.expressions])
        self.sheet = Sheet(rows)

    def _columns(self, group: Any) -> list[Column]:
        items = [] if group is None else group.expressions
        if not all(isinstance(item, exp.Column) for item in items):
            raise InputError("GROUP BY takes names of columns", hint="name columns of categories and bools")
        return [self.table.schema[item.name] for item in items]


def _parsed(sql: str) -> exp.Select:
    if len(sql) > MAX_TEXT:
        raise InputError("this query is too long", hint=_LIKE)
    try:
        trees = sqlglot.parse(sql)
    except sqlglot.errors.SqlglotError as error:
        raise InputError(f"this is no SQL: {str(error).splitlines()[0]}", hint=_LIKE) from None
    if len(trees) != 1 or not isinstance(trees[0], exp.Select):
        raise InputError("a query is one SELECT", hint=_LIKE)
    tree = trees[0]
    offered = {"expressions", "from", "from_", "where", "group", "kind", "joins"}
    for name, value in tree.args.items():
        if value and name not in offered:
            raise InputError(f"{name.upper().strip('_')} is not offered", hint="see `tercet query --help` for what is")
    return tree


def _is_bool(array: SecretArray) -> bool:
    return array.dtype.name == "bool"


def _name(item: exp.Expression, place: int) -> str:
    return item.alias or (item.name if isinstance(item, exp.Column) else item.sql()) or f"column {place + 1}"


class _Scalar:
    """Expressions about a row."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def condition(self, tree: exp.Expression) -> SecretArray:
        """A secret bool for each row."""
        found = self.value(tree)
        if isinstance(found, CategoryArray | DateArray) or not isinstance(found, SecretArray) or not _is_bool(found):
            raise InputError(f"{tree.sql()[:80]} is no condition", hint="compare it with a value")
        return found

    def number(self, tree: exp.Expression) -> SecretArray | int | float:
        """A number for each row, or a public one."""
        found = self.value(tree)
        if isinstance(found, CategoryArray | DateArray | str | bool):
            raise InputError(f"{tree.sql()[:80]} is no number", hint="compare it, and count")
        return found

    def value(self, tree: exp.Expression) -> Value:
        """Whatever an expression is."""
        if isinstance(tree, exp.Paren):
            return self.value(tree.this)
        if isinstance(tree, exp.Column):
            return self._table[tree.name]
        if isinstance(tree, exp.Literal):
            return tree.this if tree.is_string else (float(tree.this) if not tree.is_int else int(tree.this))
        if isinstance(tree, exp.Boolean):
            return bool(tree.this)
        if isinstance(tree, exp.Cast | exp.Date | exp.TsOrDsToDate):
            return self.value(tree.this)
        if isinstance(tree, exp.Neg):
            return -self.number(tree.this)
        if isinstance(tree, exp.Abs):
            inner = self.number(tree.this)
            return elementwise.abs(inner) if isinstance(inner, SecretArray) else abs(inner)
        if isinstance(tree, exp.Not):
            return ~self.condition(tree.this)
        if isinstance(tree, exp.And):
            return self.condition(tree.this) & self.condition(tree.expression)
        if isinstance(tree, exp.Or):
            return self.condition(tree.this) | self.condition(tree.expression)
        for kind, compute in _ARITHMETIC.items():
            if isinstance(tree, kind):
                result: Value = compute(self.number(tree.this), self.number(tree.expression))
                return result
        for kind, compare in _COMPARISONS.items():
            if isinstance(tree, kind):
                return self._compared(compare, tree.this, tree.expression)
        if isinstance(tree, exp.Between):
            low = self._compared(operator.ge, tree.this, tree.args["low"])
            return low & self._compared(operator.le, tree.this, tree.args["high"])
        if isinstance(tree, exp.In) and tree.expressions:
            places = [self._compared(operator.eq, tree.this, item) for item in tree.expressions]
            found = places[0]
            for place in places[1:]:
                found = found | place
            return found
        if isinstance(tree, exp.Case) and not tree.args.get("this"):
            return self._case(tree)
        raise InputError(f"{tree.sql()[:80]} is not offered in a query", hint="see `tercet query --help` for what is")

    def _compared(self, compare: Callable[[Any, Any], Any], left: exp.Expression, right: exp.Expression) -> SecretArray:
        a, b = self.value(left), self.value(right)
        if not isinstance(a, SecretArray):
            a, b, compare = b, a, _MIRRORED[compare]
        if not isinstance(a, SecretArray):
            raise InputError(f"{left.sql()[:40]} and {right.sql()[:40]} are both public", hint="compare a column")
        texts = isinstance(a, CategoryArray | DateArray)
        if isinstance(b, str | date) and not texts:
            hint = "it is a yes or no: write its name alone, or NOT before it" if _is_bool(a) else ""
            raise InputError(f"{left.sql()[:40]} is no column of categories or dates", hint=hint)
        if isinstance(a, CategoryArray) and (not isinstance(b, str) or compare not in (operator.eq, operator.ne)):
            raise InputError(
                f"{left.sql()[:40]} holds categories: compare them with texts, by = and <>",
                hint=f"they are {', '.join(a.categories[:20])}",
            )
        if isinstance(a, DateArray) and not isinstance(b, DateArray | str):
            raise InputError(f"{left.sql()[:40]} holds dates", hint="compare it with one, as '2020-01-31'")
        if isinstance(b, bool) and not texts and _is_bool(a) and compare in (operator.eq, operator.ne):
            return a if b == (compare is operator.eq) else ~a
        found: SecretArray = compare(a, b)
        return found

    def _case(self, tree: exp.Case) -> SecretArray:
        default = tree.args.get("default")
        if default is None:
            raise InputError("CASE without ELSE would leave values missing", hint="write ELSE")
        found: Any = self.number(default)
        for branch in reversed(tree.args["ifs"]):
            found = elementwise.where(self.condition(branch.this), self.number(branch.args["true"]), found)
        assert isinstance(found, SecretArray)
        return found


class _Aggregate:
    """Expressions about a group."""

    def __init__(self, scalar: _Scalar, group: Group, chosen: dict[str, Any]) -> None:
        self._scalar = scalar
        self._group = group
        self._chosen = chosen

    def cell(self, tree: exp.Expression) -> Cell:
        """What is revealed for an expression, and what is made of it."""
        if isinstance(tree, exp.Paren):
            return self.cell(tree.this)
        if isinstance(tree, exp.Column):
            if tree.name not in self._chosen:
                raise InputError(f"{tree.name} is of single rows, and secret", hint="aggregate it, or group by it")
            value = self._chosen[tree.name]
            return Cell((), lambda _: value)
        if isinstance(tree, exp.Literal) and not tree.is_string:
            number = float(tree.this) if not tree.is_int else int(tree.this)
            return Cell((), lambda _: number)
        for kind, compute in _PLAIN.items():
            if isinstance(tree, kind):
                return joined(self.cell(tree.this), self.cell(tree.expression), compute)
        if isinstance(tree, exp.Count):
            if tree.args.get("expressions") or isinstance(tree.this, exp.Distinct):
                raise InputError(
                    "COUNT(DISTINCT ...) is not offered: which values there are is secret",
                    hint="GROUP BY it, if it is of categories",
                )
            if not isinstance(tree.this, exp.Star):
                self._scalar.value(tree.this)  # no value is ever missing
            return self._group.count()
        if isinstance(tree, exp.Sum):
            return self._group.total(self._numbers(tree.this))
        if isinstance(tree, exp.Avg):
            return self._group.mean(self._numbers(tree.this))
        for kind, (correction, finish) in _SPREADS.items():
            if isinstance(tree, kind):
                return self._group.variance(self._numbers(tree.this), correction, finish)
        if isinstance(tree, exp.Min | exp.Max):
            return self._group.extreme(self._numbers(tree.this), least=isinstance(tree, exp.Min))
        raise InputError(f"{tree.sql()[:80]} is no aggregate that is offered", hint="see `tercet query --help`")

    def _numbers(self, tree: exp.Expression) -> SecretArray:
        found = self._scalar.number(tree)
        if not isinstance(found, SecretArray):
            raise InputError(f"{tree.sql()[:80]} is public", hint="aggregate a column")
        return found


_ARITHMETIC: dict[type[exp.Expression], Callable[[Any, Any], Any]] = {
    exp.Add: operator.add,
    exp.Sub: operator.sub,
    exp.Mul: operator.mul,
    exp.Div: operator.truediv,
}
_PLAIN = {**_ARITHMETIC, exp.Div: ratio}
_COMPARISONS: dict[type[exp.Expression], Callable[[Any, Any], Any]] = {
    exp.EQ: operator.eq,
    exp.NEQ: operator.ne,
    exp.LT: operator.lt,
    exp.LTE: operator.le,
    exp.GT: operator.gt,
    exp.GTE: operator.ge,
}
_MIRRORED = {
    operator.eq: operator.eq,
    operator.ne: operator.ne,
    operator.lt: operator.gt,
    operator.le: operator.ge,
    operator.gt: operator.lt,
    operator.ge: operator.le,
}
_SPREADS: dict[type[exp.Expression], tuple[int, Callable[[float], float]]] = {
    exp.Variance: (1, float),
    exp.VariancePop: (0, float),
    exp.Stddev: (1, root),
    exp.StddevSamp: (1, root),
    exp.StddevPop: (0, root),
}
