"""A node's policy in sentences, each with its line in the file: for operators who read what they have written."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tercet.federation.text import counted
from tercet.policy.disclosure import listed
from tercet.policy.rules import (
    ALL,
    SELF,
    AcceptedBounds,
    AcceptedRounding,
    Budget,
    Place,
    Policy,
    Rule,
    Unchecked,
    line_of,
)


@dataclass(frozen=True)
class Sentence:
    """What one table of `policy.toml` lets happen, and the line where it begins (0: it is not in the file)."""

    line: int
    text: str


def sentences(policy: Policy, text: str) -> list[Sentence]:
    """The policy that `text` gave, in the order of its parts. Pages of operators show it beside the file."""
    return [Sentence(line_of(text, place), words) for place, words in _parts(policy)]


def _parts(policy: Policy) -> Iterator[tuple[Place, str]]:
    for at, person in enumerate(policy.people):
        home = f" of {person.organisation}" if person.organisation else ""
        roles = listed([f"{'an' if role[0] in 'ao' else 'a'} {role}" for role in person.roles])
        yield ("people", at), f"{person.name}{home} is {roles} here (certificate {person.fingerprint[:16]}…)."
    if not policy.people:
        yield ("people",), "Nobody is known here, so nobody may do anything."
    for at, entry in enumerate(policy.owners):
        yield ("owners", at), f"{_who(entry.people, 'every owner')} may {listed(entry.may)} {_data(entry.datasets)}."
    for at, rule in enumerate(policy.rules):
        yield ("rules", at), " ".join(_rule(rule))
    for at, plan in enumerate(policy.approved):
        words = f"{plan.name}: {_who(plan.analysts, 'every analyst')} may run the plan {plan.plan[:16]}… as it is"
        note = f" ({plan.note})" if plan.note else ""
        yield (
            ("approved", at),
            f"{words}, whatever it reveals{note}. {_recipients(plan.recipients)} {_budget(plan.budget)}",
        )
    yield ("limits",), " ".join(_limits(policy))


def _rule(rule: Rule) -> Iterator[str]:
    columns = "" if ALL in rule.columns else f", with the columns {listed(rule.columns)} only"
    if not rule.columns:
        columns = ", with none of the columns"
    yield f"{rule.name}: {_who(rule.analysts, 'every analyst')} may compute on {_data(rule.datasets)}{columns}."
    if ALL not in rule.operations:
        yield f"Only these operations: {listed(rule.operations)}." if rule.operations else "No operation may be used."
    if rule.denied_operations:
        yield f"Not these operations: {listed(rule.denied_operations)}."
    yield (
        f"Each number that is revealed rests on at least {counted(rule.min_rows, 'row')} of others, "
        f"and each condition is met by at least {rule.cohort}."
    )
    if rule.per_row:
        what = "all columns" if ALL in rule.per_row else listed(rule.per_row)
        yield f"SINGLE ROWS of {what} may be revealed."
    if rule.row_weights:
        yield "Public weights may differ from row to row, by which somebody can single one out."
    if rule.combine_datasets:
        yield "A result may depend on rows of several of these datasets."
    if rule.mix_versions:
        yield "A result may depend on two versions of a dataset, whose difference may be one row."
    yield _recipients(rule.recipients)
    yield "Results may be kept here as shares." if rule.keep else "Nothing is kept."
    yield _budget(rule.budget)
    if rule.hold:
        yield "EACH JOB WAITS until an operator here lets it through."


def _budget(budget: Budget) -> str:
    parts = []
    if budget.jobs is not None:
        parts.append(counted(budget.jobs, "job"))
    if budget.bits is not None:
        parts.append(counted(budget.bits, "bit"))
    most = (
        f"at most {listed([*parts, f'{budget.kept:,} kept arrays'])} of each dataset in {counted(budget.days, 'day')}"
    )
    return f"A person has had {most}{'' if parts else '; jobs and bits are not limited'}."


def _recipients(names: Sequence[str]) -> str:
    if ALL in names:
        return "Results may go to everybody who is known here."
    if not names:
        return "Nobody may get results."
    return f"Results go to {listed(['who asks' if name == SELF else name for name in names])}."


def _limits(policy: Policy) -> Iterator[str]:
    limits = policy.limits
    yield (
        f"Every job: at most {counted(limits.operations, 'operation')} ({limits.runs:,} runs), "
        f"{counted(limits.revealed_numbers, 'number')} revealed, {limits.deadline_s:,.0f} seconds."
    )
    if limits.rounding is AcceptedRounding.EXACT:
        yield "No result rests on a rounding by a coin."
    yield {
        Unchecked.CHECK: "Data that nobody has checked is checked before its first job.",
        Unchecked.REFUSE: "Jobs on data that nobody has checked are refused.",
        Unchecked.ALLOW: "Jobs on data that nobody has checked are allowed.",
    }[limits.unchecked]
    if limits.asserted_bounds is AcceptedBounds.PROVEN:
        yield "Bounds that a plan neither proves nor enforces are refused."


def _who(names: Sequence[str], everybody: str) -> str:
    return everybody if ALL in names else listed(names)


def _data(names: Sequence[str]) -> str:
    return "all datasets" if ALL in names else listed(names)
