"""Boxes: parts of an upload for a node, results for a recipient."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Any

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

from making import hpke
from making.common import Vector, fixed, flipped, labelled, member, vector

UPLOAD, JOB = fixed("upload", 16), fixed("job", 16)
DATA = b"what one node has"
LARGE = bytes(range(256)) * 20
LATE = 1 << 33
"""A chunk number that is longer than 32 bits."""


def part_context(upload: bytes, chunk: int) -> bytes:
    return upload + struct.pack("<Q", chunk)


def result_context(job: bytes, output: int, party: int) -> bytes:
    return job + struct.pack("<IB", output, party)


def box(name: str, recipient: str, purpose: str, context: bytes, data: bytes) -> tuple[bytes, dict[str, Any]]:
    """A box, and the fields that say how it was made."""
    sender = X25519PrivateKey.from_private_bytes(fixed(f"sender's key of box {name}"))
    info = labelled(purpose, context)
    made = hpke.seal(sender, member(recipient).seal_public, info, data)
    return made, {
        "recipient": recipient,
        "purpose": purpose,
        "context_hex": context.hex(),
        "info_hex": info.hex(),
        "sender_key_private_hex": sender.private_bytes_raw().hex(),
        "plaintext_hex": data.hex(),
    }


def make() -> Iterator[tuple[str, Vector]]:
    part, result = part_context(UPLOAD, 3), result_context(JOB, 1, 2)
    about_part = {"upload": UPLOAD.hex(), "chunk": 3}
    about_result = {"job": JOB.hex(), "output": 1, "party": 2}
    for name, recipient, purpose, context, data, about in (
        ("part", "hospital-a", "part", part, DATA, about_part),
        ("result", "anna", "result", result, DATA, about_result),
        ("empty", "anna", "result", result, b"", about_result),
        ("large", "hospital-b", "part", part_context(UPLOAD, LATE), LARGE, {"upload": UPLOAD.hex(), "chunk": LATE}),
    ):  # fmt: skip
        made, fields = box(name, recipient, purpose, context, data)
        yield vector("box", name, "ok", "a box that opens", **fields, about=about, box_hex=made.hex())

    def wrong(name: str, expect: str, description: str, made: bytes, **changes: Any) -> tuple[str, Vector]:
        """Fields say under what the box is opened; how it was made is not for the reader."""
        fields = {"recipient": "anna", "purpose": "result", "context_hex": result.hex()} | changes
        info = labelled(fields["purpose"], bytes.fromhex(fields["context_hex"]))
        return vector("box", name, expect, description, **fields, info_hex=info.hex(), box_hex=made.hex())

    good, _ = box("wrong", "anna", "result", result, DATA)
    yield wrong("recipient", "bad_tag", "sealed for someone else", good, recipient="ben")
    yield wrong("purpose", "bad_tag", "sealed for another purpose", good, purpose="part")
    yield wrong("job", "bad_tag", "of another job", good, context_hex=result_context(UPLOAD, 1, 2).hex())
    yield wrong("output", "bad_tag", "of another output", good, context_hex=result_context(JOB, 0, 2).hex())
    yield wrong("party", "bad_tag", "of another node", good, context_hex=result_context(JOB, 1, 3).hex())
    yield wrong("sender", "bad_tag", "one bit of the sender's key is changed", flipped(good, 0))
    yield wrong("data", "bad_tag", "one bit of the ciphertext is changed", flipped(good, 33))
    yield wrong("tag", "bad_tag", "one bit of the tag is changed", flipped(good, -1))
    yield wrong("cut", "bad_tag", "the last byte is missing", good[:-1])
    yield wrong("extended", "bad_tag", "a byte too many", good + b"\0")
    yield wrong("order", "bad_tag", "the sender's key is a point of small order", bytes(32) + good[32:])
    yield wrong("short", "bad_length", "shorter than key and tag", good[:47])
    yield wrong("empty", "bad_length", "nothing", b"")
