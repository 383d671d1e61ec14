"""Bodies of the operator's routes, /v1/admin; the table is in `api`."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, StringConstraints

from tercet.federation.api import Count, Health, NodeInfo, PublicJson, Time
from tercet.federation.identifiers import DatasetName, Digest, Identifier, Line, MemberName
from tercet.federation.model import Model


class Ruling(Model):
    """Why the operator lets a held job through or not, or takes a lower head; goes into the audit."""

    reason: Line = ""


class PeerStatus(Model):
    """Another node as this one sees it."""

    name: MemberName
    reachable: bool
    problem: Line = ""
    software: Line = ""
    clock_ahead_s: float = 0.0
    """How far its clock is before ours."""
    round_trip_s: Annotated[float, Field(ge=0)] = 0.0
    seen: Time | None = None
    differing: list[DatasetName] = Field(default_factory=list)
    """Datasets of which it has another version."""


class LaneStatus(Model):
    """One worker process."""

    lane: Count
    port: Annotated[int, Field(ge=1, le=65535)]
    job: Identifier | None = None
    since: Time | None = None
    resident_bytes: Count = 0


class PolicyInfo(Model):
    """The policy in force; `error` is what is wrong with a newer file that could not be loaded."""

    digest: Digest
    loaded: Time
    people: Count
    rules: Count
    error: Line = ""


class ChainHead(Model):
    """The newest entry of an audit chain."""

    number: Count
    hash: Digest


class NodeStatus(Model):
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
    """Transactions of which the outcome is not known here."""
    audit: ChainHead
    warnings: list[Line] = Field(default_factory=list)


class BackupOrder(Model):
    """Where the node writes its backup: a path below its `backup_folder`, new or empty."""

    path: Annotated[str, StringConstraints(min_length=1, max_length=4096, pattern=r"^[^\x00]+$")]


class BackupInfo(Model):
    """A finished backup."""

    path: Annotated[str, StringConstraints(max_length=4096)]
    nbytes: Count
    files: Count
    versions: dict[str, Count]
    """Dataset to version."""
    audit: ChainHead


class AuditPage(Model):
    """Entries as `store.audit` exports them, oldest first; `next` is the `after` of the next page."""

    entries: list[PublicJson]
    head: ChainHead
    next: Count | None = None
