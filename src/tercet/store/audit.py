"""The audit chain: an append-only record, each entry bound to the one before it and signed by the node.

An entry's hash covers everything but its signature, and the hash of the entry before; the signature is over that hash.
Heads of the other nodes' chains are entries too, so that none can rewrite its history alone; `audit_check` compares.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import Field, StringConstraints
from sqlalchemy import Connection, insert, select

from tercet.errors import IntegrityError
from tercet.federation.api import PublicJson
from tercet.federation.api_peer import SignedHead
from tercet.federation.canonical import ascii_json
from tercet.federation.identifiers import Digest
from tercet.federation.identity import Card, KeyPurpose, Member, decode_base64url, encode_base64url
from tercet.federation.model import Body
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
                signature=encode_base64url(self._member.sign(KeyPurpose.AUDIT, bytes.fromhex(digest))),
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
            signature=encode_base64url(self._member.sign(KeyPurpose.HEAD, message)),
        )

    def countersign(self, connection: Connection, head: SignedHead, card: Card, job: str = "") -> Entry:
        """Write another node's head into this chain, after checking that it signed it, and that it is not an old one.

        Raises IntegrityError for a head that the node did not sign, that is lower than the last one written down of
        it, or of the same number and another hash: a chain only grows.
        """
        return self.append(connection, *self.checked_head(connection, head, card, job))

    def checked_head(self, connection: Connection, head: SignedHead, card: Card, job: str = "") -> Told:
        """As `countersign`, but gives the entry in place of appending it."""
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
                yield Entry.model_validate({**row._mapping, "details": json.loads(row.details)})
            if len(rows) < page:
                return
            start = rows[-1].number + 1
            left = None if left is None else left - page

    def of_kind(self, kind: str, limit: int = 100) -> list[Entry]:
        """The newest entries of a kind, newest first."""
        wanted = select(AUDIT).where(AUDIT.c.kind == kind).order_by(AUDIT.c.number.desc()).limit(limit)
        with self.catalogue.read() as connection:
            rows = connection.execute(wanted).all()
        return [Entry.model_validate({**row._mapping, "details": json.loads(row.details)}) for row in rows]


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
    try:
        signature = decode_base64url(head.signature)
    except ValueError:
        raise IntegrityError(f"the signature of a head of {head.node} is broken") from None
    card.verify(KeyPurpose.HEAD, head_message(head.node, head.number, head.hash, head.time, head.started), signature)


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
