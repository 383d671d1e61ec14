"""Bounds that are enforced: every word of the ring comes out within them, and those inside come out as they are."""

from __future__ import annotations

import numpy as np
import pytest

from protocol_checks import SOLOS, open_words, run_counted
from tercet.protocols.range_check import clip, clip_cost
from tercet.ring import RING64, RING128, Ring
from trio import Trio


def words_of(ring: Ring, lo: int, hi: int, count: int, rng: np.random.Generator) -> list[int]:
    """Signed words: the edges of bounds and ring, and anything."""
    top = 1 << ring.bits - 1
    edges = [lo, hi, lo - 1, hi + 1, lo + 1, hi - 1, 0, -1, 1, top - 1, -top, lo - top, hi - top, lo + top, top // 2]
    edges += [hi + top, top // 2 - 1, -top // 2, (lo + hi) // 2]
    edges += [int.from_bytes(rng.bytes(16), "little") for _ in range(max(0, count - len(edges)))]
    return [(v + top) % (2 * top) - top for v in edges][:count]


@pytest.mark.parametrize("ring", [RING64, RING128])
@pytest.mark.parametrize("bounds", [(0, 100), (-1, 1), (-1000, -7), (5, 5), (0, 0), "widest"])
@pytest.mark.parametrize("count", [1, 19, 70, 4000])
def test_every_word_is_drawn_in_and_costs_what_it_says(ring: Ring, bounds: tuple[int, int] | str, count: int) -> None:
    most = (1 << ring.bits - 2) - 1
    lo, hi = (-most, most) if isinstance(bounds, str) else bounds
    for solo in SOLOS:
        trio = Trio(count)
        values = words_of(ring, lo, hi, count, trio.rng)
        shares = trio.share(ring, np.array(values, dtype=object))
        results = run_counted(trio, clip_cost(ring, count), lambda scope, x: clip(scope, x, lo, hi), shares, solo=solo)
        # x - lo modulo the ring says whether a word is below, so that what is far above may count as below
        half = 1 << ring.bits - 1
        away = [(v - lo + half) % (2 * half) - half for v in values]
        assert open_words(results) == [lo if d < 0 else min(d, hi - lo) + lo for d in away]
        assert all(
            min(max(v, lo), hi) == w for v, w in zip(values, open_words(results), strict=True) if abs(v) <= most // 2
        )
