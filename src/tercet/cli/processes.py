"""Node processes that `tercet up` and the demo start: how they are started, found ready, recognised and ended."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import ssl
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from tercet.errors import ConfigError

if TYPE_CHECKING:
    from tercet.federation.federation import Federation

PID_FILE = "node.pid"
LOG_FILE = "node.log"
SETTINGS_FILE = "node.toml"
LOOPBACK = "127.0.0.1"
READY_S = 60.0
"""Seconds that a node may take until it answers and sees the other two."""
END_S = 10.0
"""Seconds between SIGTERM and SIGKILL."""
_POLL_S = 0.02
_ASK_S = 0.15
"""Between two looks whether a node is ready; nodes answer a stranger ten times a second."""
_PROBE_S = 2.0
_LAST_LINES = 5
_LAST_PORT = 32000
"""Above, the system gives out ports by itself."""
_COMMAND = "from tercet.cli import main; main()"
_STATE, _START_TICKS = 0, 19
"""Places in /proc/PID/stat, counted behind the name."""


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


def start(folder: Path) -> Process:
    """Start the node of this folder in a session of its own, its log appended to a file there."""
    log = folder / LOG_FILE
    paths = [str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH", "")]
    pid = os.posix_spawn(
        sys.executable,
        [sys.executable, "-c", _COMMAND, "node", "run", "--node", str((folder / SETTINGS_FILE).resolve())],
        {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))},
        file_actions=[
            (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
            (os.POSIX_SPAWN_OPEN, 1, str(log), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600),
            (os.POSIX_SPAWN_DUP2, 1, 2),
        ],
        setsid=True,
    )
    process = Process.of(pid)
    if process is None:
        raise ConfigError(f"the node in {folder} ended at once:\n{last_words(folder)}", hint=f"see {log}")
    (folder / PID_FILE).write_text(json.dumps({"pid": process.pid, "began": process.began}) + "\n", encoding="utf-8")
    return process


def await_ready(federation: Federation, folders: Sequence[Path], started: Sequence[Process]) -> None:
    """Wait until each node answers and sees the others. Raises ConfigError with what a node that ended has logged."""
    deadline = time.monotonic() + READY_S
    for node, folder, process in zip(federation.nodes, folders, started, strict=True):
        while not answers(node.url, node.card.certificate):
            if not process.alive:
                raise ConfigError(
                    f"the node {node.name} ended at its start:\n{last_words(folder)}", hint=f"see {folder / LOG_FILE}"
                )
            if time.monotonic() > deadline:
                raise ConfigError(
                    f"the node {node.name} was not ready within {READY_S:g} s", hint=f"see {folder / LOG_FILE}"
                )
            time.sleep(_ASK_S)


def answers(url: str, certificate: bytes, path: str = "/readyz") -> bool:
    """Whether a node with exactly this certificate answers 200 there."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.check_hostname = False  # names mean nothing here: the certificate itself is pinned
    context.load_verify_locations(cadata=certificate)
    where = urlsplit(url)
    connection = http.client.HTTPSConnection(where.hostname or "", where.port, timeout=_PROBE_S, context=context)
    try:
        connection.request("GET", path)
        return connection.getresponse().status == http.HTTPStatus.OK
    except (OSError, http.client.HTTPException):
        return False
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
    """Whether nothing listens at this port of loopback."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((LOOPBACK, port))
        except OSError:
            return False
    return True
