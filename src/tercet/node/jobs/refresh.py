"""Refreshes: new shares of a dataset, and of what was kept of it, that become visible at all nodes at once."""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace

from tercet.errors import IntegrityError, PlanError, TercetError, Unreachable
from tercet.federation.api import ChangeOutcome, ErrorBody
from tercet.federation.api_jobs import Decision, JobReport
from tercet.federation.api_peer import JobCancel, JobNews, JobPrepare, JobSettle, Noted, Prepare, RefreshStart
from tercet.federation.boxes import BoxInfo
from tercet.federation.model import Body, fresh_id
from tercet.federation.orders import Order, Refresh, SignedOrder, sign_order
from tercet.federation.refusals import conflict, error_of, forbidden, unavailable
from tercet.node.changes.coordinator import Transactions
from tercet.node.jobs.coordinator import Dispatcher
from tercet.node.jobs.ends import Ends
from tercet.node.jobs.ledger import Ledger
from tercet.node.jobs.runs import JobRuns
from tercet.node.jobs.state import (
    Conflict,
    EndingState,
    FinishedState,
    Job,
    RunningState,
    StartingState,
    begin,
)
from tercet.node.parts import NodeContext
from tercet.node.peers import Peers
from tercet.node.worker.lanes import Reservations, lane_session
from tercet.node.worker.messages import RefreshOrder
from tercet.store.change import RefreshChange, write_change
from tercet.store.files import place, remove_folder
from tercet.store.kept_files import kept_place
from tercet.store.version import DatasetVersion

_LANE_S = 60.0
_HOUR_S = 3600.0
_LOOK_S = 60.0
_ASK_S = 2.0


@dataclass(frozen=True)
class RefreshWork:
    """A refresh as the work of a job. It has no row: the change that it ends in is in the audit."""

    change: RefreshChange
    context: NodeContext = field(repr=False)
    failed: Callable[[str, ErrorBody], None] = field(repr=False)
    """Called with the job and the error with which it ends here."""
    recorded: bool = False

    def order(self, job: Job) -> tuple[Body, bytes]:
        """The worker's order. Raises NotFound or Gone for what is there no more."""
        assert isinstance(job.state, RunningState)
        store, change = self.context.store, self.change
        order = RefreshOrder(
            job=job.id,
            lane=lane_session(self.context, job.state.lane, job.state.session),
            dataset=change.dataset,
            version=store.datasets.get(change.dataset, change.version).describe(),
            kept=[store.kept.get(handle).describe() for handle in sorted(change.kept)],
        )
        self.context.at("refresh handed over")
        return order, b""

    def done(self, answer: Body) -> tuple[JobReport | None, Sequence[BoxInfo]]:
        """Nothing: the worker has made its files durable."""
        return None, ()

    def tidy(self, job: Job) -> None:
        """Delete what the worker wrote, unless it is or may become visible."""
        store, change = self.context.store, self.change
        if isinstance(job.state, EndingState):
            self.failed(job.id, job.state.end.error)
        known = store.changes.find(job.id)
        if known is not None and known.state != "aborted":
            return
        try:
            version = store.datasets.get(change.dataset, change.version)
        except TercetError:
            return  # withdrawn or replaced meanwhile: nothing of this generation can be told from another's
        for segment in version.segments:
            following = replace(segment, generation=segment.generation + 1)
            remove_folder(place(segment.folder, following.place_name))
        for array in store.kept.resting_on(change.dataset):
            if change.kept.get(array.handle) == array.generation:
                remove_folder(kept_place(store.folder, array.handle, array.generation + 1))

    def visible(self, job: Job) -> bool:
        """Whether the change is committed here."""
        known = self.context.store.changes.find(job.id)
        return known is not None and known.state == "committed"


