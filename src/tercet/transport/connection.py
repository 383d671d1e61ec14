"""One TLS connection on memory buffers: its outgoing queue, the frame being received, and the state of its keys.

Its errors, those of sockets and of TLS, are translated into those of `tercet.errors` here and nowhere else.
"""

from __future__ import annotations

import select
import socket
import ssl
from collections import deque
from enum import IntEnum
from typing import Any

from tercet.errors import ConfigError, PartyError, ProtocolViolation, Unreachable
from tercet.transport._native import Slot
from tercet.transport.frame import FrameHeader
from tercet.transport.messages import LABELS, PeerNames, SessionPeer

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

    tls: Any  # its annotations do not know that it reads into and writes any buffer
    incoming: ssl.MemoryBIO
    outgoing: ssl.MemoryBIO

    peer: SessionPeer
    """Known from its HELLO on; who dials knows it before."""

    def __init__(self, sock: socket.socket, context: ssl.SSLContext, *, dialled: bool) -> None:
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
        """Of a message that is not whole yet; None for a frame that is none, or that is dropped."""
        self.dropped = False
        self.body: memoryview | None = None
        self.position = 0

    @property
    def idle(self) -> bool:
        """Whether a frame may go right away: nothing waits to be sent, and the keys stand."""
        return not (self.queued_bytes or self.stage) and self.cipher is None and self.open

    def wrap(self) -> None:
        """Begin a TLS connection of its own on the socket, with a handshake yet to be made."""
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = self.context.wrap_bio(self.incoming, self.outgoing, server_side=not self.dialled)
        self.records = 0

    def __repr__(self) -> str:
        return f"Connection({self.queued_bytes} bytes queued)"


_ALERTS = {
    "CERTIFICATE_EXPIRED": "our certificate expired",
    "UNKNOWN_CA": "it does not know our certificate",
    "CERTIFICATE_UNKNOWN": "it does not know our certificate",
    "BAD_CERTIFICATE": "it finds our certificate bad",
    "CERTIFICATE_REQUIRED": "it wants a certificate",
    "DECRYPT_ERROR": "our key does not fit our certificate",
    "ACCESS_DENIED": "it does not let us in",
}


def translate(error: OSError, peer: SessionPeer | None, names: PeerNames = LABELS) -> PartyError | ConfigError:
    """Give the Tercet error for what a socket or TLS call raised while talking to `peer` (None: not known yet)."""
    who = "the other side" if peer is None else names[peer]
    party = None if peer is None else int(peer)
    if isinstance(error, ssl.SSLCertVerificationError):
        return ConfigError(
            f"the certificate that {who} shows is refused: {getattr(error, 'verify_message', error)}",
            hint="compare it with the one configured for this peer",
        )
    if isinstance(error, ssl.SSLEOFError):
        return Unreachable(f"{who} closed its connection without a goodbye", party=party)
    if isinstance(error, ssl.SSLError):
        reason = getattr(error, "reason", None) or str(error)
        for alert, meaning in _ALERTS.items():
            if "ALERT" in reason and reason.endswith(alert):
                return ConfigError(f"{who} refuses us: {meaning}", hint="give it the certificate of this identity")
        return ProtocolViolation(f"{who} does not speak our TLS, or its bytes were changed: {reason}", party=party)
    if isinstance(error, ConnectionRefusedError):
        return Unreachable(f"nobody listens at the address of {who}", party=party)
    if isinstance(error, ConnectionError):
        return Unreachable(f"{who} closed its connection without a goodbye", party=party)
    return Unreachable(f"{who} cannot be reached: {error.strerror or error}", party=party)
