"""A job as people see it: from its row, and from memory while it is not at its end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tercet.federation.api import Decision, ErrorBody, JobInfo, JobReport, OutputInfo
from tercet.node.live import Live
from tercet.node.results import KEPT_S
from tercet.store.jobs import JobRow

if TYPE_CHECKING:
    from tercet.node.supervisor import Node


def info_of(node: Node, row: JobRow, live: Live | None, position: int | None, waiting_for: list[str]) -> JobInfo:
    """The job for whoever may see it. `live` is what is in memory of it, if it is not at its end."""
    info = row.info
    progress = 1.0 if row.state == "done" else live.progress if live is not None else 0.0
    error = info.get("error")
    report = info.get("report")
    return JobInfo(
        job=row.job,
        analyst=row.analyst,
        analyst_name=node.name_of(row.analyst),
        purpose=info.get("purpose", ""),
        bundle=row.hash,
        datasets=info.get("datasets", []),
        state=row.state,  # type: ignore[arg-type]
        decision=Decision.model_validate(row.decision),
        explanation=info.get("explanation", ""),
        position=position,
        progress=progress,
        waiting_for=waiting_for,
        error=None if error is None else ErrorBody.model_validate(error),
        created=row.received,
        deadline=row.deadline or 0.0,
        started=row.started,
        finished=row.ended,
        outputs=outputs_of(row) if row.state == "done" else [],
        report=None if report is None else JobReport.model_validate(report),
    )


def outputs_of(row: JobRow) -> list[OutputInfo]:
    """What came of it: boxes that wait, and what is kept."""
    info: dict[str, Any] = row.info
    expires = None if row.ended is None else row.ended + KEPT_S
    found = {
        box["output"]: OutputInfo(index=box["output"], nbytes=box["nbytes"], expires=expires)
        for box in info.get("boxes", [])
    }
    for index, array in zip(info.get("keeps", []), (info.get("change") or {}).get("arrays", []), strict=True):
        found[index] = OutputInfo(index=index, kept=array["name"] or array["handle"])
    return [found[index] for index in sorted(found)]
