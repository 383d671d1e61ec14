"""Who calls: the gate before all routes, and the roles that a route asks for.

The gate is ASGI, not a dependency of routes, so that what does not exist is refused to strangers like what does, and
no byte of a body is read before its sender is known.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import Depends, Request, Response
from starlette.concurrency import run_in_threadpool
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tercet.errors import TercetError
from tercet.federation.federation import NodeEntry
from tercet.federation.identity import Card
from tercet.federation.requests import BadRequest, Claim, Reason
from tercet.node import relay
from tercet.node.buckets import Buckets
from tercet.node.protocol import PEER_CERTIFICATE
from tercet.node.refusals import (
    Turned,
    answer,
    conflict,
    forbidden,
    retry_after,
    too_large,
    too_many,
    unavailable,
    unsigned,
)
from tercet.sharing import Party

if TYPE_CHECKING:
    from tercet.node.supervisor import Node

OPEN = frozenset({"/healthz", "/readyz", "/metrics", "/v1/node", "/openapi.json"})
"""Asked without a signature: they tell nobody about data or people; /metrics does, to the addresses of the settings."""

METRICS = "/metrics"
HELLO = "/peer/hello"
CLOCK_S = 300.0
"""Two nodes whose clocks differ by more refuse each other."""

PROTOCOL = "1"
PROTOCOL_HEADER = "tercet-protocol"
FEDERATION_HEADER = "tercet-federation"
DATE_HEADER = "tercet-date"

_CHUNK = re.compile(r"^/v1(?:/gateway/[^/]+)?/uploads/[^/]+/chunks/[^/]+$")
_LENGTH = re.compile(r"^[0-9]{1,18}$")
_CALLER = "tercet_caller"
_PEER = "tercet_peer"
_BODY = "tercet_body"
_CLAIM = "tercet_claim"
_RELAY = "tercet_relay"
_SLOWEST_BYTES_S = 64 << 10


@dataclass(frozen=True)
class Caller:
    """A person of the policy who signed this request; `roles` are those of this node's policy now."""

    name: str
    fingerprint: str
    roles: frozenset[str]
    card: Card = field(repr=False)


@dataclass(frozen=True)
class Peer:
    """Another node of the federation, known by the certificate of its TLS connection."""

    party: Party
    entry: NodeEntry = field(repr=False)

    @property
    def name(self) -> str:
        return self.entry.name


def _with_role(*roles: str) -> Callable[[Request], Awaitable[Caller]]:
    # coroutines, here and below: FastAPI would send functions to a thread, which costs more than they do
    async def check(request: Request) -> Caller:
        caller: Caller = request.scope["state"][_CALLER]
        if roles and not caller.roles.intersection(roles):
            raise forbidden(
                f"{caller.name} is no {' or '.join(roles)} at this node",
                hint=f"name another identity, or ask the operator to give {caller.name} that role in policy.toml",
            )
        return caller

    return check


async def _peer(request: Request) -> Peer:
    found: Peer = request.scope["state"][_PEER]
    return found


Anyone = Annotated[Caller, Depends(_with_role())]
Owner = Annotated[Caller, Depends(_with_role("owner"))]
Analyst = Annotated[Caller, Depends(_with_role("analyst"))]
Operator = Annotated[Caller, Depends(_with_role("operator"))]
OwnerOrOperator = Annotated[Caller, Depends(_with_role("owner", "operator"))]
AnalystOrOperator = Annotated[Caller, Depends(_with_role("analyst", "operator"))]
PeerCaller = Annotated[Peer, Depends(_peer)]


async def _body(request: Request) -> memoryview:
    body: bytearray = request.scope["state"][_BODY]
    return memoryview(body)


Body = Annotated[memoryview, Depends(_body)]
"""The whole body, already held against its signed hash and the limits; not copied."""


