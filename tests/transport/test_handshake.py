"""Who gets in, who does not, and what both sides are told."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta

import pytest

from tercet.errors import ConfigError, TercetError, Unreachable
from tercet.transport import (
    Contact,
    Identity,
    SessionPeer,
    TcpEndpoint,
    connect,
    dials,
    listen,
    listen_here,
    new_session,
    place_of,
)
from tercet.transport.identity import tls_context
from transport.sessions import identity, tcp_endpoints

P1, P2, P3, CLIENT = SessionPeer.P1, SessionPeer.P2, SessionPeer.P3, SessionPeer.CLIENT
Outcome = TcpEndpoint | TercetError


def together(*calls: Callable[[], TcpEndpoint]) -> list[Outcome]:
    """Run the calls at the same time; give endpoints (closed) or errors."""
    outcomes: list[Outcome | None] = [None] * len(calls)

    def run(index: int) -> None:
        try:
            outcomes[index] = calls[index]()
        except TercetError as error:
            outcomes[index] = error

    threads = [threading.Thread(target=run, args=(index,)) for index in range(len(calls))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
        assert not thread.is_alive()
    for outcome in outcomes:
        if isinstance(outcome, TcpEndpoint):
            outcome.close()
    return [outcome for outcome in outcomes if outcome is not None]


def meet(
    caller: Identity,
    expected: bytes,
    *,
    answering: Identity | None = None,
    pinned: bytes | None = None,
    sessions: tuple[bytes, bytes] = (bytes(16), bytes(16)),
    number: SessionPeer = P2,
    listening: Callable[[], socket.socket] = listen,
    patience_s: float = 5,
) -> list[Outcome]:
    """Let party 2 (as `caller`) call party 1, which expects the certificate `expected`."""
    answering = answering or identity(P1)
    with listening() as listener:
        address = place_of(listener)
        return together(
            lambda: connect(
                P1, answering, {P2: Contact(expected)}, listener=listener, timeout_s=0.6, session=sessions[0]
            ),
            lambda: connect(
                number,
                caller,
                {P1: Contact(pinned or answering.certificate, *address)},
                timeout_s=patience_s,
                session=sessions[1],
            ),
        )


@pytest.mark.parametrize("listening", [listen, listen_here])
def test_the_right_ones_meet(listening: Callable[[], socket.socket]) -> None:
    outcomes = meet(identity(P2), identity(P2).certificate, listening=listening)
    assert all(isinstance(outcome, TcpEndpoint) for outcome in outcomes), outcomes


@pytest.mark.parametrize("listening", [listen, listen_here])
def test_an_unknown_caller_is_refused_and_both_are_told(listening: Callable[[], socket.socket]) -> None:
    start = time.monotonic()
    called, caller = meet(Identity.create("stranger"), identity(P2).certificate, listening=listening)
    assert isinstance(called, Unreachable)
    assert called.party == 2
    assert "turned away" in str(called)
    assert "certificate" in str(called)
    assert isinstance(caller, ConfigError)
    assert "party 1 refuses us: it does not know our certificate" in str(caller)
    assert time.monotonic() - start < 3


def test_a_wrong_answerer_is_refused_by_the_caller() -> None:
    called, caller = meet(identity(P2), identity(P2).certificate, pinned=identity(P3).certificate)
    assert isinstance(caller, ConfigError)
    assert "the certificate that party 1 shows is refused" in str(caller)
    assert isinstance(called, Unreachable)
    assert "turned away" in str(called)


def test_a_known_peer_cannot_claim_to_be_another() -> None:
    with listen() as listener:
        address = listener.getsockname()
        known = {P2: Contact(identity(P2).certificate), P3: Contact(identity(P3).certificate)}
        called, caller = together(
            lambda: connect(P1, identity(P1), known, listener=listener, timeout_s=0.5),
            lambda: connect(P3, identity(P2), {P1: Contact(identity(P1).certificate, *address)}, timeout_s=5),
        )
    assert isinstance(caller, ConfigError)
    assert "its certificate is not the one configured for party 3" in str(caller)
    assert isinstance(called, Unreachable)


def test_another_session_is_refused() -> None:
    called, caller = meet(identity(P2), identity(P2).certificate, sessions=(new_session(), new_session()), patience_s=1)
    assert isinstance(caller, ConfigError)
    assert "another session" in str(caller)
    assert isinstance(called, Unreachable)
    assert "another session" in str(called)


def test_a_peer_that_is_still_in_a_session_which_another_has_left_is_called_again() -> None:
    old, new = new_session(), new_session()
    with listen() as listener:

        def one_after_the_other() -> TcpEndpoint:
            called = {P2: Contact(identity(P2).certificate)}
            with pytest.raises(Unreachable, match="another session"):
                connect(P1, identity(P1), called, listener=listener, timeout_s=0.5, session=old)
            return connect(P1, identity(P1), called, listener=listener, timeout_s=5, session=new)

        place = Contact(identity(P1).certificate, *place_of(listener))
        outcomes = together(
            one_after_the_other, lambda: connect(P2, identity(P2), {P1: place}, timeout_s=5, session=new)
        )
    assert all(isinstance(outcome, TcpEndpoint) for outcome in outcomes), outcomes


def expired() -> Identity:
    return Identity.create("old", start=datetime.now(UTC) - timedelta(days=10), valid_for=timedelta(days=1))


def test_expired_certificates_are_refused_before_anything_is_sent() -> None:
    old = expired()
    with pytest.raises(ConfigError, match=r"certificate of party 2 \(this side\) expired on"):
        connect(P2, old, {P1: Contact(identity(P1).certificate, "127.0.0.1", 1)}, timeout_s=1)
    with pytest.raises(ConfigError, match="certificate of party 1 expired on"):
        connect(P2, identity(P2), {P1: Contact(old.certificate, "127.0.0.1", 1)}, timeout_s=1)
    early = Identity.create("early", start=datetime.now(UTC) + timedelta(days=1))
    with pytest.raises(ConfigError, match="valid from"):
        connect(P2, early, {P1: Contact(identity(P1).certificate, "127.0.0.1", 1)}, timeout_s=1)
    with pytest.raises(ConfigError, match="cannot be read"):
        connect(P2, identity(P2), {P1: Contact(b"junk", "127.0.0.1", 1)}, timeout_s=1)


@pytest.mark.parametrize("old_side", ["caller", "called"])
def test_tls_refuses_expired_certificates_too(old_side: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tercet.transport.handshake.check_validity", lambda *_: None)
    old = expired()
    if old_side == "caller":
        called, caller = meet(old, old.certificate)
        assert "our certificate expired" in str(caller)
        assert "expired" in str(called)
    else:
        called, caller = meet(identity(P2), identity(P2).certificate, answering=old)
        assert "certificate has expired" in str(caller)
        assert "turned away" in str(called)
    assert isinstance(caller, ConfigError)
    assert isinstance(called, Unreachable)


def test_callers_without_tls_or_without_words_are_turned_away_and_the_right_one_gets_in() -> None:
    with listen() as listener:
        address = listener.getsockname()
        noise = socket.create_connection(address)
        noise.sendall(b"GET / HTTP/1.0\r\n\r\n")
        silent = socket.create_connection(address)
        gone = socket.create_connection(address)
        gone.close()
        outcomes = together(
            lambda: connect(P1, identity(P1), {P2: Contact(identity(P2).certificate)}, listener=listener, timeout_s=5),
            lambda: connect(P2, identity(P2), {P1: Contact(identity(P1).certificate, *address)}, timeout_s=5),
        )
        noise.close()
        silent.close()
    assert all(isinstance(outcome, TcpEndpoint) for outcome in outcomes), outcomes


def test_idle_strangers_do_not_keep_the_right_one_out() -> None:
    with listen() as listener, ExitStack() as idle:
        address = listener.getsockname()
        for _ in range(20):
            idle.enter_context(socket.create_connection(address))
        began = time.monotonic()
        outcomes = together(
            lambda: connect(P1, identity(P1), {P2: Contact(identity(P2).certificate)}, listener=listener, timeout_s=5),
            lambda: connect(P2, identity(P2), {P1: Contact(identity(P1).certificate, *address[:2])}, timeout_s=5),
        )
        assert all(isinstance(outcome, TcpEndpoint) for outcome in outcomes), outcomes
        assert time.monotonic() - began < 4


def test_nobody_at_the_address_is_unreachable_in_time() -> None:
    with listen() as listener:
        address = listener.getsockname()
    start = time.monotonic()
    with pytest.raises(Unreachable, match=r"did not connect within 0.3 s; nobody listens.*party 1"):
        connect(P2, identity(P2), {P1: Contact(identity(P1).certificate, *address)}, timeout_s=0.3)
    assert time.monotonic() - start < 3
    with listen() as listener, pytest.raises(Unreachable, match="party 2 and party 3 did not connect"):
        others = {peer: Contact(identity(peer).certificate) for peer in (P2, P3)}
        connect(P1, identity(P1), others, listener=listener, timeout_s=0.1)


def test_a_listener_that_says_nothing_is_unreachable_in_time() -> None:
    with listen() as listener, pytest.raises(Unreachable, match=r"party 1 did not connect within 0\.3 s"):
        contact = Contact(identity(P1).certificate, *listener.getsockname())
        connect(P2, identity(P2), {P1: contact}, timeout_s=0.3)


NAMES = ("the client", "a" * 63, "b" * 63, "c" * 63)
"""Names of parties as long as a federation file allows."""


def test_parties_with_names_are_called_so_whatever_fails() -> None:
    with listen() as listener:
        address = listener.getsockname()[:2]
    with pytest.raises(Unreachable) as away:
        connect(P2, identity(P2), {P1: Contact(identity(P1).certificate, *address)}, timeout_s=0.1, names=NAMES)
    assert away.value.reason == (
        f"{NAMES[1]} did not connect within 0.1 s; nobody listens at the address of {NAMES[1]}"
    )
    others = {peer: Contact(identity(peer).certificate) for peer in (P2, P3)}
    with listen() as listener, pytest.raises(Unreachable, match=f"{NAMES[2]} and {NAMES[3]} did not connect"):
        connect(P1, identity(P1), others, listener=listener, timeout_s=0.1, names=NAMES)
    # the refusal that the caller is sent, and what both make of it
    with listen() as listener:
        address = listener.getsockname()
        called, caller = together(
            lambda: connect(P1, identity(P1), others, listener=listener, timeout_s=0.5, names=NAMES),
            lambda: connect(
                P3, identity(P2), {P1: Contact(identity(P1).certificate, *address)}, timeout_s=5, names=NAMES
            ),
        )
    why = f"its certificate is not the one configured for {NAMES[3]}"
    assert isinstance(called, Unreachable) and why in called.reason
    assert isinstance(caller, ConfigError) and caller.message == f"{NAMES[1]} refuses us: {why}"


def test_a_peer_that_starts_late_is_waited_for() -> None:
    with listen() as probe:
        address = probe.getsockname()

    def late() -> TcpEndpoint:
        time.sleep(0.2)
        with listen(*address) as listener:
            return connect(P1, identity(P1), {P2: Contact(identity(P2).certificate)}, listener=listener, timeout_s=5)

    outcomes = together(
        late, lambda: connect(P2, identity(P2), {P1: Contact(identity(P1).certificate, *address)}, timeout_s=5)
    )
    assert all(isinstance(outcome, TcpEndpoint) for outcome in outcomes), outcomes


def test_misuse_and_bad_addresses() -> None:
    with pytest.raises(ValueError, match="listener"):
        connect(P1, identity(P1), {P2: Contact(identity(P2).certificate)})
    with listen() as listener, pytest.raises(ConfigError, match="cannot listen"):
        listen(*listener.getsockname()[:2])
    with pytest.raises(ConfigError, match="cannot be used"):
        tls_context(Identity(identity(P1).certificate, b"junk"), [], server=True)


def test_each_pair_has_one_caller_and_the_client_is_never_called() -> None:
    for one in SessionPeer:
        for other in SessionPeer:
            if one != other:
                assert dials(one, other) != dials(other, one)
        assert not dials(one, CLIENT) or one == CLIENT


def test_four_meet_and_use_the_ciphers_meant() -> None:
    endpoints = tcp_endpoints()
    for endpoint in endpoints.values():
        for connection in endpoint._by_fd.values():
            assert connection.tls.version() == "TLSv1.3"
    for endpoint in endpoints.values():
        endpoint.close()


def test_identities_and_contacts_do_not_print() -> None:
    mine = identity(P1)
    assert "PRIVATE" not in repr(mine) and "x" not in repr(Contact(mine.certificate)).replace("host=''", "")
