"""Kept results: arrays and models that jobs left at the nodes.

The shares of a kept array are a segment, as those of datasets are, which has the analyst as its owner and an element in
each row; so refreshes, backups and the deletion of files treat both alike. `KEPT` has the rest.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import ColumnElement, Connection, Row, Select, and_, delete, or_, select, update

from tercet.errors import Gone, NotFound
from tercet.plan.types import Type
from tercet.sharing import Party
from tercet.store.catalogue import Catalogue
from tercet.store.files import remove_folder
from tercet.store.kept_files import kept_dataset, kept_place, kept_title, read_label, write_label
from tercet.store.origins import Behind, Ended, read_origins
from tercet.store.sweep import sweep_ended
from tercet.store.tables import KEPT, LOCKS, SEGMENTS

T = TypeVar("T")
_AGAIN = "run its job again, on what is there now"
_REMEMBERED_S = 400 * 86_400.0
"""How long the reason why an array has gone is stored, in seconds."""
_THERE = KEPT.c.ended.is_(None)
_MODELS = select(KEPT).where(KEPT.c.public.is_not(None), _THERE)
_BATCH = 1000
_FORGOTTEN = {"label": None, "public": None, "disclosure": None, "terms": None}
"""Fields that are deleted when an array or model ends."""


@dataclass(frozen=True)
class KeptRow:
    """One kept array. `name` is "model/array", a name of its own, or "" for one that only has its handle."""

    handle: str
    name: str
    model: str
    owner: str
    job: str
    type: Type
    disclosure: Any
    terms: Any
    """On what terms this node's policy let it be kept; None if that is not known here."""
    generation: int
    created: float
    expires: float | None
    digests: tuple[str, str, str]

    def describe(self) -> dict[str, Any]:
        """What `read_kept` needs in a worker, as JSON data; nothing secret."""
        return {
            "handle": self.handle,
            "name": self.name,
            "label": write_label(self.type),
            "generation": self.generation,
            "digests": list(self.digests),
        }


@dataclass(frozen=True)
class KeptResult:
    """What is listed, shown and dropped as one: an array, or a model with its public JSON and all its arrays."""

    name: str
    """Of an array without a name its handle."""
    owner: str
    job: str
    model: Any
    """None for an array."""
    arrays: tuple[KeptRow, ...]
    created: float
    expires: float | None


class Kept:
    """Called by jobs, to read, and by routes, to list. Changes of kind keep and drop write. Thread-safe."""

    def __init__(
        self, catalogue: Catalogue, folder: Path, party: Party, *, clock: Callable[[], float] = time.time
    ) -> None:
        """`folder`: the store's; `clock`: unix seconds."""
        self.catalogue = catalogue
        self.folder = folder
        self.party = party
        self._clock = clock

    def __repr__(self) -> str:
        return f"Kept({self.folder})"

    def get(self, name: str, asks: str | None = None) -> KeptRow:
        """By name ("model/array" or "array") or handle. Raises NotFound, or Gone with the reason.

        `asks`: the only owner who is told the reason; None: the caller is.
        """
        with self.catalogue.read() as connection:
            row = connection.execute(arrays_where(or_(KEPT.c.handle == name, KEPT.c.name == name))).first()
            if row is None:
                _check_gone(connection, or_(KEPT.c.handle == name, KEPT.c.name == name, KEPT.c.model == name), asks)
        if row is None:
            raise NotFound(f"nothing is kept under the name {name[:130]}")
        array = _array(row)
        if self._is_over(array):
            raise Gone(f"the kept array {name[:130]} has expired", hint=_AGAIN)
        return array

    def holds(self, name: str) -> bool:
        """Whether there is an array of this name or handle, or a model of this name."""
        with self.catalogue.read() as connection:
            return find_taken(connection, [name], [name]) is not None

    def own(self, info: KeptRow, people: Collection[str] = ()) -> frozenset[str]:
        """Datasets behind an array of which its owner has brought all that went in, through all keeps before it.

        With `people`: its owner, or one of these.
        """
        with self.catalogue.read() as connection:
            owners = Behind(connection).owners(read_origins(info.disclosure))
        known = {info.owner, *people}
        return frozenset(dataset for dataset, found in owners.items() if found and found <= known)

    def resting_on(self, dataset: str) -> Sequence[KeptRow]:
        """Arrays that were made of a dataset, and have not expired."""
        with self.catalogue.read() as connection:
            arrays = [_array(row) for row in resting(connection, dataset)]
        return [array for array in arrays if not self._is_over(array)]

    def results(self) -> Sequence[KeptResult]:
        """Models by name, then arrays that are of no model, newest first."""
        with self.catalogue.read() as connection:
            models = connection.execute(_MODELS.order_by(KEPT.c.name)).all()
            arrays = _arrays(connection)
        alone = [array for array in reversed(arrays) if not array.model and not self._is_over(array)]
        return [*(_of_model(row, arrays) for row in models), *map(_of_array, alone)]

    def result(self, name: str, asks: str | None = None) -> KeptResult:
        """A model by its name, or an array as `get` finds it. Raises as `get`; another's model is not found."""
        with self.catalogue.read() as connection:
            row = connection.execute(_MODELS.where(KEPT.c.name == name)).first()
            if row is not None and asks in (None, row.owner):
                return _of_model(row, _arrays(connection, KEPT.c.model == name))
        return _of_array(self.get(name, asks))

    def discard(self, handle: str) -> None:
        """Delete what a failed job has written under a handle, unless it is kept or about to be."""
        with self.catalogue.write() as connection:
            kept = find_taken(connection, [], [handle])
            locked = connection.execute(select(LOCKS.c.name).where(LOCKS.c.name == kept_lock(handle))).scalar()
            if kept is None and locked is None:
                remove_folder(kept_place(self.folder, handle))

    def expire(self) -> Sequence[str]:
        """Delete temporary arrays whose time is over, and their files, here; gives their handles.

        Every node does so by its own clock. A job that reads such an array at that time fails with an error.
        """
        now = self._clock()
        with self.catalogue.write() as connection:
            rows = connection.execute(arrays_where(KEPT.c.expires <= now)).all()
            end(connection, rows, "it has expired", now)
            connection.execute(delete(KEPT).where(KEPT.c.ended < now - _REMEMBERED_S))
            old = and_(SEGMENTS.c.upload == "", SEGMENTS.c.removed, SEGMENTS.c.created < now - _REMEMBERED_S)
            connection.execute(delete(SEGMENTS).where(old))
        sweep_ended(self.catalogue, self.folder)
        return [row.handle for row in rows]

    def _is_over(self, array: KeptRow) -> bool:
        return array.expires is not None and array.expires <= self._clock()


