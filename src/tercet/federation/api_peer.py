"""Bodies of the routes between nodes, under /peer: mutual TLS, the federation's certificates only.

| method and path                  | body           | answer            | who calls                  |
|----------------------------------|----------------|-------------------|----------------------------|
| GET  /peer/hello                 |                | Hello             | any node                   |
| POST /peer/transactions          | Prepare        | PrepareAnswer     | coordinator                |
| POST /peer/transactions/{id}/commit | Commit      | TransactionState  | coordinator                |
| POST /peer/transactions/{id}/abort  | Abort       | TransactionState  | coordinator                |
| POST /peer/transactions/{id}/show   | Abort       | TransactionState  | any node                   |
| GET  /peer/transactions/{id}     |                | TransactionState  | any node                   |
| GET  /peer/transactions/{id}/whole |              | WholeChange       | any node                   |
| GET  /peer/audit/{number}        |                | EntryHash         | any node                   |
| GET  /peer/datasets/{name}/versions |             | VersionList       | any node                   |
| POST /peer/jobs/{id}/prepare     | JobPrepare     | JobNews           | coordinator                |
| POST /peer/jobs/{id}/news        | JobNews        | JobNews           | any node, to the coordinator |
| POST /peer/jobs/{id}/start       | JobStart       | Noted             | coordinator                |
| POST /peer/jobs/{id}/refresh     | RefreshStart   | Noted             | coordinator                |
| POST /peer/uploads/{id}/held     | CheckAsk       | CheckHeld         | coordinator                |
| POST /peer/checks/{run}          | CheckStart     | CheckNews         | coordinator                |
| POST /peer/checks/{run}/end      |                | CheckNews         | coordinator                |
| GET  /peer/checks/{run}          |                | CheckNews         | coordinator                |
| POST /peer/jobs/{id}/settle      | JobSettle      | Noted             | coordinator                |
| POST /peer/jobs/{id}/cancel      | JobCancel      | Noted             | any node                   |

What a coordinator passes on is signed by the person who wants it (`orders`, `bundle`), and checked again by each node.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from tercet.federation.api import Count, ErrorBody, PublicJson, Time
from tercet.federation.api_jobs import Decision, End, JobStateName
from tercet.federation.model import Body, DatasetName, Digest, Identifier, Line, MemberName
from tercet.federation.orders import SignedOrder

NODES = 3
ChunkNumber = Annotated[int, Field(ge=0, lt=1 << 31)]


Signature = Annotated[str, StringConstraints(max_length=88)]


class SignedHead(Body):
    """A node's newest audit entry, signed by it (base64url) for the others to keep."""

    node: MemberName
    number: Count
    hash: Digest
    time: Time
    started: Time
    """When the process that signs was started: a chain can have gone back only between two processes."""
    signature: Signature


class EntryHash(Body):
    """The hash of one entry of a node's audit."""

    number: Count
    hash: Digest


class VersionHead(Body):
    """The version of a dataset that a node has."""

    version: Count
    manifest: Digest


class Hello(Body):
    """What nodes compare with each other."""

    protocol: Literal[1] = 1
    software: Line
    name: MemberName
    federation: Identifier
    federation_digest: Digest
    time: Time
    started: Time
    datasets: dict[DatasetName, VersionHead]
    changing: list[DatasetName] = Field(default_factory=list)
    """Datasets that a transaction is changing: what they have now need not be the same at all three."""
    head: SignedHead


class Prepare(Body):
    """Prepare a change: make it durable, but not visible.

    `order` is what the person signed; changes that follow from a job or a schedule name the `job`. `change` is what
    `store.change` reads.
    """

    transaction: Identifier
    order: SignedOrder | None = None
    job: Identifier | None = None
    change: PublicJson


class Vote(Body):
    """A node's vote: the hash of what it has prepared, signed (base64url); it binds the node."""

    node: MemberName
    answer: Digest
    signature: Signature


class PrepareAnswer(Body):
    """The change is durable; `answer` is what `store.change` compares, `vote` binds this node to it."""

    answer: PublicJson
    vote: Vote


VerdictState = Literal["committed", "aborted"]


class Verdict(Body):
    """The coordinator's decision, signed by it (base64url); a commit comes with the three votes, in order."""

    transaction: Identifier
    state: VerdictState
    votes: Annotated[list[Vote], Field(max_length=NODES)]
    signature: Signature


class Commit(Body):
    """Commit a change; `answers` are those of the three nodes, in their order."""

    verdict: Verdict
    answers: Annotated[list[PublicJson], Field(min_length=NODES, max_length=NODES)]


class Abort(Body):
    """Abort a change, and why. A node that has voted shows this to the third node before it undoes anything."""

    verdict: Verdict
    reason: Line = ""


