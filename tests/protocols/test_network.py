"""Short lines sorted by Batcher's network: order, ties, costs, and what parties see."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from protocol_checks import SOLOS, run_counted
from tercet.protocols.network import LONGEST, comparators, network_rows, network_rows_cost
from tercet.protocols.scope import Body, Scope
from tercet.protocols.transcript import Statement
from tercet.ring import RING64, RING128, Ring
from tercet.sharing import PARTIES, BitShare, Party, Share
from trio import Trio


def share_planes(trio: Trio, keys: np.ndarray, bits: int) -> dict[Party, BitShare]:
    rows = [trio.share_bits(keys >> bit & 1) for bit in range(bits)]
    return {
        party: BitShare(keys.size, *(np.stack([getattr(row[party], part) for row in rows]) for part in ("own", "next")))
        for party in PARTIES
    }


def test_the_network_sorts_whatever_has_two_values() -> None:
    """By the 0-1 principle such a network sorts everything; all lines of up to 12, and random ones of up to 64."""
    rng = np.random.default_rng(1)
    for length in [*range(13), 31, 33, LONGEST]:
        lines = np.array(list(product((0, 1), repeat=length))) if length <= 12 else rng.integers(0, 2, (2000, length))
        for fronts, backs in comparators(length):
            assert len({*fronts, *backs}) == 2 * len(fronts), "a place is compared twice in a stage"
            small, large = (f(lines[:, fronts], lines[:, backs]) for f in (np.minimum, np.maximum))
            lines[:, fronts], lines[:, backs] = small, large
        assert (np.diff(lines, axis=1) >= 0).all()


@pytest.mark.parametrize("solo", SOLOS)
@pytest.mark.parametrize("ring", [RING64, RING128])
def test_lines_are_sorted_stably(solo: Party, ring: Ring) -> None:
    trio = Trio(81)
    for lines, length, bits in [(1, 1, 3), (1, 2, 1), (3, 5, 4), (40, 7, 2), (1, 64, 3), (70, 3, 17)]:
        keys = trio.rng.integers(0, 1 << bits, lines * length)
        one, two = np.arange(lines * length), trio.rng.integers(-(1 << 60), 1 << 60, lines * length)
        for rows in ([one], [one, two]):

            def body(scope: Scope, planes: BitShare, *arrays: Share, lines: int = lines) -> Body[list[Share]]:
                return (yield from network_rows(scope, planes, list(arrays), lines))

            cost = network_rows_cost(bits, keys.size, lines, ring, len(rows))
            shared = [trio.share(ring, row) for row in rows]
            found = run_counted(trio, cost, body, share_planes(trio, keys, bits), *shared, solo=solo)
            order = np.argsort(keys.reshape(lines, -1), axis=1, kind="stable") + np.arange(lines)[:, None] * length
            for at, row in enumerate(rows):
                assert np.array_equal(Trio.open({p: found[p][at] for p in PARTIES}), row[order.reshape(-1)])


@pytest.mark.parametrize("value", [0, 255])
def test_nothing_is_opened_and_messages_do_not_depend_on_the_keys(value: int) -> None:
    trio = Trio(82)
    keys = np.full(600 * 5, value)
    trio.run(lambda s, k, a: network_rows(s, k, [a], 600), share_planes(trio, keys, 8), trio.share(RING64, keys))
    for party in PARTIES:
        for entry in trio.post.transcripts[party].statements:
            assert entry.statement in (Statement.PRODUCT, Statement.DEAL, Statement.CROSS_TERM)
            if entry.to is not None and entry.nbytes > 100:
                ones = np.unpackbits(trio.post.boxes[(party, entry.to, entry.instance, entry.step)][0])
                # bits beyond the count of a plane are padding, up to a byte each
                assert abs(ones.mean() - 0.5) < 6 * 0.5 / ones.size**0.5 + 0.01
