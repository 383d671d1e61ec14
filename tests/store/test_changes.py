"""Changes at three nodes: visible everywhere or nowhere, whatever happens in between."""

from __future__ import annotations

import os
import secrets
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from store.test_kept import keep, value, written
from tercet.errors import Busy, Gone, InputError, IntegrityError, NotFound
from tercet.sharing import Party
from tercet.store import changes, sweep
from tercet.store.change import (
    DropChange,
    Prepared,
    RefreshChange,
    SegmentDigests,
    UploadChange,
    WithdrawChange,
    check_prepared,
)
from tercet.store.files import chunk_file, place, remove_folder
from tercet.store.kept_files import write_label
from three_stores import MORE, OTHER, OWNER, SCHEMA, OneStore, ThreeStores, patients


def check_patients(stores: ThreeStores, dataset: str, rows: dict[str, Any]) -> None:
    """All columns hold these rows."""
    assert stores.versions(dataset)[0].rows == len(rows["age"])
    np.testing.assert_array_equal(stores.values(dataset, "age"), rows["age"])
    np.testing.assert_array_equal(stores.values(dataset, "bmi"), np.rint(rows["bmi"] * 2**16).astype(np.int64))
    assert stores.values(dataset, "big").tolist() == rows["big"]
    np.testing.assert_array_equal(stores.values(dataset, "smoker"), rows["smoker"])
    for version in stores.versions(dataset):
        assert version.read_keys("id").tolist() == list(rows["id"])


def joined(*pieces: dict[str, Any]) -> dict[str, Any]:
    return {name: [value for piece in pieces for value in piece[name]] for name in pieces[0]} | {
        name: np.concatenate([piece[name] for piece in pieces]) for name in ("age", "bmi", "smoker")
    }


def test_a_life(stores: ThreeStores) -> None:
    """Create, append, refresh, further columns, withdraw; older versions; what is left on the disk."""
    first, second = patients(200), patients(77, 1000)
    assert stores.upload("patients", first).version == 1
    check_patients(stores, "patients", first)
    assert stores.upload("patients", second, mode="append", owner=OTHER).version == 2
    check_patients(stores, "patients", joined(first, second))
    layout = stores.versions("patients")[0].layout
    # the first version is still what it was
    assert {node.datasets.get("patients", 1).rows for node in stores.nodes} == {200}

    before = [node.places() for node in stores.nodes]
    assert stores.do(stores.refreshed("patients")).version == 3
    check_patients(stores, "patients", joined(first, second))
    for node, places in zip(stores.nodes, before, strict=True):
        assert len(node.places()) == 2 and not node.places() & places
        with pytest.raises(Gone, match="its shares were refreshed in version 3"):
            node.datasets.get("patients", 2)
        assert node.datasets.get("patients").refreshed is not None
        assert node.datasets.get("patients").layout == layout

    everyone = joined(first, second)
    order = np.random.default_rng(1).permutation(277)
    brought = {
        "id": [everyone["id"][row] for row in order],
        "pulse": 40 + order % 100,
        "treated": order % 5 == 1,
    }
    third = "c" * 64
    stores.upload("patients", brought, schema=MORE, mode="columns", owner=third, chunk_rows=128)
    check_patients(stores, "patients", everyone)
    np.testing.assert_array_equal(stores.values("patients", "pulse"), 40 + np.arange(277) % 100)
    np.testing.assert_array_equal(stores.values("patients", "treated", 70, 210), np.arange(70, 210) % 5 == 1)
    assert stores.versions("patients")[0].layout == layout
    assert stores.do(stores.refreshed("patients")).version == 5
    np.testing.assert_array_equal(stores.values("patients", "pulse", 190, 210), 40 + np.arange(190, 210) % 100)

    with pytest.raises(InputError, match="which new rows would lack"):
        stores.send("patients", patients(5, 5000), mode="append")
    stores.withdraw("patients", OWNER)
    check_patients(stores, "patients", second)
    np.testing.assert_array_equal(stores.values("patients", "pulse"), 40 + np.arange(200, 277) % 100)
    stores.withdraw("patients", third)
    check_patients(stores, "patients", second)
    assert "pulse" not in stores.versions("patients")[0].schema
    assert stores.upload("patients", patients(10, 9000), mode="append").version == 8
    check_patients(stores, "patients", joined(second, patients(10, 9000)))
    stores.withdraw("patients", OTHER)
    assert stores.withdraw("patients").rows == 0
    for node in stores.nodes:
        assert node.places() == set() and node.datasets.names() == []
        with pytest.raises(Gone, match="all rows of dataset patients have been withdrawn"):
            node.datasets.get("patients")
    # the name is free again, and no version number comes twice
    assert stores.upload("patients", first).version == 11
    check_patients(stores, "patients", first)


