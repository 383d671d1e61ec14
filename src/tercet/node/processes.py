"""Node processes to try things: start them, wait until they are ready, find them again, end them.

A process loads the code of a node once and then forks nodes: three start in little more time than one. All of them are
on one machine anyway: they share the layout of memory (ASLR) and what is read-only in it. Nodes that are to protect
anything are started one by one, by `tercet node run`.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
import time
from collections.abc import Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from http import HTTPStatus
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from tercet.errors import ConfigError, TercetError
from tercet.process import ForkServer, end_with_parent, forbid_core_dumps, serve, set_name

if TYPE_CHECKING:
    from tercet.federation.federation import Federation

PID_FILE, LOG_FILE = "node.pid", "node.log"
LOOPBACK = "127.0.0.1"
READY_S = 60.0
"""Seconds that a node may take until it answers and sees the other two."""
END_S = 10.0
"""Seconds between SIGTERM and SIGKILL."""
_POLL_S = 0.02
_QUICK_LOOKS, _ASK_S = 20, 0.1
"""After so many looks whether a node that answers is ready, the time between two: it answers a stranger 50 times at
once, then ten times a second."""
_PROBE_S = 2.0
_LAST_LINES = 5
_LAST_PORT = 32000
"""Above, the system gives out ports by itself."""
_SILENT = ["it does not answer"]
_TIED = b"\0"
"""Before the folder of a node that ends with what has started it; no path has this byte."""
_STATE, _START_TICKS = 0, 19
"""Places in /proc/PID/stat, counted behind the name."""
_CODE = "from tercet.node.processes import main; raise SystemExit(main())"
_LOADED_WHEN_USED = (
    "anyio._backends._asyncio",
    "cryptography.hazmat.backends.openssl.backend",
    "h11",
    "httpcore",
    "pydantic.v1",
    "sqlalchemy.dialects.sqlite",
    "sqlite3",
    "uvicorn.lifespan.off",
    "uvicorn.loops.asyncio",
)
"""What libraries load when a node first uses them: here once for all nodes."""


@dataclass(frozen=True)
class Process:
    """A process, told from a later one of the same number by when it began (in clock ticks since boot)."""

    pid: int
    began: int

    @classmethod
    def of(cls, pid: int) -> Process | None:
        """The process of that number, or None if there is none that still runs."""
        with suppress(ChildProcessError):
            # a child that has ended keeps its number until it is waited for
            os.waitpid(pid, os.WNOHANG)
        try:
            text = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
        except OSError:
            return None
        # the name in parentheses may itself hold spaces and parentheses
        fields = text.rpartition(")")[2].split()
        return None if fields[_STATE] in "ZX" else cls(pid, int(fields[_START_TICKS]))

    @property
    def alive(self) -> bool:
        return Process.of(self.pid) == self

    def signal(self, number: signal.Signals, *, group: bool = False) -> None:
        """Send it a signal, if it still runs and is the one meant."""
        if self.alive:
            with suppress(ProcessLookupError):
                (os.killpg if group else os.kill)(self.pid, number)


def running(folder: Path) -> Process | None:
    """The process that was started for this node's folder, if it still runs."""
    try:
        data = json.loads((folder / PID_FILE).read_text(encoding="utf-8"))
        process = Process(int(data["pid"]), int(data["began"]))
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return process if process.alive else None


def starter() -> closing[ForkServer]:
    """What starts nodes. It ends with the context, or with this process; nodes that are not tied to it stay."""
    return closing(ForkServer(_CODE, apart=True))


def start(folder: Path, starter: ForkServer, *, tied: bool = False) -> Process:
    """Start the node of this folder in a session of its own, its log appended to a file there; note its process there.

    `tied`: whether it ends as soon as the starter does.

    Raises ConfigError if that is not possible, or if it ended at once.
    """
    try:
        node = starter.start((_TIED if tied else b"") + os.fsencode(folder.resolve()))
    except OSError:
        raise ConfigError(f"the node in {folder} could not be started") from None
    node.leave()
    process = Process.of(node.pid)
    if process is None:
        raise ConfigError(f"the node in {folder} ended at once:\n{last_words(folder)}", hint=f"see {folder / LOG_FILE}")
    (folder / PID_FILE).write_text(json.dumps({"pid": process.pid, "began": process.began}) + "\n", encoding="utf-8")
    return process


class NotReady(ConfigError):
    """A node that runs would take no job."""


