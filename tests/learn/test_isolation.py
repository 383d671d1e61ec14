"""Isolation forests under sharing: the same scores as on NumPy arrays, and as good as scikit-learn's."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import sklearn.ensemble as reference
from sklearn.ensemble._iforest import _average_path_length
from sklearn.metrics import roc_auc_score

import tercet as tc
from tercet.ensemble import IsolationForest
from tercet.errors import InputError
from tercet.learn.trees.isolation import average_depths


@pytest.fixture(scope="module")
def net() -> Iterator[tc.Session]:
    with tc.local() as session:
        yield session


def outliers(rows: int) -> tuple[Any, Any]:
    """A cloud, and a twentieth of the rows far around it."""
    draw = np.random.default_rng(4)
    few = rows // 20
    x = np.concatenate([draw.normal(size=(rows - few, 3)), draw.uniform(-6, 6, (few, 3))])
    return np.round(x * 2**16) / 2**16, np.arange(rows) >= rows - few


def test_average_depths() -> None:
    assert np.abs(average_depths(300) - _average_path_length(np.arange(301))).max() < 1e-12
    assert average_depths(1).tolist() == [0, 0]


def test_the_same_as_on_plain_arrays(net: tc.Session) -> None:
    x, _ = outliers(80)
    options: dict[str, Any] = {"n_estimators": 6, "max_samples": 16, "random_state": 2}
    plain = IsolationForest(**options).fit(x)
    X = net.share(x, bounds=(-7, 7))
    model = IsolationForest(**options).fit(X)
    thresholds, depths, scores, found = tc.reveal(
        model.thresholds_, model.values_, model.score_samples(X), model.predict(X)
    )
    assert np.abs(thresholds - plain.thresholds_).max() < 2**-12
    assert np.abs(depths - plain.values_).max() < 2**-14
    assert np.abs(scores - plain.score_samples(x)).max() < 2**-12
    sure = np.abs(plain.decision_function(x)) > 1e-3
    assert np.array_equal(found[sure], plain.predict(x)[sure]) and set(found) <= {-1, 1}
    model.save(net, "isolation")
    loaded: Any = tc.load("isolation", net)
    assert np.abs(loaded.score_samples(X).reveal() - scores).max() < 2**-12


def test_depths_are_those_of_the_rows_that_were_drawn() -> None:
    x, _ = outliers(40)
    model = IsolationForest(n_estimators=3, max_samples=8, random_state=1).fit(x)
    assert model.values_.shape == (1, 3, 8)
    assert model.values_.min() >= 1 and model.values_.max() <= 3 + average_depths(8)[-1]


def test_as_good_as_scikit_learns() -> None:
    x, far = outliers(2000)
    own = IsolationForest(random_state=0).fit(x)
    other = reference.IsolationForest(random_state=0).fit(x)
    found, wanted = (roc_auc_score(~far, one.score_samples(x)) for one in (own, other))
    assert found > wanted - 0.02


def test_a_plain_one_shared(net: tc.Session) -> None:
    x, _ = outliers(200)
    fitted = reference.IsolationForest(n_estimators=10, max_samples=32, random_state=0).fit(x)
    X = net.share(x[:90], bounds=(-7, 7))
    model = IsolationForest.from_sklearn(fitted, net)
    assert np.abs(model.score_samples(X).reveal() - fitted.score_samples(x[:90])).max() < 1e-4


def test_what_is_refused() -> None:
    x, _ = outliers(40)
    with pytest.raises(InputError, match=r"parameter of IsolationForest must be .* Got"):
        IsolationForest(**{"contamination": 0.1}).fit(x)
    with pytest.raises(InputError, match="without random_state"):
        IsolationForest().fit(x)
    with pytest.raises(InputError, match="trees of some columns"):
        IsolationForest.from_sklearn(
            reference.IsolationForest(n_estimators=2, max_features=1, random_state=0).fit(x), None
        )
