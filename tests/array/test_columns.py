"""Columns of pandas beside secrets: on either side of operators, and as public indices."""

from __future__ import annotations

import operator
from typing import Any

import numpy as np
import pandas as pd
import pytest

import tercet.array as tc
from plan_trio import TrioSession

A = np.array([1.5, -2.0, 4.0])
B = np.array([2.0, 2.0, -1.0])


@pytest.mark.parametrize("op", [operator.add, operator.sub, operator.mul, operator.gt, operator.le, operator.eq])
def test_either_side(op: Any) -> None:
    x = TrioSession().share(A, bounds=(-5, 5))
    for column in (pd.Series(B), pd.Series(B, index=[7, 8, 9]), pd.Index(B)):
        for result, expected in ((op(x, column), op(A, B)), (op(column, x), op(B, A))):
            assert isinstance(result, tc.SecretArray)
            assert np.array_equal(result.reveal(), expected)


def test_tables() -> None:
    x = TrioSession().share(A, bounds=(-5, 5))
    table = pd.DataFrame({"a": [1, 2], "b": [3, 4], "c": [0, -1]})
    assert np.array_equal((table * x).reveal(), table.to_numpy() * A)


def test_public_masks_and_positions() -> None:
    x = TrioSession().share(A, bounds=(-5, 5))
    assert np.array_equal(x[pd.Series(B) > 0].reveal(), A[:2])
    assert np.array_equal(x[pd.Series([2, 0])].reveal(), A[[2, 0]])
    rows = tc.stack([x, x * 2])
    assert np.array_equal(rows[:, pd.Series(B) > 0].reveal(), np.stack([A, A * 2])[:, :2])
    assert np.array_equal(rows[pd.DataFrame(np.eye(2, 3)) > 0].reveal(), [A[0], A[1] * 2])
