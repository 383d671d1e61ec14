"""What servers see of an owner's rows: the words of the components they are sent, and how those are distributed."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from tercet.cli.tables import FloatArray
from tercet.client import encode_array
from tercet.ring import ring
from tercet.sharing import PARTIES, Party, expand_seed, split

SAMPLE_DIGITS = 16
BINS = 16


@dataclass(frozen=True)
class Component:
    """One of the three components of an owner's array, as the two servers that are sent it see it."""

    number: int
    holders: tuple[Party, Party]
    sample: str = field(repr=False)
    """The beginning of the first word, in hexadecimal."""
    one_bits: float
    """The part of all bits that are set: one half, if the words are uniform."""
    histogram: NDArray[np.int64] = field(repr=False)
    """How many words lie in each of BINS equal parts of the ring."""


@dataclass(frozen=True)
class Seen:
    """The rows of one owner, and the components sent for them."""

    components: tuple[Component, ...]
    plain_histogram: NDArray[np.int64] = field(repr=False)
    """How many values lie in each of BINS equal parts of the declared range; no server sees this."""


def seen_by_servers(values: FloatArray, bounds: tuple[float, float], frac_bits: int) -> Seen:
    """Split an array as a session does, and look at what is sent. Called where the data is."""
    encoded = encode_array(values, bounds, frac_bits)
    here = ring(encoded.type.ring)
    upload = split(encoded.words, here)
    nbytes = encoded.words.nbytes
    components = []
    for party, part in zip(PARTIES, upload.components, strict=True):
        payload = bytes(part) if party is upload.explicit else expand_seed(bytes(part), nbytes).tobytes()
        words = [payload[at : at + here.word_bytes] for at in range(0, nbytes, here.word_bytes)]
        tops = np.array([int.from_bytes(word[-4:], "little") for word in words], np.int64)
        components.append(
            Component(
                int(party),
                (party.prev, party),
                words[0][::-1].hex()[:SAMPLE_DIGITS],
                float(np.unpackbits(np.frombuffer(payload, np.uint8)).mean()),
                np.histogram(tops, BINS, (0, 1 << 32))[0],
            )
        )
    return Seen(tuple(components), np.histogram(values, BINS, bounds)[0])
