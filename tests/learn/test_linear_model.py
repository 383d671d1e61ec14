"""Linear regression: the same code on NumPy, and at three parties, against scikit-learn's float64."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn.datasets import load_diabetes
from sklearn.linear_model import LinearRegression as Reference

import tercet as tc
from plan_trio import TrioSession, array_of
from tercet.array import numeric
from tercet.errors import InputError
from tercet.linear_model import LinearRegression
from tercet.plan.network import LAN
from tercet.plan.plan import OutputKind
from tercet.plan.record.compile import Wanted, compile_plan
from tercet.plan.table.reasons import ASSUMED
from tercet.plan.types import Type, ValueKind


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


@pytest.mark.parametrize("checked", [False, True])
def test_a_coefficient_beyond_its_bound_says_so(checked: bool) -> None:
    """The bound is enforced, so that a checked run has nothing to verify; what passes it is named."""
    rng = np.random.default_rng(3)
    x = rng.integers(0, 9, (40, 1)) / 2.0**16
    with tc.local(checked=checked) as net:
        secret = net.share(x, bounds=(-(2**20), 2**20))
        for slope in (2.0**20, -(2.0**30) * 1.01, 2.0**42):
            model = LinearRegression().fit(secret, net.share(slope * x[:, 0], bounds=(-(2**34), 2**34)))
            coef, capped = tc.reveal(model.coef_, model.capped_)
            assert coef == pytest.approx([slope], rel=1e-9)
            assert capped.tolist() == [False]
        assert model.coef_bits_ == 43
        for slope in (2.0**44, -(2.0**44)):
            model = LinearRegression().fit(secret, net.share(slope * x[:, 0], bounds=(-(2**34), 2**34)))
            coef, capped = tc.reveal(model.coef_, model.capped_)
            assert capped.tolist() == [True]
            assert coef == pytest.approx([np.sign(slope) * 2.0**43], rel=1e-9)


@pytest.mark.parametrize("bounds", [(0, 1), (0, 1e9)], ids=["a narrow column", "one declared as y is"])
@pytest.mark.parametrize("checked", [False, True])
def test_revenue_on_a_column_of_zeros_and_ones(bounds: tuple[float, float], checked: bool) -> None:
    """Bounds of y at 16 fractional bits once left 22 bits to a coefficient, in silence."""
    rng = np.random.default_rng(0)
    x = rng.integers(0, 2, (300, 1)).astype(float)
    y = np.round(400_000_000 + 30_789_210 * x[:, 0] + rng.normal(0, 1e7, 300)).clip(0, 1e9)
    reference = Reference().fit(x, y)
    assert reference.coef_[0] == pytest.approx(30_789_210, rel=0.1)
    with tc.local(checked=checked) as net:
        model = LinearRegression().fit(net.share(x, bounds=bounds), net.share(y, bounds=(0, 1e9)))
        coef, intercept, capped = tc.reveal(model.coef_, model.intercept_, model.capped_)
        assert relative(coef, reference.coef_) < 1e-9
        assert relative(intercept, reference.intercept_) < 1e-9
        assert not capped.any()
        predicted = model.predict(net.share(x[:5], bounds=bounds)).reveal()
        assert relative(predicted, reference.predict(x[:5])) < 1e-9


@pytest.mark.parametrize(("slope", "error"), [(1e-9, 1e-8), (1e-3, 1e-7), (1.0, 1e-4)])
def test_times_in_milliseconds_and_a_small_column_beside_them(slope: float, error: float) -> None:
    """The error is that of 48 bits where a column explains a part in 10^9 of y beside another."""
    rng = np.random.default_rng(2)
    start, end = 1_600_000_000_000, 1_700_000_000_000
    x = np.stack([rng.integers(start, end, 400), rng.integers(0, 2, 400)], axis=1)
    y = slope * (x[:, 0] - start) + 50 * x[:, 1] + rng.normal(size=400)
    y = np.round(y * 2**16) / 2**16
    unit = np.array([1e9, 1.0])  # scikit-learn drops columns that are smaller than others by this much
    shifted = Reference().fit((x - [start, 0]) / unit, y)
    coef = shifted.coef_ / unit
    intercept = shifted.intercept_ - start * coef[0]
    top = 2.0 ** np.ceil(np.log2(np.abs(y).max()))
    with tc.local() as net:
        model = LinearRegression().fit(net.share(x, bounds=(0, 2_000_000_000_000)), net.share(y, bounds=(-top, top)))
        found, start_at, capped = tc.reveal(model.coef_, model.intercept_, model.capped_)
        assert relative(found, coef) < error
        assert start_at == pytest.approx(intercept, rel=1e-8, abs=1e-4)
        assert not capped.any()
        predicted = model.predict(net.share(x[:7], bounds=(0, 2_000_000_000_000))).reveal()
        assert np.allclose(predicted, shifted.predict((x[:7] - [start, 0]) / unit), rtol=1e-8, atol=1e-4)


@pytest.mark.parametrize("factor", [2**10, 2**50, 2**61])
def test_a_checked_run_verifies_the_bound_of_a_product(factor: int) -> None:
    """Exactly where the product fits the ring, otherwise to a relative 2^-30."""
    limit = factor * 1000
    with tc.local(checked=True) as net:
        x = net.share([factor, -factor], bounds=(-factor, factor))
        for y, holds in (([999, -999], True), ([1001, 1], False), ([1, 1001], False), ([-1001, 0], False)):
            other = net.share(y, bounds=(-(2**61), 2**61))
            product = numeric.product_within(x, other, -limit, limit, ASSUMED)
            if holds:
                assert product.reveal().tolist() == [factor * 999] * 2
            else:
                with pytest.raises(InputError, match="assumption does not hold"):
                    product.reveal()


@pytest.mark.parametrize("claimed", [False, True])
def test_large_regressions_on_checked_columns_lift_no_rows(claimed: bool) -> None:
    """Ten million rows whose bounds are proven: blocks are lifted. Where they are claimed, factors are."""
    session = TrioSession()
    t = Type(ValueKind.FIXED, (10_000_000, 10), 64, 16, 16, 0, 100 << 16, claimed=claimed)
    x = array_of(session, session.graph.input(b"x" * 16, t))
    y = array_of(session, session.graph.input(b"y" * 16, t.with_shape((10_000_000,))))
    model = LinearRegression().fit(x, y)
    plan = compile_plan([Wanted(model.coef_.node, OutputKind.REVEAL)], LAN)
    sums = [op for op in plan.operations if op.operation.name in ("matmul", "contract") and op.type.ring == 128]
    assert {op.attrs.wide for op in sums if op.type.size > 1} >= {not claimed}
    rows = [op for op in plan.operations if op.operation.name == "lift" and 10_000_000 in op.type.shape]
    assert bool(rows) == claimed


def times_beside_decimals(rows: int, unit: str) -> tuple[Any, Any, Any]:
    rng = np.random.default_rng(1)
    seconds = 1.6e9 + rng.uniform(0, 3 * 3.15e7, rows)
    times = (seconds * (1000 if unit == "ms" else 1)).round()
    part = np.round(rng.uniform(0, 100, rows), 3)
    y = np.round(5 + 3 * (times - times.min()) / np.ptp(times) + 0.2 * part + rng.normal(0, 1, rows), 3)
    return times, part, y


@pytest.mark.parametrize("unit", ["s", "ms"])
def test_times_beside_decimals(unit: str) -> None:
    """At one scale for both, sums of products of 57 bits do not fit; at the bounds that inference gives."""
    times, part, y = times_beside_decimals(3000, unit)
    session = TrioSession()
    columns = [
        session.share(times.astype(np.int64), bounds=(0, 2**41 if unit == "ms" else 2**31)),
        session.share(part, bounds=(-20, 120)),
    ]
    X, target = tc.stack(columns, axis=1), session.share(y, bounds=(-40, 80))
    model = LinearRegression().fit(X, target)
    centred = np.column_stack([times - times.mean(), part - part.mean()])
    coef = np.linalg.lstsq(centred, y - y.mean(), rcond=None)[0]
    assert np.allclose(model.coef_.reveal(), coef, rtol=3e-7, atol=0)
    assert not model.capped_.reveal().any() and not model.aliased_.reveal().any()
    intercept = y.mean() - coef @ [times.mean(), part.mean()]
    assert abs(float(model.intercept_.reveal()) - intercept) < 1e-4
    predicted = centred @ coef + y.mean()
    assert np.abs(model.predict(X).reveal() - predicted).max() < 1e-5
    r2 = 1 - ((y - predicted) ** 2).sum() / ((y - y.mean()) ** 2).sum()
    assert abs(float(model.score(X, target).reveal()) - r2) < 1e-6


@pytest.mark.parametrize("unit", ["s", "ms"])
def test_a_hundred_thousand_times_beside_decimals_are_recorded(unit: str) -> None:
    times, part, y = times_beside_decimals(100_000, unit)
    session = TrioSession()
    top = 2**41 if unit == "ms" else 2**31
    columns = [session.share(times.astype(np.int64), bounds=(0, top)), session.share(part, bounds=(-20, 120))]
    X, target = tc.stack(columns, axis=1), session.share(y, bounds=(-40, 80))
    model = LinearRegression().fit(X, target)
    error = ((target - model.predict(X)) ** 2).mean()
    assert error.bounds[0] >= 0 and model.score(X, target).bounds[1] <= 1.001
