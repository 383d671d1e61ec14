"""Messages between the supervisor and its workers over a socket pair: framed, versioned, checked; nothing is unpickled.

    4  magic "TRLN"
    1  version (1)
    1  kind
    2  zero
    4  length of the text
    8  length of the data
       text (JSON of the model of that kind), data

Numbers are unsigned and little-endian. Both ends are this program, so a malformed message is a defect. It is checked
nevertheless, as workers read what comes from outside.
"""

from __future__ import annotations

import socket
from typing import Annotated, Literal

from pydantic import Field, StringConstraints, ValidationError

from tercet.codec import Reader, Writer
from tercet.errors import ProtocolViolation
from tercet.federation.api import PublicJson
from tercet.federation.api_jobs import JobReport
from tercet.federation.boxes import BoxInfo
from tercet.federation.model import Body, DatasetName, Digest, Identifier, Line, MemberName

MAGIC = b"TRLN"
VERSION = 1
_HEAD_BYTES = 20
_MAX_TEXT_BYTES = 64 << 20
_MAX_DATA_BYTES = 1 << 30

Base64Text = Annotated[str, StringConstraints(max_length=1 << 16)]
FilePath = Annotated[str, StringConstraints(min_length=1, max_length=4096)]
Seconds = Annotated[float, Field(ge=0, le=1e9)]
TagText = Annotated[str, StringConstraints(pattern="^[0-9a-f]{32}$")]
PartyNumber = Literal["1", "2", "3"]


class Setup(Body):
    """Once, at the start. The data is the node's private key (PEM)."""

    party: Annotated[int, Field(ge=1, le=3)]
    federation: Identifier
    names: Annotated[list[MemberName], Field(min_length=3, max_length=3)]
    certificates: Annotated[list[Base64Text], Field(min_length=3, max_length=3)]
    """DER in base64, in the order of parties."""
    folder: FilePath
    """The store's."""
    timeout_s: Seconds
    threads: Annotated[int, Field(ge=1, le=1024)]
    memory_bytes: Annotated[int, Field(ge=1)]
    """Memory that a job may take beyond that of an idle worker."""


class LaneAddress(Body):
    """Address of the worker of the same lane at another node."""

    host: Annotated[str, StringConstraints(max_length=300)]
    port: Annotated[int, Field(ge=0, le=65535)]


class LaneSession(Body):
    """With whom the workers of one lane connect for one order, and how long they wait for each other."""

    session: Digest
    places: dict[PartyNumber, LaneAddress]
    connect_s: Seconds
    flush_s: Seconds


class ColumnInput(Body):
    """A column of a dataset version, as the store describes it."""

    handle: Identifier
    column: Annotated[str, StringConstraints(max_length=128)]
    dataset: DatasetName


class KeptInput(Body):
    """A kept array, as the store describes it."""

    handle: Identifier
    kept: PublicJson


class KeptOutput(Body):
    """An output that is kept, and its type."""

    index: Annotated[int, Field(ge=0)]
    handle: Identifier
    type_hex: Annotated[str, StringConstraints(max_length=1024)]


class ChunkOrder(Body):
    """One chunk of an upload: its rows and the digests of this node's two components."""

    chunk: Annotated[int, Field(ge=0, lt=1 << 31)]
    rows: Annotated[int, Field(ge=1, lt=1 << 31)]
    own: Digest
    next: Digest


class JobOrder(Body):
    """Run a plan; the data is the bundle."""

    job: Identifier
    lane: LaneSession
    datasets: dict[DatasetName, PublicJson]
    """Versions that are read, as the store describes them."""
    columns: list[ColumnInput]
    kept: list[KeptInput]
    claimed: list[Identifier]
    """Handles of inputs whose bounds nobody has checked or proven."""
    keep: list[KeptOutput]
    results: FilePath
    """A file for the boxes."""


class RefreshOrder(Body):
    """Write the next generation of every segment of a dataset version, and of the arrays that were made of it."""

    job: Identifier
    lane: LaneSession
    dataset: DatasetName
    version: PublicJson
    kept: list[PublicJson]


