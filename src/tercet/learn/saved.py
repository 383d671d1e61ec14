"""Models that were kept, made anew from what is kept of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tercet.array.core import SecretArray
from tercet.errors import InputError
from tercet.learn.linear_model import LinearRegression
from tercet.learn.model import FORMAT, SecretModel

_KNOWN: dict[str, type[SecretModel]] = {"LinearRegression": LinearRegression}


def rebuild(description: Mapping[str, Any], arrays: Mapping[str, SecretArray]) -> SecretModel:
    """The model that a description and its kept arrays stand for. Raises InputError if it is of none that is known."""
    found = _KNOWN.get(str(description.get("class")))
    if found is None or description.get("format") != FORMAT:
        raise InputError("what is kept is no model that this version knows", hint="update tercet")
    parameters, public = description.get("parameters"), description.get("public")
    if not isinstance(parameters, Mapping) or not isinstance(public, Mapping):
        raise InputError("what is kept is no model: its description is broken")
    if set(parameters) != set(found.parameters) or set(public) | set(arrays) != set(found.fitted):
        raise InputError(f"what is kept is no {found.__name__}: it has other attributes")
    model = found(**parameters)
    for key, value in (*public.items(), *arrays.items()):
        setattr(model, key, value)
    return model
