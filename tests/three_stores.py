"""The stores of three nodes, and an owner who uploads to them, without any network between."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from federations import NODE_NAMES, member
from tercet.client.encode import encode_array, stored_values
from tercet.errors import Gone, IntegrityError
from tercet.federation.api_peer import SignedHead
from tercet.federation.identity import Card
from tercet.federation.model import ascii_json
from tercet.plan.types import bool_type
from tercet.ring import pack_bits, ring
from tercet.sharing import PARTIES, BitShare, Party, Share, expand_seed
from tercet.store.audit import Audit
from tercet.store.backup import restore, versions
from tercet.store.catalogue import Catalogue
from tercet.store.change import (
    Change,
    ChangeResult,
    Prepared,
    RefreshChange,
    UploadChange,
    WithdrawChange,
    check_prepared,
)
from tercet.store.changes import Changes
from tercet.store.datasets import Datasets
from tercet.store.files import Verified
from tercet.store.jobs import JobRows
from tercet.store.kept import Kept
from tercet.store.kept_files import described_segment, read_kept
from tercet.store.keys import Texts, read_keys
from tercet.store.part import Part, component_digests, split_chunk
from tercet.store.schema import KeyType, Schema, StoredForm
from tercet.store.segments import SegmentWriter, StoredSegment, Value
from tercet.store.uploads import Uploads
from tercet.store.version import DatasetVersion

OWNER, OTHER = "a" * 64, "b" * 64
SCHEMA = Schema.parse(
    {
        "columns": [
            {"name": "id", "kind": "key", "key": "text"},
            {"name": "age", "kind": "integer", "lo": 0, "hi": 120},
            {"name": "bmi", "kind": "decimal", "lo": 0, "hi": 90},
            {"name": "big", "kind": "integer", "lo": -(2**80), "hi": 2**80},
            {"name": "smoker", "kind": "bool"},
        ]
    }
)
MORE = Schema.parse(
    {
        "columns": [
            {"name": "id", "kind": "key", "key": "text"},
            {"name": "pulse", "kind": "integer", "lo": 0, "hi": 300},
            {"name": "treated", "kind": "bool"},
        ]
    }
)


class OneStore:
    """One node's store."""

    def __init__(self, party: Party, url: str, folder: Path) -> None:
        self.party = party
        self.url = url
        self.folder = folder
        self.member = member(NODE_NAMES[party - 1])
        self.open()

    def open(self) -> None:
        """As a node does at its start."""
        self.catalogue = Catalogue(self.url)
        self.catalogue.upgrade()
        self.audit = Audit(self.catalogue, self.member)
        self.datasets = Datasets(self.catalogue, self.folder, self.party)
        self.uploads = Uploads(self.catalogue, self.folder, self.party)
        self.kept = Kept(self.catalogue, self.folder, self.party)
        self.jobs = JobRows(self.catalogue)
        self.changes = Changes(self.catalogue, self.datasets, self.uploads, self.audit)

    def close(self) -> None:
        self.catalogue.close()

    def restart(self) -> None:
        """What a node that was killed does."""
        self.close()
        self.open()
        self.changes.recover()

    def array(self, handle: str) -> StoredSegment:
        """The files of a kept array."""
        return described_segment(self.folder, self.party, self.kept.get(handle).describe(), verified=Verified())

    def shares(self, name: str) -> Share | BitShare:
        """Those of a kept array, as a worker reads them."""
        return read_kept(self.folder, self.party, self.kept.get(name).describe(), verified=Verified())

    def versions(self) -> dict[str, Any]:
        with self.catalogue.read() as connection:
            return versions(connection)

    def note_head(self, head: SignedHead, card: Card, job: str = "") -> None:
        """Write another node's head into the chain, as with a job."""
        with self.catalogue.write() as connection:
            self.audit.append(connection, *self.audit.checked_head(connection, head, card, job))

    def places(self) -> set[str]:
        """Folders of share files on disk."""
        parts = self.folder / "parts"
        return {path.name for path in parts.iterdir()} if parts.exists() else set()


