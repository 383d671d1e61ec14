"""What is wrong with a job under one rule of a policy, in sentences, and what the policy knows of the job for that."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property

from tercet.errors import PlanError
from tercet.federation.text import counted
from tercet.plan.rows.track import Allowance
from tercet.policy.behind import foreign_columns, joint_rows, origins_of
from tercet.policy.disclosure import Disclosure, columns_text, disclosures, listed, operations_used
from tercet.policy.persons import Persons
from tercet.policy.request import Charge, ColumnName, InputSource, KeptSource, PolicyRequest
from tercet.policy.rules import ALL, SELF, Budget, Policy, Rule

DAY_S = 86_400.0


class PolicyCase:
    """One request under one policy. What is worked out of plan and inputs is remembered; what was used of budgets is
    read whenever it is asked for."""

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
        """What the plan discloses to the analyst."""
        return self._disclosures(self.inputs, weights_allowed=False)

    @cached_property
    def lenient(self) -> list[Disclosure]:
        """The same under a rule by which public weights may differ from row to row."""
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
        """What the job counts for each dataset."""
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

    def faults(self, rule: Rule) -> list[str]:
        """Why the rule does not allow the job; empty if it does. If the rule is about other data, only that is said."""
        if strange := self.strange(rule):
            return [f"the plan reads {listed(strange)}; rule {rule.name} is about {listed(rule.datasets)}"]
        wrong = self._columns(rule) + self._operations(rule)
        try:
            wrong += self._told(rule, bool(wrong))
        except PlanError as error:
            wrong.append(f"what the plan discloses cannot be found out: {error.message}")
        wrong += self.recipient_faults(f"rule {rule.name}", rule.recipients)
        return wrong + self.budget_faults(rule.name, rule.budget)

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
                to_one = [fault for one in to_them for fault in self.rows_faults(rule, one, name)]
                wrong += to_one or self._together(rule, to_them, name)
        return wrong

    def strange(self, rule: Rule) -> list[str]:
        """Datasets that the rule is not about."""
        return [dataset for dataset in self.datasets if not rule.covers_dataset(dataset)]

    def _columns(self, rule: Rule) -> list[str]:
        strange = [column for column in self.columns if not rule.covers_column(*column)]
        if not strange:
            return []
        return [f"the plan reads {columns_text(strange)}; rule {rule.name} allows {_columns(rule.columns)}"]

    def _operations(self, rule: Rule) -> list[str]:
        strange = sorted(name for name in self.used if not rule.allows_operation(name))
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
        return wrong + self.rows_faults(rule, one)

    def rows_faults(self, rule: Rule, one: Disclosure, learner: str = "") -> list[str]:
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
        told = [(one.output, one.behind) for one in found if one.revealed and one not in exempt]
        wrong = []
        for dataset, (count, outputs) in joint_rows(told).items():
            asked = max([rule.min_rows, *(_asked(found[output]) for output in outputs)])
            if count < asked:
                which = listed([str(output + 1) for output in outputs])
                whom = f" to {learner}" if learner else ""
                wrong.append(
                    f"outputs {which} together tell{whom} {counted(count, 'row')} of {dataset} apart from the others; "
                    f"rule {rule.name} asks for at least {asked:,} rows, also between what is revealed together"
                )
        return wrong

    def recipient_faults(self, name: str, allowed: Sequence[str]) -> list[str]:
        asker = self.request.analyst
        strange = [one for one in self.request.recipients if not self.policy.is_among(one, allowed, self_=asker)]
        if not strange:
            return []
        may = ["everybody among the people" if one == ALL else "who asks" if one == SELF else one for one in allowed]
        return [f"results would go to {listed([self.name_of(one) for one in strange])}; {name} allows {_or_none(may)}"]

    def budget_faults(self, name: str, budget: Budget) -> list[str]:
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
        whose = "" if person == self.request.analyst else f" for {self.name_of(person)}"
        kept = charge.kept if person == self.request.analyst else 0
        wrong = [
            f"{counted(more, noun)}{state} more on {dataset}{whose}, after {had:,} in the last {budget.days} days "
            f"under all rules; the budget of {name} is {most:,}"
            for noun, state, had, more, most in (
                ("job", "", used.jobs, 1, budget.jobs),
                ("bit", " revealed", used.bits, charge.bits, budget.bits),
                ("array", " kept", used.kept, kept, budget.kept),
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

    def name_of(self, fingerprint: str) -> str:
        person = self.policy.person(fingerprint)
        return person.name if person is not None else f"{fingerprint[:16]}..."


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
    return f"{under}, which asks for at least {counted(source.terms.min_rows, 'row')} behind every number made of it"


def _least(rule: Rule) -> str:
    rows_ = f"at least {rule.min_rows:,} rows behind every number, such as a sum or a mean over so many"
    return f"{rows_}, and shows single rows of {_columns(rule.per_row)} only" if rule.per_row else rows_


def _columns(names: Sequence[str]) -> str:
    return _or_none(["all" if name == ALL else name for name in names])


def _or_none(words: Sequence[str]) -> str:
    return listed(words) or "none"
