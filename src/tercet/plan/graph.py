"""The recorded expression: nodes of typed operations, the same expression recorded once."""

from __future__ import annotations

from dataclasses import dataclass
from weakref import WeakValueDictionary

from tercet.plan.operation import Attrs, Operation
from tercet.plan.ops_loop import PART, REPEAT
from tercet.plan.table import BY_NAME, CONSTANT, INPUT
from tercet.plan.types import Type


class Node:
    """One recorded operation; nothing has run."""

    __slots__ = ("__weakref__", "attrs", "body", "data", "graph", "inputs", "operation", "serial", "type")

    def __init__(
        self,
        graph: Graph,
        serial: int,
        operation: Operation,
        inputs: tuple[Node, ...],
        attrs: Attrs,
        type: Type,
        data: bytes,
    ) -> None:
        self.graph = graph
        self.serial = serial
        self.operation = operation
        self.inputs = inputs
        self.attrs = attrs
        self.type = type
        self.data = data
        self.body: LoopBody | None = None

    def __repr__(self) -> str:
        return f"Node({self.operation.name}, {self.type})"

    @property
    def is_constant(self) -> bool:
        return self.operation is CONSTANT


@dataclass(frozen=True, eq=False)
class LoopBody:
    """What a loop repeats: from the carried values, as placeholders, and captured outer values to the next ones.

    Both are leaves here: what a loop really takes in their place are its operands."""

    carried: tuple[Node, ...]
    captured: tuple[Node, ...]
    results: tuple[Node, ...]


class Graph:
    """Records nodes of one session; an operation on the same inputs gives the same node (common subexpressions)."""

    def __init__(self) -> None:
        self._serial = 0
        self._known: WeakValueDictionary[tuple[object, ...], Node] = WeakValueDictionary()

    def input(self, handle: bytes, type: Type) -> Node:
        """A stored secret array."""
        return self._node(INPUT, (), (), type, handle)

    def constant(self, type: Type, data: bytes) -> Node:
        """A public array: ring words or packed bits."""
        return self._node(CONSTANT, (), (), type, data)

    def node(self, name: str, inputs: tuple[Node, ...], attrs: Attrs = ()) -> Node:
        """An operation on recorded values; its type follows from the table. Raises PlanError if it has none."""
        operation = BY_NAME[name]
        key = (operation.code, attrs, *(value.serial for value in inputs))
        known = self._known.get(key)
        if known is not None:
            return known
        type = operation.infer(tuple(value.type for value in inputs), attrs)
        return self._new(key, operation, inputs, attrs, type, b"")

    def placeholder(self, type: Type) -> Node:
        """A value that a loop carries, for recording its body."""
        self._serial += 1
        return Node(self, self._serial, INPUT, (), (), type, b"")

    def loop(self, count: int, operands: tuple[Node, ...], body: LoopBody) -> tuple[Node, ...]:
        """The carried values after `count` passes; operands are their first values and what the body captures."""
        self._serial += 1
        types = [value.type for value in body.carried]
        attrs = (count, len(types))
        whole = Node(self, self._serial, REPEAT, operands, attrs, types[0], b"")
        whole.body = body
        return tuple(self.part(whole, which) for which in range(len(types)))

    def part(self, loop: Node, which: int) -> Node:
        """One of a loop's carried values."""
        assert loop.body is not None
        key = (PART.code, (which,), loop.serial)
        return self._known.get(key) or self._new(key, PART, (loop,), (which,), loop.body.carried[which].type, b"")

    def _node(self, operation: Operation, inputs: tuple[Node, ...], attrs: Attrs, type: Type, data: bytes) -> Node:
        key = (operation.code, attrs, type, data)
        return self._known.get(key) or self._new(key, operation, inputs, attrs, type, data)

    def _new(
        self,
        key: tuple[object, ...],
        operation: Operation,
        inputs: tuple[Node, ...],
        attrs: Attrs,
        type: Type,
        data: bytes,
    ) -> Node:
        self._serial += 1
        node = Node(self, self._serial, operation, inputs, attrs, type, data)
        self._known[key] = node
        return node
