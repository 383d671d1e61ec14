"""PCA and TruncatedSVD against scikit-learn, on its data, with bounds from the data's least and greatest values."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import sklearn.decomposition as reference
from sklearn import datasets

import tercet as tc
from tercet.decomposition import PCA, TruncatedSVD
from tercet.errors import InputError

VALUES = ("explained_variance_", "explained_variance_ratio_", "singular_values_")


@pytest.fixture(scope="module")
def net() -> Iterator[tc.Session]:
    with tc.local() as session:
        yield session


def data(name: str) -> Any:
    """As it is stored at 16 fractional bits."""
    return np.round(getattr(datasets, f"load_{name}")().data * 2**16) / 2**16


def shared(net: tc.Session, x: Any) -> Any:
    return net.share(x, bounds=(x.min(), x.max()))


def check(model: Any, plain: Any, opened: Any, error: float) -> None:
    components, *values = opened
    assert np.abs(components - plain.components_).max() < error
    for name, found in zip(VALUES, values, strict=True):
        assert np.allclose(found, getattr(plain, name), rtol=error, atol=0), name


@pytest.mark.parametrize("name", ["iris", "wine", "breast_cancer", "digits", "diabetes"])
@pytest.mark.parametrize("kind", ["PCA", "TruncatedSVD"])
def test_on_numpy(kind: str, name: str) -> None:
    x = data(name)
    options = {"algorithm": "arpack"} if kind == "TruncatedSVD" else {}
    model: Any = (PCA if kind == "PCA" else TruncatedSVD)(3).fit(x)
    plain = getattr(reference, kind)(3, **options).fit(x)
    check(model, plain, [model.components_, *(getattr(model, name) for name in VALUES)], 1e-7)
    assert np.abs(model.transform(x) - plain.transform(x)).max() < 1e-5
    assert (
        np.abs(model.inverse_transform(model.transform(x)) - plain.inverse_transform(plain.transform(x))).max() < 1e-5
    )


@pytest.mark.parametrize("whiten", [False, True])
def test_pca_under_sharing(net: tc.Session, whiten: bool) -> None:
    x = data("iris")
    secret = shared(net, x)
    model, plain = PCA(3, whiten=whiten).fit(secret), reference.PCA(3, whiten=whiten).fit(x)
    turned = model.transform(secret[:9])
    results = [model.components_, *(getattr(model, name) for name in VALUES), model.mean_, turned]
    assert len(tc.explain(*results).reveals) == len(results)
    *opened, mean, turned_plain, back = tc.reveal(*results, model.inverse_transform(turned))
    check(model, plain, opened, 1e-9)
    assert np.abs(mean - plain.mean_).max() < 1e-12
    assert np.abs(turned_plain - plain.transform(x[:9])).max() < 1e-4
    assert np.abs(back - plain.inverse_transform(plain.transform(x[:9]))).max() < 1e-4


def test_svd_under_sharing(net: tc.Session) -> None:
    x = data("iris")
    secret = shared(net, x)
    model, plain = TruncatedSVD().fit(secret), reference.TruncatedSVD(2, algorithm="arpack").fit(x)
    turned = model.transform(secret[:9])
    opened = tc.reveal(model.components_, *(getattr(model, name) for name in VALUES), turned)
    check(model, plain, opened[:-1], 1e-9)
    assert np.abs(opened[-1] - plain.transform(x[:9])).max() < 1e-4


@pytest.mark.parametrize("name", ["wine", "breast_cancer", "digits", "diabetes"])
@pytest.mark.parametrize("kind", [PCA, TruncatedSVD])
def test_plans_of_more_data(net: tc.Session, kind: Any, name: str) -> None:
    """No bounds but the data's own; plans stay small."""
    secret = shared(net, data(name))
    model = kind(2).fit(secret)
    results = [model.components_, model.explained_variance_, model.singular_values_, model.transform(secret)]
    plan = tc.explain(*results, model.inverse_transform(results[-1]))
    assert len(plan.operations) < 600


def test_loose_bounds_and_integers(net: tc.Session) -> None:
    rng = np.random.default_rng(0)
    x = rng.integers(0, 50, (60, 3))
    model = PCA().fit(net.share(x, bounds=(-(2**30), 2**30)))
    components, variance = tc.reveal(model.components_, model.explained_variance_)
    plain = reference.PCA().fit(x)
    assert np.abs(components - plain.components_).max() < 1e-6
    assert np.allclose(variance, plain.explained_variance_, rtol=1e-6)


def test_constant_columns_have_no_variance(net: tc.Session) -> None:
    x = np.tile([[1.0, 2.0, 3.0]], (5, 1))
    model = PCA().fit(net.share(x, bounds=(0, 4)))
    variance, ratio, turned = tc.reveal(
        model.explained_variance_, model.explained_variance_ratio_, model.transform(net.share(x, bounds=(0, 4)))
    )
    assert np.abs(variance).max() < 1e-9 and np.abs(ratio).max() < 1e-9 and np.abs(turned).max() < 1e-4


def test_from_and_to_scikit_learn(net: tc.Session) -> None:
    x = data("iris")
    plain = reference.PCA(2).fit(x)
    model = PCA.from_sklearn(plain, net)
    assert np.abs(model.transform(shared(net, x[:5])).reveal() - plain.transform(x[:5])).max() < 1e-4
    again = model.to_sklearn()
    assert np.abs(again.transform(x) - plain.transform(x)).max() < 1e-9
    assert np.isclose(again.noise_variance_, plain.noise_variance_, rtol=1e-6)


def test_kept_and_loaded(net: tc.Session) -> None:
    x = data("iris")
    secret = shared(net, x)
    PCA(2).fit(secret).save(net, "turned")
    loaded = tc.load("turned", net)
    assert isinstance(loaded, PCA)
    assert np.abs(loaded.transform(secret[:5]).reveal() - reference.PCA(2).fit(x).transform(x[:5])).max() < 1e-4


def test_what_is_refused() -> None:
    x = np.ones((5, 3))
    with pytest.raises(TypeError, match="takes no svd_solver"):
        PCA(svd_solver="full")  # type: ignore[call-arg]
    for wrong in (0.9, "mle", 0, 4):
        with pytest.raises(InputError):
            PCA(wrong).fit(x)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="takes up to 64"):
        PCA().fit(np.ones((5, 65)))
    with pytest.raises(InputError, match="not fitted"):
        PCA().transform(x)
