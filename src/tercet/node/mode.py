"""How a plan is run at a node: whole, or in partitions of rows. The same choice at all three, from the plan alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from tercet.errors import PlanError
from tercet.plan.cut import Refusal
from tercet.plan.memory import peak_bytes
from tercet.plan.plan import Plan
from tercet.plan.stream import Streamed, split

WHOLE_BYTES = 256 << 20
"""A plan that needs no more is run whole."""
PARTITION_BYTES = 128 << 20
"""What one partition in flight should need."""
LOCAL_BYTES = 24 << 20
"""As much where nothing is sent meanwhile, and what is run whole then: every partition uses the memory of the one
before it again, which is still near, and asks the system for none."""
_MOST_ROWS = 1 << 20
_LEAST_ROWS = 1 << 12
_LEAST_LOCAL_ROWS = 1 << 16
"""Of many columns, fewer rows at a time would cost more in calls than they save in memory."""


@dataclass(frozen=True)
class Mode:
    """`streamed` None: whole. `needed_bytes`: memory at one party, estimated."""

    streamed: Streamed | None = field(repr=False)
    partition_rows: int
    needed_bytes: int

    @property
    def label(self) -> bytes:
        """What the three workers compare beside the bundle: a different choice would leave them waiting."""
        return b"tercet mode %d" % self.partition_rows


def choose_mode(plan: Plan, rows_of: Mapping[bytes, int], wanted_rows: int, memory_bytes: int) -> Mode:
    """Decide how a plan is run. The supervisor calls it before it accepts a job, and the worker again.

    `rows_of`: rows of every column that is read, by handle; `wanted_rows`: rows of a partition as the analyst wishes,
    0 for none. Only the refusal depends on `memory_bytes`, this node's own limit. Raises PlanError if it needs more.
    """
    whole = peak_bytes(plan)
    rows = max(rows_of.values(), default=0)
    reason = ""
    mode = Mode(None, 0, whole)
    if rows and (whole > LOCAL_BYTES or 0 < wanted_rows < rows):
        found = split(plan, rows_of)
        if isinstance(found, Refusal):
            reason = found.reason
        else:
            local = found.is_local()
            partition_rows = wanted_rows or _partition_rows(found, local)
            if not found.passes or (partition_rows < rows and (local or wanted_rows or whole > WHOLE_BYTES)):
                mode = Mode(found, partition_rows, found.estimate(partition_rows))
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
        if streamed.estimate(rows) <= (LOCAL_BYTES if local and rows > _LEAST_LOCAL_ROWS else PARTITION_BYTES):
            break
        rows //= 2
    return rows
