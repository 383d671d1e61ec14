"""Decides whether a job may run at this node: one rule must allow all of it. Rulings give reasons in sentences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import cached_property

from tercet.errors import PlanError
from tercet.federation.text import counted
from tercet.learn.reasons import KNOWN
from tercet.plan.plan import OutputKind
from tercet.plan.record.explain import Narrowed, narrowed
from tercet.policy.behind import origins_of
from tercet.policy.case import PolicyCase
from tercet.policy.disclosure import Disclosure, listed
from tercet.policy.request import Charge, ColumnName, ColumnSource, KeptSource, PolicyRequest, Terms
from tercet.policy.rules import AcceptedBounds, AcceptedRounding, Approved, PersonRole, Policy, Rule, Unchecked


class RulingKind(StrEnum):
    """What a node does with a job."""

    ACCEPTED = "accepted"
    HELD = "held"
    REFUSED = "refused"


@dataclass(frozen=True)
class Ruling:
    """What the policy says of a job. `rule` is the rule that allows the job, or else the one with the fewest faults;
    `charges` are counted for each dataset behind what is revealed or kept, if the job runs; `terms` are those on which
    each output may be kept.
    """

    kind: RulingKind
    rule: str
    reasons: list[str]
    disclosures: list[Disclosure] = field(default_factory=list)
    charges: Mapping[str, Charge] = field(default_factory=dict)
    terms: Mapping[int, Terms] = field(default_factory=dict)

    @property
    def numbers(self) -> int:
        """How many numbers the job reveals."""
        return sum(one.numbers for one in self.disclosures if one.revealed)

    @property
    def bits(self) -> int:
        """How many bits these numbers can carry."""
        return sum(one.bits for one in self.disclosures if one.revealed)


def decide(policy: Policy, request: PolicyRequest) -> Ruling:
    """Decide about a job. Called by each node for itself, with its own policy, before anything runs.

    Reads nothing but its arguments; time as `track`. Whatever an analyst wrote is refused with a reason, not raised: so
    is a plan that does not fit its inputs. Raises IntegrityError if what this node wrote about a kept array is broken.
    """
    return Deliberation(policy, request).ruling()


def explain(policy: Policy, request: PolicyRequest) -> tuple[Ruling, list[str]]:
    """As `decide`; and in sentences what the plan would disclose, which of its bounds are not proven, and what is wrong
    with it under each rule."""
    case = Deliberation(policy, request)
    ruling = case.ruling()
    said = [f"The plan has the hash {request.plan.hash.hex()}."]
    said += [f"{one}." for one in ruling.disclosures] + [f"{word}." for word in case.words()]
    said += [f"{word}." for word in case.checked()]
    said += [f"{_capital(ruling.kind)}{f' by {ruling.rule}' if ruling.rule else ''}."]
    if ruling.kind is RulingKind.REFUSED:
        said += [f"{reason}." for reason in ruling.reasons]
        for rule in case.rules:
            if rule.name != ruling.rule:
                said += [f"{fault}." for fault in case.faults(rule)]
    return ruling, said


def _unchecked(dataset: str, count: int) -> str:
    return f"dataset {dataset} has {counted(count, 'upload')} whose values nobody has checked against their ranges"


class Deliberation(PolicyCase):
    """A case and its ruling. `ruling` may be called again: it then reads again what was used of budgets, and works out
    nothing else anew."""

    def ruling(self) -> Ruling:
        wrong = self._person() or self._limits()
        if wrong:
            return Ruling(RulingKind.REFUSED, "", wrong)
        try:
            found = self.strict
        except PlanError as error:
            return Ruling(RulingKind.REFUSED, "", [f"what the plan discloses cannot be found out: {error.message}"])
        for plan in self.policy.approved:
            if self._is_approved(plan):
                reasons = [f"the plan is approved as {plan.name}", *map(str, found)]
                terms = self._terms(plan.name, found, 0, None)
                return Ruling(RulingKind.ACCEPTED, plan.name, reasons, found, self.charges, terms)
        faults = {rule.name: self.faults(rule) for rule in self.rules}
        fitting = [rule for rule in self.rules if not faults[rule.name]]
        for rule in sorted(fitting, key=self._preference):
            found = self.lenient if rule.row_weights else found
            reasons = [f"rule {rule.name} allows it", *map(str, found), *self.words()]
            terms = self._terms(rule.name, found, rule.min_rows, rule)
            if not rule.hold:
                return Ruling(RulingKind.ACCEPTED, rule.name, reasons, found, self.charges, terms)
            reasons[0] += ", and holds every job until the operator approves it"
            return Ruling(RulingKind.HELD, rule.name, reasons, found, self.charges, terms)
        if not faults:
            return Ruling(RulingKind.REFUSED, "", [*self._other_inputs(), self._unruled()], found)
        # a rule about other data has one fault only, which does not help the analyst
        nearest = min(self.rules, key=lambda rule: (bool(self.strange(rule)), len(faults[rule.name]))).name
        return Ruling(RulingKind.REFUSED, nearest, [*self._other_inputs(), *faults[nearest]], found)

    def _preference(self, rule: Rule) -> tuple[bool, int, int]:
        """Order of rules that allow the job: first those that do not hold it, then those on whose terms more can be
        made of what is kept."""
        kept = [one for one in self.strict if not one.revealed]
        closed = sum(bool(self.rows_faults(rule, replace(one, revealed=True))) for one in kept)
        return rule.hold, closed, rule.min_rows if kept else 0

    @staticmethod
    def _terms(name: str, found: Sequence[Disclosure], min_rows: int, rule: Rule | None) -> dict[int, Terms]:
        """The terms of outputs that are kept, which bind what is made of them later. An approval (`rule` None) has
        none."""
        terms = {}
        for one in found:
            before: dict[Terms, frozenset[ColumnName]] = {}
            for source in one.through:
                foreign = frozenset(column for column in origins_of(source).columns if column[0] not in source.own)
                before[source.terms] = before.get(source.terms, frozenset()) | foreign
            before = {each: columns for each, columns in before.items() if columns}
            shown = [column for column in one.foreign if rule is None or rule.shows_rows_of(*column)]
            if not one.revealed:
                terms[one.output] = Terms.of(name, min_rows, shown, before)
        return terms

    def _person(self) -> list[str]:
        person = self.policy.person(self.request.analyst)
        if person is None:
            return [f"nobody with the certificate {self.request.analyst[:16]}... is among the people of this policy"]
        if PersonRole.ANALYST not in person.roles:
            return [f"{person.name} does not have the role of an analyst here"]
        return []

    def _limits(self) -> list[str]:
        plan, limits, wrong = self.request.plan, self.policy.limits, []
        plain = [output for output in plan.outputs if output.kind is OutputKind.REVEAL]
        revealed = sum(plan.type_of(output.value).size for output in plain)
        for count, most, noun, what in (
            (len(plan.listed), limits.operations, "operation", "in the plan"),
            (plan.numbers, limits.runs, "operation", "to be run"),
            (revealed, limits.revealed_numbers, "number", "revealed"),
        ):
            if count > most:
                wrong.append(f"{counted(count, noun)} {what}; the limits of this node allow {most:,}")
        if self.request.deadline_s > limits.deadline_s:
            wrong.append(
                f"the job may take {self.request.deadline_s:,.0f} s; this node allows {limits.deadline_s:,.0f}"
            )
        if limits.rounding is AcceptedRounding.EXACT and (coins := sum(op.rounds_by_coin for op, _ in plan.listed)):
            wrong.append(
                f"{counted(coins, 'operation')} of the plan round by a coin that the nodes know; this node wants exact "
                'rounding: connect with rounding="exact"'
            )
        if limits.unchecked is Unchecked.REFUSE:
            wrong += [f"{_unchecked(*one)}; this node takes checked ones only" for one in self._unchecked_datasets()]
        if limits.asserted_bounds is AcceptedBounds.PROVEN:
            wrong += [
                f'{_word(one)}; this node takes bounds that the plan proves or enforces: connect with bounds="enforced"'
                for one in self._words
            ]
        return wrong

    @cached_property
    def _words(self) -> list[Narrowed]:
        return narrowed(self.request.plan, KNOWN)

    def words(self) -> list[str]:
        """Sentences about bounds that are not proven: the analyst states them, or an owner whose upload nobody has
        checked."""
        check = self.policy.limits.unchecked is Unchecked.CHECK
        then = "checked before the job starts" if check else "taken at their owners' word, and not relied on"
        found = [f"{_unchecked(*one)}: they are {then}" for one in self._unchecked_datasets()]
        return found + [
            f"{_word(one)}; if it is not true, the result is wrong and nothing more is revealed" for one in self._words
        ]

    def checked(self) -> list[str]:
        """Sentences about datasets of which the nodes have checked every value against its range, under sharing."""
        read = {source.dataset for source in self.inputs.values() if isinstance(source, ColumnSource)}
        return [
            f"all values of {name} were checked against their ranges under sharing"
            for name in sorted(read - set(self.request.unchecked))
        ]

    def _unchecked_datasets(self) -> list[tuple[str, int]]:
        return sorted((name, count) for name, count in self.request.unchecked.items() if name in self.datasets)

    def _unruled(self) -> str:
        rules = listed([rule.name for rule in self.policy.rules]) or "none"
        return f"no rule names {self.name_of(self.request.analyst)}; the rules of this node are: {rules}"

    def _is_approved(self, plan: Approved) -> bool:
        return (
            self._is_meant(plan)
            and not self._kept_by_others(plan)
            and not self.recipient_faults(plan.name, plan.recipients)
            and not self.budget_faults(plan.name, plan.budget)
        )

    def _is_meant(self, plan: Approved) -> bool:
        return plan.plan == self.request.plan.hash.hex() and self.policy.is_among(self.request.analyst, plan.analysts)

    def _kept_by_others(self, plan: Approved) -> list[KeptSource]:
        """Kept results that are read and that no job named by the approval has kept."""
        kept = [source for source in self.inputs.values() if isinstance(source, KeptSource)]
        return [source for source in kept if source.job not in plan.kept_by]

    def _other_inputs(self) -> list[str]:
        """Why an approval of this plan does not hold for the kept results that it reads."""
        return [
            f"the plan is approved as {plan.name}, but not with {source.name} as job {source.job or '?'} kept it"
            for plan in self.policy.approved
            if self._is_meant(plan)
            for source in self._kept_by_others(plan)
        ]


def _word(one: Narrowed) -> str:
    reason = "" if one.assumed else f" because, as they say, {one.reason}"
    what = "a value is" if len(one.types) == 1 else f"values of {len(one.types)} types are"
    return f"the analyst claims, without proof, that {what} {one}{reason}"


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
