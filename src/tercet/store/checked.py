"""Chunks of an upload whose values were checked while the owner was still sending the others."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass, field

from sqlalchemy import Connection, delete, insert, select

from tercet.federation.canonical import ascii_json
from tercet.sharing import PARTIES, Party
from tercet.store.catalogue import Catalogue
from tercet.store.stamps import PROTOCOL
from tercet.store.tables import CHECKS, UPLOADS


@dataclass(frozen=True, slots=True)
class CheckedChunk:
    """The result of checking one chunk at this node; `part` and `digests` name the components that were checked.

    The tags of one chunk from different runs do not belong together: `run` tells them apart. Digests are of components
    1, 2 and 3; `own` and `next` are this node's components of the tag.
    """

    chunk: int
    run: str
    part: str
    digests: tuple[str, str, str]
    own: bytes = field(repr=False)
    next: bytes = field(repr=False)

    def held_by(self, party: Party) -> tuple[str, str]:
        """The digests of the two components that this party has."""
        return self.digests[party - 1], self.digests[party.next - 1]


class CheckedChunks:
    """Called by the supervisor. Threads may use it at once."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._catalogue = catalogue

    def __repr__(self) -> str:
        return "CheckedChunks()"

    def of(self, upload: str, first: int = 0, last: int = 1 << 30) -> dict[int, CheckedChunk]:
        """Chunks first to last (included), by number; those that another protocol checked count as unchecked."""
        wanted = select(CHECKS).where(
            CHECKS.c.upload == upload,
            CHECKS.c.chunk >= first,
            CHECKS.c.chunk <= last,
            CHECKS.c.protocol == PROTOCOL,
        )
        with self._catalogue.read() as connection:
            rows = connection.execute(wanted.order_by(CHECKS.c.chunk)).all()
        found = {}
        for row in rows:
            one, two, three = json.loads(row.digests)
            found[row.chunk] = CheckedChunk(row.chunk, row.run, row.part, (one, two, three), row.own, row.next)
        return found

    def put(self, upload: str, chunks: Iterable[CheckedChunk]) -> None:
        """Store results, in place of earlier ones of these chunks. Does nothing if the upload is no longer open."""
        with self._catalogue.write() as connection:
            state = connection.execute(select(UPLOADS.c.state).where(UPLOADS.c.upload == upload)).scalar()
            if state not in ("open", "prepared"):
                return
            for chunk in chunks:
                connection.execute(delete(CHECKS).where(CHECKS.c.upload == upload, CHECKS.c.chunk == chunk.chunk))
                connection.execute(
                    insert(CHECKS).values(
                        upload=upload,
                        chunk=chunk.chunk,
                        run=chunk.run,
                        part=chunk.part,
                        digests=ascii_json(list(chunk.digests)).decode(),
                        own=chunk.own,
                        next=chunk.next,
                        protocol=PROTOCOL,
                    )
                )


def clear_checks(connection: Connection, upload: str) -> None:
    """Delete the results of an upload that was committed or discarded."""
    connection.execute(delete(CHECKS).where(CHECKS.c.upload == upload))


def chunks_digest(chunks: Iterable[CheckedChunk]) -> str:
    """A hash of chunks and of the runs that checked them. Where it differs between nodes, tags do not fit together."""
    found = hashlib.sha256(b"tercet/1 checked chunks\0")
    for chunk in chunks:
        found.update(ascii_json([chunk.chunk, chunk.run, chunk.part, list(chunk.digests)]) + b"\n")
    return found.hexdigest()


def triple(pairs: dict[Party, tuple[str, str]]) -> tuple[str, str, str] | None:
    """The digests of components 1, 2 and 3 from what each party says of its own and next; None where copies differ."""
    if any(pairs[party.prev][1] != pairs[party][0] for party in PARTIES):
        return None
    return pairs[Party.P1][0], pairs[Party.P2][0], pairs[Party.P3][0]
