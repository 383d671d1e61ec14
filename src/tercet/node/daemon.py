"""Runs a node as a process: binds its sockets, serves HTTPS, and ends cleanly at a signal."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import signal
import socket
from collections.abc import Callable, Iterator, Sequence
from types import FrameType

import uvicorn

from tercet.node.http.app import make_app
from tercet.node.http.doors import Door
from tercet.node.http.protocol import protocol_of
from tercet.node.http.sockets import bind, server_context
from tercet.node.logs import start_logging
from tercet.node.node import Node
from tercet.node.settings import NodeSettings
from tercet.node.worker.launch import Launcher
from tercet.process import forbid_core_dumps
from tercet.ring import retain_freed_memory

_GRACE_S = 5
_PORT_S = 5.0
_KEEP_ALIVE_S = 60


def run(
    settings: NodeSettings,
    *,
    listener: socket.socket | None = None,
    lanes: Sequence[socket.socket] | None = None,
    launcher: Launcher | None = None,
    ready: Callable[[], None] | None = None,
    at: Callable[[str], None] | None = None,
) -> None:
    """Serve one node until SIGTERM or SIGINT; returns when everything has ended.

    Who calls it: `tercet node run`, with a `launcher` whose workers hold nothing of this process; tests, with sockets
    already bound (`listener`, and `lanes` one each), and with `at`, which is called at named steps of a transaction.
    `ready` is called when requests are answered.
    Raises ConfigError for settings, identity, federation or ports that cannot be used.
    """
    log = start_logging(settings.name, settings.log.level)
    forbid_core_dumps()
    retain_freed_memory()
    with contextlib.ExitStack() as stack:
        if listener is None:
            listener = stack.enter_context(bind(settings.listen.host, settings.listen.port, patience_s=_PORT_S))
        if lanes is None:
            places = [(settings.lanes.host, settings.lanes.first_port + lane) for lane in range(settings.lanes.count)]
            lanes = [stack.enter_context(bind(host, port, patience_s=_PORT_S)) for host, port in places]
        node = Node(settings, log=log, lane_sockets=lanes, launcher=launcher, at=at)
        try:
            node.start()
            # objects made until here live as long as the process: the garbage collector need not scan them again
            gc.collect()
            gc.freeze()
            server = _Server(_config(node), node, ready)
            with Door.of(listener, node.rooms.doors) as door:
                server.run(sockets=[door])
        finally:
            node.stop()
    log.info("node ended")


def _config(node: Node) -> uvicorn.Config:
    return uvicorn.Config(
        make_app(node.rooms),
        http=protocol_of(node.rooms.doors),
        loop="asyncio",
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        date_header=True,
        timeout_keep_alive=_KEEP_ALIVE_S,
        ssl_context_factory=lambda config, default: server_context(node.context.identity),
    )


class _Server(uvicorn.Server):
    """A uvicorn server that tells the node when it serves, and that ends in order at a signal."""

    def __init__(self, config: uvicorn.Config, node: Node, ready: Callable[[], None] | None) -> None:
        super().__init__(config)
        self._node = node
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self._node.context.log.info("node serves", address=_address(sockets))
            self._node.serving()
            if self._ready is not None:
                self._ready()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Accept nothing new, answer the requests under way, and close all connections, idle ones at once."""
        self._node.context.log.info("node ends", connections=len(self.server_state.connections))
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
            # set first, so that requests that wait for a job are answered now
            self._node.context.stopping.set()
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
