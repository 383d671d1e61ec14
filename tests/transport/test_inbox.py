"""What is kept of addresses is native; here it is compared with a twin in Python, on random orders of all calls."""

from __future__ import annotations

import gc
import weakref
from typing import Any

import numpy as np
import pytest

from tercet.errors import ProtocolViolation, Unreachable
from tercet.sharing import Party
from tercet.transport import MessageLimits, SessionPeer, memory_endpoints
from tercet.transport._native import SLOT_BYTES
from tercet.transport.frame import HEADER_BYTES, MAX_DEPTH, Element, FrameKind, pack, unpack
from tercet.transport.inbox import Inbox

JOB = bytes(range(16))
OTHER = bytes(16)
P1, P2 = SessionPeer.P1, SessionPeer.P2
LIMITS = MessageLimits(message_bytes=20_000, unexpected_bytes=5 * SLOT_BYTES + 400)


def inbox_of(job: bytes = JOB, failed: Any = None) -> Inbox:
    inbox = Inbox(P1, LIMITS, {} if failed is None else failed)
    inbox.open(job)
    return inbox


def frame(operation: int, step: int = 0, body: bytes = b"", depth: int = 1, job: bytes = JOB, **changes: Any) -> bytes:
    fields = {"kind": FrameKind.MESSAGE, "element": Element.BYTES, "ready_at": 0.0, "length": len(body)} | changes
    return pack(job=job, operation=operation, step=step, depth=depth, **fields) + body


class Twin:
    """One job's addresses, in dictionaries: what was asked for, what came and was not taken, and what is done with."""

    def __init__(self) -> None:
        self.asked: dict[Any, tuple[int, int, object]] = {}
        self.here: dict[Any, tuple[int, bytes, int]] = {}
        self.done: set[Any] = set()
        self.sent: set[Any] = set()

    def receive(self, key: Any, element: int, nbytes: int, waker: object) -> tuple[bytes, int] | str | None:
        if key in self.asked or key in self.done:
            return "used twice for receiving"
        if key not in self.here:
            self.asked[key] = element, nbytes, waker
            return None
        came, body, depth = self.here[key]
        if (came, len(body)) != (element, nbytes):
            self.asked[key] = element, nbytes, waker
            return "are due"
        self.done.add(key)
        del self.here[key]
        return body, depth

    def come(self, key: Any, element: int, body: bytes, depth: int) -> tuple[object, bytes, int] | str | None:
        if key in self.here or key in self.done:
            return "came twice"
        if key not in self.asked:
            if self.unexpected() + len(body) + SLOT_BYTES > LIMITS.unexpected_bytes:
                return "nobody asked for"
            self.here[key] = element, body, depth
            return None
        due, nbytes, waker = self.asked[key]
        if (due, nbytes) != (element, len(body)):
            return "are due"
        del self.asked[key]
        self.done.add(key)
        return waker, body, depth

    def unexpected(self) -> int:
        return sum(len(body) + SLOT_BYTES for _, body, _ in self.here.values())

    def send(self, key: Any) -> str | None:
        if key in self.sent:
            return "used twice for sending"
        self.sent.add(key)
        return None


def brought(inbox: Inbox, frames: bytes) -> None:
    """As an endpoint does it: what `sort` leaves goes to `admit`, one frame at a time."""
    at = 0
    while at < len(frames):
        end, _ = inbox.sort(P2, memoryview(frames)[at:], len(frames) - at)
        at += end
        if at < len(frames):
            header = unpack(frames, at)
            slot = inbox.admit(P2, header)
            at += HEADER_BYTES + header.length
            if slot is not None:
                slot.payload = np.frombuffer(frames[at - header.length : at], np.uint8)
                inbox.deliver(slot)


def outcome(call: Any) -> Any:
    try:
        return call()
    except ProtocolViolation as error:
        return error.reason


