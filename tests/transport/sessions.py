"""Sessions for tests: four endpoints of a kind in one thread, moved in turns."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from functools import cache

from tercet.transport import (
    PEERS,
    Contact,
    Endpoint,
    Identity,
    MessageLimits,
    SessionPeer,
    TcpEndpoint,
    connect,
    listen,
    listen_here,
    memory_endpoints,
    place_of,
)

JOB = bytes(range(16))


@cache
def identity(peer: SessionPeer) -> Identity:
    return Identity.create(f"test peer {int(peer)}")


def contacts_for(me: SessionPeer, listeners: Mapping[SessionPeer, socket.socket]) -> dict[SessionPeer, Contact]:
    return {peer: Contact(identity(peer).certificate, *place_of(listeners[peer])) for peer in listeners if peer != me}


def tcp_endpoints(
    limits: MessageLimits | None = None,
    peers: Iterable[SessionPeer] = PEERS,
    listening: Callable[[], socket.socket] = listen,
    **options: object,
) -> dict[SessionPeer, TcpEndpoint]:
    """Connect real sockets of this machine; the threads end before this returns."""
    listeners = {peer: listening() for peer in peers}
    identities = {peer: identity(peer) for peer in listeners}  # made before the threads, which would make two
    result: dict[SessionPeer, TcpEndpoint] = {}
    errors: list[BaseException] = []

    def run(me: SessionPeer) -> None:
        try:
            result[me] = connect(
                me,
                identities[me],
                contacts_for(me, listeners),
                listener=listeners[me],
                timeout_s=10,
                limits=limits,
                **options,  # type: ignore[arg-type]
            )
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=run, args=(peer,)) for peer in listeners]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for listener in listeners.values():
        listener.close()
    if errors:
        for endpoint in result.values():
            endpoint.abandon()
        raise errors[0]
    return result


def endpoints_of(kind: str, limits: MessageLimits | None = None) -> Mapping[SessionPeer, Endpoint]:
    if kind == "memory":
        return memory_endpoints(limits)
    return tcp_endpoints(limits, listening=listen_here if kind == "unix" else listen)


def settle(endpoints: Iterable[Endpoint], done: Callable[[], object], seconds: float = 5.0) -> None:
    """Move all endpoints until `done`; errors come through."""
    deadline = time.monotonic() + seconds
    while not done():
        if time.monotonic() > deadline:
            raise AssertionError("nothing came of it")
        for endpoint in endpoints:
            endpoint.progress(0.0005)
