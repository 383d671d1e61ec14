"""Chooses how nodes run a plan: whole, or in partitions of rows. It follows from the plan, alike at all three."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from tercet.errors import PlanError
from tercet.plan.plan import Plan
from tercet.plan.rows.cut import Refusal
from tercet.plan.rows.memory import peak_bytes
from tercet.plan.run.passes import Passes, Streamed, split

ANY_VALUE_BYTES = 1 << 50
"""No limit for one value: a streamed plan never holds one whole, and `choose_mode` checks the memory of a job."""
WHOLE_BYTES = 256 << 20
"""A plan that needs no more is run whole."""
PARTITION_BYTES = 128 << 20
"""What one partition in flight should need."""
LOCAL_BYTES = 24 << 20
"""The same where nothing is sent meanwhile; a plan that needs no more is run whole. Each partition then uses the memory
of the one before, which is still in the processor's cache."""
_MOST_ROWS = 1 << 20
_LEAST_ROWS = 1 << 12
_LEAST_LOCAL_ROWS = 1 << 16
"""Fewer rows of many columns would cost more time for calls than they save."""


@dataclass(frozen=True)
class RunMode:
    """`passes` None: whole. `needed_bytes`: memory at one party, estimated."""

    passes: Passes | None = field(repr=False)
    needed_bytes: int

    @property
    def partition_rows(self) -> int:
        """At most how many rows a partition has; 0 if the plan is run whole."""
        return self.passes.partition_rows if self.passes is not None else 0

    @property
    def label(self) -> bytes:
        """What the three workers compare beside the bundle: with different choices they would wait for each other."""
        return b"tercet mode %d" % self.partition_rows


def choose_mode(plan: Plan, rows_of: Mapping[bytes, int], wanted_rows: int, memory_bytes: int) -> RunMode:
    """Decide how a plan is run. The supervisor calls it before it accepts a job, and the worker again.

    `rows_of`: rows of every column that is read, by handle; `wanted_rows`: rows of a partition as the analyst wishes,
    0 for none; it is drawn in to between 2^12 and 2^20, as no group of rows may be short.
    Only the refusal depends on `memory_bytes`, this node's own limit. Raises PlanError if it needs more.
    """
    whole = peak_bytes(plan)
    rows = max(rows_of.values(), default=0)
    reason = ""
    mode = RunMode(None, whole)
    if wanted_rows:
        wanted_rows = min(max(wanted_rows, _LEAST_ROWS), _MOST_ROWS)
    if rows and (whole > LOCAL_BYTES or 0 < wanted_rows < rows):
        found = split(plan, rows_of)
        if isinstance(found, Refusal):
            reason = found.reason
        else:
            local = found.is_local
            partition_rows = wanted_rows or _partition_rows(found, local)
            if not found.passes or (partition_rows < rows and (local or wanted_rows or whole > WHOLE_BYTES)):
                passes = Passes(found, partition_rows)
                mode = RunMode(passes, passes.estimate())
    if mode.needed_bytes > memory_bytes:
        because = f"; it cannot be run in partitions: {reason}" if reason else ""
        raise PlanError(
            f"the job needs about {mode.needed_bytes:,} bytes of memory here, and may take {memory_bytes:,}{because}",
            hint="ask about fewer columns or rows at a time, or have the operator raise limits.job_memory_bytes",
        )
    return mode


def _partition_rows(streamed: Streamed, local: bool) -> int:
    rows = _MOST_ROWS
    while rows > _LEAST_ROWS:
        most = LOCAL_BYTES if local and rows > _LEAST_LOCAL_ROWS else PARTITION_BYTES
        if Passes(streamed, rows).estimate() <= most:
            break
        rows //= 2
    return rows
