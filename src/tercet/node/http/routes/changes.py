"""Routes of changes of stored data, which become visible at all three nodes or at none: uploads and orders."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Header, Path

from tercet.errors import InputError, Refused
from tercet.federation.api import ChangeOutcome, ChunkState, UploadBegin, UploadState
from tercet.federation.boxes import open_part
from tercet.federation.model import Identifier
from tercet.federation.orders import CommitUpload, Refresh, SignedOrder, Widen, Withdraw
from tercet.federation.refusals import not_found, too_large, too_many
from tercet.node.http.access import Anyone, Caller, Operator, Owner, OwnerOrOperator, RawBody
from tercet.node.http.rooms import Rooms
from tercet.store.schema import Schema
from tercet.store.uploads import UploadInfo

UploadId = Annotated[Identifier, Path(description="16 bytes, hexadecimal, drawn by the owner")]
ChunkNumber = Annotated[int, Path(ge=0, lt=1 << 31)]
Sealed = Annotated[str | None, Header(alias="tercet-sealed", description="1: the body is a box for this node")]
_PART = {
    "requestBody": {
        "required": True,
        "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
    }
}


def upload_router(rooms: Rooms) -> APIRouter:
    """Routes of uploads: owners send each node its part in chunks, and order the commit at the coordinator."""
    context, transactions, check_rounds = rooms.context, rooms.transactions, rooms.check_rounds
    routes = APIRouter(prefix="/v1/uploads", tags=["uploads"])
    limits = context.settings.limits

    def state_of(info: UploadInfo) -> UploadState:
        chunks = context.store.uploads.chunks(info.upload)
        return UploadState.model_validate(
            {
                "upload": info.upload,
                "dataset": info.dataset,
                "mode": info.mode,
                "state": info.state,
                "owner": info.owner,
                "rows": sum(chunk.rows for chunk in chunks),
                "chunks": {str(chunk.chunk): chunk.part for chunk in chunks},
                "created": info.created,
                "expires": info.created + context.settings.timeouts.upload if info.state == "open" else None,
            }
        )

    def found(upload: str, caller: Caller) -> UploadInfo:
        info = context.store.uploads.info(upload)
        if info.owner != caller.fingerprint and "operator" not in caller.roles:
            # the same answer as for an upload that is not there: nobody learns of others' uploads
            raise not_found("there is no such upload of yours", hint="begin it")
        return info

    @routes.post("")
    def begin(body: UploadBegin, caller: Owner) -> UploadState:
        """Begin an upload; the same request again gives its state."""
        objection = context.policy.current.may_change(caller.fingerprint, body.mode, body.dataset)
        if objection:
            raise Refused(objection, node=context.identity.name, rule="owners")
        schema = Schema.parse(body.schema_)
        known = {info.upload for info in context.store.uploads.open(caller.fingerprint)}
        if body.upload not in known:
            if len(known) >= limits.uploads:
                raise too_many(
                    f"{caller.name} has {len(known)} open uploads here, and at most {limits.uploads} may be open",
                    hint="commit or delete one",
                )
            context.store.check_space(0)
        info = context.store.uploads.begin(body.upload, body.dataset, caller.fingerprint, body.mode, schema)
        if body.upload not in known:
            context.log.info("upload begun", upload=body.upload, dataset=body.dataset, person=caller.name)
        return state_of(info)

    @routes.get("/{upload}")
    def state(upload: UploadId, caller: OwnerOrOperator) -> UploadState:
        """Which chunks are here."""
        return state_of(found(upload, caller))

    @routes.put("/{upload}/chunks/{chunk}", openapi_extra=_PART)
    def put(upload: UploadId, chunk: ChunkNumber, body: RawBody, caller: Owner, sealed: Sealed = None) -> ChunkState:
        """Store this node's part of one chunk, durably; a chunk sent again replaces the one before."""
        info = context.store.uploads.info(upload)
        if info.owner != caller.fingerprint:
            raise not_found("there is no such upload of yours", hint="begin it")
        context.store.check_space(len(body))
        if context.store.uploads.nbytes(upload) + len(body) > limits.upload_bytes:
            raise too_large(f"an upload has at most {limits.upload_bytes:,} bytes here", hint="split it into several")
        part: bytes | memoryview = body
        if sealed == "1":
            part = open_part(context.identity.member, upload, chunk, body)
        elif sealed is not None:
            raise InputError("the header Tercet-Sealed is 1 or not there")
        stored = context.store.uploads.put_chunk(upload, caller.fingerprint, part, chunk)
        context.metrics.upload_bytes.inc(len(part))
        if context.identity.coordinates:
            check_rounds.chunk_came(upload, info.schema, chunk, stored.rows)
        return ChunkState(chunk=stored.chunk, part=stored.part, rows=stored.rows)

    @routes.delete("/{upload}")
    def discard(upload: UploadId, caller: OwnerOrOperator) -> UploadState:
        """Delete an open upload and its chunks."""
        info = found(upload, caller)
        before = state_of(info)
        context.store.uploads.discard(upload, info.owner)
        check_rounds.forget(upload)
        context.log.info("upload discarded", upload=upload, person=caller.name)
        return before.model_copy(update={"state": "discarded", "chunks": {}, "rows": 0, "expires": None})

    @routes.post("/{upload}/commit")
    def commit(upload: UploadId, body: SignedOrder, caller: Owner) -> ChangeOutcome:
        """Make an upload visible at all three nodes, or at none; at the coordinator."""
        return transactions.order(body, caller.card, CommitUpload, about=upload)

    return routes


def router(rooms: Rooms) -> APIRouter:
    """Routes of orders beside uploads; all but the last at the coordinator only."""
    routes = APIRouter(prefix="/v1", tags=["changes"])

    @routes.post("/withdrawals")
    def withdraw(body: SignedOrder, caller: OwnerOrOperator) -> ChangeOutcome:
        """Delete an owner's rows at all three nodes."""
        return rooms.transactions.order(body, caller.card, Withdraw)

    @routes.post("/widenings")
    def widen(body: SignedOrder, caller: Owner) -> ChangeOutcome:
        """Agree to wider bounds of a dataset; once all owners of its rows have, they are there at all three nodes."""
        return rooms.transactions.order(body, caller.card, Widen)

    @routes.post("/refreshes")
    def refresh(body: SignedOrder, caller: Operator) -> ChangeOutcome:
        """Re-randomise the stored shares of a dataset at all three nodes."""
        return rooms.transactions.order(body, caller.card, Refresh)

    @routes.get("/transactions/{transaction}")
    def outcome(transaction: Annotated[Identifier, Path()], caller: Anyone) -> ChangeOutcome:
        """The outcome of a change, for the person who ordered it and for operators."""
        if "operator" not in caller.roles and not rooms.participant.ordered_by(transaction, caller.fingerprint):
            raise not_found("no such change of yours is known here")
        return rooms.participant.outcome(transaction)

    return routes
