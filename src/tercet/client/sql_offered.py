"""Which SQL is offered, word for word: whatever a query says beside that is refused by name, and nothing is ignored."""

from __future__ import annotations

import itertools
import re

from sqlglot import Dialect, TokenType, exp
from sqlglot.errors import ParseError, SqlglotError

from tercet.errors import InputError

MAX_TEXT = 1 << 16
MAX_DEPTH = 100
LIKE = "such as SELECT AVG(age), COUNT(*) FROM patients WHERE bmi > 30"
HELP = "see `tercet query --help` for what is"

_BEGINNINGS = frozenset({"alter", "create", "drop", "grant", "insert", "revoke", "rollback", "uncache"})
"""Words that begin statements, and mean nothing within a SELECT: there they are names (Alter is German for age)."""
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
"""Every kind of expression, and what it may consist of."""
_BOOLS = (exp.EQ, exp.NEQ, exp.LT, exp.LTE, exp.GT, exp.GTE, exp.Between, exp.In, exp.Is, exp.Not, exp.And, exp.Or)


def parsed(sql: str) -> exp.Select:
    """A query that consists of what is offered. Raises InputError naming what does not."""
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
    """Where a text stops being SQL, by its word; the parser's own words name its classes."""
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
            raise InputError(f"{node.sql()[:80]} is not offered in a query", hint=_instead(node))
        for name, value in node.args.items():
            if value in (None, False, "") or value == []:
                continue
            if name not in offered:
                raise InputError(f"{_named(name, value)} is not offered in a query", hint=HELP)
        _check_one(node)
        stack += [(child, depth + 1) for child in node.iter_expressions()]


def _check_one(node: exp.Expression) -> None:
    """What is offered in some places only."""
    if isinstance(node, exp.Cast):
        kind = node.to.this
        if kind is not exp.DataType.Type.DATE or not (isinstance(node.this, exp.Literal) and node.this.is_string):
            raise InputError(f"{node.sql()[:80]} is not offered in a query", hint="only texts are cast, and to DATE")
    elif isinstance(node, exp.Date | exp.TsOrDsToDate):
        if not (isinstance(node.this, exp.Literal) and node.this.is_string):
            raise InputError(f"{node.sql()[:80]} is not offered in a query", hint="write a date as '2020-01-31'")
    elif isinstance(node, exp.EQ | exp.NEQ | exp.LT | exp.LTE | exp.GT | exp.GTE):
        # 40 < age < 60 is (40 < age) < 60, and compares a yes or no with 60
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
    """How an argument of an expression is called in SQL."""
    first = value[0] if isinstance(value, list) and value else value
    if isinstance(first, exp.Expression):
        text = first.sql()[:80].strip() or name.upper()
        keyword = text.split()[0]
        return keyword if keyword.isalpha() and keyword.isupper() else text
    return value.upper()[:80] if isinstance(value, str) else name.upper().strip("_").replace("_", " ")


def _instead(node: exp.Expression) -> str:
    if isinstance(node, exp.Distinct):
        return "which values there are is secret: GROUP BY the column, if it is of categories"
    return HELP
