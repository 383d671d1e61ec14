"""Stamps of checks: no upload becomes visible without this node's own bit, and what is stamped stays so."""

from __future__ import annotations

import secrets

import pytest

from tercet.errors import IntegrityError, NotFound
from tercet.sharing import PARTIES
from tercet.store import stamps, uploads
from tercet.store.schema import Schema
from tercet.store.stamps import Range, Stamp, ranges_of, stamp_of
from tercet.store.uploads import CheckedChunk, CheckedChunks, chunks_digest, triple
from three_stores import MORE, OTHER, OWNER, SCHEMA, ThreeStores, patients


def prepared(stores: ThreeStores, name: str = "patients") -> tuple[str, list]:
    """An upload that is ready at all three and was not checked."""
    change, transaction = stores.send(name, patients(70)), secrets.token_hex(16)
    return transaction, [node.changes.prepare(transaction, change) for node in stores.nodes]


@pytest.mark.parametrize("word", [None, False])
def test_no_node_commits_what_did_not_pass_there(quick_stores: ThreeStores, word: bool | None) -> None:
    transaction, answers = prepared(quick_stores)
    for node in quick_stores.nodes:
        if word is not None:
            node.changes.checked(transaction, word)
            # the first word stands, whatever the coordinator has run again
            node.changes.checked(transaction, True)
        with pytest.raises(IntegrityError, match="its values were not found in their ranges"):
            node.changes.commit(transaction, answers)
        assert node.datasets.names() == []
        known = node.changes.find(transaction)
        assert known is not None and known.state == "prepared"
        node.restart()
        with pytest.raises(IntegrityError):
            node.changes.commit(transaction, answers)
        node.changes.abort(transaction, "not in range")
        assert [upload.state for upload in node.uploads.open(OWNER)] == ["open"]


def test_the_bit_survives_a_crash(quick_stores: ThreeStores) -> None:
    transaction, answers = prepared(quick_stores)
    for node in quick_stores.nodes:
        node.changes.checked(transaction, True)
        node.restart()
        assert node.changes.commit(transaction, answers).rows == 70


def test_a_bit_is_about_a_prepared_upload_only(quick_stores: ThreeStores) -> None:
    quick_stores.upload("patients", patients(3))
    change = quick_stores.refreshed("patients")
    transaction = secrets.token_hex(16)
    node = quick_stores.nodes[0]
    node.changes.prepare(transaction, change)
    for other in (transaction, "0" * 32):
        with pytest.raises(NotFound, match="no upload is prepared"):
            node.changes.checked(other, True)


def test_the_stamp_stays_through_a_life(quick_stores: ThreeStores) -> None:
    """Create, append, further columns, refresh, withdrawal: every segment says which check its values passed."""
    stores = quick_stores
    stores.upload("patients", patients(100))
    stores.upload("patients", patients(30, 500), mode="append", owner=OTHER)
    rows = [*patients(100)["id"], *patients(30, 500)["id"]]
    stores.upload(
        "patients", {"id": rows, "pulse": range(130), "treated": [True] * 130}, schema=MORE, mode="columns", owner=OTHER
    )

    def check() -> None:
        for version in stores.versions("patients"):
            for segment in version.segments:
                assert segment.checked is not None and segment.checked.holds(version.schema, segment.upload)
                assert segment.checked == stamp_of(segment.upload, version.schema, segment.columns)

    check()
    before = stores.versions("patients")[0].manifest
    stores.do(stores.refreshed("patients"))
    check()
    stores.withdraw("patients", OTHER)
    check()
    assert stores.versions("patients")[0].manifest != before
    for node in stores.nodes:
        told = [entry.details["checked"] for entry in node.audit.entries() if entry.kind in ("create", "append")]
        assert [len(stamps) for stamps in told] == [1, 1] and told[0][0]["protocol"] == 2


def column(**more: object) -> Schema:
    return Schema.parse({"columns": [{"name": "x", "kind": "integer", "lo": 0, "hi": 100, **more}]})


@pytest.mark.parametrize(
    ("schema", "holds"),
    [
        (column(), True),
        (column(lo=-1, hi=100), True),
        (column(lo=0, hi=2**60), True),
        (column(lo=1), False),
        (column(hi=99), False),
        (column(nullable=True), False),
        (Schema.parse({"columns": [{"name": "y", "kind": "bool"}]}), False),
    ],
)
def test_a_stamp_holds_for_the_same_and_wider_ranges(schema: Schema, holds: bool) -> None:
    stamp = stamp_of("a" * 32, column(), column().stored)
    assert stamp.holds(schema, "a" * 32) == holds
    assert not stamp.holds(schema, "b" * 32)
    assert Stamp(1, stamp.upload, stamp.ranges).holds(schema, "a" * 32) == holds
    assert not Stamp(3, stamp.upload, stamp.ranges).holds(schema, "a" * 32)
    assert Stamp.load(stamp.facts()) == stamp


