"""SecretArray: an expression on secret values; using it records, only reveal and persist run."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from fractions import Fraction
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tercet.array import movement, numbers, operators
from tercet.array.decode import decoded
from tercet.array.dtypes import DType, dtype_of
from tercet.array.refusals import Refusals
from tercet.array.runner import Runner
from tercet.plan import build, logic
from tercet.plan.build import Operand
from tercet.plan.divide import divide
from tercet.plan.graph import Node
from tercet.plan.public import DEFAULT_FRAC_BITS, public_array
from tercet.plan.types import Kind, Type

if TYPE_CHECKING:
    from tercet.plan.explain import Explanation

ONE = Fraction(1)


class SecretArray(Refusals):
    """An array of which the parties hold shares, or an expression on such arrays that has not run.

    Made by a session's `share`, and by operations on other secret arrays; it cannot be built by hand and never turns
    plain by itself. It follows the Python array API standard and NumPy's protocols; NumPy arrays and Python numbers
    beside it are public operands. `_divisor` is a public number that the value is still to be divided by: revealing
    divides exactly, any other use multiplies by its reciprocal first.
    """

    __slots__ = ("__weakref__", "_divisor", "_node", "_session")
    __array_priority__ = 1000
    __pandas_priority__ = 5000  # above DataFrame: series + secret is left to the secret
    __hash__ = None  # type: ignore[assignment]

    _session: Runner
    _node: Node
    _divisor: Fraction

    def __new__(cls, *args: object, **kwargs: object) -> SecretArray:
        raise TypeError("a SecretArray is not built by hand; use session.share(values, bounds=...)")

    @classmethod
    def _new(cls, session: Runner, node: Node, divisor: Fraction = ONE) -> SecretArray:
        if not isinstance(node, Node):
            raise TypeError(f"a SecretArray holds a recorded value, not {type(node).__name__}")
        self = object.__new__(cls)
        self._session = session
        self._node = node
        self._divisor = divisor
        return self

    # ---- for models and other code on top ----

    @property
    def node(self) -> Node:
        """The recorded value, what it is still to be divided by taken in."""
        found = operand(self)
        assert isinstance(found, Node)
        return found

    def like(self, node: Node) -> SecretArray:
        """Another recorded value of the same session as a secret array."""
        return SecretArray._new(self._session, node)

    # ---- what arrays with a meaning have in their own way (`tercet.array.meant`) ----

    @property
    def _type(self) -> Type:
        return self._node.type

    def _plain(self) -> SecretArray:
        """The numbers alone."""
        return self

    def _again(self, numbers: SecretArray) -> SecretArray:
        """Other numbers, with the same meaning."""
        return numbers

    def _chosen(self, condition: Any, x1: Any, x2: Any) -> SecretArray | None:
        """What `where` gives for this array and another value; None where numbers are chosen."""
        return None

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
        import tercet.array as namespace

        if api_version not in (None, *namespace.API_VERSIONS):
            raise ValueError(f"version {api_version} of the array API is not offered; {namespace.API_VERSIONS} are")
        return namespace

    # ---- becoming plain, or staying shared ----

    def reveal(self, *, checked: bool | None = None) -> NDArray[Any]:
        """Run what is needed and make this value plain; NumPy. See `tercet.reveal` for several at once."""
        from tercet.array.results import reveal

        result: NDArray[Any] = reveal(self, checked=checked)
        return result

    def persist(self) -> SecretArray:
        """Run what is needed and keep the result as shares at the parties, for later plans."""
        from tercet.array.results import persist

        return persist(self)[0]

    def explain(self) -> Explanation:
        """What revealing this value costs and shows to whom; nothing runs."""
        from tercet.array.results import explain

        return explain(self)

    def _decoded(self, stored: NDArray[Any]) -> NDArray[Any]:
        plain = decoded(stored, self._type, self._divisor)
        return plain if plain.dtype == object else plain[()]  # a scalar for no dimensions, as in NumPy

    # ---- indexing ----

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

    # ---- operators ----

    def _moved(self, move: Callable[[Node], Node]) -> SecretArray:
        """Elements moved; a pending divisor stays pending."""
        return SecretArray._new(self._session, move(self._node), self._divisor)

    def _with(self, function: Callable[[Operand, Operand], Node], other: Any, *, reflected: bool = False) -> Any:
        if not is_operand(other):
            return NotImplemented
        return apply(function, other, self) if reflected else apply(function, self, other)

    def __add__(self, other: Any) -> SecretArray:
        return self._with(operators.add, other)  # type: ignore[no-any-return]

    def __radd__(self, other: Any) -> SecretArray:
        return self._with(operators.add, other, reflected=True)  # type: ignore[no-any-return]

    def __sub__(self, other: Any) -> SecretArray:
        return self._with(operators.subtract, other)  # type: ignore[no-any-return]

    def __rsub__(self, other: Any) -> SecretArray:
        return self._with(operators.subtract, other, reflected=True)  # type: ignore[no-any-return]

    def __mul__(self, other: Any) -> SecretArray:
        return self._with(build.multiply, other)  # type: ignore[no-any-return]

    def __rmul__(self, other: Any) -> SecretArray:
        return self._with(build.multiply, other, reflected=True)  # type: ignore[no-any-return]

    def __truediv__(self, other: Any) -> SecretArray:
        return quotient(self, other) if is_operand(other) else NotImplemented

    def __rtruediv__(self, other: Any) -> SecretArray:
        return quotient(other, self) if is_operand(other) else NotImplemented

    def __floordiv__(self, other: Any) -> SecretArray:
        return floor_quotient(self, other) if is_operand(other) else NotImplemented

    def __rfloordiv__(self, other: Any) -> SecretArray:
        return floor_quotient(other, self) if is_operand(other) else NotImplemented

    def __mod__(self, other: Any) -> SecretArray:
        return floor_quotient(self, other, rest=True) if is_operand(other) else NotImplemented

    def __pow__(self, exponent: Any) -> SecretArray:
        if not is_operand(exponent):
            return NotImplemented
        if isinstance(exponent, SecretArray):
            self._refuse("is no exponent", "exponents are public, small and not negative")
        return apply(lambda x: numbers.power(x, numbers.whole(exponent)), self)

    def __rpow__(self, base: Any) -> SecretArray:
        self._refuse("is no exponent", "exponents are public, small and not negative")

    def __matmul__(self, other: Any) -> SecretArray:
        return matmul(self, other) if is_operand(other) else NotImplemented

    def __rmatmul__(self, other: Any) -> SecretArray:
        return matmul(other, self) if is_operand(other) else NotImplemented

    def __neg__(self) -> SecretArray:
        return SecretArray._new(self._session, build.negate(self._node), self._divisor)

    def __pos__(self) -> SecretArray:
        return SecretArray._new(self._session, build.number(self._node), self._divisor)

    def __abs__(self) -> SecretArray:
        return apply(logic.absolute, self)

    def __lt__(self, other: Any) -> SecretArray:
        return self._with(logic.less, other)  # type: ignore[no-any-return]

    def __le__(self, other: Any) -> SecretArray:
        return self._with(logic.less_equal, other)  # type: ignore[no-any-return]

    def __gt__(self, other: Any) -> SecretArray:
        return self._with(operators.greater, other)  # type: ignore[no-any-return]

    def __ge__(self, other: Any) -> SecretArray:
        return self._with(operators.greater_equal, other)  # type: ignore[no-any-return]

    def __eq__(self, other: Any) -> SecretArray:  # type: ignore[override]
        return self._with(logic.equal, other)  # type: ignore[no-any-return]

    def __ne__(self, other: Any) -> SecretArray:  # type: ignore[override]
        return self._with(operators.not_equal, other)  # type: ignore[no-any-return]

    def __and__(self, other: Any) -> SecretArray:
        return self._with(operators.logical_and, other)  # type: ignore[no-any-return]

    def __rand__(self, other: Any) -> SecretArray:
        return self._with(operators.logical_and, other, reflected=True)  # type: ignore[no-any-return]

    def __or__(self, other: Any) -> SecretArray:
        return self._with(operators.logical_or, other)  # type: ignore[no-any-return]

    def __ror__(self, other: Any) -> SecretArray:
        return self._with(operators.logical_or, other, reflected=True)  # type: ignore[no-any-return]

    def __xor__(self, other: Any) -> SecretArray:
        return self._with(operators.logical_xor, other)  # type: ignore[no-any-return]

    def __rxor__(self, other: Any) -> SecretArray:
        return self._with(operators.logical_xor, other, reflected=True)  # type: ignore[no-any-return]

    def __invert__(self) -> SecretArray:
        return apply(operators.logical_not, self)

    # ---- NumPy's protocols ----

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
        from tercet.array.numpy_protocol import ufunc_call

        return ufunc_call(ufunc, method, inputs, kwargs)

    def __array_function__(self, func: Any, types: Any, args: Any, kwargs: Any) -> Any:
        from tercet.array.numpy_protocol import function_call

        return function_call(func, args, kwargs)

    # ---- methods that NumPy users expect ----

    def sum(self, axis: Any = None, *, keepdims: bool = False) -> SecretArray:
        from tercet.array import statistics

        return statistics.sum(self, axis=axis, keepdims=keepdims)

    def mean(self, axis: Any = None, *, keepdims: bool = False) -> SecretArray:
        """The exact sum, to be divided by the public count when it is revealed or used."""
        from tercet.array import statistics

        return statistics.mean(self, axis=axis, keepdims=keepdims)

    def var(self, axis: Any = None, *, ddof: float = 0, keepdims: bool = False) -> SecretArray:
        """The variance, exact when revealed; `ddof=1` for that of a sample, as in NumPy."""
        from tercet.array import statistics

        return statistics.var(self, axis=axis, correction=ddof, keepdims=keepdims)

    def std(self, axis: Any = None, *, ddof: float = 0, keepdims: bool = False) -> SecretArray:
        """The standard deviation, to be revealed only: its root is taken where it becomes plain."""
        from tercet.array import statistics

        return statistics.std(self, axis=axis, correction=ddof, keepdims=keepdims)

    def min(self, axis: Any = None, *, keepdims: bool = False) -> SecretArray:
        from tercet.array import statistics

        return statistics.min(self, axis=axis, keepdims=keepdims)

    def max(self, axis: Any = None, *, keepdims: bool = False) -> SecretArray:
        from tercet.array import statistics

        return statistics.max(self, axis=axis, keepdims=keepdims)

    def any(self, axis: Any = None, *, keepdims: bool = False) -> SecretArray:
        from tercet.array import statistics

        return statistics.any(self, axis=axis, keepdims=keepdims)

    def all(self, axis: Any = None, *, keepdims: bool = False) -> SecretArray:
        from tercet.array import statistics

        return statistics.all(self, axis=axis, keepdims=keepdims)

    def reshape(self, *shape: Any) -> SecretArray:
        wanted = shape[0] if len(shape) == 1 and isinstance(shape[0], tuple | list) else shape
        return self._moved(lambda x: movement.reshape(x, movement.full_shape(self.size, wanted)))

    def astype(self, dtype: Any) -> SecretArray:
        from tercet.array.conversion import astype

        return astype(self, dtype)


# ---- operands ----


def is_operand(value: Any) -> bool:
    """Whether a value may stand beside a secret array: another one, or public numbers."""
    if isinstance(value, SecretArray | int | float | np.generic | np.ndarray | list | tuple):
        return True
    return hasattr(value, "__array__") and not isinstance(value, str | bytes)


def operand(value: Any) -> Operand:
    """A recorded value, its pending divisor resolved; or a public array."""
    if isinstance(value, SecretArray):
        return value._node if value._divisor == 1 else numbers.over(value._node, value._divisor)
    return public_array(value)


def session_of(*values: Any) -> Runner:
    """The session of the secret arrays among the values. ValueError if they are of several, TypeError if of none."""
    sessions = [value._session for value in values if isinstance(value, SecretArray)]
    if not sessions:
        raise TypeError("none of the arguments is a secret array; make one with session.share(values, bounds=...)")
    if any(session is not sessions[0] for session in sessions):
        raise ValueError("secret arrays of different sessions do not meet; share both in one session")
    return sessions[0]


def apply(function: Callable[..., Node], *values: Any) -> SecretArray:
    """function(operands) as a secret array."""
    session = session_of(*values)
    return SecretArray._new(session, function(*(operand(value) for value in values)))


def shape_of(value: Any) -> tuple[int, ...]:
    return value.shape if isinstance(value, SecretArray) else np.shape(value)


# ---- operators that are more than one recorded operation ----


def _scalar(value: Any) -> Fraction | None:
    """A public number as an exact fraction; None for arrays of one dimension or more."""
    public = public_array(value)
    return None if public.ndim else Fraction(public.item())


def quotient(a: Any, b: Any) -> SecretArray:
    """a / b: by a public number exactly when revealed; by public arrays through reciprocals; by secrets by division."""
    if isinstance(b, SecretArray):
        return apply(lambda x, y: divide(x, y), a, b)
    divisor = _scalar(b)
    if divisor is not None:
        if not divisor:
            raise ZeroDivisionError("a secret array is divided by 0")
        return pending(a._session, build.number(a._node), a._divisor * divisor)
    public = public_array(b)
    if (public == 0).any():
        raise ZeroDivisionError("a secret array is divided by an array that holds 0")
    with np.errstate(all="ignore"):
        return apply(build.multiply, a, 1 / public.astype(np.float64))


def pending(session: Runner, node: Node, divisor: Fraction) -> SecretArray:
    """A quotient that is left to be divided; of integers by 1, the same in fixed point."""
    if divisor == 1 and node.type.kind is Kind.INT:
        node = numbers.as_fixed(node, DEFAULT_FRAC_BITS)
    return SecretArray._new(session, node, divisor)


def floor_quotient(a: Any, b: Any, *, rest: bool = False) -> SecretArray:
    """a // b for a public number b, or what is left by it; exact."""
    if isinstance(b, SecretArray):
        raise TypeError("a secret is floor-divided by public numbers only; use tc.divide for secret divisors")
    divisor = _scalar(b)
    if divisor is None:
        raise TypeError("a secret is floor-divided by one public number, not by an array")
    if not divisor:
        raise ZeroDivisionError("a secret array is divided by 0")
    assert isinstance(a, SecretArray)
    if rest:
        return SecretArray._new(a._session, numbers.remainder(a.node, divisor))
    return SecretArray._new(a._session, numbers.floor_divide(a._node, divisor * a._divisor))


def matmul(a: Any, b: Any) -> SecretArray:
    """a @ b with NumPy's rules for arrays of one dimension and stacks of matrices."""
    first, second = shape_of(a), shape_of(b)
    if not first or not second:
        raise ValueError("matmul takes arrays of one dimension or more")
    inner = second[-2] if len(second) > 1 else second[0]
    if first[-1] != inner:
        raise ValueError(f"shapes {first} and {second} do not multiply")

    def product(x: Operand, y: Operand) -> Node:
        x = _reshaped(x, (1, *first)) if len(first) == 1 else x
        y = _reshaped(y, (*second, 1)) if len(second) == 1 else y
        result = build.matmul(x, y)
        shape = list(result.type.shape)
        if len(second) == 1:
            del shape[-1]
        if len(first) == 1:
            del shape[-1 if len(second) == 1 else -2]
        return movement.reshape(result, tuple(shape))

    return apply(product, a, b)


def _reshaped(x: Operand, shape: tuple[int, ...]) -> Operand:
    return movement.reshape(x, shape) if isinstance(x, Node) else x.reshape(shape)