class TransactionState(Body):
    """What a node knows of a transaction, with the verdict that it was told; `answers` if committed."""

    transaction: Identifier
    state: Literal["prepared", "committed", "aborted", "unknown"]
    verdict: Verdict | None = None
    answers: list[PublicJson] = Field(default_factory=list, max_length=NODES)


class WholeChange(Body):
    """A committed change with its proof, for a node that lacks it; `evidence` shows who ordered it."""

    transaction: Identifier
    change: PublicJson
    evidence: PublicJson
    verdict: Verdict
    answers: Annotated[list[PublicJson], Field(min_length=NODES, max_length=NODES)]


class VersionMade(Body):
    """A version of a dataset, and the transaction that made it."""

    version: Count
    manifest: Digest
    transaction: Identifier


class VersionList(Body):
    """The versions of a dataset after the one named, oldest first."""

    versions: list[VersionMade]


class JobPrepare(Body):
    """Asks how a job stands; `bundle` is the hash that the coordinator holds."""

    bundle: Digest


class JobNews(Body):
    """What a node holds, has decided or has come to, and its chain's head for the others to write down.

    Told to the coordinator unasked, and when it asks. `finished`: the worker is done, and what the job keeps or has
    refreshed waits to become visible.
    """

    bundle: Digest | None
    """None if the node has no such job, or not yet."""
    state: JobStateName | Literal["finished"] | None = None
    decision: Decision | None = None
    error: ErrorBody | None = None
    end: End | None = None
    """Of a job that failed, or was cancelled or refused: how it ended, signed."""
    head: SignedHead


class JobStart(Body):
    """Start a job now, in this lane. `heads` are the audit heads of all three nodes."""

    bundle: Digest
    lane: Annotated[int, Field(ge=0, le=1024)]
    session: Digest
    """The session of the workers' handshake, derived from the bundle's hash."""
    heads: Annotated[list[SignedHead], Field(min_length=NODES, max_length=NODES)]


class RefreshStart(Body):
    """Write the next generation of this version's shares now, in this lane; `order` is whose wish it is.

    `kept` are the arrays that were made of the dataset, by handle with the generation of their shares.
    """

    order: SignedOrder
    version: Count
    manifest: Digest
    kept: Annotated[dict[Identifier, Count], Field(max_length=1 << 16)]
    lane: Annotated[int, Field(ge=0, le=1024)]
    session: Digest


MAX_CHECK_CHUNKS = 4096


class CheckAsk(Body):
    """Asks what a node holds of these chunks of an upload."""

    chunks: Annotated[list[ChunkNumber], Field(min_length=1, max_length=MAX_CHECK_CHUNKS)]


class HeldChunk(Body):
    """One chunk as a node has it: its part, digests of its two components, the run that checked it ("" if none)."""

    chunk: ChunkNumber
    part: Identifier
    rows: Count
    own: Digest
    next: Digest
    run: Identifier | Literal[""]


class CheckHeld(Body):
    """The chunks asked for that the node holds."""

    chunks: Annotated[list[HeldChunk], Field(max_length=MAX_CHECK_CHUNKS)]


class CheckChunk(Body):
    """A chunk to be checked, with the digests of its three components."""

    chunk: ChunkNumber
    part: Identifier
    rows: Count
    digests: Annotated[list[Digest], Field(min_length=NODES, max_length=NODES)]


class CheckStart(Body):
    """Check this now, in this lane; `session` follows from the run.

    An upload: `chunks` of it, while it is open; or, with the `transaction` in which it is prepared, these and then
    all: `known` names the chunks that were checked before and their runs. A dataset: what nobody has checked of it.
    """

    lane: Annotated[int, Field(ge=0, le=1024)]
    upload: Identifier | None = None
    chunks: Annotated[list[CheckChunk], Field(max_length=MAX_CHECK_CHUNKS)] = Field(default_factory=list)
    transaction: Identifier | None = None
    known: Digest | None = None
    dataset: DatasetName | None = None
    version: Count = 0
    manifest: Digest | None = None


class CheckNews(Body):
    """How a check stands at a node; `passed`: the bits that were opened there."""

    state: Literal["unknown", "running", "done", "failed"]
    passed: list[bool] = Field(default_factory=list)
    error: ErrorBody | None = None


class JobSettle(Body):
    """The outcome of a job that finished at all nodes and had results to keep."""

    done: bool
    error: ErrorBody | None = None


Ending = Literal["cancelled", "failed", "refused"]


class JobCancel(Body):
    """A node ended a job; `end` is signed by that node, whoever passes it on."""

    end: End


class Noted(Body):
    """The message was received."""

    noted: Literal[True] = True
