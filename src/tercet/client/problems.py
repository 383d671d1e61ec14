"""All that stands in the way of sharing a table, by column and row: for pages, which show it where it is."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import pyarrow as pa

from tercet.client.chunks import Chunks, Missing, OutsideValues, chunk_rows_for, outside_values
from tercet.client.columns import SHOWN_ROWS, CellError, Outside
from tercet.client.sources import Source, prefetched
from tercet.errors import InputError
from tercet.store.schema import Schema

_TEXT = 200
"""Characters of a cell that are shown."""


@dataclass(frozen=True)
class TableProblem:
    """Values of one column that cannot be shared for one reason: their first `rows`, counted from 1, of `count`.

    Without rows, the column as a whole is meant. `outside`: what the schema does not allow, where that is the reason.
    """

    column: str
    rows: tuple[int, ...]
    count: int
    what: str
    todo: str
    outside: OutsideValues | None = None


@dataclass(frozen=True)
class TableCheck:
    """A table that was looked at as a whole: the rows that would be shared and left out, and all problems."""

    rows: int
    dropped: int
    problems: tuple[TableProblem, ...]


def check_all(source: Source, schema: Schema, missing: Missing, look: Callable[[int], None]) -> TableCheck:
    """Check a whole source, as `chunks.check` does, and give all problems, where that one raises the first.

    Owners' pages call it; nothing is sent. `look` is told the number of rows after each piece, and may raise to end it.
    Reads the source twice where values lie outside. Raises InputError if it cannot be read.
    """
    chunks = Chunks(source, schema, chunk_rows_for(schema), missing)
    found: dict[tuple[str, str], TableProblem] = {}
    beyond, rows = False, 0
    for chunk in prefetched(chunks):
        for column, error in chunks.faults(chunk):
            beyond |= isinstance(error, Outside)
            one = _problem(column, error)
            before = found.get((column, one.what))
            found[column, one.what] = one if before is None else _together(before, one)
        rows += chunk.rows
        look(chunks.read)
    if beyond:
        outside = {each.column.name: each for each in outside_values(source, schema)}
        found = {key: replace(one, outside=outside.get(one.column)) for key, one in found.items()}
    return TableCheck(rows, chunks.dropped, tuple(found.values()))


def _problem(column: str, error: InputError) -> TableProblem:
    if isinstance(error, CellError):
        return TableProblem(column, error.rows, error.count, f"the value {error.why}", error.hint)
    return TableProblem(column, (), 0, error.message, error.hint)


def _together(one: TableProblem, more: TableProblem) -> TableProblem:
    return replace(one, rows=(*one.rows, *more.rows)[:SHOWN_ROWS], count=one.count + more.count)


def rows_as_texts(source: Source, wanted: Sequence[int]) -> dict[int, list[str | None]]:
    """The cells of these rows (from 1) as texts, None where one is empty; for their owner's own screen.

    Reads the source as far as the last of them.
    """
    left, found = sorted(set(wanted)), {}
    before = 0
    for batch in _batches(source, left):
        here = [row for row in left if before < row <= before + batch.num_rows]
        for row, cells in zip(here, _texts(batch, [row - before - 1 for row in here]), strict=True):
            found[row] = cells
        before += batch.num_rows
        left = left[len(here) :]
        if not left:
            break
    return found


def _batches(source: Source, wanted: Sequence[int]) -> Iterator[pa.RecordBatch]:
    return iter(source.batches()) if wanted else iter(())


def _texts(batch: pa.RecordBatch, places: Sequence[int]) -> Iterator[list[str | None]]:
    columns = [column.take(pa.array(places, pa.int64())).to_pylist() for column in batch.columns]
    return ([_text(column[at]) for column in columns] for at in range(len(places)))


def _text(value: Any) -> str | None:
    return None if value is None else str(value)[:_TEXT]
