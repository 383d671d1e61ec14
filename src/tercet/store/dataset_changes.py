"""What the changes of datasets do at one node: uploads, withdrawals, refreshes, checks, wider bounds.

Each has a function that plans it: it looks at catalogue and files, changes nothing that is visible, and gives an
`Effect` with the facts that must be alike at all nodes. `apply_dataset` carries the facts out in the transaction of the
commit, with the digests of all components.

Bounds are widened once every owner of rows has agreed by signature; nothing is uploaded again, as stored values and
the stamps of their checks stay valid within wider bounds. Each agreement is a change of its own; the last one makes the
version.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any

from sqlalchemy import Connection, delete, insert, select, update

from tercet.errors import Gone, InputError, NotFound
from tercet.federation.model import ascii_json
from tercet.federation.orders import Wider
from tercet.store.change import (
    ChangeResult,
    CheckChange,
    Effect,
    Prepared,
    RefreshChange,
    UploadChange,
    WidenChange,
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
    schema_in,
    segment_values,
    version_row,
    visible,
)
from tercet.store.files import Verified
from tercet.store.joins import join_columns
from tercet.store.kept import end_those_on
from tercet.store.kept_changes import apply_refreshed, plan_refreshed
from tercet.store.schema import Column, ColumnKind, Schema
from tercet.store.segments import Segment, StoredSegment
from tercet.store.stamps import stamp_of
from tercet.store.tables import AGREEMENTS, DATASETS, SEGMENTS, VERSIONS
from tercet.store.uploads import Uploads, check_fits
from tercet.store.version import manifest_of

_MOST_PROPOSALS = 64
"""How many proposals may wait for one dataset."""


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
        return cls(dataset, version, row.manifest, schema_in(row), visible(connection, dataset, version))

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


def widened(schema: Schema, wanted: Sequence[Wider]) -> Schema:
    """The schema with wider columns. Raises InputError for what is narrower, unknown, or unlike what is stored."""
    by_name = {each.column: each for each in wanted}
    if len(by_name) != len(wanted):
        raise InputError("the proposal names a column twice")
    for name in by_name:
        schema[name]
    columns = tuple(_widened(column, by_name.get(column.name)) for column in schema.columns)
    wider = Schema.parse({"columns": columns})
    if wider.stored != schema.stored:
        name = next(a.name for a, b in zip(schema.stored, wider.stored, strict=True) if a != b)
        raise InputError(
            f"the wider bounds of column {name} need 128 bits, and what is stored has 64",
            hint="take narrower ones, or withdraw and upload again",
        )
    return wider


def _widened(column: Column, wider: Wider | None) -> Column:
    if wider is None:
        return column
    fields: dict[str, Any] = {field: getattr(column, field) for field in column.model_fields_set}
    if column.kind is ColumnKind.CATEGORY:
        if wider.lo is not None or wider.hi is not None:
            raise InputError(f"column {column.name} is of kind category and has no bounds")
        fields["categories"] = (*column.categories, *wider.categories)
    elif column.kind in (ColumnKind.BOOL, ColumnKind.KEY):
        raise InputError(f"column {column.name} is of kind {column.kind}, which has nothing to widen")
    else:
        if wider.categories:
            raise InputError(f"column {column.name} is of kind {column.kind} and has no categories")
        fields["lo"] = column.lo if wider.lo is None else _bound(wider.lo, column)
        fields["hi"] = column.hi if wider.hi is None else _bound(wider.hi, column)
        if fields["lo"] > column.lo or fields["hi"] < column.hi:
            raise InputError(
                f"bounds of column {column.name} would be narrower: {fields['lo']} to {fields['hi']} do not hold "
                f"{column.lo} to {column.hi}",
                hint="rows may lie there; only wider bounds can be agreed on",
            )
        if column.nullable and fields["lo"] != column.lo:
            raise InputError(
                f"the lower bound of column {column.name} cannot be widened: it stands where a value is missing",
                hint="withdraw and upload again with the wider bounds",
            )
    try:
        return Column(**fields)
    except ValueError:
        raise InputError(
            f"the new bounds or categories of column {column.name} are not valid",
            hint="bounds fit 128 bits and its digits; categories differ",
        ) from None


def _bound(text: str, column: Column) -> Any:
    try:
        if column.kind is ColumnKind.DATE:
            return date.fromisoformat(text)
        if column.kind is ColumnKind.INTEGER or ("." not in text and "e" not in text.lower()):
            return int(text)
        return float(text)
    except ValueError:
        raise InputError(f"a bound of column {column.name} is no {column.kind}") from None


def widenings(schema: Schema, wider: Schema) -> list[Wider]:
    """What makes `wider` of `schema`, as an order says it. Raises InputError where they differ in anything else."""
    if schema.names != wider.names:
        schema.check_same(wider)
    found = []
    for old, new in zip(schema.columns, wider.columns, strict=True):
        same = {"lo": old.lo, "hi": old.hi, "categories": old.categories, "description": old.description}
        if new.model_copy(update=same) != old:
            schema.check_same(wider)
        if set(old.categories) - set(new.categories):
            raise InputError(f"a category of column {old.name} is missing in the wider schema", hint="rows may have it")
        more = [text for text in new.categories if text not in old.categories]
        lo, hi = ("" if a == b else str(b) for a, b in ((old.lo, new.lo), (old.hi, new.hi)))
        if lo or hi or more:
            found.append(Wider(column=old.name, lo=lo or None, hi=hi or None, categories=more))
    if not found:
        raise InputError("nothing is wider in that schema", hint="put the wider bounds into it, or more categories")
    widened(schema, found)
    return found


def plan_widen(datasets: Datasets, change: WidenChange) -> Effect:
    """Plan an owner's agreement, and the new version if all have agreed. Raises InputError, NotFound."""
    with datasets.catalogue.read() as connection:
        before = Before.of(connection, change.dataset)
        if not before.segments:
            raise NotFound(f"there is no dataset {change.dataset}", hint=WHICH)
        assert before.schema is not None
        owners = sorted({segment.owner for segment in before.segments})
        if change.owner not in owners:
            raise InputError(f"only owners of rows in dataset {change.dataset} can agree, and this owner has none")
        wider = widened(before.schema, change.columns)
        proposal = hashlib.sha256(f"{before.schema.digest} {wider.digest}".encode()).hexdigest()
        waiting = _agreements(connection, change.dataset)
    if proposal not in waiting and len(waiting) >= _MOST_PROPOSALS:
        raise InputError(
            f"{_MOST_PROPOSALS} proposals wait for dataset {change.dataset} already", hint="agree on one of them"
        )
    agreed = sorted({*waiting.get(proposal, ()), change.owner})
    facts = before.facts("widen", wider, [])
    facts |= {"proposal": proposal, "agreed": agreed, "owners": owners, "owner": change.owner}
    return Effect(facts)


