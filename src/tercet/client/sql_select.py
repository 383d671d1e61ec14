"""The SELECT that is offered: which words it may hold, which tables it is about, and how their columns are named.

Whatever a query says beyond that is refused by name; nothing is ignored.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Mapping
from typing import Protocol

from sqlglot import Dialect, TokenType, exp
from sqlglot.errors import ParseError, SqlglotError

from tercet.client.table import Table
from tercet.errors import InputError

MAX_TEXT = 1 << 16
MAX_DEPTH = 100
LIKE = "such as SELECT AVG(age), COUNT(*) FROM patients WHERE bmi > 30"
HELP = (
    "a query has COUNT, SUM, AVG, MIN, MAX, STDDEV and VARIANCE of columns, arithmetic, CASE, WHERE and GROUP BY; for "
    "medians and all else: in Python NumPy's functions take columns, as in np.median(net.table('patients')['age'])"
)
_NO_DISTINCT = "which values there are is secret: GROUP BY the column, if it is of categories"

_BEGINNINGS = frozenset({"alter", "create", "drop", "grant", "insert", "revoke", "rollback", "uncache"})
"""Words that begin other statements. Within a SELECT they are names of columns (Alter is German for age)."""
_FRAME = frozenset({"select", "from", "where", "group by", "join", "on", "as", "and", "or", "not", ")", "("})
_TWO = ("this", "expression")
_OFFERED: dict[type[exp.Expression], tuple[str, ...]] = {
    exp.Select: ("expressions", "from_", "from", "where", "group", "joins"),
    exp.From: ("this",),
    exp.Join: ("this", "side", "kind", "using", "on"),
    exp.Table: ("this", "alias"),
    exp.TableAlias: ("this",),
    exp.Where: ("this",),
    exp.Group: ("expressions",),
    exp.Alias: ("this", "alias"),
    exp.Column: ("this", "table"),
    exp.Identifier: ("this", "quoted"),
    exp.Literal: ("this", "is_string"),
    exp.Boolean: ("this",),
    exp.Null: (),
    exp.Star: (),
    exp.Paren: ("this",),
    exp.Neg: ("this",),
    exp.Abs: ("this",),
    exp.Not: ("this",),
    exp.Between: ("this", "low", "high"),
    exp.In: ("this", "expressions"),
    exp.Coalesce: ("this", "expressions"),
    exp.Case: ("this", "ifs", "default"),
    exp.If: ("this", "true"),
    exp.Cast: ("this", "to"),
    exp.DataType: ("this", "nested"),
    exp.Date: ("this",),
    exp.TsOrDsToDate: ("this",),
    exp.Count: ("this", "big_int"),
    **dict.fromkeys((exp.Add, exp.Sub, exp.Mul, exp.And, exp.Or, exp.Is, exp.Nullif), _TWO),
    **dict.fromkeys((exp.EQ, exp.NEQ, exp.LT, exp.LTE, exp.GT, exp.GTE), _TWO),
    exp.Div: (*_TWO, "typed", "safe"),
    **dict.fromkeys((exp.Sum, exp.Avg, exp.Min, exp.Max), ("this",)),
    **dict.fromkeys((exp.Variance, exp.VariancePop, exp.Stddev, exp.StddevSamp, exp.StddevPop), ("this",)),
}
"""Every kind of expression that is offered, and its parts that are offered."""
_BOOLS = (exp.EQ, exp.NEQ, exp.LT, exp.LTE, exp.GT, exp.GTE, exp.Between, exp.In, exp.Is, exp.Not, exp.And, exp.Or)
SUFFIX = "_2"


def parsed(sql: str) -> exp.Select:
    """The tree of a query. Raises InputError naming the first part that is not offered."""
    if len(sql) > MAX_TEXT:
        raise InputError("this query is too long", hint=LIKE)
    dialect = Dialect()
    try:
        tokens = dialect.tokenize(sql)
        if not tokens or tokens[0].token_type not in (TokenType.SELECT, TokenType.WITH, TokenType.L_PAREN):
            raise InputError("a query is one SELECT", hint=LIKE)
        for before, token in itertools.pairwise(tokens):
            word = token.token_type not in (TokenType.STRING, TokenType.IDENTIFIER)
            if word and token.text.lower() in _BEGINNINGS and before.token_type is not TokenType.SEMICOLON:
                token.token_type = TokenType.VAR
        trees = dialect.parser().parse(tokens, sql)
    except RecursionError:
        raise InputError("this is no SQL: it is nested too deeply", hint=LIKE) from None
    except SqlglotError as error:
        raise _no_sql(dialect, error) from None
    if len(trees) != 1 or not isinstance(trees[0], exp.Select):
        raise InputError("a query is one SELECT", hint=LIKE)
    _check(trees[0])
    return trees[0]


def _no_sql(dialect: Dialect, error: SqlglotError) -> InputError:
    """The error for a text that is no SQL; it names the word where parsing failed, in words for users."""
    first = error.errors[0] if isinstance(error, ParseError) and error.errors else None
    if first is None:
        return InputError("this is no SQL: a quotation mark is open at its end, perhaps", hint=LIKE)
    word = " ".join(str(first.get("highlight") or "").split())[:40]
    before = " ".join(str(first.get("start_context") or "").split())[-40:]
    where = f"it goes wrong at {word!r}" if word else "it ends too early"
    after = f", behind {before!r}" if before else ""
    words = (word, *re.findall(r"\w+$", before))
    known = dialect.tokenizer_class.KEYWORDS
    named = next((one for one in words if one.upper() in known and one.lower() not in _FRAME), "")
    name = f'; if {named} is the name of a column, write it as "{named}"' if named else ""
    return InputError(f"this is no SQL: {where}{after}", hint=f"{LIKE}{name}")


def _check(tree: exp.Select) -> None:
    stack: list[tuple[exp.Expression, int]] = [(tree, 0)]
    while stack:
        node, depth = stack.pop()
        if depth > MAX_DEPTH:
            raise InputError("this query is nested too deeply", hint="ask in several queries")
        if node is not tree and isinstance(node, exp.Select | exp.Subquery):
            raise InputError("a query is about one dataset: a query within a query is not offered", hint=HELP)
        offered = _OFFERED.get(type(node))
        if offered is None:
            hint = _NO_DISTINCT if isinstance(node, exp.Distinct) else HELP
            raise InputError(f"{node.sql()[:80]} is not offered in a query", hint=hint)
        for name, value in node.args.items():
            if value in (None, False, "") or value == []:
                continue
            if name not in offered:
                raise InputError(f"{_named(name, value)} is not offered in a query", hint=HELP)
        _check_one(node)
        stack += [(child, depth + 1) for child in node.iter_expressions()]


def _check_one(node: exp.Expression) -> None:
    """Refuse what is offered in certain places only."""
    if isinstance(node, exp.Cast):
        kind = node.to.this
        if kind is not exp.DataType.Type.DATE or not (isinstance(node.this, exp.Literal) and node.this.is_string):
            raise InputError(f"{node.sql()[:80]} is not offered in a query", hint="only texts are cast, and to DATE")
    elif isinstance(node, exp.Date | exp.TsOrDsToDate):
        if not (isinstance(node.this, exp.Literal) and node.this.is_string):
            raise InputError(f"{node.sql()[:80]} is not offered in a query", hint="write a date as '2020-01-31'")
    elif isinstance(node, exp.EQ | exp.NEQ | exp.LT | exp.LTE | exp.GT | exp.GTE):
        # 40 < age < 60 means (40 < age) < 60: it compares a bool with 60
        for side in (node.this, node.expression):
            if isinstance(side.unnest(), _BOOLS):
                raise InputError(
                    f"{node.sql()[:80]} compares a condition", hint="write a AND b, as in 40 < age AND age < 60"
                )
    elif isinstance(node, exp.Star) and not isinstance(node.parent, exp.Count):
        raise InputError("* is of single rows, and secret", hint="name aggregates, such as COUNT(*)")
    elif isinstance(node, exp.Column) and isinstance(node.this, exp.Star):
        raise InputError(f"{node.sql()[:80]} is of single rows, and secret", hint="name aggregates, such as COUNT(*)")


def _named(name: str, value: object) -> str:
    """The name of a part of an expression in SQL."""
    first = value[0] if isinstance(value, list) and value else value
    if isinstance(first, exp.Expression):
        text = first.sql()[:80].strip() or name.upper()
        keyword = text.split()[0]
        return keyword if keyword.isalpha() and keyword.isupper() else text
    return value.upper()[:80] if isinstance(value, str) else name.upper().strip("_").replace("_", " ")


class Tables(Protocol):
    """What is needed of a session."""

    def table(self, name: str) -> Table:
        """A dataset as a table."""


class Names:
    """Finds columns by their names in SQL: case does not count, and the table's name may stand before the column's."""

    def __init__(self, tables: Mapping[str, Mapping[str, str]]) -> None:
        """`tables`: name or alias of each table -> name of a column there -> its name in the joined table."""
        self._tables = {table.lower(): {a.lower(): b for a, b in columns.items()} for table, columns in tables.items()}

    def find(self, column: exp.Column) -> str:
        """The column's name in the table. Raises InputError if there is none, or if both tables have one."""
        name, table = column.name.lower(), column.table.lower()
        if table and table not in self._tables:
            raise InputError(
                f"{column.sql()[:80]}: there is no table {column.table} in this query",
                hint=f"there are {', '.join(self._tables)}",
            )
        places = [self._tables[table]] if table else list(self._tables.values())
        found = {columns[name] for columns in places if name in columns}
        if len(found) == 1:
            return found.pop()
        if found:
            raise InputError(f"both tables have a column {column.name}", hint="write the name of the table before it")
        known = list(dict.fromkeys(other for columns in places for other in columns.values()))
        raise InputError(f"there is no column {column.name!r}", hint=f"there are {', '.join(known[:20])}")


