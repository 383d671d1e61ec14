"""Activations that torch has in `torch.nn.functional`, under its names; those of public arrays give plain values.

Error as in `tercet.special`; `relu` is exact.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from tercet.array.core import SecretArray
from tercet.array.dispatch import array_function_beside
from tercet.array.functions import of_one
from tercet.array.special import plain_ndtr
from tercet.plan.record import tails
from tercet.plan.record.graph import Recorded


def _plain_relu(x: Any) -> Any:
    return np.maximum(x, 0)


def _plain_silu(x: Any) -> Any:
    return np.asarray(x) * np.exp(-np.logaddexp(0, -np.asarray(x)))


def _plain_gelu(x: Any, approximate: str = "none") -> Any:
    x = np.asarray(x)
    if _by_tanh(approximate):
        return x * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))) / 2
    return x * plain_ndtr(x)


def _by_tanh(approximate: str) -> bool:
    if approximate not in ("none", "tanh"):
        raise ValueError(f"gelu has the approximations 'none' and 'tanh', not {approximate!r}")
    return approximate == "tanh"


@array_function_beside(_plain_relu)
def relu(x: Any, /) -> SecretArray:
    """max(x, 0); exact. Costs 210 bits in 8 rounds."""
    return of_one(x, "relu", tails.relu)


@array_function_beside(_plain_silu)
def silu(x: Any, /) -> SecretArray:
    """x expit(x). Costs 1,800 to 2,100 bits in 27 rounds, or 5,300 in 30."""
    return of_one(x, "silu", tails.silu)


@array_function_beside(_plain_gelu)
def gelu(x: Any, /, approximate: str = "none") -> SecretArray:
    """x times the normal distribution function of x, or with `approximate="tanh"` the usual approximation of it.

    Costs 1,600 to 1,800 bits in 25 rounds, or 4,100 in 28. ValueError for another approximation.
    """
    by_tanh = _by_tanh(approximate)

    def record(node: Recorded) -> Recorded:
        return tails.gelu(node, by_tanh=by_tanh)

    return of_one(x, "gelu", record)
