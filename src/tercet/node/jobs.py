"""The jobs of one node: taken in, decided, held or queued, run with the other two, and ended by name."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection

from tercet.errors import IntegrityError, Refused, TercetError
from tercet.federation.api import REFUSED_HINT, Decision, ErrorBody, Explanation, JobInfo, JobList, Outcome
from tercet.federation.api_peer import Ending, JobCancel, JobNews, JobSettle, JobStart, Prepare, RefreshStart
from tercet.federation.boxes import boxes_head
from tercet.federation.identity import Card
from tercet.federation.orders import SignedOrder
from tercet.node.admission import Admission
from tercet.node.desk import Desk
from tercet.node.dispatch import Dispatcher
from tercet.node.heads import Heads
from tercet.node.job_info import info_of
from tercet.node.job_runs import JobRuns
from tercet.node.lane_messages import BoxInfo
from tercet.node.ledger import Ledger
from tercet.node.live import Live
from tercet.node.refresh import Refreshes
from tercet.node.refusals import conflict, not_found, too_many
from tercet.node.results import Results
from tercet.node.retention import Retention
from tercet.store.change import Change, KeepChange, RefreshChange
from tercet.store.errors import NotFound
from tercet.store.files import remove_folder
from tercet.store.jobs import JobRow
from tercet.store.kept_files import kept_place

if TYPE_CHECKING:
    from tercet.node.supervisor import Node

_LOOK_S = 1.0
_TELL_AGAIN_S = 3.0
_COORDINATOR_S = 2.5
_TOLD_S = 3.0
_SETTLE_S = 120.0
_REASON = 2000
"""Characters of a reason in the audit, whose entries are bounded."""
"""How long after its deadline a job that has something to keep waits for the coordinator's word."""


