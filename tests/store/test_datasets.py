"""Reading runs of rows of any version; damaged, missing and exchanged files."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tercet.errors import Gone, InputError, IntegrityError, NotFound
from tercet.sharing import PARTIES, Share
from tercet.store import files as verified_module
from tercet.store.files import FRESH_S, PartFile, Verified, damaged
from tercet.store.schema import Schema
from tercet.store.segments import StoredSegment
from tercet.store.version import DatasetVersion, layout_of
from three_stores import OTHER, OneStore, ThreeStores, damages, opened, patients

ROWS = 64 * 3 + 17 + 130


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> ThreeStores:
    """Two segments of chunks of different sizes; the first is refreshed, and so all words."""
    folder = tmp_path_factory.mktemp("stores")
    stores = ThreeStores(
        [OneStore(party, f"sqlite:///{folder}/{party}.sqlite", folder / f"{party}") for party in PARTIES]
    )
    stores.upload("patients", patients(64 * 3 + 17))
    stores.do(stores.refreshed("patients"))
    stores.upload("patients", patients(130, 64 * 3 + 17), mode="append", chunk_rows=128)
    yield stores
    for node in stores.nodes:
        node.close()


@given(st.integers(0, ROWS), st.integers(0, ROWS), st.sampled_from(["age", "big", "smoker"]))
@settings(max_examples=120, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_run_of_rows(filled: ThreeStores, one: int, two: int, column: str) -> None:
    start, stop = sorted((one, two))
    expected = patients(ROWS)[column][start:stop]
    assert filled.values("patients", column, start, stop).tolist() == list(expected)
    keys = filled.nodes[0].datasets.get("patients").read_keys("id", start, stop)
    assert keys.tolist() == patients(ROWS)["id"][start:stop]


def test_a_description_is_enough_to_read(filled: ThreeStores) -> None:
    """As a worker does: without a catalogue."""
    shares = []
    for node in filled.nodes:
        text = json.dumps(node.datasets.get("patients").describe())
        version = DatasetVersion.load(node.folder, node.party, json.loads(text), verified=Verified())
        assert version == node.datasets.get("patients")
        shares.append(version.read("age", 190, 230))
    assert opened(shares).tolist() == patients(ROWS)["age"][190:230].tolist()


def test_the_layout_is_of_rows_in_their_order(filled: ThreeStores) -> None:
    """As policies and what is kept have stored it."""
    for version in filled.versions("patients"):
        one, two = version.segments
        named = f"tercet layout {one.segment} {64 * 3 + 17} {two.segment} 130"
        assert version.layout == layout_of(version.segments) == hashlib.sha256(named.encode()).hexdigest()
        beside = replace(one, segment="f" * 32, base=one.segment)
        assert layout_of([one, beside, replace(two, generation=7)]) == version.layout
        assert len({layout_of(some) for some in ([], [one], [two], [two, one], [one, two])}) == 5


def test_what_is_read_may_be_changed(filled: ThreeStores) -> None:
    version = filled.nodes[0].datasets.get("patients")
    share = version.read("age")
    share.own[...] = 0
    share.next[...] = 0
    assert version.read("age").own.any()


def test_what_is_not_there(filled: ThreeStores) -> None:
    datasets = filled.nodes[0].datasets
    version = datasets.get("patients")
    for start, stop in ((0, ROWS + 1), (-1, 3), (5, 4)):
        with pytest.raises(InputError, match="has rows 0 to"):
            version.read("age", start, stop)
    with pytest.raises(InputError, match="no column 'weight'"):
        version.read("weight")
    with pytest.raises(InputError, match="public key"):
        version.read("id")
    with pytest.raises(InputError, match="is secret"):
        version.read_keys("age", 0, 1)
    with pytest.raises(NotFound, match="no dataset nobody"):
        datasets.get("nobody")
    with pytest.raises(NotFound, match=r"no version 9.*the current one is 3"):
        datasets.get("patients", 9)
    with pytest.raises(Gone, match="version 1 of dataset patients is gone: its shares were refreshed in version 2"):
        datasets.get("patients", 1)


def files_of(node: OneStore) -> list[Path]:
    return sorted(node.folder.glob("parts/rows-*/*.part"))


@given(st.data())
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_every_damaged_byte_is_found(filled: ThreeStores, data: Any) -> None:
    node = filled.nodes[data.draw(st.integers(0, 2))]
    path = data.draw(st.sampled_from(files_of(node)))
    body = path.read_bytes()
    at = data.draw(st.integers(0, len(body) - 1))
    how = data.draw(st.sampled_from(["flip", "cut", "longer"]))
    broken = bytearray(body)
    if how == "flip":
        broken[at] ^= data.draw(st.integers(1, 255))
    path.write_bytes(bytes(broken[:at] if how == "cut" else broken + b"x" if how == "longer" else broken))
    try:
        lines = damages(node.datasets.get("patients"))
        assert len(lines) == 1 and path.name in lines[0] and "dataset patients is damaged" in lines[0]
        version = node.datasets.get("patients")
        found = []
        for column in ("age", "bmi", "big", "smoker"):
            try:
                version.read(column)
            except IntegrityError as error:
                found.append(str(error))
        try:
            version.read_keys("id")
        except IntegrityError as error:
            found.append(str(error))
        # only padding, which no column has, goes unseen by those that read
        assert found or how == "flip"
    finally:
        path.write_bytes(body)
    assert damages(node.datasets.get("patients")) == []


def test_without_verification_the_header_is_checked_all_the_same(filled: ThreeStores) -> None:
    node = filled.nodes[0]
    description = node.datasets.get("patients").describe()

    def lax() -> DatasetVersion:
        return DatasetVersion.load(node.folder, node.party, description, verified=None)

    path = next(path for path in files_of(node) if path.parent.name.endswith(".1"))
    body = path.read_bytes()
    try:
        path.write_bytes(body[:96] + bytes([body[96] ^ 1]) + body[97:])
        with pytest.raises(IntegrityError, match="header and its trailer"):
            lax().read("age")
        path.write_bytes(body[:-300] + bytes([body[-300] ^ 1]) + body[-299:])
        with pytest.raises(IntegrityError, match="is damaged"):
            lax().read("age")
        path.unlink()
        with pytest.raises(Gone, match="dataset patients is gone; it was withdrawn or refreshed"):
            lax().read("age")
    finally:
        path.write_bytes(body)


def test_a_content_is_compared_once_in_a_while(filled: ThreeStores, monkeypatch: pytest.MonkeyPatch) -> None:
    """By all that share a memory; again when the file has changed, and after an hour."""
    node, now = filled.nodes[0], [0.0]
    verified = Verified(clock=lambda: now[0])
    description = node.datasets.get("patients").describe()
    compared: list[int] = []
    original = PartFile.check
    monkeypatch.setattr(PartFile, "check", lambda file, at, data: compared.append(at) or original(file, at, data))

    def read(start: int, stop: int) -> int:
        compared.clear()
        version = DatasetVersion.load(node.folder, node.party, description, verified=verified)
        version.read("age", start, stop)
        return len(compared)

    everything = read(0, ROWS)
    assert everything > 0 and read(0, ROWS) == 0 and read(3, 7) == 0
    now[0] = FRESH_S - 1
    assert read(0, ROWS) == 0
    now[0] = FRESH_S
    few = read(3, 7)
    assert 0 < few < everything and read(0, ROWS) == everything - few and read(0, ROWS) == 0
    path = next(path for path in files_of(node) if path.parent.name.startswith("rows-"))
    body = path.read_bytes()
    file = PartFile.open(path, None, "patients")
    at = file.header.column("age").own_at if file.header.own_words else file.header.column("age").next_at
    try:
        path.write_bytes(body[:at] + bytes([body[at] ^ 1]) + body[at + 1 :])
        with pytest.raises(IntegrityError, match="is damaged"):
            read(0, ROWS)
    finally:
        path.write_bytes(body)
    assert read(0, ROWS) > 0


@pytest.mark.parametrize("column", ["age", "big"])
def test_a_column_is_added_up(filled: ThreeStores, column: str) -> None:
    """Over segments and chunks, seeds and words, in both rings; with and without a memory, and remembered."""
    memories = [Verified() for _ in PARTIES]
    versions = [node.datasets.get("patients") for node in filled.nodes]
    loaded = [
        DatasetVersion.load(node.folder, node.party, node.datasets.get("patients").describe(), verified=verified)
        for node, verified in zip(filled.nodes, memories, strict=True)
    ]
    expected = sum(patients(ROWS)[column])
    for at_nodes in (versions, loaded, loaded):
        shares = [version.add_up(["age", "big"])[column] for version in at_nodes]
        words = shares[0].ring
        for party in PARTIES:
            assert shares[party.prev - 1].next.tobytes() == shares[party - 1].own.tobytes()
        total = words.add(words.add(shares[0].own, shares[1].own), shares[2].own)
        assert total.shape == () and int(words.to_ints(total)) == expected
        assert [share.own.tobytes() for share in shares] == [version_words(version, column) for version in versions], (
            "not the sum of the component"
        )


def version_words(version: DatasetVersion, column: str) -> bytes:
    share = version.read(column)
    assert isinstance(share, Share)
    return share.ring.sum(share.own).tobytes()


def test_no_sum_of_what_is_no_number(filled: ThreeStores) -> None:
    version = filled.nodes[0].datasets.get("patients")
    for column in ("smoker", "id"):
        with pytest.raises(InputError, match="holds no shares of numbers"):
            version.add_up(["age", column])


def test_sums_are_remembered_while_the_file_is_as_it_was(filled: ThreeStores, monkeypatch: pytest.MonkeyPatch) -> None:
    node, now = filled.nodes[0], [0.0]
    verified = Verified(clock=lambda: now[0])
    description = node.datasets.get("patients").describe()
    pieces: list[str] = []
    original = StoredSegment._pieces
    monkeypatch.setattr(
        StoredSegment, "_pieces", lambda self, *args: pieces.append(args[3].name) or original(self, *args)
    )

    def add_up() -> int:
        pieces.clear()
        DatasetVersion.load(node.folder, node.party, description, verified=verified).add_up(["age"])
        return len(pieces)

    everything = add_up()
    assert everything > 0 and add_up() == 0
    monkeypatch.setattr(StoredSegment, "file", lambda self, chunk: pytest.fail("a header is read for what is known"))
    assert add_up() == 0
    monkeypatch.undo()
    monkeypatch.setattr(
        StoredSegment, "_pieces", lambda self, *args: pieces.append(args[3].name) or original(self, *args)
    )
    now[0] = FRESH_S
    assert add_up() == everything and repr(verified) == f"Verified({everything // 2} files)"
    path = next(path for path in files_of(node) if path.parent.name.endswith(".1"))
    os.utime(path, ns=(1, 1))
    assert add_up() == 2
    body = path.read_bytes()
    file = PartFile.open(path, None, "patients")
    at = file.header.column("age").own_at if file.header.own_words else file.header.column("age").next_at
    try:
        path.write_bytes(body[:at] + bytes([body[at] ^ 1]) + body[at + 1 :])
        assert file.header.own_words or file.header.next_words, "a chunk of seeds only: choose another"
        for _ in range(2):
            with pytest.raises(IntegrityError, match="is damaged"):
                add_up()
    finally:
        path.write_bytes(body)


def test_the_memory_of_what_was_compared_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verified_module, "_MOST_FILES", 2)
    verified = Verified()
    files = [(0, number, 0, 0, 0) for number in range(3)]
    for file in files:
        verified.add(file, 64)
    assert [verified.has(file, 64) for file in files] == [False, True, True]
    assert not verified.has(files[2], 128) and repr(verified) == "Verified(2 files)"


def test_sums_are_bounded_and_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verified_module, "_MOST_SUMS", 4)
    now = [0.0]
    verified = Verified(clock=lambda: now[0])
    files = [(0, number, 0, 0, 0) for number in range(3)]
    for number, file in enumerate(files):
        now[0] = float(number)
        for own in (True, True, False):
            verified.add_sum(file, "age", own, b"12345678")
    assert [verified.sum_of(file, "age", True) for file in files] == [None, b"12345678", b"12345678"]
    assert verified.sum_of(files[1], "size", True) is None and "12345678" not in repr(verified)
    now[0] = FRESH_S + 1
    assert verified.sum_of(files[1], "age", True) is None and verified.sum_of(files[2], "age", True) is not None
    verified.forget()
    assert repr(verified) == "Verified(1 files)"
    now[0] = FRESH_S + 2
    verified.add_sum(files[2], "age", True, b"87654321")
    assert verified.sum_of(files[2], "age", True) == b"87654321" and verified.sum_of(files[2], "age", False) is None
    now[0] *= 2
    verified.forget()
    assert repr(verified) == "Verified(0 files)"
    # what was forgotten takes no room: all that fits is there
    for file in files[:2]:
        for own in (True, False):
            verified.add_sum(file, "age", own, b"12345678")
    assert all(verified.sum_of(file, "age", own) for file in files[:2] for own in (True, False))


def test_exchanged_files_are_found(filled: ThreeStores) -> None:
    """Whole files, but in each other's place, or from another node."""
    node, other = filled.nodes[:2]
    first, second, *_ = [path for path in files_of(node) if path.parent.name.endswith(".1")]
    bodies = first.read_bytes(), second.read_bytes()
    try:
        first.write_bytes(bodies[1])
        with pytest.raises(IntegrityError, match="another party, chunk or schema"):
            node.datasets.get("patients").read("age")
        theirs = next(
            path for path in files_of(other) if path.name == first.name and path.parent.name == first.parent.name
        )
        first.write_bytes(theirs.read_bytes())
        with pytest.raises(IntegrityError, match="another party, chunk or schema"):
            node.datasets.get("patients").read("age")
    finally:
        first.write_bytes(bodies[0])


