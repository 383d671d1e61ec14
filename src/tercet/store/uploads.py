"""Uploads: the parts that an owner is sending, before a change makes them visible.

The catalogue has what was announced; which chunks have arrived is read from the files. So a chunk costs no transaction,
and after a crash an upload continues with the chunks that are whole.

The values of a chunk may be checked while the owner still sends others; `CheckedChunks` has the results.
"""

from __future__ import annotations

import hashlib
import json
import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Row, delete, insert, select, update

from tercet.errors import Busy, Gone, InputError, IntegrityError, NotFound, TercetError
from tercet.federation.model import ascii_json
from tercet.sharing import PARTIES, Party
from tercet.store.catalogue import Catalogue
from tercet.store.datasets import current_version, keep_schema, schema_in, version_row, visible, with_schema
from tercet.store.files import (
    PartFile,
    Space,
    chunk_file,
    chunk_numbers,
    make_folder,
    place,
    place_name,
    remove_folder,
    sync_folder,
    trailer,
    write_file,
)
from tercet.store.part import Part
from tercet.store.schema import Schema
from tercet.store.stamps import PROTOCOL
from tercet.store.tables import CHECKS, UPLOADS

MODES = ("create", "append", "columns")
MAX_CHUNKS = 1 << 20


@dataclass(frozen=True, slots=True)
class UploadInfo:
    """What is known of an upload. `state`: open, prepared, committed or discarded; times in unix seconds."""

    upload: str
    dataset: str
    owner: str
    mode: str
    schema: Schema
    state: str
    created: float
    touched: float


@dataclass(frozen=True, slots=True)
class ChunkInfo:
    """One chunk as it lies here; `part` names the splitting it comes from."""

    chunk: int
    part: str
    rows: int


