"""Decisions: what is allowed, and that every refusal says what was asked, what is allowed and by which rule."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import tercet as tc
from plan_trio import TrioSession
from tercet.errors import IntegrityError
from tercet.linear_model import LinearRegression
from tercet.plan.network import LAN
from tercet.plan.plan import OutputKind, Plan
from tercet.plan.record.compile import Wanted, compile_plan
from tercet.plan.record.scale import bounded
from tercet.plan.rows.states import Aggregate, Rows
from tercet.plan.table.operations import BY_NAME
from tercet.plan.table.reasons import CAUCHY_SCHWARZ
from tercet.policy.decide import Ruling, RulingKind, decide, explain
from tercet.policy.disclosure import disclosures, operations_used
from tercet.policy.request import (
    NO_TERMS,
    BudgetUse,
    Charge,
    ColumnSource,
    InputSource,
    KeptSource,
    PolicyRequest,
    Terms,
    read_terms,
)
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

    def __init__(self, *, checked: bool = False) -> None:
        self.session = TrioSession(checked=checked)
        self.sources: dict[bytes, InputSource] = {}
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


def refused(decision: Ruling, *parts: str) -> None:
    text = "; ".join(decision.reasons)
    assert decision.kind is RulingKind.REFUSED, text
    for part in parts:
        assert part in text, text


def test_a_mean_over_enough_rows_is_allowed(d: Data) -> None:
    decision = decide(policy(), d.request(d.income.mean()))
    assert (decision.kind, decision.rule, decision.numbers) == (RulingKind.ACCEPTED, "research", 1)
    assert decision.reasons == [
        "rule research allows it",
        "output 1 reveals one number computed from `income` of patients, over at least 30 rows of patients",
    ]
    # a mean is a fixed-point number of 16 bits after the point, at most 90 and as little as -90 / 2**... of it
    assert decision.charges == {"patients": Charge(decision.disclosures[0].bits)} and decision.bits > 7


def test_too_few_rows_are_refused_in_words(d: Data) -> None:
    decision = decide(policy(), d.request(d.income[:12].mean()))
    assert decision.reasons == [
        "output 1 reveals one number computed from `income` of patients, over at least 12 rows of patients; "
        "rule research asks for at least 20 rows behind every number, such as a sum or a mean over so many"
    ]
    assert decision.rule == "research"
    assert decide(policy("min_rows = 12"), d.request(d.income[:12].mean())).kind is RulingKind.ACCEPTED


@pytest.mark.parametrize("make", [lambda d: d.income, lambda d: d.xp.max(d.income), lambda d: d.income[3]])
def test_single_rows_are_refused_unless_allowed_by_name(d: Data, make: Any) -> None:
    refused(decide(policy(), d.request(make(d))), "`income` of patients", "at least 20 rows")
    assert decide(policy('per_row = ["patients/income"]'), d.request(make(d))).kind is RulingKind.ACCEPTED
    refused(decide(policy('per_row = ["patients/age"]'), d.request(make(d))), "single rows of patients/age only")
    mixed = d.request(make(d) + d.age.sum(), d.age + d.income)
    refused(decide(policy('per_row = ["patients/income"]'), mixed), "output 1", "output 2")
    assert decide(policy('per_row = ["patients/*"]'), mixed).kind is RulingKind.ACCEPTED


def test_differences_within_one_job_are_refused(d: Data) -> None:
    whole, part = d.income.sum(), d.income[1:].sum()
    for one in (whole, part):
        assert decide(policy(), d.request(one)).kind is RulingKind.ACCEPTED
    refused(decide(policy(), d.request(whole, part)), "outputs 1 and 2 together tell 1 row of patients apart")
    halves = d.income[:15].sum(), d.income.sum()
    assert decide(policy("min_rows = 15"), d.request(*halves)).kind is RulingKind.ACCEPTED


def test_datasets_and_columns_must_be_covered(d: Data) -> None:
    refused(decide(policy(), d.request(d.visits.sum())), "the plan reads visits; rule research is about patients")
    limited = policy('columns = ["patients/age"]')
    refused(decide(limited, d.request(d.income.sum())), "reads `income` of patients; rule research allows patients/age")
    assert decide(limited, d.request(d.age.sum())).kind is RulingKind.ACCEPTED


def test_datasets_are_combined_only_if_allowed(d: Data) -> None:
    both = Policy.parse(PEOPLE + RULE.replace('["patients"]', '["patients", "visits"]'))
    products = d.request((d.income * d.visits).sum())
    refused(decide(both, products), "output 1 depends on rows of patients and visits", "combines no datasets")
    apart = d.request(d.income.sum(), d.visits.sum())
    assert decide(both, apart).kind is RulingKind.ACCEPTED
    assert decide(both, apart).charges == {"patients": Charge(12), "visits": Charge(12)}
    allowed = Policy.parse(PEOPLE + RULE.replace('["patients"]', '["*"]') + "combine_datasets = true")
    assert decide(allowed, products).kind is RulingKind.ACCEPTED


def test_versions_are_mixed_only_if_allowed(d: Data) -> None:
    mixed = d.request(d.income.sum() - d.later.sum())
    refused(decide(policy(), mixed), "two versions of patients", "may be a single row")
    assert decide(policy("mix_versions = true"), mixed).kind is RulingKind.ACCEPTED


def test_operations_are_allowed_and_denied(d: Data) -> None:
    count = d.request(d.xp.count_nonzero(d.income > 40))
    refused(
        decide(policy('denied_operations = ["negative", "less"]'), count),
        "uses negative, which rule research does not allow",
    )
    refused(decide(policy('operations = ["sum", "scale"]'), count), "allowed are sum and scale")
    refused(decide(policy('denied_operations = ["*"]'), count), "which rule research does not allow")
    assert decide(policy('operations = ["sum", "scale"]'), d.request(d.income.sum())).kind is RulingKind.ACCEPTED


def test_whoever_allows_or_denies_an_operation_means_its_twins(d: Data) -> None:
    """Recording chooses `matmul_narrow` where it pays, which an operator need not know."""
    ill = (d.income > 40) * 1
    product = ill.node.graph.node("matmul_narrow", (d.xp.expand_dims(ill, axis=0).node, ill[:, None].node))
    request = d.request(ill.like(product))
    assert decide(policy(), request).kind is RulingKind.ACCEPTED
    refused(decide(policy('denied_operations = ["matmul"]'), request), "uses matmul_narrow")
    refused(decide(policy('denied_operations = ["matmul_narrow"]'), request), "uses matmul_narrow")
    names = "', '".join({*operations_used(request.plan), "matmul"} - {"matmul_narrow"})
    assert decide(policy(f"operations = ['{names}']"), request).kind is RulingKind.ACCEPTED
    assert all(one.twin_of in BY_NAME for one in BY_NAME.values() if one.twin_of)


def test_weights_are_allowed_by_name(d: Data) -> None:
    weighed = d.request((d.income * np.arange(1, N + 1)).sum())
    refused(decide(policy(), weighed), "at least 1 row of patients")
    assert decide(policy("row_weights = true"), weighed).kind is RulingKind.ACCEPTED


def test_recipients_must_be_allowed(d: Data) -> None:
    to_bob = d.request(d.income.sum(), recipients=(ADA, BOB))
    refused(decide(policy(), to_bob), "results would go to bob; rule research allows who asks")
    assert decide(policy('recipients = ["self", "bob"]'), to_bob).kind is RulingKind.ACCEPTED
    assert decide(policy('recipients = ["*"]'), to_bob).kind is RulingKind.ACCEPTED
    stranger = replace(to_bob, recipients=(EVE,))
    refused(decide(policy('recipients = ["*"]'), stranger), "eeeeeeeeeeeeeeee...")


def test_strangers_and_people_without_the_role_are_refused(d: Data) -> None:
    request = d.request(d.income.sum())
    refused(decide(policy(), replace(request, analyst=EVE)), "is among the people")
    refused(decide(policy(), replace(request, analyst=BOB)), "bob does not have the role of an analyst")
    nobody = Policy.parse(PEOPLE)
    refused(decide(nobody, request), "no rule names ada; the rules of this node are: none")


def test_budgets_count_jobs_bits_and_arrays_of_each_dataset_under_all_rules(d: Data) -> None:
    asked: list[tuple[str, str, float]] = []

    def used(person: str, dataset: str, since: float) -> BudgetUse:
        asked.append((person, dataset, since))
        return BudgetUse(jobs=4, bits=10, kept=7)

    # two sums of 30 numbers up to 90: 0 to 2700, 12 bits each
    request = d.request(d.xp.stack([d.income, d.age], axis=1).sum(axis=0), used=used)
    limited = "[rules.budget]\ndays = 7\n"
    assert decide(policy(limited + "jobs = 5\nbits = 34"), request).kind is RulingKind.ACCEPTED
    assert set(asked) == {(ADA, "patients", NOW - 7 * 86_400)}
    refused(decide(policy(limited + "jobs = 4"), request), "1 job more on patients, after 4 in the last 7 days")
    refused(
        decide(policy(limited + "bits = 33"), request),
        "24 bits revealed more on patients, after 10 in the last 7 days under all rules; the budget of research is 33",
    )
    keeps = d.request(kept=(d.income + 1, d.age), used=used)
    assert decide(policy(limited + "kept = 9"), keeps).charges == {"patients": Charge(kept=2)}
    refused(decide(policy(limited + "kept = 8"), keeps), "2 arrays kept more on patients, after 7")
    assert decide(policy(limited + "bits = 11"), keeps).kind is RulingKind.ACCEPTED
    refused(decide(policy(limited + "bits = 10"), keeps), "nothing of patients could be revealed any more")


@pytest.mark.parametrize("field", ["jobs", "bits", "kept"])
def test_a_budget_of_nothing_keeps_nothing(d: Data, field: str) -> None:
    request = d.request(kept=(d.income,))
    assert decide(policy(), request).kind is RulingKind.ACCEPTED
    assert decide(policy(f"[rules.budget]\n{field} = 0"), request).kind is RulingKind.REFUSED


def test_a_wide_number_is_charged_as_what_it_can_carry(d: Data) -> None:
    """24 grades of 5 bits, packed into one number."""
    packed = sum((d.income[k] * 2 ** (5 * k) for k in range(1, 24)), d.income[0] + 0)
    decision = decide(policy('per_row = ["patients/income"]'), d.request(packed))
    assert decision.numbers == 1 and decision.charges["patients"].bits >= 24 * 5 - 1
    limited = policy('per_row = ["patients/income"]\n[rules.budget]\nbits = 100')
    refused(decide(limited, d.request(packed)), "bits revealed more on patients")


def test_recipients_are_charged_as_well(d: Data) -> None:
    """Else two analysts would answer each other's questions after each has used up their own budget."""

    def used(person: str, dataset: str, since: float) -> BudgetUse:
        return BudgetUse(bits=95) if person == BOB else BudgetUse()

    limited = policy('recipients = ["*"]\n[rules.budget]\nbits = 100')
    request = d.request(d.income.sum(), used=used)
    assert decide(limited, request).kind is RulingKind.ACCEPTED
    refused(decide(limited, replace(request, recipients=(BOB,))), "12 bits revealed more on patients for bob, after 95")
    assert decide(limited, d.request(kept=(d.income,), recipients=(BOB,), used=used)).kind is RulingKind.ACCEPTED


