"""Chunks of rows: what is read from a source, in pieces of one size, each checked and encoded as a whole."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from tercet.client.columns import headers_of, missing_rows, readers_of
from tercet.client.prefetch import prefetched
from tercet.client.sources import Source
from tercet.client.survey import with_all_outside
from tercet.client.texts import flat
from tercet.errors import InputError
from tercet.store.part import MAX_CHUNK_ROWS, content_bytes
from tercet.store.schema import Schema, StoredForm

Missing = Literal["refuse", "drop"]
CHUNK_BYTES = 8 << 20
"""What one component of a chunk takes, about."""
_MULTIPLE = 64
_TEXT_KEY_BYTES = 64
_ROW = "\0row"


@dataclass(frozen=True, slots=True)
class Chunk:
    """Rows of a chunk, not yet encoded. `numbers`: of its first row, or of each where rows were dropped."""

    number: int
    rows: int
    numbers: int | NDArray[np.int64]
    columns: Sequence[pa.ChunkedArray] = field(repr=False)


def chunk_rows_for(schema: Schema, limit_bytes: int | None = None) -> int:
    """How many rows a chunk of this schema has: about 8 MB a component, a multiple of 64."""
    row = sum(_row_bytes(form) for _, form in schema.stored)
    target = CHUNK_BYTES if limit_bytes is None else min(CHUNK_BYTES, limit_bytes // 2)
    rows = max(1, int(target / row))
    return min(MAX_CHUNK_ROWS, max(_MULTIPLE, rows // _MULTIPLE * _MULTIPLE))


def _row_bytes(form: StoredForm) -> float:
    if form is StoredForm.KEY_TEXT:
        return _TEXT_KEY_BYTES
    return 1 / 8 if form is StoredForm.BITS else content_bytes(form, 1)


class Chunks:
    """The chunks of a source, and what was seen on the way."""

    def __init__(self, source: Source, schema: Schema, rows: int, missing: Missing = "refuse") -> None:
        """`rows`: of each chunk but the last. `missing`: refuse rows with missing values, or drop and count them;
        what is missing in a nullable column is kept as missing."""
        if missing not in ("refuse", "drop"):
            raise InputError(f"missing is {missing!r}; it is refuse or drop")
        self.schema = schema
        self._source = source
        self._reading = source.reading.agreeing(schema.reading.values)
        self._rows = rows
        self._drop = missing == "drop"
        self._headers = headers_of(source, schema)
        self._readers = readers_of(schema, self._reading)
        self.read = 0
        """Rows read so far."""
        self.dropped = 0
        """Rows left out so far, for missing values."""

    def __iter__(self) -> Iterator[Chunk]:
        held: list[pa.Table] = []
        count = number = done = 0
        for batch in self._source.batches(self._headers):
            table = self._kept(pa.Table.from_batches([batch]))
            self.read += batch.num_rows
            if not table.num_rows:
                continue
            held.append(table)
            count += table.num_rows
            while count >= self._rows:
                whole = _together(held)
                yield self._chunk(whole.slice(0, self._rows), number, done)
                held = [whole.slice(self._rows)]
                count -= self._rows
                number, done = number + 1, done + self._rows
        if count:
            yield self._chunk(_together(held), number, done)

    def encoded(self, chunk: Chunk) -> Mapping[str, Any]:
        """Every column of a chunk as `split_chunk` takes it. Raises InputError naming row and column."""
        found: dict[str, Any] = {}
        for reader, values in zip(self._readers, chunk.columns, strict=True):
            found |= reader.stored(values, chunk.numbers)
        return found

    def _kept(self, table: pa.Table) -> pa.Table:
        if not self._drop:
            return table
        gone = np.zeros(table.num_rows, np.bool_)
        for column, values in zip(self.schema.columns, table.columns, strict=True):
            if not column.nullable:
                gone |= missing_rows(column, values, self._reading)
        table = table.append_column(_ROW, pa.array(np.arange(self.read + 1, self.read + 1 + table.num_rows)))
        if gone.any():
            self.dropped += int(gone.sum())
            table = table.filter(pa.array(~gone))
        return table

    def _chunk(self, table: pa.Table, number: int, done: int) -> Chunk:
        columns = table.columns[: len(self._headers)]
        numbers: Any = done + 1 if not self._drop else table.column(_ROW).to_numpy()
        return Chunk(number, table.num_rows, numbers, columns)


def _together(held: list[pa.Table]) -> pa.Table:
    """Pieces as one table; a column that came in several types, as from a database, has one that holds them all."""
    if any(not piece.schema.equals(held[0].schema) for piece in held):
        held = [pa.table([_decoded(column) for column in piece.columns], piece.schema.names) for piece in held]
        with suppress(pa.ArrowException):
            return pa.concat_tables(held, promote_options="permissive")
        held = [pa.table([column.cast(pa.string()) for column in each.columns], each.schema.names) for each in held]
    return pa.concat_tables(held)


def _decoded(column: pa.ChunkedArray) -> pa.ChunkedArray:
    return pa.chunked_array([flat(chunk) for chunk in column.chunks], flat(column.slice(0, 0).combine_chunks()).type)


def check(source: Source, schema: Schema, missing: Missing = "refuse") -> tuple[int, int]:
    """Read and check a whole source without sending anything; (rows, rows dropped). Called by owners. InputError."""
    chunks = Chunks(source, schema, chunk_rows_for(schema), missing)
    rows = 0
    try:
        for chunk in prefetched(chunks):
            chunks.encoded(chunk)
            rows += chunk.rows
    except InputError as error:
        raise with_all_outside(error, source, schema) from None
    return rows, chunks.dropped
