"""A plan: a program as data, in typed single-assignment form, with a fixed binary format and a stable hash."""

from __future__ import annotations

import hashlib
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from functools import cached_property

import numpy as np

from tercet.errors import PlanError
from tercet.plan.operation import Attrs, Call, Operation
from tercet.plan.ops_local import ASSUMED, REASONS
from tercet.plan.ops_loop import MAX_COUNT, MAX_NESTING, PART, REPEAT
from tercet.plan.table import BY_CODE, CONSTANT, INPUT
from tercet.plan.types import Kind, Type
from tercet.plan.wire import Reader, Writer
from tercet.ring import ring
from tercet.sharing import word_count

MAGIC = b"tercet-plan"
VERSION = 1
HANDLE_BYTES = 16
MAX_OPERATIONS = 1 << 24
MAX_PLAN_NUMBERS = 1 << 31
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
    """One assignment. `data` is an input's handle, a constant's ring words (packed bits for bools) or a loop's body."""

    operation: Operation
    inputs: tuple[int, ...]
    attrs: Attrs
    type: Type
    data: bytes = field(default=b"", repr=False)
    body: Plan | None = field(default=None, repr=False, compare=False)
    """Of a loop: what it repeats. Its input k, and its output k, have the handle `operand_handle(k)`."""

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
            if op.is_leaf or op.operation is REPEAT:
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
    def from_bytes(cls, data: bytes | memoryview, *, nesting: int = 0) -> Plan:
        """Decode and check every type anew. Raises PlanError with the offset, or with the operation that is wrong."""
        reader = Reader(data)
        if nesting > MAX_NESTING:
            raise reader.fail(f"loops are nested more than {MAX_NESTING} deep")
        if reader.raw(min(len(MAGIC), len(data))) != MAGIC:
            reader.offset = 0
            raise reader.fail("the first bytes are wrong")
        version = reader.count(MAX_NUMBERS)
        if version != VERSION:
            raise reader.fail(f"version {version} is not {VERSION}")
        decoder = _Decoder(reader, [take_type(reader) for _ in range(reader.count(MAX_OPERATIONS))], nesting)
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
            if operations[value].operation in (CONSTANT, REPEAT):
                raise reader.fail("an output is a public constant, or several values")
            outputs.append(Output(OutputKind(kind), value, handle))
        reader.end()
        plan = cls(tuple(operations), tuple(outputs))
        if plan.numbers > MAX_PLAN_NUMBERS:
            raise reader.fail(f"loops make more than {MAX_PLAN_NUMBERS} operations of it")
        return plan

    def inputs(self) -> list[tuple[bytes, Type]]:
        """Every stored array that the plan reads: its handle and the type it must have."""
        return [(op.data, op.type) for op in self.operations if op.operation is INPUT]

    @cached_property
    def _calls(self) -> list[Call]:
        types = [op.type for op in self.operations]
        return [Call(tuple([types[value] for value in op.inputs]), op.attrs, op.type) for op in self.operations]

    def call(self, index: int) -> Call:
        """What operation `index` is called with."""
        return self._calls[index]

    @cached_property
    def loops(self) -> dict[int, int]:
        """The number of the first operation of the first pass, by the index of each loop.

        Numbers tell the operations of a run apart: their messages and random streams are addressed by them. An
        operation of the plan has its index as its number. Behind the last index each loop gets a range of its own, with
        `body.numbers` for each pass, in which the body's operations and loops are numbered in the same way. So no two
        operations of a run share a number, in whatever order they run, and no address repeats.
        """
        starts: dict[int, int] = {}
        following = len(self.operations)
        for index, op in enumerate(self.operations):
            if op.body is not None:
                starts[index] = following
                following += op.attrs[0] * op.body.numbers
        return starts

    @cached_property
    def numbers(self) -> int:
        """How many numbers one run takes."""
        passes = (op.attrs[0] * op.body.numbers for op in self.operations if op.body is not None)
        return len(self.operations) + sum(passes)

    @cached_property
    def listed(self) -> list[tuple[PlanOperation, int]]:
        """Every operation once, and how often it runs: the plan's, then those of each loop's body in the same way.

        Places in this list are what reports of a run name operations by.
        """
        found = [(op, 1) for op in self.operations]
        for op in self.operations:
            if op.body is not None:
                found += [(inner, times * op.attrs[0]) for inner, times in op.body.listed]
        return found

    @cached_property
    def listings(self) -> dict[int, int]:
        """Where in `listed` the body of each loop begins, by the index of the loop."""
        starts: dict[int, int] = {}
        following = len(self.operations)
        for index, op in enumerate(self.operations):
            if op.body is not None:
                starts[index] = following
                following += len(op.body.listed)
        return starts

    def place_of(self, number: int) -> int:
        """Where in `listed` the operation of a number stands. KeyError if there is none."""
        if 0 <= number < len(self.operations):
            return number
        if not 0 <= number < self.numbers:
            raise KeyError(number)
        # of loops that start at one number, all but the last are never passed
        index = list(self.loops)[bisect_right(list(self.loops.values()), number) - 1]
        body = self.operations[index].body
        assert body is not None
        return self.listings[index] + body.place_of((number - self.loops[index]) % body.numbers)

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

    def __init__(self, reader: Reader, types: list[Type], nesting: int) -> None:
        if len(set(types)) != len(types):
            raise reader.fail("a type is listed twice")
        self.operations: list[PlanOperation] = []
        self._reader = reader
        self._types = types
        self._places: list[int] = []
        self._used = 0
        self._nesting = nesting
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
        data, body = b"", None
        if operation is INPUT or operation is CONSTANT:
            data = reader.block(MAX_LENGTH)
            if inputs or attrs or len(data) != (HANDLE_BYTES if operation is INPUT else constant_bytes(declared)):
                raise reader.fail(f"a malformed {operation.name}")
            if operation is CONSTANT and not within_bounds(declared, data):
                raise reader.fail("a constant holds numbers outside its bounds")
        elif operation is REPEAT:
            data = reader.block(MAX_LENGTH)
            start = reader.offset - len(data)
            try:
                body = Plan.from_bytes(data, nesting=self._nesting + 1)
            except PlanError as error:
                raise PlanError(f"{error.message}, in the loop body that begins at byte {start}") from None
        found = PlanOperation(operation, inputs, attrs, declared, data, body)
        if operation is REPEAT or operation is PART:
            check_loop(index, found, [self.operations[value] for value in inputs])
        elif not found.is_leaf:
            self._check(index, operation, inputs, attrs, place)
        self._places.append(place)
        self.operations.append(found)

    def _check(self, index: int, operation: Operation, inputs: tuple[int, ...], attrs: Attrs, place: int) -> None:
        operands = [self.operations[value] for value in inputs]
        public = tuple([operand.operation is CONSTANT for operand in operands])
        key = (operation.code, attrs, public, *[self._places[value] for value in inputs])
        if self._inferred.get(key) == place:
            return
        if any(operand.operation is REPEAT for operand in operands):
            raise PlanError(f"operation {index} ({operation.name}) takes one value, not all that a loop carries")
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


