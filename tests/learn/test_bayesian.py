"""BayesianRidge against scikit-learn's, run until nothing moves."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import sklearn.linear_model as reference
from sklearn.datasets import load_breast_cancer, load_diabetes, load_wine

import tercet as tc
from tercet.errors import InputError
from tercet.linear_model import BayesianRidge


@pytest.fixture(scope="module")
def net() -> Iterator[tc.Session]:
    with tc.local() as session:
        yield session


def stored(load: Any) -> tuple[Any, Any]:
    x, y = load(return_X_y=True)
    return np.round(x * 2**16) / 2**16, y


def relative(found: Any, wanted: Any) -> float:
    return float(np.max(np.abs(found - wanted)) / np.max(np.abs(wanted)))


@pytest.mark.parametrize("given", [{}, {"fit_intercept": False}, {"alpha_1": 1.0, "alpha_2": 0.5, "lambda_2": 0.1}])
@pytest.mark.parametrize(("load", "error"), [(load_diabetes, 1e-9), (load_wine, 1e-9), (load_breast_cancer, 1e-4)])
def test_converged_coefficients(load: Any, error: float, given: Any) -> None:
    x, y = stored(load)
    plain = reference.BayesianRidge(tol=1e-13, max_iter=3000, **given).fit(x, y)
    own = BayesianRidge(**given).fit(x, y)
    assert relative(own.coef_, plain.coef_) < error and relative(own.predict(x), plain.predict(x)) < error
    assert relative(own.sigma_, plain.sigma_) < 5 * error
    found, deviations = own.predict(x, return_std=True)
    assert np.array_equal(found, own.predict(x))
    assert np.abs(deviations / plain.predict(x, return_std=True)[1] - 1).max() < 5 * error
    assert abs(own.alpha_ / plain.alpha_ - 1) < error and abs(own.lambda_ / plain.lambda_ - 1) < 5 * error


@pytest.mark.parametrize(
    ("load", "given"),
    [(load_diabetes, {}), (load_wine, {"fit_intercept": False, "lambda_1": 2.0, "lambda_2": 0.5, "alpha_2": 0.25})],
)
def test_on_shares(net: tc.Session, load: Any, given: Any) -> None:
    x, y = stored(load)
    X, Y = net.share(x, bounds=(x.min(), x.max())), net.share(y, bounds=(y.min(), y.max()))
    plain = reference.BayesianRidge(tol=1e-13, max_iter=3000, **given).fit(x, y)
    model = BayesianRidge(max_iter=20, **given).fit(X, Y)
    results = [model.coef_, model.alpha_, model.lambda_, *model.predict(X[:20], return_std=True), model.sigma_]
    assert len(tc.explain(*results).reveals) == 6
    coef, noise, weights, predicted, deviations, sigma = tc.reveal(*results)
    assert relative(sigma, plain.sigma_) < 1e-5
    assert np.abs(deviations / plain.predict(x[:20], return_std=True)[1] - 1).max() < 3e-5
    assert relative(coef, plain.coef_) < 1e-6 and relative(predicted, plain.predict(x[:20])) < 1e-6
    assert abs(noise / plain.alpha_ - 1) < 1e-6 and abs(weights / plain.lambda_ - 1) < 1e-5


def test_no_data_set_is_refused(net: tc.Session) -> None:
    x, y = load_breast_cancer(return_X_y=True)
    X, Y = net.share(x, bounds=(x.min(), x.max())), net.share(y, bounds=(0, 1))
    assert tc.explain(BayesianRidge(max_iter=2).fit(X, Y).coef_).rounds > 0


def test_shared_by_its_owner_and_what_is_refused(net: tc.Session) -> None:
    x, y = stored(load_diabetes)
    plain = reference.BayesianRidge().fit(x, y)
    model = BayesianRidge.from_sklearn(plain, net)
    model.save(net, "bayesian")
    loaded: Any = tc.load("bayesian", net)
    assert abs(loaded.alpha_.reveal() / plain.alpha_ - 1) < 1e-6
    assert np.allclose(loaded.predict(net.share(x[:9], bounds=(-1, 1))).reveal(), plain.predict(x[:9]), rtol=1e-4)
    assert relative(loaded.sigma_.reveal(), plain.sigma_) < 1e-4
    with pytest.raises(InputError, match="shared from scikit-learn's, without the eigenvectors"):
        model.predict(x, return_std=True)
    own = BayesianRidge(max_iter=2).fit(net.share(x, bounds=(-1, 1)), net.share(y, bounds=(0, 400)))
    wanted = own.predict(net.share(x[:5], bounds=(-1, 1)), return_std=True)[1].reveal()
    own.save(net, "with deviations")
    again: Any = tc.load("with deviations", net)
    assert np.allclose(again.predict(net.share(x[:5], bounds=(-1, 1)), return_std=True)[1].reveal(), wanted, rtol=1e-5)
    with pytest.raises(InputError, match="'lambda_1' parameter of BayesianRidge must be a float"):
        BayesianRidge(lambda_1=-1.0).fit(x, y)
    with pytest.raises(TypeError, match="tol: passes are public"):
        BayesianRidge(**{"tol": 1e-3})


@pytest.mark.parametrize("n", [7, 12])
def test_columns_whose_bounds_are_not_given(net: tc.Session, n: int) -> None:
    rng = np.random.default_rng(n)
    x = np.round(rng.normal(size=(n, 2)) * 2**10) / 2**10
    y = np.round((2 * x[:, 0] + rng.normal(size=n) / 4) * 2**10) / 2**10
    wanted = reference.BayesianRidge(tol=1e-12, max_iter=5000).fit(x, y)
    model = BayesianRidge(max_iter=20).fit(net.share(x), net.share(y))
    found = tc.reveal(model.coef_, model.alpha_, model.lambda_)
    for one, known in zip(found, (wanted.coef_, wanted.alpha_, wanted.lambda_), strict=True):
        assert np.allclose(one, known, rtol=1e-4)
