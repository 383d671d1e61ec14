"""Uploads: read and check rows, split them here, send each node its part. They become visible at all nodes or at none.

Reading, splitting and sending overlap. An upload that breaks off is resumed by calling it again: a small file beside
the source, without any share, tells which upload it was. Chunks of which all three nodes hold the same split are not
sent again; all others are split anew and sent to all three, so two splits of one chunk never mix. The same file tells
which uploads are finished, so that nobody uploads the same rows twice by mistake.
"""

from __future__ import annotations

import math
import os
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa

from tercet.client import orders
from tercet.client.chunks import Chunk, Chunks, Missing, check, chunk_rows_for, with_all_outside
from tercet.client.encode import Encoded, as_numbers
from tercet.client.nodes import NodeClient, Nodes
from tercet.client.orders import BUSY_S, PAUSE_S, Unsettled, carry_out, send_order
from tercet.client.readers import open_source
from tercet.client.sources import Source, prefetched
from tercet.client.upload_notes import FinishedUpload, Mode, UnfinishedUpload, UploadNotes, refuse_again
from tercet.errors import InputError, TercetError
from tercet.federation.api import ChangeOutcome, ChunkState, DatasetInfo, UploadBegin, UploadState
from tercet.federation.boxes import seal_part
from tercet.federation.https import Buffer
from tercet.federation.model import fresh_id, is_dataset_name
from tercet.federation.orders import CommitUpload, Order, SignedOrder
from tercet.federation.requests import SEALED
from tercet.plan.types import ValueKind
from tercet.sharing import PARTIES
from tercet.store.part import split_chunk
from tercet.store.schema import Column, ColumnKind, Schema

IN_FLIGHT = 2
"""The number of chunks that are on their way at a time."""
STATE_SUFFIX = ".tercet-upload"


@dataclass(frozen=True, slots=True)
class UploadProgress:
    """How far an upload is; rows and bytes count once all three nodes have stored them."""

    rows: int
    rows_total: int | None
    nbytes: int
    """Sent to the three nodes together."""
    fraction: float | None
    """From 0 to 1, where the size of the source is known."""
    seconds: float
    resumed: int
    """Chunks that an earlier attempt had sent."""


@dataclass(frozen=True, slots=True)
class UploadReport:
    """An upload that is visible. It is final once all three nodes have signed it; those in `pending` have not yet."""

    dataset: str
    upload: str
    rows: int
    dropped: int
    values: int
    nbytes: int
    seconds: float
    version: int | None
    pending: tuple[str, ...] = ()
    remembered: bool = False
    """Whether the same upload would be refused if it were tried again."""

    def __repr__(self) -> str:
        told = f", NOT FINAL: not signed by {' and '.join(self.pending)}" if self.pending else ""
        dropped = f", {self.dropped:,} left out" if self.dropped else ""
        return (
            f"UploadReport({self.dataset}: {self.rows:,} rows{dropped}, version {self.version}, upload {self.upload}, "
            f"{self.seconds:.1f} s{told})"
        )


