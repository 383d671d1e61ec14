"""Data that is visible and that nobody has checked: checked at the first job or by an operator, else as policy says."""

from __future__ import annotations

import hashlib
import json
import sqlite3
from pathlib import Path

import pytest

from node.jobs_at_nodes import Asked
from node.trio_nodes import NAMES, Nodes, assert_ok
from tercet.federation.api import DatasetInfo
from tercet.federation.api_admin import CheckReport
from tercet.store.schema import Schema


def unstamp(nodes: Nodes, dataset: str, hi: int | None = None) -> None:
    """As if the nodes, which do not run, had the dataset from before checks; with `hi`, under a narrower schema."""
    for name in NAMES:
        with sqlite3.connect(nodes.folder / name / "store" / "catalogue.sqlite") as database:
            database.execute("UPDATE segments SET checked = '' WHERE dataset = ?", (dataset,))
            if hi is not None:
                (before,) = database.execute("SELECT schema FROM versions WHERE dataset = ?", (dataset,)).fetchone()
                (text,) = database.execute("SELECT text FROM schemas WHERE digest = ?", (before,)).fetchone()
                described = json.loads(text)
                described["columns"][0]["hi"] = hi
                schema = Schema.parse(described)
                database.execute(
                    "INSERT INTO schemas (digest, text) VALUES (?, ?)", (schema.digest, schema.canonical().decode())
                )
                database.execute("UPDATE versions SET schema = ? WHERE dataset = ?", (schema.digest, dataset))


def says(nodes: Nodes, word: str) -> None:
    for name in NAMES:
        path: Path = nodes.folder / name / "policy.toml"
        text = path.read_text()
        kept = [line for line in text.splitlines() if not line.startswith("unchecked")]
        if "[limits]" not in kept:
            kept.append("[limits]")
        kept.insert(kept.index("[limits]") + 1, f'unchecked = "{word}"')
        path.write_text("\n".join(kept) + "\n")


def info(nodes: Nodes, dataset: str, name: str = "b") -> DatasetInfo:
    return DatasetInfo.model_validate(assert_ok(nodes.request(name, "owner", "GET", f"/v1/datasets/{dataset}")).json())


def checked(nodes: Nodes, dataset: str) -> bool:
    return all(segment.checked for name in NAMES for segment in info(nodes, dataset, name).segments)


def order(nodes: Nodes, dataset: str) -> CheckReport:
    answer = nodes.request("a", "operator", "POST", f"/v1/admin/datasets/{dataset}/check")
    return CheckReport.model_validate(assert_ok(answer).json())


def test_what_nobody_has_checked(stopped: Nodes) -> None:
    nodes = stopped
    nodes.start()
    for dataset in ("first", "second", "third"):
        nodes.upload(dataset, [[1, 2, 3, 0, 0, 0]])
    nodes.upload("second", [[4]], "owner2", "append")
    nodes.upload("bad", [[1, 1, 1, 1, 1, 2**39]])
    assert checked(nodes, "first")
    assert order(nodes, "first") == CheckReport(dataset="first", version=1)
    nodes.terminate(*NAMES)
    for dataset in ("first", "second", "third"):
        unstamp(nodes, dataset)
    unstamp(nodes, "bad", 2**30)
    nodes.start()
    assert not any(checked(nodes, dataset) for dataset in ("first", "second", "third", "bad"))

    # at the first job, whose version stays what it was
    asked = Asked(nodes, "first").sent()
    assert asked.result() == 6
    # what it rests on was found before it started
    assert {(end.grounds["first"].checked, end.grounds["first"].unchecked) for end in asked.ends().values()} == {(1, 0)}
    assert checked(nodes, "first") and [one and one[0] for one in nodes.versions("first")] == [2] * 3
    assert Asked(nodes, "first").sent().result() == 6
    for name in NAMES:
        entries = assert_ok(nodes.request(name, "operator", "GET", "/v1/admin/audit?limit=1000")).json()["entries"]
        (entry,) = [one for one in entries if one["kind"] == "check"]
        assert entry["details"]["dataset"] == "first" and len(entry["details"]["checked"]) == 1

    # by an operator; each upload has a bit of its own
    found = order(nodes, "second")
    assert found.failed == [] and len(found.passed) == 2 and checked(nodes, "second")
    answer = nodes.request("b", "operator", "POST", "/v1/admin/datasets/third/check")
    assert answer.status_code == 409 and "a, which coordinates" in answer.json()["message"]

    # what does not pass is named, and no job reads it
    upload = info(nodes, "bad").segments[0].upload
    ends = Asked(nodes, "bad").sent().ends()
    assert {end.state for end in ends.values()} == {"refused"}, {name: end.error for name, end in ends.items()}
    assert any(f"upload {upload[:8]} of dataset bad: some value is outside" in str(end.error) for end in ends.values())
    assert order(nodes, "bad").failed == [upload]
    status = nodes.request("c", "operator", "GET", "/v1/admin/status").json()
    assert any(upload[:8] in warning for warning in status["warnings"])
    assert not info(nodes, "bad").segments[0].checked

    # unless the policy says so: then it is taken, and stays marked
    says(nodes, "allow")
    nodes.wait_for(lambda: in_force(nodes))
    asked = Asked(nodes, "bad").sent()
    assert asked.result() is not None
    for end in asked.ends().values():
        told = end.grounds["bad"]
        assert (told.checked, told.unchecked, told.claimed) == (0, 1, 1)
        assert "nobody has checked the values of 1 upload" in list(told.words())
        assert told.brief().startswith("1 upload that nobody has checked, claimed bounds")
    assert not info(nodes, "bad").segments[0].checked

    says(nodes, "refuse")
    nodes.wait_for(lambda: in_force(nodes))
    for answer in Asked(nodes, "third").send().values():
        assert answer.status_code == 403 and "this node takes checked ones only" in answer.json()["message"]
    assert order(nodes, "third").failed == []
    assert Asked(nodes, "third").sent().result() == 6


def in_force(nodes: Nodes) -> bool:
    """Whether every node has read its policy file."""
    return all(
        assert_ok(nodes.request(name, "operator", "GET", "/v1/admin/status")).json()["policy"]["digest"]
        == hashlib.sha256((nodes.folder / name / "policy.toml").read_bytes()).hexdigest()
        for name in NAMES
    )


@pytest.mark.parametrize("step", ["check durable", "prepared"])
def test_a_node_that_dies_meanwhile_leaves_nothing_half(stopped: Nodes, step: str) -> None:
    nodes = stopped
    nodes.start()
    nodes.upload("old", [[1, 2, 3]])
    nodes.terminate(*NAMES)
    unstamp(nodes, "old")
    nodes.start("a", "c")
    nodes.start("b", die_at=(step, 1))
    nodes.wait_for(lambda: nodes.request("a", None, "GET", "/readyz").status_code == 200)
    answer = nodes.request("a", "operator", "POST", "/v1/admin/datasets/old/check")
    assert answer.status_code >= 400
    nodes.died("b")
    nodes.start("b")

    def done() -> bool:
        return nodes.request("a", "operator", "POST", "/v1/admin/datasets/old/check").status_code == 200

    nodes.wait_for(done, 40.0)
    nodes.wait_for(lambda: checked(nodes, "old"))
    assert len(set(nodes.versions("old"))) == 1
