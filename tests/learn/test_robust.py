"""HuberRegressor and QuantileRegressor against scikit-learn's objectives, and on shares against NumPy."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import sklearn.linear_model as reference
from sklearn.datasets import load_breast_cancer, load_diabetes, load_wine

import tercet as tc
from tercet.errors import InputError
from tercet.learn.inputs import array_namespace
from tercet.learn.robust import _Counted
from tercet.linear_model import HuberRegressor, QuantileRegressor


@pytest.fixture(scope="module")
def net() -> Iterator[tc.Session]:
    with tc.local() as session:
        yield session


def diabetes(rows: int = 442) -> tuple[Any, Any]:
    x, y = load_diabetes(return_X_y=True)
    return np.round(x[:rows] * 2**16) / 2**16, (y + np.where(np.arange(len(y)) % 9 == 0, 200, 0))[:rows]


def huber(model: Any, x: Any, y: Any) -> float:
    """scikit-learn's objective."""
    away, s, e = np.abs(y - x @ model.coef_ - model.intercept_), model.scale_, model.epsilon
    inside = away <= e * s
    lost = np.sum(np.where(inside, away**2 / s, 2 * e * away - s * e**2))
    return float(len(y) * s + lost + model.alpha * model.coef_ @ model.coef_)


def pinball(model: Any, x: Any, y: Any) -> float:
    """The same of quantiles."""
    away, q = y - x @ model.coef_ - model.intercept_, model.quantile
    return float(np.mean(np.where(away > 0, q * away, (q - 1) * away)) + model.alpha * np.abs(model.coef_).sum())


@pytest.mark.parametrize(
    "given", [{}, {"alpha": 0.0}, {"epsilon": 1.9, "alpha": 0.01}, {"fit_intercept": False}], ids=repr
)
def test_huber_is_scikit_learns_minimum(given: Any) -> None:
    x, y = diabetes()
    plain = reference.HuberRegressor(max_iter=10_000, tol=1e-9, **given).fit(x, y)
    own = HuberRegressor(**given).fit(x, y)
    assert huber(own, x, y) <= huber(plain, x, y) + 1e-9
    assert np.allclose(own.predict(x), plain.predict(x), atol=0.01 * y.std())
    assert abs(own.scale_ / plain.scale_ - 1) < 1e-3 and np.array_equal(own.outliers_, plain.outliers_)


def test_huber_of_scaled_columns_has_scikit_learns_coefficients() -> None:
    x, y = load_wine(return_X_y=True)
    x = (x - x.mean(axis=0)) / x.std(axis=0)
    y = x[:, 0] + 0.3 * (y - 1) + np.where(np.arange(len(y)) % 8 == 0, 4, 0)
    plain = reference.HuberRegressor(max_iter=10_000, tol=1e-10).fit(x, y)
    own = HuberRegressor(max_iter=300).fit(x, y)
    assert np.allclose(own.coef_, plain.coef_, atol=1e-4) and abs(own.intercept_ - plain.intercept_) < 1e-4


def test_huber_on_shares(net: tc.Session) -> None:
    x, y = diabetes(200)
    plain = HuberRegressor(max_iter=25).fit(x, y)
    model = HuberRegressor(max_iter=25).fit(net.share(x, bounds=(-0.2, 0.2)), net.share(y, bounds=(0, 600)))
    results = model.coef_, model.intercept_, model.scale_, model.outliers_
    assert len(tc.explain(*results).reveals) == 4
    coef, intercept, scale, outliers = tc.reveal(*results)
    assert np.allclose(coef, plain.coef_, rtol=1e-6) and abs(intercept / plain.intercept_ - 1) < 1e-7
    assert abs(scale / plain.scale_ - 1) < 1e-7 and np.array_equal(outliers, plain.outliers_)


