"""The messages that one endpoint receives, by job: those asked for, those received, and those that may still come.

What is kept of each address is native (`native/post.cpp`), as are the frames of whole messages that are due: a message
of a few bytes costs what its book-keeping costs.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from typing import Any

import numpy as np

from tercet.errors import PartyError, ProtocolViolation
from tercet.transport._native import Box, Post, Slot
from tercet.transport.frame import JOB_BYTES, MAX_DEPTH, Element, FrameHeader
from tercet.transport.messages import (
    LABELS,
    PEERS,
    Aborted,
    Address,
    Bytes,
    Message,
    MessageLimits,
    PeerNames,
    SessionPeer,
    Who,
    violation,
)


class Inbox:
    """Held by one endpoint, which brings it the headers and payloads that arrive; `failed` are the peers that went."""

    def __init__(
        self,
        me: SessionPeer,
        limits: MessageLimits,
        failed: dict[SessionPeer, PartyError],
        names: PeerNames = LABELS,
    ) -> None:
        self._me = me
        self._names = names
        self._limits = limits
        self._post = post = Post(
            _Refusals(me, names, failed),
            failed,
            np.frombuffer,
            np.dtype(np.uint8),
            limits.message_bytes,
            limits.unexpected_bytes,
            MAX_DEPTH,
        )
        self.jobs: dict[bytes, Box] = {}
        """Of the jobs that are open."""
        self.closed: OrderedDict[bytes, None] = OrderedDict()
        """Jobs whose late frames are dropped."""
        self.early = Early(limits, post)
        self.deliver = post.deliver
        """A message is here whole, its payload in the slot; say whether somebody asked for it."""
        self.arrived = post.arrived
        """Take what became takeable since the last call and has a waker: waker, payload and depth."""
        self.woken = post.woken
        """Give the wakers of messages that became takeable since the last call."""
        self.sort = post.sort
        """Take from the beginning of bytes, which hold so many, the frames of a peer that are whole messages of open
        jobs, and due or allowed. Gives where they end, and whether somebody asked for one. What follows is for `admit`,
        which says what is wrong with it, if anything is."""

    def __repr__(self) -> str:
        return f"Inbox({self._names[self._me]}, {len(self.jobs)} jobs open)"

    @property
    def unexpected_bytes(self) -> list[int]:
        """Of messages in open jobs that nobody has asked for yet, by peer; 512 of each beside its payload."""
        return self._post.unexpected_bytes

    def open(self, job: bytes) -> list[Aborted]:
        """Accept messages of `job`; give what was said of it already by those that gave it up."""
        if len(job) != JOB_BYTES:
            raise ValueError(f"a job id has {JOB_BYTES} bytes, not {len(job)}")
        if job in self.jobs or job in self.closed:
            raise ProtocolViolation("a job id was used before", party=int(self._me), job=job.hex())
        box, aborts = self.early.release(job)
        self.jobs[job] = box
        self._post.open(box)
        return aborts

    def close(self, job: bytes) -> None:
        """Forget the job; frames of it that still come are dropped."""
        box = self.jobs.pop(job)
        self.closed[job] = None
        while len(self.closed) > self._limits.closed_jobs:
            self.closed.popitem(last=False)
        self._post.close(box)

    def box(self, job: bytes) -> Box:
        """Of a job that is open, which addresses were used for what. Raises ValueError if it is not open."""
        box = self.jobs.get(job)
        if box is None:
            raise ValueError("the job is not open")
        return box

    def expect(self, frm: Who, address: Address, element: Element, nbytes: int, waker: object = None) -> bool:
        """Say what will be taken; True when it is here already.

        Otherwise `waker`, if given, will be in `woken()` once it can be taken. A frame for this address with another
        element code or length is a ProtocolViolation: raised here if it came before, else by `progress`, as soon as
        its header is seen.
        """
        job, operation, step = address
        return self.box(job).expect(frm, operation, step, element, nbytes, waker)

    def receive(
        self,
        frm: Who,
        address: Address,
        element: Element,
        nbytes: int,
        waker: object,
        into: Bytes | None = None,
    ) -> tuple[Bytes, int] | None:
        """`expect` and `take` in one: payload and depth if the message is here, else they come with `arrived`.

        Where the transport can, a message that comes later is put into `into`, which is then the payload.
        """
        job, operation, step = address
        return self.box(job).receive(frm, operation, step, element, nbytes, waker, into)

    def take(self, frm: Who, address: Address) -> Message | None:
        """Give the message, once; None while it has not come."""
        job, operation, step = address
        taken = self.jobs[job].take(frm, operation, step)
        return None if taken is None else Message(*taken)

    def awaited(self, job: bytes) -> Iterator[tuple[SessionPeer, Address]]:
        """What was expected in an open job and has not come, oldest first."""
        for peer, operation, step, _ in self.jobs[job].awaited():
            yield SessionPeer(peer), Address(job, operation, step)

    def awaits(self, job: bytes, peer: SessionPeer) -> bool:
        """Whether a message of this peer was expected of which nothing has come."""
        return any(frm == peer and missing for frm, _, _, missing in self.jobs[job].awaited())

    def admit(self, frm: SessionPeer, header: FrameHeader) -> Slot | None:
        """Check a message's header against what is expected; give its slot, None to drop it."""
        _, element, job, operation, step, depth, _, nbytes = header
        if depth > MAX_DEPTH:
            # what is sent because of it is one deeper, and must fit its field too
            raise violation(f"a depth of {depth}, at most {MAX_DEPTH} is accepted", frm, job, operation, step)
        box = self.jobs.get(job)
        if box is None:
            if job in self.closed:
                return None
            box = self.early.admit(frm, job, nbytes)
        return box.admit(frm, operation, step, element, nbytes, depth)


