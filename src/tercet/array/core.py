"""SecretArray, an expression on secret values, and how functions record one; `operators.py` adds the operators."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from fractions import Fraction
from types import ModuleType
from typing import Any, ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from tercet.array import movement, numbers, quotients
from tercet.array.dtypes import DType, decoded, dtype_of
from tercet.array.lines import Line
from tercet.array.quotients import Quotient, Value
from tercet.array.refusals import Refusals
from tercet.errors import PlanError
from tercet.plan.network import Network
from tercet.plan.plan import Plan
from tercet.plan.record.build import Operand
from tercet.plan.record.compile import Wanted
from tercet.plan.record.explain import Explanation
from tercet.plan.record.graph import Graph, Recorded
from tercet.plan.record.public import DEFAULT_FRAC_BITS, public_array
from tercet.plan.record.scale import renamed
from tercet.plan.types import Type

ONE = Fraction(1)
LARGEST = 1 << 1023


class Runner(Protocol):
    """What secret arrays need of the session they belong to; `tercet.client` implements it."""

    @property
    def graph(self) -> Graph:
        """Where the session's expressions are recorded."""

    @property
    def network(self) -> Network:
        """The declared or measured network, by which protocol variants are chosen."""

    @property
    def checked(self) -> bool:
        """Whether assumed bounds are verified in every run."""

    def run(self, wanted: Sequence[Wanted]) -> list[Any]:
        """Compile and run one plan; one result for each wanted value, in their order.

        REVEAL gives the stored integers as the type has them: `int64` (or Python ints in an object array, ring 2^128)
        of the value's shape, bools for a secret bool. Nothing is divided by 2^frac_bits: the array floor does that.
        PERSIST (under a handle that the session draws, unless one is given) gives the new input Recorded.
        """

    def explain(self, plan: Plan) -> Explanation:
        """What a plan costs and reveals; a session with nodes also asks the nodes for their decisions. Nothing runs."""
        return Explanation(plan, self.network, reasons=self.graph.reasons)


class ReductionMethod(Protocol):
    """A method that reduces over axes."""

    def __call__(self, axis: Any = None, *, keepdims: bool = False) -> SecretArray:
        """Over all axes, or those given."""


class VarianceMethod(Protocol):
    """A method that gives a variance or its root."""

    def __call__(self, axis: Any = None, *, ddof: float = 0, keepdims: bool = False) -> SecretArray:
        """Over all axes, or those given; divided by the number of elements less `ddof`."""


Unary = Callable[[Any], "SecretArray"]
Binary = Callable[[Any, Any], "SecretArray"]


