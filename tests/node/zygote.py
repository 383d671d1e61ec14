"""A process that has imported a node's code and forks one at each request: a start takes a tenth of the time."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import threading
from collections import Counter
from pathlib import Path

from tercet.process import ForkedProcess, ForkServer, serve

_CODE = f"import sys; sys.path.insert(0, {str(Path(__file__).parents[1])!r}); from node.zygote import main; main()"


class Child:
    """A node's process; it ends with whoever started it."""

    def __init__(self, process: ForkedProcess) -> None:
        self._process = process
        self.pid = process.pid
        self.send_signal, self.kill, self.poll = process.send_signal, process.kill, process.exit_status

    def wait(self, timeout: float = 30.0) -> int:
        """Give the exit status, negative for a signal."""
        if not self._process.wait(timeout):
            raise subprocess.TimeoutExpired(f"process {self.pid}", timeout)
        self._process.control.close()
        status = self._process.exit_status()
        assert status is not None
        return status

    def descriptors(self) -> set[int]:
        """What this process has open for it, as long as it runs."""
        process = self._process
        if process.ended():
            return set()
        return {process.control.fileno(), process._process_fd, process._status_fd}


class Zygote:
    """The fork server of one or more trios of nodes; `close` ends it and all its children."""

    def __init__(self, log: Path) -> None:
        with log.open("ab") as file:
            self._server = ForkServer(_CODE, log=file.fileno())
            self._server.load()
        self._processes: list[ForkedProcess] = []

    def spawn(self, settings: Path, log: Path, fds: list[int], steps: list[str]) -> Child:
        """Fork a node; `fds` are its listener, the pipe for its ready byte, and its lanes."""
        request = {"settings": str(settings), "log": str(log), "steps": steps}
        process = self._server.start(json.dumps(request).encode(), fds)
        self._processes.append(process)
        return Child(process)

    def close(self) -> None:
        for process in self._processes:
            process.close()
        self._server.close()


def run_node(
    settings: Path, listener: int, ready: int, lanes: list[int], steps: list[str], leash: int | None = None
) -> None:
    """Run a node in this process; with `steps` (name, n, signal) it signals itself the n-th time it comes there.

    It also does if the other end of `leash` closes.
    """
    from tercet.node.worker.launch import WorkerLauncher

    # before the descriptors below are used
    launcher = WorkerLauncher.fork()
    if leash is not None:
        threading.Thread(target=_end_with, args=(leash,), daemon=True).start()

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


def main() -> int:
    """Load, then serve."""
    import tercet.node.daemon  # noqa: F401

    return serve(_run, "tercet nodes")


def _run(argument: bytes, fds: list[int]) -> int:
    request = json.loads(argument)
    log = os.open(request["log"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    os.dup2(log, 2)
    os.close(log)
    leash, listener, ready, *lanes = fds
    run_node(Path(request["settings"]), listener, ready, lanes, request["steps"], leash)
    return 0


def _end_with(leash: int) -> None:
    os.read(leash, 1)
    os.kill(os.getpid(), signal.SIGKILL)
