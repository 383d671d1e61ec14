"""Every value of every draw, on rings of a few bits: what a party sees does not depend on what it does not hold.

The code is that of the protocols themselves; only the ring has fewer bits. A party's view is its draws and messages;
its inputs are fixed here, and those of the others run through all values.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import product
from typing import Any

import numpy as np
import pytest

from protocol_checks import SOLOS
from tercet.protocols import message, truncate
from tercet.protocols.adder import digit_sums
from tercet.protocols.bits import bit_and
from tercet.protocols.convert import bit_to_words, inject_piece
from tercet.protocols.equality import is_zero_hamming_split, is_zero_split
from tercet.protocols.message import Fields
from tercet.protocols.product import Elementwise, Split, bilinear, fresh_split_form
from tercet.protocols.scope import Body, Pair, ProtocolRole, Scope
from tercet.ring import RING64, pack_bits
from tercet.sharing import PARTIES, BitShare, Party, Purpose, Share
from tiny_ring import TinyRing, opened, opened_bits, tiny_views

SOLO = SOLOS[1]
Run = Callable[[int, int], tuple[dict[Party, Any], set[int]]]


def full(value: int, runs: int) -> np.ndarray:
    return np.full(runs, value, np.uint64)


def views_of_halves(run: Run, values: int, expected: Callable[[int, int], set[int]] | None) -> None:
    """c at A and B, r at D: for each c the pair's views are the same for all r, and D's for each r for all c."""
    pair: dict[int, Any] = {}
    solo: dict[int, Any] = {}
    for c in range(values):
        for r in range(values):
            views, results = run(c, r)
            if expected is not None:
                assert results <= expected(c, r), (c, r)
            mine = {party: views[party] for party in PARTIES if party is not SOLO}
            assert pair.setdefault(c, mine) == mine, (c, r)
            assert solo.setdefault(r, views[SOLO]) == views[SOLO], (c, r)


def halves(scope: Scope, ring: Any, c: int, r: int, runs: int) -> Split:
    return Split(ring, full(r if scope.party is SOLO else c, runs))


def signed(value: int, bits: int) -> int:
    value %= 1 << bits
    return value - (1 << bits) * (value >> (bits - 1))


@pytest.mark.parametrize("nonnegative", [False, True])
@pytest.mark.parametrize(("one_round", "bits"), [(False, 7), (True, 8)])
def test_truncation(one_round: bool, bits: int, nonnegative: bool) -> None:
    """Modulo 16, by one bit, any c and r; what is in range is rounded to a neighbour."""
    ring = TinyRing(4)

    def run(c: int, r: int) -> Any:
        def body(scope: Scope) -> Body[Share]:
            z = halves(scope, ring, c, r, 1 << bits)
            return truncate.truncate_split(scope, z, 1, one_round=one_round, nonnegative=nonnegative)

        views, results = tiny_views(body, ring=4, field=1, bits=bits, solo=SOLO)
        return views, opened(results, 4)

    def expected(c: int, r: int) -> set[int]:
        z = signed(c + r, 4)
        inside = 0 <= z < 6 if nonnegative else -4 < z < 4
        return {(z >> 1) % 16, (z + 1 >> 1) % 16} if inside else set(range(16))

    views_of_halves(run, 16, expected)


@pytest.mark.parametrize("solo", SOLOS)
def test_truncation_of_a_stored_share(solo: Party) -> None:
    """With the coin: whatever two components a party holds, the third changes nothing that it sees. Rounded up as
    often as the discarded fraction says, exactly."""
    ring, bits = TinyRing(4), 11
    runs = 1 << bits

    def run(words: dict[Party, int]) -> Any:
        def body(scope: Scope) -> Body[Share]:
            x = Share(ring, full(words[scope.party], runs), full(words[scope.party.next], runs))
            return truncate.truncate_split(scope, fresh_split_form(scope, x), 1)

        return tiny_views(body, ring=4, field=1, bits=bits, solo=solo)

    for party in PARTIES:
        first = None
        for third in range(16):
            words = {party: 5, party.next: 14, party.prev: third}
            views, results = run(words)
            first = first or views[party]
            assert views[party] == first
            x = signed(sum(words.values()), 4)
            if -4 < x < 4:
                total = sum(results[p].own for p in PARTIES) % 16
                up = int(np.count_nonzero(total == ((x >> 1) + 1) % 16))
                assert opened(results, 4) <= {(x >> 1) % 16, ((x >> 1) + 1) % 16}
                assert up == (runs // 2 if x % 2 else 0)


@pytest.mark.parametrize(("narrow", "one_round", "bits"), [(3, False, 15), (2, True, 12)])
def test_lift(narrow: int, one_round: bool, bits: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """From 2^narrow to 2^(2 narrow), any c and r; exact in range."""
    small, wide = TinyRing(narrow), TinyRing(2 * narrow)
    monkeypatch.setattr(truncate, "RING64", small)
    monkeypatch.setattr(truncate, "RING128", wide)

    def run(c: int, r: int) -> Any:
        def body(scope: Scope) -> Body[Share]:
            return truncate._lift_split(scope, halves(scope, small, c, r, 1 << bits), one_round)

        views, results = tiny_views(body, ring=2 * narrow, field=narrow, bits=bits, solo=SOLO)
        return views, opened(results, 2 * narrow)

    def expected(c: int, r: int) -> set[int]:
        x = signed(c + r, narrow)
        limit = 1 << (narrow - 2)
        return {x % (1 << 2 * narrow)} if -limit <= x < limit else set(range(1 << 2 * narrow))

    views_of_halves(run, 1 << narrow, expected)


@pytest.mark.parametrize("nearest", [False, True])
def test_exact_truncation(nearest: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Modulo 8, by one bit, any c and r."""
    monkeypatch.setattr(message, "RING64", TinyRing(64))
    ring, bits = TinyRing(3), 18
    solo: dict[int, Any] = {}
    for c in range(8):
        first = None
        for r in range(8):

            def body(scope: Scope, c: int = c, r: int = r) -> Body[Share]:
                return truncate.truncate_exact_split(scope, halves(scope, ring, c, r, 1 << bits), 1, nearest=nearest)

            views, results = tiny_views(body, ring=3, field=1, bits=bits, solo=SOLO)
            x = signed(c + r, 3)
            if -2 <= x < 2 - 2 * nearest:
                assert opened(results, 3) == {(x + nearest >> 1) % 8}
            mine = {party: views[party] for party in PARTIES if party is not SOLO}
            first = first or mine
            assert mine == first
            assert solo.setdefault(r, views[SOLO]) == views[SOLO]


