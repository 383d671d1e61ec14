"""LogisticRegression with penalties of absolute values against scikit-learn, on NumPy and at three parties."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris, load_wine
from sklearn.linear_model import LogisticRegression as Reference

import tercet as tc
from tercet.linear_model import LogisticRegression


@pytest.fixture(scope="module")
def net() -> Iterator[Any]:
    with tc.local() as session:
        yield session


def standard(x: Any) -> Any:
    return (x - x.mean(axis=0)) / x.std(axis=0)


def stored(values: Any) -> Any:
    return np.rint(np.asarray(values) * 2.0**16) / 2.0**16


def shared(net: Any, values: Any) -> Any:
    return net.share(values, bounds=(values.min().item(), values.max().item()))


def diabetes() -> tuple[Any, Any]:
    x, y = load_diabetes(return_X_y=True)
    return x, (y > np.median(y)).astype(int)


def iris() -> tuple[Any, Any]:
    x, y = load_iris(return_X_y=True)
    return x[50:], y[50:] - 1


def cancer() -> tuple[Any, Any]:
    x, y = load_breast_cancer(return_X_y=True)
    return standard(x), y


def reference(x: Any, y: Any, weights: Any = None, **given: Any) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return Reference(tol=1e-10, max_iter=50_000, random_state=0, **given).fit(x, y, weights)


def steep(x: Any, y: Any, model: Any, ratio: float, c: float) -> float:
    """How far the conditions of the minimum are from holding, of the largest gradient that a coefficient may have."""
    coef = model.coef_[0]
    errors = 1 / (1 + np.exp(-x @ coef - model.intercept_)) - y
    slopes = c * x.T @ errors + (1 - ratio) * coef
    excess = np.where(coef != 0, np.abs(slopes + ratio * np.sign(coef)), np.maximum(np.abs(slopes) - ratio, 0))
    return float(max(excess.max() / ratio, np.abs(errors.sum()) * c))


def iris_standardised() -> tuple[Any, Any]:
    x, y = iris()
    return standard(x), y


@pytest.mark.parametrize(
    ("data", "ratio", "c"),
    [
        (cancer, 1.0, 0.1),
        (cancer, 0.5, 0.05),
        (iris, 1.0, 0.1),
        (iris_standardised, 1.0, 1.0),
        (iris_standardised, 0.5, 1.0),
        (diabetes, 1.0, 1.0),
        (diabetes, 0.5, 1.0),
    ],
)
def test_on_numpy(data: Any, ratio: float, c: float) -> None:
    x, y = data()
    given: dict[str, Any] = {"l1_ratio": ratio, "C": c, "solver": "saga"}
    wanted = reference(x, y, **given)
    found = LogisticRegression(**given).fit(x, y)
    assert np.abs(found.coef_ - wanted.coef_).max() < 1e-6
    assert np.abs(found.intercept_ - wanted.intercept_).max() < 1e-6
    assert ((found.coef_ == 0) == (wanted.coef_ == 0)).all()
    assert np.abs(found.predict_proba(x) - wanted.predict_proba(x)).max() < 1e-6
    assert steep(x, y, found, ratio, c) < 1e-12


@pytest.mark.parametrize("ratio", [1.0, 0.5])
@pytest.mark.parametrize("c", [0.1, 1.0, 10.0])
def test_raw_columns(c: float, ratio: float) -> None:
    """Of sizes from 0.001 to 4,000, where scikit-learn's solvers do not arrive: the conditions of the minimum hold."""
    x, y = load_breast_cancer(return_X_y=True)
    found = LogisticRegression(C=c, l1_ratio=ratio, solver="saga").fit(x, y)
    assert steep(x, y, found, ratio, c) < 1e-8
    assert 0 < np.count_nonzero(found.coef_) < 30


