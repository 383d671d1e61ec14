from __future__ import annotations

import itertools
from collections import Counter
from hashlib import sha256
from typing import Any

import numpy as np
import pytest

from protocol_checks import RINGS, SOLOS, range_values, run_counted
from tercet.protocols import compare_pc3
from tercet.protocols.compare_pc3 import is_negative_pc3, is_negative_pc3_cost, is_negative_pc3_split
from tercet.protocols.product import Elementwise, Split, bilinear_split
from tercet.protocols.scope import Body, Pair, Scope, Step
from tercet.ring import RING64, Ring, pack_bits
from tercet.ring.residues import Digits, tables_blind, tables_deal, unpack, zero_among
from tercet.sharing import PARTIES, BitShare, Party, Purpose, Share
from trio import Trio


@pytest.mark.parametrize("ring", RINGS)
def test_sign_of_every_declared_range(ring: Ring) -> None:
    trio = Trio(91)
    every = [1, 2, 3, 4, 5, 6, 8, 9, 16, 17, 31, 32, 36, 37, 40, 62, 63, 64, 72, 73, 100, 124, 127, 128]
    for number, bits in enumerate(size for size in every if size <= ring.bits):
        values = range_values(trio.rng, bits, 300 + number)
        body = lambda scope, x, bits=bits: is_negative_pc3(scope, x, bits)
        cost = is_negative_pc3_cost(len(values), bits)
        results = run_counted(trio, cost, body, trio.share(ring, values), solo=SOLOS[number % 3])
        assert np.array_equal(Trio.open_bits(results), np.array([value < 0 for value in values])), bits


def test_cost_is_not_above_the_menus() -> None:
    count = 1 << 18
    cost = is_negative_pc3_cost(count, 64)
    assert cost.rounds == 3 and cost.total_bytes * 8 / 3 / count <= 278


@pytest.mark.parametrize("count", [1, 63, 65, 3072, 30_001])
def test_sizes_and_rotation(count: int) -> None:
    trio = Trio(92)
    values = trio.rng.integers(-(1 << 63), (1 << 63) - 1, size=count)
    results = run_counted(
        trio,
        is_negative_pc3_cost(count, 64),
        lambda scope, x: is_negative_pc3(scope, x, 64),
        trio.share(RING64, values),
    )
    assert np.array_equal(Trio.open_bits(results), values < 0)


@pytest.mark.parametrize("solo", SOLOS)
def test_after_a_product_one_round_is_saved(solo: Party) -> None:
    trio = Trio(93)
    x, y = trio.rng.integers(-(1 << 30), 1 << 30, size=(2, 200))

    def body(scope: Scope, a: Share, b: Share) -> Body[BitShare]:
        z = yield from bilinear_split(scope, Elementwise(RING64, a.shape), a, b)
        return (yield from is_negative_pc3_split(scope, z, 64))

    results = trio.run(body, trio.share(RING64, x), trio.share(RING64, y), solo=solo)
    assert np.array_equal(Trio.open_bits(results), x * y < 0)
    assert trio.rounds == 3


def _view_of_solo(low: int, c: int, r: int) -> tuple[Counter[tuple[int, ...]], Counter[tuple[int, ...]]]:
    """Over all values of every draw of A and B: how often D sees each vector of digits, and each found bit."""
    form = Digits(low)
    p, m = form.p, form.count
    draws = list(itertools.product((0, 1), range(m), *([range(1, p)] * m)))
    n = len(draws)
    columns = np.array(draws, np.uint8).T
    planes = lambda value: np.array([pack_bits(np.full(n, value >> bit & 1, bool)) for bit in range(low)])
    own = np.full((form.entries, n), 3, np.uint8) % np.uint8(p)
    zero = np.zeros((m, n), np.uint8)
    dealt = tables_deal(form, planes(r), own)
    coin, scale, turn = pack_bits(columns[0]), columns[2:].copy(), columns[1].copy()
    from_a = tables_blind(form, planes(c), own, 0, coin, scale, zero, turn, False)
    from_b = tables_blind(form, planes(c), dealt, 1, coin, scale, zero, turn, True)
    seen = (from_a.astype(int) + from_b) % p
    found = np.unpackbits(zero_among(form, from_a, from_b).view(np.uint8), bitorder="little")[:n]
    carry = found ^ columns[0]
    assert set(carry) == {int(c + r >= 1 << low)}
    return Counter(map(tuple, seen.T.tolist())), Counter(map(tuple, found[None].T.tolist()))


