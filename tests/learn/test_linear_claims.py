"""What linear models claim of bounds holds on real data: a checked run verifies every claim."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn.datasets import load_breast_cancer, load_diabetes

import tercet as tc
from tercet.linear_model import ElasticNet, LogisticRegression, Ridge, SGDClassifier
from tercet.svm import LinearSVC


def shared(net: Any, values: Any) -> Any:
    return net.share(values, bounds=(values.min().item(), values.max().item()))


@pytest.mark.parametrize(
    "model",
    [
        Ridge(),
        ElasticNet(alpha=0.01, l1_ratio=0.9, max_iter=20),
        LogisticRegression(max_iter=5, class_weight="balanced"),
        LinearSVC(max_iter=4),
        SGDClassifier("log_loss", random_state=0, max_iter=2),
    ],
    ids=repr,
)
def test_claims_hold(model: Any) -> None:
    regression = isinstance(model, Ridge | ElasticNet)
    x, y = (load_diabetes if regression else load_breast_cancer)(return_X_y=True)
    x = x[:, :3] if regression else x[:, 1:30:14]
    if isinstance(model, SGDClassifier):
        x = (x - x.mean(axis=0)) / x.std(axis=0)
    with tc.local(checked=True) as net:
        found = model.fit(shared(net, x), shared(net, y)).coef_.reveal()
    assert np.isfinite(found).all()
    assert np.abs(found).max() > 0
