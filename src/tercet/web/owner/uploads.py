"""An upload as the page orders it: all is checked, then sent; it can be cancelled, and goes on where it stopped."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue, StringConstraints

from tercet.client import orders
from tercet.client.problems import check_all
from tercet.client.sources import Source
from tercet.client.upload import UploadProgress, upload
from tercet.client.upload_notes import Mode
from tercet.store.reading import Reading
from tercet.store.schema import MAX_COLUMNS, Schema
from tercet.web.owner.files import DroppedFile
from tercet.web.owner.proposals import column_faults, schema_of, shown_problems
from tercet.web.people.person import PersonHere
from tercet.web.people.tasks import Task

KIND = "upload"


class ReadOrder(BaseModel):
    """How a table is to be read, and which columns are to be its key or categories."""

    model_config = ConfigDict(extra="forbid")
    reading: dict[str, JsonValue] = {}
    keys: Annotated[list[str], Field(max_length=16)] = []
    categories: Annotated[list[str], Field(max_length=MAX_COLUMNS)] = []


class UploadWish(BaseModel):
    """What the page wants of a table: `send` it, or only have it checked.

    `columns` are descriptions as schemas have them; none for `append`, which takes those of the dataset.
    """

    model_config = ConfigDict(extra="forbid")
    file: str
    dataset: Annotated[str, StringConstraints(max_length=200)]
    mode: Mode
    columns: Annotated[list[dict[str, JsonValue]], Field(max_length=MAX_COLUMNS)]
    reading: dict[str, JsonValue] = {}
    missing: Literal["refuse", "drop"] = "refuse"
    again: bool = False
    send: bool = False


def carry_out(person: PersonHere, file: DroppedFile, wish: UploadWish, task: Task) -> dict[str, Any]:
    """Check a table, and send it if that is wanted and nothing is in the way; in the thread of the task.

    Gives `sent`, and the report of the upload or what was found. Raises what readers and `upload` raise.
    """
    if wish.mode != "append" and (faults := column_faults(wish.columns)):
        return {"sent": False, "problems": faults, "rows": {}}
    reading = Reading.of(dict(wish.reading))
    schema = _schema(person, wish, reading)
    source = file.open(reading)
    with file.named():
        return _done(person, file, wish, task, source, schema)


def _schema(person: PersonHere, wish: UploadWish, reading: Reading) -> Schema:
    if wish.mode != "append":
        return schema_of(wish.columns, reading)
    there = Schema.parse(orders.dataset(person.nodes, wish.dataset).schema_)
    return there.model_copy(update={"reading": reading})


def _done(
    person: PersonHere, file: DroppedFile, wish: UploadWish, task: Task, source: Source, schema: Schema
) -> dict[str, Any]:
    key = json.dumps([schema.to_dict(), schema.reading.given(), wish.missing])
    if key not in file.checked:
        task.tell(phase="check", rows=0, total=source.rows)
        found = check_all(
            source, schema, wish.missing, lambda rows: task.tell(phase="check", rows=rows, total=source.rows)
        )
        if found.problems:
            return {"sent": False, **shown_problems(source, schema, found.problems)}
        file.checked[key] = found
    fits = file.checked[key]
    if not wish.send:
        return {"sent": False, "problems": [], "rows": {}, "count": fits.rows, "dropped": fits.dropped}

    def progress(told: UploadProgress) -> None:
        task.tell(phase="send", **asdict(told) | {"total": fits.rows})

    task.tell(phase="send", rows=0, total=fits.rows, nbytes=0)
    source.content = file.hash()
    report = upload(
        person.nodes,
        source,
        dataset=wish.dataset,
        schema=schema,
        mode=wish.mode,
        missing=wish.missing,
        progress=progress,
        state=file.notes(person.identity.parent),
        again=wish.again,
    )
    return {"sent": True, "report": asdict(report)}
