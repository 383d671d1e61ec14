"""What runs when if a plan is run in partitions of rows: pieces that run once, and passes over all rows between them.

All of it follows from the plan and the size of partitions alone, so that three parties that agree on both run the same.
Operations of all partitions have numbers of their own, so that no message and no random stream repeats.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise

from tercet.errors import PlanError
from tercet.plan.plan import MAX_PLAN_NUMBERS, OperationNames, Plan
from tercet.plan.rows.cut import Cut, NotRowwise, Refusal
from tercet.plan.rows.memory import peak_bytes, value_bytes
from tercet.plan.run.pieces import Piece, Pieces

_ALIGNED = 64
IN_FLIGHT = 2
"""Partitions that a party works on at a time, where they send anything."""


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


def partitions(rows: int, partition_rows: int) -> Iterator[tuple[int, int]]:
    """From and to which row each partition goes, of at most `partition_rows` rows each: all of about one length.

    However many rows are wanted in a partition, none is short, so that no group of few rows stands alone. Long ones
    begin at multiples of 64, so that packed bits need no shifting.
    """
    turns, step = -(-rows // partition_rows), _step(rows, partition_rows)
    return pairwise(turn * rows // turns // step * step if turn < turns else rows for turn in range(turns + 1))


def _step(rows: int, partition_rows: int) -> int:
    """Of what the beginnings of partitions are multiples."""
    return _ALIGNED if rows // max(1, -(-rows // partition_rows)) >= _ALIGNED * _ALIGNED else 1


@dataclass(frozen=True)
class Streamed:
    """A plan that can be run in partitions of `rows` rows in all."""

    plan: Plan
    rows: int
    pieces: Pieces = field(repr=False)

    @property
    def passes(self) -> int:
        """How many times all rows are gone through."""
        return self.pieces.cut.passes

    @property
    def is_local(self) -> bool:
        """Whether nothing is sent while rows are gone through: the size of partitions then costs no rounds."""
        return all(self.pieces.partition(number, 0, self.rows).is_local for number in range(1, self.passes + 1))

    @cached_property
    def once(self) -> list[Piece | None]:
        """What runs once, by level: before all passes, after the first, ...; None where that is nothing."""
        return [self.pieces.once(level) for level in range(self.passes + 1)]


@dataclass(frozen=True)
class PlanStage:
    """A piece of a streamed run: it runs once, or in a pass over partitions. `first` is the number of its first
    operation, each partition takes `numbers`, and its reports begin at `listed`."""

    piece: Piece
    turns: int
    pass_number: int
    """From 1; 0 for what runs once."""
    first: int
    numbers: int
    listed: int

    def base(self, turn: int) -> int:
        """The number of the first operation of a partition."""
        return self.first + turn * self.numbers


class Passes:
    """The stages of a streamed run with partitions of at most `partition_rows` rows, in their order.

    Called by every node, alike, and by `choose_mode` for what it needs. Time grows with the operations and the passes,
    not with the partitions. Raises PlanError if it is more than one job can hold.
    """

    def __init__(self, streamed: Streamed, partition_rows: int) -> None:
        if partition_rows < 1:
            raise ValueError(f"partitions of {partition_rows} rows")
        self.streamed = streamed
        self.partition_rows = partition_rows
        self.stages: list[PlanStage] = []
        self.numbers = 0
        """How many numbers of operations it takes."""
        rows, pieces = streamed.rows, streamed.pieces
        turns = -(-rows // partition_rows)
        longest = min(rows, -(-rows // turns) + _step(rows, partition_rows) - 1)
        for level, once in enumerate(streamed.once):
            if level:
                self._add(pieces.partition(level, 0, longest), turns, level)
            if once is not None:
                self._add(once, 1, 0)
        if self.numbers > MAX_PLAN_NUMBERS:
            raise PlanError(
                f"{turns:,} partitions make {self.numbers:,} operations of the plan, more than {MAX_PLAN_NUMBERS:,}",
                hint="make the partitions larger",
            )

    def _add(self, piece: Piece, turns: int, pass_number: int) -> None:
        listed = self.stages[-1].listed + len(self.stages[-1].piece.plan.listed) if self.stages else 0
        # one number more, for the message that ends a partition
        numbers = piece.plan.numbers + (pass_number > 0)
        self.stages.append(PlanStage(piece, turns, pass_number, self.numbers, numbers, listed))
        self.numbers += turns * numbers

    @property
    def turns(self) -> int:
        """How many partitions are run, over all passes."""
        return sum(stage.turns for stage in self.stages if stage.pass_number)

    def partitions(self) -> list[tuple[int, int]]:
        """From and to which row the partitions of a pass go."""
        return list(partitions(self.streamed.rows, self.partition_rows))

    def estimate(self) -> int:
        """About how many bytes a party needs at most."""
        plan, pieces = self.streamed.plan, self.streamed.pieces
        between = sum(value_bytes(plan.type_of(index)) for index in pieces.kept)
        results = [index for number in range(1, self.streamed.passes + 1) for index in pieces.results_of(number)]
        between += sum(value_bytes(plan.type_of(index)) for index in results)
        most = 0
        for stage in self.stages:
            in_flight = IN_FLIGHT if stage.turns > 1 and not stage.piece.is_local else 1
            most = max(most, in_flight * peak_bytes(stage.piece.plan))
        return between + most

    # -- which operation of the whole plan is which

    def origins(self, stage: PlanStage) -> list[int]:
        """For every place in the list of a stage's operations, the place in that of the whole plan's."""
        plan, piece = self.streamed.plan, stage.piece
        found = list(piece.origin)
        for index, op in enumerate(piece.plan.operations):
            if op.body is not None:
                start = plan.listings[piece.origin[index]]
                found += range(start, start + len(op.body.listed))
        return found

    def place_of(self, number: int) -> int:
        """Where in `plan.listed` the operation stands that has this number. KeyError if none has."""
        for stage in self.stages:
            inside = number - stage.first
            if 0 <= inside < stage.turns * stage.numbers:
                # the message that ends a partition belongs to no operation
                return self.origins(stage)[stage.piece.plan.place_of(inside % stage.numbers)]
        raise KeyError(number)

    @property
    def names(self) -> Mapping[int, str]:
        """The names of operations by their number, for errors."""
        return OperationNames(self.streamed.plan, self.numbers, self.place_of)
