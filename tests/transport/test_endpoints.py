"""What holds for every implementation."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pytest

from tercet.errors import ProtocolViolation, Timeout, Unreachable
from tercet.sharing import Party
from tercet.transport import (
    PEERS,
    Aborted,
    Address,
    Element,
    Endpoint,
    MessageLimits,
    SessionPeer,
    receive,
    receive_control,
)
from transport.faults import FaultyEndpoint, crash, drop, duplicate, flip_lowest_bit, tamper, truncate
from transport.sessions import JOB, endpoints_of, settle

P1, P2, P3, CLIENT = SessionPeer.P1, SessionPeer.P2, SessionPeer.P3, SessionPeer.CLIENT
LIMITS = MessageLimits(
    message_bytes=1 << 20,
    control_bytes=1 << 20,
    early_messages=5,
    early_bytes=1000,
    unexpected_bytes=100_000,
    closed_jobs=3,
)
SECRET = np.frombuffer(b"7\xf1secret\x00" * 7, np.uint8)
WORDS = np.arange(5, dtype=np.uint64)

Session = Mapping[SessionPeer, Endpoint]


@pytest.fixture(params=["memory", "tcp", "unix"])
def session(request: pytest.FixtureRequest) -> Iterator[Session]:
    endpoints = endpoints_of(request.param, LIMITS)
    for endpoint in endpoints.values():
        endpoint.open_job(JOB)
    yield endpoints
    for endpoint in endpoints.values():
        endpoint.close()
        endpoint.close()


def at(operation: int, step: int = 0, job: bytes = JOB) -> Address:
    return Address(job, operation, step)


def error_of(endpoint: Endpoint, seconds: float = 5.0) -> BaseException:
    with pytest.raises((ProtocolViolation, Unreachable, Aborted)) as caught:
        settle([endpoint], lambda: False, seconds)
    return caught.value


@pytest.mark.parametrize("payload", [
    np.zeros(0, np.uint64),
    WORDS,
    np.arange(12, dtype=np.uint64).reshape(3, 4),
    np.zeros((2, 3), [("low", np.uint64), ("high", np.uint64)]),
    np.uint64(7).reshape(()),
    b"0123456789abcdef",
    bytearray(8),
    np.arange(6, dtype=np.uint64).reshape(2, 3).data,
    np.arange(30_000, dtype=np.uint64),
], ids=lambda p: type(p).__name__ + str(getattr(p, "shape", len(p) if not hasattr(p, "shape") else "")))  # fmt: skip
def test_any_buffer_arrives_as_it_was(session: Session, payload: Any) -> None:
    session[P1].send(P2, at(1, 2), Element.WORDS64, payload, depth=9)
    expected = memoryview(payload).tobytes() if not isinstance(payload, np.ndarray) else payload.tobytes()
    message = receive(session[P2], P1, at(1, 2), Element.WORDS64, len(expected), 5)
    assert message.payload.dtype == np.uint8
    assert message.payload.tobytes() == expected
    assert message.depth == 9


def test_only_contiguous_buffers_are_sent(session: Session) -> None:
    with pytest.raises(ValueError, match="contiguous"):
        session[P1].send(P2, at(1), Element.WORDS64, np.zeros((4, 4), np.uint64)[:, 0])


def test_everybody_reaches_everybody_and_parties_are_peers(session: Session) -> None:
    for frm in PEERS:
        for to in PEERS:
            if frm != to:
                session[frm].send(to, at(1, frm), Element.BYTES, bytes([frm, to]))
    for to in PEERS:
        for frm in PEERS:
            if frm != to:
                assert receive(session[to], frm, at(1, frm), Element.BYTES, 2, 5).payload.tobytes() == bytes([frm, to])
    session[P1].send(Party.P2, at(2), Element.WORDS64, WORDS)
    receive(session[P2], Party.P1, at(2), Element.WORDS64, 40, 5)


def test_the_order_of_asking_does_not_matter(session: Session) -> None:
    for operation in range(20):
        session[P1].send(P2, at(operation), Element.WORDS64, WORDS + np.uint64(operation))
    for operation in reversed(range(20)):
        got = receive(session[P2], P1, at(operation), Element.WORDS64, 40, 5).payload.view(np.uint64)
        assert np.array_equal(got, WORDS + np.uint64(operation))


def test_the_same_address_serves_each_pair_and_direction(session: Session) -> None:
    for frm, to in ((P1, P2), (P2, P1), (P3, P2), (P2, P3)):
        session[frm].send(to, at(1), Element.BYTES, bytes([frm]))
    for frm, to in ((P1, P2), (P2, P1), (P3, P2), (P2, P3)):
        assert receive(session[to], frm, at(1), Element.BYTES, 1, 5).payload[0] == frm


def test_the_waker_is_given_once_when_the_message_can_be_taken(session: Session) -> None:
    assert not session[P2].expect(P1, at(1), Element.WORDS64, 40, "one")
    assert not session[P2].expect(P1, at(2), Element.WORDS64, 40, "two")
    assert list(session[P2].awaited(JOB)) == [(P1, at(1)), (P1, at(2))]
    assert not session[P2].progress(0.0)
    session[P1].send(P2, at(2), Element.WORDS64, WORDS)
    settle([session[P2]], lambda: session[P2].take(P1, at(2)))
    assert session[P2].woken() == ["two"]
    assert session[P2].woken() == []
    assert list(session[P2].awaited(JOB)) == [(P1, at(1))]
    assert session[P2].take(P1, at(1)) is None
    session[P1].send(P2, at(3), Element.WORDS64, WORDS)
    settle([session[P1], session[P2]], lambda: len(session[P2].inbox.jobs[JOB]) == 3)
    assert session[P2].woken() == []
    assert session[P2].expect(P1, at(3), Element.WORDS64, 40, "three")


def test_messages_of_a_job_that_opens_later_are_kept(session: Session) -> None:
    job = bytes(15) + b"2"
    session[P1].open_job(job)
    session[P1].send(P2, at(1, job=job), Element.WORDS64, WORDS)
    settle(session.values(), lambda: session[P2].inbox.early)
    session[P2].open_job(job)
    assert receive(session[P2], P1, at(1, job=job), Element.WORDS64, 40, 5).payload.view(np.uint64)[4] == 4
    inbox = session[P2].inbox
    assert not any(inbox.early._bytes + inbox.early._messages + inbox.unexpected_bytes)


def test_early_messages_are_bounded_in_number_and_bytes(session: Session) -> None:
    job = bytes(15) + b"2"
    session[P1].open_job(job)
    for step in range(6):
        session[P1].send(P2, at(1, step, job), Element.WORDS64, WORDS)
    error = error_of(session[P2])
    assert isinstance(error, ProtocolViolation)
    assert (error.party, error.job) == (1, job.hex())
    # one that sent too much takes no room of another
    session[P3].open_job(job)
    session[P3].send(P2, at(1, 0, job), Element.WORDS64, WORDS)
    settle(session.values(), lambda: session[P2].inbox.early._messages[P3])
    session[P3].send(P2, at(1), Element.BYTES, bytes(8))
    assert receive(session[P2], P3, at(1), Element.BYTES, 8, 5)
    session[P2].send(P1, at(1), Element.BYTES, bytes(70_000))
    session[P2].send(P1, at(2), Element.BYTES, bytes(70_000))
    error = error_of(session[P1])
    assert "nobody asked for" in str(error)
    assert (error.party, error.operation, error.step) == (2, "2", "0")  # type: ignore[attr-defined]


def test_frames_of_closed_jobs_are_dropped_and_job_ids_serve_once(session: Session) -> None:
    session[P2].expect(P1, at(1), Element.WORDS64, 40)
    session[P2].close_job(JOB)
    session[P1].send(P2, at(1), Element.WORDS64, WORDS)
    session[P1].send(P2, at(2), Element.BYTES, bytes(50_000))
    session[P1].send_abort(P2, JOB, b"report")
    session[P1].send_control(P2, 4)
    assert receive_control(session[P2], P1, 5).kind == 4
    assert not session[P2].inbox.early
    with pytest.raises(ProtocolViolation, match="used before"):
        session[P2].open_job(JOB)
    with pytest.raises(ValueError, match="not open"):
        session[P2].send(P1, at(1), Element.WORDS64, WORDS)
    with pytest.raises(ValueError, match="not open"):
        session[P2].expect(P1, at(1), Element.WORDS64, 40)
    for number in range(10):
        session[P2].open_job(bytes(15) + bytes([number]))
        session[P2].close_job(bytes(15) + bytes([number]))
    assert len(session[P2].inbox.closed) == 3


@pytest.mark.parametrize("asked_before", [True, False])
@pytest.mark.parametrize(("element", "nbytes"), [(Element.WORDS64, 32), (Element.WORDS64, 48), (Element.BITS, 40)])
def test_another_length_or_element_is_a_named_violation(
    session: Session, asked_before: bool, element: Element, nbytes: int
) -> None:
    if asked_before:
        session[P2].expect(P1, at(7, 3), element, nbytes)
        session[P1].send(P2, at(7, 3), Element.WORDS64, WORDS)
        error = error_of(session[P2])
    else:
        session[P1].send(P2, at(7, 3), Element.WORDS64, WORDS)
        settle(session.values(), lambda: session[P2].inbox.jobs[JOB])
        with pytest.raises(ProtocolViolation) as caught:
            session[P2].expect(P1, at(7, 3), element, nbytes)
        error = caught.value
    assert isinstance(error, ProtocolViolation)
    assert (error.party, error.job, error.operation, error.step) == (1, JOB.hex(), "7", "3")
    assert "40 bytes of WORDS64" in str(error)
    assert f"{nbytes} bytes of {element.name}" in str(error)
    session[P1].send(P2, at(8), Element.WORDS64, WORDS)
    receive(session[P2], P1, at(8), Element.WORDS64, 40, 5)


@pytest.mark.parametrize("size", [40, 40_000])
@pytest.mark.parametrize("taken", [True, False])
def test_a_message_that_comes_twice_is_a_named_violation(session: Session, taken: bool, size: int) -> None:
    faulty = FaultyEndpoint(session[P1])
    faulty.add(duplicate, operation=7, to=P2)
    if taken:
        session[P2].expect(P1, at(7), Element.BYTES, size)
    faulty.send(P2, at(7), Element.BYTES, bytes(size))
    error = error_of(session[P2])
    assert isinstance(error, ProtocolViolation)
    assert "twice" in str(error)
    assert (error.party, error.job, error.operation, error.step) == (1, JOB.hex(), "7", "0")
    faulty.send(P2, at(8), Element.WORDS64, WORDS)
    receive(session[P2], P1, at(8), Element.WORDS64, 40, 5)


def test_using_an_address_twice_here_is_refused(session: Session) -> None:
    session[P1].send(P2, at(7), Element.WORDS64, WORDS)
    with pytest.raises(ProtocolViolation, match=r"twice for sending.*operation 7, step 0"):
        session[P1].send(P2, at(7), Element.WORDS64, WORDS)
    session[P1].send(P3, at(7), Element.WORDS64, WORDS)
    session[P2].expect(P1, at(7), Element.WORDS64, 40)
    with pytest.raises(ProtocolViolation, match="twice for receiving"):
        session[P2].expect(P1, at(7), Element.WORDS64, 40)
    settle(session.values(), lambda: session[P2].take(P1, at(7)))
    with pytest.raises(ProtocolViolation, match="taken twice"):
        session[P2].take(P1, at(7))
    with pytest.raises(ProtocolViolation, match="twice for receiving"):
        session[P2].expect(P1, at(7), Element.WORDS64, 40)


def test_what_is_taken_must_be_expected(session: Session) -> None:
    session[P1].send(P2, at(7), Element.WORDS64, WORDS)
    settle(session.values(), lambda: session[P2].inbox.jobs[JOB])
    with pytest.raises(ValueError, match="expected"):
        session[P2].take(P1, at(7))


def test_commands_arrive_in_order_and_by_sender(session: Session) -> None:
    session[CLIENT].send_control(P2, 3, [b"ab", np.arange(2, dtype=np.uint64), b""])
    session[CLIENT].send_control(P2, 4, [bytes(70_000), b"xyz"])
    session[P1].send_control(P2, 5)
    first = receive_control(session[P2], CLIENT, 5)
    assert (first.sender, first.kind, bytes(first.body)) == (CLIENT, 3, b"ab" + bytes(8) + b"\1" + bytes(7))
    assert bytes(receive_control(session[P2], CLIENT, 5).body) == bytes(70_000) + b"xyz"
    assert session[P2].take_control(CLIENT) is None
    assert receive_control(session[P2], None, 5).kind == 5
    with pytest.raises(Timeout, match="party 3"):
        receive_control(session[P2], P3, 0.01)


def test_commands_that_nobody_takes_are_bounded(session: Session) -> None:
    for _ in range(6):
        session[P1].send_control(P2, 1)
    assert "nobody takes" in str(error_of(session[P2]))


def test_frames_that_are_too_long_are_refused(session: Session) -> None:
    session[P1].send(P2, at(1), Element.BYTES, bytes((1 << 20) + 1))
    error = error_of(session[P2])
    assert isinstance(error, ProtocolViolation)
    assert "at most 1048576" in str(error)
    assert (error.party, error.operation) == (1, "1")


def test_an_abort_of_an_open_job_is_raised_with_its_report(session: Session) -> None:
    session[P1].send_abort(P2, JOB, b"report")
    error = error_of(session[P2])
    assert isinstance(error, Aborted)
    assert (error.party, error.job, error.body) == (1, JOB.hex(), b"report")
    assert "report" not in repr(error) + str(error)
    assert not session[P2].progress(0.0)


def test_an_abort_that_came_early_is_raised_when_the_job_is_open(session: Session) -> None:
    job = bytes(15) + b"2"
    session[P1].send_abort(P2, job, b"report")
    settle(session.values(), lambda: session[P2].inbox.early)
    session[P2].open_job(job)
    assert isinstance(error_of(session[P2]), Aborted)


def test_a_peer_that_vanishes_is_named_to_all_others(session: Session) -> None:
    faulty = FaultyEndpoint(session[P1])
    faulty.add(crash, operation=2)
    faulty.send(P2, at(1), Element.WORDS64, WORDS)
    faulty.send(P2, at(2), Element.WORDS64, WORDS)
    for me in (P2, P3, CLIENT):
        error = error_of(session[me])
        assert isinstance(error, Unreachable)
        assert error.party == 1
        assert not session[me].progress(0.0), "raised once only"
        with pytest.raises(Unreachable):
            session[me].send(P1, at(1), Element.WORDS64, WORDS)
        with pytest.raises(Unreachable):
            session[me].send_control(P1, 1)
        with pytest.raises(Unreachable):
            session[me].expect(P1, at(9), Element.WORDS64, 40)
    receive(session[P2], P1, at(1), Element.WORDS64, 40, 0)
    session[P2].send(P3, at(1), Element.WORDS64, WORDS)
    receive(session[P3], P2, at(1), Element.WORDS64, 40, 5)


def test_a_goodbye_is_no_failure_unless_something_was_awaited(session: Session) -> None:
    session[P2].expect(P1, at(1), Element.WORDS64, 40)
    session[P3].expect(P2, at(1), Element.WORDS64, 40)
    session[P1].close()
    error = error_of(session[P2])
    assert isinstance(error, Unreachable)
    assert "left" in str(error)
    settle([session[P3]], lambda: session[P3].failed)
    assert not session[P3].progress(0.01)
    with pytest.raises(Unreachable, match="left"):
        session[P3].send(P1, at(1), Element.WORDS64, WORDS)


def test_a_closed_endpoint_says_so(session: Session) -> None:
    session[P1].close()
    with pytest.raises(ValueError, match="closed"):
        session[P1].progress(0.0)
    with pytest.raises((ValueError, Unreachable)):
        session[P1].send(P2, at(1), Element.WORDS64, WORDS)


def test_what_was_sent_before_closing_arrives(session: Session) -> None:
    session[P2].expect(P1, at(1), Element.BYTES, 1 << 20)
    session[P1].send(P2, at(1), Element.BYTES, bytes(1 << 20))
    session[P1].close()
    settle([session[P2]], lambda: session[P2].take(P1, at(1)))


def test_dropped_messages_time_out_with_their_address(session: Session) -> None:
    faulty = FaultyEndpoint(session[P1])
    faulty.add(drop, operation=1)
    faulty.send(P2, at(1, 5), Element.WORDS64, WORDS)
    with pytest.raises(Timeout) as caught:
        receive(session[P2], P1, at(1, 5), Element.WORDS64, 40, 0.02)
    error = caught.value
    assert (error.party, error.job, error.operation, error.step) == (1, JOB.hex(), "1", "5")


def test_other_faults_do_what_they_say(session: Session) -> None:
    faulty = FaultyEndpoint(session[P1])
    faulty.add(tamper(flip_lowest_bit), operation=1)
    faulty.add(truncate(16), operation=2, to=P2)
    faulty.send(P2, at(1), Element.WORDS64, WORDS)
    assert receive(session[P2], P1, at(1), Element.WORDS64, 40, 5).payload[0] == 1
    session[P2].expect(P1, at(2), Element.WORDS64, 40)
    faulty.send(P2, at(2), Element.WORDS64, WORDS)
    assert "16 bytes of WORDS64" in str(error_of(session[P2]))


def test_nothing_prints_payloads(session: Session) -> None:
    session[P1].send(P2, at(1), Element.BYTES, SECRET)
    session[P1].send_control(P2, 1, [SECRET])
    message = receive(session[P2], P1, at(1), Element.BYTES, SECRET.nbytes, 5)
    control = receive_control(session[P2], P1, 5)
    session[P1].send(P2, at(2), Element.BYTES, SECRET)
    with pytest.raises(ProtocolViolation) as caught:
        receive(session[P2], P1, at(2), Element.WORDS64, 8, 5)
    for thing in (message, control, caught.value, *session.values()):
        for text in (repr(thing), str(thing)):
            assert "secret" not in text
            assert "115, 101" not in text
    assert repr(message) == "Message(63 bytes, depth 0)"


def test_a_depth_that_leaves_no_room_for_the_next_is_refused(session: Session) -> None:
    session[P1].send(P2, at(1), Element.BYTES, SECRET, 1 << 31)
    session[P1].send(P2, at(2), Element.BYTES, SECRET, (1 << 32) - 1)
    error = error_of(session[P2])
    assert isinstance(error, ProtocolViolation) and error.party == P1 and "depth" in error.reason
    assert receive(session[P2], P1, at(1), Element.BYTES, SECRET.nbytes, 5).depth == 1 << 31
