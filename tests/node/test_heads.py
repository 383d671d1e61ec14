"""Audit heads rise from job to job: a node that shows an old one is found by the others, at once and offline."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from commands_of_cli import tercet
from node.jobs_at_nodes import Asked
from node.test_jobs import audit
from node.trio_nodes import NAMES, Nodes, assert_ok, make
from node.zygote import Zygote
from tercet.store.audit import Entry
from tercet.store.audit_check import cross_check

VALUES = list(range(1, 11))
ODD_CHILD = Path(__file__).parent.parent / "faults" / "odd_child.py"


@pytest.fixture(scope="module")
def nodes(tmp_path_factory: pytest.TempPathFactory, zygote: Zygote) -> Iterator[Nodes]:
    """Node c lies while there is a file `lie` in its folder."""
    made = make(tmp_path_factory.mktemp("heads"), zygote=zygote)
    made.children["c"] = [str(ODD_CHILD), "head=lie"]
    try:
        made.start()
        made.upload("d", [VALUES])
        yield made
    finally:
        made.close()


def entries(nodes: Nodes, name: str, kind: str) -> list[dict[str, Any]]:
    return [entry for entry in audit(nodes, name) if entry["kind"] == kind]


def checked(nodes: Nodes) -> list[str]:
    """What the three audits say of each other, offline."""
    return cross_check(
        [
            (
                [nodes.federation.node(nodes.federation.party(name)).card],
                [Entry.model_validate(entry) for entry in audit(nodes, name)],
            )
            for name in NAMES
        ]
    )


def test_heads_rise_when_many_jobs_run_at_once(nodes: Nodes) -> None:
    with ThreadPoolExecutor(6) as pool:
        ran = [pool.submit(lambda: Asked(nodes, "d").sent().result() == sum(VALUES)) for _ in range(12)]
        assert all(one.result() for one in ran)
    for name in NAMES:
        numbers: dict[str, list[int]] = {}
        for entry in entries(nodes, name, "head"):
            numbers.setdefault(entry["details"]["node"], []).append(entry["details"]["number"])
        assert len(numbers) == 2 and all(found == sorted(found) for found in numbers.values())
        assert not entries(nodes, name, "head refused")
    assert checked(nodes) == []


def test_a_node_that_shows_an_old_head_runs_no_job(nodes: Nodes, tmp_path: Path) -> None:
    assert Asked(nodes, "d").sent().result() == sum(VALUES)
    lie = nodes.folder / "c" / "lie"
    lie.touch()
    asked = Asked(nodes, "d").sent()
    for info in asked.ends().values():
        assert info.state == "failed" and info.error is not None and info.error.error == "integrity"
        assert "c shows entry 1 as the newest of its audit" in info.error.message
    (told,) = entries(nodes, "a", "head refused")
    assert told["details"]["job"] == asked.job and "an old head" in told["details"]["reason"]
    assert 1 in [head["number"] for head in told["details"]["heads"] if head["node"] == "c"]
    # what was refused is no defect of any chain
    assert checked(nodes) == []

    # an operator who was told that c was restored lets it come back; what is hidden is still found offline
    assert nodes.request("b", "operator", "POST", "/v1/admin/nodes/b/accept-head", json={}).status_code == 404
    for name in ("a", "b"):
        said = tercet("node", "accept-head", "c", "--reason", "restored", "--node", nodes.folder / name / "node.toml")
        assert "c is taken" in said.stdout
    assert Asked(nodes, "d").sent().result() == sum(VALUES)
    lie.unlink()
    assert Asked(nodes, "d").sent().result() == sum(VALUES)
    found = checked(nodes)
    assert len(found) == 2 and all(line.startswith("c: it took job") and "an old head" in line for line in found)
    (accepted,) = entries(nodes, "a", "head accepted")
    assert accepted["details"]["node"] == "c" and accepted["details"]["reason"] == "restored"


def test_the_coordinator_asks_anew_where_a_later_job_has_started_sooner(nodes: Nodes) -> None:
    """The first job waits for its third node while another runs: the head that came with it is old by then."""
    waiting = Asked(nodes, "d")
    waiting.send("a", "b")
    nodes.wait_for(lambda: waiting.info("a").waiting_for == ["c"])
    assert Asked(nodes, "d").sent().result() == sum(VALUES)
    time.sleep(0.1)
    assert_ok(waiting.send("c")["c"])
    assert waiting.result() == sum(VALUES)