@pytest.mark.parametrize("sorted_first", [True, False])
def test_random_orders_of_calls_do_what_the_twin_does(sorted_first: bool) -> None:
    rng = np.random.default_rng(3)
    refused = 0
    for _ in range(60):
        inbox, twin = inbox_of(), Twin()
        for _ in range(60):
            # few addresses, some of them beyond 32 bits, and few lengths, so that all kinds of clashes occur
            operation, step = int(rng.integers(4)) << int(rng.choice([0, 62])), int(rng.integers(2)) * 0xFFFFFFFF
            element, nbytes, depth = int(rng.choice([1, 4])), int(rng.choice([0, 8, 96])), int(rng.integers(9))
            key = operation, step
            kind = rng.integers(3)
            if kind == 0:
                waker = object()
                found = outcome(lambda: inbox.box(JOB).receive(P2, *key, element, nbytes, waker, None))  # noqa: B023
                wanted = twin.receive(key, element, nbytes, waker)
                found = found if found is None or isinstance(found, str) else (found[0].tobytes(), found[1])
            elif kind == 1:
                body = rng.bytes(nbytes)
                data = frame(operation, step, body, depth, element=element)
                if sorted_first:
                    found = outcome(lambda: brought(inbox, data))  # noqa: B023
                else:
                    slot = outcome(lambda: inbox.admit(P2, unpack(data)))  # noqa: B023
                    found = slot if isinstance(slot, str) else None
                    if found is None:
                        slot.payload = np.frombuffer(body, np.uint8)
                        inbox.deliver(slot)
                wanted = twin.come(key, element, body, depth)
                if found is None and not isinstance(wanted, str):
                    arrived = inbox.arrived()
                    found = (arrived[0][0], arrived[0][1].tobytes(), arrived[0][2]) if arrived else None
            else:
                found = outcome(lambda: inbox.box(JOB).send(P2, *key))  # noqa: B023
                wanted = twin.send(key)
            if isinstance(wanted, str):
                refused += 1
                assert isinstance(found, str)
                assert wanted in found
                if wanted == "are due":
                    break  # the job ends there
            else:
                assert found == wanted
            assert inbox.unexpected_bytes[P2] == twin.unexpected()
            assert [(address.operation, address.step) for _, address in inbox.awaited(JOB)] == list(twin.asked)
    assert refused > 100


def test_a_peer_that_lies_cannot_send_empty_messages_without_end() -> None:
    """Neither those that are sorted natively nor those whose headers Python reads; those that are taken make room."""
    for bring in (lambda inbox, data: inbox.sort(P2, memoryview(data), len(data))[0], brought):
        inbox, most = inbox_of(), LIMITS.unexpected_bytes // SLOT_BYTES
        for operation in range(most):
            bring(inbox, frame(operation))
        assert len(inbox.box(JOB)) == most
        assert "nobody asked for" in outcome(lambda: brought(inbox, frame(most)))  # noqa: B023
        data = frame(most)
        assert inbox.sort(P2, memoryview(data), len(data)) == (0, False)
        assert inbox.box(JOB).receive(P2, 0, 0, Element.BYTES, 0, None, None) is not None
        assert inbox.sort(P2, memoryview(data), len(data)) == (len(data), False)


def test_a_frame_is_written_as_python_packs_it_and_its_address_serves_once() -> None:
    inbox = inbox_of()
    payload = np.arange(5, dtype=np.uint64)
    data = inbox.box(JOB).frame(Party.P2, 7 << 60, 3, Element.WORDS64, 9, payload)
    assert data == frame(7 << 60, 3, payload.tobytes(), 9, element=Element.WORDS64)
    with pytest.raises(ProtocolViolation, match="used twice for sending to party 2"):
        inbox.box(JOB).frame(Party.P2, 7 << 60, 3, Element.WORDS64, 9, payload)
    with pytest.raises(ValueError, match="contiguous"):
        inbox.box(JOB).frame(Party.P2, 7, 3, Element.WORDS64, 9, payload[::2])
    assert len(inbox.box(JOB).frame(Party.P2, 7, 3, Element.WORDS64, 9, payload[:0])) == HEADER_BYTES


def test_several_frames_are_sorted_at_once_as_far_as_they_are_whole() -> None:
    inbox = inbox_of()
    place = np.zeros(8, np.uint8)
    inbox.box(JOB).receive(P2, 1, 0, Element.BYTES, 8, "one", place)
    inbox.box(JOB).receive(P2, 3, 0, Element.BYTES, 0, "three", None)
    data = frame(1, body=b"12345678") + frame(2, body=b"early") + frame(3) + frame(4, body=b"long")
    assert inbox.sort(P2, memoryview(data), len(data) - 1) == (len(data) - HEADER_BYTES - 4, True)
    first, third = inbox.arrived()
    assert (first[0], first[2], third[0], third[1].size) == ("one", 1, "three", 0)
    assert first[1] is place
    assert place.tobytes() == b"12345678"
    taken = inbox.box(JOB).receive(P2, 2, 0, Element.BYTES, 5, None, None)
    assert taken is not None
    assert taken[0].tobytes() == b"early"
    assert taken[0].flags.writeable
    assert inbox.sort(P2, memoryview(data), HEADER_BYTES - 1) == (0, False)
    with pytest.raises(ValueError, match="more bytes"):
        inbox.sort(P2, memoryview(data), len(data) + 1)


