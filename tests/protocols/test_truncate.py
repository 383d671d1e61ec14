from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from protocol_checks import RINGS, SOLOS, open_words, range_values, run_counted
from tercet.protocols.pieces import pieces
from tercet.protocols.product import PIECE
from tercet.protocols.truncate import (
    lift,
    lift_cost,
    multiply_truncate,
    multiply_truncate_cost,
    truncate,
    truncate_cost,
    truncate_exact,
    truncate_exact_cost,
)
from tercet.ring import RING64, Ring
from tercet.sharing import PARTIES, Party
from trio import Trio


def assert_rounded(got: list[int], exact: list[int], shift: int) -> None:
    """Each result is one of the two neighbours of exact / 2^shift, and exact multiples are exact."""
    for result, value in zip(got, exact, strict=True):
        floor = value >> shift
        assert result in ((floor,) if value % (1 << shift) == 0 else (floor, floor + 1))


@pytest.mark.parametrize("one_round", [False, True])
@pytest.mark.parametrize("ring", RINGS)
def test_truncate_whole_range(ring: Ring, one_round: bool) -> None:
    trio = Trio(11)
    shifts = (1, 8, 16, 40, ring.bits - 4) if ring.bits == 64 else (1, 16, 40, 63, 64, 65, 100, 124)
    values = range_values(trio.rng, ring.bits - 1, 700)
    values = [value for value in values if value != -(1 << (ring.bits - 2))]
    for number, shift in enumerate(shifts):
        body = lambda scope, x, shift=shift: truncate(scope, x, shift, one_round=one_round)
        cost = truncate_cost(ring, len(values), shift, one_round=one_round)
        results = run_counted(trio, cost, body, trio.share(ring, values), solo=SOLOS[number % 3])
        assert_rounded(open_words(results), values, shift)
        assert cost.rounds == (1 if one_round else 2)


@pytest.mark.parametrize("ring", RINGS)
def test_truncate_nonnegative_doubles_the_range(ring: Ring) -> None:
    trio = Trio(12)
    for shift in (1, 16, 40):
        top = (1 << (ring.bits - 1)) - (1 << shift)
        values = [0, 1, 2, (1 << shift) - 1, 1 << shift, top - 1, top - (1 << shift), top >> 1]
        values += [int.from_bytes(trio.rng.bytes(16), "little") % top for _ in range(500)]
        body = lambda scope, x, shift=shift: truncate(scope, x, shift, nonnegative=True)
        results = run_counted(trio, truncate_cost(ring, len(values), shift), body, trio.share(ring, values))
        assert_rounded(open_words(results), values, shift)


@pytest.mark.parametrize("solo", SOLOS)
@pytest.mark.parametrize("ring", RINGS)
def test_multiply_truncate_has_no_large_error(ring: Ring, solo: Party) -> None:
    trio = Trio(13)
    half = ring.bits // 2 - 1
    x = [*range_values(trio.rng, half, 400), 1 << (half - 1), -(1 << half) + 1]
    y = [*range_values(trio.rng, half, 400)[::-1], (1 << half) - 1, (1 << half) - 1]
    for shift in (16, 24):
        body = lambda scope, a, b, shift=shift: multiply_truncate(scope, a, b, shift)
        cost = multiply_truncate_cost(ring, len(x), shift)
        results = run_counted(trio, cost, body, trio.share(ring, x), trio.share(ring, y), solo=solo)
        assert_rounded(open_words(results), [a * b for a, b in zip(x, y, strict=True)], shift)
        assert cost.total_bytes * 8 == 3 * len(x) * (ring.bits + shift)
        assert cost.rounds == 2


