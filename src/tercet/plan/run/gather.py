"""Runs a plan in partitions of rows, so that memory does not grow with them: partial sums add up, the rest runs once.

`Passes` says what runs when, `LaneRun` computes it, `Gather` adds up what the partitions give and keeps what the next
stage needs. Today there is one lane, in the same process.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from tercet.engine.scheduler import Channel
from tercet.plan.run.execute import RunResult
from tercet.plan.run.lane import ArraySource, LaneRun, Shares
from tercet.plan.run.passes import Passes, PlanStage
from tercet.plan.types import Type
from tercet.ring import pack_bits, unpack_bits
from tercet.sharing import BitShare, Party, Share, Streams


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
) -> RunResult:
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

    def result(self) -> RunResult:
        """Run all stages, in their order; what the party has then."""
        lane, plan = self._lane, self._passes.streamed.plan
        turns = dict(enumerate(self._passes.partitions()))
        for stage in self._passes.stages:
            if stage.pass_number:
                lane.run_partitions(stage, turns, self._free, self._taking(stage, turns))
            else:
                self._free |= lane.run_once(stage, self._free)
        values = [self._value(output.value) for output in plan.outputs]
        lane.fold_bytes()
        return RunResult(values, lane.reports(), lane.waiting_s)

    def _value(self, index: int) -> Shares:
        if index in self._rowwise:
            return self._rowwise[index].value
        return self._free[index] if index in self._free else self._lane.stored(index)

    def _taking(
        self, stage: PlanStage, turns: Mapping[int, tuple[int, int]]
    ) -> Callable[[int, Mapping[int, Shares]], None]:
        def take(turn: int, values: Mapping[int, Shares]) -> None:
            self.take(stage.pass_number, turn, turns[turn], values)

        return take

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
