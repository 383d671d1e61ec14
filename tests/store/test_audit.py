"""The audit chain, its heads, and everything that an operator might do to history."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest
from sqlalchemy import delete, update

from federations import NODE_NAMES, member
from tercet.errors import InputError, IntegrityError
from tercet.federation.api_peer import SignedHead
from tercet.federation.identity import Card, KeyPurpose, Member, encode_base64url
from tercet.store.audit import (
    NO_HASH,
    Audit,
    Entry,
    check_head,
    cross_check,
    head_message,
    read_entries,
    timestamp,
    verify,
)
from tercet.store.catalogue import Catalogue
from tercet.store.tables import AUDIT
from three_stores import ThreeStores, exported

ME = member(NODE_NAMES[0])


@pytest.fixture
def audit(catalogue: Catalogue) -> Audit:
    return Audit(catalogue, ME)


def filled(audit: Audit, count: int = 5) -> list[Entry]:
    for number in range(count):
        audit.record("job done", {"number": number, "text": "ü", "half": 0.5, "none": None})
    return list(audit.entries())


def test_a_chain(audit: Audit) -> None:
    assert audit.head().number == 0 and audit.head().hash == NO_HASH
    entries = filled(audit)
    assert [entry.number for entry in entries] == [1, 2, 3, 4, 5]
    assert entries[0].prev == NO_HASH and entries[3].prev == entries[2].hash
    assert verify(entries, [ME.card]) == []
    assert read_entries(exported(audit)) == entries
    assert list(audit.entries(4)) == entries[3:] and list(audit.entries(2, 2)) == entries[1:3]
    assert list(audit.entries(6)) == [] and list(audit.entries(1, 0)) == []
    head = audit.head()
    assert (head.number, head.hash) == (5, entries[-1].hash)
    check_head(head, ME.card)


def test_an_entry_is_there_with_what_it_reports_or_not_at_all(audit: Audit) -> None:
    with pytest.raises(ZeroDivisionError), audit.catalogue.write() as connection:
        audit.append(connection, "upload", {})
        raise ZeroDivisionError
    assert list(audit.entries()) == []
    with audit.catalogue.write() as connection:
        audit.append(connection, "upload", {"a": 1})
        audit.append(connection, "upload", {"a": 2})
    assert verify(list(audit.entries()), [ME.card]) == []
    with pytest.raises(ValueError, match="have 70008 bytes"):
        audit.record("upload", {"a": "x" * 70_000})


def resigned(entry: Entry, **changes: Any) -> Entry:
    """As an operator would who has the key: changed, hashed and signed anew."""
    changed = entry.model_copy(update=changes)
    changed = changed.model_copy(update={"hash": changed.computed_hash()})
    signature = encode_base64url(ME.sign(KeyPurpose.AUDIT, bytes.fromhex(changed.hash)))
    return changed.model_copy(update={"signature": signature})


Edit = Callable[[list[Entry]], Sequence[Entry]]


@pytest.mark.parametrize(
    ("edit", "match"),
    [
        (lambda e: [*e[:2], e[2].model_copy(update={"details": {}}), *e[3:]], "entry 3 was changed"),
        (lambda e: [*e[:2], e[2].model_copy(update={"time": e[1].time, "kind": "x"}), *e[3:]], "entry 3 was changed"),
        (lambda e: [*e[:2], resigned(e[2], details={}), *e[3:]], "entry 4 does not follow"),
        (lambda e: [*e[:2], *e[3:]], "entry 4 stands where entry 3 should be"),
        (lambda e: e[1:], "entry 2 stands where entry 1 should be"),
        (lambda e: [e[0], e[2], e[1], *e[3:]], "entry 3 stands where entry 2 should be"),
        (lambda e: [*e, e[-1]], "entry 5 stands where entry 6 should be"),
        (lambda e: [*e[:4], e[4].model_copy(update={"signature": e[3].signature})], "entry 5 has a signature"),
        (lambda e: [*e[:4], e[4].model_copy(update={"signature": "!"})], "entry 5 has a signature"),
        (lambda e: [*e[:4], e[4].model_copy(update={"signer": "0" * 64})], "which is not this node"),
    ],
)
def test_what_is_edited_is_found(audit: Audit, edit: Edit, match: str) -> None:
    assert any(match in line for line in verify(list(edit(filled(audit))), [ME.card])), match


def test_what_is_edited_in_the_database_is_found(audit: Audit) -> None:
    filled(audit)
    with audit.catalogue.write() as connection:
        connection.execute(update(AUDIT).where(AUDIT.c.number == 2).values(details='{"number":9}'))
        connection.execute(delete(AUDIT).where(AUDIT.c.number == 4))
    found = verify(read_entries(exported(audit)), [ME.card])
    assert any("entry 2 was changed" in line for line in found)
    assert any("entry 5 stands where entry 4 should be" in line for line in found)


def test_a_renewed_identity(audit: Audit) -> None:
    entries = filled(audit)
    again = Audit(audit.catalogue, member("hospital-a renewed".replace(" ", "-")))
    again.record("start", {})
    entries = list(audit.entries())
    cards = [member("hospital-a-renewed").card, ME.card]
    assert verify(entries, cards) == [] and len(verify(entries, [ME.card])) == 1


def countersigned(stores: ThreeStores, rounds: int = 2) -> list[tuple[list[Card], list[Entry]]]:
    """Every node does something, then all write down each other's heads."""
    for number in range(rounds):
        for node in stores.nodes:
            node.audit.record("job", {"number": number, "job": "0" * 32})
        heads = [node.audit.head() for node in stores.nodes]
        for node in stores.nodes:
            for other, head in zip(stores.nodes, heads, strict=True):
                if other is not node:
                    node.note_head(head, other.member.card, "0" * 32)
    return [([node.member.card], list(node.audit.entries())) for node in stores.nodes]