def kept_lock(name: str) -> str:
    """The lock on a name or handle."""
    return f"kept {name}"


def arrays_where(*conditions: ColumnElement[bool]) -> Select[Any]:
    """Select the arrays that are kept, with generation and digests of their shares."""
    shares = and_(SEGMENTS.c.segment == KEPT.c.handle, SEGMENTS.c.upload == "", SEGMENTS.c.to_version.is_(None))
    return (
        select(KEPT, SEGMENTS.c.generation, SEGMENTS.c.digests)
        .join(SEGMENTS, shares)
        .where(KEPT.c.public.is_(None), _THERE, *conditions)
    )


def find_taken(connection: Connection, names: Collection[str], handles: Collection[str]) -> Row[Any] | None:
    """The row of something kept, an array or a model, under one of these names or handles; None if they are free."""
    which = or_(KEPT.c.name.in_(names), KEPT.c.handle.in_(handles))
    return connection.execute(select(KEPT).where(which, _THERE)).first()


def resting(connection: Connection, dataset: str) -> list[Row[Any]]:
    """The rows of `arrays_where` of all arrays that were made of a dataset, by handle."""
    rows = connection.execute(arrays_where().order_by(KEPT.c.handle)).all()
    return [row for row in rows if dataset in {one.dataset for one in read_origins(json.loads(row.disclosure))}]


def end(connection: Connection, rows: Sequence[Any], reason: str, now: float) -> None:
    """End kept arrays (rows of `arrays_where`), and whole models with them. `get` tells the reason later.

    Their files are deleted by `sweep_ended`, after the transaction.
    """
    for some in batches(rows):
        models = {row.model for row in some if row.model}
        which = and_(or_(KEPT.c.handle.in_({row.handle for row in some}), KEPT.c.model.in_(models)), _THERE)
        end_shares(connection, connection.execute(select(KEPT.c.handle).where(which)).scalars().all())
        connection.execute(update(KEPT).where(which).values(**_FORGOTTEN, ended=now, reason=reason))


def end_shares(connection: Connection, handles: Sequence[str]) -> None:
    """End the segments of kept arrays."""
    for some in batches(handles):
        names = [kept_dataset(handle) for handle in some]
        which = and_(SEGMENTS.c.dataset.in_(names), SEGMENTS.c.to_version.is_(None))
        connection.execute(update(SEGMENTS).where(which).values(to_version=SEGMENTS.c.from_version + 1))


def batches(items: Sequence[T]) -> Iterator[Sequence[T]]:
    """Runs of items of a size that one statement takes: databases limit the number of parameters."""
    for start in range(0, len(items), _BATCH):
        yield items[start : start + _BATCH]


def end_those_on(connection: Connection, dataset: str, ended: Ended, reason: str, now: float) -> None:
    """End all kept arrays that were made of these segments. Called in the transaction that ends the segments."""
    behind = Behind(connection)
    found = resting(connection, dataset)
    rows = [row for row in found if behind.rests_on(read_origins(json.loads(row.disclosure)), dataset, ended)]
    if rows:
        end(connection, rows, reason, now)


def _check_gone(connection: Connection, which: ColumnElement[bool], asks: str | None) -> None:
    gone = select(KEPT).where(which, KEPT.c.ended.is_not(None)).order_by(KEPT.c.ended.desc())
    row = connection.execute(gone).first()
    if row is not None and asks in (None, row.owner):
        what = f"the model {row.model}" if row.model else kept_title(row.name or "", row.handle)
        raise Gone(f"{what} is gone: {row.reason}", hint=_AGAIN)


def _arrays(connection: Connection, *conditions: ColumnElement[bool]) -> list[KeptRow]:
    rows = connection.execute(arrays_where(*conditions).order_by(KEPT.c.created, KEPT.c.handle))
    return [_array(row) for row in rows]


def _array(row: Row[Any]) -> KeptRow:
    first, second, third = json.loads(row.digests)
    return KeptRow(
        row.handle,
        row.name or "",
        row.model or "",
        row.owner,
        row.job,
        read_label(row.label),
        json.loads(row.disclosure),
        None if row.terms is None else json.loads(row.terms),
        row.generation,
        row.created,
        row.expires,
        (first, second, third),
    )


def _of_model(row: Row[Any], arrays: Sequence[KeptRow]) -> KeptResult:
    mine = tuple(array for array in arrays if array.model == row.name)
    return KeptResult(row.name, row.owner, row.job, json.loads(row.public), mine, row.created, None)


def _of_array(array: KeptRow) -> KeptResult:
    name = array.name or array.handle
    return KeptResult(name, array.owner, array.job, None, (array,), array.created, array.expires)
