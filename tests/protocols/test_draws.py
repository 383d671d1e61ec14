"""Random bits and integers: what they add up to, what they cost, and that no party can tell."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from protocol_checks import SOLOS, open_planes, open_words, run_counted
from tercet.protocols.cost import NOTHING
from tercet.protocols.draws import random_bits, random_integers, random_integers_cost
from tercet.protocols.scope import Body, Scope
from tercet.ring import RING64, RING128, Ring, unpack_bits
from tercet.sharing import PARTIES, BitShare, Party
from tiny_ring import tiny_views
from trio import Trio


def bits_body(scope: Scope, count: int, lead: tuple[int, ...] = ()) -> Body[BitShare]:
    return random_bits(scope, count, lead)
    yield


@pytest.mark.parametrize("solo", SOLOS)
def test_every_bit_is_as_likely_whatever_a_party_holds(solo: Party) -> None:
    """Over all values of all draws: the two components of a party and the bit, each of the eight equally often."""
    _, results = tiny_views(lambda scope: bits_body(scope, 64), ring=64, field=0, bits=6, solo=solo, drawn=3)
    parts = {party: [unpack_bits(one, 64) for one in (results[party].own, results[party].next)] for party in PARTIES}
    value = parts[PARTIES[0]][0] ^ parts[PARTIES[1]][0] ^ parts[PARTIES[2]][0]
    for party in PARTIES:
        assert np.array_equal(parts[party.prev][1], parts[party][0])
        seen = Counter(zip(*parts[party], value, strict=True))
        assert len(seen) == 8 and set(seen.values()) == {8}


@pytest.mark.parametrize("solo", SOLOS)
@pytest.mark.parametrize("ring", [RING64, RING128])
def test_integers_are_their_bits_and_cost_what_is_declared(solo: Party, ring: Ring) -> None:
    for count, bits in [(0, 3), (1, 1), (7, 16), (65, 5), (300, ring.bits - 2)]:
        trio, again = Trio(101), Trio(101)
        cost = random_integers_cost(ring, count, bits)
        found = run_counted(trio, cost, lambda s, n=count, k=bits: random_integers(s, ring, n, k), solo=solo)
        if count:
            # the same seed draws the same bits at the same address
            planes = open_planes(again.run(lambda s, n=count, k=bits: bits_body(s, n, (k,)), solo=solo))
            expected = [sum(int(bit) << at for at, bit in enumerate(column)) for column in planes.T]
            assert open_words(found) == expected
        else:
            assert cost == NOTHING and found[PARTIES[0]].shape == (0,)


def test_bits_cost_nothing_and_other_steps_draw_others() -> None:
    trio = Trio(102)

    def body(scope: Scope) -> Body[list[BitShare]]:
        return [random_bits(scope, 6400), random_bits(scope, 6400)]
        yield

    found = trio.run(body)
    assert (trio.rounds, trio.total_bytes) == (0, 0)
    one, two = (Trio.open_bits({party: found[party][at] for party in PARTIES}) for at in range(2))
    # of fair bits each is beyond six deviations once in 500 million
    for bits in (one, two, one ^ two):
        assert abs(bits.mean() - 0.5) < 6 * 0.5 / 80


def test_no_party_can_tell_an_integer() -> None:
    """Of 40,000 of two bits: each value is as likely whichever four bits of components a party knows.

    63 degrees of freedom: a statistic above 150 comes about once in 100 million fair runs.
    """
    trio, again, count = Trio(103), Trio(103), 40_000
    found = trio.run(lambda scope: random_integers(scope, RING64, count, 2))
    values = np.array(open_words(found))
    planes = again.run(lambda scope: bits_body(scope, count, (2,)))
    for party in PARTIES:
        known = [unpack_bits(row, count) for part in (planes[party].own, planes[party].next) for row in part]
        cell = sum(bit.astype(int) << at for at, bit in enumerate(known)) * 4 + values
        counts = np.bincount(cell, minlength=64)
        assert ((counts - count / 64) ** 2 / (count / 64)).sum() < 150


def test_messages_do_not_depend_on_what_is_drawn() -> None:
    """Each message is as often one as zero, within six deviations."""
    trio = Trio(104)
    trio.run(lambda scope: random_integers(scope, RING64, 4000, 8))
    long = [payload for payload, _ in trio.post.boxes.values() if payload.nbytes > 100]
    assert len(long) == 3
    for payload in long:
        ones = np.unpackbits(payload)
        assert abs(ones.mean() - 0.5) < 6 * 0.5 / ones.size**0.5