def test_chains_that_fit(quick_stores: ThreeStores) -> None:
    chains = countersigned(quick_stores)
    assert cross_check(chains) == [] and cross_check(chains[:1]) == []


def test_one_node_rewrites_its_history(quick_stores: ThreeStores) -> None:
    """With its own key, so that its chain is whole by itself; the other two hold its signed heads."""
    chains = countersigned(quick_stores)
    cards, entries = chains[0]
    rewritten: list[Entry] = []
    for entry in entries:
        details = {"number": 99} if entry.number == 1 else entry.details
        rewritten.append(resigned(entry, details=details, prev=rewritten[-1].hash if rewritten else NO_HASH))
    assert verify(rewritten, cards) == []
    found = cross_check([(cards, rewritten), *chains[1:]])
    assert found and all(line.startswith(f"{NODE_NAMES[0]}: ") for line in found)
    assert f"entry 1 is not the one that it signed for {NODE_NAMES[1]}: history was rewritten" in found[0]


def test_one_node_cuts_its_history(quick_stores: ThreeStores) -> None:
    chains = countersigned(quick_stores)
    cards, entries = chains[1]
    assert verify(entries[:3], cards) == []
    found = cross_check([chains[0], (cards, entries[:3]), chains[2]])
    assert any(f"{NODE_NAMES[1]}: its chain ends at entry 3, but {NODE_NAMES[0]} holds" in line for line in found)


def test_heads_are_checked_before_they_are_written_down(quick_stores: ThreeStores) -> None:
    first, second, third = quick_stores.nodes
    head = second.audit.head()
    for wrong in (
        head.model_copy(update={"number": 7}),
        head.model_copy(update={"signature": "AAAA"}),
        head.model_copy(update={"signature": "!"}),
        head.model_copy(update={"node": third.member.name}),
        third.audit.head(),
    ):
        with pytest.raises(IntegrityError):
            first.note_head(wrong, second.member.card)
    assert list(first.audit.entries()) == []


