"""The jobs of one node, as its routes and its other parts use them: taken in, approved, started, told, ended."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import suppress

from tercet.errors import IntegrityError, NotFound, Refused, TercetError
from tercet.federation.api import ErrorBody
from tercet.federation.api_jobs import REFUSED_HINT, End, ExplainAnswer, JobInfo, JobList, SignedRequest
from tercet.federation.api_peer import JobCancel, JobSettle, JobStart, Prepare
from tercet.federation.boxes import boxes_head
from tercet.federation.identity import Card
from tercet.federation.refusals import conflict, forbidden, not_found, too_many
from tercet.federation.statements import cancelled_by
from tercet.node.changes.checks import Checks
from tercet.node.changes.coordinator import Transactions
from tercet.node.jobs import view
from tercet.node.jobs.admission import Admission
from tercet.node.jobs.coordinator import Dispatcher
from tercet.node.jobs.decision import Desk
from tercet.node.jobs.ends import Ends
from tercet.node.jobs.ledger import Ledger
from tercet.node.jobs.news import News, given_up
from tercet.node.jobs.plans import Plans
from tercet.node.jobs.refresh import Refreshes
from tercet.node.jobs.results import Results, Retention
from tercet.node.jobs.runs import Heads, JobRuns
from tercet.node.jobs.state import (
    WITHOUT_RESULT,
    Conflict,
    EndingState,
    FinishedState,
    Job,
    QueuedState,
    RefusedState,
    SettlingState,
    assign,
    begin,
    deny,
    postpone,
    settle,
)
from tercet.node.jobs.state import approve as let_through
from tercet.node.parts import NodeContext
from tercet.node.peers import Peers
from tercet.node.worker.lanes import Reservations
from tercet.node.worker.pool import LanePool
from tercet.store.change import Change, KeepChange, RefreshChange
from tercet.store.jobs import JobRow
from tercet.store.origins import read_origins

_LOOK_S = 1.0
_TELL_AGAIN_S = 3.0
_COORDINATOR_S = 2.5
_SETTLE_S = 120.0
"""How long after its deadline a job that has something to keep waits for the coordinator's word."""
_REASON = 2000
"""Characters of a reason in the audit, whose entries are bounded."""
_HELD = "tercet node jobs --state held lists those that wait for you"
_DELETE_IT = "wait until the job is done; what it kept can be deleted then"


