"""Deleting share files that nothing refers to any more. Repeatable: what a crash leaves is found again."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from sqlalchemy import Connection, select, update

from tercet.store.catalogue import Catalogue
from tercet.store.change import Effect
from tercet.store.datasets import segment_of
from tercet.store.files import PARTS, TEMPORARY, Space, place, place_name, remove_folder, translated
from tercet.store.segments import Segment
from tercet.store.tables import CHANGES, SEGMENTS, UPLOADS

_ENDED = (SEGMENTS.c.to_version.is_not(None), SEGMENTS.c.removed.is_(False))


def sweep_ended(catalogue: Catalogue, folder: Path) -> None:
    """Delete the files of segments that have ended. Called after every commit, at start, and when arrays expire."""
    wanted = select(SEGMENTS).where(*_ENDED)
    with catalogue.read() as connection:
        if connection.execute(wanted.limit(1)).first() is None:
            return
    with catalogue.write() as connection:
        # folders go within the transaction: once these rows say `removed`, new files may come under the same names
        ended = connection.execute(wanted).all()
        there = referred(connection)
        for row in ended:
            if (name := segment_of(row).place_name) not in there:
                remove_folder(place(folder, name))
        connection.execute(update(SEGMENTS).where(*_ENDED).values(removed=True))


def sweep(catalogue: Catalogue, folder: Path) -> None:
    """Delete every folder and half-written file that the catalogue does not know. Called at start, before all else.

    The catalogue does not know the files that running jobs have written and not yet kept, so this is called only before
    jobs run.
    """
    sweep_ended(catalogue, folder)
    with catalogue.read() as connection:
        known = referred(connection)
    with translated("what is left over"), suppress(FileNotFoundError), os.scandir(folder / PARTS) as entries:
        for entry in entries:
            if entry.name not in known:
                remove_folder(Path(entry.path))
                continue
            for name in os.listdir(entry.path):
                if name.startswith(TEMPORARY):
                    os.unlink(Path(entry.path) / name)


def segments_there(connection: Connection) -> list[Segment]:
    """All segments of the current versions of datasets, and of kept arrays."""
    return [segment_of(row) for row in connection.execute(select(SEGMENTS).where(SEGMENTS.c.to_version.is_(None)))]


def referred(connection: Connection) -> set[str]:
    """Names of all folders that the catalogue needs: visible, being sent, prepared, or kept."""
    found = {segment.place_name for segment in segments_there(connection)}
    uploads = select(UPLOADS.c.upload).where(UPLOADS.c.state.in_(("open", "prepared")))
    found |= {place_name(Space.ROWS, upload, 0) for upload in connection.execute(uploads).scalars()}
    for effect in connection.execute(select(CHANGES.c.effect).where(CHANGES.c.state == "prepared")).scalars():
        found |= set(Effect.from_json(effect).folders)
    return found
