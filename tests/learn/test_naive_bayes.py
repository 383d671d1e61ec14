"""GaussianNB against scikit-learn, with bounds from the data's least and greatest values, tight and loose."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import sklearn.naive_bayes as reference
from sklearn import datasets

import tercet as tc
from tercet.errors import InputError
from tercet.naive_bayes import GaussianNB

NAMES = ("theta_", "var_", "epsilon_", "class_count_", "class_prior_")


@pytest.fixture(scope="module")
def net() -> Iterator[tc.Session]:
    with tc.local() as session:
        yield session


def data(name: str) -> tuple[Any, Any]:
    """As it is stored at 16 fractional bits."""
    found = getattr(datasets, f"load_{name}")()
    return np.round(found.data * 2**16) / 2**16, found.target


def attributes(model: Any) -> list[Any]:
    return [getattr(model, name) for name in NAMES]


def check(found: Any, plain: Any, error: float) -> None:
    for name, value in zip(NAMES, found, strict=True):
        wanted = getattr(plain, name)
        assert np.allclose(value, wanted, rtol=error, atol=1e-11 * np.abs(wanted).max()), name


@pytest.mark.parametrize("name", ["iris", "wine", "breast_cancer", "digits"])
def test_means_variances_and_predictions(net: tc.Session, name: str) -> None:
    x, y = data(name)
    plain = reference.GaussianNB().fit(x, y)
    own = GaussianNB().fit(x, y)
    check(attributes(own), plain, 1e-3)  # n sum(x^2) - sum(x)^2 in float64
    assert np.array_equal(own.predict(x), plain.predict(x))
    secret = net.share(x, bounds=(x.min(), x.max()))
    model = GaussianNB().fit(secret, net.share(y, bounds=(0, y.max())))
    results = [*attributes(model), model.predict(secret), model.predict_proba(secret[:30])]
    assert len(tc.explain(*results).reveals) == len(results)
    *found, predicted, chances = tc.reveal(*results)
    check(found, plain, 1e-6)
    assert np.array_equal(predicted, plain.predict(x))
    assert np.abs(chances - plain.predict_proba(x[:30])).max() < 1e-4
    assert np.array_equal(model.classes_, plain.classes_)


def test_loose_bounds_weights_and_priors(net: tc.Session) -> None:
    x, y = data("iris")
    weights = np.arange(150) % 3 + 0.5
    plain = reference.GaussianNB(priors=[0.5, 0.25, 0.25], var_smoothing=0.01).fit(x, y, weights)
    secret = net.share(x, bounds=(-5000, 5000))
    for given in (weights, net.share(weights, bounds=(0, 4))):
        model = GaussianNB(priors=[0.5, 0.25, 0.25], var_smoothing=0.01)
        model.fit(secret, net.share(y, bounds=(0, 2)), given)
        predicted, chances, means = tc.reveal(model.predict(secret), model.predict_proba(secret), model.theta_)
        assert np.array_equal(predicted, plain.predict(x))
        assert np.abs(chances - plain.predict_proba(x)).max() < 1e-4
        assert np.abs(means - plain.theta_).max() < 1e-6


def test_classes_far_apart_and_rows_beyond_all(net: tc.Session) -> None:
    """A column that is constant in each class, and one row that is far from everything."""
    x = np.array([[0.0, 1.0], [0.0, 2.0], [1000.0, 1.5], [1000.0, 2.5]])
    y = np.array([0, 0, 1, 1])
    plain = reference.GaussianNB().fit(x, y)
    model = GaussianNB().fit(net.share(x, bounds=(-2000, 2000)), net.share(y, bounds=(0, 1)))
    asked = np.array([[0.0, 1.5], [1000.0, 1.5], [400.0, 2.0], [600.0, 1.0], [-2000.0, 2000.0], [2000.0, -2000.0]])
    found = model.predict(net.share(asked, bounds=(-2000, 2000))).reveal()
    assert np.array_equal(found, plain.predict(asked))


def test_a_class_without_rows_is_never_predicted(net: tc.Session) -> None:
    x, y = data("iris")
    model = GaussianNB().fit(net.share(x, bounds=(0, 8)), net.share(y + 1, bounds=(0, 4)))
    predicted, counts = tc.reveal(model.predict(net.share(x, bounds=(0, 8))), model.class_count_)
    assert counts.tolist() == [0, 50, 50, 50, 0]
    assert np.array_equal(predicted, reference.GaussianNB().fit(x, y + 1).predict(x))


def test_from_to_scikit_learn_and_saved(net: tc.Session) -> None:
    x, y = data("wine")
    plain = reference.GaussianNB().fit(x, y)
    secret = net.share(x, bounds=(0, 2000))
    model = GaussianNB.from_sklearn(plain, net)
    assert np.array_equal(model.predict(secret).reveal(), plain.predict(x))
    check(attributes(model.to_sklearn()), plain, 1e-6)
    assert np.array_equal(model.to_sklearn().predict(x), plain.predict(x))
    model.save(net, "bayes")
    loaded: Any = tc.load("bayes", net)
    assert np.array_equal(loaded.predict(secret).reveal(), plain.predict(x))


def test_what_is_refused(net: tc.Session) -> None:
    x, y = np.ones((4, 2)), np.array([0, 0, 1, 1])
    for wrong in ({"priors": [0.5, 0.6]}, {"priors": [1.0]}, {"var_smoothing": -1.0}):
        with pytest.raises(InputError):
            GaussianNB(**wrong).fit(x, y)
    with pytest.raises(InputError, match="the classes of y are public"):
        GaussianNB().fit(net.share(x, bounds=(0, 2)), net.share(y * 0.5, bounds=(0, 1)))
    with pytest.raises(InputError, match="not fitted"):
        GaussianNB().predict(x)
