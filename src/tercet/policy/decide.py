"""Decides whether a job may run at this node: one rule must allow all of it. Rulings give reasons in sentences."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import cached_property

from tercet.errors import PlanError
from tercet.learn.reasons import KNOWN
from tercet.plan.plan import OutputKind
from tercet.plan.record.explain import Narrowed, narrowed
from tercet.plan.rows.track import Allowance
from tercet.policy.behind import counted_rows, foreign_columns, joint_rows, origins_of
from tercet.policy.disclosure import (
    Disclosure,
    columns_text,
    disclosures,
    listed,
    operations_used,
)
from tercet.policy.persons import Persons
from tercet.policy.request import Charge, ColumnName, ColumnSource, InputSource, KeptSource, PolicyRequest, Terms
from tercet.policy.rules import (
    ALL,
    SELF,
    AcceptedBounds,
    AcceptedRounding,
    Approved,
    Budget,
    PersonRole,
    Policy,
    Rule,
    Unchecked,
)

DAY_S = 86_400.0


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
    return f"dataset {dataset} has {_many(count, 'upload')} whose values nobody has checked against their ranges"


class Deliberation:
    """One request under one policy. `ruling` may be called again: it then reads again what was used of budgets, and
    works out nothing else anew."""

    def __init__(self, policy: Policy, request: PolicyRequest) -> None:
        self.policy, self.request = policy, request
        self._persons = Persons(request.keys)
        read = {handle for handle, _ in request.plan.inputs()}
        self.inputs = {handle: source for handle, source in request.inputs.items() if handle in read}
        # the analyst knows their own data, as they know a constant of the plan
        self.columns = foreign_columns(self.inputs)
        self.datasets = sorted({dataset for dataset, _ in self.columns})

    @cached_property
    def strict(self) -> list[Disclosure]:
        return self._disclosures(self.inputs, weights_allowed=False)

    @cached_property
    def lenient(self) -> list[Disclosure]:
        return self._disclosures(self.inputs, weights_allowed=True)

    def _disclosures(
        self, inputs: Mapping[bytes, InputSource], *, weights_allowed: bool, allowance: Allowance | None = None
    ) -> list[Disclosure]:
        plan, kept, persons = self.request.plan, self.request.kept, self._persons
        return disclosures(plan, inputs, kept, weights_allowed=weights_allowed, allowance=allowance, persons=persons)

    @cached_property
    def _learners(self) -> list[tuple[str, dict[bytes, InputSource]]]:
        """Everybody who would learn the results and knows other parts of the inputs than the analyst; of several who
        know the same, one."""
        found: list[tuple[str, dict[bytes, InputSource]]] = []
        for person, sources in self.request.learners.items():
            inputs = {handle: source for handle, source in sources.items() if handle in self.inputs}
            if inputs != self.inputs and all(inputs != known for _, known in found):
                found.append((self.policy.as_told(person), inputs))
        return found

    @cached_property
    def _strict_to(self) -> list[tuple[str, list[Disclosure]]]:
        return self._to_learners(weights_allowed=False)

    @cached_property
    def _lenient_to(self) -> list[tuple[str, list[Disclosure]]]:
        return self._to_learners(weights_allowed=True)

    def _to_learners(self, *, weights_allowed: bool) -> list[tuple[str, list[Disclosure]]]:
        """What the plan discloses to each of them; all have one allowance."""
        allowance = Allowance()
        return [
            (name, self._disclosures(inputs, weights_allowed=weights_allowed, allowance=allowance))
            for name, inputs in self._learners
        ]

    @cached_property
    def rules(self) -> list[Rule]:
        """Those that name the analyst."""
        return [rule for rule in self.policy.rules if self.policy.is_among(self.request.analyst, rule.analysts)]

    @cached_property
    def charges(self) -> dict[str, Charge]:
        charged = dict.fromkeys(self.datasets, Charge())
        for one in self.strict:
            for dataset in {dataset for dataset, _ in one.foreign}:
                had = charged[dataset]
                more = Charge(had.bits + one.bits, had.kept) if one.revealed else Charge(had.bits, had.kept + 1)
                charged[dataset] = more
        return charged

    @cached_property
    def used(self) -> frozenset[str]:
        """Operations of the plan, and of the jobs that have made what it reads."""
        before = [origins_of(source) for source in self.inputs.values() if isinstance(source, KeptSource)]
        return frozenset(operations_used(self.request.plan)).union(*(one.operations for one in before))

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
        nearest = min(self.rules, key=lambda rule: (bool(self._strange(rule)), len(faults[rule.name]))).name
        return Ruling(RulingKind.REFUSED, nearest, [*self._other_inputs(), *faults[nearest]], found)

    def _preference(self, rule: Rule) -> tuple[bool, int, int]:
        """Order of rules that allow the job: first those that do not hold it, then those on whose terms more can be
        made of what is kept."""
        kept = [one for one in self.strict if not one.revealed]
        closed = sum(bool(self._rows(rule, replace(one, revealed=True))) for one in kept)
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

    # -- what holds whichever rule is asked

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
        if limits.rounding is AcceptedRounding.EXACT and (coins := sum(op.rounds_by_coin for op, _ in plan.listed)):
            wrong.append(
                f"{_many(coins, 'operation')} of the plan round by a coin that the nodes know; this node wants exact "
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

    # -- one rule

    def faults(self, rule: Rule) -> list[str]:
        """Why the rule does not allow the job; empty if it does. If the rule is about other data, only that is said."""
        if strange := self._strange(rule):
            return [f"the plan reads {listed(strange)}; rule {rule.name} is about {listed(rule.datasets)}"]
        wrong = self._columns(rule) + self._operations(rule)
        try:
            wrong += self._told(rule, bool(wrong))
        except PlanError as error:
            wrong.append(f"what the plan discloses cannot be found out: {error.message}")
        wrong += self._recipients(f"rule {rule.name}", rule.recipients) + self._budget(rule.name, rule.budget)
        return wrong

    def _told(self, rule: Rule, refused: bool) -> list[str]:
        """What is wrong with what the outputs disclose: each alone, all together, and to everybody who would learn
        them."""
        wrong = []
        found = self.lenient if rule.row_weights else self.strict
        for one in found:
            wrong += self._output(rule, one)
        if not wrong and not refused:
            wrong = self._together(rule, found)
        if not wrong and not refused:
            # what single people know matters only where the outputs may be told to somebody who knows nothing
            for name, to_them in self._lenient_to if rule.row_weights else self._strict_to:
                to_one = [fault for one in to_them for fault in self._rows(rule, one, name)]
                wrong += to_one or self._together(rule, to_them, name)
        return wrong

    def _strange(self, rule: Rule) -> list[str]:
        return [dataset for dataset in self.datasets if not rule.covers_dataset(dataset)]

    def _columns(self, rule: Rule) -> list[str]:
        strange = [column for column in self.columns if not rule.covers_column(*column)]
        if not strange:
            return []
        return [f"the plan reads {columns_text(strange)}; rule {rule.name} allows {_columns(rule.columns)}"]

    def _operations(self, rule: Rule) -> list[str]:
        used = self.used
        allowed = used if ALL in rule.operations else used & set(rule.operations)
        denied = set(rule.denied_operations)
        strange = sorted(used - allowed | (used if ALL in denied else used & denied))
        if not strange:
            return []
        instead = "" if ALL in rule.operations else f"; allowed are {_or_none(rule.operations)}"
        here = operations_used(self.request.plan)
        what = (
            "the plan uses" if here >= set(strange) else "the plan, or what made the kept results that it reads, uses"
        )
        return [f"{what} {listed(strange)}, which rule {rule.name} does not allow{instead}"]

    def _output(self, rule: Rule, one: Disclosure) -> list[str]:
        name, wrong = f"rule {rule.name}", []
        if not one.revealed and not rule.keep:
            wrong.append(f"output {one.output + 1} is to be kept as {one.name}; {name} lets nothing be kept")
        datasets = sorted({behind.dataset for behind in one.behind})
        if len(datasets) > 1 and not rule.combine_datasets:
            wrong.append(
                f"output {one.output + 1} depends on rows of {listed(datasets)}; {name} combines no datasets, "
                "and would allow results from one of them"
            )
        for dataset in datasets:
            if sum(behind.dataset == dataset for behind in one.behind) > 1 and not rule.mix_versions:
                wrong.append(
                    f"output {one.output + 1} depends on two versions of {dataset}; {name} does not mix versions, "
                    "as their difference may be a single row"
                )
        return wrong + self._rows(rule, one)

    def _rows(self, rule: Rule, one: Disclosure, learner: str = "") -> list[str]:
        """Whether enough rows stand behind an output, for this rule and for the rules under which what it reads was
        kept. `learner`: who learns it, if that is not the analyst alone.
        """
        if not one.revealed:
            return []
        wrong = []
        for dataset in sorted({behind.dataset for behind in one.behind}):
            fewest = min(behind.rows for behind in one.behind if behind.dataset == dataset)
            columns = [column for column in one.foreign if column[0] == dataset]
            if fewest < rule.min_rows and not (columns and all(rule.shows_rows_of(*column) for column in columns)):
                wrong.append(f"{one.told(learner)}; rule {rule.name} asks for {_least(rule)}")
                continue
            for source in one.through:
                behind = [column for column in columns if column in origins_of(source).columns]
                asks = dataset not in source.own and not source.terms.shown >= set(behind)
                if behind and asks and fewest < source.terms.min_rows:
                    wrong.append(f"{one.told(learner)}; {_kept_under(source)}")
        return wrong

    def _together(self, rule: Rule, found: Sequence[Disclosure], learner: str = "") -> list[str]:
        exempt = [one for one in found if one.foreign and all(rule.shows_rows_of(*column) for column in one.foreign)]
        counted = [(one.output, one.behind) for one in found if one.revealed and one not in exempt]
        wrong = []
        for dataset, (count, outputs) in joint_rows(counted).items():
            asked = max([rule.min_rows, *(_asked(found[output]) for output in outputs)])
            if count < asked:
                which = listed([str(output + 1) for output in outputs])
                whom = f" to {learner}" if learner else ""
                wrong.append(
                    f"outputs {which} together tell{whom} {counted_rows(count)} of {dataset} apart from the others; "
                    f"rule {rule.name} asks for at least {asked:,} rows, also between what is revealed together"
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
        """Whether the job is within the budget of the analyst, and of everybody else who would learn its results,
        counting what they had under all rules."""
        asker, wrong = self.request.analyst, []
        for person in dict.fromkeys([asker, *self.request.recipients]):
            for dataset, charge in self.charges.items():
                if person == asker or charge.bits:
                    wrong += self._spent(name, budget, person, dataset, charge)
        return wrong

    def _spent(self, name: str, budget: Budget, person: str, dataset: str, charge: Charge) -> list[str]:
        used = self.request.used(person, dataset, self.request.now - budget.days * DAY_S)
        whose = "" if person == self.request.analyst else f" for {self._name(person)}"
        kept = charge.kept if person == self.request.analyst else 0
        wrong = [
            f"{_many(more, what)} more on {dataset}{whose}, after {had:,} in the last {budget.days} days under all "
            f"rules; the budget of {name} is {most:,}"
            for what, had, more, most in (
                ("job", used.jobs, 1, budget.jobs),
                ("bit revealed", used.bits, charge.bits, budget.bits),
                ("array kept", used.kept, kept, budget.kept),
            )
            if most is not None and more and had + more > most
        ]
        if not wrong and kept and budget.bits is not None and used.bits + charge.bits >= budget.bits:
            wrong.append(
                f"nothing of {dataset} could be revealed any more, so nothing of it is kept: "
                f"{used.bits + charge.bits:,} bits in the last {budget.days} days under all rules, and the budget of "
                f"{name} is {budget.bits:,}"
            )
        return wrong


def _asked(one: Disclosure) -> int:
    """The most rows that any rule asks for under which something that the output reads was kept."""
    least = 0
    for source in one.through:
        behind: set[ColumnName] = set(one.foreign) & origins_of(source).columns
        if behind and not source.terms.shown >= behind:
            least = max(least, source.terms.min_rows)
    return least


def _kept_under(source: KeptSource) -> str:
    under = f"{source.name} was kept under {listed(source.terms.rules) or 'a rule that this node does not know'}"
    return f"{under}, which asks for at least {counted_rows(source.terms.min_rows)} behind every number made of it"


def _word(one: Narrowed) -> str:
    reason = "" if one.assumed else f" because, as they say, {one.reason}"
    what = "a value is" if len(one.types) == 1 else f"values of {len(one.types)} types are"
    return f"the analyst claims, without proof, that {what} {one}{reason}"


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
