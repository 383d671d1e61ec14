"""Decides about jobs: asks the policy, counts budgets and records the decision, in one step."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from sqlalchemy import Connection

from tercet.errors import Busy, IntegrityError, Refused
from tercet.federation.api import ErrorBody
from tercet.federation.api_jobs import (
    REFUSED_HINT,
    SHOWN,
    Decision,
    DisclosureInfo,
    ExplainAnswer,
    Grounds,
    Passed,
    in_lines,
)
from tercet.node.changes.checks import Checks
from tercet.node.jobs.admission import Admission, Case, disclosed
from tercet.node.jobs.ends import Ends
from tercet.node.jobs.ledger import Ledger
from tercet.node.jobs.state import HeldState, Job, JobFacts, QueuedState, RefusedState, Touched, Work, look_again
from tercet.node.jobs.view import audited, row_info
from tercet.node.parts import NodeContext
from tercet.policy.behind import origins_of
from tercet.policy.decide import Deliberation, Ruling, RulingKind, explain
from tercet.policy.request import InputSource, KeptSource
from tercet.policy.rules import Policy, Unchecked
from tercet.store.change import KeepChange
from tercet.store.version import DatasetVersion

_TOLD_BYTES = 1 << 14
"""Of the reasons, and of the names of columns, in an answer and in an audit entry: plans may have many outputs."""
_EXPLAINED_BYTES = 1 << 18
_LINE = 2000

WorkOf = Callable[[Case, KeepChange | None], Work]
"""Makes the work of a case that was let in."""


class Desk:
    """Decides about cases one at a time, so that budgets are counted right. Thread-safe.

    Who calls it: `Jobs`, when a job comes; `PlanWork`, when it starts.
    """

    def __init__(self, context: NodeContext, checks: Checks, ledger: Ledger, admission: Admission, ends: Ends) -> None:
        self._context = context
        self._checks = checks
        self._ledger = ledger
        self._admission = admission
        self._ends = ends
        self._deciding = threading.Lock()
        self._serial = 0

    def decide(self, case: Case, work_of: WorkOf) -> Job:
        """Ask the policy, and record the job with what it says, also a refused one.

        Raises Busy if another job is to keep something under the same name.
        """
        context, header = self._context, case.bundle.header
        serial = self._serial
        policy, request = context.policy.current, self._admission.request(case)
        deliberation = Deliberation(policy, request)
        found = deliberation.ruling()
        # analyses take seconds for a large plan: the lock is held for budgets and the catalogue only
        change = case.keep_change(disclosed(case, request))
        with self._deciding:
            if serial != self._serial:
                # another job was charged since
                found = deliberation.ruling()
            decision = self._decision(found)
            if found.kind is not RulingKind.REFUSED and change is not None:
                self._check_names(case, change)
            behind = touched(request.inputs, found)
            facts = JobFacts(
                purpose=header.purpose,
                datasets=sorted(behind),
                touched=behind,
                grounds=grounds(case, list(behind)),
                numbers=found.numbers,
                terms=_terms(case, found),
                explanation="\n".join(told(found.reasons, _EXPLAINED_BYTES)),
                keeps=[keep.index for keep in case.keeps],
                policy=policy.digest,
                kept_by=_kept_by(case),
                unchecked=sorted(name for name, version in case.versions.items() if version.unchecked),
            )
            job = Job(
                id=case.job,
                hash=case.hash,
                analyst=header.analyst,
                created=context.now(),
                deadline=float(header.deadline),
                decision=decision,
                state=self._state(case, found, decision),
                work=work_of(case, change),
                facts=facts,
            )
            self._ledger.enter(job, partial(self._record, job, case, found), self._entry(job, case, found))
            self._serial += 1
        return job

    def _decision(self, found: Ruling) -> Decision:
        name = self._context.identity.name
        return Decision(node=name, verdict=found.kind.value, rule=found.rule, reasons=told(found.reasons))

    def _state(self, case: Case, found: Ruling, decision: Decision) -> HeldState | QueuedState | RefusedState:
        if found.kind is not RulingKind.REFUSED:
            return HeldState() if found.kind is RulingKind.HELD else QueuedState()
        reasons = decision.because or "the policy does not allow it"
        told = ErrorBody(
            error="refused", message=reasons[:2000], hint=REFUSED_HINT, node=decision.node, rule=decision.rule
        )
        return RefusedState(self._ends.own(case.job, case.hash, "refused", told))

    def _record(self, job: Job, case: Case, found: Ruling, connection: Connection) -> None:
        """The row of a new job, and what it is charged."""
        rows = self._context.store.jobs
        rows.add(
            connection,
            job=job.id,
            hash=job.hash,
            analyst=job.analyst,
            # one that is refused never runs: its hash is enough
            bundle=None if job.final else case.bundle.data,
            state=job.told,
            decision=job.decision.model_dump(),
            deadline=job.deadline,
            info=row_info(job),
        )
        if job.final:
            rows.update(connection, job.id, ended=True)
        else:
            self._charge(connection, case, found)

    @staticmethod
    def _entry(job: Job, case: Case, found: Ruling) -> dict[str, Any]:
        """The audit's entry of a new job."""
        header = case.bundle.header
        columns = [f"{dataset}.{column}" for dataset, one in job.facts.touched.items() for column in one.columns]
        return {
            "job": job.id,
            "bundle": job.hash,
            "plan": case.program.plan.hash.hex(),
            "analyst": job.analyst,
            "recipients": [card.fingerprint for card in header.recipient_cards],
            "datasets": {name: [one.version, one.manifest] for name, one in case.versions.items()},
            "columns": told(columns),
            "through": told([f"{info.name or info.handle} of job {info.job}" for info in case.kept.values()]),
            "purpose": header.purpose,
            "unchecked": job.facts.unchecked,
            "grounds": audited(job.facts.grounds),
            "policy": job.facts.policy,
            "verdict": found.kind.value,
            "rule": found.rule,
            "reasons": job.decision.reasons,
            "numbers": found.numbers,
            "bits": found.bits,
            "keeps": len(case.keeps),
        }

    def _check_names(self, case: Case, change: KeepChange) -> None:
        if not self._ledger.is_keeping(change):
            return
        name = change.name or next((array.name for array in change.arrays if array.name), change.arrays[0].handle[:8])
        message = f"another job, which has not ended at {self._context.identity.name}, is to keep {name}"
        told_ = {"job": case.job, "bundle": case.hash, "analyst": case.bundle.header.analyst, "reason": message}
        self._context.store.audit.record("job turned away", told_)
        raise Busy(message, hint="wait for its end, or choose another name")

    def decide_again(self, job: Job, case: Case) -> None:
        """Look again at a job that is to start: at the checks of its data, and at a policy that has changed since.

        The same policy would say the same: its other grounds are fixed by the bundle and checked against it here, and
        budgets were charged when the job came. An operator's approval stands for the rule that held the job, and for
        nothing else. Raises Refused naming the rule; IntegrityError if something else is kept now under a name that
        the job reads; Conflict if the job is being ended. Who calls it: `PlanWork`.
        """
        context = self._context
        if job.facts.kept_by != _kept_by(case):
            raise IntegrityError("what the job reads was dropped and kept anew since it was sent", hint="ask again")
        context.policy.look()
        policy = context.policy.current
        self._check_checked(policy, case)
        facts = job.facts.model_copy(update={"grounds": grounds(case, list(job.facts.touched))})
        if policy.digest == job.facts.policy:
            self._ledger.change(job.id, lambda now: look_again(now, now.decision, facts))
            return
        deliberation = Deliberation(policy, self._admission.request(case))
        deliberation.ruling()
        with self._deciding:
            found = deliberation.ruling()
            details = {"job": job.id, "policy": policy.digest, "verdict": found.kind.value, "rule": found.rule}
            entry = "job asked again", {**details, "reasons": told(found.reasons)}
            held = found.kind is RulingKind.HELD and found.rule != job.facts.approved
            if found.kind is RulingKind.REFUSED or held:
                context.store.audit.record(*entry)
            else:
                facts = facts.model_copy(update={"terms": _terms(case, found)})
                decision = job.decision.model_copy(update={"rule": found.rule})
                self._ledger.change(
                    job.id,
                    lambda now: look_again(now, decision, facts),
                    more=partial(self._recharge, case, found),
                    entry=entry,
                )
            self._serial += 1
        if found.kind is RulingKind.REFUSED:
            reasons = in_lines(told(found.reasons)) or "the policy does not allow it any more"
            raise Refused(reasons, node=context.identity.name, rule=found.rule)
        if held:
            raise Refused(
                f"rule {found.rule} holds such jobs by now, and nobody has approved this one under it",
                node=context.identity.name,
                rule=found.rule,
                hint="send it again, and have it approved",
            )

    def _recharge(self, case: Case, found: Ruling, connection: Connection) -> None:
        self._context.store.jobs.drop_spent(connection, case.job)
        self._charge(connection, case, found)

    def _check_checked(self, policy: Policy, case: Case) -> None:
        """Raise Refused for an upload without a check, where the policy wants uploads checked before a job starts."""
        if policy.limits.unchecked is not Unchecked.CHECK:
            return
        for name, version in case.versions.items():
            if uploads := sorted({segment.upload[:8] for segment in version.unchecked}):
                failed = {upload[:8] for upload in self._checks.has_failed(name)} & set(uploads)
                why = "some value is outside its declared range" if failed else "nobody has checked its values"
                raise Refused(
                    f"upload {min(failed or set(uploads))} of dataset {name}: {why}",
                    node=self._context.identity.name,
                    rule="limits.unchecked",
                    hint="the operators find out more with tercet node check; the owner withdraws it and uploads again",
                )

    def _charge(self, connection: Connection, case: Case, found: Ruling) -> None:
        """Count what the job reveals and keeps for who asks, and what it reveals for everybody else who gets it."""
        header = case.bundle.header
        for person in dict.fromkeys([header.analyst, *(card.fingerprint for card in header.recipient_cards)]):
            for dataset, charge in found.charges.items():
                if person == header.analyst or charge.bits:
                    self._context.store.jobs.spend(
                        connection,
                        job=case.job,
                        person=person,
                        dataset=dataset,
                        rule=found.rule,
                        bits=charge.bits,
                        kept=charge.kept if person == header.analyst else 0,
                    )

    def explain(self, case: Case) -> ExplainAnswer:
        """What `decide` would say, and why; nothing is recorded or counted."""
        mode = self._admission.weigh(case)
        found, said = explain(self._context.policy.current, self._admission.request(case))
        return ExplainAnswer(
            decision=self._decision(found),
            text="\n".join(told(said, _EXPLAINED_BYTES)),
            disclosures=_told(found),
            peak_bytes=mode.needed_bytes,
            partition_rows=mode.partition_rows,
        )