class PieceOrder(Body):
    """Chunks of a segment that are to be checked, each with the components that are meant; and what became of others.

    `chunks` None: all of them, as the segment's own digests say. `own` and `next` are this node's components of the
    tags of those that were checked before; with `open` the bit that stands for all is opened.
    """

    segment: PublicJson
    chunks: Annotated[list[ChunkOrder], Field(max_length=1 << 20)] | None = None
    own: TagText = Field(repr=False)
    next: TagText = Field(repr=False)
    open: bool


class CheckOrder(Body):
    """Find out under sharing whether values are in the ranges that a schema gives them."""

    job: Identifier
    lane: LaneSession
    agreed: Digest
    """Of all that must be alike at the three nodes: what is checked against which ranges."""
    described: PublicJson
    """The schema, as the store describes it."""
    pieces: Annotated[list[PieceOrder], Field(min_length=1, max_length=1 << 16)]


class WorkProgress(Body):
    """How far the job is, from 0 to 1."""

    fraction: Annotated[float, Field(ge=0, le=1)]


class WorkDone(Body):
    """The job is done at this node."""

    report: JobReport
    boxes: list[BoxInfo]


class RefreshDone(Body):
    """The next generation of every segment is written and durable."""

    segments: Annotated[int, Field(ge=0)]


class ChunkTag(Body):
    """This node's components of the tag of one chunk."""

    chunk: Annotated[int, Field(ge=0, lt=1 << 31)]
    own: TagText = Field(repr=False)
    next: TagText = Field(repr=False)


class CheckDone(Body):
    """Piece by piece: the tags of the chunks that were named, and the bit where one was to be opened."""

    tags: list[list[ChunkTag]] = Field(repr=False)
    passed: list[bool | None]


class Failed(Body):
    """The job failed; as `engine.failure.Report` has it. `party` is to blame, `witness` saw it, by number."""

    cause: Annotated[int, Field(ge=1, le=255)]
    witness: Annotated[int, Field(ge=0, le=3)]
    party: Annotated[int, Field(ge=0, le=3)] | None
    operation: Annotated[str, StringConstraints(max_length=4096)] = ""
    step: Annotated[str, StringConstraints(max_length=4096)] = ""
    reason: Annotated[str, StringConstraints(max_length=8192)]
    hint: Annotated[str, StringConstraints(max_length=8192)] = ""
    node: Line = ""


class Ready(Body):
    """The worker is ready for orders."""

    pid: int


_MODELS: dict[int, type[Body]] = {
    1: Setup,
    2: JobOrder,
    3: RefreshOrder,
    4: CheckOrder,
    16: Ready,
    17: WorkProgress,
    18: WorkDone,
    19: Failed,
    20: RefreshDone,
    21: CheckDone,
}
"""By kind: what a worker is told, then what it answers."""
_KINDS = {model: kind for kind, model in _MODELS.items()}


def send(sock: socket.socket, message: Body, data: bytes | memoryview = b"") -> None:
    """Send one message. Raises OSError when the other end is gone."""
    text = message.model_dump_json().encode()
    head = Writer().raw(MAGIC).number("BBHIQ", VERSION, _KINDS[type(message)], 0, len(text), len(data))
    sock.sendall(head.raw(text).take())
    if len(data):
        sock.sendall(data)


def receive(sock: socket.socket) -> tuple[Body, bytes] | None:
    """Wait for one message; None when the other end has closed. Raises ProtocolViolation for what is none."""
    head = _exactly(sock, _HEAD_BYTES)
    if head is None:
        return None
    reader = Reader(head, "message between worker and supervisor", ProtocolViolation)
    magic = reader.raw(len(MAGIC))
    version, kind, zero, text_bytes, data_bytes = (reader.number(form) for form in "BBHIQ")
    if magic != MAGIC or version != VERSION or zero or kind not in _MODELS:
        raise ProtocolViolation("a worker and its supervisor are of different versions")
    if text_bytes > _MAX_TEXT_BYTES or data_bytes > _MAX_DATA_BYTES:
        raise ProtocolViolation(f"a message between worker and supervisor of {text_bytes + data_bytes} bytes")
    text, data = _exactly(sock, text_bytes), _exactly(sock, data_bytes)
    if text is None or data is None:
        return None
    try:
        return _MODELS[kind].model_validate_json(text), data
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
