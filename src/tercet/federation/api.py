"""Bodies of the HTTP interface, and its table: what clients and nodes say to each other.

JSON if nothing else is said; `box`, `boxes`, `part` and `bundle` are application/octet-stream. Every request but the
open ones is signed (`requests`), or comes over mutual TLS from another node (`/peer`). Callers: a person may have
several roles; `any` is every person of the policy, `self` the person that the thing belongs to. A node's own identity
is an operator of that node. (C): at the coordinator only, which carries it to the others; another node answers 409 and
names it. An error is an `ErrorBody` with status 4xx or 5xx, always.

| method and path                       | body           | answer                       | callers         |
|---------------------------------------|----------------|------------------------------|-----------------|
| GET  /healthz                         |                | Health                       | open            |
| GET  /readyz                          |                | Health, 503 if not ready     | open            |
| GET  /metrics                         |                | text of Prometheus           | open            |
| GET  /v1/node                         |                | NodeInfo                     | open            |
| GET  /v1/me                           |                | Me                           | any             |
| GET  /v1/datasets                     |                | DatasetList                  | any             |
| GET  /v1/datasets/{name}              |                | DatasetInfo                  | any             |
| GET  /v1/datasets/{name}/keys         | ?start=&limit= | KeyPage                      | any whom a rule names |
| GET  /v1/datasets/{name}/receipts     | ?after=&limit= | ReceiptList                  | owner of rows, operator |
| POST /v1/uploads                      | UploadBegin    | UploadState (again: the same) | owner          |
| GET  /v1/uploads/{id}                 |                | UploadState                  | self, operator  |
| PUT  /v1/uploads/{id}/chunks/{n}      | part; with header Tercet-Sealed: 1 a box | ChunkState | self    |
| DELETE /v1/uploads/{id}               |                | UploadState                  | self, operator  |
| POST /v1/uploads/{id}/commit      (C) | SignedOrder of CommitUpload | ChangeOutcome   | self            |
| POST /v1/withdrawals              (C) | SignedOrder of Withdraw | ChangeOutcome       | owner, operator |
| POST /v1/widenings                (C) | SignedOrder of Widen    | ChangeOutcome (no version: all must agree) | owner |
| POST /v1/refreshes                (C) | SignedOrder of Refresh  | ChangeOutcome       | operator        |
| POST /v1/jobs                         | bundle         | JobInfo, 202; 403 if refused | analyst         |
| POST /v1/explain                      | bundle         | ExplainAnswer (also if refused) | analyst      |
| GET  /v1/jobs                         | ?state=&after=&limit= | JobList (own; operator: all) | analyst, operator |
| GET  /v1/jobs/{id}                    | ?wait=seconds  | JobInfo, at its end or then  | self, operator  |
| GET  /v1/jobs/{id}/results            |                | boxes for the caller; 409, 410 | recipient     |
| POST /v1/jobs/{id}/cancel             |                | JobInfo                      | self, operator  |
| GET  /v1/kept                         |                | KeptList (own; operator: all) | analyst, operator |
| GET  /v1/kept/{name}                  |                | KeptInfo                     | self, operator  |
| DELETE /v1/kept/{name}            (C) | SignedOrder of DropKept | ChangeOutcome       | self, operator  |
| GET  /v1/transactions/{id}        (C) |                | ChangeOutcome                | who ordered it, operator |
| any  /v1/gateway/{node}/{path}        | as there       | as there                     | as there        |
| GET  /v1/admin/status                 |                | NodeStatus (admin)           | operator        |
| GET  /v1/admin/jobs                   | ?state=        | JobList                      | operator        |
| POST /v1/admin/jobs/{id}/approve      | OperatorReason (admin) | JobInfo              | operator        |
| POST /v1/admin/jobs/{id}/deny         | OperatorReason | JobInfo                      | operator        |
| GET  /v1/admin/datasets               |                | DatasetList                  | operator        |
| POST /v1/admin/backup                 | BackupOrder    | BackupInfo                   | operator        |
| POST /v1/admin/nodes/{name}/accept-head | OperatorReason | ChainHead                  | operator        |
| POST /v1/admin/repair                 | RepairOrder    | RepairReport                 | operator        |
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

from tercet.federation.model import Body, ColumnName, DatasetName, Digest, Identifier, Line, MemberName, Shown
from tercet.federation.text import counted, local_time

MAX_WAIT_S = 30
MAX_PAGE = 1000
MAX_KEYS = 20_000
"""Of one page of public keys."""
SHORT = 8
"""Digits of a job's identifier that people see; commands take any beginning that only one job has."""

Time = Annotated[float, Field(ge=0, le=1e10)]
"""Unix seconds."""
Count = Annotated[int, Field(ge=0, le=1 << 62)]
Text = Annotated[str, StringConstraints(max_length=1 << 20)]
"""Text for people."""
PublicJson = dict[str, JsonValue]
ChunkNumber = Annotated[str, StringConstraints(pattern=r"^(0|[1-9][0-9]{0,11})$")]


