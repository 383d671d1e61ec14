"""A coordinator that says two things about one change: nobody is split, it is named and proven, and repaired."""

from __future__ import annotations

import shutil
import signal
from collections.abc import Iterator
from typing import Any

import pytest

from commands_of_cli import tercet
from node.test_jobs import audit
from node.trio_nodes import NAMES, Nodes, assert_ok, trio
from node.zygote import Zygote
from tercet.client import orders
from tercet.client.nodes import Nodes as Clients
from tercet.errors import IntegrityError
from tercet.federation.api import ChangeOutcome
from tercet.federation.api_peer import Verdict
from tercet.federation.model import fresh_id
from tercet.federation.orders import Withdraw
from tercet.federation.statements import check_equivocation, check_verdict, sign_verdict, sign_vote


@pytest.fixture(scope="module")
def nodes(tmp_path_factory: pytest.TempPathFactory, zygote: Zygote) -> Iterator[Nodes]:
    """Node a, which coordinates, lies to those named in the file `lie` of its folder."""
    with trio(tmp_path_factory.mktemp("verdicts"), zygote=zygote, odd={"a": "verdict=lie"}) as made:
        yield made


@pytest.fixture
def dataset(nodes: Nodes) -> str:
    (nodes.folder / "a" / "lie").unlink(missing_ok=True)
    name = f"d{fresh_id()[:8]}"
    nodes.upload(name, [[1, 2, 3]])
    nodes.upload(name, [[4, 5]], "owner2", "append")
    return name


def lie(nodes: Nodes, *names: str) -> None:
    (nodes.folder / "a" / "lie").write_text(" ".join(names))


def withdraw(nodes: Nodes, dataset: str) -> str:
    """Have owner2's rows withdrawn at the coordinator; gives the transaction."""
    order = nodes.order("owner2", Withdraw(dataset=dataset))
    answer = assert_ok(nodes.request("a", "owner2", "POST", "/v1/withdrawals", json=order))
    return str(answer.json()["transaction"])


def states(nodes: Nodes, transaction: str) -> list[str]:
    """What became of it at a, b and c, once none is in doubt."""

    def asked() -> list[str]:
        found = [nodes.request(n, "owner2", "GET", f"/v1/transactions/{transaction}").json() for n in NAMES]
        said = [one.get("state", "unknown") for one in found]
        return said if "pending" not in said else []

    return list(nodes.wait_for(asked))


def proofs(nodes: Nodes, name: str, transaction: str) -> list[list[Verdict]]:
    entries = [entry["details"] for entry in audit(nodes, name) if entry["kind"] == "equivocation"]
    return [
        [Verdict.model_validate(one) for one in told["verdicts"]]
        for told in entries
        if told["transaction"] == transaction
    ]


def check_proven(nodes: Nodes, name: str, transaction: str) -> None:
    """The node's audit holds both signed words, which convince anybody, and its status names the coordinator."""
    (pair,) = nodes.wait_for(lambda: proofs(nodes, name, transaction))
    check_equivocation(pair[0], pair[1], nodes.federation)
    status = nodes.request(name, "operator", "GET", "/v1/admin/status").json()
    assert any(transaction[:8] in line and line.startswith("a signed") for line in status["warnings"])


def test_who_is_told_abort_after_the_commit_commits(nodes: Nodes, dataset: str) -> None:
    lie(nodes, "c", "late")
    transaction = withdraw(nodes, dataset)
    assert states(nodes, transaction) == ["committed"] * 3
    assert len(set(nodes.versions(dataset))) == 1
    check_proven(nodes, "b", transaction)
    check_proven(nodes, "c", transaction)


def test_who_is_told_abort_first_binds_the_other_and_the_repair_brings_all_to_one_state(
    nodes: Nodes, dataset: str
) -> None:
    lie(nodes, "b")
    transaction = withdraw(nodes, dataset)
    # the two honest nodes have the same, and the owner is not made to believe the coordinator
    assert states(nodes, transaction) == ["committed", "aborted", "aborted"]
    a, b, c = nodes.versions(dataset)
    assert b == c != a
    check_proven(nodes, "c", transaction)
    with Clients(nodes.federation, nodes.people["owner2"]) as clients:
        told = ChangeOutcome(transaction=transaction, kind="withdraw", state="committed")
        from tercet.client.orders import final

        with pytest.raises(IntegrityError, match=r"signed different ends.*a says that it is committed"):
            final(clients, told)
    for name in ("b", "c"):
        said = tercet("node", "repair", "--node", nodes.folder / name / "node.toml")
        assert f"Change {transaction} of {dataset} was aborted here, and is committed now." in said.stdout
        assert "Proven: a signed that change" in said.stdout
    assert states(nodes, transaction) == ["committed"] * 3
    (version,) = set(nodes.versions(dataset))
    assert version is not None and version[2] == 3
    assert "every change" in tercet("node", "repair", "--node", nodes.folder / "b" / "node.toml").stdout
    # what comes next works
    (nodes.folder / "a" / "lie").unlink()
    nodes.upload(dataset, [[6, 7]], "owner2", "append")
    assert len(set(nodes.versions(dataset))) == 1
    for name in ("b", "c"):
        done = [e["details"] for e in audit(nodes, name) if e["kind"] == "repair"]
        assert done[-1]["transaction"] == transaction and done[-1]["from"] == "a"
        check_verdict(Verdict.model_validate(done[-1]["verdict"]), nodes.federation, transaction)


