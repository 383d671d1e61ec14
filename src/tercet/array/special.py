"""Functions that SciPy has in `scipy.special`, under its names; those of public arrays give plain values."""

from __future__ import annotations

from typing import Any

import numpy as np

from tercet.array.core import SecretArray
from tercet.array.dispatch import array_function_beside
from tercet.array.functions import of_one
from tercet.plan.record import functions
from tercet.plan.record.graph import Recorded


def _plain_exp10(x: Any) -> Any:
    return np.power(10.0, x)


@array_function_beside(_plain_exp10)
def exp10(x: Any, /) -> SecretArray:
    """10^x; error, costs and refusals as `tercet.exp`."""

    def record(node: Recorded) -> Recorded:
        return functions.exp(node, "exp10")

    return of_one(x, "exp10", record)
