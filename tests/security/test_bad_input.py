"""Broken, forged, replayed and hostile input over the network, at three running nodes.

Every answer is a 4xx with an error body (or success where nothing was broken that a node could see), in bounded time;
no node meets an error that nobody expected; afterwards all still work. The gate and every route are fuzzed from their
description elsewhere; here are the formats that only this project has: parts, boxes, bundles, orders, what nodes say to
each other, and frames between workers.
"""

from __future__ import annotations

import json
import random
import socket
import ssl
import time
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from typing import Any

import httpx
import pytest

from node.jobs_at_nodes import Asked
from node.trio_nodes import NAMES, Nodes, assert_ok, parts, trio
from tercet.federation.api import ChangeOutcome
from tercet.federation.api_peer import Prepare
from tercet.federation.boxes import seal_part
from tercet.federation.bundle import make_bundle
from tercet.federation.identity import Member
from tercet.federation.model import fresh_id
from tercet.federation.orders import CommitUpload, Order, Withdraw, sign_order
from tercet.federation.requests import SEALED
from tercet.node.peers import DATE_HEADER, FEDERATION_HEADER, PROTOCOL, PROTOCOL_HEADER
from tercet.transport.frame import FrameKind, pack
from tercet.transport.identity import tls_context

SEED = 20260722
SOON_S = 10.0
ROWS = [*range(128)]


@pytest.fixture(scope="module")
def nodes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nodes]:
    """Three nodes with a dataset; at the end they are as they were, and met nothing unexpected."""
    folder = tmp_path_factory.mktemp("hostile")
    with trio(folder) as running:
        running.upload("there", [ROWS])
        before = running.versions("there")
        yield running
        assert running.versions("there") == before
        assert Asked(running, "there").sent().result() == sum(ROWS)
        for name in NAMES:
            events = [line for line in running.events(name) if line["event"] == "defect"]
            assert events == []
            assert "Traceback" not in running.log(name).read_text()


