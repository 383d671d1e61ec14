"""Which contents of share files have been compared with their hashes: each once in a while, not once a job."""

from __future__ import annotations

import os
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

FRESH_S: Final = 3600.0
"""After so many seconds a content is compared again: what a disk loses by itself leaves no trace in a file's times."""
_MOST_FILES: Final = 1 << 14


@dataclass(slots=True)
class _File:
    since: float
    contents: set[int] = field(default_factory=set)


FileId = tuple[int, int, int, int, int]
"""Another one as soon as anybody has written to a file or put another in its place."""


def file_id(descriptor: int) -> FileId:
    """Names an open file as it is now."""
    found = os.fstat(descriptor)
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns


class Verified:
    """The memory of one process, bounded: what does not fit is compared again. Thread-safe.

    Who calls it: `StoredSegment`. A worker has one for all its jobs.
    """

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        """`clock`: seconds."""
        self._clock = clock
        self._files: OrderedDict[FileId, _File] = OrderedDict()
        self._lock = threading.Lock()

    def __repr__(self) -> str:
        return f"Verified({len(self._files)} files)"

    def has(self, file: FileId, at: int) -> bool:
        """Whether the content that begins at offset `at` was compared, lately."""
        with self._lock:
            found = self._files.get(file)
            return found is not None and at in found.contents and self._clock() - found.since < FRESH_S

    def add(self, file: FileId, at: int) -> None:
        """It was compared; `file` named it before it was read."""
        with self._lock:
            now = self._clock()
            found = self._files.get(file)
            if found is None or now - found.since >= FRESH_S:
                found = self._files[file] = _File(now)
            found.contents.add(at)
            self._files.move_to_end(file)
            if len(self._files) > _MOST_FILES:
                self._files.popitem(last=False)
