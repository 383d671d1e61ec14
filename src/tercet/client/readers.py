"""Where rows come from: files, spreadsheets, standard input, databases, frames; all as batches of Arrow columns."""

from __future__ import annotations

import hashlib
import io
import math
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.ipc
import pyarrow.parquet

from tercet.client.readers_csv import CsvSource, has_asserted_header, header_of
from tercet.client.sources import BATCH_ROWS, Replayed, Source, refuse_twice
from tercet.errors import InputError
from tercet.store.reading import AS_IT_IS, LAYOUT, Reading
from tercet.store.schema import Schema

_PARQUET = b"PAR1"
_ARROW_FILE = b"ARROW1"
_ARROW_STREAM = b"\xff\xff\xff\xff"
_FEATHER_1 = b"FEA1"
_NUMBERS = (int, float, Decimal)
_WORKBOOK = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1")
"""First bytes of spreadsheets: those of zip archives, and those of older ones."""
_EXACT = 1 << 53


def open_source(
    what: Any,
    *,
    query: str | None = None,
    reading: Reading | None = None,
    schema: Schema | None = None,
    **options: Any,
) -> Source:
    """The rows of a path, of an open binary file, of an SQLAlchemy URL with a query, or of a frame. Owners call it.

    Paths: Parquet, Arrow (Feather), Excel and CSV, told apart by their first bytes; CSV may be compressed (.gz, .bz2,
    .zst). Frames: pandas, polars, pyarrow, or a dict of columns. `options` say how to read it and are those of
    `tercet.store.reading.Reading`, which may be given as `reading` instead: decimal, thousands, strip, day_first and na
    for all sources; delimiter, encoding, header, names, skip_rows and sheet for CSV and Excel only. A `schema` that was
    inferred contains the options of its source; those given here must not contradict them. Raises InputError if the
    source cannot be opened or read, or if an option does not apply to it.
    """
    if reading is None:
        reading = Reading.of(options)
    elif options:
        raise InputError(f"reading is given, and {', '.join(options)} besides", hint="give one of them")
    said, reading = reading, reading if schema is None else reading.agreeing(schema.reading)
    source = _source(what, query, reading)
    unused = [name for name in LAYOUT if name in said.given() and name not in source.layout]
    if unused:
        raise InputError(
            f"{source.name} is read without {' and '.join(unused)}: that is for other kinds of files",
            hint="leave the option out",
        )
    source.reading = reading
    return source


def _source(what: Any, query: str | None, reading: Reading) -> Source:
    if query is not None:
        return SqlSource(what, query)
    if isinstance(what, str | os.PathLike):
        if str(what) == "-":
            raise InputError("standard input is to be given as an open binary file", hint="pass sys.stdin.buffer")
        path = Path(what)
        try:
            with path.open("rb") as file:
                head = file.read(8)
        except OSError as error:
            hint = "name a file of CSV, Excel, Parquet or Arrow that is there"
            raise InputError(f"cannot read {path}: {error.strerror}", hint=hint) from None
        if head.startswith(_PARQUET):
            return ParquetSource(path)
        if head.startswith((_ARROW_FILE, _ARROW_STREAM)):
            return ArrowSource(path)
        if head.startswith(_WORKBOOK):
            return ExcelSource(path, reading)
        _refuse_feather_1(head, str(path))
        return CsvSource(path, reading)
    if hasattr(what, "read") and not hasattr(what, "__arrow_c_stream__"):
        stream = Replayed(what)
        head = stream.head[:8]
        _refuse_feather_1(head, "standard input")
        if head.startswith(_PARQUET):
            raise InputError("Parquet is not read from standard input", hint="pass the file by its path")
        if head.startswith((_ARROW_FILE, _ARROW_STREAM)):
            return ArrowSource(stream)
        return ExcelSource(stream, reading) if head.startswith(_WORKBOOK) else CsvSource(stream, reading)
    return FrameSource(what)


def _refuse_feather_1(head: bytes, name: str) -> None:
    if head.startswith(_FEATHER_1):
        raise InputError(f"{name} is Feather of version 1", hint="write it as Feather 2 (Arrow) or Parquet")


class ParquetSource(Source):
    """A Parquet file."""

    def __init__(self, path: Path) -> None:
        self.name = str(path)
        self.path: Path = path
        with _reading(self.name), pa.memory_map(str(path)) as opened, pa.parquet.ParquetFile(opened) as file:
            self.columns = tuple(file.schema_arrow.names)
            self.rows = file.metadata.num_rows
        refuse_twice(self.columns, self.name)

    def batches(self, columns: Sequence[str] | None = None) -> Iterator[pa.RecordBatch]:
        with _reading(self.name), pa.memory_map(str(self.path)) as opened, pa.parquet.ParquetFile(opened) as file:
            yield from file.iter_batches(BATCH_ROWS, columns=None if columns is None else list(columns))