def test_the_audit_tells_every_change(stores: ThreeStores) -> None:
    stores.upload("patients", patients(3))
    stores.withdraw("patients")
    for node in stores.nodes:
        entries = list(node.audit.entries())
        assert [entry.kind for entry in entries] == ["create", "withdraw"]
        assert entries[0].details["rows"] == 3 and entries[0].details["owner"] == OWNER


def test_an_upload_is_not_there_before_its_commit(stores: ThreeStores) -> None:
    change = stores.send("patients", patients(65))
    transaction, answers = stores.prepare(change)
    assert stores.prepare(change, transaction)[1] == answers, "asked again, it answers the same"
    for node in stores.nodes:
        assert node.datasets.names() == []
        assert node.changes.changing() == {"patients": transaction}
        assert [doubt.transaction for doubt in node.changes.in_doubt()] == [transaction]
        with pytest.raises(Busy, match=transaction[:8]):
            node.changes.prepare(secrets.token_hex(16), stores_change(change))
        with pytest.raises(Busy, match="is being made visible"):
            node.uploads.put_chunk(change.upload, OWNER, part_of(node, change))
        node.restart()
        assert node.changes.in_doubt()[0].change == change
    stores.nodes[0].changes.commit(transaction, answers, waiting=[Party.P2, Party.P3])
    assert stores.nodes[0].changes.untold() == [(transaction, Party.P2), (transaction, Party.P3)]
    stores.nodes[0].changes.told(transaction, Party.P2)
    stores.nodes[0].restart()
    assert stores.nodes[0].changes.untold() == [(transaction, Party.P3)]
    for node in stores.nodes:
        first = node.changes.commit(transaction, answers)
        assert node.changes.commit(transaction, answers) == first
        known = node.changes.find(transaction)
        assert known is not None and known.state == "committed" and known.answers == tuple(answers)
        with pytest.raises(InputError, match="is committed"):
            node.changes.abort(transaction)
        assert node.changes.in_doubt() == [] and node.changes.changing() == {}
    check_patients(stores, "patients", patients(65))


def stores_change(change: UploadChange) -> WithdrawChange:
    return WithdrawChange(dataset=change.dataset, owner=change.owner)


def part_of(node: OneStore, change: UploadChange) -> bytes:
    """The first chunk that a node has, as it was sent."""
    path = chunk_file(place(node.folder, f"rows-{change.upload}.0"), 0)
    data = path.read_bytes()
    return data[: int.from_bytes(data[72:80], "little")]


def test_an_aborted_change_leaves_nothing(stores: ThreeStores) -> None:
    change = stores.send("patients", patients(65))
    transaction, _ = stores.prepare(change)
    for node in stores.nodes:
        node.changes.abort(transaction, "node university refused")
        node.changes.abort(transaction, "again")
        assert node.datasets.names() == [] and node.changes.changing() == {}
        with pytest.raises(InputError, match="aborted: node university refused"):
            node.changes.prepare(transaction, change)
        assert [entry.kind for entry in node.audit.entries()] == ["abort"]
        # one that was given up before it came here never comes
        unseen = secrets.token_hex(16)
        node.changes.abort(unseen, "late")
        with pytest.raises(InputError, match="late"):
            node.changes.prepare(unseen, change)
        assert node.changes.find(unseen) is not None
    # the upload is open again, and can be committed by another transaction
    stores.do(change)
    check_patients(stores, "patients", patients(65))
    refresh = stores.refreshed("patients")
    transaction, _ = stores.prepare(refresh)
    for node in stores.nodes:
        assert len(node.places()) == 2
        node.changes.abort(transaction)
        assert len(node.places()) == 1
    check_patients(stores, "patients", patients(65))


