"""Reveal to a recipient outside: right, fresh, checked."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tercet.errors import IntegrityError
from tercet.protocols.reveal import Window, put_together, reveal, reveal_bytes
from tercet.protocols.scope import Scope
from tercet.ring import RING64, RING128, Ring, pack_bits
from tercet.sharing import PARTIES, BitShare, Party, Share
from trio import PostChannel, Trio


def whole(ring: Ring) -> Window:
    return Window(ring, -(1 << ring.bits - 1), ring.bits)


def messages(trio: Trio, shares: dict[Party, Any], window: Window | None = None) -> list[np.ndarray]:
    trio.operations += 1
    first = shares[PARTIES[0]]
    window = window or (whole(first.ring) if isinstance(first, Share) else None)
    instance = (1 << 63) + trio.operations
    return [
        reveal(Scope(p, trio.streams[p], PostChannel(trio.post, p), instance, solo=PARTIES[0]), shares[p], window)
        for p in PARTIES
    ]


@pytest.mark.parametrize("ring", [RING64, RING128])
@pytest.mark.parametrize("shape", [(), (0,), (5,), (2, 3, 4)])
def test_words(ring: Ring, shape: tuple[int, ...]) -> None:
    trio = Trio(1)
    values = np.arange(int(np.prod(shape))).reshape(shape) - 3
    parts = messages(trio, trio.share(ring, values))
    assert [part.nbytes for part in parts] == [reveal_bytes(whole(ring), values.size)] * 3
    assert parts[0].nbytes == values.size * ring.word_bytes + 64
    assert np.array_equal(ring.to_ints(put_together(parts, whole(ring), values.size, "x")).reshape(shape), values)


@pytest.mark.parametrize("count", [0, 1, 63, 64, 65, 200])
def test_bits_without_what_lies_behind_them(count: int) -> None:
    trio = Trio(2)
    bits = trio.rng.random(count) < 0.5
    shares = trio.share_bits(bits)
    for share in shares.values():  # bits beyond the last differ between holders, as protocols may leave them
        if count % 64:
            share.own[-1] ^= np.uint64(int(trio.rng.integers(1 << 62)) << count % 64 & (1 << 64) - 1)
    parts = messages(trio, shares)
    assert np.array_equal(put_together(parts, None, count, "x"), pack_bits(bits))
    if count % 64:
        assert all(int(part[:-64].view(np.uint64)[-1]) >> count % 64 == 0 for part in parts)


def test_the_recipient_sees_fresh_summands() -> None:
    """Shares that are public constants, as of a public input, come out uniform; and never twice the same."""
    trio = Trio(3)
    zero, one = np.zeros(4000, np.uint64), np.ones(4000, np.uint64)
    components = {Party.P1: one, Party.P2: zero, Party.P3: zero}
    shares = {p: Share(RING64, components[p], components[p.next]) for p in PARTIES}
    first, second = messages(trio, shares), messages(trio, shares)
    for part in [*first, *second]:
        words = part[:-64].view(np.uint64)
        assert len(np.unique(words)) == words.size
        ones = np.unpackbits(words.view(np.uint8)).mean()
        assert abs(ones - 0.5) < 0.005
    assert not np.array_equal(first[0], second[0])
    assert not np.array_equal(first[0][-64:], second[0][-64:])  # tags of equal components differ too


@pytest.mark.parametrize("party", PARTIES)
@pytest.mark.parametrize("which", ["own", "next"])
def test_copies_that_differ_are_named(party: Party, which: str) -> None:
    trio = Trio(4)
    shares = trio.share(RING64, np.arange(10))
    getattr(shares[party], which)[7] ^= np.uint64(1)
    component = party if which == "own" else party.next
    named = f"parties {int(component.prev)} and {int(component)} .*component {int(component)}"
    with pytest.raises(IntegrityError, match=named):
        put_together(messages(trio, shares), whole(RING64), 10, "x")


def test_a_view_is_revealed_in_logical_order() -> None:
    trio = Trio(5)
    values = np.arange(12).reshape(3, 4)
    shares = {p: Share(s.ring, s.own.T, s.next.T) for p, s in trio.share(RING64, values).items()}
    assert np.array_equal(
        RING64.to_ints(put_together(messages(trio, shares), whole(RING64), values.size, "x")), values.T.reshape(-1)
    )


def test_the_same_output_is_not_revealed_twice_under_one_mask() -> None:
    trio = Trio(6)
    share = trio.share_bits(np.ones(3, bool))[Party.P1]
    assert isinstance(share, BitShare)
    scope = Scope(Party.P1, trio.streams[Party.P1], PostChannel(trio.post, Party.P1), 1 << 63, solo=Party.P1)
    again = Scope(Party.P1, trio.streams[Party.P1], PostChannel(trio.post, Party.P1), 1 << 63, solo=Party.P1)
    reveal(scope, share, None)
    with pytest.raises(IntegrityError, match="reused"):
        reveal(again, share, None)


@pytest.mark.parametrize(
    ("ring", "lo", "bits"),
    [
        (ring, lo, bits)
        for ring in (RING64, RING128)
        for lo in (0, -100, 7, 1 - (1 << ring.bits - 2))
        for bits in (0, 1, 7, 8, 33, ring.bits - 1, ring.bits)
    ],
)
def test_what_is_in_the_window_comes_out_and_what_is_outside_comes_out_in_it(ring: Ring, lo: int, bits: int) -> None:
    trio = Trio(7)
    window, most = Window(ring, lo, bits), (1 << bits) - 1
    values = np.array([lo, lo + most, lo + most // 3, lo - 1, lo + most + 1, 0, -1, 1 << ring.bits - 2], dtype=object)
    parts = messages(trio, trio.share(ring, values), window)
    assert [part.nbytes for part in parts] == [reveal_bytes(window, values.size)] * 3
    assert parts[0].nbytes == -(-values.size * bits // 8) + 64
    got = ring.to_ints(put_together(parts, window, values.size, "x"))
    signed = 1 << ring.bits - 1
    expected = [(lo + (int(v) - lo) % (most + 1) + signed) % (2 * signed) - signed for v in values]
    assert [int(v) for v in got] == expected


@pytest.mark.parametrize("ring", [RING64, RING128])
def test_nothing_above_the_window_is_in_what_the_recipient_sees(ring: Ring) -> None:
    """Two words that are alike in the window give the same three summands, bit for bit, under the same draws; that the
    tags are of other components cannot be seen without their keys (see `reveal`)."""
    window = Window(ring, -5, 9)
    values = np.arange(-5, 400)
    seen = []
    for above in (0, 1 << 20, -(1 << ring.bits - 3)):
        trio = Trio(8)
        shares = trio.share(ring, values)
        for party in PARTIES:  # component 1 carries what is above
            word = ring.from_ints(np.full(values.size, above, dtype=object))
            if party is Party.P1:
                shares[party] = Share(ring, ring.add(shares[party].own, word), shares[party].next)
            elif party.next is Party.P1:
                shares[party] = Share(ring, shares[party].own, ring.add(shares[party].next, word))
        seen.append([part[:-64].tobytes() for part in messages(trio, shares, window)])
    assert seen[0] == seen[1] == seen[2]


def test_every_view_of_the_summands_is_as_likely_exhaustively() -> None:
    """A window of 2 bits: for each of the four remainders, whatever lies above and however it is shared, each triple of
    summands with that sum comes equally often, over all values of the low bits of the draws."""
    window = Window(RING64, 3, 2)
    for value in (3, 4, 5, 6, 7, 1003, -9):
        for shared in range(4):
            counts: dict[tuple[int, ...], int] = {}
            for a in range(4):
                for b in range(4):
                    draws = {Party.P1: a, Party.P2: b, Party.P3: 0}
                    triple = _summands(value, shared, draws, window)
                    assert (sum(triple) - (value - 3)) % 4 == 0
                    counts[triple] = counts.get(triple, 0) + 1
            assert len(counts) == 16 and set(counts.values()) == {1}


def _summands(value: int, shared: int, draws: dict[Party, int], window: Window) -> tuple[int, ...]:
    class Fixed:
        """In the place of the streams: one number for each component, whatever is drawn."""

        def __init__(self, party: Party) -> None:
            self.party = party

        def fill(self, component: Party, instance: int, step: int, purpose: int, out: np.ndarray) -> None:
            assert component in (self.party, self.party.next)
            out.view(np.uint64)[:] = draws[component]

    words = {
        Party.P1: RING64.from_ints(np.array([value - shared])),
        Party.P2: RING64.from_ints(np.array([shared])),
        Party.P3: RING64.from_ints(np.array([0])),
    }
    trio = Trio(9)
    found = []
    for p in PARTIES:
        scope = Scope(p, Fixed(p), PostChannel(trio.post, p), 1 << 63, solo=PARTIES[0])  # type: ignore[arg-type]
        part = reveal(scope, Share(RING64, words[p], words[p.next]), window)
        found.append(int(window.unpack(part[:-64], 1)[0]))
    return tuple(found)
