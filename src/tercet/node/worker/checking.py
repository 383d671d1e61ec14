"""Runs a check in a worker: whether stored words are in their ranges, in batches; see docs/security/range-checks.md.

One bit is opened for each piece that is to be opened, and nothing else.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from tercet.engine.channel import JobChannel
from tercet.engine.job import JobRun
from tercet.engine.scheduler import Scheduler
from tercet.errors import IntegrityError
from tercet.node.worker.messages import CheckDone, CheckOrder, ChunkTag, Failed, PieceOrder
from tercet.node.worker.run import Worker, run_in_session
from tercet.protocols.range_check import (
    TAG_BYTES,
    RangeRun,
    Tag,
    all_zero,
    fold,
    not_canonical,
    not_false,
    out_of_range,
    range_bits,
    tag_rows,
)
from tercet.protocols.scope import Body, Scope, Together
from tercet.ring import RING64, RING128
from tercet.sharing import PARTIES, BitShare, Share, Streams
from tercet.store.schema import VALIDITY, Schema, StoredForm
from tercet.store.segments import Segment, StoredSegment, empty
from tercet.store.stamps import Range, ranges_of

BATCH = 3 << 15
"""Values that are checked together, the same number at all three nodes: three whole pieces of comparisons, 30 MB."""
_LEAST = 1 << 12
_MORE_BATCHES, _MORE_BYTES = 4, 512 << 20
"""Batches under way at once where a job may take that much memory; elsewhere one."""

_ZERO: Tag = (bytes(TAG_BYTES), bytes(TAG_BYTES))


def run_check(worker: Worker, order: CheckOrder, progress: Callable[[float], None]) -> CheckDone | Failed:
    """Check with the other two workers what the order names.

    Memory: a few batches of 98,304 values. Network: as the protocol, by the width of the range; for words of 64 bits 22
    bits a value and party (of two values) to 171.
    """

    def work(run: JobRun) -> CheckDone:
        schema = Schema.parse(order.described)
        pieces = [_Piece.of(worker, schema, piece) for piece in order.pieces]
        # the keys of the coins are bound to what is agreed on here: nobody chose a component when they knew a coin
        window = BATCH * (_MORE_BATCHES if worker.memory_bytes >= _MORE_BYTES else 1)
        run.agree(b"tercet check " + order.agreed.encode())
        result, _, _ = run.compute(lambda streams, channel: _check(run, pieces, streams, channel, window, progress))
        return result

    return run_in_session(worker, order.job, order.lane, work)


@dataclass
class _Piece:
    """Chunks of one segment: each with the segment as its own number of rows makes it; and their tags."""

    chunks: list[tuple[int, StoredSegment]]
    ranges: tuple[Range, ...]
    order: PieceOrder
    tags: dict[int, Tag] = field(default_factory=dict, repr=False)

    @classmethod
    def of(cls, worker: Worker, schema: Schema, order: PieceOrder) -> _Piece:
        """Open the files; what is read later is held against the same digests.

        Raises IntegrityError if they are not the ones that are meant, Gone.
        """
        folder, party = Path(worker.setup.folder), worker.party
        segment = Segment.load(order.segment)
        ranges = ranges_of(schema, segment.columns)
        what = f"upload {segment.upload[:8]}"
        whole = StoredSegment.stored(segment, folder, party, what, verified=worker.verified)
        if order.chunks is None:
            if whole.digests_here() != (segment.digests[party - 1], segment.digests[party.next - 1]):
                raise IntegrityError(
                    f"what lies here of {what} is not what is to be checked", hint="it was sent again; try later"
                )
            return cls([(chunk, whole) for chunk in range(segment.chunks)], ranges, order)
        chunks = []
        for one in order.chunks:
            meant = one.own, one.next
            view = replace(whole, rows=(one.chunk + 1) * one.rows, chunk_rows=one.rows, meant=meant)
            view.file(one.chunk)
            chunks.append((one.chunk, view))
        return cls(chunks, ranges, order)

    def add(self, chunk: int, tag: Tag) -> None:
        """Take in the tag of some of a chunk's values."""
        self.tags[chunk] = xor_tags(self.tags.get(chunk, _ZERO), tag)

    def checked(self) -> list[ChunkTag]:
        """The tags of the chunks that were named one by one."""
        found = []
        for chunk, _ in self.chunks if self.order.chunks is not None else ():
            own, following = self.tags.get(chunk, _ZERO)
            found.append(ChunkTag(chunk=chunk, own=own.hex(), next=following.hex()))
        return found

    @property
    def total(self) -> Tag:
        total = bytes.fromhex(self.order.own), bytes.fromhex(self.order.next)
        for tag in self.tags.values():
            total = xor_tags(total, tag)
        return total


def xor_tags(one: Tag, other: Tag) -> Tag:
    own, following = (bytes(a ^ b for a, b in zip(*pair, strict=True)) for pair in zip(one, other, strict=True))
    return own, following


@dataclass(frozen=True)
class _Batch:
    """Rows of columns that lie in one form, at most BATCH values: (range, first row in the segment, rows).

    `bits`: by how many each value is looked at; 0 for bits.
    """

    form: StoredForm
    bits: int
    items: list[tuple[Range, int, int]]

    @property
    def count(self) -> int:
        return sum(rows for _, _, rows in self.items)


