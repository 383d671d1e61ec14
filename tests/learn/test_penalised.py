"""Ridge, Lasso and ElasticNet against scikit-learn, on NumPy and at three parties."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import sklearn.linear_model as reference
from sklearn.datasets import load_breast_cancer, load_diabetes

import tercet as tc
from tercet.linear_model import ElasticNet, Lasso, Ridge

LIMIT = 1e-6


@pytest.fixture(scope="module")
def net() -> Iterator[Any]:
    with tc.local() as session:
        yield session


def relative(found: Any, wanted: Any) -> float:
    return float(np.max(np.abs(np.asarray(found) - wanted)) / np.max(np.abs(wanted)))


def stored(values: Any) -> Any:
    """What parties hold of numbers: 16 fractional bits."""
    return np.rint(np.asarray(values) * 2.0**16) / 2.0**16


def shared(net: Any, values: Any) -> Any:
    return net.share(values, bounds=(float(values.min()), float(values.max())))


def exact(model: Any, x: Any, y: Any) -> Any:
    """scikit-learn's model with the same parameters, run until it stands still."""
    kind = getattr(reference, type(model).__name__)
    given = {key: value for key, value in model.get_params().items() if key != "max_iter"}
    more = {} if kind is reference.Ridge else {"tol": 1e-13, "max_iter": 200_000}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return kind(**given, **more).fit(x, y)


MODELS = [
    Ridge(alpha=1.0),
    Ridge(alpha=0.01, fit_intercept=False),
    Lasso(alpha=0.01),
    Lasso(alpha=0.3),
    ElasticNet(alpha=0.01, l1_ratio=0.3),
    ElasticNet(alpha=0.01, l1_ratio=0.0),
]


@pytest.mark.parametrize("model", MODELS, ids=repr)
@pytest.mark.parametrize("data", [load_diabetes, load_breast_cancer], ids=["diabetes", "breast cancer"])
def test_on_numpy(model: Any, data: Any) -> None:
    x, y = data(return_X_y=True)
    wanted = exact(model, x, y)
    found = type(model)(**model.get_params()).fit(x, y)
    assert relative(found.coef_, wanted.coef_) < 1e-9
    assert relative(found.intercept_, wanted.intercept_) < 1e-9 if model.fit_intercept else found.intercept_ == 0
    assert ((found.coef_ == 0) == (wanted.coef_ == 0)).all()
    assert relative(found.predict(x), wanted.predict(x)) < 1e-9


@pytest.mark.parametrize("model", [MODELS[1], MODELS[2]], ids=repr)
def test_diabetes_under_sharing(net: Any, model: Any) -> None:
    x, y = load_diabetes(return_X_y=True)
    wanted = exact(model, stored(x), y)
    found = type(model)(**model.get_params()).fit(shared(net, x), shared(net, y))
    parts = (found.coef_, found.predict(shared(net, x[:20])))
    coef, predicted = tc.reveal(*parts)
    assert relative(coef, wanted.coef_) < LIMIT
    assert ((coef == 0) == (wanted.coef_ == 0)).all()
    assert relative(predicted, wanted.predict(stored(x[:20]))) < LIMIT
    if model.fit_intercept:
        assert relative(found.intercept_.reveal(), wanted.intercept_) < LIMIT


@pytest.mark.parametrize("model", [MODELS[0], MODELS[4]], ids=repr)
def test_breast_cancer_under_sharing(net: Any, model: Any) -> None:
    """Raw columns from 0.001 to 4,000, of which some are nearly the same."""
    x, y = load_breast_cancer(return_X_y=True)
    wanted = exact(model, stored(x), y)
    found = type(model)(**model.get_params()).fit(shared(net, x), shared(net, y.astype(np.int64)))
    assert len(found.coef_.explain().plan.operations) < 3000
    assert relative(found.coef_.reveal(), wanted.coef_) < LIMIT


def test_nothing_else_is_revealed(net: Any) -> None:
    x, y = load_diabetes(return_X_y=True)
    model = Lasso(alpha=0.1).fit(shared(net, x), shared(net, y))
    plan = tc.explain(model.coef_, model.intercept_)
    assert len(plan.reveals) == 2


def test_rounds_do_not_grow_with_passes_times_columns(net: Any) -> None:
    """A pass takes as many rounds for 10 columns as for 3."""
    x, y = load_diabetes(return_X_y=True)
    rounds = {}
    for columns in (3, 10):
        some = shared(net, x[:, :columns])
        found = [
            Lasso(alpha=0.1, max_iter=passes).fit(some, shared(net, y)).coef_.explain().rounds for passes in (10, 20)
        ]
        rounds[columns] = found[1] - found[0]
    assert rounds[3] == rounds[10] == 80


@pytest.mark.parametrize(
    ("model", "said"),
    [
        (Ridge(alpha=-1.0), "'alpha' parameter of Ridge must be a float"),
        (Lasso(alpha=float("nan")), "'alpha' parameter of Lasso"),
        (ElasticNet(l1_ratio=2.0), "'l1_ratio' parameter of ElasticNet"),
        (Lasso(max_iter=0), "'max_iter' parameter of Lasso must be an int"),
    ],
    ids=repr,
)
def test_parameters_that_are_refused(model: Any, said: str) -> None:
    x, y = load_diabetes(return_X_y=True)
    with pytest.raises(tc.InputError, match=said):
        model.fit(x, y)


@pytest.mark.parametrize("name", ["tol", "positive", "warm_start", "selection"])
def test_parameters_that_are_not_offered(name: str) -> None:
    with pytest.raises(TypeError, match=f"takes no {name}: "):
        Lasso(**{name: True})
