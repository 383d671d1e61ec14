"""Streams by their address, against AES block by block; and what a seed stands for, whole and from any byte on."""

from __future__ import annotations

import numpy as np
import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from hypothesis import given
from hypothesis import strategies as st

from tercet.errors import IntegrityError
from tercet.sharing import ALL, Purpose, Streams, expand_into, expand_pieces, expand_seed

SEED = bytes(range(24))
LONG = 300_001
WHOLE = expand_seed(SEED, LONG)


def test_it_begins_with_aes_of_the_nonce() -> None:
    block = Cipher(algorithms.AES(SEED[:16]), modes.ECB()).encryptor().update(SEED[16:] + bytes(8))
    assert WHOLE[:16].tobytes() == block
    assert block.hex() == "8de6d8c0dd5bcc98df463acae0f52a75"


def test_seeds_of_one_key_and_other_nonces_have_nothing_in_common() -> None:
    other = expand_seed(SEED[:16] + bytes(8), LONG)
    assert np.mean(other == WHOLE) < 0.01


def test_another_length_is_refused() -> None:
    with pytest.raises(ValueError, match="a seed has 24 bytes, not 16"):
        expand_seed(bytes(16), 8)


@given(st.one_of(st.integers(0, 100), st.integers(0, LONG)), st.one_of(st.integers(0, 100), st.integers(0, LONG)))
def test_any_part_is_that_of_the_whole(start: int, length: int) -> None:
    out = np.zeros(min(length, LONG - start), np.uint8)
    expand_into(out, SEED, start)
    assert out.tobytes() == WHOLE[start : start + length].tobytes()


@pytest.mark.parametrize("nbytes", [0, 8, 1000, 1 << 17, (1 << 17) + 16, 3 << 17])
def test_in_pieces(nbytes: int) -> None:
    assert b"".join(piece.tobytes() for piece in expand_pieces(SEED, nbytes)) == expand_seed(SEED, nbytes).tobytes()


KEYS = {1: bytes(range(16)), 2: bytes(range(16, 32)), ALL: bytes(range(32, 48))}


def keystream(key: bytes, instance: int, step: int, purpose: int, nbytes: int) -> bytes:
    """AES-128 in counter mode, one block after the other: instance (64 bits), step (24), purpose (8), block (32)."""
    counters = b"".join(
        (instance << 64 | step << 40 | purpose << 32 | block).to_bytes(16, "big") for block in range(-(-nbytes // 16))
    )
    return Cipher(algorithms.AES(key), modes.ECB()).encryptor().update(counters)[:nbytes]


def drawn(streams: Streams, component: int, instance: int, step: int, purpose: Purpose, nbytes: int) -> bytes:
    out = np.empty(nbytes, np.uint8)
    streams.fill(component, instance, step, purpose, out)
    return out.tobytes()


def test_a_published_vector() -> None:
    """The first block of AES-128-CTR in NIST SP 800-38A, F.5.1: its counter block as an address."""
    key = bytes.fromhex("2b7e151628aed2a6abf7158809cf4f3c")
    counter = 0xF0F1F2F3F4F5F6F7F8F9FAFBFCFDFEFF
    assert keystream(key, 0, 0, 0, 16).hex() == "7df76b0c1ab899b33e42f047b91b546f"
    block = Cipher(algorithms.AES(key), modes.ECB()).encryptor().update(counter.to_bytes(16, "big"))
    plain = bytes.fromhex("6bc1bee22e409f96e93d7e117393172a")
    assert bytes(a ^ b for a, b in zip(block, plain, strict=True)).hex() == "874d6191b620e3261bef6864990db6ce"
    assert drawn(Streams({ALL: key}), ALL, 0, 0, Purpose.MASK, 16) == keystream(key, 0, 0, Purpose.MASK, 16)


def test_a_known_answer() -> None:
    """Component 2, instance 3 << 32 | 5, step 7: computed by AES on the counter block written out."""
    assert drawn(Streams(KEYS), 2, 3 << 32 | 5, 7, Purpose.TABLE, 16).hex() == "202dc7b1fe62e86b424a1b221ae7e9e6"
    block = bytes.fromhex("00000003000000050000070300000000")
    assert (
        Cipher(algorithms.AES(KEYS[2]), modes.ECB()).encryptor().update(block).hex()
        == "202dc7b1fe62e86b424a1b221ae7e9e6"
    )


@given(
    st.sampled_from(sorted(KEYS)),
    st.integers(0, (1 << 64) - 1),
    st.integers(0, (1 << 24) - 1),
    st.sampled_from(Purpose),
    st.one_of(st.integers(0, 100), st.sampled_from([1 << 17, (1 << 17) + 1, 3 << 17])),
)
def test_a_draw_is_aes_in_counter_mode(component: int, instance: int, step: int, purpose: Purpose, size: int) -> None:
    got = drawn(Streams(KEYS), component, instance, step, purpose, size)
    assert got == keystream(KEYS[component], instance, step, purpose, size)


def test_an_address_is_used_once() -> None:
    """Whatever its size; what differs in any part of it is another address, and another stream."""
    streams = Streams(KEYS)
    address = (1, 9, 4, Purpose.MASK)
    others = [
        (2, 9, 4, Purpose.MASK),
        (ALL, 9, 4, Purpose.MASK),
        (1, 10, 4, Purpose.MASK),
        (1, 9, 5, Purpose.MASK),
        (1, 9, 4, Purpose.OUTPUT),
    ]
    values = {drawn(streams, *place, 32) for place in (address, *others)}
    assert len(values) == len(others) + 1
    for size in (0, 32, 64):
        with pytest.raises(IntegrityError, match=r"address reused: component 1, instance 0x9, step 4, purpose MASK"):
            drawn(streams, *address, size)


def test_purposes_are_distinct_and_fit_their_place() -> None:
    values = [int(purpose) for purpose in Purpose]
    assert len(set(values)) == len(values) and all(0 < value < 256 for value in values)


def test_a_stream_that_a_party_does_not_hold_is_not_there() -> None:
    with pytest.raises(KeyError):
        drawn(Streams(KEYS), 3, 1, 1, Purpose.MASK, 8)


def test_draws_are_noted_without_their_contents() -> None:
    streams, seen = Streams(KEYS), []
    drawn(streams, 1, 1, 1, Purpose.MASK, 8)
    streams.note(lambda *address: seen.append(address))
    drawn(streams, 1, 1, 2, Purpose.ZERO, 8)
    assert seen == [(1, 1, 2, Purpose.ZERO, 8)]
