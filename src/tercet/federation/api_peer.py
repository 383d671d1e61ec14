"""Bodies of the routes between nodes, under /peer: mutual TLS, the federation's certificates only.

| method and path                  | body           | answer            | who calls                  |
|----------------------------------|----------------|-------------------|----------------------------|
| GET  /peer/hello                 |                | Hello             | any node                   |
| POST /peer/transactions          | Prepare        | Prepared          | coordinator                |
| POST /peer/transactions/{id}/commit | Commit      | TransactionState  | coordinator                |
| POST /peer/transactions/{id}/abort  | Abort       | TransactionState  | coordinator                |
| GET  /peer/transactions/{id}     |                | TransactionState  | any node, of the coordinator |
| POST /peer/jobs/{id}/prepare     | JobPrepare     | JobPrepared       | coordinator                |
| POST /peer/jobs/{id}/start       | JobStart       | JobStarted        | coordinator                |
| GET  /peer/jobs/{id}             |                | JobInfo           | any node                   |
| POST /peer/jobs/{id}/cancel      |                | JobInfo           | coordinator                |

What a coordinator passes on is signed by the person who wants it (`orders`, `bundle`), and checked again by each node.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from tercet.federation.api import Count, Decision, JobStateName, PublicJson, Text, Time
from tercet.federation.identifiers import DatasetName, Digest, Identifier, Line, MemberName
from tercet.federation.model import Model
from tercet.federation.orders import SignedOrder

NODES = 3


class SignedHead(Model):
    """A node's newest audit entry, signed by it (base64url) for the others to keep."""

    node: MemberName
    number: Count
    hash: Digest
    time: Time
    signature: Annotated[str, StringConstraints(max_length=88)]


class DatasetVersion(Model):
    """Which version of a dataset a node has."""

    version: Count
    manifest: Digest


class Hello(Model):
    """What nodes compare whenever they meet."""

    protocol: Literal[1] = 1
    software: Line
    name: MemberName
    federation: Identifier
    federation_digest: Digest
    time: Time
    started: Time
    datasets: dict[DatasetName, DatasetVersion]
    changing: list[DatasetName] = Field(default_factory=list)
    """Datasets that a transaction is changing: what they have now need not be the same at all three."""
    head: SignedHead


class Prepare(Model):
    """Make a change durable and keep it invisible.

    `order` is what the person signed; changes that follow from a job or a schedule name the `job`. `change` is what
    `store.change` reads.
    """

    transaction: Identifier
    order: SignedOrder | None = None
    job: Identifier | None = None
    change: PublicJson


class Prepared(Model):
    """All is durable; `answer` is what `store.change` compares."""

    answer: PublicJson


class Commit(Model):
    """It is decided; the answers of the three nodes, in their order."""

    answers: Annotated[list[PublicJson], Field(min_length=NODES, max_length=NODES)]


class Abort(Model):
    """It is given up, and why."""

    reason: Line = ""


class TransactionState(Model):
    """What a node knows of a transaction; what the coordinator does not know is aborted. `answers` if committed."""

    transaction: Identifier
    state: Literal["prepared", "committed", "aborted", "unknown"]
    answers: list[PublicJson] = Field(default_factory=list, max_length=NODES)


class JobPrepare(Model):
    """Say what you hold under this job; `bundle` is the hash that the coordinator holds."""

    bundle: Digest
    kind: Literal["plan", "refresh"] = "plan"
    dataset: DatasetName | None = None
    """Of a refresh."""
    order: SignedOrder | None = None
    """Of a refresh that an operator ordered."""


class JobPrepared(Model):
    """What this node holds, decided, and its chain's head for the others to write down."""

    bundle: Digest | None
    """None: it has no such job (yet)."""
    state: JobStateName | None = None
    decision: Decision | None = None
    head: SignedHead
    free_lanes: list[Annotated[int, Field(ge=0, le=1024)]] = Field(default_factory=list)


class JobStart(Model):
    """Run it now in this lane. `heads` are those of all three nodes."""

    bundle: Digest
    lane: Annotated[int, Field(ge=0, le=1024)]
    session: Digest
    """Session of the workers' handshake: the bundle's hash with a number of the attempt."""
    heads: Annotated[list[SignedHead], Field(max_length=3)]


class JobStarted(Model):
    """A worker of this node has begun, or why not."""

    started: bool
    reason: Text = ""
