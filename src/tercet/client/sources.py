"""A source of rows: what every reader offers, and what several of them need."""

from __future__ import annotations

import hashlib
import io
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

import pyarrow as pa

from tercet.errors import InputError
from tercet.store.reading import AS_IT_IS, Reading

BATCH_ROWS = 1 << 16
_HEAD_BYTES = 1 << 20
_LEAST_HEAD_BYTES = 1 << 16


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
    reading: Reading = AS_IT_IS
    """How its texts are to be read."""
    layout: tuple[str, ...] = ()
    """Which options about the layout of files are for it."""
    asserted_header: bool = True
    """Whether the names of its columns are surely names, and no values of a first row."""

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
        self.whole = False
        """Whether the head is all there is."""
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
