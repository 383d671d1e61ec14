"""Changes at three real processes: visible everywhere or nowhere, whoever dies when."""

from __future__ import annotations

import os
import shutil
import signal

import httpx
import pytest

from node.trio_nodes import NAMES, Nodes, assert_ok, parts
from tercet.federation.api import ChangeOutcome
from tercet.federation.model import fresh_id
from tercet.federation.orders import CommitUpload, Withdraw
from tercet.store.part import Part


def same(nodes: Nodes, dataset: str) -> tuple[int, str, int] | None:
    """The version of a dataset, which all three have."""
    found = nodes.versions(dataset)
    assert len(set(found)) == 1, found
    return found[0]


def test_an_upload_becomes_visible_at_all_three(nodes: Nodes) -> None:
    outcome = nodes.upload("visible", [list(range(64)), [7, 8]])
    assert (outcome.state, outcome.pending, outcome.rows) == ("committed", [], 66)
    found = same(nodes, "visible")
    assert found is not None
    assert found[2] == 66


def test_nothing_is_visible_before_the_commit(nodes: Nodes) -> None:
    upload = nodes.begin("before")
    nodes.put(upload, [[1, 2]])
    assert same(nodes, "before") is None


def test_append_by_another_owner_then_withdraw(nodes: Nodes) -> None:
    nodes.upload("shared", [[1, 2, 3]])
    nodes.upload("shared", [[4, 5]], "owner2", "append")
    found = same(nodes, "shared")
    assert found is not None
    assert found[2] == 5
    order = nodes.order("owner2", Withdraw(dataset="shared"))
    gone = assert_ok(nodes.request("a", "owner2", "POST", "/v1/withdrawals", json=order))
    assert gone.json()["state"] == "committed"
    left = same(nodes, "shared")
    assert left is not None
    assert left[2] == 3
    assert left[0] > found[0]


def test_the_same_order_again_gives_the_same_outcome(nodes: Nodes) -> None:
    upload = nodes.begin("again")
    nodes.put(upload, [[1]])
    order = nodes.order("owner", CommitUpload(upload=upload, dataset="again", chunks=1, rows=1))
    target = f"/v1/uploads/{upload}/commit"
    answers = [assert_ok(nodes.request("a", "owner", "POST", target, json=order)).json() for _ in range(3)]
    assert answers[0] == answers[1] == answers[2]
    known = assert_ok(nodes.request("a", "owner", "GET", f"/v1/transactions/{answers[0]['transaction']}"))
    assert known.json() == answers[0]
    assert nodes.request("a", "owner2", "GET", f"/v1/transactions/{answers[0]['transaction']}").status_code == 404


def test_changes_are_ordered_at_the_coordinator(nodes: Nodes) -> None:
    upload = nodes.begin("elsewhere")
    nodes.put(upload, [[1]])
    order = nodes.order("owner", CommitUpload(upload=upload, dataset="elsewhere", chunks=1, rows=1))
    answer = nodes.request("b", "owner", "POST", f"/v1/uploads/{upload}/commit", json=order)
    assert answer.status_code == 409
    assert "a" in answer.json()["message"]


def test_an_order_is_its_signer_s_own(nodes: Nodes) -> None:
    upload = nodes.begin("theirs")
    nodes.put(upload, [[1]])
    action = CommitUpload(upload=upload, dataset="theirs", chunks=1, rows=1)
    target = f"/v1/uploads/{upload}/commit"
    # signed by the owner, sent by another
    assert nodes.request("a", "owner2", "POST", target, json=nodes.order("owner", action)).status_code == 403
    # another's upload
    assert nodes.request("a", "owner2", "POST", target, json=nodes.order("owner2", action)).status_code == 404
    # signed by whom nobody knows
    assert nodes.request("a", "nobody", "POST", target, json=nodes.order("nobody", action)).status_code == 403
    # about another upload than the path says
    other = nodes.order("owner", action)
    assert nodes.request("a", "owner", "POST", f"/v1/uploads/{fresh_id()}/commit", json=other).status_code == 422
    assert same(nodes, "theirs") is None


