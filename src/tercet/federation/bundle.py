"""Job bundles: the bytes that an analyst signs, and sends to each of the three nodes.

    8  magic "tercetJB"
    4  version (1)
    4  length of the header
    4  length of the plan
    4  length of the certificate
       header (canonical JSON), plan, certificate (DER)
   64  signature under Purpose.JOB over all bytes before it

Numbers are unsigned and little-endian. The hash of a bundle is the SHA-256 of what is signed, so that two valid
signatures of the same content are one job.
"""

from __future__ import annotations

import base64
import hashlib
import struct
from dataclasses import dataclass, field
from functools import cached_property
from typing import Annotated, Literal, Self

from pydantic import Field, JsonValue, StringConstraints, model_validator

from tercet.errors import ConfigError, PlanError
from tercet.federation.identity import MAX_CERTIFICATE_BYTES, SIGNATURE_BYTES, Card, KeyPurpose, Member
from tercet.federation.model import Body, Canonical, ColumnName, DatasetName, Digest, Identifier, KeptName, Line

MAGIC = b"tercetJB"
VERSION = 1
MAX_HEADER_BYTES = 4 << 20
MAX_PLAN_BYTES = 256 << 20
MAX_INPUTS = 1 << 14
MAX_OUTPUTS = 1 << 14
MAX_RECIPIENTS = 16
MAX_DATASETS = 128
"""The audit of every node names each, and its entries are bounded."""
MAX_DURATION_S = 30 * 86_400
HANDLE_BYTES = 16

_HEAD = struct.Struct("<8sIIII")
_IDENTIFIER_LENGTH = 2 * HANDLE_BYTES

Seconds = Annotated[int, Field(ge=0, le=1 << 33)]
"""Unix seconds, or a duration."""
_Index = Annotated[int, Field(ge=0, lt=1 << 24)]


def column_handle(federation: str, dataset: str, column: str, *, validity: bool = False) -> bytes:
    """The handle of a stored column in plans, 16 bytes, derived from its name: equal questions have equal plans.

    With `validity`, the handle of the validity bits of a nullable column.
    """
    return _derived(b"tercet validity" if validity else b"tercet column", federation, dataset, column)


def kept_handle(federation: str, name: str) -> bytes:
    """The handle of a kept array in plans, 16 bytes; a name of 32 hexadecimal digits is the handle itself."""
    if len(name) == _IDENTIFIER_LENGTH and not set(name) - set("0123456789abcdef"):
        return bytes.fromhex(name)
    return _derived(b"tercet kept", federation, name)


def _derived(label: bytes, *parts: str) -> bytes:
    # names hold no zero byte
    return hashlib.sha256(b"\0".join([label, *(part.encode() for part in parts)])).digest()[:HANDLE_BYTES]


class InputRef(Body):
    """An input of the plan: a column of a dataset version, or a kept array.

    With `validity`, the validity bits of the column, which is nullable.
    """

    handle: Identifier
    dataset: DatasetName | None = None
    version: Annotated[int, Field(ge=0, le=1 << 40)] = 0
    manifest: Digest | None = None
    column: ColumnName | None = None
    validity: bool = False
    kept: KeptName | None = None

    @model_validator(mode="after")
    def _one_of_two(self) -> Self:
        column = self.dataset is not None and self.manifest is not None and self.column is not None
        nothing = self.dataset is None and self.manifest is None and self.column is None
        nothing = nothing and not self.version and not self.validity
        if not (column if self.kept is None else nothing):
            raise ValueError("an input is a column (dataset, version, manifest, column) or a kept array, not both")
        return self

    @classmethod
    def of_column(
        cls, federation: str, dataset: str, version: int, manifest: str, column: str, *, validity: bool = False
    ) -> Self:
        handle = column_handle(federation, dataset, column, validity=validity).hex()
        return cls(handle=handle, dataset=dataset, version=version, manifest=manifest, column=column, validity=validity)

    @classmethod
    def of_kept(cls, federation: str, name: str) -> Self:
        return cls(handle=kept_handle(federation, name).hex(), kept=name)

    @property
    def handle_bytes(self) -> bytes:
        return bytes.fromhex(self.handle)

    def derived_handle(self, federation: str) -> bytes:
        """The handle that this input must have."""
        if self.kept is not None:
            return kept_handle(federation, self.kept)
        return column_handle(federation, self.dataset or "", self.column or "", validity=self.validity)


class OutputRef(Body):
    """An output that is stored: `index` is its place among the plan's outputs, `keep` its name ("": its handle)."""

    index: _Index
    keep: KeptName | Literal[""] = ""
    lifetime: Annotated[int, Field(ge=1, le=1 << 33)] | None = None
    """Seconds after which a kept array may be deleted; None: only on request."""


class RowLink(Body):
    """The network profile for which the plan was compiled: integers, so that the text is the same in every language."""

    name: Annotated[str, StringConstraints(pattern=r"^[a-z0-9 _-]{1,32}$")]
    rtt_us: Annotated[int, Field(ge=0, le=10**9)]
    bandwidth_bits_s: Annotated[int, Field(ge=1, le=10**15)]

    @property
    def rtt_s(self) -> float:
        return self.rtt_us / 1e6


