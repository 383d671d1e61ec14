"""What a change will do, as one node found it when it prepared it; and what datasets' changes do to the catalogue.

Preparing looks at catalogue and files, and gives an `Effect`: what must be alike at all nodes (the proposal) and what
this node remembers until the commit. Committing applies it in one transaction, with the digests of all components.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from sqlalchemy import Connection, insert, update

from tercet.errors import InputError
from tercet.store.change import Prepared, RefreshChange, SegmentDigests, UploadChange, WithdrawChange
from tercet.store.datasets import Datasets, current_version, is_segment, version_row, visible
from tercet.store.errors import WHICH, Gone, NotFound
from tercet.store.joins import join_columns
from tercet.store.schema import Schema, canonical_json
from tercet.store.segments import Segment, StoredSegment
from tercet.store.tables import DATASETS, SEGMENTS, VERSIONS
from tercet.store.uploads import Uploads, check_fits
from tercet.store.verified import Verified
from tercet.store.version import manifest_of


@dataclass(frozen=True)
class Effect:
    """JSON data, kept with the prepared change."""

    facts: dict[str, Any]
    """Alike at all nodes."""
    digests: tuple[tuple[str, str, str], ...] = ()
    """(segment, own, next): this node's digests of what is new."""
    folders: tuple[str, ...] = ()
    """Folders of files that go if the change is aborted, by name."""
    leftover: tuple[str, ...] = ()
    """Those that go once it is committed."""

    def to_json(self) -> str:
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> Effect:
        data = json.loads(text)
        digests = tuple((segment, own, following) for segment, own, following in data["digests"])
        return cls(data["facts"], digests, tuple(data["folders"]), tuple(data["leftover"]))

    def prepared(self, transaction: str, change: Mapping[str, Any]) -> Prepared:
        """What this node answers."""
        facts = canonical_json({"change": change, "effect": self.facts})
        return Prepared(
            transaction=transaction,
            proposal=hashlib.sha256(b"tercet/1 proposal\0" + facts).hexdigest(),
            digests=[SegmentDigests(segment=segment, own=own, next=next_) for segment, own, next_ in self.digests],
        )


@dataclass(frozen=True, slots=True)
class Result:
    """What a committed change made; "" and 0 where it made no version."""

    dataset: str = ""
    version: int = 0
    manifest: str = ""
    rows: int = 0


def agreed_digests(answers: Sequence[Prepared]) -> list[tuple[str, str, str]]:
    """The digests of components 1, 2 and 3 of every new segment, in order; `check_prepared` compared the copies."""
    pieces = zip(*(answer.digests for answer in answers), strict=True)
    return [(of_one.own, of_two.own, of_three.own) for of_one, of_two, of_three in pieces]


def plan_upload(datasets: Datasets, uploads: Uploads, change: UploadChange) -> Effect:
    """See `prepare`: an upload as a new dataset, more rows, or more columns. Raises InputError, IntegrityError."""
    with datasets.catalogue.read() as connection:
        info = uploads.at(connection, change.upload, change.owner)
        if (info.dataset, info.mode) != (change.dataset, change.kind):
            raise InputError(f"upload {change.upload[:8]} was begun for dataset {info.dataset}, to {info.mode}")
        check_fits(connection, change.dataset, change.kind, info.schema)
        before = _Before.of(connection, change.dataset)
    received = _received(datasets, uploads, change, info.schema)
    if change.kind != "columns":
        own, following = received.digests_here()
        schema = info.schema if change.kind == "create" else before.schema
        return Effect(
            before.facts(change.kind, schema or info.schema, [replace(received, position=before.next_position)]),
            digests=((received.segment, own, following),),
        )
    version = datasets.get(change.dataset)
    joined = join_columns(version, received)
    return Effect(
        before.facts("columns", version.schema.joined(info.schema), joined.segments),
        digests=joined.digests,
        folders=joined.folders,
        leftover=(received.place_name, joined.scratch),
    )


def plan_withdraw(datasets: Datasets, change: WithdrawChange) -> Effect:
    """See `prepare`: an owner's rows, or columns, go; and with rows those columns that others brought for them."""
    with datasets.catalogue.read() as connection:
        before = _Before.of(connection, change.dataset)
        if not before.segments:
            raise NotFound(f"there is no dataset {change.dataset}", hint=WHICH)
    segments = before.segments
    chosen = [
        segment for segment in segments if segment.owner == change.owner and change.upload in (None, segment.upload)
    ]
    if not chosen:
        raise NotFound(f"dataset {change.dataset} has nothing of that owner" + (", or upload" if change.upload else ""))
    rows = {segment.segment for segment in chosen if not segment.joined}
    ended = [segment for segment in segments if segment in chosen or segment.base in rows]
    names = {name for segment in segments if segment not in ended for name in segment.names}
    assert before.schema is not None
    lost = frozenset(before.schema.names) - names if names else frozenset()
    return Effect(before.facts("withdraw", before.schema.without(lost), [], ended))