@pytest.mark.parametrize(("one_round", "bits"), [(False, 8), (True, 12)])
def test_injection(one_round: bool, bits: int) -> None:
    """A bit times a number modulo 4: whatever two components a party holds of both, the third ones change nothing."""
    ring, runs = TinyRing(2), 1 << bits

    seen: dict[Any, str] = {}
    for values in product(range(4), range(4), range(4), (0, 1), (0, 1), (0, 1)):
        number, bit = (dict(zip(PARTIES, three, strict=True)) for three in (values[:3], values[3:]))

        def body(scope: Scope, number: Any = number, bit: Any = bit) -> Body[Share]:
            x, b = held_words(ring, number, scope.party, runs), held_bits(bit, scope.party, runs)
            return inject_piece(scope, [(b, 1)], x, one_round=one_round)

        views, results = tiny_views(body, ring=2, field=2, bits=bits, solo=SOLO)
        assert opened(results, 2) == {sum(number.values()) * (sum(bit.values()) % 2) % 4}
        same_for_same_shares(seen, views, number, bit)


@pytest.mark.parametrize(("one_round", "bits"), [(False, 6), (True, 8)])
def test_a_bit_as_a_number(one_round: bool, bits: int) -> None:
    ring, runs = TinyRing(2), 1 << bits
    for party in PARTIES:
        for own, following in ((0, 0), (0, 1), (1, 0), (1, 1)):
            first = None
            for third in (0, 1):
                held = {party: own, party.next: following, party.prev: third}

                def body(scope: Scope, held: dict[Party, int] = held) -> Body[Share]:
                    mine = scope.party, scope.party.next
                    b = BitShare(runs, *(pack_bits(np.full(runs, held[p], np.uint8)) for p in mine))
                    return bit_to_words(scope, b, ring, one_round=one_round)

                views, results = tiny_views(body, ring=2, field=2, bits=bits, solo=SOLO)
                first = first or views[party]
                assert views[party] == first
                assert opened(results, 2) == {sum(held.values()) % 2}


@pytest.mark.parametrize(("size", "field", "bits"), [(1, 1, 7), (2, 1, 9), (3, 2, 18)])
def test_equality_by_distance(size: int, field: int, bits: int) -> None:
    """Numbers of 1 to 3 bits, any c and r."""
    _check_equality(is_zero_hamming_split, size, field, bits, bits)


@pytest.mark.parametrize(("size", "drawn"), [(1, 1), (2, 5)])
def test_equality_by_a_tree(size: int, drawn: int) -> None:
    _check_equality(is_zero_split, size, 1, 6, drawn)


def held_words(ring: TinyRing, words: dict[Party, int], party: Party, runs: int) -> Share:
    return Share(ring, full(words[party], runs), full(words[party.next], runs))


