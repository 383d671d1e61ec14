"""Linear regression: the same code on NumPy, and at three parties, against scikit-learn's float64."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn.datasets import load_diabetes
from sklearn.linear_model import LinearRegression as Reference

import tercet as tc
from tercet.array import numeric
from tercet.errors import InputError
from tercet.linear_model import LinearRegression


def data(rows: int, columns: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(rows, columns)).clip(-7.9, 7.9)
    return x, (x @ rng.normal(size=columns) + 3 + rng.normal(size=rows)).clip(-60, 60)


def relative(found: Any, wanted: Any) -> float:
    return float(np.max(np.abs(np.asarray(found) - wanted) / np.abs(wanted)))


def test_on_numpy_it_is_least_squares() -> None:
    x, y = data(200, 5)
    model, reference = LinearRegression().fit(x, y), Reference().fit(x, y)
    assert relative(model.coef_, reference.coef_) < 1e-10
    assert relative(model.intercept_, reference.intercept_) < 1e-10
    assert relative(model.predict(x), reference.predict(x)) < 1e-8


@pytest.mark.parametrize("intercept", [True, False])
def test_diabetes(intercept: bool) -> None:
    x, y = load_diabetes(return_X_y=True)
    reference = Reference(fit_intercept=intercept).fit(x, y)
    with tc.local() as net:
        model = LinearRegression(fit_intercept=intercept)
        model.fit(net.share(x, bounds=(-0.25, 0.25), frac_bits=32), net.share(y, bounds=(0, 400)))
        coef, aliased = tc.reveal(model.coef_, model.aliased_)
        assert relative(coef, reference.coef_) < 1e-4
        assert not aliased.any()
        if intercept:
            assert relative(model.intercept_.reveal(), reference.intercept_) < 1e-4
        predicted = model.predict(net.share(x[:7], bounds=(-0.25, 0.25), frac_bits=32)).reveal()
        assert relative(predicted, reference.predict(x[:7])) < 1e-4


def test_many_rows_loose_bounds_and_nothing_opened() -> None:
    x, y = data(20_000, 10)
    reference = Reference().fit(x, y)
    with tc.local() as net:
        model = LinearRegression().fit(net.share(x, bounds=(-500, 500)), net.share(y, bounds=(-1000, 1000)))
        plan = tc.explain(model.coef_, model.intercept_)
        assert len(plan.reveals) == 2
        coef, intercept = tc.reveal(model.coef_, model.intercept_)
    assert relative(coef, reference.coef_) < 1e-4
    assert relative(intercept, reference.intercept_) < 1e-4


def test_integers_of_very_different_sizes() -> None:
    rng = np.random.default_rng(5)
    x = np.stack([rng.integers(0, 1_000_000, 500), rng.integers(0, 120, 500), rng.integers(0, 2, 500)], axis=1)
    y = 3 * x[:, 0] - 5000 * x[:, 1] + 70_000 * x[:, 2] + rng.integers(-5, 6, 500)
    reference = Reference().fit(x, y)
    with tc.local() as net:
        model = LinearRegression().fit(net.share(x, bounds=(0, 1_000_000)), net.share(y, bounds=(-(10**7), 10**7)))
        assert relative(model.coef_.reveal(), reference.coef_) < 1e-4


def test_collinear_columns_are_aliased_and_the_others_right() -> None:
    x, y = data(300, 3)
    x = np.concatenate([x, (x[:, :1] + x[:, 1:2]) / 2, np.full((300, 1), 4.0)], axis=1)
    x = np.round(x * 2**15) / 2**15
    x[:, 3] = (x[:, 0] + x[:, 1]) / 2
    kept = Reference().fit(x[:, :3], y)
    with tc.local() as net:
        model = LinearRegression().fit(net.share(x, bounds=(-8, 8)), net.share(y, bounds=(-64, 64)))
        coef, aliased, intercept = tc.reveal(model.coef_, model.aliased_, model.intercept_)
    assert aliased.tolist() == [False, False, False, True, True]
    assert coef[3:].tolist() == [0, 0]
    assert relative(coef[:3], kept.coef_) < 1e-4
    assert relative(intercept, kept.intercept_) < 1e-4


@pytest.mark.parametrize(("x", "y"), [((3,), (3,)), ((3, 2), (4,)), ((1, 2), (1,)), ((3, 0), (3,))])
def test_shapes_that_do_not_fit(x: tuple[int, ...], y: tuple[int, ...]) -> None:
    with tc.local() as net, pytest.raises(tc.InputError):
        LinearRegression().fit(net.share(np.ones(x)), net.share(np.ones(y)))


def test_bounds_beyond_the_wide_ring_are_refused_before_anything_runs() -> None:
    with tc.local() as net:
        x = net.share(np.ones((10, 2)), bounds=(-(2.0**40), 2.0**40), frac_bits=40)
        with net.measure() as measured, pytest.raises(tc.PlanError, match="overflow"):
            LinearRegression().fit(x, net.share(np.ones(10)))
    assert measured.jobs == 0


def test_predict_before_fit_says_so() -> None:
    with pytest.raises(tc.InputError, match="not fitted; call fit"):
        LinearRegression().predict(np.ones((2, 2)))


def test_a_checked_run_verifies_the_bound_of_coefficients() -> None:
    """The product that it bounds may wrap in the ring, and is compared without its lowest bits."""
    rng = np.random.default_rng(3)
    x = rng.integers(0, 9, (40, 1)) / 2.0**16
    with tc.local(checked=True) as net:
        secret = net.share(x, bounds=(-(2**20), 2**20))
        for slope, holds in ((2.0**20, True), (-(2.0**20), True), (2.0**30 * 1.01, False), (-(2.0**30) * 1.01, False)):
            model = LinearRegression().fit(secret, net.share(slope * x[:, 0], bounds=(-(2**20), 2**20)))
            if holds:
                assert model.coef_.reveal() == pytest.approx([slope], rel=1e-4)
                continue
            with pytest.raises(InputError, match="assumption does not hold"):
                model.coef_.reveal()
            model.coef_.reveal(checked=False)


@pytest.mark.parametrize("factor", [2**10, 2**50, 2**61])
def test_a_checked_run_verifies_the_bound_of_a_product(factor: int) -> None:
    """Exactly where the product fits the ring, otherwise to a relative 2^-30."""
    limit = factor * 1000
    with tc.local(checked=True) as net:
        x = net.share([factor, -factor], bounds=(-factor, factor))
        for y, holds in (([999, -999], True), ([1001, 1], False), ([1, 1001], False), ([-1001, 0], False)):
            other = net.share(y, bounds=(-(2**61), 2**61))
            product = numeric.product_within(x, other, -limit, limit, "assumed by the analyst")
            if holds:
                assert product.reveal().tolist() == [factor * 999] * 2
            else:
                with pytest.raises(InputError, match="assumption does not hold"):
                    product.reveal()
