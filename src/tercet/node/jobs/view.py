"""Views of a job, one function each: its row, its audit entries, receipts, news for other nodes, what people read."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from pydantic import ConfigDict, Field

from tercet.federation.api_jobs import Decision, End, Grounds, JobInfo, JobReport, JobStateName, OutputInfo
from tercet.federation.api_peer import JobNews, SignedHead
from tercet.federation.boxes import BoxInfo
from tercet.federation.statements import sign_info
from tercet.node.jobs.results import KEPT_S
from tercet.node.jobs.state import (
    WITHOUT_RESULT,
    DoneState,
    EndingState,
    FinishedState,
    HeldState,
    Job,
    JobFacts,
    QueuedState,
    RunningState,
    SettlingState,
    Work,
)
from tercet.node.parts import NodeContext
from tercet.store.change import KeepChange, read_change
from tercet.store.jobs import JobRow

_AUDIT_BYTES = 1 << 13
"""Of the grounds in an audit entry, whose size is bounded; how many datasets more there are stands beside."""


class RowInfo(JobFacts):
    """The JSON of a job's row: what was worked out of it, and what its state holds that outlives the process."""

    model_config = ConfigDict(extra="ignore")

    change: dict[str, Any] | None = None
    end: End | None = None
    report: JobReport | None = None
    boxes: list[BoxInfo] = Field(default_factory=list)

    @property
    def kept_change(self) -> KeepChange | None:
        """The change that makes visible what the job keeps."""
        if self.change is None:
            return None
        change = read_change(self.change)
        assert isinstance(change, KeepChange)
        return change


def row_info(job: Job) -> dict[str, Any]:
    """The JSON of its row."""
    found = job.facts.model_dump(mode="json")
    change = job.work.change
    if change is not None:
        found["change"] = change.model_dump(mode="json")
    if isinstance(job.state, WITHOUT_RESULT):
        found["end"] = job.state.end.model_dump(mode="json")
    elif isinstance(job.state, DoneState):
        if job.state.report is not None:
            found["report"] = job.state.report.model_dump(mode="json")
        found["boxes"] = [box.model_dump(mode="json") for box in job.state.boxes]
    return found


def read_info(row: JobRow) -> RowInfo:
    """What `row_info` wrote."""
    return RowInfo.model_validate(row.info)


def job_of_row(row: JobRow, work: Work) -> Job:
    """A job that waited when the node ended; one that ran is given as waiting too, and `Ledger.recover` ends it."""
    return Job(
        id=row.job,
        hash=row.hash,
        analyst=row.analyst,
        created=row.received,
        deadline=row.deadline or 0.0,
        decision=Decision.model_validate(row.decision),
        state=HeldState() if row.state == "held" else QueuedState(),
        work=work,
        facts=JobFacts.model_validate(row.info),
    )


# -- the audit and receipts


def entry(job: Job, more: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """The audit entry of a job that has come into its state."""
    details = {"job": job.id, "state": job.told, **more}
    if isinstance(job.state, DoneState):
        details["seconds"] = job.state.report.seconds if job.state.report is not None else 0.0
        details["grounds"] = audited(job.facts.grounds)
    elif isinstance(job.state, WITHOUT_RESULT):
        details["error"] = job.state.end.error.message
    return "job " + job.told, details


def audited(grounds: Mapping[str, Grounds]) -> dict[str, Any]:
    """Grounds, cut to what an audit entry has room for; the manifests that it names cover all stamps."""
    told: dict[str, Any] = {}
    left = _AUDIT_BYTES
    for dataset, one in grounds.items():
        data = one.model_dump(mode="json")
        left -= len(json.dumps(data)) + len(dataset)
        if left < 0:
            break
        told[dataset] = data
    return {"datasets": told, "more": len(grounds) - len(told)}


def receipts(job: Job) -> list[dict[str, Any]]:
    """What `JobRows.add_receipt` takes, for every dataset on which the job depended."""
    facts = job.facts
    return [
        {
            "job": job.id,
            "dataset": dataset,
            "version": max(one.versions, default=0),
            "analyst": job.analyst,
            "outcome": job.told,
            "details": {
                **one.model_dump(),
                "purpose": facts.purpose,
                "numbers": facts.numbers,
                "bundle": job.hash,
                "grounds": facts.grounds[dataset].model_dump(mode="json") if dataset in facts.grounds else None,
            },
        }
        for dataset, one in facts.touched.items()
    ]


# -- what other nodes are told


def news(job: Job, head: SignedHead) -> JobNews:
    """How a job stands here. `head` has to be read after the job, so that it covers the entry of its state."""
    waits = isinstance(job.state, FinishedState | SettlingState)
    end = job.state.end if isinstance(job.state, WITHOUT_RESULT) else None
    return JobNews(
        bundle=job.hash,
        state="finished" if waits else job.told,
        decision=job.decision,
        error=None if end is None else end.error,
        end=end,
        head=head,
    )


def news_of_row(row: JobRow, head: SignedHead) -> JobNews:
    """How a job stands that is at its end. `head` as in `news`."""
    end = read_info(row).end
    return JobNews(
        bundle=row.hash,
        state=_state(row),
        decision=Decision.model_validate(row.decision),
        error=None if end is None else end.error,
        end=end,
        head=head,
    )


# -- what people read


def job_info(
    context: NodeContext, row: JobRow, job: Job | None, position: int | None, waiting_for: list[str]
) -> JobInfo:
    """The job for whoever may see it, signed at its end. `job` is what is in memory of it before its end."""
    info = read_info(row)
    found = JobInfo(
        job=row.job,
        analyst=row.analyst,
        analyst_name=context.name_of(row.analyst),
        purpose=info.purpose,
        bundle=row.hash,
        datasets=info.datasets,
        charged={dataset: one.bits for dataset, one in info.touched.items()},
        grounds=info.grounds,
        state=_state(row),
        decision=Decision.model_validate(row.decision),
        explanation=info.explanation,
        position=position,
        progress=1.0 if row.state == "done" else _progress(job),
        waiting_for=waiting_for,
        error=None if info.end is None else info.end.error,
        created=row.received,
        deadline=row.deadline or 0.0,
        started=row.started,
        finished=row.ended,
        outputs=_outputs(row, info) if row.state == "done" else [],
        report=info.report,
        end=info.end,
    )
    identity = context.identity
    return sign_info(identity.member, identity.federation.id, found)


def _state(row: JobRow) -> JobStateName:
    return row.state  # type: ignore[return-value]


def _progress(job: Job | None) -> float:
    if job is None or isinstance(job.state, EndingState):
        return 0.0
    if isinstance(job.state, FinishedState | SettlingState):
        return 1.0
    return job.state.progress if isinstance(job.state, RunningState) else 0.0


def _outputs(row: JobRow, info: RowInfo) -> list[OutputInfo]:
    """What came of it: boxes that wait, and what is kept."""
    expires = None if row.ended is None else row.ended + KEPT_S
    found = {box.output: OutputInfo(index=box.output, nbytes=box.nbytes, expires=expires) for box in info.boxes}
    arrays = (info.change or {}).get("arrays", [])
    for index, array in zip(info.keeps, arrays, strict=True):
        found[index] = OutputInfo(index=index, kept=array["name"] or array["handle"])
    return [found[index] for index in sorted(found)]
