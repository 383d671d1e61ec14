"""The gate and the HTTP protocol of a node before a few plain routes, in a thread: no store, no jobs."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import uvicorn
from fastapi import FastAPI

from tercet.federation.federation import Draft, Federation, NodeEntry
from tercet.federation.identity import Member
from tercet.node.http.access import Anyone, Gate, Operator, Owner, PeerCaller, RawBody
from tercet.node.http.app import tell_errors
from tercet.node.http.connections import HANDSHAKE_S, Door, Doors, bind, protocol_of, server_context
from tercet.node.logs import node_log
from tercet.node.parts import Metrics, NodeIdentity
from tercet.node.peers import Peers
from tercet.node.settings import Listen, NodeLimits, NodeSettings, Timeouts
from tercet.transport.identity import tls_context


@dataclass
class Served:
    """A running gate, and all that knock at it."""

    context: Any
    doors: Doors
    port: int
    federation: Federation
    members: dict[str, Member]
    people: dict[str, Member] = field(default_factory=dict)

    def connect(self, member: Member | None = None, source: str = "127.0.0.1") -> ssl.SSLSocket:
        """A TLS connection; with the member's certificate if one is named, from that address of loopback."""
        context = tls_context(
            (member or self.people["owner"]).identity, [self.members["a"].card.certificate], server=False
        )
        if member is None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.check_hostname = False
            context.load_verify_locations(cadata=self.members["a"].card.certificate)
        return context.wrap_socket(self.silent(source))

    def silent(self, source: str = "127.0.0.1") -> socket.socket:
        """A connection that says nothing."""
        return socket.create_connection(("127.0.0.1", self.port), timeout=10, source_address=(source, 0))

    def exchange(self, request: bytes, member: Member | None = None, source: str = "127.0.0.1") -> bytes:
        """Send bytes, give all that comes until the other side closes or has answered."""
        with self.connect(member, source) as connection:
            # who refuses a body before it has come answers and closes while it is still being sent
            with suppress(OSError):
                connection.sendall(request)
            return read_answer(connection)


def read_answer(connection: ssl.SSLSocket) -> bytes:
    """One HTTP answer with a content length, or what there is when the connection ends."""
    data = b""
    while True:
        head, found, body = data.partition(b"\r\n\r\n")
        if found:
            lengths = [line for line in head.split(b"\r\n") if line.lower().startswith(b"content-length:")]
            if lengths and len(body) >= int(lengths[0].split(b":")[1]):
                return data
        try:
            piece = connection.recv(65536)
        except (ConnectionResetError, ssl.SSLError):
            return data
        if not piece:
            return data
        data += piece


def routes(context: Any) -> FastAPI:
    app = FastAPI()

    @app.get("/healthz")
    async def healthz() -> dict[str, bool]:
        return {"ready": True}

    @app.get("/v1/me")
    async def me(caller: Anyone) -> dict[str, str]:
        return {"name": caller.name}

    @app.post("/v1/echo")
    def echo(caller: Owner, body: RawBody) -> dict[str, int]:
        return {"length": len(body)}

    @app.get("/v1/admin")
    async def admin(caller: Operator) -> dict[str, str]:
        return {"name": caller.name}

    @app.get("/v1/broken")
    async def broken(caller: Anyone) -> None:
        raise RuntimeError("secret 4711")

    @app.get("/peer/name")
    async def peer_name(peer: PeerCaller) -> dict[str, str]:
        return {"name": peer.name}

    @app.get("/peer/hello")
    async def hello(peer: PeerCaller) -> dict[str, str]:
        return {"name": peer.name}

    tell_errors(app, context.identity.name, context.log)
    return app


class People:
    """A policy of a few."""

    def __init__(self, roles: dict[str, tuple[Member, tuple[str, ...]]]) -> None:
        self._people = {
            member.card.fingerprint: SimpleNamespace(name=name, roles=roles) for name, (member, roles) in roles.items()
        }

    def person(self, fingerprint: str) -> Any:
        return self._people.get(fingerprint)


def gate_context(
    limits: NodeLimits, timeouts: Timeouts, listen: Listen | None = None
) -> tuple[Any, dict[str, Member], dict[str, Member]]:
    members = {name: Member.create(name) for name in ("a", "b", "c")}
    draft = Draft.new("test")
    for number, (name, member) in enumerate(members.items()):
        entry = NodeEntry(
            name=name,
            operator=name,
            url=f"https://127.0.0.1:{7000 + number}",
            lanes=f"127.0.0.1:{8000 + number}",
            certificate=member.card.pem(),
        )
        draft = draft.add(entry)
    people = {name: Member.create(name) for name in ("owner", "analyst", "operator", "nobody")}
    known = {name: (member, (name,)) for name, member in people.items() if name != "nobody"}
    federation = draft.complete()
    context = SimpleNamespace(
        settings=NodeSettings(name="a", listen=listen or Listen(), limits=limits, timeouts=timeouts, base=Path()),
        identity=NodeIdentity(members["a"], federation, "a", federation.party("a")),
        store=SimpleNamespace(folder=Path()),
        started=time.time() - 1000,
        now=time.time,
        policy=SimpleNamespace(current=People(known)),
        metrics=Metrics(),
        log=node_log(),
    )
    return context, members, people


@contextmanager
def gate(
    limits: NodeLimits | None = None,
    timeouts: Timeouts | None = None,
    handshake_s: float = HANDSHAKE_S,
    listen: Listen | None = None,
) -> Iterator[Served]:
    """Serve until the block ends."""
    limits = limits or NodeLimits()
    context, members, people = gate_context(limits, timeouts or Timeouts(), listen)
    doors = Doors(limits.connections, limits.connections_of_one, handshake_s)
    listener = bind("127.0.0.1", 0)
    config = uvicorn.Config(
        Gate(routes(context), context, Peers(context), doors),
        http=protocol_of(doors),
        loop="asyncio",
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=1,
        ssl_context_factory=lambda config, default: server_context(context.identity),
    )
    server = uvicorn.Server(config)
    door = Door.of(listener, doors)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [door]})
    port = listener.getsockname()[1]
    thread.start()
    try:
        while not server.started:
            assert thread.is_alive()
            time.sleep(0.005)
        yield Served(context, doors, port, context.identity.federation, members, people)
    finally:
        server.should_exit = True
        thread.join()
        door.close()
        listener.close()
