"""One TLS connection on memory buffers: its outgoing queue, the frame being received, and the state of its keys."""

from __future__ import annotations

import select
import socket
import ssl
from collections import deque
from enum import IntEnum
from typing import Any

from tercet.transport.frame import FrameHeader
from tercet.transport.messages import SessionPeer, Slot

RECORD_BYTES = 16384


class KeyStage(IntEnum):
    """The states of a connection while its keys are renewed.

    The side that dialled sends RENEW and then nothing more under the old keys; the other side does the same; then both
    make a new handshake on the same TCP connection, with the same certificates. So neither side sends under keys that
    the other may have dropped. Frames that are to be sent meanwhile wait.
    """

    STEADY = 0
    ASKED = 1
    ANSWERED = 2
    SHAKING = 3


class Connection:
    """One TLS connection, its outgoing queue and the state of the frame that is coming in."""

    __slots__ = (
        "body",
        "certificate",
        "cipher",
        "context",
        "dialled",
        "filled",
        "header",
        "incoming",
        "later",
        "mask",
        "open",
        "outgoing",
        "peer",
        "position",
        "queue",
        "queued_bytes",
        "records",
        "scratch",
        "slot",
        "sock",
        "stage",
        "tls",
        "writable",
    )

    tls: Any  # its annotations do not know that it reads into and writes any buffer
    incoming: ssl.MemoryBIO
    outgoing: ssl.MemoryBIO

    def __init__(
        self, peer: SessionPeer | None, sock: socket.socket, context: ssl.SSLContext, *, dialled: bool
    ) -> None:
        self.peer = peer
        self.sock = sock
        self.context = context
        self.dialled = dialled
        self.wrap()
        self.stage = KeyStage.STEADY
        self.certificate: bytes | None = None
        """The peer's, while fresh keys are agreed on."""
        self.queue: deque[memoryview] = deque()
        self.later: deque[memoryview] = deque()
        """Frames that wait for fresh keys; counted among those queued."""
        self.queued_bytes = 0
        self.cipher: bytes | memoryview | None = None
        self.open = True
        self.writable = True
        self.mask = select.POLLIN
        self.scratch = memoryview(bytearray(RECORD_BYTES))
        self.filled = 0
        self.header: FrameHeader | None = None
        self.slot: Slot | None = None
        self.body: memoryview | None = None
        self.position = 0

    def wrap(self) -> None:
        """Begin a TLS connection of its own on the socket, with a handshake yet to be made."""
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = self.context.wrap_bio(self.incoming, self.outgoing, server_side=not self.dialled)
        self.records = 0

    def __repr__(self) -> str:
        return f"Connection(peer {self.peer}, {self.queued_bytes} bytes queued)"