@pytest.mark.parametrize(
    "data",
    [
        b"X" + frame(1)[1:],
        frame(1)[:4] + b"\x02" + frame(1)[5:],
        frame(1, kind=FrameKind.CONTROL),
        frame(1)[:6] + b"\x00" + frame(1)[7:],
        frame(1)[:6] + b"\x05" + frame(1)[7:],
        frame(1)[:7] + b"\x01" + frame(1)[8:],
        frame(1, ready_at=1.0),
        frame(1, depth=MAX_DEPTH + 1),
        frame(1, body=b"123", element=Element.WORDS64, length=3),
        frame(1, body=bytes(LIMITS.message_bytes + 1)),
        frame(1, body=bytes(LIMITS.unexpected_bytes + 1)),
        frame(1, job=OTHER),
        frame(9, body=b"12"),
    ],
)
def test_a_frame_that_is_not_plainly_sound_is_left_to_python(data: bytes) -> None:
    inbox = inbox_of()
    inbox.box(JOB).receive(P2, 9, 0, Element.BYTES, 1, "nine", None)
    assert inbox.sort(P2, memoryview(data), len(data)) == (0, False)
    assert len(inbox.box(JOB)) == 1


@pytest.mark.parametrize("size", [8, 32])
def test_what_is_not_as_long_as_its_place_never_comes_into_it(size: int) -> None:
    """A second one of the length that was refused was taken: short of the place, or more than it holds."""
    inbox, place = inbox_of(), np.zeros(16, np.uint8)
    inbox.box(JOB).receive(P2, 7, 0, Element.BYTES, 16, object(), place)
    assert "are due" in outcome(lambda: brought(inbox, frame(7, body=bytes([1]) * size)))
    for length in (size, 16):
        assert "came twice" in outcome(lambda: brought(inbox, frame(7, body=bytes([2]) * length)))  # noqa: B023
    assert not inbox.arrived() and not place.any()


def test_numbers_that_fit_no_address_are_refused() -> None:
    box = inbox_of().box(JOB)
    for peer, operation, step in ((4, 1, 1), (-1, 1, 1), (1, 1 << 64, 1), (1, -1, 1), (1, 1, 1 << 32)):
        with pytest.raises((ValueError, OverflowError)):
            box.send(peer, operation, step)


def test_a_peer_that_is_gone_is_named_where_nothing_of_it_is_here() -> None:
    failed: dict[SessionPeer, Exception] = {}
    inbox = inbox_of(failed=failed)
    brought(inbox, frame(1))
    failed[P2] = Unreachable("party 2 has left", party=2)
    assert inbox.box(JOB).receive(P2, 1, 0, Element.BYTES, 0, "one", None) is not None
    with pytest.raises(Unreachable, match="has left"):
        inbox.box(JOB).receive(P2, 2, 0, Element.BYTES, 0, "two", None)
    assert inbox.box(JOB).receive(SessionPeer.P3, 2, 0, Element.BYTES, 0, "two", None) is None


def test_a_closed_job_lets_go_of_what_waited_and_a_late_payload_is_dropped() -> None:
    inbox = inbox_of()
    box, place = inbox.box(JOB), np.zeros(4, np.uint8)
    held = weakref.ref(place)
    box.receive(P2, 1, 0, Element.BYTES, 4, place, place)
    box.receive(P2, 2, 0, Element.BYTES, 4, "two", None)
    slot = inbox.admit(P2, unpack(frame(2, body=b"late")))
    assert slot is not None
    inbox.close(JOB)
    del place
    assert held() is None
    assert slot.dead
    slot.payload = np.zeros(4, np.uint8)
    assert not inbox.deliver(slot)
    assert slot.payload is None
    assert inbox.arrived() == inbox.woken() == []
    with pytest.raises(ValueError, match="not open"):
        box.receive(P2, 3, 0, Element.BYTES, 4, "three", None)


def test_what_waits_in_a_circle_is_found_by_the_collector() -> None:
    endpoint = memory_endpoints()[P1]
    endpoint.open_job(JOB)
    endpoint.inbox.box(JOB).receive(P2, 1, 0, Element.BYTES, 4, endpoint, None)
    gone = weakref.ref(endpoint)
    endpoint.close()
    del endpoint
    gc.collect()
    assert gone() is None
