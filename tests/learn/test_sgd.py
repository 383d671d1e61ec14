"""SGDClassifier and SGDRegressor: scikit-learn's steps for batches of one row, the same code on NumPy for others."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import sklearn.linear_model as reference
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris
from sklearn.metrics import roc_auc_score

import tercet as tc
from tercet.learn import sgd
from tercet.linear_model import SGDClassifier, SGDRegressor


@pytest.fixture(scope="module")
def net() -> Iterator[Any]:
    with tc.local() as session:
        yield session


def data(load: Any, rows: int, columns: int) -> tuple[Any, Any]:
    x, y = load(return_X_y=True)
    x = np.rint((x - x.mean(axis=0)) / x.std(axis=0) * 2.0**16) / 2.0**16
    every = max(1, len(x) // rows)
    return x[::every, :columns], y[::every]


def shared(net: Any, values: Any) -> Any:
    return net.share(values, bounds=(values.min().item(), values.max().item()))


CASES = [
    (SGDClassifier, load_breast_cancer, {"loss": "log_loss", "learning_rate": "constant", "eta0": 0.05, "alpha": 0.01}),
    (SGDClassifier, load_breast_cancer, {"alpha": 0.01}),
    (SGDClassifier, load_iris, {"loss": "log_loss", "learning_rate": "invscaling", "eta0": 0.1, "penalty": None}),
    (SGDClassifier, load_iris, {"learning_rate": "constant", "eta0": 0.05, "fit_intercept": False}),
    (SGDRegressor, load_diabetes, {}),
]


def named(value: Any) -> str:
    """A case's part by its name: addresses of functions differ between workers."""
    return str(getattr(value, "__name__", value))


@pytest.mark.parametrize(("kind", "load", "given"), CASES, ids=named)
def test_batches_of_one_row_are_scikit_learns_steps(kind: Any, load: Any, given: dict[str, Any]) -> None:
    x, y = data(load, 100, 6)
    wanted = getattr(reference, kind.__name__)(shuffle=False, max_iter=3, tol=None, **given).fit(x, y)
    found = kind(shuffle=False, max_iter=3, batch_size=1, **given).fit(x, y)
    assert np.allclose(found.coef_, wanted.coef_, rtol=1e-10, atol=1e-12)
    assert np.allclose(found.intercept_, wanted.intercept_, rtol=1e-10, atol=1e-12)
    assert np.allclose(found.predict(x), wanted.predict(x), rtol=1e-9)


@pytest.mark.parametrize("unrolled", [64, 2], ids=["one body", "blocks"])
@pytest.mark.parametrize(("kind", "load", "given"), CASES[:1] + CASES[2:3] + CASES[4:], ids=named)
def test_under_sharing(
    net: Any, monkeypatch: pytest.MonkeyPatch, kind: Any, load: Any, given: dict[str, Any], unrolled: int
) -> None:
    monkeypatch.setattr(sgd, "UNROLLED", unrolled)
    x, y = data(load, 70, 4)
    model = kind(random_state=1, max_iter=2, batch_size=16, **given)
    wanted = kind(**model.get_params()).fit(x, y)
    secret = shared(net, x)
    model.fit(secret, shared(net, y))
    found = (model.coef_, model.predict(secret), *([model.intercept_] if model.fit_intercept else []))
    coef, predicted, *intercept = tc.reveal(*found)
    assert np.allclose(coef, wanted.coef_, atol=2e-4 * max(1, np.abs(wanted.coef_).max()))
    assert np.allclose(predicted, wanted.predict(x), rtol=1e-4, atol=1e-3)
    if intercept:
        assert np.allclose(intercept[0], wanted.intercept_, atol=2e-4 * max(1, np.abs(wanted.intercept_).max()))


def test_as_good_as_scikit_learns(net: Any) -> None:
    x, y = data(load_breast_cancer, 569, 30)
    given = {"loss": "log_loss", "learning_rate": "constant", "eta0": 0.1, "alpha": 0.001}
    wanted = reference.SGDClassifier(random_state=0, **given).fit(x, y)
    model = SGDClassifier(random_state=0, batch_size=64, max_iter=4, **given).fit(shared(net, x), shared(net, y))
    scores, classes = tc.reveal(model.decision_function(shared(net, x)), model.predict(shared(net, x)))
    assert roc_auc_score(y, scores) > roc_auc_score(y, wanted.decision_function(x)) - 3e-3
    assert (classes == y).mean() > wanted.score(x, y) - 0.02
    back = model.to_sklearn()
    assert isinstance(back, reference.SGDClassifier)
    assert (back.predict(x) == classes).mean() > 0.99


def test_rounds_and_size_of_a_plan(net: Any) -> None:
    """A step takes 6 rounds; plans do not grow with rows, and passes add none."""
    x, y = data(load_breast_cancer, 569, 5)
    given = {"loss": "log_loss", "learning_rate": "constant", "random_state": 0, "batch_size": 4}
    short, long = (
        SGDClassifier(max_iter=passes, **given).fit(shared(net, x), shared(net, y)).coef_.explain() for passes in (1, 5)
    )
    steps = 4 * -(-len(x) // 4)
    assert (long.rounds - short.rounds) / steps <= 7
    assert abs(len(long.plan.to_bytes()) - len(short.plan.to_bytes())) < 100
    assert sum(1 + (op.body is not None and len(op.body.operations)) for op in long.plan.operations) < 2500


def test_what_is_refused() -> None:
    x, y = data(load_breast_cancer, 100, 3)
    with pytest.raises(tc.InputError, match="batches are drawn by a public seed; pass random_state=0"):
        SGDClassifier().fit(x, y)
    for given, said in (
        ({"loss": "perceptron"}, "loss is"),
        ({"penalty": "l1"}, "penalty is"),
        ({"alpha": 0.0}, "learning"),
    ):
        with pytest.raises(tc.InputError, match=said):
            SGDClassifier(random_state=0, **given).fit(x, y)
    with pytest.raises(TypeError, match="takes no early_stopping: passes are public"):
        SGDClassifier(early_stopping=True)
    assert not hasattr(SGDClassifier(), "predict_proba") and hasattr(SGDClassifier("log_loss"), "predict_proba")
    with pytest.raises(tc.InputError, match="y has one class"):
        SGDClassifier(random_state=0).fit(x, np.zeros(len(x), dtype=int))
    with pytest.raises(AttributeError, match="not available for loss='hinge'"):
        SGDClassifier(random_state=0).fit(x, y).predict_proba(x)
