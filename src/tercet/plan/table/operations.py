"""The operations table: every operation a plan can hold, by name and by its number on the wire."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, NoReturn

import numpy as np

from tercet.errors import PlanError
from tercet.plan.table.attributes import Attributes, LoopCount
from tercet.plan.table.operation import Bounding, Data, Flow, Operation, Plain, only
from tercet.plan.table.ops_angles import ANGLES
from tercet.plan.table.ops_binades import BINADES
from tercet.plan.table.ops_bits import BITS
from tercet.plan.table.ops_draws import DRAWS
from tercet.plan.table.ops_functions import FUNCTIONS
from tercet.plan.table.ops_local import LOCAL
from tercet.plan.table.ops_move import MOVES
from tercet.plan.table.ops_order import ORDER
from tercet.plan.table.ops_permute import PERMUTATIONS
from tercet.plan.table.ops_pieces import PIECES
from tercet.plan.table.ops_powers import WHOLE_POWERS
from tercet.plan.table.ops_products import PRODUCTS
from tercet.plan.table.ops_quotients import QUOTIENTS
from tercet.plan.table.ops_windows import WINDOWS
from tercet.plan.types import Type

MAX_COUNT = 1 << 20
MAX_NESTING = 4


def _declared(inputs: Sequence[Type], attrs: Attributes) -> Type:
    raise PlanError("the type of an input, a constant or a loop is declared, not derived")


def _never(*values: object) -> NoReturn:
    raise PlanError("an input, a constant or a loop is not run by itself")


def _unknown(inputs: Sequence[Plain], attrs: Attributes, out: Type) -> Plain:
    return np.empty(0, dtype=object)


INPUT = Operation(
    "input",
    1,
    "a stored secret array",
    Attributes,
    _declared,
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
    _declared,
    only(_never),
    _unknown,
    rows=Flow.LEAF,
    data=Data.WORDS,
)
LOOP = Operation(
    "loop",
    80,
    "a body of operations, a public number of times",
    LoopCount,
    _declared,
    only(_never, _never),
    _unknown,
    error="that of its body",
    protocol="that of its body",
    rows=Flow.LOOP,
    data=Data.BODY,
    results=lambda attrs: attrs.carried,
    bounds=Bounding.DECLARED,
)
"""Its results are the carried values after the last pass."""

OPERATIONS: tuple[Operation[Any], ...] = (
    INPUT,
    CONSTANT,
    *LOCAL,
    *MOVES,
    *ANGLES,
    *PRODUCTS,
    *BITS,
    *FUNCTIONS,
    *PIECES,
    *QUOTIENTS,
    *WHOLE_POWERS,
    *BINADES,
    *ORDER,
    *PERMUTATIONS,
    *DRAWS,
    *WINDOWS,
    LOOP,
)
BY_NAME: Mapping[str, Operation[Any]] = MappingProxyType({op.name: op for op in OPERATIONS})
BY_CODE: Mapping[int, Operation[Any]] = MappingProxyType({op.code: op for op in OPERATIONS})
