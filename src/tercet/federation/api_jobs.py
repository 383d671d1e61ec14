"""Bodies about jobs and what they leave: receipts, kept results, the grounds of results. Their table is in `api`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from tercet.federation.api import SHORT, Count, ErrorBody, PublicJson, Text, Time
from tercet.federation.model import Body, ColumnName, DatasetName, Digest, Identifier, KeptName, Line, MemberName, Shown
from tercet.federation.text import counted, local_time

SHOWN = 16
"""How many outputs and uploads are named; what the manifest says of checks is whole."""
_SHORT = 8

Number = Annotated[int, Field(ge=0, le=1 << 40)]


class Passed(Body):
    """A check under sharing that an upload has passed: by which protocol, against which ranges (their digest)."""

    upload: Identifier
    protocol: Number
    ranges: Digest


class Grounds(Body):
    """On what the results of a job rest, as far as one dataset goes; each node works it out for itself, from the plan
    and the stamps in the dataset's manifest, so the three say the same.

    In receipts, answers about jobs and audit entries; `version` is that of this form.
    """

    version: Literal[1] = 1
    outputs: Number
    """How many outputs the plan has, revealed and kept."""
    claimed: Number
    """How many of them rest on claimed bounds: false claims make these results wrong, and disclose nothing."""
    claimed_outputs: Annotated[list[Number], Field(max_length=SHOWN)] = Field(default_factory=list)
    """Which, counted from 0; the first of them."""
    checked: Number
    """How many uploads are behind the columns read that have passed their check under sharing."""
    unchecked: Number
    """How many uploads behind them have passed no check, or none against the ranges of the present schema."""
    checks: Annotated[list[Passed], Field(max_length=SHOWN)] = Field(default_factory=list)
    """Of those checked: the first, by the name of the upload."""

    def words(self) -> Iterator[str]:
        """In sentences."""
        word = "on bounds that are claimed and not proven"
        if not self.claimed:
            yield f"no result rests {word}"
        elif self.outputs == 1:
            yield f"the result rests {word}"
        else:
            named = ", ".join(str(output + 1) for output in self.claimed_outputs)
            more = ", ..." if self.claimed > len(self.claimed_outputs) else ""
            yield f"{self.claimed:,} of {self.outputs:,} results rest {word} (output {named}{more})"
        if self.checked:
            named = ", ".join(f"{one.upload[:_SHORT]} by check {one.protocol}" for one in self.checks[:3])
            more = ", ..." if self.checked > 3 else ""
            uploads = "1 upload" if self.checked == 1 else f"{self.checked:,} uploads"
            yield f"the values of {uploads} were found in their ranges under sharing ({named}{more})"
        if self.unchecked:
            yield f"nobody has checked the values of {self.unchecked:,} upload{'s' * (self.unchecked != 1)}"
        if not self.checked and not self.unchecked:
            yield "its data came through kept results: the jobs that kept them say how they were checked"

    def brief(self) -> str:
        """In few words, for a line of a list."""
        found = []
        if self.checked:
            found.append("checked data")
        if self.unchecked:
            found.append(f"{self.unchecked:,} upload{'s' * (self.unchecked != 1)} that nobody has checked")
        if not found:
            found.append("kept results")
        if self.claimed:
            found.append(f"claimed bounds ({self.claimed:,} of {self.outputs:,} results)")
        return ", ".join(found)


Verdict = Literal["accepted", "held", "refused"]
JobKind = Literal["plan", "refresh"]
JobStateName = Literal["held", "queued", "running", "done", "failed", "cancelled", "refused"]
FINAL_STATES = ("done", "failed", "cancelled", "refused")


REFUSED_HINT = (
    "ask in another way, or ask the operator to allow it; tercet explain (in Python explain()) tells beforehand what "
    "each node says"
)


def in_lines(reasons: Sequence[str]) -> str:
    """Reasons for people: several of them (of several outputs, say) each in a line of its own, none twice."""
    distinct = list(dict.fromkeys(reasons))
    return distinct[0] if len(distinct) == 1 else "".join(f"\n  {reason}" for reason in distinct)


class Decision(Body):
    """What one node's policy says: by which rule, and why, for people to read."""

    node: MemberName
    verdict: Verdict
    rule: Line = ""
    reasons: list[Text] = Field(default_factory=list)

    @property
    def because(self) -> str:
        """The reasons for people."""
        return in_lines(self.reasons)