class ArrowSource(Source):
    """Arrow in its file format (Feather 2) or its stream format, from a path or from a stream."""

    def __init__(self, what: Path | Replayed) -> None:
        self.path = what if isinstance(what, Path) else None
        self.repeatable = self.path is not None
        self.name = str(what) if self.repeatable else "standard input"
        self._stream = what if isinstance(what, Replayed) else None
        if self.path is not None:
            with _reading(self.name), pa.memory_map(str(self.path)) as file:
                reader = _arrow_reader(file)
                self.columns = tuple(reader.schema.names)
                if isinstance(reader, pa.RecordBatchFileReader):
                    self.rows = reader.count_rows()
        else:
            with _reading(self.name):
                assert self._stream is not None
                if self._stream.head.startswith(_ARROW_FILE):
                    # this format is read from its end
                    self._reader = pa.ipc.open_file(pa.BufferReader(self._stream.read()))
                else:
                    self._reader = pa.ipc.open_stream(pa.PythonFile(self._stream))
                self.columns = tuple(self._reader.schema.names)
        refuse_twice(self.columns, self.name)

    def batches(self, columns: Sequence[str] | None = None) -> Iterator[pa.RecordBatch]:
        with _reading(self.name):
            if self.path is None:
                yield from _record_batches(self._reader, columns)
            else:
                with pa.memory_map(str(self.path)) as file:
                    yield from _record_batches(_arrow_reader(file), columns)


def _arrow_reader(file: Any) -> Any:
    head = file.read(8)
    file.seek(0)
    return pa.ipc.open_file(file) if head.startswith(_ARROW_FILE) else pa.ipc.open_stream(file)


def _record_batches(reader: Any, columns: Sequence[str] | None) -> Iterator[pa.RecordBatch]:
    if isinstance(reader, pa.RecordBatchFileReader):
        batches = (reader.get_batch(index) for index in range(reader.num_record_batches))
    else:
        batches = iter(reader)
    for batch in batches:
        yield batch if columns is None else batch.select(list(columns))


class _TableSource(Source):
    """Rows that are held in memory."""

    _table: pa.Table

    def batches(self, columns: Sequence[str] | None = None) -> Iterator[pa.RecordBatch]:
        table = self._table if columns is None else self._table.select(list(columns))
        yield from table.to_batches(max_chunksize=BATCH_ROWS)


class FrameSource(_TableSource):
    """A table in memory: pandas, polars, pyarrow, or a dict of columns."""

    def __init__(self, frame: Any) -> None:
        self.name = f"the {type(frame).__module__.partition('.')[0]} {type(frame).__name__}"
        self._table = _as_table(frame, self.name)
        self.columns = tuple(self._table.column_names)
        self.rows = self._table.num_rows
        refuse_twice(self.columns, self.name)

    def identity(self) -> str:
        hashed = _Hashed()
        with pa.ipc.new_stream(pa.PythonFile(hashed, "w"), self._table.schema) as stream:
            for batch in self.batches():
                stream.write_batch(batch)
        return hashed.digest.hexdigest()


class _Hashed(io.RawIOBase):
    """A file that hashes what is written to it."""

    def __init__(self) -> None:
        self.digest = hashlib.sha256()

    def writable(self) -> bool:
        return True

    def write(self, data: Any) -> int:
        self.digest.update(data)
        return len(data)


def _as_table(frame: Any, name: str) -> pa.Table:
    if isinstance(frame, pa.Table):
        return frame
    if isinstance(frame, pa.RecordBatch):
        return pa.Table.from_batches([frame])
    if isinstance(frame, dict) or type(frame).__module__.partition(".")[0] == "pandas":
        if not hasattr(frame, "items") or (not isinstance(frame, dict) and len(frame.shape) != 2):
            raise InputError(f"{name} is no table", hint="pass a frame; of a column, frame[['name']]")
        columns = {}
        for label, values in frame.items():
            try:
                columns[str(label)] = array_of(values)
            except (pa.ArrowException, ValueError, TypeError, OverflowError):
                # the message of the cause holds a value
                raise InputError(
                    f"column {str(label)!r} of {name} mixes kinds of values, or has one that no column has",
                    hint="make it one kind, with frame[column].astype(...) for instance",
                ) from None
        if len({len(values) for values in columns.values()}) > 1:
            raise InputError(f"the columns of {name} differ in length", hint="give each a value for every row")
        if len(columns) != len(tuple(frame)):
            raise InputError(f"{name} has two columns of one name", hint="rename one")
        return pa.table(columns)
    if hasattr(frame, "__arrow_c_stream__"):
        with _reading(name):
            return pa.RecordBatchReader.from_stream(frame).read_all()
    raise InputError(
        f"{name} is no source of rows", hint="pass a path, an open file, or a frame of pandas, polars or pyarrow"
    )


