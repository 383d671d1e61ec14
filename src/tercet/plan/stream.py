"""Runs a plan in partitions of rows, so that memory does not grow with them: partial sums add up, the rest runs once.

The cut follows from the plan alone, and the partitions from their size, so three parties that agree on plan and size
run the same. Operations of all partitions have numbers of their own, so that no message and no random stream repeats.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Protocol, TypeAlias

import numpy as np

from tercet.engine.channel import JobChannel
from tercet.engine.dataflow import Dataflow, OperationReport, Program, Turn
from tercet.engine.scheduler import Channel
from tercet.errors import PlanError
from tercet.plan.cut import Cut, NotRowwise, Refusal
from tercet.plan.execute import Outcome, check_stored, program_of
from tercet.plan.memory import peak_bytes, value_bytes
from tercet.plan.pieces import Piece, Pieces
from tercet.plan.plan import MAX_PLAN_NUMBERS, Plan
from tercet.plan.table import INPUT
from tercet.plan.types import Type
from tercet.protocols.message import Fields
from tercet.protocols.scope import Body, Role, Scope
from tercet.ring import pack_bits, unpack_bits
from tercet.sharing import PARTIES, BitShare, Party, Share, Streams

Value: TypeAlias = Share | BitShare


class Stored(Protocol):
    """This party's shares of stored arrays."""

    def load(self, handle: bytes, start: int | None, stop: int | None) -> Value:
        """Of the rows from start to stop, or (None, None) of the whole array."""
        ...

    def add_up(self, handles: Iterable[bytes]) -> Mapping[bytes, Share]:
        """Of the sums over all rows of arrays of one axis, by handle."""
        ...


IN_FLIGHT = 2
"""Partitions that a party works on at a time, where they send anything."""
_MARK = Fields(8, 1)


def split(plan: Plan, rows_of: Mapping[bytes, int]) -> Streamed | Refusal:
    """Cut a plan along its inputs with the most rows. Called by every node, alike.

    `rows_of` gives the rows of stored arrays by handle; those with fewer rows than the longest, and those that are not
    named, are read whole. The refusal says which operation does not go along rows.
    """
    handles = {handle for handle, _ in plan.inputs()} & set(rows_of)
    rows = max((rows_of[handle] for handle in handles), default=0)
    if rows < 2:
        return Refusal("no input has rows")
    long = {handle for handle in handles if rows_of[handle] == rows}
    try:
        return Streamed(plan, rows, Pieces(Cut(plan, long, rows)))
    except NotRowwise as refused:
        return Refusal(str(refused))


@dataclass(frozen=True)
class Stage:
    """A piece of a streamed run: once, or a pass over partitions; `first` is the number of its first operation, each
    partition taking `numbers`, and its reports begin at `listed`."""

    piece: Piece
    turns: int
    pass_number: int
    """0 for what runs once"""
    first: int
    numbers: int
    listed: int


