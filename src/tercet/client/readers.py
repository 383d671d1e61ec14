"""Where rows come from: files, standard input, databases, frames; all as batches of Arrow columns."""

from __future__ import annotations

import hashlib
import io
import os
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import pyarrow as pa
import pyarrow.ipc
import pyarrow.parquet

from tercet.errors import InputError

BATCH_ROWS = 1 << 16
_HEAD_BYTES = 1 << 20
_PARQUET = b"PAR1"
_ARROW_FILE = b"ARROW1"
_ARROW_STREAM = b"\xff\xff\xff\xff"
_FEATHER_1 = b"FEA1"


class Source(ABC):
    """Rows to be read, in order; `tercet.client.readers.open_source` gives the right one."""

    name: str
    """How messages call it."""
    columns: tuple[str, ...]
    """Names of its columns, in their order."""
    rows: int | None = None
    """How many rows it has, if that is known before reading."""
    repeatable: bool = True
    """Whether it can be read more than once."""
    first_row: int = 1
    """The number that messages give to its first row."""
    path: Path | None = None
    """Where it lies, if it is a file."""

    @abstractmethod
    def batches(self, columns: Sequence[str] | None = None) -> Iterator[pa.RecordBatch]:
        """These columns (default: all), batch by batch. InputError for what cannot be read, never with a value."""

    def identity(self) -> str | None:
        """What changes when the content does, to know it again; None if only reading tells."""
        return None

    def fraction(self) -> float | None:
        """How much has been read, from 0 to 1, if that is known."""
        return None

    def check(self, columns: Sequence[str]) -> None:
        """InputError if one of these columns is not there."""
        missing = [name for name in columns if name not in self.columns]
        if missing:
            have = ", ".join(self.columns) or "none"
            raise InputError(
                f"{self.name} has no column {', '.join(map(repr, missing))}; it has {have}",
                hint="correct the schema, or the header of the file",
            )


def open_source(
    what: Any,
    *,
    query: str | None = None,
    delimiter: str | None = None,
    encoding: str = "utf-8",
    decimal: str = ".",
) -> Source:
    """The rows of a path, of "-" or an open binary file, of an SQLAlchemy URL with a query, or of a frame.

    Paths: Parquet, Arrow (Feather) and CSV, told apart by their first bytes; CSV may be compressed (.gz, .bz2, .zst).
    Frames: pandas, polars, pyarrow, or a dict of columns. `delimiter` (default: the most frequent of , ; tab | in the
    header), `encoding` and `decimal` are for CSV. Called by owners. InputError if it cannot be opened or read.
    """
    if query is not None:
        return SqlSource(what, query)
    from tercet.client.readers_csv import CsvSource

    if isinstance(what, str | os.PathLike):
        if str(what) == "-":
            raise InputError("standard input is to be given as an open binary file", hint="pass sys.stdin.buffer")
        path = Path(what)
        try:
            with path.open("rb") as file:
                head = file.read(8)
        except OSError as error:
            hint = "name a file of CSV, Parquet or Arrow that is there"
            raise InputError(f"cannot read {path}: {error.strerror}", hint=hint) from None
        if head.startswith(_PARQUET):
            return ParquetSource(path)
        if head.startswith((_ARROW_FILE, _ARROW_STREAM)):
            return ArrowSource(path)
        _refuse_feather_1(head, str(path))
        return CsvSource(path, delimiter=delimiter, encoding=encoding, decimal=decimal)
    if hasattr(what, "read") and not hasattr(what, "__arrow_c_stream__"):
        stream = Replayed(what)
        head = stream.head[:8]
        _refuse_feather_1(head, "standard input")
        if head.startswith(_PARQUET):
            raise InputError("Parquet is not read from standard input", hint="pass the file by its path")
        if head.startswith((_ARROW_FILE, _ARROW_STREAM)):
            return ArrowSource(stream)
        return CsvSource(stream, delimiter=delimiter, encoding=encoding, decimal=decimal)
    return FrameSource(what)


