from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from protocol_checks import RINGS, SOLOS, range_values, run_counted, signed
from tercet.protocols.equality import _distance, is_zero, is_zero_cost, is_zero_hamming, is_zero_hamming_cost
from tercet.ring import RING64, Ring
from tercet.sharing import PARTIES
from trio import Trio

PROTOCOLS = [(is_zero, is_zero_cost), (is_zero_hamming, is_zero_hamming_cost)]


@pytest.mark.parametrize(("protocol", "cost"), PROTOCOLS)
@pytest.mark.parametrize("ring", RINGS)
def test_equality(ring: Ring, protocol: Callable[..., Any], cost: Callable[..., Any]) -> None:
    trio = Trio(61)
    for number, bits in enumerate(
        size for size in (1, 2, 3, 7, 8, 15, 16, 17, 31, 32, 33, 40, 62, 63, 64, 100, 127, 128) if size <= ring.bits
    ):
        values = [0] * 100 + [1 << bit for bit in range(bits)] + range_values(trio.rng, ring.bits, 200)
        values += [signed(1 << bits, ring.bits)]
        body = lambda scope, x, bits=bits: protocol(scope, x, bits)
        results = run_counted(trio, cost(len(values), bits), body, trio.share(ring, values), solo=SOLOS[number % 3])
        assert np.array_equal(Trio.open_bits(results), np.array([v % (1 << bits) == 0 for v in values])), bits


def test_all_bits_may_differ() -> None:
    """c and -r complementary: the largest distance there is, which must not look like none."""
    trio = Trio(62)
    c = np.array([5, 1 << 40, 0], np.uint64)
    for protocol, _ in PROTOCOLS:
        for bits in (62, 63, 64):
            shares = trio.share(RING64, [0, 0, 0])
            solo = SOLOS[1]
            rho = ~c
            r = (~rho) + np.uint64(1)
            for p in PARTIES:
                parts = {solo.next: r - np.uint64(77), solo: np.full(3, 77, np.uint64), solo.prev: c}
                shares[p].own[...], shares[p].next[...] = parts[p], parts[p.next]
            results = trio.run(lambda s, x, f=protocol, b=bits: f(s, x, b), shares, solo=solo)
            assert not Trio.open_bits(results).any()


def test_costs_are_not_above_the_menus() -> None:
    count = 1 << 18
    tree, fast = is_zero_cost(count, 64), is_zero_hamming_cost(count, 64)
    assert tree.rounds == 7 and tree.total_bytes * 8 / 3 / count <= 84.4
    assert fast.rounds == 3 and fast.total_bytes * 8 / 3 / count <= 178
    for bits in range(1, 129):
        form = _distance(bits)
        assert 2 * form.pairs + form.singles == bits and form.pairs + form.singles < 1 << form.width


@pytest.mark.parametrize("count", [1, 65, 4000, 50_001])
@pytest.mark.parametrize(("protocol", "cost"), PROTOCOLS)
def test_sizes(count: int, protocol: Callable[..., Any], cost: Callable[..., Any]) -> None:
    trio = Trio(63)
    values = trio.rng.integers(-2, 3, size=count)
    results = run_counted(trio, cost(count, 64), lambda s, x: protocol(s, x, 64), trio.share(RING64, values))
    assert np.array_equal(Trio.open_bits(results), values == 0)


@pytest.mark.parametrize("value", [0, 1, -1])
def test_what_the_solo_party_sees_is_uniform(value: int) -> None:
    """Both messages and their sum, the shifted distance, are uniform modulo 64 for equal and unequal values."""
    trio = Trio(64)
    count = 3000
    trio.run(lambda s, x: is_zero_hamming(s, x, 64), trio.share(RING64, np.full(count, value)), solo=SOLOS[0])
    messages = [_residues(payload, count) for payload in trio.post.views[SOLOS[0]]]
    assert len(messages) == 2
    for residues in (*messages, (messages[0] + messages[1]) % 64):
        counts = np.bincount(residues, minlength=64)
        chi2 = ((counts - count / 64) ** 2 / (count / 64)).sum()
        assert chi2 < 63 + 6 * (2 * 63) ** 0.5


def _residues(payload: np.ndarray, count: int) -> np.ndarray:
    bits = np.unpackbits(payload, bitorder="little")[: 6 * count].reshape(count, 6)
    return bits @ (1 << np.arange(6))