class ErrorBody(Body):
    """Every error answer. `error` is its kind, `rule` the policy's rule where there is one."""

    error: Annotated[str, StringConstraints(pattern=r"^[a-z0-9_-]{1,64}$")]
    message: Annotated[str, StringConstraints(max_length=1 << 16)]
    hint: Annotated[str, StringConstraints(max_length=1 << 14)] = ""
    node: Line = ""
    rule: Line = ""


def error_fields(body: Any) -> ErrorBody | None:
    """The error in a decoded JSON answer, or None if it is something else (a proxy's page). Clients call it."""
    try:
        return ErrorBody.model_validate(body)
    except ValueError:
        return None


class Health(Body):
    """Whether the node answers, and whether it would work; `missing` says what it waits for."""

    ready: bool
    missing: list[Line] = Field(default_factory=list)


class LimitsInfo(Body):
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
    limits: LimitsInfo

    def _facts(self) -> Iterator[str]:
        yield f"{self.name}, party {self.party} of {self.federation_name}"
        yield f"operator {self.operator}" if self.operator else "no operator named"
        yield f"software {self.software}"
        yield f"since {local_time(self.started)}"


class Me(Body):
    """Who the caller is to this node."""

    name: MemberName
    fingerprint: Digest
    roles: list[Literal["owner", "analyst", "operator"]]
    not_after: Time
    warnings: list[Line] = Field(default_factory=list)


# --- datasets


class SegmentInfo(Shown):
    """The visible rows of one upload; `checked`: all its values are known to be in their ranges."""

    upload: Identifier
    owner: Digest
    owner_name: MemberName
    rows: Count
    chunks: Count
    columns: list[ColumnName]
    committed: Time
    checked: bool = True

    def _facts(self) -> Iterator[str]:
        yield f"{counted(self.rows, 'row')} of {self.owner_name}"
        yield f"uploaded {local_time(self.committed)} as {self.upload}{'' if self.checked else ', NOT CHECKED'}"


class DatasetInfo(Shown):
    """A dataset as this node has it; `schema_`, in JSON `schema`, is what `store.schema` reads."""

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
    agreeing: list[list[Digest]] = Field(default_factory=list)
    """Of each proposal of wider bounds that waits: the owners who have agreed to it."""
    cohort: Count = 5
    """How many rows at least have to meet a condition of the caller's queries for its aggregates to be shown."""
    own: list[Annotated[list[Count], Field(min_length=2, max_length=2)]] = Field(default_factory=list)
    """From which row to which the caller, or another of their organisation, has brought all: they hide nobody."""

    @property
    def owners(self) -> list[str]:
        """Names of those whose rows are there."""
        return sorted({segment.owner_name for segment in self.segments})

    def _facts(self) -> Iterator[str]:
        columns = self.schema_.get("columns")
        yield f"{self.name}: {counted(self.rows, 'row')}"
        yield counted(len(columns) if isinstance(columns, list) else 0, "column")
        yield f"version {self.version}"
        yield f"owners {', '.join(self.owners) or 'none'}"
        yield f"changed {local_time(self.changed)}"
        if self.changing:
            yield f"under way: {self.changing}"


class DatasetList(Body):
    """All datasets that the caller may see."""

    datasets: list[DatasetInfo]


Key = Annotated[int, Field(ge=-(1 << 63), lt=1 << 63)] | Annotated[str, StringConstraints(max_length=1024)]
"""An integer, or text."""


class KeyPage(Body):
    """Some of the public keys of a dataset's rows, in the order of its rows."""

    column: ColumnName
    version: Count
    values: Annotated[list[Key], Field(max_length=MAX_KEYS)]
    next: Count | None = None
    """Where to go on; None if these were the last."""


# --- uploads


class UploadBegin(Body):
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


class ChunkState(Body):
    """A chunk that a node holds durably. `part` names the split that it comes from, the same at all three nodes."""

    chunk: Count
    part: Identifier
    rows: Count


class UploadState(Body):
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


class ChangeOutcome(Shown):
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
    manifest: Digest | None = None
    rows: Count | None = None
    signer: MemberName | Literal[""] = ""
    """The node that answers, once it is final there."""
    signature: Annotated[str, Field(repr=False, max_length=88)] = ""
    """Its signature, under everything but `pending`: see `federation.statements`."""
    unsigned: list[MemberName] = Field(default_factory=list)
    """Filled by clients: nodes that have not signed the same yet. While there are any, it is not final."""

    def _facts(self) -> Iterator[str]:
        yield f"{self.kind} {self.dataset}".rstrip()
        yield self.state
        if self.version is not None:
            yield f"version {self.version}"
        if self.rows is not None:
            yield counted(self.rows, "row")
        if self.reason:
            yield f"{self.node}: {self.reason}" if self.node else self.reason
        if self.pending:
            yield f"still to be told: {', '.join(self.pending)}"
        if self.unsigned:
            yield f"NOT FINAL: not signed by {' and '.join(self.unsigned)}"
