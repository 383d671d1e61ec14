from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from protocol_checks import RINGS, SOLOS, range_values, run_counted
from tercet.protocols.compare import carry_out, carry_out_cost, is_negative, is_negative_cost, is_negative_split
from tercet.protocols.product import Elementwise, Split, bilinear_split
from tercet.protocols.scope import Body, Scope
from tercet.ring import RING64, Ring, to_planes
from tercet.sharing import PARTIES, BitShare, Party, Share
from tiny_ring import tiny_views
from trio import Trio


@pytest.mark.parametrize("one_round", [False, True])
@pytest.mark.parametrize("ring", RINGS)
def test_sign_of_every_declared_range(ring: Ring, one_round: bool) -> None:
    trio = Trio(41)
    every = [1, 2, 3, 4, 5, 6, 8, 9, 13, 17, 31, 32, 33, 40, 60, 61, 62, 63, 64, 65, 100, 124, 125, 127, 128]
    for number, bits in enumerate(size for size in every if size <= ring.bits):
        values = range_values(trio.rng, bits, 300 + number)
        body = lambda scope, x, bits=bits: is_negative(scope, x, bits, one_round=one_round)
        cost = is_negative_cost(len(values), bits, one_round=one_round)
        results = run_counted(trio, cost, body, trio.share(ring, values), solo=SOLOS[number % 3])
        assert np.array_equal(Trio.open_bits(results), np.array([value < 0 for value in values])), bits


def test_what_lies_above_the_declared_range_is_ignored() -> None:
    trio = Trio(42)
    values = [5 + (3 << 20), -5 + (7 << 33), (1 << 19) + (1 << 40)]
    results = trio.run(lambda scope, x: is_negative(scope, x, 20), trio.share(RING64, values))
    assert Trio.open_bits(results).tolist() == [False, True, True]


def test_cost_is_the_menus() -> None:
    count = 1 << 20
    lan = is_negative_cost(count, 64)
    assert lan.rounds == 6 and lan.total_bytes * 8 / 3 / count <= 125
    fast = is_negative_cost(count, 64, one_round=True)
    assert fast.rounds == 5 and fast.total_bytes * 8 / 3 / count <= 203
    assert is_negative_cost(count, 32).total_bytes * 8 / 3 / count <= 62
    assert is_negative_cost(1, 1) == is_negative_cost(5000, 1)


@pytest.mark.parametrize("count", [1, 63, 64, 65, 3071, 3072, 100_003])
def test_sizes_and_rotation(count: int) -> None:
    trio = Trio(43)
    values = trio.rng.integers(-(1 << 63), (1 << 63) - 1, size=count)
    results = run_counted(
        trio, is_negative_cost(count, 64), lambda scope, x: is_negative(scope, x, 64), trio.share(RING64, values)
    )
    assert np.array_equal(Trio.open_bits(results), values < 0)


@pytest.mark.parametrize("solo", SOLOS)
def test_after_a_product_one_round_is_saved(solo: Party) -> None:
    trio = Trio(44)
    x, y = trio.rng.integers(-(1 << 30), 1 << 30, size=(2, 200))

    def body(scope: Scope, a: Share, b: Share) -> Body[BitShare]:
        z = yield from bilinear_split(scope, Elementwise(RING64, a.shape), a, b)
        return (yield from is_negative_split(scope, z, 64))

    results = trio.run(body, trio.share(RING64, x), trio.share(RING64, y), solo=solo)
    assert np.array_equal(Trio.open_bits(results), x * y < 0)
    assert trio.rounds == 6


@pytest.mark.parametrize("low", [1, 4, 5, 16, 20, 24])
def test_carry(low: int) -> None:
    trio = Trio(45)
    x, y = trio.rng.integers(0, 1 << 62, size=(2, 300))
    x[:10], y[:10] = (1 << low) - 1, np.arange(10)
    halves = {p: to_planes((y if p is SOLOS[0] else x).astype(np.uint64), low) for p in PARTIES}
    results = run_counted(
        trio,
        carry_out_cost(low, 300),
        lambda scope, planes: carry_out(scope, planes, low, 300),
        halves,
        solo=SOLOS[0],
    )
    mask = (1 << low) - 1
    assert np.array_equal(Trio.open_bits(results), (x & mask) + (y & mask) > mask)


def test_views_do_not_depend_on_the_values() -> None:
    """Every plane that any party receives is as full of ones as of zeros, for the two most different values."""
    for value in (0, -1):
        trio = Trio(46)
        trio.run(lambda scope, x: is_negative(scope, x, 64, one_round=True), trio.share(RING64, np.full(3000, value)))
        for party in PARTIES:
            for payload in trio.post.views[party]:
                rows = np.unpackbits(payload.reshape(-1, 375), axis=1).mean(axis=1)
                assert np.abs(rows - 0.5).max() < 6 * 0.5 / 3000**0.5


@pytest.mark.parametrize(
    ("bits", "one_round", "draws"), [(2, False, 4), (2, True, 5), (3, False, 6), (3, True, 9), (4, False, 10)]
)
def test_views_of_the_leaf_are_the_same_for_all_values(bits: int, one_round: bool, draws: int) -> None:
    """Every draw of the real code: given c, what A and B see does not depend on r; D sees nothing but its draws."""
    solo = SOLOS[2]
    runs = 1 << max(6, draws)

    def run(c: int, r: int) -> tuple[Any, np.ndarray]:
        def body(scope: Scope) -> Body[BitShare]:
            value = np.full(runs, r if scope.party is solo else c, np.uint64)
            return is_negative_split(scope, Split(RING64, value), bits, one_round=one_round)

        views, results = tiny_views(body, ring=64, field=0, bits=max(6, draws), solo=solo, drawn=draws)
        return views, Trio.open_bits(results)

    for c in range(1 << bits):
        first = None
        for r in range(1 << bits):
            views, sign = run(c, r)
            assert set(sign) == {bool((c + r) >> (bits - 1) & 1)}
            first = first or views
            assert views == first
