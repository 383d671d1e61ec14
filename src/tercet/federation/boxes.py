"""Boxes, in which parts and results are sealed for one recipient, each bound to its upload and chunk or job and output.

The answer with all boxes of a job for a recipient:

    4  magic "TRBX"
    1  version (1)
    3  zero
    4  how many boxes
       for each: the output's index (4), the length of its box (8); indices rise
       the boxes, one behind the other

Numbers are unsigned and little-endian. Nothing stands behind the last box.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from itertools import pairwise
from typing import Annotated, Final

from pydantic import Field

from tercet.errors import ProtocolViolation
from tercet.federation.bundle import MAX_OUTPUTS
from tercet.federation.identity import Card, Data, KeyPurpose, Member
from tercet.federation.model import Body, Digest
from tercet.sharing import Party


def part_context(upload: str, chunk: int) -> bytes:
    """Upload (16 bytes), chunk number (u64, little-endian). The node is bound by its key."""
    return bytes.fromhex(upload) + struct.pack("<Q", chunk)


def result_context(job: str, output: int, party: Party) -> bytes:
    """Job (16 bytes), index in the plan's outputs (u32), party number of the node that sealed (u8)."""
    return bytes.fromhex(job) + struct.pack("<IB", output, party)


def seal_part(node: Card, upload: str, chunk: int, part: Data) -> bytes:
    """A node's part of a chunk, in a box that a gateway may carry. An owner's client calls it."""
    return node.seal(KeyPurpose.PART, part_context(upload, chunk), part)


def open_part(node: Member, upload: str, chunk: int, box: Data) -> bytes:
    """What `seal_part` put in. The node calls it. Raises IntegrityError."""
    return node.open(KeyPurpose.PART, part_context(upload, chunk), box)


def seal_result(recipient: Card, job: str, output: int, party: Party, result: Data) -> bytes:
    """What one node has of an output, for one recipient. Each node calls it."""
    return recipient.seal(KeyPurpose.RESULT, result_context(job, output, party), result)


def open_result(recipient: Member, job: str, output: int, party: Party, box: Data) -> bytes:
    """What `seal_result` put in. The recipient's client calls it. Raises IntegrityError."""
    return recipient.open(KeyPurpose.RESULT, result_context(job, output, party), box)


MAGIC: Final = b"TRBX"
VERSION: Final = 1
_HEAD = struct.Struct("<4sB3sI")
_ENTRY = struct.Struct("<IQ")


class BoxInfo(Body):
    """Where in the file of a job's results the box of one output for one recipient lies."""

    output: Annotated[int, Field(ge=0)]
    recipient: Digest
    start: Annotated[int, Field(ge=0)]
    nbytes: Annotated[int, Field(ge=0)]


def boxes_head(boxes: Sequence[tuple[int, int]]) -> bytes:
    """What stands before the boxes, given the index and length of each. A node calls it."""
    entries = (_ENTRY.pack(index, length) for index, length in boxes)
    return b"".join((_HEAD.pack(MAGIC, VERSION, bytes(3), len(boxes)), *entries))


def boxes_bytes(lengths: Sequence[int]) -> int:
    """How long the answer with boxes of these lengths is. A client calls it, to read no more."""
    return _HEAD.size + _ENTRY.size * len(lengths) + sum(lengths)


def read_boxes(data: bytes) -> dict[int, memoryview]:
    """The boxes by their outputs' indices, not copied. A client calls it. Raises ProtocolViolation."""
    if len(data) < _HEAD.size or data[: len(MAGIC)] != MAGIC:
        raise ProtocolViolation("these are no boxes: the first bytes are wrong")
    _, version, zero, count = _HEAD.unpack_from(data)
    if version != VERSION or any(zero):
        raise ProtocolViolation(
            f"boxes of version {version}; this client knows {VERSION}", hint="update one of the two"
        )
    at = _HEAD.size + count * _ENTRY.size
    if count > MAX_OUTPUTS or len(data) < at:
        raise ProtocolViolation(f"these are no boxes: {count} are announced in {len(data)} bytes")
    entries = list(_ENTRY.iter_unpack(data[_HEAD.size : at]))
    indices = [index for index, _ in entries]
    if any(before >= after for before, after in pairwise(indices)):
        raise ProtocolViolation("these are no boxes: the indices of outputs do not rise")
    if at + sum(length for _, length in entries) != len(data):
        raise ProtocolViolation(f"these are no boxes: their lengths do not make {len(data)} bytes")
    view = memoryview(data)
    found = {}
    for index, length in entries:
        found[index] = view[at : at + length]
        at += length
    return found
