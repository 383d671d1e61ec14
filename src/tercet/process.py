"""What a process does to itself (no core dumps, its name), and servers that fork others from what they have loaded."""

from __future__ import annotations

import ctypes
import errno
import gc
import os
import resource
import select
import signal
import socket
import struct
import sys
import threading
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final, Self

_PR_SET_PDEATHSIG: Final = 1
_PR_SET_DUMPABLE: Final = 4
_STANDARD_FDS = (0, 1, 2)
_MOST_NAME_BYTES = 15

LOAD_S = 60.0
"""So long may a fresh fork server load; it takes a second on a quiet machine."""
_ANSWER_S = 10.0
"""A fork server that has loaded and does not answer for so long is replaced."""
_END_S = 2.0
_ARGUMENT_BYTES, _MOST_FDS = 1 << 16, 64
"""Of one request."""
_ANSWER = struct.Struct("<i")
"""Process id, with the descriptors of the process and of a pipe for its exit status; or an error number, negative."""
_STATUS = struct.Struct("<i")

RunChild = Callable[[bytes, list[int]], int]
"""What a child runs: with the argument of the request and its descriptors, of which the first is its control socket."""


def forbid_core_dumps() -> None:
    """See to it that this process leaves no image of its memory when it crashes, and that no debugger of the same user
    attaches. For whoever owns the process (a node, a worker, a party, the command line) to call at its start."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    # the limit does not hold for cores that the kernel pipes to a program; this does
    ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)


def end_with_parent() -> None:
    """See to it that this process gets SIGTERM when the one that forked it ends, however that ends."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, int(signal.SIGTERM), 0, 0, 0)


def set_name(name: str) -> None:
    """Set the name that `ps -o comm` and `/proc/PID/comm` show: at most 15 bytes; the command line stays."""
    # only for whoever looks at the list of processes
    with suppress(OSError), open("/proc/self/comm", "wb") as file:
        file.write(name.encode()[:_MOST_NAME_BYTES])


def fork(run: Callable[[], int], keep: Collection[int]) -> int:
    """Fork this process; give the child's process id.

    The child closes all descriptors but 0, 1, 2 and those of `keep`, calls `run` and ends with its result as exit
    status; nothing of the caller's stack is unwound there, and no exit handler runs. Memory is shared until one side
    writes to it. The child has the parent's layout of memory (ASLR) and seed of string hashes, and everything that the
    parent had in memory: fork before there are secrets. Random numbers differ, as OpenSSL and `os.urandom` take care
    of forks, and Tercet has no other generator.

    Raises RuntimeError if this process has several Python threads: the child would inherit the locks that they hold.
    Raises OSError if the system has no process to give.
    """
    if threading.active_count() > 1:
        raise RuntimeError("a process is not forked once it has threads")
    # what is buffered here would be written twice
    sys.stdout.flush()
    sys.stderr.flush()
    pid = os.fork()
    if pid:
        return pid
    status = 1
    try:
        # what the parent had is never collected here: finalizers of its sockets would close descriptors of this process
        gc.freeze()
        close_descriptors(keep)
        status = run()
    except BaseException:
        sys.excepthook(*sys.exc_info())
    finally:
        with suppress(OSError, ValueError):
            sys.stdout.flush()
            sys.stderr.flush()
        os._exit(status)


def close_descriptors(keep: Collection[int]) -> None:
    """Close all descriptors of this process but 0, 1, 2 and those of `keep`."""
    begin = 0
    for fd in sorted({*_STANDARD_FDS, *keep}):
        if fd > begin:  # an empty range would be taken for all (Python 3.11)
            os.closerange(begin, fd)
        begin = fd + 1
    os.closerange(begin, os.sysconf("SC_OPEN_MAX"))


