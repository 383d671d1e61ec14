"""The files of kept arrays, as workers write and read them: without a catalogue."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from tercet.plan.types import Type, read_type, write_type
from tercet.ring import word_count
from tercet.sharing import BitShare, Party, Share
from tercet.store.files import Space, Verified, place, place_name
from tercet.store.schema import StoredForm
from tercet.store.segments import Segment, SegmentWriter, StoredSegment, derived_salts, empty

_COLUMN = "value"
_CHUNK_ROWS = 1 << 20


def kept_dataset(handle: str) -> str:
    """The dataset of a kept array's segment in the catalogue. Names of owners' datasets have no space."""
    return f"kept {handle}"


def kept_place(folder: Path, handle: str, generation: int = 0) -> Path:
    """The folder of a kept array's files, below the store's folder."""
    return place(folder, place_name(Space.KEPT, handle, generation))


def write_kept(
    folder: Path,
    party: Party,
    handle: str,
    kind: Type,
    value: Share | BitShare,
    salts: tuple[bytes, bytes],
    renewed: Callable[[int, Share | BitShare], Share | BitShare] = lambda chunk, part: part,
) -> tuple[str, str]:
    """Write an array that is to be kept, durable and not yet visible; gives the digests of its components own and next.

    Called in workers. `handle`: 32 hex digits, new; `salts` as in `SegmentWriter.write`, from which those of further
    chunks are drawn; `renewed` gives the shares that are written of each chunk, so that no copy of all is in memory.
    Raises InputError if there are files of that handle, DiskFull, StorageError.
    """
    writer = SegmentWriter(kept_segment(handle, kind), folder, party)
    try:
        for chunk in range(-(-kind.size // _CHUNK_ROWS)):
            first = chunk * _CHUNK_ROWS
            rows = min(_CHUNK_ROWS, kind.size - first)
            part = renewed(chunk, _run(value, first, rows))
            writer.write(chunk, rows, {_COLUMN: part}, derived_salts(salts, handle, chunk))
        return writer.close()
    except BaseException:
        writer.discard()
        raise


def read_kept(
    folder: Path, party: Party, description: Mapping[str, Any], *, verified: Verified | None
) -> Share | BitShare:
    """The shares of a kept array that `KeptRow.describe` describes, in fresh arrays of its shape. Called in workers.

    Raises Gone if it was dropped or has expired, IntegrityError for a damaged file.
    """
    kind = read_label(description["label"])
    segment = described_segment(folder, party, description, verified=verified)
    out = empty(_form(kind), kind.size)
    segment.read_into(_COLUMN, 0, kind.size, out, 0)
    return out if isinstance(out, BitShare) else out.reshape(kind.shape)


def described_segment(
    folder: Path, party: Party, description: Mapping[str, Any], *, verified: Verified | None = None
) -> StoredSegment:
    """The files of a kept array that `KeptRow.describe` describes. Called in workers."""
    kind, generation = read_label(description["label"]), int(description.get("generation", 0))
    segment = kept_segment(description["handle"], kind, generation=generation)
    what = kept_title(description["name"], segment.segment)
    return StoredSegment.stored(segment, folder, party, what, verified=verified)


def kept_segment(
    handle: str,
    kind: Type,
    *,
    owner: str = "",
    generation: int = 0,
    digests: tuple[str, str, str] = ("", "", ""),
    created: float = 0.0,
) -> Segment:
    """The one segment of a kept array: a column with a row for each element."""
    return Segment(
        segment=handle,
        generation=generation,
        owner=owner,
        upload="",
        base=handle,
        position=0,
        rows=kind.size,
        chunk_rows=_CHUNK_ROWS,
        columns=((_COLUMN, _form(kind)),),
        digests=digests,
        created=created,
    )


def kept_title(name: str, handle: str) -> str:
    """How errors name a kept array; `name` may be ""."""
    return f"the kept array {name or handle[:8]}"


def read_label(label: str) -> Type:
    """The type that `write_label` wrote. Raises PlanError."""
    return read_type(bytes.fromhex(label))


def write_label(kind: Type) -> str:
    """A type with its mark (`plan.types`), in hexadecimal."""
    return write_type(kind).hex()


def _form(kind: Type) -> StoredForm:
    if kind.is_bool:
        return StoredForm.BITS
    return StoredForm.WORDS64 if kind.ring == 64 else StoredForm.WORDS128


def _run(value: Share | BitShare, first: int, rows: int) -> Share | BitShare:
    """Some of the elements, flat; chunks of bits begin with a word."""
    if isinstance(value, BitShare):
        words = slice(first // 64, first // 64 + word_count(rows))
        return BitShare(rows, value.own[..., words], value.next[..., words])
    return value.flat()[first : first + rows]
