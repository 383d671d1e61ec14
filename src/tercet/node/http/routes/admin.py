"""The operator's routes, except those of jobs."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query

from tercet.errors import ConfigError, TercetError
from tercet.federation.api import MAX_PAGE, DatasetList, Health
from tercet.federation.api_admin import (
    AuditPage,
    BackupInfo,
    BackupOrder,
    ChainHead,
    CheckReport,
    NodeStatus,
    OperatorReason,
    PolicyInfo,
    RepairOrder,
    RepairReport,
)
from tercet.federation.model import DatasetName, MemberName
from tercet.federation.refusals import conflict
from tercet.node.http.access import Operator
from tercet.node.http.rooms import Rooms
from tercet.node.http.routes.data import dataset_list
from tercet.node.parts import NodeContext
from tercet.node.worker.lanes import lane_statuses
from tercet.store import backup as backups

After = Annotated[int, Query(ge=0, lt=1 << 62)]
Limit = Annotated[int, Query(ge=1, le=MAX_PAGE)]


def _public_files(context: NodeContext) -> dict[str, bytes]:
    """What a backup holds beside the store: all that a node needs to run again, without its private keys."""
    settings = context.settings
    places = {"policy.toml": settings.policy_path, "federation.toml": settings.federation_path}
    found = {name: path.read_bytes() for name, path in places.items()}
    return found | {"card.pem": context.identity.member.card.pem().encode()}


def router(rooms: Rooms) -> APIRouter:
    """Routes of operators."""
    routes = APIRouter(prefix="/v1/admin", tags=["operator"])
    context = rooms.context

    def head() -> ChainHead:
        signed = context.store.audit.head()
        return ChainHead(number=signed.number, hash=signed.hash)

    def policy() -> PolicyInfo:
        return PolicyInfo(
            digest=context.policy.digest,
            loaded=context.policy.loaded,
            people=len(context.policy.current.people),
            rules=len(context.policy.current.rules),
            error=" ".join(context.policy.fault.split())[:500],
        )

    @routes.get("/status")
    def status(caller: Operator) -> NodeStatus:
        """Everything about this node at a glance."""
        missing = rooms.missing()
        return NodeStatus(
            node=rooms.info(),
            health=Health(ready=not missing, missing=missing),
            peers=[state.status() for state in rooms.peers.states()],
            lanes=lane_statuses(rooms.lanes),
            jobs=rooms.jobs.ledger.counts(),
            datasets=len(context.store.datasets.names()),
            uploads=len(context.store.uploads.open(None)),
            stored_bytes=context.store.stored_bytes(),
            free_bytes=context.store.free_bytes(),
            catalogue=context.store.catalogue.engine.dialect.name,
            policy=policy(),
            in_doubt=[doubt.transaction for doubt in context.store.changes.in_doubt()],
            audit=head(),
            warnings=[warning[:500] for warning in rooms.warnings()],
        )

    @routes.get("/datasets")
    def datasets(caller: Operator) -> DatasetList:
        """All datasets of this node."""
        return dataset_list(context, caller.fingerprint)

    @routes.post("/backup")
    def backup(body: BackupOrder, caller: Operator) -> BackupInfo:
        """Write a consistent copy of catalogue and share files into a new folder on this machine; the node works on.

        The folder lies below `backup_folder` of the node's settings, also if the path is absolute.
        """
        target = backups.target_below(context.settings.backup_path, body.path)
        try:
            made = backups.backup(context.store.catalogue, context.store.folder, target, extra=_public_files(context))
        except ConfigError as error:
            raise conflict(error.message, hint=error.hint) from None
        context.store.audit.record("backup", {"person": caller.fingerprint, "files": made.files})
        context.log.info("backup made", person=caller.name, files=made.files, bytes=made.bytes)
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
        entries = list(context.store.audit.entries(after + 1, limit))
        return AuditPage(
            entries=[entry.model_dump(mode="json") for entry in entries],
            head=head(),
            next=entries[-1].number if len(entries) == limit else None,
        )

    @routes.post("/nodes/{name}/accept-head")
    def accept_head(name: Annotated[MemberName, Path()], body: OperatorReason, caller: Operator) -> ChainHead:
        """Accept the next audit head of another node although it is lower, as after a restore from a backup."""
        rooms.jobs.heads.accept(name, by=caller.name, reason=body.reason)
        context.log.info("lower head to be accepted", person=caller.name, peer=name)
        return head()

    @routes.post("/datasets/{name}/check")
    def check(name: Annotated[DatasetName, Path()], caller: Operator) -> CheckReport:
        """Check under sharing that the values of a dataset which nobody has checked are in their ranges."""
        found = rooms.transactions.check_dataset(name)
        context.log.info("dataset checked", person=caller.name, dataset=name, failed=found.failed)
        return found

    @routes.post("/repair")
    def repair_changes(body: RepairOrder, caller: Operator) -> RepairReport:
        """Carry out here the changes that the other nodes have committed, with the votes of all three as proof."""
        wanted = [body.transaction] if body.transaction is not None else rooms.repair.missing()
        done, failed = [], {}
        for transaction in wanted:
            try:
                done.append(rooms.repair.run(transaction, caller.name))
            except TercetError as error:
                if body.transaction is not None:
                    raise
                failed[transaction] = " ".join(error.message.split())[:500]
        return RepairReport(repaired=done, failed=failed, proofs=rooms.verdicts.found())

    @routes.post("/policy/reload")
    def reload(caller: Operator) -> PolicyInfo:
        """Read the policy file again now."""
        context.policy.look()
        return policy()

    return routes