@pytest.mark.parametrize(
    "given", [{}, {"alpha": 0.0}, {"alpha": 0.01}, {"quantile": 0.9, "alpha": 0.0}, {"quantile": 0.2, "alpha": 0.05}]
)
@pytest.mark.parametrize("load", ["diabetes", "breast_cancer"])
def test_quantiles_are_near_the_linear_programs_minimum(load: str, given: Any) -> None:
    x, y = diabetes() if load == "diabetes" else load_breast_cancer(return_X_y=True)
    x = x[:, :8]
    plain = reference.QuantileRegressor(**given).fit(x, y)
    own = QuantileRegressor(**given).fit(x, y)
    assert -1e-9 < pinball(own, x, y) / pinball(plain, x, y) - 1 < 3e-4
    assert np.abs(own.predict(x) - plain.predict(x)).max() < 0.05 * y.std()
    closer = QuantileRegressor(**given, max_iter=2000).fit(x, y)
    assert pinball(closer, x, y) / pinball(plain, x, y) - 1 < 3e-5


def test_quantiles_on_shares(net: tc.Session) -> None:
    x, y = diabetes(60)
    X, Y = net.share(x, bounds=(-0.2, 0.2)), net.share(y, bounds=(0, 600))
    for given in ({"alpha": 0.02}, {"alpha": 0.0, "quantile": 0.8}):
        plain = QuantileRegressor(max_iter=30, **given).fit(x, y)
        model = QuantileRegressor(max_iter=30, **given).fit(X, Y)
        coef, intercept = tc.reveal(model.coef_, model.intercept_)
        assert np.allclose(coef, plain.coef_, atol=1e-5 * np.abs(plain.coef_).max())
        assert abs(intercept / plain.intercept_ - 1) < 1e-6
        assert np.array_equal(coef == 0, np.abs(plain.coef_) < 1e-12)


@pytest.mark.parametrize("kind", [HuberRegressor, QuantileRegressor])
def test_no_data_set_is_refused(net: tc.Session, kind: Any) -> None:
    """Raw columns at the default scale, with bounds from least and greatest values: fits are recorded."""
    for load in (load_breast_cancer, load_wine, load_diabetes):
        x, y = load(return_X_y=True)
        X, Y = net.share(x, bounds=(x.min(), x.max())), net.share(y, bounds=(y.min(), y.max()))
        assert tc.explain(kind(max_iter=2).fit(X, Y).coef_).rounds > 0


def test_saved_and_shared_by_its_owner(net: tc.Session) -> None:
    x, y = diabetes(40)
    X = net.share(x, bounds=(-0.2, 0.2))
    plain = reference.HuberRegressor(max_iter=500).fit(x, y)
    model = HuberRegressor.from_sklearn(plain, net)
    model.save(net, "huber")
    loaded: Any = tc.load("huber", net)
    assert np.allclose(loaded.predict(X).reveal(), plain.predict(x), rtol=1e-4)
    assert abs(loaded.scale_.reveal() - plain.scale_) < 1e-6


def test_what_is_refused() -> None:
    x, y = diabetes(20)
    with pytest.raises(
        InputError, match=r"'epsilon' parameter of HuberRegressor must be a float in the range \[1, inf\)"
    ):
        HuberRegressor(epsilon=0.5).fit(x, y)
    with pytest.raises(InputError, match=r"'quantile' parameter of QuantileRegressor .* \(0, 1\)"):
        QuantileRegressor(quantile=1.0).fit(x, y)
    with pytest.raises(TypeError, match="solver: alternating directions are made"):
        QuantileRegressor(**{"solver": "highs"})


def test_means_of_weights_count_as_what_they_are_at_least(net: tc.Session) -> None:
    """Those far below their bounds count as 2^-16 of these; a reciprocal of nearly 0 would be any number."""
    x = net.share(np.ones((4, 1)), bounds=(0, 1))
    parts = [2.0**-32, 2.0**-26, 2.0**-20, 2.0**-10, 0.25]
    found = []
    for part in net.share(np.array(parts), bounds=(0, 1), frac_bits=32):
        rows: Any = SimpleNamespace(x=x, weighed=x, part=part)
        found.append(_Counted(array_namespace(x), rows).inverse)
    assert np.allclose(tc.reveal(*found), 1 / np.maximum(parts, 2.0**-16), rtol=1e-6)
