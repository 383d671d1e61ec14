"""What a job depends on: which datasets, directly and through kept results; which claims, and which checks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tercet.federation.api_grounds import SHOWN, Grounds, Passed
from tercet.node.jobs.admission import Case
from tercet.node.jobs.state import Touched
from tercet.policy.decide import Ruling
from tercet.policy.request import InputSource, KeptSource
from tercet.policy.sources import origins_of
from tercet.store.version import DatasetVersion


def grounds(case: Case, behind: list[str]) -> dict[str, Grounds]:
    """On what the results rest, for each dataset of `behind`. Public; the same at every node.

    `Desk` calls it when a job is decided and, since uploads are checked in between, again when it starts.
    """
    plan = case.program.plan
    claimed = [index for index, output in enumerate(plan.outputs) if plan.type_of(output.value).claimed]
    found = {}
    for dataset in behind:
        columns = {ref.column for ref in case.columns.values() if ref.dataset == dataset and ref.column is not None}
        passed, unchecked = _checks(case.versions[dataset], columns) if columns else ([], 0)
        found[dataset] = Grounds(
            outputs=len(plan.outputs),
            claimed=len(claimed),
            claimed_outputs=claimed[:SHOWN],
            checked=len(passed),
            unchecked=unchecked,
            checks=passed[:SHOWN],
        )
    return found


def _checks(version: DatasetVersion, columns: set[str]) -> tuple[list[Passed], int]:
    """The checks that the uploads behind these columns have passed, and how many of these uploads passed none."""
    loose = {segment.segment for segment in version.unchecked}
    passed: dict[tuple[str, str], Passed] = {}
    unchecked = set()
    for segment in version.segments:
        if not columns.intersection(segment.names):
            continue
        if segment.segment in loose or segment.checked is None:
            unchecked.add(segment.upload)
        else:
            stamp = segment.checked
            one = Passed(upload=stamp.upload, protocol=stamp.protocol, ranges=stamp.digest)
            passed[one.upload, one.ranges] = one
    return [passed[key] for key in sorted(passed)], len(unchecked)


def touched(inputs: Mapping[bytes, InputSource], found: Ruling) -> dict[str, Touched]:
    """The datasets that a job depends on, with what is charged of each: nothing where all rows are the analyst's own.

    `Desk` calls it when a job is decided.
    """
    told: dict[str, dict[str, set[Any]]] = {}
    for source in inputs.values():
        for dataset, versions in origins_of(source).by_dataset().items():
            one = told.setdefault(dataset, {"versions": set(), "columns": set(), "through": set()})
            one["versions"].update(versions)
            one["columns"].update(column for columns in versions.values() for column in columns)
            if isinstance(source, KeptSource):
                one["through"].add(source.name)
    result: dict[str, Touched] = {}
    for dataset, one in sorted(told.items()):
        charge = found.charges.get(dataset)
        result[dataset] = Touched(
            versions=sorted(one["versions"]),
            columns=sorted(one["columns"]),
            through=sorted(one["through"]),
            bits=charge.bits if charge is not None else 0,
            kept=charge.kept if charge is not None else 0,
        )
    return result