def test_a_rule_may_hold_and_one_that_does_not_comes_first(d: Data) -> None:
    request = d.request(d.income.sum())
    held = decide(policy("hold = true"), request)
    assert (held.kind, held.rule, held.charges) == (RulingKind.HELD, "research", {"patients": Charge(12)})
    assert "holds every job until the operator approves it" in held.reasons[0]
    second = RULE.replace("research", "counts")
    assert decide(policy("hold = true", second), request).rule == "counts"


def test_the_nearest_rule_is_named(d: Data) -> None:
    second = RULE.replace("research", "visitors").replace("patients", "visits")
    request = d.request(d.income[:19].sum())
    decision = decide(policy("keep = false\nmin_rows = 15", RULE.replace("research", "strict")), request)
    assert (decision.kind, decision.rule) == (RulingKind.ACCEPTED, "research")
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
    assert (decision.kind, decision.rule) == (RulingKind.ACCEPTED, "read")
    assert decision.charges == {"patients": Charge(7 * N)}
    refused(decide(policy("", entry), replace(request, recipients=(BOB,))), "results would go to bob")
    refused(decide(policy("", entry), d.request(d.age)), "`age` of patients")


def test_an_approval_says_which_kept_results_go_in(d: Data) -> None:
    """A name may stand for something else later, and the hash of the plan has the name only."""
    stored = json.loads(json.dumps(decide(policy(), d.request(kept=(d.income + 1,))).disclosures[0].stored()))
    x = d.session.share(np.full((N,), 7), bounds=(0, 90))
    request = d.request(x)

    def asked(job: str, more: str = "") -> Ruling:
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
    word = "the analyst claims, without proof, that a value is int[] in [0, 50]"
    decision = decide(policy(), assumed)
    assert decision.kind is RulingKind.ACCEPTED and any(reason.startswith(word) for reason in decision.reasons)
    strict = policy("", '[limits]\nasserted_bounds = "proven"\n')
    refused(decide(strict, assumed), word)
    chosen = d.request(d.xp.sum(d.xp.where(d.age > 40, d.income, d.age)))
    (claimed,) = decide(policy(), assumed).disclosures
    assert claimed.claimed and str(claimed).endswith("within bounds that are claimed and not proven")
    decision = decide(strict, chosen)
    assert not decision.disclosures[0].claimed
    assert decision.kind is RulingKind.ACCEPTED and "word" not in " ".join(decision.reasons)
    given = d.request(d.income.like(bounded(d.income.sum().node, 0, 50, CAUCHY_SCHWARZ)))
    refused(decide(strict, given), "because, as they say, Cauchy-Schwarz")


