"""Datasets as jobs read them: versions, and the shares of any run of rows of a column."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, and_, select

from tercet.errors import InputError, IntegrityError
from tercet.sharing import BitShare, Party, Share
from tercet.store.catalogue import Catalogue
from tercet.store.errors import Gone, NotFound
from tercet.store.keys import KeyValues
from tercet.store.schema import Schema, canonical_json
from tercet.store.segments import Segment, StoredSegment, empty, join_keys
from tercet.store.tables import DATASETS, SEGMENTS, VERSIONS


@dataclass(frozen=True)
class DatasetVersion:
    """One version of a dataset at this node. It never changes; reading fails once it is withdrawn or refreshed.

    Times are unix seconds: of the dataset, of this version, of the last refresh up to it. One thread at a time reads.
    """

    name: str
    version: int
    manifest: str
    rows: int
    schema: Schema
    segments: tuple[StoredSegment, ...] = field(repr=False)
    created: float
    changed: float
    refreshed: float | None

    @property
    def owners(self) -> tuple[str, ...]:
        """Fingerprints of all who brought rows or columns."""
        return tuple(sorted({segment.owner for segment in self.segments}))

    @property
    def layout(self) -> str:
        """Names the numbering of rows: another when rows come or go, the same after a refresh or with new columns."""
        rows = [[segment.segment, segment.rows] for segment in self.segments if not segment.joined]
        return hashlib.sha256(b"tercet/1 layout\0" + canonical_json([self.name, rows])).hexdigest()

    def read(self, column: str, start: int = 0, stop: int | None = None) -> Share | BitShare:
        """The shares of rows start to stop (not included) of a secret column, in fresh arrays.

        Called in workers. Costs a copy of what is asked for; of every chunk that is touched, words are read from disk,
        and seeds expanded as far as needed. Raises InputError for an unknown or public column or rows outside, Gone if
        the version was withdrawn or refreshed meanwhile, IntegrityError naming file and dataset for a damaged file.
        """
        form = self.schema[column].form
        if not form.secret:
            raise InputError(f"column {column} of {self.name} is a public key", hint="read_keys gives its values")
        start, stop = self._run(start, stop)
        out = empty(form, stop - start)
        for segment, first, last, at in self._touched(column, start, stop):
            segment.read_into(column, first, last, out, at)
        return out

    def read_keys(self, column: str, start: int = 0, stop: int | None = None) -> KeyValues:
        """The public values of rows start to stop of the key column. Raises as `read` does."""
        form = self.schema[column].form
        start, stop = self._run(start, stop)
        pieces: list[KeyValues] = []
        for segment, first, last, _ in self._touched(column, start, stop):
            size = segment.chunk_rows
            for chunk in range(first // size, -(-last // size)):
                values = segment.read_keys(column, chunk)
                pieces.append(values[max(first - chunk * size, 0) : min(last - chunk * size, size)])
        return join_keys(pieces, form)

    def _run(self, start: int, stop: int | None) -> tuple[int, int]:
        stop = self.rows if stop is None else stop
        if not 0 <= start <= stop <= self.rows:
            raise InputError(f"{self.name} has rows 0 to {self.rows}, not {start} to {stop}")
        return start, stop

    def _touched(self, column: str, start: int, stop: int) -> list[tuple[StoredSegment, int, int, int]]:
        """For every segment with rows in the run: (its files of that column, first, last row there, row of the run)."""
        found: list[tuple[StoredSegment, int, int, int]] = []
        begins = 0
        having = {segment.base: segment for segment in self.segments if column in segment.names}
        for segment in self.segments:
            if segment.joined:
                continue
            ends = begins + segment.rows
            first, last = max(start, begins), min(stop, ends)
            if first < last:
                found.append((having[segment.segment], first - begins, last - begins, first - start))
            begins = ends
        return found

    def describe(self) -> dict[str, Any]:
        """All that a worker needs to read this version without a catalogue, as JSON data; nothing secret."""
        return {
            "name": self.name,
            "version": self.version,
            "manifest": self.manifest,
            "rows": self.rows,
            "schema": self.schema.to_dict(),
            "created": self.created,
            "changed": self.changed,
            "refreshed": self.refreshed,
            "segments": [segment.describe() for segment in self.segments],
        }

    @classmethod
    def load(cls, folder: Path, party: Party, data: Mapping[str, Any], *, verify: bool = True) -> DatasetVersion:
        """Read what `describe` gave. `folder` is the store's; `verify` as in `Datasets`. Called in workers."""
        what = f"dataset {data['name']}"
        segments = tuple(
            StoredSegment.stored(Segment.load(segment), folder, party, what, verify=verify)
            for segment in data["segments"]
        )
        return cls(
            data["name"],
            data["version"],
            data["manifest"],
            data["rows"],
            Schema.parse(data["schema"]),
            segments,
            data["created"],
            data["changed"],
            data["refreshed"],
        )