def plan_refresh(datasets: Datasets, change: RefreshChange) -> Effect:
    """See `prepare`: the next generation of all segments, which is there already and is checked."""
    with datasets.catalogue.read() as connection:
        before = _Before.of(connection, change.dataset)
    if (before.version, before.manifest) != (change.version, change.manifest):
        raise Gone(f"dataset {change.dataset} is at version {before.version}, the refresh was of {change.version}")
    assert before.schema is not None
    added: list[Segment] = []
    digests: list[tuple[str, str, str]] = []
    for segment in before.segments:
        fresh = replace(segment, generation=segment.generation + 1, digests=("", "", ""))
        what = f"the refreshed dataset {change.dataset}"
        stored = StoredSegment.stored(fresh, datasets.folder, datasets.party, what, verified=None)
        digests.append((fresh.segment, *stored.digests_here()))
        added.append(fresh)
    facts = before.facts("refresh", before.schema, added, before.segments)
    places = tuple(segment.place_name for segment in added)
    return Effect(facts, tuple(digests), folders=places)


def apply_dataset(
    connection: Connection, transaction: str, facts: Mapping[str, Any], answers: Sequence[Prepared], now: float
) -> Result:
    """Make the new version of a dataset visible, within the transaction of a commit."""
    name, version = facts["dataset"], facts["version"]
    for segment, base, generation in facts["ended"]:
        connection.execute(update(SEGMENTS).where(is_segment(segment, base, generation)).values(to_version=version))
    for piece, digests in zip(facts["added"], agreed_digests(answers), strict=True):
        segment = Segment.load({**piece, "digests": digests, "created": now})
        _insert_segment(connection, name, version, segment)
    schema = Schema.parse(facts["schema"])
    segments = visible(connection, name, version)
    rows = sum(segment.rows for segment in segments if not segment.joined)
    manifest = manifest_of(name, version, schema, segments)
    values: dict[str, Any] = {"version": version, "changed": now}
    if facts["kind"] == "refresh":
        values["refreshed"] = now
    if facts["kind"] == "create":
        values |= {"created": now, "refreshed": None}
    if version == 1:
        connection.execute(insert(DATASETS).values(name=name, **values))
    else:
        connection.execute(update(DATASETS).where(DATASETS.c.name == name).values(**values))
    connection.execute(
        insert(VERSIONS).values(
            dataset=name,
            version=version,
            manifest=manifest,
            rows=rows,
            schema=schema.canonical().decode(),
            kind=facts["kind"],
            transaction_id=transaction,
            created=now,
        )
    )
    return Result(name, version, manifest, rows)


def _insert_segment(connection: Connection, dataset: str, version: int, segment: Segment) -> None:
    values = segment.describe()
    connection.execute(
        insert(SEGMENTS).values(
            {
                **values,
                "dataset": dataset,
                "columns": json.dumps(values["columns"]),
                "digests": json.dumps(values["digests"]),
                "from_version": version,
                "to_version": None,
                "removed": False,
            }
        )
    )


def _received(datasets: Datasets, uploads: Uploads, change: UploadChange, schema: Schema) -> StoredSegment:
    """The upload as a segment, all chunks of which are here as its owner says, in whole and durable."""
    what = f"upload {change.upload[:8]}"
    parts: list[str] = []
    sizes: list[int] = []
    for file in uploads.files(change.upload, len(schema.columns)):
        if file.header.chunk != len(parts):
            break
        parts.append(file.header.part.hex())
        sizes.append(file.header.rows)
    if len(parts) != len(change.parts):
        raise InputError(
            f"{what} has {len(change.parts):,} chunks as announced, and the first {len(parts):,} are here",
            hint="send what is missing, then commit again",
        )
    differing = [chunk for chunk, part in enumerate(parts) if part != change.parts[chunk]]
    if differing:
        raise InputError(
            f"chunk {differing[0]} of {what} is of another splitting than was announced",
            hint="send it again to all nodes",
        )
    if sum(sizes) != change.rows:
        raise InputError(f"{what} has {sum(sizes):,} rows here, and {change.rows:,} were announced")
    full = sizes[0]
    if any(size != full for size in sizes[:-1]) or sizes[-1] > full or (len(sizes) > 1 and full % 64):
        raise InputError("all chunks but the last have the same number of rows, a multiple of 64")
    uploads.sync(change.upload)
    segment = Segment(
        segment=change.upload,
        generation=0,
        owner=change.owner,
        upload=change.upload,
        base=change.upload,
        position=0,
        rows=change.rows,
        chunk_rows=full,
        columns=tuple((column.name, column.form) for column in schema.columns),
        digests=("", "", ""),
    )
    return StoredSegment.stored(segment, datasets.folder, datasets.party, what, verified=Verified())


@dataclass(frozen=True)
class _Before:
    """A dataset as it is before a change."""

    dataset: str
    version: int
    manifest: str
    schema: Schema | None
    segments: list[Segment] = field(repr=False)

    @classmethod
    def of(cls, connection: Connection, dataset: str) -> _Before:
        version = current_version(connection, dataset)
        row = version_row(connection, dataset, version) if version else None
        if row is None:
            return cls(dataset, 0, "", None, [])
        schema = Schema.parse(json.loads(row.schema))
        return cls(dataset, version, row.manifest, schema, visible(connection, dataset, version))

    @property
    def next_position(self) -> int:
        return 1 + max((segment.position for segment in self.segments), default=-1)

    def facts(
        self, kind: str, schema: Schema, added: Sequence[Segment], ended: Sequence[Segment] = ()
    ) -> dict[str, Any]:
        return {
            "dataset": self.dataset,
            "kind": kind,
            "before": self.manifest,
            "version": self.version + 1,
            "schema": schema.to_dict(),
            "added": [{**segment.facts(), "digests": []} for segment in added],
            "ended": [[segment.segment, segment.base, segment.generation] for segment in ended],
        }
