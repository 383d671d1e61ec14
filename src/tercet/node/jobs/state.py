"""A job's life as one type: its states, what each of them holds, and the transitions between them.

    Held ──approve──▶ Queued ──assign──▶ Starting ──begin──▶ Running ──finish──▶ Finished ──settle──▶ Settling
      │               │    ▲                │                   │                   │                    │
      │             check checked      postpone (to Queued)     │                   └───────complete─────┴──▶ Done
      │               ▼    │                                    │
      │             Checking                                    │
      └──deny──▶ Refused          stop: from all of these ──▶ Ending ──close──▶ Failed, Cancelled or Refused

| state      | meaning                                                    | in the row as     | moved on by        |
|------------|------------------------------------------------------------|-------------------|--------------------|
| Held       | the policy wants an operator's approval                    | held              | an operator        |
| Queued     | accepted here; waits for the other nodes and a lane        | queued            | the coordinator    |
| Checking   | uploads that it reads are being checked first              | queued            | the coordinator    |
| Starting   | it has a lane; the nodes exchange their audit heads        | queued            | each node          |
| Running    | this node's worker runs it                                 | running           | the worker         |
| Finished   | the worker is done; a change waits to become visible       | running           | the coordinator    |
| Settling   | the change is in its two-phase commit                      | running           | the coordinator    |
| Ending     | its end is known and signed, but not written down yet      | as before         | its thread         |
| Done       | it has its result                                          | done              |                    |
| Failed, Cancelled, Refused | it ended without a result, as `end` says   | the same          |                    |

Every transition is a function from a job to the job that follows; it raises `Conflict` where the job is in a state that
does not have it. `Ledger` alone calls them on the jobs of a node, and writes row, audit entry and receipts in one
transaction wherever the third column changes. What other nodes and people are told is worked out from a job by `view`:
a finished or settling job is told as "finished" to other nodes and as "running" to people; a job that is at its end is
told with its signed `end`. Checking exists at the coordinator only. A settling job may fail, but nobody can cancel it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, ClassVar, Final, Protocol, TypeVar

from pydantic import ConfigDict, Field

from tercet.errors import TercetError
from tercet.federation.api_jobs import Decision, End, Grounds, JobReport, JobStateName
from tercet.federation.boxes import BoxInfo
from tercet.federation.model import Body
from tercet.store.change import KeepChange, RefreshChange

S = TypeVar("S")


class Touched(Body):
    """What a job reads of one dataset, and what budgets count of it."""

    versions: list[int]
    columns: list[str]
    through: list[str]
    """Names of the kept results through which the job depends on the dataset."""
    bits: int
    kept: int


class JobFacts(Body):
    """What a node worked out of a job when it was decided; stored in its row, so unknown keys are ignored."""

    model_config = ConfigDict(extra="ignore")

    purpose: str = ""
    datasets: list[str] = Field(default_factory=list)
    touched: dict[str, Touched] = Field(default_factory=dict)
    grounds: dict[str, Grounds] = Field(default_factory=dict)
    numbers: int = 0
    terms: dict[str, Any] = Field(default_factory=dict)
    """On what terms each array is kept, by handle; `store.kept_changes` reads them from the row."""
    explanation: str = ""
    keeps: list[int] = Field(default_factory=list)
    """Indices of the outputs that are kept, in the order of the change's arrays."""
    policy: str = ""
    """Digest of the policy that decided last."""
    kept_by: dict[str, str] = Field(default_factory=dict)
    """Which job kept each kept array that is read, by handle."""
    unchecked: list[str] = Field(default_factory=list)
    """Datasets with uploads that nobody has checked."""
    approved: str = ""
    """The rule under which an operator approved the job."""


@dataclass(frozen=True)
class HeldState:
    told: ClassVar[JobStateName] = "held"


@dataclass(frozen=True)
class QueuedState:
    told: ClassVar[JobStateName] = "queued"


@dataclass(frozen=True)
class CheckingState:
    told: ClassVar[JobStateName] = "queued"


