"""Counts by full adders: exact at every length, at the declared cost, from views that show nothing."""

from __future__ import annotations

import numpy as np
import pytest

from protocol_checks import SOLOS, run_counted
from tercet.protocols.adders import count_by_adders, count_by_adders_cost
from tercet.protocols.count import count_lines_cost
from tercet.sharing import PARTIES
from trio import Trio

CASES = [(1, 1), (7, 3), (2, 1023), (1, 1024), (3, 1025), (64, 1100), (2, 5000), (3, 70_001), (1, 300_000)]


@pytest.mark.parametrize(("lines", "terms"), CASES)
def test_counts_of_lines(lines: int, terms: int) -> None:
    trio = Trio(71)
    for share in (0.0, 0.3, 1.0):
        bits = trio.rng.random((lines, terms)) < share
        cost = count_by_adders_cost(bits.size, terms)
        results = run_counted(
            trio, cost, lambda s, b: count_by_adders(s, b, terms), trio.share_bits(bits.reshape(-1)), solo=SOLOS[0]
        )
        assert np.array_equal(Trio.open(results), bits.sum(axis=1)), share


def test_one_bit_alone_is_found_wherever_it_stands() -> None:
    trio, terms = Trio(72), 1088
    bits = np.eye(terms, dtype=bool)
    results = trio.run(lambda s, b: count_by_adders(s, b, terms), trio.share_bits(bits.reshape(-1)))
    assert np.array_equal(Trio.open(results), np.ones(terms, int))


def test_a_bit_of_a_long_line_costs_little_more_than_a_bit() -> None:
    adders, dealt = count_by_adders_cost(1_000_000, 1_000_000), count_lines_cost(1_000_000, 1_000_000)
    assert adders.total_bytes == pytest.approx(1_000_000 * 3 * 1.38 / 8, rel=0.01)
    assert (adders.rounds, dealt.rounds) == (7, 3) and 5 * adders.total_bytes < dealt.total_bytes
    assert count_by_adders_cost(900, 900) == count_lines_cost(900, 900)


@pytest.mark.parametrize("value", [False, True])
def test_views_do_not_depend_on_the_bits(value: bool) -> None:
    trio, terms = Trio(73), 100_000
    trio.run(lambda s, b: count_by_adders(s, b, terms), trio.share_bits(np.full(terms, value)), solo=SOLOS[0])
    for party in PARTIES:
        long = [payload for payload in trio.post.views[party] if payload.nbytes > 200]
        assert len(long) >= 4
        for payload in long:
            assert abs(np.unpackbits(payload).mean() - 0.5) < 6 * 0.5 / (8 * payload.nbytes) ** 0.5
