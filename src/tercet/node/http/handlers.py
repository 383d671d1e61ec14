"""Turns exceptions of routes into HTTP answers with an `ErrorBody`."""

from __future__ import annotations

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import Response
from starlette.exceptions import HTTPException

from tercet.errors import TercetError
from tercet.federation.api import ErrorBody
from tercet.federation.identifiers import fresh_id
from tercet.federation.refusals import error_body, retry_after
from tercet.node.logs import Log


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
