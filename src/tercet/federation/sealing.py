"""Seals parts and results in boxes bound to their context: upload and chunk, or job, output and node."""

from __future__ import annotations

import struct

from tercet.federation.identity import Card, Data, KeyPurpose, Member
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
