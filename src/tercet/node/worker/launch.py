"""How worker processes are started, ended and watched; the pool of lanes knows them through `Launcher` and `Started`.

`WorkerLauncher` starts them on this machine, by a fork server that has imported what a worker needs. A launcher that
starts workers elsewhere would be another file with the same two interfaces.
"""

from __future__ import annotations

import os
import socket
import struct
from typing import Protocol, Self

from tercet.errors import ConfigError
from tercet.node.worker import main as worker
from tercet.process import ForkedProcess, ForkServer, serve, set_name

_LANE = struct.Struct("<I")
_CODE = "from tercet.node.worker.launch import main; raise SystemExit(main())"
_NAME = "tercet workers"


class Started(Protocol):
    """A worker process. Thread-safe."""

    @property
    def control(self) -> socket.socket:
        """The socket on which the worker is told and answers (`worker.messages`)."""

    @property
    def pid(self) -> int: ...

    def ended(self) -> bool:
        """Whether the process has ended."""

    def exit_status(self) -> int | None:
        """The exit status, negative for a signal; None while the process runs, and if nobody heard it."""

    def resident_bytes(self) -> int:
        """The memory that it has, with what it shares with other processes; 0 if that cannot be found out."""

    def kill(self) -> None:
        """End the process; does not wait."""

    def close(self) -> None:
        """End the process, wait until it has ended (2 seconds at most), and give everything back."""


class Launcher(Protocol):
    """Starts workers. Thread-safe."""

    def start(self, lane: int, listener: socket.socket) -> Started:
        """Start a worker that accepts its peers at `listener`. Raises ConfigError if that is not possible."""

    def close(self) -> None:
        """Start no more; the workers that still run end by themselves."""


class WorkerLauncher:
    """Starts workers on this machine by a process that forks them: a `Launcher`; its workers are a `Started` each.

    Who makes it: `tercet node run` with `fork`, before there are threads, keys, a catalogue or sockets; so neither the
    server nor any worker has them in memory, and all workers of the node's life are forked from the state of that
    moment. Without `fork`, or if the server was killed, a server is started as a fresh process when a worker is needed
    (half a second). After `fork`, workers share the layout of memory and the seed of string hashes with the supervisor.

    A worker inherits standard output and error, its control socket, its listener and the leash, nothing else.
    """

    def __init__(self, server: ForkServer | None = None) -> None:
        self._server = server or ForkServer(_CODE)
        # only now, so that a server that was forked has no end of it
        self._leash_fd, self._hold_fd = os.pipe()
        self._closed = False

    @classmethod
    def fork(cls) -> Self:
        """Fork the server from this process. Raises RuntimeError if it has threads already."""
        return cls(ForkServer.fork(_CODE, _run, _NAME))

    def start(self, lane: int, listener: socket.socket) -> ForkedProcess:
        try:
            return self._server.start(_LANE.pack(lane), [listener.fileno(), self._leash_fd])
        except OSError as error:
            raise ConfigError(f"a worker could not be started: {error.strerror}") from None

    def close(self) -> None:
        if not self._closed:
            self._closed = True
            self._server.close()
            os.close(self._hold_fd)
            os.close(self._leash_fd)


def main() -> int:
    """Serve as a fresh process."""
    return serve(_run, _NAME)


def _run(argument: bytes, fds: list[int]) -> int:
    """Be a worker."""
    set_name(f"tercet lane {_LANE.unpack(argument)[0]}")
    control, listener, leash = fds
    return worker.main(control, listener, leash)
