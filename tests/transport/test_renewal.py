"""Fresh keys on a connection that has lasted long: nothing is lost, and nobody else may take the place of the peer."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress

import numpy as np
import pytest

from tercet.errors import ProtocolViolation, Unreachable
from tercet.transport import Address, Element, Identity, MessageLimits, SessionPeer, TcpEndpoint
from tercet.transport.connection import KeyStage
from tercet.transport.frame import NO_JOB, FrameKind, pack
from tercet.transport.handshake import dials
from tercet.transport.identity import tls_context
from transport.sessions import JOB, settle, tcp_endpoints

P1, P2 = SessionPeer.P1, SessionPeer.P2
Pair = tuple[TcpEndpoint, TcpEndpoint]
EVERY = 12
"""Records after which keys are renewed here."""


@pytest.fixture
def pair() -> Iterator[Pair]:
    """The side that dialled first."""
    endpoints = tcp_endpoints(MessageLimits(tls_records=EVERY), [P1, P2])
    for endpoint in endpoints.values():
        endpoint.open_job(JOB)
    dialler, other = (P1, P2) if dials(P1, P2) else (P2, P1)
    yield endpoints[dialler], endpoints[other]
    for endpoint in endpoints.values():
        endpoint.abandon()


def at(operation: int) -> Address:
    return Address(JOB, operation, 0)


def exchange(pair: Pair, sizes: list[tuple[int, int]]) -> None:
    """Messages of `size` bytes, each from the first (0) or the second side (1); all arrive, in full."""
    rng = np.random.default_rng(len(sizes))
    sent = []
    for number, (side, size) in enumerate(sizes):
        one, other = pair[side], pair[1 - side]
        data = rng.integers(0, 256, size, dtype=np.uint8)
        other.expect(one.me, at(number), Element.BYTES, size)
        one.send(other.me, at(number), Element.BYTES, data)
        sent.append(data)
        if number % 5 == 0:
            for endpoint in pair:
                endpoint.progress(0.0)
    settle(pair, lambda: not list(pair[0].awaited(JOB)) and not list(pair[1].awaited(JOB)), 30)
    for number, (side, _) in enumerate(sizes):
        message = pair[1 - side].take(pair[side].me, at(number))
        assert message is not None and np.array_equal(message.payload, sent[number])


@pytest.mark.parametrize("only", [0, 1, None], ids=["dialler sends", "other sends", "both send"])
def test_nothing_is_lost_and_keys_change(pair: Pair, only: int | None) -> None:
    rng = np.random.default_rng(3)
    sides = rng.integers(0, 2, 400) if only is None else np.full(400, only)
    lengths = rng.choice([0, 1, 100, 16_000, 16_328, 16_400, 200_000], 400)
    before = {id(endpoint): endpoint._by_peer[3 - int(endpoint.me)].tls.session for endpoint in pair}  # type: ignore
    exchange(pair, [(int(side), int(length)) for side, length in zip(sides, lengths, strict=True)])
    assert all(endpoint.renewals >= 10 for endpoint in pair)
    assert all(
        endpoint._by_peer[3 - int(endpoint.me)].tls.session.id != before[id(endpoint)].id  # type: ignore[union-attr]
        for endpoint in pair
        if before[id(endpoint)] is not None and before[id(endpoint)].id
    )


def test_large_messages_both_ways_at_once(pair: Pair) -> None:
    exchange(pair, [(0, 20_000_000), (1, 20_000_000), (0, 3), (1, 3), (0, 9_000_000)])
    assert all(endpoint.renewals >= 1 for endpoint in pair)


def test_a_goodbye_while_keys_are_renewed_arrives(pair: Pair) -> None:
    dialler, other = pair
    connection = dialler._by_peer[other.me]
    assert connection is not None
    dialler._last_word(connection, KeyStage.ASKED)
    dialler.send(other.me, at(1), Element.BYTES, b"last words")
    other.expect(dialler.me, at(1), Element.BYTES, 10)
    settle(pair, lambda: not list(other.awaited(JOB)), 10)
    message = other.take(dialler.me, at(1))
    assert message is not None and message.payload.tobytes() == b"last words"
    assert dialler.renewals == other.renewals == 1
    dialler.close()
    with pytest.raises(Unreachable, match=r"left the session|closed"):
        for _ in range(100):
            other.expect(dialler.me, at(2), Element.BYTES, 1)
            other.progress(0.1)


def test_out_of_turn_it_is_refused(pair: Pair) -> None:
    """The side that was called does not ask."""
    dialler, other = pair
    connection = other._by_peer[dialler.me]
    assert connection is not None
    connection.tls.write(pack(FrameKind.RENEW, Element.BYTES, NO_JOB, 0, 0, 0, 0.0, 0))
    other._write(connection)
    with pytest.raises(ProtocolViolation, match="asks for fresh keys out of turn"):
        for _ in range(100):
            dialler.progress(0.1)


def test_another_identity_cannot_take_over(pair: Pair) -> None:
    """For fresh keys the peer shows a certificate that is not pinned: the connection ends, and the peer is named."""
    dialler, other = pair
    theirs = other._by_peer[dialler.me]
    assert theirs is not None
    stranger = Identity.create("stranger")
    theirs.context = tls_context(stranger, [Identity.create("anybody").certificate], server=True)
    mine = dialler._by_peer[other.me]
    assert mine is not None
    dialler._last_word(mine, KeyStage.ASKED)
    with pytest.raises((ProtocolViolation, Unreachable)) as error:
        for _ in range(100):
            with suppress(ProtocolViolation, Unreachable):
                other.progress(0.05)
            dialler.progress(0.05)
    assert error.value.party == int(other.me)
    assert dialler.renewals == 0
