"""Starts each operation of a job when its inputs are there; operations wait for messages concurrently."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import Any, Protocol

from tercet.engine.scheduler import Channel, Scheduler
from tercet.protocols.scope import Alone, Body, Scope


@dataclass(slots=True)
class OperationReport:
    """What one operation took at this party; of those in a loop, the rounds of one pass and the time of all."""

    index: int
    name: str
    rounds: int
    compute_s: float


class Instruction(Protocol):
    """An operation ready to run: `local` ones return their value, others a protocol body; loops are passed through.

    Those that are not `scoped` neither send nor draw, and are given an `Alone` in place of a scope.
    """

    local: bool
    scoped: bool
    name: str

    def run(self, scope: Scope | Alone, values: list[Any]) -> Any: ...


class InstructionList:
    """Operations in an order in which each comes after its inputs; one pass or many run over it.

    `reads[i]` are the inputs of operation i, each once, and `users[i]` the operations that use its value. `depths[i]`
    is how many operations that exchange messages lie on the longest way to it, and `roots[i]` where that way begins.
    `missing[i]` is how many inputs it waits for, `uses[i]` how many operations use its value, and `first` those that
    wait for none.
    """

    def __init__(self) -> None:
        self.inputs: list[tuple[int, ...]] = []
        self.reads: list[tuple[int, ...]] = []
        self.users: list[list[int]] = []
        self.depths: list[int] = []
        self.roots: list[int] = []
        self.missing: list[int] = []
        self.uses: list[int] = []
        self.first: list[int] = []
        self.instructions: list[Instruction] = []
        self.picks: dict[int, tuple[int | None, ...]] = {}
        """Of operations that take one of several results: which, for each input, or None where there is one."""

    def add(
        self, inputs: tuple[int, ...], instruction: Instruction, picks: tuple[int | None, ...] | None = None
    ) -> None:
        """Append an operation whose inputs are earlier ones, or one of their results each (`picks`)."""
        index, depths = len(self.inputs), self.depths
        reads = inputs if len(inputs) < 2 else tuple(dict.fromkeys(inputs))
        before = -1
        for value in reads:
            self.users[value].append(index)
            self.uses[value] += 1
            if depths[value] and (before < 0 or depths[value] > depths[before]):
                before = value
        if picks is not None:
            self.picks[index] = picks
        self.inputs.append(inputs)
        self.reads.append(reads)
        self.users.append([])
        self.missing.append(len(reads))
        self.uses.append(0)
        if not reads:
            self.first.append(index)
        self.roots.append(index if before < 0 else self.roots[before])
        depths.append((0 if before < 0 else depths[before]) + (not instruction.local))
        self.instructions.append(instruction)

    @property
    def depth(self) -> int:
        """The longest way through all operations."""
        return max(self.depths, default=0)


def picked(value: Any, pick: int | None) -> Any:
    """One of an operation's results, or its only one."""
    return value if pick is None else value[pick]


def _unchanged(value: Any) -> Any:
    return value


@dataclass
class Loop:
    """An instruction that passes `count` times over a program; its value is the list of the carried values.

    `leaves[k]` is where the k-th operand (first the carried values, then what stays) stands in the program, `results`
    which operations give what the next pass begins with, and `picks` which of their results, where there are several.
    The pass t of a loop that starts at number n has the numbers n + t * numbers to n + (t + 1) * numbers - 1, and
    `first` is n relative to the pass around it. In reports, the program's operations stand at `listed`, relative to
    where those of the pass around it do.
    """

    name: str
    program: InstructionList
    count: int
    leaves: Sequence[int]
    results: Sequence[int]
    picks: Sequence[int | None]
    first: int
    numbers: int
    listed: int
    local: bool = False
    scoped: bool = False
    laid_out: Callable[[Any], Any] = _unchanged
    """What is done to an operand that stays, once, before the first pass reads it."""

    def run(self, scope: Scope | Alone, values: list[Any]) -> Any:
        raise TypeError("a loop runs by its passes")


_SAME_SOLO = 64
"""So many dependent operations in a row have the same solo party.

In products it waits for nobody, and so runs ahead of the other two, who then have one less to wait for. It must not run
far: what it sends is memory at its receiver, and the load is to be everybody's in turn.
"""


