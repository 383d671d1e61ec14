"""LogisticRegression against scikit-learn, on NumPy and at three parties."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from sklearn.datasets import load_breast_cancer, load_digits, load_iris, load_wine
from sklearn.linear_model import LogisticRegression as Reference

import tercet as tc
from tercet.learn.approach import MANY_ROWS
from tercet.learn.sigmoid import expit
from tercet.linear_model import LogisticRegression

LIMIT = 1e-6


@pytest.fixture(scope="module")
def net() -> Iterator[Any]:
    with tc.local() as session:
        yield session


def relative(found: Any, wanted: Any) -> float:
    return float(np.max(np.abs(np.asarray(found) - wanted)) / np.max(np.abs(wanted)))


def stored(values: Any) -> Any:
    return np.rint(np.asarray(values) * 2.0**16) / 2.0**16


def shared(net: Any, values: Any) -> Any:
    return net.share(values, bounds=(values.min().item(), values.max().item()))


def exact(x: Any, y: Any, sample_weight: Any = None, **given: Any) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = Reference(solver="newton-cholesky", tol=1e-13, max_iter=1000, **given)
        return model.fit(x, y, sample_weight)


@pytest.mark.parametrize("data", [load_breast_cancer, load_iris, load_wine], ids=["cancer", "iris", "wine"])
@pytest.mark.parametrize(
    "given", [{}, {"C": 0.01}, {"fit_intercept": False, "C": 0.1}, {"class_weight": "balanced"}], ids=repr
)
def test_on_numpy(data: Any, given: dict[str, Any]) -> None:
    x, y = data(return_X_y=True)
    wanted, found = exact(x, y, **given), LogisticRegression(**given).fit(x, y)
    assert relative(found.coef_, wanted.coef_) < 1e-8
    assert np.abs(found.predict_proba(x) - wanted.predict_proba(x)).max() < 1e-8
    assert (found.predict(x) == wanted.predict(x)).all()
    assert found.score(x, y) == pytest.approx(wanted.score(x, y))


@pytest.mark.parametrize(
    ("data", "columns", "given"),
    [
        (load_breast_cancer, slice(0, 30, 8), {}),
        (load_breast_cancer, slice(0, 30, 10), {"class_weight": {0: 3.0, 1: 1.0}, "C": 10.0}),
        (load_iris, slice(0, 2), {"class_weight": "balanced", "C": 0.5}),
    ],
    ids=["cancer", "cancer, weighted", "iris, balanced"],
)
def test_under_sharing(net: Any, data: Any, columns: slice, given: dict[str, Any]) -> None:
    x, y = data(return_X_y=True)
    x = x[:, columns]
    wanted = exact(stored(x), y, **given)
    secret = shared(net, x)
    model = LogisticRegression(**given, max_iter=15 if x.shape[1] > 2 else 8).fit(secret, shared(net, y))
    kept = model.save(net, f"logistic {data.__name__} {len(given)}")
    found = (kept.coef_, kept.predict(secret), kept.predict_proba(secret), kept.score(secret, shared(net, y)))
    coef, classes, probabilities, score = tc.reveal(*found)
    assert relative(coef, wanted.coef_) < LIMIT
    assert (classes == wanted.predict(stored(x))).all()
    assert np.abs(probabilities - wanted.predict_proba(stored(x))).max() < 1e-6
    assert score == pytest.approx(wanted.score(stored(x), y), abs=1e-4)
    if given.get("fit_intercept", True):
        gap = wanted.intercept_ - wanted.intercept_.mean() if len(wanted.intercept_) > 1 else wanted.intercept_
        assert relative(kept.intercept_.reveal(), gap) < LIMIT


def test_weights_of_rows(net: Any) -> None:
    x, y = load_iris(return_X_y=True)
    x, y = x[50:, :2], y[50:] - 1
    weights = np.arange(100) % 7
    wanted = exact(stored(x), y, weights)
    model = LogisticRegression().fit(shared(net, x), shared(net, y), net.share(weights, bounds=(0, 7)))
    assert relative(model.coef_.reveal(), wanted.coef_) < LIMIT


def test_a_plan_grows_with_columns_only_and_reveals_nothing_else(net: Any) -> None:
    x, y = load_breast_cancer(return_X_y=True)
    sizes = []
    for rows in (100, 500):
        model = LogisticRegression().fit(net.share(x[:rows], bounds=(0, 5000)), net.share(y[:rows], bounds=(0, 1)))
        plan = tc.explain(model.coef_, model.intercept_)
        assert len(plan.reveals) == 2
        sizes.append(sum(1 + (op.body is not None and len(op.body.operations)) for op in plan.plan.operations))
    # scaled rows have 36 fractional bits: 34 of 100 rows are shifted, 37 of 500 are rounded, by an operation less
    assert abs(sizes[1] - sizes[0]) < 20 and max(sizes) < 2500


def test_many_coefficients_on_numpy() -> None:
    """Digits, as by a converged fit."""
    x, y = load_digits(return_X_y=True)
    x, y = x[:200], y[:200]
    wanted, found = exact(x, y), LogisticRegression().fit(x, y)
    assert relative(found.coef_, wanted.coef_) < 1e-5
    assert np.abs(found.predict_proba(x) - wanted.predict_proba(x)).max() < 1e-6
    assert (found.predict(x) == wanted.predict(x)).all()


def test_many_coefficients_under_sharing(net: Any) -> None:
    x, y = load_digits(return_X_y=True)
    some, classes = x[:60, 10:54:4], y[:60]
    wanted = exact(some, classes, C=0.01)
    model = LogisticRegression(C=0.01, max_iter=6)
    model.fit(net.share(some, bounds=(0, 16)), net.share(classes, bounds=(0, 9)))
    assert relative(model.coef_.reveal(), wanted.coef_) < 1e-4
    whole = LogisticRegression().fit(net.share(x[:150], bounds=(0, 16)), net.share(y[:150], bounds=(0, 9)))
    plan = whole.coef_.explain()
    assert plan.rounds < 5000 and len(plan.plan.operations) < 1000


def test_many_rows(net: Any) -> None:
    """Columns of different sizes, sorted by outcome."""
    rng = np.random.default_rng(3)
    x = rng.normal(size=(MANY_ROWS, 3)).clip(-4, 4)
    x[:, 1] = x[:, 0] + x[:, 1] / 8
    y = (rng.random(MANY_ROWS) < 1 / (1 + np.exp(1 - x @ [1.0, -0.5, 0.25]))).astype(int)
    order = np.argsort(y, kind="stable")
    x, y = stored(x[order] * [1.0, 1.0, 64.0]), y[order]
    for given in {}, {"penalty": None, "fit_intercept": False}, {"C": 1e-4}:
        wanted, found = exact(x, y, **given), LogisticRegression(**given).fit(x, y)
        assert relative(found.coef_, wanted.coef_) < 1e-8
    model = LogisticRegression(C=1e-4, max_iter=8).fit(net.share(x, bounds=(-256, 256)), net.share(y, bounds=(0, 1)))
    coef, intercept = tc.reveal(model.coef_, model.intercept_)
    assert np.allclose(coef, wanted.coef_, rtol=1e-8)
    assert np.allclose(intercept, wanted.intercept_, rtol=1e-8)
    assert model.coef_.explain().rounds < 1300


def test_what_is_refused() -> None:
    x, y = load_digits(return_X_y=True)
    with pytest.raises(tc.InputError, match="10 classes with 129 coefficients each"):
        LogisticRegression().fit(np.concatenate([x, x], axis=1), y)
    for given, said in (
        ({"C": 0.0}, "'C' parameter"),
        ({"max_iter": 0}, "max_iter"),
    ):
        with pytest.raises(tc.InputError, match=said):
            LogisticRegression(**given).fit(x, y % 2)
    with pytest.raises(TypeError, match="takes no dual: leave it out"):
        LogisticRegression(dual=True)


def test_the_logistic_function_by_sines(net: Any) -> None:
    """Within two last bits everywhere, beyond the limits too, in at most 10 rounds."""
    z = np.concatenate([np.linspace(-14, 14, 3001), [-1e4, -12.51, 12.51, 1e4]])
    found = expit(net.share(z, bounds=(-20_000, 20_000)))
    assert found.explain().rounds <= 17  # what is revealed is rounded to the nearest, which takes 6 more
    assert np.abs(found.reveal() - expit(z)).max() < 2.1 * 2.0**-16


@pytest.mark.parametrize("given", [{}, {"penalty": None}], ids=repr)
def test_plain_models_both_ways(net: Any, given: dict[str, Any]) -> None:
    x, y = load_breast_cancer(return_X_y=True)
    x = stored(x[:, :3])
    owned = exact(x, y, **given)
    model = LogisticRegression.from_sklearn(owned, net)
    classes, probabilities = tc.reveal(model.predict(shared(net, x)), model.predict_proba(shared(net, x)))
    assert (classes == owned.predict(x)).all()
    assert np.abs(probabilities - owned.predict_proba(x)).max() < 1e-6
    back = model.to_sklearn()
    assert isinstance(back, Reference)
    assert np.abs(back.predict_proba(x) - owned.predict_proba(x)).max() < 1e-9


@pytest.mark.parametrize("k", [5, 7])
def test_several_classes_of_few_columns(net: Any, k: int) -> None:
    rng = np.random.default_rng(k)
    x, y = rng.integers(0, 6, (60, 2)), rng.permutation(np.arange(60) % k)
    wanted = exact(x, y)
    model = LogisticRegression(max_iter=6).fit(net.share(x, bounds=(0, 5)), net.share(y, bounds=(0, k - 1)))
    assert np.abs(model.coef_.reveal() - wanted.coef_).max() < 1e-5
