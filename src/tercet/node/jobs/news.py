"""Tells the coordinator how jobs stand at this node, and answers other nodes that ask."""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from tercet.errors import NotFound, TercetError
from tercet.federation.api import ErrorBody
from tercet.federation.api_peer import JobNews
from tercet.federation.refusals import HttpError
from tercet.node.jobs import view
from tercet.node.jobs.ends import Ends
from tercet.node.jobs.ledger import Ledger
from tercet.node.jobs.state import Job, SettlingState
from tercet.node.parts import NodeContext
from tercet.node.peers import Peers


class News:
    """Sends and answers `JobNews`. Thread-safe. Who calls it: `Jobs` at every change that the coordinator waits for."""

    def __init__(self, context: NodeContext, peers: Peers, ledger: Ledger, ends: Ends) -> None:
        self._context = context
        self._peers = peers
        self._ledger = ledger
        self._ends = ends
        self._pool = ThreadPoolExecutor(8, thread_name_prefix="tercet jobs")
        self._told_at: dict[str, float] = {}
        self._stopping = False
        self.here: Callable[[], None] = lambda: None
        """Called instead of telling anybody where this node coordinates."""

    def stop(self) -> None:
        """Tell nothing more."""
        self._stopping = True
        self._pool.shutdown(cancel_futures=True)

    def of(self, job: str) -> JobNews:
        """How a job stands here."""
        live = self._ledger.get(job)
        if live is not None:
            return self._news(live)
        try:
            row = self._context.store.jobs.get(job)
        except NotFound:
            row = None
        # last: it covers the entry with which the job was taken in, also where that came only just now
        head = self._context.store.audit.head()
        return JobNews(bundle=None, head=head) if row is None else view.news_of_row(row, head)

    def _news(self, job: Job) -> JobNews:
        return view.news(job, self._context.store.audit.head())  # the head is read after the state, as in `of`

    def seconds_since_told(self, job: Job) -> float:
        """How long ago the coordinator was told last of a job that is not at its end."""
        return time.monotonic() - self._told_at.get(job.id, 0.0)

    def tell(self, job: Job) -> None:
        """Have the coordinator know how a job stands here; soon, and without waiting for it."""
        if self._context.identity.coordinates:
            self.here()
            return
        if job.final:
            self._told_at.pop(job.id, None)
        else:
            self._told_at[job.id] = time.monotonic()
        if not self._stopping:
            self._pool.submit(self._tell, job)

    def _tell(self, job: Job) -> None:
        context = self._context
        job = self._ledger.get(job.id) or job
        try:
            path = f"/peer/jobs/{job.id}/news"
            self._heard_back(job, self._peers.ask(context.identity.coordinator, "POST", path, JobNews, self._news(job)))
        except TercetError as error:
            # told again while it is not at its end; and the coordinator asks
            context.log.warning("coordinator not told of a job", job=job.id, reason=error.message)
            if isinstance(error, HttpError) and error.kind == "conflict" and job.told in ("held", "queued"):
                # another federation file, protocol or time: the two cannot work together at all
                self._ends.fail_here(job, context.identity.told(error))
        except Exception as error:
            context.log.defect(error, job=job.id)

    def _heard_back(self, job: Job, there: JobNews) -> None:
        """End a job here that the coordinator has given up, or that is done there, with what it keeps visible here."""
        coordinator = self._context.identity.federation.coordinator.name
        if there.bundle is None and not job.work.recorded:
            # it was decided or given up there; nodes that have the change ready ask what became of it
            self._ends.fail_here(job, given_up(coordinator))
        elif there.bundle == job.hash and there.state in ("failed", "cancelled", "refused") and not job.final:
            self._ends.end_here(job.id, self._ends.heard(job, there.end, coordinator))
        elif there.bundle == job.hash and there.state == "done" and self._visible(job):
            self._ends.settled(job.id, None)

    def _visible(self, job: Job) -> bool:
        """Whether what a job keeps is here; if not, the coordinator is asked again."""
        return isinstance(job.state, SettlingState) and job.work.visible(job)


def given_up(coordinator: str) -> ErrorBody:
    """The error of a job of which the coordinator knows nothing, or says no more."""
    return ErrorBody(error="failed", message=f"{coordinator} gave the job up", node=coordinator)
