"""Commands of a client to a party and the party's answers: bodies of the endpoint's control frames.

    client to party   PUT an array's part, RUN a plan, DROP arrays, MEASURE the links, CLOSE
    party to client   READY, DONE with what a job took, ESTIMATE of the links, FAILED outside of a job

A job that fails is reported by an ABORT frame, whose body is a `failure.Report`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tercet.codec import Reader, Writer
from tercet.errors import ProtocolViolation
from tercet.ring import ring, word_count
from tercet.sharing import UPLOAD_SEED_BYTES, BitShare, Share, expand_seed

VERSION = 2
HANDLE_BYTES = 16
JOB_BYTES = 16
_ALIGNMENT = 16
_MAX_DIMENSIONS = 64
_MAX_ELEMENTS = 1 << 40
_MAX_LABEL_BYTES = 1 << 16

Component = bytes | memoryview


class Command(IntEnum):
    """The kind of a control frame."""

    PUT = 1
    RUN = 2
    DROP = 3
    MEASURE = 4
    CLOSE = 5
    READY = 16
    DONE = 17
    ESTIMATE = 18
    FAILED = 19


@dataclass(frozen=True)
class Put:
    """One party's part of an array: two components, each 24 bytes of seed or all its words.

    `ring_bits` is 0 for packed bits. `label` is the array's type in the words of the floor above, compared later with
    what a plan expects.
    """

    handle: bytes
    ring_bits: int
    shape: tuple[int, ...]
    label: bytes
    own: Component = field(repr=False)
    next: Component = field(repr=False)
    own_is_seed: bool
    next_is_seed: bool

    @property
    def size(self) -> int:
        return math.prod(self.shape)

    @property
    def component_bytes(self) -> int:
        return _component_bytes(self.ring_bits, self.size)

    def encode(self) -> list[Component]:
        """The body's pieces; explicit components are not copied."""
        head = (
            Writer(VERSION)
            .raw(self.handle)
            .number("B", self.ring_bits)
            .number("BB", self.own_is_seed, self.next_is_seed)
        )
        head.number("B", len(self.shape)).number(f"{len(self.shape)}Q", *self.shape).block(self.label)
        # words lie where they can be used in place
        return [head.pad(_ALIGNMENT).take(), self.own, self.next]

    @classmethod
    def decode(cls, body: memoryview) -> Put:
        reader = reader_of(body, "upload")
        handle = reader.raw(HANDLE_BYTES)
        ring_bits, own_is_seed, next_is_seed = (reader.number("B") for _ in range(3))
        if ring_bits not in (0, 64, 128) or own_is_seed > 1 or next_is_seed > 1:
            raise reader.fail("an unknown ring or form")
        dimensions = reader.number("B")
        if dimensions > _MAX_DIMENSIONS:
            raise reader.fail(f"{dimensions} dimensions")
        shape = tuple(reader.number("Q") for _ in range(dimensions))
        if math.prod(shape) > _MAX_ELEMENTS or any(length > _MAX_ELEMENTS for length in shape):
            raise reader.fail("too many elements")
        label = reader.block(_MAX_LABEL_BYTES)
        reader.pad(_ALIGNMENT)
        nbytes = _component_bytes(ring_bits, math.prod(shape))
        own = reader.view(UPLOAD_SEED_BYTES if own_is_seed else nbytes)
        following = reader.view(UPLOAD_SEED_BYTES if next_is_seed else nbytes)
        reader.end()
        return cls(handle, ring_bits, shape, label, own, following, bool(own_is_seed), bool(next_is_seed))

    def value(self) -> Share | BitShare:
        """The part as protocols use it; seeds are expanded."""
        own, following = self._words(self.own, self.own_is_seed), self._words(self.next, self.next_is_seed)
        if not self.ring_bits:
            return BitShare(self.size, own, following)
        return Share(ring(self.ring_bits), own.reshape(self.shape), following.reshape(self.shape))

    def _words(self, component: Component, is_seed: bool) -> NDArray[Any]:
        dtype = np.dtype(np.uint64) if not self.ring_bits else ring(self.ring_bits).dtype
        if is_seed:
            return expand_seed(bytes(component), self.component_bytes).view(dtype)
        return np.frombuffer(component, dtype)


