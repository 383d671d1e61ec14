"""Rows of two datasets that one numbering takes for one person's: what joins say of them, and what they must not."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from plan_trio import TrioSession
from tercet.array import manipulation
from tercet.linear_model import LinearRegression
from tercet.plan.rows.places import Partition, RowOrder
from tercet.plan.rows.states import (
    Aggregate,
    Rows,
    RowState,
    Spread,
    renumbered,
    restored,
    state_from_json,
    state_to_json,
)
from tercet.plan.rows.track import track

ROWS = {"a": 40, "b": 36}
SHARED = 30
"""Keys that stand in both."""


class Joined:
    """Columns of two datasets whose keys overlap in part, in other orders, and where the rows of both stand."""

    def __init__(self) -> None:
        self.session = TrioSession()
        rng = np.random.default_rng(8)
        people = rng.permutation(ROWS["a"] + ROWS["b"] - SHARED)
        keys = {"a": people[: ROWS["a"]], "b": rng.permutation(people[ROWS["a"] - SHARED :])}
        self.numbering = {name: RowOrder.of_rows(one) for name, one in keys.items()}
        place = {int(key): row for row, key in enumerate(keys["b"])}
        partner = np.array([place.get(int(key), -1) for key in keys["a"]])
        self.left, self.right = np.flatnonzero(partner >= 0), partner[partner >= 0]
        self.of: dict[bytes, str] = {}
        self.x, self.c = self.column("a", rng), self.column("a", rng)
        self.y, self.z = self.column("b", rng), self.column("b", rng)
        self.xp = self.x.__array_namespace__()

    def column(self, dataset: str, rng: np.random.Generator) -> Any:
        found = self.session.share(rng.integers(0, 50, ROWS[dataset]), bounds=(0, 50))
        self.of[list(self.session.stored)[-1]] = dataset
        return found

    def a(self, column: Any) -> Any:
        return manipulation.take(column, self.left, axis=0)

    def b(self, column: Any) -> Any:
        return manipulation.take(column, self.right, axis=0)

    def states(self, value: Any, numbered: bool = True) -> dict[str, RowState]:
        value.reveal()
        plan = self.session.plans[-1]
        inputs = {handle: {self.of[handle]: Rows(0, ROWS[self.of[handle]])} for handle, _ in plan.inputs()}
        return track(plan, inputs, numbering=self.numbering if numbered else {})[0]


MIXED: dict[str, Any] = {
    "products": lambda j: (j.a(j.x) * j.b(j.y)).sum(),
    "a condition": lambda j: (j.a(j.x) > j.b(j.y)).sum(),
    "groups": lambda j: (j.xp.where(j.a(j.c) == 3, j.b(j.y), 0)).sum(),
    "regression": lambda j: LinearRegression().fit(j.a(j.x)[:, None], j.b(j.y)).coef_,
    "three columns": lambda j: (j.a(j.x) * j.b(j.y) + j.b(j.z)).sum(),
}


@pytest.mark.parametrize("name", MIXED)
def test_columns_of_both_are_aggregates_over_the_rows_of_the_join(name: str) -> None:
    j = Joined()
    for dataset, state in j.states(MIXED[name](j)).items():
        assert isinstance(state, Aggregate) and state.count == SHARED, dataset
        assert state.classes is not None
        stood = np.flatnonzero(state.classes.at(np.arange(ROWS[dataset])) >= 0)
        assert stood.tolist() == sorted((j.left if dataset == "a" else j.right).tolist())


def test_without_keys_rows_of_other_positions_are_not_one_persons() -> None:
    j = Joined()
    assert all(isinstance(state, Spread) for state in j.states(MIXED["products"](j), numbered=False).values())


def shifted(j: Joined) -> Any:
    return (j.a(j.x) * manipulation.take(j.y, np.roll(j.right, 1), axis=0)).sum()


def one_other(j: Joined) -> Any:
    right = j.right.copy()
    right[[0, 1]] = right[[1, 0]]
    return (j.a(j.x) * manipulation.take(j.y, right, axis=0)).sum()


def by_position(j: Joined) -> Any:
    return (j.x[:30] * j.y[:30]).sum()


def one_beside_all(j: Joined) -> Any:
    return (j.a(j.x) * manipulation.take(j.y, np.full(len(j.left), j.right[0]), axis=0)).sum()


@pytest.mark.parametrize("attack", [shifted, one_other, by_position, one_beside_all])
def test_a_plan_cannot_say_itself_which_rows_belong_together(attack: Any) -> None:
    j = Joined()
    assert any(isinstance(state, Spread) for state in j.states(attack(j)).values())


def test_parts_of_the_join_count_as_the_rows_they_are() -> None:
    j = Joined()
    few = (j.a(j.x)[:7] * j.b(j.y)[:7]).sum()
    assert [state.count for state in j.states(few).values()] == [7, 7]
    # the difference of both tells the seven apart
    less = (j.a(j.x) * j.b(j.y)).sum() - few
    assert [state.count for state in j.states(less).values()] == [7, 7]
    # all of one table beside the join: its rows without a partner are apart
    more = j.states(j.x.sum() + (j.a(j.x) * j.b(j.y)).sum())
    assert [state.count for state in more.values()] == [ROWS["a"] - SHARED, SHARED]


def test_rows_of_a_join_that_are_kept_are_those_of_the_datasets() -> None:
    j = Joined()
    states = j.states(j.a(j.x) * j.b(j.y))
    for dataset, rows in (("a", j.left), ("b", j.right)):
        state = state_from_json(state_to_json(states[dataset]))
        assert isinstance(state, Rows) and state.count == SHARED and state.order is not None
        assert state.order.at(np.arange(SHARED)).tolist() == rows.tolist()


def test_classes_of_places_under_other_numbers() -> None:
    order = RowOrder.of_rows(np.array([4, 2, 9]))
    assert order.image(Partition.of_labels(np.array([0, 0, 1]))).at(np.arange(10)).tolist() == (
        [-1, -1, 0, -1, 0, -1, -1, -1, -1, 1]
    )
    assert RowOrder.of_rows(np.array([2, -1, 0, 7])).through(np.array([5, 6, 8])).at(np.arange(4)).tolist() == [
        8,
        -1,
        5,
        -1,
    ]


FAR = 1 << 44


@pytest.mark.parametrize("name", MIXED)
def test_where_the_numbers_begin_does_not_matter(name: str) -> None:
    j = Joined()
    before = j.states(MIXED[name](j))
    j.numbering = {dataset: order.shifted(FAR) for dataset, order in j.numbering.items()}
    assert j.states(MIXED[name](j)) == before


@pytest.mark.parametrize("name", MIXED)
def test_numbers_that_begin_elsewhere_are_of_nobody_here(name: str) -> None:
    for numbers in (FAR, RowOrder.natural(ROWS["b"]).shifted(FAR)):
        j = Joined()
        j.numbering["b"] = numbers  # type: ignore[assignment]
        assert any(isinstance(state, Spread) for state in j.states(MIXED[name](j)).values())
        # each by itself is what it was
        alone = j.states(j.y[3:30].sum())["b"]
        assert isinstance(alone, Aggregate) and alone.classes is not None
        assert np.flatnonzero(alone.classes.at(np.arange(ROWS["b"])) >= 0).tolist() == list(range(3, 30))
        kept = j.states(j.y[::-1] + j.z[::-1])["b"]
        assert isinstance(kept, Rows) and kept.order == RowOrder.natural(ROWS["b"]).slice(ROWS["b"] - 1, ROWS["b"], -1)


@pytest.mark.parametrize("state", [Aggregate(3, Partition.of_labels(np.array([-1, 0, 0, 0, -1, 1, 1, 1]))), Rows(0, 9)])
def test_numbers_and_back(state: RowState) -> None:
    for numbers in (0, 5, FAR, RowOrder.of_rows(np.random.default_rng(1).permutation(9)).shifted(FAR)):
        back = restored(renumbered(state, numbers), numbers)
        if isinstance(back, Rows):
            assert back.order == RowOrder.natural(9) and back.count == 9
        else:
            assert back == state
