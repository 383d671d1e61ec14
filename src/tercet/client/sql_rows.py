"""Expressions of SQL about rows: numbers, conditions in three-valued logic, and missing values."""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import contextmanager
from datetime import date
from typing import Any, TypeAlias

from sqlglot import exp

from tercet.array import elementwise
from tercet.array.core import SecretArray
from tercet.array.nullable import NullableArray, both, compared, maybe, split, truths
from tercet.client.cohort import Condition, is_of_two_values
from tercet.client.column_arrays import CategoryArray, DateArray
from tercet.client.sql_select import HELP, Names
from tercet.client.table import Table
from tercet.errors import InputError

Value: TypeAlias = SecretArray | bool | int | float | str | None
"""The value of an expression: secret, with an element for each row, or public and the same for all; None is NULL."""
Number: TypeAlias = SecretArray | int | float | None
Truth: TypeAlias = SecretArray | bool | None
"""None is unknown."""


class RowExpressions:
    """Compiles expressions about the rows of a table."""

    def __init__(self, table: Table, names: Names) -> None:
        self._table = table
        self._names = names
        self._noted: list[Condition] | None = None

    def name_of(self, tree: exp.Expression) -> str:
        """The column that GROUP BY names."""
        if not isinstance(tree, exp.Column):
            raise InputError("GROUP BY takes names of columns", hint="name columns of categories and bools")
        return self._names.find(tree)

    @contextmanager
    def noting(self) -> Iterator[list[Condition]]:
        """For the expression of an aggregate: collect the conditions that decide which rows count, or how much."""
        assert self._noted is None, "an aggregate in an aggregate"
        found: list[Condition] = []
        self._noted = found
        try:
            yield found
        finally:
            self._noted = None

    def _note(
        self, rows: SecretArray | bool, *, or_none: bool = False, family: Hashable = None, rest: bool = False
    ) -> None:
        if self._noted is not None and isinstance(rows, SecretArray):
            self._noted.append(Condition(rows, or_none, family, rest))

    def _note_both(self, truth: SecretArray) -> None:
        """Note a bool that is used as a number: the rows where it is true, and those (or none) where it is false."""
        true, false = met(truth), met(negation(truth))
        assert isinstance(true, SecretArray)
        family = "truth", true.node.serial
        self._note(true, family=family)
        self._note(false, or_none=True, family=family, rest=split(truth)[1] is None)

    def _note_missing(self, a: Value, b: Value) -> None:
        """Note the rows that have a value of `a` and none of `b`: an expression of both leaves them out."""
        if not isinstance(b, SecretArray):
            return
        there, missing = split(a)[1] if isinstance(a, SecretArray) else None, split(b)[1]
        if missing is not None and (there is None or there.node is not missing.node):
            self._note(~missing if there is None else there & ~missing, or_none=True)

    def condition(self, tree: exp.Expression) -> SecretArray | bool:
        """Where a condition is met, which an unknown one is not: a secret bool for each row, or one for all."""
        return met(self.truth(tree))

    def truth(self, tree: exp.Expression) -> Truth:
        """A condition in three-valued logic."""
        found = self.value(tree)
        if found is None or isinstance(found, bool):
            return found
        if not is_bool(found):
            raise InputError(f"{tree.sql()[:80]} is no condition", hint="compare it with a value")
        assert isinstance(found, SecretArray)
        return found

    def number(self, tree: exp.Expression) -> Number:
        """A number for each row, or a public one."""
        found = self.value(tree)
        if isinstance(found, bool) and tree.find(exp.Column) is not None:
            return int(found)  # declared bounds or categories decide this condition
        if isinstance(split(found)[0], CategoryArray | DateArray | str | bool):
            raise InputError(f"{tree.sql()[:80]} is no number", hint="compare it, and count")
        if is_bool(found):
            self._note_both(found)  # type: ignore[arg-type]  # a secret bool
        elif isinstance(found, SecretArray) and isinstance(tree, exp.Column) and is_of_two_values(split(found)[0]):
            self._note_both(compared(operator.eq, found, split(found)[0].bounds[1]))
        return found  # type: ignore[return-value]  # what is left of Value

    def value(self, tree: exp.Expression) -> Value:
        """The value of an expression."""
        if isinstance(tree, exp.Paren | exp.Cast | exp.Date | exp.TsOrDsToDate):
            return self.value(tree.this)  # of casts only texts to dates are offered
        if isinstance(tree, exp.Column):
            return self._table[self._names.find(tree)]
        if isinstance(tree, exp.Literal):
            return tree.this if tree.is_string else (float(tree.this) if not tree.is_int else int(tree.this))
        if isinstance(tree, exp.Boolean):
            return bool(tree.this)
        if isinstance(tree, exp.Null):
            return None
        if (compute := _FUNCTIONS.get(type(tree))) is not None:
            found: Value = compute(self, tree)
            return found
        raise InputError(f"{tree.sql()[:80]} is not offered in a query", hint=HELP)

    # -- arithmetic; with NULL the result is NULL

    def _negated(self, tree: exp.Neg) -> Value:
        inner = self.number(tree.this)
        return None if inner is None else -inner

    def _absolute(self, tree: exp.Abs) -> Value:
        inner = self.number(tree.this)
        if inner is None:
            return None
        if not isinstance(inner, SecretArray):
            return abs(inner)
        if split(inner)[0].bounds[0] < 0:
            # sums of |x - 26|, |x - 27| and |x - 28| together tell how many rows have 27
            self._note_both(compared(operator.lt, inner, 0))
        return inner.__abs__()

    def _computed(self, tree: exp.Binary) -> Value:
        a, b = self.number(tree.this), self.number(tree.expression)
        if a is None or b is None:
            return None
        if (isinstance(a, SecretArray) and isinstance(b, SecretArray)) or isinstance(tree, exp.Add | exp.Sub):
            # the sum of x + 1 tells how many rows have a value
            self._note_missing(a, b)
            self._note_missing(b, a)
        if isinstance(tree, exp.Div):
            self._note_missing(None, b)
            return self._quotient(a, b)
        result: Value = _ARITHMETIC[type(tree)](a, b)
        return result

    def _quotient(self, a: SecretArray | float, b: SecretArray | float) -> Number:
        """a / b, which is missing where b is 0."""
        if not isinstance(b, SecretArray):
            return a / b if b else None
        inner, valid = split(b)
        lo, hi = inner.bounds
        if lo > 0 or hi < 0:
            return a / b
        there = inner != 0
        self._note(~there if valid is None else valid & ~there, or_none=True)
        return a / maybe(elementwise.where(there, inner, 1), both(valid, there))

    # -- conditions

    def _not(self, tree: exp.Not) -> Value:
        return negation(self.truth(tree.this))

    def _and(self, tree: exp.And) -> Value:
        return conjunction(self.truth(tree.this), self.truth(tree.expression))

    def _or(self, tree: exp.Or) -> Value:
        return disjunction(self.truth(tree.this), self.truth(tree.expression))

    def _comparison(self, tree: exp.Binary) -> Value:
        return self._compared(_COMPARISONS[type(tree)], tree.this, tree.expression)

    def _between(self, tree: exp.Between) -> Value:
        if tree.args.get("symmetric"):
            raise InputError("BETWEEN SYMMETRIC is not offered", hint="write the smaller value first, and leave it out")
        low = self._compared(operator.ge, tree.this, tree.args["low"])
        return conjunction(low, self._compared(operator.le, tree.this, tree.args["high"]))

    def _in(self, tree: exp.In) -> Value:
        if not tree.expressions:
            raise InputError(f"{tree.sql()[:80]} is not offered in a query", hint="list the values: IN (1, 2)")
        places = [self._compared(operator.eq, tree.this, item) for item in tree.expressions]
        return functools.reduce(disjunction, places)

    def _is(self, tree: exp.Is) -> Value:
        found, what = self.value(tree.this), tree.expression
        if isinstance(what, exp.Null):
            if isinstance(found, NullableArray):
                return found.isna()
            return found is None
        if isinstance(what, exp.Boolean):
            truth = self.truth(tree.this)
            if not isinstance(truth, SecretArray):
                return truth is bool(what.this)
            answer: SecretArray = truths(truth)[0 if what.this else 1]
            return answer
        raise InputError(f"{tree.sql()[:80]} is not offered in a query", hint="IS NULL, IS TRUE and IS FALSE are")

    def _compared(self, compare: Callable[[Any, Any], Any], left: exp.Expression, right: exp.Expression) -> Truth:
        a, b = self.value(left), self.value(right)
        if a is None or b is None:
            return None
        if not isinstance(a, SecretArray):
            a, b, compare, left, right = b, a, _MIRRORED[compare], right, left
        if not isinstance(a, SecretArray):
            raise InputError(f"{left.sql()[:40]} and {right.sql()[:40]} are both public", hint="compare a column")
        first, second = split(a)[0], split(b)[0]
        texts = isinstance(first, CategoryArray | DateArray)
        if isinstance(second, str | date) and not texts:
            yes_or_no = "it is a yes or no: write its name alone, or NOT before it"
            hint = yes_or_no if is_bool(a) else "compare it with a number, without quotation marks"
            raise InputError(f"{left.sql()[:40]} is no column of categories or dates", hint=hint)
        equality = compare in (operator.eq, operator.ne)
        if isinstance(first, CategoryArray) and not (isinstance(second, str | CategoryArray) and equality):
            raise InputError(
                f"{left.sql()[:40]} holds categories: compare them with texts, by = and <>",
                hint=f"they are {', '.join(first.categories[:20])}",
            )
        if isinstance(first, DateArray) and not isinstance(second, DateArray | str):
            raise InputError(f"{left.sql()[:40]} holds dates", hint="compare it with one, as '2020-01-31'")
        if isinstance(second, bool) and not texts and is_bool(a) and equality:
            return a if second == (compare is operator.eq) else ~a
        return compared(compare, a, b)

    # -- missing values, and choices

    def _coalesce(self, tree: exp.Coalesce) -> Value:
        *first, found = [self.value(item) for item in (tree.this, *tree.expressions)]
        for value in reversed(first):
            found = self._filled(tree, value, found)
        return found

    def _filled(self, tree: exp.Expression, value: Value, other: Value) -> Value:
        if value is None or other is None or not isinstance(value, NullableArray):
            return other if value is None else value
        kinds = [_kind(split(one)[0]) for one in (value, other)]
        if kinds[0] != kinds[1] and not (kinds[0] in ("category", "date") and kinds[1] == "text"):
            raise InputError(f"{tree.sql()[:80]} is of {kinds[0]} and {kinds[1]}", hint="fill in values of one kind")
        if isinstance(other, SecretArray | str) or other != 0 or not _is_alone(tree):
            self._note(value.isna(), or_none=True)
        return value.fillna(other)

    def _nullif(self, tree: exp.Nullif) -> Value:
        value, same = self.value(tree.this), self._compared(operator.eq, tree.this, tree.expression)
        if same is None:
            return value
        assert isinstance(same, SecretArray)
        self._note(met(same), or_none=True)
        if not isinstance(value, SecretArray):
            if isinstance(value, str | bool):
                raise InputError(f"{tree.sql()[:80]} is of no column", hint="name the column first")
            return _there(~same._truth(), value)
        inner, valid = split(value)
        return maybe(inner, both(valid, ~same._truth()))

    def _case(self, tree: exp.Case) -> Value:
        default = tree.args.get("default")
        found = None if default is None else self.number(default)
        conditions = [
            self.condition(branch.this)
            if tree.this is None
            else met(self._compared(operator.eq, tree.this, branch.this))
            for branch in tree.args["ifs"]
        ]
        rest = found is not None and not (_is_alone(tree) and not isinstance(found, SecretArray) and found == 0)
        self._note_branches(conditions, self._compared_categories(tree), rest=rest)
        for branch, condition in reversed(list(zip(tree.args["ifs"], conditions, strict=True))):
            found = _chosen(condition, self.number(branch.args["true"]), found)
        return found

    def _compared_categories(self, tree: exp.Case) -> Hashable:
        """The column of categories, if each branch compares it with another text; else None."""
        pairs = [
            (tree.this, branch.this) if tree.this is not None else (branch.this.unnest().this, branch.this.unnest())
            for branch in tree.args["ifs"]
        ]
        found: set[str] = set()
        texts: set[str] = set()
        for column, what in pairs:
            if tree.this is None:
                if not isinstance(what, exp.EQ):
                    return None
                what = what.expression
            column, what = column.unnest(), what.unnest()
            if not (isinstance(column, exp.Column) and isinstance(what, exp.Literal) and what.is_string):
                return None
            found.add(self._names.find(column))
            texts.add(what.this)
        if len(found) != 1 or len(texts) < len(pairs):
            return None
        (name,) = found
        return ("category", name) if isinstance(split(self._table[name])[0], CategoryArray) else None

    def _note_branches(self, conditions: Sequence[SecretArray | bool], column: Hashable, *, rest: bool) -> None:
        """Note the rows of each branch, without those of earlier branches; and the rows of ELSE, if there are any.

        `column`: the column of categories that tells the branches apart, so that no row is in two of them. `rest`:
        whether the rows of ELSE count for something.
        """
        secret = tuple(one.undivided.serial for one in conditions if isinstance(one, SecretArray))
        family = column if column is not None else ("case", secret)
        before: SecretArray | bool = False
        for condition in conditions:
            here = condition if column is not None else conjunction(condition, negation(before))
            assert here is not None
            self._note(here, family=family)
            either = disjunction(before, condition)
            assert either is not None
            before = either
        if rest:
            left = negation(before)
            assert left is not None
            self._note(left, or_none=True, rest=True)


