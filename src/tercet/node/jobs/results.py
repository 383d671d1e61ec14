"""Files of sealed results, one for each job, with its boxes in a row; and how long results and ended jobs are kept."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO

from tercet.errors import Gone
from tercet.federation.boxes import BoxInfo
from tercet.node.parts import NodeContext

KEPT_S = 7 * 86_400.0
"""How long results wait for their recipients, in seconds."""
_BOXES_S = 600.0
_JOBS_S = 86_400.0
_PIECE_BYTES = 1 << 20
"""What is in memory of an answer at a time."""


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

    def read(self, job: str, boxes: Sequence[BoxInfo], head: bytes) -> Iterator[bytes]:
        """`head` and then these boxes, which lie behind each other, in pieces. Raises Gone, at once, if they are not
        there any more."""
        start, end = boxes[0].start, boxes[-1].start + boxes[-1].nbytes
        try:
            file = self.path(job).open("rb", buffering=0)
        except FileNotFoundError:
            raise Gone("the result has expired", hint="ask again") from None
        if os.fstat(file.fileno()).st_size < end:
            file.close()
            raise Gone("the result is not complete here", hint="ask again")
        return _pieces(file, start, end, head)

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


def _pieces(file: BinaryIO, start: int, end: int, head: bytes) -> Iterator[bytes]:
    # an answer that nobody reads to its end closes the file as well
    with file:
        for at in range(start, end, _PIECE_BYTES):
            yield head + os.pread(file.fileno(), min(_PIECE_BYTES, end - at), at)
            head = b""


class Retention:
    """Who calls it: `Jobs`, at its start and then every second or so.

    A bundle whose job was forgotten is refused all the same: it is taken for `MAX_AGE_S` after it was signed
    (`Admission.open`), and a job's row outlives that by the least that `limits.keep_jobs_days` may be. Were this
    node's clock far ahead for once, so that today's jobs go, nothing is taken that was signed before the last of them.
    """

    def __init__(self, context: NodeContext, results: Results) -> None:
        self._context = context
        self._results = results
        self._boxes_at = self._jobs_at = 0.0

    def look(self) -> None:
        """Delete what is due to go."""
        now = time.monotonic()
        if now >= self._boxes_at:
            self._boxes_at = now + _BOXES_S
            self._results.tidy()
        if now >= self._jobs_at:
            self._jobs_at = now + _JOBS_S
            self.forget()

    def forget(self) -> None:
        """Delete bundles, decisions and boxes of old jobs; audit entries, receipts and what budgets count stay."""
        context = self._context
        days = context.settings.limits.keep_jobs_days
        forgotten = context.store.jobs.forget(context.now() - days * 86_400)
        for job in forgotten:
            self._results.drop(job)
        if forgotten:
            context.log.info("old jobs forgotten", jobs=len(forgotten), days=days)
