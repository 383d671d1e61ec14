"""Routes of the analyst's page: tables, explanations, questions that run, jobs. All ask the nodes as the person."""

from __future__ import annotations

from contextlib import closing
from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict

from tercet.client.asking import Held, Left
from tercet.client.remote import RemoteSession
from tercet.client.table import described
from tercet.federation.api import DatasetInfo
from tercet.federation.api_jobs import JobInfo
from tercet.federation.model import Identifier, Line
from tercet.store.schema import ColumnKind, Schema
from tercet.web.analyst.answers import Told, cost_told
from tercet.web.analyst.questions import Question, answered, asked, asked_with, explained
from tercet.web.people.person import PersonHere
from tercet.web.people.tasks import Cancelled, Task
from tercet.web.picture import names_of_columns, picture

ASKED = "question"
"""The kind of tasks that are questions."""
_DEADLINE_S = 3600.0


class Ask(BaseModel):
    model_config = ConfigDict(extra="forbid")
    question: Question
    purpose: Line = ""


def router(person: PersonHere) -> APIRouter:
    """The routes, for one person. Long ones are tasks: `/api/tasks/ID` follows them."""
    routes = APIRouter()

    @routes.get("/tables")
    def tables() -> list[dict[str, Any]]:
        """The datasets that the person may see, with their columns, kinds and bounds."""
        return [_table(info) for info in person.session().datasets()]

    @routes.post("/explain")
    def explain(body: Ask) -> dict[str, Any]:
        """What a question would cost and reveal, and what each node says; nothing runs."""
        with closing(_session(person, body.purpose)) as net:
            found = explained(net, body.question)
            schemas = {info.name: Schema.parse(info.schema_) for info in net.datasets()}
        return {
            "picture": picture(found, names_of_columns(person.federation.id, schemas)).model_dump(),
            "texts": found.texts,
        }

    @routes.post("/questions")
    def ask(body: Ask) -> dict[str, Any]:
        """Begin a question; its task gives progress, what holds it, and the answer."""

        def run(task: Task) -> dict[str, Any]:
            with closing(_session(person, body.purpose, task)) as net:
                told = asked(net, body.question, lambda held: _tell_held(task, held))
                return _answer(told, net)

        return person.tasks.start(ASKED, run, question=body.question.model_dump(), purpose=body.purpose).facts

    @routes.get("/questions")
    def questions() -> list[dict[str, Any]]:
        """The questions of this page since `tercet web` began, newest first, with the answers that there are."""
        return [task.facts for task in person.tasks.of(ASKED)]

    @routes.get("/jobs")
    def jobs() -> dict[str, Any]:
        """The person's jobs as the coordinator has them, newest first, and where other nodes tell otherwise."""
        net = person.session()
        return {"jobs": [_job(info, net) for info in net.jobs()], "otherwise": sorted(net.told_otherwise())}

    @routes.post("/jobs/{job}/answer")
    def fetch(job: Identifier) -> dict[str, Any]:
        """Begin to fetch the answer of a job that was held or cut off."""
        question = asked_with(person.session(), job)

        def run(task: Task) -> dict[str, Any]:
            with closing(_session(person, "", task)) as net:
                return _answer(answered(net, job, question), net)

        return person.tasks.start(ASKED, run, question=question.model_dump(), job=job).facts

    @routes.post("/jobs/{job}/cancel")
    def cancel(job: Identifier) -> dict[str, bool]:
        """Cancel a job at all three nodes; nothing of it is revealed."""
        person.session().cancel(job)
        return {"cancelled": True}

    return routes


def _session(person: PersonHere, purpose: str, task: Task | None = None) -> RemoteSession:
    """A session for one question: its progress and costs are those of no other."""
    progress = None if task is None else lambda done: _tell(task, progress=done)
    return person.connected(purpose=purpose, deadline=_DEADLINE_S, progress=progress)


def _tell(task: Task, **facts: Any) -> None:
    try:
        task.tell(**facts)
    except Cancelled:
        if task.left:
            raise Left(
                "the page has ended, and the job goes on", hint="fetch its answer from the list of jobs"
            ) from None
        raise


def _tell_held(task: Task, held: Held) -> None:
    _tell(task, held={"job": held.job, "nodes": list(held.nodes), "message": held.message})


def _answer(told: Told, net: RemoteSession) -> dict[str, Any]:
    cost = cost_told(net.last_job)
    return {"answer": told.model_dump(), "cost": None if cost is None else cost.model_dump()}


def _table(info: DatasetInfo) -> dict[str, Any]:
    columns = [
        {
            "name": column.name,
            "kind": str(column.kind),
            "described": described(column),
            "about": column.description,
            "nullable": column.nullable,
            "categories": list(column.categories),
            "number": column.kind.is_summed,
            "grouping": column.kind in (ColumnKind.CATEGORY, ColumnKind.BOOL),
        }
        for column in Schema.parse(info.schema_).columns
    ]
    return {"name": info.name, "rows": info.rows, "owners": info.owners, "cohort": info.cohort, "columns": columns}


def _job(info: JobInfo, net: RemoteSession) -> dict[str, Any]:
    return {
        "job": info.job,
        "state": info.state,
        "progress": info.progress,
        "waiting_for": info.waiting_for,
        "datasets": info.datasets,
        "purpose": info.purpose,
        "created": info.created,
        "seconds": info.finished - info.started if info.started and info.finished else None,
        "bits": max(info.charged.values(), default=0),
        "rests_on": "; ".join(dict.fromkeys(one.brief() for one in info.grounds.values())),
        "error": None if info.error is None else info.error.message,
        "final": info.final,
        "here": net.has_ticket(info.job) and (info.state == "done" or not info.final),
    }
