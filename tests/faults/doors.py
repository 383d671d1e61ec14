"""TCP doors before the nodes: what stands between two of them can be cut, or made to swallow everything.

The federation file names the doors; behind each is a node's own port. Whoever comes through a door is known by the
process that holds the other end, so that the link of two nodes can fail while each still talks to the third.
"""

from __future__ import annotations

import asyncio
import os
import socket
import struct
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

_PIECE = 1 << 16
_LOOK_S = 0.02
_RESET = struct.pack("ii", 1, 0)
CLIENT = ""
"""Whoever is no node."""


@dataclass(eq=False)
class _Link:
    """One connection through a door."""

    node: str
    door_port: int
    peer_port: int
    sockets: list[socket.socket] = field(default_factory=list)
    who: str | None = None


class Doors:
    """The doors of all nodes, served by one thread. `pids` gives the processes of every node that runs now."""

    def __init__(self, pids: Callable[[], dict[str, list[int]]]) -> None:
        self._pids = pids
        self._loop = asyncio.new_event_loop()
        self._links: set[_Link] = set()
        self._down: set[str] = set()
        self._cut: set[frozenset[str]] = set()
        self._holes: set[frozenset[str]] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._thread = threading.Thread(target=self._loop.run_forever, name="doors", daemon=True)
        self._thread.start()

    def open(self, node: str, listener: socket.socket, port: int) -> None:
        """Pass what comes to `listener` on to a port of loopback."""
        listener.setblocking(False)
        asyncio.run_coroutine_threadsafe(self._accept(node, listener, port), self._loop)

    def down(self, *nodes: str) -> None:
        """The nodes are gone: their connections break, new ones are turned away."""
        self._call(
            lambda: (
                self._down.update(nodes),
                self._break(lambda link: bool({link.node, self._who(link)} & set(nodes))),
            )
        )

    def up(self, *nodes: str) -> None:
        self._call(lambda: self._down.difference_update(nodes))

    def cut(self, one: str, other: str) -> None:
        """The two no longer reach each other, and are told so at once."""
        pair = frozenset((one, other))
        self._call(lambda: (self._cut.add(pair), self._break(lambda link: self._pair(link) == pair)))

    def swallow(self, one: str, other: str) -> None:
        """What the two send each other stays on its way until `heal`."""
        self._call(lambda: self._holes.add(frozenset((one, other))))

    def heal(self) -> None:
        """All links are whole again."""
        self._call(lambda: (self._cut.clear(), self._holes.clear()))

    def close(self) -> None:
        """Break everything, end the thread."""

        async def end() -> None:
            for task in list(self._tasks):
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

        asyncio.run_coroutine_threadsafe(end(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    def _call(self, work: Callable[[], object]) -> None:
        async def run() -> None:
            work()

        asyncio.run_coroutine_threadsafe(run(), self._loop).result(10)

    # -- in the loop

    async def _accept(self, node: str, listener: socket.socket, port: int) -> None:
        current = asyncio.current_task()
        assert current is not None
        self._tasks.add(current)
        while True:
            ours, (_, peer_port) = await self._loop.sock_accept(listener)
            link = _Link(node, listener.getsockname()[1], peer_port, [ours])
            task = self._loop.create_task(self._serve(link, port))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _serve(self, link: _Link, port: int) -> None:
        self._links.add(link)
        try:
            ours = link.sockets[0]
            ours.setblocking(False)
            if link.node in self._down or (self._cut and self._pair(link) in self._cut):
                raise ConnectionResetError
            theirs = socket.socket()
            link.sockets.append(theirs)
            theirs.setblocking(False)
            for one in link.sockets:
                one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            await self._loop.sock_connect(theirs, ("127.0.0.1", port))
            async with asyncio.TaskGroup() as both:
                both.create_task(self._pump(link, ours, theirs))
                both.create_task(self._pump(link, theirs, ours))
        except* OSError:
            for one in link.sockets:
                _reset(one)
        finally:
            self._links.discard(link)
            for one in link.sockets:
                one.close()

    async def _pump(self, link: _Link, source: socket.socket, sink: socket.socket) -> None:
        while data := await self._loop.sock_recv(source, _PIECE):
            while self._holes and self._pair(link) in self._holes:
                await asyncio.sleep(_LOOK_S)
            await self._loop.sock_sendall(sink, data)
        try:
            sink.shutdown(socket.SHUT_WR)
        except OSError:
            return

    def _break(self, which: Callable[[_Link], bool]) -> None:
        for link in [link for link in self._links if which(link)]:
            for one in link.sockets:
                _reset(one)

    def _pair(self, link: _Link) -> frozenset[str]:
        return frozenset((link.node, self._who(link)))

    def _who(self, link: _Link) -> str:
        if link.who is None:
            link.who = self._holder(link.peer_port, link.door_port)
        return link.who

    def _holder(self, port: int, door: int) -> str:
        """The node whose process holds the connection from `port` to a door, if one does."""
        inode = _inode(port, door)
        if inode is not None:
            for node, pids in self._pids().items():
                if any(inode in _sockets(pid) for pid in pids):
                    return node
        return CLIENT


def _reset(one: socket.socket) -> None:
    """Break a connection as the end of a machine does; its task then ends by an error."""
    try:
        one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        one.shutdown(socket.SHUT_RDWR)
    except OSError:
        return


def _inode(local: int, remote: int) -> str | None:
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        fields = line.split()
        if int(fields[1].rpartition(":")[2], 16) == local and int(fields[2].rpartition(":")[2], 16) == remote:
            return fields[9]
    return None


def _sockets(pid: int) -> set[str]:
    found = set()
    try:
        for name in os.listdir(f"/proc/{pid}/fd"):
            target = os.readlink(f"/proc/{pid}/fd/{name}")
            if target.startswith("socket:["):
                found.add(target[8:-1])
    except OSError:
        pass
    return found
