"""Plain bools and narrow integers are numbers: sums and products of them do not wrap, whatever model takes them."""

from __future__ import annotations

import importlib
import inspect
from typing import Any

import numpy as np
import pytest

FACADES = (
    "linear_model",
    "svm",
    "ensemble",
    "tree",
    "naive_bayes",
    "discriminant_analysis",
    "decomposition",
    "mixture",
)
CLASSIFIERS = ("Classifier", "NB", "SVC", "Logistic", "Discriminant")
ROWS = np.random.default_rng(0).integers(0, 2, (40, 3))


def models() -> list[Any]:
    found = []
    for facade in FACADES:
        module = importlib.import_module(f"tercet.{facade}")
        named = [getattr(module, name) for name in dir(module)]
        found += [one for one in named if inspect.isclass(one) and hasattr(one, "fit")]
    return found


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("kind", models(), ids=lambda kind: kind.__name__)
def test_bools_and_bytes_are_fitted_as_numbers(kind: Any) -> None:
    names = inspect.signature(kind.__init__).parameters
    given: dict[str, Any] = {"random_state": 0} if "random_state" in names else {}
    given |= {"n_estimators": 3} if "n_estimators" in names else {}
    y = (ROWS @ [1, 2, 100] > 100).astype(np.int64)
    if not any(part in kind.__name__ for part in CLASSIFIERS):
        y = ROWS @ [40, 20, 50] + np.arange(40) % 7
    results = []
    for rows, goal in ((ROWS * 1.0, y), (ROWS.astype(bool), y), (ROWS.astype(np.int8), y.astype(np.uint8))):
        model = kind(**given).fit(rows, goal)
        answer = getattr(model, "predict", None) or model.transform
        results.append(np.asarray(answer(rows), dtype=float))
    for one in results[1:]:
        assert np.allclose(one, results[0], rtol=1e-6, atol=1e-6)
