"""A loop with a public count as one operation, and picking one of the values that it carries."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from tercet.errors import PlanError
from tercet.plan.operation import Attrs, Flow, Operation, Plain
from tercet.plan.types import Type

MAX_COUNT = 1 << 20
MAX_NESTING = 4


def _declared(inputs: Sequence[Type], attrs: Attrs) -> Type:
    raise PlanError("the type of a loop follows from its body")


def _passes(*values: object) -> None:
    raise PlanError("a loop runs by its passes")


def _meaning(inputs: Sequence[Plain], attrs: Attrs, out: Type) -> Plain:
    """Nothing by itself: the oracle runs the body."""
    return np.empty(0, dtype=object)


def _pick(scope: Any, call: Any, values: list[Any]) -> Any:
    return values[call.attrs[0]]


REPEAT = Operation(
    "repeat",
    80,
    "a body of operations, a public number of times",
    _declared,
    _passes,
    _meaning,
    local=False,
    error="that of its body",
    protocol="that of its body",
    flow=Flow.LOOP,
)
"""attrs: count, carried. Its value is all carried values; only `part` takes it, and its type is the first one's."""

PART = Operation("part", 81, "one of the values that a loop carries", _declared, _pick, _meaning, flow=Flow.PART)
"""attrs: which."""

LOOPS = (REPEAT, PART)
