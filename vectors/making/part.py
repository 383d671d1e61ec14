"""Parts: what each node gets of a chunk of an owner's rows."""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from making.common import Vector, b64, fixed, vector

UPLOAD, PART = fixed("upload of parts", 16), fixed("part", 16)
SALTS = [fixed(f"salt of component {component}", 16) for component in (1, 2, 3)]
BITS, WORDS64, WORDS128, KEY_INTEGER, KEY_TEXT = 1, 2, 3, 4, 5
ROWS = 5
HEADER, RECORD, SEED = 112, 128, 24


@dataclass(frozen=True)
class Column:
    """A column of the chunk: its entry in the schema (none for validity bits, which have the name of their column and
    "?"), its form in a part, and its values as they are stored."""

    schema: dict[str, Any] | None
    form: int
    values: Sequence[Any] = field(repr=False)
    of: str = ""

    @property
    def name(self) -> str:
        return f"{self.of}?" if self.schema is None else str(self.schema["name"])

    @property
    def secret(self) -> bool:
        return self.form <= WORDS128


COLUMNS = (
    Column({"name": "id", "kind": "key", "key": "text"}, KEY_TEXT, ["anna", "", "jürgen", "雪", "x"]),
    Column({"name": "age", "kind": "integer", "lo": -5, "hi": 120}, WORDS64, [0, 120, -5, 41, 7]),
    # 1.5 with 16 fractional bits is 98304
    Column({"name": "bmi", "kind": "decimal", "lo": -2, "hi": 80}, WORDS64, [98304, -131072, 0, 1, 5242880]),
    Column({"name": "wide", "kind": "integer", "lo": -(2**70), "hi": 2**70}, WORDS128, [2**70, -(2**70), 0, -1, 1]),
    Column({"name": "ward", "kind": "category", "categories": ["a", "b", "c"]}, WORDS64, [0, 2, 1, 1, 0]),
    Column({"name": "born", "kind": "date", "lo": "1900-01-01", "hi": "2030-01-01"}, WORDS64, [-25567, 0, 1, 21915, 3]),
    Column({"name": "smoker", "kind": "bool"}, BITS, [True, False, False, True, True]),
)
NUMBERED = (
    Column({"name": "number", "kind": "key", "key": "integer"}, KEY_INTEGER, [-1, 0, 1, 2**63 - 1, -(2**63)]),
    Column({"name": "smoker", "kind": "bool"}, BITS, [False, True, True, False, True]),
)
# a missing value is stored as the least that may be there
MISSING = (
    Column({"name": "age", "kind": "integer", "lo": -5, "hi": 120, "nullable": True}, WORDS64, [0, -5, -5, 41, 7]),
    Column(None, BITS, [True, False, True, True, True], "age"),
    # 0.99 with two digits is 99
    Column(
        {"name": "paid", "kind": "decimal", "lo": -0.5, "hi": 1000, "digits": 2, "nullable": True},
        WORDS64,
        [99, -50, 100000, 0, -50],
    ),
    Column(None, BITS, [True, True, True, True, False], "paid"),
    Column({"name": "smoker", "kind": "bool", "nullable": True}, BITS, [True, False, False, True, True]),
    Column(None, BITS, [True, True, False, True, True], "smoker"),
    Column({"name": "price", "kind": "decimal", "lo": 0, "hi": 10, "digits": 3}, WORDS64, [1, 10000, 0, 999, 5]),
)


def expanded(seed: bytes, nbytes: int) -> bytes:
    """The stream that a seed stands for."""
    return Cipher(algorithms.AES(seed[:16]), modes.CTR(seed[16:] + bytes(8))).encryptor().update(bytes(nbytes))