def held_bits(bits: dict[Party, int], party: Party, runs: int) -> BitShare:
    own, following = (pack_bits(np.full(runs, bits[p], np.uint8)) for p in (party, party.next))
    return BitShare(runs, own, following)


def test_product() -> None:
    """Modulo 4, elementwise: whatever two components a party holds of both factors, the third ones change nothing."""
    ring, bits = TinyRing(2), 6
    runs = 1 << bits
    seen: dict[Any, str] = {}
    for values in product(range(4), repeat=6):
        x, y = (dict(zip(PARTIES, three, strict=True)) for three in (values[:3], values[3:]))

        def body(scope: Scope, x: Any = x, y: Any = y) -> Body[Share]:
            mine = (held_words(ring, words, scope.party, runs) for words in (x, y))
            return bilinear(scope, Elementwise(ring, (runs,)), *mine)

        views, results = tiny_views(body, ring=2, field=2, bits=bits, solo=SOLO)
        assert opened(results, 2) == {sum(x.values()) * sum(y.values()) % 4}
        same_for_same_shares(seen, views, x, y)


def same_for_same_shares(
    seen: dict[Any, str], views: dict[Party, str], x: dict[Party, int], y: dict[Party, int]
) -> None:
    """What a party sees is what it saw before with the same two components of both, whatever the third ones are."""
    for party in PARTIES:
        held = party, x[party], x[party.next], y[party], y[party.next]
        assert seen.setdefault(held, views[party]) == views[party]


def test_and() -> None:
    seen: dict[Any, str] = {}
    for values in product((0, 1), repeat=6):
        a, b = (dict(zip(PARTIES, three, strict=True)) for three in (values[:3], values[3:]))

        def body(scope: Scope, a: Any = a, b: Any = b) -> Body[BitShare]:
            return bit_and(scope, *(held_bits(bits, scope.party, 64) for bits in (a, b)))

        views, results = tiny_views(body, ring=64, field=1, bits=6, solo=SOLO, drawn=3)
        assert opened_bits(results) == {sum(a.values()) * sum(b.values()) % 2}
        same_for_same_shares(seen, views, a, b)


def test_number_to_bits() -> None:
    """One digit of four bits, which takes 21 draws: one c with two r, over all draws."""
    c, seen = 5, []
    for r in (0, 13):

        def body(scope: Scope, r: int = r) -> Body[BitShare]:
            return digit_sums(scope, halves(scope, RING64, c, r, 1 << 21), 4)

        views, results = tiny_views(body, ring=64, field=1, bits=21, solo=SOLO)
        planes = [opened_bits({p: results[p][row] for p in PARTIES}) for row in range(4)]
        assert planes == [{c + r >> row & 1} for row in range(4)]
        seen.append({party: views[party] for party in PARTIES if party is not SOLO})
    assert seen[0] == seen[1]


def test_a_leak_is_seen() -> None:
    """A message under a mask that its receiver knows, and one under a mask that is not uniform."""

    def leaking(pair: Pair, halved: bool) -> Any:
        seen = []
        for r in (0, 1):

            def body(scope: Scope, r: int = r) -> Body[None]:
                step, layout = scope.step("leak"), Fields(2, 64)
                if scope.role is ProtocolRole.D:
                    mask = step.draw(pair, layout, Purpose.MASK)
                    step.deal(ProtocolRole.B, (layout, full(r, 64) + (mask & ~np.uint64(1) if halved else mask)))
                elif scope.role is ProtocolRole.B:
                    yield step.receive(ProtocolRole.D, layout)

            seen.append(tiny_views(body, ring=2, field=2, bits=6, solo=SOLO, drawn=2)[0])
        return seen[0] == seen[1]

    assert leaking(Pair.AD, False)
    assert not leaking(Pair.AD, True)
    assert not leaking(Pair.BD, False)


def _check_equality(protocol: Any, size: int, field: int, bits: int, drawn: int) -> None:
    solo: dict[int, Any] = {}
    for c in range(1 << size):
        first = None
        for r in range(1 << size):

            def body(scope: Scope, c: int = c, r: int = r) -> Body[BitShare]:
                return protocol(scope, halves(scope, RING64, c, r, 1 << bits), size)

            views, results = tiny_views(body, ring=64, field=field, bits=bits, solo=SOLO, drawn=drawn)
            assert opened_bits(results) == {int((c + r) % (1 << size) == 0)}
            mine = {party: views[party] for party in PARTIES if party is not SOLO}
            first = first or mine
            assert mine == first
            assert solo.setdefault(r, views[SOLO]) == views[SOLO], "what D sees depends on c"
