"""What other nodes ask: how this node is, and its half of changes. Mutual TLS; the gate lets nobody else in."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from fastapi import APIRouter, Path

from tercet.federation.api_peer import Abort, Commit, Hello, Prepare, Prepared, TransactionState
from tercet.federation.identifiers import Identifier
from tercet.node.access import Peer, PeerCaller
from tercet.node.participant import read_answer
from tercet.node.refusals import forbidden

if TYPE_CHECKING:
    from tercet.node.supervisor import Node

Transaction = Annotated[Identifier, Path()]


def router(node: Node) -> APIRouter:
    """Routes of transactions and of the comparison of nodes."""
    routes = APIRouter(prefix="/peer", include_in_schema=False)

    def coordinates(peer: Peer) -> None:
        if peer.name != node.federation.coordinator.name:
            raise forbidden(f"{peer.name} does not coordinate", hint="compare the federation files")

    @routes.get("/hello")
    def hello(peer: PeerCaller) -> Hello:
        """What nodes compare whenever they meet."""
        return node.hello()

    @routes.post("/transactions")
    def prepare(body: Prepare, peer: PeerCaller) -> Prepared:
        """Have a change ready, whatever happens to either node."""
        coordinates(peer)
        return Prepared(answer=node.participant.prepare(body).model_dump(mode="json"))

    @routes.post("/transactions/{transaction}/commit")
    def commit(transaction: Transaction, body: Commit, peer: PeerCaller) -> TransactionState:
        """Make a change visible that the coordinator has decided."""
        coordinates(peer)
        node.participant.commit(transaction, [read_answer(answer) for answer in body.answers])
        return node.participant.state(transaction)

    @routes.post("/transactions/{transaction}/abort")
    def abort(transaction: Transaction, body: Abort, peer: PeerCaller) -> TransactionState:
        """Undo what was made ready, and refuse that transaction from now on."""
        coordinates(peer)
        node.participant.abort(transaction, f"{peer.name}: {body.reason}"[:500])
        return node.participant.state(transaction)

    @routes.get("/transactions/{transaction}")
    def state(transaction: Transaction, peer: PeerCaller) -> TransactionState:
        """What the coordinator has decided, for a node in doubt."""
        return node.transactions.state(transaction)

    return routes
