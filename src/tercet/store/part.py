"""A part: what one node gets of one chunk of rows, in one format for the wire and the disk.

    header   112 bytes: magic, version, party, which components are words, columns, upload, part id, chunk, rows,
             lengths, the salts of the two components
    columns  128 bytes each: name, form, length of its contents, the seeds of the two components (zeros where words);
             the validity bits of a nullable column stand behind it as a column of bits, under its name and "?"
    contents in the order of the columns, each padded with zeros to a multiple of 16 bytes: for a secret column the
             words of component own, then of next, where they are words; for a key column its public values

Everything is little-endian. Party i holds components own = i and next = i + 1. In an upload one component of every
chunk is words (it rotates with the chunk number) and the other two are seeds; what nodes write has words only.
`vectors/parts.json` has examples. Owners split chunks into parts with `split_chunk`.
"""

from __future__ import annotations

import hashlib
import re
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tercet.errors import InputError
from tercet.federation.model import fresh_nonce
from tercet.ring import ring, word_count
from tercet.sharing import (
    PARTIES,
    UPLOAD_SEED_BYTES,
    Party,
    Upload,
    fresh_seed,
    split,
    split_bits,
)
from tercet.store.keys import KeyValues, Texts, check_keys, key_buffers
from tercet.store.schema import MAX_COLUMNS, NAME_PATTERN, VALIDITY, Schema, StoredForm

MAGIC = b"tercpart"
VERSION = 2
ALIGN = 16
SALT_BYTES = 16
SEED_BYTES = UPLOAD_SEED_BYTES
DIGEST_BYTES = 32
MAX_CHUNK_ROWS = 1 << 22
OWN_WORDS, NEXT_WORDS = 1, 2

_HEADER = struct.Struct("<8sHBBI16s16sQQQQ16s16s")
HEADER_BYTES = _HEADER.size
RECORD = np.dtype([("name", "S64"), ("form", "<u8"), ("size", "<u8"), ("own", "V24"), ("next", "V24")])
_NAME = re.compile(f"{NAME_PATTERN}{re.escape(VALIDITY)}?".encode())
MAX_STORED = 2 * MAX_COLUMNS
_NO_SEED = bytes(SEED_BYTES)

Buffer = bytes | bytearray | memoryview
Buffers = list[bytes | memoryview]


def explicit_component(chunk: int) -> Party:
    """Which component of an uploaded chunk is words: it rotates, so that all nodes store about as much."""
    return PARTIES[chunk % 3]


def content_bytes(form: StoredForm, rows: int) -> int:
    """How many bytes one component of `rows` values takes as words; key columns of integers likewise."""
    if form is StoredForm.BITS:
        return 8 * word_count(rows)
    return rows * (16 if form is StoredForm.WORDS128 else 8)


