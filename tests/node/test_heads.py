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
from node.trio_nodes import NAMES, Nodes, assert_ok, trio
from node.zygote import Zygote
from tercet.errors import Unreachable
from tercet.federation.api_jobs import Decision
from tercet.federation.api_peer import JobNews, SignedHead
from tercet.node.daemon import Node
from tercet.node.jobs.state import Job, QueuedState, assign
from tercet.node.settings import NodeSettings
from tercet.node.worker.lanes import Reservations
from tercet.sharing import Party
from tercet.store.audit import JOB_KIND, Entry, cross_check
from tercet.store.jobs import JobRow

VALUES = list(range(1, 11))


@pytest.fixture(scope="module")
def nodes(tmp_path_factory: pytest.TempPathFactory, zygote: Zygote) -> Iterator[Nodes]:
    """Node c lies while there is a file `lie` in its folder."""
    with trio(tmp_path_factory.mktemp("heads"), zygote=zygote, odd={"c": "head=lie"}) as made:
        made.upload("d", [VALUES])
        yield made


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
    assert Asked(nodes, "d").sent().result() == sum(VALUES)  # it has ended at all three
    assert_ok(waiting.send("c")["c"])
    assert waiting.result() == sum(VALUES)


# -- words that overtake each other, at nodes that do not run

JOB, BUNDLE = "1" * 32, "2" * 64
DECISION = Decision(node="c", verdict="accepted", rule="r", reasons=[])


def of(nodes: Nodes, name: str) -> Node:
    return Node(NodeSettings.load(nodes.folder / name / "node.toml"))


def test_the_head_that_goes_with_a_job_covers_its_entry_also_when_it_is_asked_for_meanwhile(
    stopped: Nodes, monkeypatch: pytest.MonkeyPatch
) -> None:
    node = of(stopped, "c")
    try:
        taken: list[int] = []

        def just_now(job: str) -> JobRow:
            """The transaction in which the job is taken in ends while the coordinator's question is answered."""
            taken.append(node.context.store.audit.record(JOB_KIND, {"job": job}).number)
            now = time.time()
            return JobRow(job, BUNDLE, "3" * 64, "queued", now, now, None, None, now, DECISION.model_dump(), {})

        monkeypatch.setattr(node.context.store.jobs, "get", just_now)
        news = node.rooms.jobs.news.of(JOB)
        assert news.state == "queued" and news.head.number == taken[0]
    finally:
        node.stop()


def news(number: int, state: str | None, *, started: float = 1.0) -> JobNews:
    head = SignedHead(node="c", number=number, hash="4" * 64, time=2.0, started=started, signature="s")
    return JobNews(bundle=BUNDLE if state else None, state=state, head=head)  # type: ignore[arg-type]


def queued(node: Node) -> Job:
    """A job that waits in memory only."""
    now, work = time.time(), node.rooms.jobs.plans.stored(None)
    return Job(JOB, BUNDLE, "3" * 64, now, 2e9, DECISION, QueuedState(), work)


def test_what_a_node_said_before_does_not_replace_what_it_said_since(stopped: Nodes) -> None:
    node = of(stopped, "a")
    try:
        dispatcher = node.rooms.jobs.dispatcher
        heard, c = dispatcher.heard, Party.P3
        for early in (True, False):
            if not early:
                node.rooms.jobs.ledger.adopt(queued(node))
            # each pair: what comes, and what counts then
            for told, counts in (
                (news(194, None), news(194, None)),
                (news(195, "queued"), news(195, "queued")),
                (news(194, None), news(195, "queued")),  # the answer to a question of before
                (news(194, "queued"), news(195, "queued")),
                (news(196, "queued"), news(196, "queued")),
                (news(197, "running"), news(197, "running")),
                (news(197, "finished"), news(197, "finished")),
                (news(197, "running"), news(197, "finished")),
                (news(198, "done"), news(198, "done")),
                (news(197, "finished"), news(198, "done")),
                (news(12, None, started=9.0), news(12, None, started=9.0)),  # restored, it has forgotten
            ):
                heard(c, JOB, told)
                found = dispatcher.heard_of(JOB)[c]
                assert found == counts, (early, told, found)
    finally:
        node.stop()


def test_no_node_is_accused_of_an_old_head_because_it_does_not_answer_for_a_moment(
    stopped: Nodes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its newest head was passed on with another job, and the one that came with this job is older."""
    node = of(stopped, "a")
    try:
        dispatcher = node.rooms.jobs.dispatcher
        node.rooms.jobs.ledger.adopt(queued(node))
        for party in node.rooms.peers.others:
            dispatcher.heard(party, JOB, news(190, "queued"))
            dispatcher._passed[party] = 195
        asked: list[str] = []

        def away(party: Party, method: str, path: str, *_: Any, **__: Any) -> Any:
            asked.append(path)
            raise Unreachable("c cannot be reached: it starts", party=party)

        def ended(*_: Any, **__: Any) -> None:
            raise AssertionError("the job is ended")

        monkeypatch.setattr(node.rooms.peers, "ask", away)
        monkeypatch.setattr(node.rooms.jobs.ends, "end", ended)
        dispatcher._reservations = Reservations(1)
        lane = dispatcher._reservations.take_now(JOB, [])
        assert lane is not None
        dispatcher._start(node.rooms.jobs.ledger.change(JOB, lambda job: assign(job, lane, "5" * 64)), lane, "5" * 64)
        now = node.rooms.jobs.ledger.get(JOB)
        assert now is not None and isinstance(now.state, QueuedState)  # it is looked at again
        assert asked == [f"/peer/jobs/{JOB}/prepare"]
        assert not list(node.context.store.audit.of_kind("head refused")) and not dispatcher._reservations.running()
    finally:
        node.stop()
