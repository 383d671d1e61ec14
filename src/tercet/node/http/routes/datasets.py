"""Routes that read datasets, public keys and receipts, and tell callers who they are to this node."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query

from tercet.errors import InputError
from tercet.federation.api import (
    MAX_PAGE,
    DatasetInfo,
    DatasetList,
    Me,
    SegmentInfo,
)
from tercet.federation.api_data import MAX_KEYS, KeyPage, Receipt, ReceiptList
from tercet.federation.identifiers import DatasetName
from tercet.federation.identity import expiring
from tercet.federation.refusals import forbidden
from tercet.node.http.access import Anyone, OwnerOrOperator
from tercet.node.jobs.brought import known_to
from tercet.node.jobs.row_keys import may_see_keys
from tercet.node.parts import NodeContext
from tercet.store.version import DatasetVersion
from tercet.store.widening import agreements

Dataset = Annotated[DatasetName, Path()]
After = Annotated[int, Query(ge=0, lt=1 << 62)]
Limit = Annotated[int, Query(ge=1, le=MAX_PAGE)]
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


def router(context: NodeContext) -> APIRouter:
    """Routes that only read."""
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
        changing = context.store.changes.changing()
        found = [context.store.version(name) for name in context.store.datasets.names()]
        return DatasetList(
            datasets=[dataset_info(context, one, changing, caller.fingerprint) for one in found if one is not None]
        )

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
