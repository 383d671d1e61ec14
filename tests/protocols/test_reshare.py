"""Refreshed shares: the same value, fresh components, equal copies, at the declared cost."""

from __future__ import annotations

import itertools
from collections import Counter
from typing import Any

import numpy as np
import pytest

from protocol_checks import RINGS, run_counted
from tercet.protocols.reshare import reshare, reshare_cost
from tercet.ring import Ring, unpack_bits
from tercet.sharing import PARTIES, BitShare, Party
from tiny_ring import Views, tiny_views
from trio import Trio


@pytest.mark.parametrize("ring", RINGS)
@pytest.mark.parametrize("count", [0, 1, 5, 1000])
def test_words(ring: Ring, count: int) -> None:
    trio = Trio(31)
    values = np.arange(count) - 3
    old = trio.share(ring, values)
    new = run_counted(trio, reshare_cost(ring, count), reshare, old)
    assert np.array_equal(Trio.open(new), values)  # and both holders of every component agree
    if count >= 5:
        for party in PARTIES:
            assert not np.array_equal(old[party].own, new[party].own)


@pytest.mark.parametrize("count", [0, 1, 63, 64, 65, 1000])
def test_bits_with_equal_words_beyond_the_last(count: int) -> None:
    trio = Trio(32)
    bits = trio.rng.random(count) < 0.5
    old = trio.share_bits(bits)
    for share in old.values():
        if count % 64:
            share.own[-1] ^= np.uint64(int(trio.rng.integers(1 << 62)) << count % 64 & (1 << 64) - 1)
    new = run_counted(trio, reshare_cost(None, count), reshare, old)
    assert np.array_equal(Trio.open_bits(new), bits)
    for party in PARTIES:
        assert np.array_equal(new[party].own, new[party.prev].next)


@pytest.mark.parametrize("ring", RINGS)
def test_cost(ring: Ring) -> None:
    assert reshare_cost(ring, 10).total_bytes == 3 * 10 * ring.bits // 8
    assert reshare_cost(None, 9).total_bytes == 3 * 2
    assert reshare_cost(ring, 10).rounds == 1


def parts(components: tuple[int, int, int], runs: int) -> dict[Party, BitShare]:
    words = [np.full(runs // 64, -c & (1 << 64) - 1, np.uint64) for c in components]
    return {p: BitShare(runs, words[p - 1], words[p.next - 1]) for p in PARTIES}


def reshared(components: tuple[int, int, int]) -> tuple[Views, dict[Party, Any]]:
    return tiny_views(reshare, parts(components, 64), ring=64, field=1, bits=6, solo=PARTIES[0], drawn=3)


def test_views_do_not_depend_on_the_component_that_a_party_lacks() -> None:
    """One bit in every run, all draws: what a party sees is the same for both values of the third component."""
    seen: dict[tuple[Party, int, int], str] = {}
    for components in itertools.product((0, 1), repeat=3):
        views, _ = reshared(components)
        for party in PARTIES:
            key = (party, components[party - 1], components[party.next - 1])
            assert seen.setdefault(key, views[party]) == views[party]
    assert len(seen) == 12


def test_a_part_from_before_and_one_from_after_tell_nothing() -> None:
    """For every pair of parties: old part of one and new part of another have the same distribution for 0 and for 1."""
    by_secret: dict[int, dict[tuple[Party, Party], Counter[tuple[int, ...]]]] = {0: {}, 1: {}}
    for components in itertools.product((0, 1), repeat=3):
        _, new = reshared(components)
        secret = sum(components) % 2
        for before, after in itertools.product(PARTIES, PARTIES):
            old = (components[before - 1], components[before.next - 1])
            columns = [unpack_bits(part, 64).tolist() for part in (new[after].own, new[after].next)]
            counts = by_secret[secret].setdefault((before, after), Counter())
            counts.update((*old, *map(int, pair)) for pair in zip(*columns, strict=True))
    assert by_secret[0] == by_secret[1]