def _is_alone(tree: exp.Expression) -> bool:
    """Whether an expression is the whole argument of an aggregate, so that a row for which it is 0 adds nothing.

    Otherwise the other rows may be told by a difference, as by SUM(a) and SUM(a - CASE ... ELSE 0 END).
    """
    around = tree.parent
    while isinstance(around, exp.Paren):
        around = around.parent
    return isinstance(around, exp.AggFunc)


def is_bool(value: Any) -> bool:
    """Whether it is a secret bool for each row, some of which may be missing."""
    inner, _ = split(value)
    return (
        isinstance(inner, SecretArray)
        and not isinstance(inner, CategoryArray | DateArray)
        and inner.dtype.name == "bool"
    )


def _kind(value: Any) -> str:
    if isinstance(value, CategoryArray):
        return "category"
    if isinstance(value, DateArray):
        return "date"
    if isinstance(value, str):
        return "text"
    return "bool" if isinstance(value, bool) or is_bool(value) else "number"


def _chosen(condition: SecretArray | bool, value: Number, other: Number) -> Number:
    """The value where the condition is met, else the other."""
    if isinstance(condition, bool):
        return value if condition else other
    if value is None or other is None:
        return _there(condition, value) if other is None else _there(~condition, other)
    return elementwise.where(condition, value, other)


