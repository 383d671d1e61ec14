"""Starts jobs at this node: the heads of the other nodes' audit chains are compared, then the lane's worker runs it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from typing import TypeVar

from sqlalchemy import Connection

from tercet.engine.failure import Cause
from tercet.errors import IntegrityError, NotFound, PlanError, Refused, TercetError
from tercet.federation.api_peer import EntryHash, SignedHead
from tercet.federation.refusals import conflict, not_found
from tercet.node.jobs.ends import Ends
from tercet.node.jobs.ledger import Ledger
from tercet.node.jobs.state import Job, RunningState, progress
from tercet.node.parts import NodeContext
from tercet.node.peers import Peers
from tercet.node.worker.lanes import ended, failure
from tercet.node.worker.messages import Failed
from tercet.node.worker.pool import Answer, LaneEnd, LanePool
from tercet.store.audit import HEAD_ACCEPTED_KIND, Told

_ASK_S = 3.0
_HEARD_S = 1.0
T = TypeVar("T")


class Heads:
    """Checks heads. Thread-safe. Who calls it: `Jobs`, when a job starts, and the route of operators."""

    def __init__(self, context: NodeContext, peers: Peers) -> None:
        self._context = context
        self._peers = peers
        self._known: dict[str, float] = {}
        """By node, the start of the process whose head this process wrote down last."""

    def countersign(
        self, job: str, heads: Sequence[SignedHead], begin: Callable[[Callable[[Connection], list[Told]]], T]
    ) -> T:
        """Have `begin` write the heads of the others into this chain, in the transaction in which the job starts.

        What `begin` is given checks the heads within that transaction, and gives the entries to append.

        Raises PlanError unless there is one of each node; what `begin` raises; IntegrityError for a head that is not
        signed, or is older than an earlier one, and then the audit keeps it as evidence.
        """
        identity, audit = self._context.identity, self._context.store.audit
        if {head.node for head in heads} != {entry.name for entry in identity.federation.nodes}:
            raise PlanError("a job starts with the audit heads of all three nodes")

        others = [head for head in heads if head.node != identity.name]

        def write(connection: Connection) -> list[Told]:
            return [audit.checked_head(connection, head, identity.card_of(head.node), job) for head in others]

        try:
            for head in others:
                self._check_goes_on(head)
            begun = begin(write)
            self._known.update((head.node, head.started) for head in others)
            return begun
        except IntegrityError as error:
            told = [head.model_dump(mode="json") for head in others]
            audit.record("head refused", {"job": job, "reason": error.message, "heads": told})
            raise

    def _check_goes_on(self, head: SignedHead) -> None:
        """Raise IntegrityError unless the chain of a node that was started anew still has what it showed before.

        The length of the chain does not tell: that of a restored node is shorter, but grows with every job. So the node
        is asked for the entry that this one wrote down last; once for each of its starts.
        """
        if self._known.get(head.node) == head.started:
            return
        last = self._context.store.audit.last_head(head.node)
        if last is None or last.started == head.started or not last.number:
            return
        party = self._context.identity.federation.party(head.node)
        try:
            there = self._peers.ask(party, "GET", f"/peer/audit/{last.number}", EntryHash, timeout=_ASK_S).hash
        except NotFound:
            there = ""
        if there != last.hash:
            raise IntegrityError(
                f"{head.node} does not have entry {last.number:,} of its audit as it showed it before: an old head, as "
                "of a node that was restored from a backup",
                hint=f"ask its operator; if it was restored: tercet node accept-head {head.node}",
            )

    def accept(self, name: str, by: str, reason: str) -> None:
        """Take whatever head that node shows next: it was restored from a backup, and its chain is shorter now.

        Raises a 404 for a name that is none of the other nodes'.
        """
        identity = self._context.identity
        if name not in [identity.party_name(party) for party in identity.others]:
            raise not_found(f"{name} is no other node of the federation", hint="tercet node status names them")
        self._context.store.audit.record(HEAD_ACCEPTED_KIND, {"node": name, "by": by, "reason": reason})


class JobRuns:
    """The threads of jobs that run here. Thread-safe. Who calls it: `Jobs` and `Refreshes`, once a job is running."""

    def __init__(self, context: NodeContext, lanes: LanePool, ledger: Ledger, ends: Ends) -> None:
        self._context = context
        self._lanes = lanes
        self._ledger = ledger
        self._ends = ends
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
            self._ends.give_up(job.id, identity.told(error), "refused" if isinstance(error, Refused) else "failed")
        except Exception as error:
            context.log.defect(error, job=job.id)
            told = identity.error("defect", f"{identity.name} met an error that nobody expected")
            self._ends.give_up(job.id, told)
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
            self._ends.fail(job.id, failure(identity, job.id, answer))
        elif isinstance(answer, LaneEnd):
            self._ends.fail(job.id, ended(identity, answer))
        else:
            report, boxes = job.work.done(answer)
            self._ends.finished(job.id, report, boxes)
