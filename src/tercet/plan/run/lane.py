"""One lane of a streamed run at one party: it computes partitions of a pass, and what runs once, and adds nothing up.

A lane works with the same lane of the other two parties. It is given the free values that were computed before, loads
stored arrays itself, and hands over what each partition gives: partial sums, and rows of values along the rows.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import cached_property
from typing import Any, Protocol, TypeAlias

from tercet.engine.channel import JobChannel
from tercet.engine.dataflow import Dataflow, InstructionList, OperationReport, Turn
from tercet.engine.scheduler import Channel
from tercet.plan.plan import maker_of
from tercet.plan.run.execute import check_stored, program_of, results_of
from tercet.plan.run.passes import IN_FLIGHT, Passes, PlanStage
from tercet.plan.run.pieces import Piece
from tercet.protocols.scope import Body, Scope
from tercet.sharing import PARTIES, BitShare, Party, Share, Streams

Shares: TypeAlias = Share | BitShare
FreeValues: TypeAlias = Mapping[int, Shares]
"""Values that do not grow with the rows, by their operation in the whole plan."""


class ArraySource(Protocol):
    """This party's shares of stored arrays."""

    def load(self, handle: bytes, start: int | None, stop: int | None) -> Shares:
        """Of the rows from start to stop, or (None, None) of the whole array."""
        ...

    def add_up(self, handles: Iterable[bytes]) -> Mapping[bytes, Share]:
        """Of the sums over all rows of arrays of one axis, by handle."""
        ...


