"""What the changes of datasets do at one node: uploads, withdrawals, refreshes, checks.

Each has a function that plans it: it looks at catalogue and files, changes nothing that is visible, and gives an
`Effect` with the facts that must be alike at all nodes. `apply_dataset` carries the facts out in the transaction of the
commit, with the digests of all components.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from sqlalchemy import Connection, insert, update

from tercet.errors import Gone, InputError, NotFound
from tercet.federation.canonical import ascii_json
from tercet.store.change import (
    ChangeResult,
    CheckChange,
    Effect,
    Prepared,
    RefreshChange,
    UploadChange,
    WithdrawChange,
    agreed_digests,
)
from tercet.store.datasets import (
    WHICH,
    Datasets,
    check_size,
    current_version,
    is_segment,
    keep_schema,
    segment_values,
    version_row,
    visible,
)
from tercet.store.joins import join_columns
from tercet.store.kept import end_those_on
from tercet.store.kept_changes import apply_refreshed, plan_refreshed
from tercet.store.schema import Schema
from tercet.store.segments import Segment, StoredSegment
from tercet.store.stamps import stamp_of
from tercet.store.tables import DATASETS, SEGMENTS, VERSIONS
from tercet.store.uploads import Uploads, check_fits
from tercet.store.verified import Verified
from tercet.store.version import manifest_of


def plan_upload(datasets: Datasets, uploads: Uploads, change: UploadChange) -> Effect:
    """Plan an upload: a new dataset, more rows, or more columns. Raises InputError, IntegrityError."""
    with datasets.catalogue.read() as connection:
        info = uploads.at(connection, change.upload, change.owner)
        if (info.dataset, info.mode) != (change.dataset, change.kind):
            raise InputError(f"upload {change.upload[:8]} was begun for dataset {info.dataset}, to {info.mode}")
        check_fits(connection, change.dataset, change.kind, info.schema)
        before = Before.of(connection, change.dataset)
    received = _received(datasets, uploads, change, info.schema)
    if change.kind != "columns":
        own, following = received.digests_here()
        schema = info.schema if change.kind == "create" else before.schema
        return Effect(
            before.facts(change.kind, schema or info.schema, [replace(received, position=before.next_position)]),
            digests=((received.segment, own, following),),
        )
    version = datasets.get(change.dataset)
    schema = version.schema.joined(info.schema)
    check_size(schema)
    joined = join_columns(version, received)
    return Effect(
        before.facts("columns", schema, joined.segments),
        digests=joined.digests,
        folders=joined.folders,
        leftover=(received.place_name, joined.scratch),
    )


def plan_withdraw(datasets: Datasets, change: WithdrawChange) -> Effect:
    """Plan to remove an owner's rows or columns. With rows go the columns that others brought for them."""
    with datasets.catalogue.read() as connection:
        before = Before.of(connection, change.dataset)
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


def plan_refresh(datasets: Datasets, change: RefreshChange, now: float) -> Effect:
    """Plan a refresh: the workers have written the next generation of all segments, and of what was kept of them."""
    with datasets.catalogue.read() as connection:
        before = Before.of(connection, change.dataset)
    if (before.version, before.manifest) != (change.version, change.manifest):
        raise Gone(f"dataset {change.dataset} is at version {before.version}, the refresh was of {change.version}")
    assert before.schema is not None
    whose = [(f"the refreshed dataset {change.dataset}", segment) for segment in before.segments]
    whose += plan_refreshed(datasets, change, now)
    fresh: list[Segment] = []
    digests: list[tuple[str, str, str]] = []
    for what, segment in whose:
        following = replace(segment, generation=segment.generation + 1, digests=("", "", ""))
        stored = StoredSegment.stored(following, datasets.folder, datasets.party, what, verified=None)
        digests.append((following.segment, *stored.digests_here()))
        fresh.append(following)
    count = len(before.segments)
    facts = before.facts("refresh", before.schema, fresh[:count], before.segments)
    facts["kept"] = [[array.segment, array.generation] for array in fresh[count:]]
    return Effect(facts, tuple(digests), folders=tuple(segment.place_name for segment in fresh))


def plan_check(datasets: Datasets, change: CheckChange) -> Effect:
    """Plan to stamp segments whose values were checked after their commit."""
    with datasets.catalogue.read() as connection:
        before = Before.of(connection, change.dataset)
    if (before.version, before.manifest) != (change.version, change.manifest):
        raise Gone(f"dataset {change.dataset} is at version {before.version}, the check was of {change.version}")
    assert before.schema is not None
    wanted = {(one.segment, one.base) for one in change.segments}
    stamped = [segment for segment in before.segments if (segment.segment, segment.base) in wanted]
    if len(stamped) != len(wanted):
        raise InputError(f"the check was of segments that dataset {change.dataset} does not have")
    facts = before.facts("check", before.schema, [])
    facts["stamped"] = [
        [
            segment.segment,
            segment.base,
            segment.generation,
            stamp_of(segment.upload, before.schema, segment.columns).facts(),
        ]
        for segment in stamped
    ]
    return Effect(facts)


def apply_dataset(
    connection: Connection, transaction: str, facts: Mapping[str, Any], answers: Sequence[Prepared], now: float
) -> ChangeResult:
    """Make the new version of a dataset visible, within the transaction of a commit."""
    name, version = facts["dataset"], facts["version"]
    for segment, base, generation in facts["ended"]:
        connection.execute(
            update(SEGMENTS).where(is_segment(name, segment, base, generation)).values(to_version=version)
        )
    for segment, base, generation, stamp in facts.get("stamped", ()):
        # changed in place, because older versions have the same files
        told = ascii_json(stamp).decode()
        connection.execute(update(SEGMENTS).where(is_segment(name, segment, base, generation)).values(checked=told))
    agreed, count = agreed_digests(answers), len(facts["added"])
    for piece, digests in zip(facts["added"], agreed[:count], strict=True):
        segment = Segment.load({**piece, "digests": digests, "created": now})
        connection.execute(insert(SEGMENTS).values(segment_values(segment, name, version)))
    if facts["kind"] == "withdraw":
        ended = {(segment, base) for segment, base, _ in facts["ended"]}
        end_those_on(connection, name, ended, f"data of {name} that it was made of were withdrawn", now)
    if facts["kind"] == "refresh":
        kept = zip(facts["kept"], agreed[count:], strict=True)
        apply_refreshed(connection, name, {handle: (number, each) for (handle, number), each in kept}, now)
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
            schema=keep_schema(connection, schema),
            kind=facts["kind"],
            transaction_id=transaction,
            created=now,
        )
    )
    return ChangeResult(name, version, manifest, rows)


def _received(datasets: Datasets, uploads: Uploads, change: UploadChange, schema: Schema) -> StoredSegment:
    """The upload as a segment. Raises InputError unless exactly the chunks that its owner announced are here."""
    what = f"upload {change.upload[:8]}"
    parts: list[str] = []
    sizes: list[int] = []
    for file in uploads.files(change.upload, len(schema.stored)):
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
        columns=schema.stored,
        digests=("", "", ""),
        checked=stamp_of(change.upload, schema, schema.stored),
    )
    return StoredSegment.stored(segment, datasets.folder, datasets.party, what, verified=Verified())


@dataclass(frozen=True)
class Before:
    """A dataset as it is before a change."""

    dataset: str
    version: int
    manifest: str
    schema: Schema | None
    segments: list[Segment] = field(repr=False)

    @classmethod
    def of(cls, connection: Connection, dataset: str) -> Before:
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
