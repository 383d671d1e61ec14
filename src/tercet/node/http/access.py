"""The gate before all routes: authenticates callers, enforces limits, reads bodies; and the roles that routes require.

The gate is an ASGI application and no dependency of routes: strangers are refused alike whether a route exists or not,
and no byte of a body is read before its sender is known.

It is the gateway, too: requests that are signed for another node are passed on to it, unchanged, and that node checks
them like any other. So a gateway can delay a request, but it can neither read a part, as chunks must be sealed, nor
alter, invent or repeat a request.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Annotated

from fastapi import Depends, Request, Response
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tercet.errors import TercetError
from tercet.federation.api_jobs import SignedRequest
from tercet.federation.federation import NodeEntry
from tercet.federation.identity import Card
from tercet.federation.refusals import (
    HttpError,
    conflict,
    error_body,
    forbidden,
    not_found,
    retry_after,
    too_large,
    too_many,
    unavailable,
    unsigned,
)
from tercet.federation.requests import SEALED, BadRequest, Claim, RequestFault, RequestGuard
from tercet.federation.statements import request_of
from tercet.node.http.connections import PEER_CERTIFICATE, Doors
from tercet.node.http.limits import BodyBudget, Buckets
from tercet.node.http.origins import is_preflight, listed_origin, preflight_answer, readable_by
from tercet.node.parts import NodeContext, NodeIdentity
from tercet.node.peers import CLOCK_S, DATE_HEADER, FEDERATION_HEADER, HELLO, PROTOCOL, PROTOCOL_HEADER, Peers
from tercet.sharing import Party

OPEN = frozenset({"/healthz", "/readyz", "/metrics", "/v1/node", "/openapi.json"})
"""Paths without a signature: they show nothing about data or people, except /metrics, to configured addresses only."""

METRICS = "/metrics"

_CHUNK = re.compile(r"^/v1(?:/gateway/[^/]+)?/uploads/[^/]+/chunks/[^/]+$")
_LENGTH = re.compile(r"^[0-9]{1,18}$")
_CALLER = "tercet_caller"
_PEER = "tercet_peer"
_BODY = "tercet_body"
_CLAIM = "tercet_claim"
_RELAY = "tercet_relay"
_PREFIX = "/v1/gateway/"
_GATEWAY = re.compile(r"^/v1/gateway/(?P<node>[A-Za-z0-9._@-]+)/(?P<rest>.*)$")
_RELAYED_PATHS = re.compile(
    r"^(?:me|datasets(?:/[^/?]+)?|uploads(?:/[^/?]+(?:/commit|/chunks/[^/?]+)?)?|withdrawals|widenings|transactions/[^/?]+)"
    r"(?:\?.*)?$"
)
_RELAYED_HEADERS = ("content-type", "accept")
_CHUNK_END = re.compile(r"/chunks/[^/]+$")
_SLOWEST_BYTES_S = 64 << 10


@dataclass(frozen=True)
class Caller:
    """A person of the policy who signed this request; `roles` are those of this node's policy now."""

    name: str
    fingerprint: str
    roles: frozenset[str]
    card: Card = field(repr=False)
    request: SignedRequest = field(repr=False)
    """The request that they signed, as proof for other nodes that they asked."""


@dataclass(frozen=True)
class CallingNode:
    """Another node of the federation, known by the certificate of its TLS connection."""

    party: Party
    entry: NodeEntry = field(repr=False)

    @property
    def name(self) -> str:
        return self.entry.name


def _with_role(*roles: str) -> Callable[[Request], Awaitable[Caller]]:
    # coroutines, here and below: FastAPI runs plain functions in a thread, which costs more than they do
    async def check(request: Request) -> Caller:
        caller: Caller = request.scope["state"][_CALLER]
        if roles and not caller.roles.intersection(roles):
            raise forbidden(
                f"{caller.name} is no {' or '.join(roles)} at this node",
                hint=f"name another identity, or ask the operator to give {caller.name} that role in policy.toml",
            )
        return caller

    return check


async def _peer(request: Request) -> CallingNode:
    found: CallingNode = request.scope["state"][_PEER]
    return found


