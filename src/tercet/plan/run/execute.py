"""Runs a plan at one party: each operation starts as soon as its inputs are there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tercet.engine.dataflow import Dataflow, InstructionList, Loop, picked
from tercet.engine.job import JobResult
from tercet.engine.scheduler import Channel
from tercet.errors import PlanError
from tercet.plan.plan import Plan, constant, maker_of, operand_handle, place_among
from tercet.plan.table.operation import Constant
from tercet.plan.types import Type
from tercet.protocols.scope import Alone, Scope
from tercet.ring import contiguous
from tercet.sharing import PARTIES, BitShare, Party, Share, Streams

_LARGE = 1 << 18


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
    program: InstructionList | None = None,
) -> JobResult:
    """Run a checked plan. Called at each of the three parties with streams of a new job.

    `program`: what `program_of` made of the plan, if it is there.
    `balance`: whether the parties have machines of their own, so that load is to be spread evenly; alike at all three.

    Raises PlanError if a stored array is missing or of another shape or ring, PartyError if another party fails.
    """
    for handle, wanted in plan.inputs():
        check_stored(handle, wanted, inputs.get(handle))

    def scope(number: int, solo: int) -> Scope:
        return Scope(party, streams, channel, number << 32, solo=PARTIES[solo % 3], threads=threads, balance=balance)

    flow = Dataflow(channel, timeout, scope, Alone(party))
    given = {index: scope(index, 0).input(inputs[op.data]) for index, op in enumerate(plan.operations) if op.is_input}
    values, reports, waiting_s = flow.run(program_of(plan) if program is None else program, kept_by(plan), given)
    return JobResult(results_of(plan, values), reports, waiting_s)


def program_of(plan: Plan) -> InstructionList:
    """The plan's operations, and those of its loops, as the dataflow runs them; numbered as in `Plan.loops`.

    Holds nothing of a run: the values of inputs are given to each."""
    program = InstructionList()
    # without a list anywhere the number of a value is that of its operation; asked once, not for each operation
    lists = any(op.gives_list for op in plan.operations)
    for index, op in enumerate(plan.operations):
        if op.is_input:
            program.add((), _Leaf(op.operation.name, None))
            continue
        if op.is_constant:
            program.add((), _Leaf(op.operation.name, constant(op)))
            continue
        makers, picks = sources(plan, op.inputs) if lists else (op.inputs, None)
        if op.body is None:
            program.add(makers, _Step(plan, index), picks)
            continue
        body = op.body
        leaf = {inner.data: place for place, inner in enumerate(body.operations) if inner.is_input}
        results, result_picks = sources(body, [output.value for output in body.outputs])
        program.add(
            makers,
            Loop(
                name=op.operation.name,
                program=program_of(body),
                count=op.passes,
                leaves=[leaf[operand_handle(k)] for k in range(len(op.inputs))],
                results=results,
                picks=result_picks or [None] * len(results),
                first=plan.loops[index],
                numbers=body.numbers,
                listed=plan.listings[index],
                laid_out=_in_order,
            ),
            picks,
        )
    return program


def _in_order(value: Any) -> Any:
    """A large array that is a view across another, such as a transposed one, as one that lies in memory in its own
    order: products of matrices in every pass read it twice as fast."""
    if not isinstance(value, Share) or value.size < _LARGE or 0 in value.own.strides:
        return value
    return Share(value.ring, contiguous(value.own), contiguous(value.next))


def sources(plan: Plan, values: Sequence[int]) -> tuple[tuple[int, ...], tuple[int | None, ...] | None]:
    """The operations that values are results of, and which results; None if each is the only one."""
    makers = tuple([maker_of(value) for value in values])
    if not any(plan.operations[index].gives_list for index in makers):
        return makers, None
    return makers, tuple(
        [place_among(value) if plan.operations[maker_of(value)].gives_list else None for value in values]
    )


def kept_by(plan: Plan) -> set[int]:
    """The operations whose values are outputs."""
    return {maker_of(output.value) for output in plan.outputs}


def results_of(plan: Plan, values: Mapping[int, Any]) -> list[Any]:
    """The outputs of a plan, from what its operations gave."""
    makers, picks = sources(plan, [output.value for output in plan.outputs])
    return [picked(values[index], pick) for index, pick in zip(makers, picks or [None] * len(makers), strict=True)]


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

    __slots__ = ("_call", "_run", "local", "name", "scoped")

    def __init__(self, plan: Plan, index: int) -> None:
        operation = plan.operations[index].operation
        self._call = plan.call(index)
        self._run = operation.variants[self._call.variant].run
        self.local = operation.local
        self.scoped = operation.draws or not operation.local
        self.name = operation.name

    def run(self, scope: Scope | Alone, values: list[Any]) -> Any:
        return self._run(scope, self._call, *values)


class _Leaf:
    """A public constant, or the place of a value that is given."""

    __slots__ = ("_value", "name")

    local = True
    scoped = False

    def __init__(self, name: str, value: Constant | None) -> None:
        self._value = value
        self.name = name

    def run(self, scope: Scope | Alone, values: list[Any]) -> Any:
        return self._value