class OutputInfo(Body):
    """An output of a job: revealed (a box of so many bytes waits) or kept under a name."""

    index: Count
    kept: KeptName | Literal[""] = ""
    nbytes: Count = 0
    expires: Time | None = None


class JobReport(Body):
    """What a job took at this node, in all and for the plan's operations, as far as they took anything."""

    seconds: Annotated[float, Field(ge=0)]
    waiting_s: Annotated[float, Field(ge=0)]
    peak_bytes: Count = 0
    index: list[int] = Field(default_factory=list)
    rounds: list[int] = Field(default_factory=list)
    nbytes: list[int] = Field(default_factory=list)
    compute_s: list[float] = Field(default_factory=list)


class SignedRequest(Body):
    """The head of a person's signed request, shown as proof of what they asked: see `federation.requests`."""

    certificate: Annotated[str, StringConstraints(max_length=8192)]
    date: Annotated[str, StringConstraints(max_length=16)]
    nonce: Annotated[str, StringConstraints(max_length=32)]
    content: Digest
    signature: Annotated[str, StringConstraints(max_length=88)]


class End(Body):
    """How a job ended that did not end well, in the words and with the signature of the node where it did first.

    `request` is that of the person who cancelled it: see `federation.statements`.
    """

    job: Identifier
    bundle: Digest
    state: Literal["cancelled", "failed", "refused"]
    error: ErrorBody
    signer: MemberName
    request: SignedRequest | None = None
    signature: Annotated[str, StringConstraints(max_length=88)]


class JobInfo(Shown):
    """A job as this node sees it."""

    job: Identifier
    kind: JobKind = "plan"
    analyst: Digest
    analyst_name: Line
    purpose: Line = ""
    bundle: Digest
    """Hash of the signed bundle."""
    datasets: list[DatasetName] = Field(default_factory=list)
    charged: dict[DatasetName, Count] = Field(default_factory=dict)
    """Bits that what it reveals of each can carry: what budgets count."""
    grounds: Annotated[dict[DatasetName, Grounds], Field(repr=False)] = Field(default_factory=dict)
    """Of each dataset: on what the results rest. Signed with the end."""
    state: JobStateName
    decision: Decision
    explanation: Annotated[Text, Field(repr=False)] = ""
    position: Count | None = None
    """Jobs before it in the queue."""
    progress: Annotated[float, Field(ge=0, le=1)] = 0.0
    waiting_for: list[MemberName] = Field(default_factory=list)
    """Nodes that have not accepted it yet, as the coordinator knows."""
    error: ErrorBody | None = None
    created: Time
    deadline: Time
    started: Time | None = None
    finished: Time | None = None
    outputs: list[OutputInfo] = Field(default_factory=list)
    report: Annotated[JobReport | None, Field(repr=False)] = None
    end: Annotated[End | None, Field(repr=False)] = None
    """Who ended it, and how, signed by that node; of a job that did not end well."""
    signature: Annotated[str, Field(repr=False, max_length=88)] = ""
    """This node's, once the job is at its end here: see `federation.statements`."""

    @property
    def final(self) -> bool:
        return self.state in FINAL_STATES

    def _facts(self) -> Iterator[str]:
        yield self.job[:SHORT]
        yield f"running, {self.progress:.0%}" if self.state == "running" else self.state
        yield f"{self.analyst_name} at {local_time(self.created)}"
        if self.datasets:
            yield f"of {', '.join(self.datasets)}"
        if self.started and self.finished:
            yield f"took {self.finished - self.started:.2f} s"
        if self.purpose:
            yield f"purpose {self.purpose!r}"
        if self.error is not None:
            yield f"error: {self.error.message}"