def source_of(session: Tables, tree: exp.Select) -> tuple[Table, Names]:
    """The table that FROM and JOIN name, and the names of its columns. Raises InputError for what is not offered."""
    source = tree.args.get("from_") or tree.args.get("from")
    if source is None or not isinstance(source.this, exp.Table):
        raise InputError("a query is about one dataset, or two that are joined", hint="write FROM and its name")
    joins = tree.args.get("joins") or []
    if not joins:
        left = session.table(source.this.name)
        return left, Names({_called(source.this): {name: name for name in _names(left)}})
    if len(joins) > 1:
        raise InputError("more than two tables are not offered in a query", hint="join tables in Python: a.join(b)")
    join = joins[0]
    if not isinstance(join.this, exp.Table):
        raise InputError(f"{join.sql()[:80]} is not offered in a query", hint="JOIN takes the name of a dataset")
    how = _how(join)
    left, right = session.table(source.this.name), session.table(join.this.name)
    if _called(join.this).lower() == _called(source.this).lower():
        raise InputError("a table is not joined with itself", hint="name another dataset, or give it an alias")
    _check_keys(join, source.this, left, join.this, right)
    both = left.join(right, how=how, suffix=SUFFIX)
    ours = {name.lower() for name in _names(left)}
    theirs = {name: name + SUFFIX if name.lower() in ours else name for name in right.columns}
    key = left.schema.key
    assert key is not None
    names = {
        _called(source.this): {name: name for name in _names(left)},
        _called(join.this): {**theirs, right.schema.key.name: key.name},  # type: ignore[union-attr]
    }
    return both, Names(names)