class Uploads:
    """Called by the node's routes for owners. Threads may use it at once; one process a store."""

    def __init__(
        self, catalogue: Catalogue, folder: Path, party: Party, *, clock: Callable[[], float] = time.time
    ) -> None:
        """`folder`: the store's; `clock`: unix seconds."""
        self.catalogue = catalogue
        self.folder = folder
        self.party = party
        self._clock = clock
        self._lock = threading.Lock()

    def __repr__(self) -> str:
        return f"Uploads({self.folder})"

    def begin(self, upload: str, dataset: str, owner: str, mode: str, schema: Schema) -> UploadInfo:
        """Open an upload, or give the one of that identifier if all facts are the same (resume).

        Raises InputError if the dataset does not fit the mode, or the identifier is taken.
        """
        if mode not in MODES:
            raise InputError(f"an upload's mode is {', '.join(MODES)}, not {mode!r}")
        with self.catalogue.write() as connection:
            row = _row(connection, upload)
            if row is None:
                check_fits(connection, dataset, mode, schema)
                now = self._clock()
                connection.execute(
                    insert(UPLOADS).values(
                        upload=upload,
                        dataset=dataset,
                        owner=owner,
                        mode=mode,
                        state="open",
                        created=now,
                        touched=now,
                        schema=keep_schema(connection, schema),
                    )
                )
                row = _row(connection, upload)
                assert row is not None
        found = _info(row)
        if (found.dataset, found.owner, found.mode, found.schema) != (dataset, owner, mode, schema):
            raise InputError(f"upload {upload[:8]} was begun with other facts", hint="begin one of another identifier")
        if found.state == "open":
            make_folder(self._folder(upload), f"upload {upload[:8]}")
        return found

    def put_chunk(
        self, upload: str, owner: str, body: bytes | bytearray | memoryview, chunk: int | None = None
    ) -> ChunkInfo:
        """Store one part: the body is the file. A chunk that is sent again replaces the one before.

        `chunk` is the number that the part must have, if that is known.

        Costs a hash of what is stored and a synced write. It is durable when this returns, but for its name in the
        folder, which `prepare` makes so. Raises InputError for a malformed part or one of another upload or schema,
        NotFound, Gone if the upload is no longer open, DiskFull.
        """
        info = self.info(upload, owner)
        part = Part.decode(body)
        header = part.header
        header.check(info.schema, self.party, bytes.fromhex(upload))
        if chunk not in (None, header.chunk):
            raise InputError(f"this is the part of chunk {header.chunk}, not of chunk {chunk}")
        if header.chunk >= MAX_CHUNKS or not header.rows:
            raise InputError(f"an upload has at most {MAX_CHUNKS:,} chunks, each with rows")
        hashes = part.hashes()
        folder = self._folder(upload)
        what = f"chunk {header.chunk} of upload {upload[:8]}"
        end = trailer(part.data[: header.header_bytes], hashes)
        if info.state != "open" or not folder.is_dir():
            raise _not_open(upload, info.state)
        write_file(chunk_file(folder, header.chunk), [part.data, end], what, while_=self._while_open(upload))
        return ChunkInfo(header.chunk, header.part.hex(), header.rows)

    def info(self, upload: str, owner: str | None = None) -> UploadInfo:
        """Raises NotFound, also if `owner` is given and the upload is of another owner."""
        with self.catalogue.read() as connection:
            return self.at(connection, upload, owner)

    def at(self, connection: Connection, upload: str, owner: str | None = None) -> UploadInfo:
        """As `info`, within a transaction."""
        row = _row(connection, upload)
        if row is None or owner not in (None, row.owner):
            raise NotFound(f"there is no upload {upload[:8]}")
        return _info(row)

    def open(self, owner: str | None = None) -> list[UploadInfo]:
        """Open uploads, oldest first."""
        wanted = with_schema(UPLOADS).where(UPLOADS.c.state == "open").order_by(UPLOADS.c.created)
        if owner is not None:
            wanted = wanted.where(UPLOADS.c.owner == owner)
        with self.catalogue.read() as connection:
            return [_info(row) for row in connection.execute(wanted)]

    def nbytes(self, upload: str) -> int:
        """Bytes stored so far."""
        with suppress(FileNotFoundError), os.scandir(self._folder(upload)) as entries:
            return sum(entry.stat().st_size for entry in entries)
        return 0

    def files(self, upload: str, columns: int) -> Iterator[PartFile]:
        """The chunks that are here, in order, of so many columns; raises IntegrityError for a damaged one."""
        folder = self._folder(upload)
        for chunk in chunk_numbers(folder):
            yield PartFile.open(chunk_file(folder, chunk), columns, f"upload {upload[:8]}")

    def sync(self, upload: str) -> None:
        """Make the names of the chunks durable, as their contents are already."""
        sync_folder(self._folder(upload), f"upload {upload[:8]}")

    def chunks(self, upload: str) -> list[ChunkInfo]:
        """What is here, in order of chunk numbers: what a resuming owner need not send again if all nodes have it.

        Costs 0.1 ms a chunk. A damaged chunk is left out, to be sent again.
        """
        if self.info(upload).state not in ("open", "prepared"):
            return []
        files = self.held(upload, chunk_numbers(self._folder(upload))).values()
        return [ChunkInfo(file.header.chunk, file.header.part.hex(), file.header.rows) for file in files]

    def held(self, upload: str, chunks: Iterable[int]) -> dict[int, PartFile]:
        """Those of these chunks that are here whole, by number: headers and digests. Raises NotFound."""
        info = self.info(upload)
        found = {}
        for chunk in chunks:
            with suppress(IntegrityError, Gone):
                path = chunk_file(self._folder(upload), chunk)
                found[chunk] = PartFile.open(path, len(info.schema.stored), f"upload {upload[:8]}")
        return found

    def discard(self, upload: str, owner: str | None = None) -> UploadInfo:
        """Forget an open upload and delete its files; idempotent. Raises NotFound, InputError if it is committed."""
        with self._lock, self.catalogue.write() as connection:
            info = self.at(connection, upload, owner)
            if info.state == "discarded":
                return info
            if info.state != "open":
                raise InputError(f"upload {upload[:8]} is {info.state}")
            set_state(connection, upload, "discarded", self._clock())
            clear_checks(connection, upload)
        remove_folder(self._folder(upload))
        return self.info(upload)

    def expire(self, older_than_s: float) -> list[str]:
        """Discard open uploads that were begun, and got their last chunk, longer ago. Gives their identifiers."""
        limit = self._clock() - older_than_s
        stale = [info.upload for info in self.open() if info.created < limit and self.touched(info) < limit]
        for upload in stale:
            self.discard(upload)
        return stale

    def touched(self, info: UploadInfo) -> float:
        """When the upload was begun or got its last chunk."""
        try:
            return max(info.created, self._folder(info.upload).stat().st_mtime)
        except FileNotFoundError:
            return info.created

    @contextmanager
    def closing(self) -> Iterator[None]:
        """While this is held, no chunk gets its name. Chunks that come later see the state that was set meanwhile."""
        with self._lock:
            yield

    @contextmanager
    def _while_open(self, upload: str) -> Iterator[None]:
        with self._lock:
            with self.catalogue.read() as connection:
                state = connection.execute(select(UPLOADS.c.state).where(UPLOADS.c.upload == upload)).scalar()
            if state != "open":
                raise _not_open(upload, state)
            yield

    def _folder(self, upload: str) -> Path:
        return place(self.folder, place_name(Space.ROWS, upload, 0))


