"""Inputs and exact results of the workloads on functions: NumPy alone, for Tercet and for its peers alike.

Inputs are multiples of 2^-16, which every system timed here holds exactly.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

FRAC_BITS = 16


@dataclass(frozen=True)
class Case:
    """A function by its name, the range and shape of its one input, and what it gives in double precision."""

    name: str
    elements: int
    low: float
    high: float
    exact: Callable[[Any], tuple[Any, ...]]
    columns: int = 0

    def input(self, elements: int) -> Any:
        """Numbers all over the range, both ends among them; with `columns`, as rows of so many."""
        grid = np.random.default_rng(1).uniform(self.low, self.high, elements)
        grid[:2] = self.low, self.high
        numbers = np.rint(grid * 2**FRAC_BITS) / 2**FRAC_BITS
        return numbers.reshape(-1, self.columns) if self.columns else numbers


def largest_error(results: Any, exact: Any) -> float:
    """The largest distance in last bits of 16 fractional bits, relative where the exact value is above 1."""
    distances = [
        np.abs(np.asarray(got, np.float64) - want) / np.maximum(np.abs(want), 1)
        for got, want in zip(results, exact, strict=True)
    ]
    return max(float(distance.max()) for distance in distances) * 2.0**FRAC_BITS


def _softmax(x: Any) -> tuple[Any, ...]:
    powers = np.exp(x - x.max(axis=1, keepdims=True))
    return (powers / powers.sum(axis=1, keepdims=True),)


CASES = (
    Case("exp", 100_000, -8, 8, lambda x: (np.exp(x),)),
    Case("exp of x <= 0", 100_000, -8, 0, lambda x: (np.exp(x),)),
    Case("sqrt", 100_000, 2.0**-16, 1000, lambda x: (np.sqrt(x),)),
    Case("log", 100_000, 2.0**-16, 1000, lambda x: (np.log(x),)),
    Case("expit", 100_000, -30, 30, lambda x: (1 / (1 + np.exp(-x)),)),
    Case("tanh", 100_000, -10, 10, lambda x: (np.tanh(x),)),
    Case("sin and cos", 100_000, -100, 100, lambda x: (np.sin(x), np.cos(x))),
    Case("softmax, rows of 1,000", 100_000, -10, 10, _softmax, columns=1000),
)
BY_NAME = {case.name: case for case in CASES}
