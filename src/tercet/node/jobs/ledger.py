"""The jobs of one node that are not at their end; the only place where a job changes, in memory and on disk."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import Connection

from tercet.federation.api_jobs import End
from tercet.node.jobs import view
from tercet.node.jobs.state import WITHOUT_RESULT, Conflict, DoneState, EndingState, Job, QueuedState, Work, close
from tercet.node.parts import NodeContext
from tercet.store.audit import JOB_KIND, Told
from tercet.store.change import KeepChange
from tercet.store.jobs import JobRow
from tercet.store.kept_changes import kept_locks

_PAGE = 500
_COUNTED = ("held", "queued", "running")

Write = Callable[[Connection], Sequence[Told] | None]
"""What belongs into the transaction of a change; gives entries for the audit, which come before the job's own."""


class Watch:
    """Calls back whoever waits for the next change of a job. Thread-safe; costs nothing while nothing happens."""

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
        """Call those who wait for this job."""
        with self._lock:
            told = self._waiting.pop(job, [])
        for tell in told:
            tell()

    def close(self) -> None:
        """Call everybody: the node ends."""
        with self._lock:
            jobs = list(self._waiting)
        for job in jobs:
            self.changed(job)


class Ledger:
    """The map of jobs, by identifier. Thread-safe.

    A change that the row shows is written down first, in one transaction with the audit's entry and the receipts, and
    counts in memory only then: what the catalogue does not take has not happened. Who calls it: everything in
    `node.jobs`; whoever has to act on a job's state and change it in one step holds `lock`.
    """

    def __init__(self, context: NodeContext) -> None:
        self._context = context
        self._jobs: dict[str, Job] = {}
        self.lock = threading.RLock()
        self.watch = Watch()

    def __len__(self) -> int:
        return len(self._jobs)

    # -- reading

    def get(self, job: str) -> Job | None:
        """The job, if it is not at its end."""
        with self.lock:
            return self._jobs.get(job)

    def all(self) -> list[Job]:
        """Those not at their end, in the order in which they came."""
        with self.lock:
            return list(self._jobs.values())

    def full(self, analyst: str) -> str:
        """Why no more jobs of this analyst are taken now; empty if they are."""
        limits, name = self._context.settings.limits, self._context.identity.name
        own = sum(job.analyst == analyst for job in self.all())
        if own >= limits.queued_jobs_of_one:
            return f"{name} has {own} jobs of yours in its queue and takes no more of one analyst"
        return f"{name} has {len(self)} jobs in its queue and takes no more now" * (len(self) >= limits.queued_jobs)

    def position(self, job: Job) -> int:
        """How many jobs stand before it in the queue."""
        before = 0
        for other in self.all():
            if other.id == job.id:
                break
            before += other.told == QueuedState.told
        return before

    def is_keeping(self, change: KeepChange) -> bool:
        """Whether a job that has not ended, or whose change is not decided, keeps something under such a name.

        Names stand for files, so two such jobs would write into each other's.
        """
        names = set(kept_locks(change))
        others = [job.work.change for job in self.all()]
        others += [doubt.change for doubt in self._context.store.changes.in_doubt()]  # type: ignore[misc]
        return any(isinstance(one, KeepChange) and names.intersection(kept_locks(one)) for one in others)

    def counts(self) -> dict[str, int]:
        """How many are in each state that people know."""
        return dict(Counter[str](job.told for job in self.all()))

    # -- changing

    def enter(self, job: Job, write: Callable[[Connection], None], audit: Mapping[str, Any]) -> None:
        """Record a new job; `write` adds its row and what is charged."""
        store = self._context.store
        # in one step for others: who asks for its end once it has a row must find it here, too
        with self.lock:
            with store.catalogue.write() as connection:
                write(connection)
                store.audit.append(connection, JOB_KIND, dict(audit))
            if not job.final:
                self._jobs[job.id] = job
        self._announce(job)

    def adopt(self, job: Job) -> None:
        """Take in a job that has no row. Raises Conflict if it is here already."""
        with self.lock:
            if (known := self._jobs.get(job.id)) is not None:
                raise Conflict(known.told, "anew")
            self._jobs[job.id] = job

    def change(
        self,
        job: str,
        step: Callable[[Job], Job],
        *,
        audit: Mapping[str, Any] | None = None,
        more: Write | None = None,
        entry: Told | None = None,
    ) -> Job:
        """Take a job one step on; gives what it is now.

        Where the row shows another state after the step, or there is an `entry` of its own to write, all is written
        down first: row, what `more` does, receipts, and the audit's entry with the details of `audit`.

        Raises Conflict, and nothing has changed, if its state does not allow the step or it is at its end; what `more`
        raises; StorageError.
        """
        with self.lock:
            # jobs of one node change one at a time: the catalogue has one writer anyway
            before = self._jobs.get(job)
            if before is None:
                raise Conflict("at its end", "anything else")
            after = step(before)
            moved = after.told != before.told
            if after.work.recorded and (moved or entry is not None):
                self._write(before, after, more, entry or view.entry(after, audit or {}))
            if after.final:
                del self._jobs[job]
            else:
                self._jobs[job] = after
        if moved and after.work.recorded:
            self._announce(after)
        elif not after.work.recorded:
            self.watch.changed(job)
        return after

    def _write(self, before: Job, after: Job, more: Write | None, entry: Told) -> None:
        store = self._context.store
        with store.catalogue.write() as connection:
            store.jobs.update(
                connection,
                after.id,
                state=after.told,
                only_from=[before.told],
                started=after.told == "running" != before.told,
                ended=after.final,
                decision=after.decision.model_dump(),
                info=view.row_info(after),
            )
            told = more(connection) if more is not None else None
            ran = isinstance(before.state, EndingState) and before.state.ran
            if isinstance(after.state, DoneState) or (after.final and ran):
                for receipt in view.receipts(after):
                    store.jobs.add_receipt(connection, **receipt)
            elif after.final:
                # it never ran here, so it ran nowhere, and nobody can have seen its answer
                store.jobs.drop_spent(connection, after.id)
            store.audit.append_all(connection, [*(told or ()), entry])

    def progressed(self, job: str, step: Callable[[Job], Job]) -> None:
        """Note how far the worker is, unless the job is being ended."""
        try:
            self.change(job, step)
        except Conflict:
            return
        self.watch.changed(job)

    def _announce(self, job: Job) -> None:
        context, counts = self._context, self.counts()
        if job.final:
            context.metrics.jobs.labels(job.told).inc()
        for state in _COUNTED:
            context.metrics.jobs_now.labels(state).set(counts.get(state, 0))
        reason = job.state.end.error.message if isinstance(job.state, WITHOUT_RESULT) else ""
        context.log.info("job " + job.told, job=job.id, **({"reason": reason} if reason else {}))
        self.watch.changed(job.id)

    # -- after a restart

    def recover(self, work_of: Callable[[KeepChange | None], Work], interrupted: Callable[[Job], End]) -> set[str]:
        """Fail what ran when the node ended, take up what waited; gives the jobs that have results."""
        for row in reversed(list(self._rows(("running", "queued", "held")))):
            job = view.job_of_row(row, work_of(view.read_info(row).kept_change))
            if row.state == "running":
                self._jobs[job.id] = replace(job, state=EndingState(interrupted(job), "running"))
                self.change(job.id, close)
            else:
                self._jobs[job.id] = job
        return {row.job for row in self._rows(("done",))}

    def _rows(self, states: Sequence[str]) -> Iterator[JobRow]:
        before = None
        while page := self._context.store.jobs.list(states=states, limit=_PAGE, before=before):
            yield from page
            before = page[-1].received