def padded(size: int) -> int:
    return -(-size // ALIGN) * ALIGN


@dataclass(frozen=True, slots=True)
class ColumnPart:
    """One column in a part: where its contents are, counted from the part's first byte, and its seeds."""

    name: str
    form: StoredForm
    size: int
    own_at: int
    next_at: int
    own_seed: bytes = field(repr=False)
    next_seed: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class PartHeader:
    """The first bytes of a part, checked: all but the contents themselves."""

    party: Party
    flags: int
    upload: bytes
    part: bytes
    chunk: int
    rows: int
    header_bytes: int
    total_bytes: int
    own_salt: bytes = field(repr=False)
    next_salt: bytes = field(repr=False)
    columns: tuple[ColumnPart, ...]

    @property
    def own_words(self) -> bool:
        return bool(self.flags & OWN_WORDS)

    @property
    def next_words(self) -> bool:
        return bool(self.flags & NEXT_WORDS)

    def contents(self) -> list[tuple[ColumnPart, int]]:
        """The contents behind the header, in order: (column, offset)."""
        found = []
        for column in self.columns:
            if not column.form.secret or self.own_words:
                found.append((column, column.own_at))
            if column.form.secret and self.next_words:
                found.append((column, column.next_at))
        return found

    def column(self, name: str) -> ColumnPart:
        """Raises InputError."""
        for column in self.columns:
            if column.name == name:
                return column
        raise InputError(f"this part has no column {name!r}")

    def check(self, schema: Schema, party: Party, upload: bytes) -> None:
        """Raise InputError unless this is `party`'s part of an upload with this schema, as an owner splits it."""
        if self.party is not party:
            raise InputError(f"this part is for party {int(self.party)}, here is party {int(party)}")
        if self.upload != upload:
            raise InputError("this part belongs to another upload")
        explicit = explicit_component(self.chunk)
        if self.flags != flags_of(party, explicit):
            raise InputError(f"of chunk {self.chunk} component {int(explicit)} is words and the others are seeds")
        have = [(column.name, column.form) for column in self.columns]
        if have != list(schema.stored):
            raise InputError("the columns of this part are not those of the schema of its upload")

    @classmethod
    def parse(cls, data: Buffer, total_bytes: int) -> PartHeader:
        """Check and read the header of a part of `total_bytes` whose first bytes are `data`.

        `data` must hold at least the header and its columns. Nothing is allocated by what the header claims before
        the lengths are known to be there. Raises InputError for anything that `encode_header` would not have written.
        """
        view = memoryview(data)
        if len(view) < HEADER_BYTES:
            raise InputError(f"this is no part: {len(view)} bytes, its header alone has {HEADER_BYTES}")
        magic, version, party, flags, count, upload, part, chunk, rows, header_bytes, total, own_salt, next_salt = (
            _HEADER.unpack_from(view)
        )
        if magic != MAGIC:
            raise InputError("this is no part: it begins otherwise")
        if version != VERSION:
            raise InputError(f"a part of version {version}, this side speaks {VERSION}")
        if not 1 <= party <= 3 or flags > 3:
            raise InputError(f"this is no part: party {party}, flags {flags}")
        if not 1 <= count <= MAX_STORED or rows > MAX_CHUNK_ROWS or chunk >= 1 << 32:
            raise InputError(f"a part of {count} columns, {rows} rows, chunk {chunk} is too large or empty")
        if header_bytes != HEADER_BYTES + count * RECORD.itemsize or header_bytes > len(view):
            raise InputError(f"a part of {count} columns has a header of another length")
        if total != total_bytes:
            raise InputError(f"a part of {total} bytes came as {total_bytes}")
        records = np.frombuffer(view, RECORD, count, HEADER_BYTES)
        columns, end = _columns(records, rows, flags, header_bytes, total)
        if end != total:
            raise InputError(f"the contents of a part of {total} bytes end at {end}")
        return cls(Party(party), flags, upload, part, chunk, rows, header_bytes, total, own_salt, next_salt, columns)


def flags_of(party: Party, explicit: Party) -> int:
    """Which of the components of `party` are words, if component `explicit` is."""
    return (OWN_WORDS if explicit is party else 0) | (NEXT_WORDS if explicit is party.next else 0)


def _columns(records: NDArray[Any], rows: int, flags: int, at: int, total: int) -> tuple[tuple[ColumnPart, ...], int]:
    columns: list[ColumnPart] = []
    names: set[bytes] = set()
    for record in records.tolist():
        name, form_code, size, own, following = record
        if not _NAME.fullmatch(name) or name in names:
            raise InputError("a column of this part has no name, or one that is not allowed")
        names.add(name)
        try:
            form = StoredForm(form_code)
        except ValueError:
            raise InputError(f"column {name.decode()} has the unknown form {form_code}") from None
        least = content_bytes(form, rows) if form is not StoredForm.KEY_TEXT else 8 * (rows + 1)
        if size < least or (size > least and form is not StoredForm.KEY_TEXT):
            raise InputError(f"column {name.decode()} has {size} bytes for {rows} rows")
        own_words = form.secret and bool(flags & OWN_WORDS)
        next_words = form.secret and bool(flags & NEXT_WORDS)
        may = form.secret and not own_words, form.secret and not next_words
        if (own != _NO_SEED and not may[0]) or (following != _NO_SEED and not may[1]):
            raise InputError(f"column {name.decode()} has a seed beside its words")
        step = padded(size)
        stored = 1 if not form.secret else int(own_words) + int(next_words)
        next_at = at + step if own_words else at
        columns.append(ColumnPart(name.decode(), form, size, at, next_at, own, following))
        at += stored * step
        if at > total:
            raise InputError(f"the contents of column {name.decode()} are cut off")
    return tuple(columns), at


def encode_header(
    party: Party,
    flags: int,
    upload: bytes,
    part: bytes,
    chunk: int,
    rows: int,
    salts: tuple[bytes, bytes],
    columns: Sequence[tuple[str, StoredForm, int, bytes, bytes]],
) -> bytes:
    """The header of a part; `columns` are (name, form, bytes of contents, own seed, next seed), b"" for no seed."""
    records = np.zeros(len(columns), RECORD)
    total = header_bytes = HEADER_BYTES + records.nbytes
    words = (flags & OWN_WORDS != 0) + (flags & NEXT_WORDS != 0)
    for at, (name, form, size, own, following) in enumerate(columns):
        records[at] = (name.encode(), int(form), size, own or _NO_SEED, following or _NO_SEED)
        total += padded(size) * (words if form.secret else 1)
    head = _HEADER.pack(
        MAGIC, VERSION, party, flags, len(columns), upload, part, chunk, rows, header_bytes, total, *salts
    )
    return head + records.tobytes()


@dataclass(frozen=True, slots=True)
class Part:
    """A decoded part; its arrays are views into the buffer it was read from."""

    header: PartHeader
    data: memoryview = field(repr=False)

    @classmethod
    def decode(cls, data: Buffer) -> Part:
        """Check and read a part; no copy. Called by a node for what an owner sends.

        Raises InputError for anything malformed: lengths, names, padding, key values. What decodes is byte for byte
        what the encoder writes for it.
        """
        view = memoryview(data).cast("B")
        header = PartHeader.parse(view, len(view))
        for column, at in header.contents():
            if any(view[at + column.size : at + padded(column.size)]):
                raise InputError(f"column {column.name} has padding that is not zero")
            if not column.form.secret:
                check_keys(view[at : at + column.size], column.form, header.rows, column.name)
        return cls(header, view)

    def content(self, column: ColumnPart, at: int) -> memoryview:
        return self.data[at : at + column.size]

    def hashes(self) -> list[bytes]:
        """SHA-256 of every stored content, in order: the input of component digests and of the file's trailer."""
        return [hashlib.sha256(self.content(column, at)).digest() for column, at in self.header.contents()]


def component_digests(header: PartHeader, hashes: Sequence[bytes]) -> tuple[bytes, bytes]:
    """The digests of the components own and next of a part, from the hashes of its contents.

    The two holders of a component get the same, whichever is own and which next; without the salt a digest says
    nothing about the component, which the third party could otherwise guess for short columns.
    """
    by_place = {at: digest for (_, at), digest in zip(header.contents(), hashes, strict=True)}
    found = []
    for component, salt, words, is_own in (
        (header.party, header.own_salt, header.own_words, True),
        (header.party.next, header.next_salt, header.next_words, False),
    ):
        digest = hashlib.sha256(b"tercet/1 component\0" + salt)
        digest.update(
            struct.pack(
                "<16s16sQQBI", header.upload, header.part, header.chunk, header.rows, component, len(header.columns)
            )
        )
        for column in header.columns:
            digest.update(struct.pack("<64sBQ", column.name.encode(), column.form, column.size))
            if not column.form.secret:
                digest.update(b"K" + by_place[column.own_at])
            elif words:
                digest.update(b"W" + by_place[column.own_at if is_own else column.next_at])
            else:
                digest.update(b"S" + (column.own_seed if is_own else column.next_seed))
        found.append(digest.digest())
    return found[0], found[1]


def split_chunk(
    schema: Schema, columns: Mapping[str, Any], rows: int, upload: bytes, chunk: int, part: bytes | None = None
) -> tuple[Buffers, Buffers, Buffers]:
    """Split one chunk of rows; gives the bytes for nodes 1, 2 and 3, each as a list of buffers to send one by one.

    Called by the owner. `columns` has, for every name of `Schema.stored`, its ring words as `client.encode` makes them
    (packed bits for bools and for validity), or the values of a key column (`keys.KeyValues`). `rows` is at most
    4,194,304 and the same for all chunks of an upload but the last, which may have fewer; all others a multiple of 64.
    `upload` and `part` are 16 bytes, public; `part` names this splitting of the chunk and is drawn if left out. The
    explicit component is in the lists of its two holders without a copy. Costs 16 bytes a value of 64 bits on the wire,
    all three together.

    Raises InputError if the columns are not those of the schema or have another number of rows.
    """
    explicit = explicit_component(chunk)
    part = fresh_nonce() if part is None else part
    salts = [fresh_seed()[:SALT_BYTES] for _ in PARTIES]
    _check_columns(schema, columns, rows)
    pieces: dict[str, Upload | KeyValues] = {}
    for name, form in schema.stored:
        words = columns[name]
        if not form.secret:
            pieces[name] = words
        elif form is StoredForm.BITS:
            pieces[name] = split_bits(words, explicit)
        else:
            pieces[name] = split(words, ring(form.ring_bits), explicit)
    return assemble(schema, pieces, rows, upload, chunk, part, salts)


def assemble(
    schema: Schema,
    pieces: Mapping[str, Upload | KeyValues],
    rows: int,
    upload: bytes,
    chunk: int,
    part: bytes,
    salts: Sequence[bytes],
) -> tuple[Buffers, Buffers, Buffers]:
    """The three parts of a chunk whose columns are split already; `salts` of components 1, 2 and 3.

    Called by `split_chunk` and, with fixed seeds and salts, for the test vectors.
    """
    explicit = explicit_component(chunk)
    found: list[Buffers] = []
    for party in PARTIES:
        flags = flags_of(party, explicit)
        described: list[tuple[str, StoredForm, int, bytes, bytes]] = []
        contents: Buffers = []
        for name, form in schema.stored:
            size, seeds, stored = _piece_of(pieces[name], form, rows, party, flags)
            described.append((name, form, size, *seeds))
            contents += [buffer for buffer in stored if len(buffer)]
            if stored and size % ALIGN:
                contents.append(bytes(-size % ALIGN))
        pair = salts[party - 1], salts[party.next - 1]
        found.append([encode_header(party, flags, upload, part, chunk, rows, pair, described), *contents])
    first, second, third = found
    return first, second, third


def _piece_of(
    piece: Upload | KeyValues, form: StoredForm, rows: int, party: Party, flags: int
) -> tuple[int, tuple[bytes, bytes], Buffers]:
    """What one party gets of a column: the length of its contents, the seeds of its components, and its buffers."""
    if not isinstance(piece, Upload):
        keys = key_buffers(piece)
        return sum(len(buffer) for buffer in keys), (b"", b""), [*keys]
    own, following = piece.part(party)
    stored: Buffers = [component for component, bit in ((own, OWN_WORDS), (following, NEXT_WORDS)) if flags & bit]
    seeds = b"" if flags & OWN_WORDS else bytes(own), b"" if flags & NEXT_WORDS else bytes(following)
    return content_bytes(form, rows), seeds, stored


def _check_columns(schema: Schema, columns: Mapping[str, Any], rows: int) -> None:
    if not 0 <= rows <= MAX_CHUNK_ROWS:
        raise InputError(f"a chunk has at most {MAX_CHUNK_ROWS:,} rows, this one {rows:,}")
    odd = sorted(set(columns) ^ {name for name, _ in schema.stored})
    if odd:
        raise InputError(f"the columns are not those of the schema: {odd[0]}")
    for name, form in schema.stored:
        values = columns[name]
        if not form.secret:
            fits = len(values) == rows and isinstance(values, Texts) == (form is StoredForm.KEY_TEXT)
        else:
            fits = values.nbytes == content_bytes(form, rows)
        if not fits:
            raise InputError(f"column {name} does not have {rows:,} rows of its kind")
