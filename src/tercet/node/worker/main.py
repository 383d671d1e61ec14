"""The main function of a worker: a process that runs one job at a time for its supervisor.

It has three file descriptors: the socket to its supervisor, the listening socket of its lane, and the leash, a pipe
whose other end closes when the supervisor ends, however that happens. It has no database.
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
from tercet.federation.model import Body
from tercet.node.logs import start_logging
from tercet.node.worker.checking import run_check
from tercet.node.worker.messages import CheckOrder, JobOrder, Ready, RefreshOrder, Setup, WorkProgress, receive, send
from tercet.node.worker.mode import ANY_VALUE_BYTES
from tercet.node.worker.run import Worker, failed, run_plan, run_refresh
from tercet.plan.run.language import PlanLanguage
from tercet.process import forbid_core_dumps
from tercet.ring import retain_freed_memory
from tercet.sharing import PARTIES
from tercet.transport import Identity

_PROGRESS_S = 0.25
_FORGET_S = 60.0
_KEEP_BYTES = 64 << 20


def main(control_fd: int, listener_fd: int, leash_fd: int) -> int:
    """Run jobs until the supervisor closes its end; the exit status is 0 then."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with, args=(leash_fd,), name="tercet leash", daemon=True).start()
    forbid_core_dumps()
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
            return 1  # the supervisor was killed; the leash would end this process, too
    return 0


def _serve(worker: Worker, control: socket.socket) -> None:
    send(control, Ready(pid=os.getpid()))
    while (message := next_order(worker, control)) is not None:
        order, data = message
        send(control, _obey(worker, order, data, _Reporter(control)))


def next_order(worker: Worker, control: socket.socket) -> tuple[Body, bytes] | None:
    """Wait for the next order; None at the end. What was verified is forgotten once it is old."""
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
        PlanLanguage(ANY_VALUE_BYTES),
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
    """Tells the supervisor how far a job is, four times a second at most."""

    def __init__(self, control: socket.socket) -> None:
        self._control = control
        self._next = time.monotonic() + _PROGRESS_S

    def __call__(self, fraction: float) -> None:
        now = time.monotonic()
        if now >= self._next:
            self._next = now + _PROGRESS_S
            send(self._control, WorkProgress(fraction=min(1.0, max(0.0, fraction))))


def _obey(worker: Worker, order: Body, data: bytes, progress: Callable[[float], None]) -> Body:
    try:
        if isinstance(order, JobOrder):
            return run_plan(worker, order, read_bundle(data, verified=True), progress)
        if isinstance(order, RefreshOrder):
            return run_refresh(worker, order, progress)
        if isinstance(order, CheckOrder):
            return run_check(worker, order, progress)
    except TercetError as error:
        return failed(Report.of(error, int(worker.party)))
    raise TypeError(f"a worker is not told {type(order).__name__}")