class Jobs:
    """Puts the parts of `node.jobs` together; made by the node, `start` before it serves. Thread-safe.

    Who calls it: the routes of jobs, the node, and changes that a job stands behind (`vouch`).
    """

    def __init__(
        self,
        context: NodeContext,
        peers: Peers,
        lanes: LanePool,
        reservations: Reservations,
        transactions: Transactions,
        checks: Checks,
    ) -> None:
        self._context = context
        self._peers = peers
        self._lanes = lanes
        self.ledger = Ledger(context)
        self.ends = Ends(context, peers, self.ledger, lanes)
        self.results = Results(context.settings.folder_path / "results")
        self.retention = Retention(context, self.results)
        self.admission = Admission(context)
        self.desk = Desk(context, checks, self.ledger, self.admission, self.ends)
        self.plans = Plans(context, self.admission, self.desk, self.results)
        self.heads = Heads(context, peers)
        self.runs = JobRuns(context, lanes, self.ledger, self.ends)
        self.dispatcher = Dispatcher(
            context, peers, transactions, checks, reservations, self.ledger, self.ends, self.start_here
        )
        self.refreshes = Refreshes(
            context, peers, transactions, reservations, self.ledger, self.ends, self.runs, self.dispatcher
        )
        self.news = News(context, peers, self.ledger, self.ends)
        self.news.here = self.dispatcher.wake
        self.ends.changed = self._changed
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._look_on, name="tercet job deadlines", daemon=True)

    @property
    def coordinates(self) -> bool:
        """Whether this node is the one that starts jobs."""
        return self._context.identity.coordinates

    def start(self) -> None:
        """Fail what ran when the node ended last, take up what waited, forget what is old, start threads and lanes."""
        self.results.tidy(self.ledger.recover(self.plans.stored, self._interrupted))
        self.retention.look()
        self._lanes.start()
        self.dispatcher.start()
        self._thread.start()

    def stop(self) -> None:
        """End lanes and threads; jobs that run fail by name."""
        self.ledger.watch.close()
        self.refreshes.stop()
        self.dispatcher.stop()
        self._lanes.stop()
        self.runs.stop()
        self._stopped.set()
        if self._thread.is_alive():
            self._thread.join()
        self.news.stop()
        self.ends.shut_down()

    def _changed(self, job: Job, ran: bool) -> None:
        if ran and isinstance(job.state, WITHOUT_RESULT) and job.work.recorded:
            self.dispatcher.failed(job.id, job.state.end)
        self.news.tell(job)

    def _look_on(self) -> None:
        """Look at all jobs every second: deadlines, ends not written down yet, news that the coordinator missed."""
        while not self._stopped.wait(_LOOK_S):
            with self._context.log.guarded("jobs not looked after"):
                for job in self.ledger.all():
                    self._look_at(job)
                self.retention.look()
                self.refreshes.scheduled()
                self._lanes.tend()

    def _look_at(self, job: Job) -> None:
        identity = self._context.identity
        late = self._context.now() - job.deadline
        finished = isinstance(job.state, FinishedState | SettlingState)
        waits = job.told in ("queued", "held") or finished or not job.work.recorded
        if isinstance(job.state, EndingState):
            if not self.runs.works_at(job.id):
                # its end could not be written down when it came
                self.ends.close(job.id)
        # the coordinator speaks first: it knows who was waited for
        elif job.told in ("queued", "held") and late > (0.0 if identity.coordinates else _COORDINATOR_S):
            message = f"the job was still {job.told} at its deadline"
            if waited := ", ".join(self.dispatcher.waiting_for(job)):
                message += f"; {waited} had not accepted it"
            self.ends.fail_here(job, identity.error("expired", message, "ask again"))
        elif finished and late > _SETTLE_S:
            coordinator = identity.federation.coordinator.name
            self.ends.settled(job.id, None if job.work.visible(job) else given_up(coordinator))
        elif waits and not identity.coordinates and self.news.seconds_since_told(job) > _TELL_AGAIN_S:
            # the coordinator may have been started anew
            self.news.tell(job)

    def _interrupted(self, job: Job) -> End:
        identity = self._context.identity
        error = identity.error("interrupted", f"{identity.name} was started anew while the job ran", "ask again")
        return self.ends.own(job.id, job.hash, "failed", error)

    # -- from analysts

    def submit(self, data: bytes, card: Card) -> JobInfo:
        """Take in a bundle: check it, decide, record. The same bundle again changes nothing.

        Raises PlanError or IntegrityError for what is wrong with it, Refused naming node and rule, HttpError (429) when
        the queue is full, DiskFull when the disk nearly is, Busy for a name under which another job keeps something.
        """
        store = self._context.store
        bundle = self.admission.open(data, card.fingerprint)
        number = bundle.header.job
        known = self._row_or_none(number)
        if known is not None:
            if known.hash != bundle.hash.hex():
                raise IntegrityError("another job of this number was sent before", hint="draw a new number for it")
            return self.info(number)
        if full := self.ledger.full(card.fingerprint):
            raise too_many(full)
        store.check_space(len(data))
        try:
            case = self.admission.read(bundle)
            self.admission.weigh(case)
            store.check_space(len(data) + case.stored_bytes)
        except TercetError as error:
            turned = {"job": number, "bundle": bundle.hash.hex(), "analyst": card.fingerprint}
            store.audit.record("job turned away", {**turned, "reason": error.message[:_REASON]})
            raise
        job = self.desk.decide(case, self.plans.work)
        self.news.tell(job)
        if isinstance(job.state, RefusedState):
            reasons = job.decision.because or "the policy does not allow it"
            raise Refused(reasons, node=self._context.identity.name, rule=job.decision.rule, hint=REFUSED_HINT)
        return self.info(number)

    def explain(self, data: bytes, card: Card) -> ExplainAnswer:
        """Decide as `submit` would, and record nothing."""
        return self.desk.explain(self.admission.read(self.admission.open(data, card.fingerprint)))

    def row(self, job: str) -> JobRow:
        """What the catalogue has. Raises a 404."""
        found = self._row_or_none(job)
        if found is None:
            name = self._context.identity.name
            raise not_found(f"{name} knows no job {job[:8]}", hint="was it sent to this node?")
        return found

    def _row_or_none(self, job: str) -> JobRow | None:
        try:
            return self._context.store.jobs.get(job)
        except NotFound:
            return None

    def check_visible(self, job: str, person: str, *, operator: bool) -> None:
        """Raise a 403 for a job of somebody else, unless an operator asks; a 404 for one that has no row."""
        live = self.ledger.get(job)
        analyst = live.analyst if live is not None and live.work.recorded else self.row(job).analyst
        if analyst != person and not operator:
            raise forbidden("this job is somebody else's")

    def info(self, job: str) -> JobInfo:
        """The job as it stands. Raises a 404."""
        return self._info(self.row(job))

    def _info(self, row: JobRow) -> JobInfo:
        job = self.ledger.get(row.job)
        position = self.ledger.position(job) if job is not None and job.told == QueuedState.told else None
        waiting_for = self.dispatcher.waiting_for(job) if job is not None else []
        return view.job_info(self._context, row, job, position, waiting_for)

    def listed(self, *, state: str | None, analyst: str | None, after: str | None, limit: int) -> JobList:
        """Jobs, newest first, after (older than) the one named; of one analyst, or of all."""
        before = self.row(after).received if after is not None else None
        states = None if state is None else [state]
        rows = self._context.store.jobs.list(states=states, analyst=analyst, limit=limit, before=before)
        return JobList(jobs=[self._info(row) for row in rows], next=rows[-1].job if len(rows) == limit else None)

    def boxes(self, job: str, fingerprint: str) -> tuple[int, Iterator[bytes]]:
        """All boxes for one recipient: length and pieces of the answer. Raises a 409 before the end, a 404, or Gone."""
        row = self.row(job)
        if row.state != "done":
            raise conflict(f"the job is {row.state}, and has no result", hint="wait for its end")
        boxes = [box for box in view.read_info(row).boxes if box.recipient == fingerprint]
        if not boxes:
            raise not_found("nothing of the job was revealed to you")
        head = boxes_head([(box.output, box.nbytes) for box in boxes])
        return len(head) + sum(box.nbytes for box in boxes), self.results.read(job, boxes, head)

    def cancel(self, job: str, name: str, request: SignedRequest) -> JobInfo:
        """End a job at all nodes, if it is not at its end; `name` is who wants it, `request` proves that they do.

        Raises a 409 while what the job keeps is becoming visible: it can no longer be taken back.
        """
        live = self.ledger.get(job)
        if live is not None:
            error = self._context.identity.error("cancelled", cancelled_by(name))
            try:
                self.ends.cancel(live, self.ends.own(job, live.hash, "cancelled", error, request))
            except Conflict:
                now = self.ledger.get(job)
                if now is not None and isinstance(now.state, SettlingState):
                    raise conflict("what the job keeps is becoming visible", hint=_DELETE_IT) from None
        return self.info(job)

    # -- from the operator

    def rule(self, job: str, *, approve: bool, name: str, reason: str) -> JobInfo:
        """Let a held job through, or not. Raises a 409 for one that is not held."""
        self.row(job)
        audit = {"by": name, "reason": reason, "approved": approve}
        try:
            after = self.ledger.change(
                job,
                lambda now: (
                    let_through(now, f"{name} approved it. {reason}".strip())
                    if approve
                    else self._denied(now, name, reason)
                ),
                audit=audit,
            )
        except Conflict:
            live = self.ledger.get(job)
            state = self.row(job).state if live is None else live.told
            raise conflict(f"the job is {state}, not held", hint=_HELD) from None
        self.news.tell(after)
        return self.info(job)

    def _denied(self, job: Job, name: str, reason: str) -> Job:
        here = self._context.identity.name
        message = f"{name} of {here} did not let the job through"
        error = ErrorBody(
            error="refused",
            message=f"{message}: {reason}" if reason else message,
            node=here,
            rule=job.decision.rule,
        )
        return deny(job, self.ends.own(job.id, job.hash, "refused", error))

    # -- from the coordinator and other nodes

    def start_here(self, job: str, start: JobStart) -> None:
        """Run a job that all three nodes have accepted, as the coordinator says.

        Raises a 409 for one that is not queued here, and what `Heads.countersign` raises: then it is queued again, and
        the coordinator ends it.
        """
        name = self._context.identity.name
        live = self.ledger.get(job)
        if live is None:
            raise conflict(f"{name} has no such job that waits")
        if start.bundle != live.hash:
            raise IntegrityError("the coordinator means another job than this node has", hint="nothing was run")
        self.runs.check_lane(start.lane)
        try:
            if not self.coordinates:
                self.ledger.change(job, lambda now: assign(now, start.lane, start.session))
            running = self.heads.countersign(
                job,
                start.heads,
                lambda heads: self.ledger.change(job, begin, audit={"lane": start.lane}, more=heads),
            )
        except Conflict as error:
            raise conflict(f"the job is {error.state} at {name}, not queued") from None
        except TercetError:
            if not self.coordinates:
                with suppress(Conflict):  # it was ended meanwhile
                    self.ledger.change(job, postpone)
            raise
        self.runs.begin(running)

    def settle_here(self, job: str, settle: JobSettle) -> None:
        """The coordinator says what became of what a job keeps."""
        live = self.ledger.get(job)
        if live is not None and isinstance(live.state, FinishedState | SettlingState):
            gave_up = given_up(self._context.identity.federation.coordinator.name)
            self.ends.settled(job, None if settle.done else settle.error or gave_up)

    def cancel_here(self, job: str, cancel: JobCancel, teller: str) -> None:
        """Another node ends a job, or passes on who did."""
        live = self.ledger.get(job)
        if live is not None and live.hash == cancel.end.bundle:
            self.ends.end_here(job, self.ends.heard(live, cancel.end, teller))

    # -- changes that follow from jobs

    def vouch(self, prepare: Prepare, change: Change) -> None:
        """Raise unless this node's own job stands behind a change of kind keep or refresh."""
        job = self.ledger.get(prepare.job or "")
        if job is None or not isinstance(job.state, FinishedState | SettlingState):
            raise conflict(f"no job of {self._context.identity.name} has this change ready")
        if not isinstance(change, KeepChange | RefreshChange) or change != job.work.change:
            raise IntegrityError("the change is not the one that the job left", hint="nothing was changed")
        if isinstance(change, KeepChange):
            self._check_not_refreshed(change)
        if isinstance(job.state, FinishedState):
            try:
                self.ledger.change(job.id, settle)
            except Conflict:
                raise conflict("the job has been ended meanwhile") from None

    def _check_not_refreshed(self, change: KeepChange) -> None:
        """Raise a 409 if a dataset behind is being refreshed here: jobs that keep results all the time would hold up
        refreshes for ever."""
        behind = {origin.dataset for array in change.arrays for origin in read_origins(array.disclosure)}
        for job in self.ledger.all():
            if isinstance(job.work.change, RefreshChange) and job.work.change.dataset in behind:
                raise conflict(f"the shares of {job.work.change.dataset} are being refreshed", hint="ask again soon")