class _Refusals:
    """Called with the number of a reason (`Refusal` in `native/post.cpp`): raises what is wrong with a message."""

    __slots__ = ("_failed", "_me", "_names")

    def __init__(self, me: SessionPeer, names: PeerNames, failed: dict[SessionPeer, PartyError]) -> None:
        self._me = me
        self._names = names
        self._failed = failed

    def __repr__(self) -> str:
        return f"_Refusals({self._names[self._me]})"

    def __call__(
        self,
        reason: int,
        peer: int,
        job: bytes,
        operation: int,
        step: int,
        came_element: int,
        came_nbytes: int,
        element: int,
        nbytes: int,
    ) -> None:
        who, place = self._names[peer], (job, operation, step)
        if reason == 0:
            raise violation(f"an address was used twice for receiving from {who}", self._me, *place)
        if reason == 1:
            raise violation(f"an address was used twice for sending to {who}", self._me, *place)
        if reason == 2:
            raise violation("a message came twice", peer, *place)
        if reason == 3:
            raise violation(f"a message of {who} was taken twice", self._me, *place)
        if reason == 4:
            raise ValueError("a message must be expected before it is taken")
        if reason == 5:
            raise violation(
                f"a message of {came_nbytes} bytes of {Element(came_element).name} came"
                f" where {nbytes} bytes of {Element(element).name} are due",
                peer,
                *place,
            )
        if reason == 6:
            raise violation("too many messages, or bytes of them, that nobody asked for", peer, *place)
        if SessionPeer(peer) in self._failed:
            raise self._failed[SessionPeer(peer)]


class Early:
    """Messages of jobs that are not open at this endpoint yet, within limits until the job opens.

    A party that opens a job later than another receives its first messages early. Each peer has limits of its own, so
    that one that sends too many messages does not use up the room of the others.
    """

    __slots__ = ("_boxes", "_bytes", "_limits", "_messages", "_post")

    def __init__(self, limits: MessageLimits, post: Post) -> None:
        self._limits = limits
        self._post = post
        self._boxes: dict[bytes, tuple[Box, list[tuple[SessionPeer, int]], list[Aborted]]] = {}
        self._messages = [0] * len(PEERS)
        self._bytes = [0] * len(PEERS)

    def __repr__(self) -> str:
        return f"Early({len(self._boxes)} jobs, {sum(self._bytes)} bytes)"

    def __len__(self) -> int:
        return len(self._boxes)

    def admit(self, frm: SessionPeer, job: bytes, nbytes: int) -> Box:
        """The box for a message of this length. Raises ProtocolViolation when its sender has sent too much."""
        return self._admitted(frm, job, nbytes)[0]

    def abort(self, error: Aborted, frm: SessionPeer, job: bytes) -> None:
        """Note that a peer gave up a job that is not open here."""
        self._admitted(frm, job, len(error.body))[1].append(error)

    def _admitted(self, frm: SessionPeer, job: bytes, nbytes: int) -> tuple[Box, list[Aborted]]:
        limits = self._limits
        if self._messages[frm] >= limits.early_messages or self._bytes[frm] + nbytes > limits.early_bytes:
            raise violation("too many messages of a job that is not open", frm, job)
        if job not in self._boxes:
            self._boxes[job] = (self._post.box(job), [], [])
        box, counted, aborts = self._boxes[job]
        counted.append((frm, nbytes))
        self._messages[frm] += 1
        self._bytes[frm] += nbytes
        return box, aborts

    def release(self, job: bytes) -> tuple[Box, list[Aborted]]:
        """Take out the box of a job that is opened now, an empty one if nothing was received; and who gave it up."""
        found: tuple[Any, list[Any], list[Aborted]] = self._boxes.pop(job, (None, [], []))
        box, counted, aborts = found
        for frm, nbytes in counted:
            self._messages[frm] -= 1
            self._bytes[frm] -= nbytes
        return (self._post.box(job) if box is None else box), aborts
