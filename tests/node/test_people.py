"""Rows that somebody has brought hide nobody from them: from who asks, who receives, and who belongs together."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from node.jobs_at_nodes import Asked, Question, total
from node.trio_nodes import Nodes, assert_ok, everybody, trio
from node.zygote import Zygote
from tercet.array.core import SecretArray
from tercet.federation.bundle import make_bundle, recipient
from tercet.federation.identity import Member

TARGET = 77
HOMES = {"owner2": "ward-1", "analyst": "ward-1"}


def policy(people: dict[str, Member]) -> str:
    text = everybody(people, HOMES)
    text += '[[owners]]\npeople = ["*"]\ndatasets = ["*"]\nmay = ["create", "append", "columns", "withdraw"]\n'
    text += '[[rules]]\nname = "all"\nanalysts = ["*"]\ndatasets = ["*"]\nmin_rows = 5\nrecipients = ["*"]\n'
    return text + '[[rules]]\nname = "shows"\nanalysts = ["*"]\ndatasets = ["shown"]\nper_row = ["shown/x"]\n'


@pytest.fixture(scope="module")
def nodes(tmp_path_factory: pytest.TempPathFactory, zygote: Zygote) -> Iterator[Nodes]:
    with trio(tmp_path_factory.mktemp("people"), policy, zygote=zygote, lanes=1) as made:
        made.upload("pool", [list(range(30))], person="both")
        made.upload("pool", [[TARGET]], mode="append", person="owner")
        yield made


def asked(nodes: Nodes, question: Question, *others: str, person: str = "analyst", **more: str) -> Asked:
    """A question whose results go to others, too."""
    found = Asked(nodes, "pool", question, person=person, **more)  # type: ignore[arg-type]
    recipients = tuple(recipient(nodes.people[name].card) for name in (person, *others))
    found.header = found.header.model_copy(update={"recipients": recipients})
    found.bundle = make_bundle(found.member, found.header, found.plan.to_bytes())
    return found


def refused(one: Asked, *words: str) -> None:
    for answer in one.send().values():
        assert answer.status_code == 403, answer.text
        assert all(word in answer.text for word in words), answer.text


def same(x: SecretArray) -> SecretArray:
    return x + 1


def test_one_row_besides_those_of_a_recipient(nodes: Nodes) -> None:
    """Who has brought all rows but one receives what they could not ask: their own sum away, it is that row."""
    refused(Asked(nodes, "pool", person="both"), "over at least 1 row besides rows of their own of pool")
    assert asked(nodes, total).sent().result() == sum(range(30)) + TARGET
    refused(asked(nodes, total, "both"), "over at least 1 row besides rows of both of pool", "rule all asks for")
    refused(asked(nodes, lambda x: x[25:].sum(), "operator", "both"), "besides rows of both")
    # of the recipient's own rows the same sum tells them nothing, and the others hide the one from everybody else
    assert asked(nodes, lambda x: x[:30].sum(), "both").sent().result() == sum(range(30))
    assert asked(nodes, total, "operator").sent().result() == sum(range(30)) + TARGET


def test_the_same_through_what_was_kept(nodes: Nodes) -> None:
    assert {info.state for info in asked(nodes, same, "both", keep="rows").sent().ends().values()} == {"done"}
    assert {info.state for info in asked(nodes, total, keep="whole").sent().ends().values()} == {"done"}
    for question, kept in ((total, "rows"), (same, "whole")):
        refused(asked(nodes, question, "both", reads=kept), "besides rows of both of pool")
    assert asked(nodes, total, "operator", reads="rows").sent().result() == sum(range(1, 31)) + TARGET + 1
    assert asked(nodes, same, reads="whole").sent().result() == sum(range(30)) + TARGET + 1


def test_people_of_one_organisation_know_each_others_rows(nodes: Nodes) -> None:
    """The ward's analyst is somebody else than who uploads for it."""
    nodes.upload("ward", [list(range(40))], person="owner2")
    nodes.upload("ward", [[TARGET]], mode="append", person="owner")
    refused(Asked(nodes, "ward"), "over at least 1 row besides rows of analyst and others of ward-1 of ward")
    assert Asked(nodes, "ward", lambda x: x[:40].sum()).sent().result() == sum(range(40))
    for person, own in (("analyst", [[0, 40]]), ("owner2", [[0, 40]]), ("owner", [[40, 41]]), ("both", [])):
        assert assert_ok(nodes.request("a", person, "GET", "/v1/datasets/ward")).json()["own"] == own
    # what one of them has brought is not the other's to see, row by row
    refused(Asked(nodes, "ward", lambda x: x[:40] + 1), "row by row")
    assert Asked(nodes, "ward", person="both").sent().result() == sum(range(40)) + TARGET


def test_what_is_shown_row_by_row_is_shown_to_all(nodes: Nodes) -> None:
    nodes.upload("shown", [[1] * 9], person="both")
    nodes.upload("shown", [[TARGET]], mode="append", person="owner")
    one = Asked(nodes, "shown", person="both")
    assert one.sent().result() == 9 + TARGET