class ForkedProcess:
    """A process that a `ForkServer` forked, for whoever asked for it. Thread-safe.

    `control` is a socket whose other end the process has. To a process that is forked from the one that asked it counts
    as ended, and nothing there ends it.
    """

    def __init__(self, pid: int, control: socket.socket, process_fd: int, status_fd: int) -> None:
        self.pid = pid
        self.control = control
        self._asked_by = os.getpid()
        self._process_fd = process_fd
        self._status_fd = status_fd
        self._lock = threading.Lock()
        self._ended = False
        self._status: int | None = None

    def __repr__(self) -> str:
        return f"ForkedProcess({self.pid})"

    def wait(self, seconds: float) -> bool:
        """Wait for its end, so long at most; give whether it has ended."""
        if os.getpid() != self._asked_by:
            return True
        with self._lock:
            if not self._ended and select.select([self._process_fd], [], [], seconds)[0]:
                # the server writes it as soon as it has waited for its child; nothing comes if the server is gone
                if select.select([self._status_fd], [], [], _END_S)[0]:
                    told = os.read(self._status_fd, _STATUS.size)
                    if len(told) == _STATUS.size:
                        (self._status,) = _STATUS.unpack(told)
                self._let_go()
            return self._ended

    def ended(self) -> bool:
        """Whether the process has ended."""
        return self.wait(0.0)

    def exit_status(self) -> int | None:
        """The exit status, negative for a signal; None while the process runs, and if nobody heard it."""
        self.wait(0.0)
        return self._status

    def resident_bytes(self) -> int:
        """The memory that it has, with what it shares with other processes; 0 if that cannot be found out."""
        try:
            with open(f"/proc/{self.pid}/statm", encoding="ascii") as file:
                return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
        except (OSError, IndexError, ValueError):
            return 0

    def send_signal(self, number: int) -> None:
        """Send it a signal, if it still runs. One that is stopped takes none but SIGKILL and SIGCONT."""
        if os.getpid() != self._asked_by:
            return
        with self._lock, suppress(ProcessLookupError):
            if not self._ended:
                signal.pidfd_send_signal(self._process_fd, number)

    def kill(self) -> None:
        """End the process; does not wait."""
        self.send_signal(signal.SIGKILL)

    def close(self) -> None:
        """End the process, wait until it has ended (2 seconds at most), and give everything back."""
        self.kill()
        self.control.close()
        self.wait(_END_S)

    def leave(self) -> None:
        """Let the process run on by itself."""
        self.control.close()
        with self._lock:
            if not self._ended:
                self._let_go()

    def _let_go(self) -> None:
        self._ended = True
        os.close(self._process_fd)
        os.close(self._status_fd)


class ForkServer:
    """A process of one thread that has loaded what is needed, and forks a child at each request. Thread-safe.

    Three kinds of processes start this way: workers of a node, nodes of `tercet up`, and parties of a local session.
    `code` is what a fresh server runs: it loads, while nobody looks for garbage, then calls `serve`. `log` is a
    descriptor for its standard output and error, and its children's, instead of the caller's own. `apart`: signals of
    the terminal do not reach them.

    A server is made with `fork` by a process that has neither threads nor keys yet; or it is a fresh process, started
    by `load`, or else by the first request and when the server is lost. So it never has keys, nor has a child before it
    is given some. Children have the same layout of memory (ASLR) and the same seed of string hashes: who learns an
    address in one of them knows it in all. Random numbers differ, see `fork`.
    """

    def __init__(self, code: str, *, log: int | None = None, apart: bool = False) -> None:
        self._code = code
        self._made_by = os.getpid()
        self._log = log
        self._apart = apart
        self._lock = threading.Lock()
        self._channel: socket.socket | None = None
        self._pid = 0
        self._answered = False
        self._closed = False

    def __repr__(self) -> str:
        return f"ForkServer({self._pid or 'not started'})"

    @classmethod
    def fork(cls, code: str, run: RunChild, name: str) -> Self:
        """Fork the server from this process; `run` and `name` as for `serve`. Raises RuntimeError if it has threads."""
        made = cls(code)
        ours, theirs = _channel()
        with theirs:
            made._pid = fork(lambda: serve(run, name, theirs), [theirs.fileno()])
        made._channel, made._answered = ours, True
        return made

    def load(self) -> None:
        """Start the server as a fresh process, if there is none; what it loads is not waited for."""
        with self._lock:
            self._load()

    def _load(self) -> socket.socket:
        self._check_open()
        if self._channel is None:
            ours, theirs = _channel()
            # an editable install or a checkout is found there, and whatever the caller was given
            paths = [str(Path(__file__).parents[1]), os.environ.get("PYTHONPATH", "")]
            own_output = [] if self._log is None else [(os.POSIX_SPAWN_DUP2, self._log, fd) for fd in (1, 2)]
            with theirs:
                self._pid = os.posix_spawn(
                    sys.executable,
                    # -P: a folder in which somebody works may hold a json.py of anybody's
                    [sys.executable, "-P", "-c", f"import gc; gc.disable(); {self._code}"],
                    {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))},
                    file_actions=[(os.POSIX_SPAWN_DUP2, theirs.fileno(), 0), *own_output],
                    setpgroup=0 if self._apart else os.getpgrp(),
                )
            self._channel, self._answered = ours, False
            self._check_open()
        return self._channel

    def _check_open(self) -> None:
        if self._closed:
            raise ConnectionError(None, "processes are started no more")

    def start(self, argument: bytes, fds: Sequence[int] = ()) -> ForkedProcess:
        """Fork a child that runs `run(argument, [control, *fds])`; it inherits these, 1 and 2, and no other descriptor.

        The argument is not empty. Raises OSError if that is not possible, also if the server ends or does not answer.
        """
        ours, theirs = socket.socketpair()
        try:
            with theirs, self._lock:
                pid, given = self._asked(argument, [theirs.fileno(), *fds])
        except BaseException:
            ours.close()
            raise
        return ForkedProcess(pid, ours, *given)

    def _asked(self, argument: bytes, fds: list[int]) -> tuple[int, list[int]]:
        channel = self._load()
        try:
            found = self._ask(channel, argument, fds)
        except (ConnectionError, TimeoutError):
            # an answer that comes late would be taken for that to the next request
            answered = self._answered
            self._drop()
            if not answered:
                raise
            return self._asked(argument, fds)
        return found

    def _ask(self, channel: socket.socket, argument: bytes, fds: list[int]) -> tuple[int, list[int]]:
        channel.settimeout(_ANSWER_S if self._answered else LOAD_S)
        socket.send_fds(channel, [argument], fds)
        data, given, _, _ = socket.recv_fds(channel, _ANSWER.size, 2)
        for fd in given:
            os.set_inheritable(fd, False)
        if not data:
            raise ConnectionError(None, "the process that starts others has ended")
        self._answered = True
        (answer,) = _ANSWER.unpack(data)
        if answer < 0:
            raise OSError(-answer, os.strerror(-answer))
        if len(given) != 2:
            for fd in given:
                os.close(fd)
            # the child ends by itself, as its control socket is closed
            raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))
        return answer, given

    def _drop(self) -> None:
        """End the server, if there is one."""
        if self._channel is not None:
            self._channel.close()
            self._channel = None
            # not waited for by anybody else, so that the number is still its own
            os.kill(self._pid, signal.SIGKILL)
            os.waitpid(self._pid, 0)

    def close(self) -> None:
        """End the server, also while another thread waits for it; its children run on.

        Harmless when called again, or by a process forked from the maker's.
        """
        if os.getpid() != self._made_by:
            return
        self._closed = True
        channel = self._channel
        if channel is not None:
            # who waits for an answer has the lock, and gets none from now on
            with suppress(OSError):
                channel.shutdown(socket.SHUT_RDWR)
        with self._lock:
            self._drop()


