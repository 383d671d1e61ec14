"""Hand-made plans for tests of the floors that run them. Sessions take no plans from users: here is where tests give
them some.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from tercet.client import Session, encode_array
from tercet.plan.plan import OutputKind, Plan, PlanOperation, PlanOutput, stored_input
from tercet.plan.table.attributes import Shift
from tercet.plan.table.operations import BY_NAME
from tercet.plan.types import Type


class StoredArray(NamedTuple):
    """An array that the parties keep."""

    handle: bytes
    type: Type


def put(net: Session, values: Any, bounds: Any = None, frac_bits: int | None = None) -> StoredArray:
    """Share without what the array floor wraps around it."""
    encoded = encode_array(values, bounds, frac_bits)
    return put_words(net, encoded.words, encoded.type)


def put_words(net: Session, words: Any, t: Type) -> StoredArray:
    """Share ring words, or bools, as what they are said to be."""
    return StoredArray(net._put(words, t), t)


def run_plan(net: Session, plan: Plan) -> list[Any]:
    """Run it at the parties of this session: what each output reveals, or None."""
    return net._run(plan)


def reveal_plan(*arrays: StoredArray) -> Plan:
    """Just reveal them."""
    operations = tuple(stored_input(a.handle, a.type) for a in arrays)
    return Plan(operations, tuple(PlanOutput(OutputKind.REVEAL, index) for index in range(len(arrays))))


def chain_plan(x: StoredArray, y: StoredArray, products: int = 1, keep: bytes = b"") -> Plan:
    """x * y * y * ...: dependent products; the result is revealed, or kept under `keep`."""
    multiply = BY_NAME["multiply"]
    operations = [stored_input(a.handle, a.type) for a in (x, y)]
    last = 0
    for _ in range(products):
        out = multiply.infer((operations[last].type, y.type), Shift())
        operations.append(PlanOperation(multiply, (last, 1), Shift(), out))
        last = len(operations) - 1
    output = PlanOutput(OutputKind.PERSIST, last, keep) if keep else PlanOutput(OutputKind.REVEAL, last)
    return Plan(tuple(operations), (output,))
