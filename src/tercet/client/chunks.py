"""Chunks of rows: read from a source in pieces of one size, each checked and encoded as a whole.

Where a check fails because values lie outside the bounds, the whole table is read once more, and the error tells all
such columns, with bounds that would hold their values.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import date
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from tercet.client.bounds import exact_bounds, friendly_bounds, friendly_dates
from tercet.client.columns import SHOWN_ROWS, ColumnReader, Outside, missing_rows
from tercet.client.sources import Source, headers_of, prefetched
from tercet.client.texts import ISO, NUMBER, canonical, days_of, flat, is_text
from tercet.errors import InputError
from tercet.store.part import MAX_CHUNK_ROWS, content_bytes
from tercet.store.schema import EPOCH, Column, ColumnKind, Schema, StoredForm

Missing = Literal["refuse", "drop"]
CHUNK_BYTES = 8 << 20
"""About how many bytes one component of a chunk takes."""
_MULTIPLE = 64
_TEXT_KEY_BYTES = 64
_ROW = "\0row"


@dataclass
class OutsideValues:
    """The values of one column that the schema does not allow: how many, the first of them, and their range.

    Of a category, `texts` has the first ones.
    """

    column: Column
    count: int = 0
    first_row: int = 0
    lo: float = 0
    hi: float = 0
    texts: tuple[str, ...] = ()

    def take(self, array: pa.Array, before: int) -> None:
        """Look at the next piece; `before` rows came before it."""
        column = self.column
        if column.kind is ColumnKind.CATEGORY:
            texts = flat(array)
            texts = pc.utf8_trim_whitespace(texts) if is_text(texts.type) else texts.cast(pa.string())
            known = pc.is_in(texts, pa.array(column.categories, pa.string()))
            unknown = pc.and_(pc.invert(known), texts.is_valid())
            more = pc.unique(texts.filter(unknown)).to_pylist() if len(self.texts) < SHOWN_ROWS else []
            self.texts = tuple(dict.fromkeys((*self.texts, *more)))[:SHOWN_ROWS]
            self._outside(unknown.to_numpy(zero_copy_only=False), before)
            return
        values = _numbers(array, column)
        if values is None or column.bounds is None:
            return
        lo, hi = column.bounds
        with np.errstate(invalid="ignore"):
            outside = ((values < lo) | (values > hi)) & np.isfinite(values)
        if outside.any():
            first = not self.count
            low, high = values[outside].min().item(), values[outside].max().item()
            self.lo, self.hi = (low, high) if first else (min(self.lo, low), max(self.hi, high))
        self._outside(outside, before)

    def _outside(self, outside: NDArray[np.bool_], before: int) -> None:
        if outside.any():
            self.first_row = self.first_row or before + int(np.argmax(outside)) + 1
            self.count += int(outside.sum())

    def told(self) -> str:
        """One sentence for the error message; it holds no value."""
        column = self.column
        what = "1 value" if self.count == 1 else f"{self.count:,} values"
        if column.kind is ColumnKind.CATEGORY:
            return f"{column.name}: {what} none of the categories, the first in row {self.first_row}"
        lo, hi = self.wider()
        return f"{column.name}: {what} outside, the first in row {self.first_row}; lo = {lo}, hi = {hi} would hold all"

    def wider(self) -> tuple[Any, Any]:
        """Bounds that hold these values too, beside all that the schema allows."""
        column = self.column
        assert column.bounds is not None
        below, above = self.lo < column.bounds[0], self.hi > column.bounds[1]
        if column.kind is ColumnKind.DATE:
            first, last = (date.fromordinal(EPOCH.toordinal() + int(day)) for day in (self.lo, self.hi))
            friendly = friendly_dates(first, last)
            return (friendly["lo"] if below else column.lo), (friendly["hi"] if above else column.hi)
        low, high = friendly_bounds(min(self.lo, column.bounds[0]), max(self.hi, column.bounds[1]))
        if column.digits is not None:
            low, high = exact_bounds(low, high, column.digits)
        low, high = (int(bound) if float(bound).is_integer() else bound for bound in (low, high))
        return (low if below else column.lo), (high if above else column.hi)


def _numbers(array: pa.Array, column: Column) -> NDArray[np.float64] | None:
    """Numbers, or days since 1970; NaN where a text is neither. None if values of this type are never numbers."""
    array = flat(array)
    if column.kind is ColumnKind.DATE:
        if is_text(array.type):
            array = pc.if_else(pc.match_substring_regex(array, ISO), pc.utf8_slice_codeunits(array, 0, 10), None)
            array = pc.strptime(array, format="%Y-%m-%d", unit="s", error_is_null=True)
        if not pa.types.is_temporal(array.type):
            return None
        array = days_of(array).cast(pa.int32())
    elif is_text(array.type):
        array = pc.if_else(pc.match_substring_regex(pc.utf8_trim_whitespace(array), NUMBER), array, None)
        array = pc.utf8_trim_whitespace(array)
    try:
        found: NDArray[np.float64] = array.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False)
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        return None
    return found.astype(np.float64)


def with_all_outside(error: InputError, source: Source, schema: Schema) -> InputError:
    """The error for a value that the schema does not allow, extended to all such values; other errors as they are.

    Checks and uploads call it. The source is read once more, if it can be.
    """
    if not isinstance(error, Outside) or not source.repeatable:
        return error
    found = outside_values(source, schema)
    if not found:
        return error
    told = ". ".join(each.told() for each in found)
    return InputError(
        f"{error.message}. In the whole table: {told}",
        hint="correct the values, or put the wider bounds into the schema; those of a dataset that is there are "
        "widened by its owners together: tercet widen",
    )


def outside_values(source: Source, schema: Schema) -> list[OutsideValues]:
    """Read a whole source for the columns that have values which the schema does not allow, and what they are."""
    reading = source.reading.agreeing(schema.reading.values)
    found = [OutsideValues(column) for column in schema.columns]
    looked_at = [each for each in found if each.column.kind.has_bounds or each.column.kind is ColumnKind.CATEGORY]
    headers = dict(zip(schema.names, headers_of(source, schema), strict=True))
    before = 0
    for batch in prefetched(source.batches([headers[each.column.name] for each in looked_at])):
        for each, values in zip(looked_at, batch.columns, strict=True):
            each.take(canonical(values, each.column, reading), before)
        before += batch.num_rows
    return [each for each in looked_at if each.count]


@dataclass(frozen=True, slots=True)
class Chunk:
    """Rows of a chunk, not yet encoded. `numbers`: that of its first row, or those of all where rows were dropped."""

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
    """The chunks of a source; and how many rows were read and dropped so far."""

    def __init__(self, source: Source, schema: Schema, rows: int, missing: Missing = "refuse") -> None:
        """`rows`: how many each chunk has, except the last. `missing`: refuse rows with missing values, or drop and
        count them. Nullable columns keep their missing values in both cases."""
        if missing not in ("refuse", "drop"):
            raise InputError(f"missing is {missing!r}; it is refuse or drop")
        self.schema = schema
        self._source = source
        self._reading = source.reading.agreeing(schema.reading.values)
        self._rows = rows
        self._drop = missing == "drop"
        self._headers = headers_of(source, schema)
        self._readers = [ColumnReader(column, self._reading) for column in schema.columns]
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
                whole = _one_table(held)
                yield self._chunk(whole.slice(0, self._rows), number, done)
                held = [whole.slice(self._rows)]
                count -= self._rows
                number, done = number + 1, done + self._rows
        if count:
            yield self._chunk(_one_table(held), number, done)

    def encoded(self, chunk: Chunk) -> Mapping[str, Any]:
        """Every column of a chunk as `split_chunk` takes it. Raises InputError naming row and column."""
        found: dict[str, Any] = {}
        for reader, values in zip(self._readers, chunk.columns, strict=True):
            found |= reader.stored(values, chunk.numbers)
        return found

    def faults(self, chunk: Chunk) -> Iterator[tuple[str, InputError]]:
        """By column, why a chunk cannot be shared: of each column the first reason."""
        for reader, values in zip(self._readers, chunk.columns, strict=True):
            try:
                reader.stored(values, chunk.numbers)
            except InputError as error:
                yield reader.column.name, error

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


def _one_table(held: list[pa.Table]) -> pa.Table:
    """Pieces as one table. A database may give one column in several types; it gets one type that holds them all."""
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