class Refreshes:
    """Runs refreshes. Thread-safe.

    A crash at any time leaves the generation of shares that was visible, and files that nothing refers to, which
    `Changes.recover` and the next attempt delete. Who calls it: `Jobs`, for an order at the coordinator (`run`), for
    the coordinator's word at another node (`join`), and every second (`scheduled`).
    """

    def __init__(
        self,
        context: NodeContext,
        peers: Peers,
        transactions: Transactions,
        reservations: Reservations,
        ledger: Ledger,
        ends: Ends,
        runs: JobRuns,
        dispatcher: Dispatcher,
    ) -> None:
        self._context = context
        self._peers = peers
        self._transactions = transactions
        self._reservations = reservations
        self._ledger = ledger
        self._ends = ends
        self._runs = runs
        self._dispatcher = dispatcher
        self._pool = ThreadPoolExecutor(4, thread_name_prefix="tercet refresh")
        self._failed: dict[str, ErrorBody | None] = {}
        """Of the refreshes that this node coordinates now: the error with which they ended here."""
        self._scheduled: Future[None] | None = None
        self._look_at = 0.0

    def stop(self) -> None:
        """End the threads; refreshes under way fail as the workers end."""
        self._pool.shutdown(cancel_futures=True)

    # -- at the coordinator

    def run(self, signed: SignedOrder) -> ChangeOutcome:
        """Carry out an order, and wait until it is visible everywhere.

        Raises the error of the node where it failed, HttpError (503) if no lane becomes free, NotFound.
        """
        order, dataset = self._read(signed)
        version = self._context.store.datasets.get(dataset)
        job = order.transaction
        lane = self._reservations.take(job, _LANE_S)
        if lane is None:
            raise unavailable("no lane became free for the refresh")
        try:
            start = RefreshStart(
                order=signed,
                version=version.version,
                manifest=version.manifest,
                kept=self._generations(dataset),
                lane=lane,
                session=hashlib.sha256(b"tercet/1 refresh " + job.encode()).hexdigest(),
            )
            entered = self._enter(job, version, start)
            self._failed[job] = None
            try:
                self._run_everywhere(entered, start)
                change = entered.work.change
                assert change is not None
                outcome = self._transactions.run(
                    Prepare(transaction=job, order=signed, job=job, change=write_change(change))
                )
            except TercetError as error:
                self._give_up(entered, error)
                raise
            else:
                self._ends.settled(job, None)
                return outcome
            finally:
                del self._failed[job]
                self._tell(f"/peer/jobs/{job}/settle", JobSettle(done=True))
        finally:
            self._reservations.give(lane)

    def _run_everywhere(self, job: Job, start: RefreshStart) -> None:
        """Have the three workers do it; returns when all are done."""
        context = self._context
        path = f"/peer/jobs/{job.id}/refresh"
        told = [
            self._pool.submit(self._peers.ask, party, "POST", path, Noted, start) for party in context.identity.others
        ]
        self._runs.begin(job)
        for one in told:
            one.result()
        deadline = time.monotonic() + context.settings.limits.job_seconds
        while not self._all_finished(job):
            left = deadline - time.monotonic()
            if left <= 0 or context.stopping.is_set():
                raise unavailable("the refresh did not come to its end in time")
            woken = threading.Event()
            self._ledger.watch.subscribe(job.id, woken.set)
            if not self._all_finished(job) and not woken.wait(min(left, _ASK_S)):
                self._ask(job)
            self._ledger.watch.forget(job.id, woken.set)

    def _ask(self, job: Job) -> None:
        """Ask those who have not said that they are finished: a node that was started anew knows nothing of it."""
        heard = self._dispatcher.heard_of(job.id)
        for party in self._context.identity.others:
            news = heard.get(party)
            if news is not None and news.state == "finished":
                continue
            path = f"/peer/jobs/{job.id}/prepare"
            there = self._peers.ask(party, "POST", path, JobNews, JobPrepare(bundle=job.hash))
            if there.bundle is None:
                name = self._context.identity.party_name(party)
                raise Unreachable(f"{name} was started anew while the refresh ran", party=party, hint="order it again")
            self._dispatcher.heard(party, job.id, there)

    def _note_failed(self, job: str, error: ErrorBody) -> None:
        if job in self._failed:
            self._failed[job] = error

    def _all_finished(self, job: Job) -> bool:
        """Whether the workers of all three nodes are done. Raises the error of the node that failed."""
        identity = self._context.identity
        error = self._failed[job.id]
        if error is not None:
            raise error_of(503, error, error.node, identity.me)
        heard = self._dispatcher.heard_of(job.id)
        for party, news in heard.items():
            if news.error is not None:
                raise error_of(503, news.error, identity.party_name(party), party)
        others = [heard.get(party) for party in identity.others]
        now = self._ledger.get(job.id)
        here = now is not None and isinstance(now.state, FinishedState)
        return here and all(news is not None and news.state == "finished" for news in others)

    def _give_up(self, job: Job, error: TercetError) -> None:
        context = self._context
        context.log.warning("refresh failed", job=job.id, reason=error.message)
        told = context.identity.error("failed", error.message[:2000])
        end = self._ends.own(job.id, job.hash, "failed", told)
        self._tell(f"/peer/jobs/{job.id}/cancel", JobCancel(end=end))
        self._ends.end_here(job.id, end)

    def _tell(self, path: str, body: Body) -> None:
        """Tell both others, and wait for neither.

        One that is not told forgets the refresh at its deadline, and asks the coordinator what became of the change.
        """
        for party in self._context.identity.others:
            self._pool.submit(self._peers.tell, party, path, body, "end of a refresh not told")

    # -- at every node

    def join(self, job: str, start: RefreshStart) -> None:
        """Run this node's worker for a refresh that the coordinator starts. Raises what this node objects to."""
        name = self._context.identity.name
        self._runs.check_lane(start.lane)
        order, dataset = self._read(start.order)
        if order.transaction != job:
            raise IntegrityError("the order is for another transaction")
        version = self._context.store.datasets.get(dataset)
        if (version.version, version.manifest) != (start.version, start.manifest):
            raise IntegrityError(
                f"{name} has another version of dataset {dataset} than the coordinator",
                hint="compare `tercet node datasets` of the three nodes",
            )
        if missing := sorted(start.kept.items() - self._generations(dataset).items()):
            raise IntegrityError(
                f"{name} does not have the kept array {missing[0][0][:8]} as the coordinator has it",
                hint="if it is just expiring or being dropped, order the refresh again; else compare "
                "`tercet node check` of the three nodes",
            )
        self._runs.begin(self._enter(job, version, start))

    def _generations(self, dataset: str) -> dict[str, int]:
        """Of each kept array that was made of the dataset, by handle: the generation of its shares."""
        return {array.handle: array.generation for array in self._context.store.kept.resting_on(dataset)}

    def _enter(self, job: str, version: DatasetVersion, start: RefreshStart) -> Job:
        context = self._context
        now = context.now()
        change = RefreshChange(
            dataset=version.name, version=version.version, manifest=version.manifest, kept=start.kept
        )
        entered = Job(
            id=job,
            hash=hashlib.sha256(b"tercet/1 refresh " + job.encode() + version.manifest.encode()).hexdigest(),
            analyst=context.identity.member.card.fingerprint,
            created=now,
            deadline=now + context.settings.limits.job_seconds,
            decision=Decision(node=context.identity.name, verdict="accepted"),
            state=StartingState(start.lane, start.session),
            work=RefreshWork(change, context, self._note_failed),
        )
        try:
            self._ledger.adopt(entered)
        except Conflict:
            raise conflict("this refresh runs already") from None
        return self._ledger.change(job, begin)

    def _read(self, signed: SignedOrder) -> tuple[Order, str]:
        """The order and its dataset, if this node's policy lets its signer refresh."""
        context = self._context
        order, card = context.read_order(signed)
        if not isinstance(order.action, Refresh):
            raise PlanError(f"an order to {order.action.action} is no refresh")
        if not context.is_operator(card.fingerprint):
            raise forbidden(f"{card.name} is no operator at this node")
        return order, order.action.dataset

    # -- in time

    def scheduled(self) -> None:
        """At the coordinator: begin a refresh that is due, one at a time. Called every second or so."""
        context = self._context
        hours = context.settings.refresh.every_hours
        if not hours or not context.identity.coordinates or time.monotonic() < self._look_at:
            return
        self._look_at = time.monotonic() + _LOOK_S
        if self._scheduled is not None and not self._scheduled.done():
            return
        for version in context.store.versions():
            if (version.refreshed or version.created) + hours * _HOUR_S <= context.now():
                self._scheduled = self._pool.submit(self._refresh_now, version.name)
                return

    def _refresh_now(self, dataset: str) -> None:
        context = self._context
        order = Order(
            version=1,
            federation=context.identity.federation.id,
            transaction=fresh_id(),
            created=int(context.now()),
            action=Refresh(dataset=dataset),
        )
        with context.log.guarded("scheduled refresh failed", dataset=dataset):
            self.run(sign_order(context.identity.member, order))
