"""Range checks: exact on every kind of word, folded so that nothing cancels, one bit opened, at the declared cost."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from typing import Any

import numpy as np
import pytest

from protocol_checks import RINGS, SOLOS, run_counted, signed
from tercet.errors import ProtocolViolation
from tercet.protocols import range_check
from tercet.protocols.bits import bit_and_cost
from tercet.protocols.range_check import (
    BATCH,
    RangeRun,
    Tag,
    all_zero,
    all_zero_cost,
    fold,
    fold_cost,
    not_canonical,
    not_canonical_cost,
    not_false,
    out_of_range,
    out_of_range_cost,
    range_bits,
    readings,
    tag_rows,
)
from tercet.protocols.scope import Body, ProtocolRole, Scope
from tercet.ring import RING64, RING128, Ring, unpack_bits
from tercet.sharing import PARTIES, BitShare, Party, Share
from tiny_ring import TinyRing, tiny_views
from trio import Trio


def ranges(ring: Ring) -> list[tuple[int, int]]:
    top = 1 << (ring.bits - 2)
    widths = [0, 1, 2, 100, 255, 256, (1 << 17) - 1, 1 << 17, 1 << 32, top - 2]
    return [
        *((0, width) for width in widths),
        *((-width, 0) for width in widths),
        (-(1 << 40), 1 << 40),
        (17, 17 + 130),
        (-top + 1, top - 1),
    ]


def edges(lo: int, hi: int, ring: Ring) -> list[int]:
    """Both ends, their neighbours, powers of two beyond, the ends of the ring, and what wraps around."""
    bits = (hi - lo).bit_length()
    half = 1 << (ring.bits - 1)
    found = {lo, hi, lo - 1, hi + 1, lo + (1 << bits), lo - (1 << bits), 0, 1, -1, half - 1, -half}
    found |= {lo + half, hi + half, hi - half, half + 12345, lo + 1, hi - 1}
    found |= {lo + (1 << k) for k in range(0, ring.bits, 7)}
    return sorted({signed(value, ring.bits) for value in found})


def found(parts: dict[Party, list[np.ndarray]], ring: Ring, count: int) -> np.ndarray:
    """Which values are out of their range: some upper bit is set, or the one above when room is added."""
    upper, over = (np.bitwise_xor.reduce([parts[party][at] for party in PARTIES]) for at in (0, 1))
    assert over.size == (count + 63) // 64 and (unpack_bits(over, over.size * 64)[count:] == 0).all()
    return upper.reshape(count, -1).any(axis=1) | unpack_bits(over, count)


def check(
    trio: Trio, ring: Ring, values: list[int], runs: list[RangeRun], bits: int, solo: Party | None = None
) -> np.ndarray:
    body = lambda scope, x: out_of_range(scope, x, runs, bits)
    cost = out_of_range_cost(ring, len(values), runs, bits)
    words = [signed(value, ring.bits) for value in values]
    return found(run_counted(trio, cost, body, trio.share(ring, words), solo=solo), ring, len(values))


@pytest.mark.parametrize("ring", RINGS)
def test_every_width_and_edge(ring: Ring) -> None:
    """lo, hi, lo - 1, hi + 1, 2^k, 2^63, -1 and their like, many ranges in one batch."""
    trio = Trio(71)
    runs, values, wrong = [], [], []
    for lo, hi in ranges(ring):
        mine = edges(lo, hi, ring)
        runs.append(RangeRun(len(mine), lo, hi))
        values += mine
        wrong += [not lo <= value <= hi for value in mine]
    for solo in SOLOS:
        assert np.array_equal(check(trio, ring, values, runs, ring.bits - 1, solo), np.array(wrong))


@pytest.mark.parametrize("ring", RINGS)
def test_every_number_of_bits(ring: Ring) -> None:
    """Full ranges, of which one carry is read, and others, of which two are; at every solo party by turns."""
    trio = Trio(83)
    for bits in range(1, ring.bits):
        for width in sorted({(1 << bits) - 1, (1 << bits) - 2, 1 << (bits - 1), 0}):
            lo = (0, -3, 17, -(1 << (bits - 1)))[bits % 4]
            values = edges(lo, lo + width, ring)
            # read as signed numbers, the range may wrap around; as words it does not
            wrong = [(value - lo) % (1 << ring.bits) > width for value in values]
            run = RangeRun(len(values), lo, lo + width)
            assert readings([run], bits) == (1 if width + 1 == 1 << bits else 2)
            assert np.array_equal(check(trio, ring, values, [run], bits), wrong), (bits, width)


@pytest.mark.parametrize("ring", RINGS)
@pytest.mark.parametrize(("lo", "hi"), [(-1000, 77_777), (0, 1), (5, 8), (-128, 127), (0, 100), (0, 0)])
def test_at_random(ring: Ring, lo: int, hi: int) -> None:
    """So many that pieces have solo parties of their own; the bits are those that a node takes."""
    trio = Trio(72)
    around = 2 * (hi - lo) + 8
    values = [int(value) for value in trio.rng.integers(lo - around, hi + around, 7_000)]
    values += [signed(int.from_bytes(trio.rng.bytes(16), "little"), ring.bits) for _ in range(1000)]
    wrong = [not lo <= value <= hi for value in values]
    assert np.array_equal(check(trio, ring, values, [RangeRun(len(values), lo, hi)], range_bits(ring, hi - lo)), wrong)


def test_a_handful_of_bits_is_checked_word_for_word() -> None:
    """Every word of a ring of 5 bits in every sharing as c + r, against every range of at most half of it."""
    ring = TinyRing(5)
    c, r = (half.reshape(-1).astype(np.uint64) for half in np.meshgrid(np.arange(32), np.arange(32)))
    zeros = np.zeros(1024, np.uint64)
    for solo in SOLOS:
        ahead = PARTIES[(solo + 1) % 3 - 1 if (solo + 1) % 3 else 2]
        for bits in range(1, 5):
            for width in range(1 << bits):
                trio = Trio(bits, balance=False)
                run = RangeRun(1024, 3, 3 + width)
                # the pair knows the component after next of the solo party's
                parts = {solo: r, ahead: zeros, ahead.next: c}
                shares = {p: Share(ring, parts[p].copy(), parts[p.next].copy()) for p in PARTIES}
                body = lambda scope, x, run=run, bits=bits: out_of_range(scope, x, [run], bits)
                outside = found(trio.run(body, shares, solo=solo), ring, 1024)
                assert np.array_equal(outside, (c + r - np.uint64(3)) % np.uint64(32) > width)


def test_cost_of_a_value() -> None:
    """Bits a value and party, and rounds, as documented; wider ranges never cost less."""
    count = 3 << 15

    def of(bits: int, width: int, ring: Ring = RING64) -> tuple[int, float]:
        cost = out_of_range_cost(ring, count, [RangeRun(count, 0, width)], bits)
        return cost.rounds, round(cost.total_bytes * 8 / 3 / count, 1)

    assert [of(1, 1), of(2, 2), of(3, 7), of(4, 9)] == [(2, 22.0), (2, 23.0), (2, 23.3), (2, 26.3)]
    assert [of(8, 255), of(8, 100), of(28, 200 << 20), of(60, 1 << 59), of(63, (1 << 62) - 2)] == [
        (4, 31.7),
        (4, 34.7),
        (5, 82.3),
        (7, 163.0),
        (7, 171.0),
    ]
    assert of(8, 100, RING128) == (4, 56.0)
    kinds = sorted({range_bits(RING64, (1 << bits) - 2) for bits in range(1, 63)})
    assert kinds == [1, 2, 3, *range(4, 61, 4), 63]
    costs = [of(bits, (1 << bits) - 2)[1] for bits in kinds]
    assert costs == sorted(costs)
    assert all_zero_cost(128) == all_zero_cost(128, 1)
    assert all_zero_cost(128).rounds == 8 and all_zero_cost(128).total_bytes == 3 * (127 + 2)


def test_ranges_must_fit_the_bits_and_cover_everything() -> None:
    trio = Trio(73)
    for run, bits in (
        (RangeRun(1, 0, 1 << 62), 62),
        (RangeRun(1, 1, 0), 8),
        (RangeRun(2, 0, 1), 8),
        (RangeRun(1, 0, 1), 0),
        (RangeRun(1, 0, 1), 64),
    ):
        with pytest.raises(ValueError, match="range"):
            trio.run(lambda scope, x, run=run, bits=bits: out_of_range(scope, x, [run], bits), trio.share(RING64, [0]))


def bits_of(parts: dict[Party, list[np.ndarray]], count: int) -> np.ndarray:
    (packed,) = (np.bitwise_xor.reduce([parts[party][0] for party in PARTIES]),)
    return unpack_bits(packed, count)


@pytest.mark.parametrize("ring", RINGS)
@pytest.mark.parametrize("lo", [0, -5, 1000])
@pytest.mark.parametrize("bits", [4, 9])
def test_a_missing_value_is_its_lo(ring: Ring, lo: int, bits: int) -> None:
    trio = Trio(74)
    values, valid = zip(*itertools.product(range(lo, lo + 9), (False, True)), strict=True)
    runs = [RangeRun(6, lo, lo + 8), RangeRun(12, lo, lo + 8)]
    body = lambda scope, x, v: not_canonical(scope, x, v, runs, bits)
    shares = trio.share(ring, list(values)), trio.share_bits(valid)
    results = run_counted(trio, not_canonical_cost(18, bits), body, *shares)
    wrong = [not there and value != lo for value, there in zip(values, valid, strict=True)]
    assert np.array_equal(bits_of(results, 18), wrong)


def test_a_missing_bool_is_false() -> None:
    trio = Trio(82)
    bits, valid = [False, True, False, True], [False, False, True, True]
    shares = trio.share_bits(bits), trio.share_bits(valid)
    results = run_counted(trio, bit_and_cost((), 4), not_false, *shares)
    assert bits_of(results, 4).tolist() == [False, True, False, False]


def in_parts(trio: Trio, words: np.ndarray) -> dict[Party, list[np.ndarray]]:
    """Words as what three parties have of them, each in two arrays."""
    given = [np.frombuffer(trio.rng.bytes(words.nbytes), np.uint64) for _ in range(2)]
    given.append(words ^ given[0] ^ given[1])
    cut = words.size // 3
    return {party: [part[:cut], part[cut:]] for party, part in zip(PARTIES, given, strict=True)}


def folded(trio: Trio, words: np.ndarray) -> bytes:
    """The tag of words, after a check that both holders of each component have the same."""
    tags: dict[Party, Tag] = run_counted(trio, fold_cost(), fold, in_parts(trio, words))
    total = np.zeros(16, np.uint8)
    for party in PARTIES:
        assert tags[party.prev][1] == tags[party][0]
        total ^= np.frombuffer(tags[party][0], np.uint8)
    return total.tobytes()


@pytest.mark.parametrize("count", [1, 2, 3, 127, 1000, 2 * BATCH])
def test_zeros_fold_to_zero_and_a_single_bit_does_not(count: int) -> None:
    trio = Trio(75)
    zeros = np.zeros(count, np.uint64)
    assert folded(trio, zeros) == bytes(16)
    for at in {0, count - 1, count // 2}:
        one = zeros.copy()
        one[at] = 1 << (at % 64)
        assert folded(trio, one) != bytes(16)


def test_two_that_would_cancel_in_a_sum_do_not() -> None:
    """2^63 twice, or the same bit in two batches: the keys are fresh coins, and nothing is added up as it is."""
    trio = Trio(76)
    two = np.zeros(256, np.uint64)
    two[[3, 3 + 128]] = 1 << 63
    assert folded(trio, two) != bytes(16)
    one = np.zeros(256, np.uint64)
    one[3] = 1 << 63
    tags = {folded(trio, one) for _ in range(50)}
    assert len(tags) == 50 and bytes(16) not in tags


def test_more_than_the_error_is_reckoned_for_is_refused() -> None:
    trio = Trio(77)
    with pytest.raises(ValueError, match="are folded at once"):
        folded(trio, np.zeros(4 * BATCH + 1, np.uint64))


def test_a_tag_is_masked_on_its_way(monkeypatch: pytest.MonkeyPatch) -> None:
    """Even if hashes did not hide: what is passed on for the same parts has each bit set about half the time."""
    monkeypatch.setattr(range_check, "_hash", lambda key, words: words[:2].copy())
    trio = Trio(84)
    words, seen = np.zeros(8, np.uint64), []
    parts = in_parts(trio, words)
    for _ in range(400):
        trio.run(fold, parts)
        seen.append(np.unpackbits(np.concatenate([trio.post.views[party][0] for party in PARTIES])))
    set_bits = np.array(seen).sum(axis=0)
    assert set_bits.size == 3 * 128 and set_bits.min() > 130 and set_bits.max() < 270


def gf8(a: int, b: int) -> int:
    """The product in GF(2^3), modulo x^3 + x + 1."""
    total = 0
    for bit in range(3):
        total ^= (a << bit) * (b >> bit & 1)
    for bit in (4, 3):
        total ^= (0b1011 << (bit - 3)) * (total >> bit & 1)
    return total


def test_how_often_a_polynomial_in_a_random_point_misses() -> None:
    """The bound of the docs in a field of 8: of all 3 nonzero coefficients, no choice is missed by more than 3 keys."""
    worst = 0
    for words in itertools.product(range(8), repeat=3):
        missed = 0
        for key in range(8):
            total = 0
            for word in words:
                total = gf8(total ^ word, key)
            missed += total == 0
        assert any(words) <= (missed <= 3) and (any(words) or missed == 8)
        worst = max(worst, missed if any(words) else 0)
    assert worst == 3


def test_tags_survive_the_way_into_rows() -> None:
    own, following = bytes(range(16)), bytes(range(100, 116))
    both = tag_rows(own, following)
    assert both.own.shape == (128, 1)
    for tag, held in ((own, both.own), (following, both.next)):
        assert np.packbits(held[:, 0].astype(np.uint8)).tobytes() == tag


def rows_of(trio: Trio, bits: np.ndarray) -> dict[Party, BitShare]:
    """One sharing of rows of one bit."""
    made = [trio.share_bits([bit]) for bit in bits]
    return {
        p: BitShare(1, np.stack([one[p].own for one in made]), np.stack([one[p].next for one in made])) for p in PARTIES
    }


@pytest.mark.parametrize("lead", [1, 2, 3, 128])
def test_all_three_learn_whether_all_are_zero(lead: int) -> None:
    trio = Trio(78)
    for set_bits in ([], [0], [lead - 1], list(range(lead))):
        bits = np.zeros(lead, bool)
        bits[set_bits] = True
        for solo in SOLOS:
            results = run_counted(trio, all_zero_cost(lead), all_zero, rows_of(trio, bits), solo=solo)
            assert [bool(results[p][0]) for p in PARTIES] == [not set_bits] * 3


@pytest.mark.parametrize("ring", RINGS)
@pytest.mark.parametrize("hi", [100, 127, 1, 2])
def test_the_whole_check(ring: Ring, hi: int) -> None:
    """One bad row of many, two bad rows that cancel (2^63 twice), the last row, and none."""
    trio = Trio(79)
    half = 1 << (ring.bits - 1)

    def body(scope: Scope, x: Share) -> Body[bool]:
        parts = yield from out_of_range(scope, x, [RangeRun(x.size, 0, hi)], range_bits(ring, hi))
        opened = yield from all_zero(scope, tag_rows(*(yield from fold(scope, parts))))
        return bool(opened[0])

    good = [int(value) for value in trio.rng.integers(0, hi + 1, 5000)]
    for bad in ([], [(17, hi + 1)], [(4999, -1)], [(3, half), (4, half)], [(0, 1 - half), (1, half + 1)]):
        values = list(good)
        for at, value in bad:
            values[at] = signed(value, ring.bits)
        results = trio.run(body, trio.share(ring, values))
        assert set(results.values()) == {not bad}


def test_a_lying_copy_of_the_opened_bit_is_named() -> None:
    trio = Trio(80)
    shares = rows_of(trio, np.zeros(1, bool))
    shares[PARTIES[0]].own[...] ^= np.uint64(1)
    with pytest.raises(ProtocolViolation, match=r"party \d and party \d hold different copies of an opened bit"):
        trio.run(all_zero, shares)


def parts(components: tuple[tuple[int, ...], ...], runs: int) -> dict[Party, BitShare]:
    words = [np.array([[-bit & (1 << 64) - 1] * (runs // 64) for bit in one], np.uint64) for one in components]
    return {p: BitShare(runs, words[p - 1], words[p.next - 1]) for p in PARTIES}


def test_views_depend_on_the_result_alone() -> None:
    """Two rows, all draws: what a party sees is fixed by its own components and by whether both rows are zero."""
    seen: dict[Any, str] = {}
    for flat in itertools.product((0, 1), repeat=6):
        components = (flat[0:2], flat[2:4], flat[4:6])
        views, results = tiny_views(all_zero, parts(components, 64), ring=64, field=1, bits=6, solo=PARTIES[0], drawn=3)
        zero = not any(flat[0] ^ flat[2] ^ flat[4] or flat[1] ^ flat[3] ^ flat[5] for _ in (0,))
        for party in PARTIES:
            assert results[party].all() == zero and len(set(results[party].tolist())) == 1
            key = (party, components[party - 1], components[party.next - 1], zero)
            assert seen.setdefault(key, views[party]) == views[party]
    assert len(seen) == 3 * 16 * 2


@pytest.mark.parametrize(
    ("size", "bits", "width", "some"),
    [(4, 1, 1, range(16)), (4, 1, 0, range(16)), (6, 2, 3, (0, 21, 63)), (6, 2, 1, (0, 21, 63))],
)
def test_views_of_halves(size: int, bits: int, width: int, some: Iterable[int]) -> None:
    """A ring of a few bits, all draws: what A and B see depends on c alone, what D sees on r alone."""
    ring, solo = TinyRing(size), SOLOS[1]
    pair: dict[int, Any] = {}
    alone: dict[int, Any] = {}
    # tables, two masks for each reading, what D passes on
    drawn = (1 << bits) - 1 + 2 * readings([RangeRun(1, 0, width)], bits) + size - bits

    def halves(scope: Scope, c: int, r: int) -> Body[list[np.ndarray]]:
        runs = 1 << drawn
        zero, own = np.zeros(runs, np.uint64), np.full(runs, c if scope.in_pair else r, np.uint64)
        # D holds r as its own component, A has c as its next one, B as its own
        x = Share(ring, zero, own) if scope.role is ProtocolRole.A else Share(ring, own, zero)
        return (yield from out_of_range(scope, x, [RangeRun(runs, 0, width)], bits))

    for c, r in itertools.product(some, range(1 << size)):
        body = lambda scope, c=c, r=r: halves(scope, c, r)
        views, parts = tiny_views(body, ring=size, field=size - bits, bits=drawn, solo=solo)
        assert (found(parts, ring, 1 << drawn) == ((c + r) % (1 << size) > width)).all()
        mine = {party: views[party] for party in PARTIES if party is not solo}
        assert pair.setdefault(c, mine) == mine, (c, r)
        assert alone.setdefault(r, views[solo]) == views[solo], (c, r)


@pytest.mark.parametrize("bits", [3, 8, 28])
def test_every_message_is_balanced(bits: int) -> None:
    """At 64 bits, one value of all zeros in fresh sharings: each bit of each message is set about half the time."""
    trio, count = Trio(85), 4096
    run = RangeRun(count, 0, (1 << bits) - 2)
    for value in (0, 1 << 63):
        for solo in SOLOS:
            shares = {party: Share.empty(RING64, (count,)) for party in PARTIES}
            for share in shares.values():
                share.own[...], share.next[...] = 0, 0
            # in the clear at the two who hold component 1, the worst case for what the third one sees
            shares[PARTIES[0]].own[...] = shares[PARTIES[2]].next[...] = np.uint64(value)
            trio.run(lambda scope, x: out_of_range(scope, x, [run], bits), shares, solo=solo)
            for party in PARTIES:
                for message in trio.post.parts[party]:
                    share_of_ones = np.unpackbits(message).mean()
                    assert abs(share_of_ones - 0.5) < 5 * 0.5 / np.sqrt(message.nbytes * 8), (party, message.nbytes)
