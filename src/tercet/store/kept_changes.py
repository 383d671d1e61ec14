"""What the changes of kept results do at one node: keep, drop, and their part of a refresh."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import Connection, Row, delete, insert, or_, select

from tercet.errors import Busy, Gone, InputError, NotFound
from tercet.federation.model import ascii_json, fresh_id
from tercet.store.change import (
    Change,
    DropChange,
    Effect,
    KeepChange,
    Prepared,
    RefreshChange,
    agreed_digests,
    read_change,
)
from tercet.store.datasets import Datasets, segment_of, segment_values, visible
from tercet.store.files import Space, place_name
from tercet.store.kept import arrays_where, batches, end, end_shares, find_taken, kept_lock, resting
from tercet.store.kept_files import described_segment, kept_dataset, kept_segment, kept_title, read_label
from tercet.store.origins import Behind, Origin, read_origins
from tercet.store.segments import Segment
from tercet.store.tables import CHANGES, JOBS, KEPT, SEGMENTS, VERSIONS

_SKEW_S = 600.0
"""The largest difference between clocks of nodes, in seconds. What expires so soon may be gone at another node."""


def kept_locks(change: KeepChange | DropChange | RefreshChange) -> list[str]:
    """The locks that a change takes: names and handles."""
    if isinstance(change, RefreshChange):
        return [kept_lock(handle) for handle in sorted(change.kept)]
    if isinstance(change, DropChange):
        return [kept_lock(name) for name in (*change.arrays, change.name) if name]
    names = {change.name, *(array.name for array in change.arrays), *(array.handle for array in change.arrays)}
    return [kept_lock(name) for name in sorted(names) if name]


def plan_keep(datasets: Datasets, change: KeepChange) -> Effect:
    """Plan to keep arrays: the workers have written their files, and the names are free."""
    names = [array.name for array in change.arrays if array.name]
    handles = [array.handle for array in change.arrays]
    if len(set(names)) != len(names) or len(set(handles)) != len(handles):
        raise InputError("two results are to be kept under one name")
    if (change.model is None) != (not change.name):
        raise InputError("a model has a name and a description")
    for name in names:
        if "/" in name and (not change.name or not name.startswith(f"{change.name}/")):
            raise InputError(f"{name} is the name of an array of another model")
    with datasets.catalogue.read() as connection:
        _check_free(connection, [*names, *([change.name] if change.name else [])], handles)
        _check_fresh(connection, change)
    digests = []
    for array in change.arrays:
        description = {"handle": array.handle, "name": array.name, "label": array.label}
        segment = described_segment(datasets.folder, datasets.party, description)
        digests.append((array.handle, *segment.digests_here()))
    facts = {"kind": "keep", "arrays": handles}
    return Effect(facts, tuple(digests), folders=tuple(place_name(Space.KEPT, handle, 0) for handle in handles))


def plan_drop(datasets: Datasets, change: DropChange) -> Effect:
    """Plan to delete kept arrays of one owner, or a model with all of its arrays."""
    with datasets.catalogue.read() as connection:
        rows = connection.execute(arrays_where(KEPT.c.handle.in_(change.arrays))).all()
        found = {row.handle: row for row in rows if row.owner == change.owner}
        missing = [handle for handle in change.arrays if handle not in found]
        if missing:
            raise NotFound(f"that owner keeps no array {missing[0][:8]}")
        models = {row.model or "" for row in rows} | ({change.name} if change.name else set())
        if models != {change.name} and models != set():
            raise InputError("the arrays of a model go together with it", hint="drop the model")
        if change.name:
            _check_model(connection, change)
    return Effect({"kind": "drop", "arrays": sorted(found)})


def apply_keep(connection: Connection, change: KeepChange, answers: Sequence[Prepared], now: float) -> None:
    """Make kept arrays visible, within the transaction of a commit.

    The terms on which they are kept are this node's own, as its job has them. What was made of rows that were withdrawn
    since it was prepared goes at once, as it would have if it had been there then.
    """
    terms = _terms_of(connection, change.job)
    names = {array.name for array in change.arrays if array.name}
    handles = {array.handle for array in change.arrays}
    again = or_(KEPT.c.handle.in_(handles), KEPT.c.name.in_(names), KEPT.c.model == change.name)
    connection.execute(delete(KEPT).where(KEPT.c.ended.is_not(None), again))
    # a handle is derived from its name, so there may be ended segments of an earlier array of this name
    connection.execute(delete(SEGMENTS).where(SEGMENTS.c.dataset.in_([kept_dataset(handle) for handle in handles])))
    whose = {"model": change.name or None, "owner": change.owner, "job": change.job, "created": now}
    for array, digests in zip(change.arrays, agreed_digests(answers), strict=True):
        connection.execute(
            insert(KEPT).values(
                handle=array.handle,
                name=array.name or None,
                label=array.label,
                disclosure=ascii_json(array.disclosure).decode(),
                terms=terms.get(array.handle),
                expires=change.expires,
                **whose,
            )
        )
        kind = read_label(array.label)
        segment = kept_segment(array.handle, kind, owner=change.owner, digests=digests, created=now)
        connection.execute(insert(SEGMENTS).values(segment_values(segment, kept_dataset(array.handle), 1)))
    if change.name:
        public = ascii_json(change.model).decode()
        connection.execute(insert(KEPT).values(handle=fresh_id(), name=change.name, public=public, **whose))
    if lost := _lost(connection, change):
        rows = connection.execute(arrays_where(KEPT.c.handle.in_(handles))).all()
        end(connection, rows, f"data of {lost} that it was made of were withdrawn", now)


def apply_drop(connection: Connection, change: DropChange, facts: Mapping[str, Any]) -> None:
    """Make kept arrays invisible, within the transaction of a commit."""
    end_shares(connection, facts["arrays"])
    which = or_(KEPT.c.handle.in_(facts["arrays"]), KEPT.c.model == change.name)
    connection.execute(delete(KEPT).where(which, KEPT.c.ended.is_(None)))


def plan_refreshed(datasets: Datasets, change: RefreshChange, now: float) -> list[tuple[str, Segment]]:
    """The segments of all kept arrays that were made of the dataset, each with what errors call the array.

    Raises Busy if others are being kept, InputError or Gone if it is about other arrays than are here.
    """
    with datasets.catalogue.read() as connection:
        rows = {row.handle: row for row in resting(connection, change.dataset)}
        for other in _under_way(connection):
            if isinstance(other, KeepChange) and change.dataset in {one.dataset for one in _origins(other)}:
                raise Busy(f"a job is just keeping results made of {change.dataset}", hint="order the refresh again")
        found = []
        for handle, generation in sorted(change.kept.items()):
            row = rows.pop(handle, None)
            if row is None or row.generation != generation:
                raise Gone(f"the kept array {handle[:8]} has gone or was refreshed", hint="order the refresh again")
            what = kept_title(row.name or "", handle)
            found += [(what, segment) for segment in visible(connection, kept_dataset(handle), generation + 1)]
    lasting = [row for row in rows.values() if row.expires is None or row.expires > now + _SKEW_S]
    if lasting:
        what = lasting[0].name or lasting[0].handle[:8]
        raise Busy(f"{what} was kept since the refresh began", hint="order the refresh again")
    return found


def apply_refreshed(
    connection: Connection, dataset: str, fresh: Mapping[str, tuple[int, tuple[str, str, str]]], now: float
) -> None:
    """Make the next generation of kept arrays (by handle: number and digests) visible, within a commit.

    Of what else was made of the dataset only arrays were left out that are about to expire; they go now, so that
    nothing on this disk is of the generation before.
    """
    end(connection, [row for row in resting(connection, dataset) if row.handle not in fresh], "it has expired", now)
    former: list[Row[Any]] = []
    for some in batches(list(fresh)):
        names = [kept_dataset(handle) for handle in some]
        former += connection.execute(select(SEGMENTS).where(SEGMENTS.c.dataset.in_(names))).all()
    rows = []
    for row in former:
        generation, digests = fresh[row.segment]
        if row.generation == generation - 1:
            segment = replace(segment_of(row), generation=generation, digests=digests, created=now)
            rows.append(segment_values(segment, row.dataset, row.from_version + 1))
            if row.to_version is not None:
                # the array ended after the refresh was prepared: the new files are to be deleted, too
                rows[-1]["to_version"] = row.from_version + 2
    end_shares(connection, list(fresh))
    if rows:
        connection.execute(insert(SEGMENTS), rows)


def _under_way(connection: Connection) -> list[Change]:
    """Changes that are being prepared here, or wait for their decision.

    A change is recorded before it is checked against the others, so of two at a time at least one sees the other.
    """
    rows = connection.execute(select(CHANGES.c.change).where(CHANGES.c.state.in_(("preparing", "prepared"))))
    return [read_change(json.loads(row.change)) for row in rows]


def _origins(change: KeepChange) -> list[Origin]:
    return [origin for array in change.arrays for origin in read_origins(array.disclosure)]


def _lost(connection: Connection, change: KeepChange) -> str:
    return Behind(connection).lost(_origins(change))


def _check_fresh(connection: Connection, change: KeepChange) -> None:
    """Raise Gone if what the job read was withdrawn, or its shares were refreshed, since.

    An array made of shares from before a refresh would not be refreshed. Then one node's disk from before the refresh
    and another's from after it would give the values.
    """
    behind = {one.dataset for one in _origins(change)}
    for other in _under_way(connection):
        if isinstance(other, RefreshChange) and other.dataset in behind:
            raise Busy(f"the shares of {other.dataset} are being refreshed", hint="ask again soon")
    if lost := _lost(connection, change):
        raise Gone(f"data of {lost} that the job read were withdrawn", hint="ask again, of what is there now")
    for dataset, version in change.datasets.items():
        wanted = (VERSIONS.c.dataset == dataset, VERSIONS.c.version > version, VERSIONS.c.kind == "refresh")
        if connection.execute(select(VERSIONS.c.version).where(*wanted)).first() is not None:
            raise Gone(f"the shares of {dataset} were refreshed while the job ran", hint="ask again")
    for handle, generation in change.inputs.items():
        row = connection.execute(arrays_where(KEPT.c.handle == handle)).first()
        if row is None or row.generation != generation:
            what = f"the kept array {handle[:8]} that the job read"
            raise Gone(f"{what} has gone or was refreshed while the job ran", hint="ask again")


def _terms_of(connection: Connection, job: str) -> Mapping[str, str]:
    """The terms of what a job keeps, by handle, as JSON text; empty for a job that this node does not know."""
    info = connection.execute(select(JOBS.c.info).where(JOBS.c.job == job)).scalar()
    terms = json.loads(info).get("terms", {}) if info is not None else {}
    return {handle: ascii_json(one).decode() for handle, one in terms.items()}


def _check_free(connection: Connection, names: Sequence[str], handles: Sequence[str]) -> None:
    if (taken := find_taken(connection, names, handles)) is not None:
        name = taken.name or taken.handle[:8]
        raise InputError(f"something is kept under the name {name} already", hint="drop it, or choose another name")


def _check_model(connection: Connection, change: DropChange) -> None:
    row = find_taken(connection, [change.name], [])
    if row is None or row.public is None or row.owner != change.owner:
        raise NotFound(f"that owner keeps no model {change.name}")
    arrays = connection.execute(arrays_where(KEPT.c.model == change.name)).all()
    if {array.handle for array in arrays} != set(change.arrays):
        raise InputError(f"the arrays are not those of the model {change.name}")
