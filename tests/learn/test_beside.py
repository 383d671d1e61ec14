"""Large numbers, plain beside secret arrays, and arrays of another session: right, or refused by name."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import sklearn.linear_model as reference
from sklearn.datasets import make_blobs, make_regression
from sklearn.metrics import r2_score
from sklearn.neighbors import NearestNeighbors

import tercet as tc
from tercet.client.column_arrays import CategoryArray
from tercet.cluster import KMeans
from tercet.discriminant_analysis import LinearDiscriminantAnalysis
from tercet.ensemble import HistGradientBoostingClassifier, IsolationForest, RandomForestRegressor
from tercet.errors import InputError
from tercet.learn.linear_classifier import PROBABLE_REACH
from tercet.linear_model import LinearRegression, LogisticRegression, Ridge, SGDClassifier, SGDRegressor
from tercet.naive_bayes import GaussianNB
from tercet.neighbors import KNeighborsClassifier, NearestCentroid
from tercet.store.schema import Column, ColumnKind
from tercet.tree import DecisionTreeClassifier, DecisionTreeRegressor


@pytest.fixture(scope="module")
def net() -> Iterator[tc.Session]:
    with tc.local() as session:
        yield session


def rows(scale: float = 1.0) -> tuple[Any, Any]:
    x, y = make_blobs(30, 2, centers=3, random_state=3)
    return np.round(x * 64) / 64 * scale, y


def shared(net: tc.Session, x: Any) -> Any:
    return net.share(x, bounds=(int(np.floor(x.min())), int(np.ceil(x.max()))))


@pytest.mark.parametrize("kind", [LinearRegression, Ridge, SGDRegressor])
def test_plain_models_predict_numbers_of_any_size(net: tc.Session, kind: Any) -> None:
    x, y = make_regression(20, 2, random_state=1)
    plain = getattr(reference, kind.__name__)(**({"tol": None, "max_iter": 99} if kind is SGDRegressor else {}))
    plain.fit(x, y * 1e6 + 1e9)
    found = kind.from_sklearn(plain, net).predict(net.share(x, bounds=(-4, 4))).reveal()
    stored = np.rint(x * 2**16) / 2**16
    assert np.allclose(found, plain.predict(stored), rtol=1e-6)


def test_descent_predicts_incomes(net: tc.Session) -> None:
    """Above 2^16, where predictions were once cut."""
    x, _ = rows(1 / 8)
    y = np.rint(100_000 + 9_000 * x[:, 0])
    model = SGDRegressor(random_state=0, learning_rate="constant", eta0=0.2, max_iter=40)
    X, Y = shared(net, x), shared(net, y.astype(int))
    coef, intercept, found = tc.reveal((model.fit(X, Y)).coef_, model.intercept_, model.predict(X))
    assert np.allclose(found, x @ coef + intercept, atol=1) and found.max() > 1 << 16
    assert abs(model.score(X, Y).reveal() - r2_score(y, found)) < 1e-3


def test_classes_of_large_scores_are_told_apart(net: tc.Session) -> None:
    x, y = rows(1000)
    plain = reference.SGDClassifier(random_state=0, tol=None, max_iter=99).fit(x, y)
    assert (np.sort(plain.decision_function(x), axis=1)[:, 1:].min(axis=1) > 1 << 16).any()
    model = SGDClassifier.from_sklearn(plain, net)
    assert np.array_equal(model.predict(shared(net, x)).reveal(), plain.predict(x))
    assert np.allclose(model.decision_function(shared(net, x)).reveal(), plain.decision_function(x), rtol=1e-6)


def test_probabilities_of_large_scores(net: tc.Session) -> None:
    """Both scores are beyond what probabilities tell apart; their difference is not."""
    plain = reference.LogisticRegression().fit(*rows())
    plain.coef_, plain.intercept_ = np.array([[1.0, 0], [1, 1], [0, 0]]), np.full(3, 4.0 * PROBABLE_REACH)
    x = np.array([[0.0, 1.0], [1.0, -2.0]])
    found = LogisticRegression.from_sklearn(plain, net).predict_proba(net.share(x, bounds=(-4, 4))).reveal()
    assert np.abs(found - plain.predict_proba(x)).max() < 1e-5


def test_distances_of_quotients_are_in_their_units(net: tc.Session) -> None:
    x, y = rows()
    stored = np.rint(x * 100)
    X, Y = net.share(stored.astype(int), bounds=(-2000, 2000)) / 100, net.share(y, bounds=(0, 2))
    model = KMeans(3, init=stored[[0, 1, 2]] / 100, max_iter=2).fit(X)
    centres, away = tc.reveal(model.cluster_centers_, model.transform(X))
    assert np.abs(away - np.linalg.norm(stored[:, None] / 100 - centres, axis=2)).max() < 1e-4
    near, _ = KNeighborsClassifier(3).fit(X, Y).kneighbors(X)
    expected, _ = NearestNeighbors(n_neighbors=3).fit(stored / 100).kneighbors(stored / 100)
    assert np.abs(near.reveal() - expected).max() < 1e-4


CLASSIFIERS = [
    GaussianNB(),
    KNeighborsClassifier(3),
    LinearDiscriminantAnalysis(),
    NearestCentroid(),
    DecisionTreeClassifier(max_depth=2),
    HistGradientBoostingClassifier(max_iter=1, max_depth=2, min_samples_leaf=3),
]


@pytest.mark.parametrize("model", CLASSIFIERS, ids=lambda one: type(one).__name__)
def test_plain_targets_beside_secret_rows(net: tc.Session, model: Any) -> None:
    x, y = rows()
    X = shared(net, x)
    with net.measure() as cost:
        model.fit(X, y)
    assert cost.jobs == 0
    predicted = model.predict(X).reveal()
    assert np.mean(predicted == y) > 0.8
    if not hasattr(model, "features_"):  # of trees see below
        assert np.array_equal(model.predict(x).reveal(), predicted)


@pytest.mark.parametrize(
    "model", [DecisionTreeRegressor(max_depth=3), RandomForestRegressor(n_estimators=5, random_state=0)]
)
def test_plain_numbers_beside_secret_rows(net: tc.Session, model: Any) -> None:
    x, _ = rows()
    X, y = shared(net, x), 1000 + 3.5 * x[:, 0]
    assert np.corrcoef(model.fit(X, y).predict(X).reveal(), y)[0, 1] > 0.9


@pytest.mark.parametrize("model", CLASSIFIERS, ids=lambda one: type(one).__name__)
def test_what_does_not_meet_is_refused(net: tc.Session, model: Any) -> None:
    x, y = rows()
    X, Y = shared(net, x), net.share(y, bounds=(0, 2))
    with pytest.raises(InputError, match="not fitted"):
        type(model)().predict(X)
    with pytest.raises(InputError, match="y is secret, and X is not"):
        model.fit(x, Y)
    with pytest.raises(ValueError, match="y contains NaN"):
        model.fit(X, np.where(y == 1, np.nan, y))
    with pytest.raises(ValueError, match="y is None"):
        model.fit(X, None)
    with pytest.raises(InputError, match="X has shape"):
        model.fit(X, Y[:-1])
    with tc.local() as other:
        for rows_of, target in ((shared(other, x), Y), (X, other.share(y, bounds=(0, 2)))):
            with pytest.raises(ValueError, match="different sessions"):
                model.fit(rows_of, target)
        with pytest.raises(ValueError, match="different sessions"):
            model.fit(X, Y).predict(shared(other, x))


@pytest.mark.parametrize("make", [DecisionTreeClassifier, lambda: IsolationForest(n_estimators=3, random_state=0)])
def test_trees_meet_rows_of_their_kind(net: tc.Session, make: Any) -> None:
    x, y = rows()
    X = shared(net, x)
    with pytest.raises(InputError, match="X is plain, and the fitted"):
        make().fit(X, y).predict(x)
    with pytest.raises(InputError, match="X is secret, and the fitted"):
        make().fit(x, y).predict(X)


def test_scores_take_lists_and_refuse_weights_below_zero(net: tc.Session) -> None:
    x, y = rows()
    X, Y = shared(net, x), net.share(y, bounds=(0, 2))
    models = [GaussianNB().fit(X, Y), LinearRegression().fit(X, Y)]
    for model in models:
        by_list, by_array, weighed = tc.reveal(
            model.score(X, y.tolist()), model.score(X, Y), model.score(X, Y, [1] * 29 + [0])
        )
        assert abs(by_list - by_array) < 1e-6 and 0 < weighed <= 1
        for wrong in (-np.ones(30), np.ones(5)):
            with pytest.raises(InputError, match="weight"):
                model.score(X, Y, sample_weight=wrong)
        # secret weights may have bounds below zero, as integers shared without bounds have: those below zero count as 0
        secret = np.r_[np.ones(29), -1]
        assert abs(model.score(X, Y, net.share(secret, bounds=(-1, 1))).reveal() - weighed) < 1e-6


def test_scores_of_texts(net: tc.Session) -> None:
    """Public labels that are texts, and categories whose codes are secret."""
    x, y = rows()
    names = np.array(["blue", "green", "red"])
    X = shared(net, x)
    model = GaussianNB().fit(X, names[y])
    kind = Column(name="colour", kind=ColumnKind.CATEGORY, categories=("white", "blue", "green", "red"))
    column = CategoryArray.of_column(net.share(y + 1, bounds=(0, 3)), kind)
    wrong = np.where(y == 1, "white", names[y])
    found = tc.reveal(model.score(X, names[y]), model.score(X, column), model.score(X, wrong))
    right = model.predict(X).reveal() == y
    assert np.allclose(found, [right.mean(), right.mean(), (right & (y != 1)).mean()], atol=1e-4)


@pytest.mark.parametrize("model", CLASSIFIERS, ids=lambda one: type(one).__name__)
def test_declared_classes_without_rows_are_never_predicted(net: tc.Session, model: Any) -> None:
    """Not even in the middle of the bounds."""
    x, _ = rows()
    y = np.where(x[:, 0] > np.median(x[:, 0]), 3, 1)
    X = shared(net, x)
    model.fit(X, net.share(y, bounds=(0, 4)))
    middle = sum(X.bounds) / 2
    found = tc.reveal(model.predict(X), model.predict(net.share(np.full((1, 2), middle), bounds=X.bounds)))
    assert np.isin(np.concatenate(found), (1, 3)).all() and np.mean(found[0] == y) > 0.7


def test_classes_that_y_cannot_have_are_refused(net: tc.Session) -> None:
    x, y = rows()
    X, Y = shared(net, x), net.share(y, bounds=(0, 2))
    for wrong in ([5, 6], [2, 3]):
        with pytest.raises(InputError, match="fewer than two do"):
            GaussianNB().fit(X, Y, classes=wrong)
    for right in ([0, 1, 2], [0, 2], [0, 1, 2, 9]):
        assert GaussianNB().fit(X, Y, classes=right).classes_.tolist() == right
