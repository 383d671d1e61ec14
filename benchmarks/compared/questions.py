"""The questions that every way is asked, their data, and the true answers.

Knows NumPy only, as it also runs in the environments of peers.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

SEED = 12
LIMIT = 6
"""Every x is within -6 to 6."""
TARGET_LIMIT = 24
"""Every y is within -24 to 24."""
MOST = 100_000
"""The numbers to be compared are integers below this."""
QUESTIONS = {
    "mean": "mean of every column",
    "moments": "linear regression by its sums",
    "regression": "linear regression, only coefficients revealed",
    "step": "one step of a logistic regression",
    "comparison": "count of a < b",
}


@dataclass(frozen=True)
class Data:
    """Rows (x, y, label) that several owners hold parts of, weights before a step, and two owners' numbers a and b."""

    rows: int
    columns: int

    @cached_property
    def _drawn(self) -> tuple[np.ndarray[Any, Any], ...]:
        rng = np.random.default_rng(SEED)
        x = rng.normal(size=(self.rows, self.columns)).clip(-LIMIT, LIMIT)
        y = (x @ rng.normal(size=self.columns) + 1 + rng.normal(size=self.rows)).clip(-TARGET_LIMIT, TARGET_LIMIT)
        label = rng.random(self.rows) < sigmoid(x @ rng.normal(size=self.columns) / 2)
        return x, y, label, rng.integers(0, MOST, self.rows), rng.integers(0, MOST, self.rows)

    @property
    def x(self) -> np.ndarray[Any, Any]:
        return self._drawn[0]

    @property
    def y(self) -> np.ndarray[Any, Any]:
        return self._drawn[1]

    @property
    def label(self) -> np.ndarray[Any, Any]:
        return self._drawn[2]

    @property
    def pair(self) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
        return self._drawn[3], self._drawn[4]

    @property
    def weights(self) -> np.ndarray[Any, Any]:
        """Secret, as they are after a first step. Not zero, where a step would be linear."""
        return np.linspace(-0.5, 0.5, self.columns)

    def truth(self, question: str) -> Any:
        if question == "mean":
            return self.x.mean(axis=0)
        if question in ("moments", "regression"):
            return solved(moments(self.x, self.y))
        if question == "step":
            return self.weights - self.x.T @ (sigmoid(self.x @ self.weights) - self.label) / self.rows
        return int(np.sum(self.pair[0] < self.pair[1]))

    def error(self, question: str, found: Any) -> float:
        """The largest error of an answer's numbers."""
        return float(np.max(np.abs(np.asarray(found, dtype=float) - self.truth(question))))


@dataclass(frozen=True)
class Answer:
    """What one question cost one way: seconds and bytes to bring the data, of keys that are sent once, and to answer.

    `part`: of how many rows it was measured, where that is not all; seconds and bytes are then those of all rows, by
    proportion.
    """

    bring_s: float
    bring_bytes: float
    answer_s: float
    answer_bytes: float
    error: float
    key_s: float = 0.0
    key_bytes: float = 0.0
    rounds: int | None = None
    part: int | None = None


def sigmoid(z: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    return np.asarray(1 / (1 + np.exp(-z)))


def moments(x: np.ndarray[Any, Any], y: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """All sums of products of the columns of (1, x, y): enough for every linear regression of y."""
    z = np.column_stack([np.ones(len(x)), x, y])
    return np.asarray(z.T @ z)


def solved(sums: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Intercept and coefficients from `moments`."""
    return np.asarray(np.linalg.solve(sums[:-1, :-1], sums[:-1, -1]))


def timed(work: Callable[[], Any], repeats: int = 1) -> tuple[float, Any]:
    """Median seconds and the last result."""
    seconds = []
    for _ in range(repeats):
        began = time.perf_counter()
        result = work()
        seconds.append(time.perf_counter() - began)
    return statistics.median(seconds), result
