"""Notes about uploads on the owner's machine: how to resume the last one, and which ones are finished.

They hold a digest of the content. No node gets it: somebody who guesses a small table could check the guess by it.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import Literal

from pydantic import ValidationError

from tercet.client.chunks import Missing
from tercet.client.nodes import Nodes
from tercet.errors import InputError
from tercet.federation.api import DatasetList, SegmentInfo
from tercet.federation.model import Body, Digest, Identifier
from tercet.federation.orders import SignedOrder
from tercet.federation.text import local_time

Mode = Literal["create", "append", "columns"]


class UnfinishedUpload(Body):
    """An upload that is under way. It holds no share and no value."""

    federation: Identifier
    upload: Identifier
    dataset: str
    mode: Mode
    schema_digest: Digest
    source: str
    """What the source's `identity` gave."""
    chunk_rows: int
    missing: Missing
    order: SignedOrder | None = None
    """The commit, once it is signed."""


class FinishedUpload(Body):
    """An upload that was visible at all three nodes."""

    federation: Identifier
    owner: Digest
    dataset: str
    joined: bool
    """Whether it added columns, not rows."""
    source: str
    upload: Identifier


class _Notes(Body):
    version: Literal[2] = 2
    unfinished: UnfinishedUpload | None = None
    finished: tuple[FinishedUpload, ...] = ()


class UploadNotes:
    """Notes on the uploads of one source, in a file; or on those of one session, without a file."""

    def __init__(self, path: Path | None = None) -> None:
        self.path = path
        self._notes = _Notes()
        if path is not None and path.exists():
            with suppress(OSError, ValidationError):  # notes that cannot be read count as none
                self._notes = _Notes.model_validate_json(path.read_bytes())

    def resumable(self, fresh: UnfinishedUpload) -> UnfinishedUpload | None:
        """An earlier attempt at the same upload, if there was one."""
        found = self._notes.unfinished
        if found is None:
            return None
        own: dict[str, object] = {"upload": found.upload, "order": found.order}
        if found.order is not None and "columns" not in (found.mode, fresh.mode):
            own["mode"] = found.mode  # that order may have made the dataset, so the second call may say `append`
        return found if fresh.model_copy(update=own) == found else None

    def begun(self, upload: UnfinishedUpload) -> None:
        """Note how to resume an upload, instead of an earlier one."""
        self._write(self._notes.model_copy(update={"unfinished": upload}))

    def given_up(self) -> None:
        """Forget the upload that was under way."""
        self._write(self._notes.model_copy(update={"unfinished": None}))

    def done(self, upload: FinishedUpload) -> None:
        """Note that an upload is finished, instead of how to resume it."""
        self._write(_Notes(finished=(*self._notes.finished, upload)))

    def earlier(self, upload: FinishedUpload) -> set[str]:
        """The finished uploads of the same content to the same dataset."""
        finished = self._notes.finished
        return {one.upload for one in finished if one.model_copy(update={"upload": upload.upload}) == upload}

    def _write(self, notes: _Notes) -> None:
        self._notes = notes
        if self.path is None:
            return
        if notes == _Notes():
            self.path.unlink(missing_ok=True)
            return
        temporary = self.path.with_name(self.path.name + ".new")
        temporary.unlink(missing_ok=True)
        # for the owner only: others could check a guess of the table by its digest
        with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(notes.to_json())
        temporary.replace(self.path)


def refuse_again(nodes: Nodes, memory: UploadNotes, upload: FinishedUpload, name: str) -> None:
    """Raise InputError if the rows of an earlier upload of the same content are there; `name`: that of the source."""
    segment = _segment(nodes, upload.dataset, memory.earlier(upload))
    if segment is not None:
        what = f"columns of {segment.rows:,} rows" if upload.joined else f"{segment.rows:,} rows"
        raise InputError(
            f"{name} is in {upload.dataset} already: {what}, uploaded {local_time(segment.committed)} "
            f"as upload {segment.upload}; nothing was sent",
            hint="to have the same rows there twice, add --again (in Python again=True); to take them back, "
            f"tercet withdraw {upload.dataset} --upload {segment.upload}",
        )


def _segment(nodes: Nodes, dataset: str, uploads: set[str]) -> SegmentInfo | None:
    """The latest segment of these uploads that has not been withdrawn."""
    if not uploads:
        return None
    listed = nodes.coordinator.get("/v1/datasets", DatasetList).datasets
    segments = [segment for info in listed if info.name == dataset for segment in info.segments]
    there = [segment for segment in segments if segment.upload in uploads]
    return max(there, key=lambda segment: segment.committed, default=None)