def _refuse_feather_1(head: bytes, name: str) -> None:
    if head.startswith(_FEATHER_1):
        raise InputError(f"{name} is Feather of version 1", hint="write it as Feather 2 (Arrow) or Parquet")


def file_identity(path: Path) -> str:
    """The content of a file, hashed."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


class Replayed(io.RawIOBase):
    """A stream whose first bytes have been looked at; reading starts at the first all the same."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self.count = 0
        """Bytes handed on so far."""
        head = bytearray()
        while len(head) < _HEAD_BYTES and b"\n" not in head[:-1]:
            more = stream.read(min(1 << 16, _HEAD_BYTES - len(head)))
            if not more:
                break
            head += more
        self.head = bytes(head)

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        rest = self.head[self.count :] if self.count < len(self.head) else b""
        data = rest + self._stream.read() if size < 0 else rest[:size] or self._stream.read(size)
        self.count += len(data)
        return data

    def close(self) -> None:
        if not self.closed:
            self._stream.close()
        super().close()


class ParquetSource(Source):
    """A Parquet file."""

    def __init__(self, path: Path) -> None:
        self.name = str(path)
        self.path: Path = path
        with _reading(self.name), pa.memory_map(str(path)) as opened, pa.parquet.ParquetFile(opened) as file:
            self.columns = tuple(file.schema_arrow.names)
            self.rows = file.metadata.num_rows
        _distinct(self.columns, self.name)

    def batches(self, columns: Sequence[str] | None = None) -> Iterator[pa.RecordBatch]:
        with _reading(self.name), pa.memory_map(str(self.path)) as opened, pa.parquet.ParquetFile(opened) as file:
            yield from file.iter_batches(BATCH_ROWS, columns=None if columns is None else list(columns))

    def identity(self) -> str:
        return file_identity(self.path)


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
        _distinct(self.columns, self.name)

    def batches(self, columns: Sequence[str] | None = None) -> Iterator[pa.RecordBatch]:
        with _reading(self.name):
            if self.path is None:
                yield from _record_batches(self._reader, columns)
            else:
                with pa.memory_map(str(self.path)) as file:
                    yield from _record_batches(_arrow_reader(file), columns)

    def identity(self) -> str | None:
        return None if self.path is None else file_identity(self.path)


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


class FrameSource(Source):
    """A table in memory: pandas, polars, pyarrow, or a dict of columns."""

    def __init__(self, frame: Any) -> None:
        self.name = f"the {type(frame).__module__.partition('.')[0]} {type(frame).__name__}"
        self._table = _as_table(frame, self.name)
        self.columns = tuple(self._table.column_names)
        self.rows = self._table.num_rows
        _distinct(self.columns, self.name)

    def batches(self, columns: Sequence[str] | None = None) -> Iterator[pa.RecordBatch]:
        table = self._table if columns is None else self._table.select(list(columns))
        yield from table.to_batches(max_chunksize=BATCH_ROWS)

    def identity(self) -> str:
        hashed = _Hashed()
        with pa.ipc.new_stream(pa.PythonFile(hashed, "w"), self._table.schema) as stream:
            for batch in self.batches():
                stream.write_batch(batch)
        return hashed.digest.hexdigest()


class _Hashed(io.RawIOBase):
    """Takes bytes and keeps their hash only."""

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
                columns[str(label)] = pa.array(values, from_pandas=True)
            except (pa.ArrowException, ValueError, TypeError):
                # the message of the cause quotes a value
                raise InputError(
                    f"column {str(label)!r} of {name} mixes kinds of values, or has one that no column has",
                    hint="make it one kind, with frame[column].astype(...) for instance",
                ) from None
        if len({len(values) for values in columns.values()}) > 1:
            raise InputError(f"the columns of {name} differ in length")
        if len(columns) != len(tuple(frame)):
            raise InputError(f"{name} has two columns of one name")
        return pa.table(columns)
    if hasattr(frame, "__arrow_c_stream__"):
        with _reading(name):
            return pa.RecordBatchReader.from_stream(frame).read_all()
    raise InputError(
        f"{name} is no source of rows", hint="pass a path, an open file, or a frame of pandas, polars or pyarrow"
    )


