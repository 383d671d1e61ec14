"""Catalogues of form 0002, in which kept arrays, models and what has gone had tables of their own.

`backup_0002` is a backup of one node that the code of that form wrote: a dataset of which rows were withdrawn after a
refresh, a kept array, a model, a temporary array, and an array and a model that went with the rows.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import MetaData, insert, select

from tercet.errors import Gone, NotFound
from tercet.sharing import PARTIES
from tercet.store.backup import backup, restore, versions
from tercet.store.catalogue import Catalogue
from tercet.store.files import Verified
from tercet.store.kept import Kept
from tercet.store.kept_files import read_kept
from tercet.store.sweep import sweep
from tercet.store.tables import SEGMENTS
from three_stores import OWNER, OneStore

BACKUP = Path(__file__).parent / "backup_0002"
MANIFEST = json.loads((BACKUP / "manifest.json").read_text())


def rows(table: str) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in (BACKUP / "catalogue.jsonl").read_text().splitlines()]
    return [line["row"] for line in lines if line["table"] == table]


def check(catalogue: Catalogue, folder: Path) -> None:
    """All that was kept is there as it was, and what has gone says why."""
    with catalogue.read() as connection:
        assert versions(connection) == MANIFEST["versions"]
    kept = Kept(catalogue, folder, PARTIES[0])
    before = {row["handle"]: row for row in rows("kept")}
    assert {array.handle for one in kept.results() for array in one.arrays} == set(before)
    for handle, row in before.items():
        info = kept.get(handle)
        assert (info.name or None, info.model or None, info.owner, info.job) == (
            row["name"],
            row["model"],
            row["owner"],
            row["job"],
        )
        assert (info.generation, info.created, info.expires) == (row["generation"], row["created"], row["expires"])
        assert list(info.digests) == json.loads(row["digests"]) and info.disclosure == json.loads(row["disclosure"])
        assert info.describe()["label"] == row["label"] and info.terms is None
        assert read_kept(folder, PARTIES[0], info.describe(), verified=Verified()) is not None
    assert kept.get("ages").handle == kept.get(kept.get("ages").handle).handle
    model = kept.result("risk")
    assert kept.results()[0] == model and [one.model is None for one in kept.results()] == [False, True, True]
    assert [array.name for array in model.arrays] == ["risk/coef", "risk/flags"]
    assert (model.name, model.owner, model.model) == ("risk", OWNER, {"class": "LinearRegression"})
    assert kept.holds("risk") and kept.holds("ages") and not kept.holds("both") and not kept.holds("lost")
    assert {info.handle for info in kept.resting_on("patients")} == {h for h, row in before.items() if row["name"]}
    for name, what in (("both", "the kept array both"), ("lost/coef", "the model lost"), ("lost", "the model lost")):
        with pytest.raises(Gone, match=f"{what} is gone: data of patients that it was made of were withdrawn"):
            kept.get(name)
    with pytest.raises(NotFound, match="nothing is kept"):
        kept.get("dropped")


def test_a_backup_from_before_is_restored(kind: str, new_url: Callable[[str, str], str], tmp_path: Path) -> None:
    assert MANIFEST["form"] == "0002" and len(rows("gone")) == 2 and len(rows("kept")) == 4
    catalogue = Catalogue(new_url(kind, "restored"))
    try:
        restore(BACKUP, catalogue, tmp_path / "store")
        check(catalogue, tmp_path / "store")
        # what is kept lasts through a start and a backup of today's form
        sweep(catalogue, tmp_path / "store")
        backup(catalogue, tmp_path / "store", tmp_path / "again")
        check(catalogue, tmp_path / "store")
    finally:
        catalogue.close()


def test_a_catalogue_from_before_is_brought_over(kind: str, new_url: Callable[[str, str], str], tmp_path: Path) -> None:
    url = new_url(kind, "upgraded")
    catalogue = Catalogue(url)
    catalogue.upgrade("0002")
    tables = MetaData()
    with catalogue.write() as connection:
        tables.reflect(connection)
        for name in ("facts", "schemas", "datasets", "versions", "segments", "kept", "gone", "models"):
            if values := rows(name):
                connection.execute(insert(tables.tables[name]), values)
    catalogue.close()
    (tmp_path / "store").mkdir()
    (tmp_path / "store" / "parts").symlink_to(BACKUP / "parts")
    node = OneStore(PARTIES[0], url, tmp_path / "store")
    try:
        check(node.catalogue, node.folder)
        with node.catalogue.read() as connection:
            segments = connection.execute(select(SEGMENTS)).all()
        assert {row.segment for row in segments} == {
            *(row["segment"] for row in rows("segments")),
            *(row["handle"] for row in rows("kept")),
        }
        assert len(segments) == len(rows("segments")) + len(rows("kept"))
    finally:
        node.close()


def test_a_catalogue_without_anything_kept(kind: str, new_url: Callable[[str, str], str]) -> None:
    catalogue = Catalogue(new_url(kind, "empty"))
    try:
        catalogue.upgrade("0001")
        catalogue.upgrade()
        with catalogue.read() as connection:
            assert versions(connection) == {"datasets": {}, "kept": {}}
    finally:
        catalogue.close()
