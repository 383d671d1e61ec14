"""What a job reads and keeps in a worker: columns and kept arrays, in the store's files, without the catalogue."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from tercet.engine.channel import JobChannel
from tercet.engine.failure import KEPT_BITS, KEPT_INSTANCES, RESERVED_INSTANCES
from tercet.engine.job import JobRun
from tercet.engine.scheduler import Scheduler
from tercet.errors import PlanError
from tercet.node.worker.messages import JobOrder, KeptOutput
from tercet.plan.types import read_type
from tercet.protocols.reshare import reshare
from tercet.protocols.scope import Scope
from tercet.sharing import PARTIES, BitShare, Party, Purpose, Share, Streams
from tercet.store.kept_files import read_kept, write_kept
from tercet.store.verified import Verified
from tercet.store.version import DatasetVersion

_SALT_BYTES = 16
_SALTS_INSTANCE = RESERVED_INSTANCES + (1 << 62)
"""Above the instances of reveals."""


class Inputs:
    """The stored arrays of one job, as the supervisor described them. Used in a worker."""

    def __init__(self, folder: str, party: Party, order: JobOrder, verified: Verified) -> None:
        self._folder = Path(folder)
        self._party = party
        self._versions = {
            name: DatasetVersion.load(self._folder, party, description, verified=verified)
            for name, description in order.datasets.items()
        }
        self._columns = {
            bytes.fromhex(item.handle): (self._versions[item.dataset], item.column) for item in order.columns
        }
        self._verified = verified
        self._kept = {bytes.fromhex(item.handle): item.kept for item in order.kept}

    def __repr__(self) -> str:
        return f"Inputs({len(self._columns)} columns, {len(self._kept)} kept arrays)"

    @property
    def label(self) -> bytes:
        """A hash of the generations and digests of all kept arrays that are read; workers compare it.

        A node that was restored from a backup may have shares from before a refresh. Together with the others' they are
        shares of another value.
        """
        arrays = (f"{kept['handle']} {kept['generation']} {kept['digests']}" for kept in self._kept.values())
        return hashlib.sha256("\n".join(sorted(arrays)).encode()).digest()

    @property
    def rows_of(self) -> dict[bytes, int]:
        """Rows of every column, by handle."""
        return {handle: version.rows for handle, (version, _) in self._columns.items()}

    def load(self, handle: bytes, start: int | None, stop: int | None) -> Share | BitShare:
        """Read an input, whole or its rows from start to stop. Raises what the store raises."""
        if handle in self._columns:
            version, column = self._columns[handle]
            return version.read(column, start or 0, stop)
        if handle not in self._kept:
            raise PlanError(f"array {handle.hex()} is not stored", hint="name it among the inputs of the job")
        value = read_kept(self._folder, self._party, self._kept[handle], verified=self._verified)
        return value if start is None and stop is None else value[start:stop]

    def add_up(self, handles: Iterable[bytes]) -> dict[bytes, Share]:
        """The sums over all rows of columns. Raises what the store raises."""
        columns: dict[str, dict[bytes, str]] = {}
        for handle in handles:
            version, column = self._columns[handle]
            columns.setdefault(version.name, {})[handle] = column
        found: dict[bytes, Share] = {}
        for name, wanted in columns.items():
            totals = self._versions[name].add_up(wanted.values())
            found |= {handle: totals[column] for handle, column in wanted.items()}
        return found


def salts(party: Party, streams: Streams, number: int) -> tuple[bytes, bytes]:
    """A salt of 16 bytes for each of this party's components, known only to the two holders of the component."""
    found = []
    for component in (party, party.next):
        salt = np.empty(_SALT_BYTES, np.uint8)
        streams.fill(component, _SALTS_INSTANCE + number, 1, Purpose.COIN, salt)
        found.append(salt.tobytes())
    return found[0], found[1]


def leave(
    run: JobRun,
    folder: str,
    keeps: Sequence[KeptOutput],
    values: Sequence[Share | BitShare],
    streams: Streams,
    channel: JobChannel,
) -> None:
    """Write the outputs that are kept, durable and not yet visible. Costs a round for each million of elements.

    They are reshared first (`protocols.reshare`). A result is often a stored column, or linear in some; without fresh
    shares, one node's file of the result and another node's files of the columns would give the values.
    """
    for number, keep in enumerate(keeps):

        def renewed(chunk: int, part: Share | BitShare, number: int = number) -> Share | BitShare:
            instance = KEPT_INSTANCES + (number << KEPT_BITS) + chunk
            fresh: list[Share | BitShare] = []
            scheduler = Scheduler(channel, run.timeout)
            scheduler.start(reshare(Scope(run.party, streams, channel, instance, solo=PARTIES[0]), part), fresh.append)
            scheduler.run()
            return fresh[0]

        kind = read_type(bytes.fromhex(keep.type_hex))
        own_salts = salts(run.party, streams, number)
        write_kept(Path(folder), run.party, keep.handle, kind, values[keep.index], own_salts, renewed)
