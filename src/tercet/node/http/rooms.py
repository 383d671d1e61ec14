"""What the HTTP interface of a node calls, and what it tells of the node as a whole: identity, health, figures."""

from __future__ import annotations

from dataclasses import dataclass

from tercet.errors import ConfigError, TercetError
from tercet.federation.api import LimitsInfo, NodeInfo
from tercet.federation.identity import expiring
from tercet.node.changes.check_rounds import CheckRounds
from tercet.node.changes.checks import Checks
from tercet.node.changes.coordinator import Transactions
from tercet.node.changes.participant import Participant, Verdicts
from tercet.node.changes.recovery import Repair
from tercet.node.http.connections import Doors
from tercet.node.jobs.jobs import Jobs
from tercet.node.parts import NodeContext, software
from tercet.node.peers import Peers
from tercet.node.worker.lanes import missing_workers
from tercet.node.worker.pool import LanePool


@dataclass(frozen=True)
class Rooms:
    """The other rooms of a node, made by the node. Thread-safe, as each of them is.

    Who calls it: the routes; and the node when it starts, and when a change has become visible.
    """

    context: NodeContext
    peers: Peers
    doors: Doors
    lanes: LanePool
    participant: Participant
    verdicts: Verdicts
    repair: Repair
    checks: Checks
    check_rounds: CheckRounds
    transactions: Transactions
    jobs: Jobs

    def info(self) -> NodeInfo:
        """Who this node is; says nothing about data or people."""
        context, federation = self.context, self.context.identity.federation
        entry = federation.node(context.identity.me)
        return NodeInfo(
            software=software(),
            name=entry.name,
            operator=entry.operator,
            fingerprint=entry.fingerprint,
            certificate=entry.certificate,
            party=int(context.identity.me),
            coordinator=federation.coordinator.name,
            federation=federation.id,
            federation_name=federation.name,
            federation_digest=federation.digest,
            started=context.started,
            time=context.now(),
            lanes=context.settings.lanes.count,
            limits=LimitsInfo(
                chunk_bytes=context.settings.limits.chunk_bytes,
                bundle_bytes=context.settings.limits.request_bytes,
            ),
        )

    def warnings(self) -> list[str]:
        """What the operator should do something about, although the node works."""
        context, store = self.context, self.context.store
        found = expiring(context.identity.federation.cards, context.utc_now())
        found += self.verdicts.found() + self.checks.warnings()
        if context.policy.fault:
            found.append(f"the policy file cannot be used, the one before is in force: {context.policy.fault}")
        if store.free_bytes() < 2 * store.least_free_bytes:
            found.append(f"only {store.free_bytes() >> 20:,} MiB are free in {store.folder}")
        return found

    def missing(self) -> list[str]:
        """What this node waits for before it can take part in a change or a job; empty if it is ready.

        Everybody may read it: it names nodes, and neither people nor datasets.
        """
        context, store = self.context, self.context.store
        found = []
        try:
            store.datasets.names()
        except TercetError as error:
            found.append(f"catalogue: {error.message}")
        if context.stopping.is_set():
            found.append("this node is ending")
        if store.free_bytes() < store.least_free_bytes:
            found.append("too little space is free on the disk")
        try:
            context.identity.member.card.check_valid(context.utc_now())
        except ConfigError as error:
            found.append(error.message)
        found += missing_workers(self.lanes)
        for state in self.peers.states():
            found += state.hindrance
        return [" ".join(line.split())[:500] for line in found]

    def count_rows(self) -> None:
        """Bring the figure of visible rows up to date; called when a change has become visible."""
        try:
            found = self.context.store.datasets.heads()
        except TercetError as error:
            self.context.log.warning("figures are old", reason=error.message)
            return
        rows = self.context.metrics.dataset_rows
        rows.clear()
        for name, (_, _, count) in found.items():
            rows.labels(name).set(count)

    def figures(self) -> bytes:
        """The metrics in Prometheus's text format; those that nobody keeps up to date are read now."""
        metrics, now = self.context.metrics, self.context.utc_now()
        metrics.disk_free.set(self.context.store.free_bytes())
        for entry in self.context.identity.federation.nodes:
            metrics.certificate_days.labels(entry.name).set(entry.card.days_left(now))
        return metrics.render()
