from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pytest

from protocol_checks import SOLOS, open_planes, run_counted
from tercet.protocols.lookup import TableShape, lookup, lookup_cost, one_hot, one_hot_cost, table_bits, table_rows
from tercet.protocols.scope import Body, Scope
from tercet.ring import RING64, RING128, Ring
from tercet.sharing import PARTIES, BitShare, Party
from tiny_ring import tiny_views
from trio import Trio


def entries_of(entries: int, columns: int, width: int, low: int) -> np.ndarray:
    rng = np.random.default_rng(entries + width)
    values = [low + int.from_bytes(rng.bytes(16), "little") % (1 << width) for _ in range(entries * columns)]
    return np.array([*values, None], dtype=object)[:-1].reshape(entries, columns)


@pytest.mark.parametrize("ring", [RING64, RING128])
@pytest.mark.parametrize("solo", SOLOS)
def test_entries_at_places(ring: Ring, solo: Party) -> None:
    trio = Trio(71)
    for entries, columns, width, low in [
        *[(1, 1, 1, 0), (2, 1, 3, -5), (16, 2, 8, 0), (17, 1, 1, 7), (64, 3, 5, -3), (70, 1, 60, -(1 << 59))],
        *[(256, 1, 8, 0), (1000, 2, 4, 9), (5000, 1, 12, 0)],
    ]:
        values = entries_of(entries, columns, width, low)
        s = TableShape(ring, entries, columns, low, width)
        table = table_bits(s, ring.from_ints(values))
        for size in (1, 64, 100):
            places = trio.rng.integers(0, entries, size)
            x = trio.share(RING64, places)
            found = run_counted(
                trio, lookup_cost(size, s), lambda scope, x, s=s, t=table: lookup(scope, x, s, t), x, solo=solo
            )
            assert np.array_equal(np.asarray(Trio.open(found), dtype=object), values[places].T), (entries, size)


def test_pieces_and_places_without_an_entry() -> None:
    """Two digits of a place count, whatever it is; what stands behind the last entry is the least number."""
    trio = Trio(72)
    s = TableShape(RING64, 50, 1, -20, 6)
    values = entries_of(50, 1, 6, -20)
    table = table_bits(s, RING64.from_ints(values))
    places = trio.rng.integers(-(1 << 40), 1 << 40, 4000)
    x = trio.share(RING64, places)
    results = run_counted(trio, lookup_cost(4000, s), lambda scope, x: lookup(scope, x, s, table), x)
    whole = np.concatenate([values[:, 0], np.full(14, -20)])
    assert Trio.open(results).reshape(-1).tolist() == whole[places % 64].tolist()


def test_what_a_lookup_sends() -> None:
    for entries, width, bits, rounds in [(256, 8, 253, 8), (1 << 16, 16, 900, 11)]:
        cost = lookup_cost(100_000, TableShape(RING64, entries, 1, 0, width))
        assert 8 * cost.bytes_per_party / 100_000 == pytest.approx(bits, rel=0.03)
        assert cost.rounds == rounds


@pytest.mark.parametrize("k", [1, 2, 3, 4, 5, 7, 8])
def test_one_hot_vectors(k: int) -> None:
    trio, count = Trio(73), 130
    values = trio.rng.integers(0, 1 << k, (2, count))
    planes = [[trio.share_bits(row >> bit & 1 == 1) for row in values] for bit in range(k)]
    shared = {
        party: BitShare(
            count,
            np.array([[row[party].own for row in plane] for plane in planes]),
            np.array([[row[party].next for row in plane] for plane in planes]),
        )
        for party in PARTIES
    }
    hot = open_planes(run_counted(trio, one_hot_cost(k, 2, count), one_hot, shared))
    assert np.array_equal(hot, np.arange(1 << k)[:, None, None] == values[None])


def test_every_view_of_a_product_with_a_table() -> None:
    """With every draw: the component that a party lacks changes nothing of its view."""
    table, full, seen = np.array([[0b0110]], np.uint64), np.uint64(2**64 - 1), dict[Any, Any]()
    for values in product((0, 1), repeat=6):
        one, other = values[:3], values[3:]

        def body(scope: Scope, one: Any = one, other: Any = other) -> Body[BitShare]:
            mine = scope.party - 1, scope.party.next - 1
            high = BitShare(64, *(np.full((1, 1), full * np.uint64(one[at])) for at in mine))
            # the second row of the lower half is the secret one; the third counts, too, and is 0
            low = BitShare(64, *(np.array([[0], [full * np.uint64(other[at])], [0], [0]], np.uint64) for at in mine))
            return table_rows(scope, high, low, table)

        views, results = tiny_views(body, ring=64, field=1, bits=6, solo=SOLOS[0], drawn=3)
        found = np.bitwise_xor.reduce([results[party].own for party in PARTIES])
        assert (found == full * np.uint64(sum(one) * sum(other) % 2)).all()
        for party in PARTIES:
            at, following = party - 1, party.next - 1
            held = party, one[at], one[following], other[at], other[following]
            assert seen.setdefault(held, views[party]) == views[party]


def test_views_of_whole_lookups_are_balanced() -> None:
    """Of places that are all the same: each long message has as many ones as zeros."""
    s = TableShape(RING64, 256, 1, 0, 8)
    table = table_bits(s, RING64.from_ints(np.arange(256)[:, None]))
    for place in (0, 255):
        trio = Trio(74)
        trio.run(lambda scope, x: lookup(scope, x, s, table), trio.share(RING64, np.full(3000, place)), solo=SOLOS[0])
        for party in PARTIES:
            for payload in trio.post.views[party]:
                if payload.nbytes > 300:
                    assert abs(np.unpackbits(payload).mean() - 0.5) < 6 * 0.5 / (8 * payload.nbytes) ** 0.5