@dataclass(frozen=True)
class StartingState:
    told: ClassVar[JobStateName] = "queued"
    lane: int
    session: str


@dataclass(frozen=True)
class RunningState:
    told: ClassVar[JobStateName] = "running"
    lane: int
    session: str
    progress: float = 0.0


@dataclass(frozen=True)
class _Result:
    report: JobReport | None
    boxes: tuple[BoxInfo, ...]


class FinishedState(_Result):
    told: ClassVar[JobStateName] = "running"


class SettlingState(_Result):
    told: ClassVar[JobStateName] = "running"


class DoneState(_Result):
    told: ClassVar[JobStateName] = "done"


@dataclass(frozen=True)
class EndingState:
    end: End
    told: JobStateName
    """What the row still says."""

    @property
    def ran(self) -> bool:
        """Whether it was started here: only then may anybody have seen its result."""
        return self.told == "running"


@dataclass(frozen=True)
class _WithoutResult:
    end: End


class FailedState(_WithoutResult):
    told: ClassVar[JobStateName] = "failed"


class CancelledState(_WithoutResult):
    told: ClassVar[JobStateName] = "cancelled"


class RefusedState(_WithoutResult):
    told: ClassVar[JobStateName] = "refused"


State = (
    HeldState
    | QueuedState
    | CheckingState
    | StartingState
    | RunningState
    | FinishedState
    | SettlingState
    | EndingState
    | DoneState
    | FailedState
    | CancelledState
    | RefusedState
)
WITHOUT_RESULT: Final = (FailedState, CancelledState, RefusedState)
FINAL: Final = (DoneState, *WITHOUT_RESULT)
_ENDED: Final[dict[str, type[FailedState] | type[CancelledState] | type[RefusedState]]] = {
    "failed": FailedState,
    "cancelled": CancelledState,
    "refused": RefusedState,
}
_ALIVE: Final = (HeldState, QueuedState, CheckingState, StartingState, RunningState, FinishedState, SettlingState)


class Work(Protocol):
    """What a job does once it is started: the plan of a bundle, or a refresh. Thread-safe."""

    @property
    def change(self) -> KeepChange | RefreshChange | None:
        """What is to become visible at all three nodes once all workers are done."""

    @property
    def recorded(self) -> bool:
        """Whether the job has a row. The dispatcher starts and settles such jobs; others whoever ordered them."""

    def order(self, job: Job) -> tuple[Body, bytes]:
        """What the worker of a running job is told: a message and its data. Raises what the job cannot be run for."""

    def done(self, answer: Body) -> tuple[JobReport | None, Sequence[BoxInfo]]:
        """Make durable what the worker left, given its answer; gives what the job took, and the sealed results."""

    def tidy(self, job: Job) -> None:
        """Delete the files of a job that has no result. Called before the end of every job is written down."""

    def visible(self, job: Job) -> bool:
        """Whether the change has become visible here."""


@dataclass(frozen=True)
class Job:
    """One job at one node. Times are unix seconds."""

    id: str
    hash: str
    analyst: str
    created: float
    deadline: float
    decision: Decision
    state: State
    work: Work = field(repr=False, compare=False)
    facts: JobFacts = field(default_factory=JobFacts, repr=False)

    @property
    def final(self) -> bool:
        """Whether it is at its end."""
        return isinstance(self.state, FINAL)

    @property
    def told(self) -> JobStateName:
        """The state as the row has it and people read it."""
        return self.state.told


class Conflict(TercetError):
    """A job cannot become what it was to become. Names the state that it is in, and the one it was to be in."""

    def __init__(self, state: str, wanted: str) -> None:
        super().__init__(f"a job that is {state} cannot become {wanted}")
        self.state = state
        self.wanted = wanted


def name_of(state: State | type[State]) -> str:
    """A state's name in one word, lower case."""
    return (state if isinstance(state, type) else type(state)).__name__.removesuffix("State").lower()


