"""Addressed messages between the three parties and the client: the interface, and what all endpoints share.

An endpoint belongs to one thread at a time. Nothing here starts a thread or takes a lock: bytes move only while the
owner is inside `send`, `progress`, `attend`, `flush` or `close`.
"""

from __future__ import annotations

import heapq
import time
from abc import ABC, abstractmethod
from collections import OrderedDict, deque
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Self

from tercet.errors import PartyError, ProtocolViolation, Unreachable
from tercet.transport.frame import HEADER_BYTES, JOB_BYTES, MAX_DEPTH, NO_JOB, Element, FrameKind, Header
from tercet.transport.life import Life
from tercet.transport.messages import (
    ARRIVING,
    DEAD,
    EXPECTED,
    READY,
    Aborted,
    Address,
    Box,
    Buffer,
    Bytes,
    Control,
    JobStats,
    Limits,
    Message,
    Peer,
    Slot,
    Stats,
    Who,
    as_bytes,
    violation,
)

if TYPE_CHECKING:
    from tercet.transport.link import Link


class Endpoint(ABC):
    """One end of the session. Sub-classes move frames; addresses, jobs, checks and counts are here.

    Failures of a peer are raised once by `progress`, and by every later call that names that peer.
    """

    def __init__(self, me: Who, limits: Limits | None = None) -> None:
        self.me = Peer(me)
        self.limits = limits or Limits()
        self.stats = Stats()
        self.failed: dict[Peer, PartyError] = {}
        """Peers that are gone, with the error that says why."""
        self.pongs: deque[tuple[Peer, int, float]] = deque(maxlen=1024)
        """Answers to `ping`: peer, number, time of arrival."""
        self.life = Life()
        self._jobs: dict[bytes, Box] = {}
        self._early: dict[bytes, Box] = {}
        self._early_bytes = 0
        self._early_messages = 0
        self._unexpected_bytes = 0
        self._closed_jobs: OrderedDict[bytes, None] = OrderedDict()
        self._controls: deque[Control] = deque()
        self._control_bytes = 0
        self._errors: deque[PartyError] = deque()
        self._woken: list[object] = []
        self._fresh = False
        self._link: Link | None = None
        self._held: list[tuple[float, int, Peer, Header, Slot | Bytes | memoryview]] = []
        self._held_count = 0
        self._departed: set[Peer] = set()
        self._closed = False

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.me.label}, {len(self._jobs)} jobs open)"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # -- jobs

    def open_job(self, job: bytes) -> None:
        """Accept and send messages of `job`; a job id serves once."""
        if len(job) != JOB_BYTES:
            raise ValueError(f"a job id has {JOB_BYTES} bytes, not {len(job)}")
        if job in self._jobs or job in self._closed_jobs:
            raise ProtocolViolation("a job id was used before", party=int(self.me), job=job.hex())
        box = self._early.pop(job, None)
        if box is None:
            box = Box()
        else:
            self._early_bytes -= box.early_bytes
            self._early_messages -= box.early_messages
            self._unexpected_bytes += box.early_bytes
            self._errors.extend(box.aborts)
        self._jobs[job] = box

    def close_job(self, job: bytes) -> JobStats:
        """Forget the job; frames of it that still come are dropped. Gives what was sent in it."""
        box = self._jobs.pop(job)
        self._remember_closed(job)
        for slot in box.slots.values():
            if slot is not None:
                if slot.state in (ARRIVING, READY) and slot.waker is _UNASKED:
                    self._unexpected_bytes -= slot.nbytes
                slot.state = DEAD
                slot.waker = None
                slot.payload = None
        name = job.hex()
        self._errors = deque(error for error in self._errors if error.job != name)
        return box.stats

    def job_stats(self, job: bytes) -> JobStats:
        """What was sent in an open job so far."""
        return self._jobs[job].stats

    def _remember_closed(self, job: bytes) -> None:
        self._closed_jobs[job] = None
        while len(self._closed_jobs) > self.limits.closed_jobs:
            self._closed_jobs.popitem(last=False)

    # -- sending

    def send(self, to: Who, address: Address, element: Element, payload: Buffer, depth: int = 0) -> None:
        """Send one message. The buffer is not copied: the caller must never modify it afterwards.

        Returns at once, unless more than `limits.queue_bytes` wait for that peer already.
        """
        job, operation, step = address
        box = self._jobs.get(job)
        if box is None:
            raise ValueError("the job is not open")
        if to in self.failed:
            raise self.failed[Peer(to)]
        key = operation << 34 | step << 2 | to
        sent = box.sent
        if key in sent:
            raise violation(f"an address was used twice for sending to {Peer(to).label}", self.me, *address)
        view = as_bytes(payload)
        nbytes = len(view)
        link = self._link
        ready_at = 0.0 if link is None else link.stamp(self.me, to, nbytes + HEADER_BYTES)
        self._transmit(to, Header(1, element, job, operation, step, depth, ready_at, nbytes), view)
        sent.add(key)
        counts = box.stats
        counts.bytes_to[to] += nbytes
        counts.messages_to[to] += 1
        counts = stats = self.stats
        counts.bytes_to[to] += nbytes
        counts.messages_to[to] += 1
        stats.overhead_bytes += HEADER_BYTES

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
            raise self.failed[Peer(to)]
        nbytes = sum(len(part) for part in body)
        ready_at = 0.0 if self._link is None else self._link.stamp(self.me, to, nbytes + HEADER_BYTES)
        self._transmit(to, Header(kind, Element.BYTES, job, operation, step, 0, ready_at, nbytes), *body)
        self.stats.overhead_bytes += HEADER_BYTES + nbytes

    # -- receiving

    def expect(self, frm: Who, address: Address, element: Element, nbytes: int, waker: object = None) -> bool:
        """Say what will be taken; True when it is here already.

        Otherwise `waker`, if given, will be in `woken()` once it can be taken. A frame for this address with another
        element code or length is a ProtocolViolation: raised here if it came before, else by `progress`, as soon as
        its header is seen.
        """
        job, operation, step = address
        box = self._jobs.get(job)
        if box is None:
            raise ValueError("the job is not open")
        key = operation << 34 | step << 2 | frm
        slots = box.slots
        if key not in slots:
            if frm in self.failed:
                raise self.failed[Peer(frm)]
            slots[key] = Slot(EXPECTED, element, nbytes, 0, waker)
            return False
        slot = slots[key]
        if slot is None or slot.waker is not _UNASKED:
            raise violation(f"an address was used twice for receiving from {Peer(frm).label}", self.me, *address)
        self._unexpected_bytes -= slot.nbytes
        slot.waker = waker
        if slot.element != element or slot.nbytes != nbytes:
            raise self._mismatch(slot, element, nbytes, frm, address)
        return slot.state == READY

    def take(self, frm: Who, address: Address) -> Message | None:
        """Give the message, once; None while it has not come."""
        job, operation, step = address
        slots = self._jobs[job].slots
        key = operation << 34 | step << 2 | frm
        slot = slots.get(key)
        if slot is None:
            if key in slots:
                raise violation(f"a message of {Peer(frm).label} was taken twice", self.me, *address)
            return None
        payload = slot.payload
        if payload is None or slot.state != READY:
            return None
        if slot.waker is _UNASKED:
            raise ValueError("a message must be expected before it is taken")
        slots[key] = None
        return Message(payload, slot.depth)

    def woken(self) -> list[object]:
        """Give the wakers of messages that became takeable since the last call."""
        woken = self._woken
        if woken:
            self._woken = []
        return woken

    def awaited(self, job: bytes) -> Iterator[tuple[Peer, Address]]:
        """What was expected in an open job and has not come, oldest first."""
        for key, slot in self._jobs[job].slots.items():
            if slot is not None and slot.state != READY and slot.waker is not _UNASKED:
                yield Peer(key & 3), Address(job, key >> 34, key >> 2 & 0xFFFFFFFF)

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
    def _transmit(self, to: Who, header: Header, *body: memoryview) -> None:
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

    def admit(self, frm: Peer, header: Header) -> Slot | None:
        """Check a message's header against what is expected; give its slot, None to drop it."""
        _, element, job, operation, step, depth, _, nbytes = header
        if depth > MAX_DEPTH:
            # what is sent because of it is one deeper, and must fit its field too
            raise violation(f"a depth of {depth}, at most {MAX_DEPTH} is accepted", frm, job, operation, step)
        key = operation << 34 | step << 2 | frm
        box = self._jobs.get(job)
        if box is None:
            if job in self._closed_jobs:
                return None
            box = self._admit_early(frm, job, nbytes)
        slots = box.slots
        if key in slots:
            slot = slots[key]
            if slot is None or slot.state != EXPECTED:
                raise violation("a message came twice", frm, job, operation, step)
            if slot.element != element or slot.nbytes != nbytes:
                expected_element, expected_nbytes = slot.element, slot.nbytes
                slot.element, slot.nbytes = element, nbytes
                raise self._mismatch(slot, expected_element, expected_nbytes, frm, Address(job, operation, step))
            slot.state = ARRIVING
            slot.depth = depth
            return slot
        if job in self._jobs:
            self._unexpected_bytes += nbytes
            if self._unexpected_bytes > self.limits.unexpected_bytes:
                self._unexpected_bytes -= nbytes
                raise violation("too many bytes that nobody asked for", frm, job, operation, step)
        slot = slots[key] = Slot(ARRIVING, element, nbytes, depth, _UNASKED)
        return slot

    def _admit_early(self, frm: Peer, job: bytes, nbytes: int) -> Box:
        limits = self.limits
        if self._early_messages >= limits.early_messages or self._early_bytes + nbytes > limits.early_bytes:
            raise violation("too many messages of a job that is not open", frm, job)
        box = self._early.get(job)
        if box is None:
            box = self._early[job] = Box()
        box.early_messages += 1
        box.early_bytes += nbytes
        self._early_messages += 1
        self._early_bytes += nbytes
        return box

    def complete(self, frm: Peer, header: Header, slot: Slot, payload: Bytes) -> None:
        """A message is here whole; deliver it, now or when the emulated link would."""
        slot.payload = payload
        self.life.see()
        if header.ready_at and self._link is not None:
            self._hold(frm, header, slot)
            return
        self._deliver(slot)

    def check_length(self, frm: Peer, header: Header) -> None:
        """Refuse a frame that is too long, before anything is allocated for it."""
        kind, length, limits = header.kind, header.length, self.limits
        if kind == FrameKind.MESSAGE:
            limit = limits.message_bytes
        elif kind == FrameKind.CONTROL:
            limit = limits.control_bytes - self._control_bytes
            if len(self._controls) >= limits.early_messages:
                raise violation("too many commands that nobody takes", frm)
        elif kind == FrameKind.ABORT:
            limit = limits.abort_bytes
        elif kind == FrameKind.PING:
            limit = limits.ping_bytes
        else:
            limit = 0
        if length > limit:
            raise violation(
                f"a frame of {length} bytes, at most {limit} are accepted",
                frm,
                header.job,
                header.operation,
                header.step,
            )

    def complete_other(self, frm: Peer, header: Header, body: memoryview) -> None:
        """A frame that is no message is here whole."""
        if header.ready_at and self._link is not None:
            self._hold(frm, header, body)
        else:
            self._deliver_other(frm, header, body)

    def _hold(self, frm: Peer, header: Header, item: Slot | memoryview) -> None:
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
                self._deliver(item)
            elif isinstance(item, memoryview):
                self._deliver_other(frm, header, item)
        return timeout

    def _deliver(self, slot: Slot) -> None:
        if slot.state == DEAD:
            slot.payload = None
            return
        slot.state = READY
        waker = slot.waker
        if waker is not _UNASKED:
            self._fresh = True
            if waker is not None:
                self._woken.append(waker)

    def _deliver_other(self, frm: Peer, header: Header, body: memoryview) -> None:
        kind, job = header.kind, header.job
        if kind == FrameKind.CONTROL:
            self._control_bytes += len(body)
            self._controls.append(Control(frm, header.step, body))
            self._fresh = True
        elif kind == FrameKind.ABORT:
            if job in self._jobs:
                self._errors.append(Aborted(frm, job, bytes(body)))
            elif job not in self._closed_jobs:
                self._admit_early(frm, job, len(body)).aborts.append(Aborted(frm, job, bytes(body)))
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
            gone = Unreachable(f"{frm.label} has left the session", party=int(frm))
            for job in self._jobs:
                for peer, address in self.awaited(job):
                    slot = (
                        self._jobs[job].slots[address.operation << 34 | address.step << 2 | frm]
                        if peer == frm
                        else None
                    )
                    if slot is not None and slot.state == EXPECTED:
                        self.lose(frm, gone)
                        return
            self.failed[frm] = gone
        else:
            raise violation("a second HELLO", frm)

    def lose(self, peer: Peer, error: PartyError) -> None:
        """A peer is gone: raise the error once from `progress`, and again wherever the peer is named."""
        if peer not in self.failed or peer in self._departed:
            self.failed[peer] = error
            self._errors.append(error)

    def complain(self, error: PartyError) -> None:
        """Raise the error once from `progress`."""
        self._errors.append(error)

    def _mismatch(self, came: Slot, element: int, nbytes: int, frm: Who, address: Address) -> ProtocolViolation:
        return violation(
            f"a message of {came.nbytes} bytes of {Element(came.element).name} came"
            f" where {nbytes} bytes of {Element(element).name} are due",
            frm,
            *address,
        )


class _Unasked:
    __slots__ = ()


_UNASKED = _Unasked()