class SqlSource(Source):
    """The result of a query at a database, fetched in pieces (by a cursor of the server, if it has them)."""

    def __init__(self, url: Any, query: str) -> None:
        import sqlalchemy
        import sqlalchemy.exc

        try:
            parsed = sqlalchemy.engine.make_url(url)
            self._engine = sqlalchemy.create_engine(parsed, poolclass=sqlalchemy.pool.NullPool)
        except (sqlalchemy.exc.ArgumentError, ImportError) as error:
            # the message of the cause may hold the URL, and so a password
            raise InputError(
                f"the database URL cannot be used ({type(error).__name__})",
                hint="write it as SQLAlchemy does: postgresql+psycopg://user@host/database, sqlite:///file.db; "
                "and install the driver that it names",
            ) from None
        self.name = f"the query at {parsed.get_backend_name()}"
        self._query = sqlalchemy.text(query)
        with _asking(self.name), self._engine.connect() as connection:
            result = connection.execution_options(stream_results=True, max_row_buffer=1).execute(self._query)
            if not result.returns_rows:
                raise InputError("the query gives no rows", hint="pass a SELECT")
            self.columns = tuple(result.keys())
            result.close()
        refuse_twice(self.columns, self.name)

    def batches(self, columns: Sequence[str] | None = None) -> Iterator[pa.RecordBatch]:
        names = list(self.columns if columns is None else columns)
        places = [self.columns.index(name) for name in names]
        with _asking(self.name), self._engine.connect() as connection:
            options = {"stream_results": True, "max_row_buffer": BATCH_ROWS}
            result = connection.execution_options(**options).execute(self._query)
            for partition in result.partitions(BATCH_ROWS):
                by_column = list(zip(*partition, strict=True))
                arrays = [_sql_column(by_column[place], name) for place, name in zip(places, names, strict=True)]
                yield pa.RecordBatch.from_arrays(arrays, names)


def _sql_column(values: tuple[Any, ...], name: str) -> pa.Array:
    try:
        return array_of(values)
    except (pa.ArrowException, ValueError, TypeError, OverflowError):
        raise InputError(f"column {name!r} of the query mixes kinds of values", hint="cast it in the query") from None


def array_of(values: Any) -> pa.Array:
    """Values of Python or pandas as an Arrow array. Numbers that no Arrow type holds become texts: they stay exact."""
    try:
        return pa.array(values, from_pandas=True)
    except (pa.ArrowException, ValueError, TypeError, OverflowError):
        held = [None if value is None or value != value else value for value in values]
        if not all(value is None or (isinstance(value, _NUMBERS) and not isinstance(value, bool)) for value in held):
            raise
        return pa.array([None if value is None else str(value) for value in held], pa.string())


@contextmanager
def _asking(name: str) -> Iterator[None]:
    """Raises InputError for errors of a database, whose own messages hold queries, parameters and addresses."""
    import sqlalchemy.exc

    try:
        yield
    except sqlalchemy.exc.SQLAlchemyError as error:
        cause = getattr(error, "orig", None)
        what = f"{type(error).__name__}{'' if cause is None else f': {_first_line(cause)}'}"
        raise InputError(f"{name} failed: {what}", hint="check the URL, the rights and the query") from None


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return lines[0][:200] if lines else type(error).__name__


@contextmanager
def _reading(name: str) -> Iterator[None]:
    """Raises InputError for errors of Arrow and of the file system; messages of Arrow hold values."""
    try:
        yield
    except (pa.ArrowException, OSError) as error:
        if isinstance(error, OSError) and error.strerror:
            raise InputError(f"cannot read {name}: {error.strerror}") from None
        raise InputError(
            f"{name} is damaged or cut off ({type(error).__name__})", hint="write it again, or copy it anew"
        ) from None


