"""The work of an analyst's job: what its worker is told, and what becomes of what the worker leaves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from tercet.errors import IntegrityError, NotFound
from tercet.federation.api_jobs import JobReport
from tercet.federation.boxes import BoxInfo
from tercet.federation.bundle import Bundle, read_bundle
from tercet.federation.model import Body
from tercet.node.jobs.admission import Admission, Case, stored_name
from tercet.node.jobs.decision import Desk
from tercet.node.jobs.results import Results
from tercet.node.jobs.state import EndingState, Job, RunningState
from tercet.node.parts import NodeContext
from tercet.node.worker.lanes import lane_session
from tercet.node.worker.messages import ColumnInput, JobOrder, KeptInput, KeptOutput, WorkDone
from tercet.plan.types import write_type
from tercet.store.change import KeepChange

_REMEMBERED_BYTES = 1 << 14
"""Of a bundle that waits in memory until it starts, with its decoded plan; others are read again from the catalogue."""


@dataclass(frozen=True)
class PlanWork:
    """The plan of one bundle. `read` is what was read of a small bundle when it came; None after a restart."""

    change: KeepChange | None
    read: Case | None = field(repr=False)
    plans: Plans = field(repr=False)
    recorded: bool = True

    def order(self, job: Job) -> tuple[JobOrder, bytes]:
        """Look at the job again, then give its order. Raises Refused, IntegrityError, DiskFull, Conflict, ..."""
        plans, context = self.plans, self.plans.context
        bundle = self.read.bundle if self.read is not None else plans.bundle(job)
        # versions and kept arrays may have gone since, or been checked
        case = plans.admission.read(bundle, self.read)
        context.store.check_space(case.stored_bytes)
        plans.desk.decide_again(job, case)
        assert isinstance(job.state, RunningState)
        order = JobOrder(
            job=job.id,
            lane=lane_session(context, job.state.lane, job.state.session),
            datasets={name: version.describe() for name, version in case.versions.items()},
            columns=[
                ColumnInput(handle=handle.hex(), column=stored_name(case.versions, ref), dataset=ref.dataset or "")
                for handle, ref in case.columns.items()
            ],
            kept=[KeptInput(handle=handle.hex(), kept=info.describe()) for handle, info in case.kept.items()],
            claimed=[handle.hex() for handle, t in case.program.plan.inputs() if t.claimed],
            keep=[
                KeptOutput(index=keep.index, handle=keep.handle, type_hex=write_type(keep.type).hex())
                for keep in case.keeps
            ],
            results=str(plans.results.path(job.id)),
        )
        context.at("job handed over")
        return order, bundle.data

    def done(self, answer: Body) -> tuple[JobReport | None, Sequence[BoxInfo]]:
        """Make the file of results durable."""
        assert isinstance(answer, WorkDone)
        if answer.boxes:
            self.plans.results.settle()
        self.plans.context.metrics.job_bytes.inc(sum(answer.report.nbytes))
        return answer.report, answer.boxes

    def tidy(self, job: Job) -> None:
        """Delete boxes and kept arrays of a job that ends without a result.

        The store keeps what is visible, or is ready and waits for the decision.
        """
        if isinstance(job.state, EndingState):
            self.plans.results.drop(job.id)
            if job.state.ran and self.change is not None:
                for array in self.change.arrays:
                    self.plans.context.store.kept.discard(array.handle)

    def visible(self, job: Job) -> bool:
        """Whether this job keeps what it was to keep."""
        kept = self.plans.context.store.kept
        try:
            return self.change is not None and all(kept.get(one.handle).job == job.id for one in self.change.arrays)
        except NotFound:
            return False


@dataclass(frozen=True)
class Plans:
    """What the work of plans needs of a node. Thread-safe. Who calls it: `Jobs` makes `PlanWork` with it."""

    context: NodeContext
    admission: Admission
    desk: Desk
    results: Results

    def work(self, case: Case, change: KeepChange | None) -> PlanWork:
        """The work of a bundle that was just let in."""
        return PlanWork(change, case if len(case.bundle.data) <= _REMEMBERED_BYTES else None, self)

    def stored(self, change: KeepChange | None) -> PlanWork:
        """The work of a bundle that is in the catalogue."""
        return PlanWork(change, None, self)

    def bundle(self, job: Job) -> Bundle:
        """The bundle as the catalogue has it. Its signature was verified when it came."""
        bundle = read_bundle(self.context.store.jobs.bundle(job.id), verified=True)
        if bundle.hash.hex() != job.hash:
            raise IntegrityError("the stored bundle is not the one that was let in", hint="check the node's catalogue")
        return bundle
