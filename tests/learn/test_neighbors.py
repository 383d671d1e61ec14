"""Neighbours and centroids against scikit-learn: the same predictions, also where rows are equally near."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import sklearn.neighbors as reference
from sklearn import datasets

import tercet as tc
from tercet.errors import InputError
from tercet.neighbors import KNeighborsClassifier, KNeighborsRegressor, NearestCentroid


@pytest.fixture(scope="module")
def net() -> Iterator[tc.Session]:
    with tc.local() as session:
        yield session


def data(name: str) -> tuple[Any, Any, Any, Any]:
    """Rows to fit and 30 others, as stored at 16 fractional bits."""
    found = getattr(datasets, f"load_{name}")()
    x = np.round(found.data * 2**16) / 2**16
    asked = np.zeros(len(x), bool)
    asked[:: len(x) // 30] = True
    return x[~asked], found.target[~asked], x[asked], found.target[asked]


def shared(net: tc.Session, x: Any, like: Any) -> Any:
    lo, hi = np.floor(like.min()), np.ceil(like.max())
    return net.share(x, bounds=(min(lo, x.min()), max(hi, x.max())))


@pytest.mark.parametrize("name", ["iris", "wine", "breast_cancer", "digits"])
@pytest.mark.parametrize("kind", ["KNeighborsClassifier", "NearestCentroid"])
def test_classes(net: tc.Session, kind: str, name: str) -> None:
    x, y, asked, _ = data(name)
    with warnings.catch_warnings():  # of constant columns
        warnings.simplefilter("ignore")
        plain = getattr(reference, kind)().fit(x, y)
    ours: Any = {"KNeighborsClassifier": KNeighborsClassifier, "NearestCentroid": NearestCentroid}[kind]
    assert np.array_equal(ours().fit(x, y).predict(asked), plain.predict(asked))
    model = ours().fit(shared(net, x, x), net.share(y, bounds=(0, y.max())))
    predicted = model.predict(shared(net, asked, x))
    assert len(tc.explain(predicted).reveals) == 1
    assert np.array_equal(predicted.reveal(), plain.predict(asked))
    if kind == "NearestCentroid":
        assert np.abs(model.centroids_.reveal() - plain.centroids_).max() < 1e-9


def test_regression(net: tc.Session) -> None:
    x, y, asked, answers = data("diabetes")
    plain = reference.KNeighborsRegressor(7).fit(x, y)
    model = KNeighborsRegressor(7).fit(shared(net, x, x), net.share(y, bounds=(0, 400)))
    predicted = model.predict(shared(net, asked, x))
    found, score = tc.reveal(predicted, model.score(shared(net, asked, x), net.share(answers, bounds=(0, 400))))
    assert np.allclose(found, plain.predict(asked), rtol=1e-12)
    assert np.allclose(KNeighborsRegressor(7).fit(x, y).predict(asked), found, rtol=1e-12)
    assert abs(score - plain.score(asked, answers)) < 1e-4


def test_which_neighbours_and_ties(net: tc.Session) -> None:
    """Of equally near rows the first; what is equally frequent is the first class."""
    x = np.array([[0.0], [2.0], [2.0], [-2.0], [5.0], [5.0]])
    y = np.array([1, 0, 1, 2, 2, 0])
    asked = np.array([[0.0], [1.0], [5.0]])
    model = KNeighborsClassifier(2).fit(net.share(x, bounds=(-8, 8)), net.share(y, bounds=(0, 2)))
    own = KNeighborsClassifier(2).fit(x, y)
    secret = net.share(asked, bounds=(-8, 8))
    away, places = model.kneighbors(secret)
    away, places, chances, classes = tc.reveal(away, places, model.predict_proba(secret), model.predict(secret))
    assert places.tolist() == [[0, 1], [0, 1], [4, 5]] and np.allclose(away, [[0, 2], [1, 1], [0, 0]])
    assert classes.tolist() == [0, 0, 0]
    assert np.allclose(chances, [[0.5, 0.5, 0], [0.5, 0.5, 0], [0.5, 0, 0.5]])
    assert own.kneighbors(asked)[1].tolist() == places.tolist()
    assert own.predict(asked).tolist() == classes.tolist()


def test_saved(net: tc.Session) -> None:
    x, y, asked, _ = data("iris")
    secret, answers = shared(net, x, x), net.share(y, bounds=(0, 2))
    for model in (KNeighborsClassifier(3), NearestCentroid()):
        expected = model.fit(secret, answers).predict(shared(net, asked, x)).reveal()
        name = f"near {type(model).__name__}"
        model.save(net, name)
        loaded: Any = tc.load(name, net)
        assert np.array_equal(loaded.predict(shared(net, asked, x)).reveal(), expected)


def test_what_is_refused() -> None:
    x, y = np.ones((4, 2)), np.array([0, 0, 1, 1])
    with pytest.raises(TypeError, match="takes no weights: all neighbours count alike"):
        KNeighborsClassifier(weights="distance")  # type: ignore[call-arg]
    for k in (0, 5, 1.5):
        with pytest.raises(InputError):
            KNeighborsClassifier(k).fit(x, y)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="not fitted"):
        KNeighborsRegressor().predict(x)
