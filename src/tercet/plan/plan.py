"""A plan: a program as data, in typed single-assignment form, with a fixed binary format and a stable hash."""

from __future__ import annotations

import hashlib
from bisect import bisect_right
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from functools import cached_property
from typing import Any, Final

import numpy as np

from tercet.codec import Reader, Writer
from tercet.errors import PlanError
from tercet.plan.bounds.prove import marked, result_type
from tercet.plan.bounds.terms import PlanTerm
from tercet.plan.table.attributes import MAX_NUMBERS, NONE, Attributes, LoopCount, exact_inside, shift_of
from tercet.plan.table.operation import Bounding, Call, Constant, Data, Flow, Operation, any_call, one_result
from tercet.plan.table.operations import BY_CODE, INPUT, MAX_COUNT, MAX_NESTING
from tercet.plan.types import Type, put_type, take_type
from tercet.ring import ring

MAGIC = b"tercet-plan"
VERSION = 3
HANDLE_BYTES = 16
MAX_OPERATIONS = 1 << 24
MAX_PLAN_NUMBERS = 1 << 31
MAX_OUTPUTS = 1 << 16
MAX_LENGTH = 1 << 40

RESULT_BITS: Final = 24
"""A value's number is the index of its operation, plus 2^24 for each result before it. So the only result of an
operation has the operation's index as its number."""


def result_of(index: int, place: int) -> int:
    """The number of one of an operation's results."""
    return index | place << RESULT_BITS


def maker_of(value: int) -> int:
    """The index of the operation that a value is a result of."""
    return value & (1 << RESULT_BITS) - 1


def place_among(value: int) -> int:
    """Which of its operation's results a value is."""
    return value >> RESULT_BITS


class OutputKind(IntEnum):
    """What becomes of a result."""

    REVEAL = 1
    PERSIST = 2


@dataclass(frozen=True, slots=True)
class PlanOutput:
    """A result: revealed to the analyst, or kept as shares under `handle`."""

    kind: OutputKind
    value: int
    handle: bytes = b""


@dataclass(frozen=True, slots=True)
class PlanOperation:
    """One assignment. `data` is an input's handle, a constant's ring words (packed bits for bools) or a loop's body."""

    operation: Operation[Any]
    inputs: tuple[int, ...]
    attrs: Attributes
    """An instance of the operation's `attributes`."""
    type: Type
    data: bytes = field(default=b"", repr=False)
    body: Plan | None = field(default=None, repr=False, compare=False)
    """Of a loop: what it repeats. Its input k, and its output k, have the handle `operand_handle(k)`."""
    variant: int = 0
    """Which of the operation's protocols computes it."""
    more: tuple[Type, ...] = ()
    """The types of its results behind the first."""

    @property
    def types(self) -> tuple[Type, ...]:
        """The types of all its results."""
        return (self.type, *self.more) if self.more else (self.type,)

    @property
    def gives_list(self) -> bool:
        """Whether what computes it gives a list of results: an operation that may have several."""
        return self.body is not None

    @property
    def is_input(self) -> bool:
        """Whether it is a stored array."""
        return self.operation.data is Data.HANDLE

    @property
    def is_constant(self) -> bool:
        """Whether it is a public array."""
        return self.operation.data is Data.WORDS

    @property
    def is_leaf(self) -> bool:
        """Whether nothing computes it."""
        return self.operation.rows is Flow.LEAF

    @property
    def passes(self) -> int:
        """How often a loop runs its body."""
        return self.attrs.of(LoopCount).count

    @property
    def carried(self) -> int:
        """How many values a loop carries from one pass to the next."""
        return self.attrs.of(LoopCount).carried

    @property
    def rounds_by_coin(self) -> bool:
        """Whether a neighbour is chosen by a coin that the three parties know."""
        if self.operation.coins_inside:
            return not exact_inside(self.attrs)
        return self.operation.by_coin and shift_of(self.attrs) > 0


def stored_input(handle: bytes, type: Type) -> PlanOperation:
    """The operation that reads a stored array."""
    return PlanOperation(INPUT, (), NONE, type, handle)


