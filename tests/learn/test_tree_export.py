"""Trees and forests of scikit-learn made of revealed ones: the same branches and leaves."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from sklearn.datasets import load_diabetes, load_iris

import tercet as tc
from tercet.ensemble import (
    ExtraTreesClassifier,
    ExtraTreesRegressor,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from tercet.errors import InputError
from tercet.tree import DecisionTreeClassifier, DecisionTreeRegressor


@pytest.fixture(scope="module")
def net() -> Iterator[tc.Session]:
    with tc.local() as session:
        yield session


FOREST: dict[str, Any] = {"n_estimators": 2, "random_state": 1}


@pytest.mark.parametrize(
    "model",
    [
        DecisionTreeClassifier(max_depth=3),
        RandomForestClassifier(max_depth=3, **FOREST),
        ExtraTreesClassifier(max_depth=3, **FOREST),
        DecisionTreeRegressor(max_depth=4, min_samples_leaf=9),
        RandomForestRegressor(max_depth=3, **FOREST),
        ExtraTreesRegressor(max_depth=3, **FOREST),
    ],
    ids=lambda model: type(model).__name__,
)
def test_the_same_predictions(net: tc.Session, model: Any) -> None:
    of_classes = hasattr(model, "predict_proba")
    x, y = load_iris(return_X_y=True) if of_classes else load_diabetes(return_X_y=True)
    x, y = x[::2], y[::2]
    x, y = np.round(x[:60] * 2**12) / 2**12, y[:60]
    asked = np.round(np.concatenate([x, x[::-1] * 1.03 + 0.01]) * 2**12) / 2**12
    plain = type(model)(**model.get_params()).fit(x, y)
    # kept first: which of equal gains wins may differ from job to job
    kept = model.fit(net.share(x, bounds=(-8, 8)), net.share(y, bounds=(0, 2 if of_classes else 400)))
    for fitted in (plain, kept.save(net, type(model).__name__)):
        made = fitted.to_sklearn()
        assert type(made).__name__ == type(model).__name__ and made.__module__.startswith("sklearn.")
        rows = asked if fitted is plain else net.share(asked, bounds=(-16, 16))
        names = ["predict", "predict_proba"] if of_classes else ["predict"]
        for name in names:
            found = getattr(fitted, name)(rows)
            found = found if fitted is plain else found.reveal()
            assert np.abs(found - getattr(made, name)(asked)).max() < 1e-3


def test_what_is_refused() -> None:
    x, y = load_diabetes(return_X_y=True)
    model = HistGradientBoostingRegressor(max_iter=1, max_depth=2).fit(x, y)
    with pytest.raises(InputError, match="to_plain"):
        model.to_sklearn()
