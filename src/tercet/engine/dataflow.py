"""Starts each operation of a job when its inputs are there; what waits for messages waits side by side."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from tercet.engine.scheduler import Channel, Scheduler
from tercet.protocols.scope import Body, Scope


@dataclass(slots=True)
class OperationReport:
    """What one operation took at this party."""

    index: int
    name: str
    rounds: int
    compute_s: float


class Instruction(Protocol):
    """An operation ready to run: `local` ones return their value, others a protocol body."""

    local: bool
    name: str

    def run(self, scope: Scope, values: list[Any]) -> Any: ...


class Dataflow:
    """One job's operations at one party. Instances number the operations alike at all three parties."""

    def __init__(self, channel: Channel, timeout: float, instances: Sequence[int]) -> None:
        self._scheduler = Scheduler(channel, timeout)
        self._instances = instances
        self._instructions: list[Instruction] = []
        self._inputs: list[tuple[int, ...]] = []

    def add(self, inputs: tuple[int, ...], instruction: Instruction) -> None:
        """Append an operation whose inputs are earlier ones."""
        self._inputs.append(inputs)
        self._instructions.append(instruction)

    def run(
        self, scope_of: Callable[[int], Scope], keep: set[int]
    ) -> tuple[dict[int, Any], list[OperationReport], float]:
        """Run all; return the values to keep, the reports and the seconds waited. Frees a value after its last use."""
        inputs, instructions = self._inputs, self._instructions
        missing = [len(set(wanted)) for wanted in inputs]
        users: list[list[int]] = [[] for _ in inputs]
        for index, wanted in enumerate(inputs):
            for value in set(wanted):
                users[value].append(index)
        uses = [len(waiting) for waiting in users]
        values: dict[int, Any] = {}
        reports: list[OperationReport] = []
        ready = deque(index for index, count in enumerate(missing) if not count)

        def finish(index: int, value: Any) -> None:
            if uses[index] or index in keep:
                values[index] = value
            for user in users[index]:
                missing[user] -= 1
                if not missing[user]:
                    ready.append(user)
            for used in set(inputs[index]):
                uses[used] -= 1
                if not uses[used] and used not in keep:
                    del values[used]

        def body_of(index: int, scope: Scope, started: float) -> Callable[[Any], None]:
            def done(value: Any) -> None:
                reports.append(
                    OperationReport(index, instructions[index].name, scope.depth, time.perf_counter() - started)
                )
                finish(index, value)

            return done

        scheduler = self._scheduler
        while True:
            while ready:
                index = ready.popleft()
                arguments = [values[value] for value in inputs[index]]
                instruction = instructions[index]
                scope = scope_of(self._instances[index])
                started = time.perf_counter()
                result = instruction.run(scope, arguments)
                if instruction.local:
                    reports.append(OperationReport(index, instruction.name, 0, time.perf_counter() - started))
                    finish(index, result)
                else:
                    body: Body[Any] = result
                    scheduler.start(body, body_of(index, scope, started))
                    scheduler.run_ready()
            if scheduler.idle:
                return values, reports, scheduler.waiting_s
            scheduler.run_until_progress()