class LaneRun:
    """What one lane computes in one streamed run. Memory as `Passes.estimate`, without the totals and outputs.

    Its methods raise PlanError if a stored array is not as the plan says, PartyError if another party fails.
    """

    def __init__(
        self,
        passes: Passes,
        party: Party,
        streams: Streams,
        channel: Channel,
        source: ArraySource,
        *,
        timeout: float,
        threads: int,
    ) -> None:
        def scope(number: int, solo: int) -> Scope:
            return Scope(party, streams, channel, number << 32, solo=PARTIES[solo % 3], threads=threads)

        self._passes = passes
        self._plan = passes.streamed.plan
        self._pieces = passes.streamed.pieces
        self._channel = channel
        self._source = source
        self._flow = Dataflow(channel, timeout, scope)
        self._stored: dict[int, Shares] = {}
        self._summed: list[OperationReport] = []
        self._programs: dict[tuple[int, int], tuple[Piece, InstructionList]] = {}

    @property
    def waiting_s(self) -> float:
        """How long it waited for other parties, so far."""
        return self._flow.scheduler.waiting_s

    def stored(self, index: int) -> Shares:
        """A free value that nothing computes: a stored array, or the sum of one."""
        if index not in self._stored:
            op = self._plan.maker(index)
            summed = self._pieces.cut.stored_sums.get(index)
            if summed is not None:
                value: Shares = self._sums[summed]
            else:
                assert op.is_input
                value = self._flow.scope_of(index, 0).input(self._source.load(op.data, None, None))
            check_stored(summed or op.data, op.type, value)
            self._stored[index] = value
        return self._stored[index]

    @cached_property
    def _sums(self) -> Mapping[bytes, Share]:
        """The sums of stored arrays, asked for at once when the first is needed; the reports share the time."""
        cut, needed = self._pieces.cut, self._pieces.needed
        wanted = {index: handle for index, handle in cut.stored_sums.items() if (index, False) in needed}
        began = time.perf_counter()
        found = self._source.add_up(dict.fromkeys(wanted.values()))
        each_s = (time.perf_counter() - began) / len(wanted)
        names = self._plan.operations
        self._summed = [OperationReport(index, names[index].operation.name, 0, each_s) for index in wanted]
        return found

    def _given(self, piece: Piece, free: FreeValues) -> dict[int, Any]:
        return {place: free[i] if i in free else self.stored(i) for place, i in piece.values.items()}

    def run_once(self, stage: PlanStage, free: FreeValues) -> dict[int, Shares]:
        """Run a stage that runs once; the free values that it gives."""
        piece = stage.piece
        keep = {maker_of(output.value) for output in piece.plan.outputs}
        found: dict[int, Shares] = {}

        def done(values: dict[int, Shares]) -> None:
            found.update(_results(piece, values))

        program = program_of(piece.plan, {})
        self._flow.run_each(iter([Turn(program, stage.first, stage.listed, keep, self._given(piece, free), done)]))
        return found

    def run_partitions(
        self,
        stage: PlanStage,
        turns: Mapping[int, tuple[int, int]],
        free: FreeValues,
        done: Callable[[int, Mapping[int, Shares]], None],
    ) -> None:
        """Run partitions of a pass: from and to which row, by number. `done` gets the number and what it gives, in the
        order in which they end. Each is loaded when its turn comes, and IN_FLIGHT of them run at a time if they send
        anything. The other parties run the same."""
        local = stage.turns == 1 or stage.piece.is_local
        each = (self._turn(stage, turn, start, stop, free, done, local) for turn, (start, stop) in turns.items())
        self._flow.run_each(each, 1 if local else IN_FLIGHT)

    def _turn(
        self,
        stage: PlanStage,
        turn: int,
        start: int,
        stop: int,
        free: FreeValues,
        done: Callable[[int, Mapping[int, Shares]], None],
        local: bool,
    ) -> Turn:
        piece, program = self._program(stage, stop - start)
        base = stage.base(turn)
        given = self._given(piece, free)
        for place, handle in piece.rows.items():
            given[place] = self._flow.scope_of(base + place, 0).input(self._source.load(handle, start, stop))
            check_stored(handle, piece.plan.operations[place].type, given[place])
        for place, index in piece.slices.items():
            given[place] = self._pieces.slice_constant(index, start, stop)
        last = None if local else lambda: _end_together(self._flow.scope_of(base + stage.numbers - 1, 0))
        keep = {maker_of(output.value) for output in piece.plan.outputs}
        return Turn(
            program, base, stage.listed, keep, given, lambda values: done(turn, dict(_results(piece, values))), last
        )

    def _program(self, stage: PlanStage, rows: int) -> tuple[Piece, InstructionList]:
        """The piece and program of partitions of this size."""
        key = stage.pass_number, rows
        if key not in self._programs:
            piece = self._pieces.partition(stage.pass_number, 0, rows)
            self._programs[key] = piece, program_of(piece.plan, {})
        return self._programs[key]

    # -- what it took

    def reports(self) -> list[OperationReport]:
        """Reports by operation of the whole plan: over the partitions the longest chain of rounds, and all the time."""
        found = {report.index: report for report in self._summed}
        origins = [origin for stage in self._passes.stages for origin in self._passes.origins(stage)]
        for report in self._flow.reports:
            index = origins[report.index]
            known = found.get(index)
            if known is None:
                name = self._plan.listed[index][0].operation.name
                found[index] = OperationReport(index, name, report.rounds, report.compute_s)
            else:
                known.rounds += report.rounds
                known.compute_s += report.compute_s
        return list(found.values())

    def fold_bytes(self) -> None:
        """Count the bytes that were sent, on a JobChannel, by operation of the whole plan."""
        if not isinstance(self._channel, JobChannel):
            return
        sent = self._channel.bytes_of
        passed = dict(sent)
        sent.clear()
        for stage in self._passes.stages:
            origins = self._passes.origins(stage)
            for number in [n for n in passed if 0 <= n - stage.first < stage.turns * stage.numbers]:
                inside = (number - stage.first) % stage.numbers
                if inside < stage.piece.plan.numbers:
                    sent[origins[stage.piece.plan.place_of(inside)]] += passed.pop(number)
                else:
                    del passed[number]
        sent.update(passed)


def _results(piece: Piece, values: Mapping[int, Shares]) -> Iterator[tuple[int, Shares]]:
    """What a piece gives, by operation of the whole plan."""
    yield from zip(piece.results, results_of(piece.plan, values), strict=True)


def _end_together(scope: Scope) -> Body[None]:
    """Tell the other parties that this one has ended a partition, and wait until they have.

    A party that only sends in a pass would run ahead otherwise, and what it sends would pile up at the others.
    """
    step = scope.step("end of a partition")
    yield step.barrier()
