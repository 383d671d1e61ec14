"""Runs jobs: one thread of the supervisor for each, which hands the work to the worker of the job's lane."""

from __future__ import annotations

import threading
import time

from tercet.engine.failure import Cause
from tercet.errors import Refused, TercetError
from tercet.federation.api import ErrorBody
from tercet.federation.refusals import conflict
from tercet.node.jobs.closing import Closing
from tercet.node.jobs.ledger import Ledger
from tercet.node.jobs.state import Job, RunningState, progress
from tercet.node.parts import NodeContext
from tercet.node.worker.failures import ended, failure, refused_here
from tercet.node.worker.messages import Failed
from tercet.node.worker.pool import Answer, LaneEnd, LanePool

_HEARD_S = 1.0


class JobRuns:
    """The threads of jobs that run here. Thread-safe. Who calls it: `Jobs` and `Refreshes`, once a job is running."""

    def __init__(self, context: NodeContext, lanes: LanePool, ledger: Ledger, closing: Closing) -> None:
        self._context = context
        self._lanes = lanes
        self._ledger = ledger
        self._closing = closing
        self._threads: dict[str, threading.Thread] = {}
        self._lock = threading.Lock()

    def stop(self) -> None:
        """Wait for the threads, once the lanes are stopped."""
        with self._lock:
            threads = list(self._threads.values())
        for thread in threads:
            thread.join()

    def works_at(self, job: str) -> bool:
        """Whether a thread runs this job: it writes down the job's end."""
        with self._lock:
            return job in self._threads

    def check_lane(self, lane: int) -> None:
        """Raise a 409 for a lane that this node does not have."""
        if lane >= len(self._lanes):
            raise conflict(
                f"{self._context.identity.name} has {len(self._lanes)} lanes, and the job is to run in lane {lane}",
                hint="set the same number of lanes at all three nodes",
            )

    def begin(self, job: Job) -> None:
        """Run a job, whose state is `RunningState`, in a thread of its own."""
        thread = threading.Thread(target=self._run, args=(job,), name=f"tercet job {job.id[:8]}", daemon=True)
        with self._lock:
            self._threads[job.id] = thread
        thread.start()

    def _run(self, job: Job) -> None:
        context, identity = self._context, self._context.identity
        began = time.monotonic()
        context.metrics.lanes_busy.inc()
        try:
            self._ended(job, self._ask_worker(job))
        except TercetError as error:
            told = refused_here(identity, error)
            self._closing.give_up(job.id, told, "refused" if isinstance(error, Refused) else "failed")
        except Exception as error:
            context.log.defect(error, job=job.id)
            message = f"{identity.name} met an error that nobody expected"
            self._closing.give_up(job.id, ErrorBody(error="defect", message=message, node=identity.name))
        finally:
            context.metrics.lanes_busy.dec()
            context.metrics.job_seconds.observe(time.monotonic() - began)
            with self._lock:
                self._threads.pop(job.id, None)

    def _ask_worker(self, job: Job) -> Answer | LaneEnd:
        assert isinstance(job.state, RunningState)
        order, data = job.work.order(job)
        left = min(job.deadline - self._context.now(), self._context.settings.limits.job_seconds)
        return self._lanes[job.state.lane].run(
            job.id,
            order,
            data,
            time.monotonic() + left,
            lambda fraction: self._ledger.progressed(job.id, lambda now: progress(now, fraction)),
            lambda: not self._is_wanted(job),
        )

    def _is_wanted(self, job: Job) -> bool:
        now = self._ledger.get(job.id)
        return now is not None and isinstance(now.state, RunningState)

    def _await_end(self, job: Job) -> None:
        """The worker of another node is gone: give that node time to say why it ended it."""
        deadline = time.monotonic() + _HEARD_S
        while self._is_wanted(job) and time.monotonic() < deadline:
            time.sleep(_HEARD_S / 50)

    def _ended(self, job: Job, answer: Answer | LaneEnd) -> None:
        identity = self._context.identity
        self._context.at("job ended")
        if isinstance(answer, Failed):
            if answer.cause == Cause.UNREACHABLE:
                self._await_end(job)
            self._closing.fail(job.id, failure(identity, job.id, answer))
        elif isinstance(answer, LaneEnd):
            self._closing.fail(job.id, ended(identity, answer))
        else:
            report, boxes = job.work.done(answer)
            self._closing.finished(job.id, report, boxes)
