"""Requests to nodes: signed, pinned, on kept connections; every failure names the node within a bounded time."""

from __future__ import annotations

import errno
import gc
import socket
import threading
import time
import warnings
from collections.abc import Iterator
from typing import Any

import pytest

from client.fake_nodes import NAMES, Answer, FakeNode, fake_nodes
from tercet.client.nodes import NodeClient, Nodes
from tercet.errors import (
    Busy,
    ConfigError,
    InputError,
    IntegrityError,
    NotFound,
    ProtocolViolation,
    Refused,
    TercetError,
    Timeout,
    Unreachable,
)
from tercet.federation.api import Health
from tercet.federation.federation import Federation
from tercet.federation.https import joined
from tercet.federation.identity import Member
from tercet.federation.refusals import HttpError
from tercet.sharing import Party

HEALTH = {"ready": True, "missing": []}


@pytest.fixture(scope="module")
def me() -> Member:
    return Member.create("me")


class Script:
    """What the three answer: by (name, target), else that they are well."""

    def __init__(self) -> None:
        self.answers: dict[tuple[str, str], Any] = {}

    def __call__(self, name: str, method: str, target: str, body: bytes) -> Answer:
        found = self.answers.get((name, target), (200, HEALTH))
        return found(body) if callable(found) else found


@pytest.fixture
def three() -> Iterator[tuple[Federation, dict[str, FakeNode], Script]]:
    script = Script()
    with fake_nodes(script) as (federation, nodes):
        yield federation, nodes, script


Three = tuple[Federation, dict[str, FakeNode], Script]


def test_bodies_arrive_and_connections_are_kept(three: Three, me: Member) -> None:
    federation, nodes, _ = three
    pieces = [b"abc", bytearray(b"d" * 100_000), b"", memoryview(b"e" * 70_000), b"f"]
    with Nodes(federation, me) as clients:
        for _ in range(5):
            clients.each(lambda node: node.request("PUT", "/v1/x?y=1", pieces))
    for name in NAMES:
        assert [(method, target) for method, target, _, _ in nodes[name].seen] == [("PUT", "/v1/x?y=1")] * 5
        assert all(body == b"".join(pieces) for *_, body in nodes[name].seen)
        assert nodes[name].connections == 1


def test_small_neighbours_are_joined() -> None:
    large = memoryview(bytes(1 << 16))
    found = joined([b"a", b"b", large, b"c", large, b"d"])
    assert [bytes(piece) for piece in found] == [b"ab", large, b"c", large, b"d"]
    assert found[1] is large
    assert joined([b"", b""]) == []
    many = joined([b"x" * 1000] * 1000)
    assert b"".join(many) == b"x" * 1_000_000
    assert len(many) < 20


def test_a_connection_that_was_closed_meanwhile_is_made_anew(three: Three, me: Member) -> None:
    federation, nodes, _ = three
    for node in nodes.values():
        node.close_after = True
    with Nodes(federation, me) as clients:
        for _ in range(3):
            assert clients.each(lambda node: node.get("/v1/x", Health).ready) == [True] * 3
    assert all(node.connections == 3 for node in nodes.values())


def test_an_answer_that_ends_early_is_none_and_leaves_no_socket_open(three: Three, me: Member) -> None:
    federation, nodes, _ = three
    nodes["east"].too_little = 3
    gc.collect()
    with Nodes(federation, me) as clients, pytest.raises(Unreachable, match=r"node east broke off its answer"):
        clients[Party.P2].request("GET", "/v1/x")
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        gc.collect()
    assert not caught


ERRORS = [
    (403, {"error": "refused", "message": "too few rows", "rule": "means", "hint": "ask for more"}, Refused),
    (404, {"error": "not-found", "message": "no such dataset"}, NotFound),
    (409, {"error": "busy", "message": "changing"}, Busy),
    (422, {"error": "input", "message": "bad"}, InputError),
    (409, {"error": "integrity", "message": "differs"}, IntegrityError),
    (429, {"error": "too-many", "message": "slower"}, HttpError),
    (504, {"error": "timeout", "message": "no word of west"}, Timeout),
    (500, b"<html>", ProtocolViolation),
    (500, {"surprise": 1}, ProtocolViolation),
    (200, b"no json", ProtocolViolation),
    (200, {"ready": 1}, ProtocolViolation),
]


@pytest.mark.parametrize(("status", "body", "kind"), ERRORS)
def test_answers_become_errors(three: Three, me: Member, status: int, body: Any, kind: type[TercetError]) -> None:
    federation, _, script = three
    script.answers["east", "/v1/x"] = (status, body)
    with Nodes(federation, me) as clients:
        with pytest.raises(kind) as error:
            clients.each(lambda node: node.get("/v1/x", Health))
        assert "east" in str(error.value) or getattr(error.value, "node", "") == "east"
        if isinstance(error.value, Refused):
            assert (error.value.rule, error.value.hint) == ("means", "ask for more")
        answers = clients.try_each(lambda node: node.get("/v1/x", Health))
        assert [isinstance(answer, Health) for answer in answers] == [True, False, True]


def test_the_node_that_an_answer_is_about_is_named(three: Three, me: Member) -> None:
    federation, _, script = three
    script.answers["north", "/v1/x"] = (503, {"error": "unreachable", "message": "is down", "node": "west"})
    with Nodes(federation, me) as clients, pytest.raises(Unreachable, match="west: is down") as error:
        clients[Party.P1].get("/v1/x", Health)
    assert error.value.party == 3


