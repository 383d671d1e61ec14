"""Signed requests: what the guard lets through, once, and what it refuses, with a reason that helps."""

from __future__ import annotations

import base64
import hashlib
import threading
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from federations import member
from tercet.errors import IntegrityError
from tercet.federation import requests
from tercet.federation.identity import Card, Member, encode_base64url
from tercet.federation.requests import BadRequest, RequestFault, RequestGuard, signed_headers
from tercet.transport.identity import Identity

STARTED = 1_800_000_000.0
NOW = STARTED + 1000
BODY = hashlib.sha256(b"body").hexdigest()
NODE = "hospital-a"


def node() -> str:
    return member(NODE).card.fingerprint


def guard(**limits: Any) -> RequestGuard:
    return RequestGuard(node(), STARTED, **limits)


def signed(
    now: float = NOW, *, who: Member | None = None, method: str = "PUT", target: str = "/v1/x?a=1"
) -> dict[str, str]:
    return signed_headers(who or long_lived(), node(), method, target, BODY, now)


def long_lived() -> Member:
    return member("anna")


def refusal(headers: dict[str, str], *, at: RequestGuard | None = None, now: float = NOW, **other: Any) -> BadRequest:
    wanted = {"method": "PUT", "target": "/v1/x?a=1", "body_sha256_hex": BODY} | other
    with pytest.raises(BadRequest) as caught:
        (at or guard()).check(headers, now=now, **wanted)
    assert isinstance(caught.value, IntegrityError)
    assert caught.value.hint
    return caught.value


def test_a_request_passes_once() -> None:
    at, headers = guard(), signed()
    assert at.check(headers, "PUT", "/v1/x?a=1", BODY, NOW) == long_lived().card
    assert refusal(headers, at=at).reason is RequestFault.REPLAYED
    assert refusal(headers, at=at, now=NOW + 299).reason is RequestFault.REPLAYED
    assert at.check(signed(), "PUT", "/v1/x?a=1", BODY, NOW) == long_lived().card


def test_the_body_may_come_later() -> None:
    claim = guard().check_head(signed(), "PUT", "/v1/x?a=1", NOW)
    assert claim.card == long_lived().card
    claim.check_body(BODY)
    with pytest.raises(BadRequest, match="body") as caught:
        claim.check_body(hashlib.sha256(b"other").hexdigest())
    assert caught.value.reason is RequestFault.WRONG_CONTENT


@pytest.mark.parametrize(("off", "passes"), [(-301, False), (-299, True), (0, True), (299, True), (301, False)])
def test_dates(off: float, passes: bool) -> None:
    headers = signed(NOW + off)
    if passes:
        guard().check(headers, "PUT", "/v1/x?a=1", BODY, NOW)
        return
    error = refusal(headers)
    assert error.reason is RequestFault.STALE
    for clock in (NOW + off, NOW):
        assert f"{datetime.fromtimestamp(clock, UTC):%H:%M:%S}" in error.message


def test_what_is_dated_before_the_start_is_refused() -> None:
    error = refusal(signed(STARTED - 1), now=STARTED + 1)
    assert error.reason is RequestFault.EARLY
    assert "before this node started" in error.message
    at = guard()
    at.check(signed(STARTED), "PUT", "/v1/x?a=1", BODY, STARTED)
    exact = RequestGuard(node(), STARTED + 0.12345)
    exact.check(signed(STARTED + 0.12345), "PUT", "/v1/x?a=1", BODY, STARTED + 0.2)


def test_a_request_for_another_node_names_both() -> None:
    headers = signed_headers(long_lived(), member("hospital-b").card.fingerprint, "PUT", "/v1/x?a=1", BODY, NOW)
    error = refusal(headers)
    assert error.reason is RequestFault.WRONG_NODE
    assert node()[:16] in error.message and member("hospital-b").card.fingerprint[:16] in error.message
    # and cannot be turned into one for this
    assert refusal(headers | {requests.NODE: node()}).reason is RequestFault.BAD_SIGNATURE


@pytest.mark.parametrize(
    ("other", "reason"),
    [
        ({"method": "POST"}, RequestFault.BAD_SIGNATURE),
        ({"target": "/v1/x?a=2"}, RequestFault.BAD_SIGNATURE),
        ({"target": "/v1/x"}, RequestFault.BAD_SIGNATURE),
        ({"body_sha256_hex": hashlib.sha256(b"other").hexdigest()}, RequestFault.WRONG_CONTENT),
    ],
)
def test_what_was_signed_counts(other: dict[str, str], reason: RequestFault) -> None:
    assert refusal(signed(), **other).reason is reason


def test_headers_of_two_requests_do_not_mix() -> None:
    first, second = signed(), signed(NOW + 1)
    for name in (requests.DATE, requests.NONCE, requests.SIGNATURE):
        assert refusal(first | {name: second[name]}).reason is RequestFault.BAD_SIGNATURE
    other = base64.b64encode(member("ben").card.certificate).decode()
    assert refusal(first | {requests.CERTIFICATE: other}).reason is RequestFault.BAD_SIGNATURE