def _channel() -> tuple[socket.socket, socket.socket]:
    """The ends of who asks and of the server."""
    return socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)


def serve(run: RunChild, name: str, channel: socket.socket | None = None) -> int:
    """Be a fork server until whoever asks closes their end, and give exit status 0. `name` is shown by `ps`.

    Who calls it: the code that a fresh server runs, once it has loaded what children need. Its channel is standard
    input. Each child runs `run(argument, fds)` and ends with what that gives as exit status.
    """
    gc.enable()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    set_name(name)
    if channel is None:
        channel = socket.socket(fileno=os.dup(0))
        close_descriptors([channel.fileno()])
    with open(os.devnull, "rb") as nothing:
        os.dup2(nothing.fileno(), 0)
    watched: dict[int, tuple[int, int]] = {}
    while True:
        readable = select.select([channel.fileno(), *watched], [], [])[0]
        for process_fd in watched.keys() & set(readable):
            _tell_end(process_fd, *watched.pop(process_fd))
        if channel.fileno() in readable:
            argument, fds, _, _ = socket.recv_fds(channel, _ARGUMENT_BYTES, _MOST_FDS)
            if not argument:
                return 0
            try:
                process_fd, pid, told_fd = _fork_child(channel, run, argument, fds)
                watched[process_fd] = pid, told_fd
            except OSError as error:
                with suppress(OSError):
                    channel.send(_ANSWER.pack(-(error.errno or 1)))
            finally:
                for fd in fds:
                    os.close(fd)


def _fork_child(channel: socket.socket, run: RunChild, argument: bytes, fds: list[int]) -> tuple[int, int, int]:
    """Fork one; give the descriptor of its process, its process id, and where its exit status is to be written."""
    pid = fork(lambda: run(argument, fds), fds)
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


def leave(status: int, waits: Collection[threading.Thread]) -> None:
    """End this process with that status if it has other threads than `waits`; else do nothing.

    The interpreter would wait for them, or end daemons by force, which a library may not outlive. No exit handler runs:
    whoever calls it has closed what has to be closed.
    """
    if set(threading.enumerate()) <= set(waits):
        return
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError, AttributeError):
            stream.flush()
    os._exit(status)


def available_bytes() -> int | None:
    """How much memory this machine has left for new work, swap aside; None where the system does not say."""
    try:
        with open("/proc/meminfo", encoding="ascii") as file:
            for line in file:
                if line.startswith("MemAvailable:"):
                    return int(line.split()[1]) << 10
    except (OSError, ValueError):
        pass
    return None
