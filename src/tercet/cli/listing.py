"""Jobs, datasets and receipts as tables: the same for operators, owners and analysts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from tercet.cli.output import amount, console, facts, grid, moment, print_json, rows, say
from tercet.errors import InputError

if TYPE_CHECKING:
    from tercet.federation.api import DatasetInfo
    from tercet.federation.api_jobs import JobInfo

SHORT = 8
"""Digits of an identifier that lists show; commands take any beginning that only one job has."""


def one_job(jobs: Sequence[JobInfo], start: str, listing: str = "tercet jobs") -> JobInfo:
    """The job whose identifier begins so. Raises InputError if there is none, or more than one.

    `listing`: the command that lists them.
    """
    fitting = [job for job in jobs if job.job.startswith(start.lower())]
    if len(fitting) != 1:
        what = "no job begins" if not fitting else f"{len(fitting)} jobs begin"
        raise InputError(f"{what} with {start!r}", hint=f"give more digits, or see the list: {listing}")
    return fitting[0]


def show_jobs(
    jobs: Sequence[JobInfo], *, as_json: bool, otherwise: Mapping[str, Mapping[str, JobInfo]] | None = None
) -> None:
    """A list of jobs; `otherwise`: what other nodes tell of some, by job and node."""
    otherwise = otherwise or {}
    if as_json:
        found = [job.model_dump(mode="json") for job in jobs]
        for one in found:
            if others := otherwise.get(one["job"]):
                one["otherwise"] = {node: told.model_dump(mode="json") for node, told in others.items()}
        print_json(found)
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
            f"{max(job.charged.values(), default=0):,}",
            moment(job.created),
            f"{job.finished - job.started:.2f} s" if job.finished and job.started else "",
            _rests_on(job),
            job.purpose,
        )
        for job in jobs
    ]
    titles = ("job", "state", "analyst", "datasets", "bits", "asked", "took", "rests on", "purpose")
    console().print(rows(grid(*titles, right=(4, 6)), lines))
    for number, others in otherwise.items():
        for node, told in others.items():
            words = f"job {number[:SHORT]}: {node} tells otherwise: {_state(told)}, rests on {_rests_on(told)}"
            say(words)


def _rests_on(job: JobInfo) -> str:
    return "; ".join(dict.fromkeys(one.brief() for one in job.grounds.values()))


def _state(job: JobInfo) -> str:
    if job.state == "running":
        return f"running, {job.progress:.0%}"
    if job.state == "queued" and job.waiting_for:
        return f"waits for {', '.join(job.waiting_for)}"
    return job.state


def show_job(job: JobInfo, *, as_json: bool) -> None:
    """All that a node tells of one job."""
    if as_json:
        print_json(job.model_dump(mode="json"))
        return
    decision = f"{job.decision.verdict}{f' by rule {job.decision.rule}' if job.decision.rule else ''}"
    facts(
        {
            "job": job.job,
            "state": _state(job),
            "analyst": f"{job.analyst_name} ({job.analyst[:16]})",
            "purpose": job.purpose,
            "datasets": ", ".join(job.datasets),
            "charged": ", ".join(f"{bits:,} bits of {name}" for name, bits in job.charged.items()),
            "rests on": "\n".join(f"{name}: {'; '.join(one.words())}" for name, one in sorted(job.grounds.items())),
            "asked": moment(job.created),
            "finished": moment(job.finished),
            "at": f"{job.decision.node}: {decision}",
            "because": "" if job.explanation else "\n".join(job.decision.reasons),
            "error": f"{job.error.message}" if job.error else "",
            "peak memory": amount(job.report.peak_bytes) if job.report and job.report.peak_bytes else "",
            "bundle": job.bundle,
        }
    )
    if job.explanation:
        say(f"\n{job.explanation}")


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
