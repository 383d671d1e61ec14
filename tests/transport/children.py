"""What the child processes of these tests run."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Mapping
from multiprocessing.connection import Connection
from typing import Any

import numpy as np

from tercet.errors import TercetError
from tercet.transport import Address, Contact, Element, Endpoint, Identity, SessionPeer, connect, receive

JOB = bytes(range(16))


def party(
    me: SessionPeer,
    identity: Identity,
    contacts: Mapping[SessionPeer, Contact],
    listener: socket.socket,
    pipe: Connection,
    task: str,
) -> None:
    """Join the session, do the task, report through the pipe."""
    try:
        with connect(me, identity, contacts, listener=listener, timeout_s=20) as endpoint:
            listener.close()
            endpoint.open_job(JOB)
            pipe.send(globals()[task](endpoint))
            pipe.recv()
    except TercetError as error:
        pipe.send(error.message)


def ring(endpoint: Endpoint) -> Any:
    """Send a number round and round."""
    words = np.zeros(4, np.uint64)
    others = [peer for peer in (SessionPeer.P1, SessionPeer.P2, SessionPeer.P3) if peer != endpoint.me]
    for operation in range(200):
        for peer in others:
            endpoint.send(peer, Address(JOB, operation, 0), Element.WORDS64, words)
        words = sum(
            (
                receive(endpoint, p, Address(JOB, operation, 0), Element.WORDS64, 32, 10).payload.view(np.uint64)
                for p in others
            ),
            start=np.full(4, endpoint.me, np.uint64),
        )
    endpoint.flush(5)
    return int(words[0])


def both_ways(endpoint: Endpoint) -> Any:
    """Send and receive 32 MB at the same time, with the next party too."""
    big = np.full(4_000_000, endpoint.me, np.uint64)
    others = [peer for peer in (SessionPeer.P1, SessionPeer.P2, SessionPeer.P3) if peer != endpoint.me]
    address = Address(JOB, 1, 0)
    for peer in others:
        endpoint.send(peer, address, Element.WORDS64, big)
    for peer in others:
        payload = receive(endpoint, peer, address, Element.WORDS64, big.nbytes, 20).payload.view(np.uint64)
        if not (payload == np.uint64(peer)).all():
            return "wrong words"
    endpoint.flush(20)
    return "ok"


def wait_for_ever(endpoint: Endpoint) -> Any:
    """Tell that we are there, then take part in nothing."""
    endpoint.send(SessionPeer.P1, Address(JOB, 1, 0), Element.BYTES, b"here")
    while True:
        signal.pause()


def die(endpoint: Endpoint) -> Any:
    """End in the middle of a large message."""
    endpoint.send(SessionPeer.P1, Address(JOB, 5, 6), Element.BYTES, bytes(64 << 20))
    os.kill(os.getpid(), signal.SIGKILL)