Anyone = Annotated[Caller, Depends(_with_role())]
Owner = Annotated[Caller, Depends(_with_role("owner"))]
Analyst = Annotated[Caller, Depends(_with_role("analyst"))]
Operator = Annotated[Caller, Depends(_with_role("operator"))]
OwnerOrOperator = Annotated[Caller, Depends(_with_role("owner", "operator"))]
AnalystOrOperator = Annotated[Caller, Depends(_with_role("analyst", "operator"))]
PeerCaller = Annotated[CallingNode, Depends(_peer)]


async def _body(request: Request) -> memoryview:
    body: bytearray = request.scope["state"][_BODY]
    return memoryview(body)


RawBody = Annotated[memoryview, Depends(_body)]
"""The whole body, without a copy; its signed hash and the limits have been checked."""


class Gate:
    """Passes on requests of callers who may ask, with the body that they signed; answers all others with an error."""

    def __init__(self, app: ASGIApp, context: NodeContext, peers: Peers, doors: Doors) -> None:
        self._app = app
        self._context = context
        self._peers = peers
        self._doors = doors
        identity = self._identity = context.identity
        self._guard = RequestGuard(identity.member.card.fingerprint, context.started)
        others = (identity.federation.node(party) for party in identity.others)
        self._guards_of_others = {entry.name: RequestGuard(entry.fingerprint, context.started) for entry in others}
        limits = context.settings.limits
        self._people = Buckets(limits.requests_per_second)
        self._strangers = Buckets(limits.strangers_per_second)
        self._bodies = BodyBudget(
            limits.bodies_bytes, max(limits.bodies_bytes // 2, limits.chunk_bytes, limits.request_bytes)
        )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self._app(scope, receive, send)
            return
        start = time.monotonic()
        held = status = 0
        origin = listed_origin(scope, self._context.settings.listen.allowed_origins)
        if origin is not None:
            send = readable_by(origin, send)

        async def answered(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            try:
                if origin is not None and is_preflight(scope):
                    self._count_stranger(scope)
                    await preflight_answer()(scope, receive, answered)
                    return
                limit = await self._admit(scope)
                held = self._reserve(scope, limit)
                body = await self._read(scope, receive, limit)
                if (passed := scope["state"].get(_RELAY)) is not None:
                    response = await run_in_threadpool(
                        _relay, self._peers, passed, scope, body, self._context.settings.timeouts.worker
                    )
                    await response(scope, receive, answered)
                    return
            except TercetError as error:
                await self._turn_away(error, scope, receive, answered)
                return
            scope["state"][_BODY] = body
            try:
                await self._app(scope, _replay(body, receive), answered)
            except Exception:
                # answered and logged by now (`app.tell_errors`): the server need not log it again
                if not status:
                    raise
        finally:
            self._bodies.give(held, _who(scope))
            self._count(scope, status, time.monotonic() - start)

    async def _turn_away(self, error: TercetError, scope: Scope, receive: Receive, send: Send) -> None:
        self._context.metrics.refused.labels(getattr(error, "kind", type(error).__name__.lower())).inc()
        status, told = error_body(error, self._identity.name)
        # the rest of the body was not read: this connection cannot be used again
        headers = {"connection": "close"} | retry_after(status)
        await Response(told.model_dump_json(), status, headers, media_type="application/json")(scope, receive, send)

    # -- who

    async def _admit(self, scope: Scope) -> int:
        """Authenticate the caller and note them in the scope; gives how many bytes the body may have."""
        path: str = scope["path"]
        address = scope["client"][0] if scope["client"] else "?"
        limits = self._context.settings.limits
        if path in OPEN:
            self._count_stranger(scope)
            if path == METRICS and address not in self._context.settings.listen.metrics_from:
                raise forbidden(f"/metrics is not for {address}", hint="listen.metrics_from in node.toml says for whom")
            return 0
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        try:
            if path == "/peer" or path.startswith("/peer/"):
                scope["state"][_PEER] = peer = self._peer(scope, headers)
                self._doors.known(tuple(scope["client"] or ("?", 0)), peer.entry.fingerprint, node=True)
            else:
                caller = self._caller(scope, headers)
                scope["state"][_CALLER] = caller
                if not self._doors.known(tuple(scope["client"] or ("?", 0)), caller.fingerprint):
                    raise too_many(f"{caller.name} has more than {limits.connections_of_one} connections open here")
                if not self._people.take(caller.fingerprint, time.monotonic()):
                    raise too_many(f"more than {limits.requests_per_second:g} requests a second from {caller.name}")
        except TercetError as error:
            if getattr(error, "kind", "") not in ("too-many", "conflict"):
                # only after the signature failed: known callers are not slowed by strangers behind the same address
                if not self._strangers.take(address, time.monotonic()):
                    raise too_many("too many requests from this address that nobody known has signed") from None
                self._context.log.info("refused", path=path[:200], address=address, reason=error.message)
            raise
        brings = "owner" in getattr(scope["state"].get(_CALLER), "roles", ())
        return limits.chunk_bytes if brings and _CHUNK.match(path) else limits.request_bytes

    def _count_stranger(self, scope: Scope) -> None:
        if not self._strangers.take(scope["client"][0] if scope["client"] else "?", time.monotonic()):
            raise too_many("too many requests from this address")

    def _peer(self, scope: Scope, headers: dict[str, str]) -> CallingNode:
        certificate: bytes | None = scope["state"].get(PEER_CERTIFICATE)
        if certificate is None:
            raise unsigned("only nodes of the federation come here", hint="connect with the node's certificate")
        federation = self._identity.federation
        entry = federation.find(hashlib.sha256(certificate).hexdigest())
        if entry is None or entry.name == self._identity.name:
            raise unsigned("this certificate is none of the other nodes'", hint="compare the federation files")
        peer = CallingNode(federation.party(entry.name), entry)
        if scope["path"] != HELLO:
            self._check_terms(peer, headers)
        return peer

    def _check_terms(self, peer: CallingNode, headers: dict[str, str]) -> None:
        """Raise unless both nodes have the same federation file and protocol, and clocks that agree."""
        me, other = self._identity.name, peer.name
        if headers.get(PROTOCOL_HEADER) != PROTOCOL:
            raise conflict(
                f"{other} speaks protocol {headers.get(PROTOCOL_HEADER, '?')[:20]}, {me} speaks {PROTOCOL}",
                hint="run the same version at all three nodes",
            )
        if headers.get(FEDERATION_HEADER) != self._identity.federation.digest:
            raise conflict(
                f"{other} and {me} have different federation files", hint="compare them: tercet federation show"
            )
        off = _seconds(headers.get(DATE_HEADER, "")) - self._context.now()
        if not abs(off) <= CLOCK_S:
            raise conflict(f"the clocks of {other} and {me} differ by {abs(off):,.0f} s", hint="set both right")

    def _caller(self, scope: Scope, headers: dict[str, str]) -> Caller:
        target = scope["raw_path"].decode("latin-1")
        if scope["query_string"]:
            target += "?" + scope["query_string"].decode("latin-1")
        found: list[Caller] = []

        def admit(card: Card) -> None:
            found.append(self._person(card, headers))

        guard = self._guard
        if target.startswith(_PREFIX):
            passed = _relayed(self._identity, scope["method"], target, headers)
            scope["state"][_RELAY] = passed
            guard, target = self._guards_of_others[passed.entry.name], passed.target
        try:
            claim = guard.check_head(headers, scope["method"], target, self._context.now(), admit=admit)
        except BadRequest as error:
            if error.reason is RequestFault.BUSY:
                raise too_many(error.message) from None
            raise unsigned(error.message, hint=error.hint or "sign the request with an identity") from None
        scope["state"][_CLAIM] = claim
        return found[0]

    def _person(self, card: Card, headers: dict[str, str]) -> Caller:
        if card.fingerprint == self._identity.member.card.fingerprint:
            # the holder of the node's own keys is its operator, as with the command line on its machine
            return Caller(self._identity.name, card.fingerprint, frozenset({"operator"}), card, request_of(headers))
        person = self._context.policy.current.person(card.fingerprint)
        if person is None:
            raise forbidden(
                f"{card.name} ({card.fingerprint[:16]}) is not among the people of this node's policy",
                hint=f"send {card.name}.card.pem to the operators, who add it to policy.toml; or name another identity",
            )
        return Caller(person.name, card.fingerprint, frozenset(person.roles), card, request_of(headers))

    # -- what

    def _reserve(self, scope: Scope, limit: int) -> int:
        """Reserve memory for the body before it is read; gives how many bytes."""
        headers = Headers(scope=scope)
        declared = headers.get("content-length")
        if declared is None:
            # a body without a declared length may take the limit; a request without a body has neither header
            needed = limit if "transfer-encoding" in headers else 0
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
        """Read the body and compare it with its signed hash."""
        body = bytearray()
        digest = hashlib.sha256()
        patience = self._context.settings.timeouts.body
        deadline = time.monotonic() + patience + limit / _SLOWEST_BYTES_S
        while True:
            try:
                left = max(0.0, deadline - time.monotonic())
                message = await asyncio.wait_for(receive(), min(patience, left))
            except TimeoutError:
                raise HttpError(408, "too-slow", "the body comes too slowly", hint="send it again") from None
            if message["type"] == "http.disconnect":
                raise HttpError(400, "cut-off", "the connection ended within the body")
            piece: bytes = message.get("body", b"")
            if len(body) + len(piece) > limit:
                raise too_large(f"more than the {limit:,} bytes that are taken here", hint="send less at a time")
            body += piece
            digest.update(piece)
            if not message.get("more_body", False):
                break
        self._context.metrics.received_bytes.inc(len(body))
        claim: Claim | None = scope["state"].get(_CLAIM)
        if claim is not None:
            try:
                claim.check_body(digest.hexdigest())
            except BadRequest as error:
                raise unsigned(error.message, hint=error.hint) from None
        return body

    def _count(self, scope: Scope, status: int, seconds: float) -> None:
        # the route's pattern, never the path: strangers must not be able to create labels
        route = getattr(scope.get("route"), "path", "none")
        method = scope["method"] if scope["method"] in _METHODS else "other"
        self._context.metrics.requests.labels(method, route, str(status)).inc()
        self._context.metrics.request_seconds.labels(route).observe(seconds)


_METHODS = frozenset({"GET", "PUT", "POST", "DELETE", "HEAD", "OPTIONS", "PATCH"})


def _who(scope: Scope) -> str:
    """The fingerprint of the calling person; empty for nodes and strangers."""
    caller: Caller | None = scope["state"].get(_CALLER)
    return "" if caller is None else caller.fingerprint


def _replay(body: bytearray, receive: Receive) -> Receive:
    sent = False

    async def again() -> Message:
        nonlocal sent
        if sent:
            return await receive()
        sent = True
        return {"type": "http.request", "body": bytes(body), "more_body": False}

    return again


def _seconds(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return float("nan")


# -- the gateway


@dataclass(frozen=True)
class RelayedRequest:
    """A request to be passed on to another node; `target` is the signed path and query."""

    party: Party
    entry: NodeEntry
    target: str


def _relayed(identity: NodeIdentity, method: str, target: str, headers: dict[str, str]) -> RelayedRequest:
    """The node and path that a request is for. Raises for requests that are not passed on: all but those of owners'
    uploads and changes, and chunks that are not sealed."""
    found = _GATEWAY.match(target)
    entry = next((e for e in identity.federation.nodes if found is not None and e.name == found["node"]), None)
    if found is None or entry is None or entry.name == identity.name:
        raise not_found("there is no such other node behind this gateway", hint="use a name of the federation file")
    if not _RELAYED_PATHS.match(found["rest"]):
        raise forbidden("only requests of owners are passed on to another node", hint="ask that node itself")
    # without the query, which could end otherwise
    path = found["rest"].partition("?")[0]
    if method == "PUT" and _CHUNK_END.search(path) and headers.get(SEALED) != "1":
        raise HttpError(
            422, "not-sealed", "a part that passes through another node must be sealed", hint="seal it to its node"
        )
    return RelayedRequest(identity.federation.party(entry.name), entry, f"/v1/{found['rest']}")


def _relay(peers: Peers, passed: RelayedRequest, scope: Scope, body: bytearray, timeout: float) -> Response:
    """Pass a request on and give the other node's answer; blocks. Raises Unreachable or Timeout."""
    headers = {
        key.decode("latin-1"): value.decode("latin-1")
        for key, value in scope["headers"]
        if key.startswith(b"tercet-") or key.decode("latin-1") in _RELAYED_HEADERS
    }
    answer = peers.exchange(passed.party, scope["method"], passed.target, body, headers, timeout)
    return Response(answer.data, answer.status, media_type=answer.content_type)
