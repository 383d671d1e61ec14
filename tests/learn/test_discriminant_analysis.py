"""Linear discriminant analysis against scikit-learn's solver "svd", with bounds from the data's own values."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import sklearn.discriminant_analysis as reference
from sklearn import datasets

import tercet as tc
from tercet.discriminant_analysis import LinearDiscriminantAnalysis
from tercet.errors import InputError


@pytest.fixture(scope="module")
def net() -> Iterator[tc.Session]:
    with tc.local() as session:
        yield session


def data(name: str) -> tuple[Any, Any]:
    """As it is stored at 16 fractional bits."""
    found = getattr(datasets, f"load_{name}")()
    return np.round(found.data * 2**16) / 2**16, found.target


def relative(found: Any, wanted: Any) -> float:
    return float(np.max(np.abs(found - wanted)) / np.max(np.abs(wanted)))


@pytest.mark.parametrize("name", ["iris", "wine", "breast_cancer"])
def test_coefficients_and_predictions(net: tc.Session, name: str) -> None:
    x, y = data(name)
    plain = reference.LinearDiscriminantAnalysis().fit(x, y)
    own = LinearDiscriminantAnalysis().fit(x, y)
    assert np.array_equal(own.predict(x), plain.predict(x))
    secret = net.share(x, bounds=(x.min(), x.max()))
    model = LinearDiscriminantAnalysis().fit(secret, net.share(y, bounds=(0, y.max())))
    results = (model.coef_, model.intercept_, model.means_, model.predict(secret), model.predict_proba(secret[:40]))
    assert len(tc.explain(*results).reveals) == len(results)
    coef, intercept, means, predicted, chances = tc.reveal(*results)
    assert coef.shape == plain.coef_.shape and intercept.shape == plain.intercept_.shape
    assert relative(coef, plain.coef_) < 1e-6
    assert relative(intercept, plain.intercept_) < 1e-6
    assert relative(means, plain.means_) < 1e-9
    assert np.array_equal(predicted, plain.predict(x))
    assert np.abs(chances - plain.predict_proba(x[:40])).max() < 1e-5


@pytest.mark.parametrize(("name", "priors"), [("wine", [0.125, 0.25, 0.625]), ("breast_cancer", [0.9, 0.1])])
def test_public_priors(net: tc.Session, name: str, priors: list[float]) -> None:
    x, y = data(name)
    plain = reference.LinearDiscriminantAnalysis(priors=priors).fit(x, y)
    for X, Y in ((x, y), (net.share(x, bounds=(x.min(), x.max())), net.share(y, bounds=(0, y.max())))):
        model = LinearDiscriminantAnalysis(priors=priors).fit(X, Y)
        found = [model.coef_, model.intercept_, model.xbar_, model.predict_proba(X[::5])]
        coef, intercept, centre, chances = found if X is x else tc.reveal(*found)
        assert relative(coef, plain.coef_) < 1e-6 and relative(intercept, plain.intercept_) < 1e-6
        assert relative(centre, plain.xbar_) < 1e-9
        assert np.abs(chances - plain.predict_proba(x[::5])).max() < 1e-5
    assert np.array_equal(model.to_sklearn().predict(x), plain.predict(x))


def directed(found: Any, plain: Any, y: Any) -> Any:
    """Columns of scikit-learn's with the signs that they have here: the last class lies on the positive side."""
    return found * np.where(plain[y == y.max()].mean(axis=0) < 0, -1, 1)


@pytest.mark.parametrize(("name", "priors"), [("iris", None), ("wine", [0.125, 0.25, 0.625]), ("breast_cancer", None)])
def test_transforms(net: tc.Session, name: str, priors: list[float] | None) -> None:
    x, y = data(name)
    plain = reference.LinearDiscriminantAnalysis(priors=priors).fit(x, y)
    wanted = plain.transform(x)
    for X, Y in ((x, y), (net.share(x, bounds=(x.min(), x.max())), net.share(y, bounds=(0, y.max())))):
        model = LinearDiscriminantAnalysis(priors=priors)
        found = [model.fit_transform(X, Y), model.scalings_, model.explained_variance_ratio_]
        assert X is x or len(tc.explain(*found).reveals) == 3
        turned, scalings, ratio = found if X is x else tc.reveal(*found)
        assert turned.shape == wanted.shape and relative(turned, directed(wanted, wanted, y)) < 1e-6
        assert relative(scalings, directed(plain.scalings_[:, : turned.shape[1]], wanted, y)) < 1e-6
        assert np.abs(ratio - plain.explained_variance_ratio_).max() < 1e-9


