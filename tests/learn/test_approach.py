"""Inverses by multiplication, and passes of a logistic regression on some rows before all."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import statsmodels.api as sm
from sklearn.linear_model import LogisticRegression as Reference

import tercet as tc
from plan_trio import TrioSession
from tercet.learn.approach import FEWEST, MANY_ROWS, refined
from tercet.linear_model import LogisticRegression
from tercet.plan.rows.states import Aggregate, Rows
from tercet.plan.rows.track import track
from tercet.stats import Logit, add_constant


def rows(n: int, d: int, *, rare: float = 0.0) -> tuple[Any, Any]:
    rng = np.random.default_rng(5)
    x = rng.normal(size=(n, d)).clip(-4, 4)
    x[:, 1] = x[:, 0] + x[:, 1] / 16
    x = np.round(x * 2**16) / 2**16
    return x, rng.random(n) < 1 / (1 + np.exp(rare - x @ (rng.normal(size=d) / 2)))


def reference(x: Any, y: Any) -> Any:
    return sm.Logit(y.astype(int), sm.add_constant(x)).fit(disp=0, tol=1e-14, maxiter=100)


def alike(found: Any, wanted: Any, errors: float) -> None:
    assert found.converged
    assert np.allclose(found.params, wanted.params, rtol=1e-6, atol=1e-7)
    assert np.allclose(found.bse, wanted.bse, rtol=errors)
    assert found.llf == pytest.approx(wanted.llf, rel=1e-6)


def test_the_inverse_is_met_from_below_and_left_out_directions_stay_out() -> None:
    rng = np.random.default_rng(1)
    even = np.cov(rng.normal(size=(5, 40)) * 0.4)
    start = np.linalg.inv(even)
    matrix = even * 0.01 + 0.005 * np.diag(np.diag(even))
    found = refined(np, matrix, start)
    assert np.allclose(found @ matrix, np.eye(5), atol=1e-6)
    short = refined(np, matrix, start, 3)
    assert np.all(np.linalg.eigvals(short @ matrix) < 1)
    start[:, 2] = start[2] = 0
    start[np.ix_([0, 1, 3, 4], [0, 1, 3, 4])] = np.linalg.inv(np.delete(np.delete(even, 2, 0), 2, 1))
    found = refined(np, matrix, start)
    assert not found[2].any() and not found[:, 2].any()
    rest = np.delete(np.delete(matrix, 2, 0), 2, 1)
    assert np.allclose(np.delete(np.delete(found, 2, 0), 2, 1) @ rest, np.eye(4), atol=1e-6)


@pytest.mark.parametrize(
    ("order", "rare"),
    [("drawn", 0.0), ("by outcome", 0.5), ("drawn", 4.5), ("by outcome", 6.0), ("drawn", 6.0)],
)
def test_many_rows_on_numpy(order: str, rare: float) -> None:
    x, y = rows(MANY_ROWS + 1000, 4, rare=rare)
    if order == "by outcome":
        places = np.argsort(y, kind="stable")
        x, y = x[places], y[places]
    alike(Logit(y, add_constant(x)).fit().reveal(), reference(x, y), 1e-6)


def test_rare_outcomes_of_sorted_rows_with_a_penalty() -> None:
    x, y = rows(MANY_ROWS, 3, rare=6)
    places = np.argsort(y, kind="stable")
    x, y = x[places], y[places]
    wanted = Reference(C=0.1, tol=1e-13, max_iter=1000).fit(x, y)
    found = LogisticRegression(C=0.1, max_iter=8).fit(x, y)
    assert np.allclose(found.coef_, wanted.coef_, atol=1e-6) and np.allclose(
        found.intercept_, wanted.intercept_, atol=1e-6
    )


def test_many_rows_under_sharing() -> None:
    x, y = rows(MANY_ROWS, 3, rare=0.5)
    with tc.local() as net:
        results = Logit(net.share(y), add_constant(net.share(x, bounds=(-8, 8)))).fit()
        alike(results.reveal(), reference(x, y), 1e-5)


def test_rare_outcomes_of_sorted_rows_under_sharing() -> None:
    x, y = rows(MANY_ROWS, 4, rare=5)
    places = np.argsort(y, kind="stable")
    x, y = x[places][:, [0, 2, 3]], y[places]
    with tc.local() as net:
        results = Logit(net.share(y), add_constant(net.share(x, bounds=(-8, 8)))).fit()
        found, wanted = results.reveal(), reference(x, y)
        assert found.converged and np.allclose((found.params - wanted.params) / wanted.bse, 0, atol=1e-4)
        assert np.allclose(found.bse, wanted.bse, rtol=1e-4)
        some = results.explain()
        assert some.rounds < 1400
        assert some.bytes_per_party < 2200 * MANY_ROWS


def test_nodes_can_follow_the_rows_of_a_fit() -> None:
    """Single rows that are skipped would be too many stretches; each block is of more rows than policies ask for."""
    for n in (MANY_ROWS, 50 * MANY_ROWS):
        session = TrioSession()
        y = session.share(np.zeros(n, dtype=np.int64), (0, 1))
        columns = {name: session.share(np.zeros(n, dtype=np.int64), (0, 7)) for name in "abc"}
        plan = Logit(y, add_constant(columns)).fit().explain().plan
        found = track(plan, {handle: {"d": Rows(0, n)} for handle, _ in plan.inputs()})
        states = [one["d"] for one in found if one]
        assert all(isinstance(state, Aggregate) and state.count >= n // 256 for state in states) and len(states) > 5


def test_no_passes_on_fewer_rows_than_say_something() -> None:
    """Each of some rows has enough others, and the plan does not grow with rows."""
    sizes = []
    for n in (MANY_ROWS, 8 * MANY_ROWS):
        session = TrioSession()
        y = session.share(np.zeros(n, dtype=np.int64), (0, 1))
        columns = {name: session.share(np.zeros(n, dtype=np.int64), (0, 7)) for name in "ab"}
        sizes.append(len(Logit(y, add_constant(columns)).fit().explain().plan.operations))
    assert abs(sizes[1] - sizes[0]) < 20
    assert FEWEST * 4 <= MANY_ROWS
