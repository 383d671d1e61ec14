"""Matrix products modulo 2^16 that are lifted: exact, as cheap as they say, and nothing seen."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pytest

from protocol_checks import SOLOS, open_words, run_counted
from tercet.protocols import narrow
from tercet.protocols.narrow import (
    MOST,
    NARROW_BITS,
    matrix_product_narrow,
    matrix_product_narrow_cost,
    narrow_split,
    widen_split,
)
from tercet.protocols.product import Split
from tercet.protocols.scope import Body, Scope
from tercet.ring import RING64
from tercet.sharing import PARTIES, Party, Share
from tiny_ring import TinyRing, opened, tiny_views
from trio import Trio

SHAPES = [
    ((2, 1), (1, 3)),
    ((5, 101), (101, 31)),
    ((200, 33), (33, 5)),
    ((3, 33), (33, 250)),
    ((2, 3, 40), (40, 2)),
    ((2, 1, 4, 31), (3, 31, 2)),
    ((2, 0), (0, 3)),
    ((0, 20), (20, 3)),
]


@pytest.mark.parametrize("solo", SOLOS)
@pytest.mark.parametrize("shapes", SHAPES)
def test_the_product_is_exact_and_costs_what_it_says(
    shapes: tuple[tuple[int, ...], tuple[int, ...]], solo: Party
) -> None:
    trio = Trio(41)
    x, y = (trio.rng.integers(-12, 13, shape) for shape in shapes)
    cost = matrix_product_narrow_cost(*shapes)
    results = run_counted(trio, cost, matrix_product_narrow, trio.share(RING64, x), trio.share(RING64, y), solo=solo)
    want = np.matmul(x, y)
    assert results[solo].shape == want.shape
    assert open_words(results) == [int(value) for value in want.reshape(-1)]


@pytest.mark.parametrize("sign", [1, -1])
def test_all_at_the_end_of_the_range(sign: int) -> None:
    """Results as near to 2^14 as any, for words of shares anywhere."""
    for seed in range(30):
        trio = Trio(seed)
        x, y = np.full((40, 129), 127), np.full((129, 2), sign)
        assert MOST - 1 == 127 * 129
        results = trio.run(matrix_product_narrow, trio.share(RING64, x), trio.share(RING64, y))
        assert set(open_words(results)) == {sign * (MOST - 1)}


def test_what_is_sent() -> None:
    """240 bits for each result; so 80 a party, where the product modulo 2^64 takes 64."""
    cost = matrix_product_narrow_cost((1000, 12_800), (12_800, 30))
    assert (cost.rounds, cost.total_bytes * 8) == (2, 240 * 30_000)
    assert NARROW_BITS == 16


def test_every_half_is_widened() -> None:
    """Modulo 2^3 within a ring of 2^5: every c and r of what lies in range."""
    ring, bits = TinyRing(5), 3

    def body(scope: Scope, c: int, r: int) -> Body[Share]:
        value = r if scope.party is SOLOS[1] else c
        return widen_split(scope, Split(ring, np.full(1 << 11, value, np.uint64)), bits)

    pair: dict[int, Any] = {}
    solo: dict[int, Any] = {}
    for c in range(1 << bits):
        for r in range(1 << bits):
            views, results = tiny_views(
                lambda scope, c=c, r=r: body(scope, c, r), ring=5, field=2, bits=11, solo=SOLOS[1]
            )
            z = (c + r) % 8
            if z < 2 or z > 6:  # |z| < 2^(bits - 2)
                assert opened(results, 5) == {(z - 8 * (z > 3)) % 32}, (c, r)
            mine = {party: views[party] for party in PARTIES if party is not SOLOS[1]}
            # what a party sees does not depend on what it does not hold
            assert pair.setdefault(c, mine) == mine
            assert solo.setdefault(r, views[SOLOS[1]]) == views[SOLOS[1]]


class TinyProducts(TinyRing):
    """With matrix products, which are the narrow ones here."""

    def matmul_low16(self, a: Any, b: Any, threads: int = 1) -> Any:
        return self.wrap(np.matmul(a, b))


def test_nothing_of_the_third_parts_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """The exchange modulo 4: whatever two components a party holds of both factors, the third ones change nothing."""
    ring, runs = TinyProducts(2), 1 << 6
    monkeypatch.setattr(narrow, "RING64", ring)
    monkeypatch.setattr(narrow, "NARROW_BITS", 2)
    seen: dict[Any, str] = {}
    for values in product(range(4), repeat=6):
        x, y = (dict(zip(PARTIES, three, strict=True)) for three in (values[:3], values[3:]))

        def body(scope: Scope, x: Any = x, y: Any = y) -> Body[Split]:
            mine = (
                Share(ring, *(np.full(shape, words[of], np.uint64) for of in (scope.party, scope.party.next)))
                for words, shape in ((x, (runs, 1)), (y, (1, 1)))
            )
            return narrow_split(scope, *mine)

        views, results = tiny_views(body, ring=2, field=2, bits=6, solo=SOLOS[1], drawn=4)
        pair = [results[party].value for party in PARTIES if party is not SOLOS[1]]
        assert (pair[0] == pair[1]).all()
        opened_product = set((pair[0] + results[SOLOS[1]].value).reshape(-1) % 4)
        assert opened_product == {sum(x.values()) * sum(y.values()) % 4}
        for party in PARTIES:
            held = party, x[party], x[party.next], y[party], y[party.next]
            assert seen.setdefault(held, views[party]) == views[party]
