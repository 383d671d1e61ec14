"""What only a stream of bytes can get wrong."""

from __future__ import annotations

import gc
import socket
import time
from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tercet.errors import ConfigError, ProtocolViolation, Timeout, Unreachable
from tercet.transport import Aborted, Address, Element, MessageLimits, SessionPeer, TcpEndpoint, receive
from tercet.transport.connection import translate
from tercet.transport.frame import HEADER_BYTES, VERSION, pack
from transport.sessions import JOB, settle, tcp_endpoints

P1, P2 = SessionPeer.P1, SessionPeer.P2
Pair = tuple[TcpEndpoint, TcpEndpoint]


@pytest.fixture
def pair() -> Iterator[Pair]:
    endpoints = tcp_endpoints(MessageLimits(queue_bytes=1 << 20), [P1, P2])
    for endpoint in endpoints.values():
        endpoint.open_job(JOB)
    yield endpoints[P1], endpoints[P2]
    for endpoint in endpoints.values():
        endpoint.close()


def raw(endpoint: TcpEndpoint, to: SessionPeer, *records: bytes) -> None:
    """Send bytes that are no frames, one TLS record each."""
    connection = endpoint._by_peer[to]
    assert connection is not None
    for record in records:
        connection.tls.write(record)
    endpoint._write(connection)


def at(operation: int, step: int = 0) -> Address:
    return Address(JOB, operation, step)


def test_large_messages_both_ways_at_once(pair: Pair) -> None:
    left, right = pair
    big = np.arange(12_500_000, dtype=np.uint64)
    for one, other in (pair, pair[::-1]):
        one.expect(other.me, at(1), Element.WORDS64, big.nbytes)
    left.limits = right.limits = MessageLimits(queue_bytes=1 << 28)
    left.send(P2, at(1), Element.WORDS64, big)
    right.send(P1, at(1), Element.WORDS64, big)
    settle(pair, lambda: not list(left.awaited(JOB)) and not list(right.awaited(JOB)), 30)
    for one, other in (pair, pair[::-1]):
        message = one.take(other.me, at(1))
        assert message is not None and message.payload.flags.writeable
        assert np.array_equal(message.payload.view(np.uint64), big)


@given(
    sizes=st.lists(st.integers(0, 40_000), min_size=1, max_size=6),
    cuts=st.lists(st.integers(1, 30_000), max_size=12),
)
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_frames_may_be_cut_into_records_anywhere(pair: Pair, sizes: list[int], cuts: list[int]) -> None:
    left, right = pair
    operation = getattr(left, "_test_operation", 0)
    left._test_operation = operation + len(sizes)  # type: ignore[attr-defined]
    bodies = [np.random.default_rng(size).bytes(size) for size in sizes]
    stream = b"".join(
        pack(1, Element.BYTES, JOB, operation + index, 0, 0, 0.0, len(body)) + body for index, body in enumerate(bodies)
    )
    records = []
    for cut in cuts:
        records.append(stream[:cut])
        stream = stream[cut:]
    raw(left, P2, *(record for record in [*records, stream] if record))
    for index, body in enumerate(bodies):
        right.expect(P1, at(operation + index), Element.BYTES, len(body))
    settle(pair, lambda: not list(right.awaited(JOB)))
    for index, body in enumerate(bodies):
        message = right.take(P1, at(operation + index))
        assert message is not None and message.payload.tobytes() == body


@pytest.mark.parametrize("head", [True, False])
def test_a_frame_that_ends_early_names_what_was_cut(pair: Pair, head: bool) -> None:
    left, right = pair
    frame = pack(1, Element.BYTES, JOB, 4, 2, 0, 0.0, 100) + bytes(60)
    raw(left, P2, frame[: HEADER_BYTES - 1] if head else frame)
    left.abandon()
    with pytest.raises(Unreachable) as caught:
        settle([right], lambda: False)
    error = caught.value
    if not head:
        assert "60 of 100 bytes" in str(error)
        assert (error.party, error.job, error.operation, error.step) == (1, JOB.hex(), "4", "2")
    assert error.party == 1


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (b"x" * HEADER_BYTES, "magic"),
        (pack(1, 4, JOB, 1, 1, 0, 0.0, 0).replace(b"TRCT\1", b"TRCT" + bytes([VERSION + 1])), "version 2"),
        (pack(1, 4, JOB, 1, 1, 0, 0.0, 2**63), "at most"),
        (pack(2, 4, JOB, 1, 1, 0, 0.0, 2**63), "at most"),
        (pack(3, 4, JOB, 1, 1, 0, 0.0, 2**20), "at most"),
        (pack(4, 4, JOB, 1, 1, 0, 0.0, 2**30), "at most"),
        (pack(5, 4, JOB, 1, 1, 0, 0.0, 1), "at most"),
        (pack(7, 4, JOB, 1, 1, 0, 0.0, 1), "at most"),
        (pack(6, 4, JOB, 1, 1, 0, 0.0, 0), "second HELLO"),
    ],
)
def test_garbage_is_a_violation_and_ends_the_connection(pair: Pair, data: bytes, text: str) -> None:
    left, right = pair
    raw(left, P2, data)
    with pytest.raises(ProtocolViolation, match=text) as caught:
        settle([right], lambda: False)
    assert caught.value.party == 1
    with pytest.raises(ProtocolViolation):
        right.send(P1, at(1), Element.BYTES, b"")
    with pytest.raises(Unreachable):
        settle([left], lambda: False)


