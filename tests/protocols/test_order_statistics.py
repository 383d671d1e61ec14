"""Elements of given ranks by their bits: exact, at the declared cost, from views that show nothing."""

from __future__ import annotations

import numpy as np
import pytest

from protocol_checks import SOLOS, run_counted
from tercet.protocols.order_statistics import Searches, order_statistics, order_statistics_cost
from tercet.ring import unpack_bits
from tercet.sharing import PARTIES, BitShare, Party
from trio import Trio


def planes_of(values: np.ndarray, bits: int) -> np.ndarray:
    return np.stack([values >> bit & 1 for bit in range(bits)]).astype(bool)


def opened(parts: dict[Party, BitShare], s: Searches) -> np.ndarray:
    words = parts[PARTIES[0]].own ^ parts[PARTIES[1]].own ^ parts[PARTIES[2]].own
    planes = unpack_bits(words, s.bits * s.ranks * s.lines).reshape(s.bits, s.ranks, s.lines)
    return np.asarray((planes * (1 << np.arange(s.bits))[:, None, None]).sum(axis=0))


CASES = [
    (1, 1, 65, 2),
    (5, 1, 130, 2),
    (8, 2, 100, 3),
    (7, 3, 64, 4),
    (10, 1, 1023, 3),
    (6, 1, 1024, 2),
    (9, 2, 1100, 3),
    (13, 1, 5000, 4),
    (3, 40, 70, 3),
    (5, 1, 3, 3),
    (4, 2, 1, 2),
    (1, 2, 66, 3),
    (2, 1, 66, 3),
    (6, 1, 70, 4),
    (4, 300, 50, 3),
]


@pytest.mark.parametrize("solo", SOLOS)
@pytest.mark.parametrize(("bits", "lines", "length", "width"), CASES)
def test_elements_of_ranks(bits: int, lines: int, length: int, width: int, solo: Party) -> None:
    trio = Trio(81)
    ranks = sorted({0, length // 2, (length - 1) // 2, length - 1})
    s = Searches(bits, len(ranks), lines, length, width)
    for top in {1, 2, 1 << bits}:
        values = trio.rng.integers(0, min(top, 1 << bits), (lines, length))
        wanted = np.repeat(np.array(ranks, np.uint64), lines)
        results = run_counted(
            trio,
            order_statistics_cost(s),
            lambda scope, b, wanted=wanted: order_statistics(scope, b, wanted, s),
            trio.share_bits(planes_of(values, bits).reshape(-1)),
            solo=solo,
        )
        assert np.array_equal(opened(results, s), np.sort(values, axis=1)[:, ranks].T), top


@pytest.mark.parametrize("value", [0, (1 << 6) - 1])
def test_views_do_not_depend_on_the_numbers(value: int) -> None:
    trio, s = Trio(82), Searches(6, 2, 1, 30_000, 3)
    planes = planes_of(np.full((1, 30_000), value), 6)
    wanted = np.array([14_999, 15_000], np.uint64)
    results = trio.run(
        lambda scope, b: order_statistics(scope, b, wanted, s), trio.share_bits(planes.reshape(-1)), solo=SOLOS[0]
    )
    assert (opened(results, s) == value).all()
    for party in PARTIES:
        long = [payload for payload in trio.post.views[party] if payload.nbytes > 1000]
        assert len(long) >= 10
        for payload in long:
            assert abs(np.unpackbits(payload).mean() - 0.5) < 6 * 0.5 / (8 * payload.nbytes) ** 0.5


def test_two_ranks_cost_less_than_twice_one_and_more_bits_at_a_time_fewer_rounds() -> None:
    one, two = (order_statistics_cost(Searches(32, ranks, 1, 100_000, 3)) for ranks in (1, 2))
    assert one.total_bytes < two.total_bytes < 2 * one.total_bytes
    assert two.total_bytes == pytest.approx(3 * 414 * 100_000 / 8, rel=0.01) and two.rounds == 93
    costs = [order_statistics_cost(Searches(32, 2, 1, 100_000, width)) for width in (2, 3, 4)]
    assert [cost.rounds for cost in costs] == sorted([cost.rounds for cost in costs], reverse=True)
    assert [cost.total_bytes for cost in costs] == sorted([cost.total_bytes for cost in costs])
