"""Orders and lists: what a person is told is what all three nodes have signed, whatever the coordinator says."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from client.fake_nodes import NAMES, Answer, fake_nodes
from tercet.client import orders
from tercet.client.nodes import Nodes
from tercet.client.orders import withdraw
from tercet.errors import IntegrityError, PartyError, Refused
from tercet.federation.api import ChangeOutcome
from tercet.federation.identity import Member
from tercet.federation.statements import sign_outcome
from tercet.store.schema import Column, ColumnKind, Schema

MISSING = 404, {"error": "not-found", "message": "no such change is known here"}
Say = Callable[[str], Answer]


class Told:
    """North coordinates; `order` is its answer to the order, `say` what each node says of the transaction."""

    def __init__(self) -> None:
        self.me = Member.create("me")
        self.members: dict[str, Member] = {}
        self.home = ""
        self.transaction = ""
        self.order: Callable[[], Answer] = lambda: self.outcome("north", "committed")
        self.say: dict[str, Callable[[], Answer]] = {
            name: lambda name=name: self.outcome(name, "committed") for name in NAMES
        }

    def outcome(self, name: str, state: str, signer: str = "", **facts: Any) -> Answer:
        told = {"transaction": self.transaction, "kind": "withdraw", "state": state, "dataset": "d", **facts}
        found = sign_outcome(self.members[signer or name], self.home, ChangeOutcome.model_validate(told))
        return 200, found.model_dump(mode="json")

    def __call__(self, name: str, method: str, target: str, body: bytes) -> Answer:
        if method == "POST":
            self.transaction = json.loads(json.loads(body)["order"])["transaction"]
            return self.order()
        return self.say[name]()


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Nodes, Told]]:
    monkeypatch.setattr(orders, "SETTLE_S", 0.3)
    told = Told()
    with fake_nodes(told) as (federation, nodes), Nodes(federation, told.me) as clients:
        told.members = {name: node.member for name, node in nodes.items()}
        told.home = federation.id
        yield clients, told


def test_what_all_three_have_signed_is_final(asked: tuple[Nodes, Told]) -> None:
    nodes, _ = asked
    done = withdraw(nodes, "d")
    assert (done.state, done.unsigned) == ("committed", [])


def test_a_coordinator_alone_makes_nothing_final(asked: tuple[Nodes, Told]) -> None:
    nodes, told = asked
    told.say["east"] = lambda: told.outcome("east", "pending")
    told.say["west"] = lambda: MISSING
    done = withdraw(nodes, "d")
    assert done.unsigned == ["east", "west"] and "NOT FINAL: not signed by east and west" in repr(done)


def test_a_coordinator_that_others_contradict_is_not_believed(asked: tuple[Nodes, Told]) -> None:
    nodes, told = asked
    told.say["west"] = lambda: told.outcome("west", "aborted", reason="north: given up")
    with pytest.raises(IntegrityError, match=r"signed different ends.*west says that it is aborted"):
        withdraw(nodes, "d")
    told.say["west"] = lambda: told.outcome("west", "committed", version=4, manifest="1" * 64, rows=3)
    with pytest.raises(IntegrityError, match=r"signed different ends.*as version 4"):
        withdraw(nodes, "d")


def test_nobody_signs_for_another(asked: tuple[Nodes, Told]) -> None:
    nodes, told = asked
    told.say["west"] = lambda: told.outcome("west", "committed", signer="east")
    with pytest.raises(IntegrityError, match="for another node"):
        withdraw(nodes, "d")
    told.say["west"] = lambda: (200, told.outcome("west", "committed")[1] | {"rows": 5})
    with pytest.raises(IntegrityError, match="not one of west"):
        withdraw(nodes, "d")


def refusal(node: str) -> Answer:
    return 403, {"error": "refused", "message": "rows of others", "node": node, "rule": "owners"}


def test_a_refusal_is_that_of_the_node_that_signed_it(asked: tuple[Nodes, Told]) -> None:
    nodes, told = asked
    told.order = lambda: refusal("east")
    told.say["north"] = told.say["west"] = lambda: told.outcome("north", "aborted", reason="given up")
    told.say["west"] = lambda: told.outcome("west", "aborted", reason="north: given up")
    told.say["east"] = lambda: told.outcome("east", "aborted", reason="east: rows of others")
    with pytest.raises(Refused) as found:
        withdraw(nodes, "d")
    assert found.value.node == "east"
    # east never said so
    told.say["east"] = lambda: MISSING
    with pytest.raises(PartyError, match="north says that east refused it, and east has signed no such thing"):
        withdraw(nodes, "d")


def test_an_order_that_was_carried_out_did_not_fail(asked: tuple[Nodes, Told]) -> None:
    nodes, told = asked
    told.order = lambda: refusal("north")
    told.say["north"] = lambda: MISSING
    with pytest.raises(IntegrityError, match="has signed that it was carried out"):
        withdraw(nodes, "d")


SCHEMA = Schema(columns=(Column(name="x", kind=ColumnKind.INTEGER, lo=0, hi=9),))


def info(name: str, version: int = 1) -> dict[str, object]:
    return {
        "name": name,
        "schema": json.loads(SCHEMA.model_dump_json(exclude_defaults=True)),
        "version": version,
        "manifest": f"{version:064x}",
        "rows": 10 * version,
        "segments": [],
        "created": 1.0,
        "changed": 1.0,
    }


def test_a_dataset_that_one_node_lacks_hides_no_others() -> None:
    """As after a restore of that node from a backup: others are listed, and uploads go to them."""

    def told(name: str, method: str, target: str, body: bytes) -> Answer:
        newest = [info("common"), info("older", 1 if name == "east" else 2), info("common2")]
        return 200, {"datasets": newest if name == "east" else [*newest, info("since")]}

    me = Member.create("me")
    with fake_nodes(told) as (federation, _), Nodes(federation, me) as nodes:
        agreed, differing = orders.listed(nodes)
        assert [one.name for one in agreed] == ["common", "common2"]
        assert sorted(differing) == ["older", "since"]
        assert "node east differs (" in str(differing["older"]) and "has version 1, 10 rows" in str(differing["older"])
        assert "east does not have it" in str(differing["since"])
        with pytest.raises(IntegrityError, match="older"):
            orders.datasets(nodes)
