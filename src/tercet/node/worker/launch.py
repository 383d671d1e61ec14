"""How worker processes are started, ended and watched; the pool of lanes knows them through `Launcher` and `Started`.

`ForkServer` starts them on this machine: a small process that has imported what a worker needs and forks one at each
request. A launcher that starts workers elsewhere would be another file with the same two interfaces.
"""

from __future__ import annotations

import errno
import os
import select
import signal
import socket
import struct
import sys
import threading
from contextlib import suppress
from pathlib import Path
from typing import Protocol

from tercet.errors import ConfigError
from tercet.node.worker import main as worker
from tercet.process import close_descriptors, fork, set_name

_END_S = 2.0
_ANSWER_S = 10.0
"""A server that does not answer for so long is replaced; it loads in less than one."""
_REQUEST = struct.Struct("<I")
"""Number of the lane; with it come three descriptors: control, listener, leash."""
_ANSWER = struct.Struct("<i")
"""Process id, with the descriptors of the process and of a pipe for its exit status; or an error number, negative."""
_STATUS = struct.Struct("<i")
_COMMAND = "from tercet.node.worker.launch import main; raise SystemExit(main())"


class Started(Protocol):
    """A worker process. Thread-safe."""

    @property
    def control(self) -> socket.socket:
        """The socket on which the worker is told and answers (`worker.messages`)."""
        ...

    @property
    def pid(self) -> int: ...

    def ended(self) -> bool:
        """Whether the process has ended."""
        ...

    def exit_status(self) -> int | None:
        """The exit status, negative for a signal; None while the process runs, and if nobody heard it."""
        ...

    def resident_bytes(self) -> int:
        """The memory that it has, with what it shares with other processes; 0 if that cannot be found out."""
        ...

    def kill(self) -> None:
        """End the process; does not wait."""
        ...

    def close(self) -> None:
        """End the process, wait until it has ended (2 seconds at most), and give everything back."""
        ...


class Launcher(Protocol):
    """Starts workers. Thread-safe."""

    def start(self, lane: int, listener: socket.socket) -> Started:
        """Start a worker that accepts its peers at `listener`. Raises ConfigError if that is not possible."""
        ...

    def close(self) -> None:
        """Start no more; the workers that still run end by themselves."""
        ...


class ForkedWorker:
    """A worker that `ForkServer` has forked: a `Started`."""

    def __init__(self, control: socket.socket, pid: int, process_fd: int, status_fd: int) -> None:
        self.control = control
        self.pid = pid
        self._process_fd = process_fd
        self._status_fd = status_fd
        self._lock = threading.Lock()
        self._ended = False
        self._status: int | None = None

    def __repr__(self) -> str:
        return f"ForkedWorker({self.pid})"

    def ended(self) -> bool:
        with self._lock:
            return self._wait(0.0)

    def exit_status(self) -> int | None:
        with self._lock:
            self._wait(0.0)
            return self._status

    def _wait(self, seconds: float) -> bool:
        """Wait for the end of the process; then everything but the control socket is given back."""
        if not self._ended and select.select([self._process_fd], [], [], seconds)[0]:
            self._ended = True
            # the server writes it as soon as it has waited for its child; nothing comes if the server is gone
            if select.select([self._status_fd], [], [], _END_S)[0]:
                told = os.read(self._status_fd, _STATUS.size)
                if len(told) == _STATUS.size:
                    (self._status,) = _STATUS.unpack(told)
            os.close(self._process_fd)
            os.close(self._status_fd)
        return self._ended

    def resident_bytes(self) -> int:
        try:
            with open(f"/proc/{self.pid}/statm", encoding="ascii") as file:
                return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
        except (OSError, IndexError, ValueError):
            return 0

    def kill(self) -> None:
        # it may be stopped, and then takes no other signal
        with self._lock, suppress(ProcessLookupError):
            if not self._ended:
                signal.pidfd_send_signal(self._process_fd, signal.SIGKILL)

    def close(self) -> None:
        self.kill()
        self.control.close()
        with self._lock:
            self._wait(_END_S)


