"""Finds the class of a kept model by name: among our own modules, then what installed packages enter.

A package that brings models of its own names each in its metadata, in the group of entry points `tercet.models`:

    [project.entry-points."tercet.models"]
    MedianModel = "my_package.models:MedianModel"
"""

from __future__ import annotations

import pkgutil
from collections.abc import Mapping, Sequence
from importlib import import_module
from importlib.metadata import entry_points
from typing import Any, Final

from tercet.array.core import SecretArray
from tercet.errors import InputError
from tercet.learn.description import FORMAT, broken, decoded
from tercet.learn.model import PUBLIC, SecretModel

GROUP: Final = "tercet.models"
PACKAGES: Final = ("tercet.learn", "tercet.learn.trees")
"""Where our own models stand; no class is named here."""


def model_class(name: str, packages: Sequence[str] = PACKAGES) -> type[SecretModel] | None:
    """The class of models of that name; None if there is none. Our own come first, so that no package replaces one."""
    if not name.isidentifier() or name.startswith("_"):
        return None
    found = next(filter(None, (_own(package, name) for package in packages)), None)
    if found is None:
        entered = next(iter(entry_points(group=GROUP, name=name)), None)
        found = None if entered is None else _model(entered.load())
    return found


def _own(package: str, name: str) -> type[SecretModel] | None:
    """The class of that name that a module of the package defines."""
    for module in pkgutil.iter_modules(import_module(package).__path__):
        path = f"{package}.{module.name}"
        found = _model(vars(import_module(path)).get(name))
        if found is not None and found.__module__ == path:
            return found
    return None


def _model(found: Any) -> type[SecretModel] | None:
    return found if isinstance(found, type) and issubclass(found, SecretModel) else None


def rebuild(
    description: Mapping[str, Any], arrays: Mapping[str, SecretArray], packages: Sequence[str] = PACKAGES
) -> SecretModel:
    """The model that was kept. Raises InputError if the description fits no class of models that is known here.

    What nodes give back is not trusted to be a model: only parameters and attributes that the class declares are set.
    """
    if description.get("format") != FORMAT:
        raise InputError("what is kept is no model that this version knows", hint="update tercet")

    def model(inner: Mapping[str, Any], depth: int) -> SecretModel:
        name, parameters, attributes = (inner.get(key) for key in ("class", "parameters", "attributes"))
        if not isinstance(name, str) or not isinstance(parameters, Mapping) or not isinstance(attributes, Mapping):
            raise broken()
        found = model_class(name, packages)
        if found is None:
            raise InputError(
                f"what is kept is no model that this version knows: {name}",
                hint=f"update tercet, or install the package that enters {name} among {GROUP}",
            )
        as_fitted = {*attributes} - {*PUBLIC} == {*found.fitted} - {*PUBLIC}
        unfitted = depth > 0 and not attributes  # a model that another one copies and fits
        if {*parameters} != {*found.parameters} or not (as_fitted or unfitted):
            raise InputError(f"what is kept is no {name}: it has other attributes")
        made = found(**{key: decoded(value, arrays, model, depth) for key, value in parameters.items()})
        for key, value in attributes.items():
            setattr(made, key, decoded(value, arrays, model, depth))
        return made

    return model(description, 0)
