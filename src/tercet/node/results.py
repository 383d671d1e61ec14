"""Sealed results: one file a job, boxes behind each other, until they are fetched or expire."""

from __future__ import annotations

import os
import time
from pathlib import Path

from tercet.node.lane_messages import BoxInfo
from tercet.store.errors import Gone

KEPT_S = 7 * 86_400.0
"""How long results wait for their recipients, in seconds."""
FETCHED_S = 3600.0
"""How long they stay after they have been fetched: whoever lost the answer may ask again."""


class Results:
    """The results of one node's jobs, in a folder of their own. Thread-safe."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    def path(self, job: str) -> Path:
        """Where the worker writes."""
        return self._folder / job

    def settle(self) -> None:
        """Make the names of files durable that are there; called before a job counts as done."""
        descriptor = os.open(self._folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)

    def read(self, job: str, box: BoxInfo) -> bytes:
        """One box. Raises Gone when it has expired."""
        try:
            with self.path(job).open("rb") as file:
                file.seek(box.start)
                data = file.read(box.nbytes)
        except FileNotFoundError:
            raise Gone("the result has expired", hint="ask again") from None
        if len(data) != box.nbytes:
            raise Gone("the result is not complete here", hint="ask again")
        return data

    def fetched(self, job: str) -> None:
        """All of it has been fetched: it may go, after a while."""
        with_age = time.time() - KEPT_S + FETCHED_S
        try:
            os.utime(self.path(job), (with_age, with_age))
        except FileNotFoundError:
            return

    def drop(self, job: str) -> None:
        self.path(job).unlink(missing_ok=True)

    def tidy(self, keep: set[str] | None = None) -> list[str]:
        """Delete what has expired and, if `keep` is given, what belongs to no job in it; gives the jobs."""
        gone = []
        for path in self._folder.iterdir():
            try:
                old = path.stat().st_mtime < time.time() - KEPT_S
            except FileNotFoundError:
                continue
            if old or (keep is not None and path.name not in keep):
                path.unlink(missing_ok=True)
                gone.append(path.name)
        return gone
