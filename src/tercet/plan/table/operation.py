"""What one entry of the operations table says."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import Enum, auto
from functools import cached_property, partial
from itertools import zip_longest
from typing import Any, Generic, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

from tercet.errors import PlanError
from tercet.plan.table.attributes import Attributes
from tercet.plan.types import Type
from tercet.protocols.cost import NOTHING, Cost
from tercet.protocols.scope import Body, Scope
from tercet.ring import Ring, ring
from tercet.sharing import Share


class Security(Enum):
    """Against what the parties of a job are protected."""

    SEMI_HONEST = auto()
    """A party that follows the protocol and looks at what it receives."""


def any_call(call: object) -> bool:
    """Of what is for every call."""
    return True


def no_cost(call: object) -> Cost:
    """Of what each party does alone."""
    return NOTHING


@dataclass(frozen=True, slots=True)
class Variant:
    """One way to compute an operation. `run` gets scope, call and the inputs at one party: a plain function if nothing
    is sent, else a protocol body. `cost` is exact and gets the call; `modes` are those in which it may run."""

    name: str
    run: Callable[..., Any]
    cost: Callable[[Any], Cost] = no_cost
    modes: frozenset[Security] = frozenset(Security)
    fits: Callable[[Any], bool] = any_call
    """Whether it is for such a call, if it is not for all: plans choose it for no other, and nodes refuse it there."""


def only(run: Callable[..., Any], cost: Callable[[Any], Cost] = no_cost) -> tuple[Variant]:
    """The variants of an operation that has one protocol."""
    return (Variant("only", run, cost),)


def fewer(
    bytes_run: Callable[..., Any],
    bytes_cost: Callable[[Any], Cost],
    rounds_run: Callable[..., Any],
    rounds_cost: Callable[[Any], Cost],
) -> tuple[Variant, Variant]:
    """The variants of an operation of which one protocol takes fewer bytes, the other fewer rounds."""
    return Variant("fewer bytes", bytes_run, bytes_cost), Variant("fewer rounds", rounds_run, rounds_cost)


Plain: TypeAlias = NDArray[Any]
"""Stored integers as Python ints in an object array, or bools: what the oracle computes with."""
A = TypeVar("A", bound=Attributes)


@dataclass(frozen=True, slots=True)
class Constant:
    """A public array inside a plan, as every party holds it: ring words, or packed bits for bools."""

    words: NDArray[Any]

    @property
    def places(self) -> NDArray[np.int64]:
        """Numbers that are places along an axis, whatever the ring."""
        words = self.words if self.words.dtype == np.uint64 else self.words["lo"]
        return words.astype(np.int64)


@dataclass(frozen=True, slots=True)
class Call(Generic[A]):
    """One operation at run time, without its values."""

    inputs: tuple[Type, ...]
    attrs: A
    out: Type
    variant: int = 0

    @property
    def ring(self) -> Ring:
        return ring(self.out.ring)


class Flow(Enum):
    """How an operation's result depends on the places of its inputs. It chooses the operation's rule in
    `plan.rows.axes`, by which the policy follows rows and plans are cut along them."""

    UNKNOWN = auto()
    """Nothing is claimed: every element may depend on every element."""
    LEAF = auto()
    EACH = auto()
    """An element depends on those at its place, of inputs broadcast together; the same way everywhere."""
    DIFFERENCE = auto()
    """As EACH; a value and itself leave nothing."""
    WEIGHED = auto()
    """As EACH; nothing is left of the first input where the public second one is zero."""
    SUM = auto()
    """Summed over the attribute `axes`."""
    PREFIX = auto()
    """Along the attribute `axis`, elements depend on those before."""
    CONTRACT = auto()
    """As EACH; then summed over the attribute `axes`."""
    MATRIX = auto()
    """Products of elements of two matrices, summed."""
    MATRIX_PUBLIC = auto()
    """The same with a public second input, which the attribute `in_front` puts in front."""
    RESHAPE = auto()
    PERMUTE = auto()
    SLICE = auto()
    BROADCAST = auto()
    TAKE = auto()
    CONCAT = auto()
    WINDOWS = auto()
    """Axes in front stay; along the last ones, as many as the attribute `kernel` has, elements meet in windows."""
    CONVOLVE = auto()
    """Products over windows of two arrays, summed; the attribute `mode` says which of three arrays the result is."""
    STACKED = auto()
    """As EACH of the first input, with a new axis in front; a second one is a public table."""
    ORDERED = auto()
    """Places depend on values, so every element may be that of any row: it counts as single rows, and is not cut."""
    RANKED = auto()
    """Of bits, lines and places, lines and places: what an element is depends on its own bits and, of all others of its
    line, on how many there are of which bits, wherever they stand."""
    AMONG = auto()
    """Of several inputs whose last axes meet: what stands at a place there depends on what stands at it in each of them
    and, in the same way, on what stands at all other places, whatever their order."""
    DRAWN = auto()
    """Of no input. It rests on no row, but no two places are alike, so that what it selects or weighs counts as single
    rows; and it is drawn once in a job, whole, so that it is not cut."""
    LOOP = auto()


class Algebra(Enum):
    """What an operation is to the rules that prove bounds, and to those that record it anew (`plan.bounds`)."""

    OTHER = auto()
    ADD = auto()
    SUBTRACT = auto()
    NEGATE = auto()
    SCALE = auto()
    """Times public numbers."""
    SHIFT_LEFT = auto()
    READ = auto()
    """The same integer, read at another scale."""
    MULTIPLY = auto()
    WITHIN = auto()
    """A product, its bounds stated."""
    CONTRACT = auto()
    """The sum of products over axes."""
    MATRIX = auto()
    """The matrix product of two matrices, or stacks of them."""
    PICK = auto()
    """Some elements, at public places."""
    SUM = auto()
    RESCALE = auto()
    """Divided by 2^shift, to a neighbour by a coin."""
    ROUND = auto()
    """Divided by 2^shift, down or to the nearest."""
    NORMALISE = auto()
    QUOTIENT = auto()
    ROOT = auto()
    """sqrt(x)."""
    INVERSE_ROOT = auto()
    """1 / sqrt(x), exactly 0 where x is 0."""
    POWER = auto()
    """b^x, off by a part of the last bit that it is meant to have."""
    LOGARITHM = auto()
    """The natural logarithm of x, off likewise; of x <= 0 that of the least x > 0."""
    DIVIDED = auto()
    """Whole quotients, then remainders."""
    WHERE = auto()
    """The second input where the first is set, else zero."""
    SIGN = auto()
    """Whether a number is negative."""
    ZERO = auto()
    """Whether a number is zero."""
    NOT = auto()
    AND = auto()
    XOR = auto()
    NUMBER = auto()
    """A bool as 0 or 1."""
    RING = auto()
    """The same integer in another ring."""
    NARROW = auto()
    """The same integer, its bounds stated."""


class Domain(Enum):
    """The numbers of which an operation means something."""

    POSITIVE = auto()
    NOT_ZERO = auto()
    OFF_POLES = auto()
    """Angles whose tangent is at most 2^(frac_bits / 2) in size."""


class Bounding(Enum):
    """On what the bounds of a result rest."""

    DERIVED = auto()
    """They follow from those of the inputs."""
    STATED = auto()
    """The attributes state them: proven by nodes, or a claim."""
    ENFORCED = auto()
    """The attributes state them, and the protocol makes them hold."""
    DECLARED = auto()
    """Those of a loop's body, a claim."""


