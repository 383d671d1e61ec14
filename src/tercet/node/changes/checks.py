"""Each node's half of a check of values: what it holds, its worker in a lane, the result, durable before it is told.

The coordinator decides when and in which lane (`check_rounds`). Which values are checked against which ranges, a node
takes from its own catalogue and files; all three workers compare that before anything runs.
"""

from __future__ import annotations

import hashlib
import threading
import time
from collections import OrderedDict, deque
from dataclasses import dataclass, field

from tercet.errors import IntegrityError, PlanError, TercetError
from tercet.federation.api import ErrorBody
from tercet.federation.api_peer import CheckAsk, CheckChunk, CheckHeld, CheckNews, CheckStart, HeldChunk
from tercet.federation.model import ascii_json
from tercet.federation.refusals import conflict, error_of, too_many
from tercet.node.parts import NodeContext
from tercet.node.worker.lanes import ended, failure, lane_session
from tercet.node.worker.messages import CheckDone, CheckOrder, ChunkOrder, Failed, PieceOrder
from tercet.node.worker.pool import LaneEnd, LanePool
from tercet.store.change import CheckChange, UploadChange
from tercet.store.schema import Schema
from tercet.store.segments import Segment
from tercet.store.stamps import PROTOCOL
from tercet.store.uploads import CheckedChunk, CheckedChunks, UploadInfo, chunks_digest

_HOUR_S = 3600.0
_RUNS_KEPT = 256
_END_S = 3.0
_SHOWN = 20
_NO_TAG = "0" * 32


@dataclass
class _Run:
    """One check at this node."""

    start: CheckStart
    done: threading.Event = field(default_factory=threading.Event)
    segments: list[tuple[str, str]] = field(default_factory=list)
    passed: list[bool] = field(default_factory=list)
    error: ErrorBody | None = None
    ended: bool = False
    """Whether it has failed at another node, and is not needed any more."""

    def news(self) -> CheckNews:
        if not self.done.is_set():
            return CheckNews(state="running")
        return CheckNews(state="failed" if self.error else "done", passed=self.passed, error=self.error)


@dataclass(frozen=True)
class _Task:
    """What a run has to do here: the order's subject, and what its result is for."""

    agreed: str
    schema: Schema
    pieces: list[PieceOrder]
    chunks: list[CheckChunk] = field(default_factory=list)
    segments: list[tuple[str, str]] = field(default_factory=list)
    uploads: list[str] = field(default_factory=list)


