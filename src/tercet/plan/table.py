"""The operations table: every operation a plan can hold, by name and by its number on the wire."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

import numpy as np

from tercet.errors import PlanError
from tercet.plan.operation import Attrs, Flow, Operation, Plain
from tercet.plan.ops_bits import BITS
from tercet.plan.ops_local import LOCAL
from tercet.plan.ops_loop import LOOPS
from tercet.plan.ops_products import PRODUCTS
from tercet.plan.types import Type


def _given(inputs: Sequence[Type], attrs: Attrs) -> Type:
    raise PlanError("the type of an input or constant is declared, not derived")


def _never(*values: object) -> None:
    raise PlanError("an input or constant is not run")


def _unknown(inputs: Sequence[Plain], attrs: Attrs, out: Type) -> Plain:
    return np.empty(0, dtype=object)


INPUT = Operation("input", 1, "a stored secret array", _given, _never, _unknown, flow=Flow.LEAF)
CONSTANT = Operation("constant", 2, "a public array in the plan", _given, _never, _unknown, flow=Flow.LEAF)

OPERATIONS: tuple[Operation, ...] = (INPUT, CONSTANT, *LOCAL, *PRODUCTS, *BITS, *LOOPS)
BY_NAME: Mapping[str, Operation] = MappingProxyType({op.name: op for op in OPERATIONS})
BY_CODE: Mapping[int, Operation] = MappingProxyType({op.code: op for op in OPERATIONS})
