"""Checking audit chains offline: one, and those of several nodes against each other. Needs no database."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence

from pydantic import ValidationError

from tercet.errors import InputError, IntegrityError
from tercet.federation.api_peer import SignedHead
from tercet.federation.identity import Card, KeyPurpose, decode_base64url
from tercet.federation.model import faults
from tercet.store.audit import (
    HEAD_ACCEPTED_KIND,
    HEAD_KIND,
    JOB_KIND,
    NO_HASH,
    Entry,
    check_head,
    head_fault,
    read_head,
)

Chain = tuple[Sequence[Card], Sequence[Entry]]
"""A node's cards (today's, and earlier ones where it has renewed its identity), and its whole chain."""


def read_entries(lines: Iterable[str]) -> list[Entry]:
    """Read entries, each a line of JSON, as `tercet node audit` writes them. Raises InputError naming the line."""
    entries = []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            entries.append(Entry.model_validate(json.loads(line)))
        except ValidationError as error:
            raise InputError(f"line {number} is no audit entry: {faults(error)}") from None
        except (ValueError, RecursionError):
            raise InputError(f"line {number} is no audit entry: it is no JSON") from None
    return entries


def verify(entries: Sequence[Entry], cards: Sequence[Card]) -> list[str]:
    """Check a whole chain; gives a line for every defect, none if it is whole.

    Finds entries that were edited, removed (except at the end: that is for `cross_check`), added or put elsewhere, and
    entries that the node did not sign. Costs 0.1 ms an entry.
    """
    found: list[str] = []
    by_fingerprint = {card.fingerprint: card for card in cards}
    prev, number = NO_HASH, 0
    for entry in entries:
        number += 1
        if entry.number != number:
            found.append(f"entry {entry.number} stands where entry {number} should be")
            number = entry.number
        if entry.prev != prev:
            found.append(f"entry {entry.number} does not follow the entry before it")
        if entry.hash != entry.computed_hash():
            found.append(f"entry {entry.number} was changed: its hash is another")
        prev = entry.hash
        card = by_fingerprint.get(entry.signer)
        if card is None:
            found.append(f"entry {entry.number} is signed by {entry.signer[:16]}, which is not this node")
            continue
        try:
            card.verify(KeyPurpose.AUDIT, bytes.fromhex(entry.hash), decode_base64url(entry.signature))
        except (IntegrityError, ValueError):
            found.append(f"entry {entry.number} has a signature that is not one of {card.name}")
    return found


def cross_check(chains: Sequence[Chain]) -> list[str]:
    """Check every chain, and the heads that each has of the others against those; gives a line for every defect.

    Names a node that removed, replaced or rewrote entries which another node had countersigned, and a node that
    gave an old head, after which its entries would have no countersignature.
    """
    found: list[str] = []
    by_name = {cards[0].name: (cards, entries) for cards, entries in chains}
    for cards, entries in chains:
        found += [f"{cards[0].name}: {line}" for line in verify(entries, cards)]
    jobs = {name: _first_of_jobs(entries) for name, (_, entries) in by_name.items()}
    for cards, entries in chains:
        last: dict[str, SignedHead] = {}
        for entry in entries:
            if entry.kind == HEAD_KIND:
                found += _check_countersigned(cards[0].name, entry, by_name, jobs, last)
            elif entry.kind == HEAD_ACCEPTED_KIND:
                last.pop(str(entry.details.get("node")), None)
    return found


def _first_of_jobs(entries: Sequence[Entry]) -> dict[str, int]:
    """The number of the first entry of each job in a chain."""
    found: dict[str, int] = {}
    for entry in entries:
        if entry.kind == JOB_KIND:
            found.setdefault(str(entry.details.get("job")), entry.number)
    return found


def _check_countersigned(
    holder: str, entry: Entry, chains: dict[str, Chain], jobs: dict[str, dict[str, int]], last: dict[str, SignedHead]
) -> list[str]:
    where = f"{holder}: entry {entry.number}"
    try:
        head = read_head(entry.details)
    except ValidationError:
        return [f"{where} holds no head"]
    before, last[head.node] = last.get(head.node), head
    if before is not None and (fault := head_fault(before, head)):
        return [f"{head.node}: {holder} holds signed heads that go back (entry {entry.number}): {fault}"]
    chain = chains.get(head.node)
    if chain is None:
        return []
    cards, entries = chain
    if not any(_signed(head, card) for card in cards):
        return [f"{where} holds a head that {head.node} did not sign"]
    if head.number == 0:
        return [] if head.hash == NO_HASH else [f"{where} holds a head of {head.node} that fits no chain"]
    if head.number > len(entries):
        return [
            f"{head.node}: its chain ends at entry {len(entries)}, but {holder} holds its signed head of entry "
            f"{head.number}: entries were removed"
        ]
    if entries[head.number - 1].hash != head.hash:
        return [f"{head.node}: entry {head.number} is not the one that it signed for {holder}: history was rewritten"]
    if job := entry.details.get("job"):
        taken = jobs[head.node].get(str(job))
        if taken is None:
            return [f"{head.node}: its chain has no entry of job {str(job)[:8]}, in which it took part with {holder}"]
        if taken > head.number:
            return [
                f"{head.node}: it took job {str(job)[:8]} in with entry {taken}, and showed {holder} entry "
                f"{head.number} as its newest after that: an old head"
            ]
    return []


def _signed(head: SignedHead, card: Card) -> bool:
    try:
        check_head(head, card)
    except IntegrityError:
        return False
    return True