def test_transforms_to_fewer_columns_saved_and_of_scikit_learn(net: tc.Session) -> None:
    x, y = data("wine")
    plain = reference.LinearDiscriminantAnalysis(n_components=1).fit(x, y)
    wanted = plain.transform(x)
    X = net.share(x, bounds=(0, 2000))
    model = LinearDiscriminantAnalysis(n_components=1).fit(X, net.share(y, bounds=(0, 2)))
    model.save(net, "fewer-columns")
    loaded: Any = tc.load("fewer-columns", net)
    assert relative(loaded.transform(X).reveal(), directed(wanted, wanted, y)) < 1e-6
    assert relative(model.to_sklearn().transform(x), directed(wanted, wanted, y)) < 1e-6
    assert relative(LinearDiscriminantAnalysis.from_sklearn(plain, net).transform(X).reveal(), wanted) < 1e-6


@pytest.mark.parametrize(("classes", "columns"), [(10, 64), (30, 3), (64, 1)])
def test_directions_of_many_classes_on_numpy(classes: int, columns: int) -> None:
    generator = np.random.default_rng(3)
    y = np.repeat(np.arange(classes), 20)
    x = generator.normal(size=(len(y), columns)) + generator.normal(size=(classes, columns))[y]
    plain = reference.LinearDiscriminantAnalysis().fit(x, y)
    wanted = plain.transform(x)
    model = LinearDiscriminantAnalysis().fit(x, y)
    assert relative(model.transform(x), directed(wanted, wanted, y)) < 1e-9
    assert relative(model.explained_variance_ratio_, plain.explained_variance_ratio_) < 1e-9


def test_classes_with_the_same_means(net: tc.Session) -> None:
    x, y = np.tile(data("iris")[0][:50], (3, 1)), np.repeat(np.arange(3), 50)
    model = LinearDiscriminantAnalysis().fit(shared := net.share(x, bounds=(-10, 10)), net.share(y, bounds=(0, 2)))
    assert np.abs(model.transform(shared).reveal()).max() < 1e-2


def test_digits_on_numpy_and_the_plan(net: tc.Session) -> None:
    """Columns that are constant count as not there."""
    x, y = data("digits")
    plain = reference.LinearDiscriminantAnalysis().fit(x, y)
    assert np.array_equal(LinearDiscriminantAnalysis().fit(x, y).predict(x), plain.predict(x))
    model = LinearDiscriminantAnalysis().fit(net.share(x, bounds=(0, 16)), net.share(y, bounds=(0, 9)))
    assert len(tc.explain(model.coef_, model.intercept_).reveals) == 2


def test_constant_and_collinear_columns_and_loose_bounds(net: tc.Session) -> None:
    x, y = data("iris")
    plain = reference.LinearDiscriminantAnalysis().fit(x, y)
    wide = np.concatenate([x, np.full((150, 1), 3.0), x[:, :1] + x[:, 1:2]], axis=1)
    secret = net.share(wide, bounds=(-3000, 3000))
    model = LinearDiscriminantAnalysis().fit(secret, net.share(y, bounds=(0, 2)))
    coef, predicted, chances = tc.reveal(model.coef_, model.predict(secret), model.predict_proba(secret[:40]))
    assert (coef[:, 4:] == 0).all()
    assert np.array_equal(predicted, plain.predict(x))
    assert np.abs(chances - plain.predict_proba(x[:40])).max() < 1e-4


def test_from_to_scikit_learn_and_saved(net: tc.Session) -> None:
    x, y = data("wine")
    plain = reference.LinearDiscriminantAnalysis().fit(x, y)
    secret = net.share(x, bounds=(0, 2000))
    model = LinearDiscriminantAnalysis.from_sklearn(plain, net)
    assert np.array_equal(model.predict(secret).reveal(), plain.predict(x))
    assert np.array_equal(model.to_sklearn().predict(x), plain.predict(x))
    model.save(net, "discriminants")
    loaded: Any = tc.load("discriminants", net)
    assert np.array_equal(loaded.predict(secret).reveal(), plain.predict(x))


@pytest.mark.parametrize("shrinkage", [None, "auto"])
def test_plain_rows_in_small_units(shrinkage: str | None) -> None:
    x, y = data("iris")
    found = LinearDiscriminantAnalysis(shrinkage=shrinkage).fit(x * 2.0**-20, y)
    assert relative(found.coef_, LinearDiscriminantAnalysis(shrinkage=shrinkage).fit(x, y).coef_ * 2.0**20) < 1e-7


