"""The operators and methods of `SecretArray`: each is a function of the namespace, put on the class by one table."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any

from numpy.typing import NDArray

from tercet.array import conversion, elementwise, linalg, results, statistics
from tercet.array.core import Binary, SecretArray, Unary
from tercet.array.numpy_protocol import function_call, ufunc_call
from tercet.plan.record.explain import Explanation

_UNARY: dict[str, Unary] = {
    "neg": elementwise.negative,
    "pos": elementwise.positive,
    "abs": elementwise.abs,
    "invert": elementwise.logical_not,
}
_BINARY: dict[str, Binary] = {
    "add": elementwise.add,
    "sub": elementwise.subtract,
    "mul": elementwise.multiply,
    "truediv": elementwise.divide,
    "floordiv": elementwise.floor_divide,
    "mod": elementwise.remainder,
    "pow": elementwise.pow,
    "matmul": linalg.matmul,
    "and": elementwise.logical_and,
    "or": elementwise.logical_or,
    "xor": elementwise.logical_xor,
}
"""Each also with the operands exchanged, as `__radd__` is called for `1 + x`."""
_COMPARISONS: dict[str, Binary] = {
    "lt": elementwise.less,
    "le": elementwise.less_equal,
    "gt": elementwise.greater,
    "ge": elementwise.greater_equal,
    "eq": elementwise.equal,
    "ne": elementwise.not_equal,
}


def put_on(cls: type[SecretArray], namespace: ModuleType) -> None:
    """Give the class its operators and methods, and the namespace that it belongs to.

    `tercet.array` calls it once, when it is imported: functions are made of the class, and the operators of functions.
    """
    cls._namespace = namespace
    for name, unary in _UNARY.items():
        _put(cls, f"__{name}__", _unary(unary))
    for name, binary in (*_BINARY.items(), *_COMPARISONS.items()):
        _put(cls, f"__{name}__", _binary(binary))
    for name, binary in _BINARY.items():
        _put(cls, f"__r{name}__", _exchanged(binary))
    for name, method in _METHODS.items():
        _put(cls, name, method)


def _put(cls: type[SecretArray], name: str, function: Any) -> None:
    function.__name__, function.__qualname__ = name, f"{cls.__name__}.{name}"
    setattr(cls, name, function)


def _unary(function: Unary) -> Unary:
    return lambda x: function(x)


def _binary(function: Binary) -> Binary:
    compared = function in (elementwise.equal, elementwise.not_equal)

    def operator(x: SecretArray, other: Any) -> SecretArray:
        return function(x, other) if x._takes(other) else x._beside(other, compared=compared)

    return operator


def _exchanged(function: Binary) -> Binary:
    def operator(x: SecretArray, other: Any) -> SecretArray:
        return function(other, x) if x._takes(other) else x._beside(other, compared=False)

    return operator


# ---- methods, as NumPy users expect them ----


def _sum(self: SecretArray, axis: Any = None, *, keepdims: bool = False) -> SecretArray:
    """The sum over axes; bools are counted."""
    return statistics.sum(self, axis=axis, keepdims=keepdims)


def _mean(self: SecretArray, axis: Any = None, *, keepdims: bool = False) -> SecretArray:
    """The exact sum, to be divided by the public count when it is revealed or used."""
    return statistics.mean(self, axis=axis, keepdims=keepdims)


def _var(self: SecretArray, axis: Any = None, *, ddof: float = 0, keepdims: bool = False) -> SecretArray:
    """The variance, exact when revealed; `ddof=1` for that of a sample, as in NumPy."""
    return statistics.var(self, axis=axis, correction=ddof, keepdims=keepdims)


def _std(self: SecretArray, axis: Any = None, *, ddof: float = 0, keepdims: bool = False) -> SecretArray:
    """The standard deviation, to be revealed only: its root is taken where it becomes plain."""
    return statistics.std(self, axis=axis, correction=ddof, keepdims=keepdims)


def _min(self: SecretArray, axis: Any = None, *, keepdims: bool = False) -> SecretArray:
    """The least element over axes."""
    return statistics.min(self, axis=axis, keepdims=keepdims)


def _max(self: SecretArray, axis: Any = None, *, keepdims: bool = False) -> SecretArray:
    """The greatest element over axes."""
    return statistics.max(self, axis=axis, keepdims=keepdims)


def _any(self: SecretArray, axis: Any = None, *, keepdims: bool = False) -> SecretArray:
    """Whether one element at least is true, over axes."""
    return statistics.any(self, axis=axis, keepdims=keepdims)


def _all(self: SecretArray, axis: Any = None, *, keepdims: bool = False) -> SecretArray:
    """Whether all elements are true, over axes."""
    return statistics.all(self, axis=axis, keepdims=keepdims)


def _astype(self: SecretArray, dtype: Any) -> SecretArray:
    """As another type; see `tercet.array.astype`."""
    return conversion.astype(self, dtype)


def _reveal(self: SecretArray, *, checked: bool | None = None) -> NDArray[Any]:
    """Run what is needed and make this value plain; NumPy. See `tercet.reveal` for several at once."""
    result: NDArray[Any] = results.reveal(self, checked=checked)
    return result


def _persist(self: SecretArray) -> SecretArray:
    """Run what is needed and keep the result as shares at the parties, for later plans."""
    return results.persist(self)[0]


def _explain(self: SecretArray) -> Explanation:
    """What revealing this value costs and shows to whom; nothing runs."""
    return results.explain(self)


def _ufunc(self: SecretArray, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
    return ufunc_call(ufunc, method, inputs, kwargs)


def _function(self: SecretArray, func: Any, types: Any, args: Any, kwargs: Any) -> Any:
    return function_call(func, args, kwargs)


_METHODS: dict[str, Callable[..., Any]] = {
    "sum": _sum,
    "mean": _mean,
    "var": _var,
    "std": _std,
    "min": _min,
    "max": _max,
    "any": _any,
    "all": _all,
    "astype": _astype,
    "reveal": _reveal,
    "persist": _persist,
    "explain": _explain,
    "__array_ufunc__": _ufunc,
    "__array_function__": _function,
}
