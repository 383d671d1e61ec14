"""The gate: who gets in, with what body, how often; raw bytes on a TLS connection where it matters."""

from __future__ import annotations

import hashlib
import json
import ssl
import time
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta

import pytest

from node.gate_server import Served, gate, read_answer
from tercet.federation.identity import Member
from tercet.federation.requests import signed_headers
from tercet.node.peers import CLOCK_S
from tercet.node.settings import NodeLimits, Timeouts
from tercet.transport.identity import tls_context

LIMITS = NodeLimits(
    request_bytes=64 << 10,
    chunk_bytes=128 << 10,
    bodies_bytes=1 << 20,
    requests_per_second=1000.0,
    strangers_per_second=1000.0,
)


@pytest.fixture(scope="module")
def served() -> Iterator[Served]:
    with gate(LIMITS, Timeouts(body=0.4)) as found:
        yield found


def head(served: Served, member: Member | None, method: str, target: str, body: bytes = b"", **more: str) -> bytes:
    headers = {"host": "a"}
    if member is not None:
        fingerprint = served.members[more.pop("node", "a")].card.fingerprint
        now = float(more.pop("now", time.time()))
        headers |= signed_headers(member, fingerprint, method, target, hashlib.sha256(body).hexdigest(), now)
    headers |= {name.replace("_", "-"): value for name, value in more.items()}
    lines = [f"{method} {target} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items() if value)]
    return "\r\n".join(lines).encode() + b"\r\n\r\n"


def request(
    served: Served,
    person: str | Member | None,
    method: str = "GET",
    target: str = "/v1/me",
    body: bytes = b"",
    tls: Member | None = None,
    **more: str,
) -> tuple[int, dict[str, object]]:
    member = served.people[person] if isinstance(person, str) else person
    if body:
        more.setdefault("content_length", str(len(body)))
    return parsed(served.exchange(head(served, member, method, target, body, **more) + body, tls))


def parsed(answer: bytes) -> tuple[int, dict[str, object]]:
    top, _, body = answer.partition(b"\r\n\r\n")
    assert top.startswith(b"HTTP/1.1 "), answer[:200]
    told = json.loads(body) if body.startswith(b"{") else {}
    return int(top.split()[1]), told


# -- who


def test_a_person_of_the_policy_gets_in(served: Served) -> None:
    assert request(served, "owner") == (200, {"name": "owner"})


def test_the_node_s_own_identity_is_its_operator(served: Served) -> None:
    assert request(served, served.members["a"], target="/v1/admin") == (200, {"name": "a"})
    assert request(served, served.members["b"], target="/v1/me")[0] == 403


def test_open_routes_need_no_signature(served: Served) -> None:
    assert request(served, None, target="/healthz") == (200, {"ready": True})


@pytest.mark.parametrize("target", ["/v1/me", "/v1/no-such-route", "/", "/docs", "/healthz/", "//healthz", "/V1/node"])
def test_strangers_learn_nothing_not_even_what_there_is(served: Served, target: str) -> None:
    status, told = request(served, None, target=target)
    assert status == 401
    assert told["error"] == "unsigned"


def test_a_certificate_that_nobody_knows_is_refused(served: Served) -> None:
    status, told = request(served, "nobody")
    assert status == 403
    assert "not among the people" in str(told["message"])


def test_a_role_is_needed(served: Served) -> None:
    status, told = request(served, "analyst", "POST", "/v1/echo", b"x")
    assert (status, told["error"]) == (403, "forbidden")
    assert request(served, "operator", target="/v1/admin")[0] == 200


def test_a_request_signed_for_another_node_is_refused(served: Served) -> None:
    assert request(served, "owner", node="b")[0] == 401


def test_old_and_future_requests_are_refused(served: Served) -> None:
    for shift in (-400, 400, -86400, 86400):
        assert request(served, "owner", now=str(time.time() + shift))[0] == 401


def test_a_replayed_request_is_refused(served: Served) -> None:
    bytes_sent = head(served, served.people["owner"], "GET", "/v1/me")
    assert parsed(served.exchange(bytes_sent))[0] == 200
    status, told = parsed(served.exchange(bytes_sent))
    assert status == 401
    assert "before" in str(told["message"]) or "again" in str(told["message"])


def test_method_target_and_query_are_signed(served: Served) -> None:
    signed = head(served, served.people["owner"], "GET", "/v1/me")
    assert parsed(served.exchange(signed.replace(b"GET /v1/me ", b"GET /v1/me?a=1 ")))[0] == 401
    assert parsed(served.exchange(signed.replace(b"GET /v1/me ", b"POST /v1/me ")))[0] == 401
    assert parsed(served.exchange(signed.replace(b"GET /v1/me ", b"GET /v1/%6de ")))[0] == 401


def test_an_expired_certificate_is_refused(served: Served) -> None:
    old = Member.create("owner", valid_for=timedelta(days=1), start=datetime.now(UTC) - timedelta(days=2))
    assert request(served, old)[0] == 401


# -- bodies


def test_a_body_is_held_against_its_signature(served: Served) -> None:
    owner = served.people["owner"]
    good = head(served, owner, "POST", "/v1/echo", b"hello", content_length="5")
    assert parsed(served.exchange(good + b"hello")) == (200, {"length": 5})
    good = head(served, owner, "POST", "/v1/echo", b"hello", content_length="5")
    status, told = parsed(served.exchange(good + b"jello"))
    assert (status, told["error"]) == (401, "unsigned")


def test_a_body_that_was_not_signed_is_refused(served: Served) -> None:
    more = head(served, served.people["owner"], "GET", "/v1/me", content_length="1")
    assert parsed(served.exchange(more + b"x"))[0] == 401


def test_a_body_in_pieces_is_read(served: Served) -> None:
    owner = served.people["owner"]
    signed = head(served, owner, "POST", "/v1/echo", b"helloworld", transfer_encoding="chunked")
    assert parsed(served.exchange(signed + b"5\r\nhello\r\n5\r\nworld\r\n0\r\n\r\n")) == (200, {"length": 10})


def test_too_long_a_body_is_refused_before_it_is_read(served: Served) -> None:
    owner = served.people["owner"]
    told = head(served, owner, "POST", "/v1/echo", b"", content_length=str(1 << 40))
    assert parsed(served.exchange(told))[0] == 413
    # and where no length is told, as soon as it is too long
    signed = head(served, owner, "POST", "/v1/echo", b"", transfer_encoding="chunked")
    piece = b"10000\r\n" + bytes(1 << 16) + b"\r\n"
    assert parsed(served.exchange(signed + 2 * piece))[0] == 413


def test_strangers_get_no_body_read(served: Served) -> None:
    assert parsed(served.exchange(head(served, None, "POST", "/v1/echo", content_length="60000")))[0] == 401
    assert parsed(served.exchange(head(served, None, "GET", "/healthz", content_length="60000")))[0] == 413


def test_a_body_that_stops_coming_is_given_up(served: Served) -> None:
    signed = head(served, served.people["owner"], "POST", "/v1/echo", b"hello", content_length="5")
    start = time.monotonic()
    assert parsed(served.exchange(signed + b"he"))[0] == 408
    assert time.monotonic() - start < 3


@pytest.mark.parametrize("length", ["-1", "x", "1_0", "99999999999999999999999999", "5, 6"])
def test_lengths_that_are_none(served: Served, length: str) -> None:
    answer = served.exchange(head(served, served.people["owner"], "POST", "/v1/echo", b"", content_length=length))
    assert answer.split()[1] in (b"400", b"413")


def test_memory_for_bodies_is_given_back(served: Served) -> None:
    for _ in range(40):
        told = head(served, served.people["owner"], "POST", "/v1/echo", b"", content_length="60000")
        with served.connect() as connection:
            connection.sendall(told)
    deadline = time.monotonic() + 5
    while request(served, "owner", "POST", "/v1/echo", bytes(60_000))[0] != 200:
        assert time.monotonic() < deadline


def test_one_person_does_not_take_all_the_memory_for_bodies() -> None:
    with gate(LIMITS, Timeouts(body=30.0)) as served:

        def announced() -> ssl.SSLSocket:
            """A connection with a request whose body does not come."""
            connection = served.connect()
            connection.sendall(head(served, served.people["owner"], "POST", "/v1/echo", b"", content_length="64000"))
            return connection

        waiting = [announced() for _ in range(8)]
        try:
            for _ in range(8):
                with ExitStack() as closing:
                    connection = closing.enter_context(announced())
                    connection.settimeout(0.5)
                    try:
                        assert parsed(read_answer(connection))[0] == 503
                        break
                    except TimeoutError:  # it came before one of the eight, which was turned away: it takes its place
                        closing.pop_all()
                        waiting.append(connection)
            else:
                raise AssertionError("nine are waited for")
            # read to its end, and then not for an analyst
            assert request(served, "analyst", "POST", "/v1/echo", bytes(60_000))[0] == 403
        finally:
            for connection in waiting:
                connection.close()


# -- heads


def test_a_head_without_end_is_cut(served: Served) -> None:
    with served.connect() as connection:
        connection.sendall(b"GET /healthz HTTP/1.1\r\n")
        try:
            for number in range(2000):
                connection.sendall(b"x-%d: %s\r\n" % (number, b"y" * 1000))
        except (ConnectionError, ssl.SSLError):
            pass
        answer = read_answer(connection)
    assert not answer or answer.startswith(b"HTTP/1.1 400")


def test_a_head_that_does_not_come_is_not_waited_for(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tercet.node.http.connections.HEAD_S", 0.2)
    for start in (b"", b"GET /heal"):
        with served.connect() as connection:
            connection.sendall(start)
            began = time.monotonic()
            assert connection.recv(100) == b""
            assert time.monotonic() - began < 3


def test_a_connection_is_used_again(served: Served) -> None:
    with served.connect() as connection:
        for _ in range(3):
            connection.sendall(head(served, served.people["owner"], "GET", "/v1/me"))
            assert parsed(read_answer(connection))[0] == 200


# -- nodes


def terms(served: Served, **changed: str) -> dict[str, str]:
    return {
        "tercet_protocol": "1",
        "tercet_federation": served.federation.digest,
        "tercet_date": f"{time.time():.3f}",
    } | changed


def test_another_node_is_known_by_its_certificate(served: Served) -> None:
    for name in ("b", "c"):
        found = request(served, None, target="/peer/name", tls=served.members[name], **terms(served))
        assert found == (200, {"name": name})


def test_peer_routes_are_for_other_nodes(served: Served) -> None:
    assert request(served, "operator", target="/peer/name", **terms(served))[0] == 401
    assert request(served, None, target="/peer/name", **terms(served))[0] == 401
    assert request(served, None, target="/peer/none", **terms(served))[0] == 401


@pytest.mark.parametrize("stranger", ["nobody", "owner", "a"])
def test_certificates_of_others_end_in_the_handshake(served: Served, stranger: str) -> None:
    member = {**served.people, **served.members}[stranger]
    # in TLS 1.3 a client learns only from the first read that its certificate was not taken
    assert served.exchange(head(served, None, "GET", "/peer/name", **terms(served)), member) == b""


def test_only_tls_1_3(served: Served) -> None:
    context = tls_context(served.people["owner"].identity, [served.members["a"].card.certificate], server=False)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    import socket

    with socket.create_connection(("127.0.0.1", served.port), timeout=5) as raw, pytest.raises(ssl.SSLError):
        context.wrap_socket(raw)


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"tercet_protocol": "2"}, "b speaks protocol 2, a speaks 1"),
        ({"tercet_federation": "0" * 64}, "different federation files"),
        ({"tercet_date": "yesterday"}, "clocks of b and a differ by 86,4"),
        ({"tercet_date": "nan"}, "clocks of b and a"),
        ({"tercet_date": ""}, "clocks of b and a"),
    ],
)
def test_nodes_that_do_not_fit_are_refused_by_name(served: Served, changed: dict[str, str], words: str) -> None:
    if changed.get("tercet_date") == "yesterday":
        changed = {"tercet_date": f"{time.time() - 86400:.3f}"}
    more = terms(served, **changed)
    status, told = request(served, None, target="/peer/name", tls=served.members["b"], **more)
    assert status == 409
    assert words in str(told["message"])
    # but they may say hello, so that both can say what does not fit
    assert request(served, None, target="/peer/hello", tls=served.members["b"], **more)[0] == 200


