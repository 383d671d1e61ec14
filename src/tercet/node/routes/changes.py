"""Changes of what is stored, beside uploads: withdraw, refresh, drop; and what became of a change."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from fastapi import APIRouter, Path

from tercet.federation.api import Outcome
from tercet.federation.identifiers import Identifier
from tercet.federation.orders import Refresh, SignedOrder, Withdraw
from tercet.node.access import Anyone, Operator, OwnerOrOperator
from tercet.node.refusals import not_found

if TYPE_CHECKING:
    from tercet.node.supervisor import Node


def router(node: Node) -> APIRouter:
    """Routes of orders; all but the last at the coordinator only."""
    routes = APIRouter(prefix="/v1", tags=["changes"])

    @routes.post("/withdrawals")
    def withdraw(body: SignedOrder, caller: OwnerOrOperator) -> Outcome:
        """Delete an owner's rows at all three nodes."""
        return node.transactions.order(body, caller.card, Withdraw)

    @routes.post("/refreshes")
    def refresh(body: SignedOrder, caller: Operator) -> Outcome:
        """Re-randomise the stored shares of a dataset at all three nodes."""
        return node.transactions.order(body, caller.card, Refresh)

    @routes.get("/transactions/{transaction}")
    def outcome(transaction: Annotated[Identifier, Path()], caller: Anyone) -> Outcome:
        """What became of a change, for whoever ordered it and for operators."""
        if "operator" not in caller.roles and not node.participant.ordered_by(transaction, caller.fingerprint):
            raise not_found("no such change of yours is known here")
        return node.transactions.outcome(transaction)

    return routes