def apply_widen(connection: Connection, transaction: str, facts: Mapping[str, Any], now: float) -> ChangeResult:
    """Store the agreement, or make the version that all owners have agreed on, in the transaction of a commit."""
    of_dataset = AGREEMENTS.c.dataset == facts["dataset"]
    if set(facts["owners"]) <= set(facts["agreed"]):
        connection.execute(delete(AGREEMENTS).where(of_dataset))
        return apply_dataset(connection, transaction, facts, (), now)
    mine = (of_dataset, AGREEMENTS.c.proposal == facts["proposal"], AGREEMENTS.c.owner == facts["owner"])
    connection.execute(delete(AGREEMENTS).where(*mine))
    connection.execute(
        insert(AGREEMENTS).values(
            dataset=facts["dataset"],
            proposal=facts["proposal"],
            owner=facts["owner"],
            transaction_id=transaction,
            at=now,
        )
    )
    return ChangeResult()


def agreements(datasets: Datasets, dataset: str) -> list[list[str]]:
    """The owners who have agreed to each proposal that is not complete yet. Part of a dataset's description."""
    with datasets.catalogue.read() as connection:
        return [sorted(owners) for owners in _agreements(connection, dataset).values()]


def _agreements(connection: Connection, dataset: str) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for row in connection.execute(select(AGREEMENTS).where(AGREEMENTS.c.dataset == dataset)):
        found.setdefault(row.proposal, set()).add(row.owner)
    return found
