"""A source of rows: what every reader offers, and the thread that reads ahead."""

from __future__ import annotations

import hashlib
import io
import queue
import re
import threading
import unicodedata
import weakref
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import BinaryIO, Generic, TypeVar

import pyarrow as pa

from tercet.errors import InputError
from tercet.store.reading import AS_IT_IS, Reading
from tercet.store.schema import MAX_NAME, Schema

BATCH_ROWS = 1 << 16
_HEAD_BYTES = 1 << 20
_LEAST_HEAD_BYTES = 1 << 16
_END_S = 5.0
T = TypeVar("T")


class Source(ABC):
    """Rows to be read, in order; `tercet.client.readers.open_source` gives the right one."""

    name: str
    """Its name in messages."""
    columns: tuple[str, ...]
    """Names of its columns, in their order."""
    rows: int | None = None
    """How many rows it has, if that is known before reading."""
    repeatable: bool = True
    """Whether it can be read more than once."""
    path: Path | None = None
    """The file, if it is one."""
    content: str | None = None
    """The hash of the file's content, where whoever opened it knows that and that nobody changes the file."""
    reading: Reading = AS_IT_IS
    """How its texts are to be read."""
    layout: tuple[str, ...] = ()
    """The options about the layout of files that apply to it."""
    asserted_header: bool = True
    """Whether the names of its columns are certainly names, not the values of a first row."""

    @abstractmethod
    def batches(self, columns: Sequence[str] | None = None) -> Iterator[pa.RecordBatch]:
        """These columns (default: all), batch by batch. InputError for what cannot be read, never with a value."""

    def identity(self) -> str | None:
        """A text that changes whenever the content does, or how it is read; None if only reading all would tell."""
        return None if self.path is None else f"{self.content or file_identity(self.path)} {self.reading.given()}"

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


def file_identity(path: Path) -> str:
    """The content of a file, hashed."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


class Replayed(io.RawIOBase):
    """A stream whose first bytes (`head`) were read in advance; `read` still begins with the first byte."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream
        self.count = 0
        """Bytes handed on so far."""
        head = bytearray()
        self.whole = False
        """Whether the head is the whole content."""
        some = getattr(stream, "read1", stream.read)
        while len(head) < _HEAD_BYTES and (len(head) < _LEAST_HEAD_BYTES or b"\n" not in head):
            more = some(min(_LEAST_HEAD_BYTES, _HEAD_BYTES - len(head)))
            if not more:
                self.whole = True
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


def refuse_twice(columns: Sequence[str], name: str, hint: str = "give each column a name of its own") -> None:
    """InputError if two columns have one name."""
    twice = sorted({column for column in columns if columns.count(column) > 1})
    if twice:
        raise InputError(f"{name} has more than one column {twice[0]!r}", hint=hint)


def clean_name(header: str) -> str:
    """A header as a name for a schema: letters without accents, digits, . _ -; other characters become underscores."""
    letters = unicodedata.normalize("NFKD", header.strip().replace("ß", "ss"))
    bare = "".join(letter for letter in letters if not unicodedata.combining(letter))
    name = re.sub(r"[^A-Za-z0-9_.\-]+", "_", bare).strip("_") or "column"
    if not re.match(r"[A-Za-z_]", name):
        name = "_" + name
    return name[: MAX_NAME - 1]  # one character is kept for the mark of a nullable column's validity


def headers_of(source: Source, schema: Schema) -> list[str]:
    """The source's own name of each column of the schema. InputError if there is none, or more than one."""
    found = []
    by_name: dict[str, list[str]] = {}
    for header in source.columns:
        by_name.setdefault(clean_name(header), []).append(header)
    for name in schema.names:
        if name in source.columns:
            found.append(name)
        elif len(by_name.get(name, ())) == 1:
            found.append(by_name[name][0])
        elif name in by_name:
            raise InputError(f"columns {by_name[name]} of {source.name} could all be {name}", hint="rename one of them")
        else:
            source.check([name])
    return found


class _Ahead(Generic[T]):
    """Items that a thread makes in advance; the thread ends before the interpreter does."""

    def __init__(self, items: Iterator[T]) -> None:
        self._items = items
        self._queue: queue.Queue[tuple[T | None, BaseException | None]] = queue.Queue(1)
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._work, name="tercet reader", daemon=True)
        # a thread that returns from a library while the interpreter ends can crash the process
        weakref.finalize(self, _end, self._stop, self._thread)

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
            _end(self._stop, self._thread)


def _end(stop: threading.Event, thread: threading.Thread) -> None:
    """Ask the thread to end, and wait for it for a few seconds: its input may be one that sends nothing."""
    stop.set()
    if thread.is_alive() and thread is not threading.current_thread():
        thread.join(_END_S)


def prefetched(items: Iterable[T]) -> Iterator[T]:
    """The same items, made by another thread while the caller works on the last one; at most one waits."""
    return iter(_Ahead(iter(items)))
