"""The HTTP interface of a node: routes, the gate before them, and how every error is told."""

from __future__ import annotations

import json
import threading
from typing import TYPE_CHECKING, Any

from fastapi import FastAPI, Response
from fastapi.openapi.utils import get_openapi
from starlette.types import ASGIApp

from tercet.federation.api import ErrorBody
from tercet.node.access import OPEN, Gate
from tercet.node.handlers import tell_errors
from tercet.node.routes import admin, changes, datasets, jobs, kept, open_routes, peer, peer_jobs, uploads

if TYPE_CHECKING:
    from tercet.node.supervisor import Node

_DESCRIPTION = """\
One of the three nodes of a Tercet federation.

Every request but those tagged `status` is signed by a person of this node's policy, in six headers (`Tercet-Node`,
`-Certificate`, `-Date`, `-Nonce`, `-Content-SHA256`, `-Signature`): see *Requests* in docs/design/nodes.md, and the
vectors in `vectors/`. Every error is an `ErrorBody`.

**Gateway.** A request for another node may be sent to this one at `/v1/gateway/{node}/...`, with what stands behind
`/v1/` there. It is signed for the other node and for the path there; it is checked here too, and passed on as it is.
Chunks must be sealed to their node (`Tercet-Sealed: 1`).
"""

_ERRORS: dict[int | str, dict[str, Any]] = {
    status: {"model": ErrorBody, "description": told}
    for status, told in (
        (400, "not understood"),
        (401, "not signed as it should be"),
        (403, "not allowed, or refused by a rule"),
        (404, "not there"),
        (409, "does not fit the state"),
        (413, "too large"),
        (422, "not what this route takes"),
        (429, "too many"),
        (503, "not now"),
    )
}

ROUTERS = (jobs, peer_jobs, peer, datasets, uploads, changes, kept, admin, open_routes)
"""Those first that are asked most: routes are tried in turn."""


def make_app(node: Node) -> ASGIApp:
    """Put the interface of a node together. Who calls it: the daemon; tests read its OpenAPI description."""
    return Gate(make_routes(node), node)


def make_routes(node: Node) -> FastAPI:
    """The routes without the gate before them."""
    app = FastAPI(
        title="Tercet node",
        version="1",
        description=_DESCRIPTION,
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        swagger_ui_oauth2_redirect_url=None,
        responses=_ERRORS,
        redirect_slashes=False,
    )
    for module in ROUTERS:
        app.include_router(module.router(node))
    tell_errors(app, node)
    described = threading.Lock()

    @app.get("/openapi.json", include_in_schema=False)
    def openapi() -> Response:
        # made when first asked for, and not in the thread that answers all others: it takes a while
        with described:
            return Response(_description(app), media_type="application/json")

    return app


def _description(app: FastAPI) -> bytes:
    """The routes in OpenAPI, and how requests are signed."""
    if app.openapi_schema is None:
        schema = get_openapi(title=app.title, version=app.version, description=app.description, routes=app.routes)
        schema.setdefault("components", {})["securitySchemes"] = {
            "signed": {
                "type": "apiKey",
                "in": "header",
                "name": "Tercet-Signature",
                "description": "with Tercet-Node, -Certificate, -Date, -Nonce and -Content-SHA256: see vectors/",
            }
        }
        for path, methods in schema["paths"].items():
            for method in methods.values():
                if path not in OPEN:
                    method["security"] = [{"signed": []}]
        app.openapi_schema = schema
    return json.dumps(app.openapi_schema).encode()
