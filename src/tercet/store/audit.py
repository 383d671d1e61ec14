"""The audit chain: an append-only record, each entry bound to the one before it and signed by the node.

An entry's hash covers everything but its signature, and the hash of the entry before; the signature is over that hash.
Heads of the other nodes' chains are entries too, so that none can rewrite its history alone; `verify` and `cross_check`
check exported chains offline.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing
from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import Field, StringConstraints, ValidationError
from sqlalchemy import Connection, Row, insert, select

from tercet.errors import InputError, IntegrityError
from tercet.federation.api import PublicJson
from tercet.federation.api_peer import SignedHead
from tercet.federation.identity import Card, KeyPurpose, Member
from tercet.federation.model import Body, Digest, ascii_json, faults
from tercet.store.catalogue import Catalogue
from tercet.store.tables import AUDIT

NO_HASH = "0" * 64
"""The previous hash of the first entry."""
HEAD_KIND = "head"
JOB_KIND = "job"
"""The kind of the entry that a node writes when it accepts or refuses a job, before it gives a head for the job."""
HEAD_ACCEPTED_KIND = "head accepted"
"""An operator accepts the next head of a node even if it is lower, since that node was restored from a backup."""
EQUIVOCATION_KIND = "equivocation"
"""The coordinator signed two different verdicts on one change. The entry has both."""
MAX_DETAILS_BYTES = 1 << 16
_PAGE = 500
_LAST = select(AUDIT.c.number, AUDIT.c.hash).order_by(AUDIT.c.number.desc()).limit(1)
_HEADS = (
    select(AUDIT.c.kind, AUDIT.c.details)
    .where(AUDIT.c.kind.in_((HEAD_KIND, HEAD_ACCEPTED_KIND)))
    .order_by(AUDIT.c.number.desc())
    .execution_options(yield_per=8)
)
_INSERT = insert(AUDIT)

Told = tuple[str, dict[str, Any]]
"""Kind and details of an entry that is to be appended."""


class Entry(Body):
    """One entry, as it is exported. `number` counts from 1; `time` is UTC; `signer` the fingerprint of the node."""

    number: Annotated[int, Field(ge=1)]
    time: Annotated[str, StringConstraints(pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$")]
    kind: Annotated[str, StringConstraints(pattern=r"^[a-z][a-z0-9 _.-]{0,63}$")]
    details: PublicJson
    prev: Digest
    hash: Digest
    signer: Digest
    signature: Annotated[str, StringConstraints(max_length=88)]

    def computed_hash(self) -> str:
        """The hash that the entry must have."""
        return entry_hash(self.number, self.time, self.kind, self.details, self.prev, self.signer)


Chain = tuple[Sequence[Card], Sequence[Entry]]
"""A node's cards (today's, and earlier ones where it has renewed its identity), and its whole chain."""


class Audit:
    """Called by everything that changes or decides something at the node. Threads may use it at once."""

    def __init__(self, catalogue: Catalogue, member: Member, *, clock: Callable[[], float] = time.time) -> None:
        """`clock`: unix seconds."""
        self.catalogue = catalogue
        self._member = member
        self._clock = clock
        self._started = clock()

    def __repr__(self) -> str:
        return f"Audit({self._member.name})"

    def append(self, connection: Connection, kind: str, details: dict[str, Any]) -> Entry:
        """Add an entry, in the write transaction (`catalogue.write()`) of what it reports: both are there or neither.

        `details` is JSON data of at most 64 KiB, without anything secret. Costs a signature and a row.
        """
        return self.append_all(connection, [(kind, details)])[0]

    def append_all(self, connection: Connection, told: Sequence[Told]) -> list[Entry]:
        """As `append`, several in this order: the end of the chain is looked up once, and written to once."""
        last = connection.execute(_LAST).first()
        number, prev = (last.number, last.hash) if last is not None else (0, NO_HASH)
        signer, entries, rows = self._member.card.fingerprint, [], []
        for kind, details in told:
            text = ascii_json(details)
            if len(text) > MAX_DETAILS_BYTES:
                raise ValueError(f"the details of an audit entry have {len(text)} bytes")
            number += 1
            moment = timestamp(self._clock())
            digest = entry_hash(number, moment, kind, details, prev, signer)
            entry = Entry(
                number=number,
                time=moment,
                kind=kind,
                details=json.loads(text),
                prev=prev,
                hash=digest,
                signer=signer,
                signature=self._member.sign_text(KeyPurpose.AUDIT, bytes.fromhex(digest)),
            )
            entries.append(entry)
            rows.append({**entry.model_dump(exclude={"details"}), "details": text.decode()})
            prev = digest
        connection.execute(_INSERT, rows)
        return entries

    def record(self, kind: str, details: dict[str, Any]) -> Entry:
        """Add an entry in a transaction of its own: for what changes nothing in the catalogue."""
        with self.catalogue.write() as connection:
            return self.append(connection, kind, details)

    def head(self) -> SignedHead:
        """How far the chain goes, signed for the other nodes; number 0 and zeros for an empty chain."""
        with self.catalogue.read() as connection:
            last = connection.execute(_LAST).first()
        number, digest = (last.number, last.hash) if last is not None else (0, NO_HASH)
        name, moment = self._member.name, self._clock()
        message = head_message(name, number, digest, moment, self._started)
        return SignedHead(
            node=name,
            number=number,
            hash=digest,
            time=moment,
            started=self._started,
            signature=self._member.sign_text(KeyPurpose.HEAD, message),
        )

    def checked_head(self, connection: Connection, head: SignedHead, card: Card, job: str = "") -> Told:
        """The entry with another node's head, after checking that it signed it, and that it is not an old one.

        Raises IntegrityError for a head that the node did not sign, that is lower than the last one in this chain, or
        of the same number and another hash: a chain only grows.
        """
        check_head(head, card)
        last = self._last_head(connection, head.node)
        if last is not None and (fault := head_fault(last, head)):
            raise IntegrityError(fault, hint="compare the audits of the nodes: tercet audit verify; nothing was run")
        return HEAD_KIND, {**head.model_dump(mode="json"), "job": job}

    def last_head(self, node: str) -> SignedHead | None:
        """The head of another node that this chain has last; None if there is none, or the next one is to be taken."""
        with self.catalogue.read() as connection:
            return self._last_head(connection, node)

    def hash_of(self, number: int) -> str | None:
        """The hash of one entry of this chain; None if there is none."""
        with self.catalogue.read() as connection:
            found: str | None = connection.execute(select(AUDIT.c.hash).where(AUDIT.c.number == number)).scalar()
        return found

    def _last_head(self, connection: Connection, node: str) -> SignedHead | None:
        """The newest head of another node in this chain; there is one for every job, so it is a recent one."""
        with closing(connection.execute(_HEADS)) as rows:
            for kind, text in rows:
                details = json.loads(text)
                if details.get("node") == node:
                    return read_head(details) if kind == HEAD_KIND else None
        return None

    def entries(self, start: int = 1, limit: int | None = None) -> Iterator[Entry]:
        """Entries from number `start` on, oldest first; read in pages."""
        left = limit
        while left is None or left > 0:
            page = _PAGE if left is None else min(_PAGE, left)
            with self.catalogue.read() as connection:
                rows = connection.execute(
                    select(AUDIT).where(AUDIT.c.number >= start).order_by(AUDIT.c.number).limit(page)
                ).all()
            for row in rows:
                yield _entry(row)
            if len(rows) < page:
                return
            start = rows[-1].number + 1
            left = None if left is None else left - page

    def of_kind(self, kind: str, limit: int = 100) -> list[Entry]:
        """The newest entries of a kind, newest first."""
        wanted = select(AUDIT).where(AUDIT.c.kind == kind).order_by(AUDIT.c.number.desc()).limit(limit)
        with self.catalogue.read() as connection:
            rows = connection.execute(wanted).all()
        return [_entry(row) for row in rows]


def _entry(row: Row[Any]) -> Entry:
    return Entry.model_validate({**row._mapping, "details": json.loads(row.details)})


def entry_hash(number: int, moment: str, kind: str, details: dict[str, Any], prev: str, signer: str) -> str:
    """SHA-256 over the canonical text of an entry."""
    facts = {"number": number, "time": moment, "kind": kind, "details": details, "prev": prev, "signer": signer}
    return hashlib.sha256(b"tercet/1 audit\0" + ascii_json(facts)).hexdigest()


def head_message(node: str, number: int, digest: str, moment: float, started: float) -> bytes:
    """What a node signs of its chain's head."""
    return ascii_json({"node": node, "number": number, "hash": digest, "time": moment, "started": started})


