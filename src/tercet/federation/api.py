"""Bodies of the HTTP interface, and its table: what clients and nodes say to each other.

JSON if nothing else is said; `box`, `boxes`, `part` and `bundle` are application/octet-stream. Every request but the
open ones is signed (`requests`), or comes over mutual TLS from another node (`/peer`). Callers: a person may have
several roles; `any` is every person of the policy, `self` the person that the thing belongs to. A node's own identity
is an operator of that node. (C): at the coordinator only, who carries it to the others; another node answers 409 and
names him. An error is an `ErrorBody` with status 4xx or 5xx, always.

| method and path                       | body           | answer                       | callers         |
|---------------------------------------|----------------|------------------------------|-----------------|
| GET  /healthz                         |                | Health                       | open            |
| GET  /readyz                          |                | Health, 503 if not ready     | open            |
| GET  /metrics                         |                | text of Prometheus           | open            |
| GET  /v1/node                         |                | NodeInfo                     | open            |
| GET  /v1/me                           |                | Me                           | any             |
| GET  /v1/datasets                     |                | DatasetList                  | any             |
| GET  /v1/datasets/{name}              |                | DatasetInfo                  | any             |
| GET  /v1/datasets/{name}/receipts     | ?after=&limit= | ReceiptList                  | owner of rows, operator |
| POST /v1/uploads                      | UploadBegin    | UploadState (again: the same) | owner          |
| GET  /v1/uploads/{id}                 |                | UploadState                  | self, operator  |
| PUT  /v1/uploads/{id}/chunks/{n}      | part; with header Tercet-Sealed: 1 a box | ChunkState | self    |
| DELETE /v1/uploads/{id}               |                | UploadState                  | self, operator  |
| POST /v1/uploads/{id}/commit      (C) | SignedOrder of CommitUpload | Outcome         | self            |
| POST /v1/withdrawals              (C) | SignedOrder of Withdraw | Outcome             | owner, operator |
| POST /v1/refreshes                (C) | SignedOrder of Refresh  | Outcome             | operator        |
| POST /v1/jobs                         | bundle         | JobInfo, 202; 403 if refused | analyst         |
| POST /v1/explain                      | bundle         | Explanation (also if refused) | analyst        |
| GET  /v1/jobs                         | ?state=&after=&limit= | JobList (own; operator: all) | analyst, operator |
| GET  /v1/jobs/{id}                    | ?wait=seconds  | JobInfo, at its end or then  | self, operator  |
| GET  /v1/jobs/{id}/results            |                | boxes for the caller; 409, 410 | recipient     |
| POST /v1/jobs/{id}/cancel             |                | JobInfo                      | self, operator  |
| GET  /v1/kept                         |                | KeptList (own; operator: all) | analyst, operator |
| GET  /v1/kept/{name}                  |                | KeptInfo                     | self, operator  |
| DELETE /v1/kept/{name}            (C) | SignedOrder of DropKept | Outcome             | self, operator  |
| GET  /v1/transactions/{id}        (C) |                | Outcome                      | who ordered it, operator |
| any  /v1/gateway/{node}/{path}        | as there       | as there                     | as there        |
| GET  /v1/admin/status                 |                | NodeStatus (admin)           | operator        |
| GET  /v1/admin/jobs                   | ?state=        | JobList                      | operator        |
| POST /v1/admin/jobs/{id}/approve      | Ruling (admin) | JobInfo                      | operator        |
| POST /v1/admin/jobs/{id}/deny         | Ruling         | JobInfo                      | operator        |
| GET  /v1/admin/datasets               |                | DatasetList                  | operator        |
| POST /v1/admin/backup                 | BackupOrder    | BackupInfo                   | operator        |
| POST /v1/admin/nodes/{name}/accept-head | Ruling       | ChainHead                    | operator        |
| GET  /v1/admin/audit                  | ?after=number&limit= | AuditPage              | operator        |
| POST /v1/admin/policy/reload          |                | PolicyInfo                   | operator        |

A request through the gateway is signed for the node at its end, with the target `/v1/{path}`; the gateway checks it
as that node would, and passes body and `Tercet-*` headers on as they are. The routes under /peer are in `api_peer`.

A chunk may be sent again as often as needed before the commit: the last one counts at each node, and a commit compares
what the nodes hold. The same UploadBegin, bundle or order again changes nothing and is answered alike. All results of a
job come in one answer, whose form `boxes` has; they are not there before its job's end (409) and after they have
expired (410). Times are unix seconds; `wait` is 30 at most.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, JsonValue, StringConstraints

from tercet.federation.identifiers import ColumnName, DatasetName, Digest, Identifier, KeptName, Line, MemberName
from tercet.federation.local_time import local_time
from tercet.federation.model import Model, Shown

MAX_WAIT_S = 30
MAX_PAGE = 1000
_SHORT = 8
"""Digits of a job's identifier that people see; commands take any beginning that only one job has."""

