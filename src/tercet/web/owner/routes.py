"""The owner's routes, below /api/owner: tables dropped, checked and shared; datasets, receipts, withdrawals."""

from __future__ import annotations

import threading
from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from tercet.client import orders
from tercet.client.readers import sheets_of
from tercet.errors import InputError
from tercet.federation.api import DatasetInfo
from tercet.federation.model import DatasetName, Identifier
from tercet.store.reading import Reading
from tercet.web.owner.files import MOST_BYTES, DroppedFile, DroppedFiles
from tercet.web.owner.proposals import proposed, schema_of
from tercet.web.owner.uploads import KIND, ReadOrder, UploadWish, carry_out
from tercet.web.people.person import PersonHere


class _NewFile(BaseModel):
    model_config = ConfigDict(extra="forbid")
    name: Annotated[str, StringConstraints(min_length=1, max_length=1000)]
    size: Annotated[int, Field(ge=0, le=MOST_BYTES)]


class _Withdrawal(BaseModel):
    model_config = ConfigDict(extra="forbid")
    upload: Identifier | None = None


def router(person: PersonHere) -> APIRouter:
    """Routes of the owner's page."""
    routes = APIRouter()
    files = DroppedFiles(person.folder)
    _add_tables(routes, person, files)
    _add_datasets(routes, person)
    return routes


def _add_tables(routes: APIRouter, person: PersonHere, files: DroppedFiles) -> None:
    def facts(file: DroppedFile) -> dict[str, Any]:
        return {"file": file.id, "name": file.name, "size": file.size, "received": file.received}

    starting = threading.Lock()

    def under_way() -> list[dict[str, Any]]:
        return [task.facts for task in person.tasks.of(KIND) if not task.ended and task.facts["send"]]

    @routes.post("/files")
    def begin(body: _NewFile) -> dict[str, Any]:
        """A place for a file, whose bytes then come in pieces."""
        return facts(files.begin(body.name, body.size))

    @routes.put("/pieces/{file}")
    async def take(file: str, request: Request, at: Annotated[int, Query(ge=0, le=MOST_BYTES)]) -> dict[str, Any]:
        """The next piece of a file, from byte `at` on."""
        return facts(await files.take(file, at, request.stream()))

    @routes.delete("/files/{file}")
    def drop(file: str) -> dict[str, Any]:
        files.drop(file)
        return {}

    @routes.post("/files/{file}/read")
    def read(file: str, body: ReadOrder) -> dict[str, Any]:
        """A proposed schema, and the first rows."""
        found = files.find(file)
        opened = found.open(Reading.of(dict(body.reading)))
        with found.named():
            return proposed(opened, body.keys, body.categories)

    @routes.get("/files/{file}/sheets")
    def sheets(file: str) -> dict[str, list[str]]:
        """The sheets of a workbook that hold something; none of another file."""
        found = files.find(file)
        with found.named():
            return {"sheets": sheets_of(found.path)}

    @routes.post("/schema")
    def schema(body: UploadWish) -> dict[str, str]:
        """The columns as a schema file."""
        return {"toml": schema_of(body.columns, Reading.of(dict(body.reading))).to_toml()}

    @routes.post("/uploads")
    def start(body: UploadWish) -> dict[str, Any]:
        """Check a table, and send it if that is wanted; a task."""
        found = files.find(body.file)
        with starting:
            # two tabs that send the same rows at once would have them there twice: notes tell of what is finished only
            if body.send and any(facts["dataset"] == body.dataset for facts in under_way()):
                raise InputError(
                    f"an upload to {body.dataset} is under way already", hint="wait for its end, or stop it"
                )
            task = person.tasks.start(
                KIND,
                lambda task: carry_out(person, found, body, task),
                name=found.name,
                dataset=body.dataset,
                send=body.send,
            )
        return task.facts

    @routes.get("/uploads")
    def uploads() -> dict[str, Any]:
        """The uploads of this session that are under way."""
        return {"uploads": under_way()}


def _add_datasets(routes: APIRouter, person: PersonHere) -> None:
    me = person.member.card.fingerprint

    @routes.get("/datasets")
    def datasets() -> dict[str, Any]:
        """The datasets that the person may see, as all three nodes have them; and what is wrong with others."""
        agreed, differing = orders.listed(person.nodes)
        return {
            "datasets": [_shown(info, me) for info in agreed],
            "differing": {name: {"message": error.message, "hint": error.hint} for name, error in differing.items()},
        }

    @routes.get("/datasets/{name}/receipts")
    def receipts(name: DatasetName) -> dict[str, Any]:
        """Every job that touched a dataset, newest first, as the three nodes tell it."""
        lines = orders.receipts(person.nodes, name)
        names = [client.name for client in person.nodes.clients]
        return {
            "receipts": [
                {
                    **line.receipt.model_dump(mode="json", exclude={"grounds"}),
                    "rests_on": [] if line.receipt.grounds is None else list(line.receipt.grounds.words()),
                    "silent": [node for node in names if node not in line.nodes],
                }
                for line in reversed(lines)
            ]
        }

    @routes.post("/datasets/{name}/withdraw")
    def withdraw(name: DatasetName, body: _Withdrawal) -> dict[str, Any]:
        """Delete the person's rows, or those of one upload, at all three nodes."""
        outcome = orders.withdraw(person.nodes, name, upload=body.upload)
        return {"version": outcome.version, "rows": outcome.rows, "unsigned": outcome.unsigned}


def _shown(info: DatasetInfo, me: str) -> dict[str, Any]:
    mine = [segment for segment in info.segments if segment.owner == me]
    shown = {"upload", "rows", "columns", "committed", "checked"}
    return {
        **info.model_dump(mode="json", include={"name", "rows", "version", "changed", "refreshed", "changing"}),
        "owners": info.owners,
        "columns": info.schema_["columns"],
        "mine": [segment.model_dump(mode="json", include=shown) for segment in mine],
    }