class Datasets:
    """Called by the supervisor. Threads may use it at once."""

    def __init__(self, catalogue: Catalogue, folder: Path, party: Party, *, verify: bool = True) -> None:
        """`folder`: the store's. `verify`: compare a content's hash when it is first read through a version object.

        Without it (1.5 GB/s are saved in workers) headers, lengths and seeds are checked all the same, and `verify`
        checks all contents whenever it is called.
        """
        self.catalogue = catalogue
        self.folder = folder
        self.party = party
        self._verify = verify

    def __repr__(self) -> str:
        return f"Datasets({self.folder})"

    def names(self) -> list[str]:
        """All that have rows."""
        with self.catalogue.read() as connection:
            return names(connection)

    def get(self, name: str, version: int | None = None) -> DatasetVersion:
        """The current version, or the one asked for. Raises NotFound, or Gone saying what became of it."""
        with self.catalogue.read() as connection:
            return self.at(connection, name, version)

    def at(self, connection: Connection, name: str, version: int | None = None) -> DatasetVersion:
        """As `get`, within a transaction."""
        dataset = connection.execute(select(DATASETS).where(DATASETS.c.name == name)).first()
        if dataset is None:
            raise NotFound(f"there is no dataset {name}")
        current = dataset.version
        number = current if version is None else version
        row = version_row(connection, name, number)
        if row is None:
            raise NotFound(f"dataset {name} has no version {number}", hint=f"the current one is {current}")
        _check_there(connection, name, number, current)
        if not row.rows:
            raise Gone(f"all rows of dataset {name} have been withdrawn")
        segments = visible(connection, name, number)
        return DatasetVersion.load(
            self.folder,
            self.party,
            {
                "name": name,
                "version": number,
                "manifest": row.manifest,
                "rows": row.rows,
                "schema": json.loads(row.schema),
                "created": dataset.created,
                "changed": row.created,
                "refreshed": dataset.refreshed,
                "segments": [segment.describe() for segment in segments],
            },
            verify=self._verify,
        )

    def verify(self, name: str, *, pause_s: float = 0.0) -> list[str]:
        """Read every file of the current version and compare its hashes; gives a line for each that is damaged.

        Called by the operator, and in the background at start. Costs a pass over the disk; `pause_s` between files
        leaves it to others.
        """
        found: list[str] = []
        for segment in self.get(name).segments:
            for chunk in range(segment.chunks):
                try:
                    segment.file(chunk).verify()
                except (IntegrityError, Gone) as error:
                    found.append(error.message)
                if pause_s:
                    time.sleep(pause_s)
        return found


def dataset_lock(dataset: str) -> str:
    return f"dataset {dataset}"


def names(connection: Connection) -> list[str]:
    """Datasets that have rows now."""
    joined = VERSIONS.join(
        DATASETS, (DATASETS.c.name == VERSIONS.c.dataset) & (DATASETS.c.version == VERSIONS.c.version)
    )
    found = connection.execute(select(DATASETS.c.name).select_from(joined).where(VERSIONS.c.rows > 0))
    return sorted(found.scalars())


def current_version(connection: Connection, name: str) -> int:
    """The number of the current version; 0 if there never was one."""
    return connection.execute(select(DATASETS.c.version).where(DATASETS.c.name == name)).scalar() or 0


def version_row(connection: Connection, name: str, version: int) -> Row[Any] | None:
    return connection.execute(select(VERSIONS).where(VERSIONS.c.dataset == name, VERSIONS.c.version == version)).first()


def visible(connection: Connection, name: str, version: int) -> list[Segment]:
    """The segments of a version, rows in order, each followed by its further columns."""
    wanted = select(SEGMENTS).where(
        SEGMENTS.c.dataset == name,
        SEGMENTS.c.from_version <= version,
        (SEGMENTS.c.to_version.is_(None)) | (SEGMENTS.c.to_version > version),
    )
    return [
        segment_of(row)
        for row in connection.execute(wanted.order_by(SEGMENTS.c.position, SEGMENTS.c.segment, SEGMENTS.c.base))
    ]


def is_segment(segment: str, base: str, generation: int) -> ColumnElement[bool]:
    """The condition for a segment's row."""
    return and_(SEGMENTS.c.segment == segment, SEGMENTS.c.base == base, SEGMENTS.c.generation == generation)


def segment_of(row: Row[Any]) -> Segment:
    return Segment.load(
        {
            "segment": row.segment,
            "generation": row.generation,
            "owner": row.owner,
            "upload": row.upload,
            "base": row.base,
            "position": row.position,
            "rows": row.rows,
            "chunk_rows": row.chunk_rows,
            "columns": json.loads(row.columns),
            "digests": json.loads(row.digests),
            "created": row.created,
        }
    )


def manifest_of(name: str, version: int, schema: Schema, segments: Sequence[Segment]) -> str:
    """The hash that names a version and all its contents, the same at all three nodes."""
    facts = {
        "dataset": name,
        "version": version,
        "schema": schema.to_dict(),
        "segments": [segment.facts() for segment in segments],
    }
    return hashlib.sha256(b"tercet/1 manifest\0" + canonical_json(facts)).hexdigest()


def _check_there(connection: Connection, name: str, version: int, current: int) -> None:
    """Raise Gone if a segment of this version has been withdrawn or replaced since."""
    lost = connection.execute(
        select(SEGMENTS.c.to_version)
        .where(SEGMENTS.c.dataset == name, SEGMENTS.c.from_version <= version, SEGMENTS.c.to_version > version)
        .order_by(SEGMENTS.c.to_version)
    ).scalar()
    if lost is None:
        return
    successor = version_row(connection, name, lost)
    kind = {"withdraw": "rows of it were withdrawn", "refresh": "its shares were refreshed"}.get(
        successor.kind if successor else "", "it was replaced"
    )
    raise Gone(
        f"version {version} of dataset {name} is gone: {kind} in version {lost}",
        hint=f"ask again; the current version is {current}",
    )