@dataclass(frozen=True)
class Streamed:
    """A plan that can be run in partitions of rows."""

    plan: Plan
    rows: int
    pieces: Pieces = field(repr=False)

    @property
    def passes(self) -> int:
        """How many times all rows are gone through."""
        return self.pieces.cut.passes

    def partition(self, start: int, stop: int, number: int = 1) -> Plan:
        """The plan of pass `number` for these rows."""
        return self.pieces.partition(number, start, stop).plan

    @property
    def tail(self) -> Plan:
        """What runs once after the last pass; it may have nothing to do."""
        piece = self.pieces.once(self.passes)
        return piece.plan if piece is not None else Plan((), ())

    @cached_property
    def _once(self) -> list[Piece | None]:
        return [self.pieces.once(level) for level in range(self.passes + 1)]

    def stages(self, partition_rows: int) -> list[Stage]:
        """What runs, in its order. Raises PlanError if that is more than one job can hold."""
        if partition_rows < 1:
            raise ValueError(f"partitions of {partition_rows} rows")
        stages: list[Stage] = []
        first = listed = 0
        turns = -(-self.rows // partition_rows)

        def add(piece: Piece, turns: int, number: int) -> None:
            nonlocal first, listed
            # one number more, for the message that ends a partition
            numbers = piece.plan.numbers + (number > 0)
            stages.append(Stage(piece, turns, number, first, numbers, listed))
            first, listed = first + turns * numbers, listed + len(piece.plan.listed)

        for level, once in enumerate(self._once):
            if level:
                add(self.pieces.partition(level, 0, min(partition_rows, self.rows)), turns, level)
            if once is not None:
                add(once, 1, 0)
        if first > MAX_PLAN_NUMBERS:
            raise PlanError(
                f"{turns:,} partitions make {first:,} operations of the plan, more than {MAX_PLAN_NUMBERS:,}",
                hint="make the partitions larger",
            )
        return stages

    def is_local(self) -> bool:
        """Whether nothing is sent while rows are gone through: the size of partitions then costs no rounds."""
        return all(stage.piece.is_local for stage in self.stages(self.rows) if stage.pass_number)

    def place_of(self, number: int, partition_rows: int) -> int:
        """Where in `plan.listed` the operation stands that has this number in a streamed run. KeyError if none has."""
        for stage in self.stages(partition_rows):
            inside = number - stage.first
            if 0 <= inside < stage.turns * stage.numbers:
                # the message that ends a partition belongs to no operation
                return _listed_origins(self.plan, stage.piece)[stage.piece.plan.place_of(inside % stage.numbers)]
        raise KeyError(number)

    def names(self, partition_rows: int) -> Mapping[int, str]:
        """The names of operations by their number in a streamed run, for errors."""
        return _Names(self, partition_rows)

    def estimate(self, partition_rows: int) -> int:
        """About how many bytes a party needs at most, with partitions of so many rows."""
        between = sum(value_bytes(self.plan.operations[index].type) for index in self.pieces.kept)
        totals = [i for number in range(1, self.passes + 1) for i in self.pieces.results_of(number)]
        between += sum(value_bytes(self.plan.operations[index].type) for index in totals)
        most = 0
        for stage in self.stages(partition_rows):
            in_flight = IN_FLIGHT if stage.turns > 1 and not stage.piece.is_local else 1
            most = max(most, in_flight * peak_bytes(stage.piece.plan))
        return between + most


class _Names(Mapping[int, str]):
    def __init__(self, streamed: Streamed, partition_rows: int) -> None:
        self._streamed = streamed
        self._rows = partition_rows

    def __getitem__(self, number: int) -> str:
        streamed = self._streamed
        return streamed.plan.listed[streamed.place_of(number, self._rows)][0].operation.name

    def __iter__(self) -> Iterator[int]:
        return iter(range(len(self)))

    def __len__(self) -> int:
        return sum(stage.turns * stage.numbers for stage in self._streamed.stages(self._rows))


def _listed_origins(plan: Plan, piece: Piece) -> list[int]:
    """For every place in the piece's list of operations, the place in the whole plan's."""
    found = list(piece.origin)
    for index, op in enumerate(piece.plan.operations):
        if op.body is not None:
            start = plan.listings[piece.origin[index]]
            found += range(start, start + len(op.body.listed))
    return found


def execute_streamed(
    streamed: Streamed,
    party: Party,
    streams: Streams,
    channel: Channel,
    stored: Stored,
    *,
    partition_rows: int,
    timeout: float,
    threads: int = 1,
    progress: Callable[[float], None] | None = None,
) -> Outcome:
    """Run a cut plan. Called at each of the three parties, with the same plan and partition size.

    The outcome is as that of `execute`: reports, and the bytes that a JobChannel counts, are by operation of the whole
    plan. `progress` is called with a number from 0 to 1 after every partition. Memory as `Streamed.estimate`; the last
    bits of rescaled results may differ from a whole run, as between any two runs. Raises PlanError if a stored array is
    not as the plan says, PartyError if another party fails.
    """
    return _Run(streamed, party, streams, channel, stored, partition_rows, timeout, threads, progress).outcome()


class _Run:
    """One streamed run at one party."""

    def __init__(
        self,
        streamed: Streamed,
        party: Party,
        streams: Streams,
        channel: Channel,
        stored: Stored,
        partition_rows: int,
        timeout: float,
        threads: int,
        progress: Callable[[float], None] | None,
    ) -> None:
        def scope(number: int, solo: int) -> Scope:
            return Scope(party, streams, channel, number << 32, solo=PARTIES[solo % 3], threads=threads)

        self._streamed = streamed
        self._pieces = streamed.pieces
        self._channel = channel
        self._stored = stored
        self._rows = partition_rows
        self._progress = progress
        self._stages = streamed.stages(partition_rows)
        self._flow = Dataflow(channel, timeout, scope)
        self._values: dict[int, Value] = {}
        self._summed: list[OperationReport] = []
        self._programs: dict[tuple[int, int], tuple[Piece, Program]] = {}
        self._done = 0

    def outcome(self) -> Outcome:
        for stage in self._stages:
            if stage.pass_number:
                local = stage.turns == 1 or stage.piece.is_local
                self._flow.run_each(self._turns(stage, local), 1 if local else IN_FLIGHT)
            else:
                self._flow.run_each(iter([self._single(stage)]))
        values = [self._value(output.value) for output in self._streamed.plan.outputs]
        self._fold_bytes()
        return Outcome(values, self._reports(), self._flow.scheduler.waiting_s)

    def _value(self, index: int) -> Value:
        """A free value: computed before, or stored."""
        if index not in self._values:
            op = self._streamed.plan.operations[index]
            summed = self._pieces.cut.stored_sums.get(index)
            if summed is not None:
                value: Value = self._sums[summed]
            else:
                assert op.operation is INPUT
                value = self._stored.load(op.data, None, None)
            check_stored(summed or op.data, op.type, value)
            self._values[index] = value
        return self._values[index]

    @cached_property
    def _sums(self) -> Mapping[bytes, Share]:
        """The sums of stored arrays, asked for at once when the first is needed; the reports share the time."""
        cut, needed = self._pieces.cut, self._pieces.needed
        wanted = {index: handle for index, handle in cut.stored_sums.items() if (index, False) in needed}
        began = time.perf_counter()
        found = self._stored.add_up(dict.fromkeys(wanted.values()))
        each_s = (time.perf_counter() - began) / len(wanted)
        names = self._streamed.plan.operations
        self._summed = [OperationReport(index, names[index].operation.name, 0, each_s) for index in wanted]
        return found

    def _single(self, stage: Stage) -> Turn:
        piece = stage.piece
        keep = {output.value for output in piece.plan.outputs}

        def done(values: dict[int, Value]) -> None:
            for index, output in zip(piece.results, piece.plan.outputs, strict=True):
                self._values[index] = values[output.value]

        given = {place: self._value(index) for place, index in piece.values.items()}
        return Turn(program_of(piece.plan, {}), stage.first, stage.listed, keep, given, done)

    def _turns(self, stage: Stage, local: bool) -> Iterator[Turn]:
        """The partitions of a pass, each loaded when its turn comes."""
        rows = self._streamed.rows
        for number, start in enumerate(range(0, rows, self._rows)):
            yield self._turn(stage, number, start, min(start + self._rows, rows), local)

    def _turn(self, stage: Stage, number: int, start: int, stop: int, local: bool) -> Turn:
        piece, program = self._program(stage, stop - start)
        base = stage.first + number * stage.numbers
        given: dict[int, Any] = {}
        for place, handle in piece.rows.items():
            given[place] = self._stored.load(handle, start, stop)
            check_stored(handle, piece.plan.operations[place].type, given[place])
        for place, index in piece.slices.items():
            given[place] = self._pieces.slice_constant(index, start, stop)
        for place, index in piece.values.items():
            given[place] = self._value(index)

        def done(values: dict[int, Value]) -> None:
            for index, output in zip(piece.results, piece.plan.outputs, strict=True):
                self._gather(index, values[output.value], start, stop)
            self._done += 1
            if self._progress is not None:
                self._progress(self._done / sum(stage.turns for stage in self._stages if stage.pass_number))

        last = None if local else lambda: _end_together(self._flow.scope_of(base + stage.numbers - 1, 0))
        keep = {output.value for output in piece.plan.outputs}
        return Turn(program, base, stage.listed, keep, given, done, last)

    def _program(self, stage: Stage, rows: int) -> tuple[Piece, Program]:
        """The piece and program of partitions of this size; only the last partition's may be another."""
        key = stage.pass_number, rows
        if key not in self._programs:
            piece = self._pieces.partition(stage.pass_number, 0, rows)
            self._programs[key] = piece, program_of(piece.plan, {})
        return self._programs[key]

    def _gather(self, index: int, value: Value, start: int, stop: int) -> None:
        """Add a partial sum, or put rows where they belong."""
        axis = self._pieces.cut.axis_of(index)
        known = self._values.get(index)
        if axis is None:
            assert isinstance(value, Share) and (known is None or isinstance(known, Share))
            # the first is copied: a sum of one row may be a view of what was loaded
            self._values[index] = (
                Share(value.ring, value.own.copy(), value.next.copy())
                if known is None
                else Share(value.ring, value.ring.add(known.own, value.own), value.ring.add(known.next, value.next))
            )
            return
        wanted = self._streamed.plan.operations[index].type
        if known is None:
            known = (
                BitShare.empty(wanted.size) if isinstance(value, BitShare) else Share.empty(value.ring, wanted.shape)
            )
            self._values[index] = known
        _put(known, value, wanted, len(wanted.shape) - 1 - axis, start, stop)

    def _reports(self) -> list[OperationReport]:
        """Reports by operation of the whole plan: over the partitions the longest chain of rounds, and all the time."""
        found = {report.index: report for report in self._summed}
        origins = [origin for stage in self._stages for origin in _listed_origins(self._streamed.plan, stage.piece)]
        for report in self._flow.reports:
            index = origins[report.index]
            known = found.get(index)
            if known is None:
                name = self._streamed.plan.listed[index][0].operation.name
                found[index] = OperationReport(index, name, report.rounds, report.compute_s)
            else:
                known.rounds += report.rounds
                known.compute_s += report.compute_s
        return list(found.values())

    def _fold_bytes(self) -> None:
        """What was sent, by operation of the whole plan."""
        if not isinstance(self._channel, JobChannel):
            return
        sent = self._channel.bytes_of
        passed = dict(sent)
        sent.clear()
        for stage in self._stages:
            origins = _listed_origins(self._streamed.plan, stage.piece)
            for number in [n for n in passed if 0 <= n - stage.first < stage.turns * stage.numbers]:
                inside = (number - stage.first) % stage.numbers
                if inside < stage.piece.plan.numbers:
                    sent[origins[stage.piece.plan.place_of(inside)]] += passed.pop(number)
                else:
                    del passed[number]
        sent.update(passed)


def _put(all_rows: Value, value: Value, type: Type, place: int, start: int, stop: int) -> None:
    """Write rows into the whole."""
    key = (*[slice(None)] * place, slice(start, stop))
    if isinstance(all_rows, Share):
        assert isinstance(value, Share)
        all_rows.own[key] = value.own
        all_rows.next[key] = value.next
        return
    assert isinstance(value, BitShare)
    shape = (*type.shape[:place], stop - start, *type.shape[place + 1 :])
    row_bits = type.size // type.shape[place]
    # partitions may end in any order, and bits behind the last one of a part carry no meaning
    aligned = stop == type.shape[place] or stop * row_bits % 64 == 0
    if not place and start * row_bits % 64 == 0 and aligned:
        first = start * row_bits // 64
        all_rows.own[first : first + len(value.own)] = value.own
        all_rows.next[first : first + len(value.next)] = value.next
        return
    for whole, part in ((all_rows.own, value.own), (all_rows.next, value.next)):
        bits = unpack_bits(whole, type.size).reshape(type.shape)
        bits[key] = unpack_bits(part, value.count).reshape(shape)
        whole[:] = pack_bits(np.ascontiguousarray(bits).reshape(-1))


def _end_together(scope: Scope) -> Body[None]:
    """Tell the others that this party is through with a partition, and wait until they are.

    A party that only sends in a pass would run ahead otherwise, and what it sends would pile up at the others.
    """
    step = scope.step("end of a partition")
    others = [role for role in Role if role is not scope.role]
    for role in others:
        step.send(role, (_MARK, np.zeros(1, np.uint64)))
    for role in others:
        yield step.receive(role, _MARK)
