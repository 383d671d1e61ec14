"""LinearSVC against scikit-learn, on NumPy and at three parties."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
from sklearn.datasets import load_breast_cancer, load_iris
from sklearn.svm import LinearSVC as Reference

import tercet as tc
from tercet.svm import LinearSVC


def relative(found: Any, wanted: Any) -> float:
    return float(np.max(np.abs(np.asarray(found) - wanted)) / np.max(np.abs(wanted)))


def exact(x: Any, y: Any, **given: Any) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return Reference(dual=False, tol=1e-12, max_iter=100_000, **given).fit(x, y)


@pytest.mark.parametrize(
    ("load", "given"),
    [
        (load_breast_cancer, {}),
        (load_breast_cancer, {"C": 0.01, "intercept_scaling": 100.0}),
        (load_iris, {}),
        (load_iris, {"class_weight": "balanced", "fit_intercept": False}),
    ],
    ids=lambda part: str(getattr(part, "__name__", part)),
)
def test_on_numpy(load: Any, given: dict[str, Any]) -> None:
    x, y = load(return_X_y=True)
    x = x[:, :5]
    wanted, found = exact(x, y, **given), LinearSVC(**given).fit(x, y)
    assert relative(found.coef_, wanted.coef_) < 1e-6
    assert (found.predict(x) == wanted.predict(x)).all()
    assert np.allclose(found.intercept_, wanted.intercept_, rtol=1e-5, atol=1e-6)


def test_under_sharing() -> None:
    x, y = load_breast_cancer(return_X_y=True)
    x = np.rint(x[:, ::10] * 2.0**16) / 2.0**16
    wanted = exact(x, y)
    with tc.local() as net:
        secret = net.share(x, bounds=(float(x.min()), float(x.max())))
        model = LinearSVC().fit(secret, net.share(y, bounds=(0, 1)))
        coef, intercept, classes = tc.reveal(model.coef_, model.intercept_, model.predict(secret))
        shared = LinearSVC.from_sklearn(wanted, net)
        assert (shared.predict(secret).reveal() == wanted.predict(x)).all()
        assert (shared.to_sklearn().predict(x) == wanted.predict(x)).all()
    assert relative(coef, wanted.coef_) < 1e-6
    assert relative(intercept, wanted.intercept_) < 1e-6
    assert (classes == wanted.predict(x)).all()


def test_what_is_refused() -> None:
    with pytest.raises(TypeError, match="takes no loss: the loss is 'squared_hinge'"):
        LinearSVC(loss="hinge")
    with pytest.raises(tc.InputError, match=r"'C' parameter of LinearSVC must be .* Got -1.0"):
        LinearSVC(C=-1.0).fit(*load_iris(return_X_y=True))