def test_who_is_no_node_is_not_named(three: Three, me: Member) -> None:
    federation, _, script = three
    script.answers["north", "/v1/x"] = (403, {"error": "refused", "message": "no", "node": "the ministry"})
    with Nodes(federation, me) as clients, pytest.raises(Refused, match="no") as error:
        clients[Party.P1].get("/v1/x", Health)
    assert error.value.node == "north"


def test_patience_with_too_many_requests(three: Three, me: Member) -> None:
    federation, nodes, script = three
    answers = [(429, {"error": "too-many", "message": "slower"})] * 2 + [(200, HEALTH)]
    script.answers["east", "/v1/x"] = lambda _: answers.pop(0)
    with Nodes(federation, me) as clients:
        clients[Party.P2].request("GET", "/v1/x", patient=True)
    nonces = [headers["tercet-nonce"] for _, _, headers, _ in nodes["east"].seen]
    assert len(set(nonces)) == 3


def test_nobody_there(three: Three, me: Member) -> None:
    federation, nodes, _ = three
    nodes["west"].server.shutdown()
    nodes["west"].server.server_close()
    with Nodes(federation, me) as clients, pytest.raises(Unreachable, match="node west cannot be reached") as error:
        clients.each(lambda node: node.get("/v1/x", Health))
    assert error.value.party == 3


def test_a_node_that_dies_between_its_certificate_and_the_request(
    three: Three, me: Member, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone(*_: Any) -> bytes:
        raise OSError(errno.ENOTCONN, "Transport endpoint is not connected")

    monkeypatch.setattr("ssl.SSLSocket.getpeercert", gone)
    federation, _, _ = three
    with Nodes(federation, me) as clients, pytest.raises(Unreachable, match=r"cannot be reached .* not connected"):
        clients[Party.P1].get("/v1/x", Health)


def test_a_node_that_stands_still(three: Three, me: Member) -> None:
    federation, _, script = three
    go_on = threading.Event()
    script.answers["east", "/v1/x"] = lambda _: (go_on.wait(20), (200, HEALTH))[1]
    began = time.monotonic()
    with Nodes(federation, me, timeout=0.5) as clients:
        with pytest.raises(Timeout, match=r"node east did not answer GET /v1/x within 0\.5 s") as error:
            clients.each(lambda node: node.get("/v1/x", Health))
        go_on.set()
    assert error.value.party == 2
    assert time.monotonic() - began < 5


def test_closing_does_not_wait_for_answers(three: Three, me: Member) -> None:
    federation, _, script = three
    asked, go_on = threading.Event(), threading.Event()
    script.answers["east", "/v1/x"] = lambda _: (asked.set(), go_on.wait(20), (200, HEALTH))[2]
    clients = Nodes(federation, me, timeout=30)
    future = clients.start(lambda node: node.get("/v1/x", Health), clients[Party.P2])
    assert asked.wait(10)
    began = time.monotonic()
    clients.close()
    assert time.monotonic() - began < 5
    with pytest.raises((Unreachable, ValueError)):
        future.result()
    go_on.set()


def test_one_that_accepts_and_says_nothing(me: Member) -> None:
    """Not even a TLS handshake."""
    with socket.create_server(("127.0.0.1", 0)) as silent, fake_nodes(lambda *_: (200, HEALTH)) as (federation, _):
        url = f"https://127.0.0.1:{silent.getsockname()[1]}"
        entry = federation.nodes[1].model_copy(update={"url": url})
        moved = federation.model_copy(update={"nodes": (federation.nodes[0], entry, federation.nodes[2])})
        with Nodes(moved, me, timeout=0.5) as clients, pytest.raises(Timeout, match="node east"):
            clients[Party.P2].get("/v1/x", Health)


def test_another_certificate_is_not_spoken_to(three: Three, me: Member) -> None:
    federation, nodes, _ = three
    entry = federation.nodes[0].model_copy(update={"url": nodes["west"].url})
    moved = federation.model_copy(update={"nodes": (entry, *federation.nodes[1:])})
    with Nodes(moved, me) as clients, pytest.raises(ConfigError, match=r"node north .* does not show the certificate"):
        clients[Party.P1].request("GET", "/v1/x")
    assert nodes["west"].seen == []


def test_through_one_node(three: Three, me: Member) -> None:
    """Requests to others go to the gateway, signed for the node at their end."""
    federation, nodes, _ = three
    with Nodes(federation, me, via="east") as clients:

        def ask(node: NodeClient) -> bytes:
            return node.request("GET", "/v1/x", headers={"x-signed-target": "/v1/x"})

        clients.each(ask)
    assert not nodes["north"].seen and not nodes["west"].seen
    targets = {target: headers["tercet-node"] for _, target, headers, _ in nodes["east"].seen}
    assert targets == {
        "/v1/gateway/north/x": federation.nodes[0].fingerprint,
        "/v1/x": federation.nodes[1].fingerprint,
        "/v1/gateway/west/x": federation.nodes[2].fingerprint,
    }


def test_an_identity_that_ended(three: Three) -> None:
    from datetime import UTC, datetime, timedelta

    old = Member.create("old", valid_for=timedelta(days=1), start=datetime.now(UTC) - timedelta(days=9))
    with pytest.raises(ConfigError, match="expired"):
        Nodes(three[0], old)
