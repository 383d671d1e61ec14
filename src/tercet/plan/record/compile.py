"""Compilation of recorded values to a plan: what is not needed is left out, products take in their rescaling, and
variants are chosen for the network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

from tercet.errors import PlanError
from tercet.plan.network import Network
from tercet.plan.plan import (
    OutputKind,
    Plan,
    PlanOperation,
    PlanOutput,
    maker_of,
    operand_handle,
    result_of,
    stored_input,
)
from tercet.plan.record.graph import LoopBody, Recorded
from tercet.plan.record.scale import reproducible
from tercet.plan.table.attributes import Attributes, Contraction, MatrixProduct, Shifting, shift_of
from tercet.plan.table.operation import Algebra, Call, Operation, Security
from tercet.plan.types import Type
from tercet.protocols.cost import Cost


@dataclass(frozen=True, slots=True)
class Wanted:
    """A result that a plan is made for."""

    node: Recorded
    kind: OutputKind
    handle: bytes = b""
    divisor: Fraction = Fraction(1)
    """What the revealed integers are still to be divided by; sessions that remember jobs note it."""


def compile_plan(wanted: Sequence[Wanted], network: Network, security: Security = Security.SEMI_HONEST) -> Plan:
    """The plan that gives these results, for this network. Near-linear in the number of recorded operations.

    What is revealed is rounded reproducibly, whatever was recorded."""
    results = [reproducible(want.node) if want.kind is OutputKind.REVEAL else want.node for want in wanted]
    order = ordered(results)
    operations, position = _operations(order, results, {}, network, security)
    outputs = tuple(
        PlanOutput(want.kind, position[node.serial], want.handle) for want, node in zip(wanted, results, strict=True)
    )
    return Plan(tuple(operations), outputs)


def compile_body(body: LoopBody, network: Network, security: Security) -> Plan:
    """The plan of a loop's body: an input for every operand, an output for every carried value."""
    operands = body.leaves
    order = ordered(body.results, operands)
    handles = {operand.serial: operand_handle(place) for place, operand in enumerate(operands)}
    operations, position = _operations(order, body.results, handles, network, security)
    results = enumerate(body.results)
    outputs = [PlanOutput(OutputKind.PERSIST, position[node.serial], operand_handle(place)) for place, node in results]
    return Plan(tuple(operations), tuple(outputs))


def _operations(
    order: Sequence[Recorded],
    results: Sequence[Recorded],
    leaves: Mapping[int, bytes],
    network: Network,
    security: Security,
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
        if node.operation.algebra is Algebra.RESCALE
        and node.serial not in leaves
        and _takes_shift(node.inputs[0])
        and uses[node.inputs[0].serial] == 1
        and node.inputs[0].serial not in kept
        and node.inputs[0].serial not in leaves
    }
    for node in order:
        if node.serial in fused:
            continue
        if node.serial in leaves:
            position[node.serial] = len(operations)
            operations.append(stored_input(leaves[node.serial], node.type))
            continue
        if node.place:
            position[node.serial] = result_of(position[node.inputs[0].serial], node.place)
            continue
        operation, inputs, attrs, data, body = node.operation, node.inputs, node.attrs, node.data, None
        if operation.algebra is Algebra.RESCALE and inputs[0].serial in fused:
            product = inputs[0]
            operation, inputs = product.operation, product.inputs
            assert isinstance(product.attrs, Shifting)
            attrs = replace(product.attrs, shift=shift_of(node.attrs))
        variant = 0
        if operation.has_choice:
            call = Call(tuple([value.type for value in node.inputs]), node.attrs, node.type)
            variant = quickest(operation, call, network, security)
        more: tuple[Type, ...] = ()
        if node.body is not None:
            body = compile_body(node.body, network, security)
            data = body.to_bytes()
            more = tuple([value.type for value in node.body.carried[1:]])
        position[node.serial] = len(operations)
        places = tuple(position[value.serial] for value in inputs)
        operations.append(PlanOperation(operation, places, attrs, node.type, data, body, variant, more))
    return operations, position


def ordered(roots: Sequence[Recorded], leaves: Sequence[Recorded] = ()) -> list[Recorded]:
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


def _takes_shift(x: Recorded) -> bool:
    """Whether the value is a product that can be divided by 2^shift in the exchange that it takes anyway."""
    if not x.operation.by_coin or x.operation.algebra is Algebra.RESCALE:
        return False
    return not (isinstance(x.attrs, Contraction | MatrixProduct) and x.attrs.wide)


def quickest(operation: Operation[Any], call: Call[Attributes], network: Network, security: Security) -> int:
    """The number of the variant that takes the least time in this network, of those that may run in this mode
    and take the call.

    The only place where variants are chosen. Raises PlanError if none may run.
    """
    allowed = [
        number for number, variant in enumerate(operation.variants) if security in variant.modes and variant.fits(call)
    ]
    if not allowed:
        raise PlanError(f"{operation.name} has no protocol for the mode {security.name.lower()}")
    return min(allowed, key=lambda number: network.seconds(operation.variants[number].cost(call)))


def operation_costs(plan: Plan) -> list[Cost]:
    """What each operation of the plan costs; of a loop, its body's cost as often as it runs, pass after pass."""
    costs = []
    for index, op in enumerate(plan.operations):
        if op.body is not None:
            once = total_cost(op.body)
            costs.append(Cost(op.passes * once.rounds, op.passes * once.total_bytes))
        else:
            costs.append(Cost() if op.is_leaf else op.operation.cost(plan.call(index)))
    return costs


def critical_path(plan: Plan, rounds: Sequence[int]) -> int:
    """The longest chain of rounds through the plan, given those of each operation."""
    depth: list[int] = []
    for op, own in zip(plan.operations, rounds, strict=True):
        depth.append(own + max((depth[maker_of(value)] for value in op.inputs), default=0))
    return max((depth[maker_of(output.value)] for output in plan.outputs), default=0)


def measured_rounds(plan: Plan, rounds: Sequence[int]) -> int:
    """The critical path of a run, given the rounds of every listed operation (see `Plan.listed`)."""
    own = list(rounds[: len(plan.operations)])
    for index, start in plan.listings.items():
        op = plan.operations[index]
        assert op.body is not None
        own[index] = op.passes * measured_rounds(op.body, rounds[start : start + len(op.body.listed)])
    return critical_path(plan, own)


def total_cost(plan: Plan) -> Cost:
    """Rounds of the critical path and the bytes of all operations together."""
    costs = operation_costs(plan)
    rounds = critical_path(plan, [cost.rounds for cost in costs])
    return Cost(rounds, sum(cost.total_bytes for cost in costs))


def largest_ring(plan: Plan) -> int:
    """The widest ring in which the plan computes (64 if it is about bools only)."""
    inner = (largest_ring(op.body) for op in plan.operations if op.body is not None)
    return max((*(t.ring for op in plan.operations for t in op.types if t.ring), *inner), default=64)