def test_heads_do_not_go_back(quick_stores: ThreeStores) -> None:
    """Shown to a node, and offline: numbers of one node's heads rise, whatever it signs."""
    first, second, _ = quick_stores.nodes
    card = second.member.card
    second.audit.record("start", {})
    old = second.audit.head()
    second.audit.record("job", {"job": "1" * 32})
    new = second.audit.head()

    first.note_head(new, card, "1" * 32)
    first.note_head(second.audit.head(), card, "1" * 32)  # nothing has happened there meanwhile
    with pytest.raises(IntegrityError, match=r"shows entry 1 .* after it showed entry 2: an old head"):
        first.note_head(old, card, "1" * 32)
    other = signed_head(second.member, 2, "2" * 64)
    with pytest.raises(IntegrityError, match="two different entries 2"):
        first.note_head(other, card, "1" * 32)
    chains = [([node.member.card], list(node.audit.entries())) for node in (first, second)]
    assert len(chains[0][1]) == 2 and cross_check(chains) == []

    # a node that does not look, as before there was this check
    first.audit.record("head", {**old.model_dump(mode="json"), "job": ""})
    chains = [([node.member.card], list(node.audit.entries())) for node in (first, second)]
    (line,) = cross_check(chains[:1])
    assert line.startswith(f"{NODE_NAMES[1]}: {NODE_NAMES[0]} holds signed heads that go back (entry 3)")
    # an operator who knows of a restore takes it
    first.audit.record("head accepted", {"node": NODE_NAMES[2]})
    with pytest.raises(IntegrityError, match="two different entries"):
        first.note_head(signed_head(second.member, 1, "2" * 64), card, "1" * 32)
    first.audit.record("head accepted", {"node": NODE_NAMES[1]})
    first.note_head(old, card, "1" * 32)


def test_an_old_head_is_found_offline_by_the_job_that_it_came_with(quick_stores: ThreeStores) -> None:
    """Also where its number is that of the last one, which is allowed: it may be that nothing has happened."""
    first, second, _ = quick_stores.nodes
    job = {"job": "1" * 32}
    for node in (first, second):
        node.audit.record("start", {})
    old = second.audit.head()
    for node in (first, second):
        node.audit.record("job", job)
    first.note_head(old, second.member.card, "1" * 32)
    first.note_head(second.audit.head(), second.member.card, "2" * 32)
    found = cross_check([([node.member.card], list(node.audit.entries())) for node in (first, second)])
    assert len(found) == 2 and all(line.startswith(f"{NODE_NAMES[1]}: ") for line in found)
    assert "it took job 11111111 in with entry 2" in found[0] and "an old head" in found[0]
    assert "no entry of job 22222222" in found[1]


def signed_head(member: Member, number: int, digest: str) -> SignedHead:
    message = head_message(member.name, number, digest, 1.0, 0.5)
    signature = encode_base64url(member.sign(KeyPurpose.HEAD, message))
    return SignedHead(node=member.name, number=number, hash=digest, time=1.0, started=0.5, signature=signature)


def test_a_lie_about_anothers_head_is_found(quick_stores: ThreeStores) -> None:
    """A node that invents a head of another has no signature for it."""
    chains = countersigned(quick_stores)
    node = quick_stores.nodes[0]
    head = quick_stores.nodes[1].audit.head()
    node.audit.record("head", {**head.model_dump(mode="json"), "hash": "1" * 64, "job": ""})
    node.audit.record("head", {"nonsense": 1})
    found = cross_check([([node.member.card], list(node.audit.entries())), *chains[1:]])
    assert any(f"holds a head that {NODE_NAMES[1]} did not sign" in line for line in found)
    assert any("holds no head" in line for line in found)


@pytest.mark.parametrize("line", ["{", "[]", "3", '{"number": 1}', "[" * 100_000])
def test_lines_that_are_no_entries(line: str) -> None:
    with pytest.raises(InputError, match="line 1 is no audit entry"):
        read_entries([line])
    assert read_entries(["", "\n"]) == []


def test_times_sort_as_they_read() -> None:
    assert timestamp(0) == "1970-01-01T00:00:00.000000Z" and timestamp(1.5) < timestamp(1.5000011)
