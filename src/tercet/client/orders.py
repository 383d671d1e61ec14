"""Signed orders to the three nodes, and what they list: datasets, keys, receipts, kept arrays."""

from __future__ import annotations

import functools
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from tercet.client.nodes import NodeClient, Nodes
from tercet.errors import Busy, IntegrityError, PartyError, TercetError
from tercet.federation.api import ChangeOutcome, DatasetInfo, DatasetList, KeyPage
from tercet.federation.api_jobs import KeptInfo, KeptList, Receipt, ReceiptList
from tercet.federation.model import fresh_id
from tercet.federation.orders import Action, DropKept, Order, Refresh, SignedOrder, Widen, Withdraw, sign_order
from tercet.federation.statements import check_outcome
from tercet.policy.persons import united
from tercet.store.dataset_changes import widenings
from tercet.store.schema import Schema

SETTLE_S = 5.0
"""How long nodes that have not heard of a decision are asked again."""
_PAUSE_S = 0.1
_ASK_S = 10.0
ATTEMPTS = 3
ORDER_S = 120.0
"""How long the coordinator may take to carry an order out."""
BUSY_S = 30.0
"""How long an order waits for another change of the same thing to end."""
PAUSE_S = 0.5


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


class Unsettled(PartyError):
    """The answer to an order was lost: it may have been carried out. Sending the same order again tells."""


def carry_out(
    nodes: Nodes,
    target: str,
    action: Action,
    *,
    method: str = "POST",
    signed: Callable[[SignedOrder], None] | None = None,
) -> ChangeOutcome:
    """Sign an order and have it carried out at all three nodes; a new one where another change was in the way.

    `signed` is told of every order before it is sent. Raises Unsettled, or the reason why the order failed.
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
            time.sleep(PAUSE_S)


def send_order(nodes: Nodes, target: str, order: SignedOrder, *, method: str = "POST") -> ChangeOutcome:
    """Send a signed order, again where its answer is lost; what became of it, as all three nodes have signed it.

    Raises Unsettled, or why it is dead; IntegrityError where nodes have signed different ends, or the coordinator says
    of another node what that one has not signed.
    """
    node = nodes.coordinator
    transaction = Order.from_bytes(order.order.encode(), "order").transaction
    lost: TercetError | None = None
    for attempt in range(ATTEMPTS):
        if attempt:
            time.sleep(PAUSE_S * attempt)
        try:
            answer = node.ask(method, target, [order.to_json()], json_body=True, timeout=ORDER_S, patient=True)
        except PartyError as error:
            lost = error
            continue
        if answer.status >= 400:
            told = node.error(answer)
            raise told if isinstance(told, Busy) else confirmed(nodes, transaction, told)
        outcome = node.checked(ChangeOutcome, answer.data)
        if outcome.state == "aborted":
            dead = IntegrityError(f"{outcome.node or node.name}: {outcome.reason}", hint=outcome.hint)
            raise confirmed(nodes, transaction, dead)
        if outcome.state == "committed":
            return final(nodes, outcome)
        lost = PartyError("the change is still under way")
    assert lost is not None
    raise Unsettled(
        f"what became of the order at node {node.name} is not known: {lost.message}",
        party=int(node.party),
        hint="ask again, nothing is done twice",
    )


def withdraw(nodes: Nodes, dataset: str, *, upload: str | None = None, owner: str | None = None) -> ChangeOutcome:
    """Delete rows at all three nodes: those of one upload, or all of the caller's. Owners call it.

    `owner`: an operator's order about somebody else's rows, by that person's fingerprint.
    """
    return carry_out(nodes, "/v1/withdrawals", Withdraw(dataset=dataset, upload=upload, owner=owner))


def widen(nodes: Nodes, name: str, schema: Schema) -> ChangeOutcome:
    """Agree to the wider bounds, or further categories, of `schema` for a dataset in which the caller has rows.

    Owners call it. Nothing is uploaded again: once every owner of rows has agreed to the same, the dataset has a new
    version with them, which the outcome tells; without a version, the agreement is noted at all three nodes. Raises
    InputError where the schema differs in anything else, or what is stored would not fit.
    """
    wanted = widenings(Schema.parse(dataset(nodes, name).schema_), schema)
    return carry_out(nodes, "/v1/widenings", Widen(dataset=name, columns=wanted))


def refresh(nodes: Nodes, dataset: str) -> ChangeOutcome:
    """Re-randomise a dataset's stored shares. Operators call it."""
    return carry_out(nodes, "/v1/refreshes", Refresh(dataset=dataset))


def drop(nodes: Nodes, name: str) -> ChangeOutcome:
    """Delete a kept array, or a model with its arrays."""
    return carry_out(nodes, f"/v1/kept/{name}", DropKept(name=name), method="DELETE")


