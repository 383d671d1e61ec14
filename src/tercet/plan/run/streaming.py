"""Runs a plan in partitions of rows, so that memory does not grow with them: partial sums add up, the rest runs once.

`Passes` says what runs when, `LaneRun` computes it, `Gather` adds up what the partitions give and keeps what the next
stage needs. A lane works with the same lane of the other two parties, and adds nothing up: it is given the free values
that were computed before, loads stored arrays itself, and hands over partial sums, and rows of values along the rows.
Today there is one lane, in the same process.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from functools import cached_property
from typing import Any, Protocol, TypeAlias

import numpy as np

from tercet.engine.channel import JobChannel
from tercet.engine.dataflow import Dataflow, InstructionList, OperationReport, Turn
from tercet.engine.job import JobResult
from tercet.engine.scheduler import Channel
from tercet.plan.run.execute import check_stored, kept_by, program_of, results_of
from tercet.plan.run.passes import IN_FLIGHT, Passes, PlanStage
from tercet.plan.run.pieces import Piece
from tercet.plan.types import Type
from tercet.protocols.scope import Alone, Body, Scope
from tercet.ring import pack_bits, unpack_bits
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
        self._flow = Dataflow(channel, timeout, scope, Alone(party))
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
        piece, found = stage.piece, dict[int, Shares]()
        turn = Turn(
            program_of(piece.plan),
            stage.first,
            stage.listed,
            kept_by(piece.plan),
            self._given(piece, free),
            lambda values: found.update(_results(piece, values)),
        )
        self._flow.run_each(iter([turn]))
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
        scope_of = self._flow.scope_of

        def prepared(turn: int, start: int, stop: int) -> Turn:
            piece, program = self._program(stage, stop - start)
            base = stage.base(turn)
            given = self._given(piece, free)
            for place, handle in piece.rows.items():
                given[place] = scope_of(base + place, 0).input(self._source.load(handle, start, stop))
                check_stored(handle, piece.plan.operations[place].type, given[place])
            for place, index in piece.slices.items():
                given[place] = self._pieces.slice_constant(index, start, stop)

            def ended(values: Mapping[int, Shares]) -> None:
                done(turn, _results(piece, values))

            last = None if local else lambda: _end_together(scope_of(base + stage.numbers - 1, 0))
            return Turn(program, base, stage.listed, kept_by(piece.plan), given, ended, last)

        each = (prepared(turn, start, stop) for turn, (start, stop) in turns.items())
        self._flow.run_each(each, 1 if local else IN_FLIGHT)

    def _program(self, stage: PlanStage, rows: int) -> tuple[Piece, InstructionList]:
        """The piece and program of partitions of this size."""
        key = stage.pass_number, rows
        if key not in self._programs:
            piece = self._pieces.partition(stage.pass_number, 0, rows)
            self._programs[key] = piece, program_of(piece.plan)
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


def _results(piece: Piece, values: Mapping[int, Shares]) -> dict[int, Shares]:
    """What a piece gives, by operation of the whole plan."""
    return dict(zip(piece.results, results_of(piece.plan, values), strict=True))


def _end_together(scope: Scope) -> Body[None]:
    """Tell the other parties that this one has ended a partition, and wait until they have.

    A party that only sends in a pass would run ahead otherwise, and what it sends would pile up at the others.
    """
    step = scope.step("end of a partition")
    yield step.barrier()


def execute_streamed(
    passes: Passes,
    party: Party,
    streams: Streams,
    channel: Channel,
    source: ArraySource,
    *,
    timeout: float,
    threads: int = 1,
    progress: Callable[[float], None] | None = None,
) -> JobResult:
    """Run a cut plan. Called at each of the three parties, with the same plan and partition size.

    The result is as that of `execute`: reports, and the bytes that a JobChannel counts, are by operation of the whole
    plan. `progress` is called with a number from 0 to 1 after every partition. Memory as `Passes.estimate`; the last
    bits of rescaled results may differ from a whole run, as between any two runs. Raises PlanError if a stored array is
    not as the plan says, PartyError if another party fails.
    """
    lane = LaneRun(passes, party, streams, channel, source, timeout=timeout, threads=threads)
    return Gather(passes, lane, progress).result()


class Gather:
    """The totals, free values and outputs along rows of one streamed run at one party, from one attempt at every
    partition: shares of two attempts do not add up to shares of anything."""

    def __init__(self, passes: Passes, lane: LaneRun, progress: Callable[[float], None] | None = None) -> None:
        self._passes = passes
        self._lane = lane
        self._progress = progress
        self._free: dict[int, Shares] = {}
        self._rowwise: dict[int, RowsOutput] = {}
        self._done: set[tuple[int, int]] = set()

    def result(self) -> JobResult:
        """Run all stages, in their order; what the party has then."""
        lane, plan = self._lane, self._passes.streamed.plan
        turns = dict(enumerate(self._passes.partitions()))
        for stage in self._passes.stages:
            if stage.pass_number:
                self._run_pass(stage, turns)
            else:
                self._free |= lane.run_once(stage, self._free)
        values = [self._value(output.value) for output in plan.outputs]
        lane.fold_bytes()
        return JobResult(values, lane.reports(), lane.waiting_s)

    def _value(self, index: int) -> Shares:
        if index in self._rowwise:
            return self._rowwise[index].value
        return self._free[index] if index in self._free else self._lane.stored(index)

    def _run_pass(self, stage: PlanStage, turns: Mapping[int, tuple[int, int]]) -> None:
        def take(turn: int, values: Mapping[int, Shares]) -> None:
            self.take(stage.pass_number, turn, turns[turn], values)

        self._lane.run_partitions(stage, turns, self._free, take)

    def take(self, pass_number: int, turn: int, rows: tuple[int, int], values: Mapping[int, Shares]) -> None:
        """Add what one partition of a pass gives: partial sums to totals, rows to outputs. ValueError if it was added
        before."""
        if (pass_number, turn) in self._done:
            raise ValueError(f"partition {turn} of pass {pass_number} is given a second time")
        self._done.add((pass_number, turn))
        for index, value in values.items():
            axis = self._passes.streamed.pieces.cut.axis_of(index)
            if axis is None:
                self._add(index, value)
                continue
            if index not in self._rowwise:
                self._rowwise[index] = RowsOutput(self._passes.streamed.plan.type_of(index), axis)
            self._rowwise[index].append(value, *rows)
        if self._progress is not None:
            self._progress(len(self._done) / self._passes.turns)

    def _add(self, index: int, value: Shares) -> None:
        total = self._free.get(index)
        assert isinstance(value, Share) and (total is None or isinstance(total, Share))
        # the first is copied: a sum of one row may be a view of what was loaded
        self._free[index] = (
            Share(value.ring, value.own.copy(), value.next.copy())
            if total is None
            else Share(value.ring, value.ring.add(total.own, value.own), value.ring.add(total.next, value.next))
        )


class RowsOutput:
    """An output along the rows: partitions append their rows, in whatever order they end."""

    def __init__(self, type: Type, axis: int) -> None:
        """`axis` is that of the rows, counted from the right. Memory is used as parts come."""
        self._type = type
        self._place = len(type.shape) - 1 - axis
        self._all: Shares | None = None

    @property
    def value(self) -> Shares:
        """All rows, once every part was appended."""
        assert self._all is not None
        return self._all

    def append(self, part: Shares, start: int, stop: int) -> None:
        """Take the rows from start to stop."""
        if isinstance(part, Share):
            if self._all is None:
                self._all = Share.empty(part.ring, self._type.shape)
            assert isinstance(self._all, Share)
            key = (*[slice(None)] * self._place, slice(start, stop))
            self._all.own[key] = part.own
            self._all.next[key] = part.next
        else:
            if self._all is None:
                self._all = BitShare.empty(self._type.size)
            assert isinstance(self._all, BitShare)
            self._put_bits(self._all, part, start, stop)

    def _put_bits(self, all_rows: BitShare, part: BitShare, start: int, stop: int) -> None:
        shape, place = self._type.shape, self._place
        row_bits = self._type.size // shape[place]
        # partitions may end in any order, and bits behind the last one of a part carry no meaning
        aligned = stop == shape[place] or stop * row_bits % 64 == 0
        if not place and start * row_bits % 64 == 0 and aligned:
            first = start * row_bits // 64
            all_rows.own[first : first + len(part.own)] = part.own
            all_rows.next[first : first + len(part.next)] = part.next
            return
        key = (*[slice(None)] * place, slice(start, stop))
        part_shape = (*shape[:place], stop - start, *shape[place + 1 :])
        for whole, some in ((all_rows.own, part.own), (all_rows.next, part.next)):
            bits = unpack_bits(whole, self._type.size).reshape(shape)
            bits[key] = unpack_bits(some, part.count).reshape(part_shape)
            whole[:] = pack_bits(np.ascontiguousarray(bits).reshape(-1))
