"""The workloads on models: `python benchmarks/run.py models`. `elements` are rows."""

from __future__ import annotations

from typing import Any

import numpy as np

import tercet as tc
from tercet.linear_model import LinearRegression
from workloads import Run, Workload, regression


def features(net: tc.Session, rows: int, columns: int, seed: int = 1) -> tuple[Any, Any]:
    """Standard normal features within [-8, 8], plain and shared."""
    x = np.random.default_rng(seed).normal(size=(rows, columns)).clip(-7.9, 7.9)
    return x, net.share(x, bounds=(-8, 8))


def predictions(net: tc.Session, rows: int) -> Run:
    x, X = features(net, rows, 10)
    model = LinearRegression().fit(X, net.share(x @ np.arange(10) / 8, bounds=(-64, 64)))
    model.save(net, "model")
    return lambda: model.predict(X).persist()


MODELS = (
    Workload("LinearRegression, 100,000 x 10", 100_000, 0.4, regression, 5),
    Workload("LinearRegression, predict 100,000 x 10", 100_000, None, predictions, 5),
)