def upload(
    nodes: Nodes,
    source: Any,
    *,
    dataset: str,
    schema: Schema | None = None,
    mode: Mode = "create",
    missing: Missing = "refuse",
    progress: Callable[[UploadProgress], None] | None = None,
    state: Path | None = None,
    memory: UploadNotes | None = None,
    resume: bool = True,
    again: bool = False,
    check_first: bool = False,
    sealed: bool = False,
    chunk_rows: int | None = None,
    **options: Any,
) -> UploadReport:
    """Split a source among the three nodes and make it visible. Owners call it, from Python or the command line.

    source, options: as `open_source` takes them. schema: may be None for `append`, which takes that of the dataset.
    mode: `create` a dataset, `append` rows to it, or join other `columns` of the same rows by the public key column.
    missing: `refuse` missing values, or `drop` their rows. state: the file of notes about the upload (default: beside a
    source file). memory: notes about frames, which have no file; there are none about databases and streams. resume:
    whether to keep notes. again: upload even if the same owner has uploaded the same content. check_first: check the
    whole source before anything is sent. sealed: also encrypt each part to the key of its node, as is always done
    through one node (`Nodes(via=...)`).

    About 16 bytes a value are sent, to all three nodes together. Raises InputError naming row and column, or saying
    when the same content was uploaded; the error of the node that failed (call again to resume), or of one that refuses
    the commit.
    """
    if not is_dataset_name(dataset):
        raise InputError(
            f"{dataset[:80]!r} is no name for a dataset",
            hint="take letters without accents, digits, . _ -",
        )
    opened = source if isinstance(source, Source) else open_source(source, schema=schema, **options)
    limit = min(info.limits.chunk_bytes for _, info in nodes.doors())
    schema = _schema(nodes, dataset, schema, mode)
    rows = chunk_rows_for(schema, limit) if chunk_rows is None else chunk_rows
    chunks = Chunks(opened, schema, rows, missing)
    memory = _memory(opened, state, memory) if resume else None
    identity = None if memory is None else opened.identity()
    if identity is None:
        memory = None
    elif memory is not None and not again:
        refuse_again(nodes, memory, _finished(nodes, dataset, mode, identity), opened.name)
    if check_first:
        if not opened.repeatable:
            raise InputError(f"{opened.name} can be read once only, so it cannot be checked first")
        check(opened, schema, missing)
    fresh = UnfinishedUpload(
        federation=nodes.federation.id,
        upload=fresh_id(),
        dataset=dataset,
        mode=mode,
        schema_digest=schema.digest,
        source=identity or "",
        chunk_rows=rows,
        missing=missing,
    )
    remembered = None if memory is None else memory.resumable(fresh)
    return _Upload(nodes, opened, chunks, remembered or fresh, memory, sealed or nodes.via is not None, progress).run()


def _schema(nodes: Nodes, dataset: str, schema: Schema | None, mode: Mode) -> Schema:
    if mode not in ("create", "append", "columns"):
        raise InputError(f"mode is {mode!r}; it is create, append or columns")
    if schema is not None:
        return schema
    if mode != "append":
        raise InputError(
            "a schema is needed",
            hint="let `tercet schema infer` propose one (in Python tercet.client.infer.infer(...).schema), and read it",
        )
    found = nodes.coordinator.get(f"/v1/datasets/{dataset}", DatasetInfo)
    return Schema.parse(found.schema_)


def _memory(source: Source, state: Path | None, memory: UploadNotes | None) -> UploadNotes | None:
    if state is None and source.path is not None and os.access(source.path.parent, os.W_OK):
        state = source.path.with_name(source.path.name + STATE_SUFFIX)
    return memory if state is None else UploadNotes(state)


def _finished(nodes: Nodes, dataset: str, mode: Mode, source: str, upload: str = "0" * 32) -> FinishedUpload:
    return FinishedUpload(
        federation=nodes.federation.id,
        owner=nodes.member.card.fingerprint,
        dataset=dataset,
        joined=mode == "columns",
        source=source,
        upload=upload,
    )


