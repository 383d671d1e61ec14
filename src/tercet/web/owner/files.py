"""Tables that were dropped into the page: streamed into a folder of the session, read there, removed at the end."""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tercet.client.problems import TableCheck
from tercet.client.readers import open_source
from tercet.client.sources import Source, file_identity
from tercet.client.upload import STATE_SUFFIX
from tercet.errors import InputError, NotFound, TercetError
from tercet.federation.model import fresh_id
from tercet.federation.text import plain
from tercet.store.reading import Reading

PIECE_BYTES = 16 << 20
"""Of a request at most; the page sends 4 MB at a time."""
MOST_BYTES = 1 << 38
MOST_FILES = 20
NOTES_FOLDER = ".tercet-uploads"
"""Beside the identity: which tables are shared already, how an upload that broke off goes on. No value, no share."""


@dataclass
class DroppedFile:
    """One file; `path` is where its bytes are, `name` what it is called where it comes from."""

    id: str
    name: str
    size: int
    path: Path
    received: int = 0
    content: str = ""
    """Its hash, once an upload has asked for it: the bytes do not change when all are here."""
    checked: dict[str, TableCheck] = field(default_factory=dict)
    """What was found in order, by schema, reading and the way of missing values as one text."""

    def open(self, reading: Reading) -> Source:
        """Its rows. Raises InputError, with its own name."""
        if self.received != self.size:
            raise InputError(f"{self.name} is not here as a whole", hint="drop it again")
        with self.named():
            opened = open_source(self.path, reading=reading)
        opened.name = self.name
        return opened

    @contextmanager
    def named(self) -> Iterator[None]:
        """Errors inside name the file as its owner does, not where it lies."""
        try:
            yield
        except TercetError as error:
            told = error.message.replace(str(self.path), self.name)
            raise InputError(told, hint=error.hint) from None

    def notes(self, beside: Path) -> Path:
        """Where notes about its uploads are kept: by its content, in a folder that is readable to this user only."""
        folder = beside / NOTES_FOLDER
        try:
            folder.mkdir(mode=0o700, exist_ok=True)
        except OSError:
            folder = self.path.parent
        return folder / f"{self.hash()[:32]}{STATE_SUFFIX}"

    def hash(self) -> str:
        """The hash of its content, worked out once."""
        self.content = self.content or file_identity(self.path)
        return self.content


class DroppedFiles:
    """The files of a session, below `folder`. Safe to call from several threads."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = threading.Lock()
        self._files: dict[str, DroppedFile] = {}

    def begin(self, name: str, size: int) -> DroppedFile:
        """A place for a file; the oldest gives way where there are too many. Raises InputError."""
        if not size:
            raise InputError(f"{name} is empty", hint="save the table again")
        if size > min(MOST_BYTES, shutil.disk_usage(self._folder).free):
            raise InputError(
                f"{name} is too large for the disk of this machine", hint="use tercet upload, which reads it in place"
            )
        made = fresh_id()
        folder = self._folder / made
        folder.mkdir(mode=0o700)
        # the ending tells compressed tables from others
        short = plain(Path(name.replace("\\", "/")).name).replace("/", "_")[-100:] or "table"
        found = DroppedFile(made, short, size, folder / f"table{Path(short).suffix[:8]}")
        os.close(os.open(found.path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        with self._lock:
            old = list(self._files)[: max(0, len(self._files) - MOST_FILES + 1)]
            self._files[made] = found
        for one in old:
            self.drop(one)
        return found

    async def take(self, file: str, at: int, pieces: AsyncIterator[bytes]) -> DroppedFile:
        """Write a piece that begins at this byte, which is the next one. Raises InputError."""
        found = self.find(file)
        if at != found.received:
            raise InputError(f"{found.name} goes on at byte {found.received}, not at {at}", hint="drop it again")
        taken = 0
        with found.path.open("r+b") as opened:
            opened.seek(at)
            async for piece in pieces:
                taken += len(piece)
                if taken > PIECE_BYTES or at + taken > found.size:
                    raise InputError(f"more of {found.name} comes than was said", hint="drop it again")
                opened.write(piece)
        found.received = at + taken
        return found

    def find(self, file: str) -> DroppedFile:
        with self._lock:
            found = self._files.get(file)
        if found is None:
            raise NotFound("this table is not here any more", hint="drop it again")
        return found

    def drop(self, file: str) -> None:
        """Remove a file."""
        with self._lock:
            found = self._files.pop(file, None)
        if found is not None:
            shutil.rmtree(found.path.parent, ignore_errors=True)
