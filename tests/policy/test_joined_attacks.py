"""Attacks through the keys of joins: who pairs rows, and what rows of one's own say of those they are joined with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from policy.test_decide import ADA, BOB, PEOPLE, RULE, Data, N, refused
from tercet.array import manipulation
from tercet.policy import persons
from tercet.policy.decide import RulingKind, decide
from tercet.policy.disclosure import disclosures
from tercet.policy.persons import APART, KeysOf, Persons
from tercet.policy.request import Brought, ColumnSource, KeptSource
from tercet.policy.rules import Policy
from tercet.store.keys import KeyValues, Texts
from three_stores import texts as texts_of

RULES = 'combine_datasets = true\nmin_rows = 5\nrecipients = ["*"]\n'
ALLOWED = Policy.parse(PEOPLE + RULE.replace('["patients"]', '["*"]') + RULES)
HERE = np.arange(N)


def names(rows: Any) -> Texts:
    return texts_of([f"p{int(row):02}" for row in rows])


def of(keys: Mapping[str, Any]) -> KeysOf:
    return lambda dataset, layout, versions: keys[dataset]


@pytest.fixture
def d() -> Data:
    return Data()


def own(d: Data, dataset: str, *stretches: tuple[int, int], all_: bool = False) -> None:
    """The analyst has brought these rows of a dataset, or all of it."""
    d.sources = {
        handle: replace(source, own_rows=stretches, own=all_)
        if isinstance(source, ColumnSource) and source.dataset == dataset
        else source
        for handle, source in d.sources.items()
    }


@pytest.mark.parametrize("other", ["none", "integers", "twice", "not known"])
def test_a_dataset_of_ones_own_does_not_number_the_rows_of_others(d: Data, other: str) -> None:
    """Numbers that follow the keys of a third dataset would let its owner pair rows of two others as they like."""
    mine = d.column("aaa", "x", np.zeros(N, int))
    own(d, "aaa", (0, N), all_=True)
    twice = HERE.copy()
    twice[4] = 5
    there: Any = {"none": None, "integers": HERE, "twice": names(twice), "not known": APART}[other]
    for swapped in ([], [3, 7], [1, 2]):
        order = HERE.copy()
        order[swapped] = order[swapped[::-1]]
        keys = {"aaa": names(order), "patients": names(HERE), "visits": there}
        paired = manipulation.take(d.income, order, axis=0) * d.visits
        refused(decide(ALLOWED, d.request(paired.sum() + mine.sum(), keys=of(keys))), "single rows")
        refused(decide(ALLOWED, d.request(paired.sum(), mine.sum(), keys=of(keys))), "single rows")


def test_more_rows_than_are_compared_are_not_paired_otherwise(d: Data, monkeypatch: pytest.MonkeyPatch) -> None:
    """By keys in one question and by positions in the next, in which a further dataset is read, makes two pairings."""
    order = HERE.copy()
    order[[3, 7]] = order[[7, 3]]
    keys: dict[str, KeyValues] = {"patients": names(HERE), "visits": names(order)}
    by_keys = (manipulation.take(d.income, order, axis=0) * d.visits).sum()
    by_places = (d.income * d.visits).sum()
    for more in (True, False):
        assert decide(ALLOWED, d.request(by_keys, keys=of(keys))).kind is (
            RulingKind.ACCEPTED if more else RulingKind.REFUSED
        )
        refused(decide(ALLOWED, d.request(by_places, keys=of(keys))), "single rows")
        monkeypatch.setattr(persons, "MAX_NUMBERED", 2 * N - 1)


@pytest.mark.parametrize("whose", [("patients",), ("visits",), ("patients", "visits")])
def test_a_key_that_is_brought_twice_makes_no_other_pairing(d: Data, whose: tuple[str, ...]) -> None:
    """Who may append to both datasets could else change from keys to positions."""
    twice = HERE.copy()
    twice[-1] = 0
    keys = {name: names(twice if name in whose else HERE) for name in ("patients", "visits")}
    refused(decide(ALLOWED, d.request((d.income * d.visits)[:20].sum(), keys=of(keys))), "single rows")


def test_rows_of_ones_own_mark_those_of_others_that_they_are_joined_with(d: Data) -> None:
    """An owner of some rows of a register knows what stands there: a 1 beside one person, zeros beside all others."""
    keys: dict[str, KeyValues] = {"patients": names(HERE), "visits": names(HERE[::-1])}
    joined = manipulation.take(d.income, HERE[::-1], axis=0) * d.visits
    for stretch, rows, hiding in (((0, 10), slice(0, 10), 0), ((2, 9), slice(0, 10), 3), ((0, 26), slice(None), 4)):
        d.sources = {key: replace(one, own_rows=()) for key, one in d.sources.items() if isinstance(one, ColumnSource)}
        assert decide(ALLOWED, d.request(joined[rows].sum(), keys=of(keys))).kind is RulingKind.ACCEPTED
        own(d, "visits", stretch)
        told = f"over at least {hiding} rows besides rows of their own of patients"
        refused(decide(ALLOWED, d.request(joined[rows].sum(), keys=of(keys))), told)
        # the same to somebody who receives it
        to_bob = d.request(joined[rows].sum(), keys=of(keys), recipients=(ADA, BOB), learners={BOB: d.sources})
        own(d, "visits")
        refused(decide(ALLOWED, replace(to_bob, inputs=d.sources)), "besides rows of bob")
    # enough others hide them, and what is of one dataset alone is marked by nothing
    own(d, "visits", (0, 10))
    assert decide(ALLOWED, d.request(joined.sum(), keys=of(keys))).kind is RulingKind.ACCEPTED
    alone = d.request(d.income[20:].sum(), d.visits.sum(), keys=of(keys))
    assert decide(ALLOWED, alone).kind is RulingKind.ACCEPTED
    # rows that are one's own on both sides tell nobody anything new
    own(d, "patients", (20, 30))
    assert decide(ALLOWED, d.request(joined[:10].sum(), keys=of(keys))).kind is RulingKind.ACCEPTED


def test_marks_beside_rows_that_are_joined_by_positions(d: Data) -> None:
    own(d, "visits", (0, 10))
    refused(decide(ALLOWED, d.request((d.income * d.visits)[:12].sum())), "over at least 2 rows besides rows of")


def test_two_questions_that_a_mark_tells_apart(d: Data) -> None:
    keys: dict[str, KeyValues] = {"patients": names(HERE), "visits": names(HERE)}
    own(d, "visits", (12, 30))
    both = ((d.income * d.visits).sum(), (d.income * d.visits)[:11].sum())
    refused(decide(ALLOWED, d.request(*both, keys=of(keys))), "outputs 1 and 2 together tell 1 row of patients apart")


def test_who_receives_what_was_kept_of_a_join(d: Data) -> None:
    """Rows of a recipient mark those they were joined with, also in what somebody else kept; and if keys are gone."""
    keys: dict[str, Any] = {"patients": names(HERE), "visits": names(HERE[::-1])}
    joined = manipulation.take(d.income, HERE[::-1], axis=0)[:12] * d.visits[:12]
    request = d.request(kept=(joined.sum(),), keys=of(keys))
    found = disclosures(request.plan, request.inputs, request.kept, persons=Persons(request.keys))
    stored = found[0].stored()
    x = d.session.share(np.zeros((), np.int64), bounds=(0, 90))
    handle = list(d.session.stored)[-1]

    def told(known: Mapping[str, Any], rows: tuple[tuple[int, int], ...]) -> Any:
        brought = {("patients", "v1"): Brought(), ("visits", "v1"): Brought(rows)}
        mine, theirs = KeptSource("kept", stored), KeptSource("kept", stored, brought=brought)
        d.sources[handle] = mine
        learners = {BOB: {**d.sources, handle: theirs}}
        return decide(ALLOWED, d.request(x + 0, recipients=(ADA, BOB), learners=learners, keys=of(known)))

    gone = {"patients": APART, "visits": APART}
    assert told(keys, ()).kind is RulingKind.ACCEPTED and told(gone, ()).kind is RulingKind.ACCEPTED
    assert told(keys, ((0, 5),)).kind is RulingKind.ACCEPTED
    refused(told(keys, ((0, 10),)), "over at least 2 rows besides rows of bob of patients")
    refused(told(gone, ((0, 5),)), "single rows")


@pytest.mark.parametrize("seed", range(24))
def test_random_joins_are_counted_row_by_row(seed: int) -> None:
    """Rows count that are known on neither side, whatever the keys, the rows taken and who has brought which."""
    rng = np.random.default_rng(seed)
    d = Data()
    people = {name: rng.permutation(N + 10)[:N] for name in ("patients", "visits")}
    keys = None if seed % 4 == 0 else {name: names(one) for name, one in people.items()}
    if keys is None:
        people = dict.fromkeys(people, HERE)
    place = {int(person): row for row, person in enumerate(people["visits"])}
    left = rng.permutation([row for row in range(N) if int(people["patients"][row]) in place])[: rng.integers(8, N)]
    right = [place[int(people["patients"][row])] for row in left]
    known: dict[str, set[int]] = {}
    for name in people:
        start, stop = sorted(rng.integers(0, N, 2).tolist())
        stretches = ((start, stop),) if start < stop and rng.random() < 0.8 else ()
        own(d, name, *stretches)
        known[name] = {int(people[name][row]) for begin, end in stretches for row in range(begin, end)}
    joined = manipulation.take(d.income, left, axis=0) * manipulation.take(d.visits, np.array(right), axis=0)
    everybody = {int(people["patients"][row]) for row in left}
    hiding = len(everybody - known["patients"] - known["visits"])
    # of people who are one's own on both sides alone nothing is told
    told = bool(everybody - (known["patients"] & known["visits"]))
    found = decide(ALLOWED, d.request(joined.sum(), **({} if keys is None else {"keys": of(keys)})))
    assert found.kind is (RulingKind.ACCEPTED if hiding >= 5 or not told else RulingKind.REFUSED), found.reasons
    if told:
        assert [part.rows for part in found.disclosures[0].behind] == [hiding, hiding]