def _from(job: Job, wanted: type[State], *allowed: type[S]) -> S:
    """The state of a job that is in an allowed one. Raises Conflict."""
    if not isinstance(job.state, allowed):
        raise Conflict(name_of(job.state), name_of(wanted))
    return job.state


def approve(job: Job, reason: str) -> Job:
    """An operator lets a held job through; `reason` is added to those of the decision."""
    _from(job, QueuedState, HeldState)
    reasons = [*job.decision.reasons, reason]
    return replace(
        job,
        state=QueuedState(),
        decision=job.decision.model_copy(update={"verdict": "accepted", "reasons": reasons}),
        facts=job.facts.model_copy(update={"approved": job.decision.rule}),
    )


def deny(job: Job, end: End) -> Job:
    """An operator refuses a held job."""
    _from(job, RefusedState, HeldState)
    return replace(job, state=RefusedState(end), decision=job.decision.model_copy(update={"verdict": "refused"}))


def begin_checks(job: Job) -> Job:
    """The coordinator has uploads checked that the job reads, before it starts."""
    _from(job, CheckingState, QueuedState)
    return replace(job, state=CheckingState())


def checked(job: Job) -> Job:
    """These checks are over, whatever came of them: each node looks at the stamps when the job starts."""
    _from(job, QueuedState, CheckingState)
    return replace(job, state=QueuedState(), facts=job.facts.model_copy(update={"unchecked": []}))


def assign(job: Job, lane: int, session: str) -> Job:
    """The coordinator has chosen a lane; `session` is that of the workers' handshake."""
    _from(job, StartingState, QueuedState)
    return replace(job, state=StartingState(lane, session))


def postpone(job: Job) -> Job:
    """The start did not take place, and is tried again."""
    _from(job, QueuedState, StartingState)
    return replace(job, state=QueuedState())


def begin(job: Job) -> Job:
    """All three nodes have shown good audit heads; written down together with them."""
    state = _from(job, RunningState, StartingState)
    return replace(job, state=RunningState(state.lane, state.session))


def progress(job: Job, fraction: float) -> Job:
    """The worker says how far it is, from 0 to 1."""
    return replace(job, state=replace(_from(job, RunningState, RunningState), progress=fraction))


def look_again(job: Job, decision: Decision, facts: JobFacts) -> Job:
    """The policy and the stamps were looked at again at the start of the worker: what they say now counts."""
    _from(job, RunningState, RunningState)
    return replace(job, decision=decision, facts=facts)


def finish(job: Job, report: JobReport | None, boxes: Sequence[BoxInfo]) -> Job:
    """The worker is done, and what it wrote is durable."""
    _from(job, FinishedState, RunningState)
    return replace(job, state=FinishedState(report, tuple(boxes)))


def settle(job: Job) -> Job:
    """The transaction that makes the job's change visible begins: at the coordinator before it asks the other nodes, at
    these when they prepare."""
    state = _from(job, SettlingState, FinishedState)
    return replace(job, state=SettlingState(state.report, state.boxes))


def complete(job: Job) -> Job:
    """The job has its result: it has no change, or the change is visible."""
    state: _Result = _from(job, DoneState, FinishedState, SettlingState)
    return replace(job, state=DoneState(state.report, state.boxes))


def stop(job: Job, end: End) -> Job:
    """How the job ends is known, and stays so: the first end counts. Its worker is ended next, if it has one."""
    _from(job, EndingState, *_ALIVE)
    return replace(job, state=EndingState(end, job.told))


def cancel(job: Job, end: End) -> Job:
    """A person ends the job: not while its change is becoming visible, since what they are told would not be so."""
    _from(job, EndingState, *(state for state in _ALIVE if state is not SettlingState))
    return stop(job, end)


def close(job: Job) -> Job:
    """The end is written down, and the job is over."""
    if not isinstance(job.state, EndingState):
        raise Conflict(name_of(job.state), "closed")
    return replace(job, state=_ENDED[job.state.end.state](job.state.end))
