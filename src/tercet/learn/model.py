"""What fitted models have in common: parties keep them under a name, and sessions load them again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Protocol, Self

from tercet.array.core import SecretArray
from tercet.errors import InputError

FORMAT = 1


class Keeper(Protocol):
    """What models need of a session."""

    def keep(self, name: str, arrays: Mapping[str, SecretArray], model: Mapping[str, Any]) -> Mapping[str, SecretArray]:
        """Keep secret arrays under a name, with a public description; gives the kept arrays."""


class SecretModel:
    """A model whose fitted attributes may be secret. Subclasses say which attributes there are."""

    parameters: ClassVar[tuple[str, ...]]
    """Attributes set before fitting: public, of JSON."""
    fitted: ClassVar[tuple[str, ...]]
    """Attributes set by fitting: secret arrays, or public numbers."""

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{key}={getattr(self, key)!r}' for key in self.parameters)})"

    def save(self, session: Keeper, name: str) -> Self:
        """Keep the fitted model at the parties under a name, its arrays secret; `tercet.load` gives it back.

        One plan computes what was not computed yet; the model then uses the kept arrays. Parameters and bounds are
        public. Raises InputError for a model that is not fitted, or that is fitted on plain data.
        """
        missing = [key for key in self.fitted if not hasattr(self, key)]
        if missing:
            raise InputError("this model is not fitted", hint="call fit(X, y) first")
        values = {key: getattr(self, key) for key in self.fitted}
        arrays = {key: value for key, value in values.items() if isinstance(value, SecretArray)}
        if not arrays:
            raise InputError("this model was fitted on plain data: there is nothing secret to keep")
        description = {
            "class": type(self).__name__,
            "format": FORMAT,
            "parameters": {key: getattr(self, key) for key in self.parameters},
            "public": {key: value for key, value in values.items() if key not in arrays},
        }
        for key, array in session.keep(name, arrays, description).items():
            setattr(self, key, array)
        return self


def rebuild(
    description: Mapping[str, Any], arrays: Mapping[str, SecretArray], known: Sequence[type[SecretModel]]
) -> SecretModel:
    """The model of one of the `known` classes that was kept. Raises InputError if the description does not fit one."""
    found = next((kind for kind in known if kind.__name__ == description.get("class")), None)
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