def told(lines: Sequence[str], limit: int = _TOLD_BYTES) -> list[str]:
    """As many lines, each cut to a sensible length, as `limit` bytes take; then how many more there are."""
    found: list[str] = []
    for number, line in enumerate(lines):
        shown = line if len(line) <= _LINE else f"{line[:_LINE]}..."
        # as JSON writes it, a character may take six bytes
        limit -= len(json.dumps(shown)) + 1
        if limit < 0:
            return [*found, f"and {len(lines) - number:,} more"]
        found.append(shown)
    return found


def _kept_by(case: Case) -> dict[str, str]:
    """Which job kept each kept array that goes in: a name may stand for another one later."""
    return {handle.hex(): info.job for handle, info in case.kept.items()}


def _terms(case: Case, found: Ruling) -> dict[str, Any]:
    """On what terms each array is kept, by handle; `store.kept_changes` writes them beside it."""
    return {keep.handle: found.terms[keep.index].stored() for keep in case.keeps if keep.index in found.terms}


def _told(found: Ruling) -> list[DisclosureInfo]:
    return [
        DisclosureInfo(
            output=one.output,
            dataset=part.dataset,
            state=type(part.state).__name__.lower(),  # type: ignore[arg-type]
            rows=part.rows,
            numbers=one.numbers,
            claimed=one.claimed,
        )
        for one in found.disclosures
        for part in one.behind
    ]


def grounds(case: Case, behind: list[str]) -> dict[str, Grounds]:
    """On what the results rest, for each dataset of `behind`: claims and checks. Public; the same at every node."""
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
    """The datasets that a job depends on, directly and through kept results, with what is charged of each.

    Nothing is charged where all rows are the analyst's own.
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