@pytest.mark.parametrize("name", [*signed()])
@pytest.mark.parametrize("value", ["", "x", "ü", "A" * 10_000, " ", "1" * 400 + ".000", "\0", "AAAA", "nan", "-1.000"])
def test_malformed_headers(name: str, value: str) -> None:
    error = refusal(signed() | {name: value})
    assert error.reason is RequestFault.MALFORMED
    assert name in error.message


@pytest.mark.parametrize("name", [*signed()])
def test_missing_headers(name: str) -> None:
    headers = signed()
    del headers[name]
    assert f"{name} is missing" in refusal(headers).message


@pytest.mark.parametrize(
    ("method", "target"),
    [("put", "/"), ("TRACE", "/"), ("PUT", "v1"), ("PUT", "/a b"), ("PUT", "/\n"), ("PUT", "/" * 5000)],
)
def test_methods_and_targets_that_are_none(method: str, target: str) -> None:
    assert refusal(signed(), method=method, target=target).reason is RequestFault.MALFORMED


def test_a_certificate_that_is_no_members_is_malformed() -> None:
    plain = base64.b64encode(Identity.create("plain").certificate).decode()
    assert "seal keys" in refusal(signed() | {requests.CERTIFICATE: plain}).message


def test_an_expired_certificate() -> None:
    start = datetime.fromtimestamp(NOW, UTC) - timedelta(days=10)
    old = Member.create("old", start=start, valid_for=timedelta(days=9))
    error = refusal(signed(who=old))
    assert error.reason is RequestFault.EXPIRED
    assert "expired on" in error.message


def test_strangers_leave_no_trace() -> None:
    def nobody(card: Card) -> None:
        raise LookupError(card.name)

    at, headers = guard(max_nonces=1), signed()
    for _ in range(3):
        with pytest.raises(LookupError, match="anna"):
            at.check_head(headers, "PUT", "/v1/x?a=1", NOW, admit=nobody)
    at.check(headers, "PUT", "/v1/x?a=1", BODY, NOW)


def test_a_wrong_signature_does_not_use_up_the_nonce() -> None:
    at, headers = guard(), signed()
    assert (
        refusal(headers | {requests.SIGNATURE: encode_base64url(bytes(64))}, at=at).reason is RequestFault.BAD_SIGNATURE
    )
    assert refusal(headers, at=at, body_sha256_hex="0" * 64).reason is RequestFault.WRONG_CONTENT
    at.check(headers, "PUT", "/v1/x?a=1", BODY, NOW)


def test_memory_is_bounded_and_freed() -> None:
    at = guard(max_nonces=5, max_nonces_of_one=3)
    for _ in range(3):
        at.check(signed(), "PUT", "/v1/x?a=1", BODY, NOW)
    assert refusal(signed(), at=at).reason is RequestFault.BUSY
    ben = member("ben")
    for _ in range(2):
        at.check(signed(who=ben), "PUT", "/v1/x?a=1", BODY, NOW)
    assert refusal(signed(who=ben), at=at).reason is RequestFault.BUSY
    # nothing that could still be replayed is forgotten; everything else is
    assert refusal(signed(NOW + 299), at=at, now=NOW + 299).reason is RequestFault.BUSY
    later = NOW + 300 + 60
    for _ in range(3):
        at.check(signed(later), "PUT", "/v1/x?a=1", BODY, later)
    assert refusal(signed(later), at=at, now=later).reason is RequestFault.BUSY
    for _ in range(2):
        at.check(signed(later, who=ben), "PUT", "/v1/x?a=1", BODY, later)
    assert refusal(signed(later, who=ben), at=at, now=later).reason is RequestFault.BUSY


@given(st.lists(st.tuples(st.integers(0, 900), st.integers(-300, 300)), min_size=1, max_size=12))
def test_no_replay_passes_whenever_it_comes(steps: list[tuple[int, int]]) -> None:
    """A client and a replayer, with clocks that differ: what passed once never passes again."""
    at, now, passed = guard(), NOW, list[dict[str, str]]()
    for wait, off in steps:
        now += wait
        headers = signed(now + off)
        at.check(headers, "PUT", "/v1/x?a=1", BODY, now)
        passed.append(headers)
        for old in passed:
            assert refusal(old, at=at, now=now).reason in (RequestFault.REPLAYED, RequestFault.STALE)


def test_of_many_threads_one_passes() -> None:
    at, headers = guard(), signed()
    barrier, outcomes = threading.Barrier(8), list[str]()

    def ask() -> None:
        barrier.wait()
        try:
            at.check(headers, "PUT", "/v1/x?a=1", BODY, NOW)
            outcomes.append("ok")
        except BadRequest as error:
            outcomes.append(error.reason)

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["ok"] + [RequestFault.REPLAYED] * 7


def test_checking_is_cheap() -> None:
    at, many = guard(), [signed() for _ in range(200)]
    start = time.process_time()
    for headers in many:
        at.check(headers, "PUT", "/v1/x?a=1", BODY, NOW)
    assert (time.process_time() - start) / len(many) < 0.5e-3
