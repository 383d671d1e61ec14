"""Joining further columns to a dataset: an upload's rows are put into the order of the dataset's, by the public key.

Every node reorders its own shares and sends no message, as the order is public. Seeds are expanded to words, since the
stream of a seed cannot be reordered.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tercet.errors import InputError
from tercet.ring import pack_bits, ring, unpack_bits
from tercet.sharing import BitShare, Share
from tercet.store.files import Space, make_folder, place, place_name, remove_folder
from tercet.store.keys import KeyValues, as_arrow
from tercet.store.schema import StoredForm
from tercet.store.segments import Segment, SegmentWriter, StoredSegment, Value, derived_salts, join_keys
from tercet.store.version import DatasetVersion

Columns = tuple[tuple[str, StoredForm], ...]


@dataclass(frozen=True)
class JoinedColumns:
    """The new segments, one for each that has rows, their digests here, and the folders that were made."""

    segments: list[Segment]
    digests: tuple[tuple[str, str, str], ...]
    folders: tuple[str, ...]
    scratch: str


def joined_segment(upload: str, base: str) -> str:
    """The name of the segment that an upload's columns make beside a segment's rows: the same at all nodes."""
    return hashlib.sha256(f"tercet/1 joined {upload} {base}".encode()).hexdigest()[:32]


def join_columns(version: DatasetVersion, received: StoredSegment) -> JoinedColumns:
    """Write the secret columns of an upload in the order of the dataset's rows.

    Costs a pass over the upload, room on disk for its columns twice over, and the keys in memory. Raises InputError
    unless both have the same keys, each once.
    """
    key = version.schema.key
    assert key is not None
    order = _order(version.read_keys(key.name), _all_keys(received, key.name, key.form), version.name)
    scratch = place_name(Space.WORK, received.upload, 0)
    bases = [base for base in version.segments if not base.joined]
    segments = [_beside(base, received) for base in bases]
    folders = (*(segment.place_name for segment in segments), scratch)
    try:
        unordered = _spread(received, segments[0].columns, place(received.folder, scratch))
        salts = _salts(received)
        digests: list[tuple[str, str, str]] = []
        begins = 0
        for base, segment in zip(bases, segments, strict=True):
            run = order[begins : begins + base.rows]
            digests.append((segment.segment, *_write(segment, received, unordered, run, salts)))
            begins += base.rows
    except BaseException:
        for name in folders:
            remove_folder(place(received.folder, name))
        raise
    return JoinedColumns(segments, tuple(digests), folders, scratch)


def _beside(base: Segment, received: StoredSegment) -> Segment:
    """The new columns of a segment's rows."""
    return Segment(
        segment=joined_segment(received.upload, base.segment),
        generation=0,
        owner=received.owner,
        upload=received.upload,
        base=base.segment,
        position=base.position,
        rows=base.rows,
        chunk_rows=base.chunk_rows,
        columns=tuple((name, form) for name, form in received.columns if form.secret),
        digests=("", "", ""),
        checked=received.checked,
    )


def _write(
    segment: Segment,
    received: StoredSegment,
    unordered: Mapping[str, tuple[NDArray[Any], NDArray[Any]]],
    order: NDArray[np.int64],
    salts: tuple[bytes, bytes],
) -> tuple[str, str]:
    # an interrupted attempt may have left files; nothing visible has this name before the commit
    remove_folder(place(received.folder, segment.place_name))
    writer = SegmentWriter(segment, received.folder, received.party)
    for chunk in range(segment.chunks):
        rows = segment.rows_of(chunk)
        run = order[chunk * segment.chunk_rows :][:rows]
        values = {column: _gathered(unordered[column], form, run) for column, form in segment.columns}
        writer.write(chunk, rows, values, derived_salts(salts, segment.segment, chunk))
    return writer.close()


def _all_keys(received: StoredSegment, column: str, form: StoredForm) -> KeyValues:
    return join_keys([received.read_keys(column, chunk) for chunk in range(received.chunks)], form)


def _order(there: KeyValues, brought: KeyValues, dataset: str) -> NDArray[np.int64]:
    """For every row of the dataset: the number of the uploaded row with the same key."""
    if len(there) != len(brought):
        raise InputError(
            f"dataset {dataset} has {len(there):,} rows and the upload {len(brought):,}",
            hint="further columns come for exactly the rows that are there",
        )
    # imported here, because nodes start faster without it
    import pyarrow.compute as pc

    found = pc.index_in(as_arrow(there), value_set=as_arrow(brought))
    if found.null_count:
        raise InputError(f"{found.null_count:,} keys of dataset {dataset} are not among those of the upload")
    order: NDArray[np.int64] = found.to_numpy(zero_copy_only=False).astype(np.int64)
    used = np.zeros(len(brought), np.bool_)
    used[order] = True
    if not used.all():
        raise InputError(f"{int((~used).sum()):,} keys of the upload are not those of rows of {dataset}, or not unique")
    return order


def _spread(received: StoredSegment, columns: Columns, folder: Path) -> dict[str, tuple[NDArray[Any], NDArray[Any]]]:
    """Both components of every column in the upload's order, one value an element, in files on disk."""
    remove_folder(folder)
    make_folder(folder, f"upload {received.upload[:8]}")
    found: dict[str, tuple[NDArray[Any], NDArray[Any]]] = {}
    for number, (column, form) in enumerate(columns):
        dtype = np.dtype(np.bool_) if form is StoredForm.BITS else ring(form.ring_bits).dtype
        own, following = (
            np.memmap(folder / f"{number}.{which}", dtype, "w+", shape=(received.rows,)) for which in ("own", "next")
        )
        found[column] = own, following
    for chunk in range(received.chunks):
        rows = received.rows_of(chunk)
        begin = chunk * received.chunk_rows
        for column, value in received.read_chunk(chunk).items():
            if isinstance(value, Share | BitShare):
                for target, words in zip(found[column], (value.own, value.next), strict=True):
                    target[begin : begin + rows] = unpack_bits(words, rows) if isinstance(value, BitShare) else words
    return found


def _gathered(components: tuple[NDArray[Any], NDArray[Any]], form: StoredForm, order: NDArray[np.int64]) -> Value:
    own, following = (np.asarray(component[order]) for component in components)
    if form is StoredForm.BITS:
        return BitShare(len(order), pack_bits(own), pack_bits(following))
    return Share(ring(form.ring_bits), own, following)


def _salts(received: StoredSegment) -> tuple[bytes, bytes]:
    """For each component a salt that only its two holders know, derived from the owner's salts."""
    own, following = hashlib.sha256(b"tercet/1 joined salts\0"), hashlib.sha256(b"tercet/1 joined salts\0")
    for chunk in range(received.chunks):
        header = received.file(chunk).header
        own.update(header.own_salt)
        following.update(header.next_salt)
    return own.digest(), following.digest()
