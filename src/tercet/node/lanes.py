"""The supervisor's side of the lanes: a warm worker process for each, its jobs, its end and its successor."""

from __future__ import annotations

import os
import select
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from tercet.errors import ConfigError, ProtocolViolation
from tercet.federation.model import Model
from tercet.node.lane_messages import Failed, Finished, Progress, Ready, Refreshed, Setup, receive, send

START_S = 60.0
"""How long a worker may take to load."""
TURN_S = 10.0
"""How long a job waits for the one before it in its lane, which the coordinator may have seen end a little earlier."""
_RECYCLE_BYTES = 256 << 20
"""A worker that keeps more than that after a job is replaced: nothing of a job stays for long."""
_END_S = 2.0

Answer = Finished | Refreshed | Failed


class End(StrEnum):
    """Why a worker was ended, or that it ended by itself."""

    DEADLINE = "deadline"
    CANCELLED = "cancelled"
    STOPPED = "stopped"
    DIED = "died"
    BUSY = "busy"


@dataclass
class _Worker:
    process: subprocess.Popen[bytes] = field(repr=False)
    control: socket.socket = field(repr=False)
    loaded: threading.Event = field(default_factory=threading.Event, repr=False)
    ready: bool = False
    end: End | None = None


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

    def __init__(self, number: int, listener: socket.socket, leash_fd: int, setup: Setup, key: bytes) -> None:
        self.number = number
        self.loaded: Callable[[], None] = lambda: None
        """Called when a worker of this lane has loaded, or has failed to."""
        self.died: Callable[[int, int | None], None] = lambda lane, status: None
        """Called with the lane and the exit status of a worker that ended without being told to."""
        self._listener = listener
        self._leash_fd = leash_fd
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
        """Start the worker; it loads while others work."""
        with self._lock:
            if not self._stopped and self._worker is None:
                self._worker = self._spawn()

    def tend(self) -> None:
        """Start a worker if there is none, or if it has ended meanwhile."""
        worker = self._worker
        if worker is not None and worker.process.poll() is not None:
            self._replace(End.DIED)
        else:
            self.start()

    def _spawn(self) -> _Worker:
        ours, theirs = socket.socketpair()
        fds = (theirs.fileno(), self._listener.fileno(), self._leash_fd)
        code = f"from tercet.node.lane import main; raise SystemExit(main{fds})"
        paths = [str(Path(__file__).parents[2]), os.environ.get("PYTHONPATH", "")]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))}
        try:
            process = subprocess.Popen(
                [sys.executable, "-c", code], stdin=subprocess.DEVNULL, pass_fds=fds, env=environment
            )
            send(ours, self._setup, self._key)
        except OSError as error:
            ours.close()
            raise ConfigError(f"a worker could not be started: {error.strerror}") from None
        finally:
            theirs.close()
        worker = _Worker(process, ours)
        name = f"tercet worker of lane {self.number} loads"
        threading.Thread(target=self._load, args=(worker,), name=name, daemon=True).start()
        return worker

    def _load(self, worker: _Worker) -> None:
        worker.ready = isinstance(self._next(worker, time.monotonic() + START_S), Ready)
        worker.loaded.set()
        self.loaded()

    def await_ready(self, deadline: float) -> bool:
        """Wait until the worker has loaded; False if it ended instead or `deadline` (monotonic) passed."""
        worker = self._worker
        if worker is None:
            return False
        worker.loaded.wait(max(0.0, deadline - time.monotonic()))
        return worker.ready

    def run(
        self,
        job: str,
        order: Model,
        data: bytes,
        deadline: float,
        progress: Callable[[float], None],
        unwanted: Callable[[], bool] = lambda: False,
    ) -> Answer | End:
        """Have the worker do one thing; blocks until it has, or until `deadline` (monotonic) or `cancel` ends it.

        `unwanted` is asked once, when `cancel` can reach the job.
        """
        if not self._turn.acquire(timeout=TURN_S):
            return End.BUSY
        try:
            with self._lock:
                self._job, self._since = job, time.time()
            if unwanted():
                return End.CANCELLED
            return self._run(order, data, deadline, progress)
        finally:
            with self._lock:
                self._job = self._since = None
            self._turn.release()

    def _run(self, order: Model, data: bytes, deadline: float, progress: Callable[[float], None]) -> Answer | End:
        self.tend()
        if not self.await_ready(min(deadline, time.monotonic() + START_S)):
            return self._replace(End.DIED if time.monotonic() < deadline else End.DEADLINE)
        worker = self._worker
        if worker is None:
            return End.STOPPED
        try:
            send(worker.control, order, data)
            while True:
                message = self._next(worker, deadline)
                if isinstance(message, Progress):
                    progress(message.fraction)
                elif isinstance(message, Finished | Refreshed | Failed):
                    break
                else:
                    return self._replace(End.DIED if time.monotonic() < deadline else End.DEADLINE)
        except (OSError, ProtocolViolation):
            return self._replace(End.DIED)
        if _resident_bytes(worker.process.pid) > _RECYCLE_BYTES:
            self._replace(End.STOPPED)
        return message

    def _next(self, worker: _Worker, deadline: float) -> Model | None:
        """The next message; None when the worker has ended, or the time is over."""
        while True:
            left = deadline - time.monotonic()
            if left <= 0:
                return None
            try:
                if not select.select([worker.control], [], [], min(left, 3600.0))[0]:
                    continue
                message = receive(worker.control)
            except (OSError, ValueError, ProtocolViolation):
                return None
            return None if message is None else message[0]

    def _replace(self, why: End) -> End:
        """End the worker, whatever it does, and start a fresh one in its place; gives why it was ended."""
        with self._lock:
            worker, self._worker = self._worker, None
        if worker is not None:
            why = worker.end or why
            status = worker.process.poll()
            _kill(worker)
            if why is End.DIED and status is not None:
                self.died(self.number, status)
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
            worker.end = End.CANCELLED
            worker.process.kill()
            return True

    def stop(self) -> None:
        """End the worker for good; a job that it runs ends with `End.STOPPED`."""
        with self._lock:
            self._stopped = True
            worker, busy = self._worker, self._job is not None
            if worker is not None:
                worker.end = End.STOPPED
                worker.process.kill()
            if not busy:
                self._worker = None
        if worker is not None and not busy:
            _kill(worker)

    def state(self) -> LaneState:
        """What it is doing."""
        with self._lock:
            worker = self._worker
            pid = worker.process.pid if worker is not None else None
            port = self._listener.getsockname()[1]
            resident = _resident_bytes(pid) if pid is not None else 0
            ready = worker is not None and worker.ready and worker.process.poll() is None
            return LaneState(self.number, port, pid, ready, self._job, self._since, resident)


