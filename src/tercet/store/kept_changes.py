"""What changes of kind keep and drop do: results of jobs become visible, or go."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, delete, insert, or_, select

from tercet.errors import InputError
from tercet.store.change import DropChange, KeepChange, Prepared
from tercet.store.datasets import Datasets
from tercet.store.effects import Effect, agreed_digests
from tercet.store.errors import NotFound
from tercet.store.files import Space, place_name
from tercet.store.kept import kept_lock
from tercet.store.kept_files import kept_segment, read_label
from tercet.store.schema import canonical_json
from tercet.store.tables import KEPT, MODELS


def kept_locks(change: KeepChange | DropChange) -> list[str]:
    """What nobody else may change meanwhile."""
    if isinstance(change, DropChange):
        return [kept_lock(name) for name in (*change.arrays, change.name) if name]
    names = {change.name, *(array.name for array in change.arrays), *(array.handle for array in change.arrays)}
    return [kept_lock(name) for name in sorted(names) if name]


def plan_keep(datasets: Datasets, change: KeepChange) -> Effect:
    """See `prepare`: arrays that the workers have written, each whole, under names that are free."""
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
    digests = []
    for array in change.arrays:
        segment = kept_segment(datasets.folder, datasets.party, array.handle, read_label(array.label), array.name)
        digests.append((array.handle, *segment.digests_here()))
    facts = {"kind": "keep", "arrays": handles}
    return Effect(facts, tuple(digests), folders=tuple(place_name(Space.KEPT, handle, 0) for handle in handles))


def plan_drop(datasets: Datasets, change: DropChange) -> Effect:
    """See `prepare`: kept arrays of one owner, or a model with all of its arrays, go."""
    with datasets.catalogue.read() as connection:
        rows = connection.execute(select(KEPT).where(KEPT.c.handle.in_(change.arrays))).all()
        found = {row.handle: row for row in rows if row.owner == change.owner}
        missing = [handle for handle in change.arrays if handle not in found]
        if missing:
            raise NotFound(f"that owner keeps no array {missing[0][:8]}")
        models = {row.model or "" for row in rows} | ({change.name} if change.name else set())
        if models != {change.name} and models != set():
            raise InputError("the arrays of a model go together with it", hint="drop the model")
        if change.name:
            _check_model(connection, change)
    facts = {"kind": "drop", "arrays": sorted(found)}
    return Effect(facts, leftover=tuple(place_name(Space.KEPT, handle, 0) for handle in sorted(found)))


def apply_keep(connection: Connection, change: KeepChange, answers: Sequence[Prepared], now: float) -> None:
    """Make kept arrays visible, within the transaction of a commit."""
    for array, digests in zip(change.arrays, agreed_digests(answers), strict=True):
        connection.execute(
            insert(KEPT).values(
                handle=array.handle,
                name=array.name or None,
                model=change.name or None,
                owner=change.owner,
                job=change.job,
                label=array.label,
                disclosure=canonical_json(array.disclosure).decode(),
                digests=json.dumps(digests),
                created=now,
                expires=change.expires,
            )
        )
    if change.name:
        model = canonical_json(change.model).decode()
        connection.execute(
            insert(MODELS).values(name=change.name, owner=change.owner, job=change.job, model=model, created=now)
        )


def apply_drop(connection: Connection, change: DropChange, facts: Mapping[str, Any]) -> None:
    """Make kept arrays invisible, within the transaction of a commit."""
    connection.execute(delete(KEPT).where(KEPT.c.handle.in_(facts["arrays"])))
    if change.name:
        connection.execute(delete(MODELS).where(MODELS.c.name == change.name))


def _check_free(connection: Connection, names: Sequence[str], handles: Sequence[str]) -> None:
    taken = connection.execute(
        select(KEPT.c.handle, KEPT.c.name).where(or_(KEPT.c.name.in_(names), KEPT.c.handle.in_(handles)))
    ).first()
    model = connection.execute(select(MODELS.c.name).where(MODELS.c.name.in_(names))).scalar()
    if taken is not None or model is not None:
        name = model or (taken.name or taken.handle[:8] if taken is not None else "")
        raise InputError(f"something is kept under the name {name} already", hint="drop it, or choose another name")


def _check_model(connection: Connection, change: DropChange) -> None:
    row = connection.execute(select(MODELS).where(MODELS.c.name == change.name)).first()
    if row is None or row.owner != change.owner:
        raise NotFound(f"that owner keeps no model {change.name}")
    arrays = connection.execute(select(KEPT.c.handle).where(KEPT.c.model == change.name)).scalars().all()
    if set(arrays) != set(change.arrays):
        raise InputError(f"the arrays are not those of the model {change.name}")
