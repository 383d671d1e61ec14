"""The states of a node's jobs: every change is one transaction of the catalogue, with its entry in the audit."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection

from tercet.federation.api import Decision, ErrorBody, JobStateName
from tercet.node.live import Live, Watch
from tercet.store.audit import JOB_KIND
from tercet.store.change import KeepChange, read_change
from tercet.store.jobs import JobRow
from tercet.store.kept_changes import kept_locks

if TYPE_CHECKING:
    from tercet.node.supervisor import Node

_PAGE = 500


class Ledger:
    """Jobs that are not at their end, in memory and in the catalogue. Thread-safe.

    Who calls it: `Jobs` and what works for it.
    """

    def __init__(self, node: Node) -> None:
        self._node = node
        self._live: dict[str, Live] = {}
        self.lock = threading.RLock()
        self.watch = Watch()

    def __len__(self) -> int:
        return len(self._live)

    def full(self, analyst: str) -> str:
        """Why no more jobs of this analyst are taken now; empty if they are."""
        limits, name = self._node.settings.limits, self._node.settings.name
        with self.lock:
            own = sum(live.analyst == analyst for live in self._live.values())
        if own >= limits.queued_jobs_of_one:
            return f"{name} has {own} jobs of yours in its queue and takes no more of one analyst"
        return f"{name} has {len(self)} jobs in its queue and takes no more now" * (len(self) >= limits.queued_jobs)

    def get(self, job: str) -> Live | None:
        """The job, if it is not at its end."""
        with self.lock:
            return self._live.get(job)

    def all(self) -> list[Live]:
        """Those not at their end, in the order in which they came."""
        with self.lock:
            return list(self._live.values())

    def position(self, live: Live) -> int:
        """How many jobs stand before it in the queue."""
        before = 0
        for other in self.all():
            if other is live:
                break
            before += other.state == "queued"
        return before

    def is_keeping(self, change: KeepChange) -> bool:
        """Whether a job that has not ended, or whose change is not decided, keeps something under such a name.

        Names stand for files, so two such jobs would write into each other's.
        """
        names = set(kept_locks(change))
        others = [live.change for live in self.all()] + [doubt.change for doubt in self._node.changes.in_doubt()]
        return any(isinstance(one, KeepChange) and names.intersection(kept_locks(one)) for one in others)

    def counts(self) -> dict[str, int]:
        """How many are in each state."""
        found: dict[str, int] = {}
        for live in self.all():
            found[live.state] = found.get(live.state, 0) + 1
        return found

    def enter(self, live: Live, write: Callable[[Connection], None], audit: dict[str, Any]) -> None:
        """Record a new job with what `write` adds."""
        node = self._node
        with node.catalogue.write() as connection:
            write(connection)
            node.audit.append(connection, JOB_KIND, audit)
        with self.lock:
            if not live.final:
                self._live[live.job] = live
        self._told(live)

    def adopt(self, live: Live) -> None:
        """Have a job that has no row (a refresh) among those in memory."""
        with self.lock:
            self._live[live.job] = live

    def drop(self, live: Live) -> None:
        """Undo `adopt`."""
        with self.lock:
            self._live.pop(live.job, None)
        self.watch.changed(live.job)

    def move(
        self,
        live: Live,
        state: JobStateName,
        *,
        only_from: Sequence[JobStateName],
        audit: dict[str, Any] | None = None,
        error: ErrorBody | None = None,
        info: dict[str, Any] | None = None,
        more: Callable[[Connection], None] | None = None,
    ) -> bool:
        """Bring a job into another state; False, and nothing happened, if it was in none of `only_from`."""
        node = self._node
        with self.lock:
            # jobs of one node change one at a time: the catalogue has one writer anyway
            if live.state not in only_from:
                return False
            details = {"job": live.job, "state": state, **(audit or {})}
            updated = {**live.info, **(info or {})}
            if error is not None:
                updated["error"] = error.model_dump()
                details["error"] = error.message
            final = Live(live.job, "", "", state, 0, 0, live.decision).final
            if live.kind == "plan":
                with node.catalogue.write() as connection:
                    node.jobs_store.update(
                        connection,
                        live.job,
                        state=state,
                        only_from=list(only_from),
                        started=state == "running",
                        ended=final,
                        decision=live.decision.model_dump(),
                        info=updated,
                    )
                    if more is not None:
                        more(connection)
                    node.audit.append(connection, "job " + state, details)
            live.state, live.info, live.error = state, updated, error
            if final:
                self._live.pop(live.job, None)
        self._told(live)
        return True

    def progressed(self, live: Live, fraction: float) -> None:
        """Note how far the worker is."""
        live.progress = fraction
        self.watch.changed(live.job)

    def _told(self, live: Live) -> None:
        node = self._node
        if live.final:
            node.metrics.jobs.labels(live.state).inc()
        for state in ("held", "queued", "running"):
            node.metrics.jobs_now.labels(state).set(self.counts().get(state, 0))
        blamed = live.error.message if live.error is not None else ""
        node.log.info("job " + live.state, job=live.job, **({"reason": blamed} if blamed else {}))
        self.watch.changed(live.job)

    # -- after a restart

    def recover(self) -> set[str]:
        """Fail what ran when the node ended, take up what waited; gives the jobs that have results."""
        node = self._node
        error = ErrorBody(
            error="interrupted",
            message=f"{node.settings.name} was started anew while the job ran",
            hint="ask again",
            node=node.settings.name,
        )
        for row in reversed(list(self._rows(("running", "queued", "held")))):
            live = self._live_of(row)
            self._live[row.job] = live
            if row.state == "running":
                self.move(live, "failed", only_from=("running",), error=error)
        return {row.job for row in self._rows(("done",))}

    def _rows(self, states: Sequence[str]) -> Iterator[JobRow]:
        before = None
        while page := self._node.jobs_store.list(states=states, limit=_PAGE, before=before):
            yield from page
            before = page[-1].received

    @staticmethod
    def _live_of(row: JobRow) -> Live:
        decision = Decision.model_validate(row.decision)
        live = Live(row.job, row.hash, row.analyst, row.state, row.received, row.deadline or 0.0, decision, row.info)  # type: ignore[arg-type]
        if row.info.get("change") is not None:
            change = read_change(row.info["change"])
            assert isinstance(change, KeepChange)
            live.change = change
        return live
