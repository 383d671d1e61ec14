"""What the operator of this node asks and orders; jobs are ruled on in `jobs`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from fastapi import APIRouter, Path, Query

from tercet.errors import ConfigError
from tercet.federation.api import MAX_PAGE, DatasetList, Health
from tercet.federation.api_admin import (
    AuditPage,
    BackupInfo,
    BackupOrder,
    ChainHead,
    NodeStatus,
    PolicyInfo,
    Ruling,
)
from tercet.federation.identifiers import MemberName
from tercet.node.access import Operator
from tercet.node.refusals import conflict
from tercet.node.routes.datasets import dataset_info
from tercet.node.routes.open_routes import node_info
from tercet.store import backup as backups

if TYPE_CHECKING:
    from tercet.node.supervisor import Node

After = Annotated[int, Query(ge=0, lt=1 << 62)]
Limit = Annotated[int, Query(ge=1, le=MAX_PAGE)]


def router(node: Node) -> APIRouter:
    """Routes of operators."""
    routes = APIRouter(prefix="/v1/admin", tags=["operator"])

    def head() -> ChainHead:
        signed = node.audit.head()
        return ChainHead(number=signed.number, hash=signed.hash)

    def policy() -> PolicyInfo:
        return PolicyInfo(
            digest=node.policy.digest,
            loaded=node.policy.loaded,
            people=len(node.policy.current.people),
            rules=len(node.policy.current.rules),
            error=" ".join(node.policy.fault.split())[:500],
        )

    @routes.get("/status")
    def status(caller: Operator) -> NodeStatus:
        """Everything about this node at a glance."""
        missing = node.missing()
        return NodeStatus(
            node=node_info(node),
            health=Health(ready=not missing, missing=missing),
            peers=[state.status() for state in node.peers.states()],
            lanes=node.jobs.runs.states(),
            jobs=node.jobs.counts(),
            datasets=len(node.datasets.names()),
            uploads=len(node.uploads.open(None)),
            stored_bytes=node.stored_bytes(),
            free_bytes=node.free_bytes(),
            catalogue=node.catalogue.engine.dialect.name,
            policy=policy(),
            in_doubt=node.participant.in_doubt(),
            audit=head(),
            warnings=[warning[:500] for warning in node.warnings()],
        )

    @routes.get("/datasets")
    def datasets(caller: Operator) -> DatasetList:
        """All datasets of this node."""
        changing = node.changes.changing()
        found = [node.version(name) for name in node.datasets.names()]
        return DatasetList(datasets=[dataset_info(node, one, changing) for one in found if one is not None])

    @routes.post("/backup")
    def backup(body: BackupOrder, caller: Operator) -> BackupInfo:
        """Write a consistent copy of catalogue and share files into a new folder of this machine, while all goes on.

        The folder lies below `backup_folder` of the node's settings, also if the path is absolute.
        """
        target = backups.target_below(node.settings.backup_path, body.path)
        try:
            made = backups.backup(node.catalogue, node.settings.folder_path, target, extra=node.public_files())
        except ConfigError as error:
            raise conflict(error.message, hint=error.hint) from None
        node.audit.record("backup", {"person": caller.fingerprint, "files": made.files})
        node.log.info("backup made", person=caller.name, files=made.files, bytes=made.bytes)
        return BackupInfo(
            path=str(made.folder),
            nbytes=made.bytes,
            files=made.files,
            versions={name: one["version"] for name, one in made.versions.get("datasets", {}).items()},
            audit=head(),
        )

    @routes.get("/audit")
    def audit(caller: Operator, after: After = 0, limit: Limit = 100) -> AuditPage:
        """Entries of the audit chain, oldest first."""
        entries = list(node.audit.entries(after + 1, limit))
        return AuditPage(
            entries=[entry.model_dump(mode="json") for entry in entries],
            head=head(),
            next=entries[-1].number if len(entries) == limit else None,
        )

    @routes.post("/nodes/{name}/accept-head")
    def accept_head(name: Annotated[MemberName, Path()], body: Ruling, caller: Operator) -> ChainHead:
        """Take the next audit head of another node, though it is lower than before: it was restored from a backup."""
        node.jobs.heads.accept(name, by=caller.name, reason=body.reason)
        node.log.info("lower head to be accepted", person=caller.name, peer=name)
        return head()

    @routes.post("/policy/reload")
    def reload(caller: Operator) -> PolicyInfo:
        """Read the policy file anew now, rather than at the next request."""
        node.policy.look()
        return policy()

    return routes
