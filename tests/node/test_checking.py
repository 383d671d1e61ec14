"""What workers check, chunk by chunk from files as owners send them: every kind of column, at every edge."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest

from tercet.errors import IntegrityError
from tercet.node.worker import checking
from tercet.node.worker.messages import ChunkOrder, PieceOrder
from tercet.node.worker.run import Worker
from tercet.protocols.scope import Body, Scope
from tercet.ring import RING64, RING128, pack_bits
from tercet.sharing import PARTIES, Party
from tercet.store.files import Space, Verified, chunk_file, place, place_name, trailer, write_file
from tercet.store.part import Part, component_digests, split_chunk
from tercet.store.schema import Schema, StoredForm
from tercet.store.segments import Segment, StoredSegment
from tercet.store.stamps import Range, ranges_of
from trio import Trio

SCHEMA = Schema.parse(
    {
        "columns": [
            {"name": "id", "kind": "key", "key": "integer"},
            {"name": "age", "kind": "integer", "lo": 0, "hi": 100},
            {"name": "change", "kind": "integer", "lo": -500, "hi": -10, "nullable": True},
            {"name": "big", "kind": "integer", "lo": -(2**80), "hi": 2**80},
            {"name": "bigger", "kind": "integer", "lo": 1, "hi": 2**90, "nullable": True},
            {"name": "price", "kind": "decimal", "digits": 2, "lo": -1, "hi": 9.99},
            {"name": "bmi", "kind": "decimal", "frac_bits": 20, "lo": 0, "hi": 90},
            {"name": "day", "kind": "date", "lo": "1999-12-31", "hi": "2026-01-01"},
            {"name": "colour", "kind": "category", "categories": ["red", "green", "blue"], "nullable": True},
            {"name": "sex", "kind": "category", "categories": ["f", "m"]},
            {"name": "stage", "kind": "integer", "lo": 1, "hi": 8},
            {"name": "smoker", "kind": "bool"},
            {"name": "treated", "kind": "bool", "nullable": True},
        ]
    }
)
ROWS = 130
WORDS = [column.name for column in SCHEMA.columns if column.form in (StoredForm.WORDS64, StoredForm.WORDS128)]
NULLABLE = [column.name for column in SCHEMA.columns if column.nullable]


def honest(rng: np.random.Generator) -> dict[str, Any]:
    """Values of every column as stored integers, both ends among them; of nullable ones the last ten are missing."""
    found: dict[str, Any] = {"id": np.arange(ROWS)}
    for column in SCHEMA.columns[1:]:
        lo, hi = column.stored_bounds
        values = [lo + int.from_bytes(rng.bytes(16), "little") % (hi - lo + 1) for _ in range(ROWS)]
        values[:3] = [lo, hi, (lo + hi) // 2]
        if column.nullable:
            values[-10:] = [lo] * 10
            found[column.validity] = [row < ROWS - 10 for row in range(ROWS)]
        found[column.name] = values
    return found


def verdict(folder: Path, columns: dict[str, Any], chunk: int = 0) -> bool:
    """What the bit says of one chunk, through files of three nodes."""
    upload = secrets.token_hex(16)
    words: dict[str, Any] = {}
    for name, form in SCHEMA.stored:
        values = columns[name]
        if form is StoredForm.BITS:
            words[name] = pack_bits(np.array(values, bool))
        elif form.secret:
            ring = RING64 if form is StoredForm.WORDS64 else RING128
            words[name] = ring.from_ints([int(value) % (1 << ring.bits) for value in values])
        else:
            words[name] = np.asarray(values, np.int64)
    segments = {}
    made = split_chunk(SCHEMA, words, ROWS, bytes.fromhex(upload), chunk)
    for party, buffers in zip(PARTIES, made, strict=True):
        segments[party] = stored(folder / str(int(party)), party, upload, chunk, b"".join(buffers))
    ranges = ranges_of(SCHEMA, SCHEMA.stored)
    trio = Trio(secrets.randbits(32))
    tags = {party: (bytes(16), bytes(16)) for party in PARTIES}
    batches = {party: list(checking.batches(segments[party], chunk, ranges)) for party in PARTIES}
    for number in range(len(batches[PARTIES[0]])):
        mine = {party: batches[party][number] for party in PARTIES}
        found = trio.run(lambda scope, segment, batch: checking.tag_of(scope, segment, batch), segments, mine)
        tags = {party: checking.xor_tags(tags[party], found[party]) for party in PARTIES}
    for party in PARTIES:
        assert tags[party.prev][1] == tags[party][0], "both holders have the same tag"

    def opened(scope: Scope, tag: checking.Tag) -> Body[bool]:
        bits = yield from checking.all_zero(scope, checking.tag_rows(*tag))
        return bool(bits[0])

    (bit,) = set(trio.run(opened, tags).values())
    return bit


def stored(folder: Path, party: Party, upload: str, chunk: int, data: bytes) -> StoredSegment:
    put(folder, upload, data)
    whole = StoredSegment.stored(placeholder(upload, SCHEMA), folder, party, "a test", verified=Verified())
    return replace(whole, rows=(chunk + 1) * ROWS, chunk_rows=ROWS)


def put(folder: Path, upload: str, data: bytes) -> Part:
    """Store a chunk as nodes do, in the place of what was sent as this chunk before."""
    where = place(folder, place_name(Space.ROWS, upload, 0))
    where.mkdir(parents=True, exist_ok=True)
    part = Part.decode(data)
    end = trailer(data[: part.header.header_bytes], part.hashes())
    write_file(chunk_file(where, part.header.chunk), [data, end], "a test")
    return part


def placeholder(upload: str, schema: Schema) -> Segment:
    return Segment(
        segment=upload,
        generation=0,
        owner="a" * 64,
        upload=upload,
        base=upload,
        position=0,
        rows=1,
        chunk_rows=1,
        columns=tuple(schema.stored),
        digests=("", "", ""),
    )


@pytest.fixture(params=[(1 << 20, 1 << 12), (1 << 20, 1), (300, 200), (64, 1)])
def batch(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """How many values are looked at together: all, those of one width, and so few that columns are cut."""
    size, least = request.param
    monkeypatch.setattr(checking, "BATCH", size)
    monkeypatch.setattr(checking, "_LEAST", least)
    yield size


def test_an_honest_owner_passes(tmp_path: Path, batch: int) -> None:
    rng = np.random.default_rng(1)
    for chunk in range(3):
        assert verdict(tmp_path, honest(rng), chunk)


@pytest.mark.parametrize("name", WORDS)
def test_one_word_outside(tmp_path: Path, name: str) -> None:
    """lo - 1, hi + 1, 2^k, the half of the ring, -1 where that is outside: in the first row, one of many, the last."""
    lo, hi = SCHEMA[name].stored_bounds
    ring = 64 if SCHEMA[name].form is StoredForm.WORDS64 else 128
    half = 1 << (ring - 1)
    bad = {lo - 1, hi + 1, lo + (1 << (hi - lo).bit_length()), half, half + lo, half + hi, half + 12345, -1, 1 << 62}
    for number, value in enumerate(sorted(one for one in bad if not lo <= one <= hi)):
        columns = honest(np.random.default_rng(number))
        columns[name][(0, 71, ROWS - 11)[number % 3]] = value
        assert not verdict(tmp_path, columns, number % 3), value


def grouped(ranges: tuple[Range, ...], rows: int) -> list[tuple[int, list[str]]]:
    forms = dict(SCHEMA.stored)
    return [(bits, [one.column for one in columns]) for _, bits, columns in checking.groups(forms, ranges, rows)]


def test_columns_are_looked_at_by_as_few_bits_as_their_ranges_need() -> None:
    """Full ranges by themselves; those of few values together, by the bits of the widest; bits that may be missing."""
    ranges = ranges_of(SCHEMA, SCHEMA.stored)
    assert grouped(ranges, 1 << 12) == [
        (1, ["sex"]),
        (2, ["colour"]),
        (3, ["stage"]),
        (8, ["age"]),
        (12, ["change", "price"]),
        (16, ["day"]),
        (28, ["bmi"]),
        (84, ["big"]),
        (92, ["bigger"]),
        (0, ["treated"]),
    ]
    assert grouped(ranges, 10) == [
        (28, ["sex", "colour", "stage", "age", "change", "price", "day", "bmi"]),
        (92, ["big", "bigger"]),
        (0, ["treated"]),
    ]
    assert [bits for bits, _ in grouped(ranges, 2000)] == [3, 12, 28, 92, 0]


def test_two_that_cancel(tmp_path: Path) -> None:
    for values in ((1 << 63, 1 << 63), (101, -1), ((1 << 63) + 5, (1 << 63) - 5)):
        columns = honest(np.random.default_rng(2))
        columns["age"][10:12] = values
        assert not verdict(tmp_path, columns)


@pytest.mark.parametrize("name", NULLABLE)
def test_a_missing_value_that_is_not_canonical(tmp_path: Path, name: str) -> None:
    """Within its range, but not its lo; and what is not missing may be anything in its range."""
    lo, hi = SCHEMA[name].stored_bounds
    for value in {lo + 1, hi}:
        columns = honest(np.random.default_rng(3))
        columns[name][-1] = value
        assert not verdict(tmp_path, columns)
        columns[SCHEMA[name].validity][-1] = True
        assert verdict(tmp_path, columns)
    columns = honest(np.random.default_rng(4))
    columns[SCHEMA[name].validity][1] = False
    assert not verdict(tmp_path, columns)


MANY = 300
"""Chunks of one run, more than headers are remembered of."""


@pytest.mark.parametrize("swapped", [0, MANY - 1])
def test_a_chunk_that_is_sent_again_while_many_are_checked(tmp_path: Path, swapped: int) -> None:
    """The tag of what lies there in between must not stand for what was to be checked, and is there again later."""
    schema = Schema.parse({"columns": [{"name": "x", "kind": "integer", "lo": 0, "hi": 100}]})
    upload, party = secrets.token_hex(16), Party.P1

    def sent(chunk: int, value: int) -> Part:
        words = {"x": RING64.from_ints([value])}
        made = split_chunk(schema, words, 1, bytes.fromhex(upload), chunk)
        return put(tmp_path, upload, b"".join(next(iter(made))))

    meant = []
    for chunk in range(MANY):
        part = sent(chunk, 2**63 + 5 if chunk == swapped else 5)
        own, following = component_digests(part.header, part.hashes())
        meant.append(ChunkOrder(chunk=chunk, rows=1, own=own.hex(), next=following.hex()))
    order = PieceOrder(
        segment=placeholder(upload, schema).describe(), chunks=meant, own="0" * 32, next="0" * 32, open=False
    )
    setup = SimpleNamespace(folder=tmp_path)
    worker = cast("Worker", SimpleNamespace(setup=setup, party=party, verified=Verified()))
    piece = checking._Piece.of(worker, schema, order)
    sent(swapped, 7)
    with pytest.raises(IntegrityError):
        for chunk, segment in piece.chunks:
            for batch in checking.batches(segment, chunk, piece.ranges):
                checking.read_rows(segment, batch.form, [(one.column, first, rows) for one, first, rows in batch.items])
