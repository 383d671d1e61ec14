"""What a plan means, in plain NumPy on stored integers: the oracle that every run is compared with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tercet.errors import InputError, PlanError
from tercet.plan.plan import Plan, PlanOperation, constant, operand_handle, result_of
from tercet.plan.table.operation import Plain
from tercet.plan.types import Type
from tercet.ring import ring, unpack_bits


def evaluate(plan: Plan, inputs: Mapping[bytes, Plain], *, check: bool = True) -> list[Plain]:
    """The plan's outputs in their order: Python ints in object arrays, or bools.

    `inputs` are stored integers (or bools) by handle. Rescaling rounds down, where a run rounds to either neighbour.
    With `check`, PlanError names the first operation whose value lies outside the bounds of its type.
    """
    values = all_values(plan, inputs, check=check)
    return [values[output.value] for output in plan.outputs]


def all_values(plan: Plan, inputs: Mapping[bytes, Plain], *, check: bool = True) -> dict[int, Plain]:
    """Every value of the plan, by its number; as `evaluate`."""
    values: dict[int, Plain] = {}
    for index, op in enumerate(plan.operations):
        if op.is_input:
            if op.data not in inputs:
                raise InputError(f"no value for the input {op.data.hex()}")
            found = [plain(inputs[op.data], op.type)]
        elif op.is_constant:
            found = [plain_constant(op)]
        elif op.body is not None:
            found = run_loop(op, [values[value] for value in op.inputs], check=check)
        else:
            found = [meaning(op, [values[value] for value in op.inputs])]
        for place, (value, t) in enumerate(zip(found, op.types, strict=True)):
            if check:
                check_value(value, t, f"operation {index} ({op.operation.name})")
            values[result_of(index, place)] = value
    return values


def run_loop(op: PlanOperation, inputs: Sequence[Plain], *, check: bool = True) -> list[Plain]:
    """The values that a loop carries, after its last pass."""
    assert op.body is not None
    carried = op.carried
    current, fixed = list(inputs[:carried]), list(inputs[carried:])
    for _ in range(op.passes):
        given = {operand_handle(place): value for place, value in enumerate([*current, *fixed])}
        current = evaluate(op.body, given, check=check)
    return current


def meaning(op: PlanOperation, inputs: Sequence[Plain]) -> Plain:
    """What one operation makes of these values."""
    return plain(op.operation.meaning(inputs, op.attrs, op.type), op.type)


def plain(values: Any, type: Type) -> Plain:
    """Values as the oracle computes with them."""
    return np.asarray(values, dtype=bool) if type.is_bool else python_ints(np.asarray(values))


def python_ints(values: NDArray[Any]) -> Plain:
    """The same integers as Python ints, so that nothing wraps."""
    if values.dtype == object and all(type(value) is int for value in values.reshape(-1)):
        return values
    result = np.empty(values.shape, dtype=object)
    result.reshape(-1)[:] = [int(value) for value in values.reshape(-1)]
    return result


def plain_constant(op: PlanOperation) -> Plain:
    """The public array of a constant operation."""
    words = constant(op).words
    if op.type.is_bool:
        return unpack_bits(words, op.type.size).reshape(op.type.shape)
    return python_ints(np.asarray(ring(op.type.ring).to_ints(words)))


def check_value(value: Plain, type: Type, what: str) -> None:
    """PlanError unless the value has the shape and the bounds of its type."""
    if value.shape != type.shape:
        raise PlanError(f"{what} has shape {value.shape}, its type says {type.shape}")
    if type.is_bool or not value.size:
        return
    lo, hi = min(value.reshape(-1)), max(value.reshape(-1))
    if lo < type.lo or hi > type.hi:
        raise PlanError(f"{what} reaches from {lo} to {hi}, its type says from {type.lo} to {type.hi}")
