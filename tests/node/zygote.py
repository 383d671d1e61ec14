"""A process that has imported a node's code and forks one at each request: a start takes a tenth of the time.

It has one thread and no state of a node, so that a fork is a fresh process; requests and ends go over a socket pair:

    {"settings", "steps"} with the descriptors listener, ready, lanes...   ->   {"pid"}
    ... at the end of a child                                              ->   {"pid", "status"}
"""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import Any

from tercet.process import fork

_MESSAGE_BYTES = 1 << 16
_MAX_FDS = 40


class Child:
    """A node's process, as far as its grandparent can handle it."""

    def __init__(self, zygote: Zygote, pid: int) -> None:
        self._zygote = zygote
        self.pid = pid
        self.returncode: int | None = None

    def send_signal(self, number: int) -> None:
        with suppress(ProcessLookupError):
            os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def poll(self) -> int | None:
        self._zygote.hear(0.0)
        return self.returncode

    def wait(self, timeout: float = 30.0) -> int:
        """Give the exit status, negative for a signal."""
        deadline = time.monotonic() + timeout
        while self.returncode is None:
            left = deadline - time.monotonic()
            assert left > 0, f"process {self.pid} does not end"
            self._zygote.hear(left)
        return self.returncode


class Zygote:
    """The parent's end; `close` ends it with all its children."""

    def __init__(self, stderr: Path) -> None:
        self._socket, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs, stderr.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, __file__, str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stderr=log,
            )
        self._children: dict[int, Child] = {}
        self._born: list[int] = []

    def spawn(self, settings: Path, log: Path, fds: list[int], steps: list[str]) -> Child:
        """Fork a node; `fds` are its listener, the pipe for its ready byte, and its lanes."""
        request = {"settings": str(settings), "log": str(log), "steps": steps}
        socket.send_fds(self._socket, [json.dumps(request).encode()], fds)
        while not self._born:
            self.hear(30.0)
        child = self._children[self._born.pop()]
        return child

    def hear(self, timeout: float) -> None:
        """Take in what the zygote says."""
        if not select.select([self._socket], [], [], timeout)[0]:
            return
        data = self._socket.recv(_MESSAGE_BYTES)
        assert data, "the zygote has ended"
        told = json.loads(data)
        if "status" in told:
            self._children.pop(told["pid"]).returncode = told["status"]
        else:
            self._children[told["pid"]] = Child(self, told["pid"])
            self._born.append(told["pid"])

    def close(self) -> None:
        for child in list(self._children.values()):
            child.kill()
        while self._children:
            self.hear(10.0)
        self._socket.close()
        self._process.wait(10)


def run_node(settings: Path, listener: int, ready: int, lanes: list[int], steps: list[str]) -> None:
    """Run a node in this process; with `steps` (name, n, signal) it signals itself the n-th time it comes there."""
    from tercet.node.worker.launch import ForkServer

    # before the descriptors below are used
    launcher = ForkServer.fork()

    from tercet.node.daemon import run
    from tercet.node.settings import NodeSettings

    seen: Counter[str] = Counter()

    def at(name: str) -> None:
        seen[name] += 1
        if steps and name == steps[0] and seen[name] == int(steps[1]):
            os.kill(os.getpid(), int(steps[2]))

    def serving() -> None:
        os.write(ready, b"\x01")
        os.close(ready)

    run(
        NodeSettings.load(settings),
        listener=socket.socket(fileno=listener),
        lanes=[socket.socket(fileno=lane) for lane in lanes],
        launcher=launcher,
        ready=serving,
        at=at,
    )


def main(channel: socket.socket) -> None:
    """Fork at every request, tell of every end, until the other side closes."""
    import tercet.node.daemon  # noqa: F401

    children: dict[int, int] = {}
    while True:
        readable = select.select([channel, *children], [], [])[0]
        for one in readable:
            if one is not channel:
                _tell(channel, children.pop(one), one)
        if channel in readable:
            data, fds, _, _ = socket.recv_fds(channel, _MESSAGE_BYTES, _MAX_FDS)
            if not data:
                for pid in children.values():
                    os.kill(pid, signal.SIGKILL)
                return
            pid = _fork(json.loads(data), fds)
            children[os.pidfd_open(pid)] = pid
            channel.send(json.dumps({"pid": pid}).encode())


def _tell(channel: socket.socket, pid: int, pidfd: int) -> None:
    status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
    os.close(pidfd)
    with suppress(BrokenPipeError):
        channel.send(json.dumps({"pid": pid, "status": status}).encode())


def _fork(request: dict[str, Any], fds: list[int]) -> int:
    def run() -> int:
        log = os.open(request["log"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        os.dup2(log, 2)
        os.close(log)
        run_node(Path(request["settings"]), fds[0], fds[1], fds[2:], request["steps"])
        return 0

    pid = fork(run, fds)
    for fd in fds:
        os.close(fd)
    return pid


if __name__ == "__main__":
    main(socket.socket(fileno=int(sys.argv[1])))
