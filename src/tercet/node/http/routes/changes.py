"""Routes of changes beside uploads: withdraw, widen, refresh; and the outcome of a change."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path

from tercet.federation.api import ChangeOutcome
from tercet.federation.identifiers import Identifier
from tercet.federation.orders import Refresh, SignedOrder, Widen, Withdraw
from tercet.federation.refusals import not_found
from tercet.node.changes.coordinator import Transactions
from tercet.node.changes.participant import Participant
from tercet.node.http.access import Anyone, Operator, Owner, OwnerOrOperator


def router(participant: Participant, transactions: Transactions) -> APIRouter:
    """Routes of orders; all but the last at the coordinator only."""
    routes = APIRouter(prefix="/v1", tags=["changes"])

    @routes.post("/withdrawals")
    def withdraw(body: SignedOrder, caller: OwnerOrOperator) -> ChangeOutcome:
        """Delete an owner's rows at all three nodes."""
        return transactions.order(body, caller.card, Withdraw)

    @routes.post("/widenings")
    def widen(body: SignedOrder, caller: Owner) -> ChangeOutcome:
        """Agree to wider bounds of a dataset; once all owners of its rows have, they are there at all three nodes."""
        return transactions.order(body, caller.card, Widen)

    @routes.post("/refreshes")
    def refresh(body: SignedOrder, caller: Operator) -> ChangeOutcome:
        """Re-randomise the stored shares of a dataset at all three nodes."""
        return transactions.order(body, caller.card, Refresh)

    @routes.get("/transactions/{transaction}")
    def outcome(transaction: Annotated[Identifier, Path()], caller: Anyone) -> ChangeOutcome:
        """The outcome of a change, for the person who ordered it and for operators."""
        if "operator" not in caller.roles and not participant.ordered_by(transaction, caller.fingerprint):
            raise not_found("no such change of yours is known here")
        return transactions.outcome(transaction)

    return routes
