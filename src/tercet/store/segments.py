"""Segments: rows (or more columns of rows) that came together, in files of a chunk each; jobs read and write them."""

from __future__ import annotations

import hashlib
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from tercet.errors import InputError, IntegrityError, StorageError
from tercet.ring import Ring, cut_bits, put_bits, ring
from tercet.sharing import BitShare, Party, Share, expand_into, expand_pieces
from tercet.store.files import (
    PARTS,
    FileId,
    PartFile,
    Space,
    Verified,
    chunk_file,
    damaged,
    file_id,
    make_folder,
    place,
    place_name,
    reading,
    remove_folder,
    sync_folder,
    trailer,
    write_file,
)
from tercet.store.keys import KeyValues, Texts, key_buffers, read_keys
from tercet.store.part import (
    ALIGN,
    MAX_CHUNK_ROWS,
    NEXT_WORDS,
    OWN_WORDS,
    SALT_BYTES,
    ColumnPart,
    content_bytes,
    encode_header,
)
from tercet.store.schema import StoredForm
from tercet.store.stamps import Stamp

Value = Share | BitShare | KeyValues
_HEADERS_KEPT: Final = 256
_PIECE_BYTES: Final = 1 << 18
"""What is read at a time to be added up: it stays in the cache."""


@dataclass(frozen=True)
class Segment:
    """What the catalogue knows of a segment; it says nothing of contents, and goes to workers as JSON."""

    segment: str
    generation: int
    owner: str
    upload: str
    """The upload that it came with; "" for kept arrays."""
    base: str
    """The segment whose rows these columns belong to; its own name if it has rows of its own."""
    position: int
    """Where its rows are among those of other segments."""
    rows: int
    chunk_rows: int
    columns: tuple[tuple[str, StoredForm], ...]
    digests: tuple[str, str, str]
    """Of components 1, 2 and 3."""
    created: float = 0.0
    checked: Stamp | None = None
    """The check that its values passed; None: nobody has looked, and its bounds are what its owner says."""

    @property
    def chunks(self) -> int:
        return -(-self.rows // self.chunk_rows) if self.rows else 0

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(name for name, _ in self.columns)

    @property
    def place_name(self) -> str:
        """The name of the folder with its files."""
        space = Space.KEPT if not self.upload else Space.JOINED if self.joined else Space.ROWS
        return place_name(space, self.segment, self.generation)

    @property
    def joined(self) -> bool:
        """Whether these are further columns of another segment's rows."""
        return self.base != self.segment

    def rows_of(self, chunk: int) -> int:
        return min(self.chunk_rows, self.rows - chunk * self.chunk_rows)

    def facts(self) -> dict[str, Any]:
        """What the manifest covers."""
        return {
            **{each.name: getattr(self, each.name) for each in fields(Segment) if each.name != "created"},
            "columns": [[name, int(form)] for name, form in self.columns],
            "digests": list(self.digests),
            "checked": None if self.checked is None else self.checked.facts(),
        }

    def describe(self) -> dict[str, Any]:
        return {**self.facts(), "created": self.created}

    @staticmethod
    def load(data: Mapping[str, Any]) -> Segment:
        """Read what `describe` gave."""
        first, second, third = data["digests"]
        columns = tuple((str(name), StoredForm(form)) for name, form in data["columns"])
        checked = Stamp.load(data.get("checked"))
        return Segment(**{**data, "columns": columns, "digests": (first, second, third), "checked": checked})


@dataclass(frozen=True, kw_only=True)
class StoredSegment(Segment):
    """A segment with its files at this node. Headers read last are remembered; files are opened when read.

    One thread at a time uses it.
    """

    folder: Path
    party: Party
    what: str
    verified: Verified | None = field(repr=False, compare=False)
    meant: tuple[str, str] | None = None
    """Of one chunk of an open upload: the digests of the components here of the file that is meant, whatever lies there
    when it is read."""
    _files: OrderedDict[int, PartFile] = field(default_factory=OrderedDict, repr=False, compare=False)

    @classmethod
    def stored(
        cls, segment: Segment, folder: Path, party: Party, what: str, *, verified: Verified | None
    ) -> StoredSegment:
        """`folder` is the store's; `what` names the dataset in errors; hashes are compared unless `verified` is None,
        which remembers those that were."""
        facts = {fact.name: getattr(segment, fact.name) for fact in fields(Segment)}
        return cls(**facts, folder=folder, party=party, what=what, verified=verified)

    def file(self, chunk: int) -> PartFile:
        """One chunk's file, its header checked against the catalogue. Raises Gone, IntegrityError."""
        found = self._files.get(chunk)
        if found is None:
            path = chunk_file(place(self.folder, self.place_name), chunk)
            found = PartFile.open(path, len(self.columns), self.what)
            header = found.header
            expected = (self.party, bytes.fromhex(self.segment), chunk, self.rows_of(chunk), self.columns)
            columns = tuple((column.name, column.form) for column in header.columns)
            if (header.party, header.upload, header.chunk, header.rows, columns) != expected:
                raise damaged(path, self.what, "it belongs to another party, chunk or schema")
            # headers are forgotten and read again: an owner may have sent the chunk again meanwhile
            if self.meant is not None and tuple(digest.hex() for digest in found.digests()) != self.meant:
                raise IntegrityError(
                    f"what lies here of {self.what} is not what is to be read", hint="it was sent again; try later"
                )
            self._files[chunk] = found
            if len(self._files) > _HEADERS_KEPT:
                self._files.popitem(last=False)
        return found

    def read_into(self, column: str, start: int, stop: int, out: Share | BitShare, at: int) -> None:
        """Rows start to stop of this segment into `out` from row `at` on; bits there are 0 so far."""
        size = self.chunk_rows
        for chunk in range(start // size, -(-stop // size)):
            first = max(start, chunk * size)
            last = min(stop, (chunk + 1) * size)
            file = self.file(chunk)
            here = file.header.column(column)
            begin, end = first - chunk * size, last - chunk * size
            where = at + first - start
            with reading(file.path, self.what) as descriptor:
                for own, target in ((True, out.own), (False, out.next)):
                    self._component(file, descriptor, here, own, begin, end, target, where)

    def _component(
        self,
        file: PartFile,
        descriptor: int,
        column: ColumnPart,
        own: bool,
        begin: int,
        end: int,
        target: NDArray[Any],
        where: int,
    ) -> None:
        bits = column.form is StoredForm.BITS
        word = 8 if bits else target.dtype.itemsize
        first, last = (begin // 64, -(-end // 64)) if bits else (begin, end)
        out = np.empty((last - first) * word, np.uint8) if bits else target[where : where + end - begin].view(np.uint8)
        if file.header.own_words if own else file.header.next_words:
            self._read(file, descriptor, column.own_at if own else column.next_at, column.size, out, first * word)
        else:
            expand_into(out, column.own_seed if own else column.next_seed, first * word)
        if bits:
            put_bits(target, where, cut_bits(out.view(np.uint64), begin - first * 64, end - begin), end - begin)

    def _read(
        self, file: PartFile, descriptor: int, at: int, size: int, out: NDArray[np.uint8], skipped: int = 0
    ) -> None:
        """What follows `skipped` bytes of the content of `size` bytes at offset `at`; its hash is compared if that is
        wanted and was not done before."""
        verified = self.verified
        whole = None if verified is None else file_id(descriptor)
        if verified is None or whole is None or verified.has(whole, at):
            file.read(descriptor, at + skipped, out)
            return
        content = out if out.nbytes == size else np.empty(size, np.uint8)
        file.read(descriptor, at, content)
        file.check(at, content)
        verified.add(whole, at)
        if content is not out:
            out[:] = content[skipped : skipped + out.nbytes]

    def add_up(self, totals: Mapping[str, Share]) -> None:
        """Add the sums of columns over all rows here to their totals, of shape (): every file is opened once."""
        folder = place(self.folder, self.place_name)
        for chunk in range(self.chunks):
            with reading(chunk_file(folder, chunk), self.what) as descriptor:
                whole = file_id(descriptor)
                for column, total in totals.items():
                    for own, target in ((True, total.own), (False, total.next)):
                        total.ring.add(target, self._sum(chunk, descriptor, whole, column, own, total.ring), out=target)

    def _sum(self, chunk: int, descriptor: int, whole: FileId, column: str, own: bool, ring: Ring) -> NDArray[Any]:
        """What a component of one chunk adds up to: remembered, or read."""
        verified = self.verified
        if verified is not None and (known := verified.sum_of(whole, column, own)) is not None:
            return ring.from_bytes(known, ())
        file = self.file(chunk)
        total = ring.zeros(())
        for piece in self._pieces(file, descriptor, whole, file.header.column(column), own):
            ring.add(total, ring.sum(piece.view(ring.dtype)), out=total)
        if verified is not None:
            verified.add_sum(whole, column, own, total.tobytes())
        return total

    def _pieces(
        self, file: PartFile, descriptor: int, whole: FileId, column: ColumnPart, own: bool
    ) -> Iterator[NDArray[np.uint8]]:
        """The words of a component, piece by piece; each is gone at the next. Raises IntegrityError behind the last."""
        if not (file.header.own_words if own else file.header.next_words):
            yield from expand_pieces(column.own_seed if own else column.next_seed, column.size)
            return
        at = column.own_at if own else column.next_at
        verified = self.verified
        digest = hashlib.sha256() if verified is not None and not verified.has(whole, at) else None
        piece = np.empty(min(column.size, _PIECE_BYTES), np.uint8)
        for start in range(0, column.size, _PIECE_BYTES):
            piece = piece[: column.size - start]
            file.read(descriptor, at + start, piece)
            if digest is not None:
                digest.update(piece.data)
            yield piece
        if digest is not None and verified is not None:
            file.check_digest(at, digest.digest())
            verified.add(whole, at)

    def read_keys(self, column: str, chunk: int) -> KeyValues:
        """The public values of one chunk of a key column."""
        file = self.file(chunk)
        here = file.header.column(column)
        with reading(file.path, self.what) as descriptor:
            content = np.empty(here.size, np.uint8)
            self._read(file, descriptor, here.own_at, here.size, content)
        return read_keys(content.data, here.form, file.header.rows, column)

    def read_chunk(self, chunk: int) -> dict[str, Value]:
        """Every column of one chunk, in fresh arrays: what a refresh takes in."""
        rows = self.rows_of(chunk)
        begin = chunk * self.chunk_rows
        found: dict[str, Value] = {}
        for name, form in self.columns:
            if form.secret:
                out = empty(form, rows)
                self.read_into(name, begin, begin + rows, out, 0)
                found[name] = out
            else:
                found[name] = self.read_keys(name, chunk)
        return found

    def digests_here(self) -> tuple[str, str]:
        """The digests of components own and next of the whole segment, from headers and trailers."""
        digests = (self.file(chunk).digests() for chunk in range(self.chunks))
        return segment_digests(self.segment, self.generation, digests)


def segment_digests(segment: str, generation: int, chunks: Iterable[tuple[bytes, bytes]]) -> tuple[str, str]:
    """The digests of components own and next of a segment: over those of its chunks, in order."""
    own, following = (
        hashlib.sha256(b"tercet/1 segment\0" + bytes.fromhex(segment) + generation.to_bytes(4, "little"))
        for _ in range(2)
    )
    for first, second in chunks:
        own.update(first)
        following.update(second)
    return own.hexdigest(), following.hexdigest()


def empty(form: StoredForm, rows: int) -> Share | BitShare:
    """Room for the shares of a column; bits are 0."""
    if form is StoredForm.BITS:
        room = BitShare.empty(rows)
        room.own[...] = 0
        room.next[...] = 0
        return room
    return Share.empty(ring(form.ring_bits), (rows,))


def join_keys(pieces: list[KeyValues], form: StoredForm) -> KeyValues:
    """One run of key values after the other."""
    texts = [piece for piece in pieces if isinstance(piece, Texts)]
    if form is StoredForm.KEY_INTEGER:
        numbers = [piece for piece in pieces if not isinstance(piece, Texts)]
        return np.concatenate(numbers) if numbers else np.empty(0, np.int64)
    offsets = [np.zeros(1, np.int64)]
    end = 0
    for piece in texts:
        offsets.append(piece.offsets[1:] + end)
        end += int(piece.offsets[-1])
    data = np.concatenate([piece.data for piece in texts]) if texts else np.empty(0, np.uint8)
    return Texts(np.concatenate(offsets), data)


class SegmentWriter:
    """Writes the files of a new segment, or the next generation of one. Called in workers and by joins."""

    def __init__(self, segment: Segment, folder: Path, party: Party) -> None:
        """`folder`: the store's. Raises InputError if there are files of that segment and generation, StorageError."""
        self._segment = segment
        self._party = party
        self._folder = place(folder, segment.place_name)
        self._what = f"segment {segment.segment[:8]}"
        self._next = 0
        self._rows: int | None = None
        self._ended = False
        make_folder(folder / PARTS, self._what)
        try:
            self._folder.mkdir(mode=0o700)
        except FileExistsError:
            raise InputError(f"there are files of {self._what} already") from None
        except OSError as error:
            raise StorageError(f"cannot store {self._what}: {error.strerror}") from None
        sync_folder(folder / PARTS, self._what)

    @classmethod
    def refresh(cls, segment: StoredSegment) -> SegmentWriter:
        """Write the next generation of a segment. Called in workers; what an earlier attempt left is deleted."""
        following = replace(segment, generation=segment.generation + 1)
        # nothing visible has that generation before this refresh is committed
        remove_folder(place(segment.folder, following.place_name))
        return cls(following, segment.folder, segment.party)

    def write(self, chunk: int, rows: int, values: Mapping[str, Value], salts: tuple[bytes, bytes]) -> None:
        """Write one chunk, all columns, in order of chunk numbers; no copy of whole arrays; durable after `close`.

        `salts`: 16 bytes each for components own and next, which only the two holders of that component know and
        which are used for nothing else. All chunks but the last have the same number of rows, a multiple of 64.
        Raises DiskFull, StorageError.
        """
        self._check_order(chunk, rows)
        described: list[tuple[str, StoredForm, int, bytes, bytes]] = []
        contents: list[bytes | memoryview] = []
        hashes: list[bytes] = []
        for name, form in self._segment.columns:
            pieces = _pieces(values[name], form, rows)
            size = sum(len(buffer) for buffer in pieces[0])
            described.append((name, form, size, b"", b""))
            for piece in pieces:
                digest = hashlib.sha256()
                for buffer in piece:
                    digest.update(buffer)
                hashes.append(digest.digest())
                contents += [*piece, bytes(-size % ALIGN)]
        if any(len(salt) != SALT_BYTES for salt in salts):
            raise ValueError("a salt has 16 bytes")
        upload = bytes.fromhex(self._segment.segment)
        head = encode_header(
            self._party, OWN_WORDS | NEXT_WORDS, upload, self._part(chunk), chunk, rows, salts, described
        )
        path = chunk_file(self._folder, chunk)
        write_file(path, [head, *contents, trailer(head, hashes)], self._what)
        self._next += 1

    def close(self) -> tuple[str, str]:
        """Make all durable; gives the digests of components own and next of the whole segment."""
        sync_folder(self._folder, self._what)
        columns = len(self._segment.columns)
        files = (PartFile.open(chunk_file(self._folder, n), columns, self._what) for n in range(self._next))
        return segment_digests(self._segment.segment, self._segment.generation, (file.digests() for file in files))

    def discard(self) -> None:
        """Delete what was written."""
        remove_folder(self._folder)

    def _part(self, chunk: int) -> bytes:
        """The part id: the same at all nodes, another for every chunk and generation."""
        address = f"tercet/1 part {self._segment.segment} {self._segment.generation} {chunk}"
        return hashlib.sha256(address.encode()).digest()[:16]

    def _check_order(self, chunk: int, rows: int) -> None:
        if chunk != self._next or self._ended or not 0 < rows <= MAX_CHUNK_ROWS:
            raise ValueError(f"chunk {chunk} of {rows} rows does not follow chunk {self._next - 1}")
        if self._rows is None:
            self._rows = rows
        if rows > self._rows:
            raise ValueError(f"chunk {chunk} has more rows than the first")
        # the same rule as for uploads: a chunk that is not full is the last
        self._ended = rows < self._rows or bool(rows % 64)


def derived_salts(salts: tuple[bytes, bytes], segment: str, chunk: int) -> tuple[bytes, bytes]:
    """Salts of one chunk from secrets that the holders of the components own and next have."""
    address = f"{segment} {chunk}".encode()
    own, following = (hashlib.sha256(b"tercet/1 chunk salt\0" + salt + address).digest()[:SALT_BYTES] for salt in salts)
    return own, following


def _pieces(value: Value, form: StoredForm, rows: int) -> list[list[memoryview]]:
    """The contents of a column: of components own and next, or of a public key."""
    if isinstance(value, Share | BitShare):
        pieces = [[_bytes(component)] for component in (value.own, value.next)]
        if any(len(piece[0]) != content_bytes(form, rows) for piece in pieces):
            raise ValueError(f"a column of form {form.name} does not have {rows} rows")
        return pieces
    if len(value) != rows:
        raise ValueError(f"a key column does not have {rows} rows")
    return [key_buffers(value)]


def _bytes(words: Any) -> memoryview:
    return np.ascontiguousarray(words).reshape(-1).view(np.uint8).data
