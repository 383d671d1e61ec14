"""Reads plans and labels of arrays for `engine.party`: from bytes, checked."""

from __future__ import annotations

import threading
from collections import Counter, OrderedDict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from tercet.engine.channel import JobChannel
from tercet.engine.dataflow import InstructionList
from tercet.engine.job import JobResult
from tercet.engine.party import ProgramResult
from tercet.errors import PlanError
from tercet.plan.plan import HANDLE_BYTES, OperationNames, OutputKind, Plan
from tercet.plan.run.execute import execute, program_of
from tercet.plan.types import read_type, window, write_type
from tercet.sharing import BitShare, Party, Share, Streams


@dataclass(frozen=True)
class PlanProgram:
    """A checked plan, ready to run."""

    plan: Plan
    results: Sequence[ProgramResult] = field(repr=False)
    names: Mapping[int, str] = field(repr=False)

    @cached_property
    def _instructions(self) -> InstructionList:
        return program_of(self.plan)

    def inputs(self) -> list[tuple[bytes, bytes]]:
        return [(handle, write_type(wanted)) for handle, wanted in self.plan.inputs()]

    def run(
        self,
        party: Party,
        streams: Streams,
        channel: JobChannel,
        inputs: Mapping[bytes, Share | BitShare],
        *,
        timeout: float,
        threads: int,
        balance: bool = True,
    ) -> JobResult:
        outcome = execute(
            self.plan,
            party,
            streams,
            channel,
            inputs,
            timeout=timeout,
            threads=threads,
            balance=balance,
            program=self._instructions,
        )
        # what the passes of a loop sent, by the place where reports name the operation
        passed: Counter[int] = Counter()
        for number in [number for number in channel.bytes_of if number >= len(self.plan.operations)]:
            passed[self.plan.place_of(number)] += channel.bytes_of.pop(number)
        channel.bytes_of.update(passed)
        return outcome


_PLANS_KEPT = 8
VALUE_BYTES = 8 << 30
"""Unless a party says otherwise: one value of a plan takes at most this much of its memory."""


class PlanLanguage:
    """Plans and types of `tercet.plan`; the plans read last are kept, as a plan that is run again is no other.

    Threads may share one: parties in one process read a plan once."""

    def __init__(self, value_bytes: int = VALUE_BYTES) -> None:
        """`value_bytes`: how large one value of a plan may be at this party, both components together."""
        self._value_bytes = value_bytes
        self._read: OrderedDict[tuple[bytes, frozenset[bytes]], PlanProgram] = OrderedDict()
        self._lock = threading.Lock()

    def read(self, plan: bytes, claimed: Collection[bytes] = ()) -> PlanProgram:
        """Decode a plan, check all its types anew, and that no value is too large here. Raises PlanError.

        `claimed`: handles of the inputs whose bounds nobody has checked or proven (`plan.bounds.prove`)."""
        key = plan, frozenset(claimed)
        with self._lock:
            program = self._read.get(key)
            if program is None:
                program = self._decoded(*key)
                self._read[key] = program
                if len(self._read) > _PLANS_KEPT:
                    self._read.popitem(last=False)
            self._read.move_to_end(key)
            return program

    def _decoded(self, plan: bytes, claimed: frozenset[bytes]) -> PlanProgram:
        decoded = Plan.from_bytes(plan, claimed=claimed)
        self._check_sizes(decoded)
        handles = [output.handle for output in decoded.outputs if output.kind is OutputKind.PERSIST]
        if len(set(handles)) != len(handles) or any(len(handle) != HANDLE_BYTES for handle in handles):
            raise PlanError("two results are to be kept under one handle")
        results = []
        for output in decoded.outputs:
            t = decoded.type_of(output.value)
            results.append(ProgramResult(output.kind is OutputKind.REVEAL, output.handle, write_type(t), window(t)))
        return PlanProgram(decoded, results, OperationNames(decoded, len(decoded.operations), decoded.place_of))

    def _check_sizes(self, plan: Plan) -> None:
        for index, op in enumerate(plan.operations):
            needed = max(2 * t.size * (t.ring or 1) // 8 for t in op.types)
            if needed > self._value_bytes:
                raise PlanError(
                    f"operation {index} ({op.operation.name}) gives {op.type}: {needed:,} bytes, and a party takes "
                    f"{self._value_bytes:,} for one value",
                    hint="compute on parts of the array",
                )
            if op.body is not None:
                self._check_sizes(op.body)

    def check_label(self, label: bytes, ring_bits: int, shape: tuple[int, ...]) -> None:
        """Raise PlanError unless the label is that of an array of this ring and shape."""
        t = read_type(label)
        if t.is_permutation:
            raise PlanError("a permutation is made by an operation of a plan, and not uploaded")
        if t.ring != ring_bits or t.shape != shape:
            raise PlanError(f"an array of ring {ring_bits} and shape {shape} is no {t}")

    def accepts(self, wanted: bytes, stored: bytes) -> bool:
        """Say whether an array stored with one type may be read as the other: equal, or with narrower bounds."""
        if wanted == stored:
            return True
        a, b = read_type(wanted), read_type(stored)
        return a.with_bounds(0, 0) == b.with_bounds(0, 0) and a.lo <= b.lo and b.hi <= a.hi and not a.is_bool
