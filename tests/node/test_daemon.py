"""A node as a process: it starts quickly, ends when told to, leaves nothing, and says what hinders it."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from node.trio_nodes import NAMES, Nodes, assert_ok
from tercet.federation.identity import Member
from tercet.policy.template import trial

START_CPU_S = 3.0
"""Processor time until a node serves; wall time says little on a shared machine."""


def cpu_s(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def test_a_node_starts_and_ends(stopped: Nodes) -> None:
    nodes = stopped
    nodes.start("a", fresh=True)
    pid = nodes.processes["a"].pid
    assert cpu_s(pid) < START_CPU_S
    assert nodes.request("a", None, "GET", "/healthz").json() == {"ready": True, "missing": []}
    # alone it is not ready, and says whom it misses
    answer = nodes.request("a", None, "GET", "/readyz")
    assert answer.status_code == 503
    assert nodes.terminate("a") == [0]
    events = [line["event"] for line in nodes.events("a")]
    assert "node serves" in events
    assert events[-1] == "node ended"
    assert not any(line["level"] == "error" for line in nodes.events("a"))


def test_it_is_ready_when_all_three_are(stopped: Nodes) -> None:
    nodes = stopped
    nodes.start()
    for name in NAMES:
        nodes.wait_for(lambda name=name: nodes.request(name, None, "GET", "/readyz").status_code == 200)
    nodes.kill("c")

    def missed() -> bool:
        answer = nodes.request("a", None, "GET", "/readyz")
        return answer.status_code == 503 and "c cannot be reached" in str(answer.json()["missing"])

    nodes.wait_for(missed)
    assert nodes.terminate("a", "b") == [0, 0]


def test_a_request_under_way_is_answered_at_the_end(stopped: Nodes) -> None:
    nodes = stopped
    nodes.start()
    upload = nodes.begin("d")
    nodes.put(upload, [[1, 2]])
    assert_ok(nodes.commit(upload, "d", 1, 2))
    start = time.monotonic()
    assert nodes.terminate() == [0, 0, 0]
    assert time.monotonic() - start < 10
    nodes.start()
    assert nodes.versions("d")[0] is not None


def run(nodes: Nodes, name: str) -> str:
    """Start a node that will not serve; give what it says."""
    with socket.socket() as listener, socket.socket() as lane:
        for one in (listener, lane):
            one.bind(("127.0.0.1", 0))
            one.listen()
        child = Path(__file__).with_name("node_child.py")
        arguments = [str(nodes.folder / name / "node.toml"), str(listener.fileno()), "1", str(lane.fileno())]
        done = subprocess.run(
            [sys.executable, str(child), *arguments],
            pass_fds=[listener.fileno(), lane.fileno()],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=30,
        )
    assert done.returncode != 0
    return done.stderr


def test_an_expired_certificate(stopped: Nodes) -> None:
    nodes = stopped
    # a federation whose node a has let its certificate run out
    old = Member.create("a", valid_for=timedelta(days=1), start=datetime.now(UTC) - timedelta(days=3))
    path = nodes.folder / "a" / "identity.pem"
    path.unlink()
    old.save(path)
    entry = nodes.federation.node(1).model_copy(update={"certificate": old.card.pem()})
    entry = type(entry).model_validate(entry.model_dump())
    changed = nodes.federation.add(entry)
    for name in NAMES:
        changed.save(nodes.folder / name / "federation.toml")
    assert "expired" in run(nodes, "a")
    # the others run, and say that a's has ended
    nodes.start("b", "c")
    found = assert_ok(nodes.request("b", "operator", "GET", "/v1/admin/status")).json()
    assert any("certificate of a ended" in line for line in found["warnings"])
    assert not found["health"]["ready"]


def test_another_identity_than_the_federation_knows(stopped: Nodes) -> None:
    path = stopped.folder / "b" / "identity.pem"
    path.unlink()
    Member.create("b").save(path)
    assert "another certificate for b" in run(stopped, "b")


def test_a_federation_file_that_differs_is_named(stopped: Nodes) -> None:
    nodes = stopped
    entry = nodes.federation.node(2)
    changed = nodes.federation.add(type(entry).model_validate({**entry.model_dump(), "operator": "somebody else"}))
    changed.save(nodes.folder / "b" / "federation.toml")
    nodes.start()

    def seen(name: str, other: str) -> bool:
        missing = nodes.request(name, None, "GET", "/readyz").json()["missing"]
        return f"{other} and {name} have different federation files" in missing

    nodes.wait_for(lambda: seen("a", "b"))
    nodes.wait_for(lambda: seen("b", "a"))
    nodes.wait_for(lambda: seen("b", "c"))
    upload = nodes.begin("d")
    nodes.put(upload, [[1]])
    answer = nodes.commit(upload, "d", 1, 1)
    assert answer.status_code == 409
    assert "different federation files" in answer.json()["message"]
    assert nodes.versions("d") == [None, None, None]


def test_a_policy_is_reloaded_while_the_node_runs(stopped: Nodes) -> None:
    nodes = stopped
    nodes.start("a")
    path = nodes.folder / "a" / "policy.toml"
    before = path.read_text()
    assert nodes.request("a", "nobody", "GET", "/v1/me").status_code == 403
    path.write_text(trial({"somebody": (nodes.people["nobody"].card.fingerprint, ["analyst"])}))
    nodes.wait_for(lambda: nodes.request("a", "nobody", "GET", "/v1/me").status_code == 200)
    assert nodes.request("a", "owner", "GET", "/v1/me").status_code == 403
    # broken: the one before stays, and the node says so
    path.write_text("version = 2\n")
    operator = Member.load(nodes.folder / "a" / "identity.pem")
    told = assert_ok(nodes.request("a", operator, "POST", "/v1/admin/policy/reload")).json()
    assert "version" in told["error"]
    assert nodes.request("a", "nobody", "GET", "/v1/me").status_code == 200
    status = assert_ok(nodes.request("a", operator, "GET", "/v1/admin/status")).json()
    assert any("policy" in line for line in status["warnings"])
    path.write_text(before)
    assert assert_ok(nodes.request("a", operator, "POST", "/v1/admin/policy/reload")).json()["error"] == ""
    entries = assert_ok(nodes.request("a", operator, "GET", "/v1/admin/audit")).json()["entries"]
    assert [entry["kind"] for entry in entries].count("policy") == 3
