from __future__ import annotations

import numpy as np
import pytest

from protocol_checks import RINGS, SOLOS, open_planes, open_words, range_values, run_counted, signed
from tercet.protocols.convert import (
    bit_to_words,
    bit_to_words_cost,
    inject,
    inject_cost,
    inject_piece,
    inject_piece_cost,
    words_to_bits,
    words_to_bits_cost,
)
from tercet.ring import RING64, Ring
from tercet.sharing import PARTIES, Party
from trio import Trio


@pytest.mark.parametrize("one_round", [False, True])
@pytest.mark.parametrize("solo", SOLOS)
@pytest.mark.parametrize("ring", RINGS)
def test_bits_to_words(ring: Ring, solo: Party, one_round: bool) -> None:
    trio = Trio(51)
    for count in (1, 65, 500):
        bits = trio.rng.integers(0, 2, size=count).astype(bool)
        cost = bit_to_words_cost(ring, count, one_round=one_round)
        body = lambda scope, b: bit_to_words(scope, b, ring, one_round=one_round)
        results = run_counted(trio, cost, body, trio.share_bits(bits), solo=solo)
        assert open_words(results) == bits.astype(int).tolist()
        assert cost.total_bytes == count * ring.word_bytes * (4 if one_round else 3)
        assert cost.rounds == (1 if one_round else 2)


@pytest.mark.parametrize("one_round", [False, True])
@pytest.mark.parametrize("solo", SOLOS)
@pytest.mark.parametrize("ring", RINGS)
def test_inject(ring: Ring, solo: Party, one_round: bool) -> None:
    trio = Trio(52)
    x = range_values(trio.rng, ring.bits, 700)
    bits = trio.rng.integers(0, 2, size=700).astype(bool)
    cost = inject_cost(ring, 700, one_round=one_round)
    body = lambda scope, b, a: inject(scope, b, a, one_round=one_round)
    results = run_counted(trio, cost, body, trio.share_bits(bits), trio.share(ring, x), solo=solo)
    assert open_words(results) == [value if bit else 0 for value, bit in zip(x, bits, strict=True)]
    assert cost.total_bytes == 700 * ring.word_bytes * (6 if one_round else 4)


def test_large_arrays_are_cut_and_rotated() -> None:
    trio = Trio(53)
    count = 40_001
    bits = trio.rng.integers(0, 2, size=count).astype(bool)
    x = trio.rng.integers(-(1 << 60), 1 << 60, size=count)
    words = run_counted(
        trio, bit_to_words_cost(RING64, count), lambda s, b: bit_to_words(s, b, RING64), trio.share_bits(bits)
    )
    assert np.array_equal(Trio.open(words), bits)
    results = run_counted(trio, inject_cost(RING64, count), inject, trio.share_bits(bits), trio.share(RING64, x))
    assert np.array_equal(Trio.open(results), x * bits)
    assert max(trio.post.bytes.values()) < 1.1 * trio.total_bytes / 3
    planes = run_counted(
        trio, words_to_bits_cost(count, 20), lambda s, a: words_to_bits(s, a, 20), trio.share(RING64, x)
    )
    assert np.array_equal(open_planes(planes), (x >> np.arange(20)[:, None]) & 1)


@pytest.mark.parametrize("solo", SOLOS)
@pytest.mark.parametrize("ring", RINGS)
def test_inject_of_several_weighted_bits(ring: Ring, solo: Party) -> None:
    trio = Trio(54)
    x = range_values(trio.rng, ring.bits, 100)
    bits = trio.rng.integers(0, 2, size=(3, 100)).astype(bool)
    weights = [1, 2, -5]
    shared = [trio.share_bits(row) for row in bits]
    body = lambda scope, a, *b: inject_piece(scope, list(zip(b, weights, strict=True)), a)
    cost = inject_piece_cost(ring, 100, 3)
    results = run_counted(trio, cost, body, trio.share(ring, x), *shared, solo=solo)
    factors = [sum(w * int(row[i]) for w, row in zip(weights, bits, strict=True)) for i in range(100)]
    assert open_words(results) == [signed(value * f, ring.bits) for value, f in zip(x, factors, strict=True)]


@pytest.mark.parametrize("ring", RINGS)
def test_words_to_bits(ring: Ring) -> None:
    trio = Trio(55)
    every = [1, 2, 3, 4, 5, 7, 8, 9, 12, 16, 31, 32, 33, 40, 62, 63, 64, 65, 100, 124, 127, 128]
    for number, bits in enumerate(size for size in every if size <= ring.bits):
        values = range_values(trio.rng, ring.bits, 200) + range_values(trio.rng, bits, 100)
        body = lambda scope, x, bits=bits: words_to_bits(scope, x, bits)
        cost = words_to_bits_cost(300, bits)
        results = run_counted(trio, cost, body, trio.share(ring, values), solo=SOLOS[number % 3])
        want = [[value >> bit & 1 for value in values] for bit in range(bits)]
        assert np.array_equal(open_planes(results), np.array(want)), bits


@pytest.mark.parametrize("ring", RINGS)
def test_bits_from_one_on(ring: Ring) -> None:
    trio, whole = Trio(57), words_to_bits_cost(300, 64).total_bytes
    spans = [(1, 2), (3, 4), (3, 5), (4, 8), (5, 6), (1, 33), (26, 32), (26, 33), (31, 40), (40, 64), (63, 64)]
    for number, (start, bits) in enumerate(spans):
        values = range_values(trio.rng, ring.bits, 200) + range_values(trio.rng, bits, 100)
        body = lambda scope, x, start=start, bits=bits: words_to_bits(scope, x, bits, start)
        cost = words_to_bits_cost(300, bits, start)
        results = run_counted(trio, cost, body, trio.share(ring, values), solo=SOLOS[number % 3])
        want = [[value >> bit & 1 for value in values] for bit in range(start, bits)]
        assert np.array_equal(open_planes(results), np.array(want)), (start, bits)
        assert cost.total_bytes <= words_to_bits_cost(300, bits).total_bytes <= whole
    assert 3 * words_to_bits_cost(300, 32, 26).total_bytes < 2.1 * words_to_bits_cost(300, 32).total_bytes


def test_cost_is_not_above_the_menus() -> None:
    count = 1 << 18
    cost = words_to_bits_cost(count, 64)
    assert cost.rounds == 7 and cost.total_bytes * 8 / 3 / count <= 259


@pytest.mark.parametrize("value", [0, -1, 0x5555555555555555])
def test_views_of_the_adder_do_not_depend_on_the_value(value: int) -> None:
    trio = Trio(56)
    trio.run(lambda scope, x: words_to_bits(scope, x, 64), trio.share(RING64, np.full(3000, value)))
    for party in PARTIES:
        for payload in trio.post.views[party]:
            rows = np.unpackbits(payload.reshape(-1, 375), axis=1).mean(axis=1)
            assert np.abs(rows - 0.5).max() < 6 * 0.5 / 3000**0.5