def test_the_projects_own_models_run_where_only_proven_bounds_are_taken(d: Data) -> None:
    def asked() -> list[PolicyRequest]:
        table = d.xp.stack([d.age, d.income], axis=1)
        model = LinearRegression().fit(table, d.income + d.age * 2)
        return [d.request(model.coef_), d.request(d.xp.sum(d.income) / d.xp.sum(d.age)), d.request(d.income.var())]

    strict = policy("", '[limits]\nasserted_bounds = "proven"\n')
    assert all(decide(policy(), request).kind is RulingKind.ACCEPTED for request in asked())
    assert decide(strict, asked()[0]).kind is RulingKind.REFUSED
    d.session.graph.enforced_bounds = True
    for request in asked():
        decision = decide(strict, request)
        assert decision.kind is RulingKind.ACCEPTED, decision.reasons


def test_a_node_may_want_exact_rounding(d: Data) -> None:
    from tercet.plan.record.scale import nearest, settle

    strict = policy("", '[limits]\nrounding = "exact"\n')
    total = ((d.income * 0.1) * (d.income * 0.1)).sum()
    inner = total.like(settle(total.node)) * 2
    word = "1 operation of the plan round by a coin that the nodes know; this node wants exact rounding"
    refused(decide(strict, d.request(inner)), word)
    assert decide(policy(), d.request(inner)).kind is RulingKind.ACCEPTED
    excess = total.node.type.frac_bits - total.node.type.nominal
    exact = total.like(nearest(total.node, excess)) * 2
    assert decide(strict, d.request(exact)).kind is RulingKind.ACCEPTED


