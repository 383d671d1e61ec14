"""SQL for the shell: one SELECT of aggregates over one dataset, as one plan.

    SELECT sex, COUNT(*), AVG(bmi), STDDEV(bmi) AS spread FROM patients WHERE age BETWEEN 40 AND 60 GROUP BY sex

Aggregates: COUNT(*), COUNT(column), SUM, AVG, VAR_SAMP, VAR_POP, STDDEV, STDDEV_POP, MIN, MAX of expressions with
+ - * / numbers, CASE WHEN; WHERE of comparisons, BETWEEN, IN, AND, OR, NOT. GROUP BY: columns of categories and bools,
whose values are public; a group is there for every one of them, also if it is empty. Sums and counts are revealed;
quotients and roots are taken here, and ORDER BY, HAVING and LIMIT are left to whoever has the answer.
"""

from __future__ import annotations

import itertools
import math
import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import sqlglot
from sqlglot import exp

from tercet.array import elementwise, statistics
from tercet.array.results import explain as explain_arrays
from tercet.array.results import reveal
from tercet.array.secret import SecretArray
from tercet.client.remote import RemoteSession
from tercet.client.table import CategoryArray, DateArray, Table
from tercet.errors import InputError
from tercet.plan.explain import Explanation
from tercet.store.schema import ColumnKind

MAX_GROUPS = 256
MAX_TEXT = 1 << 16
SQL = "sql"
"""The name under which a query's text is remembered with its job."""

Value = SecretArray | bool | int | float | str
Finish = Callable[[list[float]], Any]


@dataclass(frozen=True)
class Answer:
    """A query's answer: names of the columns, and rows of plain values."""

    names: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]


@dataclass(frozen=True)
class _Cell:
    """One aggregate: what is revealed for it, and how the answer comes of that; or a value that is public already."""

    arrays: tuple[SecretArray, ...]
    finish: Finish


def ask(session: RemoteSession, sql: str) -> Answer:
    """Run a query as one job. Raises InputError for what is not offered, and what a job raises."""
    prepared = _Query(session, sql)
    with session.asking_about(sql=sql):
        plain = reveal(*prepared.wanted) if prepared.wanted else ()
    return prepared.answer([plain] if len(prepared.wanted) == 1 else list(plain))


def explain(session: RemoteSession, sql: str) -> Explanation:
    """What a query would cost and reveal, and what each node's policy says to it."""
    prepared = _Query(session, sql)
    if not prepared.wanted:
        raise InputError("this query asks for nothing that is secret")
    return explain_arrays(*prepared.wanted)


def answer_of(session: RemoteSession, job: str) -> Answer:
    """The answer of a query that was asked before, and held. Raises as `RemoteSession.fetch`."""
    sql = session.ticket(job).about.get(SQL)
    if sql is None:
        raise InputError(f"job {job} was no query", hint="fetch its values instead")
    prepared = _Query(session, sql)
    return prepared.answer(list(session.fetch(job)))


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
        groups = self._groups(tree.args.get("group"))
        self.names = tuple(_name(item, place) for place, item in enumerate(tree.expressions))
        self._cells: list[list[_Cell]] = []
        for values in itertools.product(*(choices for _, choices in groups)):
            chosen = {column: value for (column, _), value in zip(groups, values, strict=True)}
            mask = condition
            for column, value in chosen.items():
                mine = self._scalar.equals(column, value)
                mask = mine if mask is None else mask & mine
            aggregate = _Aggregate(self._scalar, self.table.info.rows, mask, chosen)
            self._cells.append([aggregate.cell(item.unalias()) for item in tree.expressions])
        self.wanted = [array for row in self._cells for cell in row for array in cell.arrays]

    def answer(self, plain: Sequence[Any]) -> Answer:
        """The answer, from the values of `wanted`."""
        values = iter(plain)
        rows = tuple(
            tuple(cell.finish([_number(next(values)) for _ in cell.arrays]) for cell in row) for row in self._cells
        )
        return Answer(self.names, rows)

    def _groups(self, group: Any) -> list[tuple[str, Sequence[Any]]]:
        groups: list[tuple[str, Sequence[Any]]] = []
        for item in [] if group is None else group.expressions:
            if not isinstance(item, exp.Column):
                raise InputError("GROUP BY takes names of columns")
            column = self.table.schema[item.name]
            if column.kind is ColumnKind.CATEGORY:
                groups.append((column.name, column.categories))
            elif column.kind is ColumnKind.BOOL:
                groups.append((column.name, (False, True)))
            else:
                raise InputError(
                    f"GROUP BY {column.name}: which values there are is secret", hint="group by categories and bools"
                )
        if math.prod(len(choices) for _, choices in groups) > MAX_GROUPS:
            raise InputError(f"GROUP BY makes more than {MAX_GROUPS} groups")
        return groups


