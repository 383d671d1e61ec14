"""Nullable columns on their way: broken off and gone on, through a gateway, checked; with every validity bit."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import tercet as tc
from client.stopped_uploads import Broken, breaking
from node.trio_nodes import Nodes as Trio
from tercet.client import orders
from tercet.client.nodes import NodeClient, Nodes
from tercet.client.upload import UploadProgress, upload
from tercet.errors import InputError, Unreachable
from tercet.federation.api import DatasetInfo, DatasetList
from tercet.store.schema import Schema

SCHEMA = Schema.parse(
    {
        "columns": [
            {"name": "age", "kind": "integer", "lo": 3, "hi": 120, "nullable": True},
            {"name": "sex", "kind": "category", "categories": ["f", "m", "x"], "nullable": True},
            {"name": "fee", "kind": "decimal", "lo": -5, "hi": 1000, "digits": 2, "nullable": True},
        ]
    }
)
ROWS, CHUNK = 1000, 128


def frame(seed: int, rows: int = ROWS) -> pd.DataFrame:
    draw = np.random.default_rng(seed)
    found = pd.DataFrame(
        {
            "age": pd.array(draw.integers(3, 120, rows), dtype="Int64"),
            "sex": draw.choice(["f", "m", "x"], rows),
            "fee": np.round(draw.uniform(-5, 1000, rows), 2),
        }
    )
    for column in found.columns:
        found.loc[draw.random(rows) < 0.3, column] = None
    return found


def check(three: Trio, dataset: str, expected: pd.DataFrame) -> None:
    """Counts and sums under sharing are those of the frame; all nodes say that every value was checked."""
    with tc.connect(three.federation, three.people["analyst"], profile="lan") as net:
        sql = f'SELECT COUNT(*), COUNT(age), SUM(age), COUNT(sex), COUNT(fee), SUM(fee) FROM "{dataset}"'
        (row,) = net.query(sql).rows
    e = expected
    assert row[:5] == (len(e), e.age.count(), e.age.sum(), e.sex.count(), e.fee.count())
    assert float(row[5]) == pytest.approx(e.fee.sum(), abs=1e-6)
    with Nodes(three.federation, three.people["owner"]) as nodes:
        infos = nodes.each(lambda node: node.get(f"/v1/datasets/{dataset}", DatasetInfo))
    assert all(segment.checked for info in infos for segment in info.segments)


@pytest.mark.parametrize("via", [None, "b"])
def test_it_goes_on_where_it_stopped(three: Trio, tmp_path: Path, via: str | None) -> None:
    """Also where what goes on is sent through one node, sealed for each."""
    path, name = tmp_path / "rows.csv", f"goes-on-{via or 'all'}"
    frame(1).to_csv(path, index=False)
    with Nodes(three.federation, three.people["owner"], via=via) as nodes:
        with pytest.raises(Broken):
            upload(nodes, path, dataset=name, schema=SCHEMA, chunk_rows=CHUNK, progress=breaking(3))
        seen: list[UploadProgress] = []
        report = upload(nodes, path, dataset=name, schema=SCHEMA, chunk_rows=CHUNK, progress=seen.append)
    assert report.rows == ROWS and seen[-1].resumed >= 2
    check(three, name, frame(1))


def test_a_lost_answer_and_more_rows(three: Trio, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A chunk that arrives and whose answer is lost is sent again; then rows are appended and all is refreshed."""
    original, lost = NodeClient.request, []

    def request(self: NodeClient, method: str, target: str, *args: Any, **more: Any) -> bytes:
        answer = original(self, method, target, *args, **more)
        if method == "PUT" and target.endswith("/2") and not lost:
            lost.append(target)
            raise Unreachable("the answer is lost", hint="ask again")
        return answer

    path = tmp_path / "rows.csv"
    frame(2).to_csv(path, index=False)
    with Nodes(three.federation, three.people["owner"]) as nodes:
        monkeypatch.setattr(NodeClient, "request", request)
        try:
            upload(nodes, path, dataset="lossy", schema=SCHEMA, chunk_rows=CHUNK)
        except Unreachable:
            upload(nodes, path, dataset="lossy", schema=SCHEMA, chunk_rows=CHUNK)
        assert lost
        monkeypatch.undo()
        upload(nodes, frame(3, 77), dataset="lossy", mode="append", chunk_rows=CHUNK)
    both = pd.concat([frame(2), frame(3, 77)])
    check(three, "lossy", both)
    with Nodes(three.federation, three.people["operator"]) as nodes:
        orders.refresh(nodes, "lossy")
    check(three, "lossy", both)


@pytest.mark.parametrize("via", [None, "c"])
def test_what_is_missing_where_nothing_may_be_is_refused(three: Trio, via: str | None) -> None:
    strict = Schema.parse({"columns": [{**SCHEMA.to_dict()["columns"][0], "nullable": False}]})
    with Nodes(three.federation, three.people["owner"], via=via) as nodes:
        with pytest.raises(InputError, match=r"column age, row [0-9]+: the value is missing"):
            upload(nodes, frame(4)[["age"]], dataset="strict", schema=strict)
        lists = nodes.each(lambda node: node.get("/v1/datasets", DatasetList))
        assert all(one.name != "strict" for found in lists for one in found.datasets)
