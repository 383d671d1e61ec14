"""The gate and the HTTP protocol of a node before a few plain routes, in a thread: no store, no jobs."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import uvicorn
from fastapi import FastAPI

from tercet.federation.federation import Draft, Federation, NodeEntry
from tercet.federation.identity import Member
from tercet.federation.requests import RequestGuard
from tercet.node.access import Anyone, Body, Gate, Operator, Owner, PeerCaller
from tercet.node.handlers import tell_errors
from tercet.node.logs import node_log
from tercet.node.metrics import Metrics
from tercet.node.protocol import NodeProtocol
from tercet.node.settings import Limits, Settings, Timeouts
from tercet.node.sockets import bind, server_context
from tercet.transport.identity import tls_context


@dataclass
class Served:
    """A running gate, and all that knock at it."""

    node: Any
    port: int
    federation: Federation
    members: dict[str, Member]
    people: dict[str, Member] = field(default_factory=dict)

    def connect(self, member: Member | None = None) -> ssl.SSLSocket:
        """A TLS connection; with the member's certificate if one is named."""
        context = tls_context(
            (member or self.people["owner"]).identity, [self.members["a"].card.certificate], server=False
        )
        if member is None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.check_hostname = False
            context.load_verify_locations(cadata=self.members["a"].card.certificate)
        raw = socket.create_connection(("127.0.0.1", self.port), timeout=10)
        return context.wrap_socket(raw)

    def exchange(self, request: bytes, member: Member | None = None) -> bytes:
        """Send bytes, give all that comes until the other side closes or has answered."""
        with self.connect(member) as connection:
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


def routes(node: Any) -> FastAPI:
    app = FastAPI()

    @app.get("/healthz")
    async def healthz() -> dict[str, bool]:
        return {"ready": True}

    @app.get("/v1/me")
    async def me(caller: Anyone) -> dict[str, str]:
        return {"name": caller.name}

    @app.post("/v1/echo")
    def echo(caller: Owner, body: Body) -> dict[str, int]:
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

    tell_errors(app, node)
    return app


class People:
    """A policy of a few."""

    def __init__(self, roles: dict[str, tuple[Member, tuple[str, ...]]]) -> None:
        self._people = {
            member.card.fingerprint: SimpleNamespace(name=name, roles=roles) for name, (member, roles) in roles.items()
        }

    def person(self, fingerprint: str) -> Any:
        return self._people.get(fingerprint)


def gate_node(limits: Limits, timeouts: Timeouts) -> tuple[Any, dict[str, Member], dict[str, Member]]:
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
    node = SimpleNamespace(
        settings=Settings(name="a", limits=limits, timeouts=timeouts, base=Path()),
        federation=federation,
        member=members["a"],
        me=federation.party("a"),
        now=time.time,
        policy=SimpleNamespace(current=People(known)),
        metrics=Metrics(),
        log=node_log(),
        guard=RequestGuard(members["a"].card.fingerprint, time.time() - 1000),
        guards_of_others={
            name: RequestGuard(members[name].card.fingerprint, time.time() - 1000) for name in ("b", "c")
        },
        peers=None,
        jobs=None,
    )
    return node, members, people


@contextmanager
def gate(limits: Limits | None = None, timeouts: Timeouts | None = None) -> Iterator[Served]:
    """Serve until the block ends."""
    node, members, people = gate_node(limits or Limits(), timeouts or Timeouts())
    listener = bind("127.0.0.1", 0)
    config = uvicorn.Config(
        Gate(routes(node), node),
        http=NodeProtocol,
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=1,
        ssl_context_factory=lambda config, default: server_context(node),
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
    port = listener.getsockname()[1]
    thread.start()
    try:
        while not server.started:
            assert thread.is_alive()
            time.sleep(0.005)
        yield Served(node, port, node.federation, members, people)
    finally:
        server.should_exit = True
        thread.join()
        listener.close()