class JobHeader(Canonical):
    """Everything that a job consists of, except its plan."""

    version: Literal[1] = 1
    federation: Identifier
    job: Identifier
    created: Seconds
    deadline: Seconds
    """When the nodes end the job if it is not done."""
    analyst: Digest
    """Fingerprint of the person who signs."""
    inputs: Annotated[tuple[InputRef, ...], Field(max_length=MAX_INPUTS)]
    outputs: Annotated[tuple[OutputRef, ...], Field(max_length=MAX_OUTPUTS)]
    recipients: Annotated[
        tuple[Annotated[str, StringConstraints(max_length=6000)], ...], Field(min_length=1, max_length=MAX_RECIPIENTS)
    ]
    """Certificates (DER in base64) of those to whom results are sealed."""
    network: RowLink
    security: Literal["semi-honest"] = "semi-honest"
    partition_rows: Annotated[int, Field(ge=0, le=1 << 40)] = 0
    """Rows of one partition where the plan is streamed; 0: the nodes choose."""
    purpose: Line = ""
    """The purpose in the analyst's words; every node writes it into its audit."""
    model: dict[Annotated[str, StringConstraints(max_length=128)], JsonValue] | None = None
    """The public part of a model whose arrays are kept."""

    @model_validator(mode="after")
    def _coherent(self) -> Self:
        if not self.created < self.deadline <= self.created + MAX_DURATION_S:
            raise ValueError(f"the deadline is after the creation, by at most {MAX_DURATION_S} s")
        if len({ref.handle for ref in self.inputs}) != len(self.inputs):
            raise ValueError("two inputs have the same handle")
        if len({ref.index for ref in self.outputs}) != len(self.outputs):
            raise ValueError("two entries are about the same output")
        if len(set(self.recipients)) != len(self.recipients):
            raise ValueError("a recipient is named twice")
        if len({ref.dataset for ref in self.inputs if ref.dataset is not None}) > MAX_DATASETS:
            raise ValueError(f"more than {MAX_DATASETS} datasets")
        for ref in self.inputs:
            if ref.handle_bytes != ref.derived_handle(self.federation):
                raise ValueError(f"the handle {ref.handle[:8]} is not that of its column or kept array")
        return self

    @cached_property
    def recipient_cards(self) -> tuple[Card, ...]:
        """The recipients' cards. Raises PlanError for an entry that is no valid certificate, or occurs twice."""
        try:
            cards = tuple(Card.from_certificate(base64.b64decode(text, validate=True)) for text in self.recipients)
        except (ConfigError, ValueError) as error:
            raise PlanError(f"a recipient of the job is no member: {error}") from None
        if len({card.fingerprint for card in cards}) != len(cards):
            # base64 may write one certificate in several ways
            raise PlanError("a recipient of the job is named twice")
        return cards

    @property
    def datasets(self) -> dict[str, tuple[int, str]]:
        """Version and manifest of every dataset that is read, by name."""
        return {ref.dataset: (ref.version, ref.manifest or "") for ref in self.inputs if ref.dataset is not None}


def recipient(card: Card) -> str:
    """An entry of `JobHeader.recipients`."""
    return base64.b64encode(card.certificate).decode("ascii")


@dataclass(frozen=True)
class Bundle:
    """A bundle whose signature was verified. Nodes compare `hash`; `data` has the bytes of the whole bundle."""

    header: JobHeader
    plan: bytes = field(repr=False)
    card: Card
    hash: bytes
    data: bytes = field(repr=False)


def make_bundle(member: Member, header: JobHeader, plan: bytes) -> bytes:
    """Make and sign a bundle. The analyst's client calls it. Raises PlanError if the header names another analyst."""
    text = header.to_bytes()
    if header.analyst != member.card.fingerprint:
        raise PlanError("the header of the job names another analyst than the one who signs")
    _check_lengths(len(text), len(plan), len(member.card.certificate))
    head = _HEAD.pack(MAGIC, VERSION, len(text), len(plan), len(member.card.certificate))
    signed = b"".join((head, text, plan, member.card.certificate))
    return signed + member.sign(KeyPurpose.JOB, signed)


def read_bundle(data: bytes, *, verified: bool = False) -> Bundle:
    """Parse a bundle and verify its signature. Costs 1 ms and 1 ms a megabyte.

    The plan is not decoded, and dates and versions are not checked. Every node calls it when it receives a bundle.
    `verified` skips the signature, for bytes that the node has verified before: from its own catalogue, or in its
    worker. Raises PlanError for a wrong format, IntegrityError for a wrong signature.
    """
    if len(data) < _HEAD.size or data[: len(MAGIC)] != MAGIC:
        raise PlanError("this is no job bundle: the first bytes are wrong")
    _, version, *lengths = _HEAD.unpack_from(data)
    if version != VERSION:
        raise PlanError(f"a job bundle of version {version}; this node knows {VERSION}", hint="update one of the two")
    _check_lengths(*lengths)
    expected = _HEAD.size + sum(lengths) + SIGNATURE_BYTES
    if len(data) != expected:
        raise PlanError(f"this is no job bundle: it has {len(data)} bytes, and {expected} by its header")
    parts, at = [], _HEAD.size
    for length in lengths:
        parts.append(bytes(data[at : at + length]))
        at += length
    signed, signature = data[:at], data[at:]
    text, plan, certificate = parts
    try:
        card = Card.from_certificate(certificate)
    except ConfigError as error:
        raise PlanError(f"this is no job bundle: {error.message}") from None
    if not verified:
        card.verify(KeyPurpose.JOB, signed, signature)
    header = JobHeader.from_bytes(text, "job header")
    if header.analyst != card.fingerprint:
        raise PlanError("the header of the job names another analyst than the one who signed it")
    _ = header.recipient_cards
    return Bundle(header, plan, card, hashlib.sha256(signed).digest(), data)


def _check_lengths(header: int, plan: int, certificate: int) -> None:
    for what, length, most in (
        ("header", header, MAX_HEADER_BYTES),
        ("plan", plan, MAX_PLAN_BYTES),
        ("certificate", certificate, MAX_CERTIFICATE_BYTES),
    ):
        if length > most:
            raise PlanError(f"the {what} of a job bundle has {length} bytes; at most {most} are allowed")
