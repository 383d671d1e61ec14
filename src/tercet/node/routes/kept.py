"""Kept arrays and models: results of jobs that stayed at the nodes."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Annotated

from fastapi import APIRouter, Path

from tercet.federation.api import Disclosure, KeptArray, KeptInfo, KeptList, Outcome
from tercet.federation.identifiers import KeptName
from tercet.federation.orders import DropKept, SignedOrder
from tercet.node.access import AnalystOrOperator, Caller
from tercet.node.language import write_type
from tercet.node.refusals import not_found
from tercet.store.kept import KeptInfo as StoredArray
from tercet.store.kept import ModelInfo

if TYPE_CHECKING:
    from tercet.node.supervisor import Node

Name = Annotated[KeptName, Path()]


def router(node: Node) -> APIRouter:
    """Routes of what analysts keep; the name of a model's array has a slash."""
    routes = APIRouter(prefix="/v1/kept", tags=["kept"])

    def array(stored: StoredArray) -> KeptArray:
        return KeptArray(
            name=stored.name or stored.handle,
            handle=stored.handle,
            label=base64.b64encode(write_type(stored.type)).decode(),
            shape=list(stored.type.shape),
            description=str(stored.type)[:500],
        )

    def of_model(model: ModelInfo) -> KeptInfo:
        return KeptInfo(
            name=model.name,
            owner=model.owner,
            owner_name=node.name_of(model.owner),
            job=model.job,
            arrays=[array(one) for one in model.arrays],
            model=model.model,
            disclosures=[told for number, one in enumerate(model.arrays) for told in told_disclosures(number, one)],
            created=model.created,
        )

    def of_array(stored: StoredArray) -> KeptInfo:
        return KeptInfo(
            name=stored.name or stored.handle,
            owner=stored.owner,
            owner_name=node.name_of(stored.owner),
            job=stored.job,
            arrays=[array(stored)],
            disclosures=told_disclosures(0, stored),
            created=stored.created,
            expires=stored.expires,
        )

    def told_disclosures(number: int, stored: StoredArray) -> list[Disclosure]:
        """As the job that kept it wrote them down (`policy.disclosure.Disclosure.stored`)."""
        parts = stored.disclosure.get("rows", []) if isinstance(stored.disclosure, dict) else []
        return [
            Disclosure(
                output=number,
                dataset=part["dataset"],
                state=part["state"],
                rows=part["count"] if part["state"] == "aggregate" else min(1, part["count"]),
                numbers=stored.type.size,
            )
            for part in parts
        ]

    def may(owner: str, caller: Caller) -> bool:
        return owner == caller.fingerprint or "operator" in caller.roles

    @routes.get("")
    def kept(caller: AnalystOrOperator) -> KeptList:
        """What the caller keeps; operators see all."""
        models = [model for model in node.kept.models() if may(model.owner, caller)]
        arrays = [one for one in node.kept.list() if not one.model and may(one.owner, caller)]
        return KeptList(kept=[*map(of_model, models), *map(of_array, arrays)])

    @routes.get("/{name:path}")
    def one(name: Name, caller: AnalystOrOperator) -> KeptInfo:
        """One kept array or model."""
        for model in node.kept.models():
            if model.name == name and may(model.owner, caller):
                return of_model(model)
        stored = node.kept.get(name)
        if not may(stored.owner, caller):
            raise not_found("nothing of yours is kept under that name")
        return of_array(stored)

    @routes.delete("/{name:path}")
    def drop(name: Name, body: SignedOrder, caller: AnalystOrOperator) -> Outcome:
        """Delete a kept array, or a model with all its arrays, at all three nodes; at the coordinator."""
        return node.transactions.order(body, caller.card, DropKept, about=name)

    return routes
