"""Where a node decides: the policy is asked, budgets are counted, and what it says is recorded, in one step."""

from __future__ import annotations

import json
import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING

from sqlalchemy import Connection

from tercet.errors import IntegrityError, Refused
from tercet.federation.api import Decision, Disclosure, Explanation, JobStateName
from tercet.node.admission import Admission, Case, disclosed
from tercet.node.ledger import Ledger
from tercet.node.live import Live
from tercet.policy.decide import Decision as Found
from tercet.policy.decide import Verdict, decide, explain
from tercet.policy.rules import Policy
from tercet.store.change import KeepChange
from tercet.store.errors import Busy

if TYPE_CHECKING:
    from tercet.node.supervisor import Node

_TOLD_BYTES = 1 << 14
"""Of the reasons, and of the names of columns, in an answer and in an audit entry: plans may have many outputs."""
_EXPLAINED_BYTES = 1 << 18
_LINE = 2000
_STATES: dict[str, JobStateName] = {"accepted": "queued", "held": "held", "refused": "refused"}


class Desk:
    """Decides about cases one at a time, so that budgets are counted right. Thread-safe."""

    def __init__(self, node: Node, ledger: Ledger, admission: Admission) -> None:
        self._node = node
        self._ledger = ledger
        self._admission = admission
        self._deciding = threading.Lock()
        self._serial = 0

    def decide(self, case: Case) -> Live:
        """Ask the policy, and record the job with what it says, also a refused one.

        Raises Busy if another job is to keep something under the same name.
        """
        node, header = self._node, case.bundle.header
        serial = self._serial
        policy, request = node.policy.current, self._admission.request(case)
        found = decide(policy, request)
        with self._deciding:
            if serial != self._serial and _counts(policy):
                # somebody has spent of a budget since
                found = decide(policy, request)
            decision = Decision(
                node=node.settings.name, verdict=found.verdict.value, rule=found.rule, reasons=told(found.reasons)
            )
            live = Live(
                case.job,
                case.hash,
                header.analyst,
                _STATES[found.verdict],
                node.now(),
                float(header.deadline),
                decision,
                change=case.keep_change(disclosed(case, request)),
            )
            if not live.final and isinstance(live.change, KeepChange):
                self._check_names(case, live.change)
            columns = sorted(f"{ref.dataset}.{ref.column}" for ref in case.columns.values())
            live.info = {
                "purpose": header.purpose,
                "datasets": sorted(case.versions),
                "versions": {name: one.version for name, one in case.versions.items()},
                "columns": columns,
                "numbers": found.numbers,
                "explanation": "\n".join(told(found.reasons, _EXPLAINED_BYTES)),
                "keeps": [keep.index for keep in case.keeps],
                "change": None if live.change is None else live.change.model_dump(mode="json"),
                "policy": policy.digest,
                "kept_by": _kept_by(case),
            }

            def write(connection: Connection) -> None:
                node.jobs_store.add(
                    connection,
                    job=case.job,
                    hash=case.hash,
                    analyst=header.analyst,
                    # one that is refused never runs: its hash is enough
                    bundle=None if live.final else case.bundle.data,
                    state=live.state,
                    decision=decision.model_dump(),
                    deadline=live.deadline,
                    info=live.info,
                )
                if live.final:
                    node.jobs_store.update(connection, case.job, ended=True)
                else:
                    self._charge(connection, case, found)

            audit = {
                "job": case.job,
                "bundle": case.hash,
                "plan": case.program.plan.hash.hex(),
                "analyst": header.analyst,
                "recipients": [card.fingerprint for card in header.recipient_cards],
                "datasets": {name: [one.version, one.manifest] for name, one in case.versions.items()},
                "columns": told(columns),
                "purpose": header.purpose,
                "policy": policy.digest,
                "verdict": found.verdict.value,
                "rule": found.rule,
                "reasons": decision.reasons,
                "numbers": found.numbers,
            }
            self._ledger.enter(live, write, audit)
            self._serial += 1
        return live

    def _check_names(self, case: Case, change: KeepChange) -> None:
        if not self._ledger.is_keeping(change):
            return
        name = change.name or next((array.name for array in change.arrays if array.name), change.arrays[0].handle[:8])
        message = f"another job, which has not ended at {self._node.settings.name}, is to keep {name}"
        told_ = {"job": case.job, "bundle": case.hash, "analyst": case.bundle.header.analyst, "reason": message}
        self._node.audit.record("job turned away", told_)
        raise Busy(message, hint="wait for its end, or choose another name")

    def decide_again(self, live: Live, case: Case) -> None:
        """Ask the policy in force now about a job that is to start, if it is another than the one that let it in.

        The same policy would say the same: its other grounds are fixed by the bundle and held against it here, and
        budgets were charged when the job came. An operator's approval stands for the rule that held the job, and for
        nothing else. Raises Refused naming the rule, IntegrityError if something else is kept now under a name that
        the job reads. `JobRuns` calls it.
        """
        node = self._node
        if live.info.get("kept_by") != _kept_by(case):
            raise IntegrityError("what the job reads was dropped and kept anew since it was sent", hint="ask again")
        node.policy.look()
        policy = node.policy.current
        if policy.digest == live.info.get("policy"):
            return
        with self._deciding:
            found = decide(policy, self._admission.request(case))
            held = found.verdict is Verdict.HELD and found.rule != live.info.get("approved")
            refused = found.verdict is Verdict.REFUSED
            with node.catalogue.write() as connection:
                if not refused and not held and found.rule != live.decision.rule:
                    node.jobs_store.drop_spent(connection, live.job)
                    self._charge(connection, case, found)
                told_ = {"job": live.job, "policy": policy.digest, "verdict": found.verdict.value, "rule": found.rule}
                node.audit.append(connection, "job asked again", {**told_, "reasons": told(found.reasons)})
            self._serial += 1
        if refused:
            reasons = " ".join(told(found.reasons)) or "the policy does not allow it any more"
            raise Refused(reasons, node=node.settings.name, rule=found.rule)
        if held:
            message = f"rule {found.rule} holds such jobs by now, and nobody has approved this one under it"
            raise Refused(message, node=node.settings.name, rule=found.rule, hint="send it again, and have it approved")
        live.decision = live.decision.model_copy(update={"rule": found.rule})

    def _charge(self, connection: Connection, case: Case, found: Found) -> None:
        for dataset, numbers in found.charges.items():
            self._node.jobs_store.spend(
                connection,
                job=case.job,
                rule=found.rule,
                analyst=case.bundle.header.analyst,
                dataset=dataset,
                numbers=numbers,
            )

    def explain(self, case: Case) -> Explanation:
        """What `decide` would say, and why; nothing is recorded or counted."""
        node, mode = self._node, self._admission.weigh(case)
        found, said = explain(node.policy.current, self._admission.request(case))
        return Explanation(
            decision=Decision(
                node=node.settings.name, verdict=found.verdict.value, rule=found.rule, reasons=told(found.reasons)
            ),
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


def _counts(policy: Policy) -> bool:
    """Whether any rule has a budget."""
    budgets = [rule.budget for rule in policy.rules] + [plan.budget for plan in policy.approved]
    return any(budget.jobs is not None or budget.numbers is not None for budget in budgets)


def _told(found: Found) -> list[Disclosure]:
    return [
        Disclosure(
            output=one.output,
            dataset=part.dataset,
            state=type(part.state).__name__.lower(),  # type: ignore[arg-type]
            rows=part.rows,
            numbers=one.numbers,
        )
        for one in found.disclosures
        for part in one.parts
    ]
