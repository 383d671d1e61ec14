"""Uploads to three node processes: whole, in chunks, resumed, appended, joined, sealed, withdrawn."""

from __future__ import annotations

import datetime
import io
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.feather
import pytest

import tercet as tc
from client.stopped_uploads import Broken, breaking
from node.trio_nodes import NAMES
from node.trio_nodes import Nodes as Trio
from ragged_uploads import SHAPES, counted, runs
from tercet.client import orders
from tercet.client.nodes import NodeClient, Nodes
from tercet.client.orders import Unsettled
from tercet.client.upload import STATE_SUFFIX, UploadProgress, upload
from tercet.client.upload_notes import UploadNotes
from tercet.errors import InputError, TercetError, Unreachable
from tercet.federation.api import UploadState
from tercet.sharing import Party
from tercet.store.schema import Column, Schema

SCHEMA = Schema(columns=(Column(name="x", kind="integer", lo=0, hi=1 << 40), Column(name="odd", kind="bool")))
ROWS = 1000
CHUNK = 128


@pytest.fixture
def owner(three: Trio) -> Iterator[Nodes]:
    with Nodes(three.federation, three.people["owner"]) as nodes:
        yield nodes


@pytest.fixture
def source(tmp_path: Path) -> Path:
    path = tmp_path / "rows.csv"
    pd.DataFrame({"odd": np.arange(ROWS) % 2, "x": np.arange(ROWS)}).to_csv(path, index=False)
    return path


def totals(three: Trio, dataset: str) -> tuple[int, int]:
    with tc.connect(three.federation, three.people["analyst"], profile="lan") as net:
        table = net.table(dataset)
        x, odd = tc.reveal(table["x"].sum(), table["odd"].sum())
        return int(x), int(odd)


