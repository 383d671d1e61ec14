"""Addressed messages between the three parties and the client: the interface, and what all endpoints share.

An endpoint belongs to one thread at a time. Nothing here starts a thread or takes a lock: bytes move only while the
owner is inside `send`, `progress`, `attend`, `flush` or `close`.
"""

from __future__ import annotations

import heapq
import time
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Iterator, Sequence
from typing import Self

from tercet.errors import PartyError, Unreachable
from tercet.transport._native import Slot
from tercet.transport.frame import HEADER_BYTES, NO_JOB, Element, FrameHeader, FrameKind, header_of
from tercet.transport.inbox import Inbox
from tercet.transport.messages import (
    LABELS,
    Aborted,
    Address,
    Buffer,
    Bytes,
    Control,
    Message,
    MessageLimits,
    PeerNames,
    SessionPeer,
    Who,
    as_bytes,
    violation,
)

_HEARTBEAT = 1 << 63
"""Numbers of pings from here on hold the time at which the ping was sent, in milliseconds."""
_LONGEST_MS = (1 << 32) - 1


class Life:
    """When a party of the session was last known to compute, so that who waits can tell slow work from a standstill.

    A party that runs a job and is not waiting is at work. A waiting party learns of work at the others from messages
    that it receives and from the answers to its pings, each of which carries the age of what the other side knows. If
    all three parties wait for each other, these ages only grow, and each of them gives up. A stopped party answers no
    pings. Moments are of CLOCK_MONOTONIC, in seconds.
    """

    __slots__ = ("seen_at", "working")

    def __init__(self) -> None:
        self.seen_at = time.monotonic()
        """The last moment at which some party was known to be at work."""
        self.working = False
        """Whether this side computes, rather than waits for a message or for something to do."""

    def __repr__(self) -> str:
        return f"Life({'at work' if self.working else 'waiting'})"

    def see(self) -> None:
        """Note that part of a message was received: its sender is at work."""
        self.seen_at = time.monotonic()

    def question(self) -> int:
        """The number of a ping that asks for an age."""
        return _HEARTBEAT | int(time.monotonic() * 1000)

    def is_question(self, number: int) -> bool:
        """Whether a ping's number came from `question`."""
        return number >= _HEARTBEAT

    def age_ms(self) -> int:
        """What a ping is answered with."""
        if self.working:
            return 0
        # rounded up: if ages became smaller on their way, three waiting parties would wait for ever
        return min(_LONGEST_MS, int((time.monotonic() - self.seen_at) * 1000) + 1)

    def hear(self, question: int, age_ms: int) -> None:
        """Note the answer to a ping. Its age counts from when the ping was sent, so a slow answer is not recent."""
        asked_ms = question - _HEARTBEAT
        self.seen_at = max(self.seen_at, min(time.monotonic(), (asked_ms - age_ms) / 1000))


class TimedLink:
    """An emulated link for benchmarks and tests: a round trip time and a bandwidth, the same on each directed link.

    The sender stamps each frame with the time at which it would have arrived; the receiver holds it back until then.
    All processes of a machine share CLOCK_MONOTONIC. Frames to and from the client pass undelayed.
    """

    __slots__ = ("_free_at", "_seconds_per_byte", "bandwidth_bits_s", "rtt_s")

    def __init__(self, rtt_s: float, bandwidth_bits_s: float) -> None:
        if rtt_s < 0 or bandwidth_bits_s <= 0:
            raise ValueError("a link has rtt_s >= 0 and bandwidth_bits_s > 0")
        self.rtt_s = rtt_s
        self.bandwidth_bits_s = bandwidth_bits_s
        self._seconds_per_byte = 8.0 / bandwidth_bits_s
        self._free_at = [0.0, 0.0, 0.0, 0.0]

    def __repr__(self) -> str:
        return f"TimedLink(rtt_s={self.rtt_s:g}, bandwidth_bits_s={self.bandwidth_bits_s:g})"

    def stamp(self, frm: Who, to: Who, nbytes: int) -> float:
        """Give the arrival time of `nbytes` handed to the link now; 0.0 for a link with the client."""
        if not frm or not to:
            return 0.0
        start = max(time.monotonic(), self._free_at[to])
        self._free_at[to] = sent = start + nbytes * self._seconds_per_byte
        return sent + self.rtt_s / 2


