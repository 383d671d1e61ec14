"""Trees of scikit-learn, XGBoost and LightGBM, shared: a row takes the branch that it takes in plain."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
import sklearn.ensemble as ensembles
import sklearn.tree as single
from sklearn import datasets

import tercet as tc
from tercet.ensemble import (
    ExtraTreesRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
)
from tercet.errors import InputError
from tercet.learn.trees import plain
from tercet.tree import DecisionTreeClassifier, DecisionTreeRegressor


@pytest.fixture(scope="module")
def net() -> Iterator[tc.Session]:
    with tc.local() as session:
        yield session


def data(name: str, rows: int = 200) -> tuple[Any, Any]:
    """As it is stored at 16 fractional bits."""
    x, y = getattr(datasets, f"load_{name}")(return_X_y=True)
    return np.round(x[:rows] * 2**16) / 2**16, y[:rows]


def shared(net: tc.Session, x: Any) -> Any:
    return net.share(x, bounds=(x.min(), x.max()))


@pytest.mark.parametrize("seed", range(3))
def test_limits_are_those_of_float32(seed: int) -> None:
    draw = np.random.default_rng(seed)
    frac_bits = 40
    for _ in range(200):
        threshold = float(draw.normal() * 2.0 ** draw.integers(-6, 12))
        if draw.integers(2):
            threshold = float(np.float32(threshold))  # as midpoints of float32 numbers often are
        found = plain.limit(threshold, True, frac_bits)
        for step in (-1, 0, 1, 2):
            x = Fraction(found + step, 1 << frac_bits)
            assert Fraction(float(x)) == x
            assert (float(np.float32(float(x))) <= threshold) == (step <= 0), (threshold, step)
        assert plain.limit(threshold, False, frac_bits) == np.floor(threshold * 2.0**frac_bits)


def test_half_way_rounds_to_even() -> None:
    one, next_, third = np.float32(1), np.nextafter(np.float32(1), np.float32(2)), np.float32(1 + 2**-22)
    assert plain.limit(float(one), True, 30) == 2**30 + 2**6  # 1 + 2^-24 rounds down to 1
    assert plain.limit(float(next_), True, 30) == 2**30 + 3 * 2**6 - 1  # half way above it rounds up
    assert plain.limit(float(third), True, 30) == 2**30 + 5 * 2**6


def test_a_column_on_the_threshold(net: tc.Session) -> None:
    """At half a float32's step on either side, where rounding decides."""
    x = np.array([[0.1], [0.3], [0.7], [0.9]])
    fitted = single.DecisionTreeRegressor(max_depth=1).fit(x, [1, 1, 2, 2])
    threshold = Fraction(float(fitted.tree_.threshold[0]))
    step = Fraction(1, 1 << 26)
    near = np.array([[float(Fraction(round(threshold / step)) * step + k * step)] for k in range(-8, 9)])
    model = DecisionTreeRegressor.from_sklearn(fitted, net)
    found = model.predict(net.share(near, bounds=(0, 1), frac_bits=26)).reveal()
    assert np.array_equal(found, fitted.predict(near)) and len(set(found)) == 2


def test_single_trees(net: tc.Session) -> None:
    x, y = data("wine")
    fitted = single.DecisionTreeClassifier(max_depth=4, random_state=0).fit(x[::2], y[::2])
    model = DecisionTreeClassifier.from_sklearn(fitted, net)
    found, likely, worth = tc.reveal(
        model.predict(shared(net, x)), model.predict_proba(shared(net, x)), model.feature_importances_
    )
    assert np.array_equal(found, fitted.predict(x))
    assert np.abs(likely - fitted.predict_proba(x)).max() < 2**-20
    assert np.abs(worth - fitted.feature_importances_).max() < 2**-19
    revealed = model.to_plain()
    assert np.array_equal(revealed.predict(x), fitted.predict(x)) and isinstance(revealed.features_, np.ndarray)


def test_forests(net: tc.Session) -> None:
    x, y = data("breast_cancer")
    fitted: Any = ensembles.RandomForestClassifier(12, max_depth=5, random_state=0).fit(x[::2], y[::2])
    model = RandomForestClassifier.from_sklearn(fitted, net)
    model.save(net, "forest")
    loaded: Any = tc.load("forest", net)
    likely, again = tc.reveal(model.predict_proba(shared(net, x)), loaded.predict(shared(net, x[:20])))
    assert np.abs(likely - fitted.predict_proba(x)).max() < 1e-6
    assert np.array_equal(again, fitted.predict(x[:20]))
    x, y = data("diabetes")
    fitted = ensembles.ExtraTreesRegressor(6, max_depth=4, random_state=0).fit(x[::2], y[::2])
    found = ExtraTreesRegressor.from_sklearn(fitted, net).predict(shared(net, x)).reveal()
    assert np.abs(found - fitted.predict(x)).max() < 1e-4


@pytest.mark.parametrize("kind", ["HistGradientBoosting", "GradientBoosting"])
def test_boosting(net: tc.Session, kind: str) -> None:
    count = {"max_iter" if kind.startswith("Hist") else "n_estimators": 6}
    x, y = data("iris")
    fitted = getattr(ensembles, f"{kind}Classifier")(max_depth=3, **count).fit(x[::2], y[::2])
    model = HistGradientBoostingClassifier.from_sklearn(fitted, net)
    found, likely = tc.reveal(model.decision_function(shared(net, x)), model.predict_proba(shared(net, x)))
    assert np.abs(found - fitted.decision_function(x)).max() < 1e-5
    assert np.abs(likely - fitted.predict_proba(x)).max() < 1e-4
    x, y = data("diabetes")
    fitted = getattr(ensembles, f"{kind}Regressor")(max_depth=3, **count).fit(x[::2], y[::2])
    found = HistGradientBoostingRegressor.from_sklearn(fitted, net).predict(shared(net, x)).reveal()
    assert np.abs(found - fitted.predict(x)).max() < 1e-4


