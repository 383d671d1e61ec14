"""Jobs that go wrong at one of three nodes: each names the node, nothing waits for ever, and the next job works."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from node.jobs_at_nodes import Asked, long_chain
from node.trio_nodes import NAMES, Nodes, assert_ok, everybody, make
from tercet.federation.api_jobs import JobInfo
from tercet.federation.identity import Member

TIMEOUT_S = 2
VALUES = list(range(1, 11))


def policy(people: dict[str, Member]) -> str:
    """Jobs on `free` run; node c changes the rule of the others."""
    text = everybody(people)
    text += '[[owners]]\npeople = ["*"]\ndatasets = ["*"]\nmay = ["create", "append", "withdraw", "drop", "refresh"]\n'
    for name in ("free", "held", "refused", "wide"):
        text += f'[[rules]]\nname = "{name}"\nanalysts = ["*"]\ndatasets = ["{name}"]\nmin_rows = 5\nkeep = true\n'
    return text


@pytest.fixture(scope="module")
def nodes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nodes]:
    made = make(tmp_path_factory.mktemp("faulty"), policy)
    try:
        for name in NAMES:
            made.set(name, "worker", str(TIMEOUT_S))
            made.set(name, "queued_jobs", "3")
        made.set("c", "job_memory_bytes", str(64 << 20))
        at_c = made.folder / "c" / "policy.toml"
        text = at_c.read_text().replace('datasets = ["held"]\n', 'datasets = ["held"]\nhold = true\n')
        at_c.write_text(text.replace('datasets = ["refused"]\nmin_rows = 5', 'datasets = ["refused"]\nmin_rows = 100'))
        made.start()
        for dataset in ("free", "held", "refused"):
            made.upload(dataset, [VALUES])
        made.upload("wide", [list(range(4000))])
        yield made
    finally:
        made.close()


def workers(nodes: Nodes, name: str) -> list[int]:
    """The worker processes of a node: children of the process that forks them."""
    found = set()
    for _ in range(10):  # a list of children is not complete while others come and go (proc(5))
        for server in children(nodes.processes[name].pid):
            for pid in children(server):
                with suppress(FileNotFoundError, ProcessLookupError):  # it has ended meanwhile
                    if Path(f"/proc/{pid}/comm").read_text().startswith("tercet lane"):
                        found.add(pid)
    return sorted(found)


def children(parent: int) -> set[int]:
    """The processes that any thread of this one has started."""
    found = set()
    with suppress(FileNotFoundError, ProcessLookupError):
        for task in Path(f"/proc/{parent}/task").iterdir():
            found |= {int(pid) for pid in (task / "children").read_text().split()}
    return found


def works_again(nodes: Nodes) -> bool:
    return bool(Asked(nodes, "free").sent().result() == sum(VALUES))


def check_blamed(found: dict[str, JobInfo], name: str) -> None:
    for info in found.values():
        assert info.state == "failed" and info.error is not None
        assert info.error.node == name or name in info.error.message.split(), info.error


@pytest.mark.parametrize("victim", ["a", "b"])
def test_a_worker_that_is_killed(nodes: Nodes, victim: str) -> None:
    asked = Asked(nodes, "free", long_chain).sent()
    asked.runs(victim)
    time.sleep(0.3)
    for pid in workers(nodes, victim):
        os.kill(pid, signal.SIGKILL)
    began = time.monotonic()
    check_blamed(asked.ends(), victim)
    assert time.monotonic() - began < 20
    assert works_again(nodes)


def test_a_worker_that_stands_still(nodes: Nodes) -> None:
    asked = Asked(nodes, "free", long_chain).sent()
    asked.runs("b")
    time.sleep(0.3)
    stopped = workers(nodes, "b")
    for pid in stopped:
        os.kill(pid, signal.SIGSTOP)
    began = time.monotonic()
    try:
        found = asked.ends()
        took = time.monotonic() - began
    finally:
        for pid in set(workers(nodes, "b")) & set(stopped):
            os.kill(pid, signal.SIGCONT)  # that of the other lane
    check_blamed(found, "b")
    assert {info.error.error for info in found.values() if info.error is not None} == {"timeout"}
    assert took < TIMEOUT_S + 10
    assert works_again(nodes)


def alive(pid: int) -> bool:
    """Whether a process is there and has not ended; one that nobody has waited for yet has."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def test_a_node_that_is_killed_and_comes_back(nodes: Nodes) -> None:
    asked = Asked(nodes, "free", long_chain).sent()
    asked.runs("b")
    time.sleep(0.3)
    theirs = workers(nodes, "b")
    nodes.kill("b")
    check_blamed({name: asked.end(name) for name in ("a", "c")}, "b")
    try:
        nodes.wait_for(lambda: not any(alive(pid) for pid in theirs))
    finally:
        nodes.start("b")
    info = asked.end("b")
    assert info.state == "failed" and info.error is not None and info.error.error == "interrupted"
    assert not list((nodes.folder / "b" / "store" / "results").glob(asked.job))
    assert works_again(nodes)


