"""A fitted model as public JSON beside its secret arrays, and the values that JSON has no words for."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final, Protocol, runtime_checkable

import numpy as np

from tercet.array.core import SecretArray
from tercet.errors import InputError

FORMAT: Final = 2
"""Of descriptions; what has another number is refused."""
_KINDS = "biufU"
"""Of public arrays: bools, integers, floats and texts."""
_DEPTH = 32
"""Of values in values that a description may have."""


@dataclass(frozen=True)
class Described:
    """Class, parameters and attributes of a model by name."""

    name: str
    parameters: Mapping[str, Any]
    attributes: Mapping[str, Any]


@runtime_checkable
class Describing(Protocol):
    """A model, as far as its description goes."""

    def _described(self) -> Described:
        """Parameters and fitted attributes that make the model what it is."""


@dataclass
class Description:
    """A model's public part, its secret arrays by name, and where each of them stands in the model."""

    description: dict[str, Any] = field(default_factory=dict)
    arrays: dict[str, SecretArray] = field(default_factory=dict)
    _places: dict[str, Callable[[SecretArray], None]] = field(default_factory=dict)

    def put(self, key: str, array: SecretArray) -> None:
        """Let the model use this array in place of the one of that name."""
        self._places[key](array)

    def add(self, key: str, array: SecretArray, place: Callable[[SecretArray], None]) -> dict[str, str]:
        name = key if key not in self.arrays else f"{key}.{len(self.arrays)}"
        self.arrays[name], self._places[name] = array, place
        return {"secret": name}


def described(model: Describing) -> Description:
    """What is kept of a model. Raises InputError for parameters or attributes that are neither JSON nor arrays."""
    found = Description()
    found.description.update(_model(model, found))
    return found


def _model(model: Describing, into: Description) -> dict[str, Any]:
    own = model._described()
    return {
        "class": own.name,
        "parameters": {key: _encoded(value, key, into, _nowhere) for key, value in own.parameters.items()},
        "attributes": {
            key: _encoded(value, key, into, partial(setattr, model, key)) for key, value in own.attributes.items()
        },
    }


def _nowhere(array: SecretArray) -> None:
    """A parameter, or an element of a tuple, stays the array that it is."""


def _encoded(value: Any, key: str, into: Description, place: Callable[[SecretArray], None]) -> Any:
    """A value in JSON; secret arrays by their names."""
    if isinstance(value, SecretArray):
        return into.add(key, value, place)
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else {"float": repr(value)}
    if isinstance(value, np.ndarray) and value.dtype.kind in _KINDS:
        return {"array": [_encoded(one, key, into, _nowhere) for one in value.tolist()], "dtype": value.dtype.str}
    if isinstance(value, np.ndarray) and value.dtype.kind == "O":
        return {"array": [_encoded(one, key, into, _nowhere) for one in value.tolist()], "dtype": "object"}
    if isinstance(value, slice):
        return {"slice": [value.start, value.stop, value.step]}
    if isinstance(value, range):
        return {"range": [value.start, value.stop, value.step]}
    if isinstance(value, list):
        return [_encoded(one, key, into, _setter(value, at)) for at, one in enumerate(value)]
    if isinstance(value, tuple):
        return {"tuple": [_encoded(one, key, into, _nowhere) for one in value]}
    if isinstance(value, dict):
        pairs = [
            [_encoded(name, key, into, _nowhere), _encoded(one, key, into, _setter(value, name))]
            for name, one in value.items()
        ]
        return {"dict": pairs}
    if isinstance(value, Describing) and not isinstance(value, type):
        return {"model": _model(value, into)}
    raise InputError(
        f"{key} is {type(value).__name__}, which is not kept with a model",
        hint="models keep secret arrays, public arrays, numbers, texts, lists of these, and other models",
    )


def _setter(container: Any, at: Any) -> Callable[[SecretArray], None]:
    return lambda array: container.__setitem__(at, array)


def decoded(
    value: Any, arrays: Mapping[str, SecretArray], model: Callable[[Mapping[str, Any], int], Any], depth: int = 0
) -> Any:
    """The value that `_encoded` made JSON of; `model` makes the models. Raises InputError for anything else."""
    if depth > _DEPTH:
        raise broken()
    if value is None or isinstance(value, bool | int | float | str):
        return value

    def inner(one: Any) -> Any:
        return decoded(one, arrays, model, depth + 1)

    if isinstance(value, list):
        return [inner(one) for one in value]
    if not isinstance(value, Mapping):
        raise broken()
    kind = next(iter(value), "")
    given: Any = value.get(kind)
    try:
        if kind == "secret" and len(value) == 1:
            return arrays[given]
        if kind == "model" and len(value) == 1 and isinstance(given, Mapping):
            return model(given, depth + 1)
        if kind == "float" and given in ("nan", "inf", "-inf"):
            return float(given)
        if kind == "dict" and isinstance(given, list):
            return {inner(name): inner(one) for name, one in given}
        if kind == "tuple" and isinstance(given, list):
            return tuple(inner(one) for one in given)
        if kind in ("slice", "range") and isinstance(given, list):
            whole = [one for one in given if one is None or isinstance(one, int)]
            if kind == "range" and None in whole:
                raise broken()
            return slice(*whole) if kind == "slice" else range(*given)
        if {*value} == {"array", "dtype"} and isinstance(value["array"], list):
            return _array(inner(value["array"]), value["dtype"])
    except (KeyError, TypeError, ValueError):
        raise broken() from None
    raise broken()


def _array(values: Sequence[Any], dtype: Any) -> Any:
    if dtype == "object":
        return np.array([*values, None], dtype=object)[:-1]
    found = np.dtype(dtype)
    if found.kind not in _KINDS:
        raise broken()
    return np.array(values, dtype=found)


def broken() -> InputError:
    return InputError("what is kept is no model: its description is broken")