def test_missing_values_must_be_the_lo_that_they_were() -> None:
    schema = column(nullable=True)
    stamp = stamp_of("a" * 32, schema, schema.stored)
    assert stamp.ranges == (Range("x", 0, 100, True),)
    assert stamp.holds(column(nullable=True, hi=200), "a" * 32)
    assert not stamp.holds(column(nullable=True, lo=-5), "a" * 32)


def test_ranges_are_those_of_stored_integers() -> None:
    found = {one.column: (one.lo, one.hi) for one in ranges_of(SCHEMA, SCHEMA.stored)}
    assert found == {"age": (0, 120), "bmi": (0, 90 << 16), "big": (-(2**80), 2**80), "smoker": (0, 1)}
    kinds = Schema.parse(
        {
            "columns": [
                {"name": "colour", "kind": "category", "categories": ["red", "green", "blue"]},
                {"name": "day", "kind": "date", "lo": "1970-01-02", "hi": "1970-01-11"},
                {"name": "price", "kind": "decimal", "digits": 2, "lo": -1, "hi": 9.99},
            ]
        }
    )
    assert [(one.lo, one.hi) for one in ranges_of(kinds, kinds.stored)] == [(0, 2), (1, 10), (-100, 999)]


def test_tags_of_chunks_go_with_the_upload(quick_stores: ThreeStores) -> None:
    node = quick_stores.nodes[0]
    rows = CheckedChunks(node.catalogue)
    change = quick_stores.send("patients", patients(70))
    one = CheckedChunk(0, "1" * 32, change.parts[0], ("a" * 64, "b" * 64, "c" * 64), b"o" * 16, b"n" * 16)
    rows.put(change.upload, [one])
    assert rows.of(change.upload) == {0: one} and rows.of(change.upload, 1) == {}
    assert "nnnn" not in repr(one)
    newer = CheckedChunk(0, "2" * 32, change.parts[0], one.digests, b"p" * 16, b"q" * 16)
    rows.put(change.upload, [newer])
    assert rows.of(change.upload) == {0: newer}
    assert chunks_digest([one]) != chunks_digest([newer])
    quick_stores.do(change)
    assert rows.of(change.upload) == {}
    # what a run brings that ends later is not kept
    rows.put(change.upload, [one])
    assert rows.of(change.upload) == {}
    other = quick_stores.send("others", patients(3))
    rows.put(other.upload, [one])
    node.uploads.discard(other.upload)
    assert rows.of(other.upload) == {}


def test_what_the_first_protocol_stamped_stays_checked(
    quick_stores: ThreeStores, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as then:
        then.setattr(stamps, "PROTOCOL", 1)
        quick_stores.upload("patients", patients(40))
    quick_stores.upload("patients", patients(30, 500), mode="append", owner=OTHER)
    for version in quick_stores.versions("patients"):
        assert sorted(one.checked.protocol for one in version.segments if one.checked) == [1, stamps.PROTOCOL]
        assert not version.unchecked


def test_chunks_that_another_protocol_checked_are_checked_anew(
    quick_stores: ThreeStores, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = CheckedChunks(quick_stores.nodes[0].catalogue)
    change = quick_stores.send("patients", patients(70))
    digests = ("a" * 64, "b" * 64, "c" * 64)
    old, new = (CheckedChunk(chunk, "1" * 32, change.parts[0], digests, b"o" * 16, b"n" * 16) for chunk in (0, 1))
    with monkeypatch.context() as then:
        then.setattr(uploads, "PROTOCOL", 1)
        rows.put(change.upload, [old])
        assert rows.of(change.upload) == {0: old}
    rows.put(change.upload, [new])
    assert rows.of(change.upload) == {1: new}
    rows.put(change.upload, [old])
    assert rows.of(change.upload) == {0: old, 1: new}


def test_copies_of_components_are_compared() -> None:
    pairs = {PARTIES[0]: ("1", "2"), PARTIES[1]: ("2", "3"), PARTIES[2]: ("3", "1")}
    assert triple(pairs) == ("1", "2", "3")
    for party in PARTIES:
        assert triple({**pairs, party: ("x", pairs[party][1])}) is None
