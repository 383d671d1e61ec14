"""The owner's routes, below /api/owner: their datasets."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter

from tercet.client import orders
from tercet.federation.api import DatasetInfo
from tercet.web.people.person import PersonHere


def router(person: PersonHere) -> APIRouter:
    """Routes of the owner's page."""
    routes = APIRouter()
    me = person.member.card.fingerprint

    @routes.get("/datasets")
    def datasets() -> dict[str, Any]:
        """The datasets that the person may see, as all three nodes have them; and what is wrong with others."""
        agreed, differing = orders.listed(person.nodes)
        return {
            "datasets": [_shown(info, me) for info in agreed],
            "differing": {name: {"message": error.message, "hint": error.hint} for name, error in differing.items()},
        }

    return routes


def _shown(info: DatasetInfo, me: str) -> dict[str, Any]:
    mine = [segment for segment in info.segments if segment.owner == me]
    return {
        "name": info.name,
        "rows": info.rows,
        "version": info.version,
        "owners": info.owners,
        "changed": info.changed,
        "refreshed": info.refreshed,
        "changing": info.changing,
        "columns": info.schema_["columns"],
        "mine": [
            {
                "upload": segment.upload,
                "rows": segment.rows,
                "columns": segment.columns,
                "committed": segment.committed,
                "checked": segment.checked,
            }
            for segment in mine
        ],
    }