def test_the_window_of_clocks() -> None:
    assert CLOCK_S == 300


# -- rates, defects


def test_a_person_has_a_rate_and_others_are_not_slowed() -> None:
    with gate(NodeLimits(requests_per_second=2.0, strangers_per_second=1000.0)) as served:
        found = [request(served, "owner")[0] for _ in range(14)]
        assert found[:10] == [200] * 10
        assert 429 in found[10:]
        assert request(served, "analyst")[0] == 200


def test_strangers_have_a_rate_by_address() -> None:
    with gate(NodeLimits(strangers_per_second=1.0)) as served:
        found = [request(served, "nobody")[0] for _ in range(8)]
        assert found[:5] == [403] * 5
        assert found[-1] == 429


def test_what_nobody_expected_is_told_by_number_only(served: Served, caplog: pytest.LogCaptureFixture) -> None:
    status, told = request(served, "owner", target="/v1/broken")
    assert status == 500
    incident = str(told["message"]).rsplit(" ", 1)[1]
    assert "4711" not in json.dumps(told)
    assert any(getattr(record, "fields", {}).get("incident") == incident for record in caplog.records)


def test_figures_are_for_the_addresses_of_the_settings(served: Served) -> None:
    listen = served.context.settings.listen
    assert listen.metrics_from == ["127.0.0.1", "::1"]
    assert request(served, None, target="/metrics")[0] == 404  # past the gate; these plain routes have none
    other = served.context.settings.model_copy(update={"listen": listen.model_copy(update={"metrics_from": []})})
    before, served.context.settings = served.context.settings, other
    try:
        assert request(served, None, target="/metrics")[0] == 403
    finally:
        served.context.settings = before