def test_what_does_not_fit_is_refused(quick_stores: ThreeStores) -> None:
    stores = quick_stores
    change = stores.send("patients", patients(130))
    node = stores.nodes[0]

    def refused(changed: dict[str, Any], match: str, error: type[Exception] = InputError) -> None:
        with pytest.raises(error, match=match):
            node.changes.prepare(secrets.token_hex(16), change.model_copy(update=changed))
        assert node.changes.changing() == {} and node.uploads.info(change.upload).state == "open"

    refused({"rows": 131}, "130 rows here, and 131 were announced")
    refused({"parts": [*change.parts, change.parts[0]]}, "4 chunks as announced, and the first 3 are here")
    refused({"parts": change.parts[:2]}, "2 chunks as announced")
    refused({"parts": [*change.parts[:2], "0" * 32]}, "chunk 2 of .* is of another splitting")
    refused({"kind": "append"}, "to create")
    refused({"dataset": "others"}, "was begun for dataset patients")
    refused({"owner": OTHER}, "there is no upload", NotFound)
    refused({"upload": "0" * 32}, "there is no upload", NotFound)
    chunk_file(place(node.folder, f"rows-{change.upload}.0"), 1).unlink()
    refused({}, "the first 1 are here")
    with pytest.raises(NotFound):
        node.changes.prepare(secrets.token_hex(16), WithdrawChange(dataset="patients", owner=OWNER))
    with pytest.raises(Gone):
        node.changes.prepare(secrets.token_hex(16), RefreshChange(dataset="patients", version=1, manifest="0" * 64))


def test_a_change_needs_the_same_at_all_nodes(quick_stores: ThreeStores) -> None:
    stores = quick_stores
    change = stores.send("patients", patients(65))
    other = stores.send("patients", patients(65))
    # node 2 got another splitting of the same rows, under the same names
    for chunk in range(2):
        wrong = chunk_file(place(stores.nodes[1].folder, f"rows-{change.upload}.0"), chunk)
        data = bytearray(part_of_chunk(stores.nodes[1], other, chunk))
        data[16:32], data[32:48] = bytes.fromhex(change.upload), bytes.fromhex(change.parts[chunk])
        wrong.unlink()
        stores.nodes[1].uploads.put_chunk(change.upload, OWNER, bytes(data))
    transaction, answers = stores.prepare(change)
    with pytest.raises(IntegrityError, match="hold different copies of component"):
        check_prepared(answers)
    with pytest.raises(IntegrityError, match=r"nodes [abc] and [abc] hold different copies of component"):
        check_prepared(answers, ["a", "b", "c"])
    for node in stores.nodes:
        with pytest.raises(IntegrityError, match="hold different copies"):
            node.changes.commit(transaction, answers)
        with pytest.raises(IntegrityError, match="another answer than this node gave"):
            node.changes.commit(transaction, consistent(answers))
        assert node.datasets.names() == []
    with pytest.raises(IntegrityError, match="node 3 differs from the other two"):
        check_prepared([*answers[:2], answers[2].model_copy(update={"proposal": "0" * 64})])
    with pytest.raises(IntegrityError, match="node c differs from the other two"):
        check_prepared([*answers[:2], answers[2].model_copy(update={"proposal": "0" * 64})], ["a", "b", "c"])


