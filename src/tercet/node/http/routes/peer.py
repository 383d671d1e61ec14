"""Routes between nodes, which the gate admits alone; see the table in `tercet.federation.api_peer`."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Path, Query

from tercet.errors import IntegrityError
from tercet.federation.api_peer import (
    Abort,
    CheckAsk,
    CheckHeld,
    CheckNews,
    CheckStart,
    Commit,
    EntryHash,
    Hello,
    JobCancel,
    JobNews,
    JobPrepare,
    JobSettle,
    JobStart,
    Noted,
    Prepare,
    PrepareAnswer,
    RefreshStart,
    TransactionState,
    Verdict,
    VersionList,
    WholeChange,
)
from tercet.federation.model import DatasetName, Identifier
from tercet.federation.refusals import conflict, forbidden, not_found
from tercet.node.http.access import CallingNode, PeerCaller
from tercet.node.http.rooms import Rooms

Id = Annotated[Identifier, Path()]
After = Annotated[int, Query(ge=0, lt=1 << 62)]


def _check_same(transaction: str, verdict: Verdict) -> None:
    if verdict.transaction != transaction:
        raise IntegrityError("the verdict is about another change than the path")


def router(rooms: Rooms) -> APIRouter:
    """Routes of jobs, changes and checks, and of the comparison of nodes."""
    routes = APIRouter(prefix="/peer", include_in_schema=False)

    context, participant, verdicts = rooms.context, rooms.participant, rooms.verdicts
    checks, repair, jobs = rooms.checks, rooms.repair, rooms.jobs

    def coordinates(peer: CallingNode) -> None:
        if peer.name != context.identity.federation.coordinator.name:
            raise forbidden(f"{peer.name} does not coordinate", hint="compare the federation files")

    @routes.post("/jobs/{job}/prepare")
    def prepare_job(job: Id, body: JobPrepare, peer: PeerCaller) -> JobNews:
        coordinates(peer)
        return jobs.news.of(job)

    @routes.post("/jobs/{job}/news")
    def news(job: Id, body: JobNews, peer: PeerCaller) -> JobNews:
        if not jobs.coordinates:
            raise conflict(f"{context.identity.name} does not coordinate")
        if body.head.node != peer.name:
            raise forbidden("a node tells of its own audit chain only")
        jobs.dispatcher.heard(peer.party, job, body)
        return jobs.news.of(job)

    @routes.post("/jobs/{job}/start")
    def start(job: Id, body: JobStart, peer: PeerCaller) -> Noted:
        coordinates(peer)
        jobs.start_here(job, body)
        return Noted()

    @routes.post("/jobs/{job}/refresh")
    def refresh(job: Id, body: RefreshStart, peer: PeerCaller) -> Noted:
        coordinates(peer)
        jobs.refreshes.join(job, body)
        return Noted()

    @routes.post("/jobs/{job}/settle")
    def settle(job: Id, body: JobSettle, peer: PeerCaller) -> Noted:
        coordinates(peer)
        jobs.settle_here(job, body)
        return Noted()

    @routes.post("/jobs/{job}/cancel")
    def cancel(job: Id, body: JobCancel, peer: PeerCaller) -> Noted:
        jobs.cancel_here(job, body, peer.name)
        return Noted()

    @routes.get("/hello")
    def hello(peer: PeerCaller) -> Hello:
        """What nodes compare with each other."""
        return context.hello()

    @routes.post("/transactions")
    def prepare(body: Prepare, peer: PeerCaller) -> PrepareAnswer:
        """Prepare a change durably, and vote for it."""
        coordinates(peer)
        return participant.prepare(body)

    @routes.post("/transactions/{transaction}/commit")
    def commit(transaction: Id, body: Commit, peer: PeerCaller) -> TransactionState:
        """Make a change visible that the coordinator has decided."""
        coordinates(peer)
        _check_same(transaction, body.verdict)
        return verdicts.hear(body.verdict, body.answers, "", peer.name)

    @routes.post("/transactions/{transaction}/abort")
    def abort(transaction: Id, body: Abort, peer: PeerCaller) -> TransactionState:
        """Undo a prepared change, and refuse that transaction from now on."""
        coordinates(peer)
        _check_same(transaction, body.verdict)
        return verdicts.hear(body.verdict, [], f"{peer.name}: {body.reason}"[:500], peer.name)

    @routes.post("/transactions/{transaction}/show")
    def show(transaction: Id, body: Abort, peer: PeerCaller) -> TransactionState:
        """Hear from another participant that the coordinator gave a change up, and say what is known of it here."""
        _check_same(transaction, body.verdict)
        return verdicts.hear(body.verdict, [], f"{peer.name}: {body.reason}"[:500], peer.name)

    @routes.get("/transactions/{transaction}")
    def state(transaction: Id, peer: PeerCaller) -> TransactionState:
        """What is known here of a change, for a node in doubt."""
        return rooms.transactions.state(transaction)

    @routes.get("/transactions/{transaction}/whole")
    def whole(transaction: Id, peer: PeerCaller) -> WholeChange:
        """A committed change with its proof, for a node that lacks it."""
        return repair.whole(transaction)

    @routes.get("/audit/{number}")
    def entry(number: Annotated[int, Path(ge=1, lt=1 << 62)], peer: PeerCaller) -> EntryHash:
        """The hash of an entry of this node's audit, for a node that was shown it once."""
        found = context.store.audit.hash_of(number)
        if found is None:
            raise not_found(f"{context.identity.name} has no entry {number:,} in its audit")
        return EntryHash(number=number, hash=found)

    @routes.get("/datasets/{name}/versions")
    def versions(name: Annotated[DatasetName, Path()], peer: PeerCaller, after: After = 0) -> VersionList:
        """Which transactions made a dataset what it is."""
        return VersionList(versions=repair.versions(name, after))

    @routes.post("/uploads/{upload}/held")
    def held(upload: Id, body: CheckAsk, peer: PeerCaller) -> CheckHeld:
        """Which chunks of an upload are here."""
        coordinates(peer)
        return checks.held(upload, body)

    @routes.post("/checks/{run}")
    def check(run: Id, body: CheckStart, peer: PeerCaller) -> CheckNews:
        """Start this node's worker for a check."""
        coordinates(peer)
        return checks.begin(run, body)

    @routes.post("/checks/{run}/end")
    def ended(run: Id, peer: PeerCaller) -> CheckNews:
        """End a check that has failed elsewhere."""
        coordinates(peer)
        return checks.end(run)

    @routes.get("/checks/{run}")
    def checked(run: Id, peer: PeerCaller) -> CheckNews:
        """How a check stands here."""
        coordinates(peer)
        return checks.news(run)

    return routes
