"""Weights of rows in linear models and isotonic regression, beside scikit-learn's, on NumPy and under sharing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import sklearn.isotonic
import sklearn.linear_model as reference
from sklearn.datasets import load_breast_cancer, load_diabetes, load_wine

import tercet as tc
from tercet.errors import InputError
from tercet.isotonic import IsotonicRegression
from tercet.linear_model import (
    BayesianRidge,
    ElasticNet,
    HuberRegressor,
    Lasso,
    LinearRegression,
    QuantileRegressor,
    Ridge,
)
from tercet.svm import LinearSVC


@pytest.fixture(scope="module")
def net() -> Iterator[tc.Session]:
    with tc.local() as session:
        yield session


def diabetes(rows: int) -> tuple[Any, Any]:
    x, y = load_diabetes(return_X_y=True)
    return np.round(x[:rows] * 2**16) / 2**16, (y + np.where(np.arange(len(y)) % 9 == 0, 200, 0))[:rows]


def counts(rows: int) -> Any:
    return np.random.default_rng(3).integers(0, 6, rows)


def parts(rows: int) -> Any:
    return np.round(np.random.default_rng(4).random(rows) * 255 + 1) / 256


def relative(found: Any, wanted: Any) -> float:
    return float(np.max(np.abs(found - wanted)) / np.max(np.abs(wanted)))


LONG = {"tol": 1e-13, "max_iter": 100_000}
LINEAR = [
    (LinearRegression, {}, {}),
    (LinearRegression, {"fit_intercept": False}, {}),
    (Ridge, {"alpha": 0.5}, {}),
    (Lasso, {"alpha": 0.2}, LONG),
    (ElasticNet, {"alpha": 0.01}, LONG),
    (BayesianRidge, {}, LONG),
    (BayesianRidge, {"fit_intercept": False, "alpha_1": 1.0, "lambda_2": 0.1}, LONG),
]


@pytest.mark.parametrize("weights", [counts, parts])
@pytest.mark.parametrize(("kind", "given", "more"), LINEAR)
def test_as_scikit_learn_has_it(kind: Any, given: Any, more: Any, weights: Any) -> None:
    x, y = diabetes(442)
    own = kind(**given).fit(x, y, weights(442))
    plain = getattr(reference, kind.__name__)(**given, **more).fit(x, y, weights(442))
    assert relative(own.coef_, plain.coef_) < 1e-9 and abs(own.intercept_ - plain.intercept_) < 1e-9
    assert abs(own.score(x, y, weights(442)) - plain.score(x, y, weights(442))) < 1e-12
    if kind is BayesianRidge:
        assert abs(own.alpha_ / plain.alpha_ - 1) < 1e-9 and abs(own.lambda_ / plain.lambda_ - 1) < 1e-9
        assert relative(own.sigma_, plain.sigma_) < 1e-9
        pairs = own.predict(x, return_std=True)[1], plain.predict(x, return_std=True)[1]
        assert relative(*pairs) < 1e-9


@pytest.mark.parametrize("weights", [counts, parts])
@pytest.mark.parametrize("given", [{}, {"alpha": 0.0}, {"epsilon": 1.9, "alpha": 0.01}, {"fit_intercept": False}])
def test_huber_is_scikit_learns_minimum(given: Any, weights: Any) -> None:
    (x, y), each = diabetes(442), weights(442)
    plain = reference.HuberRegressor(max_iter=10_000, tol=1e-9, **given).fit(x, y, each)
    own = HuberRegressor(**given).fit(x, y, each)

    def objective(model: Any) -> float:
        away, s, e = np.abs(y - x @ model.coef_ - model.intercept_), model.scale_, model.epsilon
        lost = np.where(away <= e * s, away**2 / s, 2 * e * away - s * e**2)
        return float(each.sum() * s + each @ lost + model.alpha * model.coef_ @ model.coef_)

    assert objective(own) <= objective(plain) + 1e-9
    assert np.allclose(own.predict(x), plain.predict(x), atol=0.01 * y.std())
    assert abs(own.scale_ / plain.scale_ - 1) < 1e-3
    # scikit-learn's stands still before its minimum: at ours the slopes are 0
    away = y - x @ own.coef_ - own.intercept_
    cut = np.clip(away, -own.epsilon * own.scale_, own.epsilon * own.scale_)
    slope = x.T @ (each * cut) - own.alpha * own.scale_ * own.coef_
    assert np.abs(slope).max() < 1e-6 * np.abs(x.T @ (each * y)).max()
    assert abs(each @ cut**2 / each.sum() / own.scale_**2 - 1) < 1e-6


@pytest.mark.parametrize("weights", [counts, parts])
@pytest.mark.parametrize(
    "given", [{}, {"alpha": 0.0}, {"quantile": 0.9, "alpha": 0.0}, {"quantile": 0.2, "alpha": 0.05}]
)
def test_quantiles_are_near_the_linear_programs_minimum(given: Any, weights: Any) -> None:
    (x, y), each = diabetes(442), weights(442)
    plain = reference.QuantileRegressor(**given).fit(x, y, each)

    def objective(model: Any) -> float:
        away, q = y - x @ model.coef_ - model.intercept_, model.quantile
        lost = np.average(np.where(away > 0, q * away, (q - 1) * away), weights=each)
        return float(lost + model.alpha * np.abs(model.coef_).sum())

    own = QuantileRegressor(**given).fit(x, y, each)
    assert -1e-9 < objective(own) / objective(plain) - 1 < 3e-4
    closer = QuantileRegressor(**given, max_iter=2000).fit(x, y, each)
    assert objective(closer) / objective(plain) - 1 < 3e-5


CUT: list[Any] = [
    *LINEAR[:5],
    (BayesianRidge, {"max_iter": 20}, {}),
    (HuberRegressor, {"max_iter": 25}, {}),
    (QuantileRegressor, {"max_iter": 30, "alpha": 0.0, "quantile": 0.8}, {}),
]


@pytest.mark.parametrize(("kind", "given"), [case[:2] for case in CUT])
def test_on_shares(net: tc.Session, kind: Any, given: Any) -> None:
    """Secret weights, public ones, and secret ones whose bounds are far above them."""
    x, y = diabetes(120)
    X, Y = net.share(x, bounds=(-0.2, 0.2)), net.share(y, bounds=(0, 600))
    each = counts(120), parts(120), parts(120)
    shared = net.share(each[0], bounds=(0, 5)), each[1], net.share(each[2], bounds=(0, 200))
    many: list[Any] = []
    for weights in shared:
        model = kind(**given).fit(X, Y, weights)
        many += [model.coef_, model.intercept_ if model.fit_intercept else model.coef_[0]]
        many += [model.sigma_, model.alpha_, model.predict(X[:9], return_std=True)[1]] if kind is BayesianRidge else []
    found = list(tc.reveal(*many))
    error = 3e-5 if kind is QuantileRegressor else 1e-6  # 2e-6 to 1.3e-5 were seen, from run to run
    for weights in each:
        plain = kind(**given).fit(x, y, weights)
        assert relative(found.pop(0), plain.coef_) < error
        intercept = found.pop(0)
        assert not model.fit_intercept or abs(intercept / plain.intercept_ - 1) < 1e-6
        if kind is BayesianRidge:
            assert relative(found.pop(0), plain.sigma_) < 1e-5 and abs(found.pop(0) / plain.alpha_ - 1) < 1e-6
            assert relative(found.pop(0), plain.predict(x[:9], return_std=True)[1]) < 1e-5


@pytest.mark.parametrize("kind", [LinearRegression, Lasso, BayesianRidge, HuberRegressor, QuantileRegressor])
def test_no_data_set_is_refused(net: tc.Session, kind: Any) -> None:
    """Raw columns at the default scale, with bounds from least and greatest values: fits are recorded."""
    for load in (load_breast_cancer, load_wine, load_diabetes):
        x, y = load(return_X_y=True)
        X, Y = net.share(x, bounds=(x.min(), x.max())), net.share(y, bounds=(y.min(), y.max()))
        model = kind() if kind is LinearRegression else kind(max_iter=2)
        assert tc.explain(model.fit(X, Y, net.share(parts(len(y)), bounds=(0, 100))).coef_).rounds > 0


@pytest.mark.parametrize("values", [0, 7])
def test_isotonic(net: tc.Session, values: int) -> None:
    rng = np.random.default_rng(6)
    x = np.round(rng.normal(size=60) * 2**16) / 2**16
    y = np.round((np.tanh(x) + rng.normal(size=60) / 3) * 2**16) / 2**16
    x = np.round(x * values / 6) if values else x
    asked = np.round(np.linspace(-4, 4, 33) * 2**16) / 2**16
    X, Y, Z = (net.share(one, bounds=(-5, 5)) for one in (x, y, asked))
    each = counts(60) + 1, parts(60), parts(60)
    shared = net.share(each[0], bounds=(0, 6)), each[1], net.share(each[2], bounds=(0, 100))
    found = tc.reveal(*(IsotonicRegression().fit(X, Y, weights).predict(Z) for weights in shared))
    for weights, one in zip(each, found, strict=True):
        wanted = sklearn.isotonic.IsotonicRegression(out_of_bounds="clip").fit(x, y, weights)
        own = IsotonicRegression().fit(x, y, weights)
        assert np.abs(own.predict(asked) - wanted.predict(asked)).max() < 1e-12
        assert abs(own.score(x, y, weights) - wanted.score(x, y, weights)) < 1e-12
        assert np.abs(one - wanted.predict(asked)).max() < 1e-4


def test_what_is_refused(net: tc.Session) -> None:
    x, y = diabetes(20)
    secret = net.share(counts(20), bounds=(0, 5))
    for kind in (LinearRegression, HuberRegressor):
        with pytest.raises(InputError, match="weights are secret, and X is not"):
            kind().fit(x, y, secret)
    with pytest.raises(InputError, match="weights are secret, and X is not"):
        IsotonicRegression().fit(x[:, 0], y, secret)
    with pytest.raises(InputError, match="sample_weight reaches down to -1"):
        Ridge().fit(x, y, counts(20) - 1)
    with pytest.raises(ValueError, match="all weights are zero"):
        BayesianRidge().fit(x, y, np.zeros(20))


@pytest.mark.parametrize("largest", [4.0, 0.05])
def test_isotonic_weights_need_no_bounds(net: tc.Session, largest: float) -> None:
    rng = np.random.default_rng(6)
    x, y = np.arange(9.0), np.round(rng.normal(size=9) * 3, 2)
    each = np.round(rng.random(9) * largest * 2**16) / 2**16
    wanted = sklearn.isotonic.IsotonicRegression().fit(x, y, each).predict(x)
    for weights in (net.share(each), each * 2.0**-40):
        found = IsotonicRegression().fit(net.share(x), net.share(y), sample_weight=weights).predict(net.share(x))
        assert np.max(np.abs(found.reveal() - wanted)) < 2e-4


@pytest.mark.parametrize("value", [0.1, 3.7, 1e6 + 0.3, 0.0])
@pytest.mark.parametrize("weighed", [False, True])
def test_columns_that_do_not_vary_have_coefficients_of_0(value: float, weighed: bool) -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(50, 3))
    y, weights = x @ [1, 2, 3] + rng.normal(size=50), (rng.integers(0, 5, 50) / 4 if weighed else None)
    x[:, 1] = value
    if weighed:
        x[weights == 0, 1] = 5.0  # these rows count for nothing
    wanted = reference.LinearRegression().fit(x, y, weights)
    found = LinearRegression().fit(x, y, weights)
    assert np.allclose(found.coef_, wanted.coef_, rtol=1e-10, atol=1e-10) and found.coef_[1] == 0
    assert found.intercept_ == pytest.approx(wanted.intercept_, rel=1e-10, abs=1e-8)
    assert found.aliased_.tolist() == [False, True, False]


def test_secret_weights_of_a_classifier_far_below_their_bounds_are_refused(net: tc.Session) -> None:
    x, y = diabetes(12)
    with pytest.raises(InputError, match="sample_weight reaches to 131072 by its bounds"):
        LinearSVC().fit(net.share(x[:, :2]), net.share(y > 100), net.share(parts(12), bounds=(0, 100_000)))


@pytest.mark.parametrize("kind", [LinearRegression, Ridge, HuberRegressor, QuantileRegressor])
def test_secret_weights_far_below_their_bounds_are_refused(net: tc.Session, kind: Any) -> None:
    x, y = diabetes(12)
    for weights in (net.share(parts(12)), net.share(counts(12))):
        with pytest.raises(InputError, match=r"sample_weight reaches to \d+ by its bounds"):
            kind().fit(net.share(x[:, :2], bounds=(-1, 1)), net.share(y, bounds=(0, 600)), weights)
