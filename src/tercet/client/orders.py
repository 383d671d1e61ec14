"""Orders to the coordinator: signed once, sent until they are answered; withdrawals, refreshes, deletions."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from tercet.client.nodes import NodeClient, Nodes
from tercet.errors import IntegrityError, PartyError, TercetError
from tercet.federation.api import DatasetInfo, DatasetList, KeptInfo, KeptList, Outcome, Receipt, ReceiptList
from tercet.federation.identifiers import fresh_id
from tercet.federation.orders import Action, DropKept, Order, Refresh, SignedOrder, Withdraw, sign_order
from tercet.store.errors import Busy

ATTEMPTS = 3
ORDER_S = 120.0
"""How long the coordinator may take to carry an order out."""
BUSY_S = 30.0
"""How long an order waits for another change of the same thing to end."""
_PAUSE_S = 0.5


class Unsettled(PartyError):
    """The answer to an order was lost: it may have been carried out. Sending the same order again tells."""


def carry_out(
    nodes: Nodes,
    target: str,
    action: Action,
    *,
    method: str = "POST",
    signed: Callable[[SignedOrder], None] | None = None,
) -> Outcome:
    """Sign an order and have it carried out at all three nodes; a new one where another change was in the way.

    `signed` is told of every order before it is sent. Raises Unsettled, or why the order was given up.
    """
    deadline = time.monotonic() + BUSY_S
    while True:
        order = Order(federation=nodes.federation.id, transaction=fresh_id(), created=int(time.time()), action=action)
        sealed = sign_order(nodes.member, order)
        if signed is not None:
            signed(sealed)
        try:
            return send_order(nodes, target, sealed, method=method)
        except Busy:
            if time.monotonic() > deadline:
                raise
            time.sleep(_PAUSE_S)


def send_order(nodes: Nodes, target: str, order: SignedOrder, *, method: str = "POST") -> Outcome:
    """Send a signed order, again where its answer is lost; what became of it. Raises Unsettled, or why it is dead."""
    node = nodes.coordinator
    lost: TercetError | None = None
    for attempt in range(ATTEMPTS):
        if attempt:
            time.sleep(_PAUSE_S * attempt)
        try:
            status, data = node.ask(method, target, [order.to_json()], json_body=True, timeout=ORDER_S, patient=True)
        except PartyError as error:
            lost = error
            continue
        if status >= 400:
            raise node.error(status, data)
        outcome = node.checked(Outcome, data)
        if outcome.state == "aborted":
            raise IntegrityError(f"{outcome.node or node.name}: {outcome.reason}", hint=outcome.hint)
        if outcome.state == "committed":
            return outcome
        lost = PartyError("the change is still under way")
    assert lost is not None
    raise Unsettled(
        f"what became of the order at node {node.name} is not known: {lost.message}",
        party=int(node.party),
        hint="ask again, nothing is done twice",
    )


def withdraw(nodes: Nodes, dataset: str, *, upload: str | None = None, owner: str | None = None) -> Outcome:
    """Delete rows at all three nodes: those of one upload, or all of the caller's. Owners call it.

    `owner`: an operator's order about somebody else's rows, by his fingerprint.
    """
    return carry_out(nodes, "/v1/withdrawals", Withdraw(dataset=dataset, upload=upload, owner=owner))


def refresh(nodes: Nodes, dataset: str) -> Outcome:
    """Re-randomise a dataset's stored shares. Operators call it."""
    return carry_out(nodes, "/v1/refreshes", Refresh(dataset=dataset))


def drop(nodes: Nodes, name: str) -> Outcome:
    """Delete a kept array, or a model with its arrays."""
    return carry_out(nodes, f"/v1/kept/{name}", DropKept(name=name), method="DELETE")


def datasets(nodes: Nodes) -> list[DatasetInfo]:
    """All datasets that the caller may see. Raises IntegrityError if the nodes do not have the same."""
    lists = nodes.each(lambda node: node.get("/v1/datasets", DatasetList))
    by_node = [{info.name: info for info in found.datasets} for found in lists]
    names = sorted({name for found in by_node for name in found})
    return [_agreed(nodes, name, [found.get(name) for found in by_node]) for name in names]


def dataset(nodes: Nodes, name: str) -> DatasetInfo:
    """One dataset, as all three nodes have it. Raises IntegrityError naming the odd one."""
    return _agreed(nodes, name, list(nodes.each(lambda node: node.get(f"/v1/datasets/{name}", DatasetInfo))))


def _agreed(nodes: Nodes, name: str, found: list[DatasetInfo | None]) -> DatasetInfo:
    facts = [None if info is None else (info.version, info.manifest, info.rows) for info in found]
    if len(set(facts)) == 1:
        assert found[0] is not None
        return found[0]
    have = {
        client.name: "does not have it" if info is None else f"has version {info.version}, {info.rows:,} rows"
        for client, info in zip(nodes.clients, found, strict=True)
    }
    odd = [client.name for client, fact in zip(nodes.clients, facts, strict=True) if facts.count(fact) == 1]
    who = f"node {odd[0]} differs" if len(odd) == 1 else "no two nodes agree"
    raise IntegrityError(
        f"the nodes do not have the same dataset {name}: {who} ({'; '.join(f'{a} {b}' for a, b in have.items())})",
        hint="a change may be under way: try again; if it stays so, ask the operators",
    )


@dataclass(frozen=True, slots=True)
class ReceiptLine:
    """A job that touched a dataset, and which nodes say so: all three, unless one of them hides it."""

    receipt: Receipt
    nodes: tuple[str, ...]


def receipts(nodes: Nodes, dataset: str) -> list[ReceiptLine]:
    """Every job that touched a dataset, as the three nodes tell it together, oldest first. Owners call it."""
    seen: dict[str, tuple[Receipt, list[str]]] = {}
    lists = nodes.each(lambda node: list(_receipts(node, dataset)))
    for client, found in zip(nodes.clients, lists, strict=True):
        for receipt in found:
            seen.setdefault(receipt.job, (receipt, []))[1].append(client.name)
    lines = [ReceiptLine(receipt, tuple(names)) for receipt, names in seen.values()]
    return sorted(lines, key=lambda line: line.receipt.created)


def _receipts(node: NodeClient, dataset: str) -> Iterator[Receipt]:
    after: int | None = None
    while True:
        query = "" if after is None else f"?after={after}"
        page = node.get(f"/v1/datasets/{dataset}/receipts{query}", ReceiptList)
        yield from page.receipts
        if page.next is None:
            return
        after = page.next


def kept(nodes: Nodes) -> list[KeptInfo]:
    """Kept arrays and models that the caller may see, as the coordinator has them."""
    return nodes.coordinator.get("/v1/kept", KeptList).kept