def test_xgboost(net: tc.Session) -> None:
    xgboost = pytest.importorskip("xgboost")
    x, y = data("breast_cancer")
    fitted = xgboost.XGBClassifier(n_estimators=6, max_depth=3).fit(x[::2], y[::2])
    raw = fitted.get_booster().save_raw("json")
    model = HistGradientBoostingClassifier.from_xgboost(bytes(raw), net)
    found, predicted = tc.reveal(model.decision_function(shared(net, x)), model.predict(shared(net, x)))
    assert np.abs(found - fitted.predict(x, output_margin=True)).max() < 1e-5
    assert np.array_equal(predicted, fitted.predict(x))
    x, y = data("iris")
    fitted = xgboost.XGBClassifier(n_estimators=4, max_depth=3).fit(x[::2], y[::2])
    likely = HistGradientBoostingClassifier.from_xgboost(fitted, net).predict_proba(shared(net, x)).reveal()
    assert np.abs(likely - fitted.predict_proba(x)).max() < 1e-4
    x, y = data("diabetes")
    fitted = xgboost.XGBRegressor(n_estimators=6, max_depth=3).fit(x[::2], y[::2])
    found = HistGradientBoostingRegressor.from_xgboost(fitted, net).predict(shared(net, x)).reveal()
    assert np.abs(found - fitted.predict(x)).max() < 1e-3
    with pytest.raises(InputError, match=r"'objective' parameter must be .* Got 'reg:squarederror'"):
        HistGradientBoostingClassifier.from_xgboost(fitted, net)
    with pytest.raises(InputError, match="not a model of XGBoost"):
        HistGradientBoostingClassifier.from_xgboost("{}", net)


def test_xgboost_compares_below(net: tc.Session) -> None:
    """x < t, where scikit-learn has x <= t: a model written by hand, as the JSON of XGBoost has it."""
    tree = {
        "left_children": [1, -1, -1],
        "right_children": [2, -1, -1],
        "split_indices": [0, 0, 0],
        "split_conditions": [0.5, 1.0, 2.0],
        "split_type": [0, 0, 0],
    }
    facts = {"num_feature": "1", "num_class": "0", "base_score": "0.5"}
    learner = {
        "gradient_booster": {"name": "gbtree", "model": {"trees": [tree], "tree_info": [0]}},
        "learner_model_param": facts,
        "objective": {"name": "reg:squarederror"},
    }
    model = HistGradientBoostingRegressor.from_xgboost({"learner": learner}, net)
    found = model.predict(net.share([[0.25], [0.5], [0.75]], bounds=(0, 1))).reveal()
    assert np.array_equal(found, [1.5, 2.5, 2.5])


def test_lightgbm(net: tc.Session) -> None:
    lightgbm = pytest.importorskip("lightgbm")
    x, y = data("breast_cancer")
    fitted = lightgbm.LGBMClassifier(n_estimators=6, max_depth=3, verbose=-1).fit(x[::2], y[::2])
    wanted = fitted.predict(x, raw_score=True)
    for given in (fitted.booster_.dump_model(), fitted.booster_.model_to_string()):
        model = HistGradientBoostingClassifier.from_lightgbm(given, net)
        assert np.abs(model.decision_function(shared(net, x)).reveal() - wanted).max() < 1e-5
    x, y = data("iris")
    fitted = lightgbm.LGBMClassifier(n_estimators=4, max_depth=3, verbose=-1).fit(x[::2], y[::2])
    likely = HistGradientBoostingClassifier.from_lightgbm(fitted, net).predict_proba(shared(net, x)).reveal()
    assert np.abs(likely - fitted.predict_proba(x)).max() < 1e-4
    x, y = data("diabetes")
    fitted = lightgbm.LGBMRegressor(n_estimators=6, max_depth=3, verbose=-1).fit(x[::2], y[::2])
    found = HistGradientBoostingRegressor.from_lightgbm(fitted, net).predict(shared(net, x)).reveal()
    assert np.abs(found - fitted.predict(x)).max() < 1e-3


def test_what_is_refused(net: tc.Session) -> None:
    x, y = data("diabetes")
    deep = single.DecisionTreeRegressor().fit(x, y)
    with pytest.raises(InputError, match="a tree of depth"):
        DecisionTreeRegressor.from_sklearn(deep, net)
    with pytest.raises(InputError, match=r"'loss' parameter must be .* Got 'poisson'"):
        HistGradientBoostingRegressor.from_sklearn(
            ensembles.HistGradientBoostingRegressor(loss="poisson", max_iter=1).fit(x, y), net
        )
    with pytest.raises(InputError, match="no model of LightGBM"):
        HistGradientBoostingRegressor.from_lightgbm("tree\n", net)
    with pytest.raises(InputError, match="2 classes for a model of 3"):
        HistGradientBoostingClassifier._of(
            plain.PlainTrees([plain.TreeNode([0.0] * 3)], 2, 3, np.zeros(3), rounded=False), net, [0, 1]
        )
