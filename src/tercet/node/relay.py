"""One gateway for all three nodes: requests signed for another node are passed on to it, unchanged.

The other node checks them like any other, so the gateway can hold a request up, but neither read a part (chunks must
be sealed) nor alter, invent or repeat one.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

import httpx
from starlette.responses import Response
from starlette.types import Scope

from tercet.errors import Timeout, Unreachable
from tercet.federation.federation import NodeEntry
from tercet.federation.requests import SEALED
from tercet.node.refusals import Turned, forbidden, not_found

if TYPE_CHECKING:
    from tercet.node.supervisor import Node

PREFIX = "/v1/gateway/"
_WAY = re.compile(r"^/v1/gateway/(?P<node>[A-Za-z0-9._@-]+)/(?P<rest>.*)$")
_PATHS = re.compile(
    r"^(?:me|datasets(?:/[^/?]+)?|uploads(?:/[^/?]+(?:/commit|/chunks/[^/?]+)?)?|withdrawals|transactions/[^/?]+)"
    r"(?:\?.*)?$"
)
_CHUNK = re.compile(r"/chunks/[^/]+$")
_PASSED = ("content-type", "accept")


@dataclass(frozen=True)
class Passed:
    """A request on its way to another node; `target` is what was signed."""

    entry: NodeEntry
    target: str


def read(node: Node, method: str, target: str, headers: dict[str, str]) -> Passed:
    """Say where a request goes. Raises for what is not passed on: only owners' work is, and chunks only sealed."""
    found = _WAY.match(target)
    entry = next((e for e in node.federation.nodes if found is not None and e.name == found["node"]), None)
    if found is None or entry is None or entry.name == node.settings.name:
        raise not_found("there is no such other node behind this gateway", hint="use a name of the federation file")
    if not _PATHS.match(found["rest"]):
        raise forbidden("only requests of owners are passed on to another node", hint="ask that node itself")
    if method == "PUT" and _CHUNK.search(found["rest"]) and headers.get(SEALED) != "1":
        raise Turned(
            422, "not-sealed", "a part that passes through another node must be sealed", hint="seal it to its node"
        )
    return Passed(entry, f"/v1/{found['rest']}")


def send(node: Node, passed: Passed, scope: Scope, body: bytearray) -> Response:
    """Pass a request on and give the other node's answer; runs in a thread. Raises Unreachable or Timeout."""
    entry = passed.entry
    party = node.federation.party(entry.name)
    headers = {
        key.decode("latin-1"): value.decode("latin-1")
        for key, value in scope["headers"]
        if key.startswith(b"tercet-") or key.decode("latin-1") in _PASSED
    }
    timeout = node.settings.timeouts.worker
    try:
        response = node.peers.client(party).request(
            scope["method"], passed.target, content=bytes(body), headers=headers, timeout=timeout
        )
    except httpx.TimeoutException:
        raise Timeout(f"{entry.name} did not answer", party=party) from None
    except (httpx.TransportError, OSError) as error:
        raise Unreachable(f"{entry.name} cannot be reached: {type(error).__name__}", party=party) from None
    kind = response.headers.get("content-type", "application/octet-stream")
    return Response(response.content, response.status_code, media_type=kind)