def check_head(head: SignedHead, card: Card) -> None:
    """Raise IntegrityError unless that member signed this head."""
    if head.node != card.name:
        raise IntegrityError(f"this is a head of {head.node}, not of {card.name}")
    message = head_message(head.node, head.number, head.hash, head.time, head.started)
    card.verify_text(KeyPurpose.HEAD, message, head.signature)


def read_head(details: dict[str, Any]) -> SignedHead:
    """The head in the details of an entry of kind `HEAD_KIND`. Raises ValidationError."""
    return SignedHead.model_validate({name: value for name, value in details.items() if name != "job"})


def head_fault(last: SignedHead, head: SignedHead) -> str:
    """Why a head cannot follow another of the same node; empty if it can."""
    if head.number < last.number:
        return (
            f"{head.node} shows entry {head.number:,} as the newest of its audit, after it showed entry "
            f"{last.number:,}: an old head"
        )
    if head.number == last.number and head.hash != last.hash:
        return f"{head.node} shows two different entries {head.number:,} of its audit: history was rewritten"
    return ""


def timestamp(moment: float) -> str:
    """Unix seconds as UTC in ISO 8601, with microseconds: sorts as it reads."""
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


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
            card.verify_text(KeyPurpose.AUDIT, bytes.fromhex(entry.hash), entry.signature)
        except IntegrityError:
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
