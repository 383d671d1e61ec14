"""Bodies of the operator's routes, /v1/admin; the table is in `api`."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, StringConstraints

from tercet.federation.api import Count, Health, NodeInfo, PublicJson, Time
from tercet.federation.model import Body, DatasetName, Digest, Identifier, Line, MemberName


class OperatorReason(Body):
    """Why the operator lets a held job through or not, or takes a lower head; goes into the audit."""

    reason: Line = ""


class PeerStatus(Body):
    """Another node as this one sees it."""

    name: MemberName
    reachable: bool
    problem: Line = ""
    software: Line = ""
    clock_ahead_s: float = 0.0
    """Seconds by which its clock is ahead of this node's."""
    round_trip_s: Annotated[float, Field(ge=0)] = 0.0
    seen: Time | None = None
    differing: list[DatasetName] = Field(default_factory=list)
    """Datasets of which it has another version."""


class LaneStatus(Body):
    """One worker process."""

    lane: Count
    port: Annotated[int, Field(ge=1, le=65535)]
    job: Identifier | None = None
    since: Time | None = None
    resident_bytes: Count = 0


class PolicyInfo(Body):
    """The policy in force; `error` is what is wrong with a newer file that could not be loaded."""

    digest: Digest
    loaded: Time
    people: Count
    rules: Count
    error: Line = ""


class ChainHead(Body):
    """The newest entry of an audit chain."""

    number: Count
    hash: Digest


class NodeStatus(Body):
    """What `tercet node status` shows."""

    node: NodeInfo
    health: Health
    peers: list[PeerStatus]
    lanes: list[LaneStatus]
    jobs: dict[str, Count]
    """How many jobs are in each state."""
    datasets: Count
    uploads: Count
    stored_bytes: Count
    free_bytes: Count
    catalogue: Line
    """Kind of database; no address, which may hold a password."""
    policy: PolicyInfo
    in_doubt: list[Identifier] = Field(default_factory=list)
    """Transactions whose outcome is not known here."""
    audit: ChainHead
    warnings: list[Line] = Field(default_factory=list)


class CheckReport(Body):
    """The result of a check of a dataset; both lists are empty if all was checked before."""

    dataset: DatasetName
    version: Count
    """The version of the dataset now."""
    passed: list[Identifier] = Field(default_factory=list)
    """Uploads of which all values are in their ranges."""
    failed: list[Identifier] = Field(default_factory=list)
    """Uploads of which some value is outside its range; nobody knows which."""


class RepairOrder(Body):
    """The change to be carried out here; if none is named, all that other nodes have committed and this one has not."""

    transaction: Identifier | None = None


class Repaired(Body):
    """A change that is committed here now; `was` is its state before."""

    transaction: Identifier
    state: Literal["committed"]
    was: Line
    dataset: Line = ""


class RepairReport(Body):
    """The repaired changes, in order; `failed` has the reason for each that could not be repaired."""

    repaired: list[Repaired]
    failed: dict[Identifier, Line] = Field(default_factory=dict)
    proofs: list[Line] = Field(default_factory=list)
    """Changes of which the coordinator signed two contradicting verdicts."""


class BackupOrder(Body):
    """Where the node writes its backup: a path below its `backup_folder`, new or empty."""

    path: Annotated[str, StringConstraints(min_length=1, max_length=4096, pattern=r"^[^\x00]+$")]


class BackupInfo(Body):
    """A finished backup."""

    path: Annotated[str, StringConstraints(max_length=4096)]
    nbytes: Count
    files: Count
    versions: dict[str, Count]
    """Dataset to version."""
    audit: ChainHead


class AuditPage(Body):
    """Entries as `store.audit` exports them, oldest first; `next` is the `after` of the next page."""

    entries: list[PublicJson]
    head: ChainHead
    next: Count | None = None