class Gate:
    """Lets through who may ask, with a body that is the signed one and not too large; answers everybody else."""

    def __init__(self, app: ASGIApp, node: Node) -> None:
        self._app = app
        self._node = node
        limits = node.settings.limits
        self._people = Buckets(limits.requests_per_second)
        self._strangers = Buckets(limits.strangers_per_second)
        self._bodies = _Budget(
            limits.bodies_bytes, max(limits.bodies_bytes // 2, limits.chunk_bytes, limits.request_bytes)
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self._app(scope, receive, send)
            return
        start = time.monotonic()
        answered = _Answered(send)
        held = 0
        try:
            try:
                limit = await self._admit(scope)
                held = self._reserve(scope, limit)
                body = await self._read(scope, receive, limit)
                if (passed := scope["state"].get(_RELAY)) is not None:
                    response = await run_in_threadpool(relay.send, self._node, passed, scope, body)
                    await response(scope, receive, answered)
                    return
            except TercetError as error:
                await self._turn_away(error, scope, receive, answered)
                return
            scope["state"][_BODY] = body
            try:
                await self._app(scope, _replay(body, receive), answered)
            except Exception:
                # told and logged by now (`handlers`); raised on all the same, for a server to log once more
                if not answered.status:
                    raise
        finally:
            self._bodies.give(held, _who(scope))
            self._count(scope, answered.status, time.monotonic() - start)

    async def _turn_away(self, error: TercetError, scope: Scope, receive: Receive, send: Send) -> None:
        self._node.metrics.refused.labels(getattr(error, "kind", type(error).__name__.lower())).inc()
        status, told = answer(error, self._node.settings.name)
        # a body that nobody read is still coming: this connection is of no more use
        headers = {"connection": "close"} | retry_after(status)
        await Response(told.model_dump_json(), status, headers, media_type="application/json")(scope, receive, send)

    # -- who

    async def _admit(self, scope: Scope) -> int:
        """Find out who asks and note it in the scope; give how long the body may be."""
        path: str = scope["path"]
        address = scope["client"][0] if scope["client"] else "?"
        limits = self._node.settings.limits
        if path in OPEN:
            if not self._strangers.take(address, time.monotonic()):
                raise too_many("too many requests from this address")
            if path == METRICS and address not in self._node.settings.listen.metrics_from:
                raise forbidden(f"/metrics is not for {address}", hint="listen.metrics_from in node.toml says for whom")
            return 0
        if self._strangers.level(address, time.monotonic()) < 1.0:
            raise too_many("too many requests from this address that nobody known has signed")
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        try:
            if path == "/peer" or path.startswith("/peer/"):
                scope["state"][_PEER] = self._peer(scope, headers)
            else:
                caller = self._caller(scope, headers)
                scope["state"][_CALLER] = caller
                if not self._people.take(caller.fingerprint, time.monotonic()):
                    raise too_many(f"more than {limits.requests_per_second:g} requests a second from {caller.name}")
        except TercetError as error:
            if getattr(error, "kind", "") not in ("too-many", "conflict"):
                self._strangers.take(address, time.monotonic())
                self._node.log.info("refused", path=path[:200], address=address, reason=error.message)
            raise
        brings = "owner" in getattr(scope["state"].get(_CALLER), "roles", ())
        return limits.chunk_bytes if brings and _CHUNK.match(path) else limits.request_bytes

    def _peer(self, scope: Scope, headers: dict[str, str]) -> Peer:
        certificate: bytes | None = scope["state"].get(PEER_CERTIFICATE)
        if certificate is None:
            raise unsigned("only nodes of the federation come here", hint="connect with the node's certificate")
        federation = self._node.federation
        entry = federation.find(hashlib.sha256(certificate).hexdigest())
        if entry is None or entry.name == self._node.settings.name:
            raise unsigned("this certificate is none of the other nodes'", hint="compare the federation files")
        peer = Peer(federation.party(entry.name), entry)
        if scope["path"] != HELLO:
            self._check_terms(peer, headers)
        return peer

    def _check_terms(self, peer: Peer, headers: dict[str, str]) -> None:
        """Both nodes must mean the same federation, the same protocol and the same time."""
        me, other = self._node.settings.name, peer.name
        if headers.get(PROTOCOL_HEADER) != PROTOCOL:
            raise conflict(
                f"{other} speaks protocol {headers.get(PROTOCOL_HEADER, '?')[:20]}, {me} speaks {PROTOCOL}",
                hint="run the same version at all three nodes",
            )
        if headers.get(FEDERATION_HEADER) != self._node.federation.digest:
            raise conflict(
                f"{other} and {me} have different federation files", hint="compare them: tercet federation show"
            )
        off = _seconds(headers.get(DATE_HEADER, "")) - self._node.now()
        if not abs(off) <= CLOCK_S:
            raise conflict(f"the clocks of {other} and {me} differ by {abs(off):,.0f} s", hint="set both right")

    def _caller(self, scope: Scope, headers: dict[str, str]) -> Caller:
        node = self._node
        target = scope["raw_path"].decode("latin-1")
        if scope["query_string"]:
            target += "?" + scope["query_string"].decode("latin-1")
        found: list[Caller] = []

        def admit(card: Card) -> None:
            found.append(self._person(card))

        guard = node.guard
        if target.startswith(relay.PREFIX):
            passed = relay.read(node, scope["method"], target, headers)
            scope["state"][_RELAY] = passed
            guard, target = node.guards_of_others[passed.entry.name], passed.target
        try:
            claim = guard.check_head(headers, scope["method"], target, node.now(), admit=admit)
        except BadRequest as error:
            if error.reason is Reason.BUSY:
                raise too_many(error.message) from None
            raise unsigned(error.message, hint=error.hint or "sign the request with an identity") from None
        scope["state"][_CLAIM] = claim
        return found[0]

    def _person(self, card: Card) -> Caller:
        node = self._node
        if card.fingerprint == node.member.card.fingerprint:
            # who holds the node's own keys is its operator: the command line on its machine
            return Caller(node.settings.name, card.fingerprint, frozenset({"operator"}), card)
        person = node.policy.current.person(card.fingerprint)
        if person is None:
            raise forbidden(
                f"{card.name} ({card.fingerprint[:16]}) is not among the people of this node's policy",
                hint=f"send {card.name}.card.pem to the operators, who add it to policy.toml; or name another identity",
            )
        return Caller(person.name, card.fingerprint, frozenset(person.roles), card)

    # -- what

    def _reserve(self, scope: Scope, limit: int) -> int:
        """Set aside memory for the body before it is read; give how much."""
        declared = _header(scope, b"content-length")
        if declared is None:
            # a body without a length is read up to the limit; a request without a body has neither header
            needed = limit if _header(scope, b"transfer-encoding") is not None else 0
        elif not _LENGTH.match(declared):
            raise too_large("the content length is no number")
        else:
            needed = int(declared)
            if needed > limit:
                raise too_large(f"{needed:,} bytes, and at most {limit:,} are taken here", hint="send less at a time")
        if not self._bodies.take(needed, _who(scope)):
            raise unavailable("this node reads as many requests as it has memory for")
        return needed

    async def _read(self, scope: Scope, receive: Receive, limit: int) -> bytearray:
        """Read the body and hold it against its signed hash."""
        body = bytearray()
        digest = hashlib.sha256()
        patience = self._node.settings.timeouts.body
        deadline = time.monotonic() + patience + limit / _SLOWEST_BYTES_S
        while True:
            try:
                left = max(0.0, deadline - time.monotonic())
                message = await asyncio.wait_for(receive(), min(patience, left))
            except TimeoutError:
                raise Turned(408, "too-slow", "the body comes too slowly", hint="send it again") from None
            if message["type"] == "http.disconnect":
                raise Turned(400, "cut-off", "the connection ended within the body")
            piece: bytes = message.get("body", b"")
            if len(body) + len(piece) > limit:
                raise too_large(f"more than the {limit:,} bytes that are taken here", hint="send less at a time")
            body += piece
            digest.update(piece)
            if not message.get("more_body", False):
                break
        self._node.metrics.received_bytes.inc(len(body))
        claim: Claim | None = scope["state"].get(_CLAIM)
        if claim is not None:
            try:
                claim.check_body(digest.hexdigest())
            except BadRequest as error:
                raise unsigned(error.message, hint=error.hint) from None
        return body

    def _count(self, scope: Scope, status: int, seconds: float) -> None:
        # the route's pattern, never the path: what strangers make up must not become labels
        route = getattr(scope.get("route"), "path", "none")
        method = scope["method"] if scope["method"] in _METHODS else "other"
        self._node.metrics.requests.labels(method, route, str(status)).inc()
        self._node.metrics.request_seconds.labels(route).observe(seconds)


_METHODS = frozenset({"GET", "PUT", "POST", "DELETE", "HEAD", "OPTIONS", "PATCH"})


class _Budget:
    """Bytes of memory for bodies; used by the event loop's thread alone. One person cannot take all of it."""

    def __init__(self, most: int, most_of_one: int) -> None:
        self._left = most
        self._most_of_one = most_of_one
        self._taken: Counter[str] = Counter()

    def take(self, count: int, who: str) -> bool:
        if count > self._left or (who and self._taken[who] + count > self._most_of_one):
            return False
        self._left -= count
        self._taken[who] += count
        return True

    def give(self, count: int, who: str) -> None:
        self._left += count
        self._taken[who] -= count
        if not self._taken[who]:
            del self._taken[who]


def _who(scope: Scope) -> str:
    """The person who asks; empty for nodes and strangers."""
    caller: Caller | None = scope["state"].get(_CALLER)
    return "" if caller is None else caller.fingerprint


class _Answered:
    """Passes on what is sent, and remembers the status."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self.status = 0

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
        await self._send(message)


def _replay(body: bytearray, receive: Receive) -> Receive:
    sent = False

    async def again() -> Message:
        nonlocal sent
        if sent:
            return await receive()
        sent = True
        return {"type": "http.request", "body": bytes(body), "more_body": False}

    return again


def _header(scope: Scope, name: bytes) -> str | None:
    for key, value in scope["headers"]:
        if key == name:
            found: str = value.decode("latin-1")
            return found
    return None


def _seconds(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return float("nan")


def peer_headers(node: Any) -> dict[str, str]:
    """The terms under which a node asks another; the gate there checks them."""
    return {
        PROTOCOL_HEADER: PROTOCOL,
        FEDERATION_HEADER: node.federation.digest,
        DATE_HEADER: f"{node.now():.3f}",
    }
