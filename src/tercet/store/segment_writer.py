"""Writing segments: the next generation of stored shares, joined columns, kept arrays."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from tercet.errors import InputError, StorageError
from tercet.sharing import BitShare, Party, Share
from tercet.store.files import (
    PARTS,
    PartFile,
    chunk_file,
    make_folder,
    place,
    remove_folder,
    sync_folder,
    trailer,
    write_file,
)
from tercet.store.keys import key_buffers
from tercet.store.part import ALIGN, MAX_CHUNK_ROWS, NEXT_WORDS, OWN_WORDS, SALT_BYTES, content_bytes, encode_header
from tercet.store.schema import StoredForm
from tercet.store.segments import Segment, StoredSegment, Value, segment_digests


class SegmentWriter:
    """Writes the files of a new segment, or the next generation of one. Called in workers and by joins."""

    def __init__(self, segment: Segment, folder: Path, party: Party) -> None:
        """`folder`: the store's. Raises InputError if there are files of that segment and generation, StorageError."""
        self._segment = segment
        self._party = party
        self._folder = place(folder, segment.place_name)
        self._what = f"segment {segment.segment[:8]}"
        self._next = 0
        self._rows: int | None = None
        self._ended = False
        make_folder(folder / PARTS, self._what)
        try:
            self._folder.mkdir(mode=0o700)
        except FileExistsError:
            raise InputError(f"there are files of {self._what} already") from None
        except OSError as error:
            raise StorageError(f"cannot store {self._what}: {error.strerror}") from None
        sync_folder(folder / PARTS, self._what)

    @classmethod
    def refresh(cls, segment: StoredSegment) -> SegmentWriter:
        """Write the next generation of a segment. Called in workers; what an earlier attempt left is deleted."""
        following = replace(segment, generation=segment.generation + 1)
        # nothing visible has that generation before this refresh is committed
        remove_folder(place(segment.folder, following.place_name))
        return cls(following, segment.folder, segment.party)

    def write(self, chunk: int, rows: int, values: Mapping[str, Value], salts: tuple[bytes, bytes]) -> None:
        """Write one chunk, all columns, in order of chunk numbers; no copy of whole arrays; durable after `close`.

        `salts`: 16 bytes each for components own and next, which only the two holders of that component know and
        which are used for nothing else. All chunks but the last have the same number of rows, a multiple of 64.
        Raises DiskFull, StorageError.
        """
        self._check_order(chunk, rows)
        described: list[tuple[str, StoredForm, int, bytes, bytes]] = []
        contents: list[bytes | memoryview] = []
        hashes: list[bytes] = []
        for name, form in self._segment.columns:
            pieces = _pieces(values[name], form, rows)
            size = sum(len(buffer) for buffer in pieces[0])
            described.append((name, form, size, b"", b""))
            for piece in pieces:
                digest = hashlib.sha256()
                for buffer in piece:
                    digest.update(buffer)
                hashes.append(digest.digest())
                contents += [*piece, bytes(-size % ALIGN)]
        if any(len(salt) != SALT_BYTES for salt in salts):
            raise ValueError("a salt has 16 bytes")
        upload = bytes.fromhex(self._segment.segment)
        head = encode_header(
            self._party, OWN_WORDS | NEXT_WORDS, upload, self._part(chunk), chunk, rows, salts, described
        )
        path = chunk_file(self._folder, chunk)
        write_file(path, [head, *contents, trailer(head, hashes)], self._what)
        self._next += 1

    def close(self) -> tuple[str, str]:
        """Make all durable; gives the digests of components own and next of the whole segment."""
        sync_folder(self._folder, self._what)
        columns = len(self._segment.columns)
        files = (PartFile.open(chunk_file(self._folder, n), columns, self._what) for n in range(self._next))
        return segment_digests(self._segment.segment, self._segment.generation, (file.digests() for file in files))

    def discard(self) -> None:
        """Delete what was written."""
        remove_folder(self._folder)

    def _part(self, chunk: int) -> bytes:
        """The part id: the same at all nodes, another for every chunk and generation."""
        address = f"tercet/1 part {self._segment.segment} {self._segment.generation} {chunk}"
        return hashlib.sha256(address.encode()).digest()[:16]

    def _check_order(self, chunk: int, rows: int) -> None:
        if chunk != self._next or self._ended or not 0 < rows <= MAX_CHUNK_ROWS:
            raise ValueError(f"chunk {chunk} of {rows} rows does not follow chunk {self._next - 1}")
        if self._rows is None:
            self._rows = rows
        if rows > self._rows:
            raise ValueError(f"chunk {chunk} has more rows than the first")
        # the same rule as for uploads: a chunk that is not full is the last
        self._ended = rows < self._rows or bool(rows % 64)


def derived_salts(salts: tuple[bytes, bytes], segment: str, chunk: int) -> tuple[bytes, bytes]:
    """Salts of one chunk from secrets that the holders of the components own and next have."""
    address = f"{segment} {chunk}".encode()
    own, following = (hashlib.sha256(b"tercet/1 chunk salt\0" + salt + address).digest()[:SALT_BYTES] for salt in salts)
    return own, following


def _pieces(value: Value, form: StoredForm, rows: int) -> list[list[memoryview]]:
    """The contents of a column: of components own and next, or of a public key."""
    if isinstance(value, Share | BitShare):
        pieces = [[_bytes(component)] for component in (value.own, value.next)]
        if any(len(piece[0]) != content_bytes(form, rows) for piece in pieces):
            raise ValueError(f"a column of form {form.name} does not have {rows} rows")
        return pieces
    if len(value) != rows:
        raise ValueError(f"a key column does not have {rows} rows")
    return [key_buffers(value)]


def _bytes(words: Any) -> memoryview:
    return np.ascontiguousarray(words).reshape(-1).view(np.uint8).data