@dataclass(frozen=True)
class Plan:
    """What the analyst sends and the three nodes check, run and log."""

    operations: tuple[PlanOperation, ...]
    outputs: tuple[PlanOutput, ...]

    def to_bytes(self) -> bytes:
        """The plan's fixed binary form."""
        return self._encoded

    @cached_property
    def _encoded(self) -> bytes:
        types: dict[Type, int] = {}
        for op in self.operations:
            types.setdefault(op.type, len(types))
            for t in op.more:
                types.setdefault(t, len(types))
        single = not any(op.more for op in self.operations)
        out = Writer().raw(MAGIC).count(VERSION).count(len(self.listed)).count(self.numbers).count(len(types))
        for t in types:
            put_type(out, t)
        out.count(len(self.operations))
        for op in self.operations:
            out.count(op.operation.code).count(len(op.inputs))
            for value in op.inputs:
                if single:
                    out.count(value)
                else:
                    self._put_value(out, value)
            op.attrs.write(out)
            if op.operation.has_choice:
                out.count(op.variant)
            out.count(types[op.type])
            for t in op.more:
                out.count(types[t])
            if op.operation.data is not Data.NOTHING:
                out.block(op.data)
        out.count(len(self.outputs))
        for output in self.outputs:
            out.count(output.kind)
            self._put_value(out, output.value)
            out.block(output.handle)
        return out.take()

    def _put_value(self, out: Writer, value: int) -> None:
        """Append a value: its operation, and which result it is where there are several."""
        index = maker_of(value)
        out.count(index)
        if self.operations[index].more:
            out.count(place_among(value))

    def maker(self, value: int) -> PlanOperation:
        """The operation that a value is a result of."""
        return self.operations[maker_of(value)]

    def type_of(self, value: int) -> Type:
        """The type of a value."""
        op = self.operations[maker_of(value)]
        place = place_among(value)
        return op.more[place - 1] if place else op.type

    @cached_property
    def hash(self) -> bytes:
        """SHA-256 of the binary form: what the parties compare."""
        return hashlib.sha256(self._encoded).digest()

    @classmethod
    def from_bytes(
        cls,
        data: bytes | memoryview,
        *,
        claimed: Collection[bytes] = frozenset(),
        nesting: int = 0,
        most: int | None = None,
    ) -> Plan:
        """Decode and check every type anew. Raises PlanError with the offset, or with the operation that is wrong.

        `claimed`: handles of inputs whose bounds are not proven, as each node's store knows (`plan.bounds.prove`).
        """
        reader = Reader(data)
        if nesting > MAX_NESTING:
            raise reader.fail(f"loops are nested more than {MAX_NESTING} deep")
        announced = _announced(reader, data)
        if most is not None and announced[0] > most:
            raise reader.fail("it has more operations than the whole plan announces")
        # no more is decoded than was announced, whatever the rest says; every type is that of some operation
        types = [take_type(reader) for _ in range(reader.count(announced[0]))]
        decoder = _Decoder(reader, types, claimed, nesting, announced[0])
        for index in range(reader.count(announced[0])):
            decoder.operation(index)
        decoder.end_of_operations()
        operations = decoder.operations
        outputs = []
        for _ in range(reader.count(MAX_OUTPUTS)):
            kind = reader.count(MAX_NUMBERS)
            if kind not in tuple(OutputKind):
                raise reader.fail(f"output kind {kind} is not known")
            value = decoder.value(len(operations), "an output")
            handle = reader.block(HANDLE_BYTES)
            if len(handle) != (HANDLE_BYTES if kind == OutputKind.PERSIST else 0):
                raise reader.fail("an output has a wrong handle")
            if operations[maker_of(value)].is_constant:
                raise reader.fail("an output is a public constant")
            if kind == OutputKind.REVEAL and decoder.type_of(value).is_permutation:
                raise reader.fail("a permutation is not revealed; its places as numbers are")
            outputs.append(PlanOutput(OutputKind(kind), value, handle))
        reader.end()
        plan = cls(tuple(operations), tuple(outputs))
        if plan.numbers > MAX_PLAN_NUMBERS:
            raise reader.fail(f"loops make more than {MAX_PLAN_NUMBERS} operations of it")
        if (len(plan.listed), plan.numbers) != announced:
            raise reader.fail("its operations are not as many as it announces")
        return plan

    @staticmethod
    def announced(data: bytes | memoryview) -> tuple[int, int]:
        """How many operations an encoded plan has, those in loops once, and how many run, as its first bytes say.

        Nodes hold it against their limits before they decode anything; `from_bytes` refuses a plan for which it is not
        true, and decodes no more than that. Raises PlanError.
        """
        return _announced(Reader(data), data)

    def inputs(self) -> list[tuple[bytes, Type]]:
        """Every stored array that the plan reads: its handle and the type it must have."""
        return [(op.data, op.type) for op in self.operations if op.is_input]

    @cached_property
    def _calls(self) -> list[Call[Attributes]]:
        type_of = self.type_of
        return [
            Call(tuple([type_of(value) for value in op.inputs]), op.attrs, op.type, op.variant)
            for op in self.operations
        ]

    def call(self, index: int) -> Call[Attributes]:
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
                following += op.passes * op.body.numbers
        return starts

    @cached_property
    def numbers(self) -> int:
        """How many numbers one run takes."""
        passes = [op.passes * op.body.numbers for op in self.operations if op.body is not None]
        return len(self.operations) + sum(passes)

    @cached_property
    def listed(self) -> list[tuple[PlanOperation, int]]:
        """Every operation once, and how often it runs: the plan's, then those of each loop's body in the same way.

        Places in this list are what reports of a run name operations by.
        """
        found = [(op, 1) for op in self.operations]
        for op in self.operations:
            if op.body is not None:
                found += [(inner, times * op.passes) for inner, times in op.body.listed]
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

    def __repr__(self) -> str:
        return f"Plan({len(self.operations)} operations, {len(self.outputs)} outputs, {self.hash.hex()[:12]})"