def test_what_is_refused() -> None:
    x, y = np.arange(8.0).reshape(4, 2), np.array([0, 0, 0, 0])
    with pytest.raises(TypeError, match="takes no solver"):
        LinearDiscriminantAnalysis(solver="lsqr")  # type: ignore[call-arg]
    with pytest.raises(InputError, match="for 2 classes"):
        LinearDiscriminantAnalysis(priors=[0.5, 0.6]).fit(x, [0, 0, 1, 1])
    with pytest.raises(InputError, match="priors beside shrinkage"):
        LinearDiscriminantAnalysis(priors=[0.5, 0.5], shrinkage=0.1).fit(x, [0, 0, 1, 1])
    with pytest.raises(InputError, match="1 classes of 4 rows"):
        LinearDiscriminantAnalysis().fit(x, y)
    with pytest.raises(InputError, match="n_components=2 of 2 classes and 2 columns"):
        LinearDiscriminantAnalysis(n_components=2).fit(x, [0, 0, 1, 1])
    with pytest.raises(InputError, match="no transform of a model with shrinkage"):
        LinearDiscriminantAnalysis(shrinkage=0.1).fit(x, [0, 0, 1, 1]).transform(x)
    with pytest.raises(InputError, match="not fitted"):
        LinearDiscriminantAnalysis().predict(x)


@pytest.mark.parametrize("name", ["breast_cancer", "wine", "digits"])
@pytest.mark.parametrize("shrinkage", [0.01, 0.1, 1.0])
def test_shrinkage_is_that_of_lsqr(net: tc.Session, name: str, shrinkage: float) -> None:
    x, y = data(name)
    x, y = x[:400], y[:400]
    plain = reference.LinearDiscriminantAnalysis(solver="lsqr", shrinkage=shrinkage).fit(x, y)
    own = LinearDiscriminantAnalysis(shrinkage=shrinkage).fit(x, y)
    assert np.abs(own.predict_proba(x) - plain.predict_proba(x)).max() < 1e-5
    if shrinkage == 0.1:
        X = net.share(x, bounds=(x.min(), x.max()))
        model = LinearDiscriminantAnalysis(shrinkage=shrinkage).fit(X, net.share(y, bounds=(0, y.max())))
        chances, predicted = tc.reveal(model.predict_proba(X[:60]), model.predict(X[:60]))
        assert np.abs(chances - plain.predict_proba(x[:60])).max() < 1e-3
        assert np.array_equal(predicted, plain.predict(x[:60]))
    with pytest.raises(tc.InputError, match="'shrinkage' parameter of LinearDiscriminantAnalysis"):
        LinearDiscriminantAnalysis(shrinkage="most").fit(x, y)


def centred(coef: Any) -> Any:
    """Coefficients of several classes less what they have in common, which moves no chance."""
    return coef - coef.mean(axis=0) if len(coef) > 1 else coef


@pytest.mark.parametrize("name", ["iris", "wine", "breast_cancer", "digits"])
def test_ledoit_wolf_is_that_of_lsqr(net: tc.Session, name: str) -> None:
    x, y = data(name)
    plain = reference.LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto").fit(x, y)
    own = LinearDiscriminantAnalysis(shrinkage="auto").fit(x, y)
    assert relative(centred(own.coef_), centred(plain.coef_)) < 1e-7
    assert np.abs(own.predict_proba(x) - plain.predict_proba(x)).max() < 1e-6
    X = net.share(x, bounds=(x.min(), x.max()))
    model = LinearDiscriminantAnalysis(shrinkage="auto").fit(X, net.share(y, bounds=(0, y.max())))
    results = (model.coef_, model.predict_proba(X[:40]))
    assert len(tc.explain(*results).reveals) == 2
    if name != "digits":
        coef, chances = tc.reveal(*results)
        assert relative(centred(coef), centred(plain.coef_)) < 1e-6
        assert np.abs(chances - plain.predict_proba(x[:40])).max() < 1e-5


@pytest.mark.parametrize("secret", ["rows", "both"])
def test_ledoit_wolf_of_columns_constant_in_a_class_and_loose_bounds(net: tc.Session, secret: str) -> None:
    x, y = data("iris")
    x = np.concatenate([x, (y == 1)[:, None] * x[:, :1], np.full((150, 1), 3.0)], axis=1)
    plain = reference.LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto").fit(x, y)
    X = net.share(x, bounds=(-3000, 3000))
    Y = y if secret == "rows" else net.share(y, bounds=(0, 2))
    model = LinearDiscriminantAnalysis(shrinkage="auto").fit(X, Y)
    coef, chances = tc.reveal(model.coef_, model.predict_proba(X[::4]))
    assert relative(centred(coef), centred(plain.coef_)) < 1e-5
    assert np.abs(chances - plain.predict_proba(x[::4])).max() < 1e-4
    assert np.array_equal(model.to_sklearn().predict(x), plain.predict(x))
