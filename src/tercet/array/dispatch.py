"""The decorator of the namespace's functions: which of three ways a call takes, by the arrays among its arguments."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterable, Mapping
from typing import Any, ParamSpec, TypeVar

import numpy as np

from tercet.array.core import SecretArray
from tercet.array.dtypes import DType
from tercet.plan.types import ValueKind

P = ParamSpec("P")
R = TypeVar("R")

DEVICE = "cpu"
"""Where public arrays are; secret ones are in their session."""
_NUMPY = {ValueKind.BOOL: np.bool_, ValueKind.INT: np.int64, ValueKind.FIXED: np.float64}


def array_function(function: Callable[P, R]) -> Callable[P, R]:
    """A function of the namespace, that records what it does with secret arrays; a list of these counts as secret.

    Called with public arrays only, it is NumPy's function of the same name: code written for any namespace goes on with
    what `zeros`, `isfinite` or `reveal` gave. Called with an array of another kind (decimals, nullable, dates), it does
    what `_own_way` of that kind says, if it says anything.
    """
    return array_function_beside(getattr(np, function.__name__))(function)


def array_function_beside(public: Any) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """As `array_function`, for functions that NumPy lacks: `public` is what is called with public arrays."""
    return functools.partial(_dispatched, public)


def _dispatched(public: Any, function: Callable[P, R]) -> Callable[P, R]:
    name = function.__name__
    first = next(iter(inspect.signature(function).parameters))
    one_array, several = first == "x", first == "arrays"

    @functools.wraps(function)
    def call(*args: P.args, **kwargs: P.kwargs) -> R:
        secret = _secret_among((*args, *kwargs.values()) if kwargs else args)
        if not secret and any(map(_is_public, args)):
            return _in_numpy(public, args, kwargs)  # type: ignore[no-any-return]
        if one_array and args and not isinstance(args[0], SecretArray):
            if _is_public(args[0]) and not isinstance(args[0], list | tuple):
                instead = "; tercet.array.lookup takes secret places of a public table" if name == "take" else ""
                raise TypeError(f"{name} of a public array takes public arguments only, no secret ones{instead}")
            raise TypeError(f"{name} takes an array first, secret or public, not {type(args[0]).__name__}")
        for kind in secret:
            if type(kind) is not SecretArray:
                # a list is refused as an operand, whatever is in it: only functions of several arrays look inside
                found = _own(call, secret if several else (*args, *kwargs.values()), args, kwargs)
                if found is not None:
                    return found  # type: ignore[no-any-return]
                break
        return function(*args, **kwargs)

    return call


def _own(function: Any, values: Iterable[Any], args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
    """The first result of an own way that a kind among the values has, by precedence; None if there is none."""
    kinds = dict.fromkeys(type(value) for value in values if isinstance(value, SecretArray))
    for kind in sorted(kinds, key=lambda kind: -kind._precedence):
        way = kind._own_way(function)
        if way is not None and (found := way(*args, **kwargs)) is not None:
            return found
    return None


def _secret_among(values: tuple[Any, ...]) -> list[SecretArray]:
    """The secret arrays among arguments, and in lists of them."""
    found = []
    for value in values:
        if isinstance(value, SecretArray):
            found.append(value)
        elif isinstance(value, list | tuple):
            found += [one for one in value if isinstance(one, SecretArray)]
    return found


def _is_public(value: object) -> bool:
    """Whether an argument is a public array, or holds some; lists and numbers alone are left to the function."""
    if isinstance(value, list | tuple):
        return any(isinstance(one, np.ndarray | np.generic) for one in value)
    return isinstance(value, np.ndarray | np.generic)


def _in_numpy(public: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
    options = {key: numpy_dtype(value) for key, value in kwargs.items() if key != "device"}
    check_device(kwargs.get("device"))
    return public(*map(numpy_dtype, args), **options)


def numpy_dtype(value: Any, otherwise: Any = None) -> Any:
    """What NumPy has for one of the namespace's dtypes; another value as it is."""
    return otherwise if value is None else _NUMPY[value.kind] if isinstance(value, DType) else value


def check_device(device: Any, x: SecretArray | None = None) -> None:
    """ValueError unless it is None, a session (that of `x`, if given), or "cpu" for a public array."""
    if device is None or (x is not None and device is x.device):
        return
    if x is None and (device == DEVICE or (hasattr(device, "graph") and hasattr(device, "network"))):
        return
    there = "its session, x.device" if x is not None else f"{DEVICE!r}, or a session"
    raise ValueError(f"{device!r} is no device of this array; it is {there}")
