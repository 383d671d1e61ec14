"""From recorded values to a plan: only what is needed, products fused with their rescaling, variants chosen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction

from tercet.plan.graph import LoopBody, Node
from tercet.plan.network import Network
from tercet.plan.operation import WIDE, Attrs, Call
from tercet.plan.plan import Output, OutputKind, Plan, PlanOperation, operand_handle
from tercet.plan.table import INPUT
from tercet.protocols.cost import Cost

FUSED = ("multiply", "contract", "matmul")


@dataclass(frozen=True, slots=True)
class Wanted:
    """A result that a plan is made for."""

    node: Node
    kind: OutputKind
    handle: bytes = b""
    divisor: Fraction = Fraction(1)
    """What the revealed integers are still to be divided by; sessions that remember jobs note it."""


def compile_plan(wanted: Sequence[Wanted], network: Network) -> Plan:
    """The plan that gives these results, for this network. Near-linear in the number of recorded operations."""
    order = ordered([want.node for want in wanted])
    operations, position = _operations(order, [want.node for want in wanted], {}, network)
    outputs = tuple(Output(want.kind, position[want.node.serial], want.handle) for want in wanted)
    return Plan(tuple(operations), outputs)


def compile_body(body: LoopBody, network: Network) -> Plan:
    """The plan of a loop's body: an input for every operand, an output for every carried value."""
    operands = (*body.carried, *body.captured)
    order = ordered(body.results, operands)
    handles = {operand.serial: operand_handle(place) for place, operand in enumerate(operands)}
    operations, position = _operations(order, body.results, handles, network)
    results = enumerate(body.results)
    outputs = [Output(OutputKind.PERSIST, position[node.serial], operand_handle(place)) for place, node in results]
    return Plan(tuple(operations), tuple(outputs))


def _operations(
    order: Sequence[Node], results: Sequence[Node], leaves: Mapping[int, bytes], network: Network
) -> tuple[list[PlanOperation], dict[int, int]]:
    """Nodes as operations, and where each stands; `leaves` are taken as inputs with these handles."""
    kept = {node.serial for node in results}
    uses: dict[int, int] = {}
    for node in order:
        if node.serial not in leaves:
            for value in node.inputs:
                uses[value.serial] = uses.get(value.serial, 0) + 1
    position: dict[int, int] = {}
    operations: list[PlanOperation] = []
    fused = {
        node.inputs[0].serial
        for node in order
        if node.operation.name == "rescale"
        and node.serial not in leaves
        and node.inputs[0].operation.name in FUSED
        and node.inputs[0].attrs[0] != WIDE
        and uses[node.inputs[0].serial] == 1
        and node.inputs[0].serial not in kept
        and node.inputs[0].serial not in leaves
    }
    for node in order:
        if node.serial in fused:
            continue
        if node.serial in leaves:
            position[node.serial] = len(operations)
            operations.append(PlanOperation(INPUT, (), (), node.type, leaves[node.serial]))
            continue
        operation, inputs, attrs, data, body = node.operation, node.inputs, node.attrs, node.data, None
        if operation.name == "rescale" and inputs[0].serial in fused:
            product = inputs[0]
            operation, inputs, attrs = product.operation, product.inputs, (node.attrs[0], *product.attrs[1:])
        if operation.variants:
            attrs = _variant(node, attrs, network)
        if node.body is not None:
            body = compile_body(node.body, network)
            data = body.to_bytes()
        position[node.serial] = len(operations)
        places = tuple(position[value.serial] for value in inputs)
        operations.append(PlanOperation(operation, places, attrs, node.type, data, body))
    return operations, position


def ordered(roots: Sequence[Node], leaves: Sequence[Node] = ()) -> list[Node]:
    """The nodes that the roots need, each after its inputs: the leaves as given, then in the order of recording."""
    first = {leaf.serial: leaf for leaf in leaves}
    found = {root.serial: root for root in roots if root.serial not in first}
    stack = list(found.values())
    while stack:
        for value in stack.pop().inputs:
            if value.serial not in found and value.serial not in first:
                found[value.serial] = value
                stack.append(value)
    return [*first.values(), *(found[serial] for serial in sorted(found))]


def _variant(node: Node, attrs: Attrs, network: Network) -> Attrs:
    types = tuple(value.type for value in node.inputs)

    def seconds(variant: int) -> float:
        return network.seconds(node.operation.cost(Call(types, (*attrs[:-1], variant), node.type)))

    return (*attrs[:-1], min((0, 1), key=seconds))


def operation_costs(plan: Plan) -> list[Cost]:
    """What each operation of the plan costs; of a loop, its body's cost as often as it runs, pass after pass."""
    costs = []
    for index, op in enumerate(plan.operations):
        if op.body is not None:
            once = total_cost(op.body)
            costs.append(Cost(op.attrs[0] * once.rounds, op.attrs[0] * once.total_bytes))
        else:
            costs.append(Cost() if op.is_leaf else op.operation.cost(plan.call(index)))
    return costs


def critical_path(plan: Plan, rounds: Sequence[int]) -> int:
    """The longest chain of rounds through the plan, given those of each operation."""
    depth: list[int] = []
    for op, own in zip(plan.operations, rounds, strict=True):
        depth.append(own + max((depth[value] for value in op.inputs), default=0))
    return max((depth[output.value] for output in plan.outputs), default=0)


def measured_rounds(plan: Plan, rounds: Sequence[int]) -> int:
    """The critical path of a run, given the rounds of every listed operation (see `Plan.listed`)."""
    own = list(rounds[: len(plan.operations)])
    for index, start in plan.listings.items():
        op = plan.operations[index]
        assert op.body is not None
        own[index] = op.attrs[0] * measured_rounds(op.body, rounds[start : start + len(op.body.listed)])
    return critical_path(plan, own)


def total_cost(plan: Plan) -> Cost:
    """Rounds of the critical path and the bytes of all operations together."""
    costs = operation_costs(plan)
    rounds = critical_path(plan, [cost.rounds for cost in costs])
    return Cost(rounds, sum(cost.total_bytes for cost in costs))


def largest_ring(plan: Plan) -> int:
    """The widest ring in which the plan computes (64 if it is about bools only)."""
    inner = (largest_ring(op.body) for op in plan.operations if op.body is not None)
    return max((*(op.type.ring for op in plan.operations if op.type.ring), *inner), default=64)