def _there(condition: SecretArray, value: Number) -> Number:
    """The value where the condition is met, missing elsewhere."""
    if value is None:
        return None
    if not isinstance(value, SecretArray):
        return NullableArray.of_values(elementwise.where(condition, value, 0), condition)
    inner, valid = split(value)
    return maybe(inner, both(valid, condition))


_ARITHMETIC: dict[type, Callable[[Any, Any], Any]] = {
    exp.Add: operator.add,
    exp.Sub: operator.sub,
    exp.Mul: operator.mul,
    exp.Div: operator.truediv,
}
_COMPARISONS: dict[type, Callable[[Any, Any], Any]] = {
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
_FUNCTIONS: dict[type, Callable[[RowExpressions, Any], Value]] = {
    exp.Neg: RowExpressions._negated,
    exp.Abs: RowExpressions._absolute,
    exp.Not: RowExpressions._not,
    exp.And: RowExpressions._and,
    exp.Or: RowExpressions._or,
    **dict.fromkeys(_ARITHMETIC, RowExpressions._computed),
    **dict.fromkeys(_COMPARISONS, RowExpressions._comparison),
    exp.Between: RowExpressions._between,
    exp.In: RowExpressions._in,
    exp.Is: RowExpressions._is,
    exp.Coalesce: RowExpressions._coalesce,
    exp.Nullif: RowExpressions._nullif,
    exp.Case: RowExpressions._case,
}


# ---- three-valued logic; each side may be public ----


def negation(value: Truth) -> Truth:
    """NOT."""
    if isinstance(value, SecretArray):
        return ~value
    return None if value is None else not value


def conjunction(a: Truth, b: Truth) -> Truth:
    """AND: false where one is false."""
    if a is False or b is False:
        return False
    if a is True or b is True:
        return b if a is True else a
    if a is None or b is None:
        secret = b if a is None else a
        if secret is None:
            return None
        _, false = truths(secret)
        return NullableArray.of_values(~false, false)  # unknown wherever the other is not false
    return a & b


def disjunction(a: Truth, b: Truth) -> Truth:
    """OR: true where one is true."""
    if isinstance(a, SecretArray) and isinstance(b, SecretArray):
        return a | b
    return negation(conjunction(negation(a), negation(b)))


def met(value: Truth) -> SecretArray | bool:
    """Where a condition holds: unknown is not met."""
    return value._truth() if isinstance(value, SecretArray) else bool(value)
