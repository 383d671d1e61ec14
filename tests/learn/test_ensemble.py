"""Boosting and forests under sharing: the same trees as on NumPy arrays, and as scikit-learn's on the same bins."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import sklearn.ensemble as reference
from sklearn import datasets
from sklearn.metrics import roc_auc_score

import tercet as tc
from tercet.ensemble import (
    ExtraTreesClassifier,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from tercet.errors import InputError
from tercet.learn.trees import forest, many
from tercet.learn.trees.bins import edges_of


@pytest.fixture(scope="module")
def net() -> Iterator[tc.Session]:
    with tc.local() as session:
        yield session


def shared(net: tc.Session, x: Any) -> Any:
    return net.share(x, bounds=(x.min(), x.max()))


def continuous(rows: int, seed: int) -> tuple[Any, Any]:
    """Without ties."""
    draw = np.random.default_rng(seed)
    x = np.round(draw.normal(size=(rows, 4)) * 2**16) / 2**16
    return x, np.round((x[:, 0] + x[:, 1] * x[:, 2] + draw.normal(size=rows) / 2) * 2**16) / 2**16


def by_bins(x: Any, bins: int) -> Any:
    return (x[:, :, None] > edges_of(x, bins, "quantile").T[None]).sum(axis=2)


def same_trees(model: Any, plain: Any, *others: Any) -> list[Any]:
    found = tc.reveal(model.features_, model.thresholds_, model.values_, *others)
    assert np.array_equal(found[0], plain.features_)
    live = plain.features_.any(axis=1)
    assert np.abs(found[1] - plain.thresholds_)[live].max() < 2**-14
    values = [found[2], plain.values_]
    if isinstance(model, RandomForestRegressor):  # in units of their own
        revealed = model.to_plain()
        values = [one.values_ * float(one.unit_) * 2.0**one.power_ + one.middle_ for one in (revealed, plain)]
    assert np.abs(values[0] - values[1]).max() < 1e-5
    return list(found[3:])


BOOSTED: dict[str, Any] = {"max_iter": 3, "max_depth": 3, "max_bins": 16, "learning_rate": 0.5}


def theirs(kind: Any) -> Any:
    return kind(max_iter=3, max_depth=3, max_leaf_nodes=None, learning_rate=0.5, early_stopping=False)


def test_boosted_numbers(net: tc.Session) -> None:
    x, y = continuous(300, 1)
    plain = HistGradientBoostingRegressor(**BOOSTED).fit(x, y)
    numbers = by_bins(x, 16)
    other = theirs(reference.HistGradientBoostingRegressor).fit(numbers, y)
    assert np.abs(plain.predict(x) - other.predict(numbers)).max() < 1e-6
    model = HistGradientBoostingRegressor(**BOOSTED).fit(shared(net, x), shared(net, y))
    (predicted,) = same_trees(model, plain, model.predict(shared(net, x)))
    assert np.abs(predicted - plain.predict(x)).max() < 1e-4
    model.save(net, "boosted")
    loaded: Any = tc.load("boosted", net)
    assert np.abs(loaded.predict(shared(net, x[:9])).reveal() - predicted[:9]).max() < 1e-4


def test_two_classes(net: tc.Session) -> None:
    x, target = continuous(300, 2)
    y = (target > 0.3).astype(int)
    plain = HistGradientBoostingClassifier(**BOOSTED, l2_regularization=1.0).fit(x, y)
    numbers = by_bins(x, 16)
    other = theirs(reference.HistGradientBoostingClassifier).set_params(l2_regularization=1.0).fit(numbers, y)
    assert np.abs(plain.decision_function(x) - other.decision_function(numbers)).max() < 1e-6
    model = HistGradientBoostingClassifier(**BOOSTED, l2_regularization=1.0)
    model.fit(shared(net, x), net.share(y, bounds=(0, 1)))
    likely, predicted = same_trees(model, plain, model.predict_proba(shared(net, x)), model.predict(shared(net, x)))
    assert np.abs(likely - plain.predict_proba(x)).max() < 1e-4
    assert np.array_equal(predicted, plain.predict(x))


def test_breast_cancer(net: tc.Session) -> None:
    x, y = datasets.load_breast_cancer(return_X_y=True)
    x = np.round(x[:, :10] * 2**16) / 2**16
    model = HistGradientBoostingClassifier(**BOOSTED).fit(shared(net, x), net.share(y, bounds=(0, 1)))
    numbers = by_bins(x, 16)
    other = theirs(reference.HistGradientBoostingClassifier).fit(numbers, y)
    found = model.decision_function(shared(net, x)).reveal()
    assert abs(roc_auc_score(y, found) - roc_auc_score(y, other.decision_function(numbers))) < 1e-3


def test_three_classes(net: tc.Session) -> None:
    x, target = continuous(200, 3)
    y = np.digitize(target, [-0.5, 0.7])
    plain = HistGradientBoostingClassifier(**BOOSTED).fit(x, y)
    numbers = by_bins(x, 16)
    other = theirs(reference.HistGradientBoostingClassifier).fit(numbers, y)
    assert np.abs(plain.predict_proba(x) - other.predict_proba(numbers)).max() < 1e-6
    model = HistGradientBoostingClassifier(**BOOSTED).fit(shared(net, x), net.share(y, bounds=(0, 2)))
    (likely,) = same_trees(model, plain, model.predict_proba(shared(net, x)))
    assert np.abs(likely - plain.predict_proba(x)).max() < 1e-4


@pytest.mark.parametrize("criterion", ["gini", "entropy"])
def test_forest_of_classes(net: tc.Session, criterion: str) -> None:
    x, target = continuous(150, 4)
    y = np.digitize(target, [-0.5, 0.7])
    options: dict[str, Any] = {"n_estimators": 5, "max_depth": 2, "max_bins": 8, "random_state": 3}
    options["criterion"] = criterion
    plain = RandomForestClassifier(**options).fit(x, y)
    X = shared(net, x)
    model = RandomForestClassifier(**options).fit(X, net.share(y, bounds=(0, 2)))
    likely, predicted, worth = tc.reveal(model.predict_proba(X), model.predict(X), model.feature_importances_)
    # of equal gains another may win
    assert np.abs(likely - plain.predict_proba(x)).max() < 0.2
    assert np.mean(predicted == plain.predict(x)) > 0.95
    assert np.array_equal(predicted, likely.argmax(axis=1))
    assert np.abs(worth - plain.feature_importances_).max() < 0.05 and abs(worth.sum() - 1) < 1e-4


@pytest.mark.parametrize("in_turns", [False, True])
def test_forest_of_numbers(net: tc.Session, monkeypatch: pytest.MonkeyPatch, in_turns: bool) -> None:
    x, y = continuous(150, 5)
    options: dict[str, Any] = {"n_estimators": 5, "max_depth": 2, "max_bins": 8, "random_state": 3, "max_samples": 0.5}
    plain = RandomForestRegressor(**options).fit(x, y)
    if in_turns:
        monkeypatch.setattr(many, "MOST_WORDS", 2 * 150 * 2 * 2)
        monkeypatch.setattr(forest, "MOST_BITS", 2 * 150 * 16 * 2)
    model = RandomForestRegressor(**options).fit(shared(net, x), shared(net, y))
    predicted, worth = same_trees(model, plain, model.predict(shared(net, x)), model.feature_importances_)
    assert np.abs(predicted - plain.predict(x)).max() < 1e-4
    assert np.abs(worth - plain.feature_importances_).max() < 1e-5 and abs(worth.sum() - 1) < 1e-4


def test_one_random_edge(net: tc.Session) -> None:
    x, target = continuous(150, 6)
    y = (target > 0).astype(int)
    options: dict[str, Any] = {"n_estimators": 3, "max_depth": 2, "max_bins": 8, "random_state": 3}
    plain = ExtraTreesClassifier(**options).fit(x, y)
    model = ExtraTreesClassifier(**options).fit(shared(net, x), net.share(y, bounds=(0, 1)))
    same_trees(model, plain)


def test_a_forest_is_as_good_as_scikit_learns() -> None:
    x, target = continuous(2000, 7)
    y = (target > 0).astype(int)
    model = RandomForestClassifier(n_estimators=50, max_depth=5, random_state=1).fit(x[:1000], y[:1000])
    other = reference.RandomForestClassifier(50, max_depth=5, random_state=1).fit(x[:1000], y[:1000])
    found, wanted = (roc_auc_score(y[1000:], one.predict_proba(x[1000:])[:, 1]) for one in (model, other))
    assert abs(found - wanted) < 0.01


def test_what_is_refused() -> None:
    x, y = continuous(30, 8)
    with pytest.raises(TypeError, match="scoring: early stopping would tell when it stopped"):
        HistGradientBoostingRegressor(scoring="loss")
    with pytest.raises(InputError, match="'early_stopping' parameter must be False"):
        HistGradientBoostingRegressor(early_stopping="auto").fit(x, y)
    with pytest.raises(InputError, match=r"'loss' parameter must be .* Got 'poisson'"):
        HistGradientBoostingRegressor(loss="poisson").fit(x, y)
    with pytest.raises(InputError, match="one class"):
        HistGradientBoostingClassifier().fit(x, np.zeros(30, int))
    with pytest.raises(InputError, match="random_state"):
        RandomForestRegressor().fit(x, y)
    with pytest.raises(InputError, match="max_samples without bootstrap"):
        RandomForestRegressor(random_state=1, bootstrap=False, max_samples=0.5).fit(x, y)
    with pytest.raises(InputError, match="'n_estimators' parameter"):
        RandomForestRegressor(n_estimators=0, random_state=1).fit(x, y)
