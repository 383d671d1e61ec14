"""What endpoints exchange: peers, addresses, messages, limits; and the slots that messages arrive in."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from tercet.errors import PartyError, ProtocolViolation
from tercet.sharing import Party
from tercet.transport.frame import NO_JOB

Bytes: TypeAlias = npt.NDArray[np.uint8]
_UINT8 = np.dtype(np.uint8)
Buffer: TypeAlias = "bytes | bytearray | memoryview | npt.NDArray[Any]"


class SessionPeer(IntEnum):
    """Who can be at the other end: the client of the session, or one of the three parties (same numbers as Party)."""

    CLIENT = 0
    P1 = 1
    P2 = 2
    P3 = 3

    @property
    def label(self) -> str:
        return f"party {int(self)}" if self else "the client"


PEERS = tuple(SessionPeer)
PeerNames: TypeAlias = tuple[str, ...]
"""What the texts of errors call the client and the three parties, in the order of their numbers."""
LABELS: PeerNames = tuple(peer.label for peer in PEERS)
"""The names in a session whose parties have no others: "the client", "party 1" and so on."""
Who: TypeAlias = SessionPeer | Party


class Address(NamedTuple):
    """Names one message in each direction between two peers; used once in a job, and an error if used again."""

    job: bytes
    operation: int
    step: int


@dataclass(slots=True, eq=False)
class Message:
    """A delivered message.

    `payload` is the receiver's own over TCP; in memory it is the sender's buffer, and then read-only
    (`payload.flags.writeable` tells, for code that wants to compute in place).
    """

    payload: Bytes = field(repr=False)
    depth: int

    def __repr__(self) -> str:
        return f"Message({self.payload.nbytes} bytes, depth {self.depth})"


@dataclass(slots=True, eq=False)
class Control:
    """A delivered command of the floors above."""

    sender: SessionPeer
    kind: int
    body: memoryview = field(repr=False)


class Aborted(PartyError):
    """Another party gave the job up; `body` is the report it sent, for the floor above to read."""

    def __init__(self, sender: SessionPeer, job: bytes, body: bytes, names: PeerNames = LABELS) -> None:
        super().__init__(f"{names[sender]} gave the job up", party=int(sender), job=job.hex())
        self.body = body


@dataclass(frozen=True, slots=True)
class MessageLimits:
    """What an endpoint accepts from a peer, and how much it queues for one."""

    message_bytes: int = 1 << 33
    control_bytes: int = 1 << 31
    abort_bytes: int = 1 << 16
    ping_bytes: int = 1 << 23
    early_messages: int = 4096
    """Messages of one peer in jobs that are not open yet; and unread CONTROL frames."""
    early_bytes: int = 1 << 28
    unexpected_bytes: int = 1 << 33
    """Messages of one peer in open jobs that nobody has asked for yet, each 512 bytes and its payload."""
    queue_bytes: int = 1 << 26
    """Outgoing bytes to one peer beyond which `send` waits."""
    closed_jobs: int = 4096
    """Ids remembered, so that late frames are dropped."""
    tls_records: int = 1 << 23
    """Records, both ways together, after which a connection gets fresh keys; AES-GCM wants it before 2^24.5 a key
    (RFC 8446, section 5.5)."""


def as_bytes(payload: Buffer) -> memoryview:
    """View any C-contiguous buffer as bytes, without copying."""
    if isinstance(payload, np.ndarray):
        if payload.ndim == 1 and payload.dtype is _UINT8 and payload.flags.c_contiguous:
            return payload.data
        if not payload.flags.c_contiguous:
            raise ValueError("a payload must be C-contiguous")
        return payload.reshape(-1).view(np.uint8).data
    view = memoryview(payload)
    return view.cast("B") if view.nbytes else memoryview(b"")


def violation(
    reason: str, peer: int, job: bytes | None = None, operation: int | None = None, step: int | None = None
) -> ProtocolViolation:
    return ProtocolViolation(
        reason,
        party=int(peer),
        job=None if job is None or job == NO_JOB else job.hex(),
        operation=None if operation is None else str(operation),
        step=None if step is None else str(step),
    )