class SecretArray(Refusals):
    """An array of which the parties hold shares, or an expression on such arrays that has not run.

    Made by a session's `share`, and by operations on other secret arrays; it cannot be built by hand and never turns
    plain by itself. It follows the Python array API standard and NumPy's protocols; NumPy arrays and Python numbers
    beside it are public operands. A quotient by a public number stays one: revealing divides exactly, most other uses
    multiply by the reciprocal first.
    """

    __slots__ = ("__weakref__", "_divisor", "_line", "_node", "_session")
    __array_priority__ = 1000
    __pandas_priority__ = 5000  # above DataFrame: series + secret is left to the secret
    __hash__ = None  # type: ignore[assignment]

    _session: Runner
    _node: Recorded
    _divisor: Fraction
    """A public number that the recorded value is still to be divided by."""
    _line: Line | None

    # ---- set once by `operators.put_on`, when the package is imported ----

    _namespace: ClassVar[ModuleType]
    __add__: ClassVar[Binary]
    __radd__: ClassVar[Binary]
    __sub__: ClassVar[Binary]
    __rsub__: ClassVar[Binary]
    __mul__: ClassVar[Binary]
    __rmul__: ClassVar[Binary]
    __truediv__: ClassVar[Binary]
    __rtruediv__: ClassVar[Binary]
    __floordiv__: ClassVar[Binary]
    __rfloordiv__: ClassVar[Binary]
    __mod__: ClassVar[Binary]
    __rmod__: ClassVar[Binary]
    __pow__: ClassVar[Binary]
    __rpow__: ClassVar[Binary]
    __matmul__: ClassVar[Binary]
    __rmatmul__: ClassVar[Binary]
    __lt__: ClassVar[Binary]
    __le__: ClassVar[Binary]
    __gt__: ClassVar[Binary]
    __ge__: ClassVar[Binary]
    __eq__: ClassVar[Binary]  # type: ignore[assignment]
    __ne__: ClassVar[Binary]  # type: ignore[assignment]
    __and__: ClassVar[Binary]
    __rand__: ClassVar[Binary]
    __or__: ClassVar[Binary]
    __ror__: ClassVar[Binary]
    __xor__: ClassVar[Binary]
    __rxor__: ClassVar[Binary]
    __neg__: ClassVar[Unary]
    __pos__: ClassVar[Unary]
    __abs__: ClassVar[Unary]
    __invert__: ClassVar[Unary]
    sum: ClassVar[ReductionMethod]
    mean: ClassVar[ReductionMethod]
    var: ClassVar[VarianceMethod]
    std: ClassVar[VarianceMethod]
    min: ClassVar[ReductionMethod]
    max: ClassVar[ReductionMethod]
    any: ClassVar[ReductionMethod]
    all: ClassVar[ReductionMethod]
    astype: ClassVar[Binary]
    reveal: ClassVar[Callable[..., Any]]
    persist: ClassVar[Unary]
    explain: ClassVar[Callable[[Any], Explanation]]
    __array_ufunc__: ClassVar[Callable[..., Any] | None]
    __array_function__: ClassVar[Callable[..., Any]]

    def __new__(cls, *args: object, **kwargs: object) -> SecretArray:
        raise TypeError("a SecretArray is not built by hand; use session.share(values, bounds=...)")

    @classmethod
    def _new(cls, session: Runner, node: Recorded, divisor: Fraction = ONE, line: Line | None = None) -> SecretArray:
        if not isinstance(node, Recorded):
            raise TypeError(f"a SecretArray holds a recorded value, not {type(node).__name__}")
        if divisor != 1 and node.type.magnitude >= abs(divisor) * LARGEST * (1 << node.type.frac_bits):
            raise PlanError(f"{node.type}, divided by a public number, may be more than the largest float64")
        self = object.__new__(cls)
        self._session = session
        self._node = node
        self._divisor = divisor
        self._line = line
        return self

    # ---- for models and other code on top ----

    @property
    def node(self) -> Recorded:
        """The recorded value, what it is still to be divided by taken in."""
        return self._resolved()

    def like(self, node: Recorded) -> SecretArray:
        """Another recorded value of the same session as a secret array."""
        return SecretArray._new(self._session, node)

    # ---- what other kinds of arrays (decimals, nullable, dates) replace ----

    _precedence: ClassVar[int] = 0
    """Of several kinds beside each other, that with the highest is asked first for an own way."""

    @classmethod
    def _own_way(cls, function: Any) -> Callable[..., SecretArray | None] | None:
        """What this kind does in place of a function of the namespace: called with the same arguments, it gives the
        result, or None where the kind has no own way for them. None if it has none at all."""
        return None

    def _takes(self, value: Any) -> bool:
        """Whether a value may stand beside this one."""
        return is_operand(value)

    @property
    def _type(self) -> Type:
        return self._node.type

    def _plain(self) -> SecretArray:
        """The numbers alone."""
        return self

    def _again(self, numbers: SecretArray) -> SecretArray:
        """An array of this kind on other numbers."""
        return numbers

    def _truth(self) -> SecretArray:
        """As a condition."""
        return self

    def _resolved(self) -> Recorded:
        """The recorded value as arithmetic takes it: what it is still to be divided by is taken in."""
        found = quotients.resolved(Quotient(self._node, self._divisor))
        assert isinstance(found, Recorded)
        return found

    def _moved(self, move: Callable[[Recorded], Recorded]) -> SecretArray:
        """Elements moved; a pending divisor stays pending."""
        line = None if self._line is None else self._line.moved(move)
        return SecretArray._new(self._session, move(self._node), self._divisor, line)

    def _parts(self) -> tuple[SecretArray, ...]:
        """The plain arrays that are revealed, or kept, for this one."""
        return (self._plain(),)

    def _composed(self, found: Sequence[NDArray[Any]]) -> Any:
        """The plain value, from the stored values of `_parts`."""
        return self._decoded(found[0])

    def _rebuilt(self, parts: Sequence[SecretArray]) -> SecretArray:
        """The same array on other shares of its `_parts`."""
        return self._again(parts[0])

    def _decoded(self, stored: NDArray[Any]) -> Any:
        plain = decoded(stored, self._type, self._divisor)
        return plain if plain.dtype == object else plain[()]  # a scalar for no dimensions, as in NumPy

    # ---- public facts ----

    @property
    def shape(self) -> tuple[int, ...]:
        return self._type.shape

    @property
    def ndim(self) -> int:
        return len(self._type.shape)

    @property
    def size(self) -> int:
        return self._type.size

    @property
    def dtype(self) -> DType:
        return dtype_of(self._type, self._divisor)

    @property
    def bounds(self) -> tuple[float, float]:
        """The range that is proven, or assumed, for every element."""
        known = self.dtype.bounds
        if known is None:
            return (0, 1)
        lo, hi = known
        return (int(lo), int(hi)) if lo.denominator == hi.denominator == 1 else (float(lo), float(hi))

    @property
    def frac_bits(self) -> int:
        """Fractional bits that the value is meant to have; 0 for integers and bools."""
        return self.dtype.frac_bits

    @property
    def device(self) -> Runner:
        """The session that the array belongs to."""
        return self._session

    def to_device(self, device: Any, /, *, stream: Any = None) -> SecretArray:
        if device is not self._session:
            raise ValueError("a secret array stays in its session; reveal it, or share its source in the other session")
        return self

    @property
    def T(self) -> SecretArray:
        if self.ndim != 2:
            raise ValueError(f"T is for matrices; this array has {self.ndim} dimensions: use permute_dims or mT")
        return self._moved(lambda x: movement.permute(x, (1, 0)))

    @property
    def mT(self) -> SecretArray:
        if self.ndim < 2:
            raise ValueError(f"mT is for matrices; this array has {self.ndim} dimensions")
        axes = (*range(self.ndim - 2), self.ndim - 1, self.ndim - 2)
        return self._moved(lambda x: movement.permute(x, axes))

    def __repr__(self) -> str:
        pending = "" if self._divisor == 1 else f" / {self._divisor}"
        return f"SecretArray({self._node.type}{pending})"

    def __copy__(self) -> SecretArray:
        # never changed in place, it is as good as its copy
        return self

    def __deepcopy__(self, memo: Any) -> SecretArray:
        return self

    def __array_namespace__(self, *, api_version: str | None = None) -> ModuleType:
        if api_version not in (None, *self._namespace.API_VERSIONS):
            known = self._namespace.API_VERSIONS
            raise ValueError(f"version {api_version} of the array API is not offered; {known} are")
        return self._namespace

    # ---- shape and elements ----

    def reshape(self, *shape: Any) -> SecretArray:
        """The same elements in the same order in another shape; one length may be -1."""
        wanted = shape[0] if len(shape) == 1 and isinstance(shape[0], tuple | list) else shape
        return self._moved(lambda x: movement.reshape(x, movement.full_shape(self.size, wanted)))

    def __getitem__(self, key: Any) -> SecretArray:
        parts = key if isinstance(key, tuple) else (key,)
        if any(isinstance(part, SecretArray) for part in parts):
            self._refuse("takes public indices only", "weigh the elements with secret bools and sum, or tc.where")
        return self._moved(lambda x: movement.index(x, key))

    def __len__(self) -> int:
        if not self.ndim:
            raise TypeError("an array of 0 dimensions has no length")
        return self.shape[0]

    def __iter__(self) -> Iterator[SecretArray]:
        if not self.ndim:
            raise TypeError("an array of 0 dimensions cannot be iterated over")
        return (self[at] for at in range(self.shape[0]))