def _component_bytes(ring_bits: int, size: int) -> int:
    return size * ring_bits // 8 if ring_bits else word_count(size) * 8


@dataclass(frozen=True)
class RunPlan:
    """Run a plan as a job."""

    job: bytes
    plan: bytes | memoryview = field(repr=False)

    def encode(self) -> list[Component]:
        return [Writer(VERSION).raw(self.job).count(len(self.plan)).take(), self.plan]

    @classmethod
    def decode(cls, body: memoryview) -> RunPlan:
        reader = reader_of(body, "run command")
        job = reader.raw(JOB_BYTES)
        plan = reader.view(reader.count(len(body)))
        reader.end()
        return cls(job, plan)


@dataclass(frozen=True)
class Drop:
    """Forget arrays."""

    handles: tuple[bytes, ...]

    def encode(self) -> list[Component]:
        return [Writer(VERSION).block(b"".join(self.handles)).take()]

    @classmethod
    def decode(cls, body: memoryview) -> Drop:
        reader = reader_of(body, "drop command")
        block = reader.block(len(body))
        reader.end()
        if len(block) % HANDLE_BYTES:
            raise reader.fail("handles of a wrong length")
        return cls(tuple(block[at : at + HANDLE_BYTES] for at in range(0, len(block), HANDLE_BYTES)))


@dataclass(frozen=True)
class Done:
    """What a job took at one party: in all, and a row for every operation of the plan that was run or sent anything."""

    job: bytes
    seconds: float
    waiting_s: float
    index: Sequence[int] = field(repr=False)
    rounds: Sequence[int] = field(repr=False)
    nbytes: Sequence[int] = field(repr=False)
    compute_s: Sequence[float] = field(repr=False)

    def encode(self) -> list[Component]:
        head = Writer(VERSION).raw(self.job).number("ddQ", self.seconds, self.waiting_s, len(self.index))
        columns = (
            np.array(self.index, np.uint32),
            np.array(self.rounds, np.uint32),
            np.array(self.nbytes, np.uint64),
            np.array(self.compute_s, np.float64),
        )
        return [head.take() + b"".join(column.tobytes() for column in columns)]

    @classmethod
    def decode(cls, body: memoryview) -> Done:
        reader = reader_of(body, "job report")
        job = reader.raw(JOB_BYTES)
        seconds, waiting_s, count = reader.real(), reader.real(), reader.number("Q")
        index = np.frombuffer(reader.view(count * 4), np.uint32).tolist()
        rounds = np.frombuffer(reader.view(count * 4), np.uint32).tolist()
        nbytes = np.frombuffer(reader.view(count * 8), np.uint64).tolist()
        compute_s = np.frombuffer(reader.view(count * 8), np.float64).tolist()
        reader.end()
        return cls(job, seconds, waiting_s, index, rounds, nbytes, compute_s)


@dataclass(frozen=True)
class LinkEstimate:
    """What one party measured of its links: the longest round trip and the least bandwidth."""

    rtt_s: float
    bandwidth_bits_s: float

    def encode(self) -> list[Component]:
        return [Writer(VERSION).number("dd", self.rtt_s, self.bandwidth_bits_s).take()]

    @classmethod
    def decode(cls, body: memoryview) -> LinkEstimate:
        reader = reader_of(body, "link estimate")
        rtt_s, bandwidth = reader.real(), reader.real()
        reader.end()
        if not (0 <= rtt_s < math.inf and 0 < bandwidth < math.inf):
            raise ProtocolViolation("a malformed link estimate: not positive numbers")
        return cls(rtt_s, bandwidth)


def reader_of(body: bytes | memoryview, what: str) -> Reader:
    """A reader of a body of this version. Raises ProtocolViolation, as what it reads does."""
    return Reader(body, what, ProtocolViolation, VERSION)


def empty_body(body: memoryview, what: str) -> None:
    """Raise ProtocolViolation unless the body holds nothing but the version."""
    reader_of(body, what).end()


EMPTY: list[Component] = [Writer(VERSION).take()]