def test_many_bounds_of_one_reason_are_one_sentence(d: Data) -> None:
    import tercet as tc

    assumed = d.request(*(tc.assume(d.income.sum(), (0, 50 + k)) for k in range(9)))
    (said,) = [reason for reason in decide(policy(), assumed).reasons if "the analyst claims" in reason]
    assert said.startswith(
        "the analyst claims, without proof, that values of 9 types are int[] in [0, 50]; int[] in [0, 51]; "
    )
    assert "; and 6 more; if it is not true" in said


def test_kept_results_gain_nothing(d: Data) -> None:
    request = d.request(kept=(d.income[:12].sum(), d.income + 1, d.income.sum()))
    decision = decide(policy(), request)
    assert decision.kind is RulingKind.ACCEPTED and decision.numbers == 0
    assert decision.charges == {"patients": Charge(kept=3)}
    refused(decide(policy("keep = false"), request), "to be kept as kept0; rule research lets nothing be kept")
    few, each, whole = (json.loads(json.dumps(one.stored())) for one in decision.disclosures)

    def kept(stored: Any, make: Any, shape: tuple[int, ...] = ()) -> Ruling:
        x = d.session.share(np.full(shape, 7), bounds=(0, 90))
        request = d.request(make(x))
        return decide(policy(), replace(request, inputs={**d.sources, x.node.data: KeptSource("kept", stored)}))

    refused(kept(few, lambda x: x), "over at least 12 rows")
    refused(kept(each, lambda x: x, (N,)), "row by row for 30 rows")
    assert kept(each, lambda x: x.sum(), (N,)).kind is RulingKind.ACCEPTED
    assert kept(each, lambda x: (x * d.income).sum(), (N,)).kind is RulingKind.ACCEPTED
    assert kept(whole, lambda x: x).kind is RulingKind.ACCEPTED
    refused(kept(whole, lambda x: x - d.income[1:].sum()), "at least 1 row of patients")
    refused(kept(each, lambda x: x.sum(), (N - 1,)), "does not hold what is said of it")