class ForkServer:
    """Starts workers on this machine by a process that forks them: a `Launcher`.

    Who makes it: `tercet node run` with `fork`, before there are threads, keys, a catalogue or sockets; so neither the
    server nor any worker has them in memory, and all workers of the node's life are forked from the state of that
    moment. Without `fork`, or if the server was killed, a server is started as a fresh process when a worker is needed
    (half a second). Workers share the layout of memory (ASLR) and the seed of string hashes with each other and, after
    `fork`, with the supervisor: who learns an address in one of them knows it in all.

    A worker inherits standard output and error, its control socket, its listener and the leash, nothing else.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._channel: socket.socket | None = None
        self._pid = 0
        self._closed = False
        self._leash_fd, self._hold_fd = os.pipe()

    def __repr__(self) -> str:
        return f"ForkServer({self._pid or 'not started'})"

    @classmethod
    def fork(cls) -> ForkServer:
        """Fork the server from this process. Raises RuntimeError if it has threads already."""
        ours, theirs = _channel()
        with theirs:
            pid = fork(lambda: _serve(theirs), [theirs.fileno()])
        # only now, so that the server has no end of it
        made = cls()
        made._channel, made._pid = ours, pid
        return made

    def _spawn(self) -> socket.socket:
        """Start the server as a fresh process, its channel as standard input."""
        ours, theirs = _channel()
        paths = [str(Path(__file__).parents[3]), os.environ.get("PYTHONPATH", "")]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))}
        with theirs:
            self._pid = os.posix_spawn(
                sys.executable,
                [sys.executable, "-c", _COMMAND],
                environment,
                file_actions=[(os.POSIX_SPAWN_DUP2, theirs.fileno(), 0)],
            )
        return ours

    def start(self, lane: int, listener: socket.socket) -> ForkedWorker:
        ours, theirs = socket.socketpair()
        try:
            with theirs, self._lock:
                pid, fds = self._ask(lane, [theirs.fileno(), listener.fileno(), self._leash_fd])
        except OSError as error:
            ours.close()
            raise ConfigError(f"a worker could not be started: {error.strerror}") from None
        return ForkedWorker(ours, pid, *fds)

    def _ask(self, lane: int, handed: list[int]) -> tuple[int, list[int]]:
        if self._closed:
            raise ConnectionError(None, "this node is ending")
        if self._channel is not None:
            with suppress(ConnectionError, TimeoutError):
                return _asked(self._channel, lane, handed)
            self._drop()
        self._channel = self._spawn()
        try:
            return _asked(self._channel, lane, handed)
        except (ConnectionError, TimeoutError):
            # an answer that comes late would be taken for that to the next request: of another worker, and lane
            self._drop()
            raise

    def _drop(self) -> None:
        """End the server, if there is one."""
        if self._channel is not None:
            self._channel.close()
            self._channel = None
            # not waited for by anybody else, so that the number is still its own
            os.kill(self._pid, signal.SIGKILL)
            os.waitpid(self._pid, 0)

    def close(self) -> None:
        with self._lock:
            if not self._closed:
                self._closed = True
                self._drop()
                os.close(self._hold_fd)
                os.close(self._leash_fd)


def _channel() -> tuple[socket.socket, socket.socket]:
    """The supervisor's end and the server's."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    ours.settimeout(_ANSWER_S)
    return ours, theirs


def _asked(channel: socket.socket, lane: int, handed: list[int]) -> tuple[int, list[int]]:
    socket.send_fds(channel, [_REQUEST.pack(lane)], handed)
    data, fds, _, _ = socket.recv_fds(channel, _ANSWER.size, 2)
    for fd in fds:
        os.set_inheritable(fd, False)
    if not data:
        raise ConnectionError(None, "the process that starts workers has ended")
    (answer,) = _ANSWER.unpack(data)
    if answer < 0:
        raise OSError(-answer, os.strerror(-answer))
    if len(fds) != 2:
        for fd in fds:
            os.close(fd)
        # the worker ends by itself, as its control socket is closed
        raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
    return answer, fds


# -- the server's side


def main() -> int:
    """Serve as a fresh process, with the channel as standard input."""
    with socket.socket(fileno=os.dup(0)) as channel:
        close_descriptors([channel.fileno()])
        return _serve(channel)


def _serve(channel: socket.socket) -> int:
    """Fork a worker at each request and tell how each ends, until the supervisor closes its end."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    set_name("tercet workers")
    with open(os.devnull, "rb") as nothing:
        os.dup2(nothing.fileno(), 0)
    watched: dict[int, tuple[int, int]] = {}
    while True:
        readable = select.select([channel.fileno(), *watched], [], [])[0]
        for process_fd in watched.keys() & set(readable):
            _tell_end(process_fd, *watched.pop(process_fd))
        if channel.fileno() in readable:
            request, fds, _, _ = socket.recv_fds(channel, _REQUEST.size, 3)
            if not request:
                return 0
            try:
                process_fd, pid, told_fd = _fork_worker(channel, _REQUEST.unpack(request)[0], fds)
                watched[process_fd] = pid, told_fd
            except OSError as error:
                with suppress(OSError):
                    channel.send(_ANSWER.pack(-(error.errno or 1)))
            finally:
                for fd in fds:
                    os.close(fd)


def _fork_worker(channel: socket.socket, lane: int, fds: list[int]) -> tuple[int, int, int]:
    """Fork one; give the descriptor of its process, its process id, and where its exit status is to be written."""

    def run() -> int:
        set_name(f"tercet lane {lane}")
        control, listener, leash = fds
        return worker.main(control, listener, leash)

    pid = fork(run, fds)
    process_fd = os.pidfd_open(pid)
    status_fd, told_fd = os.pipe()
    try:
        socket.send_fds(channel, [_ANSWER.pack(pid)], [process_fd, status_fd])
    finally:
        os.close(status_fd)
    return process_fd, pid, told_fd


def _tell_end(process_fd: int, pid: int, told_fd: int) -> None:
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    os.close(process_fd)
    with suppress(BrokenPipeError):
        os.write(told_fd, _STATUS.pack(status))
    os.close(told_fd)
