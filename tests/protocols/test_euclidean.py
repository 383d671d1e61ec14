"""Whole quotients and remainders at three parties: exact, whatever coins come."""

from __future__ import annotations

import random
from typing import Any

import pytest

from protocol_checks import SOLOS, open_words, points, run_counted
from tercet.protocols.euclidean import Euclidean, divide_whole, divide_whole_cost, euclidean
from trio import Trio


def check(s: Euclidean | None, a: list[int], b: list[int], seed: int = 1) -> None:
    """Both results are those of Python; bytes and rounds those declared."""
    assert s is not None
    for place in range(2):

        def of(scope: Any, x: Any, y: Any, place: int = place) -> Any:
            found = yield from divide_whole(scope, x, y, s)
            return found[place]

        trio = Trio(seed)
        shares = trio.share(s.ring, a), trio.share(s.ring, b)
        found = open_words(run_counted(trio, divide_whole_cost(len(a), s), of, *shares, solo=SOLOS[seed % 3]))
        assert found == [divmod(x, y)[place] if y else 0 for x, y in zip(a, b, strict=True)]


@pytest.mark.parametrize("seed", range(3))
def test_every_pair_of_small_numbers(seed: int) -> None:
    pairs = [(x, y) for x in range(-40, 41) for y in range(17)]
    a, b = ([pair[k] for pair in pairs] for k in range(2))
    check(euclidean(40, 0, 16, 64), a, b, seed)


CASES = {
    # |a|, least b, most b, ring: how often is divided
    "once": (10**6, 1, 1000, 64, 1),
    "twice": (10**9, 1, 10**6, 64, 2),
    "wide": ((1 << 62) - 1, 1, 1 << 61, 128, 2),
    "a large divisor": (1 << 61, 1 << 40, 1 << 59, 64, 1),
    "by zero": (1 << 30, 0, 1 << 20, 64, 2),
}


@pytest.mark.parametrize("name", CASES)
def test_large_ones(name: str) -> None:
    """Multiples and their neighbours, ends and powers of two: where the quotient changes."""
    largest, least, most, ring_bits, steps = CASES[name]
    s = euclidean(largest, least, most, ring_bits)
    assert s is not None and len(s.steps) == steps
    rng = random.Random(name)
    b = points(rng, least, most, 600)
    rng.shuffle(b)
    near = [max(-largest, min(largest, rng.randint(-largest // max(1, y), largest // max(1, y)) * y)) for y in b]
    a = [max(-largest, min(largest, x + k % 3 - 1)) for k, x in enumerate(near)]
    a[:300] = points(rng, -largest, largest, 300)[:300]
    check(s, a, b)


@pytest.mark.parametrize("size", [0, 1, 4000])
def test_pieces(size: int) -> None:
    rng = random.Random(size)
    a, b = [rng.randint(-1000, 1000) for _ in range(size)], [rng.randint(1, 50) for _ in range(size)]
    check(euclidean(1000, 1, 50, 64), a, b)
