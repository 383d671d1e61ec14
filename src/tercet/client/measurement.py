"""What jobs really cost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from tercet.plan.plan import Plan
from tercet.plan.record.compile import measured_rounds


@dataclass(slots=True)
class OperationRow:
    """One kind of operation, summed over runs: bytes a party (mean of the three), seconds at the slowest party.

    `seconds` runs from an operation's start to its end; those that wait side by side count fully each.
    """

    name: str
    count: int = 0
    rounds: int = 0
    bytes_per_party: float = 0.0
    seconds: float = 0.0


@dataclass(frozen=True)
class JobRecord:
    """One job as the three parties and the client saw it."""

    job: str
    rounds: int
    bytes_per_party: float
    seconds: float
    online_s: float
    computing_s: float
    waiting_s: float
    operations: Mapping[str, OperationRow] = field(repr=False)


@dataclass
class Measurement:
    """Sums over the jobs that ran inside `with net.measure() as m`.

    rounds: along the longest chain of messages; bytes_per_party: payload sent to the other parties, mean of the
    three; seconds: as the client waited; online_s: from a plan's arrival to its end at the slowest party; computing_s
    and waiting_s: at a party, mean of the three.
    """

    jobs: int = 0
    rounds: int = 0
    bytes_per_party: float = 0.0
    seconds: float = 0.0
    online_s: float = 0.0
    computing_s: float = 0.0
    waiting_s: float = 0.0
    rows: dict[str, OperationRow] = field(default_factory=dict, repr=False)

    @property
    def operations(self) -> list[OperationRow]:
        """A row for each kind of operation, the slowest first."""
        return sorted(self.rows.values(), key=lambda row: row.seconds, reverse=True)

    def add(self, record: JobRecord) -> None:
        """Count one more job."""
        self.jobs += 1
        self.rounds += record.rounds
        self.bytes_per_party += record.bytes_per_party
        self.seconds += record.seconds
        self.online_s += record.online_s
        self.computing_s += record.computing_s
        self.waiting_s += record.waiting_s
        for name, row in record.operations.items():
            total = self.rows.setdefault(name, OperationRow(name))
            total.count += row.count
            total.rounds += row.rounds
            total.bytes_per_party += row.bytes_per_party
            total.seconds += row.seconds


class PartyReport(Protocol):
    """What a job took at one party: `engine.commands.Done` of a local session, `JobReport` of a node."""

    @property
    def seconds(self) -> float: ...

    @property
    def waiting_s(self) -> float: ...

    @property
    def index(self) -> Sequence[int]: ...

    @property
    def rounds(self) -> Sequence[int]: ...

    @property
    def nbytes(self) -> Sequence[int]: ...

    @property
    def compute_s(self) -> Sequence[float]: ...


def record_of(plan: Plan, job: str, reports: Sequence[PartyReport], seconds: float) -> JobRecord:
    """Join the reports of the three parties."""
    count = len(plan.listed)
    rounds, sent, took = [0] * count, [0] * count, [0.0] * count
    for report in reports:
        columns = (report.index, report.rounds, report.nbytes, report.compute_s)
        for index, depth, nbytes, compute_s in zip(*columns, strict=True):
            if index < count:
                rounds[index] = max(rounds[index], depth)
                sent[index] += nbytes
                took[index] = max(took[index], compute_s)
    rows: dict[str, OperationRow] = {}
    for index, (op, times) in enumerate(plan.listed):
        if not op.is_leaf and op.body is None:
            name = op.operation.name
            row = rows.get(name)
            if row is None:
                row = rows[name] = OperationRow(name)
            row.count += times
            row.rounds += times * rounds[index]
            row.bytes_per_party += sent[index] / len(reports)
            row.seconds += took[index]
    waiting_s = sum(report.waiting_s for report in reports) / len(reports)
    busy_s = sum(report.seconds for report in reports) / len(reports)
    return JobRecord(
        job,
        measured_rounds(plan, rounds),
        sum(sent) / len(reports),
        seconds,
        max(report.seconds for report in reports),
        max(0.0, busy_s - waiting_s),
        waiting_s,
        rows,
    )