class Memory(Enum):
    """Where a result lies."""

    NEW = auto()
    SAME = auto()
    """In its input's memory, element for element."""
    RESHAPED = auto()
    """In its input's memory where that is contiguous."""
    VIEW = auto()
    """In its input's memory, in another arrangement; bits are copied."""


class Data(Enum):
    """What an operation carries in a plan beside inputs and attributes."""

    NOTHING = auto()
    HANDLE = auto()
    """The handle of the stored array that it reads."""
    WORDS = auto()
    """A public array: ring words, or packed bits."""
    BODY = auto()
    """The plan of what a loop repeats."""


def one_result(attrs: Attributes) -> int:
    return 1


@dataclass(frozen=True)
class Operation(Generic[A]):
    """One entry of the table: all that other modules know of an operation.

    `attributes` is the class of its attributes. `infer` gives the type of its one result (kinds, shape, scale, range)
    or raises PlanError; the types of a loop's results follow from its body. `meaning` is the plain NumPy meaning on
    stored integers; `error` bounds how far a run may be from it, in last bits. `variants` are the protocols that
    compute it; the plan names one by its number. `rows` says what becomes of rows; without it
    they count as lost.
    """

    name: str
    code: int
    summary: str
    attributes: type[A]
    infer: Callable[[Sequence[Type], A], Type]
    variants: tuple[Variant, ...] = field(repr=False)
    meaning: Callable[[Sequence[Plain], A, Type], Plain] = field(repr=False)
    error: str = "exact"
    protocol: str = "local"
    rows: Flow = Flow.UNKNOWN
    algebra: Algebra = Algebra.OTHER
    results: Callable[[A], int] = one_result
    """How many results it has, given its attributes."""
    keeps_integer: bool = False
    """Whether the result holds its input's integers: in another ring, repeated, or under narrower bounds."""
    bounds: Bounding = Bounding.DERIVED
    memory: Memory = Memory.NEW
    data: Data = Data.NOTHING
    draws: bool = False
    """Whether it draws, though nothing is sent: other local operations are given an `Alone` in place of a scope."""
    by_coin: bool = False
    """Whether a shift among its attributes divides the result by 2^shift, to a neighbour that a coin chooses."""
    coins_inside: bool = False
    """Whether it truncates by coins inside, unless its attribute `exact` says otherwise."""
    public: tuple[int, ...] = ()
    """At which places among the inputs a public constant may stand, at one of them at most."""
    needs_public: bool = False
    """Whether one must stand there."""
    held: Callable[[Any], int] | None = None
    """How many bytes a party holds at once beside operands and result, by the call, in its largest variant; without it
    `plan.rows.memory` takes twice what is sent, as what arrives and what hides it lie beside it. Of a view: how many
    bytes the copy has that it is a view of, 0 where it is one of its input."""
    domain: tuple[Domain | None, ...] = ()
    """Of which numbers the result means something, for each input: of others it lies in its bounds, and no more is said
    of it (`plan.record.validity`). An input without an entry may be any number."""
    takes: str = ""
    """What its domain is, as a sentence for people."""
    twin_of: str = ""
    """The operation in whose place recording takes this one where it pays: who allows or denies that one means both."""
    orders: tuple[int, ...] = ()
    """At which places among the inputs permutations stand: there and nowhere else (`check_orders`)."""

    def run(self, scope: Scope, call: Call[A], *values: Any) -> Any:
        """The operation at one party, by the variant of the call."""
        return self.variants[call.variant].run(scope, call, *values)

    def cost(self, call: Call[A]) -> Cost:
        """What it costs, by the variant of the call."""
        return self.variants[call.variant].cost(call)

    @cached_property
    def local(self) -> bool:
        """Whether nothing is sent."""
        return self.variants[0].cost is no_cost

    @property
    def has_choice(self) -> bool:
        """Whether plans name its variant."""
        return len(self.variants) > 1

    def __repr__(self) -> str:
        return f"Operation({self.name})"


