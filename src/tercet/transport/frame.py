"""The frame: one fixed little-endian header of 56 bytes, then `length` bytes of body.

    prefix    5 bytes   b"TRCT" and the version of this format
    kind      u8        FrameKind
    element   u8        Element, what the body is made of
    reserved  u8        0
    job       16 bytes  job the frame belongs to (session id in HELLO, zeros in CONTROL and PING)
    operation u64       place in the job's plan (sequence number in PING and PONG)
    step      u32       place in the operation (kind of command in CONTROL, peer number in HELLO, in PONG the
                        milliseconds since a party was known to be at work)
    depth     u32       logical round: length of the longest chain of messages that leads here
    ready_at  f64       CLOCK_MONOTONIC second before which an emulated link holds the frame back; 0 = none
    length    u64       bytes of body

Whatever parses packs to the same bytes again; everything else is refused before anything is allocated.
"""

from __future__ import annotations

import struct
from enum import IntEnum
from functools import partial
from typing import NamedTuple

from tercet.errors import ProtocolViolation

VERSION = 1
JOB_BYTES = 16
NO_JOB = bytes(JOB_BYTES)
_MAGIC = b"TRCT"
_PREFIX = _MAGIC + bytes([VERSION])
_HEADER = struct.Struct("<5sBBB16sQIIdQ")
HEADER_BYTES = _HEADER.size
MAX_DEPTH = 1 << 31
"""Of a message that is accepted."""
_FOREVER = float("inf")


class FrameKind(IntEnum):
    """What a frame is for."""

    MESSAGE = 1
    """Data of a job."""
    CONTROL = 2
    """A command or body of the floors above; opaque here."""
    ABORT = 3
    """The sender gave the job up; the body is its error report."""
    PING = 4
    PONG = 5
    HELLO = 6
    """First frame each way on a connection: who is speaking, in which session."""
    BYE = 7
    """The sender closes on purpose."""
    RENEW = 8
    """The sender's last frame under the present TLS keys; a handshake for fresh keys follows."""


class Element(IntEnum):
    """What a body is made of; sender and receiver must agree."""

    WORDS64 = 1
    WORDS128 = 2
    BITS = 3
    BYTES = 4


_KIND_LAST = max(FrameKind)
_ELEMENT_LAST = max(Element)
_ELEMENT_BYTES = (1, 8, 16, 1, 1)


class FrameHeader(NamedTuple):
    """The fields of a frame's header, in wire order without prefix and reserved byte."""

    kind: int
    element: int
    job: bytes
    operation: int
    step: int
    depth: int
    ready_at: float
    length: int


header_of = partial(tuple.__new__, FrameHeader)
"""A header of a tuple of its fields, without the cost of passing them by name."""


def pack(
    kind: int, element: int, job: bytes, operation: int, step: int, depth: int, ready_at: float, length: int
) -> bytes:
    """Give the header's bytes; raise ValueError when a field does not fit."""
    if len(job) != JOB_BYTES:
        raise ValueError(f"a job id has {JOB_BYTES} bytes, not {len(job)}")
    try:
        return _HEADER.pack(_PREFIX, kind, element, 0, job, operation, step, depth, ready_at, length)
    except struct.error as error:
        raise ValueError(f"a frame's field is out of range: {error}") from None


def unpack(data: bytes | bytearray | memoryview, offset: int = 0) -> FrameHeader:
    """Read the header at `offset`; raise ProtocolViolation when it is not one of ours."""
    prefix, kind, element, reserved, job, operation, step, depth, ready_at, length = _HEADER.unpack_from(data, offset)
    if prefix != _PREFIX:
        if prefix[:4] != _MAGIC:
            raise ProtocolViolation("what arrived is not a frame (wrong magic)")
        raise ProtocolViolation(f"frame of version {prefix[4]}, this side speaks version {VERSION}")
    if not 1 <= kind <= _KIND_LAST:
        raise ProtocolViolation(f"unknown frame kind {kind}")
    if not 1 <= element <= _ELEMENT_LAST:
        raise ProtocolViolation(f"unknown element code {element}")
    if reserved or not 0.0 <= ready_at < _FOREVER:
        raise ProtocolViolation("a frame's reserved byte or ready_at is not valid")
    if length % _ELEMENT_BYTES[element]:
        raise ProtocolViolation(f"{length} bytes is not a whole number of {Element(element).name} elements")
    return header_of((kind, element, job, operation, step, depth, ready_at, length))
