"""Bodies of the routes between nodes, under /peer: mutual TLS, the federation's certificates only.

| method and path                  | body           | answer            | who calls                  |
|----------------------------------|----------------|-------------------|----------------------------|
| GET  /peer/hello                 |                | Hello             | any node                   |
| POST /peer/transactions          | Prepare        | Prepared          | coordinator                |
| POST /peer/transactions/{id}/commit | Commit      | TransactionState  | coordinator                |
| POST /peer/transactions/{id}/abort  | Abort       | TransactionState  | coordinator                |
| GET  /peer/transactions/{id}     |                | TransactionState  | any node, of the coordinator |
| POST /peer/jobs/{id}/prepare     | JobPrepare     | JobNews           | coordinator                |
| POST /peer/jobs/{id}/news        | JobNews        | Noted             | any node, to the coordinator |
| POST /peer/jobs/{id}/start       | JobStart       | Noted             | coordinator                |
| POST /peer/jobs/{id}/refresh     | RefreshStart   | Noted             | coordinator                |
| POST /peer/jobs/{id}/settle      | JobSettle      | Noted             | coordinator                |
| POST /peer/jobs/{id}/cancel      | JobCancel      | Noted             | any node                   |

What a coordinator passes on is signed by the person who wants it (`orders`, `bundle`), and checked again by each node.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from tercet.federation.api import Count, Decision, ErrorBody, JobStateName, PublicJson, Time
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


class JobNews(Model):
    """What a node holds, has decided or has come to, and its chain's head for the others to write down.

    Told to the coordinator unasked, and when he asks. `finished`: the worker is done, and what the job keeps or has
    refreshed waits to become visible.
    """

    bundle: Digest | None
    """None: it has no such job (yet)."""
    state: JobStateName | Literal["finished"] | None = None
    decision: Decision | None = None
    error: ErrorBody | None = None
    head: SignedHead


class JobStart(Model):
    """Run it now in this lane. `heads` are those of all three nodes."""

    bundle: Digest
    lane: Annotated[int, Field(ge=0, le=1024)]
    session: Digest
    """Session of the workers' handshake: from the bundle's hash."""
    heads: Annotated[list[SignedHead], Field(min_length=NODES, max_length=NODES)]


class RefreshStart(Model):
    """Write the next generation of this version's shares now, in this lane; `order` is whose wish it is."""

    order: SignedOrder
    version: Count
    manifest: Digest
    lane: Annotated[int, Field(ge=0, le=1024)]
    session: Digest


class JobSettle(Model):
    """What became of a job that was finished everywhere and had something to make visible."""

    done: bool
    error: ErrorBody | None = None


Ending = Literal["cancelled", "failed", "refused"]


class JobCancel(Model):
    """Somebody who may, or another node, ended it."""

    bundle: Digest
    state: Ending
    error: ErrorBody


class Noted(Model):
    """Heard."""

    noted: Literal[True] = True