def test_reading_a_file_that_shrinks_is_an_error(filled: ThreeStores, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a memory map would end the process."""
    node = filled.nodes[0]
    version = node.datasets.get("patients")
    version.read("age", 0, 1)
    path = version.segments[0].file(0).path
    body = path.read_bytes()
    os.truncate(path, 2000)
    try:
        with pytest.raises(IntegrityError, match="cut off"):
            version.read("big", 0, 64)
    finally:
        path.write_bytes(body)


NULLABLE = Schema.parse(
    {
        "columns": [
            {"name": "id", "kind": "key", "key": "integer"},
            {"name": "amount", "kind": "decimal", "lo": -5, "hi": 90, "digits": 2, "nullable": True},
            {"name": "big", "kind": "integer", "lo": -(2**80), "hi": 2**80, "nullable": True},
            {"name": "smoker", "kind": "bool", "nullable": True},
        ]
    }
)


def with_missing(rows: int, seed: int) -> dict[str, Any]:
    """Rows of NULLABLE as they are stored, validity included."""
    draw = np.random.default_rng(seed)
    valid = {name: draw.random(rows) < 0.7 for name in ("amount", "big", "smoker")}
    amounts, bools = draw.integers(-500, 9001, rows), draw.random(rows) < 0.5
    return {
        "id": np.arange(rows) + 1000 * seed,
        "amount": np.where(valid["amount"], amounts, -500),
        "amount?": valid["amount"],
        "big": [int(value) << 60 if there else -(2**80) for value, there in zip(amounts, valid["big"], strict=True)],
        "big?": valid["big"],
        "smoker": bools & valid["smoker"],
        "smoker?": valid["smoker"],
    }


def test_validity_lies_beside_the_values(quick_stores: ThreeStores) -> None:
    """Uploaded, appended, refreshed, joined as further columns, withdrawn: of every value both."""
    first, second = with_missing(64 * 2 + 5, 1), with_missing(70, 2)
    quick_stores.upload("people", first, schema=NULLABLE)
    quick_stores.upload("people", second, schema=NULLABLE, mode="append", owner=OTHER)

    def check(expected: dict[str, Any], names: Iterable[str]) -> None:
        for name in names:
            assert quick_stores.values("people", name).tolist() == list(expected[name]), name

    both = {name: [*np.asarray(first[name]).tolist(), *np.asarray(second[name]).tolist()] for name in first}
    names = [name for name, form in NULLABLE.stored if form.secret]
    check(both, names)
    quick_stores.do(quick_stores.refreshed("people"))
    check(both, names)
    renamed = {"columns": [{**column, "name": f"{column['name']}_2"} for column in NULLABLE.to_dict()["columns"][1:]]}
    more = Schema.parse({"columns": [NULLABLE.to_dict()["columns"][0], *renamed["columns"]]})
    order = np.random.default_rng(3).permutation(len(both["id"]))
    brought = {
        name if name == "id" else f"{name.rstrip('?')}_2{'?' if name.endswith('?') else ''}": [values[k] for k in order]
        for name, values in both.items()
    }
    quick_stores.upload("people", brought, schema=more, mode="columns")
    assert quick_stores.versions("people")[0].schema == NULLABLE.joined(more)
    check({f"{name.rstrip('?')}_2{'?' if name.endswith('?') else ''}": both[name] for name in names},
          [name for name, form in more.stored if form.secret])  # fmt: skip
    quick_stores.withdraw("people", OTHER)
    check({name: list(first[name]) for name in names}, names)
    with pytest.raises(InputError, match="no shares of numbers"):
        quick_stores.versions("people")[0].add_up(["amount?"])
    with pytest.raises(InputError, match=r"no column 'id\?'"):
        quick_stores.versions("people")[0].read("id?")


def test_shares_do_not_print(filled: ThreeStores) -> None:
    version = filled.nodes[0].datasets.get("patients")
    segment = version.segments[0]
    assert isinstance(segment, StoredSegment)
    file = segment.file(0)
    for thing in (version, segment, file, filled.nodes[0].datasets):
        shown = repr(thing)
        for column in file.header.columns:
            assert repr(column.own_seed) not in shown or not any(column.own_seed)
        assert "salt" not in shown and "hashes" not in shown
    assert "damaged" in str(damaged(file.path, "x", "y")) and isinstance(file, PartFile)


def test_bools_have_their_bits_alone(filled: ThreeStores) -> None:
    """What is beyond the last row is 0, so that runs can be put together."""
    share = filled.nodes[0].datasets.get("patients").read("smoker", 3, 70)
    assert int(share.own[-1]) >> 3 == 0 and share.own.dtype == np.uint64
