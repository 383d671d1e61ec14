from __future__ import annotations

import numpy as np
import pytest

from protocol_checks import SOLOS, run_counted
from tercet.protocols import count
from tercet.protocols.cost import Cost
from tercet.protocols.count import count_bits, count_lines, count_lines_cost, weigh_lines, weigh_lines_cost
from tercet.protocols.cross import cross_cost
from tercet.protocols.message import Fields, Words
from tercet.protocols.pieces import pieces
from tercet.protocols.scope import Body, Scope
from tercet.ring import RING64, pack_bits
from tercet.sharing import PARTIES, BitShare, Party, Share
from tiny_ring import TinyRing, opened, tiny_views
from trio import Trio


@pytest.mark.parametrize("solo", SOLOS)
def test_counts_of_lines(solo: Party) -> None:
    trio = Trio(61)
    for lines, terms in [(1, 1), (1, 2), (3, 1), (5, 7), (64, 1), (1, 64), (1, 500), (33, 31)]:
        for share in (0.0, 0.5, 1.0):
            bits = trio.rng.random((lines, terms)) < share
            results = run_counted(
                trio,
                count_lines_cost(bits.size, terms),
                lambda s, b, terms=terms: count_lines(s, b, terms),
                trio.share_bits(bits.reshape(-1)),
                solo=solo,
            )
            assert np.array_equal(Trio.open(results), bits.sum(axis=1)), (lines, terms, share)


@pytest.mark.parametrize(("lines", "terms"), [(1, 70_001), (7, 10_000), (5_000, 3), (9, 3_072)])
def test_lines_that_pieces_cut(lines: int, terms: int) -> None:
    trio = Trio(62)
    bits = trio.rng.random((lines, terms)) < 0.3
    cost = count_lines_cost(bits.size, terms)
    results = run_counted(trio, cost, lambda s, b: count_lines(s, b, terms), trio.share_bits(bits.reshape(-1)))
    assert np.array_equal(Trio.open(results), bits.sum(axis=1))
    assert max(trio.post.bytes.values()) < 1.2 * trio.total_bytes / 3


@pytest.mark.parametrize("solo", SOLOS)
@pytest.mark.parametrize("lines", [1, 5])
def test_words_of_several_weights(solo: Party, lines: int) -> None:
    trio, weights = Trio(64), [0, 1, 3, 3, 3]
    most = 64 * sum(1 << weight for weight in weights)
    for share in (0.0, 0.5, 1.0):
        bits = trio.rng.random((lines, len(weights), 64)) < share
        results = run_counted(
            trio,
            weigh_lines_cost(lines, len(weights), most),
            lambda s, b: weigh_lines(s, b, weights, most),
            trio.share_bits(bits.reshape(-1)),
            solo=solo,
        )
        assert np.array_equal(Trio.open(results), bits.sum(axis=2) @ (1 << np.array(weights))), share


def test_a_bit_of_a_long_line_costs_the_bits_of_its_length() -> None:
    cost = count_lines_cost(1_000_000, 1_000_000)
    assert cost.rounds == 3
    assert cost.total_bytes == pytest.approx(1_000_000 * count_bits(1_000_000) / 8, rel=0.01)


@pytest.mark.parametrize("value", [False, True])
def test_views_do_not_depend_on_the_bits(value: bool) -> None:
    trio = Trio(63)
    trio.run(lambda s, b: count_lines(s, b, 3000), trio.share_bits(np.full(3000, value)), solo=SOLOS[0])
    for party in PARTIES:
        for payload in trio.post.views[party]:
            if payload.nbytes > 1000:
                assert abs(np.unpackbits(payload).mean() - 0.5) < 6 * 0.5 / (8 * payload.nbytes) ** 0.5


def test_every_view_of_one_bit(monkeypatch: pytest.MonkeyPatch) -> None:
    """With every draw, in lines of one bit, counts modulo 8: the component that a party lacks changes nothing."""
    ring, bits = TinyRing(3), 18
    monkeypatch.setattr(count, "RING64", ring)
    monkeypatch.setattr(count, "PIECE", 1 << bits)
    for party in PARTIES:
        for own, following in ((0, 0), (1, 0)):
            first = None
            for third in (0, 1):
                held = {party: own, party.next: following, party.prev: third}

                def body(scope: Scope, held: dict[Party, int] = held) -> Body[Share]:
                    mine = scope.party, scope.party.next
                    b = BitShare(1 << bits, *(pack_bits(np.full(1 << bits, held[p], np.uint8)) for p in mine))
                    return count_lines(scope, b, 1)

                views, results = tiny_views(body, ring=3, field=2, bits=bits, solo=SOLOS[0])
                first = first or views[party]
                assert views[party] == first
                assert opened(results, 3) == {sum(held.values()) % 2}


def test_costs_are_those_of_each_piece() -> None:
    """They are computed in constant time: how many pieces meet how many lines, for any length of line."""
    rng = np.random.default_rng(5)
    for terms in [1, 2, 3, 64, 1000, 1 << 16, 1 << 17, (1 << 17) - 1, *map(int, rng.integers(1, 300_000, 60))]:
        size = terms * int(rng.integers(1, max(2, 900_000 // terms)))
        w, nbytes = count_bits(terms), 0
        for cut in pieces(size, count.PIECE):
            lines = (cut.stop - 1) // terms - cut.start // terms + 1
            nbytes += Fields(w, cut.stop - cut.start).nbytes + 2 * Fields(w, lines).nbytes
            nbytes += cross_cost(Words(RING64, (lines,)), 2, one_round=False).total_bytes
        assert count_lines_cost(size, terms) == Cost(3, nbytes), (size, terms)