@pytest.mark.parametrize("stored", [{}, {"version": 3, "read": [["a"]], "operations": [], "rows": []}, {"version": 1}])
def test_broken_notes_on_kept_results_are_no_refusal(d: Data, stored: Any) -> None:
    request = replace(d.request(d.income.sum()), inputs=dict.fromkeys(d.sources, KeptSource("m/coef", stored)))
    with pytest.raises(IntegrityError, match="m/coef"):
        decide(policy(), request)


def test_an_unknown_input_is_refused(d: Data) -> None:
    refused(decide(policy(), replace(d.request(d.income.sum()), inputs={})), "nothing is known of the rows")


def test_columns_flow_through_loops_and_constants(d: Data) -> None:
    from tercet import loop

    value = loop(2, lambda v: v + d.age.sum(), d.income.sum(), bounds=(0, 9000))
    (one,) = disclosures(d.plan(value), d.sources, {})
    assert one.columns == (("patients", "age"), ("patients", "income"))
    assert [type(part.state) for part in one.behind] == [Aggregate]
    (two,) = disclosures(d.plan(d.income * 2), d.sources, {})
    assert [type(part.state) for part in two.behind] == [Rows]
    (none,) = disclosures(d.plan(d.income[:0].sum()), d.sources, {})
    assert none.behind == ()


def owned(d: Data, dataset: str = "visits") -> dict[bytes, InputSource]:
    """The sources, as seen by somebody who has brought all of a dataset."""
    return {
        handle: replace(source, own=True) if isinstance(source, ColumnSource) and source.dataset == dataset else source
        for handle, source in d.sources.items()
    }


def written(decision: Ruling) -> list[Any]:
    """What nodes store beside the outputs, read back."""
    assert decision.kind is not RulingKind.REFUSED, decision.reasons
    return [json.loads(json.dumps(one.stored())) for one in decision.disclosures]


def test_own_data_are_public_to_their_owner(d: Data) -> None:
    """No rule must cover them, and with them rows of others are marked as with public numbers."""
    own = owned(d)
    alone = d.request(d.visits + 1, inputs=own)
    assert decide(policy(), alone).kind is RulingKind.ACCEPTED
    assert decide(policy(), alone).charges == {}
    marked = d.request((d.income * d.visits).sum(), inputs=own)
    refused(decide(policy(), marked), "in a way that may show single rows")
    refused(decide(policy("combine_datasets = true"), marked), "single rows")
    shifted = d.request((d.income * d.visits.sum()).sum(), inputs=own)
    assert decide(policy(), shifted).charges.keys() == {"patients"}