class OperationNames(Mapping[int, str]):
    """The names of a plan's operations by the number that each has in a run, for errors; `place_of` gives the place of
    a number in `Plan.listed`, and `count` of them are gone through."""

    def __init__(self, plan: Plan, count: int, place_of: Callable[[int], int]) -> None:
        self._plan = plan
        self._count = count
        self._place_of = place_of

    def __getitem__(self, number: int) -> str:
        return self._plan.listed[self._place_of(number)][0].operation.name

    def __iter__(self) -> Iterator[int]:
        return iter(range(self._count))

    def __len__(self) -> int:
        return self._count


def _announced(reader: Reader, data: bytes | memoryview) -> tuple[int, int]:
    """Read the head of a plan."""
    if reader.raw(min(len(MAGIC), len(data))) != MAGIC:
        reader.offset = 0
        raise reader.fail("the first bytes are wrong")
    version = reader.count(MAX_NUMBERS)
    if version != VERSION:
        raise reader.fail(f"version {version} is not {VERSION}")
    return reader.count(MAX_OPERATIONS), reader.count(MAX_PLAN_NUMBERS)


class _Decoder:
    """Reads operations one by one; each type is checked once for each way in which it comes about."""

    def __init__(
        self, reader: Reader, types: list[Type], claimed: Collection[bytes], nesting: int, announced: int
    ) -> None:
        if len(set(types)) != len(types):
            raise reader.fail("a type is listed twice")
        self.operations: list[PlanOperation] = []
        self._reader = reader
        self._types = types
        self._keys: dict[int, int] = {}
        self._used = 0
        self._several = False
        """Whether an operation so far has several results."""
        self._claimed = claimed
        self._nesting = nesting
        self._left = announced
        self._terms: dict[int, PlanTerm] = {}
        self._inferred: dict[tuple[object, ...], int] = {}

    def operation(self, index: int) -> None:
        """Read one operation, its type from the list; the types must be listed in the order of their first use."""
        reader = self._reader
        code = reader.count(MAX_NUMBERS)
        operation = BY_CODE.get(code)
        if operation is None:
            raise reader.fail(f"operation {code} is not known")
        if self._several:
            inputs = tuple([self.value(index, "an operation") for _ in range(reader.count(MAX_NUMBERS))])
        else:
            inputs = tuple([reader.count(MAX_OPERATIONS) for _ in range(reader.count(MAX_NUMBERS))])
            if inputs and max(inputs) >= index:
                raise reader.fail("an operation uses a value that does not exist yet")
        attrs = operation.attributes.read(reader)
        variant = reader.count(MAX_NUMBERS) if operation.has_choice else 0
        if variant >= len(operation.variants):
            raise reader.fail(f"operation {index} ({operation.name}) has no variant {variant}")
        place = self._type()
        declared, more = self._types[place], list[int]()
        if operation.results is not one_result:
            results = operation.results(attrs)
            if results > MAX_NUMBERS:
                # each takes a byte here, and a hundred times as much in memory
                raise reader.fail(f"operation {index} ({operation.name}) has more than {MAX_NUMBERS} results")
            more = [self._type() for _ in range(results - 1)]
        data, body = b"", None
        terms = tuple([self._terms[value] for value in inputs])
        match operation.data:
            case Data.HANDLE:
                data = self._block(operation, inputs, HANDLE_BYTES)
                if data in self._claimed:
                    declared = declared.with_claim(not (declared.is_bool or declared.is_permutation))
            case Data.WORDS:
                if declared.is_permutation:
                    raise reader.fail("a public array is no permutation that an operation has made")
                data = self._block(operation, inputs, declared.component_bytes)
                if not within_bounds(declared, data):
                    raise reader.fail("a constant holds numbers outside its bounds")
            case Data.BODY:
                data = reader.block(MAX_LENGTH)
                body = self._body(data, inputs, attrs.of(LoopCount).carried)
        others = tuple([self._types[one] for one in more])
        if operation.bounds is Bounding.DECLARED:
            # what a loop carries has the bounds that it declares
            declared = declared.with_claim(not declared.is_bool)
            others = tuple([t.with_claim(not t.is_bool) for t in others])
            made = PlanOperation(operation, inputs, attrs, declared, data, body, variant, others)
            if any(self.operations[maker_of(value)].is_constant for value in inputs):
                raise PlanError(f"operation {index} ({operation.name}): takes secret values")
            check_loop(index, made, [self.type_of(value) for value in inputs])
        elif operation.data is Data.NOTHING:
            declared = self._checked(index, operation, inputs, attrs, place, terms)
            fits = operation.variants[variant].fits
            if fits is not any_call and not fits(Call(tuple([term.type for term in terms]), attrs, declared, variant)):
                chosen = operation.variants[variant].name
                raise reader.fail(f"operation {index} ({operation.name}) is none for its variant {chosen!r}")
        # by which types of results are known again: the operand's type, and what else typing looks at
        self._keys[index] = place << 2 | (operation.data is Data.WORDS) << 1 | declared.claimed
        self.operations.append(PlanOperation(operation, inputs, attrs, declared, data, body, variant, others))
        self._terms[index] = PlanTerm(operation, terms, attrs, declared, data)
        self._several = self._several or bool(more)
        for number, (one, t) in enumerate(zip(more, others, strict=True), start=1):
            self._keys[result_of(index, number)] = one << 2 | t.claimed
            self._terms[result_of(index, number)] = PlanTerm(operation, terms, attrs, t, b"")

    def value(self, before: int, what: str) -> int:
        """Read the number of a value that an operation before this index gives."""
        index = self._reader.count(MAX_OPERATIONS)
        if index >= before:
            raise self._reader.fail(f"{what} uses a value that does not exist yet")
        more = self.operations[index].more
        return result_of(index, self._reader.count(len(more))) if more else index

    def _type(self) -> int:
        """Read the place of a type in the list."""
        place = self._reader.count(self._used)
        if place >= len(self._types):
            raise self._reader.fail(f"type {place} is not listed")
        self._used += place == self._used
        return place

    def type_of(self, value: int) -> Type:
        """The type of a value that was read."""
        return self._terms[value].type

    def _block(self, operation: Operation[Any], inputs: tuple[int, ...], size: int) -> bytes:
        """What a stored or public array carries: so many bytes, and no inputs."""
        data = self._reader.block(MAX_LENGTH)
        if inputs or len(data) != size:
            raise self._reader.fail(f"a malformed {operation.name}")
        return data

    def _body(self, data: bytes, inputs: tuple[int, ...], carried: int) -> Plan:
        """The plan of a loop's body, from the bytes that were just read."""
        start = self._reader.offset - len(data)
        try:
            inside = self._claimed_inside(inputs, carried)
            body = Plan.from_bytes(data, claimed=inside, nesting=self._nesting + 1, most=self._left)
            self._left -= len(body.listed)
        except PlanError as error:
            raise PlanError(f"{error.message}, in the loop body that begins at byte {start}") from None
        return body

    def _claimed_inside(self, inputs: tuple[int, ...], carried: int) -> set[bytes]:
        """The inputs of a loop's body that are claimed there: all that it carries, and what it captures if that is."""
        claimed = [k < carried or self.type_of(value).claimed for k, value in enumerate(inputs)]
        return {operand_handle(k) for k, is_claimed in enumerate(claimed) if is_claimed}

    def _checked(
        self,
        index: int,
        operation: Operation[Any],
        inputs: tuple[int, ...],
        attrs: Attributes,
        place: int,
        terms: tuple[PlanTerm, ...],
    ) -> Type:
        key = (operation.code, attrs, *[self._keys[value] for value in inputs])
        if self._inferred.get(key) == place:
            return marked(self._types[place], operation, terms, attrs)
        public = [self.operations[maker_of(value)].is_constant for value in inputs]
        check_operands(operation, public)
        try:
            inferred = result_type(operation, terms, attrs)
        except PlanError as error:
            raise PlanError(f"operation {index} ({operation.name}): {error.message}") from None
        declared = self._types[place]
        if inferred != declared:
            raise PlanError(f"operation {index} ({operation.name}) declares {declared}, but gives {inferred}")
        self._inferred[key] = place
        return inferred

    def end_of_operations(self) -> None:
        if self._used != len(self._types):
            raise self._reader.fail("a type is listed that no operation has")


