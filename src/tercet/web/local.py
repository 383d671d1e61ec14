"""A site on loopback for one person: who may ask it, what their browser may do, and how it is served.

What a page shows and does comes from JSON routes, and each call carries a token that only the page's script knows.
There are no cookies: a browser sends those to every port of this machine, so another program's page could collect them.
"""

from __future__ import annotations

import asyncio
import logging
import os
import secrets
import select
import signal
import socket
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Annotated

import uvicorn
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, ConfigDict, StringConstraints
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.responses import FileResponse, JSONResponse
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tercet.errors import ConfigError, TercetError
from tercet.federation.api import ErrorBody
from tercet.federation.refusals import error_body

STATIC = Path(__file__).parent / "static"
HOST = "127.0.0.1"
SESSION_HEADER = "tercet-session"
LINK_S = 600.0
"""Seconds for which a link is good; it opens one browser."""
_HTTP_PORT = 80
_TOKENS = 16
"""Sessions of one site at most; the oldest gives way."""
_BODY_BYTES = 1 << 20
"""Of a request; routes that take files read them in pieces and have limits of their own."""
_LOOK_S = 0.5
_LINE_BYTES = 1 << 12
_GRACE_S = 2
"""For which requests under way may go on when a site is closed."""

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data: blob:; connect-src 'self'; "
    "font-src 'self'; form-action 'none'; base-uri 'none'; frame-ancestors 'none'"
)
"""No script, style or picture from anywhere else, and none that stands inside a page."""

HEADERS: Mapping[str, str] = {
    "content-security-policy": POLICY,
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), microphone=(), geolocation=()",
    "cache-control": "no-store",
}


