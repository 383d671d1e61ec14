"""May this job run here? One rule must allow all of it; every answer says why, in sentences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property

from tercet.errors import PlanError
from tercet.plan.narrowed import Narrowed, narrowed
from tercet.plan.plan import OutputKind
from tercet.policy.disclosure import (
    Disclosure,
    columns_read,
    columns_text,
    disclosures,
    joint_rows,
    listed,
    operations_used,
    rows,
)
from tercet.policy.request import KeptSource, PolicyRequest
from tercet.policy.rules import ALL, SELF, Approved, Bounds, Budget, Policy, Role, Rule

DAY_S = 86_400.0


class Verdict(StrEnum):
    """What becomes of a job at this node."""

    ACCEPTED = "accepted"
    HELD = "held"
    REFUSED = "refused"


@dataclass(frozen=True)
class Decision:
    """The answer. `rule` is the rule that allows the job, or the one that comes nearest; `charges` are the revealed
    numbers to be counted for each dataset that the job touches, if it runs."""

    verdict: Verdict
    rule: str
    reasons: list[str]
    disclosures: list[Disclosure] = field(default_factory=list)
    charges: Mapping[str, int] = field(default_factory=dict)

    @property
    def numbers(self) -> int:
        """How many numbers the job reveals."""
        return sum(one.numbers for one in self.disclosures if one.revealed)


def decide(policy: Policy, request: PolicyRequest) -> Decision:
    """Decide about a job. Called by each node for itself, with its own policy, before anything runs.

    Pure: reads nothing but its arguments; time as `track`. Raises nothing for what an analyst may have written: a plan
    that does not fit its inputs is refused. Raises IntegrityError if this node's own notes on a kept array are broken.
    """
    return _Case(policy, request).decision()


def explain(policy: Policy, request: PolicyRequest) -> tuple[Decision, list[str]]:
    """As `decide`; and what the plan would disclose, on what it rests, what each rule says to it, in sentences."""
    case = _Case(policy, request)
    decision = case.decision()
    said = [f"The plan has the hash {request.plan.hash.hex()}."]
    said += [f"{one}." for one in decision.disclosures] + [f"{word}." for word in case.words()]
    said += [f"{_capital(decision.verdict)}{f' by {decision.rule}' if decision.rule else ''}."]
    if decision.verdict is Verdict.REFUSED:
        said += [f"{reason}." for reason in decision.reasons]
        for rule in case.rules:
            if rule.name != decision.rule:
                said += [f"{fault}." for fault in case.faults(rule)]
    return decision, said


class _Case:
    """One request under one policy."""

    def __init__(self, policy: Policy, request: PolicyRequest) -> None:
        self.policy = policy
        self.request = request
        read = {handle for handle, _ in request.plan.inputs()}
        self.inputs = {handle: source for handle, source in request.inputs.items() if handle in read}
        # his own data are as public to the analyst as a constant of the plan
        self.columns = [column for column in columns_read(self.inputs) if column[0] not in request.own]
        self.datasets = sorted({dataset for dataset, _ in self.columns})

    @cached_property
    def strict(self) -> list[Disclosure]:
        return self._disclosures(weights_allowed=False)

    @cached_property
    def lenient(self) -> list[Disclosure]:
        return self._disclosures(weights_allowed=True)

    def _disclosures(self, *, weights_allowed: bool) -> list[Disclosure]:
        request = self.request
        return disclosures(request.plan, self.inputs, request.kept, own=request.own, weights_allowed=weights_allowed)

    @cached_property
    def rules(self) -> list[Rule]:
        """Those that name the analyst."""
        return [rule for rule in self.policy.rules if self.policy.is_among(self.request.analyst, rule.analysts)]

    @cached_property
    def charges(self) -> dict[str, int]:
        charged = dict.fromkeys(self.datasets, 0)
        for one in self.strict:
            for dataset in {dataset for dataset, _ in one.columns} & charged.keys() if one.revealed else ():
                charged[dataset] += one.numbers
        return charged

    def decision(self) -> Decision:
        wrong = self._person() or self._limits()
        if wrong:
            return Decision(Verdict.REFUSED, "", wrong)
        try:
            found = self.strict
        except PlanError as error:
            return Decision(Verdict.REFUSED, "", [f"what the plan discloses cannot be found out: {error.message}"])
        for plan in self.policy.approved:
            if self._is_approved(plan):
                reasons = [f"the plan is approved as {plan.name}", *map(str, found)]
                return Decision(Verdict.ACCEPTED, plan.name, reasons, found, self.charges)
        faults = {rule.name: self.faults(rule) for rule in self.rules}
        fitting = [rule for rule in self.rules if not faults[rule.name]]
        for rule in sorted(fitting, key=lambda rule: rule.hold):
            found = self.lenient if rule.row_weights else found
            reasons = [f"rule {rule.name} allows it", *map(str, found), *self.words()]
            if not rule.hold:
                return Decision(Verdict.ACCEPTED, rule.name, reasons, found, self.charges)
            reasons[0] += ", and holds every job until the operator approves it"
            return Decision(Verdict.HELD, rule.name, reasons, found, self.charges)
        if not faults:
            return Decision(Verdict.REFUSED, "", [*self._other_inputs(), self._unruled()], found)
        # a rule about other data has one fault only, and is no help
        nearest = min(self.rules, key=lambda rule: (bool(self._strange(rule)), len(faults[rule.name]))).name
        return Decision(Verdict.REFUSED, nearest, [*self._other_inputs(), *faults[nearest]], found)

    # -- whoever asks, whatever is asked

    def _person(self) -> list[str]:
        person = self.policy.person(self.request.analyst)
        if person is None:
            return [f"nobody with the certificate {self.request.analyst[:16]}... is among the people of this policy"]
        if Role.ANALYST not in person.roles:
            return [f"{person.name} has not the role of an analyst here"]
        return []

    def _limits(self) -> list[str]:
        plan, limits, wrong = self.request.plan, self.policy.limits, []
        plain = [output for output in plan.outputs if output.kind is OutputKind.REVEAL]
        revealed = sum(plan.operations[output.value].type.size for output in plain)
        for count, most, what in (
            (len(plan.listed), limits.operations, "operation in the plan"),
            (plan.numbers, limits.runs, "operation to be run"),
            (revealed, limits.revealed_numbers, "number revealed"),
        ):
            if count > most:
                wrong.append(f"{_many(count, what)}; the limits of this node allow {most:,}")
        if self.request.deadline_s > limits.deadline_s:
            wrong.append(
                f"the job may take {self.request.deadline_s:,.0f} s; this node allows {limits.deadline_s:,.0f}"
            )
        for one in narrowed(op for op, _ in plan.listed):
            if limits.asserted_bounds is Bounds.NONE or (limits.asserted_bounds is Bounds.REASONED and one.assumed):
                wrong.append(f"{_word(one)}; this node does not take his word for it")
        return wrong

    def words(self) -> list[str]:
        """Bounds that are the analyst's word."""
        return [_word(one) for one in narrowed(op for op, _ in self.request.plan.listed)]

    def _unruled(self) -> str:
        rules = listed([rule.name for rule in self.policy.rules]) or "none"
        return f"no rule names {self._name(self.request.analyst)}; the rules of this node are: {rules}"

    def _name(self, fingerprint: str) -> str:
        person = self.policy.person(fingerprint)
        return person.name if person is not None else f"{fingerprint[:16]}..."

    def _is_approved(self, plan: Approved) -> bool:
        return (
            self._is_meant(plan)
            and not self._kept_by_others(plan)
            and not self._recipients(plan.name, plan.recipients)
            and not self._budget(plan.name, plan.budget)
        )

    def _is_meant(self, plan: Approved) -> bool:
        return plan.plan == self.request.plan.hash.hex() and self.policy.is_among(self.request.analyst, plan.analysts)

    def _kept_by_others(self, plan: Approved) -> list[KeptSource]:
        """What goes in and was kept by no job that the approval names."""
        kept = [source for source in self.inputs.values() if isinstance(source, KeptSource)]
        return [source for source in kept if source.job not in plan.kept_by]

    def _other_inputs(self) -> list[str]:
        """Why an approval of this plan is not good for what goes in."""
        return [
            f"the plan is approved as {plan.name}, but not with {source.name} as job {source.job or '?'} kept it"
            for plan in self.policy.approved
            if self._is_meant(plan)
            for source in self._kept_by_others(plan)
        ]

    # -- one rule

    def faults(self, rule: Rule) -> list[str]:
        """Why the rule does not allow the job; empty if it does. If it is about other data, that is all."""
        if strange := self._strange(rule):
            return [f"the plan reads {listed(strange)}; rule {rule.name} is about {listed(rule.datasets)}"]
        wrong = self._columns(rule) + self._operations(rule)
        for one in self.lenient if rule.row_weights else self.strict:
            wrong += self._output(rule, one)
        if not wrong:
            wrong = self._together(rule)
        wrong += self._recipients(f"rule {rule.name}", rule.recipients) + self._budget(rule.name, rule.budget)
        return wrong

    def _strange(self, rule: Rule) -> list[str]:
        return [dataset for dataset in self.datasets if not rule.covers_dataset(dataset)]

    def _columns(self, rule: Rule) -> list[str]:
        strange = [column for column in self.columns if not rule.covers_column(*column)]
        if not strange:
            return []
        return [f"the plan reads {columns_text(strange)}; rule {rule.name} allows {_columns(rule.columns)}"]

    def _operations(self, rule: Rule) -> list[str]:
        used = operations_used(self.request.plan)
        allowed = used if ALL in rule.operations else used & set(rule.operations)
        denied = set(rule.denied_operations)
        strange = sorted(used - allowed | (used if ALL in denied else used & denied))
        if not strange:
            return []
        instead = "" if ALL in rule.operations else f"; allowed are {listed(rule.operations)}"
        return [f"the plan uses {listed(strange)}, which rule {rule.name} does not allow{instead}"]

    def _output(self, rule: Rule, one: Disclosure) -> list[str]:
        name, wrong = f"rule {rule.name}", []
        if not one.revealed and not rule.keep:
            wrong.append(f"output {one.output + 1} is to be kept as {one.name}; {name} lets nothing be kept")
        datasets = sorted({part.dataset for part in one.parts})
        if len(datasets) > 1 and not rule.combine_datasets:
            wrong.append(
                f"output {one.output + 1} depends on rows of {listed(datasets)}; {name} combines no datasets, "
                "and would allow results from one of them"
            )
        for dataset in datasets:
            parts = [part for part in one.parts if part.dataset == dataset]
            if len(parts) > 1 and not rule.mix_versions:
                wrong.append(
                    f"output {one.output + 1} depends on two versions of {dataset}; {name} does not mix versions, "
                    "as their difference may be a single row"
                )
            mine = [column for column in one.columns if column[0] == dataset]
            shown = bool(mine) and all(rule.shows_rows_of(*column) for column in mine)
            fewest = min(part.rows for part in parts)
            if one.revealed and fewest < rule.min_rows and not shown:
                wrong.append(f"{one}; {name} asks for {_least(rule)}")
        return wrong

    def _together(self, rule: Rule) -> list[str]:
        found = self.lenient if rule.row_weights else self.strict
        exempt = [one for one in found if one.columns and all(rule.shows_rows_of(*column) for column in one.columns)]
        wrong = []
        for dataset, (count, outputs) in joint_rows(one for one in found if one not in exempt).items():
            if count < rule.min_rows:
                which = listed([str(output + 1) for output in outputs])
                wrong.append(
                    f"outputs {which} together tell {rows(count)} of {dataset} apart from the others; rule {rule.name} "
                    f"asks for at least {rule.min_rows:,} rows, also between what is revealed together"
                )
        return wrong

    def _recipients(self, name: str, allowed: Sequence[str]) -> list[str]:
        asker = self.request.analyst
        strange = [one for one in self.request.recipients if not self.policy.is_among(one, allowed, self_=asker)]
        if not strange:
            return []
        may = ["everybody among the people" if one == ALL else "who asks" if one == SELF else one for one in allowed]
        return [f"results would go to {listed([self._name(one) for one in strange])}; {name} allows {_or_none(may)}"]

    def _budget(self, name: str, budget: Budget) -> list[str]:
        since = self.request.now - budget.days * DAY_S
        wrong = []
        for dataset, numbers in self.charges.items():
            used = self.request.used(name, dataset, since)
            for what, had, more, most in (
                ("job", used.jobs, 1, budget.jobs),
                ("number revealed", used.numbers, numbers, budget.numbers),
            ):
                if most is not None and more and had + more > most:
                    wrong.append(
                        f"{_many(more, what)} more on {dataset}, after {had:,} in the last {budget.days} days; "
                        f"the budget of {name} is {most:,}"
                    )
        return wrong


def _word(one: Narrowed) -> str:
    reason = "" if one.assumed else f" because, as he says, {one.reason}"
    what = "a value is" if len(one.types) == 1 else f"values of {len(one.types)} types are"
    return f"it is the analyst's word that {what} {one}{reason}"


def _least(rule: Rule) -> str:
    rows_ = f"at least {rule.min_rows:,} rows behind every number, such as a sum or a mean over so many"
    return f"{rows_}, and shows single rows of {_columns(rule.per_row)} only" if rule.per_row else rows_


def _columns(names: Sequence[str]) -> str:
    return _or_none(["all" if name == ALL else name for name in names])


def _many(count: int, what: str) -> str:
    """A count with its noun, the first word of `what`."""
    noun, _, rest = what.partition(" ")
    return " ".join(filter(None, [f"{count:,}", noun if count == 1 else f"{noun}s", rest]))


def _or_none(words: Sequence[str]) -> str:
    return listed(words) or "none"


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