def test_own_columns_beside_those_of_others_mark_rows_as_well(d: Data) -> None:
    """Somebody who may bring columns of others' rows brings marks, within the same dataset."""
    own = {
        handle: replace(source, own=source.column == "age") if isinstance(source, ColumnSource) else source
        for handle, source in d.sources.items()
    }
    assert decide(policy(), d.request(d.income.sum(), inputs=own)).kind is RulingKind.ACCEPTED
    refused(decide(policy(), d.request((d.income * d.age).sum(), inputs=own)), "single rows")
    assert decide(policy('columns = ["patients/income"]'), d.request(d.age, inputs=own)).kind is RulingKind.ACCEPTED
    # also where another has brought it for some rows: then it is nobody's own, and marks all the same
    partly = {
        handle: replace(source, marked=source.column == "age") if isinstance(source, ColumnSource) else source
        for handle, source in d.sources.items()
    }
    refused(decide(policy(), d.request((d.income * d.age).sum(), inputs=partly)), "single rows")
    refused(decide(policy(), d.request(d.age, inputs=partly)), "row by row")
    assert decide(policy(), d.request(d.income.sum(), inputs=partly)).kind is RulingKind.ACCEPTED


def test_kept_results_of_own_data_are_not_public_to_others(d: Data) -> None:
    request = d.request(kept=(d.visits + 1, (d.income * d.visits).sum()), inputs=owned(d))
    alone, mixed = written(decide(policy(), request))

    def kept(stored: Any, own: frozenset[str], shape: tuple[int, ...] = ()) -> Ruling:
        x = d.session.share(np.full(shape, 7), bounds=(0, 90))
        return decide(policy(), d.request(x, inputs={x.node.data: KeptSource("kept", stored, own=own)}))

    assert kept(alone, frozenset(["visits"]), (N,)).kind is RulingKind.ACCEPTED
    refused(kept(alone, frozenset(), (N,)), "the plan reads visits")
    for own in (frozenset[str](), frozenset(["visits"])):
        assert kept(mixed, own).kind is RulingKind.REFUSED


def test_own_data_kept_first_mark_no_rows_either(d: Data) -> None:
    """A mark that its owner has kept is as public to them as before, through any number of keeps."""
    both = Policy.parse(PEOPLE + RULE.replace('["patients"]', '["*"]') + "combine_datasets = true")
    (stored,) = written(decide(both, d.request(kept=(d.visits + 0 * d.visits,), inputs=owned(d))))
    for _ in range(3):
        mark = d.session.share(np.zeros(N, np.int64), bounds=(0, 90))
        inputs = {**d.sources, mark.node.data: KeptSource("mark", stored, own=frozenset(["visits"]))}
        refused(decide(both, d.request((d.income * mark).sum(), inputs=inputs)), "single rows")
        (stored,) = written(decide(both, d.request(kept=(mark + 1,), inputs=inputs)))


def test_a_row_wise_value_kept_under_one_rule_is_not_revealed_under_another(d: Data) -> None:
    """By whatever the other does not allow: an operation, a column, fewer rows, a rule that shows nothing."""
    wide = 'operations = ["*"]\n'
    narrow = RULE.replace("research", "rows") + 'operations = []\nper_row = ["patients/income"]\nkeep = false\n'
    text = policy(wide, narrow)
    made = decide(text, d.request(kept=(d.income * d.income, d.income + 0 * d.age)))
    assert made.rule == "research" and made.terms[0].min_rows == 20 and not made.terms[0].shown
    squares, mixed = written(made)

    def shown(stored: Any, under: Any, among: Policy = text) -> Ruling:
        x = d.session.share(np.full(N, 7), bounds=(0, 90))
        return decide(among, d.request(x, inputs={x.node.data: KeptSource("kept", stored, terms=under)}))

    assert decide(text, d.request(d.income)).rule == "rows"
    refused(shown(squares, made.terms[0]), "row by row")
    only = Policy.parse(PEOPLE + narrow)
    refused(shown(squares, made.terms[0], only), "what made the kept results that it reads, uses multiply")
    loose = Policy.parse(PEOPLE + narrow.replace("operations = []\n", ""))
    refused(shown(squares, made.terms[0], loose), "kept was kept under research, which asks for at least 20 rows")
    refused(shown(mixed, NO_TERMS, loose), "shows single rows of patients/income only")
    assert shown(squares, NO_TERMS, loose).kind is RulingKind.ACCEPTED
    # whoever may reveal what is kept keeps it under that rule
    open_ = policy(wide, narrow.replace("keep = false\n", "").replace("operations = []\n", ""))
    again = decide(open_, d.request(kept=(d.income * d.income,)))
    assert again.rule == "rows" and again.terms[0].shown == {("patients", "income")}
    assert shown(written(again)[0], again.terms[0], open_).kind is RulingKind.ACCEPTED


