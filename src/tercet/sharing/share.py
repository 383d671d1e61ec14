"""The three parties, what one of them holds of a secret array, and how the three parts are made and put together."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any

from tercet.errors import IntegrityError
from tercet.ring import Array, Bits, Ring, as_bits, bytes_view, contiguous, empty_bits, word_count
from tercet.sharing.streams import UPLOAD_SEED_BYTES, expand_seed


class Party(IntEnum):
    """Party i holds components (x_i, x_next(i)); component i is also known to prev(i)."""

    P1 = 1
    P2 = 2
    P3 = 3

    @property
    def next(self) -> Party:
        return _NEXT[self]

    @property
    def prev(self) -> Party:
        return _PREV[self]


PARTIES = (Party.P1, Party.P2, Party.P3)
AROUND = (PARTIES, PARTIES, (Party.P2, Party.P3, Party.P1), (Party.P3, Party.P1, Party.P2))
"""By party: the party itself, its next and its prev."""
_NEXT = (Party.P1, Party.P2, Party.P3, Party.P1)
_PREV = (Party.P1, Party.P3, Party.P1, Party.P2)


@dataclass(slots=True, eq=False)
class Share:
    """Party i's part of an additively shared array: components own = x_i and next = x_{i+1}, x = x_1 + x_2 + x_3."""

    ring: Ring
    own: Array = field(repr=False)
    next: Array = field(repr=False)

    @property
    def shape(self) -> tuple[int, ...]:
        return self.own.shape

    @property
    def size(self) -> int:
        return self.own.size

    @classmethod
    def empty(cls, ring: Ring, shape: tuple[int, ...]) -> Share:
        return cls(ring, ring.empty(shape), ring.empty(shape))

    def flat(self) -> Share:
        if self.own.ndim == 1 and self.own.flags.c_contiguous and self.next.flags.c_contiguous:
            return self
        return Share(self.ring, contiguous(self.own).reshape(-1), contiguous(self.next).reshape(-1))

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
    own: Bits = field(repr=False)
    next: Bits = field(repr=False)

    @property
    def shape(self) -> tuple[int, ...]:
        return self.own.shape

    @classmethod
    def empty(cls, count: int, lead: tuple[int, ...] = ()) -> BitShare:
        shape = (*lead, word_count(count))
        return cls(count, empty_bits(shape), empty_bits(shape))

    def __getitem__(self, key: Any) -> BitShare:
        """Index the leading axes only."""
        return BitShare(self.count, self.own[key], self.next[key])


@dataclass(frozen=True, slots=True)
class Upload:
    """What an owner sends for one array: component k goes to parties k and prev(k), each as a seed or as bytes."""

    components: tuple[bytes | memoryview, bytes | memoryview, bytes | memoryview] = field(repr=False)
    explicit: Party

    def part(self, party: Party) -> tuple[bytes | memoryview, bytes | memoryview]:
        return self.components[party - 1], self.components[party.next - 1]


def split(words: Array, ring: Ring, explicit: Party = Party.P3) -> Upload:
    """Split an array of ring words into two 24-byte seeds and one explicit component.

    Called by the owner. Each party misses one component, which is uniform given the other two as far as AES in counter
    mode is. Upload: 128 bits an element and four seeds.
    """
    seeds = _fresh_seeds(explicit)
    rest = words.reshape(-1)
    for seed in seeds.values():
        rest = ring.sub(rest, ring.from_bytes(expand_seed(seed, words.nbytes), rest.shape))
    return _upload(ring.as_bytes(rest), seeds, explicit)


def split_bits(packed: Bits, explicit: Party = Party.P3) -> Upload:
    """Split packed bits by XOR; as `split`."""
    seeds = _fresh_seeds(explicit)
    rest = packed.reshape(-1).copy()
    for seed in seeds.values():
        rest ^= as_bits(expand_seed(seed, rest.nbytes))
    return _upload(bytes_view(rest).data, seeds, explicit)


def _fresh_seeds(explicit: Party) -> dict[Party, bytes]:
    return {party: secrets.token_bytes(UPLOAD_SEED_BYTES) for party in PARTIES if party is not explicit}


def _upload(rest: memoryview, seeds: dict[Party, bytes], explicit: Party) -> Upload:
    first, second, third = (rest if party is explicit else seeds[party] for party in PARTIES)
    return Upload((first, second, third), explicit)


def check_doubly_held(digests: Sequence[tuple[bytes, bytes]], what: str, nodes: Sequence[str] | None = None) -> None:
    """Compare each component's hash as its two holders gave it: digests[i-1] = party i's (own, next).

    Raises IntegrityError naming the two that differ, by the names of their nodes (`nodes`, in the order of parties) if
    they have names.
    """
    for party in PARTIES:
        if digests[party.prev - 1][1] != digests[party - 1][0]:
            if nodes is None:
                holders = f"parties {int(party.prev)} and {int(party)}"
            else:
                holders = f"nodes {nodes[party.prev - 1]} and {nodes[party - 1]}"
            raise IntegrityError(
                f"{holders} hold different copies of component {int(party)} of {what}",
                hint="one of them is faulty or lying; do not use the result",
            )