def operand_handle(place: int) -> bytes:
    """The handle that a loop's operand, or carried value, has in its body."""
    return place.to_bytes(HANDLE_BYTES, "little")


def within(narrow: Type, wide: Type) -> bool:
    """Whether two types differ in bounds at most, and the first has none beyond the second's."""
    return narrow == wide or (
        wide.lo <= narrow.lo and narrow.hi <= wide.hi and narrow.with_bounds(wide.lo, wide.hi) == wide
    )


def check_loop(index: int, op: PlanOperation, operands: Sequence[PlanOperation]) -> None:
    """PlanError unless a loop and its body fit together: what goes in, what comes out, and round again."""

    def need(condition: bool, reason: str) -> None:
        if not condition:
            raise PlanError(f"operation {index} ({op.operation.name}): {reason}")

    if op.operation is PART:
        need(len(operands) == 1 and operands[0].operation is REPEAT, "takes the value of a loop")
        carried = carried_types(operands[0])
        need(len(op.attrs) == 1 and 0 <= op.attrs[0] < len(carried), f"{len(carried)} values are carried")
        need(op.type == carried[op.attrs[0]], f"declares {op.type}, but carries {carried[op.attrs[0]]}")
        return
    body = op.body
    assert body is not None
    need(len(op.attrs) == 2 and 0 <= op.attrs[0] <= MAX_COUNT, f"takes a count up to {MAX_COUNT}")
    count = op.attrs[1]
    need(1 <= count <= len(operands), "carries one value at least, and no more than it is given")
    need(not any(operand.operation in (CONSTANT, REPEAT) for operand in operands), "takes secret values")
    inputs = body.inputs()
    need([handle for handle, _ in inputs] == [operand_handle(k) for k in range(len(operands))], "its body's inputs")
    for operand, (_, wanted) in zip(operands, inputs, strict=True):
        need(within(operand.type, wanted), f"is given {operand.type}, its body takes {wanted}")
    kept = [(output.kind, output.handle) for output in body.outputs]
    need(kept == [(OutputKind.PERSIST, operand_handle(k)) for k in range(count)], "its body's outputs")
    for output, (_, wanted) in zip(body.outputs, inputs, strict=False):
        given = body.operations[output.value].type
        need(within(given, wanted), f"its body takes {wanted} and gives {given}")
    need(op.type == inputs[0][1], f"declares {op.type}, but carries {inputs[0][1]}")


def carried_types(op: PlanOperation) -> list[Type]:
    """The types of the values that a loop carries."""
    assert op.body is not None
    return [wanted for _, wanted in op.body.inputs()[: op.attrs[1]]]


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


def within_bounds(t: Type, data: bytes) -> bool:
    """Whether a public constant's numbers lie within the bounds of its type, on which all that follows rests."""
    if t.is_bool or not t.size:
        return True
    words = np.frombuffer(data, ring(t.ring).dtype)
    if t.ring == 64:
        numbers = words.view(np.int64)
        return t.lo <= int(numbers.min()) and int(numbers.max()) <= t.hi
    high = words["hi"].view(np.int64)
    least, most = high.min(), high.max()
    lo = (int(least) << 64) + int(words["lo"][high == least].min())
    return t.lo <= lo and (int(most) << 64) + int(words["lo"][high == most].max()) <= t.hi


def reason_text(op: PlanOperation) -> str:
    """Why a `bound` operation may narrow its bounds."""
    return REASONS[op.attrs[2]]
