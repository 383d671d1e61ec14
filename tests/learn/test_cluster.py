"""KMeans against scikit-learn's Lloyd passes from the same centres: labels equal, centres to their scale."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import sklearn.cluster as reference
from sklearn import datasets

import tercet as tc
from tercet.cluster import KMeans
from tercet.errors import InputError


@pytest.fixture(scope="module")
def net() -> Iterator[tc.Session]:
    with tc.local() as session:
        yield session


def data(name: str) -> Any:
    """As it is stored at 16 fractional bits."""
    return np.round(getattr(datasets, f"load_{name}")().data * 2**16) / 2**16


def shared(net: tc.Session, x: Any) -> Any:
    return net.share(x, bounds=(x.min(), x.max()))


def plain_passes(x: Any, centres: Any, count: int, weights: Any = None) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return reference.KMeans(len(centres), init=centres, n_init=1, max_iter=count, tol=0).fit(x, None, weights)


@pytest.mark.parametrize("name", ["iris", "wine", "breast_cancer", "digits"])
def test_the_same_start_gives_the_same_clusters(net: tc.Session, name: str) -> None:
    x = data(name)
    count = 10 if name == "digits" else 3
    centres, passes = x[:: len(x) // count][:count], 4 if name == "digits" else 8
    plain = plain_passes(x, centres, passes)
    own = KMeans(count, init=centres, max_iter=passes).fit(x)
    assert np.array_equal(own.labels_, plain.labels_)
    assert np.abs(own.cluster_centers_ - plain.cluster_centers_).max() < 1e-9 * np.abs(x).max()
    assert np.isclose(own.inertia_, plain.inertia_, rtol=1e-12)
    model = KMeans(count, init=centres, max_iter=passes).fit(shared(net, x))
    found = (model.cluster_centers_, model.labels_, model.inertia_, model.transform(shared(net, x)[:5]))
    assert len(tc.explain(*found).reveals) == 4
    opened, labels, inertia, away = tc.reveal(*found)
    assert np.array_equal(labels, plain.labels_)
    assert np.abs(opened - plain.cluster_centers_).max() < 1e-7 * max(16, np.abs(x).max())
    assert np.isclose(inertia, plain.inertia_, rtol=1e-6)
    assert np.abs(away - plain.transform(x[:5])).max() < 1e-3


@pytest.mark.parametrize("scale", [2.0**-6, 1.0, 2.0**12])
def test_nothing_need_be_declared(net: tc.Session, scale: float) -> None:
    x = np.concatenate([np.random.default_rng(0).normal(size=(40, 2)) + place for place in ([0, 0], [5, 1], [2, 6])])
    x = np.round(x * scale * 2**16) / 2**16
    wanted = reference.KMeans(3, init=x[:3], n_init=1, max_iter=8, tol=0).fit(x)
    model = KMeans(3, init=x[:3], max_iter=8).fit(net.share(x))
    centres, inertia = tc.reveal(model.cluster_centers_, model.inertia_)
    labels, away = tc.reveal(model.predict(net.share(x)), model.transform(net.share(x)))
    assert np.abs(centres - wanted.cluster_centers_).max() < 1e-5 * scale
    assert np.abs(away - wanted.transform(x)).max() < 1e-5 * scale
    assert inertia == pytest.approx(wanted.inertia_, rel=1e-5) and np.array_equal(labels, wanted.labels_)


@pytest.mark.parametrize("far", [1000.0, -20000.0])
def test_rows_far_from_the_middle_of_their_bounds(net: tc.Session, far: float) -> None:
    x = np.concatenate([np.random.default_rng(0).normal(size=(40, 2)) + place for place in ([0, 0], [5, 1], [2, 6])])
    x = np.round((x + far) * 2**16) / 2**16
    wanted = plain_passes(x, x[::40], 6)
    rows = net.share(x, bounds=(-4 * abs(far), 4 * abs(far)))
    model = KMeans(3, init=x[::40], max_iter=6).fit(rows)
    centres, labels = tc.reveal(model.cluster_centers_, model.predict(rows))
    assert np.abs(centres - wanted.cluster_centers_).max() < 2.0**-20 * abs(far)
    assert np.array_equal(labels, wanted.labels_)


def test_weights_secret_and_public(net: tc.Session) -> None:
    x = data("iris")
    weights = np.arange(150) % 4
    plain = plain_passes(x, x[[0, 60, 140]], 6, weights)
    secret = net.share(weights, bounds=(0, 3))
    models = [KMeans(3, init=x[[0, 60, 140]], max_iter=6).fit(shared(net, x), None, w) for w in (weights, secret)]
    for model in models:
        centres, inertia = tc.reveal(model.cluster_centers_, model.inertia_)
        assert np.abs(centres - plain.cluster_centers_).max() < 1e-6
        assert np.isclose(inertia, plain.inertia_, rtol=1e-6)


def test_an_empty_cluster_stays(net: tc.Session) -> None:
    x = np.array([[0.0], [1.0], [2.0], [10.0]])
    for rows in (x, net.share(x, bounds=(0, 10))):
        model = KMeans(3, init=np.array([[1.0], [9.0], [100.0]]), max_iter=3).fit(rows)
        found = (model.cluster_centers_, model.labels_)
        centres, labels = found if rows is x else tc.reveal(*found)
        assert np.allclose(centres, [[1.0], [10.0], [100.0]])
        assert labels.tolist() == [0, 0, 0, 1]


def test_equally_near_centres_are_taken_in_their_order(net: tc.Session) -> None:
    plain = plain_passes(np.array([[0.0], [2.0], [4.0], [8.0]]), np.array([[0.0], [4.0], [2.0], [8.0]]), 1)
    model = KMeans.from_sklearn(plain, net)
    x = np.array([[1.0], [3.0], [6.0], [5.0], [9.0]])
    assert model.predict(net.share(x, bounds=(0, 10))).reveal().tolist() == [0, 1, 1, 1, 3]


@pytest.mark.parametrize("init", ["k-means++", "random"])
def test_starts(net: tc.Session, init: str) -> None:
    """Three groups far apart are found from drawn starts, the best of a few."""
    rng = np.random.default_rng(1)
    x = np.concatenate([rng.normal(centre, 0.3, (20, 2)) for centre in ((0, 0), (8, 0), (0, 8))])
    groups = np.repeat(np.arange(3), 20)
    for rows in (x, net.share(x, bounds=(-10, 10))):
        model = KMeans(3, init=init, n_init=3, max_iter=6, random_state=4).fit(rows)
        labels = model.labels_ if rows is x else model.labels_.reveal()
        if rows is not x:
            assert np.array_equal(model.labels_.reveal(), labels)  # another job, the same draws
        assert len({*zip(labels.tolist(), groups.tolist(), strict=True)}) == 3


def test_one_cluster_and_many_rows_in_one_plan(net: tc.Session) -> None:
    x = data("iris")
    model = KMeans(1, max_iter=2).fit(shared(net, x))
    centres, labels = tc.reveal(model.cluster_centers_, model.labels_)
    assert np.abs(centres - x.mean(axis=0)).max() < 1e-6 and not labels.any()
    sizes = []
    for rows in (100, 20_000):
        big = net.share(np.zeros((rows, 4)), bounds=(-8, 8))
        sizes.append(len(tc.explain(KMeans(5, init="random", n_init=1).fit(big).cluster_centers_).operations))
    assert sizes[0] == sizes[1]


def test_from_to_scikit_learn_and_saved(net: tc.Session) -> None:
    x = data("iris")
    plain = plain_passes(x, x[[0, 60, 140]], 6)
    model = KMeans.from_sklearn(plain, net)
    assert np.array_equal(model.predict(shared(net, x)).reveal(), plain.labels_)
    assert np.array_equal(model.to_sklearn().predict(x), plain.labels_)
    model.save(net, "clusters")
    loaded: Any = tc.load("clusters", net)
    assert np.array_equal(loaded.predict(shared(net, x)).reveal(), plain.labels_)
    with pytest.raises(InputError, match="labels_ belongs to the rows"):
        _ = loaded.labels_


def test_what_is_refused() -> None:
    x = np.ones((5, 3))
    with pytest.raises(TypeError, match="takes no tol: a stopping rule"):
        KMeans(tol=1e-4)  # type: ignore[call-arg]
    for wrong in ({"n_clusters": 6}, {"init": "farthest"}, {"n_init": 0}, {"max_iter": 0}, {"init": np.ones((2, 2))}):
        with pytest.raises(InputError):
            KMeans(**{"n_clusters": 2, **wrong}).fit(x)
    with pytest.raises(InputError, match="not fitted"):
        KMeans().predict(x)
