"""The site of `tercet web`: the pages of one person's roles, each with routes and files of its own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fastapi import APIRouter
from starlette.responses import StreamingResponse

from tercet.errors import NotFound
from tercet.web.analyst import routes as analyst
from tercet.web.local import Site
from tercet.web.operator import routes as operator
from tercet.web.owner import routes as owner
from tercet.web.people.person import PersonHere, PersonSeen

_WEB = Path(__file__).parent.parent
LINES = "application/x-ndjson"


@dataclass(frozen=True)
class _Page:
    """A role's page: routes at /api/NAME, files in web/NAME/static, of which page.html is shown at /NAME."""

    name: str
    title: str
    router: Callable[[PersonHere], APIRouter]

    @property
    def folder(self) -> Path:
        return _WEB / self.name / "static"

    def is_for(self, person: PersonSeen) -> bool:
        return bool(person.own) if self.name == "operator" else self.name in person.roles


PAGES = (
    _Page("owner", "My data", owner.router),
    _Page("analyst", "Questions", analyst.router),
    _Page("operator", "My node", operator.router),
)


def people_site(person: PersonHere) -> Site:
    """The pages of this person, with the routes that all of them use: who it is, and what takes long."""
    folder = _WEB / "people" / "static"
    shells = {"/": folder / "page.html", **{f"/{page.name}": page.folder / "page.html" for page in PAGES}}
    static = {"people": folder, **{page.name: page.folder for page in PAGES}}
    site = Site(shells, static, large=["/api/owner/pieces/"])
    site.api.include_router(_shared(person), prefix="/api")
    for page in PAGES:
        site.api.include_router(page.router(person), prefix=f"/api/{page.name}")
    return site


def _shared(person: PersonHere) -> APIRouter:
    routes = APIRouter()

    @routes.get("/person")
    def who() -> dict[str, Any]:
        """The person, the nodes, and the pages that are theirs."""
        seen = person.seen()
        pages = [{"name": page.name, "title": page.title} for page in PAGES if page.is_for(seen)]
        return {**seen.model_dump(), "pages": pages}

    @routes.get("/tasks/{task}", response_model=None)
    def follow(task: str) -> StreamingResponse:
        """The state of something that takes long, a line each time it changes."""
        found = person.tasks.find(task)
        if found is None:
            raise NotFound("what is asked for has ended, and is forgotten", hint="look at the list on the page")
        return StreamingResponse(found.lines(), media_type=LINES)

    @routes.post("/tasks/{task}/cancel")
    def cancel(task: str) -> dict[str, bool]:
        found = person.tasks.find(task)
        if found is not None:
            found.cancel()
        return {"found": found is not None}

    return routes
