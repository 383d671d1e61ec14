"""A worker: a process that runs one job at a time for its supervisor, which started it.

It gets three file descriptors: the socket to its supervisor, the listening socket of its lane, and the leash, a pipe
that ends when the supervisor does, however that happens. It has no database and no other way to the outside.
"""

from __future__ import annotations

import base64
import gc
import os
import resource
import select
import signal
import socket
import threading
import time
from collections.abc import Callable

from tercet.engine.failure import Report
from tercet.errors import TercetError
from tercet.federation.bundle import read_bundle
from tercet.federation.model import Model
from tercet.node.lane_messages import JobOrder, Progress, Ready, RefreshOrder, Setup, receive, send
from tercet.node.language import PlanLanguage
from tercet.node.logs import start_logging
from tercet.node.refreshing import run_refresh
from tercet.node.work import Worker, failed, run_plan
from tercet.ring import retain_freed_memory
from tercet.sharing import PARTIES
from tercet.transport import Identity

_PROGRESS_S = 0.25
_FORGET_S = 60.0
_KEEP_BYTES = 64 << 20
_ANY_VALUE_BYTES = 1 << 50
"""Values of a plan that is streamed never are in memory whole; what is, is held against the job's limit."""


def main(control_fd: int, listener_fd: int, leash_fd: int) -> int:
    """Run jobs until the supervisor closes its end; the exit status is 0 then."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with, args=(leash_fd,), name="tercet leash", daemon=True).start()
    retain_freed_memory(_KEEP_BYTES)
    with socket.socket(fileno=control_fd) as control, socket.socket(fileno=listener_fd) as listener:
        first = receive(control)
        if first is None or not isinstance(first[0], Setup):
            return 1
        # the supervisor's format: an exception's own words, which may hold values, stay out of it
        start_logging(first[0].names[first[0].party - 1], "info")
        worker = _worker(first[0], first[1], listener)
        gc.collect()
        gc.freeze()
        try:
            _serve(worker, control)
        except ConnectionError:
            return 1  # the supervisor was killed, and the leash is about to say so
    return 0


def _serve(worker: Worker, control: socket.socket) -> None:
    send(control, Ready(pid=os.getpid()))
    while (message := _next(worker, control)) is not None:
        order, data = message
        send(control, _obey(worker, order, data, _Reporter(control)))


def _next(worker: Worker, control: socket.socket) -> tuple[Model, bytes] | None:
    """The next order; meanwhile what is not fresh is forgotten, and nothing old is kept for the job."""
    while not select.select([control], [], [], _FORGET_S)[0]:
        worker.verified.forget()
    worker.verified.forget()
    return receive(control)


def _end_with(leash_fd: int) -> None:
    os.read(leash_fd, 1)
    os._exit(1)


def _worker(setup: Setup, key: bytes, listener: socket.socket) -> Worker:
    limit = _memory_now() + setup.memory_bytes
    resource.setrlimit(resource.RLIMIT_DATA, (limit, resource.RLIM_INFINITY))
    # a core dump would hold shares
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    certificates = [base64.b64decode(text) for text in setup.certificates]
    return Worker(
        setup,
        Identity(certificates[setup.party - 1], key),
        dict(zip(PARTIES, certificates, strict=True)),
        listener,
        PlanLanguage(_ANY_VALUE_BYTES),
        setup.memory_bytes,
    )


def _memory_now() -> int:
    """Bytes that RLIMIT_DATA counts against this process now."""
    with open("/proc/self/status", encoding="ascii") as file:
        for line in file:
            if line.startswith("VmData:"):
                return int(line.split()[1]) << 10
    return 0


class _Reporter:
    """Tells the supervisor how far a job is, now and then."""

    def __init__(self, control: socket.socket) -> None:
        self._control = control
        self._next = time.monotonic() + _PROGRESS_S

    def __call__(self, fraction: float) -> None:
        now = time.monotonic()
        if now >= self._next:
            self._next = now + _PROGRESS_S
            send(self._control, Progress(fraction=min(1.0, max(0.0, fraction))))


def _obey(worker: Worker, order: Model, data: bytes, progress: Callable[[float], None]) -> Model:
    try:
        if isinstance(order, JobOrder):
            return run_plan(worker, order, read_bundle(data), progress)
        if isinstance(order, RefreshOrder):
            return run_refresh(worker, order, progress)
    except TercetError as error:
        return failed(Report.of(error, int(worker.party)))
    raise TypeError(f"a worker is not told {type(order).__name__}")