def test_a_peer_with_a_name_is_called_so() -> None:
    names = ("the client", "hospital", "clinic", "lab")
    session = tcp_endpoints(peers=[P1, P2], names=names)
    hospital, clinic = session[P1], session[P2]
    hospital.send_abort(P2, JOB, b"")
    clinic.open_job(JOB)
    with pytest.raises(Aborted, match="hospital gave the job up"):
        settle([clinic], lambda: False)
    with pytest.raises(Timeout, match="nothing came from hospital for 0 s"):
        receive(clinic, P1, Address(JOB, 1, 1), Element.BYTES, 1, 0.0)
    hospital.abandon()
    with pytest.raises(Unreachable, match="hospital closed its connection without a goodbye"):
        settle([clinic], lambda: False)
    clinic.close()


def test_changed_ciphertext_is_a_violation(pair: Pair) -> None:
    left, right = pair
    connection = left._by_peer[P2]
    assert connection is not None
    connection.tls.write(bytes(100))
    data = bytearray(connection.outgoing.read())
    data[50] ^= 1
    connection.sock.send(data)
    with pytest.raises(ProtocolViolation, match="bytes were changed"):
        settle([right], lambda: False)


def test_a_full_queue_waits_and_reads_meanwhile(pair: Pair) -> None:
    left, right = pair
    left.limits = MessageLimits(queue_bytes=1 << 40)
    payload = bytes(1 << 24)
    left.send(P2, at(1), Element.BYTES, payload)
    left.send(P2, at(2), Element.BYTES, payload)
    connection = left._by_peer[P2]
    assert connection is not None and connection.queued_bytes > 1 << 20
    assert not left.flush(0.01)
    right.expect(P1, at(1), Element.BYTES, len(payload))
    right.expect(P1, at(2), Element.BYTES, len(payload))
    left.expect(P2, at(3), Element.BYTES, 5)
    right.send(P1, at(3), Element.BYTES, b"hello")
    settle([left, right], lambda: connection.queued_bytes == 0 and not list(right.awaited(JOB)))
    assert left.flush(0.0)
    assert left.take(P2, at(3)) is not None


@pytest.mark.parametrize("queue_bytes", [1 << 20, 1 << 40])
def test_a_ping_among_messages_is_answered_once_and_disturbs_nothing(pair: Pair, queue_bytes: int) -> None:
    """While the answer cannot be sent, as the other side has not read what came before."""
    left, right = pair
    right.limits = MessageLimits(queue_bytes=1 << 40)
    right.send(P1, at(1), Element.BYTES, bytes(40 << 20))
    right.limits = MessageLimits(queue_bytes=queue_bytes)
    left.expect(P2, at(1), Element.BYTES, 40 << 20)
    count = 400
    for number in range(count):
        left.send(P2, at(2, number), Element.BYTES, bytes([number % 251]) * 12_000)
        right.expect(P1, at(2, number), Element.BYTES, 12_000)
        if number == 5:
            left.ping(P2, 7)
    settle(pair, lambda: not list(right.awaited(JOB)) and not list(left.awaited(JOB)), 30)
    for number in range(count):
        message = right.take(P1, at(2, number))
        assert message is not None and bytes(message.payload) == bytes([number % 251]) * 12_000
    settle(pair, lambda: not right._unsent(), 30)
    left.progress(0.1)
    # an answer to somebody who reads nothing is not queued behind all the rest
    assert [number for _, number, _ in left.pongs] == ([7] if queue_bytes == 1 << 40 else [])


def test_a_callers_buffer_is_let_go_once_written(pair: Pair) -> None:
    left, right = pair
    payload = bytearray(1 << 20)
    right.expect(P1, at(1), Element.BYTES, len(payload))
    left.send(P2, at(1), Element.BYTES, payload)
    settle([left, right], lambda: right.take(P1, at(1)))
    payload.extend(b"now it may grow: nobody holds a view")


def test_nothing_stays_open() -> None:
    gc.collect()
    before = _open_sockets()
    endpoints = tcp_endpoints()
    for endpoint in endpoints.values():
        endpoint.close()
        endpoint.close()
    assert _open_sockets() == before


def _open_sockets() -> int:
    return sum(isinstance(thing, socket.socket) and thing.fileno() >= 0 for thing in gc.get_objects())


def test_spinning_endpoints_work_and_keep_their_time() -> None:
    endpoints = tcp_endpoints(None, [P1, P2], spin_s=50e-6)
    left, right = endpoints[P1], endpoints[P2]
    left.open_job(JOB)
    right.open_job(JOB)
    left.send(P2, at(1), Element.BYTES, b"x")
    receive(right, P1, at(1), Element.BYTES, 1, 5)
    start = time.monotonic()
    assert not right.progress(0.02)
    assert 0.019 < time.monotonic() - start < 2
    left.close()
    right.close()


def _exceptions(kind: type[OSError]) -> Iterator[type[OSError]]:
    yield kind
    for below in kind.__subclasses__():
        yield from _exceptions(below)


def test_every_socket_and_tls_error_has_a_translation() -> None:
    for kind in _exceptions(OSError):
        if kind.__module__ in ("builtins", "ssl", "socket"):
            error = kind(1, "text")
            for peer in (None, P2):
                assert isinstance(translate(error, peer), ConfigError | Unreachable | ProtocolViolation)
