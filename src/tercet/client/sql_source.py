"""FROM: the table that a query is about, and the names under which its columns may be asked for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Protocol

from sqlglot import exp

from tercet.client.table import Table
from tercet.errors import InputError

SUFFIX = "_2"


class Tables(Protocol):
    """The session, as FROM sees it."""

    def table(self, name: str) -> Table:
        """A dataset as a table."""


class Names:
    """Columns by their names in SQL, where case does not count, alone or behind the name of their table."""

    def __init__(self, tables: Mapping[str, Mapping[str, str]]) -> None:
        """`tables`: name or alias of each table -> name of a column there -> its name in the joined table."""
        self._tables = {table.lower(): {a.lower(): b for a, b in columns.items()} for table, columns in tables.items()}

    def find(self, column: exp.Column) -> str:
        """The column's name in the table. Raises InputError for one that is not there, or stands in both."""
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
    """The table of FROM, two of them joined. Raises InputError for what is not offered."""
    source = tree.args.get("from_") or tree.args.get("from")
    if source is None or not isinstance(source.this, exp.Table):
        raise InputError("a query is about one dataset, or two that are joined", hint="write FROM and its name")
    joins = tree.args.get("joins") or []
    if not joins:
        left = _table(session, source.this)
        return left, Names({_called(source.this): {name: name for name in _names(left)}})
    if len(joins) > 1:
        raise InputError("more than two tables are not offered in a query", hint="join tables in Python: a.join(b)")
    join = joins[0]
    if not isinstance(join.this, exp.Table):
        raise InputError(f"{join.sql()[:80]} is not offered in a query", hint="JOIN takes the name of a dataset")
    how = _how(join)
    left, right = _table(session, source.this), _table(session, join.this)
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


def _table(session: Tables, tree: exp.Table) -> Table:
    return session.table(tree.name)


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
    """Rows are joined by both tables' public keys, and by nothing else."""
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
