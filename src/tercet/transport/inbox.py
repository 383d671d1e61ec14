"""The messages that one endpoint receives, by job: those asked for, those received, and those that may still come."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator, Mapping
from typing import Any

from tercet.errors import PartyError, ProtocolViolation
from tercet.transport.frame import JOB_BYTES, MAX_DEPTH, Element, FrameHeader
from tercet.transport.messages import (
    ARRIVING,
    DEAD,
    EXPECTED,
    LABELS,
    PEERS,
    READY,
    Aborted,
    Address,
    Box,
    Bytes,
    Message,
    MessageLimits,
    PeerNames,
    SessionPeer,
    Slot,
    Who,
    violation,
)


class Inbox:
    """Held by one endpoint, which brings it the headers and payloads that arrive; `failed` are the peers that went."""

    def __init__(
        self,
        me: SessionPeer,
        limits: MessageLimits,
        failed: Mapping[SessionPeer, PartyError],
        names: PeerNames = LABELS,
    ) -> None:
        self._me = me
        self._names = names
        self._limits = limits
        self._failed = failed
        self.jobs: dict[bytes, Box] = {}
        """Of the jobs that are open."""
        self.closed: OrderedDict[bytes, None] = OrderedDict()
        """Jobs whose late frames are dropped."""
        self.early = Early(limits)
        self._unexpected_bytes = [0] * len(PEERS)
        self._woken: list[Slot] = []

    def __repr__(self) -> str:
        return f"Inbox({self._names[self._me]}, {len(self.jobs)} jobs open)"

    def open(self, job: bytes) -> list[Aborted]:
        """Accept messages of `job`; give what was said of it already by those that gave it up."""
        if len(job) != JOB_BYTES:
            raise ValueError(f"a job id has {JOB_BYTES} bytes, not {len(job)}")
        if job in self.jobs or job in self.closed:
            raise ProtocolViolation("a job id was used before", party=int(self._me), job=job.hex())
        box = self.jobs[job] = self.early.release(job)
        for key, slot in box.slots.items():
            assert slot is not None
            self._unexpected_bytes[key & 3] += slot.nbytes
        return box.aborts

    def close(self, job: bytes) -> None:
        """Forget the job; frames of it that still come are dropped."""
        box = self.jobs.pop(job)
        self.closed[job] = None
        while len(self.closed) > self._limits.closed_jobs:
            self.closed.popitem(last=False)
        for key, slot in box.slots.items():
            if slot is not None:
                if slot.waker is _UNASKED:
                    self._unexpected_bytes[key & 3] -= slot.nbytes
                slot.state = DEAD
                slot.waker = None
                slot.payload = None
        box.slots.clear()

    def expect(self, frm: Who, address: Address, element: Element, nbytes: int, waker: object = None) -> bool:
        """Say what will be taken; True when it is here already.

        Otherwise `waker`, if given, will be in `woken()` once it can be taken. A frame for this address with another
        element code or length is a ProtocolViolation: raised here if it came before, else by `progress`, as soon as
        its header is seen.
        """
        return self._expect(frm, address, element, nbytes, waker, None).state == READY

    def _expect(
        self,
        frm: Who,
        address: tuple[bytes, int, int],
        element: Element,
        nbytes: int,
        waker: object,
        into: Bytes | None,
    ) -> Slot:
        job, operation, step = address
        box = self.jobs.get(job)
        if box is None:
            raise ValueError("the job is not open")
        key = operation << 34 | step << 2 | frm
        slots = box.slots
        if key not in slots:
            if self._failed and frm in self._failed:
                raise self._failed[SessionPeer(frm)]
            slot = slots[key] = Slot(box, key, EXPECTED, element, nbytes, 0, waker, into)
            return slot
        found = slots[key]
        if found is None or found.waker is not _UNASKED:
            raise violation(f"an address was used twice for receiving from {self._names[frm]}", self._me, *address)
        self._unexpected_bytes[frm] -= found.nbytes
        found.waker = waker
        if found.element != element or found.nbytes != nbytes:
            raise self._mismatch(found, element, nbytes, frm, address)
        return found

    def receive(
        self,
        frm: Who,
        address: tuple[bytes, int, int],
        element: Element,
        nbytes: int,
        waker: object,
        into: Bytes | None = None,
    ) -> tuple[Bytes, int] | None:
        """`expect` and `take` in one: payload and depth if the message is here, else they come with `arrived`.

        Where the transport can, a message that comes later is put into `into`, which is then the payload.
        """
        slot = self._expect(frm, address, element, nbytes, waker, into)
        return self._taken(slot) if slot.state == READY else None

    def arrived(self) -> list[tuple[Any, Bytes, int]]:
        """Take what became takeable since the last call and has a waker: waker, payload and depth."""
        woken = self._woken
        if not woken:
            return []
        self._woken = []
        return [(slot.waker, *self._taken(slot)) for slot in woken if slot.box.slots.get(slot.key) is slot]

    def _taken(self, slot: Slot) -> tuple[Bytes, int]:
        payload = slot.payload
        assert payload is not None
        slot.box.slots[slot.key] = None
        return payload, slot.depth

    def take(self, frm: Who, address: Address) -> Message | None:
        """Give the message, once; None while it has not come."""
        job, operation, step = address
        slots = self.jobs[job].slots
        key = operation << 34 | step << 2 | frm
        slot = slots.get(key)
        if slot is None:
            if key in slots:
                raise violation(f"a message of {self._names[frm]} was taken twice", self._me, *address)
            return None
        if slot.state != READY:
            return None
        if slot.waker is _UNASKED:
            raise ValueError("a message must be expected before it is taken")
        return Message(*self._taken(slot))

    def woken(self) -> list[object]:
        """Give the wakers of messages that became takeable since the last call."""
        woken, self._woken = self._woken, []
        return [slot.waker for slot in woken]

    def awaited(self, job: bytes) -> Iterator[tuple[SessionPeer, Address]]:
        """What was expected in an open job and has not come, oldest first."""
        for key, slot in self.jobs[job].slots.items():
            if slot is not None and slot.state != READY and slot.waker is not _UNASKED:
                yield SessionPeer(key & 3), Address(job, key >> 34, key >> 2 & 0xFFFFFFFF)

    def admit(self, frm: SessionPeer, header: FrameHeader) -> Slot | None:
        """Check a message's header against what is expected; give its slot, None to drop it."""
        _, element, job, operation, step, depth, _, nbytes = header
        if depth > MAX_DEPTH:
            # what is sent because of it is one deeper, and must fit its field too
            raise violation(f"a depth of {depth}, at most {MAX_DEPTH} is accepted", frm, job, operation, step)
        key = operation << 34 | step << 2 | frm
        box = self.jobs.get(job)
        if box is None:
            if job in self.closed:
                return None
            box = self.early.admit(frm, job, nbytes)
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
        if job in self.jobs:
            unexpected = self._unexpected_bytes
            if unexpected[frm] + nbytes > self._limits.unexpected_bytes:
                raise violation("too many bytes that nobody asked for", frm, job, operation, step)
            unexpected[frm] += nbytes
        slot = slots[key] = Slot(box, key, ARRIVING, element, nbytes, depth, _UNASKED)
        return slot

    def deliver(self, slot: Slot) -> bool:
        """A message is here whole, its payload in the slot; say whether somebody asked for it."""
        if slot.state == DEAD:
            slot.payload = None
            return False
        slot.state = READY
        waker = slot.waker
        if waker is _UNASKED:
            return False
        if waker is not None:
            self._woken.append(slot)
        return True

    def _mismatch(
        self, came: Slot, element: int, nbytes: int, frm: Who, address: tuple[bytes, int, int]
    ) -> ProtocolViolation:
        return violation(
            f"a message of {came.nbytes} bytes of {Element(came.element).name} came"
            f" where {nbytes} bytes of {Element(element).name} are due",
            frm,
            *address,
        )


