"""Tables of a local session: what tables and queries do, without nodes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import pyarrow as pa

from plan_trio import array_of
from tercet.array.core import SecretArray
from tercet.client import query
from tercet.client.columns import ColumnReader
from tercet.client.session import Session
from tercet.client.table import Table
from tercet.federation.api import DatasetInfo
from tercet.plan.types import bool_type
from tercet.store.schema import Schema


class LocalTables:
    """What `Table` and queries see of a remote session, over arrays that are shared in a local one."""

    def __init__(self, session: Session, cohort: int = 0, own: Sequence[tuple[int, int]] = ()) -> None:
        """`cohort`: how many rows an aggregate must rest on to be shown. `own`: rows that who asks has brought."""
        self.session = session
        self.own = [list(one) for one in own]
        self.cohort = cohort
        self._tables: dict[str, tuple[Schema, int, dict[str, SecretArray]]] = {}
        self._keys: dict[str, list[Any]] = {}

    def add(self, name: str, schema: Schema, columns: dict[str, Any]) -> Table:
        """Share a table; columns are lists with None for what is missing."""
        arrays: dict[str, SecretArray] = {}
        rows = len(next(iter(columns.values())))
        for column in schema.columns:
            values = columns[column.name]
            if column.is_key:
                self._keys[name] = list(values)
                continue
            made = pa.array(values) if not all(value is None for value in values) else pa.array(values, pa.string())
            for stored, words in ColumnReader(column).stored(made, 1).items():
                t = column.type(rows) if stored == column.name else bool_type((rows,))
                handle = self.session._put(words, t)
                arrays[stored] = array_of(self.session, self.session._stored(handle, t))
        self._tables[name] = schema, rows, arrays
        return self.table(name)

    def table(self, name: str) -> Table:
        schema, rows, _ = self._tables[name]
        facts = {"version": 1, "manifest": "0" * 64, "segments": [], "created": 0, "changed": 0}
        info = DatasetInfo.model_validate(
            {"name": name, "rows": rows, "schema": schema.to_dict(), "cohort": self.cohort, "own": self.own, **facts}
        )
        return Table(self, info)

    def column(self, info: Any, schema: Schema, column: str) -> SecretArray:
        return self._tables[info.name][2][column]

    def validity(self, info: Any, column: str) -> SecretArray:
        return self._tables[info.name][2][f"{column}?"]

    def keys(self, info: Any) -> list[Any]:
        return self._keys[info.name]

    @contextmanager
    def asking_about(self, **facts: str) -> Iterator[None]:
        yield

    def query(self, sql: str) -> query.Answer:
        return query.ask(self, sql)  # type: ignore[arg-type]  # of a remote session it uses no more than is here
