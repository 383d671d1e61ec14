"""Share files: written once, durable before anything refers to them, never changed; their trailer finds damage.

A file is a part (see `part`) and a trailer: the SHA-256 of each of its contents, in order, then SHA-256 of header and
those hashes. So a content is hashed once, for the trailer and for the digests of its components alike. Files are read
with `pread` rather than mapped: a file that is cut or unreadable gives an error, not the end of the process.

`Verified` is a worker's cache about them: which contents were compared with their hashes, and the sums of columns. Its
entries expire, so that a file is read once in that time and not once a job.
"""

from __future__ import annotations

import errno
import fcntl
import hashlib
import os
import shutil
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from tercet.errors import ConfigError, DiskFull, Gone, InputError, IntegrityError, StorageError
from tercet.federation.model import fresh_id
from tercet.store.part import DIGEST_BYTES, HEADER_BYTES, RECORD, PartHeader, component_digests, padded
from tercet.store.schema import MAX_COLUMNS

SUFFIX = ".part"
PARTS = "parts"
TEMPORARY = ".new-"
_TRAILER = b"tercet/1 part file\0"
_MAX_BUFFERS = 512
_READ_BYTES = 1 << 22
FRESH_S: Final = 3600.0
"""After so many seconds a file is read again, because errors of a disk do not change a file's times."""
_MOST_FILES: Final = 1 << 14
_MOST_SUMS: Final = 1 << 16
FileId = tuple[int, int, int, int, int]
"""Identifies the contents of a file: it changes when the file is written to or replaced."""


class Space(StrEnum):
    """The prefix of a folder's name. Owners and analysts choose names; with prefixes they cannot meet other files."""

    ROWS = "rows"
    JOINED = "joined"
    KEPT = "kept"
    WORK = "work"


def place_name(space: Space, segment: str, generation: int) -> str:
    """The name of a folder of share files."""
    return f"{space}-{segment}.{generation}"


def place(folder: Path, name: str) -> Path:
    """Where a folder of that name is, below the store's folder."""
    return folder / PARTS / name


def chunk_file(folder: Path, chunk: int) -> Path:
    return folder / f"{chunk:08d}{SUFFIX}"


def chunk_numbers(folder: Path) -> list[int]:
    """The chunks that are in a segment's folder, in order; none if there is no folder."""
    try:
        names = os.listdir(folder)
    except FileNotFoundError:
        return []
    return sorted(int(name.removesuffix(SUFFIX)) for name in names if name.endswith(SUFFIX) and name[:8].isdigit())


def trailer(header: bytes | memoryview, hashes: Sequence[bytes]) -> bytes:
    """The bytes behind a part in its file."""
    joined = b"".join(hashes)
    digest = hashlib.sha256(_TRAILER)
    digest.update(header)
    digest.update(joined)
    return joined + digest.digest()