Time = Annotated[float, Field(ge=0, le=1e10)]
"""Unix seconds."""
Count = Annotated[int, Field(ge=0, le=1 << 62)]
Text = Annotated[str, StringConstraints(max_length=1 << 20)]
"""Text for people."""
PublicJson = dict[str, JsonValue]
ChunkNumber = Annotated[str, StringConstraints(pattern=r"^(0|[1-9][0-9]{0,11})$")]


class ErrorBody(Model):
    """Every error answer. `error` is its kind, `rule` the policy's rule where there is one."""

    error: Annotated[str, StringConstraints(pattern=r"^[a-z0-9_-]{1,64}$")]
    message: Annotated[str, StringConstraints(max_length=1 << 16)]
    hint: Annotated[str, StringConstraints(max_length=1 << 14)] = ""
    node: Line = ""
    rule: Line = ""


class Health(Model):
    """Whether the node answers, and whether it would work; `missing` says what it waits for."""

    ready: bool
    missing: list[Line] = Field(default_factory=list)


class Limits(Model):
    """What a node takes at most."""

    chunk_bytes: Count
    bundle_bytes: Count
    wait_s: Count = MAX_WAIT_S
    page: Count = MAX_PAGE


class NodeInfo(Shown):
    """Who a node is; says nothing about data or people."""

    api: Literal[1] = 1
    software: Line
    name: MemberName
    operator: Line
    fingerprint: Digest
    certificate: Annotated[str, StringConstraints(max_length=8192)]
    """PEM."""
    party: Annotated[int, Field(ge=1, le=3)]
    coordinator: MemberName
    """Name of the node that coordinates."""
    federation: Identifier
    federation_name: Line
    federation_digest: Digest
    started: Time
    time: Time
    lanes: Count
    limits: Limits

    def _facts(self) -> Iterator[str]:
        yield f"{self.name}, party {self.party} of {self.federation_name}"
        yield f"operator {self.operator}" if self.operator else "no operator named"
        yield f"software {self.software}"
        yield f"since {local_time(self.started)}"


class Me(Model):
    """Who the caller is to this node."""

    name: MemberName
    fingerprint: Digest
    roles: list[Literal["owner", "analyst", "operator"]]
    not_after: Time
    warnings: list[Line] = Field(default_factory=list)


# --- datasets


class SegmentInfo(Shown):
    """The visible rows of one upload."""

    upload: Identifier
    owner: Digest
    owner_name: MemberName
    rows: Count
    chunks: Count
    columns: list[ColumnName]
    committed: Time

    def _facts(self) -> Iterator[str]:
        yield f"{self.rows:,} rows of {self.owner_name}"
        yield f"uploaded {local_time(self.committed)} as {self.upload}"


class DatasetInfo(Shown):
    """A dataset as this node has it. `schema_` is called `schema` in JSON and is what `store.schema` reads."""

    model_config = ConfigDict(populate_by_name=True)

    name: DatasetName
    schema_: Annotated[PublicJson, Field(alias="schema")]
    version: Count
    manifest: Digest
    rows: Count
    segments: list[SegmentInfo]
    created: Time
    changed: Time
    refreshed: Time | None = None
    changing: Line = ""
    """What change is under way, if one is."""

    @property
    def owners(self) -> list[str]:
        """Names of those whose rows are there."""
        return sorted({segment.owner_name for segment in self.segments})

    def _facts(self) -> Iterator[str]:
        columns = self.schema_.get("columns")
        yield f"{self.name}: {self.rows:,} rows"
        yield f"{len(columns) if isinstance(columns, list) else 0} columns"
        yield f"version {self.version}"
        yield f"owners {', '.join(self.owners) or 'none'}"
        yield f"changed {local_time(self.changed)}"
        if self.changing:
            yield f"under way: {self.changing}"


class DatasetList(Model):
    """All datasets that the caller may see."""

    datasets: list[DatasetInfo]


class Receipt(Shown):
    """One job that touched a dataset."""

    job: Identifier
    analyst: Digest
    analyst_name: Line
    purpose: Line
    columns: list[ColumnName]
    version: Count
    state: Line
    numbers: Count
    """How many numbers it revealed."""
    bundle: Digest
    created: Time

    def _facts(self) -> Iterator[str]:
        yield f"job {self.job[:_SHORT]}"
        yield self.state
        yield f"{self.analyst_name} at {local_time(self.created)}"
        yield f"{self.numbers:,} numbers of {', '.join(self.columns)}"
        if self.purpose:
            yield f"purpose {self.purpose!r}"


class ReceiptList(Model):
    """Oldest first; `after` of the next page is `next`, if there is one."""

    dataset: DatasetName
    receipts: list[Receipt]
    next: Count | None = None


# --- uploads


class UploadBegin(Model):
    """Announce an upload, to each node alike.

    `create` makes a dataset, `append` brings rows of the same schema, `columns` other columns of the same rows, joined
    by the schema's key column.
    """

    model_config = ConfigDict(populate_by_name=True)

    upload: Identifier
    dataset: DatasetName
    schema_: Annotated[PublicJson, Field(alias="schema")]
    mode: Literal["create", "append", "columns"]
    rows: Count | None = None
    """If it is known beforehand."""


