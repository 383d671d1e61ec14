"""Backup while a node works, restore into nothing, damaged backups, and nodes that do not fit any more."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from tercet.errors import ConfigError, IntegrityError, StorageError
from tercet.store.backup import backup, restore
from tercet.store.catalogue import RESTORED, Catalogue
from three_stores import ThreeStores, damages, patients, restored


def fill(stores: ThreeStores) -> None:
    stores.upload("patients", patients(100))
    stores.upload("others", patients(10))
    stores.do(stores.refreshed("others"))
    for node in stores.nodes:
        with node.catalogue.write() as connection:
            node.jobs.add(
                connection, job="1" * 32, hash="2" * 64, analyst="3" * 64, bundle=b"\0\xff", state="done", decision={}
            )  # fmt: skip
            for number in range(3):
                node.jobs.add_receipt(
                    connection, job=f"{number:032x}", dataset="patients", version=1, analyst="3" * 64, outcome="done",
                    details={},
                )  # fmt: skip


def test_what_is_signed_after_a_restore_is_dated_after_it(stores: ThreeStores, tmp_path: Path) -> None:
    """Orders and jobs say in whole seconds when they were signed: no node runs in the second of its restore."""
    fill(stores)
    lost = stores.nodes[1]
    backup(lost.catalogue, lost.folder, tmp_path / "backup")
    again = restored(lost, tmp_path / "backup", f"sqlite:///{tmp_path / 'again.db'}", tmp_path / "again")
    assert int(time.time()) >= float(again.catalogue.fact(RESTORED) or 2e9)


@pytest.mark.parametrize("into", ["sqlite", "postgresql"])
def test_a_node_comes_back(stores: ThreeStores, into: str, new_url: Callable[[str, str], str], tmp_path: Path) -> None:
    """Also into the other kind of database."""
    fill(stores)
    lost = stores.nodes[1]
    made = backup(lost.catalogue, lost.folder, tmp_path / "backup", extra={"policy.toml": b"version = 1\n"})
    assert made.files == 3 and made.versions["datasets"]["patients"]["rows"] == 100
    assert (tmp_path / "backup" / "extra" / "policy.toml").read_bytes() == b"version = 1\n"
    again = restored(lost, tmp_path / "backup", new_url(into, "again"), tmp_path / "again")
    stores.nodes[1] = again
    first, *others = [node.versions() for node in stores.nodes]
    assert others == [first, first]
    assert stores.values("patients", "age").tolist() == patients(100)["age"].tolist()
    assert again.jobs.bundle("1" * 32) == b"\0\xff" and float(again.catalogue.fact(RESTORED) or 0) > 1e9
    kinds = [entry.kind for entry in again.audit.entries()]
    assert kinds == [*(entry.kind for entry in lost.audit.entries()), "restore"]
    again.restart()
    assert [entry.kind for entry in again.audit.entries()] == kinds
    # and it goes on working, with numbers that nobody had
    stores.upload("patients", patients(5, 100), mode="append")
    assert stores.values("patients", "age", 98, 103).tolist() == patients(103)["age"][98:].tolist()
    with again.catalogue.write() as connection:
        again.jobs.add_receipt(
            connection, job="9" * 32, dataset="patients", version=1, analyst="3" * 64, outcome="done", details={}
        )
    assert [receipt.number for receipt in again.jobs.receipts("patients")] == [1, 2, 3, 4]
    lost.close()
    again.close()


def test_an_old_backup_does_not_fit_and_says_so(quick_stores: ThreeStores, tmp_path: Path) -> None:
    stores = quick_stores
    fill(stores)
    node = stores.nodes[0]
    backup(node.catalogue, node.folder, tmp_path / "backup")
    stores.upload("patients", patients(5, 100), mode="append")
    stores.withdraw("others")
    old = restored(node, tmp_path / "backup", f"sqlite:///{tmp_path}/old.sqlite", tmp_path / "old")
    before, now = old.versions()["datasets"], stores.nodes[1].versions()["datasets"]
    assert now == stores.nodes[2].versions()["datasets"] and before.keys() - now.keys() == {"others"}
    assert [found["patients"]["version"] for found in (before, now)] == [1, 2]
    old.close()


def test_no_secret_but_shares(quick_stores: ThreeStores, tmp_path: Path) -> None:
    fill(quick_stores)
    node = quick_stores.nodes[0]
    backup(node.catalogue, node.folder, tmp_path / "backup")
    everything = b"".join(path.read_bytes() for path in (tmp_path / "backup").rglob("*") if path.is_file())
    assert node.member.identity.key not in everything and b"PRIVATE KEY" not in everything
    assert all(path.stat().st_mode & 0o077 == 0 for path in (tmp_path / "backup").rglob("*"))


def test_links_and_copies(quick_stores: ThreeStores, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A later change of the node changes no backup."""
    stores = quick_stores
    fill(stores)
    node = stores.nodes[0]
    backup(node.catalogue, node.folder, tmp_path / "linked")
    monkeypatch.setattr(os, "link", lambda *_: (_ for _ in ()).throw(OSError("no links here")))
    backup(node.catalogue, node.folder, tmp_path / "copied")
    stores.withdraw("patients")
    stores.withdraw("others")
    for name in ("linked", "copied"):
        again = restored(node, tmp_path / name, f"sqlite:///{tmp_path}/{name}.sqlite", tmp_path / f"{name} again")
        assert damages(again.datasets.get("patients")) == [] and again.datasets.get("patients").rows == 100
        again.close()


