"""A loop with a public count, as one operation with several results."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from tercet.errors import PlanError
from tercet.plan.table.attributes import Attributes, LoopCount
from tercet.plan.table.operation import Bounding, Data, Flow, Operation, Plain
from tercet.plan.table.variants import only
from tercet.plan.types import Type

MAX_COUNT = 1 << 20
MAX_NESTING = 4


def _declared(inputs: Sequence[Type], attrs: Attributes) -> Type:
    raise PlanError("the type of a loop follows from its body")


def _passes(*values: object) -> None:
    raise PlanError("a loop runs by its passes")


def _meaning(inputs: Sequence[Plain], attrs: Attributes, out: Type) -> Plain:
    """Nothing by itself: the oracle runs the body."""
    return np.empty(0, dtype=object)


LOOP = Operation(
    "loop",
    80,
    "a body of operations, a public number of times",
    LoopCount,
    _declared,
    only(_passes),
    _meaning,
    local=False,
    error="that of its body",
    protocol="that of its body",
    rows=Flow.LOOP,
    data=Data.BODY,
    results=lambda attrs: attrs.carried,
    bounds=Bounding.DECLARED,
)
"""Its results are the carried values after the last pass."""

LOOPS: tuple[Operation[Any], ...] = (LOOP,)
