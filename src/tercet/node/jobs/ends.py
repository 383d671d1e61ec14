"""Ends of jobs: signed by the node that says so; brought about at this node, or at all three.

A job ends with a result, with an error, or because somebody cancelled it. What a node signs counts for its signer only.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

from tercet.errors import IntegrityError, TercetError
from tercet.federation.api import ErrorBody
from tercet.federation.api_jobs import End, JobReport, SignedRequest
from tercet.federation.api_peer import Ending, JobCancel, Noted
from tercet.federation.boxes import BoxInfo
from tercet.federation.identity import Card
from tercet.federation.statements import check_end, sign_end, who_cancelled
from tercet.node.jobs.ledger import Ledger
from tercet.node.jobs.state import Conflict, EndingState, Job, RunningState, cancel, close, complete, finish, stop
from tercet.node.parts import NodeContext
from tercet.node.peers import Peers
from tercet.node.worker.pool import LanePool

_TOLD_S = 1.5


class Ends:
    """Brings jobs to their ends. Thread-safe.

    The first end that is known of a job counts: it is kept in memory (`EndingState`) until the worker is gone and the
    catalogue has it. Who calls it: everything in `node.jobs` that ends a job.
    """

    def __init__(self, context: NodeContext, peers: Peers, ledger: Ledger, lanes: LanePool) -> None:
        self._context = context
        self._peers = peers
        self._ledger = ledger
        self._lanes = lanes
        self._pool = ThreadPoolExecutor(8, thread_name_prefix="tercet job ends")
        self.changed: Callable[[Job, bool], None] = lambda job, ran: None
        """Called without a lock, with a job whose worker is done or that is at its end, and whether it ran here."""

    def shut_down(self) -> None:
        """End the threads."""
        self._pool.shutdown(cancel_futures=True)

    # -- what is signed

    def own(self, job: str, bundle: str, state: Ending, error: ErrorBody, request: SignedRequest | None = None) -> End:
        """This node's statement that a job ended here; `request` proves who cancelled it."""
        identity = self._context.identity
        if state in ("refused", "cancelled") and error.node != identity.name:
            # only that node can say so, and it did not
            message = f"{identity.name} gave it up: {error.message}"[:2000]
            error, state = identity.error("failed", message), "failed"
        return sign_end(identity.member, identity.federation.id, job, bundle, state, error, request)

    def heard(self, job: Job, end: End | None, teller: str) -> End:
        """What a job ends with here when another node, `teller`, says that it is over.

        That is the end that some node signed. Where none is shown, or its signer had no right to it, the job fails, in
        this node's words, because of the teller.
        """
        identity = self._context.identity
        try:
            if end is None:
                raise IntegrityError(f"{teller} says that the job is over, and shows no signed end of it")
            check_end(end, identity.federation, job.id, job.hash)
            if end.state == "cancelled":
                card = identity.card_of(end.signer)
                self._check_may(job, who_cancelled(end, card), card)
        except IntegrityError as error:
            self._context.log.warning("an end that counts for nothing", job=job.id, peer=teller, reason=error.message)
            words = f"{teller} ended the job, and gave no reason that holds: {error.message}"[:2000]
            return self.own(job.id, job.hash, "failed", identity.error("integrity", words))
        return end

    def _check_may(self, job: Job, person: Card, node: Card) -> None:
        """Raise IntegrityError unless the person sent the job, or is an operator, here or of that node."""
        known = self._context.policy.current.person(person.fingerprint)
        operator = known is not None and "operator" in known.roles
        if person.fingerprint not in (job.analyst, node.fingerprint) and not operator:
            raise IntegrityError(
                f"{person.name}, who cancelled it at {node.name}, is neither its analyst nor an operator"
            )

    # -- at this node

    def finished(self, job: str, report: JobReport | None, boxes: Sequence[BoxInfo]) -> None:
        """The worker is done: so is the job, unless a change waits to become visible.

        Raises Conflict if the job is being ended.
        """

        def step(now: Job) -> Job:
            after = finish(now, report, boxes)
            return complete(after) if after.work.change is None else after

        self.changed(self._ledger.change(job, step), True)

    def settled(self, job: str, error: ErrorBody | None) -> None:
        """It is known what became of the change of a finished job: `error`, or None if it is visible."""
        if error is not None:
            self.fail(job, error)
            return
        try:
            after = self._over(job, complete)
        except Conflict:
            return  # it is over, or was ended meanwhile
        self.changed(after, True)

    def fail(self, job: str, error: ErrorBody, state: Ending = "failed") -> None:
        """The job ends here without a result, and without a worker: with this error, unless its end is known already.

        Raises StorageError if that cannot be written down; `Jobs` tries again.
        """
        with suppress(Conflict):  # it has an end already
            self._ledger.change(job, lambda now: stop(now, self.own(now.id, now.hash, state, error)))
        self.close(job)

    def give_up(self, job: str, error: ErrorBody, state: Ending = "failed") -> None:
        """As `fail`, but only logs it if the catalogue does not take the end now."""
        try:
            self.fail(job, error, state)
        except TercetError as trouble:
            self._context.log.warning("end of a job not written down yet", job=job, reason=trouble.message)

    def close(self, job: str) -> None:
        """Write down the end of a job whose end is known and whose worker is gone. Raises StorageError."""
        with self._ledger.lock:
            before = self._ledger.get(job)
            if before is None or not isinstance(before.state, EndingState):
                return
            after = self._over(job, close)
        self.changed(after, before.state.ran)

    def _over(self, job: str, step: Callable[[Job], Job]) -> Job:
        """The last step of a job; its files go first: from its end on another job may write under the same names."""
        with self._ledger.lock:
            before = self._ledger.get(job)
            if before is not None:
                step(before)  # raises what `change` would, while the files are still there
                before.work.tidy(before)
            return self._ledger.change(job, step)

    def fail_here(self, job: Job, error: ErrorBody) -> None:
        """Have a job fail at this node only, with this node's error."""
        self.end_here(job.id, self.own(job.id, job.hash, "failed", error))

    def end_here(self, job: str, end: End) -> None:
        """End a job at this node only. One whose worker runs is closed by its thread, once the worker is gone."""
        with suppress(Conflict):  # it has an end already, or is over
            self._end_worker(self._stop(job, end, stop))

    def _stop(self, job: str, end: End, step: Callable[[Job, End], Job]) -> Job:
        """Note how the job ends here, which counts from now on; the job as it was before. Raises Conflict."""
        with self._ledger.lock:
            before = self._ledger.get(job)
            if before is None:
                raise Conflict("over", "ended")
            self._ledger.change(job, lambda now: step(now, end))
            return before

    def _end_worker(self, before: Job) -> None:
        """End the worker of a job that runs, or write down the end of one that has none."""
        if not isinstance(before.state, RunningState):
            self.close(before.id)
        elif self._lanes.cancel(before.id):
            self._context.log.info("worker ended", job=before.id)

    # -- at all three nodes

    def end_with(self, job: Job, error: ErrorBody) -> None:
        """Have a job fail at all three nodes, with this node's error."""
        self.end(job, self.own(job.id, job.hash, "failed", error))

    def cancel(self, job: Job, end: End) -> None:
        """End a job at all three nodes because a person wants it, with the end that says so.

        Raises Conflict where it has another end, or its change is becoming visible: that is settled first, here, before
        another node is told.
        """
        before = self._stop(job.id, end, cancel)
        self._tell(job, end)
        self._end_worker(before)

    def end(self, job: Job, end: End) -> None:
        """End a job at all three nodes. The others are told first, so that they end it for the same reason."""
        self._tell(job, end)
        self.end_here(job.id, end)

    def _tell(self, job: Job, end: End) -> None:
        body = JobCancel(end=end)
        path = f"/peer/jobs/{job.id}/cancel"
        told = [self._pool.submit(self._peers.ask, party, "POST", path, Noted, body) for party in self._peers.others]
        deadline = time.monotonic() + _TOLD_S
        for one in told:
            try:
                one.result(max(0.0, deadline - time.monotonic()))
            except (TercetError, TimeoutError):
                continue  # it finds out by itself: its worker loses ours, or its deadline comes
