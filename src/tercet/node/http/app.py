"""Puts the HTTP interface of a node together: routes, the gate before them, error handlers, OpenAPI description."""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass
from typing import Any

from fastapi import APIRouter, FastAPI, Response
from fastapi.openapi.utils import get_openapi
from starlette.types import ASGIApp

from tercet.federation.api import ErrorBody
from tercet.node.changes.check_rounds import CheckRounds
from tercet.node.changes.checks import Checks
from tercet.node.changes.coordinator import Transactions
from tercet.node.changes.participant import Participant
from tercet.node.changes.repair import Repair
from tercet.node.changes.verdicts import Verdicts
from tercet.node.http.access import OPEN, Gate
from tercet.node.http.doors import Doors
from tercet.node.http.handlers import tell_errors
from tercet.node.http.health import HealthMonitor
from tercet.node.http.routes import admin, changes, datasets, jobs, kept, open_routes, peer, peer_jobs, uploads
from tercet.node.jobs.jobs import Jobs
from tercet.node.parts import NodeContext
from tercet.node.peers import Peers
from tercet.node.worker.pool import LanePool

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


@dataclass(frozen=True)
class Rooms:
    """What the HTTP interface of a node calls. Made by the node."""

    context: NodeContext
    peers: Peers
    doors: Doors
    lanes: LanePool
    participant: Participant
    verdicts: Verdicts
    repair: Repair
    checks: Checks
    check_rounds: CheckRounds
    transactions: Transactions
    jobs: Jobs
    health: HealthMonitor


def make_app(rooms: Rooms) -> ASGIApp:
    """Put the interface of a node together. Who calls it: the daemon; tests."""
    return Gate(make_routes(rooms), rooms.context, rooms.peers, rooms.doors)


def make_routers(rooms: Rooms) -> list[APIRouter]:
    """All routes by subject; those first that are asked most, as routes are tried in turn."""
    context, transactions = rooms.context, rooms.transactions
    return [
        jobs.router(context, rooms.jobs),
        peer_jobs.router(context.identity, rooms.jobs),
        peer.router(context, rooms.participant, rooms.verdicts, rooms.repair, rooms.checks, transactions),
        datasets.router(context),
        uploads.router(context, transactions, rooms.check_rounds),
        changes.router(rooms.participant, transactions),
        kept.router(context, transactions),
        admin.router(
            context, rooms.peers, rooms.lanes, rooms.verdicts, rooms.repair, transactions, rooms.jobs, rooms.health
        ),
        open_routes.router(context, rooms.health),
    ]


def make_routes(rooms: Rooms) -> FastAPI:
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
    for router in make_routers(rooms):
        app.include_router(router)
    tell_errors(app, rooms.context.identity.name, rooms.context.log)
    described = threading.Lock()

    @app.get("/openapi.json", include_in_schema=False)
    def openapi() -> Response:
        # made when first asked for, in a thread of its own: it takes a while
        with described:
            return Response(_description(app), media_type="application/json")

    return app


def _description(app: FastAPI) -> bytes:
    """The OpenAPI description of the routes and of signed requests."""
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
