"""Validity bits and stamps of checks in a store's life: appended, joined, refreshed, backed up, restored."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tercet.store.backup import backup
from tercet.store.schema import Schema
from tercet.store.stamps import stamp_of
from tercet.store.tables import SEGMENTS
from three_stores import OTHER, ThreeStores, restored

SCHEMA = Schema.parse(
    {
        "columns": [
            {"name": "id", "kind": "key", "key": "integer"},
            {"name": "age", "kind": "integer", "lo": 3, "hi": 120, "nullable": True},
            {"name": "fee", "kind": "decimal", "lo": -5, "hi": 1000, "digits": 2, "nullable": True},
            {"name": "smoker", "kind": "bool", "nullable": True},
            {"name": "big", "kind": "integer", "lo": 0, "hi": 2**80, "nullable": True},
        ]
    }
)
LATER = Schema.parse(
    {
        "columns": [
            {"name": "id", "kind": "key", "key": "integer"},
            {"name": "pulse", "kind": "integer", "lo": 20, "hi": 300, "nullable": True},
        ]
    }
)


def rows(count: int, seed: int, first: int = 0) -> dict[str, Any]:
    """As clients encode them: where a value is missing, the least that may be there."""
    draw = np.random.default_rng(seed)
    there = {name: draw.random(count) < 0.7 for name in ("age", "fee", "smoker", "big")}
    return {
        "id": np.arange(first, first + count),
        "age": np.where(there["age"], draw.integers(3, 120, count), 3),
        "age?": there["age"],
        "fee": np.where(there["fee"], draw.integers(-500, 100_000, count), -500),
        "fee?": there["fee"],
        "smoker": draw.integers(0, 2, count).astype(bool) & there["smoker"],
        "smoker?": there["smoker"],
        "big": [
            int(value) << 40 if known else 0
            for value, known in zip(draw.integers(0, 2**39, count), there["big"], strict=True)
        ],
        "big?": there["big"],
    }


class Life:
    """A dataset of three uploads: rows, more rows of another owner, further columns in another order of the rows."""

    def __init__(self, stores: ThreeStores) -> None:
        self.stores = stores
        first, second = rows(150, 1), rows(70, 2, 150)
        stores.upload("visits", first, schema=SCHEMA)
        stores.upload("visits", second, schema=SCHEMA, mode="append", owner=OTHER)
        draw = np.random.default_rng(3)
        order, known, pulse = draw.permutation(220), draw.random(220) < 0.5, draw.integers(20, 300, 220)
        pulse = np.where(known, pulse, 20)
        more = {"id": order, "pulse": pulse[order], "pulse?": known[order]}
        stores.upload("visits", more, schema=LATER, mode="columns", owner=OTHER)
        self.expected = {name: np.concatenate([first[name], second[name]]).tolist() for name in first if name != "id"}
        self.expected |= {"pulse": pulse.tolist(), "pulse?": known.tolist()}

    def check(self, unchecked: int = 0) -> None:
        """All values and validity bits, at rows of every chunk; and who has checked what."""
        for name, values in self.expected.items():
            for start, stop in ((0, 220), (60, 70), (149, 151), (219, 220)):
                found = self.stores.values("visits", name, start, stop).tolist()
                assert found == values[start:stop], name
        for version in self.stores.versions("visits"):
            assert len(version.unchecked) == unchecked
            for segment in version.segments:
                if not unchecked:
                    assert segment.checked == stamp_of(segment.upload, version.schema, segment.columns)


def test_through_a_life_and_a_restore(quick_stores: ThreeStores, tmp_path: Path) -> None:
    stores = quick_stores
    life = Life(stores)
    life.check()
    stores.do(stores.refreshed("visits"))
    life.check()
    lost = stores.nodes[2]
    backup(lost.catalogue, lost.folder, tmp_path / "backup")
    stores.nodes[2] = restored(lost, tmp_path / "backup", f"sqlite:///{tmp_path}/again.sqlite", tmp_path / "again")
    first, *others = [node.versions() for node in stores.nodes]
    assert others == [first, first]
    life.check()
    # and it goes on: refreshed, and without the rows of one owner
    stores.do(stores.refreshed("visits"))
    life.check()
    stores.withdraw("visits", OTHER)
    assert stores.versions("visits")[0].rows == 150
    for name in ("age", "age?", "smoker", "smoker?"):
        assert stores.values("visits", name).tolist() == life.expected[name][:150]
    lost.close()


def test_a_backup_says_what_was_checked_then(quick_stores: ThreeStores, tmp_path: Path) -> None:
    """What nobody had checked when it was made is unchecked after it, whatever was checked since."""
    stores = quick_stores
    life = Life(stores)
    for node in stores.nodes:
        with node.catalogue.write() as connection:
            connection.execute(SEGMENTS.update().values(checked=""))
    life.check(unchecked=4)
    lost = stores.nodes[1]
    backup(lost.catalogue, lost.folder, tmp_path / "backup")
    stores.nodes[1] = restored(lost, tmp_path / "backup", f"sqlite:///{tmp_path}/again.sqlite", tmp_path / "again")
    life.check(unchecked=4)
    lost.close()


@pytest.mark.parametrize("name", ["age?", "smoker?"])
def test_a_resumed_upload_has_the_bits_of_the_chunks_that_came_twice(quick_stores: ThreeStores, name: str) -> None:
    stores = quick_stores
    upload = "7" * 32
    data = rows(150, 9)
    stores.send("twice", data, schema=SCHEMA, upload=upload)
    # all nodes have all chunks; the owner sends them again, as after an answer that was lost
    stores.do(stores.send("twice", data, schema=SCHEMA, upload=upload))
    assert stores.values("twice", name).tolist() == data[name].tolist()