class SqlSource(Source):
    """The result of a query at a database, fetched in pieces with a cursor at the server where there is one."""

    def __init__(self, url: Any, query: str) -> None:
        import sqlalchemy
        import sqlalchemy.exc

        try:
            parsed = sqlalchemy.engine.make_url(url)
            self._engine = sqlalchemy.create_engine(parsed, poolclass=sqlalchemy.pool.NullPool)
        except (sqlalchemy.exc.ArgumentError, ImportError) as error:
            # the URL, and so the message of the cause, may hold a password
            raise InputError(
                f"the database URL cannot be used ({type(error).__name__})",
                hint="write it as SQLAlchemy does: postgresql+psycopg://user@host/database, sqlite:///file.db; "
                "and install the driver that it names",
            ) from None
        self.name = f"the query at {parsed.get_backend_name()}"
        self._query = sqlalchemy.text(query)
        with self._asking(), self._engine.connect() as connection:
            result = connection.execution_options(stream_results=True, max_row_buffer=1).execute(self._query)
            if not result.returns_rows:
                raise InputError("the query gives no rows", hint="pass a SELECT")
            self.columns = tuple(result.keys())
            result.close()
        _distinct(self.columns, self.name)

    def batches(self, columns: Sequence[str] | None = None) -> Iterator[pa.RecordBatch]:
        names = list(self.columns if columns is None else columns)
        places = [self.columns.index(name) for name in names]
        with self._asking(), self._engine.connect() as connection:
            options = {"stream_results": True, "max_row_buffer": BATCH_ROWS}
            result = connection.execution_options(**options).execute(self._query)
            for partition in result.partitions(BATCH_ROWS):
                by_column = list(zip(*partition, strict=True))
                arrays = [_sql_column(by_column[place], name) for place, name in zip(places, names, strict=True)]
                yield pa.RecordBatch.from_arrays(arrays, names)

    def _asking(self) -> _Asking:
        return _Asking(self.name)


def _sql_column(values: tuple[Any, ...], name: str) -> pa.Array:
    try:
        return pa.array(values)
    except (pa.ArrowException, ValueError, TypeError):
        try:
            return pa.array([None if value is None else float(value) for value in values], pa.float64())
        except (ValueError, TypeError, OverflowError):
            raise InputError(
                f"column {name!r} of the query mixes kinds of values", hint="cast it in the query"
            ) from None


class _Asking:
    """Database errors in our words: theirs quote queries, parameters and addresses."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __enter__(self) -> None: ...

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        import sqlalchemy.exc

        if isinstance(error, sqlalchemy.exc.SQLAlchemyError):
            cause = getattr(error, "orig", None)
            what = f"{type(error).__name__}{'' if cause is None else f': {_first_line(cause)}'}"
            raise InputError(f"{self._name} failed: {what}", hint="check the URL, the rights and the query") from None


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return lines[0][:200] if lines else type(error).__name__


class _reading:
    """Errors of Arrow and of the file system in our words: those of Arrow quote values."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __enter__(self) -> None: ...

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        if isinstance(error, OSError) and error.strerror:
            raise InputError(f"cannot read {self._name}: {error.strerror}") from None
        if isinstance(error, pa.ArrowException | OSError):
            raise InputError(
                f"{self._name} is damaged or cut off ({type(error).__name__})", hint="write it again, or copy it anew"
            ) from None


def _distinct(columns: Sequence[str], name: str) -> None:
    twice = sorted({column for column in columns if columns.count(column) > 1})
    if twice:
        raise InputError(f"{name} has more than one column {twice[0]!r}", hint="give each column a name of its own")
