"""Kept results: arrays and models that jobs left at the nodes."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import ColumnElement, Connection, Row, delete, or_, select

from tercet.plan.types import Type
from tercet.sharing import BitShare, Party, Share
from tercet.store.catalogue import Catalogue
from tercet.store.errors import Gone, NotFound
from tercet.store.files import remove_folder
from tercet.store.kept_files import kept_place, read_kept, read_label, write_label
from tercet.store.tables import KEPT, LOCKS, MODELS
from tercet.store.verified import Verified


@dataclass(frozen=True)
class KeptInfo:
    """One kept array. `name` is "model/array", a name of its own, or "" for one that only has its handle."""

    handle: str
    name: str
    model: str
    owner: str
    job: str
    type: Type
    disclosure: Any
    created: float
    expires: float | None
    digests: tuple[str, str, str]

    def describe(self) -> dict[str, Any]:
        """All that `read_kept` needs in a worker, as JSON data; nothing secret."""
        return {"handle": self.handle, "name": self.name, "label": write_label(self.type)}


@dataclass(frozen=True)
class ModelInfo:
    """A saved model: its public JSON, and its arrays."""

    name: str
    owner: str
    job: str
    model: Any
    arrays: tuple[KeptInfo, ...]
    created: float


class Kept:
    """Called by jobs, to read, and by routes, to list; changes of kind keep and drop write. For many threads."""

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

    def get(self, name: str) -> KeptInfo:
        """By name ("model/array" or "array") or handle. Raises NotFound, or Gone if it has expired."""
        with self.catalogue.read() as connection:
            row = connection.execute(select(KEPT).where(or_(KEPT.c.handle == name, KEPT.c.name == name))).first()
        if row is None:
            raise NotFound(f"nothing is kept under the name {name[:130]}")
        if row.expires is not None and row.expires <= self._clock():
            raise Gone(f"the kept array {name[:130]} has expired", hint="run its job again")
        return _info(row)

    def read(self, name: str) -> Share | BitShare:
        """Its shares, in its shape (bools packed, flat). Raises as `get`, and IntegrityError for a damaged file."""
        return read_kept(self.folder, self.party, self.get(name).describe(), verified=Verified())

    def model(self, name: str) -> ModelInfo:
        """Raises NotFound."""
        with self.catalogue.read() as connection:
            row = connection.execute(select(MODELS).where(MODELS.c.name == name)).first()
            if row is None:
                raise NotFound(f"there is no saved model {name[:64]}")
            return _model(row, _arrays(connection, KEPT.c.model == name))

    def models(self) -> Sequence[ModelInfo]:
        """All, by name."""
        with self.catalogue.read() as connection:
            arrays = _arrays(connection, KEPT.c.model.is_not(None))
            rows = connection.execute(select(MODELS).order_by(MODELS.c.name)).all()
        return [_model(row, [array for array in arrays if array.model == row.name]) for row in rows]

    def discard(self, handle: str) -> None:
        """Delete what a failed job has written under a handle, unless it is kept or about to be."""
        with self.catalogue.write() as connection:
            kept = connection.execute(select(KEPT.c.handle).where(KEPT.c.handle == handle)).scalar()
            locked = connection.execute(select(LOCKS.c.name).where(LOCKS.c.name == kept_lock(handle))).scalar()
            if kept is None and locked is None:
                remove_folder(kept_place(self.folder, handle))

    def expire(self) -> Sequence[str]:
        """Delete temporary arrays whose time is over, and their files, here; gives their handles.

        Every node does so by its own clock: a job that comes at that very time fails by name.
        """
        with self.catalogue.write() as connection:
            over = KEPT.c.expires <= self._clock()
            handles = connection.execute(select(KEPT.c.handle).where(over)).scalars().all()
            connection.execute(delete(KEPT).where(over))
        for handle in handles:
            remove_folder(kept_place(self.folder, handle))
        return handles

    def list(self, owner: str | None = None) -> Sequence[KeptInfo]:
        """All arrays that have not expired, newest first."""
        with self.catalogue.read() as connection:
            found = _arrays(connection, KEPT.c.owner == owner if owner is not None else None)
        now = self._clock()
        return [info for info in found if info.expires is None or info.expires > now][::-1]


def kept_lock(name: str) -> str:
    """The lock on a name or handle."""
    return f"kept {name}"


def _arrays(connection: Connection, which: ColumnElement[bool] | None) -> list[KeptInfo]:
    wanted = select(KEPT) if which is None else select(KEPT).where(which)
    return [_info(row) for row in connection.execute(wanted.order_by(KEPT.c.created, KEPT.c.handle))]


def _info(row: Row[Any]) -> KeptInfo:
    first, second, third = json.loads(row.digests)
    return KeptInfo(
        row.handle,
        row.name or "",
        row.model or "",
        row.owner,
        row.job,
        read_label(row.label),
        json.loads(row.disclosure),
        row.created,
        row.expires,
        (first, second, third),
    )


def _model(row: Row[Any], arrays: list[KeptInfo]) -> ModelInfo:
    return ModelInfo(row.name, row.owner, row.job, json.loads(row.model), tuple(arrays), row.created)