def test_liblinear_without_an_intercept() -> None:
    x, y = cancer()
    wanted = reference(x, y, solver="liblinear", l1_ratio=1.0, fit_intercept=False)
    found = LogisticRegression("l1", solver="liblinear", fit_intercept=False).fit(x, y)
    assert np.abs(found.coef_ - wanted.coef_).max() < 1e-5
    assert ((found.coef_ == 0) == (wanted.coef_ == 0)).all()


def test_weights() -> None:
    x, y = iris()
    weights = np.arange(100) % 7
    given: dict[str, Any] = {"l1_ratio": 0.7, "class_weight": {0: 2.0, 1: 1.0}, "solver": "saga"}
    wanted = reference(standard(x), y, weights, **given)
    found = LogisticRegression(**given).fit(standard(x), y, weights)
    assert np.abs(found.coef_ - wanted.coef_).max() < 1e-5


def test_columns_that_are_each_others_multiples() -> None:
    x, y = iris()
    x = np.concatenate([x, x * 2, np.ones((100, 1))], axis=1)
    found = LogisticRegression(l1_ratio=1.0, solver="saga").fit(x, y)
    assert steep(x, y, found, 1.0, 1.0) < 1e-6
    assert np.abs(found.coef_).max() < 10


def test_under_sharing(net: Any) -> None:
    x, y = iris_standardised()
    x = stored(x)
    wanted = reference(x, y, solver="saga", l1_ratio=1.0, C=0.1)
    model = LogisticRegression(l1_ratio=1.0, C=0.1, solver="saga", max_iter=5).fit(shared(net, x), shared(net, y))
    plan = tc.explain(model.coef_, model.intercept_)
    assert len(plan.reveals) == 2
    assert len(plan.plan.operations) < 300
    coef, intercept = tc.reveal(model.coef_, model.intercept_)
    assert np.abs(coef - wanted.coef_).max() < 1e-5
    assert np.abs(intercept - wanted.intercept_).max() < 1e-5
    assert ((coef == 0) == (wanted.coef_ == 0)).all()
    assert 0 < np.count_nonzero(coef) < 4


def test_rounds_do_not_grow_with_columns(net: Any) -> None:
    x, y = cancer()
    rounds = [
        LogisticRegression(l1_ratio=1.0, solver="saga", max_iter=15)
        .fit(shared(net, x[:, :columns]), shared(net, y))
        .coef_.explain()
        .rounds
        for columns in (3, 30)
    ]
    assert max(rounds) < 1.2 * min(rounds) < 20_000


def test_penalties_in_both_spellings() -> None:
    x, y = iris()
    for old, new in (
        ({"penalty": "l1", "solver": "saga"}, {"l1_ratio": 1.0, "solver": "saga"}),
        ({"penalty": "elasticnet", "l1_ratio": 0.5, "solver": "saga"}, {"l1_ratio": 0.5, "solver": "saga"}),
        ({"penalty": "l2"}, {}),
        ({"penalty": None}, {"C": np.inf}),
    ):
        one, other = (LogisticRegression(**given).fit(x, y) for given in (old, new))
        assert (one.coef_ == other.coef_).all()


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"penalty": "l1"}, "Solver lbfgs supports only 'l2' or None penalties, got l1 penalty."),
        ({"l1_ratio": 0.5, "solver": "newton-cg"}, "Solver newton-cg supports only 'l2' or None penalties"),
        ({"l1_ratio": 0.5, "solver": "liblinear"}, "Only 'saga' solver supports elasticnet penalty"),
        ({"C": np.inf, "solver": "liblinear"}, "is not supported for the liblinear solver"),
        ({"penalty": "elasticnet", "l1_ratio": None, "solver": "saga"}, "l1_ratio must be specified when penalty is"),
        ({"l1_ratio": 1.0, "solver": "liblinear"}, "liblinear penalises the intercept"),
        ({"solver": "newton"}, "'solver' parameter of LogisticRegression must be one of"),
        ({"l1_ratio": 1.5}, "'l1_ratio' parameter of LogisticRegression"),
        ({"penalty": "l3"}, "'penalty' parameter of LogisticRegression must be one of"),
    ],
    ids=repr,
)
def test_what_is_refused(given: dict[str, Any], said: str) -> None:
    with pytest.raises(tc.InputError, match=said):
        LogisticRegression(**given).fit(*iris())