class Checks:
    """Thread-safe. Who calls it: the routes under /peer, `CheckRounds` at the coordinator, participants of changes."""

    def __init__(self, context: NodeContext, lanes: LanePool) -> None:
        self._context = context
        self._identity = context.identity
        self._store = context.store
        self._lanes = lanes
        self._rows = CheckedChunks(self._store.catalogue)
        self._lock = threading.Lock()
        self._runs: OrderedDict[str, _Run] = OrderedDict()
        self._ended: OrderedDict[str, None] = OrderedDict()
        self._failed: dict[str, set[str]] = {}
        self._charged: dict[str, deque[float]] = {}

    # -- what is here

    def held(self, upload: str, ask: CheckAsk) -> CheckHeld:
        """Say which of these chunks of an upload are here whole, and which run has checked them."""
        files = self._store.uploads.held(upload, ask.chunks)
        rows = self._rows.of(upload, min(ask.chunks), max(ask.chunks))
        found = []
        for chunk, file in sorted(files.items()):
            own, following = (digest.hex() for digest in file.digests())
            row, part = rows.get(chunk), file.header.part.hex()
            same = row is not None and (row.part, row.held_by(self._identity.me)) == (part, (own, following))
            found.append(
                HeldChunk(
                    chunk=chunk,
                    part=part,
                    rows=file.header.rows,
                    own=own,
                    next=following,
                    run=row.run if row is not None and same else "",
                )
            )
        return CheckHeld(chunks=found)

    def known_digest(self, upload: str, chunks: int, besides: set[int]) -> str:
        """Name the chunks that were checked before, all but `besides`, and their runs."""
        rows = self._rows.of(upload)
        return chunks_digest(rows[chunk] for chunk in range(chunks) if chunk not in besides and chunk in rows)

    # -- a run

    def begin(self, run: str, start: CheckStart) -> CheckNews:
        """Start this node's worker, or say how it stands if it was started. Raises what this node objects to."""
        with self._lock:
            known = self._runs.get(run)
            if known is None and run in self._ended:
                raise conflict("this check has ended elsewhere")
            if known is None:
                self._runs[run] = mine = _Run(start)
                while len(self._runs) > _RUNS_KEPT:
                    self._runs.popitem(last=False)
        if known is not None:
            if known.start != start:
                raise conflict("another check of this number runs here")
            return known.news()
        try:
            task = self._of_upload(start) if start.dataset is None else self._of_dataset(start)
            mine.segments = task.segments
        except BaseException:
            with self._lock:
                self._runs.pop(run, None)
            raise
        thread = threading.Thread(
            target=self._work, args=(run, mine, task), name=f"tercet check {run[:8]}", daemon=True
        )
        thread.start()
        return mine.news()

    def end(self, run: str) -> CheckNews:
        """LaneEnd a run that fails elsewhere: its lane is free again when this returns, or a little later.

        One that has not come to its worker yet does not begin, and one that is only on its way here is refused.
        """
        with self._lock:
            known = self._runs.get(run)
            if known is not None:
                known.ended = True
            else:
                self._ended[run] = None
                while len(self._ended) > _RUNS_KEPT:
                    self._ended.popitem(last=False)
        self._lanes.cancel(run)
        return self.news(run, _END_S)

    def vouch(self, run: str, change: CheckChange) -> None:
        """Raise unless this node's worker has found, in this run, that all values of these segments are in range."""
        with self._lock:
            known = self._runs.get(run)
        if known is None or not known.done.is_set() or known.error is not None:
            raise conflict(f"no check of {self._identity.name} stands behind this change")
        start = known.start
        good = {name for name, passed in zip(known.segments, known.passed, strict=True) if passed}
        wanted = {(one.segment, one.base) for one in change.segments}
        if (start.dataset, start.version, start.manifest) != (change.dataset, change.version, change.manifest):
            raise IntegrityError("the check was of another version")
        if not wanted <= good:
            raise IntegrityError(f"{self._identity.name} did not find these values in their ranges")

    def has_failed(self, dataset: str) -> list[str]:
        """Uploads of a visible dataset that were checked here and did not pass."""
        with self._lock:
            return sorted(self._failed.get(dataset, ()))

    def warnings(self) -> list[str]:
        """Warnings about visible data that did not pass a check."""
        with self._lock:
            failed = {name: sorted(uploads) for name, uploads in self._failed.items() if uploads}
        return [
            f"dataset {name}: some value of upload {', '.join(upload[:8] for upload in uploads)} is outside its range"
            for name, uploads in failed.items()
        ]

    def news(self, run: str, wait_s: float = 0.0) -> CheckNews:
        """How a run stands here, after at most `wait_s`."""
        with self._lock:
            known = self._runs.get(run)
        if known is None:
            return CheckNews(state="unknown")
        known.done.wait(wait_s)
        return known.news()

    def _work(self, run: str, mine: _Run, task: _Task) -> None:
        began = time.monotonic()
        try:
            result = self._lane(run, mine, task)
            self._context.at("checked here")
            mine.passed = self._settled(run, mine.start, task, result)
            self._context.at("check durable")
        except TercetError as error:
            mine.error = self._identity.told(error)
            self._context.log.info("check not done", run=run, reason=error.message)
        except Exception as error:
            self._context.log.defect(error)
            mine.error = self._identity.error("defect", f"{self._identity.name} met an error that nobody expected")
        else:
            seconds = round(time.monotonic() - began, 3)
            self._context.log.info("checked", run=run, passed=mine.passed, chunks=len(task.chunks), seconds=seconds)
        finally:
            mine.done.set()

    def _lane(self, run: str, mine: _Run, task: _Task) -> CheckDone:
        lanes, start = self._lanes, mine.start
        limits = self._context.settings.limits
        order = CheckOrder(
            job=run,
            lane=lane_session(self._context, start.lane, hashlib.sha256(b"tercet/1 check " + run.encode()).hexdigest()),
            agreed=task.agreed,
            described=task.schema.to_dict(),
            pieces=task.pieces,
        )
        if start.lane >= len(lanes):
            raise PlanError(f"{self._identity.name} has {len(lanes)} lanes", hint="set as many at all three nodes")
        self._context.at("check handed over")
        deadline = time.monotonic() + limits.job_seconds
        answer = lanes[start.lane].run(run, order, b"", deadline, lambda fraction: None, lambda: mine.ended)
        name = self._identity.name
        if isinstance(answer, Failed):
            told = failure(self._identity, run, answer)
            raise error_of(503, told, told.node or name, self._identity.me)
        if isinstance(answer, LaneEnd):
            raise error_of(503, ended(self._identity, answer), name, self._identity.me)
        assert isinstance(answer, CheckDone)
        return answer

    def _settled(self, run: str, start: CheckStart, task: _Task, result: CheckDone) -> list[bool]:
        """Store the result durably; gives the bits that were opened."""
        passed = [bit for bit in result.passed if bit is not None]
        if start.upload is not None:
            tags = {tag.chunk: tag for tag in result.tags[0]}
            self._rows.put(
                start.upload,
                [
                    CheckedChunk(
                        one.chunk,
                        run,
                        one.part,
                        (one.digests[0], one.digests[1], one.digests[2]),
                        bytes.fromhex(tags[one.chunk].own),
                        bytes.fromhex(tags[one.chunk].next),
                    )
                    for one in task.chunks
                ],
            )
            if start.transaction is not None:
                self._store.changes.checked(start.transaction, passed[0])
        if start.dataset is not None:
            bad = {upload for upload, good in zip(task.uploads, passed, strict=True) if not good}
            with self._lock:
                self._failed[start.dataset] = bad
            if bad:
                self._context.log.warning("uploads outside their ranges", dataset=start.dataset, uploads=sorted(bad))
                self._store.audit.record("check failed", {"dataset": start.dataset, "uploads": sorted(bad)[:_SHOWN]})
        return passed

    # -- what is to be checked

    def _of_upload(self, start: CheckStart) -> _Task:
        """Compare what the coordinator says with what this node holds."""
        upload = start.upload
        if upload is None:
            raise PlanError("a check is of an upload or of a dataset")
        info = self._store.uploads.info(upload)
        if info.state not in ("open", "prepared"):
            raise conflict(f"upload {upload[:8]} is {info.state}")
        held = {}
        if start.chunks:
            held = {
                one.chunk: one for one in self.held(upload, CheckAsk(chunks=[c.chunk for c in start.chunks])).chunks
            }
        for one in start.chunks:
            mine = held.get(one.chunk)
            own, following = one.digests[self._identity.me - 1], one.digests[self._identity.me.next - 1]
            if mine is None or (mine.part, mine.rows, mine.own, mine.next) != (one.part, one.rows, own, following):
                raise IntegrityError(
                    f"chunk {one.chunk} of upload {upload[:8]} is another one at {self._identity.name}",
                    hint="send it again to all nodes",
                )
        before = self._before(start, info) if start.transaction is not None else []
        before_this = self._rows.of(upload)
        again = sum(one.chunk in before_this for one in start.chunks)
        self._charge(info.owner, again + (start.transaction is not None))
        own, following = _total(before)
        piece = PieceOrder(
            segment=_placeholder(info).describe(),
            chunks=[
                ChunkOrder(
                    chunk=one.chunk,
                    rows=one.rows,
                    own=one.digests[self._identity.me - 1],
                    next=one.digests[self._identity.me.next - 1],
                )
                for one in start.chunks
            ],
            own=own,
            next=following,
            open=start.transaction is not None,
        )
        facts = {
            "protocol": PROTOCOL,
            "upload": upload,
            "schema": info.schema.to_dict(),
            "transaction": start.transaction,
            "known": start.known,
            "chunks": [one.model_dump(mode="json") for one in start.chunks],
        }
        return _Task(_digest(facts), info.schema, [piece], chunks=start.chunks)

    def _before(self, start: CheckStart, info: UploadInfo) -> list[CheckedChunk]:
        """The chunks checked before. Raises unless, with those of this run, they are exactly the prepared upload."""
        upload = info.upload
        assert start.transaction is not None
        known = self._store.changes.find(start.transaction)
        change = None if known is None else known.change
        if (
            known is None
            or known.state != "prepared"
            or not isinstance(change, UploadChange)
            or change.upload != upload
        ):
            raise IntegrityError(f"upload {upload[:8]} is not prepared at {self._identity.name} as this transaction")
        parts = {one.chunk: one.part for one in start.chunks}
        rows = self._rows.of(upload)
        before = [row for chunk, row in rows.items() if chunk not in parts and chunk < len(change.parts)]
        parts |= {row.chunk: row.part for row in before}
        if [parts.get(chunk) for chunk in range(len(change.parts))] != change.parts:
            raise IntegrityError(f"not all chunks of upload {upload[:8]} were checked at {self._identity.name}")
        files = self._store.uploads.held(upload, [row.chunk for row in before])
        for row in before:
            file = files.get(row.chunk)
            here = None if file is None else tuple(digest.hex() for digest in file.digests())
            if here != row.held_by(self._identity.me):
                raise IntegrityError(f"chunk {row.chunk} of upload {upload[:8]} was sent again after it was checked")
        if chunks_digest(before) != start.known:
            raise IntegrityError(f"other chunks of upload {upload[:8]} were checked at {self._identity.name}")
        return before

    def _of_dataset(self, start: CheckStart) -> _Task:
        """The segments of a version that nobody has checked, a piece for each."""
        assert start.dataset is not None
        version = self._store.datasets.get(start.dataset, start.version)
        if version.manifest != start.manifest:
            raise IntegrityError(f"{self._identity.name} has another version of dataset {start.dataset}")
        unchecked = version.unchecked
        facts = {
            "protocol": PROTOCOL,
            "dataset": version.name,
            "version": version.version,
            "manifest": version.manifest,
            "schema": version.schema.to_dict(),
            "segments": [segment.facts() for segment in unchecked],
        }
        if not unchecked:
            raise conflict(f"all of dataset {version.name} has been checked")
        pieces = [PieceOrder(segment=segment.describe(), own=_NO_TAG, next=_NO_TAG, open=True) for segment in unchecked]
        names = [(segment.segment, segment.base) for segment in unchecked]
        uploads = [segment.upload for segment in unchecked]
        return _Task(_digest(facts), version.schema, pieces, segments=names, uploads=uploads)

    def _charge(self, owner: str, count: int) -> None:
        """Each commit counts, and each chunk that is checked once more. Raises HttpError (429)."""
        limit, now = self._context.settings.limits.checks_of_one, time.monotonic()
        with self._lock:
            times = self._charged.setdefault(owner, deque())
            while times and now - times[0] > _HOUR_S:
                times.popleft()
            if len(times) + count > limit:
                raise too_many(
                    f"uploads of {self._context.name_of(owner)} were checked {len(times)} times in the last hour here, "
                    f"and at most {limit} are allowed",
                    hint="commit what belongs together as one upload, or wait",
                )
            times.extend([now] * count)


def _placeholder(info: UploadInfo) -> Segment:
    """Where the chunks of an upload lie, and their columns; each has its own number of rows while it is open."""
    return Segment(
        segment=info.upload,
        generation=0,
        owner=info.owner,
        upload=info.upload,
        base=info.upload,
        position=0,
        rows=1,
        chunk_rows=1,
        columns=info.schema.stored,
        digests=("", "", ""),
    )


def _total(rows: list[CheckedChunk]) -> tuple[str, str]:
    own = following = 0
    for row in rows:
        own ^= int.from_bytes(row.own, "big")
        following ^= int.from_bytes(row.next, "big")
    return f"{own:032x}", f"{following:032x}"


def _digest(facts: dict[str, object]) -> str:
    return hashlib.sha256(b"tercet/1 check\0" + ascii_json(facts)).hexdigest()
