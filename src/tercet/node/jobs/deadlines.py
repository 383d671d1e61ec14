"""Looks at all jobs every second: deadlines, ends not written down yet, news that the coordinator may have missed."""

from __future__ import annotations

import threading

from tercet.errors import TercetError
from tercet.federation.api import ErrorBody
from tercet.node.jobs.closing import Closing
from tercet.node.jobs.coordinator import Dispatcher
from tercet.node.jobs.ends import Ends
from tercet.node.jobs.ledger import Ledger
from tercet.node.jobs.news import News, given_up
from tercet.node.jobs.refresh import Refreshes
from tercet.node.jobs.retention import Retention
from tercet.node.jobs.runs import JobRuns
from tercet.node.jobs.state import EndingState, FinishedState, Job, SettlingState
from tercet.node.parts import NodeContext
from tercet.node.worker.pool import LanePool

_LOOK_S = 1.0
_TELL_AGAIN_S = 3.0
_COORDINATOR_S = 2.5
_SETTLE_S = 120.0
"""How long after its deadline a job that has something to keep waits for the coordinator's word."""


class Deadlines:
    """One thread of a node. Who calls it: `Jobs`, at its start and end."""

    def __init__(
        self,
        context: NodeContext,
        lanes: LanePool,
        ledger: Ledger,
        ends: Ends,
        closing: Closing,
        news: News,
        runs: JobRuns,
        dispatcher: Dispatcher,
        refreshes: Refreshes,
        retention: Retention,
    ) -> None:
        self._context = context
        self._lanes = lanes
        self._ledger = ledger
        self._ends = ends
        self._closing = closing
        self._news = news
        self._runs = runs
        self._dispatcher = dispatcher
        self._refreshes = refreshes
        self._retention = retention
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._look_on, name="tercet job deadlines", daemon=True)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self) -> None:
        """End the thread."""
        self._end.set()
        if self._thread.is_alive():
            self._thread.join()

    def _look_on(self) -> None:
        while not self._end.wait(_LOOK_S):
            try:
                for job in self._ledger.all():
                    self._look_at(job)
                self._retention.look()
                self._refreshes.scheduled()
                self._lanes.tend()
            except TercetError as error:
                self._context.log.warning("jobs not looked after", reason=error.message)
            except Exception as error:
                self._context.log.defect(error)

    def _look_at(self, job: Job) -> None:
        identity = self._context.identity
        late = self._context.now() - job.deadline
        if isinstance(job.state, EndingState):
            if not self._runs.works_at(job.id):
                # its end could not be written down when it came
                self._closing.close(job.id)
        # the coordinator speaks first: it knows who was waited for
        elif job.told in ("queued", "held") and late > (0.0 if identity.coordinates else _COORDINATOR_S):
            message = f"the job was still {job.told} at its deadline"
            if waited := ", ".join(self._dispatcher.waiting_for(job)):
                message += f"; {waited} had not accepted it"
            error = ErrorBody(error="expired", message=message, hint="ask again", node=identity.name)
            self._closing.end_here(job.id, self._ends.own(job.id, job.hash, "failed", error))
        elif isinstance(job.state, FinishedState | SettlingState) and late > _SETTLE_S:
            coordinator = identity.federation.coordinator.name
            self._closing.settled(job.id, None if job.work.visible(job) else given_up(coordinator))
        elif self._is_due(job):
            self._news.tell(job)

    def _is_due(self, job: Job) -> bool:
        """Whether the coordinator is to be told again: it may have been started anew."""
        waits = job.told in ("queued", "held") or isinstance(job.state, FinishedState) or not job.work.recorded
        coordinates = self._context.identity.coordinates
        return waits and not coordinates and self._news.seconds_since_told(job) > _TELL_AGAIN_S