def test_terms_are_the_strictest_of_all_keeps(d: Data) -> None:
    first = decide(policy("min_rows = 25"), d.request(kept=(d.income,)))
    assert first.terms[0] == Terms(("research",), 25, frozenset())
    x = d.session.share(np.full(N, 7), bounds=(0, 90))
    source = KeptSource("kept", written(first)[0], terms=first.terms[0])
    joined = d.request(kept=(x + d.age,), inputs={**d.sources, x.node.data: source})
    shows = 'min_rows = 2\nper_row = ["patients/*"]\n'
    second = decide(policy(shows), joined)
    assert second.terms[0] == Terms(("research",), 25, frozenset([("patients", "age")]))
    assert read_terms(json.loads(json.dumps(second.terms[0].stored()))) == second.terms[0]
    y = d.session.share(np.full(N, 7), bounds=(0, 90))
    inputs = {y.node.data: KeptSource("two", written(second)[0], terms=second.terms[0])}
    refused(decide(policy(shows), d.request(y, inputs=inputs)), "two was kept under research", "at least 25 rows")
    assert decide(policy(shows), d.request(y.sum(), inputs=inputs)).kind is RulingKind.ACCEPTED
    refused(decide(policy(shows), d.request(y[:20].sum(), inputs=inputs)), "at least 25 rows")
    unknown = {y.node.data: replace(inputs[y.node.data], terms=read_terms(None))}
    refused(decide(policy(shows), d.request(y.sum(), inputs=unknown)), "a rule that this node does not know")


def test_operations_and_columns_are_those_of_all_keeps(d: Data) -> None:
    (stored,) = written(decide(policy(), d.request(kept=(d.income < 40,))))
    for _ in range(2):
        x = d.session.share(np.zeros(N, bool))
        inputs: dict[bytes, InputSource] = {x.node.data: KeptSource("kept", stored)}
        asked = d.request(d.xp.count_nonzero(x), inputs=inputs)
        assert decide(policy(), asked).kind is RulingKind.ACCEPTED
        assert decide(policy(), asked).charges == {"patients": Charge(5)}
        refused(decide(policy('denied_operations = ["negative", "less"]'), asked), "uses negative")
        refused(decide(policy('columns = ["patients/age"]'), asked), "`income` of patients")
        (stored,) = written(decide(policy(), d.request(kept=(~x,), inputs=inputs)))


def test_what_nobody_has_checked(d: Data) -> None:
    """By default it is checked before the job starts; a policy may refuse it, or take it at its owners' word."""
    request = replace(d.request(d.income.sum()), unchecked={"patients": 2, "other": 1})
    said = "dataset patients has 2 uploads whose values nobody has checked against their ranges"

    def asked(word: str) -> Ruling:
        return decide(policy("", f'[limits]\nunchecked = "{word}"\n'), request)

    assert decide(policy(), request).kind is RulingKind.ACCEPTED
    assert any(line == f"{said}: they are checked before the job starts" for line in asked("check").reasons)
    assert any(line.startswith(f"{said}: they are taken at their owners' word") for line in asked("allow").reasons)
    refused(asked("refuse"), f"{said}; this node takes checked ones only")
    assert not any("other" in line for line in asked("check").reasons)
    assert decide(policy("", '[limits]\nunchecked = "refuse"\n'), d.request(d.income.sum())).kind is RulingKind.ACCEPTED


def test_explain_says_which_data_were_checked(d: Data) -> None:
    request = d.request(d.income.sum())
    word = "all values of patients were checked against their ranges under sharing."
    assert word in explain(policy(), request)[1]
    assert word not in explain(policy(), replace(request, unchecked={"patients": 1}))[1]