def test_in_chunks_with_progress(three: Trio, owner: Nodes, source: Path) -> None:
    seen: list[UploadProgress] = []
    report = upload(owner, source, dataset="chunks", schema=SCHEMA, chunk_rows=CHUNK, progress=seen.append)
    assert (report.rows, report.dropped, report.values, report.version, report.pending) == (ROWS, 0, 2 * ROWS, 1, ())
    assert [one.rows for one in seen] == [*range(CHUNK, ROWS, CHUNK), ROWS]
    assert seen[-1].fraction == 1.0
    assert report.nbytes == seen[-1].nbytes > 16 * ROWS
    assert totals(three, "chunks") == (sum(range(ROWS)), ROWS // 2)
    assert sorted(source.parent.iterdir()) == [source, source.with_name(source.name + STATE_SUFFIX)]


def test_from_anywhere(three: Trio, owner: Nodes, source: Path, tmp_path: Path) -> None:
    frame = pd.read_csv(source)
    with sqlite3.connect(tmp_path / "t.db") as connection:
        frame.to_sql("t", connection, index=False)
    connection.close()
    feather = io.BytesIO()
    pyarrow.feather.write_feather(pa.Table.from_pandas(frame), feather)
    for number, (what, options) in enumerate(
        [
            (frame, {}),
            (pl.from_pandas(frame), {}),
            (io.BytesIO(source.read_bytes()), {}),
            (io.BytesIO(feather.getvalue()), {}),
            (f"sqlite:///{tmp_path / 't.db'}", {"query": "SELECT * FROM t"}),
        ]
    ):
        upload(owner, what, dataset=f"anywhere-{number}", schema=SCHEMA, **options)
        assert totals(three, f"anywhere-{number}") == (sum(range(ROWS)), ROWS // 2)


def test_a_bad_value_stops_it_and_nothing_stays(owner: Nodes, source: Path) -> None:
    lines = source.read_text().splitlines()
    lines[900] = "1,-5"
    source.write_text("\n".join(lines))
    with pytest.raises(InputError, match=r"column x, row 900: the value is outside the declared bounds \[0, 1\d+\]"):
        upload(owner, source, dataset="bad", schema=SCHEMA, chunk_rows=CHUNK)
    assert not [info for info in orders.datasets(owner) if info.name == "bad"]
    assert not source.with_name(source.name + STATE_SUFFIX).exists()
    with pytest.raises(InputError, match="row 900"):
        upload(owner, source, dataset="bad", schema=SCHEMA, check_first=True)


def test_rows_with_missing_values_are_dropped_on_request(three: Trio, owner: Nodes, source: Path) -> None:
    lines = source.read_text().splitlines()
    lines[10] = "1,"
    lines[900] = ",-5"
    lines[901] = "1,"
    source.write_text("\n".join(lines))
    with pytest.raises(InputError, match="column x, row 10: the value is missing"):
        upload(owner, source, dataset="missing", schema=SCHEMA)
    report = upload(owner, source, dataset="missing", schema=SCHEMA, missing="drop", chunk_rows=CHUNK)
    assert (report.rows, report.dropped) == (ROWS - 3, 3)
    assert totals(three, "missing")[0] == sum(range(ROWS)) - 9 - 899 - 900
    lines[950] = "1,-5"
    source.write_text("\n".join(lines))
    with pytest.raises(InputError, match="column x, row 950"):
        upload(owner, source, dataset="missing-2", schema=SCHEMA, missing="drop", chunk_rows=CHUNK)


def sent_chunks(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int]]:
    """(node, chunk) of every chunk that is sent from now on."""
    sent: list[tuple[str, int]] = []
    original = NodeClient.request

    def request(self: NodeClient, method: str, target: str, *args: Any, **more: Any) -> bytes:
        if method == "PUT":
            sent.append((self.name, int(target.rpartition("/")[2])))
        return original(self, method, target, *args, **more)

    monkeypatch.setattr(NodeClient, "request", request)
    return sent


def test_it_goes_on_where_it_stopped(three: Trio, owner: Nodes, source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(Broken):
        upload(owner, source, dataset="resumed", schema=SCHEMA, chunk_rows=CHUNK, progress=breaking(4))
    state = source.with_name(source.name + STATE_SUFFIX)
    assert state.exists()
    identifier = state.read_text().partition('"upload":"')[2][:32]
    states = owner.each(lambda node: node.get(f"/v1/uploads/{identifier}", UploadState))
    there = set.intersection(*({number for number, part in one.parts.items()} for one in states))
    assert there >= {0, 1, 2, 3}
    sent = sent_chunks(monkeypatch)
    seen: list[UploadProgress] = []
    report = upload(owner, source, dataset="resumed", schema=SCHEMA, chunk_rows=CHUNK, progress=seen.append)
    assert report.upload == identifier
    assert sorted(sent) == sorted((name, number) for name in NAMES for number in set(range(8)) - there)
    assert seen[-1].resumed == len(there)
    assert report.rows == ROWS
    assert totals(three, "resumed") == (sum(range(ROWS)), ROWS // 2)
    assert '"unfinished":null' in state.read_text()


def test_the_same_rows_are_not_added_twice_unnoticed(three: Trio, owner: Nodes, source: Path) -> None:
    first = upload(owner, source, dataset="twice", schema=SCHEMA)
    assert first.remembered
    with pytest.raises(
        InputError, match=rf"is in twice already: 1,000 rows, uploaded 20.* as upload {first.upload}"
    ) as no:
        upload(owner, source, dataset="twice", mode="append", chunk_rows=CHUNK)
    assert "--again" in no.value.hint and "again=True" in no.value.hint
    source.touch()
    with pytest.raises(InputError, match="already"):
        upload(owner, source, dataset="twice", schema=SCHEMA)
    assert orders.dataset(owner, "twice").rows == ROWS
    upload(owner, source, dataset="twice-2", schema=SCHEMA)
    with pytest.raises(InputError, match="is in twice already"):
        upload(owner, source, dataset="twice", mode="append")
    second = upload(owner, source, dataset="twice", mode="append", again=True)
    assert totals(three, "twice") == (2 * sum(range(ROWS)), ROWS)
    with pytest.raises(InputError, match=second.upload):
        upload(owner, source, dataset="twice", mode="append")
    orders.withdraw(owner, "twice", upload=second.upload)
    with pytest.raises(InputError, match=first.upload):
        upload(owner, source, dataset="twice", mode="append")
    with source.open("a") as file:
        file.write("1,5001\n")
    assert upload(owner, source, dataset="twice", mode="append").rows == ROWS + 1


def test_rows_that_were_taken_back_may_come_again(three: Trio, owner: Nodes, source: Path) -> None:
    first = upload(owner, source, dataset="back", schema=SCHEMA)
    orders.withdraw(owner, "back", upload=first.upload)
    upload(owner, source, dataset="back", schema=SCHEMA)
    assert totals(three, "back") == (sum(range(ROWS)), ROWS // 2)
    with Nodes(three.federation, three.people["operator"]) as operator:
        orders.refresh(operator, "back")
    with pytest.raises(InputError, match="already"):
        upload(owner, source, dataset="back", mode="append")


def test_a_session_remembers_frames_and_no_streams(three: Trio, source: Path) -> None:
    frame = pd.read_csv(source)
    with tc.connect(three.federation, three.people["owner"]) as net:
        assert net.upload(frame, dataset="frames", schema=SCHEMA).remembered
        with pytest.raises(InputError, match="the pandas DataFrame is in frames already"):
            net.upload(frame.copy(), dataset="frames", mode="append")
        frame.loc[3, "x"] = 9
        net.upload(frame, dataset="frames", mode="append")
        net.upload(frame, dataset="frames", mode="append", again=True)
        assert not net.upload(io.BytesIO(source.read_bytes()), dataset="frames", mode="append").remembered
        assert net.table("frames").shape[0] == 4 * ROWS
    assert list(source.parent.iterdir()) == [source]


def test_notes_that_cannot_be_read_or_written(owner: Nodes, source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    state = source.with_name(source.name + STATE_SUFFIX)
    state.write_text("{")
    assert upload(owner, source, dataset="notes", schema=SCHEMA).remembered
    assert '"finished":[{' in state.read_text()
    assert state.stat().st_mode & 0o077 == 0
    monkeypatch.setattr("os.access", lambda *_: False)
    assert not upload(owner, source, dataset="notes", mode="append").remembered


def test_a_chunk_of_two_splits_is_sent_again_to_all(
    three: Trio, owner: Nodes, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One node had received a chunk of the next attempt when that broke off: its part fits no other's."""
    with pytest.raises(Broken):
        upload(owner, source, dataset="mixed", schema=SCHEMA, chunk_rows=CHUNK, progress=breaking(2))
    original = NodeClient.request
    sent: list[tuple[str, int]] = []

    def request(self: NodeClient, method: str, target: str, *args: Any, **more: Any) -> bytes:
        if method == "PUT" and self.name == "b":
            raise Unreachable("the cable is cut", party=2)
        return original(self, method, target, *args, **more)

    state = source.with_name(source.name + STATE_SUFFIX)
    kept = state.read_bytes()
    identifier = state.read_text().partition('"upload":"')[2][:32]
    monkeypatch.setattr(NodeClient, "request", request)
    with pytest.raises(Unreachable, match="cable") as cut:
        upload(owner, source, dataset="mixed", schema=SCHEMA, chunk_rows=CHUNK)
    assert "goes on where this one stopped" in "".join(cut.value.__notes__)
    assert state.read_bytes() == kept
    monkeypatch.setattr(NodeClient, "request", original)
    first, *others = (one.parts for one in owner.each(lambda n: n.get(f"/v1/uploads/{identifier}", UploadState)))
    whole = {number for number, part in first.items() if all(other.get(number) == part for other in others)}
    assert set(first) > whole
    sent = sent_chunks(monkeypatch)
    upload(owner, source, dataset="mixed", schema=SCHEMA, chunk_rows=CHUNK)
    assert sorted(sent) == sorted((name, number) for name in NAMES for number in set(range(8)) - whole)
    assert totals(three, "mixed") == (sum(range(ROWS)), ROWS // 2)


def test_one_that_the_nodes_have_given_up_begins_anew(three: Trio, owner: Nodes, source: Path) -> None:
    with pytest.raises(Broken):
        upload(owner, source, dataset="expired", schema=SCHEMA, chunk_rows=CHUNK, progress=breaking(4))
    identifier = source.with_name(source.name + STATE_SUFFIX).read_text().partition('"upload":"')[2][:32]
    owner[Party.P2].request("DELETE", f"/v1/uploads/{identifier}")
    report = upload(owner, source, dataset="expired", schema=SCHEMA, chunk_rows=CHUNK)
    assert report.upload != identifier
    assert totals(three, "expired") == (sum(range(ROWS)), ROWS // 2)


def test_another_file_is_another_upload(three: Trio, owner: Nodes, source: Path) -> None:
    with pytest.raises(Broken):
        upload(owner, source, dataset="changed", schema=SCHEMA, chunk_rows=CHUNK, progress=breaking(4))
    with source.open("a") as file:
        file.write("1,5001\n")
    upload(owner, source, dataset="changed", schema=SCHEMA, chunk_rows=CHUNK)
    assert totals(three, "changed") == (sum(range(ROWS)) + 5001, ROWS // 2 + 1)


def test_the_answer_to_the_commit_is_lost(
    three: Trio, owner: Nodes, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was carried out: calling again finds out, and nothing is there twice."""
    original = NodeClient.ask

    def ask(self: NodeClient, method: str, target: str, *args: Any, **more: Any) -> tuple[int, bytes]:
        answer = original(self, method, target, *args, **more)
        if target.endswith("/commit"):
            raise Unreachable("the line went dead", party=1)
        return answer

    monkeypatch.setattr(NodeClient, "ask", ask)
    monkeypatch.setattr(orders, "PAUSE_S", 0.01)
    with pytest.raises(Unsettled, match="not known: the line went dead"):
        upload(owner, source, dataset="lost", schema=SCHEMA)
    monkeypatch.setattr(NodeClient, "ask", original)
    # the dataset is there by now, so who asks again may well say append
    report = upload(owner, source, dataset="lost", schema=SCHEMA, mode="append")
    assert (report.version, report.rows) == (1, ROWS)
    assert totals(three, "lost") == (sum(range(ROWS)), ROWS // 2)


def test_a_commit_that_is_still_being_given_up_is_waited_for(
    owner: Nodes, source: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    original, begun = NodeClient.post, []

    def post(self: NodeClient, target: str, body: Any, kind: Any, **more: Any) -> Any:
        found = original(self, target, body, kind, **more)
        if target == "/v1/uploads":
            begun.append(self.name)
            if begun.count("b") < 3 and self.name == "b":
                return found.model_copy(update={"state": "prepared"})
        return found

    monkeypatch.setattr(NodeClient, "post", post)
    assert upload(owner, source, dataset="given-up", schema=SCHEMA).rows == ROWS
    assert begun.count("b") == 3


def test_several_owners_append(three: Trio, owner: Nodes, source: Path) -> None:
    upload(owner, source, dataset="shared", schema=SCHEMA)
    with Nodes(three.federation, three.people["owner2"]) as second:
        report = upload(second, source, dataset="shared", mode="append")
        assert (report.version, report.rows) == (2, ROWS)
        assert totals(three, "shared") == (2 * sum(range(ROWS)), ROWS)
        info = orders.dataset(owner, "shared")
        assert sorted(info.owners) == ["owner", "owner2"]
        orders.withdraw(second, "shared")
    assert totals(three, "shared") == (sum(range(ROWS)), ROWS // 2)
    other = Schema(columns=(Column(name="x", kind="integer", lo=0, hi=9), Column(name="odd", kind="bool")))
    with pytest.raises(InputError):
        upload(owner, source, dataset="shared", schema=other, mode="append")
    with pytest.raises(TercetError):
        upload(owner, source, dataset="shared", schema=SCHEMA)


def test_columns_of_the_same_rows_are_joined_by_the_key(three: Trio, owner: Nodes) -> None:
    keys = [f"p{i}" for i in range(200)]
    first = pd.DataFrame({"id": keys, "x": range(200)})
    second = pd.DataFrame({"id": keys[::-1], "y": range(200)})
    key = Column(name="id", kind="key", key="text")
    one = Schema(columns=(key, Column(name="x", kind="integer", lo=0, hi=1000)))
    two = Schema(columns=(key, Column(name="y", kind="integer", lo=0, hi=1000)))
    upload(owner, first, dataset="joined", schema=one)
    with Nodes(three.federation, three.people["owner2"]) as other:
        memory = UploadNotes()
        upload(other, second, dataset="joined", schema=two, mode="columns", memory=memory)
        with pytest.raises(InputError, match="is in joined already: columns of 200 rows"):
            upload(other, second, dataset="joined", schema=two, mode="columns", memory=memory)
    with tc.connect(three.federation, three.people["analyst"], profile="lan") as net:
        table = net.table("joined")
        assert (table["x"] * table["y"]).sum().reveal() == sum(i * (199 - i) for i in range(200))
        assert (table["x"] + table["y"] == 199).sum().reveal() == 200
        with pytest.raises(InputError, match="public key"):
            table["id"]


def test_through_one_node_each_part_sealed(three: Trio, source: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Nodes(three.federation, three.people["owner"], via="b") as nodes:
        upload(nodes, source, dataset="sealed", schema=SCHEMA, chunk_rows=512)
        assert orders.dataset(nodes, "sealed").rows == ROWS
    assert totals(three, "sealed") == (sum(range(ROWS)), ROWS // 2)


def test_receipts(three: Trio, owner: Nodes, source: Path) -> None:
    upload(owner, source, dataset="asked", schema=SCHEMA)
    assert orders.receipts(owner, "asked") == []
    totals(three, "asked")
    with tc.connect(three.federation, three.people["analyst"], profile="lan", purpose="a look") as net:
        net.table("asked")["x"].mean().reveal()
    first, second = orders.receipts(owner, "asked")
    assert first.nodes == second.nodes == NAMES
    assert sorted(first.receipt.columns) == ["odd", "x"]
    assert (second.receipt.columns, second.receipt.purpose, second.receipt.numbers) == (["x"], "a look", 1)
    assert second.receipt.analyst_name == "analyst"


def test_nothing_to_upload(owner: Nodes) -> None:
    with pytest.raises(InputError, match="no rows"):
        upload(owner, {"x": np.empty(0, np.int64), "odd": np.empty(0, bool)}, dataset="empty", schema=SCHEMA)
    with pytest.raises(InputError, match="a schema is needed"):
        upload(owner, {"x": [1], "odd": [True]}, dataset="empty")
    with pytest.raises(InputError, match="mode is 'replace'"):
        upload(owner, {"x": [1], "odd": [True]}, dataset="empty", schema=SCHEMA, mode="replace")  # type: ignore
    with pytest.raises(InputError, match="has no column 'odd'"):
        upload(owner, {"x": [1]}, dataset="empty", schema=SCHEMA)


def test_every_kind_of_column(three: Trio, owner: Nodes) -> None:
    rows = 300
    draw = np.random.default_rng(3)
    frame = pd.DataFrame(
        {
            "flag": draw.integers(0, 2, rows).astype(bool),
            "count": draw.integers(-5, 5, rows),
            "wide": [str((1 << 90) + i) for i in range(rows)],
            "ratio": draw.random(rows),
            "colour": draw.choice(["red", "green"], rows),
            "day": [datetime.date(2020, 1, 1) + datetime.timedelta(int(i)) for i in draw.integers(0, 100, rows)],
        }
    )
    schema = Schema.parse(
        {
            "columns": [
                {"name": "flag", "kind": "bool"},
                {"name": "count", "kind": "integer", "lo": -5, "hi": 5},
                {"name": "wide", "kind": "integer", "lo": 0, "hi": 1 << 100},
                {"name": "ratio", "kind": "decimal", "lo": 0, "hi": 1, "frac_bits": 30},
                {"name": "colour", "kind": "category", "categories": ["red", "green"]},
                {"name": "day", "kind": "date", "lo": "2020-01-01", "hi": "2020-12-31"},
            ]
        }
    )
    upload(owner, frame, dataset="kinds", schema=schema, chunk_rows=64)
    with tc.connect(three.federation, three.people["analyst"], profile="lan") as net:
        table = net.table("kinds")
        found = tc.reveal(
            table["flag"].sum(),
            table["count"].sum(),
            table["wide"].sum(),
            table["ratio"].sum(),
            (table["colour"] == "green").sum(),
            (table["day"] < datetime.date(2020, 2, 1)).sum(),
        )
    assert found[0] == frame.flag.sum()
    assert found[1] == frame["count"].sum()
    assert int(found[2]) == sum((1 << 90) + i for i in range(rows))
    assert found[3] == pytest.approx(frame.ratio.sum(), rel=1e-7)
    assert found[4] == (frame.colour == "green").sum()
    assert found[5] == (frame.day < datetime.date(2020, 2, 1)).sum()


@pytest.mark.parametrize("name", ["my patients", "", "patients/north", "Müller", "-x", "a" * 65])
def test_a_name_that_no_dataset_can_have_is_refused_before_anything_is_sent(
    owner: Nodes, source: Path, name: str
) -> None:
    with pytest.raises(InputError, match="no name for a dataset"):
        upload(owner, source, dataset=name, schema=SCHEMA)
    assert not source.with_name(source.name + STATE_SUFFIX).exists()


def test_ragged_files_end_with_an_error_that_names_the_line(three: Trio, tmp_path: Path) -> None:
    count, wrong = counted(runs(three.federation, three.folder / "owner.pem", tmp_path, len(SHAPES)))
    assert not wrong and len(count) == len(SHAPES)