def test_nobody_cancels_what_is_becoming_visible(nodes: Nodes) -> None:
    nodes.kill("c")
    nodes.start("c", stop_at=("prepared", 1))
    asked = Asked(nodes, "free", lambda x: x.sum(), keep="too-late").sent()
    cancel = f"/v1/jobs/{asked.job}/cancel"

    def prepared() -> bool:
        return Path(f"/proc/{nodes.processes['c'].pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"

    nodes.wait_for(prepared)
    try:
        for name in ("a", "b"):
            answer = nodes.request(name, "analyst", "POST", cancel)
            assert answer.status_code == 409 and "is becoming visible" in answer.json()["message"], answer.text
            assert asked.info(name).state == "running"
    finally:
        os.kill(nodes.processes["c"].pid, signal.SIGCONT)
    assert {info.state for info in asked.ends().values()} == {"done"}
    # afterwards it is over, as ever
    assert assert_ok(nodes.request("a", "analyst", "POST", cancel)).json()["state"] == "done"
    assert works_again(nodes)


@pytest.mark.parametrize("step", ["all prepared", "decided", "job settled"])
def test_a_coordinator_that_is_killed_while_a_result_becomes_visible(nodes: Nodes, step: str) -> None:
    """The others ask again, long before the job's deadline, and all three say the same of what is kept."""
    nodes.kill("a")
    nodes.start("a", die_at=(step, 1))
    name = f"killed-{step.replace(' ', '-')}"
    asked = Asked(nodes, "free", lambda x: x.sum(), keep=name, seconds=3600).sent()
    nodes.processes["a"].wait(20)
    nodes.kill("a")
    nodes.start("a")
    states = {info.state for info in asked.ends().values()}
    assert states == {"done" if step == "job settled" else "failed"}
    kept = {one: nodes.request(one, "analyst", "GET", f"/v1/kept/{name}").status_code for one in NAMES}
    assert set(kept.values()) == {404 if step == "all prepared" else 200}, kept
    assert works_again(nodes)


def test_idle_workers_that_end_are_replaced(nodes: Nodes) -> None:
    before = set(workers(nodes, "c"))
    for pid in before:
        os.kill(pid, signal.SIGKILL)
    assert works_again(nodes)
    nodes.wait_for(lambda: len(workers(nodes, "c")) == 2 and not before & set(workers(nodes, "c")))


def test_a_refusal_at_one_node_ends_it_at_all(nodes: Nodes) -> None:
    asked = Asked(nodes, "refused")
    answers = asked.send()
    assert answers["c"].status_code == 403 and answers["c"].json()["rule"]
    assert_ok(answers["a"])
    for info in asked.ends().values():
        assert info.state == "refused"
    error = asked.info("a").error
    assert error is not None and error.node == "c"


def test_a_held_job_is_approved(nodes: Nodes) -> None:
    asked = Asked(nodes, "held").sent()
    assert asked.info("c").state == "held" and asked.info("c").decision.verdict == "held"
    nodes.wait_for(lambda: asked.info("a").waiting_for == ["c"])
    path = f"/v1/admin/jobs/{asked.job}"
    assert nodes.request("c", "analyst", "POST", path + "/approve", json={"reason": ""}).status_code == 403
    assert nodes.request("a", "operator", "POST", path + "/approve", json={"reason": ""}).status_code == 409
    assert_ok(nodes.request("c", "operator", "POST", path + "/approve", json={"reason": "the board agreed"}))
    assert asked.result() == sum(VALUES)
    assert "the board agreed" in asked.info("c").decision.reasons[-1]
    assert nodes.request("c", "operator", "POST", path + "/deny", json={"reason": ""}).status_code == 409


def test_a_held_job_is_denied(nodes: Nodes) -> None:
    asked = Asked(nodes, "held").sent()
    path = f"/v1/admin/jobs/{asked.job}/deny"
    assert_ok(nodes.request("c", "operator", "POST", path, json={"reason": "too small a purpose"}))
    for info in asked.ends().values():
        assert info.state == "refused" and info.error is not None
        assert info.error.node == "c" and "too small a purpose" in info.error.message


def test_what_waits_survives_restarts(nodes: Nodes) -> None:
    asked = Asked(nodes, "held").sent()
    nodes.kill("a")
    nodes.terminate("c")
    nodes.start("a", "c")
    assert asked.info("c").state == "held" and asked.info("a").state == "queued"
    assert_ok(nodes.request("c", "operator", "POST", f"/v1/admin/jobs/{asked.job}/approve", json={"reason": ""}))
    assert asked.result() == sum(VALUES)


def test_a_full_queue(nodes: Nodes) -> None:
    held = [Asked(nodes, "held").sent() for _ in range(3)]
    more = Asked(nodes, "held")
    for answer in more.send().values():
        assert answer.status_code == 429 and "queue" in answer.json()["message"]
    for asked in held:
        assert_ok(nodes.request("b", "analyst", "POST", f"/v1/jobs/{asked.job}/cancel"))
        assert {info.state for info in asked.ends().values()} == {"cancelled"}
    assert works_again(nodes)


def test_a_job_that_needs_too_much_memory_at_one_node(nodes: Nodes) -> None:
    asked = Asked(nodes, "wide", lambda x: (x[:, None] < x[None, :]).sum())
    answers = asked.send()
    assert answers["c"].status_code == 422
    body = answers["c"].json()
    assert body["node"] == "c" and "bytes of memory" in body["message"] and "job_memory_bytes" in body["hint"]
    nodes.request("a", "analyst", "POST", f"/v1/jobs/{asked.job}/cancel")
    assert works_again(nodes)
