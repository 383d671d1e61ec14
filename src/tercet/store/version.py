"""A version of a dataset as jobs read it: from its description and the share files alone, without a catalogue."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from tercet.errors import InputError
from tercet.federation.model import ascii_json
from tercet.ring import ring
from tercet.sharing import BitShare, Party, Share
from tercet.store.files import Verified
from tercet.store.keys import KeyValues
from tercet.store.schema import Schema, StoredForm
from tercet.store.segments import Segment, StoredSegment, empty, join_keys


@dataclass(frozen=True)
class DatasetVersion:
    """One version of a dataset at this node. It never changes; reading fails once it is withdrawn or refreshed.

    Times are unix seconds: of the dataset, of this version, of the last refresh up to it. One thread at a time reads.
    """

    name: str
    version: int
    manifest: str
    rows: int
    schema: Schema
    segments: tuple[StoredSegment, ...] = field(repr=False)
    created: float
    changed: float
    refreshed: float | None

    @property
    def owners(self) -> tuple[str, ...]:
        """Fingerprints of all who brought rows or columns."""
        return tuple(sorted({segment.owner for segment in self.segments}))

    @property
    def unchecked(self) -> tuple[StoredSegment, ...]:
        """Those of which nobody has checked, under sharing, that their values are in the ranges of this schema."""
        return tuple(
            segment
            for segment in self.segments
            if segment.checked is None or not segment.checked.holds(self.schema, segment.upload)
        )

    @property
    def unchecked_columns(self) -> frozenset[str]:
        """Columns with rows that nobody has checked: their bounds are what an owner says."""
        return frozenset(name for segment in self.unchecked for name in segment.names)

    @property
    def layout(self) -> str:
        """See `layout_of`."""
        return layout_of(self.segments)

    def read(self, column: str, start: int = 0, stop: int | None = None) -> Share | BitShare:
        """The shares of rows start to stop (not included) of what is stored under a name, in fresh arrays.

        `column`: of a secret column, or of the validity bits of a nullable one (`Column.validity`). Called in workers.
        Costs a copy of what is asked for; of every chunk that is touched, words are read from disk, and seeds expanded
        as far as needed. Raises InputError for an unknown or public column or rows outside, Gone if the version was
        withdrawn or refreshed meanwhile, IntegrityError naming file and dataset for a damaged file.
        """
        form = self.schema.stored_form(column)
        if not form.secret:
            raise InputError(f"column {column} of {self.name} is a public key", hint="read_keys gives its values")
        start, stop = self._run(start, stop)
        out = empty(form, stop - start)
        for segment, first, last, at in self._touched(column, start, stop):
            segment.read_into(column, first, last, out, at)
        return out

    def add_up(self, columns: Iterable[str]) -> dict[str, Share]:
        """The shares of the sums over all rows of secret columns of integers or decimals, modulo their rings; shape ().

        Called in workers. What was added up lately is remembered, so that files are not read again; memory does not
        grow with the rows. Raises as `read` does.
        """
        totals: dict[str, Share] = {}
        segments: dict[int, tuple[StoredSegment, list[str]]] = {}
        for column in columns:
            form = self.schema.stored_form(column)
            if not form.secret or form is StoredForm.BITS:
                raise InputError(f"column {column} of {self.name} holds no shares of numbers")
            words = ring(form.ring_bits)
            totals[column] = Share(words, words.zeros(()), words.zeros(()))
            for segment, *_ in self._touched(column, 0, self.rows):
                segments.setdefault(id(segment), (segment, []))[1].append(column)
        for segment, names in segments.values():
            segment.add_up({name: totals[name] for name in names})
        return totals

    def read_keys(self, column: str, start: int = 0, stop: int | None = None) -> KeyValues:
        """The public values of rows start to stop of the key column. Raises as `read` does."""
        form = self.schema[column].form
        start, stop = self._run(start, stop)
        pieces: list[KeyValues] = []
        for segment, first, last, _ in self._touched(column, start, stop):
            size = segment.chunk_rows
            for chunk in range(first // size, -(-last // size)):
                values = segment.read_keys(column, chunk)
                pieces.append(values[max(first - chunk * size, 0) : min(last - chunk * size, size)])
        return join_keys(pieces, form)

    def _run(self, start: int, stop: int | None) -> tuple[int, int]:
        stop = self.rows if stop is None else stop
        if not 0 <= start <= stop <= self.rows:
            raise InputError(f"{self.name} has rows 0 to {self.rows}, not {start} to {stop}")
        return start, stop

    def _touched(self, column: str, start: int, stop: int) -> list[tuple[StoredSegment, int, int, int]]:
        """For every segment with rows in the run: (its files of that column, first, last row there, row of the run)."""
        found: list[tuple[StoredSegment, int, int, int]] = []
        begins = 0
        having = {segment.base: segment for segment in self.segments if column in segment.names}
        for segment in self.segments:
            if segment.joined:
                continue
            ends = begins + segment.rows
            first, last = max(start, begins), min(stop, ends)
            if first < last:
                found.append((having[segment.segment], first - begins, last - begins, first - start))
            begins = ends
        return found

    def describe(self) -> dict[str, Any]:
        """All that a worker needs to read this version without a catalogue, as JSON data; nothing secret."""
        return {
            **{each.name: getattr(self, each.name) for each in fields(self)},
            "schema": self.schema.to_dict(),
            "segments": [segment.describe() for segment in self.segments],
        }

    @classmethod
    def load(cls, folder: Path, party: Party, data: Mapping[str, Any], *, verified: Verified | None) -> DatasetVersion:
        """Read what `describe` gave. `folder` is the store's; `verified` as for segments. Called in workers."""
        what = f"dataset {data['name']}"
        segments = tuple(
            StoredSegment.stored(Segment.load(segment), folder, party, what, verified=verified)
            for segment in data["segments"]
        )
        return cls(**{**data, "schema": Schema.parse(data["schema"]), "segments": segments})


def layout_of(segments: Iterable[Segment]) -> str:
    """Names the numbering of a version's rows: another when rows come or go, the same after refreshes and new columns.

    Policies call it, also for versions whose files are gone. Kept results store it, so the hash must stay as it is.
    """
    digest = hashlib.sha256(b"tercet layout")
    for segment in segments:
        if not segment.joined:
            digest.update(f" {segment.segment} {segment.rows}".encode())
    return digest.hexdigest()


def manifest_of(name: str, version: int, schema: Schema, segments: Sequence[Segment]) -> str:
    """The hash that names a version and all its contents, the same at all three nodes."""
    facts = {
        "dataset": name,
        "version": version,
        "schema": schema.to_dict(),
        "segments": [segment.facts() for segment in segments],
    }
    return hashlib.sha256(b"tercet/1 manifest\0" + ascii_json(facts)).hexdigest()