def _called(tree: exp.Table) -> str:
    return tree.alias or tree.name


def _names(table: Table) -> Iterator[str]:
    return (column.name for column in table.schema.columns)


def _how(join: exp.Join) -> str:
    side, kind = (join.side or "").upper(), (join.kind or "").upper()
    if (side, kind) in (("", ""), ("", "INNER")) and (join.args.get("on") or join.args.get("using")):
        return "inner"
    if side == "LEFT" and kind in ("", "OUTER"):
        return "left"
    raise InputError(
        f"{join.sql()[:80].strip()} is not offered: a query is about one dataset, or two that are joined",
        hint="JOIN and LEFT JOIN are offered, ON the public keys of both",
    )


def _check_keys(join: exp.Join, left_name: exp.Table, left: Table, right_name: exp.Table, right: Table) -> None:
    """Refuse a join that is not ON (or USING) exactly the public keys of both tables."""
    ours, theirs = left.schema.key, right.schema.key
    if ours is None or theirs is None:
        without = left if ours is None else right
        raise InputError(
            f"{without.name} has no public key, so its rows cannot be joined",
            hint="its owners declare a column of kind key",
        )
    wanted = {(_called(left_name).lower(), ours.name.lower()), (_called(right_name).lower(), theirs.name.lower())}
    said: set[tuple[str, str]] = set()
    if using := join.args.get("using"):
        said = {(_called(table).lower(), item.name.lower()) for item in using for table in (left_name, right_name)}
    elif isinstance(on := join.args.get("on"), exp.EQ) and all(
        isinstance(side, exp.Column) for side in (on.this, on.expression)
    ):
        said = {(side.table.lower(), side.name.lower()) for side in (on.this, on.expression)}
    if said != wanted:
        raise InputError(
            "tables are joined by their public keys only",
            hint=f"write ON {_called(left_name)}.{ours.name} = {_called(right_name)}.{theirs.name}",
        )
