"""Joins two tables by their public keys; nothing secret is compared."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from tercet.array import creation, manipulation
from tercet.array.core import SecretArray
from tercet.errors import InputError
from tercet.federation.api import DatasetInfo
from tercet.store.schema import Column, Schema

MAX_JOINED = 1_000_000
"""The most rows of a join: the plan has a list of the rows."""
HOW = ("inner", "left")


class Joinable(Protocol):
    """What a join needs of a table."""

    @property
    def name(self) -> str: ...

    @property
    def info(self) -> DatasetInfo: ...

    @property
    def schema(self) -> Schema: ...

    def keys(self) -> list[int | str]:
        """The public key of each row."""

    def stored(self, column: str) -> SecretArray:
        """A column as it is stored."""

    def validity(self, column: str) -> SecretArray:
        """Where a nullable column has a value."""


@dataclass(frozen=True)
class _Source:
    """Where a column of the joined table comes from: table, name there, and for each row the row there (-1: none)."""

    table: Joinable
    column: str
    rows: NDArray[np.int64]


class JoinSource:
    """Gives a joined table its columns, as a session does for stored tables."""

    def __init__(self, sources: dict[str, _Source], keys: Sequence[int | str]) -> None:
        self._sources = sources
        self._keys = list(keys)

    def column(self, info: DatasetInfo, schema: Schema, column: str) -> SecretArray:
        """A column; rows without a partner have its lower bound."""
        source = self._sources[column]
        there = source.table.stored(source.column)
        return _taken(there, source.rows, False if there.dtype.name == "bool" else there.bounds[0])

    def validity(self, info: DatasetInfo, column: str) -> SecretArray:
        """Which rows have a partner whose value is not missing."""
        source = self._sources[column]
        if source.table.schema[source.column].nullable:
            there = source.table.validity(source.column)
        else:
            there = creation.full_like(source.table.stored(source.column), True, dtype="bool")
        return _taken(there, source.rows, False)

    def keys(self, info: DatasetInfo) -> list[int | str]:
        """The public keys of the joined rows."""
        return self._keys


def _taken(array: SecretArray, rows: NDArray[np.int64], nothing: Any) -> SecretArray:
    """The elements at these rows; the public value `nothing` for row -1."""
    if (rows < 0).any():
        array = manipulation.concat([array, np.asarray([nothing])])
        rows = np.where(rows < 0, len(array) - 1, rows)
    found: SecretArray = manipulation.take(array, rows, axis=0)
    return found


def joined(left: Joinable, right: Joinable, how: str, suffix: str) -> tuple[JoinSource, DatasetInfo, Schema]:
    """Columns, description and schema of a join: the rows of `left` in order, each with the row of `right` of its key.

    `how`: "inner" leaves out rows without a partner, "left" keeps them, with values missing. Keys of `right` are
    unique; those of `left` need not be. Raises InputError.
    """
    if how not in HOW:
        raise InputError(f"a join is {' or '.join(HOW)}, not {how!r}")
    ours, theirs = (_key(table) for table in (left, right))
    if ours.key != theirs.key:
        raise InputError(
            f"key {ours.name} of {left.name} is of kind {ours.key}, and {theirs.name} of {right.name} of {theirs.key}"
        )
    here, there = left.keys(), right.keys()
    place = {key: row for row, key in enumerate(there)}
    if len(place) < len(there):
        raise InputError(
            f"some keys of {right.name} stand at several rows, so rows of {left.name} may have several partners",
            hint=f"join the other way round, {right.name} first, where sums of columns of one table run; for sums that "
            f"mix both, the owner of {right.name} takes back the rows that are there twice (tercet withdraw)",
        )
    partner = np.fromiter((place.get(key, -1) for key in here), np.int64, len(here))
    rows = np.arange(len(here)) if how == "left" else np.flatnonzero(partner >= 0)
    if len(rows) > MAX_JOINED:
        raise InputError(f"a join of {len(rows):,} rows; at most {MAX_JOINED:,} are offered", hint="ask of fewer rows")
    partner = partner[rows]
    sources = {column.name: _Source(left, column.name, rows) for column in left.schema.columns if not column.is_key}
    columns: list[Column] = list(left.schema.columns)
    for column in right.schema.columns:
        if column.is_key:
            continue
        name = column.name if column.name not in {other.name for other in columns} else column.name + suffix
        if (not suffix and name != column.name) or name in {other.name for other in columns}:
            raise InputError(f"both tables have a column {column.name}", hint="give a suffix for those of the second")
        missing = bool((partner < 0).any())
        columns.append(column.model_copy(update={"name": name, "nullable": column.nullable or missing}))
        sources[name] = _Source(right, column.name, partner)
    info = left.info.model_copy(
        update={
            "rows": len(rows),
            "cohort": max(left.info.cohort, right.info.cohort),
            "segments": [],
            "own": _stretches(_is_own(left)[rows] | (_is_own(right)[partner] & (partner >= 0))),
        }
    )
    return JoinSource(sources, [here[row] for row in rows]), info, Schema(columns=tuple(columns))


def _is_own(table: Joinable) -> NDArray[np.bool_]:
    """Which rows the person who asks has uploaded; and one more element, for row -1."""
    found = np.zeros(table.info.rows + 1, np.bool_)
    for start, stop in table.info.own:
        found[start:stop] = True
    return found


def _stretches(which: NDArray[np.bool_]) -> list[list[int]]:
    edges = np.flatnonzero(np.diff(np.concatenate([[False], which, [False]])))
    return [[int(start), int(stop)] for start, stop in edges.reshape(-1, 2)]


def _key(table: Joinable) -> Column:
    key = table.schema.key
    if key is None:
        raise InputError(
            f"table {table.name} has no public key, so its rows cannot be joined", hint="its owners declare one"
        )
    return key
