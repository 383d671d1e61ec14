"""Plain columns that do not vary beside a constant: left out and told of, as secret ones are."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tercet.stats import GLM, OLS, WLS, Logit, MNLogit, Poisson, add_constant

DRAW = np.random.default_rng(0)
N = 60
X = DRAW.normal(size=(N, 2))
Y = 3 + X @ [1, -0.5] + DRAW.normal(size=N)
ILL = X @ [1, 0.3] + DRAW.normal(size=N) > 0
WEIGHTS = DRAW.uniform(0.5, 2, N)
CLASSES = ILL + (X[:, 1] + DRAW.normal(size=N) > 0)
MODELS: dict[str, Any] = {
    "OLS": lambda x: OLS(Y, x),
    "WLS": lambda x: WLS(Y, x, weights=WEIGHTS),
    "GLM": lambda x: GLM(Y, x),
    "Logit": lambda x: Logit(ILL, x),
    "Poisson": lambda x: Poisson(CLASSES, x),
    "MNLogit": lambda x: MNLogit(CLASSES, x),
}


@pytest.mark.parametrize("value", [1.0, 0.1, 1e6, 0.0])
@pytest.mark.parametrize("name", MODELS)
def test_a_column_that_equals_the_constant_is_left_out(name: str, value: float) -> None:
    wanted = MODELS[name](add_constant(X)).fit().reveal()
    both = np.column_stack([X[:, 0], np.full(N, value), X[:, 1]])
    found = MODELS[name](add_constant(both)).fit().reveal()
    places = [0, 1, 3]
    params, errors = np.asarray(found.params), np.asarray(found.bse)
    assert np.allclose(params[places], wanted.params, rtol=1e-8) and np.allclose(errors[places], wanted.bse, rtol=1e-8)
    assert not params[2].any() and not errors[2].any()
    assert np.asarray(found.aliased).reshape(4, -1).all(axis=1).tolist() == [False, False, True, False]
