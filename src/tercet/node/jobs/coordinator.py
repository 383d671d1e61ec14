"""Dispatches jobs at the coordinator: waits until all three nodes have accepted, picks a lane, says start, settles.

It decides nothing about what is allowed. Nodes tell it unasked what they decided and how their workers ended; what it
has not heard it asks for.
"""

from __future__ import annotations

import hashlib
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

from tercet.errors import ProtocolViolation, TercetError, Timeout, Unreachable
from tercet.federation.api import ErrorBody
from tercet.federation.api_jobs import FINAL_STATES, End
from tercet.federation.api_peer import JobCancel, JobNews, JobPrepare, JobSettle, JobStart, Noted, Prepare, SignedHead
from tercet.federation.model import fresh_id
from tercet.node.changes.checks import Checks
from tercet.node.changes.coordinator import Transactions
from tercet.node.jobs.ends import Ends
from tercet.node.jobs.ledger import Ledger
from tercet.node.jobs.state import (
    Conflict,
    EndingState,
    FinishedState,
    Job,
    QueuedState,
    RunningState,
    assign,
    begin_checks,
    checked,
    postpone,
    settle,
)
from tercet.node.parts import NodeContext
from tercet.node.peers import Peers
from tercet.node.worker.lanes import Reservations
from tercet.sharing import Party
from tercet.store.change import write_change

_TURN_S = 1.0
_ASK_AGAIN_S = 1.0
_ASK_S = 2.0
_GONE_S = 1.5
"""How long a node that has to accept a job may be away before the job ends; with the asking, named within 5 s."""
_EARLY = 1024
_OTHERS_END_S = 2.0
"""How long the coordinator waits, when a job failed at another node, for its own worker's account of it."""


@dataclass
class _After:
    """A job that has failed here: others whose workers may not know it yet, and when they are told."""

    due: float
    cancel: JobCancel
    left: set[Party]
    tries: int = 5


@dataclass
class _Heard:
    """What the coordinator has heard of a job from the other two nodes. Times are monotonic."""

    news: dict[Party, JobNews] = field(default_factory=dict)
    """Their last news."""
    silent: dict[Party, float] = field(default_factory=dict)
    """Since when a node that has to accept it cannot be reached."""
    failed_at: float | None = None
    """When a node first said that it has failed there."""
    asked_at: float | None = None
    """When the nodes that have not accepted it were asked last; to begin with, when it was first looked at."""

    def says(self, job: Job, party: Party, state: str) -> bool:
        """Whether the last news of that node is of this bundle and this state."""
        news = self.news.get(party)
        return news is not None and news.bundle == job.hash and news.state == state


