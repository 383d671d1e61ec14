"""The operations table: every operation a plan can hold, by name and by its number on the wire."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

import numpy as np

from tercet.errors import PlanError
from tercet.plan.table.attributes import Attributes
from tercet.plan.table.operation import Data, Flow, Operation, Plain
from tercet.plan.table.ops_bits import BITS
from tercet.plan.table.ops_local import LOCAL
from tercet.plan.table.ops_loop import LOOPS
from tercet.plan.table.ops_products import PRODUCTS
from tercet.plan.table.variants import only
from tercet.plan.types import Type


def _given(inputs: Sequence[Type], attrs: Attributes) -> Type:
    raise PlanError("the type of an input or constant is declared, not derived")


def _never(*values: object) -> None:
    raise PlanError("an input or constant is not run")


def _unknown(inputs: Sequence[Plain], attrs: Attributes, out: Type) -> Plain:
    return np.empty(0, dtype=object)


INPUT = Operation(
    "input",
    1,
    "a stored secret array",
    Attributes,
    _given,
    only(_never),
    _unknown,
    rows=Flow.LEAF,
    data=Data.HANDLE,
)
CONSTANT = Operation(
    "constant",
    2,
    "a public array in the plan",
    Attributes,
    _given,
    only(_never),
    _unknown,
    rows=Flow.LEAF,
    data=Data.WORDS,
)

OPERATIONS: tuple[Operation[Any], ...] = (INPUT, CONSTANT, *LOCAL, *PRODUCTS, *BITS, *LOOPS)
BY_NAME: Mapping[str, Operation[Any]] = MappingProxyType({op.name: op for op in OPERATIONS})
BY_CODE: Mapping[int, Operation[Any]] = MappingProxyType({op.code: op for op in OPERATIONS})
