"""Reads the components that nodes store from their disks, for the demo, and how their words are distributed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tercet.sharing import PARTIES, Party

SAMPLE_DIGITS = 16
BINS = 16


@dataclass(frozen=True)
class Component:
    """One of the three components of a column, as the two nodes that hold it have it."""

    number: int
    holders: tuple[Party, Party]
    sample: str = field(repr=False)
    """The beginning of the first word, in hexadecimal."""
    one_bits: float
    """The part of all bits that are set: one half, if the words are uniform."""
    histogram: NDArray[np.int64] = field(repr=False)
    """How many words lie in each of BINS equal parts of the ring."""

    @classmethod
    def of(cls, party: Party, payload: bytes, word_bytes: int) -> Component:
        """The component that `party` holds as its own, from the bytes of its words."""
        words = [payload[at : at + word_bytes] for at in range(0, len(payload), word_bytes)]
        tops = np.array([int.from_bytes(word[-4:], "little") for word in words], np.int64)
        return cls(
            int(party),
            (party.prev, party),
            words[0][::-1].hex()[:SAMPLE_DIGITS],
            float(np.unpackbits(np.frombuffer(payload, np.uint8)).mean()),
            np.histogram(tops, BINS, (0, 1 << 32))[0],
        )


def held_by_nodes(folders: Sequence[Path], dataset: str, column: str) -> tuple[Component, ...]:
    """Read a numeric column of a dataset from the disk of each node, in the order of the parties.

    Only whoever has all three machines can do that; the demo has.
    """
    from tercet.node.settings import NodeSettings
    from tercet.sharing import Share
    from tercet.store.catalogue import Catalogue
    from tercet.store.datasets import Datasets

    found = []
    for party, folder in zip(PARTIES, folders, strict=True):
        settings = NodeSettings.load(folder / "node.toml")
        catalogue = Catalogue(settings.database_url)
        try:
            share = Datasets(catalogue, settings.folder_path, party).get(dataset).read(column)
        finally:
            catalogue.close()
        assert isinstance(share, Share), "a column of numbers"
        found.append(Component.of(party, np.ascontiguousarray(share.own).tobytes(), share.ring.word_bytes))
    return tuple(found)


def distribution(values: NDArray[np.float64], bounds: tuple[float, float]) -> NDArray[np.int64]:
    """How many values lie in each of BINS equal parts of the declared range; no node sees this."""
    return np.histogram(values, BINS, bounds)[0]