def test_an_upload_that_lacks_a_chunk_anywhere_is_committed_nowhere(nodes: Nodes) -> None:
    for lacking in NAMES:
        dataset = f"lacking-{lacking}"
        upload = nodes.begin(dataset)
        for name, part in zip(NAMES, parts(upload, 0, [1, 2]), strict=True):
            if name != lacking:
                target = f"/v1/uploads/{upload}/chunks/0"
                assert_ok(nodes.request(name, "owner", "PUT", target, content=part))
        answer = nodes.commit(upload, dataset, 1, 2)
        assert 400 <= answer.status_code < 500, answer.text
        assert same(nodes, dataset) is None
        # what was missing is sent, once all three know that it was given up, and a new order goes through
        nodes.put(upload, [[1, 2]])
        assert_ok(nodes.commit(upload, dataset, 1, 2))
        assert same(nodes, dataset) is not None


@pytest.mark.parametrize("odd", NAMES)
def test_nodes_that_were_given_different_things_are_named(nodes: Nodes, odd: str) -> None:
    """One owner, or their broken client, sends one node a part of another splitting under the same name."""
    dataset = f"differing-{odd}"
    upload = nodes.begin(dataset)
    one, other = parts(upload, 0, [1, 2, 3]), parts(upload, 0, [1, 2, 4])
    at = NAMES.index(odd)
    start, length = part_id(other[at])
    forged = other[at][:start] + one[at][start : start + length] + other[at][start + length :]
    for name, part in zip(NAMES, one, strict=True):
        content = forged if name == odd else part
        assert_ok(nodes.request(name, "owner", "PUT", f"/v1/uploads/{upload}/chunks/0", content=content))
    answer = nodes.commit(upload, dataset, 1, 3)
    assert answer.status_code == 409, answer.text
    assert answer.json()["error"] == "integrity"
    assert odd in answer.json()["message"]
    assert same(nodes, dataset) is None


def part_id(part: bytes) -> tuple[int, int]:
    """Where in a part the name of its splitting stands."""
    found = Part.decode(part).header.part
    return part.index(found), len(found)


# -- deaths


COORDINATOR = [
    ("begun", False),
    ("prepared here", False),
    ("all prepared", False),
    ("check begins", False),
    ("check handed over", False),
    ("checked here", False),
    ("check durable", False),
    ("checked everywhere", False),
    ("commit", False),
    ("committed", True),
    ("decided", True),
    ("told", True),
]
OTHERS = [
    ("prepare", False),
    ("prepared", False),
    ("check handed over", False),
    ("checked here", False),
    ("check durable", False),
    ("commit", True),
    ("committed", True),
]


@pytest.fixture
def mortal(dying: Nodes) -> Nodes:
    """Three nodes of which one may be killed; what an earlier test left dead runs again."""
    if gone := [name for name in NAMES if name not in dying.processes]:
        dying.start(*gone)
    return dying


@pytest.mark.parametrize(("step", "committed"), COORDINATOR)
def test_the_coordinator_dies(mortal: Nodes, step: str, committed: bool) -> None:
    nodes, dataset = mortal, f"a-{step.replace(' ', '-')}"
    nodes.kill("a")
    nodes.start("a", die_at=(step, 1))
    upload = nodes.begin(dataset)
    nodes.put(upload, [[1, 2, 3]])
    transaction = fresh_id()
    with pytest.raises(httpx.TransportError):
        nodes.commit(upload, dataset, 1, 3, transaction=transaction)
    assert nodes.died("a") == -signal.SIGKILL
    nodes.start("a")
    check(nodes, dataset, upload, transaction, committed)


@pytest.mark.parametrize(("step", "committed"), OTHERS)
def test_another_node_dies(mortal: Nodes, step: str, committed: bool) -> None:
    name = "b" if step.endswith("d") else "c"
    nodes, dataset = mortal, f"{name}-{step.replace(' ', '-')}"
    nodes.kill(name)
    nodes.start(name, die_at=(step, 1))
    upload = nodes.begin(dataset)
    nodes.put(upload, [[1, 2, 3]])
    transaction = fresh_id()
    answer = nodes.commit(upload, dataset, 1, 3, transaction=transaction)
    assert nodes.died(name) == -signal.SIGKILL
    if committed:
        outcome = ChangeOutcome.model_validate(assert_ok(answer).json())
        assert (outcome.state, outcome.pending) == ("committed", [name])
    else:
        assert answer.status_code in (503, 504)
        assert name in answer.json()["message"]
    nodes.start(name)
    check(nodes, dataset, upload, transaction, committed)


