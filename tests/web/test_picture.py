"""The picture of a plan says what `explain()` says, in few stages, however long the plan is."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

import tercet as tc
from tercet.client import Session, local
from tercet.linear_model import LogisticRegression
from tercet.web.picture import MOST_STAGES, MOST_STEPS, NETWORKS, picture


@pytest.fixture(scope="module")
def net() -> Iterator[Session]:
    with local() as session:
        yield session


def test_it_says_what_explain_says(net: Session) -> None:
    x = net.share(np.arange(10) / 4, bounds=(0, 8))
    explained = tc.explain(x.sum(), (x * x).sum(), x > 3)
    seen = picture(explained)
    assert (seen.rounds, seen.bytes_per_party) == (explained.rounds, explained.bytes_per_party)
    assert seen.seconds == {network.name: explained.seconds(network) for network in NETWORKS}
    assert [(one.kind, one.shape, one.low, one.high, one.count) for one in seen.inputs] == [("fixed", (10,), 0, 8, 1)]
    assert [(one.kind, one.shape, one.low, one.high) for one in seen.reveals] == [
        ("fixed", (), 0, 80),
        ("fixed", (), 0, 640),
        ("bool", (10,), 0, 1),
    ]
    assert sum(stage.bytes_per_party for stage in seen.stages) == pytest.approx(explained.bytes_per_party)
    assert max(stage.last for stage in seen.stages) == explained.rounds
    assert seen.decisions == ()


def test_all_operations_are_in_it_once(net: Session) -> None:
    x = net.share(np.arange(6), bounds=(0, 8))
    y = x
    for _ in range(20):
        y = tc.where(y * x > 3, x, y)
    explained = tc.explain(y.sum())
    seen = picture(explained)
    assert 1 < len(seen.stages) <= MOST_STAGES
    assert all(len(stage.talking) <= MOST_STEPS >= len(stage.silent) for stage in seen.stages)
    counted = sum(
        sum(step.count for step in (*stage.talking, *stage.silent)) + stage.talking_more + stage.silent_more
        for stage in seen.stages
    )
    assert counted == sum(not op.is_leaf for op in explained.plan.operations)


def test_stages_follow_each_other(net: Session) -> None:
    x = net.share(np.arange(4), bounds=(0, 3))
    product = x
    for _ in range(4):
        product = product * x
    seen = picture(tc.explain(product))
    assert [(stage.first, stage.last) for stage in seen.stages] == [(1, 1), (2, 2), (3, 3), (4, 4)]
    assert all([step.name for step in stage.talking] == ["multiply"] for stage in seen.stages)


def test_a_loop_is_one_step_that_says_what_it_repeats(net: Session) -> None:
    x = net.share(np.arange(4), bounds=(0, 9))
    explained = tc.explain(tc.loop(5, lambda y: tc.array.clip(y * y, 0, 9), x))
    loops = [step for stage in picture(explained).stages for step in stage.talking if step.name == "loop"]
    assert [step.passes for step in loops] == [5] and "multiply" in loops[0].inside


def test_stored_arrays_have_their_names(net: Session) -> None:
    x, y = net.share([1, 2, 3], bounds=(0, 5)), net.share([1, 2, 3], bounds=(0, 5))
    explained = tc.explain((x * y).sum())
    handles = [handle for handle, _ in explained.plan.inputs()]
    assert [one.name for one in picture(explained, dict(zip(handles, ("age", "dose"), strict=True))).inputs] == [
        "age",
        "dose",
    ]


def test_it_holds_no_data(net: Session) -> None:
    """What a plan carries besides its form, public constants, is not shown: pages get no more than people read."""
    x = net.share([1, 2, 3], bounds=(0, 5))
    text = picture(tc.explain((x * np.array([71_311, 2, 3])).sum())).model_dump_json()
    assert "71311" not in text


def test_a_model_is_a_picture_too(net: Session) -> None:
    rng = np.random.default_rng(1)
    x, y = rng.normal(size=(40, 2)).round(2), rng.integers(0, 2, 40)
    model = LogisticRegression().fit(net.share(x, bounds=(-8, 8)), net.share(y, bounds=(0, 1)))
    seen = picture(tc.explain(model.coef_))
    assert len(seen.stages) <= MOST_STAGES and seen.rounds > 100
