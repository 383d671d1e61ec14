"""Datasets in the catalogue: their versions, segments and schemas."""

from __future__ import annotations

import json
from dataclasses import fields
from pathlib import Path
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, Select, Table, and_, bindparam, insert, select

from tercet.errors import Gone, InputError, NotFound
from tercet.federation.model import ascii_json
from tercet.sharing import Party
from tercet.store.catalogue import Catalogue
from tercet.store.files import Verified
from tercet.store.schema import MAX_SCHEMA_BYTES, Schema
from tercet.store.segments import Segment, StoredSegment
from tercet.store.tables import DATASETS, SCHEMAS, SEGMENTS, VERSIONS
from tercet.store.version import DatasetVersion

WHICH = "see which there are: tercet datasets (in Python net.datasets())"
"""The hint where a dataset is not there."""


def keep_schema(connection: Connection, schema: Schema) -> str:
    """Store a schema unless it is there; gives its digest, which rows refer to. Uploads and changes call it."""
    check_size(schema)
    digest = schema.digest
    if connection.execute(select(SCHEMAS.c.digest).where(SCHEMAS.c.digest == digest)).first() is None:
        connection.execute(insert(SCHEMAS).values(digest=digest, text=schema.canonical().decode()))
    return digest


def check_size(schema: Schema) -> None:
    """Raise InputError for a schema that no node stores."""
    size = len(schema.canonical())
    if size > MAX_SCHEMA_BYTES:
        raise InputError(
            f"the schema has {size:,} bytes, and {MAX_SCHEMA_BYTES:,} are taken",
            hint="use codes for long categories, or fewer of them",
        )


def with_schema(table: Table) -> Select[tuple[object, ...]]:
    """Select rows of a table with the text of their schema as `schema`."""
    columns = [column for column in table.c if column.name != "schema"]
    found: Select[tuple[object, ...]] = select(*columns, SCHEMAS.c.text.label("schema"))
    return found.join_from(table, SCHEMAS, SCHEMAS.c.digest == table.c.schema)


def schema_in(row: Row[Any]) -> Schema:
    """The schema in a row of `with_schema`."""
    return Schema.parse(json.loads(row.schema))


_NAMED = select(DATASETS).where(DATASETS.c.name == bindparam("dataset"))
_VERSION = with_schema(VERSIONS).where(VERSIONS.c.dataset == bindparam("of"), VERSIONS.c.version == bindparam("number"))
_HEADS = (
    select(DATASETS.c.name, VERSIONS.c.version, VERSIONS.c.manifest, VERSIONS.c.rows)
    .select_from(
        VERSIONS.join(DATASETS, (DATASETS.c.name == VERSIONS.c.dataset) & (DATASETS.c.version == VERSIONS.c.version))
    )
    .where(VERSIONS.c.rows > 0)
)
_VISIBLE = (
    select(SEGMENTS)
    .where(
        SEGMENTS.c.dataset == bindparam("of"),
        SEGMENTS.c.from_version <= bindparam("number"),
        (SEGMENTS.c.to_version.is_(None)) | (SEGMENTS.c.to_version > bindparam("number")),
    )
    .order_by(SEGMENTS.c.position, SEGMENTS.c.segment, SEGMENTS.c.base)
)
_LOST = (
    select(SEGMENTS.c.to_version)
    .where(
        SEGMENTS.c.dataset == bindparam("of"),
        SEGMENTS.c.from_version <= bindparam("number"),
        SEGMENTS.c.to_version > bindparam("number"),
    )
    .order_by(SEGMENTS.c.to_version)
)


class Datasets:
    """Called by the supervisor. Threads may use it at once."""

    def __init__(self, catalogue: Catalogue, folder: Path, party: Party) -> None:
        """`folder`: the store's."""
        self.catalogue = catalogue
        self.folder = folder
        self.party = party

    def __repr__(self) -> str:
        return f"Datasets({self.folder})"

    def names(self) -> list[str]:
        """All that have rows."""
        with self.catalogue.read() as connection:
            return names(connection)

    def heads(self) -> dict[str, tuple[int, str, int]]:
        """Number, manifest and rows of the current version of all that have rows, by name: one statement for all."""
        with self.catalogue.read() as connection:
            found = connection.execute(_HEADS).all()
        return {row.name: (row.version, row.manifest, row.rows) for row in found}

    def get(self, name: str, version: int | None = None) -> DatasetVersion:
        """The current version, or the one asked for. Raises NotFound, or Gone with the reason."""
        with self.catalogue.read() as connection:
            return self.at(connection, name, version)

    def at(self, connection: Connection, name: str, version: int | None = None) -> DatasetVersion:
        """As `get`, within a transaction."""
        dataset = connection.execute(_NAMED, {"dataset": name}).first()
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
        where, verified = (self.folder, self.party, f"dataset {name}"), Verified()
        return DatasetVersion(
            name=name,
            version=number,
            manifest=row.manifest,
            rows=row.rows,
            schema=schema_in(row),
            created=dataset.created,
            changed=row.created,
            refreshed=dataset.refreshed,
            segments=tuple(
                StoredSegment.stored(segment, *where, verified=verified)
                for segment in visible(connection, name, number)
            ),
        )


def dataset_lock(dataset: str) -> str:
    return f"dataset {dataset}"


def names(connection: Connection) -> list[str]:
    """Datasets that have rows now."""
    return sorted(row.name for row in connection.execute(_HEADS))


def current_version(connection: Connection, name: str) -> int:
    """The number of the current version; 0 if there never was one."""
    return connection.execute(select(DATASETS.c.version).where(DATASETS.c.name == name)).scalar() or 0


def version_row(connection: Connection, name: str, version: int) -> Row[Any] | None:
    return connection.execute(_VERSION, {"of": name, "number": version}).first()


def visible(connection: Connection, name: str, version: int) -> list[Segment]:
    """The segments of a version, rows in order, each followed by its further columns."""
    return [segment_of(row) for row in connection.execute(_VISIBLE, {"of": name, "number": version})]


def is_segment(dataset: str, segment: str, base: str, generation: int) -> ColumnElement[bool]:
    """The condition for a segment's row."""
    return and_(
        SEGMENTS.c.segment == segment,
        SEGMENTS.c.base == base,
        SEGMENTS.c.generation == generation,
        SEGMENTS.c.dataset == dataset,
    )


def segment_values(segment: Segment, dataset: str, version: int) -> dict[str, Any]:
    """The row of a segment that is visible from a version of the dataset on."""
    values = segment.describe()
    return {
        **values,
        "dataset": dataset,
        "columns": json.dumps(values["columns"]),
        "digests": json.dumps(values["digests"]),
        "checked": "" if segment.checked is None else ascii_json(segment.checked.facts()).decode(),
        "from_version": version,
        "to_version": None,
        "removed": False,
    }


def segment_of(row: Row[Any]) -> Segment:
    return Segment.load(
        {
            **{each.name: row._mapping[each.name] for each in fields(Segment)},
            "columns": json.loads(row.columns),
            "digests": json.loads(row.digests),
            "checked": json.loads(row.checked) if row.checked else None,
        }
    )


def _check_there(connection: Connection, name: str, version: int, current: int) -> None:
    """Raise Gone if a segment of this version has been withdrawn or replaced since."""
    lost = connection.execute(_LOST, {"of": name, "number": version}).scalar()
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
