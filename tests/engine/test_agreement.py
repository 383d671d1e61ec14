"""Keys: who contributes to them, what is bound into them, and that they are confirmed before they are used."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest

from tercet.engine import agreement
from tercet.engine.agreement import agree_on_keys
from tercet.errors import IntegrityError, ProtocolViolation, TercetError
from tercet.sharing import ALL, PARTIES, Party, SessionKeys, fresh_seed, joint_seed
from tercet.transport import Endpoint, SessionPeer
from tercet.transport.memory import memory_endpoints

JOB, PLAN = bytes(16), bytes(32)


def agreed(
    prepare: Callable[[Party, Endpoint], Any] = lambda party, endpoint: None,
    context: Callable[[Party], bytes] = lambda party: b"a federation",
) -> dict[Party, SessionKeys | TercetError]:
    endpoints = memory_endpoints()
    found: dict[Party, SessionKeys | TercetError] = {}
    together = threading.Barrier(3)

    def run(party: Party) -> None:
        endpoint = endpoints[SessionPeer(party)]
        prepare(party, endpoint)
        try:
            found[party] = agree_on_keys(endpoint, 10, context(party))
        except TercetError as error:
            found[party] = error
        together.wait(20)
        endpoint.close()

    threads = [threading.Thread(target=run, args=(party,)) for party in PARTIES]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return found


def test_each_seed_is_known_to_its_holders_and_no_two_are_alike() -> None:
    found = agreed()
    seeds: dict[int, set[bytes]] = {}
    for party in PARTIES:
        keys = found[party]
        assert isinstance(keys, SessionKeys)
        assert set(keys.seeds) == {party, party.next, ALL}
        for component, seed in keys.seeds.items():
            seeds.setdefault(component, set()).add(bytes(seed))
    assert all(len(values) == 1 for values in seeds.values())
    assert len({seed for values in seeds.values() for seed in values}) == 4
    again = agreed()
    assert not {s for v in seeds.values() for s in v} & {
        s for k in again.values() if isinstance(k, SessionKeys) for s in map(bytes, k.seeds.values())
    }


def test_every_holder_contributes(monkeypatch: pytest.MonkeyPatch) -> None:
    """One party whose generator always gives the same does not make a seed that repeats."""
    here = threading.local()
    monkeypatch.setattr(agreement, "fresh_seed", lambda: bytes(32) if getattr(here, "poor", False) else fresh_seed())

    def prepare(party: Party, endpoint: Endpoint) -> None:
        here.poor = party is Party.P1

    runs = [agreed(prepare) for _ in range(2)]
    seen = [
        (component, bytes(seed))
        for run in runs
        for party, keys in run.items()
        if isinstance(keys, SessionKeys)
        for component, seed in keys.seeds.items()
        if component in (ALL, party)
    ]
    assert len(seen) == 12 and len(set(seen)) == 8


@pytest.mark.parametrize("odd", PARTIES)
def test_another_federation_is_noticed_before_a_key_is_used(odd: Party) -> None:
    found = agreed(context=lambda party: b"another" if party is odd else b"a federation")
    for party, error in found.items():
        assert isinstance(error, ProtocolViolation)
        if party is not odd:
            assert error.party == int(odd) and "other keys" in error.message


def test_another_certificate_is_noticed() -> None:
    def prepare(party: Party, endpoint: Endpoint) -> None:
        endpoint.binding = b"x" if party is Party.P2 else b"y"

    found = agreed(prepare)
    assert isinstance(found[Party.P1], ProtocolViolation) and found[Party.P1].party == 2


def test_streams_are_bound_to_job_and_plan() -> None:
    def first(job: bytes, plan: bytes, session: bytes = b"s" * 32) -> bytes:
        import numpy as np

        from tercet.sharing import Purpose

        keys = SessionKeys({1: bytes(32), 2: bytes(32), ALL: bytes(32)}, session)
        out = np.zeros(16, np.uint8)
        keys.streams(job, plan).fill(1, 1, 1, Purpose.MASK, out)
        return out.tobytes()

    base = first(JOB, PLAN)
    assert base == first(JOB, PLAN)
    assert len({base, first(b"j" * 16, PLAN), first(JOB, b"p" * 32), first(JOB, PLAN, b"t" * 32)}) == 4


def test_a_job_gets_streams_once() -> None:
    keys = SessionKeys({1: bytes(32), 2: bytes(32), ALL: bytes(32)}, bytes(32))
    keys.streams(JOB, PLAN)
    with pytest.raises(IntegrityError, match="was run before"):
        keys.streams(JOB, PLAN)


def test_known_answers() -> None:
    """As HKDF-SHA256 of RFC 5869 gives them, worked out with Python's hmac below."""
    import hashlib
    import hmac

    def hkdf(key: bytes, salt: bytes, info: bytes, length: int) -> bytes:
        prk = hmac.new(salt or bytes(32), key, hashlib.sha256).digest()
        out, block = b"", b""
        for number in range(1, 1 + -(-length // 32)):
            block = hmac.new(prk, block + info + bytes([number]), hashlib.sha256).digest()
            out += block
        return out[:length]

    a, b = bytes(range(32)), bytes(range(32, 64))
    seed = bytearray(32)
    joint_seed(memoryview(seed), a, b)
    assert seed == hkdf(a + b, b"", b"tercet/2 joint seed", 32)
    keys = SessionKeys({1: a, 2: b, ALL: a}, b"n" * 32)
    assert keys.tag(2, 3) == hkdf(b, b"n" * 32, b"tercet/2 confirm \x02\x03", 16)