def consistent(answers: list[Prepared]) -> list[Prepared]:
    """Answers that fit together, and are none that a node gave."""
    lie = [SegmentDigests(segment=piece.segment, own="1" * 64, next="1" * 64) for piece in answers[0].digests]
    return [answer.model_copy(update={"digests": lie}) for answer in answers]


def part_of_chunk(node: OneStore, change: UploadChange, chunk: int) -> bytes:
    data = chunk_file(place(node.folder, f"rows-{change.upload}.0"), chunk).read_bytes()
    return data[: int.from_bytes(data[72:80], "little")]


@pytest.mark.parametrize(
    ("keys", "match"),
    [
        (lambda ids: ids[:-1], "has 65 rows and the upload 64"),
        (lambda ids: [*ids[:-1], "nobody"], "1 keys of dataset patients are not among"),
        (lambda ids: [*ids[:-1], ids[0]], "1 keys of dataset patients are not among"),
    ],
)
def test_columns_need_the_same_keys(quick_stores: ThreeStores, keys: Any, match: str) -> None:
    stores = quick_stores
    stores.upload("patients", patients(65))
    ids = keys(patients(65)["id"])
    rows = {"id": ids, "pulse": np.arange(len(ids)), "treated": np.arange(len(ids)) > 3}
    change = stores.send("patients", rows, schema=MORE, mode="columns", owner=OTHER)
    node = stores.nodes[0]
    with pytest.raises(InputError, match=match):
        node.changes.prepare(secrets.token_hex(16), change)
    assert {name.partition("-")[0] for name in node.places()} == {"rows"}


def test_a_half_made_preparation_is_undone_at_start(quick_stores: ThreeStores, monkeypatch: Any) -> None:
    """As after a kill: the record says that it was being prepared, and files are there."""
    stores = quick_stores
    stores.upload("patients", patients(65))
    rows = {"id": patients(65)["id"], "pulse": np.arange(65), "treated": np.arange(65) > 3}
    change = stores.send("patients", rows, schema=MORE, mode="columns", owner=OTHER)
    node = stores.nodes[1]
    transaction = secrets.token_hex(16)

    class Killed(BaseException):
        pass

    def killed(*_: Any) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(node.changes, "_abort", killed)
        patch.setattr("tercet.store.dataset_changes.Effect.prepared", killed)
        with pytest.raises(Killed):
            node.changes.prepare(transaction, change)
    assert len(node.places()) == 4
    (place(node.folder, f"rows-{change.upload}.0") / ".new-0123").write_bytes(b"half")
    node.restart()
    assert len(node.places()) == 2 and node.changes.changing() == {}
    assert not list(node.folder.glob("parts/*/.new-*"))
    known = node.changes.find(transaction)
    assert known is not None and known.state == "aborted"
    stores.do(change)
    np.testing.assert_array_equal(stores.values("patients", "pulse"), np.arange(65))


def test_a_preparation_that_nobody_is_at_gives_way(quick_stores: ThreeStores, monkeypatch: Any) -> None:
    """The database went away in the middle; the process goes on."""
    stores = quick_stores
    change = stores.send("patients", patients(65))
    node = stores.nodes[0]
    stuck = secrets.token_hex(16)
    with monkeypatch.context() as patch:
        patch.setattr(node.changes, "_abort", lambda *_: None)
        patch.setattr(node.changes, "_plan", lambda _: (_ for _ in ()).throw(NotFound("gone")))
        with pytest.raises(NotFound):
            node.changes.prepare(stuck, change)
    assert node.changes.changing() == {"patients": stuck}
    stores.do(change)
    known = node.changes.find(stuck)
    assert known is not None and known.state == "aborted"


def test_files_of_withdrawn_rows_go_even_after_a_crash(quick_stores: ThreeStores, monkeypatch: Any) -> None:
    stores = quick_stores
    stores.upload("patients", patients(65))
    with monkeypatch.context() as patch:
        patch.setattr("tercet.store.changes.sweep_ended", lambda *_: None)
        stores.withdraw("patients")
    for node in stores.nodes:
        assert len(node.places()) == 1
        node.restart()
        assert node.places() == set()