def test_multiply_truncate_is_unbiased_over_a_million_products() -> None:
    trio = Trio(14)
    count, shift = 1 << 20, 16
    x = trio.rng.integers(-(1 << 30), 1 << 30, size=count)
    y = trio.rng.integers(-(1 << 30), 1 << 30, size=count)
    body = lambda scope, a, b: multiply_truncate(scope, a, b, shift)
    cost = multiply_truncate_cost(RING64, count, shift)
    results = run_counted(trio, cost, body, trio.share(RING64, x), trio.share(RING64, y))
    got = np.asarray(Trio.open(results))
    product = x * y
    floor, rest = product >> shift, product & ((1 << shift) - 1)
    up = got - floor
    assert set(np.unique(up)) <= {0, 1}
    assert not np.any(up[rest == 0])
    error = up - rest / (1 << shift)
    assert abs(error.mean()) < 6 * 0.41 / count**0.5
    for low in range(0, 1 << shift, 1 << (shift - 3)):  # the chance of rounding up is the discarded fraction
        chosen = (rest >= low) & (rest < low + (1 << (shift - 3)))
        assert abs(error[chosen].mean()) < 6 * 0.5 / chosen.sum() ** 0.5
    assert len(pieces(count, PIECE)) % 3 == 0
    assert max(trio.post.bytes.values()) - min(trio.post.bytes.values()) < 0.2 * trio.total_bytes / 3


@pytest.mark.parametrize("one_round", [False, True])
@pytest.mark.parametrize("solo", SOLOS)
def test_lift_is_exact(solo: Party, one_round: bool) -> None:
    trio = Trio(15)
    values = [value for value in range_values(trio.rng, 63, 500) if value != -(1 << 62)]
    body = lambda scope, x: lift(scope, x, one_round=one_round)
    cost = lift_cost(len(values), one_round=one_round)
    assert open_words(run_counted(trio, cost, body, trio.share(RING64, values), solo=solo)) == values


@pytest.mark.parametrize("bits", [16])
def test_views_of_a_truncation_do_not_depend_on_the_value(bits: int) -> None:
    """Means of all received bits, for two values, 6 standard deviations."""
    count = 3000
    for value in (5, -(1 << 61)):
        trio = Trio(16)
        trio.run(lambda scope, x: truncate(scope, x, bits), trio.share(RING64, np.full(count, value)), solo=SOLOS[0])
        for party in PARTIES:
            for payload in trio.post.views[party]:
                assert _bit_deviation(payload, count, payload.nbytes * 8 // count) < 6


def _bit_deviation(payload: Any, count: int, bits: int) -> float:
    rows = np.unpackbits(payload, bitorder="little")[: count * bits].reshape(count, bits)
    return float(np.abs(rows.mean(axis=0) - 0.5).max() / (0.5 / count**0.5))


@pytest.mark.parametrize("nearest", [False, True])
@pytest.mark.parametrize("one_round", [False, True])
@pytest.mark.parametrize("ring", RINGS)
def test_exact_truncation_to_the_floor_and_to_the_nearest(ring: Ring, nearest: bool, one_round: bool) -> None:
    trio = Trio(71)
    shifts = (1, 2, 4, 5, 16, 20, 24, 60) if ring.bits == 64 else (1, 16, 40, 63, 64, 65, 100, 124)
    for number, shift in enumerate(shifts):
        top = (1 << (ring.bits - 2)) - (1 << shift)
        values = [v for v in range_values(trio.rng, ring.bits - 1, 500) if v < top]
        unit = 1 << shift
        values += [v for k in (-3, -1, 0, 1, 2) for v in (k * unit - 1, k * unit, k * unit + unit // 2) if v < top]
        body = lambda scope, x, shift=shift: truncate_exact(scope, x, shift, nearest=nearest, one_round=one_round)
        cost = truncate_exact_cost(ring, len(values), shift, one_round=one_round)
        results = run_counted(trio, cost, body, trio.share(ring, values), solo=SOLOS[number % 3])
        half = unit // 2 if nearest else 0
        assert open_words(results) == [(value + half) >> shift for value in values], shift


def test_an_exact_truncation_does_not_depend_on_the_shares() -> None:
    outcomes = set()
    for seed in range(20):
        trio = Trio(seed)
        results = trio.run(lambda s, x: truncate_exact(s, x, 8), trio.share(RING64, [12345, -12345, 128, 255]))
        outcomes.add(tuple(open_words(results)))
    assert outcomes == {(48, -49, 0, 0)}


def test_cost_of_an_exact_truncation_is_the_menus() -> None:
    count = 1 << 18
    cost = truncate_exact_cost(RING64, count, 16, one_round=True)
    assert cost.rounds == 5 and cost.total_bytes * 8 / 3 / count <= 157
    assert truncate_exact_cost(RING64, count, 24, one_round=True).total_bytes * 8 / 3 / count <= 184
