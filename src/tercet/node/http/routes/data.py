"""Routes that read what the nodes hold: datasets, public keys, receipts, kept arrays and models; who the caller is."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import Annotated

from fastapi import APIRouter, Path, Query

from tercet.errors import InputError
from tercet.federation.api import MAX_KEYS, MAX_PAGE, ChangeOutcome, DatasetInfo, DatasetList, KeyPage, Me, SegmentInfo
from tercet.federation.api_jobs import DisclosureInfo, KeptArray, KeptInfo, KeptList, Receipt, ReceiptList
from tercet.federation.identity import expiring
from tercet.federation.model import DatasetName, KeptName
from tercet.federation.orders import DropKept, SignedOrder
from tercet.federation.refusals import forbidden, not_found
from tercet.node.http.access import AnalystOrOperator, Anyone, Caller, OwnerOrOperator
from tercet.node.http.rooms import Rooms
from tercet.node.jobs.known import known_to, may_see_keys
from tercet.node.parts import NodeContext
from tercet.plan.types import write_type
from tercet.store.dataset_changes import agreements
from tercet.store.kept import KeptResult, KeptRow
from tercet.store.origins import read_origins
from tercet.store.version import DatasetVersion

_LINE = 500

Dataset = Annotated[DatasetName, Path()]
After = Annotated[int, Query(ge=0, lt=1 << 62)]
Limit = Annotated[int, Query(ge=1, le=MAX_PAGE)]
Kept = Annotated[KeptName, Path()]
KeyLimit = Annotated[int, Query(ge=1, le=MAX_KEYS)]


def dataset_info(context: NodeContext, found: DatasetVersion, changing: dict[str, str], caller: str) -> DatasetInfo:
    """A dataset as it is told to `caller` (fingerprint); an owner without a name here is told by their fingerprint."""
    unchecked = found.unchecked
    return DatasetInfo.model_validate(
        {
            "name": found.name,
            "schema": found.schema.to_dict(),
            "version": found.version,
            "manifest": found.manifest,
            "rows": found.rows,
            "segments": [
                SegmentInfo(
                    upload=segment.upload,
                    owner=segment.owner,
                    owner_name=context.name_of(segment.owner),
                    rows=segment.rows,
                    chunks=segment.chunks,
                    columns=list(segment.names),
                    committed=segment.created,
                    checked=segment not in unchecked,
                )
                for segment in found.segments
            ],
            "created": found.created,
            "changed": found.changed,
            "refreshed": found.refreshed,
            "changing": changing.get(found.name, ""),
            "agreeing": agreements(context.store.datasets, found.name),
            "cohort": context.policy.current.cohort(caller, found.name),
            "own": [list(one) for one in known_to(found, context.policy.current.as_one(caller))],
        }
    )


def dataset_list(context: NodeContext, caller: str) -> DatasetList:
    """All datasets, as they are told to `caller`."""
    changing = context.store.changes.changing()
    return DatasetList(datasets=[dataset_info(context, one, changing, caller) for one in context.store.versions()])


def router(rooms: Rooms) -> APIRouter:
    """Routes of datasets."""
    context = rooms.context
    routes = APIRouter(prefix="/v1", tags=["datasets"])

    @routes.get("/me")
    def me(caller: Anyone) -> Me:
        """Who the caller is to this node."""
        return Me.model_validate(
            {
                "name": caller.name,
                "fingerprint": caller.fingerprint,
                "roles": sorted(caller.roles),
                "not_after": caller.card.not_after.timestamp(),
                "warnings": expiring([caller.card], context.utc_now()),
            }
        )

    @routes.get("/datasets")
    def datasets(caller: Anyone) -> DatasetList:
        """All datasets."""
        return dataset_list(context, caller.fingerprint)

    @routes.get("/datasets/{name}")
    def dataset(name: Dataset, caller: Anyone) -> DatasetInfo:
        """One dataset: schema, version, whose rows."""
        return dataset_info(
            context, context.store.datasets.get(name), context.store.changes.changing(), caller.fingerprint
        )

    @routes.get("/datasets/{name}/keys")
    def keys(name: Dataset, caller: Anyone, start: After = 0, limit: KeyLimit = MAX_KEYS) -> KeyPage:
        """The public keys of the rows, for joining: to owners of rows, operators, and analysts whom a rule names."""
        found = context.store.datasets.get(name)
        column = found.schema.key
        if column is None:
            raise InputError(f"dataset {name} has no public key", hint="its rows cannot be joined with others")
        if not may_see_keys(context.policy.current, caller.fingerprint, found) and "operator" not in caller.roles:
            raise forbidden(f"no rule lets {caller.name} use column {column.name} of {name}")
        stop = min(start + limit, found.rows)
        values: list[int | str] = list(found.read_keys(column.name, min(start, stop), stop).tolist())
        return KeyPage(
            column=column.name, version=found.version, values=values, next=stop if stop < found.rows else None
        )

    @routes.get("/datasets/{name}/receipts")
    def receipts(name: Dataset, caller: OwnerOrOperator, after: After = 0, limit: Limit = 100) -> ReceiptList:
        """Every job that touched the dataset, for owners of rows in it and operators."""
        found = context.store.datasets.get(name)
        if "operator" not in caller.roles and caller.fingerprint not in found.owners:
            raise forbidden(f"{caller.name} has no rows in {name}", hint="receipts are for owners of rows")
        rows = context.store.jobs.receipts(name, after=after, limit=limit)
        return ReceiptList(
            dataset=name,
            receipts=[
                Receipt(
                    job=row.job,
                    analyst=row.analyst,
                    analyst_name=context.name_of(row.analyst),
                    purpose=str(row.details.get("purpose", "")),
                    columns=list(row.details.get("columns", [])),
                    version=row.version,
                    state=row.state,
                    versions=list(row.details.get("versions", [])),
                    through=list(row.details.get("through", [])),
                    numbers=int(row.details.get("numbers", 0)),
                    bits=int(row.details.get("bits", 0)),
                    grounds=row.details.get("grounds"),
                    bundle=row.bundle_hash,
                    created=row.at,
                )
                for row in rows
            ],
            next=rows[-1].number if len(rows) == limit else None,
        )

    return routes


def kept_router(rooms: Rooms) -> APIRouter:
    """Routes of what analysts keep; the name of a model's array has a slash."""
    context = rooms.context
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
    def one(name: Kept, caller: AnalystOrOperator) -> KeptInfo:
        """One kept array or model."""
        result = context.store.kept.result(name, None if "operator" in caller.roles else caller.fingerprint)
        if not may(result.owner, caller):
            raise not_found("nothing of yours is kept under that name")
        return told(result)

    @routes.delete("/{name:path}")
    def drop(name: Kept, body: SignedOrder, caller: AnalystOrOperator) -> ChangeOutcome:
        """Delete a kept array, or a model with all its arrays, at all three nodes; at the coordinator."""
        return rooms.transactions.order(body, caller.card, DropKept, about=name)

    return routes