@contextmanager
def translated(what: str) -> Iterator[None]:
    """Turn errors of the file system into errors of Tercet."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise DiskFull(f"no space is left to store {what}", hint="free space on the node's disk") from None
        raise StorageError(f"cannot store {what}: {error.strerror or error}") from None


def write_file(
    path: Path,
    buffers: Sequence[bytes | memoryview],
    what: str,
    while_: AbstractContextManager[None] | None = None,
) -> None:
    """Write a file that is there whole or not at all, even after a crash; its folder is synced by `sync_folder`.

    It gets its name within `while_`, which may raise instead. Raises DiskFull, StorageError; nothing is left then.
    """
    temporary = path.with_name(f"{TEMPORARY}{fresh_id()}")
    with translated(what):
        try:
            descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            try:
                _write_all(descriptor, buffers)
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
            with while_ or nullcontext():
                os.replace(temporary, path)
        except BaseException:
            with suppress(OSError):
                os.unlink(temporary)
            raise


def _write_all(descriptor: int, buffers: Sequence[bytes | memoryview]) -> None:
    waiting = [memoryview(buffer).cast("B") for buffer in buffers if len(buffer)]
    while waiting:
        written = os.writev(descriptor, waiting[:_MAX_BUFFERS])
        while waiting and written >= len(waiting[0]):
            written -= len(waiting.pop(0))
        if written:
            waiting[0] = waiting[0][written:]


def sync_folder(folder: Path, what: str) -> None:
    """Make the names of files in a folder durable."""
    with translated(what):
        descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def make_folder(folder: Path, what: str) -> None:
    """Make a folder and those above it, durably."""
    with translated(what):
        if not folder.is_dir():
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            sync_folder(folder.parent, what)


def remove_folder(folder: Path) -> None:
    """Delete a folder of share files; it may be gone already. Raises StorageError."""
    try:
        shutil.rmtree(folder)
    except FileNotFoundError:
        pass
    except OSError as error:
        raise StorageError(f"cannot delete {folder.name}: {error.strerror or error}") from None


@contextmanager
def folder_lock(folder: Path) -> Iterator[None]:
    """Keep a second process out of a store: held by the supervisor as long as it runs. Raises ConfigError."""
    make_folder(folder, "the store")
    with translated("the store"):
        descriptor = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise ConfigError(f"another process uses the store {folder}", hint="stop that node first") from None
        yield
    finally:
        os.close(descriptor)


@dataclass(frozen=True, slots=True)
class PartFile:
    """A share file whose header, length and trailer have been checked; contents are read when asked for."""

    path: Path
    what: str
    header: PartHeader = field(repr=False)
    hashes: tuple[bytes, ...] = field(repr=False)

    @classmethod
    def open(cls, path: Path, columns: int | None, what: str) -> PartFile:
        """Read and check header and trailer of a file that has so many columns (None: as many as it says).

        `what` names the dataset in errors.

        Raises Gone if there is no file, IntegrityError naming file and dataset if it is damaged, StorageError.
        """
        with reading(path, what) as descriptor:
            if columns is None:
                columns = min(int.from_bytes(os.pread(descriptor, 4, 12), "little"), MAX_COLUMNS)
            head_bytes = HEADER_BYTES + columns * RECORD.itemsize
            size = os.fstat(descriptor).st_size
            head = os.pread(descriptor, head_bytes, 0)
            contents = _stored_contents(head)
            body = size - DIGEST_BYTES * (contents + 1)
            try:
                header = PartHeader.parse(head, body)
            except InputError as error:
                raise damaged(path, what, error.message) from None
            end = os.pread(descriptor, size - body, body)
        if header.header_bytes != head_bytes or len(header.contents()) != contents:
            raise damaged(path, what, "it has other columns")
        hashes = tuple(end[at : at + DIGEST_BYTES] for at in range(0, DIGEST_BYTES * contents, DIGEST_BYTES))
        if trailer(head, hashes) != end:
            raise damaged(path, what, "its header and its trailer do not fit")
        return cls(path, what, header, hashes)

    def digests(self) -> tuple[bytes, bytes]:
        """Digests of the components own and next, from the trailer: the contents are not read."""
        return component_digests(self.header, self.hashes)

    def read(self, descriptor: int, at: int, out: NDArray[np.uint8]) -> None:
        """Fill `out` with the bytes at offset `at`."""
        view = out.data.cast("B")
        while len(view):
            got = os.preadv(descriptor, [view[:_READ_BYTES]], at)
            if not got:
                raise damaged(self.path, self.what, "it is cut off")
            at += got
            view = view[got:]

    def check(self, at: int, content: NDArray[np.uint8]) -> None:
        """Compare the whole content that begins at offset `at` with its hash. Raises IntegrityError."""
        self.check_digest(at, hashlib.sha256(content.data).digest())

    def check_digest(self, at: int, digest: bytes) -> None:
        """Compare the SHA-256 digest of the content that begins at offset `at`. Raises IntegrityError."""
        for (_, begins), expected in zip(self.header.contents(), self.hashes, strict=True):
            if begins == at:
                if digest != expected:
                    raise damaged(self.path, self.what, "its contents are not what was written")
                return
        raise ValueError(f"no content begins at {at}")

    def verify(self) -> None:
        """Read all contents and compare them with their hashes. Raises IntegrityError."""
        with reading(self.path, self.what) as descriptor:
            for column, at in self.header.contents():
                content = np.empty(padded(column.size), np.uint8)
                self.read(descriptor, at, content)
                if content[column.size :].any():
                    raise damaged(self.path, self.what, "its padding is not zero")
                self.check(at, content[: column.size])


def _stored_contents(head: bytes) -> int:
    """How many contents an unchecked header announces; 0 if it is no header."""
    if len(head) < HEADER_BYTES or (len(head) - HEADER_BYTES) % RECORD.itemsize:
        return 0
    words = (head[11] & 1) + (head[11] >> 1 & 1)
    forms = np.frombuffer(head, RECORD, offset=HEADER_BYTES)["form"]
    secret = int((forms <= 3).sum())
    return len(forms) - secret + secret * words


@contextmanager
def reading(path: Path, what: str) -> Iterator[int]:
    """An open descriptor. Raises Gone, StorageError."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        raise Gone(
            f"the file {path.parent.name}/{path.name} of {what} is gone",
            hint="it was withdrawn or refreshed; ask for the dataset anew",
        ) from None
    except OSError as error:
        raise StorageError(f"cannot read {path.name} of {what}: {error.strerror or error}") from None
    try:
        yield descriptor
    except OSError as error:
        raise StorageError(f"cannot read {path.name} of {what}: {error.strerror or error}") from None
    finally:
        os.close(descriptor)


def damaged(path: Path, what: str, why: str) -> IntegrityError:
    return IntegrityError(
        f"the file {path.parent.name}/{path.name} of {what} is damaged: {why}", hint="restore it from a backup"
    )


@dataclass(slots=True)
class _File:
    since: float
    contents: set[int] = field(default_factory=set)
    sums: dict[tuple[str, bool], bytes] = field(default_factory=dict, repr=False)


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
