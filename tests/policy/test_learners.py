"""Everybody who would learn a result is looked at by what they know: rows, columns and marks that they have brought."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from policy.test_decide import ADA, BOB, Data, N, policy, refused
from tercet.plan.rows import track as followed
from tercet.policy.decide import RulingKind, decide
from tercet.policy.disclosure import disclosures
from tercet.policy.persons import united
from tercet.policy.request import Brought, ColumnSource, InputSource, KeptSource, PolicyRequest
from tercet.policy.rules import Policy

TO_ALL = 'recipients = ["*"]\n'


@pytest.fixture
def d() -> Data:
    return Data()


def as_to(d: Data, change: Callable[[ColumnSource], ColumnSource]) -> dict[bytes, InputSource]:
    return {key: change(source) if isinstance(source, ColumnSource) else source for key, source in d.sources.items()}


def told_bob(d: Data, change: Callable[[ColumnSource], ColumnSource], *asked: Any, **more: Any) -> PolicyRequest:
    """Results go to bob, to whom columns are as `change` says."""
    learners = {ADA: d.sources, BOB: as_to(d, change)}
    return d.request(*asked, recipients=(ADA, BOB), learners=learners, **more)


def brought(column: str, *stretches: tuple[int, int], **more: Any) -> Callable[[ColumnSource], ColumnSource]:
    def change(source: ColumnSource) -> ColumnSource:
        mine = source.dataset == "patients" and source.column == column
        return replace(source, own_rows=stretches, **more) if mine else source

    return change


def test_rows_count_for_everybody_who_learns(d: Data) -> None:
    for asked in (d.income.sum(), d.income.mean(), d.income[10:].sum()):
        one = told_bob(d, brought("income", (0, 29)), asked)
        refused(decide(policy(TO_ALL), one), "over at least 1 row besides rows of bob of patients", "at least 20 rows")
        assert decide(policy(TO_ALL), replace(one, recipients=(ADA,), learners={})).kind is RulingKind.ACCEPTED
    few = told_bob(d, brought("income", (0, 10)), d.income.sum())
    assert decide(policy(TO_ALL), few).kind is RulingKind.ACCEPTED
    both = told_bob(d, brought("income", (0, 5)), d.income.sum(), d.income[:25].sum())
    refused(decide(policy(TO_ALL + "min_rows = 6"), both), "outputs 1 and 2 together", "5 rows of patients apart")
    both = told_bob(d, brought("income", (26, 30)), d.income.sum(), d.income[:25].sum())
    refused(decide(policy(TO_ALL + "min_rows = 5"), both), "together tell to bob 1 row of patients apart")


def test_marks_and_columns_of_a_recipient(d: Data) -> None:
    """What somebody has brought about rows of others marks one of them for them, whoever asks."""
    marked = (d.income * d.age).sum()
    for change in (brought("age", marked=True), brought("age", own=True)):
        one = told_bob(d, change, marked)
        refused(decide(policy(TO_ALL), one), "single rows")
        assert decide(policy(TO_ALL), replace(one, learners={})).kind is RulingKind.ACCEPTED
    # nothing is told them by what is theirs alone, however few rows there are
    alone = told_bob(d, brought("income", (0, N), own=True), d.income.sum())
    assert decide(policy(TO_ALL), alone).kind is RulingKind.ACCEPTED


def test_what_who_asks_gives_away(d: Data) -> None:
    """Rows that the analyst has brought are theirs to give, beside those that the recipient knows."""
    d.sources = as_to(d, brought("income", (0, 8)))
    given = brought("income", (8, 20), given=((0, 8),))
    rule = policy(TO_ALL + "min_rows = 10")
    assert decide(rule, told_bob(d, given, d.income.sum())).kind is RulingKind.ACCEPTED
    assert decide(rule, told_bob(d, given, d.income[:20].sum())).kind is RulingKind.ACCEPTED
    # of others' rows there are six: eight of the analyst's hide them from bob, and bob's from the analyst
    assert decide(rule, told_bob(d, given, d.income[:26].sum())).kind is RulingKind.ACCEPTED
    refused(
        decide(policy(TO_ALL + "min_rows = 15"), told_bob(d, given, d.income[:26].sum())), "14 rows besides rows of"
    )


def test_what_was_kept_for_who_asks_is_told_to_others(d: Data) -> None:
    request = d.request(kept=(d.income + 0 * d.age, d.income.sum()))
    stored = [one.stored() for one in disclosures(request.plan, request.inputs, request.kept)]

    def shown(which: int, one: Brought | None) -> Any:
        x = d.session.share(np.zeros((N, ())[which], np.int64), bounds=(0, 90))
        handle = list(d.session.stored)[-1]
        d.sources[handle] = KeptSource("kept", stored[which])
        places = {} if one is None else {("patients", "v1"): one}
        learners = {BOB: {**d.sources, handle: KeptSource("kept", stored[which], brought=places)}}
        return decide(policy(TO_ALL), d.request(x.sum(), recipients=(ADA, BOB), learners=learners))

    for which in (0, 1):
        assert shown(which, Brought()).kind is RulingKind.ACCEPTED
        assert shown(which, Brought(((0, 10),))).kind is RulingKind.ACCEPTED
        refused(shown(which, Brought(((0, 15),))), "over at least 15 rows besides rows of bob")
        refused(shown(which, Brought(((0, N),), mixed=True)), "over at least 0 rows besides rows of bob")
        refused(shown(which, Brought(marked=True)), "single rows")
        refused(shown(which, None), "single rows")


def test_brought_of_several_columns() -> None:
    one, other = Brought(((0, 4),)), Brought(((2, 6), (8, 9)), marked=True)
    assert one.beside(one) == one
    assert one.beside(other) == Brought(((0, 6), (8, 9)), True, True)
    assert united(((0, 2), (4, 5)), ((2, 4), (7, 8))) == ((0, 5), (7, 8))


def test_people_of_one_organisation() -> None:
    text = 'version = 1\n[[people]]\nname = "{}"\nfingerprint = "{}"\nroles = ["owner"]\n'
    lines = [text.format("ada", ADA), text.format("bob", BOB).removeprefix("version = 1\n")]
    found = Policy.parse('organisation = "ward"\n'.join([*lines, ""]))
    assert found.as_one(ADA) == {ADA, BOB} and found.as_told(ADA) == "ada and others of ward"
    found = Policy.parse("".join(lines))
    assert found.as_one(ADA) == {ADA} and found.as_told(ADA) == "ada"
    assert found.as_one("ee" * 32) == {"ee" * 32}


def test_all_learners_have_one_allowance(d: Data, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(followed, "MAX_WORK", 1 << 10)
    learners = {f"{k:064d}": as_to(d, brought("income", (0, k))) for k in range(1, 16)}
    one = d.request(d.income.sum(), recipients=(ADA,), learners=dict(list(learners.items())[:1]))
    assert decide(policy(TO_ALL + "min_rows = 2"), one).kind is RulingKind.ACCEPTED
    refused(decide(policy(TO_ALL + "min_rows = 2"), replace(one, learners=learners)), "too large for its rows")
