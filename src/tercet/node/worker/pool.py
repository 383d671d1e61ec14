"""The lanes of a node at its supervisor: each has one worker process, which is replaced when it ends or grows."""

from __future__ import annotations

import select
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from enum import StrEnum

from tercet.errors import ProtocolViolation
from tercet.federation.model import Body
from tercet.node.worker.launch import Launcher, Started
from tercet.node.worker.messages import (
    CheckDone,
    Failed,
    Ready,
    RefreshDone,
    Setup,
    WorkDone,
    WorkProgress,
    receive,
    send,
)

START_S = 60.0
"""Seconds that a worker may take until it is ready."""
TURN_S = 10.0
"""How long a job waits for the job before it in its lane; the coordinator may have seen that end a little earlier."""
_RECYCLE_BYTES = 192 << 20
"""A worker whose memory has grown by more after a job is replaced, so that nothing of a job stays for long."""

Answer = WorkDone | RefreshDone | CheckDone | Failed


class LaneEnd(StrEnum):
    """Why a worker was ended, or that it ended by itself."""

    DEADLINE = "deadline"
    CANCELLED = "cancelled"
    STOPPED = "stopped"
    DIED = "died"
    BUSY = "busy"


@dataclass
class _Worker:
    process: Started = field(repr=False)
    loaded: threading.Event = field(default_factory=threading.Event, repr=False)
    ready: bool = False
    fresh_bytes: int = 0
    """Its resident memory when it was ready."""
    end: LaneEnd | None = None


@dataclass
class LaneState:
    """What the status shows of a lane; times in unix seconds."""

    lane: int
    port: int
    pid: int | None
    ready: bool
    job: str | None
    since: float | None
    resident_bytes: int


