"""A node as a process: sockets, TLS, signals, and an end that leaves nothing behind."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
from collections.abc import Callable, Iterator, Sequence
from types import FrameType

import uvicorn

from tercet.node.app import make_app
from tercet.node.logs import start_logging
from tercet.node.protocol import NodeProtocol
from tercet.node.settings import Settings
from tercet.node.sockets import bind, server_context
from tercet.node.supervisor import Node
from tercet.ring import retain_freed_memory

_GRACE_S = 5
_PORT_S = 5.0
_KEEP_ALIVE_S = 60


def run(
    settings: Settings,
    *,
    listener: socket.socket | None = None,
    lanes: Sequence[socket.socket] | None = None,
    ready: Callable[[], None] | None = None,
    at: Callable[[str], None] | None = None,
) -> None:
    """Serve one node until SIGTERM or SIGINT; gives back when all has ended.

    Who calls it: `tercet node run`; tests, with sockets already bound (`listener`, and `lanes` one each), and with
    `at`, which is called at named steps of a transaction. `ready` is called when requests are answered.
    Raises ConfigError for settings, identity, federation or ports that cannot be used.
    """
    log = start_logging(settings.name, settings.log.level)
    retain_freed_memory()
    with contextlib.ExitStack() as stack:
        if listener is None:
            listener = stack.enter_context(bind(settings.listen.host, settings.listen.port, patience_s=_PORT_S))
        if lanes is None:
            places = [(settings.lanes.host, settings.lanes.first_port + lane) for lane in range(settings.lanes.count)]
            lanes = [stack.enter_context(bind(host, port, patience_s=_PORT_S)) for host, port in places]
        node = Node(settings, log=log, lane_sockets=lanes, at=at)
        try:
            node.start()
            server = _Server(_config(node), node, ready)
            server.run(sockets=[listener])
        finally:
            node.stop()
    log.info("node ended")


def _config(node: Node) -> uvicorn.Config:
    return uvicorn.Config(
        make_app(node),
        http=NodeProtocol,
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        date_header=True,
        limit_concurrency=node.settings.limits.connections,
        timeout_keep_alive=_KEEP_ALIVE_S,
        ssl_context_factory=lambda config, default: server_context(node),
    )


class _Server(uvicorn.Server):
    """Says when it serves; ends at a signal without dying of it."""

    def __init__(self, config: uvicorn.Config, node: Node, ready: Callable[[], None] | None) -> None:
        super().__init__(config)
        self._node = node
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self._node.log.info("node serves", address=_address(sockets))
            self._node.serving()
            if self._ready is not None:
                self._ready()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Take nothing new, answer what is under way, and close: idle connections are not asked whether they agree."""
        self._node.log.info("node ends", connections=len(self.server_state.connections))
        for server in self.servers:
            server.close()
        for connection in list(self.server_state.connections):
            connection.shutdown()
        if tasks := list(self.server_state.tasks):
            await asyncio.wait(tasks, timeout=_GRACE_S)
        for connection in list(self.server_state.connections):
            connection.transport.abort()
        for task in self.server_state.tasks:
            task.cancel()

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        def end(number: int, frame: FrameType | None) -> None:
            # set first, so that whoever waits for a job is answered now
            self._node.stopping.set()
            self.should_exit = True

        before = {number: signal.signal(number, end) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


def _address(sockets: Sequence[socket.socket] | None) -> str:
    host, port, *_ = sockets[0].getsockname() if sockets else ("?", 0)
    return f"{host}:{port}"
