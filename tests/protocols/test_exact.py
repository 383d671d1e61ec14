from __future__ import annotations

import pytest

from protocol_checks import RINGS, SOLOS, open_words, range_values, run_counted
from tercet.protocols.truncate import truncate_exact, truncate_exact_cost
from tercet.ring import RING64, Ring
from trio import Trio


@pytest.mark.parametrize("nearest", [False, True])
@pytest.mark.parametrize("one_round", [False, True])
@pytest.mark.parametrize("ring", RINGS)
def test_floor_and_nearest(ring: Ring, nearest: bool, one_round: bool) -> None:
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


def test_result_does_not_depend_on_the_shares() -> None:
    outcomes = set()
    for seed in range(20):
        trio = Trio(seed)
        results = trio.run(lambda s, x: truncate_exact(s, x, 8), trio.share(RING64, [12345, -12345, 128, 255]))
        outcomes.add(tuple(open_words(results)))
    assert outcomes == {(48, -49, 0, 0)}


def test_cost_is_the_menus() -> None:
    count = 1 << 18
    cost = truncate_exact_cost(RING64, count, 16, one_round=True)
    assert cost.rounds == 5 and cost.total_bytes * 8 / 3 / count <= 157
    assert truncate_exact_cost(RING64, count, 24, one_round=True).total_bytes * 8 / 3 / count <= 184