class Lanes:
    """All lanes of a node. Who calls it: `Jobs`, and the node's start, end and status."""

    def __init__(self, listeners: Sequence[socket.socket], setup: Setup, key: bytes) -> None:
        """`listeners`: bound and listening, lane 0 first; they stay the caller's. `key`: the node's, PEM."""
        self._leash_fd, self._hold_fd = os.pipe()
        self._lanes = [Lane(number, one, self._leash_fd, setup, key) for number, one in enumerate(listeners)]
        for lane, following in zip(self._lanes, self._lanes[1:], strict=False):
            lane.loaded = following.start

    def __len__(self) -> int:
        return len(self._lanes)

    def __iter__(self) -> Iterator[Lane]:
        return iter(self._lanes)

    def __getitem__(self, lane: int) -> Lane:
        return self._lanes[lane]

    def start(self) -> None:
        """Start the workers, one after the other, so that the first is soon there; does not wait for them."""
        if self._lanes:
            self._lanes[0].start()

    def await_ready(self, seconds: float = START_S) -> bool:
        """Wait until all have loaded; for tests."""
        deadline = time.monotonic() + seconds
        for lane in self._lanes:
            lane.start()
        return all([lane.await_ready(deadline) for lane in self._lanes])

    def tend(self) -> None:
        """Replace workers that have ended by themselves while nothing ran in their lanes."""
        for lane in self._lanes:
            lane.tend_idle()

    def states(self) -> list[LaneState]:
        """What the lanes are doing."""
        return [lane.state() for lane in self._lanes]

    def cancel(self, job: str) -> bool:
        """End the worker that runs this job; False if none does."""
        return any(lane.cancel(job) for lane in self._lanes)

    def stop(self) -> None:
        """End all workers."""
        for lane in self._lanes:
            lane.stop()
        os.close(self._hold_fd)
        os.close(self._leash_fd)


def _kill(worker: _Worker) -> None:
    # it may be stopped, and then takes no other signal
    worker.process.kill()
    worker.control.close()
    worker.process.wait(_END_S)


def _resident_bytes(pid: int) -> int:
    try:
        with open(f"/proc/{pid}/statm", encoding="ascii") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, IndexError, ValueError):
        return 0
