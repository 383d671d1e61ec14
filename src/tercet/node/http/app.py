"""The HTTP interface of a node put together: routes, the gate before them, answers to errors, OpenAPI description."""

from __future__ import annotations

import json
import threading
from collections.abc import Sequence
from typing import Any

from fastapi import APIRouter, FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.openapi.utils import get_openapi
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp

from tercet.errors import TercetError
from tercet.federation.api import ErrorBody, Health, NodeInfo
from tercet.federation.model import fresh_id
from tercet.federation.refusals import error_body, retry_after
from tercet.node.http.access import OPEN, Gate
from tercet.node.http.rooms import Rooms
from tercet.node.http.routes import admin, changes, data, jobs, peer
from tercet.node.logs import Log
from tercet.node.parts import METRICS_TYPE

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


def make_app(rooms: Rooms) -> ASGIApp:
    """Put the interface of a node together. Who calls it: the daemon; tests."""
    return Gate(make_routes(rooms), rooms.context, rooms.peers, rooms.doors)


def make_routers(rooms: Rooms) -> list[APIRouter]:
    """All routes by subject; those first that are asked most, as routes are tried in turn."""
    made = (
        jobs.router,
        peer.router,
        data.router,
        changes.upload_router,
        changes.router,
        data.kept_router,
        admin.router,
    )
    return [*(make(rooms) for make in made), _open_router(rooms)]


def make_routes(rooms: Rooms) -> FastAPI:
    """The routes without the gate before them."""
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None, redirect_slashes=False)
    routers = make_routers(rooms)
    for router in routers:
        # as they are: routers that are included are built once more, with a model for each error of each route
        app.router.routes.extend(router.routes)
    tell_errors(app, rooms.context.identity.name, rooms.context.log)
    described = threading.Lock()

    @app.get("/openapi.json", include_in_schema=False)
    def openapi() -> Response:
        # made when first asked for, in a thread of its own: it takes a while
        with described:
            app.openapi_schema = app.openapi_schema or describe(routers)
            return Response(json.dumps(app.openapi_schema), media_type="application/json")

    return app


def _open_router(rooms: Rooms) -> APIRouter:
    """Routes without a signature; the gate counts them by address."""
    routes = APIRouter(tags=["status"])

    @routes.get("/healthz")
    async def healthz() -> Health:
        """Whether the process answers."""
        return Health(ready=True)

    @routes.get("/readyz", responses={503: {"model": Health, "description": "not ready"}})
    def readyz(response: Response) -> Health:
        """Whether this node can take part in a change or a job: catalogue, disk, certificate, the other two nodes."""
        missing = rooms.missing()
        if missing:
            response.status_code = 503
        return Health(ready=not missing, missing=missing)

    @routes.get("/metrics", response_class=Response, responses={200: {"content": {"text/plain": {}}}})
    def metrics() -> Response:
        """Figures for Prometheus."""
        return Response(rooms.figures(), media_type=METRICS_TYPE)

    @routes.get("/v1/node")
    async def info() -> NodeInfo:
        """Who this node is, which federation it is of, and what it takes at most."""
        return rooms.info()

    return routes


def tell_errors(app: FastAPI, name: str, log: Log) -> None:
    """Answer every exception of a route with an `ErrorBody`; unexpected ones with the number of an incident only.

    `name` is the node's."""

    def told(status: int, body: ErrorBody, headers: dict[str, str] | None = None) -> Response:
        return Response(body.model_dump_json(), status, headers, media_type="application/json")

    async def on_purpose(request: Request, error: Exception) -> Response:
        assert isinstance(error, TercetError)
        status, body = error_body(error, name)
        if status >= 500:
            log.warning("failed", route=_route(request), reason=body.message)
        elif status == 403:
            log.info("refused", route=_route(request), reason=body.message)
        return told(status, body, retry_after(status))

    async def not_valid(request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)
        # the place and the reason, never the value: it may be long, or a secret that was sent to the wrong place
        first = error.errors()[0] if error.errors() else {"loc": (), "msg": "not valid"}
        where = ".".join(str(part)[:64] for part in first["loc"][:6])
        body = ErrorBody(error="input", message=f"{where}: {first['msg']}"[:500], hint="see /openapi.json", node=name)
        return told(422, body)

    async def by_framework(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        kind = {404: "not-found", 405: "method"}.get(error.status_code, "request")
        message = str(error.detail)[:200].lower()
        return told(
            error.status_code,
            ErrorBody(error=kind, message=message, hint="see /openapi.json", node=name),
            dict(error.headers or {}),
        )

    async def unexpected(request: Request, error: Exception) -> Response:
        incident = fresh_id()[:8]
        log.defect(error, incident=incident, route=_route(request), method=request.method)
        body = ErrorBody(
            error="defect",
            message=f"this node met an error that nobody expected: incident {incident}",
            hint="tell its operator the number of the incident",
            node=name,
        )
        return told(500, body)

    app.add_exception_handler(TercetError, on_purpose)
    app.add_exception_handler(RequestValidationError, not_valid)
    app.add_exception_handler(HTTPException, by_framework)
    app.add_exception_handler(Exception, unexpected)


def _route(request: Request) -> str:
    return str(getattr(request.scope.get("route"), "path", "none"))


def describe(routers: Sequence[APIRouter]) -> dict[str, Any]:
    """The OpenAPI description of routes, of their errors and of signed requests. Who calls it: the route that gives it;
    what writes the reference."""
    whole = APIRouter()
    for router in routers:
        whole.include_router(router, responses=_ERRORS)
    schema = get_openapi(title="Tercet node", version="1", description=_DESCRIPTION, routes=whole.routes)
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
    return schema
