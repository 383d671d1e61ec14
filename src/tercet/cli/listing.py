"""Jobs, datasets and receipts as tables: the same for operators, owners and analysts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import typer

from tercet.cli.output import amount, console, facts, grid, moment, print_json, rows
from tercet.errors import InputError

if TYPE_CHECKING:
    from tercet.federation.api import DatasetInfo, JobInfo

SHORT = 8
"""Digits of an identifier that lists show; commands take any beginning that only one job has."""


def one_job(jobs: Sequence[JobInfo], start: str) -> JobInfo:
    """The job whose identifier begins so. Raises InputError if there is none, or more than one."""
    fitting = [job for job in jobs if job.job.startswith(start.lower())]
    if len(fitting) != 1:
        what = "no job begins" if not fitting else f"{len(fitting)} jobs begin"
        raise InputError(f"{what} with {start!r}", hint="give more digits, or see the list: tercet jobs")
    return fitting[0]


def show_jobs(jobs: Sequence[JobInfo], *, as_json: bool) -> None:
    """A list of jobs."""
    if as_json:
        print_json([job.model_dump(mode="json") for job in jobs])
        return
    if not jobs:
        console().print("no jobs")
        return
    lines = [
        (
            job.job[:SHORT],
            _state(job),
            job.analyst_name,
            ", ".join(job.datasets),
            moment(job.created),
            f"{job.finished - job.started:.2f} s" if job.finished and job.started else "",
            job.purpose,
        )
        for job in jobs
    ]
    console().print(rows(grid("job", "state", "analyst", "datasets", "asked", "took", "purpose", right=(5,)), lines))


def _state(job: JobInfo) -> str:
    if job.state == "running":
        return f"running, {job.progress:.0%}"
    if job.state == "queued" and job.waiting_for:
        return f"waits for {', '.join(job.waiting_for)}"
    return job.state


def show_job(job: JobInfo, *, as_json: bool) -> None:
    """All that a node tells of one job."""
    if as_json:
        typer.echo(job.model_dump_json(indent=2))
        return
    decision = f"{job.decision.verdict}{f' by rule {job.decision.rule}' if job.decision.rule else ''}"
    console().print(
        facts(
            {
                "job": job.job,
                "state": _state(job),
                "analyst": f"{job.analyst_name} ({job.analyst[:16]})",
                "purpose": job.purpose,
                "datasets": ", ".join(job.datasets),
                "asked": moment(job.created),
                "finished": moment(job.finished),
                "at": f"{job.decision.node}: {decision}",
                "because": "" if job.explanation else "\n".join(job.decision.reasons),
                "error": f"{job.error.message}" if job.error else "",
                "peak memory": amount(job.report.peak_bytes) if job.report and job.report.peak_bytes else "",
                "bundle": job.bundle,
            }
        )
    )
    if job.explanation:
        console().print(f"\n{job.explanation}", markup=False, soft_wrap=True)


def show_datasets(datasets: Sequence[DatasetInfo], *, as_json: bool) -> None:
    """A list of datasets."""
    if as_json:
        print_json([dataset.model_dump(mode="json", by_alias=True) for dataset in datasets])
        return
    if not datasets:
        console().print("no datasets")
        return
    lines = [
        (
            dataset.name,
            f"{dataset.rows:,}",
            dataset.version,
            ", ".join(dataset.owners),
            moment(dataset.changed),
            moment(dataset.refreshed),
            dataset.changing,
            ", ".join(column["name"] for column in dataset.schema_["columns"]),  # type: ignore[index, union-attr, call-overload, misc]
        )
        for dataset in datasets
    ]
    titles = ("dataset", "rows", "version", "owners", "changed", "refreshed", "under way", "columns")
    # a terminal has room for those columns only in which there is something
    filled = [place for place in range(len(titles)) if any(line[place] not in ("", None) for line in lines)]
    made = grid(*(titles[place] for place in filled), right=(1, 2))
    console().print(rows(made, [[line[place] for place in filled] for line in lines]))
