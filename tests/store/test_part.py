"""Parts: three nodes' views of a chunk, and whatever an attacker may send instead."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tercet.errors import InputError
from tercet.ring import unpack_bits
from tercet.sharing import PARTIES, Party, check_doubly_held
from tercet.store.keys import Texts
from tercet.store.part import HEADER_BYTES, RECORD, Part, content_bytes, explicit_component, split_chunk
from tercet.store.schema import Schema, StoredForm
from three_stores import SCHEMA, encoded, opened, part_digests, part_value, patients, texts

UPLOAD = bytes(range(16))
ROWS = 70


def parts(chunk: int = 0, rows: int = ROWS) -> list[bytes]:
    words = encoded(SCHEMA, patients(rows))
    return [b"".join(buffers) for buffers in split_chunk(SCHEMA, words, rows, UPLOAD, chunk)]


@pytest.mark.parametrize("rows", [0, 1, 63, 64, 65, 200])
@pytest.mark.parametrize("chunk", [0, 1, 2, 3])
def test_three_parts_are_the_chunk(chunk: int, rows: int) -> None:
    decoded = [Part.decode(data) for data in parts(chunk, rows)]
    check_doubly_held([part_digests(part) for part in decoded], "the chunk")
    expected = patients(rows)
    for part, party in zip(decoded, PARTIES, strict=True):
        part.header.check(SCHEMA, party, UPLOAD)
        assert part_value(part, "id").tolist() == expected["id"]
    for name, size in (("age", 64), ("big", 128)):
        total = opened([part_value(part, name) for part in decoded])
        stored = total.astype(np.int64).tolist() if size == 64 else [(int(w["hi"]) << 64) + int(w["lo"]) for w in total]
        assert [value % 2**size for value in stored] == [int(value) % 2**size for value in expected[name]]
    total = opened([part_value(part, "smoker") for part in decoded])
    np.testing.assert_array_equal(unpack_bits(total, rows), expected["smoker"])


def test_the_explicit_component_rotates_and_is_not_copied() -> None:
    words = encoded(SCHEMA, patients(ROWS))
    for chunk, explicit in zip(range(4), (Party.P1, Party.P2, Party.P3, Party.P1), strict=True):
        assert explicit_component(chunk) is explicit
        lists = split_chunk(SCHEMA, words, ROWS, UPLOAD, chunk)
        big = [
            {id(buffer.obj) for buffer in buffers if isinstance(buffer, memoryview) and len(buffer) == 16 * ROWS}
            for buffers in lists
        ]
        holders = [party for party in PARTIES if big[party - 1]]
        assert holders == sorted((explicit, explicit.prev))
        assert big[explicit - 1] == big[explicit.prev - 1]


def test_two_splittings_have_nothing_in_common() -> None:
    first, second = Part.decode(parts()[0]), Part.decode(parts()[0])
    assert part_digests(first) != part_digests(second) and first.header.part != second.header.part
    assert first.header.own_salt != second.header.own_salt
    for mine, yours in zip(first.header.columns, second.header.columns, strict=True):
        if mine.form.secret:
            assert mine.next_seed != yours.next_seed
    assert not (part_value(first, "age").own == part_value(second, "age").own).any()


def test_nothing_secret_is_printed() -> None:
    part = Part.decode(parts()[0])
    shown = repr(part) + repr(part.header.columns) + repr(part.header)
    for column in part.header.columns:
        if column.form.secret:
            assert repr(column.next_seed) not in shown and repr(column.next_seed)[2:-1] not in shown
    assert repr(part.header.own_salt) not in shown


def test_a_part_of_something_else_is_refused() -> None:
    data = parts(1)
    header = Part.decode(data[0]).header
    with pytest.raises(InputError, match="for party 1, here is party 2"):
        header.check(SCHEMA, Party.P2, UPLOAD)
    with pytest.raises(InputError, match="another upload"):
        header.check(SCHEMA, Party.P1, bytes(16))
    with pytest.raises(InputError, match="not those of the schema"):
        header.check(SCHEMA.without(frozenset({"big"})), Party.P1, UPLOAD)
    wrong = bytearray(data[0])
    wrong[48] = 2
    with pytest.raises(InputError, match="component 3 is words"):
        Part.decode(wrong).header.check(SCHEMA, Party.P1, UPLOAD)


@pytest.mark.parametrize(
    ("at", "value", "match"),
    [
        (0, b"tercpert", "begins otherwise"),
        (8, b"\3\0", "version 3"),
        (10, b"\0", "party 0"),
        (10, b"\4", "party 4"),
        (11, b"\4", "flags 4"),
        (12, b"\0\0\0\0", "0 columns"),
        (12, b"\xff\xff\xff\xff", "4294967295 columns"),
        (12, b"\6\0\0\0", "header of another length"),
        (48, b"\0" * 4 + b"\1\0\0\0", "chunk 4294967296"),
        (56, b"\xff" * 8, "18446744073709551615 rows"),
        (56, b"\x47", "has .* bytes for 71 rows"),
        (64, b"\0", "header of another length"),
        (72, b"\0", "came as"),
        (HEADER_BYTES, b"\0", "no name"),
        (HEADER_BYTES, b"a b\0", "no name"),
        (HEADER_BYTES + 64, b"\6", "unknown form 6"),
        (HEADER_BYTES + 64, b"\1", "bytes for 70 rows"),
        (HEADER_BYTES + 72, b"\xff" * 8, "cut off"),
        (HEADER_BYTES + 80, b"\1", "a seed beside its words"),
        (HEADER_BYTES + RECORD.itemsize, b"id" + b"\0" * 62, "no name"),
        (HEADER_BYTES + RECORD.itemsize + 80, b"\1", "a seed beside its words"),
    ],
)
def test_malformed_headers(at: int, value: bytes, match: str) -> None:
    data = bytearray(parts()[0])
    data[at : at + len(value)] = value
    with pytest.raises(InputError, match=match):
        Part.decode(data)


@given(st.integers(0, 3), st.data())
@settings(max_examples=150)
def test_whatever_is_cut_or_longer_is_refused(chunk: int, data: Any) -> None:
    body = parts(chunk)[data.draw(st.integers(0, 2))]
    size = data.draw(st.integers(0, len(body) - 1))
    with pytest.raises(InputError):
        Part.decode(body[:size])
    with pytest.raises(InputError):
        Part.decode(body + data.draw(st.binary(min_size=1, max_size=40)))


@given(st.binary(max_size=400))
@example(b"")
def test_garbage_is_refused(data: bytes) -> None:
    with pytest.raises(InputError):
        Part.decode(data)


BODIES = parts()


@given(st.integers(0, 2), st.integers(0, 10**6), st.integers(1, 255))
@settings(max_examples=300)
def test_every_byte_counts(node: int, at: int, change: int) -> None:
    """A changed byte is refused, or changes a digest: two parts that agree in both digests are the same."""
    body = BODIES[node]
    at %= len(body)
    changed = bytearray(body)
    changed[at] ^= change
    before = Part.decode(body)
    try:
        after = Part.decode(changed)
    except InputError:
        return
    assert part_digests(after) != part_digests(before) or after.header.party != before.header.party


def test_a_claimed_size_allocates_nothing() -> None:
    """A header of a few bytes that announces the largest part is refused by its length alone."""
    schema = Schema.parse({"columns": [{"name": "a", "kind": "integer", "lo": 0, "hi": 9}]})
    body = bytearray(b"".join(split_chunk(schema, {"a": np.zeros(1, np.uint64)}, 1, UPLOAD, 0)[0]))
    body[56:64] = (1 << 22).to_bytes(8, "little")
    body[HEADER_BYTES + 72 : HEADER_BYTES + 80] = (8 << 22).to_bytes(8, "little")
    with pytest.raises(InputError, match="cut off"):
        Part.decode(body)


@pytest.mark.parametrize(
    ("offsets", "text", "match"),
    [
        ([0, 3, 2, 4], b"abcd", "do not fit"),
        ([1, 2, 3, 4], b"abcd", "do not fit"),
        ([0, 1, 2, 3], b"abcd", "do not fit"),
        ([0, 1, 2, 9], b"abcd", "do not fit"),
        ([0, 2, 3, 4], "äöü".encode()[:4], "no UTF-8"),
        ([0, 1, 2, 4], "äö".encode(), "no UTF-8"),
        ([0, 1, 2, 4], b"ab\xff\xfe", "no UTF-8"),
        ([0, 0, 0, 1025], b"a" * 1025, "more than 1024 bytes"),
    ],
)
def test_malformed_keys(offsets: list[int], text: bytes, match: str) -> None:
    schema = Schema.parse({"columns": [{"name": "k", "kind": "key", "key": "text"}, {"name": "b", "kind": "bool"}]})
    keys = Texts(np.array(offsets, np.int64), np.frombuffer(text, np.uint8))
    lists = split_chunk(schema, {"k": keys, "b": np.zeros(1, np.uint64)}, 3, UPLOAD, 0)
    with pytest.raises(InputError, match=match):
        Part.decode(b"".join(lists[0]))


@given(st.lists(st.text(st.characters(codec="utf-8"), max_size=8)))
def test_texts(values: list[str]) -> None:
    keys = texts(values)
    assert keys.tolist() == values and len(keys) == len(values)
    assert keys[1:3].tolist() == values[1:3] and keys[5:2].tolist() == []


def test_columns_that_are_not_the_schema() -> None:
    words = encoded(SCHEMA, patients(10))
    with pytest.raises(InputError, match="not those of the schema: age"):
        split_chunk(SCHEMA, {name: value for name, value in words.items() if name != "age"}, 10, UPLOAD, 0)
    with pytest.raises(InputError, match="column id does not have 11 rows"):
        split_chunk(SCHEMA, words, 11, UPLOAD, 0)
    with pytest.raises(InputError, match="at most"):
        split_chunk(SCHEMA, words, 1 << 23, UPLOAD, 0)


def test_sizes() -> None:
    assert content_bytes(StoredForm.BITS, 65) == 16 and content_bytes(StoredForm.WORDS128, 3) == 48
    assert HEADER_BYTES % 16 == 0 and RECORD.itemsize % 16 == 0