class JobList(Body):
    """Newest first; `after` of the next page is `next`, if there is one."""

    jobs: list[JobInfo]
    next: Identifier | None = None


class DisclosureInfo(Body):
    """What one output says about one dataset: as `plan.rows` found it."""

    output: Count
    dataset: DatasetName
    state: Literal["rows", "spread", "aggregate"]
    rows: Count
    """The least number of rows behind every number."""
    numbers: Count
    claimed: bool = False
    """Whether bounds behind it are claimed and not proven, so that the result may be wrong."""


class ExplainAnswer(Body):
    """What a node would decide, and why; nothing is run or counted."""

    decision: Decision
    text: Text
    disclosures: list[DisclosureInfo] = Field(default_factory=list)
    peak_bytes: Count = 0
    """Memory that the job would take here, as estimated."""
    partition_rows: Count = 0
    """Rows of a partition, if it would be streamed."""


class Receipt(Shown):
    """One job that depended on a dataset, directly or `through` kept results; `version` is the newest of `versions`."""

    job: Identifier
    analyst: Digest
    analyst_name: Line
    purpose: Line
    columns: list[ColumnName]
    version: Count
    versions: list[Count] = Field(default_factory=list)
    through: list[KeptName] = Field(default_factory=list)
    state: Line
    numbers: Count
    """How many numbers it revealed."""
    bits: Count = 0
    """What those that depend on the dataset can carry: what budgets count."""
    grounds: Grounds | None = None
    """On what they rest; None of jobs from before this was told."""
    bundle: Digest
    created: Time

    def _facts(self) -> Iterator[str]:
        yield f"job {self.job[:SHORT]}"
        yield self.state
        yield f"{self.analyst_name} at {local_time(self.created)}"
        yield f"{counted(self.numbers, 'number')} ({counted(self.bits, 'bit')}) of {', '.join(self.columns)}"
        if self.through:
            yield f"through {', '.join(self.through)}"
        if self.purpose:
            yield f"purpose {self.purpose!r}"
        if self.grounds is not None:
            yield from self.grounds.words()


class ReceiptList(Body):
    """Oldest first; `after` of the next page is `next`, if there is one."""

    dataset: DatasetName
    receipts: list[Receipt]
    next: Count | None = None


class KeptArray(Body):
    """A kept array; `label` is its type, as plans write it, in base64."""

    name: KeptName
    handle: Identifier
    label: Annotated[str, StringConstraints(max_length=4096)]
    shape: list[Count]
    description: Line = ""
    """Its type as a person reads it."""


class KeptInfo(Shown):
    """A kept array or model. `disclosures` is what revealing it would say, `output` counting its arrays."""

    name: KeptName
    owner: Digest
    owner_name: Line
    job: Identifier
    arrays: list[KeptArray]
    model: PublicJson | None = None
    made_of: list[Line] = Field(default_factory=list)
    """Datasets behind it, with versions and columns, through all keeps before it."""
    disclosures: list[DisclosureInfo] = Field(default_factory=list)
    created: Time
    expires: Time | None = None

    def _facts(self) -> Iterator[str]:
        kind = "array" if self.model is None else str(self.model.get("class", "model"))
        yield f"{self.name}: {kind} of {self.owner_name}"
        yield f"{len(self.arrays)} arrays"
        if self.made_of:
            yield f"made of {'; '.join(self.made_of)}"
        yield f"kept {local_time(self.created)}"
        if self.expires is not None:
            yield f"until {local_time(self.expires)}"


class KeptList(Body):
    """All that the caller may see."""

    kept: list[KeptInfo]