class ChunkState(Model):
    """A chunk that a node holds durably. `part` names the split that it comes from, the same at all three nodes."""

    chunk: Count
    part: Identifier
    rows: Count


class UploadState(Model):
    """How far an upload is at this node: what is missing is to be sent."""

    upload: Identifier
    dataset: DatasetName
    mode: Literal["create", "append", "columns"]
    state: Literal["open", "prepared", "committed", "discarded"]
    owner: Digest
    rows: Count
    chunks: dict[ChunkNumber, Identifier]
    """Chunk number (decimal) to the name of its split."""
    created: Time
    expires: Time | None = None
    """When the node forgets it if nothing more arrives."""

    @property
    def parts(self) -> dict[int, str]:
        """Chunk number to the name of its split."""
        return {int(number): part for number, part in self.chunks.items()}


class Outcome(Shown):
    """What became of a change. `committed` is final at all nodes; those in `pending` have yet to be told."""

    transaction: Identifier
    kind: Line
    state: Literal["committed", "aborted", "pending"]
    pending: list[MemberName] = Field(default_factory=list)
    node: Line = ""
    """The node that refused or failed, if one did."""
    reason: Text = ""
    hint: Text = ""
    dataset: Line = ""
    version: Count | None = None
    rows: Count | None = None

    def _facts(self) -> Iterator[str]:
        yield f"{self.kind} {self.dataset}".rstrip()
        yield self.state
        if self.version is not None:
            yield f"version {self.version}"
        if self.rows is not None:
            yield f"{self.rows:,} rows"
        if self.reason:
            yield f"{self.node}: {self.reason}" if self.node else self.reason
        if self.pending:
            yield f"still to be told: {', '.join(self.pending)}"


# --- jobs

Verdict = Literal["accepted", "held", "refused"]
JobKind = Literal["plan", "refresh"]
JobStateName = Literal["held", "queued", "running", "done", "failed", "cancelled", "refused"]
FINAL_STATES = ("done", "failed", "cancelled", "refused")


REFUSED_HINT = (
    "ask in another way, or ask the operator to allow it; tercet explain (in Python explain()) tells beforehand what "
    "each node says"
)


class Decision(Model):
    """What one node's policy says: by which rule, and why, for people to read."""

    node: MemberName
    verdict: Verdict
    rule: Line = ""
    reasons: list[Text] = Field(default_factory=list)


class OutputInfo(Model):
    """An output of a job: revealed (a box of so many bytes waits) or kept under a name."""

    index: Count
    kept: KeptName | Literal[""] = ""
    nbytes: Count = 0
    expires: Time | None = None


class JobReport(Model):
    """What a job took at this node, in all and for the plan's operations, as far as they took anything."""

    seconds: Annotated[float, Field(ge=0)]
    waiting_s: Annotated[float, Field(ge=0)]
    peak_bytes: Count = 0
    index: list[int] = Field(default_factory=list)
    rounds: list[int] = Field(default_factory=list)
    nbytes: list[int] = Field(default_factory=list)
    compute_s: list[float] = Field(default_factory=list)


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

    @property
    def final(self) -> bool:
        return self.state in FINAL_STATES

    def _facts(self) -> Iterator[str]:
        yield self.job[:_SHORT]
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


class JobList(Model):
    """Newest first; `after` of the next page is `next`, if there is one."""

    jobs: list[JobInfo]
    next: Identifier | None = None


class Disclosure(Model):
    """What one output says about one dataset: as `plan.rows` found it."""

    output: Count
    dataset: DatasetName
    state: Literal["rows", "spread", "aggregate"]
    rows: Count
    """The least number of rows behind every number."""
    numbers: Count


class Explanation(Model):
    """What a node would decide, and why; nothing is run or counted."""

    decision: Decision
    text: Text
    disclosures: list[Disclosure] = Field(default_factory=list)
    peak_bytes: Count = 0
    """Memory that the job would take here, as estimated."""
    partition_rows: Count = 0
    """Rows of a partition, if it would be streamed."""


# --- kept


class KeptArray(Model):
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
    disclosures: list[Disclosure] = Field(default_factory=list)
    created: Time
    expires: Time | None = None

    def _facts(self) -> Iterator[str]:
        kind = "array" if self.model is None else str(self.model.get("class", "model"))
        yield f"{self.name}: {kind} of {self.owner_name}"
        yield f"{len(self.arrays)} arrays"
        yield f"kept {local_time(self.created)}"
        if self.expires is not None:
            yield f"until {local_time(self.expires)}"


class KeptList(Model):
    """All that the caller may see."""

    kept: list[KeptInfo]


def error_fields(body: Any) -> ErrorBody | None:
    """The error in a decoded JSON answer, or None if it is something else (a proxy's page). Clients call it."""
    try:
        return ErrorBody.model_validate(body)
    except ValueError:
        return None