@dataclass(repr=False, eq=False)
class _Upload:
    """One attempt at an upload."""

    _nodes: Nodes
    _source: Source
    _chunks: Chunks
    _state: UnfinishedUpload
    _memory: UploadNotes | None
    _sealed: bool
    _progress: Callable[[UploadProgress], None] | None
    _began: float = field(default_factory=time.monotonic)
    _rows: int = 0
    _nbytes: int = 0
    _resumed: int = 0
    _in_flight: deque[tuple[Chunk, list[Future[int]]]] = field(default_factory=deque)

    def run(self) -> UploadReport:
        if self._state.order is not None:
            # a commit was ordered and its answer lost; chunks are sent again only if that commit failed
            order = self._state.order
            try:
                return self._report(self._settled(lambda: send_order(self._nodes, self._commit, order)))
            except Unsettled:
                raise
            except TercetError:
                self._rows = 0
        self._remember()
        try:
            count = self._send_all()
        except BaseException as error:
            self._give_up(error)
            raise
        if not self._rows:
            self._forget(discard=True)
            raise InputError(f"{self._source.name} has no rows to upload", hint="put rows below the header")
        action = CommitUpload(upload=self._state.upload, dataset=self._state.dataset, chunks=count, rows=self._rows)
        return self._report(
            self._settled(lambda: carry_out(self._nodes, self._commit, action, signed=self._remember_order))
        )

    @property
    def _commit(self) -> str:
        return f"/v1/uploads/{self._state.upload}/commit"

    def _remember_order(self, order: SignedOrder | None) -> None:
        self._state = self._state.model_copy(update={"order": order})
        self._remember()

    def _ordered_rows(self) -> int:
        """How many rows the commit is about."""
        assert self._state.order is not None
        action = Order.from_bytes(self._state.order.order.encode(), "order").action
        return action.rows if isinstance(action, CommitUpload) else 0

    def _settled(self, commit: Callable[[], ChangeOutcome]) -> ChangeOutcome:
        """The outcome of a commit. If it failed for good, its order is forgotten: another attempt signs a new one."""
        try:
            return commit()
        except Unsettled:
            raise
        except TercetError:
            self._remember_order(None)
            raise

    def _send_all(self) -> int:
        there, schema = self._begin(), self._chunks.schema
        state = self._state
        upload, count = bytes.fromhex(state.upload), 0
        for chunk in prefetched(self._chunks):
            count += 1
            if chunk.number in there:
                self._resumed += 1
                self._rows += chunk.rows
                self._tell()
                continue
            while len(self._in_flight) >= IN_FLIGHT:
                self._settle_oldest()
            try:
                words = self._chunks.encoded(chunk)
            except InputError as error:
                raise with_all_outside(error, self._source, schema) from None
            parts = split_chunk(schema, words, chunk.rows, upload, chunk.number)
            futures = [
                self._nodes.start(self._sender(chunk.number, parts[index]), self._nodes.clients[index])
                for index in range(len(PARTIES))
            ]
            self._in_flight.append((chunk, futures))
        while self._in_flight:
            self._settle_oldest()
        return count

    def _begin(self) -> set[int]:
        """Announce the upload to all three nodes; gives the chunks of which all three hold the same split already."""
        states = self._announce()
        deadline = time.monotonic() + BUSY_S
        while any(found.state == "prepared" for found in states) and time.monotonic() < deadline:
            # a node is still aborting a commit that failed; until then it takes no chunks
            time.sleep(PAUSE_S)
            states = self._announce()
        if any(found.state == "discarded" for found in states):
            # the nodes have deleted it: begin a new one
            self._state = self._state.model_copy(update={"upload": fresh_id()})
            self._remember()
            states = self._announce()
        if any(found.state != "open" for found in states):
            self._forget(discard=False)
            raise InputError(
                f"upload {self._state.upload} is {', '.join(found.state for found in states)} at the three nodes",
                hint="look at the dataset: it may be there already; else upload again",
            )
        first, *others = (found.parts for found in states)
        return {number for number, part in first.items() if all(other.get(number) == part for other in others)}

    def _announce(self) -> list[UploadState]:
        begin = UploadBegin(
            upload=self._state.upload,
            dataset=self._state.dataset,
            schema_=self._chunks.schema.to_dict(),
            mode=self._state.mode,
            rows=self._source.rows if self._state.missing == "refuse" else None,
        )
        return self._nodes.each(lambda node: node.post("/v1/uploads", begin, UploadState, patient=True))

    def _sender(self, number: int, part: list[Any]) -> Callable[[NodeClient], int]:
        def send(node: NodeClient) -> int:
            body: list[Buffer] = part
            headers = {}
            if self._sealed:
                body = [seal_part(node.entry.card, self._state.upload, number, b"".join(part))]
                headers[SEALED] = "1"
            target = f"/v1/uploads/{self._state.upload}/chunks/{number}"
            node.checked(ChunkState, node.request("PUT", target, body, headers=headers, patient=True))
            return sum(len(buffer) for buffer in body)

        return send

    def _settle_oldest(self) -> None:
        chunk, futures = self._in_flight.popleft()
        self._nbytes += sum(future.result() for future in futures)
        self._rows += chunk.rows
        self._tell()

    def _tell(self) -> None:
        if self._progress is None:
            return
        total = self._source.rows
        fraction = min(1.0, self._rows / total) if total else self._source.fraction()
        elapsed = time.monotonic() - self._began
        self._progress(UploadProgress(self._rows, total, self._nbytes, fraction, elapsed, self._resumed))

    # -- what is left behind

    def _remember(self) -> None:
        if self._memory is not None:
            self._memory.begun(self._state)

    def _forget(self, *, discard: bool) -> None:
        if self._memory is not None:
            with suppress(OSError):
                self._memory.given_up()
        if discard:
            self._nodes.quietly(lambda node: node.request("DELETE", f"/v1/uploads/{self._state.upload}"))

    def _give_up(self, error: BaseException) -> None:
        """Wait for chunks on their way. An upload that can be resumed stays at the nodes; any other is deleted."""
        for _, futures in self._in_flight:
            for future in futures:
                future.cancel()
        for _, futures in self._in_flight:
            for future in futures:
                if not future.cancelled():
                    future.exception()
        self._in_flight.clear()
        if self._memory is None or isinstance(error, InputError):
            self._forget(discard=True)
        else:
            where = "" if self._memory.path is None else f" ({self._memory.path})"
            error.add_note(f"nothing is visible; the same upload again goes on where this one stopped{where}")

    def _report(self, outcome: ChangeOutcome) -> UploadReport:
        state, memory = self._state, self._memory
        if memory is not None:
            with suppress(OSError):  # the rows are there, whatever becomes of the note
                memory.done(_finished(self._nodes, state.dataset, state.mode, state.source, state.upload))
        rows = self._ordered_rows()
        secret = sum(not column.is_key for column in self._chunks.schema.columns)
        return UploadReport(
            state.dataset,
            state.upload,
            rows,
            self._chunks.dropped,
            rows * secret,
            self._nbytes,
            time.monotonic() - self._began,
            outcome.version,
            tuple(outcome.unsigned),
            memory is not None,
        )


