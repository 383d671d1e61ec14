"""What the supervisor and its workers say to each other over a private socket: framed, versioned, checked; no pickles.

    4  magic "TRLN"
    1  version (1)
    1  kind
    2  zero
    4  length of the text
    8  length of the data
       text (JSON of the model of that kind), data

Numbers are unsigned and little-endian. Only the two ends of a socket pair ever speak it, so a fault in it is a defect;
it is checked nevertheless, as a worker reads what strangers have sent.
"""

from __future__ import annotations

import socket
import struct
from enum import IntEnum
from typing import Annotated, Literal

from pydantic import Field, StringConstraints, ValidationError

from tercet.errors import ProtocolViolation
from tercet.federation.api import JobReport, PublicJson
from tercet.federation.identifiers import DatasetName, Digest, Identifier, Line, MemberName
from tercet.federation.model import Model

MAGIC = b"TRLN"
VERSION = 1
_HEAD = struct.Struct("<4sBBHIQ")
_MAX_TEXT_BYTES = 64 << 20
_MAX_DATA_BYTES = 1 << 30

Base64 = Annotated[str, StringConstraints(max_length=1 << 16)]
Path = Annotated[str, StringConstraints(min_length=1, max_length=4096)]
Seconds = Annotated[float, Field(ge=0, le=1e9)]
PartyNumber = Literal["1", "2", "3"]


class Kind(IntEnum):
    """What a message is; supervisor to worker first, then worker to supervisor."""

    SETUP = 1
    JOB = 2
    REFRESH = 3
    READY = 16
    PROGRESS = 17
    FINISHED = 18
    FAILED = 19
    REFRESHED = 20


class Setup(Model):
    """Once, at the start. The data is the node's private key (PEM)."""

    party: Annotated[int, Field(ge=1, le=3)]
    federation: Identifier
    names: Annotated[list[MemberName], Field(min_length=3, max_length=3)]
    certificates: Annotated[list[Base64], Field(min_length=3, max_length=3)]
    """DER in base64, in the order of parties."""
    folder: Path
    """The store's."""
    timeout_s: Seconds
    threads: Annotated[int, Field(ge=1, le=1024)]
    memory_bytes: Annotated[int, Field(ge=1)]
    """What a job may take beyond what an idle worker has."""


class Place(Model):
    """Where the worker of the same lane at another node listens."""

    host: Annotated[str, StringConstraints(max_length=300)]
    port: Annotated[int, Field(ge=0, le=65535)]


class ColumnInput(Model):
    """A column of a dataset version, as the store describes it."""

    handle: Identifier
    column: Annotated[str, StringConstraints(max_length=128)]
    dataset: DatasetName


class KeptInput(Model):
    """A kept array, as the store describes it."""

    handle: Identifier
    kept: PublicJson


class KeptOutput(Model):
    """An output that is kept, and its type."""

    index: Annotated[int, Field(ge=0)]
    handle: Identifier
    type_hex: Annotated[str, StringConstraints(max_length=1024)]


class JobOrder(Model):
    """Run a plan; the data is the bundle."""

    job: Identifier
    session: Digest
    places: dict[PartyNumber, Place]
    datasets: dict[DatasetName, PublicJson]
    """Versions that are read, as the store describes them."""
    columns: list[ColumnInput]
    kept: list[KeptInput]
    keep: list[KeptOutput]
    results: Path
    """A file for the boxes."""
    connect_s: Seconds
    flush_s: Seconds


class RefreshOrder(Model):
    """Write the next generation of every segment of a dataset version."""

    job: Identifier
    session: Digest
    places: dict[PartyNumber, Place]
    dataset: DatasetName
    version: PublicJson
    connect_s: Seconds
    flush_s: Seconds


class Progress(Model):
    """How far the job is, from 0 to 1."""

    fraction: Annotated[float, Field(ge=0, le=1)]


class BoxInfo(Model):
    """Where in the job's file the sealed result of one output for one recipient lies."""

    output: Annotated[int, Field(ge=0)]
    recipient: Digest
    start: Annotated[int, Field(ge=0)]
    nbytes: Annotated[int, Field(ge=0)]


class Finished(Model):
    """The job is done here."""

    report: JobReport
    boxes: list[BoxInfo]


class Refreshed(Model):
    """The next generation of every segment is written and durable."""

    segments: Annotated[int, Field(ge=0)]


class Failed(Model):
    """The job failed; as `engine.failure.Report` has it. `party` is to blame, `witness` saw it, by number."""

    cause: Annotated[int, Field(ge=1, le=255)]
    witness: Annotated[int, Field(ge=0, le=3)]
    party: Annotated[int, Field(ge=0, le=3)] | None
    operation: Annotated[str, StringConstraints(max_length=4096)] = ""
    step: Annotated[str, StringConstraints(max_length=4096)] = ""
    reason: Annotated[str, StringConstraints(max_length=8192)]
    hint: Annotated[str, StringConstraints(max_length=8192)] = ""
    node: Line = ""


class Ready(Model):
    """The worker is warm."""

    pid: int


_MODELS: dict[Kind, type[Model]] = {
    Kind.SETUP: Setup,
    Kind.JOB: JobOrder,
    Kind.REFRESH: RefreshOrder,
    Kind.READY: Ready,
    Kind.PROGRESS: Progress,
    Kind.FINISHED: Finished,
    Kind.FAILED: Failed,
    Kind.REFRESHED: Refreshed,
}
_KINDS = {model: kind for kind, model in _MODELS.items()}


def send(sock: socket.socket, message: Model, data: bytes | memoryview = b"") -> None:
    """Send one message. Raises OSError when the other end is gone."""
    text = message.model_dump_json().encode()
    head = _HEAD.pack(MAGIC, VERSION, _KINDS[type(message)], 0, len(text), len(data))
    sock.sendall(head + text)
    if len(data):
        sock.sendall(data)


def receive(sock: socket.socket) -> tuple[Model, bytes] | None:
    """Wait for one message; None when the other end has closed. Raises ProtocolViolation for what is none."""
    head = _exactly(sock, _HEAD.size)
    if head is None:
        return None
    magic, version, kind, zero, text_bytes, data_bytes = _HEAD.unpack(head)
    if magic != MAGIC or version != VERSION or zero or kind not in tuple(Kind):
        raise ProtocolViolation("a worker and its supervisor are of different versions")
    if text_bytes > _MAX_TEXT_BYTES or data_bytes > _MAX_DATA_BYTES:
        raise ProtocolViolation(f"a message between worker and supervisor of {text_bytes + data_bytes} bytes")
    text, data = _exactly(sock, text_bytes), _exactly(sock, data_bytes)
    if text is None or data is None:
        return None
    try:
        return _MODELS[Kind(kind)].model_validate_json(text), data
    except ValidationError:
        raise ProtocolViolation("a message between worker and supervisor cannot be read") from None


def _exactly(sock: socket.socket, count: int) -> bytes | None:
    buffer = bytearray(count)
    view = memoryview(buffer)
    while view:
        got = sock.recv_into(view)
        if not got:
            return None
        view = view[got:]
    return bytes(buffer)