def by_rounds(run: Callable[..., Any], cost: Callable[..., Cost]) -> tuple[Variant, Variant]:
    """The variants of an operation whose protocol has a form of one round: `one_round` chooses it, in code and cost."""
    quick = partial(run, one_round=True), partial(cost, one_round=True)
    return fewer(partial(run, one_round=False), partial(cost, one_round=False), *quick)


def shaped(call: Call[A], body: Body[Share]) -> Body[Share]:
    """A body that works on flat shares, with the shape of the call's result."""
    result = yield from body
    return result.reshape(call.out.shape)


def need(condition: bool, message: str) -> None:
    """Typing rule: PlanError if it does not hold."""
    if not condition:
        raise PlanError(message)


def arity(inputs: Sequence[Type], count: int) -> None:
    need(len(inputs) == count, f"takes {count} inputs, got {len(inputs)}")


def numeric(*types: Type) -> None:
    ring_bits = types[0].ring
    for t in types:
        if t.is_bool:
            raise PlanError("takes numbers, got a bool")
        if t.ring != ring_bits:
            raise PlanError(f"inputs are in different rings: {[t.ring for t in types]}")


def check_orders(operation: Operation[Any], types: Sequence[Type]) -> None:
    """PlanError unless permutations stand just where the operation takes them: an opening behind a shuffle would show
    the values of what is none (docs/security/shuffles.md)."""
    for place, t in enumerate(types):
        if t.is_permutation and place not in operation.orders:
            raise PlanError(f"{operation.name} takes no permutation")
        if place in operation.orders and not t.is_permutation:
            raise PlanError(f"{operation.name} takes a permutation that an operation has made, not {t}")