def test_what_is_there_is_not_overwritten(quick_stores: ThreeStores, tmp_path: Path) -> None:
    fill(quick_stores)
    node = quick_stores.nodes[0]
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").write_text("mine")
    with pytest.raises(ConfigError, match="there is something at"):
        backup(node.catalogue, node.folder, tmp_path / "full")
    (tmp_path / "empty").mkdir()
    backup(node.catalogue, node.folder, tmp_path / "empty")
    with pytest.raises(ConfigError, match="there are share files"):
        restore(tmp_path / "empty", node.catalogue, node.folder)
    with pytest.raises(ConfigError, match="there is something in the catalogue"):
        restore(tmp_path / "empty", node.catalogue, tmp_path / "new")
    assert not list((tmp_path / "new").rglob("*.part"))
    assert quick_stores.values("patients", "age").tolist() == patients(100)["age"].tolist()
    with pytest.raises(ConfigError, match="is no backup"):
        restore(tmp_path / "full", node.catalogue, tmp_path / "new")


@pytest.mark.parametrize("what", ["catalogue.jsonl", "manifest.json", "00000000.part", "missing", "swapped"])
def test_damaged_backups(quick_stores: ThreeStores, tmp_path: Path, what: str) -> None:
    stores = quick_stores
    fill(stores)
    node = stores.nodes[0]
    backup(node.catalogue, node.folder, tmp_path / "backup")
    files = sorted((tmp_path / "backup").rglob("*.part"))
    for path in files:  # own copies, since links are the node's own files
        body = path.read_bytes()
        path.unlink()
        path.write_bytes(body)
    if what == "missing":
        files[0].unlink()
    elif what == "swapped":
        first, second = files[0].read_bytes(), files[1].read_bytes()
        files[0].write_bytes(second)
        files[1].write_bytes(first)
    else:
        path = next((tmp_path / "backup").rglob(what))
        body = bytearray(path.read_bytes())
        body[len(body) // 2] ^= 1
        path.write_bytes(body)
    catalogue = Catalogue(f"sqlite:///{tmp_path}/again.sqlite")
    with pytest.raises(IntegrityError, match="damaged"):
        restore(tmp_path / "backup", catalogue, tmp_path / "again")
    assert not list((tmp_path / "again").rglob("*.part"))
    with catalogue.read() as connection:
        assert connection.exec_driver_sql("SELECT count(*) FROM datasets").scalar() == 0 if catalogue.form() else True
    catalogue.close()


def test_data_that_change_meanwhile(quick_stores: ThreeStores, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows are withdrawn between the copy of the catalogue and that of the files: the copy is of a later moment."""
    stores = quick_stores
    fill(stores)
    node = stores.nodes[0]
    link = os.link
    done: list[int] = []

    def linked(source: Path, target: Path) -> None:
        if not done:
            done.append(1)
            stores.withdraw("others")
        link(source, target)

    monkeypatch.setattr(os, "link", linked)
    made = backup(node.catalogue, node.folder, tmp_path / "backup")
    assert list(made.versions["datasets"]) == ["patients"]
    restored(node, tmp_path / "backup", f"sqlite:///{tmp_path}/a.sqlite", tmp_path / "again").close()
    monkeypatch.setattr(os, "link", lambda *_: (_ for _ in ()).throw(FileNotFoundError()))
    with pytest.raises(StorageError, match="at another time"):
        backup(node.catalogue, node.folder, tmp_path / "never")
    assert list((tmp_path / "never").iterdir()) == []


def test_a_prepared_change_survives(quick_stores: ThreeStores, tmp_path: Path) -> None:
    """A node that is restored may have to commit what it had prepared."""
    stores = quick_stores
    change = stores.send("patients", patients(65))
    transaction, answers = stores.prepare(change)
    node = stores.nodes[2]
    backup(node.catalogue, node.folder, tmp_path / "backup")
    again = restored(node, tmp_path / "backup", f"sqlite:///{tmp_path}/a.sqlite", tmp_path / "again")
    assert [doubt.transaction for doubt in again.changes.in_doubt()] == [transaction]
    stores.nodes[2] = again
    for one in stores.nodes:
        one.changes.commit(transaction, answers)
    np.testing.assert_array_equal(stores.values("patients", "age"), patients(65)["age"])
    again.close()


def test_the_manifest_is_for_people_too(quick_stores: ThreeStores, tmp_path: Path) -> None:
    fill(quick_stores)
    node = quick_stores.nodes[0]
    made = backup(node.catalogue, node.folder, tmp_path / "backup", clock=lambda: 0.0)
    manifest = json.loads((tmp_path / "backup" / "manifest.json").read_bytes())
    assert manifest["format"] == 1 and made.created == "1970-01-01 00:00:00 UTC"
    assert made.bytes == sum(path.stat().st_size for path in (tmp_path / "backup").rglob("*.part"))
