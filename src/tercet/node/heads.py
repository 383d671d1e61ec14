"""Heads of the other nodes' audit chains: which ones the coordinator passes on, and when a node writes them down."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from sqlalchemy import Connection

from tercet.errors import IntegrityError, PlanError
from tercet.federation.api_peer import SignedHead
from tercet.node.refusals import not_found
from tercet.store.audit import HEAD_ACCEPTED_KIND

if TYPE_CHECKING:
    from tercet.node.supervisor import Node


class Heads:
    """Who calls it: `Jobs`, when a job starts, and the route of operators."""

    def __init__(self, node: Node) -> None:
        self._node = node

    def countersign(
        self, job: str, heads: Sequence[SignedHead], begin: Callable[[Callable[[Connection], None]], bool]
    ) -> bool:
        """Have `begin` write the heads of the others into this chain, in the transaction in which the job starts.

        Raises PlanError unless there is one of each node; IntegrityError for one that is not signed, or is older than
        one of before, and then the audit has it as evidence.
        """
        node = self._node
        if {head.node for head in heads} != {entry.name for entry in node.federation.nodes}:
            raise PlanError("a job starts with the audit heads of all three nodes")

        def write(connection: Connection) -> None:
            for head in heads:
                if head.node != node.settings.name:
                    node.audit.countersign(connection, head, node.card_of(head.node), job)

        try:
            return begin(write)
        except IntegrityError as error:
            told = [head.model_dump(mode="json") for head in heads if head.node != node.settings.name]
            node.audit.record("head refused", {"job": job, "reason": error.message, "heads": told})
            raise

    def accept(self, name: str, by: str, reason: str) -> None:
        """Take whatever head that node shows next: it was restored from a backup, and its chain is shorter now.

        Raises a 404 for a name that is none of the other nodes'.
        """
        node = self._node
        if name not in [node.federation.node(party).name for party in node.peers.others]:
            raise not_found(f"{name} is no other node of the federation", hint="tercet node status names them")
        node.audit.record(HEAD_ACCEPTED_KIND, {"node": name, "by": by, "reason": reason})