class Keys:
    """The links that open a site, each once, and the sessions that were opened. Safe to call from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._links: dict[str, float] = {}
        self._sessions: list[str] = []

    def link(self) -> str:
        """A new token for a link, good once and for ten minutes."""
        made = secrets.token_urlsafe(32)
        with self._lock:
            self._links[made] = time.monotonic() + LINK_S
        return made

    def open(self, link: str) -> str | None:
        """The token of a new session for the token of a link; None if it was used, is too old, or was never made."""
        with self._lock:
            found = next(
                (known for known in self._links if secrets.compare_digest(known.encode(), link.encode())), None
            )
            if found is None or self._links.pop(found) < time.monotonic():
                return None
            made = secrets.token_urlsafe(32)
            self._sessions = [*self._sessions, made][-_TOKENS:]
            return made

    def holds(self, session: str) -> bool:
        """Whether this is the token of an open session."""
        with self._lock:
            known = list(self._sessions)
        given = session.encode()
        return any([secrets.compare_digest(one.encode(), given) for one in known])


class _Opening(BaseModel):
    model_config = ConfigDict(extra="forbid")
    link: Annotated[str, StringConstraints(pattern=r"^[\x21-\x7e]{1,128}$")]


class SiteGuard:
    """The gate before a site: address, origin, token, length of a body; and the headers of all answers.

    A request must name the site by a loopback name and its port (a page elsewhere whose name was turned to this machine
    does not). One that comes from another origin is refused, whatever it asks. All below `/api/` needs a session's
    token.
    """

    def __init__(self, app: ASGIApp, keys: Keys, port: int, large: Sequence[str] = ()) -> None:
        self._app, self._keys, self._large = app, keys, tuple(large)
        # a browser leaves out the port that its scheme has by default
        ends = [f":{port}", *([""] if port == _HTTP_PORT else [])]
        self._hosts = {f"{name}{end}" for name in (HOST, "localhost", "[::1]") for end in ends}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":
            return  # no websockets: nothing listens to them
        refusal = self._refusal(scope)

        async def sends(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(HEADERS)
            await send(message)

        if refusal is not None:
            status, told = refusal
            await _answer(status, told)(scope, receive, sends)
            return
        await self._app(scope, receive if self._is_large(scope["path"]) else _limited(receive), sends)

    def _is_large(self, path: str) -> bool:
        return path.startswith(self._large) if self._large else False

    def _refusal(self, scope: Scope) -> tuple[int, ErrorBody] | None:
        headers = Headers(scope=scope)
        host = headers.get("host", "")
        if host not in self._hosts:
            return 421, _body("host", "this site answers to 127.0.0.1 and localhost only")
        origin = headers.get("origin")
        safe = scope["method"] in ("GET", "HEAD")
        if (origin is None and not safe) or (origin is not None and origin != f"http://{host}"):
            return 403, _body("origin", "this request does not come from a page of this site")
        if headers.get("sec-fetch-site", "same-origin") not in ("same-origin", "none") and not _is_start(scope):
            return 403, _body("origin", "this request does not come from a page of this site")
        if scope["path"].startswith("/api/") and not self._keys.holds(headers.get(SESSION_HEADER, "")):
            return 401, _body("session", "this page has no session", "open the link that the terminal shows")
        return None


def _is_start(scope: Scope) -> bool:
    """Whether somebody follows a link to a page: pages hold nothing of anybody, what they show is asked for later."""
    return scope["method"] == "GET" and not scope["path"].startswith(("/api/", "/session"))


def _limited(receive: Receive) -> Receive:
    taken = 0

    async def receives() -> Message:
        nonlocal taken
        message = await receive()
        taken += len(message.get("body", b""))
        if taken > _BODY_BYTES:
            raise HTTPException(413, f"a request has {_BODY_BYTES} bytes at most")
        return message

    return receives


def _body(error: str, message: str, hint: str = "") -> ErrorBody:
    return ErrorBody(error=error, message=message, hint=hint)


def _answer(status: int, body: ErrorBody) -> Response:
    return JSONResponse(body.model_dump(), status)


class Site:
    """A FastAPI application of one person on this machine, behind a `SiteGuard`.

    `shells` are its pages: path to file. They hold no data, so they need no token. `static` are folders of scripts,
    styles and pictures: name in the path to folder; `/static/base` has what all sites share. Routes are added to
    `api`, all below `/api/`. `large`: paths (their beginnings) of routes that take more than a megabyte. Who calls it:
    `tercet play`, `tercet web`, and tests.
    """

    def __init__(
        self, shells: Mapping[str, Path], static: Mapping[str, Path] | None = None, *, large: Sequence[str] = ()
    ) -> None:
        self.keys = Keys()
        self._large = large
        self.api = FastAPI(docs_url=None, redoc_url=None, openapi_url=None, redirect_slashes=False)
        for path, file in shells.items():
            self._add_shell(path, file)
        for name, folder in {"base": STATIC, **(static or {})}.items():
            self.api.mount(f"/static/{name}", StaticFiles(directory=folder))
        self.api.add_api_route("/session", self._open, methods=["POST"], response_model=None)
        _tell_errors(self.api)

    def _add_shell(self, path: str, file: Path) -> None:
        async def shell() -> FileResponse:
            return FileResponse(file, media_type="text/html; charset=utf-8")

        self.api.add_api_route(path, shell, methods=["GET"], response_model=None)

    async def _open(self, body: _Opening) -> Response:
        session = self.keys.open(body.link)
        if session is None:
            hint = "press Enter in the terminal for a new one"
            return _answer(401, _body("link", "this link was used before, or is too old", hint))
        return JSONResponse({"session": session})

    def guarded(self, port: int) -> ASGIApp:
        """The site as it is served at a port."""
        return SiteGuard(self.api, self.keys, port, self._large)


def _tell_errors(app: FastAPI) -> None:
    """Answer each exception of a route with an `ErrorBody`. Unexpected ones are told without their text."""

    async def on_purpose(request: Request, error: Exception) -> Response:
        assert isinstance(error, TercetError)
        return _answer(*error_body(error, ""))

    async def not_valid(request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)
        first = error.errors()[0] if error.errors() else {"loc": (), "msg": "not valid"}
        # of a page's form: the field and what it takes, without the words for where in the request it stood
        where = ".".join(str(part)[:64] for part in first["loc"][:6] if part != "body")
        said = str(first["msg"]).replace("Input should", "it should")
        return _answer(422, _body("input", f"{where or 'the request'}: {said}"[:500]))

    async def by_framework(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)
        return _answer(error.status_code, _body("request", str(error.detail)))

    async def unexpected(request: Request, error: Exception) -> Response:
        return _answer(500, _body("fault", f"a fault of Tercet: {type(error).__name__}", "see the terminal"))

    app.add_exception_handler(TercetError, on_purpose)
    app.add_exception_handler(RequestValidationError, not_valid)
    app.add_exception_handler(HTTPException, by_framework)
    app.add_exception_handler(Exception, unexpected)


class Serving:
    """A site that is served by a thread of its own until `close`, at a port of loopback (0: any that is free).

    Raises ConfigError where another program listens at the port.
    """

    def __init__(self, site: Site, port: int = 0) -> None:
        self._site = site
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            self._socket.bind((HOST, port))
        except OSError as error:
            self._socket.close()
            raise ConfigError(
                f"cannot listen at {HOST}:{port}: {error.strerror}", hint="give another port with --port"
            ) from None
        self.port: int = self._socket.getsockname()[1]
        self._server = _Server(
            uvicorn.Config(
                site.guarded(self.port),
                log_config=None,
                access_log=False,
                server_header=False,
                timeout_graceful_shutdown=_GRACE_S,
                ws="none",
                lifespan="on",
            )
        )
        self._thread = threading.Thread(target=self._run, name="tercet pages", daemon=True)
        self._thread.start()
        try:
            self._server.ready.wait()
        except BaseException:
            self.close()
            raise

    def _run(self) -> None:
        try:
            asyncio.run(self._server.serve(sockets=[self._socket]))
        finally:
            self._server.ready.set()

    def link(self, path: str = "/") -> str:
        """A new link to a page. What follows the # is read by the page's script and sent to nobody but this site."""
        return f"http://{HOST}:{self.port}{path}#{self._site.keys.link()}"

    def is_alive(self) -> bool:
        """Whether it still serves."""
        return self._thread.is_alive()

    def close(self) -> None:
        """Serve no more. A request whose thread is still at work after some seconds is left to itself."""
        self._server.should_exit = True
        self._thread.join(_GRACE_S + 1)

    def __enter__(self) -> Serving:
        return self

    def __exit__(self, *failure: object) -> None:
        self.close()


