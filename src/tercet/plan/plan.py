"""A plan: a program as data, in typed single-assignment form, with a fixed binary format and a stable hash."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from functools import cached_property

from tercet.errors import PlanError
from tercet.plan.operation import Attrs, Call, Operation
from tercet.plan.ops_local import ASSUMED, REASONS
from tercet.plan.table import BY_CODE, CONSTANT, INPUT
from tercet.plan.types import Kind, Type
from tercet.plan.wire import Reader, Writer
from tercet.ring import ring
from tercet.sharing import word_count

MAGIC = b"tercet-plan"
VERSION = 1
HANDLE_BYTES = 16
MAX_OPERATIONS = 1 << 24
MAX_NUMBERS = 1 << 16
MAX_LENGTH = 1 << 40
MAX_DIMENSIONS = 64


class OutputKind(IntEnum):
    """What becomes of a result."""

    REVEAL = 1
    PERSIST = 2


@dataclass(frozen=True, slots=True)
class Output:
    """A result: revealed to the analyst, or kept as shares under `handle`."""

    kind: OutputKind
    value: int
    handle: bytes = b""


@dataclass(frozen=True, slots=True)
class PlanOperation:
    """One assignment. `data` is an input's handle, or a constant's ring words (packed bits for bools)."""

    operation: Operation
    inputs: tuple[int, ...]
    attrs: Attrs
    type: Type
    data: bytes = field(default=b"", repr=False)

    @property
    def is_leaf(self) -> bool:
        return self.operation is INPUT or self.operation is CONSTANT


@dataclass(frozen=True)
class Plan:
    """What the analyst sends and the three nodes check, run and log."""

    operations: tuple[PlanOperation, ...]
    outputs: tuple[Output, ...]

    @cached_property
    def encoded(self) -> bytes:
        types: dict[Type, int] = {}
        for op in self.operations:
            types.setdefault(op.type, len(types))
        out = Writer().raw(MAGIC).count(VERSION).count(len(types))
        for t in types:
            put_type(out, t)
        out.count(len(self.operations))
        for op in self.operations:
            out.count(op.operation.code).count(len(op.inputs))
            for value in op.inputs:
                out.count(value)
            out.count(len(op.attrs))
            for number in op.attrs:
                out.integer(number)
            out.count(types[op.type])
            if op.is_leaf:
                out.block(op.data)
        out.count(len(self.outputs))
        for output in self.outputs:
            out.count(output.kind).count(output.value).block(output.handle)
        return out.take()

    def to_bytes(self) -> bytes:
        """The plan's fixed binary form."""
        return self.encoded

    @cached_property
    def hash(self) -> bytes:
        """SHA-256 of the binary form: what the parties compare."""
        return hashlib.sha256(self.encoded).digest()

    @classmethod
    def from_bytes(cls, data: bytes | memoryview) -> Plan:
        """Decode and check every type anew. Raises PlanError with the offset, or with the operation that is wrong."""
        reader = Reader(data)
        if reader.raw(min(len(MAGIC), len(data))) != MAGIC:
            reader.offset = 0
            raise reader.fail("the first bytes are wrong")
        version = reader.count(MAX_NUMBERS)
        if version != VERSION:
            raise reader.fail(f"version {version} is not {VERSION}")
        decoder = _Decoder(reader, [take_type(reader) for _ in range(reader.count(MAX_OPERATIONS))])
        for index in range(reader.count(MAX_OPERATIONS)):
            decoder.operation(index)
        decoder.end_of_operations()
        operations = decoder.operations
        outputs = []
        for _ in range(reader.count(MAX_OPERATIONS)):
            kind = reader.count(MAX_NUMBERS)
            if kind not in tuple(OutputKind):
                raise reader.fail(f"output kind {kind} is not known")
            value = reader.count(MAX_OPERATIONS)
            handle = reader.block(HANDLE_BYTES)
            if value >= len(operations) or len(handle) != (HANDLE_BYTES if kind == OutputKind.PERSIST else 0):
                raise reader.fail("an output names no value, or has a wrong handle")
            if operations[value].operation is CONSTANT:
                raise reader.fail("an output is a public constant")
            outputs.append(Output(OutputKind(kind), value, handle))
        reader.end()
        return cls(tuple(operations), tuple(outputs))

    def inputs(self) -> list[tuple[bytes, Type]]:
        """Every stored array that the plan reads: its handle and the type it must have."""
        return [(op.data, op.type) for op in self.operations if op.operation is INPUT]

    def call(self, index: int) -> Call:
        op = self.operations[index]
        return Call(tuple(self.operations[value].type for value in op.inputs), op.attrs, op.type)

    @property
    def assumptions(self) -> list[int]:
        """Operations whose bounds are assumed, not proven."""
        return [
            index
            for index, op in enumerate(self.operations)
            if op.operation.name in ("bound", "multiply_within") and op.attrs[2] == ASSUMED
        ]

    def __repr__(self) -> str:
        return f"Plan({len(self.operations)} operations, {len(self.outputs)} outputs, {self.hash.hex()[:12]})"