def check(nodes: Nodes, dataset: str, upload: str, transaction: str, committed: bool) -> None:
    """All three have it or none has, nothing is in doubt, and what comes next works."""

    def settled() -> bool:
        status = [nodes.request(name, "operator", "GET", "/v1/admin/status").json() for name in NAMES]
        return not any(one["in_doubt"] for one in status) and len(set(nodes.versions(dataset))) == 1

    nodes.wait_for(settled)
    assert (same(nodes, dataset) is not None) == committed
    # the same order again: what became of it
    again = nodes.commit(upload, dataset, 1, 3, transaction=transaction)
    if committed:
        assert again.json()["state"] == "committed"
        target = f"/v1/transactions/{transaction}"
        nodes.wait_for(lambda: nodes.request("a", "owner", "GET", target).json()["pending"] == [])
    elif again.status_code == 200:
        # nobody had heard of it: then it is as good as new
        assert again.json()["state"] == "committed"
    else:
        assert again.status_code == 409
        assert_ok(nodes.commit(upload, dataset, 1, 3))
    nodes.upload(dataset, [[4, 5]], "owner2", "append")
    found = same(nodes, dataset)
    assert found is not None
    assert found[2] == 5


def test_a_node_that_stands_still_is_named_and_nothing_changes(stopped: Nodes) -> None:
    nodes = stopped
    for name in NAMES:
        nodes.set(name, "worker", "1.0")
    nodes.start()
    upload = nodes.begin("d")
    nodes.put(upload, [[1]])
    os.kill(nodes.processes["c"].pid, signal.SIGSTOP)
    try:
        answer = nodes.commit(upload, "d", 1, 1)
        assert answer.status_code == 504
        assert "c" in answer.json()["message"]
    finally:
        os.kill(nodes.processes["c"].pid, signal.SIGCONT)
    nodes.wait_for(lambda: nodes.versions("d") == [None, None, None])
    nodes.wait_for(lambda: nodes.commit(upload, "d", 1, 1).status_code == 200)
    assert same(nodes, "d") is not None


def test_an_old_copy_of_a_node_is_named(stopped: Nodes) -> None:
    """A node restored from before a change says so, the others say so, and nothing is changed on top of it."""
    nodes = stopped
    nodes.start()
    nodes.upload("d", [[1, 2]])
    nodes.terminate("c")
    shutil.copytree(nodes.folder / "c" / "store", nodes.folder / "c" / "old")
    nodes.start("c")
    nodes.upload("d", [[3]], "owner2", "append")
    nodes.terminate("c")
    shutil.rmtree(nodes.folder / "c" / "store")
    (nodes.folder / "c" / "old").rename(nodes.folder / "c" / "store")
    nodes.start("c")

    def seen(name: str) -> bool:
        answer = nodes.request(name, None, "GET", "/readyz")
        return answer.status_code == 503 and any("other versions" in line for line in answer.json()["missing"])

    for name in NAMES:
        nodes.wait_for(lambda name=name: seen(name))
    # which dataset, operators are told, and nobody else
    assert "dataset" not in nodes.request("a", None, "GET", "/readyz").text.replace("datasets", "")
    status = nodes.request("a", "operator", "GET", "/v1/admin/status").json()
    assert [peer["differing"] for peer in status["peers"]] == [[], ["d"]]
    before = nodes.versions("d")
    upload = nodes.begin("d", "owner", "append")
    nodes.put(upload, [[9]])
    answer = nodes.commit(upload, "d", 1, 1)
    assert answer.status_code == 409
    assert "c" in answer.json()["message"]
    assert nodes.versions("d") == before
    # other datasets are not held up
    assert nodes.upload("other").state == "committed"
