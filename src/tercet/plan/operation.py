"""What one entry of the operations table says."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from tercet.errors import PlanError
from tercet.plan.types import Type
from tercet.protocols.cost import NOTHING, Cost
from tercet.protocols.scope import Scope
from tercet.ring import Ring, ring

Attrs: TypeAlias = tuple[int, ...]
Plain: TypeAlias = NDArray[Any]
"""Stored integers as Python ints in an object array, or bools: what the oracle computes with."""


@dataclass(frozen=True, slots=True)
class Constant:
    """A public array inside a plan, as every party holds it: ring words, or packed bits for bools."""

    words: NDArray[Any]


@dataclass(frozen=True, slots=True)
class Call:
    """One operation at run time, without its values."""

    inputs: tuple[Type, ...]
    attrs: Attrs
    out: Type

    @property
    def ring(self) -> Ring:
        return ring(self.out.ring)


WIDE: Final = 128
"""In place of a shift: factors are modulo 2^64, their sum modulo 2^128."""


class Flow(Enum):
    """How an operation's result depends on the places of its inputs: what becomes of rows (`plan.rows`), and how it is
    cut along them (`plan.stream`)."""

    UNKNOWN = auto()
    """Nothing is claimed: every element may depend on every element."""
    LEAF = auto()
    EACH = auto()
    """An element depends on those at its place, of inputs broadcast together; the same way everywhere."""
    WEIGHED = auto()
    """As EACH; nothing is left of the first input where the public second one is zero."""
    SUM = auto()
    """attrs: the axes that are summed."""
    PREFIX = auto()
    """attrs: the axis along which elements depend on those before."""
    CONTRACT = auto()
    """As EACH; then summed over attrs[1:]. attrs[0] is a shift, or WIDE."""
    MATRIX = auto()
    """Products of elements of two matrices, summed. attrs[0] is a shift, or WIDE."""
    MATRIX_PUBLIC = auto()
    """The same with a public second input, which attrs[0] puts in front; without a shift."""
    RESHAPE = auto()
    PERMUTE = auto()
    SLICE = auto()
    BROADCAST = auto()
    TAKE = auto()
    CONCAT = auto()
    STACKED = auto()
    """As EACH, with a new axis in front."""
    LOOP = auto()
    PART = auto()


@dataclass(frozen=True)
class Operation:
    """One entry of the table.

    `infer` gives the result type (kinds, shape, scale, range) or raises PlanError. `run` gets scope, call and the
    inputs at one party; it is a plain function if `local`, else a protocol body. `cost` is exact. `meaning` is the
    plain NumPy meaning on stored integers; `error` bounds how far `run` may be from it, in last bits. The last
    attribute of an operation with `variants` says which protocol runs: 0 few bytes, 1 few rounds. `flow` says what
    becomes of rows; without it they count as lost.
    """

    name: str
    code: int
    summary: str
    infer: Callable[[Sequence[Type], Attrs], Type]
    run: Callable[..., Any]
    meaning: Callable[[Sequence[Plain], Attrs, Type], Plain]
    cost: Callable[[Call], Cost] = lambda call: NOTHING
    local: bool = True
    variants: bool = False
    error: str = "exact"
    protocol: str = "local"
    flow: Flow = Flow.UNKNOWN

    def __repr__(self) -> str:
        return f"Operation({self.name})"


def need(condition: bool, message: str) -> None:
    """Typing rule: PlanError if it does not hold."""
    if not condition:
        raise PlanError(message)


def arity(inputs: Sequence[Type], attrs: Attrs, types: int, numbers: int | None = None) -> None:
    need(len(inputs) == types, f"takes {types} inputs, got {len(inputs)}")
    need(numbers is None or len(attrs) == numbers, f"takes {numbers} attributes, got {len(attrs)}")


def numeric(*types: Type) -> None:
    need(all(not t.is_bool for t in types), "takes numbers, got a bool")
    need(len({t.ring for t in types}) == 1, f"inputs are in different rings: {[t.ring for t in types]}")


def boolean(*types: Type) -> None:
    need(all(t.is_bool for t in types), "takes bools")


def broadcast(*types: Type) -> tuple[int, ...]:
    try:
        return tuple(int(length) for length in np.broadcast_shapes(*(t.shape for t in types)))
    except ValueError:
        raise PlanError(f"shapes {' and '.join(str(t.shape) for t in types)} do not broadcast") from None


def axes_of(attrs: Attrs, ndim: int) -> tuple[int, ...]:
    distinct = len(set(attrs)) == len(attrs)
    need(distinct and all(0 <= axis < ndim for axis in attrs), f"{len(attrs)} axes ({attrs[:8]}) of {ndim} dimensions")
    return attrs


def corners(a: Type, b: Type) -> tuple[int, int]:
    """Bounds of a product."""
    products = (a.lo * b.lo, a.lo * b.hi, a.hi * b.lo, a.hi * b.hi)
    return min(products), max(products)


def rescaled(lo: int, hi: int, shift: int) -> tuple[int, int]:
    """Bounds after a division by 2^shift rounded to a neighbour."""
    return lo >> shift, -(-hi >> shift)


__all__ = [
    "Attrs",
    "Call",
    "Constant",
    "Flow",
    "Operation",
    "Plain",
    "Scope",
    "arity",
    "axes_of",
    "boolean",
    "broadcast",
    "corners",
    "need",
    "numeric",
    "rescaled",
]
