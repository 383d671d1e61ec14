"""From recorded values to a plan: only what is needed, products fused with their rescaling, variants chosen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tercet.plan.graph import Node
from tercet.plan.network import Network
from tercet.plan.operation import Attrs, Call
from tercet.plan.plan import Output, OutputKind, Plan, PlanOperation
from tercet.protocols.cost import Cost

FUSED = ("multiply", "contract", "matmul")


@dataclass(frozen=True, slots=True)
class Wanted:
    """A result that a plan is made for."""

    node: Node
    kind: OutputKind
    handle: bytes = b""


def compile_plan(wanted: Sequence[Wanted], network: Network) -> Plan:
    """The plan that gives these results, for this network. Near-linear in the number of recorded operations."""
    order = ordered([want.node for want in wanted])
    kept = {want.node.serial for want in wanted}
    uses: dict[int, int] = {}
    for node in order:
        for value in node.inputs:
            uses[value.serial] = uses.get(value.serial, 0) + 1
    position: dict[int, int] = {}
    operations: list[PlanOperation] = []
    fused = {
        node.inputs[0].serial
        for node in order
        if node.operation.name == "rescale"
        and node.inputs[0].operation.name in FUSED
        and uses[node.inputs[0].serial] == 1
        and node.inputs[0].serial not in kept
    }
    for node in order:
        if node.serial in fused:
            continue
        operation, inputs, attrs = node.operation, node.inputs, node.attrs
        if operation.name == "rescale" and inputs[0].serial in fused:
            product = inputs[0]
            operation, inputs, attrs = product.operation, product.inputs, (node.attrs[0], *product.attrs[1:])
        if operation.variants:
            attrs = _variant(node, attrs, network)
        position[node.serial] = len(operations)
        places = tuple(position[value.serial] for value in inputs)
        operations.append(PlanOperation(operation, places, attrs, node.type, node.data))
    outputs = tuple(Output(want.kind, position[want.node.serial], want.handle) for want in wanted)
    return Plan(tuple(operations), outputs)


def ordered(roots: Sequence[Node]) -> list[Node]:
    """The nodes that the roots need, each after its inputs, in the order in which they were recorded."""
    found = {root.serial: root for root in roots}
    stack = list(found.values())
    while stack:
        for value in stack.pop().inputs:
            if value.serial not in found:
                found[value.serial] = value
                stack.append(value)
    return [found[serial] for serial in sorted(found)]


def _variant(node: Node, attrs: Attrs, network: Network) -> Attrs:
    types = tuple(value.type for value in node.inputs)

    def seconds(variant: int) -> float:
        return network.seconds(node.operation.cost(Call(types, (*attrs[:-1], variant), node.type)))

    return (*attrs[:-1], min((0, 1), key=seconds))


def operation_costs(plan: Plan) -> list[Cost]:
    """What each operation of the plan costs."""
    return [
        Cost() if op.is_leaf else op.operation.cost(plan.call(index)) for index, op in enumerate(plan.operations)
    ]


def critical_path(plan: Plan, rounds: Sequence[int]) -> int:
    """The longest chain of rounds through the plan, given those of each operation."""
    depth: list[int] = []
    for op, own in zip(plan.operations, rounds, strict=True):
        depth.append(own + max((depth[value] for value in op.inputs), default=0))
    return max((depth[output.value] for output in plan.outputs), default=0)


def total_cost(plan: Plan) -> Cost:
    """Rounds of the critical path and the bytes of all operations together."""
    costs = operation_costs(plan)
    rounds = critical_path(plan, [cost.rounds for cost in costs])
    return Cost(rounds, sum(cost.total_bytes for cost in costs))


def largest_ring(plan: Plan) -> int:
    """The widest ring in which the plan computes (64 if it is about bools only)."""
    return max((op.type.ring for op in plan.operations if op.type.ring), default=64)


