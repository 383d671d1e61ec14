"""A worker's cache about share files: which contents were compared with their hashes, and the sums of columns.

Entries expire, so that a file is read once in that time and not once a job.
"""

from __future__ import annotations

import os
import threading
import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

FRESH_S: Final = 3600.0
"""After so many seconds a file is read again, because errors of a disk do not change a file's times."""
_MOST_FILES: Final = 1 << 14
_MOST_SUMS: Final = 1 << 16


@dataclass(slots=True)
class _File:
    since: float
    contents: set[int] = field(default_factory=set)
    sums: dict[tuple[str, bool], bytes] = field(default_factory=dict, repr=False)


FileId = tuple[int, int, int, int, int]
"""Identifies the contents of a file: it changes when the file is written to or replaced."""


def file_id(descriptor: int) -> FileId:
    """The identifier of an open file's present contents."""
    found = os.fstat(descriptor)
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns


class Verified:
    """The memory of one process, bounded: what does not fit is read again. Thread-safe.

    Who calls it: `StoredSegment`. A worker has one for all its jobs. Sums are of components, as secret as these: they
    stay in memory, and are forgotten when they are not fresh.
    """

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        """`clock`: seconds."""
        self._clock = clock
        self._files: OrderedDict[FileId, _File] = OrderedDict()
        self._sums = 0
        self._lock = threading.Lock()

    def __repr__(self) -> str:
        return f"Verified({len(self._files)} files)"

    def has(self, file: FileId, at: int) -> bool:
        """Whether the content that begins at offset `at` was compared within the last `FRESH_S` seconds."""
        with self._lock:
            found = self._files.get(file)
            return found is not None and at in found.contents and self._clock() - found.since < FRESH_S

    def add(self, file: FileId, at: int) -> None:
        """Note that a content was compared; `file` is the identifier from before it was read."""
        with self._lock:
            self._fresh(file).contents.add(at)

    def sum_of(self, file: FileId, column: str, own: bool) -> bytes | None:
        """The sum of a column's component in this file, as a ring word; None if it is not in the cache."""
        with self._lock:
            found = self._files.get(file)
            if found is None or self._clock() - found.since >= FRESH_S:
                return None
            return found.sums.get((column, own))

    def add_sum(self, file: FileId, column: str, own: bool, total: bytes) -> None:
        """Store a sum; `file` is the identifier from before the file was read."""
        with self._lock:
            sums = self._fresh(file).sums
            self._sums += (column, own) not in sums
            sums[column, own] = total
            while self._sums > _MOST_SUMS and len(self._files) > 1:
                self._drop_oldest()

    def forget(self) -> None:
        """Delete entries that have expired. A worker calls it regularly, also while it is idle."""
        with self._lock:
            now = self._clock()
            while self._files and now - next(iter(self._files.values())).since >= FRESH_S:
                self._drop_oldest()

    def _drop_oldest(self) -> None:
        _, oldest = self._files.popitem(last=False)
        self._sums -= len(oldest.sums)

    def _fresh(self, file: FileId) -> _File:
        """The entry of a file, made anew if it is not fresh; they lie in the order of their age."""
        now, files = self._clock(), self._files
        found = files.get(file)
        if found is not None and now - found.since >= FRESH_S:
            self._sums -= len(files.pop(file).sums)
            found = None
        if found is None:
            found = files[file] = _File(now)
            if len(files) > _MOST_FILES:
                self._drop_oldest()
        return found
