"""What a job reads and what it leaves: columns and kept arrays from the store's files, without the catalogue."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np

from tercet.engine.failure import RESERVED_INSTANCES
from tercet.errors import PlanError
from tercet.node.lane_messages import JobOrder, KeptOutput
from tercet.node.language import read_type
from tercet.sharing import BitShare, Party, Purpose, Share, Streams
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
    """16 bytes for each of this party's components, which only the two holders of that component have."""
    found = []
    for component in (party, party.next):
        salt = np.empty(_SALT_BYTES, np.uint8)
        streams.fill(component, _SALTS_INSTANCE + number, 1, Purpose.COIN, salt)
        found.append(salt.tobytes())
    return found[0], found[1]


def leave(folder: str, party: Party, keep: KeptOutput, value: Share | BitShare, streams: Streams, number: int) -> None:
    """Write an output that is kept, durable and not yet visible."""
    kind = read_type(bytes.fromhex(keep.type_hex))
    write_kept(Path(folder), party, keep.handle, kind, value, salts(party, streams, number))
