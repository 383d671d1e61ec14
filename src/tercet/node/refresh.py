"""Refreshes: the stored shares of a dataset are written anew by the workers, then made visible at all nodes at once."""

from __future__ import annotations

import hashlib
import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING

from tercet.errors import IntegrityError, PlanError, TercetError, Unreachable
from tercet.federation.api import Decision, ErrorBody, Outcome
from tercet.federation.api_peer import JobCancel, JobNews, JobPrepare, JobSettle, Prepare, RefreshStart
from tercet.federation.identifiers import fresh_id
from tercet.federation.orders import Order, Refresh, SignedOrder, sign_order
from tercet.node.live import Live
from tercet.node.refusals import conflict, forbidden, raised, unavailable
from tercet.sharing import Party
from tercet.store.change import RefreshChange, write_change
from tercet.store.files import place, remove_folder
from tercet.store.version import DatasetVersion

if TYPE_CHECKING:
    from tercet.node.jobs import Jobs
    from tercet.node.supervisor import Node

_LANE_S = 60.0
_HOUR_S = 3600.0
_LOOK_S = 60.0
_ASK_S = 2.0


class Refreshes:
    """Who calls it: `Jobs`, for an order at the coordinator, for the coordinator's word at another node, and in time.

    A refresh is no job of an analyst and has no row of its own; the change that it ends in is in the audit. A crash at
    any time leaves the generation of shares that was visible, and files that nothing refers to, which `recover` and the
    next attempt delete.
    """

    def __init__(self, node: Node, jobs: Jobs) -> None:
        self._node = node
        self._jobs = jobs
        self._pool = ThreadPoolExecutor(4, thread_name_prefix="tercet refresh")
        self._scheduled: Future[None] | None = None
        self._look_at = 0.0

    def stop(self) -> None:
        """Those under way fail as the workers end."""
        self._pool.shutdown(cancel_futures=True)

    # -- at the coordinator

    def run(self, signed: SignedOrder) -> Outcome:
        """Carry out an order, and wait until it is visible everywhere.

        Raises the error of the node where it failed, Turned (503) if no lane becomes free, NotFound.
        """
        node, jobs = self._node, self._jobs
        order, dataset = self._read(signed)
        version = node.datasets.get(dataset)
        job = order.transaction
        lane = jobs.dispatcher.take_lane(job, _LANE_S)
        if lane is None:
            raise unavailable("no lane became free for the refresh")
        try:
            live = self._enter(job, version)
            start = RefreshStart(
                order=signed,
                version=version.version,
                manifest=version.manifest,
                lane=lane,
                session=hashlib.sha256(b"tercet/1 refresh " + job.encode()).hexdigest(),
            )
            try:
                self._run(live, start)
                change = RefreshChange(dataset=dataset, version=version.version, manifest=version.manifest)
                return node.transactions.run(
                    Prepare(transaction=job, order=signed, job=job, change=write_change(change))
                )
            except TercetError as error:
                self._give_up(live, error)
                raise
            finally:
                self.forget(live)
                for party in node.peers.others:
                    self._pool.submit(self._settled, party, job)
        finally:
            jobs.dispatcher.give_lane(lane)

    def _run(self, live: Live, start: RefreshStart) -> None:
        """Have the three workers do it; returns when all are done."""
        node, jobs = self._node, self._jobs
        told = [self._pool.submit(self._tell, party, live.job, start) for party in node.peers.others]
        jobs.runs.begin(live, start.lane, start.session)
        for one in told:
            one.result()
        deadline = time.monotonic() + node.settings.limits.job_seconds
        while not self._all_finished(live):
            left = deadline - time.monotonic()
            if left <= 0 or node.stopping.is_set():
                raise unavailable("the refresh did not come to its end in time")
            woken = threading.Event()
            jobs.ledger.watch.subscribe(live.job, woken.set)
            if not self._all_finished(live) and not woken.wait(min(left, _ASK_S)):
                self._ask(live)
            jobs.ledger.watch.forget(live.job, woken.set)

    def _ask(self, live: Live) -> None:
        """Ask those who have not said that they are finished: a node that was started anew knows nothing of it."""
        peers = self._node.peers
        for party in peers.others:
            news = live.news.get(party)
            if news is not None and news.state == "finished":
                continue
            body = JobPrepare(bundle=live.hash).model_dump()
            answer = peers.call(party, "POST", f"/peer/jobs/{live.job}/prepare", json=body)
            heard = JobNews.model_validate(answer)
            if heard.bundle is None:
                name = peers.name(party)
                raise Unreachable(f"{name} was started anew while the refresh ran", party=party, hint="order it again")
            self._jobs.dispatcher.heard(party, live.job, heard)

    def _all_finished(self, live: Live) -> bool:
        """Raises the error of the node that failed."""
        node = self._node
        if live.error is not None:
            raise raised(503, live.error, live.error.node, node.me)
        for party, news in live.news.items():
            if news.error is not None:
                raise raised(503, news.error, node.peers.name(party), party)
        others = [live.news.get(party) for party in node.peers.others]
        return live.finished and all(news is not None and news.state == "finished" for news in others)

    def _tell(self, party: Party, job: str, start: RefreshStart) -> None:
        self._node.peers.call(party, "POST", f"/peer/jobs/{job}/refresh", json=start.model_dump())

    def _give_up(self, live: Live, error: TercetError) -> None:
        node, jobs = self._node, self._jobs
        told = ErrorBody(error="failed", message=error.message[:2000], hint="", node=node.settings.name)
        node.log.warning("refresh failed", job=live.job, reason=error.message)
        with jobs.ledger.lock:
            live.end = live.end or ("failed", told)
        jobs.runs.lanes.cancel(live.job)
        for party in node.peers.others:
            self._pool.submit(self._cancel, party, live, told)

    def _cancel(self, party: Party, live: Live, error: ErrorBody) -> None:
        body = JobCancel(bundle=live.hash, state="failed", error=error).model_dump()
        self._quietly(party, f"/peer/jobs/{live.job}/cancel", body)

    def _settled(self, party: Party, job: str) -> None:
        self._quietly(party, f"/peer/jobs/{job}/settle", JobSettle(done=True).model_dump())

    def _quietly(self, party: Party, path: str, body: dict[str, object]) -> None:
        try:
            self._node.peers.call(party, "POST", path, json=body)
        except TercetError as error:
            # it forgets the refresh at its deadline; what became of the change it asks the coordinator
            self._node.log.warning("end of a refresh not told", reason=error.message)

    # -- at every node

    def join(self, job: str, start: RefreshStart) -> None:
        """Run this node's worker for a refresh that the coordinator starts. Raises what this node objects to."""
        node, jobs = self._node, self._jobs
        order, dataset = self._read(start.order)
        if order.transaction != job:
            raise IntegrityError("the order is for another transaction")
        version = node.datasets.get(dataset)
        if (version.version, version.manifest) != (start.version, start.manifest):
            raise IntegrityError(
                f"{node.settings.name} has another version of dataset {dataset} than the coordinator",
                hint="compare `tercet node datasets` of the three nodes",
            )
        live = self._enter(job, version)
        jobs.runs.begin(live, start.lane, start.session)

    def _enter(self, job: str, version: DatasetVersion) -> Live:
        node = self._node
        if self._jobs.ledger.get(job) is not None:
            raise conflict("this refresh runs already")
        change = RefreshChange(dataset=version.name, version=version.version, manifest=version.manifest)
        live = Live(
            job,
            hashlib.sha256(b"tercet/1 refresh " + job.encode() + version.manifest.encode()).hexdigest(),
            node.member.card.fingerprint,
            "running",
            node.now(),
            node.now() + node.settings.limits.job_seconds,
            Decision(node=node.settings.name, verdict="accepted"),
            kind="refresh",
            change=change,
        )
        self._jobs.ledger.adopt(live)
        return live

    def forget(self, live: Live) -> None:
        """A refresh is over here; what its worker wrote goes, unless it is or may become visible."""
        self._jobs.ledger.drop(live)
        change = live.change
        assert isinstance(change, RefreshChange)
        known = self._node.changes.find(live.job)
        if known is not None and known.state != "aborted":
            return
        try:
            version = self._node.datasets.get(change.dataset, change.version)
        except TercetError:
            return  # withdrawn or replaced meanwhile: nothing of this generation can be told from another's
        for segment in version.segments:
            following = replace(segment, generation=segment.generation + 1)
            remove_folder(place(segment.folder, following.place_name))

    def _read(self, signed: SignedOrder) -> tuple[Order, str]:
        """The order and its dataset, if this node's policy lets its signer refresh."""
        node = self._node
        order, card = node.read_order(signed)
        if not isinstance(order.action, Refresh):
            raise PlanError(f"an order to {order.action.action} is no refresh")
        person = node.policy.current.person(card.fingerprint)
        if node.federation.find(card.fingerprint) is None and (person is None or "operator" not in person.roles):
            raise forbidden(f"{card.name} is no operator at this node")
        return order, order.action.dataset

    # -- in time

    def scheduled(self) -> None:
        """At the coordinator: begin a refresh that is due, one at a time. Called every second or so."""
        node = self._node
        hours = node.settings.refresh.every_hours
        if not hours or not self._jobs.coordinates or time.monotonic() < self._look_at:
            return
        self._look_at = time.monotonic() + _LOOK_S
        if self._scheduled is not None and not self._scheduled.done():
            return
        for name in node.datasets.names():
            version = node.version(name)
            if version is not None and (version.refreshed or version.created) + hours * _HOUR_S <= node.now():
                self._scheduled = self._pool.submit(self._refresh_now, name)
                return

    def _refresh_now(self, dataset: str) -> None:
        node = self._node
        order = Order(
            version=1,
            federation=node.federation.id,
            transaction=fresh_id(),
            created=int(node.now()),
            action=Refresh(dataset=dataset),
        )
        try:
            self.run(sign_order(node.member, order))
        except TercetError as error:
            node.log.warning("scheduled refresh failed", dataset=dataset, reason=error.message)
        except Exception as error:
            node.log.defect(error)
