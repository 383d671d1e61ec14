"""What rounds or lifts by a coin depends on the word alone: whichever stored share it has, and whoever works alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from model import words
from tercet.protocols.truncate import lift, truncate, truncate_exact
from tercet.ring import RING64
from tercet.sharing import PARTIES, Party, Share
from trio import Trio

RUNS = 20_000
FURTHEST = 45.0
"""Of chi-square with five degrees of freedom, about one in 10^8 lies beyond."""
SHIFT = 11
VALUES = [12_345_678, -(1 << 40) + 777, (1 << 62) + (1 << 61) + 12_345, (1 << 63) - 5]
OPERATIONS: dict[str, tuple[Callable[..., Any], Callable[[int, int], int]]] = {
    "rescale": (lambda s, x: truncate(s, x, SHIFT), lambda v, u: words.truncated(v, u, 64, SHIFT)),
    "rescale in one round": (
        lambda s, x: truncate(s, x, SHIFT, one_round=True),
        lambda v, u: words.truncated(v, u, 64, SHIFT),
    ),
    "round": (lambda s, x: truncate_exact(s, x, SHIFT, nearest=True), lambda v, u: words.floored(v, u, 64, SHIFT, 1)),
    "lift": (lift, words.lifted),
}


def fixed_share(value: int, seed: int, count: int) -> dict[Party, Share]:
    """One sharing of one word, as often as there are runs: what a stored share is in as many jobs."""
    rng = np.random.default_rng(seed)
    first, second = (int(n) for n in rng.integers(0, 1 << 63, 2))
    parts = [first, second, (value - first - second) % (1 << 64)]
    full = [np.full(count, part, np.uint64) for part in parts]
    return {p: Share(RING64, full[p - 1].copy(), full[p.next - 1].copy()) for p in PARTIES}


def law(value: int, function: Callable[[int, int], int]) -> Counter[int]:
    """How often each result comes, of uniform coins."""
    rng = np.random.default_rng(77)
    return Counter(function(value % (1 << 64), int.from_bytes(rng.bytes(8), "little")) for _ in range(RUNS))


def distance(one: Counter[int], other: Counter[int]) -> float:
    """Chi-square of two samples of one size; what is rare in both counts together."""
    names = [name for name in one | other if one[name] + other[name] >= 20]
    rare = [sum(count for name, count in sample.items() if name not in names) for sample in (one, other)]
    pairs = [(one[name], other[name]) for name in names] + ([(rare[0], rare[1])] if sum(rare) >= 20 else [])
    return sum((a - b) ** 2 / (a + b) for a, b in pairs)


@pytest.mark.parametrize("value", VALUES)
@pytest.mark.parametrize("name", sorted(OPERATIONS))
def test_the_law_is_that_of_the_word_alone(name: str, value: int) -> None:
    body, function = OPERATIONS[name]
    expected = law(value, function)
    assert len(expected) <= 6
    for seed in range(2):
        for solo in PARTIES:
            trio = Trio(10 * seed + solo, balance=False)
            results = trio.run(body, fixed_share(value, seed, RUNS), solo=solo)
            bits = results[solo].ring.bits
            got = Counter(int(v) % (1 << bits) for v in np.asarray(Trio.open(results), dtype=object))
            assert distance(got, expected) < FURTHEST, (solo, seed, got, expected)
