"""SQL for the shell: one SELECT of aggregates over one dataset, or two joined by their public keys, as one plan.

    SELECT sex, COUNT(*), AVG(bmi), STDDEV(bmi) AS spread FROM patients WHERE age BETWEEN 40 AND 60 GROUP BY sex

Aggregates: COUNT(*), COUNT(column), SUM, AVG, VAR_SAMP, VAR_POP, STDDEV, STDDEV_POP, MIN, MAX of expressions with
+ - * / numbers, CASE WHEN, COALESCE, NULLIF; WHERE of comparisons, BETWEEN, IN, IS NULL, AND, OR, NOT. GROUP BY:
columns of categories and bools, whose values are public; a group is there for every one of them (and for NULL, where a
column is nullable), also if it is empty. Sums and counts are revealed; quotients and roots are taken here, and ORDER
BY, HAVING and LIMIT are left to whoever has the answer. MIN and MAX are the values of single rows: nodes answer them
where a rule of theirs names the column under `per_row`.

What is missing is NULL as in other databases: aggregates skip it, and conditions are of three-valued logic. Sums and
extremes reveal beside themselves whether there was a row, since of none they are NULL.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Protocol

from sqlglot import exp

from tercet.array.core import SecretArray
from tercet.array.nullable import split
from tercet.array.results import explain as explain_arrays
from tercet.client.aggregates import Answers, Cell, Group, Sheet, belongs, combinations
from tercet.client.sql_aggregates import Aggregates
from tercet.client.sql_offered import parsed
from tercet.client.sql_rows import RowExpressions
from tercet.client.sql_source import Tables, source_of
from tercet.client.tickets import Ticket
from tercet.errors import InputError
from tercet.plan.record.explain import Explanation

SQL = "sql"
"""The name under which a query's text is remembered with its job."""


class Asking(Tables, Protocol):
    """The session, as queries see it."""

    def asking_about(self, **facts: str) -> AbstractContextManager[None]:
        """Facts that are remembered with the jobs asked inside."""

    def ticket(self, job: str) -> Ticket:
        """What is remembered of a job."""

    def fetch(self, job: str) -> tuple[Any, ...]:
        """What a job that was held reveals."""


@dataclass(frozen=True)
class Answer:
    """A query's answer: names of the columns, and rows of plain values, None for NULL; decimals are exact."""

    names: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]
    note: str = ""
    """What is to be said beside it: that some groups are not shown, since too few rows are in them."""

    def __repr__(self) -> str:
        lines = [self.names, *(tuple(map(_cell, row)) for row in self.rows)]
        widths = [max(len(line[place]) for line in lines) for place in range(len(self.names))]
        shown = [
            "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in lines
        ]
        return "\n".join([*shown, self.note] if self.note else shown)


def _cell(value: Any) -> str:
    return "NULL" if value is None else f"{value:.10g}" if isinstance(value, float) else str(value)


def ask(session: Asking, sql: str) -> Answer:
    """Run a query as one job. Raises InputError for what is not offered, and what a job raises."""
    prepared = _Query(session, sql)
    with session.asking_about(sql=sql):
        return prepared.answer(prepared.sheet.ask())


def explain(session: Asking, sql: str) -> Explanation:
    """What a query would cost and reveal, and what each node's policy says to it."""
    prepared = _Query(session, sql)
    if not prepared.sheet.wanted:
        raise InputError("this query asks for nothing that is secret", hint="ask for a sum, a mean or a count")
    return explain_arrays(*prepared.sheet.wanted)


def answer_of(session: Asking, job: str) -> Answer:
    """The answer of a query that was asked before, and held. Raises as `RemoteSession.fetch`."""
    sql = session.ticket(job).about.get(SQL)
    if sql is None:
        raise InputError(f"job {job} was no query", hint="fetch its values instead")
    prepared = _Query(session, sql)
    return prepared.answer(prepared.sheet.answers(session.fetch(job)))


class _Query:
    """A query as arrays to be revealed, and what becomes of them."""

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
        """What was asked, with what is to be said beside it."""
        return Answer(self.names, rows, self.sheet.note("groups"))

    def _mask(self, condition: SecretArray | bool) -> SecretArray | None:
        """Which rows are meant; None for all."""
        if isinstance(condition, SecretArray):
            return condition
        if condition:
            return None
        # false in every row, whatever stands there
        column = split(self.table[self.table.columns[0]])[0]._plain()
        never: SecretArray = column != column
        return never


def _name(item: exp.Expression, place: int) -> str:
    return item.alias or (item.name if isinstance(item, exp.Column) else item.sql("postgres")) or f"column {place + 1}"
