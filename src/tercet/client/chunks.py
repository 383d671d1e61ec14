"""Chunks of rows: what is read from a source, in pieces of one size, each checked and encoded as a whole."""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, Literal, TypeVar

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from tercet.client.columns import headers_of, missing_rows, readers_of
from tercet.client.readers import Source
from tercet.errors import InputError
from tercet.store.part import MAX_CHUNK_ROWS, content_bytes
from tercet.store.schema import Form, Schema

Missing = Literal["refuse", "drop"]
CHUNK_BYTES = 8 << 20
"""What one component of a chunk takes, about."""
_MULTIPLE = 64
_TEXT_KEY_BYTES = 64
_ROW = "\0row"

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Chunk:
    """Rows of a chunk, not yet encoded. `numbers`: of its first row, or of each where rows were dropped."""

    number: int
    rows: int
    numbers: int | NDArray[np.int64]
    columns: Sequence[pa.ChunkedArray] = field(repr=False)


def chunk_rows_for(schema: Schema, limit_bytes: int | None = None) -> int:
    """How many rows a chunk of this schema has: about 8 MB a component, a multiple of 64."""
    row = sum(_row_bytes(column.form) for column in schema.columns)
    target = CHUNK_BYTES if limit_bytes is None else min(CHUNK_BYTES, limit_bytes // 2)
    rows = max(1, int(target / row))
    return min(MAX_CHUNK_ROWS, max(_MULTIPLE, rows // _MULTIPLE * _MULTIPLE))


def _row_bytes(form: Form) -> float:
    if form is Form.KEY_TEXT:
        return _TEXT_KEY_BYTES
    return 1 / 8 if form is Form.BITS else content_bytes(form, 1)


class Chunks:
    """The chunks of a source, and what was seen on the way."""

    def __init__(self, source: Source, schema: Schema, rows: int, missing: Missing = "refuse") -> None:
        """`rows`: of each chunk but the last. `missing`: refuse rows with missing values, or drop and count them."""
        if missing not in ("refuse", "drop"):
            raise InputError(f"missing is {missing!r}; it is refuse or drop")
        self.schema = schema
        self._source = source
        self._rows = rows
        self._drop = missing == "drop"
        self._headers = headers_of(source, schema)
        self._readers = readers_of(schema)
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
                whole = pa.concat_tables(held)
                yield self._chunk(whole.slice(0, self._rows), number, done)
                held = [whole.slice(self._rows)]
                count -= self._rows
                number, done = number + 1, done + self._rows
        if count:
            yield self._chunk(pa.concat_tables(held), number, done)

    def encoded(self, chunk: Chunk) -> Mapping[str, Any]:
        """Every column of a chunk as `split_chunk` takes it. Raises InputError naming row and column."""
        return {
            column.name: reader.words(values, chunk.numbers)
            for column, reader, values in zip(self.schema.columns, self._readers, chunk.columns, strict=True)
        }

    def _kept(self, table: pa.Table) -> pa.Table:
        if not self._drop:
            return table
        gone = np.zeros(table.num_rows, np.bool_)
        for column, values in zip(self.schema.columns, table.columns, strict=True):
            gone |= missing_rows(column, values)
        table = table.append_column(_ROW, pa.array(np.arange(self.read + 1, self.read + 1 + table.num_rows)))
        if gone.any():
            self.dropped += int(gone.sum())
            table = table.filter(pa.array(~gone))
        return table

    def _chunk(self, table: pa.Table, number: int, done: int) -> Chunk:
        columns = table.columns[: len(self._headers)]
        numbers: Any = done + 1 if not self._drop else table.column(_ROW).to_numpy()
        return Chunk(number, table.num_rows, numbers, columns)


def check(source: Source, schema: Schema, missing: Missing = "refuse") -> tuple[int, int]:
    """Read and check a whole source without sending anything; (rows, rows dropped). Called by owners. InputError."""
    chunks = Chunks(source, schema, chunk_rows_for(schema), missing)
    rows = 0
    for chunk in ahead(chunks):
        chunks.encoded(chunk)
        rows += chunk.rows
    return rows, chunks.dropped


class _Ahead(Generic[T]):
    def __init__(self, items: Iterator[T], depth: int) -> None:
        self._items = items
        self._queue: queue.Queue[tuple[T | None, BaseException | None]] = queue.Queue(depth)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._work, name="tercet reader", daemon=True)

    def _work(self) -> None:
        error: BaseException | None = None
        try:
            for item in self._items:
                if not self._put((item, None)):
                    return
        except BaseException as raised:
            error = raised
        finally:
            close = getattr(self._items, "close", None)
            if close is not None:
                close()
        self._put((None, error))

    def _put(self, entry: tuple[T | None, BaseException | None]) -> bool:
        while not self._stop.is_set():
            try:
                self._queue.put(entry, timeout=0.1)
                return True
            except queue.Full:
                continue
        return False

    def __iter__(self) -> Iterator[T]:
        self._thread.start()
        try:
            while True:
                item, error = self._queue.get()
                if error is not None:
                    raise error
                if item is None:
                    return
                yield item
        finally:
            self._stop.set()
            self._thread.join()


def ahead(items: Any, depth: int = 1) -> Iterator[Any]:
    """The same items, made by another thread while the last one is worked on; no more than `depth` wait."""
    return iter(_Ahead(iter(items), depth))
