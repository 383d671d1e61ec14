"""What the coordinator does for jobs: waits until all three nodes have accepted, picks a lane, says start, sums up.

It decides nothing about what is allowed. Nodes tell it unasked what they decided and how their workers ended; what it
has not heard it asks for.
"""

from __future__ import annotations

import hashlib
import threading
import time
from collections import OrderedDict
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from tercet.errors import TercetError
from tercet.federation.api import FINAL_STATES, ErrorBody
from tercet.federation.api_peer import Ending, JobCancel, JobNews, JobPrepare, JobSettle, JobStart, Prepare, SignedHead
from tercet.federation.identifiers import fresh_id
from tercet.node.failures import refused_here
from tercet.node.live import Live
from tercet.sharing import Party
from tercet.store.change import write_change

if TYPE_CHECKING:
    from tercet.node.jobs import Jobs
    from tercet.node.supervisor import Node

_TURN_S = 1.0
_ASK_AGAIN_S = 2.0
_EARLY = 1024
_OTHERS_END_S = 3.0
"""How long the coordinator waits, when a job failed at another node, for its own worker's account of it."""
_LANE_S = 30.0
"""How long a lane stays taken when another node does not say that its worker is done."""


@dataclass
class _After:
    """A job that has failed here: others whose workers may not know it yet, and when they are told."""

    due: float
    cancel: JobCancel
    left: set[Party]
    tries: int = 5


@dataclass
class _Use:
    """A lane that is taken: by which job, who has not said yet that it is done there, since when it is done here."""

    job: str
    busy: set[Party] = field(default_factory=set)
    done_at: float | None = None


