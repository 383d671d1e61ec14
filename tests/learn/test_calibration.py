"""CalibratedClassifierCV against scikit-learn, by sigmoid and isotonic functions of the same scores."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import sklearn.calibration as reference
import sklearn.discriminant_analysis
import sklearn.naive_bayes
from sklearn.datasets import load_breast_cancer, load_iris
from sklearn.frozen import FrozenEstimator

import tercet as tc
from tercet.calibration import CalibratedClassifierCV, calibration_curve
from tercet.cluster import KMeans
from tercet.discriminant_analysis import LinearDiscriminantAnalysis
from tercet.errors import InputError
from tercet.naive_bayes import GaussianNB
from tercet.svm import LinearSVC


@pytest.fixture(scope="module")
def net() -> Iterator[tc.Session]:
    with tc.local() as session:
        yield session


def cancer() -> tuple[Any, Any]:
    x, y = load_breast_cancer(return_X_y=True)
    return np.round(x[:120, :3] * 2**8) / 2**8, y[:120]


def iris() -> tuple[Any, Any]:
    x, y = load_iris(return_X_y=True)
    return np.round(x * 2**16) / 2**16, y


PLAIN = {
    GaussianNB: sklearn.naive_bayes.GaussianNB,
    LinearDiscriminantAnalysis: sklearn.discriminant_analysis.LinearDiscriminantAnalysis,
}


def folds(rows: int, count: int) -> list[tuple[Any, Any]]:
    order = np.random.default_rng(1).permutation(rows)
    return [(np.sort(np.setdiff1d(order, part)), np.sort(part)) for part in np.array_split(order, count)]


@pytest.mark.parametrize("kind", PLAIN)
@pytest.mark.parametrize("data", [cancer, iris])
@pytest.mark.parametrize("given", [{}, {"ensemble": False}, {"method": "isotonic"}], ids=repr)
def test_probabilities_of_plain_rows(kind: Any, data: Any, given: Any) -> None:
    x, y = data()
    cv = folds(len(y), 3)
    wanted = reference.CalibratedClassifierCV(PLAIN[kind](), cv=cv, **given).fit(x, y)
    own = CalibratedClassifierCV(kind(), cv=cv, **given).fit(x, y)
    error = 1e-4 if "method" not in given else 1e-9
    assert np.abs(own.predict_proba(x) - wanted.predict_proba(x)).max() < error
    assert np.mean(own.predict(x) == wanted.predict(x)) > 0.99


@pytest.mark.parametrize(
    ("data", "given"),
    [(cancer, {}), (iris, {"ensemble": False}), (cancer, {"method": "isotonic"})],
)
def test_probabilities_of_secret_rows(net: tc.Session, data: Any, given: Any) -> None:
    x, y = data()
    cv = folds(len(y), 2)
    plain = CalibratedClassifierCV(LinearDiscriminantAnalysis(), cv=cv, **given).fit(x, y)
    X, Y = net.share(x, bounds=(x.min(), x.max())), net.share(y, bounds=(0, y.max()))
    model = CalibratedClassifierCV(LinearDiscriminantAnalysis(), cv=cv, **given).fit(X, Y)
    results = model.predict_proba(X), model.predict(X)
    assert len(tc.explain(*results).reveals) == 2
    found, predicted = tc.reveal(*results)
    assert np.abs(found - plain.predict_proba(x)).max() < 1e-3
    assert np.mean(predicted == plain.predict(x)) > 0.99
    assert found.sum(axis=1) == pytest.approx(1, abs=1e-5)


def test_prefit_and_saved(net: tc.Session) -> None:
    x, y = cancer()
    X, Y = net.share(x, bounds=(x.min(), x.max())), net.share(y, bounds=(0, 1))
    fitted = GaussianNB().fit(X[:80], Y[:80])
    model = CalibratedClassifierCV(fitted, cv="prefit").fit(X[80:], Y[80:])
    plain = sklearn.naive_bayes.GaussianNB().fit(x[:80], y[:80])
    wanted = reference.CalibratedClassifierCV(FrozenEstimator(plain)).fit(x[80:], y[80:])
    found = model.predict_proba(X).reveal()
    assert np.abs(found - wanted.predict_proba(x)).max() < 1e-3
    model.save(net, "calibrated")
    loaded: Any = tc.load("calibrated", net)
    assert np.abs(loaded.predict_proba(X).reveal() - found).max() < 1e-5


def test_what_is_refused() -> None:
    x, y = iris()
    with pytest.raises(InputError, match="'method' parameter of CalibratedClassifierCV must be one of 'sigmoid'"):
        CalibratedClassifierCV(GaussianNB(), method="temperature").fit(x, y)
    with pytest.raises(InputError, match="KMeans has neither decision_function nor predict_proba"):
        CalibratedClassifierCV(KMeans(2), ensemble=False).fit(x, y)
    with pytest.raises(InputError, match="pass folds that hold all classes"):
        CalibratedClassifierCV(GaussianNB(), cv=[(np.arange(100), np.arange(100, 150))]).fit(x, y)
    with pytest.raises(InputError, match="cv='best'"):
        CalibratedClassifierCV(GaussianNB(), cv="best").fit(x, y)
    assert isinstance(CalibratedClassifierCV()._estimator(), LinearSVC) and callable(calibration_curve)
