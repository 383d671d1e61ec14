"""Models kept in a session and made anew from what is kept."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import tercet as tc
from tercet.errors import InputError
from tercet.learn.registry import rebuild
from tercet.linear_model import LinearRegression

DRAW = np.random.default_rng(5)
X = DRAW.normal(size=(60, 2))
Y = X @ [2.0, -1.0] + 0.5


@pytest.mark.parametrize("fit_intercept", [True, False])
def test_saved_and_loaded(fit_intercept: bool) -> None:
    with tc.local() as net:
        model = LinearRegression(fit_intercept=fit_intercept)
        model.fit(net.share(X, bounds=(-9, 9)), net.share(Y, bounds=(-30, 30)))
        assert model.save(net, "risk") is model
        with net.measure() as m:
            loaded = tc.load("risk", net)
            assert m.jobs == 0
        assert isinstance(loaded, LinearRegression)
        assert loaded.fit_intercept is fit_intercept
        assert np.array_equal(loaded.coef_.reveal(), model.coef_.reveal())
        assert np.array_equal(loaded.aliased_.reveal(), [False, False])
        fresh = net.share(X[:5], bounds=(-9, 9))
        assert np.allclose(loaded.predict(fresh).reveal(), model.predict(fresh).reveal())
        with pytest.raises(InputError, match="already"):
            model.save(net, "risk")
        with pytest.raises(InputError, match="no model 'other'"):
            tc.load("other", net)


def test_what_is_not_saved() -> None:
    assert repr(LinearRegression(fit_intercept=False)) == "LinearRegression(fit_intercept=False)"
    with tc.local() as net:
        with pytest.raises(InputError, match="not fitted"):
            LinearRegression().save(net, "risk")
        with pytest.raises(InputError, match="plain data"):
            LinearRegression().fit(X, Y).save(net, "risk")


GOOD: dict[str, Any] = {
    "class": "LinearRegression",
    "format": 2,
    "parameters": {"fit_intercept": True},
    "attributes": {"coef_": 1, "intercept_": 2, "aliased_": 3, "capped_": 5, "coef_bits_": 4, "reach_": [0, 1, 32]},
}


@pytest.mark.parametrize(
    "change",
    [
        {"class": "Unknown"},
        {"class": "object"},
        {"class": "SecretArray"},
        {"class": "os.system"},
        {"format": 1},
        {"parameters": None},
        {"parameters": {}},
        {"parameters": {"fit_intercept": True, "more": 1}},
        {"attributes": {"coef_": 1}},
        {"attributes": {**GOOD["attributes"], "fit": 1}},
        {"attributes": {**GOOD["attributes"], "coef_": {"secret": "another"}}},
        {"attributes": {**GOOD["attributes"], "coef_": {"array": ["x"], "dtype": "O"}}},
        {"attributes": {**GOOD["attributes"], "coef_": {"model": {"class": "object"}}}},
        {"attributes": {**GOOD["attributes"], "coef_": {"call": "f"}}},
        {"attributes": {**GOOD["attributes"], "coef_": {}}},
    ],
)
def test_broken_descriptions(change: dict[str, Any]) -> None:
    """What nodes give back is not trusted to be a model: only attributes of a known class are set."""
    assert isinstance(rebuild(GOOD, {}), LinearRegression)
    with pytest.raises(InputError):
        rebuild({**GOOD, **change}, {})