class Lane:
    """One lane: one job at a time. Thread-safe."""

    def __init__(self, number: int, listener: socket.socket, launcher: Launcher, setup: Setup, key: bytes) -> None:
        self.number = number
        self.died: Callable[[int, int | None], None] = lambda lane, status: None
        """Called with the lane and the exit status of a worker that ended without being told to."""
        self._listener = listener
        self._launcher = launcher
        self._setup = setup
        self._key = key
        self._lock = threading.Lock()
        self._worker: _Worker | None = None
        self._job: str | None = None
        self._since: float | None = None
        self._stopped = False
        self._turn = threading.Lock()

    def __repr__(self) -> str:
        return f"Lane({self.number}, {'busy' if self._job else 'idle'})"

    def start(self) -> None:
        """Start the worker if there is none; does not wait until it is ready."""
        with self._lock:
            if not self._stopped and self._worker is None:
                self._worker = self._spawn()

    def tend(self) -> None:
        """Start a worker if there is none, or if it has ended meanwhile."""
        worker = self._worker
        if worker is not None and worker.process.ended():
            self._replace(LaneEnd.DIED)
        else:
            self.start()

    def _spawn(self) -> _Worker:
        process = self._launcher.start(self.number, self._listener)
        with suppress(OSError):  # it has ended already, as `_load` will find
            send(process.control, self._setup, self._key)
        worker = _Worker(process)
        name = f"tercet worker of lane {self.number} loads"
        threading.Thread(target=self._load, args=(worker,), name=name, daemon=True).start()
        return worker

    def _load(self, worker: _Worker) -> None:
        ready = isinstance(self._next(worker, time.monotonic() + START_S), Ready)
        worker.fresh_bytes = worker.process.resident_bytes()
        worker.ready = ready
        worker.loaded.set()

    def await_ready(self, deadline: float) -> bool:
        """Wait until the worker is ready; False if it ended instead or `deadline` (monotonic) passed."""
        worker = self._worker
        if worker is None:
            return False
        worker.loaded.wait(max(0.0, deadline - time.monotonic()))
        return worker.ready

    def run(
        self,
        job: str,
        order: Body,
        data: bytes,
        deadline: float,
        progress: Callable[[float], None],
        unwanted: Callable[[], bool] = lambda: False,
    ) -> Answer | LaneEnd:
        """Give the worker an order and wait for its answer, or why it was ended.

        At `deadline` (monotonic) and by `cancel` the worker is killed. `progress` is called with fractions from 0 to 1.
        `unwanted` is called once, from when on `cancel` finds the job; if it is true, the job is not begun.
        """
        if not self._turn.acquire(timeout=TURN_S):
            return LaneEnd.BUSY
        try:
            with self._lock:
                self._job, self._since = job, time.time()
            if unwanted():
                return LaneEnd.CANCELLED
            return self._run(order, data, deadline, progress)
        finally:
            with self._lock:
                self._job = self._since = None
                worker = self._worker
            try:
                # cancelled once it had answered: it must not end the next job, too
                if worker is not None and worker.end is LaneEnd.CANCELLED:
                    self._replace(LaneEnd.CANCELLED)
            finally:
                self._turn.release()

    def _run(self, order: Body, data: bytes, deadline: float, progress: Callable[[float], None]) -> Answer | LaneEnd:
        self.tend()
        if not self.await_ready(min(deadline, time.monotonic() + START_S)):
            return self._replace(LaneEnd.DIED if time.monotonic() < deadline else LaneEnd.DEADLINE)
        worker = self._worker
        if worker is None:
            return LaneEnd.STOPPED
        try:
            send(worker.process.control, order, data)
            while True:
                message = self._next(worker, deadline)
                if isinstance(message, WorkProgress):
                    progress(message.fraction)
                elif isinstance(message, WorkDone | RefreshDone | CheckDone | Failed):
                    break
                else:
                    return self._replace(LaneEnd.DIED if time.monotonic() < deadline else LaneEnd.DEADLINE)
        except (OSError, ProtocolViolation):
            return self._replace(LaneEnd.DIED)
        if worker.process.resident_bytes() - worker.fresh_bytes > _RECYCLE_BYTES:
            self._replace(LaneEnd.STOPPED)
        return message

    def _next(self, worker: _Worker, deadline: float) -> Body | None:
        """The next message; None when the worker has ended, or the time is over."""
        while True:
            left = deadline - time.monotonic()
            if left <= 0:
                return None
            try:
                if not select.select([worker.process.control], [], [], min(left, 3600.0))[0]:
                    continue
                message = receive(worker.process.control)
            except (OSError, ValueError, ProtocolViolation):
                return None
            return None if message is None else message[0]

    def _replace(self, why: LaneEnd) -> LaneEnd:
        """Kill the worker and start another; give why the first was ended, which `cancel` and `stop` may have set."""
        with self._lock:
            worker, self._worker = self._worker, None
        if worker is not None:
            why = worker.end or why
            ended = worker.process.ended()
            worker.process.close()
            if why is LaneEnd.DIED and ended:
                self.died(self.number, worker.process.exit_status())
        self.start()
        return why

    def tend_idle(self) -> None:
        """As `tend`, unless a job runs."""
        if self._worker is not None and self._turn.acquire(blocking=False):
            try:
                self.tend()
            finally:
                self._turn.release()

    def cancel(self, job: str) -> bool:
        """End the worker if it runs this job; False if it does not."""
        with self._lock:
            worker = self._worker
            if self._job != job or worker is None:
                return False
            worker.end = LaneEnd.CANCELLED
            worker.process.kill()
            return True

    def stop(self) -> None:
        """End the worker for good; a job that it runs ends with `LaneEnd.STOPPED`."""
        with self._lock:
            self._stopped = True
            worker, busy = self._worker, self._job is not None
            if worker is not None:
                worker.end = LaneEnd.STOPPED
                worker.process.kill()
            if not busy:
                self._worker = None
        if worker is not None and not busy:
            worker.process.close()

    def state(self) -> LaneState:
        """For the status."""
        with self._lock:
            worker = self._worker
            pid = worker.process.pid if worker is not None else None
            port = self._listener.getsockname()[1]
            resident = worker.process.resident_bytes() if worker is not None else 0
            ready = worker is not None and worker.ready and not worker.process.ended()
            return LaneState(self.number, port, pid, ready, self._job, self._since, resident)


class LanePool:
    """All lanes of a node. Who calls it: `Jobs`, and the node's start, end and status."""

    def __init__(self, listeners: Sequence[socket.socket], setup: Setup, key: bytes, launcher: Launcher) -> None:
        """`listeners`: bound and listening, lane 0 first; they stay the caller's. `key`: the node's, PEM.

        `launcher` starts the workers, and is closed at the end.
        """
        self._launcher = launcher
        self._lanes = [Lane(number, one, launcher, setup, key) for number, one in enumerate(listeners)]

    def __len__(self) -> int:
        return len(self._lanes)

    def __iter__(self) -> Iterator[Lane]:
        return iter(self._lanes)

    def __getitem__(self, lane: int) -> Lane:
        return self._lanes[lane]

    def start(self) -> None:
        """Start the workers; does not wait until they are ready."""
        for lane in self._lanes:
            lane.start()

    def tend(self) -> None:
        """Replace workers that have ended by themselves while nothing ran in their lanes."""
        for lane in self._lanes:
            lane.tend_idle()

    def states(self) -> list[LaneState]:
        """The states of all lanes, for the status."""
        return [lane.state() for lane in self._lanes]

    def cancel(self, job: str) -> bool:
        """End the worker that runs this job; False if none does."""
        return any(lane.cancel(job) for lane in self._lanes)

    def stop(self) -> None:
        """End all workers."""
        for lane in self._lanes:
            lane.stop()
        self._launcher.close()