class ThreeStores:
    """Three of them, and what owners and the coordinator do."""

    def __init__(self, nodes: Sequence[OneStore]) -> None:
        self.nodes = list(nodes)

    def send(
        self,
        dataset: str,
        rows: Mapping[str, Any],
        *,
        schema: Schema = SCHEMA,
        mode: str = "create",
        owner: str = OWNER,
        chunk_rows: int = 64,
        upload: str | None = None,
    ) -> UploadChange:
        """Split and send rows to all nodes; gives the change that makes them visible."""
        upload = upload or secrets.token_hex(16)
        total = len(next(iter(rows.values())))
        for node in self.nodes:
            node.uploads.begin(upload, dataset, owner, mode, schema)
        parts = []
        for chunk, begin in enumerate(range(0, total, chunk_rows)):
            size = min(chunk_rows, total - begin)
            words = encoded(schema, {name: values[begin : begin + size] for name, values in rows.items()})
            for node, buffers in zip(
                self.nodes, split_chunk(schema, words, size, bytes.fromhex(upload), chunk), strict=True
            ):
                info = node.uploads.put_chunk(upload, owner, b"".join(buffers), chunk)
            parts.append(info.part)
        return UploadChange.model_validate(
            {"kind": mode, "dataset": dataset, "owner": owner, "upload": upload, "rows": total, "parts": parts}
        )

    def prepare(self, change: Change, transaction: str | None = None) -> tuple[str, list[Prepared]]:
        transaction = transaction or secrets.token_hex(16)
        answers = [node.changes.prepare(transaction, change) for node in self.nodes]
        if isinstance(change, UploadChange):
            # as if the workers had found all values in their ranges
            for node in self.nodes:
                node.changes.checked(transaction, True)
        return transaction, answers

    def do(self, change: Change) -> ChangeResult:
        """Both phases at all nodes."""
        transaction, answers = self.prepare(change)
        check_prepared(answers)
        results = [node.changes.commit(transaction, answers) for node in self.nodes]
        assert results[0] == results[1] == results[2]
        return results[0]

    def upload(self, dataset: str, rows: Mapping[str, Any], **options: Any) -> ChangeResult:
        return self.do(self.send(dataset, rows, **options))

    def withdraw(self, dataset: str, owner: str = OWNER, upload: str | None = None) -> ChangeResult:
        return self.do(WithdrawChange(dataset=dataset, owner=owner, upload=upload))

    def refreshed(self, dataset: str) -> RefreshChange:
        """What the workers do for a refresh, with the randomness of one process."""
        versions = [node.datasets.get(dataset) for node in self.nodes]
        kept = {info.handle: info.generation for info in self.nodes[0].kept.resting_on(dataset)}
        places = [
            [*version.segments, *(node.array(handle) for handle in kept)]
            for node, version in zip(self.nodes, versions, strict=True)
        ]
        for segments in zip(*places, strict=True):
            writers = [SegmentWriter.refresh(segment) for segment in segments]
            for chunk in range(segments[0].chunks):
                values = [segment.read_chunk(chunk) for segment in segments]
                fresh = rerandomised(values)
                salts = [secrets.token_bytes(16) for _ in PARTIES]
                for node, writer, value in zip(self.nodes, writers, fresh, strict=True):
                    pair = salts[node.party - 1], salts[node.party.next - 1]
                    writer.write(chunk, segments[0].rows_of(chunk), value, pair)
            for writer in writers:
                writer.close()
        return RefreshChange(dataset=dataset, version=versions[0].version, manifest=versions[0].manifest, kept=kept)

    def versions(self, dataset: str) -> list[DatasetVersion]:
        found = [node.datasets.get(dataset) for node in self.nodes]
        assert found[0].manifest == found[1].manifest == found[2].manifest
        return found

    def values(self, dataset: str, column: str, start: int = 0, stop: int | None = None) -> np.ndarray[Any, Any]:
        """What the three nodes hold together: their components added up, after a check that the copies agree."""
        versions = self.versions(dataset)
        stop = versions[0].rows if stop is None else stop
        words = opened([version.read(column, start, stop) for version in versions])
        schema = versions[0].schema
        bits = column not in schema  # the validity of a column
        return stored_values(words, bool_type((stop - start,)) if bits else schema.type(column, stop - start))


def texts(values: Sequence[str]) -> Texts:
    encoded = [value.encode() for value in values]
    offsets = np.cumsum([0, *map(len, encoded)], dtype=np.int64)
    return Texts(offsets, np.frombuffer(b"".join(encoded), np.uint8))


def part_value(part: Part, name: str) -> Any:
    """The shares of a secret column of a part; the values of a key column."""
    header, column = part.header, part.header.column(name)
    if not column.form.secret:
        return read_keys(part.content(column, column.own_at), column.form, header.rows, name)
    dtype = np.dtype(np.uint64) if column.form is StoredForm.BITS else ring(column.form.ring_bits).dtype
    own, following = (
        np.frombuffer(part.content(column, at) if words else expand_seed(seed, column.size), dtype)
        for at, words, seed in (
            (column.own_at, header.own_words, column.own_seed),
            (column.next_at, header.next_words, column.next_seed),
        )
    )
    bits = column.form is StoredForm.BITS
    return BitShare(header.rows, own, following) if bits else Share(ring(column.form.ring_bits), own, following)


