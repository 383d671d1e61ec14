"""The recorded expression: a graph of typed operations, in which equal expressions are one value."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from weakref import WeakSet, WeakValueDictionary

from tercet.plan.bounds.prove import result_type
from tercet.plan.bounds.relations import RELATED, reason_for, related
from tercet.plan.table.attributes import NONE, Attributes, LoopCount, StatedBounds
from tercet.plan.table.operation import Data, Operation
from tercet.plan.table.operations import BY_NAME, CONSTANT, INPUT, LOOP
from tercet.plan.table.reasons import BUILT_IN, Reasons
from tercet.plan.types import Type


@dataclass(eq=False, slots=True, weakref_slot=True, repr=False)
class Recorded:
    """One recorded operation; nothing has run."""

    graph: Graph
    serial: int
    operation: Operation[Any]
    inputs: tuple[Recorded, ...]
    attrs: Attributes
    type: Type
    data: bytes = b""
    body: LoopBody | None = None
    place: int = 0
    """Which of its operation's results it is. Those behind the first have the first as their only input."""

    def __repr__(self) -> str:
        return f"Recorded({self.operation.name}, {self.type})"

    @property
    def is_constant(self) -> bool:
        return self.operation.data is Data.WORDS


@dataclass(frozen=True, eq=False)
class LoopBody:
    """What a loop repeats: from the carried values, as placeholders, and captured outer values to the next ones.

    Both are leaves here: what a loop really takes in their place are its operands."""

    carried: tuple[Recorded, ...]
    captured: tuple[Recorded, ...]
    results: tuple[Recorded, ...]

    @property
    def leaves(self) -> tuple[Recorded, ...]:
        return (*self.carried, *self.captured)


class Graph:
    """Records nodes of one session; an operation on the same inputs gives the same node (common subexpressions)."""

    def __init__(
        self, *, exact_rounding: bool = False, enforced_bounds: bool = False, reasons: Reasons = BUILT_IN
    ) -> None:
        self.reasons = reasons
        """The reasons for bounds that may be recorded: those of the table, and what floors above declared."""
        self.enforced_bounds = enforced_bounds
        """Whether bounds that the plan does not prove are enforced by a clip, and not stated (`plan.record.scale`)."""
        self.exact_rounding = exact_rounding
        """Whether what is rounded is rounded to the nearest always, and not by a coin (`plan.record.scale`)."""
        self.meaning_lost: WeakSet[Recorded] = WeakSet()
        """Stored arrays of which it was not kept where they mean something (`plan.record.validity`)."""
        self._serial = 0
        self._draws = 0
        self._known: WeakValueDictionary[tuple[object, ...], Recorded] = WeakValueDictionary()

    def input(self, handle: bytes, type: Type) -> Recorded:
        """A stored secret array."""
        return self._leaf(INPUT, type, handle)

    def constant(self, type: Type, data: bytes) -> Recorded:
        """A public array: ring words or packed bits."""
        return self._leaf(CONSTANT, type, data)

    def draw_number(self) -> int:
        """A number that no other draw of this session has: what is drawn under it is independent of all others."""
        self._draws += 1
        return self._draws

    def node(self, name: str, inputs: tuple[Recorded, ...], attrs: Attributes | None = None) -> Recorded:
        """An operation on recorded values; its type follows from the table. Raises PlanError if it has none.

        `attrs`: an instance of the operation's class of attributes; without it, one of their defaults. TypeError if it
        is of another class.
        """
        operation = BY_NAME[name]
        if attrs is None:
            attrs = NONE if operation.attributes is Attributes else operation.attributes()
        elif type(attrs) is not operation.attributes:
            raise TypeError(f"{name} takes {operation.attributes.__name__}, got {type(attrs).__name__}")
        key = (operation.code, attrs, *(value.serial for value in inputs))
        known = self._known.get(key)
        if known is None:
            known = self._new(key, operation, inputs, attrs, result_type(operation, inputs, attrs), b"")
        return self._narrowed(known) if operation.algebra in RELATED else known

    def _narrowed(self, node: Recorded) -> Recorded:
        """The value with the bounds that its operands have in common give it, where those are narrower."""
        found = related(node)
        if found is None:
            return node
        lo, hi = max(found[0], node.type.lo), min(found[1], node.type.hi)
        if (lo, hi) == (node.type.lo, node.type.hi) or lo > hi:
            return node
        return self.node("bound", (node,), StatedBounds(lo, hi, reason_for(node).number))

    def placeholder(self, type: Type) -> Recorded:
        """A value that a loop carries, for recording its body; what passes give lies within its bounds as declared."""
        self._serial += 1
        type = type.with_claim(not type.is_bool)
        return Recorded(self, self._serial, INPUT, (), NONE, type)

    def loop(self, count: int, operands: tuple[Recorded, ...], body: LoopBody) -> tuple[Recorded, ...]:
        """The carried values after `count` passes; operands are their first values and what the body captures."""
        self._serial += 1
        types = [value.type for value in body.carried]
        attrs = LoopCount(count, len(types))
        first = Recorded(self, self._serial, LOOP, operands, attrs, types[0], body=body)
        found = [first]
        for place, type in enumerate(types[1:], start=1):
            self._serial += 1
            found.append(Recorded(self, self._serial, LOOP, (first,), attrs, type, place=place))
        return tuple(found)

    def _leaf(self, operation: Operation[Any], type: Type, data: bytes) -> Recorded:
        key = (operation.code, type, data)
        return self._known.get(key) or self._new(key, operation, (), NONE, type, data)

    def _new(
        self,
        key: tuple[object, ...],
        operation: Operation[Any],
        inputs: tuple[Recorded, ...],
        attrs: Attributes,
        type: Type,
        data: bytes,
    ) -> Recorded:
        self._serial += 1
        node = Recorded(self, self._serial, operation, inputs, attrs, type, data)
        self._known[key] = node
        return node
