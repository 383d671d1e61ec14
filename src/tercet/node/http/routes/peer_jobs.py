"""Routes of jobs between nodes; see the table in `tercet.federation.api_peer`."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path

from tercet.federation.api_peer import JobCancel, JobNews, JobPrepare, JobSettle, JobStart, Noted, RefreshStart
from tercet.federation.identifiers import Identifier
from tercet.federation.refusals import conflict, forbidden
from tercet.node.http.access import CallingNode, PeerCaller
from tercet.node.jobs.jobs import Jobs
from tercet.node.parts import NodeIdentity

Job = Annotated[Identifier, Path()]


def router(identity: NodeIdentity, jobs: Jobs) -> APIRouter:
    """`tercet.node.http.app` includes it."""
    routes = APIRouter(prefix="/peer/jobs", include_in_schema=False)

    def from_coordinator(peer: CallingNode) -> None:
        if peer.name != identity.federation.coordinator.name:
            raise forbidden(f"{peer.name} does not coordinate")

    @routes.post("/{job}/prepare")
    def prepare(job: Job, body: JobPrepare, peer: PeerCaller) -> JobNews:
        from_coordinator(peer)
        return jobs.news(job)

    @routes.post("/{job}/news")
    def news(job: Job, body: JobNews, peer: PeerCaller) -> JobNews:
        if not jobs.coordinates:
            raise conflict(f"{identity.name} does not coordinate")
        if body.head.node != peer.name:
            raise forbidden("a node tells of its own audit chain only")
        jobs.dispatcher.heard(peer.party, job, body)
        return jobs.news(job)

    @routes.post("/{job}/start")
    def start(job: Job, body: JobStart, peer: PeerCaller) -> Noted:
        from_coordinator(peer)
        jobs.start_here(job, body)
        return Noted()

    @routes.post("/{job}/refresh")
    def refresh(job: Job, body: RefreshStart, peer: PeerCaller) -> Noted:
        from_coordinator(peer)
        jobs.refresh_here(job, body)
        return Noted()

    @routes.post("/{job}/settle")
    def settle(job: Job, body: JobSettle, peer: PeerCaller) -> Noted:
        from_coordinator(peer)
        jobs.settle_here(job, body)
        return Noted()

    @routes.post("/{job}/cancel")
    def cancel(job: Job, body: JobCancel, peer: PeerCaller) -> Noted:
        jobs.cancel_here(job, body, peer.name)
        return Noted()

    return routes
