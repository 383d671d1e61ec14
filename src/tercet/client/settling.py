"""The outcome of an order, as all three nodes have signed it: no single node can claim one."""

from __future__ import annotations

import time

from tercet.client.nodes import NodeClient, Nodes
from tercet.errors import IntegrityError, PartyError, TercetError
from tercet.federation.api import ChangeOutcome
from tercet.federation.outcomes import check_outcome

SETTLE_S = 5.0
"""How long nodes that have not heard of a decision are asked again."""
_PAUSE_S = 0.1
_ASK_S = 10.0


def settled(nodes: Nodes, transaction: str, *, patience: float | None = None) -> list[ChangeOutcome | TercetError]:
    """The signed outcome of a change at each of the three nodes, or why it gives none; waits while one is undecided.

    Raises IntegrityError for an answer that its node did not sign, or where two nodes have signed different ends.
    """
    deadline = time.monotonic() + (SETTLE_S if patience is None else patience)
    while True:
        answers = nodes.try_each(lambda node: _signed(nodes, node, transaction))
        if lies := [one for one in answers if isinstance(one, IntegrityError)]:
            raise lies[0]
        _check_alike(nodes, answers)
        undecided = any(isinstance(one, ChangeOutcome) and one.state == "pending" for one in answers)
        if not undecided or time.monotonic() > deadline:
            return answers
        time.sleep(_PAUSE_S)


def _signed(nodes: Nodes, node: NodeClient, transaction: str) -> ChangeOutcome:
    found = node.get(f"/v1/transactions/{transaction}", ChangeOutcome, timeout=_ASK_S)
    if found.state != "pending":
        check_outcome(found, node.entry.card, nodes.federation.id, transaction)
    return found


def _check_alike(nodes: Nodes, answers: list[ChangeOutcome | TercetError]) -> None:
    """Raise IntegrityError where nodes have signed different ends of one change."""
    said = {
        client.name: (one.state, one.version, one.manifest)
        for client, one in zip(nodes.clients, answers, strict=True)
        if isinstance(one, ChangeOutcome) and one.state != "pending"
    }
    if len(set(said.values())) > 1:
        words = "; ".join(
            f"{name} says that it is {state}" + (f" as version {version}" if version else "")
            for name, (state, version, _) in said.items()
        )
        raise IntegrityError(
            f"the nodes have signed different ends of the change: {words}",
            hint="one of them is faulty or lying; tell the operators, who compare their audits (tercet node repair)",
        )


def final(nodes: Nodes, told: ChangeOutcome) -> ChangeOutcome:
    """The outcome of a committed change, with the names of the nodes that have not signed the same."""
    answers = settled(nodes, told.transaction)
    signed = [
        client.name
        for client, one in zip(nodes.clients, answers, strict=True)
        if isinstance(one, ChangeOutcome) and one.state == "committed"
    ]
    if any(isinstance(one, ChangeOutcome) and one.state == "aborted" for one in answers):
        raise IntegrityError(
            f"node {nodes.coordinator.name} says that it is committed, and others have signed that it is aborted",
            hint="tell the operators of the other two nodes",
        )
    return told.model_copy(update={"unsigned": [client.name for client in nodes.clients if client.name not in signed]})


def confirmed(nodes: Nodes, transaction: str, error: TercetError) -> TercetError:
    """Why an order failed, as far as the nodes concerned have signed it; `error` is what the coordinator said.

    Raises IntegrityError if another node has signed that it is committed.
    """
    answers = settled(nodes, transaction, patience=min(SETTLE_S, 1.0))
    said: dict[str, str] = {}
    for client, one in zip(nodes.clients, answers, strict=True):
        if isinstance(one, ChangeOutcome) and one.state == "committed":
            raise IntegrityError(
                f"node {nodes.coordinator.name} says that the order failed ({error.message}), and {client.name} has "
                "signed that it was carried out",
                hint="do not order it again; tell the operators of the other two nodes",
            )
        if isinstance(one, ChangeOutcome) and one.state == "aborted":
            said[client.name] = one.reason
    blamed = getattr(error, "node", "")
    if blamed and blamed != nodes.coordinator.name and not said.get(blamed, "").startswith(f"{blamed}: "):
        return PartyError(
            f"node {nodes.coordinator.name} says that {blamed} refused it, and {blamed} has signed no such thing: "
            f"{error.message}",
            party=int(nodes.coordinator.party),
            hint=f"ask the operator of {blamed}",
        )
    return error
