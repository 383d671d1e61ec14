"""Splitting values: what an owner sends puts together to the value, and two components say nothing of it."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import tercet.sharing.share
from tercet.errors import IntegrityError
from tercet.ring import RING64, RING128, Ring, pack_bits, word_count
from tercet.sharing import (
    PARTIES,
    UPLOAD_SEED_BYTES,
    BitShare,
    Party,
    Share,
    Upload,
    check_doubly_held,
    expand_seed,
    split,
    split_bits,
)


def component(upload: Upload, party: Party, nbytes: int) -> bytes:
    """Component `party` as bytes: what its seed stands for, or what was sent."""
    given = upload.components[party - 1]
    return bytes(given) if party is upload.explicit else expand_seed(bytes(given), nbytes).tobytes()


@pytest.mark.parametrize("explicit", PARTIES)
@pytest.mark.parametrize("ring", [RING64, RING128])
@given(values=st.lists(st.integers(-(1 << 127), (1 << 127) - 1), max_size=40))
def test_words_put_together(ring: Ring, explicit: Party, values: list[int]) -> None:
    """By Python integers, without the ring: the components add up modulo 2^bits."""
    words = ring.from_ints(values)
    upload = split(words, ring, explicit)
    size = ring.word_bytes
    parts = [component(upload, party, words.nbytes) for party in PARTIES]
    assert all(len(part) == size * len(values) for part in parts)
    for at, value in enumerate(values):
        total = sum(int.from_bytes(part[at * size : at * size + size], "little") for part in parts)
        assert total % (1 << ring.bits) == value % (1 << ring.bits)
    assert [len(upload.components[p - 1]) for p in PARTIES if p is not explicit] == [UPLOAD_SEED_BYTES] * 2


@pytest.mark.parametrize("explicit", PARTIES)
@given(values=st.lists(st.booleans(), max_size=200))
def test_bits_put_together(explicit: Party, values: list[bool]) -> None:
    packed = pack_bits(np.array(values, bool))
    upload = split_bits(packed, explicit)
    total = 0
    for party in PARTIES:
        total ^= int.from_bytes(component(upload, party, packed.nbytes), "little")
    assert [bool(total >> at & 1) for at in range(len(values))] == values


def test_a_known_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    """With given seeds the explicit component is the value less both expansions: Python integers."""
    seeds = iter([bytes(range(24)), bytes(range(100, 124))])
    monkeypatch.setattr(tercet.sharing.share.secrets, "token_bytes", lambda size: next(seeds))
    upload = split(RING64.from_ints([7]), RING64)
    first, second = (
        int.from_bytes(expand_seed(seed, 8).tobytes(), "little") for seed in (bytes(range(24)), bytes(range(100, 124)))
    )
    assert upload.components[:2] == (bytes(range(24)), bytes(range(100, 124)))
    assert int.from_bytes(upload.components[2], "little") == (7 - first - second) % 2**64


def test_each_part_has_two_components_and_each_component_two_holders() -> None:
    upload = split(RING64.from_ints([1, 2]), RING64)
    for party in PARTIES:
        assert upload.part(party) == (upload.components[party - 1], upload.components[party.next - 1])
        assert upload.part(party)[1] is upload.part(party.next)[0]


@pytest.mark.parametrize("given_bits", [False, True])
def test_any_two_components_are_uniform_whatever_the_value(monkeypatch: pytest.MonkeyPatch, given_bits: bool) -> None:
    """Every value of both seeds' expansions, of 3 bits each: each pair of components comes equally often."""
    for value in (0, 5):
        seen: dict[int, list[tuple[int, int]]] = {party: [] for party in PARTIES}
        for first, second in product(range(8), repeat=2):
            expansions = iter([first, second])

            def expand(seed: bytes, nbytes: int, expansions: Any = expansions) -> Any:
                return RING64.from_ints([next(expansions)]).view(np.uint8)

            monkeypatch.setattr(tercet.sharing.share, "expand_seed", expand)
            words = RING64.from_ints([value])
            upload = split_bits(words) if given_bits else split(words, RING64)
            third = int.from_bytes(upload.components[2], "little") % 8
            parts = {Party.P1: first, Party.P2: second, Party.P3: third}
            for party in PARTIES:
                seen[party].append((parts[party], parts[party.next]))
        for pairs in seen.values():
            assert sorted(pairs) == sorted(product(range(8), repeat=2))


def test_seeds_are_fresh() -> None:
    uploads = [split(RING64.zeros(3), RING64) for _ in range(20)]
    seeds = {bytes(part) for upload in uploads for part in upload.components[:2]}
    assert len(seeds) == 40


def test_copies_that_differ_are_named() -> None:
    digests = [(b"1", b"2"), (b"2", b"3"), (b"3", b"1")]
    check_doubly_held(digests, "the result")
    for at, names in ((0, "parties 3 and 1 .* component 1"), (1, "parties 1 and 2 .* component 2")):
        changed = [
            (b"x", following) if place == at else (own, following) for place, (own, following) in enumerate(digests)
        ]
        with pytest.raises(IntegrityError, match=f"{names} of the result"):
            check_doubly_held(changed, "the result")
    with pytest.raises(IntegrityError, match=r"nodes a and b .* component 2 of the result"):
        check_doubly_held([(b"1", b"x"), *digests[1:]], "the result", ["a", "b", "c"])


def test_parts_are_reshaped_and_cut_alike() -> None:
    own, following = RING64.from_ints(np.arange(6).reshape(2, 3)), RING64.from_ints(np.arange(10, 16).reshape(2, 3))
    share = Share(RING64, own.T, following.T)
    flat = share.flat()
    assert flat.own.tolist() == [0, 3, 1, 4, 2, 5] and flat.next.tolist() == [10, 13, 11, 14, 12, 15]
    assert flat.flat() is flat and share.size == 6 and flat[2:].shape == (4,)
    assert share.reshape((3, 2)) is share and flat.reshape((2, 3)).next.tolist() == [[10, 13, 11], [14, 12, 15]]
    bits = BitShare.empty(130, (2,))
    assert bits.shape == (2, 3) and bits[0].shape == (3,) and bits[0].count == 130
    assert [word_count(n) for n in (0, 1, 64, 65)] == [0, 1, 1, 2]


def test_the_ring_of_parties() -> None:
    assert [(int(p.prev), int(p), int(p.next)) for p in PARTIES] == [(3, 1, 2), (1, 2, 3), (2, 3, 1)]
