"""Routes of jobs, for analysts and operators."""

from __future__ import annotations

import asyncio
import time
from typing import Annotated, Any

from fastapi import APIRouter, Path, Query
from fastapi.responses import StreamingResponse
from starlette.concurrency import run_in_threadpool

from tercet.federation.api import MAX_PAGE, MAX_WAIT_S
from tercet.federation.api_admin import OperatorReason
from tercet.federation.api_jobs import ExplainAnswer, JobInfo, JobList, JobStateName
from tercet.federation.model import Identifier
from tercet.node.http.access import Analyst, AnalystOrOperator, Anyone, Caller, Operator, RawBody
from tercet.node.http.limits import Turns
from tercet.node.http.rooms import Rooms

Job = Annotated[Identifier, Path()]
State = Annotated[JobStateName | None, Query()]
After = Annotated[Identifier | None, Query()]
Limit = Annotated[int, Query(ge=1, le=MAX_PAGE)]
Wait = Annotated[float, Query(ge=0, le=MAX_WAIT_S)]

_BINARY = {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}}
_BUNDLE = {"requestBody": {"required": True, "content": _BINARY}}
_BOXES: dict[int | str, dict[str, Any]] = {200: {"description": "the boxes", "content": _BINARY}}


def router(rooms: Rooms) -> APIRouter:
    """All routes of jobs but those between nodes."""
    routes = APIRouter(tags=["jobs"])
    context, jobs, limits = rooms.context, rooms.jobs, rooms.context.settings.limits
    turns = Turns(limits.analyses, limits.analyses_of_one)

    def visible(job: str, caller: Caller) -> None:
        jobs.check_visible(job, caller.fingerprint, operator="operator" in caller.roles)

    @routes.post("/v1/jobs", status_code=202, openapi_extra=_BUNDLE)
    async def submit(body: RawBody, caller: Analyst) -> JobInfo:
        """Send a job bundle; 403 with node and rule if it is refused, 429 if too many are being read."""
        async with turns.take(caller.fingerprint):
            return await run_in_threadpool(jobs.submit, bytes(body), caller.card)

    @routes.post("/v1/explain", openapi_extra=_BUNDLE)
    async def explain(body: RawBody, caller: Analyst) -> ExplainAnswer:
        """What this node would decide about a bundle; nothing is recorded. 429 if too many are being read."""
        async with turns.take(caller.fingerprint):
            return await run_in_threadpool(jobs.explain, bytes(body), caller.card)

    @routes.get("/v1/jobs")
    def listed(caller: AnalystOrOperator, state: State = None, after: After = None, limit: Limit = 100) -> JobList:
        """Own jobs, newest first; of all for an operator."""
        whose = None if "operator" in caller.roles else caller.fingerprint
        return jobs.listed(state=state, analyst=whose, after=after, limit=limit)

    @routes.get("/v1/jobs/{job}")
    async def job(job: Job, caller: AnalystOrOperator, wait: Wait = 0.0) -> JobInfo:
        """The job as it stands; with `wait`, at its end or after so many seconds."""
        await run_in_threadpool(visible, job, caller)
        deadline = time.monotonic() + wait
        loop = asyncio.get_running_loop()
        while True:
            woken = asyncio.Event()

            def tell(woken: asyncio.Event = woken) -> None:
                loop.call_soon_threadsafe(woken.set)

            jobs.ledger.watch.subscribe(job, tell)
            try:
                live = jobs.ledger.get(job)
                left = deadline - time.monotonic()
                if live is None or left <= 0 or context.stopping.is_set():
                    return await run_in_threadpool(jobs.info, job)
                try:
                    await asyncio.wait_for(woken.wait(), left)
                except TimeoutError:
                    continue
            finally:
                jobs.ledger.watch.forget(job, tell)

    @routes.get("/v1/jobs/{job}/results", response_class=StreamingResponse, responses=_BOXES)
    def results(job: Job, caller: Anyone) -> StreamingResponse:
        """The boxes of all outputs, sealed to the caller; 409 before the job's end, 410 when they have expired."""
        length, pieces = jobs.boxes(job, caller.fingerprint)
        headers = {"content-length": str(length)}
        return StreamingResponse(pieces, headers=headers, media_type="application/octet-stream")

    @routes.post("/v1/jobs/{job}/cancel")
    def cancel(job: Job, caller: AnalystOrOperator) -> JobInfo:
        """End a job at all nodes."""
        visible(job, caller)
        return jobs.cancel(job, caller.card.name, caller.request)

    @routes.get("/v1/admin/jobs")
    def all_jobs(caller: Operator, state: State = None, after: After = None, limit: Limit = 100) -> JobList:
        """Everybody's jobs, newest first."""
        return jobs.listed(state=state, analyst=None, after=after, limit=limit)

    @routes.post("/v1/admin/jobs/{job}/approve")
    def approve(job: Job, body: OperatorReason, caller: Operator) -> JobInfo:
        """Let a held job through."""
        return jobs.rule(job, approve=True, name=caller.name, reason=body.reason)

    @routes.post("/v1/admin/jobs/{job}/deny")
    def deny(job: Job, body: OperatorReason, caller: Operator) -> JobInfo:
        """Refuse a held job."""
        return jobs.rule(job, approve=False, name=caller.name, reason=body.reason)

    return routes