def broken(data: bytes, count: int = 40, seed: int = SEED) -> Iterator[bytes]:
    """The bytes, broken in ways that have broken parsers before, and in ways of chance."""
    draw = random.Random(seed)
    yield b""
    yield data[:1]
    yield data[: len(data) // 2]
    yield data[:-1]
    yield data + b"\0"
    yield data + data
    yield bytes(len(data))
    yield b"\xff" * len(data)
    yield data[::-1]
    for _ in range(count):
        # most of what matters stands in the first bytes
        at = draw.randrange(min(len(data), 512) if draw.random() < 0.7 else len(data))
        kind = draw.randrange(4)
        if kind == 0:
            yield data[:at] + bytes([data[at] ^ 1 << draw.randrange(8)]) + data[at + 1 :]
        elif kind == 1:
            yield data[:at] + draw.choice([b"\0" * 8, b"\xff" * 8, b"\xff" * 7 + b"\x7f"]) + data[at + 8 :]
        elif kind == 2:
            yield data[:at] + data[at + draw.randrange(1, 40) :]
        else:
            yield data[:at] + draw.randbytes(draw.randrange(1, 40)) + data[at:]


def refused(answer: httpx.Response, *statuses: int) -> dict[str, Any]:
    """An error of the caller's own, told as all errors are."""
    assert 400 <= answer.status_code < 500, f"{answer.status_code}: {answer.text[:500]}"
    assert not statuses or answer.status_code in statuses, f"{answer.status_code}: {answer.text[:500]}"
    body: dict[str, Any] = answer.json()
    assert body["error"]
    assert body["message"]
    return body


class Clock:
    """That an answer comes soon."""

    def __enter__(self) -> None:
        self._began = time.monotonic()

    def __exit__(self, *_: object) -> None:
        assert time.monotonic() - self._began < SOON_S


# -- parts and boxes


def test_broken_parts(nodes: Nodes) -> None:
    upload = nodes.begin("parts")
    good = parts(upload, 0, ROWS)
    for content in broken(good[0], 40):
        with Clock():
            answer = nodes.request("a", "owner", "PUT", f"/v1/uploads/{upload}/chunks/0", content=content)
        if answer.status_code != 200:
            refused(answer)
    # whatever of it was taken, it cannot become visible; the right parts can
    for name, part in zip(NAMES[1:], good[1:], strict=True):
        assert_ok(nodes.request(name, "owner", "PUT", f"/v1/uploads/{upload}/chunks/0", content=part))
    answer = nodes.commit(upload, "parts", 1, len(ROWS))
    if answer.status_code != 200:
        refused(answer)
        assert nodes.versions("parts") == [None] * 3
        nodes.put(upload, [ROWS])
        assert_ok(nodes.commit(upload, "parts", 1, len(ROWS)))
    assert Asked(nodes, "parts").sent().result() == sum(ROWS)


def test_parts_that_belong_elsewhere(nodes: Nodes) -> None:
    upload, other = nodes.begin("elsewhere"), nodes.begin("elsewhere-too")
    good, foreign = parts(upload, 0, ROWS), parts(other, 0, ROWS)
    target = f"/v1/uploads/{upload}/chunks/0"
    refused(nodes.request("a", "owner", "PUT", target, content=good[1]), 422)
    refused(nodes.request("a", "owner", "PUT", target, content=foreign[0]), 422)
    refused(nodes.request("a", "owner", "PUT", f"/v1/uploads/{upload}/chunks/1", content=good[0]), 422)
    refused(nodes.request("a", "owner2", "PUT", target, content=good[0]), 404)
    refused(nodes.request("a", "owner", "PUT", f"/v1/uploads/{fresh_id()}/chunks/0", content=good[0]), 404)
    for number in ("-1", "99999999999999999999999", "0x0", "1e3", "%00"):
        refused(nodes.request("a", "owner", "PUT", f"/v1/uploads/{upload}/chunks/{number}", content=good[0]))


def test_broken_boxes(nodes: Nodes) -> None:
    upload = nodes.begin("boxes")
    card = nodes.federation.node(nodes.federation.party("a")).card
    target, part = f"/v1/uploads/{upload}/chunks/0", parts(upload, 0, ROWS)[0]
    box = seal_part(card, upload, 0, part)
    wrong = [
        part,
        seal_part(card, upload, 1, part),
        seal_part(card, fresh_id(), 0, part),
        seal_part(nodes.people["owner"].card, upload, 0, part),
        *broken(box, 30),
    ]
    for content in wrong:
        with Clock():
            refused(nodes.request("a", "owner", "PUT", target, content=content, headers={SEALED: "1"}))
    assert_ok(nodes.request("a", "owner", "PUT", target, content=box, headers={SEALED: "1"}))


def test_broken_beginnings(nodes: Nodes) -> None:
    column = {"name": "x", "kind": "integer", "lo": 0, "hi": 1}
    good = {"upload": fresh_id(), "dataset": "d", "schema": {"columns": [column]}, "mode": "create"}
    for change in (
        {"upload": "../../etc/passwd"},
        {"dataset": "../d"},
        {"dataset": "d\0"},
        {"mode": "replace"},
        {"rows": -1},
        {"rows": 1 << 63},
        {"schema": {"columns": []}},
        {"schema": {"columns": [column] * 2}},
        {"schema": {"columns": [column | {"name": "a" * 1000}]}},
        {"schema": {"columns": [column | {"lo": -(10**400)}]}},
        {"schema": {"columns": [column | {"lo": float("1e308"), "kind": "decimal"}]}},
        {"schema": {"columns": [{**column, "name": f"c{n}"} for n in range(20_000)]}},
        {"surprise": 1},
    ):
        with Clock():
            refused(nodes.request("a", "owner", "POST", "/v1/uploads", json=good | change))
    for text in (
        b"",
        b"[]",
        b"{",
        b"null",
        b"1",
        b'"',
        b"[" * 50_000,
        b'{"upload": NaN}',
        b"\xff\xfe",
        b'{"a":' * 20_000,
    ):
        with Clock():
            headers = {"content-type": "application/json"}
            refused(nodes.request("a", "owner", "POST", "/v1/uploads", content=text, headers=headers))


# -- bundles


def test_broken_bundles(nodes: Nodes) -> None:
    good = Asked(nodes, "there").bundle
    for content in broken(good, 50):
        for target in ("/v1/jobs", "/v1/explain"):
            with Clock():
                refused(nodes.request("a", "analyst", "POST", target, content=content))


def test_bundles_of_another_time_or_place(nodes: Nodes) -> None:
    asked = Asked(nodes, "there")
    abroad = asked.header.model_copy(update={"federation": fresh_id()})
    wrong = [
        make_bundle(asked.member, abroad, asked.plan.to_bytes()),
        Asked(nodes, "there", created=time.time() - 86_400).bundle,
        Asked(nodes, "there", created=time.time() + 86_400).bundle,
    ]
    for bundle in wrong:
        refused(nodes.request("a", "analyst", "POST", "/v1/jobs", content=bundle))
    refused(nodes.request("a", "owner", "POST", "/v1/jobs", content=asked.bundle), 403)
    # somebody else's bundle, sent by one who is an analyst too
    theirs = Asked(nodes, "there", person="owner")
    refused(nodes.request("a", "analyst", "POST", "/v1/jobs", content=theirs.bundle))


def test_a_bundle_again_runs_nothing_again(nodes: Nodes) -> None:
    asked = Asked(nodes, "there").sent()
    assert asked.result() == sum(ROWS)
    before = asked.info("a")
    for answer in asked.send().values():
        assert answer.status_code < 500
    after = asked.info("a")
    assert (after.state, after.finished) == (before.state, before.finished) == ("done", before.finished)
    # the same job under another bundle
    other = Asked(nodes, "there", job=asked.job, seconds=61)
    assert other.bundle != asked.bundle
    for answer in other.send().values():
        refused(answer)


# -- orders


def test_broken_and_foreign_orders(nodes: Nodes) -> None:
    upload = nodes.begin("ordered")
    nodes.put(upload, [ROWS])
    owner, stranger = nodes.people["owner"], Member.create("stranger")
    action = CommitUpload(upload=upload, dataset="ordered", chunks=1, rows=len(ROWS))
    target = f"/v1/uploads/{upload}/commit"

    def signed(member: Member, **changes: Any) -> dict[str, Any]:
        facts = {
            "federation": nodes.federation.id,
            "transaction": fresh_id(),
            "created": int(time.time()),
            "action": action,
        }
        return sign_order(member, Order.model_validate({**facts, **changes})).model_dump()

    good = signed(owner)
    wrong = [
        signed(stranger),
        signed(owner, federation=fresh_id()),
        signed(owner, created=int(time.time()) - 2 * 86_400),
        signed(owner, created=int(time.time()) + 86_400),
        signed(owner, action=Withdraw(dataset="there")),
        good | {"signature": signed(owner)["signature"]},
        good | {"certificate": signed(stranger)["certificate"]},
        good | {"order": good["order"].replace('"rows":128', '"rows":127')},
        good | {"order": good["order"] + " "},
        good | {"order": "{}"},
        good | {"certificate": ""},
        good | {"signature": "A" * 86},
    ]
    for body in wrong:
        with Clock():
            refused(nodes.request("a", "owner", "POST", target, json=body))
    for content in broken(json.dumps(good).encode(), 40):
        with Clock():
            headers = {"content-type": "application/json"}
            answer = nodes.request("a", "owner", "POST", target, content=content, headers=headers)
            assert answer.status_code < 500, answer.text
    # a good one may have come through unharmed among the broken ones (a blank more, say); else it does now
    outcome = ChangeOutcome.model_validate(assert_ok(nodes.request("a", "owner", "POST", target, json=good)).json())
    assert (outcome.state, outcome.rows) == ("committed", len(ROWS))


# -- what nodes say to each other


@pytest.fixture(scope="module")
def peer(nodes: Nodes) -> Iterator[dict[tuple[str, str], httpx.Client]]:
    """(from, to): a connection to a node with the certificate of another."""
    with ExitStack() as stack:
        found = {}
        for sender in NAMES:
            member = Member.load(nodes.folder / sender / "identity.pem")
            for receiver in NAMES:
                entry = nodes.federation.node(nodes.federation.party(receiver))
                context = tls_context(member.identity, [entry.card.certificate], server=False)
                client = httpx.Client(base_url=entry.url, verify=context, timeout=SOON_S, trust_env=False)
                found[sender, receiver] = stack.enter_context(client)
        yield found


def terms(nodes: Nodes) -> dict[str, str]:
    return {
        PROTOCOL_HEADER: PROTOCOL,
        FEDERATION_HEADER: nodes.federation.digest,
        DATE_HEADER: f"{time.time():.3f}",
    }


def test_a_hostile_node_s_bodies(nodes: Nodes, peer: dict[tuple[str, str], httpx.Client]) -> None:
    upload = nodes.begin("hostile")
    nodes.put(upload, [ROWS])
    order = nodes.order("owner", CommitUpload(upload=upload, dataset="hostile", chunks=1, rows=len(ROWS)))
    transaction = json.loads(order.order)["transaction"]
    chunk = nodes.request("b", "owner", "GET", f"/v1/uploads/{upload}").json()["chunks"]["0"]
    change = {
        "kind": "create",
        "dataset": "hostile",
        "owner": nodes.people["owner"].card.fingerprint,
        "upload": upload,
        "rows": len(ROWS),
        "parts": [chunk],
    }
    good = Prepare(transaction=transaction, order=order, change=change).to_json()

    def send(sender: str, receiver: str, path: str, content: bytes, method: str = "POST") -> httpx.Response:
        headers = {"content-type": "application/json", **terms(nodes)}
        with Clock():
            return peer[sender, receiver].request(method, path, content=content, headers=headers)

    # only the coordinator brings changes about, and it needs the word of a person for each
    refused(send("c", "b", "/peer/transactions", good))
    for lie in (
        {"order": None},
        {"order": None, "job": fresh_id()},
        {"transaction": fresh_id()},
        {"change": change | {"rows": 127}},
        {"change": change | {"dataset": "there"}},
        {"change": change | {"owner": nodes.people["owner2"].card.fingerprint}},
        {"change": {"kind": "withdraw", "dataset": "there", "owner": change["owner"], "upload": None}},
        {"change": {"kind": "drop", "owner": change["owner"], "name": "x", "arrays": []}},
        {"change": {"kind": "refresh", "dataset": "there", "version": 1, "manifest": "0" * 64}},
    ):
        refused(send("a", "b", "/peer/transactions", json.dumps(json.loads(good) | lie).encode()))
    for content in broken(good, 40):
        answer = send("a", "b", "/peer/transactions", content)
        assert answer.status_code < 500, answer.text
    send("a", "b", f"/peer/transactions/{transaction}/abort", b'{"reason": "enough"}')
    for path in (f"/peer/transactions/{fresh_id()}/commit", f"/peer/transactions/{transaction}/commit"):
        answers = [{"transaction": transaction, "proposal": "0" * 64, "digests": []}] * 3
        for body in ({"answers": []}, {"answers": answers}, {"answers": [{}] * 3}, {}):
            refused(send("a", "b", path, json.dumps(body).encode()))
    assert nodes.versions("hostile") == [None] * 3


def test_a_hostile_node_s_words_about_jobs(nodes: Nodes, peer: dict[tuple[str, str], httpx.Client]) -> None:
    head = json.loads(peer["c", "b"].get("/peer/hello", headers=terms(nodes)).content)["head"]
    job, zeros = fresh_id(), "0" * 64
    bodies = {
        "prepare": {"bundle": zeros},
        "news": {"bundle": zeros, "state": "finished", "head": head},
        "start": {"bundle": zeros, "lane": 0, "session": zeros, "heads": [head] * 3},
        "refresh": {
            "order": nodes.order("operator", Withdraw(dataset="there")).model_dump(),
            "version": 1,
            "manifest": zeros,
            "lane": 1024,
            "session": zeros,
        },
        "settle": {"done": True},
        "cancel": {"bundle": zeros, "state": "failed", "error": {"error": "x", "message": "y"}},
    }
    for sender, receiver in (("c", "b"), ("a", "b"), ("b", "a"), ("c", "a")):
        for what, body in bodies.items():
            good = json.dumps(body).encode()
            for content in (good, *broken(good, 8)):
                headers = {"content-type": "application/json", **terms(nodes)}
                with Clock():
                    answer = peer[sender, receiver].post(f"/peer/jobs/{job}/{what}", content=content, headers=headers)
                assert answer.status_code < 500, f"{sender} to {receiver}, {what}: {answer.text}"
    assert Asked(nodes, "there").sent().result() == sum(ROWS)


# -- lanes


def lane_of(nodes: Nodes, name: str, lane: int = 0) -> tuple[str, int]:
    return nodes.federation.node(nodes.federation.party(name)).lane(lane)


def test_strangers_at_the_lanes(nodes: Nodes) -> None:
    """Noise, silence and strangers' certificates, before and while jobs run: these come to their end."""
    draw = random.Random(SEED)
    with ExitStack() as stack:
        for name in NAMES:
            for lane in range(2):
                for number in range(6):
                    knock = stack.enter_context(socket.create_connection(lane_of(nodes, name, lane), timeout=SOON_S))
                    with suppress(OSError):
                        knock.sendall((b"", b"GET / HTTP/1.1\r\n\r\n", draw.randbytes(4096))[number % 3])
        for _ in range(3):
            assert Asked(nodes, "there").sent().result() == sum(ROWS)


def test_a_hostile_node_at_the_lanes(nodes: Nodes) -> None:
    """With the certificate of a node and no job, or with broken frames: jobs come to their end all the same."""
    me = Member.load(nodes.folder / "c" / "identity.pem")
    hello = pack(FrameKind.HELLO, 0, bytes(16), 0, 3, 0, 0.0, 0)
    draw = random.Random(SEED)
    frames = [hello, hello[:20], b"\xff" * 56, draw.randbytes(200), *broken(hello, 10)]

    def knock(frame: bytes) -> None:
        with suppress(OSError, ssl.SSLError):
            raw = socket.create_connection(lane_of(nodes, "a"), timeout=SOON_S)
            card = nodes.federation.coordinator.card
            context = tls_context(me.identity, [card.certificate], server=False)
            raw.settimeout(0.05)
            with context.wrap_socket(raw, do_handshake_on_connect=False) as connection:
                connection.do_handshake()
                connection.sendall(frame)

    for frame in frames:
        knock(frame)
    for _ in range(3):
        assert Asked(nodes, "there").sent().result() == sum(ROWS)