@pytest.mark.parametrize("low", [1, 2, 3, 4])
def test_what_the_solo_party_sees_is_the_same_for_all_values_of_the_pair(low: int) -> None:
    """Exhaustive over c, r, coin, turn and scales: the digits that D puts together do not depend on c, nor on r."""
    views = [_view_of_solo(low, c, r) for r in range(1 << low) for c in range(1 << low)]
    assert all(view == views[0] for view in views)


def test_the_two_messages_are_blinded_by_the_zero_sharing() -> None:
    """Over all zero sharings A's message is uniform whatever the digits: D, who knows the tables, learns only sums."""
    form = Digits(2)
    p, m = form.p, form.count
    zeros = np.array(list(itertools.product(range(p), repeat=m)), np.uint8).T.copy()
    n = zeros.shape[1]
    ones, one = np.ones((m, n), np.uint8), np.zeros(n, np.uint8)
    coin = pack_bits(np.zeros(n, bool))
    for c in range(4):
        planes = np.array([pack_bits(np.full(n, c >> bit & 1, bool)) for bit in range(2)])
        share = np.full((form.entries, n), 2, np.uint8)
        message = tables_blind(form, planes, share, 0, coin, ones, zeros, one, False)
        assert len({tuple(column) for column in message.T.tolist()}) == n


@pytest.mark.parametrize("value", [1, -1])
def test_digits_seen_in_a_run_are_uniform(value: int) -> None:
    trio = Trio(94)
    count, form = 3000, Digits(63)
    trio.run(lambda scope, x: is_negative_pc3(scope, x, 64), trio.share(RING64, np.full(count, value)), solo=SOLOS[0])
    first, second = (unpack(payload, form.count * count, 37) for payload in trio.post.views[SOLOS[0]])
    for residues in (first, second):
        counts = np.bincount(residues, minlength=37)
        expected = residues.size / 37
        assert ((counts - expected) ** 2 / expected).sum() < 36 + 6 * (2 * 36) ** 0.5
    seen = ((first.astype(int) + second) % 37).reshape(form.count, count)
    zeros = seen == 0
    assert set(zeros.sum(axis=0)) == {0, 1}
    assert abs(zeros.any(axis=0).mean() - 0.5) < 6 * 0.5 / count**0.5
    places = np.bincount(np.nonzero(zeros)[0], minlength=form.count)
    expected = zeros.sum() / form.count
    assert ((places - expected) ** 2 / expected).sum() < form.count + 6 * (2 * form.count) ** 0.5
    rest = np.bincount(seen[~zeros], minlength=37)[1:]
    expected = (~zeros).sum() / 36
    assert ((rest - expected) ** 2 / expected).sum() < 35 + 6 * (2 * 35) ** 0.5


class ResidueDraws:
    """In the place of all streams: every value of every draw once, in runs side by side; residues and bits.

    A draw takes the next digit of the number of the run in a mixed radix, for each row that it fills.
    """

    def __init__(self, runs: int) -> None:
        self.runs = runs
        self.used = 1
        self.drawn: dict[tuple[int, int, int, int], list[tuple[int, int]]] = {}

    def rows(self, address: tuple[int, int, int, int], rows: int, modulus: int) -> np.ndarray:
        """The draw at this address, (rows, runs), alike for both holders."""
        if address not in self.drawn:
            self.drawn[address] = [(self.used * modulus**row, modulus) for row in range(rows)]
            self.used *= modulus**rows
            assert self.runs % self.used == 0, "more draws than runs"
        return np.array([self.digit(*place) for place in self.drawn[address]], np.uint8)

    def digit(self, place: int, modulus: int) -> np.ndarray:
        return np.arange(self.runs) // place % modulus