class _Unasked:
    __slots__ = ()


_UNASKED = _Unasked()


class Early:
    """Messages of jobs that are not open at this endpoint yet, within limits until the job opens.

    A party that opens a job later than another receives its first messages early. Each peer has limits of its own, so
    that one that sends too many messages does not use up the room of the others.
    """

    __slots__ = ("_boxes", "_bytes", "_limits", "_messages")

    def __init__(self, limits: MessageLimits) -> None:
        self._limits = limits
        self._boxes: dict[bytes, tuple[Box, list[tuple[SessionPeer, int]]]] = {}
        self._messages = [0] * len(PEERS)
        self._bytes = [0] * len(PEERS)

    def __repr__(self) -> str:
        return f"Early({len(self._boxes)} jobs, {sum(self._bytes)} bytes)"

    def __len__(self) -> int:
        return len(self._boxes)

    def admit(self, frm: SessionPeer, job: bytes, nbytes: int) -> Box:
        """The box for a message of this length. Raises ProtocolViolation when its sender has sent too much."""
        limits = self._limits
        if self._messages[frm] >= limits.early_messages or self._bytes[frm] + nbytes > limits.early_bytes:
            raise violation("too many messages of a job that is not open", frm, job)
        box, counted = self._boxes.setdefault(job, (Box(), []))
        counted.append((frm, nbytes))
        self._messages[frm] += 1
        self._bytes[frm] += nbytes
        return box

    def abort(self, error: Aborted, frm: SessionPeer, job: bytes) -> None:
        """Note that a peer gave up a job that is not open here."""
        self.admit(frm, job, len(error.body)).aborts.append(error)

    def release(self, job: bytes) -> Box:
        """Take out the box of a job that is opened now; an empty one if nothing was received."""
        box, counted = self._boxes.pop(job, (None, []))
        for frm, nbytes in counted:
            self._messages[frm] -= 1
            self._bytes[frm] -= nbytes
        return box or Box()
