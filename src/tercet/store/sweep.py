"""Deleting share files that nothing refers to any more. Repeatable: what a crash leaves is found again."""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path

from sqlalchemy import Connection, select, update

from tercet.store.catalogue import Catalogue
from tercet.store.datasets import is_segment, segment_of
from tercet.store.effects import Effect
from tercet.store.files import PARTS, TEMPORARY, Space, place, place_name, remove_folder, translated
from tercet.store.segments import Segment
from tercet.store.tables import CHANGES, KEPT, SEGMENTS, UPLOADS


def sweep_ended(catalogue: Catalogue, folder: Path) -> None:
    """Delete the files of segments that are no longer visible. Called after every commit, and at start."""
    with catalogue.read() as connection:
        wanted = select(SEGMENTS).where(SEGMENTS.c.to_version.is_not(None), SEGMENTS.c.removed.is_(False))
        ended = [segment_of(row) for row in connection.execute(wanted)]
    if not ended:
        return
    for segment in ended:
        remove_folder(place(folder, segment.place_name))
    with catalogue.write() as connection:
        for segment in ended:
            connection.execute(
                update(SEGMENTS)
                .where(is_segment(segment.segment, segment.base, segment.generation))
                .values(removed=True)
            )


def sweep(catalogue: Catalogue, folder: Path) -> None:
    """Delete every folder and half-written file that the catalogue does not know. Called at start, before all else.

    What running jobs have written and not yet kept is not known either: only a process that starts may do this.
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
    """All segments that the current versions of datasets have."""
    return [segment_of(row) for row in connection.execute(select(SEGMENTS).where(SEGMENTS.c.to_version.is_(None)))]


def referred(connection: Connection) -> set[str]:
    """Names of all folders that the catalogue needs: visible, being sent, prepared, or kept."""
    found = {segment.place_name for segment in segments_there(connection)}
    uploads = select(UPLOADS.c.upload).where(UPLOADS.c.state.in_(("open", "prepared")))
    found |= {place_name(Space.ROWS, upload, 0) for upload in connection.execute(uploads).scalars()}
    found |= {place_name(Space.KEPT, handle, 0) for handle in connection.execute(select(KEPT.c.handle)).scalars()}
    for effect in connection.execute(select(CHANGES.c.effect).where(CHANGES.c.state == "prepared")).scalars():
        found |= set(Effect.from_json(effect).folders)
    return found