class Jobs:
    """Made by the node; `start` before it serves. Thread-safe.

    Who calls it: the routes of jobs, the node, and what works for it (`JobRuns`, `Dispatcher`, `Refreshes`).
    """

    def __init__(self, node: Node) -> None:
        self._node = node
        self._end = threading.Event()
        self.ledger = Ledger(node)
        self.results = Results(node.settings.folder_path / "results")
        self.retention = Retention(node, self.results)
        self.admission = Admission(node)
        self.desk = Desk(node, self.ledger, self.admission)
        self.heads = Heads(node)
        self.runs = JobRuns(node, self)
        self.dispatcher = Dispatcher(node, self)
        self.refreshes = Refreshes(node, self)
        self._pool = ThreadPoolExecutor(8, thread_name_prefix="tercet jobs")
        self._looker = threading.Thread(target=self._look_on, name="tercet job deadlines", daemon=True)

    @property
    def coordinates(self) -> bool:
        return self._node.federation.coordinator.name == self._node.settings.name

    def start(self) -> None:
        """Fail what ran when the node ended last, take up what waited, forget what is old, start the workers."""
        self.results.tidy(self.ledger.recover())
        self.retention.look()
        self.runs.start()
        self.dispatcher.start()
        self._looker.start()

    def stop(self) -> None:
        """End the workers; jobs that run fail by name."""
        self._end.set()
        self.ledger.watch.close()
        self.refreshes.stop()
        self.dispatcher.stop()
        self.runs.stop()
        if self._looker.is_alive():
            self._looker.join()
        self._pool.shutdown(cancel_futures=True)

    # -- from analysts

    def submit(self, data: bytes, card: Card) -> JobInfo:
        """Take in a bundle: check it, decide, record. The same bundle again changes nothing.

        Raises PlanError or IntegrityError for what is wrong with it, Refused naming node and rule, Turned (429) when
        the queue is full, DiskFull when the disk nearly is, Busy for a name under which another job keeps something.
        """
        node = self._node
        bundle = self.admission.open(data, card.fingerprint)
        job = bundle.header.job
        known = self._row_or_none(job)
        if known is not None:
            if known.hash != bundle.hash.hex():
                raise IntegrityError("another job of this number was sent before", hint="draw a new number for it")
            return self.info(job)
        if full := self.ledger.full(card.fingerprint):
            raise too_many(full)
        node.check_space(len(data))
        try:
            case = self.admission.read(bundle)
            self.admission.weigh(case)
            node.check_space(len(data) + case.stored_bytes)
        except TercetError as error:
            turned = {"job": job, "bundle": bundle.hash.hex(), "analyst": card.fingerprint}
            node.audit.record("job turned away", {**turned, "reason": error.message[:_REASON]})
            raise
        live = self.desk.decide(case)
        self.tell(live)
        if live.state == "refused":
            reasons = " ".join(live.decision.reasons) or "the policy does not allow it"
            raise Refused(reasons, node=node.settings.name, rule=live.decision.rule, hint=REFUSED_HINT)
        return self.info(job)

    def explain(self, data: bytes, card: Card) -> Explanation:
        """Decide as `submit` would, and record nothing."""
        return self.desk.explain(self.admission.read(self.admission.open(data, card.fingerprint)))

    def row(self, job: str) -> JobRow:
        """What the catalogue has. Raises a 404."""
        found = self._row_or_none(job)
        if found is None:
            raise not_found(f"{self._node.settings.name} knows no job {job[:8]}", hint="was it sent to this node?")
        return found

    def _row_or_none(self, job: str) -> JobRow | None:
        try:
            return self._node.jobs_store.get(job)
        except NotFound:
            return None

    def info(self, job: str) -> JobInfo:
        """The job as it stands. Raises a 404."""
        return self._info(self.row(job))

    def _info(self, row: JobRow) -> JobInfo:
        live = self.ledger.get(row.job)
        queued = live is not None and live.state == "queued"
        position = self.ledger.position(live) if live is not None and queued else None
        waiting_for = self.dispatcher.waiting_for(live) if live is not None else []
        return info_of(self._node, row, live, position, waiting_for)

    def listed(self, *, state: str | None, analyst: str | None, after: str | None, limit: int) -> JobList:
        """Jobs, newest first, after (older than) the one named; of one analyst, or of all."""
        before = self.row(after).received if after is not None else None
        states = None if state is None else [state]
        rows = self._node.jobs_store.list(states=states, analyst=analyst, limit=limit, before=before)
        return JobList(jobs=[self._info(row) for row in rows], next=rows[-1].job if len(rows) == limit else None)

    def boxes(self, job: str, fingerprint: str) -> tuple[int, Iterator[bytes]]:
        """All boxes for one recipient: length and pieces of the answer. Raises a 409 before the end, a 404, or Gone."""
        row = self.row(job)
        if row.state != "done":
            raise conflict(f"the job is {row.state}, and has no result", hint="wait for its end")
        boxes = [BoxInfo.model_validate(data) for data in row.info.get("boxes", []) if data["recipient"] == fingerprint]
        if not boxes:
            raise not_found("nothing of the job was revealed to you")
        head = boxes_head([(box.output, box.nbytes) for box in boxes])
        return len(head) + sum(box.nbytes for box in boxes), self.results.read(job, boxes, head)

    def cancel(self, job: str, name: str) -> JobInfo:
        """End a job at all nodes, if it is not at its end; `name` is who wants it."""
        live = self.ledger.get(job)
        if live is not None:
            me = self._node.settings.name
            self.end(live, "cancelled", ErrorBody(error="cancelled", message=f"{name} cancelled the job", node=me))
        return self.info(job)

    # -- from the operator

    def rule(self, job: str, *, approve: bool, name: str, reason: str) -> JobInfo:
        """Let a held job through, or not. Raises a 409 for one that is not held."""
        live = self.ledger.get(job)
        row = self.row(job)
        if live is None:
            raise conflict(f"the job is {row.state}, not held")
        node = self._node
        audit = {"by": name, "reason": reason, "approved": approve}
        with self.ledger.lock:
            if live.state != "held":
                raise conflict(f"the job is {live.state}, not held")
            if approve:
                reasons = [*live.decision.reasons, f"{name} approved it. {reason}".strip()]
                live.decision = live.decision.model_copy(update={"verdict": "accepted", "reasons": reasons})
                info = {"approved": live.decision.rule}
                self.ledger.move(live, "queued", only_from=("held",), audit=audit, info=info)
            else:
                message = f"{name} of {node.settings.name} did not let the job through"
                error = ErrorBody(
                    error="refused",
                    message=f"{message}: {reason}" if reason else message,
                    node=node.settings.name,
                    rule=live.decision.rule,
                )
                live.decision = live.decision.model_copy(update={"verdict": "refused"})
                self.ledger.move(live, "refused", only_from=("held",), audit=audit, error=error)
        self.tell(live)
        return self.info(job)

    # -- from the coordinator and other nodes

    def news(self, job: str) -> JobNews:
        """How a job stands here."""
        head = self._node.signed_head()
        live, row = self.ledger.get(job), None
        if live is None:
            row = self._row_or_none(job)
            if row is None:
                return JobNews(bundle=None, head=head)
            told = row.info.get("error")
            error = None if told is None else ErrorBody.model_validate(told)
            decision = Decision.model_validate(row.decision)
            return JobNews(bundle=row.hash, state=row.state, decision=decision, error=error, head=head)  # type: ignore[arg-type]
        return self._news_of(live)

    def _news_of(self, live: Live) -> JobNews:
        state = "finished" if live.finished and not live.final else live.state
        return JobNews(
            bundle=live.hash,
            state=state,
            decision=live.decision,
            error=live.error,
            head=self._node.signed_head(),
        )

    def tell(self, live: Live) -> None:
        """Have the coordinator know how a job stands here; soon, and without waiting for it."""
        live.told_at = time.monotonic()
        if self.coordinates:
            self.dispatcher.wake()
        elif not self._end.is_set():
            self._pool.submit(self._tell, live)

    def _tell(self, live: Live) -> None:
        node = self._node
        coordinator = node.federation.party(node.federation.coordinator.name)
        try:
            body = self._news_of(live).model_dump(mode="json")
            answer = node.peers.call(coordinator, "POST", f"/peer/jobs/{live.job}/news", json=body)
            self._heard_back(live, JobNews.model_validate(answer))
        except TercetError as error:
            # told again while it is not at its end; and the coordinator asks
            node.log.warning("coordinator not told of a job", job=live.job, reason=error.message)
        except Exception as error:
            node.log.defect(error, job=live.job)

    def _heard_back(self, live: Live, there: JobNews) -> None:
        """What the coordinator says of a job that it has given up counts here, too."""
        if live.kind == "refresh" and there.bundle is None:
            # it was decided or given up; what became of the change, whoever has it ready asks about
            self.settled(live, self._gave_up())
        elif there.bundle == live.hash and there.state in ("failed", "cancelled", "refused") and not live.final:
            name = self._node.federation.coordinator.name
            error = there.error or ErrorBody(error=there.state, message=f"{name} gave the job up", node=name)
            self._end_here(live, there.state, error)

    def begin(self, live: Live, start: JobStart) -> None:
        """Run a job that all three nodes have accepted. Raises a 409 for one that is not queued here."""
        node = self._node
        if start.bundle != live.hash:
            raise IntegrityError("the coordinator means another job than this node has", hint="nothing was run")
        self._check_lane(start.lane)

        def move(countersign: Callable[[Connection], None]) -> bool:
            return self.ledger.move(
                live, "running", only_from=("queued",), audit={"lane": start.lane}, more=countersign
            )

        if not self.heads.countersign(live.job, start.heads, move):
            raise conflict(f"the job is {live.state} at {node.settings.name}, not queued")
        self.runs.begin(live, start.lane, start.session)

    def _check_lane(self, lane: int) -> None:
        if lane >= len(self.runs.lanes):
            raise conflict(
                f"{self._node.settings.name} has {len(self.runs.lanes)} lanes, and the job is to run in lane {lane}",
                hint="set the same number of lanes at all three nodes",
            )

    def start_here(self, job: str, start: JobStart) -> None:
        """The coordinator says start."""
        live = self.ledger.get(job)
        if live is None:
            raise conflict(f"{self._node.settings.name} has no such job that waits")
        self.begin(live, start)

    def refresh_here(self, job: str, start: RefreshStart) -> None:
        """The coordinator says that a refresh starts."""
        self._check_lane(start.lane)
        self.refreshes.join(job, start)

    def settle_here(self, job: str, settle: JobSettle) -> None:
        """The coordinator says what became of what a job keeps."""
        live = self.ledger.get(job)
        if live is not None and live.finished:
            self.settled(live, None if settle.done else settle.error or self._gave_up())

    def cancel_here(self, job: str, cancel: JobCancel) -> None:
        """Another node ends a job."""
        live = self.ledger.get(job)
        if live is not None and live.hash == cancel.bundle:
            self._end_here(live, cancel.state, cancel.error)

    def _gave_up(self) -> ErrorBody:
        name = self._node.federation.coordinator.name
        return ErrorBody(error="failed", message=f"{name} gave the job up", node=name)

    # -- ends

    def finished(self, live: Live) -> None:
        """The worker is done: so is the job, unless something waits to become visible."""
        if live.change is not None:
            live.finished = True
            self.tell(live)
        else:
            self.settled(live, None)

    def settled(self, live: Live, error: ErrorBody | None) -> None:
        """The job is at its end here, done or not."""
        if error is not None:
            self.failed(live, error)
        elif live.kind == "refresh":
            self.refreshes.forget(live)
        else:
            audit = {"seconds": live.info.get("report", {}).get("seconds", 0.0)}
            if self.ledger.move(live, "done", only_from=("running",), audit=audit, more=self._receipts(live, "done")):
                self.tell(live)

    def failed(self, live: Live, error: ErrorBody, state: Ending = "failed") -> None:
        """The job has ended here without a result; what it wrote is deleted."""
        if live.kind == "refresh":
            live.state, live.error = state, error
            self.tell(live)
            self.refreshes.forget(live)
            return
        self.results.drop(live.job)
        live.info.pop("boxes", None)
        with self.ledger.lock:
            ran = live.state == "running"
            if ran:
                # before its end: from then on another job may write under the same names
                self._sweep(live)
            more = self._receipts(live, state) if ran else None
            moved = self.ledger.move(live, state, only_from=("held", "queued", "running"), error=error, more=more)
        if moved and ran:
            self.dispatcher.failed(live, state, error)
        if moved:
            self.tell(live)

    def give_up(self, live: Live, error: ErrorBody, state: Ending = "failed") -> None:
        """As `failed`; what the catalogue does not take now, it is given again later."""
        try:
            self.failed(live, error, state)
        except TercetError as trouble:
            with self.ledger.lock:
                live.end = live.end or (state, error)
            self._node.log.warning("end of a job not written down yet", job=live.job, reason=trouble.message)

    def _sweep(self, live: Live) -> None:
        """Delete the files of what a failed job was to keep, unless its change is ready and waits for the decision."""
        change = live.change
        if not isinstance(change, KeepChange) or any(doubt.change == change for doubt in self._node.changes.in_doubt()):
            return
        for array in change.arrays:
            try:
                if self._node.kept.get(array.handle).job == live.job:
                    return  # it is visible after all
            except NotFound:
                remove_folder(kept_place(self._node.settings.folder_path, array.handle))

    def _receipts(self, live: Live, outcome: str) -> Any:
        def write(connection: Connection) -> None:
            for name, version in live.info.get("versions", {}).items():
                columns = [c.partition(".")[2] for c in live.info["columns"] if c.startswith(name + ".")]
                self._node.jobs_store.add_receipt(
                    connection,
                    job=live.job,
                    dataset=name,
                    version=version,
                    analyst=live.analyst,
                    outcome=outcome,
                    details={
                        "columns": columns,
                        "purpose": live.info.get("purpose", ""),
                        "numbers": live.info.get("numbers", 0),
                        "bundle": live.hash,
                    },
                )

        return write

    def end(self, live: Live, state: Ending, error: ErrorBody) -> None:
        """End a job at all three nodes. The others are told first, so that they call it by the same name."""
        body = JobCancel(bundle=live.hash, state=state, error=error).model_dump()
        told = [
            self._pool.submit(self._node.peers.call, party, "POST", f"/peer/jobs/{live.job}/cancel", json=body)
            for party in self._node.peers.others
        ]
        deadline = time.monotonic() + _TOLD_S
        for one in told:
            try:
                one.result(max(0.0, deadline - time.monotonic()))
            except (TercetError, TimeoutError):
                continue  # it finds out by itself: its worker loses ours, or its deadline comes
        self._end_here(live, state, error)

    def _end_here(self, live: Live, state: Ending, error: ErrorBody) -> None:
        with self.ledger.lock:
            if live.final or live.end is not None:
                return
            live.end = (state, error)
            running = live.state == "running" and not live.finished
        if not running:
            self.failed(live, error, state)
        elif self.runs.lanes.cancel(live.job):
            self._node.log.info("worker ended", job=live.job)

    # -- changes that follow from jobs

    def refresh(self, signed: SignedOrder) -> Outcome:
        """Re-randomise a dataset at all nodes; at the coordinator, blocks until it is visible or has failed."""
        return self.refreshes.run(signed)

    def vouch(self, prepare: Prepare, change: Change) -> None:
        """Raise unless this node's own job stands behind a change of kind keep or refresh."""
        live = self.ledger.get(prepare.job or "")
        if live is None or not live.finished:
            raise conflict(f"no job of {self._node.settings.name} has this change ready")
        if not isinstance(change, KeepChange | RefreshChange) or change != live.change:
            raise IntegrityError("the change is not the one that the job left", hint="nothing was changed")

    def counts(self) -> dict[str, int]:
        """How many jobs are in each state, of those not at their end."""
        return self.ledger.counts()

    # -- deadlines

    def _look_on(self) -> None:
        while not self._end.wait(_LOOK_S):
            try:
                for live in self.ledger.all():
                    self._look_at(live)
                self.retention.look()
                self.refreshes.scheduled()
                self.runs.lanes.tend()
            except TercetError as error:
                self._node.log.warning("jobs not looked after", reason=error.message)
            except Exception as error:
                self._node.log.defect(error)

    def _look_at(self, live: Live) -> None:
        node = self._node
        late = node.now() - live.deadline
        if live.end is not None and live.kind == "plan" and not live.working:
            # its end could not be written down when it came
            state, error = live.end
            self.failed(live, error, state)
        # the coordinator speaks first: it knows who was waited for
        elif live.state in ("queued", "held") and late > (0.0 if self.coordinates else _COORDINATOR_S):
            message = f"the job was still {live.state} at its deadline"
            if waited := ", ".join(self.dispatcher.waiting_for(live)):
                message += f"; {waited} had not accepted it"
            error = ErrorBody(error="expired", message=message, hint="ask again", node=node.settings.name)
            self._end_here(live, "failed", error)
        elif live.kind == "refresh" and late > _SETTLE_S:
            self.refreshes.forget(live)
        elif live.finished and late > _SETTLE_S and live.kind == "plan":
            self.settled(live, None if self._is_visible(live) else self._gave_up())
        elif self._is_due(live):
            self.tell(live)

    def _is_due(self, live: Live) -> bool:
        """Whether the coordinator is to be told again: it may have been started anew."""
        waits = live.state in ("queued", "held") or live.finished or live.kind == "refresh"
        return waits and not self.coordinates and time.monotonic() - live.told_at > _TELL_AGAIN_S

    def _is_visible(self, live: Live) -> bool:
        change = live.change
        assert isinstance(change, KeepChange)
        try:
            return all(self._node.kept.get(array.handle).job == live.job for array in change.arrays)
        except NotFound:
            return False
