"""Values of a plan with what they come from: recorded nodes at a client, decoded operations at a node."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from tercet.plan.table.attributes import Attributes
from tercet.plan.table.operation import Algebra, Data, Flow, Operation
from tercet.plan.types import Type

_STEPS = 8
Bounds = tuple[int, int]


class Term(Protocol):
    """A value of a plan: a `Recorded` at a client, a `PlanTerm` at a node. The same value is the same object."""

    @property
    def operation(self) -> Operation[Any]: ...

    @property
    def inputs(self) -> Sequence[Term]: ...

    @property
    def attrs(self) -> Attributes:
        """An instance of the operation's `attributes`."""

    @property
    def type(self) -> Type: ...

    @property
    def data(self) -> bytes: ...


@dataclass(frozen=True, eq=False, slots=True)
class PlanTerm:
    """A value of a plan that is being read."""

    operation: Operation[Any]
    inputs: tuple[PlanTerm, ...]
    attrs: Attributes
    type: Type
    data: bytes = field(repr=False)


def is_constant(term: Term) -> bool:
    """Whether it is a public array of the plan."""
    return term.operation.data is Data.WORDS


def same_integer(term: Term) -> Term:
    """The value that this one holds in another ring, repeated, or under narrower bounds; a few steps back at most."""
    for _ in range(_STEPS):
        if not term.operation.keeps_integer:
            break
        term = term.inputs[0]
    return term


def before_reshapes(term: Term, plain: Callable[[Term], Term] = same_integer) -> Term:
    """The value that reshapes bring into another shape; a few of them back at most, `plain` before and after each."""
    term = plain(term)
    for _ in range(_STEPS):
        if term.operation.rows is not Flow.RESHAPE:
            break
        term = plain(term.inputs[0])
    return term


def is_same(one: Term, other: Term) -> bool:
    """Whether two terms hold the same integers (where both have a place)."""
    a, b = same_integer(one), same_integer(other)
    return a is b or (is_constant(a) and is_constant(b) and (a.type, a.data) == (b.type, b.data))


def bare(term: Term) -> Term:
    """The value whose integers these are, at whatever scale they are read."""
    term = same_integer(term)
    for _ in range(_STEPS):
        if term.operation.algebra is not Algebra.READ:
            break
        term = same_integer(term.inputs[0])
    return term


def places_of(term: Term) -> Sequence[int]:
    """The numbers of a public array that are places along an axis."""
    width = term.type.ring // 8
    return [int.from_bytes(term.data[at : at + 8], "little") for at in range(0, len(term.data), width)]