def operand_handle(place: int) -> bytes:
    """The handle that a loop's operand, or carried value, has in its body."""
    return place.to_bytes(HANDLE_BYTES, "little")


def constant(op: PlanOperation) -> Constant:
    """The public array that a constant operation holds."""
    if op.type.is_bool:
        return Constant(np.frombuffer(op.data, np.uint64))
    return Constant(np.frombuffer(op.data, ring(op.type.ring).dtype).reshape(op.type.shape))


def within(narrow: Type, wide: Type) -> bool:
    """Whether two types differ in bounds at most, and the first has none beyond the second's."""
    return narrow == wide or (
        wide.lo <= narrow.lo and narrow.hi <= wide.hi and narrow.with_bounds(wide.lo, wide.hi) == wide
    )


def check_loop(index: int, op: PlanOperation, operands: Sequence[Type]) -> None:
    """PlanError unless a loop and its body fit: operands to inputs, outputs to the inputs of the next pass."""

    def need(condition: bool, reason: str) -> None:
        if not condition:
            raise PlanError(f"operation {index} ({op.operation.name}): {reason}")

    body = op.body
    assert body is not None
    need(op.passes <= MAX_COUNT, f"takes a count up to {MAX_COUNT}")
    count = op.carried
    need(1 <= count <= len(operands), "carries one value at least, and no more than it is given")
    need(not any(t.is_permutation for t in operands), "carries and captures numbers and bools, no permutations")
    inputs = body.inputs()
    need([handle for handle, _ in inputs] == [operand_handle(k) for k in range(len(operands))], "its body's inputs")
    for operand, (_, wanted) in zip(operands, inputs, strict=True):
        need(within(operand, wanted), f"is given {operand}, its body takes {wanted}")
    kept = [(output.kind, output.handle) for output in body.outputs]
    need(kept == [(OutputKind.PERSIST, operand_handle(k)) for k in range(count)], "its body's outputs")
    for output, declared, (_, wanted) in zip(body.outputs, op.types, inputs, strict=False):
        given = body.type_of(output.value)
        need(within(given, wanted), f"its body takes {wanted} and gives {given}")
        need(declared == wanted, f"declares {declared}, but carries {wanted}")


def check_operands(operation: Operation[Any], are_public: Sequence[bool]) -> None:
    """PlanError unless public constants stand just where the operation takes them."""
    public = [i for i, is_public in enumerate(are_public) if is_public]
    if len(public) > 1 or any(i not in operation.public for i in public):
        raise PlanError(f"{operation.name} does not take a public constant there")
    if operation.needs_public and not public:
        raise PlanError(f"{operation.name} takes a public second operand")


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
