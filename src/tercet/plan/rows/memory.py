"""Estimates how many bytes a party needs to run a plan, by a walk through it in the order of the dataflow.

It counts both components of every value that is alive, what a protocol holds while it waits, and the messages of
revealed results. It does not count what a party's process needs anyway (some 100 MB), nor messages that the other
parties sent early. Tests compare it with measured runs: it is right within a factor of two for plans with large arrays.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

from tercet.plan.plan import OutputKind, Plan, PlanOperation, maker_of
from tercet.plan.rows.axes import Concatenated, Moved, Repeated, Sliced, Summed, Taken, axes_of
from tercet.plan.table.operation import Memory
from tercet.plan.types import Type

_MESSAGES = 2
"""What a protocol holds for each byte that it sends: the message, what arrives, and masks made from streams."""


def value_bytes(t: Type) -> int:
    """What a party holds of one value: two components."""
    return 2 * t.component_bytes


def peak_bytes(plan: Plan) -> int:
    """How many bytes a party needs at most while it runs the plan, its inputs included.

    Called by nodes before they accept a job, and to choose the size of partitions. Time grows with the operations.
    """
    return _Walk(plan).peak


@dataclass
class _Block:
    """Memory that one or several values are in: bytes, and how many values."""

    nbytes: int
    holders: int = 0


class _Walk:
    """Goes through a plan as the dataflow does: operations start when their inputs are there, and wait side by side."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._alive = self.peak = 0
        self._kept = {maker_of(output.value) for output in plan.outputs}
        self._uses = [0] * len(plan.operations)
        self._missing = [len(set(map(maker_of, op.inputs))) for op in plan.operations]
        self._users: list[list[int]] = [[] for _ in plan.operations]
        for index, op in enumerate(plan.operations):
            for value in set(map(maker_of, op.inputs)):
                self._uses[value] += 1
                self._users[value].append(index)
        self._memory: dict[int, _Block] = {}
        self._spread: set[int] = set()
        """Values whose elements are not contiguous in memory: protocols copy them first."""
        self._ready: deque[int] = deque()
        self._walk()
        messages = sum(
            plan.type_of(output.value).component_bytes for output in plan.outputs if output.kind is OutputKind.REVEAL
        )
        self.peak = max(self.peak, self._alive + messages)

    def _walk(self) -> None:
        operations = self._plan.operations
        for op in operations:
            if op.is_input or op.is_constant:
                # the caller holds inputs to the end, and the plan its constants
                self._hold(op.type.component_bytes if op.is_constant else value_bytes(op.type))
        self._ready.extend(index for index, missing in enumerate(self._missing) if not missing)
        waiting: deque[tuple[int, int]] = deque()
        while self._ready or waiting:
            while self._ready:
                index = self._ready.popleft()
                op = operations[index]
                working = self._working(index, op)
                self._hold(working)
                if op.operation.local:
                    self._alive -= working
                    self._finish(index, op)
                else:
                    waiting.append((index, working))
            for index, working in waiting:
                # its result is made before what it worked with is freed
                self._finish(index, operations[index])
                self._alive -= working
            waiting.clear()

    def _hold(self, nbytes: int) -> None:
        self._alive += nbytes
        self.peak = max(self.peak, self._alive)

    def _finish(self, index: int, op: PlanOperation) -> None:
        if self._uses[index] or index in self._kept:
            memory = self._made(index, op)
            memory.holders += 1
            self._memory[index] = memory
        for user in self._users[index]:
            self._missing[user] -= 1
            if not self._missing[user]:
                self._ready.append(user)
        for value in set(map(maker_of, op.inputs)):
            self._uses[value] -= 1
            if not self._uses[value] and value not in self._kept:
                memory = self._memory.pop(value)
                memory.holders -= 1
                if not memory.holders:
                    self._alive -= memory.nbytes

    def _made(self, index: int, op: PlanOperation) -> _Block:
        """The memory of a result: its own, or that of the operand of which it is a view."""
        if op.is_leaf:
            return _Block(0)
        source = maker_of(op.inputs[0]) if op.inputs else -1
        where = op.operation.memory
        if where is Memory.SAME or (where is Memory.RESHAPED and not op.type.is_bool):
            if source not in self._spread or where is Memory.SAME:
                if source in self._spread:
                    self._spread.add(index)
                return self._memory[source]
        elif where is Memory.VIEW and not op.type.is_bool:
            self._spread.add(index)
            copied = op.operation.held(self._plan.call(index)) if op.operation.held is not None else 0
            if not copied:
                return self._memory[source]
            self._hold(copied)
            return _Block(copied)
        nbytes = sum(value_bytes(t) for t in op.types)
        self._hold(nbytes)
        return _Block(nbytes)

    def _working(self, index: int, op: PlanOperation) -> int:
        """What an operation needs beside its inputs and its result."""
        if op.is_leaf:
            return 0
        types = [self._plan.type_of(value) for value in op.inputs]
        if op.body is not None:
            return max(0, _Walk(op.body).peak - sum(value_bytes(t) for t in types))
        axes = axes_of(op, [t.shape for t in types])
        step = axes.step if axes is not None else None
        if op.type.is_bool and isinstance(step, (Moved, Sliced, Taken, Concatenated, Repeated)):
            # bits are moved as bytes, one component at a time
            return 2 * (sum(t.size for t in types) + op.type.size)
        copied = sum(
            value_bytes(t) for value, t in zip(op.inputs, types, strict=True) if maker_of(value) in self._spread
        )
        if isinstance(step, Summed) and not op.operation.local:
            sums = _MESSAGES * op.operation.cost(self._plan.call(index)).total_bytes // 3 if step.wide else 0
            return sums + (copied or max(t.component_bytes for t in types))
        if op.operation.local:
            return 0
        held = op.operation.held
        if held is not None:
            return copied + held(self._plan.call(index))
        words = max(t.size if t.is_bool else t.component_bytes for t in (*types, op.type))
        sent = _MESSAGES * op.operation.cost(self._plan.call(index)).total_bytes // 3
        # operands are repeated to the result's shape before they meet
        repeated = sum(value_bytes(t) * op.type.size // t.size for t in types if 0 < t.size < op.type.size)
        return copied + words + sent + repeated
