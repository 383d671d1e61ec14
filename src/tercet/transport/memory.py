"""The four endpoints of a session in one process: frames go through queues, payloads by reference.

The receiver sees the sender's own buffer, read-only. The sender must not modify it after sending, as over TCP.
There is no backpressure: what is queued is memory that the sender holds anyway.
"""

from __future__ import annotations

from queue import Empty, SimpleQueue
from typing import TypeAlias

import numpy as np

from tercet.errors import ProtocolViolation, Unreachable
from tercet.transport.endpoint import Endpoint
from tercet.transport.frame import NO_JOB, Element, FrameHeader, FrameKind
from tercet.transport.messages import PEERS, MessageLimits, SessionPeer, Who

_Item: TypeAlias = "tuple[SessionPeer, FrameHeader | None, memoryview]"
_NOTHING = memoryview(b"")
_BYE = FrameHeader(FrameKind.BYE, Element.BYTES, NO_JOB, 0, 0, 0, 0.0, 0)


class MemoryEndpoint(Endpoint):
    """One of the four; made by `memory_endpoints`."""

    def __init__(self, me: Who, queues: list[SimpleQueue[_Item]], limits: MessageLimits | None = None) -> None:
        super().__init__(me, limits)
        self._queues = queues
        self._inbox = queues[self.me]

    def _transmit(self, to: Who, header: FrameHeader, *body: memoryview) -> None:
        if self._closed:
            raise ValueError("the endpoint is closed")
        if to == self.me:
            raise ValueError("an endpoint does not send to itself")
        part = body[0] if len(body) == 1 else memoryview(b"".join(body))
        self._queues[to].put((self.me, header, part))

    def _pump(self, timeout: float) -> None:
        inbox = self._inbox
        if self._closed:
            raise ValueError("the endpoint is closed")
        if timeout > 0.0 and inbox.empty():
            try:
                item = inbox.get(True, timeout)
            except Empty:
                return
            self._accept(*item)
        for _ in range(inbox.qsize()):
            self._accept(*inbox.get())

    def _accept(self, frm: SessionPeer, header: FrameHeader | None, body: memoryview) -> None:
        try:
            if header is None:
                if frm not in self.failed:
                    reason = f"{self.names[frm]} closed its connection without a goodbye"
                    self.lose(frm, Unreachable(reason, party=int(frm)))
                return
            self.check_length(frm, header)
            if header.kind == FrameKind.MESSAGE:
                slot = self.inbox.admit(frm, header)
                if slot is not None:
                    payload = np.frombuffer(body, np.uint8)
                    payload.setflags(write=False)
                    slot.payload = payload
                    self.complete(frm, header, slot)
            else:
                self.complete_other(frm, header, body)
        except ProtocolViolation as error:
            self.complain(error)

    def close(self) -> None:
        self._leave(_BYE)

    def abandon(self) -> None:
        self._leave(None)

    def _leave(self, header: FrameHeader | None) -> None:
        if not self._closed:
            self._closed = True
            for peer in PEERS:
                if peer != self.me:
                    self._queues[peer].put((self.me, header, _NOTHING))


def memory_endpoints(limits: MessageLimits | None = None) -> dict[SessionPeer, MemoryEndpoint]:
    """Make the four connected endpoints of a session; each is then used by one thread."""
    queues: list[SimpleQueue[_Item]] = [SimpleQueue() for _ in PEERS]
    return {peer: MemoryEndpoint(peer, queues, limits) for peer in PEERS}
