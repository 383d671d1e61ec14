"""Reveal to a recipient outside: right, fresh, checked."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from tercet.errors import IntegrityError
from tercet.protocols.reveal import put_together, reveal, reveal_bytes
from tercet.protocols.scope import Scope
from tercet.ring import RING64, RING128, Ring, pack_bits
from tercet.sharing import PARTIES, BitShare, Party, Share
from trio import PostChannel, Trio


def messages(trio: Trio, shares: dict[Party, Any]) -> list[np.ndarray]:
    trio.operations += 1
    instance = (1 << 63) + trio.operations
    return [
        reveal(Scope(p, trio.streams[p], PostChannel(trio.post, p), instance, solo=PARTIES[0]), shares[p])
        for p in PARTIES
    ]


@pytest.mark.parametrize("ring", [RING64, RING128])
@pytest.mark.parametrize("shape", [(), (0,), (5,), (2, 3, 4)])
def test_words(ring: Ring, shape: tuple[int, ...]) -> None:
    trio = Trio(1)
    values = np.arange(int(np.prod(shape))).reshape(shape) - 3
    parts = messages(trio, trio.share(ring, values))
    assert [part.nbytes for part in parts] == [reveal_bytes(ring, values.size)] * 3
    assert parts[0].nbytes == values.size * ring.word_bytes + 64
    assert np.array_equal(ring.to_ints(put_together(parts, ring, "x")).reshape(shape), values)


@pytest.mark.parametrize("count", [0, 1, 63, 64, 65, 200])
def test_bits_without_what_lies_behind_them(count: int) -> None:
    trio = Trio(2)
    bits = trio.rng.random(count) < 0.5
    shares = trio.share_bits(bits)
    for share in shares.values():  # bits beyond the last differ between holders, as protocols may leave them
        if count % 64:
            share.own[-1] ^= np.uint64(int(trio.rng.integers(1 << 62)) << count % 64 & (1 << 64) - 1)
    parts = messages(trio, shares)
    assert np.array_equal(put_together(parts, None, "x"), pack_bits(bits))
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
        put_together(messages(trio, shares), RING64, "x")


def test_a_view_is_revealed_in_logical_order() -> None:
    trio = Trio(5)
    values = np.arange(12).reshape(3, 4)
    shares = {p: Share(s.ring, s.own.T, s.next.T) for p, s in trio.share(RING64, values).items()}
    assert np.array_equal(RING64.to_ints(put_together(messages(trio, shares), RING64, "x")), values.T.reshape(-1))


def test_the_same_output_is_not_revealed_twice_under_one_mask() -> None:
    trio = Trio(6)
    share = trio.share_bits(np.ones(3, bool))[Party.P1]
    assert isinstance(share, BitShare)
    scope = Scope(Party.P1, trio.streams[Party.P1], PostChannel(trio.post, Party.P1), 1 << 63, solo=Party.P1)
    again = Scope(Party.P1, trio.streams[Party.P1], PostChannel(trio.post, Party.P1), 1 << 63, solo=Party.P1)
    reveal(scope, share)
    with pytest.raises(IntegrityError, match="reused"):
        reveal(again, share)
