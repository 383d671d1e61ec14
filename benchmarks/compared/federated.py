"""Federated averaging in plain NumPy: owners keep their rows and send what they computed on them.

Also reads a record back from a gradient, which is what each round reveals.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from compared.questions import Answer, Data, moments, sigmoid, solved, timed

OWNERS = 3
NUMBER_BYTES = 8


def asked(data: Data, repeats: int = 5) -> dict[str, Answer]:
    """One round of each: the owners' sums or gradients, added up by a coordinator who sees each."""
    parts = np.array_split(np.arange(data.rows), OWNERS)
    sides = data.columns + 2

    def mean() -> Any:
        return sum(data.x[part].sum(axis=0) for part in parts) / data.rows

    def by_sums() -> Any:
        return solved(np.sum([moments(data.x[part], data.y[part]) for part in parts], axis=0))

    def step() -> Any:
        slopes = [gradient(data.x[part], data.label[part], data.weights) * len(part) for part in parts]
        return data.weights - np.sum(slopes, axis=0) / data.rows

    sent = {"mean": (mean, data.columns), "moments": (by_sums, sides * (sides + 1) // 2), "step": (step, data.columns)}
    answers = {}
    for name, (ask, numbers) in sent.items():
        seconds, found = timed(ask, repeats)
        # what the coordinator sends back: the weights before a step
        back = data.columns if name == "step" else 0
        answers[name] = Answer(0, 0, seconds, OWNERS * (numbers + back) * NUMBER_BYTES, data.error(name, found))
    return answers


def gradient(x: np.ndarray[Any, Any], label: np.ndarray[Any, Any], weights: np.ndarray[Any, Any]) -> Any:
    """What an owner sends for a step of a logistic regression: the mean over its rows."""
    return x.T @ (sigmoid(x @ weights) - label) / len(x)


def record_from(slope: np.ndarray[Any, Any]) -> tuple[np.ndarray[Any, Any], bool]:
    """The row (1, x) and the label behind the gradient of a single row, whose first column is the constant.

    The gradient is (p - label) (1, x), so its first number divides the others. p lies between 0 and 1: that number is
    negative where the label is 1, and only there.
    """
    return slope / slope[0], bool(slope[0] < 0)


def read_back(data: Data) -> dict[str, float]:
    """How near to the truth each record of the data is read from a gradient of its own."""
    z = np.column_stack([np.ones(data.rows), data.x])
    weights = np.concatenate([[0.1], data.weights])
    worst, labels = 0.0, 0
    for row, label in zip(z, data.label, strict=True):
        found, found_label = record_from(gradient(row[None], np.array([label]), weights))
        worst = max(worst, float(np.max(np.abs(found - row))))
        labels += int(found_label == label)
    return {"records": data.rows, "largest_error": worst, "labels": labels}