def plain(column: Column) -> bytes:
    """The values as words or packed bits, or the contents of a key column."""
    if column.form == BITS:
        bits = sum(1 << at for at, value in enumerate(column.values) if value)
        return bits.to_bytes(8 * -(-len(column.values) // 64), "little")
    if column.form == KEY_TEXT:
        texts = [value.encode() for value in column.values]
        offsets = [sum(map(len, texts[:at])) for at in range(len(texts) + 1)]
        return struct.pack(f"<{len(offsets)}q", *offsets) + b"".join(texts)
    size = 16 if column.form == WORDS128 else 8
    return b"".join((value % (1 << 8 * size)).to_bytes(size, "little") for value in column.values)


def split(column: Column, chunk: int) -> list[bytes]:
    """Components 1, 2 and 3: two seeds, and what is left as words where it is the chunk's turn."""
    explicit = chunk % 3
    seeds = [fixed(f"seed {component + 1} of {column.name} in chunk {chunk}", SEED) for component in range(3)]
    rest = plain(column)
    size = 16 if column.form == WORDS128 else 8
    for component in range(3):
        if component != explicit:
            stream = expanded(seeds[component], len(rest))
            if column.form == BITS:
                rest = bytes(a ^ b for a, b in zip(rest, stream, strict=True))
            else:
                pairs = [
                    (int.from_bytes(rest[at : at + size], "little"), int.from_bytes(stream[at : at + size], "little"))
                    for at in range(0, len(rest), size)
                ]
                rest = b"".join(((a - b) % (1 << 8 * size)).to_bytes(size, "little") for a, b in pairs)
    seeds[explicit] = rest
    return seeds


def padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % 16)


def part(columns: Sequence[Column], party: int, chunk: int, **changes: Any) -> bytes:
    """The part of a party (1, 2 or 3); `changes` replace fields of the header."""
    own, following, explicit = party - 1, party % 3, chunk % 3
    records, contents = b"", b""
    for column in columns:
        components = split(column, chunk) if column.secret else []
        seeds = [components[at] if column.secret and at != explicit else bytes(SEED) for at in (own, following)]
        records += struct.pack("<64sQQ24s24s", column.name.encode(), column.form, len(plain(column)), *seeds)
        if not column.secret:
            contents += padded(plain(column))
        elif explicit in (own, following):
            contents += padded(components[explicit])
    facts = {
        "magic": b"tercpart",
        "version": 2,
        "party": party,
        "flags": (explicit == own) | (explicit == following) << 1,
        "columns": len(columns),
        "upload": UPLOAD,
        "part": PART,
        "chunk": chunk,
        "rows": len(columns[0].values),
        "header_bytes": HEADER + RECORD * len(columns),
        "total_bytes": HEADER + len(records) + len(contents),
        "own_salt": SALTS[own],
        "next_salt": SALTS[following],
    } | changes
    return struct.pack("<8sHBBI16s16sQQQQ16s16s", *facts.values()) + records + contents


def digest(columns: Sequence[Column], component: int, chunk: int) -> bytes:
    """What both holders of a component (1, 2 or 3) compute of it before a commit."""
    found = hashlib.sha256(b"tercet/1 component\0" + SALTS[component - 1])
    rows = len(columns[0].values)
    found.update(struct.pack("<16s16sQQBI", UPLOAD, PART, chunk, rows, component, len(columns)))
    for column in columns:
        data = plain(column)
        found.update(struct.pack("<64sBQ", column.name.encode(), column.form, len(data)))
        if not column.secret:
            found.update(b"K" + hashlib.sha256(data).digest())
        elif chunk % 3 == component - 1:
            found.update(b"W" + hashlib.sha256(split(column, chunk)[component - 1]).digest())
        else:
            found.update(b"S" + split(column, chunk)[component - 1])
    return found.digest()


def ok(name: str, description: str, columns: Sequence[Column], chunk: int) -> tuple[str, Vector]:
    """A chunk, all that was drawn for it, and the three parts."""
    secret = [column for column in columns if column.secret]
    return vector(
        "part",
        name,
        "ok",
        description,
        schema={"columns": [column.schema for column in columns if column.schema is not None]},
        upload=UPLOAD.hex(),
        chunk=chunk,
        part=PART.hex(),
        rows=len(columns[0].values),
        values={
            column.name: [
                str(value) if isinstance(value, int) and not isinstance(value, bool) else value
                for value in column.values
            ]
            for column in columns
        },
        salts_hex=[salt.hex() for salt in SALTS],
        seeds_hex={
            column.name: [seed.hex() if at != chunk % 3 else None for at, seed in enumerate(split(column, chunk))]
            for column in secret
        },
        parts_base64=[b64(part(columns, party, chunk)) for party in (1, 2, 3)],
        digests_hex=[digest(columns, component, chunk).hex() for component in (1, 2, 3)],
    )


def make() -> Iterator[tuple[str, Vector]]:
    for chunk in range(3):
        yield ok(f"chunk_{chunk}", f"all kinds of columns; component {chunk + 1} is words", COLUMNS, chunk)
    yield ok("numbers", "a key of integers", NUMBERED, 4)
    yield ok("missing", "nullable columns, and decimals with digits", MISSING, 1)

    def wrong(
        name: str, expect: str, description: str, data: bytes, party: int = 1, columns: Sequence[Column] = COLUMNS
    ) -> tuple[str, Vector]:
        return vector(
            "part", name, expect, description,
            schema={"columns": [column.schema for column in columns if column.schema is not None]},
            upload=UPLOAD.hex(), party=party, part_base64=b64(data),
        )  # fmt: skip

    good = part(COLUMNS, 1, 0)
    first = HEADER + RECORD * len(COLUMNS)
    texts = len(plain(COLUMNS[0]))

    def put(at: int, data: bytes) -> bytes:
        return good[:at] + data + good[at + len(data) :]

    yield wrong("empty", "bad_length", "nothing", b"")
    yield wrong("cut", "bad_length", "the last byte is missing", good[:-1])
    yield wrong("extended", "bad_length", "a byte too many", good + b"\0")
    yield wrong("total", "bad_length", "another length is announced", part(COLUMNS, 1, 0, total_bytes=len(good) + 16))
    yield wrong("header", "bad_length", "the header is said to be longer", part(COLUMNS, 1, 0, header_bytes=first + 16))
    yield wrong("rows", "bad_length", "more rows than there are", part(COLUMNS, 1, 0, rows=ROWS + 1))
    yield wrong("huge", "bad_length", "rows without end", part(COLUMNS, 1, 0, rows=2**64 - 1))
    yield wrong("version", "bad_version", "of a later version", part(COLUMNS, 1, 0, version=3))
    yield wrong("magic", "malformed", "of another kind", part(COLUMNS, 1, 0, magic=b"tercetJB"))
    yield wrong("party", "malformed", "for a fourth party", put(10, b"\4"))
    yield wrong("form", "malformed", "a form that is not known", put(HEADER + 64, b"\x09"))
    yield wrong("name", "malformed", "a column without a name", put(HEADER, bytes(64)))
    yield wrong("twice", "malformed", "two columns of one name", put(HEADER + RECORD, good[HEADER : HEADER + 64]))
    yield wrong("seed", "malformed", "a seed for a public column", put(HEADER + 80, b"\1"))
    yield wrong("padding", "malformed", "padding that is not zero", put(first + texts, b"\1"))
    yield wrong("offsets", "malformed", "offsets of texts that fall", put(first + 8, struct.pack("<q", 9)))
    yield wrong("utf8", "malformed", "a text that is no UTF-8", put(first + 48, b"\xff"))
    yield wrong("flags", "wrong_component", "words of the component whose turn it is not", put(48, b"\4"))
    yield wrong("other", "wrong_party", "the part of another node", good, party=2)
    yield wrong("upload", "wrong_upload", "of another upload", part(COLUMNS, 1, 0, upload=bytes(16)))
    yield wrong("schema", "wrong_schema", "without a column of the schema", part(COLUMNS[:-1], 1, 0))
    bare = part([column for column in MISSING if column.schema is not None], 1, 0)
    yield wrong("validity", "wrong_schema", "nullable columns without validity bits", bare, columns=MISSING)
