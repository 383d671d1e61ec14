"""A job that has not come to its end, in memory; and those who wait for news of it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from tercet.federation.api import FINAL_STATES, Decision, ErrorBody, JobStateName
from tercet.federation.api_peer import Ending, JobNews
from tercet.sharing import Party
from tercet.store.change import KeepChange, RefreshChange


@dataclass
class Live:
    """One job. Changed under the lock of the `Ledger` only. Times are unix seconds."""

    job: str
    hash: str
    analyst: str
    state: JobStateName
    created: float
    deadline: float
    decision: Decision
    info: dict[str, Any] = field(default_factory=dict)
    """What its row holds besides; JSON."""
    kind: str = "plan"
    change: KeepChange | RefreshChange | None = None
    """What is to become visible once all three nodes are finished."""
    finished: bool = False
    """The worker of this node is done, and `change` waits."""
    progress: float = 0.0
    lane: int | None = None
    end: tuple[Ending, ErrorBody] | None = None
    """How the job is to be called when its worker has been ended."""
    news: dict[Party, JobNews] = field(default_factory=dict)
    """At the coordinator: what the others have said last."""
    told_at: float = 0.0
    """When the others were asked or told last; monotonic."""
    failed_at: float | None = None
    """At the coordinator: when another node first said that it has failed there; monotonic."""
    launched: bool = False
    working: bool = False
    """A thread of this node is at it."""
    settling: bool = False
    error: ErrorBody | None = None

    @property
    def final(self) -> bool:
        return self.state in FINAL_STATES


class Watch:
    """Tells whoever asked that a job has changed. Thread-safe; costs nothing while nothing happens."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: dict[str, list[Callable[[], None]]] = {}

    def subscribe(self, job: str, tell: Callable[[], None]) -> None:
        """Have `tell` called once, from any thread, at the next change of the job."""
        with self._lock:
            self._waiting.setdefault(job, []).append(tell)

    def forget(self, job: str, tell: Callable[[], None]) -> None:
        """Undo `subscribe`."""
        with self._lock:
            waiting = self._waiting.get(job, [])
            if tell in waiting:
                waiting.remove(tell)
            if not waiting:
                self._waiting.pop(job, None)

    def changed(self, job: str) -> None:
        """Tell those who wait."""
        with self._lock:
            told = self._waiting.pop(job, [])
        for tell in told:
            tell()

    def close(self) -> None:
        """Wake everybody: the node ends."""
        with self._lock:
            jobs = list(self._waiting)
        for job in jobs:
            self.changed(job)