def one_number(rule: Callable[[Type, A], Type]) -> Callable[[Sequence[Type], A], Type]:
    """A typing rule of one array of numbers."""

    def infer(inputs: Sequence[Type], attrs: A) -> Type:
        arity(inputs, 1)
        numeric(*inputs)
        return rule(inputs[0], attrs)

    return infer


def two_numbers(rule: Callable[[Type, Type, A], Type]) -> Callable[[Sequence[Type], A], Type]:
    """A typing rule of two arrays of numbers in one ring."""

    def infer(inputs: Sequence[Type], attrs: A) -> Type:
        arity(inputs, 2)
        numeric(*inputs)
        return rule(inputs[0], inputs[1], attrs)

    return infer


def boolean(*types: Type) -> None:
    need(all(t.is_bool for t in types), "takes bools")


def broadcast(*types: Type) -> tuple[int, ...]:
    return broadcast_shapes(*(t.shape for t in types))


def broadcast_shapes(*shapes: tuple[int, ...]) -> tuple[int, ...]:
    """The one shape that arrays of these become together. PlanError if there is none."""
    found: list[int] = []
    for lengths in zip_longest(*(reversed(shape) for shape in shapes), fillvalue=1):
        longer = {int(length) for length in lengths if length != 1}
        need(len(longer) <= 1, f"shapes {' and '.join(map(str, shapes))} do not broadcast")
        found.append(longer.pop() if longer else 1)
    return tuple(found[::-1])


def check_axes(axes: tuple[int, ...], ndim: int) -> None:
    distinct = len(set(axes)) == len(axes)
    need(distinct and all(0 <= axis < ndim for axis in axes), f"{len(axes)} axes ({axes[:8]}) of {ndim} dimensions")


def corners(a: Type, b: Type) -> tuple[int, int]:
    """Bounds of a product."""
    products = (a.lo * b.lo, a.lo * b.hi, a.hi * b.lo, a.hi * b.hi)
    return min(products), max(products)


def product_type(a: Type, b: Type, shape: tuple[int, ...], terms: int = 1) -> Type:
    """Of products of elements of a and b, or of sums of so many of them."""
    lo, hi = corners(a, b)
    frac, nominal = a.frac_bits + b.frac_bits, max(a.nominal, b.nominal)
    return Type(max(a.kind, b.kind), shape, a.ring, frac, nominal, terms * lo, terms * hi)


def same(inputs: Sequence[Plain], attrs: Attributes, out: Type) -> Plain:
    """The meaning of what leaves integers as they are."""
    return inputs[0]


def rescaled(lo: int, hi: int, shift: int) -> tuple[int, int]:
    """Bounds after a division by 2^shift rounded to a neighbour."""
    return lo >> shift, -(-hi >> shift)