def own(d: Data, *stretches: tuple[int, int], also: bool = False) -> None:
    """The analyst has brought these rows, with their incomes; and with `also` with their ages."""
    for handle, source in d.sources.items():
        if isinstance(source, ColumnSource) and (source.dataset, source.layout) == ("patients", "v1"):
            brought = source.column == "income" or also
            d.sources[handle] = replace(source, own_rows=stretches if brought else ())


def test_rows_of_ones_own_hide_nobody(d: Data) -> None:
    """One row of somebody else among 24 that the analyst has brought: the sum is that row's value."""
    own(d, (0, 20), (20, 24))
    for asked in (d.income[:25].sum(), d.income[:25].mean(), (d.income * d.income)[:25].sum(), d.income.sum()):
        refused(decide(policy(), d.request(asked)), "besides rows of their own", "at least 20 rows")
    refused(decide(policy("min_rows = 2"), d.request(d.income[:25].sum())), "over at least 1 row besides rows")
    assert decide(policy("min_rows = 6"), d.request(d.income.sum())).kind is RulingKind.ACCEPTED
    refused(decide(policy("min_rows = 6"), d.request(d.income.sum(), d.income[:25].sum())), "1 row")
    # what they know already may be asked, not what others have brought about the same rows
    assert (
        decide(policy("min_rows = 6"), d.request(d.income[:24].sum(), d.income[24:].sum())).kind is RulingKind.ACCEPTED
    )
    refused(decide(policy("min_rows = 6"), d.request((d.income + d.age)[:24].sum())), "at least 0 rows besides")
    own(d, (0, 24), also=True)
    assert decide(policy("min_rows = 6"), d.request((d.income + d.age)[:24].sum())).kind is RulingKind.ACCEPTED


def test_rows_of_ones_own_are_remembered_with_what_is_kept(d: Data) -> None:
    own(d, (0, 24), also=True)
    request = d.request(kept=(d.income + 1, d.income[:25].sum()))
    stored = [one.stored() for one in disclosures(request.plan, request.inputs, request.kept)]
    for asked, written in ((lambda x: x[:25].sum(), stored[0]), (lambda x: x + 1, stored[1])):
        kept = d.session.share(np.zeros(N if written is stored[0] else (), np.int64), bounds=(0, 90))
        d.sources[list(d.session.stored)[-1]] = KeptSource("kept", json.loads(json.dumps(written)))
        refused(decide(policy("min_rows = 2"), d.request(asked(kept))), "over at least 1 row besides rows of their own")
    for broken in ([[3, 1]], [[0, 2], [1, 3]], [[1, 1]], [[0]], 7):
        rows = [{**row, "own": broken} for row in stored[0]["rows"]]
        d.sources[list(d.session.stored)[-1]] = KeptSource("kept", {**stored[0], "rows": rows})
        with pytest.raises(IntegrityError):
            decide(policy(), d.request(asked(kept)))


def test_validity_is_an_aggregate_or_single_rows_as_what_it_is_of() -> None:
    d = Data(checked=True)

    def decided(value: Any) -> Ruling:
        return decide(policy(), PolicyRequest(ADA, (ADA,), tc.explain(value).plan, d.sources, NOW, kept={}))

    y = tc.log(d.income)
    valid, masked = tc.valid(y), tc.masked_invalid(y)
    for found in (y.mean(where=valid), masked.var(), masked.std(), masked.count(), tc.valid(y.sum())):
        decision = decided(found)
        assert decision.kind is RulingKind.ACCEPTED, decision.reasons
        assert all("over at least 30 rows of patients" in reason for reason in decision.reasons[1:])
    for single in (valid, masked, masked.min()):
        refused(decided(single), "`income` of patients", "at least 20 rows")
    # what a checked run reveals more counts as any number over the rows
    decision = decided(y.sum())
    assert (decision.kind, decision.numbers) == (RulingKind.ACCEPTED, 2)
    assert all("over at least 30 rows of patients" in reason for reason in decision.reasons[1:])
    refused(decided(tc.log(d.income[:12]).sum()), "output 2", "at least 12 rows")