def _parsed(sql: str) -> exp.Select:
    if len(sql) > MAX_TEXT:
        raise InputError("this query is too long")
    try:
        trees = sqlglot.parse(sql)
    except sqlglot.errors.SqlglotError as error:
        raise InputError(f"this is no SQL: {str(error).splitlines()[0]}") from None
    if len(trees) != 1 or not isinstance(trees[0], exp.Select):
        raise InputError("a query is one SELECT")
    tree = trees[0]
    offered = {"expressions", "from", "from_", "where", "group", "kind", "joins"}
    for name, value in tree.args.items():
        if value and name not in offered:
            raise InputError(f"{name.upper().strip('_')} is not offered", hint="see `tercet query --help` for what is")
    return tree


def _name(item: exp.Expression, place: int) -> str:
    return item.alias or (item.name if isinstance(item, exp.Column) else item.sql()) or f"column {place + 1}"


def _number(value: Any) -> float:
    found: float = value.item() if hasattr(value, "item") else value
    return found


class _Scalar:
    """Expressions about a row."""

    def __init__(self, table: Table) -> None:
        self._table = table

    def equals(self, column: str, value: Any) -> SecretArray:
        """Where a column of categories or bools has this value."""
        array = self._table[column]
        if isinstance(value, bool):
            return array if value else ~array
        found: SecretArray = array == value
        return found

    def condition(self, tree: exp.Expression) -> SecretArray:
        """A secret bool for each row."""
        found = self.value(tree)
        if not isinstance(found, SecretArray) or not found.node.type.is_bool:
            raise InputError(f"{tree.sql()[:80]} is no condition")
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
            raise InputError(f"{left.sql()[:40]} and {right.sql()[:40]} are both public")
        texts = isinstance(a, CategoryArray | DateArray)
        if isinstance(b, str | date) and not texts:
            hint = "it is a yes or no: write its name alone, or NOT before it" if a.node.type.is_bool else ""
            raise InputError(f"{left.sql()[:40]} is no column of categories or dates", hint=hint)
        if isinstance(a, CategoryArray) and (not isinstance(b, str) or compare not in (operator.eq, operator.ne)):
            raise InputError(f"{left.sql()[:40]} holds categories: compare them with texts, by = and <>")
        if a.node.type.is_bool and isinstance(b, bool) and compare in (operator.eq, operator.ne):
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

    def __init__(self, scalar: _Scalar, rows: int, mask: SecretArray | None, group: dict[str, Any]) -> None:
        self._scalar = scalar
        self._rows = rows
        self._mask = mask
        self._group = group

    def cell(self, tree: exp.Expression) -> _Cell:
        """What is revealed for an expression, and what is made of it."""
        if isinstance(tree, exp.Paren):
            return self.cell(tree.this)
        if isinstance(tree, exp.Column):
            if tree.name not in self._group:
                raise InputError(f"{tree.name} is of single rows, and secret", hint="aggregate it, or group by it")
            value = self._group[tree.name]
            return _Cell((), lambda _: value)
        if isinstance(tree, exp.Literal) and not tree.is_string:
            number = float(tree.this) if not tree.is_int else int(tree.this)
            return _Cell((), lambda _: number)
        for kind, compute in _PLAIN.items():
            if isinstance(tree, kind):
                return _joined(self.cell(tree.this), self.cell(tree.expression), compute)
        if isinstance(tree, exp.Count):
            if tree.args.get("expressions") or isinstance(tree.this, exp.Distinct):
                raise InputError("COUNT(DISTINCT ...) is not offered: which values there are is secret")
            if not isinstance(tree.this, exp.Star):
                self._scalar.value(tree.this)  # no value is ever missing
            return self._count()
        if isinstance(tree, exp.Sum):
            return _Cell((self._sum(self._numbers(tree.this)),), operator.itemgetter(0))
        if isinstance(tree, exp.Avg):
            return _joined(_Cell((self._sum(self._numbers(tree.this)),), operator.itemgetter(0)), self._count(), _ratio)
        for kind, (correction, finish) in _SPREADS.items():
            if isinstance(tree, kind):
                return self._spread(self._numbers(tree.this), correction, finish)
        if isinstance(tree, exp.Min | exp.Max):
            return self._extreme(self._numbers(tree.this), least=isinstance(tree, exp.Min))
        raise InputError(f"{tree.sql()[:80]} is no aggregate that is offered", hint="see `tercet query --help`")

    def _numbers(self, tree: exp.Expression) -> SecretArray:
        found = self._scalar.number(tree)
        if not isinstance(found, SecretArray):
            raise InputError(f"{tree.sql()[:80]} is public")
        return found

    def _count(self) -> _Cell:
        if self._mask is None:
            return _Cell((), lambda _: self._rows)
        return _Cell((statistics.sum(self._mask),), lambda found: int(found[0]))

    def _sum(self, values: SecretArray) -> SecretArray:
        return statistics.sum(values if self._mask is None else elementwise.multiply(values, self._mask))

    def _spread(self, values: SecretArray, correction: int, finish: Callable[[float], float]) -> _Cell:
        """The variance: n sum(x^2) - sum(x)^2, exact, over what it is divided by."""
        if self._mask is None:
            if self._rows <= correction:
                return _Cell((), lambda _: math.nan)
            return _Cell((statistics.var(values, correction=correction),), lambda found: finish(found[0]))
        taken = elementwise.multiply(values, self._mask)
        total, count = statistics.sum(taken), statistics.sum(self._mask)
        scaled = count * statistics.sum(elementwise.multiply(taken, taken)) - total * total

        def end(found: list[float]) -> float:
            rows = int(found[1])
            return finish(found[0] / (rows * (rows - correction))) if rows > correction else math.nan

        return _Cell((scaled, count), end)

    def _extreme(self, values: SecretArray, *, least: bool) -> _Cell:
        if self._mask is not None:
            lo, hi = values.bounds
            values = elementwise.where(self._mask, values, hi if least else lo)
        return _Cell(((statistics.min if least else statistics.max)(values),), operator.itemgetter(0))


def _joined(a: _Cell, b: _Cell, compute: Callable[[Any, Any], Any]) -> _Cell:
    split = len(a.arrays)
    return _Cell((*a.arrays, *b.arrays), lambda found: compute(a.finish(found[:split]), b.finish(found[split:])))


def _ratio(a: float, b: float) -> float:
    return a / b if b else math.nan


def _root(variance: float) -> float:
    return math.sqrt(max(0.0, variance))


_ARITHMETIC: dict[type[exp.Expression], Callable[[Any, Any], Any]] = {
    exp.Add: operator.add,
    exp.Sub: operator.sub,
    exp.Mul: operator.mul,
    exp.Div: operator.truediv,
}
_PLAIN = {**_ARITHMETIC, exp.Div: _ratio}
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
    exp.Stddev: (1, _root),
    exp.StddevSamp: (1, _root),
    exp.StddevPop: (0, _root),
}
