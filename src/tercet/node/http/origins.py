"""Pages of other origins: browsers let those upload that the operator lists, and no others.

An origin is no authority. It is the browser's word, and whoever is no browser writes what they like; what a request may
do, its signature says alone. Nothing here lets a request in: it tells browsers which pages may ask, and read answers.
Browsers send no cookies and no certificates along, as answers do not say that they may.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from fastapi import Response
from starlette.datastructures import Headers, MutableHeaders
from starlette.types import Message, Scope, Send

from tercet.federation.requests import CERTIFICATE, CONTENT, DATE, NODE, NONCE, SEALED, SIGNATURE

_PATHS = re.compile(
    r"/v1/(?:node|(?:gateway/[^/]+/)?"
    r"(?:me|datasets/[^/]+|uploads(?:/[^/]+(?:/commit|/chunks/[^/]+)?)?|transactions/[^/]+))"
)
"""What a page needs to upload, and no more."""
_REMEMBERED_S = 600
_PREFLIGHT = {
    "access-control-allow-methods": "GET, PUT, POST, DELETE",
    "access-control-allow-headers": ", ".join(
        ("content-type", CERTIFICATE, NODE, DATE, NONCE, CONTENT, SIGNATURE, SEALED)
    ),
    "access-control-max-age": str(_REMEMBERED_S),
}


def listed_origin(scope: Scope, allowed: Sequence[str]) -> str | None:
    """The origin of the page that asks, if listed and it may ask for this path. The gate calls it for each request."""
    if not allowed or not _PATHS.fullmatch(scope["path"]):
        return None
    origin = Headers(scope=scope).get("origin")
    return origin if origin in allowed else None


def is_preflight(scope: Scope) -> bool:
    """Whether a browser asks what a page may ask, before it does."""
    return scope["method"] == "OPTIONS" and "access-control-request-method" in Headers(scope=scope)


def preflight_answer() -> Response:
    """What a page may ask: the methods and signed headers of uploads."""
    return Response(status_code=204, headers=_PREFLIGHT)


def readable_by(origin: str, send: Send) -> Send:
    """Sends answers that a page of that origin may read."""

    async def marked(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            headers["access-control-allow-origin"] = origin
            headers.append("vary", "origin")
        await send(message)

    return marked