class ExcelSource(_TableSource):
    """One sheet of a workbook, held in memory; its first row names the columns unless `reading` says otherwise."""

    layout = ("header", "names", "skip_rows", "sheet")

    def __init__(self, what: Path | Replayed, reading: Reading = AS_IT_IS) -> None:
        self.path = what if isinstance(what, Path) else None
        self.name = "standard input" if self.path is None else str(self.path)
        self.reading = reading
        rows = self._rows(what)[reading.skip_rows or 0 :]
        if not rows:
            raise InputError(f"{self.name} is empty", hint="the first row names the columns")
        first = ["" if cell is None else _text(cell) for cell in rows[0]]
        self.columns, headed = header_of(first, reading, f"the first row of {self.name}")
        self.asserted_header = has_asserted_header(reading)
        refuse_twice(self.columns, self.name)
        kept = rows[1:] if headed else rows
        self.rows = len(kept)
        self._table = pa.table({name: _column([row[place] for row in kept]) for place, name in enumerate(self.columns)})

    def _rows(self, what: Path | Replayed) -> list[list[Any]]:
        filled = _sheets(what, self.name, self.reading.sheet)
        if len(filled) > 1:
            raise InputError(
                f"{self.name} has {len(filled)} sheets: {', '.join(map(repr, filled))}",
                hint="name one with --sheet (in Python sheet=...)",
            )
        return next(iter(filled.values()), [])


def sheets_of(path: Path) -> list[str]:
    """The names of the sheets of a workbook that hold something; none for other files. Reads all of it.

    The owner's page offers them. Raises InputError.
    """
    with path.open("rb") as file:
        head = file.read(8)
    return list(_sheets(path, str(path), None)) if head.startswith(_WORKBOOK) else []


def _sheets(what: Path | Replayed, name: str, wanted: str | None) -> dict[str, list[list[Any]]]:
    """The rows of each sheet that has some, or of the one that is wanted: without empty ones at the end; None for an
    empty cell."""
    import python_calamine

    try:
        book = python_calamine.load_workbook(what if isinstance(what, Path) else io.BytesIO(what.read()))
        names = list(book.sheet_names)
        filled = {}
        for sheet in names if wanted is None else [_named(wanted, names, name)]:
            rows = [[None if cell == "" else cell for cell in row] for row in book.get_sheet_by_name(sheet).to_python()]
            while rows and not any(cell is not None for cell in rows[-1]):
                rows.pop()
            if rows:
                filled[sheet] = rows
    except python_calamine.PasswordError:
        raise InputError(f"{name} is locked by a password", hint="save it without one") from None
    except (python_calamine.CalamineError, OSError, ValueError) as error:
        raise InputError(
            f"{name} cannot be read as a spreadsheet ({type(error).__name__})",
            hint="save it again as .xlsx or CSV",
        ) from None
    return filled


def _named(wanted: str, names: Sequence[str], name: str) -> str:
    """The sheet of that name, or of that number."""
    if wanted in names:
        return wanted
    if wanted.isdecimal() and 1 <= int(wanted) <= len(names):
        return names[int(wanted) - 1]
    raise InputError(f"{name} has no sheet {wanted!r}", hint=f"it has {', '.join(map(repr, names))}")


def _text(cell: Any) -> str:
    """A cell as spreadsheets show it."""
    if isinstance(cell, bool):
        return "true" if cell else "false"
    if isinstance(cell, float):
        return str(int(cell)) if cell.is_integer() and abs(cell) < _EXACT else f"{cell:.15g}"
    return str(cell)


def _column(cells: list[Any]) -> pa.Array:
    """Cells of one kind as a column of that kind, others as texts."""
    filled = [cell for cell in cells if cell is not None]
    kinds = {bool if isinstance(cell, bool) else type(cell) for cell in filled}
    if not filled:
        return pa.nulls(len(cells), pa.string())
    if kinds == {bool}:
        return pa.array(cells, pa.bool_())
    if kinds <= {int, float} and all(math.isfinite(cell) for cell in filled):
        if all(float(cell).is_integer() and abs(cell) < _EXACT for cell in filled):
            return pa.array([None if cell is None else int(cell) for cell in cells], pa.int64())
        # spreadsheets show at most 15 digits: 0.1 + 0.2 is 0.3 there
        return pa.array([None if cell is None else float(f"{cell:.15g}") for cell in cells], pa.float64())
    if kinds <= {date, datetime}:
        return pa.array([cell.date() if isinstance(cell, datetime) else cell for cell in cells], pa.date32())
    return pa.array([None if cell is None else _text(cell) for cell in cells], pa.string())
