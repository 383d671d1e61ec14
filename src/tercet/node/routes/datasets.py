"""Datasets as this node has them, and which jobs touched them; who the caller is here."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from fastapi import APIRouter, Path, Query

from tercet.federation.api import MAX_PAGE, DatasetInfo, DatasetList, Me, Receipt, ReceiptList, SegmentInfo
from tercet.federation.identifiers import DatasetName
from tercet.federation.identity import expiring
from tercet.node.access import Anyone, OwnerOrOperator
from tercet.node.refusals import forbidden
from tercet.store.version import DatasetVersion

if TYPE_CHECKING:
    from tercet.node.supervisor import Node

Dataset = Annotated[DatasetName, Path()]
After = Annotated[int, Query(ge=0, lt=1 << 62)]
Limit = Annotated[int, Query(ge=1, le=MAX_PAGE)]


def dataset_info(node: Node, found: DatasetVersion, changing: dict[str, str]) -> DatasetInfo:
    """A dataset as it is told; an owner without a name here is told by his fingerprint."""
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
                    owner_name=node.name_of(segment.owner),
                    rows=segment.rows,
                    chunks=segment.chunks,
                    columns=list(segment.names),
                    committed=segment.created,
                )
                for segment in found.segments
            ],
            "created": found.created,
            "changed": found.changed,
            "refreshed": found.refreshed,
            "changing": changing.get(found.name, ""),
        }
    )


def router(node: Node) -> APIRouter:
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
                "warnings": expiring([caller.card], node.utc_now()),
            }
        )

    @routes.get("/datasets")
    def datasets(caller: Anyone) -> DatasetList:
        """All datasets."""
        changing = node.changes.changing()
        found = [node.version(name) for name in node.datasets.names()]
        return DatasetList(datasets=[dataset_info(node, one, changing) for one in found if one is not None])

    @routes.get("/datasets/{name}")
    def dataset(name: Dataset, caller: Anyone) -> DatasetInfo:
        """One dataset: schema, version, whose rows."""
        return dataset_info(node, node.datasets.get(name), node.changes.changing())

    @routes.get("/datasets/{name}/receipts")
    def receipts(name: Dataset, caller: OwnerOrOperator, after: After = 0, limit: Limit = 100) -> ReceiptList:
        """Every job that touched the dataset, for owners of rows in it and operators."""
        found = node.datasets.get(name)
        if "operator" not in caller.roles and caller.fingerprint not in found.owners:
            raise forbidden(f"{caller.name} has no rows in {name}", hint="receipts are for owners of rows")
        rows = node.jobs_store.receipts(name, after=after, limit=limit)
        return ReceiptList(
            dataset=name,
            receipts=[
                Receipt(
                    job=row.job,
                    analyst=row.analyst,
                    analyst_name=node.name_of(row.analyst),
                    purpose=str(row.details.get("purpose", "")),
                    columns=list(row.details.get("columns", [])),
                    version=row.version,
                    state=row.state,
                    numbers=int(row.details.get("numbers", 0)),
                    bundle=row.bundle_hash,
                    created=row.at,
                )
                for row in rows
            ],
            next=rows[-1].number if len(rows) == limit else None,
        )

    return routes