def datasets(nodes: Nodes) -> list[DatasetInfo]:
    """All datasets that the caller may see. Raises IntegrityError if the nodes do not have the same."""
    agreed, differing = listed(nodes)
    for error in differing.values():
        raise error
    return agreed


def listed(nodes: Nodes) -> tuple[list[DatasetInfo], dict[str, IntegrityError]]:
    """All datasets that the caller may see and all three nodes have alike; and by name what is wrong with others."""
    lists = nodes.each(lambda node: node.get("/v1/datasets", DatasetList))
    by_node = [{info.name: info for info in found.datasets} for found in lists]
    agreed: list[DatasetInfo] = []
    differing: dict[str, IntegrityError] = {}
    for name in sorted({name for found in by_node for name in found}):
        try:
            agreed.append(_agreed(nodes, name, [found.get(name) for found in by_node]))
        except IntegrityError as error:
            differing[name] = error
    return agreed, differing


def dataset(nodes: Nodes, name: str) -> DatasetInfo:
    """One dataset, as all three nodes have it. Raises IntegrityError naming the odd one."""
    return _agreed(nodes, name, list(nodes.each(lambda node: node.get(f"/v1/datasets/{name}", DatasetInfo))))


def keys(nodes: Nodes, info: DatasetInfo) -> list[int | str]:
    """The public keys of a dataset's rows, as all three nodes have them. Three times the keys travel.

    Raises IntegrityError naming the odd node, InputError if rows have no keys, what a refusal raises.
    """
    found: list[int | str] = []
    while True:
        path = f"/v1/datasets/{info.name}/keys?start={len(found)}"
        pages = nodes.each(functools.partial(NodeClient.get, target=path, answer=KeyPage))
        who = _odd_one(nodes, [(page.version, page.column, page.values, page.next) for page in pages])
        if who:
            raise IntegrityError(f"the nodes do not have the same keys of {info.name}: {who}", hint="ask the operators")
        if pages[0].version != info.version:
            raise IntegrityError(
                f"dataset {info.name} has changed: version {pages[0].version} instead of {info.version}",
                hint="look at the table again: net.table(...)",
            )
        found += pages[0].values
        if pages[0].next is None:
            return found
        if pages[0].next != len(found):
            raise IntegrityError(
                f"the nodes give other keys of {info.name} than were asked for", hint="ask the operators"
            )


def _odd_one(nodes: Nodes, facts: Sequence[object]) -> str:
    """Which node says something else than the other two; empty if all three say the same."""
    odd = [client.name for client, fact in zip(nodes.clients, facts, strict=True) if facts.count(fact) == 1]
    return "" if not odd else f"node {odd[0]} differs" if len(odd) == 1 else "no two nodes agree"


def _agreed(nodes: Nodes, name: str, found: list[DatasetInfo | None]) -> DatasetInfo:
    facts = [None if info is None else (info.version, info.manifest, info.rows) for info in found]
    who = _odd_one(nodes, facts)
    if not who:
        assert found[0] is not None
        # each node has its own policy: the strictest cohort counts
        infos = [info for info in found if info is not None]
        own = united(tuple((start, stop) for info in infos for start, stop in info.own), ())
        return infos[0].model_copy(
            update={"cohort": max(info.cohort for info in infos), "own": [list(one) for one in own]}
        )
    have = {
        client.name: "does not have it" if info is None else f"has version {info.version}, {info.rows:,} rows"
        for client, info in zip(nodes.clients, found, strict=True)
    }
    raise IntegrityError(
        f"the nodes do not have the same dataset {name}: {who} ({'; '.join(f'{a} {b}' for a, b in have.items())})",
        hint="a change may be under way: try again; if it stays so, ask the operators",
    )


@dataclass(frozen=True, slots=True)
class ReceiptLine:
    """A job that used a dataset, and the nodes that report it: all three, unless one of them hides it."""

    receipt: Receipt
    nodes: tuple[str, ...]


def receipts(nodes: Nodes, dataset: str) -> list[ReceiptLine]:
    """Every job that touched a dataset, as the three nodes tell it together, oldest first. Owners call it.

    A job of whose grounds two nodes tell differently has a line for each.
    """
    seen: dict[tuple[str, str], tuple[Receipt, list[str]]] = {}
    lists = nodes.each(lambda node: list(_receipts(node, dataset)))
    for client, found in zip(nodes.clients, lists, strict=True):
        for receipt in found:
            rests_on = "" if receipt.grounds is None else receipt.grounds.model_dump_json()
            seen.setdefault((receipt.job, rests_on), (receipt, []))[1].append(client.name)
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