def await_ready(federation: Federation, folders: Sequence[Path], started: Sequence[Process]) -> None:
    """Wait until each node answers and sees the others.

    Raises ConfigError with what a node that ended has logged, NotReady with what one that answers waits for.
    """
    deadline = time.monotonic() + READY_S
    for node, folder, process in zip(federation.nodes, folders, started, strict=True):
        looks = 0
        while missing := waits_for(node.url, node.card.certificate):
            if not process.alive:
                raise ConfigError(
                    f"the node {node.name} ended at its start:\n{last_words(folder)}", hint=f"see {folder / LOG_FILE}"
                )
            if time.monotonic() > deadline:
                raise NotReady(
                    f"{node.name} is not ready after {READY_S:g} s: {'; '.join(missing)}",
                    hint=f"the nodes run: tercet node status --node {folder} says more, and so does "
                    f"{folder / LOG_FILE}; tercet down stops them",
                )
            looks += missing != _SILENT
            time.sleep(_POLL_S if looks < _QUICK_LOOKS else _ASK_S)


def answers(url: str, certificate: bytes, path: str) -> bool:
    """Whether a node with exactly this certificate answers 200 there."""
    answer = _asked(url, certificate, path)
    return answer is not None and answer[0] == HTTPStatus.OK


def waits_for(url: str, certificate: bytes) -> list[str]:
    """What the node with exactly this certificate waits for; nothing, if it would take a job."""
    answer = _asked(url, certificate, "/readyz")
    if answer is None:
        return _SILENT
    with suppress(ValueError):
        told = json.loads(answer[1]).get("missing")
        if isinstance(told, list) and told:
            return [str(one) for one in told]
    return [] if answer[0] == HTTPStatus.OK else [f"it answers with status {answer[0]}"]


def _asked(url: str, certificate: bytes, path: str) -> tuple[int, bytes] | None:
    """Status and body of what a node with exactly this certificate answers there; None if it does not."""
    # takes longer to load than most commands take otherwise
    import http.client
    import ssl

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.check_hostname = False  # names mean nothing here: the certificate itself is pinned
    context.load_verify_locations(cadata=certificate)
    where = urlsplit(url)
    connection = http.client.HTTPSConnection(where.hostname or "", where.port, timeout=_PROBE_S, context=context)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read()
    except (OSError, http.client.HTTPException):
        return None
    finally:
        connection.close()


def stop(folders: Sequence[Path]) -> list[Path]:
    """End the nodes of these folders that run: SIGTERM, and SIGKILL with their workers after a while.

    Gives the folders whose node ran. Other processes, also later ones of the same number, are left alone.
    """
    ended = {folder: process for folder in folders if (process := running(folder)) is not None}
    for process in ended.values():
        process.signal(signal.SIGTERM)
    deadline = time.monotonic() + END_S
    for process in ended.values():
        while process.alive and time.monotonic() < deadline:
            time.sleep(_POLL_S)
        process.signal(signal.SIGKILL, group=True)
        while process.alive:
            time.sleep(_POLL_S)
    for folder in folders:
        (folder / PID_FILE).unlink(missing_ok=True)
    return list(ended)


def last_words(folder: Path) -> str:
    """The end of a node's log."""
    try:
        lines = (folder / LOG_FILE).read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return ""
    return "\n".join(lines[-_LAST_LINES:])


def free_ports(first: int, count: int) -> int:
    """The first port from which on `count` in a row are free on loopback. Raises ConfigError."""
    for base in range(first, _LAST_PORT, count):
        if all(is_free(port) for port in range(base, base + count)):
            return base
    raise ConfigError(f"no {count} free ports in a row from {first} to {_LAST_PORT}", hint="name another with --port")


def is_free(port: int) -> bool:
    """Whether no program listens at this port of loopback."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True


# -- the process that forks them


def main() -> int:
    """Load the code of a node, then fork one for each folder that is asked for."""
    forbid_core_dumps()
    import tercet.node.daemon  # noqa: F401

    for name in _LOADED_WHEN_USED:
        with suppress(ImportError):
            import_module(name)
    return serve(_run, "tercet nodes")


def _run(argument: bytes, fds: list[int]) -> int:
    """Be the node of this folder."""
    os.close(*fds)
    os.setsid()
    if argument.startswith(_TIED):
        end_with_parent()
    folder = Path(os.fsdecode(argument.removeprefix(_TIED)))
    set_name("tercet node")
    with open(folder / LOG_FILE, "ab", opener=_private) as log:
        os.dup2(log.fileno(), 1)
        os.dup2(log.fileno(), 2)
    from tercet.node.daemon import run
    from tercet.node.settings import FILE, NodeSettings
    from tercet.node.worker.launch import WorkerLauncher

    with closing(WorkerLauncher.fork()) as launcher:
        try:
            run(NodeSettings.load(folder / FILE), launcher=launcher)
        except TercetError as error:
            sys.stderr.write(f"tercet: error: {error}\n")
            return 1
    return 0


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