class Endpoint(ABC):
    """One end of the session. Sub-classes move frames; addresses, jobs, checks and counts are here.

    Failures of a peer are raised once by `progress`, and by every later call that names that peer.
    """

    def __init__(self, me: Who, limits: MessageLimits | None = None, names: PeerNames = LABELS) -> None:
        self.me = SessionPeer(me)
        self.names = names
        """What the texts of errors call each peer."""
        self.limits = limits or MessageLimits()
        self.failed: dict[SessionPeer, PartyError] = {}
        """Peers that are gone, with the error that says why."""
        self.pongs: deque[tuple[SessionPeer, int, float]] = deque(maxlen=1024)
        """Answers to `ping`: peer, number, time of arrival."""
        self.binding = b""
        """A digest of the parties' certificates; empty where there are none. Keys of the session are bound to it."""
        self.life = Life()
        self.inbox = Inbox(self.me, self.limits, self.failed, names)
        self._controls: deque[Control] = deque()
        self._control_bytes = 0
        self._errors: deque[PartyError] = deque()
        self._fresh = False
        self._link: TimedLink | None = None
        self._held: list[tuple[float, int, SessionPeer, FrameHeader, Slot | Bytes | memoryview]] = []
        self._held_count = 0
        self._departed: set[SessionPeer] = set()
        self._closed = False

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.names[self.me]}, {len(self.inbox.jobs)} jobs open)"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # -- jobs

    def open_job(self, job: bytes) -> None:
        """Accept and send messages of `job`; a job id serves once."""
        self._errors.extend(self.inbox.open(job))

    def close_job(self, job: bytes) -> None:
        """Forget the job; frames of it that still come are dropped."""
        self.inbox.close(job)
        name = job.hex()
        self._errors = deque(error for error in self._errors if error.job != name)

    # -- sending

    def send(
        self,
        to: Who,
        address: Address,
        element: Element,
        payload: Buffer | list[Bytes],
        depth: int = 0,
    ) -> None:
        """Send one message; the parts of a list follow each other. No copy is made: never modify it afterwards.

        Returns at once, unless more than `limits.queue_bytes` wait for that peer already.
        """
        job, operation, step = address
        box = self.inbox.box(job)
        if self.failed and to in self.failed:
            raise self.failed[SessionPeer(to)]
        views = [as_bytes(part) for part in payload] if isinstance(payload, list) else (as_bytes(payload),)
        nbytes = len(views[0]) if len(views) == 1 else sum([len(view) for view in views])
        link = self._link
        ready_at = 0.0 if link is None else link.stamp(self.me, to, nbytes + HEADER_BYTES)
        box.send(to, operation, step)
        self._transmit(to, header_of((1, element, job, operation, step, depth, ready_at, nbytes)), *views)

    def send_control(self, to: Who, kind: int, body: Sequence[Buffer] = ()) -> None:
        """Send a command of the floors above; the buffers follow each other on the wire and are not copied."""
        self._send_other(to, FrameKind.CONTROL, NO_JOB, 0, kind, [as_bytes(part) for part in body])

    def send_abort(self, to: Who, job: bytes, body: bytes) -> None:
        """Tell a peer that this side gave the job up; `body` is a short report without secrets."""
        self._send_other(to, FrameKind.ABORT, job, 0, 0, [memoryview(body)])

    def ping(self, to: Who, number: int, nbytes: int = 0) -> None:
        """Ask for an answer, which will be put in `pongs`; the peer gives it as soon as it pumps."""
        self._send_other(to, FrameKind.PING, NO_JOB, number, 0, [memoryview(bytes(nbytes))])

    def _send_other(
        self, to: Who, kind: FrameKind, job: bytes, operation: int, step: int, body: list[memoryview]
    ) -> None:
        if to in self.failed:
            raise self.failed[SessionPeer(to)]
        nbytes = sum(len(part) for part in body)
        ready_at = 0.0 if self._link is None else self._link.stamp(self.me, to, nbytes + HEADER_BYTES)
        self._transmit(to, FrameHeader(kind, Element.BYTES, job, operation, step, 0, ready_at, nbytes), *body)

    # -- receiving

    def expect(self, frm: Who, address: Address, element: Element, nbytes: int, waker: object = None) -> bool:
        """See `Inbox.expect`."""
        return self.inbox.expect(frm, address, element, nbytes, waker)

    def take(self, frm: Who, address: Address) -> Message | None:
        """See `Inbox.take`."""
        return self.inbox.take(frm, address)

    def woken(self) -> list[object]:
        """See `Inbox.woken`."""
        return self.inbox.woken()

    def awaited(self, job: bytes) -> Iterator[tuple[SessionPeer, Address]]:
        """See `Inbox.awaited`."""
        return self.inbox.awaited(job)

    def take_control(self, frm: Who | None = None) -> Control | None:
        """Give the next command, of one peer or of any; None when there is none."""
        controls = self._controls
        for index, control in enumerate(controls):
            if frm is None or control.sender == frm:
                del controls[index]
                self._control_bytes -= len(control.body)
                return control
        return None

    def progress(self, timeout: float) -> bool:
        """Move bytes both ways until something new can be taken (True) or `timeout` seconds have passed (False).

        Raises PartyError: Unreachable when a peer went without a goodbye, ProtocolViolation when one sent what it may
        not, Aborted when one gave an open job up. Each is raised once.
        """
        if self._errors:
            raise self._errors.popleft()
        if self._fresh:
            timeout = 0.0
        deadline = time.monotonic() + timeout if timeout else 0.0
        while True:
            if self._held:
                timeout = self._release_due(timeout)
                if self._fresh:
                    timeout = 0.0
            self._pump(timeout)
            if self._held:
                self._release_due(0.0)
            if self._errors:
                raise self._errors.popleft()
            if self._fresh:
                self._fresh = False
                return True
            if not deadline:
                return False
            timeout = deadline - time.monotonic()
            if timeout <= 0.0:
                return False

    def attend(self) -> None:
        """Move what can be moved at once and answer pings; what goes wrong is left for `progress` to raise."""
        self._pump(0.0)
        if self._held:
            self._release_due(0.0)

    def flush(self, timeout: float) -> bool:
        """Write until nothing is queued; False when that did not succeed in time."""
        deadline = time.monotonic() + timeout
        while self._unsent():
            left = deadline - time.monotonic()
            if left <= 0.0:
                return False
            self._pump(left)
        return True

    # -- for sub-classes

    @abstractmethod
    def _transmit(self, to: Who, header: FrameHeader, *body: memoryview) -> None:
        """Send one frame or queue it."""

    @abstractmethod
    def _pump(self, timeout: float) -> None:
        """Move what can be moved, sleeping at most until `timeout` for something to move."""

    def _unsent(self) -> bool:
        return False

    @abstractmethod
    def close(self) -> None:
        """Say goodbye to everyone and let go of everything; harmless when called again."""

    @abstractmethod
    def abandon(self) -> None:
        """Let go of everything without a goodbye, as a crash would."""

    def complete(self, frm: SessionPeer, header: FrameHeader, slot: Slot) -> None:
        """A message is here whole, in its slot; deliver it, now or when the emulated link would."""
        self.life.see()
        if header[6] and self._link is not None:  # ready_at
            self._hold(frm, header, slot)
            return
        self._fresh |= self.inbox.deliver(slot)

    def check_length(self, frm: SessionPeer, header: FrameHeader) -> None:
        """Refuse a frame that is too long, before anything is allocated for it."""
        kind, _, job, operation, step, _, _, length = header
        limits = self.limits
        if kind == FrameKind.CONTROL and len(self._controls) >= limits.early_messages:
            raise violation("too many commands that nobody takes", frm)
        limit = {
            FrameKind.MESSAGE: limits.message_bytes,
            FrameKind.CONTROL: limits.control_bytes - self._control_bytes,
            FrameKind.ABORT: limits.abort_bytes,
            FrameKind.PING: limits.ping_bytes,
        }.get(kind, 0)  # type: ignore[call-overload]
        if length > limit:
            raise violation(f"a frame of {length} bytes, at most {limit} are accepted", frm, job, operation, step)

    def complete_other(self, frm: SessionPeer, header: FrameHeader, body: memoryview) -> None:
        """A frame that is no message is here whole."""
        if header.ready_at and self._link is not None:
            self._hold(frm, header, body)
        else:
            self._deliver_other(frm, header, body)

    def _hold(self, frm: SessionPeer, header: FrameHeader, item: Slot | memoryview) -> None:
        self._held_count += 1
        heapq.heappush(self._held, (header.ready_at, self._held_count, frm, header, item))

    def _release_due(self, timeout: float) -> float:
        """Deliver what the emulated link has let through; give the time until the next, at most `timeout`."""
        held = self._held
        while held:
            left = held[0][0] - time.monotonic()
            if left > 0.0:
                return min(left, timeout)
            _, _, frm, header, item = heapq.heappop(held)
            if isinstance(item, Slot):
                self._fresh |= self.inbox.deliver(item)
            elif isinstance(item, memoryview):
                self._deliver_other(frm, header, item)
        return timeout

    def _deliver_other(self, frm: SessionPeer, header: FrameHeader, body: memoryview) -> None:
        kind, job = header.kind, header.job
        if kind == FrameKind.CONTROL:
            self._control_bytes += len(body)
            self._controls.append(Control(frm, header.step, body))
            self._fresh = True
        elif kind == FrameKind.ABORT:
            if job in self.inbox.jobs:
                self._errors.append(Aborted(frm, job, bytes(body), self.names))
            elif job not in self.inbox.closed:
                self.inbox.early.abort(Aborted(frm, job, bytes(body), self.names), frm, job)
        elif kind == FrameKind.PING:
            if frm not in self.failed and frm not in self._departed:
                self._send_other(frm, FrameKind.PONG, NO_JOB, header.operation, self.life.age_ms(), [])
        elif kind == FrameKind.PONG and self.life.is_question(header.operation):
            self.life.hear(header.operation, header.step)
        elif kind == FrameKind.PONG:
            self.pongs.append((frm, header.operation, time.monotonic()))
            self._fresh = True
        elif kind == FrameKind.BYE:
            self._departed.add(frm)
            gone = Unreachable(f"{self.names[frm]} has left the session", party=int(frm))
            if any(self.inbox.awaits(job, frm) for job in self.inbox.jobs):
                self.lose(frm, gone)
                return
            self.failed[frm] = gone
        else:
            raise violation("a second HELLO", frm)

    def lose(self, peer: SessionPeer, error: PartyError) -> None:
        """A peer is gone: raise the error once from `progress`, and again wherever the peer is named."""
        if peer not in self.failed or peer in self._departed:
            self.failed[peer] = error
            self._errors.append(error)

    def complain(self, error: PartyError) -> None:
        """Raise the error once from `progress`."""
        self._errors.append(error)


def emulate(endpoint: Endpoint, *, rtt_s: float, bandwidth_bits_s: float) -> None:
    """Lay an emulated link on everything this endpoint sends to and receives from other parties.

    Every party of the session must do so: an endpoint without a link ignores the stamps of others.
    """
    endpoint._link = TimedLink(rtt_s, bandwidth_bits_s)
