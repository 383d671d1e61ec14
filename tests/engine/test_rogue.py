"""A party that goes wild on the wire, over real TLS: the two honest parties and the client name it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from tercet.client import Session
from tercet.client.local import ThreadTrio
from tercet.engine.agreement import agree_on_keys
from tercet.engine.commands import EMPTY, Command, RunPlan
from tercet.engine.failure import Cause, Report
from tercet.errors import PartyError, ProtocolViolation, Unreachable
from tercet.plan.network import LAN
from tercet.sharing import PARTIES, Party
from tercet.transport import (
    Contact,
    Endpoint,
    Identity,
    SessionPeer,
    TcpEndpoint,
    connect,
    dials,
    listen,
    receive_control,
)
from tiny_plans import chain_plan, put, run_plan

TIMEOUT_S = 2.0


def connected() -> dict[SessionPeer, Endpoint]:
    """Four endpoints over loopback TLS."""
    identities = {peer: Identity.create(peer.label) for peer in SessionPeer}
    listeners = {peer: listen() for peer in SessionPeer if peer}
    endpoints: dict[SessionPeer, Endpoint] = {}

    def meet(me: SessionPeer) -> None:
        contacts = {}
        for peer in SessionPeer:
            if peer != me:
                where = listeners[peer].getsockname()[:2] if dials(me, peer) else ("", 0)
                contacts[peer] = Contact(identities[peer].certificate, *where)
        endpoints[me] = connect(me, identities[me], contacts, listener=listeners.get(me), timeout_s=20)

    threads = [threading.Thread(target=meet, args=(peer,)) for peer in SessionPeer]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for listener in listeners.values():
        listener.close()
    assert len(endpoints) == 4
    return endpoints


@contextmanager
def rogue_session(rogue: Party, act: Callable[[TcpEndpoint], None]) -> Iterator[Session]:
    """Two honest parties and one that, told to run a job, acts."""
    endpoints = connected()

    def misbehave() -> None:
        endpoint = endpoints[SessionPeer(rogue)]
        assert isinstance(endpoint, TcpEndpoint)
        agree_on_keys(endpoint, 20)
        endpoint.send_control(SessionPeer.CLIENT, Command.READY, EMPTY)
        while (told := receive_control(endpoint, SessionPeer.CLIENT, 20)).kind != Command.RUN:
            pass
        jobs.append(RunPlan.decode(told.body).job)
        act(endpoint)

    thread = threading.Thread(target=misbehave)
    thread.start()
    honest = ThreadTrio({p: endpoints[SessionPeer(p)] for p in PARTIES if p is not rogue}, TIMEOUT_S, 1, balance=True)
    net = Session(endpoints[SessionPeer.CLIENT], honest, LAN, TIMEOUT_S)
    try:
        net._await_ready(20)
        yield net
    finally:
        net.close()
        thread.join()
        endpoints[SessionPeer(rogue)].abandon()


jobs: list[bytes] = []
"""What the rogues were told to run."""


def write_raw(endpoint: TcpEndpoint, data: bytes) -> None:
    """Put bytes into both TLS connections with the other parties, past all framing."""
    for peer in PARTIES:
        connection = endpoint._by_peer[peer]
        if connection is not None:
            connection.tls.write(data)
            endpoint._write(connection)


def garbage(endpoint: TcpEndpoint) -> None:
    write_raw(endpoint, b"\xffgarbage" * 100)


def plain_garbage(endpoint: TcpEndpoint) -> None:
    """Bytes that are not even TLS."""
    for peer in PARTIES:
        connection = endpoint._by_peer[peer]
        if connection is not None:
            connection.sock.send(b"GET / HTTP/1.1\r\n\r\n" * 20)


def half_a_frame(endpoint: TcpEndpoint) -> None:
    write_raw(endpoint, b"TRCT\x01\x01\x04\x00")
    endpoint.abandon()


def vanish(endpoint: TcpEndpoint) -> None:
    endpoint.abandon()


def say_nothing(endpoint: TcpEndpoint) -> None:
    """Stall, alive and connected."""


@pytest.mark.parametrize("rogue", PARTIES)
@pytest.mark.parametrize(
    ("act", "cause"),
    [
        (garbage, Cause.VIOLATION),
        (plain_garbage, Cause.VIOLATION),
        (half_a_frame, Cause.UNREACHABLE),
        (vanish, Cause.UNREACHABLE),
        (say_nothing, Cause.TIMEOUT),
    ],
)
def test_it_is_named(act: Callable[[TcpEndpoint], None], cause: Cause, rogue: Party) -> None:
    with rogue_session(rogue, act) as net:
        x, y = put(net, [3], (-1, 3)), put(net, [1], (-1, 1))
        began = time.monotonic()
        with pytest.raises(PartyError) as caught:
            run_plan(net, chain_plan(x, y, 3))
        assert time.monotonic() - began < TIMEOUT_S + 5
        assert caught.value.party == rogue and caught.value.job
        honest = [party for party in PARTIES if party is not rogue]
        assert {(net.last_failure[p].cause, net.last_failure[p].party) for p in honest} == {(cause, rogue)}


def test_a_party_does_not_give_commands() -> None:
    def command(endpoint: TcpEndpoint) -> None:
        endpoint.send_control(SessionPeer.P1, Command.CLOSE, EMPTY)
        endpoint.flush(5)

    with rogue_session(Party.P3, command) as net:
        x, y = put(net, [3], (-1, 3)), put(net, [1], (-1, 1))
        with pytest.raises((ProtocolViolation, Unreachable, PartyError)):
            run_plan(net, chain_plan(x, y, 3))


def test_a_report_that_is_a_trap_stops_nobody() -> None:
    """Its operation and step only look like numbers: reading them as such once ended the other parties' loops."""

    def trap(endpoint: TcpEndpoint) -> None:
        body = Report(Cause.TIMEOUT, 3, 1, "²", "٤", "nothing arrived").encode()
        for peer in (SessionPeer.P1, SessionPeer.P2, SessionPeer.CLIENT):
            endpoint.send_abort(peer, jobs[-1], body)
        endpoint.flush(5)

    with rogue_session(Party.P3, trap) as net:
        x, y = put(net, [3], (-1, 3)), put(net, [1], (-1, 1))
        with pytest.raises(PartyError):
            run_plan(net, chain_plan(x, y, 3))
        assert {1, 2} <= net.last_failure.keys()
        assert all(report.cause is not Cause.UNREACHABLE for report in net.last_failure.values())