# ---- operands ----


def is_operand(value: Any) -> bool:
    """Whether a value may stand beside a secret array: another one, or public numbers."""
    known = isinstance(value, SecretArray | int | float | np.generic | np.ndarray | list | tuple)
    return known or (hasattr(value, "__array__") and not isinstance(value, str | bytes))


def operand(value: Any) -> Operand:
    """A recorded value, its pending divisor resolved; or a public array."""
    return value._resolved() if isinstance(value, SecretArray) else public_array(value)


def as_quotient(value: Any) -> Value:
    """A recorded value beside what it is still to be divided by; or a public array."""
    if not isinstance(value, SecretArray):
        return public_array(value)
    return Quotient(value._node, value._divisor, value._line)


def session_of(*values: Any) -> Runner:
    """The session of the secret arrays among the values. ValueError if they are of several, TypeError if of none."""
    sessions = [value._session for value in values if isinstance(value, SecretArray)]
    if not sessions:
        raise TypeError("none of the arguments is a secret array; make one with session.share(values, bounds=...)")
    if any(session is not sessions[0] for session in sessions):
        raise ValueError("secret arrays of different sessions do not meet; share both in one session")
    return sessions[0]


def apply(function: Callable[..., Recorded], *values: Any) -> SecretArray:
    """function(operands) as a secret array."""
    return SecretArray._new(session_of(*values), function(*map(operand, values)))


def exactly(function: Callable[..., Recorded | Quotient], *values: Any) -> SecretArray:
    """function(values) as a secret array, for functions that take quotients as they are."""
    session = session_of(*values)
    found = function(*map(as_quotient, values))
    if isinstance(found, Recorded):
        return SecretArray._new(session, found)
    return SecretArray._new(session, found.node, found.divisor, found.line)


def shape_of(value: Any) -> tuple[int, ...]:
    return value.shape if isinstance(value, SecretArray) else np.shape(value)


def pending(session: Runner, node: Recorded, divisor: Fraction, line: Line | None = None) -> SecretArray:
    """A quotient that is left to be divided; by 1, the same in fixed point."""
    frac, nominal = node.type.frac_bits, node.type.nominal
    if divisor == 1 and nominal < DEFAULT_FRAC_BITS:
        node = numbers.as_fixed(node, DEFAULT_FRAC_BITS)
    elif nominal < min(frac, DEFAULT_FRAC_BITS):
        node = renamed(node, frac, min(frac, DEFAULT_FRAC_BITS))  # what its dtype says is not rescaled away
    return SecretArray._new(session, node, divisor, line)
