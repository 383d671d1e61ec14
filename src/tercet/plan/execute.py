"""Runs a plan at one party: each operation starts as soon as its inputs are there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tercet.engine.dataflow import Dataflow, Loop, OperationReport, Program
from tercet.engine.scheduler import Channel
from tercet.errors import PlanError
from tercet.plan.operation import Constant
from tercet.plan.plan import Plan, PlanOperation, operand_handle
from tercet.plan.table import CONSTANT, INPUT
from tercet.plan.types import Type
from tercet.protocols.scope import Scope
from tercet.ring import ring
from tercet.sharing import PARTIES, BitShare, Party, Share, Streams


@dataclass
class Outcome:
    """What a party has after a job: one value per output of the plan, and what each operation took."""

    values: list[Share | BitShare] = field(repr=False)
    operations: list[OperationReport]
    waiting_s: float


def execute(
    plan: Plan,
    party: Party,
    streams: Streams,
    channel: Channel,
    inputs: Mapping[bytes, Share | BitShare],
    *,
    timeout: float,
    threads: int = 1,
    balance: bool = True,
) -> Outcome:
    """Run a checked plan. Called at each of the three parties with streams of a new job.

    `balance`: whether the parties have machines of their own, so that load is to be spread evenly; alike at all three.

    Raises PlanError if a stored array is missing or of another shape or ring, PartyError if another party fails.
    """
    for handle, wanted in plan.inputs():
        check_stored(handle, wanted, inputs.get(handle))
    keep = {output.value for output in plan.outputs}

    def scope(number: int, solo: int) -> Scope:
        return Scope(party, streams, channel, number << 32, solo=PARTIES[solo % 3], threads=threads, balance=balance)

    flow = Dataflow(channel, timeout, scope)
    values, reports, waiting_s = flow.run(program_of(plan, inputs), keep)
    return Outcome([values[output.value] for output in plan.outputs], reports, waiting_s)


def program_of(plan: Plan, inputs: Mapping[bytes, Share | BitShare]) -> Program:
    """The plan's operations, and those of its loops, as the dataflow runs them; numbered as in `Plan.loops`."""
    program = Program()
    for index, op in enumerate(plan.operations):
        if op.operation is INPUT:
            program.add(op.inputs, _Leaf(op.operation.name, inputs.get(op.data)))
            continue
        if op.operation is CONSTANT:
            program.add(op.inputs, _Leaf(op.operation.name, constant(op)))
            continue
        if op.body is None:
            program.add(op.inputs, _Step(plan, index))
            continue
        body = op.body
        leaf = {inner.data: place for place, inner in enumerate(body.operations) if inner.operation is INPUT}
        program.add(
            op.inputs,
            Loop(
                name=op.operation.name,
                program=program_of(body, {}),
                count=op.attrs[0],
                leaves=[leaf[operand_handle(k)] for k in range(len(op.inputs))],
                results=[output.value for output in body.outputs],
                first=plan.loops[index],
                numbers=body.numbers,
                listed=plan.listings[index],
            ),
        )
    return program


def check_stored(handle: bytes, wanted: Type, stored: Share | BitShare | None) -> None:
    """PlanError unless the stored array has the shape and ring that the plan says."""
    if stored is None:
        raise PlanError(f"array {handle.hex()} is not stored here", hint="share it again in this session")
    if wanted.is_bool:
        fits = isinstance(stored, BitShare) and stored.count == wanted.size
    else:
        fits = isinstance(stored, Share) and stored.shape == wanted.shape and stored.ring.bits == wanted.ring
    if not fits:
        raise PlanError(f"array {handle.hex()} is stored with another type than the plan's {wanted}")


class _Step:
    """One operation as the dataflow runs it."""

    __slots__ = ("_call", "_run", "local", "name")

    def __init__(self, plan: Plan, index: int) -> None:
        operation = plan.operations[index].operation
        self._call = plan.call(index)
        self._run = operation.run
        self.local = operation.local
        self.name = operation.name

    def run(self, scope: Scope, values: list[Any]) -> Any:
        return self._run(scope, self._call, *values)


class _Leaf:
    """A stored array or a public constant."""

    __slots__ = ("_value", "name")

    local = True

    def __init__(self, name: str, value: Share | BitShare | Constant | None) -> None:
        self._value = value
        self.name = name

    def run(self, scope: Scope, values: list[Any]) -> Any:
        return self._value


def constant(op: PlanOperation) -> Constant:
    """The public array that a constant operation holds."""
    if op.type.is_bool:
        return Constant(np.frombuffer(op.data, np.uint64))
    return Constant(np.frombuffer(op.data, ring(op.type.ring).dtype).reshape(op.type.shape))