class Dispatcher:
    """One thread at the coordinator, and pools for what waits on other nodes; at other nodes it does nothing.

    Who calls it: `Jobs` and the routes between nodes (`heard`, `wake`), and `Refreshes`, which reads what was heard.
    """

    def __init__(
        self,
        context: NodeContext,
        peers: Peers,
        transactions: Transactions,
        checks: Checks,
        reservations: Reservations,
        ledger: Ledger,
        ends: Ends,
        begin: Callable[[str, JobStart], None],
    ) -> None:
        """`begin` starts a job at this node, given its identifier and what the others are told."""
        self._context = context
        self._identity = context.identity
        self._peers = peers
        self._transactions = transactions
        self._checks = checks
        self._reservations = reservations
        self._ledger = ledger
        self._ends = ends
        self._begin = begin
        self._condition = threading.Condition()
        self._awake = False
        self._after: dict[str, _After] = {}
        self._heard: dict[str, _Heard] = {}
        self._early: OrderedDict[tuple[str, Party], JobNews] = OrderedDict()
        self._pool = ThreadPoolExecutor(8, thread_name_prefix="tercet dispatch")
        # one after the other, so that heads reach every node in the order in which they were collected
        self._starter = ThreadPoolExecutor(1, thread_name_prefix="tercet start")
        self._passed: dict[Party, int] = {}
        self._thread = threading.Thread(target=self._run, name="tercet dispatcher", daemon=True)
        self._stopping = False

    def start(self) -> None:
        """Start the thread, at the coordinator."""
        if self._identity.coordinates:
            self._thread.start()

    def stop(self) -> None:
        """End thread and pools."""
        with self._condition:
            self._stopping = True
            self._condition.notify_all()
        self._reservations.stop()
        if self._thread.is_alive():
            self._thread.join()
        self._starter.shutdown(cancel_futures=True)
        self._pool.shutdown(cancel_futures=True)

    def wake(self) -> None:
        """Something has happened: look at all jobs again."""
        with self._condition:
            self._awake = True
            self._condition.notify_all()

    # -- what other nodes say

    def heard(self, party: Party, job: str, news: JobNews) -> None:
        """Another node said how a job stands there."""
        here = self._ledger.get(job) is not None
        with self._condition:
            if here:
                last = self._heard.setdefault(job, _Heard()).news
                if _goes_on(last.get(party), news):
                    last[party] = news
            elif _goes_on(self._early.get((job, party)), news):
                # it may be on its way to us, too
                self._early[job, party] = news
                while len(self._early) > _EARLY:
                    self._early.popitem(last=False)
            if news.state in FINAL_STATES and job in self._after:
                self._after[job].left.discard(party)
        if news.state in (*FINAL_STATES, "finished"):
            self._reservations.ended_at(party, job)
        self._ledger.watch.changed(job)
        self.wake()

    def heard_of(self, job: str) -> Mapping[Party, JobNews]:
        """The last news of the other nodes, also from before the job came."""
        with self._condition:
            early = {party: self._early[job, party] for party in self._identity.others if (job, party) in self._early}
            return early | self._heard.get(job, _Heard()).news

    def _heard_now(self, job: Job) -> _Heard:
        """What was heard of a job, with what was heard before it came."""
        with self._condition:
            heard = self._heard.setdefault(job.id, _Heard())
            for party in self._identity.others:
                news = self._early.pop((job.id, party), None)
                if news is not None:
                    heard.news.setdefault(party, news)
            return heard

    def waiting_for(self, job: Job) -> list[str]:
        """Names of the nodes that have not accepted a job."""
        if not self._identity.coordinates or job.told not in ("queued", "held"):
            return []
        with self._condition:
            heard = self._heard.get(job.id, _Heard())
            missing = [party for party in self._identity.others if not heard.says(job, party, "queued")]
        return [self._identity.party_name(party) for party in missing]

    # -- jobs that failed here

    def failed(self, job: str, end: End) -> None:
        """A job that ran has failed here: see that it ends at the others, which mostly find out by themselves."""
        if not self._identity.coordinates:
            return
        over = [party for party, news in self.heard_of(job).items() if news.state in FINAL_STATES]
        left = {party for party in self._identity.others if party not in over}
        with self._condition:
            self._after[job] = _After(time.monotonic() + _OTHERS_END_S, JobCancel(end=end), left)

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
                path = f"/peer/jobs/{job}/cancel"
                self._pool.submit(self._peers.tell, party, path, after.cancel, "failed job not ended", job=job)

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
                self._forget()
                for known in self._ledger.all():
                    job = self._ledger.get(known.id)
                    if job is not None and job.work.recorded:
                        self._look_at(job)
            except Exception as error:
                self._context.log.defect(error)

    def _forget(self) -> None:
        """Let go of what belongs to jobs that are at their end."""
        for job in self._reservations.running():
            if self._ledger.get(job) is None:
                self._reservations.ended(job)
        with self._condition:
            for job in list(self._heard):
                if self._ledger.get(job) is None:
                    del self._heard[job]

    def _look_at(self, job: Job) -> None:
        others = self._identity.others
        heard = self._heard_now(job)
        if heard.asked_at is None:
            # what waits since before a start of this node may be waited for already
            heard.asked_at = 0.0 if job.created < self._context.started else time.monotonic()
        if isinstance(job.state, EndingState) or self._fails(job, heard):
            return
        if isinstance(job.state, FinishedState):
            if all(heard.says(job, party, "finished") for party in others) and self._step(job, settle):
                self._pool.submit(self._settle, job)
        elif isinstance(job.state, QueuedState):
            missing = [party for party in others if not heard.says(job, party, "queued")]
            if not missing:
                self._launch(job)
            elif time.monotonic() - heard.asked_at > _ASK_AGAIN_S:
                heard.asked_at = time.monotonic()
                for party in missing:
                    self._pool.submit(self._ask, job, party)

    def _step(self, job: Job, step: Callable[[Job], Job]) -> bool:
        """Take a job one step on; False if it has gone another way meanwhile."""
        try:
            self._ledger.change(job.id, step)
        except Conflict:
            return False
        return True

    def _fails(self, job: Job, heard: _Heard) -> bool:
        """Whether another node makes the job impossible; it is then ended everywhere."""
        for party, news in list(heard.news.items()):
            name = self._identity.party_name(party)
            if news.bundle is not None and news.bundle != job.hash:
                message = f"{name} holds another job of this number than {self._identity.name}"
                error = ErrorBody(error="integrity", message=message, hint="nothing was run", node=name)
                self._ends.end_with(job, error)
                return True
            if news.state not in ("failed", "cancelled", "refused"):
                continue
            blames_itself = news.error is not None and news.error.node == name
            if isinstance(job.state, RunningState) and news.state != "refused" and not blames_itself:
                if heard.failed_at is None:
                    heard.failed_at = time.monotonic()
                if time.monotonic() - heard.failed_at < _OTHERS_END_S:
                    return False
            self._ends.end(job, self._ends.heard(job, news.end, name))
            return True
        return False

    def _ask(self, job: Job, party: Party) -> bool:
        """Ask how a job stands at that node; whether it has answered."""
        body = JobPrepare(bundle=job.hash)
        try:
            path = f"/peer/jobs/{job.id}/prepare"
            self.heard(party, job.id, self._peers.ask(party, "POST", path, JobNews, body, timeout=_ASK_S))
        except ProtocolViolation:
            name = self._identity.party_name(party)
            told = ErrorBody(error="protocol", message=f"{name} does not answer as this version does", node=name)
            self._ends.end_with(job, told)
        except TercetError as error:
            self._cannot_ask(job, party, error)
        else:
            self._heard_now(job).silent.pop(party, None)
            return True
        return False

    def _cannot_ask(self, job: Job, party: Party, error: TercetError) -> None:
        """End a job that cannot run with that node; one that is away for a moment is asked again."""
        now = self._ledger.get(job.id)
        if now is None or now.told != "queued":
            return
        if not isinstance(error, Unreachable | Timeout):
            self._ends.end_with(job, self._identity.told(error))
            return
        heard, since = self._heard_now(job), time.monotonic()
        news = heard.news.get(party)
        # an operator may take days, and what waits since before a start of this node waits for the others' starts
        patient = (news is not None and news.state == "held") or job.created < self._context.started
        if not patient and since - heard.silent.setdefault(party, since) > _GONE_S:
            self._ends.end_with(job, self._identity.told(error))

    # -- start

    def _launch(self, job: Job) -> None:
        """Start a job that all three nodes have accepted, if a lane is free; have its data checked first."""
        if job.facts.unchecked:
            if self._step(job, begin_checks):
                self._pool.submit(self._check_first, job)
            return
        lane = self._reservations.take_now(job.id, self._identity.others)
        if lane is None:
            return
        session = hashlib.sha256(b"tercet/1 session " + job.hash.encode()).hexdigest()
        if self._step(job, lambda now: assign(now, lane, session)):
            self._starter.submit(self._start, job, lane, session)
        else:
            self._reservations.give(lane)

    def _check_first(self, job: Job) -> None:
        """Have uploads checked that nobody has checked: nodes that want it so do not start the job otherwise."""
        context = self._context
        for name in job.facts.unchecked:
            with context.log.guarded("dataset not checked", dataset=name, job=job.id):
                uploads = {segment.upload for segment in context.store.datasets.get(name).unchecked}
                if not uploads <= set(self._checks.has_failed(name)):
                    self._transactions.check_dataset(name)
        self._step(job, checked)
        self.wake()

    def _start(self, job: Job, lane: int, session: str) -> None:
        context = self._context
        context.at("job starts")
        with self._condition:
            heard = self._heard.get(job.id)
        try:
            heads = None if heard is None else self._heads(job, heard)
            if heads is None:
                # it is over; or what the job would have shown of another node is old, and accuses that node
                self._reservations.give(lane)
                self._step(job, postpone)
                return
            start = JobStart(bundle=job.hash, lane=lane, session=session, heads=heads)
            path = f"/peer/jobs/{job.id}/start"
            told = [
                self._pool.submit(self._peers.ask, party, "POST", path, Noted, start) for party in self._identity.others
            ]
            self._begin(job.id, start)
            for one in told:
                one.result()
        except TercetError as error:
            self._ends.end_with(job, self._identity.told(error))
        except Exception as error:
            context.log.defect(error, job=job.id)
            self._ends.end_with(job, self._identity.error("defect", f"{self._identity.name} could not start it"))

    def _heads(self, job: Job, heard: _Heard) -> list[SignedHead] | None:
        """The newest entries of all three audits: no lower than what was passed on with another job.

        None where another node that has to be asked for it again does not answer now.
        """
        found = [self._context.store.audit.head()]
        for party in self._identity.others:
            # another job may have come later and started sooner
            if heard.news[party].head.number < self._passed.get(party, 0) and not self._ask(job, party):
                return None
            head = heard.news[party].head
            self._passed[party] = head.number
            found.append(head)
        return found

    # -- end

    def _settle(self, job: Job) -> None:
        """All three workers are done: have the job's change become visible, and tell how that went."""
        context, change = self._context, job.work.change
        assert change is not None
        error: ErrorBody | None = None
        try:
            context.at("job finished everywhere")
            self._transactions.run(Prepare(transaction=fresh_id(), job=job.id, change=write_change(change)))
        except TercetError as problem:
            error = self._identity.told(problem)
        except Exception as problem:
            context.log.defect(problem, job=job.id)
            error = self._identity.error("defect", "what the job keeps could not be kept")
        self._ends.settled(job.id, error)
        context.at("job settled")
        body = JobSettle(done=error is None, error=error)
        for party in self._identity.others:
            self._pool.submit(self._tell_settled, party, job.id, body)

    def _tell_settled(self, party: Party, job: str, body: JobSettle) -> None:
        for _ in range(3):
            told = self._peers.tell(party, f"/peer/jobs/{job}/settle", body, "end of a job not told", job=job)
            if told or self._stopping:
                return


_STEPS = (None, "held", "queued", "running", "finished")


def _goes_on(before: JobNews | None, news: JobNews) -> bool:
    """Whether news of a node is no older than what it said before: answers and its own words overtake each other."""
    if before is None or before.head.started != news.head.started:
        return True  # of a node that was started anew the last word counts: it may have lost a job
    return _progress(news) >= _progress(before)


def _progress(news: JobNews) -> tuple[int, int]:
    state = None if news.bundle is None else news.state
    return _STEPS.index(state) if state in _STEPS else len(_STEPS), news.head.number
