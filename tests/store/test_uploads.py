"""Uploads: chunks that come again, late, from others, malformed, or to a full disk."""

from __future__ import annotations

import errno
import os
import secrets
import threading
from contextlib import suppress
from typing import Any

import pytest

from tercet.errors import Busy, ConfigError, DiskFull, Gone, InputError, NotFound, StorageError
from tercet.store.change import check_prepared
from tercet.store.files import chunk_file, folder_lock, place
from tercet.store.part import split_chunk
from tercet.store.schema import Schema
from three_stores import MORE, OTHER, OWNER, SCHEMA, OneStore, ThreeStores, encoded, patients

ID = "0123456789abcdef" * 2


def bodies(chunk: int = 0, rows: int = 64, upload: str = ID, schema: Schema = SCHEMA) -> list[bytes]:
    data = (
        patients(rows)
        if schema is SCHEMA
        else {"id": patients(rows)["id"], "pulse": range(rows), "treated": [True] * rows}
    )
    words = encoded(schema, data)
    return [b"".join(buffers) for buffers in split_chunk(schema, words, rows, bytes.fromhex(upload), chunk)]


@pytest.fixture
def node(quick_stores: ThreeStores) -> OneStore:
    found = quick_stores.nodes[0]
    found.uploads.begin(ID, "patients", OWNER, "create", SCHEMA)
    return found


def test_begin_again_is_the_same(node: OneStore) -> None:
    first = node.uploads.info(ID)
    assert node.uploads.begin(ID, "patients", OWNER, "create", SCHEMA) == first
    assert node.uploads.open() == [first] == node.uploads.open(OWNER) and node.uploads.open(OTHER) == []
    for facts in (
        ("others", OWNER, "create", SCHEMA),
        ("patients", OTHER, "create", SCHEMA),
        ("patients", OWNER, "create", MORE),
    ):
        with pytest.raises(InputError, match="other facts"):
            node.uploads.begin(ID, *facts)
    with pytest.raises(InputError, match="mode is create, append, columns"):
        node.uploads.begin("0" * 32, "x", OWNER, "replace", SCHEMA)


def test_what_does_not_fit_a_dataset(quick_stores: ThreeStores) -> None:
    stores = quick_stores
    node = stores.nodes[0]
    keyless = SCHEMA.without(frozenset({"id"}))
    for mode in ("append", "columns"):
        with pytest.raises(NotFound, match="no dataset patients; create it"):
            node.uploads.begin(ID, "patients", OWNER, mode, SCHEMA)
    stores.upload("patients", patients(3))
    stores.upload("keyless", {name: value for name, value in patients(3).items() if name != "id"}, schema=keyless)
    other_key = Schema.parse(
        {"columns": [{"name": "id", "kind": "key", "key": "integer"}, {"name": "z", "kind": "bool"}]}
    )
    for mode, dataset, schema, match in (
        ("create", "patients", SCHEMA, "there is a dataset patients already"),
        ("append", "patients", MORE, "column age is missing"),
        ("columns", "patients", SCHEMA, "has a column age already"),
        ("columns", "patients", keyless, "the upload has no key"),
        ("columns", "keyless", MORE, "dataset keyless has no key"),
        ("columns", "patients", other_key, "that of the upload differs"),
    ):
        with pytest.raises(InputError, match=match):
            node.uploads.begin(ID, dataset, OWNER, mode, schema)
    assert node.uploads.open() == []


def test_chunks_and_resume(node: OneStore) -> None:
    sent = [node.uploads.put_chunk(ID, OWNER, bodies(chunk)[0], chunk) for chunk in (2, 0, 1)]
    assert node.uploads.chunks(ID) == sorted(sent, key=lambda info: info.chunk)
    again = node.uploads.put_chunk(ID, OWNER, memoryview(bodies(1, 10)[0]))
    assert again.part != sent[2].part and again.rows == 10
    assert node.uploads.chunks(ID)[1] == again
    size = node.uploads.nbytes(ID)
    assert size == sum(path.stat().st_size for path in node.folder.glob("parts/*/*.part"))
    node.restart()
    assert node.uploads.chunks(ID)[1] == again and node.uploads.nbytes(ID) == size
    assert all(path.stat().st_mode & 0o777 == 0o600 for path in node.folder.glob("parts/*/*"))


def test_the_body_is_the_file(node: OneStore) -> None:
    body = bodies()[0]
    node.uploads.put_chunk(ID, OWNER, body)
    assert chunk_file(place(node.folder, f"rows-{ID}.0"), 0).read_bytes().startswith(body)


def test_what_is_refused(node: OneStore) -> None:
    first, second, _ = bodies()
    for body, match in (
        (second, "for party 2"),
        (bodies(upload="1" * 32)[0], "another upload"),
        (bodies(schema=MORE)[0], "not those of the schema"),
        (first[:-1], "came as"),
        (b"", "no part"),
        (bodies(rows=0)[0], "each with rows"),
        (bodies(chunk=1 << 20)[0], "at most 1,048,576 chunks"),
    ):
        with pytest.raises(InputError, match=match):
            node.uploads.put_chunk(ID, OWNER, body)
    with pytest.raises(InputError, match="chunk 0, not of chunk 1"):
        node.uploads.put_chunk(ID, OWNER, first, 1)
    for upload, owner in ((ID, OTHER), ("1" * 32, OWNER)):
        with pytest.raises(NotFound):
            node.uploads.put_chunk(upload, owner, first)
    assert node.uploads.chunks(ID) == []