def check_fits(connection: Connection, dataset: str, mode: str, schema: Schema) -> None:
    """Raise InputError unless an upload of this mode and schema fits the dataset as it is now."""
    version = current_version(connection, dataset)
    row = version_row(connection, dataset, version) if version else None
    if row is None or not row.rows:
        if mode != "create":
            raise NotFound(f"there is no dataset {dataset}", hint="create it")
        return
    if mode == "create":
        raise InputError(f"there is a dataset {dataset} already", hint="append rows to it, or choose another name")
    there = schema_in(row)
    if mode == "append":
        if any(segment.joined for segment in visible(connection, dataset, version)):
            raise InputError(
                f"dataset {dataset} has columns that another upload brought, which new rows would lack",
                hint="withdraw those columns first, append, and bring them again for all rows",
            )
        there.check_same(schema)
        return
    if there.key is None or schema.key is None:
        which = f"dataset {dataset}" if there.key is None else "the upload"
        raise InputError(f"{which} has no key column to join by")
    if (there.key.name, there.key.key) != (schema.key.name, schema.key.key):
        raise InputError(
            f"the key of dataset {dataset} is {there.key.name} ({there.key.key}); that of the upload differs"
        )
    there.joined(schema)


def set_state(connection: Connection, upload: str, state: str, now: float) -> None:
    connection.execute(update(UPLOADS).where(UPLOADS.c.upload == upload).values(state=state, touched=now))


def _row(connection: Connection, upload: str) -> Row[Any] | None:
    return connection.execute(with_schema(UPLOADS).where(UPLOADS.c.upload == upload)).first()


def _info(row: Row[Any]) -> UploadInfo:
    return UploadInfo(**{**row._mapping, "schema": schema_in(row)})


def _not_open(upload: str, state: str | None) -> TercetError:
    if state == "prepared":
        # if it is aborted, chunks are accepted again
        return Busy(f"upload {upload[:8]} is being made visible", hint="wait for what becomes of it, and try again")
    return Gone(f"upload {upload[:8]} is {state}", hint="begin another")


@dataclass(frozen=True, slots=True)
class CheckedChunk:
    """The result of checking one chunk at this node; `part` and `digests` name the components that were checked.

    The tags of one chunk from different runs do not belong together: `run` tells them apart. Digests are of components
    1, 2 and 3; `own` and `next` are this node's components of the tag.
    """

    chunk: int
    run: str
    part: str
    digests: tuple[str, str, str]
    own: bytes = field(repr=False)
    next: bytes = field(repr=False)

    def held_by(self, party: Party) -> tuple[str, str]:
        """The digests of the two components that this party has."""
        return self.digests[party - 1], self.digests[party.next - 1]


class CheckedChunks:
    """Called by the supervisor. Threads may use it at once."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue

    def __repr__(self) -> str:
        return "CheckedChunks()"

    def of(self, upload: str, first: int = 0, last: int = 1 << 30) -> dict[int, CheckedChunk]:
        """Chunks first to last (included), by number; those that another protocol checked count as unchecked."""
        wanted = select(CHECKS).where(
            CHECKS.c.upload == upload,
            CHECKS.c.chunk >= first,
            CHECKS.c.chunk <= last,
            CHECKS.c.protocol == PROTOCOL,
        )
        with self._catalogue.read() as connection:
            rows = connection.execute(wanted.order_by(CHECKS.c.chunk)).all()
        found = {}
        for row in rows:
            one, two, three = json.loads(row.digests)
            found[row.chunk] = CheckedChunk(row.chunk, row.run, row.part, (one, two, three), row.own, row.next)
        return found

    def put(self, upload: str, chunks: Iterable[CheckedChunk]) -> None:
        """Store results, in place of earlier ones of these chunks. Does nothing if the upload is no longer open."""
        with self._catalogue.write() as connection:
            state = connection.execute(select(UPLOADS.c.state).where(UPLOADS.c.upload == upload)).scalar()
            if state not in ("open", "prepared"):
                return
            for chunk in chunks:
                connection.execute(delete(CHECKS).where(CHECKS.c.upload == upload, CHECKS.c.chunk == chunk.chunk))
                connection.execute(
                    insert(CHECKS).values(
                        upload=upload,
                        chunk=chunk.chunk,
                        run=chunk.run,
                        part=chunk.part,
                        digests=ascii_json(list(chunk.digests)).decode(),
                        own=chunk.own,
                        next=chunk.next,
                        protocol=PROTOCOL,
                    )
                )


def clear_checks(connection: Connection, upload: str) -> None:
    """Delete the results of an upload that was committed or discarded."""
    connection.execute(delete(CHECKS).where(CHECKS.c.upload == upload))


def chunks_digest(chunks: Iterable[CheckedChunk]) -> str:
    """A hash of chunks and of the runs that checked them. Where it differs between nodes, tags do not fit together."""
    found = hashlib.sha256(b"tercet/1 checked chunks\0")
    for chunk in chunks:
        found.update(ascii_json([chunk.chunk, chunk.run, chunk.part, list(chunk.digests)]) + b"\n")
    return found.hexdigest()


def triple(pairs: dict[Party, tuple[str, str]]) -> tuple[str, str, str] | None:
    """The digests of components 1, 2 and 3 from what each party says of its own and next; None where copies differ."""
    if any(pairs[party.prev][1] != pairs[party][0] for party in PARTIES):
        return None
    return pairs[Party.P1][0], pairs[Party.P2][0], pairs[Party.P3][0]
