"""What every protocol test does: run at three parties, open, and hold the counted cost against the declared one."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import numpy as np

from tercet.protocols.cost import Cost
from tercet.ring import RING64, RING128
from tercet.sharing import PARTIES, BitShare, Party, Share
from trio import Trio

RINGS = [RING64, RING128]
SOLOS = list(PARTIES)
SCALES = [(16, 64), (20, 64), (24, 64), (40, 128)]
"""Fractional bits of functions, and the ring that takes them."""
DIGITS = 60
"""Of mpmath, in sweeps."""


def run_counted(
    trio: Trio, cost: Cost | None, body: Callable[..., Any], *inputs: Any, solo: Party | None = None
) -> dict[Party, Any]:
    """The results at the three parties; what was counted equals `cost`."""
    results = trio.run(body, *inputs, solo=solo)
    if cost is not None:
        assert (trio.rounds, trio.total_bytes) == (cost.rounds, cost.total_bytes)
    return results


def check_that_elements_stand_alone(body: Callable[..., Any], operands: int = 1) -> None:
    """Whatever the words of other elements are, and however false their bounds: with the same draws it is the same
    word."""
    kept, seen = [3 << 15, (1 << 63) - 5, 77], []
    for seed in range(3):
        trio = Trio(11)
        given = [trio.share(RING64, [*kept, *[0] * 30]) for _ in range(operands)]
        others = np.random.default_rng(seed).integers(0, 1 << 63, 30).astype(np.uint64)
        for shares in given:
            for party in PARTIES:
                own, following = shares[party].own.copy(), shares[party].next.copy()
                # one component of the others is another one; the draws and all else are the same
                if party == PARTIES[0]:
                    own[len(kept) :] = others
                if party.next == PARTIES[0]:
                    following[len(kept) :] = others
                shares[party] = Share(RING64, own, following)
        seen.append(open_words(trio.run(body, *given, solo=PARTIES[0]))[: len(kept)])
    assert seen[0] == seen[1] == seen[2]


def open_words(parts: dict[Party, Share]) -> list[int]:
    return [int(value) for value in np.asarray(Trio.open(parts), dtype=object).reshape(-1)]


def open_planes(parts: dict[Party, BitShare]) -> np.ndarray:
    """Booleans (lead..., count) of a sharing of planes."""
    lead = parts[PARTIES[0]].own.shape[:-1]
    rows = [
        Trio.open_bits({p: BitShare(part.count, part.own[index], part.next[index]) for p, part in parts.items()})
        for index in np.ndindex(*lead)
    ]
    return np.array(rows).reshape(*lead, -1)


def signed(value: int, bits: int) -> int:
    """`value` modulo 2^bits, read in two's complement."""
    value %= 1 << bits
    return value - (1 << bits) if value >> (bits - 1) else value


def range_values(rng: np.random.Generator, bits: int, count: int) -> list[int]:
    """Signed integers of `bits` bits: the ends, around 0, around powers of two, random ones of every size."""
    top = 1 << (bits - 1)
    edges = {0, 1, -1, top - 1, -top, top - 2, 1 - top, top >> 1, -(top >> 1), (top >> 1) - 1, 1 - (top >> 1)}
    edges |= {sign * (1 << k) + d for k in range(bits - 1) for sign in (1, -1) for d in (-1, 0, 1)}
    values = sorted(value for value in edges if -top <= value < top)
    if len(values) > count:
        values = [*values[:: len(values) // count + 1], 0, top - 1, -top]
    while len(values) < count:
        size = int(rng.integers(1, bits + 1))
        values.append(signed(int.from_bytes(rng.bytes(16), "little") % (1 << size), bits))
    return values[:count]


def points(rng: random.Random, lo: int, hi: int, count: int) -> list[int]:
    """Both ends and beside, 0 and beside, powers of two and beside, dense ones of every size."""
    found = {lo, lo + 1, hi, hi - 1, 0, 1, 2, 3, -1, -2}
    for sign in (1, -1):
        for k in range(max(-lo, hi).bit_length()):
            found |= {sign * (1 << k) + d for d in (-1, 0, 1)}
    found = {value for value in found if lo <= value <= hi}
    while len(found) < count:
        size = rng.randint(1, max(-lo, hi).bit_length())
        value = rng.getrandbits(size) * rng.choice((1, -1)) if rng.random() < 0.5 else rng.randint(lo, hi)
        if lo <= value <= hi:
            found.add(value)
    return sorted(found)
