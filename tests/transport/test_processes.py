"""Real processes with sockets bound before they start."""

from __future__ import annotations

import multiprocessing
import os
import signal
import socket
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess

import pytest

from tercet.errors import Timeout, Unreachable
from tercet.transport import Address, Element, Endpoint, MessageLimits, SessionPeer, connect, listen, receive
from transport import children
from transport.sessions import JOB, contacts_for, identity

CONTEXT = multiprocessing.get_context("spawn")
Child = tuple[SpawnProcess, Connection]


@contextmanager
def processes(
    tasks: Mapping[SessionPeer, str], listeners: Mapping[SessionPeer, socket.socket]
) -> Iterator[dict[SessionPeer, Child]]:
    started: dict[SessionPeer, Child] = {}
    try:
        for peer, task in tasks.items():
            ours, theirs = CONTEXT.Pipe()
            arguments = (peer, identity(peer), contacts_for(peer, listeners), listeners[peer], theirs, task)
            process = CONTEXT.Process(target=children.party, args=arguments, daemon=True)
            process.start()
            theirs.close()
            started[peer] = (process, ours)
        yield started
    finally:
        for process, pipe in started.values():
            process.kill()
            process.join()
            process.close()
            pipe.close()
        for listener in listeners.values():
            listener.close()


def test_three_processes_talk_in_rounds_and_in_bulk() -> None:
    peers = (SessionPeer.P1, SessionPeer.P2, SessionPeer.P3)
    for task in ("ring", "both_ways"):
        listeners = {peer: listen() for peer in peers}
        with processes(dict.fromkeys(peers, task), listeners) as children:
            answers = []
            for _, pipe in children.values():
                assert pipe.poll(30)
                answers.append(pipe.recv())
            for process, pipe in children.values():
                pipe.send("done")
                process.join(10)
                assert process.exitcode == 0
        if task == "ring":
            words = [0, 0, 0]
            for _ in range(200):
                words = [(sum(words) - words[i] + i + 1) % 2**64 for i in range(3)]
            assert answers == words
        else:
            assert answers == ["ok"] * 3


@contextmanager
def one_child(
    task: str, limits: MessageLimits | None = None, timeout_s: float = 60.0
) -> Iterator[tuple[Endpoint, SpawnProcess]]:
    listeners = {SessionPeer.P1: listen(), SessionPeer.P2: listen()}
    with processes({SessionPeer.P2: task}, listeners) as children:
        endpoint = connect(
            SessionPeer.P1,
            identity(SessionPeer.P1),
            contacts_for(SessionPeer.P1, listeners),
            listener=listeners[SessionPeer.P1],
            limits=limits,
            send_timeout_s=timeout_s,
        )
        with endpoint:
            endpoint.open_job(JOB)
            yield endpoint, children[SessionPeer.P2][0]


def test_a_killed_party_is_named_at_once() -> None:
    with one_child("wait_for_ever") as (endpoint, child):
        receive(endpoint, SessionPeer.P2, Address(JOB, 1, 0), Element.BYTES, 4, 10)
        child.kill()
        start = time.monotonic()
        with pytest.raises(Unreachable, match="party 2"):
            receive(endpoint, SessionPeer.P2, Address(JOB, 2, 0), Element.BYTES, 4, 10)
        assert time.monotonic() - start < 5
        with pytest.raises(Unreachable):
            endpoint.send(SessionPeer.P2, Address(JOB, 3, 0), Element.BYTES, b"4")


def test_a_party_killed_within_a_message_names_the_message() -> None:
    with one_child("die") as (endpoint, child):
        child.join(10)  # nothing is read meanwhile, so that it cannot have sent all
        with pytest.raises(Unreachable) as caught:
            receive(endpoint, SessionPeer.P2, Address(JOB, 5, 6), Element.BYTES, 64 << 20, 10)
        assert f"of {64 << 20} bytes" in str(caught.value)
        error = caught.value
        assert (error.party, error.job, error.operation, error.step) == (2, JOB.hex(), "5", "6")


def test_a_stalled_party_stops_nobody_for_longer_than_the_time_set() -> None:
    with one_child("wait_for_ever", MessageLimits(queue_bytes=1 << 20), timeout_s=0.3) as (endpoint, child):
        receive(endpoint, SessionPeer.P2, Address(JOB, 1, 0), Element.BYTES, 4, 10)
        assert child.pid is not None
        os.kill(child.pid, signal.SIGSTOP)
        start = time.monotonic()
        with pytest.raises(Timeout, match="party 2"):
            receive(endpoint, SessionPeer.P2, Address(JOB, 2, 0), Element.BYTES, 4, 0.1)
        with pytest.raises(Timeout, match="read nothing"):
            for step in range(100):
                endpoint.send(SessionPeer.P2, Address(JOB, 3, step), Element.BYTES, bytes(1 << 20))
        assert not endpoint.flush(0.1)
        assert 0.5 <= time.monotonic() - start < 3
        start = time.monotonic()
        endpoint.close()
        assert time.monotonic() - start < 2