class Dispatcher:
    """One thread at the coordinator; at other nodes it does nothing."""

    def __init__(self, node: Node, jobs: Jobs) -> None:
        self._node = node
        self._jobs = jobs
        self._coordinates = node.federation.coordinator.name == node.settings.name
        self._condition = threading.Condition()
        self._awake = False
        self._lanes: dict[int, _Use] = {}
        self._after: dict[str, _After] = {}
        self._early: OrderedDict[tuple[str, Party], JobNews] = OrderedDict()
        self._pool = ThreadPoolExecutor(8, thread_name_prefix="tercet dispatch")
        # one after the other, so that heads reach every node in the order in which they were collected
        self._starter = ThreadPoolExecutor(1, thread_name_prefix="tercet start")
        self._passed: dict[Party, int] = {}
        self._thread = threading.Thread(target=self._run, name="tercet dispatcher", daemon=True)
        self._stopping = False

    def start(self) -> None:
        if self._coordinates:
            self._thread.start()

    def stop(self) -> None:
        with self._condition:
            self._stopping = True
            self._condition.notify_all()
        if self._thread.is_alive():
            self._thread.join()
        self._starter.shutdown(cancel_futures=True)
        self._pool.shutdown(cancel_futures=True)

    def wake(self) -> None:
        """Something has happened: look at all jobs again."""
        with self._condition:
            self._awake = True
            self._condition.notify_all()

    def heard(self, party: Party, job: str, news: JobNews) -> None:
        """Another node said how a job stands there."""
        live = self._jobs.ledger.get(job)
        with self._condition:
            if live is not None:
                live.news[party] = news
            else:
                # it may be on its way to us, too
                self._early[job, party] = news
                while len(self._early) > _EARLY:
                    self._early.popitem(last=False)
            if news.state in FINAL_STATES and job in self._after:
                self._after[job].left.discard(party)
            if news.state in (*FINAL_STATES, "finished"):
                for use in self._lanes.values():
                    if use.job == job:
                        use.busy.discard(party)
        self._jobs.ledger.watch.changed(job)
        self.wake()

    def failed(self, live: Live, state: Ending, error: ErrorBody) -> None:
        """A job that ran has failed here: see that it ends at the others, which mostly find out by themselves."""
        if self._coordinates:
            left = {party for party in self._node.peers.others if not self._is_over(live, party)}
            cancel = JobCancel(bundle=live.hash, state=state, error=error)
            with self._condition:
                self._after[live.job] = _After(time.monotonic() + _OTHERS_END_S, cancel, left)

    def _is_over(self, live: Live, party: Party) -> bool:
        news = live.news.get(party)
        return news is not None and news.state in FINAL_STATES

    def _tell_late(self) -> None:
        now = time.monotonic()
        with self._condition:
            due = [(job, after, set(after.left)) for job, after in self._after.items() if after.due <= now]
            for job, after, left in due:
                after.due, after.tries = now + _ASK_AGAIN_S, after.tries - 1
                if not left or not after.tries:
                    del self._after[job]
        for job, after, left in due:
            for party in left:
                self._pool.submit(self._cancel, party, job, after.cancel)

    def _cancel(self, party: Party, job: str, cancel: JobCancel) -> None:
        try:
            self._node.peers.call(party, "POST", f"/peer/jobs/{job}/cancel", json=cancel.model_dump())
        except TercetError as error:
            self._node.log.warning("failed job not ended", job=job, reason=error.message)

    def take_lane(self, job: str, seconds: float) -> int | None:
        """Wait for a free lane, and take it; None when none became free in time."""
        deadline = time.monotonic() + seconds
        with self._condition:
            while True:
                lane = self._free_lane()
                if lane is not None:
                    self._lanes[lane] = _Use(job, set(self._node.peers.others))
                    return lane
                left = deadline - time.monotonic()
                if left <= 0 or self._stopping:
                    return None
                self._condition.wait(min(left, _TURN_S))

    def give_lane(self, lane: int) -> None:
        """The work of a lane that `take_lane` gave is over everywhere."""
        with self._condition:
            self._lanes.pop(lane, None)
            self._condition.notify_all()

    def _free_lane(self) -> int | None:
        now = time.monotonic()
        for lane, use in list(self._lanes.items()):
            if use.done_at is None and self._jobs.ledger.get(use.job) is None:
                use.done_at = now
            if use.done_at is not None and (not use.busy or now - use.done_at > _LANE_S):
                del self._lanes[lane]
        return next((lane for lane in range(len(self._jobs.runs.lanes)) if lane not in self._lanes), None)

    # -- the thread

    def _run(self) -> None:
        while True:
            with self._condition:
                if not self._awake and not self._stopping:
                    self._condition.wait(_TURN_S)
                self._awake = False
                if self._stopping:
                    return
            try:
                self._tell_late()
                for live in self._jobs.ledger.all():
                    if live.kind == "plan":
                        self._look_at(live)
            except Exception as error:
                self._node.log.defect(error)

    def _look_at(self, live: Live) -> None:
        others = self._node.peers.others
        with self._condition:
            for party in others:
                news = self._early.pop((live.job, party), None)
                if news is not None:
                    live.news.setdefault(party, news)
        if self._fails(live):
            return
        if live.state == "running":
            if live.finished and not live.settling and all(self._says(live, p, "finished") for p in others):
                live.settling = True
                self._pool.submit(self._settle, live)
        elif live.state == "queued" and not live.launched:
            if all(self._says(live, party, "queued") for party in others):
                self._launch(live)
            elif time.monotonic() - live.told_at > _ASK_AGAIN_S:
                live.told_at = time.monotonic()
                for party in others:
                    if not self._says(live, party, "queued"):
                        self._pool.submit(self._ask, live, party)

    def _says(self, live: Live, party: Party, state: str) -> bool:
        news = live.news.get(party)
        return news is not None and news.bundle == live.hash and news.state == state

    def waiting_for(self, live: Live) -> list[str]:
        """Names of the nodes that have not accepted a job."""
        if not self._coordinates or live.state not in ("queued", "held"):
            return []
        peers = self._node.peers
        return [peers.name(party) for party in peers.others if not self._says(live, party, "queued")]

    def _fails(self, live: Live) -> bool:
        """Whether another node makes the job impossible; it is then ended everywhere."""
        for party, news in live.news.items():
            name = self._node.peers.name(party)
            if news.bundle is not None and news.bundle != live.hash:
                message = f"{name} holds another job of this number than {self._node.settings.name}"
                error = ErrorBody(error="integrity", message=message, hint="nothing was run", node=name)
                self._jobs.end(live, "failed", error)
                return True
            if news.state not in ("failed", "cancelled", "refused"):
                continue
            if live.state == "running" and not live.finished and news.state != "refused":
                if live.failed_at is None:
                    live.failed_at = time.monotonic()
                if time.monotonic() - live.failed_at < _OTHERS_END_S:
                    return False
            said = news.error or ErrorBody(error=news.state, message=f"{name} {news.state} the job", node=name)
            self._jobs.end(live, news.state, said)
            return True
        return False

    def _ask(self, live: Live, party: Party) -> None:
        body = JobPrepare(bundle=live.hash).model_dump()
        try:
            answer = self._node.peers.call(party, "POST", f"/peer/jobs/{live.job}/prepare", json=body)
            self.heard(party, live.job, JobNews.model_validate(answer))
        except (TercetError, ValueError):
            return  # asked again at the next turn, until the job's deadline

    # -- start

    def _launch(self, live: Live) -> None:
        with self._condition:
            lane = self._free_lane()
            if lane is None:
                return
            self._lanes[lane] = _Use(live.job, set(self._node.peers.others))
        live.launched = True
        self._starter.submit(self._start, live, lane)

    def _start(self, live: Live, lane: int) -> None:
        node = self._node
        node.at("job starts")
        try:
            heads = [node.signed_head(), *(self._head(live, party) for party in node.peers.others)]
            start = JobStart(
                bundle=live.hash,
                lane=lane,
                session=hashlib.sha256(b"tercet/1 session " + live.hash.encode()).hexdigest(),
                heads=heads,
            )
            told = [self._pool.submit(self._tell_start, party, live.job, start) for party in node.peers.others]
            self._jobs.begin(live, start)
            for one in told:
                one.result()
        except TercetError as error:
            self._jobs.end(live, "failed", refused_here(node, error))
        except Exception as error:
            node.log.defect(error, job=live.job)
            name = node.settings.name
            self._jobs.end(live, "failed", ErrorBody(error="defect", message=f"{name} could not start it", node=name))

    def _head(self, live: Live, party: Party) -> SignedHead:
        """The newest entry of a node's audit: no lower than what was passed on with another job."""
        head = live.news[party].head
        if head.number < self._passed.get(party, 0):
            # another job came later and started sooner
            self._ask(live, party)
            head = live.news[party].head
        self._passed[party] = head.number
        return head

    def _tell_start(self, party: Party, job: str, start: JobStart) -> None:
        self._node.peers.call(party, "POST", f"/peer/jobs/{job}/start", json=start.model_dump())

    # -- end

    def _settle(self, live: Live) -> None:
        """All three workers are done: have what they leave become visible, and tell how that went."""
        node = self._node
        assert live.change is not None
        error: ErrorBody | None = None
        try:
            node.at("job finished everywhere")
            node.transactions.run(Prepare(transaction=fresh_id(), job=live.job, change=write_change(live.change)))
        except TercetError as problem:
            error = refused_here(node, problem)
        except Exception as problem:
            node.log.defect(problem, job=live.job)
            error = ErrorBody(error="defect", message="what the job keeps could not be kept", node=node.settings.name)
        self._jobs.settled(live, error)
        body = JobSettle(done=error is None, error=error).model_dump()
        for party in node.peers.others:
            self._pool.submit(self._tell_settled, party, live.job, body)

    def _tell_settled(self, party: Party, job: str, body: dict[str, object]) -> None:
        for _ in range(3):
            try:
                self._node.peers.call(party, "POST", f"/peer/jobs/{job}/settle", json=body)
                return
            except TercetError as error:
                self._node.log.warning("end of a job not told", job=job, reason=error.message)
                if self._stopping:
                    return
