"""Datasets in the catalogue: which versions there are, and what became of others."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, and_, select

from tercet.errors import IntegrityError
from tercet.sharing import Party
from tercet.store.catalogue import Catalogue
from tercet.store.errors import WHICH, Gone, NotFound
from tercet.store.segments import Segment
from tercet.store.tables import DATASETS, SEGMENTS, VERSIONS
from tercet.store.verified import Verified
from tercet.store.version import DatasetVersion


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
            raise NotFound(f"there is no dataset {name}", hint=WHICH)
        current = dataset.version
        number = current if version is None else version
        row = version_row(connection, name, number)
        if row is None:
            raise NotFound(f"dataset {name} has no version {number}", hint=f"the current one is {current}")
        _check_there(connection, name, number, current)
        if not row.rows:
            raise Gone(f"all rows of dataset {name} have been withdrawn", hint=WHICH)
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
            verified=Verified() if self._verify else None,
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