class ResidueDrawsOf:
    """What one party holds of `ResidueDraws`; planes of bits are drawn by `fill`, residues by `draw`."""

    def __init__(self, draws: ResidueDraws, party: Party) -> None:
        self.draws = draws
        self.held = (party, party.next)

    def fill(self, component: int, instance: int, step: int, purpose: int, out: np.ndarray) -> None:
        assert component in self.held, "a party draws from a stream that it does not hold"
        (row,) = self.draws.rows((component, instance, step, purpose), 1, 2)
        out[:] = pack_bits(row).view(np.uint8)


def _whole_view(monkeypatch: pytest.MonkeyPatch, bits: int, runs: int, c: int, r: int) -> dict[Party, bytes]:
    """Of each party: the sorted list of (draws that it knows, messages that it gets) over all runs, hashed."""
    solo, form = SOLOS[1], Digits(bits - 1)
    draws = ResidueDraws(runs)

    def draw(step: Step, pair: Pair, rows: int, count: int, p: int, modulus: int, purpose: Purpose) -> np.ndarray:
        scope = step.scope
        component = scope.component(pair)
        assert component in (scope.party, scope.party.next) and count == runs
        return draws.rows((component, scope.instance, step.number, purpose), rows, modulus)

    monkeypatch.setattr(compare_pc3, "_draw", draw)
    trio = Trio(0)
    trio.streams = {party: ResidueDrawsOf(draws, party) for party in PARTIES}  # type: ignore[misc]

    def body(scope: Scope) -> Body[BitShare]:
        return is_negative_pc3_split(
            scope, Split(RING64, np.full(runs, r if scope.party is solo else c, np.uint64)), bits
        )

    assert set(Trio.open_bits(trio.run(body, solo=solo))) == {bool((c + r) >> (bits - 1) & 1)}
    assert draws.used == runs, f"the protocol draws {draws.used} values"
    views = {}
    for party in PARTIES:
        known = [
            place
            for address, places in sorted(draws.drawn.items())
            if address[0] in (party, party.next)
            for place in places
        ]
        columns = [(draws.digit(*place), place[1]) for place in known]
        for payload in trio.post.parts[party]:
            if payload.nbytes == (runs + 7) // 8:
                columns.append((np.unpackbits(payload, bitorder="little")[:runs].astype(int), 2))
                continue
            rows = form.entries if party is not solo else form.count
            residues = unpack(payload, rows * runs, form.p).reshape(rows, runs)
            columns += [(row.astype(int), form.p) for row in residues]
        key = np.zeros(runs, np.int64)
        for values, modulus in columns:
            key = key * modulus + values
        views[party] = sha256(np.sort(key).tobytes()).digest()
    return views


@pytest.mark.parametrize(("bits", "runs"), [(2, 5 * 2 * 4 * 5 * 2), (3, 25 * 2 * 16 * 25 * 2 * 2)])
def test_views_of_the_whole_protocol(monkeypatch: pytest.MonkeyPatch, bits: int, runs: int) -> None:
    """The real code with every value of every draw, on numbers of 2 and 3 bits, all c and r.

    Given c, what A and B see does not depend on r; given r, what D sees does not depend on c.
    """
    pair: dict[int, Any] = {}
    solo: dict[int, Any] = {}
    for c in range(1 << bits):
        for r in range(1 << bits):
            views = _whole_view(monkeypatch, bits, runs, c, r)
            mine = {party: view for party, view in views.items() if party is not SOLOS[1]}
            assert pair.setdefault(c, mine) == mine, (c, r)
            assert solo.setdefault(r, views[SOLOS[1]]) == views[SOLOS[1]], (c, r)
