"""The files of kept arrays, as workers write and read them: without a catalogue."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tercet.plan.plan import put_type, take_type
from tercet.plan.types import Type
from tercet.plan.wire import Reader, Writer
from tercet.sharing import BitShare, Party, Share, word_count
from tercet.store.files import Space, place, place_name
from tercet.store.schema import Form
from tercet.store.segment_writer import SegmentWriter, derived_salts
from tercet.store.segments import Segment, StoredSegment, empty
from tercet.store.verified import Verified

_COLUMN = "value"
_CHUNK_ROWS = 1 << 20


def kept_place(folder: Path, handle: str) -> Path:
    """The folder of a kept array's files, below the store's folder."""
    return place(folder, place_name(Space.KEPT, handle, 0))


def write_kept(
    folder: Path, party: Party, handle: str, kind: Type, value: Share | BitShare, salts: tuple[bytes, bytes]
) -> tuple[str, str]:
    """Write an array that is to be kept, durable and not yet visible; gives the digests of its components own and next.

    Called in workers. `handle`: 32 hex digits, new; `salts` as in `SegmentWriter.write`, from which those of further
    chunks are drawn. Raises InputError if there are files of that handle, DiskFull, StorageError.
    """
    writer = SegmentWriter(kept_segment(folder, party, handle, kind), folder, party)
    try:
        for chunk in range(-(-kind.size // _CHUNK_ROWS)):
            first = chunk * _CHUNK_ROWS
            rows = min(_CHUNK_ROWS, kind.size - first)
            writer.write(chunk, rows, {_COLUMN: _run(value, first, rows)}, derived_salts(salts, handle, chunk))
        return writer.close()
    except BaseException:
        writer.discard()
        raise


def read_kept(
    folder: Path, party: Party, description: Mapping[str, Any], *, verified: Verified | None
) -> Share | BitShare:
    """The shares of a kept array that `KeptInfo.describe` describes, in fresh arrays of its shape. Called in workers.

    Raises Gone if it was dropped or has expired, IntegrityError for a damaged file.
    """
    kind = read_label(description["label"])
    segment = kept_segment(folder, party, description["handle"], kind, description["name"], verified=verified)
    out = empty(_form(kind), kind.size)
    segment.read_into(_COLUMN, 0, kind.size, out, 0)
    return out if isinstance(out, BitShare) else out.reshape(kind.shape)


def kept_segment(
    folder: Path, party: Party, handle: str, kind: Type, name: str = "", *, verified: Verified | None = None
) -> StoredSegment:
    """The files of a kept array."""
    segment = Segment(
        segment=handle,
        generation=0,
        owner="",
        upload="",
        base=handle,
        position=0,
        rows=kind.size,
        chunk_rows=_CHUNK_ROWS,
        columns=((_COLUMN, _form(kind)),),
        digests=("", "", ""),
    )
    return StoredSegment.stored(segment, folder, party, f"the kept array {name or handle[:8]}", verified=verified)


def read_label(label: str) -> Type:
    """The type that `write_label` wrote. Raises PlanError."""
    reader = Reader(bytes.fromhex(label), "type")
    found = take_type(reader)
    reader.end()
    return found


def write_label(kind: Type) -> str:
    """A type as plans write it, in hexadecimal."""
    out = Writer()
    put_type(out, kind)
    return out.take().hex()


def _form(kind: Type) -> Form:
    if kind.is_bool:
        return Form.BITS
    return Form.WORDS64 if kind.ring == 64 else Form.WORDS128


def _run(value: Share | BitShare, first: int, rows: int) -> Share | BitShare:
    """Some of the elements, flat; chunks of bits begin with a word."""
    if isinstance(value, BitShare):
        words = slice(first // 64, first // 64 + word_count(rows))
        return BitShare(rows, value.own[..., words], value.next[..., words])
    return value.flat()[first : first + rows]