def batches(segment: StoredSegment, chunk: int, ranges: tuple[Range, ...]) -> Iterator[_Batch]:
    """All values of a chunk that can be wrong: words, and bits of which some are missing."""
    begins, rows = chunk * segment.chunk_rows, segment.rows_of(chunk)
    for form, bits, columns in groups(dict(segment.columns), ranges, rows):
        items: list[tuple[Range, int, int]] = []
        room = BATCH
        for one in columns:
            at = 0
            while at < rows:
                size = min(room, rows - at)
                items.append((one, begins + at, size))
                at, room = at + size, room - size
                if not room:
                    yield _Batch(form, bits, items)
                    items, room = [], BATCH
        if items:
            yield _Batch(form, bits, items)


def groups(
    forms: dict[str, StoredForm], ranges: tuple[Range, ...], rows: int
) -> Iterator[tuple[StoredForm, int, list[Range]]]:
    """Columns that are looked at together, and by how many bits: as few as the widest of them needs.

    Those of few values go with the next wider ones, as a batch costs something whatever is in it. Columns whose ranges
    have a power of two of values, which one comparison does for, stay by themselves where they are enough.
    """
    for form, ring in ((StoredForm.WORDS64, RING64), (StoredForm.WORDS128, RING128)):
        found: dict[tuple[int, bool], list[Range]] = {}
        for one in ranges:
            if forms[one.column] is form:
                width = one.hi - one.lo
                bits = range_bits(ring, width)
                found.setdefault((bits, width + 1 < 1 << bits), []).append(one)
        together: list[Range] = []
        for (bits, _), columns in sorted(found.items(), key=lambda group: group[0]):
            together += columns
            if len(together) * rows >= _LEAST:
                yield form, bits, together
                together = []
        if together:
            yield form, bits, together
    if nullable := [one for one in ranges if forms[one.column] is StoredForm.BITS and one.nullable]:
        yield StoredForm.BITS, 0, nullable


def _check(
    run: JobRun,
    pieces: list[_Piece],
    streams: Streams,
    channel: JobChannel,
    window: int,
    progress: Callable[[float], None],
) -> CheckDone:
    total = sum(len(piece.chunks) for piece in pieces)
    number = done = waiting = 0
    scheduler = Scheduler(channel, run.timeout)
    for piece in pieces:
        for chunk, segment in piece.chunks:
            for batch in batches(segment, chunk, piece.ranges):
                number += 1
                scope = Scope(run.party, streams, channel, number << 32, solo=PARTIES[number % 3])
                scheduler.start(tag_of(scope, segment, batch), partial(piece.add, chunk))
                # small ones cost by their number
                waiting += max(batch.count, _LEAST)
                if waiting >= window:
                    scheduler.run()
                    waiting = 0
            done += 1
            progress(done / total)
    scheduler.run()
    passed: list[bool | None] = [None] * len(pieces)
    for at, piece in enumerate(pieces):
        if piece.order.open:
            number += 1
            scope = Scope(run.party, streams, channel, number << 32, solo=PARTIES[0])
            scheduler.start(all_zero(scope, tag_rows(*piece.total)), partial(_opened, passed, at))
    scheduler.run()
    run.meet(channel)
    return CheckDone(tags=[piece.checked() for piece in pieces], passed=passed)


def _opened(passed: list[bool | None], at: int, bits: object) -> None:
    passed[at] = bool(bits[0])  # type: ignore[index]


def tag_of(scope: Scope, segment: StoredSegment, batch: _Batch) -> Body[Tag]:
    """The tag of a batch: zero if every value is as it should be."""
    nullable = [item for item in batch.items if item[0].nullable]
    masks = [(one.column + VALIDITY, first, rows) for one, first, rows in nullable]
    valid = scope.input(read_rows(segment, StoredForm.BITS, masks))
    values = scope.input(
        read_rows(segment, batch.form, [(one.column, first, rows) for one, first, rows in batch.items])
    )
    assert isinstance(valid, BitShare)
    if isinstance(values, BitShare):
        parts = yield from not_false(scope, values, valid)
    elif not nullable:
        parts = yield from out_of_range(scope, values, _runs(batch.items), batch.bits)
    else:
        own = scope.input(read_rows(segment, batch.form, [(one.column, first, rows) for one, first, rows in nullable]))
        assert isinstance(own, Share)
        range_of, missing = scope.fork(2)
        bodies = [
            out_of_range(range_of, values, _runs(batch.items), batch.bits),
            not_canonical(missing, own, valid, _runs(nullable), batch.bits),
        ]
        outside, kept = yield Together(bodies)
        scope.join((range_of, missing))
        parts = outside + kept
    return (yield from fold(scope, parts))


def _runs(items: list[tuple[Range, int, int]]) -> list[RangeRun]:
    return [RangeRun(rows, one.lo, one.hi) for one, _, rows in items]


def read_rows(segment: StoredSegment, form: StoredForm, items: list[tuple[str, int, int]]) -> Share | BitShare:
    """Rows of columns of one form, one behind the other."""
    out = empty(form, sum(rows for _, _, rows in items))
    at = 0
    for column, first, rows in items:
        segment.read_into(column, first, first + rows, out, at)
        at += rows
    return out
