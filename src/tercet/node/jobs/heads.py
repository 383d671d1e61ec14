"""Heads of the other nodes' audit chains: checked and written down by each node when a job starts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from sqlalchemy import Connection

from tercet.errors import IntegrityError, NotFound, PlanError
from tercet.federation.api_peer import EntryHash, SignedHead
from tercet.federation.refusals import not_found
from tercet.node.parts import NodeContext
from tercet.node.peers import Peers
from tercet.store.audit import HEAD_ACCEPTED_KIND, Told

_ASK_S = 3.0
T = TypeVar("T")


class Heads:
    """Checks heads. Thread-safe. Who calls it: `Jobs`, when a job starts, and the route of operators."""

    def __init__(self, context: NodeContext, peers: Peers) -> None:
        self._context = context
        self._peers = peers
        self._known: dict[str, float] = {}
        """By node, the start of the process whose head this process wrote down last."""

    def countersign(
        self, job: str, heads: Sequence[SignedHead], begin: Callable[[Callable[[Connection], list[Told]]], T]
    ) -> T:
        """Have `begin` write the heads of the others into this chain, in the transaction in which the job starts.

        What `begin` is given checks the heads within that transaction, and gives the entries to append.

        Raises PlanError unless there is one of each node; what `begin` raises; IntegrityError for a head that is not
        signed, or is older than an earlier one, and then the audit keeps it as evidence.
        """
        identity, audit = self._context.identity, self._context.store.audit
        if {head.node for head in heads} != {entry.name for entry in identity.federation.nodes}:
            raise PlanError("a job starts with the audit heads of all three nodes")

        others = [head for head in heads if head.node != identity.name]

        def write(connection: Connection) -> list[Told]:
            return [audit.checked_head(connection, head, identity.card_of(head.node), job) for head in others]

        try:
            for head in others:
                self._check_goes_on(head)
            begun = begin(write)
            self._known.update((head.node, head.started) for head in others)
            return begun
        except IntegrityError as error:
            told = [head.model_dump(mode="json") for head in others]
            audit.record("head refused", {"job": job, "reason": error.message, "heads": told})
            raise

    def _check_goes_on(self, head: SignedHead) -> None:
        """Raise IntegrityError unless the chain of a node that was started anew still has what it showed before.

        The length of the chain does not tell: that of a restored node is shorter, but grows with every job. So the node
        is asked for the entry that this one wrote down last; once for each of its starts.
        """
        if self._known.get(head.node) == head.started:
            return
        last = self._context.store.audit.last_head(head.node)
        if last is None or last.started == head.started or not last.number:
            return
        party = self._context.identity.federation.party(head.node)
        try:
            there = self._peers.ask(party, "GET", f"/peer/audit/{last.number}", EntryHash, timeout=_ASK_S).hash
        except NotFound:
            there = ""
        if there != last.hash:
            raise IntegrityError(
                f"{head.node} does not have entry {last.number:,} of its audit as it showed it before: an old head, as "
                "of a node that was restored from a backup",
                hint=f"ask its operator; if it was restored: tercet node accept-head {head.node}",
            )

    def accept(self, name: str, by: str, reason: str) -> None:
        """Take whatever head that node shows next: it was restored from a backup, and its chain is shorter now.

        Raises a 404 for a name that is none of the other nodes'.
        """
        identity = self._context.identity
        if name not in [identity.party_name(party) for party in identity.others]:
            raise not_found(f"{name} is no other node of the federation", hint="tercet node status names them")
        self._context.store.audit.record(HEAD_ACCEPTED_KIND, {"node": name, "by": by, "reason": reason})