def _is_news(record: logging.LogRecord) -> bool:
    """Requests that are cut off when a site is closed are no errors: whoever presses Ctrl-C is shown none."""
    cut_off = record.exc_info is not None and isinstance(record.exc_info[1], asyncio.CancelledError)
    return not cut_off and not str(record.msg).startswith("Cancel %s running task")


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        logging.getLogger("uvicorn.error").addFilter(_is_news)
        self.ready = threading.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.ready.set()


@contextmanager
def _leading(link: str) -> Iterator[str]:
    """The address of a file that leads a browser to a link, and that this user alone can read; removed at the end.

    All users of a machine see the command lines of its programs, and a link there could be used by them first.
    """
    # browsers that run apart from the system (snap, flatpak) see this user's folder, and no temporary ones
    home = Path.home()
    descriptor, name = tempfile.mkstemp(".html", "tercet-", home if os.access(home, os.W_OK) else None)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(f'<!doctype html><title>Tercet</title><meta http-equiv="refresh" content="0;url={link}">')
        yield Path(name).as_uri()
    finally:
        Path(name).unlink(missing_ok=True)


@contextmanager
def _ends_by_signals() -> Iterator[None]:
    """SIGTERM, and SIGHUP when a terminal is closed, end the program as Ctrl-C does: files of a session are removed."""

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    before = {number: signal.signal(number, interrupt) for number in (signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def attend(serving: Serving, path: str, say: Callable[[str], None], opens: Callable[[str], object] | None) -> None:
    """Show the link, open it with `opens` (a browser's), and give another at each Enter, until Ctrl-C.

    Who calls it: the commands, in the main thread. SIGTERM and the end of the terminal count as Ctrl-C.
    """
    try:
        with _ends_by_signals(), ExitStack() as kept:
            link = serving.link(path)
            if opens is not None:
                # the browser uses up a link of its own: the one on the screen stays good
                opens(kept.enter_context(_leading(serving.link(path))))
            say(f"\n  {link}\n\nThe link opens one browser, within ten minutes. Enter: another link. Ctrl-C: the end.")
            typed = [] if sys.stdin is None else [sys.stdin.fileno()]
            while serving.is_alive():
                # not for ever: a signal that comes just before a wait, or to another thread, does not end the wait
                for fd in select.select(typed, [], [], _LOOK_S)[0]:
                    read = os.read(fd, _LINE_BYTES)
                    typed = typed if read else []
                    for _ in range(read.count(b"\n")):
                        say(f"\n  {serving.link(path)}")
    except KeyboardInterrupt:
        with suppress(OSError):  # the terminal may be gone
            say("")
