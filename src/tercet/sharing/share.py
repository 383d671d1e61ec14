"""What one party holds of a secret array, and how the three parts are made and put together."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tercet.errors import IntegrityError
from tercet.ring import Ring
from tercet.sharing.party import PARTIES, Party
from tercet.sharing.streams import KEY_BYTES, expand_seed

Words = NDArray[Any]


@dataclass(slots=True, eq=False)
class Share:
    """Party i's part of an additively shared array: components own = x_i and next = x_{i+1}, x = x_1 + x_2 + x_3."""

    ring: Ring
    own: Words = field(repr=False)
    next: Words = field(repr=False)

    @property
    def shape(self) -> tuple[int, ...]:
        return self.own.shape

    @property
    def size(self) -> int:
        return self.own.size

    @classmethod
    def empty(cls, ring: Ring, shape: tuple[int, ...]) -> Share:
        return cls(ring, np.empty(shape, ring.dtype), np.empty(shape, ring.dtype))

    def flat(self) -> Share:
        if self.own.ndim == 1 and self.own.flags.c_contiguous and self.next.flags.c_contiguous:
            return self
        return Share(self.ring, np.ascontiguousarray(self.own).reshape(-1), np.ascontiguousarray(self.next).reshape(-1))

    def reshape(self, shape: tuple[int, ...]) -> Share:
        if shape == self.own.shape:
            return self
        return Share(self.ring, self.own.reshape(shape), self.next.reshape(shape))

    def __getitem__(self, key: Any) -> Share:
        return Share(self.ring, self.own[key], self.next[key])


@dataclass(slots=True, eq=False)
class BitShare:
    """Party i's part of an XOR-shared array of bits, packed 64 to a word: component arrays (..., words).

    `count` is the number of bits in the last axis; bits beyond it in the last word carry no meaning.
    """

    count: int
    own: NDArray[np.uint64] = field(repr=False)
    next: NDArray[np.uint64] = field(repr=False)

    @property
    def shape(self) -> tuple[int, ...]:
        return self.own.shape

    @classmethod
    def empty(cls, count: int, lead: tuple[int, ...] = ()) -> BitShare:
        shape = (*lead, word_count(count))
        return cls(count, np.empty(shape, np.uint64), np.empty(shape, np.uint64))

    def __getitem__(self, key: Any) -> BitShare:
        """Index the leading axes only."""
        return BitShare(self.count, self.own[key], self.next[key])


def word_count(bits: int) -> int:
    """How many 64-bit words hold `bits` packed bits."""
    return (bits + 63) // 64


@dataclass(frozen=True, slots=True)
class Upload:
    """What an owner sends for one array: component k goes to parties k and prev(k), each as a seed or as bytes."""

    components: tuple[bytes | memoryview, bytes | memoryview, bytes | memoryview] = field(repr=False)
    explicit: Party

    def part(self, party: Party) -> tuple[bytes | memoryview, bytes | memoryview]:
        return self.components[party - 1], self.components[party.next - 1]


def split(words: Words, ring: Ring, explicit: Party = Party.P3) -> Upload:
    """Split an array of ring words into two 16-byte seeds and one explicit component.

    Called by the owner. Perfectly hiding up to AES: each party misses one component, which is uniform given the other
    two. Upload: 128 bits an element and four seeds.
    """
    seeds = {party: secrets.token_bytes(KEY_BYTES) for party in PARTIES if party is not explicit}
    rest = words.reshape(-1)
    for seed in seeds.values():
        rest = ring.sub(rest, ring.from_bytes(expand_seed(seed, words.nbytes), rest.shape))
    parts: list[bytes | memoryview] = [ring.as_bytes(rest) if party is explicit else seeds[party] for party in PARTIES]
    return Upload((parts[0], parts[1], parts[2]), explicit)


def split_bits(packed: NDArray[np.uint64], explicit: Party = Party.P3) -> Upload:
    """Split packed bits by XOR; as `split`."""
    seeds = {party: secrets.token_bytes(KEY_BYTES) for party in PARTIES if party is not explicit}
    rest = packed.reshape(-1).copy()
    for seed in seeds.values():
        rest ^= expand_seed(seed, rest.nbytes).view(np.uint64)
    parts: list[bytes | memoryview] = [
        rest.view(np.uint8).data if party is explicit else seeds[party] for party in PARTIES
    ]
    return Upload((parts[0], parts[1], parts[2]), explicit)


def check_doubly_held(digests: Sequence[tuple[bytes, bytes]], what: str) -> None:
    """Compare each component's hash as its two holders gave it: digests[i-1] = party i's (own, next).

    Raises IntegrityError naming the two nodes that differ.
    """
    for party in PARTIES:
        if digests[party.prev - 1][1] != digests[party - 1][0]:
            raise IntegrityError(
                f"parties {int(party.prev)} and {int(party)} hold different copies of component {int(party)} of {what}",
                hint="one of them is faulty or lying; do not use the result",
            )
