"""The gateway: passes requests that are signed for another node on to it, unchanged.

The other node checks them like any other request. So a gateway can delay a request, but it can neither read a part, as
chunks must be sealed, nor alter, invent or repeat a request.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from starlette.responses import Response
from starlette.types import Scope

from tercet.federation.federation import NodeEntry
from tercet.federation.refusals import HttpError, forbidden, not_found
from tercet.federation.requests import SEALED
from tercet.node.parts import NodeIdentity
from tercet.node.peers import Peers
from tercet.sharing import Party

PREFIX = "/v1/gateway/"
_WAY = re.compile(r"^/v1/gateway/(?P<node>[A-Za-z0-9._@-]+)/(?P<rest>.*)$")
_PATHS = re.compile(
    r"^(?:me|datasets(?:/[^/?]+)?|uploads(?:/[^/?]+(?:/commit|/chunks/[^/?]+)?)?|withdrawals|widenings|transactions/[^/?]+)"
    r"(?:\?.*)?$"
)
_CHUNK = re.compile(r"/chunks/[^/]+$")
_PASSED = ("content-type", "accept")


@dataclass(frozen=True)
class RelayedRequest:
    """A request to be passed on to another node; `target` is the signed path and query."""

    party: Party
    entry: NodeEntry
    target: str


def read(identity: NodeIdentity, method: str, target: str, headers: dict[str, str]) -> RelayedRequest:
    """The node and path that a request is for. Raises for requests that are not passed on: all but those of owners'
    uploads and changes, and chunks that are not sealed."""
    found = _WAY.match(target)
    entry = next((e for e in identity.federation.nodes if found is not None and e.name == found["node"]), None)
    if found is None or entry is None or entry.name == identity.name:
        raise not_found("there is no such other node behind this gateway", hint="use a name of the federation file")
    if not _PATHS.match(found["rest"]):
        raise forbidden("only requests of owners are passed on to another node", hint="ask that node itself")
    if method == "PUT" and _CHUNK.search(found["rest"]) and headers.get(SEALED) != "1":
        raise HttpError(
            422, "not-sealed", "a part that passes through another node must be sealed", hint="seal it to its node"
        )
    return RelayedRequest(identity.federation.party(entry.name), entry, f"/v1/{found['rest']}")


def send(peers: Peers, passed: RelayedRequest, scope: Scope, body: bytearray, timeout: float) -> Response:
    """Pass a request on and give the other node's answer; blocks. Raises Unreachable or Timeout."""
    headers = {
        key.decode("latin-1"): value.decode("latin-1")
        for key, value in scope["headers"]
        if key.startswith(b"tercet-") or key.decode("latin-1") in _PASSED
    }
    answer = peers.relay(passed.party, scope["method"], passed.target, body, headers, timeout)
    return Response(answer.data, answer.status, media_type=answer.content_type)
