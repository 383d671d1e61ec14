"""SecretArray, an expression on secret values: its operators, methods and refusals, and how functions record one."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal
from fractions import Fraction
from numbers import Number
from types import ModuleType
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn

import numpy as np
from numpy.typing import NDArray

from tercet.array import movement, numbers, quotients
from tercet.array.dtypes import DType, decoded, dtype_of
from tercet.array.instead import said_of_method
from tercet.array.lines import Line
from tercet.array.quotients import Quotient, Value
from tercet.array.runner import Runner
from tercet.errors import PlanError
from tercet.plan.record import validity
from tercet.plan.record.build import Operand
from tercet.plan.record.explain import Explanation
from tercet.plan.record.graph import Recorded
from tercet.plan.record.public import DEFAULT_FRAC_BITS, public_array
from tercet.plan.record.scale import renamed
from tercet.plan.types import Type

ONE = Fraction(1)
LARGEST = 1 << 1023


Unary = Callable[[Any], "SecretArray"]
Binary = Callable[[Any, Any], "SecretArray"]


# ---- operators and refusals as the class lists them ----


def _unary(name: str) -> Unary:
    """An operator that is a function of the namespace."""
    return lambda x: x._given_to(name)


def _comparison(name: str) -> Binary:
    """The same of two operands."""
    compared = name in ("equal", "not_equal")

    def operator(x: SecretArray, other: Any) -> Any:
        return getattr(x._namespace, name)(x, other) if x._takes(other) else x._beside(other, compared=compared)

    return operator


def _binary(name: str) -> tuple[Binary, Binary]:
    """The same, and with the operands exchanged, as `__radd__` is called for `1 + x`."""

    def exchanged(x: SecretArray, other: Any) -> Any:
        return getattr(x._namespace, name)(other, x) if x._takes(other) else x._beside(other)

    return _comparison(name), exchanged


def _reduction(name: str, what: str) -> Callable[..., SecretArray]:
    """A method that is a function of the namespace, over all axes or those given, and where bools choose."""

    def method(self: SecretArray, axis: Any = None, *, keepdims: bool = False, where: Any = True) -> SecretArray:
        return self._given_to(name, axis=axis, keepdims=keepdims, where=where)

    method.__name__, method.__qualname__, method.__doc__ = name, f"SecretArray.{name}", what
    return method


def _refused(what: str, instead: str) -> Callable[..., Any]:
    """A special method that a secret array does not have: TypeError with the way that leads on."""
    return lambda x, *args, **kwargs: x._refuse(what, instead)


class SecretArray:
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

    _namespace: ClassVar[ModuleType]
    _numpy_protocol: ClassVar[ModuleType]
    """`tercet.array` sets both once, when it is imported: functions need the class, and operators functions."""

    def __new__(cls, *args: object, **kwargs: object) -> SecretArray:
        raise TypeError("a SecretArray is not built by hand; use session.share(values, bounds=...)")

    # ---- for models and other code on top ----

    @property
    def node(self) -> Recorded:
        """The recorded value as arithmetic takes it: what it is still to be divided by is taken in."""
        found = quotients.resolved(Quotient(self.undivided, self._divisor))
        assert isinstance(found, Recorded)
        return found

    @property
    def undivided(self) -> Recorded:
        """The recorded value before it is divided by `divisor`."""
        return self._node

    @property
    def divisor(self) -> Fraction:
        """The public number that `undivided` is still to be divided by; 1 for most arrays."""
        return self._divisor

    def like(self, node: Recorded, divisor: Fraction = ONE, line: Line | None = None) -> SecretArray:
        """Another recorded value of the same session as a secret array; see `secret_array`."""
        return secret_array(self._session, node, divisor, line)

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
        return self.undivided.type

    def _plain(self) -> SecretArray:
        """The numbers alone."""
        return self

    def _again(self, numbers: SecretArray) -> SecretArray:
        """An array of this kind on other numbers."""
        return numbers

    def _truth(self) -> SecretArray:
        """As a condition."""
        return self

    def _ranked(self, *, ordered: bool = True) -> tuple[SecretArray, SecretArray | None]:
        """The numbers by which elements are ordered, or, not `ordered`, told apart; and where there are any, None for
        everywhere."""
        return self, None

    def _elements(self, numbers: SecretArray, there: SecretArray | None = None) -> SecretArray:
        """The elements that have these of such numbers, or lie between them, where there are any."""
        return self._again(numbers)

    def _with_gaps(self, numbers: SecretArray, there: SecretArray | None) -> SecretArray:
        """Plain numbers about elements, missing where there are none."""
        return numbers

    def _coded(self, value: Any) -> Any:
        """What a value beside this array is among such numbers."""
        return value

    def _named(self, numbers: NDArray[Any]) -> NDArray[Any]:
        """What public ones of such numbers stand for."""
        return numbers

    def _meaning(self) -> SecretArray | None:
        """Where it means something, as secret bools; None for everywhere. See `tercet.valid`."""
        found = validity.meaning(self.undivided)
        return None if found is None else self.like(found)

    def _moved(self, move: Callable[[Recorded], Recorded]) -> SecretArray:
        """Elements moved; a pending divisor stays pending."""
        line = None if self._line is None else self._line.moved(move)
        return self.like(move(self.undivided), self._divisor, line)

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

    # ---- operators and methods: each is a function of the namespace, as NumPy users expect them ----

    __neg__ = _unary("negative")
    __pos__ = _unary("positive")
    __abs__ = _unary("abs")
    __invert__ = _unary("logical_not")
    __add__, __radd__ = _binary("add")
    __sub__, __rsub__ = _binary("subtract")
    __mul__, __rmul__ = _binary("multiply")
    __truediv__, __rtruediv__ = _binary("divide")
    __floordiv__, __rfloordiv__ = _binary("floor_divide")
    __mod__, __rmod__ = _binary("remainder")
    __divmod__, __rdivmod__ = _binary("divmod")
    _power, __rpow__ = _binary("pow")
    __matmul__, __rmatmul__ = _binary("matmul")
    __and__, __rand__ = _binary("logical_and")
    __or__, __ror__ = _binary("logical_or")
    __xor__, __rxor__ = _binary("logical_xor")
    __lt__, __le__ = _comparison("less"), _comparison("less_equal")
    __gt__, __ge__ = _comparison("greater"), _comparison("greater_equal")
    __eq__ = _comparison("equal")  # type: ignore[assignment]
    __ne__ = _comparison("not_equal")  # type: ignore[assignment]

    def __pow__(self, exponent: Any, modulus: Any = None) -> Any:
        if modulus is not None:
            self._refuse("takes no modulus in pow", "(x ** y) % modulus is the remainder of the whole power")
        return self._power(exponent)

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
        return self._numpy_protocol.ufunc_call(ufunc, method, inputs, kwargs)

    def __array_function__(self, func: Any, types: Any, args: Any, kwargs: Any) -> Any:
        return self._numpy_protocol.function_call(func, args, kwargs)

    sum = _reduction("sum", "The sum over axes; bools are counted.")
    mean = _reduction("mean", "The exact sum, to be divided by the public count when it is revealed or used.")
    min = _reduction("min", "The least element over axes.")
    max = _reduction("max", "The greatest element over axes.")
    any = _reduction("any", "Whether one element at least is true, over axes.")
    all = _reduction("all", "Whether all elements are true, over axes.")

    def var(self, axis: Any = None, *, ddof: float = 0, keepdims: bool = False, where: Any = True) -> SecretArray:
        """The variance, exact when revealed; `ddof=1` for that of a sample, as in NumPy."""
        return self._given_to("var", axis=axis, correction=ddof, keepdims=keepdims, where=where)

    def std(self, axis: Any = None, *, ddof: float = 0, keepdims: bool = False, where: Any = True) -> SecretArray:
        """The standard deviation, exact when revealed; `ddof=1` for that of a sample."""
        return self._given_to("std", axis=axis, correction=ddof, keepdims=keepdims, where=where)

    def astype(self, dtype: Any) -> SecretArray:
        """As another type; see `tercet.array.astype`."""
        return self._given_to("astype", dtype)

    def reveal(self, *, checked: bool | None = None) -> NDArray[Any]:
        """Run what is needed and make this value plain; NumPy. See `tercet.reveal` for several at once."""
        plain: NDArray[Any] = self._namespace.reveal(self, checked=checked)
        return plain

    def persist(self) -> SecretArray:
        """Run what is needed and keep the result as shares at the parties, for later plans."""
        kept: SecretArray = self._namespace.persist(self)[0]
        return kept

    def explain(self) -> Explanation:
        """What revealing this value costs and shows to whom; nothing runs."""
        explanation: Explanation = self._namespace.explain(self)
        return explanation

    # ---- public facts ----

    @property
    def shape(self) -> tuple[int, ...]:
        return self._type.shape

    @property
    def ndim(self) -> int:
        return len(self.shape)

    @property
    def size(self) -> int:
        return math.prod(self.shape)

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
        return f"SecretArray({self.undivided.type}{pending})"

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
            self._refuse(
                "takes public indices only",
                "weigh the elements with secret bools and sum, or tc.where; tercet.array.take reads at secret places",
            )
        return self._moved(lambda x: movement.index(x, key))

    def __len__(self) -> int:
        if not self.ndim:
            raise TypeError("an array of 0 dimensions has no length")
        return self.shape[0]

    def __iter__(self) -> Iterator[SecretArray]:
        if not self.ndim:
            raise TypeError("an array of 0 dimensions cannot be iterated over")
        return (self[at] for at in range(self.shape[0]))

    def _given_to(self, name: str, *values: Any, **options: Any) -> SecretArray:
        """What a function of the namespace gives."""
        found: SecretArray = getattr(self._namespace, name)(self, *values, **options)
        return found

    # ---- what it does not do, and what to do instead ----

    def _refuse(self, what: str, instead: str) -> NoReturn:
        raise TypeError(f"a secret array {what}; {instead}")

    def _beside(self, other: Any, *, compared: bool = False) -> Any:
        """What is said of an operand that is no number here: TypeError, or NotImplemented, which asks the other side.

        == and != never ask on: without an answer, Python would compare identities, and one plain False would stand
        for every element. None alone is nothing, as everywhere in Python.
        """
        if isinstance(other, Number | Decimal):
            self._refuse(f"takes no {type(other).__name__} beside it", "convert it with float()")
        if compared and other is not None:
            self._refuse(f"compares with numbers, not with {type(other).__name__}", "pass ints, floats or arrays")
        return NotImplemented

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> NoReturn:
            said = said_of_method(name, getattr(self._namespace, "__all__", ()))
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}{said}")

    __bool__ = _refused(
        "has no truth value here", "choose with tc.where(condition, a, b), combine with & | ~, or reveal() it first"
    )
    __float__ = _refused("is no float here", "reveal() it first")
    __int__ = _refused("is no int here", "reveal() it first")
    __complex__ = _refused("is no complex number here", "reveal() it first")
    __index__ = _refused("is no index", "indices are public: choose with tc.where, or reveal() it first")
    __array__ = _refused(
        "does not turn into a NumPy array by itself",
        "reveal() it, or use NumPy's functions, tercet.special and tercet.stats (SciPy's names), tercet.nn (torch's) "
        "and those of its __array_namespace__(); tercet.array.lookup(table, x) reads a plain table at secret places; "
        "beside a pandas table write table.to_numpy() @ x",
    )
    __dlpack__ = _refused("has no memory that can be exported", "reveal() it first")
    __dlpack_device__ = __dlpack__
    __reduce_ex__ = _refused("is not pickled", "persist() it in its session")
    __round__ = _refused("is not rounded by round()", "use tercet.array.round, floor or ceil, or reveal() it first")
    __contains__ = _refused("answers no membership question here", "use tercet.array.any(x == value)")
    __setitem__ = _refused(
        "is never changed in place", "build the new array: tc.where(public_mask, value, x), or concat of its parts"
    )

    def __format__(self, spec: str) -> str:
        if spec:
            self._refuse(f"has no digits that {spec!r} could format", "reveal() it first")
        return str(self)


def secret_array(session: Runner, node: Recorded, divisor: Fraction = ONE, line: Line | None = None) -> SecretArray:
    """A recorded value of a session as a secret array, still to be divided by a public number; `line` is what it is of
    an array. PlanError if the quotient may be more than the largest float64."""
    if not isinstance(node, Recorded):
        raise TypeError(f"a SecretArray holds a recorded value, not {type(node).__name__}")
    if divisor != 1 and node.type.magnitude >= abs(divisor) * LARGEST * (1 << node.type.frac_bits):
        raise PlanError(f"{node.type}, divided by a public number, may be more than the largest float64")
    made = object.__new__(SecretArray)
    made._session, made._node, made._divisor, made._line = session, node, divisor, line
    return made


# ---- operands ----


def is_operand(value: Any) -> bool:
    """Whether a value may stand beside a secret array: another one, or public numbers."""
    known = isinstance(value, SecretArray | int | float | np.generic | np.ndarray | list | tuple)
    return known or (hasattr(value, "__array__") and not isinstance(value, str | bytes))


def operand(value: Any) -> Operand:
    """A recorded value, its pending divisor resolved; or a public array."""
    return value.node if isinstance(value, SecretArray) else public_array(value)


def held(value: Any) -> Any:
    """The array that a value of another library stands for, as its class's `__tercet_array__` says; another value as it
    is."""
    said = getattr(type(value), "__tercet_array__", None)
    return value if said is None else said(value)


def as_quotient(value: Any) -> Value:
    """A recorded value beside what it is still to be divided by; or a public array."""
    if not isinstance(value, SecretArray):
        return public_array(value)
    return Quotient(value.undivided, value.divisor, value._line)


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
    return secret_array(session_of(*values), function(*map(operand, values)))


def exactly(function: Callable[..., Recorded | Quotient], *values: Any) -> SecretArray:
    """function(values) as a secret array, for functions that take quotients as they are."""
    session = session_of(*values)
    found = function(*map(as_quotient, values))
    if isinstance(found, Recorded):
        return secret_array(session, found)
    return secret_array(session, found.node, found.divisor, found.line)


def shape_of(value: Any) -> tuple[int, ...]:
    return value.shape if isinstance(value, SecretArray) else np.shape(value)


def pending(session: Runner, node: Recorded, divisor: Fraction, line: Line | None = None) -> SecretArray:
    """A quotient that is left to be divided; by 1, the same in fixed point."""
    frac, nominal = node.type.frac_bits, node.type.nominal
    if divisor == 1 and nominal < DEFAULT_FRAC_BITS:
        node = numbers.as_fixed(node, DEFAULT_FRAC_BITS)
    elif nominal < min(frac, DEFAULT_FRAC_BITS):
        node = renamed(node, frac, min(frac, DEFAULT_FRAC_BITS))  # what its dtype says is not rescaled away
    return secret_array(session, node, divisor, line)
