"""Kept arrays and models: results of jobs that stayed at the nodes."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import Annotated

from fastapi import APIRouter, Path

from tercet.federation.api import ChangeOutcome, DisclosureInfo
from tercet.federation.api_data import KeptArray, KeptInfo, KeptList
from tercet.federation.identifiers import KeptName
from tercet.federation.orders import DropKept, SignedOrder
from tercet.federation.refusals import not_found
from tercet.node.changes.coordinator import Transactions
from tercet.node.http.access import AnalystOrOperator, Caller
from tercet.node.parts import NodeContext
from tercet.plan.types import write_type
from tercet.store.kept import KeptResult, KeptRow
from tercet.store.origins import read_origins

Name = Annotated[KeptName, Path()]
_LINE = 500


def router(context: NodeContext, transactions: Transactions) -> APIRouter:
    """Routes of what analysts keep; the name of a model's array has a slash."""
    routes = APIRouter(prefix="/v1/kept", tags=["kept"])

    def array(stored: KeptRow) -> KeptArray:
        return KeptArray(
            name=stored.name or stored.handle,
            handle=stored.handle,
            label=base64.b64encode(write_type(stored.type)).decode(),
            shape=list(stored.type.shape),
            description=str(stored.type)[:500],
        )

    def told(result: KeptResult) -> KeptInfo:
        return KeptInfo(
            name=result.name,
            owner=result.owner,
            owner_name=context.name_of(result.owner),
            job=result.job,
            arrays=[array(one) for one in result.arrays],
            model=result.model,
            made_of=made_of(result.arrays),
            disclosures=[each for number, one in enumerate(result.arrays) for each in told_disclosures(number, one)],
            created=result.created,
            expires=result.expires,
        )

    def told_disclosures(number: int, stored: KeptRow) -> list[DisclosureInfo]:
        """Those that the job stored with the array (`policy.disclosure.Disclosure.stored`)."""
        parts = stored.disclosure.get("rows", []) if isinstance(stored.disclosure, dict) else []
        return [
            DisclosureInfo(
                output=number,
                dataset=part["dataset"],
                state=part["state"],
                rows=part["count"] if part["state"] == "aggregate" else min(1, part["count"]),
                numbers=stored.type.size,
            )
            for part in parts
        ]

    def made_of(arrays: Sequence[KeptRow]) -> list[str]:
        found: dict[tuple[str, int], set[str]] = {}
        for stored in arrays:
            for one in read_origins(stored.disclosure):
                found.setdefault((one.dataset, one.version), set()).update(one.columns)
        return [
            f"{dataset} (version {version}): {', '.join(sorted(columns))}"[:_LINE]
            for (dataset, version), columns in sorted(found.items())
        ]

    def may(owner: str, caller: Caller) -> bool:
        return owner == caller.fingerprint or "operator" in caller.roles

    @routes.get("")
    def kept(caller: AnalystOrOperator) -> KeptList:
        """What the caller keeps; operators see all."""
        return KeptList(kept=[told(result) for result in context.store.kept.results() if may(result.owner, caller)])

    @routes.get("/{name:path}")
    def one(name: Name, caller: AnalystOrOperator) -> KeptInfo:
        """One kept array or model."""
        result = context.store.kept.result(name, None if "operator" in caller.roles else caller.fingerprint)
        if not may(result.owner, caller):
            raise not_found("nothing of yours is kept under that name")
        return told(result)

    @routes.delete("/{name:path}")
    def drop(name: Name, body: SignedOrder, caller: AnalystOrOperator) -> ChangeOutcome:
        """Delete a kept array, or a model with all its arrays, at all three nodes; at the coordinator."""
        return transactions.order(body, caller.card, DropKept, about=name)

    return routes
