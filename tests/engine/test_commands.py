"""Command bodies: what decodes re-encodes to the same bytes, everything else is refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tercet.engine.commands import Done, Drop, LinkEstimate, Put, RunPlan
from tercet.errors import ProtocolViolation
from tercet.ring import RING64, RING128
from tercet.sharing import PARTIES, UPLOAD_SEED_BYTES, BitShare, Share, split, split_bits

HANDLE = bytes(range(16))


def joined(pieces: list[Any]) -> memoryview:
    return memoryview(bytearray(b"".join(bytes(piece) for piece in pieces)))


def puts() -> st.SearchStrategy[Put]:
    def build(ring: int, shape: tuple[int, ...], label: bytes, own_seed: bool, next_seed: bool) -> Put:
        blank = Put(HANDLE, ring, shape, label, b"", b"", own_seed, next_seed)
        sizes = [UPLOAD_SEED_BYTES if seed else blank.component_bytes for seed in (own_seed, next_seed)]
        return Put(HANDLE, ring, shape, label, bytes(sizes[0]), bytes(sizes[1]), own_seed, next_seed)

    shapes = st.lists(st.integers(0, 4), max_size=3).map(tuple)
    return st.builds(build, st.sampled_from([0, 64, 128]), shapes, st.binary(max_size=9), st.booleans(), st.booleans())


DONE = Done(HANDLE, 1.0, 0.5, [2], [1], [8], [0.1])
EXAMPLES: list[tuple[Any, Callable[[memoryview], Any]]] = [
    (RunPlan(HANDLE, b"plan"), RunPlan.decode),
    (Drop((HANDLE, HANDLE)), Drop.decode),
    (Drop(()), Drop.decode),
    (LinkEstimate(0.5, 1e9), LinkEstimate.decode),
    (DONE, Done.decode),
    (Put(HANDLE, 64, (2,), b"x", bytes(24), bytes(16), True, False), Put.decode),
]


@given(puts())
def test_uploads_round_trip(put: Put) -> None:
    body = joined(put.encode())
    again = Put.decode(body)
    assert joined(again.encode()) == body
    value = again.value()
    if isinstance(value, Share):
        assert value.shape == put.shape and value.own.flags.aligned and value.next.flags.aligned


@pytest.mark.parametrize(("command", "decode"), EXAMPLES)
def test_commands_round_trip_and_refuse_other_lengths(command: Any, decode: Callable[[memoryview], Any]) -> None:
    body = joined(command.encode())
    assert joined(decode(body).encode()) == body
    for end in range(len(body)):
        with pytest.raises(ProtocolViolation):
            decode(body[:end])
    with pytest.raises(ProtocolViolation):
        decode(joined([body, b"\0"]))
    with pytest.raises(ProtocolViolation, match="version"):
        decode(joined([b"\x07", body[1:]]))


@pytest.mark.parametrize("decode", [RunPlan.decode, Drop.decode, LinkEstimate.decode, Done.decode, Put.decode])
@given(data=st.data())
def test_garbage_is_refused(decode: Callable[[memoryview], Any], data: st.DataObject) -> None:
    body = b"\x01" + data.draw(st.binary(max_size=120))
    try:
        decoded = decode(memoryview(body))
    except ProtocolViolation:
        return
    assert joined(decoded.encode()) == body


def test_uploads_announcing_too_much_are_refused_before_allocation() -> None:
    body = joined(Put(HANDLE, 64, (1 << 39,), b"", bytes(24), b"", True, False).encode())
    with pytest.raises(ProtocolViolation, match="announced"):
        Put.decode(body)


@pytest.mark.parametrize("ring", [RING64, RING128])
@pytest.mark.parametrize("explicit", PARTIES)
def test_parts_of_an_upload_add_up(ring: Any, explicit: Any) -> None:
    words = ring.from_ints([[1, -2, 3], [4, 5, -6]])
    upload = split(words, ring, explicit)
    shares = []
    for party in PARTIES:
        own, following = upload.part(party)
        put = Put(HANDLE, ring.bits, (2, 3), b"", own, following, party is not explicit, party.next is not explicit)
        value = Put.decode(joined(put.encode())).value()
        assert isinstance(value, Share)
        shares.append(value)
    total = ring.add(ring.add(shares[0].own, shares[1].own), shares[2].own)
    assert np.array_equal(ring.to_ints(total), [[1, -2, 3], [4, 5, -6]])
    for party in PARTIES:
        assert np.array_equal(shares[party.prev - 1].next, shares[party - 1].own)


def test_parts_of_bits_add_up() -> None:
    packed = np.array([2**63 + 5, 7], np.uint64)
    upload = split_bits(packed)
    values = []
    for party in PARTIES:
        own, following = upload.part(party)
        seeds = party is not upload.explicit, party.next is not upload.explicit
        value = Put.decode(joined(Put(HANDLE, 0, (70,), b"", own, following, *seeds).encode())).value()
        assert isinstance(value, BitShare) and value.count == 70
        values.append(value)
    assert np.array_equal(values[0].own ^ values[1].own ^ values[2].own, packed)