def test_many_at_once(stores: ThreeStores) -> None:
    """Threads that change other datasets do not disturb each other; the chain stays one."""
    changes = [stores.send(f"d{number}", patients(3)) for number in range(6)]
    failed: list[BaseException] = []

    def run(change: UploadChange) -> None:
        try:
            stores.do(change)
        except BaseException as error:
            failed.append(error)

    threads = [threading.Thread(target=run, args=(change,)) for change in changes]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failed == []
    for node in stores.nodes:
        assert node.datasets.names() == [f"d{number}" for number in range(6)]
        current = {name: node.datasets.get(name) for name in node.datasets.names()}
        assert node.datasets.heads() == {name: (one.version, one.manifest, one.rows) for name, one in current.items()}
        assert [entry.number for entry in node.audit.entries()] == list(range(1, 7))


def test_a_damaged_upload_is_not_committed(quick_stores: ThreeStores) -> None:
    stores = quick_stores
    change = stores.send("patients", patients(65))
    node = stores.nodes[2]
    path = chunk_file(place(node.folder, f"rows-{change.upload}.0"), 1)
    os.truncate(path, path.stat().st_size - 1)
    with pytest.raises(IntegrityError, match=r"00000001\.part of upload .* is damaged"):
        node.changes.prepare(secrets.token_hex(16), change)
    assert [info.chunk for info in node.uploads.chunks(change.upload)] == [0]
    assert node.uploads.info(change.upload).schema == SCHEMA


class Delayed:
    """Stands for `remove_folder`: the first that calls it waits until another thread is done, or for a second."""

    def __init__(self) -> None:
        self.begun, self.others = threading.Event(), threading.Event()

    def __call__(self, folder: Path) -> None:
        if not self.begun.is_set():
            self.begun.set()
            self.others.wait(1)
        remove_folder(folder)

    def run(self, late: Callable[[], Any], other: Callable[[], Any]) -> None:
        """`other` begins when `late` is about to delete its first folder."""
        thread = threading.Thread(target=late)
        thread.start()
        assert self.begun.wait(10)
        try:
            other()
        finally:
            self.others.set()
            thread.join(60)


def test_a_delayed_sweep_leaves_what_was_kept_anew_under_the_name(stores: ThreeStores, monkeypatch: Any) -> None:
    node, late = stores.nodes[0], Delayed()
    handle, kind = written(stores, [1, 2])
    change = keep([{"handle": handle, "name": "sums", "label": write_label(kind)}])
    stores.do(change)
    with monkeypatch.context() as patched:
        patched.setattr(changes, "sweep_ended", lambda *_: None)
        stores.do(DropChange(owner=OWNER, arrays=[handle]))

    def anew() -> None:
        for each in stores.nodes:
            sweep.sweep_ended(each.catalogue, each.folder)
        written(stores, [3, 4], handle)
        stores.do(change)

    with monkeypatch.context() as patched:
        patched.setattr(sweep, "remove_folder", late)
        late.run(lambda: sweep.sweep_ended(node.catalogue, node.folder), anew)
    assert value(stores, "sums").tolist() == [3, 4]


def test_a_delayed_abort_leaves_what_the_next_refresh_wrote(stores: ThreeStores, monkeypatch: Any) -> None:
    node, late = stores.nodes[0], Delayed()
    stores.upload("patients", patients(100))
    transaction, _ = stores.prepare(stores.refreshed("patients"))
    for each in stores.nodes[1:]:
        each.changes.abort(transaction)

    def again() -> None:
        # a node tells of the end of a change when it is free for the next
        node.changes.abort(transaction)
        stores.do(stores.refreshed("patients"))

    with monkeypatch.context() as patched:
        patched.setattr(changes, "remove_folder", late)
        late.run(lambda: node.changes.abort(transaction), again)
    assert stores.values("patients", "age").tolist() == patients(100)["age"].tolist()
