"""Targets whose bounds are much wider than their values: trees, forests, boosting and isotonic regression."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from sklearn.tree import DecisionTreeRegressor as Reference

import tercet as tc
from plan_trio import TrioSession
from tercet.ensemble import HistGradientBoostingRegressor, RandomForestRegressor
from tercet.isotonic import IsotonicRegression
from tercet.plan.network import LAN
from tercet.plan.plan import OutputKind
from tercet.plan.record.compile import Wanted, compile_plan
from tercet.plan.rows.states import Aggregate, Rows
from tercet.plan.rows.track import track
from tercet.tree import DecisionTreeRegressor

KINDS: list[tuple[Any, dict[str, Any]]] = [
    (DecisionTreeRegressor, {"max_depth": 2}),
    (RandomForestRegressor, {"n_estimators": 2, "max_depth": 2, "random_state": 0}),
    (HistGradientBoostingRegressor, {"max_iter": 3, "max_depth": 2, "min_samples_leaf": 2}),
    (IsotonicRegression, {}),
]
EDGES = [[-1.0, 0.0, 1.0]]


@pytest.fixture(scope="module")
def net() -> Iterator[tc.Session]:
    with tc.local() as session:
        yield session


def rows(n: int) -> tuple[Any, Any]:
    draw = np.random.default_rng(n)
    x = np.round(draw.normal(size=(n, 1)) * 2**12) / 2**12
    return x, np.round((x[:, 0] + draw.normal(size=n) / 8) * 2**12) / 2**12


@pytest.mark.parametrize("bounds", [None, (-8, 2**24)])
@pytest.mark.parametrize(("kind", "given"), KINDS, ids=[kind.__name__ for kind, _ in KINDS])
def test_predictions_are_those_of_tight_bounds(net: Any, kind: Any, given: Any, bounds: Any) -> None:
    x, y = rows(40)
    plain = kind(**given).fit(x, y)
    goal = net.share(y) if bounds is None else net.share(y, bounds=bounds)
    found = kind(**given).fit(net.share(x), goal).predict(net.share(x)).reveal()
    assert np.abs(found - plain.predict(x)).max() < 2e-4


def test_large_numbers_and_equal_ones(net: Any) -> None:
    """Salaries within a declared ten million, and a target that is the same in all rows."""
    x, y = rows(40)
    pay = np.round(50_000 + 9_000 * y).astype(np.int64)
    model = DecisionTreeRegressor(max_depth=2).fit(net.share(x), net.share(pay, bounds=(0, 10_000_000)))
    wanted = Reference(max_depth=2).fit(x, pay).score(x, pay)
    assert float(tc.reveal(model.score(net.share(x), net.share(pay, bounds=(0, 10_000_000))))) > wanted - 0.02
    same = DecisionTreeRegressor(max_depth=2).fit(net.share(x), net.share(pay * 0 + 7, bounds=(0, 10_000_000)))
    assert np.abs(same.predict(net.share(x)).reveal() - 7).max() < 1e-3


def test_what_trees_of_numbers_by_public_edges_say_rests_on_all_rows() -> None:
    session = TrioSession()
    x, y = rows(60)
    X, goal = session.share(x, bounds=(-9, 9)), session.share(y)
    for bins, aggregate in ((EDGES, True), ("quantile", False)):
        model = HistGradientBoostingRegressor(max_iter=2, max_depth=2, max_bins=4, bins=bins).fit(X, goal)
        found = (model.predict(X) > goal).sum()
        plan = compile_plan([Wanted(found.node, OutputKind.REVEAL)], LAN)
        (states,) = track(plan, {handle: {"d": Rows(len(t.shape) - 1, 60)} for handle, t in plan.inputs()})
        assert isinstance(states["d"], Aggregate) == aggregate