def test_an_abort_is_believed_only_once_the_third_node_was_asked(nodes: Nodes, dataset: str) -> None:
    """c dies before it can show b the abort that a told it: back again, it asks b, which has the commit."""
    transaction = fresh_id()
    order = nodes.order("owner2", Withdraw(dataset=dataset), transaction)
    nodes.kill("c")
    nodes.start("c", die_at=("abort shown", 1))
    lie(nodes, "c")
    assert_ok(nodes.request("a", "owner2", "POST", "/v1/withdrawals", json=order))
    # c died before it could show the abort to b, which was told that it is committed
    assert nodes.died("c") == -signal.SIGKILL
    nodes.start("c")
    assert states(nodes, transaction) == ["committed"] * 3
    assert len(set(nodes.versions(dataset))) == 1
    check_proven(nodes, "c", transaction)


def test_a_node_that_cannot_ask_the_third_waits(nodes: Nodes, dataset: str) -> None:
    nodes.wait_for(lambda: not [n for n in NAMES if not up(nodes, n)])
    lie(nodes, "c", "late")
    transaction = fresh_id()
    order = nodes.order("owner2", Withdraw(dataset=dataset), transaction)
    nodes.kill("b")
    nodes.start("b", die_at=("committed", 1))
    assert_ok(nodes.request("a", "owner2", "POST", "/v1/withdrawals", json=order))
    assert nodes.died("b") == -signal.SIGKILL
    in_doubt = nodes.request("c", "operator", "GET", "/v1/admin/status").json()["in_doubt"]
    assert in_doubt == [transaction]
    nodes.start("b")
    assert states(nodes, transaction) == ["committed"] * 3
    check_proven(nodes, "c", transaction)


def up(nodes: Nodes, name: str) -> bool:
    return nodes.request(name, None, "GET", "/healthz").status_code == 200


def test_a_restored_node_gets_the_withdrawals_that_it_does_not_know(nodes: Nodes, dataset: str) -> None:
    store = nodes.folder / "c" / "store"
    nodes.terminate("c")
    shutil.copytree(store, nodes.folder / "c" / "backup")
    nodes.start("c")
    transaction = withdraw(nodes, dataset)
    nodes.terminate("c")
    shutil.rmtree(store)
    (nodes.folder / "c" / "backup").rename(store)
    nodes.start("c")
    assert nodes.version("c", dataset) != nodes.version("a", dataset)
    said = tercet("node", "repair", "--node", nodes.folder / "c" / "node.toml").stdout
    assert f"Change {transaction} of {dataset} was unknown here, and is committed now." in said
    assert len(set(nodes.versions(dataset))) == 1 and states(nodes, transaction) == ["committed"] * 3


def test_words_that_nobody_signed_are_not_heard(nodes: Nodes) -> None:
    """Not of the coordinator, not with the votes of all, not of this transaction."""
    home, transaction = nodes.federation.id, fresh_id()
    from tercet.federation.identity import Member

    keys = {name: Member.load(nodes.folder / name / "identity.pem") for name in NAMES}
    votes = [sign_vote(keys[name], home, transaction, {"proposal": "x"}) for name in NAMES]
    good = sign_verdict(keys["a"], home, transaction, "committed", votes)
    check_verdict(good, nodes.federation, transaction)
    bad: list[Any] = [
        sign_verdict(keys["b"], home, transaction, "committed", votes),
        sign_verdict(keys["a"], home, transaction, "committed", votes[:2]),
        sign_verdict(keys["a"], home, transaction, "committed", [votes[0], votes[1], votes[1]]),
        sign_verdict(keys["a"], home, transaction, "aborted", votes),
        sign_verdict(keys["a"], fresh_id(), transaction, "committed", votes),
        good.model_copy(update={"state": "aborted", "votes": []}),
        good.model_copy(update={"transaction": fresh_id()}),
    ]
    for verdict in bad:
        with pytest.raises(IntegrityError):
            check_verdict(verdict, nodes.federation, transaction)
    with pytest.raises(IntegrityError, match="say the same"):
        check_equivocation(good, good, nodes.federation)


def test_an_owner_s_withdrawal_is_final_once_all_three_signed_it(nodes: Nodes, dataset: str) -> None:
    with Clients(nodes.federation, nodes.people["owner2"]) as clients:
        done = orders.withdraw(clients, dataset)
        assert (done.state, done.unsigned) == ("committed", [])
