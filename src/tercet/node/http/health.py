"""The health of a node: what it lacks to be ready, what its operator should be told, and its figures for Prometheus."""

from __future__ import annotations

from tercet.errors import ConfigError, TercetError
from tercet.federation.identity import expiring
from tercet.node.changes.checks import Checks
from tercet.node.changes.verdicts import Verdicts
from tercet.node.parts import NodeContext
from tercet.node.peers import Peers
from tercet.node.worker.lanes import missing_workers
from tercet.node.worker.pool import LanePool


class HealthMonitor:
    """Looks at the other parts of a node when it is asked. Stateless; thread-safe.

    Who calls it: the routes of status, and the node when it starts and when a change has become visible.
    """

    def __init__(self, context: NodeContext, peers: Peers, lanes: LanePool, verdicts: Verdicts, checks: Checks) -> None:
        self._context = context
        self._peers = peers
        self._lanes = lanes
        self._verdicts = verdicts
        self._checks = checks

    def warnings(self) -> list[str]:
        """What the operator should do something about, although the node works."""
        context, store = self._context, self._context.store
        found = expiring(context.identity.federation.cards, context.utc_now())
        found += self._verdicts.found() + self._checks.warnings()
        if context.policy.fault:
            found.append(f"the policy file cannot be used, the one before is in force: {context.policy.fault}")
        if store.free_bytes() < 2 * store.least_free_bytes:
            found.append(f"only {store.free_bytes() >> 20:,} MiB are free in {store.folder}")
        return found

    def missing(self) -> list[str]:
        """What this node waits for before it can take part in a change or a job; empty if it is ready.

        Everybody may read it: it names nodes, and neither people nor datasets.
        """
        context, store = self._context, self._context.store
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
        found += missing_workers(self._lanes)
        for state in self._peers.states():
            found += state.hindrance
        return [" ".join(line.split())[:500] for line in found]

    def count_rows(self) -> None:
        """Bring the figure of visible rows up to date; called when a change has become visible."""
        try:
            found = self._context.store.datasets.heads()
        except TercetError as error:
            self._context.log.warning("figures are old", reason=error.message)
            return
        rows = self._context.metrics.dataset_rows
        rows.clear()
        for name, (_, _, count) in found.items():
            rows.labels(name).set(count)

    def figures(self) -> bytes:
        """The metrics in Prometheus's text format; those that nobody keeps up to date are read now."""
        context = self._context
        context.metrics.disk_free.set(context.store.free_bytes())
        now = context.utc_now()
        for entry in context.identity.federation.nodes:
            context.metrics.certificate_days.labels(entry.name).set(entry.card.days_left(now))
        return context.metrics.render()
