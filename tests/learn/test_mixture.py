"""GaussianMixture against scikit-learn's passes from the same start."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import sklearn.mixture as reference
from sklearn import datasets

import tercet as tc
from tercet.errors import InputError
from tercet.mixture import GaussianMixture


@pytest.fixture(scope="module")
def net() -> Iterator[tc.Session]:
    with tc.local() as session:
        yield session


def data(name: str, kind: str = "diag") -> tuple[Any, dict[str, Any]]:
    """As it is stored at 16 fractional bits; and a start from its classes."""
    found = getattr(datasets, f"load_{name}")()
    x = np.round(found.data * 2**16) / 2**16
    kinds = np.unique(found.target)
    means = np.array([x[found.target == one].mean(axis=0) for one in kinds])
    start = {
        "weights_init": np.full(len(kinds), 1 / len(kinds)),
        "means_init": means,
        "precisions_init": {
            "full": np.stack([np.diag(1 / x.var(axis=0))] * len(kinds)),
            "tied": np.diag(1 / x.var(axis=0)),
            "diag": np.broadcast_to(1 / x.var(axis=0), means.shape).copy(),
            "spherical": np.full(len(kinds), 1 / x.var(axis=0).mean()),
        }[kind],
    }
    return x, start


def plain_passes(x: Any, start: dict[str, Any], count: int, kind: str) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        size = len(start["weights_init"])
        return reference.GaussianMixture(size, covariance_type=kind, tol=0, max_iter=count, **start).fit(x)


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("iris", "diag"),
        ("wine", "diag"),
        ("breast_cancer", "diag"),
        ("wine", "spherical"),
        ("wine", "full"),
        ("iris", "tied"),
    ],
)
def test_the_same_start_gives_the_same_mixture(net: tc.Session, name: str, kind: str) -> None:
    x, start = data(name, kind)
    plain = plain_passes(x, start, 5, kind)
    deviation = x.std(axis=0)
    size = {"diag": deviation**2, "spherical": (deviation**2).max()}.get(kind, deviation * deviation[:, None])
    for rows in (x, net.share(x, bounds=(x.min(), x.max()))):
        model = GaussianMixture(len(plain.weights_), covariance_type=kind, max_iter=5, **start).fit(rows)
        results = (
            model.weights_,
            model.means_,
            model.covariances_,
            model.predict(rows),
            model.predict_proba(rows[:30]),
        )
        if rows is not x:
            assert len(tc.explain(*results).reveals) == len(results)
            results = tc.reveal(*results)
        weights, means, covariances, labels, chances = results
        assert np.abs(weights - plain.weights_).max() < 1e-6
        assert (np.abs(means - plain.means_) < 1e-5 * x.std(axis=0)).all()
        assert (np.abs(covariances - plain.covariances_) < 1e-6 * size).all()
        assert np.array_equal(labels, plain.predict(x))
        assert np.abs(chances - plain.predict_proba(x[:30])).max() < 1e-5


def test_a_start_of_its_own(net: tc.Session) -> None:
    """Groups far apart, from k-means; bounds that are loose; one plan whatever the rows."""
    rng = np.random.default_rng(2)
    centres = np.array([[0.0, 0.0], [30.0, 0.0], [0.0, 30.0]])
    x = np.concatenate([rng.normal(centre, 1, (40, 2)) for centre in centres])
    groups = np.repeat(np.arange(3), 40)
    secret = net.share(x, bounds=(-4000, 4000))
    model = GaussianMixture(3, max_iter=3, random_state=5).fit(secret)
    labels, weights = tc.reveal(model.predict(secret), model.weights_)
    assert len({*zip(labels.tolist(), groups.tolist(), strict=True)}) == 3
    assert np.abs(weights - 1 / 3).max() < 1e-5
    model.save(net, "mixture")
    loaded: Any = tc.load("mixture", net)
    assert np.array_equal(loaded.predict(secret).reveal(), labels)
    sizes = []
    for rows in (100, 20_000):
        big = net.share(np.zeros((rows, 2)), bounds=(-8, 8))
        sizes.append(len(tc.explain(GaussianMixture(2, max_iter=4).fit(big).means_).operations))
    assert sizes[1] < sizes[0] + 20  # rings are wider


@pytest.mark.parametrize("kind", ["full", "tied"])
def test_columns_that_vary_together(net: tc.Session, kind: str) -> None:
    """Groups that only covariances tell apart or join, from k-means; quotients; other rows; kept and loaded."""
    rng = np.random.default_rng(3)
    x = rng.normal(0, 1, (120, 3)) + np.repeat([[0.0, 0.0, 0.0], [0.0, 9.0, 0.0]], 60, axis=0)
    x = np.rint((x + rng.normal(0, 6, (120, 1))) * 1000).astype(int)
    secret = net.share(x, bounds=(-60_000, 60_000)) / 1000
    means = np.array([[0.0, 0.0, 0.0], [0.0, 9.0, 0.0]])
    given = {"covariance_type": kind, "max_iter": 2, "means_init": means, "random_state": 1}
    plain = GaussianMixture(2, **given).fit(x / 1000)
    model = GaussianMixture(2, **given).fit(secret)
    model.save(net, f"mixture of {kind}")
    loaded: Any = tc.load(f"mixture of {kind}", net)
    other = net.share(x[::7] / 1000, bounds=(-100, 100))
    labels, chances, covariances = tc.reveal(loaded.predict(secret), loaded.predict_proba(other), model.covariances_)
    assert np.array_equal(labels, plain.predict(x / 1000))
    assert np.abs(chances - plain.predict_proba(x[::7] / 1000)).max() < 1e-4
    assert np.allclose(covariances, plain.covariances_, rtol=1e-5, atol=1e-5)
    assert np.allclose(plain.predict_proba(other).reveal(), chances, atol=1e-4)


def test_columns_that_others_determine(net: tc.Session) -> None:
    """A copy of a column, and one that is constant: nothing overflows, and the rest decides."""
    rng = np.random.default_rng(4)
    x = np.concatenate([rng.normal(0, 1, (40, 2)), rng.normal(0, 1, (40, 2)) + 12])
    x = np.column_stack([x, x[:, 0], np.ones(80)])
    model = GaussianMixture(2, covariance_type="full", reg_covar=0, max_iter=2).fit(net.share(x, bounds=(-20, 20)))
    labels = model.predict(net.share(x, bounds=(-20, 20))).reveal()
    assert (labels[:40] == labels[0]).all() and (labels[40:] == 1 - labels[0]).all()


def test_what_is_refused() -> None:
    x = np.arange(10.0).reshape(5, 2)
    with pytest.raises(TypeError, match="takes no tol: a stopping rule"):
        GaussianMixture(tol=1e-3)  # type: ignore[call-arg]
    full = {"covariance_type": "full"}
    for wrong in (
        {"covariance_type": "banded"},
        {"n_components": 6},
        {"max_iter": 0},
        {"means_init": np.ones((3, 2))},
        {**full, "precisions_init": np.ones((2, 2))},
        {**full, "precisions_init": np.ones((2, 2, 2))},
    ):
        with pytest.raises(InputError):
            GaussianMixture(**{"n_components": 2, **wrong}).fit(x)
    with pytest.raises(InputError, match="not fitted"):
        GaussianMixture().predict(x)


@pytest.mark.parametrize("covariance_type", ["diag", "spherical"])
def test_predictions_of_columns_whose_bounds_are_not_given(net: tc.Session, covariance_type: str) -> None:
    x = np.round(np.random.default_rng(1).normal(size=(12, 2)) * 2**10) / 2**10
    x[:6] += 6
    model = GaussianMixture(2, covariance_type=covariance_type, max_iter=4).fit(net.share(x))
    found = model.predict(net.share(x)).reveal()
    assert (found[:6] == found[0]).all() and (found[6:] == 1 - found[0]).all()
