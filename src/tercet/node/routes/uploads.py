"""Uploads: an owner sends each node its part, chunk by chunk; the commit makes it visible at all three or at none."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

from fastapi import APIRouter, Header, Path

from tercet.errors import InputError, Refused
from tercet.federation.api import ChunkState, Outcome, UploadBegin, UploadState
from tercet.federation.identifiers import Identifier
from tercet.federation.orders import CommitUpload, SignedOrder
from tercet.federation.sealing import open_part
from tercet.node.access import Body, Caller, Owner, OwnerOrOperator
from tercet.node.refusals import not_found, too_large, too_many
from tercet.store.schema import Schema
from tercet.store.uploads import UploadInfo

if TYPE_CHECKING:
    from tercet.node.supervisor import Node

UploadId = Annotated[Identifier, Path(description="16 bytes, hexadecimal, drawn by the owner")]
ChunkNumber = Annotated[int, Path(ge=0, lt=1 << 31)]
Sealed = Annotated[str | None, Header(alias="tercet-sealed", description="1: the body is a box for this node")]
_PART = {
    "requestBody": {
        "required": True,
        "content": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
    }
}


def router(node: Node) -> APIRouter:
    """Routes of owners' uploads."""
    routes = APIRouter(prefix="/v1/uploads", tags=["uploads"])
    limits = node.settings.limits

    def state_of(info: UploadInfo) -> UploadState:
        chunks = node.uploads.chunks(info.upload)
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
                "expires": info.created + node.settings.timeouts.upload if info.state == "open" else None,
            }
        )

    def found(upload: str, caller: Caller) -> UploadInfo:
        info = node.uploads.info(upload)
        if info.owner != caller.fingerprint and "operator" not in caller.roles:
            # as if it were not there: whose uploads there are is nobody else's business
            raise not_found("there is no such upload of yours", hint="begin it")
        return info

    @routes.post("")
    def begin(body: UploadBegin, caller: Owner) -> UploadState:
        """Announce an upload; the same again gives how far it is."""
        objection = node.policy.current.may_change(caller.fingerprint, body.mode, body.dataset)
        if objection:
            raise Refused(objection, node=node.settings.name, rule="owners")
        schema = Schema.parse(body.schema_)
        known = {info.upload for info in node.uploads.open(caller.fingerprint)}
        if body.upload not in known:
            if len(known) >= limits.uploads:
                raise too_many(
                    f"{caller.name} has {len(known)} open uploads here, and at most {limits.uploads} may be open",
                    hint="commit or delete one",
                )
            node.check_space(0)
        info = node.uploads.begin(body.upload, body.dataset, caller.fingerprint, body.mode, schema)
        if body.upload not in known:
            node.log.info("upload begun", upload=body.upload, dataset=body.dataset, person=caller.name)
        return state_of(info)

    @routes.get("/{upload}")
    def state(upload: UploadId, caller: OwnerOrOperator) -> UploadState:
        """Which chunks are here."""
        return state_of(found(upload, caller))

    @routes.put("/{upload}/chunks/{chunk}", openapi_extra=_PART)
    def put(upload: UploadId, chunk: ChunkNumber, body: Body, caller: Owner, sealed: Sealed = None) -> ChunkState:
        """Store this node's part of one chunk, durably; a chunk sent again replaces the one before."""
        info = node.uploads.info(upload)
        if info.owner != caller.fingerprint:
            raise not_found("there is no such upload of yours", hint="begin it")
        node.check_space(len(body))
        if node.uploads.nbytes(upload) + len(body) > limits.upload_bytes:
            raise too_large(f"an upload has at most {limits.upload_bytes:,} bytes here", hint="split it into several")
        part: bytes | memoryview = body
        if sealed == "1":
            part = open_part(node.member, upload, chunk, body)
        elif sealed is not None:
            raise InputError("the header Tercet-Sealed is 1 or not there")
        stored = node.uploads.put_chunk(upload, caller.fingerprint, part, chunk)
        node.metrics.upload_bytes.inc(len(part))
        return ChunkState(chunk=stored.chunk, part=stored.part, rows=stored.rows)

    @routes.delete("/{upload}")
    def discard(upload: UploadId, caller: OwnerOrOperator) -> UploadState:
        """Forget an open upload and what was sent of it."""
        info = found(upload, caller)
        before = state_of(info)
        node.uploads.discard(upload, info.owner)
        node.log.info("upload discarded", upload=upload, person=caller.name)
        return before.model_copy(update={"state": "discarded", "chunks": {}, "rows": 0, "expires": None})

    @routes.post("/{upload}/commit")
    def commit(upload: UploadId, body: SignedOrder, caller: Owner) -> Outcome:
        """Make an upload visible at all three nodes, or at none; at the coordinator."""
        return node.transactions.order(body, caller.card, CommitUpload, about=upload)

    return routes