# ---- an analyst's own arrays ----

COLUMN = "values"


def upload_private(nodes: Nodes, encoded: Encoded, values: Any) -> tuple[str, DatasetInfo]:
    """Split an array among the nodes as a dataset of its own, flat; (its name, what the nodes have)."""
    if not encoded.type.size:
        raise InputError("an array without elements is not shared with nodes", hint="leave it out")
    schema = Schema(columns=(_column(encoded),))
    name = f"private-{nodes.member.card.fingerprint[:8]}-{fresh_id()[:16]}"
    flat = as_numbers(values).reshape(-1)
    array = pa.array([str(int(value)) for value in flat]) if flat.dtype == object else pa.array(flat)
    upload(nodes, {COLUMN: array}, dataset=name, schema=schema)
    return name, orders.dataset(nodes, name)


def _column(encoded: Encoded) -> Column:
    """The column whose type is that of the array."""
    t, (lo, hi) = encoded.type, encoded.bounds
    if t.is_bool:
        return Column(name=COLUMN, kind=ColumnKind.BOOL)
    if t.kind is ValueKind.INT:
        return Column(name=COLUMN, kind=ColumnKind.INTEGER, lo=math.ceil(lo), hi=math.floor(hi))
    return Column(name=COLUMN, kind=ColumnKind.DECIMAL, lo=lo, hi=hi, frac_bits=t.frac_bits)
