"""Decisions: what is allowed, and that every refusal says what was asked, what is allowed and by which rule."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from plan_trio import TrioSession
from tercet.errors import IntegrityError
from tercet.plan.compile import Wanted, compile_plan
from tercet.plan.network import LAN
from tercet.plan.plan import OutputKind, Plan
from tercet.plan.rows import Aggregate, Rows
from tercet.policy.decide import Decision, Verdict, decide, explain
from tercet.policy.disclosure import disclosures
from tercet.policy.request import ColumnSource, KeptSource, PolicyRequest, Source, Used
from tercet.policy.rules import Policy

N = 30
ADA, BOB, EVE = "ad" * 32, "b0" * 32, "ee" * 32
NOW = 1_700_000_000.0

PEOPLE = f"""
version = 1
[[people]]
name = "ada"
fingerprint = "{ADA}"
roles = ["analyst"]
[[people]]
name = "bob"
fingerprint = "{BOB}"
roles = ["owner"]
"""
RULE = """
[[rules]]
name = "research"
analysts = ["ada"]
datasets = ["patients"]
"""


def policy(more: str = "", rest: str = "") -> Policy:
    return Policy.parse(PEOPLE + RULE + more + rest)


class Data:
    """Columns of two datasets as an analyst records with them."""

    def __init__(self) -> None:
        self.session = TrioSession()
        self.sources: dict[bytes, Source] = {}
        rng = np.random.default_rng(3)
        self.income, self.age = (self.column("patients", name, rng.integers(0, 90, N)) for name in ("income", "age"))
        self.visits = self.column("visits", "visits", rng.integers(0, 90, N))
        self.later = self.column("patients", "income", rng.integers(0, 90, N), "v2")
        self.xp = self.income.__array_namespace__()

    def column(self, dataset: str, name: str, values: Any, layout: str = "v1") -> Any:
        column = self.session.share(values, bounds=(0, 90))
        self.sources[list(self.session.stored)[-1]] = ColumnSource(dataset, name, N, layout)
        return column

    def plan(self, *revealed: Any, kept: tuple[Any, ...] = ()) -> Plan:
        wanted = [Wanted(value.node, OutputKind.REVEAL) for value in revealed]
        wanted += [Wanted(value.node, OutputKind.PERSIST, bytes([k] * 16)) for k, value in enumerate(kept, 1)]
        return compile_plan(wanted, LAN)

    def request(self, *revealed: Any, kept: tuple[Any, ...] = (), **more: Any) -> PolicyRequest:
        plan = self.plan(*revealed, kept=kept)
        names = {len(revealed) + k: f"kept{k}" for k in range(len(kept))}
        request = PolicyRequest(ADA, (ADA,), plan, self.sources, NOW, kept=names)
        return replace(request, **more)


@pytest.fixture
def d() -> Data:
    return Data()


def refused(decision: Decision, *parts: str) -> None:
    text = "; ".join(decision.reasons)
    assert decision.verdict is Verdict.REFUSED, text
    for part in parts:
        assert part in text, text


def test_a_mean_over_enough_rows_is_allowed(d: Data) -> None:
    decision = decide(policy(), d.request(d.income.mean()))
    assert (decision.verdict, decision.rule, decision.numbers) == (Verdict.ACCEPTED, "research", 1)
    assert decision.reasons == [
        "rule research allows it",
        "output 1 reveals one number computed from `income` of patients, over at least 30 rows of patients",
    ]
    assert decision.charges == {"patients": 1}


def test_too_few_rows_are_refused_in_words(d: Data) -> None:
    decision = decide(policy(), d.request(d.income[:12].mean()))
    assert decision.reasons == [
        "output 1 reveals one number computed from `income` of patients, over at least 12 rows of patients; "
        "rule research asks for at least 20 rows behind every number, such as a sum or a mean over so many"
    ]
    assert decision.rule == "research"
    assert decide(policy("min_rows = 12"), d.request(d.income[:12].mean())).verdict is Verdict.ACCEPTED


@pytest.mark.parametrize("make", [lambda d: d.income, lambda d: d.xp.max(d.income), lambda d: d.income[3]])
def test_single_rows_are_refused_unless_allowed_by_name(d: Data, make: Any) -> None:
    refused(decide(policy(), d.request(make(d))), "`income` of patients", "at least 20 rows")
    assert decide(policy('per_row = ["patients/income"]'), d.request(make(d))).verdict is Verdict.ACCEPTED
    refused(decide(policy('per_row = ["patients/age"]'), d.request(make(d))), "single rows of patients/age only")
    mixed = d.request(make(d) + d.age.sum(), d.age + d.income)
    refused(decide(policy('per_row = ["patients/income"]'), mixed), "output 1", "output 2")
    assert decide(policy('per_row = ["patients/*"]'), mixed).verdict is Verdict.ACCEPTED


def test_differences_within_one_job_are_refused(d: Data) -> None:
    whole, part = d.income.sum(), d.income[1:].sum()
    for one in (whole, part):
        assert decide(policy(), d.request(one)).verdict is Verdict.ACCEPTED
    refused(decide(policy(), d.request(whole, part)), "outputs 1 and 2 together tell 1 row of patients apart")
    halves = d.income[:15].sum(), d.income.sum()
    assert decide(policy("min_rows = 15"), d.request(*halves)).verdict is Verdict.ACCEPTED


def test_datasets_and_columns_must_be_covered(d: Data) -> None:
    refused(decide(policy(), d.request(d.visits.sum())), "the plan reads visits; rule research is about patients")
    limited = policy('columns = ["patients/age"]')
    refused(decide(limited, d.request(d.income.sum())), "reads `income` of patients; rule research allows patients/age")
    assert decide(limited, d.request(d.age.sum())).verdict is Verdict.ACCEPTED


def test_datasets_are_combined_only_if_allowed(d: Data) -> None:
    both = Policy.parse(PEOPLE + RULE.replace('["patients"]', '["patients", "visits"]'))
    products = d.request((d.income * d.visits).sum())
    refused(decide(both, products), "output 1 depends on rows of patients and visits", "combines no datasets")
    apart = d.request(d.income.sum(), d.visits.sum())
    assert decide(both, apart).verdict is Verdict.ACCEPTED
    assert decide(both, apart).charges == {"patients": 1, "visits": 1}
    allowed = Policy.parse(PEOPLE + RULE.replace('["patients"]', '["*"]') + "combine_datasets = true")
    assert decide(allowed, products).verdict is Verdict.ACCEPTED


def test_versions_are_mixed_only_if_allowed(d: Data) -> None:
    mixed = d.request(d.income.sum() - d.later.sum())
    refused(decide(policy(), mixed), "two versions of patients", "may be a single row")
    assert decide(policy("mix_versions = true"), mixed).verdict is Verdict.ACCEPTED


def test_operations_are_allowed_and_denied(d: Data) -> None:
    count = d.request(d.xp.count_nonzero(d.income > 40))
    refused(
        decide(policy('denied_operations = ["negative", "less"]'), count),
        "uses negative, which rule research does not allow",
    )
    refused(decide(policy('operations = ["sum", "scale"]'), count), "allowed are sum and scale")
    refused(decide(policy('denied_operations = ["*"]'), count), "which rule research does not allow")
    assert decide(policy('operations = ["sum", "scale"]'), d.request(d.income.sum())).verdict is Verdict.ACCEPTED


def test_weights_are_allowed_by_name(d: Data) -> None:
    weighed = d.request((d.income * np.arange(1, N + 1)).sum())
    refused(decide(policy(), weighed), "at least 1 row of patients")
    assert decide(policy("row_weights = true"), weighed).verdict is Verdict.ACCEPTED


def test_recipients_must_be_allowed(d: Data) -> None:
    to_bob = d.request(d.income.sum(), recipients=(ADA, BOB))
    refused(decide(policy(), to_bob), "results would go to bob; rule research allows who asks")
    assert decide(policy('recipients = ["self", "bob"]'), to_bob).verdict is Verdict.ACCEPTED
    assert decide(policy('recipients = ["*"]'), to_bob).verdict is Verdict.ACCEPTED
    stranger = replace(to_bob, recipients=(EVE,))
    refused(decide(policy('recipients = ["*"]'), stranger), "eeeeeeeeeeeeeeee...")


def test_strangers_and_people_without_the_role_are_refused(d: Data) -> None:
    request = d.request(d.income.sum())
    refused(decide(policy(), replace(request, analyst=EVE)), "is among the people")
    refused(decide(policy(), replace(request, analyst=BOB)), "bob has not the role of an analyst")
    nobody = Policy.parse(PEOPLE)
    refused(decide(nobody, request), "no rule names ada; the rules of this node are: none")


def test_budgets_count_jobs_and_numbers_of_each_dataset(d: Data) -> None:
    asked: list[tuple[str, str, float]] = []

    def used(rule: str, dataset: str, since: float) -> Used:
        asked.append((rule, dataset, since))
        return Used(jobs=4, numbers=10)

    request = d.request(d.xp.stack([d.income, d.age], axis=1).sum(axis=0), used=used)
    limited = "[rules.budget]\ndays = 7\n"
    assert decide(policy(limited + "jobs = 5\nnumbers = 12"), request).verdict is Verdict.ACCEPTED
    assert asked == [("research", "patients", NOW - 7 * 86_400)]
    refused(decide(policy(limited + "jobs = 4"), request), "1 job more on patients, after 4 in the last 7 days")
    refused(
        decide(policy(limited + "numbers = 11"), request), "2 numbers revealed more", "the budget of research is 11"
    )


def test_a_rule_may_hold_and_one_that_does_not_comes_first(d: Data) -> None:
    request = d.request(d.income.sum())
    held = decide(policy("hold = true"), request)
    assert (held.verdict, held.rule, held.charges) == (Verdict.HELD, "research", {"patients": 1})
    assert "holds every job until the operator approves it" in held.reasons[0]
    second = RULE.replace("research", "counts")
    assert decide(policy("hold = true", second), request).rule == "counts"


def test_the_nearest_rule_is_named(d: Data) -> None:
    second = RULE.replace("research", "visitors").replace("patients", "visits")
    request = d.request(d.income[:19].sum())
    decision = decide(policy("keep = false\nmin_rows = 15", RULE.replace("research", "strict")), request)
    assert (decision.verdict, decision.rule) == (Verdict.ACCEPTED, "research")
    decision, said = explain(policy("", second), request)
    assert decision == decide(policy("", second), request)
    assert said[0] == f"The plan has the hash {request.plan.hash.hex()}."
    assert said[1].startswith("output 1 reveals one number")
    assert "Refused by research." in said
    assert any("rule visitors is about visits" in line for line in said)


def test_approved_plans_pass_whatever_they_reveal(d: Data) -> None:
    request = d.request(d.income)
    entry = f'[[approved]]\nname = "read"\nplan = "{request.plan.hash.hex()}"\nanalysts = ["ada"]\n'
    decision = decide(policy("", entry), request)
    assert (decision.verdict, decision.rule) == (Verdict.ACCEPTED, "read")
    assert decision.charges == {"patients": N}
    refused(decide(policy("", entry), replace(request, recipients=(BOB,))), "results would go to bob")
    refused(decide(policy("", entry), d.request(d.age)), "`age` of patients")


def test_an_approval_says_which_kept_results_go_in(d: Data) -> None:
    """A name may stand for something else later, and the hash of the plan has the name only."""
    stored = json.loads(json.dumps(decide(policy(), d.request(kept=(d.income + 1,))).disclosures[0].stored()))
    x = d.session.share(np.full((N,), 7), bounds=(0, 90))
    request = d.request(x)

    def asked(job: str, more: str = "") -> Decision:
        entry = f'[[approved]]\nname = "read"\nplan = "{request.plan.hash.hex()}"\nanalysts = ["ada"]\n{more}'
        inputs = {**d.sources, x.node.data: KeptSource("rows", stored, job)}
        return decide(policy("", entry), replace(request, inputs=inputs))

    meant, other = "1" * 32, "2" * 32
    assert asked(meant, f'kept_by = ["{meant}"]\n').rule == "read"
    for decision in (asked(meant), asked(other, f'kept_by = ["{meant}"]\n'), asked("", f'kept_by = ["{meant}"]\n')):
        refused(decision, "approved as read, but not with rows as job")
        assert decision.rule == "research"


def test_limits_come_first(d: Data) -> None:
    request = d.request(d.income.sum(), deadline_s=10.0)
    for limit, said in (
        ("operations = 1", "2 operations in the plan"),
        ("runs = 1", "2 operations to be run"),
        ("revealed_numbers = 0", "1 number revealed"),
        ("deadline_s = 1.0", "the job may take 10 s"),
    ):
        decision = decide(policy("", f"[limits]\n{limit}\n"), request)
        refused(decision, said)
        assert decision.rule == ""


def test_bounds_are_the_analysts_word(d: Data) -> None:
    import tercet as tc

    assumed = d.request(tc.assume(d.income.sum(), (0, 50)))
    word = "it is the analyst's word that a value is int[] in [0, 50]"
    decision = decide(policy(), assumed)
    assert decision.verdict is Verdict.ACCEPTED and word in decision.reasons
    refused(decide(policy("", '[limits]\nasserted_bounds = "reasoned"\n'), assumed), word)
    chosen = d.request(d.xp.sum(d.xp.where(d.age > 40, d.income, d.age)))
    assert decide(policy("", '[limits]\nasserted_bounds = "reasoned"\n'), chosen).verdict is Verdict.ACCEPTED
    refused(
        decide(policy("", '[limits]\nasserted_bounds = "none"\n'), chosen),
        "because, as he says, selected between two values",
    )


def test_many_bounds_of_one_reason_are_one_sentence(d: Data) -> None:
    import tercet as tc

    assumed = d.request(*(tc.assume(d.income.sum(), (0, 50 + k)) for k in range(9)))
    (said,) = [reason for reason in decide(policy(), assumed).reasons if "word" in reason]
    assert said.startswith("it is the analyst's word that values of 9 types are int[] in [0, 50]; int[] in [0, 51]; ")
    assert said.endswith("; and 6 more")


def test_kept_results_gain_nothing(d: Data) -> None:
    request = d.request(kept=(d.income[:12].sum(), d.income + 1, d.income.sum()))
    decision = decide(policy(), request)
    assert decision.verdict is Verdict.ACCEPTED and decision.numbers == 0
    assert decision.charges == {"patients": 0}
    refused(decide(policy("keep = false"), request), "to be kept as kept0; rule research lets nothing be kept")
    few, each, whole = (json.loads(json.dumps(one.stored())) for one in decision.disclosures)

    def kept(stored: Any, make: Any, shape: tuple[int, ...] = ()) -> Decision:
        x = d.session.share(np.full(shape, 7), bounds=(0, 90))
        request = d.request(make(x))
        return decide(policy(), replace(request, inputs={**d.sources, x.node.data: KeptSource("kept", stored)}))

    refused(kept(few, lambda x: x), "over at least 12 rows")
    refused(kept(each, lambda x: x, (N,)), "row by row for 30 rows")
    assert kept(each, lambda x: x.sum(), (N,)).verdict is Verdict.ACCEPTED
    assert kept(each, lambda x: (x * d.income).sum(), (N,)).verdict is Verdict.ACCEPTED
    assert kept(whole, lambda x: x).verdict is Verdict.ACCEPTED
    refused(kept(whole, lambda x: x - d.income[1:].sum()), "at least 1 row of patients")
    refused(kept(each, lambda x: x.sum(), (N - 1,)), "does not hold what is said of it")


@pytest.mark.parametrize("stored", [{}, {"version": 1, "columns": [["a"]], "rows": []}, {"version": 2}])
def test_broken_notes_on_kept_results_are_no_refusal(d: Data, stored: Any) -> None:
    request = replace(d.request(d.income.sum()), inputs=dict.fromkeys(d.sources, KeptSource("m/coef", stored)))
    with pytest.raises(IntegrityError, match="m/coef"):
        decide(policy(), request)


def test_an_unknown_input_is_refused(d: Data) -> None:
    refused(decide(policy(), replace(d.request(d.income.sum()), inputs={})), "nothing is known of the rows")


def test_columns_flow_through_loops_and_constants(d: Data) -> None:
    from tercet import repeat

    value = repeat(2, lambda v: v + d.age.sum(), d.income.sum(), bounds=(0, 9000))
    (one,) = disclosures(d.plan(value), d.sources, {})
    assert one.columns == (("patients", "age"), ("patients", "income"))
    assert [type(part.state) for part in one.parts] == [Aggregate]
    (two,) = disclosures(d.plan(d.income * 2), d.sources, {})
    assert [type(part.state) for part in two.parts] == [Rows]
    (none,) = disclosures(d.plan(d.income[:0].sum()), d.sources, {})
    assert none.parts == ()


def test_own_data_are_public_to_their_owner(d: Data) -> None:
    """No rule must cover them, and with them rows of others are marked as with public numbers."""
    own = frozenset(["visits"])
    alone = d.request(d.visits + 1, own=own)
    assert decide(policy(), alone).verdict is Verdict.ACCEPTED
    assert decide(policy(), alone).charges == {}
    marked = d.request((d.income * d.visits).sum(), own=own)
    refused(decide(policy(), marked), "single rows that cannot be told from sums")
    refused(decide(policy("combine_datasets = true"), marked), "single rows")
    shifted = d.request((d.income * d.visits.sum()).sum(), own=own)
    assert decide(policy(), shifted).charges == {"patients": 1}


def test_kept_results_of_own_data_are_not_public_to_others(d: Data) -> None:
    request = d.request(kept=(d.visits + 1, (d.income * d.visits).sum()), own=frozenset(["visits"]))
    alone, mixed = (json.loads(json.dumps(one.stored())) for one in decide(policy(), request).disclosures)

    def kept(stored: Any, own: frozenset[str], shape: tuple[int, ...] = ()) -> Decision:
        x = d.session.share(np.full(shape, 7), bounds=(0, 90))
        return decide(policy(), d.request(x, inputs={x.node.data: KeptSource("kept", stored)}, own=own))

    assert kept(alone, frozenset(["visits"]), (N,)).verdict is Verdict.ACCEPTED
    refused(kept(alone, frozenset(), (N,)), "the plan reads visits")
    for own in (frozenset[str](), frozenset(["visits"])):
        assert kept(mixed, own).verdict is Verdict.REFUSED