def test_discard_and_expire(node: OneStore) -> None:
    node.uploads.put_chunk(ID, OWNER, bodies()[0])
    with pytest.raises(NotFound):
        node.uploads.discard(ID, OTHER)
    assert node.uploads.expire(3600) == []
    assert node.uploads.expire(-3600) == [ID]
    assert node.places() == set() and node.uploads.info(ID).state == "discarded"
    assert node.uploads.discard(ID, OWNER).state == "discarded"
    with pytest.raises(Gone, match="is discarded"):
        node.uploads.put_chunk(ID, OWNER, bodies()[0])
    assert node.uploads.chunks(ID) == [] and node.uploads.nbytes(ID) == 0
    # an identifier is used once
    assert node.uploads.begin(ID, "patients", OWNER, "create", SCHEMA).state == "discarded"


def test_a_full_disk(node: OneStore, monkeypatch: Any) -> None:
    kept = node.uploads.put_chunk(ID, OWNER, bodies()[0])
    real = os.writev

    def full(descriptor: int, buffers: Any) -> int:
        real(descriptor, [bytes(buffers[0])[:10]])
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "writev", full)
        with pytest.raises(DiskFull, match=r"no space is left to store chunk 0 of upload .*; free space"):
            node.uploads.put_chunk(ID, OWNER, bodies()[0])
        patch.setattr(os, "writev", lambda *_: (_ for _ in ()).throw(OSError(errno.EIO, "Input/output error")))
        with pytest.raises(StorageError, match="Input/output error"):
            node.uploads.put_chunk(ID, OWNER, bodies()[0])
    assert [path.name for path in node.folder.glob("parts/*/*")] == ["00000000.part"]
    assert node.uploads.chunks(ID) == [kept]
    assert node.uploads.put_chunk(ID, OWNER, bodies()[0]) != kept


def test_short_writes_go_on(node: OneStore, monkeypatch: Any) -> None:
    real = os.writev
    monkeypatch.setattr(os, "writev", lambda descriptor, buffers: real(descriptor, [bytes(buffers[0])[:997]]))
    body = bodies(rows=320)[0]
    node.uploads.put_chunk(ID, OWNER, body)
    assert chunk_file(place(node.folder, f"rows-{ID}.0"), 0).read_bytes().startswith(body)
    assert len(node.uploads.chunks(ID)) == 1


def test_a_chunk_that_comes_while_the_upload_is_committed(quick_stores: ThreeStores) -> None:
    """Whatever the order: what was prepared is what is committed."""
    stores = quick_stores
    change = stores.send("patients", patients(64))
    late = bodies(upload=change.upload)
    stop = threading.Event()

    def put() -> None:
        while not stop.wait(0.005):
            for node, body in zip(stores.nodes, late, strict=True):
                with suppress(Busy, Gone):
                    node.uploads.put_chunk(change.upload, OWNER, body)

    thread = threading.Thread(target=put)
    thread.start()
    try:
        for _ in range(500):
            transaction = secrets.token_hex(16)
            parts = [stores.nodes[0].uploads.chunks(change.upload)[0].part]
            try:
                _, answers = stores.prepare(change.model_copy(update={"parts": parts}), transaction)
            except InputError:  # one of the nodes has the other splitting by now
                for node in stores.nodes:
                    node.changes.abort(transaction)
                continue
            check_prepared(answers)
            for node in stores.nodes:
                node.changes.commit(transaction, answers)
            break
    finally:
        stop.set()
        thread.join()
    for node, body in zip(stores.nodes, late, strict=True):
        with pytest.raises(Gone, match="is committed"):
            node.uploads.put_chunk(change.upload, OWNER, body)
    assert stores.values("patients", "age").tolist() == patients(64)["age"].tolist()


def test_an_upload_never_meets_the_files_of_another(quick_stores: ThreeStores) -> None:
    """Names that others choose: a segment's, a joined segment's, a kept handle."""
    stores = quick_stores
    first = stores.send("patients", patients(64))
    stores.do(first)
    with pytest.raises(InputError, match="other facts"):
        stores.nodes[0].uploads.begin(first.upload, "mine", OTHER, "create", SCHEMA)
    rows = {"id": patients(64)["id"], "pulse": range(64), "treated": [True] * 64}
    stores.upload("patients", rows, schema=MORE, mode="columns", owner=OWNER)
    beside = next(segment for segment in stores.versions("patients")[0].segments if segment.joined)
    stores.upload("mine", patients(64), upload=beside.segment, owner=OTHER)
    assert stores.values("patients", "pulse").tolist() == list(range(64))
    assert stores.values("mine", "age").tolist() == patients(64)["age"].tolist()


def test_one_process_a_store(node: OneStore) -> None:
    with folder_lock(node.folder), pytest.raises(ConfigError, match="another process"), folder_lock(node.folder):
        pass
    with folder_lock(node.folder):
        pass
