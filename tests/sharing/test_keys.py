"""Keys: derived as HKDF says, other ones for every job, session, component and plan; a job is run once."""

from __future__ import annotations

import hashlib
import hmac

import numpy as np
import pytest

from tercet.errors import IntegrityError
from tercet.sharing import ALL, SEED_BYTES, TAG_BYTES, Purpose, SessionKeys, Streams, fresh_seed, joint_seed

SEEDS = {1: bytes(range(32)), 2: bytes(range(32, 64)), ALL: bytes(range(64, 96))}
SESSION, JOB, AGREED = bytes([7]) * 32, bytes([8]) * 16, bytes([9]) * 32


def hkdf(key: bytes, salt: bytes, info: bytes, size: int) -> bytes:
    """RFC 5869 with SHA-256, written out."""
    secret = hmac.digest(salt or bytes(32), key, hashlib.sha256)
    out, block, number = b"", b"", 1
    while len(out) < size:
        block = hmac.digest(secret, block + info + bytes([number]), hashlib.sha256)
        out, number = out + block, number + 1
    return out[:size]


def test_the_written_out_function_is_the_published_one() -> None:
    """RFC 5869, test case 1."""
    info = bytes.fromhex("f0f1f2f3f4f5f6f7f8f9")
    okm = hkdf(b"\x0b" * 22, bytes(range(13)), info, 42)
    assert okm.hex().startswith("3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf")


def test_a_joint_seed() -> None:
    out = bytearray(SEED_BYTES)
    joint_seed(memoryview(out), b"one" * 11, b"two" * 11)
    assert bytes(out) == hkdf(b"one" * 11 + b"two" * 11, b"", b"tercet/2 joint seed", SEED_BYTES)
    other = bytearray(SEED_BYTES)
    joint_seed(memoryview(other), b"one" * 11, b"twO" * 11)
    assert out != other


def test_a_tag_is_of_a_seed_a_sender_and_a_session() -> None:
    keys = SessionKeys(SEEDS, SESSION)
    assert keys.tag(1, 2) == hkdf(SEEDS[1], SESSION, b"tercet/2 confirm \x01\x02", TAG_BYTES)
    other = SessionKeys(SEEDS, bytes(32))
    tags = {keys.tag(1, 1), keys.tag(1, 2), keys.tag(2, 2), keys.tag(ALL, 2), other.tag(1, 2)}
    assert len(tags) == 5


def first(streams: Streams, component: int) -> bytes:
    out = np.empty(16, np.uint8)
    streams.fill(component, 1, 1, Purpose.MASK, out)
    return out.tobytes()


@pytest.mark.parametrize("component", sorted(SEEDS))
def test_a_jobs_streams_have_the_derived_key(component: int) -> None:
    key = hkdf(SEEDS[component], SESSION, b"tercet/2 stream " + bytes([component]) + JOB + AGREED, 16)
    streams = SessionKeys(SEEDS, SESSION).streams(JOB, AGREED)
    assert first(streams, component) == first(Streams({component: key}), component)


def test_other_jobs_plans_sessions_and_components_have_other_streams() -> None:
    def of(session: bytes = SESSION, job: bytes = JOB, agreed: bytes = AGREED, component: int = 1) -> bytes:
        return first(SessionKeys(SEEDS, session).streams(job, agreed), component)

    values = {of(), of(session=bytes(32)), of(job=bytes(16)), of(agreed=bytes(32)), of(component=2), of(component=ALL)}
    assert len(values) == 6
    assert of() == of()


def test_a_job_is_run_once_in_a_session() -> None:
    keys = SessionKeys(SEEDS, SESSION)
    keys.streams(JOB, AGREED)
    with pytest.raises(IntegrityError, match="job 08080808 was run before in this session"):
        keys.streams(JOB, bytes(32))
    keys.streams(bytes(16), AGREED)


def test_seeds_come_from_the_system_and_do_not_print() -> None:
    seeds = {fresh_seed() for _ in range(50)}
    assert len(seeds) == 50 and all(len(seed) == SEED_BYTES for seed in seeds)
    text = repr(SessionKeys(SEEDS, SESSION)) + repr(SessionKeys(SEEDS, SESSION).streams(JOB, AGREED))
    assert all(seed.hex()[:8] not in text and repr(seed)[2:10] not in text for seed in SEEDS.values())