class _Pass:
    """One pass over a program: what is still missing, which values are there, how many rounds they took.

    `depth` is that of the operations before it.
    """

    def __init__(
        self,
        flow: Dataflow,
        program: InstructionList,
        base: int,
        depth: int,
        listed: int,
        keep: set[int],
        done: Callable[[_Pass], None],
        given: Mapping[int, Any],
    ) -> None:
        self._flow = flow
        self._program = program
        self._base = base
        self._depth = depth
        self._listed = listed
        self._done = done
        self._left = len(program.inputs)
        self._missing = program.missing.copy()
        self._uses = program.uses.copy()
        for index in keep:
            self._uses[index] += 1
        self.values: dict[int, Any] = {}
        for index in program.first:
            if index not in given:
                flow.ready.append((self, index))
        for index, value in given.items():
            self._finish(index, value)

    def _finish(self, index: int, value: Any) -> None:
        program, values, uses, missing = self._program, self.values, self._uses, self._missing
        if uses[index]:
            values[index] = value
        for user in program.users[index]:
            left = missing[user] - 1
            missing[user] = left
            if not left:
                self._flow.ready.append((self, user))
        for used in program.reads[index]:
            left = uses[used] - 1
            uses[used] = left
            if not left:
                del values[used]
        self._left -= 1
        if not self._left:
            self._done(self)

    def start(self, index: int) -> None:
        """Run an operation whose inputs are there, or begin to."""
        flow, program, values = self._flow, self._program, self.values
        instruction = program.instructions[index]
        arguments = [values[value] for value in program.inputs[index]]
        if program.picks and index in program.picks:
            arguments = [picked(value, pick) for value, pick in zip(arguments, program.picks[index], strict=True)]
        started = perf_counter()
        if not instruction.scoped:
            if isinstance(instruction, Loop):
                self._loop(index, instruction, arguments, started)
                return
            result = instruction.run(flow.alone, arguments)
            flow.report(self._listed + index, instruction.name, 0, perf_counter() - started)
            self._finish(index, result)
            return
        solo = program.roots[index] + (self._depth + program.depths[index]) // _SAME_SOLO
        scope = flow.scope_of(self._base + index, solo)
        result = instruction.run(scope, arguments)
        if instruction.local:
            flow.report(self._listed + index, instruction.name, 0, perf_counter() - started)
            self._finish(index, result)
            return

        def done(value: Any) -> None:
            flow.report(self._listed + index, instruction.name, scope.depth, perf_counter() - started)
            self._finish(index, value)

        flow.scheduler.start(result, done)

    def _loop(self, index: int, loop: Loop, arguments: list[Any], started: float) -> None:
        """Run one pass after the other; the next pass, and what uses the loop's results, wait for the end of a pass."""
        carried = len(loop.results)
        fixed = dict(zip(loop.leaves[carried:], map(loop.laid_out, arguments[carried:]), strict=True))
        keep = set(loop.results)

        def begin(number: int, current: list[Any]) -> None:
            if number == loop.count:
                self._flow.report(self._listed + index, loop.name, 0, perf_counter() - started)
                self._finish(index, current)
                return

            def done(one: _Pass) -> None:
                # a fresh turn of the main loop, so that many passes do not nest
                following = [
                    picked(one.values[place], pick) for place, pick in zip(loop.results, loop.picks, strict=True)
                ]
                self._flow.later.append(lambda: begin(number + 1, following))

            given = dict(zip(loop.leaves, current, strict=False)) | fixed
            base = self._base + loop.first + number * loop.numbers
            depth = self._depth + number * loop.program.depth
            _Pass(self._flow, loop.program, base, depth, self._listed + loop.listed, keep, done, given)

        begin(0, arguments[:carried])


@dataclass
class Turn:
    """One of several runs over programs in one job: with given leaves, and numbers from `base` on.

    `done` gets the values to keep. `last`, if there is one, is a protocol body that belongs to the run: only when it
    has ended, too, is the turn over.
    """

    program: InstructionList
    base: int
    listed: int
    keep: set[int]
    given: Mapping[int, Any]
    done: Callable[[dict[int, Any]], None]
    last: Callable[[], Body[Any]] | None = None


class Dataflow:
    """One job's operations at one party, each with a scope that `scope_of` makes from two numbers.

    The first tells operations apart, the second, modulo 3, chooses the solo party; both are alike at all three parties.
    """

    def __init__(self, channel: Channel, timeout: float, scope_of: Callable[[int, int], Scope], alone: Alone) -> None:
        self.scheduler = Scheduler(channel, timeout)
        self.scope_of = scope_of
        self.alone = alone
        self.ready: deque[tuple[_Pass, int]] = deque()
        self.later: deque[Callable[[], None]] = deque()
        self._taken: dict[int, list[Any]] = {}
        """Name, rounds and seconds of each operation so far."""

    def report(self, index: int, name: str, rounds: int, compute_s: float) -> None:
        """Note what an operation took."""
        known = self._taken.get(index)
        if known is None:
            self._taken[index] = [name, rounds, compute_s]
            return
        if rounds > known[1]:
            known[1] = rounds
        known[2] += compute_s

    @property
    def reports(self) -> list[OperationReport]:
        """What each operation has taken so far."""
        return [OperationReport(index, *taken) for index, taken in self._taken.items()]

    def _start_ready(self) -> None:
        """Start operations until all that are left wait for messages."""
        ready, later = self.ready, self.later
        while ready or later:
            while later:
                later.popleft()()
            if ready:
                one, index = ready.popleft()
                one.start(index)

    def run(
        self, program: InstructionList, keep: set[int], given: Mapping[int, Any]
    ) -> tuple[dict[int, Any], list[OperationReport], float]:
        """Run all, with given leaves; return the values to keep, the reports and the seconds waited.

        Frees a value after its last use."""
        whole = _Pass(self, program, 0, 0, 0, keep, lambda _: None, given)
        self.run_each(iter(()))
        return whole.values, self.reports, self.scheduler.waiting_s

    def run_each(self, turns: Iterator[Turn], window: int = 1) -> None:
        """Run turn after turn; the next one begins early, while `window` permits, when all else waits for messages."""
        running = 0

        def close(_: Any = None) -> None:
            nonlocal running
            running -= 1

        def end(turn: Turn, values: dict[int, Any]) -> None:
            turn.done(values)
            if turn.last is None:
                close()
                return
            self.scheduler.start(turn.last(), close)
            self.scheduler.run_ready()

        def begin(turn: Turn) -> None:
            def done(one: _Pass) -> None:
                self.later.append(lambda: end(turn, one.values))

            # held by nobody else, leaves are freed after their last use
            given, turn.given = turn.given, {}
            _Pass(self, turn.program, turn.base, 0, turn.listed, turn.keep, done, given)

        while True:
            self._start_ready()
            if running < window and (turn := next(turns, None)) is not None:
                running += 1
                begin(turn)
            elif self.scheduler.idle:
                return
            elif not (self.ready or self.later):
                self.scheduler.run_until_progress()