def put_type(out: Writer, t: Type) -> None:
    """Append a type."""
    out.count(t.kind).count(t.ring).count(t.frac_bits).count(t.nominal).count(len(t.shape))
    for length in t.shape:
        out.count(length)
    out.integer(t.lo).integer(t.hi)


def take_type(reader: Reader) -> Type:
    """Read a type. Raises PlanError if it is none."""
    kind = reader.count(MAX_NUMBERS)
    if kind not in tuple(Kind):
        raise reader.fail(f"kind {kind} is not known")
    ring_bits, frac_bits, nominal = (reader.count(MAX_NUMBERS) for _ in range(3))
    shape = tuple(reader.count(MAX_LENGTH) for _ in range(reader.count(MAX_DIMENSIONS)))
    return Type(Kind(kind), shape, ring_bits, frac_bits, nominal, reader.integer(), reader.integer())


class _Decoder:
    """Reads operations one by one; each type is checked once for each way in which it comes about."""

    def __init__(self, reader: Reader, types: list[Type]) -> None:
        if len(set(types)) != len(types):
            raise reader.fail("a type is listed twice")
        self.operations: list[PlanOperation] = []
        self._reader = reader
        self._types = types
        self._places: list[int] = []
        self._used = 0
        self._inferred: dict[tuple[object, ...], int] = {}

    def operation(self, index: int) -> None:
        """Read one operation, its type from the list; the types must be listed in the order of their first use."""
        reader = self._reader
        code = reader.count(MAX_NUMBERS)
        operation = BY_CODE.get(code)
        if operation is None:
            raise reader.fail(f"operation {code} is not known")
        inputs = tuple([reader.count(MAX_OPERATIONS) for _ in range(reader.count(MAX_NUMBERS))])
        if inputs and max(inputs) >= index:
            raise reader.fail(f"operation {index} uses a value that does not exist yet")
        attrs = tuple([reader.integer() for _ in range(reader.count(MAX_NUMBERS))])
        place = reader.count(self._used)
        if place >= len(self._types):
            raise reader.fail(f"type {place} is not listed")
        self._used += place == self._used
        declared = self._types[place]
        data = b""
        if operation is INPUT or operation is CONSTANT:
            data = reader.block(MAX_LENGTH)
            if inputs or attrs or len(data) != (HANDLE_BYTES if operation is INPUT else constant_bytes(declared)):
                raise reader.fail(f"a malformed {operation.name}")
        else:
            self._check(index, operation, inputs, attrs, place)
        self._places.append(place)
        self.operations.append(PlanOperation(operation, inputs, attrs, declared, data))

    def _check(self, index: int, operation: Operation, inputs: tuple[int, ...], attrs: Attrs, place: int) -> None:
        operands = [self.operations[value] for value in inputs]
        public = tuple([operand.operation is CONSTANT for operand in operands])
        key = (operation.code, attrs, public, *[self._places[value] for value in inputs])
        if self._inferred.get(key) == place:
            return
        check_operands(operation, public)
        if operation.variants and (not attrs or attrs[-1] not in (0, 1)):
            raise PlanError(f"operation {index} ({operation.name}): its variant is 0 or 1")
        try:
            inferred = operation.infer(tuple(operand.type for operand in operands), attrs)
        except PlanError as error:
            raise PlanError(f"operation {index} ({operation.name}): {error.message}") from None
        declared = self._types[place]
        if inferred != declared:
            raise PlanError(f"operation {index} ({operation.name}) declares {declared}, but gives {inferred}")
        self._inferred[key] = place

    def end_of_operations(self) -> None:
        if self._used != len(self._types):
            raise self._reader.fail("a type is listed that no operation has")


_MUST_BE_PUBLIC = ("scale", "matmul_public", "take", "mask")
_PUBLIC_OPERAND = {"add": (0, 1), "subtract": (0, 1), "xor": (1,), **dict.fromkeys(_MUST_BE_PUBLIC, (1,))}


def check_operands(operation: Operation, are_public: Sequence[bool]) -> None:
    """PlanError unless public constants stand just where the operation takes them."""
    public = [i for i, is_public in enumerate(are_public) if is_public]
    allowed = _PUBLIC_OPERAND.get(operation.name, ())
    if len(public) > 1 or any(i not in allowed for i in public):
        raise PlanError(f"{operation.name} does not take a public constant there")
    if operation.name in _MUST_BE_PUBLIC and public != [1]:
        raise PlanError(f"{operation.name} takes a public second operand")


def constant_bytes(t: Type) -> int:
    """How many bytes a public constant of this type has."""
    return 8 * word_count(t.size) if t.is_bool else t.size * ring(t.ring).word_bytes


def reason_text(op: PlanOperation) -> str:
    """Why a `bound` operation may narrow its bounds."""
    return REASONS[op.attrs[2]]