def steep_of_classes(x: Any, y: Any, model: Any, ratio: float, c: float) -> float:
    """As `steep`, of several classes."""
    z = x @ model.coef_.T + model.intercept_
    errors = np.exp(z - z.max(axis=1, keepdims=True))
    errors /= errors.sum(axis=1, keepdims=True)
    errors[np.arange(len(y)), y] -= 1
    coef, slopes = model.coef_, c * errors.T @ x + (1 - ratio) * model.coef_
    excess = np.where(coef != 0, np.abs(slopes + ratio * np.sign(coef)), np.maximum(np.abs(slopes) - ratio, 0))
    return float(max(excess.max() / ratio, np.abs(errors.sum(axis=0)).max() * c))


@pytest.mark.parametrize("ratio", [1.0, 0.5])
@pytest.mark.parametrize("c", [0.1, 1.0])
@pytest.mark.parametrize("load", [load_iris, load_wine])
def test_several_classes(load: Any, c: float, ratio: float) -> None:
    x, y = load(return_X_y=True)
    given: dict[str, Any] = {"l1_ratio": ratio, "C": c, "solver": "saga"}
    wanted, found = reference(standard(x), y, **given), LogisticRegression(**given).fit(standard(x), y)
    assert np.abs(found.coef_ - wanted.coef_).max() < 1e-6
    assert np.abs(found.intercept_ - wanted.intercept_).max() < 1e-6
    assert ((found.coef_ == 0) == (wanted.coef_ == 0)).all()
    assert steep_of_classes(standard(x), y, found, ratio, c) < 1e-12
    raw = LogisticRegression(**given).fit(x, y)
    assert steep_of_classes(x, y, raw, ratio, c) < 1e-8


def test_several_classes_with_weights_and_no_intercept() -> None:
    x, y = load_wine(return_X_y=True)
    given: dict[str, Any] = {"l1_ratio": 0.7, "solver": "saga", "fit_intercept": False}
    weights = np.arange(len(y)) % 7
    wanted = reference(standard(x), y, weights, **given)
    found = LogisticRegression(**given).fit(standard(x), y, weights)
    assert np.abs(found.coef_ - wanted.coef_).max() < 1e-5


def test_several_classes_under_sharing(net: Any) -> None:
    x, y = load_iris(return_X_y=True)
    x, y = stored(standard(x[::3, 1:])), y[::3]
    given: dict[str, Any] = {"l1_ratio": 0.75, "solver": "saga", "max_iter": 7}
    wanted = LogisticRegression(**given).fit(x, y)
    model = LogisticRegression(**given).fit(shared(net, x), shared(net, y))
    assert len(tc.explain(model.coef_, model.intercept_).reveals) == 2
    coef, intercept = tc.reveal(model.coef_, model.intercept_)
    assert np.abs(coef - wanted.coef_).max() < 1e-5
    assert np.abs(intercept - wanted.intercept_).max() < 1e-5
    assert ((coef == 0) == (wanted.coef_ == 0)).all() and (coef == 0).any()


def test_too_many_coefficients_of_several_classes_are_refused() -> None:
    x, y = np.random.default_rng(1).normal(size=(90, 40)), np.arange(90) % 3
    with pytest.raises(tc.InputError, match="123 coefficients with l1_ratio="):
        LogisticRegression(l1_ratio=1.0, solver="saga").fit(x, y)
    with pytest.raises(tc.InputError, match="3 classes with solver='liblinear'"):
        LogisticRegression(l1_ratio=1.0, solver="liblinear", fit_intercept=False).fit(x, y)