def part_digests(part: Part) -> tuple[bytes, bytes]:
    """Of the components own and next."""
    return component_digests(part.header, part.hashes())


def damages(version: DatasetVersion) -> list[str]:
    """Read all files of a version and compare their hashes; gives a line for each that is damaged."""
    found: list[str] = []
    for segment in version.segments:
        for chunk in range(segment.chunks):
            try:
                segment.file(chunk).verify()
            except (IntegrityError, Gone) as error:
                found.append(error.message)
    return found


def exported(audit: Audit) -> list[str]:
    """The audit's entries, each a line of JSON."""
    return [ascii_json(entry.model_dump(mode="json")).decode() for entry in audit.entries()]


def encoded(schema: Schema, rows: Mapping[str, Any]) -> dict[str, Any]:
    """As the client encodes what an owner has; of nullable columns the validity under its own name."""
    found: dict[str, Any] = {}
    for name, values in rows.items():
        if name not in schema:
            found[name] = pack_bits(np.asarray(values))
            continue
        column = schema[name]
        if column.is_key:
            found[name] = texts(values) if column.key is KeyType.TEXT else np.asarray(values, np.int64)
        else:
            bounds = column.bounds
            if column.digits is not None:
                bounds = column.stored_bounds
            frac_bits = None if bounds is None else column.scale_bits
            made = encode_array(np.asarray(values), bounds, frac_bits)
            assert made.type == column.type(len(values))
            found[name] = made.words
    return found


def opened(shares: Sequence[Share | BitShare]) -> np.ndarray[Any, Any]:
    """The words that the shares of parties 1, 2, 3 stand for."""
    total: Any = None
    for number, share in enumerate(shares):
        following = shares[(number + 1) % 3]
        mask = np.ones_like(share.own)
        if isinstance(share, BitShare):
            np.testing.assert_array_equal(cut(share.next, share.count), cut(following.own, share.count))
            total = share.own if total is None else total ^ share.own
        else:
            np.testing.assert_array_equal(share.next, following.own)
            total = share.own if total is None else share.ring.add(total, share.own)
        assert mask.shape == share.own.shape
    return total


def cut(words: Any, count: int) -> Any:
    """Bits beyond the count carry no meaning."""
    out = words.copy()
    if count % 64:
        out[-1] &= np.uint64((1 << count % 64) - 1)
    return out


def rerandomised(values: Sequence[Mapping[str, Value]]) -> list[dict[str, Value]]:
    """Fresh shares of the same values, for parties 1, 2, 3."""
    fresh: list[dict[str, Value]] = [{}, {}, {}]
    for name, first in values[0].items():
        if not isinstance(first, Share | BitShare):
            for target in fresh:
                target[name] = first
            continue
        own = [value[name].own for value in values]  # type: ignore[union-attr]
        masks = [np.frombuffer(secrets.token_bytes(own[0].nbytes), own[0].dtype) for _ in range(2)]
        if isinstance(first, BitShare):
            new = [own[0] ^ masks[0], own[1] ^ masks[1], own[2] ^ masks[0] ^ masks[1]]
            for party, target in zip(PARTIES, fresh, strict=True):
                target[name] = BitShare(first.count, new[party - 1], new[party.next - 1])
        else:
            here = ring(first.ring.bits)
            new = [here.add(own[0], masks[0]), here.add(own[1], masks[1])]
            new.append(here.sub(here.sub(own[2], masks[0]), masks[1]))
            for party, target in zip(PARTIES, fresh, strict=True):
                target[name] = Share(here, new[party - 1], new[party.next - 1])
    return fresh


def patients(count: int, first: int = 0) -> dict[str, Any]:
    """Rows of SCHEMA."""
    numbers = np.arange(first, first + count)
    return {
        "id": [f"p{number:05d}ä" for number in numbers],
        "age": numbers % 120,
        "bmi": 18.5 + (numbers % 300) / 16,
        "big": [int(number) * 2**60 - 5 for number in numbers],
        "smoker": numbers % 3 == 0,
    }


def restored(node: OneStore, source: Path, url: str, folder: Path) -> OneStore:
    """Another machine's empty store, from a backup."""
    catalogue = Catalogue(url)
    restore(source, catalogue, folder)
    catalogue.close()
    found = OneStore(node.party, url, folder)
    found.changes.recover()
    return found
